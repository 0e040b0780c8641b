"""Which keys make credentials and which sign tokens, and what becomes of the old ones."""

from pathlib import Path

import pytest

from calling_card.usecases.renew import credential_key, first_signing_key, keys, signing_key
from tests.world import START, World, world


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


async def test_a_server_that_has_a_signing_key_makes_no_other(server: World) -> None:
    before = await server.ports.store.signing_keys()

    await first_signing_key(server.ports)

    assert await server.ports.store.signing_keys() == before
    assert [event["actor"] for event in await server.told("key_rotated")] == ["server"]


async def test_keys_are_shown_with_their_state_and_what_they_carry(server: World) -> None:
    await server.register()
    await server.invitation()
    number = await credential_key(server.ports, "op")
    await server.register(token_endpoint_auth_method="none")

    shown = await keys(server.ports)

    assert [(key["key"], key["state"], key["carries"]) for key in shown.credentials] == [(1, "verifying", 3), (number, "minting", 1)]
    assert [(key["use"], key["state"], key["since"], key["alg"]) for key in shown.signing] == [("signing", "minting", START, "ES256")]
    assert (await server.told("key_rotated"))[-1]["body"] == {"key": 2, "by": "op"}


async def test_an_old_signing_key_is_published_until_its_last_token_has_ended(server: World) -> None:
    [first] = [key.kid for key in await server.ports.store.signing_keys()]

    second = await signing_key(server.ports, "op")
    published = await server.call("GET", "/jwks")
    server.clock.forward(server.ports.settings.jwt_lifetime + 1)
    third = await signing_key(server.ports, "op")

    assert {key["kid"] for key in published.json["keys"]} == {first, second}
    assert {key.kid: key.state for key in await server.ports.store.signing_keys()} == {first: "gone", second: "verifying", third: "minting"}
    assert {key["kid"] for key in (await server.call("GET", "/jwks")).json["keys"]} == {second, third}
