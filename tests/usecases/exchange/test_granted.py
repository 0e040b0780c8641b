"""What of a grant each exchange gives: RFC 6749 §6, RFC 8707 §2.2, OIDC Core §2, §3.1.3.3, §3.1.3.6 and §12.2."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from calling_card.usecases.renew import signing_key
from tests.ledger import meets
from tests.usecases.exchange.scene import API, DEAD, LIVES, Scene, opened, scene
from tests.usecases.exchange.test_code import contended
from tests.visitor import somebody
from tests.world import ISSUER, START, Reply, world

USERINFO = f"{ISSUER}/userinfo"
ORDERS, STOCK = "https://api.example/orders", "https://api.example/stock"
SCOPES = ("openid", "profile", "email", "offline_access", "orders:read", "orders:write", "stock:read")


@pytest.fixture
async def free(tmp_path: Path) -> Scene:
    """A server that knows no resource server: any https URI may be a resource."""
    server = await world(tmp_path, scopes=SCOPES)
    some = await scene(await world(tmp_path / "other"))
    return Scene(server, some.api, await somebody(server), type(some.browser)(server))


@pytest.fixture
async def shop(tmp_path: Path) -> Scene:
    """Two resource servers, one of them with signed tokens."""
    some = await scene(await world(tmp_path))
    await some.server.resource(ORDERS, "orders:read orders:write")
    await some.server.resource(STOCK, "stock:read", "jwt")
    return some


async def audience(some: Scene, reply: Reply) -> tuple[tuple[str, ...], str, str]:
    """For whom a token is, its scope, and its form."""
    assert reply.status == 200, reply.body
    token = await some.inside(reply.json["access_token"])
    assert token.scope == reply.json["scope"]
    return token.audience, token.scope, "jwt" if reply.json["access_token"].startswith("eyJ") else "opaque"


# ── Scope ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-54", "A-17")
@pytest.mark.parametrize(
    "asked, given",
    [
        ("", "openid profile email"),
        ("  ", "openid profile email"),
        ("openid profile email", "openid profile email"),
        ("email openid", "openid email"),
        ("email  email", "email"),
        ("profile orders:read admin", "profile"),
        ("profile offline_access", "profile"),
    ],
)
async def test_an_exchange_may_narrow_the_scope_each_time_anew_and_never_widen_it(scene: Scene, asked: str, given: str) -> None:
    card = await scene.client(scope="openid profile email offline_access")
    first = (await scene.redeem(card, await scene.code(card, scope="openid profile email"), scope=asked)).json

    narrowed = (await scene.refresh(card, first["refresh_token"], scope=asked)).json
    whole = (await scene.refresh(card, narrowed["refresh_token"])).json

    assert [got["scope"] for got in (first, narrowed, whole)] == [given, given, "openid profile email"]


@meets("A-54")
@pytest.mark.parametrize("asked", ["offline_access", "admin", "OPENID", "openid,profile"])
async def test_a_scope_of_which_the_person_allowed_nothing_is_refused(scene: Scene, asked: str) -> None:
    card = await scene.client(scope="openid profile email offline_access")
    got = await scene.tokens(card, scope="openid profile")

    reply = await scene.refresh(card, got["refresh_token"], scope=asked)

    assert reply.no == (400, "invalid_scope")
    assert reply.why == "scope: the person allowed openid profile (RFC 6749 section 6)"


@meets("A-54")
async def test_a_repeat_within_the_minute_may_narrow_anew(scene: Scene) -> None:
    card = await scene.client()
    got = await scene.tokens(card, scope="openid profile email")

    answers = [(await scene.refresh(card, got["refresh_token"], scope=scope)).json for scope in ("openid email", "profile", "")]

    assert [answer["scope"] for answer in answers] == ["openid email", "profile", "openid profile email"]
    assert len({answer["refresh_token"] for answer in answers}) == 1


@meets("A-54", "A-63")
async def test_a_narrowed_token_opens_no_more_than_it_says(free: Scene) -> None:
    card = await free.client(confidential=True)
    got = await free.tokens(card, scope="openid profile email")

    narrow = (await free.refresh(card, got["refresh_token"], scope="profile")).json

    assert (await free.server.introspect(card, narrow["access_token"])).json["scope"] == "profile"
    assert (await free.userinfo(narrow["access_token"])).no == (403, "insufficient_scope")
    assert (await free.userinfo(got["access_token"])).status == 200


# ── Resource ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-100", "A-30", "H-26")
async def test_without_resource_servers_the_resource_of_the_request_is_the_audience_of_a_signed_token(free: Scene) -> None:
    card = await free.client()

    got = await free.redeem(card, await free.code(card, resource="https://Mcp.Example/Api?v=1"))
    renewed = await free.refresh(card, got.json["refresh_token"])

    assert await audience(free, got) == (("https://Mcp.Example/Api?v=1",), "openid", "jwt")
    assert await audience(free, renewed) == (("https://Mcp.Example/Api?v=1",), "openid", "jwt")
    assert got.json["expires_in"] == 300


@meets("A-100")
@pytest.mark.parametrize("spelled", ["https://mcp.example", "https://mcp.example/", "HTTPS://MCP.example"])
async def test_a_resource_may_be_named_again_in_another_spelling(free: Scene, spelled: str) -> None:
    card = await free.client()

    got = await free.redeem(card, await free.code(card, resource="https://mcp.example"), resource=spelled)

    assert await audience(free, got) == ((spelled,), "openid", "jwt")


@meets("A-100", "A-54")
@pytest.mark.parametrize(
    "named",
    ["https://other.example", "https://mcp.example/api", "https://mcp.example?x", "https://mcp.example:8443", "http://mcp.example", "mcp"],
)
async def test_a_resource_that_was_not_allowed_is_no_target(free: Scene, named: str) -> None:
    card = await free.client()
    got = await free.redeem(card, await free.code(card, resource="https://mcp.example"))

    refused = await free.refresh(card, got.json["refresh_token"], resource=named)

    assert refused.no == (400, "invalid_target")
    assert refused.why.startswith("resource: ")


@meets("A-100")
async def test_who_asked_for_no_resource_gets_none_later(free: Scene) -> None:
    card = await free.client()
    got = await free.redeem(card, await free.code(card))

    refused = await free.refresh(card, got.json["refresh_token"], resource="https://mcp.example")
    own = await free.refresh(card, got.json["refresh_token"], resource=USERINFO)

    assert await audience(free, got) == ((USERINFO,), "openid", "opaque")
    assert refused.no == (400, "invalid_target")
    assert await audience(free, own) == ((USERINFO,), "openid", "opaque")


@meets("A-100", "A-67")
async def test_an_exchange_may_be_for_one_of_several_resources_and_gets_the_scope_that_one_can_use(shop: Scene) -> None:
    card = await shop.client(scope="openid orders:read orders:write stock:read")
    everything = await shop.tokens(card, scope="openid orders:read stock:read")

    orders = await shop.refresh(card, everything["refresh_token"], resource=ORDERS)
    stock = await shop.refresh(card, orders.json["refresh_token"], resource=STOCK)
    own = await shop.refresh(card, stock.json["refresh_token"], resource=USERINFO)
    whole = await shop.refresh(card, own.json["refresh_token"])

    assert (await shop.inside(everything["access_token"])).audience == (API, ORDERS, STOCK, USERINFO)
    assert await audience(shop, orders) == ((ORDERS,), "orders:read", "opaque")
    assert await audience(shop, stock) == ((STOCK,), "stock:read", "jwt")
    assert await audience(shop, own) == ((USERINFO,), "openid", "opaque")
    assert await audience(shop, whole) == ((API, ORDERS, STOCK, USERINFO), "openid orders:read stock:read", "opaque")
    assert {(await shop.grant(reply.json["refresh_token"])).scope for reply in (orders, whole)} == {"openid orders:read stock:read"}


@meets("A-100", "A-96")
async def test_each_audience_of_a_token_may_ask_about_it_and_nobody_else(shop: Scene) -> None:
    card = await shop.client(confidential=True, scope="openid orders:read stock:read")
    other = (await shop.server.resource("https://c.example", "more")).information
    got = await shop.tokens(card, scope="openid orders:read")

    told = [(await shop.server.introspect(caller, got["access_token"])).json for caller in (shop.api, card, other)]

    assert [answer["active"] for answer in told] == [True, True, False]
    assert told[0] == told[1]
    assert told[0]["aud"] == [API, ORDERS, USERINFO]
    assert (told[0]["sub"], told[0]["client_id"]) == (shop.person.subject, card["client_id"])
    assert (await shop.userinfo(got["access_token"])).status == 200


@meets("A-100")
async def test_a_resource_that_can_use_nothing_of_the_scope_gets_no_token(shop: Scene) -> None:
    card = await shop.client(scope="openid orders:read stock:read")
    got = await shop.tokens(card, scope="openid orders:read")

    refused = await shop.refresh(card, got["refresh_token"], resource=STOCK)

    assert refused.no == (400, "invalid_target")
    narrowed = await shop.refresh(card, got["refresh_token"], resource=ORDERS, scope="openid")
    assert narrowed.no == (400, "invalid_target")


@meets("A-100", "A-30")
async def test_a_resource_that_was_asked_for_at_the_beginning_bounds_all_that_follows(shop: Scene) -> None:
    card = await shop.client(scope="openid orders:read stock:read")
    got = await shop.redeem(card, await shop.code(card, scope="openid orders:read", resource=ORDERS))

    refused = [await shop.refresh(card, got.json["refresh_token"], resource=uri) for uri in (STOCK, USERINFO, API, "https://c.example")]

    assert await audience(shop, got) == ((ORDERS,), "orders:read", "opaque")
    assert {reply.no for reply in refused} == {(400, "invalid_target")}
    assert (await shop.userinfo(got.json["access_token"])).no == (401, "invalid_token")


@meets("H-05")
async def test_a_resource_that_operators_narrowed_down_since_is_no_target_any_more(free: Scene) -> None:
    card = await free.client()
    got = await free.redeem(card, await free.code(card, resource="https://mcp.example"))

    await free.server.resource("https://api.example", "openid")
    refused = await free.refresh(card, got.json["refresh_token"])

    assert refused.no == (400, "invalid_target")


@meets("H-26", "A-100")
async def test_a_person_may_be_behind_a_signed_token_that_dies_with_the_grant(free: Scene) -> None:
    card = await free.client(confidential=True)
    got = (await free.redeem(card, await free.code(card, resource="https://mcp.example"))).json
    header, claims = opened(got["access_token"])

    before = (await free.server.introspect(card, got["access_token"])).json
    await free.withdraw(card)
    after = (await free.server.introspect(card, got["access_token"])).json

    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    assert (claims["sub"], claims["aud"], claims["client_id"]) == (free.person.subject, "https://mcp.example", card["client_id"])
    assert claims["exp"] - claims["iat"] == 300
    assert (before["active"], after) == (True, {"active": False})


# ── ID tokens ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-61", "A-21")
async def test_an_id_token_says_who_signed_in_when_how_and_for_whom(scene: Scene) -> None:
    card = await scene.client()
    code = await scene.code(card, nonce="n-0S6_WzA2Mj")
    scene.server.clock.forward(7)

    got = (await scene.redeem(card, code)).json
    _, claims = opened(got["id_token"])

    half = hashlib.sha256(got["access_token"].encode()).digest()[:16]
    assert claims == {
        "iss": ISSUER,
        "sub": scene.person.subject,
        "aud": card["client_id"],
        "exp": START + 7 + 3600,
        "iat": START + 7,
        "auth_time": START,
        "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
        "amr": ["pwd"],
        "nonce": "n-0S6_WzA2Mj",
    }


@meets("A-61")
@pytest.mark.parametrize("registered, used", [(None, "RS256"), ("RS256", "RS256"), ("ES256", "ES256")])
async def test_an_id_token_is_signed_as_registered_under_a_published_key(scene: Scene, registered: str | None, used: str) -> None:
    card = await scene.client(id_token_signed_response_alg=registered)

    got = await scene.tokens(card)
    header, claims = opened(got["id_token"])
    published: Any = (await scene.server.call("GET", "/jwks")).json
    verified = jwt.decode(got["id_token"], KeySet.import_key_set(published), algorithms=[used])

    [key] = [key for key in published["keys"] if key["kid"] == header["kid"]]
    assert (header["alg"], header["typ"], key["alg"]) == (used, "JWT", used)
    assert verified.claims == claims


@meets("A-61", "A-65")
async def test_an_id_token_of_before_a_rotation_verifies_and_the_next_one_is_under_the_new_key(scene: Scene) -> None:
    card = await scene.client()
    got = await scene.tokens(card)

    kids = await signing_key(scene.server.ports, "tester")
    renewed = (await scene.refresh(card, got["refresh_token"])).json
    published: Any = (await scene.server.call("GET", "/jwks")).json

    for text in (got["id_token"], renewed["id_token"]):
        assert jwt.decode(text, KeySet.import_key_set(published), algorithms=["RS256"]).claims["sub"] == scene.person.subject
    assert [opened(each["id_token"])[0]["kid"] in kids for each in (got, renewed)] == [False, True]


@meets("A-61")
async def test_without_the_scope_openid_there_is_no_id_token(scene: Scene) -> None:
    card = await scene.client()

    got = await scene.tokens(card, scope="profile email")

    assert "id_token" not in got
    assert "id_token" not in (await scene.refresh(card, got["refresh_token"])).json


@meets("A-102", "A-61")
async def test_an_id_token_from_a_refresh_is_about_the_same_sign_in_without_a_nonce(scene: Scene) -> None:
    card = await scene.client()
    got = (await scene.redeem(card, await scene.code(card, nonce="once"))).json
    scene.server.clock.forward(5000)

    renewed = (await scene.refresh(card, got["refresh_token"])).json
    first, second = opened(got["id_token"])[1], opened(renewed["id_token"])[1]

    for name in ("iss", "sub", "aud", "auth_time", "amr"):
        assert first[name] == second[name]
    assert (first["iat"], second["iat"], second["exp"]) == (START, START + 5000, START + 5000 + 3600)
    assert first["nonce"] == "once"
    assert "nonce" not in second
    assert first["at_hash"] != second["at_hash"]


@meets("A-102", "A-61")
async def test_a_later_sign_in_of_the_person_does_not_change_when_the_client_was_allowed(scene: Scene) -> None:
    card = await scene.client()
    got = await scene.tokens(card)
    scene.server.clock.forward(100)

    page = await scene.browser.authorize(card, prompt="login")
    again = await scene.browser.decide(await scene.browser.sign_in(page))
    renewed = (await scene.refresh(card, got["refresh_token"])).json
    fresh = (await scene.redeem(card, again.headers["location"].partition("code=")[2].partition("&")[0])).json

    assert [opened(each["id_token"])[1]["auth_time"] for each in (got, renewed, fresh)] == [START, START, START + 100]


async def test_the_life_of_an_id_token_is_a_setting(tmp_path: Path) -> None:
    some = await scene(await world(tmp_path, id_token_lifetime=120))

    claims = opened((await some.tokens(await some.client()))["id_token"])[1]

    assert claims["exp"] - claims["iat"] == 120


@meets("X-82")
@pytest.mark.parametrize("name", ["roles", "groups", "realm_access", "sub", "email", "scope", "claims", "amr", "acr"])
async def test_no_member_of_a_card_becomes_a_claim(tmp_path: Path, name: str) -> None:
    some = await scene(await world(tmp_path, extensions=("*",)), email="alice@people.example")
    card = await some.client(confidential=True, **({name: ["admin"]} if name not in ("scope", "claims") else {f"x_{name}": "admin"}))
    got = await some.tokens(card, scope="openid email")

    said = [
        opened(got["id_token"])[1],
        (await some.userinfo(got["access_token"])).json,
        await some.introspected(got["access_token"]),
        (await some.server.introspect(card, got["access_token"])).json,
    ]

    assert "admin" not in str(said)
    assert {answer["sub"] for answer in said} == {some.person.subject}
    assert said[1] == {"sub": some.person.subject, "email": "alice@people.example"}


# ── Giving back ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def give_back(some: Scene, card: dict[str, Any], token: str, **more: str) -> Reply:
    """POST /revoke by the registered method."""
    if card["token_endpoint_auth_method"] == "none":
        return await some.server.post_form("/revoke", {"token": token, "client_id": card["client_id"], **more})
    return await some.server.post_form("/revoke", {"token": token, **more}, basic=(card["client_id"], card["client_secret"]))


@meets("A-71", "H-20")
@pytest.mark.parametrize("hint", ["", "refresh_token", "access_token", "nonsense"])
@pytest.mark.parametrize("confidential", [False, True], ids=["public", "confidential"])
async def test_giving_a_refresh_token_back_ends_every_token_of_its_grant(scene: Scene, hint: str, confidential: bool) -> None:
    card = await scene.client(confidential=confidential)
    got, other = await scene.tokens(card), await scene.tokens(card)
    renewed = (await scene.refresh(card, got["refresh_token"])).json

    reply = await give_back(scene, card, renewed["refresh_token"], token_type_hint=hint)
    again = await give_back(scene, card, renewed["refresh_token"], token_type_hint=hint)

    assert [(each.status, each.body) for each in (reply, again)] == [(200, b"")] * 2
    assert [await scene.state(each["access_token"]) for each in (got, renewed, other)] == [DEAD, DEAD, LIVES]
    assert (await scene.refresh(card, renewed["refresh_token"])).no == (400, "invalid_grant")
    assert (await scene.refresh(card, other["refresh_token"])).status == 200
    assert [told["body"] for told in await scene.server.told("grant_ended")] == [{"person": scene.person.subject, "by": "client"}]


@meets("A-71")
async def test_giving_an_access_token_back_leaves_the_grant_its_others(scene: Scene) -> None:
    card = await scene.client()
    got = await scene.tokens(card)
    renewed = (await scene.refresh(card, got["refresh_token"])).json

    reply = await give_back(scene, card, got["access_token"])

    assert reply.status == 200
    assert [await scene.state(each["access_token"]) for each in (got, renewed)] == [DEAD, LIVES]
    assert (await scene.refresh(card, renewed["refresh_token"])).status == 200


@meets("H-20", "A-71")
@pytest.mark.parametrize("sqlite", [False, True])
async def test_more_than_thirty_two_returns_raise_the_epoch_of_their_grant_and_of_nothing_else(tmp_path: Path, sqlite: bool) -> None:
    some = await scene(await world(tmp_path, sqlite=sqlite))
    card = await some.client()
    first, other = await some.tokens(card), await some.tokens(card)
    issued = [(await some.refresh(card, first["refresh_token"])).json["access_token"] for _ in range(34)]
    before = await some.grant(first["refresh_token"]), await some.grant(other["refresh_token"]), await some.server.row(card)

    for token in issued[:32]:
        await give_back(some, card, token)
    still = [await some.state(token) for token in issued]
    await give_back(some, card, issued[32])

    after = await some.grant(first["refresh_token"]), await some.grant(other["refresh_token"]), await some.server.row(card)
    assert still == [DEAD] * 32 + [LIVES] * 2
    assert [await some.state(token) for token in [*issued, first["access_token"]]] == [DEAD] * 35
    assert await some.state(other["access_token"]) == LIVES
    assert (after[0].epoch, after[1].epoch, after[2].epoch) == (before[0].epoch + 1, before[1].epoch, before[2].epoch)
    assert await some.state((await some.refresh(card, first["refresh_token"])).json["access_token"]) == LIVES
    await some.server.ports.store.close()


@meets("A-71")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_another_clients_token_is_refused_while_it_lives_and_passed_over_when_it_is_dead(scene: Scene, kind: str) -> None:
    card, stranger = await scene.client(), await scene.client()
    got = await scene.tokens(card)
    before = await scene.kept(got["refresh_token"])

    living = await give_back(scene, stranger, got[kind])
    spared = await scene.kept(got["refresh_token"]) == before
    await give_back(scene, card, got["refresh_token"])
    dead = await give_back(scene, stranger, got[kind])

    assert living.no == (400, "invalid_grant")
    assert spared
    assert (dead.status, dead.body) == (200, b"")


@meets("A-71")
async def test_a_refresh_token_that_was_replaced_or_whose_grant_is_gone_ends_nothing(scene: Scene) -> None:
    card = await scene.client()
    got = await scene.tokens(card)
    second = (await scene.refresh(card, got["refresh_token"])).json
    third = (await scene.refresh(card, second["refresh_token"])).json
    code = await scene.code(card)

    replies = [await give_back(scene, card, text) for text in (got["refresh_token"], code, "cc_refresh_garbage")]

    assert {(reply.status, reply.body) for reply in replies} == {(200, b"")}
    assert await scene.state(third["access_token"]) == LIVES
    assert (await scene.redeem(card, code)).status == 200
    await scene.server.remove(card)
    other = await scene.client()
    assert (await give_back(scene, other, third["refresh_token"])).status == 200


@meets("A-71")
async def test_a_refresh_token_whose_answer_got_lost_may_be_given_back_instead(scene: Scene) -> None:
    card = await scene.client()
    got = await scene.tokens(card)
    lost = (await scene.refresh(card, got["refresh_token"])).json

    await give_back(scene, card, got["refresh_token"])

    assert (await scene.refresh(card, lost["refresh_token"])).no == (400, "invalid_grant")
    assert await scene.state(lost["access_token"]) == DEAD


@meets("C-36")
async def test_by_setting_another_clients_refresh_token_is_passed_over_in_silence(tmp_path: Path) -> None:
    some = await scene(await world(tmp_path, revocation_foreign="silent"))
    card, stranger = await some.client(), await some.client()
    got = await some.tokens(card)

    reply = await give_back(some, stranger, got["refresh_token"])

    assert (reply.status, reply.body) == (200, b"")
    assert (await some.refresh(card, got["refresh_token"])).status == 200


@pytest.mark.parametrize("losses, status", [(1, 200), (2, 200), (3, 503)])
async def test_a_return_that_somebody_else_overtook_looks_again_three_times(tmp_path: Path, losses: int, status: int) -> None:
    some, store = await contended(tmp_path)
    card = await some.client()
    got = await some.tokens(card)

    store.losses = losses
    reply = await give_back(some, card, got["refresh_token"])

    assert reply.status == status
    assert await some.state(got["access_token"]) == (DEAD if status == 200 else LIVES)
