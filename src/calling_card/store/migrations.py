"""From the schema a file has to the schema this code knows: forward only, each step one transaction."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from calling_card.faults import point
from calling_card.store.database import Database

APPLICATION = 0x43437264
"""Written into the head of our files (``CCrd``), so that nobody else's database is taken for ours."""


class SchemaTooNew(Exception):
    """The file was written by a newer version of this program."""


class ForeignFile(Exception):
    """The file is a database of another program."""


@dataclass(frozen=True, slots=True)
class Step:
    """One migration file."""

    version: int
    statements: str


@cache
def steps(*room: str) -> Sequence[Step]:
    """All steps in their order, of SQLite or of the database whose room is named; a gap or a number used twice is a mistake in the tree."""
    folder = files("calling_card.store").joinpath("migrations", *room)
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    ladder = [Step(int(entry.name[:4]), entry.read_text("utf-8")) for entry in found]
    if [step.version for step in ladder] != list(range(1, len(ladder) + 1)):
        raise ValueError("the migrations are not numbered 0001, 0002 and so on")
    return ladder


@dataclass(frozen=True, slots=True)
class Climb:
    """What a migration would do, or did."""

    version: int
    """The schema that the database had; 0: it was empty."""
    newest: int
    backup: str = ""
    """Where a copy of the database as it was lies; empty: there is none."""


def ahead(db: Database) -> Climb:
    """What `migrate` would do. Raises `SchemaTooNew` or `ForeignFile`."""
    newest = len(steps())
    check(db, newest)
    version = version_of(db)
    return Climb(version, newest, copy_of(db.filename, version) if 0 < version < newest else "")


def copy_of(filename: str, version: int) -> str:
    """Where the copy of a file goes that still has this schema: beside it."""
    return f"{filename}.schema-{version}"


def put_by(db: Database) -> Climb:
    """Copy the file beside itself before it gets a newer schema; of two processes one copies, and a copy that is there stays."""
    climb = ahead(db)
    if climb.backup:
        with suppress(FileExistsError):
            os.close(os.open(climb.backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            db.execute("VACUUM INTO ?", (climb.backup,))
    return climb


def migrate(db: Database, ladder: Sequence[Step] | None = None) -> int:
    """Bring the file to the newest step and return its version; two processes at once do each step once."""
    ladder = steps() if ladder is None else ladder
    check(db, len(ladder))
    for step in ladder:
        if step.version > version_of(db):
            climb(db, step)
    return version_of(db)


def climb(db: Database, step: Step) -> None:
    """Take one step, unless another process took it while we waited for the write lock."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if version_of(db) < step.version:
            db.execute(step.statements)
            db.execute(f"PRAGMA application_id = {APPLICATION}")
            db.execute(f"PRAGMA user_version = {step.version}")
            point("store.migration")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def check(db: Database, known: int) -> None:
    """Refuse what is not ours and what is ahead of us."""
    empty = not db.execute("SELECT name FROM sqlite_schema LIMIT 1").fetchall()  # read first: another process may be taking the first step
    application, version = number(db, "application_id"), version_of(db)
    if application != APPLICATION and not (application == 0 and empty):
        raise ForeignFile("the file is a database of another program; name another file or folder")
    if version > known:
        raise too_new(version, known)


def too_new(version: int, known: int) -> SchemaTooNew:
    """The database is ahead of us."""
    return SchemaTooNew(
        f"the database has schema {version}, this version knows schemas up to {known}: "
        "start the version that wrote it or a newer one, or restore the backup made before the upgrade"
    )


def version_of(db: Database) -> int:
    """The number of the newest step the file has taken; 0: none."""
    return number(db, "user_version")


def number(db: Database, pragma: str) -> int:
    """The value of a numeric pragma."""
    value = db.execute(f"PRAGMA {pragma}").fetchall()[0][0]
    if not isinstance(value, int):
        raise TypeError(f"{pragma} is not a number")
    return value
