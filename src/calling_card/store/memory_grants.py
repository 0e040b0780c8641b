"""Grants and remembered yeses in memory (CREDENTIALS §8 and §9)."""

from collections.abc import Sequence

from calling_card.protocol.clients import Client, State
from calling_card.protocol.events import Event
from calling_card.protocol.persons.grants import Consent, Grant, Stage, ended, of_client, stands
from calling_card.protocol.persons.people import Standing
from calling_card.store.rules import as_kept, check_given, check_same_grant
from calling_card.store.shelves import Shelves


class MemoryGrants(Shelves):
    """The verbs of `Store` about what people allow clients."""

    async def give(self, client: Client, grant: Grant, consent: Consent | None, event: Event) -> bool:
        """See `Store.give`."""
        check_given(client, grant, consent)
        self._begin()
        unborn = self._unborn(client)
        if client.state is State.SUSPENDED or not (unborn or (self._lives(client) and self._clients[client.key].state is client.state)):
            return False
        if not self._stands(grant.person, grant.person_epoch):
            return False
        if (client.key, grant.id) in self._grants:
            raise ValueError("a grant with this id is there already")
        if unborn:
            self._bear(client, event)
        else:
            self._note(event)
        self._grants[client.key, grant.id] = as_kept(grant)
        if consent is not None:
            self._consents[consent.person, client.key, consent.redirect_uri, consent.resource, consent.scope] = consent
        return True

    async def grant(self, key: bytes, id: bytes) -> tuple[Grant, Standing] | None:
        """See `Store.grant`."""
        grant = self._grants.get((key, id))
        standing = None if grant is None else self._standing(grant.person)
        return None if grant is None or standing is None else (grant, standing)

    async def change_grant(self, before: Grant, after: Grant, event: Event) -> bool:
        """See `Store.change_grant`."""
        check_same_grant(before, after)
        self._begin()
        there, client = self._grants.get((before.client_key, before.id)), self._clients.get(before.client_key)
        if there is None or client is None or not of_client(there, client) or compared(there) != compared(before):
            return False
        self._note(event)
        self._grants[before.client_key, before.id] = as_kept(after)
        return True

    async def consents(self, person: bytes, client: Client) -> Sequence[Consent]:
        """See `Store.consents`."""
        whose = (person, client.key, client.incarnation)
        found = [consent for consent in self._consents.values() if (consent.person, consent.client_key, consent.incarnation) == whose]
        return sorted(found, key=lambda consent: (-consent.given_at, consent.redirect_uri, consent.resource, consent.scope))

    async def allowed(self, person: bytes) -> Sequence[tuple[Client, Sequence[Grant]]]:
        """See `Store.allowed`; what ended with an earlier epoch of the person lives no more."""
        living = [grant for grant in self._grants.values() if grant.person == person and self._current(grant)]
        found: dict[bytes, tuple[Client, list[Grant]]] = {}
        for grant in sorted(living, key=lambda grant: (-grant.created_at, grant.id)):
            found.setdefault(grant.client_key, (self._clients[grant.client_key], []))[1].append(grant)
        return list(found.values())

    async def approved(self, client: Client) -> bool:
        """See `Store.approved`."""
        return self._lives(client) and self._was_approved(client)

    async def grants_alive(self, client: Client) -> int:
        """See `Store.grants_alive`."""
        return len([grant for grant in self._grants.values() if of_client(grant, client) and self._alive(grant)])

    def _alive(self, grant: Grant) -> bool:
        standing = self._standing(grant.person)
        return grant.stage is Stage.LIVE and standing is not None and stands(grant, standing)

    async def withdraw(self, person: bytes, key: bytes, event: Event) -> bool:
        """See `Store.withdraw`."""
        self._begin()
        grants = {
            place: ended(grant)
            for place, grant in self._grants.items()
            if (grant.person, grant.client_key) == (person, key) and grant.stage is not Stage.REVOKED
        }
        consents = [place for place in self._consents if place[:2] == (person, key)]
        if not grants and not consents:
            return False
        self._note(event)
        self._grants.update(grants)
        for place in consents:
            del self._consents[place]
        return True


def compared(grant: Grant) -> tuple[object, ...]:
    """What must be as it was read for a change to happen."""
    return (grant.incarnation, grant.stage, grant.epoch, as_kept(grant).refresh)
