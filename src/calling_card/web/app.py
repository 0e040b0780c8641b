"""The application: find the row of a request, call its handler, turn whatever fails into an answer (RFC 9110)."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, TypeAlias

from calling_card import faults
from calling_card.ports import Ports, StoreUnavailable
from calling_card.protocol.errors import No, Refusal
from calling_card.settings import is_loopback
from calling_card.web.endpoints import NAMED, Endpoint, Routes, routes
from calling_card.web.http import EACH, Answer, Request, lines, media
from calling_card.web.refused import failure, not_found, refused, shown

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
"""Methods that a log line names: whoever makes up others makes up no kinds of lines (X-57)."""
_NOISE = 512
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")
HEADER_BYTES = 32768
"""Bytes that the names and values of all headers may have."""


class App:
    """One server: our wire calls `answer`, and any other server calls it as an application of ASGI 3."""

    def __init__(self, ports: Ports) -> None:
        """Everything the handlers may touch."""
        self._ports = ports
        self._routes: Routes = routes(ports.settings)
        self._skip = len(ports.settings.base_path)
        self._proxies = [ip_network(network) for network in ports.settings.trusted_proxies]
        self._guarded = bool(self._proxies) and not is_loopback(ports.settings.host)
        self._certificates = ports.settings.client_certificate_header.lower().encode()
        self._numbers = _numbers(ports.entropy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request over ASGI; other scopes are none of ours."""
        if scope["type"] != "http":
            return
        headers, weight = _headers(scope)
        version: str = scope.get("http_version", "")
        request = Request(
            scope["method"], scope["path"], scope["query_string"], headers, _peer(scope), "", NAMED, weight=weight, version=version
        )
        answer = await self.answer(request, receive)
        head = [line.split(b": ", 1) for line in lines(request, answer).splitlines()]
        await send({"type": "http.response.start", "status": answer.status, "headers": head})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else answer.body})

    async def answer(self, request: Request, receive: Receive | None) -> Answer:
        """Whatever was asked, there is an answer, and a line of the log. ``receive`` gives the body; None: the request has it."""
        began = time.perf_counter()
        request.id = next(self._numbers)
        if self._proxies:
            self._ask_proxy(request)
        endpoint = self._routes.find(request.path, request)
        request.path = request.path[self._skip :]
        request.shared = endpoint is not None and endpoint.cors
        answer = await self._answer(request, endpoint, receive)
        faults.point("web.before_answer")
        self._ports.log(
            "request",
            method=request.method if request.method in METHODS else "-",
            endpoint=endpoint.name if endpoint else "-",
            status=answer.status,
            ms=round((time.perf_counter() - began) * 1000, 2),
            request_id=request.id,
        )
        return answer

    def _ask_proxy(self, request: Request) -> None:
        """Who called and with which certificate, where a listed proxy says so; from anybody else it is nobody's word (R-79, X-27)."""
        if not self._trusted(request.source):
            return
        forwarded = b",".join(request.headers.get(b"x-forwarded-for", [])).decode("latin-1")
        certificates = request.headers.get(self._certificates, [])
        request.trusted = True
        request.source = forwarded.rpartition(",")[2].strip()[:64] or request.source
        request.certificate = certificates[0].decode("latin-1") if len(certificates) == 1 else ""

    def _trusted(self, peer: str) -> bool:
        try:
            return any(ip_address(peer) in network for network in self._proxies)
        except ValueError:
            return False

    async def _answer(self, request: Request, endpoint: Endpoint | None, receive: Receive | None) -> Answer:
        """The handler's answer, or the one that says why not."""
        try:
            _check_head(request)
            if self._guarded:
                _check_transport(request, endpoint)
            if endpoint is None:
                return not_found(self._ports, request)
            if request.method == "OPTIONS":
                return endpoint.preflight
            handler = endpoint.methods.get("GET" if request.method == "HEAD" else request.method)
            if handler is None:
                wrong = refused(Refusal(No.METHOD_NOT_ALLOWED, f"this endpoint takes {endpoint.allow} (RFC 9110 section 15.5.6)"))
                return Answer(wrong.status, wrong.body, (*wrong.headers, (b"allow", endpoint.allow.encode())))
            if endpoint.media and request.method in ("POST", "PUT"):
                await self._take(request, endpoint, receive)
            return await handler(self._ports, request)
        except Refusal as refusal:
            self._ports.log("refused", error=refusal.no.code, description=refusal.description, logged=refusal.logged, request_id=request.id)
            return self._refused(refusal, request, endpoint)
        except StoreUnavailable as error:
            self._ports.log("store_unavailable", level="error", cause=str(error), request_id=request.id)
            full = Refusal(No.UNAVAILABLE, "the server cannot store this now; try again", retry_after=1)
            return self._refused(full, request, endpoint)
        except Exception as error:  # noqa: BLE001 # whatever fails becomes a server_error without details
            self._ports.log("failed", level="error", exc_info=error, request_id=request.id)
            return self._refused(failure(request.id), request, endpoint)

    def _refused(self, refusal: Refusal, request: Request, endpoint: Endpoint | None) -> Answer:
        """JSON, or where people look a page."""
        answer = refused(refusal)
        return shown(self._ports, refusal, request, answer) if endpoint is not None and endpoint.page else answer

    async def _take(self, request: Request, endpoint: Endpoint, receive: Receive | None) -> None:
        """The body, if it is of a type and a size that are taken here."""
        _check_media(request, endpoint.media)
        limit = endpoint.body_limit or self._ports.settings.body_limit
        if receive is not None:
            request.body = await self._read(receive, request, limit)
        elif len(request.body) > limit:
            raise _too_large(limit)

    async def _read(self, receive: Receive, request: Request, limit: int) -> bytes:
        """The whole body. Raises `Refusal`: 413 as soon as it is too large, 408 when it does not come in time."""
        patience = self._ports.settings.body_timeout
        try:
            async with asyncio.timeout(patience):
                return await _whole(receive, request, limit)
        except TimeoutError:
            raise Refusal(No.TOO_SLOW, f"the body did not arrive within {patience} seconds") from None


def _check_head(request: Request) -> None:
    """One host that can be one, and headers that are not too many (RFC 9112 §3.2). Raises `Refusal` (400)."""
    hosts = request.headers.get(b"host", ())
    if len(hosts) != 1 and (hosts or request.version == "1.1"):
        raise Refusal(No.INVALID_REQUEST, "Host: exactly one is needed (RFC 9112 section 3.2)")
    if hosts and not _can_be_host(hosts[0]):
        raise Refusal(No.INVALID_REQUEST, "Host: this is no name and port (RFC 9112 section 3.2)")
    if request.weight > HEADER_BYTES:
        raise Refusal(No.INVALID_REQUEST, f"the headers are larger than {HEADER_BYTES} bytes")


@lru_cache(64)
def _can_be_host(text: bytes) -> bool:
    """Whether this is a name and a port by its grammar; callers say the same one again and again."""
    return _HOST.fullmatch(text) is not None


def _check_transport(request: Request, endpoint: Endpoint | None) -> None:
    """Behind a proxy everything comes through it, and by TLS; nobody else can say that it did (A-04, C-19). Raises `Refusal` (400)."""
    if endpoint is not None and endpoint.plain:
        return
    if not request.trusted or request.headers.get(b"x-forwarded-proto") != [b"https"]:
        raise Refusal(No.INVALID_REQUEST, "this server answers by https only (RFC 6749 section 3.2)")


def _numbers(entropy: Callable[[int], bytes]) -> Iterator[str]:
    """Sixteen digits that name a request in the log, from entropy that is fetched for many at once."""
    while True:
        noise = entropy(_NOISE).hex()
        yield from [noise[at : at + 16] for at in range(0, len(noise), 16)]


def _headers(scope: Scope) -> tuple[dict[bytes, list[bytes]], int]:
    """The headers by name, and what they weigh."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name, []).append(value)
    return found, sum(len(name) + len(value) + EACH for name, value in scope["headers"])


def _peer(scope: Scope) -> str:
    """The address at the other end of the connection."""
    return scope["client"][0] if scope.get("client") else ""


def _check_media(request: Request, taken: tuple[bytes, ...]) -> None:
    """A type that is taken, in UTF-8, not compressed (R-03, X-66, X-67). Raises `Refusal` (415)."""
    if b"content-encoding" in request.headers:
        _check_encoding(request)
    if request.header(b"content-type") in taken:
        return
    if media(request) not in taken:
        types = " or ".join(kind.decode() for kind in taken)
        raise Refusal(No.UNSUPPORTED_MEDIA_TYPE, f"Content-Type: this endpoint takes {types} (RFC 9110 section 15.5.16)")
    for parameter in request.header(b"content-type").lower().split(b";")[1:]:
        name, _, value = parameter.strip().partition(b"=")
        if name.strip() == b"charset" and value.strip(b' \t"') not in (b"utf-8", b"utf8"):
            raise Refusal(No.UNSUPPORTED_MEDIA_TYPE, "Content-Type: the charset must be utf-8 (RFC 8259 section 8.1)")


def _check_encoding(request: Request) -> None:
    if [value.strip().lower() for value in request.headers[b"content-encoding"]] != [b"identity"]:
        raise Refusal(No.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding: compressed bodies are not taken (RFC 9110 section 8.4)")


async def _whole(receive: Receive, request: Request, limit: int) -> bytes:
    """The whole body. Raises `Refusal` (413) as soon as it is too large."""
    declared = request.header(b"content-length")
    if declared.isdigit() and int(declared[:12]) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(No.INVALID_REQUEST, "the caller went away")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> Refusal:
    return Refusal(No.TOO_LARGE, f"the body is larger than {limit} bytes")
