"""What the tests of this folder share: a seed that is printed, and figures that are shown at the end."""

import os
import secrets

import pytest

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was killed, raced and cut, and what came of it."""
    lines = terminalreporter.config.stash.get(FIGURES, [])
    if lines:
        terminalreporter.section("faults", sep="-")
    for line in lines:
        terminalreporter.line(line)
