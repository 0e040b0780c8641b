"""Language tags on member names: their grammar, and which variant a reader is shown (RFC 7591 §2.2, RFC 5646 §2.1, RFC 4647 §3.4)."""

import re
from collections.abc import Mapping, Sequence

from calling_card.protocol.clients import JSON

_LONGEST = 128
_IRREGULAR = r"en-gb-oed|i-(?:ami|bnn|default|enochian|hak|klingon|lux|mingo|navajo|pwn|tao|tay|tsu)|sgn-(?:be-(?:fr|nl)|ch-de)"
"""Tags older than the grammar that do not follow it; the other grandfathered ones do."""

_WELL_FORMED = re.compile(
    rf"""
    (?: [a-z]{{2,3}} (?: - [a-z]{{3}} ){{0,3}} | [a-z]{{4,8}} )   # language, with up to three extended subtags
    (?: - [a-z]{{4}} )?                                           # script
    (?: - (?: [a-z]{{2}} | [0-9]{{3}} ) )?                        # region
    (?: - (?: [a-z0-9]{{5,8}} | [0-9][a-z0-9]{{3}} ) )*           # variants
    (?: - [0-9a-wyz] (?: - [a-z0-9]{{2,8}} )+ )*                  # extensions
    (?: - x (?: - [a-z0-9]{{1,8}} )+ )?                           # private use
  | x (?: - [a-z0-9]{{1,8}} )+
  | {_IRREGULAR}
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def is_tag(text: str) -> bool:
    """Whether a text is a well-formed language tag, in any mix of upper and lower case (RFC 5646 §2.2.9)."""
    return len(text) <= _LONGEST and _WELL_FORMED.fullmatch(text) is not None


def choose(card: Mapping[str, JSON], member: str, wanted: Sequence[str]) -> JSON:
    """The variant for a reader of these languages, best first; then the one without a tag, then the first; None: there is none."""
    mark = member + "#"
    if mark not in "\n".join(card):  # one look at all names; most cards speak one language
        return card.get(member)
    variants = {name[len(mark) :].lower(): value for name, value in card.items() if name.startswith(mark)}
    for language in wanted:
        for shorter in _shortened(language):
            if shorter in variants:
                return variants[shorter]
    if member in card:
        return card[member]
    return next(iter(variants.values()), None)


def _shortened(language: str) -> list[str]:
    """A language range and what is left of it as subtags go from its end, single letters with the one before them."""
    left = language.lower().split("-")
    ranges: list[str] = []
    while left and left != ["*"]:
        ranges.append("-".join(left))
        left.pop()
        while left and len(left[-1]) == 1:
            left.pop()
    return ranges
