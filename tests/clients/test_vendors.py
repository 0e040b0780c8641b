"""What the clients on the market send, word for word, gets an answer that they go on with under the shipped settings."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ledger import meets
from tests.world import CALLBACK, World, body_of, world

BODIES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(__file__).parent.glob("*.json"))}
PEOPLE = {name: body for name, body in BODIES.items() if "client_credentials" not in body.get("grant_types", ())}
MACHINES = {name: body for name, body in BODIES.items() if name not in PEOPLE}
BARE = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25"}
"""Some send neither Accept nor User-Agent."""


@pytest.fixture
async def server(tmp_path: Path) -> World:
    some = await world(tmp_path)
    await some.resource("https://mcp.example", scope="mcp:read mcp:write")
    return some


@meets("R-105", "R-08", "C-20", "C-21")
@pytest.mark.parametrize("name", PEOPLE)
async def test_a_client_of_the_market_gets_what_it_needs_to_go_on(server: World, name: str) -> None:
    said: dict[str, Any] = BODIES[name]

    reply = await server.call("POST", "/register", json.dumps(said).encode(), BARE)

    assert reply.status == 201, reply.body
    card = reply.json
    assert not [value for value in (": null", ': ""') if value in json.dumps(card)]
    assert card["redirect_uris"] == said["redirect_uris"]
    assert card["token_endpoint_auth_method"] == said.get("token_endpoint_auth_method", "client_secret_basic")
    assert ("client_secret" in card) == (card["token_endpoint_auth_method"] != "none")
    assert card["response_types"] == ["code"]
    assert [grant for grant in said.get("grant_types", ()) if "device" not in grant] == card["grant_types"] or "grant_types" not in said
    assert card["scope"] == said.get("scope", "openid")
    for member in ("client_name", "client_uri", "software_id", "software_version", "application_type", "jwks_uri", "default_max_age"):
        assert card.get(member) == said.get(member, card.get(member))


@meets("M-29", "R-105")
@pytest.mark.parametrize("name", PEOPLE)
async def test_a_client_of_the_market_can_repeat_what_it_said_in_a_replacement(server: World, name: str) -> None:
    card = (await server.post_json("/register", BODIES[name])).json

    again = await server.put(card, {**BODIES[name], "client_id": card["client_id"]})
    back = await server.put(again.json, body_of(again.json))

    assert (again.status, back.status) == (200, 200)
    assert {**back.json, "registration_access_token": ""} == {**card, "registration_access_token": ""}


@pytest.mark.parametrize("name", MACHINES)
async def test_a_machine_of_the_market_needs_an_invitation(server: World, name: str) -> None:
    token = await server.invitation(scope="openid", grants=("client_credentials",))

    alone = await server.post_json("/register", BODIES[name])
    invited = await server.post_json("/register", BODIES[name], token)

    assert alone.no == (400, "invalid_client_metadata")
    assert (invited.status, invited.json["redirect_uris"], invited.json["response_types"]) == (201, [], [])
    assert (await server.token(invited.json)).status == 200


@pytest.mark.parametrize("name", ["chatgpt", "codex"])
async def test_a_scope_that_this_server_does_not_know_does_not_stop_a_client(tmp_path: Path, name: str) -> None:
    server = await world(tmp_path)

    reply = await server.post_json("/register", {**BODIES[name], "scope": "mcp:read claudeai  offline_access"})

    assert (reply.status, reply.json["scope"]) == (201, "offline_access")


@meets("R-30")
@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://remote.example/cb",
        "https://a.example/cb#x",
        "https://user@a.example/cb",
        "https://*.a.example/cb",
    ],
)
async def test_the_six_dangerous_redirects_are_refused_even_among_good_ones(server: World, uri: str) -> None:
    reply = await server.post_json("/register", {**BODIES["vs-code"], "redirect_uris": [CALLBACK, uri]})

    assert reply.no == (400, "invalid_redirect_uri")
    assert reply.why.startswith("redirect_uris[1]: ")


@meets("R-15")
@pytest.mark.parametrize(
    "members, status, word",
    [
        ({"client_name": "n" * 10_000}, 400, "256 characters"),
        ({"redirect_uris": [f"https://a.example/{n}" for n in range(500)]}, 400, "20 elements"),
        ({"client_name": "n" * 5_000_000}, 413, "65536 bytes"),
    ],
)
async def test_what_is_much_too_large_is_refused_with_the_limit_named(
    server: World, members: dict[str, Any], status: int, word: str
) -> None:
    reply = await server.post_json("/register", {**BODIES["claude"], **members})

    assert reply.status == status
    assert word in reply.why
