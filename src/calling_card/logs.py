"""Structured log lines as JSON, without credentials, and failures that repeat themselves summed up (X-39, X-56, X-57)."""

import asyncio
import json
import logging
import re
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from select import PIPE_BUF
from threading import Lock
from types import NoneType
from typing import TextIO, TypeAlias, cast

import msgspec

_CREDENTIAL = re.compile(r"cc_([a-z]+)_[A-Za-z0-9_.-]+|eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
_MOVING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters and line ends that JSON need not escape, and turns of direction."""
_LONGEST = 2000
_BEGINNING = 500
"""Characters of a long traceback that are kept besides its end."""
_LEFT_OUT = "\n[...]\n"
_MOST = 50
_DEEPEST = 4
_WEIGHTS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_CODES = ("error", "why", "status", "endpoint", "method", "logger")
"""Values that say what kind of failure a line tells of: words of ours, so there are few."""
_FAILED = frozenset({"error", "why", "cause", "exc_info"})
"""Values that a line has only when something failed; so has each above a mere ``info``, and each of a request answered with 400 or more."""
_CROWDS = frozenset({"client_sealed"})
"""Events that anybody can cause without anything being kept: they repeat themselves like failures."""
_MINUTE = 60
_KINDS = 1024
"""Kinds of failures told apart within a minute; beyond, what is summed is known by its event alone."""
_SIMPLE = frozenset({str, int, float, bool, NoneType, datetime})
"""Types whose values JSON holds as they are, or in one way; so are lists of them."""
_GROUP = 16
"""Lines that may wait for each other."""
_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines

Kind: TypeAlias = tuple[tuple[str, object], ...]
"""Event, level and codes of a failure."""


def redact(text: str) -> str:
    """The text without credentials, cut to a length that a line can carry."""
    return _hidden(text)[:_LONGEST]


def _hidden(text: str) -> str:
    if "cc_" in text or "eyJ" in text:
        return _CREDENTIAL.sub(lambda found: f"cc_{found[1]}_..." if found[1] else "jwt...", text)
    return text


def _texts(lines: Sequence[Mapping[str, object]]) -> Sequence[str]:
    """The lines as JSON. Most are short, simple and without anything to hide, which is seen in the whole text at once."""
    values = [value for line in lines for value in line.values()]
    if _SIMPLE.issuperset(map(type, values)) or all(map(_is_simple, values)):
        try:
            text = _encode_lines(lines).decode()
        except UnicodeEncodeError:  # half of a surrogate pair
            text = "\x7f"
        if text.isascii() and "\x7f" not in text and "cc_" not in text and "eyJ" not in text and _short(text):
            return _pieces(text)
    return [_to_json(_clean(line)) + "\n" for line in lines]


def _pieces(text: str) -> Sequence[str]:
    """Whole lines together that a pipe takes at once; a longer line alone."""
    pieces: list[str] = []
    begin = 0
    while begin < len(text):
        end = (text.rfind("\n", begin, begin + PIPE_BUF) + 1) or (text.index("\n", begin) + 1)
        pieces.append(text[begin:end])
        begin = end
    return pieces


def _is_simple(value: object, depth: int = _DEEPEST) -> bool:
    """Whether JSON holds a value as it is, so that nothing in it is to be left out or shown in another way."""
    if type(value) is not list:
        return type(value) in _SIMPLE
    items = cast("list[object]", value)
    return depth > 0 and len(items) <= _MOST and all(_is_simple(item, depth - 1) for item in items)


def _short(text: str) -> bool:
    """Whether no value in it can be too long."""
    return len(text) <= _LONGEST or max(map(len, text.split("\n"))) <= _LONGEST


def _clean(line: Mapping[str, object]) -> Mapping[str, object]:
    return {name: redact(value) if isinstance(value, str) else _plain(value, _DEEPEST) for name, value in line.items()}


def _plain(value: object, depth: int) -> object:
    """The value as JSON can hold it, its texts redacted and its lists cut; what is too deep or no JSON is shown as Python shows it."""
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping) and depth:
        pairs = cast(Mapping[object, object], value).items()
        return {redact(str(name)): _plain(inner, depth - 1) for name, inner in islice(pairs, _MOST)}
    if isinstance(value, list | tuple) and depth:
        return [_plain(inner, depth - 1) for inner in islice(cast(Sequence[object], value), _MOST)]
    return redact(value if isinstance(value, str) else f"{value!r}")


def _to_json(line: object) -> str:
    try:
        text = _encode(line).decode()
    except UnicodeEncodeError:  # half of a surrogate pair
        text = json.dumps(line)
    if not text.isascii() or "\x7f" in text:
        text = _MOVING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return _hidden(text)


def kind_of(event: str, level: str, values: Mapping[str, object]) -> Kind | None:
    """What kind of failure, or of crowd, a line tells of; None: of none, so it is always written."""
    status = values.get("status")
    failed = isinstance(status, int) and status >= 400
    if not failed and event not in _CROWDS and level in ("debug", "info") and values.keys().isdisjoint(_FAILED):
        return None
    codes = [(name, values[name]) for name in _CODES if name in values]
    failure = values.get("exc_info")
    return (("event", event), ("level", level), *codes, *((("exception", type(failure).__name__),) if failure else ()))


@dataclass(slots=True)
class Slot:
    """A kind of failure within its minute."""

    since: float
    written: int = 0
    waiting: int = 0


class Repeats:
    """So many lines a minute of each kind of failure; what comes beyond is counted. Memory is bounded whatever strangers cause."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        """``most`` 0: every line. ``clock`` is monotonic, in seconds."""
        self._most = most
        self._clock = clock
        self._slots: dict[Kind, Slot] = {}
        self._lock = Lock()

    @property
    def counting(self) -> bool:
        """Whether there was a failure of late."""
        return bool(self._slots)

    def passes(self, kind: Kind | None) -> bool:
        """Whether this line is to be written; otherwise it is counted."""
        if kind is None or not self._most:
            return True
        with self._lock:
            if kind not in self._slots and len(self._slots) >= _KINDS:
                kind = kind[:2]
            slot = self._slots.setdefault(kind, Slot(self._clock()))
            if slot.written < self._most:
                slot.written += 1
                return True
            slot.waiting += 1
            return False

    def sums(self, *, rest: bool = False) -> Sequence[tuple[Kind, int]]:
        """What was counted in minutes that are over, or in all. Slots stand in the order of their beginning."""
        found: list[tuple[Kind, int]] = []
        with self._lock:
            while self._slots:
                kind, slot = next(iter(self._slots.items()))
                if not rest and self._clock() - slot.since < _MINUTE:
                    break
                del self._slots[kind]
                found += [(kind, slot.waiting)] if slot.waiting else []
        return found


class Log:
    """Writes one line per call, but of failures that repeat themselves; a line that cannot be written never fails a request."""

    def __init__(
        self,
        level: str = "info",
        stream: TextIO | None = None,
        *,
        repeats: int = 0,
        clock: Callable[[], float] = time.monotonic,
        grouped: bool = False,
    ) -> None:
        """``level`` is the least weight that is written, ``repeats`` how many lines a minute one kind of failure has; 0: all.

        ``grouped``: the lines of one pass of the loop leave together, unless one of them says that something is wrong.
        """
        self._weight = _WEIGHTS[level]
        self._repeats = Repeats(repeats, clock)
        self._stream = stream or sys.stderr
        self._grouped = grouped
        self._lines: deque[Mapping[str, object]] = deque()
        self._lock = Lock()

    def __call__(self, event: str, *, level: str = "info", **values: object) -> None:
        """One line: what happened, and what goes with it. Before it come the sums of failures whose minute is over."""
        if _WEIGHTS[level] < self._weight:
            return
        if self._repeats.counting:
            self.sum_up()
        kind = kind_of(event, level, values)
        if kind is None or self._repeats.passes(kind):
            self._write(event, level, values)

    def sum_up(self, *, rest: bool = False) -> None:
        """One line, with a ``count``, for each kind of failure that was too frequent in a minute that is over, or ``rest``: by now."""
        for kind, count in self._repeats.sums(rest=rest):
            codes = dict(kind)
            self._write(str(codes.pop("event")), str(codes.pop("level")), {**codes, "count": count})
        if rest:
            self.flush()

    def _write(self, event: str, level: str, values: Mapping[str, object]) -> None:
        line = {"level": level, **values, "event": event, "timestamp": datetime.now(UTC)}
        if "exc_info" in line:
            line |= _told(line.pop("exc_info"))
        self._lines.append(line)
        waiting = len(self._lines)
        if not self._grouped or waiting >= _GROUP or _WEIGHTS[level] > _WEIGHTS["info"]:
            self.flush()
        elif waiting == 1:
            self._flush_soon()

    def _flush_soon(self) -> None:
        """At the end of this pass of the loop; where there is none, now."""
        try:
            asyncio.get_running_loop().call_soon(self.flush)
        except RuntimeError:
            self.flush()

    def flush(self) -> None:
        """Write what waits, in pieces that no other process can come into the middle of, on a pipe that they share (POSIX, write)."""
        with self._lock:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
        try:
            for text in _texts(lines) if lines else ():
                self._stream.write(text)
                self._stream.flush()
        except (OSError, ValueError):
            return


def _told(failure: object) -> Mapping[str, object]:
    """What a traceback says; ``failure`` is an exception, or true for the one that is being handled."""
    error = failure if isinstance(failure, BaseException) else sys.exception() if failure else None
    return {"exception": _ends("".join(traceback.format_exception(error)).rstrip("\n"))} if error is not None else {}


def _ends(text: str) -> str:
    """A traceback as long as a line can carry: its end says what went wrong, so what is left out is its middle."""
    text = _hidden(text)  # first: the rest of a credential that was cut could not be told from any text
    return text if len(text) <= _LONGEST else text[:_BEGINNING] + _LEFT_OUT + text[_BEGINNING + len(_LEFT_OUT) - _LONGEST :]


class Relay(logging.Handler):
    """What libraries log, as lines of ours: one each, without credentials."""

    def __init__(self, log: Callable[..., None]) -> None:
        """``log`` is what writes a line."""
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Say who said what."""
        level = "error" if record.levelno >= logging.ERROR else "warning"
        failure = record.exc_info[1] if record.exc_info else None
        more = {"exc_info": failure} if failure else {}
        self._log("library", level=level, logger=record.name, said=record.getMessage(), **more)
