"""Attacks below HTTP's surface, byte by byte, on the real server (RFC 9112 §11)."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.process import Server
from tests.ledger import meets
from tests.security.outsider import JSON, PATIENCE, Reply, bearer, call, post, replies, say

GOOD = b'{"redirect_uris":["https://app.example/cb"]}'
HEAD = b"Host: x\r\nContent-Type: application/json\r\n"
REGISTER = b"POST /register HTTP/1.1\r\n" + HEAD
CHUNKED = REGISTER + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
FLOOD = 48_000_000
MEGABYTES = 30
"""How much a server may have grown by while a flood of more than that came in."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, servers: Callable[[Path], Server]) -> Iterator[Server]:
    """One for all tests of this file: each leaves it alive, and at its end it has nothing to complain about."""
    server = servers(tmp_path_factory.mktemp("wire") / "data")
    server.start(LOG_LEVEL="warning")
    yield server
    assert call(server.port, "GET", "/readyz").status == 200
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.complaints()]
    assert {line["level"] for line in lines} <= {"warning"}
    assert {line["event"] for line in lines} <= {"library"}


def memory(server: Server) -> int:
    """Megabytes the process holds now."""
    lines = Path(f"/proc/{server.running.pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


def bodies(answers: list[Reply]) -> list[bytes]:
    return [answer.body for answer in answers]


# ── Where one request ends and the next begins ───────────────────────────────────────────────────────────────────────

AMBIGUOUS = {
    "both, length first": REGISTER + b"Content-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both, chunked first": REGISTER + b"Transfer-Encoding: chunked\r\nContent-Length: 44\r\n\r\n0\r\n\r\n",
    "both, length 0": REGISTER + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": REGISTER + b"Content-Length: 44\r\nContent-Length: 0\r\n\r\n" + GOOD,
    "the same length twice": REGISTER + b"Content-Length: 44\r\nContent-Length: 44\r\n\r\n" + GOOD,
    "a list of lengths": REGISTER + b"Content-Length: 44, 44\r\n\r\n" + GOOD,
    "signed length": REGISTER + b"Content-Length: +44\r\n\r\n" + GOOD,
    "negative length": REGISTER + b"Content-Length: -1\r\n\r\n" + GOOD,
    "hexadecimal length": REGISTER + b"Content-Length: 0x2c\r\n\r\n" + GOOD,
    "length with a space inside": REGISTER + b"Content-Length: 4 4\r\n\r\n" + GOOD,
    "length beyond 64 bits": REGISTER + b"Content-Length: 18446744073709551660\r\n\r\n" + GOOD,
    "space before the colon": REGISTER + b"Content-Length : 44\r\n\r\n" + GOOD,
    "space before the name": REGISTER + b" Content-Length: 44\r\n\r\n" + GOOD,
    "unknown coding": REGISTER + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked is not last": REGISTER + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": REGISTER + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "control before chunked": REGISTER + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "folded header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n",
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "one bare line feed": b"GET /healthz HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
    "bare carriage return": b"GET /healthz HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
    "NUL in a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "no name": b"GET /healthz HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    "chunk size that is none": CHUNKED + b"ZZ\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "negative chunk size": CHUNKED + b"-2c\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "chunk size beyond 64 bits": CHUNKED + b"1000000000000002c\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "chunk size with 0x": CHUNKED + b"0x2c\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "chunk ends with a line feed": CHUNKED + b"2c\n" + GOOD + b"\n0\n\n",
    "chunk longer than said": CHUNKED + b"2\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"GET /healthz HTTP/3.7\r\nHost: x\r\n\r\n",
    "method in lower case": b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "tunnel": b"CONNECT evil.example:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes beyond ASCII in the path": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("shape", AMBIGUOUS)
def test_what_two_servers_could_cut_differently_is_refused_and_nothing_behind_it_is_read(server: Server, shape: str) -> None:
    answers = say(server.port, AMBIGUOUS[shape] + SMUGGLED + LAST)

    assert [answer.status for answer in answers] == [400]
    assert answers[0].headers["connection"] == "close"
    assert answers[0].body == b"Invalid HTTP request received."


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS"])
def test_the_body_of_a_request_that_has_none_is_not_the_next_request(server: Server, method: bytes) -> None:
    length = str(len(SMUGGLED)).encode()
    head = method + b" /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n\r\n"

    answers = [] if method == b"HEAD" else say(server.port, head + SMUGGLED + LAST)

    if method == b"HEAD":
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as line:
            line.sendall(head + SMUGGLED + LAST)
            heard = b"".join(iter(lambda: line.recv(65536), b""))
        assert (heard.count(b"HTTP/1.1 "), b'"keys"' in heard) == (2, False)
    else:
        assert len(answers) == 2
        assert answers[1].body == b'{"status":"ok"}'
        assert b'"keys"' not in b"".join(bodies(answers))


def test_requests_on_one_connection_are_answered_in_their_order(server: Server) -> None:
    paths = [b"/healthz", b"/jwks", b"/nothing", b"/readyz"]

    answers = say(server.port, b"".join(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths) + LAST)

    assert [answer.status for answer in answers] == [200, 200, 404, 200, 200]
    assert b'"keys"' in answers[1].body


def test_a_request_that_was_refused_before_its_body_was_read_does_not_leave_the_body_behind(server: Server) -> None:
    wrong = b"POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED)

    answers = say(server.port, wrong + SMUGGLED + LAST)

    assert [answer.status for answer in answers] == [415, 200]
    assert answers[1].body == b'{"status":"ok"}'


# ── What stands behind the body ──────────────────────────────────────────────────────────────────────────────────────


@meets("X-27")
@pytest.mark.parametrize(
    "trailer",
    [
        b"Authorization: Bearer x",
        b"Content-Type: text/plain",
        b"Content-Encoding: gzip",
        b"Host: evil.example",
        b"X-Forwarded-For: 10.0.0.1",
    ],
)
def test_a_header_behind_the_body_is_no_header(server: Server, trailer: bytes) -> None:
    """A proxy that takes a header away or sets it looks at the head of a request alone (RFC 9110 section 6.5.1)."""
    answers = say(server.port, CHUNKED + b"2c\r\n" + GOOD + b"\r\n0\r\n" + trailer + b"\r\n\r\n" + LAST)

    assert [answer.status for answer in answers] == [201, 200]


def test_neither_is_one_that_comes_in_a_packet_of_its_own(server: Server) -> None:
    card = call(server.port, "POST", "/register", GOOD, JSON).json
    token = card["registration_access_token"].encode()
    head = b"PUT /register/%s HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n" % (card["client_id"].encode(), HEAD)

    answers = say(server.port, head, b"2\r\n{}\r\n0\r\n", b"Authorization: Bearer " + token + b"\r\n\r\n", LAST)

    assert [answer.status for answer in answers] == [401, 200]


# ── Requests without end ─────────────────────────────────────────────────────────────────────────────────────────────

ENDLESS = {
    "headers": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X: " + b"a" * 65_000 + b"\r\n"),
    "small headers": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X: a\r\n" * 10_000),
    "one header": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", b"a" * 65_000),
    "a name": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX", b"a" * 65_000),
    "an address": (b"GET /", b"a" * 65_000),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: " + b"a" * 65_000 + b"\r\n"),
    "one trailer": (CHUNKED + b"2\r\n{}\r\n0\r\nX: ", b"a" * 65_000),
    "an extension of a chunk": (CHUNKED + b"5", b";a=" + b"a" * 65_000),
    "empty lines": (b"", b"\r\n" * 32_000),
}


@meets("X-60")
@pytest.mark.parametrize("shape", ENDLESS)
def test_what_is_neither_end_nor_body_ends_the_connection_and_is_not_kept(server: Server, shape: str) -> None:
    begin, more = ENDLESS[shape]
    before = memory(server)

    with pytest.raises(OSError, match=r"reset|[Bb]roken"):
        pour(server, begin, more)

    assert memory(server) - before < MEGABYTES


def pour(server: Server, begin: bytes, more: bytes) -> None:
    """Say more and more of the same; raises `OSError` when the server hangs up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as line:
        line.sendall(begin)
        for _ in range(FLOOD // len(more)):
            line.sendall(more)


@meets("X-60", "R-15")
@pytest.mark.parametrize(
    "body",
    [b"[" * 1_000_000, b"{" + b",".join(b'"m%d":1' % n for n in range(1_000_000)) + b"}", b'{"a":' + b"1" * 10_000_000 + b"}"],
    ids=["deep", "wide", "long number"],
)
@pytest.mark.parametrize("told", [True, False])
def test_a_body_made_to_be_expensive_costs_nothing(server: Server, body: bytes, told: bool) -> None:
    before = memory(server)

    if told:
        answers = [first_answer(server, REGISTER + b"Content-Length: %d\r\n\r\n" % len(body), body)]
    else:
        chunks = b"".join(b"10000\r\n" + body[at : at + 65536] + b"\r\n" for at in range(0, len(body) - 65536, 65536))
        answers = [first_answer(server, CHUNKED, chunks + b"0\r\n\r\n")]

    assert [(answer.status, answer.json["error"]) for answer in answers] == [(413, "invalid_request")]
    assert memory(server) - before < MEGABYTES


def first_answer(server: Server, head: bytes, body: bytes) -> Reply:
    """The answer, which may come long before the body is over."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as line:
        line.sendall(head)
        line.sendall(body)
        heard = b""
        while b"\r\n\r\n" not in heard or not heard.endswith(b"}"):
            piece = line.recv(65536)
            assert piece
            heard += piece
    return replies(heard)[0]


def test_a_body_within_the_limit_that_is_all_brackets_is_refused(server: Server) -> None:
    reply = call(server.port, "POST", "/register", b"[" * 65_536, JSON)

    assert reply.no == (400, "invalid_request")


def test_large_headers_are_refused_in_words(server: Server) -> None:
    reply = say(server.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + b"a" * 40_000 + b"\r\n\r\n")[0]

    assert reply.no == (400, "invalid_request")
    assert reply.json["error_description"] == "the headers are larger than 32768 bytes"


@meets("X-52")
def test_callers_who_never_finish_their_request_do_not_keep_others_waiting(server: Server) -> None:
    begun = [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost:", REGISTER + b"Content-Length: 44\r\n\r\n{", CHUNKED + b"2"]
    lines = [socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) for _ in range(500)]
    try:
        for number, line in enumerate(lines):
            line.sendall(begun[number % len(begun)])

        answers = [call(server.port, "POST", "/register", GOOD, JSON).status for _ in range(20)]
    finally:
        for line in lines:
            line.close()

    assert answers == [201] * 20


# ── Who the server thinks it is ──────────────────────────────────────────────────────────────────────────────────────

METADATA = b"/.well-known/oauth-authorization-server"
STRANGE_HOSTS = {
    "another": b"GET " + METADATA + b" HTTP/1.1\r\nHost: evil.example\r\n",
    "none in 1.0": b"GET " + METADATA + b" HTTP/1.0\r\n",
    "empty": b"GET " + METADATA + b" HTTP/1.1\r\nHost:\r\n",
    "in the target": b"GET http://evil.example" + METADATA + b" HTTP/1.1\r\nHost: evil.example\r\n",
    "in the target with a user": b"GET http://good:x@evil.example:99" + METADATA + b" HTTP/1.1\r\nHost: good\r\n",
    "forwarded": b"GET " + METADATA + b" HTTP/1.1\r\nHost: x\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\n",
    "rewritten": b"GET " + METADATA + b" HTTP/1.1\r\nHost: x\r\nX-Original-URL: /evil.example\r\nX-Rewrite-URL: /evil.example\r\n",
    "prefixed": b"GET " + METADATA + b" HTTP/1.1\r\nHost: x\r\nX-Forwarded-Prefix: /evil.example\r\nX-Forwarded-Port: 99\r\n",
    "upgraded": b"GET " + METADATA + b" HTTP/1.1\r\nHost: evil.example\r\nUpgrade-Insecure-Requests: 1\r\n",
}


@meets("X-27")
@pytest.mark.parametrize("shape", STRANGE_HOSTS)
def test_nothing_a_caller_says_changes_who_we_say_we_are(server: Server, shape: str) -> None:
    usual = call(server.port, "GET", METADATA.decode())

    answers = say(server.port, STRANGE_HOSTS[shape] + b"Connection: close\r\n\r\n")

    assert bodies(answers) == [usual.body]
    assert usual.json["issuer"] == server.issuer
    assert "evil" not in str(answers)


@meets("X-27")
def test_neither_does_it_change_where_a_client_is_told_to_go(server: Server) -> None:
    head = b"POST http://evil.example/register HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n"
    rest = b"Content-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(GOOD)

    (answer,) = say(server.port, head + rest + GOOD)

    assert answer.status == 201
    assert answer.headers["location"] == answer.json["registration_client_uri"] == f"{server.issuer}/register/{answer.json['client_id']}"
    assert "evil" not in str(answer)


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c", b"TLS/1.0"])
def test_nothing_is_upgraded(server: Server, upgrade: bytes) -> None:
    offer = b"Connection: Upgrade, close\r\nUpgrade: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

    (answer,) = say(server.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + offer % upgrade)

    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')


# ── Which endpoint a path means ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "path",
    [
        "/healthz/",
        "/healthz.",
        "/healthz;x",
        "/healthz%00",
        "/healthz%20",
        "/healthz%2f",
        "//healthz",
        "/./healthz",
        "/x/../healthz",
        "/%2e/healthz",
        "/HEALTHZ",
        "/token/",
        "/register",
        "/Register/x",
        "/.well-known/oauth-authorization-server/",
        "/.well-known/../jwks",
        "/.git/config",
        "/keyring.json",
        "/..%2f..%2fkeyring.json",
        "/*",
    ],
)
def test_a_path_is_compared_as_it_stands(server: Server, path: str) -> None:
    reply = call(server.port, "GET", path)

    assert reply.status == (405 if path == "/register" else 404)
    assert "location" not in reply.headers


@pytest.mark.parametrize(
    "path",
    [
        "{}/",
        "{}.",
        "{}%00",
        "{}%20",
        "{}%0a",
        "{};x",
        "/{}",
        "./{}",
        "../register/{}",
        "..%2fregister%2f{}",
        "%2e%2e/{}",
        "x/../{}",
        "%2563{}",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_the_one_spelling_of_a_client_id_names_its_client(server: Server, path: str, method: str) -> None:
    card = call(server.port, "POST", "/register", GOOD, JSON).json
    headers = {**JSON, **bearer(card["registration_access_token"])}

    reply = call(server.port, method, "/register/" + path.format(card["client_id"]), b"{}" if method == "PUT" else b"", headers)

    assert reply.no == (401, "invalid_token")
    assert call(server.port, "GET", f"/register/{card['client_id']}", headers=headers).status == 200


def test_a_client_id_is_decoded_once(server: Server) -> None:
    card = call(server.port, "POST", "/register", GOOD, JSON).json
    headers = bearer(card["registration_access_token"])
    once, twice = (f"/register/{encoded}{card['client_id'][1:]}" for encoded in ("%63", "%2563"))

    assert (call(server.port, "GET", once, headers=headers).status, call(server.port, "GET", twice, headers=headers).status) == (200, 401)


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"])
def test_a_method_is_what_the_first_line_says(server: Server, name: str) -> None:
    card = call(server.port, "POST", "/register", GOOD, JSON).json
    own = bearer(card["registration_access_token"])
    path = f"/register/{card['client_id']}"

    replied = [
        call(server.port, "GET", f"{path}?_method=DELETE&method=DELETE", headers={**own, name: "DELETE"}).status,
        call(server.port, "POST", path, GOOD, {**JSON, **own, name: "DELETE"}).status,
        post(server.port, path, {"_method": "DELETE"}, {**own, name: "DELETE"}).status,
        call(server.port, "GET", path, headers=own).status,
    ]

    assert replied == [200, 405, 405, 200]


@pytest.mark.parametrize("method", ["TRACE", "PATCH", "PROPFIND", "LOCK", "PURGE", "MOVE", "COPY"])
def test_methods_of_others_are_not_served(server: Server, method: str) -> None:
    for path in ("/register", "/register/x", "/token", "/introspect", "/revoke", "/jwks", "/healthz"):
        reply = call(server.port, method, path, headers={"X-Secret": "reflected"})

        assert reply.no == (405, "invalid_request")
        assert b"reflected" not in reply.body
