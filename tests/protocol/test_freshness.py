"""How long a fetched answer may be kept, and when it may stand in (RFC 9111 §4.2; D-31, D-46)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.protocol.abroad.fetching import Fetched
from calling_card.protocol.abroad.freshness import LEAST, MOST, USUAL, Life, life
from tests.ledger import meets

NOW = 1_800_000_000  # Fri, 15 Jan 2027 08:00:00 GMT
TODAY = "Fri, 15 Jan 2027 08:00:00 GMT"
STALE = 3600


def seconds(cache_control: str = "", **headers: str) -> int:
    """For how long an answer with these headers is fresh."""
    return life(Fetched(200, b"{}", NOW, cache_control=cache_control, **headers), NOW, STALE).fresh_until - NOW


@meets("D-31")
@pytest.mark.parametrize(
    "cache_control, fresh",
    [
        ("", USUAL),
        ("public", USUAL),
        ("max-age=600", 600),
        ("MAX-AGE=600", 600),
        ('max-age="600"', 600),
        ("private, max-age=600", 600),
        ("max-age=0", LEAST),
        ("max-age=59", LEAST),
        ("max-age=60", 60),
        ("max-age=86400", MOST),
        ("max-age=31536000", MOST),
        (f"max-age={'9' * 5000}", MOST),
        ("max-age=00000000000000000000900", 900),
        ("s-maxage=900", USUAL),
        ("no-cache", LEAST),
        ('no-cache="set-cookie", max-age=600', LEAST),
        ("no-store", 0),
        ("max-age=600, no-store", 0),
        ("No-Store", 0),
        (" , max-age=600 ,, must-revalidate , ", 600),
        ('extension="a, max-age=86400, b"', USUAL),
        (r'extension="a\"b", max-age=600', 600),
    ],
)
def test_cache_control_says_how_long_within_our_bounds(cache_control: str, fresh: int) -> None:
    assert seconds(cache_control) == fresh


@meets("D-31")
@pytest.mark.parametrize(
    "cache_control",
    [
        "max-age",
        "max-age=",
        "max-age=-1",
        "max-age=+600",
        "max-age=6e5",
        "max-age=600.0",
        "max-age=600 0",
        "max-age = 600",
        "max-age=600; public",
        'max-age="600',
        'max-age=""',
        "max-age=\u0661\u0662\u0663\u0664",
        "max-age=86400, max-age=1",
        "max-age=1, max-age=86400",
        "max-age=86400, max-age=x",
        "max-age=86400\n",
    ],
)
def test_what_cannot_be_read_or_is_said_twice_never_makes_it_longer(cache_control: str) -> None:
    assert seconds(cache_control, expires="Fri, 15 Jan 2027 20:00:00 GMT") == LEAST


@meets("D-31")
def test_a_word_that_forbids_keeping_counts_in_a_broken_header_too() -> None:
    assert seconds("max-age=600; no-store") == 0


@meets("D-31")
@pytest.mark.parametrize(
    "expires, date, fresh",
    [
        ("Fri, 15 Jan 2027 08:10:00 GMT", TODAY, 600),
        ("Fri, 15 Jan 2027 08:10:00 GMT", "", 600),
        ("Fri, 15 Jan 2027 08:10:00 GMT", "Fri, 15 Jan 2027 07:58:00 GMT", 600),
        ("Fri, 15 Jan 2027 08:10:00 GMT", "Fri, 15 Jan 2027 08:08:00 GMT", 120),
        ("Friday, 15-Jan-27 08:10:00 GMT", TODAY, 600),
        ("Fri Jan 15 08:10:00 2027", TODAY, 600),
        ("Sat, 16 Jan 2027 20:00:00 GMT", TODAY, MOST),
        ("Fri, 31 Dec 9999 23:59:60 GMT", TODAY, MOST),
        ("Wednesday, 01-Jan-76 00:00:00 GMT", TODAY, MOST),
        ("Thu, 14 Jan 2027 08:00:00 GMT", TODAY, LEAST),
        ("Saturday, 01-Jan-94 00:00:00 GMT", TODAY, LEAST),
        ("Sun Nov  6 08:49:37 1994", TODAY, LEAST),
    ],
)
def test_expires_counts_from_the_date_of_the_answer(expires: str, date: str, fresh: int) -> None:
    assert seconds(expires=expires, date=date) == fresh


@meets("D-31")
@pytest.mark.parametrize(
    "expires",
    [
        "0",
        "-1",
        "never",
        "Fri, 15 Jan 2027 24:00:00 GMT",
        "Fri, 15 Jan 2027 08:10:00 +0900",
        "Fri, 15 Jan 2027 08:10:00",
        "Sat, 30 Feb 2027 08:10:00 GMT",
        "Fri, 00 Jan 2028 08:10:00 GMT",
        "Fri, 15 Foo 2028 08:10:00 GMT",
        "Friday, 15-Foo-28 08:10:00 GMT",
        "Fri, 15 Jan 0000 08:10:00 GMT",
        "Fri, 15 Jan 2027 20:00:00 GMT, Fri, 15 Jan 2027 20:00:00 GMT",
    ],
)
def test_an_expires_that_is_no_date_has_passed(expires: str) -> None:
    assert seconds(expires=expires) == LEAST


def test_max_age_goes_before_expires() -> None:
    assert seconds("max-age=600", expires="Fri, 15 Jan 2027 20:00:00 GMT") == 600


@meets("D-31")
@pytest.mark.parametrize(
    "headers, fresh",
    [
        ({"age": "0"}, 3600),
        ({"age": "600"}, 3000),
        ({"age": "4000"}, LEAST),
        ({"age": "9" * 5000}, LEAST),
        ({"age": "-600"}, LEAST),
        ({"age": "600, 0"}, LEAST),
        ({"date": TODAY}, 3600),
        ({"date": "Fri, 15 Jan 2027 07:30:00 GMT"}, 1800),
        ({"date": "Fri, 15 Jan 2027 07:30:00 GMT", "age": "2400"}, 1200),
        ({"date": "Fri, 15 Jan 2027 09:30:00 GMT"}, 3600),
        ({"date": "yesterday"}, LEAST),
        ({"date": f"{TODAY}, {TODAY}"}, LEAST),
    ],
)
def test_time_spent_in_caches_of_others_counts(headers: dict[str, str], fresh: int) -> None:
    assert seconds("max-age=3600", **headers) == fresh


@meets("D-31")
def test_a_bad_date_takes_an_expires_with_it() -> None:
    assert seconds(expires="Fri, 15 Jan 2027 20:00:00 GMT", date="yesterday") == LEAST


@meets("D-46")
@pytest.mark.parametrize(
    "cache_control, stale",
    [
        ("max-age=600", 600 + STALE),
        ("", USUAL + STALE),
        ("max-age=600, must-revalidate", 600),
        ("max-age=600; must-revalidate", LEAST),
        ("no-cache", LEAST),
        ("no-store", 0),
    ],
)
def test_it_may_stand_in_for_a_while_unless_its_owner_forbids_it(cache_control: str, stale: int) -> None:
    assert life(Fetched(200, b"", NOW, cache_control=cache_control), NOW, STALE).stale_until - NOW == stale


HEADERS = st.text('max-ageno-storemust-revalidate=0123456789,;" \\\tFri JanGMT:27\u0661', max_size=60)


@meets("D-31")
@given(HEADERS, HEADERS, HEADERS, HEADERS)
def test_whatever_is_said_the_bounds_hold(cache_control: str, expires: str, date: str, age: str) -> None:
    found = life(Fetched(200, b"", NOW, cache_control=cache_control, expires=expires, date=date, age=age), NOW, STALE)

    assert found == Life(NOW, NOW) or NOW + LEAST <= found.fresh_until <= NOW + MOST
    assert found.fresh_until <= found.stale_until <= found.fresh_until + STALE
