"""Clients that wait for approval: who may try them, what becomes of them, and what they are told."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.clients import Card, Route, State, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.life.approval import WAITS
from calling_card.protocol.life.cohorts import Act
from calling_card.usecases.approve import Named, Verdict, add_test_person, approve, refuse, remove_test_person, waiting, who_may_try
from calling_card.usecases.cohorts import end
from calling_card.usecases.operate import resume, suspend
from tests.addresses import URL, publish
from tests.ledger import meets
from tests.usecases.contended import ContendedStore
from tests.visitor import Browser, Page, answer_of, exchange, person_client, refresh, somebody, tokens
from tests.world import CALLBACK, ISSUER, Reply, World, body_of, changed, world

SCOPE = "client_registration"
SCOPES = ("openid", "profile", "email", "offline_access")
WIDE = "openid profile email"
SETTINGS: dict[str, Any] = {"registration_scope": SCOPE, "scopes": (*SCOPES, SCOPE), "anonymous_scopes": SCOPES}
EVERYBODY = ("anonymous", "url", "token", "vouched")
REFUSED = {"error": "access_denied", "error_description": WAITS, "state": "st", "iss": ISSUER}


@pytest.fixture(params=["memory", "sqlite"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    some = await world(tmp_path, sqlite=request.param == "sqlite", **SETTINGS)
    yield some
    await some.ports.store.close()


@pytest.fixture
async def strict(tmp_path: Path) -> World:
    """A server at which everybody waits."""
    return await world(tmp_path, hold=EVERYBODY)


async def registered_by_alice(server: World, **members: object) -> dict[str, Any]:
    """A client with a secret that Alice's access token registered, and that waits."""
    invitation = await server.invitation(scope=f"openid {SCOPE}", grants=("authorization_code",))
    app = await server.register(invitation, token_endpoint_auth_method="none", scope=f"openid {SCOPE}")
    access = (await tokens(server, app, scope=SCOPE))["access_token"]
    body = {"grant_types": ["authorization_code", "refresh_token"], "scope": WIDE, **members}
    with changed(server, hold=("token",)):
        return await server.register(access, **body)


async def named(server: World, card: dict[str, Any], person: str) -> None:
    await add_test_person(server.ports, Named(card["client_id"], person, "olga"))


async def ask(server: World, card: dict[str, Any], name: str, **params: str) -> Reply:
    """Where somebody comes who is sent by the client and signs in."""
    browser = Browser(server)
    page = await browser.authorize(card, **{"scope": WIDE, **params})
    return await browser.sign_in(page, name) if name else page


async def has(server: World, card: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The tokens of a client in the name of a person who may try it, and a code that waits."""
    browser = Browser(server)
    codes: list[str] = []
    for _ in range(2):
        page = await browser.authorize(card, scope=WIDE)
        page = await browser.sign_in(page, name) if "password" in Page(page.body).ids else page
        codes.append(answer_of(await browser.decide(page))["code"])
    got = await exchange(server, card, codes[0])
    assert got.status == 200, got.body
    return got.json, codes[1]


async def userinfo(server: World, token: str) -> int:
    return (await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {token}"})).status


async def seen(server: World, card: dict[str, Any], got: dict[str, Any], code: str) -> dict[str, object]:
    """What every endpoint that takes something of a person makes of it."""
    lives = (await server.introspect(card, got["access_token"])).json["active"]
    info = await userinfo(server, got["access_token"])
    redeemed, refreshed = await exchange(server, card, code), await refresh(server, card, got["refresh_token"])
    says = [reply.json.get("scope") or (*reply.no, reply.why) for reply in (redeemed, refreshed)]
    return {"introspect": lives, "userinfo": info, "code": says[0], "refresh": says[1]}


GOOD = {"introspect": True, "userinfo": 200, "code": "openid", "refresh": "openid"}
BAD = {
    "introspect": False,
    "userinfo": 401,
    "code": (400, "unauthorized_client", WAITS),
    "refresh": (400, "unauthorized_client", WAITS),
}


@meets("A-88", "H-31")
@pytest.mark.parametrize("who,expected", [("alice", GOOD), ("bob", GOOD), ("carol", BAD)], ids=["registrant", "test person", "other"])
async def test_what_a_held_client_has_is_good_for_its_registrant_and_test_persons_alone(
    server: World, who: str, expected: dict[str, object]
) -> None:
    await somebody(server)
    for name in ("bob", "carol"):
        await somebody(server, name)
    card = await registered_by_alice(server)
    await named(server, card, "bob")
    await named(server, card, "carol")
    got, code = await has(server, card, who)
    await remove_test_person(server.ports, Named(card["client_id"], "carol", "olga"))

    found = await seen(server, card, got, code)

    assert found == expected


@meets("A-88")
@pytest.mark.parametrize("who", ["alice", "bob"])
async def test_who_may_try_a_held_client_is_told_that_it_waits_and_gives_little(server: World, who: str) -> None:
    await somebody(server)
    await somebody(server, "bob")
    card = await registered_by_alice(server)
    await named(server, card, "bob")

    page = await ask(server, card, who)

    assert page.status == 200
    assert "have not approved this application yet" in Page(page.body).texts["waits"]
    assert "Know that it is you" in Page(page.body).texts["scopes"]
    assert "email" not in Page(page.body).texts["scopes"]


@meets("A-88")
async def test_anybody_else_is_sent_back_to_a_held_client_that_somebody_answers_for(server: World) -> None:
    await somebody(server)
    await somebody(server, "carol")
    card = await registered_by_alice(server)

    nobody = await ask(server, card, "")
    other = await ask(server, card, "carol")
    elsewhere = await Browser(server).authorize(card, redirect_uri="https://evil.example/cb")

    assert "password" in Page(nobody.body).ids
    assert other.headers["location"].startswith(CALLBACK + "?")
    assert answer_of(other) == REFUSED
    assert (elsewhere.status, "location" in elsewhere.headers) == (400, False)


@meets("A-88", "H-21", "X-23")
@pytest.mark.parametrize("tier", ["anonymous", "url"])
async def test_a_strangers_held_client_gets_a_page_with_a_link_and_no_redirect(strict: World, tier: str) -> None:
    await somebody(strict, "carol")
    card = publish(strict) if tier == "url" else await person_client(strict)

    page = await ask(strict, card, "carol")
    silent = await Browser(strict).authorize(card, prompt="none")

    shown = Page(page.body)
    assert (page.status, silent.status) == (400, 400)
    assert "Not approved yet" in page.body.decode()
    assert (shown.texts["error-code"], shown.texts["description"]) == ("access_denied", WAITS)
    assert (shown.ids["back"]["href"] or "").startswith(f"{CALLBACK}?error=access_denied&")


@meets("A-88", "H-21")
async def test_what_test_persons_allowed_makes_no_known_client_of_a_stranger_that_waits(strict: World) -> None:
    for name in ("bob", "carol"):
        await somebody(strict, name)
    card = await person_client(strict)
    await named(strict, card, "bob")
    await has(strict, card, "bob")

    assert (await ask(strict, card, "carol")).status == 400
    with changed(strict, error_redirects="always"):
        assert answer_of(await ask(strict, card, "carol")) == REFUSED


@meets("A-88")
async def test_a_yes_is_not_taken_from_somebody_who_is_no_test_person_any_more(strict: World) -> None:
    await somebody(strict, "bob")
    card = await person_client(strict)
    await named(strict, card, "bob")
    browser = Browser(strict)
    page = await browser.sign_in(await browser.authorize(card), "bob")
    await remove_test_person(strict.ports, Named(card["client_id"], "bob", "olga"))

    done = await browser.decide(page)

    assert (done.status, Page(done.body).texts["description"]) == (400, WAITS)
    assert "grant_given" not in await strict.kinds()


@meets("A-88")
async def test_scopes_to_try_lie_within_the_rules_of_the_client(tmp_path: Path) -> None:
    server = await world(tmp_path, hold=EVERYBODY, test_scopes=("openid", "email"), anonymous_scopes=("openid", "profile"))
    await somebody(server, "bob")
    card = await person_client(server, scope="openid profile")
    await named(server, card, "bob")

    got, _ = await has(server, card, "bob")

    assert got["scope"] == "openid"


@meets("A-88", "H-21")
async def test_a_held_client_of_which_nothing_can_be_tried_waits_for_everybody_and_says_why_to_its_test_person(strict: World) -> None:
    for name in ("bob", "carol"):
        await somebody(strict, name)
    card = await person_client(strict, scope="profile")
    await named(strict, card, "bob")

    anybody = await Browser(strict).authorize(card, scope="profile")
    stranger = await ask(strict, card, "carol", scope="profile")
    tester = await ask(strict, card, "bob", scope="profile")
    mistaken = await Browser(strict).authorize(card, scope="profile", code_challenge_method="plain")

    assert anybody.status == 200
    told = [Page(page.body).texts for page in (stranger, tester)]
    assert (stranger.status, told[0]["error-code"], told[0]["description"]) == (400, "access_denied", WAITS)
    why = f"scope: none of these can be tried while {WAITS} (RFC 6749 section 3.3)"
    assert (tester.status, told[1]["error-code"], told[1]["description"]) == (400, "invalid_scope", why)
    assert Page(mistaken.body).texts["error-code"] == "invalid_request"


@meets("A-88")
async def test_a_held_client_gets_no_token_of_its_own_and_may_do_what_needs_none(server: World) -> None:
    with changed(server, hold=("token",)):
        card = await server.machine()

    asked = await server.token(card)

    assert (asked.no, asked.why) == ((400, "unauthorized_client"), WAITS)
    assert (await server.introspect(card, "nothing")).json == {"active": False}
    assert (await server.post_form("/revoke", {"token": "nothing"}, basic=(card["client_id"], card["client_secret"]))).status == 200
    assert (await server.token({**card, "client_secret": "wrong"})).no == (401, "invalid_client")
    await approve(server.ports, Verdict(card["client_id"], "olga"))
    assert (await server.token(card)).status == 200


@meets("A-88")
async def test_a_client_polls_its_state(server: World) -> None:
    with changed(server, hold=("anonymous",)):
        card = await server.register(client_name="Tea")
        again = (await server.read(card)).json

        await approve(server.ports, Verdict(card["client_id"], "olga", "met its makers"))
        later = (await server.read(card)).json

    assert (card["registration_state"], again["registration_state"]) == ("held", "held")
    assert "registration_state" not in later
    assert later == {name: value for name, value in card.items() if name != "registration_state"}
    (event,) = await server.told("client_approved")
    assert (event["actor"], event["body"]) == ("operator", {"by": "olga", "note": "met its makers"})
    (born,) = await server.told("client_registered")
    assert born["body"]["held"] is True
    assert ["registration_state", None, "held", "anonymous clients wait for approval"] in born["body"]["decision"]


@meets("A-88")
async def test_no_client_says_its_state_itself(server: World) -> None:
    with changed(server, hold=("anonymous",), extensions=("*",)):
        card = await server.register()
        put = await server.put(card, body_of(card, ("registration_state",)) | {"registration_state": "active"})
        born = await server.post_json("/register", {"redirect_uris": [CALLBACK], "registration_state": "active"})

    assert put.no == (400, "invalid_request")
    assert born.json.get("registration_state") != "active"
    assert (await server.row(card)).state is State.HELD


@meets("A-88")
async def test_after_approval_everybody_may_use_the_client_and_the_trial_goes_on(server: World) -> None:
    await somebody(server)
    await somebody(server, "carol")
    card = await registered_by_alice(server)
    got, code = await has(server, card, "alice")

    await approve(server.ports, Verdict(card["client_id"], "olga"))

    assert await seen(server, card, got, code) == GOOD
    assert "waits" not in Page((await ask(server, card, "carol")).body).ids
    assert (await has(server, card, "carol"))[0]["scope"] == WIDE


@meets("A-88", "M-14", "H-31")
async def test_a_refused_client_has_nothing_left_but_the_reason(server: World) -> None:
    await somebody(server)
    card = await registered_by_alice(server)
    got, code = await has(server, card, "alice")

    line = await refuse(server.ports, Verdict(card["client_id"], "olga", "the callback is not yours"))

    shown = (await server.read(card)).json
    assert (shown["registration_state"], shown["registration_state_reason"]) == ("refused", "the callback is not yours")
    assert "client_secret" not in shown
    assert (line["state"], line["refusal"]) == ("suspended", "the callback is not yours")
    assert (await ask(server, card, "")).status == 400
    assert (await exchange(server, card, code)).no == (401, "invalid_client")
    assert (await refresh(server, card, got["refresh_token"])).no == (401, "invalid_client")
    assert await userinfo(server, got["access_token"]) == 401
    refused = await server.put(card, body_of(card))
    assert refused.no == (403, "access_denied")
    assert refused.why == "the client was refused; registration_state_reason says why (RFC 7592 section 2)"
    assert (await server.told("client_refused"))[0]["body"] == {"by": "olga", "note": "the callback is not yours"}
    await resume(server.ports, card["client_id"], "olga")
    assert (await server.read(card)).json["registration_state"] == "held"
    assert (await refresh(server, card, got["refresh_token"])).no == (400, "invalid_grant")


@meets("A-88")
async def test_a_refusal_without_words_has_some(server: World) -> None:
    with changed(server, hold=("anonymous",)):
        card = await server.register()

    await refuse(server.ports, Verdict(card["client_id"], "olga"))

    assert (await server.read(card)).json["registration_state_reason"] == "the operator refused the client"


@meets("M-14", "X-31")
@pytest.mark.parametrize("by", ["one", "cohort"])
async def test_a_client_that_waited_waits_again_after_a_suspension(server: World, by: str) -> None:
    with changed(server, hold=("anonymous",)):
        card = await server.register()
    if by == "one":
        await suspend(server.ports, card["client_id"], "olga")
    else:
        async for _ in end(server.ports, {"state": "held"}, Act.SUSPEND, "olga"):
            pass
    assert (await server.read(card)).json["registration_state"] == "suspended"

    line = await resume(server.ports, card["client_id"], "olga")

    assert line["state"] == "held"
    assert (await server.row(card)).state is State.HELD
    assert (await server.told("client_resumed"))[0]["body"] == {"by": "olga", "held": True}
    await approve(server.ports, Verdict(card["client_id"], "olga"))
    await suspend(server.ports, card["client_id"], "olga")
    assert (await resume(server.ports, card["client_id"], "olga"))["state"] == "active"


@meets("M-14", "X-31", "H-31")
async def test_only_approval_ends_the_waiting(server: World) -> None:
    with changed(server, hold=("anonymous",)):
        card = await server.register()
    body = body_of(card, ("registration_state",), client_name="B")

    changed_card = await server.put(card, body)  # nobody waits by today's settings

    assert (changed_card.status, changed_card.json["registration_state"]) == (200, "held")
    assert (await server.told("client_replaced"))[0]["body"]["held"] is True
    with pytest.raises(Refusal, match="is held, not suspended; resuming would approve it"):
        await resume(server.ports, card["client_id"], "olga")


@meets("A-88", "X-35")
async def test_an_approved_client_that_becomes_another_waits_again_and_has_nothing(server: World) -> None:
    await somebody(server)
    with changed(server, hold=("anonymous",)):
        card = await person_client(server)
        await approve(server.ports, Verdict(card["client_id"], "olga"))
        got = await tokens(server, card, scope=WIDE)
        same = await server.put(card, body_of(card, ("registration_state",)))
        alive = await userinfo(server, got["access_token"])

        other = await server.put(same.json, body_of(same.json, client_name="Another"))

    assert (same.status, "registration_state" in same.json, alive) == (200, False, 200)
    assert other.json["registration_state"] == "held"
    assert await userinfo(server, got["access_token"]) == 401
    await approve(server.ports, Verdict(card["client_id"], "olga"))
    assert (await refresh(server, card, got["refresh_token"])).no == (400, "invalid_grant")
    assert (await server.told("client_replaced"))[-1]["body"]["ended"] is True


@meets("A-88", "D-34", "X-35")
async def test_a_document_that_becomes_another_waits_again_and_has_nothing(server: World) -> None:
    await somebody(server)
    card = publish(server, headers={"cache_control": "max-age=60"})
    got = await tokens(server, card)
    with changed(server, hold=("url",)):
        server.clock.forward(120)
        publish(server, client_name="Another")

        page = await ask(server, card, "alice")

    found = await server.ports.store.client(client_key(Route.CIMD, URL))
    assert (page.status, found and found.state) == (400, State.HELD)
    assert await userinfo(server, got["access_token"]) == 401
    assert (await refresh(server, card, got["refresh_token"])).no == (400, "invalid_grant")
    (told,) = await server.told("document_changed")
    assert (told["body"]["held"], told["body"]["ended"]) == (True, True)


@meets("A-88")
async def test_a_form_client_of_2011_that_waits_may_renew_its_secret_and_goes_on_waiting(server: World) -> None:
    form = {"type": "client_associate", "redirect_uri": CALLBACK, "application_type": "web"}
    with changed(server, hold=("anonymous",)):
        born = (await server.post_form("/register", form)).json
        update = {"type": "client_update", "client_id": born["client_id"], "client_secret": born["client_secret"]}
        renewed = await server.post_form("/register", update)
        active = (await server.post_form("/register", update | {"client_secret": renewed.json["client_secret"]})).json
        await approve(server.ports, Verdict(born["client_id"], "olga"))
        named = {**update, "client_secret": active["client_secret"], "application_name": "Another"}
        other = await server.post_form("/register", named)

    row = await server.row(born)
    assert (renewed.status, other.status, row.state) == (200, 200, State.HELD)
    assert (await server.told("client_replaced"))[-1]["body"]["held"] is True


@meets("A-88")
async def test_who_waits_is_listed(server: World) -> None:
    with changed(server, hold=("anonymous",)):
        cards = [await server.register() for _ in range(3)]
    await server.register()

    first = await waiting(server.ports, "", 2)
    rest = await waiting(server.ports, str(first[-1]["client_id"]), 2)

    assert [line["client_id"] for line in (*first, *rest)] == sorted(card["client_id"] for card in cards)
    assert [line["state"] for line in first] == ["held"] * 2


@meets("A-88")
async def test_a_verdict_is_heard_once_and_only_by_who_waits(server: World) -> None:
    with changed(server, hold=("anonymous",)):
        one, two = [Verdict((await server.register())["client_id"], "olga") for _ in range(2)]
    suspended = Verdict((await server.register())["client_id"], "olga")
    await suspend(server.ports, suspended.client_id, "olga")

    assert [(await approve(server.ports, one))["state"] for _ in range(2)] == ["active"] * 2
    assert [(await refuse(server.ports, two))["state"] for _ in range(2)] == ["suspended"] * 2

    kinds = await server.kinds()
    assert (kinds.count("client_approved"), kinds.count("client_refused")) == (1, 1)
    for verdict, use_case, state, way_out in (
        (one, refuse, "active", ""),
        (two, approve, "refused", "; resume it first, then it waits again"),
        (suspended, approve, "suspended", ""),
        (suspended, refuse, "suspended", ""),
    ):
        with pytest.raises(Refusal, match=f"is {state}, not held: it does not wait for approval{way_out}$"):
            await use_case(server.ports, verdict)


@meets("A-88")
async def test_test_persons_are_added_listed_and_removed_with_an_event_each(server: World) -> None:
    bob = await somebody(server, "bob")
    with changed(server, hold=("anonymous",)):
        card = await server.register()
    wanted = Named(card["client_id"], "bob", "olga")

    for _ in range(2):
        assert await add_test_person(server.ports, wanted) == {"client_id": card["client_id"], "name": "bob", "sub": bob.subject}
    there = await who_may_try(server.ports, card["client_id"])
    for _ in range(2):
        await remove_test_person(server.ports, wanted)

    assert there == [{"name": "bob", "sub": bob.subject}]
    assert await who_may_try(server.ports, card["client_id"]) == []
    told = [await server.told(kind) for kind in ("test_person_added", "test_person_removed")]
    assert [[event["body"] for event in events] for events in told] == [[{"person": bob.subject, "by": "olga"}]] * 2


@meets("A-88")
async def test_who_is_unknown_is_no_test_person_and_has_none(server: World) -> None:
    card = await server.register()

    with pytest.raises(Refusal) as person:
        await add_test_person(server.ports, Named(card["client_id"], "nobody", "olga"))
    with pytest.raises(Refusal) as client:
        await who_may_try(server.ports, "c-nobody")

    assert (person.value.no, person.value.description) == (No.NOT_FOUND, "name: there is no person nobody")
    assert client.value.no is No.NOT_FOUND


@meets("A-88")
async def test_an_operators_name_that_reads_like_a_subject_is_no_registrant(server: World) -> None:
    alice = await somebody(server)
    with changed(server, hold=("token",)):
        card = await server.register(await server.invitation(), token_endpoint_auth_method="none")
    row = await server.row(card)
    assert await server.ports.store.replace(row, structs.replace(row, owner=alice.subject), None)

    assert answer_of(await ask(server, card, "alice")) == REFUSED


@meets("A-88")
@pytest.mark.parametrize("use_case", [approve, refuse])
async def test_who_always_loses_the_race_is_asked_to_try_again(
    tmp_path: Path, use_case: Callable[[Ports, Verdict], Awaitable[Card]]
) -> None:
    store = ContendedStore(chain_key=b"k" * 32, writer=b"contended", now=lambda: 1_800_000_000)
    server = await world(tmp_path, store, hold=EVERYBODY)
    card = await server.register()
    store.losses = 9

    with pytest.raises(Refusal) as refused:
        await use_case(server.ports, Verdict(card["client_id"], "olga"))

    assert refused.value.no is No.UNAVAILABLE
