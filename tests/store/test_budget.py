"""Budgets: so many a minute, so many at once, each cause for itself (H-11, R-93)."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.protocol.life.budgets import Cause
from calling_card.store import budget
from calling_card.store.budget import GcraBudget, GcraBudgets
from tests.ledger import meets

WIDE, NARROW = Cause("wide", "things", ""), Cause("narrow", "things", "")


@dataclass
class Ticks:
    """Seconds that pass when told."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@meets("R-93")
def test_so_many_are_granted_at_once_and_then_one_by_one(ticks: Ticks) -> None:
    rate = GcraBudget(per_minute=60, burst=3, clock=ticks)

    at_once = [rate.take("a") for _ in range(5)]
    ticks.now += 1
    later = [rate.take("a") for _ in range(2)]

    assert [wait == 0 for wait in at_once] == [True, True, True, False, False]
    assert [wait == 0 for wait in later] == [True, False]


@meets("R-93")
def test_whoever_waits_as_told_is_granted(ticks: Ticks) -> None:
    rate = GcraBudget(per_minute=7, burst=2, clock=ticks)
    waits: list[int] = []

    for _ in range(20):
        wait = rate.take("a")
        waits.append(wait)
        ticks.now += wait
        assert wait == 0 or rate.take("a") == 0

    assert max(waits) <= 60 // 7 + 1


@meets("R-93")
@given(
    st.integers(1, 600),
    st.integers(1, 20),
    st.lists(st.floats(0, 30, allow_nan=False), max_size=60),
)
def test_no_stretch_of_time_sees_more_than_its_share(per_minute: int, burst: int, gaps: list[float]) -> None:
    ticks = Ticks()
    rate = GcraBudget(per_minute, burst, ticks)
    granted: list[float] = []

    for gap in gaps:
        ticks.now += gap
        wait = rate.take("a")
        assert wait >= 0
        if wait == 0:
            granted.append(ticks.now)

    for first, start in enumerate(granted):
        for last in range(first, len(granted)):
            assert last - first + 1 <= burst + (granted[last] - start) * per_minute / 60 + 1e-6


def test_a_refused_try_costs_nothing(ticks: Ticks) -> None:
    rate = GcraBudget(per_minute=60, burst=1, clock=ticks)

    rate.take("a")
    refused = [rate.take("a") for _ in range(100)]
    ticks.now += 1

    assert 0 not in refused
    assert rate.take("a") == 0


def test_what_was_not_used_is_not_saved_up_beyond_the_burst(ticks: Ticks) -> None:
    rate = GcraBudget(per_minute=60, burst=2, clock=ticks)
    rate.take("a")

    ticks.now += 3600

    assert [rate.take("a") == 0 for _ in range(3)] == [True, True, False]


@meets("M-47")
def test_one_cause_that_is_used_up_leaves_the_others_alone(ticks: Ticks) -> None:
    rate = GcraBudget(per_minute=10, burst=1, clock=ticks)

    first, again, other = rate.take("198.51.100.0/24|c1"), rate.take("198.51.100.0/24|c1"), rate.take("203.0.113.0/24|c1")

    assert (first, again > 0, other) == (0, True, 0)


def test_a_rate_of_0_is_no_limit(ticks: Ticks) -> None:
    rate = GcraBudget(per_minute=0, burst=1, clock=ticks)

    assert [rate.take("a") for _ in range(1000)] == [0] * 1000


@pytest.mark.parametrize("per_minute", [1, 60, 100_000])
def test_a_wait_is_at_least_one_whole_second(ticks: Ticks, per_minute: int) -> None:
    rate = GcraBudget(per_minute, burst=1, clock=ticks)

    rate.take("a")

    assert rate.take("a") >= 1


def test_memory_is_bounded_and_the_cause_granted_longest_ago_is_forgotten(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_MOST", 3)
    rate = GcraBudget(per_minute=1, burst=1, clock=ticks)

    for cause in "abcd":
        rate.take(cause)

    assert [rate.take(cause) > 0 for cause in "bcd"] == [True, True, True]
    assert rate.take("a") == 0


def test_a_cause_that_has_all_its_room_again_is_forgotten(ticks: Ticks) -> None:
    rate = GcraBudget(per_minute=60, burst=10, clock=ticks)

    for number in range(1000):
        rate.take(f"cause {number}")
    filled = len(rate)
    ticks.now += 1
    for _ in range(1000):
        rate.take("the same")
        ticks.now += 1

    assert (filled, len(rate)) == (1000, 1)


def test_whoever_still_waits_is_not_forgotten(ticks: Ticks) -> None:
    rate = GcraBudget(per_minute=60, burst=2, clock=ticks)

    granted = [rate.take("a"), rate.take("a")]
    ticks.now += 0.5
    others = [rate.take(f"cause {number}") for number in range(100)]

    assert (granted, others) == ([0, 0], [0] * 100)
    assert rate.take("a") == 1


@given(st.integers(1, 600), st.integers(1, 5), st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 10, allow_nan=False)), max_size=80))
def test_to_forget_changes_no_answer(per_minute: int, burst: int, tries: list[tuple[str, float]]) -> None:
    ticks = Ticks()
    together = GcraBudget(per_minute, burst, ticks)
    alone = {cause: GcraBudget(per_minute, burst, ticks) for cause in "abc"}

    for cause, gap in tries:
        ticks.now += gap
        assert together.take(cause) == alone[cause].take(cause)


# Several at once ------------------------------------------------------------------------------------------------------------------


def several(ticks: Ticks, **bursts: int) -> GcraBudgets:
    """Budgets with one a minute, and so many at once by the name of the cause."""
    return GcraBudgets({name: GcraBudget(1, burst, ticks) for name, burst in bursts.items()})


@meets("H-11")
def test_all_have_room_or_none_is_used_up(ticks: Ticks) -> None:
    rates = several(ticks, wide=3, narrow=1)
    both = [(WIDE, "a"), (NARROW, "a")]

    first = rates.take(both)
    refused = [rates.take(both) for _ in range(50)]
    alone = [rates.take([(WIDE, "a")]) for _ in range(3)]

    assert first is None
    assert {found and found[0].name for found in refused} == {"narrow"}
    assert [found is None for found in alone] == [True, True, False]


def test_the_one_named_is_the_one_to_wait_for_longest(ticks: Ticks) -> None:
    rates = GcraBudgets({"wide": GcraBudget(60, 1, ticks), "narrow": GcraBudget(1, 1, ticks)})
    both = [(WIDE, "a"), (NARROW, "a")]
    rates.take(both)

    assert rates.take(both) == (NARROW, 61)
    ticks.now += 61
    assert rates.take(both) is None


def test_two_keys_of_one_cause_have_nothing_in_common(ticks: Ticks) -> None:
    rates = several(ticks, narrow=1)

    assert [rates.take([(NARROW, key)]) is None for key in ("a", "a", "b")] == [True, False, True]


def test_nothing_drawn_is_nothing_refused(ticks: Ticks) -> None:
    assert several(ticks).take([]) is None


def test_a_look_uses_up_nothing(ticks: Ticks) -> None:
    rate = GcraBudget(1, 1, ticks)

    assert [rate.wait("a") for _ in range(3)] == [0, 0, 0]
    rate.take("a")
    assert (rate.wait("a"), rate.wait("b")) == (61, 0)


@pytest.mark.parametrize("cause", ["x" * 65, "x" * 10_000, "\ud800" * 100])
def test_what_a_stranger_says_at_length_is_remembered_in_short(ticks: Ticks, cause: str) -> None:
    rate = GcraBudget(1, 1, ticks)

    waits = [rate.take(cause), rate.take(cause), rate.take(cause + "y")]

    assert [wait == 0 for wait in waits] == [True, False, True]
    assert len(budget.short(cause)) <= 64
