"""The shape of a row: everything the project knows about one member of client metadata (RFC 7591 §2)."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TypeAlias

from calling_card.protocol.card.ground import Ground, Limits
from calling_card.protocol.clients import JSON, Card
from calling_card.protocol.errors import No

Rule: TypeAlias = Callable[[str, Ground], str]
"""What is wrong with one text; empty: nothing."""

Agreement: TypeAlias = Callable[[Card, Ground], str]
"""What is wrong with a member beside the others; empty: nothing."""


class Kind(Enum):
    """What a value must be before anything else is asked of it."""

    TEXT = "a string"
    URL = "a URL"
    URLS = "an array of URLs"
    CALLBACKS = "an array of redirect URIs"
    ORIGINS = "an array of origins"
    CHOICE = "one of a few words"
    CHOICES = "an array of words out of a few"
    ALG = "the name of an algorithm"
    TEXTS = "an array of strings"
    SCOPE = "scope words in one string"
    NUMBER = "an integer"
    FLAG = "true or false"
    KEYS = "a JWK Set"
    OBJECT = "an object of objects"
    ANY = "any value"


class By(StrEnum):
    """Who sets a member."""

    CLIENT = "client"
    SERVER = "server"


class Where(StrEnum):
    """Where a member may be said."""

    BODY = "registration"
    UPDATE = "replacement"
    DOCUMENT = "client metadata document"
    STATEMENT = "software statement"


class Sensitivity(StrEnum):
    """What a log may show."""

    PUBLIC = "public"
    PERSONAL = "personal"
    SECRET = "secret"  # noqa: S105 - the name of a degree


class Effect(Enum):
    """What becomes of a member that asks for something which is not built."""

    NONE = "nothing is promised"
    NARROWED = "dropped and told; refused in the strict profile"
    REFUSED = "never weakened: refused by name"


EVERYWHERE = frozenset(Where)
NOWHERE: frozenset[Where] = frozenset()


@dataclass(frozen=True, slots=True)
class Member:
    """One member of client metadata."""

    name: str
    kind: Kind
    section: str
    meaning: str
    default: JSON = None
    """What the card says when the client does not; None: nothing."""
    derive: Agreement | None = None
    """The default where it depends on the rest; an empty text: none."""
    beside: str = ""
    """The member without which there is no default; empty: there is one anyway."""
    implied: str = ""
    """What holds when the card says nothing, for the reference."""
    rules: tuple[Rule, ...] = ()
    agrees: tuple[Agreement, ...] = ()
    idle: Agreement | None = None
    """Why the member means nothing beside these others; empty: it means something."""
    known: tuple[str, ...] = ()
    """Every value the specifications name, for members with few."""
    served: Callable[[Ground], Collection[str]] | None = None
    """The values that are taken now; None: all that are known."""
    fold: Callable[[str], str] | None = None
    """Makes equal what differs in spelling only."""
    limit: Callable[[Limits], int] | None = None
    """Code points of a text, elements of an array."""
    schemes: tuple[str, ...] = ("https",)
    fragment: bool = False
    """A URL may have a fragment."""
    by: By = By.CLIENT
    said_in: frozenset[Where] = EVERYWHERE
    form_name: str = ""
    """Parameter of the form protocol of 2011 (Simple Registration draft 02 §3.1)."""
    no: No = No.INVALID_CLIENT_METADATA
    i18n: bool = False
    shown: bool = False
    """People see it."""
    sensitivity: Sensitivity = Sensitivity.PUBLIC
    unread: bool = False
    """Clients may say it, and nobody listens: neither kept nor returned."""
    inert: bool = False
    """Kept and returned, without effect here."""
    effect: Effect = Effect.NONE
