"""How many callers each worker has, in memory that all workers of a supervisor share."""

import os
import socket
from collections.abc import Iterator

import pytest

from calling_card.cli import handing
from calling_card.cli.tally import LEAD, Share, Tally


@pytest.fixture
def tally() -> Iterator[Tally]:
    made = Tally.made()
    assert made is not None
    yield made
    os.close(made.descriptor)


def handed(tally: Tally, cell: int) -> Share:
    """What a worker makes of the descriptor that it was handed."""
    return Share(Tally(os.dup(tally.descriptor)), cell)


def test_a_worker_leads_when_it_has_so_many_more_than_the_one_that_has_fewest(tally: Tally) -> None:
    first, second, third = (handed(tally, tally.take()) for _ in range(3))
    second.tell(3)
    third.tell(50)

    assert [first.leads(callers) for callers in (0, 3 + LEAD, 3 + LEAD + 1)] == [False, False, True]


def test_alone_nobody_leads(tally: Tally) -> None:
    only = handed(tally, tally.take())

    assert not only.leads(1000)


def test_what_was_told_last_counts(tally: Tally) -> None:
    first, second = (handed(tally, tally.take()) for _ in range(2))
    second.tell(0)
    before = first.leads(10)

    second.tell(10)

    assert (before, first.leads(10)) == (True, False)


def test_nobody_waits_for_a_worker_that_is_not_ready_yet_or_lets_nobody_in_any_more(tally: Tally) -> None:
    first, second = handed(tally, tally.take()), handed(tally, tally.take())
    not_ready = first.leads(10)
    second.tell(0)
    ready = first.leads(10)

    second.leave()

    assert (not_ready, ready, first.leads(10)) == (False, True, False)


def test_the_cell_of_a_worker_that_died_is_free_for_the_next_and_counts_for_nobody(tally: Tally) -> None:
    first, second = tally.take(), tally.take()
    Share(tally, second).tell(0)

    tally.free(second)
    led = Share(tally, first).leads(10)

    assert not led
    assert tally.take() == second
    assert not Share(tally, first).leads(10)


def test_there_is_room_for_all_workers_and_their_successors(tally: Tally) -> None:
    cells = [tally.take() for _ in range(2 * 256)]
    for cell in cells:
        Share(tally, cell).tell(cell)

    assert len(set(cells)) == 512
    assert Share(tally, cells[-1]).leads(512)
    assert not Share(tally, cells[0]).leads(cells[0])


def test_where_memory_needs_a_name_there_is_no_tally(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")

    assert Tally.made() is None


# ── Handed to a worker ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def line() -> Iterator[str]:
    """The descriptor that a worker's line to its supervisor has."""
    one, other = socket.socketpair()
    with one:
        yield str(other.detach())


def test_a_worker_is_handed_its_share(tally: Tally, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = tally.take(), tally.take()
    Share(tally, other).tell(0)
    monkeypatch.setenv("CALLING_CARD_HANDED", f"worker {line}")
    monkeypatch.setenv("CALLING_CARD_SHARE", f"{mine} {os.dup(tally.descriptor)}")

    found = handing.handed()

    assert found is not None
    assert found.worker
    assert found.share is not None
    assert found.share.leads(10)
    assert handing.handed() is None
    found.line.close()


@pytest.mark.parametrize("role", ["worker", "successor"])
def test_whoever_is_handed_none_gives_way_to_nobody(line: str, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLING_CARD_HANDED", f"{role} {line}")

    found = handing.handed()

    assert found is not None
    assert (found.worker, found.share) == (role == "worker", None)
    found.line.close()
