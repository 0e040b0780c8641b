"""POST /revoke as a caller sees it: RFC 7009."""

from pathlib import Path
from typing import Any

import pytest

from tests.ledger import meets
from tests.visitor import person_client, refresh, somebody, tokens
from tests.world import Reply, World, world

Card = dict[str, Any]


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


async def give_back(server: World, card: Card, token: str, **more: str) -> Reply:
    """As a client with a secret, by Basic, or as a public one by its name."""
    if "client_secret" in card:
        return await server.post_form("/revoke", {"token": token, **more}, basic=(card["client_id"], card["client_secret"]))
    return await server.post_form("/revoke", {"token": token, "client_id": card["client_id"], **more})


async def token_of(server: World, card: Card) -> str:
    """A new access token."""
    return str((await server.token(card)).json["access_token"])


@meets("A-71", "A-10")
async def test_the_answer_is_empty_and_the_token_is_dead_when_it_comes(server: World) -> None:
    card = await server.machine()
    token = await token_of(server, card)

    reply = await give_back(server, card, token)

    assert (reply.status, reply.body) == (200, b"")
    assert (reply.headers["cache-control"], reply.headers["content-length"]) == ("no-store", "0")
    assert (await server.introspect(card, token)).json == {"active": False}


@meets("A-71")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense", ""])
async def test_a_hint_of_the_kind_has_no_influence(server: World, hint: str) -> None:
    card = await server.machine()
    token = await token_of(server, card)

    reply = await give_back(server, card, token, token_type_hint=hint)

    assert reply.status == 200
    assert (await server.introspect(card, token)).json == {"active": False}


@meets("A-71", "A-72")
async def test_what_is_unknown_or_over_has_the_same_answer(server: World) -> None:
    card, public = await server.machine(), await server.register(token_endpoint_auth_method="none")
    token = await token_of(server, card)
    await give_back(server, card, token)

    dead = [token, "garbage", card["registration_access_token"], card["client_secret"], await server.invitation()]
    replies = [await give_back(server, caller, text) for caller in (card, public) for text in dead[1:]]
    replies.append(await give_back(server, card, token))

    assert {(reply.status, reply.body) for reply in replies} == {(200, b"")}
    assert (await server.read(card)).status == 200


@meets("A-71")
async def test_another_clients_token_is_refused(server: World) -> None:
    card, other = await server.machine(), await server.machine()
    public = await server.register(token_endpoint_auth_method="none")
    token = await token_of(server, card)

    replies = [await give_back(server, caller, token) for caller in (other, public)]

    assert {reply.no for reply in replies} == {(400, "invalid_grant")}
    assert (await server.introspect(card, token)).json["active"]


async def test_by_setting_another_clients_token_is_passed_over(tmp_path: Path) -> None:
    server = await world(tmp_path, revocation_foreign="silent")
    card, other = await server.machine(), await server.machine()
    token = await token_of(server, card)

    reply = await give_back(server, other, token)

    assert (reply.status, reply.body) == (200, b"")
    assert (await server.introspect(card, token)).json["active"]


@meets("A-71", "A-43")
async def test_a_caller_that_does_not_prove_itself_ends_nothing(server: World) -> None:
    card = await server.machine()
    token = await token_of(server, card)

    replies = [
        await server.post_form("/revoke", {"token": token}),
        await server.post_form("/revoke", {"token": token, "client_id": card["client_id"]}),
        await server.post_form("/revoke", {"token": token}, basic=(card["client_id"], "guess")),
    ]

    assert {reply.no for reply in replies} == {(401, "invalid_client")}
    assert (await server.introspect(card, token)).json["active"]


async def test_a_return_without_a_token_is_malformed(server: World) -> None:
    card = await server.machine()

    assert (await give_back(server, card, "")).no == (400, "invalid_request")


@meets("A-71")
async def test_another_clients_token_that_is_dead_already_is_no_error(server: World) -> None:
    card, other = await server.machine(), await server.machine()
    revoked, expired = await token_of(server, card), await token_of(server, card)
    await give_back(server, card, revoked)

    first = await give_back(server, other, revoked)
    living = await give_back(server, other, expired)
    server.clock.forward(3600)
    second = await give_back(server, other, expired)

    assert [(reply.status, reply.body) for reply in (first, second)] == [(200, b"")] * 2
    assert living.no == (400, "invalid_grant")


@meets("A-71")
async def test_a_refresh_token_takes_the_access_tokens_of_its_grant_with_it(server: World) -> None:
    await somebody(server)
    card = await person_client(server, token_endpoint_auth_method="client_secret_basic")
    got = await tokens(server, card)
    renewed = (await refresh(server, card, got["refresh_token"])).json

    reply = await give_back(server, card, renewed["refresh_token"], token_type_hint="access_token")

    assert (reply.status, reply.body, reply.headers["cache-control"]) == (200, b"", "no-store")
    for token in (got["access_token"], renewed["access_token"]):
        assert (await server.introspect(card, token)).json == {"active": False}
    assert (await refresh(server, card, renewed["refresh_token"])).no == (400, "invalid_grant")
