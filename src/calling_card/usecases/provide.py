"""What an operator gives out: invitations and resource servers (RFC 7591 §1.2, RFC 7662 §2.1, RFC 8707 §2)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from calling_card.ports import Invitation, Ports
from calling_card.protocol import base64url
from calling_card.protocol.abroad.addresses import host_problem
from calling_card.protocol.answers import information, to_bytes
from calling_card.protocol.clients import JSON, Card, Client, Door, Route, State, Tier, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles.credentials import INITIAL_ACCESS_TOKEN, Handle, write
from calling_card.protocol.handles.rotation import Clock, first
from calling_card.protocol.life.cohorts import ID
from calling_card.protocol.persons.resources import Resource, check, is_own
from calling_card.protocol.policy import needs_nobody
from calling_card.protocol.syntax import echo
from calling_card.usecases.clients import known_scopes

MOST_USES = 1_000_000
LONGEST = 36525 * 86400
"""Seconds an invitation may be good for when it has an end."""
_LONGEST_NAME = 200
_SCOPE = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An invitation to be made."""

    uses: int
    lifetime: int
    """Seconds; 0: no end."""
    scope: str | None
    grants: tuple[str, ...] | None
    hosts: tuple[str, ...] | None
    label: str
    owner: str


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation and its token, to be shown once."""

    initial_access_token: str
    invitation: Invitation


async def invite(ports: Ports, wanted: Wanted) -> Invited:
    """Make an initial access token (R-24). Raises `Refusal` for uses, scopes, grants or hosts that cannot be."""
    if not 1 <= wanted.uses <= MOST_USES or not 0 <= wanted.lifetime <= LONGEST:
        raise Refusal(No.INVALID_REQUEST, f"uses: must be from 1 to {MOST_USES}, and expires must be within the next hundred years")
    unserved = [grant for grant in wanted.grants or () if grant not in ports.ground.grant_types]
    if unserved:
        raise Refusal(No.INVALID_REQUEST, f"grant: {unserved[0]} is not served; served are {', '.join(ports.ground.grant_types)}")
    if wanted.scope is None and needs_nobody(wanted.grants):
        raise Refusal(No.INVALID_REQUEST, "scope: must be named when a grant works without a person; name what the clients may have")
    wrong = [host for host in wanted.hosts or () if host_problem(host.lower())]
    if wrong:
        way = "a host stands for itself alone, as in app.example, 127.0.0.1, [::1] or localhost"
        raise Refusal(No.INVALID_REQUEST, f"redirect-host: '{echo(wrong[0])}' is not a host; {way}")
    await _known(ports, wanted.scope)
    now = ports.now()
    made = Invitation(
        id=ports.entropy(16),
        key=ports.keyring.minting,
        label=wanted.label,
        uses_left=wanted.uses,
        expires_at=now + wanted.lifetime if wanted.lifetime else 0,
        created_at=now,
        scope=wanted.scope,
        grants=wanted.grants,
        hosts=wanted.hosts,
        owner=wanted.owner,
    )
    told: dict[str, JSON] = {"id": made.id.hex(), "label": made.label, "uses": made.uses_left, "expires_at": made.expires_at}
    event = Event("initial_access_token_created", now, b"", "operator", body=told | _limits(made))
    await ports.store.invite(made, event)
    return Invited(write(ports.keyring, ports.settings.issuer, Handle(INITIAL_ACCESS_TOKEN, made.key, made.id, 1)), made)


async def _known(ports: Ports, scope: str | None) -> None:
    """An invitation for a scope that nobody knows would never work."""
    known = await known_scopes(ports)
    unknown = [word for word in (scope or "").split() if word not in known]
    if unknown:
        way = "add it to the setting scopes, or name it with: calling-card resource add URI --scopes"
        raise Refusal(No.INVALID_SCOPE, f"scope: {unknown[0][:80]} is not known here; {way}")


@dataclass(frozen=True, slots=True)
class Added:
    """A resource server and the credential it asks with, to be shown once."""

    resource: Resource
    information: Card


async def invitations(ports: Ports, after: str, limit: int) -> Sequence[Card]:
    """A line per invitation in the order of their ids, beginning behind ``after``; never the token (H-01)."""
    found = await ports.store.invitations(_id(after) if after else b"", limit)
    return [_invitation(ports, one) for one in found]


async def invitation(ports: Ports, id: str) -> Card:
    """What an invitation says and how far it is used. Raises `Refusal` when there is none."""
    return _invitation(ports, await _found(ports, id))


async def revoke(ports: Ports, id: str, by: str) -> Card:
    """Nobody comes in by this invitation when this returns; those whom it let in keep what they have, and its ceiling (R-28, R-29).

    Raises `Refusal` when there is none.
    """
    found = await _found(ports, id)
    body: dict[str, JSON] = {"id": id, "label": found.label, "uses": found.uses_left, "by": by}
    await ports.store.uninvite(found.id, Event("initial_access_token_revoked", ports.now(), b"", "operator", body=body))
    return await invitation(ports, id)


async def _found(ports: Ports, id: str) -> Invitation:
    found = await ports.store.invitation(_id(id))
    if found is None:
        raise Refusal(No.NOT_FOUND, f"there is no initial access token {echo(id)}; see calling-card invitation list")
    return found


def _id(text: str) -> bytes:
    """The id behind its text; a token is not an id, and is not repeated in the refusal."""
    if not ID.fullmatch(text):
        raise Refusal(No.INVALID_REQUEST, "id: an initial access token is named by its id of 32 hexadecimal digits")
    return bytes.fromhex(text)


def _invitation(ports: Ports, one: Invitation) -> Card:
    row: Card = {
        "id": one.id.hex(),
        "label": one.label,
        "state": _state(one, ports.now()),
        "uses_left": one.uses_left,
        "expires_at": one.expires_at,
        "created_at": one.created_at,
        "owner": one.owner,
    }
    return row | ({"revoked_at": one.revoked_at} if one.revoked_at else {}) | _limits(one)


def _limits(one: Invitation) -> dict[str, JSON]:
    """What an invitation says of its clients; what it does not limit is not said."""
    said: dict[str, JSON] = {
        "scope": one.scope,
        "grants": None if one.grants is None else list(one.grants),
        "hosts": None if one.hosts is None else list(one.hosts),
    }
    return {name: value for name, value in said.items() if value is not None}


def _state(one: Invitation, now: int) -> str:
    """Why nobody comes in by it any more, or that somebody may."""
    if one.revoked_at:
        return "revoked"
    if one.uses_left < 1:
        return "used up"
    return "expired" if 0 < one.expires_at <= now else "open"


async def add_resource(ports: Ports, uri: str, scope: str, form: str, name: str) -> Added:
    """Make a resource server known; it introspects with the credential that is returned (H-20).

    Raises `Refusal` when the URI is not acceptable or known already, or a scope or the name is not plain text.
    """
    if scope and not _SCOPE.fullmatch(scope):
        raise Refusal(No.INVALID_SCOPE, "scopes: are words of printable ASCII without quotes and backslashes (RFC 6749 section 3.3)")
    if not name.isprintable() or len(name) > _LONGEST_NAME:
        raise Refusal(No.INVALID_REQUEST, f"name: must be at most {_LONGEST_NAME} printable characters, in one line")
    checked = check(uri, ports.settings.issuer)
    if is_own(checked, ports.settings.issuer):
        raise Refusal(No.INVALID_TARGET, "resource: this server itself is not a resource (RFC 8707 section 2)")
    now = ports.now()
    client_id = "r" + base64url.encode(ports.entropy(16))
    generations = first(Clock(now, ports.keyring.minting))
    card: Card = {
        "redirect_uris": [],
        "client_name": name or checked,
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": [],
        "response_types": [],
    }
    client = Client(
        key=client_key(Route.REGISTERED, client_id),
        route=Route.REGISTERED,
        client_id=client_id,
        incarnation=ports.entropy(8),
        epoch=0,
        door=Door.ADMIN,
        tier=Tier.ADMIN,
        state=State.ACTIVE,
        owner="operator",
        invitation=None,
        issued_at=now,
        metadata=to_bytes(card),
        decision=b"",
        rat=generations,
        secret=generations,
        secret_expires_at=0,
        last_used_day=now // 86400,
    )
    resource = Resource(checked, client.key, client_id, form, scope, now)
    told: dict[str, JSON] = {"uri": checked, "client_id": client_id, "tokens": form, "scope": scope}
    event = Event("resource_added", now, client.key, "operator", body=told)
    if not await ports.store.add_resource(resource, client, event):
        raise Refusal(No.INVALID_REQUEST, f"resource: {checked} is known already; see calling-card resource list")
    return Added(resource, information(ports.desk, ports.keyring, client, {}))


async def resources(ports: Ports) -> Sequence[Resource]:
    """All resource servers."""
    return await ports.store.resources()
