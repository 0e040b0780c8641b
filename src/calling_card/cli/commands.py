"""The commands: each decodes its arguments, calls one use case and prints the answer."""

from pathlib import Path
from typing import TextIO

import click

from calling_card import __version__
from calling_card.cli.addresses import by_discovery, client_metadata, refetch, resolve
from calling_card.cli.approval import approve, refuse, test_person
from calling_card.cli.backup import backup, restore
from calling_card.cli.cohorts import cohort, invitation
from calling_card.cli.desk import (
    REFUSED,
    USAGE,
    Desk,
    as_json,
    fail,
    lifetime,
    lines,
    of_folder,
    reading,
    run,
    say,
    settings_from,
    with_desk,
)
from calling_card.cli.migrating import migrate
from calling_card.cli.moving import export, import_
from calling_card.cli.people import user
from calling_card.cli.policy import policy
from calling_card.cli.pruning import prune
from calling_card.cli.webhooks import webhook
from calling_card.settings import BadSettings, load

_LONGEST = 200


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="calling-card")
def commands() -> None:
    """An OAuth 2.0 / OpenID Connect authorization server whose clients introduce themselves.

    \b
    Exit codes: 0 done, 1 refused, 2 usage, 3 unreachable.
    """


def main() -> None:
    """Entry point of the console script."""
    commands()


def one_line(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """A text that people will read in lists: nothing in it moves the cursor or hides (X-56)."""
    del context, parameter
    if not value.isprintable() or len(value) > _LONGEST:
        raise click.BadParameter(f"say it in one line of at most {_LONGEST} printable characters")
    return value


@commands.command()
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings.")
@click.option("--data", help="Folder of the database and the keyring.  [default: ./calling-card-data]")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [default: 8000]")
@click.option("--issuer", help="Issuer URL.  [default: http://HOST:PORT]")
@click.option("--workers", type=int, help="Processes that serve, and one more that watches over them if more than 1.  [default: 1]")
@click.option("--dev", is_flag=True, default=None, help="Development on loopback: budgets off, every extension member kept.")
def serve(config: Path | None, **flags: object) -> None:
    """Serve until stopped.

    \b
    SIGTERM, SIGINT  finish what is under way and end
    SIGUSR2          start the program anew, settings included; it takes over without a lost request
    SIGHUP           more than one worker: new workers with new settings take over; one: the policy file is read again

    \b
    Examples:
      calling-card serve
      calling-card serve --port 9000 --data /var/lib/calling-card --issuer https://login.example.com --workers 4
    """
    from calling_card.cli.handing import handed

    settings, given = settings_from(flags, config), handed()
    if settings.workers > 1 and not (given and given.worker):
        from calling_card.cli.supervising import supervise

        supervise(settings, lambda: load(flags, file=config), given)
    else:
        from calling_card.cli.serving import serve as until_stopped

        until_stopped(settings, given)


@commands.command()
@click.option("--uses", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="How many clients may register with it.")
@click.option("--expires", callback=lifetime, default="7d", show_default=True, help="Life: a number with s, m, h, d, or never.")
@click.option("--scope", help="Scopes the clients may have, space-separated; needed with client_credentials.")
@click.option("--grant", "grants", multiple=True, help="Grant type the clients may have; repeat for more.")
@click.option("--redirect-host", "hosts", multiple=True, help="Host that redirect URIs may have; repeat for more.")
@click.option("--label", callback=one_line, default="", help="What it is for, shown in lists and in the audit trail.")
@with_desk
def invite(desk: Desk, uses: int, expires: int, scope: str | None, grants: tuple[str, ...], hosts: tuple[str, ...], label: str) -> None:
    """Make an initial access token: an invitation to register.

    \b
    Examples:
      calling-card invite
      calling-card invite --grant client_credentials --scope "orders:read" --uses 10 --expires 30d --label "warehouse"
    """
    from calling_card.usecases.provide import Wanted
    from calling_card.usecases.provide import invite as invite_use_case
    from calling_card.wiring import opened, operator_name

    async def work() -> None:
        wanted = Wanted(uses, expires, scope, grants or None, hosts or None, label, operator_name())
        async with opened(of_folder(desk)) as ports:
            made = await invite_use_case(ports, wanted)
        answer = {
            "initial_access_token": made.initial_access_token,
            "id": made.invitation.id.hex(),
            "uses": made.invitation.uses_left,
            "expires_at": made.invitation.expires_at,
        }
        say(desk, answer, made.initial_access_token)

    run(work())


@commands.group()
def resource() -> None:
    """Resource servers: the APIs that tokens are for."""


@resource.command("add")
@click.argument("uri")
@click.option("--scopes", default="", help="Scopes it knows, space-separated.")
@click.option("--tokens", "form", type=click.Choice(["opaque", "jwt"]), default="opaque", show_default=True, help="Form of its tokens.")
@click.option("--name", default="", help="Its name.")
@with_desk
def resource_add(desk: Desk, uri: str, scopes: str, form: str, name: str) -> None:
    """Make a resource server known and print the credential it introspects with.

    \b
    Example:
      calling-card resource add https://api.example.com --scopes "orders:read orders:write" --tokens jwt
    """
    from calling_card.usecases.provide import add_resource
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            added = await add_resource(ports, uri, " ".join(dict.fromkeys(scopes.split())), form, name)
        answer = {
            "resource": added.resource.uri,
            "tokens": added.resource.tokens,
            "scope": added.resource.scope,
            "client_id": added.information["client_id"],
            "client_secret": added.information["client_secret"],
        }
        say(desk, answer, "\n".join(f"{name:14} {value}" for name, value in answer.items()))

    run(work())


@resource.command("list")
@with_desk
def resource_list(desk: Desk) -> None:
    """List the resource servers."""
    from calling_card.usecases.provide import resources
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(reading(desk)) as ports:
            found = await resources(ports)
        rows = [{"resource": one.uri, "tokens": one.tokens, "scope": one.scope, "client_id": one.client_id} for one in found]
        say(desk, rows, lines([row[name] for name in ("resource", "tokens", "client_id", "scope")] for row in rows))

    run(work())


@commands.group()
def client() -> None:
    """Clients: those that registered, and those that are a URL."""


client.add_command(approve)
client.add_command(refuse)
client.add_command(test_person)


@client.command("list")
@click.option("--after", default="", help="Begin behind this client_id.")
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True, help="At most so many.")
@click.option("--held", is_flag=True, help="Only those that wait for approval.")
@with_desk
def client_list(desk: Desk, after: str, limit: int, *, held: bool) -> None:
    """List clients in the order of their client_id."""
    from calling_card.usecases.approve import waiting
    from calling_card.usecases.operate import clients
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(reading(desk)) as ports:
            rows = await (waiting if held else clients)(ports, after, limit)
        shown = ("client_type", "created_by", "client_name")
        states = ["refused" if "refusal" in row else row["state"] for row in rows]
        listed = ([row["client_id"], state, *(row[name] for name in shown)] for row, state in zip(rows, states, strict=True))
        say(desk, list(rows), lines(listed))

    run(work())


@client.command("show")
@click.argument("client_id")
@by_discovery
@with_desk
def client_show(desk: Desk, client_id: str, *, discovery: bool) -> None:
    """Show everything known of a client but its credentials; of a URL also the versions of its document and the last failure."""
    from calling_card.usecases.operate import show
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(reading(desk)) as ports:
            row = await show(ports, client_id, discovery=discovery)
        say(desk, row, as_json(row, indent=2))

    run(work())


@client.command("suspend")
@click.argument("client_id")
@by_discovery
@with_desk
def client_suspend(desk: Desk, client_id: str, *, discovery: bool) -> None:
    """Stop a client: no tokens, no changes, until it is resumed; its access tokens are dead at once.

    A client that is a URL is blocked by this: what people allowed it ends too, and they are asked again when it is resumed.

    \b
    Examples:
      calling-card client suspend c3kq0VnXWmM
      calling-card client suspend https://app.example.com/client.json
    """
    from calling_card.usecases.operate import suspend
    from calling_card.wiring import opened, operator_name

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            row = await suspend(ports, client_id, operator_name(), discovery=discovery)
        say(desk, row, f"{client_id} is suspended")

    run(work())


@client.command("resume")
@click.argument("client_id")
@by_discovery
@with_desk
def client_resume(desk: Desk, client_id: str, *, discovery: bool) -> None:
    """Let a suspended client act again; one that waited for approval waits again."""
    from calling_card.usecases.operate import resume
    from calling_card.wiring import opened, operator_name

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            row = await resume(ports, client_id, operator_name(), discovery=discovery)
        say(desk, row, f"{client_id} is {'active' if row['state'] == 'active' else 'waiting for approval again'}")

    run(work())


@client.command("delete")
@click.argument("client_id")
@by_discovery
@with_desk
def client_delete(desk: Desk, client_id: str, *, discovery: bool) -> None:
    """Delete a client and everything it had.

    A client that is a URL is forgotten by this and may come again as somebody new, even if it was suspended; the setting
    clients_denied keeps it out.
    """
    from calling_card.usecases.operate import delete
    from calling_card.wiring import opened, operator_name

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            await delete(ports, client_id, operator_name(), discovery=discovery)
        say(desk, {"client_id": client_id, "state": "deleted"}, f"{client_id} is gone")

    run(work())


@client.command("rotate")
@click.argument("client_id")
@click.option("--now", "at_once", is_flag=True, help="After an incident: the old secret and every access token die at once.")
@click.option("--secret-only", is_flag=True, help="Leave the registration access token as it is.")
@with_desk
def client_rotate(desk: Desk, client_id: str, *, at_once: bool, secret_only: bool) -> None:
    """Give a client a new registration access token and a new secret, printed once.

    The old secret is good until the new one is first used, and no longer than the setting secret_overlap says.

    \b
    Examples:
      calling-card client rotate --secret-only c3kq0VnXWmM
      calling-card client rotate --now c3kq0VnXWmM
    """
    from calling_card.usecases.operate import rotate
    from calling_card.wiring import opened, operator_name

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            made = (await rotate(ports, client_id, operator_name(), at_once=at_once, secret_only=secret_only)).information
        say(desk, made, "\n".join(f"{name:26} {value}" for name, value in made.items()))

    run(work())


@client.command("recover")
@click.argument("client_id")
@with_desk
def client_recover(desk: Desk, client_id: str) -> None:
    """Give a client a new registration access token for one it lost, printed once; the lost one is dead, the secret stays.

    \b
    Example:
      calling-card client recover c3kq0VnXWmM
    """
    from calling_card.usecases.operate import recover
    from calling_card.wiring import opened, operator_name

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            made = (await recover(ports, client_id, operator_name())).information
        say(desk, made, "\n".join(f"{name:26} {value}" for name, value in made.items()))

    run(work())


@commands.group()
def audit() -> None:
    """The audit trail."""


@audit.command("checkpoint")
@with_desk
def audit_checkpoint(desk: Desk) -> None:
    """Print how far the audit trail goes by now, signed: keep it where nobody who can write here can.

    \b
    Example:
      calling-card audit checkpoint > /mnt/elsewhere/checkpoint.jwt
    """
    from calling_card.usecases.audit import checkpoint
    from calling_card.wiring import known_heads, opened

    async def work() -> None:
        async with opened(reading(desk)) as ports:
            made = await checkpoint(ports, known_heads(ports.settings))
        say(desk, {"checkpoint": made}, made)

    run(work())


@audit.command("verify")
@click.option("--checkpoint", type=click.File(encoding="ascii", errors="replace"), help="A checkpoint: find what was cut behind it too.")
@with_desk
def audit_verify(desk: Desk, checkpoint: TextIO | None) -> None:
    """Check that no event was altered, removed or put in another place."""
    from calling_card.usecases.audit import read_checkpoint, verify
    from calling_card.wiring import HEADS, known_heads, opened

    async def work() -> None:
        try:
            known = known_heads(desk.settings)
        except ValueError:
            fail(f"{HEADS} is damaged: what was cut from the end of a chain cannot be told", REFUSED)
        async with opened(reading(desk), behind=True) as ports:
            kept = [] if checkpoint is None else [await read_checkpoint(ports, checkpoint.read())]
            verdict = await verify(ports, known, *kept)
        answer = {"events": verdict.events, "writers": verdict.writers, "broken": list(verdict.broken)}
        text = "\n".join([f"{verdict.events} events of {verdict.writers} writers hold", *verdict.broken])
        say(desk, answer, text)
        if verdict.broken:
            fail("the audit trail is broken", REFUSED)

    run(work())


@audit.command("export")
@with_desk
def audit_export(desk: Desk) -> None:
    """Print every event, one JSON line each."""
    import json

    from calling_card.usecases.audit import export
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(reading(desk), behind=True) as ports:
            async for event in export(ports):
                line = {
                    "writer": event.writer.hex(),
                    "number": event.number,
                    "at": event.at,
                    "kind": event.kind,
                    "client_key": event.client_key.hex(),
                    "content": json.loads(event.content),
                    "mac": event.mac.hex(),
                }
                click.echo(as_json(line))

    run(work())


@commands.group()
def keys() -> None:
    """The keyring and the signing keys."""


@keys.command("list")
@with_desk
def keys_list(desk: Desk) -> None:
    """List the keys, their states, and how many credentials each still carries."""
    from calling_card.usecases.renew import keys as all_keys
    from calling_card.wiring import opened

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            found = await all_keys(ports)
        rows = [*found.credentials, *found.signing]
        say(desk, rows, lines(row.values() for row in rows))

    run(work())


@keys.command("rotate")
@click.option("--signing", is_flag=True, help="Rotate the keys that sign tokens instead of the one that makes credentials.")
@click.option("--prepare", is_flag=True, help="With --signing: only publish the next keys; the next rotation lets them sign.")
@with_desk
def keys_rotate(desk: Desk, *, signing: bool, prepare: bool) -> None:
    """Make a new key; the ones before it go on verifying."""
    from calling_card.usecases.renew import credential_key, next_signing_keys, signing_key
    from calling_card.wiring import opened, operator_name

    if prepare and not signing:
        raise click.UsageError("--prepare goes with --signing")

    async def work() -> None:
        async with opened(of_folder(desk)) as ports:
            if prepare:
                kids = list(await next_signing_keys(ports, operator_name()))
                say(desk, {"keys": kids, "use": "signing"}, "\n".join(f"{kid} is published and will sign later" for kid in kids))
            elif signing:
                kids = list(await signing_key(ports, operator_name()))
                say(desk, {"keys": kids, "use": "signing"}, "\n".join(f"{kid} signs from now on" for kid in kids))
            else:
                number = await credential_key(ports, operator_name())
                say(desk, {"key": number, "use": "credentials"}, f"key {number} mints from now on")

    run(work())


@commands.group()
def config() -> None:
    """The settings."""


@config.command("check")
@with_desk
def config_check(desk: Desk) -> None:
    """Say whether the settings can be used."""
    from calling_card.wiring import check

    try:
        check(desk.settings)
    except BadSettings as error:
        fail(str(error), USAGE)
    say(desk, {"ok": True, "issuer": desk.settings.issuer}, f"these settings can be used; the issuer is {desk.settings.issuer}")


@config.command("print")
@with_desk
def config_print(desk: Desk) -> None:
    """Print the settings in force."""
    from calling_card.settings import shown

    values = shown(desk.settings)
    say(desk, values, "\n".join(f"{name} = {value!r}" for name, value in values.items()))


@config.command("schema")
@with_desk
def config_schema(desk: Desk) -> None:
    """Print every setting with its type, default, environment variable and meaning."""
    from dataclasses import asdict

    from calling_card.settings import SETTINGS

    text = [f"{row.name}: {row.type} = {row.default!r}\n    {row.meaning}\n    {row.env}" for row in SETTINGS]
    say(desk, [asdict(row) for row in SETTINGS], "\n".join(text))


commands.add_command(user)
commands.add_command(policy)
commands.add_command(migrate)
commands.add_command(prune)
commands.add_command(webhook)
for command in (backup, restore, export, import_):
    commands.add_command(command)
commands.add_command(resolve)
commands.add_command(client_metadata)
commands.add_command(cohort)
commands.add_command(invitation)
client.add_command(refetch)
