"""The subjects of the contract: each as two handles on the same data, as two processes would have them."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from calling_card.ports import Store
from calling_card.store.memory import MemoryStore
from calling_card.store.postgres.migrations import LEDGER, steps
from calling_card.store.sqlite import SqliteStore
from tests.postgres import Cluster, lent
from tests.store.examples import CHAIN_KEY, Clock

if TYPE_CHECKING:
    from calling_card.store.postgres.store import PostgresStore


@dataclass
class Pair:
    """Two handles on one store; where only one process can see the data, both are the same."""

    here: Store
    there: Store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A server that nobody crashes, for all tests of a worker."""
    yield from lent()


TABLES = re.findall(r"CREATE TABLE (\w+)", "".join(step.statements for step in steps()))


@pytest.fixture(scope="session")
def schema(cluster: Cluster) -> str:
    """The address of a database that has its schema."""
    cluster.sql("CREATE DATABASE contract")
    cluster.sql(f"{LEDGER}; {'; '.join(step.statements for step in steps())}", "contract")
    for step in steps():
        cluster.sql(f"INSERT INTO schema_migrations VALUES ({step.version}, '', 0, '')", "contract")
    return cluster.url("contract")


@pytest.fixture
def database(cluster: Cluster, schema: str) -> str:
    """The address of a database with nothing in it but its schema."""
    cluster.sql("; ".join(f"DELETE FROM {table}" for table in TABLES), "contract")
    return schema


NUMBERS = count()


def a_writer() -> tuple[bytes, bytes]:
    """A new writer with the key of its chain."""
    return b"w%07d" % next(NUMBERS), CHAIN_KEY


async def on_postgres(url: str, clock: Clock) -> "PostgresStore":
    """One node on a database."""
    from calling_card.store.postgres.pool import Address
    from calling_card.store.postgres.store import PostgresStore

    return await PostgresStore.open(Address(url, lanes=1, readers=4, statement_timeout=20_000), a_writer, clock)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Pair]:
    if request.param == "memory":
        memory = MemoryStore(chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)
        here: Store = memory
        there: Store = memory
    elif request.param == "sqlite":
        here, there = (
            SqliteStore.open(tmp_path / "data" / "store.db", chain_key=CHAIN_KEY, writer=writer, now=clock)
            for writer in (b"writer-1", b"writer-2")
        )
    else:
        url = request.getfixturevalue("database")
        here, there = await on_postgres(url, clock), await on_postgres(url, clock)
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
