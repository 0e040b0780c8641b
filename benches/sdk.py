"""The authorization server of the MCP Python SDK on a provider that keeps everything in memory; ``python -m benches.sdk PORT``."""

import sys
from typing import Any, cast

import uvicorn
from mcp.server.auth.routes import create_auth_routes
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from mcp.shared.auth import OAuthClientInformationFull
from pydantic import AnyHttpUrl
from starlette.applications import Starlette


class Memory:
    """Only what registration needs; the SDK asks for no more on these paths."""

    def __init__(self) -> None:
        """No clients yet."""
        self.clients: dict[str, OAuthClientInformationFull] = {}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        """A client by its id."""
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        """Keep a client until the process ends."""
        self.clients[str(client_info.client_id)] = client_info


def application() -> Starlette:
    """The SDK's routes and nothing else."""
    options = ClientRegistrationOptions(enabled=True, valid_scopes=["openid", "profile", "email"], default_scopes=["openid"])
    provider = cast("Any", Memory())
    routes = create_auth_routes(provider, AnyHttpUrl("http://127.0.0.1:8000"), None, options, RevocationOptions(enabled=True))
    return Starlette(routes=routes)


if __name__ == "__main__":
    uvicorn.run(application(), host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="error")
