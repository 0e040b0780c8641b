"""What every test shares: the event loop, and a loud list of what was left out."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")  # how fast the machine is at the moment says nothing about the code


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Run coroutine tests on asyncio, the loop that the server runs on."""
    return "asyncio", {"use_uvloop": False}


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes go by their place: what was made while tests are collected may differ from process to process, and its name with it."""
    del config
    return argname if isinstance(val, bytes) else None


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The words after ``Skipped:`` in a report."""
    place = report.longrepr
    words = place[2] if isinstance(place, tuple) else str(place)
    return words.removeprefix("Skipped: ")


def told(report: pytest.TestReport | pytest.CollectReport) -> str:
    """One line: which test failed, and at what."""
    crash = getattr(report.longrepr, "reprcrash", None)
    said = f"{Path(crash.path).name}:{crash.lineno}: {crash.message}" if crash else report.longreprtext
    return f"{report.nodeid}: {' '.join(said.split())[:400]}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what did not run, and why, where nobody can miss it."""
    left_out = Counter(reason_of(report) for report in terminalreporter.stats.get("skipped", []))
    if left_out:
        terminalreporter.section("LEFT OUT", sep="!", red=True, bold=True)
    for reason, count in left_out.most_common():
        terminalreporter.line(f"{count} × {reason}", red=True)
    if keep := os.environ.get("TESTS_THAT_FAILED"):
        failed = [*terminalreporter.stats.get("failed", []), *terminalreporter.stats.get("error", [])]
        Path(keep).write_text("".join(f"{told(report)}\n" for report in failed), encoding="utf-8")
