"""One person's authorization of one client, from the pending code to its end (RFC 6749 §4.1, CREDENTIALS §8 and §9)."""

import hashlib
import hmac
from enum import StrEnum

import msgspec
from msgspec import structs

from calling_card.protocol import base64url
from calling_card.protocol.abroad.addresses import stays_on_device
from calling_card.protocol.clients import JSON, Card, Client, Generations
from calling_card.protocol.events import Event
from calling_card.protocol.persons.people import Standing

CODE_LIFETIME = 60
"""Seconds a code is good for (A-46)."""


class Stage(StrEnum):
    """Where a grant is."""

    PENDING = "pending"
    """Its code was handed out and waits to be redeemed."""
    LIVE = "live"
    REVOKED = "revoked"


class Grant(msgspec.Struct, frozen=True):
    """What one person allowed one client."""

    client_key: bytes
    id: bytes
    """16 random bytes."""
    incarnation: bytes
    """Of the client: a namesake born later has no part in it."""
    person: bytes
    stage: Stage
    epoch: int
    """Raised to end every access token of the grant at once."""
    code_deadline: int
    """Until when the code is good, seconds since 1970."""
    code_key: int
    scope: str
    resource: str
    """URIs as they were asked for, space-separated; empty: none was named."""
    redirect_uri: str
    """As the authorization request sent it; empty: it was left out (A-48)."""
    code_challenge: str
    """S256 challenge; empty: none was sent."""
    nonce: str
    sid: bytes
    """Session in which it was given."""
    person_epoch: int
    """Of the person then; another one ends the grant (CREDENTIALS §3)."""
    auth_time: int
    amr: str
    refresh: Generations
    created_at: int
    last_used_at: int
    document_version: int | None = None
    cnf: bytes | None = None


class Consent(msgspec.Struct, frozen=True):
    """A remembered yes (CREDENTIALS §8)."""

    person: bytes
    client_key: bytes
    incarnation: bytes
    redirect_uri: str
    """The registered one, not the one with the port of the day."""
    resource: str
    """Sorted, space-separated."""
    scope: str
    """Sorted, space-separated."""
    card: bytes
    """What the client looked like, by `seen`."""
    given_at: int


def in_order(words: str) -> str:
    """A set of words in its one spelling."""
    return " ".join(sorted(set(words.split())))


def may_be_remembered(card: Card, redirect_uri: str) -> bool:
    """Whether a yes may be kept: never for a client without a secret that stays on the device, any program there can be it."""
    return card.get("token_endpoint_auth_method") != "none" or not stays_on_device(redirect_uri)


def ended(grant: Grant) -> Grant:
    """The grant after its end: no code, no refresh token and no access token of it lives."""
    return structs.replace(grant, stage=Stage.REVOKED, epoch=grant.epoch + 1)


def of_client(grant: Grant, client: Client) -> bool:
    """Whether the grant was given to this very client, not to one of the same name."""
    return grant.client_key == client.key and hmac.compare_digest(grant.incarnation, client.incarnation)


def stands(grant: Grant, person: Standing) -> bool:
    """Whether the person who gave it is active and has the epoch of then (CREDENTIALS §3)."""
    return person.active and person.epoch == grant.person_epoch


def told(grant: Grant, kind: str, at: int, request_id: str, **more: JSON) -> Event:
    """An event about a grant that its client caused."""
    return Event(kind, at, grant.client_key, "client", request_id, {"person": base64url.encode(grant.person), **more})


SEEN = (
    "jwks",
    "jwks_uri",
    "redirect_uris",
    "subject_type",
    "sector_identifier_uri",
    "client_name",
    "logo_uri",
    "scope",
    "grant_types",
    "token_endpoint_auth_method",
)
"""Members whose change, in any language, makes a client another in people's eyes: remembered consents end (M-36)."""

_SEEN = frozenset(SEEN)
_encode = msgspec.json.Encoder(order="deterministic").encode


def seen(card: Card) -> bytes:
    """16 bytes that stand for what people said yes to about the client itself."""
    members = {name: value for name, value in card.items() if name in _SEEN or name.partition("#")[0] in _SEEN}
    return hashlib.sha256(_encode(members)).digest()[:16]
