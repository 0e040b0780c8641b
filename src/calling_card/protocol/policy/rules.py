"""What each tier may have: the built-in rule set, and under it the ceilings of an operator (DESIGN, "One corridor"; H-03)."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from calling_card.protocol.clients import Tier
from calling_card.protocol.policy.rows import Ceiling, Guest, Policy

ASKING_GRANTS = ("authorization_code", "refresh_token")
"""Grants that need a person's consent before they give anything: harmless for strangers."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Ceilings for one client."""

    name: str
    """Shown in reasons and events."""
    grants: frozenset[str]
    scopes: frozenset[str] | None
    """None: every scope the server knows."""
    default_scope: str
    """What a client gets that asks for no scope, space-separated."""
    hosts: frozenset[str] | None = None
    """Hosts of redirect URIs in lower case; None: any."""
    methods: frozenset[str] | None = None
    """How it may authenticate; None: as served. So are the next two."""
    algorithms: frozenset[str] | None = None
    schemes: frozenset[str] | None = None
    """Schemes of redirect URIs in lower case; None: any."""
    sites: tuple[str, ...] | None = None
    """Further bounds for hosts of redirect URIs, with ``*.`` domains; None: any."""
    policy: Policy | None = None
    """The operator's rules, which are judged within these ceilings; None: there are none."""
    guest: Guest = field(default_factory=Guest)


def under(rules: Rules, policy: Policy | None, tier: Tier, guest: Guest) -> Rules:
    """The same within the operator's ceiling for the tier: it can take away and never give, so the stricter of both holds (M-30, H-03)."""
    if policy is None:
        return rules
    ceiling = policy.ceilings.get(tier, Ceiling())
    scopes = _both(rules.scopes, ceiling.scopes)
    return replace(
        rules,
        grants=rules.grants if ceiling.grants is None else rules.grants & frozenset(ceiling.grants),
        scopes=scopes,
        default_scope=" ".join(word for word in rules.default_scope.split() if scopes is None or word in scopes),
        methods=_both(rules.methods, ceiling.auth_methods),
        algorithms=_both(rules.algorithms, ceiling.algorithms),
        schemes=_both(rules.schemes, ceiling.redirect_schemes),
        sites=ceiling.redirect_hosts,
        policy=policy,
        guest=guest,
    )


def _both(one: frozenset[str] | None, other: Collection[str] | None) -> frozenset[str] | None:
    if other is None:
        return one
    return frozenset(other) if one is None else one & frozenset(other)


def shorter(seconds: int, ceiling: int) -> int:
    """The shorter of two lifetimes, of which 0 has no end."""
    return min(filter(None, (seconds, ceiling)), default=0)


def uninvited(scopes: Collection[str] | None, default_scope: str) -> Rules:
    """Anonymous clients: no power of their own, and only the scopes on the list."""
    return Rules("anonymous", frozenset(ASKING_GRANTS), None if scopes is None else frozenset(scopes), default_scope)


def needs_nobody(grants: Collection[str] | None) -> bool:
    """Whether one of the grants gives tokens without a person who decides what they are for."""
    return not frozenset(grants or ()) <= frozenset(ASKING_GRANTS)


def invited(base: Rules, scope: str | None, grants: Collection[str] | None, hosts: Collection[str] | None) -> Rules:
    """Clients with an initial access token: what the invitation says, and the anonymous rules where it is silent.

    Where nobody decides later, silence about scopes is no leave to take them all: the default scope is the ceiling.
    """
    unsaid = frozenset(base.default_scope.split()) if needs_nobody(grants) else base.scopes
    return Rules(
        "invited",
        base.grants if grants is None else frozenset(grants),
        unsaid if scope is None else frozenset(scope.split()),
        base.default_scope if scope is None else scope,
        None if hosts is None else frozenset(host.lower() for host in hosts),
    )


def operator(grants: Collection[str]) -> Rules:
    """Clients that an operator made: every grant that is served."""
    return Rules("operator", frozenset(grants), None, "")
