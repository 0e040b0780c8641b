"""What a caller draws on who makes or changes a client: budgets, a row each (H-11, R-93, M-47, X-33).

Whoever brings a credential draws on what is kept for that credential, and for nothing that a stranger could use up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from calling_card.protocol.abroad.addresses import host_of, stays_on_device
from calling_card.protocol.clients import Card, Tier, texts_of
from calling_card.protocol.errors import No, Refusal


@dataclass(frozen=True, slots=True)
class Cause:
    """One way to use up a budget."""

    name: str
    counts: str
    """What there may be too many of."""
    setting: str
    """How many a minute; 0: no limit."""
    burst: str = ""
    """The setting that says how many at once; empty: as many as a minute has."""
    below: str = ""
    """The setting of the wider budget that this one is part of: where that has no limit, this has none."""
    way_out: str = "try again later"
    """What whoever is refused can do."""


_INVITED = "try again later, or register with an initial access token"

INVITED = Cause("initial_access_token", "registrations with one initial access token", "invitation_rate")
OWNER = Cause("owner", "registrations with access tokens of one owner", "registration_rate", "registration_burst")
STATEMENT_ISSUER = Cause("statement_issuer", "registrations with statements of one issuer", "registration_rate", "registration_burst")
STATED_SOFTWARE = Cause("stated_software", "registrations with statements about one software", "software_rate", below="registration_rate")
STRANGERS = Cause("strangers", "registrations without an initial access token", "registration_rate", "registration_burst", way_out=_INVITED)
NETWORK = Cause("network", "registrations from one network", "network_rate", below="registration_rate", way_out=_INVITED)
REDIRECT_HOST = Cause("redirect_host", "registrations for one redirect host", "host_rate", below="registration_rate", way_out=_INVITED)
SOFTWARE = Cause("software_id", "registrations with one software_id", "software_rate", below="registration_rate", way_out=_INVITED)
CHANGES = Cause("changes", "changes of one registration", "change_rate")
MEETINGS = Cause("meetings", "clients that were never seen before, from one network", "meeting_rate")

CAUSES: tuple[Cause, ...] = (
    INVITED,
    OWNER,
    STATEMENT_ISSUER,
    STATED_SOFTWARE,
    STRANGERS,
    NETWORK,
    REDIRECT_HOST,
    SOFTWARE,
    CHANGES,
    MEETINGS,
)

Draw: TypeAlias = tuple[Cause, str]
"""One use, and of whose budget: two keys of one cause have nothing in common."""


def strangers(named: Sequence[Draw], network: str) -> Sequence[Draw]:
    """What somebody draws on who brings nothing: the pool, the network, and whatever the card names."""
    return [(STRANGERS, ""), (NETWORK, network), *named] if network else [(STRANGERS, ""), *named]


def names(card: Card) -> Sequence[Draw]:
    """What a card draws on by what it says of hosts and software.

    A callback that ends on the device names no host, since every device has it.
    """
    callbacks, software = texts_of(card, "redirect_uris"), card.get("software_id")
    hosts: list[Draw] = [(REDIRECT_HOST, host) for host in dict.fromkeys(host_of(uri) for uri in callbacks if not stays_on_device(uri))]
    return [*hosts, (SOFTWARE, software)] if isinstance(software, str) else hosts


def stated(issuer: str, software: str) -> Sequence[Draw]:
    """What a software statement draws on: no issuer uses up another's budget, and no software all of its issuer's."""
    draws = [(STATEMENT_ISSUER, issuer)]
    return [*draws, (STATED_SOFTWARE, f"{issuer} {software}")] if software else draws


AGAIN = 600
"""Seconds after which a stranger may try again who found no room; by then something may have been pruned or approved."""


def no_room() -> Refusal:
    """The refusal of a stranger where as many are kept that nobody ever used as there may be (C-05)."""
    why = "too many registrations are kept that nobody ever used; register with an initial access token, or try again later"
    return Refusal(No.UNAVAILABLE, why, logged="never_used_limit", retry_after=AGAIN)


def no_place(tier: Tier) -> Refusal:
    """The refusal of whoever would be one client of its tier too many (A-87)."""
    why = "there are as many clients of this kind as the operator lets there be; ask the operator, or try again later"
    return Refusal(No.UNAVAILABLE, why, logged=f"ceiling.{tier.name.lower()}: clients", retry_after=AGAIN)


def used_up(cause: Cause, wait: int) -> Refusal:
    """The refusal of a caller whose budget has no room for these many seconds."""
    return Refusal(No.TOO_MANY_REQUESTS, f"too many {cause.counts}; {cause.way_out}", logged=cause.name, retry_after=wait)
