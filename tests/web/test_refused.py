"""A refusal as HTTP: RFC 6749 §5.2, RFC 7591 §3.2.2, RFC 6750 §3, RFC 9110 §15."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from calling_card.ports import StoreUnavailable
from calling_card.protocol.clients import Client
from calling_card.protocol.errors import No, Refusal
from calling_card.store.memory import MemoryStore
from calling_card.web.http import Answer
from calling_card.web.refused import ERROR_SCHEMA, failure, refused, with_wait
from tests.ledger import meets
from tests.visitor import Page
from tests.world import Reply, World, world

FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


def as_reply(refusal: Refusal) -> Reply:
    """The answer to a refusal, as a caller sees it."""
    answer = refused(refusal)
    return Reply(answer.status, {name.decode(): value.decode() for name, value in answer.headers}, answer.body)


# ── One row, one answer ──────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-80", "A-10")
@pytest.mark.parametrize("no", No)
async def test_every_refusal_is_json_with_its_status_and_code_that_nobody_may_keep(no: No) -> None:
    reply = as_reply(Refusal(no, "what is wrong", logged="what only the log learns"))

    assert reply.status == no.value.status
    assert reply.json == {"error": no.value.code, "error_description": "what is wrong"}
    assert (reply.headers["content-type"], reply.headers["cache-control"]) == ("application/json", "no-store")
    assert reply.headers.get("www-authenticate", "") == no.value.challenge
    assert set(reply.json) <= set(json.loads(json.dumps(ERROR_SCHEMA))["properties"])


async def test_a_description_is_of_the_letters_that_the_specification_allows() -> None:
    reply = as_reply(Refusal(No.INVALID_REQUEST, 'ä "quoted" back\\slash\r\nx\x00\x7f'))

    assert reply.json["error_description"] == "? ?quoted? back?slash??x??"


async def test_several_problems_are_listed_and_one_is_not_listed_twice() -> None:
    one, two = Refusal(No.INVALID_REDIRECT_URI, "first"), Refusal(No.INVALID_CLIENT_METADATA, 'second "é"')

    both = as_reply(Refusal(one.no, one.description, errors=(one, two)))
    alone = as_reply(Refusal(one.no, one.description, errors=(one,)))

    assert both.json["errors"] == [
        {"error": "invalid_redirect_uri", "error_description": "first"},
        {"error": "invalid_client_metadata", "error_description": "second ???"},
    ]
    assert "errors" not in alone.json


async def test_basic_is_asked_for_only_where_client_authentication_failed() -> None:
    tried = as_reply(Refusal(No.INVALID_CLIENT, "failed", basic=True))
    other = as_reply(Refusal(No.INVALID_CLIENT, "failed"))
    elsewhere = as_reply(Refusal(No.INVALID_REQUEST, "failed", basic=True))

    assert tried.headers["www-authenticate"] == 'Basic realm="calling-card", charset="UTF-8"'
    assert "www-authenticate" not in other.headers
    assert "www-authenticate" not in elsewhere.headers


async def test_who_must_wait_is_told_how_long() -> None:
    reply = as_reply(Refusal(No.TOO_MANY_REQUESTS, "later", retry_after=7))

    assert (reply.status, reply.headers["retry-after"]) == (429, "7")


# ── Inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Broken(MemoryStore):
    """A store whose reads fail in one way."""

    way: Exception = RuntimeError("the secret plan of the inside")

    async def client(self, key: bytes) -> Client | None:
        """No client, ever."""
        raise self.way


async def broken(folder: Path, way: Exception) -> World:
    """A server on such a store."""
    plain = await world(folder)
    store = Broken(chain_key=b"k" * 32, writer=b"\0\1tester", now=plain.clock)
    store.way = way
    lines: list[dict[str, object]] = []

    def log(event: str, **line: object) -> None:
        lines.append({"event": event, **line})

    return World(replace(plain.ports, store=store, log=log), plain.clock, lines)


@meets("A-80")
@pytest.mark.parametrize("path", ["/token", "/revoke"])
async def test_what_fails_inside_is_told_by_a_reference_only(tmp_path: Path, path: str) -> None:
    server = await broken(tmp_path, RuntimeError("the secret plan of the inside"))

    reply = await server.post_form(path, {"client_id": "somebody", "grant_type": "client_credentials", "token": "x"})

    [line] = [line for line in server.lines if line["event"] == "failed"]
    assert reply.no == (500, "server_error")
    assert set(reply.json) == {"error", "error_description"}
    assert b"secret plan" not in reply.body
    assert b"Traceback" not in reply.body
    assert reply.why == f"something failed inside; reference {line['request_id']}"


@meets("A-80")
async def test_a_store_that_cannot_be_used_now_is_told_as_such(tmp_path: Path) -> None:
    server = await broken(tmp_path, StoreUnavailable("disk I/O error at /var/lib/somewhere"))

    reply = await server.post_form("/token", {"client_id": "somebody", "grant_type": "client_credentials"})

    assert reply.no == (503, "temporarily_unavailable")
    assert reply.headers["retry-after"] == "1"
    assert b"disk" not in reply.body
    assert any("disk I/O" in str(line.get("cause")) for line in server.lines)


async def test_a_failure_names_no_more_than_its_reference() -> None:
    assert refused(failure("abc")).body == b'{"error":"server_error","error_description":"something failed inside; reference abc"}'


# ── Where people look ────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-80", "H-28")
async def test_what_fails_where_people_look_is_a_page_with_its_reference(tmp_path: Path) -> None:
    server = await broken(tmp_path, RuntimeError("the secret plan of the inside"))
    path = "/authorize?client_id=somebody"

    reply = await server.call("GET", path, headers={"accept": "text/html"})

    page = Page(reply.body)
    assert (reply.status, page.texts["error-code"]) == (500, "server_error")
    assert page.texts["reference"] == reply.headers["x-request-id"]
    assert b"secret plan" not in reply.body
    assert (await server.call("GET", path, headers={"accept": "*/*"})).no == (500, "server_error")


@meets("H-28")
@pytest.mark.parametrize("path", ["/token", "/revoke", "/introspect"])
async def test_where_machines_look_json_is_the_answer_whatever_is_accepted(server: World, path: str) -> None:
    reply = await server.call("POST", path, b"", {**FORM, "accept": "text/html"})

    assert reply.headers["content-type"] == "application/json"


def test_when_to_come_back_is_said_only_with_a_refusal_and_only_where_there_is_a_time() -> None:
    late, never = Refusal(No.TOO_MANY_REQUESTS, "x", retry_after=7), Refusal(No.SIGN_IN_FAILED, "x")

    assert with_wait(Answer(429), late).headers == ((b"retry-after", b"7"),)
    assert with_wait(Answer(303), late).headers == ()
    assert with_wait(Answer(400), never).headers == ()


# ── Nothing there ────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-81")
@pytest.mark.parametrize("path", ["/", "/nowhere", "/token/", "/Token", "/token/x", "//token", "/.well-known/", "/jwks.json", "/admin"])
async def test_a_path_that_is_not_in_the_table_is_not_found(server: World, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        reply = await server.call(method, path, headers=FORM)

        assert reply.no == (404, "not_found")
        assert reply.headers["cache-control"] == "no-store"
        assert path.strip("/") not in reply.why or path == "/"


@meets("A-81", "A-10")
async def test_a_browser_gets_a_page_that_runs_nothing(server: World) -> None:
    reply = await server.call("GET", "/<script>alert(1)</script>", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

    assert (reply.status, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert b"alert" not in reply.body


@meets("A-81")
@pytest.mark.parametrize(
    "path, allowed",
    [
        ("/register", "POST, OPTIONS"),
        ("/register/c123", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("/token", "POST, OPTIONS"),
        ("/introspect", "POST, OPTIONS"),
        ("/revoke", "POST, OPTIONS"),
        ("/authorize", "GET, HEAD, POST, OPTIONS"),
        ("/account", "GET, HEAD, POST, OPTIONS"),
        ("/leave", "GET, HEAD, OPTIONS"),
        ("/jwks", "GET, HEAD, OPTIONS"),
        ("/.well-known/oauth-authorization-server", "GET, HEAD, OPTIONS"),
        ("/.well-known/openid-configuration", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/readyz", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_method_that_is_not_in_the_table_is_told_which_ones_are(server: World, path: str, allowed: str) -> None:
    reply = await server.call("PATCH", path)

    assert reply.no == (405, "invalid_request")
    assert reply.headers["allow"] == allowed
    assert (await server.call("OPTIONS", path)).headers["allow"] == allowed


# ── Scripts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-79")
@pytest.mark.parametrize("path", ["/token", "/revoke"])
async def test_any_script_may_call_without_cookies(server: World, path: str) -> None:
    asked = {"origin": "https://app.example", "access-control-request-method": "POST", "access-control-request-headers": "authorization"}

    preflight = await server.call("OPTIONS", path, headers=asked)
    answer = await server.call("POST", path, b"", {**FORM, "origin": "https://app.example"})

    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == answer.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-methods"] == "POST"
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in {**preflight.headers, **answer.headers}
    assert answer.status == 401


async def test_introspection_is_for_servers_not_for_scripts(server: World) -> None:
    for method in ("OPTIONS", "POST"):
        reply = await server.call(method, "/introspect", headers={**FORM, "origin": "https://app.example"})

        assert not [name for name in reply.headers if name.startswith("access-control-")]
