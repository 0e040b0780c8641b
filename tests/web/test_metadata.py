"""The metadata documents and the key set as a caller sees them: RFC 8414 §3, OIDC Discovery §4, RFC 7517 §5."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from calling_card.protocol.card.ground import ASSERTION_ALGS, AUTH_METHODS
from calling_card.protocol.clients import JSON
from calling_card.usecases.issue import EXCHANGES
from calling_card.web.endpoints import ENDPOINTS
from tests import assertions
from tests.assertions import Holder, holder, with_secret
from tests.ledger import meets
from tests.visitor import Browser, exchange, person_client, refresh, somebody
from tests.world import CALLBACK, ISSUER, START, Reply, World, changed, world

PLACE = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


async def at(server: World, url: str, method: str = "GET") -> Reply:
    """A URL of ours, taken apart as a client does; the test world knows only paths."""
    return await server.call(method, urlsplit(url).path)


# ── Where ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-01", "A-02")
@pytest.mark.parametrize(
    "issuer, places, nowhere",
    [
        ("https://as.example", [PLACE, OPENID], [f"{PLACE}/", f"{OPENID}/tenant", "/tenant" + OPENID]),
        (
            "https://as.example/tenant",
            [f"{PLACE}/tenant", f"{OPENID}/tenant", f"/tenant{OPENID}", f"/tenant{PLACE}"],
            [PLACE, OPENID, f"{PLACE}/other", f"{PLACE}/tenant/"],
        ),
        ("https://as.example/a/b", [f"{PLACE}/a/b", f"{OPENID}/a/b", f"/a/b{OPENID}"], [PLACE, f"{PLACE}/a", f"/a{OPENID}/b"]),
    ],
)
async def test_both_documents_are_at_every_place_where_a_client_may_look(
    tmp_path: Path, issuer: str, places: list[str], nowhere: list[str]
) -> None:
    server = await world(tmp_path, issuer=issuer)

    found = [await server.call("GET", place) for place in places]

    assert {(reply.status, reply.headers["content-type"]) for reply in found} == {(200, "application/json")}
    assert len({reply.body for reply in found}) == 1
    assert found[0].json["issuer"] == issuer
    assert [(await server.call("GET", place)).status for place in nowhere] == [404] * len(nowhere)


@meets("A-03", "X-27")
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example", "x-forwarded-host": "evil.example"},
        {"x-forwarded-host": "evil.example", "x-forwarded-proto": "http", "x-forwarded-port": "1", "x-forwarded-prefix": "/evil"},
        {"x_forwarded_host": "evil.example", "x-original-host": "evil.example", "x-host": "evil.example"},
        {"forwarded": "host=evil.example;proto=http"},
        {"x-original-url": "/evil.example", "x-rewrite-url": "/evil.example", "origin": "https://evil.example"},
    ],
)
async def test_no_header_has_any_say_in_an_address_of_ours(server: World, headers: dict[str, str]) -> None:
    """Example 2 of the server requirements and example 11 of the security ones."""
    plain = await server.call("GET", PLACE)
    body = json.dumps({"redirect_uris": [CALLBACK]}).encode()

    answers = [await server.call("GET", path, headers=headers) for path in (PLACE, OPENID, "/jwks", "/nowhere")]
    registered = await server.call("POST", "/register", body, {"content-type": "application/json", **headers})

    assert answers[0].body == answers[1].body == plain.body
    assert all(b"evil" not in reply.body and "evil" not in str(reply.headers) for reply in [*answers, registered])
    assert registered.json["registration_client_uri"] == f"{ISSUER}/register/{registered.json['client_id']}"
    assert registered.headers["location"] == registered.json["registration_client_uri"]


@meets("A-02", "X-28")
async def test_one_issuer_string_stands_in_metadata_tokens_and_introspection(tmp_path: Path) -> None:
    issuer = "https://as.example:8443/Tenant"
    server = await world(tmp_path, issuer=issuer)
    invitation = await server.invitation(scope="openid", grants=("client_credentials",))
    registered = await server.call(
        "POST",
        "/Tenant/register",
        json.dumps(
            {"redirect_uris": [], "grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_post"}
        ).encode(),
        {"content-type": "application/json", "authorization": f"Bearer {invitation}"},
    )
    proof = {name: registered.json[name] for name in ("client_id", "client_secret")}

    async def post(path: str, **fields: str) -> dict[str, Any]:
        return (await server.call("POST", f"/Tenant{path}", urlencode({**proof, **fields}).encode(), FORM)).json

    token = (await post("/token", grant_type="client_credentials", resource="https://api.example"))["access_token"]
    claims = server.ports.signer.verify(token, "at+jwt")

    assert claims is not None
    assert claims["iss"] == (await post("/introspect", token=token))["iss"] == issuer
    assert (await server.call("GET", f"{PLACE}/Tenant")).json["issuer"] == issuer


# ── For how long ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-07", "A-79")
@pytest.mark.parametrize("path", [PLACE, OPENID, "/jwks"])
async def test_a_document_may_be_kept_for_a_short_time_and_read_by_any_script(server: World, path: str) -> None:
    reply = await server.call("GET", path, headers={"origin": "https://app.example"})

    assert reply.headers["cache-control"] == "public, max-age=300"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in reply.headers
    with changed(server, metadata_max_age=5):
        assert (await server.call("GET", path)).headers["cache-control"] == "public, max-age=5"


@meets("A-07")
@pytest.mark.parametrize("path", [PLACE, "/jwks"])
async def test_who_has_the_document_already_gets_no_body(server: World, path: str) -> None:
    first = await server.call("GET", path)
    tag = first.headers["etag"]

    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await server.call("GET", path, headers={"if-none-match": known})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
        assert "content-length" not in again.headers
        assert again.headers["cache-control"] == first.headers["cache-control"]
    for unknown in ('"other"', tag.strip('"'), ""):
        assert (await server.call("GET", path, headers={"if-none-match": unknown})).body == first.body


async def test_head_has_the_headers_of_get_and_no_body(server: World) -> None:
    for path in (PLACE, OPENID, "/jwks"):
        get, head = await server.call("GET", path), await server.call("HEAD", path)

        assert (head.status, head.body) == (200, b"")
        assert {**head.headers, "x-request-id": ""} == {**get.headers, "x-request-id": ""}


@meets("A-05", "A-07")
async def test_what_is_switched_off_leaves_the_document_at_once(server: World) -> None:
    before = await server.call("GET", PLACE)

    with changed(server, registration="closed"):
        closed = await server.call("GET", PLACE, headers={"if-none-match": before.headers["etag"]})
        refused = await server.post_json("/register", {"redirect_uris": [CALLBACK]})

    assert before.json["registration_endpoint"] == f"{ISSUER}/register"
    assert closed.status == 200
    assert set(before.json) - set(closed.json) == {"registration_endpoint"}
    assert refused.no == (403, "access_denied")


@meets("A-05")
async def test_a_new_resource_server_shows_at_once_under_a_new_tag(server: World) -> None:
    before = await server.call("GET", PLACE)

    await server.resource("https://api.example", "orders:read")
    after = await server.call("GET", PLACE, headers={"if-none-match": before.headers["etag"]})

    assert after.json["protected_resources"] == ["https://api.example"]
    assert "orders:read" in after.json["scopes_supported"]


async def test_the_key_set_is_public(server: World) -> None:
    published = (await server.call("GET", "/jwks")).json["keys"]

    assert {key["kty"]: set(key) for key in published} == {
        "EC": {"kty", "crv", "x", "y", "kid", "use", "alg"},
        "RSA": {"kty", "n", "e", "kid", "use", "alg"},
    }


# ── Whether it is true ───────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-05", "H-30")
async def test_every_endpoint_that_is_named_answers(server: World) -> None:
    document = (await server.call("GET", PLACE)).json
    named: dict[str, str] = {name: url for name, url in document.items() if name.endswith(("_endpoint", "_uri"))}

    read = ("jwks_uri", "userinfo_endpoint")
    answers = {name: await at(server, url, "GET" if name in read else "POST") for name, url in named.items()}

    assert {name: reply.status for name, reply in answers.items()} == {
        "authorization_endpoint": 415,
        "token_endpoint": 415,
        "jwks_uri": 200,
        "userinfo_endpoint": 401,
        "registration_endpoint": 415,
        "introspection_endpoint": 415,
        "revocation_endpoint": 415,
    }
    assert all(url.startswith(f"{ISSUER}/") for url in named.values())
    assert {urlsplit(url).path for url in named.values()} == {row.path for row in ENDPOINTS if row.named} | {"/register"}


@meets("A-05", "H-30", "A-39")
@pytest.mark.parametrize("member", ["token_endpoint", "introspection_endpoint", "revocation_endpoint"])
async def test_every_method_that_is_listed_is_accepted_there_and_no_other(server: World, member: str) -> None:
    document = (await server.call("GET", PLACE)).json
    listed = document[f"{member}_auth_methods_supported"]
    url = document[member]

    accepted: list[str] = []
    for method in AUTH_METHODS:
        card = await server.register(token_endpoint_auth_method=method, jwks=holder().jwks)
        fields = {"token": "x", "grant_type": "client_credentials"}
        if method == "client_secret_basic":
            reply = await server.post_form(url, fields, basic=(card["client_id"], card["client_secret"]))
        elif method.endswith("_jwt"):
            key = holder() if method == "private_key_jwt" else with_secret(card["client_secret"])
            reply = await server.post_form(url, {**fields, **proven(card, key)})
        else:
            proof: dict[str, str] = {name: card[name] for name in ("client_id", "client_secret") if name in card}
            reply = await server.post_form(url, {**fields, **proof})
        if reply.status != 401:
            accepted.append(method)
            expected = (400, "unauthorized_client") if member == "token_endpoint" else (200, "")
            assert (reply.status, reply.json.get("error", "") if reply.body else "") == expected

    assert accepted == listed


def proven(card: dict[str, Any], key: Holder) -> dict[str, str]:
    """What a client sends that signs."""
    return assertions.form(key.signs(assertions.claims(card["client_id"], ISSUER, START)))


@meets("A-05", "H-30")
@pytest.mark.parametrize("member", ["token_endpoint", "introspection_endpoint", "revocation_endpoint"])
async def test_every_algorithm_of_assertions_that_is_listed_is_accepted_there(server: World, member: str) -> None:
    document = (await server.call("GET", PLACE)).json
    listed = document[f"{member}_auth_signing_alg_values_supported"]

    for alg in listed:
        symmetric = alg.startswith("HS")
        said: dict[str, object] = {} if symmetric else {"jwks": holder(alg).jwks}
        method = "client_secret_jwt" if symmetric else "private_key_jwt"
        card = await server.register(token_endpoint_auth_method=method, token_endpoint_auth_signing_alg=alg, **said)
        key = with_secret(card["client_secret"], alg) if symmetric else holder(alg)
        reply = await server.post_form(document[member], {"token": "x", "grant_type": "client_credentials", **proven(card, key)})
        assert card["token_endpoint_auth_signing_alg"] == alg
        assert reply.status == (400 if member == "token_endpoint" else 200), reply.body

    assert listed == list(ASSERTION_ALGS)


@meets("A-05", "H-30", "A-45")
async def test_every_grant_that_is_listed_gives_a_token_and_no_other_does(server: World) -> None:
    listed = (await server.call("GET", PLACE)).json["grant_types_supported"]
    card = await server.register(
        await server.invitation(scope="openid", grants=tuple(listed)), grant_types=listed, token_endpoint_auth_method="client_secret_basic"
    )
    await somebody(server)
    code = (await Browser(server).allow(card))["code"]

    by_code = await exchange(server, card, code)
    by_refresh = await refresh(server, card, by_code.json["refresh_token"])
    answers = {"authorization_code": by_code, "refresh_token": by_refresh, "client_credentials": await server.token(card)}
    others = [
        await server.token(card, grant_type=grant)
        for grant in ("password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:jwt-bearer")
    ]

    assert listed == list(EXCHANGES) == list(answers)
    assert {reply.status for reply in answers.values()} == {200}
    assert {reply.no for reply in others} == {(400, "unsupported_grant_type")}


@meets("A-05")
async def test_every_scope_that_is_listed_can_be_had(server: World) -> None:
    await server.resource("https://api.example", "orders:read orders:write")
    listed = (await server.call("GET", PLACE)).json["scopes_supported"]
    card = await server.machine(" ".join(listed))

    granted = [(await server.token(card, scope=scope)).json["scope"] for scope in listed]

    assert granted == listed


@meets("H-30")
@pytest.mark.parametrize(
    "member, value",
    [
        ("token_endpoint_auth_method", "tls_client_auth"),
        ("token_endpoint_auth_method", "self_signed_tls_client_auth"),
        ("token_endpoint_auth_method", "attest_jwt_client_auth"),
        ("introspection_endpoint_auth_method", "private_key_jwt"),
        ("revocation_endpoint_auth_method", "private_key_jwt"),
        ("grant_types", ["password"]),
        ("grant_types", ["urn:ietf:params:oauth:grant-type:device_code"]),
        ("grant_types", ["authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"]),
        ("response_types", ["id_token token"]),
        ("dpop_bound_access_tokens", True),
        ("tls_client_certificate_bound_access_tokens", True),
        ("require_pushed_authorization_requests", True),
        ("require_signed_request_object", True),
        ("id_token_encrypted_response_alg", "RSA-OAEP-256"),
        ("userinfo_encrypted_response_alg", "RSA-OAEP-256"),
        ("request_object_encryption_alg", "RSA-OAEP-256"),
        ("subject_type", "pairwise"),
        ("id_token_signed_response_alg", "none"),
    ],
)
@pytest.mark.parametrize("profile", ["lenient", "strict"])
async def test_what_is_not_served_is_refused_or_replaced_by_name_and_never_kept(
    tmp_path: Path, member: str, value: object, profile: str
) -> None:
    server = await world(tmp_path, profile=profile)
    key = {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }

    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK], "jwks": {"keys": [{**key, "kid": "1"}]}, member: value})

    if reply.status == 201:
        assert reply.json.get(member) != value
        [told] = await server.told("client_registered")
        assert member in {row[0] for row in told["body"]["decision"]}
    else:
        assert reply.no == (400, "invalid_client_metadata")
        assert member in reply.why


@meets("A-05", "A-61")
@pytest.mark.parametrize("member", ["id_token", "userinfo"])
async def test_every_algorithm_that_is_listed_signs_and_its_key_is_published(server: World, member: str) -> None:
    listed = (await server.call("GET", PLACE)).json[f"{member}_signing_alg_values_supported"]
    published = {key["kid"]: key["alg"] for key in (await server.call("GET", "/jwks")).json["keys"]}
    await somebody(server)

    used: list[str] = []
    for alg in listed:
        card = await person_client(server, **{f"{member}_signed_response_alg": alg})
        got = (await exchange(server, card, (await Browser(server).allow(card))["code"])).json
        told = await server.call("GET", "/userinfo", headers={"authorization": f"Bearer {got['access_token']}"})
        text = got["id_token"] if member == "id_token" else told.body.decode()
        header = json.loads(urlsafe_b64decode(text.split(".")[0] + "=="))
        assert published[header["kid"]] == header["alg"]
        used.append(header["alg"])

    assert used == listed == ["RS256", "ES256"]


# ── What no answer holds ─────────────────────────────────────────────────────────────────────────────────────────────


def empty(value: JSON, place: str = "") -> Iterator[str]:
    """Places of ``null`` and of empty texts, which make clients throw an answer away."""
    if value is None or value == "":
        yield place
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from empty(each, f"{place}.{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from empty(each, f"{place}[{number}]")


async def test_no_answer_holds_a_null_or_an_empty_text(server: World) -> None:
    api = (await server.resource("https://api.example", "")).information
    unset = {"client_name": "", "client_uri": None, "logo_uri": "", "contacts": None, "scope": "", "jwks": None, "software_id": ""}
    card = await server.register(**unset)
    public = await server.register(token_endpoint_auth_method="none", tos_uri="", policy_uri=None)
    machine = await server.machine()
    token = await server.token(machine, resource="https://api.example")

    answers = [
        card,
        public,
        machine,
        (await server.read(card)).json,
        (await server.replace(card, client_uri="", logo_uri=None)).json,
        token.json,
        (await server.introspect(api, token.json["access_token"])).json,
        (await server.introspect(api, "garbage")).json,
        *[(await server.call("GET", path)).json for path in (PLACE, "/jwks", "/healthz", "/readyz", "/nowhere")],
        (await server.token(card)).json,
        (await server.post_json("/register", {"redirect_uris": []})).json,
        (await server.post_json("/register", {"redirect_uris": ["x"], "client_uri": "y"})).json,
    ]

    assert [list(empty(answer)) for answer in answers] == [[]] * len(answers)
