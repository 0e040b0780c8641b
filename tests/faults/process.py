"""The real server as a process that can be killed, and the command line beside it."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
"""Seconds until a server must answer or a command must have ended, on a machine that is busy with other things."""
PORTS = range(20_000, 32_000)
"""Below the ports that outgoing connections get: a caller never meets itself while the server is down."""
KILLED = -signal.SIGKILL


def environment(fault: str = "", **settings: str) -> dict[str, str]:
    """Ours, with budgets off, without settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CALLING_CARD_")}
    named = {"REGISTRATION_RATE": "0", "INVITATION_RATE": "0", "FAILURE_RATE": "0", "LOG_LEVEL": "error", **settings}
    ours = {f"CALLING_CARD_{name}": value for name, value in named.items()}
    armed = {"CALLING_CARD_FAULT": fault} if fault else {}
    return {**kept, **ours, **armed, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}


def program(*arguments: str) -> list[str]:
    """The command line of our own program."""
    return [sys.executable, "-m", "calling_card", *arguments]


def free_port() -> int:
    """A port where nobody listens; where the search begins differs from process to process and from call to call."""
    first = (os.getpid() * 37 + time.monotonic_ns()) % len(PORTS)
    for port in chain(PORTS[first:], PORTS[:first]):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("every port is taken")


class Server:
    """One server on one data folder; started again after each death, under the same issuer and port."""

    def __init__(self, data: Path, *, issuer: str = "", port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        """``issuer`` is given to a second server on the same folder; ``settings`` are said at each start and with each command."""
        self.data = data
        self.settings = dict(settings or {})
        self.port = port or free_port()
        self.issuer = issuer or f"http://127.0.0.1:{self.port}"
        self.log = data.parent / f"{data.name}-{self.port}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, fault: str = "", **settings: str) -> None:
        """Start and return when it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                program("serve", "--data", str(self.data), "--port", str(self.port), "--issuer", self.issuer),
                env=environment(fault, **self.settings, **settings),
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._wait_for_greeting()

    def start_and_die(self, fault: str) -> None:
        """Start with a fault that strikes before it answers."""
        try:
            self.start(fault)
        except EOFError:
            assert self.ended() == KILLED, self.complaints()
            return
        raise AssertionError(f"the server answers, {fault} was not passed")

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """The process that was started last and not yet taken leave of."""
        assert self.process is not None
        return self.process

    def kill(self) -> None:
        """End it as a power cut would, as far as the process is concerned."""
        self.running.kill()

    def ended(self) -> int:
        """Wait for its end, whoever brought it about; how it ended."""
        process = self.running
        try:
            return process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait(PATIENCE)
            if process.stdout is not None:
                process.stdout.close()
            self.process = None

    def stop(self) -> int:
        """Ask it to end and wait for that."""
        if self.process is None:
            return 0
        self.running.terminate()
        return self.ended()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command of its operator."""
        return command(self.data, *arguments, **self.settings)

    def complaints(self) -> list[str]:
        """What it wrote to its log, of which only errors are written."""
        return self.log.read_text("utf-8").splitlines() if self.log.exists() else []

    def _wait_for_greeting(self) -> None:
        assert self.running.stdout is not None
        pipe = self.running.stdout.fileno()
        printed, end = b"", time.monotonic() + PATIENCE
        while self.issuer.encode() not in printed:
            if not select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
                self.kill()
                raise TimeoutError(f"no server after {PATIENCE} s: {printed!r}")
            part = os.read(pipe, 4096)
            if not part:
                raise EOFError(f"the server ended: {printed!r} {self.complaints()[-5:]}")
            printed += part


def command(data: Path, *arguments: str, fault: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """One command of the operator, answered in JSON."""
    return subprocess.run(
        program(*arguments, "--data", str(data), "--json"),
        env=environment(fault, **settings),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


def at_once(data: Path, *commands: Sequence[str], **settings: str) -> list[tuple[int, str, str]]:
    """Several commands of operators who do not know of each other: exit code, output and errors of each."""
    started = [
        subprocess.Popen(
            program(*arguments, "--data", str(data), "--json"),
            env=environment(**settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        for arguments in commands
    ]
    try:
        printed = [process.communicate(timeout=PATIENCE) for process in started]
    finally:
        for process in started:
            process.kill()
    return [(process.returncode, out, error) for process, (out, error) in zip(started, printed, strict=True)]
