"""The server as a process of its own at an address where passkeys work, and people who can sign in there."""

import asyncio
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from calling_card.protocol.persons.people import Role
from calling_card.settings import Settings
from calling_card.usecases.people.operate import Wanted, add
from calling_card.wiring import opened
from tests.faults.process import Server, free_port

PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Somebody:
    """A person who can sign in."""

    name: str
    full_name: str
    password: str
    subject: str


class House:
    """One server for the tests of a folder; each test brings a person and a client of its own."""

    def __init__(self, data: Path) -> None:
        self._port = free_port()
        self.issuer = f"http://localhost:{self._port}"
        self._server = Server(data, issuer=self.issuer, port=self._port)
        self.settings = Settings(issuer=self.issuer, data=str(data))
        self._numbers: Iterator[int] = itertools.count(1)

    def open(self) -> None:
        """Return when it answers."""
        self._server.start()

    def close(self) -> None:
        """End it; it must not have complained of anything."""
        self._server.stop()
        assert self._server.complaints() == []

    def somebody(self) -> Somebody:
        """A new person. The work has a thread of its own: the one that drives a browser has a loop already."""
        number = next(self._numbers)
        name, full_name = f"ann{number}", f"Ann Example {number}"
        with ThreadPoolExecutor(1) as thread:
            subject = thread.submit(asyncio.run, self._added(name, full_name)).result()
        return Somebody(name, full_name, PASSWORD, subject)

    async def _added(self, name: str, full_name: str) -> str:
        async with opened(self.settings) as ports:
            made = await add(ports, Wanted(name, PASSWORD, {"name": full_name}, Role.NONE, "tester"))
        return made.person.subject
