"""The in-memory OAuth provider of fastmcp, behind uvicorn: ``server.py PORT FOLDER``."""

import sys

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth.providers.in_memory import InMemoryOAuthProvider
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions

PORT = int(sys.argv[1])
provider = InMemoryOAuthProvider(
    base_url=f"http://127.0.0.1:{PORT}",
    client_registration_options=ClientRegistrationOptions(
        enabled=True, valid_scopes=["openid", "profile", "email"], default_scopes=["openid"]
    ),
    revocation_options=RevocationOptions(enabled=True),
)

if __name__ == "__main__":
    app = FastMCP("bench", auth=provider).http_app()
    uvicorn.run(app, host="127.0.0.1", port=PORT, access_log=False, log_level="error")
