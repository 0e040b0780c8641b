"""Sealed texts: claims that nobody else can read or write, in one canonical spelling (CREDENTIALS §2 and §3)."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from calling_card.protocol import base64url

NONCE = 12
"""Bytes of the random nonce."""
_HEAD = 3


class Sealing(Protocol):
    """What a seal needs of a keyring."""

    @property
    def minting(self) -> int:
        """Number of the key that new seals are made with."""
        ...

    def seal(self, kind: str, plain: bytes, nonce: bytes) -> bytes:
        """Encrypted and authenticated under the minting key, bound to the kind."""
        ...

    def open(self, number: int, kind: str, nonce: bytes, sealed: bytes) -> bytes | None:
        """The plain bytes, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Seal:
    """One kind of sealed text."""

    name: str
    """Kind under which the keyring seals."""
    prefix: str
    longest: int
    """Characters."""
    meaning: str


ACCESS_TOKEN = Seal("access_token", "cc_at_", 8192, "An opaque access token: its claims, sealed.")
TRANSACTION = Seal("transaction", "cc_tx_", 32768, "A form that one browser was given: what it is about, and until when it holds.")
LINK = Seal("link", "cc_link_", 8192, "An address on a client's card, on its way to the page that warns before leaving.")
LOGO = Seal("logo", "cc_logo_", 8192, "The address of a client's picture, on its way to the path where we serve it.")

SEALS = (ACCESS_TOKEN, TRANSACTION, LINK, LOGO)


class Sealed(NamedTuple):
    """The outer parts of a sealed text, not yet opened."""

    key: int
    nonce: bytes
    sealed: bytes


def write(keys: Sealing, seal: Seal, plain: bytes, nonce: bytes) -> str:
    """The sealed text; ``nonce`` has 12 random bytes."""
    return wrap(seal, keys.minting, nonce, keys.seal(seal.name, plain, nonce))


def read(keys: Sealing, seal: Seal, text: str) -> bytes | None:
    """What was sealed; None: another kind, altered, or sealed by a key that is not honoured."""
    found = unwrap(seal, text)
    return None if found is None else keys.open(found.key, seal.name, found.nonce, found.sealed)


def wrap(seal: Seal, key: int, nonce: bytes, sealed: bytes) -> str:
    """A seal as text: prefix, then version, key number, nonce and sealed bytes."""
    raw = b"\x01" + key.to_bytes(2, "big") + nonce + sealed
    return seal.prefix + base64url.encode(raw)


def unwrap(seal: Seal, text: str) -> Sealed | None:
    """The parts of a sealed text in its one canonical spelling; None: something else."""
    if not text.startswith(seal.prefix) or len(text) > seal.longest:
        return None
    raw = base64url.canonical(text[len(seal.prefix) :])
    if raw is None or len(raw) < _HEAD + NONCE or raw[0] != 1:
        return None
    return Sealed(int.from_bytes(raw[1:_HEAD], "big"), raw[_HEAD : _HEAD + NONCE], raw[_HEAD + NONCE :])
