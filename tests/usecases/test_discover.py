"""What this server is: RFC 8414 §2 and §3, OIDC Discovery §3, RFC 7517 §5."""

from pathlib import Path
from typing import Any, cast

import pytest

from calling_card.protocol.card.ground import ASSERTION_ALGS, AUTH_METHODS
from calling_card.protocol.server import MEMBERS
from calling_card.usecases.discover import describe, keys
from calling_card.usecases.renew import signing_key
from tests.ledger import meets
from tests.world import World, world

PATHS = {
    "authorization": "/authorize",
    "token": "/token",
    "introspection": "/introspect",
    "userinfo": "/userinfo",
    "revocation": "/revoke",
    "jwks": "/jwks",
}


CLAIMS_IN_ORDER = [
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
    "email",
    "email_verified",
    "phone_number",
    "phone_number_verified",
    "address",
]


async def document(server: World) -> dict[str, Any]:
    """The metadata of a server."""
    return dict(await describe(server.ports, PATHS, ("en", "ja")))


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
        "authorization_endpoint": f"{issuer}/authorize",
        "userinfo_endpoint": f"{issuer}/userinfo",
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
        "authorization_endpoint": "https://as.example/authorize",
        "token_endpoint": "https://as.example/token",
        "jwks_uri": "https://as.example/jwks",
        "registration_endpoint": "https://as.example/register",
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": ["en", "ja"],
        "userinfo_endpoint": "https://as.example/userinfo",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "userinfo_signing_alg_values_supported": ["RS256", "ES256"],
        "claims_supported": ["sub", *CLAIMS_IN_ORDER],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS),
        "introspection_endpoint": "https://as.example/introspect",
        "introspection_endpoint_auth_methods_supported": [method for method in AUTH_METHODS if method != "none"],
        "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS),
        "revocation_endpoint": "https://as.example/revoke",
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS),
        "client_id_metadata_document_supported": True,
        "client_discovery_supported": True,
    }


@meets("A-05", "A-06")
async def test_resource_servers_and_their_scopes_are_named_once_each(tmp_path: Path) -> None:
    server = await world(tmp_path)
    await server.resource("https://b.example", "orders:read openid")
    await server.resource("https://a.example", "orders:read orders:write")

    said = await document(server)

    assert said["protected_resources"] == ["https://a.example", "https://b.example"]
    assert said["scopes_supported"] == ["openid", "profile", "email", "offline_access", "orders:read", "orders:write"]


@meets("H-30")
async def test_nothing_of_what_is_not_built_is_promised(tmp_path: Path) -> None:
    said = await document(await world(tmp_path))

    promises = ("dpop", "tls_client", "mtls", "pushed", "end_session", "logout", "frontchannel", "backchannel", "acr", "require_", "device")
    assert [name for name in said if name.startswith(promises) or "encryption" in name] == []
    assert {name for name, value in said.items() if value is False} == {
        "claims_parameter_supported",
        "request_parameter_supported",
        "request_uri_parameter_supported",
    }
    assert set(said) <= {member.name for member in MEMBERS}


@meets("A-65")
async def test_the_key_set_holds_public_keys_only_and_follows_a_rotation(tmp_path: Path) -> None:
    server = await world(tmp_path)
    first = [key["kid"] for key in await key_set(server)]
    server.clock.forward(1)

    second = await signing_key(server.ports, "tester")
    after = await key_set(server)
    server.clock.forward(server.ports.settings.id_token_lifetime + 1)
    third = await signing_key(server.ports, "tester")

    assert sorted(key["kid"] for key in after) == sorted([*first, *second])
    assert sorted(key["kid"] for key in await key_set(server)) == sorted([*second, *third])
    assert {(key["alg"], *sorted(key)) for key in after} == {
        ("ES256", "alg", "crv", "kid", "kty", "use", "x", "y"),
        ("RS256", "alg", "e", "kid", "kty", "n", "use"),
    }
    assert {(key["kty"], key["use"]) for key in after} == {("EC", "sig"), ("RSA", "sig")}


@meets("A-65")
async def test_an_old_key_leaves_the_key_set_when_its_last_token_has_ended_without_another_rotation(tmp_path: Path) -> None:
    server = await world(tmp_path)
    old = {key["kid"] for key in await key_set(server)}
    token = server.ports.signer.sign({"sub": "x"}, "JWT")

    new = set(await signing_key(server.ports, "tester"))
    server.clock.forward(server.ports.settings.id_token_lifetime)
    then = {key["kid"] for key in await key_set(server)}
    verified = server.ports.signer.verify(token, "JWT")
    server.clock.forward(1)

    assert then == old | new
    assert verified == {"sub": "x"}
    assert {key["kid"] for key in await key_set(server)} == new
    assert server.ports.signer.verify(token, "JWT") is None


async def key_set(server: World) -> list[dict[str, Any]]:
    """The published keys."""
    return cast(list[dict[str, Any]], (await keys(server.ports))["keys"])
