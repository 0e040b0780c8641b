"""idpyoidc as a relying party: its handler discovers, registers, signs in, and checks the ID token by itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

import httpx
import pytest
from idpyoidc.client.exception import ResponseError
from idpyoidc.client.rp_handler import RPHandler

from tests.interop.browser import Stopped, Visitor, members_of
from tests.interop.conftest import Running
from tests.ledger import meets

CALLBACK = "https://rp.example/authz_cb"
SERVICES = {
    "discovery": "oidc.provider_info_discovery.ProviderInfoDiscovery",
    "registration": "oidc.registration.Registration",
    "registration_read": "oidc.read_registration.RegistrationRead",
    "authorization": "oidc.authorization.Authorization",
    "access_token": "oidc.access_token.AccessToken",
    "refresh_token": "oidc.refresh_access_token.RefreshAccessToken",
    "userinfo": "oidc.userinfo.UserInfo",
    "introspection": "oauth2.introspection.Introspection",
    "token_revocation": "oauth2.token_revocation.TokenRevocation",
}
PROGRAM: dict[str, object] = {
    "client_type": "oidc",
    "client_authn_methods": ["client_secret_basic", "client_secret_post"],
    "redirect_uris": [CALLBACK],
    "preference": {
        "application_type": "web",
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "scopes_supported": ["openid", "profile", "offline_access"],
    },
    "add_ons": {
        "pkce": {
            "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
            "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
        }
    },
}
Said = Mapping[str, object]


@pytest.fixture(autouse=True)
def _a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library keeps its keys below the folder it is started in."""
    monkeypatch.chdir(tmp_path)


class Client(Protocol):
    """The part of idpyoidc's client that these lives need; idpyoidc itself is untyped."""

    def do_request(self, service: str, *, request_args: Said | None = None) -> Said: ...
    def refresh_access_token(self, state: str) -> Said: ...


class Handler(Protocol):
    """The same of its handler of several providers."""

    issuer2rp: Mapping[str, Client]

    def begin(self, issuer: str) -> str: ...
    def finalize(self, issuer: str, response: Mapping[str, str]) -> Said: ...
    def get_valid_access_token(self, state: str) -> tuple[str, int]: ...


def handler(**more: object) -> Handler:
    """A relying party as its makers' documentation sets it up."""
    services = {name: {"class": f"idpyoidc.client.{place}"} for name, place in SERVICES.items()}
    return cast("Handler", RPHandler("https://rp.example", client_configs={"": {**PROGRAM, **more}}, services=services))


def registered_by_hand(issuer: str) -> dict[str, str]:
    """A client that may refresh: idpyoidc derives the grants it registers from the response types, so never that one."""
    said = {"redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"], "scope": "openid profile"}
    card: dict[str, str] = httpx.post(f"{issuer}/register", json=said).raise_for_status().json()
    return card


@meets("R-01", "A-61", "A-63")
def test_idpyoidc_registers_signs_a_person_in_and_reads_its_card(running: Running, visitor: Visitor, subject: str) -> None:
    rp = handler()
    url = rp.begin(running.issuer)
    done = rp.finalize(running.issuer, members_of(visitor.visit(url)))

    card = rp.issuer2rp[running.issuer].do_request("registration_read")
    uri, token = str(card["registration_client_uri"]), str(card["registration_access_token"])
    gone = httpx.delete(uri, headers={"Authorization": f"Bearer {token}"})

    assert visitor.pages == ["sign-in", "consent"]
    assert cast("Said", done["id_token"])["sub"] == subject
    person = cast("Said", done["userinfo"])
    assert (person["sub"], person["name"]) == (subject, "Alice Example")
    assert (card["client_id"], card["grant_types"]) == (members_of(url)["client_id"], ["authorization_code"])
    assert gone.status_code == 204
    with pytest.raises(Stopped, match="invalid_client"):
        visitor.visit(url)


def test_idpyoidc_refreshes_asks_about_and_takes_back_a_token(running: Running, visitor: Visitor, subject: str) -> None:
    card = registered_by_hand(running.issuer)
    rp = handler(client_id=card["client_id"], client_secret=card["client_secret"])
    back = members_of(visitor.visit(rp.begin(running.issuer)))
    first = rp.finalize(running.issuer, back)["token"]
    client = rp.issuer2rp[running.issuer]

    renewed = client.refresh_access_token(back["state"])
    token, _ = rp.get_valid_access_token(back["state"])
    alive = client.do_request("introspection", request_args={"token": token})
    with pytest.raises(ResponseError, match="faulty"):  # it takes the empty body of RFC 7009 §2.2 for a mistake, after all is done
        client.do_request("token_revocation", request_args={"token": token})
    dead = client.do_request("introspection", request_args={"token": token})

    assert token == renewed["access_token"] != first
    assert (alive["active"], alive["sub"], alive["client_id"]) == (True, subject, card["client_id"])
    assert dead["active"] is False
