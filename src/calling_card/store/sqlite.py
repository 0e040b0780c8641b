"""The store on one SQLite file: reads on the loop, writes in groups, an answer only after its COMMIT."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import apsw

from calling_card.faults import point
from calling_card.passes import Pass
from calling_card.store import files
from calling_card.store import statements as sql
from calling_card.store.chain import Chain, head_of
from calling_card.store.database import Database, Values
from calling_card.store.group import UNAVAILABLE, Groups, as_said
from calling_card.store.migrations import Climb, ahead, migrate, put_by
from calling_card.store.steps import Unit
from calling_card.store.verbs import Verbs

T = TypeVar("T")


class SqliteStore(Verbs):
    """The `Store` on one file. Other processes may write to the same file at the same time."""

    def __init__(self, db: Database, reader: Database, chain: Chain, now: Callable[[], int]) -> None:
        """``db`` writes and belongs to the groups from now on; ``reader`` may be the same only where nobody reads during a write."""
        super().__init__(now)
        self._reader = reader
        self._chain = chain
        self._groups = Groups(db, chain)
        self._db = db
        self._pass = Pass()
        self._seen: dict[str, Sequence[Values]] = {}
        self._path = Path(db.filename)  # asked now: while another thread commits, the connection answers nobody

    @classmethod
    def open(cls, path: Path, *, chain_key: bytes, writer: bytes, now: Callable[[], int]) -> "SqliteStore":
        """Open or create the database file; raises `SchemaTooNew`, `ForeignFile` or `StoreUnavailable`."""
        db = files.writing(path)
        try:
            put_by(db)
            return cls.on(db, lambda: files.reading(path), chain_key=chain_key, writer=writer, now=now)
        except BaseException:
            db.close()
            raise

    @classmethod
    def on(cls, db: Database, reader: Callable[[], Database], *, chain_key: bytes, writer: bytes, now: Callable[[], int]) -> "SqliteStore":
        """The store on a connection that is open for writing; ``reader`` is asked when the schema is there."""
        migrate(db)
        db.set_busy_timeout(0)
        head = head_of(db.execute(sql.HEAD, (writer,)).fetchall())
        return cls(db, reader(), Chain(chain_key, writer, head), now)

    @staticmethod
    def migrate(path: Path, *, dry: bool = False) -> Climb:
        """Bring a file to the newest schema, or say what that would be; raises as `open` does."""
        db = files.writing(path)
        try:
            climb = ahead(db) if dry else put_by(db)
            if not dry:
                migrate(db)
            return climb
        finally:
            db.close()

    async def _read(self, statement: str, values: Values = ()) -> Sequence[Values]:
        """On the loop."""
        try:
            return self._found(statement, values)
        except UNAVAILABLE as error:
            raise as_said(error) from error

    def _found(self, statement: str, values: Values) -> Sequence[Values]:
        """By the connection that writes while it does not: its cache outlives its commits, each of which empties the reader's.

        It waits for nobody. Should another process be recovering the log, the reader waits a moment.
        """
        if self._groups.idle:
            try:
                return self._db.execute(statement, values).fetchall()
            except apsw.BusyError:
                return self._reader.execute(statement, values).fetchall()
        return self._reader.execute(statement, values).fetchall()

    async def _look(self, statement: str) -> Sequence[Values]:
        """Once in a pass of the loop; to read never waits, so what was found is as new as the pass."""
        if not self._pass.goes_on:
            self._seen.clear()
            self._pass.begin()
        if statement not in self._seen:
            self._seen[statement] = await self._read(statement)
        return self._seen[statement]

    async def _scan(self, statement: str, values: Values) -> Sequence[Values]:
        """On a thread, and on a connection of its own."""
        try:
            return await asyncio.to_thread(self._walk, statement, values)
        except UNAVAILABLE as error:
            raise as_said(error) from error

    def _walk(self, statement: str, values: Values) -> Sequence[Values]:
        db = files.reading(self._path)
        try:
            return db.execute(statement, values).fetchall()
        finally:
            db.close()

    def _put(self, unit: Unit[T], place: bytes) -> asyncio.Future[T]:
        """One writer does them all."""
        del place
        return self._groups.put(unit)

    @property
    def _closed(self) -> bool:
        return self._groups.closed

    async def close(self) -> None:
        """See `Store.close`."""
        if self._closed:
            return
        self._send_along(rest=True)
        await self._groups.close(self._let_go)

    def _let_go(self) -> None:
        """Fold the log into the file and close; a log that cannot be folded in now is kept and read at the next start."""
        point("store.closed")
        if self._reader is not self._db:
            self._reader.close()
        with suppress(*UNAVAILABLE):
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._db.close()
