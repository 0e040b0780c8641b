"""Registrations of which nothing is kept until somebody approves or changes them (H-10, CREDENTIALS §6)."""

import asyncio
import json
import re
import secrets
import string
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.keys.keyring import FileKeyring
from calling_card.protocol.clients import Client, Route, State, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles.sealed import CARD
from calling_card.protocol.handles.sealed import read as read_card
from calling_card.protocol.life.cohorts import Act
from calling_card.usecases import approve as approval
from calling_card.usecases import operate
from calling_card.usecases.cohorts import end
from calling_card.usecases.prune import prune, undo
from calling_card.usecases.renew import credential_key, keys
from calling_card.web.app import App
from tests.assertions import TYPE, claims, holder
from tests.ledger import meets
from tests.policies import HEAD, FixedPolicies, policy, under
from tests.visitor import Browser, answer_of, authorize_url, exchange, person_client, somebody
from tests.world import CALLBACK, ISSUER, START, World, beside, body_of, changed, rat, world

HOUR, DAY = 3600, 86400
LONG = f"https://app.example/{secrets.token_hex(400)}"
Card = Mapping[str, Any]
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["memory", "sqlite"])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return await world(tmp_path, sqlite=request.param == "sqlite", open_registration="sealed")


@pytest.fixture
async def alone(tmp_path: Path) -> World:
    """A server for what does not depend on the store."""
    return await world(tmp_path, open_registration="sealed")


def is_sealed(card: Card) -> bool:
    return len(str(card["client_id"])) > 40 and str(card["client_id"]).startswith(CARD.prefix)


async def row(server: World, card: Card) -> Client | None:
    return await server.ports.store.client(client_key(Route.REGISTERED, card["client_id"]))


async def buried(server: World, card: Card) -> bool:
    return (await server.ports.store.client_or_tombstone(client_key(Route.REGISTERED, card["client_id"])))[1]


async def sends_people(server: World, card: Card) -> bool:
    """Whether this server knows the client that sends a person here."""
    reply = await Browser(server).get(authorize_url(card))
    assert reply.status in (200, 400), reply.body
    return reply.status == 200


async def approved(server: World, card: Card) -> dict[str, str]:
    await somebody(server)
    return await Browser(server).allow(card)


# ── Nothing is kept ──────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-10", "R-102")
async def test_a_stranger_gets_the_answer_that_everybody_gets_and_nothing_is_kept(server: World) -> None:
    before = await server.kept()

    card = await server.register(client_name="Tea")

    with changed(server, open_registration="stored"):
        stored = await server.register(client_name="Tea")
    assert is_sealed(card)
    assert not is_sealed(stored)
    assert list(card) == list(stored)
    assert {name for name in card if card[name] != stored[name]} == {
        *("client_id", "client_secret", "registration_access_token", "registration_client_uri")
    }
    assert (await server.kept())[-1] == int(str(before[-1])) + 1
    assert await row(server, card) is None


@meets("H-22")
async def test_a_registration_of_which_nothing_is_kept_is_a_line_in_the_log(alone: World) -> None:
    card = await alone.register()

    told = next(line for line in alone.lines if line["event"] == "client_sealed")
    assert (told["client_id"], told["door"], told["tier"]) == (card["client_id"], "rfc7591", 0)
    assert "client_registered" not in await alone.kinds()


@meets("H-10", "X-33")
async def test_two_thousand_registrations_add_no_row_and_no_byte(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True, open_registration="sealed", registration_rate=1, registration_burst=1)

    def sizes() -> dict[str, int]:
        return {file.name: file.stat().st_size for file in tmp_path.glob("store.db*")}

    before, kept = sizes(), await server.kept()

    ids = {(await server.register(client_name=f"Tea {number}"))["client_id"] for number in range(2000)}

    assert len(ids) == 2000
    assert sizes() == before
    assert await server.kept() == kept


@meets("R-103")
async def test_two_equal_registrations_are_two_clients(server: World) -> None:
    one, other = [await server.register() for _ in range(2)]

    assert one["client_id"] != other["client_id"]
    assert one["client_secret"] != other["client_secret"]
    assert (await server.read(one, rat(other))).no == (401, "invalid_token")


@meets("H-10")
@pytest.mark.parametrize("card", ["invited", "form", "app", "held", "long"])
async def test_whoever_is_no_stranger_at_the_door_of_json_is_stored(server: World, card: str) -> None:
    with changed(server, hold=("anonymous",) if card == "held" else ()):
        if card == "form":
            reply = await server.post_form("/register", {"type": "client_associate", "redirect_url": CALLBACK})
        elif card == "app":
            reply = await server.post_form("/api/v1/apps", {"client_name": "Tea", "redirect_uris": CALLBACK})
        else:
            token = await server.invitation() if card == "invited" else None
            more = {"tos_uri": LONG} if card == "long" else {}
            headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
            body = {"redirect_uris": [CALLBACK], **more}
            reply = await server.call("POST", "/register", json.dumps(body).encode(), headers)

    assert reply.status in (200, 201), reply.body
    assert not is_sealed(reply.json)
    assert await row(server, reply.json) is not None


@meets("H-10", "X-33")
async def test_padding_buys_no_rows(tmp_path: Path) -> None:
    server = await world(tmp_path, open_registration="sealed", registration_rate=1, registration_burst=1)
    await server.register(tos_uri=LONG)

    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK], "tos_uri": LONG})

    assert reply.no == (429, "temporarily_unavailable")
    assert is_sealed(await server.register())


async def test_a_card_that_was_sealed_while_the_keys_changed_is_stored(alone: World) -> None:
    class Turning:
        """A keyring that is rotated as soon as it has sealed something."""

        def __init__(self, keyring: FileKeyring) -> None:
            self._keyring = keyring

        def __getattr__(self, name: str) -> object:
            return getattr(self._keyring, name)

        def seal(self, kind: str, plain: bytes, nonce: bytes) -> bytes:
            sealed = self._keyring.seal(kind, plain, nonce)
            self._keyring.rotate(alone.ports.entropy, alone.ports.now())
            return sealed

    alone.ports = replace(alone.ports, keyring=Turning(alone.ports.keyring))  # type: ignore[arg-type] # a keyring but for one method
    alone.app = App(alone.ports)

    card = await alone.register()

    assert not is_sealed(card)
    assert await row(alone, card) is not None


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-10", "M-54")
@pytest.mark.parametrize("rotation", ["on_update", "every_use", "never"])
async def test_a_card_is_read_without_writing(server: World, rotation: str) -> None:
    card = await server.register(client_name="Tea")
    before = await server.kept()

    with changed(server, rat_rotation=rotation, read_counts_as_use=True):
        replies = [await server.read(card) for _ in range(3)]

    assert [reply.json for reply in replies] == [card] * 3
    assert await server.kept() == before


@meets("H-10")
async def test_the_token_of_another_card_reads_nothing(server: World) -> None:
    card, other = await server.register(), await server.register()

    assert (await server.read(card, rat(other))).no == (401, "invalid_token")


@meets("H-10")
async def test_a_card_with_a_character_changed_is_nobodys(alone: World) -> None:
    card = await alone.register(token_endpoint_auth_method="none")
    client_id = card["client_id"]
    chars = [secrets.choice((string.ascii_letters + string.digits + "-_").replace(char, "")) for char in client_id]
    changed_ids = [client_id[:index] + char + client_id[index + 1 :] for index, char in enumerate(chars)]

    known = [text for text in changed_ids if await sends_people(alone, {"client_id": text})]
    tokens = [
        (await alone.post_form("/token", {"grant_type": "refresh_token", "refresh_token": "x", "client_id": text})).no
        for text in changed_ids
    ]

    assert known == []
    assert set(tokens) == {(401, "invalid_client")}


async def test_a_token_in_a_query_is_told_of_in_the_log_alone(server: World) -> None:
    card = await server.register()
    before = await server.kept()

    reply = await server.call("GET", f"{card['registration_client_uri']}?access_token={rat(card)}")

    assert reply.no == (400, "invalid_request")
    assert await server.kept() == before
    assert [line["client_id"] for line in server.lines if line["event"] == "rat_misplaced"] == [card["client_id"]]


async def test_a_token_in_a_query_is_ended_where_the_setting_says_so(server: World) -> None:
    card = await server.register()

    with changed(server, misplaced_rat="revoke"):
        await server.call("GET", f"{card['registration_client_uri']}?access_token={rat(card)}")

    assert (await server.read(card)).no == (401, "invalid_token")
    assert (await server.row(card)).rat.issued == 2


# ── Replacing ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-10", "M-55")
async def test_a_replacement_is_the_birth_of_the_row(server: World) -> None:
    card = await server.register(client_name="Tea")
    server.clock.forward(HOUR)

    after = await server.replaced(card, client_name="Coffee")

    assert (after["client_id"], after["client_name"]) == (card["client_id"], "Coffee")
    assert after["client_id_issued_at"] == card["client_id_issued_at"] == START
    assert after["client_secret"] == card["client_secret"]
    born = await server.row(card)
    assert (born.card_until, born.last_used_day) == (0, (START + HOUR) // DAY)
    assert (await server.kinds())[-2:] == ["client_registered", "client_replaced"]
    told = (await server.told("client_registered"))[-1]["body"]
    assert told == {"client_id": card["client_id"], "door": "rfc7591", "tier": 0, "sealed_at": START}
    assert (await server.read(after)).json == after
    assert await sends_people(server, after)


@meets("H-10")
async def test_a_replacement_that_is_refused_writes_nothing(server: World) -> None:
    card = await server.register(client_name="Tea")
    before = await server.kept()

    bad = [await server.put(card, body_of(card, redirect_uris=["https://tea.example/#x"])), await server.put(card, {"client_id": "other"})]

    assert [reply.status for reply in bad] == [400, 400]
    assert await server.kept() == before
    assert (await server.read(card)).json == card


@meets("H-02", "H-10")
async def test_the_first_replacement_sent_again_has_the_same_answer(server: World) -> None:
    card = await server.register()

    first, again = [await server.replace(card, client_name="Coffee") for _ in range(2)]

    assert first.status == again.status == 200
    assert first.json == again.json


@meets("H-10")
async def test_replacements_at_the_same_moment_bear_one_row(tmp_path: Path) -> None:
    here = await world(tmp_path, sqlite=True, open_registration="sealed")
    there = await beside(here, tmp_path)
    card = await here.register(client_name="Tea")

    replies = await asyncio.gather(*(some.replace(card, client_name=f"Tea {number % 4}") for number, some in enumerate([here, there] * 4)))

    assert {reply.status for reply in replies} <= {200, 503}
    assert (await here.kinds()).count("client_registered") == 1
    assert len(await here.ports.store.clients("", 10)) == 1
    await there.ports.store.close()


@meets("H-10", "X-33")
async def test_rows_that_replacements_bear_are_on_the_budget_of_registrations(tmp_path: Path) -> None:
    server = await world(tmp_path, open_registration="sealed", registration_rate=1, registration_burst=2)
    cards = [await server.register() for _ in range(4)]

    replies = [await server.replace(cards[0], client_name="Tea"), await server.remove(cards[1])]
    refused = [await server.replace(cards[2], client_name="Tea"), await server.remove(cards[3])]

    assert [reply.status for reply in replies] == [200, 204]
    assert [reply.no for reply in refused] == [(429, "temporarily_unavailable")] * 2
    assert all("retry-after" in reply.headers for reply in refused)
    assert [await row(server, card) for card in cards[1:]] == [None] * 3


@meets("X-33")
async def test_rows_that_replacements_bear_are_no_more_than_strangers_may_have(server: World) -> None:
    cards = [await server.register() for _ in range(3)]

    with changed(server, never_used_limit=2):
        replies = [await server.replace(card, client_name="Tea") for card in cards]

    assert [reply.status for reply in replies] == [200, 200, 503]
    assert (await server.read(cards[2])).json == cards[2]


# ── Approval ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-10")
async def test_the_first_yes_is_the_birth_of_the_row(server: World) -> None:
    card = await person_client(server, client_name="Tea", token_endpoint_auth_method="client_secret_basic")
    await somebody(server)
    browser = Browser(server)
    page = await browser.sign_in(await browser.authorize(card))
    before = await row(server, card)

    answer = answer_of(await browser.decide(page))

    assert is_sealed(card)
    assert before is None
    assert (await server.row(card)).client_id == card["client_id"]
    assert (await server.kinds())[-2:] == ["client_registered", "grant_given"]
    tokens = await exchange(server, card, answer["code"])
    assert tokens.status == 200
    told = await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {tokens.json['access_token']}"})
    assert told.status == 200
    assert (await server.read(card)).json == card


async def test_a_no_is_the_birth_of_nothing(server: World) -> None:
    card = await person_client(server)
    await somebody(server)
    browser = Browser(server)
    page = await browser.sign_in(await browser.authorize(card))

    answer = answer_of(await browser.decide(page, "cancel"))

    assert answer["error"] == "access_denied"
    assert await row(server, card) is None


@meets("H-10")
async def test_two_people_who_say_yes_at_the_same_moment_bear_one_row(tmp_path: Path) -> None:
    here = await world(tmp_path, sqlite=True, open_registration="sealed")
    there = await beside(here, tmp_path)
    card = await person_client(here)
    pages: list[tuple[Browser, Any]] = []
    for number, some in enumerate([here, there] * 3):
        await somebody(here, f"person{number}")
        browser = Browser(some)
        pages.append((browser, await browser.sign_in(await browser.authorize(card), f"person{number}")))

    answers = await asyncio.gather(*(browser.decide(page) for browser, page in pages))

    codes = [answer_of(reply)["code"] for reply in answers]
    assert len(set(codes)) == 6
    assert (await here.kinds()).count("client_registered") == 1
    assert [(await exchange(here, card, code)).status for code in codes] == [200] * 6
    await there.ports.store.close()


async def test_a_remembered_yes_is_asked_of_the_row(server: World) -> None:
    card = await person_client(server)
    await somebody(server)
    browser = Browser(server)
    page = await browser.sign_in(await browser.authorize(card))
    await browser.decide(page, remember="1")

    again = await browser.authorize(card)

    assert "code" in answer_of(again)


async def test_the_picture_of_a_card_is_shown_before_anybody_approved_it(alone: World) -> None:
    card = await person_client(alone, logo_uri="https://app.example/logo.png")
    await somebody(alone)
    browser = Browser(alone)
    page = await browser.sign_in(await browser.authorize(card))
    address = re.findall(rb'src="(/logos/[^"]+)"', page.body)

    asked = [await browser.get(found.decode()) for found in address]

    assert is_sealed(card)
    assert len(asked) == 1
    assert alone.strangers.asked[-1:] == ["https://app.example/logo.png"]


# ── Client authentication ────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-10", "H-14")
@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
async def test_a_client_without_a_row_is_answered_as_one_with_a_row(server: World, path: str) -> None:
    sealed = await server.register()
    with changed(server, open_registration="stored"):
        stored = await server.register()
    fields = {"grant_type": "authorization_code", "code": "x", "code_verifier": "x", "token": "x"}

    async def replies(card: Card, secret: str) -> tuple[int, bytes]:
        reply = await server.post_form(path, fields, basic=(card["client_id"], secret))
        return reply.status, reply.body

    before = await server.kept()
    assert await replies(sealed, sealed["client_secret"]) == await replies(stored, stored["client_secret"])
    assert await replies(sealed, stored["client_secret"]) == await replies(stored, sealed["client_secret"])
    assert await server.kept() == before


@meets("H-10")
async def test_a_client_without_a_row_proves_itself_by_its_key_and_nothing_of_that_is_kept(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="private_key_jwt", jwks=holder().jwks)
    before = await server.kept()
    proof = holder().signs(claims(card["client_id"], ISSUER, server.clock.now))
    fields = {"grant_type": "authorization_code", "code": "x", "client_assertion_type": TYPE, "client_assertion": proof}

    replies = [await server.post_form("/token", fields) for _ in range(2)]

    assert is_sealed(card)
    assert [reply.no for reply in replies] == [(400, "invalid_grant")] * 2
    assert await server.kept() == before


@meets("H-10", "H-22")
async def test_keys_that_leaked_are_told_of_once_for_all_clients_without_a_row(server: World) -> None:
    leaked = {"keys": [{**holder().jwk, "d": "AAAA"}]}
    server.strangers.serve("https://app.example/keys", json.dumps(leaked).encode())
    for _ in range(5):
        card = await server.register(token_endpoint_auth_method="private_key_jwt", jwks_uri="https://app.example/keys")
        proof = holder().signs(claims(card["client_id"], ISSUER, server.clock.now))

        fields = {"grant_type": "authorization_code", "code": "x", "client_assertion_type": TYPE, "client_assertion": proof}
        assert (await server.post_form("/token", fields)).no == (401, "invalid_client")

    assert (await server.kinds()).count("key_leaked") == 1


# ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-10")
async def test_a_card_that_was_deleted_does_not_come_back(server: World) -> None:
    card = await person_client(server)

    gone = await server.remove(card)

    assert gone.status == 204
    assert [await row(server, card), await buried(server, card)] == [None, True]
    assert not await sends_people(server, card)
    assert [(await server.read(card)).no, (await server.remove(card)).no] == [(401, "invalid_token")] * 2
    assert (await server.replace(card)).no == (401, "invalid_token")
    assert (await server.kinds())[-1] == "client_deleted"


async def test_whoever_deletes_second_is_told_that_it_is_gone(tmp_path: Path) -> None:
    here = await world(tmp_path, sqlite=True, open_registration="sealed")
    there = await beside(here, tmp_path)
    card = await here.register()

    replies = await asyncio.gather(*(some.remove(card) for some in [here, there] * 3))

    assert sorted(reply.status for reply in replies) == [204, 401, 401, 401, 401, 401]
    assert (await here.kinds()).count("client_deleted") == 1
    await there.ports.store.close()


async def by_itself(server: World, card: Card) -> None:
    assert (await server.remove(card)).status == 204


async def by_an_operator(server: World, card: Card) -> None:
    await operate.delete(server.ports, card["client_id"], "op")


async def by_a_cohort(server: World, card: Card) -> None:
    del card
    assert [tally async for tally in end(server.ports, {"door": "rfc7591"}, Act.DELETE, "op")][-1].done == 1


async def by_pruning(server: World, card: Card) -> None:
    server.clock.forward(3 * DAY)
    assert [report async for report in prune(server.ports, "op")][-1].total == 1
    del card


async def by_pruning_undone(server: World, card: Card) -> None:
    await by_pruning(server, card)
    await undo(server.ports, card["client_id"], "op")
    assert await row(server, card) is not None
    await by_an_operator(server, card)


ENDS: Mapping[str, Callable[[World, Card], Awaitable[None]]] = {
    way.__name__: way for way in (by_itself, by_an_operator, by_a_cohort, by_pruning, by_pruning_undone)
}


@meets("H-10")
@pytest.mark.parametrize("way", ENDS)
async def test_however_a_row_ends_its_card_does_not_bring_it_back(server: World, way: str) -> None:
    card = await person_client(server)
    with changed(server, tombstone_days=1, rat_rotation="never"):
        await server.replaced(card, client_name="Coffee")
        await ENDS[way](server, card)
        server.clock.forward(2 * DAY)
        [report async for report in prune(server.ports, "op", ())]

        assert await row(server, card) is None
        assert not await sends_people(server, card)
        assert (await server.read(card)).no == (401, "invalid_token")

        server.clock.forward(27 * DAY)
        [report async for report in prune(server.ports, "op", ())]
        assert not await sends_people(server, card)
        assert (await server.read(card)).no == (401, "invalid_token")


def test_how_long_a_mark_stays_is_asked_of_one_function() -> None:
    places = [
        line
        for file in (ROOT / "src" / "calling_card" / "usecases").rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if "tombstone_days" in line
    ]

    assert len(places) >= 5
    assert [line for line in places if "mark_until(ports.keyring, " not in line] == []


@meets("H-10")
async def test_a_card_that_nobody_approved_expires(server: World) -> None:
    card = await person_client(server)
    server.clock.forward(30 * DAY - 1)
    assert await sends_people(server, card)

    server.clock.forward(1)

    assert not await sends_people(server, card)
    assert (await server.read(card)).no == (401, "invalid_token")


async def test_a_shorter_life_holds_for_older_cards_too_and_a_longer_one_does_not(server: World) -> None:
    card = await person_client(server)
    server.clock.forward(8 * DAY)

    with changed(server, sealed_days=7):
        assert not await sends_people(server, card)
    with changed(server, sealed_days=366):
        assert await sends_people(server, card)
        server.clock.forward(22 * DAY)
        assert not await sends_people(server, card)


@meets("H-10")
async def test_older_cards_end_at_once_and_rows_stay(server: World) -> None:
    card, kept = await person_client(server), await person_client(server)
    kept = await server.replaced(kept)
    server.clock.forward(HOUR)

    with changed(server, sealed_not_before=START + 1):
        newer = await person_client(server)

        assert [await sends_people(server, one) for one in (card, kept, newer)] == [False, True, True]
        assert (await server.read(card)).no == (401, "invalid_token")


async def test_cards_live_on_where_registrations_are_stored_again(server: World) -> None:
    card = await person_client(server)

    with changed(server, open_registration="stored", registration="closed"):
        assert await sends_people(server, card)
        assert (await server.read(card)).json == card


@meets("H-10", "M-30")
async def test_a_policy_that_became_stricter_narrows_a_card(server: World) -> None:
    card = await person_client(server, scope="openid email")

    with changed(server, anonymous_scopes=("openid",)):
        told = (await server.read(card)).json

    assert told["scope"] == "openid"
    assert (await server.read(card)).json == card


@meets("H-10", "M-30")
async def test_a_card_that_today_would_be_refused_is_nobodys(server: World) -> None:
    with changed(server, callbacks=("tea://app/callback",)):
        card = await person_client(server, redirect_uris=["tea://app/callback"])
        assert (await server.read(card)).json == card

    reply = await server.read(card)

    assert reply.no == (401, "invalid_token")
    assert [line["client_id"] for line in server.lines if line["event"] == "card_refused"] == [card["client_id"]]


async def test_a_card_that_today_would_have_to_wait_waits(server: World) -> None:
    card = await person_client(server)
    with changed(server, hold=("anonymous",)):
        assert (await server.replace(card)).status == 200

    assert (await server.row(card)).state is State.HELD


async def test_the_scopes_of_resource_servers_are_known_to_cards(server: World) -> None:
    await server.resource(scope="orders:read")

    card = await person_client(server, scope="orders:read")

    assert is_sealed(card)
    assert (await server.read(card)).json["scope"] == "orders:read"


def judged_before(server: World, card: Card) -> bool:
    found = read_card(server.ports.keyring, card["client_id"])
    return found is not None and server.ports.cards.find(found.metadata, (server.ports, server.ports.policies.current)) is not None


async def test_cards_that_say_the_same_are_judged_once_and_stay_two_clients(alone: World) -> None:
    first, second = [await alone.register(client_name="Tea", scope="openid") for _ in range(2)]

    await alone.read(first)

    assert judged_before(alone, second)
    assert [(await alone.read(card)).json["client_id"] for card in (first, second)] == [first["client_id"], second["client_id"]]


@meets("M-30", "A-87")
async def test_another_policy_judges_cards_anew_at_once(alone: World) -> None:
    changing = FixedPolicies(None)
    alone.ports = replace(alone.ports, policies=changing)
    alone.app = App(alone.ports)
    card = await alone.register(client_name="Tea")
    before = (await alone.read(card)).status

    changing.current = policy(
        HEAD + '[[rule]]\nname = "no tea"\nwhen = { application_type = ["web"] }\nthen = "refuse"\nwhy = "coffee only"\n'
    )
    during = [(await alone.read(card)).status for _ in range(2)]
    changing.current = None

    assert (before, during, (await alone.read(card)).status) == (200, [401, 401], 200)


@meets("A-87")
async def test_a_rule_about_resource_servers_judges_a_card_each_time(alone: World) -> None:
    card = await alone.register(scope="openid")
    rule = '[[rule]]\nname = "no orders"\nwhen = { resource = ["https://api.example"] }\nthen = "refuse"\nwhy = "no"\n'

    with under(alone, rule) as ruled:
        answer = await ruled.read(card)

        assert (answer.status, judged_before(ruled, card)) == (200, False)


async def test_a_client_that_is_born_while_its_card_is_opened_is_the_one_with_the_row(alone: World) -> None:
    card = await alone.register()
    born = structs.replace((await alone.ports.store.client_or_tombstone(b""))[0] or await unborn(alone, card), card_until=0)
    empty = alone.ports.store.client

    async def nobody_yet(key: bytes) -> Client | None:
        alone.ports.store.client = empty  # type: ignore[method-assign] # once
        await alone.ports.store.register(born, Event("client_registered", START, born.key, "anonymous"), None)
        del key
        return None

    alone.ports.store.client = nobody_yet  # type: ignore[method-assign] # the look that comes before the card's

    reply = await alone.read(card)

    assert reply.json == card


async def unborn(server: World, card: Card) -> Client:
    """The client that lives on its card alone."""
    found = await operate.named(server.ports, card["client_id"])
    assert found.card_until > 0
    return found


# ── Operators ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-10", "A-83")
async def test_an_operator_sees_a_card_and_that_nobody_approved_it(server: World) -> None:
    card = await server.register(client_name="Tea")

    shown = await operate.show(server.ports, card["client_id"])

    assert (shown["state"], shown["client_name"], shown["sealed_until"]) == ("sealed", "Tea", START + 30 * DAY)
    assert shown["sealed"] == "nobody approved it yet; it has no row"
    assert await row(server, card) is None


@meets("H-10", "M-14")
async def test_an_operator_suspends_a_card_by_giving_it_a_row(server: World) -> None:
    card = await person_client(server)

    line = await operate.suspend(server.ports, card["client_id"], "op")

    assert line["state"] == "suspended"
    assert (await server.row(card)).state is State.SUSPENDED
    assert not await sends_people(server, card)
    assert (await server.replace(card)).no == (403, "access_denied")
    await operate.resume(server.ports, card["client_id"], "op")
    assert await sends_people(server, card)


@meets("H-10")
async def test_a_card_does_not_wait_for_approval_and_has_no_test_persons(server: World) -> None:
    await somebody(server, "bob")
    card = await person_client(server)
    verdict, wanted = approval.Verdict(card["client_id"], "op"), approval.Named(card["client_id"], "bob", "op")

    for work in (
        approval.approve(server.ports, verdict),
        approval.refuse(server.ports, verdict),
        approval.add_test_person(server.ports, wanted),
    ):
        with pytest.raises(Refusal) as told:
            await work

        assert told.value.no is No.INVALID_REQUEST
        assert told.value.description.endswith(" is sealed, not held: it does not wait for approval")
    assert await row(server, card) is None
    assert not {"client_approved", "test_person_added"} & set(await server.kinds())


@meets("H-10")
async def test_an_operator_deletes_a_card(server: World) -> None:
    card = await person_client(server)

    await operate.delete(server.ports, card["client_id"], "op")

    assert not await sends_people(server, card)
    with pytest.raises(Refusal, match="there is no client"):
        await operate.show(server.ports, card["client_id"])


@meets("H-10", "A-83")
async def test_an_operator_renews_the_credentials_of_a_card(server: World) -> None:
    card = await server.register()

    made = (await operate.rotate(server.ports, card["client_id"], "op", at_once=True)).information

    assert (await server.read(card)).no == (401, "invalid_token")
    assert (await server.read(card, str(made["registration_access_token"]))).json["client_secret"] == made["client_secret"]


@meets("H-10")
async def test_keys_say_until_when_cards_need_them(server: World) -> None:
    card = await server.register()
    await credential_key(server.ports, "op")
    since = server.ports.keyring.keys[0].since

    rows = (await keys(server.ports)).credentials

    assert [one["cards_until"] for one in rows] == [since + 30 * DAY, START + 30 * DAY]
    assert (await server.read(card)).json == card
    with changed(server, open_registration="stored"):
        assert "cards_until" not in (await keys(server.ports)).credentials[0]
