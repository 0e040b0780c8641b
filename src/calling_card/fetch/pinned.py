"""Connections that go to checked addresses and nowhere else, while TLS and ``Host`` keep the name (D-50, X-01, X-07)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import Any, cast

import httpcore2

Dial = Callable[[str, int, float], Awaitable[httpcore2.AsyncNetworkStream]]
"""Connects to an IP address and a port within some seconds. Raises an error of httpcore2."""


async def dial(address: str, port: int, seconds: float) -> httpcore2.AsyncNetworkStream:
    """A connection to this very address. Raises an error of httpcore2."""
    network = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())
    stream = await network.connect_tcp(address, port, timeout=seconds)
    reached = stream.get_extra_info("server_addr")[0]
    if ip_address(reached) != ip_address(address):
        await stream.aclose()
        raise httpcore2.ConnectError(f"dialled {address} and reached {reached}")
    return stream


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """The network of one fetch: one host, whose addresses are known already."""

    def __init__(self, host: str, addresses: Sequence[str], call: Dial) -> None:
        self._host = host
        self._addresses = addresses
        self._dial = call
        self._stream: httpcore2.AsyncNetworkStream | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2 has it so
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """The addresses in their order; each may use its share of what is left of the time."""
        del local_address, socket_options
        if host != self._host:
            raise httpcore2.ConnectError(f"{host} is not {self._host}")
        loop = asyncio.get_running_loop()
        end = loop.time() + (timeout or 0)
        failed: httpcore2.NetworkError | httpcore2.TimeoutException = httpcore2.ConnectError("no address")
        for index, address in enumerate(self._addresses):
            try:
                self._stream = await self._dial(address, port, max(end - loop.time(), 0) / (len(self._addresses) - index))
            except (httpcore2.NetworkError, httpcore2.TimeoutException) as error:
                failed = error
            else:
                return self._stream
        raise failed

    async def close(self) -> None:
        """Hang up, however the fetch ended: httpcore2 lets go of a connection whose TLS is interrupted."""
        if self._stream is not None:
            await self._stream.aclose()

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2 has it so
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """No stranger is behind a file."""
        del path, timeout, socket_options
        raise httpcore2.ConnectError("no sockets that are files")

    async def sleep(self, seconds: float) -> None:
        """Between tries, of which there is one."""
        await asyncio.sleep(seconds)
