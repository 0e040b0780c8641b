"""Work that takes a processor for long: a few at a time, in threads of their own, and the rest is turned away."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

from calling_card.ports import Busy

T = TypeVar("T")


class Pool:
    """So many threads and so many places to wait."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._what = name
        self._room = BoundedSemaphore(threads + waiting)
        self._threads = ThreadPoolExecutor(threads, name)

    async def run(self, work: Callable[[], T]) -> T:
        """What the work returns. Raises `Busy` when every place is taken."""
        if not self._room.acquire(blocking=False):
            raise Busy(f"the threads for {self._what} have enough waiting")
        try:
            running = self._threads.submit(work)
        except RuntimeError:
            self._room.release()
            raise Busy(f"no {self._what} are compared any more") from None
        running.add_done_callback(self._done)
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Let the work end that has begun; whoever still waits is turned away."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _done(self, running: "Future[T]") -> None:
        del running
        self._room.release()
