"""The wire: uvicorn's HTTP/1.1 with an end to everything that a caller may keep open (RFC 9110, RFC 9112)."""

import asyncio
from asyncio.events import TimerHandle
from collections.abc import Callable, Sized
from enum import Enum

import uvicorn
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from calling_card.settings import Settings

_GRACE = 20
"""Seconds that running requests have left when the server is told to stop."""
_UNREAD = 65536
"""Bytes of a request that may come one after the other without any of them being its body."""
_LAST_CALL = 1
"""Seconds that a body has left when the server is told to stop, and between looks at an answer that is being made."""
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Config(uvicorn.Config):
    """What uvicorn is told, how long a caller may take, and how many there may be."""

    head_timeout = 0
    body_timeout = 0
    most = 0

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
            timeout_keep_alive=30,
            backlog=2048,
        )
        config.head_timeout, config.body_timeout, config.most = settings.head_timeout, settings.body_timeout, settings.connections
        return config


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


class Wire(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, but a header behind the body is none, and what is not body has an end (RFC 9110 §6.5.1).

    So has the patience with a caller: a head, a body and the taking of an answer each have a time limit (RFC 9110 §15.5.9).
    """

    config: Config
    _unread = 0
    _awaited = Part.NEXT
    _request = 0
    """How many requests have begun on this connection."""
    _watched: tuple[int, Part] = (0, Part.NEXT)
    """What the time limit is for."""
    _limit: TimerHandle | None = None
    _jam: TimerHandle | None = None
    _running: RequestResponseCycle | None = None
    """The request that is being answered; behind it others may wait."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """A caller who says nothing has as long as one who says half a head; one too many is answered 503."""
        super().connection_made(transport)
        self.limit_concurrency = 0 if len(self.connections) > self.config.most else None
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
        super().data_received(data)
        if self._watched != (self._request, self._awaited):
            self._watch()

    def on_message_begin(self) -> None:
        """A new request."""
        self._unread = 0
        self._request += 1
        self._awaited = Part.HEAD
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """From here on a header is a trailer, and goes nowhere."""
        super().on_headers_complete()
        self.headers = []
        self._awaited = Part.BODY

    def on_body(self, body: bytes) -> None:
        """A piece of the body, which the application measures."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is here."""
        self._awaited = Part.NOTHING
        super().on_message_complete()

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

    def _watch(self) -> None:
        """The time limit of what is awaited now, instead of the one before."""
        self._watched = (self._request, self._awaited)
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        if self._awaited is not Part.NOTHING:
            self._wait(self.config.body_timeout if self._awaited is Part.BODY else self.config.head_timeout)

    def _wait(self, seconds: float) -> None:
        self._limit = self.loop.call_later(seconds, self._too_slow)

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
