"""A PostgreSQL cluster of a test's own: made in a second, on a socket of its own, crashed and promoted as the test likes."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest

PATIENCE = 60
"""Seconds that a command of PostgreSQL may take; none of them needs more than a few."""
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""Settings of clusters that nobody crashes."""


def programs() -> Path | None:
    """Where the programs of PostgreSQL 14 or newer are; None: they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    named = shutil.which("initdb")
    return Path(named).resolve().parent if named else None


def runner() -> str | None:
    """As whom PostgreSQL is run, which refuses root; None: as whoever runs the tests."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PGOPTIONS": "-c default_transaction_read_only=off"}
"""Of the programs: what a test has made of its server does not bind the test."""


@dataclass
class Cluster:
    """One server with its files in a folder; it listens on a socket there and on loopback."""

    home: Path
    settings: Sequence[str] = ()
    port: int = field(default_factory=free_port)

    @classmethod
    def made(cls, *settings: str) -> "Cluster":
        """A new cluster that has been started."""
        home = Path(tempfile.mkdtemp(prefix="cc-pg-"))
        if (user := runner()) is not None:
            shutil.chown(home, user)
        cluster = cls(home, settings)
        cluster._run(
            "initdb", "--no-sync", "--auth=trust", "--username=test", "--encoding=UTF8", "--locale=C.UTF-8", "-D", str(home / "data")
        )
        cluster.start()
        return cluster

    def start(self) -> None:
        """Start, and wait until it answers; what a crash left undone is done first."""
        settings = " ".join(f"-c {setting}" for setting in ("max_connections=200", *self.settings))
        options = f"-k {self.home} -h 127.0.0.1 -p {self.port} {settings}"
        self._run("pg_ctl", "-w", "-D", str(self.home / "data"), "-l", str(self.home / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop: ``smart``, ``fast``, or ``immediate``, which is a crash."""
        self._run("pg_ctl", "-w", "-D", str(self.home / "data"), "-m", mode, "stop")

    def standby(self, *settings: str) -> "Cluster":
        """A new server that follows this one."""
        home = Path(tempfile.mkdtemp(prefix="cc-pg-"))
        if (user := runner()) is not None:
            shutil.chown(home, user)
        follower = Cluster(home, (*self.settings, *settings))
        follower._run(
            *("pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-D", str(home / "data")),
            *("-d", f"host={self.home} port={self.port} user=test application_name={home.name}"),
        )
        follower.start()
        return follower

    def promote(self) -> None:
        """Make a standby the primary."""
        self._run("pg_ctl", "-w", "-D", str(self.home / "data"), "promote")

    def sql(self, statements: str, database: str = "postgres") -> str:
        """Run statements as the superuser and say what came back, without headings."""
        where = ("-h", str(self.home), "-p", str(self.port), "-U", "test", "-d", database)
        return self._run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, "-c", statements)

    def url(self, database: str = "postgres", *, socket: bool = True) -> str:
        """The address as a setting: by the socket, or by loopback."""
        if socket:
            return f"postgresql://test@/{database}?host={self.home}&port={self.port}"
        return f"postgresql://test@127.0.0.1:{self.port}/{database}"

    def remove(self) -> None:
        """Stop, if it runs, and leave nothing behind."""
        if (self.home / "data" / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.home)

    def _run(self, program: str, *arguments: str) -> str:
        folder = programs()
        if folder is None:
            raise FileNotFoundError("PostgreSQL is not installed; script/setup brings it")
        command = [str(folder / program), *arguments]
        # what the server inherits must not keep whoever waits for pg_ctl waiting for the server
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                command,
                check=False,
                env=ENVIRONMENT,
                user=runner(),
                group=runner_group(),
                cwd=self.home,
                stdout=said,
                stderr=said,
                timeout=PATIENCE,
            )
            said.seek(0)
            text = said.read().decode()
        if done.returncode:
            raise RuntimeError(f"{program}: {text}")
        return text


async def connected(url: str) -> Any:  # noqa: ANN401 - the driver names no types
    """A connection with everything the driver can do."""
    driver = cast("Any", asyncpg)
    return await driver.connect(url)


def runner_group() -> int | None:
    """The group of `runner`."""
    user = runner()
    return None if user is None else pwd.getpwnam(user).pw_gid


def lent() -> Iterator[Cluster]:
    """What a fixture yields where nobody crashes the server; skips the tests where PostgreSQL is missing."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed; script/setup brings it")
    cluster = Cluster.made(*FAST)
    yield cluster
    cluster.remove()
