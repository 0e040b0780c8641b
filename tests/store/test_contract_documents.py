"""What every store promises about the documents of clients that are an address, in the words of `Store`."""

import asyncio
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from msgspec import structs

from calling_card.ports import HostedDocument, KeyCollision, Store, StoreUnavailable
from calling_card.protocol.abroad.documents import Version
from calling_card.protocol.clients import Client, Generations, Route, State
from calling_card.protocol.persons.grants import Stage, ended
from tests.ledger import meets
from tests.store.conftest import Pair
from tests.store.examples import NOW, Clock, a_client, a_consent, a_grant, a_person, a_version, an_event, kinds

CLIENT = a_client("https://app.example/client.json", route=Route.CIMD)
OTHER = a_client("https://other.example/client.json", route=Route.CIMD)
ANN = a_person("ann")
FIRST = a_version(CLIENT)
SECOND = a_version(CLIENT, 2, at=NOW + 600)


@pytest.fixture
async def met(store: Store) -> Store:
    """A store with the client, its first version and somebody who may allow it something."""
    assert await store.meet(CLIENT, FIRST, an_event("client_met", CLIENT))
    await store.add_person(ANN, an_event("person_added"))
    return store


def named(before: Client, **members: bytes) -> Client:
    return structs.replace(before, metadata=members.get("metadata", b'{"client_name":"new"}'), decision=members.get("decision", b'["new"]'))


# Meeting --------------------------------------------------------------------------------------------------------------------------


async def test_a_client_is_met_with_the_first_version_of_its_document(store: Store) -> None:
    assert await store.meet(CLIENT, FIRST, an_event("client_met", CLIENT))

    assert await store.client(CLIENT.key) == CLIENT
    assert await store.version(CLIENT.key) == await store.version(CLIENT.key, 1) == FIRST
    assert await store.versions(CLIENT.key) == [FIRST]
    assert await kinds(store) == ["client_met"]


async def test_every_field_of_a_version_survives(store: Store) -> None:
    full = replace(FIRST, url="", failed_at=NOW + 1, failure="NO_ANSWER", gone_at=NOW + 2)

    await store.meet(CLIENT, full, an_event("client_met", CLIENT))

    assert await store.version(CLIENT.key) == full


async def test_who_is_there_already_is_not_met_again(met: Store) -> None:
    namesake = structs.replace(CLIENT, incarnation=b"j" * 8, metadata=b"{}")

    assert not await met.meet(namesake, replace(FIRST, body=b"{}"), an_event("client_met", CLIENT))

    assert await met.client(CLIENT.key) == CLIENT
    assert await met.versions(CLIENT.key) == [FIRST]
    assert await kinds(met) == ["client_met", "person_added"]


@pytest.mark.parametrize("change", [{"client_id": "https://app.example/Client.json"}, {"route": Route.LOOKER}])
async def test_a_key_that_belongs_to_another_name_is_a_collision(met: Store, change: dict[str, object]) -> None:
    stranger = structs.replace(CLIENT, **change)

    with pytest.raises(KeyCollision, match="another name"):
        await met.meet(stranger, FIRST, an_event("client_met", CLIENT))

    assert await met.client(CLIENT.key) == CLIENT
    assert await kinds(met) == ["client_met", "person_added"]


@pytest.mark.parametrize("version", [a_version(OTHER), a_version(CLIENT, 2)])
async def test_a_client_is_met_with_no_other_document_and_no_later_version(store: Store, version: Version) -> None:
    with pytest.raises(ValueError, match="first version of its own document"):
        await store.meet(CLIENT, version, an_event("client_met", CLIENT))

    assert await store.client(CLIENT.key) is None


@meets("D-13")
async def test_one_address_by_two_routes_is_two_clients_with_documents_of_their_own(met: Store) -> None:
    namesake = a_client(CLIENT.client_id, route=Route.LOOKER)

    assert await met.meet(namesake, a_version(namesake), an_event("client_met", namesake))

    assert [client.route for client in await met.clients("", 9)] == [Route.CIMD, Route.LOOKER] or namesake.key < CLIENT.key
    assert await met.versions(CLIENT.key) == [FIRST]
    assert await met.versions(namesake.key) == [a_version(namesake)]


async def test_of_many_who_meet_a_client_at_once_one_does(pair: Pair) -> None:
    lives = [structs.replace(CLIENT, incarnation=bytes([number]) * 8) for number in range(8)]

    ends = await asyncio.gather(
        *(store.meet(life, FIRST, an_event("client_met", life)) for store in (pair.here, pair.there) for life in lives[:4])
    )

    assert sorted(ends) == [False] * 7 + [True]
    assert await pair.there.versions(CLIENT.key) == [FIRST]
    assert await kinds(pair.here) == ["client_met"]


async def test_an_unknown_client_has_no_versions(met: Store) -> None:
    assert await met.version(OTHER.key) is None
    assert await met.version(CLIENT.key, 2) is None
    assert await met.versions(OTHER.key) == []


# Reading again --------------------------------------------------------------------------------------------------------------------


async def test_the_same_document_found_again_changes_how_reading_went_and_nothing_else(met: Store) -> None:
    after = replace(
        FIRST,
        url="https://app.example/moved.json",
        decision=b"[]",
        etag='"b"',
        last_modified="Sat, 21 Nov 2026 12:00:00 GMT",
        checked_at=NOW + 300,
        fresh_until=NOW + 600,
        stale_until=NOW + 4200,
        failed_at=NOW + 301,
        failure="TOO_SLOW",
        gone_at=NOW + 302,
    )

    assert await met.read_again(FIRST, after, None, None)

    assert await met.versions(CLIENT.key) == [after]
    assert await met.client(CLIENT.key) == CLIENT
    assert await kinds(met) == ["client_met", "person_added"]


@meets("D-34")
async def test_another_document_is_the_next_version_and_the_client_becomes_what_it_says(met: Store) -> None:
    became = named(CLIENT)

    assert await met.read_again(FIRST, SECOND, became, an_event("document_changed", CLIENT))

    assert await met.client(CLIENT.key) == became
    assert await met.version(CLIENT.key) == SECOND
    assert await met.version(CLIENT.key, 1) == FIRST
    assert await met.versions(CLIENT.key) == [SECOND, FIRST]
    assert (await kinds(met))[-1] == "document_changed"


async def test_of_what_a_client_became_only_card_and_decision_are_taken(met: Store) -> None:
    await met.replace(CLIENT, structs.replace(CLIENT, epoch=5, owner="operator", last_used_day=99_999), None)

    assert await met.read_again(FIRST, SECOND, named(CLIENT), an_event("document_changed", CLIENT))

    assert await met.client(CLIENT.key) == named(structs.replace(CLIENT, epoch=5, owner="operator", last_used_day=99_999))


async def test_a_new_decision_needs_no_new_version(met: Store) -> None:
    became = structs.replace(CLIENT, decision=b'["new"]')

    assert await met.read_again(FIRST, replace(FIRST, checked_at=NOW + 1), became, None)

    assert await met.client(CLIENT.key) == became


MEANWHILE: dict[str, Callable[[Version], Version]] = {
    "another version": lambda version: a_version(CLIENT, 2),
    "found in force": lambda version: replace(version, checked_at=version.checked_at + 1),
    "a failure": lambda version: replace(version, failed_at=NOW + 1, failure="NO_ANSWER"),
}


@pytest.mark.parametrize("case", MEANWHILE)
async def test_a_reading_that_another_one_overtook_changes_nothing(met: Store, case: str) -> None:
    overtaken = MEANWHILE[case](FIRST)
    assert await met.read_again(FIRST, overtaken, None, None)
    before = await met.versions(CLIENT.key)

    for after in (SECOND, replace(FIRST, checked_at=NOW + 9)):
        assert not await met.read_again(FIRST, after, named(CLIENT), an_event("document_changed", CLIENT), end=True)

    assert await met.versions(CLIENT.key) == before
    assert await met.client(CLIENT.key) == CLIENT
    assert "document_changed" not in await kinds(met)


async def test_another_document_under_the_same_number_is_not_the_one_that_was_read(met: Store) -> None:
    other = replace(FIRST, digest=b"o" * 32)

    assert not await met.read_again(other, replace(other, checked_at=NOW + 9), None, None)

    assert await met.version(CLIENT.key) == FIRST


LIVES: dict[str, Client] = {
    "born again": structs.replace(CLIENT, incarnation=b"j" * 8),
    "suspended": structs.replace(CLIENT, state=State.SUSPENDED),
}


@pytest.mark.parametrize("case", LIVES)
async def test_a_client_that_is_another_by_now_becomes_nothing(met: Store, case: str) -> None:
    assert not await met.read_again(FIRST, SECOND, named(LIVES[case]), an_event("document_changed", CLIENT), end=True)

    assert await met.versions(CLIENT.key) == [FIRST]
    assert await met.client(CLIENT.key) == CLIENT
    assert "document_changed" not in await kinds(met)


@pytest.mark.parametrize("became", [None, named(CLIENT)])
async def test_nothing_is_read_for_a_client_that_is_gone(met: Store, became: Client | None) -> None:
    await met.remove(CLIENT, an_event("client_deleted", CLIENT), NOW + 60)

    assert not await met.read_again(FIRST, SECOND, became, an_event("document_changed", CLIENT))

    assert await met.versions(CLIENT.key) == []
    assert (await kinds(met))[-1] == "client_deleted"


MISTAKES: dict[str, tuple[Version, Client | None]] = {
    "a version left out": (a_version(CLIENT, 3), None),
    "a version backwards": (replace(FIRST, number=0), None),
    "another client's version": (replace(SECOND, client_key=OTHER.key), None),
    "another client": (SECOND, OTHER),
}
FOR_LIFE = ("body", "digest", "metadata", "seen_at")


@pytest.mark.parametrize("case", MISTAKES)
async def test_what_cannot_follow_is_a_mistake(met: Store, case: str) -> None:
    after, client = MISTAKES[case]

    with pytest.raises(ValueError, match=r"another client's|comes the next one"):
        await met.read_again(FIRST, after, client, None)

    assert await met.versions(CLIENT.key) == [FIRST]


@pytest.mark.parametrize("field", FOR_LIFE)
async def test_what_a_version_has_for_life_cannot_be_changed(met: Store, field: str) -> None:
    other: dict[type, object] = {str: "other", bytes: b"other", int: 99}
    after = replace(FIRST, **{field: other[type(getattr(FIRST, field))]})  # type: ignore[arg-type] # of the type that is there

    with pytest.raises(ValueError, match="stay as they were"):
        await met.read_again(FIRST, after, None, None)

    assert await met.version(CLIENT.key) == FIRST


def test_every_field_of_a_version_is_for_life_or_about_its_reading() -> None:
    about_reading = {
        "url",
        "decision",
        "etag",
        "last_modified",
        "checked_at",
        "fresh_until",
        "stale_until",
        "failed_at",
        "failure",
        "gone_at",
    }

    assert {field.name for field in fields(Version)} == {"client_key", "number", *FOR_LIFE, *about_reading}


async def test_twenty_versions_are_kept(met: Store) -> None:
    before = FIRST
    for number in range(2, 24):
        after = a_version(CLIENT, number, at=NOW + number)
        assert await met.read_again(before, after, None, None)
        before = after

    assert [version.number for version in await met.versions(CLIENT.key)] == list(range(23, 3, -1))
    assert await met.version(CLIENT.key, 3) is None


async def test_a_reading_of_one_client_leaves_the_documents_of_another_alone(met: Store) -> None:
    await met.meet(OTHER, a_version(OTHER), an_event("client_met", OTHER))

    await met.read_again(FIRST, SECOND, named(CLIENT), None)

    assert await met.versions(OTHER.key) == [a_version(OTHER)]
    assert await met.client(OTHER.key) == OTHER


async def test_of_readings_at_once_in_two_processes_one_counts(pair: Pair) -> None:
    await pair.here.meet(CLIENT, FIRST, an_event("client_met", CLIENT))
    seconds = [a_version(CLIENT, 2, at=NOW + number) for number in range(8)]

    ends = await asyncio.gather(
        *(
            (pair.here, pair.there)[number % 2].read_again(FIRST, second, named(CLIENT), an_event("document_changed", CLIENT))
            for number, second in enumerate(seconds)
        )
    )

    assert ends.count(True) == 1
    assert await pair.here.versions(CLIENT.key) == [seconds[ends.index(True)], FIRST]
    assert (await kinds(pair.here)).count("document_changed") == 1


# What ends with it ----------------------------------------------------------------------------------------------------------------


async def allowed(store: Store, client: Client = CLIENT, id: bytes = b"g" * 16, stage: Stage = Stage.LIVE) -> None:
    """A grant of the person with a remembered yes."""
    grant = a_grant(client, ANN, id)
    assert await store.give(client, grant, a_consent(client, ANN), an_event("grant_given", client))
    assert await store.change_grant(grant, structs.replace(grant, stage=stage), an_event("grant_redeemed", client))


async def stages(store: Store, client: Client = CLIENT) -> list[Stage]:
    found = [await store.grant(client.key, id * 16) for id in (b"g", b"h", b"p")]
    return [given[0].stage for given in found if given is not None]


@meets("D-34")
async def test_a_document_that_changes_much_ends_every_grant_and_yes_with_it(met: Store) -> None:
    await met.meet(OTHER, a_version(OTHER), an_event("client_met", OTHER))
    for client, id, stage in ((CLIENT, b"g", Stage.LIVE), (CLIENT, b"h", Stage.REVOKED), (CLIENT, b"p", Stage.PENDING)):
        await allowed(met, client, id * 16, stage)
    await allowed(met, OTHER)

    assert await met.read_again(FIRST, SECOND, named(CLIENT), an_event("document_changed", CLIENT), end=True)

    assert await stages(met) == [Stage.REVOKED] * 3
    live = await met.grant(CLIENT.key, b"g" * 16)
    assert live is not None
    assert live[0] == ended(structs.replace(a_grant(CLIENT, ANN), stage=Stage.LIVE))
    assert (await met.grant(CLIENT.key, b"h" * 16) or live)[0].epoch == 1
    assert await met.consents(ANN.id, CLIENT) == []
    assert await stages(met, OTHER) == [Stage.LIVE]
    assert len(await met.consents(ANN.id, OTHER)) == 1


async def test_without_an_end_grants_and_yeses_stay(met: Store) -> None:
    await allowed(met)

    assert await met.read_again(FIRST, SECOND, named(CLIENT), an_event("document_changed", CLIENT))

    assert await stages(met) == [Stage.LIVE]
    assert len(await met.consents(ANN.id, CLIENT)) == 1


@meets("D-56")
async def test_a_client_is_stopped_with_every_grant_and_yes_it_has(met: Store) -> None:
    await met.meet(OTHER, a_version(OTHER), an_event("client_met", OTHER))
    await allowed(met)
    await allowed(met, OTHER)
    stopped = structs.replace(CLIENT, state=State.SUSPENDED, epoch=CLIENT.epoch + 1)

    assert await met.end_all(CLIENT, stopped, an_event("client_suspended", CLIENT))

    assert await met.client(CLIENT.key) == stopped
    assert await stages(met) == [Stage.REVOKED]
    assert await met.consents(ANN.id, CLIENT) == []
    assert await met.allowed(ANN.id) == [(OTHER, [structs.replace(a_grant(OTHER, ANN), stage=Stage.LIVE)])]
    assert (await kinds(met))[-1] == "client_suspended"


async def test_a_card_may_change_with_the_end_of_everything(met: Store) -> None:
    assert await met.end_all(CLIENT, named(CLIENT), an_event("client_suspended", CLIENT))

    assert await met.client(CLIENT.key) == named(CLIENT)


@pytest.mark.parametrize(
    "before", [structs.replace(CLIENT, epoch=9), structs.replace(CLIENT, incarnation=b"j" * 8), structs.replace(CLIENT, state=State.HELD)]
)
async def test_who_is_another_by_now_is_not_stopped(met: Store, before: Client) -> None:
    await allowed(met)

    assert not await met.end_all(before, structs.replace(before, state=State.SUSPENDED), an_event("client_suspended", CLIENT))

    assert await met.client(CLIENT.key) == CLIENT
    assert await stages(met) == [Stage.LIVE]
    assert len(await met.consents(ANN.id, CLIENT)) == 1
    assert "client_suspended" not in await kinds(met)


async def test_what_a_client_has_for_life_does_not_end(met: Store) -> None:
    with pytest.raises(ValueError, match="cannot change"):
        await met.end_all(CLIENT, structs.replace(CLIENT, issued_at=1), an_event("client_suspended", CLIENT))


@meets("S1-46")
async def test_a_removed_client_takes_its_documents_along(met: Store) -> None:
    await met.meet(OTHER, a_version(OTHER), an_event("client_met", OTHER))
    await met.read_again(FIRST, SECOND, None, None)

    await met.remove(CLIENT, an_event("client_deleted", CLIENT), NOW + 60)

    assert await met.versions(CLIENT.key) == []
    assert await met.versions(OTHER.key) == [a_version(OTHER)]
    assert await met.meet(CLIENT, FIRST, an_event("client_met", CLIENT))


async def test_an_address_carries_no_registration_access_token(met: Store) -> None:
    await met.meet(structs.replace(OTHER, rat=Generations(1, 2, 8, 9)), a_version(OTHER), an_event("client_met", OTHER))
    await met.register(structs.replace(a_client("c1"), rat=Generations(1, 2, 3, 4)), an_event(), None)

    assert await met.generations_by_key() == {3: 1, 4: 1}


async def test_of_the_grants_of_a_client_those_are_counted_that_live(met: Store) -> None:
    disabled, changed = a_person("disabled"), a_person("changed")
    for person, id in ((disabled, b"d"), (changed, b"c")):
        await met.add_person(person, an_event("person_added"))
        grant = a_grant(CLIENT, person, id * 16)
        assert await met.give(CLIENT, grant, None, an_event("grant_given", CLIENT))
        assert await met.change_grant(grant, structs.replace(grant, stage=Stage.LIVE), an_event("grant_redeemed", CLIENT))
    for id, stage in ((b"g", Stage.LIVE), (b"h", Stage.REVOKED), (b"p", Stage.PENDING)):
        await allowed(met, CLIENT, id * 16, stage)
    assert await met.grants_alive(CLIENT) == 3

    await met.change_person(disabled, structs.replace(disabled, active=False), an_event("person_changed"))
    await met.change_person(changed, structs.replace(changed, epoch=2), an_event("person_changed"))

    assert await met.grants_alive(CLIENT) == 1
    assert await met.grants_alive(structs.replace(CLIENT, incarnation=b"j" * 8)) == 0
    assert await met.grants_alive(OTHER) == 0


# Documents for developers ---------------------------------------------------------------------------------------------------------

HOSTED = HostedDocument("abc", b'{"client_name":"Notes"}', "ann", NOW, NOW + 60)


async def test_a_document_is_kept_for_a_developer_until_it_is_dropped(store: Store) -> None:
    await store.host_document(HOSTED, an_event("document_hosted"))

    assert await store.hosted_document("abc") == HOSTED
    assert await store.drop_hosted("abc", an_event("document_dropped"))
    assert await store.hosted_document("abc") is None
    assert not await store.drop_hosted("abc", an_event("document_dropped"))
    assert await kinds(store) == ["document_hosted", "document_dropped"]


async def test_an_id_is_given_once(store: Store) -> None:
    await store.host_document(HOSTED, an_event("document_hosted"))

    with pytest.raises(ValueError, match="already"):
        await store.host_document(replace(HOSTED, body=b"{}"), an_event("document_hosted"))

    assert await store.hosted_document("abc") == HOSTED
    assert await kinds(store) == ["document_hosted"]


async def test_expired_documents_go_when_another_one_comes(store: Store, clock: Clock) -> None:
    for name, ends in (("over", NOW + 60), ("not yet", NOW + 61)):
        await store.host_document(replace(HOSTED, id=name, expires_at=ends), an_event("document_hosted"))
    assert await store.hosted_document("over") is not None

    await store.host_document(replace(HOSTED, created_at=NOW + 60, expires_at=NOW + 120), an_event("document_hosted"))

    assert await store.hosted_document("over") is None
    assert await store.hosted_document("not yet") is not None
    assert await store.hosted_document("abc") is not None


async def test_a_closed_store_takes_no_document(pair: Pair) -> None:
    await pair.here.close()

    for refused in (
        pair.here.meet(CLIENT, FIRST, an_event("client_met", CLIENT)),
        pair.here.read_again(FIRST, SECOND, None, None),
        pair.here.host_document(HOSTED, an_event("document_hosted")),
        pair.here.drop_hosted("abc", an_event("document_dropped")),
    ):
        with pytest.raises(StoreUnavailable):
            await refused
