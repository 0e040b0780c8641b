"""Tiers whose clients wait for approval, whatever they say (A-88)."""

from collections.abc import Collection

from msgspec import structs

from calling_card.protocol.clients import Tier
from calling_card.protocol.policy.decide import Decision, Outcome, Reason


def awaited(decision: Decision, tier: Tier, hold: Collection[str]) -> Decision:
    """The decision, held where the client's tier is among those that wait."""
    if not hold or (name := tier.name.lower()) not in hold:
        return decision
    reason = Reason(Outcome.HOLD, "registration_state", None, "held", f"{name} clients wait for approval")
    worst = max(decision.outcome, Outcome.HOLD, key=list(Outcome).index)
    return structs.replace(decision, outcome=worst, reasons=(*decision.reasons, reason))
