"""What every store promises about clients that wait for approval and who may try them."""

import pytest
from msgspec import structs

from calling_card.ports import Store
from calling_card.protocol.clients import Client, Route, State
from calling_card.protocol.life.approval import approved, refused, resumed, suspended
from tests.ledger import meets
from tests.store.conftest import Pair
from tests.store.examples import NOW, a_client, a_consent, a_grant, a_person, a_version, an_event, kinds

ANN, BEN = a_person("ann"), a_person("ben")


def held(name: str = "c1", *, route: Route = Route.REGISTERED) -> Client:
    return structs.replace(a_client(name, route=route), state=State.HELD)


async def registered(store: Store, *clients: Client) -> None:
    for client in clients:
        await store.register(client, an_event(client=client), None)


@meets("A-88")
async def test_what_approval_made_of_a_client_is_kept(pair: Pair) -> None:
    one, two = held("c1"), held("c2")
    await registered(pair.here, one, two)

    assert await pair.here.replace(one, approved(one), an_event("client_approved", one))
    assert await pair.here.end_all(two, refused(two, "not yours"), an_event("client_refused", two))

    assert await pair.there.client(one.key) == approved(one)
    assert await pair.there.client(two.key) == refused(two, "not yours")
    assert await pair.here.replace(refused(two, "not yours"), resumed(refused(two, "not yours")), None)
    assert await pair.there.client(two.key) == structs.replace(two, epoch=two.epoch + 1)


@meets("A-88")
async def test_who_waits_is_found_in_the_order_of_names(pair: Pair) -> None:
    await registered(pair.here, held("c3"), a_client("c2"), held("c1"), suspended(held("c4")), held("c5"))

    assert [client.client_id for client in await pair.there.held("", 2)] == ["c1", "c3"]
    assert [client.client_id for client in await pair.there.held("c3", 2)] == ["c5"]


@meets("A-88")
async def test_test_persons_are_kept_once(pair: Pair) -> None:
    client = held()
    await registered(pair.here, client)

    first = [await pair.here.add_test_person(client, person.id, an_event("test_person_added", client)) for person in (ANN, BEN, ANN)]
    there = await pair.there.test_persons(client)
    second = [await pair.here.remove_test_person(client, ANN.id, an_event("test_person_removed", client)) for _ in range(2)]

    assert (first, second) == ([True, True, False], [True, False])
    assert list(there) == sorted([ANN.id, BEN.id])
    assert list(await pair.there.test_persons(client)) == [BEN.id]
    assert (await kinds(pair.here)).count("test_person_added") == 2
    assert (await kinds(pair.here)).count("test_person_removed") == 1


@meets("A-88")
async def test_test_persons_go_with_their_client(pair: Pair) -> None:
    client = held("https://app.example/", route=Route.CIMD)
    await pair.here.meet(client, a_version(client), an_event("client_met", client))
    await pair.here.add_test_person(client, ANN.id, an_event("test_person_added", client))
    await pair.here.remove(client, an_event("client_deleted", client), NOW + 60)
    namesake = structs.replace(client, incarnation=b"j" * 8)
    await pair.here.meet(namesake, a_version(namesake), an_event("client_met", namesake))

    assert list(await pair.there.test_persons(client)) == []
    assert list(await pair.there.test_persons(namesake)) == []
    assert not await pair.here.add_test_person(client, BEN.id, an_event("test_person_added", client))
    assert not await pair.here.remove_test_person(client, ANN.id, an_event("test_person_removed", client))


@meets("A-88", "H-31")
@pytest.mark.parametrize("was,now,given", [("held", "held", True), ("active", "held", False), ("held", "active", False)])
async def test_a_grant_is_given_to_the_client_in_the_state_in_which_it_was_seen(store: Store, was: str, now: str, given: bool) -> None:
    seen, there = structs.replace(a_client(), state=State(was)), structs.replace(a_client(), state=State(now))
    await store.add_person(ANN, an_event("person_added"))
    await registered(store, there)

    done = await store.give(seen, a_grant(seen, ANN), None, an_event("grant_given", seen))

    assert done is given


@meets("H-31")
async def test_no_grant_is_given_to_a_suspended_client(store: Store) -> None:
    client = suspended(held())
    await store.add_person(ANN, an_event("person_added"))
    await registered(store, client)

    assert not await store.give(client, a_grant(client, ANN), None, an_event("grant_given", client))


@meets("A-88", "X-35")
async def test_a_document_can_make_its_client_wait_and_ends_what_it_had(pair: Pair) -> None:
    client = a_client("https://app.example/", route=Route.CIMD)
    await pair.here.meet(client, a_version(client), an_event("client_met", client))
    await pair.here.add_person(ANN, an_event("person_added"))
    await pair.here.give(client, a_grant(client, ANN), a_consent(client, ANN), an_event("grant_given", client))
    became = structs.replace(client, metadata=b'{"client_name":"B"}', state=State.HELD, epoch=client.epoch + 1)
    event = an_event("document_changed", client)

    stale = await pair.here.read_again(a_version(client), a_version(client, 2), became, event, end=True, was=State.SUSPENDED)
    done = await pair.here.read_again(a_version(client), a_version(client, 2), became, event, end=True, was=State.ACTIVE)

    assert (stale, done) == (False, True)
    assert await pair.there.client(client.key) == became
    assert list(await pair.there.consents(ANN.id, client)) == []
