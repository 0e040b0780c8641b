"""What a person allowed, and what a remembered yes is about (CREDENTIALS §8)."""

import pytest
from msgspec import structs

from calling_card.protocol.clients import JSON, Card, Generations
from calling_card.protocol.persons.grants import SEEN, Grant, Stage, ended, in_order, may_be_remembered, of_client, seen
from tests.ledger import meets
from tests.protocol.macs import NOW, a_client

GRANT = Grant(
    client_key=a_client().key,
    id=b"g" * 16,
    incarnation=a_client().incarnation,
    person=b"p" * 16,
    stage=Stage.LIVE,
    epoch=3,
    code_deadline=NOW,
    code_key=1,
    scope="openid",
    resource="",
    redirect_uri="",
    code_challenge="",
    nonce="",
    sid=b"s" * 16,
    person_epoch=0,
    auth_time=NOW,
    amr="pwd",
    refresh=Generations(),
    created_at=NOW,
    last_used_at=NOW,
)


def test_a_set_of_words_has_one_spelling() -> None:
    assert in_order("openid  email openid") == in_order("email openid") == "email openid"
    assert in_order("") == ""


def test_an_ended_grant_is_revoked_and_its_tokens_are_of_an_earlier_epoch() -> None:
    assert ended(GRANT) == structs.replace(GRANT, stage=Stage.REVOKED, epoch=4)


def test_a_grant_belongs_to_one_client_and_not_to_a_namesake_born_later() -> None:
    assert of_client(GRANT, a_client())
    assert not of_client(GRANT, a_client(incarnation=b"j" * 8))
    assert not of_client(GRANT, a_client("c2"))


@meets("H-08", "A-33")
@pytest.mark.parametrize(
    "uri, secretless",
    [
        ("https://app.example/cb", True),
        ("https://localhost/cb", True),
        ("http://127.0.0.1:4711/cb", False),
        ("http://[::1]/cb", False),
        ("http://localhost:1/cb", False),
        ("com.example.app:/cb", False),
        ("cursor://anysphere.cursor-mcp/oauth/callback", False),
    ],
)
def test_a_yes_to_a_secretless_client_that_stays_on_the_device_is_never_remembered(uri: str, secretless: bool) -> None:
    assert may_be_remembered({"token_endpoint_auth_method": "none"}, uri) is secretless
    assert may_be_remembered({"token_endpoint_auth_method": "client_secret_basic"}, uri)


CARD: Card = {
    "client_name": "Notes",
    "client_name#ja": "メモ",
    "redirect_uris": ["https://app.example/cb"],
    "scope": "openid",
    "contacts": [],
}


@meets("M-36")
@pytest.mark.parametrize("member", SEEN)
def test_a_change_of_what_people_looked_at_makes_another_client_of_it(member: str) -> None:
    value: JSON = ["https://app.example/other"] if member == "redirect_uris" else "other"

    assert seen(CARD | {member: value}) != seen(CARD)
    assert seen({name: one for name, one in CARD.items() if name != member} | {member: value}) != seen(CARD)


@meets("M-36")
def test_a_name_in_another_language_is_looked_at_too_and_nothing_else_is() -> None:
    assert seen(CARD | {"client_name#ja": "ノート"}) != seen(CARD)
    assert seen(CARD | {"client_name#fr": "Notes"}) != seen(CARD)
    for member in ("contacts", "tos_uri", "software_version", "client_uri", "scopes", "client_names"):
        assert seen(CARD | {member: "other"}) == seen(CARD)


def test_the_order_of_members_is_nothing_to_look_at() -> None:
    assert seen(dict(reversed(CARD.items()))) == seen(CARD)
