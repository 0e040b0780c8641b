"""Bytes as text that fits everywhere: base64url without padding (RFC 4648 §5, RFC 7515 §2)."""

import binascii

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


def encode(raw: bytes) -> str:
    """The one spelling of these bytes."""
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL, b"=").decode()


def decode(text: str) -> bytes | None:
    """What a text spells, whatever its last bits say; None: nothing."""
    try:
        return binascii.a2b_base64(text.encode("ascii", "replace").translate(_FROM_URL) + b"=" * (-len(text) % 4), strict_mode=True)
    except binascii.Error:
        return None


def canonical(text: str) -> bytes | None:
    """What a text spells, if it is the one spelling of it: a second spelling of the same bytes is refused (CREDENTIALS §1)."""
    raw = decode(text)
    return raw if raw is not None and encode(raw) == text else None
