"""``calling-card user``: the people who can sign in (A-84)."""

import sys

import click

from calling_card.cli.desk import Desk, lines, of_folder, reading, run, say, with_desk

ROLES = ("none", "viewer", "operator", "owner")


@click.group()
def user() -> None:
    """People: who can sign in."""


@user.command("add")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input; without this one is made and printed.")
@click.option("--email", default="", help="E-mail address, for the claim email.")
@click.option("--full-name", default="", help="Name that is shown, for the claim name.")
@click.option("--role", type=click.Choice(ROLES), default="none", show_default=True, help="What the person may do to this server.")
@with_desk
def user_add(desk: Desk, name: str, *, password_stdin: bool, email: str, full_name: str, role: str) -> None:
    """Let somebody sign in.

    \b
    Examples:
      calling-card user add alice --email alice@example.com --full-name "Alice Example"
      calling-card user add bob --role operator --password-stdin < password.txt
    """
    from calling_card.protocol.persons.people import Role
    from calling_card.usecases.people.operate import Wanted, add
    from calling_card.wiring import opened, operator_name

    password = _typed() if password_stdin else ""
    claims = {name: value for name, value in (("name", full_name), ("email", email)) if value}

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            made = await add(ports, Wanted(name, password, dict(claims), Role(role), operator_name()))
        answer = {"name": made.person.name, "sub": made.person.subject, "role": made.person.role.value}
        if made.password:
            answer["password"] = made.password
        say(desk, answer, "\n".join(f"{label:10} {value}" for label, value in answer.items()))

    run(work())


@user.command("list")
@with_desk
def user_list(desk: Desk) -> None:
    """List the people."""
    from calling_card.protocol.clients import Card
    from calling_card.usecases.people.operate import people
    from calling_card.wiring import opened

    async def work() -> None:
        rows: list[Card] = []
        async with opened(reading(desk)) as ports:
            while found := await people(ports, str(rows[-1]["name"]) if rows else "", 500):
                rows += found
        shown = lines([row["name"], row["role"], "active" if row["active"] else "disabled", row["sub"]] for row in rows)
        say(desk, rows, shown or "nobody yet; calling-card user add NAME")

    run(work())


@user.command("disable")
@click.argument("name")
@with_desk
def user_disable(desk: Desk, name: str) -> None:
    """Keep somebody out: every session and token of theirs is dead at once."""
    _set_active(desk, name, active=False)


@user.command("enable")
@click.argument("name")
@with_desk
def user_enable(desk: Desk, name: str) -> None:
    """Let somebody in again who was disabled."""
    _set_active(desk, name, active=True)


@user.command("reset")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input; without this one is made and printed.")
@click.option("--passkeys", is_flag=True, help="Also forget every passkey: somebody else may have added one.")
@with_desk
def user_reset(desk: Desk, name: str, *, password_stdin: bool, passkeys: bool) -> None:
    """Give somebody another password: every session and token of theirs is dead at once."""
    from calling_card.usecases.people.operate import reset
    from calling_card.wiring import opened, operator_name

    password = _typed() if password_stdin else ""

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            made = await reset(ports, name, password, operator_name(), passkeys=passkeys)
        answer = {"name": made.person.name} | ({"password": made.password} if made.password else {})
        say(desk, answer, "\n".join(f"{label:10} {value}" for label, value in answer.items()))

    run(work())


def _set_active(desk: Desk, name: str, *, active: bool) -> None:
    from calling_card.usecases.people.operate import set_active
    from calling_card.wiring import opened, operator_name

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            row = await set_active(ports, name, operator_name(), active=active)
        say(desk, row, f"{row['name']} is {'active' if active else 'disabled'}")

    run(work())


def _typed() -> str:
    """The first line of standard input."""
    typed = sys.stdin.readline().rstrip("\r\n")
    if not typed:
        raise click.UsageError("--password-stdin: standard input holds no password")
    return typed
