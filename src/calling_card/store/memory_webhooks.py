"""Webhooks, and the events in the order in which they were committed, in memory."""

from collections.abc import Sequence
from dataclasses import replace

from calling_card.ports import News
from calling_card.protocol.events import Event
from calling_card.protocol.life.webhooks import HERE, Bookmark, Webhook
from calling_card.store.shelves import Shelves


class MemoryWebhooks(Shelves):
    """The verbs of `Store` about webhooks."""

    async def news(self, after: Bookmark, limit: int) -> News:
        """See `Store.news`."""
        places = [Bookmark(event.writer, event.number) for event in self._events]
        start = places.index(after) + 1 if after in places else 0
        found = self._events[start : start + limit]
        return News(places[start + len(found) - 1] if found else after, found)

    async def webhooks(self) -> Sequence[Webhook]:
        """See `Store.webhooks`."""
        return list(self._webhooks.values())

    async def webhook(self, id: bytes) -> Webhook | None:
        """See `Store.webhook`."""
        return self._webhooks.get(id)

    async def add_webhook(self, webhook: Webhook, event: Event) -> None:
        """See `Store.add_webhook`."""
        self._begin()
        self._note(event)
        self._webhooks[webhook.id] = self._placed(webhook)

    async def change_webhook(self, before: Webhook, after: Webhook, event: Event | None = None) -> bool:
        """See `Store.change_webhook`."""
        self._begin()
        if self._webhooks.get(before.id) != before:
            return False
        if event is not None:
            self._note(event)
        self._webhooks[before.id] = self._placed(after)
        return True

    async def remove_webhook(self, id: bytes, event: Event) -> bool:
        """See `Store.remove_webhook`."""
        self._begin()
        if id not in self._webhooks:
            return False
        self._note(event)
        del self._webhooks[id]
        return True

    def _placed(self, webhook: Webhook) -> Webhook:
        """With its bookmark at the newest event, if it says so."""
        here = Bookmark(self._chain.writer, self._chain.head[0])
        return replace(webhook, told=here) if webhook.told == HERE else webhook
