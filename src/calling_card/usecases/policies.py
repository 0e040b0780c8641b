"""What a policy would do, to one request or client step by step, or to every client there is (RFC 7591 §5; A-87). Nothing is changed."""

from collections.abc import AsyncGenerator, Collection, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.abroad import documents
from calling_card.protocol.abroad.clientids import name
from calling_card.protocol.answers import card_of, to_bytes
from calling_card.protocol.card.ground import Ground
from calling_card.protocol.clients import JSON, Card, Client, Door, Tier
from calling_card.protocol.corridor import Weighed, weigh
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.life.approval import begins_to_wait, judged_again
from calling_card.protocol.policy import Guest, Outcome, Policy, Reason, Rules
from calling_card.protocol.policy.conditions import Case
from calling_card.protocol.policy.judging import met
from calling_card.protocol.policy.rows import Then
from calling_card.protocol.trust.statements import MEMBER, Vouched, issuer_of, kept, merge
from calling_card.protocol.trust.statements import read as read_statement
from calling_card.usecases.clients import governed, known_scopes, rules_of, scopes_for
from calling_card.usecases.operate import named
from calling_card.usecases.register import held_to

PAGE = 500
"""Clients judged in one step."""
SAMPLES = 5
TIERS = {
    Door.RFC7591: (Tier.ANONYMOUS, Tier.TOKEN, Tier.VOUCHED),
    Door.SCR2011: (Tier.ANONYMOUS, Tier.TOKEN),
    Door.MASTODON: (Tier.ANONYMOUS, Tier.TOKEN),
    Door.CIMD: (Tier.URL,),
    Door.LOOKER: (Tier.URL,),
}
"""Who can come through which door."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A policy that counts for one rehearsal, as a `Policies`."""

    current: Policy | None

    async def look(self, *, anyway: bool = False) -> Policy | None:
        """See `Policies.look`; there is no file to look at."""
        del anyway
        return None


def proposing(ports: Ports, policy: Policy | None) -> Ports:
    """The same server under another policy."""
    return replace(ports, policies=Proposed(policy))


# ── One request, one client ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that nobody makes."""

    said: Card
    """In the words of RFC 7591, whatever the door; of a client that is an address, its document."""
    door: Door
    tier: Tier
    invitation: str = ""
    """Id of the initial access token in hexadecimal; empty: none, or for the tier an access token that may register."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one place of policy and vocabulary did."""

    by: str
    """``metadata``, ``ceiling``, ``software …``, ``rule …`` or ``setting hold``."""
    does: str
    """An `Outcome`."""
    member: str = ""
    was: JSON = None
    now: JSON = None
    why: str = ""

    def shown(self) -> Card:
        """As a row of an answer."""
        return {"by": self.by, "does": self.does, "member": self.member, "was": self.was, "now": self.now, "why": self.why}


@dataclass(frozen=True, slots=True)
class Explained:
    """How a judgement came about."""

    door: Door
    tier: Tier
    outcome: Outcome
    steps: tuple[Step, ...]
    refusals: tuple[Refusal, ...]
    policy: str
    """Name and version of the policy; empty: the built-in rules alone."""
    card: Card
    """What would be in force; empty: nothing."""

    def shown(self) -> Card:
        """As an answer."""
        return {
            "outcome": self.outcome.value,
            "door": self.door.value,
            "tier": self.tier.name.lower(),
            "policy": self.policy,
            "steps": [step.shown() for step in self.steps],
            "refusals": [{"error": one.no.code, "error_description": one.description} for one in self.refusals],
            "card": self.card,
        }


@dataclass(frozen=True, slots=True)
class _Hearing:
    """Everything that a judgement depends on."""

    said: Card
    ground: Ground
    rules: Rules
    scopes: Collection[str]
    door: Door
    tier: Tier
    before: Card | None

    def weighed(self) -> Weighed:
        return weigh(self.said, self.ground, self.rules, self.scopes, door=self.door, tier=self.tier, before=self.before)


async def explain(ports: Ports, asked: Asked) -> Explained:
    """How a registration would be judged that says this (RFC 7591 §5).

    The signature of a statement is not looked at. Raises `Refusal` where there is nothing to be judged: an unknown invitation or issuer,
    a URL that is no client.
    """
    hearing = await (_document(ports, asked) if asked.tier is Tier.URL else _request(ports, asked))
    return _explained(hearing)


async def explain_client(ports: Ports, client_id: str, *, discovery: bool = False) -> Explained:
    """How a client would be judged that changes nothing. Raises `Refusal` when there is none, or the operator made it."""
    client = await named(ports, client_id, discovery=discovery)
    if client.tier is Tier.ADMIN:
        raise Refusal(No.INVALID_REQUEST, f"{client_id} was made by the operator, and no policy judges it")
    return _explained(await _as_it_stands(ports, client))


async def _request(ports: Ports, asked: Asked) -> _Hearing:
    invitation = await ports.store.invitation(_id(asked.invitation)) if asked.invitation else None
    if asked.invitation and invitation is None:
        raise Refusal(No.NOT_FOUND, f"there is no initial access token {asked.invitation}")
    vouched = _stated(ports, asked.said) if asked.tier is Tier.VOUCHED else None
    said = asked.said if vouched is None else merge(asked.said, vouched).said
    rules, scopes = await held_to(ports, said, asked.tier, invitation, vouched)
    return _Hearing(said, ports.ground, rules, scopes, asked.door, asked.tier, None)


def _id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _stated(ports: Ports, said: Card) -> Vouched:
    statement = read_statement(said.get(MEMBER))
    return Vouched(issuer_of(ports.issuers, statement), statement)


async def _document(ports: Ports, asked: Asked) -> _Hearing:
    client_id = asked.said.get("client_id")
    url = client_id if isinstance(client_id, str) else ""
    customs = replace(ports.customs, cimd=True, looker=True)
    published = documents.Published(name(url, customs, discovery=asked.door is Door.LOOKER), asked.said, customs, ports.now())
    documents.check(published)
    rules = await governed(ports, documents.rules_for(ports.rules), Tier.URL, Guest())
    ground = documents.ground_for(ports.ground)
    return _Hearing(documents.said_by(published), ground, rules, await known_scopes(ports), asked.door, Tier.URL, None)


async def _as_it_stands(ports: Ports, client: Client) -> _Hearing:
    """A change that changes nothing."""
    before = card_of(client)
    vouched = kept(ports.issuers, client)
    said = {member: value for member, value in before.items() if member != MEMBER}
    said = said if vouched is None else merge(said, vouched).said
    rules = await rules_of(ports, client, vouched)
    scopes = await scopes_for(ports, said)
    ground = documents.ground_for(ports.ground) if client.tier is Tier.URL else ports.ground
    return _Hearing(said, ground, rules, scopes, client.door, client.tier, before)


def _explained(hearing: _Hearing) -> Explained:
    weighed = hearing.weighed()
    decision = weighed.decision
    return Explained(
        hearing.door,
        hearing.tier,
        _outcome(weighed),
        tuple(_steps(hearing, weighed)),
        weighed.refusals,
        "" if hearing.rules.policy is None else hearing.rules.policy.label,
        {} if decision is None or weighed.refusals else decision.card,
    )


def _outcome(weighed: Weighed) -> Outcome:
    """The worst that any of them did: what the vocabulary changed narrows too."""
    if weighed.refusals or weighed.judged is None or weighed.decision is None:
        return Outcome.REFUSE
    changed = weighed.decision.outcome is Outcome.ALLOW and weighed.judged.changes
    return Outcome.NARROW if changed else weighed.decision.outcome


def _steps(hearing: _Hearing, weighed: Weighed) -> Iterator[Step]:
    """Every place that did something and every rule that was met, in the order in which they are judged."""
    if weighed.judged is None or weighed.decision is None:
        yield from (Step("metadata", Outcome.REFUSE, why=one.description) for one in weighed.refusals)
        return
    for change in weighed.judged.changes:
        yield Step("metadata", Outcome.NARROW, change.member, change.was, change.now, change.why)
    last = [reason for reason in weighed.decision.reasons if reason.member == _HELD]
    reasons = [reason for reason in weighed.decision.reasons if reason.member != _HELD]
    yield from (_step(reason, "ceiling") for reason in reasons if not reason.rule)
    if hearing.rules.policy is not None:
        case = Case(weighed.decision.card, hearing.door, hearing.tier, hearing.rules.guest, new=hearing.before is None)
        yield from _ruled([reason for reason in reasons if reason.rule], case, hearing.rules.policy)
    yield from (_step(reason, "setting hold") for reason in last)


_HELD = "registration_state"
"""What the setting ``hold`` changes, which is no member that a client could say."""


def _ruled(reasons: list[Reason], case: Case, policy: Policy) -> Iterator[Step]:
    """What was taken away first, then the last look of software and rules at what is left."""
    places = {rule.name: f"rule {number} ({rule.name})" for number, rule in enumerate(policy.rules, 1)}
    yield from (_step(reason, places[reason.rule]) for reason in reasons if reason.outcome is Outcome.NARROW)
    found = [reason for reason in reasons if reason.outcome is not Outcome.NARROW]
    yield from (_step(reason, reason.rule) for reason in found if reason.rule not in places)
    for rule in met(case, policy):
        told = [reason for reason in found if reason.rule == rule.name]
        yield from (_step(reason, places[rule.name]) for reason in told)
        if not told:
            why = "lets it through; no further rule is asked" if rule.then is Then.ALLOW else "is about it, and finds nothing to change"
            yield Step(places[rule.name], Outcome.ALLOW, why=why)


def _step(reason: Reason, by: str) -> Step:
    return Step(by, reason.outcome, reason.member, reason.was, reason.now, reason.why)


# ── Every client there is ────────────────────────────────────────────────────────────────────────────────────────────


class Fate(StrEnum):
    """What a new policy means for a client."""

    UNCHANGED = "unchanged"
    NARROWED = "narrowed"
    HELD = "held"
    REFUSED = "refused"
    EASED = "eased"


MEANINGS = {
    Fate.UNCHANGED: "are judged as before",
    Fate.NARROWED: "would lose something with their next change",
    Fate.HELD: "would wait for approval from their next change on",
    Fate.REFUSED: "could change nothing any more",
    Fate.EASED: "were refused or held by the old one, and are not by the new one",
}


@dataclass(slots=True)
class Found:
    """Clients of one fate."""

    count: int = 0
    samples: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Names of some, and why."""


@dataclass(slots=True)
class Report:
    """How far a walk over the clients has come, and what it found."""

    seen: int = 0
    found: dict[Fate, Found] = field(default_factory=lambda: {fate: Found() for fate in Fate})

    def add(self, client: Client, fate: Fate, why: str) -> None:
        """One more."""
        self.seen += 1
        row = self.found[fate]
        row.count += 1
        if fate is not Fate.UNCHANGED and len(row.samples) < SAMPLES:
            row.samples.append((client.client_id, why))

    def shown(self) -> Card:
        """As an answer."""
        found: Card = {
            fate.value: {"count": row.count, "samples": [{"client_id": client_id, "why": why} for client_id, why in row.samples]}
            for fate, row in self.found.items()
        }
        return {"clients": self.seen, **found}


async def diff(ports: Ports, policy: Policy | None) -> AsyncGenerator[Report]:
    """Judge every client that has a row, as it stands, by the policy that counts and by this one (RFC 7591 §5); a report a page."""
    report, proposed, after = Report(), proposing(ports, policy), b""
    yield report
    while page := await ports.store.next_clients(after, PAGE):
        for client in page:
            report.add(client, *await _fate(ports, proposed, client))
        after = page[-1].key
        yield report


async def _fate(ports: Ports, proposed: Ports, client: Client) -> tuple[Fate, str]:
    """What becomes of a client, and by what."""
    if client.tier is Tier.ADMIN:
        return Fate.UNCHANGED, ""
    try:
        old, new = [(await _as_it_stands(one, client)).weighed() for one in (ports, proposed)]
    except Refusal:  # its statement says nothing good any more, under either
        return Fate.UNCHANGED, ""
    if new.refusals or old.refusals:
        return _refused(old, new)
    waited, waits = _waits(client, old), _waits(client, new)
    if waited is not waits:
        return (Fate.HELD, _why(new, Outcome.HOLD)) if waits else (Fate.EASED, _why(old, Outcome.HOLD))
    if _left(old) == _left(new):
        return Fate.UNCHANGED, ""
    return Fate.NARROWED, _why(new, Outcome.NARROW)


def _refused(old: Weighed, new: Weighed) -> tuple[Fate, str]:
    if not new.refusals:
        return Fate.EASED, old.refusals[0].description
    return (Fate.UNCHANGED, "") if old.refusals else (Fate.REFUSED, new.refusals[0].description)


def _left(weighed: Weighed) -> Card:
    return {} if weighed.decision is None else weighed.decision.card


def _waits(client: Client, weighed: Weighed) -> bool:
    """Whether it would begin to wait; what an operator approved is the card with the statement it came with."""
    held = weighed.decision is not None and weighed.decision.outcome is Outcome.HOLD
    stated = {name: value for name, value in card_of(client).items() if name == MEMBER}
    return begins_to_wait(client, judged_again(structs.replace(client, metadata=to_bytes(_left(weighed) | stated)), held=held))


def _why(weighed: Weighed, outcome: Outcome) -> str:
    """The first reason of this kind, with the rule or member that it is about."""
    reasons = () if weighed.decision is None else weighed.decision.reasons
    return next((f"{one.rule or one.member}: {one.why}" for one in reasons if one.outcome is outcome), "")
