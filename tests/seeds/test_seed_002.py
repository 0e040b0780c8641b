"""The examples of the third founding document, the form protocol of 2011: word for word, with the server's host substituted."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calling_card.protocol.answers import card_of
from tests.faults.process import Server
from tests.ledger import meets
from tests.security.outsider import say
from tests.world import World, world

LITERAL = (
    b"POST /oauth/token\r\n"
    b"type=client_associate&redirect_uri=https%3A%2F%2Fclient%2Eexample%2Ecom%2callback HTTP/1.1\r\n"
    b"Host: server.example.com\r\n\r\n"
)
"""The sample request, byte for byte; it is none (C-17)."""
PARAMETERS = LITERAL.split(b"\r\n")[1].removesuffix(b" HTTP/1.1").decode()
CORRECTED = PARAMETERS.replace("%2callback", "%2Fcallback")
"""The same parameters with the slash that the sample's escape lost."""
HEADERS = {"host": "server.example.com", "content-type": "application/x-www-form-urlencoded"}
MEMBERS = {"client_id", "client_secret", "expires_in"}


@pytest.fixture
async def as_in_the_sample(tmp_path: Path) -> World:
    """A server with the settings that the samples imply."""
    return await world(tmp_path, legacy_at_token_endpoint=True, secret_lifetime=3600)


@pytest.fixture
async def server(tmp_path: Path) -> World:
    """A server as shipped."""
    return await world(tmp_path)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in a process of its own, for bytes that are no request."""
    process = Server(tmp_path_factory.mktemp("seed") / "data")
    try:
        process.start(LOG_LEVEL="warning")
        yield process
    finally:
        process.kill()
        process.ended()


# ── The samples ──────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("C-17", "S2-06")
def test_the_literal_sample_request_is_no_request(running: Server) -> None:
    (answer,) = say(running.port, LITERAL)

    assert answer.status == 400


@meets("C-17", "S2-06")
@pytest.mark.parametrize("path", ["/token", "/register"])
async def test_its_parameters_are_not_taken_from_the_request_line(as_in_the_sample: World, path: str) -> None:
    for parameters in (PARAMETERS, CORRECTED):
        reply = await as_in_the_sample.call("POST", f"{path}?{parameters}", b"", HEADERS)

        assert reply.no == (400, "invalid_request")
        assert reply.why == "parameters belong into the body, not into the query (Simple Registration draft 02 section 3.1)"
    assert list(await as_in_the_sample.ports.store.clients("", 9)) == []


@meets("C-17", "S2-16", "S2-37")
async def test_its_broken_escape_is_a_comma_and_what_follows_is_no_url(as_in_the_sample: World) -> None:
    reply = await as_in_the_sample.call("POST", "/token", PARAMETERS.encode(), HEADERS)

    assert reply.no == (400, "invalid_redirect_uri")
    assert reply.why == "redirect_uris[1]: is not an absolute URL, scheme first (RFC 7591 section 2), got 'allback'"


@meets("C-17", "S2-03", "S2-05", "S2-19", "S2-20", "S2-27", "S2-28", "S2-29")
@pytest.mark.parametrize("path", ["/token", "/register"])
async def test_the_corrected_sample_is_answered_with_the_members_and_headers_of_the_sample_answer(
    as_in_the_sample: World, path: str
) -> None:
    reply = await as_in_the_sample.call("POST", path, CORRECTED.encode(), HEADERS)

    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert (reply.headers["cache-control"], reply.headers["pragma"]) == ("no-store", "no-cache")
    assert set(reply.json) == MEMBERS
    assert reply.json["expires_in"] == 3600
    assert card_of(await as_in_the_sample.row(reply.json))["redirect_uris"] == ["https://client.example.com/callback"]


@meets("S2-21", "S2-22", "S2-30")
async def test_identifier_and_secret_are_at_least_as_long_as_those_of_the_sample(as_in_the_sample: World) -> None:
    reply = await as_in_the_sample.call("POST", "/register", CORRECTED.encode(), HEADERS)

    assert re.fullmatch(r"[A-Za-z0-9_-]{22,}", reply.json["client_id"])
    assert re.fullmatch(r"[A-Za-z0-9_-]{64,}", reply.json["client_secret"])


# ── The examples of the requirements ─────────────────────────────────────────────────────────────────────────────────

EXAMPLE_5 = {
    "type": "client_associate",
    "redirect_url": "https://rp.example.com/callback,https://rp.example.com/cb2",
    "application_name": "Old RP",
    "contact": "a@example.com, b@example.com",
}


@meets("S2-01", "S2-10", "S2-13", "S2-15", "S2-19", "S2-25", "S2-27")
async def test_example_5_form_registration(server: World) -> None:
    reply = await server.post_form("/register", EXAMPLE_5)

    assert (reply.status, reply.headers["cache-control"], set(reply.json)) == (200, "no-store", MEMBERS)
    assert reply.json["expires_in"] == 0
    kept = card_of(await server.row(reply.json))
    assert {name: kept[name] for name in ("redirect_uris", "client_name", "contacts")} == {
        "redirect_uris": ["https://rp.example.com/callback", "https://rp.example.com/cb2"],
        "client_name": "Old RP",
        "contacts": ["a@example.com", "b@example.com"],
    }


@meets("S2-02", "S2-08", "S2-09", "S2-23", "S2-40")
async def test_example_6_form_update_renews_the_secret(server: World) -> None:
    first: dict[str, Any] = (await server.post_form("/register", EXAMPLE_5)).json
    asked = {"type": "client_update", "client_id": first["client_id"], "client_secret": first["client_secret"]}

    second = await server.post_form("/register", asked)
    then = await server.post_form("/register", asked)

    assert (second.status, second.json["client_id"]) == (200, first["client_id"])
    assert second.json["client_secret"] != first["client_secret"]
    assert then.no == (401, "invalid_client")


@meets("S2-06", "C-17")
async def test_example_7_parameters_in_the_query(server: World) -> None:
    target = "/register?type=client_associate&redirect_uri=https%3A%2F%2Frp.example.com%2Fcb"

    reply = await server.call("POST", target, b"", HEADERS)

    assert reply.no == (400, "invalid_request")


@meets("S2-04", "S2-35")
@pytest.mark.parametrize("document", ["openid-configuration", "oauth-authorization-server"])
async def test_a_client_finds_the_endpoint_where_the_provider_is_described(server: World, document: str) -> None:
    described = (await server.call("GET", f"/.well-known/{document}")).json

    assert (await server.post_form(described["registration_endpoint"], EXAMPLE_5)).status == 200


@meets("S2-07")
@pytest.mark.parametrize("kind", [{}, {"type": "client_delete"}])
async def test_the_type_is_required_and_one_of_two(server: World, kind: dict[str, str]) -> None:
    fields = {name: value for name, value in EXAMPLE_5.items() if name != "type"}

    reply = await server.post_form("/register", {**fields, **kind})

    assert reply.no == (400, "invalid_request")
    assert reply.why == "type: must be client_associate or client_update (Simple Registration draft 02 section 3.1)"


@meets("S2-14", "S2-17", "S2-18")
async def test_every_other_parameter_of_the_list_is_kept_in_its_member(server: World) -> None:
    fields = {
        **EXAMPLE_5,
        "application_type": "web",
        "logo_url": "https://rp.example.com/logo.png",
        "js_origin_url": "https://rp.example.com, https://rp.example.com:8443",
        "jwk_url": "https://rp.example.com/keys.jwk",
    }

    kept = card_of(await server.row((await server.post_form("/register", fields)).json))

    assert {name: kept[name] for name in ("logo_uri", "js_origins", "jwks_uri")} == {
        "logo_uri": "https://rp.example.com/logo.png",
        "js_origins": ["https://rp.example.com", "https://rp.example.com:8443"],
        "jwks_uri": "https://rp.example.com/keys.jwk",
    }
