"""Secrets that clients brought from another server: never kept in clear text (CREDENTIALS §1).

A client with one has no secret of ours until it is rotated. Its generation is under key 0, which makes no handle: so rotation, overlap
and end go by the same table as for every other secret.
"""

import hashlib
import hmac
import re
from enum import Enum

from calling_card.protocol import base64url
from calling_card.protocol.clients import Client, Generations
from calling_card.protocol.handles.credentials import Macs, owner

KIND = "imported_secret"
"""Kind under which the keyring makes their MACs."""
LONGEST = 1024
"""Characters of a secret that is brought or presented."""

_KEPT = re.compile(rb"hmac:(clear|sha256):([0-9]{1,5}):([A-Za-z0-9_-]{43})")
_SHA256 = re.compile(r"sha256:([0-9a-fA-F]{64})")
_SLOW = (
    re.compile(r"\$2[aby]\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}"),
    re.compile(r"\$pbkdf2-sha(?:256|512)\$i=[0-9]{1,7},l=[0-9]{1,3}\$[A-Za-z0-9+/]{1,172}\$[A-Za-z0-9+/]{16,172}"),
    re.compile(r"\$argon2i?d?\$v=19\$m=[0-9]{1,6},t=[0-9]{1,2},p=[0-9]{1,2}\$[A-Za-z0-9+/]{1,172}\$[A-Za-z0-9+/]{16,172}"),
)


class Kept(Enum):
    """In which form a secret came."""

    CLEAR = "clear"
    SHA256 = "sha256"
    """``sha256:`` and the digest in hexadecimal digits: fast, so as good as clear text."""
    SLOW = "slow"
    """bcrypt, PBKDF2 or argon2: only the secret itself can make something faster of it."""
    STRANGE = "strange"
    """Looks like a hash, but is none that can be compared."""


def form(secret: str) -> Kept:
    """In which form another server kept this."""
    if _SHA256.fullmatch(secret):
        return Kept.SHA256
    if any(one.fullmatch(secret) for one in _SLOW):
        return Kept.SLOW
    return Kept.STRANGE if secret.startswith(("$2", "$pbkdf2", "$argon2")) or len(secret) > LONGEST else Kept.CLEAR


def keep_clear(macs: Macs, issuer: str, client: Client, secret: str) -> bytes:
    """What a row keeps of a secret that is known to be one, whatever it looks like."""
    return _kept(macs, issuer, client, Kept.CLEAR, _digest(secret))


def keep(macs: Macs, issuer: str, client: Client, secret: str) -> bytes:
    """What a row keeps of a secret that came clear or as a fast digest; a slow digest stays as it is."""
    came = form(secret)
    if came is Kept.SLOW:
        return secret.encode()
    if came is Kept.CLEAR:
        return keep_clear(macs, issuer, client, secret)
    return _kept(macs, issuer, client, came, bytes.fromhex(secret[7:]))


def is_slow(kept: bytes) -> bool:
    """Whether only a costly comparison can tell."""
    return kept.startswith(b"$")


def same(macs: Macs, issuer: str, client: Client, secret: str) -> bool:
    """Whether this is what is kept, said clear or as its fast digest."""
    digest = bytes.fromhex(secret[7:]) if form(secret) is Kept.SHA256 else _digest(secret)
    return _is(macs, issuer, client, digest)


def fits(macs: Macs, issuer: str, client: Client, said: str) -> bool:
    """Whether this is the secret that is kept as a MAC."""
    return len(said) <= LONGEST and _is(macs, issuer, client, _digest(said))


def _is(macs: Macs, issuer: str, client: Client, digest: bytes) -> bool:
    found = _KEPT.fullmatch(client.imported or b"")
    if found is None:
        return False
    full = _mac(macs, issuer, client, int(found[2]), digest)
    return full is not None and hmac.compare_digest(base64url.encode(full).encode(), found[3])


def generation(row: Generations) -> int:
    """The generation that the imported secret is: the one under key 0."""
    return row.confirmed if row.confirmed_key == 0 else row.issued if row.issued_key == 0 else 0


def lives(client: Client) -> bool:
    """Whether the client has an imported secret that its row still gives a place to."""
    return client.imported is not None and client.secret is not None and generation(client.secret) > 0


def _kept(macs: Macs, issuer: str, client: Client, came: Kept, digest: bytes) -> bytes:
    number = macs.minting
    full = _mac(macs, issuer, client, number, digest)
    if full is None:  # pragma: no cover - the minting key is honoured by definition
        raise LookupError("no minting key")
    return f"hmac:{came.value}:{number}:{base64url.encode(full)}".encode()


def _digest(secret: str) -> bytes:
    """One form for both: a clear secret and its digest are compared alike."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def _mac(macs: Macs, issuer: str, client: Client, number: int, digest: bytes) -> bytes | None:
    name = issuer.encode()
    return macs.mac(number, KIND, len(name).to_bytes(4, "big") + name + owner(client) + digest)
