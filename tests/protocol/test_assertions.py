"""What an assertion must say before anybody looks at its signature (RFC 7523 §3, RFC 7515 §4)."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.protocol.handles.assertions import TYPE, Assertion, Expected, Unfit, judge, read
from tests import assertions
from tests.assertions import claims, encoded, holder, jws, respelled, spoiled
from tests.ledger import meets

NOW = 1_800_000_000
ISSUER, TOKEN = "https://as.example", "https://as.example/token"
ALGS = ("ES256", "RS256", "HS256")
WANTED = Expected("c1", (ISSUER, TOKEN), ALGS, NOW, 300)


def unsigned(message: bytes) -> bytes:
    """No key is needed before the signature is looked at."""
    return b"signature"


def made(header: object, said: object) -> str:
    return jws(header, said, unsigned)


def good(**others: object) -> dict[str, object]:
    return claims("c1", ISSUER, NOW, **others)


def judged(said: object, header: Mapping[str, object] | None = None, wanted: Expected = WANTED) -> str:
    """Why an assertion is not taken, or empty."""
    try:
        judge(read(made({"alg": "ES256", **(header or {})}, said)), wanted)
    except Unfit as unfit:
        return str(unfit)
    return ""


def unread(text: str) -> str:
    with pytest.raises(Unfit) as caught:
        read(text)
    return str(caught.value)


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_type_of_an_assertion_is_the_one_of_the_specification() -> None:
    assert TYPE == assertions.TYPE


def test_an_assertion_is_read_into_its_parts() -> None:
    text = made({"alg": "HS256", "kid": "k"}, {"sub": "c1", "exp": NOW + 0.5, "jti": "1"})

    found = read(text)

    assert (found.text, found.alg, found.kid, found.subject, found.method) == (text, "HS256", "k", "c1", "client_secret_jwt")
    assert found.until == NOW + 61
    assert len(found.fact) == 16


def test_what_an_assertion_does_not_say_is_empty() -> None:
    found = read(made({"alg": ["ES256"], "kid": 1}, {"sub": None, "exp": True}))

    assert (found.alg, found.kid, found.subject, found.method, found.until) == ("", None, "", "private_key_jwt", 60)


def test_each_name_of_an_assertion_is_another_fact() -> None:
    facts = {Assertion("", {}, {"jti": jti}).fact for jti in ("1", "2", "1 ", "")}

    assert len(facts) == 4


@meets("X-44")
@pytest.mark.parametrize("other", [{"sub": "c2"}, {"exp": NOW + 61}, {"aud": TOKEN}])
def test_the_same_name_is_the_same_fact_whatever_else_is_said(other: dict[str, object]) -> None:
    assert read(made({}, good(jti="1"))).fact == read(made({}, good(jti="1", **other))).fact


@meets("X-68")
@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "e30.e30",
        "e30.e30.",
        "e30..e30",
        ".e30.e30",
        "e30.e30.e30.e30",
        "e30.e30.e30.e30.e30",
        "." * 100,
        "e30.e30.e3=",
        "e30.e30. e30",
        "e30.e30.e30\n",
        "\u00e930.e30.e30",
        "\ud800.e30.e30",
        "e30.e30.+++/",
        "e30.e30.e",
    ],
    ids=ascii,
)
def test_what_is_no_signed_compact_jws_is_not_read(text: str) -> None:
    assert unread(text) == "the assertion is no signed compact JWS in base64url"


@meets("X-40")
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_second_spelling_of_the_same_bytes_is_not_read(place: int) -> None:
    text = jws({"alg": "ES256", "x": 1}, good(jti="12"), lambda _: b"1234")
    assert read(text).alg == "ES256"

    respelling = spoiled(text, place, respelled)

    assert respelling != text
    assert unread(respelling) == "the assertion is no signed compact JWS in base64url"


@meets("X-68")
def test_a_huge_assertion_is_not_even_decoded() -> None:
    assert unread(made({"alg": "ES256"}, good(more="x" * 8192))) == "the assertion is longer than 8192 characters"


@pytest.mark.parametrize("place, name", [(0, "header"), (1, "claims")])
@pytest.mark.parametrize(
    "raw, problem",
    [
        (b"[]", "must be one JSON object"),
        (b'"x"', "must be one JSON object"),
        (b"{", "is not valid JSON"),
        (b"\xff", "must be UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"alg":"none","alg":"ES256"}', "names the member 'alg' twice"),
        (b'{"sub":"c1","sub":"c2"}', "names the member 'sub' twice"),
        (b'{"exp":NaN}', "uses NaN"),
        (b'{"exp":1e999}', "too large"),
        (b'{"a":' * 20 + b"1" + b"}" * 20, "nested deeper"),
        (json.dumps({str(n): n for n in range(300)}).encode(), "more than 200 members"),
        (b'{"sub":"c1\\u0000"}', "U+0000"),
        (b'{"sub":"\\ud800"}', "surrogate"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_part_that_two_readers_would_read_in_two_ways_is_not_read(place: int, name: str, raw: bytes, problem: str) -> None:
    text = spoiled(made({"alg": "ES256"}, good()), place, lambda _: encoded(raw))

    assert unread(text).startswith(f"{name}: the body ")
    assert problem in unread(text)


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}", fullmatch=True))
def test_any_text_is_read_or_not_and_nothing_else_happens(text: str) -> None:
    try:
        found = read(text)
    except Unfit:
        return
    assert found.text == text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "x"]), VALUES),
    st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "jti"]), VALUES),
)
def test_any_header_and_claims_get_a_judgement(header: dict[str, object], said: dict[str, object]) -> None:
    with pytest.raises(Unfit):
        judge(read(jws(header, said, unsigned)), WANTED)


# ── Judging ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-40", "D-61")
@pytest.mark.parametrize("audience", [ISSUER, TOKEN, [ISSUER], [TOKEN]])
def test_an_assertion_of_the_client_for_this_server_is_taken(audience: object) -> None:
    assert judged(good(aud=audience)) == ""


@meets("X-43")
@pytest.mark.parametrize("typ", ["JWT", "jwt", "client-authentication+jwt", "Client-Authentication+JWT", None])
def test_an_assertion_says_that_it_is_one_or_nothing(typ: str | None) -> None:
    header = {} if typ is None else {"typ": typ}

    assert judged(good(), header) == ""


@meets("X-43")
@pytest.mark.parametrize(
    "typ", ["at+jwt", "logout+jwt", "oauth-authz-req+jwt", "dpop+jwt", "token-introspection+jwt", "JOSE", "", None, 1, ["JWT"], "JWT "]
)
def test_whatever_says_that_it_is_something_else_is_no_assertion(typ: object) -> None:
    assert judged(good(), {"typ": typ}).startswith("header typ: ")


@meets("X-40", "X-42", "X-68", "X-94")
@pytest.mark.parametrize(
    "name, value",
    [
        ("crit", ["exp"]),
        ("crit", []),
        ("b64", False),
        ("zip", "DEF"),
        ("enc", "A256GCM"),
        ("jwk", holder("ES256").jwk),
        ("jku", "https://evil.example/keys"),
        ("x5u", "https://evil.example/chain"),
        ("x5c", ["MIIB"]),
        ("x5c", None),
    ],
)
def test_a_header_that_brings_a_key_or_changes_the_reading_is_refused(name: str, value: object) -> None:
    assert judged(good(), {name: value}) == f"header {name}: is not taken from a client"


def test_a_header_that_nobody_understands_is_passed_over() -> None:
    assert judged(good(), {"x5t": "abc", "x5t#S256": "abc", "cty": "json", "vendor": {"a": 1}}) == ""


@meets("X-40")
@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "", "HS512", "es256", "RSA1_5", "dir", "PBES2-HS256+A128KW", None, 1, ["ES256"]]
)
def test_an_algorithm_that_is_not_served_is_refused(alg: object) -> None:
    assert judged(good(), {"alg": alg}) == "header alg: is none of ES256, RS256, HS256"


@pytest.mark.parametrize("kid", ["", "k" * 256, 1, None, ["k"], {}])
def test_the_name_of_a_key_is_a_short_text(kid: object) -> None:
    assert judged(good(), {"kid": kid}) == "header kid: is no short text"


@meets("A-40", "D-61")
@pytest.mark.parametrize(
    "said",
    [
        {"iss": None},
        {"sub": None},
        {"iss": "c2"},
        {"sub": "c2"},
        {"iss": "c2", "sub": "c2"},
        {"iss": ISSUER},
        {"iss": "c1 "},
        {"sub": "C1"},
        {"iss": ["c1"], "sub": ["c1"]},
        {"iss": 1, "sub": 1},
    ],
    ids=str,
)
def test_issuer_and_subject_are_both_the_client(said: dict[str, object]) -> None:
    assert judged(good(**said)) == "iss and sub: must both be the client_id"


def test_nobody_is_no_client() -> None:
    assert judged(claims("", ISSUER, NOW), wanted=replace(WANTED, client_id="")).startswith("iss and sub: ")


@meets("A-40", "C-34")
@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        "https://other.example",
        ISSUER + "/",
        "HTTPS://AS.EXAMPLE",
        TOKEN + "?x=1",
        ISSUER + "/introspect",
        [],
        [ISSUER, "https://other.example"],
        ["https://other.example", ISSUER],
        [ISSUER, TOKEN],
        [ISSUER, ISSUER],
        [[ISSUER]],
        {"a": ISSUER},
        1,
    ],
    ids=str,
)
def test_there_is_exactly_one_audience_and_it_is_this_server(audience: object) -> None:
    assert judged(good(aud=audience)) == f"aud: must be {ISSUER} or {TOKEN} alone"


@meets("C-34")
def test_the_issuer_alone_may_be_asked_for() -> None:
    strict = replace(WANTED, audiences=(ISSUER,))

    assert judged(good(aud=ISSUER), wanted=strict) == ""
    assert judged(good(aud=TOKEN), wanted=strict) == f"aud: must be {ISSUER} alone"


@meets("A-40")
@pytest.mark.parametrize(
    "end, problem",
    [
        (NOW + 300, ""),
        (NOW + 310, ""),
        (NOW + 310.5, "exp: is more than 300 seconds ahead"),
        (NOW + 311, "exp: is more than 300 seconds ahead"),
        (NOW + 3600, "exp: is more than 300 seconds ahead"),
        (2**62, "exp: is more than 300 seconds ahead"),
        (1e300, "exp: is more than 300 seconds ahead"),
        (NOW, ""),
        (NOW - 59, ""),
        (NOW - 60, "exp: is over"),
        (0, "exp: is over"),
        (-1, "exp: is over"),
        (None, "exp: is missing, or no number"),
        ("1800000060", "exp: is missing, or no number"),
        (True, "exp: is missing, or no number"),
        ([NOW + 60], "exp: is missing, or no number"),
    ],
)
def test_an_assertion_ends_soon_and_has_not_ended(end: object, problem: str) -> None:
    assert judged(good(exp=end)) == problem


@pytest.mark.parametrize("name", ["nbf", "iat"])
@pytest.mark.parametrize(
    "time, problem",
    [
        (None, ""),
        (NOW, ""),
        (NOW - 1_000_000, ""),
        (NOW + 10, ""),
        (NOW + 9.5, ""),
        (NOW + 11, "is in the future"),
        (NOW + 10.5, "is in the future"),
        ("now", "is no number"),
        (False, "is no number"),
    ],
)
def test_an_assertion_has_begun(name: str, time: object, problem: str) -> None:
    assert judged(good(**{name: time})) == (f"{name}: {problem}" if problem else "")


@meets("A-40", "X-44", "X-89")
@pytest.mark.parametrize("jti", [None, "", 1, True, ["1"], "j" * 256])
def test_an_assertion_has_a_name_of_its_own(jti: object) -> None:
    assert judged(good(jti=jti)) == "jti: is missing, or no short text"


def test_a_time_that_is_written_as_null_is_no_time() -> None:
    assert judged({**good(), "nbf": None}) == "nbf: is no number"
