"""Walks over all there is, a page at a time: what operators do to many, and what moves with a server (RFC 7592 §1)."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from calling_card.ports import Invitation, Ports
from calling_card.protocol.clients import Client
from calling_card.protocol.life.pruning import Pruned

PAGE = 500


async def pages(ports: Ports) -> AsyncIterator[Sequence[Client]]:
    """All clients in the order of their keys; between two pages others have their turn."""
    after = b""
    while page := await ports.store.next_clients(after, PAGE):
        yield page
        after = page[-1].key
        await asyncio.sleep(0)


async def clients(ports: Ports) -> AsyncIterator[Client]:
    """The same, one by one."""
    async for page in pages(ports):
        for client in page:
            yield client


async def pruned(ports: Ports) -> AsyncIterator[Pruned]:
    """Every client that could be brought back, in the order of client_id."""
    after = ""
    while page := await ports.store.pruned(after, PAGE):
        for one in page:
            yield one
        after = page[-1].client.client_id


async def invitations(ports: Ports) -> AsyncIterator[Invitation]:
    """Every initial access token, in the order of their ids."""
    after = b""
    while page := await ports.store.invitations(after, PAGE):
        for one in page:
            yield one
        after = page[-1].id
