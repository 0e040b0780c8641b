"""Scripts of any origin may register and manage, without cookies (RFC 7591 §3, Fetch §3.2)."""

from pathlib import Path

import pytest

from tests.ledger import meets
from tests.world import World, world

ORIGIN = {"origin": "https://app.example"}


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


@meets("R-91", "M-53", "M-05")
@pytest.mark.parametrize(
    "path, methods, allow",
    [
        ("/register", "POST", "POST, OPTIONS"),
        ("/register/any", "GET, PUT, DELETE", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ],
)
async def test_a_preflight_names_methods_and_headers_and_asks_for_no_credentials(
    server: World, path: str, methods: str, allow: str
) -> None:
    asked = {**ORIGIN, "access-control-request-method": "PUT", "access-control-request-headers": "authorization,content-type"}

    reply = await server.call("OPTIONS", path, b"", asked)

    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["allow"] == allow
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["access-control-allow-methods"] == methods
    assert {"Authorization", "Content-Type"} <= set(reply.headers["access-control-allow-headers"].split(", "))
    assert "access-control-allow-credentials" not in reply.headers


@meets("R-91", "M-53")
async def test_answers_and_refusals_can_be_read_by_any_script(server: World) -> None:
    card = await server.register()
    uri = card["registration_client_uri"]

    replies = [
        await server.call("POST", "/register", b"{}", {**ORIGIN, "content-type": "application/json"}),
        await server.call("POST", "/register", b"{}", ORIGIN),
        await server.call("GET", "/register", b"", ORIGIN),
        await server.call("GET", uri, b"", ORIGIN),
        await server.call("GET", uri, b"", {**ORIGIN, "authorization": f"Bearer {card['registration_access_token']}"}),
        await server.call("DELETE", uri, b"", {**ORIGIN, "authorization": f"Bearer {card['registration_access_token']}"}),
    ]

    assert [reply.status for reply in replies] == [400, 415, 405, 401, 200, 204]
    for reply in replies:
        assert reply.headers["access-control-allow-origin"] == "*"
        assert "WWW-Authenticate" in reply.headers["access-control-expose-headers"].split(", ")
        assert "access-control-allow-credentials" not in reply.headers


@pytest.mark.parametrize("path", ["/introspect", "/healthz", "/readyz"])
async def test_what_no_page_needs_is_closed_to_scripts(server: World, path: str) -> None:
    preflight = await server.call("OPTIONS", path, b"", ORIGIN)
    asked = await server.call("GET", path, b"", ORIGIN)

    assert preflight.status == 204
    assert "allow" in preflight.headers
    assert not [name for reply in (preflight, asked) for name in reply.headers if name.startswith("access-control-")]
