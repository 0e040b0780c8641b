"""What every store promises about people, their sessions and their passkeys, in the words of `Store`."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec import structs

from calling_card.ports import Store
from calling_card.protocol.persons.people import Person, Role
from tests.ledger import meets
from tests.store.conftest import Pair
from tests.store.examples import NOW, Clock, a_passkey, a_person, a_session, an_event, kinds

ANN = a_person("ann")
EVE = a_person("eve")


async def add(store: Store, *people: Person) -> None:
    for person in people:
        assert await store.add_person(person, an_event("person_added"))


# People ---------------------------------------------------------------------------------------------------------------------------


@meets("H-29")
async def test_a_person_is_read_back_as_added(store: Store) -> None:
    plain = structs.replace(EVE, password="", claims={}, role=Role.OWNER, active=False, epoch=0)

    await add(store, ANN, plain)

    assert await store.person(ANN.id) == ANN
    assert await store.person(plain.id) == plain
    assert await store.person(b"x" * 16) is None
    assert await kinds(store) == ["person_added", "person_added"]


@pytest.mark.parametrize("typed", ["Ann.Notes", "ann.notes", "ANN.NOTES", "aNN.nOTES"])
async def test_a_name_is_found_in_any_case(store: Store, typed: str) -> None:
    person = a_person("Ann.Notes")
    await add(store, person, EVE)

    assert await store.person_named(typed) == person


@pytest.mark.parametrize(
    "typed", ["", "ann", "ann.note", "ann.notess", "ann_notes", "ann.notes ", "%", "ann%notes", "än", "\N{KELVIN SIGN}im"]
)
async def test_only_the_case_of_a_name_is_free(store: Store, typed: str) -> None:
    await add(store, a_person("Ann.Notes"), a_person("kim"))

    assert await store.person_named(typed) is None


@pytest.mark.parametrize("name", ["ann", "ANN", "Ann"])
async def test_a_name_that_is_taken_in_any_case_adds_nobody(store: Store, name: str) -> None:
    await add(store, ANN)
    second = structs.replace(EVE, name=name)

    assert not await store.add_person(second, an_event("person_added"))

    assert await store.person(second.id) is None
    assert await store.person_named(name) == ANN
    assert await kinds(store) == ["person_added"]


async def test_people_are_listed_by_name_in_portions_whatever_the_case(store: Store) -> None:
    await add(store, *(a_person(name) for name in ("b", "a", "C", "D", "e")))

    portions: list[list[str]] = []
    after = ""
    while portion := [person.name for person in await store.people(after, 2)]:
        portions.append(portion)
        after = portion[-1]

    assert portions == [["a", "b"], ["C", "D"], ["e"]]
    assert [person.name for person in await store.people("B", 1)] == ["C"]


async def test_a_change_puts_everything_that_may_change(store: Store) -> None:
    await add(store, ANN, EVE)
    after = structs.replace(ANN, role=Role.OPERATOR, password="", claims={"name": "Änn", "updated_at": NOW}, epoch=4, active=False)

    assert await store.change_person(ANN, after, an_event("person_changed"))

    assert await store.person(ANN.id) == after
    assert await store.person(EVE.id) == EVE
    assert (await kinds(store))[-1] == "person_changed"


CHANGES: dict[str, Callable[[Person], Person]] = {
    "epoch": lambda person: structs.replace(person, epoch=7),
    "active": lambda person: structs.replace(person, active=False),
    "password": lambda person: structs.replace(person, password="$other"),
    "no password": lambda person: structs.replace(person, password=""),
    "role": lambda person: structs.replace(person, role=Role.OWNER),
    "person": lambda person: structs.replace(person, id=b"x" * 16),
}


@pytest.mark.parametrize("field", CHANGES)
async def test_a_change_of_what_is_no_longer_there_changes_nothing(store: Store, field: str) -> None:
    await add(store, ANN)
    await store.begin_session(a_session(ANN), None, an_event("signed_in"))
    before = CHANGES[field](ANN)

    assert not await store.change_person(before, structs.replace(before, epoch=9, claims={}), an_event("person_changed"))

    assert await store.person(ANN.id) == ANN
    assert await store.sessions(ANN.id) == [a_session(ANN)]
    assert "person_changed" not in await kinds(store)


async def test_who_somebody_is_cannot_be_changed_and_no_epoch_comes_again(store: Store) -> None:
    await add(store, ANN)

    for after in (
        structs.replace(ANN, id=b"x" * 16),
        structs.replace(ANN, name="anne"),
        structs.replace(ANN, created_at=NOW + 1),
        structs.replace(ANN, epoch=0),
    ):
        with pytest.raises(ValueError, match=r"cannot touch|only rises"):
            await store.change_person(ANN, after, an_event("person_changed"))

    assert await store.person(ANN.id) == ANN


async def test_a_new_epoch_ends_all_sessions_of_the_person_and_of_nobody_else(store: Store) -> None:
    await add(store, ANN, EVE)
    for person in (ANN, EVE):
        for letter in (b"1", b"2"):
            await store.begin_session(a_session(person, letter * 16), None, an_event("signed_in"))

    assert await store.change_person(ANN, structs.replace(ANN, epoch=2), an_event("password_changed"))

    assert await store.sessions(ANN.id) == []
    assert await store.session(ANN.id, b"1" * 16) is None
    assert len(await store.sessions(EVE.id)) == 2


async def test_a_change_without_a_new_epoch_ends_no_session(store: Store) -> None:
    await add(store, ANN)
    await store.begin_session(a_session(ANN), None, an_event("signed_in"))
    after = structs.replace(ANN, password="$rehashed")

    assert await store.change_person(ANN, after, an_event("person_changed"))

    assert await store.session(ANN.id, b"s" * 16) == (a_session(ANN), after)


# Sessions -------------------------------------------------------------------------------------------------------------------------


@meets("H-29")
async def test_a_session_is_read_back_with_its_person(store: Store) -> None:
    await add(store, ANN, EVE)

    assert await store.begin_session(a_session(ANN), None, an_event("signed_in"))

    assert await store.session(ANN.id, b"s" * 16) == (a_session(ANN), ANN)
    assert await store.session(EVE.id, b"s" * 16) is None
    assert await store.session(ANN.id, b"x" * 16) is None


async def test_a_session_is_found_whatever_the_standing_and_the_time_say(store: Store, clock: Clock) -> None:
    await add(store, ANN)
    await store.begin_session(a_session(ANN), None, an_event("signed_in"))
    disabled = structs.replace(ANN, active=False)

    await store.change_person(ANN, disabled, an_event("person_changed"))
    clock.at = NOW + 3600

    assert await store.session(ANN.id, b"s" * 16) == (a_session(ANN), disabled)
    assert await store.sessions(ANN.id) == []


@pytest.mark.parametrize("case", ["unknown", "other epoch", "disabled"])
async def test_nobody_begins_a_session_who_is(store: Store, case: str) -> None:
    await add(store, EVE)
    person = {"unknown": ANN, "other epoch": structs.replace(EVE, epoch=2), "disabled": structs.replace(EVE, active=False)}[case]
    await store.begin_session(a_session(EVE, b"o" * 16), None, an_event("signed_in"))
    if case == "disabled":
        await store.change_person(EVE, person, an_event("person_changed"))

    assert not await store.begin_session(a_session(person), b"o" * 16, an_event("signed_in"))

    assert await store.session(person.id, b"s" * 16) is None
    assert await store.session(EVE.id, b"o" * 16) is not None
    assert (await kinds(store)).count("signed_in") == 1


async def test_a_new_session_ends_the_one_it_replaces(store: Store) -> None:
    await add(store, ANN, EVE)
    for person in (ANN, EVE):
        await store.begin_session(a_session(person, b"o" * 16), None, an_event("signed_in"))

    assert await store.begin_session(a_session(ANN), b"o" * 16, an_event("signed_in"))
    assert await store.begin_session(a_session(ANN, b"t" * 16), b"unknown", an_event("signed_in"))

    assert {session.id for session in await store.sessions(ANN.id)} == {b"s" * 16, b"t" * 16}
    assert [session.id for session in await store.sessions(EVE.id)] == [b"o" * 16]


async def test_a_session_is_begun_once(store: Store) -> None:
    await add(store, ANN)
    await store.begin_session(a_session(ANN), None, an_event("signed_in"))

    with pytest.raises(ValueError, match="already"):
        await store.begin_session(a_session(ANN, at=NOW + 1), b"s" * 16, an_event("signed_in"))

    assert await store.sessions(ANN.id) == [a_session(ANN)]


async def test_sessions_come_newest_first_and_expired_ones_go_with_the_next_sign_in(store: Store, clock: Clock) -> None:
    await add(store, ANN, EVE)
    short, long, newest = (
        a_session(ANN, id, at=at, lasts=lasts) for id, at, lasts in ((b"1", NOW, 60), (b"2", NOW, 600), (b"3", NOW + 1, 600))
    )
    theirs = a_session(EVE, b"4", lasts=60)
    for session in (short, long, newest, theirs):
        assert await store.begin_session(session, None, an_event("signed_in"))
    assert await store.sessions(ANN.id) == [newest, short, long]

    clock.at = NOW + 60
    assert await store.sessions(ANN.id) == [newest, long]
    assert await store.session(ANN.id, b"1") is not None
    last = a_session(ANN, b"5", at=NOW + 60)
    await store.begin_session(last, None, an_event("signed_in"))

    assert await store.sessions(ANN.id) == [last, newest, long]
    assert await store.session(ANN.id, b"1") is None
    assert await store.session(EVE.id, b"4") is not None


async def test_a_session_ends_once_and_for_its_owner_only(store: Store) -> None:
    await add(store, ANN, EVE)
    await store.begin_session(a_session(ANN), None, an_event("signed_in"))

    assert not await store.end_session(EVE.id, b"s" * 16, an_event("signed_out"))
    assert await store.end_session(ANN.id, b"s" * 16, an_event("signed_out"))
    assert not await store.end_session(ANN.id, b"s" * 16, an_event("signed_out"))

    assert await store.session(ANN.id, b"s" * 16) is None
    assert (await kinds(store)).count("signed_out") == 1


# Passkeys -------------------------------------------------------------------------------------------------------------------------


async def test_passkeys_are_read_back_oldest_first_and_by_their_id_with_the_person(store: Store) -> None:
    await add(store, ANN, EVE)
    younger, older, theirs = a_passkey(ANN, b"1", at=NOW + 1, count=2**32 - 1), a_passkey(ANN, b"2"), a_passkey(EVE, b"3")

    for passkey in (younger, older, theirs):
        assert await store.add_passkey(passkey, an_event("passkey_added"))

    assert await store.passkeys(ANN.id) == [older, younger]
    assert await store.passkey(b"1") == (younger, ANN)
    assert await store.passkey(b"3") == (theirs, EVE)
    assert await store.passkey(b"4") is None


async def test_a_credential_id_that_is_taken_adds_no_passkey(store: Store) -> None:
    await add(store, ANN, EVE)
    await store.add_passkey(a_passkey(ANN), an_event("passkey_added"))

    assert not await store.add_passkey(a_passkey(EVE), an_event("passkey_added"))
    assert not await store.add_passkey(replace(a_passkey(ANN), label="again"), an_event("passkey_added"))

    assert await store.passkey(b"credential") == (a_passkey(ANN), ANN)
    assert (await kinds(store)).count("passkey_added") == 1


async def test_nobody_gets_a_passkey_who_is_unknown_or_disabled(store: Store) -> None:
    await add(store, structs.replace(EVE, active=False))

    assert not await store.add_passkey(a_passkey(ANN), an_event("passkey_added"))
    assert not await store.add_passkey(a_passkey(EVE), an_event("passkey_added"))

    assert await store.passkey(b"credential") is None
    assert await kinds(store) == ["person_added"]


async def test_a_use_of_a_passkey_notes_counter_and_time(store: Store) -> None:
    await add(store, ANN)
    before = a_passkey(ANN, count=5)
    await store.add_passkey(before, an_event("passkey_added"))
    after = replace(before, count=6, last_used_at=NOW + 1)

    assert await store.use_passkey(before, after)

    assert await store.passkeys(ANN.id) == [after]
    assert await kinds(store) == ["person_added", "passkey_added"]


async def test_a_use_with_another_counter_another_person_or_no_passkey_notes_nothing(store: Store) -> None:
    await add(store, ANN, EVE)
    there = a_passkey(ANN, count=5)
    await store.add_passkey(there, an_event("passkey_added"))

    for before in (replace(there, count=4), replace(there, person=EVE.id), replace(there, id=b"x")):
        assert not await store.use_passkey(before, replace(before, count=9, last_used_at=NOW))

    assert await store.passkeys(ANN.id) == [there]


async def test_a_passkey_is_forgotten_once_and_by_its_owner_only(store: Store) -> None:
    await add(store, ANN, EVE)
    await store.add_passkey(a_passkey(ANN), an_event("passkey_added"))

    assert not await store.remove_passkey(EVE.id, b"credential", an_event("passkey_removed"))
    assert await store.remove_passkey(ANN.id, b"credential", an_event("passkey_removed"))
    assert not await store.remove_passkey(ANN.id, b"credential", an_event("passkey_removed"))

    assert await store.passkey(b"credential") is None
    assert (await kinds(store)).count("passkey_removed") == 1


# Races ----------------------------------------------------------------------------------------------------------------------------


async def test_sixteen_racers_for_one_name_have_one_winner(pair: Pair) -> None:
    people = [structs.replace(a_person(str(number)), name=("Ann", "ann", "ANN")[number % 3]) for number in range(16)]

    ends = await asyncio.gather(
        *((pair.here, pair.there)[number % 2].add_person(person, an_event("person_added")) for number, person in enumerate(people))
    )

    assert sum(ends) == 1
    assert await pair.there.people("", 100) == [people[ends.index(True)]]


@meets("X-37")
async def test_sixteen_racers_with_the_same_person_before_them_have_one_winner(pair: Pair) -> None:
    await add(pair.here, ANN)
    wishes = [structs.replace(ANN, epoch=2, password=f"${number}") for number in range(16)]

    ends = await asyncio.gather(
        *((pair.here, pair.there)[number % 2].change_person(ANN, wish, an_event("password_changed")) for number, wish in enumerate(wishes))
    )

    assert sum(ends) == 1
    assert await pair.there.person(ANN.id) == wishes[ends.index(True)]
    assert (await kinds(pair.here)).count("password_changed") == 1


async def test_a_change_of_password_is_not_overtaken_by_sign_ins_under_way(pair: Pair) -> None:
    await add(pair.here, ANN)
    sessions = [a_session(ANN, bytes([number]) * 16) for number in range(8)]

    ends = await asyncio.gather(
        *(pair.here.begin_session(session, None, an_event("signed_in")) for session in sessions[:4]),
        pair.there.change_person(ANN, structs.replace(ANN, epoch=2), an_event("password_changed")),
        *(pair.there.begin_session(session, None, an_event("signed_in")) for session in sessions[4:]),
    )

    assert ends[4]
    assert await pair.here.sessions(ANN.id) == []
    assert (await kinds(pair.here)).count("signed_in") == sum(ends) - 1


@meets("X-37")
async def test_sixteen_racers_with_one_answer_of_a_passkey_have_one_winner(pair: Pair) -> None:
    await add(pair.here, ANN)
    before = a_passkey(ANN, count=5)
    await pair.here.add_passkey(before, an_event("passkey_added"))

    ends = await asyncio.gather(
        *(
            (pair.here, pair.there)[number % 2].use_passkey(before, replace(before, count=6, last_used_at=NOW + number))
            for number in range(16)
        )
    )

    assert sum(ends) == 1
    assert await pair.there.passkeys(ANN.id) == [replace(before, count=6, last_used_at=NOW + ends.index(True))]
