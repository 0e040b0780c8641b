"""Readers get the page, and what a client says of itself, in their language."""

from collections.abc import Callable

from tests.browser.client import Client
from tests.browser.house import Somebody
from tests.browser.site import HOST
from tests.browser.window import Opens
from tests.ledger import meets

NAMES = {"client_name": "Paper Notes", "client_name#ja": "紙のメモ帳"}
POLICIES = {"policy_uri": f"https://{HOST}/privacy", "policy_uri#ja": f"https://{HOST}/ja/privacy"}


@meets("R-53", "A-24")
def test_each_reader_gets_the_name_and_the_page_in_their_language(opens: Opens, ann: Somebody, introduces: Callable[..., Client]) -> None:
    notes = introduces(f"https://{HOST}/callback", **NAMES, **POLICIES)
    english, japanese = opens(language="en-GB"), opens(language="ja-JP")

    seen: list[tuple[str, ...]] = []
    for window, locales in ((english, ""), (japanese, ""), (english, "fr ja"), (japanese, "fr")):
        window.page.goto(notes.asks(ui_locales=locales).url)
        if window.has("sign-in"):
            window.sign_in(ann)
        window.shows("consent")
        page = window.page
        seen.append((page.get_attribute("html", "lang") or "", window.text("client-name"), page.inner_text("h1"), window.text("allow")))

    in_english = ("en", "Paper Notes", "Allow this application?", "Allow")
    in_japanese = ("ja", "紙のメモ帳", "このアプリを許可しますか？", "許可する")
    assert seen == [in_english, in_japanese, in_japanese, in_japanese]


@meets("R-53")
def test_a_japanese_reader_goes_all_the_way_in_japanese(opens: Opens, ann: Somebody, introduces: Callable[..., Client]) -> None:
    notes = introduces(f"https://{HOST}/callback", **NAMES, **POLICIES)
    window = opens(language="ja-JP")
    asking = notes.asks()

    window.page.goto(asking.url)
    window.sign_in(ann, "まちがい")
    assert window.page.get_by_role("alert").inner_text() == "ユーザー名とパスワードの組み合わせが正しくありません。もう一度お試しください。"
    window.page.get_by_role("link", name="プライバシーポリシー").click()
    window.shows("leaving")
    assert window.text("url") == f"https://{HOST}/ja/privacy"
    window.page.goto(asking.url)
    window.sign_in(ann)
    window.shows("consent")
    window.press("allow")
    assert notes.knows(notes.redeem(asking, notes.answer(window.page, asking))) == ann.subject
    window.account()
    assert window.page.locator(".allowed h3").inner_text() == "紙のメモ帳"
    window.page.get_by_role("button", name="ログアウト", exact=True).click()
    window.shows("signed-out")
    assert window.page.inner_text("h1") == "ログアウトしました"
