"""Notes of people, as an MCP server: reading needs one scope, adding needs a second one."""

import os
from collections import defaultdict
from urllib.parse import urlsplit

from fastmcp import FastMCP
from fastmcp.server.auth import JWTVerifier, RemoteAuthProvider, TokenVerifier, require_scopes
from fastmcp.server.auth.providers.introspection import IntrospectionTokenVerifier
from fastmcp.server.dependencies import get_access_token
from pydantic import AnyHttpUrl, ConfigDict, TypeAdapter

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
RESOURCE = os.environ.get("RESOURCE", "http://127.0.0.1:8001/mcp")


def by_introspection(client_id: str, client_secret: str) -> TokenVerifier:
    """Ask about every token; one that is taken back is refused at once (RFC 7662)."""
    return IntrospectionTokenVerifier(
        introspection_url=f"{ISSUER}/introspect", client_id=client_id, client_secret=client_secret, audience=RESOURCE
    )


def by_signature() -> TokenVerifier:
    """Check JWTs alone with the server's public keys (RFC 9068 section 4)."""
    return JWTVerifier(jwks_uri=f"{ISSUER}/jwks", issuer=ISSUER, audience=RESOURCE, algorithm="ES256")


url = TypeAdapter(AnyHttpUrl, config=ConfigDict(url_preserve_empty_path=True))  # adds no slash to the issuer
secret = os.environ.get("CLIENT_SECRET")
auth = RemoteAuthProvider(
    by_introspection(os.environ["CLIENT_ID"], secret) if secret else by_signature(),
    authorization_servers=[url.validate_python(ISSUER)],
    base_url=RESOURCE.removesuffix("/mcp"),
    scopes_supported=["notes:read", "notes:write"],
)
server = FastMCP("Notes", auth=auth)
notes: defaultdict[str, list[str]] = defaultdict(list)


def person() -> str:
    """Whose token this is."""
    token = get_access_token()
    if token is None or token.subject is None:
        raise PermissionError("this needs a person's token")
    return token.subject


@server.tool(auth=require_scopes("notes:read"))
def list_notes() -> list[str]:
    """List my notes."""
    return notes[person()]


@server.tool(auth=require_scopes("notes:write"))
def add_note(text: str) -> str:
    """Keep a note."""
    notes[person()].append(text)
    return "kept"


if __name__ == "__main__":
    server.run(transport="http", host="127.0.0.1", port=urlsplit(RESOURCE).port or 8001, show_banner=False)
