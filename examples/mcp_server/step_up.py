"""Says over HTTP which scopes a tool needs, so that a client can ask the person for more (RFC 6750 section 3.1)."""

import json
from collections.abc import Mapping, Sequence

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class StepUp:
    """Stands behind the check of the token and before the tools."""

    def __init__(self, app: ASGIApp, needed: Mapping[str, Sequence[str]]) -> None:
        self.app = app
        self.needed = needed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 when the token has not all the scopes of the tool that is called."""
        user = scope.get("user")
        if scope["type"] != "http" or not isinstance(user, AuthenticatedUser):
            await self.app(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        needed = self.needed.get(tool_in(body), ())
        if not set(needed) <= set(user.scopes):
            challenge = f'Bearer error="insufficient_scope", scope="{" ".join(needed)}"'
            await JSONResponse({"error": "insufficient_scope"}, 403, {"WWW-Authenticate": challenge})(scope, receive, send)
            return
        left = [body]

        async def again() -> Message:
            return {"type": "http.request", "body": left.pop()} if left else await receive()

        await self.app(scope, again, send)


def tool_in(body: bytes) -> str:
    """The name of the tool that a message calls."""
    try:
        message = json.loads(body)
        return str(message["params"]["name"]) if message["method"] == "tools/call" else ""
    except (ValueError, KeyError, TypeError):
        return ""
