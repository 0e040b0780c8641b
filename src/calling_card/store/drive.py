"""Takes the steps of a unit on an SQLite connection, one after the other, in the transaction that is open there."""

from typing import TypeVar

from calling_card.faults import point
from calling_card.protocol.events import Event
from calling_card.protocol.life.webhooks import Bookmark
from calling_card.store import rows
from calling_card.store import statements as sql
from calling_card.store.chain import Chain
from calling_card.store.database import Database
from calling_card.store.steps import Answer, Change, Look, Many, Note, Settle, Step, Steps

T = TypeVar("T")


def drive(steps: Steps[T], db: Database, chain: Chain) -> T:
    """What the unit returns."""
    try:
        step = next(steps)
        while True:
            step = steps.send(answer(step, db, chain))
    except StopIteration as done:
        result: T = done.value
        return result


def answer(step: Step, db: Database, chain: Chain) -> Answer:
    """Take one step; there is nothing to hold, for nobody else writes before the transaction ends."""
    if isinstance(step, Settle):
        return settle(step, db, chain)
    if isinstance(step, Note):
        note(step.event, db, chain)
        return Bookmark(chain.writer, chain.head[0])
    if isinstance(step, Look):
        return db.execute(step.statement, step.values).fetchall()
    if isinstance(step, Change):
        db.execute(step.statement, step.values)
        return db.changes()
    if isinstance(step, Many):
        for values in step.values:
            db.execute(step.statement, values)
    return None


def settle(step: Settle, db: Database, chain: Chain) -> bool:
    """Sweep, change, and say so if anything changed."""
    if step.first is not None:
        db.execute(*step.first)
    db.execute(step.statement, step.values)
    if db.changes() == 0:
        return False
    if step.passing:
        point(step.passing)
    if step.then is not None:
        db.execute(*step.then)
    if step.event is not None:
        note(step.event, db, chain)
    return True


def note(event: Event, db: Database, chain: Chain) -> None:
    """Write an event."""
    db.execute(sql.INSERT_EVENT, rows.event_values(chain.append(event)))
    point("store.event")
