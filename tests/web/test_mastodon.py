"""Mastodon's way in over HTTP: `POST /api/v1/apps`, for applications that know no other (Mastodon API, apps §create)."""

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import Door, Tier
from calling_card.usecases.operate import clients, rotate
from tests.ledger import meets
from tests.visitor import Browser, exchange, somebody
from tests.world import CALLBACK, START, World, changed, world

PLACE = "/api/v1/apps"
TUSK = {"client_name": "Tusk", "redirect_uris": CALLBACK, "scopes": "openid profile", "website": "https://app.example"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
OOB = "urn:ietf:wg:oauth:2.0:oob"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


@pytest.mark.parametrize("as_json", [False, True])
async def test_an_application_gets_the_members_it_knows(server: World, as_json: bool) -> None:
    reply = await (server.post_json(PLACE, TUSK) if as_json else server.post_form(PLACE, TUSK))

    assert reply.status == 200
    assert reply.json == {
        "id": reply.json["client_id"],
        "name": "Tusk",
        "website": "https://app.example",
        "scopes": ["openid", "profile"],
        "redirect_uri": CALLBACK,
        "redirect_uris": [CALLBACK],
        "client_id": reply.json["client_id"],
        "client_secret": reply.json["client_secret"],
        "client_secret_expires_at": 0,
    }
    assert (reply.headers["cache-control"], reply.headers["access-control-allow-origin"]) == ("no-store", "*")


@pytest.mark.parametrize(
    "body, headers",
    [
        (urlencode({"client_name": "Tusk", "redirect_uris": f"{CALLBACK}\n{CALLBACK}2"}), FORM),
        (
            urlencode(
                [("client_name", "Tusk"), ("redirect_uris[]", CALLBACK), ("redirect_uris[]", ""), ("redirect_uris[]", f"{CALLBACK}2")]
            ),
            FORM,
        ),
        (json.dumps({"client_name": "Tusk", "redirect_uris": f"{CALLBACK}\n{CALLBACK}2", "website": None}), JSON),
        (json.dumps({"client_name": "Tusk", "redirect_uris": [CALLBACK, f"{CALLBACK}2"]}), JSON),
    ],
)
async def test_several_redirects_come_line_by_line_or_as_a_list_and_go_back_as_both(
    server: World, body: str, headers: dict[str, str]
) -> None:
    reply = await server.call("POST", PLACE, body.encode(), headers)

    assert reply.json["redirect_uris"] == [CALLBACK, f"{CALLBACK}2"]
    assert reply.json["redirect_uri"] == f"{CALLBACK}\n{CALLBACK}2"
    assert "website" not in reply.json
    assert "vapid_key" not in reply.json


@pytest.mark.parametrize(
    "scopes, kept",
    [
        ("read write follow push", ["openid"]),
        ("read openid email", ["openid", "email"]),
        ("", ["openid"]),
    ],
)
async def test_scopes_that_mean_nothing_here_are_left_out(server: World, scopes: str, kept: list[str]) -> None:
    reply = await server.post_form(PLACE, {**TUSK, "scopes": scopes})

    assert reply.json["scopes"] == kept


async def test_an_application_may_end_up_without_a_scope(tmp_path: Path) -> None:
    server = await world(tmp_path, default_scope="")

    reply = await server.post_json(PLACE, {"client_name": "Tusk", "redirect_uris": CALLBACK})

    assert (reply.status, reply.json["scopes"]) == (200, [])


async def test_an_application_of_a_device_may_have_a_scheme_of_its_own(server: World) -> None:
    reply = await server.post_form(PLACE, {**TUSK, "redirect_uris": "com.example.tusk:/callback"})

    assert card_of(await server.row(reply.json))["application_type"] == "native"


@pytest.mark.parametrize(
    "changes, code, why",
    [
        ({"client_name": ""}, "invalid_client_metadata", "client_name: an application needs a name (Mastodon API, apps)"),
        ({"redirect_uris": OOB}, "invalid_redirect_uri", f"redirect_uris: {OOB} is not served: "),
        ({"redirect_uris": f"{CALLBACK} {OOB}"}, "invalid_redirect_uri", f"redirect_uris: {OOB} is not served: "),
        ({"redirect_uris": ""}, "invalid_redirect_uri", "redirect_uris: at least one is needed"),
        ({"redirect_uris": "javascript:alert(1)"}, "invalid_redirect_uri", "redirect_uris[0]: has the scheme javascript"),
        ({"website": "javascript:alert(1)"}, "invalid_client_metadata", "client_uri: "),
        ({"access_token": "x"}, "invalid_request", "access_token: a token belongs into the Authorization header only"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
async def test_what_cannot_be_taken_is_refused_by_name_and_leaves_nothing(
    server: World, changes: dict[str, str], code: str, why: str, as_json: bool
) -> None:
    before = await server.kept()

    reply = await (server.post_json if as_json else server.post_form)(PLACE, {**TUSK, **changes})

    assert reply.no == (400, code)
    assert reply.why.startswith(why)
    assert await server.kept() == before


@meets("X-66")
@pytest.mark.parametrize(
    "body, headers, status",
    [
        (b"{", JSON, 400),
        (b"[]", JSON, 400),
        (b'{"client_name":7,"redirect_uris":"https://app.example/cb"}', JSON, 400),
        (b'{"client_name":"Tusk","redirect_uris":7}', JSON, 400),
        (b'{"client_name":"Tusk","redirect_uris":"https://app.example/cb","scopes":["read"]}', JSON, 400),
        (b"client_name=Tusk&client_name=Tusk", FORM, 400),
        (b"client_name=Tusk", {"content-type": "text/plain"}, 415),
        (b"client_name=Tusk", {"content-type": "multipart/form-data; boundary=x"}, 415),
        (b"client_name=Tusk", {}, 415),
    ],
)
async def test_malformed_requests_are_refused_as_everywhere(server: World, body: bytes, headers: dict[str, str], status: int) -> None:
    reply = await server.call("POST", PLACE, body, headers)

    assert reply.status == status
    assert {"error", "error_description"} <= set(reply.json) <= {"error", "error_description", "errors"}


async def test_nothing_is_taken_from_the_query(server: World) -> None:
    reply = await server.call("POST", f"{PLACE}?{urlencode(TUSK)}", b"", FORM)

    assert reply.no == (400, "invalid_request")


async def test_who_may_come_in_is_the_same_at_every_door(server: World) -> None:
    with changed(server, registration="closed"):
        closed = await server.post_form(PLACE, TUSK)
    with changed(server, registration="token"):
        alone = await server.call("POST", PLACE, b"{", JSON)
        invited = await server.post_json(PLACE, TUSK, await server.invitation(scope="openid"))

    assert (closed.no, alone.no) == ((403, "access_denied"), (401, "invalid_token"))
    assert invited.json["scopes"] == ["openid"]
    row = await server.row(invited.json)
    assert (row.door, row.tier, row.rat.issued_key) == (Door.MASTODON, Tier.TOKEN, 0)


@meets("A-86")
async def test_an_operator_sees_these_applications_with_their_door_and_may_give_them_a_token(server: World) -> None:
    got = (await server.post_form(PLACE, TUSK)).json

    line = (await clients(server.ports, "", 9))[0]
    card = dict((await rotate(server.ports, got["client_id"], "op", at_once=False)).information)

    assert (line["client_name"], line["door"], line["created_by"]) == ("Tusk", "mastodon", "mastodon")
    assert (await server.told("client_registered"))[0]["body"]["door"] == "mastodon"
    assert (await server.read(card)).json["client_name"] == "Tusk"


@meets("M-50")
async def test_an_application_has_no_update(server: World) -> None:
    got = (await server.post_form(PLACE, TUSK)).json

    reply = await server.post_form(
        "/register", {"type": "client_update", "client_id": got["client_id"], "client_secret": got["client_secret"]}
    )

    assert reply.no == (401, "invalid_client")


async def test_the_time_of_a_secret_is_told_as_an_instant(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_lifetime=3600)

    assert (await server.post_form(PLACE, TUSK)).json["client_secret_expires_at"] == START + 3600


async def test_the_door_can_be_closed(tmp_path: Path) -> None:
    server = await world(tmp_path, mastodon_registration=False)

    assert (await server.post_form(PLACE, TUSK)).no == (404, "not_found")
    assert (await server.call("OPTIONS", PLACE)).status == 404


@pytest.mark.parametrize("basic", [True, False])
async def test_an_application_sends_people_and_gets_tokens_with_its_secret_in_header_or_body(server: World, basic: bool) -> None:
    await somebody(server)
    got = (await server.post_form(PLACE, TUSK)).json
    code = (await Browser(server).allow(got))["code"]

    secret = {} if basic else {"client_secret": got["client_secret"]}
    known = {**got, "token_endpoint_auth_method": "client_secret_basic" if basic else "client_secret_post"}
    reply = await exchange(server, known, code, **secret)

    assert reply.status == 200
    assert reply.json["scope"] == "openid"
