"""The servers that are measured, by package name: one row each."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benches.generator import ROOT
from benches.servers import PLENTY, Command
from benches.visit import Authlib, Django, Floor, NodeProvider, Ours, Unmanaged, Visit
from benches.workloads import SEALED, WORKLOADS

HERE = Path(__file__).with_name("peers")
CACHE = ROOT / ".cache" / "peers"


class CannotBring(Exception):
    """What a server needs cannot be had here; the text says why."""


@dataclass(frozen=True)
class Peer:
    """One server."""

    name: str
    text: str
    """What it is and how it was set up, for the page."""
    visit: type[Visit]
    workloads: Sequence[str]
    command: Callable[[], Command]
    """Brings what it needs. Raises `CannotBring`."""
    always: bool = True
    """Whether it is measured unless somebody asks for less."""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


def ours(settings: Mapping[str, str] | None = None, *words: str, plenty: bool = True) -> Command:
    """Our server; with ``plenty`` there is room in every budget."""
    said = {**(PLENTY if plenty else {}), **(settings or {})}
    environment = {f"CALLING_CARD_{name}": value for name, value in said.items()}
    line = [sys.executable, "-m", "calling_card", "serve", *words]
    return Command(lambda port, folder: [*line, "--port", str(port), "--data", str(folder)], environment=environment)


def floor() -> Command:
    """The floor program, with our own packages."""
    return Command(lambda port, folder: [sys.executable, str(HERE / "floor" / "server.py"), str(port), str(folder)])


def python(name: str) -> Callable[[], Command]:
    """A program in Python with an environment of its own."""

    def command() -> Command:
        here = _environment(name) / "bin" / "python"
        return Command(lambda port, folder: [str(here), str(HERE / name / "server.py"), str(port), str(folder)])

    return command


def _environment(name: str) -> Path:
    """The virtual environment of a peer, made from its lock file when that has changed."""
    made, lock = CACHE / name, HERE / name / "requirements.txt"
    stamp = made / "made-from"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        print(f"installing the packages of {name}", file=sys.stderr)
        uv = str(Path(sys.executable).with_name("uv"))
        _do(name, [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(made)])
        _do(name, [uv, "pip", "install", "--quiet", "--python", str(made / "bin" / "python"), "--require-hashes", "-r", str(lock)])
        stamp.write_bytes(lock.read_bytes())
    return made


def node_provider(*words: str) -> Callable[[], Command]:
    """node-oidc-provider; ``words`` say where it keeps what."""

    def command() -> Command:
        home = _modules("node-oidc-provider")
        environment = {"NODE_ENV": "production"}
        line = ["node", str(home / "server.mjs")]
        return Command(lambda port, folder: [*line, str(port), str(folder), *words], "/.well-known/openid-configuration", environment)

    return command


def _modules(name: str) -> Path:
    """A folder with the packages of the lock file; better-sqlite3 is compiled here, with the headers that came with Node.js."""
    made, lock = CACHE / name, HERE / name / "package-lock.json"
    stamp = made / "made-from"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        print(f"installing the packages of {name}", file=sys.stderr)
        shutil.rmtree(made, ignore_errors=True)
        shutil.copytree(HERE / name, made)
        quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
        _do(name, ["npm", "ci", "--ignore-scripts", *quiet], made)
        _do(name, ["npm", "rebuild", "better-sqlite3", *quiet], made, _headers())
        stamp.write_bytes(lock.read_bytes())
    shutil.copy(HERE / name / "server.mjs", made)
    return made


def _headers() -> Mapping[str, str]:
    node = shutil.which("node")
    prefix = Path(node).resolve().parent.parent if node else Path("/usr")
    told = {"npm_config_nodedir": str(prefix)} if (prefix / "include" / "node").exists() else {}
    return {"npm_config_build_from_source": "true", **told}


def elsewhere(name: str, where: str) -> Command:
    """A server that no package registry has. Raises `CannotBring`."""
    raise CannotBring(f"{name}: is in no package registry of Python, Node.js or Debian, only in {where}; not measured")


def _do(name: str, line: Sequence[str], folder: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
    try:
        subprocess.run(line, cwd=folder, env={**os.environ, **(environment or {})}, check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotBring(f"{name}: {error}") from None


_ALL = tuple(workload.name for workload in WORKLOADS)
_BUT_SIGNED = tuple(name for name in _ALL if "RS256" not in name)
_CLIENTS = _ALL[:6]
_MACHINES = ("client_credentials, opaque", "introspect")
_SDK = ("register (MCP body)", "register (OIDC body)", "register, each another", "metadata", "code flow", "refresh")

PEERS = (
    Peer(
        "calling-card",
        "This server: audit and the built-in policy on, SQLite with synchronous=FULL, one process; every budget is kept and none is met.",
        Ours,
        _ALL,
        ours,
    ),
    Peer(
        "calling-card, sealed",
        "The same with open_registration=sealed: what strangers register is in their client_id.",
        Ours,
        tuple(workload.name for workload in SEALED),
        lambda: ours({"OPEN_REGISTRATION": "sealed"}),
    ),
    Peer("floor", "The same libraries and disk behind 190 lines that check nothing.", Floor, _BUT_SIGNED, floor),
    Peer(
        "node-oidc-provider",
        "node-oidc-provider 9.13 with an adapter on better-sqlite3: WAL, synchronous=FULL, prepared statements; NODE_ENV=production.",
        NodeProvider,
        (*_CLIENTS, "client_credentials, opaque", "client_credentials, ES256", "introspect", "metadata", "JWKS"),
        node_provider("sqlite"),
    ),
    Peer(
        "node-oidc-provider, memory",
        "The same with everything in a Map of the process, nothing durable.",
        NodeProvider,
        (*_CLIENTS, "client_credentials, opaque", "client_credentials, ES256", "introspect", "metadata", "JWKS"),
        node_provider("memory"),
    ),
    Peer(
        "Authlib",
        "Authlib 1.9 on Flask with SQLAlchemy: SQLite, WAL, synchronous=FULL; gunicorn, one process, 16 threads.",
        Authlib,
        (*_CLIENTS, *_MACHINES, "metadata", "code flow", "refresh"),
        python("authlib"),
    ),
    Peer(
        "django-oauth-toolkit",
        "django-oauth-toolkit 3.4 on Django: SQLite, WAL, synchronous=FULL; gunicorn, one process, 16 threads; secrets hashed as it ships.",
        Django,
        (*_CLIENTS, *_MACHINES, "metadata"),
        python("django-oauth-toolkit"),
    ),
    Peer("mcp", "The authorization server of the MCP SDK 2.3, everything in memory; uvicorn with uvloop.", Unmanaged, _SDK, python("mcp")),
    Peer("hydra", "Ory Hydra.", Visit, (), lambda: elsewhere("Ory Hydra", "its own releases"), always=False),
    Peer("keycloak", "Keycloak.", Visit, (), lambda: elsewhere("Keycloak", "its own releases"), always=False),
    Peer("fastmcp", "The in-memory provider of fastmcp 4.1; uvicorn with uvloop.", Unmanaged, _SDK, python("fastmcp")),
)


def asked_for(peer: Peer, beginnings: Sequence[str] | None) -> Peer:
    """With only the workloads whose names begin so, and those that leave them what they need; None: all."""
    if not beginnings:
        return peer
    needed = {"read": "register (MCP body)", "update": "register (MCP body)", "delete": "register (MCP body)", "refresh": "code flow"}
    wanted = {name for name in peer.workloads if name.startswith(tuple(beginnings))}
    wanted |= {needed[name] for name in wanted if name in needed}
    wanted |= {"register, sealed (MCP body)"} if any("sealed" in name for name in wanted) else set()
    return replace(peer, workloads=tuple(name for name in peer.workloads if name in wanted))
