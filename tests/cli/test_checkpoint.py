"""Checkpoints of the audit trail: signed, kept elsewhere, and compared."""

import sqlite3
from pathlib import Path

import pytest

from calling_card.wiring import CHECKPOINT, DATABASE, HEADS
from tests.cli.conftest import Operator
from tests.ledger import meets


def cut(operator: Operator) -> None:
    """The newest event of the newest chain goes, and so does everything that was written down beside the database."""
    with sqlite3.connect(operator.data / DATABASE) as database:
        database.execute("DELETE FROM events WHERE rowid = (SELECT max(rowid) FROM events)")
    database.close()
    (operator.data / HEADS).unlink()
    (operator.data / CHECKPOINT).unlink()


@meets("X-58")
def test_a_checkpoint_kept_elsewhere_finds_what_was_cut_with_everything_beside_the_database(operator: Operator, tmp_path: Path) -> None:
    kept = tmp_path / "checkpoint.jwt"
    operator.people("invite", "--label", "one")
    kept.write_text(operator.people("audit", "checkpoint") + "\n", encoding="ascii")
    assert operator.told("audit", "verify", "--checkpoint", str(kept))["broken"] == []

    cut(operator)

    result = operator.run("audit", "verify", "--checkpoint", str(kept))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1].endswith(": the events behind 0 are missing, 1 had been written")


def test_every_process_leaves_a_checkpoint_that_nobody_else_can_read(operator: Operator) -> None:
    operator.people("invite", "--label", "one")
    left = operator.data / CHECKPOINT

    assert left.stat().st_mode & 0o777 == 0o600
    assert operator.told("audit", "verify", "--checkpoint", str(left))["broken"] == []


@pytest.mark.parametrize("said", [b"", b"eyJhbGciOiJub25lIn0.e30.", b"\xff\xfe"])
def test_another_text_is_no_checkpoint(operator: Operator, tmp_path: Path, said: bytes) -> None:
    file = tmp_path / "checkpoint.jwt"
    file.write_bytes(said)

    assert operator.refused(1, "audit", "verify", "--checkpoint", str(file)) == "checkpoint: was not signed by this server, or altered"
