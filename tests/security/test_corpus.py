"""Raw bytes against the real server, alone and behind nginx: what is no request is refused, nothing hides in one (RELIABILITY B2)."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.process import Server, free_port
from tests.ledger import meets
from tests.security.corpus import CORPUS, CUT, ENDS, KINDS, REFUSED, Case
from tests.security.outsider import PATIENCE, call

LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
KEYS = b'"keys"'
"""In the answer to a request that some rows hide where a body, a header or nothing is."""
CONNECTIONS = 1000
MEGABYTES = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, servers: Callable[[Path], Server]) -> Iterator[Server]:
    """One for all rows: each leaves it alive, and all of them together leave it as large as it was."""
    server = servers(tmp_path_factory.mktemp("corpus") / "data")
    server.start(LOG_LEVEL="warning", CONNECTIONS="1100")
    before = memory(server)
    yield server
    assert call(server.port, "GET", "/readyz").status == 200
    assert memory(server) - before < MEGABYTES
    assert server.stop() == 0
    assert {json.loads(line)["event"] for line in server.complaints()} <= {"library"}


def memory(server: Server) -> int:
    """Megabytes the process holds now."""
    lines = Path(f"/proc/{server.running.pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


def heard(port: int, case: Case) -> bytes:
    """All that is answered to a row and the good request behind it; a reset ends it as a hang-up does."""
    answered = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        try:
            line.sendall(case.said + LAST)
            if case.wanted is CUT:
                line.shutdown(socket.SHUT_WR)
            while piece := line.recv(65536):
                answered += piece
        except ConnectionError:
            pass
    return answered


def statuses(answered: bytes) -> list[int]:
    """Of all answers, but not those that only say that a body may come (RFC 9110 section 15.2.1)."""
    return [status for status in map(int, re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answered)) if status != 100]


def test_the_corpus_is_large_and_no_row_is_there_twice() -> None:
    assert len(CORPUS) >= 700
    assert len({case.said for case in CORPUS}) >= len(CORPUS) - 20
    assert len({case.id for case in CORPUS}) == len(CORPUS)


@meets("X-60")
@pytest.mark.parametrize("case", CORPUS, ids=[case.id for case in CORPUS])
def test_what_is_said_gets_what_its_row_says(server: Server, case: Case) -> None:
    answered = heard(server.port, case)

    got = statuses(answered)
    if case.wanted is REFUSED:
        assert len(got) <= 1
        assert all(400 <= status < 500 for status in got)
        assert got or len(case.said) > 65_536  # who says that much at once may find the line cut before it can read
    elif case.wanted is CUT:
        assert len(got) <= 1
        assert all(400 <= status < 500 for status in got)
    else:
        assert isinstance(case.wanted, tuple)
        assert got == ([*case.wanted[:-1]] if case.wanted[-1] == ENDS else [*case.wanted, 200])
    assert KEYS not in answered


def test_only_a_version_that_has_it_is_told_to_go_on(server: Server) -> None:
    """RFC 9110 section 10.1.1."""
    told = {}
    for version in (b"1.0", b"1.1"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as line:
            line.sendall(
                b"POST /register HTTP/%s\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                b"Expect: 100-continue\r\nConnection: close\r\n\r\n" % version
            )
            line.settimeout(PATIENCE)
            first = line.recv(65536) if version == b"1.1" else b""
            line.sendall(b"{}")
            while piece := line.recv(65536):
                first += piece
        told[version] = first.startswith(b"HTTP/1.1 100 ")

    assert told == {b"1.0": False, b"1.1": True}


@meets("X-52")
def test_a_thousand_callers_who_say_a_byte_now_and_then_cost_little_and_keep_nobody_waiting(server: Server) -> None:
    slow = [  # the first of them goes on
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ",
        b"POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{",
        b"G",
        b"",
    ]
    before = memory(server)
    lines = [socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) for _ in range(CONNECTIONS)]
    try:
        answers: list[int] = []
        for number, line in enumerate(lines):
            line.sendall(slow[number % len(slow)])
        for _ in range(5):
            for line in lines[::100]:
                line.sendall(b"a")
            answers.append(call(server.port, "GET", "/jwks").status)
    finally:
        for line in lines:
            line.close()

    assert answers == [200] * 5
    assert memory(server) - before < MEGABYTES


# ── Behind nginx ─────────────────────────────────────────────────────────────────────────────────────────────────────

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  client_header_timeout 5s; client_body_timeout 5s; keepalive_requests 1000;
  upstream us {{ server 127.0.0.1:{behind}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://us; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_request_buffering off;
    }}
  }}
}}
"""


@pytest.fixture(scope="module")
def front(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx that keeps one connection to the server for all callers, as would show whose answer goes to whom."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("what nginx and the server make of the same bytes needs nginx (Debian: nginx-light)")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, behind=server.port, port=port), "utf-8")
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
    try:
        listening(port)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def listening(port: int) -> None:
    """Wait until somebody answers."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
        except OSError:
            assert time.monotonic() < end
        else:
            return


@meets("X-27")
@pytest.mark.parametrize("kind", KINDS)
def test_behind_nginx_nothing_hides_and_nobody_gets_the_answer_of_another(front: int, kind: str) -> None:
    rows = [case for case in CORPUS if case.kind == kind]
    answered = {case.id: heard(front, case) for case in rows}

    after = [call(front, "GET", path).json for path in ("/healthz", "/readyz", "/.well-known/oauth-authorization-server")]

    assert [name for name, said in answered.items() if KEYS in said] == []
    assert [sorted(said)[:1] for said in after] == [["status"], ["status"], sorted(after[2])[:1]]
    assert "issuer" in after[2]
    assert len(answered) == len(rows)
