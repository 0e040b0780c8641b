"""An access token that opens registration as an initial access token does (RFC 7591 §3, R-27)."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.protocol import base64url
from calling_card.protocol.clients import Tier
from calling_card.protocol.events import Event
from calling_card.usecases.operate import suspend
from tests.ledger import meets
from tests.visitor import somebody, tokens
from tests.world import CALLBACK, World, changed, world

SCOPE = "client_registration"
SETTINGS: dict[str, Any] = {
    "registration_scope": SCOPE,
    "scopes": ("openid", "profile", "email", "offline_access", SCOPE),
    "anonymous_scopes": ("openid", "profile", "email", "offline_access"),
}
BODY = {"redirect_uris": [CALLBACK]}
SPENT = "the initial access token is not valid (any more); ask the operator for another"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path, **SETTINGS)


async def machine_token(server: World, **fields: str) -> tuple[dict[str, Any], str]:
    """A machine that may let others in, and its access token."""
    card = await server.machine(scope=f"openid {SCOPE}")
    return card, str((await server.token(card, **fields)).json["access_token"])


@meets("R-27")
async def test_a_machine_with_the_scope_registers_clients_that_are_its_own(server: World) -> None:
    card, token = await machine_token(server)

    cards = [await server.register(token) for _ in range(2)]

    rows = [await server.row(one) for one in cards]
    assert {(row.owner, row.tier, row.invitation) for row in rows} == {(card["client_id"], Tier.TOKEN, None)}
    events = [event for event in await server.told("client_registered") if event["body"].get("owner")]
    assert [(event["actor"], event["body"]["owner"]) for event in events] == [("client", card["client_id"])] * 2


@meets("R-27")
async def test_a_person_with_the_scope_is_the_owner_of_what_a_client_registers_for_them(server: World) -> None:
    alice = await somebody(server)
    invitation = await server.invitation(scope=f"openid {SCOPE}", grants=("authorization_code",))
    app = await server.register(invitation, token_endpoint_auth_method="none", scope=f"openid {SCOPE}")
    got = await tokens(server, app, scope=SCOPE)

    card = await server.register(got["access_token"])

    assert (await server.row(card)).owner == base64url.encode(alice.id)


@meets("R-27", "R-29", "X-30")
async def test_whom_an_access_token_let_in_is_held_to_what_strangers_may_have(server: World) -> None:
    _, token = await machine_token(server)

    card = await server.register(token, scope=f"openid {SCOPE}")
    later = await server.replaced(card, scope=f"openid {SCOPE}", grant_types=["authorization_code", "client_credentials"])
    code, _ = await server.refusal(token, grant_types=["client_credentials"])

    assert (card["scope"], later["scope"], later["grant_types"]) == ("openid", "openid", ["authorization_code"])
    assert code == "invalid_client_metadata"


@meets("R-28", "H-03")
async def test_no_stranger_gets_the_scope(server: World) -> None:
    assert (await server.register(scope=f"openid {SCOPE}"))["scope"] == "openid"


@meets("R-28", "R-22")
@pytest.mark.parametrize("what", ["without the scope", "for an API too", "of a dead client", "expired", "switched off"])
async def test_an_access_token_that_is_not_for_this_is_as_bad_as_any_other(server: World, what: str) -> None:
    if what == "for an API too":
        await server.resource(scope="orders:read")
        card = await server.machine(scope=f"openid orders:read {SCOPE}")
        token = (await server.token(card)).json["access_token"]
    else:
        card, token = await machine_token(server, **({"scope": "openid"} if what == "without the scope" else {}))
    if what == "of a dead client":
        await suspend(server.ports, card["client_id"], "op")
    if what == "expired":
        server.clock.forward(3600)

    with changed(server, registration_scope="" if what == "switched off" else SCOPE):
        reply = await server.post_json("/register", BODY, token)

    assert (reply.no, reply.why) == ((401, "invalid_token"), SPENT)


@meets("R-28")
async def test_what_a_person_allowed_no_more_opens_nothing(server: World) -> None:
    await somebody(server)
    invitation = await server.invitation(scope=f"openid {SCOPE}", grants=("authorization_code",))
    app = await server.register(invitation, token_endpoint_auth_method="none", scope=f"openid {SCOPE}")
    got = await tokens(server, app, scope=SCOPE)
    client = await server.row(app)
    [(_, [grant])] = await server.ports.store.allowed((await server.ports.store.people("", 1))[0].id)

    less = structs.replace(grant, scope="openid")
    assert await server.ports.store.change_grant(grant, less, Event("grant_refreshed", server.clock(), client.key, "client"))

    assert (await server.post_json("/register", BODY, got["access_token"])).no == (401, "invalid_token")


@meets("R-27")
async def test_each_owner_has_a_budget_that_nobody_else_uses_up(tmp_path: Path) -> None:
    server = await world(tmp_path, registration_rate=1, registration_burst=2, **SETTINGS)
    (_, one), (_, other) = await machine_token(server), await machine_token(server)

    replies = [await server.post_json("/register", BODY, one) for _ in range(3)]
    theirs = await server.post_json("/register", BODY, other)
    strangers = await server.post_json("/register", BODY)

    assert [reply.status for reply in (*replies, theirs, strangers)] == [201, 201, 429, 201, 201]
    assert replies[2].no == (429, "temporarily_unavailable")
    assert replies[2].why == "too many registrations with access tokens of one owner; try again later"
    assert 0 < int(replies[2].headers["retry-after"]) <= 60


async def test_where_a_token_is_needed_an_access_token_will_do(tmp_path: Path) -> None:
    server = await world(tmp_path, registration="token", **SETTINGS)
    _, token = await machine_token(server)

    assert (await server.register(token))["client_id"]
