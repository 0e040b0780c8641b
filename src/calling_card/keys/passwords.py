"""Passwords: argon2id, a few at a time, in threads of their own (RFC 9106, NIST SP 800-63B).

A password is prepared as RFC 8265 §4.2 says, so that it is the same from every keyboard: any space is the ASCII one, and the text
is composed (NFC). Compatibility forms stay apart: ``½`` is not ``1/2``.
"""

import base64
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from calling_card.keys.pool import Pool

if TYPE_CHECKING:
    from argon2 import PasswordHasher

PASSES = 2
MEMORY = 19456
"""KiB."""
LANES = 1
"""With the two above the least that the OWASP Password Storage Cheat Sheet recommends."""
TAG = 32
SALT = 16
"""Bytes."""
THREADS = 2
WAITING = 16


def prepared(password: str) -> bytes:
    """What is hashed: spaces made one, composed, as UTF-8 (RFC 8265 §4.2.2)."""
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in password)
    return unicodedata.normalize("NFC", spaced).encode("utf-8", "surrogatepass")


class ArgonPasswords:
    """Hashes under fixed parameters; more callers than threads and places to wait are turned away."""

    def __init__(self, entropy: Callable[[int], bytes], threads: int = THREADS, waiting: int = WAITING) -> None:
        """Nothing of argon2 is loaded before the first use."""
        self._entropy = entropy
        self._pool = Pool("passwords", threads, waiting)
        self._nobodys = _phc(entropy(SALT), entropy(TAG))

    async def hash(self, password: str) -> str:
        """A PHC string. Raises `Busy`."""
        salt = self._entropy(SALT)
        return await self._pool.run(lambda: _hasher().hash(prepared(password), salt=salt))

    async def fits(self, kept: str, password: str) -> bool:
        """Whether the password is the one; what is no hash fits none and takes as long. Raises `Busy`."""
        return await self._pool.run(lambda: self._compare(kept, password))

    def outdated(self, kept: str) -> bool:
        """Whether the hash was made with weaker parameters than are used now; False for what is no hash."""
        from argon2 import Type, extract_parameters

        try:
            found = extract_parameters(kept)
        except ValueError:
            return False
        weaker = found.time_cost < PASSES or found.memory_cost < MEMORY or found.hash_len < TAG or found.salt_len < SALT
        return weaker or found.type is not Type.ID or found.version < 19

    def close(self) -> None:
        """Let the comparisons end that have begun; whoever still waits is turned away."""
        self._pool.close()

    def _compare(self, kept: str, password: str) -> bool:
        from argon2.exceptions import VerificationError, VerifyMismatchError

        hasher, raw = _hasher(), prepared(password)
        try:
            return hasher.verify(kept, raw)
        except VerifyMismatchError:
            return False
        except (VerificationError, ValueError):  # no hash: nothing was compared yet
            with suppress(VerifyMismatchError):
                hasher.verify(self._nobodys, raw)
            return False


def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher(PASSES, MEMORY, LANES, TAG, SALT)


def _phc(salt: bytes, tag: bytes) -> str:
    """A hash that no password is known to have, in the time it takes to write it down."""
    spelled = [base64.b64encode(part).rstrip(b"=").decode() for part in (salt, tag)]
    return f"$argon2id$v=19$m={MEMORY},t={PASSES},p={LANES}${spelled[0]}${spelled[1]}"
