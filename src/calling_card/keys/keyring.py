"""The keyring: numbered keys in a file of mode 0600 beside the database (CREDENTIALS §2)."""

import base64
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from calling_card import faults
from calling_card.keys.alone import alone
from calling_card.passes import Pass
from calling_card.protocol.life.recovering import Recovering

HONOURED = ("known", "minting", "verifying")
"""States in which a key still verifies. ``gone`` and ``burnt`` keys are refused at once."""


class KeyringError(Exception):
    """The keyring cannot be used; the text says why and what would do."""


class KeyringExists(KeyringError):
    """There is a keyring already; another process may have made it a moment ago."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the ring."""

    number: int
    secret: bytes
    """32 bytes."""
    state: str
    since: int
    """When it came into this state, seconds since 1970."""
    refused: tuple[str, ...] = ()
    """Kinds that it does not speak for any more, since a backup was put back: what was revoked meanwhile stays dead (CREDENTIALS §5)."""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Key({self.number}, {self.state})"


class FileKeyring:
    """A keyring in a file; another process may rotate it, and the next use here sees that."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises `KeyringError` when it is missing, unreadable, or open to others."""
        self._path = path
        self._place = str(path)
        self._seen: tuple[int, int] = (0, 0)
        self._pass = Pass()
        self._keys: dict[int, Key] = {}
        self._macs: dict[tuple[int, str], HMAC] = {}
        self._seals: dict[tuple[int, str], tuple[AESGCMSIV, bytes]] = {}
        self._minting = 0
        self._recovering: Recovering | None = None
        self.issuer = ""
        self._fresh()

    @classmethod
    def create(cls, path: Path, issuer: str, entropy: Callable[[int], bytes], now: int) -> "FileKeyring":
        """Make a keyring with one minting key. Raises `KeyringExists` when the file exists."""
        with alone(path.parent):
            if path.exists():
                raise KeyringExists(f"{path.name} exists already")
            _write(path, issuer, [Key(1, entropy(32), "minting", now)])
        return cls(path)

    @property
    def minting(self) -> int:
        """Number of the key that new handles and seals are made with."""
        self._fresh()
        return self._minting

    @property
    def recovering(self) -> Recovering | None:
        """What holds since a backup was put back; None: none was, or that is over by now as far as this file knows."""
        self._fresh()
        return self._recovering

    @property
    def keys(self) -> Sequence[Key]:
        """All keys by number."""
        self._fresh()
        return [self._keys[number] for number in sorted(self._keys)]

    def mac(self, number: int, kind: str, message: bytes) -> bytes | None:
        """HMAC-SHA-256 under the key for (number, kind), 32 bytes; None: that key is not honoured."""
        self._fresh()
        begun = self._macs.get((number, kind)) or self._begun(number, kind)
        if begun is None:
            return None
        mac = begun.copy()
        mac.update(message)
        return mac.finalize()

    def seal(self, kind: str, plain: bytes, nonce: bytes) -> bytes:
        """AES-256-GCM-SIV under the minting key, bound to kind, issuer and key number; ``nonce`` has 12 bytes."""
        number = self.minting
        found = self._cipher(number, kind)
        if found is None:  # the minting key is honoured by definition
            raise KeyringError("no minting key")
        cipher, bound = found
        return cipher.encrypt(nonce, plain, bound)

    def open(self, number: int, kind: str, nonce: bytes, sealed: bytes) -> bytes | None:
        """The plain bytes, or None: another key, altered, or a key that is not honoured."""
        self._fresh()
        found = self._cipher(number, kind)
        if found is None:
            return None
        cipher, bound = found
        try:
            return cipher.decrypt(nonce, sealed, bound)
        except InvalidTag:
            return None

    def rotate(self, entropy: Callable[[int], bytes], now: int) -> int:
        """Add a key that mints from now on; the one before it only verifies. Returns the new number."""
        return self._renew(entropy, now, (), self.recovering)

    def recover(self, entropy: Callable[[int], bytes], now: int, recovering: Recovering) -> int:
        """As `rotate` after a backup was put back: the keys before the new one speak no more for what may have been ended meanwhile."""
        return self._renew(entropy, now, recovering.refused, recovering)

    def _renew(self, entropy: Callable[[int], bytes], now: int, refused: Sequence[str], recovering: Recovering | None) -> int:
        with alone(self._path.parent):
            self._pass.end()  # another process may have rotated while we waited
            keys = [replace(key, state="verifying", since=now) if key.state == "minting" else key for key in self.keys]
            keys = [replace(key, refused=tuple(dict.fromkeys((*key.refused, *refused)))) for key in keys]
            number = max(key.number for key in keys) + 1
            if number > 0xFFFF:
                raise KeyringError("a handle has room for 65,535 key numbers")
            _write(self._path, self.issuer, [*keys, Key(number, entropy(32), "minting", now)], recovering)
            self._pass.end()
        faults.point("keys.rotated")
        return number

    def _begun(self, number: int, kind: str) -> HMAC | None:
        """A MAC that has taken its key in and waits for a message (RFC 2104 §4)."""
        key = self._derive(number, "mac", kind)
        if key is None:
            return None
        begun = self._macs[number, kind] = HMAC(key, SHA256())
        return begun

    def _cipher(self, number: int, kind: str) -> tuple[AESGCMSIV, bytes] | None:
        """The cipher of a key and a kind, and what is bound to every text it seals."""
        found = self._seals.get((number, kind))
        if found is None:
            key = self._derive(number, "seal", kind)
            if key is None:
                return None
            found = self._seals[number, kind] = AESGCMSIV(key), f"{kind}\0{self.issuer}\0{number}".encode()
        return found

    def _derive(self, number: int, use: str, kind: str) -> bytes | None:
        key = self._keys.get(number)
        if key is None or key.state not in HONOURED or kind in key.refused:
            return None
        return HKDF(SHA256(), 32, None, f"calling-card {use} {kind}".encode()).derive(key.secret)

    def _fresh(self) -> None:
        """Read the file again if it was replaced: whether a key is honoured is never answered from memory alone.

        One look serves a pass of the loop; a request that comes later has another one.
        """
        if self._pass.goes_on:
            return
        try:
            found = os.stat(self._place)  # noqa: PTH116 # on the hot path; Path.stat costs three times as much
        except OSError as error:
            raise KeyringError(f"{self._path.name}: {error.strerror}; restore it, a new one would end every credential") from None
        if (found.st_ino, found.st_mtime_ns) != self._seen:
            self._take(found)
        self._pass.begin()

    def _take(self, found: os.stat_result) -> None:
        """The keys of the file as it is now."""
        if found.st_mode & 0o077:
            raise KeyringError(f"{self._path.name} can be read by others; chmod 600 it")
        issuer, keys, self._recovering = _read(self._path)
        self.issuer = issuer
        self._keys = {key.number: key for key in keys}
        self._minting = next(key.number for key in keys if key.state == "minting")
        self._macs.clear()
        self._seals.clear()
        self._seen = (found.st_ino, found.st_mtime_ns)


def _read(path: Path) -> tuple[str, list[Key], Recovering | None]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        keys = [
            Key(row["number"], base64.b64decode(row["secret"]), row["state"], row["since"], tuple(row.get("refused", ())))
            for row in content["keys"]
        ]
        issuer = content["issuer"]
        said = content.get("recovering")
        recovering = None if said is None else Recovering(int(said["until"]), covered=said["covered"] is True)
    except OSError as error:
        raise KeyringError(f"{path.name}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise KeyringError(f"{path.name} is damaged: {type(error).__name__}") from None
    if [key.state for key in keys].count("minting") != 1 or any(len(key.secret) != 32 for key in keys):
        raise KeyringError(f"{path.name} is damaged: it needs exactly one minting key, and 32 bytes in every key")
    if not isinstance(issuer, str) or any(type(key.number) is not int for key in keys) or len({key.number for key in keys}) != len(keys):
        raise KeyringError(f"{path.name} is damaged: it needs an issuer, and a number of its own for every key")
    return issuer, keys, recovering


def _row(key: Key) -> Mapping[str, object]:
    row = {"number": key.number, "secret": base64.b64encode(key.secret).decode(), "state": key.state, "since": key.since}
    return row | ({"refused": list(key.refused)} if key.refused else {})


def _write(path: Path, issuer: str, keys: Sequence[Key], recovering: Recovering | None = None) -> None:
    """Replace the file as a whole, durably, never readable by others."""
    content: dict[str, object] = {"version": 1, "issuer": issuer, "keys": [_row(key) for key in keys]}
    if recovering is not None:
        content["recovering"] = {"until": recovering.until, "covered": recovering.covered}
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)  # whatever a crash left there, and whoever may read that
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    faults.point("keys.written")
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
