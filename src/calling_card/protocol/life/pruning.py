"""Which clients are dead, and why the others are not (seed 004, RFC 7591 §3.2.1; R-98, D-57, X-34).

Every reason to keep a client goes before every reason to prune it. Time is counted from the end of the last day of use: the hour is not
kept, and a use is written down later than it happens.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import Client, Door, State, Tier, words
from calling_card.protocol.handles.credentials import has_secret

USED_LATELY = "used_lately"
HOUR = 3600
DAY = 86400
MARGIN = 2 * HOUR
"""Seconds behind the end of a day until every process has written down who was used on it, and every page shown then is answered."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """What happened up to these moments, seconds since 1970, is long enough ago."""

    now: int
    day: int
    """The newest day that is over and written down; a client used later is in use."""
    given: int
    """A grant given by then has ended, however often it was refreshed."""
    refreshed: int
    """A grant that was not refreshed since has ended."""
    settled: int
    """What ended by then is asked for by nobody any more."""
    forgotten: int
    """An initial access token made by then, and of no use, interests nobody any more."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A client that was not used lately, and what else decides about it."""

    client: Client
    approved: bool
    """Whether anybody ever redeemed a grant of it."""
    alive: bool
    """Whether a grant of it lives."""
    pending: bool
    """Whether a code of it waits to be redeemed."""
    gone_at: int
    """Since when its document is gone; 0: it is not, or there is none."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """A client that was put aside."""

    client: Client
    reason: str
    """Name of its `Class`."""
    at: int
    until: int
    """Until when it can be brought back, seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Keep:
    """One reason for which a client is left alone, whatever else is true of it."""

    name: str
    meaning: str
    check: Callable[[Suspect, Horizon], bool]


@dataclass(frozen=True, slots=True)
class Class:
    """One way to be dead."""

    name: str
    meaning: str
    setting: str
    """The setting that says how long it lasts before the client is pruned; 0: for ever."""
    unit: int
    """Seconds of one of that setting."""
    since: Callable[[Suspect], int | None]
    """Since when the client is of this class; None: it is not."""
    warns: bool = True
    """Whether somebody is told before; of strangers whom nobody knows, nobody is."""


class Litter(StrEnum):
    """What ends by itself and is swept away, by the name of its table."""

    MARKS = "marks"
    GRANTS = "grants"
    SESSIONS = "sessions"
    HOSTED_DOCUMENTS = "hosted_documents"
    INITIAL_ACCESS_TOKENS = "initial_access_tokens"
    PRUNED_CLIENTS = "pruned_clients"


def horizon(now: int, *, refresh_lifetime: int, refresh_idle: int, token_lifetime: int) -> Horizon:
    """The horizon of this moment; a grant has ended when its last access token has (0: it does not end so)."""
    return Horizon(
        now=now,
        day=(now - MARGIN) // DAY - 1,
        given=now - refresh_lifetime - token_lifetime if refresh_lifetime else 0,
        refreshed=now - refresh_idle - token_lifetime if refresh_idle else 0,
        settled=now - DAY,
        forgotten=now - 30 * DAY,
    )


def periods_of(settings: object, classes: Collection[str]) -> Mapping[str, int]:
    """How long each of these classes lasts before its clients are pruned, in seconds."""
    return {row.name: getattr(settings, row.setting) * row.unit for row in CLASSES if row.name in classes}


def kept_for(suspect: Suspect, seen: Horizon) -> str:
    """The name of the first reason to leave a client alone; empty: there is none."""
    return next((keep.name for keep in KEEPS if keep.check(suspect, seen)), "")


def dead_of(suspect: Suspect, periods: Mapping[str, int], now: int) -> str:
    """The name of the first class that the client has been of for long enough; empty: it is not dead yet.

    ``periods``: seconds by the name of a class; a class that is missing, or has 0, prunes nobody.
    """
    return next((row.name for row in CLASSES if periods.get(row.name) and _is_over(row.since(suspect), periods[row.name], now)), "")


def due_of(suspect: Suspect, periods: Mapping[str, int], seen: Horizon, *, warned: bool = False) -> tuple[str, int] | None:
    """The class that the client will be pruned by first, and from when on; None: nobody knows, for something keeps it.

    ``warned``: of the classes alone in which somebody is told before (M-57).
    """
    if any(keep.check(suspect, seen) for keep in KEEPS if keep.name != USED_LATELY):
        return None
    rows = [row for row in CLASSES if periods.get(row.name) and (row.warns or not warned)]
    found = [(since + periods[row.name], row.name) for row in rows if (since := row.since(suspect)) is not None]
    due, name = min(found, default=(0, ""))
    return (name, due) if name else None


def warning(client: Client, due: int) -> bytes:
    """The fact, 16 bytes, that somebody was told of this date of this client."""
    return hashlib.sha256(b"prune_warned\0" + client.incarnation + due.to_bytes(8, "big")).digest()[:16]


def _is_over(since: int | None, period: int, now: int) -> bool:
    return since is not None and since + period <= now


def quiet_since(client: Client) -> int:
    """The end of the last day of use; a client that was not used after the day of its birth is quiet since its birth."""
    end = (client.last_used_day + 1) * DAY
    return client.issued_at if client.issued_at >= end - DAY else end


def _never_approved(suspect: Suspect) -> int | None:
    """Of strangers only: an invited client waits for its first person, one that can act in its own name needs none.

    An app of Mastodon's door keeps its identifier for people who come later.
    """
    client = suspect.client
    waits = client.tier <= Tier.URL and client.state is State.ACTIVE and client.door is not Door.MASTODON
    if suspect.approved or not waits or "client_credentials" in words(card_of(client).get("grant_types")):
        return None
    return quiet_since(client)


def _secret_ended(suspect: Suspect) -> int | None:
    client = suspect.client
    return max(client.secret_expires_at, quiet_since(client)) if has_secret(client) and client.secret_expires_at else None


def _document_gone(suspect: Suspect) -> int | None:
    return max(suspect.gone_at, quiet_since(suspect.client)) if suspect.gone_at else None


def _grants_ended(suspect: Suspect) -> int | None:
    return quiet_since(suspect.client) if suspect.approved else None


def _idle(suspect: Suspect) -> int | None:
    return quiet_since(suspect.client)


KEEPS: tuple[Keep, ...] = (
    Keep("operators", "An operator made it.", lambda one, _: one.client.tier is Tier.ADMIN or one.client.door is Door.ADMIN),
    Keep("suspended", "An operator suspended it, and that must not be forgotten.", lambda one, _: one.client.state is State.SUSPENDED),
    Keep(USED_LATELY, "It was used on a day that is not over long enough.", lambda one, seen: one.client.last_used_day > seen.day),
    Keep("in_progress", "A code of it waits to be redeemed.", lambda one, _: one.pending),
    Keep("grant_alive", "What somebody allowed it lives.", lambda one, _: one.alive),
)
"""Why a client is left alone, in the order of looking."""

CLASSES: tuple[Class, ...] = (
    Class("never_approved", "A stranger whom nobody ever allowed anything.", "prune_never_used_hours", HOUR, _never_approved, warns=False),
    Class("secret_ended", "Its secret has ended and was not renewed.", "prune_ended_days", DAY, _secret_ended),
    Class("document_gone", "Its client metadata document is gone.", "prune_ended_days", DAY, _document_gone),
    Class("grants_ended", "People allowed it something once; nothing of that lives.", "prune_idle_days", DAY, _grants_ended),
    Class("idle", "Nobody used it.", "prune_idle_days", DAY, _idle),
)
"""Why a client is pruned, in the order of looking."""

ALL = tuple(row.name for row in CLASSES)
BY_ITSELF: Mapping[str, Collection[str]] = {"off": (), "never_approved": ("never_approved",), "all": ALL}
"""Which classes the server prunes without being told, by the setting ``prune``."""

NOT_YET = "not_yet"
CAME_BETWEEN = "came_between"
MEANINGS: Mapping[str, str] = {
    **{row.name: row.meaning for row in KEEPS},
    **{row.name: row.meaning for row in CLASSES},
    NOT_YET: "None of its times is over.",
    CAME_BETWEEN: "It changed while it was being pruned.",
}
"""What every word of a report means."""
