"""POST /token as a caller sees it: RFC 6749 §2.3, §5.1, §5.2, RFC 8707 §2, RFC 9068."""

import base64
import time
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote_plus, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import KeySet

from calling_card.usecases.operate import delete, rotate, suspend
from tests import assertions
from tests.assertions import holder, with_secret
from tests.ledger import meets
from tests.visitor import VERIFIER, Browser, exchange, person_client, refresh, somebody
from tests.world import CALLBACK, ISSUER, Reply, World, changed, world

Card = dict[str, Any]
FORM = {"content-type": "application/x-www-form-urlencoded"}
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


def basic(name: str, secret: str) -> dict[str, str]:
    """Headers of a form with these Basic credentials as they stand."""
    return {**FORM, "authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


async def post(
    server: World, body: str | bytes, headers: dict[str, str] | list[tuple[str, str]] | None = None, path: str = "/token"
) -> Reply:
    """This very body."""
    return await server.call("POST", path, body.encode() if isinstance(body, str) else body, FORM if headers is None else headers)


def as_refused(reply: Reply) -> tuple[int, str]:
    """Status and code of a refusal that has all that every refusal has."""
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["content-type"] == "application/json"
    assert reply.json["error_description"].isascii()
    return reply.no


# ── The answer ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-50", "A-10", "A-55")
async def test_a_token_answer_has_exactly_these_members_and_nobody_may_keep_it(server: World) -> None:
    card = await server.machine()

    reply = await server.token(card)

    assert reply.status == 200
    assert reply.json == {"access_token": reply.json["access_token"], "token_type": "Bearer", "expires_in": 3600, "scope": "openid"}
    assert reply.json["access_token"].startswith("cc_at_")
    assert {name: reply.headers[name] for name in ("content-type", "cache-control", "pragma", "x-content-type-options")} == {
        "content-type": "application/json",
        "cache-control": "no-store",
        "pragma": "no-cache",
        "x-content-type-options": "nosniff",
    }


@meets("A-51", "H-26")
async def test_a_signed_token_holds_for_everybody_who_has_the_public_keys(server: World) -> None:
    card = await server.machine("openid profile")
    server.clock.now = int(time.time())
    issued_at = server.clock.now

    token = (await server.token(card, resource="https://api.example/orders", scope="openid")).json["access_token"]
    key_set = (await server.call("GET", "/jwks")).json

    by_joserfc = jwt.decode(token, KeySet.import_key_set(cast(Any, key_set)), algorithms=["ES256"])
    [key] = [key for key in key_set["keys"] if key["alg"] == "ES256"]
    verify_by_hand(token, key)
    assert by_joserfc.header == {"alg": "ES256", "typ": "at+jwt", "kid": key["kid"]}
    assert by_joserfc.claims == {
        "iss": ISSUER,
        "sub": card["client_id"],
        "aud": "https://api.example/orders",
        "client_id": card["client_id"],
        "exp": issued_at + 300,
        "iat": issued_at,
        "jti": by_joserfc.claims["jti"],
        "scope": "openid",
        "cc": by_joserfc.claims["cc"],
    }


def number(text: str) -> int:
    """A number as it stands in a key (RFC 7518 §6.2.1.2)."""
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def verify_by_hand(token: str, key: Card) -> None:
    """The signature by the mathematics alone, without a library for tokens (RFC 7518 §3.4)."""
    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    public = EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), SECP256R1()).public_key()
    halves = (int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public.verify(encode_dss_signature(*halves), signed.encode(), ECDSA(SHA256()))


async def test_several_resources_may_be_named_and_an_empty_one_counts_as_not_sent(server: World) -> None:
    card = await server.machine()
    fields = [*GRANT.items(), ("resource", "https://a.example"), ("resource", ""), ("resource", "https://b.example")]

    reply = await server.post_form("/token", fields, basic=(card["client_id"], card["client_secret"]))

    assert (await server.introspect(card, reply.json["access_token"])).json["aud"] == ["https://a.example", "https://b.example"]


@meets("H-05")
@pytest.mark.parametrize("resource", ["https://[", "https://api.example#x", "http://api.example", ISSUER, "api"])
async def test_a_target_that_cannot_be_is_named(server: World, resource: str) -> None:
    card = await server.machine()

    reply = await server.token(card, resource=resource)

    assert as_refused(reply) == (400, "invalid_target")
    assert reply.why.startswith("resource: ")


async def test_a_parameter_without_a_value_counts_as_not_sent(server: World) -> None:
    card = await server.machine()

    assert (await server.token(card, scope="", resource="")).status == 200
    assert as_refused(await server.token(card, grant_type="")) == (400, "invalid_request")


@meets("A-45", "A-58")
@pytest.mark.parametrize(
    "body, answer",
    [
        ("", (400, "invalid_request")),
        ("grant_type=", (400, "invalid_request")),
        ("grant_type=password&username=a&password=b", (400, "unsupported_grant_type")),
        ("grant_type=client_credentials&grant_type=client_credentials", (400, "invalid_request")),
        ("grant_type=client_credentials&scope=openid&scope=", (400, "invalid_request")),
        ("grant_type=client_credentials&scope=nonsense", (200, "")),
        ("grant_type=client_credentials&resource=nonsense", (400, "invalid_target")),
        ("grant_type=authorization_code", (400, "unauthorized_client")),
        ("grant_type=refresh_token", (400, "unauthorized_client")),
        ("grant_type=client_credentials&something=else&something_more=", (200, "")),
    ],
)
async def test_what_is_wrong_with_a_token_request_is_told_by_its_code(server: World, body: str, answer: tuple[int, str]) -> None:
    card = await server.machine()

    reply = await post(server, body, basic(card["client_id"], card["client_secret"]))

    assert (reply.status, reply.json.get("error", "")) == answer


@meets("A-45", "A-55")
async def test_a_new_client_has_no_power_of_its_own(server: World) -> None:
    """Example 15 of the server requirements."""
    asked = {"redirect_uris": ["https://app.example/cb"], "grant_types": ["authorization_code", "client_credentials"]}
    registered = await server.post_json("/register", asked)
    card = registered.json if registered.status == 201 else await server.register()

    reply = await server.token(card)

    assert "client_credentials" not in card["grant_types"]
    assert as_refused(reply) == (400, "unauthorized_client")


# ── Who asks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-39")
async def test_basic_credentials_are_form_encoded_before_they_are_base64_encoded(server: World) -> None:
    card = await server.machine()
    name, secret = card["client_id"], card["client_secret"]
    encoded = "".join(f"%{ord(character):02x}" for character in secret)

    plain = await post(server, urlencode(GRANT), basic(name, secret))
    by_the_book = await post(server, urlencode(GRANT), basic(quote_plus(name), quote_plus(secret)))
    zealous = await post(server, urlencode(GRANT), basic(name, encoded))

    assert [reply.status for reply in (plain, by_the_book, zealous)] == [200] * 3


@meets("A-39")
@pytest.mark.parametrize("registered", ["client_secret_basic", "client_secret_post"])
async def test_the_registered_method_is_the_only_one(server: World, registered: str) -> None:
    card = await server.machine(token_endpoint_auth_method=registered)
    name, secret = card["client_id"], card["client_secret"]

    answers = {
        "client_secret_basic": await post(server, urlencode(GRANT), basic(name, secret)),
        "client_secret_post": await post(server, urlencode({**GRANT, "client_id": name, "client_secret": secret})),
        "none": await post(server, urlencode({**GRANT, "client_id": name})),
    }

    assert {method: reply.status for method, reply in answers.items()} == {**dict.fromkeys(answers, 401), registered: 200}
    del answers[registered]
    assert {as_refused(reply) for reply in answers.values()} == {(401, "invalid_client")}


@meets("A-39", "X-84")
@pytest.mark.parametrize(
    "more",
    [
        {"client_secret": "<secret>"},
        {"client_id": "<id>", "client_secret": "<secret>"},
        {"client_assertion": "a.b.c"},
        {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": "a.b.c"},
    ],
)
async def test_two_methods_in_one_request_are_refused_even_when_both_are_right(server: World, more: dict[str, str]) -> None:
    """Example 9 of the server requirements, and what rides along unread elsewhere."""
    card = await server.machine()
    fields = {name: value.replace("<id>", card["client_id"]).replace("<secret>", card["client_secret"]) for name, value in more.items()}

    reply = await post(server, urlencode({**GRANT, **fields}), basic(card["client_id"], card["client_secret"]))

    assert as_refused(reply) == (400, "invalid_request")
    assert reply.why == "client authentication was sent in more than one way (RFC 6749 section 2.3)"


@meets("A-40", "X-84")
@pytest.mark.parametrize("method", ["private_key_jwt", "client_secret_jwt"])
@pytest.mark.parametrize("named", [True, False])
async def test_a_client_that_signs_gets_a_token_asks_about_it_and_gives_it_back(server: World, method: str, named: bool) -> None:
    card = await server.machine(token_endpoint_auth_method=method, jwks=holder().jwks)
    key = holder() if method == "private_key_jwt" else with_secret(card["client_secret"])

    def signed(**fields: str) -> str:
        proof = assertions.form(key.signs(assertions.claims(card["client_id"], ISSUER, server.clock.now)), **fields)
        return urlencode({**proof, "client_id": card["client_id"]} if named else proof)

    token = (await post(server, signed(**GRANT))).json["access_token"]
    asked = await post(server, signed(token=token), path="/introspect")
    given_back = await post(server, signed(token=token), path="/revoke")
    dead = await post(server, signed(token=token), path="/introspect")

    assert (asked.status, asked.json["client_id"], given_back.status) == (200, card["client_id"], 200)
    assert dead.json == {"active": False}


@meets("A-40", "A-43", "X-84")
async def test_an_assertion_is_never_passed_over(server: World) -> None:
    public = await server.register(token_endpoint_auth_method="none")
    by_post = await server.machine(token_endpoint_auth_method="client_secret_post")
    assertion = assertions.form("e30.e30.")

    alone = await post(server, urlencode({**GRANT, "client_id": public["client_id"], **assertion}))
    beside = await post(
        server, urlencode({**GRANT, "client_id": by_post["client_id"], "client_secret": by_post["client_secret"], **assertion})
    )

    assert as_refused(alone) == (401, "invalid_client")
    assert alone.why.startswith("client authentication failed; ")
    assert "www-authenticate" not in alone.headers
    assert as_refused(beside) == (400, "invalid_request")


@meets("H-14")
async def test_what_is_wrong_with_an_assertion_is_in_the_log_and_nowhere_else(server: World) -> None:
    card = await server.machine(token_endpoint_auth_method="private_key_jwt", jwks=holder().jwks)
    text = holder().signs(assertions.claims(card["client_id"], "https://other.example", server.clock.now))

    reply = await post(server, urlencode({**GRANT, **assertions.form(text)}))

    [line] = [line for line in server.lines if line["event"] == "refused"]
    assert line["logged"] == f"aud: must be {ISSUER} or {ISSUER}/token alone"
    assert "aud" not in reply.why
    assert text.split(".")[1] not in str(server.lines)


@meets("A-39")
async def test_a_client_id_beside_basic_must_be_the_same(server: World) -> None:
    card = await server.machine()
    headers = basic(card["client_id"], card["client_secret"])

    same = await post(server, urlencode({**GRANT, "client_id": card["client_id"]}), headers)
    another = await post(server, urlencode({**GRANT, "client_id": "somebody"}), headers)

    assert same.status == 200
    assert as_refused(another) == (400, "invalid_request")
    assert another.why.startswith("client_id: ")


@meets("A-43", "H-14")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_every_failure_has_the_same_bytes_whatever_its_cause(server: World, method: str) -> None:
    names = ("wrong", "expired", "suspended", "deleted", "superseded", "another")
    cards = {name: await server.machine(token_endpoint_auth_method=method) for name in names}
    public = await server.register(token_endpoint_auth_method="none")
    with changed(server, secret_lifetime=60):
        cards["expired"] = await server.machine(token_endpoint_auth_method=method)
    server.clock.forward(60)
    await suspend(server.ports, cards["suspended"]["client_id"], "tester")
    await delete(server.ports, cards["deleted"]["client_id"], "tester")
    await rotate(server.ports, cards["superseded"]["client_id"], "tester", at_once=True)

    tries = {name: (card["client_id"], card["client_secret"]) for name, card in cards.items()}
    tries["wrong"] = (cards["wrong"]["client_id"], "wrong")
    tries["another"] = (cards["wrong"]["client_id"], cards["another"]["client_secret"])
    tries["unknown"] = ("nobody", cards["wrong"]["client_secret"])
    tries["another method"] = (public["client_id"], cards["wrong"]["client_secret"])
    replies = {name: await self_told(server, method, *pair) for name, pair in tries.items()}

    said = {(reply.status, reply.body, tuple(sorted({**reply.headers, "x-request-id": ""}.items()))) for reply in replies.values()}
    assert len(said) == 1
    reply = replies["deleted"]
    assert as_refused(reply) == (401, "invalid_client")
    assert reply.why == (
        "client authentication failed; a client that was removed may register again at https://as.example/register (RFC 6749 section 5.2)"
    )
    challenge = 'Basic realm="calling-card", charset="UTF-8"' if method == "client_secret_basic" else None
    assert reply.headers.get("www-authenticate") == challenge


async def self_told(server: World, method: str, name: str, secret: str) -> Reply:
    """A token request by this method."""
    if method == "client_secret_basic":
        return await post(server, urlencode(GRANT), basic(name, secret))
    return await post(server, urlencode({**GRANT, "client_id": name, "client_secret": secret}))


@meets("A-43")
@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b":no name").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b"a%ff:x").decode(),
        "Bearer cc_at_abc",
        "Digest username=a",
        "x",
    ],
)
async def test_a_header_that_cannot_be_read_asks_for_basic(server: World, value: str) -> None:
    reply = await post(server, urlencode(GRANT), {**FORM, "authorization": value})

    assert as_refused(reply) == (401, "invalid_client")
    assert reply.headers["www-authenticate"] == 'Basic realm="calling-card", charset="UTF-8"'


async def test_two_authorization_headers_are_refused(server: World) -> None:
    card = await server.machine()
    headers = basic(card["client_id"], card["client_secret"])

    reply = await post(server, urlencode(GRANT), [*headers.items(), ("authorization", headers["authorization"])])

    assert as_refused(reply) == (401, "invalid_client")


async def test_without_any_sign_of_who_asks_basic_is_asked_for(server: World) -> None:
    reply = await post(server, urlencode(GRANT))

    assert as_refused(reply) == (401, "invalid_client")
    assert "www-authenticate" in reply.headers


# ── The form ─────────────────────────────────────────────────────────────────────────────────────────────────────────

ENDPOINTS = ("/token", "/introspect", "/revoke")


@meets("X-65", "A-45", "A-94")
@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "body",
    [
        b"client_id=a&client_id=a",
        b"token=a&token=b",
        b"grant_type=a&grant%5Ftype=b",
        b"client_id=\xe4",
        b"client_id=%e4",
        b"client_id=%ff%fe",
        b"&".join(b"field%d=x" % number for number in range(101)),
    ],
)
async def test_a_form_that_two_readers_could_read_differently_is_refused(server: World, path: str, body: bytes) -> None:
    assert as_refused(await server.call("POST", path, body, FORM)) == (400, "invalid_request")


@meets("X-65")
async def test_a_space_is_a_space_however_it_is_encoded(server: World) -> None:
    card = await server.machine("openid profile")
    headers = basic(card["client_id"], card["client_secret"])

    replies = [await post(server, f"grant_type=client_credentials&scope=openid{space}profile", headers) for space in ("+", "%20")]

    assert [reply.json["scope"] for reply in replies] == ["openid profile"] * 2


@meets("X-66", "X-67", "A-45")
@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "application/json"},
        {"content-type": "text/plain"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/x-www-form-urlencoded; charset=utf-16"},
        {"content-type": "application/x-www-form-urlencoded; charset=iso-8859-1"},
        {**FORM, "content-encoding": "gzip"},
        {**FORM, "content-encoding": "deflate"},
        {**FORM, "content-encoding": "identity, gzip"},
    ],
)
async def test_only_a_plain_form_is_read(server: World, path: str, headers: dict[str, str]) -> None:
    card = await server.machine(token_endpoint_auth_method="client_secret_post")
    body = urlencode({**GRANT, "token": "x", "client_id": card["client_id"], "client_secret": card["client_secret"]}).encode()

    refused = await server.call("POST", path, body, headers)
    taken = await server.call("POST", path, body, {"content-type": "Application/X-WWW-Form-URLencoded; Charset=UTF-8"})

    assert as_refused(refused) == (415, "invalid_request")
    assert taken.status == 200


@meets("A-94")
@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("told", [True, False])
async def test_a_form_is_at_most_sixteen_kibibytes(server: World, path: str, told: bool) -> None:
    headers = {**FORM, "content-length": "16385"} if told else FORM

    reply = await server.call("POST", path, b"a=" + b"x" * 16383, headers)
    fitting = await server.call("POST", path, b"a=" + b"x" * 16382, FORM)

    assert as_refused(reply) == (413, "invalid_request")
    assert fitting.status == 401


@meets("A-45", "A-81")
@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_no_other_method_is_taken(server: World, path: str, method: str) -> None:
    reply = await server.call(method, path)

    assert (reply.status, reply.headers["allow"]) == (405, "POST, OPTIONS")


async def test_parameters_in_the_query_are_not_read(server: World) -> None:
    card = await server.machine(token_endpoint_auth_method="client_secret_post")
    query = urlencode({**GRANT, "client_id": card["client_id"], "client_secret": card["client_secret"]})

    reply = await server.call("POST", f"/token?{query}", b"", FORM)

    assert as_refused(reply) == (401, "invalid_client")


@meets("H-28")
@pytest.mark.parametrize("accept", ["text/html, image/gif, image/jpeg, */*; q=0.2", "text/html", "application/xml", ""])
async def test_machines_get_json_whatever_they_accept(server: World, accept: str) -> None:
    for path in ENDPOINTS:
        reply = await server.call("POST", path, b"", {**FORM, "accept": accept})

        assert as_refused(reply) == (401, "invalid_client")


# ── A person's grant ─────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-50", "A-10", "A-46", "A-52")
async def test_an_answer_to_a_code_has_exactly_these_members_and_nobody_may_keep_it(server: World) -> None:
    await somebody(server)
    card = await person_client(server)
    code = (await Browser(server).allow(card, scope="openid email"))["code"]

    reply = await exchange(server, card, code)
    again = await refresh(server, card, reply.json["refresh_token"], scope="email")

    for each, scope in ((reply, "openid email"), (again, "email")):
        assert each.status == 200
        assert {name: value for name, value in each.json.items() if not name.endswith("_token")} == {
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": scope,
        }
        assert {name for name in each.json if name.endswith("_token")} == {"access_token", "refresh_token", "id_token"}
        assert (each.headers["cache-control"], each.headers["pragma"]) == ("no-store", "no-cache")
    assert reply.json["refresh_token"].startswith("cc_refresh_")


@meets("A-46", "A-47", "A-49", "A-54", "A-100")
@pytest.mark.parametrize(
    "fields, answer",
    [
        ({"code": ""}, (400, "invalid_request")),
        ({"code": "garbage"}, (400, "invalid_grant")),
        ({"code_verifier": ""}, (400, "invalid_grant")),
        ({"redirect_uri": "https://app.example/other"}, (400, "invalid_grant")),
        ({"scope": "nonsense"}, (400, "invalid_scope")),
        ({"resource": "https://other.example"}, (400, "invalid_target")),
        ({"client_id": "nobody"}, (401, "invalid_client")),
        ({"client_secret": "guess"}, (401, "invalid_client")),
        ({}, (200, "")),
    ],
)
async def test_what_is_wrong_with_the_exchange_of_a_code_is_told_by_its_code(
    server: World, fields: dict[str, str], answer: tuple[int, str]
) -> None:
    await somebody(server)
    card = await person_client(server)
    code = (await Browser(server).allow(card))["code"]
    right = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}

    reply = await server.post_form("/token", {**right, "client_id": card["client_id"], **fields})

    assert (reply.status, reply.json.get("error", "")) == answer
    if answer[0] != 200:
        assert as_refused(reply) == answer
        assert "www-authenticate" not in reply.headers


@meets("A-45", "A-46")
@pytest.mark.parametrize("name", ["code", "redirect_uri", "code_verifier", "refresh_token", "client_id", "grant_type", "scope"])
async def test_a_parameter_of_an_exchange_that_was_sent_twice_is_refused_and_spends_nothing(server: World, name: str) -> None:
    await somebody(server)
    card = await person_client(server)
    code = (await Browser(server).allow(card))["code"]
    right = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    sent = {**right, "client_id": card["client_id"], "refresh_token": "x", "scope": "openid"}

    twice = await server.post_form("/token", [*sent.items(), (name, sent[name])])

    assert as_refused(twice) == (400, "invalid_request")
    assert (await exchange(server, card, code)).status == 200


async def test_a_request_with_too_many_resources_is_refused_before_a_token_grows_too_long(server: World) -> None:
    card = await server.machine()
    fields = [*GRANT.items(), *[("resource", f"https://api.example/{number}") for number in range(11)]]

    reply = await server.post_form("/token", fields, basic=(card["client_id"], card["client_secret"]))

    assert as_refused(reply) == (400, "invalid_target")
    assert (await server.post_form("/token", fields[:-1], basic=(card["client_id"], card["client_secret"]))).status == 200


@meets("A-43", "A-45")
@pytest.mark.parametrize("body", ["", "grant_type=", "grant_type=nonsense", "grant_type=client_credentials&resource=nonsense"])
async def test_who_asks_is_settled_before_what_is_asked_for(server: World, body: str) -> None:
    card = await server.machine()

    assert as_refused(await post(server, body, basic(card["client_id"], "guess"))) == (401, "invalid_client")
