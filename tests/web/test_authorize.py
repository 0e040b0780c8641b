"""The authorization endpoint and its forms, as a browser or a script sees them: status, headers, cookies, page (RFC 6749 §3.1)."""

import base64
import re
import secrets
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from msgspec import structs

from calling_card.protocol.handles.credentials import AUTHORIZATION_CODE, read
from calling_card.usecases.operate import suspend
from tests.ledger import meets
from tests.passwords import QuickPasswords
from tests.usecases.guests import by_its_clock
from tests.visitor import PASSWORD, Browser, Page, answer_of, authorize_url, exchange, person_client, somebody
from tests.world import CALLBACK, ISSUER, Reply, World, changed, world

Card = Mapping[str, Any]
PRIVATE = "com.example.app:/cb"
FORM = {"content-type": "application/x-www-form-urlencoded"}
PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{7*7}}${7*7}<%=7*7%>",
    "\r\nSet-Cookie: a=b\r\n\r\n<script>",
    "</title><body onload=alert(1)>",
    "<!--",
    "&#60;script&#62;",
    "\u2028\u202e<b>",
    "%0d%0aLocation:%20https://evil.example",
]


@pytest.fixture
async def server(tmp_path: Path) -> World:
    made = by_its_clock(await world(tmp_path, sign_in_rate=0))
    await somebody(made)
    return made


@pytest.fixture
async def card(server: World) -> Card:
    return await person_client(server, client_name="Notes")


async def at_consent(server: World, card: Card, browser: Browser | None = None, /, **params: str) -> tuple[Browser, Reply]:
    """A signed-in browser before the question."""
    browser = browser or Browser(server)
    reply = await browser.authorize(card, **params)
    if "password" in Page(reply.body).ids:
        reply = await browser.sign_in(reply)
    assert "allow" in Page(reply.body).ids, reply.body.decode()
    return browser, reply


def policy(reply: Reply) -> dict[str, str]:
    """The content security policy, directive by directive."""
    parts = [part.strip().partition(" ") for part in reply.headers["content-security-policy"].split(";")]
    return {name: value for name, _, value in parts}


def is_page(reply: Reply, id: str) -> bool:
    """Whether it is this page of ours, with every header that pages have."""
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["strict-transport-security"] == "max-age=31536000"
    assert "access-control-allow-origin" not in reply.headers
    rules = policy(reply)
    assert (rules["default-src"], rules["frame-ancestors"], rules["base-uri"]) == ("'none'", "'none'", "'none'")
    assert "unsafe" not in reply.headers["content-security-policy"]
    assert rules.get("script-src", "'self'") == "'self'"
    return f"page-{id}" in Page(reply.body).ids


class _Parts(HTMLParser):
    """Elements, and attributes that would run a script."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(name for name, _ in attrs if name.startswith("on"))}
        self.found |= {f"{name}:{value}" for name, value in attrs if (value or "").strip().lower().startswith(("javascript:", "data:"))}


def elements(body: bytes) -> set[str]:
    """Every element of a page, and whatever on it could run a script."""
    parts = _Parts()
    parts.feed(body.decode())
    return parts.found


# ── The examples of the requirements ─────────────────────────────────────────────────────────────────────────────────


async def example(server: World, params: Mapping[str, str], code: str) -> None:
    """An example of server.md as it stands, with `error_redirects = always`, and once with `known`: a page with a link."""
    browser = Browser(server)
    url = "/authorize?" + urlencode(params)
    with changed(server, error_redirects="always"):
        sent = await browser.get(url)
    members = answer_of(sent)
    assert members["error"] == code
    assert members["iss"] == ISSUER
    assert members.get("state") == params.get("state")
    assert sent.body == b""

    shown = await browser.get(url)
    assert shown.status == 400
    assert "location" not in shown.headers
    assert is_page(shown, "problem")
    link = Page(shown.body).ids["back"]["href"]
    assert link == sent.headers["location"]
    assert Page(shown.body).texts["error-code"] == code


@meets("A-12", "A-13", "X-21", "X-93")
async def test_example_3_an_unregistered_redirect_uri(server: World) -> None:
    card = await server.register(redirect_uris=["https://a.example/cb"])
    query = {"client_id": card["client_id"], "response_type": "code", "redirect_uri": "https://a.example/cb?x=1", "state": "s"}

    for setting in ("known", "always"):
        with changed(server, error_redirects=setting):
            reply = await Browser(server).get("/authorize?" + urlencode(query))
        assert reply.status == 400
        assert "location" not in reply.headers
        assert is_page(reply, "problem")
        page = Page(reply.body)
        assert "back" not in page.ids
        assert page.texts["error-code"] == "invalid_redirect_uri"
        assert b"https://a.example/cb" not in reply.body


@meets("A-16", "A-17", "H-21")
async def test_example_4_an_error_after_verification_carries_the_issuer(tmp_path: Path) -> None:
    server = await world(tmp_path, profile="strict")
    card = await server.register(redirect_uris=["https://a.example/cb"])
    pkce = {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
    query = {"client_id": card["client_id"], "response_type": "code", "redirect_uri": "https://a.example/cb", "scope": "nope", "state": "s"}

    await example(server, query | pkce, "invalid_scope")


@meets("H-16", "A-17")
async def test_example_4_in_the_lenient_profile_asks_for_the_registered_scope(server: World) -> None:
    await somebody(server, "bob")
    card = await person_client(server, scope="openid email")

    _, page = await at_consent(server, card, scope="nope")

    assert is_page(page, "consent")


@meets("A-18", "H-21")
async def test_example_5_no_challenge_of_a_public_client(server: World) -> None:
    card = await server.register(redirect_uris=["http://127.0.0.1/cb"], token_endpoint_auth_method="none", application_type="native")
    query = {"client_id": card["client_id"], "response_type": "code", "redirect_uri": "http://127.0.0.1:49152/cb", "scope": "openid"}

    await example(server, query, "invalid_request")


@meets("A-30", "H-05", "H-21")
async def test_example_11_an_unknown_resource(server: World) -> None:
    await server.resource("https://api.example")
    card = await server.register(redirect_uris=["https://a.example/cb"])
    pkce = {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
    query = {
        "client_id": card["client_id"],
        "response_type": "code",
        "redirect_uri": "https://a.example/cb",
        "scope": "openid",
        "resource": "https://unknown.example/api",
    }

    await example(server, query | pkce, "invalid_target")


@meets("H-21")
async def test_example_12_a_request_by_reference(server: World) -> None:
    two = await server.register(redirect_uris=["https://a.example/cb", "https://a.example/other"])
    one = await server.register(redirect_uris=["https://a.example/cb"])
    reference = {"request_uri": "http://127.0.0.1:6379/x"}

    for setting in ("known", "always"):
        with changed(server, error_redirects=setting):
            reply = await Browser(server).get("/authorize?" + urlencode({"client_id": two["client_id"], **reference}))
        assert reply.status == 400
        assert "location" not in reply.headers
    await example(server, {"client_id": one["client_id"], **reference}, "request_uri_not_supported")


# ── GET and POST ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-11", "A-34")
async def test_a_form_becomes_a_get_so_that_the_session_comes_along(server: World, card: Card) -> None:
    query = authorize_url(card, state="a b&c").partition("?")[2]
    browser = Browser(server)
    browser.headers |= {"sec-fetch-site": "cross-site", "origin": "https://app.example"}

    reply = await browser.post("/authorize", dict(parse_qsl(query)))

    assert (reply.status, reply.body) == (303, b"")
    assert reply.headers["location"] == f"{ISSUER}/authorize?{query}"
    assert (reply.headers["cache-control"], reply.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert reply.cookies == ()
    assert is_page(await browser.follow(reply), "sign-in")


@meets("A-11", "X-10")
@pytest.mark.parametrize(
    "body",
    [
        b"state=a\r\nSet-Cookie: cc=1",
        b"state=a\nb",
        b"state=a b",
        b"state=a#b",
        b"state=\x00",
        b"state=\x7f",
        "state=ä".encode(),
        b"state=\xff",
    ],
)
async def test_a_body_that_could_leave_its_place_in_a_header_is_refused(server: World, body: bytes) -> None:
    reply = await server.call("POST", "/authorize", body, FORM)

    assert reply.no == (400, "invalid_request")
    assert "location" not in reply.headers
    assert reply.headers["cache-control"] == "no-store"


@meets("A-15")
async def test_a_query_that_is_not_encoded_is_refused_rather_than_changed(server: World, card: Card) -> None:
    reply = await Browser(server).get(authorize_url(card, state="") + "&state=ä")

    assert reply.status == 400
    assert is_page(reply, "problem")


@meets("A-11")
async def test_a_repeated_parameter_is_shown_and_an_unknown_one_ignored(server: World, card: Card) -> None:
    url = authorize_url(card)

    with changed(server, error_redirects="always"):
        for name in ("client_id", "redirect_uri", "state", "scope", "whatever"):
            reply = await Browser(server).get(f"{url}&{name}=x&{name}=x")
            assert reply.status == 400
            assert "location" not in reply.headers
            assert f"{name}: was sent more than once" in Page(reply.body).texts["description"]
    assert is_page(await Browser(server).get(url + "&whatever=1&cc_transaction_=x"), "sign-in")


async def test_other_methods_and_types_are_refused(server: World) -> None:
    put = await server.call("PUT", "/authorize")
    assert (put.status, put.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")
    json = await server.call("POST", "/authorize", b"{}", {"content-type": "application/json"})
    assert json.status == 415
    long = await server.call("POST", "/authorize", b"a" * 16385, FORM)
    assert long.status == 413


@meets("H-15")
async def test_head_shows_nothing_and_spends_nothing(server: World, card: Card) -> None:
    kept = await server.kept()

    reply = await server.call("HEAD", authorize_url(card), b"", {"accept": "text/html"})

    assert (reply.status, reply.body) == (200, b"")
    assert await server.kept() == kept


# ── Page or JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-28", "H-14", "M-40")
@pytest.mark.parametrize(
    "accept, page",
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("application/json, text/html", False),
        ("image/png", False),
    ],
)
async def test_browsers_get_a_page_and_scripts_json_with_the_same_status_and_reason(server: World, accept: str, page: bool) -> None:
    headers = {"accept": accept} if accept else {}

    reply = await server.call("GET", "/authorize?client_id=gone", b"", headers)

    why = "client_id: no such client; one that was removed may register again at https://as.example/register (RFC 6749 section 4.1.2.1)"
    assert reply.status == 400
    if page:
        assert is_page(reply, "problem")
        shown = Page(reply.body).texts
        assert (shown["error-code"], shown["description"]) == ("invalid_client", why)
        assert shown["reference"] == reply.headers["x-request-id"]
    else:
        assert reply.json == {"error": "invalid_client", "error_description": why}
        assert reply.headers["cache-control"] == "no-store"


@meets("H-21", "H-28")
async def test_a_mistake_of_a_stranger_is_json_for_a_script_without_a_link(server: World, card: Card) -> None:
    reply = await server.call("GET", authorize_url(card, response_type="token"), b"", {"accept": "*/*"})

    assert reply.no == (400, "unsupported_response_type")
    assert "location" not in reply.headers
    assert set(reply.json) == {"error", "error_description"}


@meets("M-40", "H-14")
async def test_a_client_that_was_deleted_or_suspended_is_an_error_page(server: World, card: Card) -> None:
    other = await person_client(server)
    await server.remove(card)
    await suspend(server.ports, other["client_id"], "tester")

    for gone in (card, other):
        reply = await Browser(server).authorize(gone)
        assert reply.status == 400
        assert is_page(reply, "problem")
        assert Page(reply.body).texts["error-code"] == "invalid_client"
    assert (await exchange(server, card, "x")).no == (401, "invalid_client")


@pytest.mark.parametrize("client_id", ["https://a.example https://b.example", "../x", "\u2603", "x" * 5000, "'; DROP TABLE clients; --"])
async def test_any_client_id_is_a_page(server: World, client_id: str) -> None:
    reply = await Browser(server).get("/authorize?" + urlencode({"client_id": client_id}))

    assert reply.status == 400
    assert client_id.encode() not in reply.body


@meets("H-15")
async def test_a_script_that_looks_first_sees_a_page_and_the_browser_after_it_too(server: World, card: Card) -> None:
    url = authorize_url(card)
    kept = await server.kept()

    for _ in range(3):
        looked = await server.call("GET", url, b"", {"accept": "*/*", "user-agent": "python-httpx2/1.0"})
        assert looked.status == 200
        assert is_page(looked, "sign-in")
    assert await server.kept() == kept
    assert "code" in await Browser(server).allow(card)


# ── Signing in ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-32", "A-34", "A-95", "A-10")
async def test_the_way_from_the_client_to_the_code_step_by_step(server: World) -> None:
    card = await person_client(
        server, client_name="Notes", client_uri="https://app.example", policy_uri="https://app.example/p", tos_uri="https://app.example/t"
    )
    browser = Browser(server)

    first = await browser.get(authorize_url(card, login_hint="alice"))
    assert (first.status, is_page(first, "sign-in")) == (200, True)
    assert policy(first)["form-action"] == "'self' https:"
    page = Page(first.body)
    assert page.ids["name"]["value"] == "alice"
    assert page.ids["sign-in"]["action"] == "/sign-in"
    assert page.texts["client-name"].strip("“”") == "Notes"
    assert {"unverified", "redirect-host", "links"} <= set(page.ids)
    assert [line.partition("=")[0] for line in first.cookies] == ["__Host-cc_browser"]

    sent = await browser.post("/sign-in", {"transaction": page.hidden["transaction"], "name": "alice", "password": PASSWORD})
    assert (sent.status, sent.body) == (303, b"")
    assert sent.headers["location"].startswith(f"{ISSUER}/authorize?client_id=")
    assert (sent.headers["cache-control"], sent.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert [line.partition("=")[0] for line in sent.cookies] == ["__Host-cc_session"]

    asked = await browser.follow(sent)
    assert (asked.status, is_page(asked, "consent"), asked.cookies) == (200, True, ())
    assert policy(asked)["form-action"] == "'self' https:"

    given = await browser.decide(asked)
    assert (given.status, given.body) == (303, b"")
    assert (given.headers["cache-control"], given.headers["referrer-policy"]) == ("no-store", "no-referrer")
    parts = urlsplit(given.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == CALLBACK
    members = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert set(members) == {"code", "state", "iss"}
    assert (members["state"], members["iss"]) == ("st", ISSUER)
    handle = read(server.ports.keyring, ISSUER, AUTHORIZATION_CODE, members["code"])
    assert handle is not None


@pytest.mark.parametrize(
    "name, password, status, problem",
    [("alice", "wrong", 400, True), ("nobody", PASSWORD, 400, True), ("", "", 400, True), ("x" * 300, PASSWORD, 400, True)],
    ids=["wrong password", "unknown name", "nothing", "long name"],
)
async def test_a_failed_sign_in_shows_the_form_again_with_the_name_and_without_the_password(
    server: World, card: Card, name: str, password: str, status: int, problem: bool
) -> None:
    browser = Browser(server)
    first = await browser.authorize(card)

    reply = await browser.post("/sign-in", {"transaction": Page(first.body).hidden["transaction"], "name": name, "password": password})

    assert (reply.status, is_page(reply, "sign-in"), reply.cookies) == (status, True, ())
    page = Page(reply.body)
    assert ("problem" in page.ids) is problem
    assert page.ids["name"]["value"] == name[:100]
    assert not password or password.encode() not in reply.body
    assert policy(reply)["form-action"] == "'self' https:"
    assert is_page(await browser.sign_in(reply), "consent")


async def test_after_too_many_tries_or_in_a_crowd_the_page_says_when_to_come_back(tmp_path: Path) -> None:
    server = by_its_clock(await world(tmp_path))
    await somebody(server)
    card = await person_client(server)
    browser = Browser(server)
    first = await browser.authorize(card)
    for _ in range(10):
        assert (await browser.sign_in(first, password="wrong")).status == 400

    throttled = await browser.sign_in(first)
    assert (throttled.status, is_page(throttled, "sign-in")) == (429, True)
    assert throttled.headers["retry-after"] == "7"
    hashing = server.ports.passwords
    assert isinstance(hashing, QuickPasswords)
    hashing.busy = True
    busy = await browser.sign_in(first, name="bob")
    assert (busy.status, busy.headers["retry-after"], is_page(busy, "sign-in")) == (503, "2", True)


async def test_a_passkey_that_proves_nothing_is_told_as_such(server: World, card: Card) -> None:
    browser = Browser(server)
    first = await browser.authorize(card)

    reply = await browser.post("/sign-in", {"transaction": Page(first.body).hidden["transaction"], "passkey": "{}"})

    assert (reply.status, is_page(reply, "sign-in")) == (400, True)
    assert Page(reply.body).texts["problem"] != Page((await browser.sign_in(first, password="wrong")).body).texts["problem"]


@meets("A-32", "X-55")
async def test_signing_in_again_gives_another_session_and_the_old_cookie_is_worthless(server: World, card: Card) -> None:
    browser = Browser(server)
    await at_consent(server, card, browser)
    old = dict(browser.cookies)

    page = await browser.authorize(card, prompt="login")
    assert "password" in Page(page.body).ids
    await browser.sign_in(page)

    assert browser.cookies["__Host-cc_session"] != old["__Host-cc_session"]
    assert browser.cookies["__Host-cc_browser"] == old["__Host-cc_browser"]
    thief = Browser(server, cookies=old)
    assert "password" in Page((await thief.authorize(card)).body).ids


@meets("A-32", "X-55")
async def test_a_cookie_that_was_there_before_is_never_made_a_session(server: World, card: Card) -> None:
    planted = Browser(server, cookies={"__Host-cc_session": "cc_session_planted", "__Host-cc_browser": "AAAA"})

    await at_consent(server, card, planted)

    assert planted.cookies["__Host-cc_session"] != "cc_session_planted"
    assert len(base64.urlsafe_b64decode(planted.cookies["__Host-cc_browser"] + "==")) == 16


@meets("A-22")
@pytest.mark.parametrize("prompt", ["", "consent", "login", "login consent"])
async def test_another_account_can_be_used_whatever_the_request_prompts_for(server: World, card: Card, prompt: str) -> None:
    await somebody(server, "bob")
    browser, asked = await at_consent(server, card, prompt=prompt)
    server.clock.forward(5)

    switched = await browser.get(Page(asked.body).ids["switch"]["href"] or "")
    assert (switched.status, is_page(switched, "sign-in")) == (200, True)
    as_bob = await browser.sign_in(switched, "bob")

    assert is_page(as_bob, "consent")
    assert "bob" in as_bob.body.decode()
    assert answer_of(await browser.decide(as_bob))["state"] == "st"


@meets("A-32", "X-54", "X-55", "X-85")
async def test_a_sign_in_form_from_another_browser_is_refused(server: World, card: Card) -> None:
    attacker, victim = Browser(server), Browser(server)
    planted = Page((await attacker.authorize(card)).body).hidden["transaction"]
    await victim.authorize(card)

    for browser in (victim, Browser(server)):
        reply = await browser.post("/sign-in", {"transaction": planted, "name": "alice", "password": PASSWORD})
        assert reply.status == 400
        assert is_page(reply, "problem")
        assert Page(reply.body).texts["error-code"] == "page_expired"
        assert not any("session" in line for line in reply.cookies)


async def test_a_form_that_was_open_for_too_long_is_refused(server: World, card: Card) -> None:
    browser, asked = await at_consent(server, card)
    signing_in = await browser.authorize(card, prompt="login")
    server.clock.forward(1800)

    for reply in (await browser.decide(asked), await browser.sign_in(signing_in)):
        assert reply.status == 400
        assert Page(reply.body).texts["error-code"] == "page_expired"


async def test_who_asks_for_a_form_by_its_address_is_sent_to_the_account(server: World) -> None:
    for path in ("/sign-in", "/consent"):
        reply = await Browser(server).get(path)
        assert (reply.status, reply.headers["location"]) == (303, f"{ISSUER}/account")


# ── Consent ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-40", "D-41", "D-42", "R-85", "X-53")
async def test_the_question_names_the_host_first_marks_what_is_only_said_and_ticks_nothing(server: World) -> None:
    card = await person_client(server, client_name="Bank of Trust", policy_uri="https://app.example/p", scope="openid email offline_access")

    _, asked = await at_consent(server, card, scope="openid email offline_access", resource="https://api.example/v1")

    page, body = Page(asked.body), asked.body.decode()
    assert page.texts["redirect-host"].strip() == "app.example"
    assert body.index('id="redirect-host"') < body.index('id="client-name"')
    assert "Bank of Trust" in page.texts["client-name"]
    assert "not verified" in page.texts["unverified"]
    assert "2027-01-15" in page.texts["unverified"]
    assert "api.example" in page.texts["resource"]
    assert "email address" in page.texts["scopes"]
    assert "while you are away" in page.texts["scopes-strong"]
    assert "alice" in page.texts["consent"]
    assert "checked" not in page.ids["remember"]
    assert body.count('type="checkbox"') == 1
    allow, cancel = page.ids["allow"], page.ids["cancel"]
    assert {name: value for name, value in allow.items() if name not in ("id", "value")} == {
        name: value for name, value in cancel.items() if name not in ("id", "value")
    }
    assert re.findall(r'href="(https?:[^"]*)"', body) == []


@meets("D-42", "X-23")
async def test_links_of_the_client_lead_to_a_page_that_warns_first(server: World) -> None:
    card = await person_client(server, tos_uri="https://app.example/terms")
    browser, asked = await at_consent(server, card)
    links = re.findall(r'href="(/leave\?to=[^"]+)"', asked.body.decode())
    assert len(links) == 1

    leaving = await browser.get(links[0])
    assert (leaving.status, is_page(leaving, "leaving")) == (200, True)
    assert policy(leaving)["form-action"] == "'none'"
    assert 'href="https://app.example/terms"' in leaving.body.decode()
    for altered in (links[0][:-1], links[0] + "A", "/leave?to=https://evil.example", "/leave", "/leave?to="):
        reply = await browser.get(altered)
        assert reply.status == 400
        assert b"evil.example" not in reply.body


@meets("D-41", "H-09")
@pytest.mark.parametrize("uri, warning", [("http://127.0.0.1:4711/cb", "loopback"), (PRIVATE, "private-scheme"), (CALLBACK, "")])
async def test_what_stays_on_the_device_is_said_and_never_remembered_without_a_secret(server: World, uri: str, warning: str) -> None:
    card = await person_client(server, redirect_uris=[uri], application_type="web" if uri == CALLBACK else "native")

    _, asked = await at_consent(server, card, redirect_uri=uri)

    page = Page(asked.body)
    assert {"loopback", "private-scheme"} & set(page.ids) == ({warning} if warning else set())
    assert ("remember" in page.ids) is (uri == CALLBACK)


@meets("D-42")
@pytest.mark.parametrize("fields", [{}, {"remember": "yes"}])
async def test_no_is_told_to_the_client_and_nothing_is_kept(server: World, card: Card, fields: dict[str, str]) -> None:
    browser, asked = await at_consent(server, card)
    kept = await server.kept()

    reply = await browser.decide(asked, "cancel", **fields)

    assert answer_of(reply) == {"error": "access_denied", "error_description": "the person said no", "state": "st", "iss": ISSUER}
    assert await server.kept() == kept


@pytest.mark.parametrize("decision", ["", "yes", "ALLOW", "allow,cancel"])
async def test_a_decision_is_yes_or_no(server: World, card: Card, decision: str) -> None:
    browser, asked = await at_consent(server, card)

    reply = await browser.decide(asked, decision)

    assert reply.status == 400
    assert Page(reply.body).texts["description"] == "decision: must be allow or cancel"


@meets("X-72", "X-86")
async def test_nothing_else_in_the_form_has_any_effect(server: World, card: Card) -> None:
    browser, asked = await at_consent(server, card, scope="openid")

    reply = await browser.decide(
        asked,
        redirect_uri="https://evil.example/cb",
        client_id="other",
        scope="openid email offline_access",
        state="evil",
        response_mode="fragment",
        resource="https://evil.example",
        code_challenge="x",
    )

    assert reply.headers["location"].startswith(CALLBACK + "?code=")
    assert answer_of(reply)["state"] == "st"
    assert (await server.told("grant_given"))[0]["body"] | {"person": ""} == {
        "person": "",
        "scope": "openid",
        "resource": "",
        "remembered": False,
        "asked": True,
    }


@meets("A-33")
async def test_a_remembered_yes_goes_straight_back_until_the_client_changes(server: World, card: Card) -> None:
    browser, asked = await at_consent(server, card)
    await browser.decide(asked, remember="yes")

    straight = await browser.get(authorize_url(card))
    assert "code" in answer_of(straight)
    assert (straight.headers["cache-control"], straight.headers["referrer-policy"]) == ("no-store", "no-referrer")
    await server.replaced(card, client_name="Bank")
    again = await browser.get(authorize_url(card))
    assert is_page(again, "consent")
    assert {"changed", "again"} & set(Page(again.body).ids) == {"changed"}


async def test_a_client_that_changed_while_the_page_was_open_is_shown_again(server: World, card: Card) -> None:
    browser, asked = await at_consent(server, card)
    await server.replaced(card, client_name="Bank")

    again = await browser.decide(asked)

    assert (again.status, is_page(again, "consent")) == (200, True)
    assert "again" in Page(again.body).ids
    assert "Bank" in Page(again.body).texts["client-name"]
    assert "code" in answer_of(await browser.decide(again))


@meets("X-55", "X-85", "A-32")
async def test_security_12_another_browser_finishes_the_flow(server: World, card: Card) -> None:
    await somebody(server, "victim")
    attacker, asked = await at_consent(server, card)
    victim = Browser(server)
    await victim.sign_in(await victim.get("/account"), "victim")
    kept = await server.kept()

    reply = await victim.decide(asked)

    assert reply.status == 400
    assert Page(reply.body).texts["error-code"] == "page_expired"
    assert "location" not in reply.headers
    assert await server.kept() == kept
    assert "code" in answer_of(await attacker.decide(asked))


@meets("X-53")
async def test_too_many_questions_are_a_page_that_says_when_to_come_back(server: World, card: Card) -> None:
    browser, _ = await at_consent(server, card)
    for _ in range(19):
        assert is_page(await browser.get(authorize_url(card)), "consent")

    reply = await browser.get(authorize_url(card))

    assert (reply.status, is_page(reply, "problem")) == (429, True)
    assert reply.headers["retry-after"] == "4"
    assert "location" not in reply.headers


# ── From elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────────


FOREIGN = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": "null"},
    {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
    {"origin": "https://evil.example"},
    {"origin": "http://as.example"},
    {"origin": "https://as.example.evil.example"},
    {"origin": "https://as.example:8443"},
    {"origin": "https://xas.example"},
    {"origin": "file://"},
    {"origin": "x"},
]
OURS = [
    {},
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
    {"origin": "null"},
    {"origin": "https://as.example"},
    {"sec-fetch-site": "same-origin", "origin": "null"},
    {"sec-fetch-site": "same-origin", "origin": "https://as.example"},
]


@meets("A-32", "X-54")
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_a_form_that_another_site_sent_does_nothing(server: World, card: Card, headers: dict[str, str]) -> None:
    browser, asked = await at_consent(server, card)
    signing_in = Page((await browser.authorize(card, prompt="login")).body).hidden["transaction"]
    account = Page((await browser.get("/account")).body).hidden["transaction"]
    kept = await server.kept()
    browser.headers |= headers

    for reply in (
        await browser.decide(asked),
        await browser.post("/sign-in", {"transaction": signing_in, "name": "alice", "password": PASSWORD}),
        await browser.post("/account", {"transaction": account, "do": "sign_out"}),
    ):
        assert reply.status == 403
        assert is_page(reply, "problem")
        assert Page(reply.body).texts["error-code"] == "cross_site"
        assert reply.cookies == ()
    assert await server.kept() == kept


@meets("X-54")
@pytest.mark.parametrize("headers", OURS, ids=str)
async def test_a_form_of_ours_is_taken_whatever_the_browser_tells_of_it(server: World, card: Card, headers: dict[str, str]) -> None:
    browser, asked = await at_consent(server, card)
    browser.headers |= headers

    assert "code" in answer_of(await browser.decide(asked))


@meets("X-54")
async def test_an_origin_that_was_sent_twice_is_refused(server: World, card: Card) -> None:
    browser, asked = await at_consent(server, card)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    body = urlencode({"transaction": Page(asked.body).hidden["transaction"], "decision": "allow"}).encode()

    for name in ("origin", "sec-fetch-site"):
        pairs = [(name, "https://as.example"), (name, "https://evil.example"), ("cookie", cookie), *FORM.items()]
        assert (await server.call("POST", "/consent", body, pairs)).no == (400, "invalid_request")


# ── How answers travel ───────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-16", "A-20", "X-28")
async def test_an_answer_in_the_fragment(server: World, card: Card) -> None:
    browser, asked = await at_consent(server, card, response_mode="fragment")

    reply = await browser.decide(asked)

    assert reply.headers["location"].startswith(CALLBACK + "#code=")
    assert answer_of(reply)["iss"] == ISSUER


@meets("A-16", "A-20", "X-28", "X-54")
@pytest.mark.parametrize("decision, member", [("allow", "code"), ("cancel", "error")])
async def test_an_answer_by_form_post_is_a_page_that_may_send_one_form_to_one_place(
    server: World, card: Card, decision: str, member: str
) -> None:
    browser, asked = await at_consent(server, card, response_mode="form_post")

    reply = await browser.decide(asked, decision)

    assert (reply.status, is_page(reply, "posted")) == (200, True)
    page = Page(reply.body)
    assert (page.ids["posted"]["action"], page.ids["posted"]["method"]) == (CALLBACK, "post")
    assert set(page.hidden) - {"error_description"} == {member, "state", "iss"}
    assert (page.hidden["state"], page.hidden["iss"]) == ("st", ISSUER)
    assert policy(reply)["form-action"] == "https:"
    assert policy(reply)["script-src"] == "'self'"
    assert elements(reply.body) & {"iframe", "img", "style"} <= {"img"}
    assert re.findall(rb"<script(?![^>]*\ssrc=)", reply.body) == []


@meets("H-21", "A-20")
async def test_a_mistake_of_a_stranger_by_form_post_is_shown_with_a_plain_link(server: World, card: Card) -> None:
    reply = await Browser(server).authorize(card, response_mode="form_post", response_type="token")

    link = Page(reply.body).ids["back"]["href"] or ""
    assert (reply.status, link.startswith(CALLBACK + "?error=unsupported_response_type")) == (400, True)
    in_fragment = await Browser(server).authorize(card, response_mode="fragment", response_type="token")
    assert (Page(in_fragment.body).ids["back"]["href"] or "").startswith(CALLBACK + "#error=")


@meets("H-09")
async def test_an_application_on_the_device_is_reached_by_a_click_of_the_person(server: World) -> None:
    card = await person_client(server, redirect_uris=[PRIVATE], application_type="native", token_endpoint_auth_method="client_secret_basic")
    browser, asked = await at_consent(server, card, redirect_uri=PRIVATE, response_mode="form_post")
    after_a_click = await browser.decide(asked, remember="yes")
    assert (after_a_click.status, after_a_click.headers["location"].startswith(PRIVATE + "?code=")) == (303, True)

    without = await browser.authorize(card, redirect_uri=PRIVATE, response_mode="form_post")
    assert (without.status, is_page(without, "onward")) == (200, True)
    assert "location" not in without.headers
    assert (Page(without.body).ids["onward"]["href"] or "").startswith(PRIVATE + "?code=")
    assert policy(without)["form-action"] == "'none'"
    with changed(server, error_redirects="always"):
        mistake = await browser.authorize(card, redirect_uri=PRIVATE, prompt="none login")
    assert is_page(mistake, "onward")
    assert "error=invalid_request" in (Page(mistake.body).ids["onward"]["href"] or "")


@meets("X-20")
async def test_a_dangerous_redirect_uri_in_an_old_record_is_a_page_without_a_link(server: World, card: Card) -> None:
    row = await server.row(card)
    metadata = row.metadata.replace(CALLBACK.encode(), b"javascript:alert(1)")
    await server.ports.store.replace(row, structs.replace(row, metadata=metadata), None)

    reply = await Browser(server).authorize(card, redirect_uri="javascript:alert(1)")

    assert (reply.status, is_page(reply, "problem")) == (400, True)
    assert b"javascript:" not in reply.body


# ── Strangers' texts ─────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-10", "A-15", "A-20")
@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
async def test_no_parameter_can_write_into_a_page(server: World, card: Card, payload: str) -> None:
    plain = {name: elements((await Browser(server).authorize(card, **{name: "x"})).body) for name in ("login_hint", "ui_locales")}
    for name, usual in plain.items():
        reply = await Browser(server).authorize(card, **{name: payload})
        assert {one for one in elements(reply.body) if not one.startswith("value:")} <= usual

    problem = elements((await Browser(server).authorize(card, response_type="x")).body)
    for name in ("client_id", "redirect_uri", "response_type", "response_mode", "scope", "prompt", "max_age", "id_token_hint", "resource"):
        reply = await Browser(server).authorize(card, **{name: payload, "nonce": "n"})
        assert elements(reply.body) <= problem | {"script", "form", "input", "button", "label", "section", "ul", "li", "div"}
        assert re.findall(rb"<script(?![^>]*\ssrc=\"/assets/)", reply.body) == []


@meets("X-10", "A-15", "A-20")
@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
async def test_a_state_comes_back_as_it_was_by_every_way(server: World, card: Card, payload: str) -> None:
    for mode in ("query", "fragment", "form_post"):
        browser, asked = await at_consent(server, card, state=payload, response_mode=mode)
        reply = await browser.decide(asked)
        if mode == "form_post":
            assert Page(reply.body).hidden["state"] == payload
            assert re.findall(rb"<script(?![^>]*\ssrc=\"/assets/)", reply.body) == []
            assert "svg" not in elements(reply.body)
        else:
            parts = urlsplit(reply.headers["location"])
            assert dict(parse_qsl(parts.query or parts.fragment))["state"] == payload
            assert "\r" not in reply.headers["location"]


@meets("X-11")
@pytest.mark.parametrize("payload", [one for one in PAYLOADS if one.isprintable()], ids=ascii)
async def test_what_a_client_says_of_itself_is_text_on_every_page(server: World, payload: str) -> None:
    card = await person_client(server, client_name=payload, **{"client_name#ja": payload})
    usual = await person_client(server, client_name="Notes")
    seen: list[list[set[str]]] = []

    for one in (usual, card):
        browser = Browser(server)
        pages = [await browser.authorize(one), await browser.authorize(one, response_type="token")]
        _, asked = await at_consent(server, one, browser)
        code = answer_of(await browser.decide(asked))["code"]
        assert (await exchange(server, one, code)).status == 200
        pages += [asked, await browser.get("/account"), await browser.authorize(one, prompt="none")]
        seen.append([elements(page.body) for page in pages[:4]])
        for page in pages[:4]:
            assert re.findall(rb"<script(?![^>]*\ssrc=\"/assets/)", page.body) == []
    assert seen[0] == seen[1]


@meets("R-53", "A-24")
async def test_pages_speak_the_language_of_the_request_or_else_of_the_browser(server: World, card: Card) -> None:
    await server.replaced(card, **{"client_name": "Notes", "client_name#ja": "メモ帳"})
    japanese = Browser(server)
    japanese.headers |= {"accept-language": "ja-JP,en;q=0.5"}

    for browser, params, language, name in (
        (japanese, {}, "ja", "メモ帳"),
        (japanese, {"ui_locales": "en"}, "en", "メモ帳"),
        (japanese, {"ui_locales": "xx"}, "ja", "メモ帳"),
        (Browser(server), {"ui_locales": "ja"}, "ja", "メモ帳"),
        (Browser(server), {}, "en", "Notes"),
    ):
        page = await browser.authorize(card, **params)
        assert f'<html lang="{language}"' in page.body.decode()
        assert name in Page(page.body).texts["client-name"]
        asked = await browser.sign_in(page) if "password" in Page(page.body).ids else page
        assert f'<html lang="{language}"' in asked.body.decode()
        wrong = await browser.authorize(card, response_type="token", **params)
        assert f'<html lang="{language}"' in wrong.body.decode()
        browser.cookies.clear()


# ── An issuer with a path ────────────────────────────────────────────────────────────────────────────────────────────


async def test_under_a_path_every_form_cookie_and_asset_is_under_it(tmp_path: Path) -> None:
    server = await world(tmp_path, issuer="https://as.example/tenant")
    await somebody(server)
    reply = await server.post_json("/tenant/register", {"redirect_uris": [CALLBACK], "tos_uri": "https://app.example/t", "scope": "openid"})
    card = reply.json
    browser = Browser(server)

    first = await browser.get("/tenant" + authorize_url(card))
    page = Page(first.body)
    assert page.ids["sign-in"]["action"] == "/tenant/sign-in"
    assert all("; Path=/tenant; " in line and line.startswith("__Secure-cc_") for line in first.cookies)
    for asset in re.findall(r'(?:href|src)="([^"]*assets[^"]*)"', first.body.decode()):
        assert (await browser.get(asset)).status == 200
    sent = await browser.post("/tenant/sign-in", {"transaction": page.hidden["transaction"], "name": "alice", "password": PASSWORD})
    assert sent.headers["location"].startswith("https://as.example/tenant/authorize?")
    asked = await browser.get(sent.headers["location"])
    assert Page(asked.body).ids["consent"]["action"] == "/tenant/consent"
    assert all(link.startswith("/tenant/") for link in re.findall(r'href="(/[^"]*)"', asked.body.decode()))
    given = await browser.post("/tenant/consent", {"transaction": Page(asked.body).hidden["transaction"], "decision": "allow"})
    assert answer_of(given)["iss"] == "https://as.example/tenant"


# ── Size ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_longest_request_still_gets_through_every_form(server: World, card: Card) -> None:
    browser = Browser(server)
    url = authorize_url(card)
    long = url + "&x=" + "y" * (16384 - len(url) + len("/authorize?") - len("&x="))

    asked = await browser.sign_in(await browser.get(long))
    assert is_page(asked, "consent")
    assert "code" in answer_of(await browser.decide(asked))
    too_long = await browser.get(long + "y")
    assert (too_long.status, is_page(too_long, "problem")) == (400, True)


async def test_no_two_codes_are_alike(server: World, card: Card) -> None:
    browser, asked = await at_consent(server, card)
    await browser.decide(asked, remember="yes")

    codes = [answer_of(await browser.authorize(card, nonce=secrets.token_hex(4)))["code"] for _ in range(5)]

    assert len(set(codes)) == 5
    assert all(code.startswith("cc_") for code in codes)
