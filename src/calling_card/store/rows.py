"""Between rows of the database and what the rest of the program knows."""

from typing import TypeAlias, cast

from calling_card.ports import Invitation, SigningKey
from calling_card.protocol.clients import Client, Door, Generations, Route, State, Tier
from calling_card.protocol.events import Recorded
from calling_card.protocol.persons.resources import Resource
from calling_card.store.database import Values

# STRICT tables guarantee these types; that is what makes the casts from a row true. The columns of a secret are NULL exactly when
# ``secret_kind`` is.
ClientRow: TypeAlias = tuple[
    *tuple[bytes, str, str, bytes, int, str, int, str, str, bytes | None, int, int, int],
    *tuple[int, int, int, int, int, int | None, bytes | None],
    *tuple[str | None, int, int, int, int, int, int | None, bytes | None],
    *tuple[bytes, bytes],
    *tuple[int, str, bytes | None],
]
InvitationRow: TypeAlias = tuple[bytes, int, str, int, int, int, str | None, str | None, str | None, str, int]
ResourceRow: TypeAlias = tuple[str, bytes, str, str, str, int]
SigningKeyRow: TypeAlias = tuple[str, str, str, int, int, bytes]
EventRow: TypeAlias = tuple[bytes, bytes, int, int, str, bytes, bytes]

RAT = ("rat_confirmed", "rat_issued", "rat_confirmed_key", "rat_issued_key", "rat_rotated_at", "rat_overlap_since", "rat_put_digest")
SECRET = (
    "secret_kind",
    "secret_confirmed",
    "secret_issued",
    "secret_confirmed_key",
    "secret_issued_key",
    "secret_rotated_at",
    "secret_overlap_since",
    "secret_digest",
)
CARD = ("metadata", "decision")
APPROVAL = ("waits", "refusal", "approved_card")
CLIENT = (
    "client_key",
    "route",
    "client_id",
    "incarnation",
    "epoch",
    "door",
    "tier",
    "state",
    "owner",
    "invitation",
    "issued_at",
    "secret_expires_at",
    "last_used_day",
    *RAT,
    *SECRET,
    *CARD,
    *APPROVAL,
)
"""The columns of a client in the order of `client_values` and `client_of`."""

INVITATION = ("id", "handle_key", "label", "uses_left", "expires_at", "created_at", "scope", "grants", "hosts", "owner", "revoked_at")
RESOURCE = ("uri", "client_key", "client_id", "tokens", "scope", "created_at")
SIGNING_KEY = ("kid", "alg", "state", "created_at", "until", "sealed")
EVENT = ("client_key", "writer", "number", "at", "kind", "content", "mac")

ROUTES = {route.value: route for route in Route}
DOORS = {door.value: door for door in Door}
TIERS = {tier.value: tier for tier in Tier}
STATES = {state.value: state for state in State}

NO_SECRET: Values = (None,) * len(SECRET)


def rat_values(rat: Generations) -> Values:
    """In the order of `RAT`."""
    return (rat.confirmed, rat.issued, rat.confirmed_key, rat.issued_key, rat.rotated_at, rat.overlap_since, rat.put_digest)


def secret_values(client: Client) -> Values:
    """In the order of `SECRET`; a secret has no replacement digest."""
    secret = client.secret
    if secret is None:
        return NO_SECRET
    return (
        "derived" if client.imported is None else "imported",
        secret.confirmed,
        secret.issued,
        secret.confirmed_key,
        secret.issued_key,
        secret.rotated_at,
        secret.overlap_since,
        client.imported,
    )


def approval_values(client: Client) -> Values:
    """In the order of `APPROVAL`."""
    return (int(client.waits), client.refusal, client.approved_card)


def client_values(client: Client) -> Values:
    """In the order of `CLIENT`."""
    return (
        client.key,
        client.route,
        client.client_id,
        client.incarnation,
        client.epoch,
        client.door,
        client.tier,
        client.state,
        client.owner,
        client.invitation,
        client.issued_at,
        client.secret_expires_at,
        client.last_used_day,
        *rat_values(client.rat),
        *secret_values(client),
        client.metadata,
        client.decision,
        *approval_values(client),
    )


def client_of(found: object) -> Client:
    """A row of `CLIENT` columns as a client; by position, for every request does this and names would cost it a fifth more time."""
    row = cast("ClientRow", found)
    return Client(
        row[0],
        ROUTES[row[1]],
        row[2],
        row[3],
        row[4],
        DOORS[row[5]],
        TIERS[row[6]],
        STATES[row[7]],
        row[8],
        row[9],
        row[10],
        row[28],
        row[29],
        Generations(*row[13:20]),
        None if row[20] is None else Generations(*row[21:27]),
        row[11],
        row[12],
        waits=row[30] == 1,
        refusal=row[31],
        approved_card=row[32],
        imported=row[27],
    )


def words(listed: tuple[str, ...] | None) -> str | None:
    """Grant types and host names hold no spaces."""
    return None if listed is None else " ".join(listed)


def listed(words: str | None) -> tuple[str, ...] | None:
    """The inverse of `words`."""
    return None if words is None else tuple(words.split())


def invitation_values(invitation: Invitation) -> Values:
    """In the order of `INVITATION`."""
    return (
        invitation.id,
        invitation.key,
        invitation.label,
        invitation.uses_left,
        invitation.expires_at,
        invitation.created_at,
        invitation.scope,
        words(invitation.grants),
        words(invitation.hosts),
        invitation.owner,
        invitation.revoked_at,
    )


def invitation_of(found: object) -> Invitation:
    """A row of `INVITATION` columns as an invitation."""
    row = cast("InvitationRow", found)
    return Invitation(
        id=row[0],
        key=row[1],
        label=row[2],
        uses_left=row[3],
        expires_at=row[4],
        created_at=row[5],
        scope=row[6],
        grants=listed(row[7]),
        hosts=listed(row[8]),
        owner=row[9],
        revoked_at=row[10],
    )


def resource_values(resource: Resource) -> Values:
    """In the order of `RESOURCE`."""
    return (resource.uri, resource.client_key, resource.client_id, resource.tokens, resource.scope, resource.created_at)


def resource_of(found: object) -> Resource:
    """A row of `RESOURCE` columns as a resource server."""
    return Resource(*cast("ResourceRow", found))


def signing_key_values(key: SigningKey) -> Values:
    """In the order of `SIGNING_KEY`."""
    return (key.kid, key.alg, key.state, key.created_at, key.until, key.sealed)


def signing_key_of(found: object) -> SigningKey:
    """A row of `SIGNING_KEY` columns as a signing key."""
    return SigningKey(*cast("SigningKeyRow", found))


def event_values(event: Recorded) -> Values:
    """In the order of `EVENT`."""
    return (event.client_key, event.writer, event.number, event.at, event.kind, event.content, event.mac)


def event_of(found: object) -> Recorded:
    """A row of `EVENT` columns as a recorded event."""
    client_key, writer, number, at, kind, content, mac = cast("EventRow", found)
    return Recorded(writer, number, at, kind, client_key, content, mac)
