"""A code becomes tokens once, for who proves itself: RFC 6749 §4.1.3, RFC 7636 §4.5, RFC 9700 §2.1.1, CREDENTIALS §9.2."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.protocol.clients import State
from calling_card.protocol.events import Event
from calling_card.protocol.persons.grants import Grant, Stage
from calling_card.store.memory import MemoryStore
from calling_card.usecases.operate import delete, resume, rotate, suspend
from calling_card.usecases.people.operate import reset, set_active
from calling_card.usecases.renew import credential_key
from tests.ledger import meets
from tests.store.examples import a_version
from tests.usecases.exchange.scene import DEAD, LIVES, REDEEMABLE, REFRESHABLE, Scene, scene
from tests.visitor import CHALLENGE, VERIFIER, Browser, somebody
from tests.world import CALLBACK, START, Reply, world

Both = pytest.mark.parametrize("confidential", [False, True], ids=["public", "confidential"])
OTHER = "https://app.example/other"


# ── The exchange ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-46", "A-50", "A-52", "H-04")
@Both
async def test_a_code_gives_a_living_token_for_the_person_and_a_refresh_token(scene: Scene, confidential: bool) -> None:
    card = await scene.client(confidential=confidential)

    reply = await scene.redeem(card, await scene.code(card))
    token = await scene.inside(reply.json["access_token"])

    assert reply.status == 200
    assert set(reply.json) == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert (reply.json["token_type"], reply.json["expires_in"], reply.json["scope"]) == ("Bearer", 3600, "openid")
    assert (token.subject, token.client_id) == (scene.person.subject, card["client_id"])
    assert (token.issued_at, token.expires_at) == (START, START + 3600)
    assert await scene.state(reply.json["access_token"]) == LIVES


@meets("A-46")
async def test_a_code_names_a_random_grant_and_carries_a_mac(scene: Scene) -> None:
    card = await scene.client()

    codes = [await scene.code(card) for _ in range(3)]

    assert len({scene.handle(code).owner[16:] for code in codes}) == 3
    assert {len(scene.handle(code).owner[16:]) for code in codes} == {16}
    assert {scene.handle(code).kind.mac for code in codes} == {16}


@meets("A-47", "A-46")
async def test_a_code_is_redeemed_with_the_first_request_and_its_grant_lives_from_then_on(scene: Scene) -> None:
    card = await scene.client()
    code = await scene.code(card)
    before = await scene.grant(code)
    scene.server.clock.forward(5)

    await scene.redeem(card, code)
    after = await scene.grant(code)

    assert (before.stage, after.stage) == (Stage.PENDING, Stage.LIVE)
    assert (after.refresh.confirmed, after.refresh.issued, after.last_used_at) == (1, 1, START + 5)
    assert (await scene.server.kinds())[-1] == "grant_redeemed"


@meets("A-46")
async def test_a_code_is_good_for_sixty_seconds(scene: Scene) -> None:
    card = await scene.client()
    in_time, late = await scene.code(card), await scene.code(card)
    before = await scene.kept(late)

    scene.server.clock.forward(59)
    first = await scene.redeem(card, in_time)
    scene.server.clock.forward(1)
    second = await scene.redeem(card, late)

    assert first.status == 200
    assert (second.no, second.why) == ((400, "invalid_grant"), REDEEMABLE)
    assert (await scene.kept(late))[0] == before[0]


async def test_a_code_of_before_a_new_key_is_redeemed_after_it(scene: Scene) -> None:
    card = await scene.client()
    code = await scene.code(card)

    await credential_key(scene.server.ports, "tester")
    reply = await scene.redeem(card, code)

    assert reply.status == 200
    assert (scene.handle(code).key, scene.handle(reply.json["refresh_token"]).key) == (1, 2)


async def test_a_code_that_a_new_key_makes_up_for_an_old_grant_is_none(scene: Scene) -> None:
    card = await scene.client()
    code = await scene.code(card)
    await credential_key(scene.server.ports, "tester")
    handle = scene.handle(code)

    for other in (
        structs.replace(handle, key=2),
        structs.replace(handle, generation=2),
        structs.replace(handle, owner=handle.owner[:16] + bytes(16)),
    ):
        assert (await scene.redeem(card, scene.written(other))).no == (400, "invalid_grant")

    assert (await scene.redeem(card, code)).status == 200


# ── What spends nothing ──────────────────────────────────────────────────────────────────────────────────────────────

UNPROVEN: dict[str, tuple[dict[str, str], str]] = {
    "no verifier": ({"code_verifier": ""}, "code_verifier"),
    "another verifier": ({"code_verifier": "x" * 43}, "code_verifier"),
    "the challenge as verifier": ({"code_verifier": CHALLENGE}, "code_verifier"),
    "a short verifier": ({"code_verifier": VERIFIER[:42]}, "code_verifier"),
    "a long verifier": ({"code_verifier": "x" * 129}, "code_verifier"),
    "a verifier of other characters": ({"code_verifier": VERIFIER + "+"}, "code_verifier"),
    "no redirect URI": ({"redirect_uri": ""}, "redirect_uri"),
    "another registered redirect URI": ({"redirect_uri": OTHER}, "redirect_uri"),
    "a redirect URI in another spelling": ({"redirect_uri": CALLBACK + "/"}, "redirect_uri"),
    "a stranger's redirect URI": ({"redirect_uri": "https://evil.example/cb"}, "redirect_uri"),
}


@meets("A-46", "A-48", "A-49", "H-15", "X-29", "X-96")
@pytest.mark.parametrize("how", UNPROVEN)
@Both
async def test_a_request_that_does_not_prove_itself_is_refused_and_spends_nothing(scene: Scene, how: str, confidential: bool) -> None:
    card = await scene.client(confidential=confidential, redirect_uris=[CALLBACK, OTHER])
    code = await scene.code(card)
    before = await scene.kept(code)
    fields, named = UNPROVEN[how]

    refused = await scene.redeem(card, code, **fields)

    assert refused.no == (400, "invalid_grant")
    assert refused.why.startswith(f"{named}: ")
    assert await scene.kept(code) == before
    assert (await scene.redeem(card, code)).status == 200


@meets("A-46", "H-15")
@pytest.mark.parametrize(
    "fields, no",
    [
        ({"code": ""}, "invalid_request"),
        ({"code": "cc_code_garbage"}, "invalid_grant"),
        ({"code": "x" * 5000}, "invalid_grant"),
        ({"scope": "nothing of it"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
        ({"resource": "no URI"}, "invalid_target"),
    ],
)
async def test_a_request_that_asks_for_the_wrong_thing_spends_nothing(scene: Scene, fields: dict[str, str], no: str) -> None:
    card = await scene.client()
    code = await scene.code(card)
    before = await scene.kept(code)

    more = {name: value for name, value in fields.items() if name != "code"}
    refused = await scene.redeem(card, fields.get("code", code), **more)

    assert refused.no == (400, no)
    assert await scene.kept(code) == before
    assert (await scene.redeem(card, code)).status == 200


@meets("A-46", "H-15", "X-29")
async def test_a_failed_authentication_spends_nothing(scene: Scene) -> None:
    card = await scene.client(confidential=True)
    code = await scene.code(card)
    before = await scene.kept(code)
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}

    guessed = await scene.redeem({**card, "client_secret": "guess"}, code)
    unproven = await scene.server.post_form("/token", {**fields, "client_id": card["client_id"]})

    assert {guessed.no, unproven.no} == {(401, "invalid_client")}
    assert await scene.kept(code) == before
    assert (await scene.redeem(card, code)).status == 200


@meets("X-29", "A-46", "H-19")
@Both
async def test_a_stolen_code_is_nothing_in_the_hands_of_another_client(scene: Scene, confidential: bool) -> None:
    """Before it was redeemed, and after."""
    card, thief = await scene.client(confidential=confidential), await scene.client(confidential=confidential)
    code = await scene.code(card)
    before = await scene.kept(code)

    early = await scene.redeem(thief, code)
    spent_nothing = await scene.kept(code) == before
    got = (await scene.redeem(card, code)).json
    after = await scene.kept(code)
    late = await scene.redeem(thief, code)

    assert {early.no, late.no} == {(400, "invalid_grant")}
    assert spent_nothing
    assert await scene.kept(code) == after
    assert await scene.state(got["access_token"]) == LIVES


@meets("X-29", "A-46", "X-88")
async def test_two_people_at_one_client_get_each_their_own_whoever_redeems_first(scene: Scene) -> None:
    card = await scene.client()
    other = await somebody(scene.server, "bob")
    elsewhere = Browser(scene.server)
    page = await elsewhere.authorize(card)
    theirs = await elsewhere.decide(await elsewhere.sign_in(page, "bob"))
    mine = await scene.code(card)

    second = await scene.redeem(card, theirs.headers["location"].partition("code=")[2].partition("&")[0])
    first = await scene.redeem(card, mine)

    assert (await scene.inside(first.json["access_token"])).subject == scene.person.subject
    assert (await scene.inside(second.json["access_token"])).subject == other.subject


@meets("X-29", "A-49")
async def test_a_code_of_one_request_is_no_use_with_the_verifier_of_another(scene: Scene) -> None:
    card = await scene.client()
    one = await scene.code(card)
    other = await scene.code(card, code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")

    swapped = await scene.redeem(card, other)

    assert swapped.no == (400, "invalid_grant")
    assert (await scene.redeem(card, other, code_verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")).status == 200
    assert (await scene.redeem(card, one)).status == 200


@meets("A-49")
async def test_a_verifier_without_a_challenge_is_refused(tmp_path: Path) -> None:
    without = await scene(await world(tmp_path, pkce="public"))
    card = await without.client(confidential=True)
    code = await without.code(card, code_challenge="", code_challenge_method="")

    refused = await without.redeem(card, code)

    assert refused.no == (400, "invalid_grant")
    assert (await without.redeem(card, code, code_verifier="")).status == 200


@meets("A-48")
async def test_a_redirect_uri_that_was_left_out_may_be_left_out_again_or_be_the_only_one(scene: Scene) -> None:
    card = await scene.client()
    left_out = {"redirect_uri": "", "scope": "profile"}

    for sent, status in ((CALLBACK, 200), ("", 200), (OTHER, 400)):
        reply = await scene.redeem(card, await scene.code(card, **left_out), redirect_uri=sent)
        assert reply.status == status


async def test_a_redirect_uri_that_was_left_out_is_not_guessed_when_the_client_has_several_by_now(scene: Scene) -> None:
    card = await scene.client()
    code = await scene.code(card, redirect_uri="", scope="profile")

    card = await scene.server.replaced(card, redirect_uris=[CALLBACK, OTHER])

    assert (await scene.redeem(card, code, redirect_uri=CALLBACK)).no == (400, "invalid_grant")
    assert (await scene.redeem(card, code, redirect_uri="")).status == 200


@meets("A-48", "H-08")
async def test_the_port_of_the_day_is_repeated_at_the_exchange(scene: Scene) -> None:
    card = await scene.client(redirect_uris=["http://127.0.0.1/cb"])
    sent = "http://127.0.0.1:49152/cb"
    code = await scene.code(card, redirect_uri=sent)

    refused = [await scene.redeem(card, code, redirect_uri=uri) for uri in ("http://127.0.0.1/cb", "http://127.0.0.1:49153/cb")]

    assert {reply.no for reply in refused} == {(400, "invalid_grant")}
    assert (await scene.redeem(card, code, redirect_uri=sent)).status == 200


@meets("M-37")
async def test_a_code_on_its_way_to_a_redirect_uri_that_is_taken_away_is_of_no_use(scene: Scene) -> None:
    card = await scene.client()
    first, second = await scene.code(card), await scene.code(card)

    reply = await scene.server.replace(card, redirect_uris=[OTHER])
    refused = await scene.redeem(card, first)
    await scene.server.replace(reply.json, redirect_uris=[OTHER, CALLBACK])
    redeemed = await scene.redeem(card, second)

    assert refused.no == (400, "invalid_grant")
    assert refused.why.startswith("redirect_uri: is not registered any more")
    assert redeemed.status == 200


@meets("A-46")
async def test_tokens_that_cannot_be_made_spend_no_code(scene: Scene) -> None:
    """The audience by default would not fit into a token that can be read again; a named one does."""
    for number in range(4):
        await scene.server.resource(f"https://r.example/{number}/".ljust(2000, "a"), "openid")
    card = await scene.client()
    code = await scene.code(card)
    before = await scene.kept(code)

    refused = await scene.redeem(card, code)

    assert refused.no == (400, "invalid_target")
    assert await scene.kept(code) == before
    assert (await scene.redeem(card, code, resource="https://api.example")).status == 200


# ── The second time ──────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-47", "H-19")
@Both
async def test_the_second_use_by_the_same_client_ends_what_the_first_one_gave(scene: Scene, confidential: bool) -> None:
    """Example 6 of the server requirements."""
    card = await scene.client(confidential=confidential)
    code = await scene.code(card)
    first = (await scene.redeem(card, code)).json
    renewed = (await scene.refresh(card, first["refresh_token"])).json
    assert [await scene.state(got["access_token"]) for got in (first, renewed)] == [LIVES, LIVES]

    second = await scene.redeem(card, code)

    assert (second.no, second.why) == ((400, "invalid_grant"), REDEEMABLE)
    assert [await scene.state(got["access_token"]) for got in (first, renewed)] == [DEAD, DEAD]
    for got in (first, renewed):
        assert (await scene.refresh(card, got["refresh_token"])).no == (400, "invalid_grant")
    [told] = await scene.server.told("code_replayed")
    assert told["body"] == {"person": scene.person.subject}


@meets("A-47")
async def test_a_repeat_ends_its_own_grant_only_and_a_third_one_changes_nothing(scene: Scene) -> None:
    card = await scene.client()
    code, other = await scene.code(card), await scene.tokens(card)
    await scene.redeem(card, code)
    await scene.redeem(card, code)
    before = await scene.kept(code)

    third = await scene.redeem(card, code)

    assert third.no == (400, "invalid_grant")
    assert await scene.kept(code) == before
    assert await scene.state(other["access_token"]) == LIVES


@meets("A-47")
async def test_a_repeat_is_known_for_what_it_is_long_after_the_code_has_expired(scene: Scene) -> None:
    card = await scene.client()
    code = await scene.code(card)
    first = (await scene.redeem(card, code)).json
    scene.server.clock.forward(3000)

    await scene.redeem(card, code)

    assert await scene.state(first["access_token"]) == DEAD
    assert (await scene.refresh(card, first["refresh_token"])).no == (400, "invalid_grant")


@meets("H-19", "A-47")
@pytest.mark.parametrize("how", UNPROVEN)
async def test_a_repeat_that_does_not_prove_itself_ends_nothing(scene: Scene, how: str) -> None:
    card = await scene.client(redirect_uris=[CALLBACK, OTHER])
    code = await scene.code(card)
    first = (await scene.redeem(card, code)).json
    before = await scene.kept(code)

    repeat = await scene.redeem(card, code, **UNPROVEN[how][0])

    assert repeat.no == (400, "invalid_grant")
    assert await scene.kept(code) == before
    assert await scene.state(first["access_token"]) == LIVES
    assert (await scene.refresh(card, first["refresh_token"])).status == 200


@meets("H-19", "H-15")
async def test_a_repeat_with_a_wrong_secret_ends_nothing(scene: Scene) -> None:
    card = await scene.client(confidential=True)
    code = await scene.code(card)
    first = (await scene.redeem(card, code)).json

    repeat = await scene.redeem({**card, "client_secret": "guess"}, code)

    assert repeat.no == (401, "invalid_client")
    assert await scene.state(first["access_token"]) == LIVES


# ── What happens in between ──────────────────────────────────────────────────────────────────────────────────────────


async def deleted(scene: Scene, card: dict[str, Any]) -> None:
    """The client, by itself."""
    assert (await scene.server.remove(card)).status == 204


async def deleted_by_operator(scene: Scene, card: dict[str, Any]) -> None:
    """The client."""
    await delete(scene.server.ports, card["client_id"], "tester")


async def suspended(scene: Scene, card: dict[str, Any]) -> None:
    """The client."""
    await suspend(scene.server.ports, card["client_id"], "tester")


async def held(scene: Scene, card: dict[str, Any]) -> None:
    """The client waits for approval."""
    client = await scene.server.row(card)
    assert await scene.server.ports.store.replace(client, structs.replace(client, state=State.HELD), None)


async def born_again(scene: Scene, card: dict[str, Any]) -> None:
    """Another client under the same name, whoever made that possible."""
    client = await scene.server.row(card)
    await delete(scene.server.ports, card["client_id"], "tester")
    event = Event("client_registered", scene.server.clock.now, client.key, "anonymous")
    reborn = structs.replace(client, incarnation=b"another!")
    await scene.server.ports.store.meet(reborn, a_version(reborn), event)


async def disabled(scene: Scene, card: dict[str, Any]) -> None:
    """The person."""
    await set_active(scene.server.ports, "alice", "tester", active=False)


async def disabled_and_enabled(scene: Scene, card: dict[str, Any]) -> None:
    """What ended stays ended."""
    await set_active(scene.server.ports, "alice", "tester", active=False)
    await set_active(scene.server.ports, "alice", "tester", active=True)


async def password_reset(scene: Scene, card: dict[str, Any]) -> None:
    """By an operator."""
    await reset(scene.server.ports, "alice", "another good password", "tester")


async def withdrawn(scene: Scene, card: dict[str, Any]) -> None:
    """By the person, on the account page."""
    await scene.withdraw(card)


UNKNOWN, OVER, WAITING = (401, "invalid_client"), (400, "invalid_grant"), (400, "unauthorized_client")
ENDS: dict[Callable[[Scene, dict[str, Any]], Awaitable[None]], tuple[int, str]] = {
    deleted: UNKNOWN,
    deleted_by_operator: UNKNOWN,
    suspended: UNKNOWN,
    held: WAITING,
    born_again: OVER,
    disabled: OVER,
    disabled_and_enabled: OVER,
    password_reset: OVER,
}
"""What may happen at any moment, and what the client is told then."""


@meets("A-46", "H-20")
@pytest.mark.parametrize("end", ENDS)
async def test_between_the_yes_and_the_exchange(scene: Scene, end: Callable[[Scene, dict[str, Any]], Awaitable[None]]) -> None:
    card = await scene.client()
    code = await scene.code(card)

    await end(scene, card)

    assert (await scene.redeem(card, code)).no == ENDS[end]


@meets("H-20", "A-68")
@pytest.mark.parametrize("end", [*ENDS, withdrawn])
@Both
async def test_between_the_exchange_and_everything_after(
    scene: Scene, end: Callable[[Scene, dict[str, Any]], Awaitable[None]], confidential: bool
) -> None:
    card, bystander = await scene.client(confidential=confidential), await scene.client()
    other = await scene.tokens(bystander)
    got = await scene.tokens(card)
    renewed = (await scene.refresh(card, got["refresh_token"])).json
    before = [await scene.state(each["access_token"]) for each in (got, renewed, other)]

    await end(scene, card)
    refused = await scene.refresh(card, renewed["refresh_token"])

    assert before == [LIVES] * 3
    assert [await scene.state(each["access_token"]) for each in (got, renewed)] == [DEAD, DEAD]
    assert refused.no == (UNKNOWN if confidential and end is born_again else ENDS.get(end, OVER))
    about_the_person = end in (disabled, disabled_and_enabled, password_reset)
    assert await scene.state(other["access_token"]) == (DEAD if about_the_person else LIVES)


async def test_a_yes_that_was_taken_back_before_the_exchange_gives_nothing(scene: Scene) -> None:
    card = await scene.client()
    earlier = await scene.tokens(card)
    code = await scene.code(card)

    await scene.withdraw(card)
    late = await scene.redeem(card, code)

    assert (late.no, late.why) == (OVER, REDEEMABLE)
    assert (await scene.grant(code)).stage is Stage.REVOKED
    assert (await scene.refresh(card, earlier["refresh_token"])).why == REFRESHABLE


async def test_a_client_that_may_act_again_redeems_what_has_not_expired_and_what_died_stays_dead(scene: Scene) -> None:
    card = await scene.client()
    got, code = await scene.tokens(card), await scene.code(card)

    await suspend(scene.server.ports, card["client_id"], "tester")
    await resume(scene.server.ports, card["client_id"], "tester")
    late = await scene.redeem(card, code)
    renewed = await scene.refresh(card, got["refresh_token"])

    assert await scene.state(got["access_token"]) == DEAD
    assert [await scene.state(reply.json["access_token"]) for reply in (late, renewed)] == [LIVES, LIVES]


async def test_a_secret_that_is_renewed_after_an_incident_ends_access_tokens_and_the_new_secret_refreshes(scene: Scene) -> None:
    card = await scene.client(confidential=True)
    got = await scene.tokens(card)

    made = (await rotate(scene.server.ports, card["client_id"], "tester", at_once=True)).information
    by_the_old = await scene.refresh(card, got["refresh_token"])
    by_the_new = await scene.refresh({**card, **made}, got["refresh_token"])

    assert await scene.state(got["access_token"]) == DEAD
    assert by_the_old.no == UNKNOWN
    assert await scene.state(by_the_new.json["access_token"]) == LIVES


async def test_a_client_that_gave_up_the_grant_type_keeps_no_way_in(scene: Scene) -> None:
    card = await scene.client()
    got, code = await scene.tokens(card), await scene.code(card)

    card = await scene.server.replaced(card, grant_types=["authorization_code"])
    refreshed = await scene.refresh(card, got["refresh_token"])
    redeemed = await scene.redeem(card, code)

    assert refreshed.no == (400, "unauthorized_client")
    assert "refresh_token" not in redeemed.json


# ── Others at the same moment ────────────────────────────────────────────────────────────────────────────────────────


class Contended(MemoryStore):
    """Somebody else is faster, as often as told."""

    losses = 0

    async def change_grant(self, before: Grant, after: Grant, event: Event) -> bool:
        """Loses first."""
        if self.losses:
            self.losses -= 1
            return False
        return await super().change_grant(before, after, event)


async def contended(folder: Path) -> tuple[Scene, Contended]:
    """A scene on a store that loses."""
    store = Contended(chain_key=b"k" * 32, writer=b"w" * 8, now=lambda: START)
    return await scene(await world(folder, store)), store


@pytest.mark.parametrize("losses, status", [(1, 200), (2, 200), (3, 400)])
async def test_an_exchange_that_somebody_else_overtook_looks_again_three_times(tmp_path: Path, losses: int, status: int) -> None:
    some, store = await contended(tmp_path)
    card = await some.client()
    code = await some.code(card)

    store.losses = losses
    reply: Reply = await some.redeem(card, code)

    assert reply.status == status


async def test_a_repeat_that_somebody_else_overtook_ends_the_grant_all_the_same(tmp_path: Path) -> None:
    some, store = await contended(tmp_path)
    card = await some.client()
    code = await some.code(card)
    got = (await some.redeem(card, code)).json

    store.losses = 1
    repeat = await some.redeem(card, code)

    assert repeat.no == OVER
    assert await some.state(got["access_token"]) == DEAD
