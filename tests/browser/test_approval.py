"""A client that waits for approval: what its test person reads, and what everybody else does."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.clients import Route, State, client_key
from calling_card.usecases.approve import Named, add_test_person
from calling_card.wiring import opened
from tests.browser.client import Client
from tests.browser.house import House, Somebody
from tests.browser.looks import look
from tests.browser.site import HOST
from tests.browser.window import Opens
from tests.ledger import meets

WAITS = {
    "en": ("You can try it, because you registered it", "Not approved yet", "have to approve this application before it can be used"),
    "ja": ("テスト担当者として試すことができます", "まだ承認されていません", "まだ利用できません"),
}


def at(house: House, work: Callable[[Ports], Awaitable[None]]) -> None:
    """Do something as an operator would. The work has a thread of its own: the one that drives a browser has a loop already."""

    async def doing() -> None:
        async with opened(house.settings) as ports:
            await work(ports)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, doing()).result()


def make_wait(house: House, client: Client, tester: Somebody) -> None:
    """The client waits from now on, and this person may try it."""

    async def work(ports: Ports) -> None:
        row = await ports.store.client(client_key(Route.REGISTERED, client.id))
        assert row is not None
        assert await ports.store.replace(row, structs.replace(row, state=State.HELD), None)
        await add_test_person(ports, Named(client.id, tester.name, "tester"))

    at(house, work)


@meets("A-88", "H-21")
@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_held_client_says_so_to_who_tries_it_and_to_everybody_else(
    house: House, opens: Opens, introduces: Callable[..., Client], language: str, dark: bool
) -> None:
    tester, other = house.somebody(), house.somebody()
    notes = introduces(f"https://{HOST}/callback", client_name="Paper Notes")
    make_wait(house, notes, tester)
    trying, reading = (opens(language=language, dark=dark, size={"width": 320, "height": 640}) for _ in range(2))
    note, heading, why = WAITS[language]
    reader = f"{language}-{'dark' if dark else 'light'}"

    trying.page.goto(notes.asks().url)
    trying.sign_in(tester)
    trying.shows("consent")
    look(trying, f"consent-waits-{reader}")
    reading.page.goto(notes.asks().url)
    reading.sign_in(other)
    reading.shows("problem")
    look(reading, f"problem-waits-{reader}")

    assert note in trying.text("waits")
    assert trying.page.locator("#scopes li").count() == 1
    assert (reading.page.locator("h1").inner_text(), why in reading.text("error")) == (heading, True)
    assert reading.has("back")
    asking = notes.asks()
    trying.page.goto(asking.url)
    trying.press("allow")
    assert notes.redeem(asking, notes.answer(trying.page, asking)).scope == "openid"
