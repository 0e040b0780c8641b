"""A copy of the database file while others write to it, and the look at one before it is put back (F12, CREDENTIALS §5)."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import apsw

from calling_card.ports import StoreUnavailable
from calling_card.store.database import Database
from calling_card.store.files import ALWAYS, settled
from calling_card.store.migrations import ForeignFile, check, steps, version_of

MANIFEST, WRAPPED = "backup", "backup_keyring"
"""Names in the table of settings under which a copy says what it is, and under which a wrapped keyring lies in it."""

_PUT = "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_GET = "SELECT value FROM settings WHERE name = ?"
_DROP = "DELETE FROM settings WHERE name IN (?, ?)"


class BadBackup(Exception):
    """The file is no backup that can be put back; the text says why."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a copy says of itself."""

    issuer: str
    """Empty: the copy was made by other means and does not say."""
    made_at: int
    """Seconds since 1970; 0: it does not say."""
    schema: int
    wrapped: bytes
    """The keyring under a passphrase; empty: it is not in it."""


def back_up(database: Path, target: Path, issuer: str, made_at: int, wrapped: bytes) -> Manifest:
    """One moment of the database as a file of its own, readable by its owner alone; returns what it says of itself.

    A reader sees one moment (SQLite's snapshot), so nobody has to wait, and nothing is half in it. Raises `BadBackup` where there is a
    file already.
    """
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise BadBackup(f"{target} is there already; name another file") from None
    except OSError as error:
        raise BadBackup(f"{target} cannot be written: {error.strerror}") from None
    try:
        _copy(database, target)
        _label(target, issuer, made_at, wrapped)
        manifest = look(target)
        _to_disk(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return manifest


def look(file: Path) -> Manifest:
    """What a copy says of itself, after every page and index of it was checked. Raises `BadBackup`."""
    try:
        db = settled(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY), ())
    except (apsw.Error, OSError) as error:
        raise BadBackup(f"{file} cannot be read: {error}") from None
    try:
        return _checked(db, file)
    except ForeignFile:
        raise BadBackup(f"{file} is no database of this program") from None
    except apsw.Error as error:
        raise BadBackup(f"{file} is damaged: {error}") from None
    finally:
        db.close()


def put_back(file: Path, target: Path) -> None:
    """The copy as a database again, without what it said of itself; the file it came from stays as it is."""
    _copy(file, target)
    db = settled(apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE), ())
    try:
        db.execute(_DROP, (MANIFEST, WRAPPED))
    finally:
        db.close()
    target.chmod(0o600)
    _to_disk(target)


def _checked(db: Database, file: Path) -> Manifest:
    check(db, len(steps()))
    found = db.execute("PRAGMA integrity_check").fetchall()
    if found != [("ok",)]:
        raise BadBackup(f"{file} is damaged: {found[0][0]!s}")
    said = _said(db, MANIFEST)
    told = cast("Mapping[str, object]", json.loads(said or b"{}"))
    issuer, made_at = told.get("issuer", ""), told.get("made_at", 0)
    return Manifest(str(issuer), made_at if isinstance(made_at, int) else 0, version_of(db), _said(db, WRAPPED))


def _said(db: Database, name: str) -> bytes:
    found = db.execute(_GET, (name,)).fetchall()
    return cast("bytes", found[0][0]) if found else b""


def _copy(source: Path, target: Path) -> None:
    """By SQLite itself, which puts the pages in order on the way and leaves what was deleted behind."""
    try:
        db = cast("Database", apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY))
        db.set_busy_timeout(5_000)
    except apsw.Error as error:
        raise StoreUnavailable(f"{source} cannot be read: {error}") from None
    try:
        for pragma in ALWAYS:
            db.execute(pragma).fetchall()
        db.execute("VACUUM INTO ?", (str(target),))
    except apsw.Error as error:
        raise BadBackup(f"{source} cannot be copied to {target}: {error}") from None
    finally:
        db.close()


def _label(target: Path, issuer: str, made_at: int, wrapped: bytes) -> None:
    db = settled(apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE), ("PRAGMA journal_mode = DELETE",))
    try:
        db.execute(_PUT, (MANIFEST, json.dumps({"issuer": issuer, "made_at": made_at}).encode()))
        if wrapped:
            db.execute(_PUT, (WRAPPED, wrapped))
    finally:
        db.close()


def _to_disk(file: Path) -> None:
    for path in (file, file.parent):
        sync(path)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
