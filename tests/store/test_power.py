"""The power fails: writes that were not synced are lost sector by sector, and nothing that was acknowledged goes with them."""

import asyncio
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from random import Random  # noqa: TID251 - repeatable: the seed is in the test
from typing import Literal, TypeAlias

import apsw
import pytest
from msgspec import structs

from calling_card.ports import Registration, StoreUnavailable
from calling_card.protocol.clients import Client
from calling_card.protocol.persons.grants import Stage
from calling_card.store.sqlite import SqliteStore
from tests.ledger import meets
from tests.store.disk import Disk, cuts, laid_out, on_a_disk
from tests.store.examples import (
    CHAIN_KEY,
    NOW,
    Clock,
    a_client,
    a_consent,
    a_grant,
    a_person,
    a_session,
    an_event,
    an_invitation,
    kinds,
    the_events,
)

ANN = a_person("ann")
Known: TypeAlias = tuple[tuple[Client, ...], int, int, tuple[object, ...]]
"""What a store knows: its clients, the uses left of the invitation, the number of events, and what it knows of one person."""


async def known(store: SqliteStore) -> Known:
    invitation = await store.invitation(b"t" * 16)
    clients = tuple(await store.clients("", 10_000))
    left = invitation.uses_left if invitation else 0
    return clients, left, len(await the_events(store)), await known_of_ann(store, clients)


async def known_of_ann(store: SqliteStore, clients: tuple[Client, ...]) -> tuple[object, ...]:
    """The person, what she allowed, her yeses and her sessions."""
    yeses = [yes for client in clients for yes in await store.consents(ANN.id, client)]
    return await store.person(ANN.id), await store.allowed(ANN.id), yeses, await store.sessions(ANN.id)


async def lived(store: SqliteStore, disk: Disk, rounds: int) -> list[tuple[int, Known]]:
    """A busy life; after each acknowledged round, how many disk steps there were and what is known."""
    ann = ANN
    await store.invite(an_invitation(10_000), an_event("initial_access_token_created"))
    await store.add_person(ann, an_event("person_added"))
    history = [(len(disk.steps), await known(store))]
    for number in range(rounds):
        clients = [a_client(f"{number}-{letter}", secret=True) for letter in "abc"]
        await asyncio.gather(*(store.register(client, an_event(client=client), b"t" * 16) for client in clients))
        history.append((len(disk.steps), await known(store)))
        a, b, c = clients
        await asyncio.gather(
            store.replace(a, structs.replace(a, metadata=b"{}", rat=structs.replace(a.rat, issued=2)), an_event("client_replaced", a)),
            store.revoke(b, b"m" * 16, NOW + 60, an_event("token_revoked", b)),
            store.remove(c, an_event("client_deleted", c), NOW + 60),
            store.give(b, grant := a_grant(b, ann), a_consent(b, ann), an_event("grant_given", b)),
        )
        history.append((len(disk.steps), await known(store)))
        later = structs.replace(ann, epoch=ann.epoch + 1) if number % 8 == 7 else structs.replace(ann, claims={"name": str(number)})
        await asyncio.gather(
            store.change_grant(grant, structs.replace(grant, stage=Stage.LIVE), an_event("grant_redeemed", b)),
            store.begin_session(a_session(ann, str(number).encode()), str(number - 2).encode(), an_event("signed_in")),
            store.change_person(ann, later, an_event("person_changed")),
        )
        ann = later
        history.append((len(disk.steps), await known(store)))
    return history


async def after_cuts(tmp_path: Path, synchronous: str, count: int) -> Sequence[str]:
    """Cut the power ``count`` times during one life; say of each cut what was found."""
    path = tmp_path / "store.db"
    with on_a_disk(path, synchronous) as (db, disk):
        store = SqliteStore.on(db, lambda: db, chain_key=CHAIN_KEY, writer=b"writer-1", now=Clock())
        history = await lived(store, disk, 25)
        await store.close()
    dice = Random(20_261_121)
    moments = [dice.randint(history[0][0], history[-1][0]) for _ in range(count)]
    found: list[str] = []
    for number, (moment, image) in enumerate(cuts(disk, moments, dice)):
        found.append(await judged(laid_out(tmp_path / str(number), image), history, moment))
    return found


async def judged(path: Path, history: list[tuple[int, Known]], moment: int) -> str:
    """``whole``: the last acknowledged state or the one under way; otherwise what is wrong."""
    last = max(number for number, (steps, _) in enumerate(history) if steps <= moment)
    allowed = [state for _, state in history[last : last + 2]]
    try:
        store = SqliteStore.open(path, chain_key=CHAIN_KEY, writer=b"writer-2", now=Clock())
        state, sound = await known(store), store._db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        await store.close()
    except (apsw.Error, StoreUnavailable):
        return "corrupt"
    if not sound:
        return "corrupt"
    return "whole" if state in allowed else "lost"


@meets("R-94")
async def test_a_power_cut_loses_nothing_acknowledged_and_mixes_nothing(tmp_path: Path) -> None:
    found = await after_cuts(tmp_path, "FULL", 1000)

    assert set(found) == {"whole"}


async def test_the_cut_is_sharp_enough_to_see_what_less_syncing_loses(tmp_path: Path) -> None:
    found = await after_cuts(tmp_path, "NORMAL", 60)

    assert found.count("lost") > 10


@pytest.mark.parametrize("refuses", ["write", "sync"])
@pytest.mark.parametrize("moment", ["before anything was written", "in the middle of a life"])
async def test_a_disk_that_refuses_is_survived_without_restart(tmp_path: Path, moment: str, refuses: Literal["write", "sync"]) -> None:
    with on_a_disk(tmp_path / "store.db", "FULL") as (db, disk):
        store = SqliteStore.on(db, lambda: db, chain_key=CHAIN_KEY, writer=b"writer-1", now=Clock())
        if moment == "in the middle of a life":
            await lived(store, disk, 5)
        before = await known(store)

        disk.refuses = refuses
        ends = await asyncio.gather(
            *(store.register(a_client(name), an_event(), None) for name in ("x", "y")),
            store.record(an_event("key_rotated")),
            return_exceptions=True,
        )
        assert [type(end) for end in ends] == [StoreUnavailable] * 3
        assert not await store.ready()
        assert await known(store) == before

        disk.refuses = ""
        await store.register(a_client("x"), an_event(), None)
        assert await store.client(a_client("x").key) == a_client("x")
        assert (await kinds(store))[-1] == "client_registered"
        assert len(await the_events(store)) == before[2] + 1
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        await store.close()


@meets("R-94")
async def test_wherever_the_disk_fills_up_what_was_taken_is_there_and_the_rest_is_refused_as_a_whole(tmp_path: Path) -> None:
    """At the 1st, 2nd ... 500th write of a life that goes on: reads go on too, and room is enough to heal (RELIABILITY F5)."""
    with on_a_disk(tmp_path / "store.db", "FULL") as (db, disk):
        store = SqliteStore.on(db, lambda: db, chain_key=CHAIN_KEY, writer=b"writer-1", now=Clock())
        taken: list[str] = []
        for number in range(1, 501):
            disk.refuses, disk.where, disk.first = "write", "-wal", number
            refused: list[str] = []
            for part in count():
                names = [f"{number}/{part}/{place}" for place in range(8)]
                ends = await asyncio.gather(*(store.register(a_client(name), an_event(), None) for name in names), return_exceptions=True)
                assert {type(end) for end in ends} <= {StoreUnavailable, Registration}
                taken += [name for name, end in zip(names, ends, strict=True) if end is Registration.DONE]
                if refused := [name for name, end in zip(names, ends, strict=True) if end is not Registration.DONE]:
                    break
            assert [await store.client(a_client(name).key) for name in refused] == [None] * len(refused)
            if taken:
                assert await store.client(a_client(taken[-1]).key) == a_client(taken[-1])

            disk.refuses = ""
            taken.append(f"{number}/x")
            assert await store.register(a_client(taken[-1]), an_event(), None) is Registration.DONE

        assert sorted(client.client_id for client in await store.clients("", 100_000)) == sorted(taken)
        [(events, _)] = (await store.heads()).values()
        assert events == len(taken)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        await store.close()
