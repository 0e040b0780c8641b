"""The example servers of ``examples/`` as processes, each known to an authorization server as a resource."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from tests.interop.conftest import ROOT, environment, free_port, process
from tests.interop.life import Introspector

READ, WRITE = "notes:read", "notes:write"


class Operator(Protocol):
    """A server's command line."""

    @property
    def issuer(self) -> str: ...

    def command(self, *arguments: str) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True)
class Notes:
    """A protected server that keeps notes."""

    issuer: str
    resource: str
    introspector: Introspector
    tokens: str = "opaque"
    """``opaque``, which it asks about, or ``jwt``, which it checks on the spot."""

    def introspect(self, token: str) -> dict[str, object]:
        """What this server learns about a token."""
        asker = (self.introspector.client_id, self.introspector.client_secret)
        answer: dict[str, object] = httpx.post(f"{self.issuer}/introspect", data={"token": token}, auth=asker).raise_for_status().json()
        return answer

    def revoke(self, token: str, credential: tuple[str, str]) -> None:
        """Have a client take one of its tokens back (RFC 7009)."""
        httpx.post(f"{self.issuer}/revoke", data={"token": token}, auth=credential).raise_for_status()


def make_known(operator: Operator, resource: str, tokens: str) -> Notes:
    """What an operator does once for a resource server."""
    printed = operator.command("resource", "add", resource, "--scopes", f"{READ} {WRITE}", "--tokens", tokens)
    return Notes(operator.issuer, resource, Introspector(str(printed["client_id"]), str(printed["client_secret"])), tokens)


@contextmanager
def serving(notes: Notes, example: Path) -> Generator[None]:
    """The example at work."""
    asker = notes.introspector
    credential = {"CLIENT_ID": asker.client_id, "CLIENT_SECRET": asker.client_secret} if notes.tokens == "opaque" else {}
    address = "/".join(notes.resource.split("/")[:3])
    known = environment() | {"ISSUER": notes.issuer, "RESOURCE": notes.resource} | credential
    with process([sys.executable, str(ROOT / "examples" / example)], address, known):
        yield


@contextmanager
def noted(operator: Operator, example: Path, tokens: str, path: str = "") -> Generator[Notes]:
    """A new resource and the example that serves it."""
    notes = make_known(operator, f"http://127.0.0.1:{free_port()}{path}", tokens)
    with serving(notes, example):
        yield notes
