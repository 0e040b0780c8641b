"""The file in which an operator names the issuers of software statements, with the keys that lie beside it."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from calling_card.settings import BadSettings


def read(file: Path) -> list[object]:
    """What is written about each issuer, key sets and secrets read from where it says. Raises `BadSettings`."""
    try:
        written = tomllib.loads(_text(file))
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"statement_issuers_file: {file}: {error}") from None
    issuers = written.get("statement_issuers")
    if set(written) != {"statement_issuers"} or not isinstance(issuers, list):
        raise BadSettings(f"statement_issuers_file: {file}: must have [[statement_issuers]] and nothing beside it")
    return [_with_keys(file.parent, one) for one in cast("list[object]", issuers)]


def _with_keys(folder: Path, one: object) -> object:
    if not isinstance(one, dict):
        return one
    said = dict(cast("Mapping[str, object]", one))
    jwks, secret = said.get("jwks"), said.get("secret")
    if isinstance(jwks, str):
        said["jwks"] = _json(folder / jwks)
    if isinstance(secret, str):
        said["secret"] = _text(folder / secret).strip()
    return said


def _json(file: Path) -> object:
    try:
        value: object = json.loads(_text(file))
    except ValueError:
        raise BadSettings(f"statement_issuers_file: {file}: is not JSON") from None
    return value


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"statement_issuers_file: {file}: {getattr(error, 'strerror', None) or 'is not UTF-8'}") from None
