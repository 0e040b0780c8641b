"""The examples of attacks that concern registration, by their number in the requirements."""

import asyncio
from pathlib import Path

import pytest

from tests.visitor import Browser, Page, person_client, somebody
from tests.world import CALLBACK, World, body_of, world

JSON = {"content-type": "application/json"}
ASSIGNED = {"trusted": True, "disabled": False, "owner": "admin", "skip_consent": True, "policy": "internal"}


@pytest.fixture(params=["memory", "sqlite"])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return await world(tmp_path, sqlite=request.param == "sqlite")


@pytest.mark.parametrize("name", ["Goo\u200bgle", "\u202eelgooG", "Bank\nVerified"])
async def test_3_a_name_with_letters_that_hide_is_refused(server: World, name: str) -> None:
    code, why = await server.refusal(client_name=name)

    assert code == "invalid_client_metadata"
    assert why.startswith("client_name:")


async def test_3_a_nul_is_refused_wherever_it_stands(server: World) -> None:
    code, _ = await server.refusal(client_name="A\u0000B")

    assert code == "invalid_request"


@pytest.mark.parametrize("member", ["redirect_uris", "client_uri", "tos_uri", "policy_uri", "logo_uri", "initiate_login_uri"])
@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://a/x",
        "view-source:https://a/",
    ],
)
async def test_4_no_member_leads_to_a_dangerous_scheme(server: World, member: str, uri: str) -> None:
    status, _ = await server.tried(**{member: [uri] if member == "redirect_uris" else uri})

    assert status == 400


async def test_5_a_member_that_comes_twice_in_two_spellings_is_refused(server: World) -> None:
    body = b'{"redirect_uris":["https://a.example/cb"],"redirect_ur\\u0069s":["https://evil.example/cb"]}'

    assert (await server.call("POST", "/register", body, JSON)).no == (400, "invalid_request")


async def test_6_a_hundred_at_once_with_a_token_for_one_make_one_client(server: World) -> None:
    token = await server.invitation(uses=1)

    replies = await asyncio.gather(*(server.post_json("/register", {"redirect_uris": [CALLBACK]}, token) for _ in range(100)))

    assert sorted(reply.status for reply in replies) == [201] + [401] * 99
    assert len(await server.ports.store.clients("", 1000)) == 1


async def test_7_what_only_the_operator_decides_is_not_taken_from_a_client(server: World) -> None:
    await somebody(server)
    card = await person_client(server)

    replaced = await server.put(card, body_of(card, **ASSIGNED))

    assert replaced.status == 200
    assert not ASSIGNED.keys() & replaced.json.keys()
    alice = Browser(server)
    assert "allow" in Page((await alice.sign_in(await alice.authorize(card))).body).ids
    assert (await server.row(card)).owner == ""


async def test_11_another_host_in_the_request_is_not_taken_for_ours(server: World) -> None:
    headers = {**JSON, "host": "evil.example", "x-forwarded-proto": "http", "x-forwarded-host": "evil.example"}

    reply = await server.call("POST", "/register", b'{"redirect_uris":["https://a.example/cb"]}', headers)

    assert reply.status == 201
    assert reply.json["registration_client_uri"].startswith("https://as.example/register/")


async def test_14_a_body_that_is_not_called_json_is_none(server: World) -> None:
    body = b'{"redirect_uris":["https://a.example/cb"]}'

    assert (await server.call("POST", "/register", body, {"content-type": "text/plain"})).no == (415, "invalid_request")
