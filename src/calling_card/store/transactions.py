"""What every verb stands on: reads, units, and the days and sums that go along with them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar, cast

from calling_card.ports import StoreUnavailable
from calling_card.protocol.clients import Tier
from calling_card.protocol.events import Event
from calling_card.store import rows
from calling_card.store import statements as sql
from calling_card.store.database import Values
from calling_card.store.reports import Reports
from calling_card.store.room import Room, Rooms
from calling_card.store.steps import Steps, Unit, changed, each, note, one
from calling_card.store.turns import Turns

T = TypeVar("T")
NOWHERE = b""
"""The place of what is about no client and no person."""
SUMS = 64
"""Sums that are written together."""


class Small(Generic[T]):
    """A table of few rows that hardly change, as objects: the same ones as long as the rows are the same."""

    def __init__(self, make: Callable[[object], T]) -> None:
        """``make`` makes an object of a row."""
        self._make = make
        self._rows: Sequence[Values] = ()
        self._made: Sequence[T] = ()

    def of(self, found: Sequence[Values]) -> Sequence[T]:
        """The objects of these rows."""
        if found != self._rows:
            self._rows, self._made = found, [self._make(row) for row in found]
        return self._made


class Transactions(ABC):
    """A database as the verbs see it."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._turns = Turns()
        self._reports = Reports()
        self._room = Room(self._strangers, now)
        self._tiers = Rooms(self._of_a_tier, now)
        self._days: dict[tuple[bytes, bytes], int] = {}
        self._probed: tuple[int, bool] = (-1, False)
        self._resources = Small(rows.resource_of)
        self._signing_keys = Small(rows.signing_key_of)

    @abstractmethod
    async def _read(self, statement: str, values: Values = ()) -> Sequence[Values]:
        """What a statement finds now, and no read transaction behind it."""

    async def _look(self, statement: str) -> Sequence[Values]:
        """The same of a small table that everybody asks."""
        return await self._read(statement)

    @abstractmethod
    async def _scan(self, statement: str, values: Values) -> Sequence[Values]:
        """The same for a walk over many rows, in nobody's way."""

    @abstractmethod
    def _put(self, unit: Unit[T], place: bytes) -> asyncio.Future[T]:
        """Have a unit done; the future is done when it is durable, or when nothing of it is kept. ``place``: whom it is about."""

    @property
    @abstractmethod
    def _closed(self) -> bool:
        """Whether units are refused by now."""

    async def _write(self, unit: Unit[T], place: bytes = NOWHERE) -> T:
        """Durable when it returns."""
        self._send_along(place)
        return await self._put(unit, place)

    async def _one(self, statement: str, values: Values, event: Event | None, place: bytes = NOWHERE) -> bool:
        """Change one row with its event; False, and nothing is kept: there is no row of which that is still true."""
        return await self._write(lambda: one(statement, values, event), place)

    async def _strangers(self, most: int) -> int:
        """How many clients there are that came as strangers and that nobody ever approved, at most so many."""
        return cast("int", (await self._scan(sql.STRANGERS, (most,)))[0][0])

    async def _of_a_tier(self, tier: Tier, most: int) -> int:
        """How many clients of a tier there are, at most so many."""
        return cast("int", (await self._scan(sql.OF_A_TIER, (tier.value, most)))[0][0])

    def place(self, tier: Tier, most: int) -> AbstractAsyncContextManager[bool]:
        """See `Store.place`."""
        return self._tiers.place(tier, most)

    def _send_along(self, place: bytes = NOWHERE, *, rest: bool = False) -> None:
        """Queue the days and sums that wait, in front of the next write; what fails, or finds no room, waits again."""
        if self._days:
            days, self._days = self._days, {}
            self._send(lambda: remember(days), place, lambda: self._keep_days(days))
        sums = self._reports.rest() if rest else self._reports.due(self._now())
        for first in range(0, len(sums), SUMS):
            self._send_sums(sums[first : first + SUMS], place)

    def _send_sums(self, sums: Sequence[Event], place: bytes) -> None:
        def keep() -> None:
            for event in sums:
                self._reports.keep(event)

        self._send(lambda: told(sums), place, keep)

    def _send(self, unit: Unit[None], place: bytes, keep: Callable[[], None]) -> None:
        """Nobody waits for it, so nobody hears of it either when it fails."""
        try:
            sent = self._put(unit, place)
        except StoreUnavailable:
            keep()
        else:
            sent.add_done_callback(lambda done: keep() if done.cancelled() or done.exception() is not None else None)

    def _keep_days(self, days: dict[tuple[bytes, bytes], int]) -> None:
        self._days = {**days, **self._days}

    async def ready(self) -> bool:
        """See `Store.ready`: a real write, tried at most once a second however often it is asked."""
        second = self._now()
        if self._probed[0] != second:
            self._probed = (second, await self._probe(second))
        return self._probed[1] and not self._closed

    async def _probe(self, second: int) -> bool:
        """Whether a read and a durable write succeed."""
        try:
            await self._read(sql.STANDS, (NOWHERE, 0))
            await self._write(lambda: changed(sql.PROBE, (str(second).encode(),)))
        except StoreUnavailable:
            return False
        return True


def remember(days: Mapping[tuple[bytes, bytes], int]) -> Steps[None]:
    """Write the days of use that waited."""
    yield from each(sql.REMEMBER_DAY, [(day, key, incarnation, day) for (key, incarnation), day in sorted(days.items())])


def told(events: Sequence[Event]) -> Steps[None]:
    """Events that go with no other change."""
    for event in events:
        yield from note(event)
