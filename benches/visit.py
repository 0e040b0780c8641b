"""One server while it is measured: who its clients are, and how it is asked."""

import base64
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

from benches.bodies import CALLBACK, FLOW_BODY, OPAQUE, SIGNED, VERIFIER, asked
from benches.person import Person
from benches.plan import Table
from benches.servers import SOURCE

JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")


class Visit:
    """A server whose paths are the usual ones and who asks nobody."""

    register = "/register"
    authorize = "/authorize"
    tokens = "/token"
    introspect = "/introspect"
    metadata = "/.well-known/oauth-authorization-server"
    keys = "/jwks"
    sends = 302
    """Status with which it sends people back."""
    rotates = True
    """Whether a replacement hands out another registration access token."""
    opaque = "client_credentials"
    """The end of a request for an opaque token of a machine; ``signed`` is that for a signed one."""
    signed = ""
    unmanaged = False
    """Whether there is no RFC 7592."""
    flow_scope = "profile"
    """Of a code flow without an ID token."""

    def __init__(self, port: int, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        """The server is there; ``environment`` is what its commands need to find its data."""
        self.port, self.folder, self.environment = port, folder, environment or {}
        self.tables: dict[str, Table] = {}

    @cached_property
    def cookie(self) -> list[tuple[str, str]]:
        """Of a person who said yes for good."""
        return []

    @cached_property
    def flow_client(self) -> dict[str, str]:
        """The client that sends people here."""
        return self.registered(FLOW_BODY)

    @cached_property
    def machine(self) -> dict[str, str]:
        """A client that acts by itself."""
        return self.registered({**FLOW_BODY, "grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_basic"})

    @cached_property
    def asks(self) -> dict[str, str]:
        """Who introspects."""
        return self.machine

    def asking(self, scope: str, challenge: str) -> str:
        """Target of an authorization request of the client of the flow, with a hole for the number; the challenge may be one."""
        return f"{self.authorize}?{asked(self.flow_client['client_id'], scope, 's«#»', challenge)}"

    def granted(self, said: Mapping[str, str]) -> str:
        """A request at the token endpoint of the client of the flow; values may be holes."""
        proof = {"client_id": self.flow_client["client_id"], "client_secret": self.flow_client["client_secret"]}
        return with_holes(urlencode({**proof, **said}))

    def redemption(self, verifier: str = VERIFIER) -> str:
        """A captured code for tokens; the verifier may be a hole."""
        return self.granted({"grant_type": "authorization_code", "code": "«code»", "redirect_uri": CALLBACK, "code_verifier": verifier})

    def machine_token(self) -> str:
        """An opaque access token of the machine."""
        answer = self._post(self.tokens, self.opaque.encode(), {"Authorization": basic(self.machine), "Content-Type": FORM[1]})
        return answer["access_token"]

    def registered(self, card: Mapping[str, object], headers: Mapping[str, str] | None = None) -> dict[str, str]:
        """A new client."""
        return self._post(self.register, json.dumps(card).encode(), {**(headers or {}), "Content-Type": JSON[1]})

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, dict(headers))
        with urllib.request.urlopen(request, timeout=20) as answer:
            return cast("dict[str, str]", json.loads(answer.read()))


class Ours(Visit):
    """Our server."""

    sends = 303
    opaque = f"grant_type=client_credentials&resource={OPAQUE}"
    signed = f"grant_type=client_credentials&resource={SIGNED}"

    @cached_property
    def cookie(self) -> list[tuple[str, str]]:
        """Alice said yes to both kinds of request."""
        made = self.command("user", "add", "alice")
        alice = Person(self.port, "alice", made["password"])
        for scope in ("profile", "openid profile"):
            alice.allow(asked(self.flow_client["client_id"], scope, "s"))
        return [("Cookie", alice.cookie)]

    @cached_property
    def asks(self) -> dict[str, str]:
        """The resource server of opaque tokens."""
        return self.provided

    @cached_property
    def machine(self) -> dict[str, str]:
        """Strangers get no such grant, so it is invited."""
        scope = "jobs" if self.provided else ""
        invited = self.command("invite", "--grant", "client_credentials", "--scope", scope)["initial_access_token"]
        return self.registered({"grant_types": ["client_credentials"], "scope": scope}, {"Authorization": f"Bearer {invited}"})

    @cached_property
    def provided(self) -> dict[str, str]:
        """Two resource servers know the scope of the machine; the one that takes opaque tokens."""
        self.command("resource", "add", SIGNED, "--scopes", "jobs", "--tokens", "jwt")
        return self.command("resource", "add", OPAQUE, "--scopes", "jobs")

    def command(self, *words: str) -> dict[str, str]:
        """What one of our commands answers."""
        line = [sys.executable, "-m", "calling_card", *words, "--data", str(self.folder), "--json"]
        answer = subprocess.run(
            line, env={**os.environ, **self.environment, "PYTHONPATH": SOURCE}, check=True, capture_output=True, text=True
        )
        value = cast("dict[str, object]", json.loads(answer.stdout))
        return {name: str(text) for name, text in value.items()}


class Unmanaged(Visit):
    """The servers of the MCP SDK: no RFC 7592, no machines; introspection is not theirs either."""

    unmanaged = True


class NodeProvider(Visit):
    """node-oidc-provider."""

    metadata = "/.well-known/openid-configuration"
    opaque = "grant_type=client_credentials"
    signed = f"grant_type=client_credentials&resource={SIGNED}"


class Floor(Visit):
    """The floor: anything goes."""

    sends = 303
    rotates = False
    metadata = "/.well-known/oauth-authorization-server"
    keys = "/.well-known/jwks"
    opaque = f"grant_type=client_credentials&resource={OPAQUE}"
    signed = f"grant_type=client_credentials&resource={SIGNED}"


class Authlib(Visit):
    """Authlib on Flask."""

    rotates = False
    opaque = "grant_type=client_credentials"


class Django(Visit):
    """django-oauth-toolkit."""

    register = "/register/"
    tokens = "/token/"
    introspect = "/introspect/"
    keys = "/.well-known/jwks.json"
    opaque = "grant_type=client_credentials"


def with_holes(form: str) -> str:
    """A form whose holes are holes again."""
    return form.replace("%C2%AB", "«").replace("%C2%BB", "»")


def basic(card: Mapping[str, str]) -> str:
    """Value of an ``Authorization`` header."""
    return "Basic " + base64.b64encode(f"{card['client_id']}:{card['client_secret']}".encode()).decode()
