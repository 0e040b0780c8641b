"""What a process that starts another one of this program hands to it: the listening sockets, a line between the two, a worker's share.

The sockets are opened once and inherited from then on, so that what waits in their queue is never dropped, whoever ends.
"""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from calling_card.cli.tally import Share, Tally
from calling_card.settings import Settings, is_loopback

READY, RELIEVED = b"r", b"e"
"""What the one that was started says, and what it is told when others have taken over."""
PATIENCE = 60
"""Seconds that a process has to get ready."""
NOT_READY = "the new process did not get ready; it said why on its standard error"
_HANDED = "CALLING_CARD_HANDED"
_SHARE = "CALLING_CARD_SHARE"
"""Apart, for the one that is started may be of another version: its cell, and the descriptor of the tally."""
_WORKER, _SUCCESSOR = "worker", "successor"
_FIRST = 3
"""The first descriptor that a service manager hands over (sd_listen_fds)."""
_BACKLOG = 2048


class CannotListen(Exception):
    """The address is taken or not ours."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What this process was given by the one that started it."""

    sockets: Sequence[socket.socket]
    line: socket.socket
    worker: bool
    """Whether it serves beside others under a supervisor; else it takes the place of the one that started it."""
    share: Share | None
    """A worker's, of the callers; None: it has none, and gives way to nobody."""

    def ready(self) -> None:
        """Say that we accept; to nobody, should the other have ended meanwhile."""
        try:
            self.line.send(READY)
        except OSError:
            return


def handed() -> Handed | None:
    """What was handed to this process, once; None: it was started by somebody else."""
    said, share = os.environ.pop(_HANDED, "").split(), os.environ.pop(_SHARE, "").split()
    if not said:
        return None
    line, *sockets = (socket.socket(fileno=int(number)) for number in said[1:])
    return Handed(sockets, line, said[0] == _WORKER, Share(Tally(int(share[1])), int(share[0])) if share else None)


def listening(settings: Settings) -> Sequence[socket.socket]:
    """The sockets of a service manager, or else new ones on our address. Raises `CannotListen`."""
    where = f"{settings.host}:{settings.port}"
    try:
        return _activated(settings) or _bound(settings.host, settings.port)
    except OSError:
        raise CannotListen(f"cannot listen on {where}; is another server there?") from None


def _activated(settings: Settings) -> Sequence[socket.socket]:
    """What systemd opened for us; never wider than the settings say, which decides whether http is good enough (A-91)."""
    ours = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    count = os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    found = [socket.socket(fileno=_FIRST + number) for number in range(int(count) if ours and count.isdecimal() else 0)]
    for one in found:
        if one.family not in (socket.AF_INET, socket.AF_INET6):
            raise CannotListen("the socket that was handed over is no TCP socket")
        if is_loopback(settings.host) and not is_loopback(str(one.getsockname()[0])):
            raise CannotListen("the socket that was handed over listens beyond this machine; set host to its address")
    return found


def _bound(host: str, port: int) -> Sequence[socket.socket]:
    """Listening already: who connects while the first worker gets ready waits and is answered."""
    made: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(
        socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    ):
        one = socket.socket(family, kind, protocol)
        made.append(one)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen(_BACKLOG)
    return made


class Child:
    """Another process of this program, started by this one with the same command line."""

    def __init__(self, process: Process, line: socket.socket, leave: Callable[[], None]) -> None:
        """``line`` is our end; ``leave`` is called when it has ended."""
        self._process = process
        self._line = line
        self._leave = leave

    @classmethod
    async def start(cls, sockets: Sequence[socket.socket], *, worker: bool, tally: Tally | None = None) -> "Child":
        """Start one; a worker is out of reach of what a terminal sends to its foreground (Ctrl-C), and has a share of the ``tally``."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        cell = tally.take() if tally else 0
        with theirs:
            numbers = [theirs.fileno(), *(one.fileno() for one in sockets)]
            said = {_HANDED: " ".join([_WORKER if worker else _SUCCESSOR, *map(str, numbers)])}
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *sys.orig_argv[1:],
                env={**os.environ, **said, **({_SHARE: f"{cell} {tally.descriptor}"} if tally else {})},
                stdin=DEVNULL,
                pass_fds=[*numbers, tally.descriptor] if tally else numbers,
                start_new_session=worker,
            )
        return cls(process, ours, partial(tally.free, cell) if tally else lambda: None)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ready(self) -> bool:
        """Wait until it accepts; False: it ended, or took too long and is stopped."""
        try:
            async with asyncio.timeout(PATIENCE):
                if await asyncio.get_running_loop().sock_recv(self._line, 1) == READY:
                    return True
        except (OSError, TimeoutError):
            self.signal(signal.SIGTERM)
        return False

    def relieve(self) -> None:
        """Others have taken over: it finishes what it has, and lets who is connected come once more."""
        try:
            self._line.send(RELIEVED)
        except OSError:
            return

    def signal(self, number: int) -> None:
        """Send it a signal, should it still be there."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end; how it ended, negative: by that signal."""
        code = await self._process.wait()
        self._line.close()
        self._leave()
        return code


def hear(line: socket.socket, said: Callable[[bytes], None]) -> None:
    """Have every word of the one that started us told; an empty one: it is gone."""
    loop = asyncio.get_running_loop()
    line.setblocking(False)

    def heard() -> None:
        word = line.recv(1)
        if not word:
            loop.remove_reader(line)
        said(word)

    loop.add_reader(line, heard)


async def successor(sockets: Sequence[socket.socket], log: Callable[..., None]) -> bool:
    """Start this program anew, as it is now, and wait until it serves in our place; False: it does not, and the log says so."""
    child = await Child.start(sockets, worker=False)
    if await child.ready():
        return True
    log("not_replaced", level="error", problem=NOT_READY, status=await child.ended())
    return False
