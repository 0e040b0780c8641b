"""What only the SQLite store has: a file, groups of writes, other processes and a disk that fills up."""

import asyncio
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE
from threading import Thread
from typing import cast

import apsw
import pytest
from msgspec import structs

from calling_card.ports import KeyCollision, Registration, Rows, StoreUnavailable
from calling_card.protocol.persons.grants import Stage
from calling_card.protocol.persons.people import Standing
from calling_card.store import files, group, statements
from calling_card.store.database import Database
from calling_card.store.sqlite import SqliteStore
from tests.store.examples import (
    CHAIN_KEY,
    NOW,
    Clock,
    a_client,
    a_consent,
    a_grant,
    a_passkey,
    a_person,
    a_session,
    an_event,
    kinds,
    the_events,
)


def the_writer(store: SqliteStore) -> apsw.Connection:
    """The connection that writes, with everything apsw can do."""
    return cast("apsw.Connection", store._db)


@contextmanager
def refused_commits(store: SqliteStore, times: int) -> Generator[list[int]]:
    """The next COMMITs fail; the list holds one entry for each COMMIT tried."""
    tried: list[int] = []

    def refuse() -> bool:
        tried.append(len(tried))
        return len(tried) <= times

    the_writer(store).set_commit_hook(refuse)
    yield tried
    the_writer(store).set_commit_hook(None)


async def register(store: SqliteStore, *names: str) -> list[object]:
    """Register all at the same moment and say how each ended."""
    ends = await asyncio.gather(*(store.register(a_client(name), an_event(), None) for name in names), return_exceptions=True)
    return list(ends)


async def names(store: SqliteStore) -> list[str]:
    return [client.client_id for client in await store.clients("", 10_000)]


# The file -------------------------------------------------------------------------------------------------------------------------


async def test_the_files_are_for_their_owner_alone(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "data" / "store.db"

    store = SqliteStore.open(path, chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)
    await store.record(an_event("key_rotated"))

    assert S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {entry.name: S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()} == {
        "store.db": 0o600,
        "store.db-shm": 0o600,
        "store.db-wal": 0o600,
    }
    await store.close()


@pytest.mark.parametrize(
    "pragma, value",
    [("journal_mode", "wal"), ("synchronous", 2), ("trusted_schema", 0), ("cell_size_check", 1), ("secure_delete", 2), ("foreign_keys", 0)],
)
async def test_the_writer_has_the_settings_its_promises_rest_on(sqlite: SqliteStore, pragma: str, value: str | int) -> None:
    assert the_writer(sqlite).pragma(pragma) == value


async def test_no_new_value_has_a_statement_parsed_again(sqlite: SqliteStore) -> None:
    for connection in (the_writer(sqlite), cast("apsw.Connection", sqlite._reader)):
        assert connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, -1) == 1


async def test_the_reader_cannot_write(sqlite: SqliteStore) -> None:
    with pytest.raises(apsw.ReadOnlyError):
        sqlite._reader.execute("DELETE FROM clients")


async def test_an_sqlite_that_corrupts_logs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")

    with pytest.raises(RuntimeError, match=r"3\.51\.3 is needed"):
        files.writing(tmp_path / "store.db")


async def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "occupied").write_text("a file, not a folder", encoding="utf-8")

    with pytest.raises(StoreUnavailable, match="occupied"):
        SqliteStore.open(tmp_path / "occupied" / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)


async def test_reads_leave_no_transaction_behind(sqlite: SqliteStore, tmp_path: Path) -> None:
    await register(sqlite, *map(str, range(10)))
    await sqlite.client(a_client("1").key)
    await sqlite.living(a_client("1").key, b"m" * 16)
    await sqlite.clients("", 3)
    await the_events(sqlite)
    await sqlite.generations_by_key()
    await register(sqlite, "later")

    other = apsw.Connection(str(tmp_path / "store.db"))
    assert other.execute("SELECT count(*) FROM clients").fetchall() == [(11,)]
    other.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    assert (tmp_path / "store.db-wal").stat().st_size == 0
    other.close()


async def test_while_nobody_writes_the_connection_that_writes_answers(sqlite: SqliteStore) -> None:
    await register(sqlite, "a")

    sqlite._reader.close()

    assert await names(sqlite) == ["a"]


async def test_what_could_not_be_undone_is_read_by_nobody(sqlite: SqliteStore) -> None:
    await register(sqlite, "kept")

    the_writer(sqlite).execute("BEGIN IMMEDIATE; DELETE FROM clients")

    assert await names(sqlite) == ["kept"]
    await register(sqlite, "later")
    assert await names(sqlite) == ["kept", "later"]


async def test_a_log_that_is_being_recovered_is_waited_for_by_the_reader(sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await register(sqlite, "a")
    tried: list[str] = []

    class Recovering:
        in_transaction = False

        def execute(self, statement: str, _: object) -> None:
            tried.append(statement)
            raise apsw.BusyError("database is locked")

    monkeypatch.setattr(sqlite, "_db", Recovering())

    assert await sqlite.client(a_client("a").key) == a_client("a")
    assert tried == [statements.CLIENT_BY_KEY]
    monkeypatch.undo()


READING = re.compile(r"_(?:read|look|scan)\(\s*sql\.([A-Z_]+)")


def test_nothing_that_is_read_writes() -> None:
    sources = "".join(path.read_text("utf-8") for path in Path(group.__file__).parent.rglob("*.py"))
    read = set(READING.findall(sources))

    assert len(read) > 40
    assert {name for name in read if getattr(statements, name).split()[0] not in ("SELECT", "WITH")} == set()
    assert not [name for name in read if re.search(r"\b(INSERT|UPDATE|DELETE|REPLACE)\b", getattr(statements, name))]


async def test_a_store_that_is_opened_again_goes_on_where_it_was(tmp_path: Path, clock: Clock) -> None:
    for name in ("a", "b"):
        store = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)
        await register(store, name)
        await store.close()

    store = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)
    assert await names(store) == ["a", "b"]
    assert [event.number for event in await the_events(store)] == [1, 2]
    await store.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["store.db"]


async def test_people_and_what_they_allowed_are_there_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    client, ann = a_client(), a_person()
    pending = a_grant(client, ann)
    live = structs.replace(pending, stage=Stage.LIVE, refresh=structs.replace(pending.refresh, issued=2))
    store = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)
    await store.register(client, an_event(), None)
    await store.add_person(ann, an_event("person_added"))
    await store.begin_session(a_session(ann), None, an_event("signed_in"))
    await store.add_passkey(a_passkey(ann), an_event("passkey_added"))
    await store.give(client, pending, a_consent(client, ann), an_event("grant_given"))
    await store.change_grant(pending, live, an_event("grant_redeemed"))
    await store.revoke(client, b"m" * 16, NOW + 60, an_event("token_revoked"), live.id)
    await store.close()

    store = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)

    assert await store.living(client.key, b"m" * 16, live.id) == Rows(client, True, live, Standing(ann.epoch, active=True))
    assert await store.consents(ann.id, client) == [a_consent(client, ann)]
    assert await store.session(ann.id, a_session(ann).id) == (a_session(ann), ann)
    assert await store.passkey(a_passkey(ann).id) == (a_passkey(ann), ann)
    assert await store.person_named("ANN") == ann
    await store.close()


async def test_an_expired_mark_is_swept_a_few_at_a_time_and_another_clients_stays(sqlite: SqliteStore, clock: Clock) -> None:
    await register(sqlite, "busy", "quiet")
    insert = "INSERT INTO marks (client_key, mark, kind, expires_at, grant_id) VALUES (?, ?, 'token', ?, ?)"
    for number in range(100):
        the_writer(sqlite).execute(
            insert, (a_client("busy").key, number.to_bytes(16, "big"), NOW - 100 + number, number.to_bytes(16, "big"))
        )
    the_writer(sqlite).execute(insert, (a_client("quiet").key, b"m" * 16, NOW - 1, None))

    left: list[int] = []
    for letter in (b"a", b"b"):
        await sqlite.revoke(a_client("busy"), letter * 16, NOW + 60, an_event("token_revoked"))
        left.append(len(the_writer(sqlite).execute("SELECT mark FROM marks").fetchall()))

    assert left == [100 - 64 + 1 + 1, 2 + 1]


async def test_the_log_stays_bounded(sqlite: SqliteStore, tmp_path: Path) -> None:
    for portion in range(40):
        await register(sqlite, *(f"{portion}/{number}" for number in range(64)))

    assert (tmp_path / "store.db-wal").stat().st_size < 8 * 2**20


async def test_a_client_of_the_mcp_kind_costs_at_most_750_bytes(sqlite: SqliteStore, tmp_path: Path) -> None:
    count = 2_000

    await register(sqlite, *(f"client-{number:032x}" for number in range(count)))

    pages = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'clients%'"
    size = the_writer(sqlite).execute(pages).fetchall()[0][0]
    assert isinstance(size, int)
    assert size / count <= 750


# Groups ---------------------------------------------------------------------------------------------------------------------------


async def test_what_arrives_together_is_committed_together(sqlite: SqliteStore) -> None:
    with refused_commits(sqlite, 0) as tried:
        ends = await register(sqlite, *map(str, range(200)))

    assert len(await names(sqlite)) == len(ends) == 200
    assert len(tried) == 1


async def test_whoever_comes_a_pass_of_the_loop_later_comes_along(sqlite: SqliteStore) -> None:
    with refused_commits(sqlite, 0) as tried:
        writes: list[asyncio.Future[Registration]] = []
        for name in ("a", "b", "c"):
            writes.append(asyncio.ensure_future(sqlite.register(a_client(name), an_event(), None)))
            await asyncio.sleep(0)
        await asyncio.gather(*writes)

    assert len(tried) == 1


async def test_one_failing_write_in_a_group_fails_alone(sqlite: SqliteStore) -> None:
    await register(sqlite, "there")

    with refused_commits(sqlite, 0) as tried:
        ends = await register(sqlite, "a", "there", "b")

    assert isinstance(ends[1], KeyCollision)
    assert await names(sqlite) == ["a", "b", "there"]
    assert await kinds(sqlite) == ["client_registered"] * 3
    assert len(tried) == 1


async def test_nobody_is_told_before_the_commit(sqlite: SqliteStore) -> None:
    seen: list[bool] = []
    write = asyncio.ensure_future(sqlite.register(a_client("a"), an_event(), None))

    def look() -> bool:
        seen.append(write.done())
        return False

    the_writer(sqlite).set_commit_hook(look)
    await write
    the_writer(sqlite).set_commit_hook(None)

    assert seen == [False]


async def test_a_commit_that_fails_is_tried_again_write_by_write(sqlite: SqliteStore) -> None:
    with refused_commits(sqlite, 1) as tried:
        await register(sqlite, "a", "b", "c")

    assert await names(sqlite) == ["a", "b", "c"]
    assert await kinds(sqlite) == ["client_registered"] * 3
    assert len(tried) == 4


async def test_a_write_whose_commit_fails_is_told_so_and_leaves_nothing(sqlite: SqliteStore) -> None:
    with refused_commits(sqlite, 100):
        ends = await register(sqlite, "a", "b")

    assert [type(end) for end in ends] == [apsw.ConstraintError, apsw.ConstraintError]
    assert await names(sqlite) == []
    await register(sqlite, "c")
    assert await kinds(sqlite) == ["client_registered"]


async def test_a_caller_who_leaves_does_not_disturb_the_others(sqlite: SqliteStore) -> None:
    leaving, staying = (asyncio.ensure_future(sqlite.register(a_client(name), an_event(), None)) for name in ("leaving", "staying"))
    await asyncio.sleep(0)
    leaving.cancel()

    await staying

    assert leaving.cancelled()
    assert await names(sqlite) == ["staying"]
    assert await kinds(sqlite) == ["client_registered"]


async def test_closing_finishes_what_was_accepted(tmp_path: Path, clock: Clock) -> None:
    store = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)
    client = a_client("day")
    await store.register(client, an_event(), None)
    store.used(client, client.last_used_day + 1)
    for _ in range(3):
        await store.report(an_event("rat_spent", client))
    writes = [asyncio.ensure_future(store.register(a_client(str(number)), an_event(), None)) for number in range(100)]
    await asyncio.sleep(0)

    await store.close()

    await asyncio.gather(*writes)
    again = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-2", now=clock)
    assert len(await names(again)) == 101
    kept = await again.client(client.key)
    assert kept is not None
    assert kept.last_used_day == client.last_used_day + 1
    assert (await kinds(again)).count("rat_spent") == 2
    await again.close()


async def test_closing_writes_every_sum_however_many_there_are(tmp_path: Path, clock: Clock) -> None:
    store = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)
    clients = [a_client(str(number)) for number in range(600)]
    for client in clients:
        await store.report(an_event("rat_spent", client))
        await store.report(an_event("rat_spent", client))

    await store.close()

    again = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-2", now=clock)
    assert len(await kinds(again)) == 1200
    await again.close()


async def test_days_and_sums_that_find_no_room_in_the_queue_wait_for_the_next_write(sqlite: SqliteStore, clock: Clock) -> None:
    client = a_client("day")
    await sqlite.register(client, an_event(), None)
    for _ in range(2):
        await sqlite.report(an_event("rat_spent", client))
    with another_process(sqlite, patience=50):
        crowd = [asyncio.ensure_future(sqlite.register(a_client(str(number)), an_event(), None)) for number in range(group.MOST + 64)]
        await asyncio.sleep(0)
        sqlite.used(client, client.last_used_day + 1)
        clock.at += 60
        with pytest.raises(StoreUnavailable, match="too many wait"):
            await sqlite.record(an_event("key_rotated", at=clock.at))
        await asyncio.gather(*crowd, return_exceptions=True)

    await sqlite.record(an_event("key_rotated", at=clock.at))

    kept = await sqlite.client(client.key)
    assert kept is not None
    assert kept.last_used_day == client.last_used_day + 1
    assert (await kinds(sqlite)).count("rat_spent") == 2


async def test_a_writer_that_was_cancelled_refuses_instead_of_guessing(tmp_path: Path, clock: Clock) -> None:
    store = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)
    write = asyncio.ensure_future(store.register(a_client(), an_event(), None))
    await asyncio.sleep(0)
    runner = store._groups._runner
    assert runner is not None

    runner.cancel()

    with pytest.raises(StoreUnavailable):
        await write
    with pytest.raises(StoreUnavailable):
        await store.record(an_event("key_rotated"))
    assert await store.client(a_client().key) is None
    await store.close()


async def test_many_days_of_use_become_a_write_of_their_own(sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calling_card.store.verbs.clients.DAYS_WAITING", 2)
    await register(sqlite, "a", "b")

    for name in ("a", "b"):
        sqlite.used(a_client(name), a_client().last_used_day + 1)
    runner = sqlite._groups._runner
    assert runner is not None
    await asyncio.wait_for(runner, 10)

    days = {client.last_used_day for client in await sqlite.clients("", 10)}
    assert days == {a_client().last_used_day + 1}


# Trouble --------------------------------------------------------------------------------------------------------------------------


@contextmanager
def full(store: SqliteStore) -> Generator[None]:
    """The file may not grow by a single page."""
    db = the_writer(store)
    before = db.pragma("max_page_count")
    db.pragma("max_page_count", db.pragma("page_count"))
    yield
    db.pragma("max_page_count", before)


async def test_a_full_disk_refuses_writes_serves_reads_and_heals_by_itself(sqlite: SqliteStore) -> None:
    await register(sqlite, "before")
    many = [f"during/{number:04}" for number in range(300)]

    with full(sqlite):
        ends = await register(sqlite, *many)
        refused = [name for name, end in zip(many, ends, strict=True) if isinstance(end, StoreUnavailable)]
        taken = [name for name in many if name not in refused]

        assert len(refused) > 200
        assert await names(sqlite) == ["before", *taken]

    await register(sqlite, "later")
    assert await names(sqlite) == ["before", *taken, "later"]
    assert len(await the_events(sqlite)) == len(taken) + 2
    assert the_writer(sqlite).execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_what_could_not_be_written_besides_waits_for_the_next_write(sqlite: SqliteStore, clock: Clock) -> None:
    client = a_client()
    await sqlite.register(client, an_event(), None)
    await sqlite.report(an_event("rat_spent", client))
    await sqlite.report(an_event("rat_spent", client))
    clock.at += 60

    sqlite.used(client, client.last_used_day + 1)
    with refused_commits(sqlite, 100):
        ends = await register(sqlite, "refused")
    assert isinstance(ends[0], apsw.ConstraintError)
    await register(sqlite, "taken")

    kept = await sqlite.client(client.key)
    assert kept is not None
    assert kept.last_used_day == client.last_used_day + 1
    assert (await kinds(sqlite)).count("rat_spent") == 2


async def test_a_report_that_could_not_be_written_is_counted_into_the_next(sqlite: SqliteStore, clock: Clock) -> None:
    event = an_event("rat_spent", a_client())
    with another_process(sqlite, patience=10), pytest.raises(StoreUnavailable):
        await sqlite.report(event)

    await sqlite.report(event)

    assert [event.content for event in await the_events(sqlite)] == [
        b'{"actor":"client","request_id":"0123456789abcdef","body":{"count":2}}'
    ]


@contextmanager
def another_process(store: SqliteStore, *, patience: int) -> Generator[apsw.Connection]:
    """Somebody else holds the write lock; the store waits for so many milliseconds."""
    other = apsw.Connection(store._db.filename)
    other.execute("BEGIN IMMEDIATE")
    before, group.PATIENCE = group.PATIENCE, patience
    yield other
    group.PATIENCE = before
    if other.in_transaction:
        other.execute("ROLLBACK")
    other.close()


async def test_a_lock_held_elsewhere_is_waited_for_without_holding_up_reads(sqlite: SqliteStore) -> None:
    await register(sqlite, "there")

    with another_process(sqlite, patience=10_000) as other:
        write = asyncio.ensure_future(sqlite.register(a_client("late"), an_event(), None))
        for _ in range(100):
            await asyncio.sleep(0)
            assert await sqlite.client(a_client("there").key) is not None
        assert not write.done()
        other.execute("ROLLBACK")
        async with asyncio.timeout(10):
            await write

    assert await names(sqlite) == ["late", "there"]


async def test_a_lock_held_too_long_refuses_all_who_wait(sqlite: SqliteStore) -> None:
    with another_process(sqlite, patience=10):
        ends = await register(sqlite, *map(str, range(70)))
        assert {type(end) for end in ends} == {StoreUnavailable}
        assert not await sqlite.ready()

    await register(sqlite, "after")

    assert await names(sqlite) == ["after"]
    assert len(await the_events(sqlite)) == 1


async def test_readiness_is_tried_by_a_write_once_a_second(sqlite: SqliteStore, clock: Clock) -> None:
    with refused_commits(sqlite, 0) as tried:
        assert await sqlite.ready()
        assert await sqlite.ready()
        assert len(tried) == 1
    clock.at += 1

    with another_process(sqlite, patience=10):
        assert not await sqlite.ready()
    clock.at += 1

    assert await sqlite.ready()


async def test_reads_of_a_closed_store_are_refused(tmp_path: Path, clock: Clock) -> None:
    store = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-1", now=clock)
    await store.close()

    with pytest.raises(StoreUnavailable):
        await store.client(b"x" * 16)


async def test_four_processes_may_open_a_new_file_at_once(tmp_path: Path, clock: Clock) -> None:
    opened: list[SqliteStore] = []

    def open_one(number: int) -> None:
        writer = number.to_bytes(8, "big")
        opened.append(SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=writer, now=clock))

    threads = [Thread(target=open_one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(opened) == 4
    for store in opened:
        await store.record(an_event("key_rotated", at=NOW))
    assert len(await the_events(opened[0])) == 4
    for store in opened:
        await store.close()


@pytest.mark.parametrize("table", ["grants", "documents", "consents", "marks", "resources"])
async def test_a_removed_client_leaves_no_row_in_any_table(sqlite: SqliteStore, table: str) -> None:
    leaving, staying = a_client("leaving"), a_client("staying")
    await register(sqlite, "leaving", "staying")
    for client in (leaving, staying):
        insert_into(sqlite, table, client.key)

    await sqlite.remove(leaving, an_event("client_deleted", leaving), NOW + 60)

    left = the_writer(sqlite).execute(f"SELECT client_key FROM {table} ORDER BY rowid").fetchall()
    tombstone = [(leaving.key,)] if table == "marks" else []
    assert left == [(staying.key,), *tombstone]


def insert_into(store: SqliteStore, table: str, key: bytes) -> None:
    """A row about a client in a table that no verb fills yet: every other column gets something of its type."""
    filler: dict[str, object] = {"TEXT": key.hex(), "INTEGER": 1, "BLOB": key}
    columns = the_writer(store).execute(f"SELECT name, type FROM pragma_table_info('{table}')").fetchall()
    said: dict[str, object] = {"client_key": key, "kind": "token"}
    values = tuple(said.get(str(name), filler[str(kind)]) for name, kind in columns)
    places = ", ".join("?" for _ in values)
    the_writer(store).execute(f"INSERT INTO {table} VALUES ({places})", cast("tuple[str, ...]", values))


@pytest.mark.parametrize("met", [1, 5])
def test_connections_that_make_one_files_log_at_once_wait_for_each_other(met: int, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    database = Locked(met)

    files.patiently(cast("Database", database), "PRAGMA journal_mode = WAL")

    assert database.asked == met + 1
    assert len(slept) == met


def test_a_lock_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", -1)
    database = Locked(1)

    with pytest.raises(apsw.BusyError):
        files.patiently(cast("Database", database), "PRAGMA journal_mode = WAL")


class Locked:
    """A database that is in another one's way so many times."""

    def __init__(self, met: int) -> None:
        self.left = met
        self.asked = 0

    def execute(self, _: str) -> "Locked":
        self.asked += 1
        if self.asked <= self.left:
            raise apsw.BusyError("database is locked")
        return self

    def fetchall(self) -> list[object]:
        return []
