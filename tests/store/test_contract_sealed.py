"""What every store promises about clients that live on a card alone, in the words of `Store` (CREDENTIALS §6)."""

import asyncio

import pytest
from msgspec import structs

from calling_card.ports import KeyCollision, NoRoom, Store
from calling_card.protocol.clients import Client, Generations, State
from calling_card.protocol.persons.grants import Stage
from tests.ledger import meets
from tests.store.conftest import Pair
from tests.store.examples import NOW, Clock, a_client, a_consent, a_grant, a_person, an_event, kinds

DAY = 86400
UNTIL = NOW + 30 * DAY
SEALED = structs.replace(a_client("cs_sealed"), card_until=UNTIL)
BORN = structs.replace(SEALED, card_until=0)
ANN = a_person("ann")


async def place(store: Store, client: Client = SEALED) -> tuple[Client | None, bool]:
    return await store.client_or_tombstone(client.key)


@meets("H-10")
async def test_row_and_tombstone_are_asked_for_together(store: Store) -> None:
    assert await place(store) == (None, False)
    await store.register(BORN, an_event(client=BORN), None)
    assert await place(store) == (BORN, False)
    await store.remove(BORN, an_event("client_deleted", BORN), UNTIL)
    assert await place(store) == (None, True)


@meets("H-10")
async def test_the_first_change_bears_the_row_with_an_event_of_its_own(store: Store) -> None:
    after = structs.replace(SEALED, metadata=b'{"client_name":"Other"}', rat=Generations(issued=2, rotated_at=NOW))

    assert await store.replace(SEALED, after, an_event("client_replaced", SEALED))

    assert await place(store) == (structs.replace(after, card_until=0), False)
    assert await kinds(store) == ["client_registered", "client_replaced"]


async def test_a_row_that_is_born_without_another_event_has_that_of_its_birth(store: Store) -> None:
    assert await store.replace(SEALED, SEALED, None)

    assert await kinds(store) == ["client_registered"]


@pytest.mark.parametrize("ended", [False, True])
async def test_a_second_birth_does_not_happen(store: Store, ended: bool) -> None:
    await store.register(BORN, an_event(client=BORN), None)
    if ended:
        await store.remove(BORN, an_event("client_deleted", BORN), UNTIL)
    before = await kinds(store)

    assert not await store.replace(SEALED, structs.replace(SEALED, metadata=b"{}"), an_event("client_replaced", SEALED))
    assert not await store.end_all(SEALED, structs.replace(SEALED, metadata=b"{}"), an_event("client_suspended", SEALED))

    assert await place(store) == (None if ended else BORN, ended)
    assert await kinds(store) == before


async def test_an_end_to_everything_of_a_client_without_a_row_bears_it_ended(store: Store) -> None:
    after = structs.replace(SEALED, state=State.SUSPENDED, epoch=2)

    assert await store.end_all(SEALED, after, an_event("client_suspended", SEALED))

    assert await place(store) == (structs.replace(after, card_until=0), False)


async def test_a_birth_needs_room_where_room_is_asked_for(store: Store, clock: Clock) -> None:
    others = [structs.replace(SEALED, key=bytes([number]) * 16, client_id=f"cs_{number}") for number in range(3)]

    assert [await store.bear(other, None, room=2) for other in others[:2]] == [True, True]
    with pytest.raises(NoRoom):
        await store.bear(others[2], None, room=2)
    assert await place(store, others[2]) == (None, False)

    await store.remove(structs.replace(others[0], card_until=0), an_event("client_deleted", others[0]), UNTIL)
    clock.at += 3600
    assert [await store.bear(others[1], None, room=2), await store.bear(others[2], None, room=2)] == [False, True]


@meets("X-107")
async def test_nothing_is_put_in_the_place_of_a_client_whose_card_is_another_by_now(store: Store) -> None:
    client = a_client("c1")
    await store.register(client, an_event(client=client), None)
    other = structs.replace(client, metadata=b'{"client_name":"Other"}')
    assert await store.replace(client, other, None)

    assert not await store.replace(client, structs.replace(client, state=State.HELD), an_event("client_approved", client))
    assert not await store.end_all(client, structs.replace(client, state=State.SUSPENDED), an_event("client_suspended", client))

    assert await store.client(client.key) == other


# Giving ---------------------------------------------------------------------------------------------------------------------------


@meets("H-10")
async def test_the_first_approval_bears_the_row_with_its_grant(store: Store) -> None:
    await store.add_person(ANN, an_event("person_added"))
    grant, consent = a_grant(SEALED, ANN), a_consent(SEALED, ANN)

    assert await store.give(SEALED, grant, consent, an_event("grant_given", SEALED))

    assert await place(store) == (BORN, False)
    assert await store.consents(ANN.id, BORN) == [consent]
    assert (await kinds(store))[1:] == ["client_registered", "grant_given"]
    live = structs.replace(grant, stage=Stage.LIVE)
    assert await store.change_grant(grant, live, an_event("grant_redeemed", BORN))


@meets("H-10")
async def test_approvals_at_the_same_moment_bear_one_row(pair: Pair) -> None:
    await pair.here.add_person(ANN, an_event("person_added"))
    ids = [bytes([number]) * 16 for number in range(16)]

    given = await asyncio.gather(
        *(
            store.give(SEALED, a_grant(SEALED, ANN, id), None, an_event("grant_given", SEALED))
            for store, id in zip([pair.here, pair.there] * 8, ids, strict=True)
        )
    )

    assert all(given)
    assert await place(pair.there) == (BORN, False)
    assert (await kinds(pair.here)).count("client_registered") == 1
    assert list(await pair.here.clients("", 10)) == [BORN]


async def test_a_grant_for_somebody_who_is_gone_bears_nothing(store: Store) -> None:
    assert not await store.give(SEALED, a_grant(SEALED, ANN), None, an_event("grant_given", SEALED))

    assert await place(store) == (None, False)
    assert await kinds(store) == []


async def test_nothing_is_given_to_a_client_that_left_a_tombstone(store: Store) -> None:
    await store.add_person(ANN, an_event("person_added"))
    assert await store.remove(SEALED, an_event("client_deleted", SEALED), UNTIL)

    assert not await store.give(SEALED, a_grant(SEALED, ANN), None, an_event("grant_given", SEALED))

    assert await place(store) == (None, True)


async def test_nothing_is_given_where_another_row_took_the_place(store: Store) -> None:
    await store.add_person(ANN, an_event("person_added"))
    other = structs.replace(BORN, state=State.SUSPENDED)
    await store.register(other, an_event(client=other), None)

    assert not await store.give(SEALED, a_grant(SEALED, ANN), None, an_event("grant_given", SEALED))


# Ending ---------------------------------------------------------------------------------------------------------------------------


@meets("H-10")
async def test_a_client_without_a_row_leaves_a_tombstone_once(store: Store) -> None:
    assert await store.remove(SEALED, an_event("client_deleted", SEALED), UNTIL)
    assert not await store.remove(SEALED, an_event("client_deleted", SEALED), UNTIL)

    assert await place(store) == (None, True)
    assert await kinds(store) == ["client_deleted"]
    with pytest.raises(KeyCollision):
        await store.register(BORN, an_event(client=BORN), None)


async def test_who_was_born_meanwhile_is_removed_with_the_row(store: Store) -> None:
    await store.register(BORN, an_event(client=BORN), None)

    assert await store.remove(SEALED, an_event("client_deleted", SEALED), UNTIL)

    assert await place(store) == (None, True)


async def test_a_use_of_a_client_without_a_row_is_not_kept(store: Store) -> None:
    store.used(SEALED, NOW // DAY + 5)
    await store.record(an_event("key_rotated"))

    assert await place(store) == (None, False)
