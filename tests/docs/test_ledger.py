"""The ledger and the tests agree, and the comparison would notice if they did not."""

from pathlib import Path

import pytest

from tests.ledger import meets
from tools.ledger import Proof, Row, cells, complaints, follow, line_of, proofs, read, settled, write

PROOF = Proof("tests/test_a.py::test_a", ("M-28",))


def row(state: str, note: str = "") -> Row:
    return Row("M-28", state, "MUST", "7592 2.2", "PUT replaces.", note)


def test_ledger_and_tests_agree() -> None:
    assert complaints(read(), proofs()) == []


@pytest.mark.parametrize(
    "standing, tests, complaint",
    [
        (row("met"), [], "M-28: met, but no test names it"),
        (row("divergence", "because"), [], "M-28: divergence, but no test names it"),
        (row("divergence"), [PROOF], "M-28: divergence without a note"),
        (row("choice"), [PROOF], "M-28: choice without a note"),
        (row("deferred"), [], "M-28: deferred without a note"),
        (row("deferred", "later"), [PROOF], "M-28: deferred, but proven by tests/test_a.py::test_a"),
        (row("done"), [], "M-28: state 'done' is none of met, choice, divergence, deferred"),
        (row("met"), [PROOF, Proof("tests/test_b.py::test_b", ("M-99",))], "M-99: no such row, named by tests/test_b.py::test_b"),
        (row("met"), [PROOF, Proof("tests/test_b.py::fixture", ("M-28",))], "tests/test_b.py::fixture: carries @meets and is no test"),
    ],
)
def test_a_disagreement_is_named(standing: Row, tests: list[Proof], complaint: str) -> None:
    assert complaints({"management": [standing]}, tests) == [complaint]


@pytest.mark.parametrize(
    "standing, tests",
    [
        (row("met"), [PROOF]),
        (row("choice", "because"), []),
        (row("divergence", "because"), [PROOF]),
        (row("deferred", "later"), []),
        (row("deferred", "in part; the rest: later"), [PROOF]),
    ],
)
def test_an_agreement_is_not_complained_of(standing: Row, tests: list[Proof]) -> None:
    assert complaints({"management": [standing]}, tests) == []


def test_a_row_that_stands_twice_is_named() -> None:
    assert complaints({"management": [row("met")], "server": [row("met")]}, [PROOF]) == ["M-28: stands twice in the ledger"]


def test_a_row_in_work_is_met_once_a_test_names_it() -> None:
    assert settled(row("deferred", "in work"), ["a test"]) == row("met")
    assert settled(row("deferred", "in work: H-02 wins."), ["a test"]) == row("divergence", "H-02 wins.")
    assert settled(row("deferred", "in work"), []) == row("deferred", "in work")
    assert settled(row("deferred", "issue: People"), ["a test"]) == row("deferred", "issue: People")


def test_following_the_requirements_keeps_states_and_notes(tmp_path: Path) -> None:
    ledger = {"management": [row("choice", "because"), Row("M-99", "met", "MUST", "", "Gone upstream.", "")]}
    empty = ("README", "registration", "discovery", "server", "security", "seeds")
    for name in empty:
        (tmp_path / f"{name}.md").write_text("", encoding="utf-8")
    lines = (
        "| id | requirement | level | source |",
        "| M-28 | PUT replaces all. | MUST | 7592 2.2 |",
        r"| M-29 | New \| odd. | SHOULD | own |",
    )
    (tmp_path / "management.md").write_text("\n".join(lines), encoding="utf-8")

    after, news = follow(ledger, tmp_path)

    assert after["management"] == [
        Row("M-28", "choice", "MUST", "7592 2.2", "PUT replaces all.", "because"),
        Row("M-29", "deferred", "SHOULD", "own", "New | odd.", "later: not placed yet"),
        Row("M-99", "met", "MUST", "", "Gone upstream.", ""),
    ]
    assert news == ["M-28: changed", "M-29: new", "M-99: no longer among the requirements, kept"]


def test_a_ledger_that_is_written_reads_back_the_same(tmp_path: Path) -> None:
    ledger = {"management": [row("choice", "one | two")]}

    write(ledger, tmp_path)

    assert read(tmp_path)["management"] == ledger["management"]
    assert cells(line_of(["a|b", ""])) == ["a|b", ""]


def test_proofs_are_found_on_functions_coroutines_and_classes(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    source = """
@meets("A-01", "A-02")
def test_a(): ...
@meets("A-03")
async def test_b(): ...
@ledger.meets("A-04")
class TestC: ...
def test_d(): ...
"""
    (folder / "test_all.py").write_text(source, encoding="utf-8")

    found = {proof.place.rpartition("::")[2]: proof.ids for proof in proofs(folder)}

    assert found == {"test_a": ("A-01", "A-02"), "test_b": ("A-03",), "TestC": ("A-04",)}


def test_an_id_that_is_computed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("@meets(ID)\ndef test_a(): ...\n", encoding="utf-8")

    with pytest.raises(ValueError, match="written out as strings"):
        proofs(tmp_path)


def test_a_test_keeps_its_ids_and_a_misspelled_id_is_refused() -> None:
    assert getattr(meets("M-28", "S0-01")(lambda: None), "__meets__", ()) == ("M-28", "S0-01")
    with pytest.raises(ValueError, match="not the ids of requirements: M28"):
        meets("M28")
    with pytest.raises(ValueError, match="none given"):
        meets()
