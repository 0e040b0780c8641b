"""What a caller draws on who makes or changes a client (H-11, R-93, X-33)."""

from dataclasses import fields

import pytest

from calling_card.protocol.clients import Card
from calling_card.protocol.errors import No
from calling_card.protocol.life.budgets import (
    CAUSES,
    NETWORK,
    REDIRECT_HOST,
    SOFTWARE,
    STATED_SOFTWARE,
    STATEMENT_ISSUER,
    STRANGERS,
    Cause,
    Draw,
    names,
    stated,
    strangers,
    used_up,
)
from calling_card.settings import Settings
from tests.ledger import meets

HERE = "198.51.100.7"
POOL = [(STRANGERS, ""), (NETWORK, HERE)]


def test_every_cause_has_a_name_of_its_own_and_settings_that_are_there() -> None:
    names = {row.name for row in fields(Settings)}

    assert len({cause.name for cause in CAUSES}) == len(CAUSES)
    for cause in CAUSES:
        assert {cause.setting, cause.burst or cause.setting, cause.below or cause.setting} <= names


@meets("H-11", "R-93")
@pytest.mark.parametrize(
    "card, draws",
    [
        ({}, []),
        ({"redirect_uris": ["https://app.example/cb"]}, [(REDIRECT_HOST, "app.example")]),
        ({"redirect_uris": ["https://App.example/cb", "https://app.example:8443/other"]}, [(REDIRECT_HOST, "app.example")]),
        ({"redirect_uris": ["https://a.example/", "https://b.example/"]}, [(REDIRECT_HOST, "a.example"), (REDIRECT_HOST, "b.example")]),
        ({"redirect_uris": ["http://127.0.0.1:9000/cb", "http://localhost/cb", "http://[::1]:1/cb"]}, []),
        ({"redirect_uris": ["com.example.app:/cb", "cursor://anysphere.cursor-mcp/oauth/callback"]}, []),
        ({"software_id": "tea-1"}, [(SOFTWARE, "tea-1")]),
        ({"redirect_uris": ["https://a.example/"], "software_id": "tea-1"}, [(REDIRECT_HOST, "a.example"), (SOFTWARE, "tea-1")]),
    ],
    ids=["nothing", "a host", "one host twice", "two hosts", "this device", "private-use schemes", "software", "all"],
)
def test_a_stranger_draws_on_the_pool_its_network_and_what_its_card_says_of_hosts_and_software(card: Card, draws: list[Draw]) -> None:
    assert list(strangers(names(card), HERE)) == [*POOL, *draws]


def test_whose_network_nobody_knows_shares_it_with_nobody() -> None:
    assert list(strangers((), "")) == [(STRANGERS, "")]


@meets("H-11")
def test_a_statement_draws_on_its_issuer_and_on_its_software_there() -> None:
    assert list(stated("https://dir.example", "tea")) == [
        (STATEMENT_ISSUER, "https://dir.example"),
        (STATED_SOFTWARE, "https://dir.example tea"),
    ]
    assert list(stated("https://dir.example", "")) == [(STATEMENT_ISSUER, "https://dir.example")]


@meets("R-93")
@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_whoever_is_refused_learns_of_what_there_is_too_much_and_when_to_come_back(cause: Cause) -> None:
    refusal = used_up(cause, 7)

    assert (refusal.no, refusal.retry_after, refusal.logged) == (No.TOO_MANY_REQUESTS, 7, cause.name)
    assert refusal.description == f"too many {cause.counts}; {cause.way_out}"
    assert refusal.description.isascii()
