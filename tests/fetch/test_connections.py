"""How strangers are reached: TLS, clocks, breaks, this machine, an egress proxy (D-10, D-14, D-19, D-50, X-01, X-02, X-52)."""

import asyncio
import base64
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import cast

import httpcore2
import pytest
import trustme
import uvloop

from calling_card.fetch import door, names, pinned
from calling_card.fetch.https import LEAST, HttpsFetcher, Outward
from calling_card.fetch.pinned import PinnedBackend
from calling_card.protocol.abroad.fetching import DOCUMENT, Unfetched, Why
from tests.fetch.stranger import ADDRESS, BODY, NAME, URL, Host, Lab, Play, dribbles, hanging, hangs, hosting, resets, says, writes
from tests.ledger import meets

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def refusal(lab: Lab, url: str = URL, **outward: object) -> Unfetched:
    """How one fetch fails."""
    with pytest.raises(Unfetched) as no:
        await lab.fetcher(**outward).get(url, DOCUMENT)
    return no.value


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less patience, but with connections."""
    monkeypatch.setattr(door, "TOTAL", 1.5)
    monkeypatch.setattr(door, "TIMES", {**door.TIMES, "read": 0.5})


# ── Certificates ─────────────────────────────────────────────────────────────────────────────────────────────────────


def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """A host that shows this."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    return made


def shown(kind: str, ca: trustme.CA) -> ssl.SSLContext | None:
    """What a host shows that has something wrong with it."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    if kind == "plain text":
        return None
    made = {
        "wrong name": lambda: ca.issue_cert("other.example"),
        "a name above": lambda: ca.issue_cert("example"),
        "its address": lambda: ca.issue_cert(ADDRESS),
        "expired": lambda: ca.issue_cert(NAME, not_after=yesterday),
        "not yet valid": lambda: ca.issue_cert(NAME, not_before=datetime.now(UTC) + timedelta(days=1)),
        "unknown authority": lambda: trustme.CA().issue_cert(NAME),
    }
    return context(made[kind]())


@meets("D-50", "X-01", "X-02")
@pytest.mark.parametrize(
    "kind", ["wrong name", "a name above", "its address", "expired", "not yet valid", "unknown authority", "plain text"]
)
async def test_a_host_that_does_not_prove_its_name_is_not_asked(lab: Lab, ca: trustme.CA, kind: str) -> None:
    async with hosting(Host(), shown(kind, ca)) as host:
        lab.network.connect(host)

        no = await refusal(lab)

        assert no.why is Why.UNREACHABLE
        assert host.heads == []


@meets("D-50")
async def test_old_tls_is_not_spoken(lab: Lab, ca: trustme.CA) -> None:
    tls = context(ca.issue_cert(NAME))
    tls.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_1
    async with hosting(Host(), tls) as host:
        lab.network.connect(host)

        assert (await refusal(lab)).why is Why.UNREACHABLE


@meets("X-01")
async def test_a_certificate_file_that_cannot_be_read_lets_nothing_out(lab: Lab) -> None:
    async with lab.host() as host:
        assert (await refusal(lab, ca_file="/nowhere/ca.pem")).why is Why.UNREACHABLE

        assert host.connections == 0


# ── One text for whatever happens before a name is proven ────────────────────────────────────────────────────────────


async def _closed(lab: Lab) -> None:
    lab.network.addresses[NAME] = [ADDRESS]


async def _filtered(lab: Lab) -> None:
    lab.network.addresses[NAME] = [ADDRESS]

    async def swallow(address: str, port: int, seconds: float) -> httpcore2.AsyncNetworkStream:
        lab.network.dialled.append((address, port))
        await asyncio.sleep(seconds)
        raise httpcore2.ConnectTimeout("nothing came back")

    lab.dial = swallow


async def _private(lab: Lab) -> None:
    lab.network.addresses[NAME] = ["10.0.0.5"]


async def _nameless(lab: Lab) -> None:
    del lab


TARGETS: dict[str, Callable[[Lab], Awaitable[None]]] = {
    "closed": _closed,
    "filtered": _filtered,
    "private": _private,
    "without a name": _nameless,
}


@meets("D-48", "X-02")
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("target", TARGETS)
async def test_nobody_can_tell_networks_apart_by_what_they_are_told(lab: Lab, target: str) -> None:
    await TARGETS[target](lab)

    no = await refusal(lab)

    assert no.why is Why.UNREACHABLE
    assert no.why.text == "could not be fetched: its host has to answer by https with a valid certificate, from public addresses"
    assert not any(secret in no.why.text for secret in (ADDRESS, "10.0.0.5", NAME, "443"))


@meets("X-02")
async def test_a_fast_failure_takes_as_long_as_others(lab: Lab) -> None:
    fetcher = HttpsFetcher(Outward("x"), lab.clock.wall, time.monotonic, names=lab.network.names, dial=lab.network.dial)
    began = time.monotonic()

    with pytest.raises(Unfetched):
        await fetcher.get(URL, DOCUMENT)

    assert time.monotonic() - began >= LEAST == 0.3


# ── Breaks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-52")
@pytest.mark.parametrize(
    "play",
    [
        resets,
        writes(b""),
        writes(b"\x00\x01\x02"),
        writes(b"SSH-2.0-OpenSSH_9.9\r\n"),
        writes(b"<html></html>\r\n\r\n"),
        writes(b"HTTP/1.1 abc OK\r\n\r\n"),
        writes(OK),
        writes(OK + b"Content-Length: 100\r\n\r\n{}"),
        writes(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        writes(OK + b"Content-Length: -1\r\n\r\n{}"),
        writes(OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{}"),
        writes(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        writes(OK + b"X: " + b"y" * 200_000 + b"\r\n\r\n{}"),
    ],
)
async def test_a_broken_answer_is_none(lab: Lab, play: Play) -> None:
    assert await lab.why(play) is Why.UNREACHABLE


# ── Clocks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-19")
def test_the_clocks_are_set_as_they_should_be() -> None:
    assert (names.PATIENCE, door.TIMES["connect"], door.TIMES["read"], door.TOTAL) == (2.0, 2.0, 3.0, 5.0)


@meets("D-19", "X-52")
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "play",
    [
        hangs,
        dribbles(b"x", 0.1),
        dribbles(b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.1),
        hanging(OK + b"Content-Length: 100\r\n\r\n{"),
        hanging(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
        hanging(OK + b"Content-Encoding: gzip\r\n\r\n"),
    ],
)
async def test_a_slow_host_is_left_however_it_is_slow(lab: Lab, play: Play) -> None:
    began = time.monotonic()

    why = await lab.why(play)

    assert why is Why.SLOW
    assert time.monotonic() - began < 4


@meets("D-19", "X-52")
async def test_a_body_that_dribbles_in_ends_after_five_seconds_of_wall_clock(lab: Lab) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 4000\r\n\r\n")
        await dribbles(b" ", 0.1)(reader, writer)

    async with lab.host() as host:
        fetcher = lab.fetcher()
        await fetcher.get(f"{URL}?first", DOCUMENT)
        host.play = play
        began = time.monotonic()

        with pytest.raises(Unfetched) as no:
            await fetcher.get(URL, DOCUMENT)

        assert no.value.why is Why.SLOW
        assert 4.5 < time.monotonic() - began < 6


@meets("D-19", "X-02")
@pytest.mark.usefixtures("hasty")
async def test_who_takes_the_connection_and_never_speaks_tls_looks_like_nobody(lab: Lab) -> None:
    async with hosting(Host(hangs), None) as host:
        lab.network.connect(host)

        assert (await refusal(lab)).why is Why.UNREACHABLE


@meets("X-52")
async def test_a_handshake_that_is_given_up_leaves_no_connection_behind(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hosting(Host(hangs), None) as host:
        lab.network.connect(host)
        fetcher = lab.fetcher()
        with pytest.raises(Unfetched):
            await fetcher.get("https://unknown.example/", DOCUMENT)  # libraries and certificates are loaded now
        monkeypatch.setattr(door, "TOTAL", 0.3)

        with pytest.raises(Unfetched) as no:
            await fetcher.get(URL, DOCUMENT)

        assert no.value.why is Why.UNREACHABLE
        await asyncio.wait_for(asyncio.gather(*host._meetings), 10)


@meets("X-52")
async def test_a_slow_host_keeps_nobody_else_waiting(lab: Lab) -> None:
    gate = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        await says()(reader, writer)

    async with lab.host(play, "slow.example", "93.184.216.35"), lab.host():
        fetcher = lab.fetcher()
        slow = asyncio.create_task(fetcher.get("https://slow.example/", DOCUMENT))
        for number in range(5):
            await fetcher.get(f"{URL}/{number}", DOCUMENT)

        assert not slow.done()
        gate.set()
        assert (await slow).body == BODY


# ── Pinning ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-50", "X-07")
async def test_the_connection_goes_to_the_address_that_was_checked_and_tls_to_the_name(lab: Lab) -> None:
    async with lab.host() as host:
        await lab.fetcher().get(f"https://{NAME}:8443/x", DOCUMENT)

        assert lab.network.asked == [NAME]
        assert lab.network.dialled == [(ADDRESS, 8443)]
        assert host.greeted == [NAME]


@meets("D-50")
async def test_the_addresses_are_tried_in_their_order_until_one_answers(lab: Lab) -> None:
    async with lab.host():
        lab.network.addresses[NAME] = ["93.184.216.1", "2606:2800:220:1::1", ADDRESS, "93.184.216.99"]

        await lab.fetcher().get(URL, DOCUMENT)

        assert [address for address, _ in lab.network.dialled] == ["93.184.216.1", "2606:2800:220:1::1", ADDRESS]


@meets("D-50", "X-07")
async def test_a_connection_that_ends_elsewhere_is_closed_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hosting(Host(), None) as host:
        real = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

        class Diverted:
            async def connect_tcp(self, address: str, port: int, timeout: float) -> httpcore2.AsyncNetworkStream:  # noqa: ASYNC109
                return await real.connect_tcp("127.0.0.1", port, timeout)

        monkeypatch.setattr(httpcore2, "AnyIOBackend", Diverted)
        with pytest.raises(httpcore2.ConnectError, match=r"dialled 127.0.0.2 and reached 127.0.0.1"):
            await pinned.dial("127.0.0.2", host.port, 1)

        assert host.heads == []


@meets("D-50")
async def test_the_network_of_one_fetch_has_one_host_and_no_files(lab: Lab) -> None:
    backend = PinnedBackend(NAME, [ADDRESS], lab.network.dial)

    with pytest.raises(httpcore2.ConnectError):
        await backend.connect_tcp("other.example", 443, 1)
    with pytest.raises(httpcore2.ConnectError):
        await backend.connect_unix_socket("/run/docker.sock")
    with pytest.raises(httpcore2.ConnectError, match="no address"):
        await PinnedBackend(NAME, [], lab.network.dial).connect_tcp(NAME, 443, 1)
    await backend.sleep(0)
    assert lab.network.dialled == []


# ── This machine ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-10")
@pytest.mark.parametrize(
    "host_name, address", [("127.0.0.1", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("localhost", "127.0.0.1"), ("[::1]", "::1")]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_in_development_this_machine_is_reached_without_dns(lab: Lab, scheme: str, host_name: str, address: str) -> None:
    tls = lab.tls(host_name.strip("[]")) if scheme == "https" else None
    async with hosting(Host(), tls, address) as host:
        lab.dial = pinned.dial

        found = await lab.fetcher(loopback=True).get(f"{scheme}://{host_name}:{host.port}/x", DOCUMENT)

        assert found.body == BODY
        assert host.head["host"] == f"{host_name}:{host.port}"
        assert lab.network.asked == []


@meets("D-10", "X-01")
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host_name", ["127.0.0.1", "localhost", "[::1]", "127.255.255.254"])
async def test_otherwise_it_is_not(lab: Lab, scheme: str, host_name: str) -> None:
    assert (await refusal(lab, f"{scheme}://{host_name}:8443/x")).why is Why.ADDRESS
    assert (lab.network.asked, lab.network.dialled) == ([], [])


@meets("D-10")
async def test_http_is_for_this_machine_alone_in_development_too(lab: Lab) -> None:
    async with lab.host():
        assert (await refusal(lab, f"http://{NAME}:8080/", loopback=True)).why is Why.ADDRESS
        lab.network.addresses[NAME] = ["127.0.0.1"]
        assert (await refusal(lab, loopback=True)).why is Why.UNREACHABLE

    assert lab.network.dialled == []


@meets("X-01")
@pytest.mark.parametrize("own", ["https://app.example", "https://app.example/tenant", "https://app.example:8443"])
async def test_nobody_makes_us_fetch_from_ourselves(lab: Lab, own: str) -> None:
    async with lab.host():
        assert (await refusal(lab, own_host=own)).why is Why.ADDRESS
        assert (await refusal(lab, "https://APP.example:9000/", own_host=own)).why is Why.ADDRESS
        assert (await lab.fetcher(own_host="https://as.example").get(URL, DOCUMENT)).body == BODY


async def test_in_development_other_ports_of_this_machine_are_others(lab: Lab) -> None:
    async with hosting(Host(), None) as host:
        lab.dial = pinned.dial
        fetcher = lab.fetcher(loopback=True, own_host="http://127.0.0.1:8000")

        assert (await fetcher.get(f"http://127.0.0.1:{host.port}/", DOCUMENT)).body == BODY
        with pytest.raises(Unfetched) as no:
            await fetcher.get("http://127.0.0.1:8000/", DOCUMENT)

        assert no.value.why is Why.ADDRESS


# ── An egress proxy ──────────────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def proxying(to: Host, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> AsyncGenerator[Host]:
    """A proxy that connects everything to one host."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        there, back = await asyncio.open_connection("127.0.0.1", to.port)
        try:
            await asyncio.gather(pump(reader, back), pump(there, writer))
        finally:
            back.close()

    async with hosting(Host(play), None) as proxy:
        yield proxy


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65536):
        writer.write(part)
    writer.close()


@meets("D-14", "X-01")
async def test_an_egress_proxy_knows_names_and_judges_addresses_itself(lab: Lab) -> None:
    async with lab.host() as host, proxying(host) as proxy:
        fetcher = lab.fetcher(proxy=f"http://caller:p%40ss@127.0.0.1:{proxy.port}")

        assert (await fetcher.get(URL, DOCUMENT)).body == BODY

        assert proxy.heads[0].startswith(b"CONNECT app.example:443 HTTP/1.1\r\n")
        assert proxy.head["proxy-authorization"] == "Basic " + base64.b64encode(b"caller:p@ss").decode()
        assert "proxy-authorization" not in host.head
        assert host.greeted == [NAME]
        assert (lab.network.asked, lab.network.dialled) == ([], [])


@meets("X-02")
async def test_a_proxy_that_says_no_and_one_that_is_not_there_look_the_same(lab: Lab) -> None:
    async with lab.host() as host, proxying(host, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as proxy:
        assert (await refusal(lab, proxy=f"http://127.0.0.1:{proxy.port}")).why is Why.UNREACHABLE
        assert host.heads == []
    assert (await refusal(lab, proxy=f"http://127.0.0.1:{proxy.port}")).why is Why.UNREACHABLE


@meets("X-02")
@pytest.mark.usefixtures("hasty")
async def test_a_proxy_that_waits_for_a_silent_host_looks_the_same_too(lab: Lab) -> None:
    async with hosting(Host(hangs), None) as proxy:
        assert (await refusal(lab, proxy=f"http://127.0.0.1:{proxy.port}")).why is Why.UNREACHABLE


async def test_this_machine_is_not_looked_for_behind_a_proxy(lab: Lab) -> None:
    async with hosting(Host(), None) as host:
        lab.dial = pinned.dial

        found = await lab.fetcher(loopback=True, proxy="http://127.0.0.1:9").get(f"http://localhost:{host.port}/", DOCUMENT)

        assert found.body == BODY


@meets("X-01")
async def test_what_no_proxy_should_be_asked_for_is_refused_before_it(lab: Lab) -> None:
    async with hosting(Host(hangs), None) as proxy:
        for url in ("https://10.0.0.1/", "https://localhost/", "https://metadata.google.internal/", "http://app.example/"):
            assert (await refusal(lab, url, proxy=f"http://127.0.0.1:{proxy.port}")).why is Why.ADDRESS

        assert proxy.connections == 0


# ── Around it ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_works_on_the_loop_that_the_server_runs_on(lab: Lab) -> None:
    async def story() -> None:
        async with hosting(Host(), lab.tls("localhost")) as host:
            lab.dial = pinned.dial
            assert (await lab.fetcher(loopback=True).get(f"https://localhost:{host.port}/", DOCUMENT)).body == BODY
            assert (await refusal(lab, f"https://localhost:{host.port + 1}/", loopback=True)).why is Why.UNREACHABLE

    uvloop.run(story())


def test_nothing_is_loaded_before_the_first_fetch() -> None:
    code = (
        "import sys, calling_card.fetch.https as https\n"
        "https.HttpsFetcher(https.Outward('x'), int, float)\n"
        "print([name for name in ('httpcore2', 'dns', 'h11', 'anyio') if name in sys.modules])"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert said.stdout.strip() == "[]"
