"""Room for strangers: so many that nobody ever approved, and never one that lives in the place of one that comes (C-05, X-33)."""

import asyncio

import apsw
import pytest
from msgspec import structs

from calling_card.ports import Registration, Store, StoreUnavailable
from calling_card.protocol.clients import Client, Tier
from calling_card.protocol.life.pruning import DAY, horizon
from calling_card.protocol.persons.grants import Stage
from calling_card.store.room import PAUSE, Room
from calling_card.store.sqlite import SqliteStore
from tests.ledger import meets
from tests.store.conftest import Pair
from tests.store.examples import NOW, Clock, a_client, a_grant, a_person, an_event

ANN = a_person("ann")
DONE, FULL = Registration.DONE, Registration.FULL


async def come(store: Store, client: Client, room: int = 3) -> Registration:
    """One stranger registers where there is room for so many."""
    return await store.register(client, an_event(client=client), None, room=room)


async def crowd(store: Store, count: int, room: int = 3, name: str = "c") -> list[Registration]:
    """So many one after the other."""
    return [await come(store, a_client(f"{name}{number}"), room) for number in range(count)]


async def approved(store: Store, client: Client, stage: Stage = Stage.LIVE) -> None:
    """Somebody allowed it something, and it came for it."""
    grant = a_grant(client, ANN)
    assert await store.give(client, grant, None, an_event("grant_given"))
    if stage is not Stage.PENDING:
        assert await store.change_grant(grant, structs.replace(grant, stage=stage), an_event("grant_redeemed"))


async def living(store: Store) -> list[str]:
    return [client.client_id for client in await store.clients("", 10_000)]


# The contract ---------------------------------------------------------------------------------------------------------------------


@meets("C-05", "X-33", "X-102")
async def test_so_many_strangers_come_in_and_none_in_the_place_of_another(store: Store) -> None:
    outcomes = await crowd(store, 6)

    assert outcomes == [DONE] * 3 + [FULL] * 3
    assert await living(store) == ["c0", "c1", "c2"]


async def test_nothing_is_written_about_one_who_finds_no_room(store: Store) -> None:
    await crowd(store, 4)

    heads = await store.heads()
    events = [event for writer in heads for event in await store.events(writer, 0, 100)]
    assert len(events) == 3


async def test_0_is_any_number(store: Store) -> None:
    assert await crowd(store, 10, 0) == [DONE] * 10


@meets("X-33")
async def test_whoever_was_approved_or_came_with_a_credential_takes_no_room(store: Store) -> None:
    await store.add_person(ANN, an_event("person_added"))
    for tier in (Tier.URL, Tier.TOKEN, Tier.VOUCHED, Tier.ADMIN):
        other = structs.replace(a_client(f"tier {tier}"), tier=tier)
        assert await come(store, other, 0) is DONE
    for number, stage in enumerate((Stage.LIVE, Stage.REVOKED)):
        client = a_client(f"approved {number}")
        await come(store, client, 0)
        await approved(store, client, stage)

    assert await crowd(store, 5) == [DONE] * 3 + [FULL] * 2


async def test_a_code_that_nobody_came_for_is_no_approval(store: Store) -> None:
    await store.add_person(ANN, an_event("person_added"))
    client = a_client("pending")
    await come(store, client)
    await approved(store, client, Stage.PENDING)

    assert await crowd(store, 3) == [DONE, DONE, FULL]


@meets("X-33", "X-34")
async def test_pruning_makes_room_and_it_is_seen_within_seconds(store: Store, clock: Clock) -> None:
    await crowd(store, 4)
    seen = horizon(NOW + 9 * DAY, refresh_lifetime=0, refresh_idle=0, token_lifetime=0)
    page = await store.suspects(b"", 1, seen)

    assert await store.prune(page.suspects[0], "never_approved", seen, an_event("client_pruned"), NOW + 99 * DAY, NOW + 10 * DAY)
    at_once = await come(store, a_client("at once"))
    clock.at += PAUSE
    later = [await come(store, a_client(f"later {number}")) for number in range(2)]

    assert (at_once, later) == (FULL, [DONE, FULL])


async def test_an_approval_makes_room(store: Store, clock: Clock) -> None:
    await store.add_person(ANN, an_event("person_added"))
    await crowd(store, 4)

    await approved(store, a_client("c0"))
    clock.at += PAUSE

    assert [await come(store, a_client(f"later {number}")) for number in range(2)] == [DONE, FULL]


async def test_one_whose_place_was_taken_leaves_room_behind(store: Store, clock: Clock) -> None:
    await come(store, a_client("c0"))
    with pytest.raises(Exception, match="registered already"):
        await come(store, a_client("c0"))
    clock.at += PAUSE

    assert await crowd(store, 3, name="d") == [DONE, DONE, FULL]


@meets("X-33")
async def test_many_at_once_are_not_one_more_than_there_is_room_for(store: Store) -> None:
    outcomes = await asyncio.gather(*(come(store, a_client(f"c{number}"), 50) for number in range(200)))

    assert outcomes.count(DONE) == len(await living(store)) == 50


@meets("X-33")
async def test_a_second_process_adds_no_more_than_its_share(pair: Pair) -> None:
    shared = pair.here is pair.there
    processes = (pair.here, pair.there)
    outcomes = [await come(processes[number % 2], a_client(f"c{number}"), 100) for number in range(300)]

    assert 100 <= outcomes.count(DONE) <= (100 if shared else 110)


async def test_a_count_that_fails_lets_nobody_in_and_is_tried_again(sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("calling_card.store.files.reading", _fails)
        with pytest.raises(StoreUnavailable):
            await come(sqlite, a_client())

    assert await come(sqlite, a_client()) is DONE


def _fails(path: object) -> None:
    raise apsw.CantOpenError(f"unable to open {path}")


# The counting ---------------------------------------------------------------------------------------------------------------------


@meets("X-33")
async def test_a_count_is_rare(clock: Clock) -> None:
    counts: list[int] = []
    there = 0

    async def count(most: int) -> int:
        counts.append(most)
        return there

    room = Room(count, clock)
    for _ in range(1000):
        assert await room.take(1000)
        room.leave()
        there += 1
    refused = [await room.take(1000) for _ in range(500)]

    assert refused == [False] * 500
    assert len(counts) == 11


async def test_a_clock_that_was_set_back_counts_again(clock: Clock) -> None:
    there = 1

    async def count(most: int) -> int:
        return min(there, most)

    room = Room(count, clock)
    full = await room.take(1)
    there, clock.at = 0, clock.at - 86400

    assert (full, await room.take(1)) == (False, True)


async def test_whoever_waits_to_be_written_is_counted(clock: Clock) -> None:
    async def count(most: int) -> int:
        return 0

    room = Room(count, clock)

    assert [await room.take(2) for _ in range(3)] == [True, True, False]


async def test_all_who_waited_for_a_count_come_in_at_once(clock: Clock) -> None:
    counted, counts = asyncio.Event(), list[int]()

    async def count(most: int) -> int:
        counts.append(most)
        await counted.wait()
        return 0

    room = Room(count, clock)
    coming = [asyncio.create_task(room.take(10_000)) for _ in range(500)]
    await asyncio.sleep(0)
    counted.set()
    for _ in range(3):
        await asyncio.sleep(0)

    assert [task.done() and task.result() for task in coming] == [True] * 500
    assert len(counts) == 1


async def test_a_count_that_is_given_up_is_made_by_one_of_those_who_waited_for_it(clock: Clock) -> None:
    counted = asyncio.Event()

    async def count(most: int) -> int:
        await counted.wait()
        return 0

    room = Room(count, clock)
    first, *others = [asyncio.create_task(room.take(100)) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    counted.set()

    assert await asyncio.gather(*others) == [True, True]
