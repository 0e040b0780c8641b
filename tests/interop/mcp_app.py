"""A program with the MCP SDK's client, as its makers' examples have it: secrets in memory, a browser, no more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from tests.interop.browser import Visitor, members_of
from tests.interop.notes import Notes

CALLBACK = "http://localhost:3030/callback"


@dataclass
class App:
    """What a program brings along that uses the SDK: a place for its secrets, and a way to the person's browser."""

    notes: Notes
    visitor: Visitor
    address: str | None = None
    """Where the program publishes what it says of itself, if it does."""
    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None
    asked: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """The authorization requests, one for each trip of the person."""
    _answer: str = ""

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info

    async def open_browser(self, url: str) -> None:
        self.asked.append(members_of(url))
        self._answer = await asyncio.to_thread(self.visitor.visit, url)

    async def come_back(self) -> AuthorizationCodeResult:
        said = members_of(self._answer)
        return AuthorizationCodeResult(code=said["code"], state=said["state"], iss=said["iss"])

    @property
    def access_token(self) -> str:
        assert self.tokens is not None
        return self.tokens.access_token

    @property
    def client_id(self) -> str:
        assert self.client is not None
        return self.client.client_id

    @property
    def refresh_token(self) -> str:
        assert self.tokens is not None
        assert self.tokens.refresh_token is not None
        return self.tokens.refresh_token

    @property
    def credential(self) -> tuple[str, str]:
        assert self.client is not None
        assert self.client.client_secret is not None
        return self.client.client_id, self.client.client_secret

    def forget(self) -> None:
        """What an app has to do itself when the person was shown that the client is unknown."""
        self.tokens = self.client = None

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Client]:
        card = OAuthClientMetadata(client_name="Scribe", redirect_uris=[AnyUrl(CALLBACK)])
        provider = OAuthClientProvider(self.notes.resource, card, self, self.open_browser, self.come_back, client_metadata_url=self.address)
        async with (
            create_mcp_http_client(auth=provider) as http,
            Client(streamable_http_client(self.notes.resource, http_client=http)) as mcp,
        ):
            yield mcp

    async def call(self, mcp: Client, tool: str, **arguments: object) -> object:
        result = await mcp.call_tool(tool, arguments)
        assert not result.is_error, result
        told: dict[str, object] = result.structured_content or {}
        return told.get("result")
