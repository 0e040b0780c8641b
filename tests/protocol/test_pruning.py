"""Who is dead, and who is left alone."""

import json

import pytest
from msgspec import structs

from calling_card.protocol.clients import Client, Door, Generations, Route, State, Tier
from calling_card.protocol.life.pruning import (
    CAME_BETWEEN,
    CLASSES,
    DAY,
    HOUR,
    KEEPS,
    MARGIN,
    MEANINGS,
    NOT_YET,
    Suspect,
    dead_of,
    horizon,
    kept_for,
    quiet_since,
)
from calling_card.settings import SETTINGS
from tests.ledger import meets
from tests.store.examples import NOW, a_client

BIRTH = NOW // DAY * DAY + 14 * HOUR
"""Two in the afternoon."""
PERIODS = {"never_approved": 24 * HOUR, "secret_ended": 30 * DAY, "document_gone": 30 * DAY, "grants_ended": 90 * DAY, "idle": 90 * DAY}


def born(**changed: object) -> Client:
    client = structs.replace(a_client(), issued_at=BIRTH, last_used_day=BIRTH // DAY)
    return structs.replace(client, **changed)


def a_suspect(
    client: Client | None = None, *, approved: bool = False, alive: bool = False, pending: bool = False, gone_at: int = 0
) -> Suspect:
    return Suspect(client or born(), approved, alive, pending, gone_at)


def at(now: int) -> str:
    """Why a stranger is left alone at this time; empty: for nothing."""
    return kept_for(a_suspect(), horizon(now, refresh_lifetime=0, refresh_idle=0, token_lifetime=0))


FAR = horizon(BIRTH + 1000 * DAY, refresh_lifetime=0, refresh_idle=0, token_lifetime=0)


# Left alone -----------------------------------------------------------------------------------------------------------------------


@meets("X-34", "S4-05")
@pytest.mark.parametrize(
    "suspect, reason",
    [
        (a_suspect(born(tier=Tier.ADMIN)), "operators"),
        (a_suspect(born(door=Door.ADMIN)), "operators"),
        (a_suspect(born(state=State.SUSPENDED)), "suspended"),
        (a_suspect(born(last_used_day=FAR.day + 1)), "used_lately"),
        (a_suspect(pending=True), "in_progress"),
        (a_suspect(alive=True), "grant_alive"),
        (a_suspect(), ""),
        (a_suspect(born(state=State.HELD)), ""),
        (a_suspect(born(tier=Tier.VOUCHED), approved=True, gone_at=1), ""),
    ],
)
def test_reasons_to_keep_a_client_come_first(suspect: Suspect, reason: str) -> None:
    assert kept_for(suspect, FAR) == reason


def test_a_day_counts_as_over_when_everybody_has_written_down_what_happened_on_it() -> None:
    midnight = (BIRTH // DAY + 1) * DAY

    assert [at(midnight), at(midnight + MARGIN - 1), at(midnight + MARGIN)] == ["used_lately", "used_lately", ""]


# Dead -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "suspect, reason, since",
    [
        (a_suspect(), "never_approved", BIRTH + 24 * HOUR),
        (a_suspect(born(tier=Tier.URL, route=Route.CIMD, door=Door.CIMD)), "never_approved", BIRTH + 24 * HOUR),
        (a_suspect(born(last_used_day=BIRTH // DAY + 3)), "never_approved", (BIRTH // DAY + 5) * DAY),
        (a_suspect(born(tier=Tier.TOKEN)), "idle", BIRTH + 90 * DAY),
        (a_suspect(born(door=Door.MASTODON)), "idle", BIRTH + 90 * DAY),
        (a_suspect(born(state=State.HELD)), "idle", BIRTH + 90 * DAY),
        (a_suspect(born(metadata=json.dumps({"grant_types": ["client_credentials"]}).encode())), "idle", BIRTH + 90 * DAY),
        (a_suspect(approved=True), "grants_ended", BIRTH + 90 * DAY),
        (a_suspect(born(last_used_day=BIRTH // DAY + 10), approved=True), "grants_ended", (BIRTH // DAY + 101) * DAY),
        (
            a_suspect(born(tier=Tier.TOKEN, secret=Generations(), secret_expires_at=BIRTH + 5 * DAY)),
            "secret_ended",
            BIRTH + 35 * DAY,
        ),
        (
            a_suspect(born(secret=Generations(), secret_expires_at=BIRTH, last_used_day=BIRTH // DAY + 9), approved=True),
            "secret_ended",
            (BIRTH // DAY + 40) * DAY,
        ),
        (a_suspect(born(secret=Generations(issued_key=0), secret_expires_at=1), approved=True), "grants_ended", BIRTH + 90 * DAY),
        (a_suspect(born(secret=Generations()), approved=True), "grants_ended", BIRTH + 90 * DAY),
        (a_suspect(born(tier=Tier.URL), approved=True, gone_at=BIRTH + 7 * DAY), "document_gone", BIRTH + 37 * DAY),
    ],
)
def test_a_class_begins_at_its_second_and_not_before(suspect: Suspect, reason: str, since: int) -> None:
    assert [dead_of(suspect, PERIODS, since - 1), dead_of(suspect, PERIODS, since)] == ["", reason]


def test_a_class_that_is_switched_off_or_not_asked_for_prunes_nobody() -> None:
    late = BIRTH + 1000 * DAY

    assert dead_of(a_suspect(), {**PERIODS, "never_approved": 0}, late) == "idle"
    assert dead_of(a_suspect(), {"never_approved": 0}, late) == ""
    assert dead_of(a_suspect(approved=True), {"never_approved": 1}, late) == ""


def test_a_client_is_quiet_since_its_birth_or_the_end_of_the_last_day_of_use() -> None:
    assert quiet_since(born()) == BIRTH
    assert quiet_since(born(last_used_day=BIRTH // DAY - 1)) == BIRTH
    assert quiet_since(born(last_used_day=BIRTH // DAY + 1)) == (BIRTH // DAY + 2) * DAY


# The tables -----------------------------------------------------------------------------------------------------------------------


def test_every_row_has_a_name_of_its_own_a_meaning_and_a_setting_that_is_there() -> None:
    names = [*(row.name for row in KEEPS), *(row.name for row in CLASSES), NOT_YET, CAME_BETWEEN]

    assert sorted(names) == sorted(MEANINGS)
    assert {row.setting for row in CLASSES} <= {setting.name for setting in SETTINGS}
    assert [row.unit for row in CLASSES] == [HOUR if row.setting.endswith("hours") else DAY for row in CLASSES]


def test_a_grant_ends_with_its_last_access_token() -> None:
    seen = horizon(NOW, refresh_lifetime=90 * DAY, refresh_idle=30 * DAY, token_lifetime=3600)

    assert (seen.given, seen.refreshed) == (NOW - 90 * DAY - 3600, NOW - 30 * DAY - 3600)
    assert (FAR.given, FAR.refreshed) == (0, 0)
