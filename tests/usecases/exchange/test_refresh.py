"""A refresh token becomes tokens and its own successor: RFC 6749 §6, RFC 9700 §4.14.2, CREDENTIALS §9.2 line by line."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.protocol.persons.grants import Stage
from calling_card.usecases.renew import credential_key
from tests.ledger import meets
from tests.usecases.exchange.scene import DEAD, LIVES, REFRESHABLE, Scene, scene
from tests.usecases.exchange.test_code import contended
from tests.world import START, Reply, World, changed, world

Both = pytest.mark.parametrize("confidential", [False, True], ids=["public", "confidential"])
OVER = (400, "invalid_grant")
WINDOW = 60


def token(reply: Reply | dict[str, Any]) -> str:
    """The refresh token of an answer."""
    body = reply if isinstance(reply, dict) else reply.json
    found = body["refresh_token"]
    assert isinstance(found, str)
    return found


async def generations(some: Scene, credential: str) -> tuple[int, int]:
    """Confirmed and issued, as they are kept."""
    row = (await some.grant(credential)).refresh
    return row.confirmed, row.issued


# ── g = i ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-52", "H-19", "A-50")
@Both
async def test_the_newest_token_gives_an_access_token_and_a_successor(scene: Scene, confidential: bool) -> None:
    card = await scene.client(confidential=confidential)
    got = await scene.tokens(card)
    scene.server.clock.forward(1000)

    reply = await scene.refresh(card, token(got))

    assert reply.status == 200
    assert set(reply.json) == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert [scene.handle(token(each)).generation for each in (got, reply)] == [1, 2]
    assert await generations(scene, token(reply)) == (1, 2)
    assert (await scene.grant(token(reply))).last_used_at == START + 1000
    assert [await scene.state(each["access_token"]) for each in (got, reply.json)] == [LIVES, LIVES]
    assert (await scene.server.kinds())[-1] == "grant_refreshed"


@meets("A-52")
async def test_a_client_goes_on_and_on(scene: Scene) -> None:
    card = await scene.client()
    newest = token(await scene.tokens(card))

    for number in range(2, 12):
        scene.server.clock.forward(86400)
        newest = token(await scene.refresh(card, newest))
        assert scene.handle(newest).generation == number

    assert await generations(scene, newest) == (10, 11)


async def test_the_successor_is_under_the_key_that_makes_credentials_then(scene: Scene) -> None:
    card = await scene.client()
    first = token(await scene.tokens(card))

    await credential_key(scene.server.ports, "tester")
    second = token(await scene.refresh(card, first))
    again = token(await scene.refresh(card, first))
    third = token(await scene.refresh(card, second))

    assert [scene.handle(each).key for each in (first, second, third)] == [1, 2, 2]
    assert again == second
    for forged in (structs.replace(scene.handle(second), key=1), structs.replace(scene.handle(third), key=1)):
        assert (await scene.refresh(card, scene.written(forged))).no == OVER
    assert (await scene.refresh(card, third)).status == 200


# ── g = c < i ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-53", "H-19")
@pytest.mark.parametrize("after", [0, 1, WINDOW])
@Both
async def test_a_repeat_within_a_minute_gets_the_same_successor_and_writes_nothing(scene: Scene, after: int, confidential: bool) -> None:
    card = await scene.client(confidential=confidential)
    first = token(await scene.tokens(card))
    answer = (await scene.refresh(card, first)).json
    before = await scene.kept(first)
    scene.server.clock.forward(after)

    repeats = [(await scene.refresh(card, first)).json for _ in range(3)]

    assert {token(repeat) for repeat in repeats} == {token(answer)}
    assert len({repeat["access_token"] for repeat in [answer, *repeats]}) == 4
    assert [await scene.state(repeat["access_token"]) for repeat in [answer, *repeats]] == [LIVES] * 4
    assert await scene.kept(first) == before


@meets("A-53", "H-19")
async def test_a_repeat_by_a_public_client_after_a_minute_ends_the_grant(scene: Scene) -> None:
    """Example 8 of the server requirements."""
    card = await scene.client()
    got = await scene.tokens(card)
    answer = (await scene.refresh(card, token(got))).json
    scene.server.clock.forward(WINDOW + 1)

    late = await scene.refresh(card, token(got))
    after = await scene.refresh(card, token(answer))

    assert [late.no, after.no] == [OVER, OVER]
    assert {late.why, after.why} == {REFRESHABLE}
    assert [await scene.state(each["access_token"]) for each in (got, answer)] == [DEAD, DEAD]
    assert (await scene.grant(token(got))).stage is Stage.REVOKED
    assert {kind: len(await scene.server.told(kind)) for kind in ("refresh_reuse", "grant_ended")} == {"refresh_reuse": 1, "grant_ended": 1}


@meets("A-53", "H-19")
async def test_a_repeat_by_a_confidential_client_after_a_minute_is_an_answer_that_got_lost(scene: Scene) -> None:
    card = await scene.client(confidential=True)
    first = token(await scene.tokens(card))
    lost = await scene.refresh(card, first)
    scene.server.clock.forward(WINDOW + 1)

    late = await scene.refresh(card, first)
    again = await scene.refresh(card, first)

    assert [scene.handle(token(each)).generation for each in (lost, late, again)] == [2, 3, 3]
    assert await generations(scene, first) == (1, 3)
    assert len(await scene.server.told("refresh_retry_late")) == 1
    assert (await scene.refresh(card, token(late))).status == 200
    assert await generations(scene, first) == (3, 4)


# ── c < g < i, and g < c ─────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-53", "H-19")
async def test_a_token_that_was_superseded_before_it_was_used_ends_the_grant(scene: Scene) -> None:
    card = await scene.client(confidential=True)
    got = await scene.tokens(card)
    lost = (await scene.refresh(card, token(got))).json
    scene.server.clock.forward(WINDOW + 1)
    late = (await scene.refresh(card, token(got))).json

    found = await scene.refresh(card, token(lost))

    assert found.no == OVER
    assert [(await scene.refresh(card, token(each))).no for each in (got, late)] == [OVER, OVER]
    assert [await scene.state(each["access_token"]) for each in (got, lost, late)] == [DEAD] * 3


@meets("A-53", "H-19", "X-88")
@pytest.mark.parametrize("after", [0, 10, 86400])
@Both
async def test_a_token_whose_successor_was_used_ends_the_grant_at_once(scene: Scene, after: int, confidential: bool) -> None:
    card = await scene.client(confidential=confidential)
    bystander = await scene.tokens(card)
    got = await scene.tokens(card)
    second = (await scene.refresh(card, token(got))).json
    third = (await scene.refresh(card, token(second))).json
    scene.server.clock.forward(after)

    reused = await scene.refresh(card, token(got))

    assert (reused.no, reused.why) == (OVER, REFRESHABLE)
    assert [await scene.state(each["access_token"]) for each in (got, second, third)] == [DEAD] * 3
    assert (await scene.refresh(card, token(third))).no == OVER
    assert (await scene.refresh(card, token(bystander))).status == 200


# ── g > i ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-19")
async def test_a_token_that_was_never_issued_is_refused_with_an_alarm_and_ends_nothing(scene: Scene) -> None:
    card = await scene.client()
    first = token(await scene.tokens(card))
    before = await scene.grant(first)

    future = await scene.refresh(card, scene.written(structs.replace(scene.handle(first), generation=2)))

    assert (future.no, future.why) == (OVER, REFRESHABLE)
    assert len(await scene.server.told("credential_from_future")) == 1
    assert await scene.grant(first) == before
    assert (await scene.refresh(card, first)).status == 200


# ── Who asks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-54", "X-29")
@Both
async def test_a_stolen_refresh_token_is_nothing_in_the_hands_of_another_client(scene: Scene, confidential: bool) -> None:
    card, thief = await scene.client(confidential=confidential), await scene.client(confidential=confidential)
    got = await scene.tokens(card)
    before = await scene.kept(token(got))

    stolen = await scene.refresh(thief, token(got))

    assert (stolen.no, stolen.why) == (OVER, REFRESHABLE)
    assert await scene.kept(token(got)) == before
    assert await scene.state(got["access_token"]) == LIVES


@meets("A-54")
async def test_a_failed_authentication_is_no_use_of_the_token(scene: Scene) -> None:
    card = await scene.client(confidential=True)
    first = token(await scene.tokens(card))
    second = token(await scene.refresh(card, first))
    scene.server.clock.forward(WINDOW + 1)
    before = await scene.kept(first)

    guessed = [await scene.refresh({**card, "client_secret": "guess"}, each) for each in (first, second)]

    assert {reply.no for reply in guessed} == {(401, "invalid_client")}
    assert await scene.kept(first) == before


@pytest.mark.parametrize(
    "text, no",
    [("", "invalid_request"), ("garbage", "invalid_grant"), ("cc_refresh_" + "A" * 78, "invalid_grant"), ("é" * 90, "invalid_grant")],
)
async def test_what_is_no_refresh_token_is_named(scene: Scene, text: str, no: str) -> None:
    card = await scene.client()

    assert (await scene.refresh(card, text)).no == (400, no)


async def test_no_other_credential_is_a_refresh_token(scene: Scene) -> None:
    card = await scene.client()
    code = await scene.code(card)
    got = await scene.tokens(card)

    for other in (code, got["access_token"], got["id_token"], card["registration_access_token"]):
        assert (await scene.refresh(card, other)).no == OVER
    for other in (got["refresh_token"], got["access_token"]):
        assert (await scene.redeem(card, other)).no == OVER


async def test_a_refresh_token_of_a_grant_that_nobody_keeps_is_refused(scene: Scene) -> None:
    card = await scene.client()
    first = token(await scene.tokens(card))
    handle = scene.handle(first)

    assert (await scene.refresh(card, scene.written(structs.replace(handle, owner=handle.owner[:16] + bytes(16))))).no == OVER


@meets("A-46")
async def test_a_grant_whose_code_was_not_redeemed_has_no_refresh_token_yet(scene: Scene) -> None:
    card = await scene.client()
    first = token(await scene.tokens(card))
    code = await scene.code(card)

    forged = scene.written(structs.replace(scene.handle(first), owner=scene.handle(code).owner))

    assert (await scene.refresh(card, forged)).no == OVER
    assert (await scene.redeem(card, code)).status == 200


# ── Whether there is one ─────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-52", "H-04", "A-101")
@pytest.mark.parametrize("scope", ["openid", "openid offline_access", "profile"])
@pytest.mark.parametrize("prompt", ["", "consent"])
async def test_the_registered_grant_decides_whatever_is_asked_for(scene: Scene, scope: str, prompt: str) -> None:
    refreshing = await scene.client()
    other = await scene.client(grant_types=["authorization_code"])

    given = [await scene.tokens(card, scope=scope, prompt=prompt) for card in (refreshing, other)]

    assert ["refresh_token" in got for got in given] == [True, False]
    assert {got["scope"] for got in given} == {scope}


@meets("H-04", "A-101")
async def test_offline_access_is_accepted_told_and_changes_nothing(scene: Scene) -> None:
    card = await scene.client()
    plain, offline = await scene.tokens(card), await scene.tokens(card, scope="openid offline_access")

    assert set(plain) == set(offline)
    assert offline["scope"] == "openid offline_access"
    assert (await scene.refresh(card, token(offline))).json["scope"] == "openid offline_access"
    assert "offline_access" in (await scene.server.call("GET", "/.well-known/oauth-authorization-server")).json["scopes_supported"]


@meets("A-101")
async def test_offline_access_that_was_not_asked_for_before_is_shown_to_the_person_by_name(scene: Scene) -> None:
    card = await scene.client(confidential=True)
    await scene.browser.decide(await scene.browser.sign_in(await scene.browser.authorize(card)), remember="1")

    asked = [await scene.browser.authorize(card, scope=scope) for scope in ("openid", "openid offline_access")]

    assert [reply.status for reply in asked] == [303, 200]
    assert b"scope-offline_access" in asked[1].body or b"offline" in asked[1].body.lower()


@meets("A-52", "H-04", "A-05", "H-30")
async def test_by_setting_there_are_none_and_nothing_promises_them(tmp_path: Path) -> None:
    server: World = await world(tmp_path)
    some = await scene(server)
    card = await some.client()
    earlier = await some.tokens(card)

    with changed(server, refresh_tokens=False, default_grant_types=("authorization_code", "refresh_token")):
        later = await some.tokens(card)
        refused = await some.refresh(card, token(earlier))
        registered = [await server.register(), await server.register(grant_types=["authorization_code", "refresh_token"])]
        listed = (await server.call("GET", "/.well-known/oauth-authorization-server")).json["grant_types_supported"]

    assert "refresh_token" not in later
    assert refused.no == (400, "unsupported_grant_type")
    assert [each["grant_types"] for each in registered] == [["authorization_code"]] * 2
    assert listed == ["authorization_code", "client_credentials"]
    assert (await some.refresh(card, token(earlier))).status == 200


# ── For how long ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-54")
async def test_a_token_that_nobody_used_for_thirty_days_is_over(scene: Scene) -> None:
    card = await scene.client()
    used, forgotten = token(await scene.tokens(card)), token(await scene.tokens(card))

    scene.server.clock.forward(30 * 86400 - 1)
    in_time = await scene.refresh(card, used)
    scene.server.clock.forward(1)

    assert in_time.status == 200
    assert (await scene.refresh(card, forgotten)).no == OVER
    assert (await scene.refresh(card, token(in_time))).status == 200


@meets("A-54")
async def test_after_ninety_days_the_person_is_asked_again_however_often_the_client_refreshed(scene: Scene) -> None:
    card = await scene.client()
    newest = token(await scene.tokens(card))

    for _ in range(8):
        scene.server.clock.forward(10 * 86400)
        newest = token(await scene.refresh(card, newest))
    scene.server.clock.forward(10 * 86400 - 1)
    newest = token(await scene.refresh(card, newest))
    scene.server.clock.forward(1)

    assert (await scene.refresh(card, newest)).no == OVER
    assert (await scene.grant(newest)).stage is Stage.LIVE


@meets("A-54")
@pytest.mark.parametrize("lifetime, idle, ends", [(1000, 100, 100), (200, 0, 200), (0, 0, None)])
async def test_both_lives_are_settings_and_none_means_no_end(tmp_path: Path, lifetime: int, idle: int, ends: int | None) -> None:
    some = await scene(await world(tmp_path, refresh_lifetime=lifetime, refresh_idle=idle))
    card = await some.client()
    first = token(await some.tokens(card))

    some.server.clock.forward(1000 * 86400 if ends is None else ends - 1)
    alive = await some.refresh(card, first)
    some.server.clock.forward(10_000 * 86400 if ends is None else ends)

    assert alive.status == 200
    assert (await some.refresh(card, token(alive))).status == (200 if ends is None else 400)


# ── Others at the same moment ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("losses, status", [(1, 200), (2, 200), (3, 503)])
async def test_a_refresh_that_somebody_else_overtook_looks_again_three_times(tmp_path: Path, losses: int, status: int) -> None:
    some, store = await contended(tmp_path)
    card = await some.client()
    first = token(await some.tokens(card))

    store.losses = losses
    reply = await some.refresh(card, first)

    assert reply.status == status
    assert reply.headers.get("retry-after") == ("1" if status == 503 else None)


async def test_reuse_that_somebody_else_overtook_ends_the_grant_all_the_same(tmp_path: Path) -> None:
    some, store = await contended(tmp_path)
    card = await some.client()
    got = await some.tokens(card)
    second = await some.refresh(card, token(got))
    await some.refresh(card, token(second))

    store.losses = 2
    reused = await some.refresh(card, token(got))

    assert reused.no == OVER
    assert await some.state(got["access_token"]) == DEAD


async def test_tokens_that_cannot_be_made_replace_no_refresh_token(scene: Scene) -> None:
    card = await scene.client()
    first = token(await scene.tokens(card))
    for number in range(4):
        await scene.server.resource(f"https://r.example/{number}/".ljust(2000, "a"), "openid")
    before = await scene.kept(first)

    refused = await scene.refresh(card, first)

    assert refused.no == (400, "invalid_target")
    assert await scene.kept(first) == before
