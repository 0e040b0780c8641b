"""The compiled load, against a server of a few lines: that it follows flows, not how fast it is."""

import json
import shutil
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benches.generator import Way, run
from benches.plan import Flow, Plan, Step, Table, path, query, said

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


class Rotating(BaseHTTPRequestHandler):
    """Hands out a token that is good for one use, and takes a code once."""

    protocol_version = "HTTP/1.1"
    good: dict[str, int]
    codes: set[str]

    def do_POST(self) -> None:
        name = f"/register/{len(self.good)}"
        self.good[name] = 1
        self._say(201, {"registration_client_uri": f"http://127.0.0.1{name}", "token": "t1"})

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        number = self.good.get(self.path, 0)
        if self.headers["Authorization"] != f"Bearer t{number}" or body != f'{{"at":"{self.path}"}}':
            self._say(401, {})
            return
        self.good[self.path] = number + 1
        self._say(200, {"token": f"t{number + 1}"})

    def do_GET(self) -> None:
        if self.path == "/authorize":
            self.codes.add(code := f"c{len(self.codes)}")
            self.send_response(303)
            self.send_header("Location", f"https://client.example.org/callback?state=s&code={code}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.close_connection = self.path in ("/silence", "/last")
        if self.path == "/silence":
            return
        if self.path == "/last":
            self._say(200, {})
            return
        self._say(200 if self.path.removeprefix("/redeem/") in self.codes else 400, {})

    def _say(self, status: int, body: dict[str, str]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Not on the screen."""


@contextmanager
def rotating() -> Generator[tuple[int, type[Rotating]]]:
    kind = type("Once", (Rotating,), {"good": {}, "codes": set()})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, kind
        server.shutdown()
        thread.join()


def test_a_walk_uses_what_the_one_before_it_captured() -> None:
    cards = Table(("path", "rat"))
    made = Step("POST", "/register", 201, captures=[path("registration_client_uri", "path"), said("token", "rat")])
    put = Step("PUT", "«path»", 200, [("Authorization", "Bearer «rat»")], '{"at":"«path»"}', [said("token", "rat")])
    with rotating() as (port, kind):
        tables = {"cards": cards}
        run(port, Plan([Flow([made], into="cards")], tables), Way(10, walks=3, connections=1), ["cards"])

        outcome = run(port, Plan([Flow([put], "cards")], tables), Way(10, walks=12, connections=2), ["cards"])

        assert (outcome.wrong, outcome.errors, outcome.all.done) == (0, 0, 12)
        assert sum(kind.good.values()) == 3 + 12
        assert {row[0]: row[1] for row in cards.rows} == {name: f"t{number}" for name, number in kind.good.items()}


def test_the_second_step_of_a_walk_uses_the_answer_to_the_first() -> None:
    asked, redeemed = Step("GET", "/authorize", 303, captures=[query("code")]), Step("GET", "/redeem/«code»", 200)
    with rotating() as (port, _):
        outcome = run(port, Plan([Flow([asked, redeemed])]), Way(10, walks=5, connections=1))

    assert [step.statuses for step in outcome.flows[0].steps] == [{"303": 5}, {"200": 5}]
    assert outcome.flows[0].walks.done == 5


def test_a_wrong_answer_ends_the_walk_and_is_shown() -> None:
    with rotating() as (port, _):
        outcome = run(port, Plan([Flow([Step("GET", "/redeem/none", 200), Step("GET", "/never", 200)])]), Way(10, walks=2, connections=1))

    assert (outcome.wrong, outcome.flows[0].walks.done, outcome.flows[0].steps[1].times.done) == (2, 0, 0)
    assert outcome.strange.startswith("HTTP/1.1 400")


def test_rows_that_are_used_up_end_the_run() -> None:
    table = Table(("path",), [["/redeem/c0"], ["/redeem/c1"]])
    with rotating() as (port, kind):
        kind.codes |= {"c0", "c1"}
        outcome = run(port, Plan([Flow([Step("GET", "«path»", 200)], "paths", once=True)], {"paths": table}), Way(10), ["paths"])

    assert (outcome.all.done, outcome.wrong, table.rows) == (2, 0, [])


def test_a_connection_that_is_closed_while_it_rests_is_opened_anew() -> None:
    with rotating() as (port, _):
        outcome = run(port, Plan([Flow([Step("GET", "/last", 200)])]), Way(10, rate=4, walks=3, connections=1))

    assert (outcome.all.done, outcome.wrong, outcome.errors, outcome.reopened) == (3, 0, 0, 2)


def test_a_connection_that_is_closed_instead_of_an_answer_is_lost() -> None:
    with rotating() as (port, _):
        outcome = run(port, Plan([Flow([Step("GET", "/silence", 200)])]), Way(10, rate=20, walks=4, connections=1))

    assert (outcome.all.done, outcome.errors, outcome.reopened) == (0, 4, 0)
