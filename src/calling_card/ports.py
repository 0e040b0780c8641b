"""What the use cases need from outside, as protocols, and the frozen bundle that carries them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

import msgspec

from calling_card.protocol.abroad.clientids import Customs
from calling_card.protocol.abroad.documents import Version
from calling_card.protocol.abroad.fetching import Fetched, Posted, Purpose
from calling_card.protocol.answers import Desk
from calling_card.protocol.card.ground import Ground
from calling_card.protocol.clients import Client, State, Tier
from calling_card.protocol.corridor import Familiar
from calling_card.protocol.events import Event, Recorded
from calling_card.protocol.life.budgets import Cause, Draw, no_place, used_up
from calling_card.protocol.life.pruning import Horizon, Litter, Pruned, Suspect, horizon
from calling_card.protocol.life.recovering import Recovering
from calling_card.protocol.life.webhooks import Bookmark, Webhook
from calling_card.protocol.persons.grants import Consent, Grant
from calling_card.protocol.persons.people import Passkey, Person, Session, Standing
from calling_card.protocol.persons.resources import Place, Resource
from calling_card.protocol.policy import Policy, Rules, invited, shorter
from calling_card.protocol.policy.claims import Claim
from calling_card.protocol.policy.rows import UNBOUNDED, Ceiling, Software
from calling_card.protocol.trust.issuers import Issuer

if TYPE_CHECKING:
    from calling_card.settings import Settings


class StoreUnavailable(Exception):
    """The database cannot take this now (full, read-only, locked, failed); nothing of the work was kept."""


class KeyCollision(Exception):
    """Two clients with different full names fell on one client key; never merged (CREDENTIALS §4)."""


class NoRoom(Exception):
    """As many strangers are kept that nobody ever used as there may be; nothing was written."""


class Registration(Enum):
    """How an attempt to register ended."""

    DONE = "done"
    SPENT = "spent"
    """The invitation is unknown, expired or has no use left; nothing was written."""
    FULL = "full"
    """As many strangers are kept that nobody ever used as there may be; nothing was written."""
    TAKEN = "taken"
    """Another client of that software and version lives; nothing was written."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an initial access token allows (RFC 7591 §1.2)."""

    id: bytes
    """16 random bytes."""
    key: int
    """Number of the keyring key its handle was made with."""
    label: str
    uses_left: int
    expires_at: int
    """Seconds since 1970; 0: never."""
    created_at: int
    scope: str | None
    """Space-separated ceiling, or None: as for anonymous clients."""
    grants: tuple[str, ...] | None
    """Grant types it may register, or None: as for anonymous clients."""
    hosts: tuple[str, ...] | None
    """Hosts that redirect URIs may have, or None: any."""
    owner: str
    revoked_at: int = 0
    """When an operator took it back, seconds since 1970; 0: nobody did. What it said stays the ceiling of whom it let in."""


@dataclass(frozen=True, slots=True)
class HostedDocument:
    """A client metadata document that lies here for a developer (D-52)."""

    id: str
    body: bytes
    owner: str
    created_at: int
    expires_at: int
    """Seconds since 1970; from then on it is as if it were not there."""


class SigningKey(msgspec.Struct, frozen=True):
    """A signing key as the store sees it: sealed."""

    kid: str
    alg: str
    state: str
    """``known``, ``minting``, ``verifying`` or ``gone``."""
    created_at: int
    until: int
    """Until when a verifying key is still published, seconds since 1970; 0: no end set."""
    sealed: bytes

    def over(self, now: int) -> bool:
        """Whether the last token it signed has ended, so that nobody needs it any more."""
        return 0 < self.until < now


class Rows(msgspec.Struct, frozen=True):
    """Every row that a token names, as one read found them; None: there is no such row."""

    client: Client | None
    marked: bool
    """Whether the token was given back."""
    grant: Grant | None = None
    person: Standing | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A step of a walk over all clients."""

    last: bytes
    """Key of the last client that was looked at; empty: there was none left."""
    seen: int
    """How many were looked at."""
    suspects: Sequence[Suspect]
    """Those of them that were not used lately."""


@dataclass(frozen=True, slots=True)
class News:
    """A step along all events in the order in which they were committed."""

    last: Bookmark
    """Place of the last of them; where nothing is new, the place that was asked from."""
    events: Sequence[Recorded]


class Busy(Exception):
    """The threads that hash passwords have more waiting than they take; nothing was done."""


class Store(Protocol):
    """Atomic verbs of the domain. When a write returns, it is durable; when it raises, nothing of it is kept."""

    async def client(self, key: bytes) -> Client | None:
        """The client at this place, whatever its state."""
        ...

    async def client_or_tombstone(self, key: bytes) -> tuple[Client | None, bool]:
        """The client at this place, and whether a mark says that one was there: one read for both (CREDENTIALS §6)."""
        ...

    async def living(self, key: bytes, mark: bytes, grant: bytes | None = None) -> Rows:
        """The client, whether ``mark`` is set for it, the grant and its person's standing: one read for one question of authority."""
        ...

    async def clients(self, after: str, limit: int) -> Sequence[Client]:
        """At most ``limit`` clients in the order of their client_id, beginning behind ``after``; looks at all of them to find these."""
        ...

    async def next_clients(self, after: bytes, limit: int) -> Sequence[Client]:
        """At most ``limit`` clients in the order of their keys, beginning behind ``after``: for a walk over all of them."""
        ...

    async def register(
        self, client: Client, event: Event, invitation: bytes | None, *, room: int = 0, single: bool = False
    ) -> Registration:
        """Insert the client with its event and take one use of the invitation, all or nothing.

        ``single``: only if no client with its ``software_id`` and ``software_version`` lives.

        ``room``: how many clients there may be that came as strangers and that nobody ever approved, this one among them; 0: any number.
        Several processes together may let in a tenth of that more, each.

        Raises `KeyCollision` when the key belongs to another client_id or route.
        """
        ...

    def place(self, tier: Tier, most: int) -> AbstractAsyncContextManager[bool]:
        """A place for one more client of this tier until it is kept or not; False: there are ``most`` already.

        Several processes together may let in a tenth of that more, each.
        """
        ...

    async def claiming(self, claim: Claim, value: str, limit: int) -> Sequence[Client]:
        """At most ``limit`` clients whose cards claim this."""
        ...

    async def replace(self, before: Client, after: Client, event: Event | None) -> bool:
        """Put ``after`` in the place of ``before`` if the row still has its incarnation, epoch, state, generations and card.

        A client that lived on its card alone gets its row by this, as in `bear`.
        """
        ...

    async def bear(self, client: Client, event: Event | None, *, room: int = 0) -> bool:
        """Give a row to a client that lived on its card alone, with an event of that before the other one (CREDENTIALS §6).

        False, and nothing is kept: there is a row or a tombstone. Raises `NoRoom` where there is no ``room``, as in `register`.
        """
        ...

    async def remove(self, client: Client, event: Event, tombstone_until: int) -> bool:
        """Delete the client with all it has but once-only facts, and leave a tombstone; False: it was gone already.

        A client that lived on its card alone leaves a tombstone too.
        """
        ...

    async def revoke(self, client: Client, mark: bytes, expires_at: int, event: Event, grant: bytes | None = None) -> None:
        """Mark one token as dead until it would have expired.

        With more than 32 living marks of the grant (without one: of the client) its epoch is raised instead and these marks go
        (CREDENTIALS §3).
        """
        ...

    def used(self, client: Client, day: int) -> None:
        """Remember the day of a use; written at most once a day per client, with some later write."""
        ...

    async def report(self, event: Event) -> None:
        """Record something suspicious: at once, then at most one event a minute per client and kind, with a ``count``."""
        ...

    async def once(self, client: Client, fact: bytes, until: int) -> bool:
        """Keep a once-only fact of a living client, 16 bytes, until it expires; False: it was known already, or there are too many."""
        ...

    async def once_at(self, place: bytes, fact: bytes, until: int) -> bool:
        """The same where there is no client: ``place`` and ``fact`` have 16 bytes each, and any number of facts is kept."""
        ...

    async def version(self, key: bytes, number: int | None = None) -> Version | None:
        """A version of a client's document; without a number the newest."""
        ...

    async def versions(self, key: bytes) -> Sequence[Version]:
        """Every version of a client's document that is kept, newest first."""
        ...

    async def meet(self, client: Client, version: Version, event: Event) -> bool:
        """Insert a client with the first version of its document; False: a client is there already.

        Raises `KeyCollision` when the key belongs to another client_id or route.
        """
        ...

    async def read_again(
        self, before: Version, after: Version, client: Client | None, event: Event | None, *, end: bool = False, was: State | None = None
    ) -> bool:
        """Put ``after`` beside (another number) or in the place of ``before``, if that is still the newest and unchanged.

        ``client``: what the client became by it: card, decision, and a state other than it ``was``, which ends its access tokens;
        ``end``: end every grant of the client too (D-34).
        """
        ...

    async def end_all(self, before: Client, after: Client, event: Event) -> bool:
        """As `replace`, and end every grant and forget every remembered yes of the client with it (D-56)."""
        ...

    async def host_document(self, document: HostedDocument, event: Event) -> None:
        """Keep a document for a developer; those that have expired go."""
        ...

    async def hosted_document(self, id: str) -> HostedDocument | None:
        """A document that was kept for a developer, expired or not."""
        ...

    async def drop_hosted(self, id: str, event: Event) -> bool:
        """Let go of a developer's document; False: it was gone already."""
        ...

    async def give(self, client: Client, grant: Grant, consent: Consent | None, event: Event) -> bool:
        """Keep a pending grant, and remember the yes in the place of an equal one; a client without a row gets it, as in `bear`.

        False, and nothing is kept: the client is gone, not active or has another incarnation, or the person is gone, not active or
        has another epoch than the grant says.
        """
        ...

    async def grant(self, key: bytes, id: bytes) -> tuple[Grant, Standing] | None:
        """A grant, whatever its stage, with its person's standing; None also when the person is gone."""
        ...

    async def change_grant(self, before: Grant, after: Grant, event: Event) -> bool:
        """Put ``after`` in its place if stage, epoch and generations are the same and the client still has its incarnation."""
        ...

    async def consents(self, person: bytes, client: Client) -> Sequence[Consent]:
        """What a person's remembered yeses to this very client are."""
        ...

    async def allowed(self, person: bytes) -> Sequence[tuple[Client, Sequence[Grant]]]:
        """The clients that a person has living grants for, each with these grants, newest first."""
        ...

    async def approved(self, client: Client) -> bool:
        """Whether anybody ever redeemed a grant of this very client."""
        ...

    async def grants_alive(self, client: Client) -> int:
        """How many grants of this very client live."""
        ...

    async def withdraw(self, person: bytes, key: bytes, event: Event) -> bool:
        """End all grants of a person for a client and forget every remembered yes; False: there was nothing to end."""
        ...

    async def person(self, id: bytes) -> Person | None:
        """A person by identifier, active or not."""
        ...

    async def person_named(self, name: str) -> Person | None:
        """A person by sign-in name, in any mix of upper and lower case."""
        ...

    async def people(self, after: str, limit: int) -> Sequence[Person]:
        """At most ``limit`` people in the order of their names, beginning behind ``after``."""
        ...

    async def add_person(self, person: Person, event: Event) -> bool:
        """Keep a new person with the identity (``self``, sign-in name); False: the name is taken."""
        ...

    async def change_person(self, before: Person, after: Person, event: Event) -> bool:
        """Put ``after`` in the place of ``before`` if epoch, standing and password are still the same; a new epoch ends all sessions."""
        ...

    async def session(self, person: bytes, id: bytes) -> tuple[Session, Person] | None:
        """A session with its person, whatever the epochs say."""
        ...

    async def sessions(self, person: bytes) -> Sequence[Session]:
        """A person's sessions that have not expired, newest first."""
        ...

    async def begin_session(self, session: Session, ended: bytes | None, event: Event) -> bool:
        """Keep a new session and end another one of the same person, if the person is active with the session's epoch."""
        ...

    async def end_session(self, person: bytes, id: bytes, event: Event) -> bool:
        """End a session; False: it was gone already."""
        ...

    async def passkeys(self, person: bytes) -> Sequence[Passkey]:
        """A person's passkeys, oldest first."""
        ...

    async def passkey(self, id: bytes) -> tuple[Passkey, Person] | None:
        """A passkey by credential id, with its person."""
        ...

    async def add_passkey(self, passkey: Passkey, event: Event) -> bool:
        """Keep a new passkey; False: that credential id is taken."""
        ...

    async def use_passkey(self, before: Passkey, after: Passkey) -> bool:
        """Note counter and time of a use if the counter is still the one before."""
        ...

    async def remove_passkey(self, person: bytes, id: bytes, event: Event) -> bool:
        """Forget a passkey of this person; False: there is no such one."""
        ...

    async def invitation(self, id: bytes) -> Invitation | None:
        """An initial access token by its id."""
        ...

    async def invitations(self, after: bytes, limit: int) -> Sequence[Invitation]:
        """At most ``limit`` initial access tokens in the order of their ids, beginning behind ``after``."""
        ...

    async def invite(self, invitation: Invitation, event: Event) -> None:
        """Keep a new initial access token."""
        ...

    async def uninvite(self, id: bytes, event: Event) -> bool:
        """Take every use that is left; False: there is no such initial access token, or it was taken back before.

        The row stays: what it says is the ceiling of those whom it let in.
        """
        ...

    async def resource(self, uri: str) -> Resource | None:
        """A resource server by its canonical URI."""
        ...

    async def resources(self) -> Sequence[Resource]:
        """All resource servers, by URI."""
        ...

    async def add_resource(self, resource: Resource, client: Client, event: Event) -> bool:
        """Keep a resource server and the client it asks as; False: the URI is taken."""
        ...

    async def signing_keys(self) -> Sequence[SigningKey]:
        """All signing keys, oldest first."""
        ...

    async def put_signing_keys(self, keys: Sequence[SigningKey], event: Event) -> None:
        """Insert or replace these signing keys in one transaction."""
        ...

    async def generations_by_key(self) -> Mapping[int, int]:
        """How many stored credentials each keyring key number still carries."""
        ...

    async def record(self, event: Event) -> None:
        """Write an event that goes with no other write."""
        ...

    async def events(self, writer: bytes, after: int, limit: int) -> Sequence[Recorded]:
        """A writer's events in the order of their numbers, beginning behind ``after``."""
        ...

    async def heads(self) -> Mapping[bytes, tuple[int, bytes]]:
        """Of each writer the newest event: its number and MAC."""
        ...

    async def held(self, after: str, limit: int) -> Sequence[Client]:
        """At most ``limit`` clients that wait for approval, in the order of their client_id, beginning behind ``after``."""
        ...

    async def test_persons(self, client: Client) -> Sequence[bytes]:
        """The people who may use the client while it waits for approval."""
        ...

    async def add_test_person(self, client: Client, person: bytes, event: Event) -> bool:
        """Name somebody who may use the client while it waits; False: was named before, or the client is gone."""
        ...

    async def remove_test_person(self, client: Client, person: bytes, event: Event) -> bool:
        """Take that back; False: was not named, or the client is gone."""
        ...

    async def news(self, after: Bookmark, limit: int) -> News:
        """At most ``limit`` events of all writers behind this one, in the order in which they were committed."""
        ...

    async def webhooks(self) -> Sequence[Webhook]:
        """All webhooks, oldest first."""
        ...

    async def webhook(self, id: bytes) -> Webhook | None:
        """A webhook by its id."""
        ...

    async def add_webhook(self, webhook: Webhook, event: Event) -> None:
        """Keep a new webhook; with the bookmark `HERE` it begins behind this event."""
        ...

    async def change_webhook(self, before: Webhook, after: Webhook, event: Event | None = None) -> bool:
        """Put ``after`` in the place of ``before`` if that is still so; the bookmark `HERE` is the place of this event."""
        ...

    async def remove_webhook(self, id: bytes, event: Event) -> bool:
        """Forget a webhook; False: it was gone already."""
        ...

    async def suspect(self, client: Client, horizon: Horizon) -> Suspect | None:
        """This very client with what else decides about it, used lately or not; None: it is gone."""
        ...

    async def warn(self, client: Client, fact: bytes, until: int, event: Event) -> bool:
        """Record this event once per fact, which is kept until then; False: it was recorded before, or the client is gone."""
        ...

    async def suspects(self, after: bytes, limit: int, horizon: Horizon) -> Page:
        """Look at the next ``limit`` clients behind ``after``, in the order of their keys."""
        ...

    async def prune(self, suspect: Suspect, reason: str, horizon: Horizon, event: Event, tombstone_until: int, until: int) -> bool:
        """As `remove`, if everything about the client is still as it was found; until ``until`` it can be brought back.

        False: something came between, or it was gone already. A client that is a URL is never put aside: it comes again by itself.
        """
        ...

    async def pruned(self, after: str, limit: int) -> Sequence[Pruned]:
        """At most ``limit`` clients that can be brought back, in the order of their client_id, beginning behind ``after``."""
        ...

    async def pruned_client(self, key: bytes) -> Pruned | None:
        """The client that was put aside from this place, if it can be brought back."""
        ...

    async def bring_back(self, pruned: Pruned, day: int, event: Event) -> bool:
        """Put a pruned client back as it was, used on this day, and take its tombstone away; False: it is not there any more.

        Its grants and remembered yeses stay gone, and every access token from before is dead: what was said of them is forgotten.
        """
        ...

    async def keep_aside(self, pruned: Pruned, after: Client | None, event: Event) -> bool:
        """Change epoch and state that a pruned client would come back with, or let go of it (None); False: it is not there any more."""
        ...

    async def sweep(self, litter: Litter, after: int, limit: int, horizon: Horizon) -> tuple[int, int]:
        """Let go of what has ended among the next ``limit`` rows; returns how many went, and where to go on (0: that was the end)."""
        ...

    async def lease(self, name: str, holder: bytes, until: int, now: int) -> bool:
        """Take a piece of work for oneself until then, or keep it longer; False: another one has it."""
        ...

    def turn(self, key: bytes) -> AbstractAsyncContextManager[None]:
        """One at a time per client in this process; other processes meet in compare-and-set."""
        ...

    async def ready(self) -> bool:
        """Whether reads and writes would be taken now."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then let go of the files."""
        ...


class KeyState(Protocol):
    """One key of the ring, without the key."""

    @property
    def number(self) -> int:
        """From 1."""
        ...

    @property
    def state(self) -> str:
        """``known``, ``minting``, ``verifying``, ``gone`` or ``burnt``."""
        ...

    @property
    def since(self) -> int:
        """When it came into this state, seconds since 1970."""
        ...


class Keyring(Protocol):
    """Keys by number; nothing outside sees the keys themselves (CREDENTIALS §2)."""

    @property
    def keys(self) -> Sequence[KeyState]:
        """All keys by number."""
        ...

    def rotate(self, entropy: Callable[[int], bytes], now: int) -> int:
        """Add a key that mints from now on; the one before it only verifies. Returns the new number."""
        ...

    def recover(self, entropy: Callable[[int], bytes], now: int, recovering: Recovering) -> int:
        """As `rotate` after a backup was put back: older keys speak no more for what may have been ended meanwhile (CREDENTIALS §5)."""
        ...

    @property
    def recovering(self) -> Recovering | None:
        """What holds since a backup was put back; None: none was."""
        ...

    @property
    def minting(self) -> int:
        """Number of the key that new handles and seals are made with."""
        ...

    def mac(self, number: int, kind: str, message: bytes) -> bytes | None:
        """HMAC-SHA-256 under the key for (number, kind), 32 bytes; None: that key is not honoured."""
        ...

    def seal(self, kind: str, plain: bytes, nonce: bytes) -> bytes:
        """AES-256-GCM-SIV under the minting key; kind, issuer and key number are bound. ``nonce`` has 12 bytes."""
        ...

    def open(self, number: int, kind: str, nonce: bytes, sealed: bytes) -> bytes | None:
        """The plain bytes, or None: another key, altered, or a key that is not honoured."""
        ...


class Signer(Protocol):
    """Signs and verifies our own JWTs (RFC 7515)."""

    @property
    def algs(self) -> Sequence[str]:
        """JWS algorithms there must be a key for."""
        ...

    def make(self, alg: str, entropy: Callable[[int], bytes], now: int) -> SigningKey:
        """A new key that signs with this algorithm, sealed under the keyring's minting key."""
        ...

    def know(self, stored: Sequence[SigningKey], now: int = 0) -> None:
        """Take over the stored keys that are not over now, if they changed; the same list is looked through once."""
        ...

    def sign(self, claims: Mapping[str, object], typ: str, alg: str = "ES256") -> str:
        """A compact JWS under the key that signs with this algorithm now."""
        ...

    def verify(self, token: str, typ: str) -> Mapping[str, object] | None:
        """The claims of a JWS that one of our own keys made with this ``typ``; None: not ours or altered."""
        ...

    def jwks(self) -> Mapping[str, object]:
        """The public key set (RFC 7517 §5)."""
        ...


class Passwords(Protocol):
    """Hashes and compares passwords, a few at a time (argon2id)."""

    async def hash(self, password: str) -> str:
        """A PHC string. Raises `Busy`."""
        ...

    async def fits(self, kept: str, password: str) -> bool:
        """Whether the password is the one; an empty hash fits none and takes as long. Raises `Busy`."""
        ...

    def outdated(self, kept: str) -> bool:
        """Whether the hash was made with weaker parameters than are used now."""
        ...


class SlowSecrets(Protocol):
    """Compares secrets of clients with what other servers kept of them, a few at a time (CREDENTIALS §1)."""

    async def fits(self, kept: str, secret: str) -> bool:
        """Whether the secret is the one. Raises `Busy`."""
        ...

    def comparable(self, kept: str) -> bool:
        """Whether hashes like this one can be compared here."""
        ...

    def close(self) -> None:
        """Let the comparisons end that have begun."""
        ...


@dataclass(frozen=True, slots=True)
class Registered:
    """What a device answered to the wish for a new passkey, verified."""

    id: bytes
    public_key: bytes
    count: int


class Passkeys(Protocol):
    """WebAuthn ceremonies (WebAuthn Level 3 §7)."""

    @property
    def available(self) -> bool:
        """Whether browsers would do them at this issuer: its host must be a domain, and reached by HTTPS or on this machine."""
        ...

    def wanted(self, person: Person, challenge: bytes, there: Sequence[Passkey]) -> str:
        """The options for ``navigator.credentials.create``, as JSON."""
        ...

    def asked(self, challenge: bytes) -> str:
        """The options for ``navigator.credentials.get``, as JSON: any passkey of this server will do."""
        ...

    def registered(self, answer: str, challenge: bytes) -> Registered | None:
        """What the device's JSON answer registers; None: it proves nothing."""
        ...

    def named(self, answer: str) -> bytes:
        """The credential id that an answer claims to be from; empty: it cannot be read."""
        ...

    def proven(self, answer: str, challenge: bytes, passkey: Passkey) -> int | None:
        """The signature counter of a right answer of this passkey with the person verified; None: it proves nothing."""
        ...


class Fetcher(Protocol):
    """The one way to strangers (DESIGN, "Outbound requests"). What comes back is as they sent it: bytes to be doubted."""

    async def get(self, url: str, purpose: Purpose, *, etag: str = "", last_modified: str = "") -> Fetched:
        """What is at this address now; with validators a 304 may come back. One flight per address, and short memory of failures.

        Raises `Unfetched`.
        """
        ...

    async def kept(self, url: str, purpose: Purpose, *, newer_than: int = 0) -> Fetched:
        """The same from memory while HTTP lets it be kept and it came after ``newer_than``; the last good one may stand in for a while.

        Raises `Unfetched`.
        """
        ...

    def fresh(self, url: str, purpose: Purpose, *, newer_than: int = 0) -> bool:
        """Whether `kept` would answer from memory, without going out."""
        ...

    def proven(self, url: str, purpose: Purpose) -> None:
        """Somebody proved by what is there who they are: of all that is remembered it is let go of last."""
        ...

    def forget(self, url: str) -> None:
        """Drop what is remembered of an address, failures too."""
        ...

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], purpose: Purpose) -> Posted:
        """Bring this there once, through the same door: whatever status comes back is an answer, and nothing of it is remembered.

        Raises `Unfetched`.
        """
        ...


class Pictures(Protocol):
    """Makes pictures of strangers harmless."""

    async def clean(self, body: bytes) -> bytes | None:
        """The picture drawn anew as a PNG of at most 128 pixels a side; None: it is no picture that is taken (D-44, X-05, X-12)."""
        ...


class Verifier(Protocol):
    """Checks signatures of others (RFC 7515 §5.2)."""

    def signed(self, text: str, alg: str, key: Mapping[str, object]) -> bool:
        """Whether a compact JWS was made with this algorithm by the holder of this JWK; a bad key has made nothing."""
        ...


class Budget(Protocol):
    """A rate that something may not exceed."""

    def take(self, cause: str) -> int:
        """Use up one; 0: granted, otherwise the seconds to wait."""
        ...


class Budgets(Protocol):
    """Several rates, and each has room or nothing happens."""

    def take(self, draws: Sequence[Draw]) -> tuple[Cause, int] | None:
        """Use up one of each, or none of any: then one that has no room, with the seconds to wait."""
        ...


class Policies(Protocol):
    """Where the operator's policy is; whoever judges takes the one that counts now and waits for nothing."""

    @property
    def current(self) -> Policy | None:
        """The policy that counts; None: the built-in rules alone."""
        ...

    async def look(self, *, anyway: bool = False) -> Policy | None:
        """Read it again if it is another one, or ``anyway``; None: it is as it was.

        Raises `BadPolicy` once for each bad one; what counted before goes on counting.
        """
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a use case may touch."""

    settings: "Settings"
    desk: Desk
    issuers: Mapping[str, Issuer]
    """Whose software statements are trusted, by ``iss``."""
    ground: Ground
    """What the vocabulary takes and serves."""
    rules: Rules
    """The rule set of clients without an invitation."""
    policies: Policies
    """What the operator wrote on top of it."""
    customs: Customs
    """Which URLs are taken for clients."""
    document: Purpose
    """How their documents are asked for."""
    store: Store
    keyring: Keyring
    signer: Signer
    now: Callable[[], int]
    """Seconds since 1970."""
    entropy: Callable[[int], bytes]
    """Unpredictable bytes, that many."""
    budgets: Budgets
    """What registrations, changes of them, and clients that are seen for the first time draw on."""
    failures: Budget
    """Failed tries with registration access tokens, by source and client."""
    recoveries: Budget
    """Recovered registrations, by client; and failed tries, by source and client."""
    secrets: Budget
    """Comparisons with slowly hashed secrets, by client; and failed tries with imported ones, by source and client."""
    sign_ins: Budget
    """Tries to sign in, by person and source network together."""
    crowds: Budget
    """Tries to sign in, by person and by source network alone: a wider budget."""
    prompts: Budget
    """Questions put to a person, by person and client."""
    repeats: Budget
    """Uses of one code challenge or nonce, by client."""
    passwords: Passwords
    slow_secrets: SlowSecrets
    passkeys: Passkeys
    fetcher: Fetcher
    pictures: Pictures
    verifier: Verifier
    fetches: Budget
    """Documents that are read for one source network."""
    log: Callable[..., None]
    """Structured log line: an event name, then keyword values."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when this process accepts nobody any more."""
    familiar: Familiar = field(default_factory=Familiar)
    """Introductions of strangers that came through lately."""
    cards: Familiar = field(default_factory=Familiar)
    """Sealed cards of strangers that still came through lately."""

    @property
    def known_software(self) -> Sequence[Software]:
        """What the operator's policy says of software by name (R-88, R-89)."""
        return () if self.policies.current is None else self.policies.current.software

    def rules_for(self, invitation: Invitation | None) -> Rules:
        """The rules for who comes with this initial access token, or with none."""
        return self.rules if invitation is None else invited(self.rules, invitation.scope, invitation.grants, invitation.hosts)

    def hears(self, statement: object) -> bool:
        """Whether a software statement, or that there is none, has to be looked at (R-72, R-73)."""
        taken = self.settings.software_statements
        return bool(self.issuers) and (taken == "required" or (taken == "optional" and statement is not None))

    def draw(self, draws: Sequence[Draw]) -> None:
        """Use up one of each of these budgets, or none of any. Raises `Refusal` (429) that names one without room (H-11)."""
        if short := self.budgets.take(draws):
            raise used_up(*short)

    def _ceiling(self, tier: Tier) -> Ceiling:
        """What the operator's policy says of all clients of a tier."""
        return self.policies.current.ceilings.get(tier, UNBOUNDED) if self.policies.current else UNBOUNDED

    def secret_lifetime(self, tier: Tier) -> int:
        """Seconds a client secret is good for: the setting, or what the policy says of the tier where that is less; 0: no end."""
        bound = self._ceiling(tier).secret_lifetime
        return shorter(self.settings.secret_lifetime, bound) if bound else self.settings.secret_lifetime

    def refresh_lifetime(self, tier: Tier) -> int:
        """Seconds after which a person must be asked again, in the same way; 0: no end."""
        bound = self._ceiling(tier).refresh_lifetime
        return shorter(self.settings.refresh_lifetime, bound) if bound else self.settings.refresh_lifetime

    def remembers(self, tier: Tier) -> bool:
        """Whether a person's yes to a client of this tier may be remembered."""
        return self._ceiling(tier).consent != "always"

    def client_limit(self, tier: Tier) -> int:
        """How many clients of this tier the policy lets there be; 0: any number."""
        return self._ceiling(tier).clients

    def placed(self, tier: Tier) -> AbstractAsyncContextManager[None]:
        """While this lasts there is a place for one more client of the tier. Raises `Refusal` where the policy lets no more come."""
        most = self.client_limit(tier)
        return self._in_place(tier, most) if most else nullcontext()

    @asynccontextmanager
    async def _in_place(self, tier: Tier, most: int) -> AsyncGenerator[None]:
        async with self.store.place(tier, most) as free:
            if not free:
                raise no_place(tier)
            yield

    def wait_to_fetch(self, url: str, purpose: Purpose, source: str, newer_than: int = 0) -> int:
        """Seconds until this network may have this fetched; 0: now, or nothing would go out (D-36)."""
        return 0 if self.fetcher.fresh(url, purpose, newer_than=newer_than) else self.fetches.take(source)

    @property
    def horizon(self) -> Horizon:
        """What is long enough ago now to be over."""
        settings = self.settings
        token_lifetime = max(settings.opaque_token_lifetime, settings.jwt_lifetime)
        lifetimes = {"refresh_lifetime": settings.refresh_lifetime, "refresh_idle": settings.refresh_idle}
        return horizon(self.now(), **lifetimes, token_lifetime=token_lifetime)

    @property
    def place(self) -> Place:
        """This server, as far as tokens for it are concerned."""
        return Place(self.settings.issuer, self.settings.endpoint("/userinfo"))
