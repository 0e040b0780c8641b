"""GET and POST /userinfo as a caller sees them: OIDC Core §5.3, RFC 6750 §2.1 and §3."""

from pathlib import Path

import pytest

from tests.ledger import meets
from tests.usecases.exchange.scene import Scene, opened, scene
from tests.world import ISSUER, Reply, world

MISSING = 'Bearer realm="userinfo"'
INVALID = 'Bearer error="invalid_token"'


@pytest.fixture
async def some(tmp_path: Path) -> Scene:
    return await scene(await world(tmp_path), email="alice@people.example", given_name="Ālīce")


async def ask(some: Scene, authorization: str | None, method: str = "GET", body: bytes = b"", **headers: str) -> Reply:
    """One call with this very header."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if authorization is not None:
        sent["authorization"] = authorization
    return await some.server.call(method, "/userinfo", body, sent)


@meets("A-63", "A-10")
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_get_and_post_answer_with_the_claims_and_nobody_may_keep_them(some: Scene, method: str) -> None:
    got = await some.tokens(await some.client(), scope="openid profile email")

    reply = await ask(some, f"Bearer {got['access_token']}", method)

    assert reply.status == 200
    assert reply.json == {
        "sub": some.person.subject,
        "given_name": "Ālīce",
        "preferred_username": "alice",
        "email": "alice@people.example",
    }
    assert (reply.headers["content-type"], reply.headers["cache-control"]) == ("application/json", "no-store")


@meets("A-63")
@pytest.mark.parametrize("body", [b"", b"access_token=garbage", b"\xff not a form"])
async def test_a_post_may_have_any_body_the_token_is_in_the_header(some: Scene, body: bytes) -> None:
    got = await some.tokens(await some.client())

    reply = await ask(some, f"Bearer {got['access_token']}", "POST", body, content_type="application/x-www-form-urlencoded")

    assert reply.json == {"sub": some.person.subject}


@meets("A-63")
async def test_a_token_in_a_body_or_a_query_is_none(some: Scene) -> None:
    got = await some.tokens(await some.client())
    form = {"content_type": "application/x-www-form-urlencoded"}

    in_body = await ask(some, None, "POST", f"access_token={got['access_token']}".encode(), **form)
    in_query = await some.server.call("GET", f"/userinfo?access_token={got['access_token']}")

    assert {reply.no for reply in (in_body, in_query)} == {(401, "invalid_token")}


@meets("A-63")
async def test_signed_claims_have_the_type_of_a_token_and_nobody_may_keep_them(some: Scene) -> None:
    card = await some.client(userinfo_signed_response_alg="ES256")
    got = await some.tokens(card)

    reply = await ask(some, f"Bearer {got['access_token']}")

    assert (reply.status, reply.headers["content-type"], reply.headers["cache-control"]) == (200, "application/jwt", "no-store")
    assert opened(reply.body.decode())[1] == {"sub": some.person.subject, "iss": ISSUER, "aud": card["client_id"]}


@meets("A-64")
@pytest.mark.parametrize(
    "authorization, challenge",
    [
        (None, MISSING),
        ("Bearer garbage", INVALID),
        ("Bearer a.b.c", INVALID),
        ("Basic YTpi", INVALID),
        ("Bearer", INVALID),
        ("DPoP x", INVALID),
    ],
)
async def test_whoever_has_no_living_token_is_told_to_bring_one(some: Scene, authorization: str | None, challenge: str) -> None:
    reply = await ask(some, authorization)

    assert reply.no == (401, "invalid_token")
    assert reply.headers["www-authenticate"] == challenge
    assert reply.headers["cache-control"] == "no-store"


@meets("A-64")
async def test_a_token_that_lives_but_does_not_say_openid_is_not_enough(tmp_path: Path) -> None:
    server = await world(tmp_path)
    some = await scene(server)
    got = await some.tokens(await some.client(), scope="profile", resource=f"{ISSUER}/userinfo")

    reply = await ask(some, f"Bearer {got['access_token']}")

    assert reply.no == (403, "insufficient_scope")
    assert reply.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="openid"'


@meets("A-64")
async def test_a_malformed_token_is_a_malformed_request(some: Scene) -> None:
    assert (await ask(some, "Bearer a b")).no == (400, "invalid_request")


@meets("A-64", "A-68")
async def test_a_dead_token_opens_nothing_whatever_ended_it(some: Scene) -> None:
    card = await some.client()
    got = await some.tokens(card)
    living = await ask(some, f"Bearer {got['access_token']}")

    await some.withdraw(card)
    dead = await ask(some, f"Bearer {got['access_token']}")

    assert (living.status, dead.no) == (200, (401, "invalid_token"))


@meets("A-79")
async def test_scripts_of_any_origin_may_ask_without_cookies(some: Scene) -> None:
    got = await some.tokens(await some.client())

    reply = await ask(some, f"Bearer {got['access_token']}", origin="https://app.example")
    refused = await ask(some, None, origin="https://app.example")
    before = await ask(some, None, "OPTIONS", origin="https://app.example", access_control_request_method="GET")

    assert {each.headers["access-control-allow-origin"] for each in (reply, refused, before)} == {"*"}
    assert "access-control-allow-credentials" not in reply.headers
    assert "WWW-Authenticate" in refused.headers["access-control-expose-headers"]
    assert "Authorization" in before.headers["access-control-allow-headers"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_no_other_method_is_taken(some: Scene, method: str) -> None:
    reply = await ask(some, None, method)

    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")


@meets("H-28")
async def test_a_machine_gets_json_whatever_it_accepts(some: Scene) -> None:
    got = await some.tokens(await some.client())

    for accept in ("text/html", "application/jwt", "*/*"):
        assert (await ask(some, f"Bearer {got['access_token']}", accept=accept)).headers["content-type"] == "application/json"
        assert (await ask(some, None, accept=accept)).headers["content-type"] == "application/json"
