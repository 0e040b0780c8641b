"""What holds for every store, whatever it keeps its rows in."""

from operator import attrgetter

import msgspec
from msgspec import structs

from calling_card.ports import KeyCollision
from calling_card.protocol.abroad.documents import Version
from calling_card.protocol.clients import JSON, Client
from calling_card.protocol.events import Event
from calling_card.protocol.persons.grants import Consent, Grant, of_client
from calling_card.protocol.persons.people import Person

MARKS_LIVING = 32
"""With more living marks than this the epoch of the grant or client is raised instead (CREDENTIALS §3)."""

ONCE_LIVING = 4096
"""So many once-only facts of a client are remembered; a further one waits until some have expired (CREDENTIALS §3)."""

DAYS_WAITING = 1024
"""With more days of use waiting than this they become a write of their own."""


def birth(client: Client, event: Event | None, now: int) -> Event:
    """What is told when a client gets its row that lived on its card alone; ``event``: what else happens by this."""
    told: dict[str, JSON] = {"client_id": client.client_id, "door": client.door.value, "tier": int(client.tier)}
    told["sealed_at"] = client.issued_at
    if event is None:
        return Event("client_registered", now, client.key, "client", body=told)
    return Event("client_registered", event.at, client.key, event.actor, event.request_id, told)


def check_same_client(before: Client, after: Client) -> None:
    """A replacement keeps what a client has for life; anything else is a mistake of the caller."""
    if for_life(before) != for_life(after):
        raise ValueError("a replacement cannot change key, name, incarnation, door, tier, invitation or time of issue")


def for_life(client: Client) -> tuple[object, ...]:
    """What stays as it was at birth."""
    return (
        client.key,
        client.route,
        client.client_id,
        client.incarnation,
        client.door,
        client.tier,
        client.invitation,
        client.issued_at,
    )


def taken(there: Client, coming: Client) -> KeyCollision:
    """The refusal of an insertion at a place that is not free (CREDENTIALS §4)."""
    if same_name(there, coming):
        return KeyCollision("this client is registered already")
    return KeyCollision("the client key belongs to a client with another name")


def was_taken() -> KeyCollision:
    """The refusal of an insertion where somebody was: an identifier is never issued twice, to whomever it belonged."""
    return KeyCollision("the client key belongs to a client that is gone")


VERSIONS_KEPT = 20
"""Of a document; with one more the oldest goes."""


def check_met(client: Client, version: Version) -> None:
    """A client is met with the first version of its own document; anything else is a mistake of the caller."""
    if (version.client_key, version.number) != (client.key, 1):
        raise ValueError("a client is met with the first version of its own document")


def check_read(before: Version, after: Version, client: Client | None) -> None:
    """The next version, or the same one with other news of its reading; anything else is a mistake of the caller."""
    if client is not None and client.key != before.client_key:
        raise ValueError("the document is another client's")
    if after.client_key != before.client_key or after.number not in (before.number, before.number + 1):
        raise ValueError("after a version comes the next one of the same client, or itself")
    if after.number == before.number and as_seen(after) != as_seen(before):
        raise ValueError("what a document says and the card that it makes stay as they were within a version")


def as_seen(version: Version) -> tuple[object, ...]:
    """What a version has for life."""
    return (version.body, version.digest, version.metadata, version.seen_at)


def as_read(version: Version) -> tuple[object, ...]:
    """What must be as it was read for another reading to count."""
    return (version.number, version.checked_at, version.failed_at, version.digest)


def same_name(there: Client, coming: Client) -> bool:
    """Whether two clients have one full name (CREDENTIALS §4)."""
    return (there.route, there.client_id) == (coming.route, coming.client_id)


def check_given(client: Client, grant: Grant, consent: Consent | None) -> None:
    """Grant and yes are for this very client and of one person; anything else is a mistake of the caller."""
    if not of_client(grant, client):
        raise ValueError("the grant is for another client")
    if consent is not None and (consent.person, consent.client_key, consent.incarnation) != (grant.person, client.key, client.incarnation):
        raise ValueError("the consent is another person's or for another client")


def check_same_grant(before: Grant, after: Grant) -> None:
    """A change keeps what a grant has for life; anything else is a mistake of the caller."""
    if for_good(before) != for_good(after):
        raise ValueError("a grant changes in stage, epoch, scope, resource, refresh generations, use, document and key binding only")


for_good = attrgetter(
    "client_key",
    "id",
    "incarnation",
    "person",
    "code_deadline",
    "code_key",
    "redirect_uri",
    "code_challenge",
    "nonce",
    "sid",
    "person_epoch",
    "auth_time",
    "amr",
    "created_at",
)
"""What a grant has for life."""


def as_kept(grant: Grant) -> Grant:
    """A refresh token has neither overlap nor replacement digest."""
    return structs.replace(grant, refresh=structs.replace(grant.refresh, overlap_since=None, put_digest=None))


def check_same_person(before: Person, after: Person) -> None:
    """A change keeps who somebody is, and no epoch comes twice; anything else is a mistake of the caller."""
    if (before.id, before.name, before.created_at) != (after.id, after.name, after.created_at):
        raise ValueError("a change cannot touch identifier, name or time of creation of a person")
    if after.epoch < before.epoch:
        raise ValueError("a person's epoch only rises")


def software_of(client: Client) -> tuple[str | None, str | None]:
    """What software the client says it is, and which version; None: it does not say."""
    said = msgspec.json.decode(client.metadata, type=_Software)
    return said.software_id, said.software_version


class _Software(msgspec.Struct):
    software_id: str | None = None
    software_version: str | None = None
