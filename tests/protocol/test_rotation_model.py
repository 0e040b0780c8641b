"""Every order in which two holders of one stolen credential can use it, over the real row code (CREDENTIALS §9.3).

Two parties hold generation 1. Each sends up to three requests, in every order, with any generation it ever got, at once
or later than the retry window, and its answer arrives or is lost. A state is what is left to know after a request; a
request that is refused or reported ends the run, because from there on the theft is known. Time is kept relative to the
row: what is older than the window is as old as the window and a second, which the last test of the tables shows to be enough.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple

import pytest

from calling_card.protocol.clients import Client, Generations
from calling_card.protocol.rotation import (
    RETRY,
    Clock,
    Policy,
    Step,
    Use,
    issue,
    present_rat,
    present_refresh,
    present_secret,
    refused_body,
)
from calling_card.store.memory import MemoryStore
from tests.ledger import meets

NOW = 1_800_000_000
CLOCK = Clock(NOW, 1)
BORN = Generations(1, 1, 1, 1, NOW)
HARMLESS = ("", "refresh_retry_late")
"""Events after which nothing is known of a second holder."""


class Request(NamedTuple):
    """What a party can ask; ``digest`` is that of the body."""

    use: Use
    digest: bytes | None = None
    good: bool = True
    """Whether the body is acceptable."""


GET, PUT_1, PUT_2 = Request(Use.READ), Request(Use.REPLACE, b"1"), Request(Use.REPLACE, b"2")
BAD_PUT = Request(Use.REPLACE, b"bad", good=False)
Table = Callable[[int, Generations, Request], Step]


class Party(NamedTuple):
    """What one holder has; sets of generations are bits."""

    holds: int
    left: int
    """Requests it may still send."""
    used: int = 0
    """Generations it presented since the last long gap."""


class State(NamedTuple):
    """All there is to know between two requests of a run in which nothing suspicious happened."""

    row: Generations
    parties: tuple[Party, Party]
    together: bool
    """Whether since the newest generation was issued both presented a common one within the window."""


@dataclass
class Machine:
    """One rotation table with what can be asked of it; each look at a row is taken once and remembered."""

    table: Table
    requests: tuple[Request, ...]
    looks: dict[tuple[int, Generations, Request], Step] = field(default_factory=dict[tuple[int, Generations, Request], Step])

    def look(self, generation: int, row: Generations, request: Request) -> Step:
        """What the table says, a refused body included, checked in itself."""
        known = self.looks.get((generation, row, request))
        if known is None:
            step = self.table(generation, row, request)
            known = self.looks[generation, row, request] = honest(generation, row, request, step)
        return known

    def lives(self, generation: int, row: Generations) -> bool:
        """Whether a generation is good now."""
        return self.look(generation, row, self.requests[0]).accepted


def honest(generation: int, row: Generations, request: Request, step: Step) -> Step:
    """Laws of a single step: no way back, a replacement is applied or was the last one applied, refusals change no generation."""
    assert step.after.confirmed >= row.confirmed
    assert row.issued <= step.after.issued <= row.issued + 1
    assert step.accepted or step.event
    if step.accepted and request.good and request.use is Use.REPLACE:
        assert step.apply or row.put_digest == request.digest
        assert step.after.put_digest in ((request.digest, None) if step.apply else (request.digest,))
    else:
        assert not step.apply
        assert step.after.put_digest in (row.put_digest, None)
    return step


def aged(row: Generations) -> Generations:
    """The row when more than the window has gone by."""
    since = None if row.overlap_since is None else NOW - RETRY - 1
    return replace(row, rotated_at=NOW - RETRY - 1, overlap_since=since)


@dataclass
class Report:
    """What an exploration saw."""

    states: int = 0
    transitions: int = 0
    ended: int = 0
    """Runs that a refusal or a suspicious event ended."""
    broken: Counter[str] = field(default_factory=Counter[str])
    examples: dict[str, list[State]] = field(default_factory=dict[str, list[State]])
    """For each broken law the first way into it."""


FORK, SHARED, LOCKED_OUT = "two generations above the confirmed one live", "shared unseen", "a lone holder is locked out"


def explore(machine: Machine, first: int = 3, second: int = 3) -> Report:
    """Every run from the theft on."""
    start = State(BORN, (Party(0b10, first), Party(0b10, second)), together=False)
    came: dict[State, State | None] = {start: None}
    report, waiting = Report(), [start]
    while waiting:
        state = waiting.pop()
        for problem in problems(machine, state, (first, second)):
            report.broken[problem] += 1
            report.examples.setdefault(problem, way(came, state))
        for after in steps(machine, state):
            report.transitions += 1
            if after is None:
                report.ended += 1
            elif after not in came:
                came[after] = state
                waiting.append(after)
    report.states = len(came)
    return report


def way(came: dict[State, State | None], state: State) -> list[State]:
    """The states that led here, oldest first."""
    found: list[State] = []
    at: State | None = state
    while at is not None:
        found.insert(0, at)
        at = came[at]
    return found


def steps(machine: Machine, state: State) -> Iterator[State | None]:
    """Every next request of either party; None where the run ends."""
    for gap in (False, True):
        row, parties, together = state
        if gap:
            row, parties = aged(row), (parties[0]._replace(used=0), parties[1]._replace(used=0))
        for who in (0, 1):
            me, other = parties[who], parties[1 - who]
            if not me.left:
                continue
            for generation in held(me.holds):
                used = me.used | 1 << generation
                for request in machine.requests:
                    step = machine.look(generation, row, request)
                    if not step.accepted or step.event not in HARMLESS:
                        yield None
                        continue
                    met = (together and step.after.issued == row.issued) or used & other.used != 0
                    lost = Party(me.holds, me.left - 1, used)
                    for mine in (lost, lost._replace(holds=me.holds | 1 << step.after.issued)) if request.good else (lost,):
                        yield State(step.after, (mine, other) if who == 0 else (other, mine), met)


def held(holds: int) -> Iterator[int]:
    return (generation for generation in range(holds.bit_length()) if holds >> generation & 1)


def problems(machine: Machine, state: State, requests: tuple[int, int]) -> Iterator[str]:
    """The three laws of CREDENTIALS §9.3."""
    row, parties, together = state
    if sum(machine.lives(generation, row) for generation in range(row.confirmed + 1, row.issued + 2)) > 1:
        yield FORK
    if row.issued > 1 and all(party.holds >> row.issued & 1 for party in parties) and not together:
        yield SHARED
    for who in (0, 1):
        alone = parties[1 - who].left == requests[1 - who]
        if alone and not any(machine.lives(generation, row) for generation in held(parties[who].holds)):
            yield LOCKED_OUT


def rat(policy: Policy) -> Table:
    def table(generation: int, row: Generations, request: Request) -> Step:
        step = present_rat(generation, row, request.use, CLOCK, policy, request.digest)
        return step if request.good or not step.accepted else Step(True, refused_body(generation, row))

    return table


def refresh(*, bound: bool) -> Table:
    return lambda generation, row, request: present_refresh(generation, row, CLOCK, bound=bound)


def show(name: str, report: Report) -> None:
    print(f"{name}: {report.states:,} states, {report.transitions:,} transitions, {report.ended:,} ended, broken: {dict(report.broken)}")
    for problem, path in report.examples.items():
        print(problem, *path, sep="\n  ")


@meets("H-02", "M-17", "M-44", "M-46")
@pytest.mark.parametrize(
    "policy, at_least",
    [(Policy.ON_UPDATE, 1), (Policy.EVERY_USE, 1), (Policy.NEVER, 1)],
)
def test_no_order_of_uses_of_a_stolen_registration_access_token_goes_unseen_or_locks_its_owner_out(policy: Policy, at_least: int) -> None:
    report = explore(Machine(rat(policy), (GET, PUT_1, PUT_2)))

    show(policy.value, report)
    assert report.broken == {}
    assert report.states >= at_least
