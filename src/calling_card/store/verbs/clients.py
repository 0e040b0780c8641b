"""Clients, what once-only facts there are about them, and what lets them in (RFC 7591, RFC 7592)."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, cast

from calling_card.faults import point
from calling_card.ports import Invitation, NoRoom, Registration, Rows, SigningKey, StoreUnavailable
from calling_card.protocol.clients import Client
from calling_card.protocol.events import Event, Recorded
from calling_card.protocol.persons.resources import Resource
from calling_card.protocol.policy.claims import Claim
from calling_card.store import rows, steps
from calling_card.store import statements as sql
from calling_card.store.chain import head_of
from calling_card.store.database import Values
from calling_card.store.rows_people import GRANT, grant_of, standing_of
from calling_card.store.rules import DAYS_WAITING, MARKS_LIVING, ONCE_LIVING, check_same_client, software_of
from calling_card.store.steps import Settle, Steps, changed, each, gate, hold, note, there
from calling_card.store.transactions import Transactions
from calling_card.store.verbs.documents import end_grants
from calling_card.store.verbs.lives import bear, bury, insert

END_OF_CLIENT = len(rows.CLIENT)
GRANT_AT = END_OF_CLIENT + 1
STANDING_AT = GRANT_AT + len(GRANT)
"""Where the parts of a row of `Store.living` begin; between client and grant stands whether the mark is set."""


class Clients(Transactions):
    """The verbs of `Store` about clients, and the few about nothing else."""

    # Reads ------------------------------------------------------------------------------------------------------------------------

    async def client(self, key: bytes) -> Client | None:
        """See `Store.client`."""
        found = await self._read(sql.CLIENT_BY_KEY, (key,))
        return rows.client_of(found[0]) if found else None

    async def client_or_tombstone(self, key: bytes) -> tuple[Client | None, bool]:
        """See `Store.client_or_tombstone`; a tombstone is a row of nothing."""
        found = await self._read(sql.CLIENT_OR_TOMBSTONE, (key, key))
        clients = [rows.client_of(row) for row in found if row[0] is not None]
        return (clients[0] if clients else None), len(found) > len(clients)

    async def living(self, key: bytes, mark: bytes, grant: bytes | None = None) -> Rows:
        """See `Store.living`; a client that is gone stays gone while its marks are looked up."""
        if grant is None:
            found = await self._read(sql.CLIENT_AND_MARK, (key, mark, key))
            if found:
                return Rows(rows.client_of(found[0]), found[0][END_OF_CLIENT] == 1)
        else:
            found = await self._read(sql.CLIENT_MARK_GRANT, (key, mark, grant, key))
            if found:
                return living_of(found[0])
        return Rows(None, bool(await self._read(sql.MARKED, (key, mark))))

    async def clients(self, after: str, limit: int) -> Sequence[Client]:
        """See `Store.clients`."""
        return [rows.client_of(row) for row in await self._read(sql.CLIENTS_BEHIND, (after, limit))]

    async def next_clients(self, after: bytes, limit: int) -> Sequence[Client]:
        """See `Store.next_clients`."""
        return [rows.client_of(row) for row in await self._read(sql.CLIENTS_FROM, (after, limit))]

    async def claiming(self, claim: Claim, value: str, limit: int) -> Sequence[Client]:
        """See `Store.claiming`."""
        if claim is Claim.SOFTWARE:
            return [rows.client_of(row) for row in await self._read(sql.CLAIMING_SOFTWARE, (value, limit))]
        return [rows.client_of(row) for row in await self._read(sql.CLAIMING_SCHEME, (value, value, value, limit))]

    async def invitation(self, id: bytes) -> Invitation | None:
        """See `Store.invitation`."""
        found = await self._read(sql.INVITATION_BY_ID, (id,))
        return rows.invitation_of(found[0]) if found else None

    async def invitations(self, after: bytes, limit: int) -> Sequence[Invitation]:
        """See `Store.invitations`."""
        return [rows.invitation_of(row) for row in await self._read(sql.INVITATIONS_BEHIND, (after, limit))]

    async def resource(self, uri: str) -> Resource | None:
        """See `Store.resource`."""
        found = await self._read(sql.RESOURCE_BY_URI, (uri,))
        return rows.resource_of(found[0]) if found else None

    async def resources(self) -> Sequence[Resource]:
        """See `Store.resources`."""
        return self._resources.of(await self._look(sql.RESOURCES))

    async def signing_keys(self) -> Sequence[SigningKey]:
        """See `Store.signing_keys`."""
        return self._signing_keys.of(await self._look(sql.SIGNING_KEYS))

    async def generations_by_key(self) -> Mapping[int, int]:
        """See `Store.generations_by_key`; it walks over all clients."""
        found = await self._scan(sql.GENERATIONS_BY_KEY, (self._now(), self._now()))
        return dict(cast("list[tuple[int, int]]", found))

    async def events(self, writer: bytes, after: int, limit: int) -> Sequence[Recorded]:
        """See `Store.events`."""
        return [rows.event_of(row) for row in await self._read(sql.EVENTS_BEHIND, (writer, after, limit))]

    async def heads(self) -> Mapping[bytes, tuple[int, bytes]]:
        """See `Store.heads`; jumps from writer to writer along the index."""
        writers = [cast("bytes", row[0]) for row in await self._read(sql.WRITERS)]
        return {writer: head_of(await self._read(sql.HEAD, (writer,))) for writer in writers}

    # Clients ----------------------------------------------------------------------------------------------------------------------

    async def register(
        self, client: Client, event: Event, invitation: bytes | None, *, room: int = 0, single: bool = False
    ) -> Registration:
        """See `Store.register`."""
        async with self._room.place(room) as free:
            return await self._register(client, event, invitation, single=single) if free else Registration.FULL

    async def _register(self, client: Client, event: Event, invitation: bytes | None, *, single: bool) -> Registration:
        return await self._write(lambda: register(client, event, invitation, single=single), client.key)

    async def replace(self, before: Client, after: Client, event: Event | None) -> bool:
        """See `Store.replace`."""
        check_same_client(before, after)
        if before.card_until:
            return await self.bear(after, event)
        statement = sql.REPLACE_STATE if same_card(before, after) else sql.REPLACE_CLIENT
        return await self._one(statement, replacement(before, after), event, before.key)

    async def bear(self, client: Client, event: Event | None, *, room: int = 0) -> bool:
        """See `Store.bear`."""
        now = self._now()

        def unit() -> Steps[bool]:
            if not (yield from bear(client, event, now)):
                return False
            if event is not None:
                yield from note(event)
            return True

        async with self._room.place(room) as free:
            if not free:
                raise NoRoom
            return await self._write(unit, client.key)

    async def end_all(self, before: Client, after: Client, event: Event) -> bool:
        """See `Store.end_all`; who lived on a card alone has nothing to end."""
        check_same_client(before, after)
        if before.card_until:
            return await self.bear(after, event)
        statement = sql.REPLACE_STATE if same_card(before, after) else sql.REPLACE_CLIENT

        def unit() -> Steps[bool]:
            if not (yield from changed(statement, replacement(before, after))):
                return False
            point("store.client_stopped")
            yield from end_grants(before.key)
            yield from note(event)
            return True

        return await self._write(unit, before.key)

    async def remove(self, client: Client, event: Event, tombstone_until: int) -> bool:
        """See `Store.remove`."""

        def unit() -> Steps[bool]:
            if not (yield from bury(client, tombstone_until)):
                return False
            yield from note(event)
            return True

        return await self._write(unit, client.key)

    async def revoke(self, client: Client, mark: bytes, expires_at: int, event: Event, grant: bytes | None = None) -> None:
        """See `Store.revoke`; what is dead already (client or grant gone, token expired or marked) writes nothing."""
        now = self._now()
        if expires_at > now:
            await self._write(lambda: revoke(client, Marked(mark, grant, expires_at), event, now), client.key)

    async def once(self, client: Client, fact: bytes, until: int) -> bool:
        """See `Store.once`; what has expired goes. Writers that come together may each keep one more than `ONCE_LIVING`."""
        now = self._now()
        values = (fact, until, client.key, client.incarnation, client.key, now, ONCE_LIVING, now)
        swept = (sql.SWEEP_ONCE, (client.key, now, fact))
        return await self._write(lambda: once(Settle(sql.INSERT_ONCE, values, first=swept)), client.key)

    async def once_at(self, place: bytes, fact: bytes, until: int) -> bool:
        """See `Store.once_at`; what has expired goes."""
        now = self._now()
        swept = (sql.SWEEP_ONCE, (place, now, fact))
        return await self._write(lambda: once(Settle(sql.INSERT_ONCE_AT, (place, fact, until, now), first=swept)), place)

    def used(self, client: Client, day: int) -> None:
        """See `Store.used`; many waiting days become a write of their own."""
        if day <= client.last_used_day or client.card_until:
            return
        self._days[client.key, client.incarnation] = day
        if len(self._days) >= DAYS_WAITING and not self._closed:
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
        await self._write(lambda: note(event), event.client_key)

    # Invitations, resource servers, signing keys ----------------------------------------------------------------------------------

    async def invite(self, invitation: Invitation, event: Event) -> None:
        """See `Store.invite`."""
        if not await self._one(sql.INSERT_INVITATION, rows.invitation_values(invitation), event, invitation.id):
            raise ValueError("an invitation with this id is there already")

    async def uninvite(self, id: bytes, event: Event) -> bool:
        """See `Store.uninvite`."""
        return await self._one(sql.TAKE_ALL_USES, (event.at, id), event, id)

    async def add_resource(self, resource: Resource, client: Client, event: Event) -> bool:
        """See `Store.add_resource`."""

        def unit() -> Steps[bool]:
            if not (yield from changed(sql.INSERT_RESOURCE, rows.resource_values(resource))):
                return False
            yield from insert(client, event)
            return True

        return await self._write(unit, client.key)

    async def put_signing_keys(self, keys: Sequence[SigningKey], event: Event) -> None:
        """See `Store.put_signing_keys`."""

        def unit() -> Steps[None]:
            yield from each(sql.PUT_SIGNING_KEY, [rows.signing_key_values(key) for key in keys])
            yield from note(event)

        await self._write(unit)

    # The rest ---------------------------------------------------------------------------------------------------------------------

    def turn(self, key: bytes) -> AbstractAsyncContextManager[None]:
        """See `Store.turn`."""
        return self._turns.of(key)


class Marked(NamedTuple):
    """A token that is dead until it would have expired."""

    mark: bytes
    grant: bytes | None
    expires_at: int


def register(client: Client, event: Event, invitation: bytes | None, *, single: bool) -> Steps[Registration]:
    """Insert the client, if its software lets it and its invitation has a use left."""
    if single:
        software = software_of(client)
        yield from gate(repr(software))
        if (yield from there(sql.SAME_SOFTWARE, software)):
            return Registration.TAKEN
    if invitation is not None:
        if not (yield from changed(sql.TAKE_A_USE, (invitation, event.at))):
            return Registration.SPENT
        point("store.use_taken")
    yield from insert(client, event)
    return Registration.DONE


def once(insertion: Settle) -> Steps[bool]:
    """Keep a fact; what has expired goes on this occasion."""
    return cast("bool", (yield insertion))


def revoke(client: Client, token: Marked, event: Event, now: int) -> Steps[None]:
    """Mark the token, or look why that cannot be: beyond so many marks the epoch is raised instead.

    Writers that come together do not see each other's marks: they all count, and the next one raises the epoch.
    """
    swept = (sql.SWEEP_MARKS, (client.key, client.key, now))
    if (yield Settle(*marking(client, token, now), event, first=swept)) or (yield from there(sql.MARKED, (client.key, token.mark))):
        return
    yield from hold(sql.HOLD_CLIENT, (client.key,))
    if not (yield from lives(client, token.grant)):
        return
    living = (yield from steps.rows(sql.COUNT_MARKS, (client.key, token.grant, now)))[0][0]
    if cast("int", living) < MARKS_LIVING:
        yield from changed(sql.INSERT_MARK, (client.key, *token))
    else:
        yield from raise_epoch(client, token.grant)
        yield from changed(sql.DELETE_TOKEN_MARKS, (client.key, token.grant))
    yield from note(event)


def marking(client: Client, token: Marked, now: int) -> tuple[str, Values]:
    """The insertion of a mark where client and grant live and there are not too many marks already."""
    key, incarnation = client.key, client.incarnation
    if token.grant is None:
        return sql.MARK_OF_CLIENT, (token.mark, None, token.expires_at, key, incarnation, key, now, MARKS_LIVING)
    return sql.MARK_OF_GRANT, (token.mark, token.expires_at, key, token.grant, incarnation, key, token.grant, now, MARKS_LIVING)


def lives(client: Client, grant: bytes | None) -> Steps[bool]:
    """Whether exactly this life of the client goes on, and the grant with it."""
    if not (yield from there(sql.LIVES, (client.key, client.incarnation))):
        return False
    return grant is None or (yield from there(sql.GRANT_LIVES, (client.key, grant, client.incarnation)))


def raise_epoch(client: Client, grant: bytes | None) -> Steps[None]:
    """End every access token of the grant, or of the client."""
    if grant is None:
        yield from changed(sql.RAISE_EPOCH, (client.key, client.incarnation))
    else:
        yield from changed(sql.RAISE_GRANT_EPOCH, (client.key, grant))


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
        after.state,
        after.owner,
        after.secret_expires_at,
        *rows.rat_values(after.rat),
        *rows.secret_values(after),
        *rows.approval_values(after),
        after.last_used_day,
        *(() if same_card(before, after) else (after.metadata, after.decision)),
        before.key,
        before.incarnation,
        before.epoch,
        before.state,
        *rows.rat_values(before.rat),
        *rows.secret_values(before),
        before.metadata,
    )
