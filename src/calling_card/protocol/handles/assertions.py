"""Assertions by which clients say who they are: a JWS that is read strictly, and judged in one visible order (RFC 7523 §3).

Nothing is proven here. Who has the keys checks the signature, and who remembers that an assertion comes once.
"""

import hashlib
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

from calling_card.protocol import base64url
from calling_card.protocol.card.rules import is_symmetric
from calling_card.protocol.clients import JSON
from calling_card.protocol.errors import Refusal
from calling_card.protocol.syntax import read_object

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""Value of ``client_assertion_type`` (RFC 7523 §2.2)."""
LATE = 60
"""Seconds that an assertion still counts after its end: clocks differ."""
EARLY = 10
"""Seconds that the clock of a client may be ahead."""
TYPS = ("jwt", "client-authentication+jwt")
"""Header ``typ``, in any case, if there is one: whatever says that it is something else is something else (RFC 8725 §3.11)."""
_LONGEST = 8192
"""Characters."""
_LONGEST_NAME = 255
_MEANT_OTHERWISE = ("crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c")
"""Header parameters that would change how the text is read, or bring or point to the key that it is checked with (X-42)."""


class Unfit(Exception):
    """The assertion proves nothing; the text says why, for the log alone."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """A compact JWS that could be read; nothing of it is believed."""

    text: str
    header: dict[str, JSON]
    claims: dict[str, JSON]

    @property
    def alg(self) -> str:
        """The algorithm it names, or empty."""
        return _text(self.header.get("alg"))

    @property
    def kid(self) -> str | None:
        """The name of its key; None: it names none."""
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else None

    @property
    def subject(self) -> str:
        """Whom it is about, or empty."""
        return _text(self.claims.get("sub"))

    @property
    def method(self) -> str:
        """The method of authentication that it would be (OIDC Core §9)."""
        return "client_secret_jwt" if is_symmetric(self.alg) else "private_key_jwt"

    @property
    def fact(self) -> bytes:
        """What is remembered so that it comes once: 16 bytes (CREDENTIALS §3)."""
        return hashlib.sha256(b"assertion\0" + _text(self.claims.get("jti")).encode()).digest()[:16]

    @property
    def until(self) -> int:
        """From when on nobody takes it any more, seconds since 1970."""
        return math.ceil(_number(self.claims.get("exp")) or 0) + LATE


@dataclass(frozen=True, slots=True)
class Expected:
    """What an assertion must say to be taken here and now."""

    client_id: str
    """As it was sent (D-61)."""
    audiences: Collection[str]
    algs: Collection[str]
    now: int
    lifetime: int
    """Seconds that it may be good for."""


def read(text: str, longest: int = _LONGEST) -> Assertion:
    """The parts of a compact JWS, each in the one spelling of its bytes (RFC 7515 §7.1). Raises `Unfit`."""
    if len(text) > longest:
        raise Unfit(f"the assertion is longer than {longest} characters")
    parts = [base64url.canonical(part) for part in text.split(".", 5)]
    if len(parts) != 3 or not all(parts):
        raise Unfit("the assertion is no signed compact JWS in base64url")
    return Assertion(text, _object("header", parts[0]), _object("claims", parts[1]))


def judge(assertion: Assertion, expected: Expected) -> None:
    """Raises `Unfit` with the first thing that is wrong."""
    for check in _CHECKS:
        problem = check(assertion, expected)
        if problem:
            raise Unfit(problem)


def _object(name: str, raw: bytes | None) -> dict[str, JSON]:
    try:
        return read_object(raw or b"")
    except Refusal as refusal:
        raise Unfit(f"{name}: {refusal.description}") from None


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""


def _number(value: JSON) -> int | float | None:
    """A time in seconds since 1970 (RFC 7519 §2), or None."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


# ── What must be true, in the order in which it is told ──────────────────────────────────────────────────────────────


def _plain_header(assertion: Assertion, expected: Expected) -> str:
    del expected
    found = next((name for name in _MEANT_OTHERWISE if name in assertion.header), "")
    return f"header {found}: is not taken from a client" if found else ""


def _typ(assertion: Assertion, expected: Expected) -> str:
    del expected
    typ = assertion.header.get("typ", "JWT")
    return "" if isinstance(typ, str) and typ.lower() in TYPS else f"header typ: is none of {', '.join(TYPS)}"


def _alg(assertion: Assertion, expected: Expected) -> str:
    return "" if assertion.alg in expected.algs else f"header alg: is none of {', '.join(expected.algs)}"


def _kid(assertion: Assertion, expected: Expected) -> str:
    del expected
    kid = assertion.header.get("kid", "-")
    return "" if isinstance(kid, str) and 0 < len(kid) <= _LONGEST_NAME else "header kid: is no short text"


def _who(assertion: Assertion, expected: Expected) -> str:
    said = (assertion.claims.get("iss"), assertion.claims.get("sub"))
    return "" if expected.client_id and said == (expected.client_id, expected.client_id) else "iss and sub: must both be the client_id"


def _audience(assertion: Assertion, expected: Expected) -> str:
    """A second audience could use it against the first, so there is none."""
    said = assertion.claims.get("aud")
    one = said[0] if isinstance(said, list) and len(said) == 1 else said
    return "" if isinstance(one, str) and one in expected.audiences else f"aud: must be {' or '.join(expected.audiences)} alone"


def _end(assertion: Assertion, expected: Expected) -> str:
    end = _number(assertion.claims.get("exp"))
    if end is None:
        return "exp: is missing, or no number"
    if end + LATE <= expected.now:
        return "exp: is over"
    longest = expected.lifetime + EARLY
    return f"exp: is more than {expected.lifetime} seconds ahead" if end > expected.now + longest else ""


def _begin(assertion: Assertion, expected: Expected) -> str:
    for name in ("nbf", "iat"):
        value = assertion.claims.get(name, 0)
        time = _number(value)
        if time is None:
            return f"{name}: is no number"
        if time > expected.now + EARLY:
            return f"{name}: is in the future"
    return ""


def _jti(assertion: Assertion, expected: Expected) -> str:
    del expected
    jti = assertion.claims.get("jti")
    return "" if isinstance(jti, str) and 0 < len(jti) <= _LONGEST_NAME else "jti: is missing, or no short text"


_CHECKS: tuple[Callable[[Assertion, Expected], str], ...] = (_plain_header, _typ, _alg, _kid, _who, _audience, _end, _begin, _jti)
