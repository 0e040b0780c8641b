"""The registration endpoint over HTTP: statuses, headers, media types, and what surrounds a request (RFC 7591 §3)."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calling_card.protocol.card.vocabulary import MEMBERS
from tests.ledger import meets
from tests.world import CALLBACK, ISSUER, Reply, World, world

JSON = {"content-type": "application/json"}
GOOD = json.dumps({"redirect_uris": [CALLBACK]}).encode()


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


def without_id(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name not in {"x-request-id", "content-length", "location"}}


CORS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "WWW-Authenticate, Location, Retry-After",
}
NEVER_KEPT = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "pragma": "no-cache",
    "x-content-type-options": "nosniff",
    **CORS,
}


@meets("R-06", "C-03", "R-97", "R-92", "S3-37", "M-21")
async def test_a_201_says_where_the_registration_is_and_may_not_be_kept(server: World) -> None:
    reply = await server.call("POST", "/register", GOOD, JSON)

    assert reply.status == 201
    assert reply.headers["location"] == reply.json["registration_client_uri"] == f"{ISSUER}/register/{reply.json['client_id']}"
    assert without_id(reply) == NEVER_KEPT
    assert int(reply.headers["content-length"]) == len(reply.body)


@meets("R-06", "C-03", "S0-06")
@pytest.mark.parametrize(
    "registration, body, headers, status",
    [
        ("open", b"{}", JSON, 400),
        ("open", b"{", JSON, 400),
        ("open", b"x" * 70_000, JSON, 413),
        ("open", GOOD, {"content-type": "text/plain"}, 415),
        ("open", GOOD, {**JSON, "authorization": "Bearer x"}, 401),
        ("token", GOOD, JSON, 401),
        ("closed", GOOD, JSON, 403),
    ],
)
async def test_every_refusal_is_json_of_one_shape_that_nobody_may_keep(
    tmp_path: Path, registration: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    server = await world(tmp_path, registration=registration)

    reply = await server.call("POST", "/register", body, headers)

    assert reply.status == status
    assert {name: value for name, value in without_id(reply).items() if name != "www-authenticate"} == NEVER_KEPT
    assert set(reply.json) == {"error", "error_description"}
    assert ("www-authenticate" in reply.headers) == (status == 401)


@meets("R-02", "S0-08")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
async def test_only_posts_are_taken(server: World, method: str) -> None:
    reply = await server.call(method, "/register", GOOD, JSON)

    assert reply.status == 405
    assert reply.headers["allow"] == "POST, OPTIONS"
    if method != "HEAD":
        assert reply.json == {
            "error": "invalid_request",
            "error_description": "this endpoint takes POST, OPTIONS (RFC 9110 section 15.5.6)",
        }


@meets("R-03", "S3-16", "S0-09")
@pytest.mark.parametrize(
    "media",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'Application/JSON ; charset="utf-8"',
        "application/json; charset=utf8; profile=x",
        "application/json; charset = utf-8",
    ],
)
async def test_json_in_utf_8_is_taken_however_the_header_spells_it(server: World, media: str) -> None:
    assert (await server.call("POST", "/register", GOOD, {"content-type": media})).status == 201


@meets("R-03", "X-66", "S0-09")
@pytest.mark.parametrize(
    "media",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset=iso-8859-1",
        "application/json-seq",
        "application/jsonx",
        "application/problem+json",
        "application/json;charset=utf-16",
        "application/json; charset=iso-8859-1",
        "application/json; charset =utf-16",
        "application/json; charset\t= utf-16",
        "text/plain, application/json",
    ],
)
async def test_json_under_another_type_is_not_taken(server: World, media: str | None) -> None:
    reply = await server.call("POST", "/register", GOOD, {} if media is None else {"content-type": media})

    assert reply.no == (415, "invalid_request")
    assert reply.why.startswith("Content-Type: ")
    assert await server.kinds() == ["key_rotated"]


@meets("X-67")
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
async def test_compressed_bodies_are_not_taken(server: World, method: str, encoding: str) -> None:
    card = await server.register()
    target = "/register" if method == "POST" else card["registration_client_uri"]

    reply = await server.call(method, target, GOOD, {**JSON, "content-encoding": encoding})

    assert reply.no == (415, "invalid_request")
    assert reply.why.startswith("Content-Encoding: ")


@pytest.mark.parametrize("encoding", ["identity", "Identity", " IDENTITY "])
async def test_a_body_that_says_it_is_not_compressed_is_taken_however_it_spells_that(server: World, encoding: str) -> None:
    assert (await server.call("POST", "/register", GOOD, {**JSON, "content-encoding": encoding})).status == 201


async def test_a_header_that_must_be_sent_once_is_not_taken_twice(server: World) -> None:
    reply = await server.call("POST", "/register", GOOD, [("content-type", "application/json"), ("content-type", "text/plain")])

    assert reply.no == (400, "invalid_request")
    assert reply.why == "content-type: this header was sent more than once"


@meets("R-15")
async def test_the_largest_body_is_taken_and_one_byte_more_is_not(tmp_path: Path) -> None:
    server = await world(tmp_path, body_limit=1000)
    most = GOOD + b" " * (1000 - len(GOOD))

    assert (await server.call("POST", "/register", most, JSON)).status == 201
    assert (await server.call("POST", "/register", most + b" ", JSON)).no == (413, "invalid_request")
    assert (await server.call("POST", "/register", b"", {**JSON, "content-length": "1001"})).no == (413, "invalid_request")


@meets("H-28", "S0-22")
@pytest.mark.parametrize("accept", ["application/json", "text/html", "*/*", "image/png", "application/xml;q=0.9, text/html"])
async def test_machines_get_json_whatever_they_accept(server: World, accept: str) -> None:
    good = await server.call("POST", "/register", GOOD, {**JSON, "accept": accept})
    bad = await server.call("POST", "/register", b"{}", {**JSON, "accept": accept})

    assert [reply.headers["content-type"] for reply in (good, bad)] == ["application/json"] * 2


@meets("R-92", "S3-13")
async def test_what_a_browser_adds_to_a_request_makes_no_difference(server: World) -> None:
    noise = {
        "cookie": "_interaction=x; session=y",
        "referer": "https://elsewhere.example/",
        "origin": "https://elsewhere.example",
        "user-agent": "Mozilla/5.0",
        "upgrade-insecure-requests": "1",
        "accept-language": "fr",
        "accept-encoding": "gzip",
    }

    noisy, plain = await server.call("POST", "/register", GOOD, {**JSON, **noise}), await server.call("POST", "/register", GOOD, JSON)

    assert (noisy.status, set(noisy.json), without_id(noisy)) == (plain.status, set(plain.json), without_id(plain))
    assert "set-cookie" not in noisy.headers


@meets("X-27", "M-02", "S3-35")
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example", "x-forwarded-proto": "http"},
        {"x-forwarded-host": "evil.example", "x-forwarded-port": "1", "forwarded": "host=evil.example;proto=http"},
        {"x_forwarded_host": "evil.example", "x-original-url": "/evil", "x-rewrite-url": "/evil", "x-forwarded-prefix": "/evil"},
    ],
)
async def test_addresses_are_made_from_the_issuer_whatever_the_headers_say(server: World, headers: dict[str, str]) -> None:
    reply = await server.call("POST", "/register", GOOD, {**JSON, **headers})

    assert reply.json["registration_client_uri"] == f"{ISSUER}/register/{reply.json['client_id']}"
    assert "evil" not in reply.body.decode() + str(reply.headers)


@meets("S3-14")
@pytest.mark.parametrize("path", ["/reg", "/connect/register"])
async def test_the_operator_chooses_the_path(tmp_path: Path, path: str) -> None:
    server = await world(tmp_path, registration_path=path, issuer="https://as.example/t1")

    card = await server.register_at(f"/t1{path}")

    described = await server.call("GET", "/.well-known/oauth-authorization-server/t1")
    assert card["registration_client_uri"] == f"https://as.example/t1{path}/{card['client_id']}"
    assert described.json["registration_endpoint"] == f"https://as.example/t1{path}"
    assert (await server.read(card)).json == card
    assert (await server.call("POST", "/register", GOOD, JSON)).status == 404


@meets("C-19", "H-25")
async def test_on_loopback_plain_http_is_the_address_of_everything(tmp_path: Path) -> None:
    server = await world(tmp_path, issuer="http://127.0.0.1:8000")

    reply = await server.call("POST", "/register", GOOD, JSON)

    assert reply.json["registration_client_uri"] == f"http://127.0.0.1:8000/register/{reply.json['client_id']}"


# ── Whatever is sent ─────────────────────────────────────────────────────────────────────────────────────────────────

STATUSES = {201, 400, 413, 415}
CODES = {"invalid_request", "invalid_redirect_uri", "invalid_client_metadata"}
VALUES: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([CALLBACK, "none", "code", "openid"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([*MEMBERS, *(f"{name}#fr" for name in MEMBERS)]) | st.text(max_size=10)
BODIES: st.SearchStrategy[dict[str, object]] = st.dictionaries(NAMES, VALUES, max_size=6)


def with_a_redirect(said: dict[str, object]) -> dict[str, object]:
    """A body that is good unless something in it is bad."""
    return {"redirect_uris": [CALLBACK], **said}


WISHES = BODIES.map(with_a_redirect)
MEDIA = st.sampled_from(["application/json", "application/json; charset=utf-8", "text/plain", "application/json; charset=latin1", ""])


async def holds(server: World, body: bytes, media: str) -> None:
    """The answer is a documented one, and a refusal leaves nothing behind."""
    before = len(await server.recorded())

    reply = await server.call("POST", "/register", body, {"content-type": media})

    after = len(await server.recorded())
    assert reply.status in STATUSES
    assert after - before == (reply.status == 201)
    if reply.status == 201:
        assert (await server.read(reply.json)).json == reply.json
        assert not [name for name, value in reply.json.items() if value in (None, "")]
    else:
        assert reply.json["error"] in CODES
        assert reply.why.isascii()
        assert reply.why.isprintable()


@meets("R-18", "S0-06")
def test_any_json_value_gets_a_documented_answer_and_a_refusal_leaves_nothing(tmp_path: Path) -> None:
    server = asyncio.run(world(tmp_path, registration_rate=0, extensions=("*",), body_limit=2000))

    @settings(max_examples=400, deadline=None)
    @given(value=WISHES | BODIES | VALUES, media=MEDIA)
    def whatever(value: object, media: str) -> None:
        asyncio.run(holds(server, json.dumps(value).encode(), media))

    whatever()


@meets("R-18", "S0-06")
def test_any_bytes_get_a_documented_answer_and_a_refusal_leaves_nothing(tmp_path: Path) -> None:
    server = asyncio.run(world(tmp_path, registration_rate=0, body_limit=100))

    @settings(max_examples=200, deadline=None)
    @given(body=st.binary(max_size=120) | st.text(alphabet='{}[]",:\\u0d8a1e-. \n', max_size=40).map(str.encode))
    def whatever(body: bytes) -> None:
        asyncio.run(holds(server, body, "application/json"))

    whatever()
