"""What whoever started the server reads, once it answers."""

import os
import socket
import sys

import click

from calling_card import __version__
from calling_card.settings import Settings


def greet(settings: Settings) -> None:
    """Say where we answer, to people and to a service manager; the main process is whoever greeted last (sd_notify)."""
    click.echo(f"calling-card {__version__} answers as {settings.issuer} (data in {settings.data})")
    if settings.registration == "open":
        body = '{"client_name":"My first client","redirect_uris":["http://127.0.0.1:9000/callback"]}'
        click.echo("Register a client:")
        click.echo(f"  curl -sS {settings.registration_endpoint} -H 'Content-Type: application/json' -d '{body}'")
    if settings.dev:
        click.echo("Development: budgets are off and every extension member is kept.")
    sys.stdout.flush()
    notify(f"MAINPID={os.getpid()}\nREADY=1")


def notify(state: str) -> None:
    """Tell the service manager how we are, if there is one (sd_notify)."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(state.encode(), "\0" + where[1:] if where.startswith("@") else where)
    except OSError:
        return
