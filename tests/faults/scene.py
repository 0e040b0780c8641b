"""A data folder with its server, the book about it, and sixteen callers: what kills and full disks are tried on."""

import asyncio
import json
import re
from dataclasses import dataclass

from tests.faults.books import Book, Entry, Sent, Watch
from tests.faults.load import Caller, busy, callers
from tests.faults.process import KILLED, PATIENCE, Server
from tests.faults.standing import SHAPES, Body, born
from tests.faults.wire import Ask, lines

USES = 1_000_000
LOOPS = {"not_delivered", "not_pruned", "heads_not_written"}
"""What the loops beside the requests say in the log when they cannot reach the database."""


@dataclass
class Scene:
    """A data folder with its server, the book about it, and the sixteen callers."""

    server: Server
    book: Book
    watch: Watch
    crew: list[Caller]

    async def life(self, fault: str = "", delay: float = PATIENCE) -> None:
        """Start, compare, work until death: by a fault point, or after ``delay`` seconds."""
        self.server.start(fault)
        differences = self.compare()
        work = busy(self.crew, self.server.port)
        await asyncio.wait(work, timeout=delay)
        if not fault or self.book.complaints:
            self.server.kill()
        ended = await asyncio.to_thread(self.server.ended)
        _, stuck = await asyncio.wait(work, timeout=PATIENCE)
        assert differences == [], f"before {fault or delay}"
        assert ended == KILLED
        assert not stuck
        assert [error for task in work if (error := task.exception())] == []
        self.book.figures.kills += 1

    def compare(self, *, everything: bool = False) -> list[str]:
        """What the data folder and the book do not agree on."""
        return self.book.settle(self.watch.look(), everything=everything)

    def key(self, entry: Entry) -> bytes:
        """The client key of a client that was registered."""
        assert entry.spoken is not None
        return entry.spoken.client_key

    async def finish(self) -> None:
        """After the last death: everything once more, from the first event on."""
        self.server.start()
        self.conclude()

    def conclude(self) -> None:
        """Everything once more, from the first event on; then the server ends well."""
        assert self.compare() == []
        self.watch = watching(self.server)
        assert self.compare(everything=True) == []
        assert self.server.stop() == 0
        done = self.server.command("audit", "verify")
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["broken"] == []
        told = set(re.findall(r'"event": ?"(\w+)"', "\n".join(self.server.complaints())))
        allowed = ({"store_unavailable"} if self.book.may_refuse else set[str]()) | (LOOPS if self.book.doubts else set[str]())
        assert told <= allowed, told


def watching(server: Server) -> Watch:
    """From the first event on."""
    return Watch(server.data, server.settings.get("DATABASE", ""))


async def prepared(server: Server, seed: int) -> Scene:
    """A folder that has seen one client of each shape, and an invitation for many more; its server is dead."""
    server.start()
    invited = json.loads(server.command("invite", "--uses", str(USES)).stdout)
    book = Book(invitation=bytes.fromhex(invited["id"]), uses=USES)
    async with lines(server.port) as (line,):
        for shape in SHAPES:
            body = Body("NAME", shape, 4711)
            entry, sent = Entry(body.name), Sent(Ask("POST", "/register", body.written()), born(body))
            book.entries.append(entry)
            reply = await line.ask(sent.ask)
            book.learn(shape, reply)
            book.heard(entry, sent, reply)
    server.kill()
    server.ended()
    return Scene(server, book, watching(server), callers(book, seed, invited["initial_access_token"]))
