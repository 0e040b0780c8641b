"""The wire: uvicorn's HTTP/1.1 with an end to everything that a caller may keep open (RFC 9110, RFC 9112)."""

import asyncio
import math
from asyncio.events import TimerHandle
from collections.abc import Callable, Sized
from enum import Enum
from typing import cast
from urllib.parse import unquote

import httptools
import uvicorn
from uvicorn._types import ASGI3Application, ASGISendEvent, HTTPResponseBodyEvent, HTTPResponseStartEvent
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from calling_card.protocol.errors import No, Refusal
from calling_card.settings import Settings
from calling_card.web.endpoints import ENDPOINTS
from calling_card.web.http import WHOLE
from calling_card.web.pressure import Pressure
from calling_card.web.refused import refused

_GRACE = 20
"""Seconds that running requests have left when the server is told to stop."""
_UNREAD = 65536
"""Bytes of a request that may come one after the other without any of them being its body."""
_LAST_CALL = 1
"""Seconds that a body has left when the server is told to stop, and between looks at an answer that is being made."""
_IDLE = 30
"""Seconds that a connection is kept without a request."""
_TICK = 0.001
"""Seconds that a timer may ring too early."""
_CONTROLS = bytes([*range(32), 127]).replace(b"\t", b"")
_CLOSE = (b"connection", b"close")
_VERSIONS = ("1.1", "1.0")
_INVALID = "Invalid HTTP request received."
_PROBES = tuple(endpoint.path.encode() for endpoint in ENDPOINTS if endpoint.plain)
"""Whoever watches over this process hears that it lives, however busy it is; else it would be ended for being busy."""
_MANY = 32
"""Requests under way from which on it is asked whether another one may begin."""
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Config(uvicorn.Config):
    """What uvicorn is told, how long a caller may take, and how many there may be."""

    head_timeout = 0
    body_timeout = 0
    most = 0
    serves: ASGI3Application
    pressure: Pressure

    @classmethod
    def of(cls, app: Callable[..., object], settings: Settings) -> "Config":
        """How an application is served under these settings."""
        config = cls(
            app,
            host=settings.host,
            port=settings.port,
            loop="none",
            http=Wire,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=_IDLE,
            backlog=2048,
        )
        config.serves = cast(ASGI3Application, app)
        config.head_timeout, config.body_timeout, config.most = settings.head_timeout, settings.body_timeout, settings.connections
        config.pressure = Pressure(settings.pass_limit / 1000)
        return config


def _busy() -> tuple[bytes, bytes]:
    """Head and body of the answer to whoever is one too many; a script of any origin may read it."""
    answer = refused(Refusal(No.UNAVAILABLE, "too many requests at once; try again", retry_after=1))
    shared = ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"Retry-After"))
    headers = [*answer.headers, *shared, (b"content-length", b"%d" % len(answer.body))]
    return STATUS_LINE[answer.status] + b"".join([b"%s: %s\r\n" % header for header in headers]), answer.body


_BUSY = _busy()


class Part(Enum):
    """What of a request is awaited."""

    NEXT = "its first byte"
    HEAD = "the rest of its head"
    BODY = "the rest of its body"
    NOTHING = "nothing"


class Gate(FlowControl):
    """Nothing is read while requests wait for their turn; uvicorn would read on after each answer and keep them all."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        """``waiting`` are the requests that were read and not begun."""
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on, unless somebody waits."""
        if not self._waiting:
            super().resume_reading()


class Turn(RequestResponseCycle):
    """uvicorn's request and its answer, but the answer is one piece: a head with its length, and all of its body."""

    _head = b""

    async def send(self, message: ASGISendEvent) -> None:
        """The head waits for the body, and both leave together."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self._head = self._begun(cast(HTTPResponseStartEvent, message))
            return
        self.transport.write(self._head + cast(HTTPResponseBodyEvent, message)["body"])
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _begun(self, message: HTTPResponseStartEvent) -> bytes:
        """The head as bytes. Raises `ValueError` when a value would be more than a line of it (RFC 9110 §5.5)."""
        self.response_started, self.waiting_for_100_continue = True, False
        headers = [*self.default_headers, *message.get("headers", ())]
        if _CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append(_CLOSE)
        head = STATUS_LINE[message["status"]] + b"\r\n".join([*map(b": ".join, headers), b"", b""])
        if len(head) - len(head.translate(None, _CONTROLS)) != 2 * len(headers) + 4:
            raise ValueError("a header of the answer has a control character in it")
        return head


class Wire(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, but a header behind the body is none, and what is not body has an end (RFC 9110 §6.5.1).

    So has the patience with a caller: a head, a body and the taking of an answer each have a time limit (RFC 9110 §15.5.9).
    """

    config: Config
    parser: httptools.HttpRequestParser
    _unread = 0
    _awaited = Part.NEXT
    _request = 0
    """How many requests have begun on this connection."""
    _watched: tuple[int, Part] = (0, Part.NEXT)
    """What the time limit is for."""
    _due = math.inf
    """When it is to be here; infinity: we are not waiting."""
    _limit: TimerHandle | None = None
    """Rings when something may be due, and is set anew only when something is due before: most is here long before it is due."""
    _rings = math.inf
    _jam: TimerHandle | None = None
    _turned_away = False
    """Whether this connection is one too many."""
    _newest: Turn | None = None
    """The request that was read last."""
    _running: RequestResponseCycle | None = None
    """The request that is being answered; behind it others may wait."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """A caller who says nothing has as long as one who says half a head; one too many is answered 503."""
        super().connection_made(transport)
        self._turned_away = len(self.connections) > self.config.most
        self.flow = Gate(transport, self.pipeline)
        self._wait(self.config.head_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        for timer in (self._limit, self._jam):
            if timer is not None:
                timer.cancel()
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hang up on a head, a trailer or a chunk line without end; uvicorn would keep all of it."""
        if self._unread > _UNREAD:
            self.send_400_response("The head of the request is too large.")
            return
        self._unread += len(data)
        if self._awaited is Part.NOTHING:
            self._awaited = Part.NEXT
        self._read(data)
        if self._watched != (self._request, self._awaited):
            self._watch()

    def on_message_begin(self) -> None:
        """A new request."""
        self._unread = 0
        self._request += 1
        self._awaited = Part.HEAD
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Raises `ValueError` for a body in another coding than the one that is read here (RFC 9112 §6.1)."""
        name = name.lower()
        if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise ValueError("Transfer-Encoding: chunked alone is read")
        self.expect_100_continue |= name == b"expect" and value.lower() == b"100-continue"
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """From here on a header is a trailer, and goes nowhere."""
        if self.parser.should_upgrade():
            return
        before, self._newest = self._newest, self._turn()
        self.cycle, self.headers, self._awaited = self._newest, [], Part.BODY
        if before is not None and not before.response_complete:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.config.serves))
        elif self._turned_away:
            self.logger.warning("Exceeded concurrency limit.")
            self._turn_away(self._newest)
        elif len(self.tasks) > _MANY and not self._fits():
            self._turn_away(self._newest)
        else:
            self._start_asgi_task(self.cycle, self.config.serves)

    def _fits(self) -> bool:
        """Whether there is time for one more; who does not take its answers waits for itself, so its requests are not heaped up here."""
        return self.config.pressure.admits(self.loop) or self.flow.write_paused or self.url.endswith(_PROBES)

    def _turn_away(self, turn: Turn) -> None:
        """503 at once, in bytes made once: a task that says no would cost as much as a small one that says yes."""
        turn.response_started = turn.response_complete = True
        if self.transport.is_closing():
            return
        keep = turn.keep_alive and not self._turned_away and _CLOSE not in self.server_state.default_headers
        head, body = _BUSY
        body = b"" if turn.scope["method"] == "HEAD" else body
        self.transport.write(head + (b"\r\n" if keep else b"connection: close\r\n\r\n") + body)
        if not keep:
            self.transport.close()

    def _turn(self) -> Turn:
        """The request as its head tells it."""
        scope, parser, target = self.scope, self.parser, httptools.parse_url(self.url)
        path, version = target.path.decode("ascii"), parser.get_http_version()
        if version not in _VERSIONS:
            raise ValueError("this is HTTP/1.1 and HTTP/1.0")
        scope["method"], scope["http_version"] = parser.get_method().decode("ascii"), version
        scope["path"] = unquote(path) if "%" in path else path
        scope["query_string"] = target.query or b""
        return Turn(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue and version == "1.1",
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )

    def on_body(self, body: bytes) -> None:
        """A piece of the body, which the application measures."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is here, unless it is to be read anew."""
        if self.parser.should_upgrade():
            return
        self._awaited = Part.NOTHING
        super().on_message_complete()
        if self.cycle.body and self._request > self._watched[0]:  # it began in this piece of data, so nobody has read of it
            self.scope["extensions"] = {WHOLE: {"body": bytes(self.cycle.body)}}

    def on_response_complete(self) -> None:
        """The next of those who wait, or a while of silence."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._awaited is Part.NOTHING:
            self._wait(_IDLE)

    def pause_writing(self) -> None:
        """A caller who does not take its answers does not keep them waiting for ever."""
        self._jam = self.loop.call_later(self.config.body_timeout, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        """The answers are being taken again."""
        if self._jam is not None:
            self._jam.cancel()
            self._jam = None
        super().resume_writing()

    def shutdown(self) -> None:
        """Running requests are finished; one whose body is not here by now has a moment left for it."""
        super().shutdown()
        if self._awaited is Part.BODY:
            self.loop.call_later(_LAST_CALL, self._stop)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """uvicorn remembers the request that was read last, and would go on writing to a caller that left."""
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _read(self, data: bytes) -> None:
        """Hang up on what is no request."""
        try:
            while data:
                data = self._parsed(data)
        except httptools.HttpParserError:
            self.logger.warning(_INVALID)
            self.send_400_response(_INVALID)

    def _parsed(self, data: bytes) -> bytes:
        """What is left to read: nothing, or a request once more, without its offer to change the protocol (RFC 9110 §7.8)."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return self._without_offer() + data[offer.args[0] :]
        return b""

    def _without_offer(self) -> bytes:
        """The head that was just read, for a new parser: the old one reads no body behind an offer. Raises for a tunnel."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            raise httptools.HttpParserError("there are no tunnels here")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        lines = [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([b"%s %s HTTP/%s" % (method, self.url, version), *lines, b"", b""])

    def _watch(self) -> None:
        """The time limit of what is awaited now, instead of the one before."""
        self._watched = (self._request, self._awaited)
        if self._awaited is not Part.NOTHING:
            self._wait(self.config.body_timeout if self._awaited is Part.BODY else self.config.head_timeout)
        elif self.cycle.response_complete:
            self._wait(_IDLE)
        else:
            self._due = math.inf

    def _wait(self, seconds: float) -> None:
        self._due = self.loop.time() + seconds
        if self._due < self._rings:
            self._set(self._due)

    def _set(self, due: float) -> None:
        """Look after the time limit when it is due."""
        if self._limit is not None:
            self._limit.cancel()
        self._rings, self._limit = due, self.loop.call_at(due, self._ring)

    def _ring(self) -> None:
        """Something was due now, or is later by now."""
        self._rings, self._limit = math.inf, None
        if self._due <= self.loop.time() + _TICK:
            self._too_slow()
        elif self._due < math.inf:
            self._set(self._due)

    def _too_slow(self) -> None:
        """The caller did not say its request in time. An answer that is being made, be it that it was too slow, is given first."""
        if self.transport.is_closing():
            return
        if self._running is not None and not self._running.response_complete:
            self._wait(_LAST_CALL)
            return
        if self._awaited is Part.HEAD:
            self.transport.write(_TOO_SLOW)
        self.transport.close()

    def _stop(self) -> None:
        if self._awaited is Part.BODY and not self.transport.is_closing():
            self.transport.close()
