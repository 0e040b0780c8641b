"""What an operator's policy is made of: ordered rules, ceilings by tier, known software (A-87, R-89)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from calling_card.protocol.clients import Tier

VERSION = 1
"""The format of the file."""


class Then(StrEnum):
    """What a rule does with a client that it is about."""

    ALLOW = "allow"
    REFUSE = "refuse"
    HOLD = "hold"
    NARROW = "narrow"
    REQUIRE = "require"


def _none() -> dict[str, tuple[str, ...]]:
    return {}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; the first ones are judged first."""

    name: str
    then: Then
    when: Mapping[str, tuple[str, ...]] = field(default_factory=_none)
    """Condition to the values of which one must match; all conditions must hold. Empty: every client."""
    unless: Mapping[str, tuple[str, ...]] = field(default_factory=_none)
    """What spares a client from the rule when all of it holds. Empty: nothing does."""
    values: Mapping[str, tuple[str, ...]] = field(default_factory=_none)
    """Member to the values it may have, for ``narrow`` and ``require``."""
    why: str = ""
    """What the client is told; empty: what the rule does."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What no client of a tier may go beyond, whatever the rules say; None: nothing is said of it."""

    scopes: tuple[str, ...] | None = None
    grants: tuple[str, ...] | None = None
    auth_methods: tuple[str, ...] | None = None
    algorithms: tuple[str, ...] | None = None
    """For each member that names a signature or key encryption algorithm."""
    redirect_hosts: tuple[str, ...] | None = None
    redirect_schemes: tuple[str, ...] | None = None
    secret_lifetime: int = 0
    """Seconds; 0: nothing is said of it."""
    refresh_lifetime: int = 0
    clients: int = 0
    """How many there may be; 0: any number."""
    consent: str = "remembered"
    """Whether a yes may be remembered, or is asked for each time: ``remembered``, ``always``."""


UNBOUNDED = Ceiling()
"""Of a tier of which the operator says nothing."""


@dataclass(frozen=True, slots=True)
class Software:
    """A ``software_id`` that the operator knows, and where it is at home (R-89)."""

    id: str
    redirect_hosts: tuple[str, ...] = ()
    """Empty: any."""
    client_uri_hosts: tuple[str, ...] = ()
    then: Then = Then.REFUSE
    why: str = ""
    single_instance: bool = False
    """Whether of one ``software_version`` only one client may live (R-88)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as an operator wrote it, checked."""

    name: str
    digest: str
    """The beginning of the SHA-256 of its text: which version of it."""
    rules: Sequence[Rule] = ()
    ceilings: Mapping[Tier, Ceiling] = field(default_factory=dict[Tier, Ceiling])
    software: Sequence[Software] = ()
    presets: Mapping[str, tuple[str, ...]] = field(default_factory=_none)
    """Callbacks by name: those of the file, and those that it uses of ours."""

    @property
    def label(self) -> str:
        """Name and version in one word, as decisions are marked."""
        return f"{self.name}@{self.digest}"

    @property
    def asks_resources(self) -> bool:
        """Whether some rule looks at resource servers."""
        return any("resource" in table for rule in self.rules for table in (rule.when, rule.unless))


@dataclass(frozen=True, slots=True)
class Guest:
    """What is known of who brings a card, besides door and tier."""

    invitation: str = ""
    """Id of its initial access token in hexadecimal."""
    label: str = ""
    """What the initial access token is for."""
    owner: str = ""
    issuer: str = ""
    """Who made its software statement."""
    resources: Mapping[str, str] = field(default_factory=dict[str, str])
    """Every resource server: its URI to its scopes."""
