"""Which registration access token may do what, and when a new one is handed out (RFC 7592 §3, §5)."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from calling_card.protocol.clients import State
from calling_card.protocol.handles.credentials import REGISTRATION_ACCESS_TOKEN, Handle, write
from tests.ledger import meets
from tests.world import ISSUER, Reply, World, beside, body_of, rat, world

DAY = 86_400


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


@pytest.fixture(params=["memory", "sqlite"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A server on each kind of store."""
    some = await world(tmp_path, sqlite=request.param == "sqlite")
    yield some
    await some.ports.store.close()


@meets("H-02", "M-44", "S1-28", "S1-42", "C-10")
async def test_by_default_a_replacement_brings_a_new_token_and_its_first_use_ends_the_old_one(either: World) -> None:
    first = await either.register()
    second = await either.replaced(first, client_name="B")

    assert rat(second) != rat(first)
    assert (await either.read(second)).status == 200
    assert (await either.read(first)).no == (401, "invalid_token")
    assert (await either.told("rat_two_holders"))[0]["body"] == {"count": 1}


@meets("M-44", "S1-39", "C-10")
async def test_with_every_use_a_read_brings_a_new_token_too(tmp_path: Path) -> None:
    server = await world(tmp_path, rat_rotation="every_use")
    card = await server.register()

    one = (await server.read(card)).json
    two = (await server.read(one)).json

    assert len({rat(card), rat(one), rat(two)}) == 3
    assert (await server.read(card)).status == 401
    assert {**two, "registration_access_token": ""} == {**card, "registration_access_token": ""}
    assert (await server.kinds()).count("rat_issued") == 2


@meets("M-44", "C-10")
async def test_with_never_the_first_token_is_the_only_one(tmp_path: Path) -> None:
    server = await world(tmp_path, rat_rotation="never")
    card = await server.register()

    new = await server.replaced(card, client_name="B")

    assert rat(new) == rat(card)
    assert (await server.read(card)).json["client_name"] == "B"


@meets("H-02", "M-33")
async def test_fifty_equal_replacements_at_once_get_fifty_equal_answers(either: World) -> None:
    card = await either.register()
    body = body_of(card, client_name="B")

    replies = await asyncio.gather(*(either.put(card, body) for _ in range(50)))

    assert {reply.status for reply in replies} == {200}
    assert {reply.body for reply in replies} == {replies[0].body}
    assert (await either.kinds()).count("client_replaced") == 1
    assert (await either.read(replies[0].json)).status == 200


@meets("H-02", "M-33", "M-17")
async def test_fifty_different_replacements_at_once_are_applied_in_turn_and_only_the_last_token_lives(either: World) -> None:
    card = await either.register()

    replies = await asyncio.gather(*(either.put(card, body_of(card, client_name=f"n{n}")) for n in range(50)))

    last = newest(replies)
    assert {reply.status for reply in replies} == {200}
    assert len({rat(reply.json) for reply in replies}) == 50
    assert (await either.kinds()).count("client_replaced") == 50
    assert (await either.read(last)).json == last
    others = [await either.read(card, rat(reply.json)) for reply in replies if rat(reply.json) != rat(last)]
    assert {reply.status for reply in [*others, await either.read(card)]} == {401}


@meets("H-02", "M-33")
async def test_replacements_in_two_processes_are_applied_in_turn_too(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)
    other = await beside(server, tmp_path)
    card = await server.register()

    equal = await asyncio.gather(*(side.put(card, body_of(card, client_name="B")) for side in (server, other)))
    both = await asyncio.gather(*(side.put(card, body_of(card, client_name=name)) for side, name in ((server, "C"), (other, "D"))))

    assert {reply.status for reply in (*equal, *both)} == {200}
    assert {reply.body for reply in equal} == {equal[0].body}
    assert (await other.read(newest(list(both)))).status == 200
    for side in (server, other):
        await side.ports.store.close()


@meets("M-46", "H-02")
async def test_a_repeated_replacement_gets_the_lost_answer_again_and_so_does_a_read(either: World) -> None:
    card = await either.register()
    body = body_of(card, client_name="B")
    lost = await either.put(card, body)
    either.clock.forward(60)

    again = await either.put(card, body)
    read = await either.read(card)

    assert again.body == lost.body == read.body
    assert (await either.kinds()).count("client_replaced") == 1


@meets("M-46", "H-02")
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_later_than_a_minute_a_repetition_gets_a_newer_token_and_the_one_between_is_dead(either: World, method: str) -> None:
    card = await either.register()
    body = body_of(card, client_name="B")
    lost = (await either.put(card, body)).json
    either.clock.forward(61)

    newer = await (either.put(card, body) if method == "PUT" else either.read(card))

    assert newer.status == 200
    assert {**newer.json, "registration_access_token": ""} == {**lost, "registration_access_token": ""}
    assert rat(newer.json) != rat(lost)
    assert (await either.kinds()).count("client_replaced") == 1
    assert (await either.kinds()).count("rat_issued") == 1
    assert (await either.read(lost)).status == 401
    assert (await either.read(newer.json)).status == 200


@meets("H-02", "M-46")
async def test_another_replacement_with_the_old_token_is_applied_and_gets_a_newer_token(either: World) -> None:
    card = await either.register()
    lost = await either.put(card, body_of(card, client_name="B"))

    newer = await either.put(card, body_of(card, client_name="C"))

    assert (newer.status, newer.json["client_name"]) == (200, "C")
    assert (await either.read(lost.json)).status == 401
    assert (await either.read(newer.json)).json["client_name"] == "C"


@meets("H-02", "M-17", "S1-40")
async def test_the_old_token_dies_a_day_after_it_was_replaced(either: World) -> None:
    card = await either.register()
    new = await either.replaced(card, client_name="B")
    either.clock.forward(DAY)
    assert (await either.read(card)).status == 200
    newest_one = (await either.read(card)).json
    either.clock.forward(1)

    late = await either.read(card)

    assert late.no == (401, "invalid_token")
    assert "rat_expired_previous" in await either.kinds()
    assert (await either.read(newest_one)).status == 200
    assert (await either.read(new)).status == 401


@meets("H-02")
async def test_a_token_used_long_after_it_was_replaced_is_told_apart_from_two_holders(server: World) -> None:
    first = await server.register()
    second = await server.replaced(first)
    await server.read(second)
    server.clock.forward(31 * DAY)

    reply = await server.read(first)

    assert reply.no == (401, "invalid_token")
    assert "rat_spent" in await server.kinds()
    assert "rat_two_holders" not in await server.kinds()


@meets("H-02")
async def test_a_generation_that_was_never_issued_is_an_alarm(server: World) -> None:
    card = await server.register()
    client = await server.row(card)
    future = write(server.ports.keyring, ISSUER, Handle(REGISTRATION_ACCESS_TOKEN, 1, client.key + client.incarnation, 2))

    reply = await server.read(card, future)

    assert reply.no == (401, "invalid_token")
    assert "credential_from_future" in await server.kinds()


@meets("H-02")
async def test_two_holders_are_reported_or_by_setting_the_client_is_frozen(tmp_path: Path) -> None:
    server = await world(tmp_path, rat_two_holders="freeze")
    card = await server.machine()
    access = (await server.token(card)).json["access_token"]
    thief = (await server.put(card, body_of(card, client_name="B"))).json
    await server.read(thief)

    honest = await server.read(card)

    assert honest.no == (401, "invalid_token")
    assert (await server.row(card)).state is State.SUSPENDED
    assert (await server.told("client_suspended"))[0]["body"] == {"by": "server", "reason": "rat_two_holders"}
    assert (await server.put(thief, body_of(thief))).no == (403, "access_denied")
    assert (await server.token(card)).no == (401, "invalid_client")
    caller = (await server.resource()).information
    assert (await server.introspect(caller, access)).json == {"active": False}
    assert (await server.read(card)).status == 401
    assert len(await server.told("client_suspended")) == 1


@meets("M-32")
async def test_a_bad_body_with_the_newest_token_confirms_it_and_issues_none(either: World) -> None:
    first = await either.register()
    second = await either.replaced(first)

    bad = await either.put(second, {"client_id": second["client_id"]})

    assert bad.no == (400, "invalid_redirect_uri")
    assert (await either.read(first)).status == 401
    assert rat((await either.read(second)).json) == rat(second)
    assert "rat_confirmed" in await either.kinds()


async def test_a_bad_body_with_the_old_token_confirms_nothing(server: World) -> None:
    first = await server.register()
    second = await server.replaced(first)

    bad = await server.put(first, {"client_id": first["client_id"]})

    assert bad.no == (400, "invalid_redirect_uri")
    assert (await server.read(first)).status == 200
    assert rat((await server.read(second)).json) == rat(second)


async def test_new_tokens_are_made_with_the_new_key_and_old_ones_go_on(server: World) -> None:
    card = await server.register()
    server.ports.keyring.rotate(server.ports.entropy, server.clock())

    read = await server.read(card)
    new = await server.replaced(card)
    await server.read(new)

    client = await server.row(card)
    forged = write(server.ports.keyring, ISSUER, Handle(REGISTRATION_ACCESS_TOKEN, 1, client.key + client.incarnation, 2))
    assert read.status == 200
    assert (client.rat.issued, client.rat.issued_key) == (2, 2)
    assert (await server.read(card, forged)).no == (401, "invalid_token")


@meets("M-33")
async def test_a_hundred_different_replacements_at_once_are_never_mixed(either: World) -> None:
    card = await either.register()

    replies = await asyncio.gather(
        *(either.put(card, body_of(card, client_name=f"n{n}", software_id=f"n{n}", contacts=[f"n{n}@a.example"])) for n in range(100))
    )

    last = (await either.read(newest(replies))).json
    assert {reply.status for reply in replies} == {200}
    assert last["client_name"] == last["software_id"] == last["contacts"][0].partition("@")[0]


def newest(replies: list[Reply]) -> dict[str, Any]:
    """The answer with the token of the highest generation."""
    return max((reply.json for reply in replies), key=lambda card: generation(rat(card)))


def generation(token: str) -> int:
    """The number that a registration access token carries."""
    return int.from_bytes(base64.urlsafe_b64decode(token.removeprefix("cc_rat_") + "==")[28:32])
