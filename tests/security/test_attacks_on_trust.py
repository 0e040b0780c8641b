"""A stranger who wants more than the policy gives: by sealed registrations, by waiting for approval, and by what proves nothing."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from calling_card.logs import Log
from calling_card.ports import Ports
from calling_card.protocol import base64url
from calling_card.protocol.clients import Client, Route, State, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles.sealed import CARD, Lives, write
from calling_card.protocol.life.approval import digest
from calling_card.usecases import operate
from calling_card.usecases.approve import Named, Verdict, add_test_person, approve, refuse, who_may_try
from calling_card.usecases.clients import Asking, find, read_now
from calling_card.usecases.prune import prune, undo
from calling_card.web.app import App
from tests.addresses import URL, publish
from tests.ledger import meets
from tests.policies import under
from tests.visitor import Browser, Page, authorize_url, exchange, person_client, somebody
from tests.world import CALLBACK, Reply, World, beside, body_of, changed, rat, world

DAY = 86400
Card = Mapping[str, Any]
HOLD = '[[rule]]\nname = "wait"\nthen = "hold"\n'
CLOSED = '[[rule]]\nname = "no"\nwhen.redirect_host = ["app.example", "*.app.example"]\nthen = "refuse"\n'


@pytest.fixture(params=["memory", "sqlite"])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return await world(tmp_path, sqlite=request.param == "sqlite", open_registration="sealed")


@pytest.fixture
async def alone(tmp_path: Path) -> World:
    """A server for what does not depend on the store."""
    return await world(tmp_path, open_registration="sealed")


async def row(server: World, card: Card) -> Client | None:
    return await server.ports.store.client(client_key(Route.REGISTERED, card["client_id"]))


async def knocks(server: World, card: Card) -> list[tuple[int, str]]:
    """What every door says that takes a client_id, to whoever has all the credentials of the client."""
    form = {"grant_type": "authorization_code", "code": "x", "token": "x", "client_id": card["client_id"]}
    basic = (card["client_id"], card["client_secret"]) if "client_secret" in card else None
    fields = form if basic is None else {name: value for name, value in form.items() if name != "client_id"}
    page = await Browser(server).get(authorize_url(card))
    replies = [await server.read(card), await server.replace(card), await server.remove(card)]
    replies += [await server.post_form(path, fields, basic) for path in ("/token", "/introspect", "/revoke")]
    return [(page.status, "page"), *(reply.no for reply in replies)]


NOBODY = [(400, "page"), *[(401, "invalid_token")] * 3, *[(401, "invalid_client")] * 3]


# ── Coming back ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def deleted(server: World, card: Card) -> None:
    assert (await server.remove(card)).status == 204


async def deleted_by_the_operator(server: World, card: Card) -> None:
    await operate.delete(server.ports, card["client_id"], "op")


async def expired(server: World, card: Card) -> None:
    del card
    server.clock.forward(30 * DAY)


async def pruned(server: World, card: Card) -> None:
    with changed(server, rat_rotation="never"):
        assert (await server.replace(card, client_name="Coffee")).status == 200
    server.clock.forward(3 * DAY)
    assert [report async for report in prune(server.ports, "op")][-1].total == 1


ENDS = {end.__name__: end for end in (deleted, deleted_by_the_operator, expired, pruned)}


@meets("H-10", "H-14")
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("method", ["none", "client_secret_basic"])
async def test_a_card_that_ended_opens_no_door_in_any_order(server: World, end: str, method: str) -> None:
    card = await server.register(token_endpoint_auth_method=method)
    await ENDS[end](server, card)

    assert await knocks(server, card) == NOBODY
    assert await knocks(server, card) == NOBODY
    with pytest.raises(Refusal, match="no client"):
        await operate.resume(server.ports, card["client_id"], "op")
    with pytest.raises(Refusal, match="no client"):
        await approve(server.ports, Verdict(card["client_id"], "op"))
    assert await row(server, card) is None


@meets("H-10", "M-14")
async def test_a_suspended_or_refused_card_does_not_end_that_by_its_own_token(server: World) -> None:
    suspended, refused = await server.register(), await server.register()
    await operate.suspend(server.ports, suspended["client_id"], "op")
    with under(server, HOLD):
        await refuse(server.ports, Verdict(refused["client_id"], "op", "no"))

    for card in (suspended, refused):
        replies = [await server.replace(card, client_name="Other"), await server.remove(card)]
        assert [reply.no for reply in replies] == [(403, "access_denied")] * 2
        assert (await Browser(server).get(authorize_url(card))).status == 400
        kept = await row(server, card)
        assert kept is not None
        assert kept.state is State.SUSPENDED


@meets("H-10", "X-34")
async def test_what_was_pruned_and_brought_back_is_the_same_client_and_no_second_one(server: World) -> None:
    card = await server.register()
    await pruned(server, card)
    assert await knocks(server, card) == NOBODY

    await undo(server.ports, card["client_id"], "op")

    back = await row(server, card)
    assert back is not None
    assert (await server.read(card)).status == 200
    assert len(await server.ports.store.clients("", 10)) == 1
    with pytest.raises(Refusal, match="no pruned client"):
        await undo(server.ports, card["client_id"], "op")


# ── One row, one incarnation ─────────────────────────────────────────────────────────────────────────────────────────


@meets("H-10", "X-37")
@pytest.mark.parametrize("second", [False, True], ids=["one process", "two processes"])
async def test_sixteen_who_come_at_once_bear_one_row_or_leave_one_tombstone(tmp_path: Path, second: bool) -> None:
    here = await world(tmp_path, sqlite=True, open_registration="sealed")
    there = await beside(here, tmp_path) if second else here
    card = await person_client(here)
    tries: list[Awaitable[Reply]] = []
    for number, some in enumerate([here, there] * 8):
        if number % 5 == 4:
            tries.append(some.remove(card))
        else:
            tries.append(some.replace(card, client_name=f"Tea {number}"))

    replies = await asyncio.gather(*tries)

    born = (await here.kinds()).count("client_registered")
    gone = (await here.kinds()).count("client_deleted")
    assert {reply.status for reply in replies} <= {200, 204, 401, 503}
    assert (born <= 1, gone) == (True, [reply.status for reply in replies].count(204))
    assert gone <= 1
    assert len(await here.ports.store.clients("", 10)) == born - (1 if gone and born else 0)
    if second:
        await there.ports.store.close()
    await here.ports.store.close()


@meets("H-10")
async def test_a_yes_and_a_deletion_at_once_do_not_leave_a_client_behind(server: World) -> None:
    await somebody(server)
    card = await person_client(server)
    browser = Browser(server)
    page = await browser.sign_in(await browser.authorize(card))

    _, gone = await asyncio.gather(browser.decide(page), server.remove(card))

    assert gone.status == 204
    assert await row(server, card) is None
    assert (await Browser(server).get(authorize_url(card))).status == 400


@meets("H-10", "D-13")
async def test_a_sealed_name_is_nobody_on_any_other_route(alone: World) -> None:
    card = await alone.register()

    for route in (Route.CIMD, Route.LOOKER):
        assert await alone.ports.store.client(client_key(route, card["client_id"])) is None
    page = await Browser(alone).get(authorize_url(card, client_discovery="true"))
    assert page.status == 400
    with pytest.raises(Refusal, match="no client"):
        await operate.show(alone.ports, card["client_id"], discovery=True)


# ── Forged and costly names ──────────────────────────────────────────────────────────────────────────────────────────

BOMB = b'{"redirect_uris":["https://app.example/cb"],"client_name":"' + b"A" * 8300 + b'"}'
DEEP = b'{"redirect_uris":' + b"[" * 4000 + b"]" * 4000 + b"}"


def sealed_by(ports: Ports, metadata: bytes) -> str:
    """A name that our own keys sealed around anything: what only a mistake of ours could make."""
    made = write(ports.keyring, metadata, ports.entropy(12), ports.now(), Lives(DAY, 0))
    assert made is not None
    return made


@meets("H-10", "X-60", "X-62")
@pytest.mark.parametrize(
    "name",
    [
        *(CARD.prefix, "CS_AAAA", CARD.prefix.upper() + "A" * 60),
        *(CARD.prefix + rest for rest in ("A", "A" * 509, "A" * 5000, "=" * 40, "AQAB" + "A" * 60, "Af__" + "A" * 60, "AA AA")),
        *(CARD.prefix + rest for rest in ("\N{FULLWIDTH LATIN CAPITAL LETTER A}" * 40, "\ud800" * 20, "\x00" * 20, "../../etc")),
    ],
)
async def test_a_name_that_is_no_card_of_ours_is_nobody_and_breaks_nothing(alone: World, name: str) -> None:
    for asked in (find(alone.ports, Asking(name)), operate.show(alone.ports, name)):
        with pytest.raises(Refusal) as refused:
            await asked
        assert refused.value.no in (No.UNKNOWN_CLIENT, No.NOT_FOUND)


@meets("H-10", "X-60")
@pytest.mark.parametrize("metadata", [DEEP, b"[]", b"null", b'{"redirect_uris":["javascript:1"]}', b"\xff", b"", b'{"a":1,"a":2}'])
async def test_even_a_seal_of_ours_around_something_else_is_nobody(alone: World, metadata: bytes) -> None:
    name = sealed_by(alone.ports, metadata)

    with pytest.raises(Refusal) as refused:
        await find(alone.ports, Asking(name))

    assert refused.value.no is No.UNKNOWN_CLIENT


def test_what_would_inflate_beyond_its_cap_is_not_even_sealed(tmp_path: Path) -> None:
    server = asyncio.run(world(tmp_path))

    assert write(server.ports.keyring, BOMB, bytes(12), 0, Lives(DAY, 0)) is None


@meets("H-10", "X-59")
async def test_a_card_of_another_issuer_with_other_keys_is_nobodys(alone: World, tmp_path: Path) -> None:
    other = await world(tmp_path / "other", issuer="https://other.example", open_registration="sealed")
    reply = await other.post_json("/register", {"redirect_uris": [CALLBACK]})

    with pytest.raises(Refusal) as refused:
        await find(alone.ports, Asking(reply.json["client_id"]))

    assert refused.value.no is No.UNKNOWN_CLIENT


@meets("H-10", "X-43")
async def test_seals_of_other_kinds_are_no_cards_and_cards_are_no_tokens(server: World) -> None:
    await somebody(server)
    card = await person_client(server)
    answer = await Browser(server).allow(card)
    token = (await exchange(server, card, answer["code"])).json["access_token"]
    assert isinstance(token, str)

    renamed = CARD.prefix + token.removeprefix("cc_at_")
    userinfo = await server.call("GET", "/userinfo", b"", {"authorization": "Bearer cc_at_" + card["client_id"].removeprefix(CARD.prefix)})

    with pytest.raises(Refusal):
        await find(server.ports, Asking(renamed))
    assert userinfo.status == 401


@meets("H-10")
async def test_every_other_spelling_of_a_card_is_nobody(alone: World) -> None:
    card = await alone.register()
    raw = base64url.canonical(card["client_id"].removeprefix(CARD.prefix))
    assert raw is not None
    name = card["client_id"]
    spellings = [name + "=", name + "A", name.upper(), " " + name, name + "\n", name.replace("_", "/", 1), "%63s_" + name[3:]]
    spellings += [CARD.prefix + base64url.encode(bytes([2]) + raw[1:]), CARD.prefix + base64url.encode(raw + b"\0")]

    for spelling in (one for one in spellings if one != name):
        with pytest.raises(Refusal):
            await find(alone.ports, Asking(spelling))


# ── More room than there is ──────────────────────────────────────────────────────────────────────────────────────────


@meets("C-05", "X-33")
async def test_the_birth_of_a_row_without_room_names_the_cause_and_the_way_out(server: World) -> None:
    cards = [await server.register(client_name=f"Tea {number}") for number in range(3)]
    with changed(server, never_used_limit=2):
        replies = [await server.replace(card, client_name="Coffee") for card in cards]
        with changed(server, open_registration="stored", never_used_limit=2):
            stored = await server.post_json("/register", {"redirect_uris": [CALLBACK]})

    assert [reply.status for reply in replies] == [200, 200, 503]
    assert (replies[2].status, replies[2].json["error"], replies[2].why) == (stored.status, stored.json["error"], stored.why)
    assert "initial access token" in replies[2].why
    assert replies[2].headers["retry-after"] == stored.headers["retry-after"] == "600"
    assert await row(server, cards[2]) is None


@meets("C-05", "X-33", "M-06")
async def test_a_token_shown_in_a_query_buys_no_row_where_there_is_no_room(server: World) -> None:
    cards = [await server.register(client_name=f"Tea {number}") for number in range(4)]

    with changed(server, never_used_limit=2, misplaced_rat="revoke"):
        replies = [await server.call("GET", f"/register/{card['client_id']}?access_token={rat(card)}") for card in cards]

    assert [reply.status for reply in replies] == [400, 400, 503, 503]
    assert len(await server.ports.store.clients("", 10)) == 2


@meets("X-33", "H-22")
async def test_a_flood_of_sealed_registrations_leaves_few_lines_and_a_count(alone: World) -> None:
    stream = StringIO()
    log = Log("info", stream, repeats=10)
    alone.ports = replace(alone.ports, log=log)
    alone.app = App(alone.ports)

    for _ in range(100):
        await alone.register()
    log.sum_up(rest=True)

    lines = [line for line in map(json.loads, stream.getvalue().splitlines()) if line["event"] == "client_sealed"]
    assert len(lines) == 11
    assert [line.get("count") for line in lines] == [None] * 10 + [90]
    assert all(line["client_id"].startswith(CARD.prefix) for line in lines[:10])


# ── Rules that might miss something ──────────────────────────────────────────────────────────────────────────────────

HOSTS = [
    *("https://APP.example/cb", "https://app.example:443/cb", "https://app.example:8443/cb", "https://x.app.example/cb"),
    *("https://X.APP.EXAMPLE/cb", "https://app.example./cb", "https://app.example%2e/cb", "https://good@app.example/cb"),
    *("https://app.example\\@good.example/cb", "https://\uff41pp.example/cb", "https://app\u3002example/cb", "HTTPS://app.example/cb"),
    *("https://app.example?x", "https://app.example/", "https:app.example/cb", "https:///app.example/cb", "//app.example/cb"),
]


@meets("A-87", "X-26", "X-35")
@pytest.mark.parametrize("uri", HOSTS)
async def test_no_spelling_of_a_refused_host_comes_in(alone: World, uri: str) -> None:
    with under(alone, CLOSED):
        reply = await alone.post_json("/register", {"redirect_uris": ["https://good.example/cb", uri]})

    assert reply.no == (400, "invalid_redirect_uri")


@meets("A-87", "X-35")
@pytest.mark.parametrize(
    "body",
    [
        {"scope": "openid  email"},
        {"scope": "openid\temail"},
        {"scope": "email email"},
        {"scope": "openid EMAIL email"},
        {"scope": ["openid", "email"]},
        {},
        {"scope": None},
        {"scope": ""},
        {"scope#en": "email", "scope": "openid email"},
    ],
)
async def test_no_spelling_or_omission_of_a_refused_scope_comes_in(tmp_path: Path, body: dict[str, object]) -> None:
    server = await world(tmp_path, default_scope="openid email", open_registration="sealed")
    with under(server, '[[rule]]\nname = "no"\nwhen.scope = ["email"]\nthen = "refuse"\n'):
        reply = await server.post_json("/register", {"redirect_uris": [CALLBACK], **body})

    assert reply.status == 400, reply.json


@meets("A-87", "X-35")
@pytest.mark.parametrize("uris", [[], ["com.example.app://app.example/cb"], ["com.example.app:/cb"], ["http://127.0.0.1/cb"]])
async def test_who_has_no_host_at_all_is_not_spared_from_a_rule_about_all_others(alone: World, uris: list[str]) -> None:
    said = {"redirect_uris": uris, "application_type": "native", "token_endpoint_auth_method": "none"}
    with under(alone, '[[rule]]\nname = "ours"\nunless.redirect_host = ["good.example"]\nthen = "refuse"\n'):
        reply = await alone.post_json("/register", said)

    assert reply.status == 400


SOFTWARE = '[[software]]\nid = "notes"\nredirect_hosts = ["app.example"]\nclient_uri_hosts = ["app.example"]\n'


@meets("R-89", "X-46")
@pytest.mark.parametrize("member", ["client_uri", "client_uri#en", "client_uri#ja-Jpan", "client_uri#de-CH"])
async def test_known_software_is_at_home_in_every_language(alone: World, member: str) -> None:
    home = {"software_id": "notes", "redirect_uris": [CALLBACK], "client_uri": "https://app.example/"}
    with under(alone, SOFTWARE):
        good = await alone.post_json("/register", {**home, member: "https://app.example/about"})
        evil = await alone.post_json("/register", {**home, member: "https://evil.example/"})

    assert good.status == 201
    assert evil.no == (400, "invalid_client_metadata")
    assert evil.why.startswith(f"{member}: ")


NAMED = '[[rule]]\nname = "name"\nthen.require.client_name = ["Our Notes"]\n'


@meets("A-87", "X-35")
@pytest.mark.parametrize("name", ["client_name", "client_name#ja", "client_name#en-GB"])
async def test_what_a_rule_wants_of_a_name_it_wants_in_every_language(alone: World, name: str) -> None:
    with under(alone, NAMED):
        good = await alone.post_json("/register", {"redirect_uris": [CALLBACK], "client_name": "Our Notes", name: "Our Notes"})
        evil = await alone.post_json("/register", {"redirect_uris": [CALLBACK], "client_name": "Our Notes", name: "Your Bank"})
        silent = await alone.post_json("/register", {"redirect_uris": [CALLBACK]})

    assert good.status == 201, good.json
    assert evil.no == silent.no == (400, "invalid_client_metadata")
    assert evil.why.startswith(f"{name}: ")


@meets("A-87", "X-35")
@pytest.mark.parametrize("uri", ["https://vscode.dev:443/redirect", "https://VSCODE.dev/redirect", "HTTPS://vscode.dev/redirect"])
async def test_a_callback_is_the_same_however_its_port_and_case_are_written(alone: World, uri: str) -> None:
    with under(alone, 'use = ["vscode"]\n[[rule]]\nname = "no"\nwhen.preset = ["vscode"]\nthen = "refuse"\n'):
        reply = await alone.post_json("/register", {"redirect_uris": [uri]})

    assert reply.no == (400, "invalid_redirect_uri")


@meets("A-87", "X-35")
@pytest.mark.parametrize(
    "uri",
    [
        *(
            "https://vscode.dev:8443/redirect",
            "https://vscode.dev/redirect?next=//evil.example",
            "https://vscode.dev.evil.example/redirect",
        ),
        *("https://vscode.dev/redirect/", "https://vscode.dev/redirect/..", "https://vscode.dev/%72edirect", "http://vscode.dev/redirect"),
        *("http://127.0.0.1.evil.example/", "https://127.0.0.1/", "http://127.0.0.1/x", "http://[::1]/", "http://127.0.0.2/"),
    ],
)
async def test_what_only_looks_like_a_known_callback_is_not_let_through(alone: World, uri: str) -> None:
    rules = 'use = ["vscode"]\n[[rule]]\nname = "yes"\nwhen.preset = ["vscode"]\nthen = "allow"\n[[rule]]\nname = "no"\nthen = "refuse"\n'
    with under(alone, rules):
        good = await alone.post_json("/register", {"redirect_uris": ["https://vscode.dev/redirect"]})
        both = await alone.post_json("/register", {"redirect_uris": ["https://vscode.dev/redirect", uri]})

    assert good.status == 201
    assert both.status == 400


@meets("A-87", "X-35")
@pytest.mark.parametrize("endpoint", ["introspection", "revocation"])
async def test_a_way_to_authenticate_that_is_not_allowed_comes_in_by_no_other_endpoint(alone: World, endpoint: str) -> None:
    said = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none", f"{endpoint}_endpoint_auth_method": "client_secret_post"}
    with under(alone, '[ceiling.anonymous]\nauth_methods = ["none"]\n'):
        reply = await alone.post_json("/register", said)

    assert reply.json.get(f"{endpoint}_endpoint_auth_method", "none") == "none"
    assert "client_secret" not in reply.json


@meets("A-87", "X-35", "M-30")
async def test_a_card_of_before_is_judged_by_the_rules_of_today_at_every_door(server: World) -> None:
    card = await server.register(scope="openid email")

    with under(server, CLOSED):
        assert await knocks(server, card) == NOBODY
    with under(server, '[ceiling.anonymous]\nscopes = ["openid"]\n'):
        assert (await server.read(card)).json["scope"] == "openid"
        assert (await server.replace(card, scope="openid email")).json["scope"] == "openid"
    assert (await server.ports.store.clients("", 10))[0].metadata.count(b"email") == 0


# ── Approved by a side door ──────────────────────────────────────────────────────────────────────────────────────────


async def held(server: World, **members: object) -> dict[str, Any]:
    """A client that waits, because of a rule that came later than its card."""
    card = await person_client(server, **members)
    with under(server, HOLD):
        page = await Browser(server).get(authorize_url(card))
        assert page.status == 200
    return card


async def by_a_replacement(server: World, card: Card) -> None:
    assert (await server.replace(card, client_name="Other")).status == 200


async def by_suspension_and_resumption(server: World, card: Card) -> None:
    await operate.suspend(server.ports, card["client_id"], "op")
    await operate.resume(server.ports, card["client_id"], "op")


async def by_refusal_and_resumption(server: World, card: Card) -> None:
    await refuse(server.ports, Verdict(card["client_id"], "op"))
    await operate.resume(server.ports, card["client_id"], "op")


async def by_new_credentials(server: World, card: Card) -> None:
    await operate.recover(server.ports, card["client_id"], "op")


SIDE_DOORS = {way.__name__: way for way in (by_a_replacement, by_suspension_and_resumption, by_refusal_and_resumption, by_new_credentials)}


@meets("A-88", "H-31")
@pytest.mark.parametrize("way", SIDE_DOORS)
async def test_nothing_but_approval_lets_a_card_act_that_waits(server: World, way: str) -> None:
    await somebody(server)
    card = await held(server)

    with under(server, HOLD):
        await SIDE_DOORS[way](server, card)
        kept = await row(server, card)
        assert kept is not None
        assert kept.state is State.HELD
    stands = await row(server, card)
    assert stands is not None
    assert stands.state is State.HELD
    browser = Browser(server)
    page = await browser.sign_in(await browser.authorize(card))
    assert "location" not in page.headers
    assert b"waits for approval" in page.body


@meets("A-88", "H-31")
async def test_what_waits_is_put_aside_and_comes_back_waiting(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True, open_registration="sealed")
    card = await held(server)
    with under(server, HOLD):
        await by_a_replacement(server, card)
    server.clock.forward(400 * DAY)

    assert [report async for report in prune(server.ports, "op", ("idle",))][-1].total == 1
    await undo(server.ports, card["client_id"], "op")

    back = await row(server, card)
    assert back is not None
    assert back.state is State.HELD


@meets("A-88", "H-21", "X-10")
@pytest.mark.parametrize("params", [{}, {"prompt": "none"}, {"scope": "nonsense"}, {"response_type": "token"}, {"redirect_uri": ""}])
async def test_a_stranger_that_waits_is_no_open_redirect(server: World, params: dict[str, str]) -> None:
    await somebody(server)
    card = await held(server)

    with under(server, HOLD):
        browser = Browser(server)
        page = await browser.authorize(card, **params)
        if "password" in Page(page.body).ids:
            page = await browser.sign_in(page)

    assert not page.headers.get("location", "").startswith("https://app.example")
    assert page.status in (200, 400, 403)


@meets("A-88", "H-31")
async def test_an_operator_is_not_told_that_somebody_may_try_a_card_of_which_nothing_is_kept(server: World) -> None:
    await somebody(server)
    card = await held(server)

    with under(server, HOLD):
        with pytest.raises(Refusal, match="is sealed"):
            await add_test_person(server.ports, Named(card["client_id"], "alice", "op"))

        assert await who_may_try(server.ports, card["client_id"]) == []
    assert "test_person_added" not in await server.kinds()


@meets("A-88", "X-35", "X-107")
async def test_what_the_client_became_while_the_operator_said_yes_is_not_approved(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with changed(server, rat_rotation="never", open_registration="stored", hold=("anonymous",)):
        card = await server.register(client_name="Tea")

        async def change() -> None:
            assert (await server.put(card, body_of(card, ("registration_state",), client_name="Your Bank"))).status == 200

        meddled(server, monkeypatch, [change])

        with pytest.raises(Refusal, match="has another card by now"):
            await approve(server.ports, Verdict(card["client_id"], "op"))

        kept = await row(server, card)
        assert kept is not None
        assert (kept.state, kept.approved_card) == (State.HELD, None)
        assert b"Your Bank" in kept.metadata
        await approve(server.ports, Verdict(card["client_id"], "op"))
    approved = await row(server, card)
    assert approved is not None
    assert (approved.state, approved.approved_card) == (State.ACTIVE, digest(kept))


@meets("A-88", "D-34", "X-107")
async def test_what_a_document_became_while_the_operator_said_yes_is_not_approved(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with changed(server, hold=("url",)):
        publish(server, client_name="Tea")
        await find(server.ports, Asking(URL))

        async def read_again() -> None:
            publish(server, client_name="Your Bank")
            await read_now(server.ports, URL, discovery=False)

        meddled(server, monkeypatch, [read_again])

        with pytest.raises(Refusal, match="has another card by now"):
            await approve(server.ports, Verdict(URL, "op"))

        kept = await server.ports.store.client(client_key(Route.CIMD, URL))
    assert kept is not None
    assert (kept.state, kept.approved_card) == (State.HELD, None)


def meddled(server: World, monkeypatch: pytest.MonkeyPatch, work: list[Callable[[], Awaitable[None]]]) -> None:
    """From now on this happens once, between the operator's look at a client and the write."""
    store = server.ports.store
    put = store.replace

    async def slowly(before: Client, after: Client, event: Event | None) -> bool:
        if work:
            await work.pop()()
        return await put(before, after, event)

    monkeypatch.setattr(store, "replace", slowly)


@meets("A-88", "X-35")
async def test_an_operator_who_names_the_card_that_was_looked_at_approves_no_other(server: World) -> None:
    with changed(server, open_registration="stored", hold=("anonymous",)):
        card = await server.register(client_name="Tea")
        seen = (await operate.show(server.ports, card["client_id"]))["card"]
        assert isinstance(seen, str)
        other = await server.put(card, body_of(card, ("registration_state",), client_name="Your Bank"))
        assert other.status == 200

        with pytest.raises(Refusal, match="another card by now"):
            await approve(server.ports, Verdict(card["client_id"], "op", card=seen))

        kept = await row(server, card)
        assert kept is not None
        assert kept.state is State.HELD
        again = (await operate.show(server.ports, card["client_id"]))["card"]
        assert isinstance(again, str)
        assert (await approve(server.ports, Verdict(card["client_id"], "op", card=again)))["state"] == "active"


# ── Proofs ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-42", "M-47", "C-14")
async def test_no_client_recovers_another_ones_token_and_all_are_told_the_same(tmp_path: Path) -> None:
    server = await world(tmp_path, recovery=("client",))
    mine, other = await server.register(), await server.register()
    with changed(server, open_registration="sealed"):
        sealed = await server.register()
    unknown = {**other, "client_id": "cnobody"}

    replies = [
        await server.post_form(f"/register/{target['client_id']}/recover", {}, basic=(mine["client_id"], mine["client_secret"]))
        for target in (other, sealed, unknown)
    ]

    assert len({(reply.status, reply.body) for reply in replies}) == 1
    assert replies[0].status in (401, 404)
    assert (await server.read(other)).status == 200
    assert (await server.read(mine)).status == 200


@meets("M-47")
async def test_failed_recoveries_and_reads_of_a_stranger_do_not_lock_the_owner_of_a_card_out(tmp_path: Path) -> None:
    server = await world(tmp_path, open_registration="sealed", failure_rate=1)
    card = await server.register()
    other = await server.register()
    for _ in range(20):
        await server.read(card, rat(other))

    assert (await server.read(card)).status == 200
    assert (await server.put(card, body_of(card, client_name="Mine"))).status == 200


@meets("C-14", "H-14", "M-10")
async def test_no_answer_tells_a_living_card_from_one_that_ended_or_never_was(server: World) -> None:
    living, gone, never = await server.register(), await server.register(), await server.register()
    stranger = await server.register()
    await deleted(server, gone)
    forged = {**never, "client_id": never["client_id"][:-4] + "AAAA"}
    answers: set[tuple[object, ...]] = set()
    for card in (living, gone, forged):
        path, form = f"/register/{card['client_id']}", {"grant_type": "authorization_code", "code": "x", "token": "x"}
        basic = (card["client_id"], stranger["client_secret"])
        body = json.dumps({"client_id": card["client_id"], "redirect_uris": [CALLBACK]}).encode()
        token = {"authorization": f"Bearer {rat(stranger)}", "content-type": "application/json"}
        replies = [await server.call(method, path, body if method == "PUT" else b"", token) for method in ("GET", "PUT", "DELETE")]
        replies += [await server.call(method, path, b"", {"content-type": "application/json"}) for method in ("GET", "PUT", "DELETE")]
        replies += [await server.post_form(door, form, basic) for door in ("/token", "/introspect", "/revoke")]
        answers.add(tuple((reply.status, reply.body, reply.headers.get("www-authenticate")) for reply in replies))

    assert len(answers) == 1


@meets("M-06", "M-10")
async def test_somebody_elses_token_in_a_query_or_body_ends_nothing_but_what_it_is_for(server: World) -> None:
    mine, other = await server.register(), await server.register()

    with changed(server, misplaced_rat="revoke"):
        replies = [
            await server.call("GET", f"/register/{other['client_id']}?access_token={rat(mine)}"),
            await server.put(mine, body_of(mine, access_token=rat(other))),
        ]

    assert [reply.status for reply in replies] == [400, 400]
    assert (await server.read(other)).status == 200
    assert await row(server, other) is None


@meets("A-88", "X-37")
@pytest.mark.parametrize("verdict", ["approve", "refuse", "delete"])
async def test_a_verdict_and_sixteen_replacements_at_once_leave_one_client_that_is_what_was_said(server: World, verdict: str) -> None:
    card = await held(server)
    with under(server, HOLD):
        said: dict[str, Callable[[], Awaitable[object]]] = {
            "approve": lambda: approve(server.ports, Verdict(card["client_id"], "op", card="")),
            "refuse": lambda: refuse(server.ports, Verdict(card["client_id"], "op")),
            "delete": lambda: operate.delete(server.ports, card["client_id"], "op"),
        }
        changes = [server.replace(card, client_name=f"Tea {number}") for number in range(8)]
        outcome, *_ = await asyncio.gather(said[verdict](), *changes, return_exceptions=True)

        kept = await row(server, card)
        if verdict == "delete":
            assert kept is None
            assert await knocks(server, card) == NOBODY
        else:
            assert kept is not None
            waits = kept.state is State.HELD
            assert waits or kept.state is (State.SUSPENDED if verdict == "refuse" else State.ACTIVE)
            assert not waits or isinstance(outcome, Refusal) or verdict == "approve"
            assert waits or verdict == "refuse" or kept.approved_card == digest(kept)
    assert len(await server.ports.store.clients("", 10)) == (0 if verdict == "delete" else 1)
