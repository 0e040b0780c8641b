"""What an operator does with many clients at once: look, suspend, revoke, delete (M-39, A-83; RFC 7591 §5).

A walk over all clients goes page by page and gives way between pages. Every client ends in a transaction of its own with an event of
its own, so a walk that was interrupted left nothing half done and is simply begun again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from calling_card.ports import Ports
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import JSON, Card, Client, State, created_by, words
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles.sealed import mark_until
from calling_card.protocol.life.cohorts import EVENTS, ID, Act, Candidate, Cohort, cohort, ended
from calling_card.protocol.life.pruning import Pruned
from calling_card.protocol.syntax import echo
from calling_card.usecases import everyone
from calling_card.usecases.clients import ATTEMPTS

"""So many clients are read at once."""
BATCH = 25
"""So many are ended at once, each in a transaction of its own."""
SAMPLES = 10


@dataclass(frozen=True, slots=True)
class Survey:
    """A cohort as it is now."""

    where: Mapping[str, str]
    clients: int
    grants_alive: int
    """What people allowed these clients and have not taken back."""
    states: Mapping[str, int]
    doors: Mapping[str, int]
    samples: Sequence[Card]
    """Some of them."""
    aside: int = 0
    """How many more were pruned and could be brought back."""


@dataclass(slots=True)
class Tally:
    """How far an act has come."""

    cohort: str
    """What the events of this act name it by."""
    act: Act
    clients: int
    """How many there were to begin with."""
    done: int = 0
    already: int = 0
    """Suspended before, or gone before their turn came."""
    missed: list[str] = field(default_factory=list[str])
    """Changed by others at every try; begin again for these."""

    @property
    def seen(self) -> int:
        """How many had their turn."""
        return self.done + self.already + len(self.missed)


async def gather(ports: Ports, where: Mapping[str, str]) -> Cohort:
    """The cohort of these criteria; a label stands for every initial access token that has it. Raises `Refusal`."""
    named = where.get("invitation")
    if not named or ID.fullmatch(named):
        return cohort(where)
    ids = [invitation.id.hex() async for invitation in everyone.invitations(ports) if invitation.label == named]
    if not ids:
        raise Refusal(No.NOT_FOUND, f"invitation: there is no initial access token with the id or label {echo(named)}")
    return cohort({**where, "invitation": ",".join(ids)})


async def survey(ports: Ports, where: Mapping[str, str]) -> Survey:
    """Count the cohort of these criteria and show some of it; nothing is changed. Raises `Refusal` as `gather`."""
    meant = await gather(ports, where)
    states: Counter[str] = Counter()
    doors: Counter[str] = Counter()
    samples: list[Card] = []
    grants = 0
    async for one in _members(ports, meant):
        states[one.client.state.value] += 1
        doors[one.client.door.value] += 1
        grants += await ports.store.grants_alive(one.client)
        if len(samples) < SAMPLES:
            samples.append(_line(one.client, one.card))
    aside = sum([1 async for _ in _aside(ports, meant)])
    return Survey(meant.where, states.total(), grants, dict(states), dict(doors), samples, aside)


def _line(client: Client, card: Card) -> Card:
    return {
        "client_id": client.client_id,
        "client_name": card.get("client_name", ""),
        "state": client.state.value,
        "created_by": created_by(client),
        "client_id_issued_at": client.issued_at,
        "redirect_uris": [*words(card.get("redirect_uris"))],
    }


async def end(ports: Ports, where: Mapping[str, str], act: Act, by: str) -> AsyncIterator[Tally]:
    """Do this to every client of the cohort, and tell after each batch how far it is; the last tally is the result.

    What the act begins with is an event of its own, so that the trail names an act that did not come to its end. Raises `Refusal` as
    `gather`.
    """
    meant = await gather(ports, where)
    tally = Tally(ports.entropy(8).hex(), act, await _count(ports, meant, act))
    told: dict[str, JSON] = {"cohort": tally.cohort, "act": act.value, "where": meant.told(), "clients": tally.clients, "by": by}
    if tally.clients:
        await ports.store.record(Event("cohort_begun", ports.now(), b"", "operator", body=told))
    yield tally
    batch: list[Client | Pruned] = []
    async for one in _those(ports, meant, act):
        batch.append(one)
        if len(batch) == BATCH:
            yield await _end_all(ports, batch, tally, by)
            batch.clear()
    if batch:
        yield await _end_all(ports, batch, tally, by)


async def _end_all(ports: Ports, batch: Sequence[Client | Pruned], tally: Tally, by: str) -> Tally:
    for one, outcome in zip(batch, await asyncio.gather(*(_end(ports, one, tally, by) for one in batch)), strict=True):
        if outcome is None:
            tally.missed.append(_client(one).client_id)
        elif outcome:
            tally.done += 1
        else:
            tally.already += 1
    return tally


def _client(one: Client | Pruned) -> Client:
    return one.client if isinstance(one, Pruned) else one


async def _end(ports: Ports, one: Client | Pruned, tally: Tally, by: str) -> bool | None:
    """True: done; False: there was nothing to do (any more); None: others were faster each time."""
    return await _end_aside(ports, one, tally, by) if isinstance(one, Pruned) else await _end_living(ports, one, tally, by)


async def _end_aside(ports: Ports, pruned: Pruned, tally: Tally, by: str) -> bool:
    """Who was pruned comes back suspended, or not at all."""
    client = pruned.client
    if tally.act is Act.SUSPEND and client.state is State.SUSPENDED:
        return False
    after = None if tally.act is Act.DELETE else ended(client, tally.act)
    return await ports.store.keep_aside(pruned, after, _event(ports, client, tally, by))


async def _end_living(ports: Ports, client: Client, tally: Tally, by: str) -> bool | None:
    there: Client | None = client
    for _ in range(ATTEMPTS):
        if there is None or there.incarnation != client.incarnation or (tally.act is Act.SUSPEND and there.state is State.SUSPENDED):
            return False
        event = _event(ports, client, tally, by)
        if tally.act is Act.DELETE:
            return await ports.store.remove(
                there, event, mark_until(ports.keyring, there.client_id, event.at + ports.settings.tombstone_days * 86400)
            )
        if await ports.store.end_all(there, ended(there, tally.act), event):
            return True
        there = await ports.store.client(client.key)
    return None


def _event(ports: Ports, client: Client, tally: Tally, by: str) -> Event:
    gone: dict[str, JSON] = {"client_id": client.client_id} if tally.act is Act.DELETE else {}
    return Event(EVENTS[tally.act], ports.now(), client.key, "operator", body={**gone, "by": by, "cohort": tally.cohort})


async def _count(ports: Ports, meant: Cohort, act: Act) -> int:
    return sum([1 async for _ in _those(ports, meant, act)])


async def _those(ports: Ports, meant: Cohort, act: Act) -> AsyncIterator[Client | Pruned]:
    """Who lives, and then who could come back, so that whoever is pruned meanwhile is not missed; the pruned have nothing to revoke."""
    async for one in _members(ports, meant):
        yield one.client
    if act is not Act.REVOKE:
        async for pruned in _aside(ports, meant):
            yield pruned


async def _aside(ports: Ports, meant: Cohort) -> AsyncIterator[Pruned]:
    async for pruned in everyone.pruned(ports):
        if meant.has(Candidate(pruned.client, card_of(pruned.client))):
            yield pruned


async def _members(ports: Ports, meant: Cohort) -> AsyncIterator[Candidate]:
    """The cohort, one client after the other."""
    async for client in everyone.clients(ports):
        one = Candidate(client, card_of(client))
        if meant.has(one):
            yield one
