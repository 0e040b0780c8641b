"""The schema and the statements: what every table and every statement has in common."""

import re
from pathlib import Path

import apsw
import pytest
from msgspec import structs

from calling_card.ports import Rows
from calling_card.protocol.persons.people import Standing
from calling_card.store import files, statements
from calling_card.store.database import Database, Value
from calling_card.store.migrations import APPLICATION, ForeignFile, SchemaTooNew, Step, migrate, number, steps, version_of
from calling_card.store.rows import APPROVAL, CLIENT, client_values
from calling_card.store.rows_people import GRANT, grant_values
from calling_card.store.sqlite import SqliteStore
from tests.store.examples import CHAIN_KEY, NOW, Clock, a_client, a_grant, a_person, an_event

STATEMENTS = {name: value for name, value in vars(statements).items() if name.isupper() and isinstance(value, str)}
OF_CLIENTS = ("clients", "grants", "documents", "marks", "test_persons")
"""The tables whose rows belong to one client key each."""

LISTS = {
    "CLIENTS_BEHIND",
    "NEXT_CLIENTS",
    "GENERATIONS_BY_KEY",
    "OF_A_TIER",
    "RESOURCES",
    "SIGNING_KEYS",
    "STRANGERS",
    "WEBHOOKS",
    "WRITERS",
}
"""Statements that are meant to walk over a table; operators cause them, and now and then a crowd of strangers does (`store/room.py`)."""


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


@pytest.mark.parametrize(
    "name", [name for name, text in STATEMENTS.items() if text not in (*statements.ACROSS_CLIENTS, *statements.OF_A_PERSON)]
)
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

    assert len(tables) == 20
    assert {(strict, without_rowid) for _, strict, without_rowid in tables} == {(1, 0)}


def test_there_are_no_triggers_foreign_keys_or_sequences(db: Database) -> None:
    definitions = " ".join(answers(db, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"))

    assert not re.search(r"TRIGGER|REFERENCES|FOREIGN|AUTOINCREMENT", definitions)


@pytest.mark.parametrize("table", OF_CLIENTS)
def test_tables_of_clients_have_a_unique_index_that_begins_with_the_client_key(db: Database, table: str) -> None:
    assert answers(db, f"SELECT sql FROM sqlite_schema WHERE tbl_name = '{table}' AND sql LIKE 'CREATE UNIQUE INDEX%(client_key%'")


def test_what_is_put_aside_of_a_client_is_all_of_it(db: Database) -> None:
    columns, aside = (answers(db, f"SELECT name FROM pragma_table_info('{table}')") for table in ("clients", "pruned_clients"))

    assert set(columns) == {*statements.ASIDE, "approved"}
    assert set(aside) == {*columns, "reason", "pruned_at", "until"}


# Migrations -----------------------------------------------------------------------------------------------------------------------


def test_a_new_file_gets_the_newest_schema_and_our_mark(db: Database) -> None:
    assert version_of(db) == len(steps())
    assert number(db, "application_id") == APPLICATION


def test_migrating_twice_changes_nothing(db: Database) -> None:
    before = answers(db, "SELECT sql FROM sqlite_schema")

    assert migrate(db) == len(steps())

    assert answers(db, "SELECT sql FROM sqlite_schema") == before


def test_a_later_step_is_taken_once(db: Database) -> None:
    ladder = [*steps(), Step(len(steps()) + 1, "CREATE TABLE more (x INTEGER) STRICT; INSERT INTO more (x) VALUES (1)")]

    assert migrate(db, ladder) == len(ladder)
    assert migrate(db, ladder) == len(ladder)

    assert answers(db, "SELECT x FROM more") == ["1"]


@pytest.fixture
def earlier(tmp_path: Path) -> Database:
    """A file with the first schema and somebody in it."""
    db = files.writing(tmp_path / "store.db")
    migrate(db, steps()[:1])
    write_as_before(db, "c1", b"p" * 16)
    return db


def write_as_before(db: Database, name: str, person: bytes) -> None:
    """A client with a mark, a grant and a yes of a person with a session, written by a program that knows the first schema."""
    client = a_client(name)
    old = structs.replace(a_grant(client, a_person()), person=person, code_challenge="", nonce="", sid=b"")
    grant = {column: value for column, value in zip(GRANT, grant_values(old), strict=True) if column not in ("amr", "person_epoch")}
    place = {"person": person, "client_key": client.key, "incarnation": client.incarnation}
    row = {column: value for column, value in zip(CLIENT, client_values(client), strict=True) if column not in APPROVAL}
    insert(db, "clients", row)
    insert(db, "marks", {"client_key": client.key, "mark": b"m" * 16, "kind": "token", "expires_at": NOW + 60})
    insert(db, "people", {"person": person, "name": f"Ann-{name}", "role": "none", "password": None, "claims": b"{}", "created_at": NOW})
    insert(db, "person_state", {"person": person, "epoch": 0, "active": 1})
    insert(db, "grants", {**grant, "state": "live"})
    insert(db, "consents", {**place, "redirect_uri": "https://a.example", "resource": "", "scope": "s", "given_at": NOW})
    times = {"auth_time": NOW, "created_at": NOW, "last_used_at": NOW, "expires_at": NOW + 60}
    insert(db, "sessions", {"person": person, "session": b"sid", "epoch": 0, "handle_key": 3, "amr": "pwd", **times})


def insert(db: Database, table: str, row: dict[str, Value]) -> None:
    db.execute(statements.insert(table, tuple(row)), tuple(row.values()))


async def check_what_was_written_before(store: SqliteStore, name: str, person: bytes) -> None:
    """All of it is there, and what the first schema did not say is empty."""
    client = a_client(name)
    found = await store.living(client.key, b"m" * 16, b"g" * 16)
    assert found.grant is not None
    assert (found.client, found.marked, found.person) == (client, True, Standing(0, active=True))
    assert (found.grant.amr, found.grant.person_epoch, found.grant.scope) == ("", 0, "notes.read offline_access")
    assert [yes.card for yes in await store.consents(person, client)] == [b""]
    session = await store.session(person, b"sid")
    assert session is not None
    assert (session[0].browser, session[1].name) == ("", f"Ann-{name}")
    assert await store.person_named(f"ANN-{name}") == session[1]


async def test_a_file_of_the_first_schema_keeps_its_rows_and_goes_on(earlier: Database, tmp_path: Path, clock: Clock) -> None:
    earlier.close()

    store = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)

    await check_what_was_written_before(store, "c1", b"p" * 16)
    for letter in range(33):
        await store.revoke(a_client("c1"), bytes([letter]) * 16, NOW + 60, an_event("token_revoked"))
    assert (await store.living(a_client("c1").key, b"m" * 16)) == Rows(structs.replace(a_client("c1"), epoch=2), False)
    await store.close()


async def test_a_program_that_knows_the_first_schema_may_go_on_writing_while_another_takes_the_next_step(
    earlier: Database, tmp_path: Path, clock: Clock
) -> None:
    store = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)

    write_as_before(earlier, "c2", b"q" * 16)

    await check_what_was_written_before(store, "c1", b"p" * 16)
    await check_what_was_written_before(store, "c2", b"q" * 16)
    await store.close()
    earlier.close()


def test_names_that_differ_in_case_alone_keep_the_second_step_from_being_taken(earlier: Database) -> None:
    insert(earlier, "people", {"person": b"r", "name": "aNN-C1", "role": "none", "password": None, "claims": b"{}", "created_at": NOW})

    with pytest.raises(apsw.ConstraintError):
        migrate(earlier)

    assert version_of(earlier) == 1
    assert "passkeys" not in answers(earlier, "SELECT name FROM sqlite_schema")


def test_a_step_that_fails_leaves_the_schema_as_it_was(db: Database) -> None:
    ladder = [*steps(), Step(len(steps()) + 1, "CREATE TABLE more (x INTEGER) STRICT; CREATE TABLE clients (x INTEGER)")]

    with pytest.raises(apsw.SQLError):
        migrate(db, ladder)

    assert version_of(db) == len(steps())
    assert "more" not in answers(db, "SELECT name FROM sqlite_schema")


def test_a_newer_schema_is_refused_with_both_numbers_and_the_way_out(db: Database, tmp_path: Path, clock: Clock) -> None:
    db.execute("PRAGMA user_version = 9999")
    db.close()

    with pytest.raises(
        SchemaTooNew, match=rf"schema 9999,.* up to {len(steps())}: start the version that wrote it .* or restore the backup"
    ):
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
