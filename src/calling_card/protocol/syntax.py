"""Strict JSON: one object that every reader understands the same way (RFC 8259 §4, RFC 7493 §2); and the pairs of a form."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from math import isfinite
from typing import cast
from urllib.parse import quote, unquote_to_bytes

from calling_card.protocol.clients import JSON
from calling_card.protocol.errors import No, Refusal

ECHOED = 80
"""Characters of what a client sent that a description may repeat (RFC 7591 §3.2.2 asks for ASCII)."""

_LONGEST_NUMBER = 40
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_SAFE = "!#$&'()*+,/:;=?@[]^_`{|}~ "
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_DUBIOUS = re.compile(rb"\\u(?:0000|[Dd][89A-Fa-f])")
"""Escapes that may stand for what no text may hold, or for half of what it may."""
_HALF = re.compile("[\ud800-\udfff]")


def read_object(body: bytes, *, depth: int = 8, members: int = 200) -> dict[str, JSON]:
    """The one JSON object in a body; limits are checked before anything is built. Raises `Refusal` with `invalid_request`."""
    text = _text(body)
    _within(body, depth, members)
    try:
        value: object = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _no(f"is not valid JSON at character {error.pos + 1} (RFC 8259 section 2)") from None
    if not isinstance(value, dict):
        raise _no("must be one JSON object (RFC 7591 section 3.1)")
    said = cast(dict[str, JSON], value)
    if _DUBIOUS.search(body):
        _check_escapes(said)
    return said


def echo(text: str) -> str:
    """Foreign text for a description: printable ASCII without quotes and backslashes, at most 80 characters (RFC 6749 §5.2)."""
    escaped = quote(text[:ECHOED], safe=_SAFE, errors="replace")
    if len(escaped) <= ECHOED and len(text) <= ECHOED:
        return escaped
    return re.sub(r"%[0-9A-F]?$", "", escaped[: ECHOED - 3]) + "..."


def read_form(text: str, most: int) -> list[tuple[str, str]]:
    """Names and values of a form or query in their order (RFC 6749 appendix B).

    Raises `ValueError` for more than ``most`` of them, and for what is not UTF-8.
    """
    plain = text.replace("+", " ").replace("%3A", ":").replace("%2F", "/")  # mostly nothing else is escaped
    parts = plain.split("&")
    if len(parts) > most:
        raise ValueError(f"there are more than {most} fields")
    pairs = [(name, value) for part in parts if part for name, _, value in [part.partition("=")]]
    return [(_unescaped(name), _unescaped(value)) for name, value in pairs] if "%" in plain else pairs


def twice(pairs: Sequence[tuple[str, str]], lists: Collection[str]) -> str | None:
    """The first name that comes a second time and is none of these lists; None: each comes once."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen and name not in lists:
            return name
        seen.add(name)
    return None


def listed(pairs: Sequence[tuple[str, str]], name: str) -> tuple[str, ...]:
    """What a list holds; an empty value counts as not sent."""
    return tuple([value for one, value in pairs if one == name and value])


def _unescaped(text: str) -> str:
    return unquote_to_bytes(text).decode() if "%" in text else text


def _text(body: bytes) -> str:
    if body.startswith(b"\xef\xbb\xbf"):
        raise _no("must not begin with a byte order mark (RFC 8259 section 8.1)")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise _no("must be UTF-8 (RFC 8259 section 8.1)") from None


def _within(body: bytes, depth: int, members: int) -> None:
    """Count brackets and colons, and look closer only where the plain count is too high."""
    if body.count(b"{") + body.count(b"[") <= depth and body.count(b":") <= members:
        return
    bare = _STRING.sub(b"", body)
    if bare.count(b":") > members:
        raise _no(f"has more than {members} members")
    level = 0
    for mark in re.findall(rb"[\[\]{}]", bare):
        level += 1 if mark in b"[{" else -1
        if level > depth:
            raise _no(f"is nested deeper than {depth} levels")


def _check_escapes(said: dict[str, JSON]) -> None:
    for text in _texts(said):
        if "\0" in text:
            raise _no("must not contain the character U+0000")
        if _HALF.search(text):
            raise _no("must not contain half of a surrogate pair (RFC 7493 section 2.1)")


def _texts(value: JSON) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise _no(f"names the member '{echo(twice)}' twice (RFC 8259 section 4)")
    return made


def _integer(digits: str) -> int | float:
    """An integer of at most 64 bits; ``-0`` is not one, because only floats know it."""
    if digits == "-0":
        return -0.0
    if len(digits) > 20 or not _SMALLEST <= (number := int(digits)) <= _LARGEST:
        raise _no("has an integer that needs more than 64 bits")
    return number


def _fraction(digits: str) -> float:
    if len(digits) > _LONGEST_NUMBER or not isfinite(number := float(digits)):
        raise _no("has a number that is too large or too long")
    return number


def _constant(name: str) -> float:
    raise _no(f"uses {name}, which is not JSON (RFC 8259 section 6)")


def _no(problem: str) -> Refusal:
    return Refusal(No.INVALID_REQUEST, f"the body {problem}")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant)
