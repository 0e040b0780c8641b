"""A server of a test's own, with a person and resource servers, which the test can take everything from."""

import json
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec
import time_machine
from click.testing import CliRunner

from calling_card.cli import commands
from tests.interop.conftest import NAME, PASSWORD, environment, free_port, operate, process, program
from tests.interop.life import Introspector

LONG = 200 * 86400


@dataclass(frozen=True, slots=True)
class Api:
    """A resource server as the operator makes it known."""

    uri: str
    scope: str
    tokens: str = "opaque"


@dataclass
class Household:
    """One server with its operator, at the same address before and after a loss."""

    data: Path
    apis: tuple[Api, ...]
    port: int = field(default_factory=free_port)
    introspectors: dict[str, Introspector] = field(default_factory=dict[str, Introspector])
    subject: str = ""
    """What clients know the person by; another one after a loss."""
    _open: ExitStack = field(default_factory=ExitStack)

    @property
    def issuer(self) -> str:
        """Where the server answers."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def lose_everything(self) -> None:
        """The folder is gone, database and keys; the operator begins anew."""
        self._open.close()
        shutil.rmtree(self.data)
        self._begin()

    def delete_client(self, client_id: str) -> None:
        """The operator removes one client while the server runs."""
        operate(self.data, "client", "delete", client_id)

    def prune_client(self, client_id: str) -> None:
        """The server runs on; an operator of a time when nobody used the client for long removes all that is dead, and it is this one."""
        with time_machine.travel(time.time() + LONG):
            done = CliRunner().invoke(commands, ["prune", "--data", str(self.data), "--json"], catch_exceptions=False)
        (found,) = json.loads(done.stdout)["classes"]
        assert [sample["client_id"] for sample in found["samples"]] == [client_id]

    def told(self, api: Api) -> dict[str, object]:
        """What a program is told of server, person and resource server."""
        return {
            "issuer": self.issuer,
            "introspector": msgspec.to_builtins(self.introspectors[api.uri]),
            "person": {"name": NAME, "password": PASSWORD},
        }

    def _begin(self) -> None:
        with ExitStack() as opening:
            command = program("serve", "--data", str(self.data), "--port", str(self.port))
            opening.enter_context(process(command, self.issuer, environment()))
            self._furnish()
            self._open = opening.pop_all()

    def _furnish(self) -> None:
        """What an operator does before the first client comes."""
        says = ("--email", "alice@example.com", "--full-name", "Alice Example", "--password-stdin")
        made = operate(self.data, "user", "add", NAME, *says, typed=PASSWORD)
        self.subject = str(made["sub"])
        for api in self.apis:
            added = operate(self.data, "resource", "add", api.uri, "--scopes", api.scope, "--tokens", api.tokens)
            self.introspectors[api.uri] = Introspector(str(added["client_id"]), str(added["client_secret"]))
