"""What a client may become: rules by tier, and the one decision that every door asks for (DESIGN, "One corridor")."""

from calling_card.protocol.policy.decide import Decision, Outcome, Reason, decide
from calling_card.protocol.policy.rules import Rules, invited, needs_nobody, operator, uninvited

__all__ = ["Decision", "Outcome", "Reason", "Rules", "decide", "invited", "needs_nobody", "operator", "uninvited"]
