"""Passwords for tests: salted and quick, so that what they guard can be tried a thousand times."""

import hashlib
import hmac
import secrets

from calling_card.ports import Busy


class QuickPasswords:
    """What `Passwords` promises, without the work that makes guessing slow; never outside tests."""

    def __init__(self) -> None:
        self.busy = False
        """Whether everybody is turned away."""
        self.old: set[str] = set()
        """Hashes that count as made by weaker parameters."""
        self.compared: list[str] = []
        """Every hash that a password was compared with."""

    async def hash(self, password: str) -> str:
        """A salted digest."""
        self._room()
        return _digest(secrets.token_hex(8), password)

    async def fits(self, kept: str, password: str) -> bool:
        """Whether it is the one."""
        self._room()
        self.compared.append(kept)
        _, _, salt, _ = (kept or "$quick$$").split("$")
        return hmac.compare_digest(_digest(salt, password), kept)

    def outdated(self, kept: str) -> bool:
        """Whether a test said so."""
        return kept in self.old

    def _room(self) -> None:
        if self.busy:
            raise Busy("a test said so")


def _digest(salt: str, password: str) -> str:
    return f"$quick${salt}${hashlib.sha256(f'{salt}${password}'.encode('utf-8', 'surrogatepass')).hexdigest()}"
