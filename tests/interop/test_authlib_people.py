"""Authlib signs a person in as its users do: a session that makes the address, and reads what comes back."""

from collections.abc import Awaitable, Mapping
from contextlib import closing
from typing import Protocol, Self, cast

import httpx
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.interop.browser import Stopped, Visitor, members_of
from tests.interop.conftest import JWT, OPAQUE, SCOPE, Running
from tests.ledger import meets

CALLBACK = "https://tides.example/callback"
Json = dict[str, object]


class Answer(Protocol):
    """What `requests` and `httpx` answer alike."""

    status_code: int

    def json(self) -> Json: ...


class Session(Protocol):
    """The part of Authlib's blocking sessions that signing in needs; Authlib itself is untyped."""

    def create_authorization_url(self, url: str, **params: str) -> tuple[str, str]: ...
    def fetch_token(self, url: str, **params: str) -> Json: ...
    def refresh_token(self, url: str, **params: str) -> Json: ...
    def revoke_token(self, url: str, *, token: str) -> Answer: ...
    def get(self, url: str) -> Answer: ...
    def close(self) -> None: ...


class AsyncSession(Protocol):
    """The same of the asynchronous one."""

    def create_authorization_url(self, url: str, **params: str) -> tuple[str, str]: ...
    def fetch_token(self, url: str, **params: str) -> Awaitable[Json]: ...
    def refresh_token(self, url: str, **params: str) -> Awaitable[Json]: ...
    def get(self, url: str) -> Awaitable[Answer]: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *_: object) -> None: ...


class Maker(Protocol):
    """A class of sessions."""

    def __call__(self, **known: object) -> Session: ...


class AsyncMaker(Protocol):
    """A class of asynchronous sessions."""

    def __call__(self, **known: object) -> AsyncSession: ...


def discover(issuer: str) -> Mapping[str, str]:
    found: Mapping[str, str] = httpx.get(f"{issuer}/.well-known/openid-configuration").raise_for_status().json()
    return found


def register(metadata: Mapping[str, str], method: str) -> Json:
    """Introduce a program that signs people in."""
    said = {
        "client_name": "Tide tables",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": f"openid profile {SCOPE}",
        "token_endpoint_auth_method": method,
        "id_token_signed_response_alg": "ES256",
    }
    card: Json = httpx.post(metadata["registration_endpoint"], json=said).raise_for_status().json()
    return card


def known_of(card: Json) -> dict[str, object]:
    """What a session is made with to be the client of this card."""
    method = card["token_endpoint_auth_method"]
    return {
        "client_id": card["client_id"],
        "client_secret": card.get("client_secret"),
        "token_endpoint_auth_method": method,
        "revocation_endpoint_auth_method": method,
        "redirect_uri": CALLBACK,
        "scope": f"openid profile {SCOPE}",
        "code_challenge_method": "S256",
    }


def claims_of(metadata: Mapping[str, str], card: Json, id_token: object, nonce: str) -> Mapping[str, object]:
    """What a good ID token says (OIDC Core §3.1.3.7)."""
    keys = KeySet.import_key_set(httpx.get(metadata["jwks_uri"]).raise_for_status().json())
    good = jwt.decode(str(id_token), keys, algorithms=["ES256"])
    rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": metadata["issuer"]},
        aud={"essential": True, "value": str(card["client_id"])},
        exp={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    rules.validate(good.claims)
    return good.claims


def access_claims_of(metadata: Mapping[str, str], token: object) -> Mapping[str, object]:
    """What a good access token for the resource that checks on the spot says (RFC 9068 §4)."""
    keys = KeySet.import_key_set(httpx.get(metadata["jwks_uri"]).raise_for_status().json())
    good = jwt.decode(str(token), keys, algorithms=["ES256"])
    jwt.JWTClaimsRegistry(iss={"value": metadata["issuer"]}, aud={"essential": True, "value": JWT}, exp={"essential": True}).validate(
        good.claims
    )
    assert good.header["typ"] == "at+jwt"
    return good.claims


@meets("R-01", "A-52", "A-61", "A-63", "A-100")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
@pytest.mark.parametrize("maker", [OAuth2Session, OAuth2Client], ids=["requests", "httpx"])
def test_a_blocking_session_of_authlib_signs_a_person_in(
    running: Running, visitor: Visitor, subject: str, maker: object, method: str
) -> None:
    metadata = discover(running.issuer)
    card = register(metadata, method)
    verifier, nonce = generate_token(48), generate_token()
    with closing(cast("Maker", maker)(**known_of(card))) as session:
        url, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
        back = visitor.visit(url)
        token = session.fetch_token(metadata["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state)
        person = session.get(metadata["userinfo_endpoint"]).json()

        refreshed = session.refresh_token(metadata["token_endpoint"], resource=JWT)
        about = running.introspect(OPAQUE, str(token["access_token"]))

        session.revoke_token(metadata["revocation_endpoint"], token=str(refreshed["refresh_token"]))
        with pytest.raises(OAuthError) as over:
            session.refresh_token(metadata["token_endpoint"], refresh_token=str(refreshed["refresh_token"]))
    gone = httpx.delete(str(card["registration_client_uri"]), headers={"Authorization": f"Bearer {card['registration_access_token']}"})

    assert visitor.pages == ["sign-in", "consent"]
    assert claims_of(metadata, card, token["id_token"], nonce)["sub"] == subject
    assert (person["sub"], person["name"]) == (subject, "Alice Example")
    assert (about["active"], about["sub"], about["client_id"]) == (True, subject, card["client_id"])
    assert access_claims_of(metadata, refreshed["access_token"])["sub"] == subject
    assert refreshed["refresh_token"] != token["refresh_token"]
    assert over.value.error == "invalid_grant"
    assert running.introspect(OPAQUE, str(token["access_token"]))["active"] is False
    assert gone.status_code == 204
    with pytest.raises(Stopped) as page:
        visitor.visit(url)
    assert (page.value.status, page.value.code) == (400, "invalid_client")


async def test_the_asynchronous_session_of_authlib_signs_a_person_in(running: Running, visitor: Visitor, subject: str) -> None:
    metadata = discover(running.issuer)
    card = register(metadata, "client_secret_basic")
    verifier, nonce = generate_token(48), generate_token()
    async with cast("AsyncMaker", AsyncOAuth2Client)(**known_of(card)) as session:
        url, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
        back = visitor.visit(url)
        token = await session.fetch_token(metadata["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state)
        person = (await session.get(metadata["userinfo_endpoint"])).json()
        refreshed = await session.refresh_token(metadata["token_endpoint"])

    assert claims_of(metadata, card, token["id_token"], nonce)["sub"] == subject
    assert person["sub"] == subject
    assert refreshed["refresh_token"] != token["refresh_token"]


def test_a_person_who_cancels_is_told_to_the_program(running: Running, visitor: Visitor) -> None:
    metadata = discover(running.issuer)
    card = register(metadata, "none")
    visitor.decision = "cancel"
    with closing(cast("Maker", OAuth2Client)(**known_of(card))) as session:
        url, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=generate_token(48))

    told = members_of(visitor.visit(url))

    assert (told["error"], told["state"], told["iss"]) == ("access_denied", state, running.issuer)


def test_an_answer_that_is_posted_holds_what_authlib_needs(running: Running, visitor: Visitor) -> None:
    metadata = discover(running.issuer)
    card = register(metadata, "client_secret_basic")
    verifier = generate_token(48)
    with closing(cast("Maker", OAuth2Client)(**known_of(card))) as session:
        url, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, response_mode="form_post")
        where = visitor.visit(url)
        token = session.fetch_token(metadata["token_endpoint"], code=visitor.posted["code"], code_verifier=verifier)

    assert (where, visitor.posted["state"], visitor.posted["iss"]) == (CALLBACK, state, running.issuer)
    assert token["token_type"] == "Bearer"
