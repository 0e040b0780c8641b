"""The examples of the first founding document, RFC 7591 in short: word for word, with the server's host substituted."""

import re
from pathlib import Path

import pytest

from calling_card.protocol.card.vocabulary import MEMBERS
from tests.ledger import meets
from tests.world import START, World, world

REQUEST = rb"""{
 "redirect_uris": [
   "https://client.example.org/callback",
   "https://client.example.org/callback2"],
 "client_name": "My Example Client",
 "client_name#ja-Jpan-JP":
    "\u30AF\u30E9\u30A4\u30A2\u30F3\u30C8\u540D",
 "token_endpoint_auth_method": "client_secret_basic",
 "logo_uri": "https://client.example.org/logo.png",
 "jwks_uri": "https://client.example.org/my_public_keys.jwks",
 "example_extension_parameter": "example_value"
}
"""
HEADERS = {"content-type": "application/json", "accept": "application/json", "host": "server.example.com"}
KEPT = {
    "redirect_uris": ["https://client.example.org/callback", "https://client.example.org/callback2"],
    "client_name": "My Example Client",
    "client_name#ja-Jpan-JP": "クライアント名",
    "token_endpoint_auth_method": "client_secret_basic",
    "logo_uri": "https://client.example.org/logo.png",
    "jwks_uri": "https://client.example.org/my_public_keys.jwks",
}


@pytest.fixture
async def as_in_the_sample(tmp_path: Path) -> World:
    """A server with the settings that the sample answer implies."""
    return await world(
        tmp_path,
        extensions=("example_extension_parameter",),
        default_grant_types=("authorization_code", "refresh_token"),
        secret_lifetime=20_000,
    )


@meets("S0-01", "S0-05", "S0-12", "S0-13", "S0-23", "S0-24", "S0-25", "S0-26")
async def test_the_sample_request_without_a_token_is_answered_with_201_and_the_headers_of_the_sample(as_in_the_sample: World) -> None:
    reply = await as_in_the_sample.call("POST", "/register", REQUEST, HEADERS)

    assert reply.status == 201
    assert reply.headers["content-type"] == "application/json"
    assert (reply.headers["cache-control"], reply.headers["pragma"]) == ("no-store", "no-cache")


@meets("S0-07", "S0-21", "S0-27", "S0-28", "S0-29", "S0-30", "S0-31", "S0-33", "S0-34", "C-06", "C-07")
async def test_every_member_of_the_sample_answer_is_in_ours(as_in_the_sample: World) -> None:
    card = (await as_in_the_sample.call("POST", "/register", REQUEST, HEADERS)).json

    sample = {
        **KEPT,
        "client_id": card["client_id"],
        "client_secret": card["client_secret"],
        "client_id_issued_at": START,
        "client_secret_expires_at": START + 20_000,
        "grant_types": ["authorization_code", "refresh_token"],
        "example_extension_parameter": "example_value",
    }
    assert {name: card[name] for name in sample} == sample
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,}", card["client_id"])
    assert len(card["client_secret"]) >= 43


@meets("S0-13", "C-06", "C-07")
async def test_under_the_shipped_settings_the_sample_differs_in_three_members(tmp_path: Path) -> None:
    server = await world(tmp_path)

    reply = await server.call("POST", "/register", REQUEST, HEADERS)

    assert reply.status == 201
    assert {name: reply.json[name] for name in KEPT} == KEPT
    assert "example_extension_parameter" not in reply.json
    assert reply.json["grant_types"] == ["authorization_code"]
    assert reply.json["client_secret_expires_at"] == 0


@meets("S0-14", "S0-15", "S0-18", "S0-19", "S0-20")
@pytest.mark.parametrize("name", ["redirect_uris", "client_name", "token_endpoint_auth_method", "logo_uri", "jwks_uri"])
async def test_each_member_of_the_sample_request_is_stored_as_it_was_sent(as_in_the_sample: World, name: str) -> None:
    card = (await as_in_the_sample.call("POST", "/register", REQUEST, HEADERS)).json

    assert (await as_in_the_sample.read(card)).json[name] == KEPT[name]


@meets("S0-16", "S0-17", "S0-32")
async def test_the_japanese_name_stands_beside_the_plain_one_under_its_own_spelling(as_in_the_sample: World) -> None:
    reply = await as_in_the_sample.call("POST", "/register", REQUEST, HEADERS)

    assert (reply.json["client_name"], reply.json["client_name#ja-Jpan-JP"]) == ("My Example Client", "クライアント名")
    assert "クライアント名".encode() in (await as_in_the_sample.row(reply.json)).metadata


@meets("S0-02")
async def test_one_common_set_of_members_is_defined_and_documented(as_in_the_sample: World) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "members.md").read_text(encoding="utf-8")
    card = (await as_in_the_sample.call("POST", "/register", REQUEST, HEADERS)).json

    told = {name.partition("#")[0] for name in card} - {"example_extension_parameter"}
    assert told <= set(MEMBERS)
    assert [name for name in MEMBERS if f"`{name}`" not in page] == []


@meets("S0-03", "S0-11")
async def test_an_initial_access_token_may_come_with_the_request(as_in_the_sample: World) -> None:
    token = await as_in_the_sample.invitation()

    reply = await as_in_the_sample.call("POST", "/register", REQUEST, {**HEADERS, "authorization": f"Bearer {token}"})

    assert reply.status == 201
    assert (await as_in_the_sample.row(reply.json)).invitation is not None


@meets("S0-06", "S0-22", "S1-53")
@pytest.mark.parametrize(
    "body, code, sentence",
    [
        (b"{", "invalid_request", "the body is not valid JSON at character 2 (RFC 8259 section 2)"),
        (
            REQUEST.replace(b"callback2", b"callback2#"),
            "invalid_redirect_uri",
            "redirect_uris[1]: must not have a fragment (RFC 6749 section 3.1.2), got 'https://client.example.org/callback2#'",
        ),
        (
            REQUEST.replace(b"https://client.example.org/logo.png", b"ftp://client.example.org/logo.png"),
            "invalid_client_metadata",
            "logo_uri: must begin with https:// or http:// (RFC 7591 section 2), got 'ftp://client.example.org/logo.png'",
        ),
    ],
)
async def test_otherwise_the_answer_is_an_error_response_in_a_readable_sentence(
    as_in_the_sample: World, body: bytes, code: str, sentence: str
) -> None:
    reply = await as_in_the_sample.call("POST", "/register", body, HEADERS)

    assert reply.no == (400, code)
    assert reply.headers["content-type"] == "application/json"
    assert reply.why == sentence


@meets("S0-08", "S0-09")
async def test_it_is_a_post_of_json_and_nothing_else(as_in_the_sample: World) -> None:
    got = await as_in_the_sample.call("GET", "/register", b"", HEADERS)
    form = await as_in_the_sample.call("POST", "/register", REQUEST, {"content-type": "application/xml"})

    assert (got.status, got.headers["allow"]) == (405, "POST, OPTIONS")
    assert form.no == (415, "invalid_request")
