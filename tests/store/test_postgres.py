"""What only the PostgreSQL store has: lanes, one message for a hot verb, servers that crash, networks that fall silent."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import cast

import asyncpg
import pytest
import uvloop
from msgspec import structs

from calling_card.ports import KeyCollision, Registration, Rows, StoreUnavailable
from calling_card.protocol.clients import Client, Route
from calling_card.protocol.persons.grants import Stage
from calling_card.store import statements as sql
from calling_card.store.migrations import SchemaTooNew, Step
from calling_card.store.postgres import lanes, migrations
from calling_card.store.postgres.connection import Connection
from calling_card.store.postgres.dialect import claims, text_of
from calling_card.store.postgres.pool import Address, each_host
from calling_card.store.postgres.store import PostgresStore
from calling_card.store.postgres.troubles import Trouble, as_said, trouble
from tests.postgres import Cluster, connected, programs
from tests.store.conftest import a_writer
from tests.store.examples import NOW, Clock, a_client, a_consent, a_grant, a_person, a_session, an_event, an_invitation, kinds, the_events
from tests.store.relay import Relay, relayed

ANN = a_person("ann")


async def opened(url: str, clock: Clock, **settings: int | bool) -> PostgresStore:
    return await PostgresStore.open(Address(url, **{"statement_timeout": 20_000, **settings}), a_writer, clock)  # type: ignore[arg-type] # its own fields


@pytest.fixture
async def nodes(database: str, clock: Clock) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    """Two nodes with several lanes each."""
    here, there = await opened(database, clock), await opened(database, clock)
    yield here, there
    await here.close()
    await there.close()


@asynccontextmanager
async def behind_relay(cluster: Cluster, clock: Clock, **settings: int | bool) -> AsyncIterator[tuple[PostgresStore, Relay]]:
    async with relayed(cluster.port) as relay:
        store = await opened(
            f"postgresql://test@127.0.0.1:{relay.port}/contract?sslmode=disable", clock, **{"lanes": 1, "readers": 1} | settings
        )
        yield store, relay
        relay.swallowed = ""
        await store.close()


# One message ----------------------------------------------------------------------------------------------------------------------


async def prepared(store: PostgresStore, name: str) -> Client:
    """A client with a live grant of a person, and every statement of the verbs below known to the server."""
    client = a_client(name)
    assert await store.register(client, an_event("client_registered", client), None) is Registration.DONE
    live = structs.replace(a_grant(client, ANN, b"l" * 16), stage=Stage.LIVE)
    assert await store.give(client, structs.replace(live, stage=Stage.PENDING), None, an_event("code_given", client))
    assert await store.change_grant(structs.replace(live, stage=Stage.PENDING), live, an_event("grant_redeemed", client))
    return client


HOT: dict[str, Callable[[PostgresStore, Client], Awaitable[object]]] = {
    "register": lambda store, client: store.register(a_client(client.client_id + "+"), an_event("client_registered"), None),
    "replace": lambda store, client: store.replace(client, structs.replace(client, metadata=b"{}"), an_event("client_replaced", client)),
    "change_grant": lambda store, client: store.change_grant(
        structs.replace(a_grant(client, ANN, b"l" * 16), stage=Stage.LIVE),
        structs.replace(a_grant(client, ANN, b"l" * 16), stage=Stage.LIVE, last_used_at=NOW + 9),
        an_event("refreshed", client),
    ),
    "give": lambda store, client: store.give(client, a_grant(client, ANN), a_consent(client, ANN), an_event("code_given", client)),
    "revoke": lambda store, client: store.revoke(client, b"m" * 16, NOW + 60, an_event("token_revoked", client), b"l" * 16),
    "revoke its own": lambda store, client: store.revoke(client, b"o" * 16, NOW + 60, an_event("token_revoked", client)),
    "once": lambda store, client: store.once(client, b"f" * 16, NOW + 60),
    "once_at": lambda store, client: store.once_at(b"p" * 16, client.key, NOW + 60),
    "client": lambda store, client: store.client(client.key),
    "living": lambda store, client: store.living(client.key, b"x" * 16, b"l" * 16),
    "client_or_tombstone": lambda store, client: store.client_or_tombstone(client.key),
}


@pytest.mark.parametrize("verb", HOT)
async def test_a_hot_verb_is_one_message_and_one_answer(cluster: Cluster, database: str, clock: Clock, verb: str) -> None:
    async with behind_relay(cluster, clock) as (store, relay):
        await store.add_person(ANN, an_event("person_added"))
        first, second = await prepared(store, "first"), await prepared(store, "second")
        await HOT[verb](store, first)
        relay.trips = 0

        await HOT[verb](store, second)

        assert relay.trips == 1
        assert len(await the_events(store)) >= 7


async def test_what_arrives_together_and_is_alike_is_one_message(cluster: Cluster, database: str, clock: Clock) -> None:
    async with behind_relay(cluster, clock) as (store, relay):
        first, *others = [a_client(str(number)) for number in range(61)]
        await store.register(first, an_event(), None)
        await asyncio.gather(*(store.register(client, an_event(), None) for client in others[:30]))
        relay.trips = 0

        ends = await asyncio.gather(*(store.register(client, an_event(), None) for client in others[30:]))

        assert ends == [Registration.DONE] * 30
        assert relay.trips == 1
        assert len(await the_events(store)) == 61


async def test_one_that_fails_among_many_fails_alone(nodes: tuple[PostgresStore, PostgresStore]) -> None:
    here, there = nodes
    await there.register(a_client("7"), an_event(), None)

    ends = await asyncio.gather(*(here.register(a_client(str(number)), an_event(), None) for number in range(40)), return_exceptions=True)

    assert [type(end) for number, end in enumerate(ends) if number == 7] == [KeyCollision]
    assert sum(end is Registration.DONE for end in ends) == 39
    assert len(await the_events(here)) == 40


async def test_facts_that_are_kept_together_are_each_kept_once(nodes: tuple[PostgresStore, PostgresStore]) -> None:
    client = a_client()
    await nodes[0].register(client, an_event(), None)
    facts = [bytes([number % 20]) * 16 for number in range(60)]

    kept = await asyncio.gather(*(store.once(client, fact, NOW + 60) for fact in facts for store in nodes))

    assert sum(kept) == 20


# Several nodes at once ------------------------------------------------------------------------------------------------------------


async def test_of_many_who_redeem_a_grant_one_does(nodes: tuple[PostgresStore, PostgresStore]) -> None:
    await nodes[0].add_person(ANN, an_event("person_added"))
    client = a_client()
    await nodes[0].register(client, an_event(), None)
    for number in range(20):
        grant = a_grant(client, ANN, bytes([number]) * 16)
        await nodes[0].give(client, grant, None, an_event("code_given", client))

        won = await asyncio.gather(
            *(node.change_grant(grant, structs.replace(grant, stage=Stage.LIVE), an_event("grant_redeemed", client)) for node in nodes * 8)
        )

        assert sum(won) == 1
    assert Counter(await kinds(nodes[0]))["grant_redeemed"] == 20


async def test_no_grant_outlives_the_client_that_is_removed_meanwhile(nodes: tuple[PostgresStore, PostgresStore]) -> None:
    here, there = nodes
    await here.add_person(ANN, an_event("person_added"))
    for number in range(30):
        client = a_client(str(number))
        await here.register(client, an_event(), None)

        given, gone, marked = await asyncio.gather(
            here.give(client, a_grant(client, ANN), a_consent(client, ANN), an_event("code_given", client)),
            there.remove(client, an_event("client_deleted", client), NOW + 60),
            here.once(client, b"f" * 16, NOW + 60),
        )

        assert gone
        assert await there.grant(client.key, b"g" * 16) is None, (given, marked)
        assert await there.consents(ANN.id, client) == []


async def test_no_grant_is_given_behind_the_end_of_all(nodes: tuple[PostgresStore, PostgresStore]) -> None:
    here, there = nodes
    await here.add_person(ANN, an_event("person_added"))
    for number in range(30):
        client = a_client(str(number))
        await here.register(client, an_event(), None)

        given, ended = await asyncio.gather(
            here.give(client, a_grant(client, ANN), None, an_event("code_given", client)),
            there.end_all(client, structs.replace(client, epoch=2), an_event("client_suspended", client)),
        )

        found = await here.grant(client.key, b"g" * 16)
        assert ended
        if given:
            assert found is not None
        assert await here.grants_alive(client) == 0


async def test_who_lives_on_a_card_is_either_born_or_gone(nodes: tuple[PostgresStore, PostgresStore]) -> None:
    here, there = nodes
    for number in range(30):
        sealed = a_client(str(number))
        sealed = structs.replace(sealed, card_until=NOW + 3600)

        born, gone = await asyncio.gather(
            here.bear(structs.replace(sealed, card_until=0), None), there.remove(sealed, an_event("client_deleted", sealed), NOW + 7200)
        )

        client, tombstone = await here.client_or_tombstone(sealed.key)
        assert gone
        assert (client is None, tombstone) == (True, True), born


async def test_a_change_of_a_person_is_made_once(nodes: tuple[PostgresStore, PostgresStore]) -> None:
    here, _ = nodes
    await here.add_person(ANN, an_event("person_added"))
    for epoch in range(1, 11):
        before, after = structs.replace(ANN, epoch=epoch), structs.replace(ANN, epoch=epoch + 1)

        won = await asyncio.gather(*(node.change_person(before, after, an_event("person_changed")) for node in nodes * 4))

        assert sum(won) == 1


async def test_one_client_of_a_software_is_let_in(nodes: tuple[PostgresStore, PostgresStore]) -> None:
    said = b'{"software_id":"tea","software_version":"1"}'
    coming = [structs.replace(a_client(str(number)), metadata=said) for number in range(8)]

    ends = await asyncio.gather(
        *(nodes[number % 2].register(client, an_event(), None, single=True) for number, client in enumerate(coming))
    )

    assert Counter(ends) == {Registration.DONE: 1, Registration.TAKEN: 7}


async def test_marks_that_come_together_may_pass_the_bound_and_the_next_one_raises_the_epoch(
    nodes: tuple[PostgresStore, PostgresStore],
) -> None:
    client = a_client()
    await nodes[0].register(client, an_event(), None)

    await asyncio.gather(
        *(nodes[number % 2].revoke(client, bytes([number]) * 16, NOW + 60, an_event("token_revoked", client)) for number in range(40))
    )
    await nodes[0].revoke(client, b"last of all, now", NOW + 60, an_event("token_revoked", client))

    found = await nodes[1].client(client.key)
    assert found is not None
    assert found.epoch >= 2
    assert Counter(await kinds(nodes[0]))["token_revoked"] == 41


async def test_readers_of_the_news_miss_nothing_that_several_lanes_write(nodes: tuple[PostgresStore, PostgresStore]) -> None:
    here, there = nodes
    coming = [a_client(str(number)) for number in range(200)]
    writing = asyncio.gather(
        *(nodes[number % 2].register(client, an_event("client_registered", client), None) for number, client in enumerate(coming))
    )
    found: list[tuple[bytes, int]] = []
    from calling_card.protocol.life.webhooks import Bookmark

    last = Bookmark(b"", 0)
    while not writing.done() or (await here.news(last, 1)).events:
        news = await there.news(last, 13)
        last = news.last
        found += [(event.writer, event.number) for event in news.events]
        await asyncio.sleep(0)

    assert len(found) == len(set(found)) == 200


# Trouble --------------------------------------------------------------------------------------------------------------------------


async def test_a_silent_network_is_told_within_two_seconds_and_to_the_next_at_once(cluster: Cluster, database: str, clock: Clock) -> None:
    async with behind_relay(cluster, clock, statement_timeout=1_200, readers=4) as (store, relay):
        client = a_client()
        await store.register(client, an_event(), None)
        await store.client(client.key)
        relay.swallowed = "both"

        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.client(client.key)
        with pytest.raises(StoreUnavailable):
            await store.register(a_client("late"), an_event(), None)
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await store.client(client.key)
        took = time.monotonic() - begun
        relay.swallowed = ""
        async with asyncio.timeout(10):
            while await store.ready() is not True:
                clock.at += 1
                await asyncio.sleep(0)

        assert took < 10  # three questions; that each waits no longer than its setting is what the setting does
        assert await store.client(client.key) == client


async def test_nobody_is_told_that_something_was_kept_whose_answer_did_not_come(cluster: Cluster, database: str, clock: Clock) -> None:
    async with behind_relay(cluster, clock) as (store, relay):
        await store.register(a_client("before"), an_event(), None)
        before = set(await store.heads())
        relay.swallowed = "server"
        writing = asyncio.ensure_future(store.register(a_client("unknown"), an_event(), None))
        await asyncio.wait_for(kept(cluster), 20)
        relay.hang_up()
        relay.swallowed = ""

        with pytest.raises(StoreUnavailable, match="nobody can say"):
            await writing
        await store.register(a_client("after"), an_event(), None)

        assert await store.client(a_client("unknown").key) is not None
        assert len(set(await store.heads()) - before) == 1
        assert len(await the_events(store)) == 3


async def kept(cluster: Cluster) -> None:
    """Until the second client is there."""
    while (await asyncio.to_thread(cluster.sql, "SELECT count(*) FROM clients", "contract")).strip() != "2":  # noqa: ASYNC110 - it is elsewhere
        await asyncio.sleep(0.01)


async def test_a_connection_that_ended_between_two_writes_is_replaced_unnoticed(cluster: Cluster, database: str, clock: Clock) -> None:
    async with behind_relay(cluster, clock) as (store, _):
        await store.register(a_client("a"), an_event(), None)
        await store.clients("", 10)
        cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'calling-card'")
        await asyncio.sleep(0.05)

        await store.register(a_client("b"), an_event(), None)

        assert [client.client_id for client in await store.clients("", 10)] == ["a", "b"]


async def test_a_lock_that_another_holds_too_long_is_unavailable(cluster: Cluster, database: str, clock: Clock) -> None:
    store = await opened(database, clock, lock_timeout=100)
    client = a_client()
    await store.register(client, an_event(), None)
    other = await connected(database)
    async with other.transaction():
        await other.execute("SELECT 1 FROM clients FOR UPDATE")

        with pytest.raises(StoreUnavailable, match="LockNotAvailable"):
            await store.replace(client, structs.replace(client, metadata=b"{}"), an_event("client_replaced", client))

    assert await store.replace(client, structs.replace(client, metadata=b"{}"), an_event("client_replaced", client))
    assert len(await the_events(store)) == 2
    await other.close()
    await store.close()


async def test_transactions_that_cannot_be_put_in_a_row_are_tried_again(
    nodes: tuple[PostgresStore, PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _ = nodes
    lane = here._lanes[sum(a_client().key) % 4]
    tried: list[int] = []
    real = lane._answer

    async def stubborn(*given: object) -> object:
        tried.append(1)
        if len(tried) < 3:
            raise asyncpg.SerializationError("could not serialize access")
        return await real(*given)  # type: ignore[arg-type] # passed on

    await here.register(a_client(), an_event(), None)
    monkeypatch.setattr(lane, "_answer", stubborn)

    assert await here.remove(a_client(), an_event("client_deleted"), NOW + 60)

    assert len(tried) > 3
    assert await kinds(here) == ["client_registered", "client_deleted"]


async def test_a_node_that_stood_still_longer_than_its_transaction_may_last_tries_again(
    cluster: Cluster, database: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(database, clock, lanes=1, idle_timeout=100)
    await store.invite(an_invitation(5), an_event("initial_access_token_created"))
    await store.register(a_client("before"), an_event("client_registered"), an_invitation().id)
    stood: list[str] = []

    def stand_still() -> None:
        """The whole process, until the server has answered and hung up: both are read at once, and only then the next step is said."""
        stood.append("still")
        end = time.monotonic() + 20
        while cluster.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'calling-card'").strip():
            assert time.monotonic() < end

    def passed(name: str) -> None:
        if name == "store.begin" and not stood:
            asyncio.get_running_loop().call_soon(stand_still)

    monkeypatch.setattr(lanes, "point", passed)

    assert await store.register(a_client(), an_event("client_registered"), an_invitation().id) is Registration.DONE

    left = await store.invitation(an_invitation().id)
    assert stood == ["still"]
    assert left is not None
    assert left.uses_left == 3
    assert sorted(await kinds(store)) == ["client_registered", "client_registered", "initial_access_token_created"]
    await store.close()


async def test_a_server_that_only_reads_is_left(cluster: Cluster, database: str, clock: Clock) -> None:
    store = await opened(database, clock)
    await store.register(a_client("a"), an_event(), None)
    cluster.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    cluster.sql("SELECT pg_reload_conf()")
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    await store.register(a_client(str(time.monotonic_ns())), an_event(), None)
                except StoreUnavailable:
                    break
    finally:
        cluster.sql("ALTER SYSTEM RESET default_transaction_read_only")
        cluster.sql("SELECT pg_reload_conf()")
    async with asyncio.timeout(20):
        while not await store.ready():
            clock.at += 1
            await asyncio.sleep(0.01)

    assert await store.register(a_client("b"), an_event(), None) is Registration.DONE
    await the_events(store)
    await store.close()


@pytest.mark.parametrize(
    "error, kind",
    [
        (asyncpg.SerializationError("x"), Trouble.AGAIN),
        (asyncpg.DeadlockDetectedError("x"), Trouble.AGAIN),
        (asyncpg.ConnectionDoesNotExistError("x"), Trouble.LOST),
        (asyncpg.AdminShutdownError("x"), Trouble.LOST),
        (asyncpg.CannotConnectNowError("x"), Trouble.LOST),
        (asyncpg.ReadOnlySQLTransactionError("x"), Trouble.LOST),
        (ConnectionResetError("x"), Trouble.LOST),
        (TimeoutError("x"), Trouble.LOST),
        (asyncpg.InterfaceError("x"), Trouble.LOST),
        (asyncpg.InternalClientError("x"), Trouble.LOST),
        (asyncpg.DiskFullError("x"), Trouble.UNAVAILABLE),
        (asyncpg.TooManyConnectionsError("x"), Trouble.UNAVAILABLE),
        (asyncpg.QueryCanceledError("x"), Trouble.UNAVAILABLE),
        (asyncpg.UniqueViolationError("x"), Trouble.OURS),
        (asyncpg.DataError("x"), Trouble.OURS),
        (KeyCollision("x"), Trouble.OURS),
    ],
)
def test_what_an_error_means(error: Exception, kind: Trouble) -> None:
    assert trouble(error) is kind
    assert isinstance(as_said(error), StoreUnavailable) is (kind is not Trouble.OURS)


async def test_a_store_that_is_closed_takes_nothing(database: str, clock: Clock) -> None:
    store = await opened(database, clock)
    await store.close()
    await store.close()

    with pytest.raises(StoreUnavailable):
        await store.register(a_client(), an_event(), None)
    with pytest.raises(StoreUnavailable):
        await store.client(a_client().key)


async def test_an_address_that_nobody_answers_at_is_unavailable_and_not_shown(clock: Clock) -> None:
    address = Address("postgresql://card:s3cret@127.0.0.1:1/cards")

    with pytest.raises(StoreUnavailable) as refused:
        await PostgresStore.open(address, a_writer, clock)

    assert "s3cret" not in str(refused.value) + repr(address)


# Crashes --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fragile() -> Iterator[Cluster]:
    """A server that keeps what it said it keeps."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed; script/setup brings it")
    cluster = Cluster.made()
    yield cluster
    cluster.remove()


async def test_crashes_lose_nothing_that_was_acknowledged_and_halve_nothing(fragile: Cluster, clock: Clock) -> None:
    store = await opened(fragile.url(), clock)
    said: dict[str, bool] = {}

    async def write(letter: str) -> None:
        number = 0
        while not over.is_set():
            name = f"{letter}{number}"
            number += 1
            try:
                said[name] = await store.register(a_client(name), an_event("client_registered", a_client(name)), None) is Registration.DONE
            except StoreUnavailable:
                await asyncio.sleep(0.01)

    over = asyncio.Event()
    writers = [asyncio.ensure_future(write(letter)) for letter in "abcdefgh"]
    for _ in range(3):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(fragile.stop, "immediate")
        await asyncio.to_thread(fragile.start)
    await asyncio.sleep(0.3)
    over.set()
    await asyncio.gather(*writers)

    there = {client.client_id for client in await store.clients("", 1_000_000)}
    told = await the_events(store)
    assert len(said) > 50
    assert {name for name, done in said.items() if done} <= there
    assert {event.client_key for event in told} == {a_client(name).key for name in there}
    assert len(told) == len(there)
    await store.close()


async def test_a_standby_that_is_promoted_is_found_and_has_everything(fragile: Cluster, clock: Clock) -> None:
    follower = await asyncio.to_thread(fragile.standby)
    try:
        hosts = f"host={fragile.home},{follower.home}&port={fragile.port},{follower.port}"
        store = await opened(f"postgresql://test@/postgres?{hosts}", clock)
        await store.register(a_client("before"), an_event(), None)
        at = fragile.sql("SELECT pg_current_wal_lsn()").strip()
        while follower.sql(f"SELECT pg_last_wal_replay_lsn() >= '{at}'").strip() != "t":  # noqa: ASYNC110 - it is elsewhere
            await asyncio.sleep(0.01)

        await asyncio.to_thread(fragile.stop, "immediate")
        with pytest.raises(StoreUnavailable):
            await store.register(a_client("meanwhile"), an_event(), None)
        await asyncio.to_thread(follower.promote)
        async with asyncio.timeout(20):
            while not await store.ready():
                clock.at += 1
                await asyncio.sleep(0.01)

        assert await store.register(a_client("after"), an_event(), None) is Registration.DONE
        assert [client.client_id for client in await store.clients("", 10)] == ["after", "before"]
        await the_events(store)
        await store.close()
    finally:
        await asyncio.to_thread(follower.remove)


# Migrations -----------------------------------------------------------------------------------------------------------------------


async def test_of_several_nodes_that_start_at_once_one_makes_the_schema(cluster: Cluster, clock: Clock) -> None:
    cluster.sql("CREATE DATABASE several")

    stores = await asyncio.gather(*(opened(cluster.url("several"), clock) for _ in range(4)))

    assert cluster.sql("SELECT version FROM schema_migrations", "several").split() == ["1", "2"]
    for store in stores:
        await store.close()
    cluster.sql("DROP DATABASE several")


async def test_a_newer_schema_is_refused_and_a_later_step_is_taken_once(cluster: Cluster, clock: Clock) -> None:
    cluster.sql("CREATE DATABASE newer")
    connection = await connected(cluster.url("newer"))
    ladder = [*migrations.steps(), Step(3, "CREATE TABLE more (x bigint); INSERT INTO more VALUES (1)")]

    for _ in range(2):
        assert await migrations.migrate(connection, b"holder", ladder) == 3
    with pytest.raises(SchemaTooNew, match="schema 3, this version knows schemas up to 2"):
        await opened(cluster.url("newer"), clock)

    assert await connection.fetchval("SELECT count(*) FROM more") == 1
    await connection.close()
    cluster.sql("DROP DATABASE newer")


async def test_a_database_with_tables_of_another_program_is_left_alone(cluster: Cluster, clock: Clock) -> None:
    from calling_card.store.migrations import ForeignFile

    cluster.sql("CREATE DATABASE theirs")
    cluster.sql("CREATE TABLE clients (x int)", "theirs")

    with pytest.raises(ForeignFile, match="another program"):
        await opened(cluster.url("theirs"), clock)

    cluster.sql("DROP DATABASE theirs")


async def test_a_schema_that_another_node_makes_between_two_questions_is_not_foreign(cluster: Cluster, clock: Clock) -> None:
    cluster.sql("CREATE DATABASE between")
    mine, other = await connected(cluster.url("between")), await connected(cluster.url("between"))

    class Slow:
        """A connection on which another node is faster."""

        async def fetchval(self, statement: str) -> object:
            found = await mine.fetchval(statement)
            await migrations.migrate(other, b"faster")
            return found

    version = await migrations.version_of(cast("Connection", Slow()))

    await mine.close()
    await other.close()
    cluster.sql("DROP DATABASE between")
    assert version == len(migrations.steps())


# Beside all that ------------------------------------------------------------------------------------------------------------------


def test_it_runs_on_uvloop_too(database: str, clock: Clock) -> None:
    async def life() -> Rows:
        store = await opened(database, clock)
        await store.add_person(ANN, an_event("person_added"))
        client = await prepared(store, "c")
        await store.begin_session(a_session(ANN), None, an_event("signed_in"))
        found = await store.living(client.key, b"m" * 16, b"l" * 16)
        await store.close()
        return found

    found = uvloop.run(life())

    assert found.client == a_client("c")
    assert found.grant is not None


async def test_behind_pgbouncer_nothing_is_set_or_prepared_for_a_connection(database: str, clock: Clock) -> None:
    store = await opened(database, clock, pgbouncer=True)

    await store.register(a_client(), an_event(), None)

    assert await store.client(a_client().key) == a_client()
    assert Address(database, pgbouncer=True).session == {}
    await store.close()


@pytest.mark.parametrize(
    "card, said",
    [
        (b'{"software_id":"a","software_version":"1"}', ("a", "1", None, None, None)),
        (b'{"redirect_uris":["https://a.example/","Com.Example:/cb","x:y","z:w"]}', (None, None, None, "com.example", "x")),
        (b'{"software_id":"\\u0000","redirect_uris":"x"}', (None, None, None, None, None)),
    ],
)
def test_what_a_card_lays_claim_to(card: bytes, said: tuple[str | None, ...]) -> None:
    assert claims(card) == said


async def test_clients_that_are_addresses_meet_once(nodes: tuple[PostgresStore, PostgresStore]) -> None:
    from tests.store.examples import a_version

    client = a_client("https://a.example/", route=Route.CIMD)

    met = await asyncio.gather(*(node.meet(client, a_version(client), an_event("client_met", client)) for node in nodes * 4))

    assert sum(met) == 1
    assert text_of(sql.CLIENT_BY_KEY).endswith("client_key = $1")


@pytest.mark.parametrize(
    "dsn, hosts",
    [
        ("postgresql:///db", ["postgresql:///db"]),
        ("postgresql://u@h/db", ["postgresql://u@h/db"]),
        (
            "postgresql://u:p@[::1]:5,h/db?sslmode=require",
            ["postgresql://u:p@[::1]:5/db?sslmode=require", "postgresql://u:p@h/db?sslmode=require"],
        ),
        ("postgresql://u@/db?host=/a&port=5", ["postgresql://u@/db?host=/a&port=5"]),
        ("postgresql://u@/db?host=/a,b&port=5,6", ["postgresql://u@/db?host=%2Fa&port=5", "postgresql://u@/db?host=b&port=6"]),
        ("postgresql://u@/db?host=a,b&port=5", ["postgresql://u@/db?host=a&port=5", "postgresql://u@/db?host=b&port=5"]),
        ("postgresql://u@/db?host=a,b", ["postgresql://u@/db?host=a", "postgresql://u@/db?host=b"]),
    ],
)
def test_an_address_of_several_hosts_is_one_for_each(dsn: str, hosts: list[str]) -> None:
    assert each_host(dsn) == hosts
