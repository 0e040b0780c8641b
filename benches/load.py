"""A closed loop of keep-alive connections that send requests made in advance and measure each answer."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True)
class Figures:
    """What one run gave."""

    done: int
    seconds: float
    wrong: int
    """Answers with another status than was expected."""
    latencies: list[float]
    """Seconds, sorted."""
    bodies: list[bytes]
    places: list[str]
    """``Location`` headers, of answers that are kept."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.done / self.seconds if self.seconds else 0.0

    def quantile(self, share: float) -> float:
        """Milliseconds that this share of the requests stayed below."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))] * 1000 if self.latencies else 0.0


class _Wire(asyncio.Protocol):
    """One connection: the next request leaves when the answer to the last one is whole."""

    def __init__(self, run: "_Run") -> None:
        self.run = run
        self.buffer = b""
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        request = self.run.take()
        if request is None:
            self.transport.close()
            self.run.closed()
            return
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        seconds = time.perf_counter() - self.sent
        self.run.answered(int(head[9:12]), _place(self.buffer, head), self.buffer[end + 4 : end + 4 + length], seconds)
        self.buffer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.transport.is_closing():
            self.run.closed()


def _place(answer: bytes, head: bytes) -> str:
    """Where an answer sends the caller; empty: nowhere."""
    at = head.find(b"\r\nlocation:")
    return answer[at + 11 :].split(b"\r\n", 1)[0].decode().strip() if at >= 0 else ""


class _Run:
    def __init__(self, requests: Iterable[bytes], seconds: float, expected: int, keep: bool) -> None:
        self.requests = iter(requests)
        self.until = time.perf_counter() + seconds
        self.expected = expected
        self.keep = keep
        self.latencies: list[float] = []
        self.bodies: list[bytes] = []
        self.places: list[str] = []
        self.wrong = 0
        self.open = 0
        self.over = asyncio.Event()

    def take(self) -> bytes | None:
        if time.perf_counter() >= self.until:
            return None
        return next(self.requests, None)

    def answered(self, status: int, place: str, body: bytes, seconds: float) -> None:
        self.latencies.append(seconds)
        if status != self.expected:
            self.wrong += 1
        if self.keep:
            self.bodies.append(body)
            self.places.append(place)

    def closed(self) -> None:
        self.open -= 1
        if self.open == 0:
            self.over.set()


async def drive(
    port: int, requests: Iterable[bytes], *, seconds: float, expected: int, connections: int = 16, keep: bool = False
) -> Figures:
    """Send until the requests or the seconds are used up."""
    loop = asyncio.get_running_loop()
    run = _Run(requests, seconds, expected, keep)
    run.open = connections
    began = time.perf_counter()
    await asyncio.gather(*(loop.create_connection(lambda: _Wire(run), "127.0.0.1", port) for _ in range(connections)))
    await run.over.wait()
    return Figures(len(run.latencies), time.perf_counter() - began, run.wrong, sorted(run.latencies), run.bodies, run.places)


def request(method: str, path: str, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """One HTTP/1.1 request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
