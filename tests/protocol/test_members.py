"""The table of members: complete, without doubles, and the schema that is made from it."""

import re

import pytest
from jsonschema import Draft202012Validator

from calling_card.protocol.card.ground import Ground, Limits
from calling_card.protocol.card.metadata import judge
from calling_card.protocol.card.schema import client_information_schema, member_schema
from calling_card.protocol.card.vocabulary import MEMBERS, By, Effect, Kind, Member, Sensitivity, Where, assemble, set_by_server
from calling_card.protocol.clients import JSON
from calling_card.protocol.errors import No
from tests.ledger import meets

GROUND = Ground(issuer="https://as.example")
ISSUED: dict[str, JSON] = {
    "client_id": "c1",
    "client_secret": "s",
    "client_secret_expires_at": 0,
    "client_id_issued_at": 1_800_000_000,
    "registration_access_token": "t",
    "registration_client_uri": "https://as.example/register/c1",
}


def test_a_name_described_twice_fails_at_start() -> None:
    row = Member("client_name", Kind.TEXT, "RFC 7591 §2", "Name.")

    with pytest.raises(ValueError, match="client_name is described twice"):
        assemble([row], [row])


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        MEMBERS["x"] = MEMBERS["scope"]  # type: ignore[index] # that is the point


@meets("S0-02")
@pytest.mark.parametrize("row", MEMBERS.values(), ids=MEMBERS.keys())
def test_each_row_says_what_it_is(row: Member) -> None:
    assert re.fullmatch(r"[a-z_]+", row.name)
    assert row.meaning.endswith(".")
    assert row.section
    assert row.no in {No.INVALID_CLIENT_METADATA, No.INVALID_REDIRECT_URI, No.INVALID_REQUEST}
    assert row.shown or not row.i18n
    assert row.served is None or set(row.served(GROUND)) <= set(row.known or row.served(GROUND))
    assert row.limit is None or row.limit(Limits()) > 0


def test_the_registered_names_are_all_there() -> None:
    prefixes = ("id_token", "userinfo", "introspection", "authorization", "nfv_token")
    families = {
        f"{prefix}_{end}" for prefix in prefixes for end in ("encrypted_response_alg", "encrypted_response_enc", "signed_response_alg")
    }

    assert families <= set(MEMBERS)
    assert len(MEMBERS) == 88


@meets("R-57")
def test_a_member_with_languages_is_one_that_people_see() -> None:
    with_languages = {row.name for row in MEMBERS.values() if row.i18n}

    assert with_languages == {
        "client_name",
        "client_uri",
        "logo_uri",
        "tos_uri",
        "policy_uri",
        "organization_name",
        "organization_uri",
        "description",
        "keywords",
        "information_uri",
        "display_name",
    }


def test_the_form_of_2011_finds_its_members() -> None:
    assert {row.form_name: row.name for row in MEMBERS.values() if row.form_name} == {
        "redirect_url": "redirect_uris",
        "application_name": "client_name",
        "application_type": "application_type",
        "logo_url": "logo_uri",
        "contact": "contacts",
        "jwk_url": "jwks_uri",
        "js_origin_url": "js_origins",
    }


@meets("C-12")
def test_the_members_of_the_server_are_marked() -> None:
    assert set(set_by_server()) == {*ISSUED, "registration_state", "registration_state_reason"}
    assert all(row.no is No.INVALID_REQUEST for row in MEMBERS.values() if row.by is By.SERVER)
    assert MEMBERS["client_id"].said_in == {Where.UPDATE, Where.DOCUMENT}


def test_what_a_log_must_not_show_is_marked() -> None:
    secrets = {row.name for row in MEMBERS.values() if row.sensitivity is Sensitivity.SECRET}
    personal = {row.name for row in MEMBERS.values() if row.sensitivity is Sensitivity.PERSONAL}

    assert secrets == {"client_secret", "registration_access_token", "software_statement"}
    assert personal == {"contacts"}


@meets("H-30")
def test_whatever_binds_or_encrypts_is_never_weakened() -> None:
    strong = {row.name for row in MEMBERS.values() if row.effect is Effect.REFUSED}

    assert {name for name in MEMBERS if "_encrypted_" in name and name.endswith(("_alg", "_enc"))} <= strong
    assert {name for name in MEMBERS if "_bound_access_tokens" in name} <= strong
    assert {"require_signed_request_object", "require_pushed_authorization_requests", "sector_identifier_uri"} <= strong


# ── The schema ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-54")
def test_the_schema_is_one_and_has_every_member_that_is_answered() -> None:
    schema = client_information_schema()

    Draft202012Validator.check_schema(schema)
    properties = schema["properties"]
    assert isinstance(properties, dict)
    assert set(properties) == set(MEMBERS) - {"software_statement"}
    assert schema == client_information_schema()


def answer(**members: JSON) -> dict[str, JSON]:
    said: dict[str, JSON] = {"redirect_uris": ["https://a.example/cb"]}
    return {**ISSUED, **judge({**said, **members}, GROUND, scopes=("openid",), default_scope="openid").card}


def conforms(answered: dict[str, JSON]) -> bool:
    """Whether the schema takes an answer."""
    validator = Draft202012Validator(client_information_schema())
    return validator.is_valid(answered)  # pyright: ignore[reportUnknownMemberType] # a parameter of the library has no type


@meets("M-54", "R-07")
@pytest.mark.parametrize(
    "members",
    [
        {},
        {"client_name": "Tea", "client_name#ja-Jpan-JP": "お茶", "contacts": ["a@a.example"], "default_max_age": 0},
        {"grant_types": ["client_credentials"], "redirect_uris": []},
        {"vp_formats_supported": {"jwt_vp": {"alg": ["ES256"]}}, "jwks": {"keys": []}, "js_origins": ["https://a.example"]},
        {"request_uris": ["https://a.example/r#x"], "response_modes": ["query"], "require_auth_time": False},
    ],
)
def test_answers_conform_to_the_schema(members: dict[str, JSON]) -> None:
    assert conforms(answer(**members))


@pytest.mark.parametrize(
    "change",
    [
        {"client_name": ""},
        {"client_name": None},
        {"client_name#fr": ""},
        {"anything": None},
        {"anything": ""},
        {"redirect_uris": "https://a.example/cb"},
        {"application_type": "desktop"},
        {"client_id_issued_at": "7"},
        {"require_auth_time": "false"},
        {"jwks": {}},
    ],
)
def test_the_schema_refuses_what_clients_break_on(change: dict[str, JSON]) -> None:
    assert not conforms(answer() | change)


@pytest.mark.parametrize(
    "missing", ["client_id", "redirect_uris", "token_endpoint_auth_method", "client_secret_expires_at", "registration_client_uri"]
)
def test_the_schema_wants_what_clients_need(missing: str) -> None:
    short = {name: value for name, value in answer().items() if name != missing}

    assert not conforms(short)


def test_a_member_explains_itself() -> None:
    assert member_schema(MEMBERS["client_name"]) == {
        "description": "Name of the client, for people. (RFC 7591 §2)",
        "type": "string",
        "minLength": 1,
        "maxLength": 256,
    }
