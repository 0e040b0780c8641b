"""The whole life of a client that knows nothing younger than 2011, over HTTP: Simple Registration draft 02, OAuth 2.0, OpenID Connect."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from calling_card.usecases.audit import verify
from calling_card.usecases.operate import rotate
from tests.ledger import meets
from tests.visitor import CHALLENGE, VERIFIER, Browser, answer_of, authorize_url, somebody
from tests.world import Reply, World, body_of, world

CALLBACK = "https://rp.example.com/callback"


@pytest.fixture(params=["memory", "sqlite"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    some = await world(tmp_path, sqlite=request.param == "sqlite", secret_lifetime=3600)
    yield some
    verdict = await verify(some.ports, await some.ports.store.heads())
    await some.ports.store.close()
    assert verdict.broken == ()


async def exchanged(server: World, got: Mapping[str, Any], code: str, *, basic: bool) -> Reply:
    """A code for a token, with the secret in the header or in the body."""
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    if basic:
        return await server.post_form("/token", fields, basic=(got["client_id"], got["client_secret"]))
    return await server.post_form("/token", {**fields, "client_id": got["client_id"], "client_secret": got["client_secret"]})


async def renewed(server: World, got: Mapping[str, Any], **fields: str) -> dict[str, Any]:
    """What an update gives."""
    asked = {"type": "client_update", "client_id": got["client_id"], "client_secret": got["client_secret"], **fields}
    reply = await server.post_form("/register", asked)
    assert reply.status == 200, reply.body
    return reply.json


@meets("S2-33", "S2-35", "S2-39", "S2-23", "S2-26", "M-50")
async def test_a_client_of_2011_comes_in_works_renews_itself_is_upgraded_and_leaves(server: World) -> None:
    # It finds the provider, and introduces itself by a form.
    provider = (await server.call("GET", "/.well-known/openid-configuration")).json
    form = {"type": "client_associate", "redirect_url": CALLBACK, "application_name": "Old RP"}
    got = (await server.post_form(provider["registration_endpoint"], form)).json
    assert got["expires_in"] == 3600

    # A person comes from it, signs in and says yes; it takes the code with its secret in the header.
    await somebody(server)
    browser = Browser(server)
    code = (await browser.allow(got, redirect_uri=CALLBACK))["code"]
    tokens = (await exchanged(server, got, code, basic=True)).json
    who = await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {tokens['access_token']}"})
    assert (who.status, set(tokens)) == (200, {"access_token", "token_type", "expires_in", "scope", "id_token"})

    # Before its time is over it renews itself, with another name; the old secret is worth nothing from now on.
    server.clock.forward(3000)
    new = await renewed(server, got, application_name="Renewed RP")
    page = await browser.authorize(new, redirect_uri=CALLBACK)
    assert b"Renewed RP" in page.body
    code = answer_of(await browser.decide(page))["code"]
    assert (await exchanged(server, got, code, basic=True)).no == (401, "invalid_client")

    # With the new one it takes the code, this time with the secret in the body.
    again = await exchanged(server, new, code, basic=False)
    assert (await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {again.json['access_token']}"})).json == who.json

    # No challenge, no code: that the draft is older than PKCE changes nothing.
    bare = await browser.get(authorize_url(new, redirect_uri=CALLBACK, code_challenge="", code_challenge_method=""))
    assert "code=" not in bare.headers.get("location", "")
    assert CHALLENGE.encode() not in bare.body

    # The operator gives it a registration access token, and it goes on as a client of today.
    card = dict((await rotate(server.ports, new["client_id"], "op", at_once=True)).information)
    card = (await server.read(card)).json
    card = (await server.put(card, body_of(card, client_name="RP of today"))).json
    assert card["client_name"] == "RP of today"
    assert (await server.remove(card)).status == 204
    assert (await server.post_form("/register", {"type": "client_update", **_secret(card)})).no == (401, "invalid_client")
    assert [kind for kind in await server.kinds() if kind.startswith("client_")] == [
        "client_registered",
        "client_replaced",
        "client_rotated",
        "client_replaced",
        "client_deleted",
    ]


@meets("S2-26", "S2-33")
async def test_a_client_of_2011_that_forgets_to_renew_itself_is_nobody_any_more(server: World) -> None:
    got = (await server.post_form("/register", {"type": "client_associate", "redirect_url": CALLBACK})).json
    await somebody(server)
    browser = Browser(server)
    code = (await browser.allow(got, redirect_uri=CALLBACK))["code"]
    server.clock.forward(3600)

    page = await browser.authorize(got, redirect_uri=CALLBACK)

    assert (page.status, "location" in page.headers) == (400, False)
    assert (await exchanged(server, got, code, basic=True)).no == (401, "invalid_client")
    assert (await server.post_form("/register", {"type": "client_update", **_secret(got)})).no == (401, "invalid_client")
    assert (await server.post_form("/register", {"type": "client_associate", "redirect_url": CALLBACK})).status == 200


def _secret(got: Mapping[str, Any]) -> dict[str, str]:
    return {name: got[name] for name in ("client_id", "client_secret")}
