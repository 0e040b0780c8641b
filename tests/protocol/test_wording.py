"""Texts for people: what hides or turns them is found, what merely poses is pointed at."""

import pytest

from calling_card.protocol.card.wording import has_control, hidden_problem, suspicions
from tests.ledger import meets

HIDDEN = {
    "bell": "Tea\x07",
    "nul": "Tea\x00",
    "newline": "Tea\nverified by nobody",
    "return": "Tea\rX",
    "tab": "Tea\tX",
    "delete": "Tea\x7f",
    "next line": "Tea\x85X",
    "line separator": "Tea\u2028X",
    "paragraph separator": "Tea\u2029X",
    "left-to-right mark": "Tea\u200e",
    "right-to-left mark": "Tea\u200f",
    "arabic letter mark": "Tea\u061c",
    "left-to-right embedding": "Tea\u202a",
    "right-to-left override": "Tea\u202egpj.exe",
    "pop": "Tea\u202c",
    "isolate": "Tea\u2066",
    "pop isolate": "Tea\u2069",
    "zero width space": "Te\u200ba",
    "non-joiner": "Te\u200ca",
    "joiner": "Te\u200da",
    "word joiner": "Te\u2060a",
    "byte order mark": "\ufeffTea",
    "soft hyphen": "Te\u00ada",
    "grapheme joiner": "Te\u034fa",
    "hangul filler": "\u3164Tea",
    "halfwidth filler": "Tea\uffa0",
    "mongolian separator": "Tea\u180e",
    "language tag": "Tea\U000e0041",
    "invisible times": "Te\u2062a",
    "object replacement": "Tea\ufffc",
    "musical control": "Tea\U0001d173",
    "surrogate": "Tea\ud800",
}


@meets("R-57", "X-50")
@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN.keys())
def test_a_character_that_hides_turns_or_breaks_is_named(text: str) -> None:
    problem = hidden_problem(text)

    assert problem.startswith("has the character U+")
    assert problem.isascii()


@meets("R-57")
@pytest.mark.parametrize("text", [" ", "   ", "\u00a0", "\u3000", "\n"])
def test_a_text_of_nothing_is_refused(text: str) -> None:
    assert hidden_problem(text) == "has nothing to see in it"


@meets("R-57")
@pytest.mark.parametrize("text", ["Tea", "お茶屋", "Чай", "café", "שלום", "چای", "🍵 tea", "नमस्ते", "Tea & Biscuits <Ltd>"])
def test_names_of_all_scripts_are_fine(text: str) -> None:
    assert hidden_problem(text) == ""
    assert suspicions(text, "as.example") == []


@meets("X-50")
@pytest.mark.parametrize(
    "text, finding",
    [
        ("Tea (Verified)", "the word verified"),
        ("ｏｆｆｉｃｉａｌ Tea", "the word official"),
        ("ADMIN", "the word admin"),
        ("Sign in at as.example", "names this server"),
        ("AS.EXAMPLE", "names this server"),
        ("Gооgle", "mixes scripts"),
        ("Ρaypal", "mixes scripts"),
        ("Te\u0301\u0302\u0303\u0304\u0305a", "combining marks"),
    ],
)
def test_a_name_that_poses_is_pointed_at_and_not_refused(text: str, finding: str) -> None:
    assert hidden_problem(text) == ""
    assert any(finding in found for found in suspicions(text, "as.example"))


def test_words_are_matched_whole_and_an_unnamed_server_matches_nothing() -> None:
    assert suspicions("Administer rooted systems", "") == []


def test_japanese_scripts_go_together_and_with_latin_only_word_by_word() -> None:
    assert suspicions("お茶カフェ Tea", "") == []
    assert suspicions("お茶Tea", "") == ["mixes scripts within a word and may look like another name"]


def test_control_characters_are_found_in_any_text() -> None:
    found = [has_control(text) for text in ("a\x00", "\x85", "\udfff", "Te\u200ba 🍵")]

    assert found == [True, True, True, False]
