"""``calling-card export`` and ``calling-card import``: JSON Lines, and clients of other servers."""

import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import click

from calling_card import __version__
from calling_card.cli.desk import REFUSED, USAGE, Desk, as_json, fail, lines, of_folder, reading, run, say, with_desk
from calling_card.protocol.clients import JSON
from calling_card.protocol.moving import hydra, keycloak, node_oidc_provider
from calling_card.protocol.moving.arrivals import Reader, Unmovable
from calling_card.protocol.moving.lines import SORTS, check_header

if TYPE_CHECKING:
    from calling_card.ports import Ports
    from calling_card.usecases.moving import Outcome, Way

READERS: dict[str, Reader] = {
    "hydra": hydra.arrivals,
    "keycloak": keycloak.arrivals,
    "node-oidc-provider": node_oidc_provider.arrivals,
}
_FILE = click.Path(path_type=Path, dir_okay=False)
_EVERY = 10_000
"""Lines between two words of progress."""


@click.command()
@click.argument("file", type=_FILE, required=False)
@click.option("--what", default=",".join(SORTS), show_default=True, help="Sorts, with commas.")
@click.option("--with-passwords", is_flag=True, help="Hashes of people's passwords too.")
@with_desk
def export(desk: Desk, file: Path | None, what: str, *, with_passwords: bool) -> None:
    """Write everything that is not derived as JSON Lines to FILE, or to standard output; never a secret.

    \b
    Examples:
      calling-card export all.jsonl
      calling-card export --what clients,invitations
    """
    from calling_card.usecases.moving import export as walk
    from calling_card.wiring import opened

    sorts = [word.strip() for word in what.split(",")]
    wrong = [word for word in sorts if word not in SORTS]
    if wrong:
        fail(f"--what: {wrong[0]} is none of {', '.join(SORTS)}", USAGE)

    async def work() -> None:
        async with opened(reading(desk)) as ports:
            counted = 0
            with _written(file) as out:
                async for line in walk(ports, sorts, __version__, passwords=with_passwords):
                    out.write(line + b"\n")
                    counted += 1
                    _progress(counted)
        click.echo(f"{counted - 1} lines and a header", err=True)

    run(work())


@click.command("import")
@click.argument("file", type=_FILE)
@click.option("--from", "source", type=click.Choice(sorted(READERS)), help="The file is of another server.  [default: an export]")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--replace", "replaces", is_flag=True, help="Put a client that differs in the place of the one that is here.")
@with_desk
def import_(desk: Desk, file: Path, source: str | None, *, dry_run: bool, replaces: bool) -> None:
    """Take in an export, or the clients of another server with their client_id and secret; what does not fit is named.

    \b
    Examples:
      calling-card import all.jsonl --dry-run
      calling-card import realm.json --from keycloak
      calling-card import clients.json --from hydra --json
    """
    from calling_card.usecases.moving import Way
    from calling_card.wiring import opened, operator_name

    way = Way(operator_name(), source or "export", dry_run=dry_run, replace=replaces)
    counted: Counter[str] = Counter()

    async def work() -> None:
        async with opened(reading(desk) if dry_run else of_folder(desk)) as ports:
            try:
                async for outcome in _outcomes(ports, file, source, way):
                    counted[outcome.did] += 1
                    _report(desk, outcome)
                    _progress(sum(counted.values()))
            except Unmovable as problem:
                fail(f"{file}: {problem}", REFUSED)
        summed = {did: counted[did] for did in ("new", "same", "replaced", "skipped", "refused")}
        say(desk, summed, ("would be: " if dry_run else "") + ", ".join(f"{number} {did}" for did, number in summed.items()))

    run(work())
    if counted["refused"]:
        fail(f"{counted['refused']} did not come in", REFUSED)


async def _outcomes(ports: "Ports", file: Path, source: str | None, way: "Way") -> "AsyncIterator[Outcome]":
    from calling_card.usecases.moving import Outcome, admit, take

    if source is None:
        with _opened(file) as said:
            check_header(said.readline(), ports.settings.issuer, ports.keyring)
            for line in said:
                yield await take(ports, line, way)
        return
    for arrival in READERS[source](_document(file)):
        yield Outcome("client", "", "refused", (str(arrival),)) if isinstance(arrival, Unmovable) else await admit(ports, arrival, way)


def _document(file: Path) -> JSON:
    """A JSON document, or JSON Lines as the list of them."""
    with _opened(file) as said:
        text = said.read().decode("utf-8-sig", "replace")
    try:
        return cast(JSON, json.loads(text))
    except ValueError:
        try:
            return [cast(JSON, json.loads(line)) for line in text.splitlines() if line.strip()]
        except ValueError:
            raise Unmovable("is neither JSON nor JSON Lines") from None


def _opened(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        fail(f"{file}: {error.strerror}", USAGE)


def _written(file: Path | None) -> IO[bytes]:
    """The file for its owner alone, made anew; or standard output."""
    if file is None:
        return os.fdopen(os.dup(1), "wb")
    try:
        return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
    except OSError as error:
        fail(f"{file}: {error.strerror}", USAGE)


def _report(desk: Desk, outcome: "Outcome") -> None:
    """Every line in JSON; for people only what is not as it was said."""
    if desk.json:
        click.echo(as_json(outcome.row()))
    elif outcome.notes:
        click.echo(lines([[outcome.did, outcome.what, outcome.name, "; ".join(outcome.notes)]]))


def _progress(counted: int) -> None:
    if counted % _EVERY == 0:
        click.echo(f"{counted} lines", err=True)
