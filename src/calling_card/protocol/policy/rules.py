"""The built-in rule set: what each tier may have (DESIGN, "One corridor"; H-03)."""

from collections.abc import Collection
from dataclasses import dataclass

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
