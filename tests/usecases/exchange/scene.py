"""A server with a resource server that looks on, a person in a browser, and clients that want tokens."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from calling_card.protocol import base64url
from calling_card.protocol.clients import Route, client_key
from calling_card.protocol.handles import credentials
from calling_card.protocol.handles.credentials import AUTHORIZATION_CODE, REFRESH_TOKEN, Handle
from calling_card.protocol.handles.tokens import AccessToken
from calling_card.protocol.persons.grants import Grant
from calling_card.protocol.persons.people import Person
from calling_card.usecases.tokens import read
from tests.visitor import Browser, Page, exchange, person_client, refresh, somebody
from tests.world import ISSUER, Reply, World

Card = Mapping[str, Any]
API = "https://api.example"
LIVES, DEAD = (True, 200), (False, 401)
"""What introspection and userinfo say of a token: whether it is active, and the status."""
REDEEMABLE = "code: is not valid (any more) for this client; start the authorization again (RFC 6749 section 5.2)"
REFRESHABLE = "refresh_token: is not valid (any more) for this client; ask the person again (RFC 6749 section 5.2)"


@dataclass
class Scene:
    """Who takes part."""

    server: World
    api: Card
    """The resource server, whose tokens by default are also for our userinfo."""
    person: Person
    browser: Browser

    async def client(self, *, confidential: bool = False, **members: object) -> dict[str, Any]:
        """A client that asks people and refreshes."""
        method = "client_secret_basic" if confidential else "none"
        return await person_client(self.server, **{"token_endpoint_auth_method": method, **members})

    async def code(self, card: Card, /, **params: str) -> str:
        """The person says yes."""
        return (await self.browser.allow(card, **params))["code"]

    async def redeem(self, card: Card, code: str, /, **fields: str) -> Reply:
        """A code for tokens."""
        return await exchange(self.server, card, code, **fields)

    async def refresh(self, card: Card, token: str, /, **fields: str) -> Reply:
        """A refresh token for tokens."""
        return await refresh(self.server, card, token, **fields)

    async def tokens(self, card: Card, /, **params: str) -> dict[str, Any]:
        """Yes, and the exchange that follows."""
        reply = await self.redeem(card, await self.code(card, **params))
        assert reply.status == 200, reply.body
        return reply.json

    async def state(self, access_token: str) -> tuple[bool, int]:
        """What introspection and userinfo say of an access token."""
        return bool((await self.introspected(access_token))["active"]), (await self.userinfo(access_token)).status

    async def introspected(self, access_token: str) -> dict[str, Any]:
        """What the resource server learns."""
        return (await self.server.introspect(self.api, access_token)).json

    async def userinfo(self, access_token: str, method: str = "GET") -> Reply:
        """Who is it."""
        return await self.server.call(method, "/userinfo", b"", {"authorization": f"Bearer {access_token}"})

    async def inside(self, access_token: str) -> AccessToken:
        """What an access token says to us."""
        found = await read(self.server.ports, access_token)
        assert found is not None
        return found

    def handle(self, credential: str) -> Handle:
        """A code or refresh token taken apart."""
        kind = AUTHORIZATION_CODE if credential.startswith("cc_code_") else REFRESH_TOKEN
        found = credentials.read(self.server.ports.keyring, ISSUER, kind, credential)
        assert found is not None
        return found

    def written(self, handle: Handle) -> str:
        """A code or refresh token made up by somebody who holds the keyring."""
        return credentials.write(self.server.ports.keyring, ISSUER, handle)

    async def grant(self, credential: str) -> Grant:
        """The grant that a code or refresh token is about, as it is kept."""
        owner = self.handle(credential).owner
        found = await self.server.ports.store.grant(owner[:16], owner[16:])
        assert found is not None
        return found[0]

    async def kept(self, credential: str) -> tuple[object, ...]:
        """Everything that an exchange could change."""
        return await self.grant(credential), len(await self.server.recorded())

    async def withdraw(self, card: Card) -> None:
        """The person takes the yes back on the account page."""
        key = base64url.encode(client_key(Route.REGISTERED, card["client_id"]))
        page = Page((await self.browser.get("/account")).body)
        done = await self.browser.post("/account", {"transaction": page.hidden["transaction"], "do": "withdraw", "client": key})
        assert urlsplit(done.headers["location"]).query == "done=withdrawn"


def opened(jws: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT, unverified."""
    header, claims, _ = jws.split(".")
    return json.loads(base64.urlsafe_b64decode(header + "==")), json.loads(base64.urlsafe_b64decode(claims + "=="))


async def scene(server: World, **claims: str) -> Scene:
    """Everybody in their place."""
    api = (await server.resource(API, "openid profile email phone address offline_access")).information
    return Scene(server, api, await somebody(server, **claims), Browser(server))
