"""Grants and remembered yeses on SQLite (CREDENTIALS §8 and §9)."""

from collections.abc import Sequence
from typing import cast

from calling_card.faults import point
from calling_card.protocol.clients import Client
from calling_card.protocol.events import Event
from calling_card.protocol.persons.grants import Consent, Grant
from calling_card.protocol.persons.people import Standing
from calling_card.store import rows, rows_people
from calling_card.store import statements as sql
from calling_card.store.database import Database, Values
from calling_card.store.rules import check_given, check_same_grant
from calling_card.store.transactions import Transactions, changed, there

END_OF_CLIENT = len(rows.CLIENT)
END_OF_GRANT = len(rows_people.GRANT)


class SqliteGrants(Transactions):
    """The verbs of `Store` about what people allow clients."""

    async def give(self, client: Client, grant: Grant, consent: Consent | None, event: Event) -> bool:
        """See `Store.give`."""
        check_given(client, grant, consent)

        def unit(db: Database) -> bool:
            if not there(db, sql.STANDS, (grant.person, grant.person_epoch)):
                return False
            if client.card_until:
                self._bear(db, client, event)
            if not there(db, sql.CLIENT_MAY, (client.key, client.incarnation, client.state.value)):
                return False
            if not changed(db, sql.INSERT_GRANT, rows_people.grant_values(grant)):
                raise ValueError("a grant with this id is there already")
            point("store.grant_given")
            if consent is not None:
                db.execute(sql.PUT_CONSENT, rows_people.consent_values(consent))
            self._note(db, event)
            return True

        return await self._write(unit)

    async def grant(self, key: bytes, id: bytes) -> tuple[Grant, Standing] | None:
        """See `Store.grant`."""
        found = self._read(sql.GRANT_BY_KEY, (key, id))
        if not found:
            return None
        return rows_people.grant_of(found[0]), rows_people.standing_of(found[0][END_OF_GRANT:])

    async def change_grant(self, before: Grant, after: Grant, event: Event) -> bool:
        """See `Store.change_grant`."""
        check_same_grant(before, after)
        return await self._one(sql.CHANGE_GRANT, change(before, after), event)

    async def consents(self, person: bytes, client: Client) -> Sequence[Consent]:
        """See `Store.consents`."""
        return [rows_people.consent_of(row) for row in self._read(sql.CONSENTS, (person, client.key, client.incarnation))]

    async def allowed(self, person: bytes) -> Sequence[tuple[Client, Sequence[Grant]]]:
        """See `Store.allowed`; what ended with an earlier epoch of the person lives no more."""
        found: dict[object, tuple[Client, list[Grant]]] = {}
        for row in self._read(sql.ALLOWED, (person,)):
            if row[0] not in found:
                found[row[0]] = (rows.client_of(row), [])
            found[row[0]][1].append(rows_people.grant_of(row[END_OF_CLIENT:]))
        return list(found.values())

    async def approved(self, client: Client) -> bool:
        """See `Store.approved`."""
        return bool(self._read(sql.REDEEMED, (client.key, client.incarnation)))

    async def grants_alive(self, client: Client) -> int:
        """See `Store.grants_alive`."""
        return cast("int", self._read(sql.GRANTS_ALIVE, (client.key, client.incarnation))[0][0])

    async def withdraw(self, person: bytes, key: bytes, event: Event) -> bool:
        """See `Store.withdraw`."""

        def unit(db: Database) -> bool:
            ended = changed(db, sql.END_GRANTS, (person, key))
            forgotten = changed(db, sql.FORGET_CONSENTS, (person, key))
            if not (ended or forgotten):
                return False
            self._note(db, event)
            return True

        return await self._write(unit)


def change(before: Grant, after: Grant) -> Values:
    """The values of a change in the order of its statement."""
    return (
        after.stage.value,
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
        before.stage.value,
        before.epoch,
        *rows_people.refresh_values(before.refresh),
    )
