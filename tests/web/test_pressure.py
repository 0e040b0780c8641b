"""How many requests may begin in one pass of the loop (RELIABILITY L3), with a loop whose passes are as long as the test says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import pytest
from uvloop import Loop

from calling_card.web.pressure import Pressure

LIMIT = 0.0625


@dataclass
class Passes:
    """The loop as pressure sees it."""

    now: float = 1024.0
    soon: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    def time(self) -> float:
        return self.now

    def call_soon(self, call: Callable[..., None], *said: object) -> None:
        self.soon.append(lambda: call(*said))

    def last(self, seconds: float) -> None:
        """This pass took so long; the next one begins."""
        self.now += seconds
        soon, self.soon = self.soon, []
        for call in soon:
            call()


def begun(pressure: Pressure, loop: Passes, came: int) -> int:
    """How many of those who come in one pass may begin."""
    return sum(pressure.admits(cast("Loop", loop)) for _ in range(came))


@pytest.fixture
def loop() -> Passes:
    """Nothing has happened yet."""
    return Passes()


def test_where_passes_are_short_everybody_begins(loop: Passes) -> None:
    pressure = Pressure(LIMIT)

    admitted: list[int] = []
    for _ in range(20):
        admitted.append(begun(pressure, loop, 200))
        loop.last(LIMIT / 2)

    assert admitted == [200] * 20


def test_after_a_pass_that_was_too_long_as_many_begin_as_would_have_been_in_time(loop: Passes) -> None:
    pressure = Pressure(LIMIT)

    begun(pressure, loop, 100)
    loop.last(4 * LIMIT)

    assert begun(pressure, loop, 100) == 25


def test_a_few_begin_however_long_passes_are(loop: Passes) -> None:
    pressure = Pressure(LIMIT)

    for _ in range(5):
        begun(pressure, loop, 100)
        loop.last(100 * LIMIT)

    assert begun(pressure, loop, 100) == 16


def test_when_passes_are_short_again_a_few_more_begin_each_time(loop: Passes, caplog: pytest.LogCaptureFixture) -> None:
    pressure = Pressure(LIMIT)
    begun(pressure, loop, 100)
    loop.last(4 * LIMIT)

    admitted: list[int] = []
    for _ in range(4):
        admitted.append(begun(pressure, loop, 100))
        loop.last(LIMIT / 2)

    assert admitted == [25, 28, 31, 34]
    assert [record.getMessage() for record in caplog.records] == ["requests were turned away: too many at once"] * 4


def test_after_a_pass_in_which_nobody_came_nothing_is_remembered_and_nothing_runs(loop: Passes) -> None:
    pressure = Pressure(LIMIT)
    begun(pressure, loop, 100)
    loop.last(4 * LIMIT)

    loop.last(LIMIT)

    assert loop.soon == []
    assert begun(pressure, loop, 100) == 100
