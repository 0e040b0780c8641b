"""Log lines: one JSON object each, whatever is in the values, and never a credential, however often (X-39, X-56, X-57)."""

import asyncio
import base64
import io
import json
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from select import PIPE_BUF
from typing import Any, TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.keys.keyring import FileKeyring
from calling_card.keys.signing import JoseSigner
from calling_card.logs import Log, redact
from calling_card.protocol.handles import credentials as handles
from calling_card.protocol.handles import seals
from calling_card.protocol.handles.credentials import KINDS, Handle
from calling_card.protocol.handles.seals import SEALS
from tests.ledger import meets

ISSUER = "https://as.example"
NOW = 1_800_000_000


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """What was written; every line is one JSON object."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def logged(event: str, **values: object) -> dict[str, object]:
    stream = io.StringIO()
    Log("debug", stream)(event, level="info", **values)
    assert stream.getvalue().count("\n") == 1
    return lines(stream)[0]


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """One credential of every kind that this server makes."""
    keyring = FileKeyring.create(tmp_path_factory.mktemp("keys") / "keyring.json", ISSUER, secrets.token_bytes, NOW)
    signer = JoseSigner(keyring)
    signer.know([signer.make(alg, secrets.token_bytes, NOW) for alg in signer.algs])
    return [
        *(handles.write(keyring, ISSUER, Handle(kind, 1, secrets.token_bytes(kind.owner), 1)) for kind in KINDS),
        *(seals.write(keyring, seal, b"what it says", secrets.token_bytes(12)) for seal in SEALS),
        *(signer.sign({"sub": "c1"}, "at+jwt", alg) for alg in signer.algs),
    ]


# ── Credentials ──────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-39", "M-45")
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "Bearer {}",
        "token={}&x=y",
        '{{"access_token":"{}"}}',
        "({})",
        "{}, {}",
        "x{}",
        "https://a.example/?t={}#x",
        "Cookie: __Host-session={}; other=1",
        "set-cookie: session={}; Path=/; HttpOnly",
        '<input type="hidden" name="transaction" value="{}">',
        "/authorize?client_id=c1&tx={}&prompt=none",
        "%22{}%22",
    ],
)
def test_no_kind_of_credential_stays_in_a_text(credentials: list[str], around: str) -> None:
    for credential in credentials:
        text = redact(around.format(credential, credential))

        assert credential[-12:] not in text
        assert credential[12:40] not in text


@meets("X-39")
def test_what_is_left_of_a_credential_says_its_kind(credentials: list[str]) -> None:
    assert [redact(credential) for credential in credentials] == [
        *(kind.prefix + "..." for kind in KINDS),
        *(seal.prefix + "..." for seal in SEALS),
        "jwt...",
        "jwt...",
    ]


@meets("X-39")
def test_no_credential_stays_in_a_line_wherever_it_stands(credentials: list[str]) -> None:
    for credential in credentials:
        line = json.dumps(
            logged(
                credential,
                value=credential,
                listed=[credential, {"deep": (credential,)}],
                mapped={credential: {"token": credential}},
                raw=credential.encode(),
                error=ValueError(credential),
                path=Path("/a") / credential,
            )
        )
        assert credential[-12:] not in line
        assert credential[12:40] not in line
        assert base64.b64encode(credential.encode())[8:40].decode() not in line


@meets("X-39")
def test_the_longest_sealed_text_leaves_nothing_but_its_kind(credentials: list[str]) -> None:
    for seal in SEALS:
        longest = seal.prefix + "A" * (seal.longest - len(seal.prefix))

        assert redact(f"before {longest} after") == f"before {seal.prefix}... after"
        assert "AAAA" not in json.dumps(logged("something", value=longest, listed=[longest]))


def fail(log: Log, credential: str) -> None:
    try:
        int(credential)
    except ValueError:
        log("failed", level="error", exc_info=True)
        raise


@meets("X-39")
def test_no_credential_stays_in_a_traceback(credentials: list[str]) -> None:
    stream = io.StringIO()
    for credential in credentials:
        with suppress(ValueError):
            fail(Log("info", stream), credential)

    assert all("ValueError: invalid literal" in str(line["exception"]) for line in lines(stream))
    assert not any(credential[-12:] in stream.getvalue() for credential in credentials)


@meets("X-39")
def test_of_a_long_traceback_the_end_is_kept_and_no_credential_where_it_is_cut(credentials: list[str]) -> None:
    for credential in credentials:
        stream = io.StringIO()
        Log("info", stream)("failed", level="error", exc_info=ValueError(f"of old: {f'{credential} ' * 300}what went wrong"))

        (line,) = lines(stream)
        said = str(line["exception"])
        assert said.startswith("ValueError: of old: ")
        assert said.endswith("what went wrong")
        assert "\n[...]\n" in said
        assert len(said) == 2000
        assert credential[-12:] not in said


@given(st.text())
def test_a_text_without_credentials_is_only_cut(text: str) -> None:
    assert "cc_" in text or "eyJ" in text or redact(text) == text[:2000]


# ── Injection ────────────────────────────────────────────────────────────────────────────────────────────────────────

HOSTILE = [
    "a\r\nb",
    'a\n{"event":"client_registered","level":"info"}',
    "\x1b[2J\x1b[31mred",
    "a\x00b",
    "\x85next\u2028line\u2029paragraph",
    '","level":"error","x":"',
    "\\",
    "\x7f",
]


@meets("X-56")
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_nothing_in_a_value_ends_its_line_or_reaches_a_terminal(text: str) -> None:
    stream = io.StringIO()

    Log("info", stream)("request_refused", client_name=text, listed=[text], mapped={text: text})

    written = stream.getvalue()
    assert written.count("\n") == 1
    assert not any(char in written[:-1] for char in "\r\n\x00\x1b\x7f\x85\u2028\u2029")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["client_name"]) == ("request_refused", "info", text)


@meets("X-56")
@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_text_makes_one_line_with_that_text_in_it(text: str) -> None:
    line = logged(text, value=text)

    assert line["event"] == line["value"] == redact(text)


ODD: dict[str, object] = {
    "half a pair": "\ud800",
    "half a pair in a list": ["\udfff"],
    "half a pair for a name": {"\ud800": 1},
    "not a number": float("nan"),
    "an object": object(),
    "a set": {1, 2},
    "bytes": b"\xff",
    "a long number": 2**200,
    "a number for a name": {1: 2},
    "a type": int,
    "a deep list": [[[[[[[[1]]]]]]]],
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_a_value_that_json_cannot_hold_loses_no_line(value: object) -> None:
    line = logged("odd", value=value)

    assert line["event"] == "odd"
    assert "value" in line


LISTS = {
    "texts": (["a", "b"], ["a", "b"]),
    "lists of what is simple": ([["scope", ["a"], None, 1, True]], [["scope", ["a"], None, 1, True]]),
    "something to hide": ([["cc_rat_AbC-_123"]], [["cc_rat_..."]]),
    "what is no JSON": ([[b"a"]], [["b'a'"]]),
    "too many": ([*range(60)], [*range(50)]),
    "too deep": ([[[[[1]]]]], [[[["[1]"]]]]),
}


@pytest.mark.parametrize("value, written", LISTS.values(), ids=LISTS)
def test_a_list_is_written_as_it_is_unless_something_is_to_be_left_out(value: object, written: object) -> None:
    assert logged("listed", value=value)["value"] == written


@meets("X-56")
def test_a_long_value_is_cut() -> None:
    line = logged("long", value="x" * 100_000, listed=["x" * 100_000])

    assert len(json.dumps(line)) < 10_000


# ── Weight, and streams that fail ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "least, written", [("debug", ["debug", "info", "warning", "error"]), ("warning", ["warning", "error"]), ("error", ["error"])]
)
def test_lines_below_the_least_weight_are_not_written(least: str, written: list[str]) -> None:
    stream = io.StringIO()
    log = Log(least, stream)

    for level in ("debug", "info", "warning", "error"):
        log("something", level=level)

    assert [line["level"] for line in lines(stream)] == written


def test_a_line_has_a_time_in_utc_its_event_its_level_and_its_values() -> None:
    line = logged("something", client_id="c1", count=3)

    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {"event": "something", "level": "info", "client_id": "c1", "count": 3}


class Full(io.StringIO):
    """A disk without room."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def closed() -> TextIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [Full(), closed()], ids=["full", "closed"])
def test_a_line_that_cannot_be_written_fails_nothing(stream: TextIO) -> None:
    log = Log("info", stream)

    log("something", value=1)

    assert stream.closed or stream.tell() == 0


def test_without_a_stream_lines_go_to_the_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    Log()("something")

    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["event"] == "something"


# ── Failures that repeat themselves ──────────────────────────────────────────────────────────────────────────────────


@dataclass
class Ticks:
    """Seconds that pass when told."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


FAILURES: list[dict[str, Any]] = [
    {"event": "refused", "error": "invalid_token"},
    {"event": "request", "status": 400, "endpoint": "registration", "method": "POST"},
    {"event": "request", "status": 503},
    {"event": "failed", "level": "error", "exc_info": ValueError("x")},
    {"event": "store_unavailable", "level": "error", "cause": "full"},
    {"event": "logo_not_fetched", "why": "GONE"},
    {"event": "library", "level": "warning", "logger": "uvicorn.error"},
]


@meets("X-57")
@pytest.mark.parametrize("line", FAILURES, ids=lambda line: line["event"])
def test_a_failure_that_repeats_itself_is_written_so_often_a_minute_and_then_counted(line: dict[str, Any]) -> None:
    stream, ticks = io.StringIO(), Ticks()
    log = Log("info", stream, repeats=3, clock=ticks)

    for number in range(100):
        log(**line, request_id=f"r{number}")
    ticks.now += 60
    log("served", request_id="later")

    written = lines(stream)
    assert [one.get("request_id") for one in written] == ["r0", "r1", "r2", None, "later"]
    said = {name: value for name, value in line.items() if name not in ("cause", "exc_info")}
    more = {"exception": "ValueError"} if "exc_info" in line else {}
    assert {name: value for name, value in written[3].items() if name != "timestamp"} == {"level": "info", **said, **more, "count": 97}


@meets("X-57")
@pytest.mark.parametrize(
    "line", [{"event": "request", "status": 200}, {"event": "request", "status": 302}, {"event": "pruned", "dead": 3}], ids=str
)
def test_what_went_well_is_always_written(line: dict[str, Any]) -> None:
    stream = io.StringIO()
    log = Log("info", stream, repeats=1, clock=Ticks())

    for _ in range(50):
        log("refused", error="invalid_token")
        log(**line)

    assert [one["event"] for one in lines(stream)].count(line["event"]) == 50


def test_each_kind_of_failure_is_counted_for_itself() -> None:
    stream = io.StringIO()
    log = Log("info", stream, repeats=1, clock=Ticks())

    for error in ("a", "b", "a", "b", "a"):
        log("refused", error=error)
    log.sum_up(rest=True)

    assert [(one["error"], one.get("count")) for one in lines(stream)] == [("a", None), ("b", None), ("a", 2), ("b", 1)]


def test_a_minute_after_its_first_line_a_failure_is_written_again() -> None:
    stream, ticks = io.StringIO(), Ticks()
    log = Log("info", stream, repeats=1, clock=ticks)

    for seconds in (0, 59, 1, 0):
        ticks.now += seconds
        log("refused", error="a", at=ticks.now)

    assert [one.get("at", one.get("count")) for one in lines(stream)] == [1000.0, 1, 1060.0]


def test_a_failure_that_was_not_too_frequent_has_no_sum() -> None:
    stream = io.StringIO()
    log = Log("info", stream, repeats=2, clock=Ticks())

    log("refused", error="a")
    log.sum_up(rest=True)
    log.sum_up(rest=True)

    assert len(lines(stream)) == 1


def test_0_repeats_is_every_line() -> None:
    stream = io.StringIO()
    log = Log("info", stream, repeats=0)

    for _ in range(200):
        log("refused", error="a")

    assert len(lines(stream)) == 200


@meets("X-57")
def test_failures_of_any_number_of_kinds_are_remembered_in_bounds() -> None:
    stream = io.StringIO()
    log = Log("info", stream, repeats=2, clock=Ticks())

    for number in range(10_000):
        log("refused", error=f"e{number}")
    log.sum_up(rest=True)

    written = lines(stream)
    assert len(written) == 1024 + 2 + 1
    assert written[-1]["count"] == 10_000 - 1024 - 2
    assert "error" not in written[-1]


def test_what_is_too_light_to_be_written_is_not_counted_either() -> None:
    stream = io.StringIO()
    log = Log("error", stream, repeats=1, clock=Ticks())

    for _ in range(5):
        log("refused", error="a")
    log.sum_up(rest=True)

    assert stream.getvalue() == ""


# ── Lines in groups ──────────────────────────────────────────────────────────────────────────────────────────────────


class Pieces(io.StringIO):
    """A stream that tells how often it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return super().write(text)


async def test_lines_of_one_pass_of_the_loop_leave_together_and_in_their_order() -> None:
    stream = Pieces()
    log = Log("info", stream, grouped=True)

    for number in range(5):
        log("request", number=number)
    before = len(stream.pieces)
    await asyncio.sleep(0)

    assert (before, len(stream.pieces)) == (0, 1)
    assert [line["number"] for line in lines(stream)] == [0, 1, 2, 3, 4]


async def test_a_line_that_something_is_wrong_leaves_at_once_with_all_before_it() -> None:
    stream = Pieces()
    log = Log("info", stream, grouped=True)

    log("request", number=1)
    log("failed", level="error", number=2)

    assert [line["number"] for line in lines(stream)] == [1, 2]
    await asyncio.sleep(0)
    assert len(stream.pieces) == 1


async def test_not_too_many_lines_wait() -> None:
    stream = Pieces()
    log = Log("info", stream, grouped=True)

    for number in range(100):
        log("request", number=number)

    assert 80 < len(lines(stream)) <= 100
    await asyncio.sleep(0)
    assert [line["number"] for line in lines(stream)] == list(range(100))


async def test_at_the_end_nothing_is_left_to_be_written() -> None:
    stream = Pieces()
    log = Log("info", stream, grouped=True)

    log("request", number=1)
    log.sum_up(rest=True)

    assert [line["number"] for line in lines(stream)] == [1]


def test_without_a_loop_every_line_leaves_at_once() -> None:
    stream = Pieces()

    Log("info", stream, grouped=True)("request", number=1)

    assert len(lines(stream)) == 1


@meets("X-39", "X-56")
async def test_one_line_with_something_to_hide_or_to_cut_changes_no_other() -> None:
    stream = Pieces()
    log = Log("info", stream, grouped=True)

    log("first", said="plain")
    log("second", said="cc_rat_AbC-_123")
    log("third", said="x" * 5000)
    log("fourth", said="\x7f\ud800é")
    log("fifth", said=["a"])
    await asyncio.sleep(0)

    assert [line["said"] for line in lines(stream)] == ["plain", "cc_rat_...", "x" * 2000, "\x7f\ud800é", ["a"]]
    assert [piece.count("\n") for piece in stream.pieces] == [1] * 5
    assert {str(line["timestamp"])[-1] for line in lines(stream)} == {"Z"}


async def test_no_piece_is_so_long_that_another_process_could_write_into_the_middle_of_a_line() -> None:
    stream = Pieces()
    log = Log("info", stream, grouped=True)

    for _ in range(8):
        log("request", said="x" * 1900)
    await asyncio.sleep(0)

    assert len(lines(stream)) == 8
    assert all(len(piece) <= PIPE_BUF for piece in stream.pieces)


async def test_lines_that_are_too_many_for_one_piece_leave_in_a_few_and_in_their_order() -> None:
    stream = Pieces()
    log = Log("info", stream, grouped=True)

    for number in range(16):
        log("client_sealed", number=number, warnings=["x" * 200])
    await asyncio.sleep(0)

    assert [line["number"] for line in lines(stream)] == [*range(16)]
    assert all(len(piece) <= PIPE_BUF for piece in stream.pieces)
    assert len(stream.pieces) < 16
