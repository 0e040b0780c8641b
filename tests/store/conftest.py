"""The subjects of the contract: each as two handles on the same data, as two processes would have them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from calling_card.ports import Store
from calling_card.store.memory import MemoryStore
from calling_card.store.sqlite import SqliteStore
from tests.store.examples import CHAIN_KEY, Clock


@dataclass
class Pair:
    """Two handles on one store; where only one process can see the data, both are the same."""

    here: Store
    there: Store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Pair]:
    if request.param == "memory":
        memory = MemoryStore(chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)
        yield Pair(memory, memory)
        await memory.close()
        return
    here, there = (
        SqliteStore.open(tmp_path / "data" / "store.db", chain_key=CHAIN_KEY, writer=writer, now=clock)
        for writer in (b"writer-1", b"writer-2")
    )
    yield Pair(here, there)
    await here.close()
    await there.close()


@pytest.fixture
async def store(pair: Pair) -> Store:
    return pair.here


@pytest.fixture
async def sqlite(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)
    yield store
    await store.close()
