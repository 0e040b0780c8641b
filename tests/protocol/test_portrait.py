"""How a client is shown: in the reader's language, as self-asserted, with where it leads (R-53, R-85, D-41)."""

import pytest
from msgspec import structs

from calling_card.protocol.abroad.documents import Version
from calling_card.protocol.clients import Card, Client, Route, Tier
from calling_card.protocol.persons.portrait import Doubt, portrait, redirect_of
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
    [(Tier.ANONYMOUS, ""), (Tier.URL, ""), (Tier.TOKEN, "invitation"), (Tier.VOUCHED, ""), (Tier.ADMIN, "operator")],
)
def test_nobody_vouches_for_a_client_that_introduced_itself(tier: Tier, vouched: str) -> None:
    shown = portrait(structs.replace(a_client(), tier=tier), CARD, CALLBACK, ())

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


# ── Clients that are an address ──────────────────────────────────────────────────────────────────────────────────────

ADDRESS = "https://app.example/client.json"


def published(client_id: str = ADDRESS, route: Route = Route.CIMD) -> Client:
    return structs.replace(a_client(client_id), route=route, tier=Tier.URL)


def version_of(client: Client, number: int = 1, url: str = ADDRESS, seen_at: int = NOW) -> Version:
    return Version(client.key, number, url, b"{}", b"", b"{}", b"", "", "", seen_at, seen_at, seen_at, seen_at)


@meets("D-40")
@pytest.mark.parametrize(
    "client_id, route, host",
    [
        (ADDRESS, Route.CIMD, "app.example"),
        ("https://APP.example:8443/client.json", Route.CIMD, "app.example"),
        ("https://app.example", Route.LOOKER, "app.example"),
        ("c1", Route.REGISTERED, ""),
        (ADDRESS, Route.REGISTERED, ""),
    ],
)
def test_a_client_that_is_an_address_has_the_host_of_its_address(client_id: str, route: Route, host: str) -> None:
    assert portrait(published(client_id, route), CARD, CALLBACK, ()).host == host


@meets("C-29", "D-41")
@pytest.mark.parametrize(
    "redirect_uri, elsewhere",
    [
        (CALLBACK, False),
        ("https://app.example:8443/cb", False),
        ("https://callback.example/cb", True),
        ("https://sub.app.example/cb", True),
        ("http://127.0.0.1:4711/cb", False),
        ("com.example.app:/cb", False),
    ],
)
def test_access_that_goes_to_another_host_than_the_address_is_noticed(redirect_uri: str, elsewhere: bool) -> None:
    assert portrait(published(), CARD, redirect_uri, ()).elsewhere is elsewhere
    assert not portrait(a_client(), CARD, redirect_uri, ()).elsewhere


@meets("D-34", "D-42")
def test_a_first_version_is_no_change_and_a_later_one_changed_when_it_was_seen() -> None:
    client = published()

    shown = [
        portrait(client, CARD, CALLBACK, (), version) for version in (None, version_of(client), version_of(client, 2, seen_at=NOW + 9))
    ]

    assert [(one.introduced_at, one.changed_at) for one in shown] == [(NOW, 0), (NOW, 0), (NOW, NOW + 9)]


@meets("D-52")
def test_what_nobody_publishes_is_in_development() -> None:
    client, local = published(), published("http://localhost/?scope=openid")

    assert portrait(client, CARD, CALLBACK, (), version_of(client, url="")).in_development
    assert portrait(local, CARD, CALLBACK, ()).in_development
    assert not portrait(client, CARD, CALLBACK, (), version_of(client)).in_development
    assert not portrait(client, CARD, CALLBACK, ()).in_development
    assert not portrait(a_client(), CARD, CALLBACK, ()).in_development


@meets("D-44", "R-53")
def test_the_picture_is_the_one_in_the_language_of_the_reader() -> None:
    card: Card = {**CARD, "logo_uri#ja": "https://app.example/ja.png"}

    assert portrait(published(), card, CALLBACK, ("en",)).logo == "https://app.example/logo.png"
    assert portrait(a_client(), card, CALLBACK, ("ja",)).logo == "https://app.example/ja.png"
    assert portrait(published(), {"logo_uri": 7}, CALLBACK, ()).logo == ""


# ── Look-alikes ──────────────────────────────────────────────────────────────────────────────────────────────────────

MIXED = "xn--abc-s08fl0dtz6h.example"


@meets("X-46", "X-51")
@pytest.mark.parametrize(
    "client_id, name, redirect_uri, doubts",
    [
        ("https://c1aude.ai/c", "Notes", "https://c1aude.ai/cb", [Doubt("host", "c1aude.ai", "claude.ai")]),
        ("https://c1aude.ai/c", "Claude", "http://localhost/cb", [Doubt("host", "c1aude.ai", "claude.ai")]),
        (ADDRESS, "Notes", "https://xn--pple-43d.com/cb", [Doubt("host", "xn--pple-43d.com", "apple.com")]),
        (ADDRESS, "Claude", CALLBACK, [Doubt("name", "app.example", "claude.ai")]),
        (ADDRESS, "Claude", "https://claude.ai/cb", [Doubt("name", "app.example", "claude.ai")]),
        (ADDRESS, "Claude", "http://localhost/cb", [Doubt("name", "app.example", "claude.ai")]),
        ("https://claude.ai/c", "Claude", "http://localhost/cb", []),
        ("https://claude.ai/c", "Claude", "https://claude.com/cb", []),
        (f"https://{MIXED}/c", "Notes", f"https://{MIXED}/cb", [Doubt("letters", MIXED)]),
        (
            f"https://{MIXED}/c",
            "ChatGPT",
            "https://g1thub.com/cb",
            [Doubt("letters", MIXED), Doubt("host", "g1thub.com", "github.com"), Doubt("name", MIXED, "chatgpt.com")],
        ),
        ("https://xn--r8jz45g.example/c", "Notes", "https://xn--r8jz45g.example/cb", []),
        ("http://localhost/", "Claude", "http://127.0.0.1/cb", []),
        ("c1", "Claude", CALLBACK, [Doubt("name", "app.example", "claude.ai")]),
        ("c1", "Claude", "https://claude.ai/cb", []),
        ("c1", "Claude Code", "http://localhost:3118/callback", []),
        ("c1", "Cursor", "cursor://anysphere.cursor-mcp/oauth/callback", []),
        ("c1", "Notes", "https://cla1de.ai/cb", [Doubt("host", "cla1de.ai", "claude.ai")]),
    ],
)
def test_whoever_poses_as_somebody_is_doubted_and_gets_no_picture(
    client_id: str, name: str, redirect_uri: str, doubts: list[Doubt]
) -> None:
    client = published(client_id, Route.CIMD if "://" in client_id else Route.REGISTERED)

    shown = portrait(client, {**CARD, "client_name": name}, redirect_uri, ())

    assert list(shown.doubts) == doubts
    assert (shown.logo == "") is bool(doubts)


@meets("X-46")
def test_what_the_operator_set_up_is_not_doubted() -> None:
    known = structs.replace(a_client(), tier=Tier.ADMIN)

    assert portrait(known, {**CARD, "client_name": "Claude"}, CALLBACK, ()).doubts == ()


def test_of_two_clients_with_one_name_each_is_shown_with_its_own_host() -> None:
    one, other = published(), published("https://other.example/client.json")

    assert [portrait(client, CARD, CALLBACK, ()).host for client in (one, other)] == ["app.example", "other.example"]
