"""Who may register, with and without an initial access token (RFC 7591 §3)."""

import asyncio
from pathlib import Path

import pytest

from calling_card.protocol.clients import Tier
from calling_card.protocol.handles.credentials import INITIAL_ACCESS_TOKEN, Handle, write
from tests.ledger import meets
from tests.world import CALLBACK, World, beside, world


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


@meets("R-21", "C-05", "S0-11", "S3-10")
async def test_where_a_token_is_needed_its_absence_and_a_bad_one_are_told_apart(tmp_path: Path) -> None:
    server = await world(tmp_path, registration="token")

    none = await server.post_json("/register", {"redirect_uris": [CALLBACK]})
    bad = await server.post_json("/register", {"redirect_uris": [CALLBACK]}, "nonsense")

    assert (none.no, none.headers["www-authenticate"]) == ((401, "invalid_token"), 'Bearer realm="registration"')
    assert (bad.no, bad.headers["www-authenticate"]) == ((401, "invalid_token"), 'Bearer error="invalid_token"')
    assert (await server.register(await server.invitation()))["client_id"]


@meets("R-23", "C-05")
async def test_a_closed_desk_refuses_everybody_and_is_not_announced(tmp_path: Path) -> None:
    server = await world(tmp_path, registration="closed")

    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK]}, await server.invitation())
    described = await server.call("GET", "/.well-known/oauth-authorization-server")

    assert reply.no == (403, "access_denied")
    assert reply.why == "registration is closed; ask the operator for a client"
    assert "registration_endpoint" not in described.json


@meets("R-22", "R-28")
async def test_a_bad_token_is_never_taken_for_none_at_an_open_desk(server: World) -> None:
    card = await server.machine()
    access = (await server.token(card)).json["access_token"]
    expired, spent = await server.invitation(lifetime=10), await server.invitation()
    await server.register(spent)
    server.clock.forward(10)
    (id,) = [event["body"]["id"] for event in await server.told("initial_access_token_created")][:1]
    foreign = write(server.ports.keyring, "https://other.example", Handle(INITIAL_ACCESS_TOKEN, 1, bytes.fromhex(id), 1))
    others = [card["registration_access_token"], card["client_secret"], access]
    tokens = ["x", "cc_iat_x", expired, spent, foreign, expired[:-1] + "A", *others]

    replies = [await server.post_json("/register", {"redirect_uris": [CALLBACK]}, token) for token in tokens]

    assert {(reply.status, reply.body, reply.headers["www-authenticate"]) for reply in replies} == {
        (401, replies[0].body, 'Bearer error="invalid_token"')
    }
    assert replies[0].why == "the initial access token is not valid (any more); ask the operator for another"


@meets("R-20")
@pytest.mark.parametrize(
    "target, body", [("/register?access_token=x", {}), ("/register?a=1&access_token=", {}), ("/register", {"access_token": "x"})]
)
async def test_a_token_anywhere_but_in_the_header_is_refused(server: World, target: str, body: dict[str, object]) -> None:
    reply = await server.post_json(target, {"redirect_uris": [CALLBACK], **body})

    assert reply.no == (400, "invalid_request")
    assert reply.why.startswith("access_token: a token belongs into the Authorization header only")
    assert await server.kinds() == ["key_rotated"]


@meets("R-24")
async def test_an_invitation_says_which_grants_scopes_and_hosts_a_client_may_have(server: World) -> None:
    token = await server.invitation(uses=9, scope="profile", grants=("client_credentials", "authorization_code"), hosts=("a.example",))
    both = ["client_credentials", "authorization_code"]

    card = await server.register(token, redirect_uris=["https://a.example/cb"], grant_types=both, scope="openid profile email")
    silent = await server.register(token, redirect_uris=["https://a.example/cb"], grant_types=both)
    code, why = await server.refusal(token, redirect_uris=["https://b.example/cb"])
    narrowed = await server.register(token, redirect_uris=["https://A.example/cb"], grant_types=["authorization_code", "refresh_token"])

    assert (card["grant_types"], card["scope"], silent["scope"]) == (both, "profile", "profile")
    assert code == "invalid_redirect_uri"
    assert "b.example" in why
    assert narrowed["grant_types"] == ["authorization_code"]


@meets("R-24")
async def test_an_invitation_has_an_end_and_a_number_of_uses_and_leaves_its_mark_on_the_client(server: World) -> None:
    token = await server.invitation(uses=2, lifetime=100)

    one, two = await server.register(token), await server.register(token)
    three = await server.post_json("/register", {"redirect_uris": [CALLBACK]}, token)

    client = await server.row(one)
    assert three.no == (401, "invalid_token")
    assert (client.tier, client.owner, client.invitation) == (Tier.TOKEN, "tester", (await server.row(two)).invitation)
    assert len(token) >= 43
    late = await server.invitation(lifetime=100)
    server.clock.forward(100)
    assert (await server.post_json("/register", {"redirect_uris": [CALLBACK]}, late)).no == (401, "invalid_token")


@meets("R-25", "X-36")
@pytest.mark.parametrize("sqlite", [False, True])
async def test_a_hundred_at_once_with_an_invitation_for_one_make_one_client(tmp_path: Path, sqlite: bool) -> None:
    server = await world(tmp_path, sqlite=sqlite)
    token = await server.invitation(uses=1)

    replies = await asyncio.gather(*(server.post_json("/register", {"redirect_uris": [CALLBACK]}, token) for _ in range(100)))

    assert sorted(reply.status for reply in replies) == [201] + [401] * 99
    assert len(await server.ports.store.clients("", 200)) == 1
    assert (await server.kinds()).count("client_registered") == 1
    await server.ports.store.close()


@meets("R-25", "X-36")
async def test_an_invitation_for_one_lets_in_one_over_two_processes(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)
    other = await beside(server, tmp_path)
    token = await server.invitation(uses=1)

    replies = await asyncio.gather(
        *(side.post_json("/register", {"redirect_uris": [CALLBACK]}, token) for _ in range(25) for side in (server, other))
    )

    assert sorted(reply.status for reply in replies) == [201] + [401] * 49
    for side in (server, other):
        await side.ports.store.close()


@meets("R-26")
async def test_a_refused_registration_leaves_its_invitation_as_it_was(server: World) -> None:
    token = await server.invitation(uses=1)

    for body in ({}, {"redirect_uris": ["ftp://a.example"]}, {"redirect_uris": [CALLBACK], "client_id": "x"}):
        assert (await server.post_json("/register", body, token)).status == 400

    assert (await server.register(token))["client_id"]


@meets("R-93", "C-05")
async def test_strangers_share_a_budget_and_invited_clients_do_not_draw_on_it(tmp_path: Path) -> None:
    server = await world(tmp_path, registration_rate=1, registration_burst=2)
    body = {"redirect_uris": [CALLBACK]}

    refused = await server.post_json("/register", {})
    first, second = await server.post_json("/register", body), await server.post_json("/register", body)
    third = await server.post_json("/register", body)
    invited = await server.post_json("/register", body, await server.invitation())

    assert (refused.status, first.status, second.status, invited.status) == (400, 201, 201, 201)
    assert third.no == (429, "temporarily_unavailable")
    assert 0 < int(third.headers["retry-after"]) <= 60
    assert third.headers["cache-control"] == "no-store"


async def test_development_lifts_the_budget(tmp_path: Path) -> None:
    server = await world(tmp_path, dev=True, issuer="http://127.0.0.1:8000", registration_rate=1, registration_burst=1)

    replies = [await server.post_json("/register", {"redirect_uris": [CALLBACK]}) for _ in range(5)]

    assert {reply.status for reply in replies} == {201}


@meets("S3-06", "X-30")
async def test_a_stranger_gets_no_power_of_its_own(server: World) -> None:
    code, why = await server.refusal(grant_types=["client_credentials"])
    card = await server.register(grant_types=["authorization_code", "client_credentials"])

    assert code == "invalid_client_metadata"
    assert why.startswith("grant_types: client_credentials is not allowed to anonymous clients")
    assert "an initial access token that allows it opens this door" in why
    assert card["grant_types"] == ["authorization_code"]
    assert (await server.token(card)).no == (400, "unauthorized_client")


async def test_an_invited_client_that_asks_for_nothing_it_may_have_is_not_told_to_bring_a_token(server: World) -> None:
    token = await server.invitation(grants=("authorization_code",))

    _, why = await server.refusal(token, grant_types=["client_credentials"])

    assert "opens this door" not in why


async def test_where_the_default_scope_is_above_the_ceiling_nothing_is_left_to_register(tmp_path: Path) -> None:
    server = await world(tmp_path, anonymous_scopes=("profile",))

    code, why = await server.refusal()

    assert (code, why) == ("invalid_client_metadata", "scope: none of the scopes is allowed; allowed are: profile (RFC 7591 section 2)")


@pytest.mark.parametrize("setting, status", [("drop", 201), ("refuse", 400)])
async def test_unknown_scopes_are_dropped_or_refused_by_setting(tmp_path: Path, setting: str, status: int) -> None:
    server = await world(tmp_path, unknown_scopes=setting)

    said, body = await server.tried(scope="openid  nonsense ")

    assert said == status
    assert body.get("scope", "openid") == "openid"


@meets("H-16")
async def test_scopes_are_split_at_any_run_of_spaces_and_those_of_resource_servers_are_known(server: World) -> None:
    await server.resource(scope="orders:read orders:write")

    card = await server.register(scope="  profile   orders:read ")

    assert card["scope"] == "profile orders:read"
