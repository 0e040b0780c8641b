"""Structured log lines as JSON, from which credentials are taken out by their prefixes (X-39, X-56)."""

import re
import sys
from collections.abc import MutableMapping
from typing import TextIO

import msgspec
import structlog

_CREDENTIAL = re.compile(r"cc_([a-z]+)_[A-Za-z0-9_.-]+|eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
_LONGEST = 2000
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
    return {name: redact(value) if isinstance(value, str) else value for name, value in line.items()}


def _to_json(line: object, **_: object) -> str:
    return _hidden(msgspec.json.encode(line, enc_hook=repr).decode())


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
