"""The fifteen examples of registering a client, in the order of the requirements."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.statements import Directory, trusting, written
from tests.world import CALLBACK, World, world

KEY = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}
TLS = {"token_endpoint_auth_method": "tls_client_auth"}
LIST = "https://s.example/list.json"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


async def test_1_a_public_native_client_has_no_secret_and_the_defaults_of_the_code_flow(server: World) -> None:
    card = await server.register(
        application_type="native",
        redirect_uris=["com.example.tea:/cb", "http://127.0.0.1/cb"],
        token_endpoint_auth_method="none",
        client_name="Tea CLI",
    )

    assert not {"client_secret", "client_secret_expires_at"} & card.keys()
    assert (card["grant_types"], card["response_types"]) == (["authorization_code"], ["code"])


@pytest.mark.parametrize(
    "number, code, members, told",
    [
        (2, "invalid_client_metadata", {"grant_types": ["implicit"], "response_types": ["code"]}, "grant_types"),
        (3, "invalid_redirect_uri", {"redirect_uris": [f"{CALLBACK}#x"]}, "fragment"),
        (4, "invalid_client_metadata", {"jwks_uri": "https://a.example/k", "jwks": {"keys": []}}, "jwks"),
        (5, "invalid_client_metadata", {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [KEY]}}, "private"),
        (6, "invalid_client_metadata", {"userinfo_encrypted_response_enc": "A256GCM"}, "userinfo_encrypted_response_enc"),
        (12, "invalid_redirect_uri", {"redirect_uris": ["http://a.example/cb"], "application_type": "web"}, "https"),
        (13, "invalid_client_metadata", {"tos_uri#fr": "javascript:alert(1)"}, "tos_uri#fr"),
    ],
)
async def test_what_is_wrong_by_itself_is_refused_by_name(
    server: World, number: int, code: str, members: dict[str, Any], told: str
) -> None:
    del number
    refused, why = await server.refusal(**members)

    assert refused == code
    assert told in why


async def test_7_a_sector_whose_list_lacks_the_redirect_uri_is_refused(server: World) -> None:
    server.strangers.serve(LIST, json.dumps(["https://other.example/cb"]).encode())

    pairwise = await server.refusal(subject_type="pairwise", sector_identifier_uri=LIST)
    public = await server.refusal(sector_identifier_uri=LIST)

    assert (pairwise[0], public[0]) == ("invalid_client_metadata", "invalid_client_metadata")
    assert public[1].startswith("sector_identifier_uri: its list lacks the redirect URI")


async def test_8_where_a_token_is_required_and_none_was_sent_the_challenge_names_no_error(tmp_path: Path) -> None:
    server = await world(tmp_path, registration="token")

    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK]})

    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert "error=" not in reply.headers["www-authenticate"]


async def test_9_a_statement_overrides_what_the_request_says_and_comes_back_as_it_was_sent(tmp_path: Path) -> None:
    server, directory = await trusting(tmp_path, written()), Directory()
    statement = directory.states()

    card = await server.register(client_name="Fake", software_statement=statement)

    assert (card["client_name"], card["software_id"], card["software_statement"]) == ("Official Tea", "tea-1", statement)


async def test_10_a_statement_without_a_signature_is_bad_and_one_of_an_unknown_issuer_is_not_approved(tmp_path: Path) -> None:
    server, known, stranger = await trusting(tmp_path, written()), Directory(), Directory("https://stranger.example")
    signed = known.states()
    head = "eyJhbGciOiJub25lIn0"

    unsigned = await server.refusal(software_statement=f"{head}.{signed.split('.')[1]}.")
    foreign = await server.refusal(software_statement=stranger.states())

    assert (unsigned[0], foreign[0]) == ("invalid_software_statement", "unapproved_software_statement")


async def test_11_an_unknown_member_is_dropped(server: World) -> None:
    assert "favourite_colour" not in await server.register(favourite_colour="green")


@pytest.mark.parametrize("more", [{}, {"tls_client_auth_san_dns": "a.example", "tls_client_auth_subject_dn": "CN=a"}])
async def test_14_a_certificate_is_known_by_exactly_one_name(server: World, more: dict[str, str]) -> None:
    code, _ = await server.refusal(**TLS, **more)

    assert code == "invalid_client_metadata"


async def test_15_a_client_without_a_redirect_uri_needs_an_invitation_for_its_grant(server: World) -> None:
    job: dict[str, object] = {"redirect_uris": [], "grant_types": ["client_credentials"], "client_name": "Job"}
    stranger = await server.refusal(**job)

    card = await server.register(await server.invitation(scope="openid", grants=("client_credentials",)), **job)

    assert stranger[0] == "invalid_client_metadata"
    assert card["response_types"] == []
