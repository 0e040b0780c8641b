"""A hostile host on loopback, and a network that leads public addresses to it: what the fetcher meets in these tests."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpcore2
import trustme

from calling_card.fetch.https import HttpsFetcher, Outward
from calling_card.fetch.pinned import Dial, dial
from calling_card.protocol.abroad.fetching import DOCUMENT, Fetched, Purpose, Unfetched, Why

NAME = "app.example"
ADDRESS = "93.184.216.34"
URL = f"https://{NAME}/client.json"
JSON = "application/json"
BODY = b'{"client_name":"Notes"}'
NOW = 1_800_000_000

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What a host does on a connection after it has read the head of a request."""


def says(status: int = 200, body: bytes = BODY, media: str | None = JSON, **headers: str) -> Play:
    """An answer with a length."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"Content-Type: {media}"] if media is not None else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return writes("\r\n".join([*lines, "", ""]).encode() + body)


def writes(raw: bytes) -> Play:
    """These bytes, then the end."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return play


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Nothing, until the other side leaves."""
    await reader.read()


def hanging(raw: bytes) -> Play:
    """These bytes, then nothing."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await reader.read()

    return play


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A reset instead of an answer."""
    writer.transport.abort()


def dribbles(raw: bytes, every: float) -> Play:
    """These bytes again and again, a moment apart."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(raw)
            await writer.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(), every)
                return

    return play


@dataclass
class Host:
    """One listener; ``play`` may be changed at any time."""

    play: Play = field(default_factory=says)
    port: int = 0
    connections: int = 0
    most_at_once: int = 0
    heads: list[bytes] = field(default_factory=list[bytes])
    """Heads of requests, in the order in which they came."""
    greeted: list[str | None] = field(default_factory=list[str | None])
    """Names in TLS greetings."""
    _open: int = 0
    _meetings: "set[asyncio.Task[object]]" = field(default_factory=set["asyncio.Task[object]"])

    @property
    def head(self) -> Mapping[str, str]:
        """Headers of the last request, by name in lower case."""
        lines = self.heads[-1].decode("ascii").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self._open += 1
        task = asyncio.current_task()
        assert task is not None
        self._meetings.add(task)
        self.most_at_once = max(self.most_at_once, self._open)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                await self.play(reader, writer)
        finally:
            self._open -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._meetings.discard(task)

    async def leave(self) -> None:
        """End every connection."""
        for task in self._meetings:
            task.cancel()
        await asyncio.gather(*self._meetings, return_exceptions=True)


@asynccontextmanager
async def hosting(host: Host, tls: ssl.SSLContext | None, address: str = "127.0.0.1") -> AsyncGenerator[Host]:
    """Listen for a while."""

    def greeted(connection: object, name: str | None, context: object) -> None:
        host.greeted.append(name)

    if tls is not None:
        tls.sni_callback = greeted
    server = await asyncio.start_server(host.meet, address, 0, ssl=tls)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
        await host.leave()


@dataclass
class Network:
    """Names with addresses, and wires from addresses to ports of this machine."""

    addresses: dict[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    wires: dict[str, int] = field(default_factory=dict[str, int])
    """Port by address; without one nobody listens."""
    asked: list[str] = field(default_factory=list[str])
    dialled: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    def connect(self, host: Host, name: str = NAME, address: str = ADDRESS) -> None:
        """Let a host be at a name."""
        self.addresses[name] = [address]
        self.wires[address] = host.port

    async def names(self, host: str) -> Sequence[str]:
        """See `Names`."""
        self.asked.append(host)
        if host not in self.addresses:
            raise Unfetched(Why.UNREACHABLE, f"{host} has no address")
        return self.addresses[host]

    async def dial(self, address: str, port: int, seconds: float) -> httpcore2.AsyncNetworkStream:
        """See `Dial`."""
        self.dialled.append((address, port))
        if address not in self.wires:
            raise httpcore2.ConnectError("nobody listens")
        return await dial("127.0.0.1", self.wires[address], seconds)


@dataclass
class Clock:
    """Two clocks that tests move together."""

    now: int = NOW

    def wall(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return float(self.now)


@dataclass
class Lab:
    """A fetcher in its surroundings."""

    ca: trustme.CA
    ca_file: Path
    network: Network = field(default_factory=Network)
    clock: Clock = field(default_factory=Clock)
    dial: Dial | None = None

    def fetcher(self, **outward: object) -> HttpsFetcher:
        """A fetcher for strangers on this network, whose certificates it believes."""
        values = {"agent": "calling-card/0 (+https://as.example)", "ca_file": str(self.ca_file), **outward}
        out = Outward(**values)  # type: ignore[arg-type] # the names and types of Outward, test by test
        return HttpsFetcher(
            out, self.clock.wall, self.clock.monotonic, names=self.network.names, dial=self.dial or self.network.dial, least=0
        )

    def tls(self, *names: str, ca: trustme.CA | None = None) -> ssl.SSLContext:
        """What a host at these names shows."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (ca or self.ca).issue_cert(*(names or (NAME,))).configure_cert(context)
        return context

    @asynccontextmanager
    async def host(self, play: Play | None = None, name: str = NAME, address: str = ADDRESS) -> AsyncGenerator[Host]:
        """A host at a name, for a while."""
        async with hosting(Host(play or says()), self.tls(name)) as host:
            self.network.connect(host, name, address)
            yield host

    async def get(self, play: Play, purpose: Purpose = DOCUMENT, **validators: str) -> Fetched:
        """One fetch from a host that does this. Raises `Unfetched`."""
        async with self.host(play):
            return await self.fetcher().get(URL, purpose, **validators)

    async def why(self, play: Play, purpose: Purpose = DOCUMENT) -> Why:
        """Why that one fetch fails."""
        try:
            found = await self.get(play, purpose)
        except Unfetched as no:
            return no.why
        raise AssertionError(found)
