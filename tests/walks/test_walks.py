"""A request goes one way, through at most six stations: STYLE.md "Walks", followed through real calls."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.walks.profile import Trail
from tests.world import Reply, World, world

TOUR = Path(__file__).parents[2] / "docs" / "tour.md"
STORE = "store/sqlite"
MEMBERS = "members and their rules"

LEAVES: dict[str, tuple[str, ...]] = {
    MEMBERS: ("protocol/members/", "protocol/rules", "protocol/schema", "protocol/languages", "protocol/keysets", "protocol/wording"),
    "policy": ("protocol/policy/",),
    "credentials": ("protocol/credentials", "protocol/answers"),
    "rotation": ("protocol/rotation",),
    "resources": ("protocol/resources",),
    "tokens": ("protocol/tokens",),
    "server metadata": ("protocol/server",),
}
"""The leaves by the name that the tour has for them."""

SHARED = ("protocol/clients", "protocol/errors", "protocol/events", "protocol/ground", "protocol/addresses", "protocol/syntax", "ports")
"""What everybody speaks with: nouns and grammars."""

INSTRUMENTS = ("keys/", "web/http", "settings", "faults", "logs")
"""What calls nothing of ours but its like."""


@dataclass(frozen=True)
class Walk:
    """What a request passes."""

    stations: tuple[str, ...]
    leaves: frozenset[str]


REGISTRATION, MANAGE = "web/registration", "usecases/manage"
CORRIDOR = ("protocol/corridor", "protocol/metadata")
WALKS: dict[str, Walk] = {
    "POST /register": Walk(
        (REGISTRATION, "usecases/register", *CORRIDOR, STORE), frozenset({MEMBERS, "policy", "credentials", "rotation"})
    ),
    "GET /register/{client_id}": Walk((REGISTRATION, MANAGE, STORE), frozenset({"credentials", "rotation"})),
    "PUT /register/{client_id}": Walk(
        (REGISTRATION, MANAGE, STORE, *CORRIDOR, STORE), frozenset({"credentials", "rotation", MEMBERS, "policy"})
    ),
    "DELETE /register/{client_id}": Walk((REGISTRATION, MANAGE, STORE), frozenset({"credentials", "rotation"})),
    "POST /token": Walk(
        ("web/tokens", "usecases/issue", "usecases/clients", STORE), frozenset({"credentials", "rotation", "resources", "tokens"})
    ),
    "POST /introspect": Walk(
        ("web/tokens", "usecases/introspect", "usecases/clients", STORE), frozenset({"credentials", "rotation", "resources", "tokens"})
    ),
    "POST /revoke": Walk(
        ("web/tokens", "usecases/introspect", "usecases/clients", STORE), frozenset({"credentials", "rotation", "tokens"})
    ),
    "GET /.well-known/…": Walk(("web/metadata", "usecases/discover", STORE), frozenset({"server metadata"})),
    "GET /jwks": Walk(("web/metadata", "usecases/discover", STORE), frozenset()),
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
    token: str


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    server = await world(tmp_path, sqlite=True)
    resource = dict((await server.resource()).information)
    machine = await server.machine("orders:read")
    token = str((await server.token(machine)).json["access_token"])
    yield Scene(server, await server.register(client_name="Tea"), machine, resource, token)
    await server.ports.store.close()


def form(scene: Scene, path: str, **fields: str) -> Awaitable[Reply]:
    """A form from the machine."""
    return scene.server.post_form(path, fields, basic=(scene.machine["client_id"], scene.machine["client_secret"]))


BODY = {"redirect_uris": ["https://app.example/cb"], "client_name": "Tea"}
REQUESTS: dict[str, Callable[[Scene], Awaitable[Reply]]] = {
    "POST /register": lambda scene: scene.server.post_json("/register", BODY),
    "GET /register/{client_id}": lambda scene: scene.server.read(scene.card),
    "PUT /register/{client_id}": lambda scene: scene.server.replace(scene.card, client_name="Coffee"),
    "DELETE /register/{client_id}": lambda scene: scene.server.remove(scene.card),
    "POST /token": lambda scene: form(scene, "/token", grant_type="client_credentials", resource="https://api.example"),
    "POST /introspect": lambda scene: scene.server.introspect(scene.resource, scene.token),
    "POST /revoke": lambda scene: form(scene, "/revoke", token=scene.token),
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

    assert reply.status < 300
    assert stations(trail) == WALKS[request_].stations
    assert leaves(trail) == WALKS[request_].leaves
    assert len(stations(trail)) <= 6


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

    assert upwards <= {("store", "protocol")}


@pytest.mark.parametrize("request_", ["POST /token", "PUT /register/{client_id}"])
async def test_a_refusal_leaves_by_one_door(scene: Scene, request_: str) -> None:
    scene.machine["client_secret"] = scene.card["registration_access_token"] = "guess"

    reply, trail = await followed(scene, request_)

    assert reply.status == 401
    assert [caller for caller, called in trail.steps if called == "web/refused"] == ["web/app"]


# ── What the tour says ───────────────────────────────────────────────────────────────────────────────────────────────


def rows() -> Sequence[tuple[str, str, str]]:
    """The table of the tour."""
    lines = TOUR.read_text(encoding="utf-8").splitlines()
    tables = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return [(cells[0], cells[1], cells[2]) for cells in tables if len(cells) == 3]


def test_the_tour_shows_these_walks() -> None:
    told: dict[str, Walk] = {}
    for requests, passed, asked in rows():
        walk = Walk(tuple(re.findall(r"`([^`]+)`", passed)), frozenset(asked.split(", ")))
        told |= dict.fromkeys(re.findall(r"`([^`]+)`", requests), walk)

    assert told.keys() == WALKS.keys()
    assert {name: walk.stations for name, walk in told.items()} == {name: walk.stations for name, walk in WALKS.items()}
    del told["GET /jwks"]  # stands in one row with the documents, and asks no leaf
    assert {name: walk.leaves for name, walk in told.items()} == {name: WALKS[name].leaves for name in told}


async def test_a_detour_would_be_noticed(scene: Scene) -> None:
    _, trail = await followed(scene, "GET /jwks")

    trail.steps.insert(-1, ("usecases/discover", "usecases/clients"))
    trail.steps.insert(-1, ("protocol/tokens", "protocol/rotation"))

    assert stations(trail) != WALKS["GET /jwks"].stations
    assert "tokens" in calling(trail)
