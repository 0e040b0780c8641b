"""What every verb on SQLite stands on: reads at once, writes in groups, events and sums that go with them."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import TypeVar, cast

import apsw

from calling_card.faults import point
from calling_card.ports import StoreUnavailable
from calling_card.protocol.clients import Client, Tier
from calling_card.protocol.events import Event
from calling_card.store import files, rows
from calling_card.store import statements as sql
from calling_card.store.chain import Chain
from calling_card.store.database import Database, Values
from calling_card.store.group import UNAVAILABLE, Groups, Unit, as_said
from calling_card.store.reports import Reports
from calling_card.store.room import Room, Rooms
from calling_card.store.rules import birth
from calling_card.store.turns import Turns

T = TypeVar("T")


class Transactions:
    """One file with a connection that reads, one that writes, and the chain of this writer."""

    def __init__(self, db: Database, reader: Database, chain: Chain, now: Callable[[], int]) -> None:
        """``db`` writes and belongs to the groups from now on; ``reader`` may be the same only where nobody reads during a write."""
        self._reader = reader
        self._chain = chain
        self._groups = Groups(db, chain)
        self._db = db
        self._path = Path(db.filename)  # asked now: while another thread commits, the connection answers nobody
        self._now = now
        self._turns = Turns()
        self._reports = Reports()
        self._room = Room(self._strangers, now)
        self._tiers = Rooms(self._of_a_tier, now)
        self._days: dict[tuple[bytes, bytes], int] = {}
        self._probed: tuple[int, bool] = (-1, False)

    def _read(self, statement: str, values: Values = ()) -> list[Values]:
        """All rows, so that no read transaction stays open."""
        try:
            return self._reader.execute(statement, values).fetchall()
        except UNAVAILABLE as error:
            raise as_said(error) from error

    def _scan(self, statement: str, values: Values) -> list[Values]:
        """Rows of a walk over everything, on a connection of its own."""
        db = files.reading(self._path)
        try:
            return db.execute(statement, values).fetchall()
        finally:
            db.close()

    async def _strangers(self, most: int) -> int:
        """How many clients there are that came as strangers and that nobody ever approved, at most so many."""
        return await self._counted(sql.STRANGERS, (most,))

    async def _of_a_tier(self, tier: Tier, most: int) -> int:
        """How many clients of a tier there are, at most so many."""
        return await self._counted(sql.OF_A_TIER, (tier.value, most))

    async def _counted(self, statement: str, values: Values) -> int:
        """A count over many rows does not run on the loop."""
        try:
            found = await asyncio.to_thread(self._scan, statement, values)
        except UNAVAILABLE as error:
            raise as_said(error) from error
        return cast("int", found[0][0])

    def place(self, tier: Tier, most: int) -> AbstractAsyncContextManager[bool]:
        """See `Store.place`."""
        return self._tiers.place(tier, most)

    async def _write(self, unit: Unit[T]) -> T:
        """Durable when it returns."""
        self._send_along()
        return await self._groups.put(unit)

    async def _one(self, statement: str, values: Values, event: Event | None) -> bool:
        """Change one row with its event; False, and nothing is kept: there is no row of which that is still true."""

        def unit(db: Database) -> bool:
            if not changed(db, statement, values):
                return False
            if event is not None:
                self._note(db, event)
            return True

        return await self._write(unit)

    def _bear(self, db: Database, client: Client, event: Event | None) -> bool:
        """Give a row to a client that lived on its card alone; False: it has one, or had one. ``event``: what else happens by this."""
        if there(db, sql.BURIED, (client.key,)) or not changed(db, sql.INSERT_CLIENT, rows.client_values(client)):
            return False
        self._note(db, birth(client, event, self._now()))
        return True

    def _note(self, db: Database, event: Event) -> None:
        """Put an event into the transaction that it belongs to."""
        db.execute(sql.INSERT_EVENT, rows.event_values(self._chain.append(event)))
        point("store.event")

    def _send_along(self, *, rest: bool = False) -> None:
        """Queue the days and sums that wait, in front of the next write; what fails waits again."""
        if self._days:
            days, self._days = self._days, {}
            self._groups.put(lambda db: remember(db, days)).add_done_callback(lambda done: self._keep_days(done, days))
        for event in self._reports.rest() if rest else self._reports.due(self._now()):
            self._send_sum(event)

    def _send_sum(self, event: Event) -> None:
        def keep(done: asyncio.Future[None]) -> None:
            if done.cancelled() or done.exception() is not None:
                self._reports.keep(event)

        self._groups.put(lambda db: self._note(db, event)).add_done_callback(keep)

    def _keep_days(self, done: asyncio.Future[None], days: dict[tuple[bytes, bytes], int]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._days = {**days, **self._days}

    async def _probe(self, second: int) -> bool:
        """Whether a read and a durable write succeed."""
        try:
            self._read(sql.HEAD, (self._chain.writer,))
            await self._write(lambda db: changed(db, sql.PROBE, (str(second).encode(),)))
        except StoreUnavailable:
            return False
        return True

    def _let_go(self) -> None:
        """Fold the log into the file and close; a log that cannot be folded in now is kept and read at the next start."""
        point("store.closed")
        if self._reader is not self._db:
            self._reader.close()
        with suppress(*UNAVAILABLE):
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._db.close()


def changed(db: Database, statement: str, values: Values) -> bool:
    """Run a statement and say whether it changed a row."""
    db.execute(statement, values)
    return db.changes() > 0


def there(db: Database, statement: str, values: Values) -> bool:
    """Whether there is a row."""
    return bool(db.execute(statement, values).fetchall())


def remember(db: Database, days: Mapping[tuple[bytes, bytes], int]) -> None:
    """Write the days of use that waited."""
    for (key, incarnation), day in days.items():
        db.execute(sql.REMEMBER_DAY, (day, key, incarnation, day))
