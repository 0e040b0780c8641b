"""A hostile DNS: which of its answers are believed, and that nothing is sent to the others (D-50, X-03, X-07, X-101)."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import dns.asyncresolver
import dns.name
import dns.rcode
import dns.resolver
import pytest

from calling_card.fetch import names
from calling_card.fetch.https import HttpsFetcher, Outward
from calling_card.fetch.names import DnsNames
from calling_card.protocol.abroad.fetching import DOCUMENT, Unfetched, Why
from tests.fetch.dnslab import Nameserver, Reply, serving, zone
from tests.fetch.stranger import ADDRESS, BODY, NAME, URL, Host, Lab, hosting
from tests.ledger import meets

PUBLIC6 = "2606:2800:220:1:248:1893:25c8:1946"


async def resolved(reply: Reply, host: str = NAME) -> tuple[Sequence[str], Nameserver]:
    """What a resolver makes of a server's answers."""
    async with serving(reply) as server:
        return await server.names(host), server


async def refused(reply: Reply, host: str = NAME, rcode: dns.rcode.Rcode = dns.rcode.NOERROR) -> Unfetched:
    """How a resolver refuses a server's answers."""
    async with serving(reply) as server:
        server.rcode = rcode
        with pytest.raises(Unfetched) as no:
            await server.names(host)
        assert no.value.why is Why.UNREACHABLE
        return no.value


def always(*lines: str) -> Reply:
    """These records to every question."""
    return lambda name, kind: [line.replace("@", name) for line in lines]


@meets("D-50", "X-07")
async def test_a_name_is_asked_once_for_each_kind_of_address() -> None:
    found, server = await resolved(zone(app_example=f"{ADDRESS} 93.184.216.35 {PUBLIC6}"))

    assert set(found) == {ADDRESS, "93.184.216.35", PUBLIC6}
    assert list(found)[-1] == PUBLIC6
    assert sorted(server.asked) == [(NAME, "A"), (NAME, "AAAA")]


@pytest.mark.parametrize("address", [ADDRESS, PUBLIC6])
async def test_one_kind_is_enough(address: str) -> None:
    assert (await resolved(zone(app_example=address)))[0] == [address]


async def test_no_search_list_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    class Searching(dns.asyncresolver.Resolver):
        def reset(self) -> None:
            super().reset()
            self.search = [dns.name.from_text("internal.example")]
            self.use_search_by_default = True

    monkeypatch.setattr(dns.asyncresolver, "Resolver", Searching)
    async with serving(zone(app_example_internal_example="10.0.0.1")) as server:
        with pytest.raises(Unfetched):
            await server.names(NAME)

        assert {name for name, _ in server.asked} == {NAME}


@pytest.mark.parametrize("addresses, count", [(8, 8), (9, 0), (100, 0)])
async def test_eight_addresses_are_enough_for_anybody(addresses: int, count: int) -> None:
    lines = [f"@ A 93.184.216.{number}" for number in range(addresses)]

    def reply(name: str, kind: str) -> list[str]:
        return [line.replace("@", name) for line in lines] if kind == "A" else []

    if count:
        assert len((await resolved(reply))[0]) == count
    else:
        assert f"has {addresses} addresses" in (await refused(reply)).logged


async def test_an_answer_too_large_for_udp_is_read_over_tcp_and_judged_alike() -> None:
    def reply(name: str, kind: str) -> list[str]:
        others = [f"other{number}.example A 10.0.0.1" for number in range(40)]
        return [*others, f"{name} A {ADDRESS}"] if kind == "A" else []

    found, server = await resolved(reply)

    assert found == [ADDRESS]
    assert server.asked.count((NAME, "A")) == 2


@pytest.mark.parametrize("links, believed", [(1, True), (8, True), (9, False), (20, False)])
async def test_a_chain_of_aliases_has_eight_links_at_most(links: int, believed: bool) -> None:
    def reply(name: str, kind: str) -> list[str]:
        chain = [name, *(f"a{number}.example" for number in range(links))]
        aliases = [f"{one} CNAME {other}." for one, other in pairwise(chain)]
        return [*aliases, f"{chain[-1]} A {ADDRESS}"] if kind == "A" else []

    if believed:
        assert (await resolved(reply))[0] == [ADDRESS]
    else:
        await refused(reply)


@meets("X-03")
@pytest.mark.parametrize("alias", ["localhost", "metadata", "db.internal", "printer.LOCAL", "nas.home.arpa"])
async def test_an_alias_of_a_name_that_is_not_public_is_nobody(alias: str) -> None:
    def reply(name: str, kind: str) -> list[str]:
        return [f"{name} CNAME {alias}.", f"{alias}. A {ADDRESS}"] if kind == "A" else []

    assert "is an alias of" in (await refused(reply)).logged


@pytest.mark.parametrize(
    "reply",
    [
        zone(),
        always("@ TXT hello"),
        always("@ CNAME nowhere.example."),
        always("@ CNAME @."),
        always(f"other.example A {ADDRESS}"),
    ],
)
async def test_no_address_is_no_host(reply: Reply) -> None:
    await refused(reply)


@pytest.mark.parametrize("rcode", [dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.YXDOMAIN])
async def test_a_server_that_fails_knows_nobody(rcode: dns.rcode.Rcode) -> None:
    await refused(zone(), rcode=rcode)


@meets("D-19")
async def test_a_silent_server_is_waited_for_two_seconds_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert names.PATIENCE == 2.0
    monkeypatch.setattr(names, "PATIENCE", 0.3)
    began = time.monotonic()

    await refused(lambda name, kind: None)

    assert 0.2 < time.monotonic() - began < 1.8


async def test_a_server_that_loses_a_question_is_asked_again() -> None:
    lost: Counter[str] = Counter()

    def reply(name: str, kind: str) -> list[str] | None:
        lost[kind] += 1
        return None if lost[kind] == 1 else [f"{name} A {ADDRESS}"] if kind == "A" else []

    assert (await resolved(reply))[0] == [ADDRESS]


async def test_a_machine_without_name_servers_finds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(self: object, filename: str = "") -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", nothing)

    with pytest.raises(Unfetched) as no:
        await DnsNames()(NAME)

    assert no.value.why is Why.UNREACHABLE


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", ".".join(["a" * 63] * 5)])
async def test_what_no_name_can_be_is_not_asked_for(host: str) -> None:
    async with serving(zone()) as server:
        with pytest.raises(Unfetched):
            await server.names(host)

        assert server.asked == []


# ── The laboratory: a resolver, a fetcher, and every wire it dials ───────────────────────────────────────────────────


def fetcher_of(lab: Lab, server: Nameserver) -> HttpsFetcher:
    """A fetcher whose names come from this server."""
    out = Outward("x", ca_file=str(lab.ca_file), most=4)
    return HttpsFetcher(out, lab.clock.wall, lab.clock.monotonic, names=server.names, dial=lab.network.dial, least=0)


@meets("D-50", "X-01", "X-07", "X-101")
@pytest.mark.parametrize(
    "addresses",
    [
        "10.0.0.5",
        "127.0.0.1",
        "::1",
        f"{ADDRESS} 127.0.0.1",
        f"{ADDRESS} 10.1.2.3",
        f"{ADDRESS} ::1",
        f"{ADDRESS} ::ffff:127.0.0.1",
        f"{ADDRESS} 64:ff9b::7f00:1",
        f"{ADDRESS} {PUBLIC6} fd00:ec2::254",
        f"{PUBLIC6} 169.254.169.254",
        "2002:7f00:1::",
        "::7f00:1",
        "fec0::1",
        "2606:4700::5efe:7f00:1",
        " ".join(f"10.0.0.{number}" for number in range(100)),
    ],
)
async def test_one_bad_address_among_good_ones_spoils_them_all(lab: Lab, addresses: str) -> None:
    async with lab.host() as host, serving(zone(app_example=addresses)) as server:
        with pytest.raises(Unfetched) as no:
            await fetcher_of(lab, server).get(URL, DOCUMENT)

        assert no.value.why is Why.UNREACHABLE
        assert lab.network.dialled == []
        assert host.connections == 0


@meets("X-07", "X-101")
async def test_a_name_that_moves_between_check_and_connection_has_not_moved_for_us(lab: Lab) -> None:
    turns: Counter[str] = Counter()

    def reply(name: str, kind: str) -> list[str]:
        turns[name] += 1
        return ([f"{name} A {ADDRESS}"] if turns[name] == 1 else [f"{name} A 127.0.0.1"]) if kind == "A" else []

    async with lab.host(), serving(reply) as server:
        fetcher = fetcher_of(lab, server)
        assert (await fetcher.get(URL, DOCUMENT)).body == BODY
        with pytest.raises(Unfetched):
            await fetcher.get(f"{URL}?again", DOCUMENT)

        assert lab.network.dialled == [(ADDRESS, 443)]
        assert Counter(server.asked) == {(NAME, "A"): 2, (NAME, "AAAA"): 2}


@meets("X-07")
async def test_a_thousand_rebindings_reach_one_public_address_and_nothing_else(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "TRY", 60.0)
    asked: Counter[tuple[str, str]] = Counter()

    def reply(name: str, kind: str) -> list[str]:
        asked[name, kind] += 1
        turn = asked[name, kind] % 2
        sets = {
            "flip.example": [ADDRESS] if turn else ["127.0.0.1"],
            "mixed.example": [ADDRESS, "10.0.0.1"],
            "inner.example": ["192.168.1.1"],
            "six.example": ["::1"],
            "mapped.example": [ADDRESS, "::ffff:127.0.0.1"],
        }
        return [f"{name} {kind} {address}" for address in sets[name] if (":" in address) == (kind == "AAAA")]

    async def one(fetcher: HttpsFetcher, number: int) -> Why | None:
        name = ("flip", "mixed", "inner", "six", "mapped")[number % 5]
        try:
            await fetcher.get(f"https://{name}.example/{number}", DOCUMENT)
        except Unfetched as no:
            return no.why
        return None

    async with hosting(Host(), lab.tls("flip.example")) as host, serving(reply) as server:
        lab.network.wires[ADDRESS] = host.port
        fetcher = fetcher_of(lab, server)
        done = [await one(fetcher, number) for number in range(1000)]

        assert Counter(done) == {None: 100, Why.UNREACHABLE: 900}
        assert set(lab.network.dialled) == {(ADDRESS, 443)}
        assert len(lab.network.dialled) == host.connections == 100
        assert len(server.asked) == 2000


async def test_a_slow_resolver_keeps_nobody_else_waiting(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "PATIENCE", 0.5)
    there = zone(app_example=ADDRESS)
    async with lab.host(), serving(lambda name, kind: there(name, kind) if name == NAME else None) as server:
        fetcher = fetcher_of(lab, server)
        slow = [asyncio.create_task(fetcher.get(f"https://slow{number}.example/", DOCUMENT)) for number in range(3)]

        assert (await fetcher.get(URL, DOCUMENT)).body == BODY

        assert not any(task.done() for task in slow)
        assert all(isinstance(error, Unfetched) for error in await asyncio.gather(*slow, return_exceptions=True))
