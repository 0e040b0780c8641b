"""Documents of clients that are an address: kept, read again, changed, gone (D-30 to D-35, D-46, D-60)"""

from pathlib import Path

import pytest
from msgspec import structs

from calling_card.protocol.abroad.fetching import Why
from calling_card.protocol.clients import Route, State, client_key
from calling_card.protocol.events import Event
from calling_card.store.budget import GcraBudget
from calling_card.usecases.clients import Known, read_now, recheck
from tests.addresses import URL, asked, discoverable, no, publish, the_client, told, visitor
from tests.ledger import meets
from tests.visitor import Browser, Page, answer_of, exchange, refresh, tokens
from tests.world import CALLBACK, World, world

DAY = 86400


@pytest.fixture(params=["memory", "sqlite"])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return await world(tmp_path, sqlite=request.param == "sqlite")


# ── Kept, and read again ─────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-30", "D-31", "S4-50")
@pytest.mark.parametrize(
    "headers, fresh",
    [({}, 300), ({"cache_control": "max-age=600"}, 600), ({"cache_control": "max-age=1"}, 60), ({"cache_control": "max-age=9999999"}, DAY)],
)
async def test_a_document_is_read_again_when_its_time_is_over(server: World, headers: dict[str, str], fresh: int) -> None:
    publish(server, headers=headers)

    for wait in (0, fresh - 1, 1):
        server.clock.forward(wait)
        assert (await Browser(server).authorize({"client_id": URL})).status == 200

    assert server.strangers.asked == [URL, URL]


@meets("D-65", "D-31")
async def test_one_visit_reads_a_document_once_even_one_that_may_not_be_kept(server: World) -> None:
    card = publish(server, headers={"cache_control": "no-store"})
    browser = await visitor(server)

    answer = answer_of(await browser.decide(await asked(browser, card)))

    assert (await exchange(server, card, answer["code"])).status == 200
    assert server.strangers.asked == [URL]
    await browser.authorize(card)
    assert server.strangers.asked == [URL, URL]


async def test_a_transaction_that_is_not_ours_makes_no_document_last(server: World) -> None:
    card = publish(server, headers={"cache_control": "no-store"})
    browser = Browser(server)
    first = await browser.authorize(card)
    again = "/authorize?client_id=" + URL + "&response_type=code&redirect_uri=" + CALLBACK

    await browser.get(again + "&cc_transaction=" + Page(first.body).hidden["transaction"])
    await browser.authorize(card)

    assert server.strangers.asked == [URL, URL]


@meets("D-33", "X-47")
async def test_a_document_that_did_not_change_is_confirmed_without_being_sent_again(server: World) -> None:
    publish(server, headers={"etag": '"1"'})
    await Browser(server).authorize({"client_id": URL})
    server.clock.forward(301)

    publish(server, headers={"etag": '"1"'}, client_name="Never read")
    reply = await Browser(server).authorize({"client_id": URL})

    version = await server.ports.store.version(client_key(Route.CIMD, URL))
    assert version is not None
    assert "Notes" in reply.body.decode()
    assert (version.number, version.checked_at, version.fresh_until) == (1, server.clock.now, server.clock.now + 300)


@meets("D-34", "M-36", "X-49", "A-33")
async def test_a_changed_document_is_the_next_version_and_people_are_asked_again(server: World) -> None:
    card = publish(server)
    browser = await visitor(server)
    await browser.decide(await asked(browser, card), remember="yes")
    assert (await browser.authorize(card)).status == 303

    server.clock.forward(30 * DAY)
    publish(server, client_name="Notes Two", jwks_uri="https://app.example/k", token_endpoint_auth_method="private_key_jwt")
    again = await asked(browser, card)

    assert again.status == 200
    assert "changed" in told(again)
    assert "Notes Two" in again.body.decode()
    versions = await server.ports.store.versions(client_key(Route.CIMD, URL))
    assert [version.number for version in versions] == [2, 1]
    assert (await server.told("document_changed"))[0]["body"]["changed"] == ["client_name", "token_endpoint_auth_method", "jwks_uri"]


@meets("D-34", "X-49")
@pytest.mark.parametrize("rule, lives", [("consent", True), ("tokens", False)])
async def test_other_keys_end_refresh_tokens_where_the_operator_wants_that(tmp_path: Path, rule: str, lives: bool) -> None:
    server = await world(tmp_path, document_changes=rule)
    card = publish(server, jwks_uri="https://app.example/k1")
    await visitor(server)
    given = await tokens(server, card)

    server.clock.forward(301)
    publish(server, jwks_uri="https://app.example/k2")
    await Browser(server).authorize(card)

    reply = await refresh(server, card, given["refresh_token"])
    assert (reply.status == 200) is lives
    assert (await server.told("document_changed"))[0]["body"]["ended"] is not lives


async def test_a_change_that_people_do_not_see_ends_nothing(server: World) -> None:
    card = publish(server)
    browser = await visitor(server)
    await browser.decide(await asked(browser, card), remember="yes")

    server.clock.forward(301)
    publish(server, software_version="2")

    assert (await browser.authorize(card)).status == 303
    assert (await server.told("document_changed"))[0]["body"]["changed"] == []


@meets("C-26", "D-53")
async def test_a_pinned_document_stays_as_it_was_until_an_operator_has_it_read_again(tmp_path: Path) -> None:
    server = await world(tmp_path, clients_pinned=("*.app.example",))
    url = "https://www.app.example/oauth/client.json"
    card = publish(server, url)
    await visitor(server)
    given = await tokens(server, card)
    publish(server, url, client_name="Another", redirect_uris=["https://evil.example/cb"])

    server.clock.forward(10 * DAY)
    reply = await Browser(server).authorize(card)
    again = await refresh(server, card, given["refresh_token"])

    assert (reply.status, again.status) == (200, 200)
    assert server.strangers.asked == [url]
    assert (await read_now(server.ports, url, discovery=False)).card["client_name"] == "Another"


@meets("D-35", "C-30", "X-48", "X-101", "S4-47")
async def test_what_a_document_says_later_changes_nothing_for_a_code(server: World) -> None:
    card = publish(server)
    browser = await visitor(server)
    answer = answer_of(await browser.decide(await asked(browser, card)))
    server.clock.forward(301)

    publish(server, redirect_uris=["https://evil.example/cb"])
    elsewhere = Browser(server, headers={"accept": "application/json"})
    other = await elsewhere.authorize(card)

    assert other.no == (400, "invalid_redirect_uri")
    server.clock.forward(-301)
    assert (await exchange(server, card, answer["code"])).status == 200


@meets("D-35")
async def test_a_method_that_a_document_says_later_changes_nothing_for_a_code(server: World) -> None:
    card = publish(server, headers={"cache_control": "no-store"})
    browser = await visitor(server)
    answer = answer_of(await browser.decide(await asked(browser, card)))

    publish(server, token_endpoint_auth_method="private_key_jwt", jwks_uri="https://app.example/k")
    await Browser(server).authorize(card)
    first = await exchange(server, card, answer["code"])
    later = await refresh(server, card, first.json["refresh_token"])

    assert first.status == 200
    assert later.no == (401, "invalid_client")


@meets("D-46")
async def test_while_a_host_does_not_answer_the_last_version_stands_in_for_a_while(server: World) -> None:
    card = publish(server)
    await Browser(server).authorize(card)
    server.strangers.fail(URL, Why.UNREACHABLE)

    server.clock.forward(300 + 3599)
    within = await Browser(server).authorize(card)
    server.clock.forward(1)
    after = await no(server, URL)

    assert within.status == 200
    assert after == (400, "invalid_client")


@meets("D-46")
@pytest.mark.parametrize(
    "why, headers",
    [
        (Why.GONE, {}),
        (Why.STATUS, {}),
        (Why.MEDIA, {}),
        (Why.UNREACHABLE, {"cache_control": "no-store"}),
        (Why.UNREACHABLE, {"cache_control": "max-age=60, must-revalidate"}),
    ],
)
async def test_nothing_stands_in_for_a_host_that_said_no(server: World, why: Why, headers: dict[str, str]) -> None:
    publish(server, headers=headers)
    await Browser(server).authorize({"client_id": URL})
    server.clock.forward(301)
    server.strangers.fail(URL, why)

    assert (await no(server, URL))[0] == 400


async def test_a_document_that_became_bad_is_noted_once_a_minute_and_good_again_at_once(server: World) -> None:
    publish(server)
    await Browser(server).authorize({"client_id": URL})
    server.clock.forward(301)
    publish(server, client_secret="x")

    for _ in range(3):
        assert await no(server, URL) == (400, "invalid_client_metadata")
    version = await server.ports.store.version(client_key(Route.CIMD, URL))
    assert version is not None
    assert (version.number, version.failure, version.failed_at) == (1, "invalid_client_metadata", server.clock.now)

    publish(server)
    assert (await Browser(server).authorize({"client_id": URL})).status == 200
    better = await server.ports.store.version(client_key(Route.CIMD, URL))
    assert better is not None
    assert (better.failure, better.failed_at) == ("", 0)


@meets("D-60")
async def test_a_refresh_has_the_document_read_again_once_a_day(server: World) -> None:
    card = publish(server)
    await visitor(server)
    token = (await tokens(server, card))["refresh_token"]

    for wait in (DAY - 1, 1, 1):
        server.clock.forward(wait)
        token = (await refresh(server, card, token)).json["refresh_token"]

    assert server.strangers.asked == [URL, URL]


@meets("D-60")
async def test_a_document_that_is_gone_for_a_day_ends_refreshing(server: World) -> None:
    card = publish(server)
    await visitor(server)
    token = (await tokens(server, card))["refresh_token"]
    server.strangers.fail(URL, Why.GONE)

    server.clock.forward(DAY)
    first = await refresh(server, card, token)
    server.clock.forward(DAY)
    second = await refresh(server, card, first.json["refresh_token"])

    assert first.status == 200
    assert second.no == (401, "invalid_client")
    publish(server)
    assert (await Browser(server).authorize(card)).status == 200
    assert (await refresh(server, card, first.json["refresh_token"])).status == 200


@meets("D-60")
@pytest.mark.parametrize("why", [Why.UNREACHABLE, Why.BROKEN, Why.STATUS])
async def test_a_host_that_does_not_answer_ends_no_refreshing(server: World, why: Why) -> None:
    card = publish(server)
    await visitor(server)
    token = (await tokens(server, card))["refresh_token"]
    server.strangers.fail(URL, why)

    for _ in range(3):
        server.clock.forward(DAY)
        token = (await refresh(server, card, token)).json["refresh_token"]


async def test_a_client_that_registered_has_no_document_to_be_read_again(server: World) -> None:
    row = await server.row(await server.register())
    known = Known(row, {})

    assert await recheck(server.ports, known, "203.0.113.5") is known
    assert server.strangers.asked == []


async def test_a_suspended_url_client_may_not_come_and_cannot_refresh(server: World) -> None:
    card = publish(server)
    await visitor(server)
    given = await tokens(server, card)
    client = await the_client(server)
    after = structs.replace(client, state=State.SUSPENDED, epoch=1)
    assert await server.ports.store.replace(client, after, Event("client_suspended", server.clock.now, client.key, "operator"))

    assert await no(server, URL) == (400, "invalid_client")
    assert (await refresh(server, card, given["refresh_token"])).no == (401, "invalid_client")
    assert server.strangers.asked == [URL]


@meets("M-51")
async def test_a_url_client_has_nothing_to_manage(server: World) -> None:
    publish(server)
    await Browser(server).authorize({"client_id": URL})

    for method in ("GET", "PUT", "DELETE"):
        reply = await server.call(method, "/register/" + URL.replace("/", "%2F"), b"{}", {"content-type": "application/json"})
        assert reply.status == 401, method


# ── What an attacker would try ───────────────────────────────────────────────────────────────────────────────────────


@meets("D-24", "D-35", "C-30", "X-48")
@pytest.mark.parametrize("endpoint", ["/token", "/revoke"])
async def test_a_code_of_another_says_nothing_about_how_a_client_proves_itself(server: World, endpoint: str) -> None:
    card = publish(server)
    await visitor(server)
    stolen = (await tokens(server, card))["refresh_token"]
    mallory = await visitor(server, "mallory")
    spent = (answer_of(await mallory.decide(await mallory.sign_in(await mallory.authorize(card), "mallory"))))["code"]
    server.clock.forward(301)
    publish(server, token_endpoint_auth_method="private_key_jwt", jwks_uri="https://app.example/k")
    await Browser(server).authorize(card)

    for grant_type in ("refresh_token", "authorization_code", ""):
        about = {"grant_type": grant_type, "refresh_token": stolen, "token": stolen, "code": spent, "client_id": URL}
        reply = await server.post_form(endpoint, {name: value for name, value in about.items() if value})

        assert reply.status != 200, grant_type
    assert (await refresh(server, card, stolen)).no == (401, "invalid_client")


@meets("D-60")
@pytest.mark.parametrize("why", [Why.UNREACHABLE, Why.BUSY, Why.SLOW, Why.MEDIA])
async def test_one_404_and_another_failure_a_day_later_end_nothing(server: World, why: Why) -> None:
    card = publish(server)
    await visitor(server)
    token = (await tokens(server, card))["refresh_token"]
    server.strangers.fail(URL, Why.GONE)
    server.clock.forward(DAY)
    token = (await refresh(server, card, token)).json["refresh_token"]

    server.strangers.fail(URL, why)
    server.clock.forward(DAY)
    reply = await refresh(server, card, token)

    assert reply.status == 200


@meets("D-60")
async def test_a_document_that_is_back_is_found_at_the_next_refresh(server: World) -> None:
    card = publish(server)
    await visitor(server)
    token = (await tokens(server, card))["refresh_token"]
    server.strangers.fail(URL, Why.GONE)
    server.clock.forward(DAY)
    token = (await refresh(server, card, token)).json["refresh_token"]
    server.clock.forward(DAY)
    assert (await refresh(server, card, token)).no == (401, "invalid_client")

    publish(server)
    server.clock.forward(60)

    assert (await refresh(server, card, token)).status == 200


@meets("D-60", "D-36")
async def test_a_refresh_without_a_budget_for_reading_goes_on_without(server: World) -> None:
    card = publish(server)
    await visitor(server)
    token = (await tokens(server, card))["refresh_token"]
    object.__setattr__(server.ports, "fetches", GcraBudget(1, 1, lambda: 0.0))
    server.ports.fetches.take("198.51.100.7")

    server.clock.forward(DAY)

    assert (await refresh(server, card, token)).status == 200
    assert server.strangers.asked == [URL]


@meets("D-66")
async def test_a_client_that_wanted_to_be_known_until_now_cannot_refresh(server: World) -> None:
    card = publish(server, client_id_expires_at=server.clock.now + 100)
    await visitor(server)
    token = (await tokens(server, card))["refresh_token"]

    server.clock.forward(101)

    assert (await refresh(server, card, token)).no == (401, "invalid_client")


@meets("D-34", "A-33")
async def test_a_remembered_yes_does_not_cover_a_new_grant_type(server: World) -> None:
    card = publish(server, grant_types=["authorization_code"])
    browser = await visitor(server)
    await browser.decide(await asked(browser, card), remember="yes")
    assert (await browser.authorize(card)).status == 303

    server.clock.forward(301)
    publish(server, grant_types=["authorization_code", "refresh_token"])

    assert "changed" in told(await browser.authorize(card))


@meets("D-46")
@pytest.mark.parametrize("first", [Why.GONE, Why.MEDIA, None])
async def test_what_its_owner_took_back_does_not_stand_in_later(server: World, first: Why | None) -> None:
    card = publish(server)
    await Browser(server).authorize(card)
    server.clock.forward(301)
    if first is None:
        publish(server, client_secret="x")
    else:
        server.strangers.fail(URL, first)
    assert (await no(server, URL))[0] == 400

    server.strangers.fail(URL, Why.UNREACHABLE)

    assert await no(server, URL) == (400, "invalid_client")


@meets("D-26")
@pytest.mark.parametrize("known", [True, False])
async def test_a_private_key_in_a_document_is_told(server: World, known: bool) -> None:
    if known:
        publish(server)
        await Browser(server).authorize({"client_id": URL})
        server.clock.forward(301)
    publish(server, jwks={"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}]})

    assert await no(server, URL) == (400, "invalid_client_metadata")
    assert len(await server.told("key_leaked")) == 1


@meets("D-34", "D-35")
async def test_bytes_that_make_the_same_card_make_no_new_version(server: World) -> None:
    card = publish(server, headers={"cache_control": "no-store"})
    browser = await visitor(server)
    answer = answer_of(await browser.decide(await asked(browser, card)))

    for number in range(25):
        publish(server, headers={"cache_control": "no-store"}, unheard_of=number)
        await Browser(server).authorize(card)

    assert [version.number for version in await server.ports.store.versions(client_key(Route.CIMD, URL))] == [1]
    assert (await exchange(server, card, answer["code"])).status == 200


@meets("S4-41", "D-13", "D-59")
async def test_an_access_token_given_back_says_on_which_way_its_client_came(server: World) -> None:
    host = "https://client.example.org/app"
    card = discoverable(server, host, redirect_uris=[CALLBACK])
    publish(server, host)
    await Browser(server).authorize({"client_id": host})
    browser = await visitor(server)
    answer = answer_of(await browser.decide(await asked(browser, card, client_discovery="true")))
    given = (await exchange(server, card, answer["code"])).json

    back = await server.post_form("/revoke", {"client_id": host, "token": given["access_token"]})
    who = await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {given['access_token']}"})

    assert (back.status, who.status) == (200, 401)
