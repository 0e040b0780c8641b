"""A device that makes passkeys, in software: as honest or dishonest as a test wants it (WebAuthn Level 3 §6)."""

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2 import cbor

ES256, EDDSA, RS256 = -7, -8, -257
"""Algorithms by their COSE numbers (RFC 9053)."""
PRESENT, VERIFIED, BACKED_UP, KEYS, EXTENSIONS = 0x01, 0x04, 0x18, 0x40, 0x80
"""Flags of authenticator data (WebAuthn Level 3 §6.1)."""
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def new_key(alg: int = ES256) -> Key:
    """A private key for an algorithm."""
    if alg == EDDSA:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048) if alg == RS256 else ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Device:
    """One passkey, what it holds and how it answers; change a field to make it lie."""

    origin: str
    """What the browser says of the page."""
    rp: str = ""
    """Relying party; empty: the one that asks."""
    key: Key = field(default_factory=new_key)
    signs_with: Key | None = None
    """None: its own key."""
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    owner: bytes | None = None
    """User handle; None: what the options said."""
    count: int = 0
    flags: int = PRESENT | VERIFIED
    challenge: bytes | None = None
    """None: the one asked for."""
    type: str = ""
    """Of the client data; empty: the right one."""
    fmt: str = "none"
    extra: dict[str, object] = field(default_factory=dict[str, object])
    """Further members of the client data."""

    def but(self, **changed: Any) -> "Device":  # noqa: ANN401 # the types of the fields, test by test
        """The same passkey in another mood."""
        return replace(self, **changed)

    def create(self, options: str) -> str:
        """What ``navigator.credentials.create`` answers."""
        asked = json.loads(options)
        client_data = self._client_data("webauthn.create", asked["challenge"])
        attested = bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor.encode(self.public_key)
        data = self._authenticator_data(asked["rp"]["id"], KEYS) + attested
        statement: dict[str, object] = {}
        if self.fmt == "packed":
            statement = {"alg": self.alg, "sig": self._signature(data, client_data)}
        made = cbor.encode({"fmt": self.fmt, "attStmt": statement, "authData": data})
        return self._answer({"clientDataJSON": b64(client_data), "attestationObject": b64(made)})

    def get(self, options: str, owner: bytes) -> str:
        """What ``navigator.credentials.get`` answers for the person who owns the passkey."""
        asked = json.loads(options)
        client_data = self._client_data("webauthn.get", asked["challenge"])
        data = self._authenticator_data(asked["rpId"], 0)
        response = {
            "clientDataJSON": b64(client_data),
            "authenticatorData": b64(data),
            "signature": b64(self._signature(data, client_data)),
            "userHandle": b64(owner if self.owner is None else self.owner),
        }
        return self._answer(response)

    @property
    def alg(self) -> int:
        """COSE number of the algorithm."""
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return EDDSA
        return RS256 if isinstance(self.key, rsa.RSAPrivateKey) else ES256

    @property
    def public_key(self) -> dict[int, int | bytes]:
        """COSE_Key (RFC 9052 §7)."""
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return {1: 1, 3: EDDSA, -1: 6, -2: self.key.public_key().public_bytes_raw()}
        if isinstance(self.key, rsa.RSAPrivateKey):
            of_rsa = self.key.public_key().public_numbers()
            return {1: 3, 3: RS256, -1: of_rsa.n.to_bytes(256, "big"), -2: of_rsa.e.to_bytes(3, "big")}
        point = self.key.public_key().public_numbers()
        return {1: 2, 3: ES256, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}

    def _client_data(self, usual: str, challenge: str) -> bytes:
        said = challenge if self.challenge is None else b64(self.challenge)
        members = {"type": self.type or usual, "challenge": said, "origin": self.origin, "crossOrigin": False, **self.extra}
        return json.dumps(members).encode()

    def _authenticator_data(self, rp: str, more: int) -> bytes:
        return hashlib.sha256((self.rp or rp).encode()).digest() + struct.pack(">BI", self.flags | more, self.count)

    def _signature(self, data: bytes, client_data: bytes) -> bytes:
        message = data + hashlib.sha256(client_data).digest()
        key = self.signs_with or self.key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(message)
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return key.sign(message, ec.ECDSA(hashes.SHA256()))

    def _answer(self, response: dict[str, str]) -> str:
        members = {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response, "clientExtensionResults": {}}
        return json.dumps(members)
