"""Clients whose hosts nobody can reach, by the thousand: how much goes out is limited (D-36, X-33)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benches.flood import Client, Plan, flooding
from tests.faults.conftest import Told
from tests.faults.process import Server
from tests.ledger import meets

pytestmark = pytest.mark.serial

LIMIT, RATE = 16, 10
"""Fetches at once, and documents a minute for one source network, as shipped."""


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
    server.start(FETCH_LOOPBACK="true", PASS_LIMIT="60000")  # nobody is turned away but for the rate

    async with flooding(server.port, Plan(Client.SILENT, requests=1000, connections=400)) as flood:
        became = await flood.end()

    assert RATE <= became.fetches <= RATE + became.seconds * RATE / 60 + 1
    assert became.statuses == {"400": became.fetches, "429": 1000 - became.fetches}
