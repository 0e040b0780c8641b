"""Dead clients, what else has ended, and whose turn it is to sweep (S4-05, X-34)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from calling_card.faults import point
from calling_card.ports import Page
from calling_card.protocol.clients import Client, Route
from calling_card.protocol.events import Event
from calling_card.protocol.life.pruning import Horizon, Litter, Pruned, Suspect
from calling_card.store import rows, steps
from calling_card.store import statements as sql
from calling_card.store.database import Value, Values
from calling_card.store.steps import Steps, changed, count, hold, note
from calling_card.store.transactions import Transactions, remember
from calling_card.store.verbs.lives import bury

END_OF_CLIENT = len(rows.CLIENT)


@dataclass(frozen=True, slots=True)
class Sweep:
    """How rows of one table are walked over, and which of them go; ``moments`` of the horizon are the values of these statements."""

    window: str
    statements: tuple[str, ...]
    moments: tuple[str, ...]
    held: str = ""
    """What nobody changes between these statements."""
    text: bool = False
    """Whether the rows have a text for a key."""


GRANT_MOMENTS = ("settled", "settled", "given", "refreshed")
SWEEPS: Mapping[Litter, Sweep] = {
    Litter.MARKS: Sweep(sql.NEXT_MARKS, (sql.SWEEP_ALL_MARKS,), ("now",)),
    Litter.GRANTS: Sweep(sql.NEXT_GRANTS, (sql.REMEMBER_APPROVED, sql.SWEEP_GRANTS), GRANT_MOMENTS, sql.HOLD_SWEPT_GRANTS),
    Litter.SESSIONS: Sweep(sql.NEXT_SESSIONS, (sql.SWEEP_ALL_SESSIONS,), ("now",)),
    Litter.HOSTED_DOCUMENTS: Sweep(sql.NEXT_HOSTED, (sql.SWEEP_ALL_HOSTED,), ("now",), text=True),
    Litter.INITIAL_ACCESS_TOKENS: Sweep(sql.NEXT_INVITATIONS, (sql.SWEEP_INVITATIONS,), ("forgotten", "forgotten")),
    Litter.PRUNED_CLIENTS: Sweep(sql.NEXT_PRUNED, (sql.SWEEP_PRUNED,), ("now",)),
}


class Pruning(Transactions):
    """The verbs of `Store` about what is dead."""

    async def suspects(self, after: bytes, limit: int, horizon: Horizon) -> Page:
        """See `Store.suspects`. The days of use that wait are written first."""
        if self._days:
            await self._write(lambda: remember({}))
        seen, last = cast("tuple[int, bytes | None]", (await self._scan(sql.NEXT_CLIENTS, (after, limit)))[0])
        if last is None:
            return Page(b"", 0, ())
        found = await self._scan(sql.SUSPECTS, (*moments(horizon), after, last, horizon.day))
        return Page(last, seen, [suspect_of(row) for row in found])

    async def suspect(self, client: Client, horizon: Horizon) -> Suspect | None:
        """See `Store.suspect`."""
        found = await self._read(sql.SUSPECT_BY_KEY, (*moments(horizon), client.key, client.incarnation))
        return suspect_of(found[0]) if found else None

    async def warn(self, client: Client, fact: bytes, until: int, event: Event) -> bool:
        """See `Store.warn`."""
        return await self._one(sql.INSERT_WARNING, (fact, until, client.key, client.incarnation), event, client.key)

    async def prune(self, suspect: Suspect, reason: str, horizon: Horizon, event: Event, tombstone_until: int, until: int) -> bool:
        """See `Store.prune`; looks again before it writes, for nobody else writes about this client meanwhile."""
        client = suspect.client

        def unit() -> Steps[bool]:
            yield from hold(sql.HOLD_CLIENT, (client.key,))
            yield from hold(sql.HOLD_GRANTS, (client.key,))
            found = yield from steps.rows(sql.SUSPECT_BY_KEY, (*moments(horizon), client.key, client.incarnation))
            if not found or suspect_of(found[0]) != suspect:
                return False
            if client.route is Route.REGISTERED and until > event.at:
                aside = (int(suspect.approved), reason, event.at, until)
                yield from changed(sql.PUT_ASIDE, (*aside, client.key, client.incarnation))
                point("store.client_aside")
            yield from bury(client, tombstone_until)
            yield from note(event)
            return True

        return await self._write(unit, client.key)

    async def pruned(self, after: str, limit: int) -> Sequence[Pruned]:
        """See `Store.pruned`."""
        return [pruned_of(row) for row in await self._read(sql.PRUNED_BEHIND, (after, self._now(), limit))]

    async def pruned_client(self, key: bytes) -> Pruned | None:
        """See `Store.pruned_client`."""
        found = await self._read(sql.PRUNED_BY_KEY, (key, self._now()))
        return pruned_of(found[0]) if found else None

    async def bring_back(self, pruned: Pruned, day: int, event: Event) -> bool:
        """See `Store.bring_back`."""
        place = (pruned.client.key, pruned.client.incarnation)

        def unit() -> Steps[bool]:
            if not (yield from changed(sql.BRING_BACK, (*place, event.at))):
                return False
            point("store.client_back")
            yield from changed(sql.FORGET_PRUNED, place)
            yield from changed(sql.DELETE_TOMBSTONE, place)
            yield from changed(sql.REMEMBER_DAY, (day, *place, day))
            yield from note(event)
            return True

        return await self._write(unit, pruned.client.key)

    async def keep_aside(self, pruned: Pruned, after: Client | None, event: Event) -> bool:
        """See `Store.keep_aside`."""
        place = (pruned.client.key, pruned.client.incarnation, event.at)
        if after is None:
            return await self._one(sql.LET_GO_OF_PRUNED, place, event, pruned.client.key)
        values = (after.epoch, after.state.value, int(after.waits), *place)
        return await self._one(sql.CHANGE_PRUNED, values, event, pruned.client.key)

    async def sweep(self, litter: Litter, after: int, limit: int, horizon: Horizon) -> tuple[int, int]:
        """See `Store.sweep`: a walk along the rows as they lie, so that no step is longer than another."""
        kind = SWEEPS[litter]
        values = tuple(cast("int", getattr(horizon, moment)) for moment in kind.moments)

        def unit() -> Steps[tuple[int, int]]:
            begin = self._lying(after, text=kind.text)
            found = yield from steps.rows(kind.window, (begin, limit))
            if not found or found[0][0] is None:
                return 0, 0
            window, gone = (begin, found[0][0]), 0
            if kind.held:
                yield from hold(kind.held, window)
            for statement in kind.statements:
                gone = yield from count(statement, (*window, *values))
            return gone, self._number(found[0][0])

        return await self._write(unit)

    def _lying(self, number: int, *, text: bool) -> Value:
        """Where the row lies that the caller knows under this number."""
        del text
        return number

    def _number(self, lying: Value) -> int:
        """The inverse."""
        return cast("int", lying)

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
