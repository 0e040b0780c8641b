"""Where callers come in (RELIABILITY L3): the kernel's queue of those who wait is emptied faster the longer it stays."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from calling_card.cli import door
from calling_card.cli.door import Door

PATIENCE = 10


class Listening(socket.socket):
    """A socket that can have no descriptor left for a while, and notes whether somebody was there."""

    lacking = 0

    def __init__(self) -> None:
        super().__init__()
        self.found: list[bool] = []

    def accept(self) -> tuple[socket.socket, object]:
        if self.lacking:
            self.lacking -= 1
            raise OSError(errno.EMFILE, "no descriptor is left")
        self.found.append(False)
        caller = super().accept()
        self.found[-1] = True
        return caller


class Guest(asyncio.Protocol):
    """Says that it is in."""

    def __init__(self, came: Callable[[], None]) -> None:
        self._came = came

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._came()
        transport.close()


@pytest.fixture
def listening() -> Iterator[Listening]:
    """On a port that the kernel names."""
    with Listening() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(2048)
        yield one


def waiting(listening: socket.socket, number: int, held: ExitStack) -> None:
    """So many stand before the door."""
    for _ in range(number):
        held.enter_context(socket.create_connection(listening.getsockname(), PATIENCE))


async def let_in(listening: socket.socket, number: int, leads: Callable[[], bool] = lambda: False) -> None:
    """Open the door until so many came in."""
    all_in = asyncio.Event()
    came = 0

    def made() -> Guest:
        return Guest(arrived)

    def arrived() -> None:
        nonlocal came
        came += 1
        if came == number:
            all_in.set()

    opened = Door(listening, made, leads)
    try:
        async with asyncio.timeout(PATIENCE):
            await all_in.wait()
    finally:
        opened.close()


async def test_everybody_who_waits_comes_in(listening: Listening) -> None:
    with ExitStack() as held:
        waiting(listening, 300, held)

        await let_in(listening, 300)

    assert sum(listening.found) == 300


async def test_without_a_descriptor_the_door_rests_and_opens_again(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_REST", 0.01)
    listening.lacking = 3

    with ExitStack() as held:
        waiting(listening, 5, held)

        await let_in(listening, 5)

    assert listening.lacking == 0


async def test_behind_a_closed_door_they_wait_for_others_who_have_the_socket(listening: Listening) -> None:
    ours = socket.socket(fileno=os.dup(listening.fileno()))
    Door(ours, lambda: pytest.fail("somebody came in")).close()

    with ExitStack() as held:
        waiting(listening, 1, held)
        for _ in range(20):
            await asyncio.sleep(0)
        caller, _ = listening.accept()
        caller.close()


async def test_where_there_are_no_others_they_are_refused(listening: Listening) -> None:
    where = listening.getsockname()

    door = Door(listening, lambda: pytest.fail("somebody came in"))
    door.close()
    door.close()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where, PATIENCE)


# ── Beside other workers ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_whoever_has_more_callers_gives_way_until_the_other_has_as_many(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_LOOKS", 1_000_000)
    leads, came = True, asyncio.Event()
    opened = Door(listening, lambda: Guest(came.set), lambda: leads)

    with ExitStack() as held:
        waiting(listening, 1, held)
        for _ in range(20):
            await asyncio.sleep(0)
        before = came.is_set()
        leads = False
        async with asyncio.timeout(PATIENCE):
            await came.wait()
    opened.close()

    assert not before


async def test_another_worker_that_does_not_come_is_not_waited_for_again_for_each_of_those_who_wait(listening: Listening) -> None:
    looks = 0

    def leads() -> bool:
        nonlocal looks
        looks += 1
        return True

    with ExitStack() as held:
        waiting(listening, 100, held)

        await let_in(listening, 100, leads)

    assert looks == door._LOOKS  # pyright: ignore[reportPrivateUsage]


async def test_whoever_comes_is_given_way_to_as_often_as_those_before(listening: Listening) -> None:
    looked = asyncio.Event()

    def leads() -> bool:
        looked.set()
        return True

    opened = Door(listening, lambda: pytest.fail("somebody came in"), leads)
    for _ in range(3 * door._LOOKS):  # pyright: ignore[reportPrivateUsage]
        looked.clear()
        with ExitStack() as held:
            waiting(listening, 1, held)
            async with asyncio.timeout(PATIENCE):
                await looked.wait()
            another, _ = socket.socket.accept(listening)
            another.close()
        await asyncio.sleep(0.005)
    opened.close()


async def test_a_door_that_is_closed_while_it_gives_way_stays_closed(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_LOOKS", 1_000_000)
    opened = Door(listening, lambda: pytest.fail("somebody came in"), lambda: True)

    with ExitStack() as held:
        waiting(listening, 1, held)
        for _ in range(20):
            await asyncio.sleep(0)
        opened.close()
        await asyncio.sleep(0.05)
