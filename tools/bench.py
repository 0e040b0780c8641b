"""Measures this server beside others on this machine: ``script/bench``; ``--help`` says what else it can measure.

Every server runs alone on the first core, the load on the last; rounds alternate, medians and ratios are told. Figures of one run may
be compared with each other, never with another machine's. The exit code is 1 where a target that must be held is missed.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benches import siege
from benches.besieged import besieged, sealed, stalled
from benches.compare import compared, load_itself, say
from benches.generator import BadRun, Way
from benches.growth import MILLION, MINUTE, grown, loaded, pruning_stall, stored
from benches.others import PEERS, Peer, asked_for
from benches.page import Report, as_json, machine, memory_table, rate_table, verdict_table, versions, written
from benches.servers import NotThere
from benches.soak import soaked, soaked_on_postgresql
from benches.targets import NODE, OURS, SDK, SEALED, SOAK, TARGETS, Measured, judge, missed
from benches.workers import two_workers
from calling_card.protocol.errors import Refusal

PAGES = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"
QUICK = (OURS, SEALED, NODE, SDK, "floor")
"""What targets speak of."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="script/bench", description="Measures this server beside others on this machine.")
    made.add_argument("--quick", action="store_true", help="one round of half a second, fewer servers, no growth: about two minutes")
    made.add_argument("--rounds", type=int, default=3, help="alternating rounds (default 3)")
    made.add_argument("--seconds", type=float, default=3.0, help="seconds per workload (default 3)")
    made.add_argument("--warm", type=float, default=0.5, help="seconds before each that do not count (default 0.5)")
    made.add_argument("--only", action="append", metavar="SERVER", help="measure this server alone; repeat for more")
    made.add_argument("--workload", action="append", metavar="NAME", help="workloads whose name begins so alone; repeat for more")
    made.add_argument("--hydra", action="store_true", help="Ory Hydra, too, where it can be installed (it says so where not)")
    made.add_argument("--keycloak", action="store_true", help="Keycloak, too, where it can be installed (it says so where not)")
    made.add_argument("--growth", type=int, nargs="?", const=1_000_000, metavar="CLIENTS", help=GROWTH)
    made.add_argument(
        "--postgresql", nargs="?", const="", metavar="URL", help="the rows on PostgreSQL: at this URL, or a cluster of its own"
    )
    made.add_argument("--soak", action="store_true", help="a mixed load for minutes on many clients, and nothing else")
    made.add_argument("--minutes", type=float, default=8.0, help="of the soak (default 8)")
    made.add_argument("--clients", type=int, default=1_000_000, help="stored before the soak (default 1000000)")
    made.add_argument("--flood", type=int, nargs="?", const=10_000, metavar="REQUESTS", help=FLOODED)
    made.add_argument("--sealed", type=int, nargs="?", const=1_000_000, metavar="REGISTRATIONS", help=SEALED_HELP)
    made.add_argument("--prune", type=int, nargs="?", const=1_000_000, metavar="CLIENTS", help=PRUNED)
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--write", action="store_true", help="also write the page of today to docs/benchmarks")
    return made


GROWTH = "growth to so many clients, memory, bytes, cold start, pruning (default of a full run: 1000000)"
SEALED_HELP = "what so many sealed registrations leave in the data folder (default 1000000, about ten minutes)"
PRUNED = "how long registrations take while so many dead clients are pruned (default 1000000)"
FLOODED = "what others feel of so many requests whose clients nobody can reach (default 10000; --quick suits 1000)"


def main() -> None:
    """Measure what is asked for, and print it."""
    chosen = parser().parse_args()
    if chosen.flood or chosen.sealed or chosen.prune:
        print(_older(chosen))
        return
    report = _soaking(chosen) if chosen.soak else _comparing(chosen)
    print(json.dumps(as_json(report)) if chosen.json else _told(report))
    if chosen.write:
        say(f"written: {written(report, PAGES)}")
    failed = any(_FAILED in one for one in report.left)
    sys.exit(1 if failed or missed([*report.verdicts, *(one for some in report.soak_verdicts.values() for one in some)]) else 0)


def _older(chosen: argparse.Namespace) -> str:
    """The modes that have a report of their own."""
    if chosen.flood:
        rounds, seconds = (1, 1.0) if chosen.quick else (chosen.rounds, chosen.seconds)
        found = besieged(rounds, seconds, chosen.flood)
        return json.dumps([siege.as_json(one) for one in found]) if chosen.json else "\n\n".join(map(siege.report, found))
    left = sealed(chosen.sealed) if chosen.sealed else stalled(chosen.prune)
    return json.dumps(left) if chosen.json else "\n".join(f"{name:20}{number:>12,}" for name, number in left.items())


def _report(chosen: argparse.Namespace, measured: Measured) -> Report:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    command = shlex.join(["script/bench", *sys.argv[1:]])
    rounds, way = _way(chosen)
    return Report(now, command, rounds, way.seconds, measured, [], machine=machine(), versions=versions())


def _way(chosen: argparse.Namespace) -> tuple[int, Way]:
    return (1, Way(0.5, warm=0.3)) if chosen.quick else (chosen.rounds, Way(chosen.seconds, warm=chosen.warm))


def _comparing(chosen: argparse.Namespace) -> Report:
    measured = Measured()
    report, (rounds, way) = _report(chosen, measured), _way(chosen)
    left = compared(_chosen(chosen), rounds, way, measured)
    if not chosen.only:
        load_itself(way, measured)
    if chosen.growth or not (chosen.quick or chosen.only or chosen.workload):
        with _told_if_bad("growth", left):
            report.growth = _growing(chosen.growth or MILLION, way, measured)
    if chosen.postgresql is not None:
        with _told_if_bad("two workers on PostgreSQL", left):
            two_workers(way, measured, chosen.postgresql)
    report.left, report.verdicts = left, judge(TARGETS, measured)
    return report


_FAILED = ": failed: "


@contextmanager
def _told_if_bad(what: str, left: list[str]) -> Generator[None]:
    """What went before is not lost with a part that failed."""
    try:
        yield
    except (BadRun, NotThere, Refusal) as error:
        say(f"FAILED: {what}: {error}")
        left.append(f"{what}{_FAILED}{str(error).strip().splitlines()[0]}")


def _chosen(chosen: argparse.Namespace) -> Sequence[Peer]:
    """The servers, each with the workloads that were asked for."""
    more = [name for name in ("hydra", "keycloak") if getattr(chosen, name)]
    wanted = [*(chosen.only or (QUICK if chosen.quick else [peer.name for peer in PEERS if peer.always])), *more]
    return [asked_for(peer, chosen.workload) for peer in PEERS if peer.name in wanted]


def _growing(clients: int, way: Way, measured: Measured) -> dict[int, dict[str, float]]:
    stored(min(20_000, clients), measured)
    loaded(MINUTE if clients >= MILLION else 5.0, measured)
    steps = [count for count in (1_000, 10_000, 100_000, MILLION) if count < clients]
    table = grown((*steps, clients), way, measured)
    pruning_stall(clients, measured)
    return table


def _soaking(chosen: argparse.Namespace) -> Report:
    measured = Measured()
    report = _report(chosen, measured)
    name = "SQLite, one process" if chosen.postgresql is None else "PostgreSQL, two processes"
    if chosen.postgresql is None:
        soak = soaked(chosen.clients, chosen.minutes, measured)
    else:
        soak = soaked_on_postgresql(chosen.clients, chosen.minutes, measured, chosen.postgresql)
    report.soaks, report.soak_verdicts = {name: soak}, {name: judge(SOAK, measured)}
    return report


def _told(report: Report) -> str:
    """For people, on a terminal."""
    parts = [rate_table(report.measured), memory_table(report.measured)] if report.measured.works else []
    parts += [f"not measured: {one}" for one in report.left]
    parts += [verdict_table(report.verdicts)] if report.verdicts else []
    for name, soak in report.soaks.items():
        times = soak.outcome.all
        parts.append(f"{name}: {times.done:,} requests, p50 {times.p50:.2f}, p99 {times.p99:.2f}, p99.9 {times.p999:.2f} ms")
        parts.append(verdict_table(report.soak_verdicts[name]))
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
