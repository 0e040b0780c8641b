"""People, their sessions and their passkeys."""

from collections.abc import Sequence

from calling_card.faults import point
from calling_card.protocol.events import Event
from calling_card.protocol.persons.people import SELF, Passkey, Person, Session
from calling_card.store import rows_people as rows
from calling_card.store import statements as sql
from calling_card.store.database import Values
from calling_card.store.rules import check_same_person
from calling_card.store.steps import Steps, changed, hold, note, one, there
from calling_card.store.transactions import Transactions

END_OF_SESSION = len(rows.SESSION)
END_OF_PASSKEY = len(rows.PASSKEY)


class People(Transactions):
    """The verbs of `Store` about who signs in, and how."""

    # People -----------------------------------------------------------------------------------------------------------------------

    async def person(self, id: bytes) -> Person | None:
        """See `Store.person`."""
        found = await self._read(sql.PERSON_BY_ID, (id,))
        return rows.person_of(found[0]) if found else None

    async def person_named(self, name: str) -> Person | None:
        """See `Store.person_named`."""
        found = await self._read(sql.PERSON_BY_NAME, (name,))
        return rows.person_of(found[0]) if found else None

    async def people(self, after: str, limit: int) -> Sequence[Person]:
        """See `Store.people`."""
        return [rows.person_of(row) for row in await self._read(sql.PEOPLE_BEHIND, (after, limit))]

    async def add_person(self, person: Person, event: Event) -> bool:
        """See `Store.add_person`."""

        def unit() -> Steps[bool]:
            if not (yield from changed(sql.INSERT_PERSON, rows.person_values(person))):
                return False
            yield from changed(sql.INSERT_STANDING, (person.id, person.epoch, int(person.active)))
            yield from changed(sql.INSERT_IDENTITY, (SELF, person.name, person.id, person.created_at))
            yield from note(event)
            return True

        return await self._write(unit, person.id)

    async def change_person(self, before: Person, after: Person, event: Event) -> bool:
        """See `Store.change_person`; the role is compared too."""
        check_same_person(before, after)
        values = change(before, after)

        def unit() -> Steps[bool]:
            yield from hold(sql.HOLD_PERSON, (before.id,))
            if not (yield from changed(sql.CHANGE_PERSON, values)):
                return False
            yield from changed(sql.CHANGE_STANDING, (after.epoch, int(after.active), after.id))
            if after.epoch > before.epoch:
                yield from changed(sql.DELETE_SESSIONS, (after.id,))
            yield from note(event)
            return True

        return await self._write(unit, before.id)

    # Sessions ---------------------------------------------------------------------------------------------------------------------

    async def session(self, person: bytes, id: bytes) -> tuple[Session, Person] | None:
        """See `Store.session`."""
        found = await self._read(sql.SESSION_BY_ID, (person, id))
        if not found:
            return None
        return rows.session_of(found[0][:END_OF_SESSION]), rows.person_of(found[0][END_OF_SESSION:])

    async def sessions(self, person: bytes) -> Sequence[Session]:
        """See `Store.sessions`."""
        return [rows.session_of(row) for row in await self._read(sql.SESSIONS, (person, self._now()))]

    async def begin_session(self, session: Session, ended: bytes | None, event: Event) -> bool:
        """See `Store.begin_session`; what has expired of the person's sessions goes on this occasion."""
        now = self._now()

        def unit() -> Steps[bool]:
            yield from hold(sql.HOLD_STANDING, (session.person,))
            if not (yield from there(sql.STANDS, (session.person, session.epoch))):
                return False
            yield from changed(sql.SWEEP_SESSIONS, (session.person, now))
            if not (yield from changed(sql.INSERT_SESSION, (*rows.session_values(session), session.created_at))):
                raise ValueError("a session with this id is there already")
            point("store.session_begun")
            if ended is not None:
                yield from changed(sql.DELETE_SESSION, (session.person, ended))
            yield from note(event)
            return True

        return await self._write(unit, session.person)

    async def end_session(self, person: bytes, id: bytes, event: Event) -> bool:
        """See `Store.end_session`."""
        return await self._one(sql.DELETE_SESSION, (person, id), event, person)

    # Passkeys ---------------------------------------------------------------------------------------------------------------------

    async def passkeys(self, person: bytes) -> Sequence[Passkey]:
        """See `Store.passkeys`."""
        return [rows.passkey_of(row) for row in await self._read(sql.PASSKEYS, (person,))]

    async def passkey(self, id: bytes) -> tuple[Passkey, Person] | None:
        """See `Store.passkey`."""
        found = await self._read(sql.PASSKEY_BY_ID, (id,))
        if not found:
            return None
        return rows.passkey_of(found[0][:END_OF_PASSKEY]), rows.person_of(found[0][END_OF_PASSKEY:])

    async def add_passkey(self, passkey: Passkey, event: Event) -> bool:
        """See `Store.add_passkey`; nobody gets one who is gone or not active."""

        def unit() -> Steps[bool]:
            yield from hold(sql.HOLD_STANDING, (passkey.person,))
            if not (yield from there(sql.ACTIVE, (passkey.person,))):
                return False
            return (yield from one(sql.INSERT_PASSKEY, rows.passkey_values(passkey), event))

        return await self._write(unit, passkey.person)

    async def use_passkey(self, before: Passkey, after: Passkey) -> bool:
        """See `Store.use_passkey`."""
        values = (after.count, after.last_used_at, before.person, before.id, before.count)
        return await self._one(sql.USE_PASSKEY, values, None, before.person)

    async def remove_passkey(self, person: bytes, id: bytes, event: Event) -> bool:
        """See `Store.remove_passkey`."""
        return await self._one(sql.DELETE_PASSKEY, (person, id), event, person)


def change(before: Person, after: Person) -> Values:
    """The values of a change in the order of its statement."""
    return (
        after.role.value,
        after.password or None,
        rows.claims_text(after.claims),
        before.id,
        before.role.value,
        before.password or None,
        before.epoch,
        int(before.active),
    )
