"""The keyring under a passphrase, so that it may lie beside a backup (CREDENTIALS §2, RFC 9106)."""

import base64
import json
from collections.abc import Callable
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from calling_card.keys.keyring import KeyringError

MEMORY = 65536
"""KiB; with the next the second choice that RFC 9106 §4 recommends."""
PASSES, LANES = 3, 4
SALT, NONCE, KEY = 16, 12, 32
"""Bytes."""
SHORTEST = 12
"""Characters of a passphrase: whoever has the backup may guess for years."""


def wrap(keyring: bytes, passphrase: str, entropy: Callable[[int], bytes]) -> bytes:
    """The keyring file, sealed. Raises `KeyringError` for a passphrase that is too short."""
    if len(passphrase) < SHORTEST:
        raise KeyringError(f"the passphrase must have at least {SHORTEST} characters")
    salt, nonce = entropy(SALT), entropy(NONCE)
    sealed = AESGCMSIV(_key(passphrase, salt)).encrypt(nonce, keyring, _BOUND)
    return json.dumps({"wrapped": 1, **{name: _text(raw) for name, raw in (("salt", salt), ("nonce", nonce), ("sealed", sealed))}}).encode()


def unwrap(wrapped: bytes, passphrase: str) -> bytes:
    """The keyring file. Raises `KeyringError` for another passphrase, and for what was altered."""
    try:
        said = cast("dict[str, str]", json.loads(wrapped))
        salt, nonce, sealed = (base64.b64decode(said[name]) for name in ("salt", "nonce", "sealed"))
        return AESGCMSIV(_key(passphrase, salt)).decrypt(nonce, sealed, _BOUND)
    except InvalidTag:
        raise KeyringError("the passphrase is another one, or the wrapped keyring was altered") from None
    except (ValueError, KeyError, TypeError):
        raise KeyringError("the wrapped keyring is damaged") from None


_BOUND = b"calling-card keyring 1"


def _key(passphrase: str, salt: bytes) -> bytes:
    from argon2 import Type
    from argon2.low_level import hash_secret_raw

    return hash_secret_raw(passphrase.encode(), salt, PASSES, MEMORY, LANES, KEY, Type.ID)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
