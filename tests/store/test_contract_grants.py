"""What every store promises about grants and remembered yeses, in the words of `Store`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from msgspec import structs

from calling_card.ports import Rows, Store
from calling_card.protocol.clients import Client, Generations, State
from calling_card.protocol.persons.grants import Grant, Stage, ended
from calling_card.protocol.persons.people import Person, Standing
from tests.ledger import meets
from tests.store.conftest import Pair
from tests.store.examples import NOW, Clock, a_client, a_consent, a_grant, a_person, a_session, a_version, an_event, kinds

CLIENT = a_client()
ANN = a_person("ann")
ID = b"g" * 16
MARK = b"m" * 16


@pytest.fixture(autouse=True)
async def both(store: Store) -> None:
    """The client and the person that nearly every test begins with."""
    await store.register(CLIENT, an_event(client=CLIENT), None)
    await store.add_person(ANN, an_event("person_added"))


async def given(store: Store, client: Client = CLIENT, person: Person = ANN, id: bytes = ID, *, at: int = NOW) -> Grant:
    """A grant whose code was redeemed."""
    pending = a_grant(client, person, id, at=at)
    assert await store.give(client, pending, None, an_event("grant_given", client))
    live = structs.replace(pending, stage=Stage.LIVE)
    assert await store.change_grant(pending, live, an_event("grant_redeemed", client))
    return live


async def as_kept(store: Store, grant: Grant) -> Grant | None:
    found = await store.grant(grant.client_key, grant.id)
    return found[0] if found else None


async def epoch_raised(store: Store, person: Person) -> Person:
    after = structs.replace(person, epoch=person.epoch + 1)
    assert await store.change_person(person, after, an_event("password_changed"))
    return after


# Giving ---------------------------------------------------------------------------------------------------------------------------


async def test_a_grant_is_read_back_as_it_was_given_with_the_standing_of_its_person(store: Store) -> None:
    grant = a_grant(CLIENT, ANN)

    assert await store.give(CLIENT, grant, None, an_event("grant_given", CLIENT))

    assert await store.grant(CLIENT.key, ID) == (grant, Standing(ANN.epoch, active=True))
    assert await store.consents(ANN.id, CLIENT) == []
    assert await kinds(store) == ["client_registered", "person_added", "grant_given"]


async def test_every_field_of_a_grant_survives(store: Store) -> None:
    full = structs.replace(a_grant(CLIENT, ANN), document_version=3, cnf=b"j" * 32, refresh=Generations(7, 8, 9, 10, NOW - 11))
    bare = structs.replace(a_grant(CLIENT, ANN, b"h" * 16), code_challenge="", nonce="", sid=b"", redirect_uri="", resource="", amr="")

    for grant in (full, bare):
        await store.give(CLIENT, grant, None, an_event("grant_given", CLIENT))

        assert await as_kept(store, grant) == grant


async def test_an_unknown_grant_is_none(store: Store) -> None:
    await given(store)

    assert await store.grant(CLIENT.key, b"x" * 16) is None
    assert await store.grant(b"x" * 16, ID) is None


GONE_OR_OTHER: dict[str, tuple[Callable[[Store], Awaitable[object]], Client, Person]] = {
    "a client that is gone": (lambda store: store.remove(CLIENT, an_event("client_deleted"), NOW + 1), CLIENT, ANN),
    "a namesake born earlier": (lambda store: store.ready(), structs.replace(CLIENT, incarnation=b"j" * 8), ANN),
    "a suspended client": (lambda store: store.replace(CLIENT, structs.replace(CLIENT, state=State.SUSPENDED), None), CLIENT, ANN),
    "a held client": (lambda store: store.replace(CLIENT, structs.replace(CLIENT, state=State.HELD), None), CLIENT, ANN),
    "an unknown person": (lambda store: store.ready(), CLIENT, a_person("eve")),
    "a person with another epoch": (lambda store: epoch_raised(store, ANN), CLIENT, ANN),
    "a disabled person": (
        lambda store: store.change_person(ANN, structs.replace(ANN, active=False), an_event("person_changed")),
        CLIENT,
        ANN,
    ),
}


@meets("M-39", "A-46")
@pytest.mark.parametrize("case", GONE_OR_OTHER)
async def test_nothing_is_given_to_or_by(store: Store, case: str) -> None:
    happen, client, person = GONE_OR_OTHER[case]
    await happen(store)
    before = await kinds(store)

    assert not await store.give(client, a_grant(client, person), a_consent(client, person), an_event("grant_given", client))

    assert await store.grant(client.key, ID) is None
    assert await store.consents(person.id, client) == []
    assert await kinds(store) == before


async def test_a_grant_for_another_client_or_a_yes_of_another_person_is_a_mistake(store: Store) -> None:
    other, eve = a_client("other"), a_person("eve")

    for grant, consent in (
        (a_grant(other, ANN), None),
        (a_grant(CLIENT, ANN), a_consent(CLIENT, eve)),
        (a_grant(CLIENT, ANN), a_consent(other, ANN)),
    ):
        with pytest.raises(ValueError, match="another"):
            await store.give(CLIENT, grant, consent, an_event("grant_given"))

    assert await store.grant(CLIENT.key, ID) is None


async def test_a_grant_is_given_once(store: Store) -> None:
    live = await given(store)

    with pytest.raises(ValueError, match="already"):
        await store.give(CLIENT, a_grant(CLIENT, ANN), a_consent(CLIENT, ANN), an_event("grant_given"))

    assert await as_kept(store, live) == live
    assert await store.consents(ANN.id, CLIENT) == []


# Remembered yeses -----------------------------------------------------------------------------------------------------------------


async def test_a_yes_is_remembered_with_the_grant_and_an_equal_one_takes_its_place(store: Store) -> None:
    first, other = a_consent(CLIENT, ANN), a_consent(CLIENT, ANN, "notes.write", NOW + 1)
    again = structs.replace(first, card=b"d" * 16, given_at=NOW + 2)

    for number, consent in enumerate((first, other, again)):
        assert await store.give(CLIENT, a_grant(CLIENT, ANN, bytes([number]) * 16), consent, an_event("grant_given"))

    assert await store.consents(ANN.id, CLIENT) == [again, other]


@pytest.mark.parametrize("field", ["redirect_uri", "resource", "scope"])
async def test_a_yes_to_something_else_is_another_yes(store: Store, field: str) -> None:
    first = a_consent(CLIENT, ANN)
    second = structs.replace(first, given_at=NOW + 1, **{field: "https://other.example"})

    for number, consent in enumerate((first, second)):
        await store.give(CLIENT, a_grant(CLIENT, ANN, bytes([number]) * 16), consent, an_event("grant_given"))

    assert await store.consents(ANN.id, CLIENT) == [second, first]


async def test_a_yes_counts_for_its_person_and_this_very_client_only(store: Store) -> None:
    other = a_client("other")
    await store.register(other, an_event(client=other), None)
    await store.add_person(a_person("eve"), an_event("person_added"))

    await store.give(CLIENT, a_grant(CLIENT, ANN), a_consent(CLIENT, ANN), an_event("grant_given"))

    assert await store.consents(a_person("eve").id, CLIENT) == []
    assert await store.consents(ANN.id, other) == []
    assert await store.consents(ANN.id, structs.replace(CLIENT, incarnation=b"j" * 8)) == []


# Changing -------------------------------------------------------------------------------------------------------------------------


async def test_a_change_puts_everything_that_may_change(store: Store) -> None:
    before = await given(store)
    after = structs.replace(
        before,
        stage=Stage.REVOKED,
        epoch=2,
        scope="notes.read",
        resource="",
        refresh=Generations(2, 3, 6, 8, NOW + 5),
        last_used_at=NOW + 5,
        document_version=2,
        cnf=b"t" * 32,
    )

    assert await store.change_grant(before, after, an_event("grant_refreshed", CLIENT))

    assert await as_kept(store, before) == after
    assert (await kinds(store))[-1] == "grant_refreshed"


async def test_a_refresh_token_keeps_neither_overlap_nor_digest(store: Store) -> None:
    before = await given(store)
    after = structs.replace(before, refresh=structs.replace(before.refresh, issued=2, overlap_since=NOW, put_digest=b"d"))

    assert await store.change_grant(before, after, an_event("grant_refreshed"))

    kept = structs.replace(before, refresh=structs.replace(before.refresh, issued=2))
    assert await as_kept(store, before) == kept
    assert await store.change_grant(after, structs.replace(kept, last_used_at=NOW + 1), an_event("grant_refreshed"))


CHANGES: dict[str, Callable[[Grant], Grant]] = {
    "stage": lambda grant: structs.replace(grant, stage=Stage.REVOKED),
    "epoch": lambda grant: structs.replace(grant, epoch=2),
    "confirmed": lambda grant: structs.replace(grant, refresh=structs.replace(grant.refresh, confirmed=0)),
    "issued": lambda grant: structs.replace(grant, refresh=structs.replace(grant.refresh, issued=2)),
    "confirmed_key": lambda grant: structs.replace(grant, refresh=structs.replace(grant.refresh, confirmed_key=9)),
    "issued_key": lambda grant: structs.replace(grant, refresh=structs.replace(grant.refresh, issued_key=9)),
    "rotated_at": lambda grant: structs.replace(grant, refresh=structs.replace(grant.refresh, rotated_at=NOW + 1)),
    "incarnation": lambda grant: structs.replace(grant, incarnation=b"j" * 8),
    "id": lambda grant: structs.replace(grant, id=b"x" * 16),
    "client": lambda grant: structs.replace(grant, client_key=b"x" * 16),
}


@pytest.mark.parametrize("field", CHANGES)
async def test_a_change_of_what_is_no_longer_there_changes_nothing(store: Store, field: str) -> None:
    there = await given(store)
    before = CHANGES[field](there)

    assert not await store.change_grant(before, structs.replace(before, last_used_at=NOW + 9), an_event("grant_refreshed"))

    assert await as_kept(store, there) == there
    assert "grant_refreshed" not in await kinds(store)


MAY_CHANGE = {"stage", "epoch", "scope", "resource", "refresh", "last_used_at", "document_version", "cnf"}


@pytest.mark.parametrize("field", [field.name for field in structs.fields(Grant) if field.name not in MAY_CHANGE])
async def test_what_a_grant_has_for_life_cannot_be_changed(store: Store, field: str) -> None:
    before = await given(store)
    other: dict[type, object] = {str: "other", bytes: b"other", int: 99}
    after = structs.replace(before, **{field: other[type(getattr(before, field))]})

    with pytest.raises(ValueError, match="a grant changes in"):
        await store.change_grant(before, after, an_event("grant_refreshed"))

    assert await as_kept(store, before) == before


@meets("M-39")
async def test_a_grant_ends_with_its_client_and_no_namesake_inherits_it(store: Store) -> None:
    pending = a_grant(CLIENT, ANN)
    await store.give(CLIENT, pending, a_consent(CLIENT, ANN), an_event("grant_given"))
    await store.remove(CLIENT, an_event("client_deleted"), NOW + 1)

    assert not await store.change_grant(pending, structs.replace(pending, stage=Stage.LIVE), an_event("grant_redeemed"))
    reborn = a_client(incarnation=b"j" * 8)
    await store.meet(reborn, a_version(reborn), an_event(client=reborn))

    assert not await store.change_grant(pending, structs.replace(pending, stage=Stage.LIVE), an_event("grant_redeemed"))
    assert await store.grant(CLIENT.key, ID) is None
    assert await store.living(CLIENT.key, MARK, ID) == Rows(reborn, False)
    assert await store.consents(ANN.id, reborn) == []
    assert await store.consents(ANN.id, CLIENT) == []


# Living ---------------------------------------------------------------------------------------------------------------------------


async def test_one_read_finds_client_mark_grant_and_standing(store: Store) -> None:
    live = await given(store)
    standing = Standing(ANN.epoch, active=True)

    assert await store.living(CLIENT.key, MARK, ID) == Rows(CLIENT, False, live, standing)
    await store.revoke(CLIENT, MARK, NOW + 60, an_event("token_revoked"), ID)

    assert await store.living(CLIENT.key, MARK, ID) == Rows(CLIENT, True, live, standing)
    assert await store.living(CLIENT.key, b"n" * 16, ID) == Rows(CLIENT, False, live, standing)
    assert await store.living(CLIENT.key, MARK, b"x" * 16) == Rows(CLIENT, True)
    assert await store.living(CLIENT.key, MARK) == Rows(CLIENT, True)
    assert await store.living(b"x" * 16, MARK, ID) == Rows(None, False)


async def test_a_change_of_standing_shows_at_once(store: Store) -> None:
    live = await given(store)

    await store.change_person(ANN, structs.replace(ANN, epoch=5, active=False), an_event("person_changed"))

    assert (await store.living(CLIENT.key, MARK, ID)).person == Standing(5, active=False)
    assert await store.grant(CLIENT.key, ID) == (live, Standing(5, active=False))


# Revoking tokens of a grant -------------------------------------------------------------------------------------------------------


def jti(number: int) -> bytes:
    return number.to_bytes(16, "big")


async def test_the_thirty_third_living_mark_of_a_grant_ends_the_tokens_of_this_grant_alone(store: Store) -> None:
    live, other = await given(store), await given(store, id=b"h" * 16)
    await store.revoke(CLIENT, jti(100), NOW + 60, an_event("token_revoked"))
    await store.revoke(CLIENT, jti(101), NOW + 60, an_event("token_revoked"), other.id)
    for number in range(33):
        assert (await as_kept(store, live)) == live
        await store.revoke(CLIENT, jti(number), NOW + 60, an_event("token_revoked"), live.id)

    assert await as_kept(store, live) == structs.replace(live, epoch=2)
    assert await as_kept(store, other) == other
    assert await store.living(CLIENT.key, jti(0)) == Rows(CLIENT, False)
    assert await store.living(CLIENT.key, jti(100)) == Rows(CLIENT, True)
    assert await store.living(CLIENT.key, jti(101)) == Rows(CLIENT, True)


async def test_marks_of_grants_do_not_count_for_the_client(store: Store) -> None:
    for letter in b"abcdef":
        await given(store, id=bytes([letter]) * 16)
    for number in range(60):
        await store.revoke(CLIENT, jti(number), NOW + 60, an_event("token_revoked"), bytes([b"abcdef"[number % 6]]) * 16)

    await store.revoke(CLIENT, jti(60), NOW + 60, an_event("token_revoked"))

    assert await store.client(CLIENT.key) == CLIENT
    assert [(await store.living(CLIENT.key, jti(number))).marked for number in range(61)] == [True] * 61


async def test_marks_of_expired_tokens_do_not_count_for_a_grant_and_go(store: Store, clock: Clock) -> None:
    live = await given(store)
    for number in range(32):
        await store.revoke(CLIENT, jti(number), NOW + 60, an_event("token_revoked"), ID)
    clock.at = NOW + 60

    await store.revoke(CLIENT, jti(32), NOW + 120, an_event("token_revoked"), ID)

    assert await as_kept(store, live) == live
    assert [(await store.living(CLIENT.key, jti(number))).marked for number in range(33)] == [False] * 32 + [True]


async def test_a_token_of_a_dead_grant_needs_no_mark(store: Store) -> None:
    live = await given(store)
    pending = a_grant(CLIENT, ANN, b"p" * 16)
    await store.give(CLIENT, pending, None, an_event("grant_given"))
    await store.change_grant(live, ended(live), an_event("grant_ended"))

    for id in (ID, b"p" * 16, b"x" * 16):
        await store.revoke(CLIENT, MARK, NOW + 60, an_event("token_revoked"), id)

    assert not (await store.living(CLIENT.key, MARK)).marked
    assert "token_revoked" not in await kinds(store)


# What a person allowed ------------------------------------------------------------------------------------------------------------


async def ids(store: Store, person: Person) -> Sequence[tuple[str, Sequence[bytes]]]:
    return [(client.client_id, [grant.id[:1] for grant in grants]) for client, grants in await store.allowed(person.id)]


async def test_what_a_person_allowed_is_grouped_by_client_newest_first(store: Store) -> None:
    other, eve = a_client("other"), a_person("eve")
    await store.register(other, an_event(client=other), None)
    await store.add_person(eve, an_event("person_added"))
    oldest, newest = await given(store, id=b"1" * 16, at=NOW), await given(store, id=b"3" * 16, at=NOW + 2)
    between = await given(store, other, id=b"2" * 16, at=NOW + 1)
    await given(store, person=eve, id=b"4" * 16)
    await store.give(CLIENT, a_grant(CLIENT, ANN, b"5" * 16), None, an_event("grant_given"))
    revoked = await given(store, id=b"6" * 16)
    await store.change_grant(revoked, ended(revoked), an_event("grant_ended"))

    assert await store.allowed(ANN.id) == [(CLIENT, [newest, oldest]), (other, [between])]
    assert await ids(store, eve) == [("c1", [b"4"])]
    assert await store.allowed(b"x" * 16) == []


async def test_a_suspended_client_is_still_shown_and_one_that_is_gone_is_not(store: Store) -> None:
    await given(store)
    suspended = structs.replace(CLIENT, state=State.SUSPENDED)

    await store.replace(CLIENT, suspended, None)
    assert await ids(store, ANN) == [("c1", [b"g"])]

    await store.remove(suspended, an_event("client_deleted"), NOW + 1)
    assert await ids(store, ANN) == []


async def test_grants_of_an_earlier_epoch_of_the_person_are_allowed_no_more(store: Store) -> None:
    await given(store)
    later = await epoch_raised(store, ANN)

    assert await ids(store, ANN) == []

    await given(store, person=later, id=b"n" * 16)
    assert await ids(store, ANN) == [("c1", [b"n"])]


async def test_a_client_is_approved_when_a_grant_of_it_was_redeemed(store: Store) -> None:
    assert not await store.approved(CLIENT)
    pending = a_grant(CLIENT, ANN)
    await store.give(CLIENT, pending, None, an_event("grant_given"))
    assert not await store.approved(CLIENT)

    live = structs.replace(pending, stage=Stage.LIVE)
    await store.change_grant(pending, live, an_event("grant_redeemed"))
    assert await store.approved(CLIENT)
    assert not await store.approved(structs.replace(CLIENT, incarnation=b"j" * 8))
    assert not await store.approved(a_client("other"))

    await store.change_grant(live, ended(live), an_event("grant_ended"))
    assert await store.approved(CLIENT)


# Withdrawing ----------------------------------------------------------------------------------------------------------------------


async def test_a_withdrawal_ends_every_grant_for_the_client_and_forgets_every_yes(store: Store) -> None:
    other, eve = a_client("other"), a_person("eve")
    await store.register(other, an_event(client=other), None)
    await store.add_person(eve, an_event("person_added"))
    live = await given(store)
    pending = a_grant(CLIENT, ANN, b"p" * 16)
    await store.give(CLIENT, pending, a_consent(CLIENT, ANN), an_event("grant_given"))
    theirs, elsewhere = a_grant(CLIENT, eve, b"e" * 16), a_grant(other, ANN, b"o" * 16)
    await store.give(CLIENT, theirs, a_consent(CLIENT, eve), an_event("grant_given"))
    await store.give(other, elsewhere, a_consent(other, ANN), an_event("grant_given"))

    assert await store.withdraw(ANN.id, CLIENT.key, an_event("grants_withdrawn", CLIENT))

    assert [await as_kept(store, grant) for grant in (live, pending)] == [ended(live), ended(pending)]
    assert await store.consents(ANN.id, CLIENT) == []
    assert [await as_kept(store, grant) for grant in (theirs, elsewhere)] == [theirs, elsewhere]
    assert await store.consents(eve.id, CLIENT) == [a_consent(CLIENT, eve)]
    assert await store.consents(ANN.id, other) == [a_consent(other, ANN)]
    assert (await kinds(store))[-1] == "grants_withdrawn"


async def test_a_withdrawal_leaves_what_was_ended_before_as_it_was(store: Store) -> None:
    live = await given(store)
    await given(store, id=b"h" * 16)
    await store.change_grant(live, ended(live), an_event("grant_ended"))

    assert await store.withdraw(ANN.id, CLIENT.key, an_event("grants_withdrawn"))

    assert await as_kept(store, live) == ended(live)


async def test_where_nothing_was_allowed_nothing_is_withdrawn(store: Store) -> None:
    await given(store)

    assert not await store.withdraw(a_person("eve").id, CLIENT.key, an_event("grants_withdrawn"))
    assert not await store.withdraw(ANN.id, a_client("other").key, an_event("grants_withdrawn"))
    assert await store.withdraw(ANN.id, CLIENT.key, an_event("grants_withdrawn"))
    assert not await store.withdraw(ANN.id, CLIENT.key, an_event("grants_withdrawn"))

    assert (await kinds(store)).count("grants_withdrawn") == 1


# Keys that are still needed -------------------------------------------------------------------------------------------------------


async def test_refresh_tokens_of_living_grants_and_sessions_count_for_their_keys(store: Store, clock: Clock) -> None:
    overlapping = await given(store)
    await store.change_grant(
        overlapping,
        structs.replace(overlapping, refresh=structs.replace(overlapping.refresh, issued=2, issued_key=8)),
        an_event("grant_refreshed"),
    )
    revoked = await given(store, id=b"r" * 16)
    await store.change_grant(revoked, ended(revoked), an_event("grant_ended"))
    await store.give(CLIENT, a_grant(CLIENT, ANN, b"p" * 16), None, an_event("grant_given"))
    await store.begin_session(a_session(ANN), None, an_event("signed_in"))
    await store.begin_session(a_session(ANN, b"t" * 16, lasts=60), None, an_event("signed_in"))

    assert await store.generations_by_key() == {1: 1, 6: 1, 7: 2, 8: 1}
    clock.at = NOW + 60
    assert await store.generations_by_key() == {1: 1, 6: 1, 7: 1, 8: 1}

    await epoch_raised(store, ANN)
    assert await store.generations_by_key() == {1: 1}


# Races ----------------------------------------------------------------------------------------------------------------------------


@meets("A-47", "X-37")
async def test_sixteen_racers_with_one_code_have_one_winner(pair: Pair) -> None:
    pending = a_grant(CLIENT, ANN)
    await pair.here.give(CLIENT, pending, None, an_event("grant_given"))
    wishes = [structs.replace(pending, stage=Stage.LIVE, last_used_at=NOW + number) for number in range(16)]

    ends = await asyncio.gather(
        *((pair.here, pair.there)[number % 2].change_grant(pending, wish, an_event("grant_redeemed")) for number, wish in enumerate(wishes))
    )

    assert sum(ends) == 1
    assert await as_kept(pair.there, pending) == wishes[ends.index(True)]
    assert (await kinds(pair.here)).count("grant_redeemed") == 1


@meets("A-53", "X-37")
async def test_sixteen_racers_with_one_refresh_token_have_one_winner(pair: Pair) -> None:
    live = await given(pair.here)
    wishes = [structs.replace(live, refresh=structs.replace(live.refresh, issued=2, rotated_at=NOW + number)) for number in range(16)]

    ends = await asyncio.gather(
        *((pair.here, pair.there)[number % 2].change_grant(live, wish, an_event("grant_refreshed")) for number, wish in enumerate(wishes))
    )

    assert sum(ends) == 1
    assert await as_kept(pair.there, live) == wishes[ends.index(True)]
    assert (await kinds(pair.here)).count("grant_refreshed") == 1


@meets("M-39", "X-37")
@pytest.mark.parametrize("removal_first", [True, False])
async def test_a_removal_is_not_overtaken_by_grants_under_way(pair: Pair, removal_first: bool) -> None:
    grants = [a_grant(CLIENT, ANN, bytes([number]) * 16) for number in range(8)]
    removal = pair.here.remove(CLIENT, an_event("client_deleted"), NOW + 1)
    gifts = [
        (pair.here, pair.there)[number % 2].give(CLIENT, grant, a_consent(CLIENT, ANN, str(number)), an_event("grant_given"))
        for number, grant in enumerate(grants)
    ]

    ends = await asyncio.gather(*([removal, *gifts] if removal_first else [*gifts, removal]))

    assert ends[0 if removal_first else -1]
    assert [await as_kept(pair.there, grant) for grant in grants] == [None] * 8
    assert await pair.there.consents(ANN.id, CLIENT) == []
    assert (await kinds(pair.here)).count("grant_given") == sum(ends) - 1


async def test_a_withdrawal_and_a_refresh_under_way_never_leave_a_living_grant(pair: Pair) -> None:
    live = await given(pair.here)
    refreshed = structs.replace(live, refresh=structs.replace(live.refresh, issued=2))

    withdrawn, rotated = await asyncio.gather(
        pair.there.withdraw(ANN.id, CLIENT.key, an_event("grants_withdrawn")),
        pair.here.change_grant(live, refreshed, an_event("grant_refreshed")),
    )

    assert withdrawn
    assert await as_kept(pair.here, live) == ended(refreshed if rotated else live)


async def test_a_change_of_password_and_a_grant_under_way_never_leave_a_grant_of_the_old_epoch_alive(pair: Pair) -> None:
    grant = a_grant(CLIENT, ANN)

    await asyncio.gather(
        pair.here.give(CLIENT, grant, None, an_event("grant_given")),
        pair.there.change_person(ANN, structs.replace(ANN, epoch=2, password="$new"), an_event("password_changed")),
    )

    found = await pair.here.living(CLIENT.key, MARK, ID)
    assert found.grant is None or (found.person == Standing(2, active=True) and found.grant.person_epoch == 1)
    assert await pair.here.allowed(ANN.id) == []
