"""Who waits for approval, and who may try it meanwhile (A-88)."""

from collections.abc import Sequence
from typing import cast

from calling_card.protocol.clients import Client
from calling_card.protocol.events import Event
from calling_card.store import rows
from calling_card.store import statements as sql
from calling_card.store.transactions import Transactions


class Approval(Transactions):
    """The verbs of `Store` about approval."""

    async def held(self, after: str, limit: int) -> Sequence[Client]:
        """See `Store.held`."""
        return [rows.client_of(row) for row in await self._read(sql.HELD_BEHIND, (after, limit))]

    async def test_persons(self, client: Client) -> Sequence[bytes]:
        """See `Store.test_persons`."""
        return [cast("bytes", row[0]) for row in await self._read(sql.TEST_PERSONS, (client.key, client.incarnation))]

    async def add_test_person(self, client: Client, person: bytes, event: Event) -> bool:
        """See `Store.add_test_person`."""
        return await self._one(sql.ADD_TEST_PERSON, (person, client.key, client.incarnation), event, client.key)

    async def remove_test_person(self, client: Client, person: bytes, event: Event) -> bool:
        """See `Store.remove_test_person`."""
        return await self._one(sql.REMOVE_TEST_PERSON, (client.key, client.incarnation, person), event, client.key)
