"""A person says who they are."""

from playwright.sync_api import expect

from tests.browser.client import Client
from tests.browser.house import Somebody
from tests.browser.site import Site
from tests.browser.window import Opens, Window
from tests.ledger import meets


@meets("A-10", "A-34", "X-55")
def test_a_person_signs_in_with_a_password_and_the_client_gets_tokens(window: Window, ann: Somebody, helper: Client, site: Site) -> None:
    asking = helper.asks()

    window.page.goto(asking.url)
    window.sign_in(ann)
    window.shows("consent")
    window.press("allow")
    tokens = helper.redeem(asking, helper.answer(window.page, asking))

    assert tokens.claims["sub"] == helper.knows(tokens) == ann.subject
    assert tokens.claims["amr"] == ["pwd"]
    assert [arrival.headers.get("referer") for arrival in site.arrivals] == [None]


def test_a_wrong_password_is_told_and_the_right_one_works_in_the_same_form(window: Window, ann: Somebody, notes: Client) -> None:
    asking = notes.asks()
    window.page.goto(asking.url)

    window.sign_in(ann, "not this one")

    expect(window.page.get_by_role("alert")).to_have_text("User name and password do not fit together. Please try again.")
    expect(window.page).to_have_title("Problem: Sign in · " + notes.issuer.removeprefix("http://"))
    expect(window.page.locator("#name")).to_have_value(ann.name)
    expect(window.page.locator("#password")).to_be_focused()
    expect(window.page.locator("#password")).to_have_accessible_description("User name and password do not fit together. Please try again.")
    assert window.visited[-1].status == 400

    window.page.keyboard.type(ann.password)
    window.page.keyboard.press("Enter")
    window.shows("consent")
    window.press("allow")
    assert notes.redeem(asking, notes.answer(window.page, asking)).claims["sub"] == ann.subject


def test_somebody_who_tries_too_often_is_told_to_wait(window: Window, ann: Somebody, notes: Client) -> None:
    window.page.goto(notes.asks().url)
    transaction = window.page.input_value("#sign-in [name=transaction]")
    guess: dict[str, str | float | bool] = {"transaction": transaction, "name": ann.name, "password": "a guess"}
    for _ in range(9):
        assert window.send("/sign-in", guess).status == 400

    window.sign_in(ann, "the tenth guess")
    window.shows("sign-in")
    window.sign_in(ann)

    expect(window.page.get_by_role("alert")).to_have_text("There were too many tries. Please wait a little, then try again.")
    assert window.visited[-1].status == 429
    assert 1 <= int(window.visited[-1].headers["retry-after"]) <= 60


@meets("A-32", "X-55")
def test_a_form_that_this_browser_was_not_given_ends_on_a_page_that_says_what_to_do(opens: Opens, ann: Somebody, notes: Client) -> None:
    window, other = opens(), opens()
    for one in (window, other):
        one.page.goto(notes.asks().url)
    taken = other.page.input_value("#sign-in [name=transaction]")

    for value in (taken, taken[:-9] + taken[-8:], ""):
        window.page.locator("#sign-in [name=transaction]").evaluate("(field, value) => { field.value = value }", value)
        window.sign_in(ann)
        window.shows("problem")
        assert window.visited[-1].status == 400
        assert window.text("error-code") == "page_expired"
        assert "Please start again at the application." in window.text("error")
        assert window.text("reference") == window.visited[-1].headers["x-request-id"]
        assert set(window.cookies()) == {"browser"}
        window.page.go_back()
    window.sign_in(ann)
    window.shows("consent")


@meets("A-32")
def test_two_tabs_of_one_browser_both_come_to_their_end(window: Window, ann: Somebody, notes: Client, helper: Client) -> None:
    first, second = window.page, window.context.new_page()
    asked, asked_too = notes.asks(), helper.asks()
    first.goto(asked.url)
    second.goto(asked_too.url)

    window.sign_in(ann)
    window.shows("consent")
    window.turn_to(second)
    window.sign_in(ann)
    window.shows("consent")
    window.press("allow")
    tokens = helper.redeem(asked_too, helper.answer(second, asked_too))
    window.turn_to(first)
    window.press("allow")
    window.shows("consent")
    window.press("allow")
    tokens_too = notes.redeem(asked, notes.answer(first, asked))

    assert notes.knows(tokens_too) == helper.knows(tokens) == ann.subject


@meets("A-32")
def test_two_tabs_with_questions_are_answered_one_after_the_other(window: Window, ann: Somebody, notes: Client, helper: Client) -> None:
    window.account(ann)
    first, second = window.page, window.context.new_page()
    asked, asked_too = notes.asks(), helper.asks()
    first.goto(asked.url)
    second.goto(asked_too.url)

    for client, page, asking in ((helper, second, asked_too), (notes, first, asked)):
        page.click("#allow")
        assert client.knows(client.redeem(asking, client.answer(page, asking))) == ann.subject


def test_whoever_is_signed_in_is_not_asked_for_the_password_again_unless_the_client_wants_it(
    window: Window, ann: Somebody, notes: Client
) -> None:
    window.account(ann)

    window.page.goto(notes.asks().url)
    window.shows("consent")

    asking = notes.asks(prompt="login")
    window.page.goto(asking.url)
    window.sign_in(ann)
    window.shows("consent")
    window.press("allow")
    assert "code" in notes.answer(window.page, asking)


@meets("X-54", "X-55")
def test_the_cookies_are_hidden_from_scripts_and_the_session_is_new_with_each_sign_in(window: Window, ann: Somebody, notes: Client) -> None:
    window.account(ann)
    before = window.cookies()
    window.page.goto(notes.asks(prompt="login").url)
    window.sign_in(ann)
    window.shows("consent")
    after = window.cookies()

    assert set(before) == set(after) == {"browser", "session"}
    assert before["session"]["value"] != after["session"]["value"]
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" and cookie["path"] == "/" for cookie in after.values())
    assert window.page.evaluate("document.cookie") == ""
