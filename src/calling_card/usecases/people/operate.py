"""What an operator does with people: add, list, disable, reset (A-84)."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.clients import JSON, Card
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.persons.people import LONGEST_PASSWORD, NAME, SHORTEST_PASSWORD, Person, Role
from calling_card.usecases.clients import ATTEMPTS


@dataclass(frozen=True, slots=True)
class Wanted:
    """A new person."""

    name: str
    password: str
    """Empty: one is made."""
    claims: Card
    role: Role
    by: str


@dataclass(frozen=True, slots=True)
class Made:
    """A person, and the password that was made for them; empty: it was given."""

    person: Person
    password: str


async def add(ports: Ports, wanted: Wanted) -> Made:
    """Somebody can sign in from now on. Raises `Refusal`: the name is taken or no name, the password is too short or too long."""
    if not NAME.fullmatch(wanted.name):
        raise Refusal(No.INVALID_REQUEST, "name: 1 to 100 letters, digits and . _ @ + -, beginning with a letter or digit")
    _check_password(wanted.password)
    password = wanted.password or _new_password(ports)
    person = Person(
        id=ports.entropy(16),
        name=wanted.name,
        role=wanted.role,
        password=await ports.passwords.hash(password),
        claims=wanted.claims,
        created_at=ports.now(),
    )
    body: dict[str, JSON] = {"person": person.subject, "role": person.role.value, "by": wanted.by}
    if not await ports.store.add_person(person, Event("person_added", ports.now(), b"", "operator", body=body)):
        raise Refusal(No.INVALID_REQUEST, f"name: {wanted.name} is taken")
    return Made(person, "" if wanted.password else password)


async def people(ports: Ports, after: str, limit: int) -> Sequence[Card]:
    """One line per person in the order of names, beginning behind ``after``."""
    return [line(person) for person in await ports.store.people(after, limit)]


async def set_active(ports: Ports, name: str, by: str, *, active: bool) -> Card:
    """Whether a person can sign in; every session and token of a disabled one is dead when this returns."""
    for _ in range(ATTEMPTS):
        person = await _find(ports, name)
        if person.active is active:
            return line(person)
        after = structs.replace(person, active=active, epoch=person.epoch + (not active))
        body: dict[str, JSON] = {"person": person.subject, "active": active, "by": by}
        if await ports.store.change_person(person, after, Event("person_changed", ports.now(), b"", "operator", body=body)):
            return line(after)
    raise _busy()


async def reset(ports: Ports, name: str, password: str, by: str, *, passkeys: bool = False) -> Made:
    """Another password; every session and token of the person is dead when this returns, and with ``passkeys`` every passkey."""
    _check_password(password)
    made = password or _new_password(ports)
    hashed = await ports.passwords.hash(made)
    for _ in range(ATTEMPTS):
        person = await _find(ports, name)
        after = structs.replace(person, password=hashed, epoch=person.epoch + 1)
        body: dict[str, JSON] = {"person": person.subject, "by": by}
        if await ports.store.change_person(person, after, Event("password_changed", ports.now(), b"", "operator", body=body)):
            if passkeys:
                await _forget_passkeys(ports, after)
            return Made(after, "" if password else made)
    raise _busy()


async def _forget_passkeys(ports: Ports, person: Person) -> None:
    for passkey in await ports.store.passkeys(person.id):
        event = Event("passkey_removed", ports.now(), b"", "operator", body={"person": person.subject})
        await ports.store.remove_passkey(person.id, passkey.id, event)


def line(person: Person) -> Card:
    """A person as operators see them."""
    email = person.claims.get("email")
    row: Card = {"name": person.name, "sub": person.subject, "role": person.role.value, "active": person.active}
    return row | ({"email": email} if email else {}) | {"created_at": person.created_at}


async def _find(ports: Ports, name: str) -> Person:
    person = await ports.store.person_named(name)
    if person is None:
        raise Refusal(No.NOT_FOUND, f"name: there is no person {ascii(name[:80])[1:-1]}")
    return person


def _check_password(password: str) -> None:
    if password and not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Refusal(No.INVALID_REQUEST, f"password: must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")


def _new_password(ports: Ports) -> str:
    """120 random bits in lower case, in groups of four: easy to read out and to type."""
    letters = base64.b32encode(ports.entropy(15)).decode().lower()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def _busy() -> Refusal:
    return Refusal(No.UNAVAILABLE, "the person is being changed by others; try again", retry_after=1)
