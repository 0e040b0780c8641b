"""``calling-card migrate``: bring the database to the schema that this version knows, before anything serves on it."""

import click

from calling_card.cli.desk import Desk, run, say, with_desk


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@with_desk
def migrate(desk: Desk, dry_run: bool) -> None:
    """Bring the database to the newest schema; the server does the same when it starts.

    An SQLite file is copied beside itself first. Of several nodes on one PostgreSQL database one migrates and the others wait.

    \b
    Examples:
      calling-card migrate --dry-run
      CALLING_CARD_DATABASE=postgresql://calling_card@db.internal/cards calling-card migrate
    """
    from calling_card.wiring import migrated

    async def work() -> None:
        climb = await migrated(desk.settings, dry=dry_run)
        told = {"version": climb.version, "newest": climb.newest, "backup": climb.backup, "dry_run": dry_run}
        say(desk, told, _sentence(climb.version, climb.newest, climb.backup, dry=dry_run))

    run(work())


def _sentence(version: int, newest: int, backup: str, *, dry: bool) -> str:
    """What happened, or would, for people."""
    if version == newest:
        return f"the database has schema {version}, the newest that this version knows"
    done = "would bring" if dry else "brought"
    copied = f"; a copy of it as it was {'would be' if dry else 'is'} {backup}" if backup else ""
    return f"{done} the database from schema {version} to {newest}{copied}"
