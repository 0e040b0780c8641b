"""Group commit: what arrives while one COMMIT runs is the next group, and nobody is told before it is durable."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar

import apsw

from calling_card.faults import point
from calling_card.ports import StoreUnavailable
from calling_card.store.chain import Chain
from calling_card.store.database import Database
from calling_card.store.drive import drive
from calling_card.store.steps import Unit

MOST = 256
"""Units that may wait for the next transaction, which takes them all: whoever comes then is told to come again (docs/decisions/0017)."""

ENOUGH = 64
"""Units for whose sake a group begins at once."""

PASSES = 4
"""Passes of the loop before a group begins, for a COMMIT costs as much as several units: in the first what the last group waited for is
answered, in the second the answers leave, in the third those who ask again are read, in the fourth they come along."""

PATIENCE = 5_000
"""Milliseconds to wait for another process that holds the write lock."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

UNAVAILABLE = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.ConnectionClosedError,
    apsw.FullError,
    apsw.IOError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
)
"""Ways in which the database cannot take something now but may again."""


class Lost(Exception):
    """SQLite ended the transaction, and with it the work of everyone in the group."""


class Piece(Generic[T_co]):
    """A unit on its way, and the caller who waits for it."""

    def __init__(self, unit: Unit[T_co]) -> None:
        self.future: asyncio.Future[T_co] = asyncio.get_running_loop().create_future()
        self.error: BaseException | None = None
        self._unit = unit
        self._results: list[T_co] = []

    def run(self, db: Database, chain: Chain) -> None:
        """Take the steps; those of an earlier run were rolled back."""
        self.error = None
        self._results = [drive(self._unit(), db, chain)]

    def settle(self) -> None:
        """Tell the caller, who may have left."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self._results[0])
        else:
            self.future.set_exception(as_said(self.error))


def as_said(error: BaseException) -> BaseException:
    """What the caller gets to see of an error of the database."""
    cause = error.__cause__ if isinstance(error, Lost) and error.__cause__ is not None else error
    if not isinstance(cause, UNAVAILABLE):
        return cause
    unavailable = StoreUnavailable(f"{type(cause).__name__}: {cause}")
    unavailable.__cause__ = cause
    return unavailable


class Groups:
    """Runs units on the write connection. Statements run on the loop; COMMIT, and waiting for a lock, on a thread."""

    def __init__(self, db: Database, chain: Chain) -> None:
        self._db = db
        self._chain = chain
        self._waiting: list[Piece[object]] = []
        self._under_way: Sequence[Piece[object]] = ()
        self._runner: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether units are refused by now."""
        return self._closed

    @property
    def idle(self) -> bool:
        """Whether no transaction is under way on the connection, not even one that could not be undone, and no thread uses it."""
        return not (self._under_way or self._closed or self._db.in_transaction)

    def put(self, unit: Unit[T]) -> asyncio.Future[T]:
        """Queue a unit; its future is done when it is durable, or when nothing of it is kept."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if len(self._waiting) >= MOST:
            raise StoreUnavailable("too many wait for the disk")
        piece = Piece(unit)
        self._waiting.append(piece)
        if self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._run())
            self._runner.add_done_callback(self._ended)
        return piece.future

    async def close(self, farewell: Callable[[], None]) -> None:
        """Finish what waits, then run ``farewell`` on the thread that commits, and end it."""
        self._closed = True
        if self._runner is not None:
            await asyncio.wait([self._runner])
        await asyncio.get_running_loop().run_in_executor(self._thread, farewell)
        self._thread.shutdown()

    async def _run(self) -> None:
        """Group after group until nobody waits."""
        while self._waiting:
            await self._gather()
            taken, self._waiting = self._waiting, []
            self._under_way = [piece for piece in taken if not piece.future.done()]
            if self._under_way:
                await self._together(self._under_way)
                self._under_way = ()
        self._runner = None

    async def _gather(self) -> None:
        """Wait for those who are about to come, unless there are enough for a group."""
        for _ in range(PASSES):
            if len(self._waiting) < ENOUGH:
                await asyncio.sleep(0)

    def _ended(self, runner: asyncio.Task[None]) -> None:
        """Should the runner be torn down, nothing is taken any more; of what was under way nobody can say how it ended."""
        if runner.cancelled():
            for piece in self._under_way:
                piece.future.cancel()
        elif (error := runner.exception()) is not None:
            self._fail(self._under_way, error)
        else:
            return
        self._closed = True
        self._fail(self._waiting, StoreUnavailable("the writer was stopped"))

    async def _together(self, pieces: Sequence[Piece[object]]) -> None:
        """All in one transaction; should SQLite give that up, each in its own."""
        try:
            await self._attempt(pieces)
        except Lost as lost:
            if len(pieces) == 1:
                self._fail(pieces, lost)
                return
            for piece in pieces:
                await self._together([piece])

    async def _attempt(self, pieces: Sequence[Piece[object]]) -> None:
        """One transaction from BEGIN to COMMIT, and the news of it."""
        start = self._chain.head
        try:
            await self._begin()
        except apsw.Error as error:
            self._fail([*pieces, *self._waiting], error)
            self._waiting.clear()
            return
        try:
            point("store.begin")
            if not self._all(pieces):
                self._chain.head = start
                await self._begin()
                for piece in pieces:
                    self._alone(piece)
            point("store.before_commit")
            await self._on_thread(self._commit)
        except (Lost, apsw.Error) as error:
            self._chain.head = start
            self._undo()
            raise Lost("the group was rolled back") from as_said(error)
        point("store.after_commit")
        for piece in pieces:
            piece.settle()

    async def _begin(self) -> None:
        """Take the write lock: at once on the loop, or with patience elsewhere."""
        self._undo()
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except apsw.BusyError:
            await self._on_thread(self._begin_patiently)

    def _begin_patiently(self) -> None:
        self._db.set_busy_timeout(PATIENCE)
        try:
            self._db.execute("BEGIN IMMEDIATE")
        finally:
            self._db.set_busy_timeout(0)

    def _undo(self) -> None:
        """Leave a transaction that failed; should even that fail, the next group tries again before it begins."""
        if self._db.in_transaction:
            with suppress(apsw.Error):
                self._db.execute("ROLLBACK")

    def _commit(self) -> None:
        self._db.execute("COMMIT")

    def _all(self, pieces: Sequence[Piece[object]]) -> bool:
        """Every unit, one behind the other; False: one failed, and nobody can say which of the changes were its own.

        That is rare, and a savepoint for each would cost every group a tenth of its time.
        """
        for piece in pieces:
            try:
                piece.run(self._db, self._chain)
            except Exception as error:
                if not self._db.in_transaction:
                    raise Lost("the transaction ended inside a unit") from error
                return False
            point("store.unit.done")
        return True

    def _alone(self, piece: Piece[object]) -> None:
        """One unit in its savepoint: what fails here concerns its caller only, while the transaction stands."""
        before = self._chain.head
        self._db.execute("SAVEPOINT unit")
        try:
            piece.run(self._db, self._chain)
            point("store.unit.done")
        except Exception as error:
            if not self._db.in_transaction:
                raise Lost("the transaction ended inside a unit") from error
            self._db.execute("ROLLBACK TO unit")
            self._chain.head = before
            piece.error = error
        self._db.execute("RELEASE unit")

    async def _on_thread(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _fail(self, pieces: Iterable[Piece[object]], error: BaseException) -> None:
        for piece in pieces:
            piece.error = error
            piece.settle()
