"""Once a day one process prunes and sweeps (S4-05, X-34)."""

import asyncio

from calling_card.jobs.told import told
from calling_card.ports import Ports
from calling_card.protocol.life.pruning import BY_ITSELF
from calling_card.usecases.prune import prune

NAME = "prune"
DAY = 86400
TURN = 900
"""Seconds until another process may take over from one that says nothing more."""


async def keep_pruning(ports: Ports, every: float = 600.0) -> None:
    """Ask for the turn again and again until cancelled; the asking also writes down which clients were used of late."""
    while True:
        await asyncio.sleep(every)
        await told(ports, "not_pruned", one_turn(ports))


async def one_turn(ports: Ports) -> bool:
    """Do the work of the day, if it is not done and nobody else is at it; False: it is, or somebody took it over."""
    store, holder, began = ports.store, ports.entropy(8), ports.now()
    if not await store.lease(NAME, holder, began + TURN, began):
        return False
    counts: dict[str, int] = {}
    async for report in prune(ports, "server", BY_ITSELF[ports.settings.prune]):
        counts = report.counts()
        if not await store.lease(NAME, holder, ports.now() + TURN, ports.now()):
            return False
    ports.log("pruned", **counts)
    return await store.lease(NAME, holder, began + DAY, ports.now())
