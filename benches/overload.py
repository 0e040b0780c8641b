"""Three times what a server can do: what becomes of the requests it takes, of those it turns away, and of its memory (RELIABILITY L3).

``python -m benches.overload [seconds]`` finds the peak in a closed loop, then sends three times as much whether it is answered or not:
each request leaves in its time on a connection that is free, or on a new one.
"""

import asyncio
import base64
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import cast

import uvloop

from benches.load import drive, request

OVER = 3
CONNECTIONS = 2000
"""How many connections may be open at once: more than the server takes."""
SETTINGS = {"REGISTRATION_RATE": "0", "FAILURE_RATE": "0", "LOG_LEVEL": "error"}
MACHINE = b'{"client_name": "machine", "redirect_uris": [], "grant_types": ["client_credentials"], "scope": "openid"}'


@dataclass
class Heard:
    """Answers of one status: milliseconds from when each request should have left."""

    took: list[float] = field(default_factory=list[float])
    late: int = 0
    """Without Retry-After."""

    def __str__(self) -> str:
        """Number, median, 99th percentile and worst."""
        took = sorted(self.took)
        p99 = took[min(len(took) - 1, int(0.99 * len(took)))]
        return (
            f"{len(took):>8,}  p50 {statistics.median(took):7.1f}  p99 {p99:7.1f}  max {took[-1]:7.1f} ms  without Retry-After {self.late}"
        )


@dataclass
class Rush:
    """An open loop."""

    port: int
    said: bytes
    free: list["_Wire"] = field(default_factory=list["_Wire"])
    wires: set["_Wire"] = field(default_factory=set["_Wire"])
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing is under way any more."""
    opened: int = 0
    unsent: int = 0
    """Requests for which there was no connection, nor a new one."""
    broken: int = 0
    heard: dict[int, Heard] = field(default_factory=dict[int, Heard])

    def rest(self, wire: "_Wire") -> None:
        """A connection has nothing to do."""
        self.free.append(wire)
        if len(self.free) == self.opened:
            self.over.set()

    async def run(self, a_second: float, seconds: float) -> None:
        """Send so many, and wait until what is under way is over."""
        began = time.perf_counter()
        for number in range(int(a_second * seconds)):
            due = began + number / a_second
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            elif number % 32 == 0:
                await asyncio.sleep(0)
            self._send(due)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await self.over.wait()
        for wire in list(self.wires):
            wire.transport.abort()

    def _send(self, due: float) -> None:
        self.over.clear()
        if self.free:
            self.free.pop().send(due)
        elif self.opened < CONNECTIONS:
            self.opened += 1
            asyncio.get_running_loop().create_task(self._open(due)).add_done_callback(self._failed)
        else:
            self.unsent += 1

    async def _open(self, due: float) -> None:
        _, wire = await asyncio.get_running_loop().create_connection(lambda: _Wire(self), "127.0.0.1", self.port)
        wire.send(due)

    def _failed(self, task: "asyncio.Task[None]") -> None:
        if task.exception() is not None:
            self.broken, self.opened = self.broken + 1, self.opened - 1


class _Wire(asyncio.Protocol):
    def __init__(self, rush: Rush) -> None:
        self.rush, self.buffer, self.due = rush, b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.rush.wires.add(self)

    def send(self, due: float) -> None:
        self.due = due
        self.transport.write(self.rush.said)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.lower().partition(b"\r\n\r\n")
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if not end or len(body) < length:
            return
        heard = self.rush.heard.setdefault(int(head[9:12]), Heard())
        heard.took.append((time.perf_counter() - self.due) * 1000)
        heard.late += b"retry-after:" not in head
        self.buffer, self.due = b"", 0.0
        if b"connection: close" not in head:
            self.rush.rest(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.rush.wires.discard(self)
        self.rush.opened -= 1
        self.rush.broken += self.due != 0.0
        if self in self.rush.free:
            self.rush.free.remove(self)


@contextlib.contextmanager
def served(folder: Path, port: int) -> Generator[subprocess.Popen[bytes]]:
    """A server on a folder of its own."""
    ours = {f"CALLING_CARD_{name}": value for name, value in SETTINGS.items()}
    environment = {**os.environ, **ours, "PYTHONPATH": str(Path(__file__).parents[1] / "src"), "PYTHONUNBUFFERED": "1"}
    program = [sys.executable, "-m", "calling_card"]
    serve = [*program, "serve", "--data", str(folder), "--port", str(port)]
    with subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE) as process:
        if process.stdout is not None:
            process.stdout.readline()
        try:
            yield process
        finally:
            process.terminate()


def invited(folder: Path) -> str:
    """An initial access token for a client that may have tokens of its own."""
    invite = ["invite", "--grant", "client_credentials", "--scope", "openid", "--data", str(folder), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    printed = subprocess.run([sys.executable, "-m", "calling_card", *invite], env=environment, capture_output=True, check=True).stdout
    return str(json.loads(printed)["initial_access_token"])


def memory(process: "subprocess.Popen[bytes]") -> int:
    """Megabytes."""
    lines = Path(f"/proc/{process.pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


async def asks(port: int, folder: Path) -> Sequence[tuple[str, bytes, int]]:
    """What is asked, and the status of a good answer."""
    headers = [("Content-Type", "application/json"), ("Authorization", f"Bearer {invited(folder)}")]
    (body,) = (
        await drive(port, [request("POST", "/register", MACHINE, headers)], seconds=9, expected=201, connections=1, keep=True)
    ).bodies
    client = json.loads(body)
    basic = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    form = [("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", f"Basic {basic}")]
    card = b'{"redirect_uris":["https://app.example/cb"]}'
    return (
        ("POST /token, client_credentials", request("POST", "/token", b"grant_type=client_credentials", form), 200),
        ("POST /register", request("POST", "/register", card, [("Content-Type", "application/json")]), 201),
    )


async def over(port: int, process: "subprocess.Popen[bytes]", folder: Path, seconds: float) -> None:
    """The peak, three times the peak, and what it is like afterwards."""
    for name, said, good in await asks(port, folder):
        peak = (await drive(port, repeat(said), seconds=seconds, expected=good, connections=32)).rate
        before = memory(process)
        rush = Rush(port, said)
        await rush.run(OVER * peak, seconds)
        during = memory(process)
        print(f"{name}: peak {peak:,.0f} a second; {OVER} times that for {seconds:.0f} s:")
        for status, heard in sorted(rush.heard.items()):
            print(f"  {status} {heard}")
        print(f"  not sent {rush.unsent:,}, broken {rush.broken:,}, memory {before} → {during} MB")
        print(f"  normal again after {await normal(port, said, good):.1f} s")


async def normal(port: int, said: bytes, good: int) -> float:
    """Seconds until sixteen requests in a row are answered well and within 100 ms each."""
    began = time.perf_counter()
    while time.perf_counter() - began < 60:
        figures = await drive(port, [said] * 16, seconds=9, expected=good, connections=1)
        if figures.wrong == 0 and figures.quantile(1) < 100:
            break
    return time.perf_counter() - began


def main() -> None:
    """On a port that the kernel names."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "data", port) as process:
        uvloop.run(over(port, process, Path(folder) / "data", seconds))


if __name__ == "__main__":
    main()
