"""The form protocol of 2011 over HTTP: by type of body at the registration endpoint, by setting at the token endpoint (C-01)."""

import asyncio
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calling_card.protocol.card.forms import PARAMETERS
from tests.ledger import meets
from tests.web.test_app import PROXY, behind_a_proxy
from tests.world import CALLBACK, World, changed, world

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
NEW = {"type": "client_associate", "redirect_url": CALLBACK}
GOOD = urlencode(NEW).encode()
SECTION = "(Simple Registration draft 02 section 3.1)"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


@pytest.fixture
async def at_both(tmp_path: Path) -> World:
    """A server that takes the forms at the token endpoint too."""
    return await world(tmp_path, legacy_at_token_endpoint=True)


# ── One URL for every protocol ───────────────────────────────────────────────────────────────────────────────────────


@meets("C-01", "C-02", "S2-04", "S2-05", "S2-27")
@pytest.mark.parametrize(
    "media",
    ["application/x-www-form-urlencoded", "Application/X-WWW-Form-URLencoded; Charset=UTF-8", "application/x-www-form-urlencoded ;"],
)
async def test_the_type_of_the_body_tells_the_protocols_apart(server: World, media: str) -> None:
    endpoint = (await server.call("GET", "/.well-known/openid-configuration")).json["registration_endpoint"]

    form = await server.call("POST", endpoint, GOOD, {"content-type": media})
    update = await server.post_form(
        endpoint, {"type": "client_update", **{name: form.json[name] for name in ("client_id", "client_secret")}}
    )
    json = await server.call("POST", endpoint, b'{"redirect_uris":["https://app.example/cb"]}', JSON)

    assert (form.status, update.status, json.status) == (200, 200, 201)
    assert "location" not in form.headers
    assert set(form.json) == set(update.json) == {"client_id", "client_secret", "expires_in"}


@meets("X-66", "C-01")
@pytest.mark.parametrize(
    "body, media, status",
    [
        (b'{"redirect_uris":["https://app.example/cb"]}', "application/x-www-form-urlencoded", 400),
        (GOOD, "application/json", 400),
        (GOOD, "multipart/form-data; boundary=x", 415),
        (GOOD, "text/plain", 415),
        (GOOD, "application/x-www-form-urlencoded; charset=iso-8859-1", 415),
        (GOOD, "application/x-www-form-urlencoded, application/json", 415),
        (GOOD, "", 415),
    ],
)
async def test_no_body_is_read_as_another_type_than_it_says(server: World, body: bytes, media: str, status: int) -> None:
    reply = await server.call("POST", "/register", body, {"content-type": media})

    assert reply.no == (status, "invalid_request")
    assert list(await server.ports.store.clients("", 9)) == []


@meets("C-01", "X-66")
async def test_the_door_can_be_closed_and_then_a_form_is_no_type_that_is_taken(tmp_path: Path) -> None:
    server = await world(tmp_path, legacy_registration=False)

    reply = await server.call("POST", "/register", GOOD, FORM)

    assert reply.no == (415, "invalid_request")
    assert reply.why == "Content-Type: this endpoint takes application/json (RFC 9110 section 15.5.16)"
    assert await server.register()


async def test_a_type_that_is_not_taken_is_answered_with_those_that_are(server: World) -> None:
    reply = await server.call("POST", "/register", GOOD, {"content-type": "text/plain"})

    types = "application/json or application/x-www-form-urlencoded"
    assert reply.why == f"Content-Type: this endpoint takes {types} (RFC 9110 section 15.5.16)"


@meets("S2-28", "S2-29", "C-03", "S2-37")
@pytest.mark.parametrize(
    "fields, status",
    [
        (NEW, 200),
        ({"type": "client_associate"}, 400),
        ({}, 400),
        ({"type": "client_update", "client_id": "x", "client_secret": "y"}, 401),
    ],
)
async def test_every_answer_is_json_that_nobody_may_keep(server: World, fields: dict[str, str], status: int) -> None:
    reply = await server.post_form("/register", fields)

    assert reply.status == status
    assert {name: reply.headers[name] for name in ("content-type", "cache-control", "pragma", "access-control-allow-origin")} == {
        "content-type": "application/json",
        "cache-control": "no-store",
        "pragma": "no-cache",
        "access-control-allow-origin": "*",
    }
    assert status == 200 or set(reply.json) == {"error", "error_description"}


# ── The form ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-65", "S2-05")
@pytest.mark.parametrize(
    "body, why",
    [
        (GOOD + b"&redirect_url=https%3A%2F%2Fb.example%2Fcb", "redirect_url: this parameter was sent more than once"),
        (GOOD + b"&redirect_url=", "redirect_url: this parameter was sent more than once"),
        (GOOD + b"&type=client_update", "type: this parameter was sent more than once"),
        (GOOD + b"".join(b"&x%d=1" % number for number in range(99)), "the body is not a form in UTF-8 with at most 100 fields"),
        (GOOD + b"&application_name=caf%E9", "the body is not a form in UTF-8 with at most 100 fields"),
        (GOOD + b"&application_name=caf\xe9", "the body is not a form in UTF-8 with at most 100 fields"),
    ],
)
async def test_a_form_says_each_thing_once_in_utf_8_and_not_too_much(server: World, body: bytes, why: str) -> None:
    reply = await server.call("POST", "/register", body, FORM)

    assert reply.no == (400, "invalid_request")
    assert reply.why.startswith(why)
    assert list(await server.ports.store.clients("", 9)) == []


@meets("X-65")
@pytest.mark.parametrize("space", [b"+", b"%20"])
async def test_a_blank_is_a_plus_or_its_number(server: World, space: bytes) -> None:
    reply = await server.call("POST", "/register", GOOD + b"&application_name=Tea" + space + b"Shop", FORM)

    shown = (await server.row(reply.json)).metadata
    assert b'"client_name":"Tea Shop"' in shown


@meets("S2-16")
async def test_a_comma_within_a_url_is_encoded_within_it(server: World) -> None:
    both = {"redirect_url": f"{CALLBACK}?a=1%2C2,{CALLBACK}2"}

    reply = await server.post_form("/register", {**NEW, **both})

    assert b'"redirect_uris":["https://app.example/cb?a=1%2C2","https://app.example/cb2"]' in (await server.row(reply.json)).metadata


@meets("S2-06", "C-17")
@pytest.mark.parametrize(
    "query",
    [
        "type=client_associate&redirect_uri=https%3A%2F%2Frp.example.com%2Fcb",
        "client_secret=x",
        "access_token=x",
        "redirect_url",
        "x=1",
    ],
)
@pytest.mark.parametrize("body", [b"", GOOD])
async def test_nothing_is_taken_from_the_query(server: World, query: str, body: bytes) -> None:
    reply = await server.call("POST", f"/register?{query}", body, FORM)

    assert reply.no == (400, "invalid_request")
    assert "belong" in reply.why
    assert list(await server.ports.store.clients("", 9)) == []


# ── At the token endpoint ────────────────────────────────────────────────────────────────────────────────────────────


@meets("S2-03", "C-01")
async def test_by_setting_the_token_endpoint_takes_the_forms_too(at_both: World) -> None:
    got = (await at_both.post_form("/token", NEW)).json
    new = await at_both.post_form("/token", {"type": "client_update", "client_id": got["client_id"], "client_secret": got["client_secret"]})
    other = await at_both.post_form("/register", NEW)

    assert set(new.json) == {"client_id", "client_secret", "expires_in"}
    assert (new.status, other.status, new.headers["cache-control"]) == (200, 200, "no-store")


@meets("S2-03", "C-01")
@pytest.mark.parametrize("kind", ["client_associate", "nonsense"])
async def test_to_register_and_to_ask_for_a_token_are_two_requests(at_both: World, kind: str) -> None:
    reply = await at_both.post_form("/token", {**NEW, "type": kind, "grant_type": "authorization_code"})

    assert reply.no == (400, "invalid_request")
    assert reply.why == f"type and grant_type: send one of them, to register or to get a token {SECTION}"


@meets("S2-06", "C-17")
async def test_the_token_endpoint_takes_nothing_from_the_query_either(at_both: World) -> None:
    reply = await at_both.call("POST", "/token?type=client_associate", GOOD, FORM)

    assert reply.no == (400, "invalid_request")
    assert reply.why == f"parameters belong into the body, not into the query {SECTION}"


@meets("S2-03", "C-01")
async def test_the_token_endpoint_stays_what_it_is(at_both: World) -> None:
    machine = await at_both.machine()

    assert (await at_both.token(machine)).status == 200
    assert (await at_both.post_form("/token", {"redirect_url": CALLBACK})).no == (401, "invalid_client")
    with changed(at_both, legacy_at_token_endpoint=False):
        assert (await at_both.post_form("/token", NEW)).no == (401, "invalid_client")
        assert (await at_both.token(machine, type="client_associate")).status == 200


# ── Transport ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("S2-31")
@pytest.mark.parametrize("path", ["/register", "/api/v1/apps"])
async def test_credentials_go_by_tls_only(tmp_path: Path, path: str) -> None:
    server = await behind_a_proxy(tmp_path)
    body = urlencode({**NEW, "redirect_uris": CALLBACK, "client_name": "Tusk"}).encode()

    clear = await server.call("POST", path, body, {**FORM, "x-forwarded-proto": "http"}, PROXY)
    past = await server.call("POST", path, body, {**FORM, "x-forwarded-proto": "https"}, "198.51.100.1")
    good = await server.call("POST", path, body, {**FORM, "x-forwarded-proto": "https"}, PROXY)

    assert (clear.no, past.no) == ((400, "invalid_request"), (400, "invalid_request"))
    assert clear.why == "this server answers by https only (RFC 6749 section 3.2)"
    assert good.status == 200


# ── Whatever is sent ─────────────────────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(max_size=30) | st.sampled_from([CALLBACK, f"{CALLBACK},{CALLBACK}2", "web", "a@example.com"])
NAMES = st.sampled_from([*PARAMETERS, *(f"{name}#fr" for name in PARAMETERS), "client_id", "access_token"]) | st.text(max_size=8)
TYPES = st.sampled_from(["client_associate", "client_update", ""])
CODES = {"invalid_request", "invalid_redirect_uri", "invalid_client_metadata", "invalid_client"}


@meets("S2-37", "S2-05")
def test_any_form_gets_a_documented_answer_and_a_refusal_leaves_nothing(tmp_path: Path) -> None:
    server = asyncio.run(world(tmp_path, registration_rate=0, legacy_at_token_endpoint=True))

    async def holds(path: str, fields: dict[str, str]) -> None:
        before = len(await server.recorded())
        reply = await server.post_form(path, fields)
        after = len(await server.recorded())
        assert after - before == (reply.status == 200)
        if reply.status == 200:
            assert set(reply.json) == {"client_id", "client_secret", "expires_in"}
        else:
            assert reply.status in (400, 401)
            assert reply.json["error"] in CODES
            assert reply.why.isascii()
            assert reply.why.isprintable()

    @settings(max_examples=300, deadline=None)
    @given(path=st.sampled_from(["/register", "/token"]), kind=TYPES, fields=st.dictionaries(NAMES, TEXT, max_size=6), good=st.booleans())
    def whatever(path: str, kind: str, fields: dict[str, str], good: bool) -> None:
        asyncio.run(holds(path, {**({"redirect_url": CALLBACK} if good else {}), **fields, "type": kind}))

    whatever()
