"""The management endpoint over HTTP: methods, credentials, headers (RFC 7592 §2)."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from calling_card.protocol.card.schema import client_information_schema
from tests.ledger import meets
from tests.world import World, body_of, world


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


@meets("M-05", "S1-19")
@pytest.mark.parametrize("method", ["POST", "PATCH", "TRACE", "BREW"])
async def test_other_methods_are_named_as_wrong_before_anybody_is_asked_who_they_are(server: World, method: str) -> None:
    card = await server.register()

    reply = await server.call(method, card["registration_client_uri"], b"{}", {"content-type": "application/json"})

    assert reply.no == (405, "invalid_request")
    assert reply.headers["allow"] == "GET, HEAD, PUT, DELETE, OPTIONS"


@meets("M-07")
@pytest.mark.parametrize(
    "headers, status",
    [
        ([("authorization", "Bearer {rat}")], 200),
        ([("authorization", "bearer {rat}")], 200),
        ([("Authorization", "BEARER   {rat} ")], 200),
        ([("authorization", "Bearer {rat}"), ("authorization", "Bearer {rat}")], 401),
        ([("authorization", "Basic {rat}")], 401),
        ([("authorization", "{rat}")], 401),
        ([("authorization", "Bearer ")], 401),
        ([("authorization", "Bearer")], 401),
        ([("authorization", "")], 401),
        ([("authorization", "Bearer {rat} {rat}")], 400),
        ([("authorization", "Bearer {rat}\u00e9")], 400),
    ],
)
async def test_exactly_one_bearer_token_is_taken_whatever_the_case_of_its_scheme(
    server: World, headers: list[tuple[str, str]], status: int
) -> None:
    card = await server.register()
    sent = [(name, value.replace("{rat}", card["registration_access_token"])) for name, value in headers]

    reply = await server.call("GET", card["registration_client_uri"], b"", sent)

    assert reply.status == status
    if status != 200:
        assert reply.json["error"] == ("invalid_token" if status == 401 else "invalid_request")
        assert ("www-authenticate" in reply.headers) == (status == 401)


@meets("M-21", "C-03", "R-92")
async def test_no_answer_may_be_kept_and_none_has_a_validator(server: World) -> None:
    card = await server.register()
    uri = card["registration_client_uri"]
    auth = {"authorization": f"Bearer {card['registration_access_token']}", "content-type": "application/json", "if-none-match": "*"}

    replies = [
        await server.call("GET", uri, b"", auth),
        await server.call("GET", uri, b"", {"if-none-match": "*"}),
        await server.call("PUT", uri, b"{}", auth),
        await server.call("PUT", uri, json.dumps(body_of(card)).encode(), {**auth, "content-type": "text/plain"}),
        await server.call("PATCH", uri, b"{}", auth),
        await server.call("DELETE", uri, b"", auth),
        await server.call("DELETE", uri, b"", auth),
    ]

    assert [reply.status for reply in replies] == [200, 401, 400, 415, 405, 204, 401]
    for reply in replies:
        assert (reply.headers["cache-control"], reply.headers["pragma"]) == ("no-store", "no-cache")
        assert not {"etag", "last-modified", "set-cookie"} & set(reply.headers)


@meets("M-22", "S1-17", "X-66")
@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "application/json;charset=utf-16", ""])
async def test_a_replacement_is_json_and_says_so(server: World, media: str) -> None:
    card = await server.register()
    auth = {"authorization": f"Bearer {card['registration_access_token']}", "content-type": media}

    reply = await server.call("PUT", card["registration_client_uri"], json.dumps(body_of(card)).encode(), auth)

    assert reply.no == (415, "invalid_request")
    assert (await server.read(card)).json == card


@meets("M-22", "R-15")
async def test_a_replacement_has_the_same_limit_as_a_registration(tmp_path: Path) -> None:
    server = await world(tmp_path, body_limit=2000)
    card = await server.register()

    reply = await server.put(card, body_of(card, client_name="x" * 2000))

    assert reply.no == (413, "invalid_request")


@meets("S1-31", "M-39")
async def test_a_deletion_is_answered_without_a_body(server: World) -> None:
    card = await server.register()

    reply = await server.remove(card)

    assert (reply.status, reply.body) == (204, b"")
    assert not {"content-type", "content-length"} & set(reply.headers)


@meets("M-54", "S1-26")
async def test_every_answer_about_a_client_follows_one_schema(tmp_path: Path) -> None:
    server = await world(tmp_path)
    schema = Draft202012Validator(client_information_schema())
    card = await server.register(client_name="A", contacts=["a@a.example"], logo_uri="https://app.example/l.png", **{"client_name#fr": "B"})
    public = await server.register(token_endpoint_auth_method="none")
    machine = await server.machine()

    read = await server.read(card)
    put = await server.put(card, body_of(card))

    for answer in (card, public, machine, read.json, put.json, (await server.read(public)).json, (await server.read(machine)).json):
        schema.validate(answer)  # pyright: ignore[reportUnknownMemberType] # its arguments have no types
    assert set(read.json) == set(card) == set(put.json)
    assert [reply.headers["content-type"] for reply in (read, put)] == ["application/json"] * 2


@meets("M-11")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
@pytest.mark.parametrize("path", ["/register/", "/register/x", "/register/a/b/c", "/register/" + "x" * 8000])
async def test_nothing_below_the_desk_is_ever_not_found(server: World, method: str, path: str) -> None:
    reply = await server.call(method, path, b"{}", {"content-type": "application/json", "authorization": "Bearer x"})

    assert reply.status == 401
