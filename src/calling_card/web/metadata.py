"""The metadata documents and the key set over HTTP (RFC 8414 §3, OIDC Discovery §4, RFC 7517 §5)."""

import hashlib

import msgspec

from calling_card.ports import Ports
from calling_card.usecases import discover
from calling_card.web.http import JSON_TYPE, Answer, Request
from calling_card.web.pages.messages import LANGUAGES

_encode = msgspec.json.Encoder().encode


async def describe(ports: Ports, request: Request) -> Answer:
    """GET: the server metadata, the same at all its places."""
    return _cacheable(ports, request, await discover.describe(ports, request.named, LANGUAGES))


async def keys(ports: Ports, request: Request) -> Answer:
    """GET: the public keys."""
    return _cacheable(ports, request, await discover.keys(ports))


def _cacheable(ports: Ports, request: Request, value: object) -> Answer:
    """A document with an ETag; 304 when the caller has it already."""
    body = _encode(value)
    tag = b'"' + hashlib.sha256(body).hexdigest()[:16].encode() + b'"'
    age = f"public, max-age={ports.settings.metadata_max_age}".encode()
    headers = (JSON_TYPE, (b"cache-control", age), (b"etag", tag))
    known = [one.strip().removeprefix(b"W/") for one in b",".join(request.headers.get(b"if-none-match", [])).split(b",")]
    if tag in known or known == [b"*"]:
        return Answer(304, b"", headers[1:])
    return Answer(200, body, headers)
