"""The heads of the audit chains, written down beside the keyring: what was cut from the database since then shows (X-58)."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from calling_card.keys.alone import alone


def read(path: Path) -> Mapping[bytes, tuple[int, bytes]]:
    """Writer to newest event, as last written down; empty when there is no file. Raises `ValueError` when it is damaged."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    try:
        return {bytes.fromhex(writer): (int(number), bytes.fromhex(mac)) for writer, (number, mac) in rows.items()}
    except (AttributeError, TypeError) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from None


def write(path: Path, heads: Mapping[bytes, tuple[int, bytes]]) -> Mapping[bytes, tuple[int, bytes]]:
    """Replace the file, but for heads that are as far in it already: processes undo nothing of each other, and what was altered shows.

    Returns what is in it now.
    """
    with alone(path.parent):
        kept = dict(read(path))
        for writer, head in heads.items():
            if head[0] > kept.get(writer, (0, b""))[0]:
                kept[writer] = head
        _replace(path, kept)
    return kept


def begin_again(path: Path, heads: Mapping[bytes, tuple[int, bytes]]) -> None:
    """Replace the file as a whole: what it said of before is known to be lost."""
    with alone(path.parent):
        _replace(path, heads)


def write_text(path: Path, text: str) -> None:
    """Replace a file beside the heads, as a whole and for our eyes alone."""
    with alone(path.parent):
        _put(path, text)


def _replace(path: Path, heads: Mapping[bytes, tuple[int, bytes]]) -> None:
    _put(path, json.dumps({writer.hex(): [number, mac.hex()] for writer, (number, mac) in sorted(heads.items())}))


def _put(path: Path, text: str) -> None:
    """As a whole and durably, never readable by others."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
