"""A client proves who it is (RFC 6749 §2.3, RFC 7523 §2.2). Other use cases call this one."""

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol import base64url
from calling_card.protocol.abroad.clientids import name
from calling_card.protocol.abroad.fetching import KEY_SET
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import JSON, Card, Client, Door, Generations, Route, State, Tier, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles import seals, tokens
from calling_card.protocol.handles.assertions import Assertion, Expected, Unfit, judge
from calling_card.protocol.handles.assertions import read as read_assertion
from calling_card.protocol.handles.credentials import (
    AUTHORIZATION_CODE,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    Handle,
    ends_soon,
    has_secret,
    owner,
    read,
    speaks_for,
    write,
)
from calling_card.protocol.handles.rotation import Step, present_secret
from calling_card.protocol.handles.sealed import CARD
from calling_card.usecases import imported
from calling_card.usecases.clients import ATTEMPTS, Known, registered
from calling_card.usecases.keysets import KeySet, signer
from calling_card.usecases.recovering import adopted

_UNASKED = frozenset({Door.SCR2011, Door.MASTODON})
_EITHER = ("client_secret_basic", "client_secret_post")


class Presented(msgspec.Struct, frozen=True):
    """How a client says who it is."""

    method: str
    """``client_secret_basic``, ``client_secret_post``, ``assertion`` or ``none``."""
    client_id: str
    """Empty only beside an assertion, whose ``sub`` then says it (RFC 7521 §4.2)."""
    secret: str = ""
    request_id: str = ""
    raw: str = ""
    """The secret as it stood in the header, before it was form-decoded: another server may have meant that (CREDENTIALS §1)."""
    assertion: str = ""
    """A JWT, unread (RFC 7523 §2.2)."""
    discovery: bool = False
    """Whether ``client_discovery=true`` was sent."""
    speaks: str = ""
    """What the request is about: its code, refresh token or token, which was made for one client."""
    source: str = ""
    """Network it comes from, whose budget a fetch is on."""
    endpoint: str = "token"
    """Where: ``token``, ``introspection`` or ``revocation``; each may have its own algorithm for assertions."""


async def authenticate(ports: Ports, presented: Presented) -> Known:
    """The client behind the credentials, by the one method it registered; it may act, or waits for approval (A-39, A-88).

    Raises `Refusal` with one text for every cause: unknown, wrong, expired, suspended, deleted (H-14).
    """
    if presented.method == "assertion":
        return await _by_assertion(ports, presented)
    foreign = bool(presented.secret) and not presented.secret.startswith(CLIENT_SECRET.prefix)
    handle = None if foreign else _handle(ports, presented)
    for _ in range(ATTEMPTS):
        known = await _known(ports, presented, presented.method)
        if foreign:
            if await _imported(ports, presented, known.client):
                return known
        elif handle is None or await _secret(ports, presented, known.client, handle):
            return known
    raise _busy()


async def _known(ports: Ports, presented: Presented, method: str) -> Known:
    """The client that is named, if this is how it registered to say who it is."""
    client = await _client(ports, presented)
    if client is None:
        raise refused(ports, presented, "no such client is active")
    card = await _card(ports, client, presented) if client.tier is Tier.URL else card_of(client)
    if not _same_method(client, card, method):
        raise refused(ports, presented, f"the client is not registered for {method}")
    return Known(client, card)


def _same_method(client: Client, card: Card, method: str) -> bool:
    """The one method it registered; a door that let none be chosen takes a secret in the header and in the body (S2-39)."""
    registered = card.get("token_endpoint_auth_method")
    return method == registered or (client.door in _UNASKED and method in _EITHER and registered in _EITHER)


async def _client(ports: Ports, presented: Presented) -> Client | None:
    """The client of this name, unless it is suspended."""
    for route, client_id in _names(ports, presented):
        may_be_card = route is Route.REGISTERED and client_id.startswith(CARD.prefix)
        client = await (registered(ports, client_id) if may_be_card else ports.store.client(client_key(route, client_id)))
        if client is not None and client.client_id == client_id and client.route is route:
            return None if client.state is State.SUSPENDED else client
    return None


def _names(ports: Ports, presented: Presented) -> Sequence[tuple[Route, str]]:
    """The names that are meant: a URL may be one on two ways, and then what it brings says which (D-13, D-59)."""
    if "://" not in presented.client_id and not presented.discovery:
        return [(Route.REGISTERED, presented.client_id)]
    names: list[tuple[Route, str]] = []
    for discovery in [True] if presented.discovery else [False, True]:
        try:
            named = name(presented.client_id, ports.customs, discovery=discovery)
        except Refusal:
            continue
        names.append((named.route, named.client_id))
    if len(names) < 2:
        return names
    brought = _brought(ports, presented)
    return sorted(names, key=lambda one: client_key(*one) != brought)


def _brought(ports: Ports, presented: Presented) -> bytes:
    """The key of the client for which a code or token was made; empty: the request brings none."""
    kinds = (AUTHORIZATION_CODE, REFRESH_TOKEN) if presented.speaks else ()
    found = (read(ports.keyring, ports.settings.issuer, kind, presented.speaks) for kind in kinds)
    plain = seals.read(ports.keyring, seals.ACCESS_TOKEN, presented.speaks) if presented.endpoint != "token" else None
    token = tokens.from_bytes(plain) if plain is not None else None
    if token is not None:
        return client_key(token.route, token.client_id)
    return next((handle.owner[:16] for handle in found if handle is not None), b"")


async def _card(ports: Ports, client: Client, presented: Presented) -> Card:
    """What a client that is an address says of itself; a code stands for the version that its person was shown (D-35)."""
    if presented.endpoint != "token":
        return card_of(client)
    code = read(ports.keyring, ports.settings.issuer, AUTHORIZATION_CODE, presented.speaks)
    code = code if code is not None and hmac.compare_digest(code.owner[:16], client.key) else None
    found = await ports.store.grant(client.key, code.owner[16:]) if code is not None else None
    shown = await ports.store.version(client.key, found[0].document_version) if found and found[0].document_version else None
    return card_of(client if shown is None else structs.replace(client, metadata=shown.metadata))


# ── By a secret ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _handle(ports: Ports, presented: Presented) -> Handle | None:
    """What a secret says, if it is one of ours for this client; nothing is asked of the store for garbage. None: there is no secret."""
    if presented.method == "none":
        return None
    handle = read(ports.keyring, ports.settings.issuer, CLIENT_SECRET, presented.secret)
    if handle is None or not hmac.compare_digest(handle.owner[:16], client_key(Route.REGISTERED, presented.client_id)):
        raise refused(ports, presented, "the secret is none of this client")
    return handle


async def _secret(ports: Ports, presented: Presented, client: Client, handle: Handle) -> bool:
    """Whether the secret is good now; its first use ends its predecessor. False: somebody changed the row, look again."""
    row = client.secret
    now = ports.now()
    if row is None or not has_secret(client) or 0 < client.secret_expires_at <= now:
        raise refused(ports, presented, "the client has no secret, or it has ended")
    if not hmac.compare_digest(handle.owner, owner(client)) or not speaks_for(handle, row):
        raise refused(ports, presented, "the secret is of another life of the client, or under another key")
    step = present_secret(handle.generation, row, now, ports.settings.secret_overlap)
    if step.event == "credential_from_future" and await adopted(ports, client, handle, presented.request_id):
        return False
    if client.secret_expires_at and step.accepted and ends_soon(client, now, ports.secret_lifetime(client.tier)):
        ports.log("secret_ends_soon", level="warning", client_id=client.client_id, ends_at=client.secret_expires_at)
    return (step.accepted and step.after is row) or await _taken(ports, presented, client, row, step)


async def _imported(ports: Ports, presented: Presented, client: Client) -> bool:
    """Whether a secret from another server is good now, as `_secret`; a wrong one is counted, for such a secret may be short."""
    spellings = (presented.raw, presented.secret) if presented.raw not in ("", presented.secret) else (presented.secret,)
    step = None if 0 < client.secret_expires_at <= ports.now() else await imported.step(ports, client, spellings)
    if step is not None and client.secret is not None:
        return await _taken(ports, presented, client, client.secret, step)
    if client.imported is not None:
        imported.draw(ports, f"{presented.source}|{client.client_id}")
    raise refused(ports, presented, "the secret is none of this client")


async def _taken(ports: Ports, presented: Presented, client: Client, row: Generations, step: Step) -> bool:
    """What a step means for the row and for the caller, as `_secret`."""
    now = ports.now()
    if step.accepted and step.after == row:
        return True
    event = Event("secret_confirmed", now, client.key, "client", presented.request_id) if step.accepted else None
    if step.after != row and not await ports.store.replace(client, structs.replace(client, secret=step.after), event):
        return False
    if step.accepted:
        return True
    told: dict[str, JSON] = {"kind": CLIENT_SECRET.name} if step.event == "credential_from_future" else {}
    await ports.store.report(Event(step.event, now, client.key, "client", presented.request_id, told))
    raise refused(ports, presented, step.event)


# ── By an assertion ──────────────────────────────────────────────────────────────────────────────────────────────────


async def _by_assertion(ports: Ports, presented: Presented) -> Known:
    """The client behind an assertion; what is wrong with it only the log learns."""
    try:
        assertion = read_assertion(presented.assertion)
        named = structs.replace(presented, client_id=presented.client_id or assertion.subject)
        judge(assertion, _expected(ports, named))
        known = await _signed(ports, named, assertion)
    except Unfit as unfit:
        raise refused(ports, presented, str(unfit)) from None
    unwritten = known.client.card_until > 0  # nothing was ever given to it, so there is nothing to have twice
    if not unwritten and not await ports.store.once(known.client, assertion.fact, assertion.until):
        raise refused(ports, presented, "jti: was used before, or the client has used too many lately")
    return known


def _expected(ports: Ports, presented: Presented) -> Expected:
    """What this server wants to be told (C-34)."""
    issuer = ports.settings.issuer
    alone = ports.settings.assertion_audience == "issuer"
    return Expected(
        client_id=presented.client_id,
        audiences=(issuer,) if alone else (issuer, ports.settings.endpoint("/token")),
        algs=ports.ground.assertion_algs,
        now=ports.now(),
        lifetime=ports.settings.assertion_lifetime,
    )


async def _signed(ports: Ports, presented: Presented, assertion: Assertion) -> Known:
    """The client, after its key or secret was found to have signed; nothing is remembered of an assertion that was not. Raises `Unfit`."""
    for _ in range(ATTEMPTS):
        known = await _known(ports, presented, assertion.method)
        registered = _registered_alg(known.card, presented.endpoint)
        if registered not in (None, assertion.alg):
            raise Unfit("header alg: is not the one the client registered")
        if await _PROOFS[assertion.method](ports, presented, known, assertion):
            return known
    raise _busy()


def _registered_alg(card: Card, endpoint: str) -> JSON:
    """The one algorithm that a client said it would use at an endpoint; None: any that is served (OIDC Registration §2)."""
    return card.get(f"{endpoint}_endpoint_auth_signing_alg", card.get("token_endpoint_auth_signing_alg"))


async def _by_key(ports: Ports, presented: Presented, known: Known, assertion: Assertion) -> bool:
    """True: a registered or published key of the client signed. Raises `Unfit`."""
    whose = b"" if known.client.card_until else known.client.key  # all of which nothing is kept are told of as one
    leak = Event("key_leaked", ports.now(), whose, "server", presented.request_id)
    key = await signer(ports, KeySet(known.card.get("jwks"), known.card.get("jwks_uri"), leak, presented.source), assertion)
    if not ports.verifier.signed(assertion.text, assertion.alg, key):
        raise Unfit("the signature is not by the client's key")
    if isinstance(url := known.card.get("jwks_uri"), str):
        ports.fetcher.proven(url, KEY_SET)
    return True


async def _by_shared_secret(ports: Ports, presented: Presented, known: Known, assertion: Assertion) -> bool:
    """Whether a living secret of the client signed, and the row stayed as it was read. Raises `Unfit`, or `Refusal` for an ended one.

    The key is the octets of the whole secret; the newest and the one before it are good (CREDENTIALS §1).
    """
    for handle in _living(known.client):
        try:
            secret = write(ports.keyring, ports.settings.issuer, handle)
        except LookupError:
            continue
        if ports.verifier.signed(assertion.text, assertion.alg, {"kty": "oct", "k": base64url.encode(secret.encode())}):
            return await _secret(ports, presented, known.client, handle)
    raise Unfit("the signature is not by a secret of the client")


def _living(client: Client) -> list[Handle]:
    """The secrets that may still be good, newest first."""
    row = client.secret
    if row is None or not has_secret(client):
        return []
    newest = Handle(CLIENT_SECRET, row.issued_key, owner(client), row.issued)
    before = Handle(CLIENT_SECRET, row.confirmed_key, owner(client), row.confirmed)
    return [newest] if row.confirmed == row.issued else [newest, before]


_PROOFS: Mapping[str, Callable[[Ports, Presented, Known, Assertion], Awaitable[bool]]] = {
    "private_key_jwt": _by_key,
    "client_secret_jwt": _by_shared_secret,
}
"""By method, who is asked for the signature (OIDC Core §9)."""


# ── Saying no ────────────────────────────────────────────────────────────────────────────────────────────────────────


def refused(ports: Ports, presented: Presented, logged: str = "") -> Refusal:
    """One answer for every cause; it says what a client can do that was removed, where it can. ``logged``: the cause."""
    way = "" if ports.settings.registration == "closed" else f"; a client that was removed may register again at {ports.desk.endpoint}"
    return Refusal(
        No.INVALID_CLIENT,
        f"client authentication failed{way} (RFC 6749 section 5.2)",
        logged=logged,
        basic=presented.method == "client_secret_basic",
    )


def _busy() -> Refusal:
    return Refusal(No.UNAVAILABLE, "the client is being changed by others; try again", retry_after=1)
