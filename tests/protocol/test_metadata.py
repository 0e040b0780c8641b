"""From what was said to the card in force: kinds, defaults, narrowing, agreement, and the order in which problems are told."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calling_card.protocol.card.ground import AUTH_METHODS, Ground, Limits
from calling_card.protocol.card.metadata import Change, Judged, judge, needs_secret
from calling_card.protocol.card.vocabulary import MEMBERS, Kind
from calling_card.protocol.clients import JSON, Card
from calling_card.protocol.errors import No, Refusal
from tests.ledger import meets

GROUND = Ground(issuer="https://as.example", related_hosts="off")
STRICT = replace(GROUND, strict=True)
SCOPES = ("openid", "profile", "email", "offline_access")
CALLBACK = "https://a.example/cb"
CB: dict[str, JSON] = {"redirect_uris": [CALLBACK]}


def said(ground: Ground = GROUND, default_scope: str = "openid", /, **members: JSON) -> Judged:
    """The judgement of a web client that says this besides its callback."""
    return judge({**CB, **members}, ground, scopes=SCOPES, default_scope=default_scope)


def tagged(members: Mapping[str, JSON], ground: Ground = GROUND) -> Judged:
    """The same for names that Python cannot write as arguments."""
    return judge({**CB, **members}, ground, scopes=SCOPES, default_scope="openid")


def refused(members: Mapping[str, JSON], ground: Ground = GROUND, default_scope: str = "openid") -> Refusal:
    """The refusal of exactly what was said."""
    with pytest.raises(Refusal) as caught:
        judge(members, ground, scopes=SCOPES, default_scope=default_scope)
    assert caught.value.errors[0].description == caught.value.description
    assert caught.value.errors[0].no is caught.value.no
    assert all(error.description.isascii() for error in caught.value.errors)
    assert all('"' not in error.description and "\\" not in error.description for error in caught.value.errors)
    return caught.value


def problem(ground: Ground = GROUND, /, **members: JSON) -> str:
    """The description under which a web client with a good callback is refused, as invalid metadata."""
    refusal = refused({**CB, **members}, ground)
    assert refusal.no is No.INVALID_CLIENT_METADATA
    return refusal.description


# ── Defaults ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-07", "C-11", "S3-18", "S3-20", "S3-21", "S3-22", "S3-23", "S3-24", "S3-25", "S3-26", "S3-27", "S3-28", "S3-29", "S0-18", "S0-31")
def test_what_was_not_said_has_its_default_in_the_card() -> None:
    judged = said()

    assert judged.card == {
        "redirect_uris": [CALLBACK],
        "application_type": "web",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "scope": "openid",
        "subject_type": "public",
        "token_endpoint_auth_method": "client_secret_basic",
        "introspection_endpoint_auth_method": "client_secret_basic",
        "revocation_endpoint_auth_method": "client_secret_basic",
        "id_token_signed_response_alg": "RS256",
        "post_logout_redirect_uris": [],
        "request_uris": [],
        "require_auth_time": False,
        "require_signed_request_object": False,
    }
    assert judged.changes == ()
    assert judged.warnings == ()


@meets("S3-12", "S3-19", "S3-34", "C-21", "C-32")
def test_the_sample_of_the_testers_notes_keeps_what_it_said() -> None:
    body: Card = {
        "client_name": "Oauth client",
        "redirect_uris": ["http://localhost:9000/callback"],
        "client_uri": "http://localhost:9000",
        "grant_types": ["authorization_code"],
        "scope": "openid",
    }

    card = judge(body, GROUND, scopes=SCOPES, default_scope="openid").card

    assert {name: card[name] for name in body} == body
    assert card["application_type"] == "web"


@meets("S0-13", "S0-14", "S0-15", "S0-16", "S0-19", "S0-20", "S0-21", "S0-32", "S0-33", "S0-34", "C-06", "C-20", "H-17")
def test_the_sample_of_dynamic_registration_comes_back_whole() -> None:
    body: Card = {
        "redirect_uris": ["https://app.example.org/cb", "https://app.example.org/cb2"],
        "client_name": "Tea Shop",
        "client_name#ja-Jpan-JP": "\u304a\u8336\u5c4b",
        "token_endpoint_auth_method": "client_secret_basic",
        "logo_uri": "https://app.example.org/logo.png",
        "jwks_uri": "https://app.example.org/keys.json",
        "example_extension_parameter": "x1",
    }
    ground = replace(GROUND, extensions=("example_extension_parameter",), default_grant_types=("authorization_code", "refresh_token"))

    card = judge(body, ground, scopes=SCOPES, default_scope="openid").card

    assert {name: card[name] for name in body} == body
    assert card["grant_types"] == ["authorization_code", "refresh_token"]


@meets("R-10", "C-11")
@pytest.mark.parametrize("name", [*MEMBERS, "client_name#fr", "client_name#!!", "unknown"])
def test_null_is_not_sent(name: str) -> None:
    assert tagged({name: None, **CB}) == said()


@meets("H-06", "R-11")
@pytest.mark.parametrize(
    "name", [row.name for row in MEMBERS.values() if row.kind in {Kind.TEXT, Kind.URL, Kind.CHOICE, Kind.ALG, Kind.SCOPE}]
)
def test_an_empty_text_is_not_sent_or_refused_in_the_strict_profile(name: str) -> None:
    assert tagged({name: ""}) == said()
    if name not in {row.name for row in MEMBERS.values() if row.by == "server" or row.unread}:
        assert f"{name}: must not be empty" in problem(STRICT, **{name: ""})


@meets("R-12")
@pytest.mark.parametrize(
    "name",
    [
        "contacts",
        "grant_types",
        "response_types",
        "default_acr_values",
        "response_modes",
        "js_origins",
        "keywords",
        "authorization_details_types",
    ],
)
def test_an_empty_list_is_not_sent(name: str) -> None:
    nothing: JSON = []

    assert said(**{name: nothing}) == said()


@meets("R-12")
def test_an_empty_list_of_uris_is_kept() -> None:
    judged = judge(
        {
            "redirect_uris": [],
            "post_logout_redirect_uris": [],
            "request_uris": [],
            "claims_redirect_uris": [],
            "grant_types": ["client_credentials"],
        },
        GROUND,
        scopes=SCOPES,
        default_scope="",
    )

    assert judged.card["redirect_uris"] == judged.card["claims_redirect_uris"] == judged.card["request_uris"] == []
    assert judged.changes == ()


@meets("R-12", "R-08")
def test_a_value_said_twice_is_kept_once_and_told() -> None:
    judged = said(contacts=["a@a.example", "b@a.example", "a@a.example"])

    assert judged.card["contacts"] == ["a@a.example", "b@a.example"]
    assert judged.changes[0].member == "contacts"


def test_lists_in_the_card_are_its_own() -> None:
    first, second = said().card, said().card
    uris = first["request_uris"]
    assert isinstance(uris, list)

    uris.append("https://a.example/r")

    assert second["request_uris"] == [] == said().card["request_uris"]


@meets("R-13")
def test_names_are_case_sensitive() -> None:
    assert refused({"Redirect_URIs": [CALLBACK]}).no is No.INVALID_REDIRECT_URI


@meets("R-58", "X-64")
@pytest.mark.parametrize("name", ["favourite_colour", "__proto__", "constructor", "{{7*7}}", "$where", "", "#", "x#fr", "#fr"])
def test_an_unknown_member_is_dropped_without_a_word_or_refused_by_the_switch(name: str) -> None:
    assert tagged({name: {"a": 1}}) == said()
    with pytest.raises(Refusal, match="is not a member this server knows"):
        tagged({name: {"a": 1}}, replace(GROUND, unknown_refused=True))


@meets("R-72")
def test_what_the_server_sets_and_statements_are_passed_over() -> None:
    given: dict[str, JSON] = {name: 5 for name, row in MEMBERS.items() if row.by == "server" or row.unread}

    assert len(given) == 9
    assert tagged(given, replace(GROUND, unknown_refused=True)) == said()


# ── Kinds ────────────────────────────────────────────────────────────────────────────────────────────────────────────

ANY_VALUE: dict[str, list[JSON]] = {
    "string": ["text"],
    "number": [7],
    "float": [1.0],
    "true": [True],
    "list": [["https://a.example/x"]],
    "numbers": [[7]],
    "empty": [[""]],
    "object": [{"a": "b"}],
}
TAKES = {
    Kind.TEXT: {"string"},
    Kind.URL: set[str](),
    Kind.URLS: {"list"},
    Kind.CALLBACKS: {"list"},
    Kind.ORIGINS: set[str](),
    Kind.CHOICE: set[str](),
    Kind.CHOICES: set[str](),
    Kind.ALG: {"string"},
    Kind.TEXTS: {"list"},
    Kind.SCOPE: {"string"},
    Kind.NUMBER: {"number"},
    Kind.FLAG: {"true"},
    Kind.KEYS: set[str](),
    Kind.OBJECT: set[str](),
}


@meets("R-59", "R-09", "C-15")
@pytest.mark.parametrize("name", [row.name for row in MEMBERS.values() if row.by == "client" and not row.unread])
def test_a_value_of_the_wrong_type_is_refused_never_coerced(name: str) -> None:
    row = MEMBERS[name]
    takes = TAKES[row.kind] | ({"string"} if row.kind is Kind.CHOICE and row.idle else set[str]())
    for shape in ANY_VALUE.keys() - takes:
        refusal = refused({**CB, name: ANY_VALUE[shape][0]})

        assert refusal.no is row.no
        assert refusal.description.startswith(name)


@meets("R-09", "X-63")
@pytest.mark.parametrize("value", [1.0, -0.0, -1, True, False, "86400", 2**31, 2**53, 2**64 - 1, [1], {}])
def test_a_number_is_an_integer_within_its_range(value: JSON) -> None:
    assert "default_max_age: must be an integer from 0 to 2147483647" in problem(default_max_age=value)


@meets("R-09")
@pytest.mark.parametrize("value", [0, 86400, 2**31 - 1])
def test_a_number_in_its_range_is_kept(value: int) -> None:
    assert said(default_max_age=value).card["default_max_age"] == value


@meets("R-09")
@pytest.mark.parametrize("value", ["true", "false", 0, 1, [], {}])
def test_a_switch_is_a_json_boolean(value: JSON) -> None:
    assert "require_auth_time: must be true or false" in problem(require_auth_time=value)


@meets("R-14")
def test_texts_are_kept_by_code_point() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"

    assert said(client_name=composed).card["client_name"] == composed
    assert said(software_id=decomposed).card["software_id"] == decomposed


@meets("R-15", "X-60")
@pytest.mark.parametrize(
    "members, problem_of",
    [
        ({"client_name": "x" * 257}, "client_name: is longer than 256 characters"),
        ({"client_name#fr": "x" * 10_000}, "client_name#fr: is longer than 256 characters"),
        ({"description": "x" * 1001}, "description: is longer than 1000 characters"),
        ({"software_id": "x" * 256}, "software_id: is longer than 255 characters"),
        ({"client_uri": "https://a.example/" + "x" * 2048}, "client_uri: is longer than 2048 bytes"),
        ({"contacts": [f"a{index}@a.example" for index in range(11)]}, "contacts: has more than 10 elements"),
        ({"keywords": [f"k{index}" for index in range(21)]}, "keywords: has more than 20 elements"),
        ({"keywords": ["x" * 256]}, "keywords: is longer than 255 characters"),
        ({"request_uris": [f"https://a.example/{index}" for index in range(21)]}, "request_uris: has more than 20 elements"),
        ({"js_origins": [f"https://a{index}.example" for index in range(51)]}, "js_origins: has more than 50 elements"),
        ({"vp_formats_supported": {"a": {"b": "x" * 4096}}}, "vp_formats_supported: is longer than 4096 bytes"),
        ({"jwks": {"keys": [{"kty": "EC"}] * 21}}, "jwks: has more than 20 keys"),
    ],
)
def test_a_limit_is_named(members: dict[str, JSON], problem_of: str) -> None:
    assert problem_of in refused({**CB, **members}).description


@meets("R-15")
def test_too_many_or_too_long_redirect_uris_are_refused_as_such() -> None:
    many = refused({"redirect_uris": [f"https://a.example/{index}" for index in range(500)]})
    long = refused({"redirect_uris": ["https://a.example/" + "x" * 2048]})

    assert (many.no, long.no) == (No.INVALID_REDIRECT_URI, No.INVALID_REDIRECT_URI)
    assert "redirect_uris: has more than 20 elements" in many.description
    assert "redirect_uris[0]: is longer than 2048 bytes" in long.description


@meets("R-15")
def test_limits_come_from_the_ground() -> None:
    small = replace(GROUND, limits=Limits(name=3, redirect_uris=1))

    assert "longer than 3 characters" in problem(small, client_name="Teas")
    assert refused({"redirect_uris": [CALLBACK, CALLBACK + "2"]}, small).no is No.INVALID_REDIRECT_URI


@meets("R-57", "X-50")
@pytest.mark.parametrize("name", ["client_name", "description", "organization_name", "display_name", "client_name#ar"])
def test_shown_text_must_not_hide_anything(name: str) -> None:
    assert f"{name}: has the character U+202E" in refused({**CB, name: "Tea\u202egpj"}).description
    assert f"{name}: has a control character" in refused({**CB, name: "Tea\nX"}).description
    assert f"{name}: has nothing to see" in refused({**CB, name: "  "}).description


@meets("R-57", "X-50")
def test_a_suspicious_name_is_kept_with_a_warning() -> None:
    judged = tagged({"client_name": "Tea (verified)", "client_name#ru": "Gооgle", "software_id": "verified"})

    assert judged.card["client_name"] == "Tea (verified)"
    assert [warning.partition(":")[0] for warning in judged.warnings] == ["client_name", "client_name#ru"]


@pytest.mark.parametrize("name", ["software_id", "software_version"])
def test_hidden_text_must_be_printable_at_least(name: str) -> None:
    assert f"{name}: has a control character" in problem(**{name: "a\x00b"})
    assert said(**{name: "a\u200db"}).card[name] == "a\u200db"


@pytest.mark.parametrize(
    "contact", ["nobody", "a@", "@a.example", "a@a.example, b@a.example", "Mail <a@a.example>", "mailto:x@a.example", "a b@a.example"]
)
def test_a_contact_is_an_address_unless_any_text_is_allowed(contact: str) -> None:
    assert "contacts: is not an e-mail address" in problem(contacts=[contact])
    assert said(replace(GROUND, any_contact=True), contacts=[contact]).card["contacts"] == [contact]


URL_MEMBERS = [row.name for row in MEMBERS.values() if row.kind is Kind.URL and row.by == "client"]


@meets("X-11", "R-54", "X-74")
@pytest.mark.parametrize("name", [*URL_MEMBERS, *(row.name + "#fr" for row in MEMBERS.values() if row.kind is Kind.URL and row.i18n)])
@pytest.mark.parametrize(
    "value", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "https://u@a.example/", "//a.example", "x"]
)
def test_a_link_is_a_link_in_every_language(name: str, value: str) -> None:
    assert f"{name}: " in refused({**CB, name: value}).description


@pytest.mark.parametrize("name", ["client_uri", "tos_uri", "policy_uri", "organization_uri", "information_uri"])
def test_a_link_over_http_is_kept_with_a_warning(name: str) -> None:
    assert said(**{name: "http://a.example/x"}).warnings == (f"{name}: is not https",)


@pytest.mark.parametrize("name", ["jwks_uri", "initiate_login_uri", "signed_jwks_uri"])
def test_addresses_for_the_server_are_https(name: str) -> None:
    assert f"{name}: must begin with https://" in problem(**{name: "http://a.example/x"})
    assert said(**{name: "https://a.example/x"}).card[name] == "https://a.example/x"


def test_a_logo_over_http_is_for_development_servers() -> None:
    assert "logo_uri: must begin with https://" in problem(logo_uri="http://a.example/l.png")
    assert said(replace(GROUND, issuer="http://127.0.0.1:8000"), logo_uri="http://a.example/l.png").card["logo_uri"]


def test_request_objects_are_on_https_and_may_carry_their_hash() -> None:
    assert said(request_uris=["https://a.example/r#x"]).card["request_uris"] == ["https://a.example/r#x"]
    assert "request_uris[1]: must begin with https://" in problem(request_uris=["https://a.example/r", "http://a.example/r"])


@meets("S0-02")
def test_origins_are_checked_one_by_one() -> None:
    assert said(js_origins=["https://a.example", "http://localhost:3000"]).card["js_origins"] == [
        "https://a.example",
        "http://localhost:3000",
    ]
    assert "js_origins[1]: must be an origin" in problem(js_origins=["https://a.example", "https://a.example/path"])


@meets("R-86")
def test_a_link_elsewhere_is_ignored_told_or_refused() -> None:
    members: dict[str, JSON] = {"client_uri": "https://other.example", "tos_uri#fr": "https://a.example/tos"}

    assert tagged(members).warnings == ()
    assert tagged(members, replace(GROUND, related_hosts="warn")).warnings == (
        "client_uri: is on a host that no redirect URI has (RFC 7591 section 5)",
    )
    enforced = refused({**CB, **members}, replace(GROUND, related_hosts="enforce"))
    assert [error.description.partition(":")[0] for error in enforced.errors] == ["client_uri"]


@meets("R-86")
def test_a_client_without_redirects_is_on_no_host() -> None:
    machine: Card = {"grant_types": ["client_credentials"], "client_uri": "https://other.example"}

    judged = judge(machine, replace(GROUND, related_hosts="enforce"), scopes=SCOPES, default_scope="")

    assert judged.card["client_uri"] == "https://other.example"


# ── Language tags and extensions ─────────────────────────────────────────────────────────────────────────────────────


@meets("R-50", "R-51", "S0-16")
def test_a_tag_is_kept_as_it_was_spelt() -> None:
    card = tagged({"client_name#ja-JPAN-jp": "お茶", "logo_uri#FR": "https://a.example/l", "keywords#de": ["Tee"]}).card

    assert card["client_name#ja-JPAN-jp"] == "お茶"
    assert card["logo_uri#FR"] == "https://a.example/l"
    assert card["keywords#de"] == ["Tee"]


@meets("R-50")
@pytest.mark.parametrize(
    "name", ["client_name#", "client_name#!", "client_name##fr", "client_name#fr#de", "client_name#fr_FR", "client_name#é"]
)
def test_a_bad_tag_is_refused_or_ignored_by_setting(name: str) -> None:
    assert "needs a well-formed language tag" in refused({**CB, name: "x"}).description
    lenient = tagged({name: "x"}, replace(GROUND, bad_tag_ignored=True))
    assert lenient.card == said().card
    assert lenient.changes[0].now is None


@meets("R-51")
def test_two_spellings_of_one_tag_are_refused_for_one_member_only() -> None:
    assert "two spellings" in refused({**CB, "client_name#fr": "a", "client_name#FR": "a"}).description
    assert len(tagged({"client_name#fr": "a", "description#FR": "a", "client_name#fr-CA": "a"}).card) == len(said().card) + 3


@meets("R-55")
@pytest.mark.parametrize("name", ["redirect_uris#fr", "scope#en", "contacts#de", "client_id#x"])
def test_a_tag_on_a_member_without_languages_makes_it_unknown(name: str) -> None:
    assert tagged({name: "x"}, replace(GROUND, extensions=("*",))) == said()


@meets("R-56", "X-60")
def test_there_are_at_most_fifty_variants() -> None:
    tags = [f"x-{index}" for index in range(51)]
    fifty: dict[str, JSON] = {f"client_name#{tag}": "Tea" for tag in tags[:50]}

    assert len(tagged(fifty).card) == len(said().card) + 50
    assert "at most 50 members" in refused({**CB, **fifty, "description#x-50": "Tea"}).description


@meets("H-17", "C-06")
@pytest.mark.parametrize("value", ["x1", 7, 1.5, True, [], {"a": [None]}, [1, {"b": ""}]])
def test_a_listed_extension_is_kept_as_it_is(value: JSON) -> None:
    ground = replace(GROUND, extensions=("example", "https://a.example/member"))

    card = tagged({"example": value, "example#fr": value, "https://a.example/member": value, "other": value}, ground).card

    assert {name: card[name] for name in card.keys() - said().card.keys()} == {
        "example": value,
        "example#fr": value,
        "https://a.example/member": value,
    }


@meets("H-17", "X-64")
def test_with_a_star_any_plainly_named_extension_is_kept() -> None:
    ground = replace(GROUND, extensions=("*",))
    plain: dict[str, JSON] = {"resource": "https://mcp.example/", "@context": ["x"], "ext#de": "y"}
    odd: dict[str, JSON] = {"__proto__": 1, "{{7*7}}": 1, "$where": 1, "": 1, "é": 1, "x" * 129: 1, "a b": 1}

    card = tagged({**plain, **odd}, ground).card

    assert card == {**said().card, **plain}


@meets("H-17")
def test_an_extension_has_a_size_and_an_empty_one_is_not_sent() -> None:
    ground = replace(GROUND, extensions=("*",))

    assert "example: is longer than 4096 bytes" in refused({**CB, "example": ["é" * 2048]}, ground).description
    assert tagged({"example": "é" * 2047}, ground).card["example"] == "é" * 2047
    assert tagged({"example": ""}, ground) == said()
    assert "must not be empty" in refused({**CB, "example": ""}, replace(ground, strict=True)).description


@meets("R-50")
def test_an_extension_may_have_languages_with_good_tags() -> None:
    assert "well-formed" in refused({**CB, "example#!": 1}, replace(GROUND, extensions=("example",))).description


# ── Lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-16", "C-07")
@pytest.mark.parametrize(
    "grants, types, kept, fitting",
    [
        (None, None, ["authorization_code"], ["code"]),
        (None, ["code"], ["authorization_code"], ["code"]),
        (["authorization_code"], None, ["authorization_code"], ["code"]),
        (["authorization_code", "refresh_token"], None, ["authorization_code", "refresh_token"], ["code"]),
        (["refresh_token", "authorization_code"], ["code"], ["refresh_token", "authorization_code"], ["code"]),
        (["client_credentials"], None, ["client_credentials"], []),
        (["client_credentials"], [], ["client_credentials"], []),
        (["client_credentials", "refresh_token"], None, ["client_credentials", "refresh_token"], []),
        (["authorization_code", "client_credentials"], None, ["authorization_code", "client_credentials"], ["code"]),
        (["authorization_code"], [], ["authorization_code"], ["code"]),
    ],
)
def test_one_list_follows_from_the_other(grants: JSON, types: JSON, kept: list[str], fitting: list[str]) -> None:
    judged = said(grant_types=grants, response_types=types)

    assert (judged.card["grant_types"], judged.card["response_types"]) == (kept, fitting)
    assert judged.changes == ()


@meets("C-07")
def test_a_list_that_was_sent_is_never_extended() -> None:
    both = replace(GROUND, default_grant_types=("authorization_code", "refresh_token"))

    assert said(both).card["grant_types"] == ["authorization_code", "refresh_token"]
    assert said(both, response_types=["code"]).card["grant_types"] == ["authorization_code", "refresh_token"]
    assert said(both, grant_types=["authorization_code"]).card["grant_types"] == ["authorization_code"]


@meets("H-07", "R-08")
@pytest.mark.parametrize(
    "grants, types, kept, fitting",
    [
        (["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"], ["code"], ["authorization_code"], ["code"]),
        (["authorization_code", "password"], None, ["authorization_code"], ["code"]),
        (["authorization_code", "implicit"], ["code", "id_token"], ["authorization_code"], ["code"]),
        (["authorization_code"], ["code", "none", "id_token", "code id_token"], ["authorization_code"], ["code"]),
        (["client_credentials"], ["code"], ["client_credentials"], []),
    ],
)
def test_lenient_narrows_lists_and_tells_strict_refuses(grants: JSON, types: JSON, kept: list[str], fitting: list[str]) -> None:
    judged = said(grant_types=grants, response_types=types)

    assert (judged.card["grant_types"], judged.card["response_types"]) == (kept, fitting)
    assert judged.changes
    assert all(change.member in {"grant_types", "response_types"} and change.was != change.now for change in judged.changes)
    assert problem(STRICT, grant_types=grants, response_types=types)


@meets("H-07", "R-16")
@pytest.mark.parametrize(
    "grants, types, name",
    [
        (["implicit"], ["code"], "grant_types"),
        (["implicit"], ["id_token"], "grant_types"),
        (["password"], None, "grant_types"),
        (["authorization_code"], ["token"], "response_types"),
        (None, ["id_token token"], "response_types"),
        (["refresh_token"], None, "grant_types: refresh_token alone"),
        (["refresh_token"], ["code"], "grant_types: refresh_token alone"),
    ],
)
def test_nothing_left_of_a_list_is_refused_in_both_profiles(grants: JSON, types: JSON, name: str) -> None:
    assert problem(grant_types=grants, response_types=types).startswith(name)
    assert problem(STRICT, grant_types=grants, response_types=types).startswith(name)


@meets("H-07")
def test_a_refusal_of_a_list_names_what_is_served() -> None:
    assert "it serves authorization_code, refresh_token, client_credentials" in problem(grant_types=["password"])


@meets("R-40")
def test_a_public_client_has_no_power_of_its_own() -> None:
    assert "none excludes the grant type client_credentials" in problem(
        token_endpoint_auth_method="none", grant_types=["authorization_code", "client_credentials"]
    )


# ── Scopes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-16", "R-106")
@pytest.mark.parametrize(
    "scope, kept",
    [
        (None, "openid"),
        ("   ", "openid"),
        ("email openid", "email openid"),
        ("  email   openid ", "email openid"),
        ("email email", "email"),
        ("mcp:read offline_access", "offline_access"),
        ("email\topenid profile", "profile"),
        ("mcp:read claudeai", "openid"),
        ("OPENID", "openid"),
    ],
)
def test_unknown_scopes_are_dropped_while_a_known_one_or_the_default_remains(scope: JSON, kept: str) -> None:
    judged = said(scope=scope)

    assert judged.card["scope"] == kept
    assert [change.now for change in judged.changes] == ([kept] if isinstance(scope, str) and scope.strip() and scope != kept else [])


@meets("H-16")
def test_with_neither_a_known_scope_nor_a_default_nothing_remains() -> None:
    refusal = refused({**CB, "scope": "mcp:read"}, default_scope="")

    assert refusal.no is No.INVALID_CLIENT_METADATA
    assert "it knows email offline_access openid profile" in refusal.description
    assert "scope" not in said(GROUND, "").card


def test_unknown_scopes_can_be_refused_by_setting() -> None:
    ground = replace(GROUND, unknown_scopes_refused=True)

    assert "does not know some of the scopes" in problem(ground, scope="openid mcp:read")
    assert said(ground, scope="email").card["scope"] == "email"


def test_the_default_is_known_even_where_the_list_does_not_say_so() -> None:
    judged = said(GROUND, "special openid")

    assert judged.card["scope"] == "special openid"
    assert said(GROUND, "special openid", scope="special").card["scope"] == "special"


# ── Methods, algorithms, promises ────────────────────────────────────────────────────────────────────────────────────


@meets("S0-18", "R-07")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"])
def test_a_served_method_is_kept_and_followed_by_the_other_endpoints(method: str) -> None:
    card = said(token_endpoint_auth_method=method, jwks_uri="https://a.example/k").card

    assert [card[f"{endpoint}_endpoint_auth_method"] for endpoint in ("token", "introspection", "revocation")] == [method] * 3


@meets("H-30")
@pytest.mark.parametrize(
    "method",
    [
        "tls_client_auth",
        "self_signed_tls_client_auth",
        "attest_jwt_client_auth",
        "unknown",
        "CLIENT_SECRET_BASIC",
    ],
)
@pytest.mark.parametrize("ground", [GROUND, STRICT])
def test_a_method_that_is_not_served_is_refused_by_name(method: str, ground: Ground) -> None:
    refusal = refused({**CB, "token_endpoint_auth_method": method, "jwks_uri": "https://a.example/k"}, ground)

    assert refusal.no is No.INVALID_CLIENT_METADATA
    assert f"does not serve it (yet); it serves {', '.join(AUTH_METHODS)}" in refusal.description
    assert f"got '{method}'" in refusal.description


@meets("H-30")
@pytest.mark.parametrize(
    "members",
    [
        {"dpop_bound_access_tokens": True},
        {"tls_client_certificate_bound_access_tokens": True},
        {"require_pushed_authorization_requests": True},
        {"require_signed_request_object": True},
        {"sector_identifier_uri": "https://a.example/s.json"},
        {"subject_type": "pairwise"},
        *[{name: "RSA-OAEP"} for name in MEMBERS if name.endswith(("_encrypted_response_alg", "_encryption_alg"))],
    ],
    ids=lambda members: next(iter(members)),
)
@pytest.mark.parametrize("ground", [GROUND, STRICT])
def test_a_promise_that_is_not_built_is_refused_by_name(members: dict[str, JSON], ground: Ground) -> None:
    name = next(iter(members))

    refusal = refused({**CB, "jwks_uri": "https://a.example/k", **members}, ground)

    assert refusal.no is No.INVALID_CLIENT_METADATA
    assert refusal.description.startswith(name + ": this server ")
    assert "(yet)" in refusal.description


@meets("H-30")
@pytest.mark.parametrize("name", [row.name for row in MEMBERS.values() if row.kind is Kind.FLAG and row.idle is None])
def test_a_switch_that_is_off_promises_nothing(name: str) -> None:
    assert said(STRICT, **{name: False}).card[name] is False


@meets("H-30", "R-08")
def test_the_time_of_sign_in_is_narrowed_and_told() -> None:
    judged = said(require_auth_time=True)

    assert judged.card["require_auth_time"] is False
    assert judged.changes == (Change("require_auth_time", True, False, "is not served (yet)"),)
    assert "require_auth_time: this server does not serve it (yet)" in problem(STRICT, require_auth_time=True)
    assert said(replace(GROUND, effects=frozenset({"require_auth_time"})), require_auth_time=True).card["require_auth_time"] is True


@meets("H-07")
@pytest.mark.parametrize(
    "members",
    [
        {"token_endpoint_auth_signing_alg": "ES256"},
        {"token_endpoint_auth_signing_alg": "none"},
        {"introspection_endpoint_auth_signing_alg": "RS256"},
        {"revocation_endpoint_auth_signing_alg": "RS256"},
        {"frontchannel_logout_session_required": True},
        {"backchannel_logout_session_required": True},
        {"use_mtls_endpoint_aliases": True},
        {"tls_client_auth_subject_dn": "CN=a"},
        {"tls_client_auth_san_dns": "a.example"},
        {"tls_client_auth_san_uri": "https://a.example"},
        {"tls_client_auth_san_ip": "192.0.2.1"},
        {"tls_client_auth_san_email": "a@a.example"},
        {"backchannel_token_delivery_mode": "poll"},
        {"backchannel_client_notification_endpoint": "https://a.example/n"},
        {"backchannel_authentication_request_signing_alg": "ES256"},
        {"backchannel_user_code_parameter": True},
    ],
    ids=lambda members: next(iter(members)),
)
def test_a_member_without_meaning_is_dropped_and_told_or_refused(members: dict[str, JSON]) -> None:
    name = next(iter(members))

    judged = said(**members)

    assert judged.card == said().card
    assert [(change.member, change.now) for change in judged.changes] == [(name, None)]
    assert problem(STRICT, **members).startswith(f"{name}: means nothing with")


@meets("H-07")
@pytest.mark.parametrize(
    "name", ["frontchannel_logout_session_required", "backchannel_logout_session_required", "use_mtls_endpoint_aliases"]
)
def test_a_switch_without_meaning_that_is_off_was_no_wish(name: str) -> None:
    assert said(STRICT, **{name: False}) == said(STRICT)


@pytest.mark.parametrize(
    "name",
    ["id_token_signed_response_alg", "userinfo_signed_response_alg", "request_object_signing_alg", "introspection_signed_response_alg"],
)
def test_a_signing_algorithm_is_one_that_is_served(name: str) -> None:
    assert said(**{name: "ES256"}).card[name] == "ES256"
    assert f"{name}: this server does not serve it (yet); it serves RS256" in problem(**{name: "HS256"})
    assert f"{name}: " in problem(**{name: "none"})


@meets("R-47", "R-46", "R-45")
def test_keys_by_value_are_checked_and_exclude_keys_by_address() -> None:
    key: JSON = {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}

    assert said(jwks={"keys": [key]}).card["jwks"] == {"keys": [key]}
    assert "jwks: key 0 has the private member 'd'" in problem(
        jwks={"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}]}
    )
    assert "jwks_uri: excludes jwks" in problem(jwks={"keys": []}, jwks_uri="https://a.example/k")
    assert said(jwks=None, jwks_uri="https://a.example/k").card["jwks_uri"]


def test_members_without_effect_are_kept_or_dropped_by_setting() -> None:
    inert: dict[str, JSON] = {
        "claims_redirect_uris": [CALLBACK],
        "nfv_token_signed_response_alg": "ES256",
        "encrypted_response_enc_values_supported": ["A256GCM"],
        "vp_formats_supported": {"mso_mdoc": {}},
    }

    assert tagged(inert).card == {**said().card, **inert}
    dropped = tagged(inert, replace(GROUND, store_inert=False))
    assert dropped.card == said().card
    assert [change.member for change in dropped.changes] == list(inert)


@meets("R-41")
@pytest.mark.parametrize(
    "card, secret",
    [
        ({"token_endpoint_auth_method": "client_secret_basic"}, True),
        ({"token_endpoint_auth_method": "client_secret_post"}, True),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, True),
        ({"token_endpoint_auth_method": "none", "client_name": "dir"}, False),
        ({"token_endpoint_auth_method": "private_key_jwt", "id_token_signed_response_alg": "RS256"}, False),
        ({"token_endpoint_auth_method": "private_key_jwt", "revocation_endpoint_auth_method": "client_secret_basic"}, True),
        *[
            ({"token_endpoint_auth_method": "private_key_jwt", "id_token_encrypted_response_alg": alg}, secret)
            for alg, secret in (("dir", True), ("A128KW", True), ("A256GCMKW", True), ("RSA-OAEP", False), ("ECDH-ES+A128KW", False))
        ],
        ({"token_endpoint_auth_method": "private_key_jwt", "userinfo_signed_response_alg": "HS256"}, True),
    ],
)
def test_a_secret_is_needed_by_methods_and_symmetric_algorithms(card: Card, secret: bool) -> None:
    assert needs_secret(card) is secret


@meets("R-43")
def test_a_native_client_may_have_a_secret_and_is_flagged() -> None:
    assert "token_endpoint_auth_method: a secret on a device" in said(application_type="native").warnings[0]


@meets("R-41")
def test_a_public_client_cannot_use_a_secret_elsewhere() -> None:
    judged = said(token_endpoint_auth_method="none", introspection_endpoint_auth_method="client_secret_basic")

    assert judged.card["introspection_endpoint_auth_method"] == "none"
    assert [(change.member, change.was) for change in judged.changes] == [("introspection_endpoint_auth_method", "client_secret_basic")]


@meets("H-30")
@pytest.mark.parametrize("endpoint", ["introspection", "revocation"])
@pytest.mark.parametrize("other", ["none", "client_secret_post"])
def test_another_method_at_another_endpoint_is_no_promise_that_is_made(endpoint: str, other: str) -> None:
    name = f"{endpoint}_endpoint_auth_method"

    judged = said(**{name: other})
    strict = refused({**CB, name: other}, replace(GROUND, strict=True))

    assert judged.card[name] == "client_secret_basic"
    assert [change.member for change in judged.changes] == [name]
    assert f"{name}: must be that of token_endpoint_auth_method, client_secret_basic" in strict.description
    assert said(token_endpoint_auth_method=other, **{name: other}).card[name] == other


def test_without_the_default_method_another_with_a_secret_takes_its_place_and_never_none() -> None:
    post = replace(GROUND, auth_methods=("none", "client_secret_post"))
    public = replace(GROUND, auth_methods=("none",))

    assert said(post).card["token_endpoint_auth_method"] == "client_secret_post"
    assert "token_endpoint_auth_method: must be said" in problem(public)
    assert said(public, token_endpoint_auth_method="none").card["token_endpoint_auth_method"] == "none"


# ── Redirect URIs ────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-05", "R-30")
def test_a_redirect_grant_needs_a_redirect_uri() -> None:
    assert refused({}).no is No.INVALID_REDIRECT_URI
    assert refused({"redirect_uris": []}).no is No.INVALID_REDIRECT_URI
    assert "at least one is needed with the grant types authorization_code" in refused({"redirect_uris": None}).description
    assert judge({"grant_types": ["client_credentials"]}, GROUND, scopes=SCOPES, default_scope="").card["redirect_uris"] == []


@meets("R-30", "R-33", "C-15", "X-20")
@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://a.example/cb",
        "https://a.example/cb#x",
        "https://u@a.example/cb",
        "https://*.example/cb",
    ],
)
def test_the_six_dangerous_redirects_are_refused(uri: str) -> None:
    refusal = refused({"redirect_uris": ["https://a.example/cb", uri]})

    assert refusal.no is No.INVALID_REDIRECT_URI
    assert refusal.description.startswith("redirect_uris[1]: ")
    assert len(refusal.errors) == 1


@meets("R-31", "H-08")
def test_redirect_uris_are_kept_as_sent_and_in_order() -> None:
    uris: JSON = ["HTTPS://A.Example/%7Ecb", "http://localhost:*/cb", "https://a.example/~cb"]

    assert said(redirect_uris=uris).card["redirect_uris"] == uris


@meets("X-74", "X-11")
@pytest.mark.parametrize("uri", ["javascript:alert(1)", "http://a.example/", "https://a.example/#", "https://as.example/out", "myapp:/out"])
def test_the_way_out_is_guarded_like_the_way_in(uri: str) -> None:
    assert "post_logout_redirect_uris[0]: " in problem(post_logout_redirect_uris=[uri])
    assert refused({**CB, "claims_redirect_uris": [uri]}).no is No.INVALID_REDIRECT_URI


@meets("R-100", "C-32")
@pytest.mark.parametrize(
    "members, kind",
    [
        ({"redirect_uris": ["http://127.0.0.1/cb", "com.example.tea:/cb"], "token_endpoint_auth_method": "none"}, "native"),
        ({"redirect_uris": ["http://localhost:1/cb"], "token_endpoint_auth_method": "none", "application_type": "web"}, "web"),
        ({"redirect_uris": ["http://localhost:1/cb"]}, "web"),
        ({"redirect_uris": ["http://localhost:1/cb", CALLBACK], "token_endpoint_auth_method": "none"}, "web"),
        ({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}, "web"),
        ({"redirect_uris": [CALLBACK], "application_type": "native"}, "native"),
    ],
)
def test_a_public_client_on_the_device_is_reported_as_native(members: dict[str, JSON], kind: str) -> None:
    judged = judge(members, GROUND, scopes=SCOPES, default_scope="openid")

    assert judged.card["application_type"] == kind
    assert judged.changes == ()


@meets("R-100")
def test_reporting_as_native_can_be_switched_off() -> None:
    members: dict[str, JSON] = {"redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none"}

    assert judge(members, replace(GROUND, infer_native=False), scopes=SCOPES, default_scope="").card["application_type"] == "web"


@meets("H-18")
def test_suspicious_redirects_are_warned_of_by_place() -> None:
    assert said(redirect_uris=[CALLBACK, "https://as.example.evil.example/cb"]).warnings == (
        "redirect_uris[1]: the host looks like another one at its beginning",
    )


# ── Telling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-19")
def test_values_come_before_redirects_and_those_before_agreement() -> None:
    refusal = refused(
        {
            "token_endpoint_auth_method": "none",
            "grant_types": ["client_credentials"],
            "redirect_uris": ["https://a.example/#"],
            "introspection_endpoint_auth_method": "client_secret_post",
            "default_max_age": "x",
            "client_name": 7,
        }
    )

    assert [error.description.partition(":")[0] for error in refusal.errors] == [
        "default_max_age",
        "client_name",
        "redirect_uris[0]",
        "token_endpoint_auth_method",
    ]
    assert [error.no for error in refusal.errors[1:3]] == [No.INVALID_CLIENT_METADATA, No.INVALID_REDIRECT_URI]


@meets("R-18")
@pytest.mark.parametrize("evil", ['"><script>alert(1)</script>' * 99, "\u202e" * 999, "é\n" * 50, "\\u0000" * 30])
def test_a_description_holds_little_of_what_was_said_and_in_ascii(evil: str) -> None:
    for members in (
        {"token_endpoint_auth_method": evil},
        {"client_name#" + evil: "x"},
        {"redirect_uris": [evil]},
        {"grant_types": [evil]},
        {evil: 1},
    ):
        refusal = refused({**CB, **members}, replace(GROUND, unknown_refused=True))  # type: ignore[dict-item] # each is JSON
        assert "<script" not in refusal.description
        assert all(0x20 <= ord(char) <= 0x7E for char in refusal.description)
        assert len(refusal.description) < 80 + 260


@meets("R-18")
def test_a_description_names_member_rule_and_section() -> None:
    assert problem(subject_type="pairwise") == (
        "subject_type: this server does not serve it (yet); it serves public (OIDC Registration section 2), got 'pairwise'"
    )
    assert problem(client_name=[]) == "client_name: must be a string (RFC 7591 section 2)"


# ── The examples of the requirements ─────────────────────────────────────────────────────────────────────────────────


@meets("R-40", "R-35", "R-16")
def test_example_1_public_native_client() -> None:
    body: Card = {
        "application_type": "native",
        "redirect_uris": ["com.example.tea:/cb", "http://127.0.0.1/cb"],
        "token_endpoint_auth_method": "none",
        "client_name": "Tea CLI",
    }

    card = judge(body, GROUND, scopes=SCOPES, default_scope="openid").card

    assert (card["grant_types"], card["response_types"]) == (["authorization_code"], ["code"])
    assert not needs_secret(card)


@meets("R-16", "H-07", "R-30", "R-45", "R-46", "R-54", "R-05")
@pytest.mark.parametrize(
    "body, no",
    [
        pytest.param({"grant_types": ["implicit"], "response_types": ["code"]}, No.INVALID_CLIENT_METADATA, id="2-conflict"),
        pytest.param({"redirect_uris": ["https://a.example/cb#x"]}, No.INVALID_REDIRECT_URI, id="3-fragment"),
        pytest.param({"jwks_uri": "https://a.example/k", "jwks": {"keys": []}}, No.INVALID_CLIENT_METADATA, id="4-both-keys"),
        pytest.param(
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}]},
            },
            No.INVALID_CLIENT_METADATA,
            id="5-private-key",
        ),
        pytest.param({"userinfo_encrypted_response_enc": "A256GCM"}, No.INVALID_CLIENT_METADATA, id="6-enc-without-alg"),
        pytest.param(
            {"subject_type": "pairwise", "sector_identifier_uri": "https://s.example/list.json"},
            No.INVALID_CLIENT_METADATA,
            id="7-pairwise",
        ),
        pytest.param({"tos_uri#fr": "javascript:alert(1)"}, No.INVALID_CLIENT_METADATA, id="13-tagged-url"),
        pytest.param({"token_endpoint_auth_method": "tls_client_auth"}, No.INVALID_CLIENT_METADATA, id="14-no-subject"),
        pytest.param(
            {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a.example", "tls_client_auth_subject_dn": "CN=a"},
            No.INVALID_CLIENT_METADATA,
            id="14-two-subjects",
        ),
    ],
)
def test_the_examples_that_are_refused(body: dict[str, JSON], no: No) -> None:
    assert refused({**CB, **body}).no is no


@meets("R-58")
def test_example_11_unknown_member() -> None:
    assert "favourite_colour" not in said(favourite_colour="green").card


@meets("R-12", "R-16")
def test_example_15_client_without_redirect() -> None:
    card = judge({"grant_types": ["client_credentials"], "client_name": "Job"}, GROUND, scopes=SCOPES, default_scope="").card

    assert card["response_types"] == []


# ── Any object ───────────────────────────────────────────────────────────────────────────────────────────────────────

LEAF = st.none() | st.booleans() | st.integers(-5, 2**33) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)
ANY = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4), max_leaves=8)
URIS = [CALLBACK, "http://localhost:1/x", "http://127.0.0.1/cb", "com.example.tea:/cb", "javascript:x", "https://b.example/cb?x=y", ""]
WORDS = sorted(
    {word for row in MEMBERS.values() for word in row.known} | {"RS256", "ES256", "HS256", "dir", "openid", "email mcp:read", "poll", ""}
)
PLAUSIBLE = (
    st.sampled_from([*WORDS, *URIS, "Tea", "a@a.example"])
    | st.lists(st.sampled_from([*WORDS, *URIS]), max_size=3)
    | st.booleans()
    | st.integers(0, 9)
)
NAMES = st.sampled_from([*MEMBERS, "client_name#fr", "client_name#FR", "tos_uri#de", "keywords#x-1", "ext", "ext#en", "unknown"])
BODIES = st.dictionaries(NAMES | st.text(max_size=8), PLAUSIBLE | ANY, max_size=9) | st.fixed_dictionaries(
    {"redirect_uris": st.lists(st.sampled_from(URIS[:4]), min_size=1, max_size=3)},
    optional={
        "token_endpoint_auth_method": st.sampled_from(["none", "client_secret_basic", "client_secret_post", "", None]),
        "grant_types": st.lists(st.sampled_from(MEMBERS["grant_types"].known), max_size=3),
        "response_types": st.lists(st.sampled_from(MEMBERS["response_types"].known), max_size=3),
        "application_type": st.sampled_from(["web", "native", ""]),
        "scope": st.sampled_from(["", " ", "email  openid", "x", "email x"]),
        "frontchannel_logout_session_required": st.booleans(),
        "require_auth_time": st.booleans(),
        "contacts": st.lists(st.sampled_from(["a@a.example", "b@a.example"]), max_size=3),
        "client_name#de": st.text(max_size=6),
        "ext": ANY,
    },
)
GROUNDS = st.builds(
    Ground,
    issuer=st.sampled_from(["https://as.example", "http://127.0.0.1:8000"]),
    strict=st.booleans(),
    extensions=st.sampled_from([(), ("ext",), ("*",)]),
    default_grant_types=st.sampled_from([("authorization_code",), ("authorization_code", "refresh_token"), ("client_credentials",)]),
    response_types=st.sampled_from([("code",), ("code", "id_token", "id_token token", "code id_token", "none")]),
    grant_types=st.sampled_from(
        [
            ("authorization_code", "refresh_token", "client_credentials"),
            ("implicit", "authorization_code", "refresh_token", "client_credentials"),
        ]
    ),
    auth_methods=st.sampled_from([("client_secret_basic", "client_secret_post", "none"), ("none",)]),
    infer_native=st.booleans(),
    store_inert=st.booleans(),
    bad_tag_ignored=st.booleans(),
    unknown_scopes_refused=st.booleans(),
    signing_algs=st.sampled_from([("RS256", "PS256", "ES256"), ("HS256", "ES256"), ("HS256", "none"), ()]),
    effects=st.sampled_from([frozenset[str](), frozenset({"require_auth_time", "dpop_bound_access_tokens"})]),
)


def outcome(body: Mapping[str, JSON], ground: Ground, default_scope: str) -> Judged | Refusal:
    """What becomes of a body."""
    try:
        return judge(body, ground, scopes=SCOPES, default_scope=default_scope)
    except Refusal as refusal:
        return refusal


@meets("R-04", "R-59", "R-07", "M-54")
@settings(max_examples=400, deadline=None)
@given(body=BODIES, ground=GROUNDS, default_scope=st.sampled_from(["", "openid", "openid other"]))
def test_any_object_is_refused_or_gives_a_card_that_stays_as_it_is(body: dict[str, JSON], ground: Ground, default_scope: str) -> None:
    found = outcome(body, ground, default_scope)

    if isinstance(found, Refusal):
        assert found.no.status == 400
        assert found.description.isascii()
        assert found.errors
        return
    again = judge(found.card, ground, scopes=SCOPES, default_scope=default_scope)
    assert again.card == found.card
    assert again.changes == ()
    assert None not in found.card.values()
    assert "" not in found.card.values()
    assert {"redirect_uris", "token_endpoint_auth_method", "grant_types", "response_types", "application_type"} <= found.card.keys()
