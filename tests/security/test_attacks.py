"""Attacks row by row, where no other folder has them: as an outsider would try them."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from calling_card.protocol.errors import Refusal
from calling_card.usecases.provide import Wanted, invite
from tests.ledger import meets
from tests.security.payloads import PAYLOADS
from tests.world import CALLBACK, ISSUER, World, body_of, rat, world

JSON = {"content-type": "application/json"}


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path, registration_rate=0)


# ── X-26: a host stands for itself alone ─────────────────────────────────────────────────────────────────────────────

ALLOWED = "app.example.com"
OUTSIDE = [
    "https://attackerapp.example.com/cb",
    "https://attacker-app.example.com/cb",
    "https://x.app.example.com/cb",
    "https://example.com/cb",
    "https://com/cb",
    "https://app.example.com.evil.example/cb",
    "https://app.example.comevil.example/cb",
    "https://app-example.com/cb",
    "https://appxexample.com/cb",
    "https://evil.example/app.example.com",
    "https://evil.example/cb?h=app.example.com",
    "https://app.example.co/cb",
    "https://app.example.com.au/cb",
    "http://127.0.0.1/app.example.com",
    "com.example.app:/app.example.com",
    "com.evil.app://app.example.com/cb",
    "com.evil.app://app.example.com:443/cb",
]
UNREADABLE = [
    "https://app.example.com./cb",
    "https://app.example.com@evil.example/cb",
    "https://evil.example\\@app.example.com/cb",
    "https://evil.example#@app.example.com/cb",
    "https://app.example.com%2eevil.example/cb",
    "https://app.example.com%00.evil.example/cb",
    "https://app。example。com/cb",
    "https://ａpp.example.com/cb",
    "https://*.example.com/cb",
    "https:app.example.com/cb",
    "https:///app.example.com/cb",
    "//app.example.com/cb",
]


@meets("X-26")
@pytest.mark.parametrize("kind", ["web", "native"])
@pytest.mark.parametrize("uri", [*OUTSIDE, *UNREADABLE])
async def test_an_invitation_for_one_host_is_for_no_other(server: World, uri: str, kind: str) -> None:
    token = await server.invitation(uses=9, hosts=(ALLOWED,))

    code, why = await server.refusal(token, redirect_uris=[uri], application_type=kind)
    mixed, _ = await server.refusal(token, redirect_uris=[f"https://{ALLOWED}/cb", uri], application_type=kind)

    assert (code, mixed) == ("invalid_redirect_uri", "invalid_redirect_uri")
    assert why.startswith("redirect_uris")


@meets("X-26")
@pytest.mark.parametrize(
    "host, uri",
    [
        (ALLOWED, "https://app.example.com/cb"),
        (ALLOWED, "https://APP.Example.COM:8443/cb"),
        ("App.Example.com", "https://app.example.com/"),
        ("localhost", "http://localhost:3000/cb"),
        ("127.0.0.1", "http://127.0.0.1/cb"),
        ("[::1]", "http://[::1]:7/cb"),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example/cb"),
    ],
)
async def test_the_host_itself_is_let_in_on_every_port_and_in_every_case(server: World, host: str, uri: str) -> None:
    token = await server.invitation(hosts=("other.example", host))

    card = await server.register(token, redirect_uris=[uri], application_type="native")

    assert card["redirect_uris"] == [uri]


@meets("X-26")
async def test_a_change_is_held_to_the_same_hosts(server: World) -> None:
    token = await server.invitation(hosts=(ALLOWED,))
    card = await server.register(token, redirect_uris=[f"https://{ALLOWED}/cb"], application_type="native")

    for uri in OUTSIDE:
        reply = await server.replace(card, redirect_uris=[uri])
        assert reply.no == (400, "invalid_redirect_uri"), uri
    assert (await server.read(card)).json["redirect_uris"] == [f"https://{ALLOWED}/cb"]


PATTERNS = ["*.example.com", "*", "*.com", ".example.com", "%2e"]
NOT_HOSTS = ["", " ", "a.example b.example", "app.example.", "app..example", "-a.example", "é.example", "a\nb", "::1", "10.0.0.1", "0x7f.1"]
MORE_THAN_HOSTS = ["https://app.example", "app.example/cb", "app.example:443", "user@app.example"]


@meets("X-26")
@pytest.mark.parametrize("host", [*PATTERNS, *NOT_HOSTS, *MORE_THAN_HOSTS])
async def test_there_are_no_patterns_and_an_invitation_that_has_one_is_not_made(server: World, host: str) -> None:
    before = await server.kept()

    with pytest.raises(Refusal, match=r"redirect-host: '.*' is not a host; a host stands for itself alone"):
        await invite(server.ports, Wanted(1, 60, None, None, ("app.example", host), "", "op"))

    assert await server.kept() == before


# ── X-63: numbers ────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-63")
@pytest.mark.parametrize(
    "number, code",
    [
        ("1e400", "invalid_request"),
        ("-1e400", "invalid_request"),
        ("NaN", "invalid_request"),
        ("-NaN", "invalid_request"),
        ("Infinity", "invalid_request"),
        ("9" * 400, "invalid_request"),
        (str(2**64), "invalid_request"),
        (str(-(2**63) - 1), "invalid_request"),
        ("1." + "0" * 60, "invalid_request"),
        ("00", "invalid_request"),
        ("1_000", "invalid_request"),
        ("1.", "invalid_request"),
        ("\u0661", "invalid_request"),
        ("-0", "invalid_client_metadata"),
        ("0.0", "invalid_client_metadata"),
        ("1.0", "invalid_client_metadata"),
        ("1e0", "invalid_client_metadata"),
        ("1E+2", "invalid_client_metadata"),
        ("-1", "invalid_client_metadata"),
        (str(2**53 + 1), "invalid_client_metadata"),
        (str(2**63), "invalid_client_metadata"),
        (str(2**64 - 1), "invalid_client_metadata"),
        ("1e39", "invalid_client_metadata"),
        ("true", "invalid_client_metadata"),
        ('"1"', "invalid_client_metadata"),
    ],
)
async def test_every_form_of_a_number_has_its_one_answer(server: World, number: str, code: str) -> None:
    body = f'{{"redirect_uris":["{CALLBACK}"],"default_max_age":{number}}}'.encode()
    card = await server.register()
    replaced = f'{{"client_id":"{card["client_id"]}","redirect_uris":["{CALLBACK}"],"default_max_age":{number}}}'.encode()

    made = await server.call("POST", "/register", body, JSON)
    changed = await server.call("PUT", card["registration_client_uri"], replaced, {**JSON, "authorization": f"Bearer {rat(card)}"})

    assert made.no == changed.no == (400, code)


@meets("X-63")
@pytest.mark.parametrize("number", [0, 1, 2**31 - 1])
async def test_a_number_that_is_one_is_kept(server: World, number: int) -> None:
    assert (await server.register(default_max_age=number))["default_max_age"] == number


# ── X-71: whose registration ─────────────────────────────────────────────────────────────────────────────────────────


@meets("X-71", "X-38")
async def test_every_client_reaches_its_own_registration_and_nobody_elses(server: World) -> None:
    cards = [await server.register(client_name=f"client {number}") for number in range(6)]

    for mine in cards:
        for other in cards:
            replies = [
                await server.read(other, rat(mine)),
                await server.put(other, body_of(other), rat(mine)) if mine is not other else await server.read(other),
                await server.put(other, body_of(mine), rat(mine)) if mine is not other else await server.read(other),
                await server.remove(other, rat(mine)) if mine is not other else await server.read(other),
            ]
            expected = 200 if mine is other else 401
            assert {reply.status for reply in replies} == {expected}
            assert mine is other or len({reply.body for reply in replies}) == 1

    assert [(await server.read(card)).json["client_name"] for card in cards] == [f"client {number}" for number in range(6)]


@meets("X-71")
async def test_nothing_of_a_registration_is_told_to_somebody_without_a_token(server: World) -> None:
    card = await server.register(client_name="Quiet", logo_uri="https://app.example/logo.png")

    for target in (str(card["registration_client_uri"]), f"/register?client_id={card['client_id']}", f"/client/{card['client_id']}/logo"):
        reply = await server.call("GET", target)
        assert reply.status in (401, 404, 405), target
        assert b"Quiet" not in reply.body
        assert b"logo" not in reply.body


# ── X-107: one request, one answer ───────────────────────────────────────────────────────────────────────────────────


@meets("X-104", "X-103")
async def test_of_fifty_at_once_everybody_gets_what_they_said_and_credentials_of_their_own(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True, registration_rate=0)
    uris = [f"https://app-{number}.example/cb" for number in range(50)]

    cards = await asyncio.gather(*(server.register(redirect_uris=[uri]) for uri in uris))
    others = [f"https://new-{number}.example/cb" for number in range(50)]
    after = await asyncio.gather(
        *(server.replaced(card, redirect_uris=[uri]) for card, uri in zip(cards, others, strict=True)),
    )

    assert [card["redirect_uris"] for card in cards] == [[uri] for uri in uris]
    assert [card["redirect_uris"] for card in after] == [[uri] for uri in others]
    for member in ("client_id", "client_secret", "registration_access_token"):
        assert len({card[member] for card in cards}) == 50
    await server.ports.store.close()


@meets("X-37")
async def test_of_fifty_replacements_at_once_one_is_in_force_and_its_answer_says_so(server: World) -> None:
    card = await server.register()

    replies = await asyncio.gather(*(server.put(card, body_of(card, client_name=f"name {number}")) for number in range(50)))

    accepted = [reply.json for reply in replies if reply.status == 200]
    tokens = {rat(answer) for answer in accepted}
    assert {reply.status for reply in replies} <= {200, 401, 503}
    living = [token for token in tokens if (await server.read(card, token)).status == 200]
    assert living
    assert (await server.read(card, living[-1])).json["client_name"] in {answer["client_name"] for answer in accepted}


# ──: where a browser would be sent ──────────────────────────────────────────────────────────────────

DANGEROUS = [
    "javascript:alert(1)",
    "JavaScript://app.example/%0aalert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html;base64,PHNjcmlwdD4=",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "view-source:https://app.example/",
    "blob:https://app.example/1",
    "intent://app.example/#Intent;end",
    "about:blank",
    "https://app.example/cb/../x",
    "https://app.example/%2e%2e/x",
    "https://app.example/%252e%252e/x",
    "https://app.example/..;/x",
    "https://app.example/..\\x",
    "https://app.example/a%5c..%5cx",
    "https://app.example//evil.example",
    "https://app.example/cb%0d%0aSet-Cookie:a",
    "https://app.example/cb#fragment",
    "https://app.example/*",
    f"{ISSUER}/cb",
    f"{ISSUER}:444/cb",
]


@meets("X-20", "X-22", "X-74", "X-24", "X-87")
@pytest.mark.parametrize("kind", ["web", "native"])
@pytest.mark.parametrize("uri", DANGEROUS)
async def test_no_door_lets_a_dangerous_redirect_in(server: World, uri: str, kind: str) -> None:
    card = await server.register(application_type=kind, redirect_uris=["https://app.example/cb"])

    made = await server.post_json("/register", {"redirect_uris": [uri], "application_type": kind})
    beside = await server.post_json("/register", {"redirect_uris": [CALLBACK, uri], "application_type": kind})
    after = await server.post_json("/register", {"redirect_uris": [CALLBACK], "post_logout_redirect_uris": [uri], "application_type": kind})
    changed = await server.replace(card, redirect_uris=[uri])

    assert made.no == beside.no == changed.no == (400, "invalid_redirect_uri")
    assert after.status == 400 or uri in (f"{ISSUER}/cb", f"{ISSUER}:444/cb")
    assert (await server.read(card)).json["redirect_uris"] == ["https://app.example/cb"]


# ──: what a browser does with our answers ─────────────────────────────────────────────────────────────────

MARKUP = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "=cmd|' /C calc'!A0", "{{7*7}}"]


@meets("X-11")
@pytest.mark.parametrize("text", MARKUP)
async def test_markup_is_only_ever_answered_as_json_that_nobody_sniffs(server: World, text: str) -> None:
    card = await server.register(client_name=text, **{"client_name#de": text}, contacts=["a@app.example"])
    refused = await server.post_json("/register", {"redirect_uris": [text]})
    lost = await server.call("GET", f"/{text}", b"", {"accept": "text/html", "referer": text})
    read = await server.read(card)

    assert read.json["client_name"] == read.json["client_name#de"] == text
    for reply in (read, refused):
        assert (reply.headers["content-type"], reply.headers["x-content-type-options"]) == ("application/json", "nosniff")
    assert (lost.headers["content-type"], lost.headers["x-content-type-options"]) == ("text/html; charset=utf-8", "nosniff")
    assert text.encode() not in lost.body
    assert lost.headers["content-security-policy"].startswith("default-src 'none'")


@meets("X-23")
async def test_nobody_is_redirected_anywhere(server: World) -> None:
    card = await server.register()
    targets = ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
    names = ("redirect_uri", "next", "return_to", "post_logout_redirect_uri", "url", "goto", "target_link_uri", "iss")

    for path in ("/register", f"/register/{card['client_id']}", "/token", "/jwks", "/nothing", "/authorize", "/logout", "/"):
        for target in targets:
            for method in ("GET", "POST"):
                query = "&".join(f"{name}={target}" for name in names)
                reply = await server.call(method, f"{path}?{query}", b"", {"accept": "text/html", **JSON})
                assert not 300 <= reply.status < 400
                assert {"location", "refresh"}.isdisjoint(reply.headers)
                assert b"evil.example" not in reply.body


# ── What is not built cannot be attacked ─────────────────────────────────────────────────────────────────────────────

PAGES = ["/login", "/logout", "/par", "/device", "/admin", "/clients", "/static/x", "/favicon.ico"]
OTHERS = ["/connect/register", "/debug", "/metrics", "/docs", "/openapi.json", "/.well-known/webfinger", "/keyring.json"]


@pytest.mark.parametrize("path", [*PAGES, *OTHERS])
async def test_an_endpoint_that_is_not_built_is_not_there_and_not_announced(server: World, path: str) -> None:
    described = (await server.call("GET", "/.well-known/openid-configuration")).body.decode()

    replies = [await server.call(method, path, b"{}", JSON) for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE")]

    assert {reply.status for reply in replies} == {404}
    assert f"{ISSUER}{path}" not in described


async def test_a_code_or_a_refresh_token_that_somebody_made_up_is_good_for_nothing(server: World) -> None:
    card = await server.register(grant_types=["authorization_code", "refresh_token"])
    basic = (card["client_id"], card["client_secret"])

    for grant, no in (
        ("authorization_code", "invalid_grant"),
        ("refresh_token", "invalid_grant"),
        ("password", "unsupported_grant_type"),
        ("urn:ietf:params:oauth:grant-type:jwt-bearer", "unsupported_grant_type"),
        ("implicit", "unsupported_grant_type"),
    ):
        fields = {"grant_type": grant, "code": "cc_code_x", "refresh_token": "cc_refresh_x", "redirect_uri": CALLBACK, "username": "a"}
        assert (await server.post_form("/token", fields, basic=basic)).no == (400, no)


# ── X-84: one way to say who one is ──────────────────────────────────────────────────────────────────────────────────


@meets("X-84", "A-39")
async def test_a_method_that_was_not_registered_does_not_count_however_good_the_secret(server: World) -> None:
    for method in ("client_secret_basic", "client_secret_post", "none"):
        card: Mapping[str, Any] = (
            await server.machine(token_endpoint_auth_method=method)
            if method != "none"
            else await server.register(token_endpoint_auth_method="none")
        )
        name, secret = str(card["client_id"]), str(card.get("client_secret", ""))
        fields = {"grant_type": "client_credentials"}
        statuses = {
            "client_secret_basic": (await server.post_form("/token", fields, basic=(name, secret))).status,
            "client_secret_post": (await server.post_form("/token", {**fields, "client_id": name, "client_secret": secret})).status,
            "none": (await server.post_form("/token", {**fields, "client_id": name})).status,
        }
        assert {way for way, status in statuses.items() if status == 200} == ({method} - {"none"})


# ── No payload anywhere makes us fail ────────────────────────────────────────────────────────────────────────────────


@meets("X-56")
async def test_no_payload_in_any_header_or_parameter_is_answered_with_a_failure(server: World) -> None:
    card = await server.machine()
    headers = ("accept", "origin", "referer", "user-agent", "cookie", "if-none-match", "x-forwarded-for", "content-type", "authorization")

    for payload in PAYLOADS:
        said = payload.encode("utf-8", "replace").decode("latin-1")
        for name in headers:
            for method, path in (("GET", "/jwks"), ("POST", "/token"), ("POST", "/register"), ("GET", f"/register/{card['client_id']}")):
                reply = await server.call(method, path, b"", {name: said})
                assert reply.status < 500, (name, payload)
                assert all("\n" not in value and "\r" not in value for value in reply.headers.values())
    for line in server.lines:
        assert line["event"] != "failed"
        assert json.loads(json.dumps(line)) == line
