"""``calling-card backup`` and ``calling-card restore`` (F12, A-93)."""

from pathlib import Path

import click

from calling_card.cli.desk import REFUSED, UNREACHABLE, USAGE, Desk, fail, of_folder, run, say, with_desk
from calling_card.protocol.clients import JSON
from calling_card.settings import Settings

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--with-keyring", is_flag=True, help="Put the keyring into it, under a passphrase; without this it is left out.")
@click.option("--passphrase-file", type=_FILE, help="File whose first line is the passphrase.  [default: ask]")
@with_desk
def backup(desk: Desk, file: Path, *, with_keyring: bool, passphrase_file: Path | None) -> None:
    """Copy the database of a running server to FILE, and check the copy: every page, every event of the audit.

    \b
    Examples:
      calling-card backup /backups/monday.sqlite3
      calling-card backup /backups/monday.sqlite3 --with-keyring --passphrase-file /etc/calling-card/passphrase
    """
    from calling_card.archive import BadBackup, back_up

    settings = of_folder(desk)
    passphrase = _passphrase(passphrase_file, confirm=True) if with_keyring else ""

    async def work() -> None:
        try:
            saved = await back_up(settings, file, passphrase)
        except BadBackup as bad:
            fail(str(bad), REFUSED)
        answer = {"file": str(file), "bytes": saved.size, "events": saved.events, "schema": saved.schema, "keyring": saved.keyring}
        kept = "in it, under the passphrase" if saved.keyring else "not in it; copy keyring.json to another place"
        say(desk, answer, f"{file}: {saved.size} bytes, {saved.events} events hold; the keyring is {kept}")

    run(work())


@click.command()
@click.argument("file", type=_FILE, required=False)
@click.option("--keyring", type=_FILE, help="Copy of keyring.json.  [default: the one in the data folder, or in the backup]")
@click.option("--passphrase-file", type=_FILE, help="File whose first line is the passphrase of the keyring in the backup.  [default: ask]")
@click.option("--events", type=_FILE, help="Output of calling-card audit export: what ended since the backup is ended again.")
@click.option("--keep-initial", is_flag=True, help="Leave initial access tokens their uses.")
@click.option("--accept-loss", is_flag=True, help="Without FILE: take the database that is there as it is, though it is too old.")
@click.option("--force", is_flag=True, help="Put the backup in the place of what is in the data folder; that is kept beside it.")
@with_desk
def restore(  # noqa: PLR0913 - one for each option
    desk: Desk,
    file: Path | None,
    keyring: Path | None,
    passphrase_file: Path | None,
    events: Path | None,
    *,
    keep_initial: bool,
    accept_loss: bool,
    force: bool,
) -> None:
    """Put a backup back. Codes, access and refresh tokens and sessions end; client secrets and registration access tokens go on.

    \b
    Examples:
      calling-card restore /backups/monday.sqlite3 --data /var/lib/calling-card --keyring /safe/keyring.json
      calling-card restore /backups/monday.sqlite3 --data /var/lib/calling-card --events events.jsonl --force
      calling-card restore --accept-loss --data /var/lib/calling-card
    """
    from calling_card import archive
    from calling_card.wiring import operator_name

    if (file is None) != accept_loss:
        fail("name either FILE or --accept-loss", USAGE)
    settings = desk.settings if file is not None else of_folder(desk)
    passphrase = _passphrase(passphrase_file, confirm=False) if passphrase_file else ""

    async def work() -> None:
        try:
            stream = archive.read_stream(events) if events else None
            place = archive.Place(settings, operator_name(), keyring, passphrase, stream, keep_initial, force)
            done = await (archive.accept_loss(place) if file is None else archive.put_back(file, place))
        except archive.BadBackup as bad:
            fail(str(bad), UNREACHABLE)
        row = done.row()
        say(desk, row, _told(row, settings))

    run(work())


def _told(row: dict[str, JSON], settings: Settings) -> str:
    done = row["done"]
    ended = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in (done if isinstance(done, dict) else {}).items() if count)
    lines = [f"{settings.data} is ready to be served", f"ended again: {ended or 'nothing'}"]
    if not row["covered"]:
        lines.append(
            f"{row['lost']} events are lost: clients that changed themselves meanwhile are suspended when they come, until you resume them"
        )
    look_at = row["look_at"]
    lines += [str(line) for line in (look_at if isinstance(look_at, list) else [])]
    lines.append("people sign in again; clients get new tokens with the secrets they have")
    return "\n".join(lines)


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    """From a file or the keyboard, never from the command line (X-39)."""
    if file is None:
        return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))
    try:
        return file.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError, UnicodeDecodeError):
        fail(f"{file} has no passphrase in its first line", USAGE)
