"""Which clients are meant when an operator names many at once."""

import json

import pytest
from msgspec import structs

from calling_card.protocol import base64url
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import Client, Door, Route, State, Tier
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import NAMES as EVENT_NAMES
from calling_card.protocol.life.cohorts import CRITERIA, EVENTS, NAMES, Act, Candidate, cohort, ended
from tests.store.examples import NOW, a_client

ONE, OTHER = b"1" * 16, b"2" * 16


def saying(client: Client | None = None, **members: object) -> Client:
    """A client whose card says this."""
    return structs.replace(client or a_client(), metadata=json.dumps(members).encode())


def meant(client: Client, **where: str) -> bool:
    return cohort(where).has(Candidate(client, card_of(client)))


@pytest.mark.parametrize("software, said, found", [("tea", "tea", True), ("tea", "Tea", False), ("tea", None, False)])
def test_software_is_named_by_its_exact_id(software: str, said: str | None, found: bool) -> None:
    assert meant(saying(software_id=said), software_id=software) is found


def test_an_invitation_is_named_by_its_id_or_several() -> None:
    client = structs.replace(a_client(), invitation=ONE)

    assert meant(client, invitation=ONE.hex())
    assert meant(client, invitation=f"{OTHER.hex()},{ONE.hex()}")
    assert not meant(client, invitation=OTHER.hex())
    assert not meant(a_client(), invitation=ONE.hex())


@pytest.mark.parametrize(
    "host, found",
    [
        ("app.example", True),
        ("APP.example", True),
        ("*.example", False),
        ("*.app.example", False),
        ("evil.example", False),
        ("127.0.0.1", True),
        ("[::1]", False),
        ("deep.of.tea.example", True),
        ("*.tea.example", True),
        ("*.of.tea.example", True),
        ("of.tea.example", False),
        ("com.tea.app:/cb", True),
        ("https://app.example/cb", True),
        ("https://app.example/", False),
    ],
)
def test_a_redirect_is_named_by_its_host_a_domain_above_it_or_itself(host: str, found: bool) -> None:
    uris = ["https://app.example/cb", "http://127.0.0.1:4711/cb", "https://deep.of.tea.example", "com.tea.app:/cb"]

    assert meant(saying(redirect_uris=uris), redirect_host=host) is found


def test_a_client_without_redirects_is_on_no_host() -> None:
    assert not meant(saying(), redirect_host="app.example")


@pytest.mark.parametrize(
    "route, name, host, found",
    [
        (Route.CIMD, "https://app.example/c.json", "app.example", True),
        (Route.CIMD, "https://app.example/c.json", "https://app.example/c.json", True),
        (Route.CIMD, "https://of.app.example/c.json", "*.app.example", True),
        (Route.LOOKER, "https://app.example", "app.example", True),
        (Route.CIMD, "https://app.example/c.json", "other.example", False),
        (Route.REGISTERED, "c1", "app.example", False),
    ],
)
def test_a_client_that_is_a_url_is_named_by_its_host(route: Route, name: str, host: str, found: bool) -> None:
    assert meant(a_client(name, route=route), client_host=host) is found


def jws(**claims: object) -> str:
    """A statement, as far as it can be read."""
    return ".".join(base64url.encode(part) for part in (b'{"alg":"ES256"}', json.dumps(claims).encode(), b"s" * 64))


@pytest.mark.parametrize(
    "tier, statement, issuer, jti",
    [
        (Tier.VOUCHED, jws(iss="https://bank.example", jti="1"), True, True),
        (Tier.VOUCHED, jws(iss="https://bank.example"), True, False),
        (Tier.VOUCHED, jws(iss="https://bank.example.evil.example", jti="2"), False, False),
        (Tier.VOUCHED, "garbage", False, False),
        (Tier.VOUCHED, None, False, False),
        (Tier.ANONYMOUS, jws(iss="https://bank.example", jti="1"), False, False),
    ],
)
def test_a_statement_counts_where_it_was_believed(tier: Tier, statement: str | None, issuer: bool, jti: bool) -> None:
    client = structs.replace(saying(software_statement=statement), tier=tier)

    assert meant(client, statement_issuer="https://bank.example") is issuer
    assert meant(client, statement="1") is jti


def test_doors_routes_and_states_are_named_by_their_words() -> None:
    client = structs.replace(a_client(), door=Door.MASTODON, state=State.HELD)

    assert meant(client, door="mastodon", route="registered", state="held")
    assert not meant(client, door="rfc7591")
    assert not meant(client, route="cimd")
    assert not meant(client, state="active")


@pytest.mark.parametrize("after, before, found", [(NOW, NOW + 1, True), (NOW + 1, NOW + 2, False), (NOW - 1, NOW, False)])
def test_a_time_has_its_first_second_and_not_its_last(after: int, before: int, found: bool) -> None:
    assert meant(a_client(), issued_after=str(after), issued_before=str(before)) is found


def test_every_criterion_that_is_named_must_be_met() -> None:
    client = saying(software_id="tea", redirect_uris=["https://app.example/cb"])

    assert meant(client, software_id="tea", redirect_host="app.example")
    assert not meant(client, software_id="tea", redirect_host="evil.example")
    assert not meant(client, software_id="coffee", redirect_host="app.example")


def test_what_the_operator_made_is_meant_only_by_its_own_door() -> None:
    server = structs.replace(a_client(), door=Door.ADMIN, tier=Tier.ADMIN)

    assert not meant(server, issued_after="0")
    assert meant(server, issued_after="0", door="admin")


@pytest.mark.parametrize(
    "where, words",
    [
        ({}, "say which clients: at least one of software_id, invitation, "),
        ({"colour": "red"}, "colour: clients are not known by this; known is software_id, "),
        ({"invitation": "x"}, "invitation: 'x' is the id or the label of no initial access token"),
        ({"invitation": ""}, "invitation: '' is the id or the label of no initial access token"),
        ({"invitation": ONE.hex() + ",x"}, "invitation: "),
        ({"redirect_host": "a b"}, "redirect_host: 'a b' has a host that is not a DNS name"),
        ({"redirect_host": ""}, "redirect_host: '' has no host"),
        ({"redirect_host": "[::2]"}, "redirect_host: '[::2]' has an IP address as host"),
        ({"client_host": "*"}, "client_host: '*' has a host that is not a DNS name"),
        ({"door": "window"}, "door: 'window' is none of rfc7591, scr2011, "),
        ({"route": "x"}, "route: 'x' is none of registered, cimd, looker"),
        ({"state": "deleted"}, "state: 'deleted' is none of active, held, suspended"),
        ({"issued_after": "soon"}, "issued_after: 'soon' is not a time in seconds since 1970"),
        ({"issued_before": "-1"}, "issued_before: '-1' is not a time in seconds since 1970"),
        ({"issued_before": "\u0663"}, "issued_before: "),
    ],
    ids=ascii,
)
def test_a_criterion_that_names_nothing_is_refused_and_so_is_none_at_all(where: dict[str, str], words: str) -> None:
    with pytest.raises(Refusal) as caught:
        cohort(where)

    assert caught.value.no is No.INVALID_REQUEST
    assert caught.value.description.startswith(words)
    assert caught.value.description.isascii()


def test_the_criteria_are_told_as_they_were_said() -> None:
    where = {"software_id": "tea", "door": "rfc7591"}

    assert cohort(where).told() == where


def test_each_criterion_and_each_act_is_described_once() -> None:
    assert len(NAMES) == len(CRITERIA)
    assert all(row.meaning.endswith(".") for row in CRITERIA)
    assert set(EVENTS) == set(Act)
    assert set(EVENTS.values()) <= set(EVENT_NAMES)


def test_who_is_suspended_or_revoked_has_dead_tokens_and_who_is_revoked_goes_on() -> None:
    client = structs.replace(a_client(), state=State.HELD)

    assert ended(client, Act.SUSPEND) == structs.replace(client, epoch=client.epoch + 1, state=State.SUSPENDED, waits=True)
    assert ended(client, Act.REVOKE) == structs.replace(client, epoch=client.epoch + 1)
