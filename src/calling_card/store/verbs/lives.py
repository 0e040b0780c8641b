"""How a client's row is born and how it ends (CREDENTIALS §4 and §6)."""

from calling_card.faults import point
from calling_card.ports import KeyCollision
from calling_card.protocol.clients import Client
from calling_card.protocol.events import Event
from calling_card.store import rows, steps
from calling_card.store import statements as sql
from calling_card.store.rules import birth, taken, was_taken
from calling_card.store.steps import Settle, Steps, changed, gate, note, there


def insert(client: Client, event: Event) -> Steps[None]:
    """Insert with its event, or refuse when the place is taken, or was; whoever has it is never merged with."""
    if not (yield Settle(sql.NEW_CLIENT, (*rows.client_values(client), client.key), event)):
        raise (yield from collision(client))


def collision(client: Client) -> Steps[KeyCollision]:
    """Why there is no place for a new client."""
    found = yield from steps.rows(sql.CLIENT_BY_KEY, (client.key,))
    return taken(rows.client_of(found[0]), client) if found else was_taken()


def bear(client: Client, event: Event | None, now: int) -> Steps[bool]:
    """Give a row to a client that lived on its card alone; False: it has one, or had one. ``event``: what else happens by this.

    Such a client can be removed without ever having a row, so that no row is there to meet at.
    """
    yield from gate(client.key.hex())
    if (yield from there(sql.BURIED, (client.key,))) or not (yield from changed(sql.INSERT_CLIENT, rows.client_values(client))):
        return False
    yield from note(birth(client, event, now))
    return True


def bury(client: Client, tombstone_until: int) -> Steps[bool]:
    """Delete a client with all it has but once-only facts, and leave a tombstone; False: it was gone already.

    Who lived on a card alone and has no row has nothing else either: the tombstone is all that is kept of it. The marks of former
    tombstones stay until they expire.
    """
    if client.card_until:
        yield from gate(client.key.hex())
    if not (yield from changed(sql.DELETE_CLIENT, (client.key, client.incarnation))):
        if not client.card_until or (yield from there(sql.BURIED, (client.key,))):
            return False
        return (yield from leave(client, tombstone_until))
    point("store.row_gone")
    found = yield from steps.rows(sql.HANGING, (client.key,) * sql.HANGING.count("?"))
    hangs = iter(found[0])  # most clients that go were never used: one look tells of each of these whether there is any
    for statement in (
        sql.DELETE_GRANTS,
        sql.DELETE_MARKS,
        sql.DELETE_CONSENTS,
        sql.DELETE_DOCUMENTS,
        sql.DELETE_RESOURCES,
        sql.DELETE_TEST_PERSONS,
    ):
        if next(hangs):
            yield from changed(statement, (client.key,))
    return (yield from leave(client, tombstone_until))


def leave(client: Client, tombstone_until: int) -> Steps[bool]:
    """Leave a tombstone."""
    return (yield from changed(sql.INSERT_TOMBSTONE, (client.key, client.incarnation, tombstone_until)))
