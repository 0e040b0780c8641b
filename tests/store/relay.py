"""Stands between the store and PostgreSQL: counts messages that are waited for, falls silent, hangs up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_WAITED_FOR = b"SQ"
"""Sync and simple query: after each of these a client waits for the server."""


@dataclass
class Relay:
    """A door on loopback to a server on loopback."""

    server: int
    port: int = 0
    trips: int = 0
    """Round trips since somebody set this to 0."""
    swallowed: str = ""
    """Whether what is said goes nowhere: ``both`` ways, or what ``server`` says."""
    _open: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    def hang_up(self) -> None:
        """Every connection ends now."""
        for writer in list(self._open):
            writer.transport.abort()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on, both ways."""
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.server)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask(reader, back))
            group.create_task(self._answer(there, writer))
        self._open -= {writer, back}

    async def _ask(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            started = False
            while True:
                kind = await reader.readexactly(1) if started else b""
                size = await reader.readexactly(4)
                body = await reader.readexactly(int.from_bytes(size, "big") - 4)
                started = started or int.from_bytes(body[:4], "big") != 80877103  # else it asks for TLS first
                self.trips += bool(kind) and kind in _WAITED_FOR
                if self.swallowed != "both":
                    back.write(kind + size + body)
        back.close()

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await there.read(65536):
                if not self.swallowed:
                    writer.write(data)
        writer.close()


@asynccontextmanager
async def relayed(server: int) -> AsyncIterator[Relay]:
    """A relay to this port while the block lasts."""
    relay = Relay(server)
    door = await asyncio.start_server(relay.meet, "127.0.0.1", 0)
    relay.port = door.sockets[0].getsockname()[1]
    async with door:
        yield relay
        relay.hang_up()
