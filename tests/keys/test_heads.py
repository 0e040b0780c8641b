"""The heads of the audit chains beside the keyring: what is cut off or altered in the database shows (X-58)."""

import stat
from pathlib import Path

import pytest

from calling_card.keys.heads import read, write
from tests.ledger import meets

A, B = b"writer-a", b"writer-b"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "heads.json"


def test_what_was_written_is_read(path: Path) -> None:
    heads = {A: (7, b"a" * 16), B: (1, b"b" * 16)}

    write(path, heads)

    assert read(path) == heads
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["heads.json"]


def test_without_a_file_there_are_no_heads(path: Path) -> None:
    assert read(path) == {}


def test_a_head_goes_forward_and_other_writers_stay(path: Path) -> None:
    write(path, {A: (7, b"a" * 16), B: (1, b"b" * 16)})

    write(path, {A: (9, b"A" * 16)})

    assert read(path) == {A: (9, b"A" * 16), B: (1, b"b" * 16)}


@meets("X-58")
@pytest.mark.parametrize("later", [{A: (6, b"A" * 16)}, {A: (7, b"A" * 16)}, {}])
def test_a_chain_that_was_cut_or_altered_does_not_change_what_was_written_down(path: Path, later: dict[bytes, tuple[int, bytes]]) -> None:
    write(path, {A: (7, b"a" * 16)})

    write(path, later)

    assert read(path) == {A: (7, b"a" * 16)}


DAMAGED = [
    "",
    "{",
    "[]",
    "7",
    '{"zz": [1, "00"]}',
    '{"00": 1}',
    '{"00": [1]}',
    '{"00": ["x", "00"]}',
    '{"00": [1, 2]}',
    '{"00": [[], "00"]}',
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_refused_and_not_overwritten(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")

    with pytest.raises(ValueError, match=r".+"):
        read(path)
    with pytest.raises(ValueError, match=r".+"):
        write(path, {A: (7, b"a" * 16)})

    assert path.read_text(encoding="utf-8") == content
