"""The metadata documents say what is served and nothing else (RFC 8414 §2, §3.2)."""

from dataclasses import replace

import pytest

from calling_card.protocol.persons.people import CLAIMS
from calling_card.protocol.server import MEMBERS, Served, document
from tests.ledger import meets

SERVED = Served(
    issuer="https://as.example/tenant",
    registration_endpoint="https://as.example/tenant/register",
    endpoints={
        name: f"https://as.example/tenant/{path}"
        for name, path in (
            ("authorization", "authorize"),
            ("token", "token"),
            ("userinfo", "userinfo"),
            ("jwks", "jwks"),
            ("introspection", "introspect"),
            ("revocation", "revoke"),
        )
    },
    grant_types=("authorization_code", "client_credentials"),
    auth_methods=("client_secret_basic", "client_secret_post", "private_key_jwt", "none"),
    assertion_algs=("ES256", "HS256"),
    scopes=("openid", "orders"),
    resources=("https://api.example",),
    algs=("RS256", "ES256"),
    languages=("en", "ja"),
    service_documentation="https://docs.example/",
)


@meets("A-02", "A-05")
def test_everything_served_is_said_and_the_issuer_is_byte_for_byte() -> None:
    assert document(SERVED) == {
        "issuer": "https://as.example/tenant",
        "authorization_endpoint": "https://as.example/tenant/authorize",
        "token_endpoint": "https://as.example/tenant/token",
        "jwks_uri": "https://as.example/tenant/jwks",
        "registration_endpoint": "https://as.example/tenant/register",
        "scopes_supported": ["openid", "orders"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": ["en", "ja"],
        "userinfo_endpoint": "https://as.example/tenant/userinfo",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "claims_supported": ["sub", *(name for names in CLAIMS.values() for name in names)],
        "userinfo_signing_alg_values_supported": ["RS256", "ES256"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "HS256"],
        "introspection_endpoint": "https://as.example/tenant/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "introspection_endpoint_auth_signing_alg_values_supported": ["ES256", "HS256"],
        "revocation_endpoint": "https://as.example/tenant/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
        "revocation_endpoint_auth_signing_alg_values_supported": ["ES256", "HS256"],
        "service_documentation": "https://docs.example/",
        "protected_resources": ["https://api.example"],
    }


@meets("A-05", "A-07")
def test_what_is_not_served_leaves_no_member_behind() -> None:
    nothing = replace(
        SERVED,
        registration_endpoint="",
        grant_types=(),
        auth_methods=("none",),
        scopes=(),
        resources=(),
        algs=(),
        languages=(),
        service_documentation="",
    )

    said = document(nothing)

    assert not any(value in ("", [], None) for value in said.values())
    assert set(document(SERVED)) - set(said) == {
        "registration_endpoint",
        "scopes_supported",
        "ui_locales_supported",
        "id_token_signing_alg_values_supported",
        "userinfo_signing_alg_values_supported",
        "grant_types_supported",
        "introspection_endpoint_auth_methods_supported",
        "token_endpoint_auth_signing_alg_values_supported",
        "introspection_endpoint_auth_signing_alg_values_supported",
        "revocation_endpoint_auth_signing_alg_values_supported",
        "service_documentation",
        "protected_resources",
    }


@meets("A-05")
@pytest.mark.parametrize("method", ["client_secret_jwt", "private_key_jwt"])
def test_algorithms_of_assertions_are_listed_exactly_where_a_method_needs_them(method: str) -> None:
    with_jwt, without = document(replace(SERVED, auth_methods=(method,))), document(replace(SERVED, auth_methods=("client_secret_basic",)))

    for endpoint in ("token", "introspection", "revocation"):
        name = f"{endpoint}_endpoint_auth_signing_alg_values_supported"
        assert (with_jwt[name], name in without) == (["ES256", "HS256"], False)


def test_no_member_is_described_twice_and_each_has_its_section() -> None:
    names = [member.name for member in MEMBERS]

    assert len(set(names)) == len(names)
    assert all(member.section.startswith(("RFC ", "OIDC ", "CIMD ", "OAuth ")) and member.meaning.endswith(".") for member in MEMBERS)


@meets("H-30")
@pytest.mark.parametrize(
    "name", ["pushed_authorization_request_endpoint", "end_session_endpoint", "dpop_signing_alg_values_supported", "signed_metadata"]
)
def test_what_is_not_built_yet_is_not_promised(name: str) -> None:
    assert name not in document(SERVED)
