"""A disk that remembers every operation, so that a test can cut the power after any of them or let it refuse to write."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251 - which sectors survive a cut is drawn from a seed that the test names
from typing import Literal

import apsw

from calling_card.store import files
from calling_card.store.database import Database

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a file."""

    act: Literal["write", "truncate", "sync", "delete"]
    file: str
    at: int = 0
    data: bytes = b""


@dataclass
class Disk:
    """What happened, in order, and what is refused now."""

    steps: list[Step] = field(default_factory=list[Step])
    refuses: Literal["write", "sync", ""] = ""
    first: int = 1
    """Which step of the refused kind is the first to be refused, counted from now."""
    where: str = ""
    """How the names of files end in which steps are refused. SQLite overlooks a checkpoint that fails; through Python it cannot."""

    def note(self, step: Step) -> None:
        """Remember a step, or refuse it as a full or a failing disk does."""
        refused = step.act == self.refuses and step.file.endswith(self.where)
        self.first -= refused
        if refused and self.first <= 0:
            raise apsw.FullError("the disk is full") if step.act == "write" else apsw.IOError("the disk does not answer")
        self.steps.append(step)


class File(apsw.VFSFile):
    """A real file whose changes are noted."""

    def __init__(self, disk: Disk, name: str, opened: "str | apsw.URIFilename | None", flags: list[int]) -> None:
        super().__init__("", opened, flags)
        self.disk = disk
        self.name = name

    # What pyright is told to ignore below: apsw says Buffer, a type that Python 3.11 does not have.
    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 # pyright: ignore[reportIncompatibleMethodOverride]
        """Note what is written."""
        self.disk.note(Step("write", self.name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        """Note the new size."""
        self.disk.note(Step("truncate", self.name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        """Note that all before is safe."""
        self.disk.note(Step("sync", self.name))
        super().xSync(flags)


class Files(apsw.VFS):
    """The file system of one test."""

    def __init__(self, name: str, disk: Disk) -> None:
        super().__init__(name, "", iVersion=1)
        self.disk = disk

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        """Open a file that takes notes."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        return File(self.disk, Path(path).name, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        """Note that a file is gone."""
        self.disk.note(Step("delete", Path(filename).name))
        super().xDelete(filename, syncdir)


@contextmanager
def on_a_disk(path: Path, synchronous: str) -> Generator[tuple[Database, Disk]]:
    """A connection whose disk remembers. Without shared memory, so it has the file for itself."""
    disk = Disk()
    system = Files(f"disk-{id(disk)}", disk)
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(str(path), flags=flags, vfs=f"disk-{id(disk)}")
    settings = ("PRAGMA locking_mode = EXCLUSIVE", *files.WRITING, f"PRAGMA synchronous = {synchronous}", "PRAGMA wal_autocheckpoint = 20")
    yield files.settled(connection, settings), disk
    connection.close()
    system.unregister()


@dataclass
class Platter:
    """What would be found of one file after a cut."""

    safe: bytearray = field(default_factory=bytearray)
    pending: list[Step] = field(default_factory=list[Step])

    def take(self, step: Step) -> None:
        """Follow one step; only a sync makes the ones before it safe."""
        if step.act == "sync":
            for pending in self.pending:
                apply(self.safe, pending)
            self.pending.clear()
        else:
            self.pending.append(step)

    def found(self, dice: Random) -> bytes:
        """Each sector written but not synced is there or not, as the dice fall."""
        image = bytearray(self.safe)
        for step in self.pending:
            for part in sectors(step):
                if dice.random() < 0.5:
                    apply(image, part)
        return bytes(image)


def sectors(step: Step) -> list[Step]:
    """A write in the pieces that a disk writes whole."""
    if step.act != "write":
        return [step]
    return [Step("write", step.file, step.at + at, step.data[at : at + SECTOR]) for at in range(0, len(step.data), SECTOR)]


def apply(image: bytearray, step: Step) -> None:
    """One step on the bytes of a file."""
    if step.act == "write":
        image.extend(bytes(max(0, step.at - len(image))))
        image[step.at : step.at + len(step.data)] = step.data
    else:
        del image[step.at :]


@dataclass
class Drive:
    """All files of a disk. As on Unix, a deletion is safe once the folder is synced, which the first sync of a new file does."""

    platters: dict[str, Platter] = field(default_factory=dict[str, Platter])
    deleted: set[str] = field(default_factory=set[str])
    """Deleted, but still there after a cut that comes too soon."""
    known: set[str] = field(default_factory=set[str])
    """Files that were synced before."""

    def take(self, step: Step) -> None:
        """Follow one step."""
        if step.act == "delete":
            self.deleted.add(step.file)
            return
        if step.act == "sync" and step.file not in self.known:
            self.known = (self.known | {step.file}) - self.deleted
            self.platters = {name: platter for name, platter in self.platters.items() if name not in self.deleted}
            self.deleted.clear()
        self.platters.setdefault(step.file, Platter()).take(step)

    def found(self, dice: Random) -> dict[str, bytes]:
        """The files after a cut."""
        kept = {name for name in self.platters if name not in self.deleted or dice.random() < 0.5}
        return {name: platter.found(dice) for name, platter in self.platters.items() if name in kept}


def cuts(disk: Disk, moments: list[int], dice: Random) -> Iterator[tuple[int, dict[str, bytes]]]:
    """At each moment (a number of steps) the files as they would be found."""
    drive = Drive()
    done = 0
    for moment in sorted(moments):
        for step in disk.steps[done:moment]:
            drive.take(step)
        done = moment
        yield moment, drive.found(dice)


def laid_out(folder: Path, found: dict[str, bytes]) -> Path:
    """The files of a cut in a folder; the database's path."""
    folder.mkdir()
    for name, content in found.items():
        (folder / name).write_bytes(content)
    return folder / "store.db"
