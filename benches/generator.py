"""Compiles the load on demand, runs it on a core of its own, and reads what it says."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, cast

import msgspec

from benches.plan import Plan, Table, rows_of

ROOT = Path(__file__).resolve().parent.parent
SOURCE = Path(__file__).with_name("load.c")
CACHE = ROOT / ".cache" / "bench"
CORES = sorted(os.sched_getaffinity(0))


class NoCompiler(Exception):
    """There is no C compiler and nobody may install one."""


class BadRun(Exception):
    """The load ended badly; the text is what it said."""


@dataclass(frozen=True)
class Times:
    """How long a kind of request took, in milliseconds."""

    done: int
    p50: float
    p99: float
    p999: float
    most: float


@dataclass(frozen=True)
class StepOutcome:
    """One step of a flow."""

    times: Times
    statuses: dict[str, int]


@dataclass(frozen=True)
class FlowOutcome:
    """One flow."""

    walks: Times
    steps: list[StepOutcome]
    dry: int = 0
    """How often its table was empty when it was its turn."""


@dataclass(frozen=True)
class Second:
    """One second of a run."""

    at: float
    done: int
    wrong: int
    errors: int
    p50: float
    p99: float
    p999: float
    most: float


@dataclass(frozen=True)
class Outcome:
    """What a run gave."""

    seconds: float
    processor: float
    """Seconds of processor time that the load itself took."""
    wrong: int
    """Answers that were not what the plan says."""
    errors: int
    """Connections lost while an answer was due."""
    reopened: int
    """Connections that were closed while they rested, and opened anew before anything was sent on them."""
    refused: int
    """Of the wrong ones, those with a status from 500 on."""
    late: int
    """Walks of an open loop that began more than a millisecond late."""
    begun: int
    """Walks, those of the time to warm up too."""
    all: Times
    flows: list[FlowOutcome]
    strange: str
    """The first answer that was wrong."""
    every: list[Second] = field(default_factory=list[Second])
    served: float = 0.0
    """Seconds of processor time that the server took for all that was begun."""

    @property
    def each(self) -> float:
        """Microseconds of processor time that a walk costs the server: what is left to compare on a busy machine."""
        return self.served / self.begun * 1e6 if self.begun else 0.0

    @property
    def rate(self) -> float:
        """Walks a second, of all flows."""
        return sum(flow.walks.done for flow in self.flows) / self.seconds if self.seconds else 0.0

    @property
    def busy(self) -> float:
        """Share of its core that the load needed: near 1 it is the load that was measured."""
        return self.processor / self.seconds if self.seconds else 0.0


@cache
def compiled() -> Path:
    """The load, compiled when its source has changed. Raises `NoCompiler`."""
    name = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    made = CACHE / f"load-{name}"
    if not made.exists():
        print("compiling the load", file=sys.stderr)
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run([_compiler(), "-O2", "-std=gnu11", "-o", f"{made}.new", str(SOURCE)], check=True)
        Path(f"{made}.new").rename(made)
    return made


def _compiler() -> str:
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", "gcc", "libc6-dev"], check=True, stdout=sys.stderr)
        found = shutil.which("gcc")
    if found is None:
        raise NoCompiler("the load needs a C compiler (Debian: apt-get install gcc libc6-dev)")
    return found


@contextlib.contextmanager
def on(*cores: int) -> Generator[None]:
    """What is started until the block ends runs on these cores alone, and so do we."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True)
class Way:
    """How a plan is followed."""

    seconds: float = 1.0
    warm: float = 0.0
    """Seconds before them that do not count."""
    connections: int = 16
    rate: float = 0.0
    """Walks a second, evenly; 0: each begins when one before it has ended."""
    walks: int = 0
    """So many and no more; 0: until the time is over."""
    every: bool = False
    """Whether each second is told apart."""
    cores: Sequence[int] = (CORES[-1],)

    def words(self) -> list[str]:
        """For the command line."""
        said = [("-c", self.connections), ("-s", self.seconds), ("-w", self.warm), ("-r", self.rate), ("-n", self.walks)]
        return [word for name, value in said if value for word in (name, str(value))] + ["-e"] * self.every


def run(port: int, plan: Plan, way: Way, kept: Sequence[str] = ()) -> Outcome:
    """Follow the plan; the tables named in ``kept`` are then as the load left them. Raises `BadRun`."""
    kept = [name for name in kept if name in plan.tables]
    with tempfile.TemporaryDirectory() as made:
        process, folder = start(port, plan, way, Path(made), kept)
        printed, wrong = process.communicate()
        if process.returncode:
            raise BadRun(wrong.strip())
        _bring_back(plan.tables, kept, folder)
    return read(printed.splitlines())


def start(port: int, plan: Plan, way: Way, folder: Path, kept: Sequence[str] = ()) -> tuple[subprocess.Popen[str], Path]:
    """The load, running; what it keeps will lie in the folder."""
    (folder / "plan").write_bytes(plan.written())
    order = list(plan.tables)
    keeps = [word for name in kept for word in ("-o", f"{order.index(name)}:{folder / name}")]
    with on(*way.cores):
        line = [str(compiled()), str(port), str(folder / "plan"), *way.words(), *keeps]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True), folder


def _bring_back(tables: Mapping[str, Table], kept: Sequence[str], folder: Path) -> None:
    for name in kept:
        with (folder / name).open(encoding="utf-8") as text:
            tables[name].rows[:] = rows_of(text)


def read(lines: Sequence[str]) -> Outcome:
    """What the load printed: a line for each second if asked for, and one for all."""
    every = [msgspec.json.decode(line, type=Second) for line in lines[:-1]]
    return msgspec.convert({**json.loads(lines[-1]), "every": every}, Outcome)


@contextlib.contextmanager
def responder() -> Generator[int]:
    """Something on the first core that answers at once, to measure the load with; its port."""
    with on(CORES[0]):
        process = subprocess.Popen([str(compiled()), "respond"], stdout=subprocess.PIPE, text=True)
    try:
        yield int(cast("IO[str]", process.stdout).readline())
    finally:
        process.kill()
        process.wait()
