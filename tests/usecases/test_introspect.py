"""Is this token alive, and giving one back: RFC 7662, RFC 7009, CREDENTIALS §3."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.protocol.answers import information
from calling_card.protocol.clients import State
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles import credentials, seals, tokens
from calling_card.usecases.authenticate import Presented
from calling_card.usecases.introspect import Asked, introspect, revoke
from calling_card.usecases.operate import delete, resume, rotate, suspend
from calling_card.usecases.renew import credential_key, signing_key
from tests.ledger import meets
from tests.store.examples import a_version
from tests.world import ISSUER, World, world

Card = dict[str, Any]
DEAD = {"active": False}
API = "https://api.example"
OTHER = "https://other.example"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


def asked(caller: Card, token: str) -> Asked:
    """A question, or a return, by the registered method."""
    method = caller.get("token_endpoint_auth_method", "client_secret_basic")
    return Asked(Presented(method, caller["client_id"], caller.get("client_secret", "")), token)


async def ask(server: World, caller: Card, token: str) -> Card:
    """What the caller learns about a token."""
    return await introspect(server.ports, asked(caller, token))


async def token_for(server: World, card: Card, **fields: str) -> str:
    """A new access token of this client."""
    reply = await server.token(card, **fields)
    assert reply.status == 200, reply.body
    return str(reply.json["access_token"])


async def resource_server(server: World, uri: str = API, scope: str = "orders:read orders:write", form: str = "opaque") -> Card:
    """A resource server, as a caller."""
    return dict((await server.resource(uri, scope, form)).information)


# ── What a living token says ─────────────────────────────────────────────────────────────────────────────────────────


@meets("A-67", "A-96", "H-20")
@pytest.mark.parametrize("form", ["opaque", "jwt"])
async def test_the_resource_server_it_is_for_learns_everything_about_a_living_token(server: World, form: str) -> None:
    api = await resource_server(server, form=form)
    card = await server.machine("openid orders:read")
    issued_at = server.clock.now
    token = await token_for(server, card, resource=API)
    server.clock.forward(10)

    answer = await ask(server, api, token)

    assert answer == {
        "active": True,
        "scope": "orders:read",
        "client_id": card["client_id"],
        "sub": card["client_id"],
        "aud": API,
        "iss": ISSUER,
        "exp": issued_at + (300 if form == "jwt" else 3600),
        "iat": issued_at,
        "jti": answer["jti"],
        "token_type": "Bearer",
    }
    assert await ask(server, card, token) == answer


@meets("A-67", "H-20")
async def test_a_token_for_several_names_them_all_to_each_of_them(server: World) -> None:
    one, two = await resource_server(server, API), await resource_server(server, "https://b.example")
    card = await server.machine("orders:read")
    token = await token_for(server, card)

    answers = [await ask(server, caller, token) for caller in (one, two)]

    assert answers[0] == answers[1]
    assert answers[0]["aud"] == [API, "https://b.example"]


@meets("A-67", "X-92")
async def test_the_answer_depends_on_the_caller_each_time_anew(server: World) -> None:
    api, stranger = await resource_server(server), await resource_server(server, "https://b.example", "stock:read")
    card = await server.machine("orders:read")
    token = await token_for(server, card)

    answers = [(await ask(server, caller, token))["active"] for caller in (api, stranger, api, stranger, card)]

    assert answers == [True, False, True, False, True]


@meets("H-20")
async def test_the_scope_told_is_that_of_the_token_as_far_as_the_client_still_has_it(server: World) -> None:
    api = await resource_server(server)
    invitation = await server.invitation(scope="orders:read orders:write", grants=("client_credentials",))
    card = await server.register(invitation, redirect_uris=[], grant_types=["client_credentials"], scope="orders:read orders:write")
    token = await token_for(server, card)

    narrowed = (await server.replace(card, scope="orders:write")).json
    answer = await ask(server, api, token)
    widened = (await server.replace(narrowed, scope="orders:read orders:write")).json

    assert answer["scope"] == "orders:write"
    assert (await ask(server, api, token))["scope"] == "orders:read orders:write"
    assert widened["scope"] == "orders:read orders:write"


async def test_a_token_of_whose_scope_nothing_is_left_is_dead(server: World) -> None:
    api = await resource_server(server)
    invitation = await server.invitation(scope="orders:read orders:write", grants=("client_credentials",))
    card = await server.register(invitation, redirect_uris=[], grant_types=["client_credentials"], scope="orders:read orders:write")
    token = await token_for(server, card, scope="orders:read")

    await server.replace(card, scope="orders:write")

    assert await ask(server, api, token) == DEAD


async def test_a_token_of_a_grant_that_the_client_gave_up_is_dead(server: World) -> None:
    invitation = await server.invitation(scope="openid", grants=("client_credentials", "authorization_code"))
    card = await server.register(invitation, redirect_uris=[], grant_types=["client_credentials"])
    token = await token_for(server, card)

    reply = await server.replace(
        card, response_types=["code"], grant_types=["authorization_code"], redirect_uris=["https://app.example/cb"]
    )

    assert reply.status == 200
    assert await ask(server, reply.json, token) == DEAD


# ── Who may ask ──────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-68", "A-96", "H-20")
@pytest.mark.parametrize("form", ["opaque", "jwt"])
async def test_to_anybody_else_a_living_token_is_dead(server: World, form: str) -> None:
    api = await resource_server(server, form=form)
    other_api = await resource_server(server, "https://b.example", "stock:read")
    card, other = await server.machine("orders:read"), await server.machine()
    token = await token_for(server, card)

    assert (await ask(server, api, token))["active"]
    for stranger in (other_api, other, await server.register()):
        assert await ask(server, stranger, token) == DEAD


async def test_a_public_client_may_not_ask(server: World) -> None:
    public = await server.register(token_endpoint_auth_method="none")

    with pytest.raises(Refusal) as caught:
        await ask(server, public, "anything")

    assert caught.value.no is No.INVALID_CLIENT


@pytest.mark.parametrize("verb", [introspect, revoke])
async def test_a_question_without_a_token_is_refused(server: World, verb: Callable[..., Awaitable[object]]) -> None:
    card = await server.machine()

    with pytest.raises(Refusal) as caught:
        await verb(server.ports, asked(card, ""))

    assert caught.value.no is No.INVALID_REQUEST


# ── What is dead ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-90", "A-68")
@pytest.mark.parametrize("form", ["opaque", "jwt"])
async def test_a_token_is_dead_from_the_second_in_which_it_ends(server: World, form: str) -> None:
    api = await resource_server(server, form=form)
    card = await server.machine("orders:read")
    token = await token_for(server, card)
    ends = (await ask(server, api, token))["exp"]

    server.clock.now = ends - 1
    last = await ask(server, api, token)
    server.clock.now = ends

    assert last["active"]
    assert await ask(server, api, token) == DEAD


async def deleted(server: World, card: Card, token: str) -> None:
    """By the client itself."""
    assert (await server.remove(card)).status == 204


async def deleted_by_operator(server: World, card: Card, token: str) -> None:
    """By the operator."""
    await delete(server.ports, card["client_id"], "tester")


async def suspended(server: World, card: Card, token: str) -> None:
    """By the operator."""
    await suspend(server.ports, card["client_id"], "tester")


async def suspended_and_resumed(server: World, card: Card, token: str) -> None:
    """What died with the suspension stays dead."""
    await suspend(server.ports, card["client_id"], "tester")
    await resume(server.ports, card["client_id"], "tester")


async def held(server: World, card: Card, token: str) -> None:
    """Waiting for approval."""
    client = await server.row(card)
    assert await server.ports.store.replace(client, structs.replace(client, state=State.HELD), None)


async def rotated_now(server: World, card: Card, token: str) -> None:
    """After an incident."""
    await rotate(server.ports, card["client_id"], "tester", at_once=True)


async def revoked(server: World, card: Card, token: str) -> None:
    """By its client."""
    await revoke(server.ports, asked(card, token))


async def born_again(server: World, card: Card, token: str) -> None:
    """Another client under the same name."""
    client = await server.row(card)
    await delete(server.ports, card["client_id"], "tester")
    event = Event("client_registered", server.clock.now, client.key, "anonymous")
    reborn = structs.replace(client, incarnation=b"another!")
    await server.ports.store.meet(reborn, a_version(reborn), event)


ENDS = (deleted, deleted_by_operator, suspended, suspended_and_resumed, held, rotated_now, revoked, born_again)


@meets("A-68", "H-20")
@pytest.mark.parametrize("form", ["opaque", "jwt"])
@pytest.mark.parametrize("end", ENDS)
async def test_what_ends_a_client_ends_its_tokens_at_once(
    server: World, form: str, end: Callable[[World, Card, str], Awaitable[None]]
) -> None:
    api = await resource_server(server, form=form)
    card, bystander = await server.machine("orders:read"), await server.machine("orders:read")
    token, other = await token_for(server, card), await token_for(server, bystander)
    assert (await ask(server, api, token))["active"]

    await end(server, card, token)

    assert await ask(server, api, token) == DEAD
    assert (await ask(server, api, other))["active"]


async def test_a_rotation_with_overlap_ends_no_token(server: World) -> None:
    card = await server.machine()
    token = await token_for(server, card)

    await rotate(server.ports, card["client_id"], "tester", at_once=False)

    assert (await ask(server, card, token))["active"]


async def test_a_resource_server_that_was_deleted_learns_nothing(server: World) -> None:
    api = await resource_server(server)
    card = await server.machine("orders:read")
    token = await token_for(server, card)

    await delete(server.ports, api["client_id"], "tester")

    with pytest.raises(Refusal):
        await ask(server, api, token)
    assert (await ask(server, card, token))["active"]


@meets("A-72")
async def test_no_other_credential_is_a_token(server: World) -> None:
    card = await server.machine()
    credentials = [card["registration_access_token"], card["client_secret"], await server.invitation(), card["client_id"]]

    answers = [await ask(server, card, credential) for credential in credentials]
    for credential in credentials:
        await revoke(server.ports, asked(card, credential))

    assert answers == [DEAD] * 4
    assert (await server.read(card)).status == 200
    assert (await server.token(card)).status == 200
    assert (await server.post_json("/register", {"redirect_uris": ["https://a.example/"]}, credentials[2])).status == 201
    assert "token_revoked" not in await server.kinds()


def altered(token: str) -> list[str]:
    """Spellings that are near a token, for every eleventh of its characters."""
    other = {"A": "B"}
    places = range(0, len(token), 11)
    return [token[:at] + other.get(token[at], "A") + token[at + 1 :] for at in places if token[at] not in "._"]


@meets("A-68", "X-100")
@pytest.mark.parametrize("form", ["opaque", "jwt"])
async def test_an_altered_token_is_dead(server: World, form: str) -> None:
    api = await resource_server(server, form=form)
    card = await server.machine("orders:read")
    token = await token_for(server, card)
    near = [*altered(token), token + "A", token[:-1], token + "=", f" {token}", token + "\n", token.upper(), f"{token}.{token}"]

    answers = [await ask(server, api, text) for text in near]

    assert len(near) > 20
    assert answers == [DEAD] * len(near)


@meets("A-68")
@pytest.mark.parametrize(
    "text",
    [
        "garbage",
        "..",
        "a.b.c",
        "e30.e30.e30",
        "e30.e30.",
        "cc_at_",
        "cc_at_AA",
        "cc_at_é",
        "cc_at_" + "A" * 9000,
        "cc_at_" + "A" * 80,
        "cc_at_AgAB" + "A" * 80,
        "é.é.é",
        "\0.\0.\0",
        "x" * 9000,
    ],
)
async def test_a_text_that_is_no_token_is_dead(server: World, text: str) -> None:
    card = await server.machine()

    assert await ask(server, card, text) == DEAD


async def test_a_seal_that_holds_something_else_is_dead(server: World) -> None:
    card = await server.machine()
    nonce = server.ports.entropy(12)

    text = seals.write(server.ports.keyring, seals.ACCESS_TOKEN, b"not the claims of a token", nonce)

    assert await ask(server, card, text) == DEAD


@meets("H-23")
async def test_the_issuer_is_bound_into_every_credential_and_seal(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one, other = await world(tmp_path / "one"), await world(tmp_path / "other", issuer=OTHER)
    invitation = await one.invitation()
    card = await one.machine()
    token = await token_for(one, card)
    client = await one.row(card)
    keys = json.loads((tmp_path / "one/keyring.json").read_text(encoding="utf-8"))
    (tmp_path / "other/keyring.json").write_text(json.dumps({**keys, "issuer": OTHER}), encoding="utf-8")
    await asyncio.sleep(0)  # in one pass of the loop the file is looked at once
    await other.ports.store.register(client, Event("client_registered", other.clock.now, client.key, "anonymous"), None)

    handles = [
        credentials.read(other.ports.keyring, issuer, kind, text)
        for issuer in (OTHER, ISSUER)
        for kind, text in (
            (credentials.CLIENT_SECRET, card["client_secret"]),
            (credentials.REGISTRATION_ACCESS_TOKEN, card["registration_access_token"]),
            (credentials.INITIAL_ACCESS_TOKEN, invitation),
        )
    ]
    there = {**card, **information(other.ports.desk, other.ports.keyring, client, {})}

    assert [handle is None for handle in handles] == [True, True, True, False, False, False]
    assert await ask(other, there, token) == DEAD
    assert (await ask(other, there, await token_for(other, there)))["active"]


async def test_signed_claims_that_are_not_those_of_a_token_are_dead(server: World) -> None:
    card = await server.machine()
    token = await token_for(server, card, resource=API)
    part = token.split(".")[1]
    claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

    other: tuple[object, ...] = (None, 7.5, {"a": 1})
    spoilt: list[dict[str, object]] = [{**claims, name: value} for name in claims for value in other]
    spoilt += [{}, {**claims, "iss": OTHER}]
    answers = [await ask(server, card, server.ports.signer.sign(each, tokens.TYP)) for each in spoilt]

    assert answers == [DEAD] * len(spoilt)
    assert (await ask(server, card, server.ports.signer.sign(claims, tokens.TYP)))["active"]


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["opaque", "jwt"])
async def test_tokens_of_before_a_new_key_live_on_and_new_ones_are_under_the_new_key(server: World, form: str) -> None:
    api = await resource_server(server, form=form)
    card = await server.machine("orders:read")
    before = await token_for(server, card)

    await credential_key(server.ports, "tester")
    kids_now = await signing_key(server.ports, "tester")
    after = await token_for(server, card)

    assert (await ask(server, api, before))["active"]
    assert (await ask(server, api, after))["active"]
    if form == "opaque":
        sealed = [seals.unwrap(seals.ACCESS_TOKEN, text) for text in (before, after)]
        assert [each.key for each in sealed if each] == [1, 2]
    else:
        kids = [json.loads(base64.urlsafe_b64decode(text.split(".")[0] + "==="))["kid"] for text in (before, after)]
        assert [kid in kids_now for kid in kids] == [False, True]


async def test_a_token_under_a_key_that_is_gone_is_dead(server: World, tmp_path: Path) -> None:
    card = await server.machine()
    token = await token_for(server, card)
    await credential_key(server.ports, "tester")
    card = {**card, **(await rotate(server.ports, card["client_id"], "tester", at_once=False)).information}
    assert (await ask(server, card, token))["active"]

    content = json.loads((tmp_path / "keyring.json").read_text(encoding="utf-8"))
    content["keys"][0]["state"] = "burnt"
    (tmp_path / "keyring.json").write_text(json.dumps(content), encoding="utf-8")
    await asyncio.sleep(0)  # in one pass of the loop the file is looked at once

    assert await ask(server, card, token) == DEAD


# ── Giving a token back ──────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-71")
async def test_giving_a_token_back_ends_that_one_only_and_twice_is_no_error(server: World) -> None:
    card = await server.machine()
    token, other = await token_for(server, card), await token_for(server, card)

    await revoke(server.ports, asked(card, token))
    await revoke(server.ports, asked(card, token))

    assert await ask(server, card, token) == DEAD
    assert (await ask(server, card, other))["active"]
    assert (await server.kinds()).count("token_revoked") == 1


@meets("A-71")
async def test_giving_back_what_is_unknown_or_over_is_no_error_and_changes_nothing(server: World) -> None:
    card, public = await server.machine(), await server.register(token_endpoint_auth_method="none")
    token = await token_for(server, card)
    server.clock.forward(3600)
    before = await server.kept()

    for caller in (card, public):
        for text in ("garbage", "cc_at_garbage", "a.b.c", token):
            await revoke(server.ports, asked(caller, text))

    assert await server.kept() == before


@meets("A-71")
async def test_giving_back_another_clients_token_is_refused_and_changes_nothing(server: World) -> None:
    card, other = await server.machine(), await server.machine()
    public = await server.register(token_endpoint_auth_method="none")
    token = await token_for(server, card)
    before = await server.kept()

    for caller in (other, public):
        with pytest.raises(Refusal) as caught:
            await revoke(server.ports, asked(caller, token))
        assert caught.value.no is No.INVALID_GRANT

    assert await server.kept() == before
    assert (await ask(server, card, token))["active"]


@meets("C-36")
async def test_by_setting_another_clients_token_is_passed_over_in_silence(tmp_path: Path) -> None:
    server = await world(tmp_path, revocation_foreign="silent")
    card, other = await server.machine(), await server.machine()
    token = await token_for(server, card)

    await revoke(server.ports, asked(other, token))

    assert (await ask(server, card, token))["active"]


async def test_the_resource_server_a_token_is_for_cannot_end_it(server: World) -> None:
    api = await resource_server(server)
    card = await server.machine("orders:read")
    token = await token_for(server, card)

    with pytest.raises(Refusal):
        await revoke(server.ports, asked(api, token))

    assert (await ask(server, api, token))["active"]


@meets("H-20")
@pytest.mark.parametrize("sqlite", [False, True])
async def test_after_more_than_thirty_two_returns_the_epoch_ends_them_all(tmp_path: Path, sqlite: bool) -> None:
    server = await world(tmp_path, sqlite=sqlite)
    card = await server.machine()
    issued = [await token_for(server, card) for _ in range(34)]
    epoch = (await server.row(card)).epoch

    for token in issued[:32]:
        await revoke(server.ports, asked(card, token))
    still = [(await ask(server, card, token))["active"] for token in issued]
    at_32 = (await server.row(card)).epoch
    await revoke(server.ports, asked(card, issued[32]))

    assert still == [False] * 32 + [True] * 2
    assert (at_32, (await server.row(card)).epoch) == (epoch, epoch + 1)
    assert [await ask(server, card, token) for token in issued] == [DEAD] * 34
    assert (await ask(server, card, await token_for(server, card)))["active"]
    await server.ports.store.close()


async def test_giving_back_a_token_of_a_client_that_lost_its_epoch_writes_nothing(server: World) -> None:
    card = await server.machine()
    token = await token_for(server, card)
    made = (await rotate(server.ports, card["client_id"], "tester", at_once=True)).information
    before = await server.kept()

    await revoke(server.ports, asked({**card, **made}, token))

    assert await server.kept() == before
