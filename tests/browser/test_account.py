"""The account page: where a person is signed in, and how."""

from playwright.sync_api import expect

from tests.browser.client import Client
from tests.browser.house import Somebody
from tests.browser.window import Opens, Window

NEW = "a much longer passphrase"


def change_password(window: Window, current: str, new: str, again: str = "") -> None:
    """Fill in the form and send it."""
    window.page.fill("#current", current)
    window.page.fill("#new", new)
    window.page.fill("#again", again or new)
    window.page.get_by_role("button", name="Change password").click()


def test_a_new_account_shows_what_is_not_there_yet(window: Window, ann: Somebody) -> None:
    window.account(ann)

    assert window.text("person") == f"Signed in as {ann.full_name} User name: {ann.name}"
    assert "You have not allowed any application." in window.text("applications")
    assert "You have no passkey yet." in window.text("ways")
    assert window.page.locator(".session h3").all_inner_texts() == ["Chrome · Linux This browser"]
    assert not window.has("sign-out-elsewhere")


def test_an_allowed_client_is_listed_with_what_it_may_do(window: Window, ann: Somebody, notes: Client) -> None:
    window.allow(notes, ann, scope="openid email")

    window.account()

    assert window.page.locator(".allowed h3").all_inner_texts() == ["Paper Notes"]
    assert window.page.locator(".allowed .scopes li").all_inner_texts() == ["Know that it is you", "See your email address"]
    assert "not verified by anyone" in window.page.locator(".allowed").inner_text()
    assert "Allowed on 2" in window.page.locator(".allowed").inner_text()


def test_signing_out_ends_the_session_but_not_what_was_allowed(window: Window, ann: Somebody, notes: Client) -> None:
    tokens = window.allow(notes, ann)
    window.account()

    window.page.get_by_role("button", name="Sign out", exact=True).click()

    window.shows("signed-out")
    assert "session" not in window.cookies()
    assert notes.knows(tokens) == ann.subject
    window.press("account")
    window.shows("sign-in")
    window.page.go_back()
    window.page.goto(notes.asks().url)
    window.shows("sign-in")


def test_other_browsers_are_signed_out_one_by_one_or_all_at_once(opens: Opens, ann: Somebody) -> None:
    windows = [opens() for _ in range(3)]
    for window in windows:
        window.account(ann)
    here, *others = windows

    here.account()
    here.page.get_by_role("button", name="Sign out there").first.click()
    expect(here.page.locator("#done")).to_have_text("That browser is signed out.")
    for window in others:
        window.page.reload()
    assert sorted(window.page.locator("body").get_attribute("id") or "" for window in others) == ["page-account", "page-sign-in"]
    here.page.get_by_role("button", name="Sign out everywhere else").click()
    expect(here.page.locator("#done")).to_have_text("All other browsers are signed out.")
    for window in others:
        window.page.reload()
        window.shows("sign-in")
    here.page.reload()
    assert here.page.locator(".session").count() == 1


def test_a_changed_password_signs_everybody_else_out_and_ends_every_token(opens: Opens, ann: Somebody, notes: Client) -> None:
    here, there = opens(), opens()
    tokens = there.allow(notes, ann)
    here.account(ann)

    change_password(here, ann.password, NEW)

    expect(here.page.locator("#done")).to_have_text("Your password is changed.")
    assert notes.knows(tokens) == ""
    assert not notes.is_active(tokens)
    assert not notes.can_refresh(tokens)
    there.page.goto(f"{there.issuer}/account")
    there.sign_in(ann)
    expect(there.page.get_by_role("alert")).to_be_visible()
    there.sign_in(ann, NEW)
    there.shows("account")


def test_a_password_that_cannot_be_taken_is_told_at_its_field(window: Window, ann: Somebody) -> None:
    window.account(ann)

    change_password(window, "not this one", NEW)
    expect(window.page.get_by_role("alert")).to_have_text("The current password is not right.")
    expect(window.page.locator("#current")).to_be_focused()
    expect(window.page.locator("#current")).to_have_accessible_description("The current password is not right.")

    change_password(window, ann.password, "short")
    expect(window.page.get_by_role("alert")).to_have_text("The new password is too short. Please choose a longer one.")
    expect(window.page.locator("#new")).to_be_focused()

    change_password(window, ann.password, NEW, "something else")
    expect(window.page.get_by_role("alert")).to_have_text("The two new passwords are not the same. Please type them again.")
    assert window.page.title().startswith("Problem: ")

    change_password(window, ann.password, NEW)
    expect(window.page.locator("#done")).to_have_text("Your password is changed.")
