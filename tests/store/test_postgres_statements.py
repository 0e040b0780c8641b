"""Every statement as PostgreSQL is sent it: that it can be run, also where the rows of clients lie on many machines."""

import re
from itertools import product
from pathlib import Path

import asyncpg
import pytest

from calling_card.store import files, statements
from calling_card.store import statements as sql
from calling_card.store.database import Database
from calling_card.store.migrations import migrate
from calling_card.store.postgres.dialect import CLAIMS, OTHERWISE, SWEPT, sentence, spoken, text_of
from calling_card.store.postgres.migrations import steps
from tests.postgres import Cluster, connected
from tests.store.test_schema import OF_CLIENTS, STATEMENTS

TEXTS = {name: text_of(value) for name, value in STATEMENTS.items()}
SENTENCES = {
    "register": (sql.NEW_CLIENT, "", ""),
    "replace": (sql.REPLACE_CLIENT, "", ""),
    "change_grant": (sql.CHANGE_GRANT, "", ""),
    "give": (sql.INSERT_GRANT, "", ""),
    "give and remember": (sql.INSERT_GRANT, "", sql.PUT_CONSENT),
    "revoke": (sql.MARK_OF_CLIENT, sql.SWEEP_MARKS, ""),
    "revoke of a grant": (sql.MARK_OF_GRANT, sql.SWEEP_MARKS, ""),
    "once": (sql.INSERT_ONCE, sql.SWEEP_ONCE, ""),
}
ALL = TEXTS | {
    f"{name} {told} {strict}": sentence(*said, told=told, strict=strict)
    for (name, said), told, strict in product(SENTENCES.items(), (False, True), (False, True))
    if told or not strict
}
NOT_EVERYWHERE = re.compile(
    r"advisory|\bLISTEN\b|\bNOTIFY\b|nextval|\bSERIAL|SEQUENCE|IDENTITY|TRIGGER|REFERENCES|FOREIGN|DEFERRABLE|FUNCTION|PROCEDURE|\bCALL\b"
    r"|SKIP LOCKED|\bctid\b|\bxmin\b|\bxmax\b|\bTEMP|\bDO \$|LOCK TABLE|pg_|\bnow\(|CURRENT_TIMESTAMP|jsonb?\b|\bMERGE\b|TRUNCATE|VACUUM",
    re.IGNORECASE,
)
"""What a distributed PostgreSQL would not run, or would scatter over all its machines."""
ONE_SERVER = {"NEWS"}
"""Asked by the job that tells webhooks alone, which needs the one order of one server; docs/howto/distributed-postgresql.md says so."""


@pytest.mark.parametrize("name", ALL)
def test_a_statement_has_nothing_in_it_that_a_distributed_postgresql_does_not_run(name: str) -> None:
    assert (NOT_EVERYWHERE.search(ALL[name]) is None) is (name not in ONE_SERVER)


@pytest.mark.parametrize(
    "name", [name for name in ALL if STATEMENTS.get(name, "") not in (*statements.ACROSS_CLIENTS, *statements.OF_A_PERSON)]
)
def test_a_statement_on_a_table_of_clients_names_the_client_key(name: str) -> None:
    text = ALL[name]
    touched = {table for table in OF_CLIENTS if re.search(rf"\b(FROM|INTO|UPDATE|JOIN) {table}\b", text)}

    assert not touched or re.search(r"client_key = \$\d|\((\w+, )*client_key,", text)


def test_the_schema_has_nothing_in_it_that_a_distributed_postgresql_does_not_run() -> None:
    said = " ".join(re.sub(r"--.*", "", step.statements) for step in steps())

    assert set(NOT_EVERYWHERE.findall(said)) == {"pg_"}  # the number of a transaction in `placed`, for the order of the news
    assert said.count("pg_") == said.count("placed bigint NOT NULL DEFAULT pg_current_xact_id()") == 2


def test_every_exception_of_the_dialect_is_a_row_of_the_table() -> None:
    assert {*OTHERWISE, *SWEPT} <= set(STATEMENTS.values())


def test_nothing_of_the_other_dialect_is_left() -> None:
    left = re.compile(r"\?|\browid\b|COLLATE NOCASE|json_extract|\bIS \$|x''|\bmax\([\w.]+, ")

    assert [name for name, text in ALL.items() if left.search(text)] == []


async def test_every_statement_can_be_prepared(fresh: str, cluster: Cluster) -> None:
    connection = await connected(cluster.url(fresh))

    failed: dict[str, str] = {}
    for name, text in ALL.items():
        try:
            await connection.prepare(text)
        except asyncpg.PostgresError as error:
            failed[name] = str(error)

    assert failed == {}
    await connection.close()


# The two schemas ------------------------------------------------------------------------------------------------------------------

KINDS = {"BLOB": "bytea", "INTEGER": "bigint", "TEXT": "text"}
ONLY_HERE = {(table, claim) for table in ("clients", "pruned_clients") for claim in CLAIMS} | {("events", "placed"), ("webhooks", "placed")}


@pytest.fixture
def lite(tmp_path: Path) -> Database:
    db = files.writing(tmp_path / "store.db")
    migrate(db)
    return db


@pytest.fixture
def fresh(cluster: Cluster) -> str:
    """A database with the schema and nothing else ever done to it."""
    cluster.sql("DROP DATABASE IF EXISTS fresh")
    cluster.sql("CREATE DATABASE fresh")
    for step in steps():
        cluster.sql(step.statements, "fresh")
    return "fresh"


def test_both_databases_have_the_same_tables_and_columns(lite: Database, fresh: str, cluster: Cluster) -> None:
    of_lite = """
SELECT t.name, c.name, c.type, c."notnull" FROM pragma_table_list AS t, pragma_table_info(t.name) AS c WHERE t.schema = 'main'
"""
    of_this = "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'public'"

    rows = lite.execute(of_lite).fetchall()
    there = {(name, column): (KINDS[str(kind)], filled) for name, column, kind, filled in rows if "sqlite_" not in str(name)}
    lines = [line.split("|") for line in cluster.sql(of_this, fresh).splitlines()]
    here = {(line[0], line[1]): (line[2], int(line[3] == "NO")) for line in lines}

    assert {place: here[place] for place in here if place not in ONLY_HERE} == there
    assert here.keys() >= ONLY_HERE


def test_both_databases_have_the_same_indexes(lite: Database, fresh: str, cluster: Cluster) -> None:
    there = lite.execute("SELECT name, sql LIKE 'CREATE UNIQUE%' FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    said = cluster.sql("SELECT indexname, indexdef LIKE 'CREATE UNIQUE%' FROM pg_indexes WHERE schemaname = 'public'", fresh)
    here = {(name, int(unique == "t")) for name, unique in (line.split("|") for line in said.splitlines())}

    assert here - {("events_placed", 0)} == set(there)


async def test_no_statement_that_a_stranger_causes_walks_over_a_table(fresh: str, cluster: Cluster) -> None:
    from tests.store.test_schema import LISTS

    connection = await connected(cluster.url(fresh))
    await connection.execute("SET enable_seqscan = off")
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    walking: list[str] = []
    for name in sorted(TEXTS.keys() - LISTS - {"NEWS", "SESSIONS"}):
        prepared = await connection.prepare(TEXTS[name])
        nulls = ", ".join("NULL" for _ in prepared.get_parameters())
        await connection.execute(f"PREPARE asked AS {TEXTS[name]}")
        plan = await connection.fetch(f"EXPLAIN EXECUTE asked({nulls})" if nulls else "EXPLAIN EXECUTE asked")
        walking += [name for row in plan if "Seq Scan" in row[0]]
        await connection.execute("DEALLOCATE asked")

    assert walking == []
    await connection.close()


def test_a_lock_stands_before_the_conflict() -> None:
    assert spoken(sql.INSERT_ONCE).index("FOR KEY SHARE OF clients") < spoken(sql.INSERT_ONCE).index("ON CONFLICT")
