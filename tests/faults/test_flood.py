"""Clients whose hosts nobody can reach, by the thousand: how much goes out is limited, and whoever registered logs in meanwhile (X-33)."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benches.flood import Client, Plan, flooding
from tests.faults.conftest import Told
from tests.faults.process import ROOT, Server, environment
from tests.ledger import meets

pytestmark = pytest.mark.serial

LIMIT, RATE = 16, 10
"""Fetches at once, and documents a minute for one source network, as shipped."""
LONGEST = 300.0


@meets("D-36")
@pytest.mark.parametrize("client", [Client.SILENT, Client.RESETS])
async def test_a_thousand_clients_that_cannot_be_reached_cost_no_more_connections_at_once_than_are_allowed(
    tmp_path: Path, servers: Callable[[Path], Server], tell: Told, client: Client
) -> None:
    server = servers(tmp_path / "data")
    server.start(FETCH_LOOPBACK="true", FETCH_RATE="0")

    async with flooding(server.port, Plan(client, requests=1000, connections=400)) as flood:
        became = await flood.end()

    assert 0 < became.most_at_once <= LIMIT
    assert sum(became.statuses.values()) == became.requests == 1000
    assert set(became.statuses) == {"400", "503"}
    assert became.statuses["400"] == became.fetches
    tell(f"flood, {client.value}: {became}")


@meets("D-36")
async def test_a_thousand_clients_of_one_source_cost_no_more_fetches_than_a_source_may_have(
    tmp_path: Path, servers: Callable[[Path], Server]
) -> None:
    server = servers(tmp_path / "data")
    server.start(FETCH_LOOPBACK="true")

    async with flooding(server.port, Plan(Client.SILENT, requests=1000, connections=400)) as flood:
        became = await flood.end()

    assert RATE <= became.fetches <= RATE + became.seconds * RATE / 60 + 1
    assert became.statuses == {"400": became.fetches, "429": 1000 - became.fetches}


def test_the_bench_measures_what_others_feel_of_a_flood(tell: Told) -> None:
    command = [sys.executable, "-m", "tools.bench", "--flood", "20", "--quick", "--json"]
    done = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, encoding="utf-8", timeout=LONGEST, check=False)

    assert done.returncode == 0, done.stderr
    paced, full, unlimited, shipped = (siege["phases"] for siege in json.loads(done.stdout))
    for calm, *besieged in (tuple(paced.values()), tuple(full.values())):
        assert calm["most_at_once"] == 0
        assert all(0 < phase["most_at_once"] <= 200 for phase in besieged)
    for phases in (paced, full, unlimited, shipped):
        assert [phase["wrong"] for phase in phases.values()] == [0] * len(phases)
        assert all(phase["p99"] > 0 for phase in phases.values())
    for phase in (*unlimited.values(), *shipped.values()):
        assert phase["most_at_once"] <= LIMIT
