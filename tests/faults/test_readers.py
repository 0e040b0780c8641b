"""Who reads for long, and the write-ahead log that cannot be folded into the file meanwhile (RELIABILITY L1, the slow reader)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import apsw
import pytest

from calling_card.ports import Ports
from calling_card.protocol.life.pruning import ALL
from calling_card.protocol.moving.lines import SORTS
from calling_card.settings import Settings, complete
from calling_card.usecases import audit, moving
from calling_card.usecases.prune import prune
from calling_card.wiring import DATABASE, opened
from tests.world import Clock, World

USUAL = 4_500_000
"""Bytes of the log beyond which something has kept it from being folded in: that is begun at a thousand pages."""
WALKS: dict[str, Callable[[Ports], AsyncIterator[object]]] = {
    "export": lambda ports: moving.export(ports, SORTS, "1", passwords=False),
    "audit export": audit.export,
    "prune": lambda ports: prune(ports, "olga", ALL),
}
"""Our own long reads."""


@asynccontextmanager
async def served(folder: Path) -> AsyncGenerator[tuple[World, Path]]:
    """A server on a file, and the file."""
    async with opened(complete(Settings(data=str(folder), dev=True, log_level="error"))) as ports:
        yield World(ports, Clock(ports.now())), folder / DATABASE


def folded(file: Path) -> bool:
    """Whether all of the log goes into the file now, so that it is written from its beginning again.

    By the SQLite that the store has: two of them in one process do not see each other's locks.
    """
    with closing(apsw.Connection(str(file))) as operator:
        operator.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # who has read nothing knows of no log
        try:
            written, there = operator.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        except apsw.BusyError:
            return False
    return written == there >= 0


@pytest.mark.parametrize("name", WALKS)
async def test_none_of_our_own_long_reads_keeps_the_log_from_being_folded_in(tmp_path: Path, name: str) -> None:
    async with served(tmp_path / "data") as (server, file):
        for _ in range(4):
            await server.register()
        walk = WALKS[name](server.ports)
        seen, held = 0, 0

        async for _ in walk:
            seen += 1
            await server.register()
            held += not folded(file)
            if seen == 3:
                break

        assert (seen > 0, held) == (True, 0)


async def test_a_foreign_reader_that_stays_is_the_one_thing_that_lets_the_log_grow_and_writes_go_on(tmp_path: Path) -> None:
    async with served(tmp_path / "data") as (server, file):
        log = file.with_name(f"{file.name}-wal")
        with closing(apsw.Connection(str(file))) as stranger:
            stranger.execute("BEGIN")
            stranger.execute("SELECT count(*) FROM clients").fetchall()
            while log.stat().st_size < USUAL:
                await asyncio.gather(*(server.register(client_name="n" * 200, software_id=f"{number}") for number in range(16)))
            assert not folded(file)
            stranger.execute("COMMIT")

        await server.register()

        assert folded(file)
