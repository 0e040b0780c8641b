"""What a client lays claim to that another one may have: the name of its software, and schemes of its own (RFC 7591 §5; R-37, R-88)."""

from collections.abc import Collection, Sequence
from enum import StrEnum

from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import Card, Client, texts_of
from calling_card.protocol.policy.rows import Software
from calling_card.protocol.syntax import echo

CLAIMANTS = 20
"""So many of those that claim the same are looked at."""


class Claim(StrEnum):
    """What can be claimed, and looked up."""

    SOFTWARE = "software"
    """A ``software_id``."""
    SCHEME = "scheme"
    """The scheme of one of the first three redirect URIs, in lower case, where it is neither http nor https."""


def private_schemes(card: Card) -> list[str]:
    """Schemes of the client's redirect URIs that are its own, in lower case (RFC 8252 §7.1)."""
    found = [uri.partition(":")[0].lower() for uri in texts_of(card, "redirect_uris")]
    return list(dict.fromkeys([scheme for scheme in found if scheme not in ("https", "http")]))


def lays(card: Card, before: Card | None, known: Sequence[Software]) -> bool:
    """Whether a card claims anything that was not claimed before."""
    return bool(new_schemes(card, before)) or single(card, known)


def single(card: Card, known: Sequence[Software]) -> bool:
    """Whether the operator lets only one client with this ``software_id`` and ``software_version`` live (R-88)."""
    return bool(known) and any(row.single_instance and row.id == card.get("software_id") for row in known)


def same_software(card: Card, other: Card) -> bool:
    """Whether two clients call themselves the same version of the same software."""
    return all(card.get(name) == other.get(name) for name in ("software_id", "software_version"))


def new_schemes(card: Card, before: Card | None) -> list[str]:
    """Schemes that a client did not have before."""
    schemes = private_schemes(card)
    had = private_schemes(before) if schemes and before else ()
    return [scheme for scheme in schemes if scheme not in had]


def claimed(scheme: str, card: Card, others: Collection[Client]) -> str:
    """What is to be said when other software has the scheme already; empty: nothing (R-37)."""
    foreign = [other for other in others if card_of(other).get("software_id") != card.get("software_id")]
    return f"redirect_uris: the scheme {echo(scheme)} is that of other software too (RFC 7591 section 5)" if foreign else ""
