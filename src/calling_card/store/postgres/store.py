"""The store on PostgreSQL: reads on connections of a pool, writes on lanes."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from calling_card.store.chain import Chain
from calling_card.store.database import Value, Values
from calling_card.store.migrations import Climb
from calling_card.store.postgres.dialect import text_of, values_of
from calling_card.store.postgres.lanes import Lane
from calling_card.store.postgres.migrations import migrate, steps, version_of
from calling_card.store.postgres.pool import Address, Pool
from calling_card.store.steps import Unit
from calling_card.store.verbs import Verbs

T = TypeVar("T")


class PostgresStore(Verbs):
    """The `Store` on a database that any number of nodes share."""

    def __init__(self, pool: Pool, chains: Callable[[], Chain], now: Callable[[], int]) -> None:
        super().__init__(now)
        self._pool = pool
        self._lanes = [Lane(pool, chains) for _ in range(pool.address.lanes)]
        self._shut = False

    @classmethod
    async def open(cls, address: Address, writers: Callable[[], tuple[bytes, bytes]], now: Callable[[], int]) -> "PostgresStore":
        """Connect and bring the schema up to date; raises `SchemaTooNew`, `ForeignFile` or `StoreUnavailable`.

        ``writers``: a new writer with the key of its chain; there is one for each connection that writes.
        """

        def chain() -> Chain:
            writer, key = writers()
            return Chain(key, writer)

        pool = Pool(address)
        connection = await pool.reach()
        try:
            await migrate(connection, chain().writer)
        finally:
            await connection.close(timeout=5)
        return cls(pool, chain, now)

    @staticmethod
    async def migrate(address: Address, holder: bytes, *, dry: bool = False) -> Climb:
        """Bring a database to the newest schema, or say what that would be; raises as `open` does."""
        connection = await Pool(address).reach()
        try:
            climb = Climb(await version_of(connection), len(steps()))
            if not dry or climb.version > climb.newest:
                await migrate(connection, holder)
            return climb
        finally:
            await connection.close(timeout=5)

    async def _read(self, statement: str, values: Values = ()) -> Sequence[Values]:
        return await self._pool.fetch(text_of(statement), values_of(statement, values))

    async def _scan(self, statement: str, values: Values) -> Sequence[Values]:
        return await self._pool.scan(text_of(statement), values_of(statement, values))

    def _put(self, unit: Unit[T], place: bytes) -> asyncio.Future[T]:
        """On the lane of whom it is about."""
        return self._lanes[sum(place) % len(self._lanes)].put(unit, place)

    @property
    def _closed(self) -> bool:
        return self._shut

    def _lying(self, number: int, *, text: bool) -> Value:
        """Rows have no numbers here: the number is a key behind a byte that says that it is there."""
        raw = number.to_bytes((number.bit_length() + 7) // 8, "big")[1:]
        return raw.decode() if text else raw

    def _number(self, lying: Value) -> int:
        raw = lying.encode() if isinstance(lying, str) else lying
        return int.from_bytes(b"\x01" + raw, "big") if isinstance(raw, bytes) else 0

    async def close(self) -> None:
        """See `Store.close`."""
        if self._shut:
            return
        self._send_along(rest=True)
        self._shut = True
        await asyncio.gather(*(lane.close() for lane in self._lanes))
        await self._pool.close()
