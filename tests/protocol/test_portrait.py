"""How a client is shown: in the reader's language, as self-asserted, with where it leads (R-53, R-85, D-41)."""

from dataclasses import replace

import pytest

from calling_card.protocol.clients import Card, Tier
from calling_card.protocol.portrait import portrait, redirect_of
from tests.ledger import meets
from tests.protocol.macs import NOW, a_client

CALLBACK = "https://app.example/cb"
CARD: Card = {
    "client_name": "Notes",
    "client_name#ja": "メモ帳",
    "client_name#de-CH": "Notizä",
    "client_name#zh-Hant": "筆記",
    "client_uri": "https://app.example",
    "tos_uri": "https://app.example/tos",
    "tos_uri#fr": "https://app.example/fr/cgu",
    "logo_uri": "https://app.example/logo.png",
    "redirect_uris": [CALLBACK],
}


@meets("R-53")
@pytest.mark.parametrize(
    "languages, name",
    [
        ((), "Notes"),
        (("ja",), "メモ帳"),
        (("ja-JP",), "メモ帳"),
        (("JA-jp-x-kyoto", "de-CH"), "メモ帳"),
        (("fr", "ja"), "メモ帳"),
        (("de-CH", "ja"), "Notizä"),
        (("de",), "Notes"),
        (("zh-Hant-TW",), "筆記"),
        (("zh",), "Notes"),
        (("*",), "Notes"),
    ],
)
def test_the_name_is_the_one_in_the_language_of_the_reader(languages: tuple[str, ...], name: str) -> None:
    shown = portrait(a_client(), CARD, CALLBACK, languages)

    assert (shown.name, shown.named) == (name, True)
    assert shown.languages == languages


@meets("R-53")
def test_without_an_untagged_name_the_first_one_is_shown_and_without_any_the_client_id() -> None:
    tagged: Card = {"client_name#ja": "メモ帳", "client_name#fr": "Notes"}

    assert portrait(a_client(), tagged, CALLBACK, ("en",)).name == "メモ帳"
    nameless_cards: tuple[Card, ...] = ({}, {"client_name": ""}, {"client_name": 7})
    for nameless in nameless_cards:
        shown = portrait(a_client("c1"), nameless, CALLBACK, ())
        assert (shown.name, shown.named) == ("c1", False)


@meets("D-42")
def test_links_are_those_a_person_may_read_each_in_their_language() -> None:
    assert portrait(a_client(), CARD, CALLBACK, ("fr",)).links == (
        ("client_uri", "https://app.example"),
        ("tos_uri", "https://app.example/fr/cgu"),
    )
    assert portrait(a_client(), {"tos_uri": "", "policy_uri": 7}, CALLBACK, ()).links == ()


@meets("R-85", "D-42")
@pytest.mark.parametrize(
    "tier, vouched",
    [(Tier.ANONYMOUS, ""), (Tier.URL, ""), (Tier.TOKEN, "invitation"), (Tier.VOUCHED, "invitation"), (Tier.ADMIN, "operator")],
)
def test_nobody_vouches_for_a_client_that_introduced_itself(tier: Tier, vouched: str) -> None:
    shown = portrait(replace(a_client(), tier=tier), CARD, CALLBACK, ())

    assert (shown.vouched, shown.introduced_at) == (vouched, NOW)


@meets("D-41")
@pytest.mark.parametrize(
    "uri, kind, host",
    [
        (CALLBACK, "web", "app.example"),
        ("https://APP.example:8443/cb", "web", "app.example"),
        ("http://127.0.0.1:4711/cb", "loopback", "127.0.0.1"),
        ("http://[::1]/cb", "loopback", "[::1]"),
        ("http://localhost/cb", "loopback", "localhost"),
        ("https://localhost.evil.example/cb", "web", "localhost.evil.example"),
        ("https://127.0.0.1.evil.example/cb", "web", "127.0.0.1.evil.example"),
        ("com.example.app:/cb", "private", "com.example.app"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "private", "cursor"),
        ("COM.example.app://host/cb", "private", "com.example.app"),
        ("not a url:x", "private", "not a url"),
    ],
)
def test_where_it_leads_is_a_host_or_a_scheme(uri: str, kind: str, host: str) -> None:
    assert redirect_of(uri) == (kind, host)
    shown = portrait(a_client(), CARD, uri, ())
    assert (shown.redirect_kind, shown.redirect_host) == (kind, host)


def test_a_request_without_a_redirect_uri_leads_to_the_registered_one() -> None:
    shown = portrait(a_client(), CARD, "", ())

    assert (shown.redirect_kind, shown.redirect_host) == ("web", "app.example")
    cards: tuple[Card, ...] = ({}, {"redirect_uris": []}, {"redirect_uris": [7]})
    for nowhere in cards:
        assert portrait(a_client(), nowhere, "", ()).redirect_host == ""
