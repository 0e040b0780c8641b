"""The examples of the second founding document, RFC 7592 in short: word for word, with hosts, names and tokens substituted."""

import json
from pathlib import Path
from typing import Any

import pytest

from calling_card.usecases.operate import rotate
from tests.ledger import meets
from tests.world import ISSUER, START, Reply, World, world

YEAR = 31_622_400
FIRST: dict[str, Any] = {
    "redirect_uris": ["https://client.example.com/callback"],
    "client_name": "My Application",
    "token_endpoint_auth_method": "client_secret_basic",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "scope": "openid profile email",
}
CHANGED: dict[str, Any] = {
    **FIRST,
    "redirect_uris": ["https://client.example.com/callback", "https://client.example.com/callback2"],
    "client_name": "My Updated Application",
    "scope": "openid profile email offline_access",
}


@pytest.fixture
async def server(tmp_path: Path) -> World:
    """A server whose secrets last as long as in the sample."""
    return await world(tmp_path, secret_lifetime=YEAR)


async def ask(server: World, method: str, card: dict[str, Any], body: dict[str, Any] | None = None) -> Reply:
    """A request of the sample; what the sample spells out is in the headers."""
    headers = {"host": "auth.example.com", "authorization": f"Bearer {card['registration_access_token']}"}
    if body is None:
        return await server.call(method, f"/register/{card['client_id']}", b"", headers)
    return await server.call(
        method, f"/register/{card['client_id']}", json.dumps(body).encode(), {**headers, "content-type": "application/json"}
    )


@meets("S1-01", "S1-02", "S1-04", "S1-05", "S1-08", "S1-09", "S1-10", "S1-11", "S1-12", "S1-13", "S1-14", "S1-15", "S1-54")
async def test_the_sample_read_is_answered_with_every_member_of_the_sample(server: World) -> None:
    card = await server.register(**FIRST)

    reply = await ask(server, "GET", card)

    sample = {
        **FIRST,
        "client_id": card["client_id"],
        "client_secret": card["client_secret"],
        "client_id_issued_at": START,
        "client_secret_expires_at": START + YEAR,
        "registration_access_token": card["registration_access_token"],
        "registration_client_uri": f"{ISSUER}/register/{card['client_id']}",
    }
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert {name: reply.json[name] for name in sample} == sample


@meets("S1-06", "S1-24", "S1-26", "S1-27", "S1-28", "S1-30", "S1-54")
async def test_the_sample_update_is_answered_with_every_member_of_the_sample_and_a_new_token(server: World) -> None:
    card = await server.register(**FIRST)

    reply = await ask(server, "PUT", card, {"client_id": card["client_id"], "client_secret": card["client_secret"], **CHANGED})

    sample = {
        **CHANGED,
        "client_id": card["client_id"],
        "client_secret": card["client_secret"],
        "client_id_issued_at": START,
        "client_secret_expires_at": START + YEAR,
        "registration_client_uri": card["registration_client_uri"],
    }
    assert reply.status == 200
    assert {name: reply.json[name] for name in sample} == sample
    assert reply.json["registration_access_token"] != card["registration_access_token"]


@meets("S1-27", "S1-30")
async def test_under_the_shipped_settings_the_samples_differ_in_the_end_of_the_secret_only(tmp_path: Path) -> None:
    server = await world(tmp_path)
    card = await server.register(**FIRST)

    read = (await ask(server, "GET", card)).json
    put = (await ask(server, "PUT", card, {"client_id": card["client_id"], "client_secret": card["client_secret"], **CHANGED})).json

    assert {name: read[name] for name in FIRST} == FIRST
    assert {name: put[name] for name in CHANGED} == CHANGED
    assert read["client_secret_expires_at"] == put["client_secret_expires_at"] == 0


@meets("S1-07", "S1-31", "S1-32", "S1-35", "S1-36")
async def test_the_sample_deletion_is_answered_with_204_and_then_the_token_is_invalid(server: World) -> None:
    card = await server.register(**FIRST)

    first, second = await ask(server, "DELETE", card), await ask(server, "DELETE", card)

    assert (first.status, first.body) == (204, b"")
    assert (second.status, second.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


@meets("S1-33", "S1-34")
async def test_what_was_issued_to_a_deleted_client_is_dead_at_once(server: World) -> None:
    card = await server.machine()
    caller = (await server.resource()).information
    access = (await server.token(card)).json["access_token"]

    await ask(server, "DELETE", card)

    assert (await server.introspect(caller, access)).json == {"active": False}
    refresh = {"grant_type": "refresh_token", "refresh_token": "cc_refresh_x"}
    again = await server.post_form("/token", refresh, basic=(card["client_id"], card["client_secret"]))
    assert again.no == (401, "invalid_client")


@meets("S1-18", "S1-19", "S1-20", "S1-21", "S1-22", "S1-23", "S1-25")
async def test_the_four_rules_of_an_update(server: World) -> None:
    card = await server.register(**FIRST)
    only = {"client_id": card["client_id"], "redirect_uris": FIRST["redirect_uris"]}

    nameless = await ask(server, "PUT", card, FIRST)
    fixed = [
        await ask(server, "PUT", card, {**only, name: card[name]})
        for name in ("client_id_issued_at", "registration_access_token", "registration_client_uri")
    ]
    whole = await ask(server, "PUT", card, only)

    assert nameless.no == (400, "invalid_request")
    assert {reply.no for reply in fixed} == {(400, "invalid_request")}
    assert "client_name" not in whole.json
    assert (whole.json["scope"], whole.json["grant_types"]) == ("openid", ["authorization_code"])
    assert whole.json["client_secret"] == card["client_secret"]


@meets("S1-37")
async def test_the_sample_403_is_given_where_the_operation_is_not_allowed(tmp_path: Path) -> None:
    server = await world(tmp_path, self_delete=False)
    card = await server.register(**FIRST)

    reply = await ask(server, "DELETE", card)

    assert reply.no == (403, "access_denied")
    assert (await ask(server, "GET", card)).status == 200


@meets("S1-38", "C-15")
async def test_the_sample_400_is_given_for_bad_metadata_and_the_one_for_redirects_has_its_own_code(server: World) -> None:
    card = await server.register(**FIRST)

    redirect = await ask(server, "PUT", card, {"client_id": card["client_id"], **FIRST, "redirect_uris": ["not a uri"]})
    other = await ask(server, "PUT", card, {"client_id": card["client_id"], **FIRST, "client_name": 1})

    assert redirect.no == (400, "invalid_redirect_uri")
    assert other.no == (400, "invalid_client_metadata")
    assert (await ask(server, "GET", card)).json == card


@meets("S1-39", "S1-40", "S1-42")
async def test_the_sample_rotation_ends_the_old_token_when_the_new_one_is_used(server: World) -> None:
    card = await server.register(**FIRST)

    new = (await ask(server, "PUT", card, {"client_id": card["client_id"], **CHANGED})).json
    used = await ask(server, "GET", new)
    old = await ask(server, "GET", card)

    assert used.json["registration_access_token"] == new["registration_access_token"]
    assert old.no == (401, "invalid_token")


@meets("S1-44")
async def test_the_name_in_the_path_and_in_the_body_must_agree(server: World) -> None:
    card, other = await server.register(**FIRST), await server.register(**FIRST)

    reply = await ask(server, "PUT", card, {"client_id": other["client_id"], **CHANGED})

    assert reply.no == (400, "invalid_request")
    assert (await ask(server, "GET", card)).json == card
    assert "client_id_mismatch" in await server.kinds()


@meets("S1-03")
async def test_a_registration_access_token_is_no_access_to_anything_else(server: World) -> None:
    card, other = await server.machine(), await server.machine()
    token = card["registration_access_token"]

    introspected = await server.introspect(card, token)
    managed = await ask(server, "GET", {**other, "registration_access_token": token})
    registered = await server.post_json("/register", FIRST, token)
    asked = await server.call("POST", "/introspect", b"token=x", bearer(token))

    assert introspected.json == {"active": False}
    assert (managed.status, registered.status, asked.status) == (401, 401, 401)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "content-type": "application/x-www-form-urlencoded"}


@meets("S1-47", "S1-49", "S1-50")
async def test_who_lost_the_token_asks_the_administrator_or_registers_again(server: World) -> None:
    card = await server.register(**FIRST)

    again = await server.register(**FIRST)
    renewed = (await rotate(server.ports, card["client_id"], "op", at_once=True)).information

    assert again["client_id"] != card["client_id"]
    assert (await ask(server, "GET", card)).status == 401
    assert (await server.read(card, str(renewed["registration_access_token"]))).status == 200
