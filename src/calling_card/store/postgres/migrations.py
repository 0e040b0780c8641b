"""From the schema a database has to the schema this code knows: forward only, each step one transaction, by one node at a time."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from typing import cast

import asyncpg

from calling_card.ports import StoreUnavailable
from calling_card.store.migrations import ForeignFile, Step, too_new
from calling_card.store.migrations import steps as of_room
from calling_card.store.postgres.connection import Connection, changes

LEASE = 60
"""Seconds for which a node may migrate without a sign of life."""
PATIENCE = 120
"""Seconds to wait for another node that migrates."""
LOOK = 0.1

AT_THIS_MOMENT = (asyncpg.UniqueViolationError, asyncpg.DuplicateTableError, asyncpg.DuplicateObjectError)
"""What is heard when another node makes the table of the steps while we do."""

LEDGER = (
    "CREATE TABLE IF NOT EXISTS schema_migrations "
    "(version bigint PRIMARY KEY, sha256 bytea NOT NULL, applied_at bigint NOT NULL, holder bytea NOT NULL)"
)
"""The steps that were taken; the row of version 0 is the lease."""
VERSION = "SELECT coalesce(max(version), 0) FROM schema_migrations"
KNOWN = "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'schema_migrations'"
STRANGERS = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'clients'"
TAKE = """
INSERT INTO schema_migrations (version, sha256, applied_at, holder) VALUES (0, ''::bytea, $1, $2)
ON CONFLICT (version) DO UPDATE SET applied_at = excluded.applied_at, holder = excluded.holder
    WHERE schema_migrations.holder = excluded.holder OR schema_migrations.applied_at <= $3
"""
RELEASE = "DELETE FROM schema_migrations WHERE version = 0 AND holder = $1"
TAKEN = "INSERT INTO schema_migrations (version, sha256, applied_at, holder) VALUES ($1, $2, $3, $4)"


def steps() -> Sequence[Step]:
    """All steps in their order."""
    return of_room("postgres")


def digest(step: Step) -> bytes:
    """What a step said when it was taken."""
    return hashlib.sha256(step.statements.encode()).digest()


async def version_of(connection: Connection) -> int:
    """The number of the newest step the database has taken; 0: none. Raises `ForeignFile`."""
    clients = await connection.fetchval(STRANGERS)  # first: a node that makes our tables at this moment makes the ledger before them
    if await connection.fetchval(KNOWN) is None:
        if clients is not None:
            raise ForeignFile("the database has a table clients of another program; name another database")
        return 0
    return cast("int", await connection.fetchval(VERSION))


async def migrate(connection: Connection, holder: bytes, ladder: Sequence[Step] | None = None) -> int:
    """Bring the database to the newest step and return its version. Of several nodes one takes the steps and the others wait.

    Raises `SchemaTooNew`, `ForeignFile` or `StoreUnavailable`.
    """
    ladder = steps() if ladder is None else ladder
    until = time.monotonic() + PATIENCE
    while (version := await version_of(connection)) < len(ladder):
        if await lease(connection, holder):
            try:
                await climb(connection, holder, ladder)
            finally:
                await connection.execute(RELEASE, holder)
        elif time.monotonic() > until:
            raise StoreUnavailable("another node has been migrating the database for too long")
        else:
            await asyncio.sleep(LOOK)
    if version > len(ladder):
        raise too_new(version, len(ladder))
    return version


async def lease(connection: Connection, holder: bytes) -> bool:
    """Take the migration for oneself, or keep it longer."""
    now = int(time.time())
    try:
        await connection.execute(LEDGER)
        return changes(await connection.execute(TAKE, now, holder, now - LEASE)) > 0
    except AT_THIS_MOMENT:
        return False


async def climb(connection: Connection, holder: bytes, ladder: Sequence[Step]) -> None:
    """Take what is left of the ladder; a database that does not change its schema in a transaction is kept to one node by the lease."""
    for step in ladder:
        if step.version > await version_of(connection):
            async with connection.transaction():
                await connection.execute("SET LOCAL statement_timeout = 0")
                await connection.execute("SET LOCAL lock_timeout = '10s'")
                await connection.execute(step.statements, timeout=3600)
                await connection.execute(TAKEN, step.version, digest(step), int(time.time()), holder)
            await lease(connection, holder)
