"""Passkeys, with the browser's own virtual device."""

from playwright.sync_api import expect

from tests.browser.client import Client
from tests.browser.device import add_passkey, device
from tests.browser.house import Somebody
from tests.browser.window import Window
from tests.ledger import meets


def sign_out(window: Window) -> None:
    """On the account page."""
    window.page.get_by_role("button", name="Sign out", exact=True).click()
    window.shows("signed-out")


@meets("A-32")
def test_a_passkey_added_on_the_account_page_signs_in_without_name_and_password(window: Window, ann: Somebody, notes: Client) -> None:
    phone = device(window)
    window.account(ann)

    add_passkey(window, "Phone")
    expect(window.page.locator("#done")).to_have_text("The passkey is added.")
    assert window.page.locator(".passkey h4").all_inner_texts() == ["Phone"]
    assert phone.kept() == 1
    sign_out(window)
    asking = notes.asks()
    window.page.goto(asking.url)
    window.shows("sign-in")
    window.press("passkey-button")
    window.shows("consent")
    window.press("allow")

    tokens = notes.redeem(asking, notes.answer(window.page, asking))
    assert (tokens.claims["sub"], tokens.claims["amr"]) == (ann.subject, ["hwk", "user"])


def test_a_removed_passkey_does_not_sign_in_any_more(window: Window, ann: Somebody) -> None:
    phone = device(window)
    window.account(ann)
    add_passkey(window, "Phone")

    window.page.get_by_role("button", name="Remove").click()
    expect(window.page.locator("#done")).to_have_text("The passkey is removed.")
    assert window.page.locator(".passkey").count() == 0
    sign_out(window)
    window.press("account")
    window.press("passkey-button")

    expect(window.page.get_by_role("alert")).to_have_text("The passkey did not work. Please try again.")
    assert phone.kept() == 1
    assert window.visited[-1].status == 400
    window.sign_in(ann)
    window.shows("account")


def test_a_device_that_does_not_know_its_owner_gives_nothing_and_says_so(window: Window, ann: Somebody) -> None:
    phone = device(window)
    window.account(ann)

    phone.recognises(False)
    window.press("passkey-button")
    expect(window.page.locator("#passkey-unused")).to_have_text("No passkey was made. You can try again.")
    phone.recognises(True)
    add_passkey(window, "Phone")
    sign_out(window)
    window.press("account")
    window.shows("sign-in")
    phone.recognises(False)
    window.press("passkey-button")

    expect(window.page.get_by_role("alert")).to_have_text("No passkey was used. Try again, or sign in with your password.")
    phone.recognises(True)
    window.press("passkey-button")
    window.shows("account")


def test_the_same_device_is_not_added_twice(window: Window, ann: Somebody) -> None:
    phone = device(window)
    window.account(ann)
    add_passkey(window, "Phone")

    window.press("passkey-button")

    expect(window.page.locator("#passkey-unused")).to_be_visible()
    assert phone.kept() == window.page.locator(".passkey").count() == 1
