"""What the verbs without a database stand on: dictionaries, the chain, and sums that wait."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from msgspec import structs

from calling_card.ports import HostedDocument, Invitation, SigningKey, StoreUnavailable
from calling_card.protocol.abroad.documents import Version
from calling_card.protocol.clients import Client, State, Tier
from calling_card.protocol.events import Event, Recorded
from calling_card.protocol.life.pruning import Pruned
from calling_card.protocol.life.webhooks import Webhook
from calling_card.protocol.persons.grants import Consent, Grant, Stage, of_client
from calling_card.protocol.persons.people import Passkey, Person, Session, Standing
from calling_card.protocol.persons.resources import Resource
from calling_card.store.chain import Chain
from calling_card.store.reports import Reports
from calling_card.store.room import Room, Rooms
from calling_card.store.rules import birth, taken, was_taken
from calling_card.store.turns import Turns


@dataclass(frozen=True, slots=True)
class Mark:
    """A fact about a client until it expires."""

    kind: str
    expires_at: int
    grant: bytes | None = None
    """The grant of a marked token, if it has one."""


class Shelves:
    """Everything that is kept, and what every verb asks of it."""

    def __init__(self, *, chain_key: bytes, writer: bytes, now: Callable[[], int]) -> None:
        self._chain = Chain(chain_key, writer)
        self._now = now
        self._turns = Turns()
        self._reports = Reports()
        self._room = Room(self._strangers, now)
        self._tiers = Rooms(self._of_a_tier, now)
        self._clients: dict[bytes, Client] = {}
        self._marks: dict[bytes, dict[bytes, Mark]] = {}
        self._grants: dict[tuple[bytes, bytes], Grant] = {}
        self._consents: dict[tuple[bytes, bytes, str, str, str], Consent] = {}
        self._documents: dict[bytes, tuple[Version, ...]] = {}
        self._hosted: dict[str, HostedDocument] = {}
        self._approved: set[tuple[bytes, bytes]] = set()
        """Clients whose redeemed grants were swept away, by key and incarnation."""
        self._pruned: dict[bytes, Pruned] = {}
        self._test_persons: dict[bytes, tuple[bytes, ...]] = {}
        self._leases: dict[str, tuple[bytes, int]] = {}
        self._people: dict[bytes, Person] = {}
        self._sessions: dict[tuple[bytes, bytes], Session] = {}
        self._passkeys: dict[bytes, Passkey] = {}
        self._invitations: dict[bytes, Invitation] = {}
        self._resources: dict[str, Resource] = {}
        self._keys: dict[str, SigningKey] = {}
        self._events: list[Recorded] = []
        self._webhooks: dict[bytes, Webhook] = {}
        self._closed = False

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
        if self._buried(client.key):
            raise was_taken()

    def _buried(self, key: bytes) -> bool:
        """Whether a tombstone says that a client was here."""
        return any(mark.kind == "tombstone" for mark in self._marks.get(key, {}).values())

    def _unborn(self, client: Client) -> bool:
        """Whether the client lives on its card alone: it has no row, and had none."""
        return client.card_until > 0 and client.key not in self._clients and not self._buried(client.key)

    def _bear(self, client: Client, event: Event | None) -> None:
        """Give a row to a client that lived on its card alone, with the event of that and of what else happens by this."""
        self._note(birth(client, event, self._now()))
        if event is not None:
            self._note(event)
        self._clients[client.key] = structs.replace(client, card_until=0)

    def _bury(self, client: Client, tombstone_until: int) -> None:
        """Delete a client with all it has but once-only facts, and leave a tombstone."""
        self._clients.pop(client.key, None)
        self._documents.pop(client.key, None)
        self._test_persons.pop(client.key, None)
        self._grants = {place: grant for place, grant in self._grants.items() if grant.client_key != client.key}
        self._consents = {place: consent for place, consent in self._consents.items() if consent.client_key != client.key}
        self._resources = {uri: resource for uri, resource in self._resources.items() if resource.client_key != client.key}
        kept = {mark: fact for mark, fact in self._marks.get(client.key, {}).items() if fact.kind != "token"}
        former = kept.get(client.incarnation, Mark("tombstone", 0))
        self._marks[client.key] = {**kept, client.incarnation: Mark("tombstone", max(former.expires_at, tombstone_until))}

    def _grant_lives(self, client: Client, id: bytes) -> bool:
        """Whether this very client has a grant that was redeemed and not ended."""
        grant = self._grants.get((client.key, id))
        return grant is not None and grant.stage is Stage.LIVE and of_client(grant, client)

    def _raise_epoch(self, client: Client, grant: bytes | None) -> None:
        """End every access token of the grant, or of the client."""
        if grant is None:
            there = self._clients[client.key]
            self._clients[client.key] = structs.replace(there, epoch=there.epoch + 1)
        else:
            given = self._grants[client.key, grant]
            self._grants[client.key, grant] = structs.replace(given, epoch=given.epoch + 1)

    def _was_approved(self, client: Client) -> bool:
        """Whether a grant of this very client was ever redeemed, be it that its row is gone."""
        redeemed = [grant for grant in self._grants.values() if of_client(grant, client) and grant.stage is not Stage.PENDING]
        return bool(redeemed) or (client.key, client.incarnation) in self._approved

    async def _strangers(self, most: int) -> int:
        """How many clients there are that came as strangers and that nobody ever approved or suspended, at most so many."""
        redeemed = {(grant.client_key, grant.incarnation) for grant in self._grants.values() if grant.stage is not Stage.PENDING}
        approved = redeemed | self._approved
        waiting = [one for one in self._clients.values() if one.tier is Tier.ANONYMOUS and one.state is not State.SUSPENDED]
        strangers = [one for one in waiting if (one.key, one.incarnation) not in approved]
        return min(len(strangers), most)

    def place(self, tier: Tier, most: int) -> AbstractAsyncContextManager[bool]:
        """See `Store.place`."""
        return self._tiers.place(tier, most)

    async def _of_a_tier(self, tier: Tier, most: int) -> int:
        return min(sum(client.tier is tier for client in self._clients.values()), most)

    def _standing(self, person: bytes) -> Standing | None:
        """A person's epoch, and whether the person is active."""
        there = self._people.get(person)
        return None if there is None else Standing(there.epoch, there.active)

    def _stands(self, person: bytes, epoch: int) -> bool:
        """Whether a person is active with this epoch."""
        return self._standing(person) == Standing(epoch, active=True)

    def _current(self, grant: Grant) -> bool:
        """Whether a grant was redeemed and neither it nor its person's epoch was ended."""
        standing = self._standing(grant.person)
        return grant.stage is Stage.LIVE and standing is not None and standing.epoch == grant.person_epoch
