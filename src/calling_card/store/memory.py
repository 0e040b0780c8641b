"""The store for tests and rehearsals: the same verbs on dictionaries, gone with the process."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from msgspec import structs

from calling_card.ports import Invitation, NoRoom, Registration, Rows, SigningKey
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import JSON, Client, Generations, Route, words
from calling_card.protocol.events import Event, Recorded
from calling_card.protocol.persons.resources import Resource
from calling_card.protocol.policy.claims import Claim, private_schemes
from calling_card.store.chain import START
from calling_card.store.memory_approval import MemoryApproval
from calling_card.store.memory_documents import MemoryDocuments
from calling_card.store.memory_grants import MemoryGrants
from calling_card.store.memory_people import MemoryPeople
from calling_card.store.memory_pruning import MemoryPruning
from calling_card.store.memory_webhooks import MemoryWebhooks
from calling_card.store.rules import MARKS_LIVING, ONCE_LIVING, check_same_client, software_of
from calling_card.store.shelves import Mark


class MemoryStore(MemoryApproval, MemoryGrants, MemoryDocuments, MemoryPeople, MemoryPruning, MemoryWebhooks):
    """The `Store` without a database. Every verb runs to its end without giving way, so each is atomic."""

    # Reads ------------------------------------------------------------------------------------------------------------------------

    async def client(self, key: bytes) -> Client | None:
        """See `Store.client`."""
        return self._clients.get(key)

    async def client_or_tombstone(self, key: bytes) -> tuple[Client | None, bool]:
        """See `Store.client_or_tombstone`."""
        return self._clients.get(key), self._buried(key)

    async def living(self, key: bytes, mark: bytes, grant: bytes | None = None) -> Rows:
        """See `Store.living`."""
        client, marked = self._clients.get(key), mark in self._marks.get(key, {})
        given = None if grant is None or client is None else self._grants.get((key, grant))
        return Rows(client, marked, given, None if given is None else self._standing(given.person))

    async def clients(self, after: str, limit: int) -> Sequence[Client]:
        """See `Store.clients`."""
        behind = [client for client in self._clients.values() if client.client_id > after]
        return sorted(behind, key=lambda client: (client.client_id, client.key))[:limit]

    async def next_clients(self, after: bytes, limit: int) -> Sequence[Client]:
        """See `Store.next_clients`."""
        return sorted((client for client in self._clients.values() if client.key > after), key=lambda client: client.key)[:limit]

    async def claiming(self, claim: Claim, value: str, limit: int) -> Sequence[Client]:
        """See `Store.claiming`."""
        return [client for client in self._clients.values() if claims(client, claim, value)][:limit]

    async def invitation(self, id: bytes) -> Invitation | None:
        """See `Store.invitation`."""
        return self._invitations.get(id)

    async def invitations(self, after: bytes, limit: int) -> Sequence[Invitation]:
        """See `Store.invitations`."""
        behind = [invitation for invitation in self._invitations.values() if invitation.id > after]
        return sorted(behind, key=lambda invitation: invitation.id)[:limit]

    async def resource(self, uri: str) -> Resource | None:
        """See `Store.resource`."""
        return self._resources.get(uri)

    async def resources(self) -> Sequence[Resource]:
        """See `Store.resources`."""
        return sorted(self._resources.values(), key=lambda resource: resource.uri)

    async def signing_keys(self) -> Sequence[SigningKey]:
        """See `Store.signing_keys`."""
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.kid))

    async def generations_by_key(self) -> Mapping[int, int]:
        """See `Store.generations_by_key`."""
        now = self._now()
        numbers: Counter[int] = Counter(invitation.key for invitation in self._invitations.values() if alive(invitation, now))
        for client in (*self._clients.values(), *(pruned.client for pruned in self._pruned.values())):
            numbers.update(key_numbers(client.rat) if client.route is Route.REGISTERED else ())
            numbers.update(key_numbers(client.secret) if client.secret else ())
        for grant in self._grants.values():
            numbers.update(key_numbers(grant.refresh) if self._current(grant) else ())
        numbers.update(webhook.key for webhook in self._webhooks.values())
        numbers.update(session.key for session in self._sessions.values() if session.expires_at > now)
        return {number: count for number, count in sorted(numbers.items()) if number > 0}

    async def events(self, writer: bytes, after: int, limit: int) -> Sequence[Recorded]:
        """See `Store.events`."""
        return [event for event in self._events if event.writer == writer and event.number > after][:limit]

    async def heads(self) -> Mapping[bytes, tuple[int, bytes]]:
        """See `Store.heads`."""
        return {} if self._chain.head == START else {self._chain.writer: self._chain.head}

    # Clients ----------------------------------------------------------------------------------------------------------------------

    async def register(
        self, client: Client, event: Event, invitation: bytes | None, *, room: int = 0, single: bool = False
    ) -> Registration:
        """See `Store.register`."""
        async with self._room.place(room) as free:
            return self._register(client, event, invitation, single=single) if free else Registration.FULL

    def _register(self, client: Client, event: Event, invitation: bytes | None, *, single: bool) -> Registration:
        self._begin()
        if single and any(software_of(other) == software_of(client) for other in self._clients.values()):
            return Registration.TAKEN
        invited = None if invitation is None else self._invitations.get(invitation)
        if invitation is not None and (invited is None or not alive(invited, event.at)):
            return Registration.SPENT
        self._check_free(client)
        self._note(event)
        self._clients[client.key] = client
        if invited is not None:
            self._invitations[invited.id] = replace(invited, uses_left=invited.uses_left - 1)
        return Registration.DONE

    async def replace(self, before: Client, after: Client, event: Event | None) -> bool:
        """See `Store.replace`."""
        check_same_client(before, after)
        self._begin()
        if before.card_until:
            return await self.bear(after, event)
        there = self._clients.get(before.key)
        if there is None or compared(there) != compared(before):
            return False
        if event is not None:
            self._note(event)
        self._clients[before.key] = structs.replace(after, last_used_day=max(there.last_used_day, after.last_used_day))
        return True

    async def bear(self, client: Client, event: Event | None, *, room: int = 0) -> bool:
        """See `Store.bear`."""
        self._begin()
        async with self._room.place(room) as free:
            if not free:
                raise NoRoom
            if unborn := self._unborn(client):
                self._bear(client, event)
            return unborn

    async def end_all(self, before: Client, after: Client, event: Event) -> bool:
        """See `Store.end_all`."""
        if not await self.replace(before, after, event):
            return False
        self._end_grants(before.key)
        return True

    async def remove(self, client: Client, event: Event, tombstone_until: int) -> bool:
        """See `Store.remove`."""
        self._begin()
        if not self._lives(client) and not self._unborn(client):
            return False
        self._note(event)
        self._bury(client, tombstone_until)
        return True

    async def revoke(self, client: Client, mark: bytes, expires_at: int, event: Event, grant: bytes | None = None) -> None:
        """See `Store.revoke`; what is dead already (client or grant gone, token expired or marked) writes nothing."""
        self._begin()
        now = self._now()
        if expires_at <= now or not self._lives(client) or (grant is not None and not self._grant_lives(client, grant)):
            return
        marks = {mark: fact for mark, fact in self._marks.get(client.key, {}).items() if fact.kind != "token" or fact.expires_at > now}
        if mark in marks:
            return
        self._note(event)
        self._marks[client.key] = marks
        marks[mark] = Mark("token", expires_at, grant)
        alike = [mark for mark, fact in marks.items() if fact.kind == "token" and fact.grant == grant]
        if len(alike) > MARKS_LIVING:
            self._raise_epoch(client, grant)
            self._marks[client.key] = {mark: fact for mark, fact in marks.items() if mark not in alike}

    async def once(self, client: Client, fact: bytes, until: int) -> bool:
        """See `Store.once`; what has expired goes first."""
        self._begin()
        if not self._lives(client):
            return False
        now, there = self._now(), self._marks.get(client.key, {})
        marks = {mark: kept for mark, kept in there.items() if kept.kind != "assertion" or kept.expires_at > now}
        full = [kept.kind for kept in marks.values()].count("assertion") >= ONCE_LIVING
        self._marks[client.key] = marks if full or fact in marks else {**marks, fact: Mark("assertion", until)}
        return not full and fact not in marks

    async def once_at(self, place: bytes, fact: bytes, until: int) -> bool:
        """See `Store.once_at`; what has expired goes first."""
        self._begin()
        now, there = self._now(), self._marks.get(place, {})
        marks = {mark: kept for mark, kept in there.items() if kept.expires_at > now}
        self._marks[place] = {fact: Mark("assertion", until), **marks}
        return fact not in marks

    def used(self, client: Client, day: int) -> None:
        """See `Store.used`."""
        if self._lives(client):
            there = self._clients[client.key]
            self._clients[client.key] = structs.replace(there, last_used_day=max(there.last_used_day, day))

    # Suspicions and events --------------------------------------------------------------------------------------------------------

    async def report(self, event: Event) -> None:
        """See `Store.report`."""
        first = self._reports.take(event)
        if first is not None:
            await self.record(first)

    async def record(self, event: Event) -> None:
        """See `Store.record`."""
        self._begin()
        self._note(event)

    # Invitations, resource servers, signing keys ----------------------------------------------------------------------------------

    async def invite(self, invitation: Invitation, event: Event) -> None:
        """See `Store.invite`."""
        self._begin()
        if invitation.id in self._invitations:
            raise ValueError("an invitation with this id is there already")
        self._note(event)
        self._invitations[invitation.id] = invitation

    async def uninvite(self, id: bytes, event: Event) -> bool:
        """See `Store.uninvite`."""
        self._begin()
        there = self._invitations.get(id)
        if there is None or there.revoked_at:
            return False
        self._note(event)
        self._invitations[id] = replace(there, uses_left=0, revoked_at=event.at)
        return True

    async def add_resource(self, resource: Resource, client: Client, event: Event) -> bool:
        """See `Store.add_resource`."""
        self._begin()
        if resource.uri in self._resources:
            return False
        self._check_free(client)
        self._note(event)
        self._clients[client.key] = client
        self._resources[resource.uri] = resource
        return True

    async def put_signing_keys(self, keys: Sequence[SigningKey], event: Event) -> None:
        """See `Store.put_signing_keys`."""
        self._begin()
        self._note(event)
        self._keys.update({key.kid: key for key in keys})

    # The rest ---------------------------------------------------------------------------------------------------------------------

    def turn(self, key: bytes) -> AbstractAsyncContextManager[None]:
        """See `Store.turn`."""
        return self._turns.of(key)

    async def ready(self) -> bool:
        """See `Store.ready`."""
        return not self._closed

    async def close(self) -> None:
        """See `Store.close`."""
        if not self._closed:
            for event in self._reports.rest():
                self._note(event)
        self._closed = True


def alive(invitation: Invitation, at: int) -> bool:
    """Whether an invitation lets somebody in at this time."""
    return invitation.uses_left > 0 and (invitation.expires_at == 0 or invitation.expires_at > at)


def claims(client: Client, claim: Claim, value: str) -> bool:
    """Whether a client's card claims this."""
    if claim is Claim.SOFTWARE:
        return software_of(client)[0] == value
    card = card_of(client)
    return value in private_schemes({"redirect_uris": list[JSON](words(card.get("redirect_uris"))[:3])})


def compared(client: Client) -> tuple[object, ...]:
    """What must be as it was read for a replacement to happen."""
    return (client.incarnation, client.epoch, client.state, client.rat, client.secret, client.metadata)


def key_numbers(generations: Generations) -> tuple[int, ...]:
    """The key numbers of the generations that live."""
    newest = (generations.issued_key,)
    return newest if generations.confirmed == generations.issued else (generations.confirmed_key, *newest)
