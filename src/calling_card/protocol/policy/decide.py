"""One decision for every door and every change (A-87; DESIGN, "One corridor")."""

from collections.abc import Callable, Collection

from calling_card.protocol.abroad.addresses import host_of
from calling_card.protocol.clients import JSON, Card, Door, Tier, texts_of
from calling_card.protocol.errors import No
from calling_card.protocol.policy.conditions import Case
from calling_card.protocol.policy.judging import rulings
from calling_card.protocol.policy.reasons import Decision, Outcome, Reason, kept_types
from calling_card.protocol.policy.rules import Rules
from calling_card.protocol.policy.sites import on_sites, scheme_of

__all__ = ["Decision", "Outcome", "Reason", "decide"]


def decide(door: Door, tier: Tier, before: Card | None, card: Card, rules: Rules) -> Decision:
    """Judge a completed card by the rules of its tier, at registration (``before`` is None) and at every change.

    The card is judged whole, never only the members that were sent, so that nothing passes by omission (X-35). Ceilings come first,
    the operator's rules then judge what they left.
    """
    result = dict(card)
    reasons = [reason for rule in _RULES if (reason := rule(result, rules, tier)) is not None]
    if rules.policy is not None:
        result, found = rulings(Case(result, door, tier, rules.guest, new=before is None), rules.policy)
        reasons += found
    worst = max([reason.outcome for reason in reasons], key=_WORSE) if reasons else Outcome.ALLOW
    return Decision(worst, result, tuple(reasons))


def _grants(card: Card, rules: Rules, tier: Tier) -> Reason | None:
    """Grants above the ceiling go; a client that would be left without a use of its own is refused."""
    said = texts_of(card, "grant_types")
    if rules.grants.issuperset(said):
        return None
    kept: list[JSON] = [grant for grant in said if grant in rules.grants]
    lost = ", ".join(grant for grant in said if grant not in rules.grants)
    if not kept or kept == ["refresh_token"]:
        allowed = ", ".join(sorted(rules.grants)) or "none"
        way = "; an initial access token that allows it opens this door" if tier < Tier.TOKEN else ""
        why = f"grant_types: {lost} is not allowed to {rules.name} clients, which may have {allowed} (RFC 7591 section 5){way}"
        return Reason(Outcome.REFUSE, "grant_types", list(said), [], why)
    card["grant_types"] = kept
    card["response_types"] = kept_types(card)
    return Reason(Outcome.NARROW, "grant_types", list(said), kept, f"{lost} is not allowed to {rules.name} clients")


def _scopes(card: Card, rules: Rules, tier: Tier) -> Reason | None:
    """Scopes above the ceiling go; with none left, the default that lies within the ceiling takes their place."""
    del tier
    scope = card.get("scope")
    if rules.scopes is None or not isinstance(scope, str):
        return None
    said = scope.split()
    if rules.scopes.issuperset(said):
        return None
    kept = [word for word in said if word in rules.scopes]
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
    for uri in texts_of(card, "redirect_uris"):
        host = host_of(uri)
        if not host or host not in rules.hosts:
            listed = ", ".join(sorted(rules.hosts))
            why = f"redirect_uris: the host {host or '(none)'} is not one this invitation allows: {listed} (RFC 7591 section 5)"
            return Reason(Outcome.REFUSE, "redirect_uris", uri, None, why, No.INVALID_REDIRECT_URI)
    return None


def _sites(card: Card, rules: Rules, tier: Tier) -> Reason | None:
    """As with an invitation; a redirect that is not on the web passes where its scheme is on the list of schemes."""
    if rules.sites is None:
        return None
    for uri in texts_of(card, "redirect_uris"):
        host = host_of(uri)
        if not on_sites(host, rules.sites) and (host or scheme_of(uri) not in (rules.schemes or ())):
            return _redirect(uri, f"the host {host or '(none)'}", tier, rules.sites)
    return None


def _schemes(card: Card, rules: Rules, tier: Tier) -> Reason | None:
    if rules.schemes is None:
        return None
    for uri in texts_of(card, "redirect_uris"):
        if scheme_of(uri) not in rules.schemes:
            return _redirect(uri, f"the scheme {scheme_of(uri)}", tier, sorted(rules.schemes))
    return None


def _redirect(uri: str, what: str, tier: Tier, taken: Collection[str]) -> Reason:
    why = f"redirect_uris: {what} is not one that {tier.name.lower()} clients may have: {', '.join(taken) or 'none'} (RFC 7591 section 5)"
    return Reason(Outcome.REFUSE, "redirect_uris", uri, None, why, No.INVALID_REDIRECT_URI)


def _methods(card: Card, rules: Rules, tier: Tier) -> Reason | None:
    method = card.get(_METHOD)
    return None if rules.methods is None or method in rules.methods else _word(_METHOD, method, tier, rules.methods)


def _algorithms(card: Card, rules: Rules, tier: Tier) -> Reason | None:
    """Every member for an algorithm; a client that signs its assertions must name the one, or it could use any."""
    if rules.algorithms is None:
        return None
    for name, value in card.items():
        if name.endswith("_alg") and value not in rules.algorithms:
            return _word(name, value, tier, rules.algorithms)
    if str(card.get(_METHOD)).endswith("_jwt") and _METHOD_ALG not in card:
        return _word(_METHOD_ALG, None, tier, rules.algorithms)
    return None


def _word(member: str, value: JSON, tier: Tier, taken: Collection[str]) -> Reason:
    may = ", ".join(sorted(taken)) or "none"
    why = f"{member}: {'must be said' if value is None else f'{value} is not allowed'}; {tier.name.lower()} clients may have {may}"
    return Reason(Outcome.REFUSE, member, value, None, f"{why} (RFC 7591 section 5)")


_WORSE = list(Outcome).index
_METHOD = "token_endpoint_auth_method"
_METHOD_ALG = "token_endpoint_auth_signing_alg"
_RULES: tuple[Callable[[Card, Rules, Tier], Reason | None], ...] = (_grants, _scopes, _hosts, _sites, _schemes, _methods, _algorithms)
