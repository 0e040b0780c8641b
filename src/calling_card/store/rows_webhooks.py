"""Between rows of the database and webhooks."""

from typing import TypeAlias, cast

from calling_card.protocol.life.webhooks import Bookmark, Standing, Webhook
from calling_card.store.database import Values

# As in `rows`, STRICT tables make the casts true.
WebhookRow: TypeAlias = tuple[
    *tuple[bytes, str, str, str, str, int],
    *tuple[int, int, int, int],
    *tuple[bytes, int],
    *tuple[str, int, int, int, int, int, str, int],
]

WEBHOOK_CHANGED = (
    *("generation", "handle_key", "former_key", "rotated_at"),
    *("told_writer", "told_number"),
    *("state", "delivered", "dropped", "failures", "failing_since", "retry_at", "answer", "answered_at"),
)
"""What changes in the life of a webhook; the rest it keeps."""

WEBHOOK = ("id", "url", "types", "label", "owner", "created_at", *WEBHOOK_CHANGED)
"""The columns of a webhook in the order of the fields of `Webhook`; its bookmark is two of them."""


def webhook_values(webhook: Webhook) -> Values:
    """In the order of `WEBHOOK`."""
    fixed = (webhook.id, webhook.url, " ".join(webhook.types), webhook.label, webhook.owner, webhook.created_at)
    return (*fixed, *webhook_state(webhook))


def webhook_state(webhook: Webhook) -> Values:
    """In the order of `WEBHOOK_CHANGED`."""
    return (
        webhook.generation,
        webhook.key,
        webhook.former_key,
        webhook.rotated_at,
        webhook.told.writer,
        webhook.told.number,
        webhook.state.value,
        webhook.delivered,
        webhook.dropped,
        webhook.failures,
        webhook.failing_since,
        webhook.retry_at,
        webhook.answer,
        webhook.answered_at,
    )


def webhook_of(found: object) -> Webhook:
    """A row of `WEBHOOK` columns as a webhook."""
    row = cast("WebhookRow", found)
    id, url, types, label, owner, created_at, generation, key, former_key, rotated_at, writer, number, state = row[:13]
    delivered, dropped, failures, failing_since, retry_at, answer, answered_at = row[13:]
    return Webhook(
        id,
        url,
        tuple(types.split()),
        label,
        owner,
        created_at,
        generation,
        key,
        former_key,
        rotated_at,
        Bookmark(writer, number),
        Standing(state),
        delivered,
        dropped,
        failures,
        failing_since,
        retry_at,
        answer,
        answered_at,
    )
