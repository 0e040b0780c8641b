"""How many fetches there may be at once, in all and from one host (D-36, X-09)."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from calling_card.protocol.abroad.fetching import Unfetched, Why

PATIENCE = 0.5
"""Seconds that one waits for a place: a client's picture should not fail because its keys are on their way."""
CROWD = 4
"""How many may wait for each place."""
SHARE = 0.75
"""Of all places, those that one purpose may have: whoever keeps us busy with documents leaves places for keys."""


class Places:
    """Places to fetch from; who finds none in a moment is turned away."""

    def __init__(self, most: int, most_of_a_host: int, patience: float = PATIENCE) -> None:
        self._all = asyncio.Semaphore(most)
        self._most, self._most_of_a_host = most, most_of_a_host
        self._patience = patience
        self._hosts: dict[str, asyncio.Semaphore] = {}
        self._purposes: dict[str, asyncio.Semaphore] = {}
        self._users: Counter[str] = Counter()
        self._waiting = 0

    @asynccontextmanager
    async def taken(self, host: str, purpose: str) -> AsyncGenerator[None]:
        """A place at this host, for this purpose and among all, given back at the end. Raises `Unfetched`."""
        if self._waiting >= self._most * CROWD:
            raise Unfetched(Why.BUSY, "too many wait for a place already")
        self._users[host] += 1
        own = self._hosts.setdefault(host, asyncio.Semaphore(self._most_of_a_host))
        alike = self._purposes.setdefault(purpose, asyncio.Semaphore(max(1, int(self._most * SHARE))))
        try:
            async with AsyncExitStack() as places:
                await self._enter(places, own, alike)
                yield
        finally:
            self._users[host] -= 1
            if not self._users[host]:
                del self._users[host], self._hosts[host]

    async def _enter(self, places: AsyncExitStack, own: asyncio.Semaphore, alike: asyncio.Semaphore) -> None:
        """The host's place comes first, so that a crowd at one host takes nobody else's."""
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await places.enter_async_context(own)
                await places.enter_async_context(alike)
                await places.enter_async_context(self._all)
        except TimeoutError:
            raise Unfetched(Why.BUSY, f"no place in {self._patience} s") from None
        finally:
            self._waiting -= 1
