"""Access tokens: the claims, and their two forms, sealed and signed (RFC 9068 §2, CREDENTIALS §3)."""

from collections.abc import Mapping

import msgspec

from calling_card.protocol import base64url
from calling_card.protocol.clients import Route

TYP = "at+jwt"
"""Header ``typ`` of a signed access token (RFC 9068 §2.1)."""
_CLIENT, _GRANT = 16, 48
"""Bytes of the claim ``cc`` of a client's own token, and of a token that a person allowed."""


class AccessToken(msgspec.Struct, frozen=True, array_like=True):
    """What an access token says, whatever its form."""

    jti: bytes
    """16 random bytes."""
    client_id: str
    route: Route
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
    person_epoch: int = 0
    """Of the person who allowed it, who is the subject then."""
    cnf: str = ""
    """Thumbprint the token is bound to, or empty."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AccessToken).decode


def to_bytes(token: AccessToken) -> bytes:
    """The claims, compact, ready to be sealed."""
    return _encode(token)


def from_bytes(plain: bytes) -> AccessToken | None:
    """The claims of an opened seal; None: not a token of this version."""
    try:
        return _decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _bytes(value: object, *sizes: int) -> bytes | None:
    raw = base64url.decode(value) if isinstance(value, str) else None
    return raw if raw is not None and len(raw) in sizes else None


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
        "jti": base64url.encode(token.jti),
        "scope": token.scope,
        "cc": base64url.encode(_bound(token)),
    }


def _bound(token: AccessToken) -> bytes:
    """Everything that a token must still agree with to be alive, packed."""
    client = token.incarnation + token.epoch.to_bytes(8, "big")
    if token.grant is None:
        return client
    return client + token.grant + token.grant_epoch.to_bytes(8, "big") + token.person_epoch.to_bytes(8, "big")


def from_claims(claims: Mapping[str, object], issuer: str) -> AccessToken | None:
    """The token behind verified claims; None: another issuer, or not claims of ours."""
    jti, bound = _bytes(claims.get("jti"), 16), _bytes(claims.get("cc"), _CLIENT, _GRANT)
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
                int.from_bytes(bound[8:_CLIENT], "big"),
                claims.get("sub"),
                claims.get("scope"),
                listed,
                claims.get("iat"),
                claims.get("exp"),
                bound[16:32] or None,
                int.from_bytes(bound[32:40], "big"),
                int.from_bytes(bound[40:], "big"),
            ],
            AccessToken,
        )
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
