"""Does the audit trail still say what was written (X-58, M-49), and its export (P1)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.clients import JSON
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Recorded, link
from calling_card.usecases.tokens import signer

CHAIN = "events"
"""Kind under which the keyring makes chain keys."""
TYP = "audit-checkpoint+jwt"
"""``typ`` of a checkpoint (RFC 8725 §3.11)."""
_BATCH = 1000
Head: TypeAlias = tuple[int, bytes]
"""Number and MAC of the newest event of a chain."""
Heads: TypeAlias = Mapping[bytes, Head]
"""By writer."""


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


def chain_key(ports: Ports, writer: bytes) -> bytes | None:
    """The key of a writer's chain; None: the keyring does not have it (any more)."""
    return ports.keyring.mac(int.from_bytes(writer[:2], "big"), CHAIN, writer)


class _Checkpoint(msgspec.Struct):
    """The claims of a checkpoint: at this time the chains of this server stood there."""

    iss: str
    iat: int
    heads: dict[str, tuple[int, str]]
    """Writer to number and MAC, both in hexadecimal digits."""


async def checkpoint(ports: Ports, known: Heads) -> str:
    """The heads of all chains as a JWS of ours, to be kept where whoever can write here cannot (P1).

    ``known`` are heads that were written down outside the database: what was cut since then is not signed away.
    """
    found = await ports.store.heads()
    furthest = {writer: max(found.get(writer, (0, b"")), known.get(writer, (0, b""))) for writer in sorted({*found, *known})}
    heads: JSON = {writer.hex(): [number, mac.hex()] for writer, (number, mac) in furthest.items()}
    return (await signer(ports)).sign({"iss": ports.settings.issuer, "iat": ports.now(), "heads": heads}, TYP)


async def read_checkpoint(ports: Ports, text: str) -> Heads:
    """The heads in a checkpoint that this server signed, with whichever of its keys. Raises `Refusal` for any other text."""
    for key in await ports.store.signing_keys():
        try:
            ports.signer.know([structs.replace(key, state="verifying")])
        except LookupError:
            continue
        if (claims := ports.signer.verify(text.strip(), TYP)) is not None:
            return _heads_of(msgspec.convert(claims, _Checkpoint), ports.settings.issuer)
    raise Refusal(No.INVALID_REQUEST, "checkpoint: was not signed by this server, or altered")


def _heads_of(said: _Checkpoint, issuer: str) -> Heads:
    if said.iss != issuer:
        raise Refusal(No.INVALID_REQUEST, "checkpoint: is of another server")
    return {bytes.fromhex(writer): (number, bytes.fromhex(mac)) for writer, (number, mac) in said.heads.items()}


async def verify(ports: Ports, *known: Heads) -> Verdict:
    """Follow every chain from its first event.

    ``known`` are heads that were written down outside the database: a chain that ends before one of them was cut.
    """
    heads = await ports.store.heads()
    counted = 0
    broken: list[str] = []
    for writer in sorted({*heads, *(writer for marks in known for writer in marks)}):
        number, problem = await _follow(ports, writer, [marks[writer] for marks in known if writer in marks])
        counted += number
        if problem:
            broken.append(problem)
    return Verdict(counted, len(heads), tuple(broken))


async def _follow(ports: Ports, writer: bytes, heads: Sequence[Head]) -> tuple[int, str]:
    """How many events of this writer hold, and what is wrong with the next."""
    key = chain_key(ports, writer)
    if key is None:
        return 0, f"writer {writer.hex()}: its key is not in the keyring"
    previous, number = b"", 0
    async for event in _events(ports, writer):
        if event.number != number + 1:
            return number, f"writer {writer.hex()}: event {number + 1} is missing"
        if link(key, previous, event) != event.mac:
            return number, f"writer {writer.hex()}: event {event.number} was altered"
        previous, number = event.mac, event.number
        if any(head[0] == number and head[1] != event.mac for head in heads):
            return number, f"writer {writer.hex()}: event {number} is not the one that was written down"
    written = max((head[0] for head in heads), default=0)
    if number < written:
        return number, f"writer {writer.hex()}: the events behind {number} are missing, {written} had been written"
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
