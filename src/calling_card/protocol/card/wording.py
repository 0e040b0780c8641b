"""What people get to read: characters that hide or turn text, and names that pose as something (Unicode TR 36 §2)."""

import re
import unicodedata
from functools import lru_cache

_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_HIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff{_INVISIBLE}]")
_WORD = re.compile(r"\w+")
_RESERVED = frozenset(
    {
        "verified",
        "official",
        "certified",
        "trusted",
        "approved",
        "genuine",
        "authentic",
        "admin",
        "administrator",
        "root",
        "system",
        "security",
        "support",
        "staff",
        "moderator",
        "login",
        "signin",
        "password",
        "bank",
    }
)
_JAPANESE = frozenset({"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"})
_STACK = 4


def has_control(text: str) -> bool:
    """Whether a text has a control character or half of a surrogate pair."""
    return _CONTROL.search(text) is not None


def hidden_problem(text: str) -> str:
    """What is wrong with a text that people will see; empty: nothing."""
    if text.isascii() and text.isprintable() and not text.isspace():
        return ""
    if not text.strip():
        return "has nothing to see in it"
    found = _HIDDEN.search(text)
    if found is None:
        return ""
    return f"has the character U+{ord(found[0]):04X}, which hides, turns or breaks text; leave it out"


def suspicions(text: str, own: str) -> list[str]:
    """What a reader should be warned of in a shown text; ``own`` is the name of this server."""
    found: list[str] = []
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    words = _WORD.findall(plain)
    if not _RESERVED.isdisjoint(words):
        found.append(f"uses the word {min(_RESERVED.intersection(words))}, which nobody vouches for")
    if own and own in plain:
        found.append("names this server")
    if not text.isascii():
        if any(mixes(word) for word in _WORD.findall(text) if not word.isascii()):
            found.append("mixes scripts within a word and may look like another name")
        if _stacks(text):
            found.append("piles up combining marks")
    return found


def mixes(word: str) -> bool:
    """Whether a word has letters of several scripts that are not written together."""
    scripts = {_script(char) for char in word if char.isalpha()}
    return len(scripts - _JAPANESE) + bool(scripts & _JAPANESE) > 1


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    """The script of a letter, by the first word of its name; the letters of one name are mostly those of the next one."""
    return unicodedata.name(char, "UNNAMED").split(" ", 1)[0]


def _stacks(text: str) -> bool:
    """Whether more combining marks sit on one letter than any orthography needs."""
    if text.isalnum():
        return False
    height = 0
    for char in text:
        height = height + 1 if not char.isalnum() and unicodedata.category(char) in {"Mn", "Me"} else 0
        if height > _STACK:
            return True
    return False
