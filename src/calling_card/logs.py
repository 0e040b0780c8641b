"""Structured log lines as JSON, from which credentials are taken out by their prefixes (X-39, X-56)."""

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from itertools import islice
from typing import TextIO, cast

import msgspec
import structlog

_CREDENTIAL = re.compile(r"cc_([a-z]+)_[A-Za-z0-9_.-]+|eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
_MOVING = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters and line ends that JSON need not escape, and turns of direction."""
_LONGEST = 2000
_MOST = 50
_DEEPEST = 4
_WEIGHTS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def redact(text: str) -> str:
    """The text without credentials, cut to a length that a line can carry."""
    return _hidden(text)[:_LONGEST]


def _hidden(text: str) -> str:
    if "cc_" in text or "eyJ" in text:
        return _CREDENTIAL.sub(lambda found: f"cc_{found[1]}_..." if found[1] else "jwt...", text)
    return text


def _clean(logger: object, method: str, line: MutableMapping[str, object]) -> MutableMapping[str, object]:
    del logger, method
    return {name: redact(value) if isinstance(value, str) else _plain(value, _DEEPEST) for name, value in line.items()}


def _plain(value: object, depth: int) -> object:
    """The value as JSON can hold it, its texts redacted and its lists cut; what is too deep or no JSON is shown as Python shows it."""
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, Mapping) and depth:
        pairs = cast(Mapping[object, object], value).items()
        return {redact(str(name)): _plain(inner, depth - 1) for name, inner in islice(pairs, _MOST)}
    if isinstance(value, list | tuple) and depth:
        return [_plain(inner, depth - 1) for inner in islice(cast(Sequence[object], value), _MOST)]
    return redact(value if isinstance(value, str) else f"{value!r}")


def _to_json(line: object, **_: object) -> str:
    try:
        text = msgspec.json.encode(line).decode()
    except UnicodeEncodeError:  # half of a surrogate pair
        text = json.dumps(line)
    if not text.isascii() or "\x7f" in text:
        text = _MOVING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return _hidden(text)


class Log:
    """Writes one line per call; a line that cannot be written never fails a request."""

    def __init__(self, level: str = "info", stream: TextIO | None = None) -> None:
        """``level`` is the least weight that is written."""
        self._weight = _WEIGHTS[level]
        self._logger = structlog.wrap_logger(
            structlog.PrintLogger(stream or sys.stderr),
            processors=[
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                _clean,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
            wrapper_class=structlog.BoundLogger,
        )

    def __call__(self, event: str, *, level: str = "info", **values: object) -> None:
        """One line: what happened, and what goes with it."""
        if _WEIGHTS[level] < self._weight:
            return
        try:
            self._logger.msg(event, level=level, **values)
        except (OSError, ValueError):
            return


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
