"""A stranger's program: it introduces itself, sends people to the server and asks for what it was promised."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from playwright.sync_api import Page

SCOPE = "openid profile email offline_access"
PUBLIC = {"token_endpoint_auth_method": "none"}
PATIENCE = 30


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Asking:
    """One authorization request, and what the client keeps of it."""

    url: str
    state: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a code was good for."""

    access: str
    refresh: str
    scope: str
    claims: Mapping[str, object]
    """Of the ID token, whose signature is another test's business."""


class Client:
    """A registered client."""

    def __init__(self, issuer: str, redirect_uri: str, **members: object) -> None:
        """Introduce itself; it keeps a secret unless its members say otherwise."""
        self.issuer = issuer
        self.redirect_uri = redirect_uri
        said = {"redirect_uris": [redirect_uri], "grant_types": ["authorization_code", "refresh_token"], "scope": SCOPE, **members}
        answer = httpx.post(f"{issuer}/register", json=said, timeout=PATIENCE)
        assert answer.status_code == 201, answer.text
        self.card: dict[str, object] = answer.json()

    @property
    def id(self) -> str:
        """``client_id``."""
        return str(self.card["client_id"])

    def asks(self, **params: str) -> Asking:
        """A request for a code, never twice the same; parameters without a value are left out."""
        state, verifier = secrets.token_urlsafe(9), secrets.token_urlsafe(40)
        asked = {
            "client_id": self.id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": SCOPE,
            "state": state,
            "nonce": secrets.token_urlsafe(9),
            "code_challenge": b64(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            **params,
        }
        return Asking(f"{self.issuer}/authorize?{urlencode({name: value for name, value in asked.items() if value})}", state, verifier)

    def answer(self, page: Page, asking: Asking) -> dict[str, str]:
        """What the browser brings back, which must be our answer to this very request."""
        page.wait_for_url(lambda url: url.startswith(self.redirect_uri))
        return self.read(page.url, asking)

    def read(self, address: str, asking: Asking) -> dict[str, str]:
        """The members of an answer, less ``state`` and ``iss``, which must be right (RFC 9207 §2.4)."""
        assert address.startswith(self.redirect_uri + "?"), address
        members = dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))
        return self.checked(members, asking)

    def checked(self, members: Mapping[str, str], asking: Asking) -> dict[str, str]:
        """The same of an answer that came in another way."""
        assert members["state"] == asking.state
        assert members["iss"] == self.issuer
        return {name: value for name, value in members.items() if name not in ("state", "iss")}

    def redeem(self, asking: Asking, answer: Mapping[str, str]) -> Tokens:
        """Tokens for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": self.redirect_uri,
            "code_verifier": asking.verifier,
        }
        reply = self.post("/token", form)
        assert reply.status_code == 200, reply.text
        got: dict[str, str] = reply.json()
        payload = got["id_token"].split(".")[1]
        claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return Tokens(got["access_token"], got["refresh_token"], got["scope"], claims)

    def knows(self, tokens: Tokens) -> str:
        """Whom userinfo names; empty: it does not take the token any more."""
        reply = httpx.get(f"{self.issuer}/userinfo", headers={"Authorization": f"Bearer {tokens.access}"}, timeout=PATIENCE)
        assert reply.status_code in (200, 401), reply.text
        return str(reply.json()["sub"]) if reply.status_code == 200 else ""

    def is_active(self, tokens: Tokens) -> bool:
        """What introspection says of the access token."""
        return bool(self.post("/introspect", {"token": tokens.access}).json()["active"])

    def can_refresh(self, tokens: Tokens) -> bool:
        """Whether the refresh token is still good for anything."""
        return self.post("/token", {"grant_type": "refresh_token", "refresh_token": tokens.refresh}).status_code == 200

    def change(self, **members: object) -> None:
        """Replace the registration (RFC 7592 §2.2)."""
        dropped = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")
        said = {name: value for name, value in self.card.items() if name not in dropped} | members
        bearer = {"Authorization": f"Bearer {self.card['registration_access_token']}"}
        answer = httpx.put(str(self.card["registration_client_uri"]), json=said, headers=bearer, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        self.card = answer.json()

    def post(self, path: str, form: Mapping[str, str]) -> httpx.Response:
        """A form to an endpoint of the server, authenticated as registered."""
        secret = self.card.get("client_secret")
        if isinstance(secret, str):
            return httpx.post(self.issuer + path, data=form, auth=(self.id, secret), timeout=PATIENCE)
        return httpx.post(self.issuer + path, data={**form, "client_id": self.id}, timeout=PATIENCE)
