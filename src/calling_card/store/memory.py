"""The store for tests and rehearsals: the same verbs on dictionaries, gone with the process."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from calling_card.ports import Invitation, Registration, SigningKey, StoreUnavailable
from calling_card.protocol.clients import Client, Generations
from calling_card.protocol.events import Event, Recorded
from calling_card.protocol.resources import Resource
from calling_card.store.chain import START, Chain
from calling_card.store.reports import Reports
from calling_card.store.rules import MARKS_LIVING, check_same_client, taken
from calling_card.store.turns import Turns


@dataclass(frozen=True, slots=True)
class Mark:
    """A fact about a client until it expires."""

    kind: str
    expires_at: int


class MemoryStore:
    """The `Store` without a database. Every verb runs to its end without giving way, so each is atomic."""

    def __init__(self, *, chain_key: bytes, writer: bytes, now: Callable[[], int]) -> None:
        self._chain = Chain(chain_key, writer)
        self._now = now
        self._turns = Turns()
        self._reports = Reports()
        self._clients: dict[bytes, Client] = {}
        self._marks: dict[bytes, dict[bytes, Mark]] = {}
        self._invitations: dict[bytes, Invitation] = {}
        self._resources: dict[str, Resource] = {}
        self._keys: dict[str, SigningKey] = {}
        self._events: list[Recorded] = []
        self._closed = False

    # Reads ------------------------------------------------------------------------------------------------------------------------

    async def client(self, key: bytes) -> Client | None:
        """See `Store.client`."""
        return self._clients.get(key)

    async def living(self, key: bytes, mark: bytes) -> tuple[Client | None, bool]:
        """See `Store.living`."""
        return self._clients.get(key), mark in self._marks.get(key, {})

    async def clients(self, after: str, limit: int) -> Sequence[Client]:
        """See `Store.clients`."""
        behind = [client for client in self._clients.values() if client.client_id > after]
        return sorted(behind, key=lambda client: (client.client_id, client.key))[:limit]

    async def invitation(self, id: bytes) -> Invitation | None:
        """See `Store.invitation`."""
        return self._invitations.get(id)

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
        for client in self._clients.values():
            numbers.update(key_numbers(client.rat))
            numbers.update(key_numbers(client.secret) if client.secret else ())
        return dict(sorted(numbers.items()))

    async def events(self, writer: bytes, after: int, limit: int) -> Sequence[Recorded]:
        """See `Store.events`."""
        return [event for event in self._events if event.writer == writer and event.number > after][:limit]

    async def heads(self) -> Mapping[bytes, tuple[int, bytes]]:
        """See `Store.heads`."""
        return {} if self._chain.head == START else {self._chain.writer: self._chain.head}

    # Clients ----------------------------------------------------------------------------------------------------------------------

    async def register(self, client: Client, event: Event, invitation: bytes | None) -> Registration:
        """See `Store.register`."""
        self._begin()
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
        there = self._clients.get(before.key)
        if there is None or compared(there) != compared(before):
            return False
        if event is not None:
            self._note(event)
        self._clients[before.key] = replace(after, last_used_day=max(there.last_used_day, after.last_used_day))
        return True

    async def remove(self, client: Client, event: Event, tombstone_until: int) -> bool:
        """See `Store.remove`."""
        self._begin()
        if not self._lives(client):
            return False
        self._note(event)
        del self._clients[client.key]
        self._resources = {uri: resource for uri, resource in self._resources.items() if resource.client_key != client.key}
        tombstones = {mark: fact for mark, fact in self._marks.get(client.key, {}).items() if fact.kind == "tombstone"}
        former = tombstones.get(client.incarnation, Mark("tombstone", 0))
        self._marks[client.key] = {**tombstones, client.incarnation: Mark("tombstone", max(former.expires_at, tombstone_until))}
        return True

    async def revoke(self, client: Client, mark: bytes, expires_at: int, event: Event) -> None:
        """See `Store.revoke`; what is dead already (client gone, token expired or marked) writes nothing."""
        self._begin()
        now = self._now()
        if expires_at <= now or not self._lives(client):
            return
        marks = {mark: fact for mark, fact in self._marks.get(client.key, {}).items() if fact.kind != "token" or fact.expires_at > now}
        if mark in marks:
            return
        self._note(event)
        self._marks[client.key] = marks
        marks[mark] = Mark("token", expires_at)
        if sum(fact.kind == "token" for fact in marks.values()) > MARKS_LIVING:
            there = self._clients[client.key]
            self._clients[client.key] = replace(there, epoch=there.epoch + 1)
            self._marks[client.key] = {mark: fact for mark, fact in marks.items() if fact.kind != "token"}

    def used(self, client: Client, day: int) -> None:
        """See `Store.used`."""
        if self._lives(client):
            there = self._clients[client.key]
            self._clients[client.key] = replace(there, last_used_day=max(there.last_used_day, day))

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

    # Inside -----------------------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Every write comes by here: refused after the end, and the sums that are due go first."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        for event in self._reports.due(self._now()):
            self._note(event)

    def _note(self, event: Event) -> None:
        """Comes before the change it tells of: an event that cannot be written keeps it from happening."""
        self._events.append(self._chain.append(event))

    def _lives(self, client: Client) -> bool:
        """Whether exactly this life of the client goes on."""
        there = self._clients.get(client.key)
        return there is not None and there.incarnation == client.incarnation

    def _check_free(self, client: Client) -> None:
        there = self._clients.get(client.key)
        if there is not None:
            raise taken(there, client)


def alive(invitation: Invitation, at: int) -> bool:
    """Whether an invitation lets somebody in at this time."""
    return invitation.uses_left > 0 and (invitation.expires_at == 0 or invitation.expires_at > at)


def compared(client: Client) -> tuple[object, ...]:
    """What must be as it was read for a replacement to happen."""
    return (client.incarnation, client.epoch, client.state, client.rat, client.secret)


def key_numbers(generations: Generations) -> tuple[int, ...]:
    """The key numbers of the generations that live."""
    newest = (generations.issued_key,)
    return newest if generations.confirmed == generations.issued else (generations.confirmed_key, *newest)
