"""Clients that never register: what they are is published on a host of theirs, and its address is their name (CIMD, seed 004)."""

import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import httpx
import pytest
import time_machine
import trustme
from authlib.integrations.base_client import OAuthError
from joserfc.jwk import ECKey

from tests.interop.browser import Stopped, Visitor, Window, desktop
from tests.interop.conftest import NAME, OPAQUE, PASSWORD, Running, environment, free_port, introspector, process, program
from tests.interop.driver import NODE_HOME, Driver, find_node
from tests.interop.holder import DISCOVERY, NOTHING, Holder, Says, session_of, signed_in
from tests.interop.hurried import MINUTE
from tests.interop.mcp_app import CALLBACK, App
from tests.interop.notes import noted
from tests.interop.publisher import DOCUMENT, KEYS, WELL_KNOWN, Publisher, said
from tests.interop.test_authlib_people import claims_of, discover
from tests.interop.test_fastmcp import a_whole_life as fastmcp_lives
from tests.interop.test_mcp import a_whole_life as mcp_lives
from tests.interop.test_node_mcp import LISTENER, assert_stepped_up
from tests.ledger import meets

HURRIED = [sys.executable, "-P", str(Path(__file__).with_name("hurried.py"))]
"""Our program, with a time of day that a test puts forward."""


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


@meets("D-01", "D-10", "D-12", "D-41", "D-56")
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
@meets("D-01", "D-10", "D-12", "D-41", "D-56", "H-08")
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


@meets("D-01", "D-10", "D-12", "D-56")
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


@meets("D-01", "D-24", "D-61", "H-12", "S4-51")
def test_a_client_with_published_keys_shows_at_each_request_that_it_has_them(running: Running, visitor: Visitor, host: Publisher) -> None:
    client = holder(running, host)

    token = client.sign_in(visitor)
    about = running.introspect(OPAQUE, str(token["access_token"]))
    fresh = client.refresh(token["refresh_token"])
    without = [client.post("token", grant_type="refresh_token", refresh_token=fresh), client.post("revocation", token=fresh)]
    once = client.assertion()
    status, again = client.post("token", grant_type="refresh_token", refresh_token=fresh, **once)
    twice = client.post("token", grant_type="refresh_token", refresh_token=str(again["refresh_token"]), **once)
    revoked = client.post("revocation", token=str(again["refresh_token"]), **client.assertion())

    assert (status, about["active"], about["client_id"]) == (200, True, client.address)
    assert [(status, told["error"]) for status, told in (*without, twice)] == [(401, "invalid_client")] * 3
    assert revoked == (200, {})
    assert running.introspect(OPAQUE, str(token["access_token"])) == {"active": False}
    assert_never_registered(running, client.address, "cimd")
    assert host.asked == {DOCUMENT: 1, KEYS: 1}


@meets("R-48", "D-24", "S4-51")
def test_a_key_that_the_host_publishes_later_is_found_when_it_signs(trust: dict[str, str], tmp_path: Path, host: Publisher) -> None:
    ahead = tmp_path / "ahead"
    with serving(tmp_path / "data", HURRIED, trust | {"AHEAD": str(ahead)}) as running, running.visitor() as visitor:
        running.add_person()
        before = holder(running, host)
        token = before.sign_in(visitor)["refresh_token"]
        after = replace(before, key=new_key(host, "second"))

        at_once = after.refusal(token)
        asked_at_once = host.asked[KEYS]
        ahead.touch()
        with time_machine.travel(time.time() + MINUTE):
            later = after.refresh(token)
            gone = before.refusal(later)

    assert (at_once, asked_at_once) == ("invalid_client", 1)
    assert (gone, host.asked[KEYS]) == ("invalid_client", 2)


# ── Authlib, by client discovery ─────────────────────────────────────────────────────────────────────────────────────


@meets("D-01", "D-10", "D-12", "D-59", "C-28", "S4-01", "S4-09", "S4-15", "S4-25", "S4-26", "S4-32", "S4-33", "S4-41")
@pytest.mark.parametrize("name, brings", [("localhost", DISCOVERY), ("127.0.0.1", NOTHING)])
def test_a_client_is_discovered_below_its_origin(
    running: Running, visitor: Visitor, authority: trustme.CA, name: str, brings: Says
) -> None:
    """It may spell its origin in its own way, say at the token endpoint how it was found or not, and on this machine be without TLS."""
    server = discover(running.issuer)
    with Publisher(name, authority if name == "localhost" else None) as host:
        host.publish(WELL_KNOWN, said(CALLBACK))
        spelled = host.origin.replace("localhost", "LocalHost") + "/"
        with closing(session_of(spelled)) as session:
            token, nonce = signed_in(session, server, visitor, DISCOVERY, brings)
            fresh = session.refresh_token(server["token_endpoint"])
            about = running.introspect(OPAQUE, str(fresh["access_token"]))
            running.command("client", "suspend", host.origin, "--discovery")
            with pytest.raises(OAuthError) as over:
                session.refresh_token(server["token_endpoint"])
            with pytest.raises(Stopped) as stopped:
                signed_in(session, server, visitor, DISCOVERY)

    assert claims_of(server, {"client_id": host.origin}, token["id_token"], nonce)["iss"] == running.issuer
    assert (about["active"], about["client_id"]) == (True, host.origin)
    assert visitor.texts["client-host"].startswith(name)
    assert (over.value.error, stopped.value.status, stopped.value.code) == ("invalid_client", 400, "invalid_client")
    assert_never_registered(running, host.origin, "looker")
    assert host.asked == {WELL_KNOWN: 1}
