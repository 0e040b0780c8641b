"""A registration that is sent again because its answer was lost (R-96)."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from calling_card.ports import Invitation
from calling_card.usecases.operate import delete, suspend
from calling_card.usecases.provide import revoke
from tests.ledger import meets
from tests.world import CALLBACK, Reply, World, beside, changed, world

BODY: dict[str, Any] = {"redirect_uris": [CALLBACK]}


@pytest.fixture(params=["memory", "sqlite"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    some = await world(tmp_path, sqlite=request.param == "sqlite")
    yield some
    await some.ports.store.close()


async def send(server: World, token: str | None, key: str = "k", body: dict[str, Any] = BODY) -> Reply:
    """A registration with an Idempotency-Key."""
    headers = {"content-type": "application/json", "idempotency-key": key}
    bearer = {} if token is None else {"authorization": f"Bearer {token}"}
    return await server.call("POST", "/register", json.dumps(body).encode(), headers | bearer)


@meets("R-96")
async def test_the_same_request_gets_the_same_answer_and_is_one_client(server: World) -> None:
    token = await server.invitation()

    first = await send(server, token)
    server.clock.forward(599)
    again = await send(server, token)

    assert (first.status, again.status) == (201, 201)
    assert (again.body, again.headers["location"]) == (first.body, first.headers["location"])
    assert (await server.kinds()).count("client_registered") == 1
    assert (await server.read(first.json)).status == 200


@meets("R-96", "R-103")
async def test_another_key_another_body_and_another_invitation_are_other_clients(server: World) -> None:
    token = await server.invitation(uses=9)
    named = {**BODY, "client_name": "Tea"}

    replies = [
        await send(server, token),
        await send(server, token, "l"),
        await send(server, token, "k", named),
        await send(server, await server.invitation()),
        await server.post_json("/register", BODY, token),
        await server.post_json("/register", BODY, token),
    ]

    assert len({reply.json["client_id"] for reply in replies}) == 6


@meets("R-96")
async def test_after_ten_minutes_the_same_request_is_another_one(server: World) -> None:
    token = await server.invitation(uses=2)

    first = await send(server, token)
    await server.replaced(first.json, client_name="Tea")
    server.clock.forward(600)
    later = await send(server, token)
    server.clock.forward(600)
    too_late = await send(server, token)

    assert first.json["client_id"] != later.json["client_id"]
    assert too_late.no == (401, "invalid_token")


@meets("R-96")
async def test_a_stranger_cannot_ask_for_the_answer_of_another(server: World) -> None:
    first, second = await send(server, None), await send(server, None)
    garbage = await send(server, "cc_iat_x")

    assert first.json["client_id"] != second.json["client_id"]
    assert garbage.no == (401, "invalid_token")


async def test_a_request_that_was_refused_is_judged_again(server: World) -> None:
    token = await server.invitation()

    refused = await send(server, token, body={"redirect_uris": ["ftp://a.example"]})
    good = await send(server, token)

    assert refused.no == (400, "invalid_redirect_uri")
    assert good.status == 201


@pytest.mark.parametrize("what", ["replaced", "suspended", "deleted"])
@meets("R-90", "R-96")
async def test_a_client_that_is_another_by_now_is_neither_answered_nor_made_again(server: World, what: str) -> None:
    token = await server.invitation(uses=9)
    card = (await send(server, token)).json
    if what == "replaced":
        await server.replaced(card, client_name="Tea")
    elif what == "suspended":
        await suspend(server.ports, card["client_id"], "op")
    else:
        await delete(server.ports, card["client_id"], "op")
    before = await server.kept()

    reply = await send(server, token)

    assert reply.no == (400, "invalid_request")
    assert reply.why == "Idempotency-Key: the client that this request made is another now, or gone; send another key"
    assert await server.kept() == before


@meets("R-23", "R-28")
async def test_nobody_is_answered_again_by_an_invitation_that_was_taken_back_or_at_a_closed_desk(server: World) -> None:
    token = await server.invitation(uses=9)
    card = (await send(server, token)).json
    id = (await server.row(card)).invitation
    assert id is not None

    with changed(server, registration="closed"):
        closed = await send(server, token)
    await revoke(server.ports, id.hex(), "op")

    assert closed.no == (403, "access_denied")
    assert (await send(server, token)).no == (401, "invalid_token")


async def test_nobody_is_answered_by_an_invitation_that_is_not_there(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await server.invitation()

    async def gone(id: bytes) -> Invitation | None:
        return None

    monkeypatch.setattr(server.ports.store, "invitation", gone)

    assert (await send(server, token)).no == (401, "invalid_token")


async def test_a_key_that_is_too_long_or_sent_twice_is_refused(server: World) -> None:
    token = await server.invitation()
    headers = [("content-type", "application/json"), ("authorization", f"Bearer {token}"), *[("idempotency-key", "k")] * 2]

    long = await send(server, token, "k" * 256)
    twice = await server.call("POST", "/register", json.dumps(BODY).encode(), headers)

    assert long.no == twice.no == (400, "invalid_request")
    assert long.why == "Idempotency-Key: must have at most 255 characters"
    assert (await send(server, token, "k" * 255)).status == 201


@meets("R-96", "R-25", "X-36")
@pytest.mark.parametrize("uses", [1, 100])
async def test_twenty_at_once_over_two_processes_are_one_client(tmp_path: Path, uses: int) -> None:
    server = await world(tmp_path, sqlite=True)
    other = await beside(server, tmp_path)
    token = await server.invitation(uses=uses)

    replies = await asyncio.gather(*(send(side, token) for _ in range(10) for side in (server, other)))

    assert {(reply.status, reply.body) for reply in replies} == {(201, replies[0].body)}
    assert len(await server.ports.store.clients("", 9)) == 1
    for side in (server, other):
        await side.ports.store.close()
