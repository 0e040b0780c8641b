"""What each page shows, and how software finds its way on it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings

from calling_card.protocol.persons.portrait import Portrait
from calling_card.web.pages.render import LANGUAGES, render
from calling_card.web.pages.views import Consent, Leaving, Posted, Problem, SignIn, View
from tests.ledger import meets
from tests.web.pages.gallery import (
    ACCOUNT,
    ANY_VIEW,
    APART,
    CODES,
    CONSENT,
    EDITOR,
    HELPER,
    KNOWN,
    LOCAL,
    MIXED_LETTERS,
    NAMELESS,
    NAMESAKE,
    NOTES,
    OPTIONS,
    OWN_LETTERS,
    POSER,
    POSTED,
    PROBLEM,
    PUBLISHED,
    SCHEMED,
    SIGN_IN,
    UNFINISHED,
    VIEWS,
    VOUCHED,
)
from tests.web.pages.reading import Element, Page, read

HERE = "https://auth.example:8443/here"
CardView: TypeAlias = Consent | SignIn | Posted | Problem
"""Views with the card of a client."""


def shown(view: View, languages: Sequence[str] = ("en",)) -> Page:
    return read(render(view, languages, HERE))


def classes(element: Element) -> str:
    return element.attributes.get("class", "")


def check_order(page: Page) -> None:
    """What holds on every page."""
    counted = Counter(one.tag for one in page.elements)
    assert [counted[tag] for tag in ("html", "head", "body", "title", "header", "main", "h1")] == [1] * 7
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert [id for id, times in Counter(ids).items() if times > 1 or not id] == []
    for one in page.elements:
        for name in ("for", "aria-describedby", "aria-labelledby"):
            assert [id for id in one.attributes.get(name, "").split() if id not in ids] == []
        assert not {"style", *(name for name in one.attributes if name.startswith("on"))} & set(one.attributes)
    labelled = {one.attributes["for"] for one in page.all("label")}
    for field in page.all("input"):
        assert field.attributes["type"] == "hidden" or "hidden" in field.attributes or field.attributes["id"] in labelled
    for form in page.all("form"):
        assert form.attributes["method"] == "post"
        assert any(one.tag == "button" and one.attributes["type"] == "submit" for one in page.elements if form in one.above)
    levels = [int(one.tag[1]) for one in page.elements if one.tag in ("h1", "h2", "h3", "h4")]
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", VIEWS)
def test_a_page_is_in_order_in_every_language(name: str, language: str) -> None:
    page = shown(VIEWS[name], [language])

    check_order(page)
    assert page.all("html")[0].attributes == {"lang": language}
    assert page.all("meta", name="viewport")[0].attributes["content"] == "width=device-width, initial-scale=1"
    assert page.all("meta", name="robots")[0].attributes["content"] == "noindex"
    assert page.all("meta", name="color-scheme")[0].attributes["content"] == "light dark"
    assert page.text("server") == "auth.example:8443"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_VIEW)
def test_whatever_a_page_is_told_it_is_in_order(view: View) -> None:
    check_order(shown(view))


@pytest.mark.parametrize("name", VIEWS)
def test_every_form_but_a_posted_answer_carries_its_transaction(name: str) -> None:
    page = shown(VIEWS[name])

    for form in page.all("form"):
        inner = [one for one in page.all("input", name="transaction") if form in one.above]
        assert [one.attributes["value"] for one in inner] == ([] if isinstance(VIEWS[name], Posted) else ["transaction-1"])


def test_a_title_says_what_the_page_is_where_and_that_something_is_wrong() -> None:
    titles = [
        next(text for text, place in shown(view, [language]).texts if place.tag == "title")
        for view, language in ((SIGN_IN, "en"), (replace(SIGN_IN, problem="busy"), "en"), (replace(ACCOUNT, problem="busy"), "ja"))
    ]

    assert titles == ["Sign in · auth.example:8443", "Problem: Sign in · auth.example:8443", "エラー：アカウント · auth.example:8443"]


@pytest.mark.parametrize(
    "issuer,start", [("https://a.example", "/assets/"), ("https://a.example/one/two", "/one/two/assets/"), ("", "/assets/")]
)
def test_assets_are_behind_the_path_of_the_issuer(issuer: str, start: str) -> None:
    page = read(render(SIGN_IN, ["en"], issuer))

    assert page.all("link", rel="stylesheet")[0].attributes["href"] == start + "style.css"


# ── Sign-in ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sign_in_asks_for_name_and_password_as_password_managers_know_it() -> None:
    page = shown(replace(SIGN_IN, name="ann"))

    name, password = page.the("name").attributes, page.the("password").attributes
    assert (name["name"], name["value"], name["autocomplete"], name["autocapitalize"], name["spellcheck"]) == (
        "name",
        "ann",
        "username webauthn",
        "none",
        "false",
    )
    assert (password["name"], password["type"], password["autocomplete"]) == ("password", "password", "current-password")
    assert "value" not in password
    assert {"required"} <= name.keys() & password.keys()
    assert page.text("submit") == "Sign in"
    assert page.the("sign-in").attributes["action"] == "/here/form"


@meets("A-95", "R-87")
def test_sign_in_shows_who_asks_and_its_pages_behind_doors_of_ours() -> None:
    page = shown(SIGN_IN)

    assert page.text("client-name") == "Paper Notes"
    assert page.text("redirect-host") == "notes.example"
    links = [one for one in page.all("a") if page.the("links") in one.above]
    assert [one.attributes["href"] for one in links] == [f"/here/leave?to={member}" for member, _ in NOTES.links]
    assert {one.attributes["rel"] for one in links} == {"noopener noreferrer nofollow"}
    assert page.text("links") == "Website notes.example Privacy policy notes.example Terms of use law.example Page notes.example"


@meets("R-87")
def test_without_a_door_a_page_of_the_client_is_text_only() -> None:
    page = shown(replace(SIGN_IN, links=()))

    assert page.all("a") == []
    assert "law.example" in page.text("links")


def test_sign_in_for_the_account_shows_no_application() -> None:
    page = shown(VIEWS["sign-in for the account"])

    assert [page.by_id(id) for id in ("client-name", "redirect-host", "links", "passkey-form")] == [None] * 4


def test_a_failed_sign_in_is_announced_and_tied_to_the_fields() -> None:
    page = shown(replace(SIGN_IN, problem="sign_in_failed"))

    assert page.the("problem").attributes["role"] == "alert"
    for id in ("name", "password"):
        assert (page.the(id).attributes["aria-invalid"], page.the(id).attributes["aria-describedby"]) == ("true", "problem")


@pytest.mark.parametrize("problem", ["throttled", "busy", "passkey_failed", "page_expired"])
def test_other_problems_blame_no_field(problem: str) -> None:
    page = shown(replace(SIGN_IN, problem=problem))

    assert page.the("problem").attributes["role"] == "alert"
    assert [one for one in page.all() if "aria-invalid" in one.attributes] == []


def test_the_passkey_button_waits_for_the_script() -> None:
    page = shown(SIGN_IN)

    form = page.the("passkey-form")
    assert "hidden" in form.attributes
    assert (form.attributes["data-passkey"], form.attributes["data-options"]) == ("get", OPTIONS)
    assert form in page.the("passkey-button").above
    assert page.hidden("passkey-form") == {"transaction": "transaction-1", "passkey": ""}
    assert [one.attributes["src"] for one in page.all("script")] == ["/here/assets/passkey.js"]


def test_without_passkeys_there_is_no_script() -> None:
    assert shown(replace(SIGN_IN, passkey_options="")).all("script") == []
    assert shown(replace(ACCOUNT, passkey_options="")).all("script") == []


# ── Consent ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-53", "D-42")
@pytest.mark.parametrize("name", [name for name, view in VIEWS.items() if isinstance(view, Consent)])
def test_cancel_and_allow_weigh_the_same_and_nothing_is_ticked(name: str) -> None:
    page = shown(VIEWS[name])

    cancel, allow = page.all("button")
    assert [(one.attributes["id"], one.attributes["name"], one.attributes["value"]) for one in (cancel, allow)] == [
        ("cancel", "decision", "cancel"),
        ("allow", "decision", "allow"),
    ]
    assert classes(cancel) == classes(allow)
    assert set(cancel.attributes) == set(allow.attributes)
    assert [one for one in page.all() if "checked" in one.attributes or "autofocus" in one.attributes] == []


def test_the_box_to_remember_is_there_only_when_it_may_be() -> None:
    box = shown(CONSENT).the("remember").attributes

    assert (box["type"], box["name"], box["value"]) == ("checkbox", "remember", "yes")
    assert shown(replace(CONSENT, rememberable=False)).by_id("remember") is None


@meets("D-42", "X-53")
def test_scopes_are_words_and_the_dangerous_ones_stand_apart() -> None:
    page = shown(CONSENT)

    strong = page.the("scopes-strong")
    apart = [text for text, place in page.texts if strong in place.above and place.inside("li")]
    listed = [
        text.strip() for text, place in page.texts if page.the("scopes") in place.above and strong not in place.above and place.tag == "li"
    ]
    assert [text.strip() for text in apart] == ["Keep access while you are away", "Use:", "files:read"]
    assert listed[:5] == [
        "Know that it is you",
        "See your profile, such as your name and picture",
        "See your email address",
        "See your phone number",
        "See your postal address",
    ]


@pytest.mark.parametrize("scope", ["other", "openid ", "OPENID", "scope.openid", "x"])
def test_a_scope_that_only_looks_known_stands_apart(scope: str) -> None:
    page = shown(replace(CONSENT, scopes=(scope,)))

    assert page.text("scopes-strong") == f"Think twice about Use: {scope.strip()}"


def test_harmless_scopes_frighten_nobody() -> None:
    assert shown(replace(CONSENT, scopes=("openid", "email"))).by_id("scopes-strong") is None


@meets("R-85", "D-42")
@pytest.mark.parametrize(
    "client,id,said",
    [
        (NOTES, "unverified", "Introduced itself on 2026-11-21, not verified by anyone."),
        (EDITOR, "vouched", "Let in on 2026-11-21 by an invitation of this server’s operator."),
        (VOUCHED, "vouched", "Vouched for by The Directory. Introduced itself on 2026-11-21."),
        (KNOWN, "vouched", "Set up on 2026-11-21 by this server’s operator."),
    ],
    ids=["introduced itself", "invited", "vouched for", "set up"],
)
def test_a_client_is_shown_with_who_vouches_for_it(client: object, id: str, said: str) -> None:
    view = next(replace(CONSENT, client=one) for one in (NOTES, EDITOR, VOUCHED, KNOWN) if one is client)

    assert shown(view).text(id) == said


def test_a_day_is_written_as_its_readers_write_it() -> None:
    page = shown(CONSENT, ["ja"])

    assert page.text("unverified").startswith("2026年11月21日に自ら登録した")
    assert [one.attributes for one in page.all("time")] == [{"datetime": "2026-11-21"}]


@meets("D-41")
def test_the_place_of_the_answer_and_its_dangers_are_shown() -> None:
    web, device, scheme = shown(CONSENT), shown(replace(CONSENT, client=HELPER)), shown(replace(CONSENT, client=EDITOR))

    assert (web.text("redirect-host"), web.by_id("loopback"), web.by_id("private-scheme")) == ("notes.example", None, None)
    assert device.text("redirect-host") == "127.0.0.1"
    assert device.text("loopback") == "An application on this device will get the access: go on only if you just started it."
    assert scheme.text("redirect-host") == "cursor:"
    assert "addresses that begin with cursor: will get the access" in scheme.text("private-scheme")


def test_a_client_without_a_name_is_called_that_and_shows_its_id() -> None:
    page = shown(replace(CONSENT, client=NAMELESS))

    assert (page.text("client-name"), page.text("client-id")) == ("An application without a name", "client-1")


@meets("D-42")
def test_consent_shows_the_account_the_resources_and_a_change() -> None:
    page = shown(replace(CONSENT, again=True))

    assert page.the("again").attributes["role"] == "alert"
    assert page.text("resource") == "api.example files.example"
    assert page.the("switch").attributes["href"] == "/here/switch"
    assert page.text("consent").startswith("You are signed in as Ann Example. Use another account")


# ── Clients that are an address ──────────────────────────────────────────────────────────────────────────────────────

WARNINGS = ("in-development", "elsewhere", "loopback", "private-scheme", "doubts")


def warned(page: Page) -> set[str]:
    """The warnings that a page has."""
    return {id for id in WARNINGS if page.by_id(id) is not None}


@meets("D-40")
@pytest.mark.parametrize(
    "client",
    [NOTES, PUBLISHED, APART, LOCAL, SCHEMED, UNFINISHED, POSER, NAMESAKE, OWN_LETTERS],
    ids=lambda client: client.host or client.redirect_host,
)
@pytest.mark.parametrize("view", [CONSENT, SIGN_IN, POSTED, PROBLEM], ids=lambda view: type(view).__name__)
def test_the_host_that_answers_for_a_client_is_always_the_first_thing_on_its_card(client: Portrait, view: CardView) -> None:
    page = shown(replace(view, client=client))

    first = next(one for one in page.all("dd"))
    id = "client-host" if client.host else "redirect-host"
    assert classes(first) == "host"
    assert first in page.the(id).above
    assert [classes(one) for one in page.all("dd")].count("host") == 1


@meets("D-42", "D-40")
def test_what_an_address_published_is_said_to_be_just_that() -> None:
    page = shown(replace(CONSENT, client=PUBLISHED))

    assert (page.text("client-host"), page.text("client-name"), page.text("redirect-host")) == (
        "notes.example",
        "Paper Notes",
        "notes.example",
    )
    assert page.text("unverified") == "Published by notes.example, not checked by anyone. First seen here on 2026-11-21."
    assert warned(page) == set()


@meets("C-29", "D-41", "D-42", "D-34")
def test_two_hosts_are_both_shown_with_a_warning_and_a_change_with_its_day() -> None:
    page = shown(replace(CONSENT, client=APART, changed=True))

    assert (page.text("client-host"), page.text("redirect-host")) == ("notes.example", "callback.example")
    assert warned(page) == {"elsewhere"}
    assert page.text("elsewhere").startswith("The access goes to callback.example, not to notes.example.")
    assert page.text("unverified").endswith("First seen here on 2026-11-21. Last changed on 2026-11-22.")
    assert page.text("changed") == "This application changed since you last allowed it. Please look again."


@meets("D-41")
@pytest.mark.parametrize("client, id, where", [(LOCAL, "loopback", "127.0.0.1"), (SCHEMED, "private-scheme", "com.example.notes:")])
def test_an_address_whose_application_is_on_this_device(client: Portrait, id: str, where: str) -> None:
    page = shown(replace(CONSENT, client=client))

    assert (page.text("client-host"), page.text("redirect-host")) == ("notes.example", where)
    assert warned(page) == {id}


@meets("D-52")
def test_what_nobody_publishes_is_marked_as_in_development() -> None:
    page, signing_in = shown(replace(CONSENT, client=UNFINISHED)), shown(replace(SIGN_IN, client=UNFINISHED))

    assert warned(page) == {"in-development", "elsewhere"}
    for one in (page, signing_in):
        assert [text for text, place in one.texts if classes(place) == "device developed"] == ["in development"]
        assert one.text("unverified").startswith("Published by nobody, checked by nobody.")


@meets("X-46", "X-51")
@pytest.mark.parametrize(
    "client, said",
    [
        (POSER, "c1aude.ai looks like claude.ai, but is somebody else’s. If you meant claude.ai, go no further."),
        (NAMESAKE, "It has the name of an application of claude.ai, but comes from notes.example. Go on only if you know who made it."),
        (
            MIXED_LETTERS,
            "xn--abc-s08fl0dtz6h.example is shown as computers write it: in its own letters it could be mistaken for another one.",
        ),
    ],
    ids=["host", "name", "letters"],
)
def test_who_is_easily_taken_for_another_is_warned_of_before_the_password_too(client: Portrait, said: str) -> None:
    for view in (CONSENT, SIGN_IN):
        assert shown(replace(view, client=client)).text("doubts") == said


@meets("X-51")
def test_a_host_is_shown_in_its_own_letters_with_the_others_beside_or_in_those_alone() -> None:
    own, mixed = shown(replace(CONSENT, client=OWN_LETTERS)), shown(replace(CONSENT, client=MIXED_LETTERS))

    assert own.text("client-host") == own.text("redirect-host") == "例え.example (xn--r8jz45g.example)"
    assert mixed.text("client-host") == "xn--abc-s08fl0dtz6h.example"
    leaving = shown(Leaving("https://xn--r8jz45g.example/", "xn--r8jz45g.example"))
    assert leaving.text("host") == "例え.example (xn--r8jz45g.example)"
    resources = shown(replace(CONSENT, resources=("xn--pple-43d.com", "xn--r8jz45g.example")))
    assert resources.text("resource") == "xn--pple-43d.com 例え.example (xn--r8jz45g.example)"
    assert (
        shown(Problem("invalid_scope", "", "", OWN_LETTERS, "https://x.example/")).text("back")
        == "Back to 例え.example (xn--r8jz45g.example)"
    )


@meets("A-95", "D-44")
@pytest.mark.parametrize("view", [CONSENT, SIGN_IN], ids=lambda view: type(view).__name__)
def test_a_picture_comes_from_a_path_of_ours_or_not_at_all(view: Consent | SignIn) -> None:
    page = shown(replace(view, logo="/here/logos/1"))

    assert page.the("logo").attributes == {"id": "logo", "class": "logo", "src": "/here/logos/1", "alt": ""}
    for elsewhere in ("", "https://notes.example/logo.png", "//notes.example/logo.png", "/\\notes.example", "data:image/png,x", "logo.png"):
        assert shown(replace(view, logo=elsewhere)).by_id("logo") is None
    assert [one.attributes["src"] for one in shown(replace(CONSENT, client=replace(PUBLISHED, logo="https://a.example/"))).all("img")] == [
        "/here/assets/mark.svg"
    ]


@meets("D-40")
def test_the_account_page_shows_the_host_of_an_address() -> None:
    page = shown(ACCOUNT)

    hosts = [
        " ".join(text for text, place in page.texts if one is place or one in place.above) for one in page.all("p", **{"class": "host"})
    ]
    assert hosts[-2:] == ["notes.example", "auth.example in development"]


# ── Account ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_action_of_the_account_page_is_a_form_of_its_own() -> None:
    page = shown(ACCOUNT)

    sent = [
        {one.attributes["name"]: one.attributes["value"] for one in page.all("input", type="hidden") if form in one.above}
        for form in page.all("form")
    ]
    assert all(one.pop("transaction") == "transaction-1" for one in sent)
    assert sent == [
        {"do": "sign_out"},
        *({"do": "withdraw", "client": f"key-{number}"} for number in range(1, 9)),
        {"do": "end_session", "session": "session-2"},
        {"do": "sign_out_elsewhere"},
        {"do": "remove_passkey", "passkey_id": "passkey-1"},
        {"do": "remove_passkey", "passkey_id": "passkey-2"},
        {"do": "add_passkey", "passkey": ""},
        {"do": "password"},
    ]
    assert {one.attributes["action"] for one in page.all("form")} == {"/here/form"}


def test_alike_buttons_say_what_they_are_about() -> None:
    page = shown(ACCOUNT)

    about = [one.attributes["aria-describedby"] for one in page.all("button") if "aria-describedby" in one.attributes]
    assert [page.text(id) for id in about if id.startswith("allowed")][:2] == ["Paper Notes", "Terminal helper"]
    assert len(about) == len(set(about)) == 11


def test_the_password_form_asks_for_the_old_one_only_if_there_is_one() -> None:
    changing, setting = shown(ACCOUNT), shown(replace(ACCOUNT, has_password=False))

    fields = [changing.the(id).attributes["autocomplete"] for id in ("current", "new", "again")]
    assert fields == ["current-password", "new-password", "new-password"]
    assert setting.by_id("current") is None
    assert setting.the("new").attributes["name"] == "new"


@pytest.mark.parametrize(
    "problem,field",
    [("password_wrong", "current"), ("password_too_short", "new"), ("password_too_long", "new"), ("password_same", "again")],
)
def test_a_problem_with_a_password_is_tied_to_its_field(problem: str, field: str) -> None:
    page = shown(replace(ACCOUNT, problem=problem))

    assert [one.attributes["id"] for one in page.all() if "aria-invalid" in one.attributes] == [field]
    assert "problem" in page.the(field).attributes["aria-describedby"].split()
    assert page.the("problem").attributes["role"] == "alert"


def test_what_was_done_is_said_politely() -> None:
    page = shown(replace(ACCOUNT, done="withdrawn"))

    assert (page.the("done").attributes["role"], page.text("done")) == ("status", "The access is withdrawn.")


# ── Everything else ──────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-81", "A-12")
@pytest.mark.parametrize("code", CODES)
def test_an_error_page_has_a_constant_text_its_code_and_what_finds_it_in_the_log(code: str) -> None:
    one, other = shown(replace(PROBLEM, code=code)), shown(replace(PROBLEM, code=code, description="other", client=None, back=""))

    assert one.text("error-code") == code
    assert one.text("reference") == "4f1d2c9a"
    assert one.text("error") == other.text("error")


def test_an_error_page_leads_back_only_when_there_is_somewhere_to_go() -> None:
    back, nowhere = shown(PROBLEM), shown(replace(PROBLEM, back=""))

    assert back.the("back").attributes == {
        "id": "back",
        "class": "button",
        "href": "https://notes.example/cb?error=invalid_request",
        "rel": "noopener noreferrer nofollow",
    }
    assert back.text("back") == "Back to notes.example"
    assert nowhere.by_id("back") is None


@meets("H-09")
def test_an_application_on_this_device_is_opened_by_a_click() -> None:
    page = shown(VIEWS["onward"])

    assert page.the("onward").attributes["href"] == "cursor://anysphere.cursor-mcp/oauth/callback?code=1"
    assert page.all("script") == page.all("form") == []
    assert [one for one in page.all("meta") if "http-equiv" in one.attributes] == []


@meets("A-20")
def test_a_posted_answer_sends_itself_and_has_a_button() -> None:
    page = shown(POSTED)

    assert page.the("posted").attributes["action"] == "https://notes.example/cb"
    assert page.hidden("posted") == {"code": "code-1", "state": "state-1"}
    assert page.text("continue") == "Continue"
    assert [one.attributes["src"] for one in page.all("script")] == ["/here/assets/submit.js"]


@meets("R-87")
def test_a_page_warns_before_a_stranger_s_site() -> None:
    page = shown(VIEWS["leaving"])

    assert (page.text("host"), page.text("url")) == ("notes.example", "https://notes.example/about")
    assert page.the("go").attributes["rel"] == "noopener noreferrer nofollow"


def test_signed_out_leads_to_the_account_page() -> None:
    assert shown(VIEWS["signed out"]).the("account").attributes["href"] == "/here/account"
