"""What every command shares: where the data is, how an answer is printed, which exit code a failure has."""

import asyncio
import functools
import json
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Concatenate, NoReturn, ParamSpec

import click

from calling_card.settings import BadSettings, Settings, complete, load

REFUSED, USAGE, UNREACHABLE = 1, 2, 3
_LIFETIME = re.compile(r"([0-9]{1,12})([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_CENTURY = 36525 * 86400
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Desk:
    """The options that every command takes."""

    settings: Settings
    named: bool
    """Whether an issuer was given, not only assumed."""
    json: bool


def with_desk(command: Callable[Concatenate[Desk, P], None]) -> Callable[..., None]:
    """Give a command ``--data``, ``--config``, ``--issuer`` and ``--json``, and the `Desk` they make."""

    @click.option("--data", help="Folder of the database and the keyring.  [default: ./calling-card-data]")
    @click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings.")
    @click.option("--issuer", help="Issuer URL, if it is not the one of the data folder.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @functools.wraps(command)
    def wrapped(data: str | None, config: Path | None, issuer: str | None, as_json: bool, *args: P.args, **kwargs: P.kwargs) -> None:
        settings = settings_from({"data": data, "issuer": issuer}, config)
        assumed = complete(replace(settings, issuer="")).issuer
        command(Desk(settings, issuer is not None or settings.issuer != assumed, as_json), *args, **kwargs)

    return wrapped


def lifetime(context: click.Context, parameter: click.Parameter, value: str) -> int:
    """Seconds of a text like ``7d``, ``12h``, ``30m`` or ``never``."""
    del context, parameter
    if value == "never":
        return 0
    found = _LIFETIME.fullmatch(value)
    if not found or not 0 < (seconds := int(found[1]) * _UNITS[found[2]]) <= _CENTURY:
        raise click.BadParameter("say a number with s, m, h or d, for example 7d, at most a hundred years, or never")
    return seconds


def settings_from(flags: Mapping[str, object], config: Path | None) -> Settings:
    """The settings, or the end of the process with the reason."""
    try:
        return load(flags, file=config)
    except BadSettings as error:
        fail(str(error), USAGE)


def fail(message: str, code: int) -> NoReturn:
    """End with a message on standard error."""
    click.echo(f"calling-card: {message}", err=True)
    sys.exit(code)


def say(desk: Desk, value: object, text: str) -> None:
    """Print an answer: JSON when asked for, else a text for people; that a list is empty is told apart from what is piped."""
    if desk.json or text:
        click.echo(as_json(value) if desk.json else text)
    else:
        click.echo("there is none", err=True)


def as_json(value: object, indent: int | None = None) -> str:
    """JSON in which every character that a terminal would obey or hide is an escape (X-56)."""
    return _escaped(json.dumps(value, ensure_ascii=False, indent=indent), kept="\n")


def lines(rows: Iterable[Iterable[object]]) -> str:
    """A line a row; what others chose to say can neither move the cursor nor begin a line of its own (X-56)."""
    return "\n".join("  ".join(_escaped(str(value)) for value in row) for row in rows)


def _escaped(text: str, kept: str = "") -> str:
    return "".join(char if char.isprintable() or char in kept else _escape(ord(char)) for char in text)


def _escape(number: int) -> str:
    """One character as JSON writes it; beyond 16 bits as a pair of surrogates (RFC 8259 §7)."""
    if number < 0x10000:
        return f"\\u{number:04x}"
    return f"\\u{0xD800 + (number - 0x10000 >> 10):04x}\\u{0xDC00 + (number - 0x10000 & 0x3FF):04x}"


def run(work: Awaitable[None]) -> None:
    """Run a command's work; refusals and unreachable stores end the process with their exit code."""
    from calling_card.protocol.errors import Refusal
    from calling_card.wiring import UNREACHABLE as CANNOT_BE_USED

    async def working() -> None:
        await work

    try:
        asyncio.run(working())
    except Refusal as refusal:
        fail(refusal.description, REFUSED)
    except BadSettings as error:
        fail(str(error), USAGE)
    except CANNOT_BE_USED as error:
        fail(str(error), UNREACHABLE)


def of_folder(desk: Desk) -> Settings:
    """The settings with the issuer of the data folder, unless another was named."""
    from calling_card.wiring import UNREACHABLE as CANNOT_BE_USED
    from calling_card.wiring import issuer_of

    try:
        issuer = issuer_of(desk.settings)
    except CANNOT_BE_USED as error:
        fail(str(error), UNREACHABLE)
    if not issuer and not desk.named:
        fail(f"there is no data folder at {desk.settings.data}; start the server first, or name --data or --issuer", UNREACHABLE)
    return desk.settings if desk.named else replace(desk.settings, issuer=issuer)


def reading(desk: Desk) -> Settings:
    """As `of_folder`, for commands that only look: they make no data folder, whatever issuer was named."""
    from calling_card.wiring import UNREACHABLE as CANNOT_BE_USED
    from calling_card.wiring import issuer_of

    try:
        there = issuer_of(desk.settings)
    except CANNOT_BE_USED as error:
        fail(str(error), UNREACHABLE)
    if not there and desk.named:
        fail(f"there is no data folder at {desk.settings.data}; start the server first, or name another with --data", UNREACHABLE)
    return of_folder(desk)
