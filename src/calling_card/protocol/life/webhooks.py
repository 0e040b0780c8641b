"""Webhooks: which event goes out as what, how it is signed, and when it is tried again (Standard Webhooks 1.0.0).

The audit events are the outbox. A webhook has a bookmark in them; what is behind the bookmark, its receiver has taken.
"""

import base64
import hmac
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, cast

import msgspec

from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import JSON, Card, Client
from calling_card.protocol.events import NAMES, Recorded

DELAYS = (5, 30, 120, 600, 3600)
"""Seconds until the next try after the first, second, … failure of one message; then always the last of them."""
LONGEST_DELAY = 86400
"""Seconds that a receiver may ask for by ``Retry-After``."""
PATIENCE = 3 * 86400
"""Seconds that one message is tried for; then the webhook is failing, and nothing more is sent."""
OVERLAP = 86400
"""Seconds after a rotation in which messages are signed with the former secret too."""
SECRET = "webhook_secret"  # noqa: S105 - the name of a kind
"""Kind under which the keyring makes signing secrets."""
PREFIX = "whsec_"
PING = "ping"
WARNING = "client.prune_warning"

_decode = msgspec.json.Decoder(dict[str, object]).decode
_encode = msgspec.json.Encoder().encode


class Macs(Protocol):
    """What signing secrets need of a keyring."""

    def mac(self, number: int, kind: str, message: bytes) -> bytes | None:
        """32 bytes, or None when that key is not honoured."""
        ...


@dataclass(frozen=True, slots=True)
class Bookmark:
    """The place of one event: its writer and its number."""

    writer: bytes
    number: int


HERE = Bookmark(b"", 0)
"""The place of the event that is written together with the webhook."""


class Standing(StrEnum):
    """Whether a webhook is delivered to."""

    ACTIVE = "active"
    FAILING = "failing"
    """Its receiver did not take a message for three days."""
    GONE = "gone"
    """Its receiver said 410."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver, and how far it is."""

    id: bytes
    """16 random bytes."""
    url: str
    types: tuple[str, ...]
    """Names of `Type` rows; empty: all."""
    label: str
    owner: str
    created_at: int
    generation: int
    """Of the signing secret; from 1."""
    key: int
    """Number of the keyring key that the secret is made with."""
    former_key: int
    """The same of the secret before; 0: there was none."""
    rotated_at: int
    told: Bookmark
    state: Standing = Standing.ACTIVE
    delivered: int = 0
    dropped: int = 0
    """Messages that were given up."""
    failures: int = 0
    """Tries in a row that failed."""
    failing_since: int = 0
    """When the first of them was; 0: the last one went well."""
    retry_at: int = 0
    answer: str = ""
    """What became of the last try."""
    answered_at: int = 0

    def hears(self, name: str) -> bool:
        """Whether messages of this type go there now."""
        return self.state is Standing.ACTIVE and (not self.types or name in self.types)

    def due(self, now: int) -> bool:
        """Whether something may be sent now."""
        return self.state is Standing.ACTIVE and self.retry_at <= now


def _always(body: Mapping[str, JSON]) -> bool:
    del body
    return True


def _is_held(body: Mapping[str, JSON]) -> bool:
    return body.get("held") is True


@dataclass(frozen=True, slots=True)
class Type:
    """One type of message. What no row names never leaves: no credential, and contacts only where somebody is to be warned."""

    name: str
    meaning: str
    kinds: tuple[str, ...]
    """Names of the events that it tells of."""
    told: tuple[str, ...] = ()
    """What of the event's body goes out."""
    card: tuple[str, ...] = ()
    """What of the client's metadata goes out, as it is when the message is sent; none of it once the client is gone."""
    chosen: Callable[[Mapping[str, JSON]], bool] = _always
    """Which of these events, by their bodies."""
    advice: str = ""
    """What the reader can do."""


_NAMED = ("client_name", "software_id")
_SHOWN = (*_NAMED, "client_uri", "redirect_uris", "grant_types", "scope", "token_endpoint_auth_method", "software_version")
_CHANGES = (
    *("client_replaced", "document_changed", "client_rotated", "client_recovered", "client_approved", "client_refused"),
    *("client_suspended", "client_resumed", "client_revoked", "client_brought_back"),
)
_MAY_HOLD = ("client_registered", "client_met", "client_replaced", "document_changed", "client_resumed")

TYPES: tuple[Type, ...] = (
    Type(
        "client.registered",
        "A client registered, or one that is a URL was seen for the first time.",
        ("client_registered", "client_met"),
        ("door", "tier", "route", "invitation", "held", "warnings"),
        _SHOWN,
    ),
    Type(
        "client.changed",
        "What a client says, may do or proves itself by changed.",
        _CHANGES,
        ("changed", "held", "reason", "note", "cohort", "credentials", "proof"),
        _SHOWN,
    ),
    Type(
        "client.approval_wanted",
        "A client waits for an operator to approve it.",
        _MAY_HOLD,
        ("door", "tier", "route", "invitation", "warnings"),
        _SHOWN,
        _is_held,
    ),
    Type(
        WARNING,
        "A client will be pruned unless it is used.",
        ("prune_warned",),
        ("reason", "due_at"),
        (*_NAMED, "contacts"),
        advice="Any use keeps it: somebody signs in with it, or it gets a token.",
    ),
    Type(
        "client.deleted",
        "A client and everything it had is gone, deleted or pruned.",
        ("client_deleted", "client_pruned"),
        ("reason", "until", "cohort", "successor"),
    ),
)

NAMES_OF_TYPES: Mapping[str, Type] = {row.name: row for row in TYPES}
if unknown := {kind for row in TYPES for kind in row.kinds} - NAMES.keys():  # pragma: no cover - a mistake in the table
    raise ValueError(f"no such events: {unknown}")


# ── What goes out ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that an event becomes, before what is known of its client was added."""

    id: str
    """The same however often it is sent: receivers know by it what they have already."""
    type: Type
    event: Recorded
    actor: str
    body: Mapping[str, JSON]

    @property
    def place(self) -> Bookmark:
        """Where its event is."""
        return Bookmark(self.event.writer, self.event.number)


def letters(event: Recorded, types: Collection[str]) -> Iterator[Letter]:
    """The messages of these types (none named: of all) that an event becomes; most become none."""
    rows = [row for row in TYPES if event.kind in row.kinds and (not types or row.name in types)]
    if not rows:
        return
    content = _decode(event.content)
    body = cast("dict[str, JSON]", content["body"])
    for row in rows:
        if row.chosen(body):
            id = f"{row.name.replace('.', '_')}_{event.writer.hex()}_{event.number}"
            yield Letter(id, row, event, str(content["actor"]), body)


def written(letter: Letter, when: str, client: Client | None) -> bytes:
    """The message as it is sent; ``when`` is the time of the event as RFC 3339 has it, ``client`` as it is now."""
    row, card = letter.type, {} if client is None else card_of(client)
    data: Card = {
        "client_id": letter.body.get("client_id") if client is None else client.client_id,
        "client_key": letter.event.client_key.hex(),
        "event": letter.event.kind,
        "actor": letter.actor,
        **{name: letter.body[name] for name in row.told if name in letter.body},
        **{name: card[name] for name in row.card if name in card},
        **({"advice": row.advice} if row.advice else {}),
    }
    return message(row.name, when, data)


def message(kind: str, when: str, data: Mapping[str, JSON]) -> bytes:
    """Type, time and data as compact JSON (Standard Webhooks, "Payload structure")."""
    return _encode({"type": kind, "timestamp": when, "data": dict(data)})


# ── Signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────


def secret(macs: Macs, issuer: str, webhook: Webhook, *, former: bool = False) -> bytes | None:
    """32 bytes that nobody keeps but the receiver; None: there is none, or its key is not honoured any more."""
    number, generation = (webhook.former_key, webhook.generation - 1) if former else (webhook.key, webhook.generation)
    name = issuer.encode()
    said = len(name).to_bytes(4, "big") + name + webhook.id + generation.to_bytes(4, "big")
    return macs.mac(number, SECRET, said) if number else None


def spelled(secret: bytes) -> str:
    """A secret as receivers get it (Standard Webhooks, "Signature scheme")."""
    return PREFIX + base64.b64encode(secret).decode()


def secrets_of(macs: Macs, issuer: str, webhook: Webhook, now: int) -> Sequence[bytes]:
    """What a message is signed with now, the newest first."""
    found = [secret(macs, issuer, webhook)]
    if now < webhook.rotated_at + OVERLAP:
        found.append(secret(macs, issuer, webhook, former=True))
    return [one for one in found if one is not None]


def signed(secrets: Sequence[bytes], id: str, now: int, body: bytes) -> dict[str, str]:
    """The three headers of a message (Standard Webhooks, "Webhook headers")."""
    content = f"{id}.{now}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(one, content, "sha256")).decode() for one in secrets)
    return {"webhook-id": id, "webhook-timestamp": str(now), "webhook-signature": " ".join(f"v1,{one}" for one in signatures)}


# ── What becomes of a webhook ────────────────────────────────────────────────────────────────────────────────────────


def taken(webhook: Webhook, place: Bookmark, now: int, answer: str) -> Webhook:
    """The receiver took the messages of an event."""
    well = replace(webhook, failures=0, failing_since=0, retry_at=0, answer=answer, answered_at=now)
    return replace(well, told=place, delivered=webhook.delivered + 1)


def failed(webhook: Webhook, now: int, answer: str, retry_after: int = 0) -> Webhook:
    """The receiver did not take a message; what it asks for by ``Retry-After`` only makes the pause longer."""
    pause = DELAYS[min(webhook.failures, len(DELAYS) - 1)]
    return replace(
        webhook,
        failures=webhook.failures + 1,
        failing_since=webhook.failing_since or now,
        retry_at=now + max(pause, min(retry_after, LONGEST_DELAY)),
        answer=answer,
        answered_at=now,
    )


def postponed(webhook: Webhook, now: int, answer: str) -> Webhook:
    """There was no place to send from, which is nobody's failure."""
    return replace(webhook, retry_at=now + DELAYS[0], answer=answer, answered_at=now)


def is_hopeless(webhook: Webhook, now: int) -> bool:
    """Whether the message at hand was tried for long enough."""
    return 0 < webhook.failing_since <= now - PATIENCE


def rotated(webhook: Webhook, key: int, now: int) -> Webhook:
    """The same with a new secret; the one that was new signs along for a day."""
    return replace(webhook, generation=webhook.generation + 1, key=key, former_key=webhook.key, rotated_at=now)
