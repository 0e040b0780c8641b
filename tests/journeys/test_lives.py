"""Whole lives of clients, as they and nobody else see them: over HTTP, with what the answers said."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from calling_card.usecases.audit import verify
from calling_card.usecases.operate import delete, resume, rotate, suspend
from tests.ledger import meets
from tests.world import World, beside, body_of, world


@pytest.fixture(params=["memory", "sqlite", "sealed"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    some = await world(tmp_path, sqlite=request.param != "memory", open_registration="sealed" if request.param == "sealed" else "stored")
    yield some
    verdict = await verify(some.ports, await some.ports.store.heads())
    await some.ports.store.close()
    assert verdict.broken == ()


@meets("S0-01", "S1-01", "S3-01", "S3-08", "S3-09")
async def test_a_stranger_registers_reads_replaces_and_leaves(server: World) -> None:
    # It finds the desk.
    described = (await server.call("GET", "/.well-known/oauth-authorization-server")).json

    # It introduces itself and is told everything it needs from now on.
    introduced = await server.post_json(
        described["registration_endpoint"], {"redirect_uris": ["https://tea.example/cb"], "client_name": "Tea"}
    )
    assert introduced.status == 201
    card = introduced.json

    # It looks at its card, exchanges it for another one, and keeps the new token.
    assert (await server.read(card)).json == card
    replaced = await server.put(card, body_of(card, client_name="Tea House", tos_uri="https://tea.example/tos"))
    assert replaced.status == 200
    card = replaced.json
    assert (card["client_name"], card["tos_uri"]) == ("Tea House", "https://tea.example/tos")

    # It takes its card back, and nothing of it is left but the mark that it was here.
    assert (await server.remove(card)).status == 204
    assert (await server.read(card)).no == (401, "invalid_token")
    assert list(await server.ports.store.clients("", 10)) == []
    assert (await server.kinds())[1:] == ["client_registered", "client_replaced", "client_deleted"]


@meets("M-14", "M-39", "H-31", "S3-06")
async def test_an_invited_machine_works_is_suspended_resumed_and_deleted(server: World) -> None:
    # The operator makes an API known and invites a machine to it.
    api = (await server.resource("https://api.example", scope="orders:read orders:write")).information
    invitation = await server.invitation(scope="orders:read", grants=("client_credentials",))

    # The machine comes in and may do what the invitation says, not more.
    card = await server.register(invitation, redirect_uris=[], grant_types=["client_credentials"], scope="orders:read orders:write")
    assert card["scope"] == "orders:read"
    asked = await server.token(card, resource="https://api.example")
    seen = (await server.introspect(api, asked.json["access_token"])).json
    assert (seen["active"], seen["scope"], seen["client_id"]) == (True, "orders:read", card["client_id"])

    # It is suspended: its token is dead, it gets no other, and its own token cannot free it.
    await suspend(server.ports, card["client_id"], "op")
    assert (await server.introspect(api, asked.json["access_token"])).json == {"active": False}
    assert (await server.token(card, resource="https://api.example")).no == (401, "invalid_client")
    assert (await server.put(card, body_of(card))).no == (403, "access_denied")
    assert "client_secret" not in (await server.read(card)).json

    # It is resumed and works again with a new token; the old one stays dead.
    await resume(server.ports, card["client_id"], "op")
    again = await server.token(card, resource="https://api.example")
    assert (await server.introspect(api, again.json["access_token"])).json["active"] is True
    assert (await server.introspect(api, asked.json["access_token"])).json == {"active": False}

    # It is deleted by the operator and looks as if it had never been.
    await delete(server.ports, card["client_id"], "op")
    assert (await server.introspect(api, again.json["access_token"])).json == {"active": False}
    assert (await server.token(card)).no == (401, "invalid_client")
    assert (await server.read(card)).body == (await server.read({**card, "registration_client_uri": "/register/never"})).body


@meets("H-02", "M-46")
async def test_a_client_that_loses_an_answer_asks_again_and_loses_nothing(server: World) -> None:
    card = await server.register(client_name="Tea")
    wish = body_of(card, client_name="Tea House")

    # The answer is lost on the way. The same question at once gets the same answer.
    lost = await server.put(card, wish)
    again = await server.put(card, wish)
    assert again.body == lost.body

    # The next answers are lost too, and days go by between; the card stays reachable with the token last used.
    card = again.json
    for day in range(3):
        await server.put(card, body_of(card, client_name=f"Tea House {day}"))
        server.clock.forward(3600)
    server.clock.forward(20 * 3600)
    read = await server.read(card)
    assert (read.status, read.json["client_name"]) == (200, "Tea House 2")
    assert (await server.replace(read.json, client_name="Tea")).status == 200
    assert not {"rat_two_holders", "rat_spent", "rat_expired_previous"} & set(await server.kinds())


@meets("H-02", "M-17")
async def test_two_holders_of_one_token_are_found_out_and_only_one_goes_on(server: World) -> None:
    owner = await server.register(client_name="Tea")
    thief = dict(owner)

    # The thief exchanges the token and uses the new one; the owner comes later with the old one.
    thief = (await server.put(thief, body_of(thief, client_name="Evil"))).json
    assert (await server.read(thief)).status == 200
    assert (await server.read(owner)).no == (401, "invalid_token")

    # The operator sees it, gives the owner new credentials, and the thief is out.
    assert "rat_two_holders" in await server.kinds()
    new = (await rotate(server.ports, owner["client_id"], "op", at_once=True)).information
    assert (await server.read(thief)).no == (401, "invalid_token")
    assert (await server.read(owner, str(new["registration_access_token"]))).json["client_name"] == "Evil"


@meets("R-90", "R-103", "M-43")
async def test_a_client_that_registers_at_each_start_is_another_one_each_time(server: World) -> None:
    lives = [await server.register(client_name="FastMCP Client", software_id="same") for _ in range(5)]

    assert len({card["client_id"] for card in lives}) == 5
    assert [(await server.read(card)).status for card in lives] == [200] * 5


@meets("M-33")
async def test_clients_of_two_processes_on_one_file_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    here = await world(tmp_path, sqlite=True)
    there = await beside(here, tmp_path)

    async def life(first: World, second: World) -> None:
        card: dict[str, Any] = await first.register(client_name="A")
        for turn in range(3):
            reply = await (second, first)[turn % 2].put(card, body_of(card, client_name=f"B{turn}"))
            assert reply.status == 200
            card = reply.json
        assert (await second.read(card)).json["client_name"] == "B2"
        assert (await first.remove(card)).status == 204
        assert (await second.read(card)).status == 401

    await asyncio.gather(*(life(*pair) for pair in [(here, there), (there, here)] * 10))

    verdict = await verify(here.ports, await there.ports.store.heads())
    assert verdict.broken == ()
    assert list(await here.ports.store.clients("", 10)) == []
    for side in (here, there):
        await side.ports.store.close()
