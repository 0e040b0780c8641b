"""Whoever follows a page by copying its blocks gets what the page shows."""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import READ, RUN, SHOWN, blocks, fits
from tools.ledger import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "tutorial").glob("*.md")), *sorted((ROOT / "docs" / "howto").glob("*.md"))]
DEFAULT = "127.0.0.1:8000"
"""The address that pages write; the test replaces it by that of its own server."""
END = "── end of block ──"

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="the examples of the pages need curl")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a reader has: the command on the path, a folder of their own, and a port nobody else uses."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CALLING_CARD_") and "proxy" not in name.lower()}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PATH": path, "HOME": str(tmp_path), "CALLING_CARD_PORT": str(free_port())}


@pytest.fixture
def address(tmp_path: Path, environment: dict[str, str]) -> Iterator[str]:
    """The server a reader starts in the same folder before following the page."""
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(["calling-card", "serve"], cwd=tmp_path, env=environment, stdout=log, stderr=log)
    where = f"127.0.0.1:{environment['CALLING_CARD_PORT']}"
    deadline = time.monotonic() + 30
    while not answers(f"http://{where}/readyz"):
        assert time.monotonic() < deadline, "the server did not get ready within 30 seconds"
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=0.1)
            pytest.fail((tmp_path / "server.log").read_text(encoding="utf-8"))
    yield where
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=20) == 0


@needs_curl
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_following_a_page_gives_what_it_shows(page: Path, address: str, environment: dict[str, str], tmp_path: Path) -> None:
    parts = blocks(page)
    running = [block for block in parts if block.tag == RUN]
    script = "".join(f"{block.body}\nprintf '%s\\n' '{END}'\n" for block in running).replace(DEFAULT, address)

    done = subprocess.run(
        ["sh", "-eu"],
        input=script,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )

    printed = done.stdout.split(f"{END}\n")
    where = min(len(printed), len(running)) - 1
    assert done.returncode == 0, f"{page.name}:{running[where].line}: {printed[where]}{done.stderr}"
    outputs = dict(zip((block.line for block in running), printed, strict=False))
    for before, shown in itertools.pairwise(parts):
        if before.tag == RUN and shown.tag in SHOWN and shown.follows:
            expected = shown.body.replace(DEFAULT, address)
            assert fits(expected, outputs[before.line]), f"{page.name}:{shown.line} shows\n{expected}\nprinted was\n{outputs[before.line]}"


@needs_curl
def test_the_pages_can_be_followed_one_after_another_in_one_folder(address: str, environment: dict[str, str], tmp_path: Path) -> None:
    for page in PAGES:
        script = "\n".join(block.body for block in blocks(page) if block.tag == RUN).replace(DEFAULT, address)

        done = subprocess.run(
            ["sh", "-eu"], input=script, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

        assert done.returncode == 0, f"{page.name}: {done.stderr}"


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_whether_it_runs(page: Path) -> None:
    tags = {(block.line, block.tag) for block in blocks(page)}

    assert [where for where in sorted(tags) if where[1] not in (RUN, *READ)] == []


def test_only_pages_that_are_followed_have_blocks_that_run() -> None:
    others = [page for page in (ROOT / "docs").rglob("*.md") if page not in PAGES]

    assert [page.name for page in others if any(block.tag == RUN for block in blocks(page))] == []
