"""Whole logins of clients on the market, captured request by request, come to their end here.

Only what a server makes up is replaced: hosts, client identifiers, secrets, codes, tokens. A request to the protected resource is
checked by what the resource learns about the token it was sent.
"""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import msgspec
import pytest

from calling_card.usecases.provide import Added
from tests.addresses import publish
from tests.ledger import meets
from tests.visitor import Browser, Page, answer_of, person_client, somebody, tokens
from tests.world import Reply, World, world

RESOURCE = "https://mcp.example/mcp"
ADDRESS = "https://app.example.com/client.json"
"""The client_id of clients that were given the address of a document."""
PERSON = "test-browser"
"""What the person's browser called itself; any other caller of the authorization endpoint is the client looking first."""
GOES_ON = (200, 302, 303, 307, 308)


class Step(msgspec.Struct, frozen=True):
    """One captured request, and the status that made the client go on as it did."""

    kind: str
    method: str
    target: str
    headers: list[tuple[str, str]]
    status: int
    body: str = ""

    @property
    def caller(self) -> str:
        """The user agent."""
        return next((value for name, value in self.headers if name.lower() == "user-agent"), "")


class Captured(msgspec.Struct, frozen=True):
    """One login."""

    client: str
    requests: list[Step]


SESSIONS = {
    path.stem: msgspec.json.decode(path.read_bytes(), type=Captured) for path in sorted((Path(__file__).parent / "captured").glob("*.json"))
}


@dataclass
class Replay:
    """A captured login in progress."""

    server: World
    resource: Added
    browser: Browser
    card: dict[str, Any]
    """The client of the last registration; at first what the client kept from before."""
    refresh_token: str
    code: str = ""
    token: dict[str, Any] = field(default_factory=dict[str, Any])
    seen: list[str] = field(default_factory=list[str])
    """What has happened so far."""

    async def step(self, step: Step) -> None:
        """One request, and what the client reads of the answer before it goes on."""
        play = {
            "mcp": self.mcp,
            "as-metadata": self.metadata,
            "register": self.register,
            "authorize": self.authorize,
            "token": self.tokens,
        }
        await play[step.kind](step)
        self.seen.append(f"{step.kind} {step.status}")

    async def call(self, step: Step, query: str = "", body: str = "", headers: list[tuple[str, str]] | None = None) -> Reply:
        """Send what was captured, with these parts replaced."""
        target = step.target.partition("?")[0] + (f"?{query}" if query else "")
        return await self.server.call(step.method, target, body.encode(), step.headers if headers is None else headers)

    async def mcp(self, step: Step) -> None:
        """The resource asks about the token it was sent, if any."""
        if not step.headers or not self.token:
            assert step.status == 401
            return
        told = (await self.server.introspect(self.resource.information, self.token["access_token"])).json
        assert told["active"] is True
        assert told["aud"] == RESOURCE
        assert ("mcp:write" not in told["scope"].split()) == (step.status == 403 or not self.stepped_up)

    @property
    def stepped_up(self) -> bool:
        return "mcp 403" in self.seen

    async def metadata(self, step: Step) -> None:
        """The server metadata."""
        reply = await self.call(step)
        assert reply.status == 200
        told = reply.json
        assert told["issuer"] == self.server.ports.settings.issuer
        assert {"registration_endpoint", "authorization_endpoint", "token_endpoint"} <= told.keys()
        assert "S256" in told["code_challenge_methods_supported"]
        assert told["client_id_metadata_document_supported"] is True
        assert None not in told.values()

    async def register(self, step: Step) -> None:
        """The registration, word for word."""
        reply = await self.call(step, body=step.body)
        assert reply.status == 201, reply.body
        self.card = reply.json
        said = msgspec.json.decode(step.body, type=dict[str, object])
        assert {name: self.card[name] for name in said} == said
        assert self.card["token_endpoint_auth_method"] == said.get("token_endpoint_auth_method", "client_secret_basic")
        assert ("client_secret" in self.card) == (self.card["token_endpoint_auth_method"] != "none")

    async def authorize(self, step: Step) -> None:
        """The client looks first, or the person comes with a browser and allows."""
        query = self.replaced(step.target.partition("?")[2])
        if step.caller != PERSON:
            looked = await self.call(step, query)
            assert looked.status in GOES_ON
            return
        reply = await self.browser.follow(await self.browser.get(f"/authorize?{query}"))
        if "password" in Page(reply.body).ids:
            reply = await self.browser.sign_in(reply)
        assert "allow" in Page(reply.body).ids
        told = answer_of(await self.browser.decide(reply))
        asked = parse_qs(query)
        assert told.get("state", "") == asked.get("state", [""])[0]
        assert told["iss"] == self.server.ports.settings.issuer
        self.code = told["code"]

    async def tokens(self, step: Step) -> None:
        """The token request, authenticated the way the client did it."""
        headers = [(name, value) for name, value in step.headers if name.lower() != "authorization"]
        if self.card["token_endpoint_auth_method"] == "client_secret_basic":
            headers.append(("Authorization", self.basic()))  # also where the capturing server had given no secret: the answer decides
        reply = await self.call(step, body=self.replaced(step.body), headers=headers)
        assert reply.status == step.status, reply.body
        assert reply.headers["content-type"] == "application/json"
        if step.status == 401:
            assert reply.json["error"] == "invalid_client"
            return
        self.token = reply.json
        assert self.token["token_type"] == "Bearer"
        assert self.token["expires_in"] > 0
        assert self.token["refresh_token"]
        assert self.token["scope"].split() == ["mcp:read", *(["mcp:write"] if self.stepped_up else [])]
        assert None not in self.token.values()

    def basic(self) -> str:
        """HTTP Basic with identifier and secret as they are, as these clients build it."""
        return "Basic " + base64.b64encode(f"{self.card['client_id']}:{self.card['client_secret']}".encode()).decode()

    def replaced(self, form: str) -> str:
        """A query or a form with our values for what a server makes up."""
        ours = {
            "client_id": self.card["client_id"],
            "client_secret": self.card.get("client_secret", ""),
            "code": self.code,
            "refresh_token": self.refresh_token,
            "resource": RESOURCE,
        }
        said = {name: values[0] for name, values in parse_qs(form, keep_blank_values=True).items()}
        return urlencode({name: ours.get(name, value) for name, value in said.items()})


@pytest.fixture
async def replay(tmp_path: Path) -> Replay:
    """A server that knows the resource, and a client that another server at the same address, now lost, had known."""
    lost = await world(tmp_path / "lost")
    await somebody(lost)
    card = await person_client(lost)
    before = await tokens(lost, card)
    server = await world(tmp_path / "new")
    await somebody(server)
    resource = await server.resource(RESOURCE, scope="mcp:read mcp:write")
    publish(server, ADDRESS, client_name="MCP client", redirect_uris=["http://localhost/callback"], scope="mcp:read")
    return Replay(server, resource, Browser(server), card, before["refresh_token"])


@meets("R-105", "H-14", "H-15")
@pytest.mark.parametrize("name", SESSIONS)
async def test_a_captured_login_comes_to_its_end(replay: Replay, name: str) -> None:
    steps = SESSIONS[name].requests
    if name.endswith("-cimd"):
        replay.card = {"client_id": ADDRESS, "token_endpoint_auth_method": "none"}

    for step in steps:
        await replay.step(step)

    assert replay.seen == [f"{step.kind} {step.status}" for step in steps]
    assert replay.seen[-1] in ("mcp 200", "mcp 202")
    assert replay.token
    assert replay.server.strangers.asked == ([ADDRESS] if name.endswith("-cimd") else [])
