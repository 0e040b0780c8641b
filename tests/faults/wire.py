"""HTTP as a client on loopback speaks it: one kept connection per caller, and sixteen callers at the same moment."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

PATIENCE = 30.0


class Broken(Exception):
    """The connection ended before the answer was whole: nobody knows what became of the request."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request."""

    method: str
    path: str
    body: bytes = b""
    token: str = ""
    basic: tuple[str, str] | None = None
    media: str = "application/json"

    def written(self) -> bytes:
        """Its bytes."""
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1"]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        if self.basic:
            lines.append("Authorization: Basic " + base64.b64encode(":".join(self.basic).encode()).decode())
        if self.method in ("POST", "PUT"):
            lines += [f"Content-Type: {self.media}", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def filled(path: str, fields: Mapping[str, str], basic: tuple[str, str]) -> Ask:
    """A form of a client that authenticates by HTTP Basic."""
    return Ask("POST", path, urlencode(fields).encode(), basic=basic, media="application/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes

    @property
    def json(self) -> Mapping[str, object]:
        """The body as a JSON object; empty when there is no body."""
        value: Mapping[str, object] = json.loads(self.body) if self.body else {}
        assert isinstance(value, dict)
        return value

    def text(self, name: str) -> str:
        """A member that must be a string."""
        value = self.json[name]
        assert isinstance(value, str)
        return value


class Line:
    """A connection that is kept from request to request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "Line":
        """Raises `Broken` when nobody listens."""
        try:
            return cls(*await asyncio.open_connection("127.0.0.1", port))
        except OSError as error:
            raise Broken from error

    async def ask(self, ask: Ask) -> Reply:
        """The answer to one request."""
        try:
            async with asyncio.timeout(PATIENCE):
                self._writer.write(ask.written())
                return await self._answer()
        except (OSError, asyncio.IncompleteReadError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise Broken from error

    async def _answer(self) -> Reply:
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Reply(int(first.split(" ")[1]), headers, body)

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


@asynccontextmanager
async def lines(*ports: int) -> AsyncGenerator[Sequence[Line]]:
    """Connections that are open before anybody asks, one per port named."""
    opened = [await Line.open(port) for port in ports]
    try:
        yield opened
    finally:
        for line in opened:
            await line.close()


async def volley(opened: Sequence[Line], asks: Sequence[Ask]) -> list[Reply]:
    """All requests at the same moment, each on its own connection."""
    return await asyncio.gather(*(line.ask(ask) for line, ask in zip(opened, asks, strict=True)))
