"""Texts of strangers, made harmless to look at: nothing hides, turns, stacks or breaks out (Unicode TR 36 §2)."""

import re
import unicodedata

from calling_card.protocol.card.wording import hidden_problem

VISIBLE = "\ufffd"
"""What stands where something hidden was."""
_JOINERS = dict.fromkeys((0x200C, 0x200D, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
"""Join or vary the letter before, in emoji, Persian and Japanese: left out rather than shown."""
_SPACES = re.compile(r"[\s\u0085\u2028\u2029\u2800]+")
_HIGHEST_STACK = 4
"""Marks on one letter; no living script needs more."""


def tame(text: str) -> str:
    """The text on one line, without a character that nobody sees or that changes how its neighbours are seen."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    shown: list[str] = []
    stack = 0
    for letter in _SPACES.sub(" ", text.translate(_JOINERS)).strip():
        stack = stack + 1 if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me") else 0
        if stack <= _HIGHEST_STACK:
            shown.append(VISIBLE if _hides(letter) else letter)
    return "".join(shown)


def _hides(letter: str) -> bool:
    """Whether a letter would be refused in a name, or has a look that only some fonts know."""
    return unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co") or hidden_problem("x" + letter) != ""
