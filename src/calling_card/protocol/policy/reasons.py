"""How a decision turned out and why, as data that answers, events and rehearsals share (DESIGN, "One corridor")."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from calling_card.protocol.card.rules import grants_of
from calling_card.protocol.clients import JSON, Card, texts_of
from calling_card.protocol.errors import No


class Outcome(StrEnum):
    """How a decision, or one reason of it, turns out."""

    ALLOW = "allow"
    NARROW = "narrow"
    HOLD = "hold"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one member was not taken as it was said."""

    outcome: Outcome
    member: str
    was: JSON
    now: JSON
    why: str
    no: No = No.INVALID_CLIENT_METADATA
    rule: str = ""
    """Name of the operator's rule; empty: a ceiling."""


class Decision(msgspec.Struct, frozen=True):
    """What a client may become: the card in force and the reasons, as data."""

    outcome: Outcome
    card: Card
    reasons: tuple[Reason, ...]


def kept_types(card: Card) -> list[JSON]:
    """The response types of which every grant is still there."""
    kept = texts_of(card, "grant_types")
    return [kind for kind in texts_of(card, "response_types") if all(grant in kept for grant in grants_of(kind))]
