"""The guarded fetcher: who may be asked, how often, and what is remembered of it; the request itself is in `door`."""

import asyncio
import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from calling_card.fetch.memory import Answers, Failures, renewed
from calling_card.fetch.places import Places
from calling_card.protocol.abroad.addresses import Address, AddressError, leads_to
from calling_card.protocol.abroad.fetching import Fetched, Posted, Purpose, Unfetched, Why
from calling_card.protocol.abroad.networks import fetchable

if TYPE_CHECKING:
    from calling_card.fetch.door import Door
    from calling_card.fetch.names import Names
    from calling_card.fetch.pinned import Dial

LEAST = 0.3
"""Seconds that a failure of the network takes at least, so that a fast one tells no more than a slow one (X-02)."""


@dataclass(frozen=True, slots=True)
class Outward:
    """How far fetches may go."""

    agent: str
    """Value of the ``User-Agent`` header."""
    ports: tuple[int, ...] = ()
    """Ports that may be fetched from; empty: 443 and from 1024 up."""
    most: int = 16
    """Fetches at once."""
    most_of_a_host: int = 2
    proxy: str = ""
    """URL of an egress proxy, which then judges the addresses; nothing is resolved here."""
    loopback: bool = False
    """Whether this machine may be fetched from, http included."""
    ca_file: str = ""
    """File with certificate authorities beside those of the machine."""
    own_host: str = ""
    """Our issuer."""
    stale_if_error: int = 3600
    """Seconds that what is kept may stand in after its time."""


class Flight(NamedTuple):
    """What makes two fetches one."""

    url: str
    purpose: Purpose
    etag: str
    last_modified: str


class HttpsFetcher:
    """See `Fetcher`. Nothing of HTTP, DNS or TLS is loaded before the first fetch."""

    def __init__(
        self,
        outward: Outward,
        now: Callable[[], int],
        clock: Callable[[], float],
        *,
        names: "Names | None" = None,
        dial: "Dial | None" = None,
        least: float = LEAST,
    ) -> None:
        """``now`` in seconds since 1970, ``clock`` monotonic; ``names`` and ``dial`` are the DNS and the network unless given."""
        self._outward = outward
        self._now = now
        self._clock = clock
        self._names = names
        self._dial = dial
        self._least = least
        self._door: Door | None = None
        self._opening = asyncio.Lock()
        self._places = Places(outward.most, outward.most_of_a_host)
        self._deliveries = Places(outward.most, outward.most_of_a_host)
        self._failures = Failures(clock)
        self._shelves: dict[Purpose, Answers] = {}
        self._flights: dict[Flight, asyncio.Task[Fetched | Unfetched]] = {}

    async def get(self, url: str, purpose: Purpose, *, etag: str = "", last_modified: str = "") -> Fetched:
        """See `Fetcher.get`. Whoever stops waiting does not stop the flight, which others may be on (D-36)."""
        place = self._place(url)
        flight = Flight(url, purpose, etag, last_modified)
        task = self._flights.get(flight)
        if task is None:
            self._raise_known(url, purpose)
            task = self._flights[flight] = asyncio.create_task(self._fly(place, flight))
            task.add_done_callback(lambda _: self._flights.pop(flight))
        found = await asyncio.shield(task)
        if isinstance(found, Unfetched):
            raise Unfetched(found.why, found.logged)
        return found

    async def kept(self, url: str, purpose: Purpose, *, newer_than: int = 0) -> Fetched:
        """See `Fetcher.kept`."""
        answers = self._shelf(purpose)
        there = answers.of(url)
        if there is None:
            found = await self.get(url, purpose)
        elif self.fresh(url, purpose, newer_than=newer_than):
            return there.fetched
        else:
            old = there.fetched
            try:
                found = await self.get(url, purpose, etag=old.etag, last_modified=old.last_modified)
            except Unfetched as no:
                if no.why.passing and there.life.stale_until > self._now():
                    return old
                answers.drop(url)
                raise
            found = renewed(old, found) if found.status == 304 else found
        answers.keep(url, found, purpose.least)
        return found

    def fresh(self, url: str, purpose: Purpose, *, newer_than: int = 0) -> bool:
        """See `Fetcher.fresh`."""
        there = self._shelf(purpose).of(url)
        return there is not None and there.life.fresh_until > self._now() and there.fetched.at >= newer_than

    def proven(self, url: str, purpose: Purpose) -> None:
        """See `Fetcher.proven`."""
        self._shelf(purpose).prove(url)

    def forget(self, url: str) -> None:
        """See `Fetcher.forget`."""
        for answers in self._shelves.values():
            answers.drop(url)
        self._failures.forget(url)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], purpose: Purpose) -> Posted:
        """See `Fetcher.post`. Places of its own: a receiver that takes its time keeps nobody's keys from being read."""
        place = self._place(url)
        door = await self._opened()
        async with self._deliveries.taken(place.host, purpose.name):
            return await door.bring(place, body, headers, purpose)

    def _shelf(self, purpose: Purpose) -> Answers:
        """Each purpose has its own: pictures do not push keys out."""
        return self._shelves.setdefault(purpose, Answers(self._outward.stale_if_error))

    def _place(self, url: str) -> Address:
        """The parts of a URL that may be fetched. Raises `Unfetched`, before anything was looked up."""
        try:
            place = fetchable(url, self._outward.ports, loopback=self._outward.loopback)
        except AddressError as error:
            raise Unfetched(Why.ADDRESS, str(error)) from None
        if self._outward.own_host and leads_to(url, self._outward.own_host):
            raise Unfetched(Why.ADDRESS, "leads to this server itself")
        return place

    def _raise_known(self, url: str, purpose: Purpose) -> None:
        known = self._failures.of(url, purpose)
        if known is not None:
            raise Unfetched(known.why, f"{known.logged}; a moment ago")

    async def _fly(self, place: Address, flight: Flight) -> Fetched | Unfetched:
        """One fetch for everybody who waits for it; a failure is remembered."""
        try:
            return await self._ask(place, flight)
        except Unfetched as no:
            failure = Unfetched(no.why, no.logged)
        if failure.why is not Why.BUSY:
            self._failures.note(flight.url, flight.purpose, failure)
        return failure

    async def _ask(self, place: Address, flight: Flight) -> Fetched:
        """From a place; a failure of the network takes its time there, so that hosts that hang up at once are not asked by the hundred."""
        door = await self._opened()
        async with self._places.taken(place.host, flight.purpose.name):
            began = self._clock()
            try:
                return await door.ask(place, flight.purpose, flight.etag, flight.last_modified)
            except Unfetched as no:
                if no.why is Why.UNREACHABLE:
                    await asyncio.sleep(self._least - (self._clock() - began))
                raise

    async def _opened(self) -> "Door":
        """The door, made at the first fetch, in a thread: its libraries and certificates take longer than other requests should wait."""
        async with self._opening:
            if self._door is None:
                try:
                    self._door = await asyncio.to_thread(self._open)
                    gc.freeze()
                except OSError as error:
                    raise Unfetched(Why.UNREACHABLE, f"fetch_ca_file: {error}") from None
            return self._door

    def _open(self) -> "Door":
        from calling_card.fetch.door import Door
        from calling_card.fetch.names import DnsNames
        from calling_card.fetch.pinned import dial

        out = self._outward
        return Door(out.agent, self._names or DnsNames(), self._dial or dial, self._now, ca_file=out.ca_file, proxy=out.proxy)
