"""The ledger: each requirement with its state, and whether the tests agree.

    python -m tools.ledger --check              compare ledger and tests
    python -m tools.ledger --settle             close rows in work that have tests, list the others
    python -m tools.ledger --requirements DIR   add new rows and follow changed sentences; states and notes stay

A state and a note are edited by hand in ``ledger/*.md``; which tests prove a row is read from ``@meets``.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
LEDGER = ROOT / "ledger"
TESTS = ROOT / "tests"

IN_WORK = "in work"
IN_PART = "in part"
UNPLACED = "later: not placed yet"

FILES: Mapping[str, tuple[str, str]] = {
    "README": ("house", "House decisions"),
    "registration": ("registration", "Registration: RFC 7591, OpenID Connect Dynamic Client Registration, the endpoint"),
    "management": ("management", "Management: RFC 7592"),
    "discovery": ("discovery", "Discovery: a URL as client_id"),
    "server": ("server", "The authorization server around registration"),
    "security": ("security", "Attacks and their defences"),
    "seeds": ("seeds", "The founding documents, and how their disagreements are settled"),
}
"""Requirements file to ledger file and its title."""

STATES: Mapping[str, str] = {
    "met": "at least one test proves it",
    "choice": "the text leaves it open; the note says what we chose and why",
    "divergence": "we differ; the note says how and why, a test pins what we do",
    "deferred": "not built yet; the note says where it will be, or that it is in work",
}

HEADER = ("id", "state", "level", "source", "requirement", "note")
ID = re.compile(r"(?:H|C|R|M|D|A|X|S[0-4])-\d{2,3}")


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement and how we stand to it."""

    id: str
    state: str
    level: str
    source: str
    sentence: str
    note: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A test and the requirements it says it proves."""

    place: str
    ids: tuple[str, ...]


def cells(line: str) -> list[str]:
    """The cells of one line of a Markdown table; a bar inside a cell has a backslash before it."""
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def line_of(values: Sequence[str]) -> str:
    """The opposite of `cells`."""
    return "| " + " | ".join(value.replace("|", "\\|") for value in values) + " |"


def read(folder: Path = LEDGER) -> dict[str, list[Row]]:
    """The ledger, file by file, in the order of its lines."""
    ledger: dict[str, list[Row]] = {}
    for name, _ in FILES.values():
        path = folder / f"{name}.md"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        tables = [cells(line) for line in lines if line.startswith("|")]
        ledger[name] = [Row(*row) for row in tables if ID.fullmatch(row[0])]
    return ledger


def write(ledger: Mapping[str, Sequence[Row]], folder: Path = LEDGER) -> None:
    """The ledger as files, a line a row, so that a change of state is a change of one line."""
    folder.mkdir(exist_ok=True)
    for name, title in FILES.values():
        lines = [f"# {title}", "", line_of(HEADER), "| --- | --- | --- | --- | --- | --- |"]
        lines += [line_of((row.id, row.state, row.level, row.source, row.sentence, row.note)) for row in ledger.get(name, ())]
        (folder / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def rows(ledger: Mapping[str, Sequence[Row]]) -> dict[str, Row]:
    """All rows by id."""
    return {row.id: row for each in ledger.values() for row in each}


# ── Requirements: the lists that the ledger follows ──────────────────────────────────────────────────────────────────


def requirements(path: Path) -> list[Row]:
    """The rows of one requirements file, as new lines of the ledger."""
    found: list[Row] = []
    columns: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            continue
        values = cells(line)
        if values[0] == "id":
            columns = values
        elif ID.fullmatch(values[0]):
            found.append(judged(dict(zip(columns, values, strict=True))))
    return found


def judged(said: Mapping[str, str]) -> Row:
    """A new line of the ledger from one line of requirements, whichever columns its table has."""
    if "attack" in said:
        sentence = f"Attack: {said['attack']} Defence: {said['defence']} Test: {said['test']}"
    elif "case" in said:
        sentence = f"{said['case']}: {said['what went wrong (own words)']}. Test: {said['what we test']}"
    elif "settled as" in said:
        sentence = f"{said['who disagrees']}. Settled: {said['settled as']}"
    else:
        sentence = said.get("requirement") or said["decision"]
    if said.get("notes"):
        sentence += f" ({said['notes']})"
    level = said.get("level") or ("house" if "decision" in said else "MUST")
    seed = f"seed {said['seed']}" if "seed" in said else ""
    changes = f"changes {said['changes']}" if said.get("changes", "-") not in ("-", "–") else ""
    source = "; ".join(filter(None, (seed, said.get("source", ""), said.get("route", ""), changes)))
    return Row(said["id"], "deferred", level, source, sentence, UNPLACED)


def follow(ledger: Mapping[str, Sequence[Row]], folder: Path) -> tuple[dict[str, list[Row]], list[str]]:
    """The ledger after its requirements: new rows added, changed sentences taken over; states and notes stay."""
    made: dict[str, list[Row]] = {}
    news: list[str] = []
    for source, (name, _) in FILES.items():
        kept = {row.id: row for row in ledger.get(name, ())}
        made[name] = []
        for wanted in requirements(folder / f"{source}.md"):
            old = kept.pop(wanted.id, None)
            row = wanted if old is None else replace(wanted, state=old.state, note=old.note)
            if row != old:
                news.append(f"{row.id}: {'new' if old is None else 'changed'}")
            made[name].append(row)
        made[name] += kept.values()
        news += [f"{gone}: no longer among the requirements, kept" for gone in kept]
    return made, news


# ── Tests: what claims to prove a row ────────────────────────────────────────────────────────────────────────────────


def proofs(folder: Path = TESTS) -> list[Proof]:
    """Every test that carries ``@meets``, found in the syntax tree without importing anything."""
    found: list[Proof] = []
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                ids = tuple(claimed(node, path))
                if ids:
                    found.append(Proof(f"{path.relative_to(folder.parent).as_posix()}::{node.name}", ids))
    return found


def claimed(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, path: Path) -> Iterator[str]:
    """The ids in the ``@meets`` of one function or class."""
    for call in node.decorator_list:
        if not isinstance(call, ast.Call) or getattr(call.func, "id", getattr(call.func, "attr", "")) != "meets":
            continue
        for argument in call.args:
            if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                raise ValueError(f"{path}:{argument.lineno}: the ids of @meets are written out as strings")  # noqa: TRY004 - the program's fault
            yield argument.value


def proven(tests: Sequence[Proof]) -> dict[str, list[str]]:
    """Requirement id to the tests that prove it."""
    by_id: dict[str, list[str]] = {}
    for proof in tests:
        for name in proof.ids:
            by_id.setdefault(name, []).append(proof.place)
    return by_id


def complaints(ledger: Mapping[str, Sequence[Row]], tests: Sequence[Proof]) -> list[str]:
    """Everything on which ledger and tests disagree."""
    known, by_id = rows(ledger), proven(tests)
    seen: set[str] = set()
    wrong = [f"{name}: no such row, named by {', '.join(places)}" for name, places in sorted(by_id.items()) if name not in known]
    wrong += [f"{proof.place}: carries @meets and is no test" for proof in tests if not is_test(proof.place)]
    for row in (row for each in ledger.values() for row in each):
        if row.id in seen:
            wrong.append(f"{row.id}: stands twice in the ledger")
        seen.add(row.id)
        wrong += [f"{row.id}: {problem}" for problem in problems(row, by_id.get(row.id, []))]
    return wrong


def is_test(place: str) -> bool:
    """Whether a name is one that the test runner collects."""
    return place.rpartition("::")[2].startswith(("test", "Test"))


def problems(row: Row, places: Sequence[str]) -> Iterator[str]:
    """What is wrong with one row, given the tests that name it."""
    if row.state not in STATES:
        yield f"state {row.state!r} is none of {', '.join(STATES)}"
    if row.state in ("met", "divergence") and not places:
        yield f"{row.state}, but no test names it"
    if row.state in ("choice", "divergence", "deferred") and not row.note:
        yield f"{row.state} without a note"
    if row.state == "deferred" and places and not row.note.startswith(IN_PART):
        yield f"deferred, but proven by {', '.join(places)}"


def settled(row: Row, places: Sequence[str]) -> Row:
    """A row in work that has a test is met, or a divergence if its note says so after a colon."""
    if row.state != "deferred" or not row.note.startswith(IN_WORK) or not places:
        return row
    _, _, difference = row.note.partition(": ")
    return replace(row, state="divergence" if difference else "met", note=difference)


# ── The program ──────────────────────────────────────────────────────────────────────────────────────────────────────


def check() -> int:
    """Say every disagreement; 1 if there is one."""
    ledger, tests = read(), proofs()
    wrong = complaints(ledger, tests)
    for complaint in wrong:
        print(complaint, file=sys.stderr)
    counts = {state: sum(row.state == state for row in rows(ledger).values()) for state in STATES}
    print("ledger:", ", ".join(f"{count} {state}" for state, count in counts.items()), f"· {len(tests)} tests name a row")
    return 1 if wrong else 0


def settle() -> int:
    """Close what has tests; name what is in work without one."""
    ledger, by_id = read(), proven(proofs())
    after = {name: [settled(row, by_id.get(row.id, [])) for row in each] for name, each in ledger.items()}
    write(after)
    before, now = rows(ledger), rows(after)
    print("settled:", ", ".join(f"{name} {row.state}" for name, row in now.items() if row != before[name]) or "nothing")
    print("without a test:", ", ".join(row.id for row in now.values() if row.note.startswith(IN_WORK)) or "nothing")
    return 0


def take_over(folder: Path) -> int:
    """Follow the requirements and say what is new."""
    after, news = follow(read(), folder)
    write(after)
    print("\n".join(news) or "nothing new")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the three commands."""
    parser = argparse.ArgumentParser(prog="python -m tools.ledger", description="Requirements, their states, their tests.")
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument("--check", action="store_true", help="compare the ledger with the tests")
    one.add_argument("--settle", action="store_true", help="close the rows in work that have tests")
    one.add_argument("--requirements", type=Path, metavar="DIR", help="add new rows from the requirements in this folder")
    chosen = parser.parse_args(arguments)
    if chosen.requirements is not None:
        return take_over(chosen.requirements)
    return check() if chosen.check else settle()


if __name__ == "__main__":
    sys.exit(main())
