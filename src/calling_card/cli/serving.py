"""``calling-card serve``: the server on its data folder until it is told to stop (A-92)."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import time
from collections.abc import Callable, Generator, Sequence
from typing import cast

import uvicorn
import uvloop

from calling_card.cli import desk
from calling_card.cli.door import Door
from calling_card.cli.greeting import greet
from calling_card.cli.handing import RELIEVED, CannotListen, Handed, hear, listening, successor
from calling_card.cli.tally import Share
from calling_card.jobs.policy import keep_policy
from calling_card.jobs.prune import keep_pruning
from calling_card.jobs.webhooks import keep_delivering
from calling_card.logs import Relay
from calling_card.ports import Ports
from calling_card.settings import BadSettings, Settings
from calling_card.wiring import UNREACHABLE, keep_noting, opened, wire

_CLOSE = (b"connection", b"close")
LAST_MOMENT = 1.0
"""Seconds in which a request that was on its way when we were told to stop is still answered."""
RELIEVED_MOMENT = 15.0
"""The same when others serve already, so that nobody waits for our end."""


class Server(uvicorn.Server):
    """uvicorn, but a signal only asks for the end: what is open is finished and the store is closed in order."""

    def __init__(self, config: uvicorn.Config, ending: asyncio.Event, share: Share | None = None) -> None:
        """``listening`` is set when start-up has ended, well or badly; ``ending`` from the moment on in which nobody new is accepted.

        ``share``: of the callers, which are other workers' too.
        """
        super().__init__(config)
        self._share = share
        self.listening = asyncio.Event()
        self._ending = ending
        self._patience = LAST_MOMENT
        self._doors: Sequence[Door] = ()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept, and say so; at doors of our own, so uvicorn gets no socket."""
        try:
            await super().startup([])
            self._doors = [Door(one, self._connected, self._leads) for one in sockets or ()]
        finally:
            self.listening.set()

    def _connected(self) -> asyncio.Protocol:
        made = cast(Callable[..., asyncio.Protocol], self.config.http_protocol_class)
        return made(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def _leads(self) -> bool:
        return self._share is not None and self._share.leads(self._callers)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second the other workers hear of callers who left."""
        if self._share is not None and not self.should_exit:
            self._share.tell(self._callers)
        return await super().on_tick(counter)

    def end(self, patience: float) -> None:
        """Accept nobody any more; who is connected has so many seconds to ask once more."""
        self._ending.set()
        for door in self._doors:
            door.close()
        if self._share is not None:
            self._share.leave()
        self._patience = patience
        self.should_exit = True
        self._say_goodbye()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Hang up on nobody but who says nothing for a while.

        To hang up between two requests, as uvicorn does, would lose the one that is on its way to us (RFC 9112 §9.6).
        """
        self._say_goodbye()
        until = time.monotonic() + self._patience
        while self._callers and not self.force_exit and time.monotonic() < until:  # noqa: ASYNC110 - nobody tells of the last
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    @property
    def _callers(self) -> int:
        """Whoever was let in counts, be it a moment ago: nobody else hears what they ask."""
        return len(self.server_state.connections) + sum(door.coming for door in self._doors)

    def _say_goodbye(self) -> None:
        """Have every answer from here on say that it is the last one of its connection."""
        state = self.server_state
        state.default_headers = [*(header for header in state.default_headers if header != _CLOSE), _CLOSE]

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """SIGINT and SIGTERM stop accepting and let running requests finish."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.end, LAST_MOMENT)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def serve(settings: Settings, handed: Handed | None = None) -> None:
    """Serve until stopped; ends the process with 3 when the data folder or the port cannot be used."""
    try:
        uvloop.run(_serve(settings, handed))
    except (*UNREACHABLE, BadSettings, CannotListen) as error:
        desk.fail(str(error), desk.UNREACHABLE)


async def _serve(settings: Settings, handed: Handed | None) -> None:
    if handed and handed.worker:
        _deaf_to_what_is_meant_for_all()
    async with opened(settings) as ports:
        logging.getLogger().addHandler(Relay(ports.log))
        server = Server(wire(ports), ports.ending, handed.share if handed else None)
        sockets = handed.sockets if handed else listening(settings)
        serving = asyncio.create_task(server.serve(list(sockets)))
        beside = [asyncio.create_task(loop(ports)) for loop in (keep_noting, keep_pruning, keep_delivering)]
        judging = _judge_by_the_newest(ports)
        try:
            await server.listening.wait()
            if server.started:
                gc.freeze()  # what was loaded stays: looking through it again and again would make everybody wait
                _begin(server, ports, sockets, handed)
            await serving
        finally:
            for task in (*beside, judging):
                task.cancel()


def _begin(server: Server, ports: Ports, sockets: Sequence[socket.socket], handed: Handed | None) -> None:
    """Say that we serve, and from here on hear when to end."""
    if handed and handed.worker:
        hear(handed.line, lambda word: server.end(RELIEVED_MOMENT if word == RELIEVED else LAST_MOMENT))
    else:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, _replaced(server, ports, sockets))
        greet(ports.settings)
    if handed:
        handed.ready()


def _deaf_to_what_is_meant_for_all() -> None:
    """A service manager may send a signal to every process; a worker leaves these to the one that watches over it."""
    for number in (signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def _replaced(server: Server, ports: Ports, sockets: Sequence[socket.socket]) -> Callable[[], None]:
    """What starts a successor, one at a time, and ends this process when it serves."""
    running: set[asyncio.Task[None]] = set()

    async def replace() -> None:
        if await successor(sockets, ports.log):
            server.end(RELIEVED_MOMENT)

    def begin() -> None:
        if not running and not server.should_exit:
            running.add(task := asyncio.create_task(replace()))
            task.add_done_callback(running.discard)

    return begin


def _judge_by_the_newest(ports: Ports) -> asyncio.Future[None]:
    """Where there is a policy file, SIGHUP has it read again, and so has its change."""
    loop = asyncio.get_running_loop()
    if not ports.settings.policy_file:
        return loop.create_future()
    asked = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    return loop.create_task(keep_policy(ports, asked))
