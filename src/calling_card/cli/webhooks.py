"""``calling-card webhook``: who is told of what changes (Standard Webhooks 1.0.0, M-57)."""

import sys
from typing import TYPE_CHECKING

import click

from calling_card.cli.desk import REFUSED, Desk, as_json, fail, lines, of_folder, reading, run, say, with_desk
from calling_card.protocol.life.webhooks import TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from calling_card.protocol.clients import JSON
    from calling_card.protocol.life.webhooks import Webhook
    from calling_card.usecases.webhooks import Added


@click.group()
def webhook() -> None:
    """Webhooks: receivers that are told of what changes, signed as Standard Webhooks has it.

    \b
    Examples:
      calling-card webhook add https://hooks.example.com/clients
      calling-card webhook test ID
    """


@webhook.command("add")
@click.argument("url")
@click.option("--type", "types", multiple=True, metavar="TYPE", help=f"{', '.join(row.name for row in TYPES)}; repeat for more.  [all]")
@click.option("--label", default="", help="What it is for, shown in lists and in the audit trail.")
@with_desk
def webhook_add(desk: Desk, url: str, types: tuple[str, ...], label: str) -> None:
    """Tell a receiver of what changes from here on, and print the secret that its messages are signed with; it is shown once.

    \b
    Examples:
      calling-card webhook add https://hooks.example.com/clients
      calling-card webhook add https://hooks.example.com/approve --type client.approval_wanted --label "approvals"
    """
    from calling_card.usecases.webhooks import add
    from calling_card.wiring import opened, operator_name

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            added = await add(ports, url, types, label, operator_name())
        _say_secret(desk, added)

    run(work())


@webhook.command("list")
@with_desk
def webhook_list(desk: Desk) -> None:
    """List the webhooks, and how they are doing.

    \b
    Example:
      calling-card webhook list --json
    """
    from calling_card.usecases.webhooks import webhooks
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(reading(desk)) as ports:
            rows = await webhooks(ports)
        say(desk, list(rows), lines(_line(row) for row in rows))

    run(work())


@webhook.command("show")
@click.argument("id")
@with_desk
def webhook_show(desk: Desk, id: str) -> None:
    """Show everything known of a webhook but its secret.

    \b
    Example:
      calling-card webhook show 6f1f9c0e2b7d4b0f9d1c3e5a7b9d1f3e
    """
    from calling_card.usecases.webhooks import show
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(reading(desk)) as ports:
            row = await show(ports, id)
        say(desk, row, as_json(row, indent=2))

    run(work())


@webhook.command("test")
@click.argument("id")
@with_desk
def webhook_test(desk: Desk, id: str) -> None:
    """Send a ping now and print what came back; a webhook that was stopped goes on when its receiver takes it.

    \b
    Example:
      calling-card webhook test 6f1f9c0e2b7d4b0f9d1c3e5a7b9d1f3e
    """
    from calling_card.usecases.webhooks import ping
    from calling_card.wiring import opened, operator_name

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            pinged = await ping(ports, id, operator_name())
        outcome = pinged.outcome
        if not outcome.taken and not desk.json:
            fail(f"not taken: {outcome.said}", REFUSED)
        answer = {"taken": outcome.taken, "status": outcome.status, "text": outcome.text, "state": pinged.webhook["state"]}
        say(desk, answer, lines([("taken", outcome.said, *filter(None, [outcome.text]))]))
        if not outcome.taken:
            sys.exit(REFUSED)

    run(work())


@webhook.command("rotate")
@click.argument("id")
@with_desk
def webhook_rotate(desk: Desk, id: str) -> None:
    """Make another signing secret and print it; for a day every message carries a signature by the former one too.

    \b
    Example:
      calling-card webhook rotate 6f1f9c0e2b7d4b0f9d1c3e5a7b9d1f3e
    """
    from calling_card.usecases.webhooks import rotate
    from calling_card.wiring import opened, operator_name

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            added = await rotate(ports, id, operator_name())
        _say_secret(desk, added)

    run(work())


@webhook.command("remove")
@click.argument("id")
@with_desk
def webhook_remove(desk: Desk, id: str) -> None:
    """Send a receiver nothing more.

    \b
    Example:
      calling-card webhook remove 6f1f9c0e2b7d4b0f9d1c3e5a7b9d1f3e
    """
    from calling_card.usecases.webhooks import remove
    from calling_card.wiring import opened, operator_name

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            await remove(ports, id, operator_name())
        say(desk, {"id": id, "removed": True}, f"{id} is gone")

    run(work())


@webhook.command("deliver")
@with_desk
def webhook_deliver(desk: Desk) -> None:
    """Send now what waits, once around; a server that runs does so by itself every two seconds.

    \b
    Example:
      calling-card webhook deliver
    """
    from calling_card.usecases.webhooks import deliver_all
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            rows = await deliver_all(ports, Watched())
        say(desk, list(rows), lines(_line(row) for row in rows) or "nothing waits that may be sent now")

    run(work())


class Watched:
    """Shows somebody at a terminal how far it is."""

    def __init__(self) -> None:
        self._tries, self._watched = 0, sys.stderr.isatty()

    def __call__(self, webhook: "Webhook") -> None:  # noqa: D102 - the class says it
        self._tries += 1
        if self._watched:
            click.echo(f"\r{self._tries} tries, the last: {webhook.answer[:40]}\033[K", err=True, nl=False)


def _line(row: "Mapping[str, JSON]") -> tuple[object, ...]:
    counted = f"{row['delivered']} delivered, {row['dropped']} dropped"
    trouble = (f"{row['failures']} tries failed, the last: {row['answer']}",) if row["failures"] else ()
    return (row["id"], row["state"], row["url"], counted, *trouble, *filter(None, [row["label"]]))


def _say_secret(desk: Desk, added: "Added") -> None:
    row = added.webhook
    say(desk, {"secret": added.secret, **row}, lines([("id", row["id"]), ("secret", added.secret)]))
