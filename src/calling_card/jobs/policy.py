"""A policy that was changed counts within seconds, and at once when the process is asked to look (A-87)."""

import asyncio
import contextlib

from calling_card.jobs.told import told
from calling_card.ports import Ports
from calling_card.usecases.reload import reload


async def keep_policy(ports: Ports, asked: asyncio.Event, every: float = 2.0) -> None:
    """Say which policy counts, then look at its file until cancelled; ``asked``: set it to have the file read now, changed or not."""
    await told(ports, "policy_not_read", reload(ports, anyway=True))
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), every)
        anyway = asked.is_set()
        asked.clear()
        await told(ports, "policy_not_read", reload(ports, anyway=anyway))
