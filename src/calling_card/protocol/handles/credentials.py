"""Credentials as handles: a prefix, an owner, a generation, and a MAC over them (CREDENTIALS §1).

Nothing here is stored. Whoever holds the keyring can write a handle again; whoever does not can neither make nor read one.
"""

import hmac
import struct
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import msgspec

from calling_card.protocol import base64url
from calling_card.protocol.clients import Client, Generations

VERSION = 1


class Macs(Protocol):
    """What a handle needs of a keyring."""

    @property
    def minting(self) -> int:
        """Number of the key that new handles are made with."""
        ...

    def mac(self, number: int, kind: str, message: bytes) -> bytes | None:
        """32 bytes, or None when that key is not honoured."""
        ...


@dataclass(frozen=True)
class Kind:
    """One kind of handle: its prefix and the fixed sizes of its parts, in bytes."""

    name: str
    prefix: str
    code: int
    owner: int
    mac: int
    meaning: str

    @cached_property
    def length(self) -> int:
        """Characters of a handle of this kind, prefix included."""
        return len(self.prefix) + (8 * (self.fields.size + self.mac) + 5) // 6

    @cached_property
    def fields(self) -> struct.Struct:
        """Version, code of the kind, number of the key, owner and generation: what is under the MAC."""
        return struct.Struct(f">BBH{self.owner}sI")


CLIENT_SECRET = Kind("client_secret", "cc_secret_", 1, 24, 32, "Authenticates a client at the token endpoint.")
REGISTRATION_ACCESS_TOKEN = Kind("registration_access_token", "cc_rat_", 2, 24, 32, "Reads, replaces and deletes one registration.")
INITIAL_ACCESS_TOKEN = Kind("initial_access_token", "cc_iat_", 3, 16, 32, "Lets a client register under what its invitation says.")
AUTHORIZATION_CODE = Kind("authorization_code", "cc_code_", 4, 32, 16, "Is exchanged once for tokens.")
REFRESH_TOKEN = Kind("refresh_token", "cc_refresh_", 5, 32, 16, "Gets new access tokens for one grant.")

SESSION = Kind("session", "cc_session_", 6, 32, 32, "Says in which session of which person a browser is.")

KINDS = (CLIENT_SECRET, REGISTRATION_ACCESS_TOKEN, INITIAL_ACCESS_TOKEN, AUTHORIZATION_CODE, REFRESH_TOKEN, SESSION)


class Handle(msgspec.Struct, frozen=True):
    """A credential without its MAC: what it says, not that it is right."""

    kind: Kind
    key: int
    owner: bytes
    generation: int


@lru_cache(maxsize=16)
def _named(issuer: str) -> bytes:
    """The issuer with its length, as it stands before the fields."""
    name = issuer.encode()
    return len(name).to_bytes(4, "big") + name


def write(macs: Macs, issuer: str, handle: Handle) -> str:
    """The credential as text. Raises `LookupError` when its key is not honoured any more."""
    kind, key = handle.kind, handle.key
    fields = kind.fields.pack(VERSION, kind.code, key, handle.owner, handle.generation)
    mac = macs.mac(key, kind.name, _named(issuer) + fields)
    if mac is None:
        raise LookupError(f"key {key} is not honoured")
    return kind.prefix + base64url.encode(fields + mac[: kind.mac])


def read(macs: Macs, issuer: str, kind: Kind, text: str) -> Handle | None:
    """The handle a text stands for if it is exactly of this kind, canonical, and its MAC is right; else None."""
    if len(text) != kind.length or not text.startswith(kind.prefix):
        return None
    raw = base64url.canonical(text[len(kind.prefix) :])
    if raw is None:
        return None
    version, code, key, owner, generation = kind.fields.unpack_from(raw)
    if version != VERSION or code != kind.code:
        return None
    expected = macs.mac(key, kind.name, _named(issuer) + raw[: -kind.mac])
    if expected is None or not hmac.compare_digest(expected[: kind.mac], raw[-kind.mac :]):
        return None
    return Handle(kind, key, owner, generation)


def owner(client: Client) -> bytes:
    """Client key and incarnation: whom secrets and registration access tokens belong to."""
    return client.key + client.incarnation


def of_client(kind: Kind, client: Client, row: Generations) -> Handle:
    """The newest credential of this kind that a client has."""
    return Handle(kind, row.issued_key, owner(client), row.issued)


def speaks_for(handle: Handle, row: Generations) -> bool:
    """Whether the row's key number for this generation is the handle's: an old key cannot speak for a newer key's generation."""
    if handle.generation == row.issued:
        return handle.key == row.issued_key
    return handle.generation != row.confirmed or handle.key == row.confirmed_key


def has_secret(client: Client) -> bool:
    """Whether the client has a secret now. A secret that was taken away leaves its generation behind, under key 0."""
    return client.secret is not None and client.secret.issued_key != 0


def ends_soon(client: Client, now: int, lifetime: int) -> bool:
    """Whether the secret is over, or in the last quarter of its life of ``lifetime`` seconds."""
    return has_secret(client) and 0 < client.secret_expires_at <= now + lifetime // 4


def has_rat(client: Client) -> bool:
    """Whether the client has a registration access token. Doors without RFC 7592 give none: key 0 makes no handle (M-50)."""
    return client.rat.issued_key != 0
