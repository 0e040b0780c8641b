"""Dead registrations are put aside, and what ended by itself is swept away (seed 004, RFC 7591 §3.2.1; S4-05, X-34, D-57).

A pruned client answers like a deleted one, and so registers again (M-56); for some days an operator can bring it back as it was.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass, field

from calling_card.ports import Ports
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import JSON, Card, Client, Route, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles.sealed import mark_until
from calling_card.protocol.life.pruning import (
    ALL,
    CAME_BETWEEN,
    MEANINGS,
    NOT_YET,
    Horizon,
    Litter,
    Pruned,
    Suspect,
    dead_of,
    due_of,
    kept_for,
    periods_of,
    warning,
)
from calling_card.protocol.life.webhooks import WARNING
from calling_card.protocol.syntax import echo

PAGE = 500
"""Clients looked at in one step, and rows swept over."""
BATCH = 16
"""Clients put aside in one transaction: whoever registers meanwhile does not notice."""
SAMPLES = 5
ALIKE = 10_000
"""So many different cards are told apart in a report."""


@dataclass(slots=True)
class Found:
    """What there was of one class."""

    count: int = 0
    samples: list[Client] = field(default_factory=list[Client])
    cards: Counter[bytes] = field(default_factory=Counter[bytes])

    @property
    def alike(self) -> int:
        """How many have the card that most of them have."""
        return max(self.cards.values(), default=0)

    def add(self, client: Client) -> None:
        """One more; identical cards are counted, for one program that registers at every start leaves many."""
        self.count += 1
        if len(self.samples) < SAMPLES:
            self.samples.append(client)
        card = hashlib.sha256(client.metadata).digest()
        if card in self.cards or len(self.cards) < ALIKE:
            self.cards[card] += 1


@dataclass(slots=True)
class Report:
    """How far a walk over the clients has come, what it found and why."""

    seen: int = 0
    dead: dict[str, Found] = field(default_factory=dict[str, Found])
    kept: Counter[str] = field(default_factory=Counter[str])
    swept: Counter[str] = field(default_factory=Counter[str])
    warned: int = 0
    """Of how many clients somebody was told that they will be dead soon."""

    @property
    def total(self) -> int:
        """How many are dead."""
        return sum(found.count for found in self.dead.values())

    def counts(self) -> dict[str, int]:
        """The numbers alone, for a log."""
        dead = {name: found.count for name, found in self.dead.items()}
        warned = {"warned": self.warned} if self.warned else {}
        return {"seen": self.seen, **dead, **warned, **{f"swept_{name}": count for name, count in self.swept.items() if count}}

    def shown(self) -> Card:
        """Everything, with what the words mean."""
        return {
            "clients": self.seen,
            "dead": self.total,
            "classes": [_class(name, self.dead[name]) for name in ALL if name in self.dead],
            "kept": [{"reason": name, "meaning": MEANINGS[name], "count": count} for name, count in sorted(self.kept.items())],
            "swept": {name: count for name, count in self.swept.items() if count},
        }


def _class(name: str, found: Found) -> Card:
    return {
        "class": name,
        "meaning": MEANINGS[name],
        "count": found.count,
        "alike": found.alike,
        "samples": [_line(client) for client in found.samples],
    }


def _line(client: Client) -> Card:
    return {
        "client_id": client.client_id,
        "client_name": card_of(client).get("client_name", ""),
        "client_id_issued_at": client.issued_at,
        "last_used_day": client.last_used_day,
    }


async def dry_run(ports: Ports, classes: Collection[str] = ALL) -> AsyncGenerator[Report]:
    """What `prune` would put aside now, page by page; nothing is changed."""
    report = Report()
    async for seen, suspects in _pages(ports, report):
        for suspect, reason in _dead(ports, report, seen, suspects, classes):
            report.dead.setdefault(reason, Found()).add(suspect.client)
        yield report


async def prune(ports: Ports, by: str, classes: Collection[str] = ALL) -> AsyncGenerator[Report]:
    """Put aside what is dead of these classes, then sweep up; the report so far after every step, none of them long."""
    report = Report()
    if classes:
        async for seen, suspects in _pages(ports, report):
            dead = _dead(ports, report, seen, suspects, classes)
            if by == "server":
                await _forewarn(ports, report, seen, suspects, classes)
            for start in range(0, len(dead), BATCH):
                await _put_aside(ports, by, report, seen, dead[start : start + BATCH])
                yield report
            yield report
    seen = ports.horizon
    for litter in Litter:
        after = 0
        while True:
            gone, after = await ports.store.sweep(litter, after, PAGE, seen)
            report.swept[litter.value] += gone
            yield report
            if not after:
                break


async def _pages(ports: Ports, report: Report) -> AsyncGenerator[tuple[Horizon, Sequence[Suspect]]]:
    """Every client once, those that were not used lately as suspects."""
    after = b""
    while True:
        seen = ports.horizon
        page = await ports.store.suspects(after, PAGE, seen)
        if not page.last:
            return
        after = page.last
        report.seen += page.seen
        if page.seen > len(page.suspects):
            report.kept["used_lately"] += page.seen - len(page.suspects)
        yield seen, page.suspects


def _dead(
    ports: Ports, report: Report, seen: Horizon, suspects: Sequence[Suspect], classes: Collection[str]
) -> Sequence[tuple[Suspect, str]]:
    """Those that are dead, each with its class; why the others are kept is counted."""
    periods = periods_of(ports.settings, classes)
    found: list[tuple[Suspect, str]] = []
    for suspect in suspects:
        kept = kept_for(suspect, seen)
        reason = "" if kept else dead_of(suspect, periods, seen.now)
        if reason:
            found.append((suspect, reason))
        else:
            report.kept[kept or NOT_YET] += 1
    return found


async def _forewarn(ports: Ports, report: Report, seen: Horizon, suspects: Sequence[Suspect], classes: Collection[str]) -> None:
    """Tell those who listen of clients that will be dead soon, once for each date; where nobody listens, nothing is written (M-57)."""
    ahead, periods = ports.settings.prune_warn_days * 86400, periods_of(ports.settings, classes)
    if not ahead or not any(webhook.hears(WARNING) for webhook in await ports.store.webhooks()):
        return
    due = [(suspect.client, found) for suspect in suspects if (found := due_of(suspect, periods, seen, warned=True))]
    soon = [(client, reason, at) for client, (reason, at) in due if seen.now < at <= seen.now + ahead]
    for start in range(0, len(soon), BATCH):
        report.warned += sum(await asyncio.gather(*(_warned(ports, *one) for one in soon[start : start + BATCH])))


async def _warned(ports: Ports, client: Client, reason: str, due: int) -> bool:
    """Whether this was news; a mark says so for as long as the client may be there."""
    now, fact = ports.now(), warning(client, due)
    if (await ports.store.living(client.key, fact)).marked:
        return False
    told: dict[str, JSON] = {"client_id": client.client_id, "reason": reason, "due_at": due}
    return await ports.store.warn(client, fact, due + 30 * 86400, Event("prune_warned", now, client.key, "server", body=told))


async def _put_aside(ports: Ports, by: str, report: Report, seen: Horizon, batch: Sequence[tuple[Suspect, str]]) -> None:
    """One batch; each client only if it is still as it was found."""
    done = await asyncio.gather(*(_one(ports, by, suspect, reason, seen) for suspect, reason in batch))
    for (suspect, reason), gone in zip(batch, done, strict=True):
        if gone:
            report.dead.setdefault(reason, Found()).add(suspect.client)
        else:
            report.kept[CAME_BETWEEN] += 1


async def _one(ports: Ports, by: str, suspect: Suspect, reason: str, seen: Horizon) -> bool:
    client, now = suspect.client, ports.now()
    until = now + ports.settings.prune_undo_days * 86400
    told: dict[str, JSON] = {"client_id": client.client_id, "reason": reason, "until": until, "by": by}
    event = Event("client_pruned", now, client.key, "server" if by == "server" else "operator", body=told)
    mark = mark_until(ports.keyring, client.client_id, now + ports.settings.tombstone_days * 86400)
    return await ports.store.prune(suspect, reason, seen, event, mark, until)


# ── Bringing back ────────────────────────────────────────────────────────────────────────────────────────────────────


async def aside(ports: Ports, after: str, limit: int) -> Sequence[Card]:
    """One line per client that can be brought back, in the order of client_id, beginning behind ``after``."""
    return [_pruned(pruned) for pruned in await ports.store.pruned(after, limit)]


def _pruned(pruned: Pruned) -> Card:
    return {**_line(pruned.client), "class": pruned.reason, "pruned_at": pruned.at, "until": pruned.until}


async def undo(ports: Ports, client_id: str, by: str) -> Card:
    """The client lives again with its credentials; what people allowed it stays gone. Raises `Refusal` when it is too late."""
    pruned = await ports.store.pruned_client(client_key(Route.REGISTERED, client_id))
    if pruned is None or pruned.client.client_id != client_id or not await _bring_back(ports, pruned, by):
        raise Refusal(No.NOT_FOUND, f"there is no pruned client {echo(client_id)} that can be brought back")
    return _pruned(pruned)


async def undo_all(ports: Ports, by: str) -> int:
    """Every pruned client that can be brought back lives again; returns how many."""
    after, count = "", 0
    while found := await ports.store.pruned(after, BATCH):
        done = await asyncio.gather(*(_bring_back(ports, pruned, by) for pruned in found))
        after, count = found[-1].client.client_id, count + sum(done)
    return count


async def _bring_back(ports: Ports, pruned: Pruned, by: str) -> bool:
    client, now = pruned.client, ports.now()
    event = Event("client_brought_back", now, client.key, "operator", body={"client_id": client.client_id, "by": by})
    return await ports.store.bring_back(pruned, now // 86400, event)
