"""ID tokens: who signed in, when and how (OIDC Core §2)."""

import hashlib

import msgspec

from calling_card.protocol import base64url

TYP = "JWT"
"""Header ``typ`` of an ID token."""
DEFAULT_ALG = "RS256"
"""What a client gets that asks for none (OIDC Registration §2)."""
ALGS = ("RS256", "ES256")
"""What ID tokens are signed with."""


class Signed(msgspec.Struct, frozen=True):
    """What an ID token says of a sign-in."""

    subject: str
    client_id: str
    auth_time: int
    amr: str
    nonce: str
    """Empty: leave it out, as in every token from a refresh (OIDC Core §12.2)."""


def claims(signed: Signed, issuer: str, now: int, lifetime: int, access_token: str) -> dict[str, object]:
    """The claims; what is not known is left out. ``lifetime`` is in seconds."""
    made: dict[str, object] = {
        "iss": issuer,
        "sub": signed.subject,
        "aud": signed.client_id,
        "exp": now + lifetime,
        "iat": now,
        "auth_time": signed.auth_time,
        "at_hash": half_hash(access_token),
    }
    if signed.amr:
        made["amr"] = signed.amr.split()
    if signed.nonce:
        made["nonce"] = signed.nonce
    return made


def half_hash(token: str) -> str:
    """Left half of the SHA-256 of a token, base64url: ``at_hash`` for every algorithm that ends in 256 (OIDC Core §3.1.3.6)."""
    return base64url.encode(hashlib.sha256(token.encode()).digest()[:16])
