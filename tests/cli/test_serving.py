"""The server as a process towards callers who take their time (RFC 9110 §15.5.9)."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.process import PATIENCE, Server
from tests.ledger import meets

HEAD = b"POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 20\r\n\r\n"
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LIMITS = {"HEAD_TIMEOUT": "1", "BODY_TIMEOUT": "1"}


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server with these settings; it is gone afterwards."""
    server = Server(tmp_path / "data")

    def start(**settings: str) -> Server:
        server.start(**settings)
        return server

    yield start
    if server.process is not None:
        server.kill()
        server.ended()


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def heard(line: socket.socket) -> bytes:
    """Everything until the server hangs up, as it must."""
    return b"".join(iter(lambda: line.recv(65536), b""))


def answer_of(line: socket.socket) -> bytes:
    """One answer of a connection that stays open."""
    told = b""
    while not told.endswith(b"}"):
        piece = line.recv(65536)
        assert piece, told
        told += piece
    return told


@meets("A-94")
@pytest.mark.parametrize(
    "said, status",
    [
        (b"", b""),
        (b"\r\n", b""),
        (b"G", b"HTTP/1.1 408 "),
        (b"GET /healthz HTTP/1.1\r\nHost:", b"HTTP/1.1 408 "),
        (HEAD % b"application/json" + b"{", b"HTTP/1.1 408 "),
        (HEAD % b"text/plain" + b"{", b"HTTP/1.1 415 "),
    ],
)
def test_who_does_not_finish_a_request_in_time_is_told_and_hung_up_on(begin: Callable[..., Server], said: bytes, status: bytes) -> None:
    server = begin(**LIMITS)

    with connected(server) as line:
        line.sendall(said)
        told = heard(line)

    assert told[: len(status) or None] == status
    assert told.count(b"HTTP/1.1 ") <= 1
    assert (b'"error":"invalid_request"' in told) == (b"Content-Type" in said)


@meets("A-94")
@pytest.mark.parametrize("said, status", [(b"\r\n", b""), (b"GET /", b"HTTP/1.1 408 ")])
def test_the_time_counts_anew_for_each_request_of_a_connection(begin: Callable[..., Server], said: bytes, status: bytes) -> None:
    server = begin(**LIMITS)

    with connected(server) as line:
        for _ in range(2):
            line.sendall(WHOLE[:5])
            line.sendall(WHOLE[5:])
            assert answer_of(line).startswith(b"HTTP/1.1 200 ")
        line.sendall(said)
        told = heard(line)

    assert told[: len(status) or None] == status


@pytest.mark.parametrize(
    "said, status",
    [
        (b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", b"200"),
        (b"GET /healthz HTTP/1.0\r\n\r\n", b"200"),
    ],
)
def test_a_request_names_its_host_once(begin: Callable[..., Server], said: bytes, status: bytes) -> None:
    """RFC 9112 §3.2; which host it names changes nothing."""
    server = begin()

    with connected(server) as line:
        line.sendall(said)
        told = heard(line)

    assert told.startswith(b"HTTP/1.1 " + status)
    assert (b'"error":"invalid_request"' in told) == (status == b"400")


@meets("A-94")
@pytest.mark.parametrize("said", [b"GET /healthz HTTP/1.1\r\nX: ", HEAD.replace(b"20", b"2000") % b"text/plain"])
def test_dripping_does_not_lengthen_the_time(begin: Callable[..., Server], said: bytes) -> None:
    server = begin(**LIMITS)
    began = time.monotonic()

    with connected(server) as line:
        line.sendall(said)
        line.settimeout(0.05)
        told = drip(line, began + PATIENCE)

    assert told.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 415 "))
    assert 0.9 < time.monotonic() - began < PATIENCE / 2


def drip(line: socket.socket, end: float) -> bytes:
    """What is answered to a byte whenever nothing was heard for a moment, until the server hangs up."""
    told = b""
    while time.monotonic() < end:
        try:
            piece = line.recv(65536)
        except TimeoutError:
            try:
                line.sendall(b"a")
            except OSError:
                return told
            continue
        except OSError:
            return told
        if not piece:
            return told
        told += piece
    raise AssertionError("the server goes on listening")


def flood(line: socket.socket, data: bytes) -> None:
    """Much more than two systems keep for a connection."""
    for _ in range(1000):
        line.sendall(data)


@meets("A-94")
def test_who_asks_and_does_not_take_the_answers_is_hung_up_on(begin: Callable[..., Server]) -> None:
    server = begin(**LIMITS)
    many = b"GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: x\r\n\r\n" * 1000

    with connected(server) as line, pytest.raises(OSError, match=r"reset|[Bb]roken|peer"):
        flood(line, many)
    with connected(server) as other:
        other.sendall(WHOLE)
        answer = answer_of(other)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert server.complaints() == []


@meets("A-94")
def test_connections_beyond_the_limit_are_turned_away_and_the_others_go_on(begin: Callable[..., Server]) -> None:
    server = begin(CONNECTIONS="2")

    with connected(server) as first, connected(server) as second:
        for line in (first, second):
            line.sendall(WHOLE)
            assert answer_of(line).startswith(b"HTTP/1.1 200 ")
        with connected(server) as third:
            third.sendall(WHOLE)
            turned_away = heard(third)
        second.sendall(WHOLE)
        still = answer_of(second)

    assert turned_away.startswith(b"HTTP/1.1 503 ")
    assert b"connection: close" in turned_away
    assert still.startswith(b"HTTP/1.1 200 ")


def test_a_server_that_is_stopped_does_not_wait_for_a_body_that_does_not_come(begin: Callable[..., Server]) -> None:
    server = begin(LOG_LEVEL="warning")

    with connected(server) as line:
        line.sendall(HEAD % b"application/json" + b"{")
        with connected(server) as other:
            other.sendall(WHOLE)
            assert answer_of(other).startswith(b"HTTP/1.1 200 ")
        began = time.monotonic()
        ended = server.stop()

    assert ended == 0
    assert time.monotonic() - began < 10
    assert server.complaints() == []
