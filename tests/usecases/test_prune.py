"""Dead registrations go, the living stay, and what was pruned can come back (seed 004; S4-05, X-34, M-56, D-57)."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.jobs.prune import TURN, keep_pruning, one_turn
from calling_card.ports import Page, StoreUnavailable
from calling_card.protocol import base64url
from calling_card.protocol.clients import Client, Route, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.life.pruning import ALL, Horizon, Suspect, horizon, kept_for
from calling_card.usecases import prune as use_case
from calling_card.usecases.operate import suspend
from calling_card.usecases.prune import Report, aside, dry_run, prune, undo, undo_all
from calling_card.web.app import App
from tests.addresses import publish, the_client, visitor
from tests.ledger import meets
from tests.usecases.guests import question, signed_in
from tests.visitor import Browser, answer_of, authorize_url, exchange, person_client, refresh, somebody, tokens
from tests.world import World, beside, changed, world

HOUR, DAY = 3600, 86400
Card = Mapping[str, Any]


@pytest.fixture(params=["memory", "sqlite"])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return await world(tmp_path, sqlite=request.param == "sqlite")


async def pruned(server: World, classes: tuple[str, ...] = ALL) -> Report:
    """The report of one prune by an operator."""
    return [report async for report in prune(server.ports, "op", classes)][-1]


async def tried(server: World) -> Report:
    """The report of a dry run."""
    return [report async for report in dry_run(server.ports)][-1]


def counts(report: Report) -> tuple[dict[str, int], dict[str, int]]:
    """How many are dead of which class, and how many are kept for which reason."""
    return {name: found.count for name, found in report.dead.items()}, dict(report.kept)


async def there(server: World, card: Card) -> bool:
    return await server.ports.store.client(client_key(Route.REGISTERED, card["client_id"])) is not None


async def living_rows(server: World, cards: list[dict[str, Any]]) -> list[Client]:
    return [await server.row(card) for card in cards]


# Who goes, who stays --------------------------------------------------------------------------------------------------------------


@meets("X-102", "X-34", "S4-04", "S4-05")
async def test_of_58_clients_the_46_dead_go_and_the_12_living_are_untouched_and_the_report_says_why(server: World) -> None:
    await somebody(server)
    dead = [await person_client(server, client_name="Assistant") for _ in range(42)]
    dead += [await person_client(server, client_name=f"Tried once {number}") for number in range(4)]
    people = [await person_client(server, client_name="Assistant") for _ in range(10)]
    given = [await tokens(server, card) for card in people]
    server.clock.forward(3 * DAY)
    machine = await server.machine()
    await server.token(machine)
    young = await person_client(server, client_name="Assistant")
    living = [*people, machine, young]
    before = await living_rows(server, living)

    rehearsed = await tried(server)
    untouched = [await there(server, card) for card in dead]
    report = await pruned(server)

    assert all(untouched)
    assert counts(rehearsed) == counts(report) == ({"never_approved": 46}, {"used_lately": 2, "grant_alive": 10})
    assert await living_rows(server, living) == before
    assert not any([await there(server, card) for card in dead])
    assert [(await refresh(server, card, one["refresh_token"])).status for card, one in zip(people, given, strict=True)] == [200] * 10
    shown = report.shown()
    assert (shown["clients"], shown["dead"]) == (58, 46)
    (row,) = json.loads(json.dumps(shown["classes"]))
    assert (row["class"], row["count"], row["alike"], len(row["samples"])) == ("never_approved", 46, 42, 5)
    assert row["meaning"] == "A stranger whom nobody ever allowed anything."
    assert shown["kept"] == [
        {"reason": "grant_alive", "meaning": "What somebody allowed it lives.", "count": 10},
        {"reason": "used_lately", "meaning": "It was used on a day that is not over long enough.", "count": 2},
    ]
    assert (await server.kinds()).count("client_pruned") == 46
    told = (await server.told("client_pruned"))[0]
    assert (told["actor"], told["body"]["reason"], told["body"]["by"]) == ("operator", "never_approved", "op")
    assert told["body"]["client_id"] in {card["client_id"] for card in dead}


@meets("X-34", "M-58")
async def test_a_client_that_only_refreshes_lives_for_as_long_as_it_does(server: World) -> None:
    await somebody(server)
    with changed(server, refresh_lifetime=0):
        card = await person_client(server)
        token = (await tokens(server, card))["refresh_token"]
        for _ in range(20):
            server.clock.forward(25 * DAY)
            assert counts(await pruned(server))[0] == {}
            token = (await refresh(server, card, token)).json["refresh_token"]

        assert await there(server, card)
        server.clock.forward(31 * DAY)
        quiet = await pruned(server)
        server.clock.forward(60 * DAY)
        report = await pruned(server)

    assert counts(quiet) == ({}, {"not_yet": 1})
    assert counts(report) == ({"grants_ended": 1}, {})
    assert not await there(server, card)


@meets("X-34")
async def test_a_client_with_tokens_in_its_own_name_lives_by_its_use(server: World) -> None:
    busy, idle = await server.machine(), await server.machine()
    for _ in range(4):
        server.clock.forward(30 * DAY)
        assert (await server.token(busy)).status == 200
    server.clock.forward(3 * DAY)

    report = await pruned(server)

    assert counts(report) == ({"idle": 1}, {"not_yet": 1})
    assert [await there(server, card) for card in (busy, idle)] == [True, False]


@meets("X-34")
async def test_a_flow_in_progress_survives(server: World) -> None:
    guest = await signed_in(server)
    asking, coded = await person_client(server), await person_client(server)
    server.clock.forward(13 * DAY)
    asked = question(await guest.come(asking))
    code = (await guest.allow(coded)).members["code"]

    report = await pruned(server)
    said = await guest.decide(asked)
    reply = await exchange(server, coded, code)

    assert counts(report) == ({}, {"used_lately": 2})
    assert "code" in getattr(said, "members", {})
    assert reply.status == 200


@meets("X-34")
async def test_a_code_that_waits_keeps_its_client_whatever_day_it_was_used_on(server: World) -> None:
    guest = await signed_in(server)
    card = await person_client(server)
    await guest.allow(card, remember=True)
    row = await server.row(card)
    server.clock.forward(10 * DAY)
    code = (await guest.allow(card)).members["code"]
    after = structs.replace(await server.row(card), last_used_day=row.last_used_day)

    kept = kept_for(await suspect_of(server, after), _seen(server))

    assert kept == "in_progress"
    assert (await exchange(server, card, code)).status == 200


async def suspect_of(server: World, client: Client) -> Suspect:
    """The client as the walk would find it, had it not been used today."""
    seen = replace(_seen(server), day=10**6)
    (found,) = (await server.ports.store.suspects(b"", 10, seen)).suspects
    return replace(found, client=client)


def _seen(server: World) -> Horizon:
    return horizon(server.clock(), refresh_lifetime=0, refresh_idle=0, token_lifetime=0)


@meets("S4-05")
async def test_what_an_operator_made_or_suspended_is_never_pruned(server: World) -> None:
    await server.resource()
    card = await person_client(server)
    await suspend(server.ports, card["client_id"], "op")
    server.clock.forward(1000 * DAY)

    assert counts(await pruned(server)) == ({}, {"operators": 1, "suspended": 1})


@meets("R-98")
async def test_an_expired_secret_only_blocks_until_the_dead_registration_is_removed(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_lifetime=10 * DAY)
    renewed, card = await server.machine(), await server.machine()
    server.clock.forward(20 * DAY)
    blocked = await server.token(card)
    read = await server.read(card)
    again = await server.replaced(renewed)

    early = await pruned(server)
    server.clock.forward(21 * DAY)
    late = await pruned(server)

    assert blocked.no == (401, "invalid_client")
    assert read.status == 200
    assert counts(early) == ({}, {"not_yet": 1, "used_lately": 1})
    assert counts(late) == ({"secret_ended": 1}, {"not_yet": 1})
    assert (await server.read(card)).no == (401, "invalid_token")
    assert (await server.read(again)).status == 200


@meets("D-57")
async def test_a_url_client_without_a_living_grant_is_forgotten_and_comes_again_by_itself(server: World) -> None:
    card = publish(server)
    await visitor(server)
    await tokens(server, card)
    first = await the_client(server)
    server.clock.forward(20 * DAY)
    lives = await pruned(server)
    server.clock.forward(100 * DAY)

    report = await pruned(server)
    gone = await server.ports.store.client(first.key)
    given = await tokens(server, card)

    assert counts(lives) == ({}, {"grant_alive": 1})
    assert counts(report) == ({"grants_ended": 1}, {})
    assert gone is None
    assert list(await aside(server.ports, "", 10)) == []
    assert given["access_token"]
    assert (await the_client(server)).incarnation != first.incarnation


async def test_a_url_client_whose_document_is_gone_goes_earlier(server: World) -> None:
    card = publish(server)
    await visitor(server)
    await tokens(server, card)
    client = await the_client(server)
    version = await server.ports.store.version(client.key)
    assert version is not None
    now = server.clock()
    await server.ports.store.read_again(version, replace(version, failed_at=now, failure="GONE", gone_at=now), None, None)
    server.clock.forward(40 * DAY)

    assert counts(await pruned(server)) == ({"document_gone": 1}, {})


async def test_a_long_walk_looks_at_everybody_once(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_case, "PAGE", 4)
    monkeypatch.setattr(use_case, "BATCH", 3)
    monkeypatch.setattr(use_case, "ALIKE", 2)
    for number in range(11):
        await person_client(server, client_name=f"App {number}")
    server.clock.forward(2 * DAY)

    steps = [report.seen async for report in dry_run(server.ports)]
    report = await pruned(server)

    assert steps[-1] == report.seen == report.total == 11
    assert report.dead["never_approved"].alike == 1
    assert len(report.dead["never_approved"].cards) == 2


async def test_a_class_that_is_switched_off_prunes_nobody(tmp_path: Path) -> None:
    server = await world(tmp_path, prune_never_used_hours=0, prune_idle_days=0)
    await person_client(server)
    server.clock.forward(1000 * DAY)

    report = await pruned(server)

    assert counts(report) == ({}, {"not_yet": 1})
    assert report.shown()["classes"] == []


async def test_somebody_who_comes_between_is_counted_and_kept(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    card = await person_client(server)
    server.clock.forward(2 * DAY)
    find = server.ports.store.suspects

    async def late(after: bytes, limit: int, seen: Horizon) -> Page:
        page = await find(after, limit, seen)
        if page.suspects:
            await server.replaced(card, client_name="Still here")
        return page

    monkeypatch.setattr(server.ports.store, "suspects", late)

    report = await pruned(server)

    assert counts(report) == ({}, {"came_between": 1})
    assert (await server.row(card)).metadata


# What a pruned client learns ------------------------------------------------------------------------------------------------------


@meets("M-56", "H-14")
@pytest.mark.parametrize("how", ["pruned", "deleted"])
async def test_a_pruned_client_is_answered_like_a_deleted_one_and_told_to_register_again(server: World, how: str) -> None:
    browser = Browser(server)
    await somebody(server)
    card = await person_client(server, token_endpoint_auth_method="client_secret_basic")
    given = await tokens(server, card)
    server.clock.forward(200 * DAY)
    if how == "pruned":
        assert (await pruned(server)).total == 1
    else:
        assert (await server.remove(card)).status == 204

    at_token = await refresh(server, card, given["refresh_token"])
    shown = await browser.get(authorize_url(card))
    answers = [await server.read(card), await server.replace(card), await server.remove(card)]
    again = await person_client(server)

    assert at_token.no == (401, "invalid_client")
    assert "register again at https://as.example/register" in at_token.why
    assert shown.status == 400
    assert "register again" in shown.body.decode()
    assert [reply.no for reply in answers] == [(401, "invalid_token")] * 3
    assert again["client_id"] != card["client_id"]


@meets("M-56", "S1-32")
async def test_an_identifier_of_a_pruned_client_is_never_issued_again(server: World) -> None:
    card = await person_client(server)
    server.clock.forward(2 * DAY)
    await pruned(server)
    drawn = base64url.decode(card["client_id"].removeprefix("c"))

    def stuck(size: int) -> bytes:
        assert drawn is not None
        return (drawn * 4)[:size]

    server.ports = replace(server.ports, entropy=stuck)
    server.app = App(server.ports)

    reply = await server.post_json("/register", {"redirect_uris": ["https://app.example/cb"]})

    assert reply.no == (500, "server_error")
    assert not await there(server, card)
    assert [line["event"] for line in server.lines if line.get("alarm")] == ["client_key_collision"]


# Bringing back --------------------------------------------------------------------------------------------------------------------


@meets("S4-05")
async def test_within_the_time_for_it_a_pruned_client_comes_back_with_all_its_credentials(server: World) -> None:
    card = await server.machine()
    server.clock.forward(100 * DAY)
    await pruned(server)
    dead = (await server.token(card), await server.read(card))
    server.clock.forward(7 * DAY - 1)

    (row,) = await aside(server.ports, "", 10)
    back = await undo(server.ports, card["client_id"], "op")

    assert [reply.status for reply in dead] == [401, 401]
    assert (row["class"], row["until"]) == ("idle", server.clock() + 1)
    assert back == row
    assert (await server.token(card)).status == 200
    assert (await server.read(card)).json["client_secret"] == card["client_secret"]
    assert (await server.replaced(card))["client_id"] == card["client_id"]
    assert [event["body"] for event in await server.told("client_brought_back")] == [{"client_id": card["client_id"], "by": "op"}]
    assert counts(await pruned(server)) == ({}, {"used_lately": 1})


async def test_what_was_allowed_to_a_client_does_not_come_back_with_it(server: World) -> None:
    browser = Browser(server)
    await somebody(server)
    card = await person_client(server)
    code = (await browser.allow(card))["code"]
    given = (await exchange(server, card, code)).json
    server.clock.forward(200 * DAY)
    await pruned(server)

    assert await undo_all(server.ports, "op") == 1

    assert (await refresh(server, card, given["refresh_token"])).no == (400, "invalid_grant")
    assert answer_of(await browser.decide(await browser.sign_in(await browser.authorize(card))))["code"]


async def test_all_come_back_at_once(server: World) -> None:
    cards = [await person_client(server) for _ in range(40)]
    server.clock.forward(2 * DAY)
    await pruned(server)

    assert (await undo_all(server.ports, "op"), await undo_all(server.ports, "op")) == (40, 0)
    assert all([await there(server, card) for card in cards])


async def test_too_late_is_too_late(server: World) -> None:
    card = await person_client(server)
    server.clock.forward(2 * DAY)
    await pruned(server)
    server.clock.forward(7 * DAY)

    with pytest.raises(Refusal) as refused:
        await undo(server.ports, card["client_id"], "op")

    assert refused.value.no is No.NOT_FOUND
    assert refused.value.description == f"there is no pruned client {card['client_id']} that can be brought back"
    assert await undo_all(server.ports, "op") == 0
    report = await pruned(server)
    assert report.shown()["swept"] == {"pruned_clients": 1}


# By itself ------------------------------------------------------------------------------------------------------------------------


@meets("S4-05")
async def test_once_a_day_one_process_prunes_and_the_others_do_not(tmp_path: Path) -> None:
    here = await world(tmp_path, sqlite=True)
    there_too = await beside(here, tmp_path)
    for _ in range(3):
        await person_client(here)
    here.clock.forward(2 * DAY)

    turns = await asyncio.gather(one_turn(here.ports), one_turn(there_too.ports))
    again = [await one_turn(one.ports) for one in (here, there_too)]
    here.clock.forward(DAY)
    tomorrow = [await one_turn(one.ports) for one in (there_too, here)]

    assert sorted(turns) == [False, True]
    assert (again, tomorrow) == ([False, False], [True, False])
    (line,) = [line for one in (here, there_too) for line in one.lines if line["event"] == "pruned" and line["seen"]]
    assert (line["seen"], line["never_approved"]) == (3, 3)
    assert {event["actor"] for event in await here.told("client_pruned")} == {"server"}


@pytest.mark.parametrize("setting, gone", [("off", []), ("never_approved", ["stranger"]), ("all", ["stranger", "machine"])])
async def test_by_itself_the_server_prunes_what_the_setting_says(tmp_path: Path, setting: str, gone: list[str]) -> None:
    server = await world(tmp_path, prune=setting)
    cards = {"stranger": await person_client(server), "machine": await server.machine()}
    server.clock.forward(200 * DAY)

    assert await one_turn(server.ports)

    assert [name for name, card in cards.items() if not await there(server, card)] == gone


async def test_by_default_the_server_prunes_strangers_whom_nobody_ever_approved_and_nobody_else(server: World) -> None:
    assert server.ports.settings.prune == "never_approved"


async def test_even_when_it_prunes_nobody_the_server_sweeps(tmp_path: Path) -> None:
    server = await world(tmp_path, prune="off")
    await somebody(server)
    await tokens(server, await person_client(server))
    server.clock.forward(200 * DAY)

    await one_turn(server.ports)

    (line,) = [line for line in server.lines if line["event"] == "pruned"]
    assert (line["seen"], line["swept_grants"], line["swept_sessions"]) == (0, 1, 1)


async def test_a_process_that_fell_silent_is_followed_by_another_that_it_does_not_disturb(
    server: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await person_client(server)
    server.clock.forward(2 * DAY)
    find, followed = server.ports.store.suspects, list[bool]()

    async def slow(after: bytes, limit: int, seen: Horizon) -> Page:
        monkeypatch.undo()
        server.clock.forward(TURN)
        followed.append(await one_turn(server.ports))
        return await find(after, limit, seen)

    monkeypatch.setattr(server.ports.store, "suspects", slow)

    assert not await one_turn(server.ports)
    assert followed == [True]


async def test_a_loop_asks_for_the_turn_and_outlives_a_store_that_is_not_there(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    done, lease = asyncio.Event(), server.ports.store.lease

    async def once_broken(name: str, holder: bytes, until: int, now: int) -> bool:
        if not server.lines:
            raise StoreUnavailable("locked")
        done.set()
        return await lease(name, holder, until, now)

    monkeypatch.setattr(server.ports.store, "lease", once_broken)
    loop = asyncio.create_task(keep_pruning(server.ports, every=0.001))

    await asyncio.wait_for(done.wait(), 10)
    loop.cancel()

    assert server.lines[0] == {"event": "not_pruned", "level": "error", "cause": "StoreUnavailable: locked"}
    with pytest.raises(asyncio.CancelledError):
        await loop
