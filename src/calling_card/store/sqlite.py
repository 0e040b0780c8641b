"""The store on one SQLite file: reads on the loop, writes in groups, an answer only after its COMMIT."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import cast

from calling_card.faults import point
from calling_card.ports import Invitation, NoRoom, Registration, Rows, SigningKey, StoreUnavailable
from calling_card.protocol.clients import Client
from calling_card.protocol.events import Event, Recorded
from calling_card.protocol.persons.resources import Resource
from calling_card.protocol.policy.claims import Claim
from calling_card.store import files, rows
from calling_card.store import statements as sql
from calling_card.store.chain import START, Chain, Head
from calling_card.store.database import Database, Values
from calling_card.store.migrations import migrate
from calling_card.store.rows_people import GRANT, grant_of, standing_of
from calling_card.store.rules import DAYS_WAITING, MARKS_LIVING, ONCE_LIVING, check_same_client, software_of, taken, was_taken
from calling_card.store.sqlite_approval import SqliteApproval
from calling_card.store.sqlite_documents import SqliteDocuments, end_grants
from calling_card.store.sqlite_grants import SqliteGrants
from calling_card.store.sqlite_people import SqlitePeople
from calling_card.store.sqlite_pruning import SqlitePruning, bury
from calling_card.store.sqlite_webhooks import SqliteWebhooks
from calling_card.store.transactions import changed, there

END_OF_CLIENT = len(rows.CLIENT)
GRANT_AT = END_OF_CLIENT + 1
STANDING_AT = GRANT_AT + len(GRANT)
"""Where the parts of a row of `Store.living` begin; between client and grant stands whether the mark is set."""


class SqliteStore(SqliteApproval, SqliteGrants, SqliteDocuments, SqlitePeople, SqlitePruning, SqliteWebhooks):
    """The `Store` on one file. Other processes may write to the same file at the same time."""

    @classmethod
    def open(cls, path: Path, *, chain_key: bytes, writer: bytes, now: Callable[[], int]) -> "SqliteStore":
        """Open or create the database file; raises `SchemaTooNew`, `ForeignFile` or `StoreUnavailable`."""
        db = files.writing(path)
        try:
            return cls.on(db, lambda: files.reading(path), chain_key=chain_key, writer=writer, now=now)
        except BaseException:
            db.close()
            raise

    @classmethod
    def on(cls, db: Database, reader: Callable[[], Database], *, chain_key: bytes, writer: bytes, now: Callable[[], int]) -> "SqliteStore":
        """The store on a connection that is open for writing; ``reader`` is asked when the schema is there."""
        migrate(db)
        db.set_busy_timeout(0)
        head = db.execute(sql.HEAD, (writer,)).fetchall()
        return cls(db, reader(), Chain(chain_key, writer, cast("Head", head[0]) if head else START), now)

    # Reads ------------------------------------------------------------------------------------------------------------------------

    async def client(self, key: bytes) -> Client | None:
        """See `Store.client`."""
        found = self._read(sql.CLIENT_BY_KEY, (key,))
        return rows.client_of(found[0]) if found else None

    async def client_or_tombstone(self, key: bytes) -> tuple[Client | None, bool]:
        """See `Store.client_or_tombstone`; a tombstone is a row of nothing."""
        found = self._read(sql.CLIENT_OR_TOMBSTONE, (key, key))
        clients = [rows.client_of(row) for row in found if row[0] is not None]
        return (clients[0] if clients else None), len(found) > len(clients)

    async def living(self, key: bytes, mark: bytes, grant: bytes | None = None) -> Rows:
        """See `Store.living`; a client that is gone stays gone while its marks are looked up."""
        if grant is None:
            found = self._read(sql.CLIENT_AND_MARK, (key, mark, key))
            if found:
                return Rows(rows.client_of(found[0]), found[0][END_OF_CLIENT] == 1)
        else:
            found = self._read(sql.CLIENT_MARK_GRANT, (key, mark, grant, key))
            if found:
                return living_of(found[0])
        return Rows(None, bool(self._read(sql.MARKED, (key, mark))))

    async def clients(self, after: str, limit: int) -> Sequence[Client]:
        """See `Store.clients`."""
        return [rows.client_of(row) for row in self._read(sql.CLIENTS_BEHIND, (after, limit))]

    async def claiming(self, claim: Claim, value: str, limit: int) -> Sequence[Client]:
        """See `Store.claiming`."""
        if claim is Claim.SOFTWARE:
            return [rows.client_of(row) for row in self._read(sql.CLAIMING_SOFTWARE, (value, limit))]
        return [rows.client_of(row) for row in self._read(sql.CLAIMING_SCHEME, (value, value, value, limit))]

    async def invitation(self, id: bytes) -> Invitation | None:
        """See `Store.invitation`."""
        found = self._read(sql.INVITATION_BY_ID, (id,))
        return rows.invitation_of(found[0]) if found else None

    async def invitations(self, after: bytes, limit: int) -> Sequence[Invitation]:
        """See `Store.invitations`."""
        return [rows.invitation_of(row) for row in self._read(sql.INVITATIONS_BEHIND, (after, limit))]

    async def resource(self, uri: str) -> Resource | None:
        """See `Store.resource`."""
        found = self._read(sql.RESOURCE_BY_URI, (uri,))
        return rows.resource_of(found[0]) if found else None

    async def resources(self) -> Sequence[Resource]:
        """See `Store.resources`."""
        return [rows.resource_of(row) for row in self._read(sql.RESOURCES)]

    async def signing_keys(self) -> Sequence[SigningKey]:
        """See `Store.signing_keys`."""
        return [rows.signing_key_of(row) for row in self._read(sql.SIGNING_KEYS)]

    async def generations_by_key(self) -> Mapping[int, int]:
        """See `Store.generations_by_key`; it walks over all clients, so it does not run on the loop."""
        found = await asyncio.to_thread(self._scan, sql.GENERATIONS_BY_KEY, (self._now(), self._now()))
        return dict(cast("list[tuple[int, int]]", found))

    async def events(self, writer: bytes, after: int, limit: int) -> Sequence[Recorded]:
        """See `Store.events`."""
        return [rows.event_of(row) for row in self._read(sql.EVENTS_BEHIND, (writer, after, limit))]

    async def heads(self) -> Mapping[bytes, tuple[int, bytes]]:
        """See `Store.heads`; jumps from writer to writer along the index."""
        writers = [cast("bytes", row[0]) for row in self._read(sql.WRITERS)]
        return {writer: cast("Head", self._read(sql.HEAD, (writer,))[0]) for writer in writers}

    # Clients ----------------------------------------------------------------------------------------------------------------------

    async def register(
        self, client: Client, event: Event, invitation: bytes | None, *, room: int = 0, single: bool = False
    ) -> Registration:
        """See `Store.register`."""
        async with self._room.place(room) as free:
            return await self._register(client, event, invitation, single=single) if free else Registration.FULL

    async def _register(self, client: Client, event: Event, invitation: bytes | None, *, single: bool) -> Registration:
        def unit(db: Database) -> Registration:
            if single and there(db, sql.SAME_SOFTWARE, software_of(client)):
                return Registration.TAKEN
            if invitation is not None:
                if not changed(db, sql.TAKE_A_USE, (invitation, event.at)):
                    return Registration.SPENT
                point("store.use_taken")
            insert_client(db, client)
            self._note(db, event)
            return Registration.DONE

        return await self._write(unit)

    async def replace(self, before: Client, after: Client, event: Event | None) -> bool:
        """See `Store.replace`."""
        check_same_client(before, after)
        if before.card_until:
            return await self.bear(after, event)
        statement = sql.REPLACE_STATE if same_card(before, after) else sql.REPLACE_CLIENT
        return await self._one(statement, replacement(before, after), event)

    async def bear(self, client: Client, event: Event | None, *, room: int = 0) -> bool:
        """See `Store.bear`."""

        def unit(db: Database) -> bool:
            if not self._bear(db, client, event):
                return False
            if event is not None:
                self._note(db, event)
            return True

        async with self._room.place(room) as free:
            if not free:
                raise NoRoom
            return await self._write(unit)

    async def end_all(self, before: Client, after: Client, event: Event) -> bool:
        """See `Store.end_all`; who lived on a card alone has nothing to end."""
        check_same_client(before, after)
        if before.card_until:
            return await self.bear(after, event)
        statement = sql.REPLACE_STATE if same_card(before, after) else sql.REPLACE_CLIENT

        def unit(db: Database) -> bool:
            if not changed(db, statement, replacement(before, after)):
                return False
            point("store.client_stopped")
            end_grants(db, before.key)
            self._note(db, event)
            return True

        return await self._write(unit)

    async def remove(self, client: Client, event: Event, tombstone_until: int) -> bool:
        """See `Store.remove`; the marks of former tombstones stay until they expire."""

        def unit(db: Database) -> bool:
            if not bury(db, client, tombstone_until):
                return False
            self._note(db, event)
            return True

        return await self._write(unit)

    async def revoke(self, client: Client, mark: bytes, expires_at: int, event: Event, grant: bytes | None = None) -> None:
        """See `Store.revoke`; what is dead already (client or grant gone, token expired or marked) writes nothing."""
        now = self._now()
        if expires_at <= now:
            return

        def unit(db: Database) -> None:
            if not lives(db, client, grant):
                return
            db.execute(sql.SWEEP_MARKS, (client.key, now))
            if not changed(db, sql.INSERT_MARK, (client.key, mark, grant, expires_at)):
                return
            living = db.execute(sql.COUNT_MARKS, (client.key, grant, now)).fetchall()[0][0]
            if cast("int", living) > MARKS_LIVING:
                raise_epoch(db, client, grant)
                db.execute(sql.DELETE_TOKEN_MARKS, (client.key, grant))
            self._note(db, event)

        await self._write(unit)

    async def once(self, client: Client, fact: bytes, until: int) -> bool:
        """See `Store.once`; what has expired goes first."""
        now = self._now()

        def unit(db: Database) -> bool:
            db.execute(sql.SWEEP_ONCE, (client.key, now))
            return changed(db, sql.INSERT_ONCE, (fact, until, client.key, client.incarnation, client.key, now, ONCE_LIVING))

        return await self._write(unit)

    async def once_at(self, place: bytes, fact: bytes, until: int) -> bool:
        """See `Store.once_at`; what has expired goes first."""
        now = self._now()

        def unit(db: Database) -> bool:
            db.execute(sql.SWEEP_ONCE, (place, now))
            return changed(db, sql.INSERT_ONCE_AT, (place, fact, until))

        return await self._write(unit)

    def used(self, client: Client, day: int) -> None:
        """See `Store.used`; many waiting days become a write of their own."""
        if day <= client.last_used_day or client.card_until:
            return
        self._days[client.key, client.incarnation] = day
        if len(self._days) >= DAYS_WAITING and not self._groups.closed:
            self._send_along()

    # Suspicions and events --------------------------------------------------------------------------------------------------------

    async def report(self, event: Event) -> None:
        """See `Store.report`; what could not be written is counted into the next one."""
        first = self._reports.take(event)
        if first is None:
            return
        try:
            await self.record(first)
        except StoreUnavailable:
            self._reports.keep(first)
            raise

    async def record(self, event: Event) -> None:
        """See `Store.record`."""
        await self._write(lambda db: self._note(db, event))

    # Invitations, resource servers, signing keys ----------------------------------------------------------------------------------

    async def invite(self, invitation: Invitation, event: Event) -> None:
        """See `Store.invite`."""

        def unit(db: Database) -> None:
            if not changed(db, sql.INSERT_INVITATION, rows.invitation_values(invitation)):
                raise ValueError("an invitation with this id is there already")
            self._note(db, event)

        await self._write(unit)

    async def uninvite(self, id: bytes, event: Event) -> bool:
        """See `Store.uninvite`."""
        return await self._one(sql.TAKE_ALL_USES, (event.at, id), event)

    async def add_resource(self, resource: Resource, client: Client, event: Event) -> bool:
        """See `Store.add_resource`."""

        def unit(db: Database) -> bool:
            if not changed(db, sql.INSERT_RESOURCE, rows.resource_values(resource)):
                return False
            insert_client(db, client)
            self._note(db, event)
            return True

        return await self._write(unit)

    async def put_signing_keys(self, keys: Sequence[SigningKey], event: Event) -> None:
        """See `Store.put_signing_keys`."""

        def unit(db: Database) -> None:
            for key in keys:
                db.execute(sql.PUT_SIGNING_KEY, rows.signing_key_values(key))
            self._note(db, event)

        await self._write(unit)

    # The rest ---------------------------------------------------------------------------------------------------------------------

    def turn(self, key: bytes) -> AbstractAsyncContextManager[None]:
        """See `Store.turn`."""
        return self._turns.of(key)

    async def ready(self) -> bool:
        """See `Store.ready`: a real write, tried at most once a second however often it is asked."""
        second = self._now()
        if self._probed[0] != second:
            self._probed = (second, await self._probe(second))
        return self._probed[1] and not self._groups.closed

    async def close(self) -> None:
        """See `Store.close`."""
        if self._groups.closed:
            return
        self._send_along(rest=True)
        await self._groups.close(self._let_go)


def insert_client(db: Database, client: Client) -> None:
    """Insert, or refuse when the place is taken, or was; whoever has it is never merged with (CREDENTIALS §4)."""
    if there(db, sql.BURIED, (client.key,)):
        raise was_taken()
    if not changed(db, sql.INSERT_CLIENT, rows.client_values(client)):
        raise taken(rows.client_of(db.execute(sql.CLIENT_BY_KEY, (client.key,)).fetchall()[0]), client)


def lives(db: Database, client: Client, grant: bytes | None) -> bool:
    """Whether exactly this life of the client goes on, and the grant with it."""
    if not there(db, sql.LIVES, (client.key, client.incarnation)):
        return False
    return grant is None or there(db, sql.GRANT_LIVES, (client.key, grant, client.incarnation))


def raise_epoch(db: Database, client: Client, grant: bytes | None) -> None:
    """End every access token of the grant, or of the client."""
    if grant is None:
        db.execute(sql.RAISE_EPOCH, (client.key, client.incarnation))
    else:
        db.execute(sql.RAISE_GRANT_EPOCH, (client.key, grant))


def living_of(row: Values) -> Rows:
    """A client, whether the mark is set, a grant or NULLs, its person's standing or NULLs."""
    if row[GRANT_AT] is None:
        return Rows(rows.client_of(row), row[END_OF_CLIENT] == 1)
    person = None if row[STANDING_AT] is None else standing_of(row[STANDING_AT:])
    return Rows(rows.client_of(row), row[END_OF_CLIENT] == 1, grant_of(row[GRANT_AT:STANDING_AT]), person)


def same_card(before: Client, after: Client) -> bool:
    """Whether card and decision stay as they are and need not be written again."""
    return after.metadata == before.metadata and after.decision == before.decision


def replacement(before: Client, after: Client) -> Values:
    """The values of a replacement in the order of its statement."""
    return (
        after.epoch,
        after.state.value,
        after.owner,
        after.secret_expires_at,
        *rows.rat_values(after.rat),
        *rows.secret_values(after.secret),
        *rows.approval_values(after),
        after.last_used_day,
        *(() if same_card(before, after) else (after.metadata, after.decision)),
        before.key,
        before.incarnation,
        before.epoch,
        before.state.value,
        *rows.rat_values(before.rat),
        *rows.secret_values(before.secret),
        before.metadata,
    )
