"""Does the audit trail still say what was written (X-58, M-49), and its export (P1)."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from calling_card.ports import Ports
from calling_card.protocol.events import Recorded, link

CHAIN = "events"
"""Kind under which the keyring makes chain keys."""
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found."""

    events: int
    writers: int
    broken: tuple[str, ...]
    """One sentence per chain that does not hold, naming the first bad event."""


def new_writer(number: int, entropy: bytes) -> bytes:
    """The 8-byte name of a writing process; it says with which key its chain is made. ``entropy`` has 6 bytes."""
    return number.to_bytes(2, "big") + entropy


async def verify(ports: Ports, known: Mapping[bytes, tuple[int, bytes]]) -> Verdict:
    """Follow every chain from its first event.

    ``known`` are heads that were written down outside the database: a chain that ends before one of them was cut.
    """
    heads = await ports.store.heads()
    counted = 0
    broken: list[str] = []
    for writer in sorted({*heads, *known}):
        number, problem = await _follow(ports, writer, known.get(writer))
        counted += number
        if problem:
            broken.append(problem)
    return Verdict(counted, len(heads), tuple(broken))


async def _follow(ports: Ports, writer: bytes, head: tuple[int, bytes] | None) -> tuple[int, str]:
    """How many events of this writer hold, and what is wrong with the next."""
    key = ports.keyring.mac(int.from_bytes(writer[:2], "big"), CHAIN, writer)
    if key is None:
        return 0, f"writer {writer.hex()}: its key is not in the keyring"
    previous, number = b"", 0
    async for event in _events(ports, writer):
        if event.number != number + 1:
            return number, f"writer {writer.hex()}: event {number + 1} is missing"
        if link(key, previous, event) != event.mac:
            return number, f"writer {writer.hex()}: event {event.number} was altered"
        previous, number = event.mac, event.number
        if head is not None and head[0] == number and head[1] != event.mac:
            return number, f"writer {writer.hex()}: event {number} is not the one that was written down"
    if head is not None and number < head[0]:
        return number, f"writer {writer.hex()}: the events behind {number} are missing, {head[0]} had been written"
    return number, ""


async def export(ports: Ports) -> AsyncIterator[Recorded]:
    """Every event, chain by chain."""
    for writer in sorted(await ports.store.heads()):
        async for event in _events(ports, writer):
            yield event


async def _events(ports: Ports, writer: bytes) -> AsyncIterator[Recorded]:
    after = 0
    while batch := await ports.store.events(writer, after, _BATCH):
        for event in batch:
            yield event
        after = batch[-1].number
