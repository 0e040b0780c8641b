"""The recovery endpoint over HTTP: methods, types of body, credentials, headers (RFC 7592 §3, RFC 6749 §2.3)."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from calling_card.protocol.card.schema import client_information_schema
from calling_card.settings import BadSettings, load
from tests.ledger import meets
from tests.world import World, world

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path, recovery=("client", "owner", "statement"))


@meets("M-42", "M-05")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_a_recovery_is_posted_and_nothing_else(server: World, method: str) -> None:
    card = await server.register()
    headers = {"authorization": f"Bearer {card['registration_access_token']}", "content-type": "application/json"}

    reply = await server.call(method, f"{card['registration_client_uri']}/recover", b"", headers)

    assert reply.status == 405
    assert reply.headers["allow"] == "POST, OPTIONS"
    assert (await server.read(card)).status == 200


@meets("M-42", "C-03")
async def test_the_answer_is_an_information_response_that_nobody_may_keep(server: World) -> None:
    card = await server.register()

    reply = await server.post_form(f"{card['registration_client_uri']}/recover", {}, basic=(card["client_id"], card["client_secret"]))

    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert (reply.headers["cache-control"], reply.headers["pragma"]) == ("no-store", "no-cache")
    schema = Draft202012Validator(client_information_schema())
    schema.validate(reply.json)  # pyright: ignore[reportUnknownMemberType] # its arguments have no types


@meets("M-42")
@pytest.mark.parametrize("media", ["", "text/plain", "application/jwt"])
async def test_a_body_is_a_form_or_json(server: World, media: str) -> None:
    card = await server.register()

    reply = await server.call("POST", f"{card['registration_client_uri']}/recover", b"", {"content-type": media} if media else {})

    assert reply.no == (415, "invalid_request")


@meets("M-42", "M-06")
@pytest.mark.parametrize("query", ["client_id=x", "client_secret=x", "access_token=x", "x"])
async def test_nothing_is_taken_from_a_query(server: World, query: str) -> None:
    card = await server.register()
    target = f"{card['registration_client_uri']}/recover?{query}"

    reply = await server.post_form(target, {}, basic=(card["client_id"], card["client_secret"]))

    assert reply.no == (400, "invalid_request")
    assert reply.why == "parameters belong into the body, and a token into the Authorization header (RFC 6750 section 2)"
    assert (await server.read(card)).status == 200


@meets("M-42", "A-39")
@pytest.mark.parametrize(
    "headers, body, no",
    [
        ([], "", (401, "invalid_client")),
        ([("authorization", "Digest x")], "", (401, "invalid_client")),
        ([("authorization", "Bearer ")], "", (401, "invalid_token")),
        ([("authorization", "Bearer a b")], "", (400, "invalid_request")),
        ([("authorization", "Bearer x"), ("authorization", "Bearer x")], "", (401, "invalid_token")),
        ([("authorization", "Basic eDp5")], "client_secret=x", (400, "invalid_request")),
        ([], "client_secret=x&client_assertion=y&client_id=z", (400, "invalid_request")),
        ([], "client_id=z&client_id=z", (400, "invalid_request")),
    ],
)
async def test_credentials_come_once_and_in_one_way(server: World, headers: list[tuple[str, str]], body: str, no: tuple[int, str]) -> None:
    card = await server.register()

    reply = await server.call("POST", f"{card['registration_client_uri']}/recover", body.encode(), [*headers, ("content-type", FORM)])

    assert reply.no == no
    assert (await server.read(card)).status == 200


@pytest.mark.parametrize("path", ["/register/recover", "/register//recover", "/register/%ff/recover", "/register/a/b/recover"])
async def test_a_path_that_names_nobody_is_nobody(server: World, path: str) -> None:
    card = await server.register()

    reply = await server.post_form(path, {}, basic=(card["client_id"], card["client_secret"]))

    assert reply.no == (401, "invalid_client")


async def test_where_recovery_is_off_the_path_is_one_of_a_client(tmp_path: Path) -> None:
    server = await world(tmp_path)
    card = await server.register()

    reply = await server.call("POST", f"{card['registration_client_uri']}/recover", b"", {"content-type": FORM})

    assert reply.no == (405, "invalid_request")
    assert reply.headers["allow"] == "GET, HEAD, PUT, DELETE, OPTIONS"


@meets("M-42")
async def test_it_is_found_below_the_path_of_an_issuer_and_of_the_registration_endpoint(tmp_path: Path) -> None:
    server = await world(tmp_path, issuer="https://as.example/tenant", registration_path="/oauth/clients", recovery=("client",))
    card = await server.register_at("/tenant/oauth/clients")

    reply = await server.post_form(
        f"{card['registration_client_uri']}/recover".removeprefix("https://as.example"),
        {},
        basic=(card["client_id"], card["client_secret"]),
    )

    assert reply.status == 200
    assert reply.json["registration_client_uri"] == card["registration_client_uri"]


@pytest.mark.parametrize("written, meant", [("client", ("client",)), ("owner, statement", ("owner", "statement")), ("", ())])
def test_the_setting_names_proofs(written: str, meant: tuple[str, ...]) -> None:
    assert load({"recovery": written}, environment={}).recovery == meant


@pytest.mark.parametrize("written", ["off", "client magic", "Client"])
def test_a_proof_that_there_is_not_is_refused(written: str) -> None:
    with pytest.raises(BadSettings, match=r"recovery: .* is not one of client, statement, owner"):
        load({"recovery": written}, environment={})


async def test_what_others_try_is_logged_with_its_cause_and_without_secrets(server: World) -> None:
    card = await server.register()

    await server.post_form(f"{card['registration_client_uri']}/recover", {}, basic=(card["client_id"], "guess"))

    line = next(line for line in server.lines if line["event"] == "refused")
    assert line["logged"] == "the secret is none of this client"
    assert card["client_secret"] not in json.dumps(server.lines)
