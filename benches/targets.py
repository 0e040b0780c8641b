"""What our server must reach, what it aims at, and whether it does: one row each; nothing here measures."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

OURS = "calling-card"
SEALED = "calling-card, sealed"
NODE = "node-oidc-provider"
SDK = "mcp"


@dataclass(frozen=True)
class Work:
    """What one server did on one workload, a figure for each round."""

    rate: Sequence[float]
    """Requests a second, or whole flows."""
    p50: Sequence[float]
    p99: Sequence[float]
    each: Sequence[float]
    """Microseconds of processor time of the server for one."""
    wrong: int = 0
    """Answers that were not as expected, and connections lost."""
    busy: float = 0.0
    """The greatest share of its core that the load needed."""
    said: str = ""
    """The first wrong answer."""


@dataclass
class Measured:
    """Everything one run of the benchmark found; what was not measured is not there."""

    works: dict[str, dict[str, Work]] = field(default_factory=dict[str, dict[str, Work]])
    """By server and workload."""
    figures: dict[str, float] = field(default_factory=dict[str, float])
    """Single figures by name."""

    def ratio(self, ours: tuple[str, str], theirs: tuple[str, str], *, processor: bool = False) -> float | None:
        """Median over the rounds of our rate over theirs; with ``processor``, of their processor time over ours."""
        here, there = self._work(ours), self._work(theirs)
        if here is None or there is None:
            return None
        pairs = zip(there.each, here.each, strict=False) if processor else zip(here.rate, there.rate, strict=False)
        found = [above / below for above, below in pairs if below]
        return statistics.median(found) if found else None

    def slowest(self, pairs: Sequence[tuple[str, str]]) -> float | None:
        """The greatest of the medians of these 99th percentiles."""
        found = [statistics.median(work.p99) for work in map(self._work, pairs) if work is not None]
        return max(found, default=None)

    def _work(self, pair: tuple[str, str]) -> Work | None:
        return self.works.get(pair[0], {}).get(pair[1])


@dataclass(frozen=True)
class Target:
    """One row of the table."""

    name: str
    must: float
    aim: float | None
    unit: str
    at_most: bool = False
    ours: tuple[str, str] = ("", "")
    """Server and workload, for a ratio of rates."""
    theirs: tuple[str, str] = ("", "")
    slowest: Sequence[tuple[str, str]] = ()
    """Servers and workloads, for a 99th percentile."""
    figure: str = ""
    """For a single figure."""
    note: str = ""

    def value(self, measured: Measured) -> float | None:
        """What was measured for this row; None: nothing was."""
        if self.figure:
            return measured.figures.get(self.figure)
        if self.slowest:
            return measured.slowest(self.slowest)
        return measured.ratio(self.ours, self.theirs)

    def reaches(self, value: float, bound: float) -> bool:
        """Whether a value is on the good side of a bound, which counts as good itself."""
        return value <= bound if self.at_most else value >= bound


@dataclass(frozen=True)
class Verdict:
    """One row with what was measured."""

    name: str
    must: str
    aim: str
    measured: str
    state: str
    """``aim``: reached, too; ``held``: the must is; ``missed``: it is not; ``-``: not measured."""
    processor: str = ""
    """For a ratio: the same by processor time of the servers, which a busy machine distorts less."""
    note: str = ""


def judge(targets: Sequence[Target], measured: Measured) -> list[Verdict]:
    """Every row, in order."""
    return [_verdict(target, measured) for target in targets]


def missed(verdicts: Sequence[Verdict]) -> list[str]:
    """Names of the rows whose must is not held."""
    return [verdict.name for verdict in verdicts if verdict.state == "missed"]


def _verdict(target: Target, measured: Measured) -> Verdict:
    value = target.value(measured)
    worked = measured.ratio(target.ours, target.theirs, processor=True) if target.ours[0] else None
    return Verdict(
        target.name,
        _bound(target, target.must),
        _bound(target, target.aim),
        "-" if value is None else f"{_number(value)}{target.unit}",
        _state(target, value),
        "" if worked is None else f"{_number(worked)}{target.unit}",
        target.note,
    )


def _state(target: Target, value: float | None) -> str:
    if value is None:
        return "-"
    if not target.reaches(value, target.must):
        return "missed"
    return "aim" if target.aim is not None and target.reaches(value, target.aim) else "held"


def _bound(target: Target, bound: float | None) -> str:
    return "-" if bound is None else f"{'≤' if target.at_most else '≥'} {_number(bound)}{target.unit}"


def _number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


# ── The rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────

MCP, OIDC, OTHER = "register (MCP body)", "register (OIDC body)", "register, each another"
_REFUSED = "Strangers get no client_credentials: the client is found and authenticated, and refused."
_OTHER = "The MCP body with another name each time: none of them is familiar (decision 0019)."
_LOAD = "Requests in a second of its processor time, over those of the fastest server on its easiest workload."
HELD = 0.35
"""Of a core for a worker, so that the load and the database have room on two cores."""
_CORES = "Workers, database and load share all cores."
_ROOM = "So that the database and the load have the rest to themselves, as on machines of their own."
_FOREIGN = "A sealed client has no token of its own: it is authenticated and told that another's is not alive."


def _times(name: str, ours: tuple[str, str], theirs: tuple[str, str], must: float, aim: float, note: str = "") -> Target:
    whose = "node-oidc-provider" if theirs[0] == NODE else "MCP SDK"
    return Target(f"{name}, against {whose}", must, aim, " ×", ours=ours, theirs=theirs, note=note)


def _node(workload: str, must: float, aim: float, note: str = "") -> Target:
    return _times(workload, (OURS, workload), (NODE, workload), must, aim, note)


def _sdk(workload: str, must: float, aim: float) -> Target:
    return _times(workload, (OURS, workload), (SDK, workload), must, aim)


def _slowest(name: str, must: float, aim: float | None, *workloads: str, whose: str = OURS) -> Target:
    return Target(name, must, aim, " ms", at_most=True, slowest=[(whose, workload) for workload in workloads])


def _figure(name: str, must: float, aim: float | None, unit: str, figure: str, *, at_most: bool = True, note: str = "") -> Target:
    return Target(name, must, aim, unit, at_most=at_most, figure=figure, note=note)


TARGETS = (
    _node(MCP, 7, 10),
    _node(OIDC, 7, 10),
    _node(OTHER, 7, 10, _OTHER),
    _sdk(MCP, 0.9, 1.25),
    _sdk(OIDC, 0.9, 1.25),
    _sdk(OTHER, 0.9, 1.25),
    _times("register, sealed (MCP body)", (SEALED, "register, sealed (MCP body)"), (SDK, MCP), 1.2, 1.6),
    _times("register, sealed (OIDC body)", (SEALED, "register, sealed (OIDC body)"), (SDK, OIDC), 1.2, 1.6),
    _times("register, sealed, each another", (SEALED, "register, sealed, each another"), (SDK, OTHER), 1.2, 1.6),
    _node("read", 4.5, 6),
    _node("update", 5, 7.5),
    _node("delete", 6, 9),
    _node("client_credentials, opaque", 7, 10),
    _node("client_credentials, ES256", 5, 6.5),
    _node("introspect", 2.5, 3),
    _times("read, sealed", (SEALED, "read, sealed"), (NODE, "read"), 3.5, 4.5),
    _times("read, sealed, each another", (SEALED, "read, sealed, each another"), (NODE, "read"), 3.5, 4.5),
    _times(
        "client_credentials, sealed",
        (SEALED, "client_credentials, sealed"),
        (NODE, "client_credentials, opaque"),
        6.5,
        9,
        _REFUSED,
    ),
    _times("introspect, sealed", (SEALED, "introspect, sealed"), (NODE, "introspect"), 1.8, 2.2, _FOREIGN),
    _sdk("metadata", 2.3, 2.9),
    _times("JWKS", (OURS, "JWKS"), (SDK, "metadata"), 2.3, 2.9, "The SDK has no keys: its metadata."),
    _sdk("code flow", 0.9, 1.25),
    _sdk("refresh", 0.9, 1.3),
    _slowest("p99 of writes", 12, 8, MCP, OIDC, "update", "delete", "code flow", "refresh"),
    _slowest("p99 of reads", 3, 2.5, "read", "client_credentials, opaque", "client_credentials, ES256", "introspect"),
    _slowest("p99 of metadata", 1.5, None, "metadata", "JWKS"),
    _figure("two workers on PostgreSQL against one", 1.6, None, " ×", "two workers", at_most=False, note=_CORES),
    _figure(f"the same, each held to {HELD * 100:g} % of a core", 1.6, None, " ×", "two workers, held", at_most=False, note=_ROOM),
    _figure("memory, idle", 60, 45, " MiB", "memory idle"),
    _figure("memory after 60 s of load", 100, None, " MiB", "memory loaded"),
    _figure("memory with 1,000,000 clients against 1,000", 1.15, None, " ×", "memory grown", note="Flat: within 15 %."),
    _figure("first 200 on an existing database", 1.0, 0.5, " s", "first answer"),
    _figure("bytes a stored client, MCP body", 750, 620, " B", "bytes MCP"),
    _figure("bytes a stored client, OIDC body", 1200, 1050, " B", "bytes OIDC"),
    _figure("read with 1,000,000 clients against 1,000", 0.85, None, " ×", "read grown", at_most=False),
    _figure("register with 1,000,000 clients against 1,000", 0.85, None, " ×", "register grown", at_most=False),
    _figure("longest write while pruning", 50, None, " ms", "pruning stall"),
    _figure("the load against the fastest server", 4, None, " ×", "load", at_most=False, note=_LOAD),
)

SOAK = (
    _figure("errors", 0, None, "", "soak errors"),
    _figure("p99 of all requests", 50, None, " ms", "soak p99"),
    _figure("memory slope after minute 2", 1, None, " MB/min", "soak slope"),
    _figure("open files at the end over those at minute 2", 0, None, "", "soak files"),
    _figure("longest write-ahead log", 64, None, " MB", "soak wal"),
)
