"""A stranger's host on loopback that takes connections, counts them and is of no use to anybody."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

HOSTS = 64
"""Addresses of the stranger: with one alone the limit for a host would be met before the limit for all."""


class Stranger:
    """One host at many addresses."""

    def __init__(self, *, silent: bool) -> None:
        """Whether it says nothing to whoever asks, or resets the connection."""
        self._silent = silent
        self._open: set[asyncio.StreamWriter] = set()
        self.connections = self.most_at_once = 0
        self.more = asyncio.Condition()

    @property
    def at_once(self) -> int:
        """Connections that the other side has not closed, whether we were told of that by now or not."""
        return sum(_is_established(writer) for writer in self._open)

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other side leaves, or has asked and gets a reset."""
        self.connections += 1
        self._open.add(writer)
        if len(self._open) > self.most_at_once:
            self.most_at_once = max(self.most_at_once, self.at_once)
        async with self.more:
            self.more.notify_all()
        with contextlib.suppress(OSError):
            await reader.read(-1 if self._silent else 65536)
        self._open.discard(writer)
        if not self._silent:
            _socket(writer).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    @asynccontextmanager
    async def there(self) -> AsyncGenerator[int]:
        """Listen at all addresses, on one port."""
        first = await asyncio.start_server(self.meet, address(0), 0)
        port = int(first.sockets[0].getsockname()[1])
        others = await asyncio.start_server(self.meet, [address(number) for number in range(1, HOSTS)], port)
        try:
            yield port
        finally:
            first.close()
            others.close()


def address(number: int) -> str:
    """One of its addresses, by any number."""
    return f"127.0.1.{number % HOSTS + 1}"


def _socket(writer: asyncio.StreamWriter) -> socket.socket:
    return cast("socket.socket", writer.get_extra_info("socket"))


def _is_established(writer: asyncio.StreamWriter) -> bool:
    """As the kernel has it, in the first byte of ``tcp_info`` (tcp(7))."""
    return _socket(writer).getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x01"
