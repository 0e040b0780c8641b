"""Bytes as text that fits everywhere: base64url without padding (RFC 4648 §5, RFC 7515 §2)."""

import base64
import binascii


def encode(raw: bytes) -> str:
    """The one spelling of these bytes."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes | None:
    """What a text spells, whatever its last bits say; None: nothing."""
    try:
        return base64.b64decode(text.encode("ascii", "replace") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None


def canonical(text: str) -> bytes | None:
    """What a text spells, if it is the one spelling of it: a second spelling of the same bytes is refused (CREDENTIALS §1)."""
    raw = decode(text)
    return raw if raw is not None and encode(raw) == text else None
