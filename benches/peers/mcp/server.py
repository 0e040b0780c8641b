"""The authorization server of the MCP Python SDK on a provider that keeps everything in memory; ``server.py PORT FOLDER``."""

import secrets
import sys
import time
from typing import Any, cast

import uvicorn
from mcp.server.auth.provider import AuthorizationCode, AuthorizationParams, RefreshToken, construct_redirect_uri
from mcp.server.auth.routes import create_auth_routes
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl
from starlette.applications import Starlette


class Memory:
    """The least that the SDK asks of a provider: nobody signs in, nobody is asked, tokens are random and kept until the end."""

    def __init__(self) -> None:
        """No clients yet."""
        self.clients: dict[str, OAuthClientInformationFull] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.refresh: dict[str, RefreshToken] = {}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        """A client by its id."""
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        """Keep a client until the process ends."""
        self.clients[str(client_info.client_id)] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        """A code at once."""
        code = secrets.token_urlsafe(32)
        self.codes[code] = AuthorizationCode(
            code=code,
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=str(client.client_id),
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
        )
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    async def load_authorization_code(self, client: OAuthClientInformationFull, authorization_code: str) -> AuthorizationCode | None:
        """What a code stands for."""
        del client
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode) -> OAuthToken:
        """Tokens for a code."""
        del self.codes[authorization_code.code]
        return self._tokens(str(client.client_id), authorization_code.scopes)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        """What a refresh token stands for."""
        del client
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        """Tokens for a refresh token, which is used up."""
        del self.refresh[refresh_token.token]
        return self._tokens(str(client.client_id), scopes)

    def _tokens(self, client_id: str, scopes: list[str]) -> OAuthToken:
        token = secrets.token_urlsafe(32)
        self.refresh[token] = RefreshToken(token=token, client_id=client_id, scopes=scopes)
        access = secrets.token_urlsafe(32)
        return OAuthToken(access_token=access, expires_in=3600, scope=" ".join(scopes), refresh_token=token)


def application() -> Starlette:
    """The SDK's routes and nothing else."""
    options = ClientRegistrationOptions(enabled=True, valid_scopes=["openid", "profile", "email"], default_scopes=["openid"])
    provider = cast("Any", Memory())
    routes = create_auth_routes(provider, AnyHttpUrl("http://127.0.0.1:8000"), None, options, RevocationOptions(enabled=True))
    return Starlette(routes=routes)


if __name__ == "__main__":
    uvicorn.run(application(), host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="error")
