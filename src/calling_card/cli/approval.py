"""``calling-card client approve``, ``refuse`` and ``test-person``: clients that wait for approval (A-88)."""

from typing import TYPE_CHECKING, TypeVar

import click

from calling_card.cli.addresses import by_discovery
from calling_card.cli.desk import Desk, lines, of_folder, reading, run, say, with_desk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from calling_card.ports import Ports
    from calling_card.protocol.clients import Card

_LONGEST = 200
T = TypeVar("T")


def note(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """A text that people and the client will read: nothing in it moves the cursor or hides (X-56)."""
    del context, parameter
    if not value.isprintable() or len(value) > _LONGEST:
        raise click.BadParameter(f"say it in one line of at most {_LONGEST} printable characters")
    return value


@click.command("approve")
@click.argument("client_id")
@click.option("--note", callback=note, default="", help="Why, for the audit trail.")
@click.option("--card", default="", help="Only if it still is what client show showed under card.")
@by_discovery
@with_desk
def approve(desk: Desk, client_id: str, *, note: str, card: str, discovery: bool) -> None:
    """Let a client act that waits for approval.

    What it is now is approved: when it changes and its rules say so, it waits again. It may have changed since you looked at it;
    with --card such a client is not approved.

    \b
    Examples:
      calling-card client approve c3kq0VnXWmM
      calling-card client approve c3kq0VnXWmM --note "spoke with its makers"
      calling-card client approve c3kq0VnXWmM --card 5f2b0c9ad1e84736a90cc2e1b7d4f083
    """
    from calling_card.usecases.approve import Verdict
    from calling_card.usecases.approve import approve as approve_use_case
    from calling_card.wiring import operator_name

    _say(desk, approve_use_case, Verdict(client_id, operator_name(), note, discovery, card), f"{client_id} is approved")


@click.command("refuse")
@click.argument("client_id")
@click.option("--note", callback=note, default="", help="Why; the client can read it.")
@by_discovery
@with_desk
def refuse(desk: Desk, client_id: str, *, note: str, discovery: bool) -> None:
    """Refuse a client that waits for approval; everything it had ends.

    The client can read why, until it is deleted. With client resume it waits again.

    \b
    Example:
      calling-card client refuse c3kq0VnXWmM --note "the redirect URI is not yours"
    """
    from calling_card.usecases.approve import Verdict
    from calling_card.usecases.approve import refuse as refuse_use_case
    from calling_card.wiring import operator_name

    _say(desk, refuse_use_case, Verdict(client_id, operator_name(), note, discovery), f"{client_id} is refused")


@click.group("test-person")
def test_person() -> None:
    """Who may use a client while it waits for approval, besides whoever registered it."""


@test_person.command("list")
@click.argument("client_id")
@by_discovery
@with_desk
def test_person_list(desk: Desk, client_id: str, *, discovery: bool) -> None:
    """List the test persons of a client."""
    from calling_card.usecases.approve import who_may_try
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(reading(desk)) as ports:
            rows = await who_may_try(ports, client_id, discovery=discovery)
        say(desk, list(rows), lines([row[name] for name in ("name", "sub")] for row in rows))

    run(work())


@test_person.command("add")
@click.argument("client_id")
@click.argument("name")
@by_discovery
@with_desk
def test_person_add(desk: Desk, client_id: str, name: str, *, discovery: bool) -> None:
    """Let a person use a client while it waits for approval.

    \b
    Example:
      calling-card client test-person add c3kq0VnXWmM alice
    """
    from calling_card.usecases.approve import Named, add_test_person
    from calling_card.wiring import operator_name

    _say(desk, add_test_person, Named(client_id, name, operator_name(), discovery), f"{name} may use {client_id} while it waits")


@test_person.command("remove")
@click.argument("client_id")
@click.argument("name")
@by_discovery
@with_desk
def test_person_remove(desk: Desk, client_id: str, name: str, *, discovery: bool) -> None:
    """Take that back; the client's access in the name of this person is dead at once, until it is approved."""
    from calling_card.usecases.approve import Named, remove_test_person
    from calling_card.wiring import operator_name

    _say(desk, remove_test_person, Named(client_id, name, operator_name(), discovery), f"{name} may not use {client_id} while it waits")


def _say(desk: Desk, use_case: "Callable[[Ports, T], Awaitable[Card]]", said: T, text: str) -> None:
    """Carry out one use case on the data folder and print what became of the client."""
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            row = await use_case(ports, said)
        say(desk, row, text)

    run(work())
