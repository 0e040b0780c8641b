"""The examples of the requirements for registration, management and security, by their numbers, as far as they are built."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from calling_card.usecases.operate import suspend
from tests.ledger import meets
from tests.world import ISSUER, World, body_of, world

A = "https://a.example/cb"
JSON = {"content-type": "application/json"}


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


# ── Registration ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_registration_1_a_public_native_client(server: World) -> None:
    card = await server.register(
        application_type="native",
        redirect_uris=["com.example.tea:/cb", "http://127.0.0.1/cb"],
        token_endpoint_auth_method="none",
        client_name="Tea CLI",
    )

    assert not {"client_secret", "client_secret_expires_at"} & set(card)
    assert (card["grant_types"], card["response_types"]) == (["authorization_code"], ["code"])


EC: dict[str, Any] = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("2 conflict of lists", {"grant_types": ["implicit"], "response_types": ["code"]}, "invalid_client_metadata"),
    ("3 fragment in redirect URI", {"redirect_uris": [f"{A}#x"]}, "invalid_redirect_uri"),
    ("4 both key members", {"jwks_uri": "https://a.example/k", "jwks": {"keys": []}}, "invalid_client_metadata"),
    ("5 private key", {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [EC]}}, "invalid_client_metadata"),
    ("6 enc without alg", {"userinfo_encrypted_response_enc": "A256GCM"}, "invalid_client_metadata"),
    ("13 tagged URL", {"tos_uri#fr": "javascript:alert(1)"}, "invalid_client_metadata"),
    ("14 mTLS without subject", {"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
    (
        "14 mTLS with two subjects",
        {
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_san_dns": "a.example",
            "tls_client_auth_subject_dn": "CN=a",
        },
        "invalid_client_metadata",
    ),
    (
        "15 a job of a stranger",
        {"redirect_uris": [], "grant_types": ["client_credentials"], "client_name": "Job"},
        "invalid_client_metadata",
    ),
]


@pytest.mark.parametrize("example, said, code", REFUSED, ids=[row[0] for row in REFUSED])
async def test_registration_what_is_refused(server: World, example: str, said: dict[str, Any], code: str) -> None:
    reply = await server.post_json("/register", {"redirect_uris": [A], **said})

    assert reply.no == (400, code)


@meets("R-21")
async def test_registration_8_a_token_is_required_and_none_was_sent(tmp_path: Path) -> None:
    server = await world(tmp_path, registration="token")

    reply = await server.post_json("/register", {"redirect_uris": [A]})

    assert reply.status == 401
    assert re.match(r"^Bearer(?!.*error=)", reply.headers["www-authenticate"])


@meets("R-58")
async def test_registration_11_an_unknown_member_is_dropped(server: World) -> None:
    assert "favourite_colour" not in await server.register(redirect_uris=[A], favourite_colour="green")


async def test_registration_15_a_job_that_was_invited(server: World) -> None:
    token = await server.invitation(scope="openid", grants=("client_credentials",))

    reply = await server.post_json("/register", {"grant_types": ["client_credentials"], "client_name": "Job"}, token)

    assert (reply.status, reply.json["response_types"]) == (201, [])


# ── Management ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_management_1_read(server: World) -> None:
    card = await server.register()

    reply = await server.read(card)

    expected = {
        "client_id",
        "client_id_issued_at",
        "registration_access_token",
        "registration_client_uri",
        "redirect_uris",
        "client_secret",
    }
    assert (reply.status, expected <= set(reply.json)) == (200, True)


@meets("M-08")
async def test_management_2_no_token(server: World) -> None:
    reply = await server.call("GET", (await server.register())["registration_client_uri"])

    assert reply.status == 401
    assert re.match(r"^Bearer(?!.*error)", reply.headers["www-authenticate"])


@meets("M-10", "C-14")
async def test_management_3_a_foreign_token_and_an_unknown_name_look_alike(server: World) -> None:
    a, b = await server.register(), await server.register()
    rat = a["registration_access_token"]

    replies = [
        await server.call("GET", path, headers={"authorization": f"Bearer {token}"})
        for path, token in (
            (f"/register/{b['client_id']}", rat),
            ("/register/never-existed", rat),
            (f"/register/{a['client_id']}", "xxxx"),
        )
    ]

    assert {reply.status for reply in replies} == {401}
    assert len({reply.body for reply in replies}) == len({tuple(reply.headers) for reply in replies}) == 1


@meets("M-06")
async def test_management_4_a_token_in_the_query(server: World) -> None:
    card = await server.register()

    reply = await server.call("GET", f"/register/{card['client_id']}?access_token={card['registration_access_token']}")

    assert reply.no == (400, "invalid_request")


@meets("M-28")
async def test_management_5_an_update_drops_a_member(server: World) -> None:
    card = await server.register(redirect_uris=[A], client_name="A", tos_uri="https://a.example/tos")

    reply = await server.put(card, {"client_id": card["client_id"], "redirect_uris": [A], "client_name": "A"})

    assert (reply.status, "tos_uri" in reply.json) == (200, False)


@meets("M-27")
async def test_management_6_a_member_of_the_server_in_an_update(server: World) -> None:
    card = await server.register(redirect_uris=[A])

    reply = await server.put(card, {"client_id": card["client_id"], "client_id_issued_at": 1, "redirect_uris": [A]})

    assert reply.no == (400, "invalid_request")
    assert "client_id_issued_at" in reply.why


@meets("M-25")
async def test_management_7_a_secret_of_the_clients_own_choice(server: World) -> None:
    card = await server.machine()

    reply = await server.put(card, body_of(card, client_secret="chosen-by-client"))

    assert reply.no == (400, "invalid_request")
    assert (await server.token(card)).status == 200


@meets("M-30", "X-30")
async def test_management_8_a_wider_scope_than_policy_allows(tmp_path: Path) -> None:
    server = await world(tmp_path, scopes=("openid", "profile", "admin"), anonymous_scopes=("openid", "profile"))
    card = await server.register(redirect_uris=[A])

    reply = await server.put(card, {"client_id": card["client_id"], "redirect_uris": [A], "scope": "openid admin"})

    assert (reply.status, reply.json["scope"]) == (200, "openid")


@meets("M-05")
async def test_management_9_patch_and_post(server: World) -> None:
    uri = (await server.register())["registration_client_uri"]

    patch, post = await server.call("PATCH", uri), await server.call("POST", uri)

    assert (patch.status, patch.headers["allow"], post.status) == (405, "GET, HEAD, PUT, DELETE, OPTIONS", 405)


@meets("M-39")
async def test_management_10_a_deletion_kills_tokens(server: World) -> None:
    caller, card = (await server.resource()).information, await server.machine("orders:read")
    access = (await server.token(card, resource="https://api.example")).json["access_token"]

    deleted = await server.remove(card)

    again = await server.token(card)
    assert (deleted.status, again.no) == (204, (401, "invalid_client"))
    assert (await server.introspect(caller, access)).json == {"active": False}


@meets("M-14", "X-79")
async def test_management_11_a_disabled_client_cannot_be_revived(server: World) -> None:
    card = await server.register()
    await suspend(server.ports, card["client_id"], "op")

    reply = await server.put(card, body_of(card))

    assert reply.no == (403, "access_denied")
    assert (await server.row(card)).state == "suspended"


@meets("H-02", "M-33")
async def test_management_12_fifty_parallel_updates_are_equal_as_the_house_has_it(server: World) -> None:
    card = await server.register()

    replies = await asyncio.gather(*(server.put(card, body_of(card, client_name="B")) for _ in range(50)))

    assert {(reply.status, reply.body) for reply in replies} == {(200, replies[0].body)}


@meets("M-29")
async def test_management_13_a_round_trip(server: World) -> None:
    read = (await server.read(await server.register(client_name="A"))).json

    put = (await server.put(read, body_of(read))).json

    assert {**put, "registration_access_token": ""} == {**read, "registration_access_token": ""}


# ── Security ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_security_2_markup_in_a_name_is_only_text(server: World) -> None:
    card = await server.register(redirect_uris=[A], client_name="<img src=x onerror=alert(1)>")

    assert card["client_name"] == "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize("name", ["Goo\u200bgle", "\u202eelgooG", "A\u0000B", "Bank\nVerified"])
async def test_security_3_hidden_and_turning_characters(server: World, name: str) -> None:
    body = json.dumps({"redirect_uris": [A], "client_name": name})

    reply = await server.call("POST", "/register", body.encode(), JSON)

    # NUL is refused by the JSON reader already, whatever member it stands in.
    assert reply.no == (400, "invalid_request" if "\0" in name else "invalid_client_metadata")


SCHEMES = ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://a/x"]


@meets("X-11")
@pytest.mark.parametrize("uri", [*SCHEMES, "view-source:https://a/"])
@pytest.mark.parametrize("member", ["client_uri", "tos_uri", "policy_uri", "logo_uri", "initiate_login_uri"])
async def test_security_4_dangerous_schemes(server: World, member: str, uri: str) -> None:
    redirect = await server.post_json("/register", {"redirect_uris": [uri]})
    after = await server.post_json("/register", {"redirect_uris": [A], "post_logout_redirect_uris": [uri]})
    other = await server.post_json("/register", {"redirect_uris": [A], member: uri})

    assert (redirect.status, after.status, other.status) == (400, 400, 400)


@meets("X-61")
async def test_security_5_a_duplicate_name_after_unescaping(server: World) -> None:
    body = rb'{"redirect_uris":["https://a.example/cb"],"redirect_ur\u0069s":["https://evil.example/cb"]}'

    reply = await server.call("POST", "/register", body, JSON)

    assert reply.no == (400, "invalid_request")


@meets("X-30", "M-34")
async def test_security_7_mass_assignment(server: World) -> None:
    card = await server.register(redirect_uris=[A])
    inside = {"trusted": True, "disabled": False, "owner": "admin", "skip_consent": True, "policy": "internal"}

    reply = await server.put(card, {"client_id": card["client_id"], "redirect_uris": [A], **inside})

    assert (reply.status, set(inside) & set(reply.json)) == (200, set())


@meets("X-27")
async def test_security_11_the_host_header(server: World) -> None:
    headers = {**JSON, "host": "evil.example", "x-forwarded-proto": "http"}

    reply = await server.call("POST", "/register", json.dumps({"redirect_uris": [A]}).encode(), headers)

    assert reply.json["registration_client_uri"].startswith(f"{ISSUER}/register/")


@meets("X-66")
async def test_security_14_the_content_type_trick(server: World) -> None:
    reply = await server.call("POST", "/register", json.dumps({"redirect_uris": [A]}).encode(), {"content-type": "text/plain"})

    assert reply.no == (415, "invalid_request")
