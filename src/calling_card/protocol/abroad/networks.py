"""What may be fetched from: which URLs, and which IP addresses behind their names (RFC 6890; D-08, D-09, D-50, X-01, X-03)."""

from collections.abc import Collection, Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from calling_card.protocol.abroad.addresses import Address, AddressError, host_problem, is_loopback_host, split_url
from calling_card.protocol.abroad.special_networks import IPV4, IPV6, Block

LOCAL_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "localdomain", "home.arpa", "onion")
"""Ends of names that are no part of the public name space (RFC 6761, RFC 6762, RFC 7686, RFC 8375)."""

_BROWSERS = (1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080)
_STORES = (1433, 1521, 2181, 2379, 2380, 3306, 5432, 5984, 6379, 9042, 9092, 9200, 9300, 11211, 27017)
_MACHINES = (2375, 2376, 3389, 4369, 5672, 5900, 6443, 10250)
SERVICES = frozenset((*_BROWSERS, *_STORES, *_MACHINES))
"""Ports from 1024 up with something else than the web behind them: those that browsers shun, databases, ways into machines (D-08)."""

OURS = (
    Block("224.0.0.0/4", "Multicast", "RFC 5771"),
    Block("192.0.0.9/32", "the own network's NAT, by anycast", "RFC 7723"),
    Block("192.0.0.10/32", "the own network's relay, by anycast", "RFC 8155"),
    Block("100.100.100.200/32", "metadata of a cloud", "Alibaba Cloud"),
    Block("168.63.129.16/32", "services of a cloud to its machines", "Azure"),
    Block("169.254.169.254/32", "metadata of a cloud", "AWS, Azure, Google Cloud"),
    Block("192.0.0.192/32", "metadata of a cloud", "Oracle Cloud"),
    Block("2001:1::1/128", "the own network's NAT, by anycast", "RFC 7723"),
    Block("2001:1::2/128", "the own network's relay, by anycast", "RFC 8155"),
    Block("2001:1::3/128", "the own network's names, by anycast", "RFC 9665"),
    Block("fd00:ec2::254/128", "metadata of a cloud", "AWS"),
    Block("fec0::/10", "Site-Local, deprecated", "RFC 3879"),
    Block("ff00::/8", "Multicast", "RFC 4291"),
)
"""What we refuse beside the registries, whatever they say."""

UNICAST = IPv6Network("2000::/3")
"""The only part of IPv6 that is given out for global unicast (RFC 4291 §2.4)."""
MAPPED, COMPATIBLE = IPv6Network("::ffff:0:0/96"), IPv6Network("::/96")
NAT64, LOCAL_NAT64 = IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")
TEREDO, SIX_TO_FOUR = IPv6Network("2001::/32"), IPv6Network("2002::/16")
ISATAP = 0x5EFE
"""The 32 bits before the IPv4 address, but for the bit that says whether it is unique (RFC 5214 §6.1)."""
_LOW = 0xFFFFFFFF


_OWN, _LISTED = ([(ip_network(block.network), block) for block in table] for table in (OURS, (*IPV4, *IPV6)))
_BLOCKS = (*_OWN, *sorted(_LISTED, key=lambda pair: -pair[0].prefixlen))
"""Ours first, then the narrowest, which decides."""


def fetchable(text: str, ports: Collection[int] = (), *, loopback: bool = False) -> Address:
    """A URL taken apart once, to be fetched from its parts; no ``ports`` are 443 and those from 1024 up that no other service has.

    ``loopback`` lets in this machine, on any port and by http too. Raises `AddressError`; nothing has been looked up then.
    """
    url = split_url(text)
    here = is_loopback_host(url.host)
    if url.scheme != "https" and not (url.scheme == "http" and here and loopback):
        raise AddressError("must begin with https://")
    if url.port == "*" or url.fragment is not None:
        raise AddressError("must have neither a wildcard nor a fragment")
    problem = _host_problem(url.host, loopback=loopback)
    if not problem and not here and not _is_usual(int(url.port or 443), ports):
        problem = "has a port that is not fetched from"
    if problem:
        raise AddressError(problem)
    return url


def _host_problem(host: str, *, loopback: bool) -> str:
    if is_loopback_host(host):
        return "" if loopback else "has a host of this machine"
    problem = host_problem(host)
    return problem or ("has a host that is no public DNS name" if is_local_name(host) else "")


def is_local_name(host: str) -> bool:
    """Whether a name in lower case has one label, or an end that is not in the public DNS; whatever it resolves to is somebody's own."""
    return "." not in host or host.endswith(tuple("." + end for end in LOCAL_NAMES))


def _is_usual(port: int, ports: Collection[int]) -> bool:
    return port in ports if ports else port == 443 or (port >= 1024 and port not in SERVICES)


def network_problem(address: str) -> str:
    """Why an IP address is not connected to, for the log alone; empty: it is globally reachable unicast, and so is each one inside it."""
    try:
        found = ip_address(address)
    except ValueError:
        return "is no IP address"
    if isinstance(found, IPv6Address) and found.scope_id is not None:
        return f"{found} has a zone"
    own = _block_problem(found)
    inner = [_block_problem(hidden) for hidden in embedded(found)] if isinstance(found, IPv6Address) else []
    return ", and inside ".join(problem for problem in (own, *inner) if problem)


def _block_problem(address: IPv4Address | IPv6Address) -> str:
    block = next((block for network, block in _BLOCKS if address in network), None)
    if block is not None and not block.reachable:
        return f"{address} is in {block.network}: {block.name} ({block.source})"
    if isinstance(address, IPv6Address) and address not in UNICAST:
        return f"{address} is not in {UNICAST}: no global unicast (RFC 4291)"
    return ""


def embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that a packet to this address could end up at, by translators and tunnels (X-03)."""
    number = int(address)
    last = IPv4Address(number & _LOW)
    if any(address in network for network in (MAPPED, COMPATIBLE, NAT64, LOCAL_NAT64)) or number >> 32 & 0xFDFFFFFF == ISATAP:
        yield last
    if address in LOCAL_NAT64:  # RFC 6052 §2.2: in two halves, around eight bits that are zero
        yield IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)
    if address in SIX_TO_FOUR:
        yield IPv4Address(number >> 80 & _LOW)
    if address in TEREDO:
        yield IPv4Address(number >> 64 & _LOW)
        yield IPv4Address(number & _LOW ^ _LOW)
