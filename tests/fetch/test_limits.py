"""How much goes out at once, for whom, and how long a failure is remembered (D-32, D-36, X-09, X-47)."""

import asyncio
import time
from collections import Counter

import pytest

from calling_card.fetch import memory, places
from calling_card.fetch.https import HttpsFetcher, Outward
from calling_card.fetch.places import Places
from calling_card.protocol.abroad.fetching import DOCUMENT, KEY_SET, LOGO, Fetched, Unfetched, Why
from tests.fetch.stranger import ADDRESS, BODY, NAME, URL, Host, Lab, Play, hosting, says
from tests.ledger import meets


class Gate:
    """Answers, all of them held back until the gate opens."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.came = asyncio.Semaphore(0)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came.release()
        await self.open.wait()
        await says()(reader, writer)


async def ends(tasks: list[asyncio.Task[Fetched]]) -> Counter[Why | None]:
    """How many fetches were refused for what; None: not at all."""
    found = await asyncio.gather(*tasks, return_exceptions=True)
    return Counter(end.why if isinstance(end, Unfetched) else None for end in found)


def start(fetcher: HttpsFetcher, *urls: str) -> list[asyncio.Task[Fetched]]:
    return [asyncio.create_task(fetcher.get(url, DOCUMENT)) for url in urls]


# ── One flight ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-36", "X-09")
async def test_a_thousand_who_want_the_same_share_one_fetch(lab: Lab) -> None:
    gate = Gate()
    async with lab.host(gate) as host:
        tasks = start(lab.fetcher(), *[URL] * 1000)
        await gate.came.acquire()
        gate.open.set()

        assert await ends(tasks) == {None: 1000}
        assert host.connections == 1
        assert lab.network.asked == [NAME]


@meets("D-36")
async def test_who_stops_waiting_takes_nobodys_fetch_away(lab: Lab) -> None:
    gate = Gate()
    async with lab.host(gate) as host:
        first, second = start(lab.fetcher(), URL, URL)
        await gate.came.acquire()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.open.set()

        assert (await second).body == BODY
        assert host.connections == 1


@meets("D-36")
async def test_a_fetch_that_nobody_waits_for_any_more_ends_without_a_word(lab: Lab) -> None:
    gate = Gate()
    async with lab.host(gate):
        fetcher = lab.fetcher()
        (task,) = start(fetcher, URL)
        await gate.came.acquire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.open.set()

        assert (await fetcher.get(URL, DOCUMENT)).body == BODY
        assert fetcher._flights == {}


@meets("D-36")
async def test_a_failure_is_shared_too_and_each_gets_one_of_their_own(lab: Lab) -> None:
    async with lab.host(says(404)) as host:
        ended = await asyncio.gather(*start(lab.fetcher(), *[URL] * 10), return_exceptions=True)

        assert len({id(end) for end in ended}) == 10
        assert {end.why for end in ended if isinstance(end, Unfetched)} == {Why.GONE}
        assert host.connections == 1


@meets("X-47")
async def test_what_is_wanted_for_something_else_or_with_other_validators_is_another_fetch(lab: Lab) -> None:
    async with lab.host() as host:
        fetcher = lab.fetcher(most_of_a_host=4)

        await asyncio.gather(
            fetcher.get(URL, DOCUMENT),
            fetcher.get(URL, KEY_SET),
            fetcher.get(URL, DOCUMENT, etag='"v1"'),
            fetcher.get(f"{URL}?a", DOCUMENT),
        )

        assert host.connections == 4


# ── Places ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-36", "X-09")
async def test_a_thousand_addresses_of_one_host_make_two_connections(lab: Lab) -> None:
    gate = Gate()
    async with lab.host(gate) as host:
        fetcher = lab.fetcher()
        tasks = start(fetcher, *[f"{URL}?{number}" for number in range(1000)])
        await asyncio.wait(tasks[2:])
        await gate.came.acquire()
        await gate.came.acquire()

        assert host.connections == 2
        gate.open.set()
        assert await ends(tasks) == {None: 2, Why.BUSY: 998}
        assert host.most_at_once == 2


@meets("D-36")
async def test_there_is_a_limit_for_all_hosts_together(lab: Lab) -> None:
    gate, hosts = Gate(), [f"h{number}.example" for number in range(20)]
    async with hosting(Host(gate), lab.tls(*hosts)) as host:
        for index, name in enumerate(hosts):
            lab.network.connect(host, name, f"93.184.216.{index + 1}")
        fetcher = lab.fetcher(most=16)
        tasks = start(fetcher, *[f"https://{name}/" for name in hosts[:14]])
        others = [asyncio.create_task(fetcher.get(f"https://{name}/", KEY_SET)) for name in hosts[14:]]
        for _ in range(16):
            await gate.came.acquire()
        await asyncio.wait([*tasks[12:], *others[4:]])

        assert host.most_at_once == 16
        gate.open.set()
        assert await ends([*tasks, *others]) == {None: 16, Why.BUSY: 4}


@meets("D-36", "X-09")
async def test_one_purpose_leaves_places_for_the_others(lab: Lab) -> None:
    gate, hosts = Gate(), [f"h{number}.example" for number in range(20)]
    async with hosting(Host(gate), lab.tls(*hosts)) as host:
        for index, name in enumerate(hosts):
            lab.network.connect(host, name, f"93.184.216.{index + 1}")
        tasks = start(lab.fetcher(most=16), *[f"https://{name}/" for name in hosts])
        await asyncio.wait(tasks[12:])

        assert host.most_at_once == 12
        gate.open.set()
        assert await ends(tasks) == {None: 12, Why.BUSY: 8}


@meets("D-36")
async def test_a_crowd_at_one_host_takes_no_place_of_another(lab: Lab) -> None:
    gate = Gate()
    async with lab.host(gate), lab.host(says(), "other.example", "93.184.216.35"):
        fetcher = lab.fetcher(most=4)
        crowd = start(fetcher, *[f"{URL}?{number}" for number in range(8)])
        await gate.came.acquire()
        await gate.came.acquire()

        assert (await fetcher.get("https://other.example/", DOCUMENT)).body == BODY
        gate.open.set()
        await ends(crowd)


@meets("X-09")
async def test_a_host_that_hangs_up_at_once_is_not_asked_faster_for_that(lab: Lab) -> None:
    lab.network.addresses[NAME] = [ADDRESS]
    names, dial, least = lab.network.names, lab.network.dial, 2 * places.PATIENCE
    fetcher = HttpsFetcher(Outward("x", most_of_a_host=1), lab.clock.wall, time.monotonic, names=names, dial=dial, least=least)

    assert await ends(start(fetcher, f"{URL}?1", f"{URL}?2")) == {Why.UNREACHABLE: 1, Why.BUSY: 1}
    assert len(lab.network.dialled) == 1


async def test_who_finds_no_place_waits_a_moment_for_one() -> None:
    some, order = Places(1, 1, patience=60), list[int]()

    async def stay(number: int) -> None:
        async with some.taken("a.example", "keys"):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(stay(number) for number in range(4)))

    assert order == [0, 1, 2, 3]
    assert places.PATIENCE == 0.5


@meets("D-36")
async def test_what_was_too_much_is_not_remembered_as_a_failure(lab: Lab) -> None:
    gate = Gate()
    async with lab.host(gate):
        fetcher = lab.fetcher(most_of_a_host=1)
        busy = start(fetcher, f"{URL}?1")
        await gate.came.acquire()
        assert await ends(start(fetcher, URL)) == {Why.BUSY: 1}
        gate.open.set()
        await ends(busy)

        assert (await fetcher.get(URL, DOCUMENT)).body == BODY


async def test_places_are_given_back_and_leave_nothing_behind() -> None:
    some = Places(1, 1, patience=0)
    for _ in range(3):
        async with some.taken("a.example", "keys"):
            with pytest.raises(Unfetched):
                async with some.taken("a.example", "keys"):
                    raise AssertionError
            with pytest.raises(Unfetched):
                async with some.taken("b.example", "keys"):
                    raise AssertionError

    assert (some._hosts, some._users, some._waiting) == ({}, {}, 0)


async def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "CROWD", 1)
    some = Places(2, 1, patience=5)

    async def wait() -> None:
        async with some.taken("a.example", "keys"):
            pass

    async with some.taken("a.example", "keys"):
        waiting = [asyncio.create_task(wait()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unfetched) as no:
            await wait()
        assert no.value.why is Why.BUSY
    await asyncio.gather(*waiting)


async def test_what_goes_wrong_inside_a_place_is_told_as_it_is() -> None:
    some = Places(1, 1)

    with pytest.raises(TimeoutError):
        async with some.taken("a.example", "keys"):
            raise TimeoutError

    assert some._hosts == {}


# ── The memory of failures ───────────────────────────────────────────────────────────────────────────────────────────


async def why(fetcher: HttpsFetcher, url: str = URL) -> Why:
    with pytest.raises(Unfetched) as no:
        await fetcher.get(url, DOCUMENT)
    return no.value.why


@meets("D-32", "X-09")
@pytest.mark.parametrize(
    "play, reason", [(says(500), Why.BROKEN), (says(404), Why.GONE), (says(302), Why.STATUS), (says(media="text/html"), Why.MEDIA)]
)
async def test_a_failure_is_remembered_for_half_a_minute(lab: Lab, play: Play, reason: Why) -> None:
    async with lab.host(play) as host:
        fetcher = lab.fetcher()
        for _ in range(5):
            assert await why(fetcher) is reason
        assert host.connections == 1

        host.play = says()
        lab.clock.now += 29
        assert await why(fetcher) is reason
        lab.clock.now += 1
        assert (await fetcher.get(URL, DOCUMENT)).body == BODY
        assert host.connections == 2


@meets("D-32")
async def test_an_operator_can_have_it_tried_again_at_once(lab: Lab) -> None:
    async with lab.host(says(500)) as host:
        fetcher = lab.fetcher()
        assert await why(fetcher) is Why.BROKEN
        host.play = says()
        fetcher.forget(f"{URL}?other")
        assert await why(fetcher) is Why.BROKEN

        fetcher.forget(URL)

        assert (await fetcher.get(URL, DOCUMENT)).body == BODY


@meets("D-32", "X-47")
async def test_what_is_no_picture_may_still_be_a_document(lab: Lab) -> None:
    async with lab.host():
        fetcher = lab.fetcher()
        with pytest.raises(Unfetched):
            await fetcher.get(URL, LOGO)

        assert (await fetcher.get(URL, DOCUMENT)).body == BODY


@meets("D-32")
async def test_a_success_is_not_remembered_by_get(lab: Lab) -> None:
    async with lab.host(says(Cache_Control="max-age=600")) as host:
        fetcher = lab.fetcher()
        await fetcher.get(URL, DOCUMENT)
        await fetcher.get(URL, DOCUMENT)

        assert host.connections == 2


async def test_the_memory_of_failures_is_bounded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "FAILURES", 3)
    fetcher = lab.fetcher()
    for number in range(5):
        await why(fetcher, f"{URL}?{number}")

    assert [url for url, _ in fetcher._failures._known] == [f"{URL}?{number}" for number in (2, 3, 4)]


@meets("D-49", "X-04", "X-75", "X-101")
@pytest.mark.parametrize(
    "url",
    [
        "",
        "app.example",
        "//app.example/",
        "http://app.example/",
        "ftp://app.example/",
        "javascript:alert(1)",
        "https:app.example",
        "https:///app.example/",
        "https://good@app.example/",
        "https://good:pass@app.example/",
        "https://good.example\\@app.example/",
        "https://app.example#@good.example/",
        "https://app.example/#",
        "https://app.example\t/",
        "https://app.example/\n",
        "https://app.example/ x",
        "https://app%2eexample/",
        "https://app.example%00.good.example/",
        "https://app\u3002example/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://app.example./",
        "https://app_example.example/",
        "https://app.example;x/",
        "https://app.example:0/",
        "https://app.example:99999/",
        "https://app.example:*/",
        "https://app.example:22/",
        "https://app.example:25/",
        "https://app.example:80/",
        "https://app.example:6379/",
        "https://xn--a.example/",
        "https://app.example/" + "a" * 2048,
    ],
)
async def test_what_two_readers_could_read_differently_is_not_looked_up(lab: Lab, url: str) -> None:
    async with lab.host():
        assert await why(lab.fetcher(), url) is Why.ADDRESS

    assert (lab.network.asked, lab.network.dialled) == ([], [])


@meets("D-08")
async def test_ports_can_be_limited(lab: Lab) -> None:
    async with lab.host():
        assert (await lab.fetcher(ports=(443,)).get(f"https://{NAME}:443/", DOCUMENT)).body == BODY
        assert await why(lab.fetcher(ports=(443,)), f"https://{NAME}:8443/") is Why.ADDRESS

    assert lab.network.dialled == [(ADDRESS, 443)]
