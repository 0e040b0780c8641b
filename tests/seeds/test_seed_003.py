"""The example of the fourth founding document, registration as a tester saw it: word for word, with the host substituted."""

import re
from pathlib import Path

import pytest

from tests.ledger import meets
from tests.world import START, World, world

REQUEST = b"""{
\t"client_name": "Oauth client",
\t"redirect_uris": ["http://localhost:9000/callback"],
\t"client_uri": "http://localhost:9000",
\t"grant_types": ["authorization_code"],
        "scope": "openid"
}"""
HEADERS = {
    "host": "oauth.web-security.example",
    "cookie": "_interaction=CFm_EqqiXK3p43Oo0HWu7",
    "upgrade-insecure-requests": "1",
    "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/105.0.5195.102 Safari/537.36",
    "referer": "https://shop.web-security.example/",
    "accept-encoding": "gzip, deflate",
    "accept-language": "en-US,en;q=0.9",
    "connection": "close",
    "content-type": "application/json",
    "content-length": str(len(REQUEST)),
}
ANSWER = {
    "application_type": "web",
    "grant_types": ["authorization_code"],
    "id_token_signed_response_alg": "RS256",
    "post_logout_redirect_uris": [],
    "require_auth_time": False,
    "response_types": ["code"],
    "subject_type": "public",
    "token_endpoint_auth_method": "client_secret_basic",
    "introspection_endpoint_auth_method": "client_secret_basic",
    "revocation_endpoint_auth_method": "client_secret_basic",
    "require_signed_request_object": False,
    "request_uris": [],
    "client_id_issued_at": START,
    "client_name": "Oauth client",
    "client_secret_expires_at": 0,
    "client_uri": "http://localhost:9000",
    "redirect_uris": ["http://localhost:9000/callback"],
    "scope": "openid",
}
"""The sample answer without what is random in it."""


@pytest.fixture(params=["/reg", "/register"], ids=["as in the sample", "as shipped"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """With the path of the sample, and with the shipped settings, which differ in nothing else."""
    return await world(tmp_path, registration_path=request.param)


@meets("S3-01", "S3-09", "S3-11", "S3-12", "S3-13", "S3-14", "S3-15", "S3-16", "S3-17", "S3-37")
async def test_the_sample_request_is_answered_with_201_and_headers_like_those_of_the_sample(server: World) -> None:
    reply = await server.call("POST", server.ports.settings.registration_path, REQUEST, HEADERS)

    assert reply.status == 201
    assert reply.headers["content-type"] == "application/json"
    assert (reply.headers["cache-control"], reply.headers["pragma"]) == ("no-store", "no-cache")
    assert not {"x-powered-by", "server", "set-cookie"} & set(reply.headers)


@meets("S3-18", "S3-19", "S3-20", "S3-21", "S3-22", "S3-23", "S3-24", "S3-25", "S3-26", "S3-27", "S3-28", "S3-29", "C-21", "C-32")
@meets("S3-30", "S3-32", "S3-34", "S3-38")
async def test_the_answer_says_everything_that_the_sample_says(server: World) -> None:
    card = (await server.call("POST", server.ports.settings.registration_path, REQUEST, HEADERS)).json

    drawn = {"client_id", "client_secret", "registration_client_uri", "registration_access_token"}
    assert {name: value for name, value in card.items() if name not in drawn} == ANSWER
    assert drawn <= set(card)


@meets("S3-02", "S3-03", "S3-31", "S3-33", "S3-35", "S3-36")
async def test_what_is_random_in_the_sample_is_as_hard_to_guess_in_ours(server: World) -> None:
    path = server.ports.settings.registration_path

    cards = [(await server.call("POST", path, REQUEST, HEADERS)).json for _ in range(2)]

    for card in cards:
        assert re.fullmatch(r"[A-Za-z0-9_-]{22,}", card["client_id"])
        assert re.fullmatch(r"[A-Za-z0-9_-]{86,}", card["client_secret"])
        assert re.fullmatch(r"[A-Za-z0-9_-]{43,}", card["registration_access_token"])
        assert card["registration_client_uri"] == f"https://as.example{path}/{card['client_id']}"
    for name in ("client_id", "client_secret", "registration_access_token"):
        assert cards[0][name] != cards[1][name]


@meets("S3-08")
async def test_the_endpoint_is_found_in_the_metadata_exactly_while_it_is_open(server: World, tmp_path: Path) -> None:
    closed = await world(tmp_path / "closed", registration="closed")

    found = (await server.call("GET", "/.well-known/oauth-authorization-server")).json

    assert found["registration_endpoint"] == f"https://as.example{server.ports.settings.registration_path}"
    assert "registration_endpoint" not in (await closed.call("GET", "/.well-known/oauth-authorization-server")).json


@meets("S3-10")
async def test_the_endpoint_can_be_protected_by_authorization(tmp_path: Path) -> None:
    server = await world(tmp_path, registration="token")

    refused = await server.call("POST", "/register", REQUEST, HEADERS)
    token = await server.invitation()
    taken = await server.call("POST", "/register", REQUEST, {**HEADERS, "authorization": f"Bearer {token}"})

    assert (refused.status, taken.status) == (401, 201)


@meets("S3-06", "S3-07")
async def test_a_registration_alone_opens_nothing(server: World) -> None:
    card = (await server.call("POST", server.ports.settings.registration_path, REQUEST, HEADERS)).json

    asked = [
        await server.post_form("/token", {"grant_type": grant, **more}, basic=(card["client_id"], card["client_secret"]))
        for grant, more in (
            ("client_credentials", {}),
            ("password", {"username": "u", "password": "p"}),
            ("authorization_code", {"code": "x"}),
        )
    ]

    assert {reply.status for reply in asked} == {400}
    assert not any("access_token" in reply.json for reply in asked)


@meets("S3-04")
async def test_identifier_and_secret_are_what_a_client_uses_from_then_on(server: World) -> None:
    token = await server.invitation(scope="openid", grants=("client_credentials",))
    reply = await server.post_json(
        server.ports.settings.registration_path, {"redirect_uris": [], "grant_types": ["client_credentials"]}, token
    )
    access = (await server.token(reply.json)).json["access_token"]

    introspected = await server.introspect(reply.json, access)
    revoked = await server.post_form("/revoke", {"token": access}, basic=(reply.json["client_id"], reply.json["client_secret"]))

    assert introspected.json["client_id"] == reply.json["client_id"]
    assert revoked.status == 200


@meets("S3-05")
async def test_every_installation_of_a_native_application_gets_its_own_identity(server: World) -> None:
    app = {"redirect_uris": ["com.example.tea:/cb"], "application_type": "native", "software_id": "tea", "software_version": "1"}

    phones = [(await server.post_json(server.ports.settings.registration_path, app)).json for _ in range(3)]

    assert len({phone["client_id"] for phone in phones}) == len({phone["client_secret"] for phone in phones}) == 3
    assert {phone["software_id"] for phone in phones} == {"tea"}
    warnings = [text for event in await server.told("client_registered") for text in event["body"]["warnings"]]
    assert any(text.startswith("token_endpoint_auth_method: ") for text in warnings)
