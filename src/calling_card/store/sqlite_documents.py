"""The documents of clients that are an address, and those kept for developers, on SQLite (D-30 to D-35, D-52)."""

from collections.abc import Sequence

from calling_card.faults import point
from calling_card.ports import HostedDocument
from calling_card.protocol.abroad.documents import Version
from calling_card.protocol.clients import Client, State
from calling_card.protocol.events import Event
from calling_card.store import rows
from calling_card.store import rows_documents as documents
from calling_card.store import statements as sql
from calling_card.store.database import Database
from calling_card.store.rules import VERSIONS_KEPT, check_met, check_read, same_name, taken
from calling_card.store.transactions import Transactions, changed, there


class SqliteDocuments(Transactions):
    """The verbs of `Store` about documents."""

    async def version(self, key: bytes, number: int | None = None) -> Version | None:
        """See `Store.version`."""
        found = self._read(sql.NEWEST_DOCUMENT, (key,)) if number is None else self._read(sql.DOCUMENT_BY_NUMBER, (key, number))
        return documents.document_of(found[0]) if found else None

    async def versions(self, key: bytes) -> Sequence[Version]:
        """See `Store.versions`."""
        return [documents.document_of(row) for row in self._read(sql.DOCUMENTS, (key,))]

    async def meet(self, client: Client, version: Version, event: Event) -> bool:
        """See `Store.meet`."""
        check_met(client, version)

        def unit(db: Database) -> bool:
            if not changed(db, sql.INSERT_CLIENT, rows.client_values(client)):
                known = rows.client_of(db.execute(sql.CLIENT_BY_KEY, (client.key,)).fetchall()[0])
                if same_name(known, client):
                    return False
                raise taken(known, client)
            point("store.client_met")
            db.execute(sql.INSERT_DOCUMENT, documents.document_values(version))
            self._note(db, event)
            return True

        return await self._write(unit)

    async def read_again(
        self, before: Version, after: Version, client: Client | None, event: Event | None, *, end: bool = False, was: State | None = None
    ) -> bool:
        """See `Store.read_again`; looks before it writes, for nobody else writes meanwhile."""
        check_read(before, after, client)

        def unit(db: Database) -> bool:
            if not stands(db, before, client, was):
                return False
            put_version(db, before, after)
            point("store.version_put")
            if client is not None:
                became = (client.metadata, client.decision, client.state.value, client.state.value)
                db.execute(sql.BECOME, (*became, client.key, client.incarnation))
            if end:
                end_grants(db, before.client_key)
            if event is not None:
                self._note(db, event)
            return True

        return await self._write(unit)

    async def host_document(self, document: HostedDocument, event: Event) -> None:
        """See `Store.host_document`."""

        def unit(db: Database) -> None:
            db.execute(sql.SWEEP_HOSTED, (document.created_at,))
            if not changed(db, sql.INSERT_HOSTED, documents.hosted_values(document)):
                raise ValueError("a document with this id is there already")
            self._note(db, event)

        await self._write(unit)

    async def hosted_document(self, id: str) -> HostedDocument | None:
        """See `Store.hosted_document`."""
        found = self._read(sql.HOSTED_BY_ID, (id,))
        return documents.hosted_of(found[0]) if found else None

    async def drop_hosted(self, id: str, event: Event) -> bool:
        """See `Store.drop_hosted`."""
        return await self._one(sql.DELETE_HOSTED, (id,), event)


def stands(db: Database, before: Version, client: Client | None, was: State | None) -> bool:
    """Whether this is still the newest version as it was read, and its client lives: as given, if one is, in the state it was."""
    if not there(db, sql.DOCUMENT_STANDS, (before.client_key, before.number, before.checked_at, before.failed_at, before.digest)):
        return False
    if client is None:
        return there(db, sql.CLIENT_BY_KEY, (before.client_key,))
    return there(db, sql.STATE_IS, (client.key, client.incarnation, (was or client.state).value))


def put_version(db: Database, before: Version, after: Version) -> None:
    """The same version with other news of its reading, or the next one, for which the oldest may have to go."""
    if after.number == before.number:
        db.execute(sql.READ_DOCUMENT, (*documents.reading_values(after), after.client_key, after.number))
        return
    db.execute(sql.INSERT_DOCUMENT, documents.document_values(after))
    db.execute(sql.FORGET_DOCUMENTS, (after.client_key, after.number - VERSIONS_KEPT))


def end_grants(db: Database, key: bytes) -> None:
    """End every grant of a client and forget every remembered yes to it."""
    db.execute(sql.END_CLIENT_GRANTS, (key,))
    db.execute(sql.DELETE_CONSENTS, (key,))
