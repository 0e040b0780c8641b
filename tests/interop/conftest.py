"""The real server as a process of its own, and what an operator hands to a client beforehand."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from urllib.parse import urlsplit
from urllib.request import urlopen

import httpx
import pytest

from tests.interop.browser import Visitor
from tests.interop.life import SERVICE, WEB_APPLICATION, Introspector, Plan

ROOT = Path(__file__).parents[2]
PATIENCE = 30
"""Seconds until the server must have answered, or a command must have ended."""

SCOPE = "tides:read tides:write"
GRANTS = ("authorization_code", "client_credentials", "refresh_token")
OPAQUE, JWT = "https://tides.example/archive", "https://tides.example/forecast"
NAME, PASSWORD = "alice", "correct horse battery"


def program(*arguments: str) -> list[str]:
    """The command line of our own program."""
    return [sys.executable, "-m", "calling_card", *arguments]


def environment() -> dict[str, str]:
    """Ours, with the package importable and without settings of whoever runs the tests; one person signs in again and again."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CALLING_CARD_")}
    return {**kept, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1", "CALLING_CARD_SIGN_IN_RATE": "0"}


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers, and its operator's command line."""

    issuer: str
    data: Path
    introspectors: dict[str, Introspector]

    def command(self, *arguments: str, typed: str = "") -> dict[str, object]:
        """What ``calling-card … --json`` prints."""
        return operate(self.data, *arguments, typed=typed)

    def add_person(self) -> str:
        """Let the person of these tests sign in; the subject that clients know them by."""
        added = self.command("user", "add", NAME, "--full-name", "Alice Example", "--password-stdin", typed=PASSWORD)
        return str(added["sub"])

    def introspect(self, resource: str, token: str) -> dict[str, object]:
        """What one of our resource servers learns about a token."""
        asker = self.introspectors[resource]
        answer = httpx.post(f"{self.issuer}/introspect", data={"token": token}, auth=(asker.client_id, asker.client_secret))
        told: dict[str, object] = answer.raise_for_status().json()
        return told

    def visitor(self) -> Visitor:
        """That person in a new browser."""
        return Visitor(self.issuer, NAME, PASSWORD)

    def plan(self, resource: str, method: str, program: dict[str, object], *, uses: int = 1) -> Plan:
        """Invite one client, or so many, to be this program and to ask for tokens to this resource."""
        grants = [f"--grant={grant}" for grant in GRANTS]
        invitation = self.command("invite", *grants, "--scope", SCOPE, "--uses", str(uses))
        return Plan(self.issuer, str(invitation["initial_access_token"]), resource, self.introspectors[resource], method, program)


def operate(data: Path, *arguments: str, typed: str = "") -> dict[str, object]:
    """Run one command of the operator and read its JSON."""
    done = subprocess.run(
        program(*arguments, "--data", str(data), "--json"),
        env=environment(),
        input=typed,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr or done.stdout
    printed: dict[str, object] = json.loads(done.stdout)
    return printed


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def pass_on(process: subprocess.Popen[str], lines: "Queue[str]") -> None:
    """Keep reading what the server prints, so that it never waits for a reader."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put("")


def wait_for_issuer(lines: "Queue[str]", issuer: str) -> None:
    """Until the server has printed its address, which it does when it answers."""
    printed: list[str] = []
    while not any(issuer in line for line in printed):
        try:
            line = lines.get(timeout=PATIENCE)
        except Empty:
            line = ""
        assert line, f"it did not start: {''.join(printed)}"
        printed.append(line)


def wait_until_it_listens(process: subprocess.Popen[str], address: str) -> None:
    """Some programs print their address before they listen there."""
    place = urlsplit(address)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((place.hostname or "", place.port or 0), timeout=PATIENCE).close()
        except OSError:
            assert time.monotonic() < deadline, f"nobody listens at {address}"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.05)
                raise AssertionError(f"it ended before it listened at {address}") from None
        else:
            return


@contextmanager
def process(command: list[str], address: str, environment: dict[str, str]) -> Generator[None]:
    """A program that serves at this address, until the block ends."""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    ) as started:
        lines: Queue[str] = Queue()
        reader = Thread(target=pass_on, args=(started, lines), daemon=True)
        reader.start()
        try:
            wait_for_issuer(lines, address)
            wait_until_it_listens(started, address)
            yield
        finally:
            started.terminate()
            reader.join(PATIENCE)


@contextmanager
def serving(data: Path, port: int) -> Generator[Running]:
    """A server on this folder, which is made if it is not there."""
    issuer = f"http://127.0.0.1:{port}"
    with process(program("serve", "--data", str(data), "--port", str(port)), issuer, environment()):
        with urlopen(f"{issuer}/readyz", timeout=PATIENCE) as answer:
            assert answer.status == 200
        yield Running(issuer, data, {})


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all clients of this folder, with a resource of each kind of token."""
    with serving(tmp_path_factory.mktemp("interop") / "data", free_port()) as server:
        server.introspectors.update({uri: introspector(server.data, uri, form) for uri, form in ((OPAQUE, "opaque"), (JWT, "jwt"))})
        yield server


@pytest.fixture(scope="session")
def subject(running: Running) -> str:
    """What clients know the person by who can sign in there."""
    return running.add_person()


@pytest.fixture
def visitor(running: Running, subject: str) -> Iterator[Visitor]:
    """That person in a new browser."""
    with running.visitor() as person:
        yield person


def introspector(data: Path, uri: str, form: str) -> Introspector:
    """Add a resource server and keep the credential that was printed for it."""
    printed = operate(data, "resource", "add", uri, "--scopes", SCOPE, "--tokens", form)
    return Introspector(str(printed["client_id"]), str(printed["client_secret"]))


LIVES = {
    "service-opaque-basic": (OPAQUE, "client_secret_basic", SERVICE),
    "web-jwt-post": (JWT, "client_secret_post", WEB_APPLICATION),
}


@pytest.fixture(params=LIVES)
def plan(request: pytest.FixtureRequest, running: Running) -> Plan:
    """A life for one client: both kinds of token, both ways to send a secret, a small card and a large one."""
    return running.plan(*LIVES[request.param])


@pytest.fixture(scope="session")
def live() -> Callable[[list[str], Plan], str]:
    """Start a driver, tell it the plan, and give back what it printed."""

    def start(command: list[str], plan: Plan) -> str:
        done = subprocess.run(command, input=plan.told(), capture_output=True, timeout=60, check=False)
        printed = done.stdout.decode()
        assert done.returncode == 0, f"{printed}\n{done.stderr.decode()}"
        return printed

    return start
