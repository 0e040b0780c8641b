"""The rotation tables: what a presented generation may do, and what the row is afterwards (CREDENTIALS §9).

Every function is one look at a row. The caller turns ``after`` into one compare-and-set and decides again when that fails.
"""

from enum import Enum

import msgspec
from msgspec import structs

from calling_card.protocol.clients import Generations

RETRY = 60
"""Seconds in which a repeated request gets the same answer (W)."""
OVERLAP = 24 * 3600
"""Seconds the last used registration access token lives on beside its successor."""
SUSPICIOUS = 30 * 24 * 3600
"""Seconds in which a spent token is taken as a sign of two holders."""


class Use(Enum):
    """What is asked with a registration access token."""

    READ = "GET"
    REPLACE = "PUT"
    DELETE = "DELETE"


class Policy(Enum):
    """When a new registration access token is handed out (setting ``rat_rotation``)."""

    ON_UPDATE = "on_update"
    EVERY_USE = "every_use"
    NEVER = "never"


class Step(msgspec.Struct, frozen=True):
    """What one presentation of a credential means."""

    accepted: bool
    after: Generations
    """The row afterwards; equal to the row before when nothing is to be written."""
    apply: bool = False
    """Whether the replacement is carried out; False for a repeated one."""
    event: str = ""
    """The suspicious event to report, or empty."""


class Clock(msgspec.Struct, frozen=True):
    """What a decision needs besides the row: the time, and the key that new generations are made with."""

    now: int
    minting: int


def first(clock: Clock) -> Generations:
    """The row of a credential that was just born."""
    return Generations(1, 1, clock.minting, clock.minting, clock.now)


def confirm(row: Generations) -> Generations:
    """The successor was used: what came before it is dead."""
    return structs.replace(row, confirmed=row.issued, confirmed_key=row.issued_key, overlap_since=None, put_digest=None)


def issue(row: Generations, clock: Clock, digest: bytes | None = None) -> Generations:
    """One generation more; the confirmed one lives on for a while from its first supersession."""
    since = clock.now if row.overlap_since is None else row.overlap_since
    return structs.replace(
        row, issued=row.issued + 1, issued_key=clock.minting, rotated_at=clock.now, overlap_since=since, put_digest=digest
    )


def renew(row: Generations, clock: Clock) -> Generations:
    """One generation more, and nothing older lives: rotation by an administrator after an incident."""
    return confirm(issue(row, clock))


def issue_secret(row: Generations, clock: Clock, overlap: int, ends: int) -> Generations:
    """A new secret beside the one that clients use now: the newest, once the one before it is over (CREDENTIALS §1).

    ``ends``: when the present one is over anyway, seconds since 1970, 0: never; the overlap does not outlast that.
    """
    after = issue(row if overlap_until(row, clock.now, overlap) else confirm(row), clock)
    last = ends - 1 - overlap
    return structs.replace(after, overlap_since=min(after.overlap_since or last, last)) if ends else after


def overlap_until(row: Generations, now: int, overlap: int) -> int:
    """Until when the secret before the newest one is good, seconds since 1970; 0: it is dead, or there is none."""
    if row.confirmed == row.issued or row.overlap_since is None or now - row.overlap_since > overlap:
        return 0
    return row.overlap_since + overlap


def withdraw(row: Generations) -> Generations:
    """No credential any more, but its generations are never handed out again: key 0 makes no handle."""
    return structs.replace(confirm(row), confirmed_key=0, issued_key=0)


def adopt(generation: int, key: int, row: Generations, clock: Clock) -> Generations:
    """A generation that was issued and then lost with the store: nothing older lives (CREDENTIALS §9.1, ``g > i`` while recovering)."""
    if generation <= row.issued:
        raise ValueError("only a generation from the future is adopted")
    return Generations(generation, generation, key, key, clock.now)


def present_rat(generation: int, row: Generations, use: Use, clock: Clock, policy: Policy, digest: bytes | None = None) -> Step:
    """A registration access token is presented, its MAC and key number being right (CREDENTIALS §9.1)."""
    if generation == row.issued:
        if use is Use.DELETE:
            return Step(True, row)
        return _newest_rat(confirm(row) if row.confirmed < row.issued else row, use, clock, policy, digest)
    if generation > row.issued:
        return Step(False, row, event="credential_from_future")
    if generation < row.confirmed:
        return Step(False, row, event="rat_two_holders" if clock.now - row.rotated_at <= SUSPICIOUS else "rat_spent")
    if generation > row.confirmed:
        return Step(False, row, event="rat_two_holders")
    if row.overlap_since is not None and clock.now - row.overlap_since > OVERLAP:
        return Step(False, confirm(row), event="rat_expired_previous")
    return _previous_rat(row, use, clock, digest)


def _newest_rat(row: Generations, use: Use, clock: Clock, policy: Policy, digest: bytes | None) -> Step:
    """The newest generation, nothing older alive."""
    replaces = use is Use.REPLACE
    rotates = policy is Policy.EVERY_USE or (policy is Policy.ON_UPDATE and replaces)
    if not rotates:
        return Step(True, row, apply=replaces)
    return Step(True, issue(row, clock, digest), apply=replaces)


def _previous_rat(row: Generations, use: Use, clock: Clock, digest: bytes | None) -> Step:
    """The last used generation while its successor waits for its first use: an answer was probably lost."""
    if use is Use.DELETE:
        return Step(True, row)
    repeated = use is Use.READ or digest == row.put_digest
    if repeated and clock.now - row.rotated_at <= RETRY:
        return Step(True, row)
    return Step(True, issue(row, clock, row.put_digest if repeated else digest), apply=not repeated)


def refused_body(generation: int, row: Generations) -> Generations:
    """A request with the right token and a bad body: it confirms, it never issues."""
    return confirm(row) if generation == row.issued > row.confirmed else row


def present_secret(generation: int, row: Generations, now: int, overlap: int) -> Step:
    """A client secret is presented, its MAC and key number being right; ``overlap`` is in seconds (CREDENTIALS §9.1)."""
    if generation == row.issued:
        return Step(True, confirm(row) if row.confirmed < row.issued else row)
    if generation > row.issued:
        return Step(False, row, event="credential_from_future")
    if generation < row.confirmed:
        return Step(False, row, event="secret_two_holders" if now - row.rotated_at <= SUSPICIOUS else "secret_spent")
    if generation > row.confirmed:
        return Step(False, row, event="secret_two_holders")
    if not overlap_until(row, now, overlap):
        return Step(False, confirm(row), event="secret_expired_previous")
    return Step(True, row)


def present_refresh(generation: int, row: Generations, clock: Clock, *, bound: bool) -> Step:
    """A refresh token is presented (CREDENTIALS §9.2); ``bound``: the client proved itself or its key.

    A step that is not accepted and names ``refresh_reuse`` ends the grant.
    """
    if generation == row.issued:
        return Step(True, issue(confirm(row), clock))
    if generation > row.issued:
        return Step(False, row, event="credential_from_future")
    if generation < row.confirmed or generation > row.confirmed:
        return Step(False, row, event="refresh_reuse")
    if clock.now - row.rotated_at <= RETRY:
        return Step(True, row)
    if not bound:
        return Step(False, row, event="refresh_reuse")
    return Step(True, issue(row, clock), event="refresh_retry_late")
