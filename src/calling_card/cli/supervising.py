"""Several processes serve on one socket; one more watches over them, reloads them, and lets a new version take its place."""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeVar

from calling_card.cli import desk
from calling_card.cli.greeting import greet, notify
from calling_card.cli.handing import NOT_READY, CannotListen, Child, Handed, listening, successor
from calling_card.cli.tally import Tally
from calling_card.logs import Log
from calling_card.settings import BadSettings, Settings

T = TypeVar("T")
_LIMIT = 45
"""Seconds after which a worker that was asked to end is ended."""
_HEALTHY = 10
"""Seconds after which a worker that dies did not die of its start."""
_SHORTEST, _LONGEST = 0.5, 30.0
"""Seconds until the next try when workers die young; each time twice as many."""


def supervise(settings: Settings, read: Callable[[], Settings], handed: Handed | None) -> None:
    """Have workers serve until told to stop; ``read`` reads the settings again.

    Ends the process with the exit code of the workers when none can serve.
    """
    try:
        sys.exit(asyncio.run(_supervise(settings, read, handed)))
    except CannotListen as error:
        desk.fail(str(error), desk.UNREACHABLE)


async def _supervise(settings: Settings, read: Callable[[], Settings], handed: Handed | None) -> int:
    wishes = Wishes()
    sockets = handed.sockets if handed else listening(settings)
    crew = Crew(sockets, Log(settings.log_level, repeats=settings.log_repeats))
    began = await wishes.unless_stopped(crew.change(settings.workers))
    if began:
        greet(settings)
        if handed:
            handed.ready()
        await crew.end(relieved=await _grant(wishes, crew, read))
        return 0
    await crew.end()
    return 0 if began is None else crew.failed


async def _grant(wishes: "Wishes", crew: "Crew", read: Callable[[], Settings]) -> bool:
    """Do what signals ask for, one after the other, until one asks for the end; True: a successor serves."""
    while wish := await wishes.unless_stopped(wishes.asked.get()):
        if wish == signal.SIGHUP:
            notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
            await wishes.unless_stopped(_reload(crew, read))
            notify("READY=1")
        elif await wishes.unless_stopped(successor(crew.sockets, crew.log)):
            return True
    return False


async def _reload(crew: "Crew", read: Callable[[], Settings]) -> None:
    """Settings that cannot be used are told, and nothing changes."""
    try:
        settings = read()
    except BadSettings as bad:
        crew.log("reload_refused", level="error", problem=str(bad))
        return
    if await crew.change(settings.workers):
        crew.log("reloaded", workers=settings.workers)
    else:
        crew.log("reload_refused", level="error", problem=NOT_READY, status=crew.failed)


class Wishes:
    """What signals ask for: to reload, to let a successor take over, to stop."""

    def __init__(self) -> None:
        """From here on nothing that is asked for is lost."""
        loop = asyncio.get_running_loop()
        self.asked = asyncio.Queue[int]()
        self._stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped.set)
        for number in (signal.SIGHUP, signal.SIGUSR2):
            loop.add_signal_handler(number, self.asked.put_nowait, number)

    async def unless_stopped(self, work: Coroutine[object, object, T]) -> T | None:
        """What comes of the work; None: it was given up, because we are to stop."""
        working, stopped = asyncio.create_task(work), asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            working.cancel()
            stopped.cancel()


class Crew:
    """The workers that serve, and those that are on their way in or out."""

    def __init__(self, sockets: Sequence[socket.socket], log: Callable[..., None]) -> None:
        """Nobody serves yet."""
        self.log = log
        self.failed = desk.UNREACHABLE
        """With what the last worker ended that did not get ready."""
        self.sockets = sockets
        self._tally = Tally.made()
        self._living: dict[Child, asyncio.Task[int]] = {}
        self._places: list[Place] = []

    async def change(self, count: int) -> bool:
        """So many new workers instead of those that serve now, who go when all of them are ready; False: it stays as it is."""
        fresh = [await self._start() for _ in range(count)]
        ready = await asyncio.gather(*(child.ready() for child in fresh))
        if not all(ready):
            await self._give_up(fresh, ready)
            return False
        old, self._places = self._places, [Place(child, self._start, self.log) for child in fresh]
        for place in old:
            place.leave()
            place.child.relieve()
        return True

    async def end(self, *, relieved: bool = False) -> None:
        """All finish what they have; ``relieved``: others serve already, so there is no hurry. Who does not end in time is ended."""
        for one in self.sockets:
            one.close()
        for place in self._places:
            place.leave()
        for child in self._living:
            if relieved:
                child.relieve()
            else:
                child.signal(signal.SIGTERM)
        late = (await asyncio.wait(self._living.values(), timeout=_LIMIT))[1] if self._living else ()
        if late:
            for child in self._living:
                child.signal(signal.SIGKILL)

    async def _start(self) -> Child:
        child = await Child.start(self.sockets, worker=True, tally=self._tally)
        ending = self._living[child] = asyncio.create_task(child.ended())
        ending.add_done_callback(lambda _: self._living.pop(child, None))
        return child

    async def _give_up(self, fresh: Sequence[Child], ready: Sequence[bool]) -> None:
        """Those of them that accept already finish what they got."""
        for child in fresh:
            child.relieve()
        codes = await asyncio.gather(*(child.ended() for child, good in zip(fresh, ready, strict=True) if not good))
        self.failed = next((code for code in codes if code > 0), desk.UNREACHABLE)


class Place:
    """Where one worker serves; when it dies another one takes its place."""

    def __init__(self, child: Child, start: Callable[[], Coroutine[object, object, Child]], log: Callable[..., None]) -> None:
        """From here on."""
        self.child = child
        self._start = start
        self._log = log
        self._keeping = asyncio.create_task(self._keep())

    def leave(self) -> None:
        """Whoever is there now is the last one."""
        self._keeping.cancel()

    async def _keep(self) -> None:
        """More and more slowly, if none lives long."""
        pause, began = 0.0, time.monotonic()
        while True:
            code = await self.child.ended()
            pause = 0.0 if time.monotonic() - began > _HEALTHY else min(max(pause * 2, _SHORTEST), _LONGEST)
            self._log("worker_ended", level="error", worker=self.child.pid, status=code, next_in=pause)
            await asyncio.sleep(pause)
            began = time.monotonic()
            self.child = await self._start()
            if await self.child.ready():
                self._log("worker_started", worker=self.child.pid)
