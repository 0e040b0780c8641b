"""What is kept of good answers: as long as HTTP and our bounds let it be, for exactly one URL (D-31, D-33, D-46, X-41, X-47)."""

import pytest

from calling_card.fetch import memory
from calling_card.fetch.https import HttpsFetcher
from calling_card.protocol.abroad.fetching import DOCUMENT, KEY_SET, SECTOR, Fetched, Unfetched, Why
from tests.fetch.stranger import NOW, URL, Lab, Play, resets, says
from tests.ledger import meets

FIRST, SECOND = b'{"keys":[1]}', b'{"keys":[2]}'


async def body(fetcher: HttpsFetcher, **more: int) -> bytes:
    return (await fetcher.kept(URL, KEY_SET, **more)).body


@meets("D-31")
@pytest.mark.parametrize(
    "cache_control, seconds", [("max-age=600", 600), ("max-age=1", 60), ("", 300), ("max-age=999999", 86400), ("no-cache", 60)]
)
async def test_an_answer_is_asked_for_again_when_its_time_is_over(lab: Lab, cache_control: str, seconds: int) -> None:
    async with lab.host(says(200, FIRST, Cache_Control=cache_control)) as host:
        fetcher = lab.fetcher()
        assert await body(fetcher) == FIRST
        host.play = says(200, SECOND)

        lab.clock.now += seconds - 1
        assert await body(fetcher) == FIRST
        lab.clock.now += 1
        assert await body(fetcher) == SECOND
        assert host.connections == 2


@meets("D-31")
async def test_what_must_not_be_stored_is_not(lab: Lab) -> None:
    async with lab.host(says(200, FIRST, Cache_Control="no-store")) as host:
        fetcher = lab.fetcher()
        await fetcher.kept(URL, SECTOR)
        await fetcher.kept(URL, SECTOR)

        assert host.connections == 2
        assert fetcher._shelf(SECTOR)._known == {}


@meets("R-48", "X-41")
async def test_keys_are_asked_for_once_a_minute_whatever_their_host_wants(lab: Lab) -> None:
    async with lab.host(says(200, FIRST, Cache_Control="no-store")) as host:
        fetcher = lab.fetcher()
        for _ in range(5):
            assert await body(fetcher) == FIRST
        host.play = says(200, SECOND, Cache_Control="no-store")
        lab.clock.now += KEY_SET.least - 1
        assert await body(fetcher) == FIRST
        lab.clock.now += 1
        assert await body(fetcher) == SECOND

        assert host.connections == 2


@meets("X-41")
async def test_a_newer_one_is_fetched_only_when_what_is_there_is_older(lab: Lab) -> None:
    async with lab.host(says(200, FIRST)) as host:
        fetcher = lab.fetcher()
        await body(fetcher)
        host.play = says(200, SECOND)

        assert await body(fetcher, newer_than=NOW) == FIRST
        lab.clock.now += 60
        assert await body(fetcher, newer_than=NOW + 1) == SECOND


@meets("D-33", "X-47")
async def test_what_has_not_changed_is_not_sent_again(lab: Lab) -> None:
    async with lab.host(says(200, FIRST, ETag='"v1"', Last_Modified="then", Cache_Control="max-age=60")) as host:
        fetcher = lab.fetcher()
        await body(fetcher)
        host.play = says(304, b"", None, ETag='"v1"', Cache_Control="max-age=120")
        lab.clock.now += 60

        assert await fetcher.kept(URL, KEY_SET) == Fetched(
            200, FIRST, NOW + 60, cache_control="max-age=120", etag='"v1"', last_modified="then"
        )
        assert (host.head["if-none-match"], host.head["if-modified-since"]) == ('"v1"', "then")
        lab.clock.now += 119
        assert await body(fetcher) == FIRST
        assert host.connections == 2


@meets("X-47")
async def test_a_304_with_another_etag_keeps_nothing_alive(lab: Lab) -> None:
    async with lab.host(says(200, FIRST, ETag='"v1"')) as host:
        fetcher = lab.fetcher()
        await body(fetcher)
        host.play = says(304, b"", None, ETag='"v2"')
        lab.clock.now += 300

        with pytest.raises(Unfetched) as no:
            await body(fetcher)

        assert no.value.why is Why.STATUS


@meets("D-46", "X-41")
@pytest.mark.parametrize("play", [resets, says(503)])
async def test_the_last_good_one_stands_in_for_a_bounded_time(lab: Lab, play: Play) -> None:
    async with lab.host(says(200, FIRST)) as host:
        fetcher = lab.fetcher(stale_if_error=1000)
        await body(fetcher)
        host.play = play

        lab.clock.now += 300
        assert await body(fetcher) == FIRST
        lab.clock.now += 999
        assert await body(fetcher) == FIRST
        lab.clock.now += 1
        with pytest.raises(Unfetched):
            await body(fetcher)


@meets("D-46")
@pytest.mark.parametrize(
    "play, why", [(says(404), Why.GONE), (says(410), Why.GONE), (says(403), Why.STATUS), (says(media="text/html"), Why.MEDIA)]
)
async def test_nothing_stands_in_for_what_its_owner_took_back(lab: Lab, play: Play, why: Why) -> None:
    async with lab.host(says(200, FIRST)) as host:
        fetcher = lab.fetcher()
        await body(fetcher)
        lab.clock.now += 300

        for later in (play, says(503)):
            host.play = later
            with pytest.raises(Unfetched) as no:
                await body(fetcher)
            assert no.value.why is (why if later is play else Why.BROKEN)
            lab.clock.now += 30


@meets("D-46")
async def test_nothing_stands_in_after_its_time_when_its_owner_forbids_it(lab: Lab) -> None:
    async with lab.host(says(200, FIRST, Cache_Control="max-age=60, must-revalidate")) as host:
        fetcher = lab.fetcher()
        await body(fetcher)
        host.play = says(503)

        lab.clock.now += 60
        with pytest.raises(Unfetched):
            await body(fetcher)


@meets("D-32", "X-47")
async def test_failures_are_not_kept(lab: Lab) -> None:
    async with lab.host(says(500, FIRST, Cache_Control="max-age=600")) as host:
        fetcher = lab.fetcher()
        with pytest.raises(Unfetched):
            await body(fetcher)
        host.play = says(200, SECOND)
        lab.clock.now += 31

        assert await body(fetcher) == SECOND


@meets("X-47")
async def test_each_address_and_each_purpose_has_its_own(lab: Lab) -> None:
    async with lab.host(says(200, FIRST, Vary="*")) as host:
        fetcher = lab.fetcher()
        await fetcher.kept(URL, KEY_SET)
        host.play = says(200, SECOND)

        assert (await fetcher.kept(f"{URL}?a", KEY_SET)).body == SECOND
        assert (await fetcher.kept(URL, DOCUMENT)).body == SECOND
        assert (await fetcher.kept(URL, KEY_SET)).body == FIRST


async def test_what_is_forgotten_is_fetched_again(lab: Lab) -> None:
    async with lab.host(says(200, FIRST)) as host:
        fetcher = lab.fetcher()
        await body(fetcher)
        host.play = says(200, SECOND)

        fetcher.forget(URL)

        assert await body(fetcher) == SECOND


async def test_what_is_kept_is_bounded_in_number_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ANSWERS", 3)
    monkeypatch.setattr(memory, "ROOM", 10_000)
    some = memory.Answers(0)

    for number in range(5):
        some.keep(str(number), Fetched(200, b"x", NOW))
    assert list(some._known) == ["2", "3", "4"]
    some.of("2")
    some.keep("large", Fetched(200, b"x" * 7000, NOW))
    assert list(some._known) == ["2", "large"]
    some.keep("too large", Fetched(200, b"x" * 10_000, NOW))
    assert list(some._known) == ["2", "large"]
    some.keep("2", Fetched(200, b"x", NOW))
    assert some._size == sum(kept.size for kept in some._known.values())
    some.drop("2")
    some.drop("large")
    assert (some._known, some._size) == ({}, 0)


@meets("X-41")
def test_what_somebody_proved_themselves_by_is_let_go_of_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ANSWERS", 3)
    some = memory.Answers(0)
    some.keep("proven", Fetched(200, b"x", NOW))
    some.prove("proven")
    some.prove("unknown")

    for number in range(10):
        some.keep(str(number), Fetched(200, b"x", NOW))
    some.keep("proven", Fetched(200, b"y", NOW))
    for number in range(10):
        some.keep(str(number), Fetched(200, b"x", NOW))

    kept = some.of("proven")
    assert kept is not None
    assert kept.fetched.body == b"y"
    some.keep("other", Fetched(200, b"x", NOW))
    some.prove("other")
    for number in range(10):
        some.keep(str(number), Fetched(200, b"x", NOW))
    assert some.of("proven") is None
    assert some.of("other") is not None
    assert some.of("9") is not None
    assert some._size == sum(one.size for shelf in (some._known, some._proven) for one in shelf.values())


@meets("X-41")
async def test_pictures_do_not_push_keys_out(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ANSWERS", 1)
    async with lab.host(says(200, FIRST)) as host:
        fetcher = lab.fetcher()
        await body(fetcher)
        assert fetcher.fresh(URL, KEY_SET)
        fetcher.proven(URL, KEY_SET)
        await fetcher.kept(URL, SECTOR)
        assert await body(fetcher) == FIRST

        assert host.connections == 2
        assert not fetcher.fresh(URL, KEY_SET, newer_than=lab.clock.now + 1)
