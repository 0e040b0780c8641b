"""Which URLs are fetched from, and which IP addresses are connected to (RFC 6890; D-08, D-09, D-50, X-01, X-03)."""

from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.protocol.abroad.addresses import AddressError
from calling_card.protocol.abroad.networks import OURS, SERVICES, embedded, fetchable, is_local_name, network_problem
from calling_card.protocol.abroad.special_networks import CHECKED, IPV4, IPV6, LAST_UPDATED, Block
from tests.ledger import meets

REGISTRIES = (*IPV4, *IPV6)
PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "172.32.0.1",
    "192.0.1.1",
    "223.255.255.254",
    "2606:4700:4700::1111",
    "2a00:1450:4001::200e",
)
INSIDE = ("127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "100.64.0.1", "192.168.1.1")  # noqa: S104 - nothing is bound


def wrapped(inner: str) -> dict[str, str]:
    """One IPv4 address as IPv6 can carry it."""
    number = int(IPv4Address(inner))
    forms = {
        "mapped": 0xFFFF << 32 | number,
        "compatible": number,
        "NAT64": 0x64FF9B << 96 | number,
        "local NAT64": 0x64FF9B0001 << 80 | number,
        "local NAT64 in two halves": 0x64FF9B0001 << 80 | number >> 16 << 64 | (number & 0xFFFF) << 40,
        "6to4": 0x2002 << 112 | number << 80,
        "Teredo client": 0x2001 << 112 | int(IPv4Address("8.8.8.8")) << 64 | number ^ 0xFFFFFFFF,
        "Teredo server": 0x2001 << 112 | number << 64 | int(IPv4Address("8.8.8.8")) ^ 0xFFFFFFFF,
        "ISATAP": 0x2606_4700 << 96 | 0x5EFE << 32 | number,
        "ISATAP, unique": 0x2606_4700 << 96 | 0x0200_5EFE << 32 | number,
    }
    return {name: str(IPv6Address(form)) for name, form in forms.items()}


# ── The registries ───────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-50")
def test_the_registries_were_looked_at_within_the_last_year_and_a_half() -> None:
    age = date.today() - date.fromisoformat(CHECKED)  # noqa: DTZ011 - the age of a list is a matter of days

    assert date.fromisoformat(LAST_UPDATED) <= date.fromisoformat(CHECKED)
    assert age.days < 548, (
        "compare protocol/abroad/special_networks.py with both registries at iana.org (their CSV files name every block), "
        "add what is new, and set LAST_UPDATED and CHECKED"
    )


@meets("D-50")
def test_the_registries_are_whole_and_each_block_stands_once() -> None:
    networks = [ip_network(block.network) for block in REGISTRIES]

    assert (len(IPV4), len(IPV6)) == (26, 25)
    assert len(set(networks)) == len(networks)
    assert {network.version for network in networks[:26]} == {4}
    assert sum(block.reachable for block in REGISTRIES) == 14


def narrowest(address: str) -> Block:
    """The row that speaks for an address."""
    there = [block for block in REGISTRIES if ip_address(address) in ip_network(block.network)]
    return max(there, key=lambda block: ip_network(block.network).prefixlen)


def samples() -> list[str]:
    """The first, the middle and the last address of every block."""
    networks = [ip_network(block.network) for block in REGISTRIES]
    return sorted({str(network[place]) for network in networks for place in (0, network.num_addresses // 2, -1)})


@meets("D-50", "X-01")
@pytest.mark.parametrize("address", samples())
def test_only_what_is_globally_reachable_global_unicast_is_connected_to(address: str) -> None:
    ours = any(ip_address(address) in ip_network(block.network) for block in OURS)
    unicast = "." in address or ip_address(address) in ip_network("2000::/3")

    assert (network_problem(address) == "") is (narrowest(address).reachable and unicast and not ours)


@meets("D-50")
@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_connected_to(address: str) -> None:
    assert network_problem(address) == ""


@meets("X-01")
@pytest.mark.parametrize(
    "address",
    [
        *INSIDE,
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "169.254.170.2",
        "192.0.0.9",
        "192.0.0.10",
        "192.88.99.1",
        "192.88.99.2",
        "239.255.255.250",
        "240.0.0.1",
        "::",
        "::1",
        "2001:1::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "4000::1",
        "fc00::1",
        "fe80::1",
        "fec0::1",
        "feff::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_addresses_of_machines_clouds_and_neighbours_are_not(address: str) -> None:
    assert network_problem(address).startswith(str(ip_address(address)))


@meets("X-01", "X-03")
@pytest.mark.parametrize("inner", INSIDE)
@pytest.mark.parametrize("form", wrapped("1.2.3.4"))
def test_an_address_inside_an_address_is_judged_too(form: str, inner: str) -> None:
    outer = wrapped(inner)[form]

    assert IPv4Address(inner) in embedded(IPv6Address(outer))
    assert f"{inner} is in " in network_problem(outer)


@meets("X-03")
@pytest.mark.parametrize(
    "form, taken",
    [
        ("mapped", False),
        ("compatible", False),
        ("NAT64", False),
        ("local NAT64", False),
        ("6to4", False),
        ("Teredo client", False),
        ("ISATAP", True),
    ],
)
def test_a_public_address_inside_makes_no_other_network_public(form: str, taken: bool) -> None:
    assert (network_problem(wrapped("8.8.8.8")[form]) == "") is taken


def test_an_ordinary_address_has_none_inside() -> None:
    assert list(embedded(IPv6Address("2606:4700:4700::1111"))) == []


@meets("X-03")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "127.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "[::1]",
        "1.1.1.1:443",
        "1.1.1.1/32",
        "\uff11.1.1.1",
        "::ffff:1.1.1",
    ],
)
def test_what_is_no_plain_address_is_not_connected_to(text: str) -> None:
    assert network_problem(text) == "is no IP address"


@meets("X-03")
def test_a_zone_makes_an_address_local() -> None:
    assert network_problem("2606:4700:4700::1111%eth0") == "2606:4700:4700::1111%eth0 has a zone"


@meets("D-50")
@given(st.ip_addresses())
def test_no_address_that_python_knows_to_be_private_gets_through(address: IPv4Address | IPv6Address) -> None:
    listed = [block for block in REGISTRIES if block.reachable and address in ip_network(block.network)]
    if not listed and (not address.is_global or address.is_multicast):
        assert network_problem(str(address))


# ── URLs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def problem(url: str, ports: tuple[int, ...] = (), *, loopback: bool = False) -> str:
    """What is wrong with fetching from here."""
    try:
        found = fetchable(url, ports, loopback=loopback)
    except AddressError as error:
        return str(error)
    assert found.text == url
    return ""


@meets("D-08")
@pytest.mark.parametrize("port", [443, 1024, 3000, 8080, 8443, 9443, 65535])
def test_ports_where_the_web_is_usual(port: int) -> None:
    assert problem(f"https://app.example:{port}/x") == ""


@meets("D-08", "X-03")
@pytest.mark.parametrize("port", [1, 22, 25, 53, 80, 110, 442, 444, 465, 1023, *sorted(SERVICES)])
def test_ports_where_something_else_is(port: int) -> None:
    assert problem(f"https://app.example:{port}/x") == "has a port that is not fetched from"


@meets("D-08")
def test_ports_can_be_named_one_by_one() -> None:
    assert problem("https://app.example/x", (443,)) == problem("https://app.example:6379/", (6379,)) == ""
    assert problem("https://app.example:8443/x", (443,)) == "has a port that is not fetched from"


@meets("D-09", "X-01")
@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "app.localhost",
        "printer.local",
        "metadata",
        "metadata.google.internal",
        "nas.home.arpa",
        "wiki.corp",
        "db.lan",
        "hidden.onion",
        "intranet",
        "127.0.0.1",
        "[::1]",
    ],
)
def test_names_that_are_not_public_are_not_even_looked_up(host: str) -> None:
    assert problem(f"https://{host}/x").startswith("has a host")


@pytest.mark.parametrize("host", ["app.example", "local.example", "notlocal", "xlocalhost.example"])
def test_a_name_is_local_by_its_whole_last_labels(host: str) -> None:
    assert is_local_name(host) is ("." not in host)


@meets("D-10")
@pytest.mark.parametrize("url", ["http://127.0.0.1:22/x", "https://localhost:5432/", "http://[::1]/", "http://localhost"])
def test_in_development_this_machine_has_any_port(url: str) -> None:
    assert problem(url, loopback=True) == ""
    assert problem(url, (443,), loopback=True) == ""
    assert problem(url) != ""


@meets("D-10")
@pytest.mark.parametrize(
    "url", ["http://app.example/", "https://10.0.0.1/", "https://printer.local/", "https://[fd00::1]/", "ftp://localhost/"]
)
def test_and_nothing_else_is_let_in_by_it(url: str) -> None:
    assert problem(url, loopback=True) != ""


@meets("X-04")
@pytest.mark.parametrize(
    "url",
    [
        "https://app.example:*/",
        "https://app.example/#",
        "https://app.example/#x",
        "https:app.example",
        "mailto:a@app.example",
        "https://u@app.example/",
    ],
)
def test_what_is_no_plain_web_address_is_not_fetched(url: str) -> None:
    assert problem(url) != ""
