"""What is brought to strangers goes through the same door as what is fetched from them (X-01, X-02, X-08)."""

import asyncio

import pytest

from calling_card.fetch import door
from calling_card.fetch.https import HttpsFetcher
from calling_card.protocol.abroad.fetching import DOCUMENT, WEBHOOK, Posted, Unfetched, Why
from tests.fetch.stranger import ADDRESS, NAME, Host, Lab, Play, dribbles, hanging, hangs, hosting, resets, says, writes
from tests.ledger import meets

HOOK = f"https://{NAME}/hook?key=1"
BODY = b'{"type":"ping"}'
HEADERS = {"webhook-id": "ping_1", "webhook-timestamp": "1800000000", "webhook-signature": "v1,AAAA"}


async def bring(fetcher: HttpsFetcher, url: str = HOOK) -> Posted:
    return await fetcher.post(url, BODY, HEADERS, WEBHOOK)


async def why(fetcher: HttpsFetcher, url: str = HOOK) -> Why:
    with pytest.raises(Unfetched) as no:
        await bring(fetcher, url)
    return no.value.why


def reading(answer: Play, got: list[bytes]) -> Play:
    """Takes the body before it answers."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readexactly(len(BODY)))
        await answer(reader, writer)

    return play


async def test_the_body_and_its_headers_arrive_as_they_were_and_nothing_else_is_said(lab: Lab) -> None:
    got: list[bytes] = []
    async with lab.host(reading(says(202, b"thanks"), got)) as host:
        found = await bring(lab.fetcher())

    assert found == Posted(202, b"thanks")
    assert got == [BODY]
    assert host.heads[0].startswith(b"POST /hook?key=1 HTTP/1.1\r\n")
    assert host.head == {
        "host": NAME,
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "calling-card/0 (+https://as.example)",
        "content-type": "application/json",
        "content-length": str(len(BODY)),
        **HEADERS,
    }


@pytest.mark.parametrize("status", [200, 204, 302, 307, 308, 400, 404, 410, 500, 503])
@meets("X-08")
async def test_every_status_is_an_answer_and_a_redirect_is_not_followed(lab: Lab, status: int) -> None:
    async with lab.host(says(status, b"", Location="https://app.example/else")) as host:
        found = await bring(lab.fetcher())

        assert found.status == status
        assert host.connections == 1
    assert lab.network.dialled == [(ADDRESS, 443)]


@pytest.mark.parametrize("header, seconds", [("120", 120), ("0", 0), ("Fri, 31 Dec 1999 23:59:59 GMT", 0), ("-5", 0), ("9" * 40, 0)])
async def test_seconds_to_be_left_alone_are_read(lab: Lab, header: str, seconds: int) -> None:
    async with lab.host(says(429, b"", Retry_After=header)):
        assert (await bring(lab.fetcher())).retry_after == seconds


async def test_of_a_huge_answer_only_the_beginning_is_taken(lab: Lab) -> None:
    async with lab.host(says(200, b"x" * 3_000_000)):
        found = await bring(lab.fetcher())

    assert (found.status, len(found.body)) == (200, WEBHOOK.limit)


@meets("X-01", "X-03", "X-04")
@pytest.mark.parametrize(
    "url",
    [
        "http://app.example/hook",
        "https://user:secret@app.example/hook",
        "https://app.example/hook#there",
        "https://app.example:22/hook",
        "https://127.0.0.1/hook",
        "https://localhost/hook",
        "https://[::1]/hook",
        "https://10.0.0.1/hook",
        "https://169.254.169.254/latest",
        "https://2130706433/hook",
        "https://0x7f000001/hook",
        "https://metadata.internal/hook",
        "https://db/hook",
        "ftp://app.example/hook",
        "https://as.example/register",
    ],
)
async def test_what_is_not_fetched_from_is_not_brought_to_and_nobody_is_asked(lab: Lab, url: str) -> None:
    assert await why(lab.fetcher(own_host="https://as.example"), url) is Why.ADDRESS

    assert (lab.network.asked, lab.network.dialled) == ([], [])


@meets("X-01", "X-07")
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "fd00:ec2::254", "::ffff:10.0.0.1"])
async def test_a_name_that_leads_inside_is_not_dialled(lab: Lab, address: str) -> None:
    lab.network.addresses[NAME] = ["93.184.216.34", address]

    assert await why(lab.fetcher()) is Why.UNREACHABLE
    assert lab.network.dialled == []


@meets("X-01")
async def test_a_host_that_does_not_prove_its_name_gets_nothing(lab: Lab) -> None:
    async with hosting(Host(), lab.tls("other.example")) as host:
        lab.network.connect(host)

        assert await why(lab.fetcher()) is Why.UNREACHABLE
        assert host.heads == []


@pytest.mark.parametrize(
    "play, expected",
    [
        (hangs, Why.SLOW),
        (hanging(b"HTTP/1.1 200 OK\r\n"), Why.SLOW),
        (dribbles(b"x", 0.05), Why.SLOW),
        (resets, Why.UNREACHABLE),
        (writes(b"no HTTP\r\n\r\n"), Why.UNREACHABLE),
    ],
    ids=["hangs", "half a head", "dribbles", "resets", "no HTTP"],
)
async def test_a_bad_receiver_ends_in_time(lab: Lab, monkeypatch: pytest.MonkeyPatch, play: Play, expected: Why) -> None:
    monkeypatch.setattr(door, "TOTAL_OF_POST", 0.7)
    async with lab.host(play):
        assert await why(lab.fetcher()) is expected


async def test_a_failure_is_not_remembered(lab: Lab) -> None:
    async with lab.host(resets) as host:
        fetcher = lab.fetcher()
        first = await why(fetcher)
        host.play = says(200, b"")

        assert (first, (await bring(fetcher)).status) == (Why.UNREACHABLE, 200)


async def test_slow_receivers_take_no_place_from_what_is_fetched(lab: Lab) -> None:
    there = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there.set()
        await hangs(reader, writer)

    async with lab.host(slow), lab.host(says(), "keys.example", "93.184.216.35"):
        fetcher = lab.fetcher(most=1, most_of_a_host=1)
        waiting = asyncio.create_task(bring(fetcher))
        await asyncio.wait_for(there.wait(), 10)

        found = await fetcher.get("https://keys.example/client.json", DOCUMENT)
        waiting.cancel()

    assert found.status == 200
    await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize("loopback", [True, False])
async def test_this_machine_gets_something_in_development_alone(lab: Lab, loopback: bool) -> None:
    async with hosting(Host(says(200, b"")), None) as host:
        fetcher = lab.fetcher(loopback=loopback)
        lab.network.wires["127.0.0.1"] = host.port
        url = f"http://127.0.0.1:{host.port}/hook"

        if loopback:
            assert (await bring(fetcher, url)).status == 200
        else:
            assert await why(fetcher, url) is Why.ADDRESS
            assert lab.network.dialled == []
