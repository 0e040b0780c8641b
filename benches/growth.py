"""What a database of a million clients costs: rates, memory, bytes, the first answer, and others' writes while it is pruned."""

import asyncio
import os
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import cast

import apsw

from benches.bodies import MCP_BODY, OIDC_BODY
from benches.compare import say
from benches.generator import ROOT, Way, run
from benches.others import ours
from benches.plan import Flow, Plan, Step, Table, path, rows_of, said
from benches.pruning import pruned
from benches.servers import ISSUER, SOURCE, empty_folder, running
from benches.targets import Measured
from benches.visit import Ours
from benches.workloads import registering

AUDIT = ("events",)
"""Tables that are the audit's, not the client's."""
MILLION = 1_000_000
"""Clients that the targets speak of."""
MINUTE = 60.0
"""Seconds of load that they speak of."""
SAMPLE = 50_000
"""Clients that are read, evenly spread over all."""


def bulk(folder: Path, count: int, url: str = "") -> Table:
    """So many more clients in the folder, or the PostgreSQL database, of a stopped server, and the sample of them."""
    line = [sys.executable, "-m", "benches.bulk", str(folder), str(count), str(SAMPLE), *([url] if url else [])]
    subprocess.run(line, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{SOURCE}:{ROOT}"})
    with (folder / "cards").open(encoding="utf-8") as text:
        return Table(("client_id", "path", "rat"), rows_of(text))


def grown(steps: tuple[int, ...], way: Way, found: Measured) -> dict[int, dict[str, float]]:
    """Rates, memory and the first answer by number of clients."""
    table: dict[int, dict[str, float]] = {}
    with empty_folder() as folder:
        with running(ours({"ISSUER": ISSUER}), folder) as server:
            Ours(server.port, folder).registered(MCP_BODY)
        there = 0
        for count in steps:
            say(f"{count:,} clients")
            cards, there = bulk(folder, count - there), count
            table[count] = _at(folder, cards, way)
    first, last = table[steps[0]], table[steps[-1]]
    if last is table.get(MILLION):
        for name in ("read", "register"):
            found.figures[f"{name} grown"] = last[name] / first[name]
        found.figures["memory grown"] = last["idle"] / first["idle"]
    found.figures |= {"first answer": last["first"], "memory idle": first["idle"]}
    return table


def _at(folder: Path, cards: Table, way: Way) -> dict[str, float]:
    """Alternating, so that what the machine does meanwhile is in both."""
    with running(ours({"ISSUER": ISSUER}), folder) as server:
        visit = Ours(server.port, folder)
        idle, made = server.memory(), registering(visit, MCP_BODY)
        plans = {"read": Plan([Flow([_READ], "cards")], {"cards": cards}), "register": Plan([Flow([made])])}
        rates: dict[str, list[float]] = {name: [run(server.port, plan, way).rate for _ in range(3)] for name, plan in plans.items()}
        memory = server.memory()
    medians = {name: sorted(values)[1] for name, values in rates.items()}
    return {**medians, "idle": idle, "loaded": memory, "first": server.first, "file MB": _size(folder) / 1e6}


_READ = Step("GET", "«path»", 200, [("Authorization", "Bearer «rat»")])


def coming_and_reading(visit: Ours) -> Plan:
    """Registrations and reads of those who came, two of these for one of those."""
    made = registering(visit, MCP_BODY, path("registration_client_uri", "path"), said("registration_access_token", "rat"))
    return Plan([Flow([made], into="cards"), Flow([_READ], "cards", weight=2)], {"cards": Table(("path", "rat"))})


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if ".sqlite3" in file.name)


def stored(clients: int, found: Measured) -> None:
    """Bytes a stored client takes, indexes in, audit apart, for both bodies."""
    for name, body in (("MCP", MCP_BODY), ("OIDC", OIDC_BODY)):
        say(f"bytes a client, {name} body")
        with empty_folder() as folder:
            with running(ours(), folder) as server:
                before = _pages(folder)
                run(server.port, Plan([Flow([registering(Ours(server.port, folder), body)])]), Way(120, walks=clients))
            after = _pages(folder)
        found.figures[f"bytes {name}"] = (after["clients"] - before["clients"]) / clients
        found.figures[f"bytes of events, {name}"] = (after["audit"] - before["audit"]) / clients


def _pages(folder: Path) -> dict[str, int]:
    """Bytes of the pages of all tables and their indexes, the audit apart."""
    database = apsw.Connection(str(next(folder.glob("*.sqlite3"))), flags=apsw.SQLITE_OPEN_READONLY)
    with closing(database):
        audits = {str(name) for name, table in database.execute("SELECT name, tbl_name FROM sqlite_master") if table in AUDIT}
        sums = {"clients": 0, "audit": 0}
        for name, size in database.execute("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name"):
            sums["audit" if name in audits else "clients"] += cast("int", size)
    return sums


def loaded(seconds: float, found: Measured) -> None:
    """Memory after a while of registering and reading, which leave most behind."""
    say(f"memory after {seconds:.0f} s of load")
    with empty_folder() as folder, running(ours(), folder) as server:
        found.figures.setdefault("memory idle", server.memory())
        run(server.port, coming_and_reading(Ours(server.port, folder)), Way(seconds))
        found.figures["memory loaded" if seconds >= MINUTE else f"memory after {seconds:g} s"] = server.memory()


def pruning_stall(clients: int, found: Measured) -> None:
    """The longest registration while so many dead clients are pruned."""
    say(f"pruning {clients:,} clients")
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o700)
        figures = asyncio.run(pruned(Path(made), clients, 60.0))
    found.figures["pruning stall"] = figures["pruning worst ms"]
    found.figures["calm worst ms"] = figures["calm worst ms"]
