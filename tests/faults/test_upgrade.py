"""Databases of every earlier schema that stood in a commit: they climb, and what was handed out then is good now (RELIABILITY F13).

``tests/fixtures/db/make.py`` made them with the programs of their time.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from benches.person import Person
from calling_card.store.migrations import steps
from tests.faults.process import Server, command
from tests.security.outsider import basic, bearer, call, post

FIXTURES = Path(__file__).parents[1] / "fixtures" / "db"
VERSIONS = sorted(int(folder.name.removeprefix("schema-")) for folder in FIXTURES.glob("schema-*"))
AS_THEN = {"REFRESH_LIFETIME": "0", "REFRESH_IDLE": "0", "PRUNE": "off"}
ISSUER = "http://127.0.0.1:18471"
"""A data folder belongs to one issuer."""
Known = Mapping[str, Mapping[str, str]]


def laid_out(version: int, data: Path) -> Known:
    """A data folder as a server of that time left it; what its clients and its person hold."""
    folder = FIXTURES / f"schema-{version}"
    known = json.loads((folder / "known.json").read_text("utf-8"))
    data.mkdir(mode=0o700)
    for name in ("keyring.json", file := known.pop("file")):
        (data / name).touch(mode=0o600)
    (data / "keyring.json").write_bytes((folder / "keyring.json").read_bytes())
    with closing(sqlite3.connect(data / file)) as db:
        db.executescript((folder / "store.sql").read_text("utf-8"))
    return {name: dict(of) for name, of in known.items()}


def schema_of(data: Path) -> tuple[int, str]:
    """Its number, and what SQLite says of the file."""
    (file,) = data.glob("*.sqlite3")
    with closing(sqlite3.connect(file)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0], db.execute("PRAGMA integrity_check").fetchone()[0]


def test_there_is_a_database_of_each_version_that_was_ever_served() -> None:
    assert VERSIONS == [1, 2, 3, 5, 7, 8]  # 4 and 6 came with the next one in the same commit


@pytest.mark.parametrize("version", VERSIONS)
def test_a_database_of_an_earlier_version_climbs_and_everybody_who_was_known_is(
    tmp_path: Path, servers: Callable[[Path], Server], version: int
) -> None:
    server = servers(tmp_path / "data")
    server.issuer = ISSUER
    known = laid_out(version, server.data)

    server.start(**AS_THEN)

    port = server.port
    machine, replaced, deleted = known["machine"], known["replaced"], known["deleted"]
    as_machine = basic(machine["client_id"], machine["client_secret"])
    token = post(port, "/token", {"grant_type": "client_credentials"}, as_machine).json["access_token"]
    assert post(port, "/introspect", {"token": token}, as_machine).json["active"] is True
    shown = call(port, "GET", f"/register/{replaced['client_id']}", headers=bearer(replaced["registration_access_token"])).json
    assert (shown["client_name"], shown["client_secret"]) == ("after", replaced["client_secret"])
    gone = call(port, "GET", f"/register/{deleted['client_id']}", headers=bearer(deleted["registration_access_token"]))
    assert gone.no == (401, "invalid_token")
    untouched = bearer(known["untouched"]["registration_access_token"])
    assert call(port, "DELETE", f"/register/{known['untouched']['client_id']}", headers=untouched).status == 204
    if "ann" in known:
        assert_she_and_her_client_go_on(port, known)
    assert server.stop() == 0
    assert schema_of(server.data) == (len(steps()), "ok")
    verified = command(server.data, "audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert [line for line in server.complaints() if '"error"' in line] == []


def assert_she_and_her_client_go_on(port: int, known: Known) -> None:
    """Her refresh token is good; she signs in with her password and is not asked what she said yes to."""
    client = known["allowed"]
    as_client = basic(client["client_id"], client["client_secret"])
    fresh = post(port, "/token", {"grant_type": "refresh_token", "refresh_token": client["refresh_token"]}, as_client)
    assert fresh.status == 200, fresh
    ann = Person(port, **known["ann"])
    request = (
        f"response_type=code&client_id={client['client_id']}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=openid+offline_access"
        f"&state=s&code_challenge={'c' * 43}&code_challenge_method=S256"
    )
    ann.allow(request)
    again = call(port, "GET", f"/authorize?{request}", headers={"Cookie": ann.cookie, "Accept": "text/html"})
    assert again.status in (302, 303)
    assert again.headers["location"].startswith("https://app.example/cb?")
    assert "code=" in again.headers["location"]


# ── The version before, beside the schema of this one ────────────────────────────────────────────────────────────────


def needed(db: sqlite3.Connection, table: str) -> set[str]:
    """Columns that every row must say."""
    rows = db.execute(f"PRAGMA table_info({table})").fetchall()
    return {name for _, name, _, not_null, default, key in rows if not_null and default is None and not key}


def inserted(statement: str) -> tuple[str, set[str]] | None:
    """The table and the columns that a statement fills."""
    found = re.match(r"\s*INSERT(?: OR \w+)? INTO (\w+) \(([^)]*)\)", statement)
    return (found.group(1), {column.strip() for column in found.group(2).split(",")}) if found else None


def broken_by(db: sqlite3.Connection, said: Sequence[str]) -> list[str]:
    """Statements that this schema does not understand, or whose rows it would not take."""
    found: list[str] = []
    for statement in said:
        try:
            db.execute(f"EXPLAIN {statement}", dict.fromkeys(re.findall(r":(\w+)", statement)) or (None,) * statement.count("?"))
        except sqlite3.Error as error:
            found.append(f"{error}: {statement}")
        row = inserted(statement)
        if row is not None and (missing := needed(db, row[0]) - row[1]):
            found.append(f"{missing} are missing: {statement}")
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_whatever_the_program_of_that_time_says_is_understood_by_the_newest_schema(version: int) -> None:
    """So nodes of the old version may go on while one of the new version has migrated."""
    said = json.loads((FIXTURES / f"schema-{version}" / "statements.json").read_text("utf-8"))
    with closing(sqlite3.connect(":memory:")) as db:
        for step in steps():
            db.executescript(step.statements)

        found = broken_by(db, [statement for statement in said if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", statement)])

    assert found == []
