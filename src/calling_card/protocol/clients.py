"""What a client is once it is registered: its door, tier, state and generations (RFC 7591 §2, RFC 7592 §3)."""

import hashlib
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import TypeAlias, cast

import msgspec

JSON: TypeAlias = "None | bool | int | float | str | list[JSON] | dict[str, JSON]"
"""A JSON value after it was read from outside and narrowed."""

Card: TypeAlias = dict[str, JSON]
"""Client metadata: member name (language tag included) to value, in the order in which it is answered."""


def words(value: JSON) -> list[str]:
    """The texts of a list member that was found good."""
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def texts_of(card: Card, name: str) -> list[str]:
    """The same of a card in force, as they stand there: what has passed the vocabulary has nothing but texts in its lists of texts."""
    return cast("list[str]", card.get(name) or [])


def holds(card: Card, name: str, word: str) -> bool:
    """Whether this is among them."""
    value = card.get(name)
    return isinstance(value, list) and word in value


class Route(StrEnum):
    """The name space a client_id lives in (CREDENTIALS §4)."""

    REGISTERED = "registered"
    CIMD = "cimd"
    LOOKER = "looker"


class Door(StrEnum):
    """The wire form by which a client came in."""

    RFC7591 = "rfc7591"
    SCR2011 = "scr2011"
    MASTODON = "mastodon"
    CIMD = "cimd"
    LOOKER = "looker"
    ADMIN = "admin"


class Tier(IntEnum):
    """How much is known of who stands behind a client; kept for life."""

    ANONYMOUS = 0
    URL = 1
    TOKEN = 2
    VOUCHED = 3
    ADMIN = 4


class State(StrEnum):
    """Whether a client may act. Deleted clients have no row."""

    ACTIVE = "active"
    HELD = "held"
    SUSPENDED = "suspended"


class Generations(msgspec.Struct, frozen=True):
    """The rotation state of one credential: which generations live, and under which keys (CREDENTIALS §9)."""

    confirmed: int = 1
    issued: int = 1
    confirmed_key: int = 1
    issued_key: int = 1
    rotated_at: int = 0
    """Seconds since 1970, the time of the last issue."""
    overlap_since: int | None = None
    """When ``confirmed`` was first superseded, seconds since 1970."""
    put_digest: bytes | None = None
    """Digest of the last replacement that was applied, for repeated requests."""


class Client(msgspec.Struct, frozen=True):
    """One client in force."""

    key: bytes
    """16 bytes: the place of the client in every table. Never a proof."""
    route: Route
    client_id: str
    incarnation: bytes
    """8 random bytes drawn at birth, so that a namesake born later never honours old handles."""
    epoch: int
    """Raised to end every access token of the client at once."""
    door: Door
    tier: Tier
    state: State
    owner: str
    """Who answers for the client inside (an operator's name), or empty."""
    invitation: bytes | None
    """Id of the initial access token that let it in."""
    issued_at: int
    metadata: bytes
    """The card in force as compact JSON in UTF-8."""
    decision: bytes
    """The reasons of the last policy decision as compact JSON in UTF-8."""
    rat: Generations
    secret: Generations | None
    """None: the client has no secret."""
    secret_expires_at: int
    """Seconds since 1970; 0: never."""
    last_used_day: int
    """Days since 1970 of the last use that counts."""
    card_until: int = 0
    """Until when it lives on its card alone, seconds since 1970; 0: it has a row (CREDENTIALS §6)."""
    waits: bool = False
    """Of a suspended client: whether it waited for approval, and will when it is resumed."""
    refusal: str = ""
    """Why an operator refused it; empty: nobody did."""
    approved_card: bytes | None = None
    """Digest of the card that an operator approved; None: nobody had to, or none was."""
    imported: bytes | None = None
    """What is kept of a secret that the client brought from another server; None: it brought none, or has one of ours by now."""


@lru_cache(maxsize=64)
def client_key(route: Route, client_id: str) -> bytes:
    """The 16-byte place of a client (CREDENTIALS §4); a text that is no Unicode has one too, where nobody lives.

    Remembered for a while, for a request asks several times.
    """
    return hashlib.sha256(route.encode() + b"\0" + client_id.encode(errors="surrogatepass")).digest()[:16]


def is_over(client: Client, now: int) -> bool:
    """Whether a client of 2011 was not renewed in time: its identifier ends with its secret (Simple Registration draft 02 §3.2)."""
    return client.door is Door.SCR2011 and 0 < client.secret_expires_at <= now


def created_by(client: Client) -> str:
    """How the client came to be, in the words of the admin interface: its door, or of the usual door what it brought."""
    if client.door is not Door.RFC7591:
        return client.door.value
    if client.tier is Tier.VOUCHED:
        return "statement"
    return "iat" if client.tier >= Tier.TOKEN else "anonymous"
