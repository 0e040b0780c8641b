"""Authlib as a client that nobody registered: with nothing, or with one of the keys that it publishes."""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, cast

import httpx
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.assertions import TYPE
from tests.interop.browser import Visitor
from tests.interop.mcp_app import CALLBACK
from tests.interop.test_authlib_people import Json, Maker, Session, known_of

Says = Mapping[str, str]
NOTHING: Says = {}
DISCOVERY: Says = {"client_discovery": "true"}


class Registrar(Protocol):
    """The part of Authlib's sessions that takes a way to authenticate; Authlib itself is untyped."""

    def register_client_auth_method(self, method: object) -> None: ...


def session_of(client_id: str, method: str = "none", key: ECKey | None = None) -> Session:
    """A session of a client that comes back to `CALLBACK`."""
    known = known_of({"client_id": client_id, "client_secret": key, "token_endpoint_auth_method": method})
    return cast("Maker", OAuth2Client)(**known | {"redirect_uri": CALLBACK})


def signed_in(
    session: Session, server: Mapping[str, str], visitor: Visitor, asks: Says = NOTHING, brings: Says = NOTHING
) -> tuple[Json, str]:
    """Tokens of a person, and the nonce that their ID token must have; with what is said beside the usual, at each endpoint."""
    verifier, nonce = generate_token(48), generate_token()
    url, state = session.create_authorization_url(server["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **asks)
    back = visitor.visit(url)
    token = session.fetch_token(server["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state, **brings)
    return token, nonce


@dataclass(frozen=True, slots=True)
class Holder:
    """A client that says who it is by one key."""

    server: Mapping[str, str]
    address: str
    key: ECKey

    def sign_in(self, visitor: Visitor) -> Json:
        """Tokens of a person."""
        with closing(self._session()) as session:
            return signed_in(session, self.server, visitor)[0]

    def refresh(self, refresh_token: object) -> str:
        """The next refresh token."""
        with closing(self._session()) as session:
            return str(session.refresh_token(self.server["token_endpoint"], refresh_token=str(refresh_token))["refresh_token"])

    def refusal(self, refresh_token: object) -> str:
        """The code with which the same is refused."""
        with pytest.raises(OAuthError) as caught:
            self.refresh(refresh_token)
        return str(caught.value.error)

    def assertion(self) -> dict[str, str]:
        """Good for some minutes, and once (RFC 7523 §2.2)."""
        now = int(time.time())
        claims = {"iss": self.address, "sub": self.address, "aud": self.server["issuer"], "iat": now, "exp": now + 300}
        signed = jwt.encode({"alg": "ES256", "kid": self.key.kid}, {**claims, "jti": generate_token()}, self.key)
        return {"client_assertion_type": TYPE, "client_assertion": signed}

    def post(self, endpoint: str, **form: str) -> tuple[int, Json]:
        """One request as it is, without Authlib."""
        reply = httpx.post(self.server[f"{endpoint}_endpoint"], data={"client_id": self.address, **form})
        return reply.status_code, reply.json() if reply.content else {}

    def _session(self) -> Session:
        session = session_of(self.address, "private_key_jwt", self.key)
        signs = PrivateKeyJWT(self.server["token_endpoint"], alg="ES256", headers={"kid": self.key.kid})
        cast("Registrar", session).register_client_auth_method(signs)
        return session
