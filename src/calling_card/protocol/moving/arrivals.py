"""A client as another server kept it, in the words of this one (RFC 7591 §2, CREDENTIALS §1)."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from calling_card.protocol.card.vocabulary import MEMBERS
from calling_card.protocol.clients import JSON, Card

Said: TypeAlias = Mapping[str, JSON]

_CLIENT_ID = re.compile(r"[ -~]{1,255}")
_EMPTY: tuple[JSON, ...] = (None, "", [], {}, False, 0)


class Unmovable(Exception):
    """What cannot be taken over; the text says what and why."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One client of another server, before anything of it was judged."""

    client_id: str
    said: Card
    secret: str = ""
    """Clear, or as the other server kept it: see `calling_card.protocol.handles.imported`; empty: the file has none."""
    secret_expires_at: int = 0
    """Seconds since 1970; 0: never."""
    suspended: bool = False
    notes: tuple[str, ...] = ()
    """What of it could not be taken over, a sentence each."""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Arrival({self.client_id!r}, {self.said!r}, notes={self.notes!r})"


def checked_id(value: JSON) -> str:
    """A client_id that clients of this server may have (RFC 6749 appendix A.1). Raises `Unmovable`."""
    if not isinstance(value, str) or not _CLIENT_ID.fullmatch(value):
        raise Unmovable("client_id: must be 1 to 255 printable ASCII characters (RFC 6749 appendix A.1)")
    if "://" in value:
        raise Unmovable("client_id: is a URL; such clients introduce themselves again by their document")
    return value


def spoken(payload: Said, told: Iterable[str] = ()) -> tuple[Card, list[str]]:
    """The members that this server's vocabulary knows, and a note for each other one that says something.

    ``told``: names that are dealt with elsewhere, or mean nothing once the client has moved.
    """
    silent = {"client_id", "client_secret", "client_secret_expires_at", *told}
    said = {name: value for name, value in payload.items() if name not in silent and value not in _EMPTY}
    card: Card = {name: value for name, value in said.items() if name.partition("#")[0] in MEMBERS}
    return card, [f"{name}: has no counterpart here" for name in said if name not in card]


def in_our_words(payload: Said, told: Iterable[str]) -> Arrival:
    """A client that is kept in the words of RFC 7591; ``told`` as `spoken` has it. Raises `Unmovable`."""
    client_id = checked_id(payload.get("client_id"))
    card, notes = spoken(payload, told)
    return Arrival(
        client_id,
        card,
        secret=text(payload.get("client_secret")),
        secret_expires_at=number(payload.get("client_secret_expires_at")),
        notes=tuple(notes),
    )


def number(value: JSON) -> int:
    """A time as seconds since 1970; what is none is 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def text(value: JSON) -> str:
    """A text; what is none is empty."""
    return value if isinstance(value, str) else ""


def objects(value: JSON) -> Iterator[Said]:
    """The objects of a list; a single object stands for itself. Raises `Unmovable` for anything else."""
    listed = value if isinstance(value, list) else [value]
    for one in listed:
        if not isinstance(one, dict):
            raise Unmovable("the file holds something else than clients")
        yield cast(Said, one)


Reader: TypeAlias = Callable[[JSON], Iterator["Arrival | Unmovable"]]
"""Takes a whole file; one client that cannot be read does not stand in the way of the next."""


def each(found: Iterable[Said], read: Callable[[Said], Arrival], name: str = "client_id") -> "Iterator[Arrival | Unmovable]":
    """Every client, or why it is none; ``name``: the member that says which it is."""
    for one in found:
        try:
            yield read(one)
        except Unmovable as problem:
            yield Unmovable(f"{text(one.get(name))[:80] or 'a client without a name'}: {problem}")
