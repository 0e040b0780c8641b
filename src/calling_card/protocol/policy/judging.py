"""What the operator's rules and known software make of a card (A-87, R-17, R-89)."""

from collections.abc import Iterator
from dataclasses import replace

from calling_card.protocol.abroad.addresses import host_of
from calling_card.protocol.card.vocabulary import MEMBERS
from calling_card.protocol.clients import JSON, Card, words
from calling_card.protocol.errors import No
from calling_card.protocol.policy.conditions import Case, applies, member_of
from calling_card.protocol.policy.reasons import Outcome, Reason, kept_types
from calling_card.protocol.policy.rows import Policy, Rule, Software, Then
from calling_card.protocol.policy.sites import on_sites

_OUTCOMES = {Then.REFUSE: Outcome.REFUSE, Then.HOLD: Outcome.HOLD}
_PLAIN = {
    Then.REFUSE: "the policy of this server refuses such clients",
    Then.HOLD: "such clients wait until the operator of this server has approved them",
    Then.NARROW: "the policy of this server takes it from such clients",
    Then.REQUIRE: "the policy of this server wants something else of such clients",
}
_SECTION = "(RFC 7591 section 5)"


def rulings(case: Case, policy: Policy) -> tuple[Card, list[Reason]]:
    """The card that the rules leave, and why.

    After each narrowing they begin again, so that every rule has judged what comes into force, and judges it alike the next time.
    """
    narrowed: list[Reason] = []
    while True:
        case, reasons = _in_order(case, policy)
        if not reasons or reasons[-1].outcome is not Outcome.NARROW:
            return case.card, narrowed + reasons
        narrowed.append(reasons[-1])


def met(case: Case, policy: Policy) -> Iterator[Rule]:
    """The rules that are about a case, up to the first that lets it through."""
    for rule in policy.rules:
        if applies(rule, case, policy):
            yield rule
            if rule.then is Then.ALLOW:
                return


def _in_order(case: Case, policy: Policy) -> tuple[Case, list[Reason]]:
    """What software and rules say, up to the first rule that lets the client through, or that takes something away: that is last."""
    reasons = [reason for row in policy.software if (reason := _at_home(row, case)) is not None]
    for rule in met(case, policy):
        if rule.then is Then.ALLOW:
            break
        card, found = _ACTS[rule.then](rule, case.card)
        reasons += found
        if found and found[-1].outcome is Outcome.NARROW:
            return replace(case, card=card), reasons
    return case, reasons


def _at_home(row: Software, case: Case) -> Reason | None:
    """Whether a client that calls itself known software lives somewhere else (R-89)."""
    if case.card.get("software_id") != row.id:
        return None
    places = [("redirect_uris", row.redirect_hosts), *((page, row.client_uri_hosts) for page in _spoken(case.card, "client_uri"))]
    for member, hosts in places:
        uris = _values(member, case.card.get(member))
        foreign = next((uri for uri in uris if hosts and not on_sites(host_of(uri), hosts)), None)
        if foreign is not None:
            why = row.why or "software_id is known here, and this is not where that software is at home"
            return _reason(_OUTCOMES[row.then], member, foreign, None, why, f"software {row.id}")
    return None


def _stop(rule: Rule, card: Card) -> tuple[Card, list[Reason]]:
    member = member_of(rule.when) or member_of(rule.unless)
    return card, [_reason(_OUTCOMES[rule.then], member, card.get(member), None, rule.why or _PLAIN[rule.then], rule.name)]


def _require(rule: Rule, card: Card) -> tuple[Card, list[Reason]]:
    """Every value of the member, in every language, is one of those that are written, and there is one."""
    reasons: list[Reason] = []
    for member, wanted in rule.values.items():
        for name in _spoken(card, member) or (member,):
            values = _values(name, card.get(name))
            if not values or any(value not in wanted for value in values):
                why = f"{rule.why or _PLAIN[rule.then]}; it must be {' or '.join(wanted)}"
                reasons.append(_reason(Outcome.REFUSE, name, card.get(name), None, why, rule.name))
    return card, reasons


def _narrow(rule: Rule, card: Card) -> tuple[Card, list[Reason]]:
    """One member at a time; where nothing of use is left, the client is refused."""
    for member, wanted in rule.values.items():
        values = _values(member, card.get(member))
        kept: list[JSON] = [value for value in values if value in wanted]
        if len(kept) == len(values):
            continue
        why = rule.why or _PLAIN[rule.then]
        if not kept or kept == ["refresh_token"]:
            return card, [_reason(Outcome.REFUSE, member, card.get(member), None, f"{why}; left is {' '.join(wanted)}", rule.name)]
        left: Card = {**card, member: " ".join(map(str, kept)) if member == "scope" else kept}
        if member == "grant_types":
            left["response_types"] = kept_types(left)
        return left, [_reason(Outcome.NARROW, member, card.get(member), left[member], why, rule.name)]
    return card, []


def _spoken(card: Card, member: str) -> list[str]:
    """The member in every language in which the card says it (RFC 7591 §2.2)."""
    return [name for name in card if name.partition("#")[0] == member]


def _values(member: str, value: JSON) -> list[str]:
    """The words of a list or of a scope, or the one text; other values in their plain spelling."""
    if isinstance(value, str):
        return value.split() if member == "scope" else [value]
    return words(value) if isinstance(value, list) else [str(value).lower()] if isinstance(value, bool) else []


def _reason(outcome: Outcome, member: str, was: JSON, now: JSON, why: str, rule: str) -> Reason:
    no = MEMBERS[member.partition("#")[0]].no if member else No.INVALID_CLIENT_METADATA
    told = (
        f"{member}: {why} {_SECTION}" if outcome is Outcome.REFUSE and member else f"{why} {_SECTION}" if outcome is Outcome.REFUSE else why
    )
    return Reason(outcome, member, was, now, told, no, rule)


_ACTS = {Then.REFUSE: _stop, Then.HOLD: _stop, Then.NARROW: _narrow, Then.REQUIRE: _require}
