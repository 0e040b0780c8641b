"""What of an answer is taken: status, media type, encoding, and no more bytes than there is room for (D-15 to D-18, RFC 9110)."""

import re
import zlib
from collections.abc import AsyncIterable, Iterable, Mapping

from calling_card.protocol.abroad.fetching import Fetched, Posted, Purpose, Unfetched, Why

WRAPPING = 1024
"""Bytes that compression may add to a body of the largest size."""
LONGEST = 1024
"""Letters of a header that are remembered."""
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,256}"')
_SECONDS = re.compile(r"[0-9]{1,9}")
_DATE = re.compile(r"[\x20-\x7e]{1,64}")

Headers = Mapping[str, str]
"""By name in lower case; what came several times is joined by commas (RFC 9110 §5.3)."""


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers of an answer."""
    found: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def validators(etag: str, last_modified: str) -> dict[str, str]:
    """The headers of a conditional request, if these are validators (RFC 9110 §13.1.2, §13.1.3)."""
    sent: dict[str, str] = {}
    if _ETAG.fullmatch(etag):
        sent["If-None-Match"] = etag
    if _DATE.fullmatch(last_modified):
        sent["If-Modified-Since"] = last_modified
    return sent


async def read(status: int, headers: Headers, parts: AsyncIterable[bytes], purpose: Purpose, at: int) -> Fetched:
    """A good answer with its body. Raises `Unfetched`, with the rest of the body unread."""
    check_status(status)
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not purpose.takes(media):
        raise Unfetched(Why.MEDIA, f"the media type is {media[:100]!r}")
    return fetched(status, await _body(headers, parts, purpose.limit), headers, at)


async def posted(status: int, headers: Headers, parts: AsyncIterable[bytes], purpose: Purpose) -> Posted:
    """Any answer to a POST; of its body as much as there is room for, and the rest stays unread."""
    body = bytearray()
    async for part in parts:
        body += part
        if len(body) >= purpose.limit:
            break
    wait = headers.get("retry-after", "").strip()
    return Posted(status, bytes(body[: purpose.limit]), int(wait) if _SECONDS.fullmatch(wait) else 0)


def check_status(status: int) -> None:
    """Only 200 is success (D-16). Raises `Unfetched`."""
    if status in (404, 410):
        raise Unfetched(Why.GONE, f"status {status}")
    if status >= 500:
        raise Unfetched(Why.BROKEN, f"status {status}")
    if status != 200:
        raise Unfetched(Why.STATUS, f"status {status}")


def unchanged(headers: Headers, sent: Headers, at: int) -> Fetched:
    """A 304 to a conditional request: it may say how long, and never what (D-33, X-47). Raises `Unfetched`."""
    if not sent:
        raise Unfetched(Why.STATUS, "status 304 without validators in the request")
    etag, ours = headers.get("etag", ""), sent.get("If-None-Match", "")
    if etag and ours and etag.removeprefix("W/") != ours.removeprefix("W/"):
        raise Unfetched(Why.STATUS, "status 304 with another ETag")
    return fetched(304, b"", {**headers, "etag": ours, "last-modified": sent.get("If-Modified-Since", "")}, at)


def fetched(status: int, body: bytes, headers: Headers, at: int) -> Fetched:
    """The answer with what caches need of its headers; one that is too long to remember says to remember nothing."""

    def said(name: str) -> str:
        value = headers.get(name, "")
        return value if len(value) <= LONGEST else "no-store"

    etag, last_modified = headers.get("etag", ""), headers.get("last-modified", "")
    return Fetched(
        status,
        body,
        at,
        cache_control=said("cache-control"),
        expires=said("expires"),
        date=said("date"),
        age=said("age"),
        etag=etag if _ETAG.fullmatch(etag) else "",
        last_modified=last_modified if _DATE.fullmatch(last_modified) else "",
    )


async def _body(headers: Headers, parts: AsyncIterable[bytes], limit: int) -> bytes:
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", "x-gzip", ""):
        raise Unfetched(Why.ENCODING, f"the encoding is {coding[:100]!r}")
    body = Inflated(limit) if coding.endswith("gzip") else Plain(limit)
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > body.room:
        raise _too_large(limit)
    async for part in parts:
        body.add(part)
    return body.whole()


class Plain:
    """A body as it comes, up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = self.room = limit
        self._parts = bytearray()

    def add(self, part: bytes) -> None:
        """More of it. Raises `Unfetched`."""
        if len(self._parts) + len(part) > self._limit:
            raise _too_large(self._limit)
        self._parts += part

    def whole(self) -> bytes:
        """All of it."""
        return bytes(self._parts)


class Inflated:
    """A gzip body taken out of its wrapping, never further than to the limit (D-18)."""

    def __init__(self, limit: int) -> None:
        self._limit, self.room = limit, limit + WRAPPING
        self._came = 0
        self._parts = bytearray()
        self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    def add(self, part: bytes) -> None:
        """More of it. Raises `Unfetched`."""
        self._came += len(part)
        if self._came > self.room:
            raise _too_large(self._limit)
        try:
            self._parts += self._stream.decompress(part, self._limit + 1 - len(self._parts))
        except zlib.error as error:
            raise Unfetched(Why.ENCODING, f"broken gzip: {error}") from None
        if len(self._parts) > self._limit:
            raise _too_large(self._limit)
        if self._stream.unused_data:
            raise Unfetched(Why.ENCODING, "something behind the end of gzip")

    def whole(self) -> bytes:
        """All of it. Raises `Unfetched` when its end is missing."""
        if not self._stream.eof:
            raise Unfetched(Why.ENCODING, "gzip without its end")
        return bytes(self._parts)


def _too_large(limit: int) -> Unfetched:
    return Unfetched(Why.SIZE, f"more than {limit} bytes")
