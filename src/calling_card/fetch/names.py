"""Which addresses a host has, asked once: the resolver, and what of its answers is believed (D-19, D-50, X-07)."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol, cast

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from calling_card.protocol.abroad.fetching import Unfetched, Why
from calling_card.protocol.abroad.networks import is_local_name, network_problem

PATIENCE = 2.0
"""Seconds for both answers together."""
TRY = 0.9
"""Seconds until a name server is asked again, or the next one is."""
MOST = 8
"""Addresses of one kind, and aliases on the way to them."""


class Numbered(Protocol):
    """A resource record with an IP address."""

    address: str


class Names(Protocol):
    """Knows addresses."""

    async def __call__(self, host: str) -> Sequence[str]:
        """Every address of a host, in the order in which they are to be tried. Raises `Unfetched`."""
        ...


class DnsNames:
    """The DNS as ``/etc/resolv.conf`` has it, read each time; neither ``/etc/hosts`` nor a search list nor a cache."""

    def __init__(self, servers: Sequence[tuple[str, int]] = ()) -> None:
        """``servers`` are asked instead of those that the machine is set up with."""
        self._servers = servers

    async def __call__(self, host: str) -> Sequence[str]:
        """See `Names.__call__`: one question for IPv4 and one for IPv6, at the same time."""
        try:
            name, resolver = dns.name.from_text(host), self._resolver()
            async with asyncio.timeout(PATIENCE):
                found = await asyncio.gather(_ask(resolver, name, "A"), _ask(resolver, name, "AAAA"))
        except (TimeoutError, OSError, dns.exception.DNSException) as error:
            raise _unknown(f"{host}: {type(error).__name__}: {error}") from None
        addresses = [*found[0], *found[1]]
        if not addresses:
            raise _unknown(f"{host} has no address")
        return addresses

    def _resolver(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=not self._servers)
        if self._servers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in self._servers]
        resolver.timeout = TRY
        return resolver


async def _ask(resolver: dns.asyncresolver.Resolver, name: dns.name.Name, kind: str) -> list[str]:
    """The addresses of one kind; none, when there are none or the servers fail at this kind alone."""
    try:
        answer = await resolver.resolve(name, kind, lifetime=PATIENCE, search=False, raise_on_no_answer=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoNameservers):
        return []
    aliases = answer.chaining_result.cnames
    if len(aliases) > MOST:
        raise _unknown(f"{name} has {len(aliases)} aliases")
    if aliases and is_local_name(answer.canonical_name.to_text(omit_final_dot=True).lower()):
        raise _unknown(f"{name} is an alias of {answer.canonical_name}")
    found = [data.address for data in cast("Iterable[Numbered]", answer.rrset or ())]
    if len(found) > MOST:
        raise _unknown(f"{name} has {len(found)} addresses of type {kind}")
    return found


def checked(host: str, addresses: Sequence[str]) -> Sequence[str]:
    """The same addresses, if each of them may be connected to: one bad one among good ones is a sign of an attack. Raises `Unfetched`."""
    problems = [problem for address in addresses if (problem := network_problem(address))]
    if problems:
        raise _unknown(f"{host}: {'; '.join(problems)}")
    return addresses


def _unknown(logged: str) -> Unfetched:
    return Unfetched(Why.UNREACHABLE, logged)
