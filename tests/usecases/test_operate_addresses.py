"""What an operator does with clients that are a URL: list, show, resolve, refetch, block, let go on, forget (D-55, D-56, D-64)."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from calling_card.protocol.abroad.fetching import Why
from calling_card.protocol.clients import Card, Client, Route, State, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.usecases.operate import clients, delete, refetch, resolve, resume, rotate, show, suspend
from tests.addresses import HOST, URL, WELL_KNOWN, asked, discoverable, publish, visitor
from tests.ledger import meets
from tests.visitor import Browser, Page, answer_of, exchange, refresh, tokens
from tests.world import START, World, changed, world

VIRTUAL = "http://localhost?scope=atproto"


@pytest.fixture(params=["memory", "sqlite"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    some = await world(tmp_path, sqlite=request.param == "sqlite")
    yield some
    await some.ports.store.close()


async def come(server: World, url: str = URL, /, **members: object) -> Card:
    """A client comes by its document, with somebody who is only asked."""
    card = publish(server, url, **members)
    await asked(await visitor(server), card)
    return card


async def come_discovered(server: World) -> Card:
    card = discoverable(server)
    await asked(await visitor(server), card, client_discovery="true")
    return card


async def the_client(server: World, client_id: str = URL, route: Route = Route.CIMD) -> Client | None:
    return await server.ports.store.client(client_key(route, client_id))


def versions_of(row: Card) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", row["versions"])


# Lists --------------------------------------------------------------------------------------------------------------------------------


@meets("D-55", "D-13")
async def test_urls_are_listed_beside_registered_clients_with_their_route_and_door(server: World) -> None:
    registered = await server.register()
    await come(server)
    discoverable(server)
    await asked(await visitor(server, "bob"), {"client_id": HOST, "redirect_uris": [HOST + "/cb"]}, client_discovery="true")

    lines = {
        line["client_id"]: (line["route"], line["door"], line["tier"], line["created_by"]) for line in await clients(server.ports, "", 9)
    }

    assert lines == {
        registered["client_id"]: ("registered", "rfc7591", "anonymous", "anonymous"),
        URL: ("cimd", "cimd", "url", "cimd"),
        HOST: ("looker", "looker", "url", "looker"),
    }


@meets("D-55")
async def test_a_url_is_shown_with_host_versions_living_grants_and_the_last_failure(server: World) -> None:
    card = publish(server)
    await visitor(server)
    await tokens(server, card)
    body = server.strangers.pages[URL].body
    server.clock.forward(400)
    server.strangers.fail(URL, Why.BROKEN)
    await asked(await visitor(server, "bob"), card)

    row = await show(server.ports, URL)

    assert (row["route"], row["host"], row["document"], row["grants_alive"]) == ("cimd", "app.example", URL, 1)
    assert versions_of(row) == [{"number": 1, "seen_at": START, "checked_at": START, "sha256": hashlib.sha256(body).hexdigest()}]
    assert row["last_failure"] == {"at": START + 400, "why": "BROKEN"}
    assert row["fresh_until"] == START + 300
    assert cast("Card", row["metadata"])["client_name"] == "Notes"
    assert "gone_since" not in row


async def test_a_document_that_is_gone_says_since_when(server: World) -> None:
    card = await come(server)
    server.clock.forward(400)
    server.strangers.fail(URL, Why.GONE)
    await asked(await visitor(server, "bob"), card)

    assert (await show(server.ports, URL))["gone_since"] == START + 400


async def test_a_registered_client_has_no_document_to_show(server: World) -> None:
    card = await server.register()

    row = await show(server.ports, card["client_id"])

    assert not {"host", "document", "versions", "last_failure", "fresh_until"} & set(row)
    assert (row["route"], row["grants_alive"]) == ("registered", 0)


@meets("D-13")
async def test_a_url_that_came_by_both_ways_is_two_clients_and_the_flag_says_which(server: World) -> None:
    url = HOST + "/app"
    publish(server, url)
    server.strangers.serve(url + "/.well-known/client-metadata", server.strangers.pages[url].body)
    browser = await visitor(server)
    await asked(browser, {"client_id": url})
    await browser.authorize({"client_id": url}, client_discovery="true")

    assert (await show(server.ports, url))["route"] == "cimd"
    assert (await show(server.ports, url, discovery=True))["route"] == "looker"
    await suspend(server.ports, url, "op", discovery=True)
    assert (await show(server.ports, url))["state"] == "active"
    await delete(server.ports, url, "op")
    assert (await show(server.ports, url))["route"] == "looker"


@meets("C-28")
async def test_a_discovered_client_is_found_however_its_url_is_spelled_and_even_if_it_is_denied_by_now(server: World) -> None:
    await come_discovered(server)

    for spelled in (HOST, HOST + "/", "https://Client.Example.ORG:443"):
        assert (await show(server.ports, spelled))["client_id"] == HOST
    for settings in ({"clients_denied": ("*.example.org",)}, {"client_discovery": False}):
        with changed(server, **settings):
            assert (await show(server.ports, HOST + "/"))["client_id"] == HOST


@pytest.mark.parametrize("url", [URL, HOST, "https://app.example", "https://[::1]:99999/", "http://localhost", "https://"])
@pytest.mark.parametrize("discovery", [False, True])
async def test_a_url_that_never_came_is_nobody(server: World, url: str, discovery: bool) -> None:
    with pytest.raises(Refusal, match="there is no client") as caught:
        await show(server.ports, url, discovery=discovery)

    assert caught.value.no is No.NOT_FOUND


async def test_a_registered_client_is_none_that_was_discovered(server: World) -> None:
    card = await server.register()

    with pytest.raises(Refusal, match="there is no client"):
        await show(server.ports, card["client_id"], discovery=True)


# Blocking and forgetting --------------------------------------------------------------------------------------------------------------


@meets("D-56", "D-55")
async def test_a_blocked_url_loses_its_tokens_grants_and_consents_at_once(server: World) -> None:
    card = publish(server)
    browser = await visitor(server)
    answer = answer_of(await browser.decide(await asked(browser, card), remember="yes"))
    given = (await exchange(server, card, answer["code"])).json
    alice, client = await server.ports.store.person_named("alice"), await the_client(server)
    assert alice is not None
    assert client is not None
    assert len(await server.ports.store.consents(alice.id, client)) == 1

    line = await suspend(server.ports, URL, "op")

    assert line["state"] == "suspended"
    assert await server.ports.store.consents(alice.id, client) == []
    assert await server.ports.store.allowed(alice.id) == []
    who = await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {given['access_token']}"})
    assert who.status == 401
    assert (await refresh(server, card, given["refresh_token"])).no == (401, "invalid_client")
    assert (await asked(await visitor(server, "bob"), card)).status == 400
    assert [event["body"] for event in await server.told("client_suspended")] == [{"by": "op"}]


@meets("D-56")
async def test_what_died_with_a_block_stays_dead_when_the_url_may_come_again(server: World) -> None:
    card = publish(server)
    await visitor(server)
    given = await tokens(server, card)
    await suspend(server.ports, URL, "op")

    line = await resume(server.ports, URL, "op")

    assert line["state"] == "active"
    who = await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {given['access_token']}"})
    assert who.status == 401
    assert (await refresh(server, card, given["refresh_token"])).no == (400, "invalid_grant")
    assert "allow" in Page((await asked(Browser(server), card)).body).ids
    assert "client_resumed" in await server.kinds()


async def test_a_registered_client_keeps_its_grants_while_it_is_suspended(server: World) -> None:
    card = await server.register()
    row = await server.row(card)

    await suspend(server.ports, card["client_id"], "op")

    assert (await server.row(card)).epoch == row.epoch + 1


@meets("D-55")
async def test_a_forgotten_url_comes_again_as_somebody_new(server: World) -> None:
    card = publish(server)
    await visitor(server)
    given = await tokens(server, card)
    before = await the_client(server)

    await delete(server.ports, URL, "op")

    assert await the_client(server) is None
    assert await server.ports.store.versions(client_key(Route.CIMD, URL)) == []
    await asked(await visitor(server, "bob"), card)
    after = await the_client(server)
    assert before is not None
    assert after is not None
    assert (after.state, after.incarnation != before.incarnation) == (State.ACTIVE, True)
    assert [version["number"] for version in versions_of(await show(server.ports, URL))] == [1]
    assert (await refresh(server, card, given["refresh_token"])).no == (400, "invalid_grant")
    who = await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {given['access_token']}"})
    assert who.status == 401


async def test_a_url_has_no_credentials_to_renew(server: World) -> None:
    await come(server)

    with pytest.raises(Refusal, match="there is no client"):
        await rotate(server.ports, "https://never.example/came.json", "op", at_once=False)
    with pytest.raises(Refusal, match="is a URL: it has no credentials of ours") as caught:
        await rotate(server.ports, URL, "op", at_once=True)

    assert caught.value.no is No.INVALID_REQUEST
    assert "client_rotated" not in await server.kinds()


# Reading again ------------------------------------------------------------------------------------------------------------------------


@meets("D-55", "D-32")
async def test_a_refetch_reads_the_document_at_once_whatever_is_remembered(server: World) -> None:
    await come(server)
    publish(server, client_name="Notes, renamed")
    server.clock.forward(5)

    row = await refetch(server.ports, URL)

    assert row["client_name"] == "Notes, renamed"
    assert [(version["number"], version["checked_at"]) for version in versions_of(row)] == [(2, START + 5), (1, START)]
    assert server.strangers.asked == [URL, URL]
    assert server.strangers.forgotten == [URL]
    [event] = await server.told("document_changed")
    assert event["body"]["changed"] == ["client_name"]


async def test_a_refetch_of_what_did_not_change_only_says_when_it_was_read(server: World) -> None:
    await come_discovered(server)
    server.clock.forward(5)

    row = await refetch(server.ports, HOST + "/")

    assert [(version["number"], version["checked_at"]) for version in versions_of(row)] == [(1, START + 5)]
    assert server.strangers.asked == [WELL_KNOWN, WELL_KNOWN]


@meets("D-55")
async def test_a_blocked_url_is_read_again_and_stays_blocked(server: World) -> None:
    await come(server)
    await suspend(server.ports, URL, "op")
    publish(server, client_name="Notes, renamed")

    row = await refetch(server.ports, URL)

    assert (row["state"], row["client_name"]) == ("suspended", "Notes, renamed")


@pytest.mark.parametrize("why", [Why.BROKEN, Why.UNREACHABLE, Why.SLOW])
async def test_a_refetch_that_fails_says_so_although_the_version_before_stands_in(server: World, why: Why) -> None:
    await come(server)
    server.strangers.fail(URL, why)

    with pytest.raises(Refusal, match=rf"could not be read now \({why.name}\); the version before stands in") as caught:
        await refetch(server.ports, URL)

    assert caught.value.no is No.UNAVAILABLE
    assert (await show(server.ports, URL))["last_failure"] == {"at": START, "why": why.name}


async def test_a_refetch_of_a_document_that_is_bad_or_gone_says_why(server: World) -> None:
    await come(server)
    publish(server, client_secret="s")
    with pytest.raises(Refusal, match="client_secret") as bad:
        await refetch(server.ports, URL)
    server.strangers.fail(URL, Why.GONE)
    with pytest.raises(Refusal, match="is not there") as gone:
        await refetch(server.ports, URL)

    assert (bad.value.no, gone.value.no) == (No.INVALID_CLIENT_METADATA, No.UNKNOWN_CLIENT)
    assert versions_of(await show(server.ports, URL))[0]["number"] == 1


async def test_only_a_url_that_came_before_can_be_read_again(server: World) -> None:
    publish(server)
    registered = await server.register()

    with pytest.raises(Refusal, match="there is no client"):
        await refetch(server.ports, URL)
    with pytest.raises(Refusal, match="is registered") as caught:
        await refetch(server.ports, registered["client_id"])

    assert caught.value.no is No.INVALID_REQUEST
    assert server.strangers.asked == []


# Resolving ----------------------------------------------------------------------------------------------------------------------------


@meets("D-64", "S4-13")
async def test_resolving_tries_every_rule_and_keeps_nothing(server: World) -> None:
    publish(server)
    before = await server.kept()

    resolved = await resolve(server.ports, URL, discovery=False)

    assert resolved.broken == 0
    assert {finding.passed for finding in resolved.findings} == {True}
    assert {"grammar", "host", "fetched", "json", "client_id", "redirects", "members"} <= {finding.rule for finding in resolved.findings}
    assert resolved.state == ""
    assert await server.kept() == before
    assert server.strangers.asked == [URL]


@meets("D-64")
async def test_resolving_names_each_rule_that_is_broken(server: World) -> None:
    publish(server, client_id="https://other.example/", client_secret="s", redirect_uris=[])

    resolved = await resolve(server.ports, URL, discovery=False)

    broken = {finding.rule: finding.detail for finding in resolved.findings if finding.passed is False}
    assert {"client_id", "issued", "redirects"} <= set(broken)
    assert resolved.broken == len(broken)
    assert broken["client_id"].startswith("client_id: must be the URL")


@meets("D-64")
async def test_what_comes_behind_a_broken_url_is_not_reached_and_nothing_is_fetched(server: World) -> None:
    resolved = await resolve(server.ports, "https://127.0.0.1/a/../client.json#x", discovery=False)

    assert [finding.rule for finding in resolved.findings if finding.passed is False] == ["fragment", "host", "path"]
    assert {finding.passed for finding in resolved.findings if finding.rule in ("fetched", "json", "members")} == {None}
    assert server.strangers.asked == []


@pytest.mark.parametrize("text", ["c123", "", "http://app.example/client.json", "http://localhost:3000/client.json", "ftp://app.example/x"])
async def test_what_is_no_https_url_breaks_a_rule_and_reaches_no_document(server: World, text: str) -> None:
    resolved = await resolve(server.ports, text, discovery=False)

    assert resolved.broken > 0
    assert {finding.passed for finding in resolved.findings if finding.rule in ("fetched", "json", "redirects", "members")} == {None}
    assert server.strangers.asked == []


async def test_resolving_by_discovery_looks_below_the_url(server: World) -> None:
    await come_discovered(server)

    resolved = await resolve(server.ports, HOST, discovery=True)

    assert (resolved.broken, resolved.state) == (0, "active")
    assert server.strangers.asked[-1] == WELL_KNOWN


async def test_resolving_says_that_a_url_is_blocked(server: World) -> None:
    await come(server)
    await suspend(server.ports, URL, "op")

    assert (await resolve(server.ports, URL, discovery=False)).state == "suspended"
    assert (await resolve(server.ports, HOST, discovery=True)).state == ""


async def test_a_client_that_is_its_own_document_is_resolved_without_a_fetch(tmp_path: Path) -> None:
    server = await world(tmp_path, client_dialects=("atproto",))

    resolved = await resolve(server.ports, VIRTUAL, discovery=False)

    assert resolved.broken == 0, [finding for finding in resolved.findings if not finding.passed]
    assert server.strangers.asked == []
