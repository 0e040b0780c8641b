"""What our grammar lets through, browsers read in the same way: a million generated URLs (B4, X-03, X-04)."""

from collections.abc import Callable
from random import Random  # noqa: TID251 - repeatable: the seed is in the test

import can_ada
import pytest

from calling_card.protocol.abroad.addresses import Caller, callback_problem, split_url
from calling_card.protocol.abroad.clientids import Customs, judged
from calling_card.protocol.clients import Route
from tests.ledger import meets

EACH = 250_000
LEAST = 5_000
"""How many of the generated ones must be taken for the comparison to mean something."""
SCHEMES = ["https://"] * 30 + [
    "http://",
    "HTTPS://",
    "https:/",
    "https:",
    "https:///",
    "https:\\\\",
    "//",
    "",
    "ftp://",
    "https://https://",
]
USERS = [""] * 40 + ["u@", "u:p@", "@", "%40", "good.example@", "good.example\\@", "good.example%00@"]
LABELS = ["app", "a", "client", "xn--bcher-kva", "127", "0x7f", "0177", "1", "localhost", "local", "A", "-a", "a_b", "a-", "1e100", "xn--a"]
ENDS = ["example", "org", "co.uk", "com", "1", "0x1", "08", "localhost", "internal"]
HOSTS = [
    "127.0.0.1",
    "[::1]",
    "2130706433",
    "0x7f.1",
    "127.1",
    "\uff11\uff12\uff17.0.0.1",
    "\u2488.0.0.1",
    "%31%32%37.0.0.1",
    "a..b",
    "",
    ".",
    "a b",
    "[::ffff:127.0.0.1]",
]
PORTS = [""] * 30 + [":443", ":8443", ":80", ":", ":0", ":65536", ":99999", ":00443", ":4 43", ":+443", ":-1", ":0x1bb"]
PIECES = [
    "/",
    "a",
    "cb",
    "..",
    ".",
    "%2e",
    "%2E%2e",
    "%2f",
    "%5c",
    "\\",
    ";x",
    "@evil.example",
    ":",
    "%00",
    "\t",
    "\n",
    " ",
    "\u3002",
    "~",
    "-",
    "+",
    "!",
]
TAILS = [""] * 20 + ["?a=b", "?", "#", "#f", "?a=https://b", "?a#b", "\\", "\x00", "\u200b"]


def host(rng: Random) -> str:
    if rng.random() < 0.1:
        return rng.choice(HOSTS)
    return ".".join([*(rng.choice(LABELS[:5] if rng.random() < 0.8 else LABELS) for _ in range(rng.randint(1, 3))), rng.choice(ENDS)])


def url(rng: Random) -> str:
    path = "".join(rng.choice(PIECES[:3] if rng.random() < 0.85 else PIECES) for _ in range(rng.randint(0, 6)))
    place = f"{rng.choice(USERS)}{host(rng)}{rng.choice(PORTS)}{'/' if rng.random() < 0.8 else ''}"
    text = f"{rng.choice(SCHEMES)}{place}{path}{rng.choice(TAILS)}"
    if rng.random() < 0.05:
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice("\t\n\r \\@#?%/:\u00ad\u3002\uff0f") + text[at:]
    return text


def is_client(route: Route, customs: Customs) -> Callable[[str], bool]:
    return lambda text: not any(problem for _, problem in judged(text, route, customs))


def is_callback(native: bool) -> Callable[[str], bool]:
    caller = Caller(native, implicit=False, issuer="https://as.example", callbacks=())
    return lambda text: text.isascii() and text[:4].lower() == "http" and not callback_problem(text, caller)


TAKERS = {
    "documents": is_client(Route.CIMD, Customs("https://as.example", query=True, bare_host=True)),
    "discovery": is_client(Route.LOOKER, Customs("https://as.example")),
    "in development": is_client(Route.CIMD, Customs("http://127.0.0.1:8000", loopback=True)),
    "redirects": is_callback(native=True),
}


@meets("X-03", "X-04")
@pytest.mark.parametrize("name", TAKERS)
def test_what_we_take_a_browser_reads_alike(name: str) -> None:
    rng, takes = Random(f"parsers {name}"), TAKERS[name]
    taken = 0

    for _ in range(EACH):
        text = url(rng)
        if not takes(text):
            continue
        taken += 1
        ours, theirs = split_url(text), can_ada.parse(text)
        assert theirs.protocol == ours.scheme + ":", text
        assert theirs.hostname == ours.host, text
        assert (theirs.username, theirs.password) == ("", ""), text
        port = ours.port.lstrip("0")
        assert theirs.port == ("" if port == {"https": "443", "http": "80"}[ours.scheme] else port), text
        assert theirs.pathname == (ours.path or "/"), text

    assert taken >= LEAST


def test_a_disagreement_would_be_noticed() -> None:
    assert can_ada.parse("https://good.example\\@evil.example/").hostname == "good.example"
    assert can_ada.parse("https://0x7f.1/").hostname == "127.0.0.1"
