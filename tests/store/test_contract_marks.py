"""What every store promises of once-only facts, in the words of `Store.once` (CREDENTIALS §3, X-44)."""

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from calling_card.ports import Rows, Store, StoreUnavailable
from calling_card.protocol.clients import Client
from calling_card.store import files
from calling_card.store.rules import ONCE_LIVING
from calling_card.store.sqlite import SqliteStore
from tests.ledger import meets
from tests.store.conftest import Pair
from tests.store.examples import NOW, Clock, a_client, a_version, an_event, kinds


def fact(number: int) -> bytes:
    return number.to_bytes(16, "big")


async def registered(store: Store, name: str = "c1") -> Client:
    client = a_client(name)
    await store.register(client, an_event(client=client), None)
    return client


@meets("X-44", "X-89")
async def test_a_fact_is_kept_once_and_known_everywhere_at_once(pair: Pair) -> None:
    client = await registered(pair.here)

    assert await pair.here.once(client, fact(1), NOW + 60)

    assert [await store.once(client, fact(1), NOW + 60) for store in (pair.here, pair.there)] == [False, False]
    assert await pair.there.once(client, fact(2), NOW + 60)


@meets("X-44")
async def test_of_many_at_the_same_moment_on_two_nodes_one_is_first(pair: Pair) -> None:
    client = await registered(pair.here)

    answers = await asyncio.gather(*(store.once(client, fact(1), NOW + 60) for _ in range(50) for store in (pair.here, pair.there)))

    assert answers.count(True) == 1


async def test_a_fact_of_one_client_says_nothing_about_another(store: Store) -> None:
    one, other = await registered(store, "c1"), await registered(store, "c2")

    assert await store.once(one, fact(1), NOW + 60)
    assert await store.once(other, fact(1), NOW + 60)


async def test_a_fact_is_forgotten_when_it_has_expired_and_not_before(store: Store, clock: Clock) -> None:
    client = await registered(store)
    await store.once(client, fact(1), NOW + 60)

    clock.at = NOW + 59
    before = await store.once(client, fact(1), NOW + 120)
    clock.at = NOW + 60
    after = await store.once(client, fact(1), NOW + 120)

    assert (before, after) == (False, True)


@meets("X-44")
async def test_no_more_are_remembered_than_that_many_and_room_comes_when_some_expire(store: Store, clock: Clock) -> None:
    client = await registered(store)
    for number in range(ONCE_LIVING):
        assert await store.once(client, fact(number), NOW + (30 if number < 3 else 60))

    full = [await store.once(client, fact(ONCE_LIVING), NOW + 90), await store.once(client, fact(0), NOW + 90)]
    clock.at = NOW + 30
    room = [await store.once(client, fact(ONCE_LIVING + number), NOW + 90) for number in range(4)]

    assert full == [False, False]
    assert room == [True, True, True, False]
    assert not await store.once(client, fact(3), NOW + 90)


async def test_a_full_client_stands_in_nobodys_way(store: Store) -> None:
    client, other = await registered(store, "c1"), await registered(store, "c2")
    for number in range(ONCE_LIVING + 1):
        await store.once(client, fact(number), NOW + 60)

    assert await store.once(other, fact(1), NOW + 60)


async def test_of_a_client_that_is_gone_or_of_an_earlier_life_nothing_is_kept(store: Store) -> None:
    client = await registered(store)
    assert not await store.once(a_client("nobody"), fact(1), NOW + 60)
    assert not await store.once(structs.replace(client, incarnation=b"j" * 8), fact(1), NOW + 60)

    await store.once(client, fact(9), NOW + 60)
    await store.remove(client, an_event("client_deleted", client), NOW + 60)
    gone = await store.once(client, fact(2), NOW + 60)
    again = structs.replace(client, incarnation=b"k" * 8)
    await store.meet(again, a_version(again), an_event(client=again))

    assert not gone
    assert [await store.once(one, fact(3), NOW + 60) for one in (client, again)] == [False, True]
    assert await store.once(again, fact(1), NOW + 60)
    assert not await store.once(again, fact(9), NOW + 60)  # a client that is an address may come again: what was said once stays said


async def test_facts_are_apart_from_marked_tokens(store: Store) -> None:
    client = await registered(store)
    for number in range(100):
        await store.once(client, fact(number), NOW + 60)
    await store.revoke(client, b"t" * 16, NOW + 60, an_event("token_revoked", client))
    for number in range(40):
        await store.revoke(client, bytes([number]) * 16, NOW + 60, an_event("token_revoked", client))

    assert await store.living(client.key, b"t" * 16) == Rows(structs.replace(client, epoch=client.epoch + 1), False)
    assert not await store.once(client, fact(1), NOW + 60)


async def test_a_fact_is_no_event(store: Store) -> None:
    client = await registered(store)

    await store.once(client, fact(1), NOW + 60)
    await store.once(client, fact(1), NOW + 60)

    assert await kinds(store) == ["client_registered"]


async def test_after_the_end_nothing_is_kept(store: Store) -> None:
    client = await registered(store)
    await store.close()

    with pytest.raises(StoreUnavailable):
        await store.once(client, fact(1), NOW + 60)


async def test_what_has_expired_leaves_the_file(sqlite: SqliteStore, clock: Clock, tmp_path: Path) -> None:
    client = await registered(sqlite)
    for number in range(100):
        await sqlite.once(client, fact(number), NOW + 60)

    clock.at = NOW + 60
    await sqlite.once(client, fact(100), NOW + 120)

    file = files.reading(tmp_path / "store.db")
    assert file.execute("SELECT mark FROM marks WHERE kind = 'assertion'").fetchall() == [(fact(100),)]
    file.close()


@meets("R-66", "X-44")
async def test_a_fact_without_a_client_is_kept_once_on_every_node(pair: Pair) -> None:
    here, there = b"issuer".ljust(16), b"another".ljust(16)

    answers = await asyncio.gather(*(store.once_at(here, fact(1), NOW + 60) for _ in range(20) for store in (pair.here, pair.there)))

    assert answers.count(True) == 1
    assert await pair.there.once_at(there, fact(1), NOW + 60)
    assert await pair.here.once_at(here, fact(2), NOW + 60)


async def test_a_fact_without_a_client_is_forgotten_when_it_has_expired(store: Store, clock: Clock) -> None:
    place = b"issuer".ljust(16)
    await store.once_at(place, fact(1), NOW + 60)

    clock.at = NOW + 59
    before = await store.once_at(place, fact(1), NOW + 120)
    clock.at = NOW + 60

    assert not before
    assert await store.once_at(place, fact(1), NOW + 120)
