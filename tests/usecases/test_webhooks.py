"""Whoever wants to know is told: in order, at least once, signed, and no longer than makes sense (Standard Webhooks 1.0.0; M-57)."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from calling_card.fetch.https import HttpsFetcher, Outward
from calling_card.jobs.prune import one_turn
from calling_card.jobs.webhooks import Busy, keep_delivering, one_round
from calling_card.ports import StoreUnavailable
from calling_card.protocol.abroad.fetching import Posted, Purpose, Why
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.life.webhooks import OVERLAP, PATIENCE, Webhook
from calling_card.usecases import webhooks as use_case
from calling_card.usecases.approve import Verdict, approve
from calling_card.usecases.operate import delete, resume, suspend
from calling_card.usecases.webhooks import TURN, WINDOW, add, deliver, deliver_all, due, ping, remove, rotate, show, webhooks
from tests.ledger import meets
from tests.strangers import Brought, Strangers
from tests.visitor import person_client, somebody, tokens
from tests.world import World, beside, changed, world

DAY = 86400
URL = "https://hooks.example/clients?key=k"
OK, NO = Posted(204, b""), Posted(500, b"down")


@pytest.fixture(params=["memory", "sqlite"])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    made = await world(tmp_path, sqlite=request.param == "sqlite")
    made.strangers.receivers[URL] = OK
    return made


@pytest.fixture
async def small(tmp_path: Path) -> World:
    made = await world(tmp_path)
    made.strangers.receivers[URL] = OK
    return made


async def listening(server: World, *types: str, url: str = URL) -> tuple[str, str]:
    """Id and secret of a new webhook."""
    added = await add(server.ports, url, types, "", "olga")
    return str(added.webhook["id"]), added.secret


async def sent(server: World) -> Sequence[dict[str, Any]]:
    """One pass; what it says of the webhooks that were due."""
    return list(await deliver_all(server.ports, lambda webhook: None))


def said(server: World) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in server.strangers.brought]


def complaints(server: World) -> list[dict[str, object]]:
    """Log lines that are not about requests."""
    return [line for line in server.lines if line["event"] != "request"]


def kinds_said(server: World) -> list[str]:
    return [message["type"] for message in said(server)]


def holds(secret: str, headers: Mapping[str, str], body: bytes) -> list[bool]:
    """For each signature whether it holds: written from the specification, with nothing of ours."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    right = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return [one == f"v1,{right}" for one in headers["webhook-signature"].split(" ")]


# ── What is told ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_life_of_a_client_is_told_in_its_order(server: World) -> None:
    id, secret = await listening(server)
    card = await server.register(client_name="Notes", contacts=["ann@example.org"])
    await server.replaced(card, client_name="Notes 2")
    await suspend(server.ports, card["client_id"], "op")
    await resume(server.ports, card["client_id"], "op")
    await delete(server.ports, card["client_id"], "op")

    (row,) = await sent(server)

    assert kinds_said(server) == ["client.registered", *["client.changed"] * 3, "client.deleted"]
    assert [message["data"]["event"] for message in said(server)][1:4] == ["client_replaced", "client_suspended", "client_resumed"]
    assert [said(server)[place]["data"]["client_id"] for place in (0, -1)] == [card["client_id"]] * 2
    assert len({one.headers["webhook-id"] for one in server.strangers.brought}) == 5
    assert all(holds(secret, one.headers, one.body) == [True] for one in server.strangers.brought)
    assert (row["id"], row["delivered"], row["answer"], row["state"]) == (id, 5, "status 204", "active")
    assert "ann@example.org" not in str(server.strangers.brought)
    assert "olga" not in str(server.strangers.brought)


async def test_a_message_says_when_it_happened_and_the_header_when_it_was_sent(server: World) -> None:
    await listening(server)
    await server.register()
    server.clock.forward(100)

    await sent(server)

    assert said(server)[0]["timestamp"] == "2027-01-15T08:00:00Z"
    assert server.strangers.brought[0].headers["webhook-timestamp"] == str(server.clock())


async def test_what_was_before_is_not_told_and_nothing_twice(server: World) -> None:
    await server.register()
    await listening(server)

    nothing = await sent(server)
    await server.register()
    once = await sent(server)
    again = await sent(server)

    assert (nothing, len(once), again) == ([], 1, [])
    assert kinds_said(server) == ["client.registered"]


async def test_a_webhook_hears_the_types_that_it_asked_for(server: World) -> None:
    await listening(server, "client.deleted")
    card = await server.register()
    await server.remove(card)

    await sent(server)

    assert kinds_said(server) == ["client.deleted"]


async def test_a_client_that_waits_for_approval_is_told_of(server: World) -> None:
    await listening(server, "client.approval_wanted")
    card = await server.register(client_name="Notes")
    row = await server.row(card)
    await server.ports.store.record(Event("client_replaced", server.clock(), row.key, "client", body={"held": True, "changed": []}))

    await sent(server)

    (message,) = said(server)
    assert (message["type"], message["data"]["client_name"]) == ("client.approval_wanted", "Notes")


async def test_a_client_that_is_held_at_its_registration_is_told_of_and_so_is_its_approval(tmp_path: Path) -> None:
    server = await world(tmp_path, hold=("anonymous",))
    server.strangers.receivers[URL] = OK
    await listening(server)
    card = await server.register(client_name="Notes")
    await approve(server.ports, Verdict(card["client_id"], "olga", "looks good"))

    await sent(server)

    assert kinds_said(server) == ["client.registered", "client.approval_wanted", "client.changed"]
    assert [said(server)[1]["data"][name] for name in ("client_id", "client_name")] == [card["client_id"], "Notes"]
    assert [said(server)[2]["data"][name] for name in ("event", "note")] == ["client_approved", "looks good"]


async def test_of_one_event_both_messages_are_sent_or_both_again(server: World) -> None:
    await listening(server)
    row = await server.row(await server.register())
    await sent(server)
    await server.ports.store.record(Event("client_replaced", server.clock(), row.key, "client", body={"held": True}))
    server.strangers.brought.clear()
    answers = iter([OK, NO, OK, OK])
    server.ports = replace(server.ports, fetcher=Moody(server.clock, server.strangers, answers))

    await sent(server)
    server.clock.forward(5)
    await sent(server)

    assert kinds_said(server) == ["client.changed", "client.approval_wanted"] * 2
    assert [one.headers["webhook-id"] for one in server.strangers.brought[:2]] == [
        one.headers["webhook-id"] for one in server.strangers.brought[2:]
    ]


class Moody(Strangers):
    """Answers one after the other."""

    def __init__(self, now: Callable[[], int], whom: Strangers, answers: Iterator[Posted]) -> None:
        super().__init__(now, brought=whom.brought)
        self.answers = answers

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], purpose: Purpose) -> Posted:
        self.brought.append(Brought(url, body, headers))
        return next(self.answers)


# ── When it is not taken ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("answer", [NO, Posted(302, b""), Posted(404, b""), Posted(199, b""), Why.SLOW, Why.UNREACHABLE, Why.ADDRESS])
async def test_what_is_not_taken_is_sent_again_under_the_same_id_before_anything_else(small: World, answer: Posted | Why) -> None:
    _, secret = await listening(small)
    await small.register(client_name="first")
    await small.register(client_name="second")
    small.strangers.receivers[URL] = answer
    (row,) = await sent(small)
    early = await sent(small)
    small.strangers.receivers[URL] = OK
    small.clock.forward(5)
    before = [one.headers["webhook-id"] for one in small.strangers.brought]

    (after,) = await sent(small)

    assert (row["failures"], row["retry_at"], early) == (1, small.clock(), [])
    assert (after["failures"], after["delivered"]) == (0, 2)
    brought = small.strangers.brought[len(before) :]
    assert [json.loads(one.body)["data"]["client_name"] for one in brought] == ["first", "second"]
    assert before in ([], [brought[0].headers["webhook-id"]])
    assert [line["event"] for line in complaints(small)] == ["webhook_failed"]
    assert "key=k" not in str(small.lines)
    assert secret not in str(small.lines)


@pytest.mark.parametrize("status, pause", [(429, 90), (503, 90), (500, 5)])
async def test_a_receiver_that_is_busy_says_for_how_long(small: World, status: int, pause: int) -> None:
    await listening(small)
    await small.register()
    small.strangers.receivers[URL] = Posted(status, b"", 90)

    (row,) = await sent(small)

    assert row["retry_at"] == small.clock() + pause


async def test_a_receiver_that_is_gone_gets_nothing_more(server: World) -> None:
    id, _ = await listening(server)
    await server.register()
    await server.register()
    server.strangers.receivers[URL] = Posted(410, b"")

    (row,) = await sent(server)
    await server.register()
    server.clock.forward(DAY)

    assert (row["state"], row["dropped"], await due(server.ports)) == ("gone", 2, [])
    assert len(server.strangers.brought) == 1
    (told,) = await server.told("webhook_stopped")
    assert told["body"] == {"id": id, "host": "hooks.example", "why": "gone", "dropped": 2}
    assert {
        "event": "webhook_stopped",
        "level": "error",
        "webhook": id,
        "host": "hooks.example",
        "why": "gone",
        "dropped": 2,
    } in server.lines


async def test_after_three_days_a_webhook_is_failing_and_what_waited_is_dropped_with_a_count(server: World) -> None:
    await listening(server)
    for _ in range(3):
        await server.register()
    server.strangers.receivers[URL] = NO
    end = server.clock() + PATIENCE
    while server.clock() < end:
        (row,) = await sent(server)
        assert row["state"] == "active"
        server.clock.forward(row["retry_at"] - server.clock())

    (row,) = await sent(server)

    assert (row["state"], row["dropped"], row["answer"]) == ("failing", 3, "status 500")
    assert (await webhooks(server.ports))[0]["dropped"] == 3
    assert (await server.told("webhook_stopped"))[0]["body"]["why"] == "failing"
    server.clock.forward(DAY)
    await server.register()
    assert await sent(server) == []


async def test_a_ping_that_is_taken_lets_a_failing_webhook_go_on_from_there(server: World) -> None:
    id, secret = await listening(server)
    await server.register()
    server.strangers.receivers[URL] = Posted(410, b"")
    await sent(server)
    await server.register(client_name="missed")
    refused = await ping(server.ports, id, "olga")
    server.strangers.receivers[URL] = Posted(200, b"welcome\n\x1b back")
    server.strangers.brought.clear()

    pinged = await ping(server.ports, id, "olga")
    await server.register(client_name="new")
    await sent(server)

    assert (refused.outcome.taken, refused.webhook["state"]) == (False, "gone")
    assert (pinged.outcome.status, pinged.outcome.text) == (200, "welcome?? back")
    assert (pinged.webhook["state"], pinged.webhook["dropped"]) == ("active", 2)
    assert kinds_said(server) == ["ping", "client.registered"]
    assert said(server)[0]["data"] == {"webhook": id, "issuer": "https://as.example"}
    assert said(server)[1]["data"]["client_name"] == "new"
    assert holds(secret, server.strangers.brought[0].headers, server.strangers.brought[0].body) == [True]
    assert (await server.told("webhook_resumed"))[0]["body"] == {"id": id, "host": "hooks.example", "dropped": 1, "by": "olga"}


async def test_a_ping_to_nobody_says_why(small: World) -> None:
    id, _ = await listening(small, url="https://nobody.example/")

    pinged = await ping(small.ports, id, "olga")

    assert (pinged.outcome.taken, pinged.outcome.status, pinged.outcome.said) == (False, 0, "unreachable: as the test says")


async def test_one_slow_receiver_holds_up_nobody_else(small: World) -> None:
    await listening(small, url="https://slow.example/")
    await listening(small)
    await small.register()
    small.strangers.receivers["https://slow.example/"] = OK
    stuck, quick = asyncio.Event(), asyncio.Event()
    post = small.strangers.post

    async def slowly(url: str, body: bytes, headers: Mapping[str, str], purpose: Purpose) -> Posted:
        await (stuck.wait() if "slow" in url else asyncio.sleep(0))
        answer = await post(url, body, headers, purpose)
        quick.set()
        return answer

    small.strangers.post = slowly  # type: ignore[method-assign] # as slow as it says
    busy = Busy()
    await one_round(small.ports, b"h" * 8, busy)
    await asyncio.wait_for(quick.wait(), 10)
    await one_round(small.ports, b"h" * 8, busy)

    assert [one.url for one in small.strangers.brought] == [URL]
    waiting = list(busy.values())
    stuck.set()
    await asyncio.gather(*waiting)
    await asyncio.sleep(0)
    assert busy == {}
    assert len(small.strangers.brought) == 2


# ── Dying, and two at once ───────────────────────────────────────────────────────────────────────────────────────────


async def test_who_dies_between_the_answer_and_the_bookmark_leaves_it_to_be_sent_again_under_the_same_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await world(tmp_path, sqlite=True)
    there = await beside(here, tmp_path)
    here.strangers.receivers[URL] = there.strangers.receivers[URL] = OK
    await listening(here)
    await here.register()

    async def dies(before: Webhook, after: Webhook, event: Event | None = None) -> bool:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(here.ports.store, "change_webhook", dies)
    with pytest.raises(StoreUnavailable):
        await sent(here)
    held = await sent(there)
    there.clock.forward(TURN)
    (row,) = await sent(there)

    assert (held[0]["delivered"], row["delivered"]) == (0, 1)
    (first,), (second,) = here.strangers.brought, there.strangers.brought
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


async def test_of_two_processes_one_sends(tmp_path: Path) -> None:
    here = await world(tmp_path, sqlite=True)
    there = await beside(here, tmp_path)
    here.strangers.receivers[URL] = there.strangers.receivers[URL] = OK
    await listening(here)
    for number in range(20):
        await (here if number % 2 else there).register()

    await asyncio.gather(sent(here), sent(there))

    assert sorted([len(here.strangers.brought), len(there.strangers.brought)]) == [0, 20]


async def test_who_lost_the_turn_to_another_process_sends_no_more(small: World) -> None:
    id, _ = await listening(small)
    await small.register()
    await small.register()

    async for _ in deliver(small.ports, bytes.fromhex(id), b"h" * 8):
        small.clock.forward(TURN)
        assert await small.ports.store.lease(f"webhook {id}", b"other", small.clock() + TURN, small.clock())

    assert len(small.strangers.brought) == 1


async def test_a_webhook_that_was_removed_on_the_way_gets_nothing_more(small: World) -> None:
    id, _ = await listening(small)
    await small.register()
    await small.register()

    post = small.strangers.post

    async def meanwhile(url: str, body: bytes, headers: Mapping[str, str], purpose: Purpose) -> Posted:
        await remove(small.ports, id, "olga")
        return await post(url, body, headers, purpose)

    small.strangers.post = meanwhile  # type: ignore[method-assign] # as slow as somebody who removes it

    assert await sent(small) == []
    assert len(small.strangers.brought) == 1


async def test_one_that_is_removed_while_its_receiver_says_no_is_gone(small: World) -> None:
    id, _ = await listening(small)
    await small.register()

    async def post(url: str, body: bytes, headers: Mapping[str, str], purpose: Purpose) -> Posted:
        await remove(small.ports, id, "olga")
        return NO

    small.strangers.post = post  # type: ignore[method-assign] # removes what it answers to

    assert await sent(small) == []


async def test_a_rotation_in_between_is_not_lost(small: World) -> None:
    id, _ = await listening(small)
    await small.register()
    post = small.strangers.post

    async def meanwhile(url: str, body: bytes, headers: Mapping[str, str], purpose: Purpose) -> Posted:
        await rotate(small.ports, id, "olga")
        return await post(url, body, headers, purpose)

    small.strangers.post = meanwhile  # type: ignore[method-assign] # as slow as a rotation

    (row,) = await sent(small)

    found = await small.ports.store.webhook(bytes.fromhex(id))
    assert found is not None
    assert (row["delivered"], found.generation) == (1, 2)


async def test_whom_others_outrun_each_time_says_so(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    id, _ = await listening(small)

    async def never(before: Webhook, after: Webhook, event: Event | None = None) -> bool:
        return False

    monkeypatch.setattr(small.ports.store, "change_webhook", never)

    with pytest.raises(Refusal) as refused:
        await rotate(small.ports, id, "olga")

    assert (refused.value.no, refused.value.description) == (No.UNAVAILABLE, "the webhook is being changed by others; try again")


async def test_events_that_are_none_of_its_business_are_passed_by_in_steps(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_case, "WINDOW", 10)
    await listening(server, "client.deleted")
    before = (await server.ports.store.webhooks())[0].told
    for _ in range(9):
        await server.register()
    few = await due(server.ports)
    for _ in range(26):
        await server.register()

    await sent(server)

    (hook,) = await server.ports.store.webhooks()
    assert (few, hook.told != before, server.strangers.brought) == ([], True, [])
    assert await due(server.ports) == []
    assert WINDOW == 500


# ── Who is told ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_webhook_is_shown_without_its_secret_and_its_address_stays_out_of_the_audit(server: World) -> None:
    id, secret = await listening(server, "client.changed", "client.changed")

    row = await show(server.ports, id)

    assert (row["url"], row["types"], row["state"], row["owner"]) == (URL, ["client.changed"], "active", "olga")
    assert list(await webhooks(server.ports)) == [row]
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert secret not in str(row)
    everything = str([event.content for event in await server.recorded()])
    assert "key=k" not in everything
    assert (await server.told("webhook_added"))[0]["body"] == {
        "id": id,
        "host": "hooks.example",
        "types": ["client.changed"],
        "label": "",
        "by": "olga",
    }


@meets("X-01", "X-03", "X-04")
@pytest.mark.parametrize(
    "url, why",
    [
        ("http://hooks.example/", "must begin with https://"),
        ("ftp://hooks.example/", "must begin with https://"),
        ("https://hooks.example/#x", "must have neither a wildcard nor a fragment"),
        ("https://127.0.0.1/", "has a host of this machine"),
        ("https://as.example/register", "leads to this server itself"),
    ],
)
async def test_nothing_is_sent_to_an_address_that_nothing_is_fetched_from(small: World, url: str, why: str) -> None:
    with pytest.raises(Refusal) as refused:
        await add(small.ports, url, (), "", "olga")

    assert (refused.value.no, refused.value.description) == (No.INVALID_REQUEST, f"url: {why}")
    assert await webhooks(small.ports) == []


@meets("X-04")
@pytest.mark.parametrize(
    "url", ["https://u:p@hooks.example/", "https://u@hooks.example/", "https://10.0.0.1/", "https://hooks.example:22/", "x"]
)
async def test_an_address_with_a_user_an_inner_host_or_an_odd_port_is_refused(small: World, url: str) -> None:
    with pytest.raises(Refusal) as refused:
        await add(small.ports, url, (), "", "olga")

    assert refused.value.description.startswith("url: ")
    assert "u:p" not in refused.value.description


@pytest.mark.parametrize(
    "types, label, why",
    [
        (("client.born",), "", "type: there is no client.born; there are client.registered, client.changed, "),
        (("ping",), "", "type: there is no ping; "),
        ((), "a\nb", "label: must be at most 200 printable characters, in one line"),
        ((), "x" * 201, "label: must be at most 200 printable characters, in one line"),
    ],
)
async def test_half_a_wish_is_refused(small: World, types: tuple[str, ...], label: str, why: str) -> None:
    with pytest.raises(Refusal) as refused:
        await add(small.ports, URL, types, label, "olga")

    assert refused.value.no is No.INVALID_REQUEST
    assert refused.value.description.startswith(why)


@pytest.mark.parametrize("id", ["", "x", "0" * 32])
async def test_a_webhook_that_is_not_there_is_named(small: World, id: str) -> None:
    for work in (show(small.ports, id), rotate(small.ports, id, "o"), remove(small.ports, id, "o"), ping(small.ports, id, "o")):
        with pytest.raises(Refusal) as refused:
            await work
        assert (refused.value.no, refused.value.description) == (No.NOT_FOUND, f"there is no webhook {id}; see calling-card webhook list")


async def test_a_webhook_that_goes_while_it_is_rotated_is_not_there(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    id, _ = await listening(small)
    change = small.ports.store.change_webhook

    async def removed(before: Webhook, after: Webhook, event: Event | None = None) -> bool:
        await remove(small.ports, id, "olga")
        return await change(before, after, event)

    monkeypatch.setattr(small.ports.store, "change_webhook", removed)

    with pytest.raises(Refusal) as refused:
        await rotate(small.ports, id, "olga")

    assert refused.value.no is No.NOT_FOUND


async def test_for_a_day_after_a_rotation_the_old_secret_is_still_good(server: World) -> None:
    id, old = await listening(server)
    new = (await rotate(server.ports, id, "olga")).secret
    await server.register()
    await sent(server)
    server.clock.forward(OVERLAP)
    await server.register()
    await sent(server)

    first, second = server.strangers.brought
    assert old != new
    assert (holds(new, first.headers, first.body), holds(old, first.headers, first.body)) == ([True, False], [False, True])
    assert (holds(new, second.headers, second.body), holds(old, second.headers, second.body)) == ([True], [False])
    assert (await server.told("webhook_rotated"))[0]["body"] == {"id": id, "host": "hooks.example", "by": "olga"}


def no_secrets(*_: object) -> Sequence[bytes]:
    return ()


def no_secret(*_: object) -> None:
    return None


async def test_without_its_key_nothing_is_sent_unsigned(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    id, _ = await listening(small)
    await small.register()
    monkeypatch.setattr(use_case, "secrets_of", no_secrets)

    (row,) = await sent(small)

    assert (row["answer"], small.strangers.brought) == ("its signing secret was made with a key that is gone; rotate it", [])
    monkeypatch.setattr(use_case, "secret", no_secret)
    with pytest.raises(LookupError):
        await rotate(small.ports, id, "olga")


# ── By itself ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_server_tells_by_itself_and_outlives_a_store_that_is_not_there(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    done, find = asyncio.Event(), server.ports.store.webhooks
    await listening(server)
    await server.register()
    post = server.strangers.post

    async def once_broken() -> Sequence[Webhook]:
        if not complaints(server):
            raise StoreUnavailable("locked")
        return await find()

    async def telling(url: str, body: bytes, headers: Mapping[str, str], purpose: Purpose) -> Posted:
        done.set()
        return await post(url, body, headers, purpose)

    monkeypatch.setattr(server.ports.store, "webhooks", once_broken)
    monkeypatch.setattr(server.strangers, "post", telling)
    loop = asyncio.create_task(keep_delivering(server.ports, every=0.001))
    await asyncio.wait_for(done.wait(), 10)
    loop.cancel()

    with pytest.raises(asyncio.CancelledError):
        await loop
    assert complaints(server)[0] == {"event": "not_delivered", "level": "error", "cause": "StoreUnavailable: locked"}


async def test_a_store_that_stays_away_is_asked_less_and_less_often(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def away() -> Sequence[Webhook]:
        raise StoreUnavailable("locked")

    async def slept(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            monkeypatch.setattr(small.ports.store, "webhooks", find)
        if len(pauses) == 10:
            raise asyncio.CancelledError

    find = small.ports.store.webhooks
    monkeypatch.setattr(small.ports.store, "webhooks", away)
    monkeypatch.setattr(asyncio, "sleep", slept)

    with pytest.raises(asyncio.CancelledError):
        await keep_delivering(small.ports)

    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 2.0, 2.0]
    assert len(complaints(small)) == 7


async def test_a_delivery_that_breaks_is_said_and_tried_again_after_a_rest(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    id, _ = await listening(small)
    await small.register()

    async def breaks(name: str, holder: bytes, until: int, now: int) -> bool:
        raise StoreUnavailable("full")

    busy = Busy()
    with monkeypatch.context() as broken:
        broken.setattr(small.ports.store, "lease", breaks)
        for _ in range(3):
            await one_round(small.ports, b"h" * 8, busy)
            await asyncio.wait([*busy.values()], timeout=0.01)
    (resting,) = busy.values()
    resting.cancel()
    await asyncio.wait([resting])
    await one_round(small.ports, b"h" * 8, busy)
    await asyncio.gather(*busy.values())

    assert complaints(small) == [{"event": "not_delivered", "level": "error", "webhook": id, "cause": "StoreUnavailable: full"}]
    assert len(small.strangers.brought) == 1


async def test_who_is_stopped_on_the_way_leaves_nobody_waiting(small: World) -> None:
    await listening(small)
    await small.register()
    there, ended = asyncio.Event(), asyncio.Event()

    async def stuck(url: str, body: bytes, headers: Mapping[str, str], purpose: Purpose) -> Posted:
        there.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    small.strangers.post = stuck  # type: ignore[method-assign] # never answers
    loop = asyncio.create_task(keep_delivering(small.ports, every=0.001))
    await asyncio.wait_for(there.wait(), 10)
    loop.cancel()

    await asyncio.wait_for(ended.wait(), 10)
    with pytest.raises(asyncio.CancelledError):
        await loop


# ── Warnings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def quiet(tmp_path: Path) -> World:
    """A server that prunes every class, and a machine that was used and has contacts."""
    server = await world(tmp_path, prune="all")
    server.strangers.receivers[URL] = OK
    await server.token(await server.machine(client_name="Robot", contacts=["ann@example.org"]))
    return server


@meets("M-57", "S4-05")
async def test_a_week_before_an_idle_client_is_pruned_those_who_listen_are_told_once(tmp_path: Path) -> None:
    server = await quiet(tmp_path)
    await listening(server, "client.prune_warning", "client.deleted")
    told = list[int]()
    for _ in range(95):
        server.clock.forward(DAY)
        await one_turn(server.ports)
        await sent(server)
        told.append(len(server.strangers.brought))

    first, second = said(server)
    assert (first["type"], second["type"]) == ("client.prune_warning", "client.deleted")
    data = first["data"]
    assert (data["reason"], data["client_name"], data["contacts"]) == ("idle", "Robot", ["ann@example.org"])
    assert second["data"]["client_id"] == data["client_id"]
    days = (told.index(2) - told.index(1), told.count(0))
    assert days == (7, 82)
    assert [line["warned"] for line in server.lines if "warned" in line] == [1]
    assert "ann@example.org" not in str([event.content for event in await server.recorded() if event.kind == "prune_warned"])


@meets("M-57")
async def test_a_client_that_is_used_after_the_warning_stays_and_is_warned_of_again_in_time(tmp_path: Path) -> None:
    server = await world(tmp_path, prune="all")
    server.strangers.receivers[URL] = OK
    await listening(server, "client.prune_warning")
    card = await server.machine()
    for day in range(170):
        server.clock.forward(DAY)
        if day == 86:
            await server.token(card)
        await one_turn(server.ports)
    await sent(server)

    assert [message["data"]["client_id"] for message in said(server)] == [card["client_id"]]
    for _ in range(10):
        server.clock.forward(DAY)
        await one_turn(server.ports)
    assert (await server.kinds()).count("prune_warned") == 2


@pytest.mark.parametrize("settings", [{"prune_warn_days": 0}, {"prune": "never_approved"}, {"prune": "off"}])
async def test_where_nobody_is_pruned_or_warned_nothing_is_written(tmp_path: Path, settings: dict[str, Any]) -> None:
    every: dict[str, Any] = {"prune": "all", **settings}
    server = await world(tmp_path, **every)
    await listening(server)
    await server.machine()
    for _ in range(89):
        server.clock.forward(DAY)
        await one_turn(server.ports)

    assert "prune_warned" not in await server.kinds()


async def test_where_nobody_listens_nothing_is_written(tmp_path: Path) -> None:
    server = await quiet(tmp_path)
    await listening(server, "client.deleted")
    for _ in range(89):
        server.clock.forward(DAY)
        await one_turn(server.ports)

    assert "prune_warned" not in await server.kinds()


async def test_nobody_is_told_of_strangers_who_will_be_pruned_before_anybody_knew_them(tmp_path: Path) -> None:
    server = await world(tmp_path, prune="all", prune_never_used_hours=240)
    await listening(server)
    await person_client(server)
    for _ in range(15):
        server.clock.forward(DAY)
        await one_turn(server.ports)

    assert {"prune_warned", "client_pruned"} & set(await server.kinds()) == {"client_pruned"}


@meets("M-57")
async def test_a_client_may_be_told_from_when_on_it_may_be_pruned(server: World) -> None:
    with changed(server, registration_expires_at=True, prune="all"):
        machine = await server.machine()
        read = (await server.read(machine)).json
        replaced = await server.replaced(machine)
        stranger = await person_client(server)
        young = (await server.read(stranger)).json

        await somebody(server)
        known = await person_client(server)
        await tokens(server, known)
        kept = (await server.read(known)).json

    assert (
        read["registration_expires_at"] == replaced["registration_expires_at"] == (server.clock() // DAY) * DAY + 90 * DAY + _rest(server)
    )
    assert young["registration_expires_at"] == server.clock() + DAY
    assert "registration_expires_at" not in kept
    assert "registration_expires_at" not in (await server.read(machine)).json


def _rest(server: World) -> int:
    """A client that was not used after the day of its birth is quiet since its birth."""
    return server.clock() % DAY


# ── A receiver that is one ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Receiver:
    """A program of somebody else's on this machine: HTTP by hand, and the check of the specification."""

    secret: str = ""
    answers: list[int] = field(default_factory=list[int])
    """Statuses, one after the other; then 204."""
    good: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    bad: int = 0
    port: int = 0

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        status = self.answers.pop(0) if self.answers else 204
        if not any(holds(self.secret, headers, body)):
            status, self.bad = 401, self.bad + 1
        elif status < 300:
            self.good.append({"id": headers["webhook-id"], **json.loads(body)})
        writer.write(f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver]:
    made = Receiver()
    server = await asyncio.start_server(made.meet, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


async def test_a_real_receiver_gets_every_message_once_and_finds_every_signature_right(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True, issuer="http://127.0.0.1:8000", dev=True)
    outward = Outward("calling-card/0", loopback=True, own_host=server.ports.settings.issuer)
    server.ports = replace(server.ports, fetcher=HttpsFetcher(outward, server.clock, server.clock, least=0))
    async with receiving() as receiver:
        receiver.answers = [204, 500, 204, 302, 503]
        added = await add(server.ports, f"http://127.0.0.1:{receiver.port}/hook", (), "", "olga")
        receiver.secret = added.secret
        for number in range(4):
            await server.register(client_name=f"n{number}")
        for _ in range(4):
            await sent(server)
            server.clock.forward(600)

    assert [message["data"]["client_name"] for message in receiver.good] == ["n0", "n1", "n2", "n3"]
    assert len({message["id"] for message in receiver.good}) == 4
    assert receiver.bad == 0
