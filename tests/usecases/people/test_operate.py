"""What an operator does with people (A-84, CREDENTIALS §3)."""

import re
from pathlib import Path

import pytest
from msgspec import structs

from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.persons.people import LONGEST_PASSWORD, SHORTEST_PASSWORD, Passkey, Person, Role
from calling_card.usecases.people.operate import Wanted, add, people, reset, set_active
from tests.ledger import meets
from tests.usecases.guests import Guest, person_of, signed_in
from tests.visitor import PASSWORD, exchange, person_client, refresh, somebody
from tests.world import START, World, world


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path, sign_in_rate=0)


def wanted(name: str = "alice", password: str = "") -> Wanted:
    return Wanted(name, password, {"email": "alice@example.com"}, Role.OPERATOR, "root")


def alike(one: Person, other: Person) -> bool:
    return one.id == other.id or one.subject == other.subject


# ── Adding ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-29")
async def test_a_new_person_has_a_random_subject_and_a_password_that_can_be_read_out(server: World) -> None:
    made, other = await add(server.ports, wanted()), await add(server.ports, wanted("bob"))

    assert re.fullmatch(r"(?:[a-z2-7]{4}-){5}[a-z2-7]{4}", made.password)
    assert made.password != other.password
    assert len(made.person.id) == 16
    assert not alike(made.person, other.person)
    assert made.password not in made.person.password
    await Guest(server).sign_in("alice", made.password)
    told = await server.told("person_added")
    assert (told[0]["actor"], told[0]["body"]) == ("operator", {"person": made.person.subject, "role": "operator", "by": "root"})


async def test_a_password_that_was_given_is_not_given_back(server: World) -> None:
    made = await add(server.ports, wanted(password=PASSWORD))

    assert made.password == ""
    await Guest(server).sign_in("alice", PASSWORD)


@pytest.mark.parametrize("name", ["alice", "ALICE", "Alice"])
async def test_a_name_is_taken_in_any_mix_of_upper_and_lower_case(server: World, name: str) -> None:
    await add(server.ports, wanted())

    with pytest.raises(Refusal) as caught:
        await add(server.ports, wanted(name))
    assert (caught.value.no, caught.value.description) == (No.INVALID_REQUEST, f"name: {name} is taken")


@pytest.mark.parametrize("name", ["", " alice", "a b", "ä", "x" * 101])
async def test_a_name_that_cannot_be_typed_is_refused(server: World, name: str) -> None:
    with pytest.raises(Refusal) as caught:
        await add(server.ports, wanted(name))
    assert caught.value.no is No.INVALID_REQUEST
    assert caught.value.description.startswith("name: 1 to 100 letters")


@pytest.mark.parametrize("length", [1, SHORTEST_PASSWORD - 1, LONGEST_PASSWORD + 1])
async def test_a_password_that_is_too_short_or_too_long_is_refused(server: World, length: int) -> None:
    await somebody(server, "bob")

    for work in (add(server.ports, wanted(password="x" * length)), reset(server.ports, "bob", "x" * length, "root")):
        with pytest.raises(Refusal) as caught:
            await work
        assert caught.value.description == "password: must have 8 to 256 characters"
    await add(server.ports, wanted(password="x" * SHORTEST_PASSWORD))
    await reset(server.ports, "bob", "x" * LONGEST_PASSWORD, "root")


# ── Listing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_people_are_listed_by_name_a_page_at_a_time_and_without_what_they_sign_in_with(server: World) -> None:
    alice = (await add(server.ports, wanted())).person
    for name in ("carol", "bob"):
        await somebody(server, name)

    assert [line["name"] for line in await people(server.ports, "", 10)] == ["alice", "bob", "carol"]
    assert [line["name"] for line in await people(server.ports, "alice", 1)] == ["bob"]
    assert (await people(server.ports, "", 1))[0] == {
        "name": "alice",
        "sub": alice.subject,
        "role": "operator",
        "active": True,
        "email": "alice@example.com",
        "created_at": START,
    }
    assert "email" not in (await people(server.ports, "alice", 1))[0]


# ── Disabling and resetting ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_disabled_person_has_no_session_and_no_token_and_an_enabled_one_begins_anew(server: World) -> None:
    guest = await signed_in(server)
    card = await person_client(server)
    got = (await exchange(server, card, (await guest.allow(card)).members["code"])).json

    line = await set_active(server.ports, "alice", "root", active=False)

    assert line["active"] is False
    assert await guest.present() is None
    assert (await refresh(server, card, got["refresh_token"])).no == (400, "invalid_grant")
    assert (await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {got['access_token']}"})).status == 401
    assert (await set_active(server.ports, "alice", "root", active=True))["active"] is True
    assert await guest.present() is None
    assert (await refresh(server, card, got["refresh_token"])).no == (400, "invalid_grant")
    await Guest(server).sign_in()


async def test_disabling_twice_is_one_change(server: World) -> None:
    await somebody(server)

    lines = [await set_active(server.ports, "alice", "root", active=False) for _ in range(2)]

    assert lines[0] == lines[1]
    assert [event["body"] for event in await server.told("person_changed")] == [
        {"person": (await person_of(server)).subject, "active": False, "by": "root"}
    ]


async def test_a_reset_gives_another_password_and_ends_every_session(server: World) -> None:
    guest = await signed_in(server)

    made = await reset(server.ports, "alice", "", "root")

    assert await guest.present() is None
    await Guest(server).sign_in("alice", made.password)
    with pytest.raises(Refusal):
        await Guest(server).sign_in("alice", PASSWORD)
    assert (await reset(server.ports, "alice", PASSWORD, "root")).password == ""
    await Guest(server).sign_in("alice", PASSWORD)


@pytest.mark.parametrize("forget", [False, True])
async def test_a_reset_forgets_passkeys_where_the_operator_says_so(server: World, forget: bool) -> None:
    alice = await somebody(server)
    for id in (b"one", b"two"):
        passkey = Passkey(alice.id, id, b"key", 0, "phone", START, 0)
        await server.ports.store.add_passkey(passkey, Event("passkey_added", START, b"", "person"))

    await reset(server.ports, "alice", "", "root", passkeys=forget)

    assert len(await server.ports.store.passkeys(alice.id)) == (0 if forget else 2)
    assert (await server.kinds()).count("passkey_removed") == (2 if forget else 0)


@pytest.mark.parametrize("name", ["nobody", "", "ä\n"])
async def test_who_is_not_there_is_named(server: World, name: str) -> None:
    for work in (set_active(server.ports, name, "root", active=False), reset(server.ports, name, PASSWORD, "root")):
        with pytest.raises(Refusal) as caught:
            await work
        assert caught.value.no is No.NOT_FOUND
        assert caught.value.description.isascii()


async def test_a_change_that_others_overtake_is_tried_again_and_given_up_in_the_end(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await somebody(server)
    store, tries = server.ports.store, list[Person]()
    change = store.change_person

    async def overtaken(before: Person, after: Person, event: Event) -> bool:
        tries.append(before)
        return len(tries) % 3 == 0 and await change(before, after, event)

    monkeypatch.setattr(store, "change_person", overtaken)
    assert (await set_active(server.ports, "alice", "root", active=False))["active"] is False
    await reset(server.ports, "alice", PASSWORD, "root")
    assert len(tries) == 6

    async def never(before: Person, after: Person, event: Event) -> bool:
        return False

    monkeypatch.setattr(store, "change_person", never)
    for work in (set_active(server.ports, "alice", "root", active=True), reset(server.ports, "alice", PASSWORD, "root")):
        with pytest.raises(Refusal) as caught:
            await work
        assert (caught.value.no, caught.value.retry_after) == (No.UNAVAILABLE, 1)
    assert structs.replace(await person_of(server), password="") == structs.replace(tries[0], password="", active=False, epoch=2)
