"""Everything that is not derived, out of this server and into it; and clients of other servers (RFC 7591 §2, CREDENTIALS §1)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace

from msgspec import structs

from calling_card.ports import Invitation, KeyCollision, Ports, Registration
from calling_card.protocol.answers import card_of, to_bytes
from calling_card.protocol.card.metadata import needs_secret
from calling_card.protocol.clients import JSON, Card, Client, Door, Route, State, Tier, client_key
from calling_card.protocol.corridor import Passed, pass_through, with_statement
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles import imported
from calling_card.protocol.handles.rotation import Clock, first, renew, withdraw
from calling_card.protocol.life.approval import suspended
from calling_card.protocol.life.approval import told as waiting
from calling_card.protocol.life.webhooks import HERE, Webhook
from calling_card.protocol.moving import lines
from calling_card.protocol.moving.arrivals import Arrival, Said, Unmovable
from calling_card.protocol.persons.people import Passkey
from calling_card.protocol.persons.resources import Resource
from calling_card.protocol.policy import Rules, operator
from calling_card.protocol.trust.statements import MEMBER
from calling_card.usecases import everyone
from calling_card.usecases.clients import governed, guest, known_scopes, rules_of

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one line."""

    what: str
    """``client``, or what else the line was."""
    name: str
    did: str
    """``new``, ``same``, ``replaced``, ``refused`` or ``skipped``."""
    notes: tuple[str, ...] = ()

    def row(self) -> Card:
        """As an operator reads it."""
        return {"kind": self.what, "name": self.name, "did": self.did, "notes": list(self.notes)}


@dataclass(frozen=True, slots=True)
class Way:
    """How an import goes about it."""

    by: str
    source: str
    """Where it comes from, for the audit."""
    dry_run: bool = False
    replace: bool = False
    coming: dict[bytes, Invitation] = field(default_factory=dict[bytes, Invitation])
    """Invitations that a rehearsal would have brought: what they say is the ceiling of those they let in."""
    scopes: set[str] = field(default_factory=set[str])
    """Scopes of the resource servers that it would have brought."""


# ── Out ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def export(ports: Ports, what: Collection[str], version: str, *, passwords: bool) -> AsyncIterator[bytes]:
    """The header, then each sort in its order; never a secret, and hashes of passwords only when asked for."""
    issuer = ports.settings.issuer
    checks = {str(key.number): lines.check_of(ports.keyring, key.number, issuer) for key in ports.keyring.keys}
    yield lines.header(issuer, version, {number: check for number, check in checks.items() if check})
    for sort in lines.SORTS:
        if sort in what:
            async for line in _WALKS[sort](ports, passwords):
                yield line


async def _invitations(ports: Ports, passwords: bool) -> AsyncIterator[bytes]:
    del passwords
    async for one in everyone.invitations(ports):
        yield lines.line("invitation", one)


async def _people(ports: Ports, passwords: bool) -> AsyncIterator[bytes]:
    after = ""
    while found := await ports.store.people(after, _BATCH):
        for one in found:
            yield lines.line("person", one if passwords else structs.replace(one, password=""))
            for passkey in await ports.store.passkeys(one.id):
                yield lines.line("passkey", passkey)
        after = found[-1].name


async def _resources(ports: Ports, passwords: bool) -> AsyncIterator[bytes]:
    del passwords
    for one in await ports.store.resources():
        client = await ports.store.client(one.client_key)
        if client is None:  # pragma: no cover - it goes with its resource
            continue
        yield lines.line("resource", one, client=lines.client_row(client))


async def _clients(ports: Ports, passwords: bool) -> AsyncIterator[bytes]:
    del passwords
    servers = {one.client_key for one in await ports.store.resources()}
    async for one in everyone.clients(ports):
        if one.key not in servers:  # it stands in the line of its resource
            yield lines.client_line(one)


async def _webhooks(ports: Ports, passwords: bool) -> AsyncIterator[bytes]:
    del passwords
    for one in await ports.store.webhooks():
        yield lines.line("webhook", replace(one, told=HERE))


_WALKS: dict[str, Callable[[Ports, bool], AsyncIterator[bytes]]] = {
    "invitations": _invitations,
    "people": _people,
    "resources": _resources,
    "clients": _clients,
    "webhooks": _webhooks,
}


# ── In ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def take(ports: Ports, text: bytes, way: Way) -> Outcome:
    """One line of an export: all of it comes in or nothing, and the same line again changes nothing. Raises nothing of its own."""
    try:
        said = lines.read(text)
        kind = said.get("kind")
        if not isinstance(kind, str) or kind not in _TAKEN:
            return Outcome(str(kind)[:40], "", "skipped", ("kind: is none that comes in",))
        return await _TAKEN[kind](ports, said, way)
    except (Unmovable, Refusal) as problem:
        return Outcome(_kind(text), _name(text), "refused", _why(problem))


def _kind(text: bytes) -> str:
    return str(_quietly(text).get("kind", "line"))[:40]


def _name(text: bytes) -> str:
    said = _quietly(text)
    return str(next((said[name] for name in ("client_id", "name", "uri", "id") if name in said), ""))[:120]


def _quietly(text: bytes) -> Said:
    try:
        return lines.read(text)
    except Unmovable:
        return {}


def _why(problem: Unmovable | Refusal) -> tuple[str, ...]:
    if isinstance(problem, Unmovable):
        return (str(problem),)
    return tuple(one.description for one in problem.errors) or (problem.description,)


async def _client(ports: Ports, said: Said, way: Way) -> Outcome:
    """A client of an export, with its credentials as they are; judged by today's rules for its tier."""
    coming = lines.client_of(said)
    if coming.route is not Route.REGISTERED:
        return Outcome(
            "client", coming.client_id, "skipped", ("a client that is a URL introduces itself again; block it with clients_denied",)
        )
    passed = await _judged(ports, coming, card_of(coming), way)
    judged = _judged_client(coming, passed)
    there = await ports.store.client(coming.key)
    if there is not None and _same(there, judged):
        return Outcome("client", coming.client_id, "same")
    if there is not None and there.incarnation != coming.incarnation:
        return Outcome("client", coming.client_id, "refused", ("another client of this name lives here; delete it first",))
    return await _keep(ports, there, judged, passed, way)


def _judged_client(coming: Client, passed: Passed) -> Client:
    """The client with the card that came through; what an operator approved stays approved."""
    state = State.HELD if passed.held and coming.state is State.ACTIVE and coming.approved_card is None else coming.state
    unchanged = passed.card == card_of(coming)
    return structs.replace(
        coming,
        state=state,
        metadata=coming.metadata if unchanged else passed.metadata,
        decision=coming.decision if unchanged else passed.reasons,
    )


def _same(there: Client, coming: Client) -> bool:
    """Whether nothing but the day of use differs."""
    return structs.replace(there, last_used_day=0, epoch=0) == structs.replace(coming, last_used_day=0, epoch=0)


async def _judged(ports: Ports, client: Client, said: Card, way: Way) -> Passed:
    """What comes through the one corridor (DESIGN, "One corridor"). Raises `Refusal`."""
    statement = said.get(MEMBER)
    spoken = {name: value for name, value in said.items() if name != MEMBER}
    rules, scopes = await _rules(ports, client, way), {*await known_scopes(ports), *way.scopes}
    passed = pass_through(spoken, ports.ground, rules, scopes, door=client.door, tier=client.tier, before=None)
    return with_statement(passed, statement) if isinstance(statement, str) else passed


async def _rules(ports: Ports, client: Client, way: Way) -> Rules:
    invitation = way.coming.get(client.invitation or b"")
    if invitation is not None:
        return await governed(ports, ports.rules_for(invitation), client.tier, guest(invitation, client.owner, None))
    if client.tier is not Tier.ADMIN:
        return await rules_of(ports, client)
    return await governed(ports, operator(ports.ground.grant_types), client.tier, guest(None, client.owner, None))


async def _keep(ports: Ports, there: Client | None, coming: Client, passed: Passed, way: Way, notes: tuple[str, ...] = ()) -> Outcome:
    """Insert or replace, with the event in the same transaction; a rehearsal says what would be done."""
    notes = (*notes, *_changes(passed), *passed.warnings)
    if there is not None and not way.replace:
        return Outcome("client", coming.client_id, "refused", ("it is here and differs; --replace puts this one in its place",))
    did = "new" if there is None else "replaced"
    if way.dry_run:
        return Outcome("client", coming.client_id, did, notes)
    body: dict[str, JSON] = {"client_id": coming.client_id, "door": coming.door.value, "tier": int(coming.tier), "by": way.by}
    body |= {"from": way.source, "replaced": there is not None, **passed.told(), **waiting(coming)}
    event = Event("client_imported", ports.now(), coming.key, "operator", body=body)
    if there is not None:
        kept = structs.replace(
            coming, epoch=max(there.epoch, coming.epoch) + 1, door=there.door, tier=there.tier, invitation=there.invitation
        )
        kept = structs.replace(kept, issued_at=there.issued_at, incarnation=there.incarnation)
        done = await ports.store.replace(there, kept, event)
        return Outcome("client", coming.client_id, did, notes) if done else _busy(coming)
    try:
        outcome = await ports.store.register(coming, event, None)
    except KeyCollision:
        return Outcome("client", coming.client_id, "refused", ("a client of this name was here and is gone; a name is never given twice",))
    return Outcome("client", coming.client_id, did, notes) if outcome is Registration.DONE else _busy(coming)


def _busy(coming: Client) -> Outcome:
    return Outcome("client", coming.client_id, "refused", ("others changed it at the same moment; import it again",))


def _changes(passed: Passed) -> tuple[str, ...]:
    """What came into force otherwise than it was said, a sentence each."""
    rows = passed.told().get("decision")
    return tuple(f"{row[0]}: {row[3]}" for row in rows if isinstance(row, list)) if isinstance(rows, list) else ()


async def _invitation(ports: Ports, said: Said, way: Way) -> Outcome:
    coming = lines.value_of(said, Invitation)
    there = await ports.store.invitation(coming.id)
    if there is not None:
        return _beside("invitation", coming.id.hex(), same=there == coming)
    if way.dry_run:
        way.coming[coming.id] = coming
    return await _recorded(ports, "invitation", coming.id.hex(), way, lambda event: ports.store.invite(coming, event))


async def _person(ports: Ports, said: Said, way: Way) -> Outcome:
    coming = lines.person_of(said)
    there = await ports.store.person(coming.id)
    if there is not None:
        known = coming if coming.password else structs.replace(coming, password=there.password)
        return _beside("person", coming.name, same=there == known)
    if await ports.store.person_named(coming.name) is not None:
        return Outcome("person", coming.name, "refused", ("somebody else has this name here",))
    return await _recorded(ports, "person", coming.name, way, lambda event: ports.store.add_person(coming, event))


async def _passkey(ports: Ports, said: Said, way: Way) -> Outcome:
    coming = lines.value_of(said, Passkey)
    there = await ports.store.passkey(coming.id)
    if there is not None:
        return _beside("passkey", coming.label, same=there[0].public_key == coming.public_key)
    return await _recorded(ports, "passkey", coming.label, way, lambda event: ports.store.add_passkey(coming, event))


async def _resource(ports: Ports, said: Said, way: Way) -> Outcome:
    """A resource server comes with the client it asks as, which the line holds."""
    client = lines.client_of(lines.nested(said, "client"))
    coming = lines.value_of({name: value for name, value in said.items() if name != "client"}, Resource)
    there = await ports.store.resource(coming.uri)
    if there is not None:
        return _beside("resource", coming.uri, same=there == coming)
    if way.dry_run:
        way.scopes.update(coming.scope.split())
    return await _recorded(ports, "resource", coming.uri, way, lambda event: ports.store.add_resource(coming, client, event))


async def _webhook(ports: Ports, said: Said, way: Way) -> Outcome:
    coming = lines.value_of(said, Webhook)
    there = await ports.store.webhook(coming.id)
    if there is not None:
        return _beside("webhook", coming.id.hex(), same=there.url == coming.url)
    return await _recorded(ports, "webhook", coming.id.hex(), way, lambda event: ports.store.add_webhook(coming, event))


def _beside(kind: str, name: str, *, same: bool) -> Outcome:
    """What is here already stays as it is: only clients are replaced."""
    return Outcome(kind, name, "same") if same else Outcome(kind, name, "refused", ("it is here and differs; change it here",))


async def _recorded(ports: Ports, kind: str, name: str, way: Way, keep: Callable[[Event], Awaitable[bool | None]]) -> Outcome:
    """Keep it with its event; a rehearsal only says so."""
    if not way.dry_run:
        event = Event("record_imported", ports.now(), b"", "operator", body={"kind": kind, "id": name, "by": way.by})
        if await keep(event) is False:
            return Outcome(kind, name, "refused", ("something else has its name here",))
    return Outcome(kind, name, "new")


_TAKEN: dict[str, Callable[[Ports, Said, Way], Awaitable[Outcome]]] = {
    "client": _client,
    "invitation": _invitation,
    "person": _person,
    "passkey": _passkey,
    "resource": _resource,
    "webhook": _webhook,
}


# ── From other servers ───────────────────────────────────────────────────────────────────────────────────────────────

_NO_SECRET = "the file has no secret for it; make one with: calling-card client rotate --secret-only"  # noqa: S105 - a sentence
_ITSELF = "client_secret_jwt needs the secret itself, which is never kept; make one with: calling-card client rotate --secret-only"
_SHORT = 22
"""Characters of a secret below which somebody may guess it: 128 bits as base64url."""


async def admit(ports: Ports, arrival: Arrival, way: Way) -> Outcome:
    """A client of another server, which keeps its client_id and secret and belongs to the operator from now on.

    It is judged as every client of an operator is; what it is not allowed is named.
    """
    try:
        return await _admit(ports, arrival, way)
    except Refusal as problem:
        return Outcome("client", arrival.client_id, "refused", (*_why(problem), *arrival.notes))


async def _admit(ports: Ports, arrival: Arrival, way: Way) -> Outcome:
    newborn = _newborn(ports, arrival, way)
    passed = await _judged(ports, newborn, arrival.said, way)
    there = await ports.store.client(newborn.key)
    coming, notes = _with_secret(ports, _judged_client(newborn if there is None else _continued(there, newborn), passed), arrival, there)
    if there is not None and _unchanged(ports, there, coming, arrival):
        return Outcome("client", arrival.client_id, "same")
    return await _keep(ports, there, coming, passed, way, (*arrival.notes, *notes))


def _newborn(ports: Ports, arrival: Arrival, way: Way) -> Client:
    now = ports.now()
    client = Client(
        key=client_key(Route.REGISTERED, arrival.client_id),
        route=Route.REGISTERED,
        client_id=arrival.client_id,
        incarnation=ports.entropy(8),
        epoch=0,
        door=Door.ADMIN,
        tier=Tier.ADMIN,
        state=State.ACTIVE,
        owner=way.by,
        invitation=None,
        issued_at=now,
        metadata=to_bytes({}),
        decision=b"",
        rat=first(Clock(now, ports.keyring.minting)),
        secret=None,
        secret_expires_at=arrival.secret_expires_at,
        last_used_day=now // 86400,
    )
    return suspended(client) if arrival.suspended else client


def _continued(there: Client, newborn: Client) -> Client:
    """The same client again: its life, credentials and state go on."""
    return structs.replace(there, metadata=newborn.metadata, decision=newborn.decision, secret_expires_at=newborn.secret_expires_at)


def _with_secret(ports: Ports, client: Client, arrival: Arrival, there: Client | None) -> tuple[Client, tuple[str, ...]]:
    """The client with the secret it brought; one that brought none, but needs one, has one of ours that nobody knows yet.

    Raises `Refusal` for a hash that cannot be compared.
    """
    card = card_of(client)
    clock = Clock(ports.now(), ports.keyring.minting)
    if not needs_secret(card):
        return structs.replace(client, secret=None if there is None else client.secret, imported=None, secret_expires_at=0), ()
    by_itself = card.get("token_endpoint_auth_method") == "client_secret_jwt"
    if not arrival.secret or by_itself:
        kept = client.secret if there is not None and client.secret is not None else first(clock)
        return structs.replace(client, secret=kept), () if there is not None else (_ITSELF if by_itself else _NO_SECRET,)
    _check_form(ports, arrival.secret)
    if there is not None and _brings_same(ports, there, arrival.secret):
        return client, ()
    row = withdraw(first(clock)) if client.secret is None else withdraw(renew(client.secret, clock))
    client = structs.replace(client, secret=row)
    weak = ("client_secret: is short enough to be guessed; rotate it soon",) if _is_short(arrival.secret) else ()
    return structs.replace(client, imported=imported.keep(ports.keyring, ports.settings.issuer, client, arrival.secret)), weak


def _is_short(secret: str) -> bool:
    return imported.form(secret) is imported.Kept.CLEAR and len(secret) < _SHORT


def _check_form(ports: Ports, secret: str) -> None:
    form = imported.form(secret)
    if form is imported.Kept.STRANGE:
        raise Refusal(No.INVALID_REQUEST, "client_secret: is too long, or a hash of a kind that cannot be compared here")
    if form is imported.Kept.SLOW and not ports.slow_secrets.comparable(secret):
        raise Refusal(No.INVALID_REQUEST, "client_secret: is a bcrypt hash; install calling-card[bcrypt] to compare it")


def _brings_same(ports: Ports, there: Client, secret: str) -> bool:
    """Whether the client has this very secret already, perhaps in a faster form by now."""
    if there.imported is None:
        return False
    if imported.form(secret) is imported.Kept.SLOW:
        return there.imported == secret.encode() or not imported.is_slow(there.imported)
    return imported.same(ports.keyring, ports.settings.issuer, there, secret)


def _unchanged(ports: Ports, there: Client, coming: Client, arrival: Arrival) -> bool:
    """Whether the card is the same and the secret too, or the client got one of ours meanwhile."""
    rotated = there.imported is None or not imported.lives(there)
    same = not arrival.secret or rotated or _brings_same(ports, there, arrival.secret)
    return (same and (there.metadata, there.secret_expires_at) == (coming.metadata, coming.secret_expires_at)) or (
        rotated and there.metadata == coming.metadata
    )
