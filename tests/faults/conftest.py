"""What the tests of this folder share: a seed that is printed, and figures that are shown at the end."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.process import Server
from tests.faults.scene import Scene, prepared

FIGURES = pytest.StashKey[list[str]]()


class Told:
    """Lines for the end of the run."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def __call__(self, line: str) -> None:
        """Say this at the end."""
        self._lines.append(line)


@pytest.fixture(scope="session")
def seed() -> int:
    """Where chance begins; ``FAULTS_SEED`` repeats a run as far as the machine allows."""
    return int(os.environ.get("FAULTS_SEED") or secrets.randbelow(1_000_000))


@pytest.fixture
def tell(request: pytest.FixtureRequest, seed: int) -> Told:
    """Keep a line of figures for the end of the run."""
    lines = request.config.stash.setdefault(FIGURES, [f"seed {seed} (FAULTS_SEED={seed} repeats it)"])
    return Told(lines)


@pytest.fixture
def servers() -> Iterator[Callable[[Path], Server]]:
    """Servers that are gone after the test, whatever became of it."""
    made: list[Server] = []

    def make(data: Path) -> Server:
        made.append(Server(data))
        return made[-1]

    yield make
    for server in made:
        if server.process is not None:
            server.kill()
            server.ended()


@pytest.fixture
async def scene(tmp_path: Path, servers: Callable[[Path], Server], seed: int) -> Scene:
    """A data folder with a book about it and callers."""
    return await prepared(servers(tmp_path / "data"), seed)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was killed, raced and cut, and what came of it."""
    lines = terminalreporter.config.stash.get(FIGURES, list[str]())
    if lines:
        terminalreporter.section("faults", sep="-")
    for line in lines:
        terminalreporter.line(line)
