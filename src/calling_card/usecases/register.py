"""A client introduces itself (RFC 7591 §3)."""

from collections.abc import Collection, Sequence

import msgspec

from calling_card.ports import Invitation, KeyCollision, Ports, Registration
from calling_card.protocol import base64url
from calling_card.protocol.answers import card_of, information
from calling_card.protocol.card.rules import sector_to_check
from calling_card.protocol.clients import JSON, Card, Client, Door, Route, State, Tier, client_key
from calling_card.protocol.corridor import Passed, pass_through, stands, with_statement, within
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles.credentials import INITIAL_ACCESS_TOKEN, read
from calling_card.protocol.handles.repeats import Birth, Repeat, answered, repeat, untouched
from calling_card.protocol.handles.rotation import Clock, first, withdraw
from calling_card.protocol.handles.sealed import Lives
from calling_card.protocol.handles.sealed import said as card_says
from calling_card.protocol.handles.sealed import write as seal_card
from calling_card.protocol.handles.seals import NONCE
from calling_card.protocol.life.approval import told as waiting
from calling_card.protocol.life.budgets import INVITED, OWNER, Draw, no_room, stated, strangers
from calling_card.protocol.policy import Rules
from calling_card.protocol.policy.claims import lays, single
from calling_card.protocol.syntax import read_object
from calling_card.protocol.trust.statements import MEMBER, Brought, Merged, Vouched, merge, read_request, said_in
from calling_card.usecases import claims, sector, statements, tokens
from calling_card.usecases.clients import governed, guest, known_scopes, rules_with, unwritten

_UNMANAGED = frozenset({Door.SCR2011, Door.MASTODON})
"""Doors whose wire form has no place for a registration access token."""


class Asked(msgspec.Struct, frozen=True):
    """A registration request, before anything of it was believed."""

    body: bytes
    token: str | None
    """The bearer token, or None when no credentials were sent."""
    request_id: str = ""
    signed: bool = False
    """Whether the body is a JWS around the members (R-76)."""
    certificate: str = ""
    """Subject of the client certificate, as a trusted proxy says it (R-79)."""
    key: str = ""
    """``Idempotency-Key``: a request that is sent again has the same; empty: this one is not (R-96)."""
    source: str = ""
    """Network it comes from, whose budget a fetch is on."""


class _Heard(msgspec.Struct, frozen=True):
    """What a newcomer said, judged, before anything is kept or spent."""

    passed: Passed
    tier: Tier
    vouched: Vouched | None = None
    overridden: Sequence[str] = ()
    """Members whose value in the request gave way to that of the statement."""


async def register(ports: Ports, asked: Asked) -> Card:
    """Keep the client and answer with everything that is in force (RFC 7591 §3.2.1).

    Raises `Refusal`: 401 for a bad initial access token, 400 for bad metadata, 429 when the open budget is used up.
    """
    token = read(ports.keyring, ports.settings.issuer, INITIAL_ACCESS_TOKEN, asked.token) if asked.key and asked.token else None
    known = repeat(ports.keyring, token, asked.key, asked.body, ports.now()) if token else None
    if known is None:
        return await _register(ports, asked)
    async with ports.store.turn(known.turn):
        return await _repeated(ports, known) or await _first(ports, asked, known)


async def _first(ports: Ports, asked: Asked, known: Repeat) -> Card:
    """The first of several equal requests, unless another process was faster with it."""
    try:
        return await _register(ports, asked, known.births[0])
    except Refusal:
        card = await _repeated(ports, known)
        if card is None:
            raise
        return card


async def _repeated(ports: Ports, known: Repeat) -> Card | None:
    """The answer that was given before; None: it was not, or nobody comes in by this invitation any more (R-96)."""
    invitation = await ports.store.invitation(known.invitation)
    if invitation is None or invitation.revoked_at or ports.settings.registration == "closed":
        return None
    for birth in known.births:
        rows = await ports.store.living(client_key(Route.REGISTERED, birth.client_id), birth.incarnation)
        there = rows.client
        if not rows.marked and (there is None or not answered(there, ports.now())):
            continue
        if there is None or not untouched(there):
            why = "Idempotency-Key: the client that this request made is another now, or gone; send another key"
            raise Refusal(No.INVALID_REQUEST, why)
        return information(ports.desk, ports.keyring, there, card_of(there))
    return None


async def _register(ports: Ports, asked: Asked, birth: Birth | None = None) -> Card:
    invitation = await invited_by(ports, asked.token)
    brought = _brought(asked)
    heard = await _listened(ports, asked, invitation, brought)
    client = await _admitted(ports, heard, Door.RFC7591, invitation, asked.request_id, brought, birth)
    return information(ports.desk, ports.keyring, client, heard.passed.card)


def _brought(asked: Asked) -> Brought:
    return Brought(read_request(asked.body) if asked.signed else None, asked.certificate, asked.source)


def _said(asked: Asked, brought: Brought) -> Card:
    return _checked(read_object(asked.body) if brought.request is None else said_in(brought.request))


async def _listened(ports: Ports, asked: Asked, invitation: Invitation | None, brought: Brought) -> _Heard:
    """What is said, judged, unless a stranger said these very words before; then that judgement stands (docs/decisions/0019)."""
    stranger, judges = invitation is None and brought.request is None, (ports, ports.policies.current)
    passed = ports.familiar.find(asked.body, judges) if stranger else None
    if passed is not None:
        return _Heard(passed, Tier.ANONYMOUS)
    said = _said(asked, brought)
    heard = await _heard(ports, said, Door.RFC7591, invitation, asked.request_id, brought)
    if stranger and not _is_stated(ports, said, brought) and _stands(ports, said, heard.passed):
        ports.familiar.remember(asked.body, judges, heard.passed)
    return heard


def _stands(ports: Ports, said: Card, passed: Passed) -> bool:
    """Whether a judgement depends on the words and the rules alone, and on nothing that the store knows."""
    return stands(said, ports.settings.scopes, ports.policies.current) and not lays(passed.card, None, ports.known_software)


async def rehearse(ports: Ports, asked: Asked) -> Card:
    """What would be registered, and why it is not what was said; nothing is kept, and no use and nothing that comes once is spent.

    It draws on the same budgets (RFC 7591 §3.2.1, A-87). Raises `Refusal` as `register`, and 401 for callers without a credential.
    """
    invitation = await invited_by(ports, asked.token)
    brought = _brought(asked)
    said = _said(asked, brought)
    if invitation is None and not _is_stated(ports, said, brought):
        why = "dry_run: is for callers with an initial access token or a software statement; without them, register and delete the client"
        raise Refusal(No.NO_TOKEN, f"{why} (RFC 7591 section 3)")
    heard = await _heard(ports, said, Door.RFC7591, invitation, asked.request_id, brought)
    await _charged(ports, heard, invitation, brought.source)
    if heard.vouched is not None:
        await statements.room(ports, heard.vouched)
    return heard.passed.rehearsed({"registration_state": State.HELD.value} if heard.passed.held else {})


def _is_stated(ports: Ports, said: Card, brought: Brought) -> bool:
    """Whether a statement counts here."""
    return ports.hears(said.get(MEMBER)) or brought.request is not None


async def _heard(ports: Ports, said: Card, door: Door, invitation: Invitation | None, request_id: str, brought: Brought) -> _Heard:
    vouched = await statements.weigh(ports, said, brought, request_id) if _is_stated(ports, said, brought) else None
    if vouched is not None:
        await statements.check_new(ports, vouched)
    merged = Merged(said) if vouched is None else merge(said, vouched)
    passed, tier = await _passed(ports, merged.said, door, invitation, vouched)
    if lays(passed.card, None, ports.known_software):
        passed = await claims.weighed(ports, passed, None)
    return _Heard(passed, tier, vouched, merged.overridden)


async def _charged(ports: Ports, heard: _Heard, invitation: Invitation | None, source: str, *, free: bool = False) -> None:
    """What it costs to be heard, unless nothing is kept of it anyway; then what has to be fetched. Raises `Refusal`."""
    draws = _draws(heard, source, invitation)
    if not free:
        ports.draw(draws)
    if sector_to_check(heard.passed.card, None):
        await sector.check(ports, heard.passed.card, source if heard.tier is Tier.ANONYMOUS else draws[0][1])


async def admit(
    ports: Ports, said: Card, door: Door, invitation: Invitation | None, request_id: str, brought: Brought
) -> tuple[Client, Card]:
    """A new client that says this, and its card in force: one corridor and one birth for every door (DESIGN, "One corridor").

    Raises `Refusal`: 400 for bad metadata or statement, 401 for an invitation that somebody else used up, 429 when a budget is.
    """
    heard = await _heard(ports, said, door, invitation, request_id, brought)
    return await _admitted(ports, heard, door, invitation, request_id, brought), heard.passed.card


async def _admitted(
    ports: Ports,
    heard: _Heard,
    door: Door,
    invitation: Invitation | None,
    request_id: str,
    brought: Brought,
    birth: Birth | None = None,
) -> Client:
    """The client of who was heard; what it costs is drawn, what is told is told, and what comes once is spent."""
    passed, vouched = heard.passed, heard.vouched
    alone = single(passed.card, ports.known_software)
    sealed = None if alone else _sealed(ports, passed, door, heard.tier)
    client = sealed or born(ports, passed, door, heard.tier, invitation, birth)
    await _charged(ports, heard, invitation, brought.source, free=sealed is not None)
    told = _told(client, passed)
    if sealed is not None:
        ports.log("client_sealed", client_id=sealed.client_id, request_id=request_id, **told)
        return sealed
    if vouched is None:
        await _keep(ports, client, request_id, told, alone=alone)
        return client
    async with ports.store.turn(vouched.place):
        before = await statements.room(ports, vouched)
        await statements.spend(ports, vouched)
        await _keep(ports, client, request_id, told | vouched.told(heard.overridden), alone=alone)
        await statements.succeed(ports, client, before, request_id)
    return client


async def _passed(ports: Ports, said: Card, door: Door, invitation: Invitation | None, vouched: Vouched | None) -> tuple[Passed, Tier]:
    """What comes through the corridor, and the tier for life."""
    tier = Tier.VOUCHED if vouched is not None else Tier.ANONYMOUS if invitation is None else Tier.TOKEN
    rules, scopes = await held_to(ports, said, tier, invitation, vouched)
    passed = pass_through(said, ports.ground, rules, scopes, door=door, tier=tier, before=None)
    return (passed if vouched is None else with_statement(passed, vouched.statement.text)), tier


async def held_to(
    ports: Ports, said: Card, tier: Tier, invitation: Invitation | None, vouched: Vouched | None
) -> tuple[Rules, Collection[str]]:
    """By which rules a newcomer is judged, and the scopes that are known for what it says; rehearsals ask this too."""
    rules = ports.rules_for(invitation) if vouched is None else await rules_with(ports, invitation, vouched)
    scopes = ports.settings.scopes if within(said, ports.settings.scopes) else await known_scopes(ports)
    if ports.policies.current is not None:
        rules = await governed(ports, rules, tier, guest(invitation, "" if invitation is None else invitation.owner, vouched))
    return rules, scopes


def _draws(heard: _Heard, source: str, invitation: Invitation | None) -> Sequence[Draw]:
    """Whose budgets these are: the nearest credential's own, so that nobody uses up another's (H-11, X-33)."""
    if invitation is not None:
        return [(INVITED, invitation.id.hex()) if invitation.id else (OWNER, invitation.owner)]
    vouched = heard.vouched
    return strangers(heard.passed.draws, source) if vouched is None else stated(vouched.issuer.issuer, vouched.software_id)


def _sealed(ports: Ports, passed: Passed, door: Door, tier: Tier) -> Client | None:
    """A new client as a card that nobody keeps (CREDENTIALS §6).

    None: it is to be stored. It is no stranger, or waits for an operator who has to find it, or came by a door without a registration
    access token, or its card is too long, or the keys changed this moment.
    """
    stranger = tier is Tier.ANONYMOUS and door is Door.RFC7591 and not passed.held
    if not stranger or ports.settings.open_registration != "sealed":
        return None
    now, metadata = ports.now(), passed.metadata
    lives = Lives(ports.settings.sealed_days * 86400, ports.secret_lifetime(tier))
    key, nonce = ports.keyring.minting, ports.entropy(NONCE)
    client_id = seal_card(ports.keyring, metadata, nonce, now, lives)
    if client_id is None or ports.keyring.minting != key:
        return None
    return unwritten(client_id, card_says(key, metadata, nonce, now, lives), passed, now)


async def _keep(ports: Ports, client: Client, request_id: str, told: dict[str, JSON], *, alone: bool) -> None:
    """Raises `Refusal` when the place or the invitation is taken, or no room is left for the tier or for strangers."""
    actor = "anonymous" if client.tier is Tier.ANONYMOUS else "client"
    event = Event("client_registered", client.issued_at, client.key, actor, request_id, {"client_id": client.client_id, **told})
    room = ports.settings.never_used_limit if client.tier is Tier.ANONYMOUS else 0
    try:
        async with ports.placed(client.tier):
            outcome = await ports.store.register(client, event, client.invitation, room=room, single=alone)
    except KeyCollision:
        ports.log("client_key_collision", client_id=client.client_id, alarm=True)
        raise Refusal(No.SERVER_ERROR, "the client could not be given an identifier; try again") from None
    if outcome is Registration.SPENT:
        raise _spent()
    if outcome is Registration.TAKEN:
        raise claims.taken()
    if outcome is Registration.FULL:
        raise no_room()


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
    if handle is None and (delegated := await _delegated(ports, token)):
        return delegated
    found = await ports.store.invitation(handle.owner) if handle else None
    if handle is None or found is None or found.key != handle.key or found.uses_left < 1 or 0 < found.expires_at <= ports.now():
        raise _spent()
    return found


async def _delegated(ports: Ports, text: str) -> Invitation | None:
    """An access token with the scope for it invites as often as its owner's budget lets it (RFC 7591 §3, R-27).

    It limits nothing: its clients are held to what strangers may have, and belong to the person or client it speaks for.
    """
    owner = await tokens.registrant(ports, text)
    if not owner:
        return None
    return Invitation(b"", 0, "", 1, 0, 0, None, None, None, owner)


def _checked(said: Card) -> Card:
    """The request's members; those that never belong into a registration are refused by name."""
    if said.get("client_id") is not None:
        raise Refusal(No.INVALID_REQUEST, "client_id: the server chooses it; leave it out of a registration (RFC 7591 section 3.2.1)")
    if "access_token" in said:
        raise Refusal(No.INVALID_REQUEST, "access_token: a token belongs into the Authorization header only (RFC 6750 section 2)")
    return said


def born(ports: Ports, passed: Passed, door: Door, tier: Tier, invitation: Invitation | None, birth: Birth | None = None) -> Client:
    """A new client with identifier, incarnation and first generations, of what its door hands out (R-90, R-103, M-50)."""
    now = ports.now()
    birth = birth or _birth(ports.entropy(24))
    generations = first(Clock(now, ports.keyring.minting))
    lifetime = ports.secret_lifetime(tier)
    return Client(
        key=client_key(Route.REGISTERED, birth.client_id),
        route=Route.REGISTERED,
        client_id=birth.client_id,
        incarnation=birth.incarnation,
        epoch=0,
        door=door,
        tier=tier,
        state=State.HELD if passed.held else State.ACTIVE,
        owner="" if invitation is None else invitation.owner,
        invitation=None if invitation is None else invitation.id or None,
        issued_at=now,
        metadata=passed.metadata,
        decision=passed.reasons,
        rat=withdraw(generations) if door in _UNMANAGED else generations,
        secret=generations if passed.needs_secret else None,
        secret_expires_at=now + lifetime if lifetime else 0,
        last_used_day=now // 86400,
    )


def _birth(drawn: bytes) -> Birth:
    return Birth("c" + base64url.encode(drawn[:16]), drawn[16:])


def _told(client: Client, passed: Passed) -> dict[str, JSON]:
    """What the audit event says."""
    told: dict[str, JSON] = {"door": client.door.value, "tier": int(client.tier)}
    if client.invitation:
        told["invitation"] = client.invitation.hex()
    elif client.owner:
        told["owner"] = client.owner
    return told | passed.told() | waiting(client)
