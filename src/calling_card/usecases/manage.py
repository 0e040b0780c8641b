"""A client reads, replaces and deletes its registration (RFC 7592 §2)."""

import hashlib
import hmac
from collections.abc import Sequence

import msgspec
from msgspec import structs

from calling_card.ports import NoRoom, Ports
from calling_card.protocol.answers import card_of, information
from calling_card.protocol.card.metadata import needs_secret
from calling_card.protocol.card.vocabulary import MEMBERS
from calling_card.protocol.clients import JSON, Card, Client, Generations, Route, State, Tier, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles.credentials import (
    CLIENT_SECRET,
    REGISTRATION_ACCESS_TOKEN,
    Handle,
    ends_soon,
    has_secret,
    owner,
    read,
    speaks_for,
)
from calling_card.protocol.handles.rotation import (
    Clock,
    Policy,
    Step,
    Use,
    first,
    issue_secret,
    present_rat,
    present_secret,
    refused_body,
    renew,
    withdraw,
)
from calling_card.protocol.handles.sealed import CARD, mark_until
from calling_card.protocol.life.approval import begins_to_wait, judged_again, standing
from calling_card.protocol.life.approval import told as waiting
from calling_card.protocol.life.budgets import CHANGES, Draw, names, no_room, strangers
from calling_card.protocol.life.pruning import BY_ITSELF, due_of, periods_of
from calling_card.protocol.policy import shorter
from calling_card.protocol.syntax import read_object
from calling_card.protocol.trust.statements import MEMBER, Brought, Merged, Vouched, kept, merge, read_request, said_in
from calling_card.usecases import statements
from calling_card.usecases.clients import ATTEMPTS, by_card, judged, registered
from calling_card.usecases.recovering import adopted

_UNSAYABLE = tuple(name for name, row in MEMBERS.items() if not row.said_in)
"""Members of an answer that a replacement must not name (RFC 7592 §2.2)."""
_KEYS = {"jwks", "jwks_uri"}
"""Members by which a client proves itself: whoever changes them may be somebody else (X-32)."""
_FORBIDDEN = {Use.READ: "self_read", Use.REPLACE: "self_update", Use.DELETE: "self_delete"}


class Asked(msgspec.Struct, frozen=True):
    """A management request, before anything of it was believed."""

    client_id: str
    """As in the path, decoded once."""
    token: str | None
    """The bearer token, or None when no credentials were sent."""
    body: bytes = b""
    source: str = ""
    """Network the request came from: it is slowed down when it guesses, and a fetch is on its budget."""
    request_id: str = ""
    signed: bool = False
    """Whether the body is a JWS around the members (R-80)."""
    certificate: str = ""
    """Subject of the client certificate, as a trusted proxy says it (R-79)."""


async def show(ports: Ports, asked: Asked) -> Card:
    """The registration as it stands (RFC 7592 §2.1). Raises `Refusal`: 401, or 403 when reading is switched off."""
    client = await _present(ports, asked, Use.READ)
    if ports.settings.read_counts_as_use:
        ports.store.used(client, ports.now() // 86400)
    return await _dated(ports, client, _answer(ports, client, card_of(client)))


async def delete(ports: Ports, asked: Asked) -> None:
    """The client and everything it had is gone when this returns (RFC 7592 §2.3). Raises `Refusal`: 401 or 403."""
    client = await _present(ports, asked, Use.DELETE)
    now = ports.now()
    event = Event("client_deleted", now, client.key, "client", asked.request_id, {"client_id": client.client_id, "by": "client"})
    if not await ports.store.remove(
        client, event, mark_until(ports.keyring, client.client_id, now + ports.settings.tombstone_days * 86400)
    ):
        raise _unknown()


async def misplaced(ports: Ports, asked: Asked) -> None:
    """A token came in a query: whoever reads logs has it now. Reported, by setting ended, and always refused (M-06)."""
    handle = read(ports.keyring, ports.settings.issuer, REGISTRATION_ACCESS_TOKEN, asked.token or "")
    if handle is not None:
        async with ports.store.turn(handle.owner[:16]):
            await _leaked(ports, asked, handle)
    raise _out_of_place()


async def _leaked(ports: Ports, asked: Asked, handle: Handle) -> None:
    """Report a token of ours that was seen; a living one is ended where the setting says so, a dead one ends nothing."""
    for attempt in range(ATTEMPTS):
        client = await ports.store.client(handle.owner[:16]) or await by_card(ports, asked.client_id)
        if client is None or not hmac.compare_digest(handle.owner, owner(client)) or not speaks_for(handle, client.rat):
            return
        clock = Clock(ports.now(), ports.keyring.minting)
        if not attempt:
            await _report(ports, client, Event("rat_misplaced", clock.now, client.key, "client", asked.request_id))
        lives = present_rat(handle.generation, client.rat, Use.READ, clock, Policy.NEVER).accepted
        if not lives or ports.settings.misplaced_rat != "revoke":
            return
        body: dict[str, JSON] = {"by": "server", "credentials": "registration_access_token"}
        event = Event("client_rotated", clock.now, client.key, "server", asked.request_id, body)
        ports.draw(_birth(asked, client))
        if await _put(ports, client, structs.replace(client, rat=renew(client.rat, clock)), event):
            return
    raise _busy()


async def _present(ports: Ports, asked: Asked, use: Use) -> Client:
    """The client whose token this is, after the token's own step was taken."""
    handle = _handle(ports, asked)
    if use is Use.READ and (known := await _known(ports, asked, handle)):
        return known
    paid = False
    async with ports.store.turn(handle.owner[:16]):
        for _ in range(ATTEMPTS):
            client = await _whose(ports, asked, handle)
            step = await _step(ports, asked, use, client, handle, None)
            if step is None:
                continue
            _allowed(ports, use, client)
            paid = paid or _paid(ports, asked, use, client)
            if step.after == client.rat:
                return client
            after = structs.replace(client, rat=step.after)
            if await ports.store.replace(client, after, _rat_event(ports, asked, client, step.after)):
                return after
    raise _busy()


async def _known(ports: Ports, asked: Asked, handle: Handle) -> Client | None:
    """The client of a reader whose token says nothing new, which is nearly every one; nobody has to wait for that.

    None: something is to be written or reported.
    """
    client = await _whose(ports, asked, handle)
    clock = Clock(ports.now(), ports.keyring.minting)
    step = present_rat(handle.generation, client.rat, Use.READ, clock, _policy(ports, client, Use.READ))
    if not step.accepted or step.after != client.rat:
        return None
    _allowed(ports, Use.READ, client)
    return client


async def change(ports: Ports, asked: Asked) -> Card:
    """Replace, not augment: what is left out goes back to its default (RFC 7592 §2.2).

    Raises `Refusal`: 401, 403, or 400 with nothing changed.
    """
    handle = _handle(ports, asked)
    digest = hashlib.sha256(asked.body).digest()[:16]
    spent: set[bytes] = set()
    paid = False
    async with ports.store.turn(handle.owner[:16]):
        for _ in range(ATTEMPTS):
            client = await _whose(ports, asked, handle)
            step = await _step(ports, asked, Use.REPLACE, client, handle, digest)
            if step is None:
                continue
            _allowed(ports, Use.REPLACE, client)
            paid = paid or _paid(ports, asked, Use.REPLACE, client)
            after, card, event = await _replacement(ports, asked, client, handle, step, spent)
            if after == client or await _put(ports, client, after, event):
                ports.store.used(after, ports.now() // 86400)
                return await _dated(ports, after, _answer(ports, after, card, new=_is_new_secret(client, after, step)))
    raise _busy()


async def rehearse(ports: Ports, asked: Asked) -> Card:
    """What a replacement would make of the registration; nothing is changed, and nothing that comes once is spent (RFC 7592 §2.2, A-87).

    Raises `Refusal` as `change`.
    """
    handle = _handle(ports, asked)
    client = await _whose(ports, asked, handle)
    clock = Clock(ports.now(), ports.keyring.minting)
    if not present_rat(handle.generation, client.rat, Use.READ, clock, Policy.NEVER).accepted:
        raise _failed(ports, asked)
    _allowed(ports, Use.REPLACE, client)
    _paid(ports, asked, Use.REPLACE, client)
    brought, said = _said(ports, asked)
    vouched = await _vouched(ports, asked, client, said, brought)
    merged = Merged(said) if vouched is None else merge(said, vouched)
    passed = await judged(ports, client, merged.said, card_of(client), asked.source, vouched)
    return passed.rehearsed(standing(judged_again(structs.replace(client, metadata=passed.metadata), held=passed.held)))


async def _put(ports: Ports, client: Client, after: Client, event: Event | None) -> bool:
    """As the store's `replace`; what people allowed the client ends with it where the event says so (X-32).

    Raises `Refusal` for a stranger who lived on its card alone and finds no room for a row (C-05, A-87).
    """
    if client.card_until:
        try:
            async with ports.placed(client.tier):
                return await ports.store.bear(after, event, room=ports.settings.never_used_limit)
        except NoRoom:
            raise no_room() from None
    if event is not None and event.body.get("ended"):
        return await ports.store.end_all(client, after, event)
    return await ports.store.replace(client, after, event)


async def _replacement(
    ports: Ports, asked: Asked, client: Client, handle: Handle, step: Step, spent: set[bytes]
) -> tuple[Client, Card, Event | None]:
    """The client after the replacement; the same client when the request was a repeated one.

    ``spent``: what this very request has used up already, when its change is decided again.
    """
    if not step.apply:
        event = None if step.after == client.rat else _rat_event(ports, asked, client, step.after)
        return structs.replace(client, rat=step.after), card_of(client), event
    before = card_of(client)
    try:
        brought, said = _said(ports, asked)
        vouched = await _vouched(ports, asked, client, said, brought)
        merged = Merged(said) if vouched is None else merge(said, vouched)
        passed = await judged(ports, client, merged.said, before, asked.source, vouched)
        if vouched is not None:
            await statements.spend(ports, vouched, spent)
    except Refusal:
        await _confirm(ports, asked, client, handle)
        raise
    secret, ends = _secret(ports, client, passed.card, named="client_secret" in said)
    after = structs.replace(
        client,
        rat=step.after,
        metadata=passed.metadata,
        decision=passed.reasons,
        secret=secret,
        secret_expires_at=ends,
        imported=client.imported if passed.needs_secret else None,
    )
    after = judged_again(after, held=passed.held)
    changed = passed.changed(before)
    body: dict[str, JSON] = {"changed": changed, **passed.told(), **waiting(after)}
    if vouched is not None:
        body |= vouched.told(merged.overridden)
    if secret != client.secret:
        body["secret"] = "renewed" if passed.needs_secret else "withdrawn"
    if begins_to_wait(client, after):
        body["ended"] = True
    if ports.settings.key_change_ends_grants and not _KEYS.isdisjoint(changed):
        body["ended"] = True
    return after, passed.card, Event("client_replaced", ports.now(), client.key, "client", asked.request_id, body)


def _said(ports: Ports, asked: Asked) -> tuple[Brought, Card]:
    """The members of the body; null is the same as left out, and so is an empty secret unless all is taken strictly (H-06)."""
    request = read_request(asked.body) if asked.signed else None
    members = read_object(asked.body) if request is None else said_in(request)
    said: Card = {name: value for name, value in members.items() if value is not None}
    if said.get("client_secret") == "" and not ports.ground.strict:
        del said["client_secret"]
    return Brought(request, asked.certificate, asked.source), said


async def _vouched(ports: Ports, asked: Asked, client: Client, said: Card, brought: Brought) -> Vouched | None:
    """The statement that counts from now on, once nothing is named that must not be."""
    await _check_named(ports, asked, client, said)
    if client.tier is not Tier.VOUCHED and brought.request is None and not (MEMBER in said and ports.hears(said[MEMBER])):
        return None
    return await statements.weigh_again(ports, client, said, brought, asked.request_id)


async def _check_named(ports: Ports, asked: Asked, client: Client, said: Card) -> None:
    """The members a replacement must or must not name (RFC 7592 §2.2, M-23 to M-27)."""
    if "access_token" in said:
        token = said["access_token"]
        handle = read(ports.keyring, ports.settings.issuer, REGISTRATION_ACCESS_TOKEN, token) if isinstance(token, str) else None
        if handle is not None:
            await _leaked(ports, asked, handle)
        raise _out_of_place()
    if "client_id" not in said:
        raise Refusal(No.INVALID_REQUEST, "client_id: a replacement must name it (RFC 7592 section 2.2)")
    if said["client_id"] != client.client_id:
        await _report(ports, client, Event("client_id_mismatch", ports.now(), client.key, "client", asked.request_id))
        raise Refusal(No.INVALID_REQUEST, "client_id: is not the one of this registration and cannot be changed (RFC 7592 section 2.2)")
    unsayable = [name for name in _UNSAYABLE if name in said]
    now_in_force = information(ports.desk, ports.keyring, client, {}) if unsayable else {}
    for name in unsayable:
        if ports.settings.read_only_in_put == "refuse" or said[name] != now_in_force.get(name):
            raise Refusal(No.INVALID_REQUEST, f"{name}: only the server sets it; leave it out of a replacement (RFC 7592 section 2.2)")
    if "client_secret" in said and not _is_secret(ports, client, said["client_secret"]):
        raise Refusal(No.INVALID_REQUEST, "client_secret: is not the current one, and a client cannot choose it (RFC 7592 section 2.2)")


def _is_secret(ports: Ports, client: Client, said: JSON) -> bool:
    """Whether this is a secret of the client that lives: the newest, or the one before it as long as that is good."""
    if client.secret is None or not has_secret(client) or not isinstance(said, str):
        return False
    handle = read(ports.keyring, ports.settings.issuer, CLIENT_SECRET, said)
    if handle is None or not hmac.compare_digest(handle.owner, owner(client)) or not speaks_for(handle, client.secret):
        return False
    return present_secret(handle.generation, client.secret, ports.now(), ports.settings.secret_overlap).accepted


def _secret(ports: Ports, client: Client, card: Card, *, named: bool) -> tuple[Generations | None, int]:
    """The secret after a replacement: kept, new, renewed near its end, or withdrawn; none outlives a new one (C-13, M-35)."""
    row, settings, now = client.secret, ports.settings, ports.now()
    clock = Clock(now, ports.keyring.minting)
    lifetime = ports.secret_lifetime(client.tier)
    ends = now + lifetime if lifetime else 0
    if not needs_secret(card):
        return (None if row is None else withdraw(row)), 0
    if row is None:
        return first(clock), ends
    if not has_secret(client):
        return renew(row, clock), ends
    if 0 < client.secret_expires_at <= now:
        return renew(row, clock), ends
    if not named and (ends_soon(client, now, lifetime) or settings.rotate_secret_on_update):
        return issue_secret(row, clock, settings.secret_overlap, client.secret_expires_at), ends
    return row, shorter(client.secret_expires_at, ends)


def _handle(ports: Ports, asked: Asked) -> Handle:
    """What the token says, if it is one of ours for this path; nothing is asked of the store for garbage."""
    if asked.token is None:
        raise Refusal(No.NO_TOKEN, "managing a registration needs its registration access token (RFC 7592 section 2)")
    handle = read(ports.keyring, ports.settings.issuer, REGISTRATION_ACCESS_TOKEN, asked.token)
    key = client_key(Route.REGISTERED, asked.client_id)
    if handle is None or not hmac.compare_digest(handle.owner[:16], key):
        raise _failed(ports, asked)
    return handle


async def _whose(ports: Ports, asked: Asked, handle: Handle) -> Client:
    """The living client the token belongs to; one answer for every other case (M-10, C-14)."""
    may_be_card = asked.client_id.startswith(CARD.prefix)
    client = await registered(ports, asked.client_id) if may_be_card else await ports.store.client(handle.owner[:16])
    if client is None or client.client_id != asked.client_id or not hmac.compare_digest(handle.owner, owner(client)):
        raise _failed(ports, asked)
    if not speaks_for(handle, client.rat):
        raise _failed(ports, asked)
    return client


async def _step(ports: Ports, asked: Asked, use: Use, client: Client, handle: Handle, digest: bytes | None) -> Step | None:
    """What this generation may do now (CREDENTIALS §9.1); a refused one is reported. None: the row changed, look again."""
    clock = Clock(ports.now(), ports.keyring.minting)
    step = present_rat(handle.generation, client.rat, use, clock, _policy(ports, client, use), digest)
    if step.accepted:
        return step
    if step.event == "credential_from_future" and await adopted(ports, client, handle, asked.request_id):
        return None
    after = structs.replace(client, rat=step.after)
    event = None
    if step.event == "rat_two_holders" and ports.settings.rat_two_holders == "freeze" and client.state is State.ACTIVE:
        after = structs.replace(after, state=State.SUSPENDED, epoch=client.epoch + 1)
        event = Event("client_suspended", clock.now, client.key, "server", asked.request_id, {"by": "server", "reason": step.event})
    if after != client and not await ports.store.replace(client, after, event):
        return None
    await ports.store.report(Event(step.event, clock.now, client.key, "client", asked.request_id))
    raise _failed(ports, asked)


def _policy(ports: Ports, client: Client, use: Use) -> Policy:
    """When this client gets a new token: never, where that is the custom of those who vouch for it (R-80).

    Reading writes nothing about a client that lives on its card alone, so it brings no new token either (CREDENTIALS §6).
    """
    vouched = kept(ports.issuers, client) if client.tier is Tier.VOUCHED else None
    if client.card_until and use is Use.READ:
        return Policy.ON_UPDATE
    return Policy.NEVER if vouched is not None and vouched.issuer.keep_token else Policy(ports.settings.rat_rotation)


def _allowed(ports: Ports, use: Use, client: Client) -> None:
    """What the rightful owner may not do (C-14, M-13, M-14, H-31)."""
    if client.state is State.SUSPENDED and use is not Use.READ:
        told = "was refused; registration_state_reason says why" if client.refusal else "is suspended; ask the operator"
        raise Refusal(No.ACCESS_DENIED, f"the client {told} (RFC 7592 section 2)")
    if client.tier is Tier.ADMIN and use is not Use.READ:
        raise Refusal(No.ACCESS_DENIED, "the operator made this client, and only the operator changes it (RFC 7592 section 2)")
    if not getattr(ports.settings, _FORBIDDEN[use]):
        raise Refusal(No.ACCESS_DENIED, f"{use.value} is not allowed to clients here; ask the operator (RFC 7592 section 2)")


def _paid(ports: Ports, asked: Asked, use: Use, client: Client) -> bool:
    """True: reading costs nothing, and a change was within what this client may do in a minute. Raises `Refusal` (M-47, R-93)."""
    if use is not Use.READ:
        ports.draw([(CHANGES, client.client_id), *_birth(asked, client)])
    return True


def _birth(asked: Asked, client: Client) -> Sequence[Draw]:
    """The first write about a client that lives on its card alone draws on what registrations that are stored draw on (CREDENTIALS §6)."""
    return strangers(names(card_of(client)), asked.source) if client.card_until else ()


async def _report(ports: Ports, client: Client, event: Event) -> None:
    """A suspicion is recorded; of a client that lives on its card alone only the log tells, for nothing is kept of it (H-22)."""
    if client.card_until:
        ports.log(event.kind, client_id=client.client_id, request_id=event.request_id)
    else:
        await ports.store.report(event)


async def _confirm(ports: Ports, asked: Asked, client: Client, handle: Handle) -> None:
    """A refused body still confirms the token it came with; it never issues one."""
    for _ in range(ATTEMPTS):
        row = refused_body(handle.generation, client.rat)
        if row == client.rat or await ports.store.replace(client, structs.replace(client, rat=row), _rat_event(ports, asked, client, row)):
            return
        client = await _whose(ports, asked, handle)
    raise _busy()


def _rat_event(ports: Ports, asked: Asked, client: Client, row: Generations) -> Event:
    kind = "rat_issued" if row.issued > client.rat.issued else "rat_confirmed"
    return Event(kind, ports.now(), client.key, "client", asked.request_id)


def _is_new_secret(before: Client, after: Client, step: Step) -> bool:
    """Whether this replacement made the secret, or repeats one whose answer, perhaps with a new secret, may have been lost."""
    if after.secret is None:
        return False
    if step.apply or after.rat.overlap_since is None:
        return before.secret is None or after.secret.issued > before.secret.issued
    return after.secret.rotated_at >= after.rat.overlap_since


async def _dated(ports: Ports, client: Client, answer: Card) -> Card:
    """With the date from which on the client may be pruned, where that is told and known (M-57)."""
    found = await ports.store.suspect(client, ports.horizon) if ports.settings.registration_expires_at else None
    due = due_of(found, periods_of(ports.settings, BY_ITSELF[ports.settings.prune]), ports.horizon) if found else None
    return {**answer, "registration_expires_at": due[1]} if due else answer


def _answer(ports: Ports, client: Client, card: Card, *, new: bool = False) -> Card:
    """The information response; a new secret is in it whatever the setting, since nobody could ever learn it otherwise."""
    secret = (new or ports.settings.return_secret) and client.state is not State.SUSPENDED
    return information(ports.desk, ports.keyring, client, card, secret=secret)


def _out_of_place() -> Refusal:
    return Refusal(No.INVALID_REQUEST, "access_token: a token belongs into the Authorization header only (RFC 6750 section 2)")


def _unknown() -> Refusal:
    return Refusal(No.INVALID_TOKEN, "the registration access token is not valid for this registration (RFC 7592 section 2.1)")


def _failed(ports: Ports, asked: Asked) -> Refusal:
    """The one 401; too many from one source for one client become 429 and leave the owner alone (M-47)."""
    wait = ports.failures.take(f"{asked.source}|{asked.client_id[:64]}")
    if wait:
        return Refusal(No.TOO_MANY_REQUESTS, "too many failed tries with registration access tokens; try again later", retry_after=wait)
    return _unknown()


def _busy() -> Refusal:
    return Refusal(No.UNAVAILABLE, "the registration is being changed by others; try again", retry_after=1)
