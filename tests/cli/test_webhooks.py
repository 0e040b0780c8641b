"""``calling-card webhook``: who is told, how that goes, and trying it."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from calling_card.cli.webhooks import Watched
from calling_card.protocol.life.webhooks import HERE, Webhook
from tests.cli.conftest import Operator
from tests.world import World

URL = "https://hooks.example/clients"


@dataclass
class Receiver:
    """A program on this machine that says always the same."""

    status: int = 200
    url: str = ""
    paths: list[str] = field(default_factory=list[str])


@contextmanager
def receiving(status: int = 200) -> Generator[Receiver]:
    made = Receiver(status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            made.paths.append(self.path)
            self.send_response(made.status)
            self.end_headers()
            self.wfile.write(b"thank you")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library has it
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        server.shutdown()
        thread.join(10)


@pytest.fixture
def _development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLING_CARD_FETCH_LOOPBACK", "true")


async def two(server: World) -> None:
    for _ in range(2):
        await server.register(client_name="Notes")


def test_a_webhook_is_added_shown_listed_and_removed(operator: Operator) -> None:
    added = operator.told("webhook", "add", URL, "--type", "client.deleted", "--label", "ours")
    id = added["id"]
    listed = operator.people("webhook", "list")
    shown = operator.told("webhook", "show", id)
    removed = operator.people("webhook", "remove", id)

    assert added["secret"].startswith("whsec_")
    assert (added["types"], added["label"], added["owner"]) == (["client.deleted"], "ours", "olga")
    assert listed == f"{id}  active  {URL}  0 delivered, 0 dropped  ours"
    assert "secret" not in shown
    assert removed == f"{id} is gone"
    assert operator.rows("webhook", "list") == []
    assert operator.refused(1, "webhook", "show", id) == f"there is no webhook {id}; see calling-card webhook list"


def test_the_secret_is_shown_once_and_again_only_by_making_another(operator: Operator) -> None:
    first = operator.people("webhook", "add", URL)
    id, secret = [line.split()[1] for line in first.splitlines()]
    second = operator.people("webhook", "rotate", id)

    assert second.splitlines()[0] == f"id  {id}"
    assert second.splitlines()[1].split()[1] not in ("", secret)
    assert secret not in operator.people("webhook", "show", id)


@pytest.mark.parametrize(
    "arguments, why",
    [
        (("http://hooks.example/",), "url: must begin with https://"),
        (("https://127.0.0.1/",), "url: has a host of this machine"),
        ((URL, "--type", "client.born"), "type: there is no client.born; there are client.registered, client.changed, "),
    ],
)
def test_what_cannot_be_is_refused(operator: Operator, arguments: tuple[str, ...], why: str) -> None:
    assert operator.refused(1, "webhook", "add", *arguments).startswith(why)


@pytest.mark.usefixtures("_development")
def test_a_ping_says_what_came_back(operator: Operator) -> None:
    with receiving() as receiver:
        id = operator.told("webhook", "add", receiver.url)["id"]
        good = operator.people("webhook", "test", id)
        told = operator.told("webhook", "test", id)
        receiver.status = 500
        bad = operator.refused(1, "webhook", "test", id)
        result = operator.run("webhook", "test", id, "--json")

    assert good == "taken  status 200  thank you"
    assert told == {"taken": True, "status": 200, "text": "thank you", "state": "active"}
    assert bad == "not taken: status 500"
    assert (result.exit_code, '"taken": false' in result.stdout) == (1, True)
    assert receiver.paths == ["/hook"] * 4


@pytest.mark.usefixtures("_development")
def test_what_waits_is_delivered_now(operator: Operator) -> None:
    with receiving() as receiver:
        id = operator.told("webhook", "add", receiver.url)["id"]
        nothing = operator.people("webhook", "deliver")
        operator.inside(two)
        (row,) = operator.rows("webhook", "deliver")
        receiver.status = 503
        operator.inside(two)
        bad = operator.people("webhook", "deliver")

    assert nothing == "nothing waits that may be sent now"
    assert (row["id"], row["delivered"]) == (id, 2)
    assert bad == f"{id}  active  {receiver.url}  2 delivered, 0 dropped  1 tries failed, the last: status 503"


def test_whoever_watches_at_a_terminal_sees_how_far_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    hook = Webhook(b"h" * 16, URL, (), "", "olga", 0, 1, 1, 0, 0, HERE, answer="status 204")

    watched = Watched()
    watched(hook)
    watched(hook)

    assert "\r2 tries, the last: status 204" in capsys.readouterr().err
