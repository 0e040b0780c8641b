"""Room for strangers: how many more may come before somebody counts again (C-05, X-33).

A counter in every transaction would be exact, and each approval and each removal of whatever version of this program would have to
keep it so. A count of what is there needs nobody's help; it is rare, and takes place beside everything else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from calling_card.protocol.clients import Tier

SHARE = 10
"""What part of the limit is handed out on one count: so much may each further process add to it."""
PAUSE = 10
"""Seconds between two counts while there is no room."""


class Room:
    """What the last count left. Within one process the limit is kept to the last one; who waits to be written is counted too."""

    def __init__(self, count: Callable[[int], Awaitable[int]], now: Callable[[], int]) -> None:
        """``count``: how many are there, at most so many."""
        self._count = count
        self._now = now
        self._left = 0
        self._coming = 0
        self._full_at: int | None = None
        self._counted: asyncio.Event | None = None
        """Set when the count that is under way is done. A lock would let in one of those who wait in each pass of the loop."""

    async def take(self, most: int) -> bool:
        """Let one in who will `leave` when it is written, or is not; False: there are as many as there may be."""
        if not self._left:
            await self._look(most)
        if not self._left:
            return False
        self._left -= 1
        self._coming += 1
        return True

    def leave(self) -> None:
        """One that was let in is done."""
        self._coming -= 1

    def place(self, most: int) -> "Place":
        """A place for one for as long as the block takes; False: there was no room. ``most`` 0: nobody counts."""
        return Place(self, most)

    async def _look(self, most: int) -> None:
        """Count, unless somebody did while we waited; nobody is let in meanwhile, and then all who waited are at once.

        Who was on the way may have been counted twice, so that such a count says for sure only that there is room.
        """
        while self._counted is not None:
            await self._counted.wait()
        if self._left or self._was_full():
            return
        self._counted = asyncio.Event()
        try:
            coming = self._coming
            room = most - coming - await self._count(most)
            self._left = min(max(room, 0), max(most // SHARE, 1))
            self._full_at = None if self._left or coming else self._now()
        finally:
            self._counted.set()
            self._counted = None

    def _was_full(self) -> bool:
        """Whether a count found no room just now; a clock that was set back counts again."""
        return self._full_at is not None and 0 <= self._now() - self._full_at < PAUSE


class Place:
    """A place that is taken at the beginning of a block and given back at its end; every registration passes by here."""

    def __init__(self, room: Room, most: int) -> None:
        """See `Room.place`."""
        self._room = room
        self._most = most
        self._taken = False

    async def __aenter__(self) -> bool:
        """Whether there was room."""
        if not self._most:
            return True
        self._taken = await self._room.take(self._most)
        return self._taken

    async def __aexit__(self, *_: object) -> None:
        """However the block ended."""
        if self._taken:
            self._room.leave()


class Rooms:
    """A room for each tier."""

    def __init__(self, count: Callable[[Tier, int], Awaitable[int]], now: Callable[[], int]) -> None:
        """``count``: how many clients of a tier are there, at most so many."""
        self._count = count
        self._now = now
        self._rooms: dict[Tier, Room] = {}

    def place(self, tier: Tier, most: int) -> AbstractAsyncContextManager[bool]:
        """See `Store.place`."""
        return self._rooms.setdefault(tier, Room(partial(self._count, tier), self._now)).place(most)
