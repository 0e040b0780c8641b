"""Lanes: each is a connection that writes, with an audit chain of its own and a queue of the units that it does one after the other.

A unit goes to the lane of the client or person that it is about, so that units about one of them never meet within a process. What
waits for a lane goes together where that saves messages; who waits alone is done in one, if the unit can be said in one statement.

Nobody can say how a COMMIT ended whose answer did not come. Such a unit is not tried again and its caller is told that the database is
unavailable; the lane goes on with a new connection and, because the events may or may not be there, with a new chain.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from calling_card.faults import point
from calling_card.ports import StoreUnavailable
from calling_card.protocol.life.webhooks import Bookmark
from calling_card.store import rows
from calling_card.store import statements as sql
from calling_card.store.chain import Chain, Head
from calling_card.store.database import Values
from calling_card.store.postgres.connection import Connection, changes
from calling_card.store.postgres.dialect import sentence, text_of, values_of
from calling_card.store.postgres.pool import Pool
from calling_card.store.postgres.troubles import FAILURES, Trouble, as_said, trouble, undone
from calling_card.store.steps import Answer, Change, Hold, Look, Many, Note, Settle, Step, Steps, Unit

MOST = 64
"""Units that go together at most: what waits behind them stays short."""
TRIES = 4
"""How often a unit of which nothing was kept is begun in all."""
PAUSE = 0.01
"""Seconds before the second try; twice as long before each further one."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Undone(Exception):
    """Nothing of it was kept, and another try may do better."""


class Unknown(StoreUnavailable):
    """The connection broke off while it was being kept, and nobody can say whether it was."""


class Piece(Generic[T_co]):
    """A unit on its way, and the caller who waits for it."""

    def __init__(self, unit: Unit[T_co], place: bytes) -> None:
        self.future: asyncio.Future[T_co] = asyncio.get_running_loop().create_future()
        self.place = place
        self.step: Step | None = None
        """What it asks for now; None: it has said its result."""
        self.fresh = False
        """Whether its first step still waits for its answer."""
        self._unit = unit
        self._steps: Steps[T_co] | None = None
        self._results: list[T_co] = []

    def begin(self) -> Step | None:
        """Its first step; what an earlier run did was rolled back."""
        if not self.fresh:
            self._results, self._steps = [], self._unit()
            self.go_on(None)
            self.fresh = True
        return self.step

    def go_on(self, answer: Answer) -> Step | None:
        """Its next step; None: that was the last."""
        if self._steps is None:
            raise RuntimeError("the unit has not begun")
        self.fresh = False
        try:
            self.step = self._steps.send(answer)
        except StopIteration as done:
            self.step = None
            self._results = [done.value]
        return self.step

    def settle(self) -> None:
        """Tell the caller, who may have left."""
        if not self.future.done():
            self.future.set_result(self._results[0])

    def fail(self, error: BaseException) -> None:
        """Tell the caller, who may have left."""
        if not self.future.done():
            self.future.set_exception(as_said(error))


class Lane:
    """One writer."""

    def __init__(self, pool: Pool, chains: Callable[[], Chain]) -> None:
        """``chains``: a new chain of a new writer."""
        self._pool = pool
        self._chains = chains
        self._chain = chains()
        self._connection: Connection | None = None
        self._generation = -1
        self._waiting: deque[Piece[object]] = deque()
        self._under_way: Sequence[Piece[object]] = ()
        self._runner: asyncio.Task[None] | None = None
        self._closed = False

    # The queue --------------------------------------------------------------------------------------------------------------------

    def put(self, unit: Unit[T], place: bytes) -> asyncio.Future[T]:
        """Queue a unit; its future is done when it is durable, or when nothing of it is known to be kept."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        piece = Piece(unit, place)
        self._waiting.append(piece)
        if self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._run())
            self._runner.add_done_callback(self._ended)
        return piece.future

    async def close(self) -> None:
        """Finish what waits, then let go of the connection."""
        self._closed = True
        if self._runner is not None:
            await asyncio.wait([self._runner])
        if self._connection is not None:
            with suppress(*FAILURES):
                await self._connection.close(timeout=1)

    async def _run(self) -> None:
        """Portion after portion until nobody waits."""
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            self._under_way = [piece for piece in taken if not piece.future.done()]
            for portion in portions(self._under_way):
                await self._portion(portion)
        self._runner = None

    def _ended(self, runner: asyncio.Task[None]) -> None:
        """Should the runner be torn down, nothing is taken any more; of what was under way nobody can say how it ended."""
        if not runner.cancelled() and runner.exception() is None:
            return
        self._closed = True
        error = StoreUnavailable("the writer was stopped")
        for piece in [*self._under_way, *self._waiting]:
            piece.fail(error)

    async def _portion(self, pieces: Sequence[Piece[object]]) -> None:
        """Together if that goes; where one stands in the way of the others, or something is in the way of all, each alone."""
        if len(pieces) == 1:
            await self._alone(pieces[0])
            return
        try:
            left = await self._together(pieces)
        except BaseException as error:
            for piece in pieces:
                piece.fail(error)
            if not isinstance(error, Exception):
                raise
        else:
            for piece in left:
                await self._alone(piece)

    async def _alone(self, piece: Piece[object]) -> None:
        """A unit by itself, a few times if it must be."""
        error: BaseException | None = None
        for number in range(TRIES):
            try:
                await self._try(piece)
            except Undone as failed:
                error = failed
                await asyncio.sleep(PAUSE * 2**number)
            except BaseException as failed:
                piece.fail(failed)
                if not isinstance(failed, Exception):
                    raise
                return
            else:
                piece.settle()
                return
        piece.fail(StoreUnavailable(f"tried {TRIES} times: {error}"))

    # One unit ---------------------------------------------------------------------------------------------------------------------

    async def _try(self, piece: Piece[object]) -> None:
        """Once, in one message if it can be said in one statement. Raises `Undone`."""
        connection = await self._connected()
        step = piece.begin()
        if isinstance(step, Settle) and (piece.go_on(await self._say(connection, step)) is None):
            return
        if step is not None:
            await self._transaction(connection, [piece])

    async def _say(self, connection: Connection, step: Settle) -> bool:
        """A step that is a transaction of its own."""
        start = self._chain.head
        text, values = self._sentence(step)
        try:
            point("store.before_commit")
            did = changes(await connection.execute(text, *values)) > 0
            point("store.after_commit")
        except BaseException as error:
            self._chain.head = start
            raise self._judged(error, known=undone(error)) from error
        if not did:
            self._chain.head = start
        return did

    async def _transaction(self, connection: Connection, pieces: Iterable[Piece[object]]) -> None:
        """Everything that these units still have to do. Raises `Undone`."""
        start, sent = self._chain.head, False
        try:
            await connection.execute("BEGIN")
            point("store.begin")
            for piece in pieces:
                await self._finish(connection, piece)
            point("store.before_commit")
            sent = True
            await connection.execute("COMMIT")
            point("store.after_commit")
        except BaseException as error:
            self._chain.head = start
            said = self._judged(error, known=not sent or undone(error))
            await self._roll_back(connection)
            raise said from error

    async def _finish(self, connection: Connection, piece: Piece[object]) -> None:
        """What is left of a unit, in the transaction that is open."""
        while piece.step is not None:
            piece.go_on(await self._answer(connection, piece.step))

    async def _answer(self, connection: Connection, step: Step) -> Answer:
        """Take one step."""
        if isinstance(step, Settle):
            start = self._chain.head
            text, values = self._sentence(step)
            if did := changes(await connection.execute(text, *values)) > 0:
                return did
            self._chain.head = start
            return False
        if isinstance(step, Note):
            recorded = self._chain.append(step.event)
            await connection.execute(text_of(sql.INSERT_EVENT), *rows.event_values(recorded))
            point("store.event")
            return Bookmark(recorded.writer, recorded.number)
        if isinstance(step, Many):
            await connection.executemany(text_of(step.statement), [values_of(step.statement, values) for values in step.values])
            return None
        return await self._ask(connection, step)

    async def _ask(self, connection: Connection, step: Look | Change | Hold) -> Answer:
        """One statement, and what comes back for it."""
        values = values_of(step.statement, step.values)
        if isinstance(step, Look):
            return await connection.fetch(text_of(step.statement), *values)
        return changes(await connection.execute(text_of(step.statement), *values))

    def _sentence(self, step: Settle, *, strict: bool = False) -> tuple[str, Values]:
        """A step as one statement with its values; its event takes the next place in the chain."""
        said: Values = values_of(step.statement, step.values)
        if step.first is not None:
            said = (*values_of(*step.first), *said)
        if step.then is not None:
            said = (*said, *values_of(*step.then))
        if step.event is not None:
            said = (*said, *rows.event_values(self._chain.append(step.event)))
        return pattern(step, strict=strict), said

    # Several units ----------------------------------------------------------------------------------------------------------------

    async def _together(self, pieces: Sequence[Piece[object]]) -> Sequence[Piece[object]]:
        """All in one transaction; returns those of which nothing was kept, and each of which may do better alone."""
        connection = await self._connected()
        try:
            settling = [step for piece in pieces if isinstance(step := piece.begin(), Settle)]
            if len(settling) < len(pieces):
                await self._transaction(connection, pieces)
            elif settling[0].event is not None:
                await self._say_all(connection, pieces, settling)
            else:
                return await self._ask_all(connection, pieces, settling)
        except Unknown:
            raise
        except Exception:  # noqa: BLE001 - each will hear of its own
            return pieces
        for piece in pieces:
            piece.settle()
        return ()

    async def _say_all(self, connection: Connection, pieces: Sequence[Piece[object]], settling: Sequence[Settle]) -> None:
        """Changes that are told, in one message and one transaction: one that changes nothing has no number for its event."""
        start = self._chain.head
        said = [self._sentence(step, strict=True) for step in settling]
        await self._send(connection.executemany(said[0][0], [values for _, values in said]), start)
        for piece in pieces:
            piece.go_on(answer=True)

    async def _ask_all(
        self, connection: Connection, pieces: Sequence[Piece[object]], settling: Sequence[Settle]
    ) -> Sequence[Piece[object]]:
        """Changes that nobody is told of, in one message and one transaction: each that changes something returns its number."""
        said = [self._sentence(step) for step in settling]
        text = f"{said[0][0]} RETURNING ${len(said[0][1]) + 1}::bigint"
        sent = connection.fetchmany(text, [(*values, number) for number, (_, values) in enumerate(said)])
        did = {row[0] for row in await self._send(sent, self._chain.head)}
        left = [piece for number, piece in enumerate(pieces) if piece.go_on(number in did) is not None]
        for piece in pieces:
            if piece not in left:
                piece.settle()
        return left

    async def _send(self, sending: Coroutine[object, object, T], start: Head) -> T:
        """Send one message that is a transaction of its own."""
        try:
            point("store.before_commit")
            answered = await sending
            point("store.after_commit")
        except BaseException as error:
            self._chain.head = start
            raise self._judged(error, known=undone(error)) from error
        return answered

    # Trouble ----------------------------------------------------------------------------------------------------------------------

    async def _connected(self) -> Connection:
        """The connection, or a new one. Raises `StoreUnavailable`, and then everybody who waits is told the same."""
        if self._connection is not None and not self._connection.is_closed() and self._generation == self._pool.generation:
            return self._connection
        self._drop()
        self._generation = self._pool.generation
        try:
            self._connection = await self._pool.reach()
        except StoreUnavailable as error:
            waiting, self._waiting = self._waiting, deque()
            for piece in waiting:
                piece.fail(error)
            raise
        return self._connection

    def _drop(self) -> None:
        """Let go of the connection, and of the chain: nobody can say how its last transaction ended."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
            self._chain = self._chains()

    def _judged(self, error: BaseException, *, known: bool) -> BaseException:
        """What an error becomes: `Undone` where another try may do better, `Unknown` where not even ``known`` is that nothing was kept."""
        kind = trouble(error)
        if kind is Trouble.OURS or not isinstance(error, Exception):
            if not isinstance(error, Exception):
                self._drop()
            return error
        if kind is Trouble.LOST:
            self._drop()
            self._pool.shun(error)
        if not known:
            return Unknown(f"nobody can say whether it was kept: {type(error).__name__}: {error}")
        if kind is Trouble.UNAVAILABLE or isinstance(error, TimeoutError):
            return as_said(error)
        return Undone(str(error))

    async def _roll_back(self, connection: Connection) -> None:
        """Leave a transaction that failed; a connection that does not even do that is of no use."""
        if connection.is_closed():
            return
        try:
            await connection.execute("ROLLBACK")
        except FAILURES:
            self._drop()


def pattern(step: Settle, *, strict: bool = False) -> str:
    """The text of a step as one statement."""
    first, then = (part[0] if part is not None else "" for part in (step.first, step.then))
    return sentence(step.statement, first, then, told=step.event is not None, strict=strict)


def portions(pieces: Sequence[Piece[object]]) -> Iterable[Sequence[Piece[object]]]:
    """What goes together: units that are the same statement with other values, and all that are more than one statement.

    They go in the order of whom they are about: transactions that lock in one order do not wait for each other in a circle.
    """
    found: dict[str, list[Piece[object]]] = {}
    for piece in sorted(pieces, key=lambda piece: piece.place):
        try:
            step = piece.begin()
        except Exception as error:  # noqa: BLE001 - the caller's
            piece.fail(error)
            continue
        alone = f"{len(found)}" if isinstance(step, Many) else ""  # it is about many itself
        found.setdefault(pattern(step) if isinstance(step, Settle) else alone, []).append(piece)
    return list(found.values())
