"""Who works on requests: one hand takes one after the other, until it has to wait for something."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class Hands:
    """A task of its own costs about as much as everything else that the loop does for a small request, and most never wait.

    So what begins in one pass of the loop is done by one task. Should that have to wait, each of the others gets a task too. Nothing
    begins in the pass in which it was read, or before what was called for until then: see `passes`.
    """

    def __init__(self) -> None:
        """Nothing is due."""
        self.tasks: set[asyncio.Task[None]] = set()
        """Those at work."""
        self._due: deque[Work] = deque()
        """What the hand does that is called in this pass."""

    @property
    def busy(self) -> int:
        """How many requests are under way."""
        return len(self._due) + len(self.tasks)

    def take(self, loop: asyncio.AbstractEventLoop, work: Work, *, waits: bool) -> None:
        """Begin in the next pass. ``waits``: it will have to, as whatever writes has to, so it stands in nobody's way from the start."""
        if waits:
            self._hire(loop, work)
            return
        self._due.append(work)
        if len(self._due) == 1:
            self._hire(loop, partial(_one_by_one, self._due))
            loop.call_soon(self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Whoever was called has begun by now. Is anything left, it has to wait, and nothing is left to it."""
        left, self._due = self._due, deque()
        while left:
            self._hire(loop, left.popleft())

    def _hire(self, loop: asyncio.AbstractEventLoop, work: Work) -> None:
        task = loop.create_task(work())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def _one_by_one(due: deque[Work]) -> None:
    while due:
        await due.popleft()()
