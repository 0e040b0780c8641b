"""What every store promises about the dead: put aside, brought back, swept up, and by whom."""

import asyncio
import json
from dataclasses import replace

import pytest
from msgspec import structs

from calling_card.ports import HostedDocument, KeyCollision, Rows, Store
from calling_card.protocol.clients import Client, Generations, Route, State
from calling_card.protocol.events import Event
from calling_card.protocol.life.approval import suspended
from calling_card.protocol.life.pruning import DAY, Horizon, Litter, Pruned, Suspect, horizon
from calling_card.protocol.persons.grants import Grant, Stage
from calling_card.store.sqlite import SqliteStore
from tests.ledger import meets
from tests.store.conftest import Pair
from tests.store.examples import (
    NOW,
    Clock,
    a_client,
    a_grant,
    a_person,
    a_session,
    a_version,
    an_event,
    an_invitation,
    kinds,
    the_events,
)

LATER = NOW + 200 * DAY
ANN = a_person("ann")
IDLE, LIFETIME, TOKEN = 30 * DAY, 90 * DAY, 3600


def seen(now: int = LATER) -> Horizon:
    return horizon(now, refresh_lifetime=LIFETIME, refresh_idle=IDLE, token_lifetime=TOKEN)


def pruned_event(client: Client, at: int = LATER) -> Event:
    return an_event("client_pruned", client, at)


async def registered(store: Store, *clients: Client) -> None:
    for client in clients:
        await store.register(client, an_event(client=client), None)


async def suspect(store: Store, client: Client, at: Horizon | None = None) -> Suspect:
    """One client as the walk finds it."""
    page = await store.suspects(b"", 100, at or seen())
    (found,) = [one for one in page.suspects if one.client.key == client.key]
    return found


async def granted(store: Store, client: Client, grant: Grant) -> None:
    await store.add_person(ANN, an_event("person_added"))
    assert await store.give(client, structs.replace(grant, stage=Stage.PENDING), None, an_event("grant_given"))
    if grant.stage is not Stage.PENDING:
        assert await store.change_grant(structs.replace(grant, stage=Stage.PENDING), grant, an_event("grant_redeemed"))


async def put_aside(store: Store, client: Client, *, until: int = LATER + DAY) -> bool:
    return await store.prune(await suspect(store, client), "idle", seen(), pruned_event(client), LATER + 400 * DAY, until)


# The walk -------------------------------------------------------------------------------------------------------------------------


async def test_every_client_is_looked_at_once_in_steps(store: Store) -> None:
    clients = [a_client(f"c{number}") for number in range(7)]
    await registered(store, *clients)

    after, found, steps = b"", list[Client](), list[int]()
    while (page := await store.suspects(after, 3, seen())).last:
        after = page.last
        found += [one.client for one in page.suspects]
        steps.append(page.seen)

    assert steps == [3, 3, 1]
    assert found == sorted(clients, key=lambda client: client.key)
    assert (page.seen, list(page.suspects)) == (0, [])


async def test_clients_used_of_late_are_counted_and_not_shown(store: Store) -> None:
    quiet = a_client("quiet")
    used = structs.replace(a_client("used"), last_used_day=seen().day + 1)
    await registered(store, quiet, used)

    page = await store.suspects(b"", 10, seen())

    assert (page.seen, [one.client for one in page.suspects]) == (2, [quiet])


@pytest.mark.parametrize(
    "stage, at, approved, alive, pending",
    [
        (Stage.LIVE, LATER - 60, True, True, False),
        (Stage.LIVE, LATER - IDLE - TOKEN + 1, True, True, False),
        (Stage.LIVE, LATER - IDLE - TOKEN, True, False, False),
        (Stage.REVOKED, LATER - 60, True, False, False),
        (Stage.PENDING, LATER - 59, False, False, True),
        (Stage.PENDING, LATER - 60, False, False, False),
    ],
)
async def test_grants_say_whether_a_client_was_approved_has_a_living_grant_or_a_flow_in_progress(
    store: Store, stage: Stage, at: int, approved: bool, alive: bool, pending: bool
) -> None:
    client = a_client()
    await registered(store, client)
    await granted(store, client, a_grant(client, ANN, stage=stage, at=at))

    assert await suspect(store, client) == Suspect(client, approved, alive, pending, 0)
    assert await store.approved(client) is approved


async def test_a_grant_that_is_refreshed_lives_until_its_whole_lifetime_is_over(store: Store) -> None:
    client = a_client()
    await registered(store, client)
    old = structs.replace(a_grant(client, ANN, stage=Stage.LIVE, at=LATER - LIFETIME - TOKEN), last_used_at=LATER - 1)
    young = structs.replace(old, id=b"y" * 16, created_at=old.created_at + 1)

    await granted(store, client, old)
    ended = await suspect(store, client)
    await granted(store, client, young)
    lives = await suspect(store, client)

    assert (ended.alive, lives.alive) == (False, True)


async def test_a_grant_of_a_person_who_ended_everything_is_dead(store: Store) -> None:
    client = a_client()
    await registered(store, client)
    await granted(store, client, a_grant(client, ANN, stage=Stage.LIVE, at=LATER - 60))
    await store.change_person(ANN, structs.replace(ANN, epoch=ANN.epoch + 1), an_event("password_changed"))

    assert (await suspect(store, client)).alive is False


async def test_the_newest_document_says_whether_it_is_gone(store: Store) -> None:
    client = a_client("https://app.example/", route=Route.CIMD)
    version = a_version(client)
    await store.meet(client, version, an_event("client_met", client))
    here = await suspect(store, client)
    await store.read_again(version, replace(version, failed_at=NOW + 9, failure="GONE", gone_at=NOW + 9), None, None)

    assert (here.gone_at, (await suspect(store, client)).gone_at) == (0, NOW + 9)


async def test_a_walk_goes_on_while_others_write(sqlite: SqliteStore) -> None:
    await registered(sqlite, *(a_client(f"c{number}") for number in range(20)))

    walks = [sqlite.suspects(b"", 500, seen()) for _ in range(40)]
    pages, _ = await asyncio.gather(
        asyncio.gather(*walks), asyncio.gather(*(registered(sqlite, a_client(f"new {number}")) for number in range(200)))
    )

    assert min(page.seen for page in pages) >= 20


# Putting aside --------------------------------------------------------------------------------------------------------------------


@meets("M-56")
async def test_a_pruned_client_is_gone_like_a_deleted_one(store: Store) -> None:
    client = a_client(secret=True)
    await registered(store, client)
    await granted(store, client, a_grant(client, ANN, stage=Stage.REVOKED))
    await store.revoke(client, b"m" * 16, NOW + 60, an_event("token_revoked", client))

    assert await put_aside(store, client)

    assert await store.client(client.key) is None
    assert await store.grant(client.key, b"g" * 16) is None
    assert await store.living(client.key, b"m" * 16) == Rows(None, False)
    assert await store.living(client.key, client.incarnation) == Rows(None, True)
    assert list(await store.clients("", 10)) == []
    assert not await put_once_more(store, client)
    assert (await kinds(store))[-1] == "client_pruned"


async def put_once_more(store: Store, client: Client) -> bool:
    found = Suspect(client, approved=True, alive=False, pending=False, gone_at=0)
    return await store.prune(found, "idle", seen(), pruned_event(client), LATER + 1, LATER + 1)


@pytest.mark.parametrize("undo", [True, False], ids=["put-aside", "gone-at-once"])
async def test_an_identifier_is_never_issued_twice(store: Store, undo: bool) -> None:
    client = a_client()
    await registered(store, client)
    await put_aside(store, client, until=LATER + DAY if undo else LATER)

    for incarnation in (client.incarnation, b"j" * 8):
        with pytest.raises(KeyCollision, match="the client key belongs to a client that is gone"):
            await registered(store, structs.replace(client, incarnation=incarnation))

    assert await store.client(client.key) is None


async def test_a_deleted_client_leaves_its_identifier_to_nobody(store: Store) -> None:
    client = a_client()
    await registered(store, client)
    await store.remove(client, an_event("client_deleted", client), LATER)

    with pytest.raises(KeyCollision, match="that is gone"):
        await registered(store, structs.replace(client, incarnation=b"j" * 8))


@pytest.mark.parametrize("what", ["a yes", "a live grant", "a new card", "a day of use", "a suspension", "a deletion"])
async def test_whoever_comes_between_keeps_the_client(pair: Pair, what: str) -> None:
    client = a_client()
    await registered(pair.here, client)
    found = await suspect(pair.here, client)

    if what == "a yes":
        await granted(pair.there, client, a_grant(client, ANN, at=LATER - 1))
    elif what == "a live grant":
        await granted(pair.there, client, a_grant(client, ANN, stage=Stage.LIVE, at=LATER - 1))
    elif what == "a new card":
        await pair.there.replace(client, structs.replace(client, metadata=b'{"client_name":"Mine"}'), None)
    elif what == "a day of use":
        pair.there.used(client, client.last_used_day + 1)
        await pair.there.record(an_event("key_rotated"))
    elif what == "a suspension":
        await pair.there.replace(client, structs.replace(client, epoch=7), None)
    else:
        await pair.there.remove(client, an_event("client_deleted", client), LATER)

    assert not await pair.here.prune(found, "idle", seen(), pruned_event(client), LATER + 9, LATER + 9)
    assert (await pair.there.client(client.key) is None) is (what == "a deletion")
    assert "client_pruned" not in await kinds(pair.here)
    assert list(await pair.here.pruned("", 10)) == []


async def test_a_yes_that_arrives_with_the_pruner_either_keeps_the_client_or_comes_to_nothing(pair: Pair) -> None:
    clients = [a_client(f"c{number}") for number in range(20)]
    await registered(pair.here, *clients)
    await pair.here.add_person(ANN, an_event("person_added"))
    found = [await suspect(pair.here, client) for client in clients]

    async def say_yes(client: Client) -> bool:
        return await pair.there.give(client, a_grant(client, ANN, at=LATER), None, an_event("grant_given"))

    async def prune(one: Suspect) -> bool:
        return await pair.here.prune(one, "idle", seen(), pruned_event(one.client), LATER + 9, LATER + 9)

    pruned, said = await asyncio.gather(
        asyncio.gather(*(prune(one) for one in found)), asyncio.gather(*(say_yes(client) for client in clients))
    )

    assert [not one for one in said] == list(pruned)
    for client, gone in zip(clients, pruned, strict=True):
        assert (await pair.here.client(client.key) is None, await pair.here.grant(client.key, b"g" * 16) is None) == (gone, gone)


async def test_a_day_of_use_that_this_process_has_not_written_yet_counts(store: Store) -> None:
    client = a_client()
    await registered(store, client)
    found = await suspect(store, client)

    store.used(client, seen().day + 1)

    assert not await store.prune(found, "idle", seen(), pruned_event(client), LATER + 9, LATER + 9)


# Bringing back --------------------------------------------------------------------------------------------------------------------


async def test_a_client_comes_back_as_it_was_and_its_grants_do_not(store: Store, clock: Clock) -> None:
    clock.at = LATER
    client = structs.replace(
        a_client(secret=True), invitation=b"v" * 16, owner="op", decision=b'["x"]', rat=Generations(issued=4, put_digest=b"d")
    )
    await registered(store, client)
    await granted(store, client, a_grant(client, ANN, stage=Stage.REVOKED))
    await put_aside(store, client)
    (aside,) = await store.pruned("", 10)

    back = await store.bring_back(aside, LATER // DAY, an_event("client_brought_back", client, LATER))

    assert aside == Pruned(client, "idle", LATER, LATER + DAY)
    assert back
    after = structs.replace(client, epoch=client.epoch + 1, last_used_day=LATER // DAY)
    assert await store.client(client.key) == after
    assert await store.living(client.key, client.incarnation) == Rows(after, False)
    assert await store.grant(client.key, b"g" * 16) is None
    assert await store.approved(client)
    assert list(await store.pruned("", 10)) == []
    assert await store.pruned_client(client.key) is None
    assert not await store.bring_back(aside, LATER // DAY, an_event("client_brought_back", client, LATER))
    assert (await kinds(store)).count("client_brought_back") == 1


async def test_what_a_pruned_client_comes_back_as_can_be_changed_and_it_can_be_let_go_of(store: Store, clock: Clock) -> None:
    clock.at = LATER
    clients = [structs.replace(a_client(name), state=State.HELD) for name in ("a", "b")]
    await registered(store, *clients)
    for client in clients:
        await put_aside(store, client)
    first, second = await store.pruned("", 10)
    other = replace(first, client=structs.replace(first.client, incarnation=b"o" * 8))
    stopped = suspended(first.client)

    changed = await store.keep_aside(first, stopped, an_event("client_suspended", first.client, LATER))
    gone = await store.keep_aside(second, None, an_event("client_deleted", second.client, LATER))

    assert changed
    assert gone
    assert await store.pruned("", 10) == [replace(first, client=stopped)]
    assert not await store.keep_aside(second, None, an_event("client_deleted", second.client, LATER))
    assert not await store.keep_aside(other, stopped, an_event("client_suspended", first.client, LATER))
    assert not await store.keep_aside(first, None, an_event("client_deleted", first.client, LATER + DAY))
    assert (await kinds(store))[-2:] == ["client_suspended", "client_deleted"]
    assert await store.bring_back(first, LATER // DAY, an_event("client_brought_back", first.client, LATER))
    there = await store.client(first.client.key)
    assert there is not None
    assert (there.state, there.waits) == (State.SUSPENDED, True)


async def test_after_the_time_for_it_nobody_comes_back(store: Store, clock: Clock) -> None:
    client = a_client()
    await registered(store, client)
    await put_aside(store, client)
    clock.at = LATER
    aside = await store.pruned_client(client.key)
    clock.at = LATER + DAY

    assert aside is not None
    assert not await store.bring_back(aside, 0, an_event("client_brought_back", client, LATER + DAY))
    assert list(await store.pruned("", 10)) == []
    assert await store.pruned_client(client.key) is None


async def test_without_a_time_for_it_a_client_is_gone_at_once(store: Store) -> None:
    client = a_client()
    await registered(store, client)

    assert await put_aside(store, client, until=LATER)

    assert list(await store.pruned("", 10)) == []


@meets("D-57")
async def test_a_client_that_is_an_address_is_not_put_aside_and_may_come_again(store: Store) -> None:
    client = a_client("https://app.example/", route=Route.CIMD)
    await store.meet(client, a_version(client), an_event("client_met", client))
    assert await put_aside(store, client)
    again = structs.replace(client, incarnation=b"j" * 8)

    assert list(await store.pruned("", 10)) == []
    assert list(await store.versions(client.key)) == []
    assert await store.meet(again, a_version(again), an_event("client_met", again))


async def test_the_pruned_are_listed_by_name_in_portions(store: Store, clock: Clock) -> None:
    clock.at = LATER
    clients = [a_client(name) for name in ("b", "a", "c")]
    await registered(store, *clients)
    for client in clients:
        await put_aside(store, client)

    first = await store.pruned("", 2)
    rest = await store.pruned(first[-1].client.client_id, 2)

    assert [[one.client.client_id for one in portion] for portion in (first, rest)] == [["a", "b"], ["c"]]


async def test_keys_are_needed_while_a_client_can_come_back(store: Store) -> None:
    client = structs.replace(a_client(secret=True), rat=Generations(issued=2, issued_key=8, confirmed_key=7))
    await registered(store, client)
    before = await store.generations_by_key()

    await put_aside(store, client)

    assert await store.generations_by_key() == before == {2: 1, 7: 1, 8: 1}


# Sweeping -------------------------------------------------------------------------------------------------------------------------


async def swept(store: Store, litter: Litter, at: Horizon, limit: int = 3) -> int:
    """The whole walk over one table."""
    count, (gone, after) = 0, await store.sweep(litter, 0, limit, at)
    count += gone
    while after:
        gone, after = await store.sweep(litter, after, limit, at)
        count += gone
    return count


async def test_grants_that_ended_go_and_the_client_stays_approved(store: Store) -> None:
    client, other = a_client("c1"), a_client("c2")
    await registered(store, client, other)
    dead = [
        a_grant(client, ANN, b"1" * 16, stage=Stage.LIVE, at=LATER - IDLE - TOKEN),
        a_grant(client, ANN, b"2" * 16, stage=Stage.REVOKED, at=LATER - DAY),
        a_grant(client, ANN, b"3" * 16, stage=Stage.PENDING, at=LATER - DAY - 60),
        a_grant(other, ANN, b"4" * 16, stage=Stage.PENDING, at=LATER - DAY - 60),
    ]
    living = [
        a_grant(client, ANN, b"5" * 16, stage=Stage.LIVE, at=LATER - IDLE),
        a_grant(client, ANN, b"6" * 16, stage=Stage.REVOKED, at=LATER - DAY + 1),
        a_grant(client, ANN, b"7" * 16, stage=Stage.PENDING, at=LATER - DAY),
    ]
    for grant in (*dead, *living):
        await granted(store, client if grant.client_key == client.key else other, grant)
    events = len(await the_events(store))

    gone = await swept(store, Litter.GRANTS, seen())
    await swept(store, Litter.GRANTS, seen(LATER + 100 * DAY))

    assert gone == 4
    assert [await store.grant(grant.client_key, grant.id) for grant in (*dead, *living)] == [None] * 7
    assert [await store.approved(one) for one in (client, other)] == [True, False]
    assert (await suspect(store, client)).approved
    assert len(await the_events(store)) == events


async def test_a_grant_that_lives_is_not_swept(store: Store) -> None:
    client = a_client()
    await registered(store, client)
    for letter in range(10):
        await granted(store, client, a_grant(client, ANN, bytes([letter]) * 16, stage=Stage.LIVE, at=LATER - letter))

    assert await swept(store, Litter.GRANTS, seen()) == 0

    assert await store.grants_alive(client) == 10


async def test_grants_without_an_end_stay(store: Store) -> None:
    client = a_client()
    await registered(store, client)
    await granted(store, client, a_grant(client, ANN, stage=Stage.LIVE))

    endless = horizon(LATER, refresh_lifetime=0, refresh_idle=0, token_lifetime=TOKEN)

    assert await swept(store, Litter.GRANTS, endless) == 0
    assert (await suspect(store, client, endless)).alive


async def test_marks_of_every_kind_go_when_they_expire(store: Store) -> None:
    client, gone = a_client("c1"), a_client("c2")
    await registered(store, client, gone)
    await store.revoke(client, b"t" * 16, NOW + 60, an_event("token_revoked", client))
    await store.once(client, b"a" * 16, NOW + 60)
    await store.once(client, b"b" * 16, NOW + 61)
    await store.remove(gone, an_event("client_deleted", gone), NOW + 60)

    early, late = [await swept(store, Litter.MARKS, seen(now), limit=2) for now in (NOW + 59, NOW + 60)]

    assert (early, late) == (0, 3)
    assert await store.living(gone.key, gone.incarnation) == Rows(None, False)
    assert not await store.once(client, b"b" * 16, NOW + 61)
    await registered(store, structs.replace(gone, incarnation=b"j" * 8))


async def test_sessions_and_hosted_documents_go_when_they_expire(store: Store) -> None:
    await store.add_person(ANN, an_event("person_added"))
    await store.begin_session(a_session(ANN, b"1" * 16, lasts=60), None, an_event("signed_in"))
    await store.begin_session(a_session(ANN, b"2" * 16, lasts=61), None, an_event("signed_in"))

    for id, ends in (("1", NOW + 60), ("2", NOW + 61)):
        await store.host_document(HostedDocument(id, b"{}", "op", NOW, ends), an_event("document_hosted"))

    assert await swept(store, Litter.SESSIONS, seen(NOW + 60)) == 1
    assert await swept(store, Litter.HOSTED_DOCUMENTS, seen(NOW + 60)) == 1
    assert await store.session(ANN.id, b"1" * 16) is None
    assert await store.session(ANN.id, b"2" * 16) is not None
    assert [await store.hosted_document(id) is None for id in ("1", "2")] == [True, False]


async def test_an_initial_access_token_goes_long_after_its_end_and_never_before_the_last_client_it_let_in(store: Store) -> None:
    used_up, expired, useful = an_invitation(id=b"1" * 16), an_invitation(expires_at=NOW + 9, id=b"2" * 16), an_invitation(id=b"3" * 16)
    for invitation in (used_up, expired, useful):
        await store.invite(invitation, an_event("initial_access_token_created"))
    client = structs.replace(a_client(), invitation=used_up.id)
    await store.register(client, an_event(client=client), used_up.id)

    soon = await swept(store, Litter.INITIAL_ACCESS_TOKENS, seen(NOW + 29 * DAY))
    late = await swept(store, Litter.INITIAL_ACCESS_TOKENS, seen())
    await put_aside(store, client)
    aside = await swept(store, Litter.INITIAL_ACCESS_TOKENS, seen())
    await swept(store, Litter.PRUNED_CLIENTS, seen(LATER + DAY))
    last = await swept(store, Litter.INITIAL_ACCESS_TOKENS, seen())

    assert (soon, late, aside, last) == (0, 1, 0, 1)
    assert [await store.invitation(one.id) is None for one in (used_up, expired, useful)] == [True, True, False]


async def test_what_was_put_aside_goes_for_good_when_its_time_is_over(store: Store, clock: Clock) -> None:
    clock.at = LATER
    client = a_client()
    await registered(store, client)
    await put_aside(store, client)

    assert await swept(store, Litter.PRUNED_CLIENTS, seen(LATER + DAY - 1)) == 0
    assert await store.pruned_client(client.key) is not None
    assert await swept(store, Litter.PRUNED_CLIENTS, seen(LATER + DAY)) == 1
    assert await store.pruned_client(client.key) is None


# Whose turn it is -----------------------------------------------------------------------------------------------------------------


async def test_one_of_two_processes_has_the_lease_until_it_ends(pair: Pair) -> None:
    taken = await asyncio.gather(pair.here.lease("prune", b"1" * 8, NOW + 60, NOW), pair.there.lease("prune", b"2" * 8, NOW + 60, NOW))

    assert sorted(taken) == [False, True]
    holder, other = (b"1" * 8, b"2" * 8) if taken[0] else (b"2" * 8, b"1" * 8)
    assert await pair.there.lease("prune", holder, NOW + 90, NOW + 30)
    assert not await pair.here.lease("prune", other, NOW + 120, NOW + 89)
    assert await pair.here.lease("prune", other, NOW + 120, NOW + 90)
    assert not await pair.there.lease("prune", holder, NOW + 200, NOW + 91)
    assert await pair.there.lease("another", holder, NOW + 200, NOW + 91)


async def test_a_lease_is_no_event(store: Store) -> None:
    await store.lease("prune", b"1" * 8, NOW + 60, NOW)

    assert await kinds(store) == []


async def test_the_event_of_a_pruning_names_the_client(store: Store) -> None:
    client = a_client()
    await registered(store, client)
    event = structs.replace(pruned_event(client), body={"client_id": client.client_id, "reason": "idle", "until": 1, "by": "op"})

    await store.prune(await suspect(store, client), "idle", seen(), event, LATER + 1, LATER + 1)

    told = json.loads((await the_events(store))[-1].content)
    assert told["body"] == {"client_id": "c1", "reason": "idle", "until": 1, "by": "op"}
