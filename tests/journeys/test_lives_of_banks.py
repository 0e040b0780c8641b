"""Lives of software in regulated networks, in the shapes of the United Kingdom and of Brazil, as far as this server serves them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.assertions import Holder, claims, form, holder
from tests.ledger import meets
from tests.statements import SUBJECT, Directory, Software, toml
from tests.world import CALLBACK, ISSUER, World, body_of, world

OB = "OpenBanking Ltd"
KEYS = "https://keystore.example/bank/app.jwks"
SIGNED_BY = holder("PS256", "ob1")
SCOPES = ("openid", "accounts", "payments", "consents", "resources", "profile")
PROXY = "198.51.100.7"


def software_of(server: World) -> Software:
    made = Software(server, holder("PS256", "app1"), "software-1")
    server.strangers.serve(KEYS, json.dumps(made.key.jwks).encode())
    return made


async def bank(folder: Path, row: dict[str, object], *, sqlite: bool = False, **settings: object) -> World:
    (folder / "ob.jwks").write_text(json.dumps(SIGNED_BY.jwks), encoding="utf-8")
    file = folder / "issuers.toml"
    file.write_text(toml([{"issuer": OB, "label": "Open Banking", "jwks": "ob.jwks", **row}]), encoding="utf-8")
    trust = {"statement_issuers_file": str(file), "software_statements": "required", "scopes": SCOPES}
    return await world(folder, sqlite=sqlite, **trust, **settings)


def british(directory: Directory, **others: object) -> str:
    said: dict[str, object] = {
        "software_id": "software-1",
        "client_name": None,
        "software_client_name": "Budget Planner",
        "software_client_id": "xyz",
        "software_environment": "production",
        "software_mode": "Live",
        "software_version": 1.1,
        "software_jwks_endpoint": KEYS,
        "software_jwks_revoked_endpoint": "https://keystore.example/bank/revoked.jwks",
        "software_redirect_uris": [CALLBACK, "https://app.example/second"],
        "software_roles": ["AISP"],
        "org_id": "org-1",
        "org_name": "Budget Ltd",
        "org_status": "Active",
        "org_contacts": [{"name": "Technical", "email": "tech@app.example", "type": "Technical"}],
    }
    return directory.states(**{**said, **others})


def brazilian(directory: Directory, **others: object) -> str:
    said: dict[str, object] = {"software_jwks_endpoint": None, "software_jwks_uri": KEYS, "software_roles": ["DADOS"]}
    return british(directory, **{**said, **others})


async def machine_token(server: World, card: Mapping[str, Any], key: Holder) -> int:
    assertion = key.signs(claims(card["client_id"], ISSUER, server.clock()))
    return (await server.post_form("/token", form(assertion, grant_type="client_credentials", scope="accounts"))).status


@pytest.fixture
def directory() -> Directory:
    return Directory(OB, SIGNED_BY)


@meets("R-76", "R-77", "R-78", "R-80", "R-81", "S0-04")
async def test_a_british_planner_introduces_itself_works_changes_and_leaves(tmp_path: Path, directory: Directory) -> None:
    grants = ("client_credentials", "authorization_code", "refresh_token")
    server = await bank(tmp_path, {"preset": "uk", "audience": ["bank-org-1"], "grants": grants}, signed_registration=True)
    software = software_of(server)

    # It signs a request around the statement of its directory, with the key that the statement names.
    request = software.signs(
        british(directory), aud="bank-org-1", grant_types=list(grants), software_id="software-1", scope="openid accounts payments"
    )
    introduced = await software.sends(request, "application/jose")
    assert introduced.status == 201, introduced.body
    card = introduced.json
    assert (card["client_name"], card["organization_name"], card["jwks_uri"]) == ("Budget Planner", "Budget Ltd", KEYS)
    assert (card["redirect_uris"], card["scope"]) == ([CALLBACK], "openid accounts")
    assert (card["token_endpoint_auth_method"], card["token_endpoint_auth_signing_alg"]) == ("private_key_jwt", "PS256")
    assert not {*card} & {"client_secret", "software_version", "org_id"}

    # It proves who it is by that key, and gets what its role allows.
    assert await machine_token(server, card, software.key) == 200

    # It changes by a fresh statement, and its token stays the one it is.
    narrower = software.signs(
        british(directory), aud="bank-org-1", client_id=card["client_id"], redirect_uris=["https://app.example/second"]
    )
    changed = await software.puts(card, narrower)
    assert changed.status == 200, changed.body
    assert changed.json["redirect_uris"] == ["https://app.example/second"]
    assert changed.json["registration_access_token"] == card["registration_access_token"]

    # What its statement does not say it does not get; what it may not do it is told.
    for others, no in (
        ({"redirect_uris": ["https://evil.example/cb"]}, "invalid_redirect_uri"),
        ({"software_id": "software-2"}, "invalid_client_metadata"),
        ({"jwks_uri": "https://evil.example/keys"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_signing_alg": "RS256"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": SUBJECT}, "invalid_client_metadata"),
    ):
        refused = await software.sends(software.signs(british(directory), aud="bank-org-1", **others))
        assert refused.no == (400, no), (others, refused.body)

    # It leaves.
    assert (await server.remove(card)).status == 204


@meets("R-71")
async def test_a_british_payer_without_a_role_here_is_told(tmp_path: Path, directory: Directory) -> None:
    server = await bank(tmp_path, {"preset": "uk"}, signed_registration=True)
    software = software_of(server)

    refused = await software.sends(software.signs(british(directory, software_roles=[]), scope="payments"))
    missing = await software.sends(software.signs(british(directory, software_jwks_endpoint=None)))

    assert refused.no == (400, "invalid_client_metadata")
    assert missing.no == (400, "invalid_software_statement")


@meets("R-65", "R-74", "R-78", "R-79", "R-80", "R-82")
async def test_a_brazilian_reader_shows_its_certificate_and_a_statement_of_the_last_five_minutes(
    tmp_path: Path, directory: Directory
) -> None:
    settings: dict[str, Any] = {"client_certificate_header": "x-client-subject", "trusted_proxies": (PROXY,)}
    server = await bank(tmp_path, {"preset": "brazil", "grants": ("client_credentials", "authorization_code")}, **settings)
    software = software_of(server)
    shown = {
        "content-type": "application/json",
        "x-client-subject": "CN=app.example,UID=software-1,organizationIdentifier=OFBBR-org-1,C=BR",
    }

    # Without its certificate nobody vouches for it; with one of another organisation neither.
    said: dict[str, object] = {"redirect_uris": [CALLBACK], "jwks_uri": KEYS, "grant_types": ["client_credentials", "authorization_code"]}
    body = json.dumps({**said, "software_statement": brazilian(directory)}).encode()
    assert (await server.call("POST", "/register", body, {"content-type": "application/json"})).no == (400, "unapproved_software_statement")
    other = {**shown, "x-client-subject": "organizationIdentifier=OFBBR-org-2"}
    assert (await server.call("POST", "/register", body, other)).no == (400, "unapproved_software_statement")

    # With it, it gets every scope of its role, since it asked for none.
    introduced = await server.call("POST", "/register", body, shown)
    assert introduced.status == 201, introduced.body
    card = introduced.json
    assert (card["scope"], card["client_name"], card["jwks_uri"]) == ("openid accounts consents resources", "Budget Planner", KEYS)
    assert await machine_token(server, card, software.key) == 200

    # Keys by value, other keys and other redirects are refused.
    for others, no in (
        ({"jwks": software.key.jwks}, "invalid_client_metadata"),
        ({"jwks_uri": "https://evil.example/keys"}, "invalid_client_metadata"),
        ({"redirect_uris": ["https://evil.example/cb"]}, "invalid_redirect_uri"),
    ):
        wrong = json.dumps({**said, "software_statement": brazilian(directory), **others}).encode()
        assert (await server.call("POST", "/register", wrong, shown)).no == (400, no)

    # Ten minutes later the statement is too old, also for a replacement; a fresh one is taken, and the token stays.
    server.clock.forward(600)
    assert (await server.call("POST", "/register", body, shown)).no == (400, "invalid_software_statement")
    bearer = {**shown, "authorization": f"Bearer {card['registration_access_token']}"}
    for old in (body_of(card), body_of(card, ("software_statement",))):
        reply = await server.call("PUT", card["registration_client_uri"], json.dumps(old).encode(), bearer)
        assert reply.no == (400, "invalid_software_statement")
    directory.now = server.clock()
    fresh = body_of(card, software_statement=brazilian(directory))
    changed = await server.call("PUT", card["registration_client_uri"], json.dumps(fresh).encode(), bearer)
    assert changed.status == 200, changed.body
    assert changed.json["registration_access_token"] == card["registration_access_token"]
