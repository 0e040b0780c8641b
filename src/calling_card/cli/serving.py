"""``calling-card serve``: the server on its data folder until it is told to stop (A-92)."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Generator

import click
import uvicorn
import uvloop

from calling_card import __version__
from calling_card.cli import desk
from calling_card.jobs.policy import keep_policy
from calling_card.jobs.prune import keep_pruning
from calling_card.jobs.webhooks import keep_delivering
from calling_card.logs import Relay
from calling_card.ports import Ports
from calling_card.settings import BadSettings, Settings
from calling_card.wiring import UNREACHABLE, keep_noting, opened, wire


class CannotListen(Exception):
    """The address is taken or not ours."""


class Server(uvicorn.Server):
    """uvicorn, but a signal only asks for the end: what is open is finished and the store is closed in order."""

    def __init__(self, config: uvicorn.Config) -> None:
        """``listening`` is set when start-up has ended, well or badly."""
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so; uvicorn would end the whole process where it cannot."""
        try:
            await super().startup(sockets)
        except SystemExit:
            self.should_exit = True
        finally:
            self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """SIGINT and SIGTERM stop accepting and let running requests finish."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def serve(settings: Settings) -> None:
    """Serve until stopped; ends the process with 3 when the data folder or the port cannot be used."""
    try:
        uvloop.run(_serve(settings))
    except (*UNREACHABLE, BadSettings, CannotListen) as error:
        desk.fail(str(error), desk.UNREACHABLE)


async def _serve(settings: Settings) -> None:
    async with opened(settings) as ports:
        logging.getLogger().addHandler(Relay(ports.log))
        server = Server(wire(ports))
        serving = asyncio.create_task(server.serve())
        beside = [asyncio.create_task(loop(ports)) for loop in (keep_noting, keep_pruning, keep_delivering)]
        judging = _judge_by_the_newest(ports)
        try:
            await server.listening.wait()
            if server.started:
                gc.freeze()  # what was loaded stays: looking through it again and again would make everybody wait
                _greet(ports)
            await serving
        finally:
            for task in (*beside, judging):
                task.cancel()
    if not server.started:
        raise CannotListen(f"cannot listen on {settings.host}:{settings.port}; is another server there?")


def _judge_by_the_newest(ports: Ports) -> asyncio.Future[None]:
    """Where there is a policy file, SIGHUP has it read again, and so has its change."""
    loop = asyncio.get_running_loop()
    if not ports.settings.policy_file:
        return loop.create_future()
    asked = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    return loop.create_task(keep_policy(ports, asked))


def _greet(ports: Ports) -> None:
    settings = ports.settings
    click.echo(f"calling-card {__version__} answers as {settings.issuer} (data in {settings.data})")
    if settings.registration == "open":
        body = '{"client_name":"My first client","redirect_uris":["http://127.0.0.1:9000/callback"]}'
        click.echo("Register a client:")
        click.echo(f"  curl -sS {ports.desk.endpoint} -H 'Content-Type: application/json' -d '{body}'")
    if settings.dev:
        click.echo("Development: budgets are off and every extension member is kept.")
    sys.stdout.flush()
