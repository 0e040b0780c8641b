"""Webhooks, and the events in the order in which they were committed, on SQLite."""

from collections.abc import Sequence
from dataclasses import replace

from calling_card.ports import News
from calling_card.protocol.events import Event
from calling_card.protocol.life.webhooks import HERE, Bookmark, Webhook
from calling_card.store import rows
from calling_card.store import statements as sql
from calling_card.store.database import Database
from calling_card.store.rows_webhooks import webhook_of, webhook_state, webhook_values
from calling_card.store.transactions import Transactions, changed


class SqliteWebhooks(Transactions):
    """The verbs of `Store` about webhooks."""

    async def news(self, after: Bookmark, limit: int) -> News:
        """See `Store.news`. One process writes at a time and no event is ever changed: the order of the rows is that of the commits."""
        found = [rows.event_of(row) for row in self._read(sql.NEWS, (after.writer, after.number, limit))]
        return News(Bookmark(found[-1].writer, found[-1].number) if found else after, found)

    async def webhooks(self) -> Sequence[Webhook]:
        """See `Store.webhooks`."""
        return [webhook_of(row) for row in self._read(sql.WEBHOOKS)]

    async def webhook(self, id: bytes) -> Webhook | None:
        """See `Store.webhook`."""
        found = self._read(sql.WEBHOOK_BY_ID, (id,))
        return webhook_of(found[0]) if found else None

    async def add_webhook(self, webhook: Webhook, event: Event) -> None:
        """See `Store.add_webhook`."""

        def unit(db: Database) -> None:
            self._note(db, event)
            db.execute(sql.INSERT_WEBHOOK, webhook_values(self._placed(webhook)))

        await self._write(unit)

    async def change_webhook(self, before: Webhook, after: Webhook, event: Event | None = None) -> bool:
        """See `Store.change_webhook`."""

        def unit(db: Database) -> bool:
            found = db.execute(sql.WEBHOOK_BY_ID, (before.id,)).fetchall()
            if not found or webhook_of(found[0]) != before:
                return False
            if event is not None:
                self._note(db, event)
            db.execute(sql.CHANGE_WEBHOOK, (*webhook_state(self._placed(after)), before.id))
            return True

        return await self._write(unit)

    async def remove_webhook(self, id: bytes, event: Event) -> bool:
        """See `Store.remove_webhook`."""

        def unit(db: Database) -> bool:
            if not changed(db, sql.DELETE_WEBHOOK, (id,)):
                return False
            self._note(db, event)
            return True

        return await self._write(unit)

    def _placed(self, webhook: Webhook) -> Webhook:
        """With its bookmark at the newest event of this writer, if it says so."""
        here = Bookmark(self._chain.writer, self._chain.head[0])
        return replace(webhook, told=here) if webhook.told == HERE else webhook
