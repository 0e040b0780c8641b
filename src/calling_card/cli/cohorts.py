"""Many clients at once, and the invitations they came by: ``cohort`` and ``invitation`` (M-39, A-83, R-24)."""

import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from calling_card.cli.desk import REFUSED, Desk, as_json, fail, lines, of_folder, reading, run, say, with_desk
from calling_card.protocol.life.cohorts import CRITERIA, Act

if TYPE_CHECKING:
    from collections.abc import Mapping

    from calling_card.ports import Ports
    from calling_card.usecases.cohorts import Survey, Tally

_SECONDS = re.compile(r"[0-9]{9,12}")
DONE = {Act.SUSPEND: "suspended", Act.REVOKE: "revoked", Act.DELETE: "deleted"}

by_yes = click.option("--yes", is_flag=True, help="Do it. Without this it is only counted and shown.")


def moment(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Seconds since 1970 of a date or a time, in UTC unless it says otherwise."""
    del context, parameter
    if value is None or _SECONDS.fullmatch(value):
        return value
    try:
        said = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("say a date or a time, for example 2026-11-20 or 2026-11-20T09:30Z, or seconds since 1970") from None
    return str(max(0, int((said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp())))


def criteria(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each way to name clients."""
    for row in reversed(CRITERIA):
        flag, reader = "--" + row.name.replace("_", "-"), moment if row.metavar == "TIME" else None
        command = click.option(flag, row.name, metavar=row.metavar, help=row.meaning, callback=reader)(command)
    return command


@click.group()
def cohort() -> None:
    """Many clients at once: those that meet every criterion that is named.

    What the operator made, resource servers among them, is left out unless --door admin is named.
    """


@cohort.command("show")
@criteria
@with_desk
def cohort_show(desk: Desk, /, **where: str | None) -> None:
    """Count the clients that meet the criteria, and show the first of them.

    \b
    Examples:
      calling-card cohort show --software-id 4NRB1-0XZABZI9E6
      calling-card cohort show --redirect-host '*.evil.example' --issued-after 2026-11-20
    """
    from calling_card.usecases.cohorts import survey
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(reading(desk)) as ports:
            found = await survey(ports, _said(where))
        say(desk, asdict(found), _shown(found))

    run(work())


@cohort.command("suspend")
@criteria
@by_yes
@with_desk
def cohort_suspend(desk: Desk, /, *, yes: bool, **where: str | None) -> None:
    """Stop these clients, each until it is resumed; what people allowed them ends, and their access tokens are dead at once.

    \b
    Examples:
      calling-card cohort suspend --redirect-host evil.example
      calling-card cohort suspend --redirect-host evil.example --yes
    """
    _act(desk, Act.SUSPEND, _said(where), yes=yes)


@cohort.command("revoke")
@criteria
@by_yes
@with_desk
def cohort_revoke(desk: Desk, /, *, yes: bool, **where: str | None) -> None:
    """End every token and grant of these clients; they go on, and people are asked again.

    \b
    Example:
      calling-card cohort revoke --software-id 4NRB1-0XZABZI9E6 --yes
    """
    _act(desk, Act.REVOKE, _said(where), yes=yes)


@cohort.command("delete")
@criteria
@by_yes
@with_desk
def cohort_delete(desk: Desk, /, *, yes: bool, **where: str | None) -> None:
    """Delete these clients and everything they had. Clients that are a URL may come again; suspended, they may not.

    \b
    Example:
      calling-card cohort delete --door rfc7591 --issued-before 2026-01-01 --state suspended --yes
    """
    _act(desk, Act.DELETE, _said(where), yes=yes)


@click.group()
def invitation() -> None:
    """Initial access tokens that were made with invite: what they say, and taking them back."""


@invitation.command("list")
@click.option("--after", default="", help="Begin behind this id.")
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True, help="At most so many.")
@with_desk
def invitation_list(desk: Desk, after: str, limit: int) -> None:
    """List the initial access tokens in the order of their ids."""
    from calling_card.usecases.provide import invitations
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(reading(desk)) as ports:
            rows = await invitations(ports, after, limit)
        say(desk, list(rows), lines([row[name] for name in ("id", "state", "uses_left", "owner", "label")] for row in rows))

    run(work())


@invitation.command("show")
@click.argument("id")
@with_desk
def invitation_show(desk: Desk, id: str) -> None:
    """Show what an initial access token allows and how far it is used; never the token."""
    from calling_card.usecases.provide import invitation as invitation_use_case
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(reading(desk)) as ports:
            row = await invitation_use_case(ports, id)
        say(desk, row, as_json(row, indent=2))

    run(work())


@invitation.command("revoke")
@click.argument("id")
@click.option("--with-clients", type=click.Choice([act.value for act in Act]), help="What becomes of those who came in by it.")
@by_yes
@with_desk
def invitation_revoke(desk: Desk, id: str, with_clients: str | None, *, yes: bool) -> None:
    """Take an initial access token back: nobody comes in by it any more. Whom it let in stays, unless --with-clients says otherwise.

    \b
    Examples:
      calling-card invitation revoke 6f1c0c1a9a0d4c2f8e3b5a7d9c1e2f30
      calling-card invitation revoke 6f1c0c1a9a0d4c2f8e3b5a7d9c1e2f30 --with-clients suspend
      calling-card invitation revoke 6f1c0c1a9a0d4c2f8e3b5a7d9c1e2f30 --with-clients delete --yes
    """
    from calling_card.usecases.provide import revoke
    from calling_card.wiring import opened, operator_name

    if yes and with_clients is None:
        raise click.UsageError("--yes goes with --with-clients")

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            row = await revoke(ports, id, operator_name())
        say(desk, row, f"{id} is revoked")

    if with_clients is None:
        run(work())
    else:
        _act(desk, Act(with_clients), {"invitation": id}, yes=yes, invited_by=id)


def _said(where: "Mapping[str, str | None]") -> dict[str, str]:
    return {name: value for name, value in where.items() if value is not None}


def _act(desk: Desk, act: Act, where: dict[str, str], *, yes: bool, invited_by: str = "") -> None:
    """Show what would be done, or do it; an invitation is taken back first, so that nobody comes in behind."""
    from calling_card.usecases.cohorts import survey
    from calling_card.usecases.provide import invitation as invitation_use_case
    from calling_card.usecases.provide import revoke
    from calling_card.wiring import opened, operator_name

    async def look() -> None:
        async with opened(reading(desk)) as ports:
            if invited_by:
                await invitation_use_case(ports, invited_by)
            found = await survey(ports, where)
        say(desk, {"act": act.value, "carried_out": False, **asdict(found)}, f"{_shown(found)}\nnothing was changed; --yes does it")

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            if invited_by:
                await revoke(ports, invited_by, operator_name())
            tally = await _all(ports, where, act)
        text = f"{tally.done} of {tally.clients} clients {DONE[act]}, {tally.already} were so already; cohort {tally.cohort}"
        say(desk, {**asdict(tally), "act": act.value, "carried_out": True}, text)
        if tally.missed:
            fail(f"{len(tally.missed)} were being changed by others; do it again", REFUSED)

    run(work() if yes else look())


async def _all(ports: "Ports", where: dict[str, str], act: Act) -> "Tally":
    """Carry an act out and say on standard error how far it is."""
    from calling_card.usecases.cohorts import Tally, end
    from calling_card.wiring import operator_name

    tally = Tally("", act, 0)
    async for tally in end(ports, where, act, operator_name()):
        if tally.seen:
            click.echo(f"{tally.seen} of {tally.clients}", err=True)
    return tally


def _shown(found: "Survey") -> str:
    """How many there are, of which kinds, and the first of them."""
    kinds = [f"{count} {name}" for counts in (found.states, found.doors) for name, count in counts.items()]
    pruned = [f"{found.aside} pruned that could be brought back"] if found.aside else []
    head = "  ".join([f"{found.clients} clients", *kinds, f"{found.grants_alive} grants", *pruned])
    shown = lines([row[name] for name in ("client_id", "state", "created_by", "client_name")] for row in found.samples)
    return "\n".join(part for part in (head, shown) if part)
