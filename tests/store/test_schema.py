"""The schema and the statements: what every table and every statement has in common."""

import re
from pathlib import Path

import apsw
import pytest

from calling_card.store import files, statements
from calling_card.store.database import Database
from calling_card.store.migrations import APPLICATION, ForeignFile, SchemaTooNew, Step, migrate, number, steps, version_of
from calling_card.store.sqlite import SqliteStore
from tests.store.examples import CHAIN_KEY, Clock

STATEMENTS = {name: value for name, value in vars(statements).items() if name.isupper() and isinstance(value, str)}
OF_CLIENTS = ("clients", "grants", "documents", "marks")
"""The tables whose rows belong to one client key each."""

LISTS = {"CLIENTS_BEHIND", "GENERATIONS_BY_KEY", "RESOURCES", "SIGNING_KEYS", "WRITERS"}
"""Statements that are meant to walk over a table; only operators cause them."""


@pytest.fixture
def db(tmp_path: Path) -> Database:
    db = files.writing(tmp_path / "store.db")
    migrate(db)
    return db


def answers(db: Database, query: str) -> list[str]:
    return [str(row[0]) for row in db.execute(query).fetchall()]


# Statements -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STATEMENTS)
def test_columns_are_named(name: str) -> None:
    assert "*" not in STATEMENTS[name].replace("count(*)", "")


@pytest.mark.parametrize("name", [name for name, text in STATEMENTS.items() if text not in (*statements.ACROSS_CLIENTS, *statements.OF_A_PERSON)])
def test_a_statement_on_a_table_of_clients_stays_with_one_client_key(name: str) -> None:
    text = STATEMENTS[name]
    touched = [table for table in OF_CLIENTS if re.search(rf"\b(FROM|INTO|UPDATE|JOIN) {table}\b", text)]

    assert not touched or "client_key = ?" in text or "(client_key, " in text


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - LISTS))
def test_no_statement_that_a_stranger_causes_walks_over_a_table(db: Database, name: str) -> None:
    text = STATEMENTS[name]

    plan = [str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * text.count("?")).fetchall()]

    assert not [step for step in plan if step.startswith("SCAN") and step != "SCAN CONSTANT ROW"]


@pytest.mark.parametrize("text", statements.OF_A_PERSON)
def test_a_statement_across_clients_that_a_person_causes_stays_with_that_person(text: str) -> None:
    assert "person_state.person = ?" in text


# The schema -----------------------------------------------------------------------------------------------------------------------


def test_every_table_is_strict_and_has_a_rowid(db: Database) -> None:
    tables = db.execute("SELECT name, strict, wr FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'").fetchall()

    assert len(tables) == 16
    assert {(strict, without_rowid) for _, strict, without_rowid in tables} == {(1, 0)}


def test_there_are_no_triggers_foreign_keys_or_sequences(db: Database) -> None:
    definitions = " ".join(answers(db, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"))

    assert not re.search(r"TRIGGER|REFERENCES|FOREIGN|AUTOINCREMENT", definitions)


@pytest.mark.parametrize("table", OF_CLIENTS)
def test_tables_of_clients_have_a_unique_index_that_begins_with_the_client_key(db: Database, table: str) -> None:
    assert answers(db, f"SELECT sql FROM sqlite_schema WHERE tbl_name = '{table}' AND sql LIKE 'CREATE UNIQUE INDEX%(client_key%'")


# Migrations -----------------------------------------------------------------------------------------------------------------------


def test_a_new_file_gets_the_newest_schema_and_our_mark(db: Database) -> None:
    assert version_of(db) == len(steps()) == 2
    assert number(db, "application_id") == APPLICATION


def test_migrating_twice_changes_nothing(db: Database) -> None:
    before = answers(db, "SELECT sql FROM sqlite_schema")

    assert migrate(db) == 2

    assert answers(db, "SELECT sql FROM sqlite_schema") == before


def test_a_later_step_is_taken_once(db: Database) -> None:
    ladder = [*steps(), Step(3, "CREATE TABLE more (x INTEGER) STRICT; INSERT INTO more (x) VALUES (1)")]

    assert migrate(db, ladder) == 3
    assert migrate(db, ladder) == 3

    assert answers(db, "SELECT x FROM more") == ["1"]


def test_a_step_that_fails_leaves_the_schema_as_it_was(db: Database) -> None:
    ladder = [*steps(), Step(3, "CREATE TABLE more (x INTEGER) STRICT; CREATE TABLE clients (x INTEGER)")]

    with pytest.raises(apsw.SQLError):
        migrate(db, ladder)

    assert version_of(db) == 2
    assert "more" not in answers(db, "SELECT name FROM sqlite_schema")


def test_a_newer_schema_is_refused_with_both_numbers_and_the_way_out(db: Database, tmp_path: Path, clock: Clock) -> None:
    db.execute("PRAGMA user_version = 7")
    db.close()

    with pytest.raises(SchemaTooNew, match=r"schema 7.* up to 2: start the version that wrote it .* or restore the backup"):
        SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)


@pytest.mark.parametrize("mark", ["PRAGMA application_id = 1", "CREATE TABLE theirs (x)"])
def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path, clock: Clock, mark: str) -> None:
    theirs = apsw.Connection(str(tmp_path / "store.db"))
    theirs.execute(mark)

    with pytest.raises(ForeignFile, match="another program"):
        SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)

    assert theirs.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'clients'").fetchall() == [(0,)]
    theirs.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "store.db").write_text("Dear diary, " * 1000, encoding="utf-8")

    with pytest.raises(ForeignFile, match="no database"):
        SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)
