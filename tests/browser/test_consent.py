"""A person is asked, decides, and changes their mind."""

from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.client import SCOPE, Client
from tests.browser.house import House, Somebody
from tests.browser.looks import size_of
from tests.browser.site import HOST, SCHEME, Site
from tests.browser.window import Opens, Window
from tests.ledger import meets


@meets("A-95", "D-41", "D-42", "R-85", "X-53")
def test_the_page_says_who_asks_for_what_in_whose_name(window: Window, ann: Somebody, introduces: Callable[..., Client]) -> None:
    notes = introduces(f"https://{HOST}/callback", client_name="Paper Notes", policy_uri=f"https://{HOST}/privacy")

    window.page.goto(notes.asks(resource="https://api.example/v1").url)
    shown_before = window.text("client-name"), window.text("redirect-host"), window.text("unverified"), window.text("links")
    window.sign_in(ann)
    window.shows("consent")

    assert (window.text("client-name"), window.text("redirect-host")) == ("Paper Notes", HOST)
    assert window.text("unverified").startswith("Introduced itself on 2")
    assert window.text("unverified").endswith(", not verified by anyone.")
    assert window.text("links") == f"Privacy policy {HOST}"
    assert (window.text("client-name"), window.text("redirect-host"), window.text("unverified"), window.text("links")) == shown_before
    assert window.page.locator("#scopes li").all_inner_texts() == [
        "Know that it is you",
        "See your profile, such as your name and picture",
        "See your email address",
        "Keep access while you are away",
        "api.example",
    ]
    assert window.text("resource") == "api.example"
    assert f"You are signed in as {ann.full_name}." in window.text("consent")
    assert not window.page.locator("#remember").is_checked()
    assert size_of(window, "#redirect-host") > size_of(window, "#client-name")


@meets("D-42")
def test_yes_and_no_have_the_same_weight(window: Window, ann: Somebody, notes: Client) -> None:
    window.page.goto(notes.asks().url)
    window.sign_in(ann)
    window.shows("consent")
    window.page.mouse.move(0, 0)

    looks = [look_of(window, id) for id in ("cancel", "allow")]

    assert looks[0] == looks[1]


def look_of(window: Window, id: str) -> dict[str, object]:
    """What makes one button stand out beside another."""
    look: dict[str, object] = window.page.locator(f"#{id}").evaluate(
        """(button) => {
            const { width, height, top } = button.getBoundingClientRect(), style = getComputedStyle(button);
            return { width, height, top, ink: style.color, paper: style.backgroundColor, edge: style.border, font: style.font };
        }"""
    )
    return look


def test_no_goes_back_to_the_client_as_access_denied(window: Window, ann: Somebody, notes: Client, site: Site) -> None:
    asking = notes.asks()
    window.page.goto(asking.url)
    window.sign_in(ann)
    window.shows("consent")

    window.press("cancel")

    assert notes.answer(window.page, asking)["error"] == "access_denied"
    assert len(site.arrivals) == 1
    assert window.is_asked(notes)


@meets("A-33")
def test_a_yes_is_remembered_for_just_this_when_the_box_is_ticked(window: Window, ann: Somebody, notes: Client) -> None:
    window.allow(notes, ann, remember=True)

    asking = notes.asks()
    window.page.goto(asking.url)
    tokens = notes.redeem(asking, notes.answer(window.page, asking))

    assert notes.knows(tokens) == ann.subject
    assert window.is_asked(notes, prompt="consent")
    assert window.is_asked(notes, scope="openid")
    assert window.is_asked(notes, resource="https://api.example/v1")
    assert not window.is_asked(notes, scope=" ".join(reversed(SCOPE.split())))


@meets("A-33", "X-53")
def test_a_yes_is_not_remembered_without_the_box_nor_for_programs_on_this_device(
    window: Window, ann: Somebody, notes: Client, helper: Client
) -> None:
    window.allow(notes, ann)
    window.allow(helper)

    assert window.is_asked(notes)
    assert window.is_asked(helper)
    assert not window.has("remember")
    assert window.text("loopback").startswith("An application on this device will get the access")


@meets("A-22")
def test_a_client_that_asks_silently_learns_what_the_person_would_have_to_do(opens: Opens, ann: Somebody, notes: Client) -> None:
    window, other = opens(), opens()
    window.allow(notes, ann, remember=True)
    other.account(ann)

    answers: list[str] = []
    for one, scope in ((opens(), SCOPE), (other, "openid"), (other, SCOPE)):
        asking = notes.asks(prompt="none", scope=scope)
        one.page.goto(asking.url)
        answer = notes.answer(one.page, asking)
        answers.append(answer.get("error") or ",".join(answer))

    assert answers == ["login_required", "consent_required", "code"]


@meets("A-33")
def test_withdrawing_ends_the_tokens_at_once_and_the_client_must_ask_again(window: Window, ann: Somebody, notes: Client) -> None:
    tokens = window.allow(notes, ann, remember=True)
    assert notes.is_active(tokens)
    assert notes.knows(tokens) == ann.subject

    window.account()
    expect(window.page.locator(".allowed h3")).to_have_text("Paper Notes")
    expect(window.page.get_by_role("button", name="Withdraw access")).to_have_accessible_description("Paper Notes")
    window.page.get_by_role("button", name="Withdraw access").click()
    expect(window.page.locator("#done")).to_have_text("The access is withdrawn.")

    assert window.page.locator(".allowed").count() == 0
    assert not notes.is_active(tokens)
    assert notes.knows(tokens) == ""
    assert not notes.can_refresh(tokens)
    assert window.is_asked(notes)


def test_somebody_else_can_sign_in_from_the_question(window: Window, ann: Somebody, house: House, notes: Client) -> None:
    bob = house.somebody()
    asking = notes.asks()
    window.page.goto(asking.url)
    window.sign_in(ann)
    window.shows("consent")

    window.press("switch")
    window.shows("sign-in")
    assert window.page.locator("h1").inner_text() == "Use another account"
    window.sign_in(bob)
    window.shows("consent")
    assert f"You are signed in as {bob.full_name}." in window.text("consent")
    window.press("allow")

    assert notes.redeem(asking, notes.answer(window.page, asking)).claims["sub"] == bob.subject


def test_a_client_that_changes_while_the_question_is_open_is_shown_again(window: Window, ann: Somebody, notes: Client) -> None:
    asking = notes.asks()
    window.page.goto(asking.url)
    window.sign_in(ann)
    window.shows("consent")

    notes.change(client_name="Your Bank")
    window.press("allow")

    expect(window.page.get_by_role("alert")).to_have_text(
        "Something changed while the page was open: the application, or who is signed in. Please look again."
    )
    assert window.text("client-name") == "Your Bank"
    window.press("allow")
    assert "code" in notes.answer(window.page, asking)


@meets("X-54")
def test_the_answer_reaches_a_client_at_a_host_of_its_own(
    window: Window, ann: Somebody, introduces: Callable[..., Client], secure: Site
) -> None:
    notes = introduces(f"https://{HOST}/callback", client_name="Paper Notes")
    before = len(secure.arrivals)

    tokens = window.allow(notes, ann)

    assert notes.knows(tokens) == ann.subject
    assert [arrival.headers.get("referer") for arrival in secure.arrivals[before:]] == [None]


@meets("X-54")
@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_a_client_may_send_the_browser_on_to_another_host_at_once(
    window: Window, ann: Somebody, notes: Client, site: Site, mode: str
) -> None:
    site.onward["/callback"] = f"https://{HOST}/welcome"
    window.page.goto(notes.asks(response_mode=mode).url)
    window.sign_in(ann)
    window.shows("consent")

    window.press("allow")

    window.page.wait_for_url(f"https://{HOST}/welcome")
    assert [arrival.path for arrival in site.arrivals] == ["/callback"]


@pytest.mark.parametrize("redirect_uri", [SCHEME, "cursor://anysphere.cursor-mcp/oauth/callback"])
def test_a_click_of_the_person_precedes_every_redirect_to_a_scheme(
    window: Window, ann: Somebody, introduces: Callable[..., Client], redirect_uri: str
) -> None:
    editor = introduces(redirect_uri, client_name="An editor", application_type="native")
    scheme = redirect_uri.partition(":")[0]
    asking = editor.asks()
    window.page.goto(asking.url)
    window.sign_in(ann)
    window.shows("consent")
    assert window.text("redirect-host") == f"{scheme}:"
    assert f"addresses that begin with {scheme}:" in window.text("private-scheme")
    window.page.check("#remember")

    with window.page.expect_request(lambda request: request.url.startswith(redirect_uri)) as sent:
        window.press("allow")
    assert editor.knows(editor.redeem(asking, editor.read(sent.value.url, asking))) == ann.subject

    again = editor.asks()
    window.turn_to(window.context.new_page())
    window.page.goto(again.url)
    window.shows("onward")
    with window.page.expect_request(lambda request: request.url.startswith(redirect_uri)) as followed:
        window.press("onward")
    assert editor.knows(editor.redeem(again, editor.read(followed.value.url, again))) == ann.subject


@meets("A-11", "A-15")
def test_a_request_that_comes_as_a_form_is_served_the_same(window: Window, ann: Somebody, helper: Client, site: Site) -> None:
    asking = helper.asks()
    pairs = parse_qsl(urlsplit(asking.url).query)
    fields = "".join(f'<input type=hidden name="{name}" value="{value}">' for name, value in pairs)
    site.pages["/start"] = f'<!doctype html><form method=post action="{helper.issuer}/authorize">{fields}<button id=go>Go</button></form>'
    window.account(ann)

    window.page.goto(f"{site.origin}/start")
    window.press("go")
    window.shows("consent")
    window.press("allow")

    assert "code" in helper.answer(window.page, asking)
