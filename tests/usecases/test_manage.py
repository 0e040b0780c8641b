"""A client reads and deletes its registration, and what is recorded of it (RFC 7592 §2.1, §2.3, §3)."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.ports import StoreUnavailable
from calling_card.protocol.clients import Client, State
from calling_card.protocol.events import Event
from calling_card.store.memory import MemoryStore
from calling_card.usecases.operate import resume, rotate, suspend
from tests.ledger import meets
from tests.world import CALLBACK, START, World, beside, body_of, rat, world

DAY = 86_400


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


@pytest.fixture(params=["memory", "sqlite"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A server on each kind of store."""
    some = await world(tmp_path, sqlite=request.param == "sqlite")
    yield some
    await some.ports.store.close()


# ── Read ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-18", "S1-15", "C-09", "M-16", "H-01")
async def test_a_client_reads_everything_it_was_told_when_it_registered(server: World) -> None:
    card = await server.register(client_name="A", contacts=["a@a.example"], **{"client_name#fr": "B"})
    server.clock.forward(10 * 365 * DAY)

    reply = await server.read(card)

    assert (reply.status, reply.json) == (200, card)


@meets("M-19", "S1-16", "M-44")
@pytest.mark.parametrize("policy", ["on_update", "never"])
async def test_reading_changes_nothing_however_often(tmp_path: Path, policy: str) -> None:
    server = await world(tmp_path, rat_rotation=policy)
    card = await server.register()
    before = await server.kept()

    replies = [await server.read(card) for _ in range(3)]

    assert {reply.body for reply in replies} == {replies[0].body}
    assert await server.kept() == before


@meets("M-20")
async def test_head_is_a_read_without_its_body(server: World) -> None:
    card = await server.register()
    headers = {"authorization": f"Bearer {rat(card)}"}

    got = await server.call("GET", card["registration_client_uri"], headers=headers)
    head = await server.call("HEAD", card["registration_client_uri"], headers=headers)

    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "x-request-id": ""} == {**got.headers, "x-request-id": ""}


@meets("S1-11", "C-08")
@pytest.mark.parametrize("returned", [True, False])
async def test_the_secret_is_read_again_unless_the_operator_keeps_it_back(tmp_path: Path, returned: bool) -> None:
    server = await world(tmp_path, return_secret=returned)
    card = await server.register()

    read = (await server.read(card)).json
    after = await server.replaced(card)

    assert ("client_secret" in read, "client_secret" in after) == (returned, returned)
    assert read["client_secret_expires_at"] == 0
    assert card["client_secret"]


@meets("M-55", "S1-12", "S1-21", "S1-30")
async def test_the_time_of_registration_stays_for_life(server: World) -> None:
    card = await server.register()
    server.clock.forward(1000)

    after = await server.replaced(card, client_name="B")

    assert after["client_id_issued_at"] == START == (await server.read(after)).json["client_id_issued_at"]
    assert (after["client_id"], after["registration_client_uri"]) == (card["client_id"], card["registration_client_uri"])


@meets("M-58")
@pytest.mark.parametrize("counts", [False, True])
async def test_reading_keeps_a_client_from_being_idle_only_by_setting_and_replacing_always(tmp_path: Path, counts: bool) -> None:
    server = await world(tmp_path, read_counts_as_use=counts)
    card = await server.register()
    server.clock.forward(3 * DAY)

    await server.read(card)
    read = (await server.row(card)).last_used_day
    await server.replaced(card)
    changed_on = (await server.row(card)).last_used_day

    assert read == START // DAY + (3 if counts else 0)
    assert changed_on == START // DAY + 3


@meets("M-58")
async def test_a_token_request_keeps_a_client_from_being_idle(server: World) -> None:
    card = await server.machine()
    server.clock.forward(5 * DAY)

    await server.token(card)

    assert (await server.row(card)).last_used_day == START // DAY + 5


@pytest.mark.parametrize("days", [1, 400])
async def test_the_mark_of_a_deleted_client_is_kept_as_long_as_the_operator_says(tmp_path: Path, days: int) -> None:
    server = await world(tmp_path, tombstone_days=days)
    card = await server.register()
    client = await server.row(card)

    await server.remove(card)

    store = server.ports.store
    assert isinstance(store, MemoryStore)
    marks = store._marks[client.key]  # pyright: ignore[reportPrivateUsage] # nothing else shows it yet
    assert [mark.expires_at for mark in marks.values()] == [START + days * DAY]


# ── What the owner may not do ────────────────────────────────────────────────────────────────────────────────────────


@meets("M-13", "S1-37", "C-14")
@pytest.mark.parametrize(
    "setting, method, word", [("self_read", "GET", "GET"), ("self_update", "PUT", "PUT"), ("self_delete", "DELETE", "DELETE")]
)
async def test_an_operation_that_is_switched_off_is_forbidden_to_the_owner_and_unknown_to_others(
    tmp_path: Path, setting: str, method: str, word: str
) -> None:
    server = await world(tmp_path, **{setting: False})
    card = await server.register()
    before = await server.kept()

    owner, stranger = [
        await server.call(method, card["registration_client_uri"], json.dumps(body_of(card)).encode(), headers(token))
        for token in (rat(card), "x")
    ]

    assert owner.no == (403, "access_denied")
    assert owner.why == f"{word} is not allowed to clients here; ask the operator (RFC 7592 section 2)"
    assert stranger.no == (401, "invalid_token")
    assert await server.kept() == before


def headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "content-type": "application/json"}


@meets("M-14", "H-31", "X-31", "X-79")
async def test_a_suspended_client_sees_its_card_without_the_secret_and_can_do_nothing_else(either: World) -> None:
    card = await either.machine()
    await suspend(either.ports, card["client_id"], "tester")
    before = await either.row(card)

    shown = await either.read(card)
    put = await either.put(card, body_of(card, state="active", disabled=False))
    deleted = await either.remove(card)

    seen = {name: value for name, value in card.items() if name != "client_secret"}
    assert shown.json == {**seen, "registration_state": "suspended"}
    assert (put.no, deleted.no) == ((403, "access_denied"), (403, "access_denied"))
    assert put.why == "the client is suspended; ask the operator (RFC 7592 section 2)"
    assert (await either.token(card)).no == (401, "invalid_client")
    assert await either.row(card) == before
    assert before.state is State.SUSPENDED


@meets("M-14", "X-31")
async def test_only_the_operator_ends_a_suspension(server: World) -> None:
    card = await server.register()
    await suspend(server.ports, card["client_id"], "tester")

    await resume(server.ports, card["client_id"], "tester")

    assert (await server.put(card, body_of(card, client_name="B"))).status == 200


@meets("M-13")
async def test_what_the_operator_made_only_the_operator_changes(server: World) -> None:
    card = (await server.resource()).information

    shown = await server.read(card)
    put = await server.put(shown.json, body_of(shown.json, grant_types=["client_credentials"]))
    deleted = await server.remove(card)

    assert shown.status == 200
    assert put.no == deleted.no == (403, "access_denied")
    assert put.why == "the operator made this client, and only the operator changes it (RFC 7592 section 2)"
    assert len(await server.ports.store.resources()) == 1


# ── Delete ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-39", "M-40", "S1-31", "S1-32", "S1-33", "S1-35", "M-12")
async def test_deleting_ends_the_client_and_everything_it_had_at_once(either: World) -> None:
    caller = (await either.resource()).information
    card = await either.machine("openid orders:read")
    asked = [await either.token(card), await either.token(card, resource="https://api.example")]
    tokens = [reply.json["access_token"] for reply in asked]
    assert (await either.introspect(caller, tokens[1])).json["active"] is True

    deleted = await either.remove(card)

    assert (deleted.status, deleted.body) == (204, b"")
    assert [(await either.read(card)).status, (await either.put(card, body_of(card))).status, (await either.remove(card)).status] == [
        401
    ] * 3
    assert (await either.token(card)).no == (401, "invalid_client")
    assert [(await either.introspect(caller, token)).json for token in tokens] == [{"active": False}] * 2
    assert len(await either.ports.store.clients("", 10)) == 1
    assert [event["body"] for event in await either.told("client_deleted")] == [{"client_id": card["client_id"], "by": "client"}]


@meets("M-39", "M-33")
async def test_of_many_deletions_at_once_one_succeeds(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)
    other = await beside(server, tmp_path)
    card = await server.register()

    replies = await asyncio.gather(*(side.remove(card) for _ in range(5) for side in (server, other)))

    assert sorted(reply.status for reply in replies) == [204] + [401] * 9
    assert len({reply.body for reply in replies if reply.status == 401}) == 1
    assert (await server.kinds()).count("client_deleted") == 1
    for side in (server, other):
        await side.ports.store.close()


@meets("M-39")
async def test_a_deletion_is_not_overtaken_by_a_replacement_under_way(either: World) -> None:
    card = await either.register()

    replies = await asyncio.gather(either.remove(card), *(either.put(card, body_of(card, client_name=f"n{n}")) for n in range(5)))

    assert {reply.status for reply in replies[1:]} <= {200, 401}
    assert replies[0].status == 204
    assert await either.ports.store.clients("", 10) == []


@meets("M-43", "S1-49", "C-16", "S1-50")
async def test_registering_again_gives_another_client_and_takes_nothing_from_the_first(server: World) -> None:
    body: dict[str, object] = {"client_name": "Tea", "software_id": "tea-1", "redirect_uris": [CALLBACK]}
    lost = await server.register(**body)

    again = await server.register(**body)

    assert again["client_id"] != lost["client_id"]
    assert (await server.read(lost)).json == lost
    assert (await server.read(again)).json == again


# ── Records ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-48", "S1-45", "H-22", "M-45", "X-39")
async def test_every_change_is_an_event_and_every_request_a_line_and_neither_holds_a_credential(server: World) -> None:
    card = await server.register()
    await server.read(card)
    new = await server.replaced(card, client_name="B")
    await server.put(new, {})
    await server.read(card, "x")
    await server.remove(new)

    events = [(event.kind, json.loads(event.content)) for event in await server.recorded()][1:]
    requests = [line for line in server.lines if line["event"] == "request"]
    assert [kind for kind, _ in events] == ["client_registered", "client_replaced", "rat_confirmed", "client_deleted"]
    assert events[1][1]["body"] == {"changed": ["client_name"]}
    assert events[1][1]["actor"] == "client"
    assert [(line["method"], line["status"]) for line in requests] == [
        ("POST", 201),
        ("GET", 200),
        ("PUT", 200),
        ("PUT", 400),
        ("GET", 401),
        ("DELETE", 204),
    ]
    assert {content["request_id"] for _, content in events} <= {line["request_id"] for line in requests}
    told = json.dumps([server.lines, events])
    assert not [secret for secret in (rat(card), rat(new), card["client_secret"]) if secret in told]


@meets("H-22")
async def test_repeated_failures_are_summed_into_one_event_a_minute(server: World) -> None:
    first = await server.register()
    second = await server.replaced(first)
    await server.read(second)
    for _ in range(20):
        await server.read(first)
    server.clock.forward(60)

    await server.read(first)

    counts = [event["body"]["count"] for event in await server.told("rat_two_holders")]
    assert counts == [1, 20]


class LosingStore(MemoryStore):
    """A store where somebody else always was faster."""

    async def replace(self, before: Client, after: Client, event: Event | None) -> bool:
        return False

    async def remove(self, client: Client, event: Event, tombstone_until: int) -> bool:
        return False


async def test_who_always_loses_the_race_is_asked_to_try_again(tmp_path: Path) -> None:
    store = LosingStore(chain_key=b"k" * 32, writer=b"losing-1", now=lambda: START)
    server = await world(tmp_path, store, rat_rotation="every_use")
    card = await server.register()

    read, put, deleted = await server.read(card), await server.put(card, body_of(card)), await server.remove(card)

    assert read.no == put.no == (503, "temporarily_unavailable")
    assert read.headers["retry-after"] == "1"
    assert deleted.no == (401, "invalid_token")


class RivalStore(MemoryStore):
    """A store where somebody else was faster, a number of times; each time the row is another one afterwards."""

    losses = 0

    async def replace(self, before: Client, after: Client, event: Event | None) -> bool:
        if not self.losses:
            return await super().replace(before, after, event)
        self.losses -= 1
        now = await self.client(before.key)
        assert now is not None
        return not await super().replace(now, structs.replace(now, epoch=now.epoch + 1), None)


async def rivalry(tmp_path: Path, **settings: str) -> tuple[World, RivalStore]:
    store = RivalStore(chain_key=b"k" * 32, writer=b"rival-01", now=lambda: START)
    return await world(tmp_path, store, **dict[str, Any](settings)), store


@meets("M-06")
@pytest.mark.parametrize("losses, status", [(1, 400), (2, 400), (3, 503)])
async def test_a_token_that_leaked_is_ended_whoever_changes_the_row_meanwhile(tmp_path: Path, losses: int, status: int) -> None:
    server, store = await rivalry(tmp_path, misplaced_rat="revoke")
    card = await server.register()
    store.losses = losses

    reply = await server.call("GET", f"{card['registration_client_uri']}?access_token={rat(card)}")

    assert reply.status == status
    assert (await server.read(card)).status == (200 if status == 503 else 401)
    assert [event["body"] for event in await server.told("rat_misplaced")] == [{"count": 1}]


@meets("H-02")
@pytest.mark.parametrize("losses, status", [(1, 401), (2, 401), (3, 503)])
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_client_with_two_holders_is_frozen_whoever_changes_the_row_meanwhile(
    tmp_path: Path, losses: int, status: int, method: str
) -> None:
    server, store = await rivalry(tmp_path, rat_two_holders="freeze")
    card = await server.register()
    await server.read(await server.replaced(card))
    store.losses = losses

    reply = await (server.read(card) if method == "GET" else server.put(card, body_of(card)))

    assert reply.status == status
    assert (await server.row(card)).state is (State.ACTIVE if status == 503 else State.SUSPENDED)


@meets("M-32")
@pytest.mark.parametrize("losses, status", [(1, 400), (2, 400), (3, 503)])
async def test_a_bad_body_confirms_the_newest_token_whoever_changes_the_row_meanwhile(tmp_path: Path, losses: int, status: int) -> None:
    server, store = await rivalry(tmp_path)
    first = await server.register()
    second = await server.replaced(first)
    store.losses = losses

    reply = await server.put(second, {"client_id": second["client_id"]})

    assert reply.status == status
    assert (await server.read(first)).status == (200 if status == 503 else 401)


class FullStore(MemoryStore):
    """A store whose disk is full."""

    async def replace(self, before: Client, after: Client, event: Event | None) -> bool:
        raise StoreUnavailable("disk full")


@meets("M-32", "M-33")
async def test_a_replacement_that_could_not_be_stored_is_not_acknowledged(tmp_path: Path) -> None:
    server = await world(tmp_path, FullStore(chain_key=b"k" * 32, writer=b"full-one", now=lambda: START))
    card = await server.register()

    reply = await server.put(card, body_of(card, client_name="B"))

    assert reply.no == (503, "temporarily_unavailable")
    assert (await server.read(card)).json == card


@meets("S1-47", "M-17")
async def test_who_lost_its_token_gets_a_new_one_from_the_operator(server: World) -> None:
    card = await server.register()

    new = (await rotate(server.ports, card["client_id"], "tester", at_once=False)).information

    assert (await server.read(card)).status == 401
    assert (await server.read(new, str(new["registration_access_token"]))).status == 200
    assert [event["body"] for event in await server.told("client_rotated")] == [{"by": "tester", "credentials": "all", "now": False}]
