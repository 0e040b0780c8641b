"""``calling-card serve``: the server on its data folder until it is told to stop (A-92)."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator

import click
import uvicorn
import uvloop

from calling_card import __version__
from calling_card.cli.desk import UNREACHABLE, fail
from calling_card.keys.keyring import KeyringError
from calling_card.ports import Ports, StoreUnavailable
from calling_card.settings import BadSettings, Settings
from calling_card.store.migrations import SchemaTooNew
from calling_card.web.app import App
from calling_card.wiring import folder, keep_noting, opened

_GRACE = 20


class Server(uvicorn.Server):
    """uvicorn, but a signal only asks for the end: what is open is finished and the store is closed in order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
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
    except (KeyringError, SchemaTooNew, StoreUnavailable, BadSettings) as error:
        fail(str(error), UNREACHABLE)


async def _serve(settings: Settings) -> None:
    async with opened(settings) as ports:
        config = uvicorn.Config(
            App(ports),
            host=settings.host,
            port=settings.port,
            loop="none",
            http="httptools",
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
        noting = asyncio.create_task(keep_noting(ports, folder(settings)))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        if server.started:
            _greet(ports)
        try:
            await serving
        except SystemExit:
            raise StoreUnavailable(f"cannot listen on {settings.host}:{settings.port}; is another server there?") from None
        finally:
            noting.cancel()


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
