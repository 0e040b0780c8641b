"""Clients that are an address, as if their hosts had been asked a moment ago: the server reads nothing anew while they are fresh."""

import asyncio
import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from calling_card.protocol.abroad.documents import Version, digest
from calling_card.protocol.clients import Client as Kept
from calling_card.protocol.clients import Door, Generations, Route, State, Tier, client_key
from calling_card.protocol.events import Event
from calling_card.wiring import opened
from tests.browser.client import SCOPE, Client
from tests.browser.house import House

DAY = 86400


@dataclass(frozen=True, slots=True)
class Published:
    """What a host says of a client; it says it under another path each time."""

    host: str = "notes.example"
    name: str = "Paper Notes"
    redirect_uri: str = "https://notes.example/callback"
    versions: int = 1
    hosted: bool = False
    """Whether it is nobody's but the server's that is asked."""
    logo: str = ""

    def card(self) -> dict[str, object]:
        """The description."""
        links = {f"{kind}_uri": f"https://{self.host}/{kind}" for kind in ("policy", "tos")}
        return {
            "client_name": self.name,
            "redirect_uris": [self.redirect_uri],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": SCOPE,
            **links,
            **({"logo_uri": self.logo} if self.logo else {}),
        }


class Address(Client):
    """A client that never registered."""

    def __init__(self, house: House, published: Published) -> None:
        """The server knows it for twenty days. The work has a thread of its own, as in `House.somebody`."""
        self.issuer, self.redirect_uri = house.issuer, published.redirect_uri
        self.card = {"client_id": f"https://{published.host}/{secrets.token_hex(4)}.json"}
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _meet(house, published, self.id)).result()


async def _meet(house: House, published: Published, client_id: str) -> None:
    body, now = json.dumps(published.card()).encode(), int(time.time())
    client = _client(client_id, body, now - 20 * DAY)
    url = "" if published.hosted else client_id
    first = Version(client.key, 1, url, body, digest(body), body, b"", "", "", now - 20 * DAY, now, now + DAY, now + DAY)
    async with opened(house.settings) as ports:
        assert await ports.store.meet(client, first, Event("client_met", client.issued_at, client.key, "anonymous"))
        before = first
        for number in range(2, published.versions + 1):
            after = replace(before, number=number, seen_at=now - 2 * DAY)
            assert await ports.store.read_again(before, after, client, Event("document_changed", now, client.key, "server"))
            before = after


def _client(client_id: str, body: bytes, at: int) -> Kept:
    return Kept(
        key=client_key(Route.CIMD, client_id),
        route=Route.CIMD,
        client_id=client_id,
        incarnation=secrets.token_bytes(8),
        epoch=0,
        door=Door.CIMD,
        tier=Tier.URL,
        state=State.ACTIVE,
        owner="",
        invitation=None,
        issued_at=at,
        metadata=body,
        decision=b"",
        rat=Generations(confirmed_key=0, issued_key=0),
        secret=None,
        secret_expires_at=0,
        last_used_day=at // DAY,
    )
