"""What this server is: RFC 8414 §2 and §3, OIDC Discovery §3, RFC 7517 §5."""

from pathlib import Path
from typing import Any, cast

import pytest

from calling_card.protocol.server import MEMBERS
from calling_card.usecases.discover import describe, keys
from calling_card.usecases.renew import signing_key
from tests.ledger import meets
from tests.world import World, world

PATHS = {"token": "/token", "introspection": "/introspect", "revocation": "/revoke", "jwks": "/jwks"}


async def document(server: World) -> dict[str, Any]:
    """The metadata of a server."""
    return dict(await describe(server.ports, PATHS))


@meets("A-02", "A-03")
@pytest.mark.parametrize(
    "issuer",
    ["https://as.example", "https://as.example:8443", "https://as.example/tenant", "https://As.Example/a/b", "http://127.0.0.1:8000"],
)
async def test_the_issuer_is_the_configured_one_byte_for_byte_and_begins_every_url(tmp_path: Path, issuer: str) -> None:
    said = await document(await world(tmp_path, issuer=issuer))

    urls = {name: value for name, value in said.items() if name.endswith(("_endpoint", "_uri"))}
    assert said["issuer"] == issuer
    assert urls == {
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "registration_endpoint": f"{issuer}/register",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
    }


@meets("A-05", "A-07")
@pytest.mark.parametrize("registration, named", [("open", True), ("token", True), ("closed", False)])
async def test_the_registration_endpoint_is_named_while_somebody_can_register(tmp_path: Path, registration: str, named: bool) -> None:
    said = await document(await world(tmp_path, registration=registration, registration_path="/clients/new"))

    assert said.get("registration_endpoint") == ("https://as.example/clients/new" if named else None)


@meets("A-05")
async def test_every_member_says_what_is_enabled_and_none_is_empty(tmp_path: Path) -> None:
    said = await document(await world(tmp_path))

    assert said == {
        "issuer": "https://as.example",
        "token_endpoint": "https://as.example/token",
        "jwks_uri": "https://as.example/jwks",
        "registration_endpoint": "https://as.example/register",
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint": "https://as.example/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint": "https://as.example/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
    }


@meets("A-05", "A-06")
async def test_resource_servers_and_their_scopes_are_named_once_each(tmp_path: Path) -> None:
    server = await world(tmp_path)
    await server.resource("https://b.example", "orders:read openid")
    await server.resource("https://a.example", "orders:read orders:write")

    said = await describe(server.ports, PATHS)

    assert said["protected_resources"] == ["https://a.example", "https://b.example"]
    assert said["scopes_supported"] == ["openid", "profile", "email", "offline_access", "orders:read", "orders:write"]


@meets("H-30")
async def test_nothing_of_what_is_not_built_is_promised(tmp_path: Path) -> None:
    said = await document(await world(tmp_path))

    promises = ("authorization", "userinfo", "dpop", "tls_client", "mtls", "request_", "pushed", "end_session", "logout", "code_challenge")
    assert [name for name in said if name.startswith(promises) or "client_id_metadata" in name or name.startswith("require_")] == []
    assert set(said) <= {member.name for member in MEMBERS}


async def test_the_key_set_holds_public_keys_only_and_follows_a_rotation(tmp_path: Path) -> None:
    server = await world(tmp_path)
    first = (await key_set(server))[0]["kid"]
    server.clock.forward(1)

    second = await signing_key(server.ports, "tester")
    after = await key_set(server)
    server.clock.forward(server.ports.settings.jwt_lifetime + 1)
    third = await signing_key(server.ports, "tester")

    assert [key["kid"] for key in after] == [first, second]
    assert [key["kid"] for key in await key_set(server)] == [second, third]
    assert all(set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in after)
    assert all((key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256") for key in after)


async def key_set(server: World) -> list[dict[str, Any]]:
    """The published keys."""
    return cast(list[dict[str, Any]], (await keys(server.ports))["keys"])
