"""A client that lost its registration access token gets another one (RFC 7592 §3, CREDENTIALS §9.1).

The new token is the only one that lives; card and secret stay as they are. Whoever loses the answer asks again and gets the next.
"""

import hmac
from dataclasses import dataclass
from typing import TypeAlias

from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.answers import card_of, information
from calling_card.protocol.clients import JSON, Card, Client, Route, State, Tier, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles.credentials import has_rat
from calling_card.protocol.handles.rotation import Clock, renew
from calling_card.protocol.syntax import read_object
from calling_card.protocol.trust.statements import MEMBER, Brought, check_recovers, kept, read_request, said_in
from calling_card.usecases import statements, tokens
from calling_card.usecases.authenticate import Presented, authenticate
from calling_card.usecases.authenticate import refused as not_authenticated
from calling_card.usecases.clients import ATTEMPTS

_PROVING = ("token_endpoint_auth_method", "jwks", "jwks_uri", MEMBER)


@dataclass(frozen=True, slots=True)
class Stated:
    """A software statement, as it would come with a registration."""

    body: bytes
    signed: bool = False
    """Whether the body is a JWS around the members (R-76)."""
    certificate: str = ""
    """Subject of the client certificate, as a trusted proxy says it (R-79)."""


@dataclass(frozen=True, slots=True)
class Owned:
    """An access token of whoever the client was registered for (R-27)."""

    token: str


Proof: TypeAlias = Presented | Stated | Owned


@dataclass(frozen=True, slots=True)
class Asked:
    """A recovery, before anything of it was believed."""

    client_id: str
    """As in the path, decoded once."""
    proof: Proof
    source: str = ""
    """Network it comes from: its failures are counted, and a fetch is on its budget."""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Proven:
    """Whose registration it is, and by what."""

    client: Client
    by: str
    """A word of the setting ``recovery``."""
    proof: str


async def recover(ports: Ports, asked: Asked) -> Card:
    """The registration with a new token; every older one is dead when this returns (M-42, S1-48).

    Raises `Refusal`: 401 for every client that the proof does not fit, 400 for a bad statement, 403 where recovery is not for
    this proof or client, 429 for the sixth within an hour.
    """
    proven = await _proven(ports, asked)
    client = proven.client
    if client.tier is Tier.ADMIN:
        raise Refusal(No.ACCESS_DENIED, "the operator made this client, and only the operator changes it (RFC 7592 section 2)")
    if not has_rat(client):
        raise Refusal(No.ACCESS_DENIED, "this client came by a door that gives no registration access token (RFC 7592 section 3)")
    if client.card_until:
        raise Refusal(No.ACCESS_DENIED, f"nothing is kept of this registration yet; register again at {ports.desk.endpoint}")
    if wait := ports.recoveries.take(client.key.hex()):
        raise Refusal(No.TOO_MANY_REQUESTS, "this registration was recovered too often; try again later", retry_after=wait)
    after = await _renewed(ports, asked, proven)
    ports.store.used(after, ports.now() // 86400)
    return information(ports.desk, ports.keyring, after, card_of(after), secret=ports.settings.return_secret)


async def _proven(ports: Ports, asked: Asked) -> Proven:
    """Failures count for one source and client, so that nobody uses up another one's tries (M-47)."""
    try:
        return await _judged(ports, asked)
    except Refusal as refusal:
        wait = ports.recoveries.take(f"{asked.source}|{asked.client_id[:64]}") if refusal.no.status in (400, 401) else 0
        if not wait:
            raise
        why = "too many failed tries to recover this registration; try again later"
        raise Refusal(No.TOO_MANY_REQUESTS, why, logged=refusal.logged, retry_after=wait) from None


async def _judged(ports: Ports, asked: Asked) -> Proven:
    """Each proof by its own rules, where the operator lets it count."""
    proof = asked.proof
    if isinstance(proof, Presented):
        _check_taken(ports, "client")
        return await _by_authentication(ports, asked, proof)
    if isinstance(proof, Stated):
        _check_taken(ports, "statement")
        return await _by_statement(ports, asked, proof)
    _check_taken(ports, "owner")
    return await _by_owner(ports, asked, proof)


def _check_taken(ports: Ports, way: str) -> None:
    if way not in ports.settings.recovery:
        raise Refusal(No.ACCESS_DENIED, f"recovery by this proof ({way}) is not served here; ask the operator (RFC 7592 section 3)")


async def _by_authentication(ports: Ports, asked: Asked, presented: Presented) -> Proven:
    """As at the token endpoint, audiences of assertions included (C-34); a client without credentials proves nothing."""
    if presented.method == "none":
        raise not_authenticated(ports, presented, "a public client proves nothing")
    known = await authenticate(ports, presented)
    if known.client.route is not Route.REGISTERED or known.client.client_id != asked.client_id:
        raise not_authenticated(ports, presented, "the proof is of another client")
    return Proven(known.client, "client", str(known.card.get("token_endpoint_auth_method")))


async def _by_statement(ports: Ports, asked: Asked, stated: Stated) -> Proven:
    """A statement about the same software by the same issuer, spent where it comes once; it changes nothing of the card (C-16)."""
    request = read_request(stated.body) if stated.signed else None
    said = read_object(stated.body) if request is None else said_in(request)
    vouched = await statements.weigh(ports, said, Brought(request, stated.certificate, asked.source), asked.request_id)
    check_recovers(vouched)
    client = await _living(ports, asked)
    before = None if client is None else kept(ports.issuers, client)
    if client is None or before is None or before.about != vouched.about:
        raise not_authenticated(ports, Presented("statement", asked.client_id), "the statement is not about this client")
    await statements.spend(ports, vouched)
    return Proven(client, "statement", "software_statement")


async def _by_owner(ports: Ports, asked: Asked, owned: Owned) -> Proven:
    """Whoever let the client in by an access token has another one now; the owner of an invitation is a name and no proof."""
    owner = await tokens.registrant(ports, owned.token)
    client = await _living(ports, asked)
    if client is None or client.invitation is not None or not owner or not hmac.compare_digest(client.owner.encode(), owner.encode()):
        raise Refusal(No.INVALID_TOKEN, "the access token is not valid for this registration (RFC 6750 section 3.1)")
    return Proven(client, "owner", "access_token")


async def _living(ports: Ports, asked: Asked) -> Client | None:
    """The client of this name; one that is suspended is as unknown as any other (H-31)."""
    client = await ports.store.client(client_key(Route.REGISTERED, asked.client_id))
    return client if client is not None and client.client_id == asked.client_id and client.state is not State.SUSPENDED else None


async def _renewed(ports: Ports, asked: Asked, proven: Proven) -> Client:
    """The client with its next token, if it still is as it was when the proof was judged."""
    body: dict[str, JSON] = {"by": proven.by, "proof": proven.proof}
    async with ports.store.turn(proven.client.key):
        for _ in range(ATTEMPTS):
            client = await ports.store.client(proven.client.key)
            if client is None or _same(client) != _same(proven.client):
                break
            clock = Clock(ports.now(), ports.keyring.minting)
            after = structs.replace(client, rat=renew(client.rat, clock))
            if await ports.store.replace(client, after, Event("client_recovered", clock.now, client.key, "client", asked.request_id, body)):
                return after
    raise Refusal(No.UNAVAILABLE, "the registration is being changed by others; try again", retry_after=1)


def _same(client: Client) -> tuple[object, ...]:
    """What a proof was about: this life of the client, and how it proves itself; all else may go on meanwhile."""
    card = card_of(client)
    return (client.incarnation, client.epoch, client.state, *(card.get(name) for name in _PROVING))
