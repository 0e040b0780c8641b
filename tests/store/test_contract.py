"""What every store promises, in the words of `Store`."""

import asyncio
import json
from dataclasses import replace

import pytest
from msgspec import structs

from calling_card.ports import KeyCollision, Registration, Rows, Store, StoreUnavailable
from calling_card.protocol.clients import Client, Generations, Route, State, Tier
from calling_card.protocol.events import Event
from tests.ledger import meets
from tests.store.conftest import Pair
from tests.store.examples import (
    NOW,
    Clock,
    a_client,
    a_resource,
    a_signing_key,
    a_version,
    an_event,
    an_invitation,
    kinds,
    the_events,
)

# Registering ----------------------------------------------------------------------------------------------------------------------


async def test_a_registered_client_is_read_back_as_it_was_said(store: Store) -> None:
    plain, other = a_client("plain"), a_client("with secret", secret=True)

    assert await store.register(plain, an_event(client=plain), None) is Registration.DONE
    assert await store.register(other, an_event(client=other), None) is Registration.DONE

    assert await store.client(plain.key) == plain
    assert await store.client(other.key) == other


async def test_every_field_of_a_client_survives(store: Store) -> None:
    full = a_client("ü" * 512, secret=True, route=Route.CIMD)
    assert full.secret is not None
    full = structs.replace(
        full,
        epoch=7,
        tier=Tier.VOUCHED,
        state=State.HELD,
        owner="operator",
        invitation=b"v" * 16,
        decision='[{"narrowed":"scöpe"}]'.encode(),
        rat=structs.replace(full.rat, confirmed=3, issued=9, confirmed_key=4, issued_key=5, overlap_since=NOW - 1, put_digest=b"d" * 32),
        secret=structs.replace(full.secret, confirmed=2, issued=4, overlap_since=NOW - 2),
        secret_expires_at=NOW + 5,
    )

    await store.register(full, an_event(client=full), None)

    assert await store.client(full.key) == full


async def test_an_unknown_key_has_no_client(store: Store) -> None:
    assert await store.client(b"x" * 16) is None
    assert await store.living(b"x" * 16, b"m" * 16) == Rows(None, False)


async def test_a_client_key_of_another_name_is_refused_and_nothing_is_kept(store: Store) -> None:
    first = a_client("first")
    await store.register(first, an_event(client=first), None)
    second = structs.replace(a_client("second"), key=first.key)

    with pytest.raises(KeyCollision, match="another name"):
        await store.register(second, an_event(client=second), None)

    assert await store.client(first.key) == first
    assert await kinds(store) == ["client_registered"]


async def test_a_client_key_of_another_route_is_refused(store: Store) -> None:
    first = a_client("same")
    await store.register(first, an_event(client=first), None)

    with pytest.raises(KeyCollision, match="another name"):
        await store.register(structs.replace(first, route=Route.CIMD), an_event(client=first), None)


async def test_a_client_cannot_be_born_twice(store: Store) -> None:
    first = a_client("first")
    await store.register(first, an_event(client=first), None)

    with pytest.raises(KeyCollision, match="registered already"):
        await store.register(structs.replace(first, incarnation=b"j" * 8), an_event(client=first), None)

    assert await store.client(first.key) == first


async def test_clients_are_listed_by_name_in_portions(store: Store) -> None:
    names = ["b", "a", "ä", "Z", "c"]
    for name in names:
        await store.register(a_client(name), an_event(), None)

    portions: list[list[str]] = []
    after = ""
    while portion := [client.client_id for client in await store.clients(after, 2)]:
        portions.append(portion)
        after = portion[-1]

    assert portions == [["Z", "a"], ["b", "c"], ["ä"]]


async def test_a_walk_over_all_clients_meets_each_of_them_once(store: Store) -> None:
    born = [a_client(name) for name in ("b", "a", "c")] + [
        a_client("https://t.example", route=route) for route in (Route.CIMD, Route.LOOKER)
    ]
    for client in born:
        await store.register(client, an_event(), None)

    met: list[bytes] = []
    while portion := await store.next_clients(met[-1] if met else b"", 2):
        assert len(portion) <= 2
        met += [client.key for client in portion]

    assert met == sorted(client.key for client in born)


# Invitations ----------------------------------------------------------------------------------------------------------------------


async def test_an_invitation_is_read_back_as_it_was_made(store: Store) -> None:
    for id, hosts in ((b"1" * 16, None), (b"2" * 16, ()), (b"3" * 16, ("a.example", "b.example"))):
        invitation = replace(an_invitation(id=id), hosts=hosts, grants=hosts, scope=None if hosts is None else "a b")

        await store.invite(invitation, an_event("initial_access_token_created"))

        assert await store.invitation(id) == invitation


async def test_an_invitation_loses_one_use_with_each_client(store: Store) -> None:
    await store.invite(an_invitation(2), an_event("initial_access_token_created"))

    ends = [await store.register(a_client(name), an_event(), b"t" * 16) for name in ("a", "b", "c")]

    assert ends == [Registration.DONE, Registration.DONE, Registration.SPENT]
    left = await store.invitation(b"t" * 16)
    assert left is not None
    assert left.uses_left == 0


async def test_a_spent_invitation_writes_nothing(store: Store) -> None:
    await store.invite(an_invitation(0), an_event("initial_access_token_created"))

    assert await store.register(a_client(), an_event(), b"t" * 16) is Registration.SPENT

    assert await store.clients("", 10) == []
    assert await kinds(store) == ["initial_access_token_created"]


async def test_an_unknown_invitation_is_as_good_as_spent(store: Store) -> None:
    assert await store.invitation(b"u" * 16) is None
    assert await store.register(a_client(), an_event(), b"u" * 16) is Registration.SPENT


@pytest.mark.parametrize("expires_at, end", [(0, "done"), (NOW + 1, "done"), (NOW, "spent"), (NOW - 1, "spent")])
async def test_an_invitation_ends_at_its_time(store: Store, expires_at: int, end: str) -> None:
    await store.invite(an_invitation(5, expires_at=expires_at), an_event("initial_access_token_created"))

    assert await store.register(a_client(), an_event(at=NOW), b"t" * 16) is Registration(end)


async def test_a_collision_gives_the_use_back(store: Store) -> None:
    first = a_client("first")
    await store.register(first, an_event(client=first), None)
    await store.invite(an_invitation(1), an_event("initial_access_token_created"))

    with pytest.raises(KeyCollision):
        await store.register(structs.replace(a_client("second"), key=first.key), an_event(), b"t" * 16)

    assert await store.invitation(b"t" * 16) == an_invitation(1)


async def test_an_invitation_is_made_once(store: Store) -> None:
    await store.invite(an_invitation(1), an_event("initial_access_token_created"))

    with pytest.raises(ValueError, match="already"):
        await store.invite(an_invitation(9), an_event("initial_access_token_created"))

    assert await store.invitation(b"t" * 16) == an_invitation(1)


async def test_invitations_are_listed_by_id_in_portions(store: Store) -> None:
    ids = [bytes([number]) * 16 for number in (3, 1, 5, 2, 4)]
    for id in ids:
        await store.invite(an_invitation(id=id), an_event("initial_access_token_created"))

    first = await store.invitations(b"", 3)
    rest = await store.invitations(first[-1].id, 3)

    assert [invitation.id for invitation in (*first, *rest)] == sorted(ids)
    assert first[0] == an_invitation(id=min(ids))


@meets("R-28")
async def test_an_invitation_that_was_taken_back_lets_nobody_in_and_goes_on_saying_what_it_said(store: Store) -> None:
    await store.invite(an_invitation(5), an_event("initial_access_token_created"))

    assert await store.uninvite(b"t" * 16, an_event("initial_access_token_revoked", at=NOW + 9))

    assert await store.register(a_client(), an_event(), b"t" * 16) is Registration.SPENT
    assert await store.invitation(b"t" * 16) == replace(an_invitation(5), uses_left=0, revoked_at=NOW + 9)
    assert await kinds(store) == ["initial_access_token_created", "initial_access_token_revoked"]


async def test_an_invitation_is_taken_back_once_also_when_it_was_used_up(store: Store) -> None:
    await store.invite(an_invitation(0), an_event("initial_access_token_created"))

    ends = [await store.uninvite(id, an_event("initial_access_token_revoked")) for id in (b"t" * 16, b"t" * 16, b"u" * 16)]

    assert ends == [True, False, False]
    assert await kinds(store) == ["initial_access_token_created", "initial_access_token_revoked"]


async def test_whoever_takes_an_invitation_back_meets_those_who_come_by_it_one_after_another(pair: Pair) -> None:
    await pair.here.invite(an_invitation(100), an_event("initial_access_token_created"))
    coming = [pair.there.register(a_client(f"c{number}"), an_event(), b"t" * 16) for number in range(20)]

    ends = await asyncio.gather(*coming[:10], pair.here.uninvite(b"t" * 16, an_event("initial_access_token_revoked")), *coming[10:])

    in_now = len(await pair.here.clients("", 100))
    assert ends.count(Registration.DONE) == in_now
    assert await pair.there.register(a_client("late"), an_event(), b"t" * 16) is Registration.SPENT


# Replacing ------------------------------------------------------------------------------------------------------------------------


def rotated(client: Client) -> Client:
    """The client after a replacement that issued a new registration access token."""
    rat = structs.replace(client.rat, issued=client.rat.issued + 1, rotated_at=NOW + 1, overlap_since=NOW + 1, put_digest=b"p" * 32)
    return structs.replace(client, metadata=b'{"client_name":"B"}', rat=rat)


async def test_a_replacement_puts_everything_that_may_change(store: Store) -> None:
    before = a_client(secret=True)
    assert before.secret is not None
    await store.register(before, an_event(client=before), None)
    after = structs.replace(
        rotated(before),
        epoch=2,
        state=State.SUSPENDED,
        owner="operator",
        decision=b'["narrowed"]',
        secret=structs.replace(before.secret, issued=2, overlap_since=NOW),
        secret_expires_at=NOW + 9,
        last_used_day=before.last_used_day + 1,
    )

    assert await store.replace(before, after, an_event("client_replaced", before))

    assert await store.client(before.key) == after
    assert await kinds(store) == ["client_registered", "client_replaced"]


async def test_a_secret_may_come_and_go(store: Store) -> None:
    without = a_client()
    await store.register(without, an_event(client=without), None)
    with_secret = structs.replace(without, secret=without.rat)

    assert await store.replace(without, with_secret, None)
    assert await store.client(without.key) == with_secret
    assert await store.replace(with_secret, without, None)
    assert await store.client(without.key) == without


async def test_a_change_of_generations_alone_leaves_the_card(store: Store) -> None:
    before = a_client()
    await store.register(before, an_event(client=before), None)
    after = structs.replace(before, rat=structs.replace(before.rat, issued=2))

    assert await store.replace(before, after, None)

    assert await store.client(before.key) == after
    assert await kinds(store) == ["client_registered"]


@pytest.mark.parametrize("field", ["incarnation", "epoch", "state", "confirmed", "issued", "confirmed_key", "issued_key", "secret"])
async def test_a_replacement_of_what_is_no_longer_there_changes_nothing(store: Store, field: str) -> None:
    there = a_client(secret=True)
    await store.register(there, an_event(client=there), None)
    others: dict[str, Client] = {
        "incarnation": structs.replace(there, incarnation=b"j" * 8),
        "epoch": structs.replace(there, epoch=2),
        "state": structs.replace(there, state=State.HELD),
        "secret": structs.replace(there, secret=None),
    }
    others |= {
        "confirmed": structs.replace(there, rat=structs.replace(there.rat, confirmed=5)),
        "issued": structs.replace(there, rat=structs.replace(there.rat, issued=5)),
        "confirmed_key": structs.replace(there, rat=structs.replace(there.rat, confirmed_key=5)),
        "issued_key": structs.replace(there, rat=structs.replace(there.rat, issued_key=5)),
    }
    before = others[field]

    assert not await store.replace(before, rotated(before), an_event("client_replaced", there))

    assert await store.client(there.key) == there
    assert await kinds(store) == ["client_registered"]


async def test_a_client_that_is_gone_cannot_be_replaced(store: Store) -> None:
    assert not await store.replace(a_client(), rotated(a_client()), an_event("client_replaced"))

    assert await store.heads() == {}


async def test_what_a_client_has_for_life_cannot_be_replaced(store: Store) -> None:
    before = a_client()
    await store.register(before, an_event(client=before), None)

    for after in (
        structs.replace(before, tier=Tier.ADMIN),
        structs.replace(before, client_id="c2"),
        structs.replace(before, incarnation=b"j" * 8),
    ):
        with pytest.raises(ValueError, match="cannot change"):
            await store.replace(before, after, None)

    assert await store.client(before.key) == before


# Removing -------------------------------------------------------------------------------------------------------------------------


@meets("M-39")
async def test_a_removed_client_is_gone_with_all_it_had(store: Store, clock: Clock) -> None:
    client, neighbour = a_client("rs"), a_client("neighbour")
    await store.add_resource(a_resource(client), client, an_event("resource_added"))
    await store.add_resource(a_resource(neighbour, "https://b.example"), neighbour, an_event("resource_added"))
    await store.revoke(client, b"m" * 16, NOW + 60, an_event("token_revoked", client))

    assert await store.remove(client, an_event("client_deleted", client), NOW + 1000)

    assert await store.living(client.key, b"m" * 16) == Rows(None, False)
    assert [resource.uri for resource in await store.resources()] == ["https://b.example"]
    assert await store.client(neighbour.key) == neighbour
    assert (await kinds(store))[-1] == "client_deleted"


async def test_a_removed_client_leaves_a_tombstone_for_its_incarnation(store: Store) -> None:
    client = a_client()
    await store.register(client, an_event(client=client), None)

    await store.remove(client, an_event("client_deleted", client), NOW + 1000)

    assert await store.living(client.key, client.incarnation) == Rows(None, True)


async def test_the_tombstones_of_former_lives_stay(store: Store) -> None:
    lives = [a_client(incarnation=letter * 8) for letter in (b"a", b"b")]
    for life in lives:
        await store.meet(life, a_version(life), an_event(client=life))
        await store.remove(life, an_event("client_deleted", life), NOW + 1000)

    assert [(await store.living(life.key, life.incarnation)).marked for life in lives] == [True, True]


async def test_a_second_removal_finds_nothing(store: Store) -> None:
    client = a_client()
    await store.register(client, an_event(client=client), None)

    assert await store.remove(client, an_event("client_deleted", client), NOW + 1)
    assert not await store.remove(client, an_event("client_deleted", client), NOW + 1)

    assert await kinds(store) == ["client_registered", "client_deleted"]


async def test_a_removal_does_not_reach_a_namesake_born_later(store: Store) -> None:
    first, second = a_client(), a_client(incarnation=b"j" * 8)
    await store.register(first, an_event(client=first), None)
    await store.remove(first, an_event("client_deleted", first), NOW + 1)
    await store.meet(second, a_version(second), an_event(client=second))

    assert not await store.remove(first, an_event("client_deleted", first), NOW + 1)

    assert await store.client(second.key) == second


# Revoking -------------------------------------------------------------------------------------------------------------------------


async def test_a_revoked_token_is_marked_and_others_are_not(store: Store) -> None:
    client = a_client()
    await store.register(client, an_event(client=client), None)

    await store.revoke(client, b"m" * 16, NOW + 60, an_event("token_revoked", client))

    assert await store.living(client.key, b"m" * 16) == Rows(client, True)
    assert await store.living(client.key, b"n" * 16) == Rows(client, False)


async def test_a_token_revoked_twice_makes_one_event(store: Store) -> None:
    client = a_client()
    await store.register(client, an_event(client=client), None)

    for _ in range(2):
        await store.revoke(client, b"m" * 16, NOW + 60, an_event("token_revoked", client))

    assert await kinds(store) == ["client_registered", "token_revoked"]


async def test_a_dead_token_or_client_needs_no_mark(store: Store) -> None:
    client = a_client()
    await store.revoke(client, b"m" * 16, NOW + 60, an_event("token_revoked", client))
    await store.register(client, an_event(client=client), None)

    await store.revoke(client, b"n" * 16, NOW, an_event("token_revoked", client))
    await store.revoke(structs.replace(client, incarnation=b"j" * 8), b"o" * 16, NOW + 60, an_event("token_revoked", client))

    assert [(await store.living(client.key, letter * 16)).marked for letter in (b"m", b"n", b"o")] == [False, False, False]
    assert await kinds(store) == ["client_registered"]


def jti(number: int) -> bytes:
    return number.to_bytes(16, "big")


async def test_the_thirty_third_living_mark_ends_all_tokens_of_the_client(store: Store) -> None:
    client = a_client()
    await store.register(client, an_event(client=client), None)
    for number in range(32):
        await store.revoke(client, jti(number), NOW + 60, an_event("token_revoked", client))
    assert await store.living(client.key, jti(31)) == Rows(client, True)

    await store.revoke(client, jti(32), NOW + 60, an_event("token_revoked", client))

    assert await store.living(client.key, jti(0)) == Rows(structs.replace(client, epoch=2), False)
    assert (await kinds(store)).count("token_revoked") == 33


async def test_marks_of_expired_tokens_are_swept_and_do_not_count(store: Store, clock: Clock) -> None:
    client = a_client()
    await store.register(client, an_event(client=client), None)
    for number in range(32):
        await store.revoke(client, jti(number), NOW + 60, an_event("token_revoked", client))
    clock.at = NOW + 60

    await store.revoke(client, jti(32), NOW + 120, an_event("token_revoked", client))

    assert await store.living(client.key, jti(0)) == Rows(client, False)
    assert await store.living(client.key, jti(32)) == Rows(client, True)


async def test_a_tombstone_is_no_mark_of_a_token(store: Store) -> None:
    client, reborn = a_client(), a_client(incarnation=b"j" * 8)
    await store.register(client, an_event(client=client), None)
    await store.remove(client, an_event("client_deleted", client), NOW + 1000)
    await store.meet(reborn, a_version(reborn), an_event(client=reborn))

    for number in range(33):
        await store.revoke(reborn, jti(number), NOW + 60, an_event("token_revoked", client))

    assert await store.living(client.key, client.incarnation) == Rows(structs.replace(reborn, epoch=2), True)


# Days of use ----------------------------------------------------------------------------------------------------------------------


async def test_a_day_of_use_is_written_with_a_later_write(store: Store) -> None:
    client = a_client()
    await store.register(client, an_event(client=client), None)

    store.used(client, client.last_used_day + 2)
    store.used(client, client.last_used_day - 1)
    await store.record(an_event("key_rotated"))

    assert await store.client(client.key) == structs.replace(client, last_used_day=client.last_used_day + 2)


async def test_a_day_of_use_does_not_reach_a_namesake_born_later(store: Store) -> None:
    client = a_client(incarnation=b"j" * 8)
    await store.register(client, an_event(client=client), None)

    store.used(a_client(), client.last_used_day + 2)
    await store.record(an_event("key_rotated"))

    assert await store.client(client.key) == client


async def test_a_replacement_never_sets_the_day_of_use_back(store: Store) -> None:
    before = a_client()
    await store.register(before, an_event(client=before), None)
    store.used(before, before.last_used_day + 2)
    await store.record(an_event("key_rotated"))

    assert await store.replace(before, rotated(before), None)

    now = await store.client(before.key)
    assert now is not None
    assert now.last_used_day == before.last_used_day + 2


# Suspicions -----------------------------------------------------------------------------------------------------------------------


def spent(client: Client, at: int) -> Event:
    return an_event("rat_spent", client, at)


async def counts(store: Store) -> list[tuple[str, object]]:
    """Kind and count of the events."""
    return [(event.kind, json.loads(event.content)["body"].get("count")) for event in await the_events(store)]


@meets("H-22")
async def test_a_suspicion_is_recorded_at_once_and_then_once_a_minute_with_a_count(store: Store, clock: Clock) -> None:
    for second in range(100):
        clock.at = NOW + second
        await store.report(spent(a_client(), clock.at))

    assert await counts(store) == [("rat_spent", 1), ("rat_spent", 60)]


async def test_suspicions_of_other_clients_and_kinds_count_apart(store: Store) -> None:
    for event in (spent(a_client("a"), NOW), spent(a_client("b"), NOW), an_event("rat_two_holders", a_client("a"))):
        await store.report(event)
        await store.report(event)

    assert await counts(store) == [("rat_spent", 1), ("rat_spent", 1), ("rat_two_holders", 1)]


async def test_a_sum_whose_minute_is_over_goes_with_the_next_write(store: Store, clock: Clock) -> None:
    for _ in range(5):
        await store.report(spent(a_client(), NOW))
    clock.at = NOW + 60

    await store.record(an_event("key_rotated", at=clock.at))

    assert await counts(store) == [("rat_spent", 1), ("rat_spent", 4), ("key_rotated", None)]


async def test_hundreds_of_sums_that_are_due_at_once_stand_in_no_bodys_way(store: Store, clock: Clock) -> None:
    clients = [a_client(str(number)) for number in range(600)]
    for client in clients:
        await store.report(spent(client, NOW))
        await store.report(spent(client, NOW))
    clock.at = NOW + 60

    await store.record(an_event("key_rotated", at=clock.at))

    found = await counts(store)
    assert found[-1] == ("key_rotated", None)
    assert found[600:-1] == [("rat_spent", 1)] * 600


async def test_strangers_without_number_fill_neither_memory_nor_chain(store: Store) -> None:
    for number in range(1500):
        await store.report(spent(a_client(str(number)), NOW))

    written = await the_events(store)

    assert len(written) == 1025
    assert written[-1].client_key == b""


# Resource servers and signing keys ------------------------------------------------------------------------------------------------


async def test_a_resource_server_comes_with_the_client_it_asks_as(store: Store) -> None:
    client = a_client("rs", secret=True)
    resource = a_resource(client)

    assert await store.add_resource(resource, client, an_event("resource_added"))

    assert await store.resource(resource.uri) == resource
    assert await store.resource("https://other.example") is None
    assert await store.resources() == [resource]
    assert await store.client(client.key) == client
    assert await kinds(store) == ["resource_added"]


async def test_a_resource_that_is_taken_brings_no_second_client(store: Store) -> None:
    first, second = a_client("rs1"), a_client("rs2")
    await store.add_resource(a_resource(first), first, an_event("resource_added"))

    assert not await store.add_resource(a_resource(second), second, an_event("resource_added"))

    assert await store.client(second.key) is None
    assert await kinds(store) == ["resource_added"]


async def test_a_resource_server_is_not_kept_without_its_client(store: Store) -> None:
    client = a_client("rs")
    await store.register(client, an_event(client=client), None)

    with pytest.raises(KeyCollision):
        await store.add_resource(a_resource(client), client, an_event("resource_added"))

    assert await store.resources() == []


async def test_signing_keys_are_put_together_and_come_oldest_first(store: Store) -> None:
    await store.put_signing_keys([a_signing_key("new", NOW + 1), a_signing_key("old")], an_event("key_rotated"))

    await store.put_signing_keys([a_signing_key("old", state="verifying")], an_event("key_rotated"))

    assert await store.signing_keys() == [a_signing_key("old", state="verifying"), a_signing_key("new", NOW + 1)]


async def test_living_generations_are_counted_by_key_number(store: Store) -> None:
    plain, both = a_client("plain"), a_client("both", secret=True)
    overlapping = structs.replace(both, rat=structs.replace(both.rat, issued=2, issued_key=4))
    await store.register(plain, an_event(), None)
    await store.register(overlapping, an_event(), None)
    await store.register(structs.replace(a_client("without"), rat=Generations(confirmed_key=0, issued_key=0)), an_event(), None)
    await store.invite(an_invitation(1), an_event("initial_access_token_created"))
    await store.invite(an_invitation(0, id=b"0" * 16), an_event("initial_access_token_created"))
    await store.invite(an_invitation(1, id=b"1" * 16, expires_at=NOW), an_event("initial_access_token_created"))

    assert await store.generations_by_key() == {1: 2, 2: 1, 3: 1, 4: 1}


# Events ---------------------------------------------------------------------------------------------------------------------------


async def test_an_event_keeps_what_was_said_in_its_chain(store: Store) -> None:
    client = a_client()

    await store.register(client, an_event(client=client, door="rfc7591", tier=0), None)
    await store.record(an_event("key_rotated", key=2))

    first, second = await the_events(store)
    assert (first.number, first.at, first.kind, first.client_key) == (1, NOW, "client_registered", client.key)
    assert json.loads(first.content) == {"actor": "client", "request_id": "0123456789abcdef", "body": {"door": "rfc7591", "tier": 0}}
    assert (second.number, second.kind, second.client_key) == (2, "key_rotated", b"")


async def test_events_are_read_in_portions(store: Store) -> None:
    for _ in range(5):
        await store.record(an_event("key_rotated"))

    (writer,) = await store.heads()
    assert [event.number for event in await store.events(writer, 1, 3)] == [2, 3, 4]
    assert await store.events(b"writer-9", 0, 3) == []


async def test_the_chain_has_no_gap_where_a_write_failed(store: Store) -> None:
    client = a_client()
    await store.register(client, an_event(client=client), None)

    ends = await asyncio.gather(
        store.record(an_event("key_rotated")),
        store.register(client, an_event(client=client), None),
        store.record(an_event("key_retired")),
        return_exceptions=True,
    )

    assert isinstance(ends[1], KeyCollision)
    assert await kinds(store) == ["client_registered", "key_rotated", "key_retired"]


async def test_an_event_that_cannot_be_written_keeps_its_change_from_happening(store: Store) -> None:
    client = a_client()

    with pytest.raises(OverflowError):
        await store.register(client, an_event(client=client, at=-1), None)

    assert await store.client(client.key) is None
    assert await store.heads() == {}


# Races ----------------------------------------------------------------------------------------------------------------------------


@meets("R-25", "X-36", "X-37")
async def test_sixteen_racers_for_the_last_use_of_an_invitation_have_one_winner(pair: Pair) -> None:
    await pair.here.invite(an_invitation(1), an_event("initial_access_token_created"))

    ends = await asyncio.gather(
        *((pair.here, pair.there)[number % 2].register(a_client(str(number)), an_event(), b"t" * 16) for number in range(16))
    )

    assert sorted(end.value for end in ends) == ["done"] + ["spent"] * 15
    assert len(await pair.here.clients("", 100)) == 1
    assert (await kinds(pair.here)).count("client_registered") == 1


@meets("M-33", "X-37")
async def test_sixteen_racers_with_the_same_registration_before_them_have_one_winner(pair: Pair) -> None:
    before = a_client()
    await pair.here.register(before, an_event(client=before), None)
    wishes = [structs.replace(rotated(before), metadata=f'{{"client_name":"{number}"}}'.encode()) for number in range(16)]

    ends = await asyncio.gather(
        *(
            (pair.here, pair.there)[number % 2].replace(before, wish, an_event("client_replaced", before))
            for number, wish in enumerate(wishes)
        )
    )

    assert sum(ends) == 1
    assert await pair.there.client(before.key) == wishes[ends.index(True)]
    assert (await kinds(pair.here)).count("client_replaced") == 1


@meets("M-39")
async def test_sixteen_racers_to_remove_a_client_have_one_winner(pair: Pair) -> None:
    client = a_client()
    await pair.here.register(client, an_event(client=client), None)

    ends = await asyncio.gather(
        *((pair.here, pair.there)[number % 2].remove(client, an_event("client_deleted", client), NOW + 1) for number in range(16))
    )

    assert sum(ends) == 1
    assert (await kinds(pair.here)).count("client_deleted") == 1


async def test_two_handles_write_in_turns_and_see_each_other_at_once(pair: Pair) -> None:
    for number in range(20):
        writer, reader = (pair.here, pair.there) if number % 2 else (pair.there, pair.here)
        client = a_client(str(number))

        await writer.register(client, an_event(client=client), None)

        assert await reader.client(client.key) == client

    assert len(await the_events(pair.here)) == 20


# Turns, readiness, the end --------------------------------------------------------------------------------------------------------


async def test_one_client_has_one_turn_at_a_time(store: Store) -> None:
    order: list[str] = []

    async def take(key: bytes, name: str) -> None:
        async with store.turn(key):
            order.append(f"{name} in")
            await asyncio.sleep(0)
            order.append(f"{name} out")

    await asyncio.gather(take(b"k", "a"), take(b"k", "b"))

    assert order == ["a in", "a out", "b in", "b out"]


async def test_other_clients_do_not_wait(store: Store) -> None:
    async with store.turn(b"a"), asyncio.timeout(1), store.turn(b"b"):
        assert await store.ready()


async def test_a_closed_store_takes_no_more_writes(pair: Pair) -> None:
    assert await pair.here.ready()
    await pair.here.close()
    await pair.here.close()

    with pytest.raises(StoreUnavailable):
        await pair.here.record(an_event("key_rotated"))
    assert not await pair.here.ready()
