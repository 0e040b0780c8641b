"""A person proves who they are, by password or passkey (OIDC Core §3.1.2.3, NIST SP 800-63B §5.2.2)."""

from dataclasses import dataclass, replace

from msgspec import structs

from calling_card.ports import Busy, Ports
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.persons.interactions import Transaction, challenge
from calling_card.protocol.persons.people import LONGEST_NAME, LONGEST_PASSWORD, Person, Session
from calling_card.usecases.people.browsers import Visit, cookie, current, form, sent

_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Offer:
    """A sign-in form."""

    transaction: str
    passkey_options: str
    """JSON for the browser; empty: passkeys do not work at this address."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was sent with the sign-in form."""

    transaction: str
    name: str = ""
    password: str = ""
    passkey: str = ""
    """The device's answer as JSON; empty: name and password were sent."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody is signed in now."""

    cookie: str
    lifetime: int
    """Seconds."""
    request: str
    """Query of the authorization request that waits; empty: the account page does."""


async def sign_in(ports: Ports, visit: Visit, proof: Proof) -> SignedIn:
    """Begin a session in this browser; its identifier is new, and the one before it ends (A-32, X-55).

    Raises `Refusal`: ``page_expired``, ``sign_in_failed`` with one text for every cause, 429 after too many tries, 503 when busy.
    """
    transaction = sent(ports, visit, "sign_in", proof.transaction)
    person, amr = await _by_passkey(ports, visit, proof) if proof.passkey else await _by_password(ports, visit, proof)
    now, before = ports.now(), await current(ports, visit)
    session = Session(
        person=person.id,
        id=ports.entropy(16),
        epoch=person.epoch,
        key=ports.keyring.minting,
        auth_time=now,
        amr=amr,
        browser=visit.agent[:_SHOWN],
        created_at=now,
        expires_at=now + ports.settings.session_lifetime,
    )
    same = before is not None and before.person.id == person.id
    event = Event("signed_in", now, b"", "person", visit.request_id, {"person": person.subject, "amr": amr})
    if not await ports.store.begin_session(session, before.session.id if before is not None and same else None, event):
        raise _failed()
    if before is not None and not same:
        gone: Event = Event("signed_out", now, b"", "person", visit.request_id, {"person": before.person.subject, "sessions": 1})
        await ports.store.end_session(before.person.id, before.session.id, gone)
    return SignedIn(cookie(ports, session), ports.settings.session_lifetime, transaction.request)


def offer(ports: Ports, visit: Visit, request: str = "", began_at: int = 0) -> Offer:
    """A form for this browser, before an authorization request or, without one, the account page."""
    transaction = form(ports, visit, "sign_in", request=request, began_at=began_at)
    return Offer(transaction, ports.passkeys.asked(challenge(transaction)) if ports.passkeys.available else "")


def waiting(ports: Ports, visit: Visit, text: str) -> Transaction:
    """What a sign-in form belongs to, to show it again. Raises `Refusal`."""
    return sent(ports, visit, "sign_in", text)


async def _by_password(ports: Ports, visit: Visit, proof: Proof) -> tuple[Person, str]:
    """The person whose name and password these are; an unknown name takes as long as a wrong password."""
    name = proof.name.strip()[: LONGEST_NAME + 1]
    _throttle(ports, visit, name)
    person = await ports.store.person_named(name) if 0 < len(name) <= LONGEST_NAME else None
    usable = person is not None and person.active
    kept = person.password if person is not None and usable else ""
    try:
        fits = await ports.passwords.fits(kept, proof.password[: LONGEST_PASSWORD + 1])
        if person is None or not fits or not usable:
            await _tell(ports, visit, person, "pwd")
            raise _failed()
        return await _strengthened(ports, visit, person, proof.password), "pwd"
    except Busy:
        raise Refusal(No.UNAVAILABLE, "too many people sign in at this moment; try again", retry_after=2) from None


async def _strengthened(ports: Ports, visit: Visit, person: Person, password: str) -> Person:
    """The person with a hash by today's parameters, if it was made by weaker ones."""
    if not ports.passwords.outdated(person.password):
        return person
    after = structs.replace(person, password=await ports.passwords.hash(password))
    event = Event("password_changed", ports.now(), b"", "server", visit.request_id, {"person": person.subject, "by": "server"})
    return after if await ports.store.change_person(person, after, event) else person


async def _by_passkey(ports: Ports, visit: Visit, proof: Proof) -> tuple[Person, str]:
    """The person whose passkey signed the challenge of this very form (WebAuthn Level 3 §7.2)."""
    _throttle(ports, visit, "")
    found = await ports.store.passkey(ports.passkeys.named(proof.passkey))
    if found is None:
        await _tell(ports, visit, None, "hwk")
        raise _failed("passkey")
    passkey, person = found
    count = ports.passkeys.proven(proof.passkey, challenge(proof.transaction), passkey)
    after = replace(passkey, count=count or 0, last_used_at=ports.now())
    if count is None or not person.active or not await ports.store.use_passkey(passkey, after):
        await _tell(ports, visit, person, "hwk")
        raise _failed("passkey")
    return person, "hwk user"


def _throttle(ports: Ports, visit: Visit, name: str) -> None:
    """Tries are counted before they are judged: for a name from one network, for the name, and for the network."""
    causes = [f"name and network|{name.lower()}|{visit.source}"]
    crowds = [f"network|{visit.source}", *([f"name|{name.lower()}"] if name else [])]
    wait = max([ports.sign_ins.take(cause) for cause in causes] + [ports.crowds.take(cause) for cause in crowds])
    if wait:
        raise Refusal(No.TOO_MANY_REQUESTS, "too many tries to sign in; wait a little", retry_after=wait)


async def _tell(ports: Ports, visit: Visit, person: Person | None, amr: str) -> None:
    """Failed tries are summed into the audit trail; a name that nobody has is not written down."""
    subject = {} if person is None else {"person": person.subject}
    await ports.store.report(Event("sign_in_failed", ports.now(), b"", "anonymous", visit.request_id, {**subject, "amr": amr}))


def _failed(how: str = "name and password") -> Refusal:
    return Refusal(No.SIGN_IN_FAILED, f"{how}: nobody can sign in with these")
