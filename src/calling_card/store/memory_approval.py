"""Who waits for approval, and who may try it meanwhile, in memory (A-88)."""

from collections.abc import Sequence

from calling_card.protocol.clients import Client, State
from calling_card.protocol.events import Event
from calling_card.store.shelves import Shelves


class MemoryApproval(Shelves):
    """The verbs of `Store` about approval."""

    async def held(self, after: str, limit: int) -> Sequence[Client]:
        """See `Store.held`."""
        behind = [client for client in self._clients.values() if client.state is State.HELD and client.client_id > after]
        return sorted(behind, key=lambda client: (client.client_id, client.key))[:limit]

    async def test_persons(self, client: Client) -> Sequence[bytes]:
        """See `Store.test_persons`."""
        return self._test_persons.get(client.key, ()) if self._lives(client) else ()

    async def add_test_person(self, client: Client, person: bytes, event: Event) -> bool:
        """See `Store.add_test_person`."""
        self._begin()
        there = self._test_persons.get(client.key, ())
        if not self._lives(client) or person in there:
            return False
        self._note(event)
        self._test_persons[client.key] = tuple(sorted((*there, person)))
        return True

    async def remove_test_person(self, client: Client, person: bytes, event: Event) -> bool:
        """See `Store.remove_test_person`."""
        self._begin()
        there = self._test_persons.get(client.key, ())
        if not self._lives(client) or person not in there:
            return False
        self._note(event)
        self._test_persons[client.key] = tuple(one for one in there if one != person)
        return True
