"""Between rows of the database and the documents of clients."""

from typing import TypeAlias, cast

from calling_card.ports import HostedDocument
from calling_card.protocol.abroad.documents import Version
from calling_card.store.database import Values

# As in `rows`, STRICT tables make the casts true.
DocumentRow: TypeAlias = tuple[
    *tuple[bytes, int, str, bytes, bytes, bytes, bytes],
    *tuple[str, str, int, int, int, int, int, str, int],
]
HostedRow: TypeAlias = tuple[str, bytes, str, int, int]

DOCUMENT_READ = ("url", "decision", "etag", "last_modified", "checked_at", "fresh_until", "stale_until", "failed_at", "failure", "gone_at")
"""What a later reading of the same version changes."""

DOCUMENT = (
    "client_key",
    "version",
    "url",
    "body",
    "digest",
    "metadata",
    "decision",
    "etag",
    "last_modified",
    "seen_at",
    "checked_at",
    "fresh_until",
    "stale_until",
    "failed_at",
    "failure",
    "gone_at",
)
"""The columns of a version in the order of `document_values` and of the fields of `Version`."""

DOCUMENT_COMPARED = ("checked_at", "failed_at", "digest")
"""What must be as it was read, beside the number, for another reading to count."""

HOSTED = ("id", "body", "owner", "created_at", "expires_at")
"""The columns of a developer's document in the order of its fields."""


def document_values(version: Version) -> Values:
    """In the order of `DOCUMENT`."""
    return (
        version.client_key,
        version.number,
        version.url,
        version.body,
        version.digest,
        version.metadata,
        version.decision,
        version.etag,
        version.last_modified,
        version.seen_at,
        version.checked_at,
        version.fresh_until,
        version.stale_until,
        version.failed_at,
        version.failure,
        version.gone_at,
    )


def reading_values(version: Version) -> Values:
    """In the order of `DOCUMENT_READ`."""
    return (
        version.url,
        version.decision,
        version.etag,
        version.last_modified,
        version.checked_at,
        version.fresh_until,
        version.stale_until,
        version.failed_at,
        version.failure,
        version.gone_at,
    )


def document_of(found: object) -> Version:
    """A row of `DOCUMENT` columns as a version."""
    return Version(*cast("DocumentRow", found))


def hosted_values(document: HostedDocument) -> Values:
    """In the order of `HOSTED`."""
    return (document.id, document.body, document.owner, document.created_at, document.expires_at)


def hosted_of(found: object) -> HostedDocument:
    """A row of `HOSTED` columns as a developer's document."""
    return HostedDocument(*cast("HostedRow", found))
