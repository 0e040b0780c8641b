"""The way of a person from a client and back, as a story."""

from pathlib import Path

from tests.visitor import Browser, Page, person_client, refresh, somebody, tokens
from tests.world import World, world


async def test_a_stranger_signs_someone_in_and_gets_and_renews_tokens(tmp_path: Path) -> None:
    server: World = await world(tmp_path)
    await somebody(server)
    card = await person_client(server, client_name="Demo")

    page = await Browser(server).authorize(card)
    assert "password" in Page(page.body).ids

    got = await tokens(server, card)
    again = await refresh(server, card, got["refresh_token"])

    assert again.status == 200
    assert again.json["refresh_token"] != got["refresh_token"]
