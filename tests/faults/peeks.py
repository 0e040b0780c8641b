"""What a server keeps, read behind its back: an SQLite file, or a PostgreSQL database."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import apsw

from calling_card.protocol.events import Recorded

if TYPE_CHECKING:
    from calling_card.store.postgres.connection import Connection

DATABASE = "calling-card.sqlite3"
NAMED: tuple[str, ...] = (
    *("client_key", "client_id", "incarnation", "epoch", "tier", "state", "invitation", "metadata"),
    *("rat_confirmed", "rat_issued", "rat_confirmed_key", "rat_issued_key", "rat_overlap_since", "rat_put_digest"),
    *("secret_kind", "secret_confirmed", "secret_issued", "secret_issued_key"),
)
CLIENTS = f"SELECT {', '.join(NAMED)} FROM clients"
USES = "SELECT id, uses_left FROM initial_access_tokens"
TOMBSTONES = "SELECT client_key, mark FROM marks WHERE kind = 'tombstone'"
CHAINS = "SELECT writer, count(*), max(number) FROM events GROUP BY writer"
TABLES = (CLIENTS, USES, TOMBSTONES, CHAINS)
EVENT = "writer, number, at, kind, client_key, content, mac"
NEWS_OF_FILE = f"SELECT rowid, {EVENT} FROM events WHERE rowid > ? ORDER BY rowid"
NEWS_OF_DATABASE = f"""
SELECT {EVENT} FROM events LEFT JOIN (
    SELECT decode(split_part(known, ':', 1), 'hex') AS writer, split_part(known, ':', 2)::bigint AS seen
    FROM unnest(string_to_array($1, ' ')) AS known
) AS earlier USING (writer) WHERE number > coalesce(seen, 0) ORDER BY writer, number
"""
PATIENCE = 10
"""Seconds that a database may take to let a test look."""

Cells = Sequence[object]


@dataclass(frozen=True)
class Peek:
    """What was there at one moment."""

    rows: Mapping[str, Mapping[str, object]]
    """Columns of each client by its client_id."""
    uses_left: Mapping[bytes, int]
    tombstones: frozenset[bytes]
    """Client key and incarnation of what was deleted."""
    news: Sequence[Recorded]
    """Events since the last look, those of a writer in their order."""
    chains: Sequence[tuple[bytes, int, int]]
    """Writer, how many events it has, and the number of the newest."""
    flaws: Sequence[str]
    """What is wrong with the place itself."""


class File:
    """The SQLite file of a data folder."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._last = 0

    def peek(self, seen: Mapping[bytes, int]) -> Peek:
        """The file now; which events are news it knows itself."""
        del seen
        with closing(apsw.Connection(str(self._data / DATABASE), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            db.set_busy_timeout(5_000)
            db.execute("BEGIN")  # everything from one moment
            flaws = [f"integrity_check: {row[0]}" for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
            news = list(db.execute(NEWS_OF_FILE, (self._last,)))
            self._last = max((row[0] for row in news), default=self._last)
            tables = [list(db.execute(text)) for text in TABLES]
        return told([row[1:] for row in news], tables, flaws)


class Database:
    """A PostgreSQL database."""

    def __init__(self, url: str) -> None:
        self._url = url

    def peek(self, seen: Mapping[bytes, int]) -> Peek:
        """The database now, from a thread with a loop of its own: who looks may be in the middle of another."""
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(asyncio.run, self._peek(seen)).result()

    async def _peek(self, seen: Mapping[bytes, int]) -> Peek:
        import asyncpg

        made = await asyncpg.connect(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - it names no types
            self._url, timeout=PATIENCE, command_timeout=PATIENCE, target_session_attrs="read-write"
        )
        db = cast("Connection", made)
        try:
            async with db.transaction(readonly=True):
                await db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # everything from one moment
                news = await db.fetch(NEWS_OF_DATABASE, " ".join(f"{writer.hex()}:{number}" for writer, number in seen.items()))
                tables = [await db.fetch(text) for text in TABLES]
        finally:
            await db.close()
        return told([tuple(row) for row in news], [[tuple(row) for row in table] for table in tables])


def told(news: Iterable[Cells], tables: Iterable[Iterable[Cells]], flaws: Sequence[str] = ()) -> Peek:
    """Rows by their names; the tables are `TABLES`."""
    clients, uses, stones, chains = tables
    return Peek(
        rows={str(row[1]): dict(zip(NAMED, row, strict=True)) for row in clients},
        uses_left={bytes_of(id): int_of(left) for id, left in uses},
        tombstones=frozenset(bytes_of(key) + bytes_of(incarnation) for key, incarnation in stones),
        news=[recorded(row) for row in news],
        chains=[(bytes_of(writer), int_of(count), int_of(newest)) for writer, count, newest in chains],
        flaws=flaws,
    )


def recorded(row: Cells) -> Recorded:
    """An event as it is kept."""
    writer, number, at, kind, key, content, mac = row
    return Recorded(bytes_of(writer), int_of(number), int_of(at), str(kind), bytes_of(key), bytes_of(content), bytes_of(mac))


def bytes_of(value: object) -> bytes:
    """A column that holds bytes."""
    assert isinstance(value, bytes)
    return value


def int_of(value: object) -> int:
    """A column that holds a number."""
    assert isinstance(value, int)
    return value
