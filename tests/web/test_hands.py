"""Who works on requests: how many tasks there are, and that nobody waits for somebody else's wait."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from calling_card.web.hands import Hands

Work = Callable[[], Awaitable[None]]


class Shift:
    """Work of which each piece says when it began and ended, and the tasks that did it."""

    def __init__(self) -> None:
        self.hands = Hands()
        self.said: list[str] = []
        self.tasks: set[object] = set()
        self.go_on = asyncio.Event()

    def give(self, name: str, *, long: bool = False, waits: bool = False) -> None:
        async def work() -> None:
            self.tasks.add(asyncio.current_task())
            self.said.append(name)
            if long:
                await self.go_on.wait()
                self.said.append(f"{name} again")

        self.hands.take(asyncio.get_running_loop(), work, waits=waits)

    async def quiet(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def shift() -> Shift:
    return Shift()


async def test_what_does_not_wait_is_done_in_its_order_by_one_task(shift: Shift) -> None:
    for name in "abc":
        shift.give(name)
    await shift.quiet()

    assert (shift.said, len(shift.tasks), shift.hands.busy) == (["a", "b", "c"], 1, 0)


async def test_nothing_has_begun_before_the_pass_in_which_it_came_is_over(shift: Shift) -> None:
    shift.give("a")
    shift.give("b", waits=True)

    assert shift.said == []
    await asyncio.sleep(0)
    assert sorted(shift.said) == ["a", "b"]


async def test_who_has_to_wait_keeps_nobody_else_waiting(shift: Shift) -> None:
    shift.give("a", long=True)
    for name in "bcd":
        shift.give(name, long=name == "c")
    await shift.quiet()

    assert (shift.said, shift.hands.busy) == (["a", "b", "c", "d"], 2)
    shift.go_on.set()
    await shift.quiet()
    assert (sorted(shift.said[4:]), shift.hands.busy) == (["a again", "c again"], 0)


async def test_what_will_wait_for_sure_has_a_task_of_its_own_from_the_start(shift: Shift) -> None:
    for name in "abc":
        shift.give(name, waits=True)
    await asyncio.sleep(0)

    assert (shift.said, len(shift.tasks)) == (["a", "b", "c"], 3)


async def test_after_a_rest_somebody_begins_again(shift: Shift) -> None:
    shift.give("a")
    await shift.quiet()
    shift.give("b")
    await shift.quiet()

    assert shift.said == ["a", "b"]


async def test_who_waited_takes_nothing_before_its_turn_that_came_meanwhile(shift: Shift) -> None:
    shift.give("a", long=True)
    await shift.quiet()

    shift.go_on.set()
    asyncio.get_running_loop().call_soon(shift.said.append, "called for before")
    shift.give("b")
    await shift.quiet()

    assert shift.said == ["a", "a again", "called for before", "b"]
