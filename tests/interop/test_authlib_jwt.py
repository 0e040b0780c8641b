"""Authlib authenticates by a JWT, as its users have it do: with a key pair, or with a secret that it never sends."""

from collections.abc import Iterator
from typing import Protocol, cast

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from joserfc.jwk import ECKey, RSAKey

from tests.interop.conftest import OPAQUE, Running, environment, free_port, introspector, process, program
from tests.interop.life import SERVICE
from tests.ledger import meets

Json = dict[str, object]
AN_HOUR = {"CALLING_CARD_ASSERTION_LIFETIME": "3600"}
"""Authlib lets its assertions live for an hour unless it is told otherwise."""
KEYS: dict[str, RSAKey | ECKey] = {"RS256": RSAKey.generate_key(2048, auto_kid=False), "ES256": ECKey.generate_key("P-256", auto_kid=False)}


class Answer(Protocol):
    """What `requests` and `httpx` answer alike."""

    status_code: int

    def json(self) -> Json: ...


class Session(Protocol):
    """The part of Authlib's sessions that is used here; Authlib itself is untyped."""

    def register_client_auth_method(self, method: object) -> None: ...
    def fetch_token(self, url: str, *, grant_type: str, resource: str) -> Json: ...
    def introspect_token(self, url: str, *, token: str) -> Answer: ...
    def revoke_token(self, url: str, *, token: str) -> Answer: ...
    def close(self) -> None: ...


class Maker(Protocol):
    """A class of sessions."""

    def __call__(self, **known: object) -> Session: ...


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that takes assertions for an hour."""
    data, port = tmp_path_factory.mktemp("interop") / "data", free_port()
    issuer = f"http://127.0.0.1:{port}"
    with process(program("serve", "--data", str(data), "--port", str(port)), issuer, {**environment(), **AN_HOUR}):
        yield Running(issuer, data, {OPAQUE: introspector(data, OPAQUE, "opaque")})


def registered(running: Running, **members: object) -> Json:
    plan = running.plan(OPAQUE, "", SERVICE)
    headers = {"authorization": f"Bearer {plan.initial_access_token}"}
    card: Json = httpx.post(f"{running.issuer}/register", json={**plan.card, **members}, headers=headers).raise_for_status().json()
    return card


def session_for(maker: Maker, running: Running, card: Json, secret: object, method: object) -> Session:
    name = card["token_endpoint_auth_method"]
    session = maker(
        client_id=card["client_id"], client_secret=secret, token_endpoint_auth_method=name, revocation_endpoint_auth_method=name
    )
    session.register_client_auth_method(method)
    return session


def lives(running: Running, session: Session) -> None:
    """A token is had, asked about and given back, twice: every assertion is a new one."""
    for _ in range(2):
        token = session.fetch_token(f"{running.issuer}/token", grant_type="client_credentials", resource=OPAQUE)
        value = str(token["access_token"])
        assert session.introspect_token(f"{running.issuer}/introspect", token=value).json()["active"] is True
        assert session.revoke_token(f"{running.issuer}/revoke", token=value).status_code == 200
        assert session.introspect_token(f"{running.issuer}/introspect", token=value).json() == {"active": False}
    session.close()


MAKERS = pytest.mark.parametrize("maker", [cast("Maker", OAuth2Session), cast("Maker", OAuth2Client)], ids=["requests", "httpx"])


@meets("A-40")
@MAKERS
@pytest.mark.parametrize("alg", KEYS)
def test_authlib_authenticates_with_a_key_pair(patient: Running, maker: Maker, alg: str) -> None:
    key = KEYS[alg]
    card = registered(patient, token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key.as_dict(private=False)]})

    lives(patient, session_for(maker, patient, card, key, PrivateKeyJWT(f"{patient.issuer}/token", alg=alg)))

    assert "client_secret" not in card


@meets("A-40")
@MAKERS
@pytest.mark.parametrize("alg", ["HS256", "HS512"])
def test_authlib_authenticates_with_a_secret_that_it_does_not_send(patient: Running, maker: Maker, alg: str) -> None:
    card = registered(patient, token_endpoint_auth_method="client_secret_jwt", token_endpoint_auth_signing_alg=alg)

    lives(patient, session_for(maker, patient, card, card["client_secret"], ClientSecretJWT(f"{patient.issuer}/token", alg=alg)))


@meets("A-40")
@MAKERS
def test_an_assertion_that_would_live_for_an_hour_is_not_taken_by_default(running: Running, maker: Maker) -> None:
    card = registered(running, token_endpoint_auth_method="client_secret_jwt")
    session = session_for(maker, running, card, card["client_secret"], ClientSecretJWT(f"{running.issuer}/token"))

    with pytest.raises(OAuthError) as caught:
        session.fetch_token(f"{running.issuer}/token", grant_type="client_credentials", resource=OPAQUE)

    assert caught.value.error == "invalid_client"
    session.close()
