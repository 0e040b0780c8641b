"""Who is this client: one that registered, or one that is an address. Other use cases call this one (RFC 7591 §2, CIMD §5, seed 004).

A client that is an address is read when it sends a person here and what is known of it is not fresh any more; never at the token
endpoint. Its first good document makes it a client like any other, kept with every version of the document since.
"""

from collections.abc import Collection
from dataclasses import replace

import msgspec
from msgspec import structs

from calling_card.ports import Invitation, KeyCollision, Ports
from calling_card.protocol import base64url
from calling_card.protocol.abroad import documents
from calling_card.protocol.abroad.clientids import Named, host_in, listed, name
from calling_card.protocol.abroad.documents import Version, over
from calling_card.protocol.abroad.fetching import Unfetched, Why
from calling_card.protocol.answers import card_of
from calling_card.protocol.card.rules import sector_to_check
from calling_card.protocol.clients import JSON, Card, Client, Door, Generations, Route, State, Tier, client_key, is_over
from calling_card.protocol.corridor import Passed, pass_through, stands, with_statement, within
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles.rotation import Clock, first
from calling_card.protocol.handles.sealed import CARD, Sealed
from calling_card.protocol.handles.sealed import read as read_card
from calling_card.protocol.life.approval import begins_to_wait, judged_again, registrant, told
from calling_card.protocol.life.budgets import MEETINGS
from calling_card.protocol.persons.resources import scopes_of
from calling_card.protocol.policy import Guest, Rules, under
from calling_card.protocol.policy.claims import lays
from calling_card.protocol.syntax import read_object
from calling_card.protocol.trust.statements import Ceiling, Vouched, kept, vouched_rules
from calling_card.usecases import claims, sector
from calling_card.usecases.reading import read

ATTEMPTS = 3
"""How often a compare-and-set that lost is decided again (CREDENTIALS §9)."""
AGAIN = 60
"""Seconds between two notes that one document could not be read."""
GONE_FOR_GOOD = 86400
"""Seconds after which a document that is still gone is gone (D-60)."""


class Known(msgspec.Struct, frozen=True):
    """A client, and its card as it counts for this request."""

    client: Client
    card: Card
    version: Version | None = None
    """Of its document, for a client that is an address."""


class Asking(msgspec.Struct, frozen=True):
    """For whom a client is looked up."""

    client_id: str
    discovery: bool = False
    """Whether ``client_discovery=true`` was said."""
    source: str = ""
    """Network of the caller, whose budget a fetch is on."""
    patience: int = 0
    """Seconds since its document was read that are no reason to read it again: within one visit it is read once."""


async def find(ports: Ports, asking: Asking) -> Known:
    """The client of this name that may act, or waits for approval, with nothing proven.

    Raises `Refusal` that can only be shown (A-12, H-14, D-45, D-47).
    """
    named = name(asking.client_id, ports.customs, discovery=asking.discovery)
    if named.route is not Route.REGISTERED:
        return await _by_address(ports, named, asking)
    client = await registered(ports, asking.client_id)
    if client is None or client.client_id != asking.client_id or client.state is State.SUSPENDED or is_over(client, ports.now()):
        raise _unknown(f"no such client; one that was removed may register again at {ports.desk.endpoint}")
    return Known(client, card_of(client))


async def registered(ports: Ports, client_id: str) -> Client | None:
    """Who registered and has this name, be it that the name is all that is kept; whoever has the place of the name may have another."""
    card = read_card(ports.keyring, client_id) if client_id.startswith(CARD.prefix) else None
    return await ports.store.client(client_key(Route.REGISTERED, client_id)) if card is None else await _by_card(ports, client_id, card)


async def by_card(ports: Ports, client_id: str) -> Client | None:
    """The client of a name that is a sealed card; None: it is no card of ours, or speaks for nobody (any more)."""
    card = read_card(ports.keyring, client_id)
    return None if card is None else await _by_card(ports, client_id, card)


async def _by_card(ports: Ports, client_id: str, card: Sealed) -> Client | None:
    """Row, tombstone, card is the order of truth (CREDENTIALS §6); None: it is over, or today's rules would not let it in (M-30)."""
    there, buried = await ports.store.client_or_tombstone(client_key(Route.REGISTERED, client_id))
    if there is not None or buried or not _is_good(ports, card):
        return there
    try:
        passed = await _judged_today(ports, card.metadata)
    except Refusal as refusal:
        ports.log("card_refused", client_id=client_id, cause=refusal.description)
        return None
    return unwritten(client_id, card, passed, ports.now())


async def _judged_today(ports: Ports, metadata: bytes) -> Passed:
    """What a stranger may be who says this, by today's rules; the same words were judged for others before (docs/decisions/0019)."""
    judges = (ports, ports.policies.current)
    passed = ports.cards.find(metadata, judges)
    if passed is None:
        said = read_object(metadata)
        rules, scopes = await governed(ports, ports.rules, Tier.ANONYMOUS, Guest()), await scopes_for(ports, said)
        passed = pass_through(said, ports.ground, rules, scopes, door=Door.RFC7591, tier=Tier.ANONYMOUS, before=None)
        if stands(said, ports.settings.scopes, ports.policies.current):
            ports.cards.remember(metadata, judges, passed)
    return passed


def _is_good(ports: Ports, card: Sealed) -> bool:
    """Whether a card still speaks, by what was said when it was made and by what is set now."""
    days, begin = ports.settings.sealed_days, ports.settings.sealed_not_before
    return begin <= card.issued_at and ports.now() < min(card.expires_at, card.issued_at + days * 86400)


def unwritten(client_id: str, card: Sealed, passed: Passed, now: int) -> Client:
    """The client that a card speaks of, as its row will be; its first credentials are under the key that sealed it."""
    generations = first(Clock(card.issued_at, card.key))
    return Client(
        key=client_key(Route.REGISTERED, client_id),
        route=Route.REGISTERED,
        client_id=client_id,
        incarnation=card.incarnation,
        epoch=0,
        door=Door.RFC7591,
        tier=Tier.ANONYMOUS,
        state=State.HELD if passed.held else State.ACTIVE,
        owner="",
        invitation=None,
        issued_at=card.issued_at,
        metadata=passed.metadata,
        decision=passed.reasons,
        rat=generations,
        secret=generations if passed.needs_secret else None,
        secret_expires_at=card.secret_expires_at,
        last_used_day=now // 86400,
        card_until=card.expires_at,
    )


def _unknown(problem: str) -> Refusal:
    return Refusal(No.UNKNOWN_CLIENT, f"client_id: {problem} (RFC 6749 section 4.1.2.1)")


async def admits(ports: Ports, client: Client, person: bytes) -> bool:
    """Whether somebody may use a client that waits for approval: who registered it, and its test persons (A-88)."""
    return base64url.encode(person) == registrant(client) or person in await ports.store.test_persons(client)


async def rules_of(ports: Ports, client: Client, vouched: Vouched | None = None) -> Rules:
    """The rules of the client's tier, with what its invitation and its statement say (M-30); ``vouched``: another statement comes."""
    if client.tier is Tier.URL:
        return await governed(ports, documents.rules_for(ports.rules), client.tier, Guest())
    invitation = await ports.store.invitation(client.invitation) if client.invitation else None
    stated = vouched or kept(ports.issuers, client) if client.tier is Tier.VOUCHED else None
    rules = ports.rules_for(invitation) if stated is None else await rules_with(ports, invitation, stated)
    if ports.policies.current is None:
        return rules
    return await governed(ports, rules, client.tier, guest(invitation, client.owner, stated))


async def governed(ports: Ports, rules: Rules, tier: Tier, whose: Guest) -> Rules:
    """The same under the operator's policy as it is now, with what its rules ask about (A-87)."""
    policy = ports.policies.current
    if policy is None:
        return rules
    if policy.asks_resources:
        whose = replace(whose, resources={one.uri: one.scope for one in await ports.store.resources()})
    return under(rules, policy, tier, whose)


def guest(invitation: Invitation | None, owner: str, vouched: Vouched | None) -> Guest:
    """What rules may ask of who brings a card."""
    issuer = "" if vouched is None else vouched.issuer.issuer
    return Guest("", "", owner, issuer) if invitation is None else Guest(invitation.id.hex(), invitation.label, owner, issuer)


async def rules_with(ports: Ports, invitation: Invitation | None, vouched: Vouched) -> Rules:
    """The rules for who comes with a statement, and perhaps with an invitation too (R-75)."""
    said = Ceiling() if invitation is None else Ceiling(invitation.scope, invitation.grants, invitation.hosts)
    return vouched_rules(ports.rules, vouched, said, await known_scopes(ports))


async def judged(ports: Ports, client: Client, said: Card, before: Card, source: str, vouched: Vouched | None = None) -> Passed:
    """What a client may become that says this now, by today's vocabulary and by the rules it came with (M-30). Raises `Refusal`.

    ``source``: the network that a fetch is for; ``vouched``: the statement that counts from now on.
    """
    rules = await rules_of(ports, client, vouched)
    passed = pass_through(said, ports.ground, rules, await scopes_for(ports, said), door=client.door, tier=client.tier, before=before)
    if lays(passed.card, before, ports.known_software):
        passed = await claims.weighed(ports, passed, client)
    if sector_to_check(passed.card, before):
        await sector.check(ports, passed.card, source if client.tier is Tier.ANONYMOUS else client.client_id)
    return passed if vouched is None else with_statement(passed, vouched.statement.text)


async def scopes_for(ports: Ports, said: Card) -> Collection[str]:
    """The scopes that are known for what is said; resource servers are asked only about a scope that the settings do not know."""
    return ports.settings.scopes if within(said, ports.settings.scopes) else await known_scopes(ports)


async def known_scopes(ports: Ports) -> Collection[str]:
    """The scopes of the settings and of every resource server."""
    return {*ports.settings.scopes, *scopes_of(await ports.store.resources())}


# ── A client that is an address ──────────────────────────────────────────────────────────────────────────────────────


async def _by_address(ports: Ports, named: Named, asking: Asking) -> Known:
    for _ in range(ATTEMPTS):
        client, version = await _stored(ports, named)
        if client is not None and client.state is State.SUSPENDED:
            raise _unknown("this client may not act here")
        if client is not None and version is not None and _fresh(ports, named, version, asking.patience):
            return Known(client, card_of(client), version)
        if named.places and (wait := ports.fetches.take(asking.source)):
            raise Refusal(No.TOO_MANY_REQUESTS, "client_id: too many documents were read for this network; wait a little", retry_after=wait)
        known = await _looked_up(ports, named, client, version, asking.source)
        if known is not None:
            return known
    raise _contended()


def _fresh(ports: Ports, named: Named, version: Version, patience: int) -> bool:
    """Whether a version counts without a look at its place: HTTP says so, this visit read it, or the operator pinned it."""
    now = ports.now()
    return now < version.fresh_until or now - version.checked_at < patience or named.pinned(ports.customs)


def _contended() -> Refusal:
    return Refusal(No.UNAVAILABLE, "the client is being changed by others; try again", retry_after=1)


async def _stored(ports: Ports, named: Named) -> tuple[Client | None, Version | None]:
    """What is kept of an address. A key is no proof: another name in its place is nobody (CREDENTIALS §4)."""
    key = client_key(named.route, named.client_id)
    client = await ports.store.client(key)
    if client is None:
        return None, None
    if client.client_id != named.client_id or client.route is not named.route:
        raise _unknown("no such client")
    return client, await ports.store.version(key)


async def _looked_up(ports: Ports, named: Named, client: Client | None, version: Version | None, source: str = "") -> Known | None:
    """The client by its document as it is now; None: somebody else was faster, look again.

    ``source``: the network on whose budget it is to meet a new one; empty: an operator asks.
    """
    try:
        newest, passed = await read(ports, named, version)
        if lays(passed.card, None if client is None else card_of(client), ports.known_software):
            passed = await claims.weighed(ports, passed, client)
    except Unfetched as failure:
        if client is None or version is None:
            raise _unfetched(failure) from None
        await _failed(ports, version, failure.why.name, failure.why)
        if not failure.why.passing or ports.now() >= version.stale_until:
            raise _unfetched(failure) from None
        return Known(client, card_of(client), version)
    except Refusal as refusal:
        if version is not None:
            await _failed(ports, version, refusal.no.code)
        raise
    if client is None or version is None:
        if source:
            ports.draw([(MEETINGS, source)])
        return await _met(ports, named, newest, passed)
    return await _kept(ports, client, version, newest, passed)


def _unfetched(failure: Unfetched) -> Refusal:
    wait = 5 if failure.why is Why.BUSY else 0
    description = f"client_id: its client metadata document {failure.why.text} (CIMD section 5)"
    return Refusal(failure.why.no, description, logged=failure.logged, retry_after=wait)


async def _met(ports: Ports, named: Named, version: Version, passed: Passed) -> Known | None:
    """A client that is seen for the first time; whoever meets it at the same moment meets the same one."""
    client = _born(ports, named, passed)
    body: dict[str, JSON] = {"route": named.route.value, "client_id": named.client_id, **passed.told(), **told(client)}
    event = Event("client_met", client.issued_at, client.key, "anonymous", body=body)
    try:
        async with ports.placed(client.tier):
            met = await ports.store.meet(client, version, event)
    except KeyCollision:
        ports.log("client_key_collision", client_id=client.client_id, alarm=True)
        raise _unknown("no such client") from None
    return Known(client, passed.card, version) if met else None


def _born(ports: Ports, named: Named, passed: Passed) -> Client:
    now = ports.now()
    return Client(
        key=client_key(named.route, named.client_id),
        route=named.route,
        client_id=named.client_id,
        incarnation=ports.entropy(8),
        epoch=0,
        door=Door.CIMD if named.route is Route.CIMD else Door.LOOKER,
        tier=Tier.URL,
        state=State.HELD if passed.held else State.ACTIVE,
        owner="",
        invitation=None,
        issued_at=now,
        metadata=passed.metadata,
        decision=passed.reasons,
        rat=Generations(confirmed_key=0, issued_key=0),
        secret=None,
        secret_expires_at=0,
        last_used_day=now // 86400,
    )


async def _kept(ports: Ports, client: Client, before: Version, after: Version, passed: Passed) -> Known | None:
    """What was read again: the same version, or the next one, with what its changes end (D-34).

    The same document may have to wait too, when today's rules say so (A-88).
    """
    became = judged_again(structs.replace(client, metadata=passed.metadata, decision=passed.reasons), held=passed.held)
    if after.number == before.number and not begins_to_wait(client, became):
        same = await ports.store.read_again(before, after, None, None)
        return Known(client, passed.card, after) if same else None
    changes = documents.changed(card_of(client), passed.card)
    end = begins_to_wait(client, became) or (
        ports.settings.document_changes == "tokens" and any(member in documents.KEYS for member in changes)
    )
    body: dict[str, JSON] = {"version": after.number, "changed": list[JSON](changes), "ended": end, **passed.told(), **told(became)}
    event = Event("document_changed", ports.now(), client.key, "server", body=body)
    if not await ports.store.read_again(before, after, became, event, end=end, was=client.state):
        return None
    return Known(became, passed.card, after)


async def _failed(ports: Ports, version: Version, told: str, why: Why | None = None) -> None:
    """Note that a document could not be read, not more often than once a minute for one reason; our own overload is none.

    Whoever answered has taken back what was there before: it does not stand in again (D-46).
    """
    now = ports.now()
    if why is Why.BUSY or (version.failure == told and now - version.failed_at < AGAIN):
        return
    gone_at = (version.gone_at or now) if why is Why.GONE else version.gone_at
    stale_until = version.stale_until if why is not None and why.passing else 0
    noted = replace(version, failed_at=now, failure=told, gone_at=gone_at, stale_until=stale_until)
    await ports.store.read_again(version, noted, None, None)


# ── For refreshes and for operators ──────────────────────────────────────────────────────────────────────────────────


async def recheck(ports: Ports, known: Known, source: str) -> Known:
    """The client of a refresh: its document is read again now and then; one that is gone for good, or over, ends it (D-60, D-66).

    Raises `Refusal` (``invalid_client``) for that alone: a host that does not answer today ends nothing.
    """
    client, now = known.client, ports.now()
    version = await ports.store.version(client.key)
    if version is None:
        return known
    pinned = listed(client.client_id, host_in(client.client_id), ports.customs.pinned)
    due = not pinned and now - max(version.checked_at, version.failed_at) >= ports.settings.recheck_interval
    if (due or _is_gone(version)) and not ports.fetches.take(source):
        known, version = await _rechecked(ports, known, version)
    if _is_gone(version) or over(version, now):
        raise Refusal(No.INVALID_CLIENT, "the client metadata document is gone; the client is not known any more (RFC 6749 section 5.2)")
    return known


def _is_gone(version: Version) -> bool:
    """Whether the newest look found it gone, and so did one a day before."""
    return version.failure == Why.GONE.name and version.failed_at - version.gone_at >= GONE_FOR_GOOD


async def _rechecked(ports: Ports, known: Known, version: Version) -> tuple[Known, Version]:
    try:
        named = name(known.client.client_id, ports.customs, discovery=known.client.route is Route.LOOKER)
        again = await _looked_up(ports, named, known.client, version)
    except Refusal:
        again = None
    if again is not None and again.version is not None:
        return again, again.version
    return known, await ports.store.version(known.client.key) or version


async def read_now(ports: Ports, client_id: str, *, discovery: bool) -> Known:
    """The client after its document was read again at once, whatever was remembered (D-55). Raises `Refusal`."""
    named = name(client_id, ports.customs, discovery=discovery)
    if named.route is Route.REGISTERED:
        raise _unknown("is no URL")
    for url in named.places:
        ports.fetcher.forget(url)
    for _ in range(ATTEMPTS):
        known = await _looked_up(ports, named, *await _stored(ports, named))
        if known is not None:
            return known
    raise _contended()
