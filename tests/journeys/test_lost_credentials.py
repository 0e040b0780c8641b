"""Clients that lost what they manage themselves with, or change their secret at work, as they see it over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from calling_card.usecases.audit import verify
from calling_card.usecases.operate import recover, rotate, suspend
from tests.assertions import claims, form, holder
from tests.ledger import meets
from tests.statements import Directory, trusting, written
from tests.world import ISSUER, World, body_of, rat

HOUR = 3600
DELEGATED = "client_registration"


@pytest.fixture(params=["memory", "sqlite"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    row = written(recovery=True, once=True, required=["aud", "jti"], instances=1)
    settings: dict[str, Any] = {
        "recovery": ("client", "statement", "owner"),
        "secret_lifetime": 90 * 24 * HOUR,
        "registration_scope": DELEGATED,
        "scopes": ("openid", "profile", "email", "offline_access", DELEGATED),
        "anonymous_scopes": ("openid", "profile", "email", "offline_access"),
    }
    some = await trusting(tmp_path, row, sqlite=request.param == "sqlite", **settings)
    yield some
    verdict = await verify(some.ports, await some.ports.store.heads())
    await some.ports.store.close()
    assert verdict.broken == ()


@meets("M-42", "S1-48", "M-41")
async def test_a_client_with_a_key_finds_back_by_itself_and_one_that_lost_that_too_asks_the_operator(server: World) -> None:
    # A service registers with its public key and loses the answer's token in a crash; it still has its name and its key.
    key = holder()
    card = await server.register(token_endpoint_auth_method="private_key_jwt", jwks=key.jwks, client_name="Tea")
    place = f"{ISSUER}/register/{card['client_id']}/recover"

    # It proves itself, and the first answer is lost on the way.
    await server.post_form(place, form(key.signs(claims(card["client_id"], ISSUER, server.clock.now))))
    found = await server.post_form(place, form(key.signs(claims(card["client_id"], ISSUER, server.clock.now))))
    assert found.status == 200
    assert (await server.read(found.json)).json["client_name"] == "Tea"

    # Whoever found the lost token finds that it opens nothing.
    assert (await server.read(card)).no == (401, "invalid_token")

    # The key is lost as well. The operator knows the owner, and hands out a token; with it the service puts a new key in.
    told = (await recover(server.ports, card["client_id"], "olga")).information
    new = holder("ES256", "k2", 2)
    changed = await server.put({**found.json, **told}, body_of(found.json, jwks=new.jwks))
    assert changed.status == 200
    old, fresh = (one.signs(claims(card["client_id"], ISSUER, server.clock.now)) for one in (key, new))
    assert [(await server.post_form(place, form(one))).status for one in (old, fresh)] == [401, 200]

    # The trail says who did what by which proof, and names no credential.
    assert [(event["actor"], event["body"]["by"], event["body"]["proof"]) for event in await server.told("client_recovered")] == [
        ("client", "client", "private_key_jwt"),
        ("client", "client", "private_key_jwt"),
        ("operator", "olga", "operator"),
        ("client", "client", "private_key_jwt"),
    ]


@meets("M-42", "H-31")
async def test_a_suspended_client_finds_nothing_back(server: World) -> None:
    card = await server.machine()
    await suspend(server.ports, card["client_id"], "olga")

    reply = await server.post_form(f"{card['registration_client_uri']}/recover", {}, basic=(card["client_id"], card["client_secret"]))

    assert reply.no == (401, "invalid_client")
    assert (await server.read(card)).status == 200
    assert (await server.put(card, body_of(card))).no == (403, "access_denied")


@meets("H-01", "C-13")
async def test_a_service_changes_its_secret_without_a_moment_in_which_it_is_shut_out(server: World) -> None:
    # Two instances of a service share a secret. Its end is told from the beginning.
    card = await server.machine(client_name="Warehouse")
    assert card["client_secret_expires_at"] == server.clock.now + 90 * 24 * HOUR

    # Near its end one instance replaces the card without naming the secret, and is given the next one.
    server.clock.forward(80 * 24 * HOUR)
    new = (await server.put(card, body_of(card, ("client_secret",)))).json
    assert new["client_secret"] != card["client_secret"]

    # The other instance still works with the old secret, until the new one is used for the first time.
    assert (await server.token(card)).status == 200
    server.clock.forward(HOUR)
    assert (await server.token(new)).status == 200
    assert (await server.token(card)).no == (401, "invalid_client")

    # Months later nobody thought of it: the secret is over, the registration is not.
    server.clock.forward(91 * 24 * HOUR)
    assert (await server.token(new)).no == (401, "invalid_client")
    assert (await server.post_form(f"{new['registration_client_uri']}/recover", {}, basic=(new["client_id"], new["client_secret"]))).no == (
        401,
        "invalid_client",
    )
    renewed = await server.put(new, body_of((await server.read(new)).json))
    assert (await server.token(renewed.json)).status == 200


@meets("M-42")
async def test_software_comes_back_with_a_fresh_statement_of_its_directory(server: World) -> None:
    directory = Directory(now=server.clock.now)
    card = await server.register(software_statement=directory.states(aud=ISSUER))
    place = f"{card['registration_client_uri']}/recover"

    found = await server.post_json(place, {"software_statement": directory.states(aud=ISSUER)})

    # It goes on with the same name and the same secret.
    assert (found.status, found.json["client_id"], found.json["client_secret"]) == (200, card["client_id"], card["client_secret"])
    assert (await server.read(card)).status == 401
    # What others have read at registration, or what was made for another server, is worth nothing.
    for text in (card["software_statement"], directory.states(aud="https://other.example")):
        assert (await server.post_json(place, {"software_statement": text})).no == (400, "invalid_software_statement")


@meets("M-42", "R-27")
async def test_a_platform_gets_back_to_what_it_registered_for_others(server: World) -> None:
    platform = await server.machine(scope=f"openid {DELEGATED}")
    access = str((await server.token(platform)).json["access_token"])
    plugin = await server.register(access, token_endpoint_auth_method="none", client_name="Plug-in")
    headers = {"authorization": f"Bearer {access}", "content-type": "application/x-www-form-urlencoded"}

    found = await server.call("POST", f"{plugin['registration_client_uri']}/recover", b"", headers)

    assert found.status == 200
    assert (await server.replaced(found.json, client_name="Plug-in 2"))["client_name"] == "Plug-in 2"


@meets("M-41", "S1-47")
async def test_after_a_leak_the_operator_cuts_the_old_secret_off_and_the_owner_goes_on(server: World) -> None:
    card = await server.machine()
    thief = dict(card)

    told = (await rotate(server.ports, card["client_id"], "olga", at_once=True, secret_only=True)).information

    assert (await server.token(thief)).no == (401, "invalid_client")
    assert (await server.token({**card, **told})).status == 200
    assert (await server.read(card)).json["client_secret"] == told["client_secret"]
    assert rat((await server.read(card)).json) == rat(card)
