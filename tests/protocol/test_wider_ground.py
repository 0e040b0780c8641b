"""Rules that wait for their effect: with more served, the same rows take more and still hold together."""

import base64
from dataclasses import replace

import pytest

from calling_card.protocol.card.ground import Ground
from calling_card.protocol.card.metadata import judge, needs_secret
from calling_card.protocol.card.rules import CIBA
from calling_card.protocol.card.vocabulary import MEMBERS
from calling_card.protocol.clients import JSON, Card
from calling_card.protocol.errors import No, Refusal
from tests.ledger import meets

EVERYTHING = Ground(
    issuer="https://as.example",
    related_hosts="off",
    auth_methods=MEMBERS["token_endpoint_auth_method"].known,
    grant_types=MEMBERS["grant_types"].known,
    response_types=MEMBERS["response_types"].known,
    signing_algs=("RS256", "PS256", "ES256", "EdDSA", "HS256", "none"),
    encryption_algs=("RSA-OAEP-256", "ECDH-ES", "dir", "A256KW"),
    encryption_encs=("A128CBC-HS256", "A256GCM"),
    subject_types=("public", "pairwise"),
    response_modes=MEMBERS["response_modes"].known,
    acr_values=("urn:one", "urn:two"),
    authorization_details_types=("payment",),
    delivery_modes=("poll", "ping"),
    effects=frozenset(MEMBERS),
)
KEY: dict[str, JSON] = {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}
KEYS: JSON = {"keys": [KEY]}


def card_of(ground: Ground = EVERYTHING, /, **members: JSON) -> Card:
    """The card of a web client that says this besides its callback, and that it is stable."""
    card = judge({"redirect_uris": ["https://a.example/cb"], **members}, ground, scopes=("openid",), default_scope="openid").card
    again = judge(card, ground, scopes=("openid",), default_scope="openid")
    assert (again.card, again.changes) == (card, ())
    return card


def problem(ground: Ground = EVERYTHING, /, **members: JSON) -> str:
    """The description under which the same client is refused, as invalid metadata."""
    with pytest.raises(Refusal) as caught:
        card_of(ground, **members)
    assert caught.value.no is No.INVALID_CLIENT_METADATA
    return caught.value.description


# ── Methods and keys ─────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-44")
@pytest.mark.parametrize("method", ["private_key_jwt", "self_signed_tls_client_auth"])
def test_methods_that_prove_a_key_need_one(method: str) -> None:
    needs = f"token_endpoint_auth_method: {method} needs jwks or jwks_uri"

    assert needs in problem(token_endpoint_auth_method=method)
    assert needs in problem(token_endpoint_auth_method=method, jwks={"keys": []})
    assert card_of(token_endpoint_auth_method=method, jwks_uri="https://a.example/k")["token_endpoint_auth_method"] == method


@meets("R-44")
def test_a_self_signed_certificate_comes_with_the_key() -> None:
    certificate = base64.b64encode(b"\x30\x82" + b"\0" * 32).decode()
    with_certificate: dict[str, JSON] = {**KEY, "x5c": [certificate]}
    bound: JSON = {"keys": [with_certificate]}

    assert "needs a key with x5c" in problem(token_endpoint_auth_method="self_signed_tls_client_auth", jwks=KEYS)
    assert card_of(token_endpoint_auth_method="self_signed_tls_client_auth", jwks=bound)["jwks"] == bound
    assert card_of(token_endpoint_auth_method="private_key_jwt", jwks=KEYS)["jwks"] == KEYS


SUBJECTS: dict[str, JSON] = {
    "tls_client_auth_subject_dn": "CN=client, O=Example",
    "tls_client_auth_san_dns": "client.a.example",
    "tls_client_auth_san_uri": "spiffe://a.example/client",
    "tls_client_auth_san_ip": "2001:db8::1",
    "tls_client_auth_san_email": "client@a.example",
}


@meets("H-30")
def test_a_certificate_is_known_by_exactly_one_name() -> None:
    assert "exactly one tls_client_auth_* member, not 0" in problem(token_endpoint_auth_method="tls_client_auth")
    assert "not 5" in problem(token_endpoint_auth_method="tls_client_auth", **SUBJECTS)
    for name, value in SUBJECTS.items():
        assert card_of(token_endpoint_auth_method="tls_client_auth", **{name: value})[name] == value


@pytest.mark.parametrize(
    "name, value, finding",
    [
        ("tls_client_auth_subject_dn", "client", "not a distinguished name"),
        ("tls_client_auth_san_dns", "-a.example", "not a DNS name"),
        ("tls_client_auth_san_uri", "client", "not an absolute URI"),
        ("tls_client_auth_san_ip", "127.1", "not an IP address"),
        ("tls_client_auth_san_email", "client", "not an e-mail address"),
    ],
)
def test_a_name_in_a_certificate_has_its_form(name: str, value: str, finding: str) -> None:
    assert f"{name}: is {finding}" in problem(token_endpoint_auth_method="tls_client_auth", **{name: value})


@pytest.mark.parametrize("endpoint", ["token", "introspection", "revocation"])
def test_the_algorithm_of_an_assertion_fits_the_method(endpoint: str) -> None:
    alg, method = f"{endpoint}_endpoint_auth_signing_alg", f"{endpoint}_endpoint_auth_method"
    keyed: dict[str, JSON] = {"token_endpoint_auth_method": "private_key_jwt", method: "private_key_jwt", "jwks": KEYS}
    secret: dict[str, JSON] = {"token_endpoint_auth_method": "client_secret_jwt", method: "client_secret_jwt"}

    assert card_of(**keyed, **{alg: "ES256"})[alg] == "ES256"
    assert card_of(**secret, **{alg: "HS256"})[alg] == "HS256"
    assert f"{alg}: does not go with {method} private_key_jwt" in problem(**keyed, **{alg: "HS256"})
    assert f"{alg}: does not go with {method} client_secret_jwt" in problem(**secret, **{alg: "ES256"})
    assert f"{alg}: is not served; served are RS256" in problem(**keyed, **{alg: "ES256K"})
    assert f"{alg}: must not be none" in problem(**keyed, **{alg: "none"})


def test_other_endpoints_follow_the_method_of_the_token_endpoint() -> None:
    card = card_of(token_endpoint_auth_method="client_secret_jwt", introspection_endpoint_auth_signing_alg="HS256")

    assert card["introspection_endpoint_auth_method"] == "client_secret_jwt"
    assert card["introspection_endpoint_auth_signing_alg"] == "HS256"


@meets("R-108", "R-41")
@pytest.mark.parametrize(
    "members",
    [
        {"id_token_signed_response_alg": "HS256"},
        {"userinfo_signed_response_alg": "HS256"},
        {"request_object_signing_alg": "HS256"},
        {"id_token_encrypted_response_alg": "dir"},
        {"userinfo_encrypted_response_alg": "A256KW"},
        {"request_object_encryption_alg": "dir"},
        {"nfv_token_signed_response_alg": "HS512"},
    ],
    ids=lambda members: next(iter(members)),
)
def test_a_symmetric_algorithm_needs_a_secret(members: dict[str, JSON]) -> None:
    name = next(iter(members))

    assert f"{name}: needs a client secret" in problem(token_endpoint_auth_method="none", **members)
    assert needs_secret(card_of(token_endpoint_auth_method="private_key_jwt", jwks=KEYS, **members))


@meets("R-108")
def test_a_public_client_may_have_algorithms_with_key_pairs() -> None:
    card = card_of(token_endpoint_auth_method="none", id_token_signed_response_alg="ES256")

    assert not needs_secret(card)


# ── Encryption ───────────────────────────────────────────────────────────────────────────────────────────────────────

RESPONSES = ["id_token", "userinfo", "introspection", "authorization", "nfv_token"]


@pytest.mark.parametrize("response", RESPONSES)
def test_content_encryption_needs_key_encryption_and_has_a_default(response: str) -> None:
    alg, enc = f"{response}_encrypted_response_alg", f"{response}_encrypted_response_enc"

    assert f"{enc}: needs {alg}" in problem(**{enc: "A256GCM"})
    assert card_of(jwks=KEYS, **{alg: "ECDH-ES"})[enc] == "A128CBC-HS256"
    assert card_of(jwks=KEYS, **{alg: "ECDH-ES", enc: "A256GCM"})[enc] == "A256GCM"
    assert card_of(replace(EVERYTHING, encryption_encs=("A256GCM",)), jwks=KEYS, **{alg: "ECDH-ES"})[enc] == "A256GCM"
    assert enc not in card_of(replace(EVERYTHING, encryption_encs=()), jwks=KEYS, **{alg: "ECDH-ES"})
    assert enc not in card_of()
    assert f"{enc}: this server does not serve it (yet); it serves A128CBC-HS256, A256GCM" in problem(
        jwks=KEYS, **{alg: "ECDH-ES", enc: "X"}
    )


@pytest.mark.parametrize("response", RESPONSES)
def test_encryption_to_a_key_pair_needs_the_key(response: str) -> None:
    alg = f"{response}_encrypted_response_alg"

    assert f"{alg}: needs jwks or jwks_uri with a key to encrypt to" in problem(**{alg: "RSA-OAEP-256"})
    assert card_of(jwks_uri="https://a.example/k", **{alg: "RSA-OAEP-256"})[alg] == "RSA-OAEP-256"
    assert card_of(**{alg: "dir"})[alg] == "dir"


def test_request_objects_are_encrypted_to_the_server() -> None:
    assert card_of(request_object_encryption_alg="RSA-OAEP-256")["request_object_encryption_enc"] == "A128CBC-HS256"
    assert "request_object_encryption_enc: needs request_object_encryption_alg" in problem(request_object_encryption_enc="A256GCM")


def test_an_unsigned_id_token_is_for_the_code_flow() -> None:
    assert card_of(id_token_signed_response_alg="none")["id_token_signed_response_alg"] == "none"
    assert "none is for clients that get no ID token" in problem(
        id_token_signed_response_alg="none", response_types=["id_token"], grant_types=["implicit"]
    )


@pytest.mark.parametrize("name", ["userinfo_signed_response_alg", "introspection_signed_response_alg", "authorization_signed_response_alg"])
def test_signed_answers_are_signed(name: str) -> None:
    assert f"{name}: must not be none" in problem(**{name: "none"})


def test_without_rs256_id_tokens_are_signed_with_what_is_there() -> None:
    def default(*algs: str) -> JSON:
        return card_of(replace(EVERYTHING, signing_algs=algs)).get("id_token_signed_response_alg")

    assert default("ES256", "RS256") == "RS256"
    assert default("HS256", "none", "ES256") == "ES256"
    assert default("HS256", "none") is None


# ── Grants and response types ────────────────────────────────────────────────────────────────────────────────────────


@meets("R-16")
@pytest.mark.parametrize(
    "grants, types, kept, fitting",
    [
        (["implicit"], None, ["implicit"], ["id_token"]),
        (["authorization_code", "implicit"], None, ["authorization_code", "implicit"], ["code", "id_token"]),
        (None, ["token id_token"], ["implicit"], ["id_token token"]),
        (None, ["id_token code"], ["authorization_code", "implicit"], ["code id_token"]),
        (None, ["token code id_token", "code id_token token"], ["authorization_code", "implicit"], ["code id_token token"]),
        (None, ["none"], ["authorization_code"], ["none"]),
        (["authorization_code", "refresh_token"], ["code", "id_token"], ["authorization_code", "refresh_token"], ["code"]),
        (["authorization_code", "implicit"], ["code"], ["authorization_code"], ["code"]),
        (["authorization_code"], ["code", "code id_token"], ["authorization_code"], ["code"]),
    ],
)
def test_hybrid_and_implicit_lists_agree(grants: JSON, types: JSON, kept: list[str], fitting: list[str]) -> None:
    card = card_of(grant_types=grants, response_types=types)

    assert (card["grant_types"], card["response_types"]) == (kept, fitting)


@meets("R-16", "H-07")
def test_example_2_with_implicit_enabled_leaves_nothing_in_common() -> None:
    assert "grant_types implicit and response_types code do not fit together" in problem(grant_types=["implicit"], response_types=["code"])
    assert "do not fit together" in problem(grant_types=["authorization_code", "refresh_token"], response_types=["id_token"])
    assert "do not fit together" in problem(
        replace(EVERYTHING, strict=True), grant_types=["authorization_code"], response_types=["code", "id_token"]
    )


@meets("R-16")
def test_a_response_type_whose_grant_is_not_served_is_refused() -> None:
    ground = replace(EVERYTHING, grant_types=("authorization_code",))

    assert "grant_types none and response_types id_token do not fit" in problem(ground, response_types=["id_token"])


@meets("R-34")
@pytest.mark.parametrize("uri", ["https://localhost/cb", "http://localhost/cb"])
def test_example_12_tokens_do_not_go_to_localhost(uri: str) -> None:
    with pytest.raises(Refusal) as caught:
        card_of(redirect_uris=[uri], grant_types=["implicit"], response_types=["id_token"])

    assert caught.value.no is No.INVALID_REDIRECT_URI
    assert card_of(redirect_uris=[uri], post_logout_redirect_uris=[uri])["post_logout_redirect_uris"] == [uri]
    assert card_of(grant_types=["implicit"], post_logout_redirect_uris=[uri])["post_logout_redirect_uris"] == [uri]


# ── Promises ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name",
    [
        "dpop_bound_access_tokens",
        "tls_client_certificate_bound_access_tokens",
        "require_pushed_authorization_requests",
        "require_signed_request_object",
        "require_auth_time",
    ],
)
def test_a_promise_that_is_built_is_kept(name: str) -> None:
    assert card_of(**{name: True})[name] is True


def test_a_token_is_bound_once() -> None:
    assert "dpop_bound_access_tokens: and tls_client_certificate_bound_access_tokens must not both be true" in problem(
        dpop_bound_access_tokens=True, tls_client_certificate_bound_access_tokens=True
    )
    assert card_of(dpop_bound_access_tokens=True, tls_client_certificate_bound_access_tokens=False)["dpop_bound_access_tokens"]


@pytest.mark.parametrize("value", [True, False])
def test_aliases_mean_something_with_certificates(value: bool) -> None:
    bound = card_of(use_mtls_endpoint_aliases=value, tls_client_certificate_bound_access_tokens=True)
    known = card_of(use_mtls_endpoint_aliases=value, token_endpoint_auth_method="tls_client_auth", tls_client_auth_san_dns="a.example")

    assert bound["use_mtls_endpoint_aliases"] is known["use_mtls_endpoint_aliases"] is value


def test_pairwise_subjects_need_one_host_or_a_sector() -> None:
    hosts: JSON = ["https://a.example/cb", "https://b.example/cb"]
    one: JSON = ["https://a.example/cb", "https://A.example:8443/cb2"]

    assert "subject_type: pairwise with redirect URIs on several hosts" in problem(subject_type="pairwise", redirect_uris=hosts)
    assert card_of(subject_type="pairwise", redirect_uris=one)["subject_type"] == "pairwise"
    assert card_of(subject_type="pairwise", redirect_uris=hosts, sector_identifier_uri="https://s.example/l")["sector_identifier_uri"]


def test_wishes_are_limited_to_what_is_advertised() -> None:
    assert card_of(default_acr_values=["urn:two"])["default_acr_values"] == ["urn:two"]
    assert card_of(authorization_details_types=["payment"])["authorization_details_types"] == ["payment"]
    assert card_of(client_registration_types=["explicit"])["client_registration_types"] == ["explicit"]
    assert "client_registration_types: must be one of automatic, explicit" in problem(client_registration_types=["other"])
    assert "authorization_details_types: this server does not serve it (yet); it serves payment" in problem(
        authorization_details_types=["x"]
    )


# ── Logout and CIBA ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_logout_page_is_on_the_origin_of_a_redirect() -> None:
    page = "https://a.example:443/out?x=1"

    card = card_of(frontchannel_logout_uri=page, frontchannel_logout_session_required=True)

    assert (card["frontchannel_logout_uri"], card["frontchannel_logout_session_required"]) == (page, True)
    assert "must share scheme, host and port" in problem(frontchannel_logout_uri="https://a.example:8443/out")
    assert "must not have a fragment" in problem(frontchannel_logout_uri="https://a.example/out#x")


@pytest.mark.parametrize("name", ["frontchannel_logout_uri", "backchannel_logout_uri"])
def test_logout_over_http_is_for_confidential_clients_where_enabled(name: str) -> None:
    enabled = replace(EVERYTHING, http_logout=True)
    members: dict[str, JSON] = {"redirect_uris": ["http://localhost:9000/cb"], name: "http://localhost:9000/out"}

    assert f"{name}: must begin with https://" in problem(**members)
    assert f"{name}: must begin with https://" in problem(enabled, token_endpoint_auth_method="none", **members)
    assert card_of(enabled, **members)[name] == "http://localhost:9000/out"


def test_the_server_can_be_asked_to_tell_of_logout() -> None:
    card = card_of(backchannel_logout_uri="https://b.example/out", backchannel_logout_session_required=False)

    assert (card["backchannel_logout_uri"], card["backchannel_logout_session_required"]) == ("https://b.example/out", False)


def test_a_ciba_client_says_how_it_learns_of_its_token() -> None:
    grant: dict[str, JSON] = {"grant_types": [CIBA]}
    address = "https://a.example/notify"

    assert "need backchannel_token_delivery_mode" in problem(**grant)
    assert "needs backchannel_client_notification_endpoint" in problem(**grant, backchannel_token_delivery_mode="ping")
    assert "backchannel_token_delivery_mode: this server does not serve it (yet); it serves poll, ping" in problem(
        **grant, backchannel_token_delivery_mode="push", backchannel_client_notification_endpoint=address
    )
    assert card_of(**grant, backchannel_token_delivery_mode="poll", backchannel_user_code_parameter=True)["backchannel_user_code_parameter"]
    assert card_of(**grant, backchannel_token_delivery_mode="ping", backchannel_client_notification_endpoint=address)


@pytest.mark.parametrize(
    "alg, finding", [("none", "must not be none"), ("HS256", "must be an algorithm with a key pair"), ("ES512", "does not serve it")]
)
def test_ciba_requests_are_signed_with_a_key_pair(alg: str, finding: str) -> None:
    members: dict[str, JSON] = {"grant_types": [CIBA], "backchannel_token_delivery_mode": "poll"}

    assert finding in problem(**members, backchannel_authentication_request_signing_alg=alg)
    assert card_of(**members, backchannel_authentication_request_signing_alg="ES256")["backchannel_authentication_request_signing_alg"]
