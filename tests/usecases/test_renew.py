"""Which keys make credentials and which sign tokens, and what becomes of the old ones."""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from calling_card.ports import SigningKey
from calling_card.protocol.events import Event
from calling_card.store.memory import MemoryStore
from calling_card.usecases.renew import credential_key, first_signing_keys, keys, next_signing_keys, signing_key
from tests.ledger import meets
from tests.world import START, World, world


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


async def signing(server: World) -> Sequence[SigningKey]:
    return await server.ports.store.signing_keys()


async def states(server: World) -> dict[str, str]:
    return {key.kid: key.state for key in await signing(server)}


async def published(server: World) -> set[str]:
    return {key["kid"] for key in (await server.call("GET", "/jwks")).json["keys"]}


# ── The first keys ───────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-66")
async def test_a_server_begins_with_a_key_for_every_algorithm_it_signs_with(server: World) -> None:
    assert sorted((key.alg, key.state, key.until) for key in await signing(server)) == [("ES256", "minting", 0), ("RS256", "minting", 0)]
    [event] = await server.told("key_rotated")
    assert event["actor"] == "server"
    assert set(event["body"]["key"].split()) == set(await states(server))


async def test_a_server_that_has_signing_keys_makes_no_others(server: World) -> None:
    before = await signing(server)

    await first_signing_keys(server.ports)

    assert await signing(server) == before
    assert len(await server.told("key_rotated")) == 1


async def test_a_data_folder_from_before_an_algorithm_gets_a_key_for_it_and_keeps_the_others(server: World) -> None:
    earlier = MemoryStore(chain_key=b"k" * 32, writer=b"w" * 8, now=server.clock)
    ports = replace(server.ports, store=earlier)
    old = ports.signer.make("ES256", ports.entropy, START - 100)
    await earlier.put_signing_keys([old], Event("key_rotated", START - 100, b"", "server"))

    await first_signing_keys(ports)

    [kept, made] = await earlier.signing_keys()
    assert kept == old
    assert (made.alg, made.state, made.created_at) == ("RS256", "minting", START)
    assert made.kid.encode() in (await earlier.events(b"w" * 8, 0, 9))[-1].content


# ── Renewing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_keys_are_shown_with_their_state_and_what_they_carry(server: World) -> None:
    await server.register()
    await server.invitation()
    number = await credential_key(server.ports, "op")
    await server.register(token_endpoint_auth_method="none")

    shown = await keys(server.ports)

    assert [(key["key"], key["state"], key["carries"]) for key in shown.credentials] == [(1, "verifying", 3), (number, "minting", 1)]
    assert sorted((key["use"], key["state"], key["since"], key["alg"]) for key in shown.signing) == [
        ("signing", "minting", START, "ES256"),
        ("signing", "minting", START, "RS256"),
    ]
    assert (await server.told("key_rotated"))[-1]["body"] == {"key": 2, "by": "op"}


async def test_every_algorithm_gets_a_new_key_at_once_and_one_event_says_so(server: World) -> None:
    first = set(await states(server))

    second = await signing_key(server.ports, "op")

    assert {key.alg for key in await signing(server) if key.kid in second} == {"ES256", "RS256"}
    assert await states(server) == dict.fromkeys(first, "verifying") | dict.fromkeys(second, "minting")
    assert (await server.told("key_rotated"))[1:] == [
        {"actor": "operator", "request_id": "", "body": {"key": " ".join(second), "by": "op"}}
    ]


@meets("A-65")
async def test_the_next_keys_are_published_before_they_sign_and_the_next_rotation_takes_them(server: World) -> None:
    first = set(await states(server))

    waiting = await next_signing_keys(server.ports, "op")
    published = {key["kid"] for key in (await server.call("GET", "/jwks")).json["keys"]}
    token = (await server.token(await server.machine("openid"), resource="https://api.example")).json["access_token"]
    signed_by = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"]

    assert await states(server) == dict.fromkeys(first, "minting") | dict.fromkeys(waiting, "known")
    assert published == {*first, *waiting}
    assert signed_by in first
    assert await next_signing_keys(server.ports, "op") == waiting
    assert [told["body"] for told in await server.told("key_published")] == [{"key": " ".join(waiting), "by": "op"}]

    assert set(await signing_key(server.ports, "op")) == set(waiting)
    assert await states(server) == dict.fromkeys(first, "verifying") | dict.fromkeys(waiting, "minting")


@meets("A-65")
@pytest.mark.parametrize("jwt, id_token", [(300, 3600), (300, 60)])
async def test_an_old_signing_key_is_published_until_its_last_token_has_ended(tmp_path: Path, jwt: int, id_token: int) -> None:
    server = await world(tmp_path, jwt_lifetime=jwt, id_token_lifetime=id_token)
    first = set(await states(server))

    second = set(await signing_key(server.ports, "op"))
    ends = START + max(jwt, id_token)
    server.clock.now = ends
    third = set(await signing_key(server.ports, "op"))
    still = await published(server)
    server.clock.forward(1)
    fourth = set(await signing_key(server.ports, "op"))

    assert {key.until for key in await signing(server) if key.kid in first} == {ends}
    assert still == first | second | third
    assert await published(server) == second | third | fourth
    assert await states(server) == {
        **dict.fromkeys(first, "gone"),
        **dict.fromkeys(second | third, "verifying"),
        **dict.fromkeys(fourth, "minting"),
    }


@meets("A-65")
async def test_a_token_of_before_a_rotation_verifies_with_what_is_published_as_long_as_it_lives(server: World) -> None:
    await published(server)
    signer = server.ports.signer
    tokens = {alg: signer.sign({"sub": alg}, "JWT", alg) for alg in signer.algs}

    await signing_key(server.ports, "op")
    await published(server)

    assert [signer.verify(token, "JWT") for token in tokens.values()] == [{"sub": alg} for alg in tokens]
