"""A store in which somebody else is faster, so many times."""

from calling_card.protocol.clients import Client
from calling_card.protocol.events import Event
from calling_card.store.memory import MemoryStore


class ContendedStore(MemoryStore):
    """Loses its replacements while losses are left."""

    losses = 0

    async def replace(self, before: Client, after: Client, event: Event | None) -> bool:
        """See `Store.replace`."""
        if self.losses:
            self.losses -= 1
            return False
        return await super().replace(before, after, event)
