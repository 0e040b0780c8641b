"""The two clients of the npm registry, each driven by a small program in `node/`."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.life import Plan, assert_a_whole_life, steps_from
from tests.ledger import meets

HOME = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def node() -> str:
    """Node.js, or a skip that says what is missing."""
    beside_python = Path(sys.executable).parent
    found = shutil.which("node", path=f"{beside_python}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip("the npm clients: no Node.js on this machine; script/setup interop brings it")
    if not (HOME / "node_modules").is_dir():
        pytest.skip("the npm clients: their packages are not installed; script/setup interop brings them")
    return found


@meets("R-01", "M-18", "M-29", "M-39", "M-40")
@pytest.mark.parametrize("driver", ["oauth4webapi", "openid-client"])
def test_a_client_of_the_npm_registry_lives_a_whole_life(
    plan: Plan, driver: str, node: str, live: Callable[[list[str], Plan], str]
) -> None:
    printed = live([node, str(HOME / f"{driver}.mjs")], plan)

    assert_a_whole_life(plan, steps_from(printed))
