"""Clients that are a URL: ``resolve``, ``client refetch``, and ``client-metadata`` for their developers (D-52, D-55, D-64, S4-57)."""

from collections.abc import Sequence
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

import click

from calling_card.cli.desk import REFUSED, Desk, as_json, fail, lifetime, lines, of_folder, reading, run, say, with_desk

if TYPE_CHECKING:
    from calling_card.protocol.clients import Card
    from calling_card.usecases.reading import Finding

WORDS = {True: "pass", False: "FAIL", None: "-"}
"""How a rule fared; a rule that was not reached did neither."""

by_discovery = click.option("--discovery", is_flag=True, help="The URL comes with client_discovery=true; without this it is a document's.")


@click.command()
@click.argument("url")
@by_discovery
@with_desk
def resolve(desk: Desk, url: str, *, discovery: bool) -> None:
    """Try a URL as client_id: every rule with pass or fail, and nothing is kept.

    \b
    Examples:
      calling-card resolve https://app.example.com/oauth/client.json
      calling-card resolve https://app.example.com --discovery
    """
    from calling_card.usecases.operate import resolve as resolve_use_case
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(reading(desk)) as ports:
            resolved = await resolve_use_case(ports, url, discovery=discovery)
        known = f"known here, {resolved.state}" if resolved.state else "not known here yet"
        _report(desk, url, resolved.findings, {"state": resolved.state or "unknown"}, known)

    run(work())


@click.command()
@click.argument("client_id")
@by_discovery
@with_desk
def refetch(desk: Desk, client_id: str, *, discovery: bool) -> None:
    """Read the document of a client that is a URL again, now; what changed in it counts at once.

    \b
    Example:
      calling-card client refetch https://app.example.com/oauth/client.json
    """
    from calling_card.usecases.operate import refetch as refetch_use_case
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            row = await refetch_use_case(ports, client_id, discovery=discovery)
        say(desk, row, as_json(row, indent=2))

    run(work())


@click.group("client-metadata")
def client_metadata() -> None:
    """For developers: documents by which clients introduce themselves."""


@client_metadata.command("check")
@click.argument("url")
@by_discovery
@click.option("--loopback", is_flag=True, help="Also read it from this machine, by http too.")
@with_desk
def check(desk: Desk, url: str, *, discovery: bool, loopback: bool) -> None:
    """Say whether a published document is good: every rule with pass or fail. No server is needed.

    \b
    Examples:
      calling-card client-metadata check https://app.example.com/oauth/client.json
      calling-card client-metadata check https://app.example.com/.well-known/client-metadata
      calling-card client-metadata check http://localhost:3000/client.json --loopback
    """
    from calling_card.usecases.publish import check as check_use_case
    from calling_card.wiring import opened

    async def work() -> None:
        with TemporaryDirectory(prefix="calling-card-") as folder:
            nowhere = replace(desk.settings, data=folder, fetch_loopback=loopback or desk.settings.fetch_loopback)
            async with opened(nowhere) as ports:
                findings = await check_use_case(ports, url, discovery=discovery)
        _report(desk, url, findings, {}, "")

    run(work())


@client_metadata.command("host")
@click.argument("file", type=click.File("rb"))
@click.option("--expires", callback=lifetime, default="1d", show_default=True, help="Life: a number with s, m, h or d, at most 90d.")
@with_desk
def host(desk: Desk, file: BinaryIO, expires: int) -> None:
    """Put a document on this server while you develop, and print the URL that is the client_id; - reads standard input.

    \b
    Examples:
      calling-card client-metadata host client.json
      calling-card client-metadata host client.json --expires 7d
    """
    from calling_card.usecases.publish import host as host_use_case
    from calling_card.wiring import opened, operator_name

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            made = await host_use_case(ports, file.read(), expires, operator_name())
        notes = [f"{finding.rule}: {finding.detail}" for finding in made.findings if finding.detail]
        say(desk, {"client_id": made.client_id, "expires_at": made.expires_at, "notes": notes}, made.client_id)

    run(work())


@client_metadata.command("drop")
@click.argument("url")
@with_desk
def drop(desk: Desk, url: str) -> None:
    """Take a document off this server again; its client comes no more."""
    from calling_card.usecases.publish import drop as drop_use_case
    from calling_card.wiring import opened, operator_name

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            await drop_use_case(ports, url, operator_name())
        say(desk, {"client_id": url, "state": "dropped"}, f"{url} is gone")

    run(work())


def _report(desk: Desk, url: str, findings: "Sequence[Finding]", more: "Card", known: str) -> None:
    """A line a rule; ends the process with 1 when one is broken."""
    broken = len([finding for finding in findings if finding.passed is False])
    rows = [
        {"rule": one.rule, "section": one.section, "meaning": one.meaning, "passed": one.passed, "detail": one.detail} for one in findings
    ]
    shown = lines([f"{WORDS[one.passed]:4}", one.rule, one.section, one.meaning, *filter(None, [one.detail])] for one in findings)
    text = "\n".join(part for part in (shown, known) if part)
    say(desk, {"client_id": url, "good": broken == 0, **more, "rules": rows}, text)
    if broken:
        fail(f"{broken} {'rule is' if broken == 1 else 'rules are'} broken", REFUSED)
