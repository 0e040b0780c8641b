"""The wire without a network: what leaves as one piece, what a caller cannot slip in, and how long each wait lasts (RFC 9112)."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from uvicorn.server import ServerState

from calling_card.web.app import Receive
from calling_card.web.hands import Hands
from calling_card.web.http import Answer, Request
from calling_card.web.wire import Config, Wire
from tests.ledger import meets
from tests.world import CALLBACK, world

GOOD = json.dumps({"redirect_uris": [CALLBACK]}).encode()
HEAD = b"POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
REGISTER = HEAD % (b"application/json", len(GOOD)) + GOOD
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Bell:
    """A timer that was set."""

    when: float
    ring: Callable[[], None]
    live: bool = True

    def cancel(self) -> None:
        self.live = False


@dataclass
class Hours:
    """The loop as the wire sees it: tasks are real, time passes when told."""

    now: float = 1000.0
    bells: list[Bell] = field(default_factory=list[Bell])
    tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    soon: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, ring: Callable[[], None]) -> Bell:
        self.bells.append(Bell(when, ring))
        return self.bells[-1]

    def call_later(self, delay: float, ring: Callable[[], None]) -> Bell:
        return self.call_at(self.now + delay, ring)

    def call_soon(self, call: Callable[..., None], *said: object) -> None:
        self.soon.append(lambda: call(*said))

    def turn(self, seconds: float) -> None:
        """A pass of the loop that took so long."""
        self.now += seconds
        soon, self.soon = self.soon, []
        for call in soon:
            call()

    def create_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.tasks.append(asyncio.get_running_loop().create_task(work))
        return self.tasks[-1]

    def forward(self, seconds: float) -> None:
        """Every timer rings when it is due."""
        end = self.now + seconds
        while due := min((bell for bell in self.bells if bell.live and bell.when <= end), key=lambda bell: bell.when, default=None):
            self.now, due.live = max(self.now, due.when), False
            due.ring()
        self.now = end

    @property
    def set(self) -> int:
        return sum(bell.live for bell in self.bells)


class Line(asyncio.Transport):
    """A connection whose other end is the test."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"sockname": ("127.0.0.1", 80), "peername": ("198.51.100.7", 50000)}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@dataclass
class Call:
    """One connection to a server."""

    wire: Wire
    line: Line
    hours: Hours
    hands: Hands

    async def say(self, *pieces: bytes) -> None:
        """Each piece as a packet of its own; after the last one, whatever can be answered is."""
        for piece in pieces:
            self.wire.data_received(piece)
        await self.quiet()

    async def quiet(self) -> None:
        """Until no request is being worked on but such as wait for the caller."""
        for _ in range(50):
            await asyncio.sleep(0)
            self.hours.turn(0)


@dataclass
class App:
    """An application of a test."""

    work: Callable[[], Awaitable[Answer]]

    async def answer(self, request: Request, receive: Receive | None) -> Answer:
        del request, receive
        return await self.work()


def connected(config: Config, state: ServerState, hours: Hours) -> Call:
    """A caller of a server."""
    line = Line()
    wire = Wire(config, state, {}, hours)  # type: ignore[arg-type] # as much of a loop as it needs
    wire.connection_made(line)
    return Call(wire, line, hours, config.hands)


@pytest.fixture
async def call(tmp_path: Path) -> Callable[..., Call]:
    """Connects; to the whole server, or to an application of the test."""
    server = await world(tmp_path, head_timeout=5, body_timeout=7)

    def connect(app: App | None = None) -> Call:
        config = Config.of(app or server.app, server.ports.settings)
        config.load()
        return connected(config, ServerState(), Hours())

    return connect


# ── An answer ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_leaves_in_one_piece(call: Callable[..., Call]) -> None:
    caller = call()

    await caller.say(HEALTH)

    assert len(caller.line.pieces) == 1
    assert caller.line.pieces[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert caller.line.pieces[0].endswith(b'\r\n\r\n{"status":"ok"}')


@pytest.mark.parametrize(
    "asked, waits",
    [
        (HEALTH, False),
        (HEALTH.replace(b"/healthz", b"/register/abc"), False),
        (HEALTH.replace(b"/healthz", b"/authorize?client_id=abc"), True),
        (REGISTER, True),
        (REGISTER.replace(b"/register", b"/introspect"), False),
    ],
)
async def test_what_writes_has_a_task_of_its_own_whatever_its_method(
    call: Callable[..., Call], monkeypatch: pytest.MonkeyPatch, asked: bytes, waits: bool
) -> None:
    caller, begun = call(), list[bool]()

    def take(loop: object, work: object, *, waits: bool) -> None:
        del loop, work
        begun.append(waits)

    monkeypatch.setattr(caller.hands, "take", take)
    caller.wire.data_received(asked)

    assert begun == [waits]


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b=c", b"a\nb", b"a\rb", b"a\0b", b"a\x1bb", b"a\x7fb"], ids=ascii)
async def test_what_would_be_a_second_line_of_the_head_is_not_written(
    call: Callable[..., Call], value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def careless() -> Answer:
        return Answer(200, b"", ((b"location", value),))

    caller = call(App(careless))

    await caller.say(HEALTH)

    told = b"".join(caller.line.pieces)
    assert b"set-cookie" not in told
    assert told == b""
    assert caller.line.closed
    assert "a control character" in caplog.text


@pytest.fixture
async def two(tmp_path: Path) -> Callable[[App], tuple[Call, Call]]:
    """Connects two callers to one application."""
    settings = (await world(tmp_path)).ports.settings

    def connect(app: App) -> tuple[Call, Call]:
        config, state, hours = Config.of(app, settings), ServerState(), Hours()
        config.load()
        return connected(config, state, hours), connected(config, state, hours)

    return connect


async def test_answers_of_one_pass_leave_together_behind_the_last(two: Callable[[App], tuple[Call, Call]]) -> None:
    seen: list[tuple[int, int]] = []

    async def work() -> Answer:
        seen.append((len(one.line.pieces), len(other.line.pieces)))
        return Answer(200, b"")

    one, other = two(App(work))
    one.wire.data_received(HEALTH)
    other.wire.data_received(HEALTH)
    await asyncio.sleep(0)

    assert seen == [(0, 0), (0, 0)]
    assert (len(one.line.pieces), len(other.line.pieces)) == (1, 1)


@pytest.fixture
async def held(two: Callable[[App], tuple[Call, Call]]) -> AsyncIterator[Call]:
    """A caller whose answer is made and has not left, for somebody else is being worked on in this pass."""
    begun: list[bool] = []

    async def work() -> Answer:
        begun.append(True)
        return await stuck() if len(begun) == 1 else Answer(200, b"")

    slow, caller = two(App(work))
    slow.wire.data_received(REGISTER)
    caller.wire.data_received(REGISTER)
    await asyncio.sleep(0)
    assert caller.line.pieces == []
    yield caller
    for task in caller.hours.tasks:
        task.cancel()


async def test_an_answer_leaves_behind_the_pass_in_which_it_was_made(held: Call) -> None:
    held.hours.turn(0)

    assert len(held.line.pieces) == 1


async def test_an_answer_that_has_not_left_yet_leaves_before_its_connection_is_closed(held: Call) -> None:
    held.wire.shutdown()
    held.hours.turn(0)

    assert held.line.closed
    assert len(held.line.pieces) == 1


async def test_nothing_is_sent_to_a_caller_who_left_before_its_answer_did(held: Call) -> None:
    held.line.close()
    held.wire.connection_lost(None)
    held.hours.turn(0)

    assert held.line.pieces == []


# ── A body ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cut", [len(REGISTER), len(REGISTER) - 1, len(REGISTER) - len(GOOD), 20], ids=str)
async def test_a_body_is_the_same_in_however_many_packets_it_comes(call: Callable[..., Call], cut: int) -> None:
    caller = call()

    await caller.say(*(piece for piece in (REGISTER[:cut], REGISTER[cut:]) if piece))

    assert [piece[:13] for piece in caller.line.pieces] == [b"HTTP/1.1 201 "]


async def test_requests_in_one_packet_have_each_their_own_body(call: Callable[..., Call]) -> None:
    bodies = [json.dumps({"redirect_uris": [CALLBACK], "client_name": name}).encode() for name in "abc"]
    caller = call()

    await caller.say(b"".join(HEAD % (b"application/json", len(body)) + body for body in bodies))

    names = [json.loads(piece.partition(b"\r\n\r\n")[2])["client_name"] for piece in caller.line.pieces]
    assert names == ["a", "b", "c"]


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-94")
@pytest.mark.parametrize(
    "said, seconds, last",
    [
        ((), 5, b""),
        ((b"\r\n",), 5, b""),
        ((b"GET /",), 5, b"HTTP/1.1 408 "),
        ((HEALTH, b"GET /"), 5, b"HTTP/1.1 408 "),
        ((HEALTH,), 30, b"HTTP/1.1 200 "),
        ((HEALTH, HEALTH), 30, b"HTTP/1.1 200 "),
        ((HEAD % (b"text/plain", 5), b"a"), 7, b"HTTP/1.1 415 "),
        ((HEAD % (b"text/plain", 5), b"abcde"), 30, b"HTTP/1.1 415 "),
    ],
    ids=["nothing", "an empty line", "half a head", "half a second head", "silence", "two and silence", "half a body", "a body too late"],
)
async def test_every_wait_ends_at_its_own_time_and_not_before(
    call: Callable[..., Call], said: tuple[bytes, ...], seconds: int, last: bytes
) -> None:
    caller = call()

    for piece in said:
        await caller.say(piece)
    caller.hours.forward(seconds - 0.1)
    early = caller.line.closed
    caller.hours.forward(0.2)

    assert (early, caller.line.closed) == (False, True)
    assert caller.line.pieces[-1:] == [] if not last else caller.line.pieces[-1].startswith(last)


@meets("A-94")
async def test_what_has_its_time_is_measured_from_its_own_beginning(call: Callable[..., Call]) -> None:
    caller = call()

    for _ in range(11):
        await caller.say(HEALTH)
        caller.hours.forward(29)
    await caller.say(b"GET /")
    caller.hours.forward(4.9)
    early = caller.line.closed
    caller.hours.forward(0.2)

    assert (early, caller.line.closed) == (False, True)
    assert [piece[9:12] for piece in caller.line.pieces] == [b"200"] * 11 + [b"408"]


async def test_a_connection_sets_no_timer_for_each_request(call: Callable[..., Call]) -> None:
    caller = call()

    for _ in range(100):
        await caller.say(HEALTH)

    assert len(caller.hours.bells) == 1


async def test_a_connection_that_is_gone_leaves_no_timer(call: Callable[..., Call]) -> None:
    caller = call()
    await caller.say(HEALTH, b"GET /")

    caller.wire.connection_lost(None)

    assert caller.hours.set == 0


# ── Too many ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def stuck() -> Answer:
    """What is never done."""
    await asyncio.Event().wait()
    return Answer(200)


@pytest.fixture
async def crowd(tmp_path: Path) -> AsyncIterator[Callable[[], Call]]:
    """Connects to a server on which so many requests are under way that it looks at the time, and finds that it has none."""
    server = await world(tmp_path, pass_limit=1)
    config = Config.of(App(stuck), server.ports.settings)
    config.load()
    state, hours = ServerState(), Hours()

    def connect() -> Call:
        return connected(config, state, hours)

    for _ in range(300):
        connect().wire.data_received(HEALTH.replace(b"/healthz", b"/jwks"))
    hours.turn(0.3)
    for _ in range(20):
        connect().wire.data_received(HEALTH.replace(b"/healthz", b"/jwks"))
    yield connect
    for task in hours.tasks:
        task.cancel()


BUSY = {"error": "temporarily_unavailable", "error_description": "too many requests at once; try again"}


def read(answer: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """First line, headers and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, dict(cast("tuple[bytes, bytes]", tuple(line.split(b": ", 1))) for line in lines), body


async def test_what_there_is_no_time_for_is_answered_at_once_and_without_a_task(crowd: Callable[[], Call]) -> None:
    caller = crowd()
    under_way = caller.hands.busy

    caller.wire.data_received(REGISTER)

    first, headers, body = read(b"".join(caller.line.pieces))
    assert (first, json.loads(body)) == (b"HTTP/1.1 503 Service Unavailable", BUSY)
    assert headers == {
        b"content-type": b"application/json",
        b"cache-control": b"no-store",
        b"pragma": b"no-cache",
        b"retry-after": b"1",
        b"access-control-allow-origin": b"*",
        b"access-control-expose-headers": b"Retry-After",
        b"content-length": str(len(body)).encode(),
    }
    assert caller.hands.busy == under_way
    assert not caller.line.closed


async def test_its_connection_goes_on_and_is_ended_like_any_other_that_says_nothing(crowd: Callable[[], Call]) -> None:
    caller = crowd()

    caller.wire.data_received(REGISTER + REGISTER)
    caller.wire.data_received(REGISTER[:100])
    caller.wire.data_received(REGISTER[100:])

    assert b"".join(caller.line.pieces).count(b"HTTP/1.1 503 ") == 3
    caller.hours.forward(29)
    assert not caller.line.closed
    caller.hours.forward(2)
    assert caller.line.closed


@pytest.mark.parametrize("last", [b"GET /jwks HTTP/1.0\r\n\r\n", b"GET /jwks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"])
async def test_a_connection_for_one_request_is_told_and_closed(crowd: Callable[[], Call], last: bytes) -> None:
    caller = crowd()

    caller.wire.data_received(last)

    first, headers, _ = read(b"".join(caller.line.pieces))
    assert (first[9:12], headers[b"connection"]) == (b"503", b"close")
    assert caller.line.closed


async def test_whoever_wants_no_body_gets_none(crowd: Callable[[], Call]) -> None:
    caller = crowd()

    caller.wire.data_received(HEALTH.replace(b"GET /healthz", b"HEAD /jwks"))

    first, headers, body = read(b"".join(caller.line.pieces))
    assert (first[9:12], body) == (b"503", b"")
    assert int(headers[b"content-length"]) > 0


@pytest.mark.parametrize("probe", [b"/healthz", b"/readyz"])
async def test_a_probe_is_let_in_however_busy_the_server_is(crowd: Callable[[], Call], probe: bytes) -> None:
    caller = crowd()
    under_way = caller.hands.busy

    caller.wire.data_received(HEALTH.replace(b"/healthz", probe))

    assert (caller.hands.busy, caller.line.pieces) == (under_way + 1, [])


async def test_who_does_not_take_its_answers_waits_so_that_they_are_not_heaped_up(crowd: Callable[[], Call]) -> None:
    caller = crowd()
    caller.wire.pause_writing()

    caller.wire.data_received(REGISTER * 100)

    assert caller.line.pieces == []
    caller.wire.connection_lost(None)


async def test_a_connection_too_many_is_answered_in_the_same_words_and_closed(tmp_path: Path) -> None:
    server = await world(tmp_path, connections=1)
    config = Config.of(server.app, server.ports.settings)
    config.load()
    state, hours, line = ServerState(), Hours(), Line()
    Wire(config, state, {}, hours).connection_made(Line())  # type: ignore[arg-type] # as much of a loop as it needs
    third = Wire(config, state, {}, hours)  # type: ignore[arg-type] # as much of a loop as it needs
    third.connection_made(line)

    third.data_received(REGISTER + REGISTER)

    first, headers, body = read(b"".join(line.pieces))
    assert (first[9:12], headers[b"retry-after"], headers[b"connection"], json.loads(body)) == (b"503", b"1", b"close", BUSY)
    assert line.closed
