"""A client's own addresses are followed from our page only (D-42, X-23)."""

from pathlib import Path

import pytest

from calling_card.protocol.errors import No, Refusal
from calling_card.usecases.people.leave import link, opened
from calling_card.usecases.people.sign_in import offer
from tests.ledger import meets
from tests.usecases.guests import new_browser
from tests.world import World, world

URL = "https://app.example/terms?a=b#c"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


@meets("X-23", "D-42")
async def test_an_address_that_we_gave_out_is_opened_and_shows_nothing_before(server: World) -> None:
    text = link(server.ports, URL)

    assert opened(server.ports, text) == URL
    assert "app.example" not in text
    assert link(server.ports, URL) != text


@meets("X-23")
async def test_any_other_or_altered_address_leads_nowhere(server: World, tmp_path: Path) -> None:
    text = link(server.ports, URL)
    foreign = await world(tmp_path / "foreign")

    for bad in (
        "",
        URL,
        "https://evil.example",
        "//evil.example",
        "javascript:alert(1)",
        text + "A",
        text[:-1],
        *(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :] for at in range(len(text))),
        link(foreign.ports, URL),
        offer(server.ports, new_browser()).transaction,
    ):
        with pytest.raises(Refusal) as caught:
            opened(server.ports, bad)
        assert (caught.value.no, caught.value.description) == (No.INVALID_REQUEST, "to: is no address that this server gave out")
