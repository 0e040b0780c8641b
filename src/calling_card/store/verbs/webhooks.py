"""Webhooks, and the events in the order in which they were committed."""

from collections.abc import Sequence
from dataclasses import replace

from calling_card.ports import News
from calling_card.protocol.events import Event
from calling_card.protocol.life.webhooks import HERE, Bookmark, Webhook
from calling_card.store import rows, steps
from calling_card.store import statements as sql
from calling_card.store.rows_webhooks import webhook_of, webhook_state, webhook_values
from calling_card.store.steps import Steps, changed, hold, note
from calling_card.store.transactions import Transactions


class Webhooks(Transactions):
    """The verbs of `Store` about webhooks."""

    async def news(self, after: Bookmark, limit: int) -> News:
        """See `Store.news`. One process writes at a time and no event is ever changed: the order of the rows is that of the commits."""
        found = [rows.event_of(row) for row in await self._read(sql.NEWS, (after.writer, after.number, limit))]
        return News(Bookmark(found[-1].writer, found[-1].number) if found else after, found)

    async def webhooks(self) -> Sequence[Webhook]:
        """See `Store.webhooks`."""
        return [webhook_of(row) for row in await self._read(sql.WEBHOOKS)]

    async def webhook(self, id: bytes) -> Webhook | None:
        """See `Store.webhook`."""
        found = await self._read(sql.WEBHOOK_BY_ID, (id,))
        return webhook_of(found[0]) if found else None

    async def add_webhook(self, webhook: Webhook, event: Event) -> None:
        """See `Store.add_webhook`."""

        def unit() -> Steps[None]:
            here = yield from note(event)
            yield from changed(sql.INSERT_WEBHOOK, webhook_values(placed(webhook, here)))

        await self._write(unit, webhook.id)

    async def change_webhook(self, before: Webhook, after: Webhook, event: Event | None = None) -> bool:
        """See `Store.change_webhook`."""

        def unit() -> Steps[bool]:
            yield from hold(sql.HOLD_WEBHOOK, (before.id,))
            found = yield from steps.rows(sql.WEBHOOK_BY_ID, (before.id,))
            if not found or webhook_of(found[0]) != before:
                return False
            here = after.told if event is None else (yield from note(event))
            yield from changed(sql.CHANGE_WEBHOOK, (*webhook_state(placed(after, here)), before.id))
            return True

        return await self._write(unit, before.id)

    async def remove_webhook(self, id: bytes, event: Event) -> bool:
        """See `Store.remove_webhook`."""
        return await self._one(sql.DELETE_WEBHOOK, (id,), event, id)


def placed(webhook: Webhook, here: Bookmark) -> Webhook:
    """With its bookmark at this place, if it says so."""
    return replace(webhook, told=here) if webhook.told == HERE else webhook
