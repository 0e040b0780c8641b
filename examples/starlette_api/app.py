"""Notes of people, as an API: reading needs one scope, adding needs a second one."""

import os
from collections import defaultdict
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from tokens import ByIntrospection, BySignature

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
RESOURCE = os.environ.get("RESOURCE", "http://127.0.0.1:8002")
METADATA = "/.well-known/oauth-protected-resource"
SCOPES = ["notes:read", "notes:write"]

secret = os.environ.get("CLIENT_SECRET")
tokens = ByIntrospection(ISSUER, RESOURCE, os.environ["CLIENT_ID"], secret) if secret else BySignature(ISSUER, RESOURCE)
notes: defaultdict[str, list[str]] = defaultdict(list)


def refused(status: int, scope: str, error: str = "") -> HTTPException:
    """401 or 403 with what a client needs to do better (RFC 6750 section 3, RFC 9728 section 5.1)."""
    parts = [f'error="{error}"'] if error else []
    parts += [f'scope="{scope}"', f'resource_metadata="{RESOURCE}{METADATA}"']
    return HTTPException(status, headers={"WWW-Authenticate": "Bearer " + ", ".join(parts)})


async def person(request: Request, scope: str) -> str:
    """Who sent this request with a token that has the scope."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise refused(401, scope)
    said = await tokens.read(token.strip())
    if said is None:
        raise refused(401, scope, "invalid_token")
    if scope not in said["scope"].split():
        raise refused(403, scope, "insufficient_scope")
    return said["sub"]


async def list_notes(request: Request) -> JSONResponse:
    """My notes."""
    return JSONResponse(notes[await person(request, "notes:read")])


async def add_note(request: Request) -> JSONResponse:
    """Keep a note."""
    whose = await person(request, "notes:write")
    notes[whose].append((await request.body()).decode())
    return JSONResponse("kept", 201)


async def metadata(_: Request) -> JSONResponse:
    """Who gives out tokens for this API, and for which scopes (RFC 9728)."""
    return JSONResponse({"resource": RESOURCE, "authorization_servers": [ISSUER], "scopes_supported": SCOPES})


app = Starlette(
    routes=[
        Route("/notes", list_notes),
        Route("/notes", add_note, methods=["POST"]),
        Route(METADATA, metadata),
    ]
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=urlsplit(RESOURCE).port or 8002)
