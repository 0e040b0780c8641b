"""``calling-card policy``: what the operator wrote, read over before it counts (A-87)."""

from pathlib import Path

import click

from calling_card.cli.desk import USAGE, Desk, fail, lines, say, with_desk


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
    from calling_card.protocol.policy.written import BadPolicy
    from calling_card.wiring import written_policy

    named = file or (Path(desk.settings.policy_file) if desk.settings.policy_file else None)
    if named is None:
        raise click.UsageError("name a FILE, or one in the setting policy_file; without any the built-in rules count alone")
    try:
        found = written_policy(desk.settings, named)
    except BadPolicy as bad:
        fail(str(bad), USAGE)
    told = list(sentences(found))
    answer = {"name": found.name, "digest": found.digest, "rules": [{"place": place, "does": does} for place, does in told]}
    rows = [(f"{place}:", does) for place, does in told]
    say(desk, answer, lines([("policy", found.name, found.digest), *rows]))
