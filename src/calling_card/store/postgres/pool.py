"""Connections to whichever host takes writes: a bounded number, none waited for long, and no storm on a database that is down."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg

from calling_card.ports import StoreUnavailable
from calling_card.store.database import Values
from calling_card.store.postgres.connection import Connection
from calling_card.store.postgres.troubles import FAILURES, READ_ONLY, Trouble, as_said, sqlstate, trouble

PAUSE = 0.2
"""Seconds between two tries to reach a database that could not be reached; who comes meanwhile is told so at once."""
GRACE = 0.3
"""Seconds that we wait longer than the server lets a statement take: what it says itself is better news than silence."""
STAND_IN = -1
"""The generation of a connection to a server that does not write: nobody keeps it, for by the next read there may be one that does."""
SCAN = 120_000
"""Milliseconds for a walk over many rows."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is and how it is used; times are milliseconds."""

    dsn: str = field(repr=False)
    lanes: int = 4
    readers: int = 8
    pgbouncer: bool = False
    connect_timeout: int = 1_000
    statement_timeout: int = 1_200
    lock_timeout: int = 1_100
    """More than the second after which PostgreSQL looks for transactions that wait for each other, of which one is tried again then."""
    idle_timeout: int = 2_000

    @property
    def patience(self) -> float:
        """Seconds for one command and its answer."""
        return self.statement_timeout / 1000 + GRACE

    @property
    def session(self) -> dict[str, str]:
        """What is set for each connection; pgbouncer shares them, so that there the role has to have these settings."""
        if self.pgbouncer:
            return {}
        return {
            "application_name": "calling-card",
            "statement_timeout": str(self.statement_timeout),
            "lock_timeout": str(self.lock_timeout),
            "idle_in_transaction_session_timeout": str(self.idle_timeout),
            "default_transaction_isolation": "read committed",
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
        }


def each_host(dsn: str) -> Sequence[str]:
    """The same address once for each host that it names, before the path or in the query."""
    parts = urlsplit(dsn)
    who, at, where = parts.netloc.rpartition("@")
    if where:
        return [parts._replace(netloc=f"{who}{at}{host}").geturl() for host in where.split(",")]
    said = dict(parse_qsl(parts.query))
    hosts, ports = said.get("host", "").split(","), said.get("port", "").split(",")
    if len(hosts) == 1:
        return [dsn]
    pairs = zip(hosts, ports if len(ports) == len(hosts) else ports * len(hosts), strict=False)
    one = [{**said, "host": host} | ({"port": port} if port else {}) for host, port in pairs]
    return [parts._replace(query=urlencode(each)).geturl() for each in one]


class Pool:
    """Makes connections for all, and lends some of them to readers."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._hosts = each_host(address.dsn)
        self._idle: list[tuple[Connection, int]] = []
        self._room = asyncio.Semaphore(address.readers)
        self._generation = 0
        self._broken: BaseException | None = None
        self._next_try = 0.0
        self._next_stand_in = 0.0
        self._closed = False

    # Connections ------------------------------------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """Connections of an earlier one lead to a server that is primary no more, or are dead."""
        return self._generation

    async def reach(self) -> Connection:
        """A connection to a server that takes writes. Raises `StoreUnavailable`, at once while another try has just failed."""
        now = asyncio.get_running_loop().time()
        if self._broken is not None:
            if now < self._next_try:
                raise StoreUnavailable(f"the database cannot be reached: {self._broken}")
            self._next_try = now + PAUSE + self.address.connect_timeout / 1000
        try:
            made = await self._connect("read-write")
        except FAILURES as error:
            self._broken, self._next_try = error, asyncio.get_running_loop().time() + PAUSE
            raise StoreUnavailable(f"the database cannot be reached: {type(error).__name__}: {error}") from error
        self._broken = None
        return made

    async def _reach_to_read(self) -> tuple[Connection, int]:
        """A connection with its generation; to any server while none takes writes, and then for one statement only."""
        generation = self._generation
        try:
            return await self.reach(), generation
        except StoreUnavailable:
            if isinstance(self._broken, TimeoutError) or asyncio.get_running_loop().time() < self._next_stand_in:
                raise
        try:
            return await self._connect("any"), STAND_IN
        except FAILURES as error:
            self._next_stand_in = asyncio.get_running_loop().time() + PAUSE
            raise as_said(error) from error

    async def _connect(self, kind: Literal["read-write", "any"]) -> Connection:
        """To the first host that fits; all are asked at once, for a silent one must not use up the time of the others."""
        tries = [asyncio.create_task(self._connect_to(dsn, kind)) for dsn in self._hosts]
        made, failed = None, list[Exception]()
        try:
            for answered in asyncio.as_completed(tries):
                try:
                    made = await answered
                    break
                except FAILURES as error:
                    failed.append(error)
        finally:
            for one in tries:
                one.cancel()
            for other in await asyncio.gather(*tries, return_exceptions=True):
                if not isinstance(other, BaseException) and other is not made:
                    other.terminate()
        if made is None:
            raise min(failed, key=lambda error: isinstance(error, TimeoutError))
        return made

    async def _connect_to(self, dsn: str, kind: Literal["read-write", "any"]) -> Connection:
        made = await asyncpg.connect(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - it names no types
            dsn,
            timeout=self.address.connect_timeout / 1000,  # pyright: ignore[reportArgumentType] - a float will do
            command_timeout=self.address.patience,
            statement_cache_size=0 if self.address.pgbouncer else 200,
            max_cached_statement_lifetime=0,
            server_settings=self.address.session,
            target_session_attrs=kind,
        )
        return cast("Connection", made)

    def shun(self, error: BaseException) -> None:
        """Draw conclusions from a lost connection: behind silence, and behind a server that only reads, the others are no better."""
        if isinstance(error, TimeoutError):
            self._broken, self._next_try = error, 0.0
        if isinstance(error, TimeoutError) or sqlstate(error) == READ_ONLY:
            self._generation += 1
            while self._idle:
                self._idle.pop()[0].terminate()

    # Readers ----------------------------------------------------------------------------------------------------------------------

    async def fetch(self, text: str, values: Values) -> Sequence[Values]:
        """What a statement finds; a connection that turns out to be gone is replaced once. Raises `StoreUnavailable`."""
        for _ in range(2):
            connection, generation = await self._take()
            try:
                found = await connection.fetch(text, *values)
            except BaseException as error:
                self._room.release()
                again = self._lost(connection, generation, error)
                if not again:
                    raise as_said(error) from error
            else:
                self._give_back(connection, generation)
                return found
        raise StoreUnavailable("the connection to the database was lost twice")

    async def scan(self, text: str, values: Values) -> Sequence[Values]:
        """The same for a walk over many rows, on a connection of its own."""
        connection = await self.reach()
        try:
            async with connection.transaction(readonly=True):
                await connection.execute(f"SET LOCAL statement_timeout = {SCAN}")
                return await connection.fetch(text, *values, timeout=SCAN / 1000)
        except FAILURES as error:
            raise as_said(error) from error
        finally:
            connection.terminate()

    def _lost(self, connection: Connection, generation: int, error: BaseException) -> bool:
        """Put away a connection after an error; whether another one may do better."""
        kind = trouble(error)
        if kind is Trouble.LOST or not sqlstate(error):
            connection.terminate()
            self.shun(error)
            return kind is Trouble.LOST and not isinstance(error, (TimeoutError, asyncio.CancelledError))
        self._keep(connection, generation)
        return kind is Trouble.AGAIN

    async def _take(self) -> tuple[Connection, int]:
        """A connection that nobody uses now."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._room.locked():
            try:
                await asyncio.wait_for(self._room.acquire(), self.address.patience)
            except TimeoutError:
                raise StoreUnavailable("every connection to the database is busy") from None
        else:
            await self._room.acquire()
        try:
            while self._idle:
                connection, generation = self._idle.pop()
                if not connection.is_closed() and generation == self._generation:
                    return connection, generation
                connection.terminate()
            return await self._reach_to_read()
        except BaseException:
            self._room.release()
            raise

    def _give_back(self, connection: Connection, generation: int) -> None:
        self._room.release()
        self._keep(connection, generation)

    def _keep(self, connection: Connection, generation: int) -> None:
        if self._closed or generation != self._generation:
            connection.terminate()
        else:
            self._idle.append((connection, generation))

    async def close(self) -> None:
        """Let go of the connections that nobody uses; the others are let go of when they are given back."""
        self._closed = True
        while self._idle:
            connection, _ = self._idle.pop()
            with suppress(*FAILURES):
                await connection.close(timeout=1)
