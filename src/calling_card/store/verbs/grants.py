"""Grants and remembered yeses (CREDENTIALS §8 and §9)."""

from collections.abc import Sequence
from typing import cast

from calling_card.protocol.clients import Client
from calling_card.protocol.events import Event
from calling_card.protocol.persons.grants import Consent, Grant
from calling_card.protocol.persons.people import Standing
from calling_card.store import rows, rows_people
from calling_card.store import statements as sql
from calling_card.store.database import Values
from calling_card.store.rules import check_given, check_same_grant
from calling_card.store.steps import Settle, Steps, changed, note, there
from calling_card.store.transactions import Transactions
from calling_card.store.verbs.lives import bear

END_OF_CLIENT = len(rows.CLIENT)
END_OF_GRANT = len(rows_people.GRANT)


class Grants(Transactions):
    """The verbs of `Store` about what people allow clients."""

    async def give(self, client: Client, grant: Grant, consent: Consent | None, event: Event) -> bool:
        """See `Store.give`."""
        check_given(client, grant, consent)
        now = self._now()
        return await self._write(lambda: give(client, grant, consent, event, now), client.key)

    async def grant(self, key: bytes, id: bytes) -> tuple[Grant, Standing] | None:
        """See `Store.grant`."""
        found = await self._read(sql.GRANT_BY_KEY, (key, id))
        if not found:
            return None
        return rows_people.grant_of(found[0]), rows_people.standing_of(found[0][END_OF_GRANT:])

    async def change_grant(self, before: Grant, after: Grant, event: Event) -> bool:
        """See `Store.change_grant`."""
        check_same_grant(before, after)
        return await self._one(sql.CHANGE_GRANT, change(before, after), event, before.client_key)

    async def consents(self, person: bytes, client: Client) -> Sequence[Consent]:
        """See `Store.consents`."""
        return [rows_people.consent_of(row) for row in await self._read(sql.CONSENTS, (person, client.key, client.incarnation))]

    async def allowed(self, person: bytes) -> Sequence[tuple[Client, Sequence[Grant]]]:
        """See `Store.allowed`; what ended with an earlier epoch of the person lives no more."""
        found: dict[object, tuple[Client, list[Grant]]] = {}
        for row in await self._read(sql.ALLOWED, (person,)):
            if row[0] not in found:
                found[row[0]] = (rows.client_of(row), [])
            found[row[0]][1].append(rows_people.grant_of(row[END_OF_CLIENT:]))
        return list(found.values())

    async def approved(self, client: Client) -> bool:
        """See `Store.approved`."""
        return bool(await self._read(sql.REDEEMED, (client.key, client.incarnation)))

    async def grants_alive(self, client: Client) -> int:
        """See `Store.grants_alive`."""
        return cast("int", (await self._read(sql.GRANTS_ALIVE, (client.key, client.incarnation)))[0][0])

    async def withdraw(self, person: bytes, key: bytes, event: Event) -> bool:
        """See `Store.withdraw`."""

        def unit() -> Steps[bool]:
            ended = yield from changed(sql.END_GRANTS, (person, key))
            forgotten = yield from changed(sql.FORGET_CONSENTS, (person, key))
            if not (ended or forgotten):
                return False
            yield from note(event)
            return True

        return await self._write(unit, key)


def give(client: Client, grant: Grant, consent: Consent | None, event: Event, now: int) -> Steps[bool]:
    """A pending grant with the yes; who lives on a card alone is born first, if the person may give anything at all."""
    if client.card_until and (yield from there(sql.STANDS, (grant.person, grant.person_epoch))):
        yield from bear(client, event, now)
    who = (client.key, client.incarnation, client.state, grant.person, grant.person_epoch)
    yes = None if consent is None else (sql.PUT_CONSENT, rows_people.consent_values(consent))
    insertion = (*rows_people.grant_values(grant), *who)
    if (yield Settle(sql.INSERT_GRANT, insertion, event, then=yes, passing="store.grant_given")):
        return True
    if (yield from there(sql.GRANT_THERE, (grant.client_key, grant.id))):
        raise ValueError("a grant with this id is there already")
    return False


def change(before: Grant, after: Grant) -> Values:
    """The values of a change in the order of its statement."""
    return (
        after.stage,
        after.epoch,
        after.scope,
        after.resource,
        *rows_people.refresh_values(after.refresh),
        after.last_used_at,
        after.document_version,
        after.cnf,
        before.client_key,
        before.id,
        before.incarnation,
        before.stage,
        before.epoch,
        *rows_people.refresh_values(before.refresh),
    )
