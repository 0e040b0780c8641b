"""Who is in this browser: its session, and the forms it was given (OIDC Core §3.1.2.3, RFC 9700 §4.7). Other use cases call this one."""

import hmac

import msgspec

from calling_card.ports import Ports
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles.credentials import SESSION, Handle, read, write
from calling_card.protocol.handles.seals import NONCE
from calling_card.protocol.persons import interactions
from calling_card.protocol.persons.people import Person, Session


class Visit(msgspec.Struct, frozen=True):
    """A request from a browser."""

    browser: bytes
    """16 random bytes from a cookie that this browser got at its first page; empty: it has none."""
    cookie: str
    """Session cookie, or empty."""
    languages: tuple[str, ...] = ()
    """What its reader prefers, best first."""
    source: str = ""
    """Network it comes from."""
    agent: str = ""
    """What the browser calls itself."""
    request_id: str = ""
    new: bool = False
    """Whether it has no number yet: the answer brings it."""


class Present(msgspec.Struct, frozen=True):
    """Somebody is signed in here."""

    session: Session
    person: Person


async def current(ports: Ports, visit: Visit) -> Present | None:
    """The living session of this browser and its person; None: nobody is signed in."""
    handle = read(ports.keyring, ports.settings.issuer, SESSION, visit.cookie)
    if handle is None:
        return None
    found = await ports.store.session(handle.owner[:16], handle.owner[16:])
    if found is None or handle.key != found[0].key or handle.generation != 1:
        return None
    session, person = found
    if not person.active or session.epoch != person.epoch or session.expires_at <= ports.now():
        return None
    return Present(session, person)


def cookie(ports: Ports, session: Session) -> str:
    """The session as a cookie value."""
    return write(ports.keyring, ports.settings.issuer, Handle(SESSION, session.key, session.person + session.id, 1))


def form(
    ports: Ports, visit: Visit, purpose: str, *, request: str = "", began_at: int = 0, session: bytes = b"", shown: bytes = b""
) -> str:
    """The transaction of a form that this browser is given now."""
    now = ports.now()
    made = interactions.Transaction(purpose, visit.browser, request, began_at or now, now + interactions.LIFETIME, session, shown)
    return interactions.write(ports.keyring, made, ports.entropy(NONCE))


def sent(ports: Ports, visit: Visit, purpose: str, text: str) -> interactions.Transaction:
    """The transaction that came with a form. Raises `Refusal` when this browser was not given it, or too long ago (X-54, X-55)."""
    found = interactions.read(ports.keyring, text, visit.browser, purpose, ports.now())
    if found is None:
        raise expired()
    return found


async def acting(ports: Ports, visit: Visit, purpose: str, text: str) -> tuple[interactions.Transaction, Present]:
    """The transaction, and the person it was made for, still signed in in this browser. Raises `Refusal`."""
    found = sent(ports, visit, purpose, text)
    present = await current(ports, visit)
    if present is None or not hmac.compare_digest(present.session.id, found.session):
        raise expired()
    return found, present


def expired() -> Refusal:
    """One answer for every form that cannot be taken."""
    return Refusal(No.PAGE_EXPIRED, "transaction: this form is too old, or was given to another browser; begin again in the application")
