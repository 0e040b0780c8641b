"""A server in this process, on a memory or SQLite store and a clock that tests move: what most tests talk to."""

import base64
import json
import secrets
from collections.abc import Generator, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlencode

from joserfc.jwk import RSAKey

from calling_card.keys.keyring import FileKeyring
from calling_card.keys.signing import MAKERS, JoseSigner
from calling_card.ports import Ports, Store
from calling_card.protocol.answers import Desk
from calling_card.protocol.clients import Client, Route, client_key
from calling_card.protocol.events import Recorded
from calling_card.protocol.policy import uninvited
from calling_card.settings import Settings, check, complete
from calling_card.store.memory import MemoryStore
from calling_card.store.sqlite import SqliteStore
from calling_card.usecases.audit import CHAIN, new_writer
from calling_card.usecases.provide import Added, Wanted, add_resource, invite
from calling_card.usecases.renew import first_signing_keys
from calling_card.web.app import App
from calling_card.wiring import assemble, customs, document, ground
from tests.passwords import QuickPasswords
from tests.strangers import Strangers

ISSUER = "https://as.example"
START = 1_800_000_000
CALLBACK = "https://app.example/cb"
SERVER_MEMBERS = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")
"""What a replacement must not name."""


def body_of(card: Mapping[str, Any], without: tuple[str, ...] = (), /, **members: object) -> dict[str, Any]:
    """What a client would send to keep its card but for some members."""
    return {**{name: value for name, value in card.items() if name not in (*SERVER_MEMBERS, *without)}, **members}


def rat(card: Mapping[str, Any]) -> str:
    """The registration access token of an answer."""
    token = card["registration_access_token"]
    assert isinstance(token, str)
    return token


@dataclass
class Clock:
    """Seconds since 1970, moved by hand."""

    now: int = START

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: int) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Reply:
    """An answer as a caller sees it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()
    """Every ``Set-Cookie`` header."""

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object."""
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return cast(dict[str, Any], value)

    @property
    def no(self) -> tuple[int, str]:
        """Status and code of a refusal."""
        return self.status, self.json["error"]

    @property
    def why(self) -> str:
        """What a refusal says."""
        said = self.json["error_description"]
        assert isinstance(said, str)
        return said


@dataclass
class World:
    """One server and the means to call it."""

    ports: Ports
    clock: Clock
    lines: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    """Log lines so far."""
    strangers: Strangers = field(default_factory=lambda: Strangers(Clock()))
    """What others serve."""

    def __post_init__(self) -> None:
        self.app = App(self.ports)

    async def call(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
        source: str = "198.51.100.7",
    ) -> Reply:
        """One request; ``target`` is a path with an optional query, or a URL below the issuer."""
        path, _, query = target.removeprefix("https://as.example").partition("?")
        pairs = list(headers.items()) if isinstance(headers, Mapping) else headers or []
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
            "client": (source, 12345),
        }
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        cookies = tuple(value.decode() for name, value in sent[0]["headers"] if name == b"set-cookie")
        return Reply(sent[0]["status"], answered, b"".join(part["body"] for part in sent[1:]), cookies)

    async def post_json(self, target: str, value: object, token: str | None = None) -> Reply:
        """POST a JSON body."""
        return await self.call("POST", target, json.dumps(value).encode(), _headers(token))

    async def post_form(
        self, target: str, fields: Mapping[str, str] | list[tuple[str, str]], basic: tuple[str, str] | None = None
    ) -> Reply:
        """POST a form, as a client that authenticates by HTTP Basic if ``basic`` is given."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if basic:
            headers["authorization"] = "Basic " + base64.b64encode(f"{basic[0]}:{basic[1]}".encode()).decode()
        return await self.call("POST", target, urlencode(fields).encode(), headers)

    async def register(self, token: str | None = None, /, **members: object) -> dict[str, Any]:
        """Register a client that must come in; members of the body by name, ``redirect_uris`` unless given."""
        body = {"redirect_uris": [CALLBACK], **members}
        reply = await self.post_json("/register", body, token)
        assert reply.status == 201, reply.body
        return reply.json

    async def tried(self, token: str | None = None, /, **members: object) -> tuple[int, dict[str, Any]]:
        """Status and body of a registration, with a redirect URI unless another is given; nothing is kept of a refused one."""
        before = await self.kept()
        reply = await self.post_json("/register", {"redirect_uris": [CALLBACK], **members}, token)
        assert reply.status == 201 or await self.kept() == before
        return reply.status, reply.json

    async def refusal(self, token: str | None = None, /, **members: object) -> tuple[str, str]:
        """Code and description of a registration that must be refused with 400."""
        status, body = await self.tried(token, **members)
        assert status == 400, body
        return body["error"], body["error_description"]

    async def replaced(self, card: Mapping[str, Any], **members: object) -> dict[str, Any]:
        """The card after a replacement that must succeed."""
        reply = await self.put(card, body_of(card, **members))
        assert reply.status == 200, reply.body
        return reply.json

    async def register_at(self, target: str, **members: object) -> dict[str, Any]:
        """Register at another path than the default one."""
        reply = await self.post_json(target, {"redirect_uris": [CALLBACK], **members})
        assert reply.status == 201, reply.body
        return reply.json

    async def read(self, card: Mapping[str, Any], token: str | None = None) -> Reply:
        """GET a registration with its own or another token."""
        return await self.call("GET", card["registration_client_uri"], b"", _headers(token or card["registration_access_token"]))

    async def put(self, card: Mapping[str, Any], body: Mapping[str, Any], token: str | None = None) -> Reply:
        """PUT this very body."""
        headers = _headers(token or card["registration_access_token"])
        return await self.call("PUT", card["registration_client_uri"], json.dumps(body).encode(), headers)

    async def replace(self, card: Mapping[str, Any], without: str = "", **members: object) -> Reply:
        """PUT what the card says, but for the members the server sets, with some left out or changed."""
        return await self.put(card, body_of(card, (without,), **members))

    async def remove(self, card: Mapping[str, Any], token: str | None = None) -> Reply:
        """DELETE a registration."""
        return await self.call("DELETE", card["registration_client_uri"], b"", _headers(token or card["registration_access_token"]))

    async def invitation(
        self,
        uses: int = 1,
        lifetime: int = 3600,
        scope: str | None = None,
        grants: tuple[str, ...] | None = None,
        hosts: tuple[str, ...] | None = None,
    ) -> str:
        """An initial access token."""
        return (await invite(self.ports, Wanted(uses, lifetime, scope, grants, hosts, "test", "tester"))).initial_access_token

    async def machine(self, scope: str = "openid", **members: object) -> dict[str, Any]:
        """A client with client_credentials, which an invitation let in."""
        token = await self.invitation(scope=scope, grants=("client_credentials",))
        return await self.register(token, redirect_uris=[], grant_types=["client_credentials"], scope=scope, **members)

    async def resource(self, uri: str = "https://api.example", scope: str = "orders:read orders:write", form: str = "opaque") -> Added:
        """A resource server."""
        return await add_resource(self.ports, uri, scope, form, "")

    async def token(self, card: Mapping[str, Any], **fields: str) -> Reply:
        """Ask for an access token by client_credentials and HTTP Basic."""
        return await self.post_form(
            "/token", {"grant_type": "client_credentials", **fields}, basic=(card["client_id"], card["client_secret"])
        )

    async def introspect(self, caller: Mapping[str, Any], token: str) -> Reply:
        """Ask about a token."""
        return await self.post_form("/introspect", {"token": token}, basic=(str(caller["client_id"]), str(caller["client_secret"])))

    async def recorded(self) -> list[Recorded]:
        """All audit events, writer by writer."""
        found: list[Recorded] = []
        for writer in await self.ports.store.heads():
            found += await self.ports.store.events(writer, 0, 100_000)
        return found

    async def kinds(self) -> list[str]:
        """Kinds of all audit events, writer by writer."""
        return [event.kind for event in await self.recorded()]

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """What the events of one kind say: ``actor``, ``request_id`` and ``body``."""
        return [json.loads(event.content) for event in await self.recorded() if event.kind == kind]

    async def row(self, card: Mapping[str, Any]) -> Client:
        """The client as the store has it; it must be there."""
        found = await self.ports.store.client(client_key(Route.REGISTERED, card["client_id"]))
        assert found is not None
        return found

    async def kept(self) -> tuple[object, ...]:
        """Everything a request could have changed: the clients, and how many events there are."""
        return (*await self.ports.store.clients("", 100_000), len(await self.recorded()))


def _headers(token: str | None) -> dict[str, str]:
    headers = {"content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return headers


async def world(folder: Path, store: Store | None = None, /, *, sqlite: bool = False, **changed: object) -> World:
    """A server in ``folder`` with some settings changed; only the keyring is kept there, and the database with ``sqlite``."""
    values = {"issuer": ISSUER, "host": "127.0.0.1", "failure_rate": 0, "fetch_rate": 0, **changed}
    settings = check(complete(replace(Settings(), **values)))  # type: ignore[arg-type] # the names and types of Settings, test by test
    clock = Clock()
    folder.mkdir(exist_ok=True)
    keyring = FileKeyring.create(folder / "keyring.json", settings.issuer, secrets.token_bytes, clock())
    if sqlite:
        store = _database(folder, keyring, b"tester", clock)
    made = store or MemoryStore(chain_key=_chain(keyring, b"tester"), writer=new_writer(1, b"tester"), now=clock)
    some = _around(settings, made, keyring, clock)
    await first_signing_keys(some.ports)
    return some


async def beside(some: World, folder: Path, name: bytes = b"second") -> World:
    """A second process on the SQLite database of a world, with the same clock."""
    keyring = FileKeyring(folder / "keyring.json")
    return _around(some.ports.settings, _database(folder, keyring, name, some.clock), keyring, some.clock)


def _database(folder: Path, keyring: FileKeyring, name: bytes, clock: Clock) -> SqliteStore:
    return SqliteStore.open(folder / "store.db", chain_key=_chain(keyring, name), writer=new_writer(1, name), now=clock)


def _chain(keyring: FileKeyring, name: bytes) -> bytes:
    key = keyring.mac(1, CHAIN, new_writer(1, name))
    assert key is not None
    return key


def _around(settings: Settings, store: Store, keyring: FileKeyring, clock: Clock) -> World:
    lines: list[dict[str, object]] = []

    def log(event: str, **line: object) -> None:
        lines.append({"event": event, **line})

    signer = JoseSigner(keyring, {**MAKERS, "RS256": lambda: next(_rsa_keys())})
    strangers = Strangers(clock)
    ports = assemble(settings, store, keyring, now=clock, log=log, passwords=QuickPasswords())
    return World(replace(ports, signer=signer, fetcher=strangers), clock, lines, strangers)


@cache
def _rsa_keys() -> Iterator[RSAKey]:
    """RSA keys in turn: making one takes longer than most tests, and no world needs more than these."""
    return cycle([RSAKey.generate_key(2048, auto_kid=False) for _ in range(4)])


@contextmanager
def changed(some: World, **values: object) -> Generator[World]:
    """The same server with other settings, for a while."""
    settings = replace(some.ports.settings, **values)  # type: ignore[arg-type] # as above
    before = some.ports
    desk = Desk(settings.issuer, settings.registration_endpoint, settings.management)
    rules = uninvited(settings.anonymous_scopes or None, settings.default_scope)
    some.ports = replace(
        before,
        settings=settings,
        ground=ground(settings),
        desk=desk,
        rules=rules,
        customs=customs(settings),
        document=document(settings),
    )
    some.app = App(some.ports)
    try:
        yield some
    finally:
        some.ports = before
        some.app = App(before)
