"""Between the wire and the handlers: transport, bodies in pieces, unknown paths, failures, log lines (RFC 9110)."""

import asyncio
import io
import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from calling_card.logs import Log
from calling_card.ports import StoreUnavailable
from calling_card.protocol.clients import Client
from calling_card.store.memory import MemoryStore
from calling_card.web.app import App
from tests.ledger import meets
from tests.world import CALLBACK, START, Reply, World, world

JSON = {"content-type": "application/json"}
GOOD = json.dumps({"redirect_uris": [CALLBACK]}).encode()


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


async def in_pieces(server: World, *messages: MutableMapping[str, Any], headers: dict[str, str] = JSON) -> Reply:
    """A registration whose body comes as these messages; a body that is not read to its end leaves some behind."""
    waiting = list(messages)
    sent: list[MutableMapping[str, Any]] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/register",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": None,
    }

    async def receive() -> MutableMapping[str, Any]:
        return waiting.pop(0) if waiting else await asyncio.Future[MutableMapping[str, Any]]()

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await server.app(scope, receive, send)
    return Reply(sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, sent[1]["body"])


def piece(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


# ── Bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_body_may_come_in_pieces(server: World) -> None:
    reply = await in_pieces(server, piece(GOOD[:5], more=True), {"type": "http.request", "more_body": True}, piece(GOOD[5:], more=False))

    assert reply.status == 201


@meets("R-15")
async def test_a_body_is_refused_as_soon_as_it_is_too_large(server: World) -> None:
    reply = await in_pieces(server, *(piece(b"x" * 30_000, more=True) for _ in range(3)))

    assert reply.no == (413, "invalid_request")
    assert reply.why == "the body is larger than 65536 bytes"


async def test_a_length_that_is_no_number_does_not_decide(server: World) -> None:
    reply = await in_pieces(server, piece(GOOD, more=False), headers={**JSON, "content-length": "many"})

    assert reply.status == 201


async def test_a_caller_that_goes_away_registers_nothing(server: World) -> None:
    reply = await in_pieces(server, piece(GOOD[:5], more=True), {"type": "http.disconnect"})

    assert reply.status == 400
    assert await server.kinds() == ["key_rotated"]


@meets("A-94")
async def test_a_body_that_does_not_come_in_time_is_refused_and_its_connection_ended(tmp_path: Path) -> None:
    server = await world(tmp_path, body_timeout=1)

    reply = await in_pieces(server, piece(GOOD[:5], more=True))

    assert reply.no == (408, "invalid_request")
    assert reply.why == "the body did not arrive within 1 seconds"
    assert reply.headers["connection"] == "close"
    assert await server.kinds() == ["key_rotated"]


async def test_other_kinds_of_traffic_are_none_of_ours(server: World) -> None:
    async def nothing() -> MutableMapping[str, Any]:
        raise AssertionError("nothing is read")

    async def never(message: MutableMapping[str, Any]) -> None:
        raise AssertionError("nothing is sent")

    await server.app({"type": "websocket"}, nothing, never)

    assert server.lines == []


async def test_headers_that_are_too_large_are_refused(server: World) -> None:
    reply = await server.call("POST", "/register", GOOD, {**JSON, "x-filler": "x" * 32_768})

    assert reply.no == (400, "invalid_request")
    assert reply.why == "the headers are larger than 32768 bytes"


# ── Transport ────────────────────────────────────────────────────────────────────────────────────────────────────────

PROXY = "10.1.2.3"


async def behind_a_proxy(tmp_path: Path) -> World:
    return await world(tmp_path, host="0.0.0.0", trusted_proxies=("10.0.0.0/8",), failure_rate=10)  # noqa: S104 # never bound


@meets("C-19", "S0-10", "S1-43", "X-27")
@pytest.mark.parametrize(
    "source, headers, status",
    [
        (PROXY, {"x-forwarded-proto": "https"}, 201),
        (PROXY, {"x-forwarded-proto": "http"}, 400),
        (PROXY, {"x-forwarded-proto": "https, http"}, 400),
        (PROXY, {"x_forwarded_proto": "https"}, 400),
        (PROXY, {}, 400),
        ("198.51.100.1", {"x-forwarded-proto": "https"}, 400),
        ("198.51.100.1", {}, 400),
        ("no address", {"x-forwarded-proto": "https"}, 400),
    ],
)
async def test_behind_a_proxy_only_what_the_proxy_says_came_by_tls_is_answered(
    tmp_path: Path, source: str, headers: dict[str, str], status: int
) -> None:
    server = await behind_a_proxy(tmp_path)

    reply = await server.call("POST", "/register", GOOD, {**JSON, **headers}, source)
    managed = await server.call("GET", "/register/x", b"", {"authorization": "Bearer x", **headers}, source)

    assert (reply.status, managed.status) == (status, 401 if status == 201 else 400)
    if status == 400:
        assert reply.why == managed.why == "this server answers by https only (RFC 6749 section 3.2)"


@meets("X-27", "M-47")
async def test_the_callers_address_is_read_from_the_proxys_header_and_from_nobody_elses(tmp_path: Path) -> None:
    server = await behind_a_proxy(tmp_path)
    own = {"x-forwarded-proto": "https", "authorization": "Bearer x"}

    async def guesses(*forwarded: str) -> list[int]:
        return [(await server.call("GET", "/register/x", b"", {**own, "x-forwarded-for": each}, PROXY)).status for each in forwarded]

    first = await guesses(*(f"spoofed-{n}, 198.51.100.1" for n in range(11)))
    second = await guesses("198.51.100.2")
    direct = await world(tmp_path / "direct", failure_rate=10)
    spoofed = [
        (await direct.call("GET", "/register/x", b"", {"authorization": "Bearer x", "x-forwarded-for": f"203.0.113.{n}"})).status
        for n in range(11)
    ]

    assert first == [401] * 10 + [429]
    assert second == [401]
    assert spoofed == [401] * 10 + [429]


async def test_without_a_header_the_proxy_itself_is_the_caller(tmp_path: Path) -> None:
    server = await behind_a_proxy(tmp_path)
    headers = {"x-forwarded-proto": "https", "authorization": "Bearer x"}

    statuses = [(await server.call("GET", "/register/x", b"", headers, PROXY)).status for _ in range(11)]

    assert statuses == [401] * 10 + [429]


# ── Unknown paths ────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-28")
@pytest.mark.parametrize(
    "accept, media",
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json, text/html", "application/json"),
        ("text/html,application/xhtml+xml", "text/html; charset=utf-8"),
    ],
)
async def test_an_unknown_path_is_a_page_for_browsers_and_json_for_everybody_else(server: World, accept: str, media: str) -> None:
    reply = await server.call("GET", "/nothing/<script>", headers={"accept": accept})

    assert (reply.status, reply.headers["content-type"]) == (404, media)
    assert reply.headers["cache-control"] == "no-store"
    assert b"<script" not in reply.body
    if media == "application/json":
        assert reply.no == (404, "not_found")
    else:
        assert "default-src 'none'" in reply.headers["content-security-policy"]


# ── Failures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Broken(MemoryStore):
    """A store that fails in a way nobody foresaw, or is out of order."""

    failure: Exception = ZeroDivisionError("secret detail")

    async def client(self, key: bytes) -> Client | None:
        raise self.failure


@pytest.mark.parametrize(
    "failure, no, word",
    [
        (ZeroDivisionError("secret detail"), (500, "server_error"), "failed"),
        (StoreUnavailable("secret detail"), (503, "temporarily_unavailable"), "store_unavailable"),
    ],
)
async def test_a_failure_inside_tells_nothing_but_how_to_find_it_in_the_log(
    tmp_path: Path, failure: Exception, no: tuple[int, str], word: str
) -> None:
    store = Broken(chain_key=b"k" * 32, writer=b"broken-1", now=lambda: START)
    store.failure = failure
    server = await world(tmp_path, store)
    card = await server.register()

    reply = await server.read(card)

    assert reply.no == no
    assert "secret detail" not in reply.body.decode()
    assert reply.headers["cache-control"] == "no-store"
    [line] = [line for line in server.lines if line["event"] == word]
    assert line["level"] == "error"
    assert line["request_id"] == reply.headers["x-request-id"]
    if no[0] == 500:
        assert str(line["request_id"]) in reply.why


# ── Log lines ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-56")
async def test_nothing_a_caller_sends_can_make_a_second_line_or_a_false_field(tmp_path: Path) -> None:
    server = await world(tmp_path)
    written = io.StringIO()
    log = Log(stream=written)
    evil = '\r\n{"event":"forged"}\x1b[2J","status":200,"x":"'

    await server.post_json("/register", {"redirect_uris": [evil]})
    await server.call("GET", "/nothing" + evil, headers={"user-agent": evil, "x-request-id": evil, "referer": evil})
    await server.call("GET", "/register/" + evil, headers={"authorization": "Bearer x" + evil})
    for line in server.lines:
        log(**line)  # type: ignore[arg-type] # the lines as they were logged

    lines = written.getvalue().splitlines()
    assert [json.loads(line)["event"] for line in lines] == [line["event"] for line in server.lines]
    assert "forged" in json.loads(lines[0])["description"]
    assert "\x1b" not in written.getvalue()


@meets("X-56", "X-39")
def test_a_log_line_is_cut_and_has_no_credential_in_it() -> None:
    written = io.StringIO()
    log = Log("info", written)

    log("refused", description="Bearer cc_rat_AbC-_123 and eyJh.eyJi.c2ln", long="x" * 5000)
    log("quiet", level="debug")

    [line] = [json.loads(line) for line in written.getvalue().splitlines()]
    assert line["description"] == "Bearer cc_rat_... and jwt..."
    assert len(line["long"]) == 2000


def test_a_log_that_cannot_be_written_does_not_fail_the_request() -> None:
    closed = io.StringIO()
    closed.close()

    Log(stream=closed)("request", status=200)

    assert closed.closed


async def test_every_answer_names_its_request(server: World) -> None:
    replies = [await server.call("GET", path, headers={"x-request-id": "chosen"}) for path in ("/healthz", "/register", "/nothing")]

    names = [reply.headers["x-request-id"] for reply in replies]
    assert len(set(names)) == 3
    assert "chosen" not in names
    assert [line["request_id"] for line in server.lines if line["event"] == "request"] == names


async def test_an_app_is_made_of_its_ports_alone(server: World) -> None:
    server.app = App(server.ports)

    assert (await server.call("GET", "/healthz")).status == 200
