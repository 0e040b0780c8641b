"""People, how they prove themselves, and how long that holds (OIDC Core §2, CREDENTIALS §3, H-29)."""

import re
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from calling_card.protocol import base64url
from calling_card.protocol.clients import JSON, Card

SELF = "self"
"""Issuer of the identities of embedded accounts."""
LONGEST_NAME = 100
"""Characters."""
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._@+-]{{0,{LONGEST_NAME - 1}}}")
"""What a sign-in name may be: it is typed, shown and logged."""
SHORTEST_PASSWORD = 8
"""Characters (NIST SP 800-63B §5.1.1.2)."""
LONGEST_PASSWORD = 256
"""Characters: enough for everybody, and nobody makes us hash a megabyte."""


class Role(StrEnum):
    """What a person may do to this server besides signing in."""

    NONE = "none"
    VIEWER = "viewer"
    OPERATOR = "operator"
    OWNER = "owner"


class Standing(msgspec.Struct, frozen=True):
    """The two facts about a person that every question of authority asks."""

    epoch: int
    """Raised to end every session and access token of the person at once."""
    active: bool


class Person(msgspec.Struct, frozen=True):
    """Somebody who can sign in."""

    id: bytes
    """16 random bytes; as text it is the ``sub`` that clients see."""
    name: str
    """What is typed at sign-in."""
    role: Role
    password: str
    """PHC string of the password's argon2id hash; empty: none, only passkeys."""
    claims: Card = msgspec.field(default_factory=dict[str, JSON])
    """OpenID Connect claims about the person, by name (OIDC Core §5.1)."""
    created_at: int = 0
    epoch: int = 0
    active: bool = True

    @property
    def subject(self) -> str:
        """``sub``: the identifier as text, 22 characters."""
        return base64url.encode(self.id)

    @property
    def shown(self) -> str:
        """How the person is greeted: the claim ``name``, or the sign-in name."""
        name = self.claims.get("name")
        return name if isinstance(name, str) and name else self.name


class Session(msgspec.Struct, frozen=True):
    """One browser in which a person is signed in."""

    person: bytes
    id: bytes
    """16 random bytes."""
    epoch: int
    """The person's epoch at sign-in; another one ends the session."""
    key: int
    """Number of the keyring key its cookie was made with."""
    auth_time: int
    """When the person proved who they are, seconds since 1970."""
    amr: str
    """How: authentication method references, space-separated (RFC 8176 §2)."""
    browser: str
    """What the browser called itself, shortened; shown to its owner only."""
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Passkey:
    """A public key that a person's device signs in with (WebAuthn Level 3 §4)."""

    person: bytes
    id: bytes
    """The credential id that the device chose."""
    public_key: bytes
    """COSE_Key."""
    count: int
    """Signature counter as last seen; 0: the device keeps none."""
    label: str
    created_at: int
    last_used_at: int
    """Seconds since 1970; 0: never."""


CLAIMS: dict[str, tuple[str, ...]] = {
    "profile": (
        "name",
        "family_name",
        "given_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "updated_at",
    ),
    "email": ("email", "email_verified"),
    "phone": ("phone_number", "phone_number_verified"),
    "address": ("address",),
}
"""Which claims a scope asks for (OIDC Core §5.4)."""


def claims_for(person: Person, scope: str) -> Card:
    """``sub`` and the claims that these scopes release; what is not known is left out (OIDC Core §5.3.2)."""
    known: Card = {"preferred_username": person.name, **person.claims}
    released = [name for word in scope.split() for name in CLAIMS.get(word, ())]
    return {"sub": person.subject} | {name: known[name] for name in released if known.get(name) not in (None, "")}
