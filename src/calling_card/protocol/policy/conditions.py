"""What a rule can ask: a row each, and the one reading of lists that cannot be played with (A-87, X-35).

Of a list only some values may match. Doubt goes against the client: a rule that takes something away is about a client of which any
value matches, one that lets it through only about a client of which all do; what spares it from a rule is read the other way round.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from calling_card.protocol.abroad.addresses import host_of
from calling_card.protocol.abroad.lookalikes import borrows
from calling_card.protocol.card.vocabulary import MEMBERS
from calling_card.protocol.clients import Card, Door, Tier, words
from calling_card.protocol.policy.rows import Guest, Policy, Rule, Then
from calling_card.protocol.policy.sites import callback_fits, on_sites, scheme_of

TIERS: Mapping[str, Tier] = {tier.name.lower(): tier for tier in Tier if tier is not Tier.ADMIN}
"""The tiers that are judged: what an operator makes is the operator's own affair."""


@dataclass(frozen=True, slots=True)
class Case:
    """A completed card, who brings it, and how."""

    card: Card
    door: Door
    tier: Tier
    guest: Guest
    new: bool
    """Whether the client registers, and is not there already."""


def _is_one(value: str, wanted: tuple[str, ...], case: Case, policy: Policy) -> bool:
    del case, policy
    return value in wanted


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition that an operator can write."""

    name: str
    meaning: str
    """As in a sentence: "when … is …"."""
    values: Callable[[Case], Sequence[str]]
    """What of the case is compared; each value matches or does not."""
    member: str = ""
    """The member that is named to a client that the rule refuses."""
    known: tuple[str, ...] = ()
    """The words there are; empty: any text."""
    matches: Callable[[str, tuple[str, ...], Case, Policy], bool] = _is_one
    together: bool = False
    """Whether the client must have every one of the values that are written."""


def applies(rule: Rule, case: Case, policy: Policy) -> bool:
    """Whether a rule is about this case."""
    lenient = rule.then is Then.ALLOW
    if not all(_holds(CONDITIONS[name], wanted, case, policy, every=lenient) for name, wanted in rule.when.items()):
        return False
    spared = [_holds(CONDITIONS[name], wanted, case, policy, every=not lenient) for name, wanted in rule.unless.items()]
    return not (spared and all(spared))


def _holds(row: Condition, wanted: tuple[str, ...], case: Case, policy: Policy, *, every: bool) -> bool:
    values = row.values(case)
    if row.together:
        return all(one in values for one in wanted)
    found = [row.matches(value, wanted, case, policy) for value in values]
    return bool(found) and (all(found) if every else any(found))


def _text(name: str) -> Callable[[Case], Sequence[str]]:
    """The value of a member that is one text."""

    def values(case: Case) -> Sequence[str]:
        value = case.card.get(name)
        return (value,) if isinstance(value, str) else ()

    return values


def _list(name: str) -> Callable[[Case], Sequence[str]]:
    def values(case: Case) -> Sequence[str]:
        return words(case.card.get(name))

    return values


def _names(case: Case) -> Sequence[str]:
    """What it is called, in every language."""
    return [text for name, text in case.card.items() if name.partition("#")[0] == "client_name" and isinstance(text, str)]


def _scopes(case: Case) -> Sequence[str]:
    return str(case.card.get("scope", "")).split()


def _hosts(case: Case) -> Sequence[str]:
    """A redirect that is on no host counts as one that no list has."""
    return [host_of(uri) for uri in words(case.card.get("redirect_uris"))]


def _schemes(case: Case) -> Sequence[str]:
    return [scheme_of(uri) for uri in words(case.card.get("redirect_uris"))]


def _resources(case: Case) -> Sequence[str]:
    asked = set(_scopes(case))
    return [uri for uri, scope in case.guest.resources.items() if not asked.isdisjoint(scope.split())]


def _on_sites(value: str, wanted: tuple[str, ...], case: Case, policy: Policy) -> bool:
    del case, policy
    return on_sites(value, wanted)


def _of_invitation(value: str, wanted: tuple[str, ...], case: Case, policy: Policy) -> bool:
    del policy
    return value in wanted or case.guest.label in wanted


def _with_brand(value: str, wanted: tuple[str, ...], case: Case, policy: Policy) -> bool:
    del case, policy
    return any(borrows(value, brand) for brand in wanted)


def _of_preset(value: str, wanted: tuple[str, ...], case: Case, policy: Policy) -> bool:
    del case
    return any(callback_fits(callback, value) for name in wanted for callback in policy.presets[name])


def _said(text: str) -> Sequence[str]:
    return (text,) if text else ()


def _known(name: str) -> tuple[str, ...]:
    return MEMBERS[name].known


ROWS: tuple[Condition, ...] = (
    Condition("tier", "the tier", lambda case: (case.tier.name.lower(),), known=tuple(TIERS)),
    Condition("door", "the door", lambda case: (case.door.value,), known=tuple(door.value for door in Door if door is not Door.ADMIN)),
    Condition("change", "the change", lambda case: ("create" if case.new else "update",), known=("create", "update")),
    Condition("invitation", "the initial access token", lambda case: _said(case.guest.invitation), matches=_of_invitation),
    Condition("owner", "the owner", lambda case: _said(case.guest.owner)),
    Condition("issuer", "the issuer of the software statement", lambda case: _said(case.guest.issuer)),
    Condition("redirect_host", "a redirect host", _hosts, "redirect_uris", matches=_on_sites),
    Condition("redirect_scheme", "a redirect scheme", _schemes, "redirect_uris"),
    Condition("preset", "a redirect URI", _list("redirect_uris"), "redirect_uris", matches=_of_preset),
    Condition("brand", "what a name has in it", _names, "client_name", matches=_with_brand),
    Condition("software_id", "software_id", _text("software_id"), "software_id"),
    Condition("software_version", "software_version", _text("software_version"), "software_version"),
    Condition("application_type", "application_type", _text("application_type"), "application_type", _known("application_type")),
    Condition("grant", "a grant type", _list("grant_types"), "grant_types", _known("grant_types")),
    Condition("grants_together", "the set of grant types", _list("grant_types"), "grant_types", known=_known("grant_types"), together=True),
    Condition("response_type", "a response type", _list("response_types"), "response_types", _known("response_types")),
    Condition(
        "auth_method",
        "token_endpoint_auth_method",
        _text("token_endpoint_auth_method"),
        "token_endpoint_auth_method",
        _known("token_endpoint_auth_method"),
    ),
    Condition("scope", "a scope", _scopes, "scope"),
    Condition("resource", "a resource server", _resources, "scope"),
)

CONDITIONS: Mapping[str, Condition] = {row.name: row for row in ROWS}


def member_of(names: Collection[str]) -> str:
    """The first member that these conditions look at, or empty."""
    return next((CONDITIONS[name].member for name in names if CONDITIONS[name].member), "")
