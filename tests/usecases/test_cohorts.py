"""What an operator does with many clients at once: look, suspend, revoke, delete."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs

from calling_card.protocol.clients import Client, Route, State
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.life.cohorts import Act
from calling_card.store.memory import MemoryStore
from calling_card.usecases import cohorts, everyone
from calling_card.usecases.cohorts import Tally, end, survey
from calling_card.usecases.operate import resume
from calling_card.usecases.provide import invitation, revoke
from tests.addresses import publish
from tests.ledger import meets
from tests.store.examples import a_client
from tests.usecases.contended import ContendedStore
from tests.visitor import Browser, Page, person_client, refresh, somebody, tokens
from tests.world import START, World, beside, world


@pytest.fixture(params=["memory", "sqlite"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    some = await world(tmp_path, sqlite=request.param == "sqlite")
    yield some
    await some.ports.store.close()


async def ended(server: World, act: Act, **where: str) -> Tally:
    """The result of an act on all who are meant."""
    return [tally async for tally in end(server.ports, where, act, "op")][-1]


async def counted(server: World, **where: str) -> int:
    return (await survey(server.ports, where)).clients


async def put(server: World, *clients: Client) -> None:
    """Clients as the store has them, without a door."""
    for client in clients:
        await server.ports.store.register(client, Event("client_registered", START, client.key, "anonymous"), None)


# Looking --------------------------------------------------------------------------------------------------------------------------


async def test_a_cohort_is_counted_and_shown_and_nothing_changes(server: World) -> None:
    await somebody(server)
    tea = await person_client(server, software_id="tea", client_name="Tea")
    await tokens(server, tea)
    other = await server.register(software_id="tea")
    await server.register(software_id="coffee")
    before = await server.kept()

    found = await survey(server.ports, {"software_id": "tea"})

    assert (found.where, found.clients, found.grants_alive) == ({"software_id": "tea"}, 2, 1)
    assert (found.states, found.doors) == ({"active": 2}, {"rfc7591": 2})
    assert sorted(str(line["client_id"]) for line in found.samples) == sorted([tea["client_id"], other["client_id"]])
    assert {line["client_id"]: line for line in found.samples}[tea["client_id"]] == {
        "client_id": tea["client_id"],
        "client_name": "Tea",
        "state": "active",
        "created_by": "anonymous",
        "client_id_issued_at": START,
        "redirect_uris": tea["redirect_uris"],
    }
    assert await server.kept() == before


async def test_a_cohort_shows_a_few_and_counts_all(server: World) -> None:
    await put(server, *(a_client(f"c{number:02}") for number in range(15)))

    found = await survey(server.ports, {"issued_before": str(START + 1)})

    shown = {str(line["client_id"]) for line in found.samples}
    assert (found.clients, len(found.samples), len(shown)) == (15, 10, 10)
    assert shown < {f"c{number:02}" for number in range(15)}


async def test_an_invitation_is_named_by_id_or_by_a_label_that_several_may_have(server: World) -> None:
    first, second = [await server.register(await server.invitation()) for _ in range(2)]
    await server.register()
    id = (await server.row(first)).invitation
    assert id is not None

    assert await counted(server, invitation=id.hex()) == 1
    assert await counted(server, invitation="test") == 2
    samples = (await survey(server.ports, {"invitation": "test"})).samples
    assert sorted(str(line["client_id"]) for line in samples) == sorted([first["client_id"], second["client_id"]])


@pytest.mark.parametrize(
    "where, no, words",
    [
        ({}, No.INVALID_REQUEST, "say which clients"),
        ({"invitation": "nobody's"}, No.NOT_FOUND, "invitation: there is no initial access token with the id or label nobody"),
        ({"invitation": ""}, No.INVALID_REQUEST, "invitation: "),
        ({"door": "window"}, No.INVALID_REQUEST, "door: "),
    ],
)
async def test_who_is_not_named_is_not_ended(server: World, where: dict[str, str], no: No, words: str) -> None:
    await server.register(await server.invitation())
    before = await server.kept()

    for act in Act:
        with pytest.raises(Refusal) as caught:
            await ended(server, act, **where)
        assert (caught.value.no, caught.value.description.startswith(words)) == (no, True)

    assert await server.kept() == before


async def test_a_url_that_is_two_clients_is_found_twice_wherever_a_page_ends(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(everyone, "PAGE", 4)
    twins = [a_client("https://t.example", route=route) for route in (Route.CIMD, Route.LOOKER)]
    await put(server, *twins)

    for number in range(9):
        await put(server, a_client(f"a{number}"))
        assert await counted(server, client_host="t.example") == 2
        assert await counted(server, issued_after="0") == number + 3


# Ending ---------------------------------------------------------------------------------------------------------------------------


async def test_who_is_suspended_with_many_has_nothing_left_and_comes_back_with_nothing(server: World) -> None:
    await somebody(server)
    cards = [await person_client(server, software_id="tea") for _ in range(3)]
    given = [await tokens(server, card) for card in cards]
    other = await person_client(server, software_id="coffee")

    tally = await ended(server, Act.SUSPEND, software_id="tea")
    again = await ended(server, Act.SUSPEND, software_id="tea")

    assert (tally.clients, tally.done, tally.already, tally.missed, tally.seen) == (3, 3, 0, [], 3)
    assert (again.done, again.already) == (0, 3)
    assert {(await server.row(card)).state for card in cards} == {State.SUSPENDED}
    assert (await server.row(other)).state is State.ACTIVE
    for card, old in zip(cards, given, strict=True):
        assert (await refresh(server, card, old["refresh_token"])).no == (401, "invalid_client")
        await resume(server.ports, card["client_id"], "op")
        assert (await refresh(server, card, old["refresh_token"])).no == (400, "invalid_grant")


async def test_who_is_revoked_goes_on_and_asks_people_again(server: World) -> None:
    await somebody(server)
    card = await person_client(server, redirect_uris=["https://app.example/cb"])
    old = await tokens(server, card)

    tally = await ended(server, Act.REVOKE, redirect_host="*.app.example")
    both = await ended(server, Act.REVOKE, redirect_host="app.example")

    browser = Browser(server)
    page = await browser.sign_in(await browser.authorize(card))
    assert (tally.done, both.done) == (0, 1)
    assert (await refresh(server, card, old["refresh_token"])).no == (400, "invalid_grant")
    assert "allow" in Page(page.body).ids
    assert (await server.row(card)).state is State.ACTIVE
    assert [event["body"] for event in await server.told("client_revoked")] == [{"by": "op", "cohort": both.cohort}]


@meets("M-39")
async def test_who_is_deleted_with_many_is_gone_with_everything(server: World) -> None:
    cards = [await server.machine(software_id="tea") for _ in range(2)]
    left = await server.machine()
    token = (await server.token(cards[0])).json["access_token"]

    tally = await ended(server, Act.DELETE, software_id="tea")

    assert (tally.clients, tally.done) == (2, 2)
    assert [(await server.token(card)).no for card in cards] == [(401, "invalid_client")] * 2
    assert [(await server.read(card)).status for card in cards] == [401, 401]
    assert (await server.introspect(left, token)).json == {"active": False}
    assert (await server.token(left)).status == 200
    assert await counted(server, software_id="tea") == 0


async def test_clients_that_are_a_url_are_ended_as_others_are(server: World) -> None:
    await somebody(server)
    card = publish(server)
    old = await tokens(server, card)

    tally = await ended(server, Act.SUSPEND, client_host="app.example")

    assert tally.done == 1
    assert (await refresh(server, card, old["refresh_token"])).status == 401
    assert await server.ports.store.allowed((await people(server))[0]) == []


async def people(server: World) -> list[bytes]:
    return [person.id for person in await server.ports.store.people("", 9)]


async def test_resource_servers_stay_unless_their_door_is_named(server: World) -> None:
    await server.resource()
    await server.register()

    left = await ended(server, Act.DELETE, issued_before=str(START + 1))
    named = await ended(server, Act.DELETE, door="admin")

    assert (left.done, named.done) == (1, 1)
    assert await server.ports.store.resources() == []


async def test_an_act_is_an_event_and_so_is_each_client(server: World) -> None:
    cards = [await server.register(software_id="tea") for _ in range(2)]

    tally = await ended(server, Act.SUSPEND, software_id="tea")

    assert [(event["actor"], event["body"]) for event in await server.told("cohort_begun")] == [
        ("operator", {"cohort": tally.cohort, "act": "suspend", "where": {"software_id": "tea"}, "clients": 2, "by": "op"})
    ]
    assert [event["body"] for event in await server.told("client_suspended")] == [{"by": "op", "cohort": tally.cohort}] * 2
    kinds = await server.kinds()
    assert kinds.index("cohort_begun") < kinds.index("client_suspended")
    assert {event.client_key for event in await server.recorded() if event.kind == "client_suspended"} == {
        (await server.row(card)).key for card in cards
    }


async def test_an_act_on_nobody_is_no_event(server: World) -> None:
    await server.register()
    before = await server.kept()

    tally = await ended(server, Act.DELETE, software_id="tea")

    assert (tally.clients, tally.seen) == (0, 0)
    assert await server.kept() == before


@pytest.mark.parametrize("number, progress", [(7, [0, 3, 6, 7]), (6, [0, 3, 6])])
async def test_an_act_goes_batch_by_batch_and_tells_how_far_it_is(
    server: World, monkeypatch: pytest.MonkeyPatch, number: int, progress: list[int]
) -> None:
    monkeypatch.setattr(everyone, "PAGE", 4)
    monkeypatch.setattr(cohorts, "BATCH", 3)
    await put(server, *(a_client(f"c{one}") for one in range(number)))

    told = [tally.seen async for tally in end(server.ports, {"issued_after": "0"}, Act.DELETE, "op")]

    assert told == progress
    assert await server.ports.store.clients("", 9) == []


async def test_an_act_that_was_interrupted_is_finished_by_the_next(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohorts, "BATCH", 2)
    await put(server, *(a_client(f"c{one}") for one in range(5)))
    async for tally in end(server.ports, {"issued_after": "0"}, Act.SUSPEND, "op"):
        if tally.done:
            break

    rest = await ended(server, Act.SUSPEND, issued_after="0")

    assert (rest.done, rest.already) == (3, 2)


async def test_two_operators_at_once_end_each_client_once(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)
    other = await beside(server, tmp_path)
    await put(server, *(a_client(f"c{one}") for one in range(9)))
    walk = end(server.ports, {"issued_after": "0"}, Act.DELETE, "op")
    await anext(walk)

    theirs = await ended(other, Act.DELETE, issued_after="0")
    ours = [tally async for tally in walk]

    assert (theirs.done, ours) == (9, [])
    assert (await server.kinds()).count("client_deleted") == 9
    for side in (server, other):
        await side.ports.store.close()


# Races ----------------------------------------------------------------------------------------------------------------------------


async def contended(tmp_path: Path, losses: int) -> World:
    store = ContendedStore(chain_key=b"k" * 32, writer=b"busy-one", now=lambda: START)
    server = await world(tmp_path, store)
    await put(server, a_client("c1"))
    store.losses = losses
    return server


@pytest.mark.parametrize("losses, done, missed", [(2, 1, []), (3, 0, ["c1"])])
async def test_a_client_that_others_change_meanwhile_is_tried_again_and_then_named(
    tmp_path: Path, losses: int, done: int, missed: list[str]
) -> None:
    server = await contended(tmp_path, losses)

    tally = await ended(server, Act.SUSPEND, issued_after="0")

    assert (tally.done, tally.missed, tally.seen) == (done, missed, 1)


class Reborn(MemoryStore):
    """Whoever is to be ended is somebody else, or gone, by then."""

    instead: Client | None = None

    async def end_all(self, before: Client, after: Client, event: Event) -> bool:
        """See `Store.end_all`."""
        del after, event
        del self._clients[before.key]
        if self.instead is not None:
            self._clients[before.key] = self.instead
        return False


@pytest.mark.parametrize("instead", [None, structs.replace(a_client("c1"), incarnation=b"j" * 8)])
async def test_a_client_that_is_gone_by_its_turn_is_left_alone_whoever_has_its_name(tmp_path: Path, instead: Client | None) -> None:
    store = Reborn(chain_key=b"k" * 32, writer=b"reborn-1", now=lambda: START)
    server = await world(tmp_path, store)
    await put(server, a_client("c1"))
    store.instead = instead

    tally = await ended(server, Act.REVOKE, issued_after="0")

    assert (tally.done, tally.already, tally.missed) == (0, 1, [])
    assert await store.client(a_client("c1").key) == instead


# With the invitation they came by -------------------------------------------------------------------------------------------------


@meets("R-28")
async def test_an_invitation_goes_and_takes_with_it_whom_it_let_in(server: World) -> None:
    token = await server.invitation(uses=5, scope="openid", grants=("client_credentials",))
    members = {"redirect_uris": [], "grant_types": ["client_credentials"]}
    cards = [await server.register(token, **members) for _ in range(2)]
    stays = await server.machine()
    id = (await server.row(cards[0])).invitation
    assert id is not None

    row = await revoke(server.ports, id.hex(), "op")
    tally = await ended(server, Act.DELETE, invitation=id.hex())

    assert (row["state"], tally.done) == ("revoked", 2)
    assert (await server.post_json("/register", {"redirect_uris": [], **members}, token)).no == (401, "invalid_token")
    assert [(await server.token(card)).status for card in (*cards, stays)] == [401, 401, 200]
    assert (await invitation(server.ports, id.hex()))["uses_left"] == 0
