"""Opens the database file with the settings its promises rest on."""

import os
import time
from pathlib import Path
from typing import cast

import apsw

from calling_card.ports import StoreUnavailable
from calling_card.store.database import Database
from calling_card.store.migrations import ForeignFile

OLDEST = (3, 51, 3)
"""Older SQLite can corrupt a file in WAL mode when two connections write and checkpoint at the same moment."""

WRITING = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a commit that was answered survives a power cut
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA secure_delete = FAST",  # what is deleted is overwritten where that costs no extra page; credentials are never in the file
    "PRAGMA wal_autocheckpoint = 1000",
    "PRAGMA journal_size_limit = 16777216",  # the log shrinks again after a rush
)
ALWAYS = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA mmap_size = 0",  # no faster here, and it shows as memory
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -8192",
    "PRAGMA foreign_keys = OFF",  # there are none to check
)
PATIENCE = 5_000
"""Milliseconds a connection waits for another one's lock while it is opened."""
LOOP_PATIENCE = 100
"""Milliseconds a read on the loop waits; readers only meet a lock while another process recovers the log."""


def writing(path: Path) -> Database:
    """The connection that writes; the file is made for its owner alone, in a folder of its owner."""
    if tuple(int(part) for part in apsw.sqlite_lib_version().split(".")[:3]) < OLDEST:
        raise RuntimeError(f"SQLite {apsw.sqlite_lib_version()} is too old to be trusted with a write-ahead log; 3.51.3 is needed")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return settled(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE), WRITING)
    except apsw.NotADBError as error:
        raise ForeignFile(f"{path} is no database; name another file or folder") from error
    except (OSError, apsw.BusyError, apsw.CantOpenError, apsw.FullError, apsw.IOError, apsw.ReadOnlyError) as error:
        raise StoreUnavailable(f"{path} cannot be opened for writing: {error}") from error


def reading(path: Path) -> Database:
    """A connection that cannot write."""
    db = settled(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY), ("PRAGMA query_only = ON",))
    db.set_busy_timeout(LOOP_PATIENCE)
    return db


def settled(connection: apsw.Connection, pragmas: tuple[str, ...]) -> Database:
    """The connection after its settings."""
    connection.set_busy_timeout(PATIENCE)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)  # else joins and ranges are parsed again for every new value
    db = cast("Database", connection)
    for pragma in (*ALWAYS, *pragmas):
        patiently(db, pragma)
    return db


def patiently(db: Database, pragma: str) -> None:
    """Run one setting; of two connections that make one file's log, each may stand in the other's way, and neither is made to wait."""
    until = time.monotonic() + PATIENCE / 1000
    while True:
        try:
            db.execute(pragma).fetchall()
        except apsw.BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(0.001 + time.monotonic_ns() % 19 / 1000)  # two that wait for each other must not wait alike
        else:
            return
