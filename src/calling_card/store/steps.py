"""The steps of a unit: what a verb asks of its database, without knowing which one it is.

A unit is a generator. It yields a step and is sent the answer; what it returns is the answer of the verb. It may be run twice, so it
changes nothing but the database. Whoever drives it does all of its steps in one transaction, or none.
"""

from collections.abc import Callable, Generator, Sequence
from typing import TypeAlias, TypeVar, cast

import msgspec

from calling_card.protocol.events import Event
from calling_card.protocol.life.webhooks import Bookmark
from calling_card.store import statements as sql
from calling_card.store.database import Values


class Look(msgspec.Struct, frozen=True):
    """Answered with rows."""

    statement: str
    values: Values


class Change(msgspec.Struct, frozen=True):
    """Answered with the number of rows that changed."""

    statement: str
    values: Values


class Many(msgspec.Struct, frozen=True):
    """One change for each of several lists of values; answered with nothing."""

    statement: str
    values: Sequence[Values]


class Hold(msgspec.Struct, frozen=True):
    """Nobody else changes these rows until the transaction ends; where one writes at a time, there is nothing to do. Not answered."""

    statement: str
    values: Values


class Note(msgspec.Struct, frozen=True):
    """An event goes with the changes; answered with its place."""

    event: Event


class Settle(msgspec.Struct, frozen=True):
    """A change and the event that tells of it, or neither; answered with whether it changed something.

    When it did, the unit has written all it writes: a database far away can be asked for all of this in one message.
    """

    statement: str
    values: Values
    event: Event | None = None
    first: tuple[str, Values] | None = None
    """What is swept on this occasion, changed or not."""
    then: tuple[str, Values] | None = None
    """An insertion that goes with the change."""
    passing: str = ""
    """The fault point between the change and what goes with it."""


Step: TypeAlias = Look | Change | Many | Hold | Note | Settle
Answer: TypeAlias = Sequence[Values] | int | Bookmark | None
T = TypeVar("T")
Steps: TypeAlias = Generator[Step, Answer, T]
Unit: TypeAlias = Callable[[], Steps[T]]
"""Begins the steps of one caller anew."""


def rows(statement: str, values: Values) -> Steps[Sequence[Values]]:
    """What a statement finds."""
    return cast("Sequence[Values]", (yield Look(statement, values)))


def there(statement: str, values: Values) -> Steps[bool]:
    """Whether there is a row."""
    return bool((yield Look(statement, values)))


def count(statement: str, values: Values) -> Steps[int]:
    """Run a statement and say how many rows it changed."""
    return cast("int", (yield Change(statement, values)))


def changed(statement: str, values: Values) -> Steps[bool]:
    """Run a statement and say whether it changed a row."""
    return cast("int", (yield Change(statement, values))) > 0


def each(statement: str, values: Sequence[Values]) -> Steps[None]:
    """Run a statement for each of these."""
    yield Many(statement, values)


def hold(statement: str, values: Values) -> Steps[None]:
    """Keep others from changing what this statement finds."""
    yield Hold(statement, values)


def gate(name: str) -> Steps[None]:
    """One transaction at a time goes on behind a gate of this name; it leaves no row behind."""
    yield Hold(sql.ENTER_GATE, (name,))
    yield Hold(sql.LEAVE_GATE, (name,))


def note(event: Event) -> Steps[Bookmark]:
    """Put an event into the transaction that it belongs to."""
    return cast("Bookmark", (yield Note(event)))


def one(statement: str, values: Values, event: Event | None) -> Steps[bool]:
    """Change one row with its event; False, and nothing is kept: there is no row of which that is still true."""
    return cast("bool", (yield Settle(statement, values, event)))
