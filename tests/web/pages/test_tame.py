"""Texts of strangers: nothing hides, turns, stacks or breaks out (Unicode TR 36 §2)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.web.pages.tame import VISIBLE, tame
from tests.ledger import meets


@pytest.mark.parametrize(
    "text,shown",
    [
        ("Paper Notes", "Paper Notes"),
        ("", ""),
        ("   ", ""),
        ("紙のノート", "紙のノート"),
        ("Élan – café", "Élan – café"),
        ("מחברת", "מחברת"),
        ("यूनिकोड", "यूनिकोड"),
        ("ภาษาไทย", "ภาษาไทย"),
        ("👩‍👧 notes ❤️", "👩👧 notes ❤"),
        ("葛\U000e0100城", "葛城"),
        ("two\nlines\r\n\tand\u2028more", "two lines and more"),
        ("no\u00a0break\u3000wide \u2800", "no break wide"),
        ("bank\u202egnp.exe", f"bank{VISIBLE}gnp.exe"),
        ("\u2066isolated\u2069", f"{VISIBLE}isolated{VISIBLE}"),
        ("a\u200bb\u2060c\ufeffd", f"a{VISIBLE}b{VISIBLE}c{VISIBLE}d"),
        ("bell\x07 null\x00 del\x7f", f"bell{VISIBLE} null{VISIBLE} del{VISIBLE}"),
        ("half \ud83d", f"half {VISIBLE}"),
        ("private \ue000", f"private {VISIBLE}"),
        ("filler \u3164\u115f", f"filler {VISIBLE}{VISIBLE}"),
        ("Z" + "\u0301" * 90 + "!", "Z" + "\u0301" * 4 + "!"),
    ],
)
@meets("X-11")
def test_what_hides_is_shown_and_what_stacks_is_cut(text: str, shown: str) -> None:
    assert tame(text) == shown


@given(st.text(st.characters(), max_size=60))
def test_nothing_that_turns_or_hides_text_is_left(text: str) -> None:
    shown = tame(text)

    assert {unicodedata.category(letter) for letter in shown}.isdisjoint({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
    assert shown == shown.strip()
    assert tame(shown) == shown
    shown.encode()
