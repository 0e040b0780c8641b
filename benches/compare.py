"""All servers on all workloads, by turns, each alone on its core."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from benches.generator import Outcome, Way, responder, run
from benches.others import CannotBring, Peer
from benches.plan import Flow, Plan, Step
from benches.servers import Command, NotThere, Running, empty_folder, running
from benches.targets import Measured, Work
from benches.visit import Visit
from benches.workloads import BY_NAME

Found = dict[tuple[str, str], list[Outcome]]


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


def compared(peers: Sequence[Peer], rounds: int, way: Way, found: Measured) -> list[str]:
    """Fill in what the servers did; what could not be measured, and why."""
    commands, left = brought(peers)
    outcomes: Found = {}
    for number in range(rounds):
        for peer, command in commands:
            say(f"round {number + 1} of {rounds}: {peer.name}")
            try:
                _round(peer, command, way, outcomes, found)
            except NotThere as error:
                left.append(f"{peer.name}: did not start: {str(error).strip().splitlines()[-1]}")
    for (server, workload), runs in outcomes.items():
        found.works.setdefault(server, {})[workload] = work(runs)
    return left


def brought(peers: Sequence[Peer]) -> tuple[list[tuple[Peer, Command]], list[str]]:
    """Servers that can be started, and why the others cannot."""
    commands: list[tuple[Peer, Command]] = []
    left: list[str] = []
    for peer in peers:
        try:
            commands.append((peer, peer.command()))
        except CannotBring as error:
            left.append(str(error))
            say(f"LEFT OUT: {error}")
    return commands, left


def _round(peer: Peer, command: Command, way: Way, outcomes: Found, found: Measured) -> None:
    """One server once on everything, from an empty folder."""
    with empty_folder() as folder, running(command, folder) as server:
        found.figures[f"{peer.name}: idle MiB"] = server.memory()
        found.figures[f"{peer.name}: first answer s"] = server.first
        visit = peer.visit(server.port, folder)
        for name in peer.workloads:
            outcome = once(server, visit, name, way)
            outcomes.setdefault((peer.name, name), []).append(outcome)
            times = f"{outcome.all.p50:>9.2f}{outcome.all.p99:>9.2f} ms{outcome.each:>9,.0f} µs"
            say(f"  {name:34}{outcome.rate:>10,.0f}/s{times}{_odd(outcome)}")
        found.figures[f"{peer.name}: MiB after load"] = server.memory()


def once(server: Running, visit: Visit, name: str, way: Way) -> Outcome:
    """One server on one workload, with what its processor did meanwhile."""
    plan = BY_NAME[name].plan(visit)
    before = server.processor()
    outcome = run(server.port, plan, way, BY_NAME[name].keeps)
    return replace(outcome, served=server.processor() - before)


def _odd(outcome: Outcome) -> str:
    if not outcome.wrong and not outcome.errors:
        return ""
    said = outcome.strange.replace("\r\n", " ")
    return f"  {outcome.wrong} wrong, {outcome.errors} lost: {said[:300]}"


def work(runs: Sequence[Outcome]) -> Work:
    """All rounds of one server on one workload."""
    return Work(
        rate=[run.rate for run in runs],
        p50=[run.all.p50 for run in runs],
        p99=[run.all.p99 for run in runs],
        each=[run.each for run in runs],
        wrong=sum(run.wrong + run.errors for run in runs),
        busy=max(run.busy for run in runs),
        said=next((run.strange for run in runs if run.strange), ""),
    )


def load_itself(way: Way, found: Measured) -> None:
    """What the load can do at most, against something that answers at once: by processor time, and over the best of all servers."""
    say("the load itself")
    with responder() as port:
        outcome = run(port, Plan([Flow([Step("GET", "/", 200)])]), way)
    found.figures["load a second"] = outcome.rate
    found.figures["load a second of processor"] = outcome.all.done / outcome.processor if outcome.processor else 0.0
    fastest = min((each for works in found.works.values() for one in works.values() for each in one.each if each), default=0.0)
    if fastest:
        found.figures["load"] = found.figures["load a second of processor"] * fastest / 1e6
