"""Access tokens: the claims, and their two forms, sealed and signed (RFC 9068 §2, CREDENTIALS §3)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from calling_card.protocol.credentials import ACCESS_TOKEN_PREFIX

TYP = "at+jwt"
"""Header ``typ`` of a signed access token (RFC 9068 §2.1)."""
SEAL = "access_token"
"""Kind under which the keyring seals."""
_NONCE = 12
_HEAD = 3
_LONGEST = 8192


class AccessToken(msgspec.Struct, frozen=True, array_like=True):
    """What an access token says, whatever its form."""

    jti: bytes
    """16 random bytes."""
    client_id: str
    route: str
    incarnation: bytes
    epoch: int
    subject: str
    scope: str
    audience: tuple[str, ...]
    issued_at: int
    expires_at: int
    grant: bytes | None = None
    """Grant id, or None for client_credentials."""
    grant_epoch: int = 0
    person: str = ""
    person_epoch: int = 0
    cnf: str = ""
    """Thumbprint the token is bound to, or empty."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The outer parts of a sealed token, not yet opened."""

    key: int
    nonce: bytes
    sealed: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AccessToken).decode


def to_bytes(token: AccessToken) -> bytes:
    """The claims, compact, ready to be sealed."""
    return _encode(token)


def from_bytes(plain: bytes) -> AccessToken | None:
    """The claims of an opened seal; None: not a token of this version."""
    try:
        return _decode(plain)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def wrap(key: int, nonce: bytes, sealed: bytes) -> str:
    """A sealed token as text: version, key number, nonce, sealed claims."""
    raw = b"\x01" + key.to_bytes(2, "big") + nonce + sealed
    return ACCESS_TOKEN_PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unwrap(text: str) -> Sealed | None:
    """The parts of a sealed token in its one canonical spelling; None: something else."""
    if not text.startswith(ACCESS_TOKEN_PREFIX) or len(text) > _LONGEST:
        return None
    body = text[len(ACCESS_TOKEN_PREFIX) :].encode("ascii", "replace")
    try:
        raw = base64.b64decode(body + b"=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    if len(raw) < _HEAD + _NONCE or raw[0] != 1 or base64.urlsafe_b64encode(raw).rstrip(b"=") != body:
        return None
    return Sealed(int.from_bytes(raw[1:_HEAD], "big"), raw[_HEAD : _HEAD + _NONCE], raw[_HEAD + _NONCE :])


def jti_text(value: bytes) -> str:
    """An identifier as it stands in claims and answers: base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(value: object, size: int) -> bytes | None:
    if not isinstance(value, str):
        return None
    try:
        raw = base64.b64decode(value.encode("ascii", "replace") + b"=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    return raw if len(raw) == size else None


def to_claims(token: AccessToken, issuer: str) -> dict[str, object]:
    """The claims of the signed form (RFC 9068 §2.2); ``cc`` carries what revocation needs."""
    audience = token.audience[0] if len(token.audience) == 1 else list(token.audience)
    return {
        "iss": issuer,
        "sub": token.subject,
        "aud": audience,
        "client_id": token.client_id,
        "exp": token.expires_at,
        "iat": token.issued_at,
        "jti": jti_text(token.jti),
        "scope": token.scope,
        "cc": jti_text(token.incarnation + token.epoch.to_bytes(8, "big")),
    }


def from_claims(claims: Mapping[str, object], issuer: str) -> AccessToken | None:
    """The token behind verified claims; None: another issuer, or not claims of ours."""
    jti, bound = _bytes(claims.get("jti"), 16), _bytes(claims.get("cc"), 16)
    audience = claims.get("aud")
    listed = [audience] if isinstance(audience, str) else audience
    if claims.get("iss") != issuer or jti is None or bound is None or not isinstance(listed, list):
        return None
    try:
        return msgspec.convert(
            [
                jti,
                claims.get("client_id"),
                "registered",
                bound[:8],
                int.from_bytes(bound[8:], "big"),
                claims.get("sub"),
                claims.get("scope"),
                listed,
                claims.get("iat"),
                claims.get("exp"),
            ],
            AccessToken,
        )
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
