"""What our server does for everybody else while somebody floods it: what is measured, under which settings, during which floods.

The claim (RELIABILITY F14): what the hosts of strangers do to a fetch is felt by nobody else.
"""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum

from benches.flood import Client, Outcome, Plan
from benches.load import Figures

TURN = 3.5
"""Seconds after which everybody has left a silent host once: nothing shorter shows what leaving costs."""
SETTLED = 0.3
"""Seconds after which fetches that began together are only in flight: none of them begins any more."""
STILL = 1.5
"""Seconds that fetches in flight are watched: they are over before the first host is left."""
TURNS = 8
"""How often they are, by turns with nothing in flight."""
A_SECOND = 500
"""Requests of a flood: a quarter, about, of those that would take the whole core."""


class Measured(Enum):
    """What everybody else does: in words, and how often a second; 0: as fast as answers come."""

    TOKENS = ("client_credentials at /token, 1,000 a second", 1000)
    ALL_TOKENS = ("client_credentials at /token, as fast as answers come", 0)
    INVITED = ("registrations with an initial access token, 50 a second", 50)
    LOGINS = ("whole logins (authorize with remembered consent, redeem), 50 a second", 50)

    @property
    def text(self) -> str:
        """For people."""
        return self.value[0]

    @property
    def a_second(self) -> int:
        """Few enough, where it is not 0, not to disturb each other."""
        return self.value[1]

    @property
    def connections(self) -> int:
        """Enough for each request to leave in its time while others wait."""
        return 64 if self.a_second else 16


@dataclass(frozen=True)
class Phase:
    """A while with a flood, or with none."""

    name: str
    plan: Plan | None = None


@dataclass
class Siege:
    """One claim: settings, what is measured, and what is going on meanwhile; all is compared with the first phase."""

    name: str
    measured: Measured
    settings: Mapping[str, str]
    phases: Sequence[Phase]
    calm: float
    """Seconds of a phase without a flood: as long as one with a flood."""
    turns: int = 1
    """How often each phase has its turn in a round."""
    settle: float = 0.0
    """Seconds between the moment when a flood has begun and the first request that is measured."""
    figures: dict[str, list[Figures]] = field(default_factory=dict[str, list[Figures]])
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict[str, list[Outcome]])

    def note(self, phase: Phase, figures: Figures, outcome: Outcome | None) -> None:
        """One more round of a phase."""
        self.figures.setdefault(phase.name, []).append(figures)
        self.outcomes.setdefault(phase.name, []).extend([outcome] if outcome is not None else [])


@dataclass(frozen=True)
class Told:
    """All rounds of a phase: medians, sums, and the most there ever was at once."""

    a_second: float
    p50: float
    p99: float
    wrong: int
    statuses: Mapping[str, int]
    fetches: int
    most_at_once: int


def told(siege: Siege, phase: Phase) -> Told:
    """What a phase came to."""
    runs, outcomes = siege.figures[phase.name], siege.outcomes[phase.name]
    statuses: Counter[str] = Counter()
    for outcome in outcomes:
        statuses.update(outcome.statuses)
    return Told(
        a_second=statistics.median(run.rate for run in runs),
        p50=statistics.median(run.quantile(0.5) for run in runs),
        p99=statistics.median(run.quantile(0.99) for run in runs),
        wrong=sum(run.wrong for run in runs),
        statuses=dict(sorted(statuses.items())),
        fetches=sum(outcome.fetches for outcome in outcomes),
        most_at_once=max((outcome.most_at_once for outcome in outcomes), default=0),
    )


def as_json(siege: Siege) -> dict[str, object]:
    """The phases by name."""
    phases = {phase.name: asdict(told(siege, phase)) for phase in siege.phases}
    return {"name": siege.name, "settings": dict(siege.settings), "phases": phases}


def report(siege: Siege) -> str:
    """The phases as a table."""
    settings = ", ".join(f"{name.lower()}={value}" for name, value in siege.settings.items())
    head = f"{'  ' + siege.measured.text:76}{'a second':>9}{'p50 ms':>8}{'p99 ms':>8}{'p50 x':>7}{'p99 x':>7}{'fetches':>9}{'at once':>8}"
    first = told(siege, siege.phases[0])
    return "\n".join([f"{siege.name} ({settings})", head, *(_line(phase, told(siege, phase), first) for phase in siege.phases)])


def _line(phase: Phase, told: Told, first: Told) -> str:
    statuses = ", ".join(f"{status}: {number:,}" for status, number in told.statuses.items())
    times = f"{told.a_second:>9,.0f}{told.p50:>8.1f}{told.p99:>8.1f}{told.p50 / first.p50:>7.2f}{told.p99 / first.p99:>7.2f}"
    outward = f"{told.fetches:>9,}{told.most_at_once:>8}  answered {statuses}" if phase.plan else ""
    return f"{'    ' + phase.name:76}{times}{outward}"


# ── The table ────────────────────────────────────────────────────────────────────────────────────────────────────────


def sieges(requests: int, seconds: float) -> Sequence[Siege]:
    """All of them, with this many requests in each flood that has an end, and this long where it has none."""
    calm = Phase("calm")
    floods = [
        Phase(f"{requests:,} requests, {A_SECOND} a second, of {whose}", Plan(client, requests, connections=400, a_second=A_SECOND))
        for client, whose in _WHOSE.items()
    ]
    evenly, together = (Plan(Client.SILENT, connections=200, ready=190, a_second=pace) for pace in (200 / 3, 0.0))
    begun = [Phase("calm"), Phase("200 bad fetches, while none begins or ends", Plan(Client.SILENT, 200, connections=200, ready=190))]
    in_flight = [Phase("200 bad fetches, one begun after the other", evenly), Phase("200 bad fetches, all begun together", together)]
    newcomers = Plan(Client.NEW, requests, connections=64, a_second=A_SECOND)
    registering = [calm, Phase(f"{requests:,} sealed registrations, {A_SECOND} a second", newcomers)]
    return (
        Siege("Strangers register, and nobody approves them", Measured.INVITED, _SEALED, registering, requests / A_SECOND),
        Siege("200 bad fetches in flight", Measured.TOKENS, {**_HERE, **_ROOM}, begun, STILL, TURNS, SETTLED),
        *(
            Siege("200 bad fetches begin and end", measured, {**_HERE, **_ROOM}, [calm, *in_flight], max(seconds, TURN))
            for measured in (Measured.TOKENS, Measured.ALL_TOKENS)
        ),
        Siege("No limit for a source network", Measured.LOGINS, {**_HERE, "FETCH_RATE": "0"}, [calm, *floods], requests / A_SECOND),
        Siege("As shipped", Measured.LOGINS, _HERE, [calm, *floods], requests / A_SECOND),
    )


_WHOSE = {
    Client.UNKNOWN: "clients that are no address",
    Client.SILENT: "clients whose hosts say nothing",
    Client.RESETS: "clients whose hosts hang up",
}
_HERE = {"FETCH_LOOPBACK": "true", "MEETING_RATE": "0"}
_SEALED = {"OPEN_REGISTRATION": "sealed"}
_ROOM = {"FETCH_RATE": "0", "FETCH_LIMIT": "268", "FETCH_HOST_LIMIT": "200"}
"""So that two hundred documents may be on their way; a quarter of all places is not for documents."""
