"""``calling-card serve``: the server on its data folder until it is told to stop (A-92)."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Generator

import click
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from calling_card import __version__
from calling_card.cli import desk
from calling_card.logs import Relay
from calling_card.ports import Ports
from calling_card.settings import BadSettings, Settings
from calling_card.wiring import UNREACHABLE, application, keep_noting, opened

_GRACE = 20
_UNREAD = 65536
"""Bytes of a request that may come one after the other without any of them being its body."""


class CannotListen(Exception):
    """The address is taken or not ours."""


class Wire(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, but a header behind the body is none, and what is not body has an end (RFC 9110 §6.5.1)."""

    _unread = 0

    def data_received(self, data: bytes) -> None:
        """Hang up on a head, a trailer or a chunk line without end; uvicorn would keep all of it."""
        if self._unread > _UNREAD:
            self.send_400_response("The head of the request is too large.")
            return
        self._unread += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A new request."""
        self._unread = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """From here on a header is a trailer, and goes nowhere."""
        super().on_headers_complete()
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """A piece of the body, which the application measures."""
        self._unread = 0
        super().on_body(body)


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
        config = uvicorn.Config(
            application(ports),
            host=settings.host,
            port=settings.port,
            loop="none",
            http=Wire,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=30,
            backlog=2048,
        )
        server = Server(config)
        serving = asyncio.create_task(server.serve())
        noting = asyncio.create_task(keep_noting(ports))
        try:
            await server.listening.wait()
            if server.started:
                _greet(ports)
            await serving
        finally:
            noting.cancel()
    if not server.started:
        raise CannotListen(f"cannot listen on {settings.host}:{settings.port}; is another server there?")


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
