"""One pass of the loop: how long a look serves, and that it never serves whoever came after it."""

import asyncio
import secrets
from pathlib import Path

import pytest

from calling_card.keys.keyring import FileKeyring, KeyringError
from calling_card.passes import Pass
from calling_card.store.sqlite import SqliteStore
from tests.ledger import meets
from tests.store.examples import a_signing_key, an_event

NOW = 1_800_000_000


def test_without_a_loop_everything_is_looked_up_again() -> None:
    found = Pass()

    found.begin()

    assert not found.goes_on


async def test_a_look_serves_until_the_pass_is_over() -> None:
    found = Pass()

    found.begin()
    during = found.goes_on
    await asyncio.sleep(0)

    assert (during, found.goes_on) == (True, False)


async def test_whoever_runs_after_the_pass_looks_again_even_if_its_turn_was_asked_for_in_it() -> None:
    found = Pass()
    seen: list[bool] = []

    found.begin()
    asyncio.get_running_loop().call_soon(lambda: seen.append(found.goes_on))
    await asyncio.sleep(0)

    assert seen == [False]


def test_a_look_in_a_loop_that_ended_serves_nobody() -> None:
    found = Pass()

    async def look() -> None:
        found.begin()

    with asyncio.Runner() as runner:
        runner.run(look())

    assert not found.goes_on


async def test_a_look_can_be_ended_at_once() -> None:
    found = Pass()

    found.begin()
    found.end()

    assert not found.goes_on


# ── The keyring ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def keyring(tmp_path: Path) -> FileKeyring:
    return FileKeyring.create(tmp_path / "keyring.json", "https://as.example", secrets.token_bytes, NOW)


async def test_a_key_that_another_process_made_is_used_from_the_next_pass_on(tmp_path: Path, keyring: FileKeyring) -> None:
    before = keyring.minting

    FileKeyring(tmp_path / "keyring.json").rotate(secrets.token_bytes, NOW)
    await asyncio.sleep(0)

    assert (before, keyring.minting) == (1, 2)


async def test_who_rotates_looks_at_the_file_in_any_case_and_uses_the_new_key_at_once(tmp_path: Path, keyring: FileKeyring) -> None:
    assert keyring.minting == 1

    FileKeyring(tmp_path / "keyring.json").rotate(secrets.token_bytes, NOW)
    number = keyring.rotate(secrets.token_bytes, NOW)

    assert (number, keyring.minting, [key.number for key in keyring.keys]) == (3, 3, [1, 2, 3])


async def test_a_keyring_that_is_gone_is_missed_at_every_use(tmp_path: Path, keyring: FileKeyring) -> None:
    (tmp_path / "keyring.json").unlink()
    await asyncio.sleep(0)

    for _ in range(2):
        with pytest.raises(KeyringError):
            _ = keyring.minting


# ── The store ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-59")
async def test_what_another_process_wrote_into_a_small_table_is_seen_by_the_next_request(tmp_path: Path) -> None:
    here, there = (
        SqliteStore.open(tmp_path / "data" / "cc.sqlite3", chain_key=b"k" * 32, writer=writer, now=lambda: NOW)
        for writer in (b"writer-1", b"writer-2")
    )
    assert list(await here.signing_keys()) == []

    await there.put_signing_keys([a_signing_key("k1")], an_event("key_rotated"))
    first = await here.signing_keys()
    await asyncio.sleep(0)

    assert [key.kid for key in first] == ["k1"]
    assert await here.signing_keys() is first
    await asyncio.gather(here.close(), there.close())
