"""What the tests of this folder share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import ISSUER, Operator
from tests.faults.process import Server


@pytest.fixture(scope="module")
def servers() -> Iterator[Callable[[Path], Server]]:
    """Servers that are gone after the tests, whatever became of them."""
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
def operator(tmp_path: Path) -> Operator:
    """At a data folder that was used before."""
    made = Operator(tmp_path / "data")
    assert made.run("keys", "list", "--issuer", ISSUER).exit_code == 0
    return made
