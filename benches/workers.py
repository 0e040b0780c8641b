"""What a second worker on PostgreSQL adds."""

import contextlib
import statistics
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from benches.cluster import database
from benches.compare import say
from benches.generator import CORES, Way, run
from benches.growth import coming_and_reading
from benches.others import ours
from benches.servers import NotThere, Running, empty_folder, family, running
from benches.targets import HELD, Measured
from benches.visit import Ours

ROUNDS = 3
_PERIOD = 10_000
"""Microseconds in which a worker has its share."""
_GROUPS = Path("/sys/fs/cgroup/cpu")
_PATIENCE = 60


def two_workers(way: Way, found: Measured, url: str) -> None:
    """One worker and two, by turns: all of them on the cores of the load and of the database; and each held to a share of a core.

    Raises `NotThere` where nothing can be held.
    """
    _compared(way, found, url, 0, "")
    _compared(way, found, url, HELD, ", held")


def _compared(way: Way, found: Measured, url: str, share: float, name: str) -> None:
    rates: dict[int, list[float]] = {1: [], 2: []}
    for number in range(ROUNDS):
        for workers, done in rates.items():
            with database(url) as address:
                done.append(_rate(workers, share, way, address))
            say(f"round {number + 1} of {ROUNDS}: {workers} on PostgreSQL{name}: {done[-1]:,.0f}/s")
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    found.figures |= {
        f"one worker a second{name}": statistics.median(rates[1]),
        f"two workers a second{name}": statistics.median(rates[2]),
        f"two workers{name}": statistics.median(ratios),
    }


def _rate(workers: int, share: float, way: Way, url: str) -> float:
    """``share``: of a core for each worker; 0: as much as there is."""
    settings = {"DATABASE": url, "WORKERS": str(workers), "LOG_LEVEL": "warning"}
    with empty_folder() as folder, running(ours(settings), folder, CORES) as server:
        _await_all(server)
        plan = coming_and_reading(Ours(server.port, folder))
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
        for name, value in (("cpu.cfs_period_us", _PERIOD), ("cpu.cfs_quota_us", int(_PERIOD * share)), ("cgroup.procs", pid)):
            (group / name).write_text(str(value), encoding="ascii")
    except OSError as error:
        raise NotThere(f"no process can be held to a share of a core here ({error.strerror}: {error.filename})") from error
    try:
        yield
    finally:
        (_GROUPS / "cgroup.procs").write_text(str(pid), encoding="ascii")
        group.rmdir()
