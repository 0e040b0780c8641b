"""A mixed load for minutes on a million clients, and whether the promises L1 and L2 of RELIABILITY are held."""

import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benches.bodies import MCP_BODY
from benches.cluster import database
from benches.compare import say
from benches.generator import CORES, Outcome, Second, Way, read, run, start
from benches.growth import bulk
from benches.others import ours
from benches.plan import Flow, Plan, Step, Table, path, said
from benches.servers import ISSUER, Running, empty_folder, running
from benches.targets import Measured
from benches.visit import FORM, Ours, basic
from benches.workloads import flow_steps, pairs, refreshing, registering, replacing

SHARE = 0.6
"""Of the peak that was measured just before."""


@dataclass(frozen=True)
class Length:
    """How much and how long."""

    clients: int
    minutes: float
    ramp: float
    """Seconds in which the peak is looked for."""


@dataclass(frozen=True)
class Sample:
    """One second of the server."""

    at: float
    resident: float
    """MiB."""
    files: int
    log: float
    """MB of the write-ahead log."""


@dataclass
class Soak:
    """Everything a soak found."""

    clients: int
    minutes: float
    peak: float
    rate: float
    outcome: Outcome
    samples: list[Sample] = field(default_factory=list[Sample])
    seconds: Sequence[Second] = ()


def soaked(clients: int, minutes: float, found: Measured, ramp: float = 20.0) -> Soak:
    """The whole of it, on SQLite: the server on the first core, the load on the last."""
    return _prepared({"ISSUER": ISSUER}, CORES[:1], Length(clients, minutes, ramp), found)


def soaked_on_postgresql(clients: int, minutes: float, found: Measured, url: str, ramp: float = 20.0) -> Soak:
    """The same on PostgreSQL with two workers; all share all cores."""
    with database(url) as address:
        return _prepared({"ISSUER": ISSUER, "DATABASE": address, "WORKERS": "2"}, CORES, Length(clients, minutes, ramp), found)


def _prepared(settings: Mapping[str, str], cores: Sequence[int], length: Length, found: Measured) -> Soak:
    """The clients are made while the server is down."""
    with empty_folder() as folder:
        with running(ours(settings), folder) as server:
            Ours(server.port, folder).registered(MCP_BODY)
        say(f"making {length.clients:,} clients")
        cards = bulk(folder, length.clients, settings.get("DATABASE", ""))
        with running(ours(settings), folder, cores) as server:
            environment = {f"CALLING_CARD_{name}": value for name, value in settings.items()}
            return _soak(server, mixed(Ours(server.port, folder, environment), cards), length, found)


def _soak(server: Running, plan: Plan, length: Length, found: Measured) -> Soak:
    say("filling the tables of the mix")
    run(server.port, filling(plan), Way(30, walks=2000), list(plan.tables))
    peak = run(server.port, plan, Way(length.ramp, warm=2), list(plan.tables)).rate
    rate = SHARE * peak
    say(f"peak {peak:,.0f} walks/s; {length.minutes:g} minutes at {rate:,.0f}")
    soak = _watched(server, plan, Way(length.minutes * 60, rate=rate, connections=64, every=True), peak)
    soak.clients, soak.minutes = length.clients, length.minutes
    judge(soak, found)
    return soak


def mixed(visit: Ours, cards: Table) -> Plan:
    """The mix of RELIABILITY §3 L1, by weight."""
    tables = {"cards": cards, "young": Table(("path", "rat")), "refresh": Table(("refresh",)), "pairs": pairs()}
    machine, api = ("Authorization", basic(visit.machine)), ("Authorization", basic(visit.asks))
    bearer = ("Authorization", "Bearer «rat»")
    made = registering(visit, MCP_BODY, path("registration_client_uri", "path"), said("registration_access_token", "rat"))
    flows = [
        Flow([Step("POST", visit.introspect, 200, [FORM, api], f"token={visit.machine_token()}")], weight=40),
        Flow([refreshing(visit)], "refresh", weight=12.5),
        Flow([Step("POST", visit.tokens, 200, [FORM, machine], visit.opaque)], weight=12.5),
        Flow(flow_steps(visit, "profile", said("refresh_token", "refresh")), "pairs", weight=10),
        Flow([Step("GET", visit.metadata, 200)], weight=5),
        Flow([Step("GET", visit.keys, 200)], weight=5),
        Flow([Step("GET", "«path»", 200, [bearer])], "cards", weight=8),
        Flow([replacing(visit)], "cards", weight=4),
        Flow([made], into="young", weight=2),
        Flow([Step("DELETE", "«path»", 204, [bearer])], "young", once=True, weight=1),
    ]
    return Plan(flows, tables)


def filling(plan: Plan) -> Plan:
    """What the mix needs before it begins: refresh tokens, and clients that may go."""
    flow, made = plan.flows[3], plan.flows[8]
    return Plan([Flow(flow.steps, "pairs", into="refresh"), made], plan.tables)


def _watched(server: Running, plan: Plan, way: Way, peak: float) -> Soak:
    """The load runs in its process, and we look at the server once a second."""
    with tempfile.TemporaryDirectory() as made:
        process, _ = start(server.port, plan, way, Path(made))
        printed: list[str] = []
        reader = threading.Thread(target=lambda: printed.extend(process.stdout or []))
        reader.start()
        samples: list[Sample] = []
        began, tick = time.monotonic(), 0
        while reader.is_alive():
            samples.append(_sample(server, time.monotonic() - began))
            tick += 1
            if tick % 30 == 0:
                say(_progress(samples[-1], printed[-1] if printed else ""))
            reader.join(max(0.0, began + tick - time.monotonic()))
        process.wait()
    outcome = read(printed)
    return Soak(0, 0, peak, way.rate, outcome, samples, outcome.every)


def _progress(now: Sample, said: str) -> str:
    return f"  {now.at:>5.0f} s{now.resident:>7,.0f} MiB{now.files:>6} files{now.log:>7.1f} MB log  {said.strip()}"


def _sample(server: Running, at: float) -> Sample:
    log = next(server.folder.glob("*.sqlite3-wal"), None)
    return Sample(at, server.resident(), server.files(), log.stat().st_size / 1e6 if log is not None else 0.0)


def judge(soak: Soak, found: Measured) -> None:
    """The figures that the promises are about."""
    settled = [one for one in soak.samples if one.at >= min(120.0, soak.minutes * 60 / 4)]
    found.figures |= {
        "soak errors": soak.outcome.wrong + soak.outcome.errors,
        "soak p99": soak.outcome.all.p99,
        "soak slope": slope([(one.at / 60, one.resident * 1.048576) for one in settled]),
        "soak files": float(settled[-2].files - settled[0].files) if len(settled) > 2 else 0.0,
        "soak wal": max((one.log for one in soak.samples), default=0.0),
    }


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the straight line that lies nearest to the points, in y over x."""
    if len(points) < 2:
        return 0.0
    middle, level = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - middle) ** 2 for x, _ in points)
    return sum((x - middle) * (y - level) for x, y in points) / spread if spread else 0.0
