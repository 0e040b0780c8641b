"""What a person sees and changes of their own: applications, sessions, ways to sign in (DESIGN "People")."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from calling_card.ports import Busy, Ports
from calling_card.protocol.abroad.documents import Version
from calling_card.protocol.clients import Client, Tier
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.persons.grants import Grant
from calling_card.protocol.persons.interactions import challenge
from calling_card.protocol.persons.people import LONGEST_PASSWORD, SHORTEST_PASSWORD, Passkey, Person, Session
from calling_card.usecases.people.browsers import Present, Visit, acting, cookie, current, form

_MOST_PASSKEYS = 20


@dataclass(frozen=True, slots=True)
class Account:
    """Everything the page shows."""

    transaction: str
    person: Person
    session: Session
    allowed: Sequence[tuple[Client, Sequence[Grant]]]
    versions: Mapping[bytes, Version]
    """The newest documents of those that are an address, by client key."""
    sessions: Sequence[Session]
    passkeys: Sequence[Passkey]
    passkey_options: str
    """JSON for the browser; empty: passkeys do not work at this address."""


@dataclass(frozen=True, slots=True)
class Act:
    """What a form on the page asks for."""

    transaction: str
    do: str
    key: bytes = b""
    """Client key, session id or credential id."""
    current: str = ""
    new: str = ""
    again: str = ""
    passkey: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it."""

    what: str
    cookie: str = ""
    """A new session cookie; empty: the old one stays."""


async def show(ports: Ports, visit: Visit) -> Account | None:
    """The account of whoever is signed in here; None: nobody is."""
    present = await current(ports, visit)
    if present is None:
        return None
    person, session = present.person, present.session
    transaction = form(ports, visit, "account", session=session.id)
    passkeys = await ports.store.passkeys(person.id)
    options = ports.passkeys.wanted(person, challenge(transaction), passkeys) if ports.passkeys.available else ""
    allowed = await ports.store.allowed(person.id)
    return Account(
        transaction,
        person,
        session,
        allowed,
        await _versions(ports, [client for client, _ in allowed]),
        await ports.store.sessions(person.id),
        passkeys,
        options,
    )


async def _versions(ports: Ports, clients: Sequence[Client]) -> Mapping[bytes, Version]:
    found = [await ports.store.version(client.key) for client in clients if client.tier is Tier.URL]
    return {version.client_key: version for version in found if version is not None}


async def act(ports: Ports, visit: Visit, asked: Act) -> Done:
    """Carry out one form of the page. Raises `Refusal`: ``page_expired``, or why it cannot be done."""
    _, present = await acting(ports, visit, "account", asked.transaction)
    action = _ACTIONS.get(asked.do)
    if action is None:
        raise Refusal(No.INVALID_REQUEST, f"do: this page knows {', '.join(_ACTIONS)}")
    return await action(ports, visit, present, asked)


async def _withdraw(ports: Ports, visit: Visit, present: Present, asked: Act) -> Done:
    """A client has nothing of this person any more; its tokens are dead when this returns."""
    await ports.store.withdraw(present.person.id, asked.key, _event(ports, visit, present, "grants_withdrawn", asked.key))
    return Done("withdrawn")


async def _end_session(ports: Ports, visit: Visit, present: Present, asked: Act) -> Done:
    await ports.store.end_session(present.person.id, asked.key, _event(ports, visit, present, "signed_out"))
    return Done("signed_out" if asked.key == present.session.id else "session_ended")


async def _sign_out(ports: Ports, visit: Visit, present: Present, asked: Act) -> Done:
    return await _end_session(ports, visit, present, replace(asked, key=present.session.id))


async def _sign_out_elsewhere(ports: Ports, visit: Visit, present: Present, asked: Act) -> Done:
    del asked
    for session in await ports.store.sessions(present.person.id):
        if session.id != present.session.id:
            await ports.store.end_session(present.person.id, session.id, _event(ports, visit, present, "signed_out"))
    return Done("sessions_ended")


async def _password(ports: Ports, visit: Visit, present: Present, asked: Act) -> Done:
    """Another password ends every other session and every token of the person (CREDENTIALS §3)."""
    person = present.person
    if wait := ports.sign_ins.take(f"password|{person.subject}"):
        raise Refusal(No.TOO_MANY_REQUESTS, "too many tries to change the password; wait a little", retry_after=wait)
    for problem, is_so in (
        ("password_same", asked.new != asked.again),
        ("password_too_short", len(asked.new) < SHORTEST_PASSWORD),
        ("password_too_long", len(asked.new) > LONGEST_PASSWORD),
    ):
        if is_so:
            raise Refusal(No.SIGN_IN_FAILED, problem)
    try:
        if person.password and not await ports.passwords.fits(person.password, asked.current):
            raise Refusal(No.SIGN_IN_FAILED, "password_wrong")
        after = structs.replace(person, password=await ports.passwords.hash(asked.new), epoch=person.epoch + 1)
    except Busy:
        raise Refusal(No.UNAVAILABLE, "too many people sign in at this moment; try again", retry_after=2) from None
    event = Event("password_changed", ports.now(), b"", "person", visit.request_id, {"person": person.subject, "by": "person"})
    if not await ports.store.change_person(person, after, event):
        raise Refusal(No.UNAVAILABLE, "the account is being changed elsewhere; try again", retry_after=1)
    session = structs.replace(present.session, id=ports.entropy(16), epoch=after.epoch, key=ports.keyring.minting)
    again = Event("signed_in", ports.now(), b"", "person", visit.request_id, {"person": person.subject, "amr": session.amr})
    await ports.store.begin_session(session, None, again)
    return Done("password_changed", cookie(ports, session))


async def _add_passkey(ports: Ports, visit: Visit, present: Present, asked: Act) -> Done:
    """A device's new key signs in from now on (WebAuthn Level 3 §7.1)."""
    made = ports.passkeys.registered(asked.passkey, challenge(asked.transaction))
    if made is None or len(await ports.store.passkeys(present.person.id)) >= _MOST_PASSKEYS:
        raise Refusal(No.SIGN_IN_FAILED, "passkey_failed")
    label = asked.label.strip()[:60] or visit.agent[:60]
    passkey = Passkey(present.person.id, made.id, made.public_key, made.count, label, ports.now(), 0)
    if not await ports.store.add_passkey(passkey, _event(ports, visit, present, "passkey_added")):
        raise Refusal(No.SIGN_IN_FAILED, "passkey_failed")
    return Done("passkey_added")


async def _remove_passkey(ports: Ports, visit: Visit, present: Present, asked: Act) -> Done:
    """The last way to sign in cannot be removed."""
    if not present.person.password and len(await ports.store.passkeys(present.person.id)) < 2:
        raise Refusal(No.SIGN_IN_FAILED, "last_way")
    await ports.store.remove_passkey(present.person.id, asked.key, _event(ports, visit, present, "passkey_removed"))
    return Done("passkey_removed")


_ACTIONS: Mapping[str, Callable[[Ports, Visit, Present, Act], Awaitable[Done]]] = {
    "withdraw": _withdraw,
    "end_session": _end_session,
    "sign_out": _sign_out,
    "sign_out_elsewhere": _sign_out_elsewhere,
    "password": _password,
    "add_passkey": _add_passkey,
    "remove_passkey": _remove_passkey,
}


def _event(ports: Ports, visit: Visit, present: Present, kind: str, key: bytes = b"") -> Event:
    return Event(kind, ports.now(), key, "person", visit.request_id, {"person": present.person.subject})
