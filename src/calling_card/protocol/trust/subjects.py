"""Subjects of client certificates, in the text form that a proxy hands on (RFC 4514 §2)."""

import re

_OIDS = {"2.5.4.97": "organizationidentifier", "0.9.2342.19200300.100.1.1": "uid", "2.5.4.5": "serialnumber"}
_PAIR = re.compile(r"\s*([A-Za-z0-9.-]+)\s*=((?:\\.|[^,+\\])*)(?:[,+]|$)", re.DOTALL)
_ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)
_LONGEST = 2048
_TEXTS = (0x0C, 0x13, 0x16)
"""Tags of UTF8String, PrintableString and IA5String (X.680 §8.6)."""


def attributes(subject: str) -> list[tuple[str, str]]:
    """The attributes in their order, names in lower case; none when any part of the text cannot be read."""
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(subject) <= _LONGEST:
        pair = _PAIR.match(subject, place)
        if pair is None:
            return []
        name = pair[1].lower().removeprefix("oid.")
        found.append((_OIDS.get(name, name), _plain(pair[2].strip())))
        place = pair.end()
    return found


def belongs(subject: str, attribute: str, value: str) -> bool:
    """Whether exactly one such attribute is there, and is this value alone or behind the prefix of a registry and a dash."""
    there = [text for name, text in attributes(subject) if name == attribute.lower()]
    return len(there) == 1 and bool(value) and (there[0] == value or there[0].partition("-")[2] == value)


def _plain(text: str) -> str:
    """What an attribute says: its escapes undone, or out of the hexadecimal form of names without a word (RFC 4514 §2.4)."""
    if text.startswith("#"):
        return _from_hex(text[1:])
    return _ESCAPED.sub(_undone, text.encode(errors="replace")).decode(errors="replace")


def _undone(escape: re.Match[bytes]) -> bytes:
    return bytes.fromhex(escape[1].decode()) if len(escape[1]) == 2 else escape[1]


def _from_hex(text: str) -> str:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return ""
    good = len(raw) > 2 and raw[0] in _TEXTS and raw[1] == len(raw) - 2 < 128
    return raw[2:].decode(errors="replace") if good else ""
