"""Every few seconds what happened is told to those who asked to be told, each receiver at its own pace."""

import asyncio
from contextlib import aclosing
from functools import partial

from calling_card.jobs.told import told
from calling_card.ports import Ports
from calling_card.usecases.webhooks import deliver, due

Busy = dict[bytes, "asyncio.Task[None]"]
"""Webhooks that are being delivered to in this process."""
REST = 60.0
"""Seconds between two tries at most while they fail for a reason of our own: a database that is away is said once a minute."""


async def keep_delivering(ports: Ports, every: float = 2.0) -> None:
    """Look for news again and again until cancelled, less and less often while that fails; without any, nothing is written."""
    holder, busy, pause = ports.entropy(8), Busy(), every
    try:
        while True:
            await asyncio.sleep(pause)
            well = await told(ports, "not_delivered", one_round(ports, holder, busy))
            pause = every if well else min(2 * pause, REST)
    finally:
        for task in busy.values():
            task.cancel()


async def one_round(ports: Ports, holder: bytes, busy: Busy) -> None:
    """Begin with every webhook that is due and not being delivered to: a slow receiver holds up nobody but itself."""
    for webhook in await due(ports):
        if webhook.id not in busy:
            task = busy[webhook.id] = asyncio.create_task(_deliver(ports, webhook.id, holder))
            task.add_done_callback(partial(_over, busy, webhook.id))


def _over(busy: Busy, id: bytes, task: "asyncio.Task[None]") -> None:
    del task
    busy.pop(id, None)


async def _deliver(ports: Ports, id: bytes, holder: bytes) -> None:
    """What one receiver does not have yet; after trouble of our own it stays in hand for a while, and the next round then tries again."""

    async def work() -> None:
        async with aclosing(deliver(ports, id, holder)) as steps:
            async for _ in steps:
                pass

    if not await told(ports, "not_delivered", work(), webhook=id.hex()):
        await asyncio.sleep(REST)
