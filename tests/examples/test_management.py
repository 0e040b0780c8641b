"""The thirteen examples of managing a registration, in the order of the requirements."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from calling_card.usecases.operate import suspend
from tests.visitor import authorize_url, person_client, refresh, somebody, tokens
from tests.world import CALLBACK, World, body_of, rat, world


@pytest.fixture(params=["memory", "sqlite"])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return await world(tmp_path, sqlite=request.param == "sqlite")


def bare(card: dict[str, Any], **members: object) -> dict[str, Any]:
    """The body of a replacement that says little."""
    return {"client_id": card["client_id"], "redirect_uris": [CALLBACK], **members}


async def test_1_reading_answers_the_whole_registration(server: World) -> None:
    card = await server.register()

    reply = await server.read(card)

    assert reply.status == 200
    named = {"client_id", "client_id_issued_at", "registration_access_token", "registration_client_uri", "redirect_uris"}
    assert named <= reply.json.keys()


async def test_2_without_a_token_the_challenge_names_no_error(server: World) -> None:
    card = await server.register()

    reply = await server.call("GET", card["registration_client_uri"])

    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert "error" not in reply.headers["www-authenticate"]


async def test_3_a_foreign_token_an_unknown_client_and_a_bad_token_look_alike(server: World) -> None:
    one, other = await server.register(), await server.register()
    unknown = {**one, "registration_client_uri": "/register/never-existed"}

    replies = [await server.read(other, rat(one)), await server.read(unknown), await server.read(one, "xxxx")]

    assert [reply.status for reply in replies] == [401, 401, 401]
    assert len({reply.body for reply in replies}) == 1
    assert len({tuple(sorted(reply.headers)) for reply in replies}) == 1


async def test_4_a_token_in_the_query_is_refused(server: World) -> None:
    card = await server.register()

    reply = await server.call("GET", f"{card['registration_client_uri']}?access_token={rat(card)}")

    assert reply.no == (400, "invalid_request")


async def test_5_a_replacement_drops_what_it_does_not_name(server: World) -> None:
    card = await server.register(client_name="A", tos_uri="https://a.example/tos", redirect_uris=["https://a.example/cb"])

    reply = await server.put(card, bare(card, client_name="A", redirect_uris=["https://a.example/cb"]))

    assert reply.status == 200
    assert "tos_uri" not in reply.json


async def test_6_a_member_that_only_the_server_sets_is_refused_by_name(server: World) -> None:
    card = await server.register()

    reply = await server.put(card, bare(card, client_id_issued_at=1))

    assert reply.no == (400, "invalid_request")
    assert "client_id_issued_at" in reply.why


async def test_7_a_client_does_not_choose_its_secret_and_the_old_one_works_on(server: World) -> None:
    card = await server.machine()

    reply = await server.put(card, {**body_of(card), "client_secret": "chosen-by-client"})

    assert reply.no == (400, "invalid_request")
    assert (await server.token(card)).status == 200


async def test_8_a_replacement_does_not_widen_the_scope_beyond_the_policy(tmp_path: Path) -> None:
    server = await world(tmp_path, scopes=("openid", "profile", "admin"), anonymous_scopes=("openid", "profile"))
    card = await server.register()

    reply = await server.put(card, bare(card, scope="openid admin"))

    assert (reply.status, reply.json["scope"]) == (200, "openid")


async def test_9_other_methods_are_told_which_there_are(server: World) -> None:
    card = await server.register()

    patched = await server.call("PATCH", card["registration_client_uri"])
    posted = await server.call("POST", card["registration_client_uri"])

    assert (patched.status, posted.status) == (405, 405)
    assert patched.headers["allow"] == "GET, HEAD, PUT, DELETE, OPTIONS"


async def test_10_what_a_deleted_client_had_is_dead(server: World) -> None:
    await somebody(server)
    card, api = await person_client(server), await server.resource()
    had = await tokens(server, card)

    gone = await server.remove(card)

    assert gone.status == 204
    assert (await refresh(server, card, had["refresh_token"])).no == (401, "invalid_client")
    assert (await server.introspect(api.information, had["access_token"])).json == {"active": False}
    assert (await server.call("GET", "/userinfo", headers={"authorization": f"Bearer {had['access_token']}"})).status == 401
    asked = await server.call("GET", authorize_url(card), headers={"accept": "text/html"})
    assert asked.status == 400
    assert "location" not in asked.headers


async def test_11_a_client_that_the_operator_suspended_is_not_revived_by_its_token(server: World) -> None:
    card = await server.register()
    await suspend(server.ports, card["client_id"], "operator")

    reply = await server.replace(card, client_name="Back again")

    assert reply.no == (403, "access_denied")
    assert (await server.call("GET", authorize_url(card), headers={"accept": "text/html"})).status == 400
    assert (await server.row(card)).state.value == "suspended"


async def test_12_fifty_equal_replacements_at_once_have_one_answer_and_of_fifty_others_one_token_lives(server: World) -> None:
    card = await server.register()
    equal = await asyncio.gather(*(server.replace(card, client_name="All of us") for _ in range(50)))
    assert {reply.status for reply in equal} == {200}
    assert len({reply.body for reply in equal}) == 1

    card = equal[0].json
    others = await asyncio.gather(*(server.replace(card, client_name=f"Name {number}") for number in range(50)))

    assert {reply.status for reply in others} == {200}
    living = [reply.json for reply in others if (await server.read(reply.json)).status == 200]
    assert [one["client_name"] for one in living] == [json.loads((await server.row(card)).metadata)["client_name"]]


async def test_13_what_was_read_can_be_written_back(server: World) -> None:
    read = (await server.read(await server.register(client_name="A", client_uri="https://app.example/"))).json

    written = await server.put(read, body_of(read))

    assert written.status == 200
    assert {**written.json, "registration_access_token": ""} == {**read, "registration_access_token": ""}
