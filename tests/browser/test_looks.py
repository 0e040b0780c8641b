"""Every page in both languages, light and dark, on screens from narrow to wide."""

from collections.abc import Callable

import pytest

from tests.browser.client import PUBLIC, Client
from tests.browser.device import add_passkey, device
from tests.browser.house import Somebody
from tests.browser.looks import look
from tests.browser.site import HOST, SCHEME
from tests.browser.window import Opens, Window

READERS = [("en", False), ("en", True), ("ja", False), ("ja", True)]
Introduces = Callable[..., Client]


class Tour:
    """A reader who looks at one page after the other."""

    def __init__(self, window: Window, reader: str) -> None:
        self.window = window
        self._reader = reader

    def look(self, name: str, url: str = "") -> None:
        """At the page that is there, or at another one."""
        if url:
            self.window.page.goto(url)
        look(self.window, f"{name}-{self._reader}")

    def allow(self, client: Client) -> None:
        """Say yes for good to a client, without going there."""
        asking = client.asks()
        self.window.page.goto(asking.url)
        transaction = self.window.page.input_value("#consent [name=transaction]")
        answer = self.window.send("/consent", {"transaction": transaction, "decision": "allow", "remember": "yes"})
        client.redeem(asking, client.read(answer.headers["location"], asking))


@pytest.fixture(params=READERS, ids=lambda reader: f"{reader[0]}-{'dark' if reader[1] else 'light'}")
def tour(request: pytest.FixtureRequest, opens: Opens) -> Tour:
    """In one language, in light or dark."""
    language, dark = request.param
    return Tour(opens(language=language, dark=dark, size={"width": 320, "height": 640}), f"{language}-{'dark' if dark else 'light'}")


def well_described(introduces: Introduces) -> Client:
    """A client with all that a page can show."""
    names = {"client_name": "Paper Notes", "client_name#ja": "紙のメモ帳"}
    links = {f"{kind}_uri": f"https://{HOST}/{kind}" for kind in ("client", "policy", "tos")}
    return introduces(f"https://{HOST}/callback", **names, **links)


def test_pages_of_the_way_from_client_to_client(tour: Tour, ann: Somebody, introduces: Introduces) -> None:
    notes, helper = well_described(introduces), introduces(client_name="Terminal helper", **PUBLIC)
    editor = introduces(SCHEME, client_name="An editor with a rather long name, as they have", application_type="native")
    window = tour.window

    tour.look("sign-in", notes.asks(resource="https://api.example/v1").url)
    window.sign_in(ann, "not this one")
    tour.look("sign-in-problem")
    window.sign_in(ann)
    window.shows("consent")
    tour.look("consent-web")
    tour.allow(notes)
    tour.look("consent-loopback", helper.asks().url)
    tour.look("consent-private", editor.asks().url)
    tour.allow(editor)
    tour.look("onward", editor.asks().url)
    window.page.route("**/assets/submit.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    tour.look("posted", notes.asks(response_mode="form_post").url)


def test_pages_that_say_no(tour: Tour, introduces: Introduces) -> None:
    notes = well_described(introduces)
    window = tour.window

    tour.look("error", notes.asks(client_id="unheard-of").url)
    window.shows("problem")
    tour.look("error-with-a-way-back", notes.asks(prompt="sometimes").url)
    assert window.has("back")
    tour.look("not-found", f"{window.issuer}/nothing")
    window.shows("not-found")
    window.page.goto(notes.asks().url)
    window.page.locator("#links a").first.click()
    window.shows("leaving")
    tour.look("leaving")


def test_pages_of_the_account(tour: Tour, opens: Opens, ann: Somebody, notes: Client, helper: Client) -> None:
    window, elsewhere = tour.window, opens()
    tour.look("sign-in-account", f"{window.issuer}/account")
    window.account(ann)
    tour.look("account-empty")
    tour.allow(notes)
    tour.allow(helper)
    elsewhere.account(ann)
    device(window)
    window.account()
    add_passkey(window, "Phone")

    tour.look("account-full")
    window.page.fill("#current", "not this one")
    window.page.fill("#new", "something new")
    window.page.fill("#again", "something new")
    window.page.locator("#change-password button").click()
    window.page.locator("#problem").wait_for()
    tour.look("account-problem")
    window.page.locator("#sign-out button").click()
    window.shows("signed-out")
    tour.look("signed-out")
