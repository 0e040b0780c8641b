"""A client introduces itself (RFC 7591 §3)."""

from dataclasses import dataclass

from calling_card.ports import Invitation, KeyCollision, Ports, Registration
from calling_card.protocol import base64url
from calling_card.protocol.answers import information, to_bytes
from calling_card.protocol.clients import JSON, Card, Client, Door, Route, State, Tier, client_key
from calling_card.protocol.corridor import Passed, pass_through, within
from calling_card.protocol.credentials import INITIAL_ACCESS_TOKEN, read
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.metadata import needs_secret
from calling_card.protocol.policy import invited
from calling_card.protocol.rotation import Clock, first, withdraw
from calling_card.protocol.rules import sector_to_check
from calling_card.protocol.syntax import read_object
from calling_card.usecases import sector
from calling_card.usecases.clients import known_scopes

_UNMANAGED = frozenset({Door.SCR2011, Door.MASTODON})
"""Doors whose wire form has no place for a registration access token."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A registration request, before anything of it was believed."""

    body: bytes
    token: str | None
    """The bearer token, or None when no credentials were sent."""
    request_id: str = ""
    source: str = ""
    """Network it comes from, whose budget a fetch is on."""


async def register(ports: Ports, asked: Asked) -> Card:
    """Keep the client and answer with everything that is in force (RFC 7591 §3.2.1).

    Raises `Refusal`: 401 for a bad initial access token, 400 for bad metadata, 429 when the open budget is used up.
    """
    invitation = await invited_by(ports, asked.token)
    client, card = await admit(ports, _said(asked.body), Door.RFC7591, invitation, asked.request_id, asked.source)
    return information(ports.desk, ports.keyring, client, card)


async def admit(ports: Ports, said: Card, door: Door, invitation: Invitation | None, request_id: str, source: str) -> tuple[Client, Card]:
    """A new client that says this, and its card in force: one corridor and one birth for every door (DESIGN, "One corridor").

    Raises `Refusal`: 400 for bad metadata, 401 for an invitation that somebody else used up, 429 when the open budget is.
    """
    rules = ports.rules if invitation is None else invited(ports.rules, invitation.scope, invitation.grants, invitation.hosts)
    scopes = ports.settings.scopes if within(said, ports.settings.scopes) else await known_scopes(ports)
    tier = Tier.ANONYMOUS if invitation is None else Tier.TOKEN
    passed = pass_through(said, ports.ground, rules, scopes, door=door, tier=tier, before=None)
    if invitation is None and (wait := ports.registrations.take("anonymous")):
        raise Refusal(No.TOO_MANY_REQUESTS, "too many registrations without an initial access token; try again later", retry_after=wait)
    if sector_to_check(passed.card, None):
        await sector.check(ports, passed.card, source)
    client = born(ports, passed, door, tier, invitation)
    actor = "anonymous" if invitation is None else "client"
    event = Event("client_registered", client.issued_at, client.key, actor, request_id, _told(client, passed))
    try:
        outcome = await ports.store.register(client, event, client.invitation)
    except KeyCollision:
        ports.log("client_key_collision", client_id=client.client_id, alarm=True)
        raise Refusal(No.SERVER_ERROR, "the client could not be given an identifier; try again") from None
    if outcome is Registration.SPENT:
        raise _spent()
    return client, passed.card


def _spent() -> Refusal:
    return Refusal(No.INVALID_TOKEN, "the initial access token is not valid (any more); ask the operator for another")


async def invited_by(ports: Ports, token: str | None) -> Invitation | None:
    """Who is asking is settled first; a bad token is never taken for none (R-21, R-22, R-23)."""
    if ports.settings.registration == "closed":
        raise Refusal(No.ACCESS_DENIED, "registration is closed; ask the operator for a client")
    if token is None:
        if ports.settings.registration == "token":
            raise Refusal(No.NO_TOKEN, "registration needs an initial access token; ask the operator for one (RFC 7591 section 3)")
        return None
    handle = read(ports.keyring, ports.settings.issuer, INITIAL_ACCESS_TOKEN, token)
    found = await ports.store.invitation(handle.owner) if handle else None
    if handle is None or found is None or found.key != handle.key or found.uses_left < 1 or 0 < found.expires_at <= ports.now():
        raise _spent()
    return found


def _said(body: bytes) -> Card:
    """The request's members; those that never belong into a registration are refused by name."""
    said = read_object(body)
    if said.get("client_id") is not None:
        raise Refusal(No.INVALID_REQUEST, "client_id: the server chooses it; leave it out of a registration (RFC 7591 section 3.2.1)")
    if "access_token" in said:
        raise Refusal(No.INVALID_REQUEST, "access_token: a token belongs into the Authorization header only (RFC 6750 section 2)")
    return said


def born(ports: Ports, passed: Passed, door: Door, tier: Tier, invitation: Invitation | None) -> Client:
    """A new client with identifier, incarnation and first generations, of what its door hands out (R-90, R-103, M-50)."""
    now = ports.now()
    client_id = "c" + base64url.encode(ports.entropy(16))
    generations = first(Clock(now, ports.keyring.minting))
    lifetime = ports.settings.secret_lifetime
    return Client(
        key=client_key(Route.REGISTERED, client_id),
        route=Route.REGISTERED,
        client_id=client_id,
        incarnation=ports.entropy(8),
        epoch=0,
        door=door,
        tier=tier,
        state=State.HELD if passed.held else State.ACTIVE,
        owner="" if invitation is None else invitation.owner,
        invitation=None if invitation is None else invitation.id,
        issued_at=now,
        metadata=to_bytes(passed.card),
        decision=passed.reasons,
        rat=withdraw(generations) if door in _UNMANAGED else generations,
        secret=generations if needs_secret(passed.card) else None,
        secret_expires_at=now + lifetime if lifetime else 0,
        last_used_day=now // 86400,
    )


def _told(client: Client, passed: Passed) -> dict[str, JSON]:
    """What the audit event says."""
    told: dict[str, JSON] = {"door": client.door.value, "tier": int(client.tier)}
    if client.invitation:
        told["invitation"] = client.invitation.hex()
    return told | passed.told()
