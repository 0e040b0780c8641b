"""Starts a server on its core, looks at its memory, and ends it."""

import contextlib
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benches.generator import CORES, ROOT, BadRun, on

SOURCE = os.environ.get("BENCH_SOURCE", str(ROOT / "src"))
"""Of our server; another one compares two states of it."""
ISSUER = "http://127.0.0.1:8000"
"""Credentials are bound to the issuer: a server that is started twice, on two ports, needs a name that stays."""
PATIENCE = 60.0
"""Seconds until a server must have answered for the first time."""
MOST = str(2**20)
PLENTY = {
    **dict.fromkeys(("REGISTRATION_RATE", "REGISTRATION_BURST", "INVITATION_RATE", "NETWORK_RATE", "HOST_RATE", "SOFTWARE_RATE"), MOST),
    **dict.fromkeys(("CHANGE_RATE", "FAILURE_RATE", "PROMPT_RATE"), MOST),
    "NEVER_USED_LIMIT": str(2**30),
}
"""Our budgets: every one is kept, and none is met. The other settings are as shipped."""


class NotThere(Exception):
    """A server did not come up; the text is the end of what it said."""


@dataclass(frozen=True)
class Command:
    """How a server is started."""

    words: Callable[[int, Path], Sequence[str]]
    """By its port and a folder of its own."""
    metadata: str = "/.well-known/oauth-authorization-server"
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    before: Callable[[int, Path], None] | None = None
    """What has to be done once in the folder."""


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    first: float
    """Seconds from its start to its first answer."""

    def memory(self) -> float:
        """Proportional set size of it and what it started, in MiB."""
        return sum(_pss(pid) for pid in family(self.process.pid))

    def processor(self) -> float:
        """Seconds of processor time of it and what it started."""
        return sum(_processor(pid) for pid in family(self.process.pid))

    def resident(self) -> float:
        """Resident set size of it and what it started, in MiB."""
        return sum(_in_status(pid, "VmRSS:") for pid in family(self.process.pid))

    def files(self) -> int:
        """Open files of it and what it started."""
        return sum(_files(pid) for pid in family(self.process.pid))


@contextlib.contextmanager
def running(command: Command, folder: Path, cores: Sequence[int] = CORES[:1]) -> Generator[Running]:
    """The server, until the block ends. Raises `NotThere`."""
    port = free_port()
    if command.before is not None:
        command.before(port, folder)
    environment = {**os.environ, "PYTHONPATH": f"{SOURCE}:{ROOT}", **command.environment}
    with (folder / "log").open("ab") as log, on(*cores):
        began = time.perf_counter()
        process = subprocess.Popen(command.words(port, folder), env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        _await_answer(process, port, command.metadata, folder)
        yield Running(process, port, folder, time.perf_counter() - began)
    except BadRun as error:
        raise BadRun(f"{error}; the server {_fate(process)}: {_last_words(folder)}") from error
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


@contextlib.contextmanager
def empty_folder() -> Generator[Path]:
    """A folder that nobody else may look into."""
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        Path(made).chmod(0o700)
        yield Path(made)


def _await_answer(process: subprocess.Popen[bytes], port: int, path: str, folder: Path) -> None:
    until = time.perf_counter() + PATIENCE
    while time.perf_counter() < until and process.poll() is None:
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).close()
            return
        time.sleep(0.005)
    raise NotThere(_last_words(folder))


def _last_words(folder: Path) -> str:
    return (folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:]


def _fate(process: subprocess.Popen[bytes]) -> str:
    return "runs" if process.poll() is None else f"ended with {process.returncode}"


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def family(pid: int) -> list[int]:
    """A process and all that it and they started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in family(int(child)))]


def _processor(pid: int) -> float:
    with contextlib.suppress(OSError):
        said = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _pss(pid: int) -> float:
    return _kibibytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def _files(pid: int) -> int:
    with contextlib.suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return 0


def _in_status(pid: int, name: str) -> float:
    return _kibibytes(Path(f"/proc/{pid}/status"), name)


def _kibibytes(file: Path, name: str) -> float:
    """A line of a file under /proc, in MiB; 0: the process is gone."""
    with contextlib.suppress(OSError):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
    return 0.0
