"""What cannot go on is shown, not sent, until somebody has trusted the client."""

from collections.abc import Callable

import pytest

from tests.browser.client import Client
from tests.browser.house import House, Somebody
from tests.browser.site import HOST, Site
from tests.browser.window import Opens, Window
from tests.ledger import meets

STRANGER = (
    "This server does not know the application any more, or could not read the description that it publishes. "
    "Start again there; if that does not help, tell its makers."
)
WRONG = "The application that sent you here asked in a way that does not work. You can only go back and tell its makers."
ELSEWHERE = "The application wants the answer at an address that it has not registered. To protect you, we do not send it there."


@meets("A-12", "H-14")
@pytest.mark.parametrize("client_id", ["unheard-of", "<script>alert(1)</script>"])
def test_an_unknown_client_gets_nothing_and_the_person_a_constant_text(window: Window, notes: Client, site: Site, client_id: str) -> None:
    window.page.goto(notes.asks(client_id=client_id).url)

    window.shows("problem")
    assert window.visited[-1].status == 400
    assert (window.text("error-code"), window.text("error")) == ("invalid_client", STRANGER)
    assert window.text("reference") == window.visited[-1].headers["x-request-id"]
    assert not window.has("back")
    assert site.arrivals == []
    assert "alert" not in window.page.content()


@meets("A-12", "X-93")
def test_an_address_that_is_not_registered_gets_nothing(window: Window, notes: Client, site: Site) -> None:
    window.page.goto(notes.asks(redirect_uri=f"{site.origin}/elsewhere").url)

    window.shows("problem")
    assert (window.text("error-code"), window.text("error")) == ("invalid_redirect_uri", ELSEWHERE)
    assert not window.has("back")
    assert window.page.locator("a").count() == 0
    assert site.arrivals == []


@meets("A-15", "A-16", "H-21")
@pytest.mark.parametrize(
    "mistake,code",
    [
        ({"code_challenge": "", "code_challenge_method": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"prompt": "none", "response_mode": "form_post"}, "login_required"),
    ],
)
def test_a_mistake_of_a_stranger_is_shown_with_a_link_back(
    window: Window, helper: Client, site: Site, mistake: dict[str, str], code: str
) -> None:
    asking = helper.asks(**mistake)

    window.page.goto(asking.url)

    window.shows("problem")
    assert window.visited[-1].status == 400
    assert window.text("error-code") == code
    assert window.text("back") == "Back to 127.0.0.1"
    assert site.arrivals == []
    window.press("back")
    assert helper.answer(window.page, asking)["error"] == code
    assert [arrival.headers.get("referer") for arrival in site.arrivals] == [None]


@meets("H-21")
def test_the_same_mistake_is_sent_to_a_client_that_somebody_once_trusted(window: Window, ann: Somebody, helper: Client) -> None:
    asking = helper.asks(prompt="sometimes")
    window.page.goto(asking.url)
    window.shows("problem")

    window.allow(helper, ann)
    window.page.goto(asking.url)

    assert helper.answer(window.page, asking)["error"] == "invalid_request"


def test_a_mistake_is_told_in_words_of_ours(window: Window, helper: Client) -> None:
    window.page.goto(helper.asks(code_challenge_method="plain").url)

    window.shows("problem")
    assert window.text("error") == WRONG
    assert window.text("description") == "code_challenge_method: must be S256 (RFC 9700 section 2.1.1)"
    assert window.page.locator("#description").get_attribute("lang") == "en"


@meets("A-81")
def test_an_address_where_nothing_is_says_so(opens: Opens) -> None:
    english, japanese = opens(), opens(language="ja-JP")

    for window in (english, japanese):
        window.page.goto(f"{window.issuer}/nothing/here")
        window.shows("not-found")
        assert window.visited[-1].status == 404

    assert english.text("error") == "There is nothing at this address."
    assert japanese.text("error") == "このアドレスにページはありません。"


def test_the_addresses_of_forms_lead_to_the_account(window: Window, ann: Somebody) -> None:
    window.account(ann)

    for path in ("/sign-in", "/consent"):
        window.page.goto(window.issuer + path)
        window.shows("account")


@meets("R-87")
def test_links_of_a_client_go_by_a_page_that_warns(window: Window, introduces: Callable[..., Client], secure: Site) -> None:
    notes = introduces(f"https://{HOST}/callback", client_name="Paper Notes", policy_uri=f"https://{HOST}/privacy")
    before = len(secure.arrivals)

    window.page.goto(notes.asks().url)
    window.page.get_by_role("link", name="Privacy policy").click()
    window.shows("leaving")
    assert (window.text("host"), window.text("url"), window.text("go")) == (HOST, f"https://{HOST}/privacy", f"Go to {HOST}")
    assert "Do not type your password" in window.page.locator(".lead").inner_text()
    window.press("go")
    window.page.wait_for_url(f"https://{HOST}/privacy")

    assert [(one.path, one.headers.get("referer")) for one in secure.arrivals[before:]] == [("/privacy", None)]
    assert window.page.evaluate("window.opener") is None


def test_a_link_that_we_did_not_give_out_leads_nowhere(window: Window, house: House) -> None:
    window.page.goto(f"{house.issuer}/leave?to=https://{HOST}/privacy")

    window.shows("problem")
    assert window.text("description") == "to: is no address that this server gave out"
    assert window.page.locator("a").count() == 0
