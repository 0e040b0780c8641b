"""A backup while clients register: one moment of the store, and a server on it says what that moment's audit says (F12)."""

import asyncio
from pathlib import Path

import pytest

from calling_card import archive
from calling_card.protocol.clients import Route, client_key
from calling_card.settings import Settings, complete
from calling_card.usecases.audit import export, verify
from calling_card.wiring import opened
from tests.world import Clock, World


def settings_of(folder: Path) -> Settings:
    return complete(Settings(data=str(folder), dev=True, log_level="error"))


@pytest.mark.serial
async def test_a_backup_under_load_is_one_moment_of_the_store(tmp_path: Path) -> None:
    settings, file = settings_of(tmp_path / "data"), tmp_path / "backup.sqlite3"
    answered: list[str] = []
    async with opened(settings) as ports:
        server = World(ports, Clock(ports.now()))
        saving = asyncio.create_task(asyncio.to_thread(asyncio.run, archive.back_up(settings, file, "")))
        while not saving.done() or len(answered) < 20:
            answered += [(await server.register())["client_id"] for _ in range(4)]
            await asyncio.sleep(0)
        assert (await saving).events > 0
    place = archive.Place(
        settings_of(tmp_path / "there"), "olga", tmp_path / "data" / "keyring.json", "", None, keep_initial=True, force=False
    )

    await archive.put_back(file, place)

    async with opened(place.settings) as ports:
        born = [event.client_key async for event in export(ports) if event.kind == "client_registered"]
        assert (await verify(ports, {})).broken == ()
        assert sorted(born) == sorted([client.key for client in await ports.store.clients("", 100_000)])
        assert set(born) == {client_key(Route.REGISTERED, name) for name in answered[: len(born)]}
