"""Many clients in no time: ``python -m benches.bulk FOLDER COUNT SAMPLE`` makes so many of the newest client of a stopped server.

With the address of a PostgreSQL database behind them, there instead of in the file in the folder.

Each has a key, a client_id and an incarnation of its own, as if it had registered; there are no events of it. For a sample of
them, evenly spread, client_id, path and registration access token are written to the file ``cards`` in the folder.
"""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benches.servers import ISSUER
from calling_card.protocol import base64url
from calling_card.protocol.clients import Route, client_key
from calling_card.protocol.handles.credentials import REGISTRATION_ACCESS_TOKEN, Handle, Macs, write
from calling_card.settings import load
from calling_card.wiring import DATABASE, unlock

Rows = Callable[[Mapping[str, Any]], Iterator[Sequence[object]]]
"""All rows, made of one."""


def multiply(folder: Path, count: int, sample: int, url: str = "") -> None:
    """See above."""
    macs = unlock(load({"data": str(folder), "issuer": ISSUER}), folder)
    with (folder / "cards").open("w", encoding="utf-8") as cards:

        def rows(pattern: Mapping[str, Any]) -> Iterator[Sequence[object]]:
            return _rows(dict(pattern), count, lambda row: _note(macs, row, cards.write), sample)

        if url:
            asyncio.run(_copied(url, rows))
        else:
            _inserted(folder, rows)


async def _copied(url: str, rows: Rows) -> None:
    """On PostgreSQL."""
    import asyncpg

    database = await asyncpg.connect(url)
    pattern = await database.fetchrow("SELECT * FROM clients LIMIT 1")
    await database.copy_records_to_table("clients", records=rows(pattern), columns=list(pattern.keys()))
    await database.execute("ANALYZE clients")
    await database.close()


def _inserted(folder: Path, rows: Rows) -> None:
    """On SQLite."""
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as database:
        names = [str(name) for (_, name, *_) in database.execute("PRAGMA table_info(clients)")]
        newest = f"SELECT {', '.join(names)} FROM clients ORDER BY rowid DESC LIMIT 1"  # noqa: S608 - columns of its own
        pattern = database.execute(newest).fetchone()
        insert = f"INSERT INTO clients ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
        database.execute("BEGIN IMMEDIATE")
        database.executemany(insert, rows(dict(zip(names, pattern, strict=True))))
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _rows(pattern: dict[str, Any], count: int, note: Callable[[dict[str, Any]], object], sample: int) -> Iterator[Sequence[object]]:
    apart = max(count // sample, 1)
    for number in range(count):
        client_id = "c" + base64url.encode(os.urandom(16))
        row = {**pattern, "client_id": client_id, "client_key": client_key(Route.REGISTERED, client_id), "incarnation": os.urandom(8)}
        if number % apart == 0:
            note(row)
        yield tuple(row.values())


def _note(macs: Macs, row: dict[str, Any], say: Callable[[str], object]) -> None:
    owner = row["client_key"] + row["incarnation"]
    handle = Handle(REGISTRATION_ACCESS_TOKEN, row["rat_issued_key"], owner, row["rat_issued"])
    say(f"{row['client_id']}\t/register/{row['client_id']}\t{write(macs, ISSUER, handle)}\n")


if __name__ == "__main__":
    multiply(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
