"""Between rows of the database and people, what they allowed, and how they prove themselves."""

from typing import TypeAlias, cast

import msgspec

from calling_card.protocol.clients import Card, Generations
from calling_card.protocol.persons.grants import Consent, Grant, Stage
from calling_card.protocol.persons.people import Passkey, Person, Role, Session, Standing
from calling_card.store.database import Values

# As in `rows`, STRICT tables make the casts true. NULL stands for the empty text or bytes.
GrantRow: TypeAlias = tuple[
    *tuple[bytes, bytes, bytes, bytes, str, int, int, int, str, str, str, str | None, str | None, bytes | None, int, int, str],
    *tuple[int, int, int, int, int],
    *tuple[int, int, int | None, bytes | None],
]
PersonRow: TypeAlias = tuple[bytes, str, str, str | None, bytes, int, int, int]
ConsentRow: TypeAlias = tuple[bytes, bytes, bytes, str, str, str, bytes, int]
SessionRow: TypeAlias = tuple[bytes, bytes, int, int, int, str, str, int, int]
PasskeyRow: TypeAlias = tuple[bytes, bytes, bytes, int, str, int, int]

REFRESH = ("refresh_confirmed", "refresh_issued", "refresh_confirmed_key", "refresh_issued_key", "refresh_rotated_at")
GRANT = (
    "client_key",
    "grant_id",
    "incarnation",
    "person",
    "state",
    "epoch",
    "code_deadline",
    "code_key",
    "scope",
    "resource",
    "redirect_uri",
    "code_challenge",
    "nonce",
    "sid",
    "person_epoch",
    "auth_time",
    "amr",
    *REFRESH,
    "created_at",
    "last_used_at",
    "document_version",
    "cnf",
)
"""The columns of a grant in the order of `grant_values` and `grant_of`."""

CONSENT = ("person", "client_key", "incarnation", "redirect_uri", "resource", "scope", "card", "given_at")
PEOPLE = ("person", "name", "role", "password", "claims", "created_at")
STANDING = ("epoch", "active")
"""A person is a row of `PEOPLE` and one of `STANDING`; only the second is touched by questions about tokens."""
SESSION = ("person", "session", "epoch", "handle_key", "auth_time", "amr", "browser", "created_at", "expires_at")
PASSKEY = ("person", "id", "public_key", "count", "label", "created_at", "last_used_at")

STAGES = {stage.value: stage for stage in Stage}
ROLES = {role.value: role for role in Role}


def refresh_values(refresh: Generations) -> Values:
    """In the order of `REFRESH`; a refresh token has neither overlap nor replacement digest."""
    return (refresh.confirmed, refresh.issued, refresh.confirmed_key, refresh.issued_key, refresh.rotated_at)


def grant_values(grant: Grant) -> Values:
    """In the order of `GRANT`."""
    return (
        grant.client_key,
        grant.id,
        grant.incarnation,
        grant.person,
        grant.stage,
        grant.epoch,
        grant.code_deadline,
        grant.code_key,
        grant.scope,
        grant.resource,
        grant.redirect_uri,
        grant.code_challenge or None,
        grant.nonce or None,
        grant.sid or None,
        grant.person_epoch,
        grant.auth_time,
        grant.amr,
        *refresh_values(grant.refresh),
        grant.created_at,
        grant.last_used_at,
        grant.document_version,
        grant.cnf,
    )


def grant_of(found: object) -> Grant:
    """A row of `GRANT` columns as a grant; its fields have the same order."""
    row = cast("GrantRow", found)
    return Grant(
        row[0],
        row[1],
        row[2],
        row[3],
        STAGES[row[4]],
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
        row[10],
        row[11] or "",
        row[12] or "",
        row[13] or b"",
        row[14],
        row[15],
        row[16],
        Generations(*row[17:22]),
        row[22],
        row[23],
        row[24],
        row[25],
    )


def standing_of(found: object) -> Standing:
    """A row of `STANDING` columns as a person's standing."""
    epoch, active = cast("tuple[int, int]", found)
    return Standing(epoch, active != 0)


def consent_values(consent: Consent) -> Values:
    """In the order of `CONSENT`."""
    return (
        consent.person,
        consent.client_key,
        consent.incarnation,
        consent.redirect_uri,
        consent.resource,
        consent.scope,
        consent.card,
        consent.given_at,
    )


def consent_of(found: object) -> Consent:
    """A row of `CONSENT` columns as a remembered yes."""
    return Consent(*cast("ConsentRow", found))


def claims_text(claims: Card) -> bytes:
    """Claims as they are kept: compact JSON."""
    return msgspec.json.encode(claims)


def person_values(person: Person) -> Values:
    """In the order of `PEOPLE`."""
    return (person.id, person.name, person.role.value, person.password or None, claims_text(person.claims), person.created_at)


def person_of(found: object) -> Person:
    """A row of `PEOPLE` and `STANDING` columns as a person."""
    row = cast("PersonRow", found)
    claims = cast("Card", msgspec.json.decode(row[4]))
    return Person(row[0], row[1], ROLES[row[2]], row[3] or "", claims, row[5], row[6], row[7] != 0)


def session_values(session: Session) -> Values:
    """In the order of `SESSION`."""
    return (
        session.person,
        session.id,
        session.epoch,
        session.key,
        session.auth_time,
        session.amr,
        session.browser,
        session.created_at,
        session.expires_at,
    )


def session_of(found: object) -> Session:
    """A row of `SESSION` columns as a session."""
    return Session(*cast("SessionRow", found))


def passkey_values(passkey: Passkey) -> Values:
    """In the order of `PASSKEY`."""
    return (
        passkey.person,
        passkey.id,
        passkey.public_key,
        passkey.count,
        passkey.label,
        passkey.created_at,
        passkey.last_used_at,
    )


def passkey_of(found: object) -> Passkey:
    """A row of `PASSKEY` columns as a passkey."""
    return Passkey(*cast("PasskeyRow", found))
