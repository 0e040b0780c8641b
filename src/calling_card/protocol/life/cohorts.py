"""Many clients by what they have in common: the criteria, a row each, and what may be done to all who meet them (M-39, A-83)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, TypeVar

from msgspec import structs

from calling_card.protocol.abroad.addresses import host_of, host_problem
from calling_card.protocol.abroad.clientids import host_in, listed
from calling_card.protocol.clients import JSON, Card, Client, Door, Route, State, Tier, words
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.life.approval import suspended
from calling_card.protocol.syntax import echo


@dataclass(frozen=True, slots=True)
class Candidate:
    """A client that may be one of those who are meant, with its card."""

    client: Client
    card: Card


Test: TypeAlias = Callable[[Candidate], bool]
W = TypeVar("W", Door, Route, State)

ID = re.compile(r"[0-9a-f]{32}")
"""How an initial access token is named: by its id, never by itself."""
_SECONDS = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Criterion:
    """One way to name clients."""

    name: str
    metavar: str
    meaning: str
    test: Callable[[str], Test]
    """What a client must pass for this value. Raises `Refusal` for a value that names nothing."""


def _software(value: str) -> Test:
    return lambda one: one.card.get("software_id") == value


def _invitation(value: str) -> Test:
    ids = value.split(",")
    if not all(ID.fullmatch(id) for id in ids):
        raise _no("invitation", value, "is the id or the label of no initial access token")
    return lambda one: one.client.invitation is not None and one.client.invitation.hex() in ids


def _redirect_host(value: str) -> Test:
    entry = _entry("redirect_host", value)
    return lambda one: any(listed(uri, host_of(uri), (entry,)) for uri in words(one.card.get("redirect_uris")))


def _client_host(value: str) -> Test:
    entry = _entry("client_host", value)
    return lambda one: one.client.route is not Route.REGISTERED and listed(one.client.client_id, host_in(one.client.client_id), (entry,))


def _entry(name: str, value: str) -> str:
    """A host in lower case, alone or behind ``*.``; a whole address as it stands."""
    if ":" in value and not value.startswith("["):
        return value
    problem = host_problem(value.lower().removeprefix("*."))
    if problem:
        raise _no(name, value, problem)
    return value.lower()


def _statement_issuer(value: str) -> Test:
    return lambda one: _claim(one, "iss") == value


def _statement(value: str) -> Test:
    return lambda one: _claim(one, "jti") == value


def _claim(one: Candidate, name: str) -> JSON:
    """What the software statement says by which a client came in; it was verified then."""
    from calling_card.protocol.trust.statements import MEMBER, read

    if one.client.tier is not Tier.VOUCHED:
        return None
    try:
        return read(one.card.get(MEMBER)).claims.get(name)
    except Refusal:
        return None


def _door(value: str) -> Test:
    door = _one_of("door", Door, value)
    return lambda one: one.client.door is door


def _route(value: str) -> Test:
    route = _one_of("route", Route, value)
    return lambda one: one.client.route is route


def _state(value: str) -> Test:
    state = _one_of("state", State, value)
    return lambda one: one.client.state is state


def _one_of(name: str, kind: type[W], value: str) -> W:
    if value not in list(kind):
        raise _no(name, value, f"is none of {', '.join(kind)}")
    return kind(value)


def _after(value: str) -> Test:
    at = _seconds("issued_after", value)
    return lambda one: one.client.issued_at >= at


def _before(value: str) -> Test:
    at = _seconds("issued_before", value)
    return lambda one: one.client.issued_at < at


def _seconds(name: str, value: str) -> int:
    if not _SECONDS.fullmatch(value):
        raise _no(name, value, "is not a time in seconds since 1970")
    return int(value)


def _no(name: str, value: str, problem: str) -> Refusal:
    return Refusal(No.INVALID_REQUEST, f"{name}: '{echo(value)}' {problem}")


CRITERIA: tuple[Criterion, ...] = (
    Criterion("software_id", "TEXT", "The software they say they are.", _software),
    Criterion("invitation", "ID|LABEL", "The initial access token that let them in.", _invitation),
    Criterion("redirect_host", "HOST", "A host that one of their redirect URIs has; *.DOMAIN, or a whole redirect URI.", _redirect_host),
    Criterion("client_host", "HOST", "The host of a client_id that is a URL; *.DOMAIN, or the whole URL.", _client_host),
    Criterion("statement_issuer", "URL", "Who issued the software statement they came by.", _statement_issuer),
    Criterion("statement", "JTI", "The software statement they came by.", _statement),
    Criterion("door", "DOOR", f"The way they came in: {', '.join(Door)}.", _door),
    Criterion("route", "ROUTE", f"The kind of client_id they have: {', '.join(Route)}.", _route),
    Criterion("state", "STATE", f"What they may do now: {', '.join(State)}.", _state),
    Criterion("issued_after", "TIME", "They came at this time or later.", _after),
    Criterion("issued_before", "TIME", "They came before this time.", _before),
)

NAMES = {criterion.name: criterion for criterion in CRITERIA}


@dataclass(frozen=True, slots=True)
class Cohort:
    """Every client that passes all of these tests."""

    where: Mapping[str, str]
    """The criteria by name, as they were said."""
    tests: Sequence[Test]

    def has(self, one: Candidate) -> bool:
        """Whether the client is one of them."""
        return all(test(one) for test in self.tests)

    def told(self) -> dict[str, JSON]:
        """The criteria, for the audit."""
        return {**self.where}


def cohort(where: Mapping[str, str]) -> Cohort:
    """The clients that meet every criterion; what the operator made is among them only when the door ``admin`` is named.

    Raises `Refusal` when no criterion was named, since nobody means everybody, or a value names nothing.
    """
    if not where:
        raise Refusal(No.INVALID_REQUEST, f"say which clients: at least one of {', '.join(NAMES)}")
    unknown = [name for name in where if name not in NAMES]
    if unknown:
        raise Refusal(No.INVALID_REQUEST, f"{echo(unknown[0])}: clients are not known by this; known is {', '.join(NAMES)}")
    tests = [NAMES[name].test(value) for name, value in where.items()]
    return Cohort(dict(where), tests if "door" in where else [_theirs, *tests])


def _theirs(one: Candidate) -> bool:
    """Whether the client came by itself: a resource server must not end with those who ask it for something."""
    return one.client.tier is not Tier.ADMIN


class Act(StrEnum):
    """What may be done to many clients at once."""

    SUSPEND = "suspend"
    REVOKE = "revoke"
    DELETE = "delete"


EVENTS = {Act.SUSPEND: "client_suspended", Act.REVOKE: "client_revoked", Act.DELETE: "client_deleted"}


def ended(client: Client, act: Act) -> Client:
    """The client after an act that leaves it there: its access tokens are dead, and one that is suspended may not act."""
    return suspended(client) if act is Act.SUSPEND else structs.replace(client, epoch=client.epoch + 1)
