"""``calling-card prune``: dead clients go, and can be brought back for a while (S4-05, X-34)."""

import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import click

from calling_card.cli.desk import Desk, lines, of_folder, reading, run, say, with_desk

if TYPE_CHECKING:
    from calling_card.protocol.clients import Card
    from calling_card.usecases.prune import Report


@click.group(invoke_without_command=True)
@click.option("--dry-run", is_flag=True, help="Only say what would go, and why.")
@with_desk
def prune(desk: Desk, *, dry_run: bool) -> None:
    """Put dead clients aside and sweep up what has ended; the settings prune_… say who is dead.

    Clients that an operator made or suspended, that were used lately, have a living grant or a code that waits are never touched.

    \b
    Examples:
      calling-card prune --dry-run
      calling-card prune
      calling-card prune undo --all
    """
    from calling_card.usecases.prune import dry_run as dry_run_use_case
    from calling_card.usecases.prune import prune as prune_use_case
    from calling_card.wiring import opened, operator_name

    context = click.get_current_context()
    if context.invoked_subcommand is not None:
        if any(context.params.values()):
            raise click.UsageError(f"say the options behind {context.invoked_subcommand}")
        return

    async def work() -> None:
        async with opened(reading(desk) if dry_run else of_folder(desk)) as ports:
            report = await _watched(dry_run_use_case(ports) if dry_run else prune_use_case(ports, operator_name()))
            days = ports.settings.prune_undo_days
        shown: Card = {**report.shown(), "dry_run": dry_run}
        say(desk, shown, _as_text(report, _outlook(dry_run=dry_run, days=days if report.dead else 0)))

    run(work())


@prune.command("list")
@with_desk
def prune_list(desk: Desk) -> None:
    """List the pruned clients that can be brought back."""
    from calling_card.usecases.prune import aside
    from calling_card.wiring import opened

    async def work() -> None:
        rows: list[Card] = []
        async with opened(reading(desk)) as ports:
            while found := await aside(ports, str(rows[-1]["client_id"]) if rows else "", 500):
                rows += found
        shown = lines([row[name] for name in ("client_id", "class", "pruned_at", "until", "client_name")] for row in rows)
        say(desk, rows, shown or "no pruned client can be brought back")

    run(work())


@prune.command("undo")
@click.argument("client_id", required=False)
@click.option("--all", "everybody", is_flag=True, help="Every client that can be brought back.")
@with_desk
def prune_undo(desk: Desk, client_id: str | None, *, everybody: bool) -> None:
    """Bring pruned clients back: their credentials work again, what people allowed them is gone.

    \b
    Examples:
      calling-card prune undo c3kq0VnXWmM
      calling-card prune undo --all
    """
    from calling_card.usecases.prune import undo, undo_all
    from calling_card.wiring import opened, operator_name

    if (client_id is None) != everybody:
        raise click.UsageError("say a CLIENT_ID or --all")

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            if client_id is not None:
                row = await undo(ports, client_id, operator_name())
                say(desk, row, f"{client_id} is back")
            else:
                count = await undo_all(ports, operator_name())
                say(desk, {"brought_back": count}, f"{count} {'client is' if count == 1 else 'clients are'} back")

    run(work())


async def _watched(reports: "AsyncIterator[Report]") -> "Report":
    """The last report; somebody at a terminal sees on the way how far it is."""
    from calling_card.usecases.prune import Report

    report, watched = Report(), sys.stderr.isatty()
    async for report in reports:
        if watched:
            click.echo(f"\r{report.seen} clients, {report.total} dead", err=True, nl=False)
    if watched:
        click.echo("\r\033[K", err=True, nl=False)
    return report


def _as_text(report: "Report", outlook: str) -> str:
    from calling_card.protocol.life.pruning import MEANINGS

    rows: list[tuple[object, ...]] = [("clients", report.seen), ("dead", report.total)]
    for name, found in report.dead.items():
        alike = (f"{found.alike} say the same.",) if found.alike > 1 else ()
        rows.append((f"  {name}", found.count, MEANINGS[name], *alike))
        rows.extend(("   ", client.client_id) for client in found.samples)
    rows.append(("kept", report.kept.total()))
    rows.extend((f"  {name}", count, MEANINGS[name]) for name, count in sorted(report.kept.items()))
    rows.extend(("swept", name, count) for name, count in report.swept.items() if count)
    return "\n".join([lines(rows), *filter(None, [outlook])])


def _outlook(*, dry_run: bool, days: int) -> str:
    if dry_run:
        return "nothing was changed"
    return f"for {days} days: calling-card prune undo CLIENT_ID, or --all" if days else ""
