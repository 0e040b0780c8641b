"""What a client may become: rules by tier, and the one decision that every door asks for (DESIGN, "One corridor")."""

from calling_card.protocol.policy.approval import awaited
from calling_card.protocol.policy.decide import Decision, Outcome, Reason, decide
from calling_card.protocol.policy.rows import Guest, Policy
from calling_card.protocol.policy.rules import Rules, invited, needs_nobody, operator, shorter, under, uninvited

__all__ = [
    "Decision",
    "Guest",
    "Outcome",
    "Policy",
    "Reason",
    "Rules",
    "awaited",
    "decide",
    "invited",
    "needs_nobody",
    "operator",
    "shorter",
    "under",
    "uninvited",
]
