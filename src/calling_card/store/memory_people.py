"""People, their sessions and their passkeys in memory."""

from collections.abc import Sequence
from dataclasses import replace

from calling_card.protocol.events import Event
from calling_card.protocol.persons.people import Passkey, Person, Session
from calling_card.store.rules import check_same_person
from calling_card.store.shelves import Shelves


class MemoryPeople(Shelves):
    """The verbs of `Store` about who signs in, and how."""

    # People -----------------------------------------------------------------------------------------------------------------------

    async def person(self, id: bytes) -> Person | None:
        """See `Store.person`."""
        return self._people.get(id)

    async def person_named(self, name: str) -> Person | None:
        """See `Store.person_named`."""
        return self._named(name)

    async def people(self, after: str, limit: int) -> Sequence[Person]:
        """See `Store.people`."""
        behind = [person for person in self._people.values() if folded(person.name) > folded(after)]
        return sorted(behind, key=lambda person: folded(person.name))[:limit]

    async def add_person(self, person: Person, event: Event) -> bool:
        """See `Store.add_person`."""
        self._begin()
        if person.id in self._people or self._named(person.name) is not None:
            return False
        self._note(event)
        self._people[person.id] = person
        return True

    async def change_person(self, before: Person, after: Person, event: Event) -> bool:
        """See `Store.change_person`; the role is compared too."""
        check_same_person(before, after)
        self._begin()
        there = self._people.get(before.id)
        if there is None or compared(there) != compared(before):
            return False
        self._note(event)
        self._people[before.id] = after
        if after.epoch > before.epoch:
            self._sessions = {place: session for place, session in self._sessions.items() if session.person != after.id}
        return True

    # Sessions ---------------------------------------------------------------------------------------------------------------------

    async def session(self, person: bytes, id: bytes) -> tuple[Session, Person] | None:
        """See `Store.session`."""
        session = self._sessions.get((person, id))
        return None if session is None else (session, self._people[person])

    async def sessions(self, person: bytes) -> Sequence[Session]:
        """See `Store.sessions`."""
        now = self._now()
        found = [session for session in self._sessions.values() if session.person == person and session.expires_at > now]
        return sorted(found, key=lambda session: (-session.created_at, session.id))

    async def begin_session(self, session: Session, ended: bytes | None, event: Event) -> bool:
        """See `Store.begin_session`; what has expired of the person's sessions goes on this occasion."""
        self._begin()
        now = self._now()
        if not self._stands(session.person, session.epoch):
            return False
        kept = {place: other for place, other in self._sessions.items() if other.person != session.person or other.expires_at > now}
        if (session.person, session.id) in kept:
            raise ValueError("a session with this id is there already")
        self._note(event)
        self._sessions = {**kept, (session.person, session.id): session}
        if ended is not None:
            self._sessions.pop((session.person, ended), None)
        return True

    async def end_session(self, person: bytes, id: bytes, event: Event) -> bool:
        """See `Store.end_session`."""
        self._begin()
        if (person, id) not in self._sessions:
            return False
        self._note(event)
        del self._sessions[person, id]
        return True

    # Passkeys ---------------------------------------------------------------------------------------------------------------------

    async def passkeys(self, person: bytes) -> Sequence[Passkey]:
        """See `Store.passkeys`."""
        found = [passkey for passkey in self._passkeys.values() if passkey.person == person]
        return sorted(found, key=lambda passkey: (passkey.created_at, passkey.id))

    async def passkey(self, id: bytes) -> tuple[Passkey, Person] | None:
        """See `Store.passkey`."""
        passkey = self._passkeys.get(id)
        return None if passkey is None else (passkey, self._people[passkey.person])

    async def add_passkey(self, passkey: Passkey, event: Event) -> bool:
        """See `Store.add_passkey`; nobody gets one who is gone or not active."""
        self._begin()
        person = self._people.get(passkey.person)
        if passkey.id in self._passkeys or person is None or not person.active:
            return False
        self._note(event)
        self._passkeys[passkey.id] = passkey
        return True

    async def use_passkey(self, before: Passkey, after: Passkey) -> bool:
        """See `Store.use_passkey`."""
        self._begin()
        there = self._passkeys.get(before.id)
        if there is None or (there.person, there.count) != (before.person, before.count):
            return False
        self._passkeys[before.id] = replace(there, count=after.count, last_used_at=after.last_used_at)
        return True

    async def remove_passkey(self, person: bytes, id: bytes, event: Event) -> bool:
        """See `Store.remove_passkey`."""
        self._begin()
        there = self._passkeys.get(id)
        if there is None or there.person != person:
            return False
        self._note(event)
        del self._passkeys[id]
        return True

    def _named(self, name: str) -> Person | None:
        return next((person for person in self._people.values() if folded(person.name) == folded(name)), None)


def folded(name: str) -> bytes:
    """A name for comparison: A to Z are a to z, and nothing else is anything else."""
    return name.encode(errors="surrogatepass").lower()


def compared(person: Person) -> tuple[object, ...]:
    """What must be as it was read for a change to happen."""
    return (person.epoch, person.active, person.password, person.role)
