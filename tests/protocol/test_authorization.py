"""What an authorization request may say, and in which order a mistake in it is told (RFC 6749 §4.1.1, OIDC Core §3.1.2.1)."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from calling_card.protocol.clients import JSON, Card
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.persons.authorization import (
    MODES,
    PROMPTS,
    Bounds,
    Return,
    Said,
    Wish,
    answer_url,
    asking_for_another,
    proves,
    read_request,
    scope_of,
    where,
    wish,
)
from tests.ledger import meets

T = TypeVar("T")

CALLBACK = "https://app.example/cb"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
KNOWN = ("openid", "profile", "email", "offline_access", "orders:read")
BASE = {
    "client_id": "c1",
    "response_type": "code",
    "redirect_uri": CALLBACK,
    "scope": "openid",
    "state": "st",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def card(**members: JSON) -> Card:
    """A public client."""
    made: Card = {
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "scope": "openid profile",
    }
    return made | members


BOUNDS = Bounds(card=card(), known=KNOWN, ceiling=None, pkce="always", strict=False)


def said(**changed: str) -> Said:
    """A good request but for some parameters; empty ones are left out."""
    return read_request(urlencode({name: value for name, value in {**BASE, **changed}.items() if value}))


def asked(bounds: Bounds = BOUNDS, /, **changed: str) -> Wish:
    """What a request that must be good asks for."""
    return wish(said(**changed), bounds)


def refused(bounds: Bounds = BOUNDS, /, **changed: str) -> tuple[No, str]:
    """Why a request is not put before the person."""
    with pytest.raises(Refusal) as caught:
        wish(said(**changed), bounds)
    return caught.value.no, caught.value.description


def not_there(of: Card, /, **changed: str) -> tuple[No, str]:
    """Why there is no place for an answer."""
    with pytest.raises(Refusal) as caught:
        where(said(**changed), of)
    return caught.value.no, caught.value.description


def outcome(work: Callable[[], T]) -> T | Refusal:
    """What comes of it, or why not."""
    try:
        return work()
    except Refusal as refusal:
        return refusal


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-11")
def test_a_parameter_without_a_value_counts_as_not_sent_and_unknown_ones_are_passed_over() -> None:
    read = read_request("client_id=a&state=&whatever=1&resource=&resource=https%3A%2F%2Fapi.example")

    assert (read.client_id, read.state, read.nonce) == ("a", "", "")
    assert read.resources == ("https://api.example",)
    assert wish(said(whatever="1"), BOUNDS) == asked()


@meets("A-11")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "prompt", "code_challenge", "whatever"])
@pytest.mark.parametrize("first, second", [("a", "a"), ("a", "b"), ("", "a"), ("a", "")])
def test_a_parameter_that_is_sent_twice_is_refused_by_name(name: str, first: str, second: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_request(urlencode([("x", "1"), (name, first), (name, second)]))

    assert caught.value.no is No.INVALID_REQUEST
    assert caught.value.description == f"{name}: was sent more than once (RFC 6749 section 3.1)"


@meets("A-11")
def test_a_parameter_that_is_sent_twice_in_two_spellings_is_still_sent_twice() -> None:
    with pytest.raises(Refusal):
        read_request("state=a&%73tate=b")


def test_the_name_of_a_repeated_parameter_is_told_short_and_in_ascii() -> None:
    name = quote("ü" + "x" * 200)

    with pytest.raises(Refusal) as caught:
        read_request(f"{name}=1&{name}=2")

    assert caught.value.description.isascii()
    assert len(caught.value.description) < 150


@meets("A-30")
def test_only_resource_may_be_sent_several_times() -> None:
    assert read_request("resource=a&resource=b&resource=a").resources == ("a", "b", "a")


@pytest.mark.parametrize("query", ["state=%ff", "state=%ED%A0%80", "&".join(f"a{n}=1" for n in range(101))])
def test_what_is_no_form_in_utf_8_or_has_too_many_fields_is_refused(query: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_request(query)

    assert caught.value.no is No.INVALID_REQUEST
    assert "at most 100 fields" in caught.value.description


def test_a_request_that_would_not_fit_into_a_form_of_ours_is_refused() -> None:
    assert read_request("state=" + "x" * 16378).state == "x" * 16378
    with pytest.raises(Refusal) as caught:
        read_request("a=" + "x" * 16383)

    assert caught.value.no is No.INVALID_REQUEST
    assert caught.value.description == "the query is longer than 16384 characters"


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=200))
def test_any_query_is_read_or_refused(query: str) -> None:
    read = outcome(lambda: read_request(query))

    assert not isinstance(read, Refusal) or read.no is No.INVALID_REQUEST


# ── Where answers go ─────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-13", "A-15")
def test_the_answer_goes_to_the_registered_redirect_uri_with_the_state_as_it_came() -> None:
    state = "a b+c%20&=ü\n" + "x" * 100

    assert where(said(state=state), card()) == Return(CALLBACK, CALLBACK, "query", state, sent=True)


@meets("A-13")
def test_a_redirect_uri_may_be_left_out_only_where_there_is_no_doubt() -> None:
    one, two = card(), card(redirect_uris=[CALLBACK, "https://app.example/other"])

    assert where(said(redirect_uri="", scope="orders:read"), one) == Return(CALLBACK, CALLBACK, "query", "st", sent=False)
    assert where(said(redirect_uri="", scope=""), one).sent is False
    for of, scope in ((two, "orders:read"), (one, "openid"), (one, "orders:read openid"), (card(redirect_uris=[]), "orders:read")):
        assert not_there(of, redirect_uri="", scope=scope) == (
            No.INVALID_REDIRECT_URI,
            "redirect_uri: is missing (RFC 6749 section 3.1.2.3)",
        )


@meets("H-08")
def test_a_callback_registered_for_any_port_cannot_be_left_out() -> None:
    anywhere = card(redirect_uris=["http://localhost:*/cb"])

    assert not_there(anywhere, redirect_uri="", scope="orders:read")[0] is No.INVALID_REDIRECT_URI
    assert where(said(redirect_uri="http://localhost:4711/cb"), anywhere) == Return(
        "http://localhost:4711/cb", "http://localhost:*/cb", "query", "st", sent=True
    )


NEAR_MISSES = [
    "https://app.example/cb/",
    "https://app.example/cb?",
    "https://app.example/cb#",
    "https://app.example/cb?x=1",
    "https://app.example/cb#x",
    "https://app.example/cb&x=1",
    "https://app.example/cb;x",
    "https://app.example/cbx",
    "https://app.example/c",
    "https://app.example/",
    "https://app.example",
    "https://app.example/CB",
    "https://app.example/Cb",
    "https://APP.example/cb",
    "https://app.EXAMPLE/cb",
    "HTTPS://app.example/cb",
    "Https://app.example/cb",
    "http://app.example/cb",
    "//app.example/cb",
    "app.example/cb",
    "/cb",
    "https:/app.example/cb",
    "https:///app.example/cb",
    "https:app.example/cb",
    "https://app.example:443/cb",
    "https://app.example:8443/cb",
    "https://app.example:/cb",
    "https://app.example./cb",
    "https://www.app.example/cb",
    "https://evil.app.example/cb",
    "https://app.example.evil.example/cb",
    "https://app.exampleevil.example/cb",
    "https://evilapp.example/cb",
    "https://evil.example/app.example/cb",
    "https://evil.example/https://app.example/cb",
    "https://evil.example?https://app.example/cb",
    "https://evil.example#https://app.example/cb",
    "https://user@app.example/cb",
    "https://app.example@evil.example/cb",
    "https://app.example:x@evil.example/cb",
    "https://app.example%40evil.example/cb",
    "https://app.example\\@evil.example/cb",
    "https://evil.example\\app.example/cb",
    "https:\\\\app.example\\cb",
    "https://app.example/cb/../evil",
    "https://app.example/x/../cb",
    "https://app.example/./cb",
    "https://app.example//cb",
    "https://app.example/cb/.",
    "https://app.example/cb/%2e%2e/evil",
    "https://app.example/%63b",
    "https://app.example/cb%2f",
    "https://app.example/cb%00",
    "https://app.example/cb%20",
    "https://app.example/cb ",
    " https://app.example/cb",
    "https://app.example/cb\t",
    "https://app.example/cb\n",
    "https://app.example/cb\r\nSet-Cookie: a=b",
    "https://app.example/cb\x00",
    "https://app.example/..;/cb",
    "https://app.example/cb;/../evil",
    "https://app.example/cb%252e%252e",
    "https://app.example/cb/*",
    "https://*.example/cb",
    "https://app.example/*",
    "*",
    "https://app.example/cb,https://evil.example",
    "https://app.example/cb https://evil.example",
    "https://ａpp.example/cb",
    "https://app。example/cb",
    "https://xn--app-example/cb",
    "javascript:alert(1)//https://app.example/cb",
    "data:text/html,https://app.example/cb",
]


@meets("A-13", "X-21", "X-22", "X-87", "X-90", "X-96")
@pytest.mark.parametrize("near", NEAR_MISSES, ids=ascii)
def test_a_redirect_uri_that_is_not_the_same_string_is_refused_and_nothing_is_sent_there(near: str) -> None:
    no, why = not_there(card(), redirect_uri=near)

    assert no is No.INVALID_REDIRECT_URI
    assert "compared character by character" in why
    assert near not in why


@meets("X-21")
def test_there_are_at_least_sixty_near_misses() -> None:
    assert len(set(NEAR_MISSES)) >= 60


@meets("H-08", "C-38")
@pytest.mark.parametrize(
    "registered, sent",
    [
        ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"),
        ("http://127.0.0.1:8080/cb", "http://127.0.0.1:49152/cb"),
        ("http://127.0.0.1:8080/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.7:8080/cb", "http://127.0.0.7:1/cb"),
        ("http://[::1]/cb", "http://[::1]:65535/cb"),
        ("http://localhost:*/cb?x=1", "http://localhost:3118/cb?x=1"),
        ("http://localhost", "http://localhost:1"),
    ],
)
@pytest.mark.parametrize("kind", ["native", "web"])
def test_on_loopback_the_port_of_the_day_counts_and_is_kept(registered: str, sent: str, kind: str) -> None:
    found = where(said(redirect_uri=sent), card(redirect_uris=[registered], application_type=kind))

    assert (found.uri, found.registered) == (sent, registered)


@meets("H-08", "X-25", "X-87", "X-90")
@pytest.mark.parametrize(
    "sent",
    [
        "http://127.0.0.1:1/cb?x=1",
        "http://127.0.0.1:1/cb?",
        "http://127.0.0.1:1/cb/",
        "http://127.0.0.1:1/CB",
        "http://127.0.0.1:1/",
        "http://127.0.0.1:1/x/../cb",
        "http://127.0.0.1:1/%63b",
        "http://127.0.0.1:1/cb#x",
        "https://127.0.0.1:1/cb",
        "HTTP://127.0.0.1:1/cb",
        "http://localhost:1/cb",
        "http://[::1]:1/cb",
        "http://127.0.0.2:1/cb",
        "http://127.1:1/cb",
        "http://2130706433:1/cb",
        "http://0x7f000001:1/cb",
        "http://0177.0.0.1:1/cb",
        "http://127.0.0.1.:1/cb",
        "http://127.0.0.1.evil.example:1/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://evil.example:1/cb",
        "http://user@127.0.0.1:1/cb",
        "http://127.0.0.1:1@evil.example/cb",
        "http://127.0.0.1@evil.example:1/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:01/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:*/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:1:2/cb",
        "http://127.0.0.1:1/cb\n",
        "http://127.0.0.1:1\\@evil.example/cb",
        "http://127.0.0.1:１/cb",
    ],
    ids=ascii,
)
def test_on_loopback_nothing_but_the_port_may_differ(sent: str) -> None:
    assert not_there(card(redirect_uris=["http://127.0.0.1/cb"]), redirect_uri=sent)[0] is No.INVALID_REDIRECT_URI


@meets("X-25")
def test_outside_of_loopback_the_port_counts() -> None:
    web = card(redirect_uris=["https://app.example:8443/cb"])

    assert not_there(web, redirect_uri="https://app.example:8444/cb")[0] is No.INVALID_REDIRECT_URI


@meets("X-20")
@pytest.mark.parametrize(
    "uri", ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "blob:x", "java script:x"]
)
def test_a_dangerous_scheme_is_refused_again_when_an_old_record_has_it(uri: str) -> None:
    old = card(redirect_uris=[uri])

    for request in ({"redirect_uri": uri}, {"redirect_uri": "", "scope": "orders:read"}):
        assert not_there(old, **request) == (
            No.INVALID_REDIRECT_URI,
            "redirect_uri: has a scheme that is never redirected to (RFC 9700 section 4.1)",
        )


@meets("A-15")
def test_a_state_of_2048_bytes_comes_back_and_a_longer_one_is_refused() -> None:
    assert where(said(state="é" * 1024), card()).state == "é" * 1024
    for long in ("x" * 2049, "é" * 1025):
        assert not_there(card(), state=long) == (No.INVALID_REQUEST, "state: is longer than 2048 bytes")


@meets("A-20")
def test_an_unknown_way_to_answer_is_told_in_the_query() -> None:
    for mode in MODES:
        assert where(said(response_mode=mode), card()).mode == mode
        assert where(said(response_mode=mode, redirect_uri="", scope="x"), card()).mode == mode
    for mode in ("", "jwt", "query.jwt", "Fragment", "web_message"):
        assert where(said(response_mode=mode), card()).mode == "query"


@pytest.mark.parametrize("broken", [None, "https://app.example/cb", [1, None], {}], ids=str)
def test_only_texts_of_a_card_are_redirect_uris(broken: JSON) -> None:
    assert not_there(card(redirect_uris=broken))[0] is No.INVALID_REDIRECT_URI


# ── What is asked ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_plain_request_asks_for_little() -> None:
    assert asked() == Wish(
        scope="openid", challenge=CHALLENGE, nonce="", prompts=frozenset(), max_age=None, hint="", subject="", login_hint=""
    )


@meets("A-24")
def test_what_the_server_does_not_serve_of_openid_is_left_alone() -> None:
    more = {"acr_values": "urn:x 2", "display": "wap", "claims_locales": "fr", "ui_locales": "xx", "dpop_jkt": "x", "web_message_uri": "x"}
    wishes = json.dumps({"userinfo": {"email": {"essential": True}}, "id_token": {"acr": None}})

    assert asked(**more, claims=wishes) == asked()


@meets("A-24")
def test_a_login_hint_is_passed_on_but_not_without_end() -> None:
    assert asked(login_hint="alice@example.com").login_hint == "alice@example.com"
    assert asked(login_hint="x" * 5000).login_hint == "x" * 100


@meets("A-26", "A-12")
@pytest.mark.parametrize(
    "name, no",
    [
        ("request", No.REQUEST_NOT_SUPPORTED),
        ("request_uri", No.REQUEST_URI_NOT_SUPPORTED),
        ("registration", No.REGISTRATION_NOT_SUPPORTED),
    ],
)
def test_what_comes_in_a_wrapping_we_do_not_take_is_refused_by_name_before_all_else(name: str, no: No) -> None:
    assert refused(**{name: "x", "response_type": "", "scope": "", "code_challenge": ""}) == (
        no,
        f"{name}: this server does not take it (OIDC Core section 3.1.2.6)",
    )


@meets("A-14")
@pytest.mark.parametrize("kind", ["token", "id_token", "code token", "code id_token", "id_token token", "none", "CODE", "code code", "x"])
def test_a_response_type_that_is_not_served_is_refused(kind: str) -> None:
    assert refused(response_type=kind)[0] is No.UNSUPPORTED_RESPONSE_TYPE


@meets("A-14")
def test_a_response_type_must_be_sent_and_registered() -> None:
    assert refused(response_type="") == (No.INVALID_REQUEST, "response_type: is missing (RFC 6749 section 3.1.1)")
    assert asked(response_type=" code ") == asked()


@meets("A-14")
@pytest.mark.parametrize(
    "member, value", [("response_types", ["token"]), ("response_types", []), ("response_types", "code"), ("grant_types", ["refresh_token"])]
)
def test_a_client_that_is_not_registered_for_codes_gets_none(member: str, value: JSON) -> None:
    assert refused(structs.replace(BOUNDS, card=card(**{member: value}))) == (
        No.UNAUTHORIZED_CLIENT,
        "response_type: the client is not registered for code (RFC 6749 section 4.1.2.1)",
    )


@meets("A-20")
def test_a_response_mode_that_is_not_served_is_refused() -> None:
    for mode in MODES:
        assert asked(response_mode=mode) == asked()
    for mode in ("jwt", "Query", "query fragment", "web_message"):
        no, why = refused(response_mode=mode)
        assert no is No.INVALID_REQUEST
        assert why.startswith("response_mode: this server serves query, fragment, form_post")


@meets("A-18", "X-96", "X-29")
@pytest.mark.parametrize(
    "changed, why",
    [
        ({"code_challenge": "", "code_challenge_method": ""}, "code_challenge: is missing; send one with"),
        ({"code_challenge": ""}, "code_challenge: is missing beside its method"),
        ({"code_challenge_method": ""}, "code_challenge_method: must be S256"),
        ({"code_challenge_method": "plain"}, "code_challenge_method: must be S256"),
        ({"code_challenge_method": "s256"}, "code_challenge_method: must be S256"),
        ({"code_challenge_method": "S512"}, "code_challenge_method: must be S256"),
        ({"code_challenge": CHALLENGE[:-1]}, "code_challenge: is not the base64url"),
        ({"code_challenge": CHALLENGE + "A"}, "code_challenge: is not the base64url"),
        ({"code_challenge": CHALLENGE[:-1] + "="}, "code_challenge: is not the base64url"),
        ({"code_challenge": CHALLENGE[:-1] + "+"}, "code_challenge: is not the base64url"),
        ({"code_challenge": CHALLENGE[:-1] + "."}, "code_challenge: is not the base64url"),
        ({"code_challenge": CHALLENGE + "\n"}, "code_challenge: is not the base64url"),
    ],
)
def test_only_a_challenge_by_s256_is_taken(changed: Mapping[str, str], why: str) -> None:
    no, said_why = refused(**changed)

    assert no is No.INVALID_REQUEST
    assert said_why.startswith(why)


@meets("A-18", "A-19")
def test_who_must_send_a_challenge_is_a_setting_but_never_a_client_without_a_secret() -> None:
    confidential = card(token_endpoint_auth_method="client_secret_basic")
    left_out = {"code_challenge": "", "code_challenge_method": ""}
    relaxed = structs.replace(BOUNDS, card=confidential, pkce="public")

    assert wish(said(**left_out), relaxed).challenge == ""
    assert refused(structs.replace(BOUNDS, card=confidential), **left_out)[0] is No.INVALID_REQUEST
    assert refused(structs.replace(BOUNDS, pkce="public"), **left_out)[0] is No.INVALID_REQUEST
    assert refused(relaxed, code_challenge_method="plain")[0] is No.INVALID_REQUEST


@meets("A-22")
def test_prompts_are_a_set_of_known_words_and_none_stands_alone() -> None:
    assert asked(prompt="login consent login").prompts == {"login", "consent"}
    for prompt in PROMPTS:
        assert asked(prompt=prompt).prompts == {prompt}
    for prompt in ("create", "None", "login,consent"):
        assert refused(prompt=prompt) == (
            No.INVALID_REQUEST,
            "prompt: this server knows none, login, consent, select_account (OIDC Core section 3.1.2.1)",
        )
    for prompt in ("none login", "consent none", "none none"):
        assert refused(prompt=prompt) == (No.INVALID_REQUEST, "prompt: none excludes every other value (OIDC Core section 3.1.2.1)")


@meets("A-23")
def test_the_age_of_a_sign_in_is_a_number_of_seconds_or_the_default_of_the_client() -> None:
    patient = structs.replace(BOUNDS, card=card(default_max_age=600))

    assert asked().max_age is None
    assert asked(max_age="0").max_age == 0
    assert asked(max_age="9999999999").max_age == 9_999_999_999
    assert asked(patient).max_age == 600
    assert asked(patient, max_age="5").max_age == 5
    for odd in (True, "600", None, 1.5):
        assert asked(structs.replace(BOUNDS, card=card(default_max_age=odd))).max_age is None
    for bad in ("-1", "1.5", "1e3", "x", "٣", "99999999999", "+1", " 1", "²"):
        assert refused(max_age=bad) == (No.INVALID_REQUEST, "max_age: must be a number of seconds (OIDC Core section 3.1.2.1)")


@meets("A-21")
def test_a_nonce_is_passed_on_but_not_without_end() -> None:
    assert asked(nonce="n" * 512).nonce == "n" * 512
    assert refused(nonce="n" * 513) == (No.INVALID_REQUEST, "nonce: is longer than 512 characters")


@meets("A-25")
@pytest.mark.parametrize(
    "claims, subject",
    [
        ('{"id_token":{"sub":{"value":"abc"}}}', "abc"),
        ('{"id_token":{"sub":{"value":"abc","essential":true},"acr":null},"userinfo":{}}', "abc"),
        ("", ""),
        ("{}", ""),
        ("[]", ""),
        ("null", ""),
        ('"id_token"', ""),
        ('{"id_token":null}', ""),
        ('{"id_token":{"sub":null}}', ""),
        ('{"id_token":{"sub":"abc"}}', ""),
        ('{"id_token":{"sub":{"value":7}}}', ""),
        ('{"id_token":{"sub":{"values":["abc"]}}}', ""),
        ('{"userinfo":{"sub":{"value":"abc"}}}', ""),
        ("{", ""),
        ("not json", ""),
        ("[" * 4000, ""),
        ('{"id_token":{"sub":{"value":"abc"}},"x":"' + "x" * 8192 + '"}', ""),
    ],
    ids=lambda value: str(value)[:40],
)
def test_claims_may_fix_the_one_subject_and_everything_else_in_them_is_a_wish(claims: str, subject: str) -> None:
    assert asked(claims=claims).subject == subject


def test_claims_that_are_no_unicode_are_a_wish_too() -> None:
    broken = structs.replace(said(), claims='"\ud800"')

    assert wish(broken, BOUNDS).subject == ""


@meets("A-25")
def test_an_id_token_hint_is_passed_on_as_it_came() -> None:
    assert asked(id_token_hint="e30.e30.x").hint == "e30.e30.x"


# ── Scope ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-03", "A-17")
def test_the_registered_scope_is_what_a_request_without_one_gets_and_no_ceiling() -> None:
    assert asked(scope="").scope == "openid profile"
    assert asked(scope="email orders:read").scope == "email orders:read"


@meets("H-16", "A-17")
@pytest.mark.parametrize(
    "sent, given_scope",
    [
        ("  openid   email ", "openid email"),
        (" offline_access", "offline_access"),
        ("openid nope openid", "openid"),
        ("nope", "openid profile"),
        ("OPENID", "openid profile"),
        ("openid\temail", "openid email"),
    ],
)
def test_scopes_are_split_on_any_run_of_spaces_and_unknown_ones_are_dropped(sent: str, given_scope: str) -> None:
    assert asked(scope=sent).scope == given_scope


@meets("A-17")
def test_the_strict_profile_does_not_fall_back_to_the_registered_scope() -> None:
    strict = structs.replace(BOUNDS, strict=True)

    assert asked(strict, scope="").scope == "openid profile"
    assert asked(strict, scope="openid nope").scope == "openid"
    assert refused(strict, scope="nope") == (
        No.INVALID_SCOPE,
        "scope: this client may ask for email offline_access openid orders:read profile (RFC 6749 section 3.3)",
    )


@meets("A-17", "H-03")
def test_nothing_beyond_the_ceiling_is_given_and_nothing_at_all_is_a_refusal() -> None:
    narrow = structs.replace(BOUNDS, ceiling=("openid",))
    closed = structs.replace(BOUNDS, ceiling=())

    assert scope_of("openid email", narrow) == "openid"
    assert scope_of("email", narrow) == "openid"
    assert refused(closed, scope="openid") == (No.INVALID_SCOPE, "scope: this client may ask for none (RFC 6749 section 3.3)")
    assert refused(structs.replace(narrow, card=card(scope="email")), scope="email") == (
        No.INVALID_SCOPE,
        "scope: this client may ask for openid (RFC 6749 section 3.3)",
    )
    scopeless = {name: value for name, value in card().items() if name != "scope"}
    assert refused(structs.replace(BOUNDS, card=scopeless), scope="")[0] is No.INVALID_SCOPE


@given(st.text(max_size=60), st.sets(st.sampled_from(KNOWN)), st.booleans())
def test_no_scope_is_given_that_is_unknown_or_beyond_the_ceiling(sent: str, ceiling: set[str], strict: bool) -> None:
    bounds = structs.replace(BOUNDS, ceiling=ceiling, strict=strict)

    found = outcome(lambda: scope_of(sent, bounds))

    if isinstance(found, Refusal):
        assert found.no is No.INVALID_SCOPE
    else:
        words = found.split()
        assert 0 < len(words) == len(set(words))
        assert set(words) <= ceiling & set(KNOWN)


# ── The order in which mistakes are told ─────────────────────────────────────────────────────────────────────────────


@meets("A-12")
def test_with_several_mistakes_the_first_in_one_order_is_told() -> None:
    wrong = {
        "request": "x",
        "response_type": "token",
        "response_mode": "jwt",
        "code_challenge_method": "plain",
        "prompt": "create",
        "max_age": "x",
        "nonce": "n" * 600,
        "scope": "nope",
    }
    strict = structs.replace(BOUNDS, strict=True)
    told: list[str] = []
    while wrong:
        _, why = refused(strict, **wrong)
        told.append(re.split(r"[: ]", why)[0])
        wrong.pop(told[-1])

    assert told == ["request", "response_type", "response_mode", "code_challenge_method", "prompt", "max_age", "nonce", "scope"]


# ── The answer ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-16", "A-20")
@pytest.mark.parametrize(
    "uri, mode, made",
    [
        ("https://app.example/cb", "query", "https://app.example/cb?code=a+b&iss=https%3A%2F%2Fas.example"),
        ("https://app.example/cb?x=1", "query", "https://app.example/cb?x=1&code=a+b&iss=https%3A%2F%2Fas.example"),
        ("https://app.example/cb?", "query", "https://app.example/cb?code=a+b&iss=https%3A%2F%2Fas.example"),
        ("https://app.example/cb?x=1&", "query", "https://app.example/cb?x=1&code=a+b&iss=https%3A%2F%2Fas.example"),
        ("https://app.example/cb?x=1", "fragment", "https://app.example/cb?x=1#code=a+b&iss=https%3A%2F%2Fas.example"),
        ("com.example.app:/cb", "query", "com.example.app:/cb?code=a+b&iss=https%3A%2F%2Fas.example"),
    ],
)
def test_the_answer_is_added_to_what_the_redirect_uri_holds(uri: str, mode: str, made: str) -> None:
    assert answer_url(Return(uri, uri, mode, "", sent=True), {"code": "a b", "iss": "https://as.example"}) == made


@meets("A-15", "X-10")
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80), st.sampled_from(["query", "fragment"]))
def test_a_state_comes_back_as_it_was_sent_and_cannot_leave_its_place(state: str, mode: str) -> None:
    back = where(structs.replace(said(), state=state), card())
    url = answer_url(structs.replace(back, mode=mode), {"state": state, "iss": "x"})
    parts = urlsplit(url)

    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == CALLBACK
    assert parse_qsl(parts.query if mode == "query" else parts.fragment, keep_blank_values=True) == [("state", state), ("iss", "x")]


@pytest.mark.parametrize(
    "query, prompt",
    [
        ("client_id=c&prompt=login", "select_account"),
        ("client_id=c&prompt=consent+login", "select_account consent"),
        ("prompt=none&client_id=c", "select_account"),
        ("client_id=c", "select_account"),
        ("client_id=c&%70rompt=consent", "select_account consent"),
    ],
)
def test_a_request_for_another_account_is_the_same_but_for_its_prompt(query: str, prompt: str) -> None:
    again = read_request(asking_for_another(query + "&state=a%20b&resource=x&resource=y"))

    assert (again.client_id, again.state, again.prompt) == ("c", "a b", prompt)
    assert again.resources == ("x", "y")


# ── The verifier ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-18", "X-29")
@pytest.mark.parametrize(
    "verifier, challenge, right",
    [
        (VERIFIER, CHALLENGE, True),
        ("", "", True),
        ("", CHALLENGE, False),
        (VERIFIER, "", False),
        ("w" * 43, CHALLENGE, False),
        (CHALLENGE, CHALLENGE, False),
        (VERIFIER + "\n", CHALLENGE, False),
        ("v" * 42, base64.urlsafe_b64encode(hashlib.sha256(b"v" * 42).digest()).rstrip(b"=").decode(), False),
        ("v" * 128, base64.urlsafe_b64encode(hashlib.sha256(b"v" * 128).digest()).rstrip(b"=").decode(), True),
        ("v" * 129, base64.urlsafe_b64encode(hashlib.sha256(b"v" * 129).digest()).rstrip(b"=").decode(), False),
        ("ü" * 43, CHALLENGE, False),
    ],
)
def test_only_the_verifier_behind_the_challenge_proves_anything(verifier: str, challenge: str, right: bool) -> None:
    assert proves(verifier, challenge) is right
