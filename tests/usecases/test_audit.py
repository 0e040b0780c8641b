"""The audit trail: what was altered, cut or taken out of it shows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from calling_card.protocol.events import Recorded
from calling_card.store.memory import MemoryStore
from calling_card.usecases.audit import export, new_writer, verify
from tests.ledger import meets
from tests.world import World, beside, world


async def trail(server: World, events: int = 10) -> None:
    """Some events: two for the signing key and a client, the others for its replacements."""
    card = await server.register()
    for number in range(events - 2):
        card = (await server.replace(card, client_name=f"n{number}")).json


@meets("M-49", "X-58")
async def test_a_trail_that_nobody_touched_holds(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)
    other = await beside(server, tmp_path)
    await trail(server)
    await trail(other)

    verdict = await verify(server.ports, await server.ports.store.heads())

    assert (verdict.events, verdict.writers, verdict.broken) == (19, 2, ())
    for side in (server, other):
        await side.ports.store.close()


TAMPERING: list[tuple[str, Callable[[list[Recorded]], list[Recorded]], str]] = [
    ("altered", lambda all_: [*all_[:4], replace(all_[4], content=b"{}"), *all_[5:]], "event 5 was altered"),
    ("dated back", lambda all_: [*all_[:4], replace(all_[4], at=1), *all_[5:]], "event 5 was altered"),
    ("taken out", lambda all_: [*all_[:4], *all_[5:]], "event 5 is missing"),
    ("exchanged", lambda all_: [*all_[:4], all_[5], all_[4], *all_[6:]], "event 5 is missing"),
    (
        "renumbered",
        lambda all_: [*all_[:4], *(replace(one, number=one.number - 1) for one in all_[5:])],
        "event 5 was altered",
    ),
    ("cut", lambda all_: all_[:-3], "the events behind 7 are missing, 10 had been written"),
    ("emptied", lambda _: [], "the events behind 0 are missing, 10 had been written"),
]


@meets("M-49", "X-58")
@pytest.mark.parametrize("how, tamper, words", TAMPERING, ids=[row[0] for row in TAMPERING])
async def test_the_first_event_that_does_not_hold_is_named(
    tmp_path: Path, how: str, tamper: Callable[[list[Recorded]], list[Recorded]], words: str
) -> None:
    server = await world(tmp_path)
    await trail(server)
    heads = dict(await server.ports.store.heads())
    store = server.ports.store
    assert isinstance(store, MemoryStore)
    store._events = tamper(store._events)  # pyright: ignore[reportPrivateUsage] # an intruder does not ask

    verdict = await verify(server.ports, heads)

    [broken] = verdict.broken
    assert broken.endswith(words)
    assert next(iter(heads)).hex() in broken


@meets("X-58")
async def test_a_chain_that_was_made_again_under_the_right_key_is_not_the_one_written_down(tmp_path: Path) -> None:
    server = await world(tmp_path)
    await trail(server)
    [(writer, (number, mac))] = (await server.ports.store.heads()).items()

    verdict = await verify(server.ports, {writer: (number - 1, mac)})

    assert verdict.broken == (f"writer {writer.hex()}: event {number - 1} is not the one that was written down",)


async def test_a_head_that_was_written_down_earlier_still_holds(tmp_path: Path) -> None:
    server = await world(tmp_path)
    await trail(server, 5)
    early = dict(await server.ports.store.heads())
    await trail(server, 5)

    verdict = await verify(server.ports, early)

    assert verdict.broken == ()


async def test_a_writer_whose_key_is_gone_is_named(tmp_path: Path) -> None:
    server = await world(tmp_path)
    writer = new_writer(9, b"nobody")

    verdict = await verify(server.ports, {writer: (1, b"x" * 16)})

    assert verdict.broken == (f"writer {writer.hex()}: its key is not in the keyring",)


@meets("M-49", "X-58")
async def test_a_field_changed_in_the_database_is_found_among_a_hundred(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)
    await trail(server, 100)
    await server.ports.store.close()
    intruder = apsw.Connection(str(tmp_path / "store.db"))
    for trigger in list(intruder.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")):
        intruder.execute(f'DROP TRIGGER "{trigger[0]}"')
    intruder.execute("UPDATE events SET content = CAST(replace(CAST(content AS TEXT), 'n', 'm') AS BLOB) WHERE number = 50")
    intruder.close()
    again = await beside(server, tmp_path)

    verdict = await verify(again.ports, {})

    assert len(verdict.broken) == 1
    assert "event 50 was altered" in verdict.broken[0]
    await again.ports.store.close()


async def test_every_event_is_exported_chain_by_chain(tmp_path: Path) -> None:
    server = await world(tmp_path)
    await trail(server)

    exported = [event async for event in export(server.ports)]

    assert exported == await server.recorded()
    assert [event.number for event in exported] == list(range(1, 11))


async def test_a_long_trail_is_read_in_pieces(tmp_path: Path) -> None:
    server = await world(tmp_path, rat_rotation="never", change_rate=0)
    await trail(server, 1500)

    exported = [event async for event in export(server.ports)]

    assert len(exported) == 1500
    assert (await verify(server.ports, await server.ports.store.heads())).events == 1500
