"""A backup, put back: the same keys, nothing that was ended is alive, and what was lost is known (F12, A-93, CREDENTIALS §5)."""

import json
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calling_card.usecases.operate import delete, rotate, suspend
from tests.cli.conftest import Operator
from tests.ledger import meets
from tests.world import World

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.setenv("SUDO_USER", "olga")
    there = Operator(tmp_path / "data")
    assert there.run("keys", "list", "--issuer", "http://127.0.0.1:8000").exit_code == 0
    return there


async def a_machine(server: World) -> dict[str, Any]:
    return await server.machine()


async def a_client(server: World) -> dict[str, Any]:
    card = await server.register(client_name="Notes")
    return {**card, "registration_client_uri": f"/register/{card['client_id']}"}


def saved(operator: Operator, name: str = "backup.sqlite3", *more: str) -> Path:
    file = operator.data.parent / name
    result = operator.run("backup", str(file), *more)
    assert result.exit_code == 0, result.output
    return file


def put_back(operator: Operator, file: Path, *more: str) -> dict[str, Any]:
    return operator.told("restore", str(file), *more)


def token_status(operator: Operator, card: dict[str, Any]) -> int:
    async def asks(server: World) -> int:
        return (await server.token(card)).status

    return operator.inside(asks)


def read_status(operator: Operator, card: dict[str, Any]) -> int:
    async def asks(server: World) -> int:
        return (await server.read(card)).status

    return operator.inside(asks)


def stream(operator: Operator) -> Path:
    """The audit as it is now."""
    file = operator.data.parent / "events.jsonl"
    file.write_text(operator.people("audit", "export"), encoding="utf-8")
    return file


@meets("A-93")
def test_a_backup_elsewhere_with_its_keyring_honours_secrets_and_registration_access_tokens(operator: Operator, tmp_path: Path) -> None:
    machine, card = operator.inside(a_machine), operator.inside(a_client)
    file = saved(operator)
    elsewhere = Operator(tmp_path / "elsewhere")

    told = elsewhere.told("restore", str(file), "--keyring", str(operator.data / "keyring.json"))

    assert (told["lost"], told["covered"]) == (0, True)
    assert token_status(elsewhere, machine) == 200
    assert read_status(elsewhere, card) == 200
    assert elsewhere.run("audit", "verify").exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(one.name for one in elsewhere.data.iterdir() if "-" not in one.name[-4:]) == [
        "calling-card.sqlite3",
        "checkpoint.jwt",
        "heads.json",
        "keyring.json",
    ]


@meets("A-93")
def test_tokens_from_before_are_dead_after_a_restore(operator: Operator) -> None:
    async def issue(server: World) -> tuple[dict[str, Any], dict[str, Any], str]:
        machine, api = await server.machine(), await server.resource()
        return machine, dict(api.information), (await server.token(machine)).json["access_token"]

    async def alive(server: World) -> bool:
        return bool((await server.introspect(machine, token)).json["active"])

    machine, _, token = operator.inside(issue)
    file = saved(operator)
    assert operator.inside(alive)

    put_back(operator, file, "--force")

    assert not operator.inside(alive)
    assert token_status(operator, machine) == 200


@meets("A-93")
def test_what_was_deleted_and_suspended_since_the_backup_stays_so_by_the_exported_events(operator: Operator) -> None:
    kept, gone, stopped = operator.inside(a_machine), operator.inside(a_machine), operator.inside(a_machine)
    file = saved(operator)

    async def since(server: World) -> None:
        await delete(server.ports, gone["client_id"], "olga")
        await suspend(server.ports, stopped["client_id"], "olga")

    operator.inside(since)
    events = stream(operator)

    told = put_back(operator, file, "--events", str(events), "--force")

    assert told["covered"]
    assert (told["done"]["deleted"], told["done"]["suspended"]) == (1, 1)
    assert [token_status(operator, one) for one in (kept, gone, stopped)] == [200, 401, 401]


def test_without_the_events_the_gap_is_told(operator: Operator) -> None:
    operator.inside(a_machine)
    file = saved(operator)
    operator.inside(a_machine)

    told = put_back(operator, file, "--force")

    assert told["lost"] > 0
    assert not told["covered"]


def test_an_altered_event_stream_is_refused_and_nothing_is_touched(operator: Operator) -> None:
    machine = operator.inside(a_machine)
    file = saved(operator)
    operator.run("client", "suspend", machine["client_id"])
    events = stream(operator)
    events.write_text(events.read_text(encoding="utf-8").replace('"client_suspended"', '"client_resumed"'), encoding="utf-8")
    ring = (operator.data / "keyring.json").read_bytes()

    why = operator.refused(1, "restore", str(file), "--events", str(events), "--force")

    assert "was altered, or one is missing" in why
    assert (operator.data / "keyring.json").read_bytes() == ring
    assert token_status(operator, machine) == 401


def test_initial_access_tokens_have_no_use_left_unless_they_are_to_be_kept(operator: Operator) -> None:
    operator.people("invite", "--uses", "5")
    file = saved(operator)

    kept = put_back(operator, file, "--force", "--keep-initial")
    states = [row["state"] for row in operator.rows("invitation", "list")]
    ended = put_back(operator, file, "--force")

    assert ("initial_access_tokens" in kept["done"], states) == (False, ["open"])
    assert ended["done"]["initial_access_tokens"] == 1
    assert [row["state"] for row in operator.rows("invitation", "list")] == ["revoked"]


# ── The mark ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def rolled_back(operator: Operator) -> None:
    """The database of before, as a snapshot of a disk puts it back."""
    database = operator.data / "calling-card.sqlite3"
    shutil.copy(database, operator.data.parent / "old")
    operator.inside(a_machine)
    shutil.copy(operator.data.parent / "old", database)
    for side in ("-wal", "-shm"):
        Path(f"{database}{side}").unlink(missing_ok=True)


def test_a_database_older_than_its_mark_is_not_served_until_the_loss_is_accepted(operator: Operator) -> None:
    machine = operator.inside(a_machine)
    rolled_back(operator)

    why = operator.refused(3, "client", "list")
    told = operator.told("restore", "--accept-loss")

    assert "calling-card restore --accept-loss" in why
    assert told["lost"] > 0
    assert operator.run("client", "list").exit_code == 0
    assert token_status(operator, machine) == 200


def test_the_audit_can_be_verified_while_the_database_is_older_than_its_mark(operator: Operator) -> None:
    operator.inside(a_machine)
    rolled_back(operator)

    result = operator.run("audit", "verify")

    assert result.exit_code == 1
    assert "are missing" in result.stdout


# ── Generations that were lost ───────────────────────────────────────────────────────────────────────────────────────


async def renewed(server: World, card: dict[str, Any]) -> dict[str, Any]:
    return {**card, **(await server.replaced(card, client_name="After")), "registration_client_uri": card["registration_client_uri"]}


def after_a_change_that_was_lost(operator: Operator, *, covered: bool) -> dict[str, Any]:
    """A client that changed itself behind the backup, which is then put back; returned with its newest credentials."""
    card = operator.inside(a_client)
    file = saved(operator)
    card = operator.inside(lambda server: renewed(server, card))
    card = operator.inside(lambda server: renewed(server, card))
    more = ("--events", str(stream(operator))) if covered else ()
    put_back(operator, file, "--force", *more)
    return card


def test_a_token_of_a_lost_generation_is_adopted_while_recovering_when_the_gap_is_known(operator: Operator) -> None:
    card = after_a_change_that_was_lost(operator, covered=True)

    assert [read_status(operator, card), read_status(operator, card)] == [200, 200]
    kinds = [json.loads(line)["kind"] for line in operator.people("audit", "export").splitlines()]
    assert kinds.count("credential_adopted") == 1


def test_a_client_that_changed_itself_in_an_unknown_gap_waits_for_an_operator(operator: Operator) -> None:
    card = after_a_change_that_was_lost(operator, covered=False)

    async def reads(server: World) -> dict[str, Any]:
        return (await server.read(card)).json

    assert operator.inside(reads)["registration_state"] == "suspended"
    operator.people("client", "resume", card["client_id"])
    assert "registration_state" not in operator.inside(reads)


def test_a_secret_of_a_lost_generation_is_adopted_while_recovering(operator: Operator) -> None:
    machine = operator.inside(a_machine)
    file = saved(operator)

    async def rotates(server: World) -> dict[str, Any]:
        return dict((await rotate(server.ports, machine["client_id"], "olga", at_once=False, secret_only=True)).information)

    machine |= operator.inside(rotates)
    put_back(operator, file, "--force", "--events", str(stream(operator)))

    assert token_status(operator, machine) == 200


def test_a_lost_generation_is_refused_once_the_store_is_trusted_again(operator: Operator) -> None:
    card = after_a_change_that_was_lost(operator, covered=True)

    async def reads_later(server: World) -> int:
        later = replace(server.ports, now=lambda: server.clock() + 8 * 86400)
        server.app = type(server.app)(later)
        return (await server.read(card)).status

    assert operator.inside(reads_later) == 401


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_that_is_not_empty_is_left_alone(operator: Operator) -> None:
    file = saved(operator)

    assert "is not empty" in operator.refused(2, "restore", str(file))


def test_a_backup_without_a_keyring_is_not_put_back(operator: Operator, tmp_path: Path) -> None:
    file = saved(operator)
    elsewhere = Operator(tmp_path / "elsewhere")

    assert "without it no credential of the backup works" in elsewhere.refused(3, "restore", str(file))
    assert not (elsewhere.data / "calling-card.sqlite3").exists()


def test_a_restored_database_without_its_keyring_is_not_served(operator: Operator) -> None:
    (operator.data / "keyring.json").unlink()

    assert "keyring.json" in operator.refused(3, "client", "list")


def test_another_keyring_does_not_fit(operator: Operator, tmp_path: Path) -> None:
    file = saved(operator)
    other = Operator(tmp_path / "other")
    assert other.run("keys", "list", "--issuer", "http://127.0.0.1:8000").exit_code == 0
    elsewhere = Operator(tmp_path / "elsewhere")

    why = elsewhere.refused(1, "restore", str(file), "--keyring", str(other.data / "keyring.json"))

    assert "the audit trail of the backup does not hold" in why
    assert not (elsewhere.data / "calling-card.sqlite3").exists()


def test_a_damaged_backup_is_not_put_back(operator: Operator, tmp_path: Path) -> None:
    file = saved(operator)
    raw = bytearray(file.read_bytes())
    raw[5000:9000] = b"\xff" * 4000
    file.write_bytes(raw)
    elsewhere = Operator(tmp_path / "elsewhere")

    assert "is damaged" in elsewhere.refused(3, "restore", str(file), "--keyring", str(operator.data / "keyring.json"))


# ── The keyring inside ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_backup_may_hold_the_keyring_under_a_passphrase(operator: Operator, tmp_path: Path) -> None:
    machine = operator.inside(a_machine)
    word, wrong = tmp_path / "word", tmp_path / "wrong"
    word.write_text(f"{PASSPHRASE}\n", encoding="utf-8")
    wrong.write_text("another long passphrase", encoding="utf-8")
    file = saved(operator, "whole.sqlite3", "--with-keyring", "--passphrase-file", str(word))
    elsewhere = Operator(tmp_path / "elsewhere")

    why = elsewhere.refused(3, "restore", str(file), "--passphrase-file", str(wrong))
    elsewhere.told("restore", str(file), "--passphrase-file", str(word))

    assert "the passphrase is another one" in why
    assert token_status(elsewhere, machine) == 200
    assert json.loads((operator.data / "keyring.json").read_text(encoding="utf-8"))["keys"][0]["secret"].encode() not in file.read_bytes()


def test_a_backup_is_never_written_over_another_file(operator: Operator) -> None:
    file = saved(operator)

    assert "is there already" in operator.refused(1, "backup", str(file))
