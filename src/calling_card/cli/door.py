"""Where callers come in: the more at a time the longer others wait (docs/decisions/0017)."""

import asyncio
import select
import socket
from collections.abc import Callable

_MOST = 128
"""Callers let in at a time."""
_WAY = 0.002
"""Seconds until the next look when a worker that has fewer callers is to go first."""
_LOOKS = 10
"""So often it is given way to; then it is too busy to come, and everybody who waits is let in here."""
_REST = 1.0
"""Seconds until the next look when the process has no descriptor left for another caller."""


class Door:
    """Accepts on one socket.

    A server of the loop lets in one caller in a pass, however long the pass is: where passes are long, whoever is new would wait for
    seconds while those who are in are served again and again.
    """

    def __init__(
        self, listening: socket.socket, protocol: Callable[[], asyncio.Protocol], leads: Callable[[], bool] = lambda: False
    ) -> None:
        """The socket may be shared with other workers; ``leads``: another one is to go first, as long as it comes (0022)."""
        listening.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._protocol = protocol
        self._leads = leads
        self._gave_way = 0
        self._next = 1
        self._coming: set[asyncio.Task[tuple[asyncio.Transport, asyncio.Protocol]]] = set()
        self._resting: asyncio.TimerHandle | None = None
        self._open()

    def close(self) -> None:
        """Let nobody in any more, however often it is said. Whoever comes is refused, unless another process has the socket."""
        if self._listening.fileno() < 0:
            return
        self._loop.remove_reader(self._listening)
        self._listening.close()
        if self._resting is not None:
            self._resting.cancel()

    @property
    def coming(self) -> int:
        """How many were let in who are no connections yet."""
        return len(self._coming)

    def _open(self) -> None:
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        """One; as long as others wait still, twice as many as the last time."""
        for _ in range(self._next):
            if self._gave_way < _LOOKS and self._leads():
                self._gave_way += 1
                self._rest(_WAY, self._look_again)
                return
            try:
                caller, _ = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                self._next, self._gave_way = 1, 0
                return
            except OSError:
                self._rest(_REST, self._open)
                return
            self._let_in(caller)
        self._next = min(_MOST, 2 * self._next)

    def _rest(self, seconds: float, then: Callable[[], None]) -> None:
        """Who waits at the door would be reported again and again, and is not to be let in now, or cannot be: no descriptor is left."""
        self._loop.remove_reader(self._listening)
        self._resting = self._loop.call_later(seconds, then)

    def _look_again(self) -> None:
        """Once nobody waits any more, another worker came, and is given way to anew."""
        waiting = select.poll()
        waiting.register(self._listening, select.POLLIN)
        if not waiting.poll(0):
            self._gave_way = 0
        self._open()

    def _let_in(self, caller: socket.socket) -> None:
        caller.setblocking(False)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, caller))
        self._coming.add(task)
        task.add_done_callback(self._came)

    def _came(self, task: asyncio.Task[tuple[asyncio.Transport, asyncio.Protocol]]) -> None:
        """Who left before coming in is nobody's failure."""
        self._coming.discard(task)
        if not task.cancelled():
            task.exception()
