"""A client introduces itself: RFC 7591 §2 and §3, a sentence a test."""

import asyncio
import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from calling_card.ports import KeyCollision, Registration, StoreUnavailable
from calling_card.protocol.clients import Client, Door, State, Tier
from calling_card.protocol.corridor import Passed
from calling_card.protocol.credentials import CLIENT_SECRET, INITIAL_ACCESS_TOKEN, REGISTRATION_ACCESS_TOKEN, Handle, read, write
from calling_card.protocol.events import Event
from calling_card.store.memory import MemoryStore
from calling_card.usecases.operate import show
from calling_card.usecases.register import born
from tests.ledger import meets
from tests.world import CALLBACK, ISSUER, START, World, beside, changed, world


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


async def tried(server: World, token: str | None = None, /, **members: object) -> tuple[int, dict[str, Any]]:
    """Status and body of a registration, with a redirect URI unless another is given; nothing is kept of a refused one."""
    before = await server.kept()
    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK], **members}, token)
    assert reply.status == 201 or await server.kept() == before
    return reply.status, reply.json


async def refusal(server: World, token: str | None = None, /, **members: object) -> tuple[str, str]:
    """Code and description of a registration that must be refused with 400."""
    status, body = await tried(server, token, **members)
    assert status == 400, body
    return body["error"], body["error_description"]


# ── What comes back ──────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-01", "R-07", "H-01")
async def test_a_stranger_gets_an_identifier_credentials_and_every_member_in_force(server: World) -> None:
    card = await server.register(client_name="Tea", grant_types=["authorization_code", "refresh_token"])

    assert card == {
        "client_id": card["client_id"],
        "client_secret": card["client_secret"],
        "client_secret_expires_at": 0,
        "client_id_issued_at": START,
        "registration_access_token": card["registration_access_token"],
        "registration_client_uri": f"{ISSUER}/register/{card['client_id']}",
        "redirect_uris": [CALLBACK],
        "client_name": "Tea",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "application_type": "web",
        "scope": "openid",
        "subject_type": "public",
        "id_token_signed_response_alg": "RS256",
        "require_auth_time": False,
        "request_uris": [],
        "post_logout_redirect_uris": [],
        "require_signed_request_object": False,
        "introspection_endpoint_auth_method": "client_secret_basic",
        "revocation_endpoint_auth_method": "client_secret_basic",
    }
    assert await server.kinds() == ["key_rotated", "client_registered"]


@meets("R-08", "X-104", "R-07")
async def test_a_value_that_is_not_served_is_replaced_and_told_in_the_answer_and_in_the_audit(server: World) -> None:
    device = "urn:ietf:params:oauth:grant-type:device_code"

    card = await server.register(grant_types=["authorization_code", device], scope="openid nonsense")

    [event] = await server.told("client_registered")
    assert (card["grant_types"], card["scope"]) == (["authorization_code"], "openid")
    assert [row[:3] for row in event["body"]["decision"]] == [
        ["grant_types", ["authorization_code", device], ["authorization_code"]],
        ["scope", "openid nonsense", "openid"],
    ]
    assert all(row[3] for row in event["body"]["decision"])


@meets("R-08", "X-104")
async def test_redirect_uris_come_back_in_the_order_and_spelling_they_were_sent(server: World) -> None:
    said = ["https://B.example/%7Ecb?x=%2f", "https://a.example/cb", "http://127.0.0.1:8080/cb"]

    card = await server.register(redirect_uris=said)

    assert card["redirect_uris"] == said


@meets("R-106")
async def test_without_a_scope_the_default_is_registered_and_shown(tmp_path: Path) -> None:
    server = await world(tmp_path, default_scope="openid profile")

    card = await server.register()

    assert card["scope"] == "openid profile"
    assert "offline_access" not in (await world(tmp_path / "other")).ports.settings.default_scope.split()


@meets("C-07")
@pytest.mark.parametrize(
    "said, default, kept",
    [
        (["authorization_code"], ("authorization_code", "refresh_token"), ["authorization_code"]),
        (None, ("authorization_code", "refresh_token"), ["authorization_code", "refresh_token"]),
        (None, ("authorization_code",), ["authorization_code"]),
    ],
)
async def test_a_list_of_grants_is_never_extended_and_the_default_is_a_setting(
    tmp_path: Path, said: list[str] | None, default: tuple[str, ...], kept: list[str]
) -> None:
    server = await world(tmp_path, default_grant_types=default)

    card = await server.register(grant_types=said)

    assert card["grant_types"] == kept


@meets("M-01")
async def test_without_management_there_is_neither_a_token_nor_a_place_to_use_it(tmp_path: Path) -> None:
    server = await world(tmp_path, management=False)

    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK]})

    assert reply.status == 201
    assert not {"registration_access_token", "registration_client_uri"} & set(reply.json)
    assert "location" not in reply.headers
    assert (await server.call("GET", f"/register/{reply.json['client_id']}")).status == 404


# ── Identifiers and secrets ──────────────────────────────────────────────────────────────────────────────────────────


@meets("R-103", "X-103", "X-71")
async def test_the_same_body_twice_makes_two_clients_that_cannot_read_each_other(server: World) -> None:
    one, other = await server.register(), await server.register()

    assert one["client_id"] != other["client_id"]
    assert one["client_secret"] != other["client_secret"]
    assert (await server.read(one, other["registration_access_token"])).status == 401
    assert (await server.read(one)).json["client_id"] == one["client_id"]


@meets("X-45", "R-90", "S3-31")
async def test_ten_thousand_identifiers_are_url_safe_and_all_different(server: World) -> None:
    passed = Passed({"redirect_uris": []}, b"", (), held=False)

    made = [born(server.ports, passed, Door.RFC7591, Tier.ANONYMOUS, None) for _ in range(10_000)]

    names = {client.client_id for client in made}
    assert len(names) == len({client.incarnation for client in made}) == 10_000
    assert all(re.fullmatch(r"c[A-Za-z0-9_-]{22}", name) for name in names)


@meets("R-90")
async def test_a_client_identifier_is_not_given_out_again_after_a_deletion(server: World) -> None:
    gone = await server.register()
    await server.remove(gone)

    others = [(await server.register())["client_id"] for _ in range(50)]

    assert gone["client_id"] not in others
    assert (await server.read(gone)).status == 401


async def test_a_card_that_waits_for_approval_is_held(server: World) -> None:
    passed = Passed({"redirect_uris": []}, b"", (), held=True)

    client = born(server.ports, passed, Door.RFC7591, Tier.ANONYMOUS, None)

    assert client.state is State.HELD


@meets("X-45", "C-15")
@pytest.mark.parametrize("name", ["mine", "https://a.example/client.json", "../register", 7, {}])
async def test_a_client_cannot_choose_its_identifier(server: World, name: object) -> None:
    code, why = await refusal(server, client_id=name)

    assert (code, why) == (
        "invalid_request",
        "client_id: the server chooses it; leave it out of a registration (RFC 7591 section 3.2.1)",
    )


async def test_what_only_the_server_sets_is_not_heard_in_a_registration(server: World) -> None:
    said = {
        "client_secret": "chosen",
        "client_id_issued_at": 1,
        "client_secret_expires_at": 1,
        "registration_access_token": "chosen",
        "registration_client_uri": "https://evil.example/",
    }

    card = await server.register(**said)

    assert not [name for name, value in said.items() if card[name] == value]


@meets("R-40", "S0-28")
async def test_a_public_client_gets_no_secret(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="none")

    assert not {"client_secret", "client_secret_expires_at"} & set(card)
    assert (await server.row(card)).secret is None


@meets("R-41", "S0-28", "S3-03")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
async def test_a_secret_is_issued_exactly_when_the_method_needs_one(server: World, method: str) -> None:
    card = await server.register(token_endpoint_auth_method=method)

    assert ("client_secret" in card) == (method != "none")
    assert ("client_secret_expires_at" in card) == (method != "none")


@meets("R-108")
@pytest.mark.parametrize(
    "member, alg",
    [("id_token_signed_response_alg", "HS256"), ("userinfo_signed_response_alg", "HS384"), ("request_object_signing_alg", "HS512")],
)
async def test_a_public_client_cannot_have_an_algorithm_with_a_shared_secret(server: World, member: str, alg: str) -> None:
    code, why = await refusal(server, token_endpoint_auth_method="none", **{member: alg})

    assert code == "invalid_client_metadata"
    assert why.startswith(f"{member}: ")


@meets("R-98", "S0-30")
async def test_a_secret_has_its_own_end_and_the_registration_outlives_it(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_lifetime=3600)
    token = await server.invitation(scope="openid", grants=("client_credentials",))
    card = await server.register(token, redirect_uris=[], grant_types=["client_credentials"])
    assert (await server.token(card)).status == 200

    server.clock.forward(3600)

    assert card["client_secret_expires_at"] == START + 3600
    assert (await server.token(card)).no == (401, "invalid_client")
    assert (await server.read(card)).status == 200


@meets("R-101")
@pytest.mark.parametrize("method, kind", [("none", "public"), ("client_secret_post", "confidential")])
async def test_an_operator_sees_whether_a_client_is_public(server: World, method: str, kind: str) -> None:
    card = await server.register(token_endpoint_auth_method=method)

    assert (await show(server.ports, card["client_id"]))["client_type"] == kind


@meets("R-100", "C-32")
@pytest.mark.parametrize(
    "method, redirects, kind",
    [
        ("none", ["http://127.0.0.1/cb"], "native"),
        ("none", ["com.example.tea:/cb", "http://localhost:9/cb"], "native"),
        ("none", ["http://[::1]/cb", "https://a.example/cb"], "web"),
        ("client_secret_basic", ["http://localhost:9000/callback"], "web"),
    ],
)
async def test_a_public_client_that_stays_on_the_device_is_reported_as_native(
    server: World, method: str, redirects: list[str], kind: str
) -> None:
    card = await server.register(token_endpoint_auth_method=method, redirect_uris=redirects)

    assert card["application_type"] == kind


@meets("R-100")
async def test_by_setting_every_client_that_does_not_say_otherwise_is_of_the_web(tmp_path: Path) -> None:
    server = await world(tmp_path, infer_native=False)

    card = await server.register(token_endpoint_auth_method="none", redirect_uris=["http://127.0.0.1/cb"])

    assert card["application_type"] == "web"


@meets("R-104")
async def test_a_software_statement_is_no_client_identifier(server: World) -> None:
    statement = "eyJhbGciOiJSUzI1NiJ9.eyJzb2Z0d2FyZV9pZCI6InQifQ.c2lnbmF0dXJl"

    asked = await server.post_form("/token", {"grant_type": "client_credentials", "client_id": statement})
    managed = await server.call("GET", f"/register/{statement}", headers={"authorization": "Bearer x"})

    assert asked.no == (401, "invalid_client")
    assert managed.no == (401, "invalid_token")


# ── Values: types, emptiness, spelling, limits ───────────────────────────────────────────────────────────────────────


@meets("R-05")
@pytest.mark.parametrize("body", [{}, {"redirect_uris": []}, {"redirect_uris": None, "client_name": "A"}])
async def test_a_client_that_redirects_must_say_where_to(server: World, body: dict[str, object]) -> None:
    reply = await server.post_json("/register", body)

    assert reply.no == (400, "invalid_redirect_uri")
    assert reply.why == "redirect_uris: at least one is needed with the grant types authorization_code (RFC 7591 section 2)"


@meets("R-05", "R-15")
async def test_a_client_without_a_redirect_grant_needs_no_redirect(server: World) -> None:
    card = await server.machine()

    assert (card["redirect_uris"], card["response_types"], card["grant_types"]) == ([], [], ["client_credentials"])


@meets("R-09", "R-59", "X-63")
@pytest.mark.parametrize("value", ["1.0", '"1"', "true", "-1", "-0", "1e2", "9007199254740993", "2147483648", "[1]", "{}"])
async def test_an_integer_is_nothing_but_an_integer_in_range(server: World, value: str) -> None:
    body = b'{"redirect_uris":["https://a.example/cb"],"default_max_age":' + value.encode() + b"}"

    reply = await server.call("POST", "/register", body, {"content-type": "application/json"})

    assert reply.no == (400, "invalid_client_metadata")
    assert reply.why.startswith("default_max_age: must be an integer")


@meets("R-04", "X-63")
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "1" * 30, "01", "+1", ".5", "0x10"])
async def test_a_number_that_not_every_reader_can_hold_is_no_json_here(server: World, value: str) -> None:
    body = b'{"redirect_uris":["https://a.example/cb"],"default_max_age":' + value.encode() + b"}"

    reply = await server.call("POST", "/register", body, {"content-type": "application/json"})

    assert reply.no == (400, "invalid_request")
    assert await server.kinds() == ["key_rotated"]


@meets("R-59", "R-09")
@pytest.mark.parametrize(
    "member, value",
    [
        ("client_name", 1),
        ("client_name", ["A"]),
        ("client_uri", {"href": "https://a.example"}),
        ("require_auth_time", "true"),
        ("require_auth_time", 1),
        ("grant_types", "authorization_code"),
        ("response_types", ["code", 1]),
        ("scope", ["openid"]),
        ("contacts", "a@a.example"),
        ("jwks", []),
        ("token_endpoint_auth_method", ["none"]),
        ("client_name#fr", 1),
    ],
)
async def test_a_value_of_another_type_is_refused_and_never_read_as_the_right_one(server: World, member: str, value: object) -> None:
    code, why = await refusal(server, **{member: value})

    assert code == "invalid_client_metadata"
    assert why.startswith(f"{member}: must be ")


@meets("R-59", "C-15")
@pytest.mark.parametrize("value", ["https://a.example/cb", [1], [["https://a.example/cb"]], [None], [""], {}])
async def test_redirect_uris_of_another_type_are_a_problem_of_redirect_uris(server: World, value: object) -> None:
    code, why = await refusal(server, redirect_uris=value)

    assert code == "invalid_redirect_uri"
    assert why.startswith("redirect_uris: must be an array of strings")


@meets("R-10", "C-11")
async def test_null_means_not_sent(server: World) -> None:
    silent = await server.register()

    card = await server.register(client_name=None, scope=None, grant_types=None, client_id=None, jwks=None, **{"tos_uri#fr": None})

    assert set(card) == set(silent)
    assert [card[name] for name in ("scope", "grant_types")] == [silent[name] for name in ("scope", "grant_types")]


@meets("R-11", "H-06")
@pytest.mark.parametrize("member", ["client_name", "client_uri", "scope", "token_endpoint_auth_method", "software_id", "client_name#fr"])
async def test_an_empty_string_is_not_sent_or_in_the_strict_profile_refused(server: World, tmp_path: Path, member: str) -> None:
    strict = await world(tmp_path / "strict", profile="strict")

    card = await server.register(**{member: ""})
    code, why = await refusal(strict, **{member: ""})

    assert card.get(member) != ""
    assert (code, why.partition(" (")[0]) == ("invalid_client_metadata", f"{member}: must not be empty; leave it out")


@meets("R-12")
async def test_of_equal_elements_the_first_stays(server: World) -> None:
    card = await server.register(
        redirect_uris=["https://a.example/2", "https://a.example/1", "https://a.example/2"],
        grant_types=["refresh_token", "authorization_code", "refresh_token"],
        contacts=["b@a.example", "a@a.example", "b@a.example"],
    )

    assert card["redirect_uris"] == ["https://a.example/2", "https://a.example/1"]
    assert card["grant_types"] == ["refresh_token", "authorization_code"]
    assert card["contacts"] == ["b@a.example", "a@a.example"]


@meets("R-12")
async def test_an_empty_list_is_not_sent_but_for_lists_of_addresses(server: World) -> None:
    card = await server.register(grant_types=[], response_types=[], contacts=[], post_logout_redirect_uris=[], request_uris=[])

    assert (card["grant_types"], card["response_types"]) == (["authorization_code"], ["code"])
    assert (card["post_logout_redirect_uris"], card["request_uris"]) == ([], [])
    assert "contacts" not in card


@meets("R-13")
async def test_names_of_members_are_case_sensitive(server: World) -> None:
    reply = await server.post_json("/register", {"Redirect_URIs": [CALLBACK]})
    card = await server.register(Client_Name="A")

    assert reply.no == (400, "invalid_redirect_uri")
    assert not {"Client_Name", "client_name"} & set(card)


@meets("R-14")
async def test_texts_are_kept_code_point_by_code_point(server: World) -> None:
    composed, decomposed = "Caf\u00e9", "Cafe\u0301"

    one = await server.register(client_name=composed, software_id=composed)
    other = await server.register(client_name=decomposed, software_id=decomposed)

    assert (one["client_name"], other["client_name"]) == (composed, decomposed)
    assert (await server.read(other)).json["software_id"] == decomposed != composed


@meets("R-15", "X-60")
@pytest.mark.parametrize(
    "members, code",
    [
        ({"redirect_uris": [f"https://a.example/{n}" for n in range(21)]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a.example/" + "a" * 2048]}, "invalid_redirect_uri"),
        ({"client_uri": "https://app.example/" + "a" * 2048}, "invalid_client_metadata"),
        ({"client_name": "a" * 257}, "invalid_client_metadata"),
        ({"contacts": [f"a{n}@a.example" for n in range(11)]}, "invalid_client_metadata"),
        ({"jwks": {"keys": [{"kty": "EC", "kid": str(n)} for n in range(21)]}}, "invalid_client_metadata"),
        ({f"client_name#x-{n}": "a" for n in range(51)}, "invalid_client_metadata"),
    ],
)
async def test_what_is_longer_than_the_limit_is_refused_by_name(server: World, members: dict[str, object], code: str) -> None:
    said, why = await refusal(server, **members)

    assert said == code
    assert why.startswith(next(iter(members)).partition("#")[0])


@meets("R-15", "R-04", "X-60")
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"a":' * 9 + b"1" + b"}" * 9,
        b"{" + b",".join(b'"m%d":1' % n for n in range(1_000_000)) + b"}",
        b'{"a":' + b"1" * 10_000_000 + b"}",
        b'{"' + b"k" * 10_000_000 + b'":1,' * 201 + b'"a":1}',
    ],
    ids=["deep", "nine levels", "wide", "long number", "long name"],
)
async def test_a_body_made_to_be_expensive_is_refused_before_it_is_built(tmp_path: Path, body: bytes) -> None:
    server = await world(tmp_path, body_limit=3_000_000_000)

    reply = await server.call("POST", "/register", body, {"content-type": "application/json"})

    assert reply.no == (400, "invalid_request")
    assert len(reply.body) < 400


@meets("R-15")
async def test_two_hundred_members_are_read_and_one_more_is_not(server: World) -> None:
    most = {"redirect_uris": [CALLBACK], **{f"m{n}": n for n in range(199)}}

    assert (await server.post_json("/register", most)).status == 201
    assert (await server.post_json("/register", {**most, "m": 0})).no == (400, "invalid_request")


@meets("R-04", "X-61", "X-62")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[]",
        b'"text"',
        b"7",
        b"null",
        b"true",
        b"{",
        b"{}x",
        b"{} {}",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"client_name":"A","client_name":"B"}',
        b'{"vp_formats_supported":{"a":{"b":1,"b":2}}}',
        b'{"client_name":"A","\\u0063lient_name":"B"}',
        b'{"client_name":"\xff"}',
        b'{"client_name":"\xed\xa0\x80"}',
        b'{"client_name":"\\ud800"}',
        b'{"client_name":"\\udc00\\ud800"}',
        b'{"client_name":"a\\u0000"}',
        b'{"client_name":"a\x00"}',
        b'{"client_name":"a\nb"}',
        b"\xef\xbb\xbf{}",
        '{"client_name":"A"}'.encode("utf-16"),
        '{"client_name":"A"}'.encode("utf-16-le"),
        '{"client_name":"A"}'.encode("utf-32"),
    ],
)
async def test_a_body_that_two_readers_could_understand_differently_is_refused(server: World, body: bytes) -> None:
    reply = await server.call("POST", "/register", body, {"content-type": "application/json"})

    assert reply.no == (400, "invalid_request")
    assert reply.why.startswith("the body ")
    assert await server.kinds() == ["key_rotated"]


@meets("R-16", "H-07")
@pytest.mark.parametrize(
    "said, grants, types",
    [
        ({"grant_types": ["authorization_code"], "response_types": ["code", "id_token"]}, ["authorization_code"], ["code"]),
        ({"grant_types": ["authorization_code", "implicit"]}, ["authorization_code"], ["code"]),
        ({"response_types": ["code"]}, ["authorization_code"], ["code"]),
        ({"grant_types": ["authorization_code", "refresh_token"]}, ["authorization_code", "refresh_token"], ["code"]),
    ],
)
async def test_grants_and_response_types_are_narrowed_to_what_fits_and_one_follows_from_the_other(
    server: World, said: dict[str, object], grants: list[str], types: list[str]
) -> None:
    card = await server.register(**said)

    assert (card["grant_types"], card["response_types"]) == (grants, types)


@meets("R-16", "H-07")
@pytest.mark.parametrize("profile", ["lenient", "strict"])
@pytest.mark.parametrize(
    "said",
    [
        {"grant_types": ["implicit"], "response_types": ["code"]},
        {"grant_types": ["refresh_token"]},
        {"grant_types": ["password"]},
        {"response_types": ["token"]},
    ],
)
async def test_lists_with_nothing_in_common_are_refused_in_both_profiles(tmp_path: Path, profile: str, said: dict[str, object]) -> None:
    server = await world(tmp_path, profile=profile)

    code, why = await refusal(server, **said)

    assert code == "invalid_client_metadata"
    assert next(iter(said)) in why


@meets("R-16", "H-07", "H-30")
@pytest.mark.parametrize(
    "said, named",
    [
        ({"grant_types": ["authorization_code", "implicit"]}, "grant_types"),
        ({"grant_types": ["authorization_code"], "response_types": ["code", "id_token"]}, "response_types"),
        ({"frontchannel_logout_session_required": True}, "frontchannel_logout_session_required"),
        ({"token_endpoint_auth_signing_alg": "RS256"}, "token_endpoint_auth_signing_alg"),
    ],
)
async def test_the_strict_profile_refuses_what_the_lenient_one_narrows(
    server: World, tmp_path: Path, said: dict[str, object], named: str
) -> None:
    strict = await world(tmp_path / "strict", profile="strict")

    card = await server.register(**said)
    code, why = await refusal(strict, **said)

    assert card.get(named) != said.get(named)
    assert code == "invalid_client_metadata"
    assert named in why


@meets("H-30")
@pytest.mark.parametrize(
    "member, value",
    [
        ("token_endpoint_auth_method", "private_key_jwt"),
        ("token_endpoint_auth_method", "tls_client_auth"),
        ("token_endpoint_auth_method", "client_secret_jwt"),
        ("dpop_bound_access_tokens", True),
        ("tls_client_certificate_bound_access_tokens", True),
        ("require_pushed_authorization_requests", True),
        ("require_signed_request_object", True),
        ("id_token_encrypted_response_alg", "RSA-OAEP"),
        ("userinfo_encrypted_response_alg", "RSA-OAEP"),
    ],
)
async def test_protection_that_is_not_served_is_refused_by_name_and_never_left_out(server: World, member: str, value: object) -> None:
    code, why = await refusal(server, **{member: value})

    assert code == "invalid_client_metadata"
    assert why.startswith(f"{member}: ")
    assert "does not serve" in why or "serves nothing of the kind" in why


# ── Unknown members and extensions ───────────────────────────────────────────────────────────────────────────────────


@meets("R-58", "C-06", "H-17")
@pytest.mark.parametrize("value", ["green", 1, None, [], {"a": [1]}])
async def test_an_unknown_member_is_neither_kept_nor_returned(server: World, value: object) -> None:
    card = await server.register(favourite_colour=value)

    assert "favourite_colour" not in card
    assert b"favourite" not in (await server.row(card)).metadata


@meets("R-58")
async def test_a_closed_deployment_refuses_unknown_members(tmp_path: Path) -> None:
    server = await world(tmp_path, unknown_members="refuse")

    code, why = await refusal(server, favourite_colour="green")

    assert (code, why) == ("invalid_client_metadata", "favourite_colour: is not a member this server knows (RFC 7591 section 2)")


@meets("C-06", "H-17")
async def test_an_extension_member_that_the_operator_lists_is_kept_in_every_language(tmp_path: Path) -> None:
    server = await world(tmp_path, extensions=("colour",))

    card = await server.register(colour={"r": [1, 2.5, None]}, other="x", **{"colour#fr": "vert"})

    assert (card["colour"], card["colour#fr"]) == ({"r": [1, 2.5, None]}, "vert")
    assert "other" not in card
    assert (await server.read(card)).json["colour"] == {"r": [1, 2.5, None]}


@meets("H-17")
async def test_development_keeps_every_extension_up_to_four_kilobytes(tmp_path: Path) -> None:
    server = await world(tmp_path, dev=True, issuer="http://127.0.0.1:8000")

    card = await server.register(anything="x" * 4094)
    code, why = await refusal(server, anything="x" * 4095)

    assert card["anything"] == "x" * 4094
    assert (code, why) == ("invalid_client_metadata", "anything: is longer than 4096 bytes (RFC 7591 section 2)")


@meets("X-64")
@pytest.mark.parametrize("name", ["__proto__", "constructor", "{{7*7}}", "${7*7}", "$where", "%s", "a' OR 1=1", "<b>"])
async def test_a_name_that_a_template_or_prototype_would_react_to_is_stored_nowhere(server: World, name: str) -> None:
    card = await server.register(**{name: {"admin": True}, f"{name}#fr": "x"})

    assert not [member for member in card if name in member]
    assert b"admin" not in (await server.row(card)).metadata
    assert not any("admin" in event.content.decode() for event in await server.recorded())


@meets("X-30")
async def test_members_that_only_operators_set_cannot_be_sent(server: World) -> None:
    inside = {"trusted": True, "disabled": False, "owner": "admin", "policy": "internal", "first_party": True, "state": "active", "tier": 4}

    card = await server.register(**inside)

    client = await server.row(card)
    assert not set(inside) & set(card)
    assert (client.owner, client.tier, client.door) == ("", Tier.ANONYMOUS, Door.RFC7591)


@pytest.mark.parametrize("stored", [True, False])
async def test_members_without_effect_here_are_kept_by_setting(tmp_path: Path, stored: bool) -> None:
    server = await world(tmp_path, store_inert_metadata=stored)

    card = await server.register(nfv_token_signed_response_alg="ES256")

    assert ("nfv_token_signed_response_alg" in card) == stored


@pytest.mark.parametrize("setting, status", [("refuse", 400), ("ignore", 201)])
async def test_a_malformed_language_tag_is_refused_or_ignored_by_setting(tmp_path: Path, setting: str, status: int) -> None:
    server = await world(tmp_path, bad_language_tags=setting)

    said, body = await tried(server, **{"client_name#not_a_tag": "A"})

    assert said == status
    assert "client_name#not_a_tag" not in body


@pytest.mark.parametrize("setting, status, warned", [("off", 201, False), ("warn", 201, True), ("enforce", 400, False)])
async def test_a_shown_link_on_another_host_is_ignored_warned_of_or_refused(
    tmp_path: Path, setting: str, status: int, warned: bool
) -> None:
    server = await world(tmp_path, related_hosts=setting)

    said, _ = await tried(server, tos_uri="https://elsewhere.example/tos")

    warnings = [event["body"].get("warnings", []) for event in await server.told("client_registered")]
    assert said == status
    assert any("tos_uri" in text for texts in warnings for text in texts) == warned


# ── Addresses ────────────────────────────────────────────────────────────────────────────────────────────────────────

URL_MEMBERS = (
    "client_uri",
    "logo_uri",
    "tos_uri",
    "policy_uri",
    "jwks_uri",
    "initiate_login_uri",
    "organization_uri",
    "information_uri",
    "sector_identifier_uri",
    "backchannel_logout_uri",
    "frontchannel_logout_uri",
)
SCRIPTS = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://a/x",
    "view-source:https://a/",
)


@meets("X-11", "X-74")
@pytest.mark.parametrize("uri", SCRIPTS)
@pytest.mark.parametrize("member", [*URL_MEMBERS, "client_uri#fr", "logo_uri#de-CH", "tos_uri#fr", "policy_uri#ja"])
async def test_a_link_with_a_dangerous_scheme_is_refused_in_every_member_and_language(server: World, member: str, uri: str) -> None:
    code, why = await refusal(server, **{member: uri})

    assert code == "invalid_client_metadata"
    assert why.startswith(member)


@meets("X-74", "C-15")
@pytest.mark.parametrize("uri", SCRIPTS)
@pytest.mark.parametrize("kind", ["web", "native"])
async def test_nobody_is_redirected_to_a_dangerous_scheme_before_or_after_logout(server: World, kind: str, uri: str) -> None:
    before, _ = await refusal(server, application_type=kind, redirect_uris=[uri])
    after, _ = await refusal(server, application_type=kind, post_logout_redirect_uris=[uri])

    assert (before, after) == ("invalid_redirect_uri", "invalid_client_metadata")


@meets("X-74")
async def test_scopes_beyond_what_strangers_may_have_are_not_registered(tmp_path: Path) -> None:
    server = await world(tmp_path, scopes=("openid", "profile", "admin"), anonymous_scopes=("openid", "profile"))

    card = await server.register(scope="openid admin")

    assert card["scope"] == "openid"


@meets("R-30")
@pytest.mark.parametrize(
    "uri",
    [
        "/cb",
        "a.example/cb",
        "https://",
        "https:///cb",
        "https://a.example/cb#x",
        "https://a.example/cb#",
        "https://user@a.example/cb",
        "https://user:pass@a.example/cb",
        "https://*.example/cb",
        "https://a.example/*",
        "https://a.example/c b",
        "https://a.example/c\tb",
        "https://a.example\\cb",
        "https://a.example/cb\u007f",
        "https://a.example/\u00fc",
        "http://a.example/cb",
        "",
    ],
)
async def test_a_redirect_uri_that_is_not_plain_and_absolute_is_refused(server: World, uri: str) -> None:
    code, why = await refusal(server, redirect_uris=["https://good.example/cb", uri])

    assert code == "invalid_redirect_uri"
    assert why.startswith("redirect_uris")


@meets("C-21", "C-33", "C-35", "H-08", "H-09")
@pytest.mark.parametrize(
    "kind, uri, status",
    [
        ("web", "https://a.example/cb", 201),
        ("web", "http://localhost:9000/callback", 201),
        ("web", "http://127.0.0.1/cb", 201),
        ("web", "http://[::1]:8/cb", 201),
        ("web", "http://localhost:*/cb", 201),
        ("web", "http://a.example/cb", 400),
        ("web", "http://127.0.0.1.evil.example/cb", 400),
        ("web", "com.example.tea:/cb", 400),
        ("native", "https://a.example/cb", 201),
        ("native", "https://localhost/cb", 400),
        ("native", "http://127.8.9.1:1/cb", 201),
        ("native", "http://10.0.0.1/cb", 400),
        ("native", "com.example.tea:/cb", 201),
        ("native", "com.example.tea://host/cb", 201),
        ("native", "tea:/cb", 400),
        ("native", "cursor://anysphere.cursor-mcp/oauth/callback", 201),
        ("web", "cursor://anysphere.cursor-mcp/oauth/callback", 201),
        ("native", "cursor://anysphere.cursor-mcp/oauth/callback?x=1", 400),
        ("native", "cursor://anysphere.cursor-mcp/other", 400),
        ("native", "cursor:/", 400),
    ],
)
async def test_which_callbacks_a_kind_of_client_may_have(server: World, kind: str, uri: str, status: int) -> None:
    said, body = await tried(server, application_type=kind, redirect_uris=[uri])

    assert said == status
    assert body["redirect_uris"] == [uri] if status == 201 else body["error"] == "invalid_redirect_uri"


@meets("C-35", "H-09")
async def test_an_operator_can_allow_a_private_callback_without_a_dot(tmp_path: Path) -> None:
    server = await world(tmp_path, callbacks=("tea://pot/cb",))

    card = await server.register(redirect_uris=["tea://pot/cb"], application_type="native")
    code, why = await refusal(server, redirect_uris=["tea://pot/cb", "tea://pot/other"], application_type="native")

    assert card["redirect_uris"] == ["tea://pot/cb"]
    assert code == "invalid_redirect_uri"
    assert why.startswith("redirect_uris[1]: has the scheme tea")


@meets("H-18")
@pytest.mark.parametrize(
    "uri, word",
    [
        ("http://localhost/cb", "localhost"),
        ("https://a.example/cb;x", "semicolons"),
        ("https://a.example/cb?next=https://b.example", "query holds an address"),
        ("https://as.example.evil.example/cb", "looks like another one"),
        ("https://xn--bcher-kva.example/cb", "script"),
    ],
)
async def test_a_good_redirect_of_a_shape_that_attackers_like_is_warned_of(server: World, uri: str, word: str) -> None:
    await server.register(redirect_uris=[uri])

    [event] = await server.told("client_registered")
    assert any(text.startswith("redirect_uris[0]: ") and word in text for text in event["body"]["warnings"])


@meets("C-20", "S0-13")
async def test_addresses_are_not_fetched_when_a_client_registers(server: World) -> None:
    card = await server.register(jwks_uri="https://nowhere.invalid/keys", logo_uri="https://nowhere.invalid/logo.png")

    assert (card["jwks_uri"], card["logo_uri"]) == ("https://nowhere.invalid/keys", "https://nowhere.invalid/logo.png")


# ── What a refusal says ──────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-18", "S1-53")
@pytest.mark.parametrize("name", ['"quoted" \\ \u00e9\u202e', "x" * 1000, "<script>alert(1)</script>", "a\nb"])
async def test_a_refusal_names_the_member_and_repeats_little_and_only_ascii(server: World, name: str) -> None:
    reply = await server.post_json("/register", {"redirect_uris": [name]})

    assert reply.no == (400, "invalid_redirect_uri")
    assert set(reply.json) == {"error", "error_description"}
    assert re.fullmatch(r"[ !#-\[\]-~]+", reply.why)
    assert reply.why.startswith("redirect_uris[0]: ")
    assert len(reply.why.partition("got ")[2]) <= 82


@meets("R-19")
async def test_all_problems_are_listed_and_the_first_by_a_fixed_order_is_the_answer(server: World) -> None:
    reply = await server.post_json(
        "/register", {"jwks": {"keys": []}, "jwks_uri": "https://a.example/k", "redirect_uris": ["https://a.example/#x"], "client_name": 1}
    )

    assert reply.no == (400, "invalid_client_metadata")
    assert [(row["error"], row["error_description"].partition(":")[0]) for row in reply.json["errors"]] == [
        ("invalid_client_metadata", "client_name"),
        ("invalid_redirect_uri", "redirect_uris[0]"),
        ("invalid_client_metadata", "jwks_uri"),
    ]
    assert reply.why == reply.json["errors"][0]["error_description"]


@meets("R-19", "H-27")
async def test_who_is_asking_is_settled_before_what_they_say(tmp_path: Path) -> None:
    server = await world(tmp_path, registration="token")
    wrong = {"content-type": "text/plain", "authorization": "Bearer nonsense"}
    right = {**wrong, "content-type": "application/json"}

    assert (await server.call("POST", "/register", b"{", wrong)).no == (415, "invalid_request")
    assert (await server.call("POST", "/register", b"x" * 70_000, right)).no == (413, "invalid_request")
    assert (await server.call("POST", "/register", b"{", right)).no == (401, "invalid_token")
    token = await server.invitation()
    assert (await server.call("POST", "/register", b"{", {**right, "authorization": f"Bearer {token}"})).no == (400, "invalid_request")


# ── Who may register ─────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-21", "C-05", "S0-11", "S3-10")
async def test_where_a_token_is_needed_its_absence_and_a_bad_one_are_told_apart(tmp_path: Path) -> None:
    server = await world(tmp_path, registration="token")

    none = await server.post_json("/register", {"redirect_uris": [CALLBACK]})
    bad = await server.post_json("/register", {"redirect_uris": [CALLBACK]}, "nonsense")

    assert (none.no, none.headers["www-authenticate"]) == ((401, "invalid_token"), 'Bearer realm="registration"')
    assert (bad.no, bad.headers["www-authenticate"]) == ((401, "invalid_token"), 'Bearer error="invalid_token"')
    assert (await server.register(await server.invitation()))["client_id"]


@meets("R-23", "C-05")
async def test_a_closed_desk_refuses_everybody_and_is_not_announced(tmp_path: Path) -> None:
    server = await world(tmp_path, registration="closed")

    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK]}, await server.invitation())
    described = await server.call("GET", "/.well-known/oauth-authorization-server")

    assert reply.no == (403, "access_denied")
    assert reply.why == "registration is closed; ask the operator for a client"
    assert "registration_endpoint" not in described.json


@meets("R-22", "R-28")
async def test_a_bad_token_is_never_taken_for_none_at_an_open_desk(server: World) -> None:
    card = await server.machine()
    access = (await server.token(card)).json["access_token"]
    expired, spent = await server.invitation(lifetime=10), await server.invitation()
    await server.register(spent)
    server.clock.forward(10)
    (id,) = [event["body"]["id"] for event in await server.told("initial_access_token_created")][:1]
    foreign = write(server.ports.keyring, "https://other.example", Handle(INITIAL_ACCESS_TOKEN, 1, bytes.fromhex(id), 1))
    others = [card["registration_access_token"], card["client_secret"], access]
    tokens = ["x", "cc_iat_x", expired, spent, foreign, expired[:-1] + "A", *others]

    replies = [await server.post_json("/register", {"redirect_uris": [CALLBACK]}, token) for token in tokens]

    assert {(reply.status, reply.body, reply.headers["www-authenticate"]) for reply in replies} == {
        (401, replies[0].body, 'Bearer error="invalid_token"')
    }
    assert replies[0].why == "the initial access token is not valid (any more); ask the operator for another"


@meets("R-20")
@pytest.mark.parametrize(
    "target, body", [("/register?access_token=x", {}), ("/register?a=1&access_token=", {}), ("/register", {"access_token": "x"})]
)
async def test_a_token_anywhere_but_in_the_header_is_refused(server: World, target: str, body: dict[str, object]) -> None:
    reply = await server.post_json(target, {"redirect_uris": [CALLBACK], **body})

    assert reply.no == (400, "invalid_request")
    assert reply.why.startswith("access_token: a token belongs into the Authorization header only")
    assert await server.kinds() == ["key_rotated"]


@meets("R-24", "H-03")
async def test_an_invitation_says_which_grants_scopes_and_hosts_a_client_may_have(server: World) -> None:
    token = await server.invitation(uses=9, scope="profile", grants=("client_credentials", "authorization_code"), hosts=("a.example",))
    both = ["client_credentials", "authorization_code"]

    card = await server.register(token, redirect_uris=["https://a.example/cb"], grant_types=both, scope="openid profile email")
    silent = await server.register(token, redirect_uris=["https://a.example/cb"], grant_types=both)
    code, why = await refusal(server, token, redirect_uris=["https://b.example/cb"])
    narrowed = await server.register(token, redirect_uris=["https://A.example/cb"], grant_types=["authorization_code", "refresh_token"])

    assert (card["grant_types"], card["scope"], silent["scope"]) == (both, "profile", "profile")
    assert code == "invalid_redirect_uri"
    assert "b.example" in why
    assert narrowed["grant_types"] == ["authorization_code"]


@meets("R-24")
async def test_an_invitation_has_an_end_and_a_number_of_uses_and_leaves_its_mark_on_the_client(server: World) -> None:
    token = await server.invitation(uses=2, lifetime=100)

    one, two = await server.register(token), await server.register(token)
    three = await server.post_json("/register", {"redirect_uris": [CALLBACK]}, token)

    client = await server.row(one)
    assert three.no == (401, "invalid_token")
    assert (client.tier, client.owner, client.invitation) == (Tier.TOKEN, "tester", (await server.row(two)).invitation)
    assert len(token) >= 43
    late = await server.invitation(lifetime=100)
    server.clock.forward(100)
    assert (await server.post_json("/register", {"redirect_uris": [CALLBACK]}, late)).no == (401, "invalid_token")


@meets("R-25", "X-36")
@pytest.mark.parametrize("sqlite", [False, True])
async def test_a_hundred_at_once_with_an_invitation_for_one_make_one_client(tmp_path: Path, sqlite: bool) -> None:
    server = await world(tmp_path, sqlite=sqlite)
    token = await server.invitation(uses=1)

    replies = await asyncio.gather(*(server.post_json("/register", {"redirect_uris": [CALLBACK]}, token) for _ in range(100)))

    assert sorted(reply.status for reply in replies) == [201] + [401] * 99
    assert len(await server.ports.store.clients("", 200)) == 1
    assert (await server.kinds()).count("client_registered") == 1
    await server.ports.store.close()


@meets("R-25", "X-36")
async def test_an_invitation_for_one_lets_in_one_over_two_processes(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)
    other = await beside(server, tmp_path)
    token = await server.invitation(uses=1)

    replies = await asyncio.gather(
        *(side.post_json("/register", {"redirect_uris": [CALLBACK]}, token) for _ in range(25) for side in (server, other))
    )

    assert sorted(reply.status for reply in replies) == [201] + [401] * 49
    for side in (server, other):
        await side.ports.store.close()


@meets("R-26")
async def test_a_refused_registration_leaves_its_invitation_as_it_was(server: World) -> None:
    token = await server.invitation(uses=1)

    for body in ({}, {"redirect_uris": ["ftp://a.example"]}, {"redirect_uris": [CALLBACK], "client_id": "x"}):
        assert (await server.post_json("/register", body, token)).status == 400

    assert (await server.register(token))["client_id"]


@meets("R-93", "C-05")
async def test_strangers_share_a_budget_and_invited_clients_do_not_draw_on_it(tmp_path: Path) -> None:
    server = await world(tmp_path, registration_rate=1, registration_burst=2)
    body = {"redirect_uris": [CALLBACK]}

    refused = await server.post_json("/register", {})
    first, second = await server.post_json("/register", body), await server.post_json("/register", body)
    third = await server.post_json("/register", body)
    invited = await server.post_json("/register", body, await server.invitation())

    assert (refused.status, first.status, second.status, invited.status) == (400, 201, 201, 201)
    assert third.no == (429, "temporarily_unavailable")
    assert 0 < int(third.headers["retry-after"]) <= 60
    assert third.headers["cache-control"] == "no-store"


async def test_development_lifts_the_budget(tmp_path: Path) -> None:
    server = await world(tmp_path, dev=True, issuer="http://127.0.0.1:8000", registration_rate=1, registration_burst=1)

    replies = [await server.post_json("/register", {"redirect_uris": [CALLBACK]}) for _ in range(5)]

    assert {reply.status for reply in replies} == {201}


@meets("S3-06", "X-30")
async def test_a_stranger_gets_no_power_of_its_own(server: World) -> None:
    code, why = await refusal(server, grant_types=["client_credentials"])
    card = await server.register(grant_types=["authorization_code", "client_credentials"])

    assert code == "invalid_client_metadata"
    assert why.startswith("grant_types: client_credentials is not allowed to anonymous clients")
    assert "an initial access token that allows it opens this door" in why
    assert card["grant_types"] == ["authorization_code"]
    assert (await server.token(card)).no == (400, "unauthorized_client")


async def test_an_invited_client_that_asks_for_nothing_it_may_have_is_not_told_to_bring_a_token(server: World) -> None:
    token = await server.invitation(grants=("authorization_code",))

    _, why = await refusal(server, token, grant_types=["client_credentials"])

    assert "opens this door" not in why


async def test_where_the_default_scope_is_above_the_ceiling_nothing_is_left_to_register(tmp_path: Path) -> None:
    server = await world(tmp_path, anonymous_scopes=("profile",))

    code, why = await refusal(server)

    assert (code, why) == ("invalid_client_metadata", "scope: none of the scopes is allowed; allowed are: profile (RFC 7591 section 2)")


@pytest.mark.parametrize("setting, status", [("drop", 201), ("refuse", 400)])
async def test_unknown_scopes_are_dropped_or_refused_by_setting(tmp_path: Path, setting: str, status: int) -> None:
    server = await world(tmp_path, unknown_scopes=setting)

    said, body = await tried(server, scope="openid  nonsense ")

    assert said == status
    assert body.get("scope", "openid") == "openid"


@meets("H-16")
async def test_scopes_are_split_at_any_run_of_spaces_and_those_of_resource_servers_are_known(server: World) -> None:
    await server.resource(scope="orders:read orders:write")

    card = await server.register(scope="  profile   orders:read ")

    assert card["scope"] == "profile orders:read"


# ── Durable, or not at all ───────────────────────────────────────────────────────────────────────────────────────────


class FailingStore(MemoryStore):
    """A store that cannot take a registration, for one reason or another."""

    failure: Exception = StoreUnavailable("disk full")

    async def register(self, client: Client, event: Event, invitation: bytes | None) -> Registration:
        raise self.failure


def failing(failure: Exception) -> FailingStore:
    store = FailingStore(chain_key=b"k" * 32, writer=b"failing1", now=lambda: START)
    store.failure = failure
    return store


@meets("R-94")
async def test_a_registration_that_could_not_be_stored_is_not_acknowledged_and_leaves_nothing(tmp_path: Path) -> None:
    server = await world(tmp_path, failing(StoreUnavailable("disk full")))

    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK]})

    assert reply.no == (503, "temporarily_unavailable")
    assert reply.headers["retry-after"] == "1"
    assert "disk" not in reply.why
    assert await server.kinds() == ["key_rotated"]


@meets("R-94")
async def test_when_the_answer_comes_another_process_sees_exactly_one_record(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)

    card = await server.register()

    other = await beside(server, tmp_path)
    assert [client.client_id for client in await other.ports.store.clients("", 10)] == [card["client_id"]]
    assert (await other.kinds()).count("client_registered") == 1
    for side in (server, other):
        await side.ports.store.close()


async def test_a_place_that_is_taken_by_another_client_is_an_alarm_and_no_overwriting(tmp_path: Path) -> None:
    server = await world(tmp_path, failing(KeyCollision("taken")))

    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK]})

    assert reply.no == (500, "server_error")
    assert [line["alarm"] for line in server.lines if line["event"] == "client_key_collision"] == [True]


@meets("X-39", "R-24", "H-01")
async def test_no_credential_is_stored_told_or_logged(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)
    token = await server.invitation()

    card = await server.register(token, client_name="Tea")
    await server.post_json("/register", {"redirect_uris": [CALLBACK]}, token)

    credentials = [token, card["client_secret"], card["registration_access_token"]]
    await server.ports.store.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))
    assert b"Tea" in kept
    for credential in credentials:
        assert credential not in json.dumps(server.lines)
        assert credential.encode() not in kept
        assert base64.urlsafe_b64decode(credential[-43:] + "=")[-31:] not in kept


@meets("H-23")
async def test_a_credential_made_for_another_issuer_is_not_read(server: World) -> None:
    card = await server.register()
    ring, client = server.ports.keyring, await server.row(card)

    foreign = write(ring, "https://other.example", Handle(REGISTRATION_ACCESS_TOKEN, 1, client.key + client.incarnation, 1))
    swapped = write(ring, ISSUER, Handle(CLIENT_SECRET, 1, client.key + client.incarnation, 1))

    assert swapped == card["client_secret"]
    assert read(ring, ISSUER, REGISTRATION_ACCESS_TOKEN, foreign) is None
    assert (await server.read(card, foreign)).status == (await server.read(card, swapped)).status == 401


async def test_settings_of_a_running_world_can_be_changed_for_a_while(server: World) -> None:
    with changed(server, registration="closed"):
        assert (await tried(server))[0] == 403

    assert (await tried(server))[0] == 201
