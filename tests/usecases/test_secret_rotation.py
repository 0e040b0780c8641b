"""Two secrets are good for a while when one takes the other's place; each has an end that is told and kept (H-01, CREDENTIALS §1, §9)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from calling_card.protocol.errors import No, Refusal
from calling_card.usecases.operate import recover, rotate, show
from tests.assertions import claims, form, of, with_secret
from tests.ledger import meets
from tests.usecases.contended import ContendedStore
from tests.visitor import person_client, refresh, somebody, tokens
from tests.world import ISSUER, START, Reply, World, beside, body_of, rat, world

HOUR, DAY = 3600, 86_400


@pytest.fixture(params=["memory", "sqlite"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A server on each kind of store, where a replacement that names no secret brings a new one."""
    some = await world(tmp_path, sqlite=request.param == "sqlite", rotate_secret_on_update=True)
    yield some
    await some.ports.store.close()


async def another(server: World, card: dict[str, Any]) -> dict[str, Any]:
    """The card with the next secret."""
    reply = await server.put(card, body_of(card, ("client_secret",)))
    assert reply.status == 200, reply.body
    return reply.json


async def good(server: World, *cards: dict[str, Any]) -> list[bool]:
    """Whether each of these secrets is taken; the newest comes last, since its use ends the others."""
    return [(await server.token(card)).status == 200 for card in cards]


async def asserted(server: World, card: dict[str, Any]) -> Reply:
    """A token for a machine that only signs with its secret."""
    assertion = with_secret(card["client_secret"]).signs(claims(of(card), ISSUER, server.clock.now))
    return await server.post_form("/token", form(assertion, grant_type="client_credentials"))


# ── Two at a time ────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-01")
async def test_a_replacement_brings_a_secret_and_the_old_one_is_good_until_the_new_one_is_used(either: World) -> None:
    card = await either.machine()

    new = await another(either, card)

    assert new["client_secret"] != card["client_secret"]
    assert await good(either, card, card, new, card, new) == [True, True, True, False, True]
    assert (await either.kinds()).count("secret_confirmed") == 1
    assert (await either.row(card)).secret == (await either.row(new)).secret


@meets("H-01")
async def test_the_old_secret_dies_at_the_deadline_whether_the_new_one_was_used_or_not(either: World) -> None:
    card = await either.machine()
    new = await another(either, card)
    either.clock.forward(DAY)
    assert await good(either, card) == [True]

    either.clock.forward(1)

    assert await good(either, card, new) == [False, True]
    assert "secret_expired_previous" in await either.kinds()


@meets("H-01")
async def test_sixteen_first_uses_of_the_new_secret_at_once_all_succeed_and_end_the_old_one_once(either: World) -> None:
    card = await either.machine()
    new = await another(either, card)

    replies = await asyncio.gather(*(either.token(new) for _ in range(16)))

    assert {reply.status for reply in replies} == {200}
    assert (await either.kinds()).count("secret_confirmed") == 1
    assert await good(either, card) == [False]


@meets("H-01")
async def test_what_one_process_saw_used_is_used_for_the_other(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True, rotate_secret_on_update=True)
    other = await beside(server, tmp_path)
    card = await server.machine()
    new = await another(server, card)
    assert await good(other, card) == [True]

    replies = await asyncio.gather(*(side.token(new) for side in (server, other) * 4))

    assert {reply.status for reply in replies} == {200}
    assert await good(server, card) == await good(other, card) == [False]
    assert (await server.kinds()).count("secret_confirmed") == 1
    for side in (server, other):
        await side.ports.store.close()


@meets("H-01")
async def test_of_two_rotations_in_a_row_the_secret_in_use_and_the_newest_are_good(either: World) -> None:
    card = await either.machine()

    between = await another(either, card)
    newest = await another(either, between)

    assert await good(either, card, between, newest, card) == [True, False, True, False]


@meets("H-01")
async def test_a_secret_that_waited_longer_than_the_overlap_lives_on_beside_its_successor(either: World) -> None:
    card = await either.machine()
    waited = await another(either, card)
    either.clock.forward(DAY + 1)

    newest = await another(either, waited)

    assert await good(either, card, waited, newest, waited) == [False, True, True, False]


@meets("H-01")
async def test_a_signature_with_the_new_secret_is_its_first_use_too(either: World) -> None:
    card = await either.machine(token_endpoint_auth_method="client_secret_jwt")
    new = await another(either, card)

    replies = [await asserted(either, one) for one in (card, new, card)]

    assert [reply.status for reply in replies] == [200, 200, 401]


async def test_a_failed_try_with_the_new_secret_ends_nothing(either: World) -> None:
    card, other = await either.machine(), await either.machine()
    new = await another(either, card)

    wrong = await either.token({**new, "client_id": other["client_id"]})

    assert wrong.no == (401, "invalid_client")
    assert await good(either, card) == [True]


# ── By the operator ──────────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-41", "S1-47")
@pytest.mark.parametrize("at_once", [False, True])
async def test_an_operator_renews_the_secret_alone(either: World, at_once: bool) -> None:
    card = await either.machine()

    told = (await rotate(either.ports, card["client_id"], "olga", at_once=at_once, secret_only=True)).information

    new = {**card, **told}
    assert set(told) == {"client_id", "client_secret", "client_secret_expires_at", "client_id_issued_at"}
    assert await good(either, card, new, card) == [not at_once, True, False]
    assert (await either.read(card)).status == 200
    assert [event["body"] for event in await either.told("client_rotated")] == [
        {"by": "olga", "credentials": "client_secret", "now": at_once}
    ]


async def test_a_client_without_a_secret_gets_none(either: World) -> None:
    card = await either.register(token_endpoint_auth_method="none")
    before = await either.kept()

    with pytest.raises(Refusal, match="has no secret") as caught:
        await rotate(either.ports, card["client_id"], "olga", at_once=False, secret_only=True)

    assert caught.value.no is No.INVALID_REQUEST
    assert await either.kept() == before


@meets("H-01")
async def test_an_operator_sees_that_two_secrets_are_good_and_until_when(either: World) -> None:
    card = await either.machine()
    public = await either.register(token_endpoint_auth_method="none")
    alone = await show(either.ports, card["client_id"])
    new = await another(either, card)
    either.clock.forward(HOUR)

    running = await show(either.ports, card["client_id"])
    await either.token(new)

    assert running["secret_overlap_until"] == START + DAY
    for row in (alone, await show(either.ports, card["client_id"]), await show(either.ports, public["client_id"])):
        assert "secret_overlap_until" not in row


@meets("M-41", "S1-47")
async def test_an_operator_gives_a_token_for_a_lost_one_and_the_secret_stays(either: World) -> None:
    card = await either.machine()

    told = (await recover(either.ports, card["client_id"], "olga")).information

    assert set(told) == {"client_id", "client_id_issued_at", "registration_access_token", "registration_client_uri"}
    assert (await either.read(card)).no == (401, "invalid_token")
    found = (await either.read(card, rat(told))).json
    assert found["client_secret"] == card["client_secret"]
    assert await good(either, card) == [True]
    [event] = await either.told("client_recovered")
    assert (event["actor"], event["body"]) == ("operator", {"by": "olga", "proof": "operator"})


@meets("M-41", "H-10")
async def test_an_operator_gives_a_sealed_client_the_first_thing_that_is_kept_of_it(tmp_path: Path) -> None:
    server = await world(tmp_path, open_registration="sealed")
    card = await server.register(client_name="Sealed")

    told = (await recover(server.ports, card["client_id"], "olga")).information

    assert (await server.read(card)).no == (401, "invalid_token")
    assert (await server.read(card, rat(told))).json["client_name"] == "Sealed"


@meets("M-50")
async def test_an_operator_gives_a_client_of_2011_its_first_token(either: World) -> None:
    fields = {"type": "client_associate", "application_name": "Old", "redirect_url": "https://old.example/cb"}
    card = (await either.post_form("/register", fields)).json

    told = (await recover(either.ports, str(card["client_id"]), "olga")).information

    assert (await either.read(told)).status == 200


async def test_where_clients_are_not_managed_there_is_no_token_to_give(tmp_path: Path) -> None:
    server = await world(tmp_path, management=False)
    card = await server.register()

    with pytest.raises(Refusal, match="clients are not managed here") as caught:
        await recover(server.ports, card["client_id"], "olga")

    assert caught.value.no is No.INVALID_REQUEST
    assert "client_recovered" not in await server.kinds()


async def test_an_operator_who_loses_a_race_tries_three_times(tmp_path: Path) -> None:
    store = ContendedStore(chain_key=b"k" * 32, writer=b"busy-one", now=lambda: START)
    server = await world(tmp_path, store)
    name = (await server.register())["client_id"]
    store.losses = 2
    await recover(server.ports, name, "olga")

    store.losses = 3
    with pytest.raises(Refusal, match="being changed by others") as caught:
        await recover(server.ports, name, "olga")

    assert caught.value.no is No.UNAVAILABLE
    assert (await server.kinds()).count("client_recovered") == 1


# ── The end of a secret ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def brief(tmp_path: Path) -> World:
    """A server where secrets are good for an hour."""
    return await world(tmp_path, secret_lifetime=HOUR)


@meets("C-13", "H-14")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_jwt"])
async def test_a_secret_ends_when_it_was_said_to_and_the_token_still_renews_it(brief: World, method: str) -> None:
    card = await brief.machine(token_endpoint_auth_method=method)

    async def ask(one: dict[str, Any]) -> Reply:
        return await (asserted(brief, one) if method.endswith("jwt") else brief.token(one))

    assert card["client_secret_expires_at"] == START + HOUR
    brief.clock.forward(HOUR - 1)
    assert (await ask(card)).status == 200

    brief.clock.forward(1)
    over, read = await ask(card), await brief.read(card)
    new = await brief.replaced(read.json)

    assert (over.no, over.why) == (
        (401, "invalid_client"),
        "client authentication failed; a client that was removed may register again at https://as.example/register (RFC 6749 section 5.2)",
    )
    assert (read.status, read.json["client_secret_expires_at"]) == (200, START + HOUR)
    assert new["client_secret_expires_at"] == START + 2 * HOUR
    assert [(await ask(one)).status for one in (new, card)] == [200, 401]


@meets("C-13", "H-01")
async def test_a_secret_that_was_renewed_before_its_end_has_that_end_all_the_same(brief: World) -> None:
    card = await brief.machine()
    brief.clock.forward(HOUR - 60)
    new = await another(brief, card)
    shown = await show(brief.ports, card["client_id"])
    brief.clock.forward(59)
    assert await good(brief, card) == [True]

    brief.clock.forward(1)

    assert shown["secret_overlap_until"] == START + HOUR - 1
    assert await good(brief, card, new) == [False, True]


@meets("C-13")
@pytest.mark.parametrize("passed, told", [(0, 0), (HOUR * 3 // 4 - 1, 0), (HOUR * 3 // 4, 1), (HOUR - 1, 1)])
async def test_a_secret_in_its_last_quarter_is_in_the_log_with_each_use(brief: World, passed: int, told: int) -> None:
    card = await brief.machine()
    brief.clock.forward(passed)

    await brief.token(card)

    lines = [line for line in brief.lines if line["event"] == "secret_ends_soon"]
    assert len(lines) == told
    assert all((line["client_id"], line["ends_at"]) == (card["client_id"], START + HOUR) for line in lines)


# ── Other keys ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-32", "M-36")
@pytest.mark.parametrize("ends", [False, True])
async def test_other_keys_end_what_people_allowed_where_that_is_set(tmp_path: Path, ends: bool) -> None:
    server = await world(tmp_path, key_change_ends_grants=ends)
    await somebody(server)
    card = await person_client(server)
    got = await tokens(server, card)
    named = await server.replaced(card, client_name="Only another name")
    again = (await refresh(server, card, got["refresh_token"])).json

    await server.replaced(named, jwks_uri="https://evil.example/jwks")

    event = (await server.told("client_replaced"))[-1]["body"]
    assert ("jwks_uri" in event["changed"], event.get("ended")) == (True, True if ends else None)
    assert (await refresh(server, card, again["refresh_token"])).status == (400 if ends else 200)
    seen = await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {again['access_token']}"})
    assert seen.status == (401 if ends else 200)
