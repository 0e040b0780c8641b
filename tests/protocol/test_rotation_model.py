"""Every order in which two holders of one stolen credential can use it, over the real row code (CREDENTIALS §9.3).

Two parties hold generation 1. Each sends up to three requests, in every order, with any generation it ever got, at once
or later than the retry window after the last one, and its answer arrives or is lost. A request that is refused or makes a
suspicious event ends the run: from there on the theft is known. Runs that leave the same row, the same holdings and the
same chances behind go on alike, so they are one state; how many runs were covered is counted along. Time is kept relative
to the request: what is older than the window is as old as the window and a second, which a test in `test_rotation` allows.
"""

import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple, TypeVar

import pytest
from msgspec import structs

from calling_card.protocol.clients import Generations
from calling_card.protocol.handles.rotation import (
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
from tests.store.examples import a_client, an_event

NOW = 1_800_000_000
CLOCK = Clock(NOW, 1)
BORN = Generations(1, 1, 1, 1, NOW)
HARMLESS = ("", "refresh_retry_late")
"""Events that tell of no second holder."""


class Request(NamedTuple):
    """What a party can ask."""

    use: Use
    digest: bytes | None = None
    """Digest of the body."""
    hands: bool = True
    """Whether the answer carries the newest credential; a refused body's does not."""


GET, PUT_1, PUT_2 = Request(Use.READ), Request(Use.REPLACE, b"1"), Request(Use.REPLACE, b"2")
BAD_PUT = Request(Use.REPLACE, b"bad", hands=False)
LOGIN, ROTATE = Request(Use.READ, hands=False), Request(Use.REPLACE)

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
    """Whether both presented a common generation within the window since the newest was issued."""


Look = tuple[int, Generations, Request]


@dataclass
class Machine:
    """A rotation table and what the owner and the thief can ask of it; each look at a row is taken once and remembered."""

    table: Table
    owner: tuple[Request, ...]
    thief: tuple[Request, ...]
    late: bool = True
    """Whether an answer that was lost can be asked for again after the window."""
    looks: dict[Look, Step] = field(default_factory=dict[Look, Step])

    def look(self, generation: int, row: Generations, request: Request) -> Step:
        """What the table says."""
        known = self.looks.get((generation, row, request))
        if known is None:
            known = self.looks[generation, row, request] = lawful(row, request, self.table(generation, row, request))
        return known

    def lives(self, generation: int, row: Generations) -> bool:
        """Whether a generation is good now."""
        return self.look(generation, row, self.owner[0]).accepted

    def shut_out(self, party: Party, row: Generations) -> bool:
        """Whether a party has nothing that is good now, or nothing that is still good after the window."""
        rows = (row, aged(row)) if self.late else (row,)
        return not all(any(self.lives(generation, then) for generation in held(party.holds)) for then in rows)


def lawful(row: Generations, request: Request, step: Step) -> Step:
    """Laws of a single look: no way back, one generation at a time, and an accepted replacement is in force afterwards."""
    assert step.after.confirmed >= row.confirmed
    assert row.issued <= step.after.issued <= row.issued + 1
    if step.accepted and request.hands and request.digest:
        assert step.apply or row.put_digest == request.digest
        assert step.after.put_digest in ((request.digest, None) if step.apply else (request.digest,))
    else:
        assert not step.apply
        assert step.after.put_digest in (row.put_digest, None)
    return step


@dataclass
class Report:
    """What an exploration saw."""

    states: int = 0
    transitions: int = 0
    runs: int = 0
    """Runs that came to their end without anything suspicious."""
    caught: int = 0
    """Runs that a refusal or a suspicious event ended."""
    broken: Counter[str] = field(default_factory=Counter[str])
    """In how many states a law did not hold."""
    ways: dict[str, list[State]] = field(default_factory=dict[str, list[State]])
    """For each broken law one of the shortest ways there."""


FORK, SHARED, LOCKED_OUT = "more than one generation above the confirmed one lives", "shared unseen", "a lone holder is locked out"


def explore(machine: Machine, owner: int = 3, thief: int = 3) -> Report:
    """Every run from the theft on, request by request."""
    report = Report()
    came: dict[State, State | None] = {}
    layer = {State(BORN, (Party(0b10, owner), Party(0b10, thief)), together=False): 1}
    came.update(dict.fromkeys(layer))
    while layer:
        coming: dict[State, int] = {}
        for state, runs in layer.items():
            _judge(machine, state, (owner, thief), report, came)
            nexts = list(steps(machine, state))
            report.transitions += len(nexts)
            report.runs += 0 if nexts else runs
            for after in nexts:
                if after is None:
                    report.caught += runs
                    continue
                came.setdefault(after, state)
                coming[after] = coming.get(after, 0) + runs
        layer = coming
    report.states = len(came)
    return report


def _judge(machine: Machine, state: State, requests: tuple[int, int], report: Report, came: dict[State, State | None]) -> None:
    for problem in problems(machine, state, requests):
        report.broken[problem] += 1
        if problem not in report.ways:
            way: list[State] = []
            at: State | None = state
            while at is not None:
                way.insert(0, at)
                at = came[at]
            report.ways[problem] = way


def problems(machine: Machine, state: State, requests: tuple[int, int]) -> Iterator[str]:
    """The three laws of CREDENTIALS §9.3; the second in a stricter reading, for the newest generation by itself."""
    row, parties, together = state
    if sum(machine.lives(generation, row) for generation in range(row.confirmed + 1, row.issued + 2)) > 1:
        yield FORK
    if row.issued > 1 and all(party.holds >> row.issued & 1 for party in parties) and not together:
        yield SHARED
    for party, other, other_had in ((*parties, requests[1]), (*parties[::-1], requests[0])):
        if other.left == other_had and machine.shut_out(party, row):
            yield LOCKED_OUT


def steps(machine: Machine, state: State) -> Iterator[State | None]:
    """The state after every next request of either party; None where the run ends."""
    for gap in (False, True):
        row, (owner, thief), together = state
        if gap:
            row, owner, thief = aged(row), owner._replace(used=0), thief._replace(used=0)
        for after, mine, met in sent(machine, row, owner, thief, together, machine.owner):
            yield None if after is None else State(after, (mine, thief), met)
        for after, mine, met in sent(machine, row, thief, owner, together, machine.thief):
            yield None if after is None else State(after, (owner, mine), met)


def sent(
    machine: Machine, row: Generations, me: Party, other: Party, together: bool, requests: tuple[Request, ...]
) -> Iterator[tuple[Generations | None, Party, bool]]:
    """Every next request of one party: the row (None: caught), what the party has then, and whether both are together."""
    for generation in held(me.holds) if me.left else ():
        lost = Party(me.holds, me.left - 1, me.used | 1 << generation)
        for request in requests:
            step = machine.look(generation, row, request)
            if step.event not in HARMLESS:
                yield None, me, together
                continue
            met = (together and step.after.issued == row.issued) or lost.used & other.used != 0
            yield step.after, lost, met
            if step.accepted and request.hands:
                yield step.after, lost._replace(holds=me.holds | 1 << step.after.issued), met


def held(holds: int) -> Iterator[int]:
    return (generation for generation in range(holds.bit_length()) if holds >> generation & 1)


def aged(row: Generations) -> Generations:
    """The row when more than the window has gone by."""
    since = None if row.overlap_since is None else NOW - RETRY - 1
    return structs.replace(row, rotated_at=NOW - RETRY - 1, overlap_since=since)


def show(name: str, report: Report) -> None:
    """What was explored, for those who read the output of a test."""
    lines = [
        f"{name}: {report.states:,} states, {report.transitions:,} transitions, {report.runs + report.caught:,} runs, of which",
        f"  {report.caught:,} ended by a refusal or a suspicious event; broken laws by state: {dict(report.broken)}",
    ]
    for problem, way in report.ways.items():
        lines += [f"  {problem}:", *(f"    {state}" for state in way)]
    sys.stdout.write("\n".join(["", *lines, ""]))


# ── The tables ───────────────────────────────────────────────────────────────────────────────────────────────────────


def rat(policy: Policy) -> Table:
    def table(generation: int, row: Generations, request: Request) -> Step:
        step = present_rat(generation, row, request.use, CLOCK, policy, request.digest)
        return step if request is not BAD_PUT or not step.accepted else Step(True, refused_body(generation, row))

    return table


def refresh(*, bound: bool) -> Table:
    return lambda generation, row, request: present_refresh(generation, row, CLOCK, bound=bound)


def secret(generation: int, row: Generations, request: Request) -> Step:
    """A client secret; whoever may replace the registration has it renewed, whatever secret is in use."""
    return Step(True, issue(row, CLOCK)) if request is ROTATE else present_secret(generation, row, NOW, 24 * 3600)


# ── What holds ───────────────────────────────────────────────────────────────────────────────────────────────────────

REPLACING = (GET, PUT_1, PUT_2, BAD_PUT)


@meets("H-02", "M-17", "M-44", "M-46")
@pytest.mark.parametrize(
    "policy, states, runs", [(Policy.ON_UPDATE, 39_000, 3e8), (Policy.EVERY_USE, 50_000, 3e8), (Policy.NEVER, 60, 1e8)]
)
def test_no_use_of_a_stolen_registration_access_token_is_shared_unseen_or_locks_its_owner_out(
    policy: Policy, states: int, runs: float
) -> None:
    machine = Machine(rat(policy), REPLACING, REPLACING)

    report = explore(machine)

    show(f"registration access token, {policy.value}", report)
    assert report.broken == {}
    assert report.states >= states
    assert report.transitions >= 10 * states
    assert report.runs + report.caught >= runs
    assert all(step.accepted or step.event for step in machine.looks.values())


@pytest.mark.parametrize("bound, states, runs", [(True, 7_000, 2e5), (False, 300, 3e4)])
def test_no_use_of_a_stolen_refresh_token_is_shared_unseen_or_locks_its_owner_out(bound: bool, states: int, runs: float) -> None:
    machine = Machine(refresh(bound=bound), (GET,), (GET,), late=bound)

    report = explore(machine)

    show(f"refresh token, {'confidential' if bound else 'public'}", report)
    assert report.broken == {}
    assert report.states >= states
    assert report.runs + report.caught >= runs
    assert all(step.accepted or step.event for step in machine.looks.values())


def test_a_stolen_client_secret_never_brings_its_successor_and_rotation_locks_nobody_out() -> None:
    machine = Machine(secret, (LOGIN, ROTATE), (LOGIN,))

    report = explore(machine)

    show("client secret", report)
    assert report.broken == {}
    assert report.states >= 900
    assert report.runs + report.caught >= 7.7e4
    assert all(step.accepted or step.event for step in machine.looks.values())


# ── The same, through a store ────────────────────────────────────────────────────────────────────────────────────────

T = TypeVar("T")


def done(verb: Coroutine[object, object, T]) -> T:
    """The answer of a verb that never gives way."""
    try:
        verb.send(None)
    except StopIteration as end:
        answer: T = end.value
        return answer
    raise AssertionError("the memory store gave way")


class Shelf:
    """One client in a store; each look at a row goes there by compare-and-set, and what comes back is what was kept."""

    def __init__(self, table: Table) -> None:
        self.store = MemoryStore(chain_key=b"k" * 32, writer=b"writer-1", now=lambda: NOW)
        self.table = table
        self.writes = 0
        client = structs.replace(a_client(), rat=BORN)
        self.key = client.key
        done(self.store.register(client, an_event(), None))

    def __call__(self, generation: int, row: Generations, request: Request) -> Step:
        self.put(row)
        read = done(self.store.client(self.key))
        assert read is not None
        step = self.table(generation, read.rat, request)
        if step.after != read.rat:
            assert done(self.store.replace(read, structs.replace(read, rat=step.after), None))
            assert not done(self.store.replace(read, structs.replace(read, rat=issue(read.rat, CLOCK)), None)), (
                "a rival that read the same row"
            )
            self.writes += 1
        kept = done(self.store.client(self.key))
        assert kept is not None
        return structs.replace(step, after=kept.rat)

    def put(self, row: Generations) -> None:
        there = done(self.store.client(self.key))
        assert there is not None
        assert done(self.store.replace(there, structs.replace(there, rat=row), None))


@pytest.mark.parametrize("policy", [Policy.ON_UPDATE, Policy.EVERY_USE])
def test_the_same_holds_when_every_step_goes_through_the_compare_and_set_of_a_store(policy: Policy) -> None:
    shelf = Shelf(rat(policy))
    direct, kept = Machine(rat(policy), REPLACING, REPLACING), Machine(shelf, REPLACING, REPLACING)

    without, report = explore(direct, 3, 2), explore(kept, 3, 2)

    show(f"registration access token in a store, {policy.value}", report)
    assert report.broken == {}
    assert report == without
    assert kept.looks == direct.looks
    assert shelf.writes >= 200


def test_of_two_that_read_one_row_and_would_change_it_one_must_look_again() -> None:
    shelf = Shelf(rat(Policy.ON_UPDATE))
    machine = Machine(shelf, REPLACING, REPLACING)
    explore(machine, 3, 2)
    writing = [(look[1], step) for look, step in machine.looks.items() if step.after != look[1]]
    races = 0

    for (row, first), (also, second) in combinations(writing, 2):
        if row is not also and row != also:
            continue
        races += 1
        shelf.put(row)
        read = done(shelf.store.client(shelf.key))
        assert read is not None
        assert done(shelf.store.replace(read, structs.replace(read, rat=first.after), None))
        assert not done(shelf.store.replace(read, structs.replace(read, rat=second.after), None))

    assert races >= 300


# ── One honest client ────────────────────────────────────────────────────────────────────────────────────────────────


class Client(NamedTuple):
    """An honest client between two requests."""

    row: Generations
    newest: int
    """The newest generation it got; it uses no other."""
    in_force: bytes
    """Digest of the body of the replacement that counts."""
    lost: bool
    """Whether its last answer was lost."""


def serve(machine: Machine, gaps: Callable[[Client], tuple[bool, ...]] = lambda _: (False, True)) -> int:
    """How many ways there are through five requests; each must be accepted without suspicion and have its effect."""
    layer = {Client(BORN, 1, b"", lost=False): 1}
    for _ in range(5):
        coming: Counter[Client] = Counter()
        for client, runs in layer.items():
            for gap in gaps(client):
                row = aged(client.row) if gap else client.row
                for request in machine.owner:
                    step = machine.look(client.newest, row, request)
                    assert step.accepted, (client, request)
                    assert step.event in HARMLESS, (client, request)
                    in_force = request.digest if step.apply and request.digest else client.in_force
                    assert request.digest in (None, in_force), (client, request)
                    coming[Client(step.after, client.newest, in_force, lost=True)] += runs
                    coming[Client(step.after, step.after.issued, in_force, lost=False)] += runs
        layer = dict(coming)
    return sum(layer.values())


@meets("H-02", "M-46")
@pytest.mark.parametrize("policy", list(Policy))
def test_an_honest_client_is_never_refused_and_its_last_replacement_is_in_force(policy: Policy) -> None:
    runs = serve(Machine(rat(policy), (GET, PUT_1, PUT_2), ()))

    assert runs == 12**5


def test_an_honest_confidential_client_is_never_refused_a_refresh() -> None:
    runs = serve(Machine(refresh(bound=True), (GET,), ()))

    assert runs == 4**5


def test_an_honest_public_client_is_never_refused_a_refresh_that_it_repeats_in_time() -> None:
    runs = serve(Machine(refresh(bound=False), (GET,), ()), lambda client: (False,) if client.lost else (False, True))

    assert runs > 3**5


def test_an_honest_public_client_that_repeats_too_late_must_ask_its_person_again() -> None:
    lost = present_refresh(1, BORN, CLOCK, bound=False).after

    late = present_refresh(1, aged(lost), CLOCK, bound=False)

    assert (late.accepted, late.event) == (False, "refresh_reuse")


# ── The model would notice ───────────────────────────────────────────────────────────────────────────────────────────


def without_window(generation: int, row: Generations, request: Request) -> Step:
    """The previous token gives the same answer until its successor was first used, however late."""
    return present_refresh(generation, row, Clock(row.rotated_at, 1), bound=True)


def previous_is_one_less(generation: int, row: Generations, request: Request) -> Step:
    """The token before the newest lives, used or not; an equal replacement or a read with it gives the newest (H-02 by its letter)."""
    if generation not in (row.issued, row.issued - 1):
        return Step(False, row, event="refused")
    repeated = request.use is Use.READ or (generation < row.issued and request.digest == row.put_digest)
    if repeated:
        return Step(True, row)
    return Step(True, structs.replace(issue(row, CLOCK, request.digest), confirmed=row.issued), apply=True)


def superseded_lives(generation: int, row: Generations, request: Request) -> Step:
    """A token that was replaced before its first use is taken all the same."""
    between = row.confirmed < generation < row.issued
    return present_rat(row.issued if between else generation, row, request.use, CLOCK, Policy.ON_UPDATE, request.digest)


def lost_is_lost(generation: int, row: Generations, request: Request) -> Step:
    """Only the newest token lives."""
    return present_refresh(generation, structs.replace(row, confirmed=row.issued), CLOCK, bound=True)


@pytest.mark.parametrize(
    "table, requests, broken",
    [
        (without_window, (GET,), {SHARED}),
        (previous_is_one_less, (GET, PUT_1, PUT_2), {SHARED, LOCKED_OUT}),
        (superseded_lives, (GET, PUT_1, PUT_2), {FORK}),
        (lost_is_lost, (GET,), {LOCKED_OUT}),
    ],
)
def test_a_table_with_a_hole_in_it_breaks_a_law_of_the_model(table: Table, requests: tuple[Request, ...], broken: set[str]) -> None:
    report = explore(Machine(table, requests, requests))

    show(table.__name__, report)
    assert broken <= set(report.broken)
    assert all(len(way) > 1 for way in report.ways.values())
