"""Texts of strangers in every field of every page: they stay texts (X-10, X-11)."""

from dataclasses import replace

import pytest

from calling_card.web.pages.messages import texts
from calling_card.web.pages.press import leads, press
from calling_card.web.pages.render import render
from calling_card.web.pages.tame import tame
from calling_card.web.pages.views import View
from tests.ledger import meets
from tests.web.pages.gallery import ACCOUNT, CONSENT, HELPER, NOTES, POSTED, PROBLEM, SIGN_IN, VIEWS, filled
from tests.web.pages.reading import Page, read

HERE = "https://auth.example/here"
PAYLOADS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'><svg onload=alert(1)>",
    '" autofocus onfocus="alert(1)',
    "' onmouseover='alert(1)",
    "x onmouseover=alert(1) y",
    "`onmouseover=alert(1)`",
    "</title><script>alert(1)</script>",
    "</textarea></form><form action=https://evil.example>",
    "<!-- --><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<base href=https://evil.example>",
    "<meta http-equiv=refresh content=0;url=https://evil.example>",
    "<bdi></bdi></bdi><h1>Verified</h1>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "{{ 7 * 7 }}{% include 'x' %}${7*7}{0.__class__}{name}",
    "%(name)s %s {",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "\x01javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "＜script＞alert(1)＜/script＞",
    "<ſcript>alert(1)</ſcript>",
    "\u202e<script>",
    "a\x00<script>",
    "a\r\n\r\n<script>",
    "\ud800<script>",
)
KINDS = {name: view for name, view in VIEWS.items() if ":" not in name}
"""One view of each shape."""
ADDRESSES = frozenset({"action", "switch", "account", "url", "back", "links", "logo"})


def shown(view: View) -> Page:
    return read(render(view, ["en"], HERE))


@meets("X-10", "X-11", "A-20")
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_element_and_no_attribute_is_born_from_data(payload: str) -> None:
    for name, view in KINDS.items():
        for spare in (frozenset[str](), ADDRESSES):
            plain, hostile = shown(filled(view, "plain", spare=spare)), shown(filled(view, payload, spare=spare))

            assert hostile.shape() == plain.shape(), name
            assert [one.attributes.get("class") for one in hostile.all()] == [one.attributes.get("class") for one in plain.all()]


@meets("X-11", "X-20")
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_link_and_no_form_leads_where_code_runs(payload: str) -> None:
    for name, view in KINDS.items():
        page = shown(filled(view, payload))

        for one in page.all():
            for attribute in ("href", "src", "action"):
                address = one.attributes.get(attribute, "")
                assert address == "" or address.startswith("/here/assets/"), (name, one)


@pytest.mark.parametrize(
    "url,leading",
    [
        ("/here/account?x=1", True),
        ("https://a.example/", True),
        ("http://127.0.0.1:1234/cb", True),
        ("cursor://x/cb", True),
        ("com.example.app:/cb", True),
        *((payload, False) for payload in PAYLOADS),
        ("", False),
        ("file:///etc/passwd", False),
        ("account", False),
    ],
)
@meets("X-20")
def test_a_link_leads_to_our_paths_and_to_schemes_that_run_nothing(url: str, leading: bool) -> None:
    assert leads(url) == (url if leading else "")


@meets("R-85", "X-11")
@pytest.mark.parametrize("name", VIEWS)
def test_what_a_stranger_says_is_isolated_and_marked_as_said(name: str) -> None:
    view = VIEWS[name]
    ours = frozenset({"code", "description", "reference"})
    page = shown(filled(view, "zqx", spare=ours))

    said = [(text, place) for text, place in page.texts if "zqx" in text]
    assert [text for text, place in said if not place.inside("bdi", "said")] == []
    assert [text for text, _ in said if text.strip("zqx:") != ""] == []


@meets("X-10")
def test_the_fields_of_a_posted_answer_are_exactly_those_of_the_answer() -> None:
    sent = (("state", "\"'><b>\u202e\n&amp;"), ("code", "a b"), ("submit", "1"), ("id", "2"), ("state", "twice"))
    page = shown(replace(POSTED, fields=sent))

    fields = [(one.attributes["name"], one.attributes["value"]) for one in page.all("input")]
    assert fields == list(sent)


@meets("X-11")
@pytest.mark.parametrize(
    "hostile",
    [
        "\u202eevil\u202c",
        "W" * 256,
        "👩‍👩‍👧‍👦" * 36,
        "Z" + "\u0301" * 255,
        "\u200b",
        "Allow",
        "notes.example",
        "verified by this server",
        "\u202e" * 256,
    ],
)
def test_a_hostile_name_changes_nothing_around_it(hostile: str) -> None:
    hostiles, plain = replace(NOTES, name=hostile), replace(NOTES, name="plain")

    for view in (CONSENT, SIGN_IN):
        page, other = shown(replace(view, client=hostiles)), shown(replace(view, client=plain))

        around = [(text, place.tag) for text, place in page.texts if not place.inside("bdi", "said")]
        assert around == [(text, place.tag) for text, place in other.texts if not place.inside("bdi", "said")]
        assert page.text("redirect-host") == "notes.example"
        assert page.text("unverified") == "Introduced itself on 2026-11-21, not verified by anyone."
        assert page.text("client-name") == tame(hostile)


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u200d", "\u2800"])
def test_a_name_with_nothing_to_see_is_no_name(blank: str) -> None:
    page = shown(replace(CONSENT, client=replace(NOTES, name=blank)))
    account = shown(replace(ACCOUNT, allowed=(replace(ACCOUNT.allowed[0], client=replace(HELPER, name=blank)),)))

    assert page.text("client-name") == "An application without a name"
    assert page.text("client-id") == "client-1"
    assert account.text("allowed-1") == "An application without a name"


def test_half_of_a_surrogate_pair_does_not_stop_a_page() -> None:
    assert b"<main>" in render(replace(PROBLEM, description="\ud800"), ["en"], HERE)
    assert b"<main>" in render(replace(POSTED, fields=(("state", "\ud800"),)), ["en"], HERE)


def test_a_message_with_a_brace_in_its_value_stays_as_it_is() -> None:
    page = read(press(replace(CONSENT, person="{person.__class__}"), "en", texts("en"), HERE))

    assert [text for text, place in page.texts if "__class__" in text and place.inside("bdi", "said")] == ["{person.__class__}"]
