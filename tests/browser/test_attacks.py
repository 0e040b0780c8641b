"""What other sites and clients try with a person's browser."""

from collections.abc import Callable
from html import escape

import pytest

from tests.browser.client import Client
from tests.browser.house import Somebody
from tests.browser.looks import LOST
from tests.browser.site import Site
from tests.browser.window import Opens, Window
from tests.ledger import meets

SCRIPT = "<script>alert(1)</script>"
CLOSING = "\"'></dl></main><h1 onclick=alert(1)>&lt;"
WIDEST = "W" * 256
TEMPLATE = "{{ 7 * 7 }} {% raw %}"
STACKED = "Z" + "\u0301" * 60 + "algo"
HOSTILE = [SCRIPT, CLOSING, WIDEST, TEMPLATE, STACKED]


def hidden_inputs(fields: dict[str, str]) -> str:
    """Of a form."""
    return "".join(f'<input type=hidden name="{name}" value="{value}">' for name, value in fields.items())


@meets("X-54")
def test_no_page_is_shown_in_a_frame_of_another_site(window: Window, ann: Somebody, notes: Client, site: Site) -> None:
    window.account(ann)

    for target in (f"{window.issuer}/account", notes.asks().url, notes.asks(client_id="unheard-of").url, f"{window.issuer}/nothing"):
        site.pages["/framing"] = f'<!doctype html><title>Win a prize</title><iframe src="{escape(target)}"></iframe>'
        with window.page.expect_event("framenavigated", lambda frame: frame.url.startswith("chrome-error:")) as blocked:
            window.page.goto(f"{site.origin}/framing")
        assert blocked.value == window.page.frames[1]
        assert blocked.value.locator("body[id]").count() == 0

    assert len(window.complaints) == 4
    assert all("frame-ancestors 'none'" in complaint for complaint in window.complaints)
    window.complaints.clear()


@meets("X-54")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_form_of_another_site_decides_nothing(window: Window, ann: Somebody, notes: Client, host: str) -> None:
    other = Site(host)
    window.page.goto(notes.asks().url)
    sign_in = {"transaction": window.page.input_value("#sign-in [name=transaction]"), "name": ann.name, "password": ann.password}
    window.sign_in(ann)
    window.shows("consent")
    consent = {"transaction": window.page.input_value("#consent [name=transaction]"), "decision": "allow"}
    window.account()
    account = {"transaction": window.page.input_value("#sign-out [name=transaction]"), "do": "sign_out"}

    for path, fields in (("sign-in", sign_in), ("consent", consent), ("account", account)):
        other.pages["/trap"] = (
            f'<!doctype html><form method=post action="{window.issuer}/{path}">{hidden_inputs(fields)}</form>'
            "<script>document.forms[0].submit()</script>"
        )
        window.page.goto(f"{other.origin}/trap")
        window.page.wait_for_url(f"{window.issuer}/{path}")
        window.shows("problem")
        assert (window.visited[-1].status, window.text("error-code")) == (403, "cross_site")
        assert window.text("error") == "The form came from another site. To protect you, nothing was done."
    window.account()
    assert window.page.locator(".allowed").count() == 0
    other.close()


@meets("X-10", "X-11")
def test_a_hostile_name_is_a_text_like_any_other(opens: Opens, ann: Somebody, introduces: Callable[..., Client]) -> None:
    window = opens(size={"width": 320, "height": 640})
    clients = [introduces(client_name=name) for name in HOSTILE]

    on_sign_in = [shown_name(window, client) for client in clients]
    window.sign_in(ann)
    window.shows("consent")
    on_consent = [shown_name(window, client) for client in clients]
    window.press("cancel")
    window.page.wait_for_url(f"{clients[-1].redirect_uri}?**")

    assert on_consent == on_sign_in
    assert on_consent[:-1] == HOSTILE[:-1]
    assert on_consent[-1] == "Z" + "\u0301" * 4 + "algo"


def shown_name(window: Window, client: Client) -> str:
    """What the page that asks calls the client; the page is as it always is."""
    window.page.goto(client.asks().url)
    for once in ("h1", "main", "form button[type=submit] >> nth=0", "#client-name"):
        assert window.page.locator(once).count() == 1
    assert window.page.evaluate("document.scrollingElement.scrollWidth") <= 320
    assert window.page.evaluate(LOST) == []
    return window.page.locator("#client-name").text_content() or ""


@meets("X-11")
def test_a_name_that_turns_text_around_is_not_even_registered(introduces: Callable[..., Client]) -> None:
    with pytest.raises(AssertionError, match=r"invalid_client_metadata.*U\+202E"):
        introduces(client_name="Paper \u202eknaB ruoY")


@meets("X-10", "A-15")
def test_a_hostile_state_comes_back_as_it_was_and_runs_nowhere(opens: Opens, ann: Somebody, helper: Client, site: Site) -> None:
    hostile = f"{SCRIPT}{CLOSING}\u202e\r\nSet-Cookie: a=b"
    window = opens()
    for mode in ("query", "form_post"):
        asking = helper.asks(state=hostile, response_mode=mode)
        window.page.goto(asking.url)
        if window.has("sign-in"):
            window.sign_in(ann)
        window.shows("consent")
        window.press("allow")
        window.page.wait_for_url(f"{helper.redirect_uri}**")

    assert [(one.method, one.members["state"]) for one in site.arrivals] == [("GET", hostile), ("POST", hostile)]


@meets("X-55", "X-85")
def test_a_question_that_was_put_in_one_browser_is_not_answered_in_another(opens: Opens, ann: Somebody, notes: Client) -> None:
    attacker, victim = opens(), opens()
    for window in (attacker, victim):
        window.page.goto(notes.asks().url)
        window.sign_in(ann)
        window.shows("consent")
    taken = attacker.page.input_value("#consent [name=transaction]")
    victim.page.locator("#consent [name=transaction]").evaluate("(field, value) => { field.value = value }", taken)

    victim.press("allow")

    victim.shows("problem")
    assert victim.text("error-code") == "page_expired"
