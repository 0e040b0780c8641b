"""Server-side request forgery: whatever a URL names, no packet leaves for a place that is not public (B3; X-01, X-03, X-75, X-101)."""

import asyncio
import ipaddress
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpcore2
import pytest

from calling_card.fetch import pinned
from calling_card.fetch.https import HttpsFetcher, Outward
from calling_card.protocol.abroad.fetching import DOCUMENT, KEY_SET, LOGO, SECTOR, Purpose, Unfetched, Why
from tests.fetch.dnslab import Nameserver, serving
from tests.ledger import meets

PURPOSES = (DOCUMENT, KEY_SET, SECTOR, LOGO)
TARGETS = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 - nothing is bound
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
)
IPV6 = (
    "::",
    "::1",
    "::2",
    "fe80::1",
    "fe80::1%25lo",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "ff02::1",
    "100::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "0:0:0:0:0:0:0:1",
)
NAMES = (
    "localhost",
    "LocalHost",
    "localhost.localdomain",
    "app.localhost",
    "metadata",
    "metadata.google.internal",
    "instance-data.ec2.internal",
    "host.docker.internal",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "printer.local",
    "router.home.arpa",
    "localtest.me",
    "127.0.0.1.nip.example",
    "rebind.test",
)


def spellings(target: str) -> list[str]:
    """One IPv4 address in every way in which some reader takes it for that address."""
    number = int(ipaddress.IPv4Address(target))
    a, b, c, d = ipaddress.IPv4Address(target).packed
    high, low = number >> 16, number & 0xFFFF
    return [
        target,
        f"{target}.",
        str(number),
        f"0x{number:x}",
        f"0{number:o}",
        ".".join(f"0x{byte:x}" for byte in (a, b, c, d)),
        ".".join(f"0{byte:03o}" for byte in (a, b, c, d)),
        f"{a}.{number & 0xFFFFFF}",
        f"{a}.{b}.{low}",
        f"[::ffff:{target}]",
        f"[::ffff:{high:x}:{low:x}]",
        f"[0:0:0:0:0:ffff:{target}]",
        f"[64:ff9b::{target}]",
        f"[64:ff9b:1::{high:x}:{low:x}]",
        f"[2002:{high:x}:{low:x}::]",
        f"[::{high:x}:{low:x}]",
        f"[2606:4700::5efe:{target}]",
        "".join(chr(ord(letter) + 0xFEE0) if letter.isdigit() else letter for letter in target),
        "".join(f"%{ord(letter):02x}" if letter.isdigit() else letter for letter in target),
    ]


HOSTS = sorted({*(host for target in TARGETS for host in spellings(target)), *(f"[{address}]" for address in IPV6), *NAMES})


@dataclass
class Canaries:
    """Listeners on this machine that nobody must call."""

    ports: list[int] = field(default_factory=list[int])
    sang: int = 0

    async def sing(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        self.sang += 1
        writer.close()


@asynccontextmanager
async def canaries() -> AsyncGenerator[Canaries]:
    """On both loopback addresses: a port of their own, and the usual ones where they are free."""
    made = Canaries()
    async with AsyncExitStack() as stack:
        for address in ("127.0.0.1", "::1"):
            for port in (0, 80, 443):
                with suppress(OSError):
                    server = await asyncio.start_server(made.sing, address, port)
                    stack.callback(server.close)
                    made.ports.append(server.sockets[0].getsockname()[1])
        yield made


@dataclass
class Network:
    """The real network, and a list of everything that was dialled on it."""

    dialled: list[str] = field(default_factory=list[str])

    async def dial(self, address: str, port: int, seconds: float) -> httpcore2.AsyncNetworkStream:
        self.dialled.append(address)
        return await pinned.dial(address, port, seconds)


def everything_is_here(name: str, kind: str) -> Sequence[str]:
    """A name server that says of every name that it is this machine."""
    return [f"{name} {kind} {'127.0.0.1' if kind == 'A' else '::1'}"]


def fetcher_of(server: Nameserver, network: Network) -> HttpsFetcher:
    return HttpsFetcher(Outward("x"), lambda: 0, lambda: 0.0, names=server.names, dial=network.dial, least=0)


def test_the_corpus_has_as_many_hosts_as_it_should() -> None:
    assert len(HOSTS) >= 296


@meets("D-09", "D-49", "D-50", "X-01", "X-03", "X-75", "X-101")
@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.name)
async def test_no_spelling_of_a_forbidden_place_sends_a_packet(purpose: Purpose) -> None:
    network = Network()
    async with canaries() as birds, serving(everything_is_here) as server:
        fetcher = fetcher_of(server, network)
        ended: list[Why] = []
        for host in HOSTS:
            for place in (host, f"{host}:{birds.ports[0]}"):
                with pytest.raises(Unfetched) as no:
                    await fetcher.get(f"https://{place}/x", purpose)
                ended.append(no.value.why)

        assert len(ended) == 2 * len(HOSTS)
        assert set(ended) == {Why.ADDRESS, Why.UNREACHABLE}
        assert network.dialled == []
        assert birds.sang == 0
        assert {name for name, _ in server.asked} == {"kubernetes.default.svc", "localtest.me", "127.0.0.1.nip.example", "rebind.test"}


@meets("X-01")
async def test_the_canaries_would_have_sung() -> None:
    async with canaries() as birds:
        stream = await pinned.dial("127.0.0.1", birds.ports[0], 1)
        assert await stream.read(1, timeout=5) == b""
        await stream.aclose()

        assert birds.sang == 1


@meets("X-01", "X-03")
@pytest.mark.parametrize("scheme", ["http", "ftp", "file", "gopher", "dict", "ldap", "unix", "data", "jar", "ws", "wss", "HTTP"])
async def test_only_https_leaves(scheme: str) -> None:
    network = Network()
    async with canaries() as birds, serving(everything_is_here) as server:
        for url in (f"{scheme}://app.example/", f"{scheme}:app.example", f"{scheme}://127.0.0.1:{birds.ports[0]}/"):
            with pytest.raises(Unfetched) as no:
                await fetcher_of(server, network).get(url, DOCUMENT)
            assert no.value.why is Why.ADDRESS

        assert (server.asked, network.dialled, birds.sang) == ([], [], 0)
