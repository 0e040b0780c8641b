"""POST /introspect as a caller sees it: RFC 7662."""

from pathlib import Path
from typing import Any

import pytest

from tests.ledger import meets
from tests.visitor import Browser, exchange, person_client, somebody, tokens
from tests.world import ISSUER, World, world

Card = dict[str, Any]
DEAD = b'{"active":false}'


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


@meets("A-67", "A-10")
async def test_a_living_token_is_told_of_in_json_that_nobody_may_keep(server: World) -> None:
    api = (await server.resource()).information
    card = await server.machine("orders:read")
    token = (await server.token(card)).json["access_token"]

    reply = await server.introspect(api, token)

    assert reply.status == 200
    assert reply.json == {
        "active": True,
        "scope": "orders:read",
        "client_id": card["client_id"],
        "sub": card["client_id"],
        "aud": "https://api.example",
        "iss": ISSUER,
        "exp": server.clock.now + 3600,
        "iat": server.clock.now,
        "jti": reply.json["jti"],
        "token_type": "Bearer",
    }
    assert (reply.headers["cache-control"], reply.headers["content-type"]) == ("no-store", "application/json")


@meets("A-68", "A-72", "S1-03", "A-96")
async def test_whatever_is_not_alive_for_this_caller_has_the_same_bytes(server: World) -> None:
    """Example 14 of the server requirements among them."""
    api = (await server.resource()).information
    other = (await server.resource("https://b.example", "stock:read")).information
    card = await server.machine("orders:read")
    living, spent = [(await server.token(card)).json["access_token"] for _ in range(2)]
    await server.post_form("/revoke", {"token": spent}, basic=(card["client_id"], card["client_secret"]))

    dead = [spent, card["registration_access_token"], card["client_secret"], await server.invitation(), "garbage", living + "x"]
    replies = [await server.introspect(api, token) for token in dead] + [await server.introspect(other, living)]

    assert {(reply.status, reply.body, reply.headers["cache-control"]) for reply in replies} == {(200, DEAD, "no-store")}
    assert (await server.introspect(api, living)).json["active"]


@meets("A-67")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
async def test_a_hint_of_the_kind_has_no_influence(server: World, hint: str) -> None:
    card = await server.machine()
    token = (await server.token(card)).json["access_token"]

    reply = await server.post_form(
        "/introspect", {"token": token, "token_type_hint": hint}, basic=(card["client_id"], card["client_secret"])
    )

    assert reply.json["active"]


@meets("A-67", "A-43")
async def test_a_caller_that_does_not_prove_itself_learns_nothing(server: World) -> None:
    card, public = await server.machine(), await server.register(token_endpoint_auth_method="none")
    token = (await server.token(card)).json["access_token"]

    nobody = await server.post_form("/introspect", {"token": token})
    named = await server.post_form("/introspect", {"token": token, "client_id": public["client_id"]})
    guessed = await server.post_form("/introspect", {"token": token}, basic=(card["client_id"], "guess"))

    assert {reply.no for reply in (nobody, named, guessed)} == {(401, "invalid_client")}
    assert "www-authenticate" in guessed.headers


@meets("A-96")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_bearer_token_gives_no_right_to_ask(server: World, scheme: str) -> None:
    card = await server.machine()
    token = (await server.token(card)).json["access_token"]
    headers = {"content-type": "application/x-www-form-urlencoded", "authorization": f"{scheme} {token}"}

    reply = await server.call("POST", "/introspect", f"token={token}".encode(), headers)

    assert reply.no == (401, "invalid_token")
    assert reply.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_a_question_without_a_token_is_malformed(server: World) -> None:
    card = await server.machine()

    for fields in ({}, {"token": ""}):
        reply = await server.post_form("/introspect", fields, basic=(card["client_id"], card["client_secret"]))

        assert reply.no == (400, "invalid_request")


@meets("X-92")
async def test_an_answer_is_never_taken_from_an_earlier_one(server: World) -> None:
    card = await server.machine()
    token = (await server.token(card)).json["access_token"]

    before = await server.introspect(card, token)
    await server.post_form("/revoke", {"token": token}, basic=(card["client_id"], card["client_secret"]))

    assert before.json["active"]
    assert (await server.introspect(card, token)).body == DEAD


@meets("A-67", "A-10")
async def test_a_persons_token_names_the_person_and_all_it_is_for(server: World) -> None:
    api = (await server.resource(scope="openid orders:read")).information
    person = await somebody(server)
    card = await person_client(server, scope="openid orders:read")
    got = await tokens(server, card, scope="openid orders:read")

    reply = await server.introspect(api, got["access_token"])

    assert reply.json == {
        "active": True,
        "scope": "openid orders:read",
        "client_id": card["client_id"],
        "sub": person.subject,
        "aud": ["https://api.example", f"{ISSUER}/userinfo"],
        "iss": ISSUER,
        "exp": server.clock.now + 3600,
        "iat": server.clock.now,
        "jti": reply.json["jti"],
        "token_type": "Bearer",
    }


@meets("A-68", "A-72")
async def test_no_other_credential_of_a_grant_is_an_access_token(server: World) -> None:
    await somebody(server)
    card = await person_client(server, token_endpoint_auth_method="client_secret_basic")
    browser = Browser(server)
    code = (await browser.allow(card))["code"]
    got = (await exchange(server, card, code)).json
    [session] = [value for name, value in browser.cookies.items() if name.endswith("session")]

    for text in (code, got["refresh_token"], got["id_token"], session):
        assert (await server.introspect(card, text)).body == DEAD
    assert (await server.introspect(card, got["access_token"])).json["active"]
