"""Secrets of clients as other servers hashed them: PBKDF2, argon2 and, where its package is installed, bcrypt (CREDENTIALS §1)."""

import base64
import binascii
import hashlib
import hmac
from importlib.util import find_spec

from calling_card.keys.pool import Pool

THREADS = 1
WAITING = 8


class SlowSecrets:
    """Compares a few at a time; a secret that was right once is kept in a faster form from then on."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        """Nothing of argon2 and bcrypt is loaded before the first use."""
        self._pool = Pool("imported secrets", threads, waiting)

    async def fits(self, kept: str, secret: str) -> bool:
        """Whether the secret is the one. Raises `Busy`."""
        return await self._pool.run(lambda: compare(kept, secret.encode(errors="surrogatepass")))

    def comparable(self, kept: str) -> bool:
        """Whether hashes like this one can be compared here."""
        return not kept.startswith("$2") or find_spec("bcrypt") is not None

    def close(self) -> None:
        """Let the comparisons end that have begun."""
        self._pool.close()


def compare(kept: str, secret: bytes) -> bool:
    """Whether the secret is the one; what is no hash fits none."""
    try:
        if kept.startswith("$argon2"):
            return _argon2(kept, secret)
        return _bcrypt(kept, secret) if kept.startswith("$2") else _pbkdf2(kept, secret)
    except (ValueError, binascii.Error, ImportError):
        return False


def _argon2(kept: str, secret: bytes) -> bool:
    from argon2 import PasswordHasher
    from argon2.exceptions import VerificationError

    try:
        return PasswordHasher().verify(kept, secret)
    except VerificationError:
        return False


def _bcrypt(kept: str, secret: bytes) -> bool:
    import bcrypt

    return len(secret) <= 72 and bcrypt.checkpw(secret, kept.encode())


def _pbkdf2(kept: str, secret: bytes) -> bool:
    """``$pbkdf2-sha256$i=25000,l=32$SALT$HASH`` with base64 that is not filled up, as Hydra writes it."""
    _, name, how, salt, found = kept.split("$")
    passes, length = (int(part.partition("=")[2]) for part in how.split(","))
    made = hashlib.pbkdf2_hmac(name.removeprefix("pbkdf2-"), secret, _raw(salt), passes, length)
    return hmac.compare_digest(made, _raw(found))


def _raw(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
