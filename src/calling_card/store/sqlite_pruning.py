"""Dead clients, what else has ended, and whose turn it is to sweep, on SQLite (S4-05, X-34)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from calling_card.faults import point
from calling_card.ports import Page
from calling_card.protocol.clients import Client, Route
from calling_card.protocol.events import Event
from calling_card.protocol.life.pruning import Horizon, Litter, Pruned, Suspect
from calling_card.store import rows
from calling_card.store import statements as sql
from calling_card.store.database import Database, Values
from calling_card.store.transactions import Transactions, changed, there

END_OF_CLIENT = len(rows.CLIENT)


@dataclass(frozen=True, slots=True)
class Sweep:
    """How rows of one table are walked over, and which of them go; ``moments`` of the horizon are the values of these statements."""

    window: str
    statements: tuple[str, ...]
    moments: tuple[str, ...]


SWEEPS: Mapping[Litter, Sweep] = {
    Litter.MARKS: Sweep(sql.NEXT_MARKS, (sql.SWEEP_ALL_MARKS,), ("now",)),
    Litter.GRANTS: Sweep(sql.NEXT_GRANTS, (sql.REMEMBER_APPROVED, sql.SWEEP_GRANTS), ("settled", "settled", "given", "refreshed")),
    Litter.SESSIONS: Sweep(sql.NEXT_SESSIONS, (sql.SWEEP_ALL_SESSIONS,), ("now",)),
    Litter.HOSTED_DOCUMENTS: Sweep(sql.NEXT_HOSTED, (sql.SWEEP_ALL_HOSTED,), ("now",)),
    Litter.INITIAL_ACCESS_TOKENS: Sweep(sql.NEXT_INVITATIONS, (sql.SWEEP_INVITATIONS,), ("forgotten", "forgotten")),
    Litter.PRUNED_CLIENTS: Sweep(sql.NEXT_PRUNED, (sql.SWEEP_PRUNED,), ("now",)),
}


class SqlitePruning(Transactions):
    """The verbs of `Store` about what is dead."""

    async def suspects(self, after: bytes, limit: int, horizon: Horizon) -> Page:
        """See `Store.suspects`; a step of a long walk does not run on the loop. The days of use that wait are written first."""
        if self._days:
            await self._write(lambda _: None)
        return await asyncio.to_thread(self._suspects, after, limit, horizon)

    def _suspects(self, after: bytes, limit: int, horizon: Horizon) -> Page:
        seen, last = cast("tuple[int, bytes | None]", self._scan(sql.NEXT_CLIENTS, (after, limit))[0])
        if last is None:
            return Page(b"", 0, ())
        found = self._scan(sql.SUSPECTS, (*moments(horizon), after, last, horizon.day))
        return Page(last, seen, [suspect_of(row) for row in found])

    async def suspect(self, client: Client, horizon: Horizon) -> Suspect | None:
        """See `Store.suspect`."""
        found = self._read(sql.SUSPECT_BY_KEY, (*moments(horizon), client.key, client.incarnation))
        return suspect_of(found[0]) if found else None

    async def warn(self, client: Client, fact: bytes, until: int, event: Event) -> bool:
        """See `Store.warn`."""
        return await self._one(sql.INSERT_WARNING, (fact, until, client.key, client.incarnation), event)

    async def prune(self, suspect: Suspect, reason: str, horizon: Horizon, event: Event, tombstone_until: int, until: int) -> bool:
        """See `Store.prune`; looks again before it writes, for nobody else writes meanwhile."""
        client = suspect.client

        def unit(db: Database) -> bool:
            found = db.execute(sql.SUSPECT_BY_KEY, (*moments(horizon), client.key, client.incarnation)).fetchall()
            if not found or suspect_of(found[0]) != suspect:
                return False
            if client.route is Route.REGISTERED and until > event.at:
                aside = (int(suspect.approved), reason, event.at, until)
                db.execute(sql.PUT_ASIDE, (*aside, client.key, client.incarnation))
                point("store.client_aside")
            bury(db, client, tombstone_until)
            self._note(db, event)
            return True

        return await self._write(unit)

    async def pruned(self, after: str, limit: int) -> Sequence[Pruned]:
        """See `Store.pruned`."""
        return [pruned_of(row) for row in self._read(sql.PRUNED_BEHIND, (after, self._now(), limit))]

    async def pruned_client(self, key: bytes) -> Pruned | None:
        """See `Store.pruned_client`."""
        found = self._read(sql.PRUNED_BY_KEY, (key, self._now()))
        return pruned_of(found[0]) if found else None

    async def bring_back(self, pruned: Pruned, day: int, event: Event) -> bool:
        """See `Store.bring_back`."""
        place = (pruned.client.key, pruned.client.incarnation)

        def unit(db: Database) -> bool:
            if not changed(db, sql.BRING_BACK, (*place, event.at)):
                return False
            point("store.client_back")
            db.execute(sql.FORGET_PRUNED, place)
            db.execute(sql.DELETE_TOMBSTONE, place)
            db.execute(sql.REMEMBER_DAY, (day, *place, day))
            self._note(db, event)
            return True

        return await self._write(unit)

    async def keep_aside(self, pruned: Pruned, after: Client | None, event: Event) -> bool:
        """See `Store.keep_aside`."""
        place = (pruned.client.key, pruned.client.incarnation, event.at)
        if after is None:
            return await self._one(sql.LET_GO_OF_PRUNED, place, event)
        return await self._one(sql.CHANGE_PRUNED, (after.epoch, after.state.value, int(after.waits), *place), event)

    async def sweep(self, litter: Litter, after: int, limit: int, horizon: Horizon) -> tuple[int, int]:
        """See `Store.sweep`: a walk along the rows as they lie, so that no step is longer than another."""
        kind = SWEEPS[litter]

        def unit(db: Database) -> tuple[int, int]:
            last = cast("int | None", db.execute(kind.window, (after, limit)).fetchall()[0][0])
            if last is None:
                return 0, 0
            for statement in kind.statements:
                db.execute(statement, (after, last, *(cast("int", getattr(horizon, moment)) for moment in kind.moments)))
            return db.changes(), last

        return await self._write(unit)

    async def lease(self, name: str, holder: bytes, until: int, now: int) -> bool:
        """See `Store.lease`."""
        return await self._one(sql.LEASE, (name, holder, until, now), None)


def moments(horizon: Horizon) -> tuple[int, int, int]:
    """The values of `sql.SUSPECT`."""
    return (horizon.given, horizon.refreshed, horizon.now)


def suspect_of(row: Values) -> Suspect:
    """A client, and what else decides about it."""
    approved, alive, pending, gone_at = cast("tuple[int, int, int, int]", row[END_OF_CLIENT:])
    return Suspect(rows.client_of(row), approved == 1, alive == 1, pending == 1, gone_at)


def pruned_of(row: Values) -> Pruned:
    """A client with why and when it was put aside."""
    return Pruned(rows.client_of(row), *cast("tuple[str, int, int]", row[END_OF_CLIENT:]))


def bury(db: Database, client: Client, tombstone_until: int) -> bool:
    """Delete a client with all it has but once-only facts, and leave a tombstone; False: it was gone already.

    Who lived on a card alone and has no row has nothing else either: the tombstone is all that is kept of it.
    """
    if not changed(db, sql.DELETE_CLIENT, (client.key, client.incarnation)):
        return client.card_until > 0 and not there(db, sql.BURIED, (client.key,)) and leave(db, client, tombstone_until)
    point("store.row_gone")
    for statement in (
        sql.DELETE_GRANTS,
        sql.DELETE_MARKS,
        sql.DELETE_CONSENTS,
        sql.DELETE_DOCUMENTS,
        sql.DELETE_RESOURCES,
        sql.DELETE_TEST_PERSONS,
    ):
        db.execute(statement, (client.key,))
    return leave(db, client, tombstone_until)


def leave(db: Database, client: Client, tombstone_until: int) -> bool:
    """Leave a tombstone."""
    return changed(db, sql.INSERT_TOMBSTONE, (client.key, client.incarnation, tombstone_until))
