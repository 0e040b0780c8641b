"""Clients that are an address, as tests publish them."""

import json
from collections.abc import Mapping
from typing import Any, cast

from calling_card.protocol.clients import Client, Route, client_key
from tests.visitor import Browser, Page, somebody
from tests.world import CALLBACK, Reply, World

URL = "https://app.example/oauth/client.json"
HOST = "https://client.example.org"
WELL_KNOWN = HOST + "/.well-known/client-metadata"


def document(url: str = URL, /, **members: object) -> dict[str, object]:
    """A good document; a member that is None is left out."""
    said: dict[str, object] = {
        "client_id": url,
        "client_name": "Notes",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        **members,
    }
    return {name: value for name, value in said.items() if value is not None}


def publish(server: World, url: str = URL, /, **members: object) -> dict[str, Any]:
    """Publish a document from now on, with ``headers``; what stands for the card of its client."""
    headers = cast(Mapping[str, str], members.pop("headers", {}))
    said = document(url, **members)
    server.strangers.serve(url, json.dumps(said).encode(), **headers)
    return {**said, "client_id": url}


def discoverable(server: World, host: str = HOST, /, **members: object) -> dict[str, Any]:
    """Publish metadata at the well-known place of a host."""
    said = {**document(host), "redirect_uris": [host + "/cb"], **members}
    said = {name: value for name, value in said.items() if value is not None and name != "client_id"} | (
        {"client_id": members["client_id"]} if "client_id" in members else {}
    )
    server.strangers.serve(host + "/.well-known/client-metadata", json.dumps(said).encode())
    return {**said, "client_id": host}


async def visitor(server: World, name: str = "alice") -> Browser:
    """Somebody with a browser who is signed in at the first question."""
    await somebody(server, name)
    return Browser(server)


async def asked(browser: Browser, card: Mapping[str, Any], /, **params: str) -> Reply:
    """What comes when the client sends the person: signed in on the way."""
    reply = await browser.authorize(card, **params)
    return await browser.sign_in(reply) if "password" in Page(reply.body).ids else reply


def told(reply: Reply) -> dict[str, str]:
    """Ids and texts of a page."""
    return Page(reply.body).texts


async def no(server: World, client_id: str, /, **params: str) -> tuple[int, str]:
    """Status and code that a script gets which comes with this client_id."""
    browser = Browser(server, headers={"accept": "application/json"})
    return (await browser.authorize({"client_id": client_id}, **params)).no


async def the_client(server: World, client_id: str = URL, route: Route = Route.CIMD) -> Client:
    found = await server.ports.store.client(client_key(route, client_id))
    assert found is not None
    return found


async def nobody(server: World, client_id: str = URL, route: Route = Route.CIMD) -> bool:
    return await server.ports.store.client(client_key(route, client_id)) is None
