"""Whoever wants to know is told of what changes, in order and at least once (Standard Webhooks 1.0.0; M-57).

What is sent is read from the audit events, which were written in the transaction of the change itself: nothing is told that did not
happen, and what happened is told, however often this process dies on the way.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from calling_card.ports import Ports
from calling_card.protocol.abroad.addresses import AddressError, host_of, leads_to
from calling_card.protocol.abroad.fetching import WEBHOOK, Unfetched, Why
from calling_card.protocol.abroad.networks import fetchable
from calling_card.protocol.clients import JSON, Card
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.life.cohorts import ID
from calling_card.protocol.life.webhooks import (
    HERE,
    NAMES_OF_TYPES,
    PING,
    Bookmark,
    Letter,
    Standing,
    Webhook,
    failed,
    is_hopeless,
    letters,
    message,
    postponed,
    rotated,
    secret,
    secrets_of,
    signed,
    spelled,
    taken,
    written,
)
from calling_card.protocol.syntax import echo

WINDOW = 500
"""Events looked at in one step; as many may be looked at again before a bookmark moves for nothing."""
TURN = 60
"""Seconds until another process may take over from one that says nothing more."""
ATTEMPTS = 5
SHOWN = 1000
"""Bytes of an answer that `ping` hands on."""
LONGEST_LABEL = 200
_CONTROL = re.compile(r"[^ -~]")


@dataclass(frozen=True, slots=True)
class Added:
    """A webhook and its signing secret, to be shown once."""

    secret: str
    webhook: Card


async def add(ports: Ports, url: str, types: Sequence[str], label: str, by: str) -> Added:
    """Tell this receiver of what changes from here on. Raises `Refusal` for a URL that nothing is sent to, or an unknown type."""
    _check(ports, url, types, label)
    now = ports.now()
    made = Webhook(
        id=ports.entropy(16),
        url=url,
        types=tuple(dict.fromkeys(types)),
        label=label,
        owner=by,
        created_at=now,
        generation=1,
        key=ports.keyring.minting,
        former_key=0,
        rotated_at=0,
        told=HERE,
    )
    told: dict[str, JSON] = {"types": list(made.types), "label": label}
    await ports.store.add_webhook(made, _event(ports, "webhook_added", made, by, told))
    return Added(_secret(ports, made), _shown(made))


def _check(ports: Ports, url: str, types: Sequence[str], label: str) -> None:
    customs = ports.customs
    try:
        fetchable(url, (443,) if customs.only_443 else (), loopback=customs.loopback)
    except AddressError as error:
        raise Refusal(No.INVALID_REQUEST, f"url: {error}") from None
    if leads_to(url, ports.settings.issuer):
        raise Refusal(No.INVALID_REQUEST, "url: leads to this server itself")
    unknown = [name for name in types if name not in NAMES_OF_TYPES]
    if unknown:
        raise Refusal(No.INVALID_REQUEST, f"type: there is no {echo(unknown[0])}; there are {', '.join(NAMES_OF_TYPES)}")
    if not label.isprintable() or len(label) > LONGEST_LABEL:
        raise Refusal(No.INVALID_REQUEST, f"label: must be at most {LONGEST_LABEL} printable characters, in one line")


async def webhooks(ports: Ports) -> Sequence[Card]:
    """A line per webhook, oldest first; never a secret."""
    return [_shown(webhook) for webhook in await ports.store.webhooks()]


async def show(ports: Ports, id: str) -> Card:
    """One webhook; never its secret. Raises `Refusal` when there is none."""
    return _shown(await _found(ports, id))


async def rotate(ports: Ports, id: str, by: str) -> Added:
    """Another signing secret; for a day messages carry a signature by the former one too. Raises `Refusal` when there is none."""

    def change(webhook: Webhook) -> Webhook:
        return rotated(webhook, ports.keyring.minting, ports.now())

    found = await _found(ports, id)
    after = await _changed(ports, found, change, _event(ports, "webhook_rotated", found, by))
    if after is None:
        raise _unknown(id)
    return Added(_secret(ports, after), _shown(after))


async def remove(ports: Ports, id: str, by: str) -> None:
    """Nothing more is sent, but what is on its way. Raises `Refusal` when there is none."""
    found = await _found(ports, id)
    await ports.store.remove_webhook(found.id, _event(ports, "webhook_removed", found, by))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try."""

    status: int
    """0: nothing came back."""
    text: str
    """The beginning of the answer, or why there is none."""
    retry_after: int = 0
    """Seconds."""
    busy: bool = False
    """Whether it was not tried, because others had all the places."""

    @property
    def taken(self) -> bool:
        """Whether the receiver has it now; a redirect is followed by nobody."""
        return 200 <= self.status < 300

    @property
    def said(self) -> str:
        """In a few words."""
        return f"status {self.status}" if self.status else self.text


@dataclass(frozen=True, slots=True)
class Pinged:
    """What came back on a ping."""

    outcome: Outcome
    webhook: Card


async def ping(ports: Ports, id: str, by: str) -> Pinged:
    """Send a message of the type ``ping`` now; a webhook that was stopped goes on from here when its receiver takes it.

    Raises `Refusal` when there is none.
    """
    found = await _found(ports, id)
    data: dict[str, JSON] = {"webhook": id, "issuer": ports.settings.issuer}
    outcome = await _try(ports, found, f"{PING}_{ports.entropy(16).hex()}", message(PING, _time(ports.now()), data))
    if outcome.taken and found.state is not Standing.ACTIVE:
        found = await _resumed(ports, found, by)
    return Pinged(outcome, _shown(found))


async def _resumed(ports: Ports, webhook: Webhook, by: str) -> Webhook:
    """What was not sent meanwhile is never sent."""
    missed, _ = await _waiting(ports, webhook)

    def change(there: Webhook) -> Webhook:
        fresh = replace(there, state=Standing.ACTIVE, failures=0, failing_since=0, retry_at=0, answer="")
        return replace(fresh, told=HERE, dropped=there.dropped + missed)

    event = _event(ports, "webhook_resumed", webhook, by, {"dropped": missed})
    return await _changed(ports, webhook, change, event) or webhook


# ── Delivering ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def due(ports: Ports) -> Sequence[Webhook]:
    """Those that something waits for, and that may be sent to now."""
    now = ports.now()
    return [webhook for webhook in await ports.store.webhooks() if webhook.due(now) and await _has_news(ports, webhook)]


async def _has_news(ports: Ports, webhook: Webhook) -> bool:
    """Whether there is something to send, or so much to pass by that the bookmark should move."""
    events = (await ports.store.news(webhook.told, WINDOW)).events
    return len(events) == WINDOW or any(True for event in events for _ in letters(event, webhook.types))


async def deliver_all(ports: Ports, watch: Callable[[Webhook], None]) -> Sequence[Card]:
    """One pass over all webhooks at the same time, ``watch`` called after every event; what those that were due are like then."""
    found = await due(ports)
    holder = ports.entropy(8)

    async def one(webhook: Webhook) -> None:
        async for after in deliver(ports, webhook.id, holder):
            watch(after)

    await asyncio.gather(*(one(webhook) for webhook in found))
    return [_shown(after) for webhook in found if (after := await ports.store.webhook(webhook.id)) is not None]


async def deliver(ports: Ports, id: bytes, holder: bytes) -> AsyncGenerator[Webhook]:
    """Send one receiver what it does not have yet, in order, until it has all or does not take one; the webhook after every event.

    Of all processes one does it at a time, by a lease. One that dies between the answer and the bookmark leaves that event to be sent
    again, under the same id; one that slept through its turn finds the bookmark elsewhere, and stops.
    """
    turn = _Turn(ports, f"webhook {id.hex()}", holder)
    if not await turn.held():
        return
    webhook = await ports.store.webhook(id)
    while webhook is not None and webhook.due(ports.now()):
        news = await ports.store.news(webhook.told, WINDOW)
        for event in news.events:
            if not (mine := tuple(letters(event, webhook.types))):
                continue
            webhook = await _tell(ports, webhook, mine) if await turn.held() else None
            if webhook is None:
                return
            yield webhook
            if not webhook.due(ports.now()):
                break
        else:
            if len(news.events) < WINDOW:
                break
            webhook = await _changed(ports, webhook, _moved(news.last), told=webhook.told)
    await turn.over()


class _Turn:
    """A lease that is written down again only when half of it is over."""

    def __init__(self, ports: Ports, name: str, holder: bytes) -> None:
        self._ports, self._name, self._holder = ports, name, holder
        self._until = 0

    async def held(self) -> bool:
        """Whether it is ours for long enough for one try."""
        now = self._ports.now()
        if now + TURN // 2 <= self._until:
            return True
        self._until = now + TURN
        return await self._ports.store.lease(self._name, self._holder, self._until, now)

    async def over(self) -> None:
        """Let the next one at it."""
        now = self._ports.now()
        await self._ports.store.lease(self._name, self._holder, now, now)


async def _tell(ports: Ports, webhook: Webhook, mine: Sequence[Letter]) -> Webhook | None:
    """Send what one event becomes; the webhook as it is then, None: it is gone, or another process has gone on."""
    event = mine[0].event
    client = await ports.store.client(event.client_key)
    outcome = Outcome(0, "")
    for letter in mine:
        outcome = await _try(ports, webhook, letter.id, written(letter, _time(event.at), client))
        if not outcome.taken:
            return await _missed(ports, webhook, outcome)
    now, answer = ports.now(), outcome.said
    return await _changed(ports, webhook, lambda there: taken(there, mine[0].place, now, answer), told=webhook.told)


async def _try(ports: Ports, webhook: Webhook, id: str, body: bytes) -> Outcome:
    """Send one message once."""
    now = ports.now()
    secrets = secrets_of(ports.keyring, ports.settings.issuer, webhook, now)
    if not secrets:
        return Outcome(0, "its signing secret was made with a key that is gone; rotate it")
    try:
        posted = await ports.fetcher.post(webhook.url, body, signed(secrets, id, now, body), WEBHOOK)
    except Unfetched as no:
        return Outcome(0, _plain(f"{no.why.name.lower()}: {no.logged}"), busy=no.why is Why.BUSY)
    text = _plain(posted.body[:SHOWN].decode("ascii", "replace"))
    return Outcome(posted.status, text, posted.retry_after if posted.status in (429, 503) else 0)


def _plain(text: str) -> str:
    """What others said, for a terminal (X-56)."""
    return _CONTROL.sub("?", text[:SHOWN])


async def _missed(ports: Ports, webhook: Webhook, outcome: Outcome) -> Webhook | None:
    """Try again later, unless the receiver is gone or was tried for three days."""
    now = ports.now()
    if outcome.busy:
        return await _changed(ports, webhook, lambda there: postponed(there, now, outcome.said), told=webhook.told)
    after = await _changed(ports, webhook, lambda there: failed(there, now, outcome.said, outcome.retry_after), told=webhook.told)
    ports.log("webhook_failed", level="warning", webhook=webhook.id.hex(), host=host_of(webhook.url), cause=outcome.said)
    if after is None:
        return None
    if outcome.status == 410:
        return await _stop(ports, after, Standing.GONE)
    return await _stop(ports, after, Standing.FAILING) if is_hopeless(after, now) else after


async def _stop(ports: Ports, webhook: Webhook, state: Standing) -> Webhook | None:
    """Send nothing more and drop what waits, so that everybody hears of it."""
    dropped, last = await _waiting(ports, webhook)

    def change(there: Webhook) -> Webhook:
        return replace(there, state=state, told=last, dropped=there.dropped + dropped)

    event = _event(ports, "webhook_stopped", webhook, "server", {"why": state.value, "dropped": dropped})
    ports.log("webhook_stopped", level="error", webhook=webhook.id.hex(), host=host_of(webhook.url), why=state.value, dropped=dropped)
    return await _changed(ports, webhook, change, event, told=webhook.told)


async def _waiting(ports: Ports, webhook: Webhook) -> tuple[int, Bookmark]:
    """How many messages wait for this webhook, and the place of the newest event."""
    count, last = 0, webhook.told
    while (news := await ports.store.news(last, WINDOW)).events:
        count, last = count + sum(1 for event in news.events for _ in letters(event, webhook.types)), news.last
        await asyncio.sleep(0)
    return count, last


# ── What all of it needs ─────────────────────────────────────────────────────────────────────────────────────────────


def _moved(last: Bookmark) -> Callable[[Webhook], Webhook]:
    return lambda there: replace(there, told=last)


async def _changed(
    ports: Ports, before: Webhook, change: Callable[[Webhook], Webhook], event: Event | None = None, *, told: Bookmark | None = None
) -> Webhook | None:
    """The webhook after this change, whoever else changes it; None: it is gone, or its bookmark is not at ``told`` any more.

    Raises `Refusal` when others are faster each time.
    """
    there: Webhook | None = before
    for _ in range(ATTEMPTS):
        if there is None or told not in (None, there.told):
            return None
        if await ports.store.change_webhook(there, change(there), event):
            return await ports.store.webhook(there.id)
        there = await ports.store.webhook(before.id)
    raise Refusal(No.UNAVAILABLE, "the webhook is being changed by others; try again")


async def _found(ports: Ports, id: str) -> Webhook:
    found = await ports.store.webhook(bytes.fromhex(id)) if ID.fullmatch(id) else None
    if found is None:
        raise _unknown(id)
    return found


def _unknown(id: str) -> Refusal:
    return Refusal(No.NOT_FOUND, f"there is no webhook {echo(id)}; see calling-card webhook list")


def _secret(ports: Ports, webhook: Webhook) -> str:
    """Raises `LookupError` when its key went away in this moment."""
    found = secret(ports.keyring, ports.settings.issuer, webhook)
    if found is None:
        raise LookupError(f"key {webhook.key} is not honoured")
    return spelled(found)


def _event(ports: Ports, kind: str, webhook: Webhook, by: str, more: dict[str, JSON] | None = None) -> Event:
    """Of the URL only the host: what stands behind it may be a secret of the receiver's."""
    body: dict[str, JSON] = {"id": webhook.id.hex(), "host": host_of(webhook.url), **(more or {})}
    server = by == "server"
    return Event(kind, ports.now(), b"", "server" if server else "operator", body=body if server else {**body, "by": by})


def _shown(webhook: Webhook) -> Card:
    row: Card = {
        "id": webhook.id.hex(),
        "url": webhook.url,
        "types": list(webhook.types) or list(NAMES_OF_TYPES),
        "label": webhook.label,
        "owner": webhook.owner,
        "created_at": webhook.created_at,
        "state": webhook.state.value,
        "delivered": webhook.delivered,
        "dropped": webhook.dropped,
        "failures": webhook.failures,
        "answer": webhook.answer,
        "answered_at": webhook.answered_at,
    }
    return row | ({"retry_at": webhook.retry_at} if webhook.retry_at else {})


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
