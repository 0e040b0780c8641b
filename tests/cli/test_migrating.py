"""``calling-card migrate``, and a server whose settings name a PostgreSQL database."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE

import apsw
import pytest
from click.testing import CliRunner

from calling_card import wiring
from calling_card.cli import commands
from calling_card.keys.keyring import FileKeyring, KeyringError
from calling_card.ports import Store
from calling_card.settings import BadSettings, Settings, load, shown
from calling_card.store import files
from calling_card.store.migrations import migrate, steps
from calling_card.wiring import opened
from tests.postgres import Cluster, lent

LATEST = len(steps())


def called(folder: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(commands, ["migrate", "--data", str(folder), *words])
    return done.exit_code, done.output


def a_file(folder: Path, version: int) -> Path:
    """A database of an earlier schema."""
    folder.mkdir(mode=0o700)
    path = folder / "calling-card.sqlite3"
    db = files.writing(path)
    migrate(db, steps()[:version])
    db.close()
    return path


def version_of(path: Path) -> object:
    return apsw.Connection(str(path)).pragma("user_version")


def test_a_dry_run_says_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    path = a_file(tmp_path / "data", 3)

    code, said = called(path.parent, "--dry-run", "--json")

    assert (code, json.loads(said)) == (
        0,
        {"version": 3, "newest": LATEST, "backup": f"{path}.schema-3", "dry_run": True},
    )
    assert version_of(path) == 3
    assert not Path(f"{path}.schema-3").exists()


def test_a_file_is_copied_beside_itself_before_it_is_migrated(tmp_path: Path) -> None:
    path = a_file(tmp_path / "data", 3)

    code, said = called(path.parent)

    copy = Path(f"{path}.schema-3")
    assert (code, said) == (0, f"brought the database from schema 3 to {LATEST}; a copy of it as it was is {copy}\n")
    assert (version_of(path), version_of(copy)) == (LATEST, 3)
    assert S_IMODE(copy.stat().st_mode) == 0o600
    assert called(path.parent)[1] == f"the database has schema {LATEST}, the newest that this version knows\n"


def test_a_folder_without_a_database_is_named(tmp_path: Path) -> None:
    code, said = called(tmp_path / "nowhere")

    assert code == 3
    assert "there is no database at" in said
    assert not (tmp_path / "nowhere").exists()


# PostgreSQL -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    yield from lent()


@pytest.fixture
def database(cluster: Cluster) -> Iterator[str]:
    cluster.sql("CREATE DATABASE cards")
    yield cluster.url("cards")
    cluster.sql("DROP DATABASE cards WITH (FORCE)")


def test_a_postgresql_database_is_migrated(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLING_CARD_DATABASE", database)

    ends = [called(tmp_path, *words) for words in (["--dry-run"], [], [])]

    assert ends == [
        (0, "would bring the database from schema 0 to 2\n"),
        (0, "brought the database from schema 0 to 2\n"),
        (0, "the database has schema 2, the newest that this version knows\n"),
    ]


async def test_two_nodes_with_one_keyring_serve_one_database(database: str, tmp_path: Path) -> None:
    first = load({"data": str(tmp_path / "first"), "database": database}, environment={})
    second = load({"data": str(tmp_path / "second"), "database": database}, environment={})
    async with opened(first) as here:
        (tmp_path / "second").mkdir(mode=0o700)
        (tmp_path / "second" / "keyring.json").touch(0o600)
        (tmp_path / "second" / "keyring.json").write_bytes((tmp_path / "first" / "keyring.json").read_bytes())

        async with opened(second) as there:
            assert await there.store.ready()
            assert list(await there.store.signing_keys()) == list(await here.store.signing_keys())

    assert sorted(entry.name for entry in (tmp_path / "first").iterdir() if "sqlite" in entry.name) == []


async def test_a_node_without_the_keyring_of_its_database_does_not_start(database: str, tmp_path: Path) -> None:
    async with opened(load({"data": str(tmp_path / "first"), "database": database}, environment={})):
        pass

    for _ in range(2):
        with pytest.raises(KeyringError, match="is missing and the database needs it"):
            async with opened(load({"data": str(tmp_path / "second"), "database": database}, environment={})):
                pass


async def test_a_process_that_starts_beside_another_in_one_folder_leaves_the_keyring_alone(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load({"data": str(tmp_path / "both"), "database": database}, environment={})
    straight = wiring._store

    async def overtaken(settings: Settings, path: Path, keyring: FileKeyring) -> Store:
        """The other one makes the first keys, with the keyring that we made."""
        monkeypatch.setattr(wiring, "_store", straight)
        async with opened(settings):
            return await straight(settings, path, keyring)

    monkeypatch.setattr(wiring, "_store", overtaken)

    async with opened(settings) as ports:
        assert await ports.store.signing_keys()

    assert (tmp_path / "both" / "keyring.json").exists()


async def test_a_missing_driver_is_named_with_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("asyncpg", "calling_card.store.postgres"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)

    with pytest.raises(BadSettings, match=r"install it with: pip install 'calling-card\[postgres\]'"):
        async with opened(load({"data": str(tmp_path), "database": "postgresql://db.internal/cards"}, environment={})):
            pass


@pytest.mark.parametrize(
    "address, printed",
    [
        ("postgresql://card:s3cret@db.internal/cards", "postgresql://***@db.internal/cards"),
        ("postgresql://card:s3:c/r@et@db.internal/cards", "postgresql://***@db.internal/cards"),
        (
            "postgresql://db.internal/cards?user=card&password=s3cret&sslmode=require",
            "postgresql://db.internal/cards?user=card&password=***&sslmode=require",
        ),
        ("postgresql://db.internal/cards", "postgresql://db.internal/cards"),
    ],
)
def test_the_password_of_the_database_is_not_printed(address: str, printed: str) -> None:
    assert shown(load({"database": address}, environment={}))["database"] == printed


def test_an_address_of_something_else_is_refused_without_being_repeated() -> None:
    with pytest.raises(BadSettings, match=r"^database: must be the address of a PostgreSQL database") as refused:
        load({"database": "mysql://card:s3cret@db.internal/cards"}, environment={})

    assert "s3cret" not in str(refused.value)
