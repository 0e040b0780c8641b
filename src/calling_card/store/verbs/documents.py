"""The documents of clients that are an address, and those kept for developers (D-30 to D-35, D-52)."""

from collections.abc import Sequence

from calling_card.faults import point
from calling_card.ports import HostedDocument
from calling_card.protocol.abroad.documents import Version
from calling_card.protocol.clients import Client, State
from calling_card.protocol.events import Event
from calling_card.store import rows, steps
from calling_card.store import rows_documents as documents
from calling_card.store import statements as sql
from calling_card.store.rules import VERSIONS_KEPT, check_met, check_read, same_name, taken
from calling_card.store.steps import Steps, changed, hold, note, there
from calling_card.store.transactions import Transactions


class Documents(Transactions):
    """The verbs of `Store` about documents."""

    async def version(self, key: bytes, number: int | None = None) -> Version | None:
        """See `Store.version`."""
        found = await self._read(sql.NEWEST_DOCUMENT, (key,)) if number is None else await self._read(sql.DOCUMENT_BY_NUMBER, (key, number))
        return documents.document_of(found[0]) if found else None

    async def versions(self, key: bytes) -> Sequence[Version]:
        """See `Store.versions`."""
        return [documents.document_of(row) for row in await self._read(sql.DOCUMENTS, (key,))]

    async def meet(self, client: Client, version: Version, event: Event) -> bool:
        """See `Store.meet`."""
        check_met(client, version)
        return await self._write(lambda: meet(client, version, event), client.key)

    async def read_again(
        self, before: Version, after: Version, client: Client | None, event: Event | None, *, end: bool = False, was: State | None = None
    ) -> bool:
        """See `Store.read_again`; looks before it writes, for nobody else writes about this client meanwhile."""
        check_read(before, after, client)

        def unit() -> Steps[bool]:
            yield from hold(sql.HOLD_CLIENT, (before.client_key,))
            if not (yield from stands(before, client, was)):
                return False
            yield from put_version(before, after)
            point("store.version_put")
            if client is not None:
                became = (client.metadata, client.decision, client.state.value, client.state.value)
                yield from changed(sql.BECOME, (*became, client.key, client.incarnation))
            if end:
                yield from end_grants(before.client_key)
            if event is not None:
                yield from note(event)
            return True

        return await self._write(unit, before.client_key)

    async def host_document(self, document: HostedDocument, event: Event) -> None:
        """See `Store.host_document`."""

        def unit() -> Steps[None]:
            yield from changed(sql.SWEEP_HOSTED, (document.created_at,))
            if not (yield from changed(sql.INSERT_HOSTED, documents.hosted_values(document))):
                raise ValueError("a document with this id is there already")
            yield from note(event)

        await self._write(unit)

    async def hosted_document(self, id: str) -> HostedDocument | None:
        """See `Store.hosted_document`."""
        found = await self._read(sql.HOSTED_BY_ID, (id,))
        return documents.hosted_of(found[0]) if found else None

    async def drop_hosted(self, id: str, event: Event) -> bool:
        """See `Store.drop_hosted`."""
        return await self._one(sql.DELETE_HOSTED, (id,), event)


def meet(client: Client, version: Version, event: Event) -> Steps[bool]:
    """A client with the first version of its document."""
    if not (yield from changed(sql.INSERT_CLIENT, rows.client_values(client))):
        known = yield from steps.rows(sql.CLIENT_BY_KEY, (client.key,))
        if not known or same_name(rows.client_of(known[0]), client):
            return False
        raise taken(rows.client_of(known[0]), client)
    point("store.client_met")
    yield from changed(sql.INSERT_DOCUMENT, documents.document_values(version))
    yield from note(event)
    return True


def stands(before: Version, client: Client | None, was: State | None) -> Steps[bool]:
    """Whether this is still the newest version as it was read, and its client lives: as given, if one is, in the state it was."""
    as_read = (before.client_key, before.number, before.checked_at, before.failed_at, before.digest)
    if not (yield from there(sql.DOCUMENT_STANDS, as_read)):
        return False
    if client is None:
        return (yield from there(sql.HOLD_CLIENT, (before.client_key,)))
    return (yield from there(sql.STATE_IS, (client.key, client.incarnation, (was or client.state).value)))


def put_version(before: Version, after: Version) -> Steps[None]:
    """The same version with other news of its reading, or the next one, for which the oldest may have to go."""
    if after.number == before.number:
        yield from changed(sql.READ_DOCUMENT, (*documents.reading_values(after), after.client_key, after.number))
        return
    yield from changed(sql.INSERT_DOCUMENT, documents.document_values(after))
    yield from changed(sql.FORGET_DOCUMENTS, (after.client_key, after.number - VERSIONS_KEPT))


def end_grants(key: bytes) -> Steps[None]:
    """End every grant of a client and forget every remembered yes to it."""
    yield from changed(sql.END_CLIENT_GRANTS, (key,))
    yield from changed(sql.DELETE_CONSENTS, (key,))
