"""Client metadata documents: their versions (D-30 to D-35)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a client's document, and how reading it went since; the newest is in force for new requests (C-30)."""

    client_key: bytes
    number: int
    """From 1."""
    url: str
    """Where it was read; empty: nowhere, it follows from the client_id alone."""
    body: bytes
    digest: bytes
    """SHA-256 of ``body``."""
    metadata: bytes
    """The card that it made, as compact JSON."""
    decision: bytes
    etag: str
    last_modified: str
    seen_at: int
    """When it was first read, seconds since 1970."""
    checked_at: int
    """When it was last found to be in force."""
    fresh_until: int
    stale_until: int
    """Until when it may stand in while its host does not answer (D-46)."""
    failed_at: int = 0
    """When reading it last failed since ``checked_at``; 0: it did not."""
    failure: str = ""
    """Why: the name of a `Why`, or the code of a refusal."""
    gone_at: int = 0
    """Since when its host says that it is gone; 0: it does not."""
