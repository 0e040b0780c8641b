"""A closed loop of keep-alive connections that send requests made in advance and measure each answer."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast


class Reply(NamedTuple):
    """One whole answer."""

    status: int
    place: str
    """Where it sends the caller; empty: nowhere."""
    body: bytes


Then = Callable[[Reply], bytes | None]
"""The second request of a pair, by the answer to the first; None: there is nothing to go on with."""


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
    statuses: Counter[int]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.done / self.seconds if self.seconds else 0.0

    def quantile(self, share: float) -> float:
        """Milliseconds that this share of the requests stayed below."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))] * 1000 if self.latencies else 0.0


class _Wire(asyncio.Protocol):
    """One connection: the next request leaves when the answer to the last one is whole, and its turn has come."""

    def __init__(self, run: "_Run") -> None:
        self.run = run
        self.buffer = b""
        self.sent = 0.0
        self.then: Then | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        request = self.run.take()
        if request is None:
            self.transport.close()
            self.run.closed()
            return
        wait = self.run.turn()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._send, request)
        else:
            self._send(request)

    def _send(self, request: bytes) -> None:
        self.then = self.run.then
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
        reply = Reply(int(head[9:12]), _place(self.buffer, head), self.buffer[end + 4 : end + 4 + length])
        self.buffer = b""
        self._answered(reply)

    def _answered(self, reply: Reply) -> None:
        """Go on with the second of a pair, or with the next; a pair takes from its first byte to its last."""
        more = self.then(reply) if self.then is not None else None
        self.then = None
        if more is not None:
            self.transport.write(more)
            return
        self.run.answered(reply, time.perf_counter() - self.sent)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.transport.is_closing():
            self.run.closed()


def _place(answer: bytes, head: bytes) -> str:
    """Where an answer sends the caller; empty: nowhere."""
    at = head.find(b"\r\nlocation:")
    return answer[at + 11 :].split(b"\r\n", 1)[0].decode().strip() if at >= 0 else ""


@dataclass
class Pace:
    """How a run goes on."""

    a_second: float = 0.0
    """Requests that leave in a second, evenly; 0: each as soon as it may."""
    then: Then | None = None
    """Makes pairs of requests, each of which counts as one."""


class _Run:
    def __init__(self, requests: Iterable[bytes], seconds: float, expected: int, keep: bool, pace: Pace) -> None:
        self.requests = iter(requests)
        self.next = time.perf_counter()
        self.until = self.next + seconds
        self.expected = expected
        self.keep = keep
        self.apart = 1 / pace.a_second if pace.a_second else 0.0
        self.then = pace.then
        self.latencies: list[float] = []
        self.bodies: list[bytes] = []
        self.places: list[str] = []
        self.statuses: Counter[int] = Counter()
        self.open = 0
        self.over = asyncio.Event()

    def take(self) -> bytes | None:
        if time.perf_counter() >= self.until:
            return None
        return next(self.requests, None)

    def turn(self) -> float:
        """Seconds until the next request may leave; who comes late gets no turn twice."""
        if not self.apart:
            return 0.0
        now = time.perf_counter()
        self.next = max(self.next + self.apart, now)
        return self.next - now

    def answered(self, reply: Reply, seconds: float) -> None:
        self.latencies.append(seconds)
        self.statuses[reply.status] += 1
        if self.keep:
            self.bodies.append(reply.body)
            self.places.append(reply.place)

    def closed(self) -> None:
        self.open -= 1
        if self.open == 0:
            self.over.set()

    def figures(self, took: float) -> Figures:
        done = len(self.latencies)
        wrong = done - self.statuses[self.expected]
        return Figures(done, took, wrong, sorted(self.latencies), self.bodies, self.places, self.statuses)


async def drive(
    port: int,
    requests: Iterable[bytes],
    *,
    seconds: float,
    expected: int,
    connections: int = 16,
    keep: bool = False,
    pace: Pace | None = None,
) -> Figures:
    """Send until the requests or the seconds are used up."""
    loop = asyncio.get_running_loop()
    run = _Run(requests, seconds, expected, keep, pace or Pace())
    run.open = connections
    began = time.perf_counter()
    await asyncio.gather(*(loop.create_connection(lambda: _Wire(run), "127.0.0.1", port) for _ in range(connections)))
    await run.over.wait()
    return run.figures(time.perf_counter() - began)


def request(method: str, path: str, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """One HTTP/1.1 request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
