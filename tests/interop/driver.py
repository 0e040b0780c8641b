"""Programs in other languages that play a client: they are told JSON lines, and tell each step as one."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Self

import msgspec
import pytest

from tests.interop.conftest import PATIENCE, environment, pass_on

NODE_HOME = Path(__file__).parent / "node"


class Claims(msgspec.Struct, frozen=True):
    """What an ID token or userinfo says of a person, as far as tests look."""

    sub: str
    iss: str = ""
    aud: str = ""
    auth_time: int = 0
    amr: list[str] = []
    name: str = ""
    email: str = ""
    preferred_username: str = ""


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of a program, in its own view; what its library does not show is left out."""

    step: str
    active: bool | None = None
    aud: list[str] = []
    card: dict[str, object] = {}
    claims: Claims | None = None
    client_id: str = ""
    error: str | None = None
    expires_in: int = 0
    forms: list[str] = []
    """Forms of ours that the person filled in."""
    issuer: str | None = None
    """Of the metadata, or as the answer of the authorization endpoint states it."""
    mark: str = ""
    """Differs from that of an earlier step if the access token does."""
    members: list[str] = []
    """Names of the parameters that the browser brought back."""
    refused: bool = False
    rotated: bool = False
    said: str = ""
    """What the protected resource answered."""
    scope: str = ""
    status: int = 0
    sub: str = ""
    token_type: str = ""
    trips: int = 0
    """How often the client sent the person to the server, so far."""


class Driver:
    """One running program."""

    def __init__(self, command: list[str], plan: Mapping[str, object]) -> None:
        self._process = subprocess.Popen(
            command,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._lines: Queue[str] = Queue()
        self._printed: list[str] = []
        self._reader = Thread(target=pass_on, args=(self._process, self._lines), daemon=True)
        self._reader.start()
        self.say(plan)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process as process:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and whatever it started itself
            self._reader.join(PATIENCE)

    def say(self, words: Mapping[str, object]) -> None:
        """Tell the program something; it waits for that where its plan says so."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(words).decode() + "\n")
        self._process.stdin.flush()

    def steps(self, last: str) -> dict[str, Told]:
        """The steps up to and with this one, by name."""
        heard: dict[str, Told] = {}
        while last not in heard:
            line = self._next()
            assert line, f"the program ended before {last}:\n{''.join(self._printed)}"
            self._printed.append(line)
            if line.startswith('{"step"'):
                told = msgspec.json.decode(line, type=Told)
                heard[told.step] = told
        return heard

    def _next(self) -> str:
        try:
            return self._lines.get(timeout=PATIENCE)
        except Empty:
            raise AssertionError(f"the program says nothing more:\n{''.join(self._printed)}") from None


def find_node() -> str:
    """Node.js with the packages of ``node/``, or a skip that says what is missing."""
    beside_python = Path(sys.executable).parent
    found = shutil.which("node", path=f"{beside_python}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip("the npm clients: no Node.js on this machine; script/setup interop brings it")
    if not (NODE_HOME / "node_modules").is_dir():
        pytest.skip("the npm clients: their packages are not installed; script/setup interop brings them")
    return found
