"""The OAuth 2.0 SDK of Nimbus, driven by the program in `java/`, with its two families of registration classes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.life import Plan, assert_a_whole_life, steps_from
from tests.ledger import meets

HOME = Path(__file__).parent / "java" / "target"


@pytest.fixture(scope="module")
def java() -> list[str]:
    """The command that starts the driver, or a skip that says what is missing."""
    found = shutil.which("java")
    if found is None:
        pytest.skip("the Nimbus client: no Java on this machine; script/setup interop brings it where it is root")
    if not (HOME / "classes").is_dir():
        pytest.skip("the Nimbus client: it is not compiled; script/setup interop does it")
    path = os.pathsep.join([str(HOME / "classes"), str(HOME / "jars" / "*")])
    return [found, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", path, "CardLife"]


@meets("R-01", "M-18", "M-29", "M-39", "M-40")
@pytest.mark.parametrize("family", ["oauth", "oidc"])
def test_the_sdk_of_nimbus_lives_a_whole_life(plan: Plan, family: str, java: list[str], live: Callable[[list[str], Plan], str]) -> None:
    printed = live([*java, family], plan)

    assert_a_whole_life(plan, steps_from(printed))
