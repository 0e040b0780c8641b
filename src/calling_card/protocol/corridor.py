"""The one corridor behind every door: vocabulary, then policy, then a card in force (DESIGN, "One corridor")."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import msgspec

from calling_card.protocol.clients import JSON, Card, Door, Tier
from calling_card.protocol.errors import Refusal
from calling_card.protocol.ground import Ground
from calling_card.protocol.metadata import Judged, judge
from calling_card.protocol.policy import Decision, Outcome, Rules, decide


@dataclass(frozen=True, slots=True)
class Passed:
    """A card that came through."""

    card: Card
    reasons: bytes
    """What was changed and why, as compact JSON; empty when nothing was (R-08, R-75)."""
    warnings: tuple[str, ...]
    held: bool
    """Whether the client waits for approval."""

    def told(self) -> dict[str, JSON]:
        """What an event says of the judgement: what was changed and why, and what a reader should look at."""
        told: dict[str, JSON] = {}
        if self.reasons:
            told["decision"] = msgspec.json.decode(self.reasons)
        if self.warnings:
            told["warnings"] = list(self.warnings)
        return told

    def changed(self, before: Card) -> list[JSON]:
        """The members that are other than before, or gone."""
        return [name for name in {**before, **self.card} if before.get(name) != self.card.get(name)]


def with_statement(passed: Passed, text: str) -> Passed:
    """The card with the software statement it came with, as it was sent (RFC 7591 §3.2.1, R-69)."""
    return replace(passed, card={**passed.card, "software_statement": text})


def within(said: Card, scopes: Collection[str]) -> bool:
    """Whether the card asks for no scope beyond these."""
    scope = said.get("scope")
    return not isinstance(scope, str) or all(word in scopes for word in scope.split())


def pass_through(
    said: Card, ground: Ground, rules: Rules, scopes: Collection[str], *, door: Door, tier: Tier, before: Card | None
) -> Passed:
    """What a client may become that says this. Raises `Refusal` naming the first member that cannot be, and all others."""
    judged = judge(said, ground, scopes=scopes, default_scope=rules.default_scope)
    decision = decide(door, tier, before, judged.card, rules)
    refused = tuple(Refusal(reason.no, reason.why) for reason in decision.reasons if reason.outcome is Outcome.REFUSE)
    if refused:
        raise Refusal(refused[0].no, refused[0].description, errors=refused)
    return Passed(decision.card, _reasons(judged, decision), judged.warnings, decision.outcome is Outcome.HOLD)


def _reasons(judged: Judged, decision: Decision) -> bytes:
    rows: list[JSON] = [[change.member, change.was, change.now, change.why] for change in judged.changes]
    rows += [[reason.member, reason.was, reason.now, reason.why] for reason in decision.reasons]
    return msgspec.json.encode(rows) if rows else b""
