"""The documents of clients that are an address, and those kept for developers, in memory (D-30 to D-35, D-52)."""

from collections.abc import Sequence

from msgspec import structs

from calling_card.ports import HostedDocument
from calling_card.protocol.abroad.documents import Version
from calling_card.protocol.clients import Client, State
from calling_card.protocol.events import Event
from calling_card.protocol.persons.grants import Stage, ended
from calling_card.store.rules import VERSIONS_KEPT, as_read, check_met, check_read, same_name, taken
from calling_card.store.shelves import Shelves


class MemoryDocuments(Shelves):
    """The verbs of `Store` about documents."""

    async def version(self, key: bytes, number: int | None = None) -> Version | None:
        """See `Store.version`."""
        found = [version for version in self._documents.get(key, ()) if number in (None, version.number)]
        return found[-1] if found else None

    async def versions(self, key: bytes) -> Sequence[Version]:
        """See `Store.versions`."""
        return list(reversed(self._documents.get(key, ())))

    async def meet(self, client: Client, version: Version, event: Event) -> bool:
        """See `Store.meet`."""
        check_met(client, version)
        self._begin()
        there = self._clients.get(client.key)
        if there is not None:
            if same_name(there, client):
                return False
            raise taken(there, client)
        self._note(event)
        self._clients[client.key] = client
        self._documents[client.key] = (version,)
        return True

    async def read_again(
        self, before: Version, after: Version, client: Client | None, event: Event | None, *, end: bool = False, was: State | None = None
    ) -> bool:
        """See `Store.read_again`."""
        check_read(before, after, client)
        self._begin()
        kept, there = self._documents.get(before.client_key, ()), self._clients.get(before.client_key)
        if there is None or not kept or as_read(kept[-1]) != as_read(before) or (client and not same_life(there, client, was)):
            return False
        if event is not None:
            self._note(event)
        self._documents[before.client_key] = (*(kept if after.number > before.number else kept[:-1]), after)[-VERSIONS_KEPT:]
        if client is not None:
            epoch = there.epoch + (there.state is not client.state)
            self._clients[client.key] = structs.replace(
                there, metadata=client.metadata, decision=client.decision, state=client.state, epoch=epoch
            )
        if end:
            self._end_grants(before.client_key)
        return True

    async def host_document(self, document: HostedDocument, event: Event) -> None:
        """See `Store.host_document`."""
        self._begin()
        hosted = {id: there for id, there in self._hosted.items() if there.expires_at > document.created_at}
        if document.id in hosted:
            raise ValueError("a document with this id is there already")
        self._note(event)
        self._hosted = {**hosted, document.id: document}

    async def hosted_document(self, id: str) -> HostedDocument | None:
        """See `Store.hosted_document`."""
        return self._hosted.get(id)

    async def drop_hosted(self, id: str, event: Event) -> bool:
        """See `Store.drop_hosted`."""
        self._begin()
        if id not in self._hosted:
            return False
        self._note(event)
        del self._hosted[id]
        return True

    def _end_grants(self, key: bytes) -> None:
        """End every grant of a client and forget every remembered yes to it."""
        for place, grant in self._grants.items():
            if grant.client_key == key and grant.stage is not Stage.REVOKED:
                self._grants[place] = ended(grant)
        self._consents = {place: consent for place, consent in self._consents.items() if consent.client_key != key}


def same_life(there: Client, client: Client, was: State | None) -> bool:
    """Whether the client is still the one that was read, in the state it was."""
    return (there.incarnation, there.state) == (client.incarnation, was or client.state)
