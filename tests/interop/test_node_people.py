"""openid-client and oauth4webapi sign a person in through our pages, and everything that follows from that."""

from collections.abc import Iterator

import pytest

from tests.interop.conftest import NAME
from tests.interop.driver import NODE_HOME, Driver, Told, find_node
from tests.interop.household import Api, Household
from tests.ledger import meets

ARCHIVE = Api("https://tides.example/archive", "tides:read tides:write", "opaque")
FORECAST = Api("https://tides.example/forecast", "charts:read", "jwt")

INSTALLED: dict[str, object] = {
    "client_name": "Tide tables on this machine",
    "redirect_uris": ["http://127.0.0.1/callback"],
    "scope": "openid profile email offline_access tides:read",
    "token_endpoint_auth_method": "none",
}
"""A program on somebody's machine, which listens at a port of the day."""

WEBSITE: dict[str, object] = {
    "client_name": "Tide tables on the web",
    "redirect_uris": ["https://tides.example/callback"],
    "scope": "openid profile email offline_access charts:read",
    "token_endpoint_auth_method": "client_secret_basic",
    "id_token_signed_response_alg": "ES256",
}
LIVES = {
    "installed-opaque": (INSTALLED, "http://127.0.0.1:49231/callback", ARCHIVE),
    "website-jwt": (WEBSITE, "https://tides.example/callback", FORECAST),
}
LIFE = (
    "discover",
    "register",
    "denied",
    "code",
    "other_issuer",
    "tokens",
    "silent",
    "userinfo",
    "introspect",
    "refresh",
    "introspect_refreshed",
    "revoke",
    "introspect_revoked",
    "userinfo_refused",
    "refresh_refused",
    "read",
    "second",
    "delete",
    "introspect_orphan",
    "userinfo_orphan",
    "read_refused",
    "unknown_at_token",
    "unknown_at_authorize",
)


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    find_node()
    with Household(tmp_path_factory.mktemp("people") / "data", (ARCHIVE, FORECAST)) as household:
        yield household


@meets("R-01", "M-18", "M-39", "M-40", "A-16", "A-46", "A-52", "A-61", "A-63", "A-64", "A-71", "A-102", "H-04", "H-08")
@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize("driver", ["openid-client", "oauth4webapi"])
def test_a_client_of_the_npm_registry_signs_a_person_in(household: Household, driver: str, life: str) -> None:
    said, redirect_uri, api = LIVES[life]
    card = {**said, "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]}
    plan = {**household.told(api), "card": card, "redirect_uri": redirect_uri, "scope": card["scope"]}

    with Driver([find_node(), str(NODE_HOME / f"people-{driver}.mjs")], plan) as program:
        steps = program.steps(LIFE[-1])

    assert tuple(steps) == LIFE
    assert steps["discover"].issuer == household.issuer
    assert {name: steps["register"].card.get(name) for name in card} == card
    assert_answered(household, steps)
    assert_signed_in(household, steps)
    assert_introspected(household, api, steps)
    assert_ended(steps)


def assert_answered(household: Household, steps: dict[str, Told]) -> None:
    """The person signs in once and is asked each time; every answer says that it is ours (RFC 9207 §2)."""
    assert steps["denied"].forms == ["sign-in", "consent"]
    assert steps["denied"].error == "access_denied"
    assert steps["code"].forms == ["consent"]
    assert steps["code"].members == ["code", "iss", "state"]
    assert steps["silent"].forms == []
    assert steps["silent"].error == "consent_required"
    assert {steps[name].issuer for name in ("denied", "code", "silent")} == {household.issuer}
    assert steps["other_issuer"].refused


def assert_signed_in(household: Household, steps: dict[str, Told]) -> None:
    """ID tokens and userinfo are about the person who signed in, before and after a refresh (OIDC Core §12.2)."""
    client_id = steps["register"].card["client_id"]
    first = steps["tokens"].claims
    assert first is not None
    for name in ("tokens", "refresh"):
        claims = steps[name].claims
        assert claims is not None
        assert (claims.sub, claims.iss, claims.aud) == (household.subject, household.issuer, client_id)
        assert claims.auth_time == first.auth_time > 0
        assert claims.amr == ["pwd"]
        assert steps[name].token_type.lower() == "bearer"
        assert steps[name].expires_in > 0
    assert steps["refresh"].rotated
    claims = steps["userinfo"].claims
    assert claims is not None
    assert (claims.sub, claims.name, claims.email) == (household.subject, "Alice Example", "alice@example.com")
    assert claims.preferred_username == NAME


def assert_introspected(household: Household, api: Api, steps: dict[str, Told]) -> None:
    """A resource server sees whose token it is, who uses it and what for (RFC 7662 §2.2)."""
    for name in ("introspect", "introspect_refreshed"):
        step = steps[name]
        assert step.active
        assert step.sub == household.subject
        assert step.client_id == steps["register"].card["client_id"]
        assert api.uri in step.aud
        assert set(step.scope.split()) == set(str(steps["register"].card["scope"]).split())


def assert_ended(steps: dict[str, Told]) -> None:
    """Revocation ends the whole grant; after the deletion the client is unknown everywhere (RFC 7009 §2, RFC 7592 §2.3)."""
    for name in ("introspect_revoked", "introspect_orphan"):
        assert steps[name].active is False
    for name in ("userinfo_refused", "userinfo_orphan", "read_refused"):
        assert (steps[name].status, steps[name].error) == (401, "invalid_token")
    assert (steps["refresh_refused"].status, steps["refresh_refused"].error) == (400, "invalid_grant")
    assert steps["read"].status == 200
    assert steps["read"].card["client_id"] == steps["register"].card["client_id"]
    assert steps["delete"].status == 204
    assert steps["unknown_at_token"].error == "invalid_client"
    assert steps["unknown_at_authorize"].status == 400
