"""An operator's policy at every door, at every change, and where its ceilings count at once (A-87, X-30, X-35)."""

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from calling_card.protocol.clients import Route, State, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.usecases.clients import Asking, find, read_now
from calling_card.usecases.reload import reload
from calling_card.wiring import policies
from tests.addresses import HOST, URL, discoverable, publish
from tests.ledger import meets
from tests.policies import HEAD, under
from tests.statements import DIRECTORY, Directory, trusting
from tests.usecases.guests import by_its_clock, question, signed_in
from tests.usecases.test_associate import associated, update
from tests.visitor import exchange, person_client, refresh
from tests.world import CALLBACK, World, body_of, changed, world

EVIL = "https://login.evil.example/cb"
NO_EVIL = '[[rule]]\nname = "no evil"\nwhen = { redirect_host = ["*.evil.example"] }\nthen = "refuse"\nwhy = "not from there"\n'
WAIT = '[[rule]]\nname = "wait"\nwhen = { redirect_host = ["*.evil.example"] }\nthen = "hold"\n'
TOLD = "redirect_uris: not from there (RFC 7591 section 5)"


@pytest.fixture(params=["memory", "sqlite"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    some = await world(tmp_path, sqlite=request.param == "sqlite")
    yield some
    await some.ports.store.close()


async def by_json(server: World) -> str:
    reply = await server.post_json("/register", {"redirect_uris": [EVIL], "token_endpoint_auth_method": "none"})
    return named(reply.status, reply.json)


async def by_form(server: World) -> str:
    reply = await server.post_form("/register", {"type": "client_associate", "redirect_url": EVIL})
    return named(reply.status, reply.json)


async def by_app(server: World) -> str:
    reply = await server.post_form("/api/v1/apps", {"client_name": "App", "redirect_uris": EVIL})
    return named(reply.status, reply.json)


async def by_invitation(server: World) -> str:
    reply = await server.post_json("/register", {"redirect_uris": [EVIL]}, await server.invitation())
    return named(reply.status, reply.json)


async def by_document(server: World) -> str:
    publish(server, redirect_uris=[EVIL])
    return (await find(server.ports, Asking(URL))).client.client_id


async def by_discovery(server: World) -> str:
    discoverable(server, redirect_uris=[EVIL])
    return (await find(server.ports, Asking(HOST, discovery=True))).client.client_id


def named(status: int, body: dict[str, Any]) -> str:
    """The client_id of an answer. Raises `Refusal` as it was told."""
    if status == 400:
        assert body["error"] == No.INVALID_REDIRECT_URI.code
        raise Refusal(No.INVALID_REDIRECT_URI, body["error_description"])
    return str(body["client_id"])


DOORS: tuple[tuple[Callable[[World], Awaitable[str]], Route], ...] = (
    (by_json, Route.REGISTERED),
    (by_form, Route.REGISTERED),
    (by_app, Route.REGISTERED),
    (by_invitation, Route.REGISTERED),
    (by_document, Route.CIMD),
    (by_discovery, Route.LOOKER),
)


# ── Every door ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-87", "X-35")
@pytest.mark.parametrize("come, route", DOORS)
async def test_whom_the_policy_refuses_comes_in_by_no_door(server: World, come: Callable[[World], Awaitable[str]], route: Route) -> None:
    with under(server, NO_EVIL), pytest.raises(Refusal) as refused:
        await come(server)

    assert (refused.value.no, refused.value.description) == (No.INVALID_REDIRECT_URI, TOLD)
    assert not await server.ports.store.clients("", 100)
    assert client_key(route, await come(server))


@meets("A-87")
@pytest.mark.parametrize("come, route", DOORS)
async def test_whom_the_policy_holds_waits_at_every_door(server: World, come: Callable[[World], Awaitable[str]], route: Route) -> None:
    with under(server, WAIT):
        client = await server.ports.store.client(client_key(route, await come(server)))

    assert client is not None
    assert client.state is State.HELD


async def test_with_no_policy_file_everything_is_as_ever(server: World) -> None:
    card = await server.register(redirect_uris=[EVIL])

    (event,) = await server.told("client_registered")
    assert server.ports.policies.current is None
    assert "policy" not in event["body"]
    assert await server.ports.policies.look() is None
    assert (await server.replace(card)).status == 200


@meets("A-87")
async def test_an_event_says_which_version_of_which_policy_decided_and_the_decision_which_rule(server: World) -> None:
    text = '[[rule]]\nname = "less"\nthen = { narrow = { scope = ["openid"] } }\n'
    with under(server, text):
        card = await server.register(scope="openid email")
        policy = server.ports.policies.current

    assert policy is not None
    (event,) = await server.told("client_registered")
    assert card["scope"] == "openid"
    assert event["body"]["policy"] == policy.label
    assert event["body"]["decision"][-1][-1] == f"{policy.label}: less"
    assert json.loads((await server.row(card)).decision) == event["body"]["decision"]


# ── Who comes ────────────────────────────────────────────────────────────────────────────────────────────────────────

ONLY = '[[rule]]\nname = "only"\nunless = { %s }\nthen = "refuse"\n'


@meets("A-87")
@pytest.mark.parametrize("condition", ['invitation = ["test"]', 'owner = ["tester"]', 'tier = ["token"]'])
async def test_a_rule_knows_the_invitation_at_registration_and_at_every_change(server: World, condition: str) -> None:
    with under(server, ONLY % condition):
        status, _ = await server.tried()
        card = await server.register(await server.invitation())
        again = await server.replace(card)

    assert (status, again.status) == (400, 200)


@meets("A-87")
async def test_a_rule_knows_the_issuer_of_a_statement_and_a_statement_is_judged_with_what_it_adds(tmp_path: Path) -> None:
    server, directory = by_its_clock(await trusting(tmp_path)), Directory()
    with under(server, ONLY % f'issuer = ["{DIRECTORY}"]'):
        status, _ = await server.tried()
        card = await server.register(software_statement=directory.states())
        kept = await server.replace(card)
    with under(server, NO_EVIL):
        other = await server.replace(card, "redirect_uris", software_statement=directory.states(redirect_uris=[EVIL]))

    assert (status, kept.status) == (400, 200)
    assert (other.no, other.why) == ((400, "invalid_redirect_uri"), TOLD)


@meets("A-87")
async def test_a_rule_knows_the_resource_server_whose_scopes_are_asked_for(server: World) -> None:
    await server.resource("https://api.example", "orders:read")
    text = '[[rule]]\nname = "orders"\nwhen = { resource = ["https://api.example"] }\nthen = "refuse"\n'
    publish(server, scope="openid orders:read")

    with under(server, text):
        status, _ = await server.tried(scope="openid orders:read")
        card = await server.register(scope="openid")
        grown = await server.replace(card, scope="orders:read")
        with pytest.raises(Refusal) as refused:
            await find(server.ports, Asking(URL))

    assert (status, grown.no) == (400, (400, "invalid_client_metadata"))
    assert refused.value.description.startswith("scope: the policy of this server refuses such clients")


# ── Every change ─────────────────────────────────────────────────────────────────────────────────────────────────────

POWERS = (
    '[ceiling.token]\nscopes = ["openid"]\n'
    '[[rule]]\nname = "public"\nwhen = { tier = ["anonymous"] }\nthen = { require = { token_endpoint_auth_method = ["none"] } }\n'
    '[[rule]]\nname = "pair"\nwhen = { grants_together = ["authorization_code", "client_credentials"] }\nthen = "refuse"\n' + NO_EVIL
)


@meets("X-30", "X-80", "X-81")
@pytest.mark.parametrize(
    "members, no",
    [
        ({"redirect_uris": [CALLBACK, EVIL]}, (400, "invalid_redirect_uri")),
        ({"token_endpoint_auth_method": "client_secret_basic"}, (400, "invalid_client_metadata")),
        ({"token_endpoint_auth_method": None}, (400, "invalid_client_metadata")),
    ],
)
async def test_nothing_grows_by_a_replacement_what_registration_would_refuse(
    server: World, members: dict[str, object], no: tuple[int, str]
) -> None:
    with under(server, POWERS):
        card = await server.register(token_endpoint_auth_method="none")
        before = await server.row(card)
        reply = await server.put(card, body_of(card, **members))
        status, _ = await server.tried(**members)

    assert (reply.no, status) == (no, 400)
    assert (await server.row(card)).metadata == before.metadata


@meets("X-30", "M-30", "R-17")
async def test_an_invitation_opens_no_pair_and_no_scope_that_the_policy_forbids(server: World) -> None:
    wide = {"uses": 2, "scope": "openid email", "grants": ("authorization_code", "client_credentials")}
    token = await server.invitation(**wide)  # type: ignore[arg-type] # the names and types of `invitation`
    with under(server, POWERS):
        both = await server.refusal(token, grant_types=["authorization_code", "client_credentials"])
        card = await server.register(token, grant_types=["client_credentials"], redirect_uris=[], scope="openid email")
        grown = await server.replace(card, grant_types=["authorization_code", "client_credentials"], redirect_uris=[CALLBACK])

    assert both[0] == "invalid_client_metadata"
    assert card["scope"] == "openid"
    assert grown.no == (400, "invalid_client_metadata")


@meets("X-35", "M-30")
async def test_the_policy_of_today_judges_who_came_in_under_another(server: World) -> None:
    card = await server.register(redirect_uris=[EVIL])
    got = await associated(server, redirect_url=EVIL)
    publish(server, redirect_uris=[EVIL])
    known = await find(server.ports, Asking(URL))

    with under(server, NO_EVIL):
        put = await server.replace(card, client_name="New")
        form = await update(server, got, application_name="New")
        server.clock.forward(100_000)
        with pytest.raises(Refusal) as refetched:
            await find(server.ports, Asking(URL))

    assert (put.why, form.why, refetched.value.description) == (TOLD, TOLD, TOLD)
    assert known.client.state is State.ACTIVE


@meets("A-87")
async def test_a_rule_for_changes_spares_newcomers_and_judges_a_document_that_is_read_again(server: World) -> None:
    text = '[[rule]]\nname = "frozen"\nwhen = { change = ["update"] }\nthen = "refuse"\n'
    publish(server)
    with under(server, text):
        known = await find(server.ports, Asking(URL))
        card = await server.register()
        put = await server.replace(card)
        with pytest.raises(Refusal):
            await read_now(server.ports, URL, discovery=False)

    assert known.client.state is State.ACTIVE
    assert put.no == (400, "invalid_client_metadata")


async def test_a_card_that_was_sealed_is_judged_by_the_policy_of_today(tmp_path: Path) -> None:
    server = await world(tmp_path, open_registration="sealed")
    card = await server.register(redirect_uris=[EVIL])
    before = await find(server.ports, Asking(card["client_id"]))

    with under(server, NO_EVIL), pytest.raises(Refusal) as refused:
        await find(server.ports, Asking(card["client_id"]))

    assert before.client.card_until
    assert refused.value.no is No.UNKNOWN_CLIENT


# ── Ceilings at use ──────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-03", "X-30")
async def test_a_lower_ceiling_for_scopes_counts_at_the_next_question(server: World) -> None:
    card = await person_client(server)
    guest = await signed_in(server)
    wide = question(await guest.come(card, scope="openid email"))

    with under(server, '[ceiling.anonymous]\nscopes = ["openid"]\n'):
        narrow = question(await guest.come(card, scope="openid email"))

    assert (wide.scopes, narrow.scopes) == (("openid", "email"), ("openid",))


@meets("H-03")
async def test_no_policy_gives_strangers_the_scope_that_lets_others_in(tmp_path: Path) -> None:
    known = ("openid", "profile", "email", "offline_access", "register")
    server = await world(tmp_path, scopes=known, registration_scope="register", anonymous_scopes=("openid", "email"))

    with under(server, '[ceiling.anonymous]\nscopes = ["openid", "register"]\n[ceiling.token]\nscopes = ["openid", "register"]\n'):
        stranger = await server.register(scope="openid register")
        invited = await server.register(await server.invitation(), scope="openid register")

    assert (stranger["scope"], invited["scope"]) == ("openid", "openid")


LIVES = "[ceiling.anonymous]\nsecret_lifetime = 60\nrefresh_lifetime = 120\n"


@meets("A-87")
async def test_a_secret_lives_no_longer_than_the_ceiling_of_its_tier(server: World) -> None:
    with under(server, LIVES):
        card = await server.register()
        invited = await server.register(await server.invitation())
        got = await associated(server)
        with changed(server, secret_lifetime=30):
            shorter = await server.register()

    assert card["client_secret_expires_at"] - server.clock() == 60
    assert (invited["client_secret_expires_at"], got["expires_in"]) == (0, 60)
    assert shorter["client_secret_expires_at"] - server.clock() == 30


@meets("A-87")
async def test_refresh_tokens_live_no_longer_than_the_ceiling_of_their_tier(tmp_path: Path) -> None:
    server = by_its_clock(await world(tmp_path))
    card = await person_client(server)
    guest = await signed_in(server)
    answer = await guest.allow(card, scope="openid offline_access")
    tokens = (await exchange(server, card, answer.members["code"])).json
    server.clock.forward(119)

    with under(server, LIVES):
        good = await refresh(server, card, tokens["refresh_token"])
        server.clock.forward(1)
        late = await refresh(server, card, good.json["refresh_token"])
    again = await refresh(server, card, good.json["refresh_token"])

    assert (good.status, late.no, again.status) == (200, (400, "invalid_grant"), 200)


# ── Read again ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-87")
async def test_a_policy_is_read_again_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(HEAD, encoding="ascii")
    server = await world(tmp_path / "server", policy_file=str(file))
    first = server.ports.policies.current
    card = await server.register(redirect_uris=[EVIL])

    assert not await reload(server.ports)
    file.write_text(HEAD + NO_EVIL, encoding="ascii")
    assert await reload(server.ports)
    second = server.ports.policies.current
    refused = await server.replace(card)
    file.write_text(HEAD + "[[rule]]\n", encoding="ascii")
    assert not await reload(server.ports)
    assert not await reload(server.ports)

    assert first is not None
    assert second is not None
    assert first.digest != second.digest
    assert refused.why == TOLD
    assert server.ports.policies.current is second
    assert [event["body"] for event in await server.told("policy_loaded")] == [{"name": "test", "digest": second.digest}]
    assert [event["body"] for event in await server.told("policy_refused")] == [{"problem": f"{file}: rule 1: name: is missing"}]
    assert [line["event"] for line in server.lines if "policy" in str(line["event"])] == ["policy_loaded", "policy_refused"]


async def test_who_asks_gets_the_policy_read_even_where_nothing_changed(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(HEAD, encoding="ascii")
    server = await world(tmp_path / "server", policy_file=str(file))

    assert await reload(server.ports, anyway=True)
    assert policies(server.ports.settings).current == server.ports.policies.current


# ── One verdict ──────────────────────────────────────────────────────────────────────────────────────────────────────

SAID: dict[str, tuple[object, ...]] = {
    "redirect_uris": ([CALLBACK], [CALLBACK, EVIL], ["http://127.0.0.1/cb"]),
    "token_endpoint_auth_method": (None, "none", "client_secret_post", "private_key_jwt"),
    "grant_types": (None, ["authorization_code", "refresh_token"], ["client_credentials"]),
    "application_type": (None, "web", "native"),
    "scope": (None, "openid", "openid email", "email"),
}
STRICT = (
    '[ceiling.anonymous]\nscopes = ["openid", "email"]\nauth_methods = ["none", "client_secret_basic"]\nalgorithms = ["ES256"]\n'
    '[[rule]]\nname = "native is public"\nwhen = { application_type = ["native"] }\nunless = { auth_method = ["none"] }\nthen = "refuse"\n'
    '[[rule]]\nname = "no mail for public"\nwhen = { auth_method = ["none"] }\nthen = { narrow = { scope = ["openid"] } }\n' + NO_EVIL
)


@meets("X-30", "X-35", "X-80")
async def test_registration_and_replacement_never_disagree_about_a_card(tmp_path: Path) -> None:
    server = await world(tmp_path, failure_rate=0, registration_rate=0, change_rate=0)
    with under(server, STRICT):
        plain = await server.register()
        for values in itertools.product(*SAID.values()):
            body = {name: value for name, value in zip(SAID, values, strict=True) if value is not None}
            post = await server.post_json("/register", body)
            put = await server.put(plain, {"client_id": plain["client_id"], **body})

            assert (post.status, put.status) in ((201, 200), (400, 400)), (body, post.body, put.body)
            if put.status == 200:
                plain = put.json
                assert in_force(post.json) == in_force(put.json)
            else:
                assert (post.no, post.why) == (put.no, put.why)


def in_force(card: dict[str, Any]) -> dict[str, Any]:
    """What a card says without what only the server says."""
    return {name: value for name, value in card.items() if not name.startswith(("client_", "registration_"))}
