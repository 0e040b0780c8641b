"""``calling-card policy``: what the operator wrote, read over, explained and tried before it counts (A-87)."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from calling_card.cli.addresses import by_discovery
from calling_card.cli.desk import REFUSED, USAGE, Desk, as_json, fail, lines, reading, run, say, with_desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from calling_card.ports import Ports
    from calling_card.protocol.clients import Card
    from calling_card.protocol.policy import Policy
    from calling_card.usecases.policies import Asked, Explained, Report

DOORS = ("rfc7591", "scr2011", "mastodon", "cimd", "looker")
TIERS = ("anonymous", "url", "token", "vouched")


@click.group()
def policy() -> None:
    """The policy that judges every registration and every change of one."""


@policy.command("check")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@with_desk
def policy_check(desk: Desk, file: Path | None) -> None:
    """Say in sentences what a policy file does, or where its mistake is; without FILE the one that the settings name.

    \b
    Examples:
      calling-card policy check policy.toml
      calling-card policy check --config calling-card.toml --json
    """
    from calling_card.protocol.policy.sentences import sentences

    named = file or (Path(desk.settings.policy_file) if desk.settings.policy_file else None)
    if named is None:
        raise click.UsageError("name a FILE, or one in the setting policy_file; without any the built-in rules count alone")
    found = _written(desk, named)
    told = list(sentences(found))
    answer = {"name": found.name, "digest": found.digest, "rules": [{"place": place, "does": does} for place, does in told]}
    rows = [(f"{place}:", does) for place, does in told]
    say(desk, answer, lines([("policy", found.name, found.digest), *rows]))


def _written(desk: Desk, file: Path) -> "Policy":
    """The policy of a file, or the end of the process with the mistake in it."""
    from calling_card.protocol.policy.written import BadPolicy
    from calling_card.wiring import written_policy

    try:
        return written_policy(desk.settings, file)
    except BadPolicy as bad:
        fail(str(bad), USAGE)


_proposed = click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), help="Judge by this policy, not by the one of the setting policy_file."
)


@policy.command("explain")
@click.argument("client_id", required=False)
@click.option(
    "--card",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="What a client would say, in JSON; - is standard input.",
)
@click.option("--as", "tier", type=click.Choice(TIERS), help="Who says it.  [default: anonymous, or as door and token mean]")
@click.option("--door", type=click.Choice(DOORS), help="How it would come.  [default: rfc7591, or cimd for url]")
@click.option("--invitation", default="", help="Id of the initial access token it would bring, in hexadecimal.")
@_proposed
@by_discovery
@with_desk
def policy_explain(  # noqa: PLR0913 - an argument an option
    desk: Desk,
    client_id: str | None,
    *,
    card: str | None,
    tier: str | None,
    door: str | None,
    invitation: str,
    file: Path | None,
    discovery: bool,
) -> None:
    """Say step by step how a request or a client is judged; exit code 1: refused.

    Of a client that is there its card is judged as it stands, as if it changed nothing. - as CLIENT_ID reads a card from standard input.

    \b
    Examples:
      calling-card policy explain --card card.json
      calling-card policy explain --as token --invitation 5f0c… --card card.json --file new.toml
      calling-card policy explain c3kq0VnXWmM
    """
    named = "-" if client_id == "-" else card
    if bool(named) is (client_id not in (None, "-")):
        raise click.UsageError("say a CLIENT_ID, or --card FILE, or - for a card on standard input")
    asked = _asked(_card(named), tier or "", door or "", invitation) if named else None
    if asked is None and (tier or door or invitation):
        raise click.UsageError("--as, --door and --invitation go with a card; of a client they are known")

    async def work() -> None:
        from calling_card.usecases.policies import explain, explain_client
        from calling_card.wiring import opened

        async with opened(reading(desk)) as ports:
            here = _under(desk, ports, file)
            found = await (explain_client(here, client_id or "", discovery=discovery) if asked is None else explain(here, asked))
        say(desk, found.shown(), _told(found))
        if found.refusals:
            sys.exit(REFUSED)

    run(work())


def _under(desk: Desk, ports: "Ports", file: Path | None) -> "Ports":
    from calling_card.usecases.policies import proposing

    return ports if file is None else proposing(ports, _written(desk, file))


def _card(file: str) -> "Card":
    """The members of a card in a file."""
    text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        said = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"the card is no JSON: {error}") from None
    if not isinstance(said, dict):
        raise click.UsageError("the card is no JSON object")
    return cast("Card", said)


def _asked(said: "Card", tier: str, door: str, invitation: str) -> "Asked":
    """The request that is meant, with what goes without saying."""
    from calling_card.protocol.clients import Door, Tier
    from calling_card.usecases.policies import TIERS as WHO
    from calling_card.usecases.policies import Asked

    meant = tier or ("token" if invitation else "url" if door in ("cimd", "looker") else "anonymous")
    through, who = Door(door or ("cimd" if meant == "url" else "rfc7591")), Tier[meant.upper()]
    if who not in WHO[through]:
        raise click.UsageError(f"nobody comes as {meant} by the door {through.value}")
    if invitation and who < Tier.TOKEN:
        raise click.UsageError(f"{meant} clients bring no initial access token")
    return Asked(said, through, who, invitation)


def _told(found: "Explained") -> str:
    """A line a step, then what came out."""
    rows: list[tuple[object, ...]] = [(found.tier.name.lower(), "by", found.door.value, f"policy {found.policy or 'none'}")]
    for step in found.steps:
        now = "" if step.does in ("refuse", "hold", "allow") else f"{step.member}: {as_json(step.was)} -> {as_json(step.now)};"
        rows.append(tuple(part for part in (f"{step.by}:", step.does, now, step.why) if part))
    rows.append(("=>", found.outcome.value))
    return "\n".join(filter(None, [lines(rows), as_json(found.card, indent=2) if found.card else ""]))


@policy.command("diff")
@_proposed
@with_desk
def policy_diff(desk: Desk, *, file: Path | None) -> None:
    """Say what a policy would do to the clients there are; nothing is changed.

    The file is held against the one of the setting policy_file; without --file that one is held against the built-in rules.

    \b
    Examples:
      calling-card policy diff --file new.toml
      calling-card policy diff --file new.toml --json
    """
    from calling_card.usecases.policies import diff, proposing
    from calling_card.wiring import opened

    if file is None and not desk.settings.policy_file:
        raise click.UsageError("name a policy with --file, or one in the setting policy_file")

    async def work() -> None:
        async with opened(reading(desk)) as ports:
            if file is None:
                report = await _watched(diff(proposing(ports, None), ports.policies.current))
            else:
                report = await _watched(diff(ports, _written(desk, file)))
        say(desk, report.shown(), _counted(report))

    run(work())


def at_terminal() -> bool:
    """Whether somebody looks on."""
    return sys.stderr.isatty()


async def _watched(reports: "AsyncIterator[Report]") -> "Report":
    """The last report; somebody at a terminal sees on the way how far it is."""
    from calling_card.usecases.policies import Report

    report, watched = Report(), at_terminal()
    async for report in reports:
        if watched:
            click.echo(f"\r{report.seen} clients", err=True, nl=False)
    if watched:
        click.echo("\r\033[K", err=True, nl=False)
    return report


def _counted(report: "Report") -> str:
    from calling_card.usecases.policies import MEANINGS

    rows: list[tuple[object, ...]] = [("clients", report.seen)]
    for fate, found in report.found.items():
        rows.append((f"  {fate.value}", found.count, MEANINGS[fate]))
        rows.extend(("   ", client_id, why) for client_id, why in found.samples)
    return lines(rows)
