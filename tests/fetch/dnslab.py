"""A name server on loopback that says what a test tells it to: over UDP, and over TCP for what does not fit."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype

from calling_card.fetch.names import DnsNames

Reply = Callable[[str, str], "Sequence[str] | None"]
"""What a name has of a type: lines of a zone file behind its name; None: nothing is answered at all."""


def zone(**names: str) -> Reply:
    """Always the same: by name with ``_`` for dots, addresses with spaces between them."""
    known = {name.replace("_", "."): addresses.split() for name, addresses in names.items()}

    def reply(name: str, kind: str) -> Sequence[str]:
        there = known.get(name, [])
        return [f"{name} {kind} {address}" for address in there if (":" in address) == (kind == "AAAA")]

    return reply


@dataclass
class Nameserver(asyncio.DatagramProtocol):
    """Answers; ``reply`` may be changed at any time."""

    reply: Reply
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Names and types, in the order in which they were asked for; a question asked again over TCP counts twice."""
    port: int = 0
    _wire: asyncio.DatagramTransport | None = None

    @property
    def names(self) -> DnsNames:
        """A resolver that asks this server."""
        return DnsNames([("127.0.0.1", self.port)])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.DatagramTransport, transport)  # the loop's own class is another one

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._answer(data)
        if answer is not None and self._wire is not None:
            wire = answer.to_wire(max_size=65535)
            if len(wire) > 512:
                answer.answer.clear()
                answer.flags |= dns.flags.TC
                wire = answer.to_wire()
            self._wire.sendto(wire, addr)

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A question over TCP."""
        length = int.from_bytes(await reader.readexactly(2))
        answer = self._answer(await reader.readexactly(length))
        if answer is not None:
            wire = answer.to_wire(max_size=65535)
            writer.write(len(wire).to_bytes(2) + wire)
        writer.close()

    def _answer(self, data: bytes) -> dns.message.Message | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        lines = self.reply(name, kind)
        if lines is None:
            return None
        answer = dns.message.make_response(query)
        answer.set_rcode(self.rcode)
        for line in lines:
            owner, kind, value = line.split(maxsplit=2)
            there = answer.find_rrset(
                answer.answer, dns.name.from_text(owner), question.rdclass, dns.rdatatype.from_text(kind), create=True
            )
            there.add(dns.rdata.from_text(question.rdclass, there.rdtype, value))
        return answer


@asynccontextmanager
async def serving(reply: Reply) -> AsyncGenerator[Nameserver]:
    """A name server for a while, on one port by UDP and TCP."""
    made = Nameserver(reply)
    tcp = await asyncio.start_server(made.meet, "127.0.0.1", 0)
    made.port = tcp.sockets[0].getsockname()[1]
    wire, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: made, local_addr=("127.0.0.1", made.port))
    try:
        yield made
    finally:
        wire.close()
        tcp.close()
