"""A sector lists the redirect URIs of its clients, and the list is read when they change (OIDC Registration §5, R-49)."""

import json
from pathlib import Path
from typing import Any

import pytest

from calling_card.protocol.abroad.fetching import Why
from calling_card.protocol.card.rules import sector_problem, sector_to_check
from calling_card.protocol.clients import Card
from calling_card.store.budget import GcraBudget
from tests.ledger import meets
from tests.world import CALLBACK, World, rat, world

LIST = "https://sector.example/list.json"
OTHER = "https://app.example/other"
SECTION = "(OIDC Registration section 5)"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


def lists(server: World, *uris: object) -> None:
    server.strangers.serve(LIST, json.dumps(uris).encode())


async def of_the_sector(server: World, **members: object) -> dict[str, Any]:
    lists(server, CALLBACK)
    card = await server.register(sector_identifier_uri=LIST, **members)
    server.strangers.asked.clear()
    return card


@meets("R-49")
async def test_a_client_whose_redirect_uris_are_all_listed_comes_in(server: World) -> None:
    lists(server, "https://elsewhere.example/cb", OTHER, CALLBACK)

    card = await server.register(sector_identifier_uri=LIST, redirect_uris=[CALLBACK, OTHER])

    assert card["sector_identifier_uri"] == LIST
    assert server.strangers.asked == [LIST]


async def test_a_client_without_a_sector_causes_no_fetch(server: World) -> None:
    card = await server.register()
    await server.replaced(card, client_name="new")

    assert server.strangers.asked == []


@meets("R-49")
@pytest.mark.parametrize(
    "listed",
    [
        b"[]",
        b'["https://app.example/cb/"]',
        b'["https://APP.example/cb"]',
        b'["https://elsewhere.example/cb"]',
        b'["https://app.example/c"]',
        b'["https://app.example/cb2"]',
    ],
)
async def test_a_client_whose_redirect_uri_is_not_listed_is_refused(server: World, listed: bytes) -> None:
    server.strangers.serve(LIST, listed)

    code, why = await server.refusal(sector_identifier_uri=LIST)

    assert code == "invalid_client_metadata"
    assert why == f"sector_identifier_uri: its list lacks the redirect URI '{CALLBACK}' {SECTION}"


@meets("R-49")
async def test_every_redirect_uri_has_to_be_listed(server: World) -> None:
    lists(server, CALLBACK)

    _, why = await server.refusal(sector_identifier_uri=LIST, redirect_uris=[CALLBACK, OTHER, "https://app.example/third"])

    assert why == f"sector_identifier_uri: its list lacks the redirect URI '{OTHER}' {SECTION}"


@meets("R-49")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b'"https://app.example/cb"',
        b'{"redirect_uris":["https://app.example/cb"]}',
        b'[["https://app.example/cb"]]',
        b'["https://app.example/cb", 1]',
        b'["https://app.example/cb", null]',
        b'["https://app.example/cb"',
        b'["https://app.example/cb"] x',
        b'["\xff"]',
        b"<!doctype html>",
        b"[" * 10_000,
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_what_is_no_array_of_strings_is_no_list(server: World, body: bytes) -> None:
    server.strangers.serve(LIST, body)

    code, why = await server.refusal(sector_identifier_uri=LIST)

    assert code == "invalid_client_metadata"
    assert why == f"sector_identifier_uri: must lead to a JSON array of strings {SECTION}"


@meets("R-49")
@pytest.mark.parametrize("why", [why for why in Why if why is not Why.BUSY])
async def test_a_list_that_cannot_be_fetched_is_told_without_telling_the_network(server: World, why: Why) -> None:
    server.strangers.fail(LIST, why)

    code, told = await server.refusal(sector_identifier_uri=LIST)

    assert code == "invalid_client_metadata"
    assert told == f"sector_identifier_uri: the sector identifier document {why.text} {SECTION}"
    assert "as the test says" in {line["logged"] for line in server.lines if line["event"] == "refused"}


async def test_a_server_that_is_busy_says_that_it_is_and_not_that_the_client_is_wrong(server: World) -> None:
    server.strangers.fail(LIST, Why.BUSY)

    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK], "sector_identifier_uri": LIST})

    assert reply.no == (503, "temporarily_unavailable")
    assert reply.headers["retry-after"] == "1"


async def test_nothing_is_fetched_for_a_client_that_is_refused_anyway(tmp_path: Path) -> None:
    server = await world(tmp_path, registration_rate=1, registration_burst=1)
    lists(server, CALLBACK)

    wrong = await server.post_json("/register", {"redirect_uris": ["nothing"], "sector_identifier_uri": LIST})
    elsewhere = await server.post_json("/register", {"redirect_uris": [CALLBACK], "sector_identifier_uri": "http://sector.example/list"})
    assert (wrong.status, elsewhere.status, server.strangers.asked) == (400, 400, [])
    await server.register()
    too_many = await server.post_json("/register", {"redirect_uris": [CALLBACK], "sector_identifier_uri": LIST})

    assert (too_many.status, server.strangers.asked) == (429, [])


# ── Replacing ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-49")
async def test_a_replacement_that_changes_neither_list_nor_redirects_has_nothing_read(server: World) -> None:
    card = await of_the_sector(server)
    server.strangers.fail(LIST, Why.UNREACHABLE)

    card = await server.replaced(card, client_name="new")

    assert card["sector_identifier_uri"] == LIST
    assert server.strangers.asked == []


@meets("R-49")
async def test_a_replacement_that_changes_the_redirects_has_the_list_read(server: World) -> None:
    card = await of_the_sector(server)
    lists(server, OTHER)

    card = await server.replaced(card, redirect_uris=[OTHER])
    refused = await server.replace(card, redirect_uris=[OTHER, CALLBACK])

    assert server.strangers.asked == [LIST, LIST]
    assert refused.no == (400, "invalid_client_metadata")
    assert refused.why == f"sector_identifier_uri: its list lacks the redirect URI '{CALLBACK}' {SECTION}"
    assert (await server.read(card)).json["redirect_uris"] == [OTHER]


@meets("R-49")
async def test_a_replacement_that_names_another_list_has_it_read(server: World) -> None:
    card = await of_the_sector(server)
    another = "https://sector.example/another.json"

    refused = await server.replace(card, sector_identifier_uri=another)
    server.strangers.serve(another, json.dumps([CALLBACK]).encode())
    card = await server.replaced(card, sector_identifier_uri=another)

    assert refused.no == (400, "invalid_client_metadata")
    assert refused.why.startswith("sector_identifier_uri: the sector identifier document could not be fetched")
    assert (card["sector_identifier_uri"], server.strangers.asked) == (another, [another, another])


@meets("R-49")
async def test_a_client_may_join_a_sector_and_leave_it(server: World) -> None:
    card = await server.register()
    lists(server, CALLBACK)

    joined = await server.replaced(card, sector_identifier_uri=LIST)
    left = await server.replace(joined, without="sector_identifier_uri")

    assert joined["sector_identifier_uri"] == LIST
    assert (left.status, "sector_identifier_uri" in left.json) == (200, False)
    assert server.strangers.asked == [LIST]


async def test_a_replacement_that_the_sector_refuses_confirms_its_token_like_every_refused_one(server: World) -> None:
    card = await of_the_sector(server)
    first, second = rat(card), rat(await server.replaced(card, client_name="new"))

    refused = await server.put(card, {"client_id": card["client_id"], "redirect_uris": [OTHER], "sector_identifier_uri": LIST}, second)

    assert refused.status == 400
    assert (await server.read(card, second)).status == 200
    assert (await server.read(card, first)).status == 401


# ── The decisions alone ──────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_checked_before_is_not_checked_again() -> None:
    card: Card = {"sector_identifier_uri": LIST, "redirect_uris": [CALLBACK]}

    assert sector_to_check({"redirect_uris": [CALLBACK]}, None) == ""
    assert sector_to_check(card, None) == LIST
    assert sector_to_check(card, {**card, "client_name": "x"}) == ""
    assert sector_to_check(card, {**card, "redirect_uris": [OTHER]}) == LIST
    assert sector_to_check(card, {"redirect_uris": [CALLBACK]}) == LIST
    assert sector_to_check({"redirect_uris": [OTHER]}, card) == ""


def test_a_sector_without_redirects_lacks_none() -> None:
    assert sector_problem(b"[]", {"redirect_uris": []}) == ""


@meets("D-36", "X-09", "R-49")
async def test_one_network_has_only_so_many_sectors_read(server: World) -> None:
    card = await of_the_sector(server)
    object.__setattr__(server.ports, "fetches", GcraBudget(2, 2, lambda: 0.0))
    body = {"redirect_uris": [CALLBACK], "sector_identifier_uri": LIST}

    replies = [await server.post_json("/register", body) for _ in range(3)]
    replaced = await server.replace(card, redirect_uris=[CALLBACK, OTHER])

    assert [reply.status for reply in replies] == [201, 201, 429]
    assert replies[2].json["error"] == "temporarily_unavailable"
    assert (replaced.status, replaced.headers["retry-after"]) == (429, "31")
    assert server.strangers.asked == [LIST, LIST]
