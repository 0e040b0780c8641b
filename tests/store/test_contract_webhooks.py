"""What every store promises about webhooks, and about events in the order in which they were committed."""

import asyncio
from dataclasses import replace

import pytest
from msgspec import structs

from calling_card.ports import Store
from calling_card.protocol.life.pruning import Suspect, horizon
from calling_card.protocol.life.webhooks import HERE, Bookmark, Standing, Webhook
from calling_card.store.sqlite import SqliteStore
from tests.store.conftest import Pair
from tests.store.examples import NOW, a_client, an_event, kinds

NOWHERE = Bookmark(b"", 0)


def a_webhook(letter: bytes = b"a", **changed: object) -> Webhook:
    made = Webhook(letter * 16, "https://hooks.example/x?y=z", ("client.changed", "client.deleted"), "ours", "olga", NOW, 1, 2, 0, 0, HERE)
    return replace(made, **changed)  # type: ignore[arg-type] # fields of Webhook, test by test


async def added(store: Store, letter: bytes = b"a") -> Webhook:
    await store.add_webhook(a_webhook(letter), an_event("webhook_added"))
    found = await store.webhook(letter * 16)
    assert found is not None
    return found


async def newest(store: Store) -> Bookmark:
    return (await store.news(NOWHERE, 1000)).last


async def test_a_webhook_is_kept_and_begins_behind_its_own_event(store: Store) -> None:
    await store.record(an_event("key_rotated"))

    found = await added(store)

    assert replace(found, told=HERE) == a_webhook()
    assert found.told == await newest(store)
    assert list((await store.news(found.told, 10)).events) == []
    assert await store.webhooks() == [found]
    assert await store.webhook(b"b" * 16) is None


async def test_webhooks_are_listed_oldest_first(store: Store) -> None:
    made = [await added(store, letter) for letter in (b"z", b"a", b"m")]

    assert list(await store.webhooks()) == made


async def test_a_change_counts_if_nothing_came_between(pair: Pair) -> None:
    before = await added(pair.here)
    after = replace(
        before, state=Standing.FAILING, delivered=3, dropped=4, failures=5, failing_since=6, retry_at=7, answer="no", answered_at=8
    )

    assert await pair.here.change_webhook(before, after)
    assert not await pair.there.change_webhook(before, replace(before, failures=1))

    assert await pair.there.webhook(before.id) == after
    assert (await kinds(pair.here)) == ["webhook_added"]


async def test_a_change_with_an_event_may_begin_behind_it(store: Store) -> None:
    before = await added(store)

    assert await store.change_webhook(before, replace(before, told=HERE, generation=2), an_event("webhook_resumed"))

    found = await store.webhook(before.id)
    assert found is not None
    assert (found.told, found.generation) == (await newest(store), 2)


async def test_a_change_that_does_not_count_leaves_no_event(store: Store) -> None:
    before = await added(store)

    assert not await store.change_webhook(replace(before, failures=9), before, an_event("webhook_rotated"))

    assert await kinds(store) == ["webhook_added"]


async def test_a_webhook_is_removed_once(store: Store) -> None:
    hook = await added(store)

    assert [await store.remove_webhook(hook.id, an_event("webhook_removed")) for _ in range(2)] == [True, False]

    assert list(await store.webhooks()) == []
    assert not await store.change_webhook(hook, replace(hook, failures=1))
    assert await kinds(store) == ["webhook_added", "webhook_removed"]


async def test_the_key_of_its_secret_is_needed_for_as_long_as_it_is_there(store: Store) -> None:
    hook = await added(store)
    before = await store.generations_by_key()

    await store.remove_webhook(hook.id, an_event("webhook_removed"))

    assert (before, await store.generations_by_key()) == ({2: 1}, {})


async def test_events_of_all_writers_come_in_the_order_of_their_commits_in_steps(pair: Pair) -> None:
    for number in range(7):
        await (pair.here if number % 3 else pair.there).record(an_event("key_rotated", number=number))

    last, found, steps = NOWHERE, list[bytes](), list[int]()
    while (news := await pair.there.news(last, 3)).events:
        last = news.last
        steps.append(len(news.events))
        found += [event.content for event in news.events]

    assert steps == [3, 3, 1]
    assert [f'"number":{number}'.encode() in content for number, content in enumerate(found)] == [True] * 7
    assert await pair.here.news(last, 3) == news
    assert news.last == last


async def test_whoever_reads_while_many_write_misses_nothing(pair: Pair) -> None:
    last, found = NOWHERE, list[tuple[bytes, int]]()

    async def write(store: Store) -> None:
        for _ in range(30):
            await store.record(an_event("key_rotated"))

    writing = asyncio.gather(write(pair.here), write(pair.there), write(pair.here))
    while not writing.done() or (await pair.here.news(last, 1)).events:
        news = await pair.here.news(last, 7)
        last = news.last
        found += [(event.writer, event.number) for event in news.events]
        await asyncio.sleep(0)

    assert len(found) == len(set(found)) == 90


async def test_a_file_that_was_put_together_anew_keeps_the_bookmarks(sqlite: SqliteStore) -> None:
    for _ in range(3):
        await sqlite.record(an_event("key_rotated"))
    hook = await added(sqlite)
    sqlite._db.execute("DELETE FROM events WHERE number < 3")
    sqlite._db.execute("VACUUM")
    await sqlite.record(an_event("key_published"))

    assert [event.kind for event in (await sqlite.news(hook.told, 10)).events] == ["key_published"]


# ── Warnings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_warning_is_recorded_once_for_each_fact_while_its_client_lives(pair: Pair) -> None:
    client = a_client()
    await pair.here.register(client, an_event(client=client), None)
    event = an_event("prune_warned", client)

    first = await pair.here.warn(client, b"f" * 16, NOW + 60, event)
    again = [await store.warn(client, b"f" * 16, NOW + 60, event) for store in (pair.here, pair.there)]
    other = await pair.there.warn(client, b"g" * 16, NOW + 60, event)
    stranger = await pair.here.warn(structs.replace(client, incarnation=b"j" * 8), b"h" * 16, NOW + 60, event)

    assert (first, again, other, stranger) == (True, [False, False], True, False)
    assert (await kinds(pair.here)).count("prune_warned") == 2 if pair.here is pair.there else True
    assert (await pair.here.living(client.key, b"f" * 16)).marked


@pytest.mark.parametrize("lives", [True, False])
async def test_one_client_is_looked_at_alone(store: Store, lives: bool) -> None:
    client = a_client()
    seen = horizon(NOW + 86400, refresh_lifetime=1, refresh_idle=1, token_lifetime=1)
    await store.register(client, an_event(client=client), None)
    if not lives:
        await store.remove(client, an_event("client_deleted", client), NOW)

    assert await store.suspect(client, seen) == (Suspect(client, approved=False, alive=False, pending=False, gone_at=0) if lives else None)
