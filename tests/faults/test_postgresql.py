"""PostgreSQL crashes, is replaced, stops writing or falls silent under load (RELIABILITY F3, F4, F6, F8)."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random  # noqa: TID251 - seeded, and the seed is printed: a run can be repeated

import pytest

from tests.faults.conftest import Told
from tests.faults.load import busy
from tests.faults.process import PATIENCE, Server
from tests.faults.scene import Scene, prepared, watching
from tests.faults.standing import Body
from tests.faults.wire import Ask, Reply, lines
from tests.ledger import meets
from tests.postgres import Cluster, programs

pytestmark = pytest.mark.serial

CRASHES = int(os.environ.get("FAULTS_CRASHES") or 5)
"""RELIABILITY F3 wants 100."""
BACK = 2.0
"""Seconds within which writes are taken again, from when the database takes them."""


@pytest.fixture
def clusters() -> Iterator[Callable[[], Cluster]]:
    """Servers that write what they say they have written; they are gone after the test."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed; script/setup brings it")
    made: list[Cluster] = []

    def make(primary: Cluster | None = None) -> Cluster:
        made.append(Cluster.made() if primary is None else primary.standby())
        return made[-1]

    yield make
    for cluster in made:
        cluster.remove()


async def on(database: str, server: Server, seed: int) -> Scene:
    """A server on this database with a book about it; it is running."""
    server.settings["DATABASE"] = database
    scene = await prepared(server, seed)
    scene.book.may_refuse = scene.book.doubts = True
    server.start()
    return scene


@asynccontextmanager
async def under_load(scene: Scene, *ports: int) -> AsyncGenerator[None]:
    """The callers are busy for as long as the block takes; then the book is compared."""
    scene.book.resting = False
    work = [task for port in ports or [scene.server.port] for task in busy(scene.crew[:: len(ports) or 1], port)]
    try:
        yield
    finally:
        scene.book.resting = True
        _, stuck = await asyncio.wait(work, timeout=PATIENCE)
    assert not stuck
    assert [error for task in work if (error := task.exception())] == []
    assert scene.compare() == []


async def taken(scene: Scene) -> float:
    """Wait until a write is taken, and some of those of the callers; how many seconds the first took."""
    began, known = time.monotonic(), scene.book.figures.acknowledged
    async with asyncio.timeout(BACK):
        while scene.book.figures.acknowledged == known:  # noqa: ASYNC110 - the callers do it
            await asyncio.sleep(0.01)
    return time.monotonic() - began


@meets("R-94")
async def test_a_database_that_crashes_under_load_has_lost_nothing_that_was_answered(
    clusters: Callable[..., Cluster], servers: Callable[[Path], Server], tmp_path: Path, seed: int, tell: Told
) -> None:
    cluster, chance, began = clusters(), Random(seed), time.monotonic()
    scene = await on(cluster.url(), servers(tmp_path / "data"), seed)
    back: list[float] = []

    for _ in range(CRASHES):
        async with under_load(scene):
            await asyncio.sleep(chance.uniform(0.2, 0.6))
            await asyncio.to_thread(cluster.stop, "immediate")
            await asyncio.to_thread(cluster.start)
            back.append(await taken(scene))
        scene.book.figures.kills += 1

    scene.conclude()
    assert scene.book.figures.acknowledged > 10 * CRASHES
    assert scene.book.figures.refused > 0
    tell(f"crashes of PostgreSQL: {scene.book.figures}, back after {max(back):.2f} s at most, {time.monotonic() - began:.0f} s")
