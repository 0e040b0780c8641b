"""What a client is, apart from what it says (CREDENTIALS §4)."""

import pytest
from msgspec import structs

from calling_card.protocol.clients import Door, Route, Tier, client_key, created_by
from tests.ledger import meets
from tests.protocol.macs import a_client


def test_a_name_has_another_place_in_every_name_space() -> None:
    keys = {client_key(route, name) for route in Route for name in ("a", "b", "registered", "")}

    assert len(keys) == len(Route) * 4
    assert {len(key) for key in keys} == {16}


def test_route_and_name_cannot_be_shifted_into_each_other() -> None:
    assert client_key(Route.CIMD, "\0a") != client_key(Route.CIMD, "a")


def test_the_place_of_a_client_never_changes() -> None:
    """Rows are found by it: another value would lose every client there is."""
    assert client_key(Route.REGISTERED, "c1").hex() == "c1f6a726dcf3db223b723d6bb2e49e53"


@meets("A-86")
@pytest.mark.parametrize(
    "door, tier, word",
    [
        (Door.ADMIN, Tier.ADMIN, "admin"),
        (Door.ADMIN, Tier.ANONYMOUS, "admin"),
        (Door.RFC7591, Tier.TOKEN, "iat"),
        (Door.RFC7591, Tier.VOUCHED, "statement"),
        (Door.RFC7591, Tier.ANONYMOUS, "anonymous"),
        (Door.RFC7591, Tier.URL, "anonymous"),
        (Door.SCR2011, Tier.ANONYMOUS, "scr2011"),
        (Door.SCR2011, Tier.TOKEN, "scr2011"),
        (Door.MASTODON, Tier.ANONYMOUS, "mastodon"),
        (Door.CIMD, Tier.URL, "cimd"),
        (Door.LOOKER, Tier.URL, "looker"),
    ],
)
def test_how_a_client_came_to_be_is_told_in_one_word(door: Door, tier: Tier, word: str) -> None:
    assert created_by(structs.replace(a_client(), door=door, tier=tier)) == word
