"""The wire: HTTP/1.1 on one connection, with an end to everything that a caller may keep open (RFC 9110, RFC 9112)."""

import asyncio
import logging
import math
from asyncio.events import TimerHandle
from collections import deque
from collections.abc import Mapping, MutableMapping
from enum import Enum
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote

import httptools
import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from calling_card import faults
from calling_card.protocol.errors import No, Refusal
from calling_card.settings import Settings
from calling_card.web.app import Receive
from calling_card.web.endpoints import ENDPOINTS, NAMED
from calling_card.web.hands import Hands
from calling_card.web.http import CLOSE, EACH, Answer, Request, lines, written
from calling_card.web.outgoing import Outgoing
from calling_card.web.pressure import Pressure
from calling_card.web.refused import refused

_GRACE = 20
"""Seconds that running requests have left when the server is told to stop."""
_UNREAD = 65536
"""Bytes of a request that may come one after the other without any of them being its body."""
_AHEAD = 65536
"""Bytes of a body that are read before the application asks for them."""
_LAST_CALL = 1
"""Seconds that a body has left when the server is told to stop, and between looks at an answer that is being made."""
_IDLE = 30
"""Seconds that a connection is kept without a request."""
_TICK = 0.001
"""Seconds that a timer may ring too early."""
_LAST = written((CLOSE,))
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, so that their requests hardly ever wait (RFC 9110 §9.2.1)."""
_VERSIONS = ("1.1", "1.0")
_HEEDED = frozenset({b"transfer-encoding", b"expect"})
"""Headers that mean something to the wire itself, besides those that the parser heeds."""
_INVALID = "Invalid HTTP request received."
_PROBES = tuple(endpoint.path.encode() for endpoint in ENDPOINTS if endpoint.plain)
"""Whoever watches over this process hears that it lives, however busy it is; else it would be ended for being busy."""
_MANY = 32
"""Requests under way from which on it is asked whether another one may begin."""
_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_log = logging.getLogger(__name__)


class Serves(Protocol):
    """What answers."""

    async def answer(self, request: Request, receive: Receive | None) -> Answer:
        """``receive`` gives the body, as in ASGI; None: the request has it."""
        ...


class Config(uvicorn.Config):
    """What uvicorn is told, how long a caller may take, and how many there may be."""

    head_timeout = 0
    body_timeout = 0
    most = 0
    serves: Serves
    hands: Hands
    outgoing: Outgoing
    pressure: Pressure
    writing: Mapping[str, bool]
    """Paths whose requests mostly have to wait for the disk, or hardly ever, whatever their method."""
    usual: tuple[object, bytes] = (None, b"")
    """The headers that every answer has, as uvicorn keeps them and as bytes."""

    @classmethod
    def of(cls, app: Serves, settings: Settings) -> "Config":
        """How an application is served under these settings."""
        config = cls(
            app,  # type: ignore[arg-type] # uvicorn hands it on and never calls it
            loop="none",
            http=Wire,
            ws="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=_IDLE,
        )
        config.serves = app
        config.head_timeout, config.body_timeout, config.most = settings.head_timeout, settings.body_timeout, settings.connections
        config.hands, config.outgoing, config.pressure = Hands(), Outgoing(), Pressure(settings.pass_limit / 1000)
        config.writing = {settings.base_path + one.path: one.writes for one in ENDPOINTS if one.writes is not None}
        return config

    def told_always(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """The headers that every answer has; uvicorn makes a new list of them each second, and we new bytes."""
        if headers is not self.usual[0]:
            self.usual = headers, written(headers)
        return self.usual[1]


def _busy() -> tuple[bytes, bytes]:
    """Head and body of the answer to whoever is one too many; a script of any origin may read it."""
    answer = refused(Refusal(No.UNAVAILABLE, "too many requests at once; try again", retry_after=1))
    shared = ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"Retry-After"))
    headers = [*answer.headers, *shared, (b"content-length", b"%d" % len(answer.body))]
    return STATUS_LINE[answer.status] + written(headers), answer.body


_BUSY = _busy()


class Part(Enum):
    """What of a request is awaited."""

    NEXT = "its first byte"
    HEAD = "the rest of its head"
    BODY = "the rest of its body"
    NOTHING = "nothing"


NEXT, HEAD, BODY, NOTHING = Part


class Turn(msgspec.Struct, eq=False):
    """A request on its connection: its body as far as it has come, and what becomes of the connection behind its answer."""

    asked: Request
    expects: bool
    """Whether the body comes when the caller is told to go on (RFC 9110 §10.1.1)."""
    keep_alive: bool
    body: bytearray = msgspec.field(default_factory=bytearray)
    more: bool = True
    news: asyncio.Event | None = None
    """Set when there is more of the body, or nobody any more whom it could come from."""
    answered: bool = False

    def tell(self) -> None:
        """Wake who waits for the body."""
        if self.news is not None:
            self.news.set()


class Wire(asyncio.Protocol):
    """One connection. Requests are answered in their order, each in one piece; a header behind the body is none (RFC 9110 §6.5.1).

    The patience with a caller has an end: a head, a body and the taking of an answer each have a time limit (RFC 9110 §15.5.9).
    """

    transport: asyncio.Transport

    def __init__(
        self, config: Config, server_state: ServerState, app_state: object = None, _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        """As uvicorn calls it."""
        del app_state
        self.loop = _loop or asyncio.get_running_loop()
        self._config = config
        self._state = server_state
        server_state.tasks = config.hands.tasks  # uvicorn waits for them at its end
        self._parser = self._new_parser()
        self._peer = ""
        self._gone = False
        self._turned_away = False
        """Whether this connection is one too many."""

        self._url = b""
        self._headers: dict[bytes, list[bytes]] = {}
        self._weight = 0
        self._expects = False
        self._newest: Turn | None = None
        """The request that was read last."""
        self._running: Turn | None = None
        """The request that is being answered."""
        self._row: deque[Turn] = deque()
        """Requests that were read and wait for it."""
        self._told = b""
        """What leaves behind this pass of the loop."""

        self._reads = True
        self._room: asyncio.Event | None = None
        """Set when the caller takes its answers again; None: it does."""
        self._unread = 0
        self._awaited = NEXT
        self._request = 0
        """How many requests have begun."""
        self._watched = 0, NEXT
        """What the time limit is for."""
        self._due = math.inf
        """When it is to be here; infinity: we are not waiting."""
        self._limit: TimerHandle | None = None
        """Rings when something may be due, and is set anew only when something is due before: most is here long before it is due."""
        self._rings = math.inf
        self._jam: TimerHandle | None = None

    # ── What the transport says ──────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # a stream is what we are given
        """A caller who says nothing has as long as one who says half a head; one too many is answered 503."""
        self.transport = transport
        self._state.connections.add(self)  # type: ignore[arg-type] # uvicorn knows its own protocols by name, and asks them to shut down
        self._turned_away = len(self._state.connections) > self._config.most
        peer = get_remote_addr(transport)
        self._peer = peer[0] if peer else ""
        self._wait(self._config.head_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        del exc
        self._gone = True
        self._state.connections.discard(self)
        for timer in (self._limit, self._jam):
            if timer is not None:
                timer.cancel()
        self._row.clear()
        self._make_room()
        if self._running is not None:
            self._running.tell()
        del self._parser  # it holds on to us

    def data_received(self, data: bytes) -> None:
        """Hang up on a head, a trailer or a chunk line without end."""
        if self._unread > _UNREAD:
            self._hang_up("The head of the request is too large.")
            return
        self._unread += len(data)
        if self._awaited is NOTHING:
            self._awaited = NEXT
        try:
            self._read(data)
        except httptools.HttpParserError:
            _log.warning(_INVALID)
            self._hang_up(_INVALID)
        if self._watched != (self._request, self._awaited):
            self._watch()

    def pause_writing(self) -> None:
        """A caller who does not take its answers does not keep them waiting for ever."""
        self._jam = self.loop.call_later(self._config.body_timeout, self.transport.abort)
        self._room = asyncio.Event()

    def resume_writing(self) -> None:
        """The answers are being taken again."""
        if self._jam is not None:
            self._jam.cancel()
            self._jam = None
        self._make_room()

    def shutdown(self) -> None:
        """Running requests are finished; one whose body is not here by now has a moment left for it."""
        if self._newest is None or self._newest.answered:
            self._close()
        else:
            self._newest.keep_alive = False
        if self._awaited is BODY:
            self.loop.call_later(_LAST_CALL, self._stop)

    # ── What the parser finds ────────────────────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        """A new request."""
        self._unread = 0
        self._request += 1
        self._awaited = HEAD
        self._url, self._headers, self._weight, self._expects = b"", {}, 0, False

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Raises `ValueError` for a body in another coding than the one that is read here (RFC 9112 §6.1)."""
        name, headers = name.lower(), self._headers
        self._weight += len(name) + len(value) + EACH
        if name in headers:
            headers[name].append(value)
        else:
            headers[name] = [value]
        if name not in _HEEDED:
            return
        if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise ValueError("Transfer-Encoding: chunked alone is read")
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects = True

    def on_headers_complete(self) -> None:
        """From here on a header is a trailer, and goes nowhere."""
        if self._parser.should_upgrade():
            return
        turn = self._newest = self._turn()
        self._headers, self._awaited = {}, BODY
        if self._running is not None:
            self._row.append(turn)
            self._pause()
        elif self._turned_away:
            _log.warning("Exceeded concurrency limit.")
            self._turn_away(turn)
        elif self._config.hands.busy > _MANY and not self._fits():
            self._turn_away(turn)
        else:
            self._begin(turn)

    def on_body(self, body: bytes) -> None:
        """A piece of the body, which the application measures."""
        self._unread = 0
        turn = self._newest
        if turn is None or turn.answered:
            return
        turn.body += body
        if len(turn.body) > _AHEAD:
            self._pause()
        turn.tell()

    def on_message_complete(self) -> None:
        """The whole request is here, unless it is to be read anew."""
        turn = self._newest
        if turn is None or self._parser.should_upgrade():
            return
        self._awaited = NOTHING
        turn.more = False
        turn.tell()

    def _read(self, data: bytes) -> None:
        """Requests, or a part of one; with an offer to change the protocol it is read once more, without the offer (RFC 9110 §7.8)."""
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                data = self._without_offer() + data[offer.args[0] :]
            else:
                return

    def _without_offer(self) -> bytes:
        """The head that was just read, for a new parser: the old one reads no body behind an offer. Raises for a tunnel."""
        method, version = self._parser.get_method(), self._parser.get_http_version().encode()
        if method == b"CONNECT":
            raise httptools.HttpParserError("there are no tunnels here")
        self._parser = self._new_parser()
        told = [b"%b: %b" % (name, value) for name, values in self._headers.items() if name != b"upgrade" for value in values]
        return b"\r\n".join([b"%b %b HTTP/%b" % (method, self._url, version), *told, b"", b""])

    def _new_parser(self) -> httptools.HttpRequestParser:
        """One that reads what comes behind the last request too, so that it can be answered."""
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _turn(self) -> Turn:
        """The request as its head tells it."""
        parser, target = self._parser, httptools.parse_url(self._url)
        path, version = target.path.decode("ascii"), parser.get_http_version()
        if version not in _VERSIONS:
            raise ValueError("this is HTTP/1.1 and HTTP/1.0")
        asked = Request(
            parser.get_method().decode("ascii"),
            unquote(path) if "%" in path else path,
            target.query or b"",
            self._headers,
            self._peer,
            "",
            NAMED,
            weight=self._weight,
            version=version,
        )
        newer = version == "1.1"
        return Turn(asked, self._expects and newer, newer and parser.should_keep_alive())

    # ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, turn: Turn) -> None:
        self._running = turn
        asked = turn.asked
        self._config.hands.take(self.loop, self._serve, waits=self._config.writing.get(asked.path, asked.method not in _SAFE))

    async def _serve(self) -> None:
        """Answer the request whose turn it is. What cannot be answered ends the connection."""
        turn = self._running
        if turn is None:
            return
        try:
            if turn.body and not turn.more:
                turn.asked.body = bytes(turn.body)
            answer = await self._config.serves.answer(turn.asked, partial(self._receive, turn) if turn.more else None)
            head = lines(turn.asked, answer)
            if self._room is not None:
                await self._room.wait()
        except BaseException as error:
            _log.error("a request has no answer", exc_info=error)
            self._close()
            if not isinstance(error, Exception):
                raise
        else:
            self._write(turn, answer, head)

    async def _receive(self, turn: Turn) -> MutableMapping[str, Any]:
        """The next piece of the body, as ASGI has it."""
        if turn.expects and not self._gone:
            turn.expects = False
            self._say(_GO_ON)
        if turn.more and not turn.body and not self._gone:
            self._resume()
            turn.news = asyncio.Event()
            await turn.news.wait()
        if self._gone:
            return {"type": "http.disconnect"}
        body, turn.body = bytes(turn.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": turn.more}

    def _write(self, turn: Turn, answer: Answer, head: bytes) -> None:
        """The answer in one piece, and then the next of those who wait, or a while of silence."""
        if self._gone:
            return
        always = self._config.told_always(self._state.default_headers)
        told = CLOSE in self._state.default_headers or CLOSE in answer.headers
        keep = turn.keep_alive and not told
        last = b"" if keep or told else _LAST
        faults.point("web.mid_answer")
        body = b"" if turn.asked.method == "HEAD" else answer.body
        self._tell(b"".join((STATUS_LINE[answer.status], always, head, last, b"\r\n", body)))
        turn.answered, self._running = True, None
        self._state.total_requests += 1
        if not keep:
            self._close()
        if self.transport.is_closing():
            return
        self._resume()
        if self._row:
            self._begin(self._row.popleft())
        elif self._awaited is NOTHING:
            self._wait(_IDLE)

    def _turn_away(self, turn: Turn) -> None:
        """503 at once, in bytes made once: a task that says no would cost as much as a small one that says yes."""
        turn.answered = True
        if self.transport.is_closing():
            return
        keep = turn.keep_alive and not self._turned_away and CLOSE not in self._state.default_headers
        head, body = _BUSY
        body = b"" if turn.asked.method == "HEAD" else body
        self._say(head + (b"\r\n" if keep else _LAST + b"\r\n") + body)
        if not keep:
            self._close()

    def _fits(self) -> bool:
        """Whether there is time for one more; who does not take its answers waits for itself, so its requests are not heaped up here."""
        return self._config.pressure.admits(self.loop) or self._room is not None or self._url.endswith(_PROBES)

    def _hang_up(self, why: str) -> None:
        """400, and nothing that comes behind it is read."""
        always = self._config.told_always(self._state.default_headers)
        told = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % len(why)
        self._say(b"%b%b%b%b\r\n%b" % (STATUS_LINE[400], always, told, _LAST, why.encode()))
        self._close()

    # ── The flow of bytes ────────────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, data: bytes) -> None:
        """An answer, which leaves with those of others."""
        self._told += data
        self._config.outgoing.take(self.loop, self, last=self._config.hands.busy <= 1)

    def _say(self, data: bytes) -> None:
        """At once, behind what was told."""
        self._told += data
        self.send()

    def send(self) -> None:
        """See `outgoing.Holder`; to those who are gone nothing can be sent."""
        told, self._told = self._told, b""
        if told and not self.transport.is_closing():
            self.transport.write(told)

    def _close(self) -> None:
        """Behind what was told."""
        self.send()
        self.transport.close()

    def _pause(self) -> None:
        """Read nothing for now."""
        if self._reads:
            self._reads = False
            self.transport.pause_reading()

    def _resume(self) -> None:
        """Read on, unless somebody waits: else requests that were read and not begun would heap up."""
        if not self._reads and not self._row:
            self._reads = True
            self.transport.resume_reading()

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.set()

    # ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _watch(self) -> None:
        """The time limit of what is awaited now, instead of the one before."""
        self._watched = self._request, self._awaited
        if self._awaited is not NOTHING:
            self._wait(self._config.body_timeout if self._awaited is BODY else self._config.head_timeout)
        elif self._running is None:
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
        if self._running is not None:
            self._wait(_LAST_CALL)
            return
        if self._awaited is HEAD:
            self._say(_TOO_SLOW)
        self._close()

    def _stop(self) -> None:
        if self._awaited is BODY and not self.transport.is_closing():
            self._close()
