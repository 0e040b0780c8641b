"""Floods: who waits for whom, what is kept of a crowd, and what is written about it (H-11, R-93, M-47, X-33, X-57)."""

import io
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from calling_card.logs import Log
from calling_card.protocol.life.budgets import CAUSES
from calling_card.settings import Settings, check, complete
from calling_card.store.budget import GcraBudget, GcraBudgets
from calling_card.usecases.clients import read_now
from calling_card.web.app import App
from calling_card.wiring import limit, opened, sum_up
from tests.addresses import URL, document, publish
from tests.ledger import meets
from tests.statements import Directory, trusting
from tests.usecases.test_associate import associated, update
from tests.usecases.test_register_delegated import SETTINGS, machine_token
from tests.visitor import Browser, somebody, tokens
from tests.world import CALLBACK, Reply, World, body_of, world

CLAUDE: dict[str, Any] = {"redirect_uris": ["https://claude.ai/api/mcp/auth_callback"], "software_id": "claude"}
WIDE = 2**20


@dataclass
class Ticks:
    """Seconds that pass when told."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def by(server: World, ticks: Ticks) -> World:
    """The same server, whose budgets fill again when told."""
    settings = server.ports.settings
    budgets = GcraBudgets({cause.name: GcraBudget(*limit(settings, cause), ticks) for cause in CAUSES})
    server.ports = replace(server.ports, budgets=budgets)
    server.app = App(server.ports)
    return server


async def sent(server: World, token: str | None = None, /, source: str = "198.51.100.7", **members: object) -> Reply:
    """A registration from some network."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    return await server.call("POST", "/register", json.dumps({"redirect_uris": [CALLBACK], **members}).encode(), headers, source)


# ── Each cause for itself ────────────────────────────────────────────────────────────────────────────────────────────

RATES = ("registration_rate", "registration_burst", "network_rate", "host_rate", "software_rate")


def only(**tight: object) -> dict[str, Any]:
    """Settings that limit nothing but this."""
    return dict.fromkeys(RATES, WIDE) | tight


INVITED = "try again later, or register with an initial access token"


@meets("H-11", "R-93", "X-105")
@pytest.mark.parametrize(
    "tight, one, other, why",
    [
        ({"registration_rate": 2, "registration_burst": 2}, {}, None, "registrations without an initial access token"),
        ({"network_rate": 2}, {}, {"source": "203.0.113.9"}, "registrations from one network"),
        ({"network_rate": 2}, {"source": "2001:db8::1"}, {"source": "2001:db8:0:1::1"}, "registrations from one network"),
        ({"host_rate": 2}, {}, {"redirect_uris": ["https://other.example/cb"]}, "registrations for one redirect host"),
        ({"software_rate": 2}, {"software_id": "a"}, {"software_id": "b"}, "registrations with one software_id"),
    ],
    ids=["strangers", "network", "network of IPv6", "redirect host", "software_id"],
)
async def test_strangers_wait_for_what_they_have_in_common(
    tmp_path: Path, tight: dict[str, Any], one: dict[str, Any], other: dict[str, Any] | None, why: str
) -> None:
    server = by(await world(tmp_path, **only(**tight)), Ticks())

    replies = [await sent(server, **one) for _ in range(4)]
    elsewhere = None if other is None else await sent(server, **other)

    assert [reply.status for reply in replies] == [201, 201, 429, 429]
    assert replies[2].no == (429, "temporarily_unavailable")
    assert replies[2].why == f"too many {why}; {INVITED}"
    assert 0 < int(replies[2].headers["retry-after"]) <= 31
    assert elsewhere is None or elsewhere.status == 201


@meets("R-93")
async def test_addresses_of_one_network_of_ipv6_are_one(tmp_path: Path) -> None:
    server = by(await world(tmp_path, **only(network_rate=2)), Ticks())

    replies = [await sent(server, source=f"2001:db8::{number:x}") for number in range(1, 4)]

    assert [reply.status for reply in replies] == [201, 201, 429]


@meets("H-11")
async def test_callbacks_that_end_on_the_device_have_no_host_to_share(tmp_path: Path) -> None:
    server = by(await world(tmp_path, **only(host_rate=1)), Ticks())

    replies = [
        await sent(server, application_type="native", redirect_uris=["http://127.0.0.1:9000/cb", "com.example.app:/cb"]) for _ in range(20)
    ]

    assert {reply.status for reply in replies} == {201}


@meets("H-11")
async def test_a_refused_registration_uses_up_nothing(tmp_path: Path) -> None:
    server = by(await world(tmp_path, **only(registration_rate=3, registration_burst=3, host_rate=1)), Ticks())
    await sent(server)

    refused = [(await sent(server)).status for _ in range(50)]
    bad = [(await sent(server, redirect_uris=["nothing"])).status for _ in range(50)]
    others = [(await sent(server, redirect_uris=[f"https://a{number}.example/cb"])).status for number in range(3)]

    assert (set(refused), set(bad), others) == ({429}, {400}, [201, 201, 429])


@meets("R-93")
async def test_whoever_waits_as_told_comes_in(tmp_path: Path) -> None:
    ticks = Ticks()
    server = by(await world(tmp_path, **only(network_rate=6, host_rate=3)), ticks)

    for _ in range(20):
        reply = await sent(server)
        if reply.status == 429:
            ticks.now += int(reply.headers["retry-after"])
            reply = await sent(server)
        assert reply.status == 201


@meets("R-93")
async def test_no_rate_for_all_strangers_is_no_rate_for_some_of_them(tmp_path: Path) -> None:
    server = by(await world(tmp_path, registration_rate=0, network_rate=1, host_rate=1, software_rate=1), Ticks())

    assert {(await sent(server, software_id="a")).status for _ in range(20)} == {201}


async def test_every_door_of_registration_draws_on_the_same_budgets(tmp_path: Path) -> None:
    server = by(await world(tmp_path, **only(network_rate=3)), Ticks())
    form = {"type": "client_associate", "redirect_url": CALLBACK}
    app = {"client_name": "App", "redirect_uris": CALLBACK}

    replies = [await server.register(), await server.post_form("/register", form), await server.post_form("/api/v1/apps", app)]
    late = [await sent(server), await server.post_form("/register", form), await server.post_form("/api/v1/apps", app)]

    assert [reply.status for reply in replies[1:] if isinstance(reply, Reply)] == [200, 200]
    assert {reply.no for reply in late} == {(429, "temporarily_unavailable")}


@meets("H-11", "R-93")
async def test_an_initial_access_token_has_a_budget_beside_its_uses(tmp_path: Path) -> None:
    server = by(await world(tmp_path, invitation_rate=2), Ticks())
    one, other = await server.invitation(uses=9), await server.invitation(uses=9)

    replies = [await sent(server, one) for _ in range(3)]

    assert [reply.status for reply in replies] == [201, 201, 429]
    assert replies[2].why == "too many registrations with one initial access token; try again later"
    assert (await sent(server, other)).status == 201


@meets("H-11")
async def test_one_software_does_not_use_up_the_budget_of_its_issuer(tmp_path: Path) -> None:
    server = by(await trusting(tmp_path, **only(software_rate=1)), Ticks())
    directory = Directory()

    tea = [await sent(server, software_statement=directory.states(software_id="tea")) for _ in range(2)]
    coffee = await sent(server, software_statement=directory.states(software_id="coffee"))

    assert ([reply.status for reply in tea], coffee.status) == ([201, 429], 201)
    assert tea[1].why == "too many registrations with statements about one software; try again later"


# ── Whoever has a credential waits for no stranger ───────────────────────────────────────────────────────────────────

FULL: dict[str, Any] = {"never_used_limit": 6}
TIGHT: dict[str, dict[str, Any]] = {
    "strangers": {"registration_rate": 3, "registration_burst": 3},
    "network": {"network_rate": 3},
    "redirect_host": {"host_rate": 3},
    "software_id": {"software_rate": 3},
    "no room": FULL,
    "all": {"registration_rate": 3, "registration_burst": 3, "network_rate": 3, "host_rate": 3, "software_rate": 3, **FULL},
}


@dataclass
class Callers:
    """Those who have a credential, from before the flood."""

    server: World
    directory: Directory
    invitation: str
    access_token: str
    person: str
    card: dict[str, Any]
    old: dict[str, Any]

    async def by_invitation(self) -> Reply:
        return await sent(self.server, self.invitation, **CLAUDE)

    async def by_statement(self) -> Reply:
        return await sent(self.server, **CLAUDE | {"software_statement": self.directory.states(software_id="claude")})

    async def by_machine(self) -> Reply:
        return await sent(self.server, self.access_token, **CLAUDE)

    async def by_person(self) -> Reply:
        return await sent(self.server, self.person, **CLAUDE)

    async def put(self) -> Reply:
        return await self.server.put(self.card, body_of(self.card, client_name="Another"))

    async def client_update(self) -> Reply:
        return await update(self.server, self.old)

    async def delete(self) -> Reply:
        return await self.server.remove(self.card)

    async def code(self) -> Reply:
        """A client that a person uses all the while."""
        got = await tokens(self.server, self.card)
        return Reply(200 if got["access_token"] else 500, {}, b"")


async def before(tmp_path: Path, tight: dict[str, Any]) -> Callers:
    """A server whose callers with a credential have it already."""
    server = await trusting(tmp_path, **only(**tight), **SETTINGS)
    server = by(server, Ticks())
    directory, invitation = Directory(), await server.invitation(uses=9)
    _, access_token = await machine_token(server)
    await somebody(server)
    way_in = await server.invitation(scope="openid client_registration", grants=("authorization_code",))
    app = await server.register(way_in, token_endpoint_auth_method="none", scope="openid client_registration")
    person = (await tokens(server, app, scope="client_registration"))["access_token"]
    card = await server.register(token_endpoint_auth_method="none")
    return Callers(server, directory, invitation, access_token, person, card, await associated(server))


CALLERS: dict[str, Callable[[Callers], Awaitable[Reply]]] = {
    "initial access token": Callers.by_invitation,
    "software statement": Callers.by_statement,
    "access token of a machine": Callers.by_machine,
    "access token of a person": Callers.by_person,
    "registration access token, PUT": Callers.put,
    "registration access token, DELETE": Callers.delete,
    "client secret, client_update": Callers.client_update,
    "a client in use": Callers.code,
}


@meets("X-33", "H-11", "C-05", "S4-06")
@pytest.mark.parametrize("tight", TIGHT)
@pytest.mark.parametrize("caller", CALLERS)
async def test_a_flood_of_strangers_keeps_nobody_waiting_who_has_a_credential(tmp_path: Path, tight: str, caller: str) -> None:
    callers = await before(tmp_path, TIGHT[tight])

    flood = [(await sent(callers.server, **CLAUDE)).status for _ in range(20)]
    reply = await CALLERS[caller](callers)
    stranger = await sent(callers.server, **CLAUDE)

    assert flood[-1] in (429, 503)
    assert reply.status in (200, 201, 204), reply.body
    assert stranger.status == flood[-1]


# ── Changes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-93", "M-47")
async def test_a_client_may_be_changed_so_often_and_nothing_of_a_refused_change_counts(tmp_path: Path) -> None:
    ticks = Ticks()
    server = by(await world(tmp_path, change_rate=2), ticks)
    card, other = await server.register(), await server.register()

    for number in range(2):
        card = await server.replaced(card, client_name=f"Name {number}")
    row = await server.row(card)
    refused = await server.put(card, body_of(card, client_name="Too soon"))
    gone = await server.remove(card)

    assert refused.no == gone.no == (429, "temporarily_unavailable")
    assert refused.why == "too many changes of one registration; try again later"
    assert await server.row(card) == row
    assert (await server.read(card)).json["client_name"] == "Name 1"
    assert (await server.replace(other)).status == 200
    ticks.now += int(refused.headers["retry-after"])
    assert (await server.put(card, body_of(card, client_name="In time"))).status == 200


@meets("M-47")
async def test_who_has_no_valid_token_uses_up_nothing_of_the_owners_budget(tmp_path: Path) -> None:
    server = by(await world(tmp_path, change_rate=1), Ticks())
    card, other = await server.register(), await server.register()

    guesses = [(await server.put(card, body_of(card), token)).status for token in ("x", other["registration_access_token"]) * 20]

    assert set(guesses) == {401}
    assert (await server.put(card, body_of(card))).status == 200


async def test_reading_is_not_counted(tmp_path: Path) -> None:
    server = by(await world(tmp_path, change_rate=1), Ticks())
    card = await server.register()

    assert {(await server.read(card)).status for _ in range(20)} == {200}
    assert (await server.remove(card)).status == 204


@meets("R-93")
async def test_an_update_of_2011_is_a_change_too_and_a_wrong_secret_is_none(tmp_path: Path) -> None:
    server = by(await world(tmp_path, change_rate=2), Ticks())
    got = await associated(server)

    wrong = [(await update(server, {**got, "client_secret": "guessed"})).status for _ in range(10)]
    first = await update(server, got)
    second = await update(server, first.json)
    third = await update(server, second.json)

    assert (set(wrong), first.status, second.status) == ({401}, 200, 200)
    assert third.no == (429, "temporarily_unavailable")


@meets("X-33")
async def test_the_first_write_about_a_sealed_card_draws_on_what_strangers_have(tmp_path: Path) -> None:
    ticks = Ticks()
    server = by(await world(tmp_path, open_registration="sealed", **only(network_rate=1, change_rate=1)), ticks)
    cards = [await server.register(client_name=f"Card {number}") for number in range(5)]

    first, second = [await server.put(card, body_of(card)) for card in cards[:2]]
    kept = len(await server.ports.store.clients("", 100))
    ticks.now += int(second.headers["retry-after"])

    assert (first.status, kept) == (200, 1)
    assert second.no == (429, "temporarily_unavailable")
    assert second.why.startswith("too many registrations from one network")
    assert (await server.put(cards[1], body_of(cards[1]))).status == 200


# ── Clients that are addresses ───────────────────────────────────────────────────────────────────────────────────────


@meets("X-33", "D-36")
async def test_a_network_meets_so_many_clients_a_minute_and_those_that_are_known_are_not_counted(tmp_path: Path) -> None:
    server = by(await world(tmp_path, meeting_rate=2), Ticks())
    for number in range(5):
        publish(server, f"https://a{number}.example/c.json")
    browser = Browser(server, headers={"accept": "application/json"})

    seen = [await browser.authorize(document(f"https://a{number}.example/c.json")) for number in range(3)]
    known = [await browser.authorize(document("https://a0.example/c.json")) for _ in range(9)]

    assert [reply.status for reply in seen[:2]] == [known[0].status] * 2
    assert seen[2].no == (429, "temporarily_unavailable")
    assert seen[2].why == "too many clients that were never seen before, from one network; try again later"
    assert {reply.status for reply in known} == {seen[0].status} != {429}
    assert len(await server.ports.store.clients("", 100)) == 2


async def test_an_operator_who_has_documents_read_draws_on_no_budget(tmp_path: Path) -> None:
    server = by(await world(tmp_path, meeting_rate=1), Ticks())

    for number in range(4):
        publish(server, f"{URL}{number}")
        assert (await read_now(server.ports, f"{URL}{number}", discovery=False)).client.client_id == f"{URL}{number}"


# ── What is kept of a crowd ──────────────────────────────────────────────────────────────────────────────────────────


@meets("X-33", "X-102", "X-105", "C-05", "S4-06")
async def test_of_ten_thousand_registrations_so_many_are_kept_and_those_who_live_live_on(tmp_path: Path) -> None:
    server = await world(tmp_path, never_used_limit=500, registration_rate=0)
    await somebody(server)
    living = [await server.register(token_endpoint_auth_method="none", client_name=f"Living {number}") for number in range(5)]
    for card in living:
        await tokens(server, card)

    replies = [await sent(server, client_name="Flood") for _ in range(10_000)]

    assert Counter(reply.status for reply in replies) == {201: 500, 503: 9_500}
    assert replies[-1].no == (503, "temporarily_unavailable")
    assert "register with an initial access token" in replies[-1].why
    assert replies[-1].headers["retry-after"] == "600"
    assert len(await server.ports.store.clients("", 20_000)) == 505
    assert Counter(await server.kinds())["client_registered"] == 505
    for card in living:
        assert (await server.read(card)).status == 200
        assert (await tokens(server, card))["access_token"]
    assert (await sent(server, await server.invitation())).status == 201


@meets("X-33")
async def test_what_every_budget_remembers_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calling_card.store.budget._MOST", 50)
    server = await world(tmp_path)
    made = {cause.name: GcraBudget(WIDE, WIDE, lambda: 0.0) for cause in CAUSES}
    server.ports = replace(server.ports, budgets=GcraBudgets(made))
    server.app = App(server.ports)

    for number in range(300):
        host = f"https://a{number}.example/cb"
        reply = await sent(server, source=f"2001:db8:0:{number:x}::1", redirect_uris=[host], software_id=f"{number}" * 30)
        assert reply.status == 201

    sizes = {name: len(one) for name, one in made.items()}
    assert sizes["network"] == sizes["redirect_host"] == sizes["software_id"] == 50
    assert max(sizes.values()) == 50


# ── What is written about it ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Watched:
    """A server with a real log, by a clock that is moved."""

    server: World
    ticks: Ticks = field(default_factory=Ticks)
    stream: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        self.log = Log("info", self.stream, repeats=Settings().log_repeats, clock=self.ticks)
        self.server.ports = replace(self.server.ports, log=self.log)
        self.server.app = App(self.server.ports)

    def forward(self, seconds: float) -> None:
        self.ticks.now += seconds

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@meets("X-57", "H-22")
async def test_a_hundred_thousand_failing_requests_leave_few_lines_and_events_and_hide_no_success(tmp_path: Path) -> None:
    watched = Watched(await world(tmp_path, registration_rate=0))
    server = watched.server
    card = await server.register()
    url, wrong = card["registration_client_uri"], {"authorization": "Bearer cc_rat_guess"}

    for number in range(100_000):
        if number == 50_000:
            await server.register(client_name="In between")
        elif number % 1000:
            await server.call("GET", url, headers=wrong)
        else:
            await server.call("GET", f"{url}?access_token={card['registration_access_token']}")
        if number % 100 == 99:
            watched.forward(0.3)
            server.clock.forward(1 if number % 300 == 299 else 0)
    watched.log.sum_up(rest=True)

    lines = watched.lines
    sums = Counter[str]()
    for line in lines:
        if line["event"] == "refused":
            sums[line["error"]] += line.get("count", 1)
    assert sums == {"invalid_token": 99_900, "invalid_request": 99}
    assert len(lines) < 2_000
    assert len(watched.stream.getvalue()) < 500_000
    assert [line["status"] for line in lines if line["event"] == "request" and line["status"] < 400] == [201, 201]
    kinds = Counter(await server.kinds())
    assert kinds["client_registered"] == 2
    assert 1 < kinds["rat_misplaced"] <= 10


@meets("X-57")
async def test_what_was_counted_is_told_at_the_end_and_every_minute(tmp_path: Path) -> None:
    stream, ticks = io.StringIO(), Ticks()
    settings = check(complete(replace(Settings(), data=str(tmp_path / "data"))))

    async with opened(settings, log=Log("info", stream, repeats=1, clock=ticks)) as ports:
        for _ in range(3):
            ports.log("refused", error="a")
        ticks.now += 60
        sum_up(ports)
        for _ in range(5):
            ports.log("refused", error="b")

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["error"], line.get("count")) for line in lines] == [("a", None), ("a", 2), ("b", None), ("b", 4)]


async def test_development_lifts_every_budget(tmp_path: Path) -> None:
    tight = only(**dict.fromkeys((*RATES, "change_rate", "meeting_rate", "invitation_rate"), 1))
    server = await world(tmp_path, dev=True, issuer="http://127.0.0.1:8000", **tight)

    assert {(await sent(server, software_id="a")).status for _ in range(5)} == {201}
    for cause in CAUSES:
        assert [server.ports.budgets.take([(cause, "a")]) for _ in range(5)] == [None] * 5
