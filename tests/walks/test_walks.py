"""A request goes one way, through at most six stations: STYLE.md "Walks", followed through real calls."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from calling_card.protocol import base64url
from calling_card.protocol.clients import Route, client_key
from calling_card.usecases.clients import Asking, find
from tests.addresses import URL, publish
from tests.visitor import PASSWORD, Browser, Page, answer_of, authorize_url, exchange, person_client, refresh, somebody
from tests.walks.profile import Trail
from tests.world import Reply, World, changed, world

TOUR = Path(__file__).parents[2] / "docs" / "tour.md"
STORE = "store/sqlite"
MEMBERS = "members and their rules"

LEAVES: dict[str, tuple[str, ...]] = {
    MEMBERS: ("protocol/members/", "protocol/card/rules", "protocol/card/schema", "protocol/card/keysets", "protocol/card/wording"),
    "policy": ("protocol/policy/",),
    "credentials": ("protocol/handles/credentials", "protocol/answers"),
    "rotation": ("protocol/handles/rotation",),
    "budgets": ("protocol/life/budgets",),
    "resources": ("protocol/persons/resources",),
    "tokens": ("protocol/handles/tokens",),
    "server metadata": ("protocol/server",),
    "authorization": ("protocol/persons/authorization",),
    "grants": ("protocol/persons/grants",),
    "ID tokens": ("protocol/handles/idtokens",),
    "people": ("protocol/persons/people",),
    "portrait": ("protocol/persons/portrait", "protocol/abroad/lookalikes"),
    "seals": ("protocol/handles/seals", "protocol/handles/sealed", "protocol/persons/interactions"),
    "client ids": ("protocol/abroad/clientids",),
    "documents": ("protocol/abroad/documents", "protocol/abroad/freshness", "protocol/abroad/fetching"),
}
"""The leaves by the name that the tour has for them."""

SHARED = (
    *("protocol/life/approval", "protocol/clients", "protocol/errors", "protocol/events", "protocol/card/ground", "ports"),
    *(
        "protocol/abroad/addresses",
        "protocol/base64url",
        "protocol/card/languages",
        "protocol/abroad/networks",
        "protocol/abroad/special_networks",
        "protocol/syntax",
    ),
)
"""What everybody speaks with: nouns and grammars."""

INSTRUMENTS = ("keys/", "web/http", "web/browsers", "web/show", "web/pages/", "settings", "faults", "logs", "passes")
"""What calls nothing of ours but its like: keys, the passes of the loop, and how requests are read and answers written."""


@dataclass(frozen=True)
class Walk:
    """What a request passes."""

    stations: tuple[str, ...]
    leaves: frozenset[str]


REGISTRATION, MANAGE, CLIENTS = "web/registration", "usecases/manage", "usecases/clients"
BROWSERS, TOKENS = "usecases/people/browsers", "usecases/tokens"
AUTHENTICATE, READING = "usecases/authenticate", "usecases/reading"
AUTHORIZE, ACCOUNT = ("web/authorize", "usecases/authorize"), ("web/account", "usecases/people/account")
CORRIDOR = ("protocol/corridor", "protocol/card/metadata")
ISSUE = ("web/tokens", "usecases/issue", AUTHENTICATE, STORE)
INTROSPECT = ("web/tokens", "usecases/introspect", AUTHENTICATE, STORE, TOKENS, STORE)
EXCHANGED = frozenset({"client ids", "credentials", "rotation", "resources", "tokens", "seals", "grants", "ID tokens"})
SHOWN = frozenset({"authorization", "client ids", "credentials", "people", "portrait", "resources"})
WALKS: dict[str, Walk] = {
    "POST /register": Walk(
        (REGISTRATION, "usecases/register", *CORRIDOR, STORE), frozenset({MEMBERS, "policy", "budgets", "credentials", "rotation"})
    ),
    "GET /register/{client_id}": Walk((REGISTRATION, MANAGE, STORE), frozenset({"credentials", "rotation"})),
    "PUT /register/{client_id}": Walk(
        (REGISTRATION, MANAGE, STORE, CLIENTS, STORE, *CORRIDOR, STORE), frozenset({"credentials", "rotation", MEMBERS, "policy"})
    ),
    "DELETE /register/{client_id}": Walk((REGISTRATION, MANAGE, STORE), frozenset({"credentials", "rotation", "seals"})),
    "GET /authorize": Walk((*AUTHORIZE, CLIENTS, STORE, BROWSERS, "usecases/people/sign_in"), SHOWN - {"people"} | {"seals"}),
    "POST /sign-in": Walk(("web/authorize", "usecases/people/sign_in", BROWSERS, STORE), frozenset({"credentials", "people", "seals"})),
    "GET /authorize, signed in": Walk((*AUTHORIZE, CLIENTS, STORE, BROWSERS, STORE), SHOWN | {"grants", "seals"}),
    "POST /consent": Walk((*AUTHORIZE, BROWSERS, STORE, CLIENTS, STORE), SHOWN - {"portrait"} | {"grants", "seals", "rotation"}),
    "GET /authorize, remembered": Walk((*AUTHORIZE, CLIENTS, STORE, BROWSERS, STORE), SHOWN | {"grants", "rotation"}),
    "POST /token, authorization_code": Walk((*ISSUE, "usecases/exchange/code", STORE, TOKENS, STORE), EXCHANGED | {"authorization"}),
    "POST /token, refresh_token": Walk((*ISSUE, "usecases/exchange/refresh", STORE, TOKENS, STORE), EXCHANGED),
    "POST /token, client_credentials": Walk(
        (*ISSUE, "usecases/exchange/own", STORE, TOKENS, STORE),
        frozenset({"client ids", "credentials", "rotation", "resources", "tokens", "seals"}),
    ),
    "GET /userinfo": Walk(
        ("web/tokens", "usecases/userinfo", TOKENS, STORE), frozenset({"credentials", "grants", "people", "resources", "seals", "tokens"})
    ),
    "POST /introspect": Walk(INTROSPECT, frozenset({"client ids", "credentials", "rotation", "resources", "tokens", "seals"})),
    "POST /revoke": Walk(INTROSPECT, frozenset({"client ids", "credentials", "rotation", "tokens", "seals"})),
    "GET /account": Walk((*ACCOUNT, BROWSERS, STORE), frozenset({"credentials", "people", "portrait", "seals"})),
    "POST /account": Walk((*ACCOUNT, BROWSERS, STORE), frozenset({"credentials", "people", "seals"})),
    "GET /.well-known/…": Walk(("web/metadata", "usecases/discover", STORE), frozenset({"resources", "server metadata"})),
    "GET /jwks": Walk(("web/metadata", "usecases/discover", TOKENS, STORE), frozenset()),
}


# ── How a trail becomes a walk ───────────────────────────────────────────────────────────────────────────────────────


def place(file: str) -> str:
    """The station or leaf that a file belongs to; empty for what everybody uses."""
    if file.startswith((*SHARED, *INSTRUMENTS)) or file == "":
        return ""
    if file.startswith("store/"):
        return STORE
    return next((name for name, files in LEAVES.items() if file.startswith(files)), file)


def stations(trail: Trail) -> tuple[str, ...]:
    """In the order in which they are reached first; the store again each time another one was reached in between."""
    found: list[str] = []
    for _, called in trail.steps:
        name = place(called)
        again = name == STORE and found[-1:] != [STORE]
        if name and name not in LEAVES and not name.startswith(ENTRY) and (name not in found or again):
            found.append(name)
    return tuple(found)


def leaves(trail: Trail) -> frozenset[str]:
    """All that were asked."""
    return frozenset(place(called) for _, called in trail.steps) & LEAVES.keys()


def calling(trail: Trail) -> set[str]:
    """Who called another place of ours; the store calls the outside."""
    pairs = {(place(caller), place(called)) for caller, called in trail.steps}
    return {caller for caller, called in pairs if caller and called and caller != called} | ({STORE} & {called for _, called in pairs})


ENTRY = ("web/app", "web/endpoints")
"""What stands before the first station and behind the last."""


# ── The requests ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Scene:
    """A server on SQLite, with somebody for each request."""

    server: World
    card: dict[str, Any]
    machine: dict[str, Any]
    resource: dict[str, Any]
    app: dict[str, Any]
    """A client that sends people."""
    browser: Browser
    """Of a person who is signed in."""
    stranger: Browser
    token: str
    got: dict[str, Any]
    """Tokens of the app."""
    code: str
    pages: dict[str, Page]
    """Pages with forms, by the path that takes the form."""


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    server = await world(tmp_path, sqlite=True)
    resource = dict((await server.resource(scope="orders:read")).information)
    machine, card = await server.machine("orders:read"), await server.register(await server.invitation(), client_name="Tea")
    app = await person_client(server, client_name="App", token_endpoint_auth_method="client_secret_basic")
    await somebody(server)
    browser, stranger = Browser(server), Browser(server)
    got = (await exchange(server, app, (await browser.allow(app))["code"])).json
    code = answer_of(await browser.decide(await browser.authorize(app, scope="openid profile"), remember="1"))["code"]
    pages = {
        "/sign-in": Page((await stranger.authorize(app)).body),
        "/consent": Page((await browser.authorize(app)).body),
        "/account": Page((await browser.get("/account")).body),
    }
    token = str((await server.token(machine)).json["access_token"])
    yield Scene(server, card, machine, resource, app, browser, stranger, token, got, code, pages)
    await server.ports.store.close()


def form(scene: Scene, path: str, **fields: str) -> Awaitable[Reply]:
    """A form from the machine."""
    return scene.server.post_form(path, fields, basic=(scene.machine["client_id"], scene.machine["client_secret"]))


def sent(scene: Scene, browser: Browser, path: str, **fields: str) -> Awaitable[Reply]:
    """A form from a page."""
    return browser.post(path, {"transaction": scene.pages[path].hidden["transaction"], **fields})


def withdrawn(scene: Scene) -> Awaitable[Reply]:
    """The form that takes the yes to the app back."""
    key = base64url.encode(client_key(Route.REGISTERED, scene.app["client_id"]))
    return sent(scene, scene.browser, "/account", do="withdraw", client=key)


BODY = {"redirect_uris": ["https://app.example/cb"], "client_name": "Tea"}
REQUESTS: dict[str, Callable[[Scene], Awaitable[Reply]]] = {
    "POST /register": lambda scene: scene.server.post_json("/register", BODY),
    "GET /register/{client_id}": lambda scene: scene.server.read(scene.card),
    "PUT /register/{client_id}": lambda scene: scene.server.replace(scene.card, client_name="Coffee"),
    "DELETE /register/{client_id}": lambda scene: scene.server.remove(scene.card),
    "GET /authorize": lambda scene: scene.stranger.get(authorize_url(scene.app)),
    "POST /sign-in": lambda scene: sent(scene, scene.stranger, "/sign-in", name="alice", password=PASSWORD),
    "GET /authorize, signed in": lambda scene: scene.browser.get(authorize_url(scene.app)),
    "POST /consent": lambda scene: sent(scene, scene.browser, "/consent", decision="allow"),
    "GET /authorize, remembered": lambda scene: scene.browser.get(authorize_url(scene.app, scope="openid profile")),
    "POST /token, authorization_code": lambda scene: exchange(scene.server, scene.app, scene.code),
    "POST /token, refresh_token": lambda scene: refresh(scene.server, scene.app, scene.got["refresh_token"]),
    "POST /token, client_credentials": lambda scene: form(scene, "/token", grant_type="client_credentials", resource="https://api.example"),
    "GET /userinfo": lambda scene: scene.server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {scene.got['access_token']}"}),
    "POST /introspect": lambda scene: scene.server.introspect(scene.resource, scene.token),
    "POST /revoke": lambda scene: form(scene, "/revoke", token=scene.token),
    "GET /account": lambda scene: scene.browser.get("/account"),
    "POST /account": withdrawn,
    "GET /.well-known/…": lambda scene: scene.server.call("GET", "/.well-known/oauth-authorization-server"),
    "GET /jwks": lambda scene: scene.server.call("GET", "/jwks"),
}


async def followed(scene: Scene, request: str) -> tuple[Reply, Trail]:
    """The answer, and the way to it."""
    trail = Trail()
    reply = await trail.follow(REQUESTS[request](scene))
    return reply, trail


@pytest.mark.parametrize("request_", WALKS)
async def test_a_request_passes_these_stations_in_this_order_and_asks_these_leaves(scene: Scene, request_: str) -> None:
    reply, trail = await followed(scene, request_)

    assert reply.status in (200, 201, 204, 303)
    assert stations(trail) == WALKS[request_].stations
    assert leaves(trail) == WALKS[request_].leaves
    assert len(set(stations(trail))) <= 6


@pytest.mark.parametrize("request_", WALKS)
async def test_a_station_calls_another_place_of_ours_and_a_leaf_does_not(scene: Scene, request_: str) -> None:
    _, trail = await followed(scene, request_)

    assert calling(trail) == {"web/app", *WALKS[request_].stations}


@pytest.mark.parametrize("request_", WALKS)
async def test_nothing_calls_back_to_where_the_request_came_from(scene: Scene, request_: str) -> None:
    layers = {"web": 0, "usecases": 1, "protocol": 2, "store": 3, "keys": 3}
    _, trail = await followed(scene, request_)

    pairs = [(caller.partition("/")[0], called.partition("/")[0]) for caller, called in trail.steps]
    upwards = {pair for pair in pairs if layers.get(pair[0], 0) > layers.get(pair[1], 4)}

    assert upwards <= {("store", "protocol"), ("keys", "protocol")}


CALLED = (CLIENTS, AUTHENTICATE, READING, TOKENS, BROWSERS)
PARTS = {"usecases/issue": "usecases/exchange/", "usecases/authorize": "usecases/people/sign_in"}
"""Use cases that show or hand on to one that is a part of them: a grant type's exchange, the sign-in form."""


@pytest.mark.parametrize("request_", WALKS)
async def test_only_these_use_cases_are_called_by_others(scene: Scene, request_: str) -> None:
    _, trail = await followed(scene, request_)

    within = [(caller, called) for caller, called in trail.steps if caller.startswith("usecases/") and called.startswith("usecases/")]
    others = [(caller, called) for caller, called in within if called not in CALLED]
    assert [pair for pair in others if not pair[1].startswith(PARTS.get(pair[0], "-"))] == []


@pytest.mark.parametrize("request_", ["POST /token, client_credentials", "PUT /register/{client_id}"])
async def test_a_refusal_leaves_by_one_door(scene: Scene, request_: str) -> None:
    scene.machine["client_secret"] = scene.card["registration_access_token"] = "guess"

    reply, trail = await followed(scene, request_)

    assert reply.status == 401
    assert [caller for caller, called in trail.steps if called == "web/refused"] == ["web/app"]


DOCUMENT = (CLIENTS, STORE, READING, STORE, *CORRIDOR, STORE)
"""How a client's document is read; between reading and judging it is fetched (decision 0010)."""


async def test_a_document_is_read_on_a_walk_of_its_own(scene: Scene) -> None:
    publish(scene.server)
    trail = Trail()

    known = await trail.follow(find(scene.server.ports, Asking(URL)))

    assert known.version is not None
    assert stations(trail) == DOCUMENT
    assert len({*stations(trail), "fetch/https"}) <= 6
    assert leaves(trail) == frozenset({MEMBERS, "policy", "credentials", "client ids", "documents", "resources"})
    told = next(line for line in TOUR.read_text(encoding="utf-8").splitlines() if line.startswith("A document: "))
    assert tuple(name for name in re.findall(r"`([^`]+)`", told) if name != "fetch/https") == DOCUMENT


CARD = (CLIENTS, STORE, *CORRIDOR)
"""How a sealed card is opened, of which nothing is kept (decision 0014)."""


async def test_a_card_is_opened_on_a_walk_of_its_own(scene: Scene) -> None:
    with changed(scene.server, open_registration="sealed"):
        card = await scene.server.register(client_name="Tea")
        trail = Trail()

        known = await trail.follow(find(scene.server.ports, Asking(card["client_id"])))

    assert known.client.card_until > 0
    assert stations(trail) == CARD
    assert leaves(trail) == frozenset({MEMBERS, "policy", "client ids", "credentials", "rotation", "seals"})
    told = next(line for line in TOUR.read_text(encoding="utf-8").splitlines() if line.startswith("A card: "))
    assert tuple(re.findall(r"`([^`]+)`", told)) == CARD


@pytest.mark.parametrize("request_", ["POST /register", "GET /register/{client_id}", "PUT /register/{client_id}"])
async def test_a_sealed_registration_passes_no_more_files_than_a_stored_one(scene: Scene, request_: str) -> None:
    with changed(scene.server, open_registration="sealed"):
        scene.card = await scene.server.register(client_name="Tea")

        reply, trail = await followed(scene, request_)

    assert reply.status in (200, 201)
    assert len(set(stations(trail))) <= 6


async def test_a_document_that_is_fresh_is_not_read(scene: Scene) -> None:
    publish(scene.server)
    await find(scene.server.ports, Asking(URL))
    trail = Trail()

    await trail.follow(find(scene.server.ports, Asking(URL)))

    assert stations(trail) == (CLIENTS, STORE)


# ── What the tour says ───────────────────────────────────────────────────────────────────────────────────────────────


def rows() -> Sequence[tuple[str, str, str]]:
    """The table of the tour."""
    lines = TOUR.read_text(encoding="utf-8").splitlines()
    tables = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return [(cells[0], cells[1], cells[2]) for cells in tables if len(cells) == 3]


def test_the_tour_shows_these_walks() -> None:
    told: dict[str, Walk] = {}
    for requests, passed, asked in rows():
        walk = Walk(tuple(re.findall(r"`([^`]+)`", passed)), frozenset(filter(None, asked.split(", "))))
        told |= dict.fromkeys(re.findall(r"`([^`]+)`", requests), walk)

    assert told.keys() == WALKS.keys()
    assert {name: walk.stations for name, walk in told.items()} == {name: walk.stations for name, walk in WALKS.items()}
    assert {name: walk.leaves for name, walk in told.items()} == {name: walk.leaves for name, walk in WALKS.items()}


async def test_a_detour_would_be_noticed(scene: Scene) -> None:
    _, trail = await followed(scene, "GET /jwks")

    trail.steps.insert(-1, ("usecases/discover", "usecases/clients"))
    trail.steps.insert(-1, ("protocol/handles/tokens", "protocol/handles/rotation"))

    assert stations(trail) != WALKS["GET /jwks"].stations
    assert "tokens" in calling(trail)
