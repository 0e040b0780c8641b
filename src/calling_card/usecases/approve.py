"""An operator approves or refuses clients that wait, and names who may try them meanwhile (A-88, H-31; RFC 7591 §5)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from calling_card.ports import Ports
from calling_card.protocol.clients import Card, Client, State
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.life import approval
from calling_card.protocol.persons.people import Person
from calling_card.protocol.syntax import echo
from calling_card.usecases.clients import ATTEMPTS
from calling_card.usecases.operate import busy, line, named


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an operator says about a client that waits."""

    client_id: str
    by: str
    note: str = ""
    discovery: bool = False
    """Whether the client is a URL on the way of client discovery."""
    card: str = ""
    """Which card the operator looked at, as `show` tells it; empty: whichever is there when this begins."""


async def waiting(ports: Ports, after: str, limit: int) -> Sequence[Card]:
    """One line per client that waits for approval, in the order of client_id, beginning behind ``after``."""
    return [line(client) for client in await ports.store.held(after, limit)]


async def approve(ports: Ports, verdict: Verdict) -> Card:
    """The client may act, and with it goes on what its test persons allowed it.

    Raises `Refusal` for one that does not wait, and for one that became another between the look at it and the yes (X-107).
    """
    for _ in range(ATTEMPTS):
        client = await _waiting(ports, verdict, State.ACTIVE)
        verdict = replace(verdict, card=_looked_at(client, verdict))
        after = approval.approved(client)
        if client.state is State.ACTIVE or await ports.store.replace(client, after, _event(ports, "client_approved", client, verdict)):
            return line(after if client.state is State.HELD else client)
    raise busy()


def _looked_at(client: Client, verdict: Verdict) -> str:
    card = approval.digest(client).hex()
    if verdict.card not in ("", card):
        raise Refusal(No.INVALID_REQUEST, f"{echo(verdict.client_id)} has another card by now ({card}): look at it again")
    return card


async def refuse(ports: Ports, verdict: Verdict) -> Card:
    """Everything the client had ends when this returns; its row stays, for the client can still read why (RFC 7592 §2.1).

    Raises `Refusal` for one that does not wait.
    """
    for _ in range(ATTEMPTS):
        client = await _waiting(ports, verdict, State.SUSPENDED)
        if client.refusal:
            return line(client)
        after = approval.refused(client, verdict.note or _NO_REASON)
        if await ports.store.end_all(client, after, _event(ports, "client_refused", client, verdict)):
            return line(after)
    raise busy()


_NO_REASON = "the operator refused the client"


async def _waiting(ports: Ports, verdict: Verdict, already: State) -> Client:
    """The client, if it waits, or has heard this very verdict."""
    client = await named(ports, verdict.client_id, discovery=verdict.discovery)
    heard = client.state is already and (client.refusal or (already is State.ACTIVE and not client.card_until))
    if client.state is not State.HELD and not heard:
        raise _in_vain(client)
    return client


def _in_vain(client: Client) -> Refusal:
    """Nothing can be said about a client that does not wait; where a resumption would have it wait again, it is told so."""
    state = "sealed" if client.card_until else "refused" if client.refusal else client.state.value
    way_out = "; resume it first, then it waits again" if client.waits else ""
    return Refusal(No.INVALID_REQUEST, f"{echo(client.client_id)} is {state}, not held: it does not wait for approval{way_out}")


def _event(ports: Ports, kind: str, client: Client, verdict: Verdict) -> Event:
    return Event(kind, ports.now(), client.key, "operator", body={"by": verdict.by, "note": verdict.note})


# ── Test persons ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Named:
    """Somebody, and a client they are to try."""

    client_id: str
    person: str
    """Name by which the person signs in."""
    by: str
    discovery: bool = False
    """Whether the client is a URL on the way of client discovery."""


async def who_may_try(ports: Ports, client_id: str, *, discovery: bool = False) -> Sequence[Card]:
    """Who may use the client while it waits for approval, besides whoever registered it."""
    client = await named(ports, client_id, discovery=discovery)
    found = [await ports.store.person(id) for id in await ports.store.test_persons(client)]
    return [{"name": person.name, "sub": person.subject} for person in found if person is not None]


async def add_test_person(ports: Ports, wanted: Named) -> Card:
    """The person may use the client while it waits. Raises `Refusal` when one of the two is unknown, or nothing is kept of the client."""
    client, person = await _both(ports, wanted)
    if client.card_until:
        raise _in_vain(client)
    await ports.store.add_test_person(client, person.id, _about(ports, "test_person_added", client, person, wanted.by))
    return {"client_id": client.client_id, "name": person.name, "sub": person.subject}


async def remove_test_person(ports: Ports, wanted: Named) -> Card:
    """What the person allowed the client sleeps until it is approved. Raises `Refusal` when one of the two is unknown."""
    client, person = await _both(ports, wanted)
    await ports.store.remove_test_person(client, person.id, _about(ports, "test_person_removed", client, person, wanted.by))
    return {"client_id": client.client_id, "name": person.name, "sub": person.subject}


async def _both(ports: Ports, wanted: Named) -> tuple[Client, Person]:
    client = await named(ports, wanted.client_id, discovery=wanted.discovery)
    person = await ports.store.person_named(wanted.person)
    if person is None:
        raise Refusal(No.NOT_FOUND, f"name: there is no person {echo(wanted.person)}")
    return client, person


def _about(ports: Ports, kind: str, client: Client, person: Person, by: str) -> Event:
    return Event(kind, ports.now(), client.key, "operator", body={"person": person.subject, "by": by})
