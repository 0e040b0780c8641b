"""Sixteen callers who register, read, replace and delete as fast as they are answered, and remember what they were told."""

import asyncio
from random import Random  # noqa: TID251 - seeded, and the seed is printed: a run can be repeated

from tests.faults.books import Book, Entry, Sent, within_the_minute
from tests.faults.standing import SHAPES, Body, Standing, born, digest_of
from tests.faults.wire import Ask, Broken, Line, Reply

CALLERS = 16
POOL = 5
"""Clients that one caller keeps alive."""
PAUSE = 0.05
"""Seconds that a caller leaves a server alone that cannot store now."""


class Caller:
    """One caller with clients of its own; never more than one request under way."""

    def __init__(self, book: Book, number: int, seed: int, invitation: str) -> None:
        self._book = book
        self._number = number
        self._random = Random(seed * 1000 + number)
        self.invitation = invitation
        self._made = 0
        self._mine: list[Entry] = []

    async def run(self, port: int) -> None:
        """Until the server is gone, or said something wrong."""
        line: Line | None = None
        try:
            line = await Line.open(port)
            while not (self._book.complaints or self._book.resting):
                refused = self._book.figures.refused
                await self._turn(line)
                if self._book.doubts and self._book.figures.refused > refused:
                    await asyncio.sleep(PAUSE)
        except Broken:
            return
        finally:
            if line is not None:
                await line.close()

    async def _turn(self, line: Line) -> None:
        """One request; what was lost at the last death comes first."""
        self._mine = [entry for entry in self._mine if entry.tokens]  # of the others nobody was told that they exist
        sure = [entry for entry in self._mine if entry.sent is None]
        for entry in sure:
            if entry.lost is not None:
                await self._recover(line, entry, entry.lost)
                return
        chance = self._random.random()
        if not sure or (len(self._mine) < POOL and chance < 0.4):
            await self._register(line)
            return
        entry = self._random.choice(sure)
        assert entry.standing is not None
        if entry.standing.gone:
            await self._knock(line, entry)
        elif chance < 0.15:
            await self._delete(line, entry)
        elif chance < 0.25:
            await self._spent(line, entry)
        elif chance < 0.45:
            await self._read(line, entry)
        else:
            await self._put(line, entry, again=chance > 0.85)

    # Requests ---------------------------------------------------------------------------------------------------------------------

    async def _register(self, line: Line) -> None:
        self._made += 1
        invited = self._random.random() < 0.4
        body = Body(f"c{self._number}x{self._made}", self._random.choice(SHAPES), 1)
        entry = Entry(body.name, invited=invited)
        self._mine.append(entry)
        self._book.entries.append(entry)
        ask = Ask("POST", "/register", body.written(), self.invitation if invited else "")
        await self._say(line, entry, Sent(ask, born(body)))

    async def _read(self, line: Line, entry: Entry) -> None:
        standing, generation = self._held(entry)
        await self._say(line, entry, Sent(Ask("GET", entry.path, token=entry.tokens[generation]), standing.shown(generation), generation))

    async def _put(self, line: Line, entry: Entry, *, again: bool) -> None:
        """Another body; or, ``again``, with the token before the newest: the same body once more, or yet another one."""
        standing, generation = self._held(entry)
        older = standing.confirmed
        if again and older < standing.issued and older in entry.tokens and within_the_minute(entry):
            generation = older
        body = standing.body
        if not again or generation == standing.issued or self._random.random() < 0.5:
            body = Body(body.name, self._random.choice(SHAPES), body.version + 1)
        written = body.written(entry.client_id)
        after = standing.put(generation, body, digest_of(written))
        await self._say(line, entry, Sent(Ask("PUT", entry.path, written, entry.tokens[generation]), after, generation))

    async def _delete(self, line: Line, entry: Entry) -> None:
        standing, generation = self._held(entry)
        await self._say(line, entry, Sent(Ask("DELETE", entry.path, token=entry.tokens[generation]), standing.deleted(), generation))

    async def _spent(self, line: Line, entry: Entry) -> None:
        """A token that is dead by the rules stays dead."""
        standing, _ = self._held(entry)
        dead = [generation for generation in entry.tokens if generation not in (standing.confirmed, standing.issued)]
        if not dead:
            await self._read(line, entry)
            return
        self._refused(entry, await line.ask(Ask("GET", entry.path, token=entry.tokens[self._random.choice(dead)])))

    async def _knock(self, line: Line, entry: Entry) -> None:
        """What was deleted stays deleted, whichever token asks; then it is forgotten here."""
        self._refused(entry, await line.ask(Ask("GET", entry.path, token=self._random.choice(list(entry.tokens.values())))))
        self._mine.remove(entry)

    async def _recover(self, line: Line, entry: Entry, lost: Sent) -> None:
        """The answer was lost: ask the same again, or read, with the token that is still held (CREDENTIALS §9.1)."""
        assert entry.standing is not None
        if entry.standing.gone:
            self._refused(entry, await line.ask(lost.ask))
            entry.lost, entry.checked = None, False
        elif not within_the_minute(entry):
            await self._put(line, entry, again=False)
        elif lost.ask.method == "PUT" and self._random.random() < 0.5:
            body = lost.after.body
            after = entry.standing.put(lost.generation, body, digest_of(lost.ask.body))
            await self._say(line, entry, Sent(lost.ask, after, lost.generation))
        elif lost.ask.method == "DELETE":
            await self._delete(line, entry)
        else:
            await self._read(line, entry)
        self._book.figures.recovered += int(entry.lost is None)

    # The two ends of a request ----------------------------------------------------------------------------------------------------

    def _held(self, entry: Entry) -> tuple[Standing, int]:
        """The standing, and the newest living generation whose token was received."""
        assert entry.standing is not None
        held = max(generation for generation in entry.tokens if generation in (entry.standing.confirmed, entry.standing.issued))
        return entry.standing, held

    async def _say(self, line: Line, entry: Entry, sent: Sent) -> None:
        """Note what is about to happen, ask, and compare the answer."""
        entry.sent, entry.checked = sent, False
        self._book.heard(entry, sent, await line.ask(sent.ask))

    def _refused(self, entry: Entry, reply: Reply) -> None:
        if not self._book.refused(reply) and reply.status != 401:
            self._book.complaints.append(f"{entry.name}: a dead token was answered {reply.status}: {reply.body!r}")


def callers(book: Book, seed: int, invitation: str) -> list[Caller]:
    """The sixteen; they outlive the servers they talk to."""
    return [Caller(book, number, seed, invitation) for number in range(CALLERS)]


def busy(crew: list[Caller], port: int) -> list["asyncio.Task[None]"]:
    """Let them loose on a server."""
    return [asyncio.create_task(caller.run(port)) for caller in crew]
