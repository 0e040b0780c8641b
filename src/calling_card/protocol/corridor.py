"""The one corridor behind every door: vocabulary, then policy, then a card in force (DESIGN, "One corridor")."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property
from operator import is_

import msgspec
from msgspec import structs

from calling_card.protocol.answers import to_bytes
from calling_card.protocol.card.ground import Ground
from calling_card.protocol.card.metadata import Judged, judge, needs_secret
from calling_card.protocol.clients import JSON, Card, Door, Tier
from calling_card.protocol.errors import Refusal
from calling_card.protocol.life.budgets import Draw, names
from calling_card.protocol.policy import Decision, Outcome, Policy, Rules, awaited, decide

_ROW = ("member", "was", "now", "why", "rule")
"""What one reason says, in its order."""


class Passed(msgspec.Struct, frozen=True, dict=True):
    """A card that came through."""

    card: Card
    reasons: bytes
    """What was changed and why, as compact JSON; empty when nothing was (R-08, R-75)."""
    warnings: tuple[str, ...]
    held: bool
    """Whether the client waits for approval."""
    policy: str = ""
    """Name and version of the operator's policy that judged; empty: there was none."""

    @cached_property
    def metadata(self) -> bytes:
        """The card as it is kept."""
        return to_bytes(self.card)

    @cached_property
    def needs_secret(self) -> bool:
        """Whether the client gets a secret."""
        return needs_secret(self.card)

    @cached_property
    def draws(self) -> Sequence[Draw]:
        """What the card draws on when nobody vouches for it."""
        return names(self.card)

    def told(self) -> dict[str, JSON]:
        """What an event says of the judgement: what was changed and why, and what a reader should look at."""
        told: dict[str, JSON] = {}
        if self.reasons:
            told["decision"] = msgspec.json.decode(self.reasons)
        if self.warnings:
            told["warnings"] = list(self.warnings)
        if self.policy:
            told["policy"] = self.policy
        return told

    def rehearsed(self, state: Card) -> Card:
        """What a rehearsal answers: the card with the client's ``state``, and every change with its reason."""
        rows: list[list[JSON]] = msgspec.json.decode(self.reasons) if self.reasons else []
        decision: list[JSON] = [dict(zip(_ROW, row, strict=False)) for row in rows]
        return {**state, **self.card, "decision": decision}

    def changed(self, before: Card) -> list[JSON]:
        """The members that are other than before, or gone."""
        if before == self.card:
            return []
        return [name for name in {**before, **self.card} if before.get(name) != self.card.get(name)]


class Familiar:
    """What came through before, for the next who says the same.

    The same software introduces itself by the same bytes wherever it runs (docs/decisions/0019). What becomes of them depends on nothing
    but these and on what they are judged by, so the one has to be equal and the other has to be the very same; what depends on more is
    not put here.
    """

    MOST, LONGEST = 128, 4096
    """How many are remembered, and up to how many bytes of each."""

    def __init__(self) -> None:
        """Nobody came yet."""
        self._known: dict[bytes, tuple[tuple[object, ...], Passed]] = {}

    def find(self, words: bytes, judges: tuple[object, ...]) -> Passed | None:
        """What became of these words; None: nobody said them lately, or they were judged by something else."""
        found = self._known.get(words)
        return found[1] if found is not None and all(map(is_, found[0], judges)) else None

    def remember(self, words: bytes, judges: tuple[object, ...], passed: Passed) -> None:
        """For a while; those that were said first are forgotten first."""
        if len(words) > self.LONGEST:
            return
        self._known.pop(words, None)
        if len(self._known) >= self.MOST:
            del self._known[next(iter(self._known))]
        self._known[words] = judges, passed


def with_statement(passed: Passed, text: str) -> Passed:
    """The card with the software statement it came with, as it was sent (RFC 7591 §3.2.1, R-69)."""
    return structs.replace(passed, card={**passed.card, "software_statement": text})


def with_warnings(passed: Passed, more: tuple[str, ...]) -> Passed:
    """The same with more that a reader of the event should look at."""
    return structs.replace(passed, warnings=(*passed.warnings, *more)) if more else passed


def within(said: Card, scopes: Collection[str]) -> bool:
    """Whether the card asks for no scope beyond these."""
    scope = said.get("scope")
    return not isinstance(scope, str) or all(map(scopes.__contains__, scope.split()))


def stands(said: Card, scopes: Collection[str], policy: Policy | None) -> bool:
    """Whether words, settings and rules alone judge what is said, and nothing that the store knows (docs/decisions/0019)."""
    return within(said, scopes) and not (policy is not None and policy.asks_resources)


class Weighed(msgspec.Struct, frozen=True):
    """What a judgement found, before anybody acts on it: for doors, rehearsals and explanations alike."""

    refusals: tuple[Refusal, ...]
    """Why the card cannot come through; empty: it can."""
    judged: Judged | None = None
    """The card as the vocabulary has it; None: it did not get that far."""
    decision: Decision | None = None
    """What the policy made of that; None: it did not get that far."""


def weigh(said: Card, ground: Ground, rules: Rules, scopes: Collection[str], *, door: Door, tier: Tier, before: Card | None) -> Weighed:
    """What would become of a client that says this; it raises nothing."""
    try:
        judged = judge(said, _within(ground, rules), scopes=scopes, default_scope=rules.default_scope)
    except Refusal as refusal:
        return Weighed(refusal.errors or (refusal,))
    decision = awaited(decide(door, tier, before, judged.card, rules), tier, ground.hold)
    refused = [Refusal(reason.no, reason.why) for reason in decision.reasons if reason.outcome is Outcome.REFUSE]
    return Weighed(tuple(refused), judged, decision)


def pass_through(
    said: Card, ground: Ground, rules: Rules, scopes: Collection[str], *, door: Door, tier: Tier, before: Card | None
) -> Passed:
    """What a client may become that says this. Raises `Refusal` naming the first member that cannot be, and all others."""
    weighed = weigh(said, ground, rules, scopes, door=door, tier=tier, before=before)
    judged, decision, refused = weighed.judged, weighed.decision, weighed.refusals
    if refused or judged is None or decision is None:
        raise Refusal(refused[0].no, refused[0].description, errors=refused)
    policy = "" if rules.policy is None else rules.policy.label
    return Passed(decision.card, _reasons(judged, decision, policy), judged.warnings, decision.outcome is Outcome.HOLD, policy)


def _within(ground: Ground, rules: Rules) -> Ground:
    """What is served to these clients: what a ceiling takes away is narrowed and left out of defaults like what is not built."""
    methods, algorithms = rules.methods, rules.algorithms
    if methods is not None:
        ground = replace(ground, auth_methods=tuple(method for method in ground.auth_methods if method in methods))
    if algorithms is not None:
        ground = replace(
            ground,
            signing_algs=tuple(alg for alg in ground.signing_algs if alg in algorithms),
            assertion_algs=tuple(alg for alg in ground.assertion_algs if alg in algorithms),
            encryption_algs=tuple(alg for alg in ground.encryption_algs if alg in algorithms),
        )
    return ground


def _reasons(judged: Judged, decision: Decision, policy: str) -> bytes:
    """Member, what it was, what it is, and why; of an operator's rule also its name and that of the policy."""
    if not judged.changes and not decision.reasons:
        return b""
    rows: list[JSON] = [[change.member, change.was, change.now, change.why] for change in judged.changes]
    for reason in decision.reasons:
        by: list[JSON] = [f"{policy}: {reason.rule}"] if reason.rule else []
        rows.append([reason.member, reason.was, reason.now, reason.why, *by])
    return msgspec.json.encode(rows)
