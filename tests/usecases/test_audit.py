"""The audit trail: what was altered, cut or taken out of it shows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import apsw
import pytest
from msgspec import structs

from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event, Recorded
from calling_card.store.memory import MemoryStore
from calling_card.usecases.audit import checkpoint, export, new_writer, read_checkpoint, verify
from calling_card.usecases.renew import signing_key
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
    ("altered", lambda all_: [*all_[:4], structs.replace(all_[4], content=b"{}"), *all_[5:]], "event 5 was altered"),
    ("dated back", lambda all_: [*all_[:4], structs.replace(all_[4], at=1), *all_[5:]], "event 5 was altered"),
    ("taken out", lambda all_: [*all_[:4], *all_[5:]], "event 5 is missing"),
    ("exchanged", lambda all_: [*all_[:4], all_[5], all_[4], *all_[6:]], "event 5 is missing"),
    (
        "renumbered",
        lambda all_: [*all_[:4], *(structs.replace(one, number=one.number - 1) for one in all_[5:])],
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


# ── Checkpoints ──────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-58")
@pytest.mark.parametrize("how, tamper, words", [row for row in TAMPERING if row[0] in ("cut", "emptied")], ids=["cut", "emptied"])
async def test_a_checkpoint_that_lay_elsewhere_shows_what_was_cut_here_with_the_heads(
    tmp_path: Path, how: str, tamper: Callable[[list[Recorded]], list[Recorded]], words: str
) -> None:
    server = await world(tmp_path)
    await trail(server)
    kept = await checkpoint(server.ports, {})
    store = server.ports.store
    assert isinstance(store, MemoryStore)
    events = [one async for one in export(server.ports)]
    store._events[:] = tamper(events)  # pyright: ignore[reportPrivateUsage] - whoever can write the database does this

    verdict = await verify(server.ports, await read_checkpoint(server.ports, kept))

    assert [problem.partition(": ")[2] for problem in verdict.broken] == [words], how


async def test_what_was_cut_is_not_signed_away(tmp_path: Path) -> None:
    server = await world(tmp_path)
    await trail(server)
    heads = await server.ports.store.heads()
    (writer, (number, mac)) = next(iter(heads.items()))

    further = await read_checkpoint(server.ports, await checkpoint(server.ports, {writer: (number + 5, b"m" * 32)}))
    nearer = await read_checkpoint(server.ports, await checkpoint(server.ports, {writer: (number - 5, b"m" * 32)}))

    assert further == {writer: (number + 5, b"m" * 32)}
    assert nearer == heads == {writer: (number, mac)}


async def test_a_checkpoint_is_read_after_its_key_was_renewed_and_its_keyring_key_is_gone(tmp_path: Path) -> None:
    server = await world(tmp_path)
    kept = await checkpoint(server.ports, {})
    before = await read_checkpoint(server.ports, kept)
    await signing_key(server.ports, "operator")
    server.clock.forward(86_400)
    await signing_key(server.ports, "operator")
    sealed_by_another = structs.replace((await server.ports.store.signing_keys())[0], kid="0", sealed=bytes(40))
    await server.ports.store.put_signing_keys([sealed_by_another], Event("key_rotated", server.ports.now(), b"", "operator"))

    assert await read_checkpoint(server.ports, kept + "\n") == before


SPOILED: list[Callable[[str], str]] = [
    lambda text: text[:-2],
    lambda _: "",
    lambda text: "\ufffd" + text,
    lambda text: text.split(".")[1],
]


@pytest.mark.parametrize("spoil", SPOILED, ids=["shorter", "empty", "other characters", "claims alone"])
async def test_what_this_server_did_not_sign_is_no_checkpoint(tmp_path: Path, spoil: Callable[[str], str]) -> None:
    server = await world(tmp_path)
    kept = await checkpoint(server.ports, {})

    with pytest.raises(Refusal) as refused:
        await read_checkpoint(server.ports, spoil(kept))

    assert (refused.value.no, refused.value.description) == (
        No.INVALID_REQUEST,
        "checkpoint: was not signed by this server, or altered",
    )


async def test_a_checkpoint_names_its_server(tmp_path: Path) -> None:
    server = await world(tmp_path)
    other = replace(server.ports, settings=replace(server.ports.settings, issuer="https://other.example"))
    kept = await checkpoint(other, {})

    with pytest.raises(Refusal) as refused:
        await read_checkpoint(server.ports, kept)

    assert refused.value.description == "checkpoint: is of another server"
