"""Measures this server beside a floor program and the in-memory MCP SDK server: ``script/bench --quick``.

Every server runs alone on the first core, the load on the second; rounds alternate, medians are printed. Figures of one
run may be compared with each other, never with another machine's. ``script/bench --flood`` measures what others feel of a flood
of requests whose clients are addresses of hosts that never answer.
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle, takewhile
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, urlencode, urlsplit

from benches import siege
from benches.flood import PATIENCE, Client, Outcome, Plan, flooding
from benches.load import Figures, Pace, Reply, drive, request
from benches.person import Person
from benches.pruning import pruned
from benches.siege import Measured, Siege, sieges

ROOT = Path(__file__).resolve().parent.parent
JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
MCP_BODY = {
    "client_name": "py-sdk",
    "redirect_uris": ["http://localhost:3030/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "scope": "openid",
    "application_type": "native",
}
OIDC_BODY = {
    "application_type": "web",
    "redirect_uris": ["https://client.example.org/callback", "https://client.example.org/callback2"],
    "client_name": "My Example",
    "client_name#ja-Jpan-JP": "クライアント名",
    "logo_uri": "https://client.example.org/logo.png",
    "client_uri": "https://client.example.org/",
    "policy_uri": "https://client.example.org/policy",
    "tos_uri": "https://client.example.org/tos",
    "token_endpoint_auth_method": "client_secret_basic",
    "contacts": ["ve7jtb@example.org", "mary@example.org"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "scope": "openid profile email",
}
CALLBACK = "https://client.example.org/callback"
FLOW_BODY = {
    "client_name": "Flow",
    "redirect_uris": [CALLBACK],
    "token_endpoint_auth_method": "client_secret_post",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "scope": "openid profile",
}
SCOPES = {"p": "profile", "o": "openid profile"}
"""By the first letter of the state: without and with an ID token."""
WORKLOADS = (
    "register (MCP body)",
    "register (OIDC body)",
    "read",
    "replace",
    "delete",
    "client_credentials, opaque",
    "client_credentials, ES256",
    "introspect",
    "metadata",
    "authorize (remembered consent)",
    "redeem code",
    "redeem code, ID token RS256",
    "refresh",
)
FLOW = WORKLOADS[-4:]
"""What goes through a person's browser, and what follows from it."""
FLOW_CODES = 4000
"""At most so many authorization requests are made in advance."""


@dataclass
class Peer:
    """One server under test."""

    name: str
    command: Callable[[int, Path], list[str]]
    workloads: frozenset[str]
    figures: dict[str, list[Figures]] = field(default_factory=dict[str, list[Figures]])
    memory: int = 0


def ours(port: int, folder: Path) -> list[str]:
    """Our server; nothing is switched off but the budget of anonymous registrations."""
    return [sys.executable, "-m", "calling_card", "serve", "--port", str(port), "--data", str(folder)]


def floor(port: int, folder: Path) -> list[str]:
    """The floor program: the same libraries and disk, nothing checked."""
    return [sys.executable, "-m", "benches.floor", str(port), str(folder)]


def sdk(port: int, folder: Path) -> list[str]:
    """The MCP SDK's server; it keeps nothing, so it needs no folder."""
    del folder
    return [sys.executable, "-m", "benches.sdk", str(port)]


ALL = frozenset(WORKLOADS)
PEERS: tuple[tuple[str, Callable[[int, Path], list[str]], frozenset[str]], ...] = (
    ("calling-card", ours, ALL),
    ("floor", floor, ALL),
    ("mcp SDK, memory", sdk, frozenset({"register (MCP body)", "register (OIDC body)", "metadata", FLOW[0], FLOW[1], FLOW[3]})),
)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def running(peer: Peer, folder: Path, settings: Mapping[str, str] | None = None) -> Generator[int]:
    """The peer on the first core until the block ends; its memory is read at the end."""
    port = free_port()
    ours = {f"CALLING_CARD_{name}": value for name, value in {"REGISTRATION_RATE": "0", **(settings or {})}.items()}
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", **ours}
    command = peer.command(port, folder)
    cores = sorted(os.sched_getaffinity(0))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    os.sched_setaffinity(process.pid, {cores[0]})
    try:
        for _ in range(400):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/.well-known/oauth-authorization-server", timeout=2).close()
                break
            time.sleep(0.025)
        yield port
        peer.memory = max(peer.memory, _pss(process.pid))
    finally:
        process.terminate()
        process.wait(20)


def _pss(pid: int) -> int:
    """Proportional set size in MiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) // 1024
    return 0


def _command(folder: Path, *words: str) -> dict[str, str]:
    """What one of our commands answers."""
    line = [sys.executable, "-m", "calling_card", *words, "--data", str(folder), "--json"]
    answer = subprocess.run(line, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, check=True, capture_output=True, text=True)
    value = cast("dict[str, object]", json.loads(answer.stdout))
    return {name: str(text) for name, text in value.items()}


class Round:
    """One peer, measured once on every workload it serves."""

    def __init__(self, peer: Peer, port: int, folder: Path, seconds: float) -> None:
        """``seconds`` per workload."""
        self.peer, self.port, self.folder, self.seconds = peer, port, folder, seconds
        self.ours = peer.name == "calling-card"
        self.cards: list[dict[str, str]] = []
        self.codes: dict[str, list[tuple[str, str]]] = {"p": [], "o": []}
        self.refresh: list[str] = []

    async def run(self) -> None:
        """All workloads in order; each uses what the ones before it left."""
        for name in WORKLOADS:
            if name not in self.peer.workloads:
                continue
            requests, expected = self._requests(name)
            kept = name in ("register (MCP body)", *FLOW[:2])
            figures = await drive(self.port, requests, seconds=self.seconds, expected=expected, keep=kept)
            self._keep(name, figures)
            if figures.wrong:
                print(f"  {self.peer.name}, {name}: {figures.wrong} of {figures.done} answers were not {expected}", file=sys.stderr)
            self.peer.figures.setdefault(name, []).append(figures)

    def _keep(self, name: str, figures: Figures) -> None:
        """What later workloads need of this one."""
        if name == "register (MCP body)":
            self.cards = [json.loads(body) for body in figures.bodies]
        elif name == FLOW[0]:
            for place in figures.places:
                said = parse_qs(urlsplit(place).query)
                self.codes[said["state"][0][0]].append((said["code"][0], said["state"][0]))
        elif name == FLOW[1]:
            self.refresh = [json.loads(body)["refresh_token"] for body in figures.bodies]

    def _requests(self, name: str) -> tuple[Iterator[bytes], int]:
        if name in FLOW:
            return self._flow(name)
        if name.startswith("register"):
            body = json.dumps(MCP_BODY if "MCP" in name else OIDC_BODY, ensure_ascii=False).encode()
            return cycle([request("POST", "/register", body, [JSON])]), 201
        if name == "metadata":
            return cycle([request("GET", "/.well-known/oauth-authorization-server")]), 200
        if name == "read":
            return cycle([self._manage("GET", card) for card in self.cards[:2000]]), 200
        if name == "replace":
            return iter([self._manage("PUT", card, self._body(card)) for card in self.cards[: len(self.cards) // 2]]), 200
        if name == "delete":
            return iter([self._manage("DELETE", card) for card in self.cards[len(self.cards) // 2 :]]), 204
        return self._tokens(name)

    def _body(self, card: dict[str, str]) -> bytes:
        return json.dumps({**MCP_BODY, "client_id": card["client_id"], "client_name": "another name"}).encode()

    def _manage(self, method: str, card: dict[str, str], body: bytes = b"") -> bytes:
        path = "/register/" + card["client_id"]
        return request(method, path, body, [("Authorization", "Bearer " + card["registration_access_token"]), *([JSON] if body else [])])

    def _flow(self, name: str) -> tuple[Iterator[bytes], int]:
        card = self._flow_card()
        if name == FLOW[0]:
            cookie = [("Cookie", self._cookie(card))] if self.ours else []
            asks = (asked_with(card, f"{'po'[number % 2]}{number}") for number in range(FLOW_CODES))
            return iter([request("GET", f"/authorize?{ask}", b"", cookie) for ask in asks]), 302 if "SDK" in self.peer.name else 303
        if name == FLOW[3]:
            return iter([self._granted({"grant_type": "refresh_token", "refresh_token": token}) for token in self.refresh]), 200
        letter = "o" if "ID token" in name else "p"
        marked = {"id_token": "1"} if letter == "o" and not self.ours else {}
        return iter([self._redemption(code, state, marked) for code, state in self.codes[letter]]), 200

    def _redemption(self, code: str, state: str, marked: Mapping[str, str] | None = None) -> bytes:
        """A code for tokens."""
        body = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier(state)}
        return self._granted({**body, **(marked or {})})

    def _granted(self, body: Mapping[str, str]) -> bytes:
        """A request at the token endpoint of the client of the flow."""
        card = self._flow_card()
        proof = {"client_id": card["client_id"], "client_secret": card["client_secret"]}
        return request("POST", "/token", urlencode({**proof, **body}).encode(), [FORM])

    def _flow_card(self) -> dict[str, str]:
        """The client of the flow."""
        if not hasattr(self, "_sends"):
            made = urllib.request.Request(f"http://127.0.0.1:{self.port}/register", json.dumps(FLOW_BODY).encode(), dict([JSON]))
            with urllib.request.urlopen(made, timeout=5) as answer:
                self._sends: dict[str, str] = json.loads(answer.read())
        return self._sends

    def _cookie(self, card: dict[str, str]) -> str:
        """Of a person who said yes to both kinds of request."""
        if not hasattr(self, "_alice"):
            made = _command(self.folder, "user", "add", "alice")
            self._alice = Person(self.port, "alice", made["password"])
            for letter in SCOPES:
                self._alice.allow(asked_with(card, letter))
        return self._alice.cookie

    def _tokens(self, name: str) -> tuple[Iterator[bytes], int]:
        if not self.ours:
            path = "/introspect" if name == "introspect" else "/token"
            return cycle([request("POST", path, b"grant_type=client_credentials&token=x", [FORM])]), 200
        machine, api = self._machine(), self._api()
        if name.startswith("client_credentials"):
            uri = self.jwt_uri if "ES256" in name else self.opaque_uri
            body = f"grant_type=client_credentials&resource={uri}".encode()
            return cycle([request("POST", "/token", body, [FORM, ("Authorization", machine)])]), 200
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/token",
            f"grant_type=client_credentials&resource={self.opaque_uri}".encode(),
            {"Authorization": machine},
        )
        with urllib.request.urlopen(asked, timeout=5) as answer:
            token = json.loads(answer.read())["access_token"]
        return cycle([request("POST", "/introspect", f"token={token}".encode(), [FORM, ("Authorization", api)])]), 200

    opaque_uri = "https://opaque.example"
    jwt_uri = "https://jwt.example"

    def _api(self) -> str:
        if not hasattr(self, "_asks"):
            made = _command(self.folder, "resource", "add", self.opaque_uri, "--scopes", "jobs")
            _command(self.folder, "resource", "add", self.jwt_uri, "--scopes", "jobs", "--tokens", "jwt")
            self._asks = _basic(made)
        return self._asks

    def _machine(self) -> str:
        self._api()
        if not hasattr(self, "_works"):
            token = _command(self.folder, "invite", "--grant", "client_credentials", "--scope", "jobs")["initial_access_token"]
            body = json.dumps({"grant_types": ["client_credentials"], "scope": "jobs"}).encode()
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/register", body, headers)
            with urllib.request.urlopen(asked, timeout=5) as answer:
                self._works = _basic(json.loads(answer.read()))
        return self._works


class Besieged(Round):
    """Our server, measured while it is flooded and while it is not."""

    async def stand(self, siege: Siege) -> None:
        """Every phase once, after the first fetch of all, which loads what fetches need."""
        async with flooding(self.port, Plan(Client.RESETS, 1, connections=1)) as first:
            await first.end()
        for phase in [*siege.phases] * siege.turns:
            siege.note(phase, *await self._phase(siege, phase.plan))

    async def _phase(self, siege: Siege, plan: Plan | None) -> tuple[Figures, Outcome | None]:
        """Until the flood is over, if it has an end."""
        if plan is None:
            return await self._measured(siege.measured, siege.calm, lambda: True), None
        async with flooding(self.port, plan) as flood:
            if siege.settle:
                await asyncio.sleep(siege.settle)
                return await self._measured(siege.measured, siege.calm, lambda: True), await flood.end()
            if plan.requests:
                return await self._measured(siege.measured, PATIENCE, lambda: not flood.over), await flood.end()
            return await self._measured(siege.measured, siege.calm, lambda: True), await flood.end()

    async def _measured(self, measured: Measured, seconds: float, going: Callable[[], bool]) -> Figures:
        pace, expected = Pace(measured.a_second), 200
        if measured is Measured.LOGINS:
            card = self._flow_card()
            cookie = [("Cookie", self._cookie(card))]
            asks: Iterator[bytes] = (request("GET", f"/authorize?{asked_with(card, f'p{number}')}", b"", cookie) for number in count())
            pace = Pace(measured.a_second, self._redeemed)
        elif measured is Measured.INVITED:
            asks, expected = self._invited(), 201
        else:
            asks, expected = self._tokens("client_credentials, opaque")
        wanted = takewhile(lambda _: going(), asks)
        return await drive(self.port, wanted, seconds=seconds, expected=expected, connections=measured.connections, pace=pace)

    def _invited(self) -> Iterator[bytes]:
        """Registrations of somebody whom the operator knows."""
        token = _command(self.folder, "invite", "--uses", "1000000")["initial_access_token"]
        return cycle([request("POST", "/register", json.dumps(MCP_BODY).encode(), [JSON, ("Authorization", f"Bearer {token}")])])

    def _redeemed(self, reply: Reply) -> bytes | None:
        """The second half of a login."""
        said = parse_qs(urlsplit(reply.place).query)
        return self._redemption(said["code"][0], said["state"][0]) if "code" in said else None


def verifier(state: str) -> str:
    """Another one for each request."""
    return hashlib.sha256(state.encode()).hexdigest()


def asked_with(card: dict[str, str], state: str) -> str:
    """Query of an authorization request."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier(state).encode()).digest()).rstrip(b"=").decode()
    asked = {"client_id": card["client_id"], "response_type": "code", "redirect_uri": CALLBACK, "scope": SCOPES[state[0]], "state": state}
    return urlencode({**asked, "code_challenge": challenge, "code_challenge_method": "S256"})


def _basic(card: dict[str, str]) -> str:
    return "Basic " + base64.b64encode(f"{card['client_id']}:{card['client_secret']}".encode()).decode()


def report(peers: list[Peer]) -> str:
    """The figures as a table, each with its ratio to the others in the same run."""
    lines = [
        f"{'requests/s on one core (p50/p99 ms)':34}" + "".join(f"{peer.name:>26}" for peer in peers) + f"{'of floor':>10}{'x SDK':>8}"
    ]
    for name in WORKLOADS:
        line = f"{name:34}"
        rates: list[float] = []
        for peer in peers:
            runs = peer.figures.get(name)
            rate = statistics.median(run.rate for run in runs) if runs else 0.0
            rates.append(rate)
            middle = sorted(runs, key=lambda run: run.rate)[len(runs) // 2] if runs else None
            text = f"{rate:,.0f} ({middle.quantile(0.5):.1f}/{middle.quantile(0.99):.1f})" if middle else "-"
            line += f"{text:>26}"
        line += f"{rates[0] / rates[1]:>10.2f}" if rates[1] else f"{'-':>10}"
        line += f"{rates[0] / rates[2]:>8.2f}" if rates[2] else f"{'-':>8}"
        lines.append(line)
    lines.append(f"{'memory after load, MiB (PSS)':34}" + "".join(f"{peer.memory:>26}" for peer in peers))
    return "\n".join(lines)


def compared(rounds: int, seconds: float) -> list[Peer]:
    """All servers on all workloads."""
    peers = [Peer(name, command, workloads) for name, command, workloads in PEERS]
    for number in range(rounds):
        for peer in peers:
            print(f"round {number + 1} of {rounds}: {peer.name}", file=sys.stderr)
            with alone(peer, {}) as (port, folder):
                asyncio.run(Round(peer, port, folder, seconds).run())
    return peers


def besieged(rounds: int, seconds: float, requests: int) -> Sequence[Siege]:
    """Our server in every siege."""
    found = sieges(requests, seconds)
    for number in range(rounds):
        for one in found:
            print(f"round {number + 1} of {rounds}: {one.name}, {one.measured.text}", file=sys.stderr)
            peer = Peer("calling-card", ours, ALL)
            with alone(peer, one.settings) as (port, folder):
                asyncio.run(Besieged(peer, port, folder, one.calm).stand(one))
    return found


def stalled(clients: int) -> Mapping[str, float]:
    """How long registrations take while so many dead clients are pruned, looked at for a minute."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o700)
        return asyncio.run(pruned(Path(made), clients, 60.0))


def sealed(requests: int) -> Mapping[str, float]:
    """What so many registrations that nobody approves leave behind, and what one of them costs."""
    with alone(Peer("calling-card", ours, ALL), {"OPEN_REGISTRATION": "sealed"}) as (port, folder):
        before = _stored(folder)
        outcome = asyncio.run(_poured(port, Plan(Client.NEW, requests, connections=16)))
        time.sleep(3)  # what is written later is written now
        after = _stored(folder)
    return {
        "registrations": outcome.statuses.get("201", 0),
        "a_second": round(outcome.requests / outcome.seconds),
        **{f"{name} added": after[name] - before[name] for name in before},
    }


async def _poured(port: int, plan: Plan) -> Outcome:
    async with flooding(port, plan) as flood:
        return await flood.over_at_last()


def _stored(folder: Path) -> dict[str, int]:
    """Bytes of the data folder, and rows of all tables."""
    place = folder / "calling-card.sqlite3"
    with contextlib.closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = sum(database.execute(f'SELECT COUNT(*) FROM "{table}"').fetchone()[0] for table in tables)  # noqa: S608 - names of its own
    files = {file.name: file.stat().st_size for file in folder.iterdir() if file.is_file()}
    logged = files.pop("log", 0)
    return {"rows": rows, "bytes": sum(files.values()), "bytes of log": logged}


@contextlib.contextmanager
def alone(peer: Peer, settings: Mapping[str, str]) -> Generator[tuple[int, Path]]:
    """The peer on the first core and we on the last: port and folder."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o700)
        with running(peer, folder, settings) as port:
            os.sched_setaffinity(0, {cores[-1]})
            yield port, folder
            os.sched_setaffinity(0, set(cores))


def main() -> None:
    """Parse the arguments, run the rounds, print the tables."""
    parser = argparse.ArgumentParser(prog="script/bench", description="Measures this server beside others on this machine.")
    parser.add_argument("--quick", action="store_true", help="one round of one second per workload, about a minute")
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds (default 3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds per workload (default 3)")
    parser.add_argument("--flood", type=int, nargs="?", const=10_000, metavar="REQUESTS", help=FLOODED)
    parser.add_argument("--sealed", type=int, nargs="?", const=1_000_000, metavar="REGISTRATIONS", help=SEALED)
    parser.add_argument("--prune", type=int, nargs="?", const=1_000_000, metavar="CLIENTS", help=PRUNED)
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    rounds, seconds = (1, 1.0) if chosen.quick else (chosen.rounds, chosen.seconds)
    if chosen.sealed or chosen.prune:
        left = sealed(chosen.sealed) if chosen.sealed else stalled(chosen.prune)
        print(json.dumps(left) if chosen.json else "\n".join(f"{name:20}{number:>12,}" for name, number in left.items()))
        return
    if chosen.flood:
        found = besieged(rounds, seconds, chosen.flood)
        print(json.dumps([siege.as_json(one) for one in found]) if chosen.json else "\n\n".join(map(siege.report, found)))
        return
    peers = compared(rounds, seconds)
    if chosen.json:
        print(json.dumps({peer.name: {name: [run.rate for run in runs] for name, runs in peer.figures.items()} for peer in peers}))
    else:
        print(report(peers))


SEALED = "what so many sealed registrations leave in the data folder (default 1000000, about ten minutes)"
PRUNED = "how long registrations take while so many dead clients are pruned (default 1000000)"
FLOODED = "what others feel of so many requests whose clients nobody can reach (default 10000; --quick suits 1000)"


if __name__ == "__main__":
    main()
