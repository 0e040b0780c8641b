"""Clients that never register: what they are is published on a host of theirs, and its address is their name (CIMD, seed 004)."""

import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

import httpx
import pytest
import time_machine
import trustme
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.assertions import TYPE
from tests.interop.browser import Stopped, Visitor, Window, desktop
from tests.interop.conftest import NAME, OPAQUE, PASSWORD, Running, environment, free_port, introspector, process, program
from tests.interop.driver import NODE_HOME, Driver, find_node
from tests.interop.mcp_app import CALLBACK, App
from tests.interop.notes import noted
from tests.interop.publisher import DOCUMENT, KEYS, WELL_KNOWN, Publisher, said
from tests.interop.test_authlib_people import Json, Maker, Session, claims_of, discover, known_of
from tests.interop.test_fastmcp import a_whole_life as fastmcp_lives
from tests.interop.test_mcp import a_whole_life as mcp_lives
from tests.interop.test_node_mcp import LISTENER, assert_stepped_up
from tests.ledger import meets

HURRIED = [sys.executable, "-P", str(Path(__file__).with_name("hurried.py"))]
"""Our program, whose time of day a test sets."""
MINUTE = 61
"""Seconds after which a key set is read again for a key that it did not have (R-48)."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trust(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a server that reads from hosts of this machine for which that authority vouches.

    It takes assertions for an hour, as Authlib makes them.
    """
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    names = {"FETCH_LOOPBACK": "true", "FETCH_CA_FILE": str(file), "ASSERTION_LIFETIME": "3600"}
    return environment() | {f"CALLING_CARD_{name}": value for name, value in names.items()}


@contextmanager
def serving(data: Path, command: list[str], settings: dict[str, str]) -> Generator[Running]:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    with process([*command, "serve", "--data", str(data), "--port", str(port)], issuer, settings):
        yield Running(issuer, data, {OPAQUE: introspector(data, OPAQUE, "opaque")})


@pytest.fixture(scope="module")
def running(trust: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all clients of this file, none of which registers."""
    with serving(tmp_path_factory.mktemp("addresses") / "data", program(), trust) as server:
        yield server


@pytest.fixture(scope="module")
def subject(running: Running) -> str:
    return running.add_person()


@pytest.fixture
def host(authority: trustme.CA) -> Iterator[Publisher]:
    """A client's own host; each test has another one, and so another client."""
    with Publisher("localhost", authority) as publisher:
        yield publisher


@pytest.fixture
def window(visitor: Visitor) -> Iterator[Window]:
    with desktop(visitor) as opened:
        yield opened


# ── MCP clients, by the URL of a document ────────────────────────────────────────────────────────────────────────────


@meets("D-01", "D-10", "D-12", "D-40", "D-41", "D-56", "H-08", "S4-01", "S4-08", "S4-11")
async def test_the_sdk_of_mcp_lives_its_life_without_registering(running: Running, visitor: Visitor, subject: str, host: Publisher) -> None:
    address = host.document(CALLBACK)

    with noted(running, Path("mcp_server/server.py"), "opaque", "/mcp") as notes:
        app = App(notes, visitor, address)
        await mcp_lives(app, subject)

        assert {asked["client_id"] for asked in app.asked} == {app.client_id} == {address}
        assert notes.introspect(app.access_token)["client_id"] == address
        assert_never_registered(running, address, "cimd")
        assert_shown(visitor, host)
        assert_dead_once_suspended(running, address, app.refresh_token)
        assert notes.introspect(app.access_token) == {"active": False}
    assert host.asked == {DOCUMENT: 1}


@pytest.mark.filterwarnings("ignore:Using in-memory token storage:UserWarning")
@meets("D-01", "D-10", "D-12", "D-40", "D-41", "D-56", "H-08", "S4-01", "S4-08", "S4-11")
async def test_fastmcp_lives_its_life_without_registering(running: Running, window: Window, subject: str, host: Publisher) -> None:
    """It listens at a port that its document cannot know."""
    address = host.document("http://localhost/callback", client_name="FastMCP Client")

    with noted(running, Path("fastmcp_server/server.py"), "opaque", "/mcp") as notes:
        auth = await fastmcp_lives(notes, window, subject, address)

        tokens = auth.context.current_tokens
        assert tokens is not None
        assert notes.introspect(tokens.access_token)["client_id"] == address
        assert_never_registered(running, address, "cimd")
        assert_shown(window.visitor, host)
        assert_dead_once_suspended(running, address, tokens.refresh_token)
        assert notes.introspect(tokens.access_token) == {"active": False}
    assert host.asked == {DOCUMENT: 1}


@meets("D-01", "D-10", "D-12", "D-56", "H-08", "S4-01", "S4-08", "S4-11")
def test_the_mcp_client_of_typescript_lives_its_life_without_registering(running: Running, subject: str, host: Publisher) -> None:
    node = find_node()
    address = host.document(LISTENER)
    resource = f"http://127.0.0.1:{free_port()}/mcp"
    known = introspector(running.data, resource, "opaque")
    plan = {
        "issuer": running.issuer,
        "introspector": known,
        "person": {"name": NAME, "password": PASSWORD},
        "mcp": {"url": resource, "tokens": "opaque"},
        "card": said(LISTENER),
        "address": address,
    }

    with Driver([node, str(NODE_HOME / "mcp-client.mjs")], plan) as driver:
        steps = driver.steps("stepped_up")
        assert_stepped_up(subject, steps)
        assert_never_registered(running, address, "cimd")
        running.command("client", "suspend", address)
        driver.say({})
        stranded = driver.steps("stranded")["stranded"]

    assert steps["asked"].client_id == address
    assert steps["refreshed"].mark != steps["asked"].mark
    assert stranded.status == 400
    assert host.asked == {DOCUMENT: 1}


def assert_never_registered(running: Running, address: str, door: str) -> None:
    """The server knows this client by its address, and beside addresses only what its operator made known."""
    rows = cast("list[dict[str, object]]", running.command("client", "list"))
    assert {row["door"] for row in rows} <= {"cimd", "looker", "admin"}
    assert [(row["door"], row["tier"]) for row in rows if row["client_id"] == address] == [(door, "url")]


def assert_shown(visitor: Visitor, host: Publisher) -> None:
    """The page names the host that answers for the client, and that the way leads to a program on this device."""
    assert visitor.texts["client-host"] in host.origin
    assert visitor.texts["client-host"].startswith("localhost")
    assert visitor.texts["redirect-host"].startswith("localhost")
    assert "loopback" in visitor.texts


def assert_dead_once_suspended(running: Running, address: str, refresh_token: str | None) -> None:
    """The operator blocks an address, and what it holds is worth nothing (RFC 6749 §5.2)."""
    running.command("client", "suspend", address)
    form = {"grant_type": "refresh_token", "client_id": address, "refresh_token": refresh_token}
    reply = httpx.post(f"{running.issuer}/token", data=form)
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")


# ── Authlib, with keys that the client publishes ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Holder:
    """A program with Authlib that says who it is by one key."""

    server: Mapping[str, str]
    address: str
    key: ECKey

    def session(self) -> Session:
        method = "private_key_jwt"
        known = known_of({"client_id": self.address, "client_secret": self.key, "token_endpoint_auth_method": method})
        session = cast("Maker", OAuth2Client)(**known | {"redirect_uri": CALLBACK})
        signs = PrivateKeyJWT(self.server["token_endpoint"], alg="ES256", headers={"kid": self.key.kid})
        cast("Registrar", session).register_client_auth_method(signs)
        return session

    def refresh(self, refresh_token: object) -> object:
        """The next refresh token."""
        with closing(self.session()) as session:
            return session.refresh_token(self.server["token_endpoint"], refresh_token=str(refresh_token))["refresh_token"]

    def refusal(self, refresh_token: object) -> str:
        """The code with which the same is refused."""
        with pytest.raises(OAuthError) as caught:
            self.refresh(refresh_token)
        return str(caught.value.error)

    def assertion(self) -> dict[str, str]:
        """Good for some minutes, and once (RFC 7523 §2.2)."""
        now = int(time.time())
        claims = {"iss": self.address, "sub": self.address, "aud": self.server["issuer"], "iat": now, "exp": now + 300}
        signed = jwt.encode({"alg": "ES256", "kid": self.key.kid}, {**claims, "jti": generate_token()}, self.key)
        return {"client_assertion_type": TYPE, "client_assertion": signed}

    def post(self, endpoint: str, **form: str) -> tuple[int, Json]:
        """One request as it is, without anything of Authlib."""
        reply = httpx.post(self.server[f"{endpoint}_endpoint"], data={"client_id": self.address, **form})
        return reply.status_code, reply.json() if reply.content else {}


class Registrar(Protocol):
    """The part of Authlib's sessions that takes a way to authenticate."""

    def register_client_auth_method(self, method: object) -> None: ...


def new_key(host: Publisher, kid: str) -> ECKey:
    """A key that the host publishes from now on, and no other."""
    key = ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})
    host.publish(KEYS, {"keys": [key.as_dict(private=False)]})
    return key


def holder(running: Running, host: Publisher) -> Holder:
    """A client that could do with a secret, with a key or with nothing, and has published a key (H-12)."""
    several = ["client_secret_basic", "private_key_jwt", "none"]
    members = {"token_endpoint_auth_method": None, "token_endpoint_auth_methods_supported": several, "jwks_uri": host.origin + KEYS}
    return Holder(discover(running.issuer), host.document(CALLBACK, **members), new_key(host, "first"))


def signed_in(session: Session, server: Mapping[str, str], visitor: Visitor, **more: str) -> tuple[Json, str]:
    """Tokens of a person, and the nonce that their ID token must have."""
    verifier, nonce = generate_token(48), generate_token()
    url, state = session.create_authorization_url(server["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **more)
    back = visitor.visit(url)
    token = session.fetch_token(server["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state, **more)
    return token, nonce


def first_login(client: Holder, visitor: Visitor) -> Json:
    with closing(client.session()) as session:
        return signed_in(session, client.server, visitor)[0]


@meets("D-01", "D-24", "D-61", "H-12", "S4-51")
def test_a_client_with_published_keys_shows_at_each_request_that_it_has_them(running: Running, visitor: Visitor, host: Publisher) -> None:
    client = holder(running, host)

    token = first_login(client, visitor)
    fresh = str(client.refresh(token["refresh_token"]))
    without = [client.post("token", grant_type="refresh_token", refresh_token=fresh), client.post("revocation", token=fresh)]
    once = client.assertion()
    status, again = client.post("token", grant_type="refresh_token", refresh_token=fresh, **once)
    twice = client.post("token", grant_type="refresh_token", refresh_token=str(again["refresh_token"]), **once)
    revoked = client.post("revocation", token=str(again["refresh_token"]), **client.assertion())

    assert status == 200
    assert [(status, told["error"]) for status, told in (*without, twice)] == [(401, "invalid_client")] * 3
    assert revoked == (200, {})
    assert running.introspect(OPAQUE, str(token["access_token"])) == {"active": False}
    assert_never_registered(running, client.address, "cimd")
    assert host.asked == {DOCUMENT: 1, KEYS: 1}


@meets("R-48", "D-24", "S4-51")
def test_a_key_that_the_host_publishes_later_is_found_when_it_signs(trust: dict[str, str], tmp_path: Path, host: Publisher) -> None:
    ahead = tmp_path / "ahead"
    ahead.write_text("0", encoding="ascii")
    with serving(tmp_path / "data", HURRIED, trust | {"AHEAD": str(ahead)}) as running, running.visitor() as visitor:
        running.add_person()
        before = holder(running, host)
        token = first_login(before, visitor)["refresh_token"]
        after = replace(before, key=new_key(host, "second"))

        at_once = after.refusal(token)
        asked_at_once = host.asked[KEYS]
        ahead.write_text(str(MINUTE), encoding="ascii")
        with time_machine.travel(time.time() + MINUTE):
            later = after.refresh(token)
            gone = before.refusal(later)

    assert (at_once, asked_at_once) == ("invalid_client", 1)
    assert (gone, host.asked[KEYS]) == ("invalid_client", 2)


# ── Authlib, by client discovery ─────────────────────────────────────────────────────────────────────────────────────


@meets("D-01", "D-10", "D-12", "D-59", "C-28", "S4-09", "S4-15", "S4-25", "S4-32", "S4-33", "S4-41")
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_client_is_discovered_below_its_origin(running: Running, visitor: Visitor, authority: trustme.CA, name: str) -> None:
    """Its own spelling of its origin is one of many; on this machine it may even be without TLS."""
    server = discover(running.issuer)
    with Publisher(name, authority if name == "localhost" else None) as host:
        host.publish(WELL_KNOWN, said(CALLBACK))
        card = {"client_id": host.origin.replace("localhost", "LocalHost") + "/", "token_endpoint_auth_method": "none"}
        with closing(cast("Maker", OAuth2Client)(**known_of(card) | {"redirect_uri": CALLBACK})) as session:
            token, nonce = signed_in(session, server, visitor, client_discovery="true")
            fresh = session.refresh_token(server["token_endpoint"])
            about = running.introspect(OPAQUE, str(fresh["access_token"]))
            running.command("client", "suspend", host.origin, "--discovery")
            with pytest.raises(OAuthError) as over:
                session.refresh_token(server["token_endpoint"])
            with pytest.raises(Stopped) as stopped:
                signed_in(session, server, visitor, client_discovery="true")

    assert claims_of(server, {"client_id": host.origin}, token["id_token"], nonce)["iss"] == running.issuer
    assert (about["active"], about["client_id"]) == (True, host.origin)
    assert visitor.texts["client-host"].startswith(name)
    assert (over.value.error, stopped.value.status, stopped.value.code) == ("invalid_client", 400, "invalid_client")
    assert_never_registered(running, host.origin, "looker")
    assert host.asked == {WELL_KNOWN: 1}
