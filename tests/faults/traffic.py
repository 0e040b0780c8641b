"""Callers who ask at a steady pace, on connections that they keep and on new ones, and count everything that was not answered well."""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from tests.faults.standing import Body
from tests.faults.wire import Ask, Broken, Line

KEPT, FRESH = 20, 5
"""Callers that keep their connection as long as they may, and callers with a new one for each request."""
PACE = 0.05
"""Seconds from one request of a caller to the next."""
RATE = (KEPT + FRESH) / PACE
"""Requests a second of all together: 500."""


@dataclass
class Traffic:
    """What was asked and how it went."""

    port: int
    answered: Counter[int] = field(default_factory=Counter[int])
    failed: list[str] = field(default_factory=list[str])
    goodbyes: int = 0
    """Answers that were said to be the last of their connection, without having been asked for."""
    registered: dict[str, str] = field(default_factory=dict[str, str])
    """Clients of whom we were told that they exist, with their registration access token."""

    async def run(self, stop: asyncio.Event) -> float:
        """Until told to stop; the requests a second that came about."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(KEPT + FRESH):
                group.create_task(self._caller(number, stop))
        return sum(self.answered.values()) / (time.monotonic() - began)

    async def _caller(self, number: int, stop: asyncio.Event) -> None:
        line: Line | None = None
        due = time.monotonic() + PACE * number / (KEPT + FRESH)
        turn = 0
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(0.0, due - time.monotonic()))
            due, turn = due + PACE, turn + 1
            line = await self._one(line, self._ask(number, turn), kept=number < KEPT)
        if line is not None:
            await line.close()

    def _ask(self, number: int, turn: int) -> Ask:
        """Mostly what is read, and a registration now and then."""
        if turn % 25 == number % 25:
            return Ask("POST", "/register", Body(f"t{number}x{turn}", "none", 1).written())
        return Ask("GET", "/.well-known/oauth-authorization-server" if turn % 2 else "/jwks")

    async def _one(self, line: Line | None, ask: Ask, *, kept: bool) -> Line | None:
        """Ask on this connection or a new one; the connection if it may be used again."""
        known = line is not None
        try:
            line = line or await Line.open(self.port)
            reply = await line.ask(ask)
        except (Broken, TimeoutError) as error:
            self.failed.append(f"{ask.method} {ask.path} on a {'kept' if known else 'new'} connection: {error.__cause__ or error!r}")
            if line is not None:
                await line.close()
            return None
        self.answered[reply.status] += 1
        if reply.status not in (200, 201):
            self.failed.append(f"{ask.method} {ask.path}: {reply.status} {reply.body!r}")
        elif reply.status == 201:
            self.registered[reply.text("client_id")] = reply.text("registration_access_token")
        last = reply.headers.get("connection") == "close"
        self.goodbyes += last
        if last or not kept:
            await line.close()
            return None
        return line
