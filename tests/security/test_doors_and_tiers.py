"""Every door, every tier that comes through it and every kind of rule: what one may not become, no other may (X-30, X-35, A-87).

The cells are made from the tables of the program: a new door, tier, outcome or ceiling without a row here fails.
"""

import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calling_card.ports import Ports
from calling_card.protocol.abroad.documents import ground_for, rules_for
from calling_card.protocol.answers import card_of
from calling_card.protocol.card.ground import Ground
from calling_card.protocol.clients import JSON, Card, Client, Door, Route, State, Tier, client_key, words
from calling_card.protocol.corridor import pass_through, weigh
from calling_card.protocol.errors import Refusal
from calling_card.protocol.handles.credentials import has_secret
from calling_card.protocol.policy import Guest, Outcome, Policy, Rules, invited, uninvited
from calling_card.protocol.policy import under as within
from calling_card.protocol.policy.conditions import CONDITIONS, TIERS
from calling_card.protocol.policy.rows import Ceiling, Rule, Software, Then
from calling_card.settings import Settings
from calling_card.usecases.clients import Asking, find
from calling_card.usecases.reload import reload
from calling_card.wiring import ground
from tests.addresses import discoverable, publish
from tests.assertions import holder
from tests.ledger import meets
from tests.policies import HEAD
from tests.statements import Directory, toml, written
from tests.statements import Software as Made
from tests.usecases.guests import by_its_clock
from tests.world import CALLBACK, Reply, World, world

EVIL = "https://login.evil.example/cb"
LOOPBACK = "http://127.0.0.1/cb"
KEYS = holder("ES256", "k1", 9).jwks


# ── Doors ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Entrance:
    """One way of one tier through one door."""

    name: str
    door: Door
    tier: Tier
    come: "Callable[[World, Card], Awaitable[Came | None]]"
    """Come in, saying this; None: refused."""
    change: "Callable[[World, Came, Card], Awaitable[Came | None]] | None"
    """Say something else; None: refused. No function: this door has no way to change anything."""
    mute: frozenset[str] = frozenset()
    """Kinds of rules whose forbidden state cannot be said at this door."""


@dataclass(frozen=True)
class Came:
    """A client that came in."""

    got: Mapping[str, Any]
    """What it was answered."""
    client: Client


async def _row(server: World, client_id: str, route: Route = Route.REGISTERED) -> Client:
    found = await server.ports.store.client(client_key(route, client_id))
    assert found is not None
    return found


async def _came(server: World, reply: Reply) -> Came | None:
    if reply.status == 400:
        return None
    assert reply.status in (200, 201), reply.body
    return Came(reply.json, await _row(server, reply.json["client_id"]))


WIDE = {"uses": 9, "scope": "openid profile email", "grants": ("authorization_code", "refresh_token", "client_credentials")}


async def _wide(server: World) -> str:
    return await server.invitation(**WIDE)  # type: ignore[arg-type] # the names and types of `invitation`


async def json_anonymous(server: World, said: Card) -> Came | None:
    return await _came(server, await server.post_json("/register", said))


async def json_token(server: World, said: Card) -> Came | None:
    return await _came(server, await server.post_json("/register", said, await _wide(server)))


async def put(server: World, came: Came, said: Card) -> Came | None:
    return await _came(server, await server.put(came.got, {"client_id": came.client.client_id, **said}))


def _states(server: World, said: Card) -> str:
    return Directory(now=server.clock()).states(**said)


async def stated(server: World, said: Card) -> Came | None:
    """The statement says it, not the request."""
    return await _came(server, await server.post_json("/register", {"software_statement": _states(server, said)}))


async def restated(server: World, came: Came, said: Card) -> Came | None:
    """Another statement in the place of the one before."""
    body = {"client_id": came.client.client_id, "software_statement": _states(server, said)}
    return await _came(server, await server.put(came.got, body))


async def beside_statement(server: World, said: Card) -> Came | None:
    return await _came(server, await server.post_json("/register", {**said, "software_statement": _states(server, {"client_name": None})}))


async def signed(server: World, said: Card) -> Came | None:
    software = Made(server)
    statement = _states(server, {"jwks": software.key.jwks, "client_name": None})
    return await _came(server, await software.sends(software.signs(statement, **{"redirect_uris": None, **said})))


async def signed_again(server: World, came: Came, said: Card) -> Came | None:
    software = Made(server)
    claims: Card = {"redirect_uris": None, "client_id": came.client.client_id, **said}
    statement = _states(server, {"jwks": software.key.jwks, "client_name": None})
    return await _came(server, await software.puts(came.got, software.signs(statement, **claims)))


def _fields(said: Card) -> dict[str, str]:
    """What a form of 2011 can say of it."""
    found = {"redirect_url": ",".join(words(said["redirect_uris"])), "application_type": said.get("application_type")}
    found["application_name"] = said.get("client_name")
    found |= {name: value for name, value in said.items() if name in OURS}
    return {name: str(value) for name, value in found.items() if value is not None}


async def _form(server: World, fields: Mapping[str, str], token: str | None) -> Reply:
    headers = {"content-type": "application/x-www-form-urlencoded", **({"authorization": f"Bearer {token}"} if token else {})}
    return await server.call("POST", "/register", urlencode(fields).encode(), headers)


async def form_anonymous(server: World, said: Card) -> Came | None:
    return await _came(server, await _form(server, {"type": "client_associate", **_fields(said)}, None))


async def form_token(server: World, said: Card) -> Came | None:
    return await _came(server, await _form(server, {"type": "client_associate", **_fields(said)}, await _wide(server)))


async def form_update(server: World, came: Came, said: Card) -> Came | None:
    proof = {"client_id": came.got["client_id"], "client_secret": came.got["client_secret"]}
    return await _came(server, await _form(server, {"type": "client_update", **proof, **_fields(said)}, None))


def _application(said: Card) -> Card:
    told = {"client_name": said.get("client_name", "App"), "redirect_uris": said["redirect_uris"], "scopes": said.get("scope")}
    told |= {name: value for name, value in said.items() if name in OURS}
    return {name: value for name, value in told.items() if value is not None}


async def app_anonymous(server: World, said: Card) -> Came | None:
    return await _came(server, await server.post_json("/api/v1/apps", _application(said)))


async def app_token(server: World, said: Card) -> Came | None:
    return await _came(server, await server.post_json("/api/v1/apps", _application(said), await _wide(server)))


async def _met(server: World, asking: Asking, route: Route) -> Came | None:
    try:
        await find(server.ports, asking)
    except Refusal:
        return None
    return Came({}, await _row(server, asking.client_id, route))


_NUMBERS = itertools.count()


async def document(server: World, said: Card) -> Came | None:
    """Each is another address, which nobody met before."""
    return await _published_at(server, f"https://app{next(_NUMBERS)}.example/client.json", said)


async def _published_at(server: World, url: str, said: Card) -> Came | None:
    publish(server, url, **_published(said))
    return await _met(server, Asking(url), Route.CIMD)


async def document_again(server: World, came: Came, said: Card) -> Came | None:
    server.clock.forward(100_000)
    return await _published_at(server, came.client.client_id, said)


async def discovery(server: World, said: Card) -> Came | None:
    return await _discoverable_at(server, f"https://client{next(_NUMBERS)}.example.org", said)


async def _discoverable_at(server: World, host: str, said: Card) -> Came | None:
    discoverable(server, host, **_published(said))
    return await _met(server, Asking(host, discovery=True), Route.LOOKER)


async def discovery_again(server: World, came: Came, said: Card) -> Came | None:
    server.clock.forward(100_000)
    return await _discoverable_at(server, came.client.client_id, said)


def _published(said: Card) -> dict[str, Any]:
    """A document with keys, so that it can say how it proves itself."""
    keyed = said.get("token_endpoint_auth_method") not in (None, "none")
    return {**said, **({"token_endpoint_auth_method": "private_key_jwt", "jwks": KEYS} if keyed else {})}


_INVITED_FORMS = frozenset({"grants", "pair", "software"})
_FORMS = _INVITED_FORMS | {"scopes", "narrow"}
_APPS = frozenset({"grants", "pair", "software"})
_DOCUMENTS = frozenset({"secret_lifetime"})

ENTRANCES = (
    Entrance("json", Door.RFC7591, Tier.ANONYMOUS, json_anonymous, put),
    Entrance("json with token", Door.RFC7591, Tier.TOKEN, json_token, put),
    Entrance("json with statement", Door.RFC7591, Tier.VOUCHED, beside_statement, put),
    Entrance("statement", Door.RFC7591, Tier.VOUCHED, stated, restated),
    Entrance("signed request", Door.RFC7591, Tier.VOUCHED, signed, signed_again),
    Entrance("form", Door.SCR2011, Tier.ANONYMOUS, form_anonymous, form_update, _FORMS),
    Entrance("form with token", Door.SCR2011, Tier.TOKEN, form_token, form_update, _INVITED_FORMS),
    Entrance("app", Door.MASTODON, Tier.ANONYMOUS, app_anonymous, None, _APPS),
    Entrance("app with token", Door.MASTODON, Tier.TOKEN, app_token, None, _APPS),
    Entrance("document", Door.CIMD, Tier.URL, document, document_again, _DOCUMENTS),
    Entrance("discovery", Door.LOOKER, Tier.URL, discovery, discovery_again, _DOCUMENTS),
)


# ── Kinds of rules ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Kind:
    """One kind of rule: what a policy forbids by it, what a client says that goes too far, and what one that does not."""

    name: str
    row: object
    """The row of the program's tables that it is about."""
    policy: str
    """``TIER`` stands for the tier."""
    forbids: Callable[[Ports, Client, Card], bool]
    over: Card
    good: Card


def _redirects_to(uri: str) -> Callable[[Ports, Client, Card], bool]:
    return lambda ports, client, card: uri in words(card["redirect_uris"])


def _rule(then: str, when: str = "", unless: str = "") -> str:
    asks = "".join(f"{name} = {{ {asked} }}\n" for name, asked in (("when", when), ("unless", unless)) if asked)
    return f'[[rule]]\nname = "the rule"\n{asks}then = {then}\n'


def _says(name: str, *values: str) -> Callable[[Ports, Client, Card], bool]:
    """Whether a member has a value besides these."""

    def beyond(ports: Ports, client: Client, card: Card) -> bool:
        value = card.get(name)
        said = words(value) if isinstance(value, list) else str(value).split()
        return any(one not in values for one in said)

    return beyond


def _lives_long(ports: Ports, client: Client, card: Card) -> bool:
    return has_secret(client) and not 0 < client.secret_expires_at <= ports.now() + 60


def _acts(ports: Ports, client: Client, card: Card) -> bool:
    return EVIL in words(card["redirect_uris"]) and client.state is State.ACTIVE


def _both(ports: Ports, client: Client, card: Card) -> bool:
    return {"authorization_code", "refresh_token"} <= set(words(card["grant_types"]))


def _signs(ports: Ports, client: Client, card: Card) -> bool:
    return any(value == "RS256" for name, value in card.items() if name.endswith("_alg"))


def _as_tea(ports: Ports, client: Client, card: Card) -> bool:
    return card.get("software_id") == "tea-1" and EVIL in words(card["redirect_uris"])


GOOD: Card = {"redirect_uris": [CALLBACK], "grant_types": ["authorization_code"], "token_endpoint_auth_method": "none", "scope": "openid"}
FAR: Card = {**GOOD, "redirect_uris": [EVIL]}
WIDE_SCOPE: Card = {**GOOD, "scope": "openid email"}
GRANTS: Card = {**GOOD, "grant_types": ["authorization_code", "refresh_token"]}
SECRET: Card = {**GOOD, "token_endpoint_auth_method": "client_secret_basic"}
CEILING = "[ceiling.TIER]\n"

KINDS = (
    Kind(
        "allow",
        Then.ALLOW,
        _rule('"allow"', 'redirect_host = ["app.example"]') + '[[rule]]\nname = "else"\nthen = "refuse"\n',
        _redirects_to(EVIL),
        FAR,
        GOOD,
    ),
    Kind("refuse", Then.REFUSE, _rule('"refuse"', 'redirect_host = ["*.evil.example"], tier = ["TIER"]'), _redirects_to(EVIL), FAR, GOOD),
    Kind("hold", Then.HOLD, _rule('"hold"', 'redirect_host = ["*.evil.example"], tier = ["TIER"]'), _acts, FAR, GOOD),
    Kind("narrow", Then.NARROW, _rule('{ narrow = { scope = ["openid"] } }'), _says("scope", "openid"), WIDE_SCOPE, GOOD),
    Kind(
        "require",
        Then.REQUIRE,
        _rule('{ require = { client_name = ["Tea"] } }'),
        _says("client_name", "Tea"),
        {**GOOD, "client_name": "Evil"},
        {**GOOD, "client_name": "Tea"},
    ),
    Kind("scopes", "scopes", CEILING + 'scopes = ["openid"]\n', _says("scope", "openid"), WIDE_SCOPE, GOOD),
    Kind("grants", "grants", CEILING + 'grants = ["authorization_code"]\n', _says("grant_types", "authorization_code"), GRANTS, GOOD),
    Kind("auth_methods", "auth_methods", CEILING + 'auth_methods = ["none"]\n', _says("token_endpoint_auth_method", "none"), SECRET, GOOD),
    Kind(
        "algorithms",
        "algorithms",
        CEILING + 'algorithms = ["ES256"]\n',
        _signs,
        {**GOOD, "id_token_signed_response_alg": "RS256"},
        {**GOOD, "id_token_signed_response_alg": "ES256"},
    ),
    Kind("redirect_hosts", "redirect_hosts", CEILING + 'redirect_hosts = ["app.example"]\n', _redirects_to(EVIL), FAR, GOOD),
    Kind(
        "redirect_schemes",
        "redirect_schemes",
        CEILING + 'redirect_schemes = ["https"]\n',
        _redirects_to(LOOPBACK),
        {**GOOD, "redirect_uris": [LOOPBACK], "application_type": "native"},
        {**GOOD, "application_type": "native"},
    ),
    Kind("secret_lifetime", "secret_lifetime", CEILING + "secret_lifetime = 60\n", _lives_long, SECRET, SECRET),
    Kind(
        "refresh_lifetime",
        "refresh_lifetime",
        CEILING + "refresh_lifetime = 60\n",
        lambda ports, client, card: not 0 < ports.refresh_lifetime(client.tier) <= 60,
        GRANTS,
        GRANTS,
    ),
    Kind("consent", "consent", CEILING + 'consent = "always"\n', lambda ports, client, card: ports.remembers(client.tier), GOOD, GOOD),
    Kind("clients", "clients", CEILING + "clients = 50\n", lambda ports, client, card: ports.client_limit(client.tier) != 50, GOOD, GOOD),
    Kind(
        "software",
        Software,
        '[[software]]\nid = "tea-1"\nredirect_hosts = ["app.example"]\n',
        _as_tea,
        {**FAR, "software_id": "tea-1"},
        {**GOOD, "software_id": "tea-1"},
    ),
    Kind("pair", "grants_together", _rule('"refuse"', 'grants_together = ["authorization_code", "refresh_token"]'), _both, GRANTS, GOOD),
)


def test_every_door_tier_outcome_and_ceiling_has_its_cells() -> None:
    """A new row of these tables without a row here fails."""
    assert {one.door for one in ENTRANCES} == set(Door) - {Door.ADMIN}
    assert {one.tier for one in ENTRANCES} == set(Tier) - {Tier.ADMIN}
    assert {one.row for one in KINDS if isinstance(one.row, Then)} == set(Then)
    assert {one.name for one in fields(Ceiling)} <= {one.row for one in KINDS}
    assert Software in {one.row for one in KINDS}


@pytest.fixture
async def server(tmp_path: Path) -> World:
    """A server that trusts the directory and reads its policy from a file, in which there is no rule yet."""
    (tmp_path / "policy.toml").write_text(HEAD, encoding="ascii")
    (tmp_path / "directory.jwks").write_text(json.dumps(holder("ES256", "d1", 7).jwks), encoding="utf-8")
    trusted = written(grants=["authorization_code", "refresh_token"], scopes="openid profile email", signed_requests=True)
    (tmp_path / "issuers.toml").write_text(toml([trusted]), encoding="utf-8")
    files = (str(tmp_path / "policy.toml"), str(tmp_path / "issuers.toml"))
    some = await world(
        tmp_path, policy_file=files[0], statement_issuers_file=files[1], signed_registration=True, registration_rate=0, change_rate=0
    )
    return by_its_clock(some)


async def judged_by(server: World, tmp_path: Path, entrance: Entrance, kind: Kind) -> None:
    """The operator writes the rule; the server reads it."""
    (tmp_path / "policy.toml").write_text(HEAD + kind.policy.replace("TIER", entrance.tier.name.lower()), encoding="ascii")
    assert await reload(server.ports)


def forbidden(server: World, kind: Kind, came: Came | None) -> bool:
    return came is not None and kind.forbids(server.ports, came.client, card_of(came.client))


@meets("X-30", "X-35", "X-80", "X-81", "A-87", "R-17", "M-30")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("entrance", ENTRANCES, ids=lambda entrance: entrance.name)
async def test_no_door_reaches_what_the_policy_forbids(server: World, tmp_path: Path, entrance: Entrance, kind: Kind) -> None:
    before = await entrance.come(server, kind.over)
    assert before is not None
    assert (before.client.door, before.client.tier) == (entrance.door, entrance.tier)
    assert forbidden(server, kind, before) == (kind.name not in entrance.mute)

    await judged_by(server, tmp_path, entrance, kind)
    again = await entrance.come(server, kind.over)
    assert not forbidden(server, kind, again)
    if entrance.change is None:
        return
    same = await entrance.change(server, before, kind.over)
    assert not forbidden(server, kind, same)
    assert not forbidden(server, kind, await entrance.change(server, same or before, {**kind.over, "client_name": "Evil Twin"}))


@meets("X-30", "X-35")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("entrance", [one for one in ENTRANCES if one.change], ids=lambda entrance: entrance.name)
async def test_who_came_in_humbly_does_not_grow(server: World, tmp_path: Path, entrance: Entrance, kind: Kind) -> None:
    await judged_by(server, tmp_path, entrance, kind)
    came = await entrance.come(server, kind.good)
    if came is None:  # at this door the good one cannot be said
        assert kind.name == "auth_methods"
        return
    assert not forbidden(server, kind, came)

    assert entrance.change
    after = await entrance.change(server, came, kind.over)

    assert not forbidden(server, kind, after)
    if after is None:
        assert card_of(await _row(server, came.client.client_id, came.client.route)) == card_of(came.client)


OURS: Card = {
    "trusted": True,
    "disabled": False,
    "first_party": True,
    "owner": "me",
    "policy": "none",
    "tier": "admin",
    "door": "admin",
    "state": "active",
    "invitation": "00",
    "approved_card": "00",
}
"""What only the server says of a client, and what other servers were told by clients."""


@meets("X-30")
@pytest.mark.parametrize("entrance", ENTRANCES, ids=lambda entrance: entrance.name)
async def test_what_only_the_server_says_cannot_be_said(server: World, entrance: Entrance) -> None:
    plain = await entrance.come(server, GOOD)
    loud = await entrance.come(server, {**GOOD, **OURS})

    assert plain
    assert loud
    after = await entrance.change(server, loud, {**GOOD, **OURS}) if entrance.change else loud
    assert after
    assert _inside(after.client) == _inside(plain.client)
    assert not OURS.keys() & card_of(after.client).keys()


def _inside(client: Client) -> tuple[object, ...]:
    return client.tier, client.door, client.state, client.owner, client.approved_card, client.epoch


# ── Whatever is said, whatever the policy ────────────────────────────────────────────────────────────────────────────

ASKED: Mapping[str, tuple[str, ...]] = {
    "tier": tuple(TIERS),
    "door": tuple(entrance.door.value for entrance in ENTRANCES),
    "invitation": ("for tests", "00"),
    "owner": ("tester", "nobody"),
    "issuer": ("https://directory.example",),
    "redirect_host": ("app.example", "*.evil.example", "127.0.0.1"),
    "redirect_scheme": ("https", "http"),
    "preset": ("ours",),
    "brand": ("Evil",),
    "software_id": ("tea-1",),
    "software_version": ("1",),
    "application_type": ("web", "native"),
    "grant": ("authorization_code", "refresh_token", "client_credentials"),
    "grants_together": ("authorization_code", "refresh_token", "client_credentials"),
    "response_type": ("code",),
    "auth_method": ("none", "client_secret_basic", "private_key_jwt"),
    "scope": ("openid", "email", "orders"),
    "resource": ("https://api.example",),
}
"""Values for every condition but ``change``, by which an operator means that registering and changing differ."""

SAID: Mapping[str, tuple[JSON, ...]] = {
    "redirect_uris": ([CALLBACK], [CALLBACK, "https://app.example/too"], [EVIL, CALLBACK], [LOOPBACK]),
    "grant_types": (["authorization_code"], ["authorization_code", "refresh_token"], list(ASKED["grant"])),
    "response_types": (["code"], [], ["code", "none"]),
    "token_endpoint_auth_method": ("none", "client_secret_basic"),
    "token_endpoint_auth_signing_alg": ("ES256", "RS256"),
    "id_token_signed_response_alg": ("ES256", "RS256"),
    "jwks": ({"keys": list[JSON](KEYS["keys"])},),
    "application_type": ASKED["application_type"],
    "scope": ("openid", "openid email", "email", "orders openid", "nothing"),
    "software_id": ASKED["software_id"],
    "software_version": ASKED["software_version"],
    "client_uri": (EVIL, "https://app.example/"),
    "client_name": ("Tea", "Evil"),
}
LESS: Mapping[str, tuple[str, ...]] = {
    "grant_types": ASKED["grant"],
    "response_types": ("code",),
    "scope": ASKED["scope"],
}
BOUNDS: Mapping[str, tuple[str, ...]] = {
    "scopes": ASKED["scope"],
    "grants": ASKED["grant"],
    "auth_methods": ASKED["auth_method"],
    "algorithms": ("ES256", "RS256"),
    "redirect_hosts": ASKED["redirect_host"],
    "redirect_schemes": ASKED["redirect_scheme"],
}


def some_of(values: tuple[str, ...], least: int = 1) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), min_size=least, unique=True).map(tuple)


def mapped(table: Mapping[str, tuple[str, ...]], least: int = 0) -> st.SearchStrategy[dict[str, tuple[str, ...]]]:
    """Some values for a few of these names."""
    rows = st.sampled_from(list(table)).flatmap(lambda name: st.tuples(st.just(name), some_of(table[name])))
    return st.lists(rows, min_size=least, max_size=2, unique_by=lambda row: row[0]).map(dict)


few = st.one_of(st.just(dict[str, tuple[str, ...]]()), mapped(ASKED))
"""Often none: most rules are about most clients, so that one meets what another left."""


def rules_that(then: Then) -> st.SearchStrategy[Rule]:
    required = {"token_endpoint_auth_method": ASKED["auth_method"], "application_type": ASKED["application_type"], "client_name": ("Tea",)}
    values = {Then.NARROW: mapped(LESS, 1), Then.REQUIRE: mapped(required, 1)}.get(then, st.just(dict[str, tuple[str, ...]]()))
    return st.builds(Rule, st.just("rule"), st.just(then), few, few, values)


_SPOKEN = ("redirect_uris", "token_endpoint_auth_method", "scope")
cards = st.fixed_dictionaries(
    {name: st.sampled_from(SAID[name]) for name in _SPOKEN},
    optional={name: st.sampled_from(values) for name, values in SAID.items() if name not in _SPOKEN},
)
ceilings = st.fixed_dictionaries({}, optional={name: some_of(values, 0) for name, values in BOUNDS.items()}).map(
    lambda said: Ceiling(**said)  # type: ignore[arg-type] # the names and types of Ceiling
)
known = st.builds(
    Software, st.just("tea-1"), st.just(("app.example",)), st.just(("app.example",)), st.sampled_from([Then.REFUSE, Then.HOLD])
)
policies = st.builds(
    Policy,
    st.just("test"),
    st.just("0"),
    st.lists(st.sampled_from((Then.NARROW, *Then)).flatmap(rules_that), max_size=4),
    st.dictionaries(st.sampled_from([tier for tier in Tier if tier is not Tier.ADMIN]), ceilings),
    st.lists(known, max_size=1),
    st.just({"ours": (CALLBACK, LOOPBACK)}),
)
GROUND = ground(replace(Settings(), issuer="https://as.example"))
SCOPES = {"openid", "profile", "email", "orders"}


def test_the_property_asks_everything_that_a_rule_can_ask() -> None:
    assert set(ASKED) == set(CONDITIONS) - {"change"}
    assert set(BOUNDS) == {one.name for one in fields(Ceiling)} - {"secret_lifetime", "refresh_lifetime", "clients", "consent"}


def standing(entrance: Entrance, policy: Policy) -> tuple[Ground, Rules]:
    """By what the corridor judges who comes through this entrance."""
    resources = {"https://api.example": "orders"}
    if entrance.tier is Tier.URL:
        return ground_for(GROUND), within(rules_for(uninvited(None, "openid")), policy, Tier.URL, Guest(resources=resources))
    base = uninvited(None, "openid")
    if entrance.tier is not Tier.ANONYMOUS:
        base = invited(base, "openid email orders", ASKED["grant"], None)
    return GROUND, within(base, policy, entrance.tier, Guest("00", "for tests", "tester", "https://directory.example", resources))


@meets("X-35", "X-30", "A-87")
@settings(max_examples=1000)
@given(st.sampled_from(ENTRANCES), cards, st.lists(cards, max_size=2), policies)
def test_no_path_yields_a_card_that_registration_would_refuse_or_narrow(
    entrance: Entrance, said: Card, changes: list[Card], policy: Policy
) -> None:
    here, rules = standing(entrance, policy)
    before: Card | None = None
    for one in [said, *changes]:
        try:
            passed = pass_through(one, here, rules, SCOPES, door=entrance.door, tier=entrance.tier, before=before)
        except Refusal:
            continue
        before = passed.card
        again = weigh(passed.card, here, rules, SCOPES, door=entrance.door, tier=entrance.tier, before=None)

        assert again.judged is not None
        assert again.decision is not None
        assert (again.refusals, again.judged.changes, again.decision.card) == ((), (), passed.card)
        assert {reason.outcome for reason in again.decision.reasons} <= {Outcome.HOLD}
        assert (again.decision.outcome is Outcome.HOLD) == passed.held
