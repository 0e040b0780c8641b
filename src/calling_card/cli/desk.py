"""What every command shares: where the data is, how an answer is printed, which exit code a failure has."""

import asyncio
import functools
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Concatenate, NoReturn, ParamSpec

import click

from calling_card.settings import BadSettings, Settings, complete, load

REFUSED, USAGE, UNREACHABLE = 1, 2, 3
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
    """Print an answer: JSON when asked for, else a text for people."""
    click.echo(json.dumps(value, ensure_ascii=False) if desk.json else text)


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
