"""Our server alone on its core while it is flooded, and what floods leave behind; which floods, says ``benches/siege.py``."""

import asyncio
import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import count, cycle, takewhile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from benches.bodies import MCP_BODY, asked
from benches.compare import say
from benches.flood import PATIENCE, Client, Outcome, Plan, flooding
from benches.generator import CORES, on
from benches.load import Figures, Pace, Reply, drive, request
from benches.others import ours
from benches.servers import Running, empty_folder, running
from benches.siege import Measured, Siege, sieges
from benches.visit import FORM, JSON, Ours, basic


class Besieged:
    """Our server, measured while it is flooded and while it is not."""

    def __init__(self, server: Running) -> None:
        """It is there."""
        self.port, self.visit = server.port, Ours(server.port, server.folder)

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
            asks, pace = self._logins(), Pace(measured.a_second, self._redeemed)
        elif measured is Measured.INVITED:
            asks, expected = self._invited(), 201
        else:
            body, proof = self.visit.opaque.encode(), ("Authorization", basic(self.visit.machine))
            asks = cycle([request("POST", "/token", body, [FORM, proof])])
        wanted = takewhile(lambda _: going(), asks)
        return await drive(self.port, wanted, seconds=seconds, expected=expected, connections=measured.connections, pace=pace)

    def _logins(self) -> Iterator[bytes]:
        client_id, cookie = self.visit.flow_client["client_id"], self.visit.cookie
        return (request("GET", f"/authorize?{asked(client_id, 'profile', f's{number}')}", b"", cookie) for number in count())

    def _invited(self) -> Iterator[bytes]:
        """Registrations of somebody whom the operator knows."""
        token = self.visit.command("invite", "--uses", "1000000")["initial_access_token"]
        return cycle([request("POST", "/register", json.dumps(MCP_BODY).encode(), [JSON, ("Authorization", f"Bearer {token}")])])

    def _redeemed(self, reply: Reply) -> bytes | None:
        """The second half of a login."""
        said = parse_qs(urlsplit(reply.place).query)
        if "code" not in said:
            return None
        return request("POST", "/token", self.visit.redemption().replace("«code»", said["code"][0]).encode(), [FORM])


def besieged(rounds: int, seconds: float, requests: int) -> Sequence[Siege]:
    """Our server in every siege."""
    found = sieges(requests, seconds)
    for number in range(rounds):
        for one in found:
            say(f"round {number + 1} of {rounds}: {one.name}, {one.measured.text}")
            with alone(one.settings) as server:
                asyncio.run(Besieged(server).stand(one))
    return found


def sealed(requests: int) -> Mapping[str, float]:
    """What so many registrations that nobody approves leave behind, and what one of them costs."""
    with alone({"OPEN_REGISTRATION": "sealed"}) as server:
        before = _stored(server.folder)
        outcome = asyncio.run(_poured(server.port, Plan(Client.NEW, requests, connections=16)))
        time.sleep(3)  # what is written later is written now
        after = _stored(server.folder)
    return {
        "registrations": outcome.statuses.get("201", 0),
        "a_second": round(outcome.requests / outcome.seconds),
        **{f"{name} added": after[name] - before[name] for name in before},
    }


def stalled(clients: int) -> Mapping[str, float]:
    """How long registrations take while so many dead clients are pruned, looked at for a minute."""
    from benches.pruning import pruned

    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o700)
        return asyncio.run(pruned(Path(made), clients, 60.0))


@contextlib.contextmanager
def alone(settings: Mapping[str, str]) -> Generator[Running]:
    """Our server on the first core, as shipped but for these settings and the budget of strangers; we are on the last one."""
    command = ours({"REGISTRATION_RATE": "0", **settings}, plenty=False)
    with empty_folder() as folder, running(command, folder) as server, on(CORES[-1]):
        yield server


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
