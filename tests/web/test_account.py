"""The account page and what stands around it, as a browser sees it: status, headers, cookies, page (DESIGN "People")."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from calling_card.ports import StoreUnavailable
from calling_card.protocol import base64url
from calling_card.store.memory import MemoryStore
from tests.keys.device import Device
from tests.ledger import meets
from tests.passwords import QuickPasswords
from tests.usecases.guests import by_its_clock
from tests.visitor import PASSWORD, Browser, Page, answer_of, authorize_url, exchange, person_client, refresh, somebody, tokens
from tests.world import ISSUER, Reply, World, world

NEW = "another good password"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    made = await world(tmp_path, sign_in_rate=0)
    await somebody(made)
    return made


@pytest.fixture
async def browser(server: World) -> Browser:
    """Alice is signed in here."""
    made = Browser(server)
    assert "page-account" in Page((await made.sign_in(await made.get("/account"))).body).ids
    return made


async def do(browser: Browser, what: str, **fields: str) -> Reply:
    """Send one form of the page."""
    page = Page((await browser.get("/account")).body)
    return await browser.post("/account", {"transaction": page.hidden["transaction"], "do": what, **fields})


def has(reply: Reply, id: str) -> bool:
    """Whether the page shows this."""
    return id in Page(reply.body).ids


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-32", "A-10")
async def test_who_is_not_signed_in_is_asked_to_and_comes_to_the_page(server: World) -> None:
    browser = Browser(server)

    first = await browser.get("/account")
    assert (first.status, has(first, "page-sign-in"), has(first, "client-name")) == (200, True, False)
    assert "form-action 'self';" in first.headers["content-security-policy"] + ";"
    sent = await browser.post("/sign-in", {"transaction": Page(first.body).hidden["transaction"], "name": "alice", "password": PASSWORD})
    assert (sent.status, sent.headers["location"], sent.body) == (303, f"{ISSUER}/account", b"")
    assert [line.partition("=")[0] for line in sent.cookies] == ["__Host-cc_session"]
    assert re.search(r"; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=1209600$", sent.cookies[0])

    page = await browser.follow(sent)
    assert (page.status, has(page, "page-account"), page.cookies) == (200, True, ())
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "access-control-allow-origin" not in page.headers


@pytest.mark.parametrize("name, password, status", [("alice", "wrong", 400), ("", "", 400)])
async def test_a_failed_sign_in_shows_the_form_again(server: World, name: str, password: str, status: int) -> None:
    browser = Browser(server)

    reply = await browser.sign_in(await browser.get("/account"), name, password)

    assert (reply.status, has(reply, "page-sign-in"), has(reply, "problem")) == (status, True, True)
    assert Page(reply.body).ids["name"]["value"] == name
    assert has(await browser.sign_in(reply), "page-account")


async def test_when_too_many_sign_in_the_page_says_when_to_come_back(server: World) -> None:
    browser = Browser(server)
    hashing = server.ports.passwords
    assert isinstance(hashing, QuickPasswords)
    first = await browser.get("/account")

    hashing.busy = True
    reply = await browser.sign_in(first)

    assert (reply.status, reply.headers["retry-after"], has(reply, "problem")) == (503, "2", True)


async def test_the_page_shows_who_was_allowed_what_and_where_it_leads(server: World, browser: Browser) -> None:
    await tokens(server, await person_client(server, client_name="Notes"), scope="openid email")
    silent = await person_client(server, client_name="Silent", scope="profile")
    code = (await Browser(server).allow(silent, redirect_uri="", scope="profile"))["code"]
    assert (await exchange(server, silent, code, redirect_uri="")).status == 200

    body = (await browser.get("/account")).body.decode()

    assert body.count("app.example") >= 2
    assert "Notes" in body
    assert "Silent" in body
    assert "private" not in body.lower()
    assert "Example/1.0" in body


@pytest.mark.parametrize("done, shown", [("withdrawn", True), ("password_changed", True), ("", False), ("<b>", False), ("nope", False)])
async def test_the_page_says_what_was_done_only_in_its_own_words(browser: Browser, done: str, shown: bool) -> None:
    reply = await browser.get(f"/account?done={done}")

    assert (reply.status, has(reply, "done")) == (200, shown)
    assert b"<b>" not in reply.body


# ── Its forms ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_withdrawn_is_dead_when_the_answer_is_there(server: World, browser: Browser) -> None:
    card = await person_client(server, client_name="Notes")
    got = await tokens(server, card)
    key = re.findall(r'name="client" value="([^"]+)"', (await browser.get("/account")).body.decode())
    assert key == [base64url.encode((await server.row(card)).key)]

    reply = await do(browser, "withdraw", client=key[0])

    assert (reply.status, reply.headers["location"], reply.cookies) == (303, f"{ISSUER}/account?done=withdrawn", ())
    assert (await refresh(server, card, got["refresh_token"])).no == (400, "invalid_grant")
    assert (await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {got['access_token']}"})).status == 401
    after = await browser.follow(reply)
    assert has(after, "done")
    assert b"Notes" not in after.body


@pytest.mark.parametrize("key", ["", "!", "AAA", "A" * 22, "A" * 500, "ä", "AAAA="])
@pytest.mark.parametrize("what, field", [("withdraw", "client"), ("end_session", "session"), ("remove_passkey", "passkey_id")])
async def test_what_is_not_there_is_taken_back_without_a_word(browser: Browser, what: str, field: str, key: str) -> None:
    reply = await do(browser, what, **{field: key})

    assert reply.status == 303
    assert has(await browser.get("/account"), "page-account")


async def test_signing_out_ends_the_session_and_takes_the_cookie(browser: Browser) -> None:
    before = dict(browser.cookies)

    reply = await do(browser, "sign_out")

    assert (reply.status, has(reply, "page-signed-out")) == (200, True)
    assert reply.cookies == ("__Host-cc_session=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0",)
    assert "__Host-cc_session" not in browser.cookies
    browser.cookies = before
    assert has(await browser.get("/account"), "page-sign-in")


async def test_other_sessions_are_ended_one_by_one_or_all_at_once(server: World, browser: Browser) -> None:
    others = [Browser(server) for _ in range(3)]
    for other in others:
        await other.sign_in(await other.get("/account"))
    keys = re.findall(r'name="session" value="([^"]+)"', (await browser.get("/account")).body.decode())
    assert len(keys) == 3

    one = await do(browser, "end_session", session=keys[0])
    assert one.headers["location"] == f"{ISSUER}/account?done=session_ended"
    assert [has(await other.get("/account"), "page-account") for other in others].count(False) == 1
    rest = await do(browser, "sign_out_elsewhere")
    assert rest.headers["location"] == f"{ISSUER}/account?done=sessions_ended"
    assert not any([has(await other.get("/account"), "page-account") for other in others])
    assert has(await browser.get("/account"), "page-account")


async def test_another_password_keeps_this_browser_signed_in_with_a_new_cookie(server: World, browser: Browser) -> None:
    other, before = Browser(server), browser.cookies["__Host-cc_session"]
    await other.sign_in(await other.get("/account"))

    reply = await do(browser, "password", current=PASSWORD, new=NEW, again=NEW)

    assert (reply.status, reply.headers["location"]) == (303, f"{ISSUER}/account?done=password_changed")
    assert len(reply.cookies) == 1
    assert browser.cookies["__Host-cc_session"] != before
    assert has(await browser.follow(reply), "done")
    assert has(await other.get("/account"), "page-sign-in")


@pytest.mark.parametrize(
    "fields",
    [
        {"current": "zq-wrong", "new": NEW, "again": NEW},
        {"current": PASSWORD, "new": NEW, "again": "zq-differs"},
        {"current": PASSWORD, "new": "zq-few", "again": "zq-few"},
        {"current": PASSWORD, "new": "x" * 300, "again": "x" * 300},
        {},
    ],
    ids=["wrong", "not twice", "too short", "too long", "nothing"],
)
async def test_a_password_that_cannot_be_changed_is_told_on_the_page(browser: Browser, fields: Mapping[str, str]) -> None:
    reply = await do(browser, "password", **fields)

    assert (reply.status, has(reply, "page-account"), has(reply, "problem"), reply.cookies) == (400, True, True, ())
    for secret in fields.values():
        assert secret.encode() not in reply.body


async def test_too_many_tries_at_the_password_are_told_with_when_to_come_back(tmp_path: Path) -> None:
    server = by_its_clock(await world(tmp_path))
    await somebody(server)
    browser = Browser(server)
    await browser.sign_in(await browser.get("/account"))
    for _ in range(10):
        assert (await do(browser, "password", current="wrong", new=NEW, again=NEW)).status == 400

    reply = await do(browser, "password", current=PASSWORD, new=NEW, again=NEW)

    assert (reply.status, has(reply, "page-account"), has(reply, "problem")) == (429, True, True)
    assert reply.headers["retry-after"] == "7"


async def test_a_passkey_is_added_signs_in_and_is_removed(server: World, browser: Browser) -> None:
    device, alice = Device(ISSUER), await server.ports.store.person_named("alice")
    assert alice is not None
    page = Page((await browser.get("/account")).body)
    made = device.create(page.ids["passkey-form"]["data-options"] or "")

    added = await browser.post(
        "/account", {"transaction": page.hidden["transaction"], "do": "add_passkey", "passkey": made, "label": "<i>phone</i>"}
    )
    assert (added.status, added.headers["location"]) == (303, f"{ISSUER}/account?done=passkey_added")
    shown = await browser.follow(added)
    assert b"&lt;i&gt;phone" in shown.body
    assert b"<i>" not in shown.body

    elsewhere = Browser(server)
    form = Page((await elsewhere.get("/account")).body)
    answer = device.get(form.ids["passkey-form"]["data-options"] or "", alice.id)
    signed_in = await elsewhere.post("/sign-in", {"transaction": form.hidden["transaction"], "passkey": answer})
    assert has(await elsewhere.follow(signed_in), "page-account")

    removed = await do(elsewhere, "remove_passkey", passkey_id=base64url.encode(device.id))
    assert removed.headers["location"] == f"{ISSUER}/account?done=passkey_removed"
    assert await server.ports.store.passkeys(alice.id) == []
    again = Page((await elsewhere.get("/account")).body)
    bad = await elsewhere.post("/account", {"transaction": again.hidden["transaction"], "do": "add_passkey", "passkey": made})
    assert (bad.status, has(bad, "problem")) == (400, True)


async def test_a_failed_passkey_at_the_account_is_told_as_such(server: World) -> None:
    browser = Browser(server)
    form = Page((await browser.get("/account")).body)

    reply = await browser.post("/sign-in", {"transaction": form.hidden["transaction"], "passkey": "not json"})

    assert (reply.status, has(reply, "problem")) == (400, True)


# ── Forms that are not taken ─────────────────────────────────────────────────────────────────────────────────────────


@meets("A-32", "X-54", "X-55")
async def test_without_the_form_of_this_page_in_this_browser_nothing_is_done(server: World, browser: Browser) -> None:
    await somebody(server, "bob")
    bob = Browser(server)
    await bob.sign_in(await bob.get("/account"), "bob")
    mine, bobs = [Page((await one.get("/account")).body).hidden["transaction"] for one in (browser, bob)]
    consent = Page((await browser.authorize(await person_client(server))).body).hidden["transaction"]
    kept = await server.kept()

    for who, transaction in ((browser, ""), (browser, bobs), (browser, consent), (bob, mine), (Browser(server), mine)):
        reply = await who.post("/account", {"transaction": transaction, "do": "sign_out"})
        assert (reply.status, Page(reply.body).texts["error-code"]) == (400, "page_expired")
        assert not any("session" in line for line in reply.cookies)
    assert await server.kept() == kept


async def test_what_the_page_does_not_know_is_an_error(browser: Browser) -> None:
    reply = await do(browser, "delete_everything")

    assert (reply.status, Page(reply.body).texts["error-code"]) == (400, "invalid_request")


async def test_a_script_gets_json(server: World, browser: Browser) -> None:
    browser.headers["accept"] = "application/json"

    reply = await browser.post("/account", {"do": "sign_out"})

    assert reply.no == (400, "page_expired")
    assert reply.headers["cache-control"] == "no-store"


async def test_a_form_is_a_form(server: World) -> None:
    headers = {"content-type": "application/json", "accept": "text/html"}

    assert (await server.call("POST", "/account", b"{}", headers)).status == 415
    twice = {"content-type": "application/x-www-form-urlencoded"}
    assert (await server.call("POST", "/account", b"do=a&do=b", twice)).no == (400, "invalid_request")


# ── On loopback ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_on_loopback_the_same_works_over_http(tmp_path: Path) -> None:
    server = await world(tmp_path, issuer="http://127.0.0.1:8000")
    await somebody(server)
    browser = Browser(server)
    card = await person_client(server)

    first = await browser.get("/account")
    assert "strict-transport-security" not in first.headers
    assert first.cookies[0].startswith("cc_browser_8000=")
    assert "Secure" not in first.cookies[0]
    sent = await browser.post("/sign-in", {"transaction": Page(first.body).hidden["transaction"], "name": "alice", "password": PASSWORD})
    assert sent.headers["location"] == "http://127.0.0.1:8000/account"
    asked = await browser.get(authorize_url(card))
    given = await browser.post("/consent", {"transaction": Page(asked.body).hidden["transaction"], "decision": "allow"})
    assert answer_of(given)["iss"] == "http://127.0.0.1:8000"


@meets("H-29")
async def test_the_cookie_of_another_server_on_this_machine_is_worth_nothing(tmp_path: Path) -> None:
    one, other = [await world(tmp_path / name, issuer="http://127.0.0.1:8000") for name in ("one", "other")]
    for server in (one, other):
        await somebody(server)
    browser = Browser(one)
    first = await browser.get("/account")
    await browser.post("/sign-in", {"transaction": Page(first.body).hidden["transaction"], "name": "alice", "password": PASSWORD})
    assert has(await browser.get("/account"), "page-account")

    elsewhere = Browser(other, cookies=dict(browser.cookies))

    assert has(await elsewhere.get("/account"), "page-sign-in")


# ── What pages are made of ───────────────────────────────────────────────────────────────────────────────────────────


async def test_style_and_scripts_may_be_kept_for_an_hour_and_asked_for_again_by_their_mark(server: World) -> None:
    for name, kind in (("style.css", "text/css; charset=utf-8"), ("submit.js", "text/javascript; charset=utf-8")):
        first = await server.call("GET", f"/assets/{name}")
        assert (first.status, first.headers["content-type"], first.headers["cache-control"]) == (200, kind, "public, max-age=3600")
        assert first.headers["x-content-type-options"] == "nosniff"
        assert first.cookies == ()
        again = await server.call("GET", f"/assets/{name}", b"", {"if-none-match": first.headers["etag"]})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
        other = await server.call("GET", f"/assets/{name}", b"", {"if-none-match": '"other"'})
        assert other.status == 200


@pytest.mark.parametrize("name", ["", "nope.css", "../account.py", "..%2faccount.py", "style.css/x", "templates/base.html"])
async def test_no_other_file_is_ever_answered(server: World, name: str) -> None:
    assert (await server.call("GET", f"/assets/{name}")).no == (404, "not_found")


async def test_while_the_store_is_away_the_page_says_to_come_back(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(self: MemoryStore, person: bytes, id: bytes) -> None:
        raise StoreUnavailable("disk full")

    browser = Browser(server)
    await browser.sign_in(await browser.get("/account"))
    monkeypatch.setattr(MemoryStore, "session", away)

    reply = await browser.get("/account")

    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert Page(reply.body).texts["error-code"] == "temporarily_unavailable"
    assert b"disk full" not in reply.body
