"""A flood of requests of strangers, none of whom was there before, from a process of its own.

``python -m benches.flood PLAN`` floods a server, where PLAN is JSON, and prints what became of it as JSON.
"""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import count, islice, takewhile
from pathlib import Path
from typing import cast
from urllib.parse import quote

import msgspec
import uvloop

from benches.load import Pace, drive, request
from benches.stranger import Stranger, address

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 1800.0
"""Seconds until a flood must have begun, and again until it must be over."""
_ASKED = (
    "response_type=code&redirect_uri=https%3A%2F%2Fclient.example.org%2Fcallback&scope=openid&state=s"
    "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
)
_CARD = (
    b'{"client_name":"Notes %d","redirect_uris":["http://127.0.0.1:33418/callback"],"token_endpoint_auth_method":"none",'
    b'"grant_types":["authorization_code","refresh_token"],"response_types":["code"]}'
)


class Client(StrEnum):
    """Whom the requests of a flood are of."""

    SILENT = "silent"
    """An address whose host takes the connection and never says a word."""
    RESETS = "resets"
    """An address whose host resets the connection when it was asked."""
    UNKNOWN = "unknown"
    """No address, and nobody registered it: nothing is fetched, which shows what any other flood costs."""
    NEW = "new"
    """One that registers and is never seen again."""


@dataclass(frozen=True)
class Plan:
    """What a flood is made of."""

    client: Client
    requests: int = 0
    """How many; 0: until it is told to end."""
    connections: int = 200
    """To the server: so many requests may wait for an answer at once."""
    a_second: float = 0.0
    """Requests that leave in a second; 0: as soon as there is a connection for them."""
    ready: int = 0
    """Fetches in flight with which the flood has begun."""


@dataclass(frozen=True)
class Outcome:
    """What became of a flood."""

    requests: int
    seconds: float
    statuses: dict[str, int]
    fetches: int
    """Connections to the stranger in all."""
    most_at_once: int
    """Connections to the stranger."""


@dataclass
class Flood:
    """A flood that is going on in another process."""

    _input: asyncio.StreamWriter
    _last: asyncio.Task[bytes]
    """The line with what became of it."""

    @property
    def over(self) -> bool:
        """Whether all of it was sent and answered."""
        return self._last.done()

    async def over_at_last(self) -> Outcome:
        """What became of it, however long it takes."""
        return msgspec.json.decode(await self._last, type=Outcome)

    async def end(self) -> Outcome:
        """Say that it is enough, wait for the answers that are due, and hear what became of it. Raises `TimeoutError`."""
        self._input.close()
        async with asyncio.timeout(PATIENCE):
            return msgspec.json.decode(await self._last, type=Outcome)


@asynccontextmanager
async def flooding(port: int, plan: Plan) -> AsyncGenerator[Flood]:
    """A flood of the server on this port, from the caller's core; it has begun. Raises `TimeoutError`."""
    command = [sys.executable, "-m", "benches.flood", str(port), msgspec.json.encode(plan).decode()]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=ROOT)
    printed = cast("asyncio.StreamReader", process.stdout)
    try:
        async with asyncio.timeout(PATIENCE):
            await printed.readline()
        last = asyncio.create_task(printed.readline())
        yield Flood(cast("asyncio.StreamWriter", process.stdin), last)
        last.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


# ── In the process ───────────────────────────────────────────────────────────────────────────────────────────────────


def asking(client: Client, port: int) -> Iterator[bytes]:
    """Requests, none of a client that was in one before; ``port`` is the stranger's."""
    for number in count(int.from_bytes(os.urandom(4))):
        if client is Client.NEW:
            yield request("POST", "/register", _CARD % number, [("Content-Type", "application/json")])
            continue
        there = quote(f"http://{address(number)}:{port}/{number}.json", safe="")
        client_id = f"nobody-{number}" if client is Client.UNKNOWN else there
        yield request("GET", f"/authorize?client_id={client_id}&{_ASKED}")


async def pour(port: int, plan: Plan) -> Outcome:
    """Send what is planned; the end of our input says that it is enough."""
    stranger, enough = Stranger(silent=plan.client is Client.SILENT), asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), enough.set)
    async with stranger.there() as there:
        asks = asking(plan.client, there)
        wanted = islice(asks, plan.requests) if plan.requests else takewhile(lambda _: not enough.is_set(), asks)
        sending = drive(port, wanted, seconds=PATIENCE, expected=400, connections=plan.connections, pace=Pace(plan.a_second))
        sent = asyncio.create_task(sending)
        async with stranger.more:
            await stranger.more.wait_for(lambda: stranger.at_once >= plan.ready)
        print("begun", flush=True)
        figures = await sent
    statuses = {str(status): number for status, number in sorted(figures.statuses.items())}
    return Outcome(figures.done, figures.seconds, statuses, stranger.connections, stranger.most_at_once)


def main() -> None:
    """Flood, and print what became of it."""
    outcome = uvloop.run(pour(int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Plan)))
    print(msgspec.json.encode(outcome).decode())


if __name__ == "__main__":
    main()
