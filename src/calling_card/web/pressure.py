"""How much may begin at once, so that nobody waits long behind the others (docs/decisions/0017)."""

import logging
from asyncio import AbstractEventLoop

_A_SECOND = 4096
"""Requests that a second is thought to hold while nothing is known about what they cost."""
_FEW = 16
"""So many may always."""
_log = logging.getLogger(__name__)


class Pressure:
    """A pass of the loop reads what has arrived, then works on it; who arrives meanwhile waits for all of it.

    So the length of a pass is how long people wait, and the number of requests that begin in one is what makes it long or short.
    """

    def __init__(self, limit: float) -> None:
        """``limit`` is how many seconds a pass may last."""
        self._limit = limit
        self._first = max(_FEW, int(limit * _A_SECOND))
        self._room = self._first
        self._came = 0
        """Requests that wanted to begin in this pass."""
        self._since: float | None = None
        """When this pass began; None: nobody asks."""

    def admits(self, loop: AbstractEventLoop) -> bool:
        """Whether one more request may begin in this pass."""
        if self._since is None:
            self._next(loop)
        self._came += 1
        return self._came <= self._room

    def _next(self, loop: AbstractEventLoop) -> None:
        self._since, self._came = loop.time(), 0
        loop.call_soon(self._passed, loop, self._since)

    def _passed(self, loop: AbstractEventLoop, since: float) -> None:
        """Too long: fewer next time. Short, and some were turned away: a few more. Nobody came: as in the beginning."""
        took = loop.time() - since
        if not self._came:
            self._since, self._room = None, self._first
            return
        if self._came > self._room:
            _log.warning("requests were turned away: too many at once")
        if took > self._limit:
            self._room = max(_FEW, int(min(self._came, self._room) * self._limit / took))
        elif self._came > self._room:
            self._room += self._room // 8
        self._next(loop)
