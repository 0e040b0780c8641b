"""A client that is an address, from what its host publishes to what a person reads (D-34, D-40 to D-45, D-48)."""

from pathlib import Path

import pytest

from calling_card.protocol.abroad.fetching import Why
from tests.addresses import URL, publish
from tests.ledger import meets
from tests.usecases.guests import by_its_clock
from tests.visitor import Browser, Page, somebody
from tests.world import START, World, world

DAY = 86400
JAPANESE = {"accept": "text/html", "accept-language": "ja"}


@pytest.fixture
async def server(tmp_path: Path) -> World:
    made = by_its_clock(await world(tmp_path, sign_in_rate=0))
    await somebody(made)
    return made


async def texts(server: World, browser: Browser | None = None, name: str = "alice", /, **params: str) -> dict[str, str]:
    """What is read on the page that comes when the client sends somebody, by id."""
    browser = browser or Browser(server)
    reply = await browser.authorize({"client_id": URL}, **params)
    page = Page(reply.body)
    if "password" in page.ids:
        page = Page((await browser.sign_in(reply, name)).body)
    return {id: " ".join(text.split()) for id, text in page.texts.items()}


@meets("D-40", "D-41", "D-42")
async def test_the_page_says_which_host_published_it_and_where_the_access_goes(server: World) -> None:
    publish(server, redirect_uris=["https://callback.example/cb"])

    page = await texts(server, redirect_uri="https://callback.example/cb")

    assert (page["client-host"], page["redirect-host"], page["client-name"]) == ("app.example", "callback.example", "Notes")
    assert page["unverified"] == "Published by app.example, not checked by anyone. First seen here on 2027-01-15."
    assert page["elsewhere"].startswith("The access goes to callback.example, not to app.example.")


@meets("D-34", "D-42")
async def test_a_change_is_shown_with_its_day_and_to_those_who_had_allowed_it_as_one(server: World) -> None:
    publish(server)
    browser = Browser(server)
    reply = await browser.sign_in(await browser.authorize({"client_id": URL}))
    await browser.decide(reply, remember="yes")
    server.clock.forward(3 * DAY)
    assert "code=" in (await browser.authorize({"client_id": URL})).headers["location"]

    publish(server, client_name="Notes of somebody else")
    server.clock.forward(DAY)
    await somebody(server, "bob")
    page, other = await texts(server, browser), await texts(server, None, "bob")

    assert page["client-name"] == other["client-name"] == "Notes of somebody else"
    assert page["unverified"].endswith("First seen here on 2027-01-15. Last changed on 2027-01-19.")
    assert "changed since you last allowed it" in page["changed"]
    assert "changed" not in other
    assert server.clock() == START + 4 * DAY


@meets("D-45", "D-48")
@pytest.mark.parametrize("why", list(Why))
async def test_a_description_that_cannot_be_read_is_explained_in_words_and_to_developers(server: World, why: Why) -> None:
    server.strangers.fail(URL, why)

    reply = await Browser(server).authorize({"client_id": URL})
    page, japanese = Page(reply.body), Page((await Browser(server, JAPANESE).authorize({"client_id": URL})).body)

    assert (reply.status, page.texts["error-code"]) == (why.no.status, why.no.code)
    assert "page-problem" in page.ids
    assert not {"back", "client-host", "client-name"} & page.ids.keys()
    assert why.text in page.texts["description"]
    assert "as the test says" not in page.texts["description"]
    assert page.texts["reference"].strip() == reply.headers["x-request-id"]
    words = {
        "invalid_client": ("could not read the description that it publishes", "情報を読み取れませんでした"),
        "invalid_client_metadata": ("What the application says of itself cannot be accepted", "アプリが示している情報に問題がある"),
        "temporarily_unavailable": ("try again in a little while", "しばらく待ってから"),
    }[why.no.code]
    assert words[0] in page.texts["error"]
    assert words[1] in japanese.texts["error"]


@meets("D-45")
@pytest.mark.parametrize(
    "members, redirect_uri, code",
    [
        ({"client_id": "https://other.example/client.json"}, "", "invalid_client_metadata"),
        ({"client_secret": "s"}, "", "invalid_client_metadata"),
        ({}, "https://app.example/elsewhere", "invalid_redirect_uri"),
    ],
    ids=["another client", "a secret", "another redirect"],
)
async def test_a_bad_description_stops_here_and_nobody_is_sent_anywhere(
    server: World, members: dict[str, object], redirect_uri: str, code: str
) -> None:
    publish(server, URL, **members)

    reply = await Browser(server).authorize({"client_id": URL}, **({"redirect_uri": redirect_uri} if redirect_uri else {}))
    page = Page(reply.body)

    assert (reply.status, page.texts["error-code"]) == (400, code)
    assert "back" not in page.ids
    assert "location" not in reply.headers
