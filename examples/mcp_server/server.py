"""Notes of people, as an MCP server: reading needs one scope, adding needs a second one."""

import os
from collections import defaultdict
from urllib.parse import urlsplit

import uvicorn
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.settings import AuthSettings
from starlette.middleware import Middleware
from step_up import StepUp
from tokens import ByIntrospection, BySignature

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
RESOURCE = os.environ.get("RESOURCE", "http://127.0.0.1:8001/mcp")

secret = os.environ.get("CLIENT_SECRET")
verifier = ByIntrospection(ISSUER, RESOURCE, os.environ["CLIENT_ID"], secret) if secret else BySignature(ISSUER, RESOURCE)
auth = AuthSettings.model_validate(  # from text, so that no slash is added to the issuer
    {"issuer_url": ISSUER, "resource_server_url": RESOURCE, "required_scopes": ["notes:read"], "validate_token_resource": True}
)
server = MCPServer("Notes", token_verifier=verifier, auth=auth)
notes: defaultdict[str, list[str]] = defaultdict(list)


def person(scope: str) -> str:
    """Whose token this is, if it has the scope."""
    token = get_access_token()
    if token is None or token.subject is None or scope not in token.scopes:
        raise PermissionError(f"the token lacks {scope}")
    return token.subject


@server.tool()
def list_notes() -> list[str]:
    """List my notes."""
    return notes[person("notes:read")]


@server.tool()
def add_note(text: str) -> str:
    """Keep a note."""
    notes[person("notes:write")].append(text)
    return "kept"


app = server.streamable_http_app()
app.user_middleware.append(Middleware(StepUp, needed={"add_note": ["notes:read", "notes:write"]}))

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=urlsplit(RESOURCE).port or 8001)
