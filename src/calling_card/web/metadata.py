"""The metadata documents and the key set over HTTP (RFC 8414 §3, OIDC Discovery §4, RFC 7517 §5)."""

import hashlib

import msgspec

from calling_card.ports import Ports
from calling_card.usecases import discover
from calling_card.web.http import JSON_TYPE, Answer, Request, own
from calling_card.web.pages.messages import LANGUAGES

_encode = msgspec.json.Encoder().encode
_MOST = 4
_made: list[tuple[object, int, Answer]] = []
"""Documents as they were told last, the newest first: the same object is the same document, and is made into bytes once."""


async def describe(ports: Ports, request: Request) -> Answer:
    """GET: the server metadata, the same at all its places."""
    return _cacheable(ports, request, await discover.describe(ports, request.named, LANGUAGES))


async def keys(ports: Ports, request: Request) -> Answer:
    """GET: the public keys."""
    return _cacheable(ports, request, await discover.keys(ports))


def _cacheable(ports: Ports, request: Request, value: object) -> Answer:
    """A document with an ETag; 304 when the caller has it already."""
    whole = _whole(value, ports.settings.metadata_max_age)
    if b"if-none-match" in request.headers:
        known = [one.strip().removeprefix(b"W/") for one in b",".join(request.headers[b"if-none-match"]).split(b",")]
        if whole.headers[-1][1] in known or known == [b"*"]:
            return Answer(304, b"", whole.headers[1:])
    return whole


def _whole(value: object, seconds: int) -> Answer:
    """The document as bytes, with its ETag as the last header."""
    for known, age, answer in _made:
        if known is value and age == seconds:
            return answer
    body = _encode(value)
    tag = b'"' + hashlib.sha256(body).hexdigest()[:16].encode() + b'"'
    headers = JSON_TYPE, (b"cache-control", f"public, max-age={seconds}".encode()), (b"etag", tag)
    answer = Answer(200, body, headers, own(headers))
    _made[:] = [(value, seconds, answer), *_made[: _MOST - 1]]
    return answer
