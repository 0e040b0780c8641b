"""A policy in sentences, as an operator reads it over before it counts (A-87)."""

from collections.abc import Iterator, Mapping

from calling_card.protocol.policy.conditions import CONDITIONS
from calling_card.protocol.policy.rows import Ceiling, Policy, Rule, Software, Then

_ACTS = {Then.ALLOW: "lets through", Then.REFUSE: "refuses", Then.HOLD: "holds for approval"}
_BOUNDS = {
    "scopes": "scopes",
    "grants": "grant types",
    "auth_methods": "ways to authenticate",
    "algorithms": "algorithms",
    "redirect_hosts": "redirect hosts",
    "redirect_schemes": "redirect schemes",
}


def sentences(policy: Policy) -> Iterator[tuple[str, str]]:
    """Each row of the policy by its place, and what it does, in the order in which it is judged."""
    for tier, ceiling in policy.ceilings.items():
        yield (
            f"ceiling.{tier.name.lower()}",
            f"{tier.name.lower()} clients may have {'; '.join(_bounds(ceiling)) or 'what they may without it'}",
        )
    for row in policy.software:
        if row.redirect_hosts or row.client_uri_hosts:
            yield f"software {row.id}", _at_home(row)
        if row.single_instance:
            yield f"software {row.id}", f"refuses a second living client of one version of {row.id}"
    for number, rule in enumerate(policy.rules, 1):
        yield f"rule {number} ({rule.name})", _sentence(rule)


def _bounds(ceiling: Ceiling) -> Iterator[str]:
    for name, shown in _BOUNDS.items():
        values: tuple[str, ...] | None = getattr(ceiling, name)
        if values is not None:
            yield f"{shown} {', '.join(values) or 'none'}"
    for name, shown in (("secret_lifetime", "a secret"), ("refresh_lifetime", "refresh tokens")):
        if getattr(ceiling, name):
            yield f"{shown} for {getattr(ceiling, name)} seconds"
    if ceiling.clients:
        yield f"{ceiling.clients} registrations in all"
    if ceiling.consent == "always":
        yield "no yes that is remembered"


def _at_home(row: Software) -> str:
    places = (("redirect hosts", row.redirect_hosts), ("hosts of client_uri", row.client_uri_hosts))
    told = " or ".join(f"other {shown} than {', '.join(hosts)}" for shown, hosts in places if hosts)
    return f"{_ACTS[row.then]} whoever calls itself {row.id} and has {told}{_told(row.why)}"


def _sentence(rule: Rule) -> str:
    """Of a list a rule against the client looks for any value, one for the client at all of them."""
    lenient = rule.then is Then.ALLOW
    whom = " and ".join(_conditions(rule.when, every=lenient))
    spared = " and ".join(_conditions(rule.unless, every=not lenient))
    anybody = "of any client" if rule.values else "any client"
    about = f"when {whom}" if whom else anybody
    return f"{_act(rule)} {about}{f', unless {spared}' if spared else ''}{_told(rule.why)}"


def _conditions(table: Mapping[str, tuple[str, ...]], *, every: bool) -> Iterator[str]:
    for name, wanted in table.items():
        row = CONDITIONS[name]
        if row.together:
            yield f"{row.meaning} has {' and '.join(wanted)}"
        else:
            meaning = row.meaning.removeprefix("a ")
            shown = row.meaning if meaning == row.meaning else f"{'every' if every else 'a'} {meaning}"
            yield f"{shown} is {'one of the preset ' if name == 'preset' else ''}{' or '.join(wanted)}"


def _act(rule: Rule) -> str:
    if rule.then in _ACTS:
        return _ACTS[rule.then]
    verb = "leaves of" if rule.then is Then.NARROW else "wants"
    return " and ".join(
        f"{verb} {name} {'only ' if rule.then is Then.NARROW else 'to be '}{' or '.join(values)}" for name, values in rule.values.items()
    )


def _told(why: str) -> str:
    return f" ({why})" if why else ""
