"""What clients say in the benchmark."""

import hashlib
from urllib.parse import urlencode

from calling_card.protocol import base64url

MCP_BODY: dict[str, object] = {
    "client_name": "py-sdk",
    "redirect_uris": ["http://localhost:3030/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "scope": "openid",
    "application_type": "native",
}
OIDC_BODY: dict[str, object] = {
    "application_type": "web",
    "redirect_uris": ["https://client.example.org/callback", "https://client.example.org/callback2"],
    "client_name": "My Example",
    "client_name#ja-Jpan-JP": "クライアント名",
    "logo_uri": "https://client.example.org/logo.png",
    "client_uri": "https://client.example.org/",
    "policy_uri": "https://client.example.org/policy",
    "tos_uri": "https://client.example.org/tos",
    "token_endpoint_auth_method": "client_secret_basic",
    "contacts": ["ve7jtb@example.org", "mary@example.org"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "scope": "openid profile email",
}
CALLBACK = "https://client.example.org/callback"
FLOW_BODY: dict[str, object] = {
    "client_name": "Flow",
    "redirect_uris": [CALLBACK],
    "token_endpoint_auth_method": "client_secret_post",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "scope": "openid profile",
}
OPAQUE = "https://opaque.example"
SIGNED = "https://jwt.example"
"""Resource servers that take opaque tokens, and signed ones."""
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""The pair of RFC 7636, appendix B: a server has to hash the one and compare, whoever sends it."""


def asked(client_id: str, scope: str, state: str, challenge: str = CHALLENGE) -> str:
    """Query of an authorization request."""
    said = {"client_id": client_id, "response_type": "code", "redirect_uri": CALLBACK, "scope": scope, "code_challenge_method": "S256"}
    return f"{urlencode(said)}&code_challenge={challenge}&state={state}"


def pair(number: int) -> list[str]:
    """A verifier of its own and its challenge (RFC 7636 §4.2)."""
    verifier = f"{number:043d}"
    return [verifier, base64url.encode(hashlib.sha256(verifier.encode()).digest())]
