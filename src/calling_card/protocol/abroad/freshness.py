"""How long something fetched may be kept, as HTTP lets it be and within our own bounds (RFC 9111 §4.2; D-31, D-46)."""

import re
from calendar import monthrange, timegm
from dataclasses import dataclass

from calling_card.protocol.abroad.fetching import Fetched

LEAST = 60
"""Seconds that everything but ``no-store`` is kept, so that no document makes us a tool against its host."""
MOST = 24 * 3600
USUAL = 300
"""Seconds without a word about it."""
HALF_CENTURY = 50 * 365 * 86400

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_ONE = rf'({_NAME})(?:=(?:({_NAME})|"((?:[^"\\]|\\.)*+)"))?'
_DIRECTIVE = re.compile(rf"{_ONE}")
_LIST = re.compile(rf"(?:[ \t,]*+{_ONE}[ \t]*+(?=,|$))*+[ \t,]*+")
_WORD = re.compile(r"[a-z-]++")
_SECONDS = re.compile(r"[0-9]++")
_CLOCK = r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)"
_FIXDATE = re.compile(rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{{2}}) ([A-Z][a-z]{{2}}) ([0-9]{{4}}) {_CLOCK} GMT")
_RFC850 = re.compile(rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, ([0-9]{{2}})-([A-Z][a-z]{{2}})-([0-9]{{2}}) {_CLOCK} GMT")
_ASCTIME = re.compile(rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([A-Z][a-z]{{2}}) ([ 1-3][0-9]) {_CLOCK} ([0-9]{{4}})")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Life:
    """How long an answer may be used; both in seconds since 1970, the end excluded."""

    fresh_until: int
    stale_until: int
    """Until when it may stand in while its host cannot be reached; never before ``fresh_until``."""


def life(fetched: Fetched, now: int, stale_if_error: int) -> Life:
    """The life of an answer that came now. What cannot be read, or is said twice, never makes it longer (RFC 9111 §4.2.1)."""
    said = set(_WORD.findall(fetched.cache_control.lower()))
    if "no-store" in said:
        return Life(now, now)
    seconds = 0 if "no-cache" in said else _lifetime(fetched, now) - _age(fetched, now)
    fresh_until = now + max(LEAST, min(seconds, MOST))
    last_word = said & {"no-cache", "must-revalidate"}
    return Life(fresh_until, fresh_until if last_word else fresh_until + stale_if_error)


def _lifetime(fetched: Fetched, now: int) -> int:
    """Seconds from when the answer was made: ``max-age``, else ``Expires``, else our own; 0 for whatever cannot be read."""
    ages = _max_ages(fetched.cache_control)
    if ages:
        return min(ages)
    if not fetched.expires:
        return USUAL
    expires = _moment(fetched.expires, now)
    made = _moment(fetched.date, now) if fetched.date else now
    return 0 if expires is None or made is None else expires - made


def _max_ages(cache_control: str) -> list[int]:
    """Every ``max-age`` that is said; 0 for one without a number, and for a header that is no list of directives."""
    if not _LIST.fullmatch(cache_control):
        return [0]
    directives = _DIRECTIVE.finditer(cache_control)
    return [_seconds(found[2] or found[3] or "") or 0 for found in directives if found[1].lower() == "max-age"]


def _age(fetched: Fetched, now: int) -> int:
    """Seconds that the answer was on its way, in caches of others too; as old as can be if that cannot be read (RFC 9111 §4.2.3)."""
    waited = _seconds(fetched.age) if fetched.age else 0
    made = _moment(fetched.date, now) if fetched.date else now
    return MOST if waited is None or made is None else max(waited, now - made)


def _seconds(text: str) -> int | None:
    """A number of seconds; more than eleven digits are as good as eleven (RFC 9111 §1.2.2)."""
    return int(text.lstrip("0")[:11] or "0") if _SECONDS.fullmatch(text) else None


def _moment(text: str, now: int) -> int | None:
    """An HTTP date of any of the three forms, in seconds since 1970 (RFC 9110 §5.6.7)."""
    if found := _FIXDATE.fullmatch(text):
        day, month, year, *clock = found.groups()
        return _instant(int(year), month, day, clock)
    if found := _ASCTIME.fullmatch(text):
        month, day, *clock, year = found.groups()
        return _instant(int(year), month, day, clock)
    if found := _RFC850.fullmatch(text):
        day, month, year, *clock = found.groups()
        then = _instant(2000 + int(year), month, day, clock)
        return then if then is None or then <= now + HALF_CENTURY else _instant(1900 + int(year), month, day, clock)
    return None


def _instant(year: int, month: str, day: str, clock: list[str]) -> int | None:
    """Seconds since 1970 of a day and a time of day; None: there is no such day."""
    if month not in _MONTHS or year < 1:
        return None
    number = _MONTHS.index(month) + 1
    if not 1 <= int(day) <= monthrange(year, number)[1]:
        return None
    return timegm((year, number, int(day), int(clock[0]), int(clock[1]), int(clock[2])))
