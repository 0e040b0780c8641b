"""One decision for every door and every change (A-87; DESIGN, "One corridor")."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from calling_card.protocol.addresses import host_of
from calling_card.protocol.clients import JSON, Card, Door, Tier, words
from calling_card.protocol.errors import No
from calling_card.protocol.policy.rules import Rules
from calling_card.protocol.rules import grants_of


class Outcome(StrEnum):
    """How a decision, or one reason of it, turns out."""

    ALLOW = "allow"
    NARROW = "narrow"
    HOLD = "hold"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one member was not taken as it was said."""

    outcome: Outcome
    member: str
    was: JSON
    now: JSON
    why: str
    no: No = No.INVALID_CLIENT_METADATA


@dataclass(frozen=True, slots=True)
class Decision:
    """What a client may become: the card in force and the reasons, as data."""

    outcome: Outcome
    card: Card
    reasons: tuple[Reason, ...]


def decide(door: Door, tier: Tier, before: Card | None, card: Card, rules: Rules) -> Decision:
    """Judge a completed card by the rules of its tier, at registration (``before`` is None) and at every change.

    The card is judged whole, never only the members that were sent, so that nothing passes by omission (X-35).
    """
    del door, before  # the built-in rules look at the result alone; rule sets of operators will look at these
    result = dict(card)
    reasons = [reason for rule in _RULES if (reason := rule(result, rules, tier)) is not None]
    worst = max((reason.outcome for reason in reasons), key=list(Outcome).index, default=Outcome.ALLOW)
    return Decision(worst, result, tuple(reasons))


def _grants(card: Card, rules: Rules, tier: Tier) -> Reason | None:
    """Grants above the ceiling go; a client that would be left without a use of its own is refused."""
    said = words(card.get("grant_types"))
    kept: list[JSON] = [grant for grant in said if grant in rules.grants]
    if len(kept) == len(said):
        return None
    lost = ", ".join(grant for grant in said if grant not in rules.grants)
    if not kept or kept == ["refresh_token"]:
        allowed = ", ".join(sorted(rules.grants)) or "none"
        way = "; an initial access token that allows it opens this door" if tier < Tier.TOKEN else ""
        why = f"grant_types: {lost} is not allowed to {rules.name} clients, which may have {allowed} (RFC 7591 section 5){way}"
        return Reason(Outcome.REFUSE, "grant_types", list(said), [], why)
    card["grant_types"] = kept
    card["response_types"] = [kind for kind in words(card.get("response_types")) if all(grant in kept for grant in grants_of(kind))]
    return Reason(Outcome.NARROW, "grant_types", list(said), kept, f"{lost} is not allowed to {rules.name} clients")


def _scopes(card: Card, rules: Rules, tier: Tier) -> Reason | None:
    """Scopes above the ceiling go; with none left, the default that lies within the ceiling takes their place."""
    del tier
    scope = card.get("scope")
    if rules.scopes is None or not isinstance(scope, str):
        return None
    said = scope.split()
    kept = [word for word in said if word in rules.scopes]
    if len(kept) == len(said):
        return None
    kept = kept or [word for word in rules.default_scope.split() if word in rules.scopes]
    if not kept:
        ceiling = " ".join(sorted(rules.scopes)) or "none"
        why = f"scope: none of the scopes is allowed; allowed are: {ceiling} (RFC 7591 section 2)"
        return Reason(Outcome.REFUSE, "scope", scope, None, why)
    card["scope"] = " ".join(kept)
    return Reason(Outcome.NARROW, "scope", scope, card["scope"], f"{rules.name} clients may have {' '.join(sorted(rules.scopes))}")


def _hosts(card: Card, rules: Rules, tier: Tier) -> Reason | None:
    """Redirect URIs are never replaced, so one that is not on the web, or on a host outside the list, refuses the whole registration."""
    del tier
    if rules.hosts is None:
        return None
    for uri in words(card.get("redirect_uris")):
        host = host_of(uri)
        if not host or host not in rules.hosts:
            listed = ", ".join(sorted(rules.hosts))
            why = f"redirect_uris: the host {host or '(none)'} is not one this invitation allows: {listed} (RFC 7591 section 5)"
            return Reason(Outcome.REFUSE, "redirect_uris", uri, None, why, No.INVALID_REDIRECT_URI)
    return None


_RULES: tuple[Callable[[Card, Rules, Tier], Reason | None], ...] = (_grants, _scopes, _hosts)
