"""A flood of authorization requests of clients whose addresses lead nowhere, from a process of its own with the stranger they lead to.

``python -m benches.flood PLAN`` floods a server, where PLAN is JSON, and prints what became of it as JSON.
"""

import asyncio
import contextlib
import json
import os
import socket
import struct
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import cast
from urllib.parse import quote

import uvloop

from benches.load import Figures, Pace, drive, request

ROOT = Path(__file__).resolve().parent.parent
SILENT, RESETS, NOBODY = "accepts and says nothing", "resets", "nobody registered it"
"""What the host of a client does; the last one is no address, and is there to compare with."""
HOSTS = 64
"""Addresses of the stranger: with one alone the limit for a host would be met before the limit for all."""
PATIENCE = 60.0
_ASKS = (
    "response_type=code&redirect_uri=https%3A%2F%2Fclient.example.org%2Fcallback&scope=openid&state=s"
    "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
)


@dataclass(frozen=True)
class Plan:
    """What a flood is made of."""

    port: int
    host: str
    """What the client's host does with whoever connects."""
    requests: int = 0
    """How many; 0: until it is told to end."""
    connections: int = 200
    """To the server: so many may wait for an answer at once."""
    a_second: float = 0.0
    ready: int = 0
    """Connections to the stranger with which the flood has begun."""


@dataclass
class Flood:
    """What became of it."""

    requests: int = 0
    seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    connections: int = 0
    """From the server to the stranger, in all."""
    most_at_once: int = 0
    p50: float = 0.0
    p99: float = 0.0
    """Milliseconds until an answer."""


class Stranger:
    """A host that takes connections, counts them and is of no use."""

    def __init__(self, play: str) -> None:
        """Counts from its first connection on."""
        self._play = play
        self._open: set[asyncio.StreamWriter] = set()
        self.connections = self.most_at_once = 0
        self.more = asyncio.Condition()

    @property
    def at_once(self) -> int:
        """Connections that the other side has not closed, whether we were told of it by now or not."""
        return sum(_is_established(writer) for writer in self._open)

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other side leaves, or has asked and gets a reset."""
        self.connections += 1
        self._open.add(writer)
        self.most_at_once = max(self.most_at_once, self.at_once)
        async with self.more:
            self.more.notify_all()
        with contextlib.suppress(OSError):
            await reader.read(65536 if self._play == RESETS else -1)
        self._open.discard(writer)
        if self._play == RESETS:
            _socket(writer).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    @asynccontextmanager
    async def there(self) -> AsyncGenerator[int]:
        """Listen at all addresses, on one port."""
        first = await asyncio.start_server(self.meet, "127.0.1.1", 0)
        port = int(first.sockets[0].getsockname()[1])
        others = await asyncio.start_server(self.meet, [f"127.0.1.{number}" for number in range(2, HOSTS + 1)], port)
        try:
            yield port
        finally:
            first.close()
            others.close()


def _socket(writer: asyncio.StreamWriter) -> socket.socket:
    return cast("socket.socket", writer.get_extra_info("socket"))


def _is_established(writer: asyncio.StreamWriter) -> bool:
    """As the kernel has it: the first byte of ``tcp_info`` (tcp(7))."""
    return _socket(writer).getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x01"


def asking(host: str, port: int) -> Iterator[bytes]:
    """Authorization requests, each of another client."""
    start = int.from_bytes(os.urandom(4))
    for number in count(start):
        url = f"http://127.0.1.{number % HOSTS + 1}:{port}/{number}.json"
        client_id = quote(url, safe="") if host != NOBODY else f"cc_c_{number:022d}"
        yield request("GET", f"/authorize?client_id={client_id}&{_ASKS}")


async def flood(plan: Plan) -> Flood:
    """Send what is planned."""
    stranger, told = Stranger(plan.host), asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), told.set)
    async with stranger.there() as port:
        asks = asking(plan.host, port)
        every = islice(asks, plan.requests) if plan.requests else until(told, asks)
        sending = asyncio.create_task(
            drive(
                plan.port, every, seconds=PATIENCE * 10, expected=503, connections=plan.connections, pace=Pace(plan.a_second)
            )
        )
        async with stranger.more:
            await stranger.more.wait_for(lambda: stranger.at_once >= plan.ready)
        print("ready", flush=True)
        figures = await sending
    return told_of(figures, stranger)


def until(told: asyncio.Event, asks: Iterator[bytes]) -> Iterator[bytes]:
    """The same, until somebody says that it is enough."""
    for ask in asks:
        if told.is_set():
            return
        yield ask


def told_of(figures: Figures, stranger: Stranger) -> Flood:
    """The whole of it."""
    statuses = {str(status): number for status, number in sorted(figures.statuses.items())}
    return Flood(
        figures.done, figures.seconds, statuses, stranger.connections, stranger.most_at_once, figures.quantile(0.5), figures.quantile(0.99)
    )


class Flooding:
    """A flood that is going on in another process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Its output is all that is left of it in the end."""
        self._process = process
        self._last: asyncio.Task[bytes] | None = None

    async def begun(self) -> None:
        """Wait until it has begun. Raises `TimeoutError`."""
        await self._line()
        self._last = asyncio.create_task(self._line())

    @property
    def over(self) -> bool:
        """Whether all of it was sent and answered."""
        return self._last is not None and self._last.done()

    async def end(self) -> Flood:
        """Say that it is enough, wait for the answers that are due, and hear what became of it."""
        assert self._process.stdin is not None
        assert self._last is not None
        self._process.stdin.close()
        return Flood(**json.loads(await self._last))

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            return await self._process.stdout.readline()


@asynccontextmanager
async def flooding(plan: Plan) -> AsyncGenerator[Flooding]:
    """A flood that has begun, from the same core as the caller's."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benches.flood", json.dumps(asdict(plan)), stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    try:
        made = Flooding(process)
        await made.begun()
        yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def main() -> None:
    """Flood, and say what became of it."""
    print(json.dumps(asdict(await flood(Plan(**json.loads(sys.argv[1]))))))


if __name__ == "__main__":
    uvloop.run(main())
