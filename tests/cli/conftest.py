"""An operator at the command line, in this process, on a data folder of their own."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from click.testing import CliRunner, Result

from calling_card.cli import commands
from calling_card.settings import load
from calling_card.wiring import issuer_of, opened
from tests.world import Clock, World

ISSUER = "http://127.0.0.1:8000"
T = TypeVar("T")


@dataclass(frozen=True)
class Operator:
    """Who runs commands."""

    data: Path

    def run(self, *arguments: str) -> Result:
        """One command on this folder."""
        return self.say(*arguments, "--data", str(self.data))

    def say(self, *arguments: str) -> Result:
        """One command, as it stands."""
        return CliRunner().invoke(commands, list(arguments), catch_exceptions=False)

    def typed(self, text: str, *arguments: str) -> Result:
        """One command on this folder, with something on its standard input."""
        return CliRunner().invoke(commands, [*arguments, "--data", str(self.data)], input=text, catch_exceptions=False)

    def told(self, *arguments: str) -> dict[str, Any]:
        """The object that a command that must succeed answers in JSON."""
        answer = json.loads(self._json(*arguments))
        assert isinstance(answer, dict)
        return cast(dict[str, Any], answer)

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """The list that a command that must succeed answers in JSON."""
        answer = json.loads(self._json(*arguments))
        assert isinstance(answer, list)
        return cast(list[dict[str, Any]], answer)

    def _json(self, *arguments: str) -> str:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return result.stdout

    def people(self, *arguments: str) -> str:
        """What a command that must succeed prints for people."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout.rstrip("\n")

    def refused(self, code: int, *arguments: str) -> str:
        """What a command that must fail with this exit code says; it says nothing else, and in one line."""
        result = self.run(*arguments)
        assert (result.exit_code, result.stdout) == (code, ""), result.output
        assert result.stderr.startswith("calling-card: ")
        assert result.stderr.count("\n") == 1
        return result.stderr.removeprefix("calling-card: ").rstrip("\n")

    def inside(self, work: Callable[[World], Awaitable[T]]) -> T:
        """Do something as the server would, on the same folder."""
        settings = load({"data": str(self.data)}, environment={})

        async def doing() -> T:
            async with opened(load({"data": str(self.data), "issuer": issuer_of(settings)}, environment={})) as ports:
                return await work(World(ports, Clock(ports.now())))

        return asyncio.run(doing())


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What whoever runs the tests has set is none of ours."""
    for name in [name for name in os.environ if name.startswith("CALLING_CARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SUDO_USER", "olga")


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """At a data folder that was used before."""
    made = Operator(tmp_path / "data")
    assert made.run("keys", "list", "--issuer", ISSUER).exit_code == 0
    return made
