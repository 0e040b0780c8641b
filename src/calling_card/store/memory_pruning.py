"""Dead clients, what else has ended, and whose turn it is to sweep, in memory (S4-05, X-34)."""

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from calling_card.ports import Invitation, Page
from calling_card.protocol.clients import Client, Route
from calling_card.protocol.events import Event
from calling_card.protocol.life.pruning import Horizon, Litter, Pruned, Suspect
from calling_card.protocol.persons.grants import Grant, Stage, of_client
from calling_card.store.shelves import Mark, Shelves


class MemoryPruning(Shelves):
    """The verbs of `Store` about what is dead."""

    async def suspects(self, after: bytes, limit: int, horizon: Horizon) -> Page:
        """See `Store.suspects`."""
        keys = sorted(key for key in self._clients if key > after)[:limit]
        quiet = [self._clients[key] for key in keys if self._clients[key].last_used_day <= horizon.day]
        return Page(keys[-1] if keys else b"", len(keys), [self._suspect(client, horizon) for client in quiet])

    async def suspect(self, client: Client, horizon: Horizon) -> Suspect | None:
        """See `Store.suspect`."""
        return self._suspect(self._clients[client.key], horizon) if self._lives(client) else None

    async def warn(self, client: Client, fact: bytes, until: int, event: Event) -> bool:
        """See `Store.warn`."""
        self._begin()
        marks = self._marks.get(client.key, {})
        if not self._lives(client) or fact in marks:
            return False
        self._note(event)
        self._marks[client.key] = {**marks, fact: Mark("warning", until)}
        return True

    async def prune(self, suspect: Suspect, reason: str, horizon: Horizon, event: Event, tombstone_until: int, until: int) -> bool:
        """See `Store.prune`."""
        self._begin()
        client = suspect.client
        if not self._lives(client) or self._suspect(self._clients[client.key], horizon) != suspect:
            return False
        self._note(event)
        if suspect.approved:
            self._approved.add((client.key, client.incarnation))
        if client.route is Route.REGISTERED and until > event.at:
            self._pruned[client.key] = Pruned(client, reason, event.at, until)
        self._bury(client, tombstone_until)
        return True

    async def pruned(self, after: str, limit: int) -> Sequence[Pruned]:
        """See `Store.pruned`."""
        behind = [pruned for pruned in self._pruned.values() if pruned.client.client_id > after and pruned.until > self._now()]
        return sorted(behind, key=lambda pruned: (pruned.client.client_id, pruned.client.key))[:limit]

    async def pruned_client(self, key: bytes) -> Pruned | None:
        """See `Store.pruned_client`."""
        pruned = self._pruned.get(key)
        return pruned if pruned is not None and pruned.until > self._now() else None

    async def bring_back(self, pruned: Pruned, day: int, event: Event) -> bool:
        """See `Store.bring_back`."""
        self._begin()
        client = pruned.client
        there = self._pruned.get(client.key)
        if there is None or there.client.incarnation != client.incarnation or there.until <= event.at or client.key in self._clients:
            return False
        self._note(event)
        del self._pruned[client.key]
        self._clients[client.key] = structs.replace(
            there.client, epoch=there.client.epoch + 1, last_used_day=max(there.client.last_used_day, day)
        )
        self._marks.get(client.key, {}).pop(client.incarnation, None)
        return True

    async def keep_aside(self, pruned: Pruned, after: Client | None, event: Event) -> bool:
        """See `Store.keep_aside`."""
        self._begin()
        there = self._pruned.get(pruned.client.key)
        if there is None or there.client.incarnation != pruned.client.incarnation or there.until <= event.at:
            return False
        self._note(event)
        if after is None:
            del self._pruned[there.client.key]
        else:
            client = structs.replace(there.client, epoch=after.epoch, state=after.state, waits=after.waits)
            self._pruned[client.key] = replace(there, client=client)
        return True

    async def sweep(self, litter: Litter, after: int, limit: int, horizon: Horizon) -> tuple[int, int]:
        """See `Store.sweep`; all in one step."""
        del after, limit
        self._begin()
        return {
            Litter.MARKS: self._sweep_marks,
            Litter.GRANTS: self._sweep_grants,
            Litter.SESSIONS: self._sweep_sessions,
            Litter.HOSTED_DOCUMENTS: self._sweep_hosted,
            Litter.INITIAL_ACCESS_TOKENS: self._sweep_invitations,
            Litter.PRUNED_CLIENTS: self._sweep_pruned,
        }[litter](horizon), 0

    async def lease(self, name: str, holder: bytes, until: int, now: int) -> bool:
        """See `Store.lease`."""
        self._begin()
        there, ends = self._leases.get(name, (holder, 0))
        if there != holder and ends > now:
            return False
        self._leases[name] = (holder, until)
        return True

    def _suspect(self, client: Client, horizon: Horizon) -> Suspect:
        """A client, and what else decides about it."""
        grants = [grant for grant in self._grants.values() if of_client(grant, client)]
        versions = self._documents.get(client.key, ())
        return Suspect(
            client,
            approved=self._was_approved(client),
            alive=any(grant.stage is Stage.LIVE and not self._ended(grant, horizon) for grant in grants),
            pending=any(grant.stage is Stage.PENDING and grant.code_deadline > horizon.now for grant in grants),
            gone_at=versions[-1].gone_at if versions else 0,
        )

    def _ended(self, grant: Grant, horizon: Horizon) -> bool:
        """Whether nothing of a grant can be used any more, and nobody would ask for it."""
        if grant.stage is Stage.PENDING:
            return grant.code_deadline <= horizon.settled
        if grant.stage is Stage.REVOKED:
            return max(grant.created_at, grant.last_used_at) <= horizon.settled
        return grant.created_at <= horizon.given or grant.last_used_at <= horizon.refreshed or not self._current(grant)

    def _sweep_marks(self, horizon: Horizon) -> int:
        before = sum(len(marks) for marks in self._marks.values())
        living = {key: {mark: fact for mark, fact in marks.items() if fact.expires_at > horizon.now} for key, marks in self._marks.items()}
        self._marks = {key: marks for key, marks in living.items() if marks}
        return before - sum(len(marks) for marks in self._marks.values())

    def _sweep_grants(self, horizon: Horizon) -> int:
        dead = {place: grant for place, grant in self._grants.items() if self._ended(grant, horizon)}
        self._approved |= {(grant.client_key, grant.incarnation) for grant in dead.values() if grant.stage is not Stage.PENDING}
        self._grants = {place: grant for place, grant in self._grants.items() if place not in dead}
        return len(dead)

    def _sweep_sessions(self, horizon: Horizon) -> int:
        before = len(self._sessions)
        self._sessions = {place: session for place, session in self._sessions.items() if session.expires_at > horizon.now}
        return before - len(self._sessions)

    def _sweep_hosted(self, horizon: Horizon) -> int:
        before = len(self._hosted)
        self._hosted = {id: document for id, document in self._hosted.items() if document.expires_at > horizon.now}
        return before - len(self._hosted)

    def _sweep_invitations(self, horizon: Horizon) -> int:
        before = len(self._invitations)
        asked_for = {client.invitation for client in (*self._clients.values(), *(pruned.client for pruned in self._pruned.values()))}
        kept = {id: one for id, one in self._invitations.items() if id in asked_for or not useless(one, horizon.forgotten)}
        self._invitations = kept
        return before - len(kept)

    def _sweep_pruned(self, horizon: Horizon) -> int:
        before = len(self._pruned)
        self._pruned = {key: pruned for key, pruned in self._pruned.items() if pruned.until > horizon.now}
        return before - len(self._pruned)


def useless(invitation: Invitation, forgotten: int) -> bool:
    """Whether an invitation lets nobody in any more, and that for long."""
    over = invitation.uses_left == 0 or 0 < invitation.expires_at <= forgotten
    return over and invitation.created_at <= forgotten
