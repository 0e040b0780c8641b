"""One at a time per client within a process, without remembering clients nobody waits for."""

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """A lock per client key that lives as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: bytes) -> asyncio.Lock:
        """The lock to enter with ``async with``."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock

    def __len__(self) -> int:
        """How many clients have a turn now."""
        return len(self._locks)
