"""Assertions as clients make them, with another library than the one that checks them here; and as attackers spoil them."""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
_ALGORITHMS = jwt.get_algorithm_by_name


def encoded(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def part(value: object) -> str:
    """A part of a JWS that holds JSON; bytes are taken as they are."""
    return encoded(value if isinstance(value, bytes) else json.dumps(value).encode())


def jws(header: object, claims: object, sign: Callable[[bytes], bytes]) -> str:
    """Three parts, of which the last is whatever ``sign`` makes of the others."""
    message = f"{part(header)}.{part(claims)}"
    return f"{message}.{encoded(sign(message.encode()))}"


@dataclass(frozen=True)
class Holder:
    """Somebody with a key: a pair, or the octets of a secret."""

    alg: str
    key: Any
    kid: str | None = None

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as the client would register it."""
        algorithm = cast("Any", _ALGORITHMS("EdDSA" if self.alg == "Ed25519" else self.alg))
        made = cast("dict[str, Any]", algorithm.to_jwk(self.key.public_key(), as_dict=True))
        made = {name: value for name, value in made.items() if name in ("kty", "n", "e", "crv", "x", "y")}
        return made if self.kid is None else {**made, "kid": self.kid}

    @property
    def jwks(self) -> dict[str, Any]:
        """A set of this key alone."""
        return {"keys": [self.jwk]}

    @property
    def pem(self) -> bytes:
        """The public key as everybody can write it."""
        made = self.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return cast("bytes", made)

    def signature(self, message: bytes) -> bytes:
        """What the key makes of a message."""
        return _ALGORITHMS("EdDSA" if self.alg == "Ed25519" else self.alg).sign(message, self.key)

    def signs(self, claims: object, /, **header: object) -> str:
        """An assertion; members of the header that are None are left out."""
        named = {"alg": self.alg, "typ": "JWT", "kid": self.kid, **header}
        return jws({name: value for name, value in named.items() if value is not None}, claims, self.signature)

    def by(self, alg: str) -> "Holder":
        """The same key with another algorithm."""
        return replace(self, alg=alg)


def holder(alg: str = "ES256", kid: str | None = "k1", number: int = 1) -> Holder:
    """A client that signs with this algorithm; the same one for the same three."""
    return Holder(alg, _rsa() if alg[0] in "RP" else _pair(alg, kid, number), kid)


@cache
def _pair(alg: str, kid: str | None, number: int) -> object:
    return ec.generate_private_key(CURVES[alg]) if alg in CURVES else ed25519.Ed25519PrivateKey.generate()


@cache
def _rsa() -> rsa.RSAPrivateKey:
    """The only one: making it takes longer than most tests."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def with_secret(secret: object, alg: str = "HS256") -> Holder:
    """A client that signs with the octets of its secret."""
    return Holder(alg, str(secret).encode())


def claims(client_id: object, audience: object, now: int, /, **others: object) -> dict[str, object]:
    """What a client says to be let in for a minute; claims that are None are left out."""
    said = {"iss": client_id, "sub": client_id, "aud": audience, "iat": now, "exp": now + 60, "jti": secrets.token_hex(8), **others}
    return {name: value for name, value in said.items() if value is not None}


def form(assertion: str, **more: str) -> dict[str, str]:
    """The parameters that bring an assertion (RFC 7523 §2.2)."""
    return {"client_assertion_type": TYPE, "client_assertion": assertion, **more}


def spoiled(text: str, place: int, change: Callable[[str], str]) -> str:
    """The same assertion with one part changed."""
    parts = text.split(".")
    parts[place] = change(parts[place])
    return ".".join(parts)


def respelled(text: str) -> str:
    """Another spelling of the same bytes: bits of the last character that stand for nothing are set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) | 1] if len(text) % 4 else text + "="


def of(card: Mapping[str, Any]) -> str:
    """The name of a client."""
    return str(card["client_id"])
