"""The data folder that a command works on: found, missing, another issuer's, damaged, open to others, altered."""

import json
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calling_card.settings import BadSettings, Settings, check
from tests.cli.conftest import ISSUER, Operator
from tests.faults.process import environment, program
from tests.ledger import meets
from tests.world import World

EVERYWHERE = "0.0.0.0"  # noqa: S104 - to be refused
COMMANDS = (("invite",), ("client", "list"), ("keys", "rotate"), ("audit", "verify"), ("resource", "list"))


def database(operator: Operator) -> Path:
    """The file of the database."""
    return operator.data / "calling-card.sqlite3"


# ── Which issuer ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_without_a_data_folder_the_way_out_is_told_and_nothing_is_made(tmp_path: Path, words: tuple[str, ...]) -> None:
    operator = Operator(tmp_path / "none")

    said = operator.refused(3, *words)

    assert said == f"there is no data folder at {tmp_path / 'none'}; start the server first, or name --data or --issuer"
    assert not operator.data.exists()


@pytest.mark.parametrize(
    "words", [("client", "list"), ("client", "show", "c1"), ("resource", "list"), ("audit", "verify"), ("audit", "export")], ids=" ".join
)
def test_a_command_that_only_looks_makes_no_data_folder_whatever_issuer_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    operator = Operator(tmp_path / "none")

    said = operator.refused(3, *words, "--issuer", "https://login.example")

    assert said == f"there is no data folder at {operator.data}; start the server first, or name another with --data"
    assert not operator.data.exists()


def test_the_issuer_is_that_of_the_data_folder(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "data")
    assert operator.run("keys", "list", "--issuer", "https://login.example").exit_code == 0

    assert operator.refused(1, "resource", "add", "https://login.example/x").startswith("resource: this server itself")
    assert operator.told("resource", "add", f"{ISSUER.replace('http', 'https')}/x")["resource"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_another_issuer_is_refused_and_the_right_one_named(operator: Operator, words: tuple[str, ...]) -> None:
    said = operator.refused(3, *words, "--issuer", "https://other.example")

    assert said.startswith(f"this data folder belongs to the issuer {ISSUER}, not https://other.example")
    assert f"Start with --issuer {ISSUER} or with another --data folder" in said


@pytest.mark.parametrize("where", ["environment", "file"])
def test_an_issuer_that_was_set_counts_as_named(operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    file = tmp_path / "calling-card.toml"
    file.write_text('issuer = "https://other.example"\n' if where == "file" else "", encoding="utf-8")
    if where == "environment":
        monkeypatch.setenv("CALLING_CARD_ISSUER", "https://other.example")

    said = operator.refused(3, "client", "list", "--config", str(file))

    assert said.startswith(f"this data folder belongs to the issuer {ISSUER}, not https://other.example")


def test_another_port_in_the_settings_is_no_other_issuer(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLING_CARD_PORT", "9999")

    assert operator.rows("client", "list") == []


# ── What is wrong with it ────────────────────────────────────────────────────────────────────────────────────────────


def without_keyring(operator: Operator) -> str:
    """Beside a database that needs it."""
    (operator.data / "keyring.json").unlink()
    return "a new one would end every credential"


def damaged_keyring(operator: Operator) -> str:
    """Half of the file."""
    file = operator.data / "keyring.json"
    file.write_text(file.read_text(encoding="utf-8")[:50], encoding="utf-8")
    return "keyring.json is damaged"


def weak_key(operator: Operator) -> str:
    """Fewer bytes than a key has."""
    file = operator.data / "keyring.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["keys"][0]["secret"] = "c2hvcnQ="
    file.write_text(json.dumps(content), encoding="utf-8")
    return "32 bytes in every key"


def readable_keyring(operator: Operator) -> str:
    """By the group."""
    (operator.data / "keyring.json").chmod(0o640)
    return "keyring.json can be read by others; chmod 600 it"


def foreign_database(operator: Operator) -> str:
    """Somebody else's."""
    database(operator).unlink()
    with sqlite3.connect(database(operator)) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    database(operator).chmod(0o600)
    return "the file is a database of another program"


def newer_database(operator: Operator) -> str:
    """Written by a version of tomorrow."""
    with sqlite3.connect(database(operator)) as db:
        db.execute("PRAGMA user_version = 9999")
    db.close()
    return "start the version that wrote it or a newer one"


def no_database(operator: Operator) -> str:
    """Something else under its name."""
    for file in operator.data.glob("calling-card.sqlite3*"):
        file.unlink()
    database(operator).write_bytes(b"no database at all, but long enough to be read as one " * 40)
    database(operator).chmod(0o600)
    return "is no database"


UNUSABLE = (without_keyring, damaged_keyring, weak_key, readable_keyring, foreign_database, newer_database, no_database)


@meets("A-91")
@pytest.mark.parametrize("spoil", UNUSABLE)
def test_a_folder_that_cannot_be_used_is_refused_with_the_reason_by_commands_and_server(
    operator: Operator, spoil: Callable[[Operator], str]
) -> None:
    words = spoil(operator)

    assert words in operator.refused(3, "client", "list")
    assert words in operator.refused(3, "serve")


def writable_folder(operator: Operator) -> str:
    """By everybody."""
    operator.data.chmod(0o777)
    return "can be written by others; chmod go-w it"


def readable_database(operator: Operator) -> str:
    """By everybody."""
    database(operator).chmod(0o644)
    return "can be read by others; chmod 600 it"


@meets("A-91")
@pytest.mark.parametrize("spoil", [writable_folder, readable_database])
def test_a_folder_that_is_open_to_others_is_refused(operator: Operator, spoil: Callable[[Operator], str]) -> None:
    words = spoil(operator)

    assert words in operator.refused(2, "client", "list")
    assert words in operator.refused(3, "serve")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "file")
    operator.data.write_text("", encoding="utf-8")

    assert operator.refused(3, "serve") == f"data: {operator.data} cannot be made: File exists"


# ── Settings that are not safe ───────────────────────────────────────────────────────────────────────────────────────


@meets("A-91", "A-04", "H-25", "S2-32")
@pytest.mark.parametrize(
    "options, words",
    [
        (("--issuer", "http://login.example"), "issuer: http is only for an issuer and an address on loopback"),
        (("--issuer", "http://127.0.0.1:8000", "--host", EVERYWHERE), "issuer: http is only for"),
        (("--host", EVERYWHERE), "issuer: http is only for"),
        (("--host", "192.0.2.1"), "issuer: http is only for"),
        (("--issuer", "https://login.example", "--host", EVERYWHERE), "trusted_proxies: name the proxy that ends TLS"),
        (("--issuer", "https://login.example", "--dev"), "dev: only with an issuer on loopback"),
        (("--issuer", "https://login.example/"), "issuer: must not end with a slash"),
        (("--issuer", "https://login.example?x"), "issuer: must have no query"),
        (("--issuer", "login.example"), "is not an absolute https URL"),
    ],
)
def test_a_server_does_not_start_with_settings_that_are_not_safe(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    operator = Operator(tmp_path / "data")

    assert words in operator.refused(2, "serve", *options)
    assert not operator.data.exists()


@meets("A-91")
@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "*"])
def test_a_server_does_not_trust_every_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str) -> None:
    monkeypatch.setenv("CALLING_CARD_TRUSTED_PROXIES", network)

    said = Operator(tmp_path / "data").refused(2, "serve", "--issuer", "https://login.example", "--host", EVERYWHERE)

    assert said.startswith("trusted_proxies: ")


@meets("H-25", "A-02", "A-04")
def test_http_is_for_loopback_with_and_without_dev_and_https_needs_its_proxy() -> None:
    for dev in (False, True):
        for host in ("127.0.0.1", "::1", "localhost"):
            settings = Settings(issuer=f"http://{'[::1]' if host == '::1' else host}:8000", host=host, dev=dev)
            assert check(settings) == settings
    behind = Settings(issuer="https://login.example", host=EVERYWHERE, trusted_proxies=("192.0.2.0/24",))
    assert check(behind) == behind
    with pytest.raises(BadSettings):
        check(replace(Settings(issuer="http://127.0.0.1:8000", dev=True), host=EVERYWHERE))


def test_a_port_where_another_listens_is_told(operator: Operator) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = subprocess.run(
            program("serve", "--data", str(operator.data), "--port", port, "--issuer", ISSUER),
            env=environment(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=30,
            check=False,
        )

    assert (done.returncode, done.stdout) == (3, "")
    assert f"calling-card: cannot listen on 127.0.0.1:{port}; is another server there?" in done.stderr
    assert "Traceback" not in done.stderr
    assert operator.told("audit", "verify")["broken"] == []


# ── The audit trail ──────────────────────────────────────────────────────────────────────────────────────────────────


async def a_hundred_events(server: World) -> None:
    """Registrations, until there are so many records of one writer."""
    for number in range(100):
        await server.register(client_name=f"Client {number}")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a hundred records of one writer."""
    operator = Operator(tmp_path_factory.mktemp("audit") / "data")
    assert operator.run("keys", "list", "--issuer", ISSUER).exit_code == 0
    operator.inside(a_hundred_events)
    return operator.data


@pytest.fixture
def trail(written: Path, tmp_path: Path) -> Operator:
    """A copy of it to spoil."""
    shutil.copytree(written, tmp_path / "data")
    return Operator(tmp_path / "data")


def change(operator: Operator, *statements: str) -> None:
    """As somebody with access to the database would; triggers and the like do not stop them."""
    with sqlite3.connect(database(operator)) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert db.execute(statement).rowcount > 0
    db.close()


LONG = "writer = (SELECT writer FROM events GROUP BY writer HAVING count(*) > 9)"


@meets("X-58")
@pytest.mark.parametrize(
    "statements, found",
    [
        ((f"UPDATE events SET at = at + 1 WHERE {LONG} AND number = 50",), "event 50 was altered"),
        ((f"UPDATE events SET kind = 'client_deleted' WHERE {LONG} AND number = 50",), "event 50 was altered"),
        (
            (f"UPDATE events SET content = CAST(replace(content, 'anonymous', 'operator') AS BLOB) WHERE {LONG} AND number = 50",),
            "event 50 was altered",
        ),
        ((f"UPDATE events SET mac = zeroblob(16) WHERE {LONG} AND number = 50",), "event 50 was altered"),
        ((f"DELETE FROM events WHERE {LONG} AND number = 50",), "event 50 is missing"),
        (
            (f"DELETE FROM events WHERE {LONG} AND number = 50", f"UPDATE events SET number = number - 1 WHERE {LONG} AND number = 51"),
            "event 50 was altered",
        ),
        (
            (
                f"UPDATE events SET number = 1000 WHERE {LONG} AND number = 50",
                f"UPDATE events SET number = 50 WHERE {LONG} AND number = 51",
                f"UPDATE events SET number = 51 WHERE {LONG} AND number = 1000",
            ),
            "event 50 was altered",
        ),
        ((f"DELETE FROM events WHERE {LONG} AND number > 98",), "the events behind 98 are missing, 100 had been written"),
        ((f"DELETE FROM events WHERE {LONG}",), "the events behind 0 are missing, 100 had been written"),
    ],
)
def test_whoever_alters_removes_moves_or_cuts_events_is_found_out(trail: Operator, statements: tuple[str, ...], found: str) -> None:
    """Example 15 of the security requirements, and its neighbours."""
    held = trail.told("audit", "verify")

    change(trail, *statements)
    results = [trail.run("audit", "verify"), trail.run("audit", "verify", "--json"), trail.run("audit", "verify")]

    assert (held["events"], held["broken"]) == (101, [])
    assert [result.exit_code for result in results] == [1] * 3
    assert all(found in result.stdout for result in results)
    assert results[0].stderr == "calling-card: the audit trail is broken\n"


def test_heads_that_are_damaged_are_told_and_stop_no_other_command(trail: Operator) -> None:
    (trail.data / "heads.json").write_text("{", encoding="utf-8")

    assert "heads.json is damaged" in trail.refused(1, "audit", "verify")
    result = trail.run("client", "list", "--limit", "1", "--json")
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    assert (result.exit_code, len(rows)) == (0, 1)
    assert "heads_not_written" in result.stderr
