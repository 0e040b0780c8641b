"""The commands about clients that are a URL: what they print for people, what as JSON, and how they fail."""

import json
from pathlib import Path

import pytest

from calling_card.protocol.abroad.fetching import Why
from tests.addresses import HOST, URL, WELL_KNOWN, document
from tests.cli.conftest import ISSUER, Operator
from tests.ledger import meets
from tests.strangers import Strangers
from tests.visitor import Browser
from tests.world import Clock, World

LOCAL = "http://localhost:3000/client.json"


@pytest.fixture(autouse=True)
def strangers(monkeypatch: pytest.MonkeyPatch) -> Strangers:
    """The rest of the web, for every command of a test."""
    web = Strangers(Clock())

    def fetcher(*_: object) -> Strangers:
        return web

    monkeypatch.setattr("calling_card.wiring.HttpsFetcher", fetcher)
    return web


def serve(strangers: Strangers, url: str = URL, /, **members: object) -> None:
    strangers.serve(url, json.dumps(document(url, **members)).encode())


def serve_below(strangers: Strangers) -> None:
    strangers.serve(WELL_KNOWN, json.dumps(document(HOST, client_id=None, redirect_uris=[HOST + "/cb"])).encode())


async def come(server: World) -> None:
    """A client comes by its document."""
    await Browser(server).authorize({"client_id": URL})


async def come_discovered(server: World) -> None:
    await Browser(server).authorize({"client_id": HOST, "redirect_uri": HOST + "/cb"}, client_discovery="true")


@pytest.fixture
def known(operator: Operator, strangers: Strangers) -> Operator:
    """An operator whose server a URL has come to."""
    serve(strangers)
    operator.inside(come)
    return operator


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A developer's document."""
    path = tmp_path / "client.json"
    path.write_text(json.dumps(document("", client_id=None)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "words",
    [("resolve",), ("client", "refetch"), ("client", "suspend"), ("client-metadata", "check"), ("client-metadata", "host")],
    ids=" ".join,
)
def test_what_takes_a_url_shows_examples(operator: Operator, words: tuple[str, ...]) -> None:
    shown = operator.say(*words, "--help").stdout

    assert f"    calling-card {' '.join(words)} " in shown


# ── The client commands ──────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-55")
def test_a_url_is_listed_and_shown(known: Operator) -> None:
    [row] = known.rows("client", "list")
    told = known.told("client", "show", URL)

    assert (row["client_id"], row["route"], row["door"], row["created_by"]) == (URL, "cimd", "cimd", "cimd")
    assert known.people("client", "list").split("  ")[:4] == [URL, "active", "public", "cimd"]
    assert (told["host"], told["document"], told["grants_alive"]) == ("app.example", URL, 0)
    assert [set(version) for version in told["versions"]] == [{"number", "seen_at", "checked_at", "sha256"}]


@meets("D-55", "D-56")
def test_a_url_is_blocked_let_go_on_and_forgotten_with_the_words_for_every_client(known: Operator) -> None:
    assert known.people("client", "suspend", URL) == f"{URL} is suspended"
    assert known.told("client", "show", URL)["state"] == "suspended"
    assert known.people("client", "resume", URL) == f"{URL} is active"
    assert known.people("client", "delete", URL) == f"{URL} is gone"
    assert known.refused(1, "client", "show", URL) == f"there is no client {URL}"


def test_the_flag_says_that_a_client_was_discovered(operator: Operator, strangers: Strangers) -> None:
    serve_below(strangers)
    operator.inside(come_discovered)

    assert operator.told("client", "show", HOST, "--discovery")["route"] == "looker"
    assert operator.told("client", "suspend", HOST, "--discovery")["state"] == "suspended"
    assert operator.told("client", "resume", HOST, "--discovery")["state"] == "active"
    assert operator.told("client", "refetch", HOST, "--discovery")["versions"][0]["number"] == 1
    assert operator.told("client", "delete", HOST, "--discovery")["state"] == "deleted"


@meets("D-55", "D-32")
def test_a_document_is_read_again_when_an_operator_says_so(known: Operator, strangers: Strangers) -> None:
    serve(strangers, client_name="Renamed")

    told = known.told("client", "refetch", URL)

    assert (told["client_name"], [version["number"] for version in told["versions"]]) == ("Renamed", [2, 1])
    assert json.loads(known.people("client", "refetch", URL))["client_name"] == "Renamed"
    assert URL in strangers.forgotten


def test_a_document_that_cannot_be_read_again_is_a_refusal(known: Operator, strangers: Strangers) -> None:
    strangers.fail(URL, Why.BROKEN)
    assert "could not be read now (BROKEN)" in known.refused(1, "client", "refetch", URL)

    strangers.fail(URL, Why.GONE)
    assert "is not there" in known.refused(1, "client", "refetch", URL)


def test_a_url_has_no_credentials_to_rotate(known: Operator) -> None:
    assert "it has no credentials of ours" in known.refused(1, "client", "rotate", URL)


# ── resolve ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-64")
def test_a_url_that_would_do_passes_every_rule(operator: Operator, strangers: Strangers) -> None:
    serve(strangers)

    told, shown = operator.told("resolve", URL), operator.people("resolve", URL).splitlines()

    assert (told["client_id"], told["good"], told["state"]) == (URL, True, "unknown")
    assert {rule["passed"] for rule in told["rules"]} == {True}
    assert all(set(rule) == {"rule", "section", "meaning", "passed", "detail"} for rule in told["rules"])
    assert shown[0].startswith("pass  grammar  CIMD §3  It is an absolute URL")
    assert [line.split()[:2] for line in shown[:-1]] == [["pass", rule["rule"]] for rule in told["rules"]]
    assert shown[-1] == "not known here yet"
    assert operator.rows("client", "list") == []


@meets("D-64")
def test_a_broken_rule_is_marked_and_ends_with_one(operator: Operator, strangers: Strangers) -> None:
    serve(strangers, client_secret="s")

    result, machine = operator.run("resolve", URL), operator.run("resolve", URL, "--json")

    assert (result.exit_code, result.stderr) == (1, "calling-card: 1 rule is broken\n")
    [line] = [line for line in result.stdout.splitlines() if line.startswith("FAIL")]
    assert line.split()[1] == "issued"
    assert "client_secret: must not be published" in line
    assert (machine.exit_code, json.loads(machine.stdout)["good"]) == (1, False)


@meets("D-64")
def test_what_was_not_reached_is_neither_pass_nor_fail(operator: Operator, strangers: Strangers) -> None:
    result = operator.run("resolve", "https://127.0.0.1/client.json?x#y")

    words = {line.split()[1]: line.split()[0] for line in result.stdout.splitlines()[:-1]}
    assert (words["scheme"], words["host"], words["fragment"], words["fetched"]) == ("pass", "FAIL", "FAIL", "-")
    assert result.stderr == "calling-card: 3 rules are broken\n"
    assert strangers.asked == []


def test_resolving_says_what_is_known_of_a_url(known: Operator) -> None:
    known.people("client", "suspend", URL)

    assert known.people("resolve", URL).splitlines()[-1] == "known here, suspended"
    assert known.told("resolve", URL)["state"] == "suspended"


def test_resolving_by_discovery_needs_a_url(operator: Operator) -> None:
    assert "needs a client_id that is a URL" in operator.refused(1, "resolve", "c123", "--discovery")


@meets("X-56")
def test_what_a_document_says_never_moves_the_cursor(operator: Operator, strangers: Strangers) -> None:
    serve(strangers, redirect_uris=["https://a.example/\x1b[2J"], client_name="\u202ea")

    result = operator.run("resolve", URL)

    assert result.exit_code == 1
    assert all(char.isprintable() or char == "\n" for char in result.output)


def test_resolving_needs_the_server(tmp_path: Path) -> None:
    assert "there is no data folder" in Operator(tmp_path / "nowhere").refused(3, "resolve", URL)


# ── client-metadata check ────────────────────────────────────────────────────────────────────────────────────────────


@meets("S4-57")
def test_a_developer_checks_a_document_without_any_server(tmp_path: Path, strangers: Strangers) -> None:
    serve(strangers)
    developer = Operator(tmp_path / "nowhere")

    told, shown = developer.told("client-metadata", "check", URL), developer.people("client-metadata", "check", URL)

    assert (told["client_id"], told["good"]) == (URL, True)
    assert "state" not in told
    assert {line.split()[0] for line in shown.splitlines()} == {"pass"}
    assert not (tmp_path / "nowhere").exists()


@meets("S4-57", "S4-55")
def test_a_developer_checks_the_well_known_place(tmp_path: Path, strangers: Strangers) -> None:
    serve_below(strangers)
    developer = Operator(tmp_path / "nowhere")

    assert developer.told("client-metadata", "check", WELL_KNOWN)["good"]
    assert developer.told("client-metadata", "check", HOST, "--discovery")["good"]
    assert strangers.asked == [WELL_KNOWN, WELL_KNOWN]


def test_a_bad_document_is_told_rule_by_rule(tmp_path: Path, strangers: Strangers) -> None:
    serve(strangers, redirect_uris=["javascript:alert(1)"], client_id="https://other.example/")

    result = Operator(tmp_path / "nowhere").run("client-metadata", "check", URL)

    assert (result.exit_code, result.stderr) == (1, "calling-card: 2 rules are broken\n")
    assert [line.split()[1] for line in result.stdout.splitlines() if line.startswith("FAIL")] == ["client_id", "members"]


@meets("D-10")
def test_this_machine_is_read_from_only_when_the_developer_says_so(tmp_path: Path, strangers: Strangers) -> None:
    serve(strangers, LOCAL)
    developer = Operator(tmp_path / "nowhere")

    refused = developer.run("client-metadata", "check", LOCAL)
    assert (refused.exit_code, {line.split()[1] for line in refused.stdout.splitlines() if line.startswith("FAIL")}) == (
        1,
        {"scheme", "host"},
    )
    assert "-     fetched" in refused.stdout
    assert strangers.asked == []
    assert developer.told("client-metadata", "check", LOCAL, "--loopback")["good"]


# ── client-metadata host and drop ────────────────────────────────────────────────────────────────────────────────────


@meets("D-52")
def test_a_document_is_hosted_served_and_dropped(operator: Operator, file: Path) -> None:
    told = operator.told("client-metadata", "host", str(file), "--expires", "2h")
    url = told["client_id"]

    async def read(server: World) -> tuple[int, int]:
        reply = await server.call("GET", url.removeprefix(ISSUER))
        return reply.status, told["expires_at"] - server.ports.now()

    status, left = operator.inside(read)
    assert (status, 7100 < left <= 7200) == (200, True)
    assert told["notes"] == []
    assert operator.told("resolve", url)["good"]
    assert operator.told("client-metadata", "drop", url) == {"client_id": url, "state": "dropped"}
    assert operator.inside(read)[0] == 404
    assert operator.refused(1, "client-metadata", "drop", url) == f"there is no document {url}"


def test_the_url_alone_is_printed_for_people(operator: Operator, file: Path) -> None:
    url = operator.people("client-metadata", "host", str(file))

    assert url.startswith(f"{ISSUER}/client-documents/")
    assert operator.people("client-metadata", "drop", url.rpartition("/")[2]).endswith(" is gone")


def test_a_document_may_come_by_standard_input(operator: Operator, file: Path) -> None:
    result = operator.typed(file.read_text(encoding="utf-8"), "client-metadata", "host", "-")

    assert (result.exit_code, result.stdout.startswith(ISSUER)) == (0, True)


def test_what_is_taken_in_another_way_than_said_is_noted(operator: Operator, file: Path) -> None:
    file.write_text(json.dumps(document("", client_id=None, grant_types=["authorization_code", "password"])), encoding="utf-8")

    [note] = operator.told("client-metadata", "host", str(file))["notes"]

    assert note.startswith("members: grant_types: ")


def test_a_bad_document_is_not_hosted(operator: Operator, file: Path) -> None:
    file.write_text("{}", encoding="utf-8")

    assert "redirect_uris: must be an array" in operator.refused(1, "client-metadata", "host", str(file))


@pytest.mark.parametrize("expires", ["never", "91d"])
def test_a_document_is_hosted_for_a_while_only(operator: Operator, file: Path, expires: str) -> None:
    assert "expires: must be within 90 days" in operator.refused(1, "client-metadata", "host", str(file), "--expires", expires)


@pytest.mark.parametrize("arguments", [(), ("nowhere.json",), ("--expires", "soon")])
def test_hosting_needs_a_file_and_a_life(operator: Operator, arguments: tuple[str, ...]) -> None:
    assert operator.run("client-metadata", "host", *arguments).exit_code == 2
