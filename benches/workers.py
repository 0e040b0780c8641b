"""What a second worker on PostgreSQL adds."""

import contextlib
import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

from benches.bodies import MCP_BODY
from benches.cluster import database
from benches.compare import say
from benches.generator import CORES, Way, run
from benches.growth import READ
from benches.others import ours
from benches.plan import Flow, Plan, Table, path, said
from benches.servers import NotThere, Running, empty_folder, family, running
from benches.targets import Measured
from benches.visit import Ours
from benches.workloads import registering

ROUNDS = 3
SHARE = 0.35
"""Of a core for each worker, so that the load and the database have room on two cores; 0: as much as there is."""
_PERIOD = 10_000
"""Microseconds in which a worker has its share."""
_GROUPS = Path("/sys/fs/cgroup/cpu")
_PATIENCE = 60


def two_workers(way: Way, found: Measured, url: str) -> None:
    """One worker and two, by turns: all of them on the cores of the load and of the database; and each held to a share of a core.

    Raises `NotThere` where nothing can be held.
    """
    _compared(way, found, url, 0, "")
    _compared(way, found, url, SHARE, ", held")


def _compared(way: Way, found: Measured, url: str, share: float, name: str) -> None:
    rates: dict[int, list[float]] = {1: [], 2: []}
    for number in range(ROUNDS):
        for workers, done in rates.items():
            with database(url) as address:
                done.append(_rate(workers, share, way, address))
            say(f"round {number + 1} of {ROUNDS}: {workers} on PostgreSQL{name}: {done[-1]:,.0f}/s")
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    found.figures |= {
        f"one worker a second{name}": sorted(rates[1])[ROUNDS // 2],
        f"two workers a second{name}": sorted(rates[2])[ROUNDS // 2],
        f"two workers{name}": sorted(ratios)[ROUNDS // 2],
    }


def _rate(workers: int, share: float, way: Way, url: str) -> float:
    """Registrations and reads, two of these for one of those."""
    settings = {"DATABASE": url, "WORKERS": str(workers), "LOG_LEVEL": "warning"}
    with empty_folder() as folder, running(ours(settings), folder, CORES) as server:
        _await_all(server)
        made = registering(
            Ours(server.port, folder), MCP_BODY, path("registration_client_uri", "path"), said("registration_access_token", "rat")
        )
        flows = [Flow([made], into="cards"), Flow([READ], "cards", weight=2)]
        plan = Plan(flows, {"cards": Table(("path", "rat"))})
        serving = family(server.process.pid)[workers > 1 :]
        with contextlib.ExitStack() as until:
            for pid in serving if share else ():
                until.enter_context(_held(pid, share))
            return run(server.port, plan, replace(way, connections=32, cores=CORES)).rate


def _await_all(server: Running) -> None:
    """The first worker answers while the second one still starts; the greeting is said when all accept."""
    end = time.monotonic() + _PATIENCE
    while b" answers as " not in (server.folder / "log").read_bytes():
        if time.monotonic() > end:
            raise NotThere("not all workers got ready")
        time.sleep(0.05)


@contextlib.contextmanager
def _held(pid: int, share: float) -> Generator[None]:
    """A process gets so much of a core, until the block ends. Raises `NotThere`."""
    group = _GROUPS / f"calling-card-{pid}"
    try:
        group.mkdir()
        for name, value in _quota(pid, share):
            (group / name).write_text(value, encoding="ascii")
    except OSError as error:
        raise NotThere(f"no process can be held to a share of a core here ({error.strerror}: {error.filename})") from error
    try:
        yield
    finally:
        (_GROUPS / "cgroup.procs").write_text(str(pid), encoding="ascii")
        group.rmdir()


def _quota(pid: int, share: float) -> Sequence[tuple[str, str]]:
    return (
        ("cpu.cfs_period_us", str(_PERIOD)),
        ("cpu.cfs_quota_us", str(int(_PERIOD * share))),
        ("cgroup.procs", str(pid)),
    )
