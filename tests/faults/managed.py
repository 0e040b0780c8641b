"""A server with workers under a service manager, which the tests are: it is told which process is the main one, and when that is ready."""

import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.process import PATIENCE, environment, free_port, program


class Managed:
    """One service on one data folder; its main process changes with each replacement."""

    def __init__(self, data: Path, *, workers: int = 2, settings: Mapping[str, str] | None = None) -> None:
        """Not started yet."""
        self.data = data
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.workers = workers
        self.config = data.parent / f"{data.name}.toml"
        self.config.write_text("", encoding="ascii")
        self.log = data.parent / f"{data.name}.log"
        self.settings = {"LOG_LEVEL": "info", **(settings or {})}
        self.main = 0
        """Process id; 0: nobody is ready yet."""
        self.launcher: Sequence[str] = ()
        """What starts the program, and is followed by its command line; nothing: it is started as it is."""
        self._heard = ""
        self._started: list[subprocess.Popen[bytes]] = []
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(str(data.parent / f"{data.name}.notify"))

    def start(self, *more: str, inherited: Sequence[int] = (), **environs: str) -> "subprocess.Popen[bytes]":
        """Start it, and return when it is ready or has ended."""
        env = environment(**self.settings) | {"NOTIFY_SOCKET": str(self._line.getsockname())} | environs
        said = ["--data", str(self.data), "--port", str(self.port), "--issuer", self.issuer, "--config", str(self.config)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*self.launcher, *program("serve", *said, "--workers", str(self.workers), *more)],
                env=env,
                stdout=log,
                stderr=log,
                pass_fds=inherited,
            )
        self._started.append(process)
        self._await_ready(process)
        return process

    def signal(self, number: int) -> None:
        """Send the main process a signal."""
        assert self.main, self.complaints()
        os.kill(self.main, number)

    def reload(self) -> None:
        """Ask for a reload and wait for its end."""
        self.signal(signal.SIGHUP)
        self.hear("RELOADING=1")
        self.hear("READY=1")

    def replace(self) -> None:
        """Ask for a replacement and wait until the successor says that it is the main process."""
        before = self.main
        self.signal(signal.SIGUSR2)
        self.hear("MAINPID=")
        assert self.main != before

    def hear(self, word: str) -> None:
        """Wait until this is said."""
        end = time.monotonic() + PATIENCE
        while word not in self._heard:
            assert select.select([self._line], [], [], max(0.0, end - time.monotonic()))[0], f"{word} was not said: {self.complaints()}"
            self._take()
        self._heard = ""

    def stop(self) -> list[int]:
        """Ask the main process to end, and wait until it has; how those ended that were started here."""
        if self.main:
            gone(self.main, signal.SIGTERM)
            self.main = 0
        codes = [process.wait(PATIENCE) for process in self._started]
        self._line.close()
        return codes

    def crew(self) -> list[int]:
        """The workers of the main process."""
        return [int(pid) for pid in Path(f"/proc/{self.main}/task/{self.main}/children").read_text("ascii").split()]

    def logged(self, event: str) -> list[Mapping[str, object]]:
        """Its log lines of one kind."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines() if f'"event":"{event}"' in line]

    def complaints(self) -> list[str]:
        """Its last words."""
        return self.log.read_text("utf-8").splitlines()[-20:] if self.log.exists() else []

    def _await_ready(self, process: "subprocess.Popen[bytes]") -> None:
        end = time.monotonic() + PATIENCE
        while process.poll() is None and not self.main:
            assert time.monotonic() < end, self.complaints()
            if select.select([self._line], [], [], 0.05)[0]:
                self._take()
        self._heard = ""

    def _take(self) -> None:
        said = self._line.recv(4096).decode()
        self._heard += said + "\n"
        for line in said.splitlines():
            if line.startswith("MAINPID="):
                self.main = int(line.removeprefix("MAINPID="))


def gone(pid: int, number: int = 0) -> None:
    """Send a process this signal, if any, and wait until it has ended, whoever its parent is."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if number:
            signal.pidfd_send_signal(watched, number)
        assert select.select([watched], [], [], PATIENCE)[0], f"process {pid} goes on"
    finally:
        os.close(watched)
