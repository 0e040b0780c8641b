"""The scene that the tests of this folder play in."""

from pathlib import Path

import pytest

from tests.usecases.exchange.scene import Scene, scene
from tests.world import world


@pytest.fixture(name="scene")
async def a_scene(tmp_path: Path) -> Scene:
    return await scene(await world(tmp_path))
