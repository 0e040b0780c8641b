"""The whole way by keyboard alone, without JavaScript, and with an answer that is posted."""

from tests.browser.client import Client
from tests.browser.house import Somebody
from tests.browser.site import Site
from tests.browser.window import Opens, Window
from tests.ledger import meets

MOST_STEPS = 40


def walk_to(window: Window, id: str) -> None:
    """Press the Tab key until the element has the focus; on the way, every stop must be seen."""
    for _ in range(MOST_STEPS):
        window.page.keyboard.press("Tab")
        stop = window.page.evaluate(
            """() => {
                const stop = document.activeElement, style = getComputedStyle(stop), box = stop.getBoundingClientRect();
                const ringed = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
                const inside = box.bottom > 0 && box.top < innerHeight && box.width > 0;
                return { id: stop.id, seen: ringed && inside };
            }"""
        )
        assert stop["seen"], stop
        if stop["id"] == id:
            return
    raise AssertionError(f"no way to {id} by keyboard")


def test_the_whole_way_can_be_gone_by_keyboard(window: Window, ann: Somebody, notes: Client) -> None:
    keyboard = window.page.keyboard
    asking = notes.asks()
    window.page.goto(asking.url)
    window.shows("sign-in")

    walk_to(window, "name")
    keyboard.type(ann.name)
    walk_to(window, "password")
    keyboard.type(ann.password)
    walk_to(window, "submit")
    keyboard.press("Enter")
    window.shows("consent")
    walk_to(window, "remember")
    keyboard.press("Space")
    walk_to(window, "allow")
    keyboard.press("Space")
    tokens = notes.redeem(asking, notes.answer(window.page, asking))
    assert not window.is_asked(notes)

    window.page.goto(f"{window.issuer}/account")
    window.shows("account")
    while window.page.evaluate("document.activeElement.closest('.withdraw') === null"):
        keyboard.press("Tab")
    keyboard.press("Enter")
    window.page.wait_for_url("**/account?done=withdrawn")
    assert not notes.is_active(tokens)


def test_the_enter_key_in_the_password_field_sends_the_form_and_not_the_passkey(window: Window, ann: Somebody, notes: Client) -> None:
    window.page.goto(notes.asks().url)

    window.page.fill("#name", ann.name)
    window.page.fill("#password", ann.password)
    window.page.keyboard.press("Enter")

    window.shows("consent")


@meets("A-20")
def test_everything_but_passkeys_works_without_javascript(opens: Opens, ann: Somebody, notes: Client, site: Site) -> None:
    window = opens(scripts=False)
    asking = notes.asks(response_mode="form_post")

    window.page.goto(asking.url)
    assert not window.page.locator("#passkey-form").is_visible()
    window.sign_in(ann, "not this one")
    window.sign_in(ann)
    window.shows("consent")
    window.press("allow")
    window.shows("posted")
    assert site.arrivals == []
    window.press("continue")
    window.page.wait_for_url(notes.redirect_uri)

    (arrival,) = site.arrivals
    assert (arrival.method, arrival.headers["content-type"]) == ("POST", "application/x-www-form-urlencoded")
    tokens = notes.redeem(asking, notes.checked(arrival.members, asking))
    window.account()
    assert window.text("passkey-unable").endswith("has JavaScript switched on.")
    window.page.get_by_role("button", name="Withdraw access").click()
    window.page.wait_for_url("**/account?done=withdrawn")
    assert not notes.is_active(tokens)
    window.page.get_by_role("button", name="Sign out", exact=True).click()
    window.shows("signed-out")


@meets("A-20", "A-16")
def test_a_posted_answer_sends_itself(window: Window, ann: Somebody, notes: Client, site: Site) -> None:
    asking = notes.asks(response_mode="form_post")

    window.page.goto(asking.url)
    window.sign_in(ann)
    window.shows("consent")
    window.press("allow")
    window.page.wait_for_url(notes.redirect_uri)

    (arrival,) = site.arrivals
    assert (arrival.method, arrival.headers.get("referer"), arrival.headers["origin"]) == ("POST", None, "null")
    assert "code" not in window.page.url
    assert notes.knows(notes.redeem(asking, notes.checked(arrival.members, asking))) == ann.subject
