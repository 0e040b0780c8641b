"""The rotation tables, cell by cell (CREDENTIALS §9.1, §9.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from calling_card.protocol.clients import Generations
from calling_card.protocol.handles.rotation import (
    OVERLAP,
    RETRY,
    SUSPICIOUS,
    Clock,
    Policy,
    Step,
    Use,
    confirm,
    first,
    issue,
    issue_secret,
    overlap_until,
    present_rat,
    present_refresh,
    present_secret,
    refused_body,
    renew,
    withdraw,
)
from tests.ledger import meets

NOW = 1_800_000_000
CLOCK = Clock(NOW, 7)
LAST = Generations(4, 4, 3, 3, NOW - 9)
"""The newest token was used, nothing else lives."""
WAITING = Generations(4, 6, 3, 5, NOW - 9, NOW - 30, b"put")
"""Generation 6 waits for its first use, 5 was superseded before it had one."""
LATE = structs.replace(WAITING, rotated_at=NOW - RETRY - 1, overlap_since=NOW - RETRY - 20)
"""The same, later than the window."""
EXPIRED = structs.replace(WAITING, overlap_since=NOW - OVERLAP - 1)
CONFIRMED = Generations(6, 6, 5, 5, NOW - 9)
"""What `WAITING` is once generation 6 was used."""
EITHER = [Policy.ON_UPDATE, Policy.EVERY_USE]


def present(generation: int, row: Generations, use: Use, policy: Policy = Policy.ON_UPDATE, digest: bytes = b"new") -> Step:
    return present_rat(generation, row, use, CLOCK, policy, digest if use is Use.REPLACE else None)


def refused(row: Generations, event: str) -> Step:
    return Step(False, row, event=event)


# ── Registration access tokens: the newest ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("policy", [Policy.ON_UPDATE, Policy.NEVER])
def test_reading_with_the_only_token_changes_nothing(policy: Policy) -> None:
    assert present(4, LAST, Use.READ, policy) == Step(True, LAST)


@meets("M-44")
@pytest.mark.parametrize("policy", EITHER)
def test_replacing_with_the_only_token_brings_the_next_one(policy: Policy) -> None:
    step = present(4, LAST, Use.REPLACE, policy)

    assert step == Step(True, Generations(4, 5, 3, 7, NOW, NOW, b"new"), apply=True)


@meets("M-44")
def test_reading_brings_the_next_token_when_every_use_does() -> None:
    step = present(4, LAST, Use.READ, Policy.EVERY_USE)

    assert step == Step(True, Generations(4, 5, 3, 7, NOW, NOW, None))


@meets("M-44")
def test_nothing_brings_another_token_when_none_is_wanted() -> None:
    assert present(4, LAST, Use.REPLACE, Policy.NEVER) == Step(True, LAST, apply=True)


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("row", [LAST, WAITING, LATE])
def test_every_living_token_deletes_and_brings_no_other(policy: Policy, row: Generations) -> None:
    newest, last_used = present(row.issued, row, Use.DELETE, policy), present(row.confirmed, row, Use.DELETE, policy)

    assert (newest.accepted, newest.after.issued, newest.apply) == (True, row.issued, False)
    assert (last_used.accepted, last_used.after.issued, last_used.apply) == (True, row.issued, False)


@meets("M-17", "S1-40")
@pytest.mark.parametrize("row", [WAITING, LATE, EXPIRED])
def test_the_first_use_of_the_newest_token_ends_the_one_before_it(row: Generations) -> None:
    step = present(6, row, Use.READ)

    assert step == Step(True, structs.replace(CONFIRMED, rotated_at=row.rotated_at))
    assert present(4, step.after, Use.READ) == refused(step.after, "rat_two_holders")


def test_a_replacement_with_the_newest_token_confirms_it_and_brings_the_next() -> None:
    step = present(6, WAITING, Use.REPLACE)

    assert step == Step(True, Generations(6, 7, 5, 7, NOW, NOW, b"new"), apply=True)


# ── Registration access tokens: the one before, while its successor waits ────────────────────────────────────────────


@meets("M-46", "H-02")
@pytest.mark.parametrize("policy", EITHER)
@pytest.mark.parametrize("use", [Use.READ, Use.REPLACE])
def test_a_repeated_request_gets_the_same_token_within_the_window(policy: Policy, use: Use) -> None:
    row = structs.replace(WAITING, rotated_at=NOW - RETRY)

    assert present(4, row, use, policy, b"put") == Step(True, row)


@meets("H-02")
@pytest.mark.parametrize("row", [WAITING, LATE])
def test_another_replacement_is_applied_and_the_token_between_is_dead(row: Generations) -> None:
    step = present(4, row, Use.REPLACE)

    assert step == Step(True, Generations(4, 7, 3, 7, NOW, row.overlap_since, b"new"), apply=True)
    assert present(6, step.after, Use.READ) == refused(step.after, "rat_two_holders")


@meets("M-46", "H-02")
@pytest.mark.parametrize("use", [Use.READ, Use.REPLACE])
def test_a_request_repeated_after_the_window_gets_a_newer_token_and_changes_nothing_else(use: Use) -> None:
    step = present(4, LATE, use, digest=b"put")

    assert step == Step(True, Generations(4, 7, 3, 7, NOW, LATE.overlap_since, b"put"))


@meets("H-02")
def test_the_last_used_token_ends_a_day_after_it_was_first_superseded() -> None:
    lives = present(4, structs.replace(EXPIRED, overlap_since=NOW - OVERLAP), Use.READ)
    ends = present(4, EXPIRED, Use.READ)

    assert lives.accepted
    assert ends == refused(structs.replace(CONFIRMED, rotated_at=EXPIRED.rotated_at), "rat_expired_previous")


@meets("H-02")
@pytest.mark.parametrize("use", list(Use))
def test_no_use_of_the_last_used_token_lengthens_its_day(use: Use) -> None:
    row = structs.replace(LATE, overlap_since=NOW - OVERLAP)

    step = present(4, row, use)

    assert step.after.overlap_since == NOW - OVERLAP


def test_a_confirmed_row_without_the_time_of_its_supersession_is_taken_as_fresh() -> None:
    assert present(4, structs.replace(WAITING, overlap_since=None), Use.READ).accepted


# ── Registration access tokens: the dead and the impossible ──────────────────────────────────────────────────────────


@meets("H-02")
@pytest.mark.parametrize("use", list(Use))
@pytest.mark.parametrize("policy", list(Policy))
def test_every_other_token_is_refused_reported_and_changes_nothing(use: Use, policy: Policy) -> None:
    long_ago = structs.replace(WAITING, rotated_at=NOW - SUSPICIOUS - 1)
    not_so_long_ago = structs.replace(WAITING, rotated_at=NOW - SUSPICIOUS)

    assert present(5, WAITING, use, policy) == refused(WAITING, "rat_two_holders")
    assert present(3, WAITING, use, policy) == refused(WAITING, "rat_two_holders")
    assert present(3, not_so_long_ago, use, policy) == refused(not_so_long_ago, "rat_two_holders")
    assert present(3, long_ago, use, policy) == refused(long_ago, "rat_spent")
    assert present(7, WAITING, use, policy) == refused(WAITING, "credential_from_future")


# ── A refused body, administrators ───────────────────────────────────────────────────────────────────────────────────


def test_a_refused_body_confirms_the_newest_token_and_issues_none() -> None:
    assert refused_body(6, WAITING) == CONFIRMED
    assert refused_body(4, WAITING) == WAITING
    assert refused_body(4, LAST) == LAST


def test_a_credential_is_born_with_generation_1_under_the_key_that_mints() -> None:
    assert first(CLOCK) == Generations(1, 1, 7, 7, NOW)


@pytest.mark.parametrize("row", [LAST, WAITING, LATE])
def test_after_a_renewal_nothing_older_lives(row: Generations) -> None:
    after = renew(row, CLOCK)

    assert after == Generations(row.issued + 1, row.issued + 1, 7, 7, NOW)
    assert not any(present(generation, after, Use.READ).accepted for generation in range(after.issued))


@pytest.mark.parametrize("row", [LAST, WAITING])
def test_generations_of_a_withdrawn_secret_are_never_handed_out_again(row: Generations) -> None:
    gone = withdraw(row)
    again = renew(gone, CLOCK)

    assert (gone.issued, gone.issued_key, gone.confirmed_key) == (row.issued, 0, 0)
    assert (again.issued, again.confirmed) == (row.issued + 1, row.issued + 1)


def test_an_issue_counts_the_overlap_from_the_first_supersession() -> None:
    once = issue(LAST, CLOCK)
    twice = issue(once, Clock(NOW + 100, 7))

    assert (twice.overlap_since, twice.rotated_at) == (NOW, NOW + 100)
    assert confirm(twice).overlap_since is None


# ── Client secrets ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_previous_secret_is_good_until_the_next_is_used_or_the_overlap_ends() -> None:
    assert present_secret(4, WAITING, NOW, overlap=30) == Step(True, WAITING)
    assert present_secret(4, WAITING, NOW, overlap=29) == refused(CONFIRMED, "secret_expired_previous")
    assert present_secret(6, WAITING, NOW, overlap=0) == Step(True, CONFIRMED)
    assert present_secret(4, CONFIRMED, NOW, overlap=30) == refused(CONFIRMED, "secret_two_holders")


def test_using_the_only_secret_writes_nothing() -> None:
    assert present_secret(4, LAST, NOW, overlap=0) == Step(True, LAST)


@meets("H-02")
@pytest.mark.parametrize("generation", [3, 5])
def test_a_spent_or_superseded_secret_is_refused_reported_and_changes_nothing(generation: int) -> None:
    row = structs.replace(WAITING, rotated_at=NOW - SUSPICIOUS)

    assert present_secret(generation, row, NOW, overlap=OVERLAP) == refused(row, "secret_two_holders")


@meets("H-02")
def test_a_secret_used_long_after_it_was_replaced_is_told_apart_from_two_holders() -> None:
    row = structs.replace(WAITING, rotated_at=NOW - SUSPICIOUS - 1)

    assert present_secret(3, row, NOW, overlap=OVERLAP) == refused(row, "secret_spent")


def test_a_confirmed_secret_whose_supersession_has_no_time_is_refused() -> None:
    row = structs.replace(WAITING, overlap_since=None)

    assert present_secret(4, row, NOW, overlap=OVERLAP) == refused(CONFIRMED, "secret_expired_previous")


def test_a_secret_that_was_never_issued_is_refused_and_reported() -> None:
    assert present_secret(7, WAITING, NOW, overlap=OVERLAP) == refused(WAITING, "credential_from_future")


def test_a_new_secret_stands_beside_the_one_that_is_good_now() -> None:
    assert issue_secret(LAST, CLOCK, overlap=30, ends=0) == Generations(4, 5, 3, 7, NOW, NOW)
    assert issue_secret(WAITING, CLOCK, overlap=30, ends=0) == Generations(4, 7, 3, 7, NOW, NOW - 30)
    assert issue_secret(WAITING, CLOCK, overlap=29, ends=0) == Generations(6, 7, 5, 7, NOW, NOW)


@pytest.mark.parametrize("ends, good", [(NOW - 5, 0), (NOW, 0), (NOW + 1, 1), (NOW + 20, 20), (NOW + 31, 31), (NOW + 32, 31), (0, 31)])
def test_a_secret_is_good_beside_its_successor_no_longer_than_it_would_have_been_alone(ends: int, good: int) -> None:
    row = issue_secret(LAST, CLOCK, 30, ends)

    accepted = [present_secret(4, row, NOW + second, overlap=30).accepted for second in range(40)]

    assert accepted == [True] * good + [False] * (40 - good)


def test_the_overlap_of_two_secrets_has_an_end() -> None:
    assert overlap_until(LAST, NOW, overlap=30) == 0
    assert overlap_until(WAITING, NOW, overlap=30) == NOW
    assert overlap_until(WAITING, NOW, overlap=29) == 0
    assert overlap_until(structs.replace(WAITING, overlap_since=None), NOW, overlap=30) == 0


# ── Refresh tokens ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("bound", [True, False])
def test_any_use_of_the_newest_refresh_token_brings_the_next(bound: bool) -> None:
    assert present_refresh(4, LAST, CLOCK, bound=bound) == Step(True, Generations(4, 5, 3, 7, NOW, NOW))
    assert present_refresh(6, WAITING, CLOCK, bound=bound) == Step(True, Generations(6, 7, 5, 7, NOW, NOW))


@pytest.mark.parametrize("bound", [True, False])
def test_a_refresh_repeated_within_the_window_gets_the_same_token(bound: bool) -> None:
    row = structs.replace(WAITING, rotated_at=NOW - RETRY)

    assert present_refresh(4, row, CLOCK, bound=bound) == Step(True, row)


def test_a_refresh_repeated_after_the_window_is_a_late_retry_of_a_client_that_proved_itself() -> None:
    step = present_refresh(4, LATE, CLOCK, bound=True)

    assert step == Step(True, Generations(4, 7, 3, 7, NOW, LATE.overlap_since), event="refresh_retry_late")


def test_a_refresh_repeated_after_the_window_is_reuse_for_a_public_client() -> None:
    assert present_refresh(4, LATE, CLOCK, bound=False) == refused(LATE, "refresh_reuse")


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize("generation", [3, 5])
def test_a_spent_or_superseded_refresh_token_is_reuse(bound: bool, generation: int) -> None:
    assert present_refresh(generation, WAITING, CLOCK, bound=bound) == refused(WAITING, "refresh_reuse")


@pytest.mark.parametrize("bound", [True, False])
def test_a_refresh_token_that_was_never_issued_is_refused_and_reported(bound: bool) -> None:
    assert present_refresh(7, WAITING, CLOCK, bound=bound) == refused(WAITING, "credential_from_future")


# ── What the model of two holders rests on ───────────────────────────────────────────────────────────────────────────


@st.composite
def rows_with_age(draw: st.DrawFn) -> tuple[Generations, int, int]:
    """A row, and how long ago its last issue and its first supersession are."""
    confirmed = draw(st.integers(1, 4))
    issued = draw(st.integers(confirmed, confirmed + 3))
    age = draw(st.integers(0, RETRY) | st.integers(RETRY + 1, OVERLAP))
    since = draw(st.integers(age, OVERLAP))
    digest = draw(st.sampled_from([None, b"1", b"2"]))
    if issued == confirmed:
        return Generations(confirmed, issued, 1, 1, NOW - age), age, since
    return Generations(confirmed, issued, 1, 1, NOW - age, NOW - since, digest), age, since


@given(rows_with_age(), st.integers(1, 8), st.sampled_from(list(Use)), st.sampled_from(list(Policy)), st.sampled_from([b"1", b"2"]))
def test_within_a_day_only_the_side_of_the_window_counts(
    aged: tuple[Generations, int, int], generation: int, use: Use, policy: Policy, digest: bytes
) -> None:
    row, age, _ = aged
    clamped_age = 0 if age <= RETRY else RETRY + 1
    clamped = structs.replace(row, rotated_at=NOW - clamped_age, overlap_since=None if row.overlap_since is None else NOW - clamped_age)

    real = [
        present(generation, row, use, policy, digest),
        *(present_refresh(generation, row, CLOCK, bound=bound) for bound in (True, False)),
    ]
    model = [
        present(generation, clamped, use, policy, digest),
        *(present_refresh(generation, clamped, CLOCK, bound=bound) for bound in (True, False)),
    ]

    assert [timeless(step, row) for step in real] == [timeless(step, clamped) for step in model]


def timeless(step: Step, before: Generations) -> tuple[object, ...]:
    """A step without absolute times: whether the times were kept, cleared or set to now."""
    after = step.after
    moved = (after.rotated_at == NOW and after.issued != before.issued, after.overlap_since is None)
    return (step.accepted, step.apply, step.event, structs.replace(after, rotated_at=0, overlap_since=None), moved)
