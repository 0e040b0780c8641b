"""What a form of ours is about, sealed into it and bound to the browser that was shown it (RFC 9700 §4.7, H-29)."""

import hashlib

import msgspec

from calling_card.protocol.handles import seals

LIFETIME = 1800
"""Seconds a form may be looked at before it is sent."""


class Transaction(msgspec.Struct, frozen=True, array_like=True):
    """One form that one browser was given."""

    purpose: str
    """``sign_in``, ``consent`` or ``account``: a form of one kind is not taken for another."""
    browser: bytes
    """16 random bytes that only this browser's cookie holds."""
    request: str
    """Query of the authorization request it belongs to; empty: none, the person came for the account page."""
    began_at: int
    """When the request first came, seconds since 1970: a sign-in since then is fresh for it."""
    deadline: int
    session: bytes = b""
    """Of the person who was asked, 16 bytes; empty before sign-in."""
    shown: bytes = b""
    """Digest of what a consent page said."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Transaction).decode


def write(keys: seals.Sealing, transaction: Transaction, nonce: bytes) -> str:
    """The transaction as the value of a form field."""
    return seals.write(keys, seals.TRANSACTION, _encode(transaction), nonce)


def read(keys: seals.Sealing, text: str, browser: bytes, purpose: str, now: int) -> Transaction | None:
    """The transaction, if this browser was given it for this purpose and it is not too old; else None."""
    plain = seals.read(keys, seals.TRANSACTION, text)
    if plain is None:
        return None
    try:
        found = _decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if len(browser) != 16 or found.browser != browser or found.purpose != purpose or now >= found.deadline:
        return None
    return found


def challenge(text: str) -> bytes:
    """The 32 bytes that a passkey signs for a form: nobody can know them before the form was made (WebAuthn Level 3 §13.4.3)."""
    return hashlib.sha256(b"passkey" + text.encode()).digest()


def digest(*parts: str | bytes) -> bytes:
    """16 bytes that differ when any part does."""
    made = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        made.update(len(raw).to_bytes(4, "big") + raw)
    return made.digest()[:16]
