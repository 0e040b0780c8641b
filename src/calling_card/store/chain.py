"""One writer's audit chain: where it stands, and the next link (CREDENTIALS §2)."""

from collections.abc import Sequence
from typing import TypeAlias, cast

import msgspec

from calling_card.protocol.events import Event, Recorded, link
from calling_card.store.database import Values

Head: TypeAlias = tuple[int, bytes]
"""Number and MAC of the newest event; ``(0, b"")`` before the first."""

START: Head = (0, b"")


def head_of(found: Sequence[Values]) -> Head:
    """The head in a row of number and MAC; without a row, where a writer begins."""
    return (cast("int", found[0][0]), cast("bytes", found[0][1])) if found else START


class Chain:
    """Numbers and links events. ``head`` is set back when the transaction that held the links is undone."""

    def __init__(self, key: bytes, writer: bytes, head: Head = START) -> None:
        """``head`` is where this writer stopped, should it have written before."""
        self._key = key
        self.writer = writer
        self.head = head

    def append(self, event: Event) -> Recorded:
        """Give the event its place behind the newest one."""
        number, before = self.head[0] + 1, self.head[1]
        bare = Recorded(self.writer, number, event.at, event.kind, event.client_key, content(event), b"")
        mac = link(self._key, before, bare)
        self.head = (number, mac)
        return Recorded(self.writer, number, event.at, event.kind, event.client_key, bare.content, mac)


def content(event: Event) -> bytes:
    """Actor, request id and body as compact JSON."""
    return _encode({"actor": event.actor, "request_id": event.request_id, "body": dict(event.body)})


_encode = msgspec.json.Encoder().encode
