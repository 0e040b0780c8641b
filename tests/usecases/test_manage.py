"""A client reads, replaces and deletes its registration: RFC 7592 §2 and §3, a sentence a test."""

import asyncio
import base64
import json
import statistics
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calling_card.ports import StoreUnavailable
from calling_card.protocol.clients import Client, State
from calling_card.protocol.credentials import REGISTRATION_ACCESS_TOKEN, Handle, write
from calling_card.protocol.events import Event
from calling_card.store.memory import MemoryStore
from calling_card.usecases.operate import resume, rotate, suspend
from tests.ledger import meets
from tests.world import CALLBACK, ISSUER, SERVER_MEMBERS, START, Reply, World, beside, body_of, changed, world

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


async def replaced(server: World, card: Mapping[str, Any], **members: object) -> dict[str, Any]:
    """The card after a replacement that must succeed."""
    reply = await server.put(card, body_of(card, **members))
    assert reply.status == 200, reply.body
    return reply.json


def rat(card: Mapping[str, Any]) -> str:
    token = card["registration_access_token"]
    assert isinstance(token, str)
    return token


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
    after = await replaced(server, card)

    assert ("client_secret" in read, "client_secret" in after) == (returned, returned)
    assert read["client_secret_expires_at"] == 0
    assert card["client_secret"]


@meets("M-55", "S1-12", "S1-21", "S1-30")
async def test_the_time_of_registration_stays_for_life(server: World) -> None:
    card = await server.register()
    server.clock.forward(1000)

    after = await replaced(server, card, client_name="B")

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
    await replaced(server, card)
    changed_on = (await server.row(card)).last_used_day

    assert read == START // DAY + (3 if counts else 0)
    assert changed_on == START // DAY + 3


# ── Who is asking ────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-08")
async def test_without_credentials_no_error_is_named_in_the_challenge(server: World) -> None:
    card = await server.register()

    reply = await server.call("GET", card["registration_client_uri"])

    assert reply.no == (401, "invalid_token")
    assert reply.headers["www-authenticate"] == 'Bearer realm="registration"'


@meets("M-09", "S1-36")
async def test_a_bad_token_is_named_in_the_challenge_and_in_the_body(server: World) -> None:
    card = await server.register()

    reply = await server.read(card, "nonsense")

    assert reply.no == (401, "invalid_token")
    assert reply.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert reply.headers["content-type"] == "application/json"


@meets("M-10", "M-11", "M-12", "M-17", "C-14", "S1-35", "S1-40", "M-56")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_every_token_that_is_not_the_clients_living_one_gets_the_same_answer(either: World, method: str) -> None:
    first = await either.register()
    second = await replaced(either, first)
    third = await replaced(either, second)
    other, gone, machine = await either.register(), await either.register(), await either.machine()
    await either.remove(gone)
    client = await either.row(first)
    handle = Handle(REGISTRATION_ACCESS_TOKEN, 1, client.key + client.incarnation, 99)
    access = (await either.token(machine)).json["access_token"]
    here = first["registration_client_uri"]
    asked = {
        "another client's": (here, rat(other)),
        "unknown client": (f"{ISSUER}/register/cAAAAAAAAAAAAAAAAAAAAAA", rat(first)),
        "never heard of": (f"{ISSUER}/register/never-existed", rat(other)),
        "deleted client": (gone["registration_client_uri"], rat(gone)),
        "spent": (here, rat(first)),
        "from the future": (here, write(either.ports.keyring, ISSUER, handle)),
        "under a key that nobody has": (here, write_with(either, replace(handle, generation=2))),
        "invitation": (here, await either.invitation()),
        "access token": (here, access),
        "secret": (here, third["client_secret"]),
        "altered": (here, rat(third)[:-1] + ("A" if rat(third)[-1] != "A" else "B")),
        "too long": (here, rat(third) + "A"),
        "nonsense": (here, "x"),
    }
    before = await either.row(first)

    replies = {
        name: await either.call(method, uri, b"{}", {"authorization": f"Bearer {token}", "content-type": "application/json"})
        for name, (uri, token) in asked.items()
    }

    seen = {(reply.status, reply.body, *sorted({**reply.headers, "x-request-id": ""}.items())) for reply in replies.values()}
    assert {reply.status for reply in replies.values()} == {401}
    assert len(seen) == 1
    assert await either.row(first) == before
    assert (await either.read(third)).status == 200


def write_with(server: World, handle: Handle) -> str:
    """A token of the right shape whose MAC is wrong: the last byte of another one's."""
    right = write(server.ports.keyring, ISSUER, handle)
    return right[:-2] + ("AA" if not right.endswith("AA") else "BA")


@meets("X-38", "M-10")
@pytest.mark.parametrize("sqlite", [False, True])
async def test_how_long_a_refusal_takes_does_not_tell_whether_the_client_exists(tmp_path: Path, sqlite: bool) -> None:
    server = await world(tmp_path, sqlite=sqlite)
    card, gone = await server.register(), await server.register()
    await server.remove(gone)
    targets = {"here": card["registration_client_uri"], "gone": gone["registration_client_uri"], "never": f"{ISSUER}/register/c{'x' * 22}"}
    took: dict[str, list[int]] = {name: [] for name in targets}

    for _ in range(700):
        for name, uri in targets.items():
            began = time.perf_counter_ns()
            await server.call("GET", uri, headers={"authorization": f"Bearer {rat(gone)[:-4]}AAAA"})
            took[name].append(time.perf_counter_ns() - began)

    middle = {name: statistics.median(times) for name, times in took.items()}
    quarters = statistics.quantiles(took["here"], n=4)
    noise = max(quarters[2] - quarters[0], middle["here"] * 0.25)
    assert max(middle.values()) - min(middle.values()) < noise
    await server.ports.store.close()


@meets("M-04", "M-11")
@pytest.mark.parametrize("path", ["", "%2e%2e%2fregister", "a%252fb", "a/b", "..%2f..%2fetc", "%00", "%ff%fe", "a" * 20_000])
async def test_a_name_that_is_a_path_or_encoded_twice_is_just_unknown(server: World, path: str) -> None:
    card = await server.register()

    replies = [await server.call("GET", f"/register/{path}", headers={"authorization": f"Bearer {token}"}) for token in (rat(card), "x")]

    assert {reply.no for reply in replies} == {(401, "invalid_token")}


@meets("M-04")
async def test_a_name_is_decoded_once(server: World) -> None:
    card = await server.register()
    name = card["client_id"]
    escaped = f"%{ord(name[0]):02x}{name[1:]}"
    headers = {"authorization": f"Bearer {rat(card)}"}

    once = await server.call("GET", f"/register/{escaped}", headers=headers)
    twice = await server.call("GET", f"/register/{escaped.replace('%', '%25')}", headers=headers)

    assert (once.status, twice.status) == (200, 401)


@meets("M-47", "S1-46")
async def test_guessing_is_slowed_down_and_the_owner_is_not_locked_out(tmp_path: Path) -> None:
    server = await world(tmp_path, failure_rate=10)
    card, other = await server.register(), await server.register()

    async def guess(uri: str, source: str) -> Reply:
        return await server.call("GET", uri, headers={"authorization": "Bearer x"}, source=source)

    tries = [await guess(card["registration_client_uri"], "198.51.100.1") for _ in range(11)]
    elsewhere = await guess(card["registration_client_uri"], "198.51.100.2")
    another = await guess(other["registration_client_uri"], "198.51.100.1")
    unknown = [await guess(f"{ISSUER}/register/nobody", "198.51.100.1") for _ in range(11)]

    assert [reply.status for reply in tries] == [401] * 10 + [429]
    assert tries[-1].no == (429, "temporarily_unavailable")
    assert 0 < int(tries[-1].headers["retry-after"]) <= 60
    assert (elsewhere.status, another.status) == (401, 401)
    assert [reply.status for reply in unknown] == [reply.status for reply in tries]
    assert (await server.read(card)).status == 200


async def test_development_does_not_slow_down_guessing(tmp_path: Path) -> None:
    server = await world(tmp_path, dev=True, issuer="http://127.0.0.1:8000", failure_rate=1)
    card = await server.register()

    replies = [await server.call("GET", f"/register/{card['client_id']}", headers={"authorization": "Bearer x"}) for _ in range(5)]

    assert {reply.status for reply in replies} == {401}


@meets("M-06")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_token_in_the_query_is_refused_and_reported(server: World, method: str) -> None:
    card = await server.register()
    uri = f"{card['registration_client_uri']}?access_token={rat(card)}"

    reply = await server.call(method, uri, b"{}", {"content-type": "application/json", "authorization": f"Bearer {rat(card)}"})

    assert reply.no == (400, "invalid_request")
    assert "access_token" in reply.why
    assert [event["body"] for event in await server.told("rat_misplaced")] == [{"count": 1}]
    assert (await server.read(card)).status == 200


@meets("M-06")
async def test_by_setting_a_living_token_that_was_seen_in_a_query_is_ended(tmp_path: Path) -> None:
    server = await world(tmp_path, misplaced_rat="revoke")
    card = await server.register()

    await server.call("GET", f"{card['registration_client_uri']}?access_token={rat(card)}")

    assert (await server.read(card)).status == 401
    assert [event["body"] for event in await server.told("client_rotated")] == [
        {"by": "server", "credentials": "registration_access_token"}
    ]


async def test_a_dead_token_in_a_query_does_not_end_the_living_one(tmp_path: Path) -> None:
    server = await world(tmp_path, misplaced_rat="revoke")
    first = await server.register()
    second = await replaced(server, first)
    third = await replaced(server, second)

    reply = await server.call("GET", f"{third['registration_client_uri']}?access_token={rat(first)}")

    assert reply.no == (400, "invalid_request")
    assert (await server.read(third)).status == 200
    assert "rat_misplaced" in await server.kinds()
    assert "client_rotated" not in await server.kinds()


@pytest.mark.parametrize("token", ["", "nonsense"])
async def test_something_else_in_the_query_is_refused_and_not_reported(server: World, token: str) -> None:
    card = await server.register()

    reply = await server.call("GET", f"{card['registration_client_uri']}?a=1&access_token={token}")

    assert reply.no == (400, "invalid_request")
    assert "rat_misplaced" not in await server.kinds()


async def test_the_token_of_a_deleted_client_in_a_query_is_refused_and_not_reported(server: World) -> None:
    card = await server.register()
    await server.remove(card)

    reply = await server.call("GET", f"{card['registration_client_uri']}?access_token={rat(card)}")

    assert reply.no == (400, "invalid_request")
    assert "rat_misplaced" not in await server.kinds()


@meets("M-06")
async def test_a_token_in_the_body_is_refused(server: World) -> None:
    card = await server.register()

    reply = await server.put(card, body_of(card, access_token=rat(card)))

    assert reply.no == (400, "invalid_request")
    assert reply.why.startswith("access_token: ")
    assert (await server.read(card)).json == card


@meets("M-03")
async def test_by_setting_the_client_may_be_named_in_the_query(tmp_path: Path) -> None:
    server = await world(tmp_path, management_by_query=True, issuer="https://as.example/tenant")
    card = await server.register_at("/tenant/register")
    alias = f"/tenant/register?client_id={card['client_id']}"
    headers = {"authorization": f"Bearer {rat(card)}", "content-type": "application/json"}

    got = await server.call("GET", alias, headers=headers)
    put = await server.call("PUT", alias, json.dumps(body_of(card, client_name="B")).encode(), headers)
    unknown = await server.call("GET", "/tenant/register?client_id=x", headers=headers)
    posted = await server.call("POST", alias, json.dumps({"redirect_uris": [CALLBACK]}).encode(), {"content-type": "application/json"})
    deleted = await server.call("DELETE", alias, headers={"authorization": f"Bearer {rat(put.json)}"})

    assert (got.status, got.json["registration_client_uri"]) == (200, f"https://as.example/tenant/register/{card['client_id']}")
    assert (put.status, put.json["client_name"], unknown.status, posted.status, deleted.status) == (200, "B", 401, 201, 204)


@meets("M-03", "R-02")
async def test_without_the_setting_the_query_names_nobody(server: World) -> None:
    card = await server.register()

    reply = await server.call("GET", f"/register?client_id={card['client_id']}", headers={"authorization": f"Bearer {rat(card)}"})

    assert reply.no == (405, "invalid_request")


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

    assert shown.json == {name: value for name, value in card.items() if name != "client_secret"}
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


# ── Replace ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-28", "S1-19", "S1-20", "C-11", "M-31")
async def test_what_a_replacement_leaves_out_or_says_null_is_gone_or_default_again(tmp_path: Path) -> None:
    server = await world(tmp_path, extensions=("colour",))
    card = await server.register(
        client_name="A",
        tos_uri="https://app.example/tos",
        scope="openid profile",
        colour="red",
        grant_types=["authorization_code", "refresh_token"],
        require_auth_time=True,
        **{"client_name#fr": "B"},
    )

    new = await server.put(card, {"client_id": card["client_id"], "redirect_uris": [CALLBACK], "client_name": None})

    bare = await server.register()
    assert new.status == 200
    assert body_of(new.json, ("client_id", "client_secret")) == body_of(bare, ("client_id", "client_secret"))


@meets("M-28")
async def test_a_member_left_out_of_a_replacement_is_gone(server: World) -> None:
    card = await server.register(client_name="A")

    new = await server.replace(card, without="client_name")

    assert "client_name" not in new.json
    assert "client_name" not in (await server.read(new.json)).json


@meets("M-29")
async def test_sending_back_what_was_read_changes_nothing_but_the_token(either: World) -> None:
    card = await either.register(client_name="A", token_endpoint_auth_method="none", redirect_uris=["http://127.0.0.1/cb"])
    before = await either.row(card)

    new = await either.put(card, body_of((await either.read(card)).json))

    after = await either.row(card)
    assert {**new.json, "registration_access_token": ""} == {**card, "registration_access_token": ""}
    assert rat(new.json) != rat(card)
    assert replace(after, rat=before.rat) == before


MEMBERS = st.fixed_dictionaries(
    {"redirect_uris": st.lists(st.sampled_from([CALLBACK, "http://127.0.0.1:1/cb", "com.example.tea:/cb", "https://b.example/?x=%2F"]))},
    optional={
        "client_name": st.text(max_size=20),
        "client_name#ja": st.text(max_size=20),
        "client_uri": st.sampled_from(["https://app.example", "http://app.example/a?b#c", ""]),
        "scope": st.lists(st.sampled_from(["openid", "profile", "email", "nonsense", ""])).map(" ".join),
        "grant_types": st.lists(st.sampled_from(["authorization_code", "refresh_token", "client_credentials", "implicit", "password"])),
        "response_types": st.lists(st.sampled_from(["code", "token", "code id_token", "none"])),
        "token_endpoint_auth_method": st.sampled_from(["none", "client_secret_basic", "client_secret_post", "private_key_jwt", ""]),
        "revocation_endpoint_auth_method": st.sampled_from(["none", "client_secret_basic", "client_secret_post"]),
        "token_endpoint_auth_signing_alg": st.sampled_from(["RS256", "HS256"]),
        "application_type": st.sampled_from(["web", "native", "other"]),
        "contacts": st.lists(st.sampled_from(["a@a.example", "b@b.example", "no address"])),
        "default_max_age": st.one_of(st.integers(-1, 2**32), st.none(), st.just("1")),
        "require_auth_time": st.one_of(st.booleans(), st.none()),
        "require_signed_request_object": st.booleans(),
        "post_logout_redirect_uris": st.lists(st.sampled_from([CALLBACK, "com.example.tea:/out"])),
        "request_uris": st.lists(st.sampled_from(["https://app.example/r#x", "http://app.example/r"])),
        "frontchannel_logout_session_required": st.booleans(),
        "frontchannel_logout_uri": st.just("https://app.example/out"),
        "id_token_signed_response_alg": st.sampled_from(["RS256", "ES256", "HS256", "none"]),
        "jwks_uri": st.just("https://app.example/keys"),
        "software_id": st.text(max_size=5),
        "nfv_token_signed_response_alg": st.just("ES256"),
        "colour": st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3), lambda s: st.lists(s, max_size=2)),
    },
)


@meets("M-29", "M-54")
@settings(max_examples=150, deadline=None)
@given(said=MEMBERS, invited=st.booleans())
def test_any_card_that_was_accepted_survives_being_read_and_sent_back(
    tmp_path_factory: pytest.TempPathFactory, said: dict[str, object], invited: bool
) -> None:
    async def life() -> None:
        server = await world(tmp_path_factory.mktemp("life"), extensions=("colour",))
        token = await server.invitation(grants=("authorization_code", "refresh_token", "client_credentials")) if invited else None
        reply = await server.post_json("/register", said, token)
        if reply.status != 201:
            return
        first = await server.read(reply.json)
        put = await server.put(reply.json, body_of(first.json))
        assert put.status == 200, (said, put.body)
        second = await server.read(put.json)
        assert reply.json == first.json
        assert {**put.json, "registration_access_token": ""} == {**first.json, "registration_access_token": ""}
        assert second.json == put.json

    asyncio.run(life())


@meets("M-23", "S1-18")
@pytest.mark.parametrize("named", [{}, {"client_id": None}])
async def test_a_replacement_must_name_the_client(server: World, named: dict[str, object]) -> None:
    card = await server.register()

    reply = await server.put(card, {"redirect_uris": [CALLBACK], **named})

    assert reply.no == (400, "invalid_request")
    assert reply.why == "client_id: a replacement must name it (RFC 7592 section 2.2)"


@meets("M-24", "S1-44")
@pytest.mark.parametrize("name", ["other", 1, [], ""])
async def test_a_replacement_that_names_another_client_changes_nothing_and_is_reported(server: World, name: object) -> None:
    card, other = await server.register(), await server.register()
    before = (await server.row(card), await server.row(other))

    reply = await server.put(card, body_of(card, client_id=other["client_id"] if name == "other" else name))

    assert reply.no == (400, "invalid_request")
    assert reply.why.startswith("client_id: is not the one of this registration")
    assert (await server.row(card), await server.row(other)) == before
    assert [event["body"] for event in await server.told("client_id_mismatch")] == [{"count": 1}]


@meets("M-27", "C-12", "S1-22", "S1-23", "S1-21")
@pytest.mark.parametrize("name", SERVER_MEMBERS)
async def test_a_member_that_only_the_server_sets_is_refused_by_name(server: World, name: str) -> None:
    card = await server.register()

    same = await server.put(card, {**body_of(card), name: card[name]})
    other = await server.put(card, {**body_of(card), name: 1})

    assert same.no == other.no == (400, "invalid_request")
    assert same.why == f"{name}: only the server sets it; leave it out of a replacement (RFC 7592 section 2.2)"
    assert (await server.read(card)).json == card


@meets("C-12")
async def test_by_setting_what_the_server_sets_may_be_repeated_but_not_changed(tmp_path: Path) -> None:
    server = await world(tmp_path, read_only_in_put="equal")
    card = await server.register()

    changed_one = await server.put(card, {**card, "client_id_issued_at": 1})
    same = await server.put(card, card)

    assert changed_one.no == (400, "invalid_request")
    assert same.status == 200


@meets("M-25", "S1-24", "H-01")
async def test_a_secret_in_a_replacement_must_be_the_clients_own(either: World) -> None:
    card, other = await either.register(), await either.register()

    for wrong in ("chosen-by-client", other["client_secret"], card["client_secret"] + "A", "", 1, [card["client_secret"]]):
        reply = await either.put(card, body_of(card, client_secret=wrong))
        assert reply.no == (400, "invalid_request")
        assert reply.why.startswith("client_secret: is not the current one")
    right = await either.put(card, body_of(card))

    assert right.json["client_secret"] == card["client_secret"]


@meets("M-25")
async def test_a_client_without_a_secret_has_none_to_repeat(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="none")

    reply = await server.put(card, body_of(card, client_secret="chosen"))

    assert reply.no == (400, "invalid_request")


@meets("M-26", "C-13", "S1-25")
async def test_without_a_secret_in_it_a_replacement_keeps_the_secret(server: World) -> None:
    card = await server.register()

    reply = await server.put(card, body_of(card, ("client_secret",)))

    assert reply.json["client_secret"] == card["client_secret"]


@meets("M-26", "C-13", "S1-25")
async def test_by_setting_a_replacement_without_a_secret_brings_a_new_one_and_the_old_goes_with_its_first_use(tmp_path: Path) -> None:
    server = await world(tmp_path, rotate_secret_on_update=True)
    card = await server.machine()

    named = await server.put(card, body_of(card))
    renewed = await server.put(named.json, body_of(named.json, ("client_secret",)))

    assert named.json["client_secret"] == card["client_secret"] != renewed.json["client_secret"]
    assert [event["body"].get("secret") for event in await server.told("client_replaced")] == [None, "renewed"]
    assert (await server.token(card)).status == 200
    assert (await server.token(renewed.json)).status == 200
    assert (await server.token(card)).no == (401, "invalid_client")
    assert "secret_confirmed" in await server.kinds()


async def test_while_two_secrets_live_a_replacement_may_name_either(tmp_path: Path) -> None:
    server = await world(tmp_path, rotate_secret_on_update=True)
    card = await server.register()
    renewed = (await server.put(card, body_of(card, ("client_secret",)))).json

    old = await server.put(renewed, body_of(renewed, client_secret=card["client_secret"]))
    new = await server.put(old.json, body_of(old.json, client_secret=renewed["client_secret"]))

    assert (old.status, new.status) == (200, 200)
    assert new.json["client_secret"] == renewed["client_secret"]


@meets("M-26", "C-13")
@pytest.mark.parametrize("passed, renewed", [(0, False), (2000, False), (2700, True), (3600, True), (9000, True)])
async def test_a_secret_near_its_end_is_renewed_by_a_replacement_that_names_none(tmp_path: Path, passed: int, renewed: bool) -> None:
    server = await world(tmp_path, secret_lifetime=3600)
    card = await server.register()
    server.clock.forward(passed)

    reply = await server.put(card, body_of(card, ("client_secret",)))

    assert (reply.json["client_secret"] != card["client_secret"]) == renewed
    assert reply.json["client_secret_expires_at"] == START + 3600 + (passed if renewed else 0)


async def test_an_expired_secret_is_renewed_even_when_it_is_named(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_lifetime=3600)
    card = await server.machine()
    server.clock.forward(3600)

    reply = await server.put(card, body_of(card))

    assert reply.json["client_secret"] != card["client_secret"]
    assert (await server.token(reply.json)).status == 200
    assert (await server.token(card)).no == (401, "invalid_client")


@meets("M-35")
async def test_a_method_without_a_secret_withdraws_it_and_a_method_with_one_brings_a_new_one(either: World) -> None:
    card = await either.register()
    endpoints = {f"{name}_endpoint_auth_method": "none" for name in ("token", "introspection", "revocation")}

    public = await either.put(card, body_of(card, ("client_secret",), **endpoints))
    again = await either.put(public.json, body_of(public.json, **dict.fromkeys(endpoints, "client_secret_post")))
    back = await either.put(again.json, body_of(again.json, client_secret=card["client_secret"]))

    assert not {"client_secret", "client_secret_expires_at"} & set(public.json)
    assert again.json["client_secret"] != card["client_secret"]
    assert again.json["client_secret_expires_at"] == 0
    assert back.no == (400, "invalid_request")
    old = await either.post_form("/token", token_request(again.json, card["client_secret"]))
    new = await either.post_form("/token", token_request(again.json, again.json["client_secret"]))
    assert old.no == (401, "invalid_client")
    assert new.no == (400, "unauthorized_client")
    assert [event["body"].get("secret") for event in await either.told("client_replaced")] == ["withdrawn", "renewed"]


def token_request(card: Mapping[str, Any], secret: str) -> dict[str, str]:
    return {"grant_type": "client_credentials", "client_id": card["client_id"], "client_secret": secret}


@meets("M-35", "R-41")
async def test_a_client_born_without_a_secret_gets_its_first_with_a_method_that_needs_one(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="none")

    reply = await server.put(card, {"client_id": card["client_id"], "redirect_uris": [CALLBACK]})

    assert reply.json["token_endpoint_auth_method"] == "client_secret_basic"
    assert reply.json["client_secret"]


async def test_a_public_client_stays_without_a_secret(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="none")

    reply = await server.put(card, body_of(card, client_name="B"))

    assert "client_secret" not in reply.json
    assert (await server.row(card)).secret is None


@meets("M-32", "S1-38", "C-15")
@pytest.mark.parametrize(
    "members, code",
    [
        ({"redirect_uris": ["https://app.example/#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"client_name": 1}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"jwks": {"keys": []}, "jwks_uri": "https://app.example/k"}, "invalid_client_metadata"),
        ({"client_id": "x"}, "invalid_request"),
        ({"client_secret": "x"}, "invalid_request"),
        ({"registration_client_uri": "x"}, "invalid_request"),
    ],
)
async def test_a_refused_replacement_leaves_record_secret_and_token_as_they_were(
    either: World, members: dict[str, object], code: str
) -> None:
    card = await either.register()
    before = await either.row(card)

    reply = await either.put(card, body_of(card, **members))

    assert reply.no == (400, code)
    assert await either.row(card) == before
    assert (await either.read(card)).json == card


@meets("M-22", "R-04", "X-61", "X-62", "S1-17")
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":"\\ud800"}', b"\xef\xbb\xbf{}", b"[" * 5000]
)
async def test_a_replacement_is_read_as_strictly_as_a_registration(server: World, body: bytes) -> None:
    card = await server.register()

    reply = await server.call("PUT", card["registration_client_uri"], body, headers(rat(card)))

    assert reply.no == (400, "invalid_request")
    assert (await server.read(card)).json == card


@meets("M-30", "R-29", "X-30")
@pytest.mark.parametrize(
    "members, kept",
    [
        ({"scope": "openid profile"}, {"scope": "openid"}),
        ({"grant_types": ["client_credentials", "authorization_code"]}, {"grant_types": ["client_credentials"]}),
        ({"scope": "profile"}, {"scope": "openid"}),
    ],
)
async def test_what_an_invitation_allowed_is_the_ceiling_of_every_later_replacement(
    server: World, members: dict[str, object], kept: dict[str, object]
) -> None:
    token = await server.invitation(scope="openid", grants=("client_credentials",), hosts=("app.example",))
    card = await server.register(token, redirect_uris=[CALLBACK], grant_types=["client_credentials"])

    reply = await server.put(card, body_of(card, **members))
    host = await server.put(reply.json, body_of(reply.json, redirect_uris=["https://evil.example/cb"]))

    assert {name: reply.json[name] for name in kept} == kept
    assert host.no == (400, "invalid_redirect_uri")


@meets("M-30", "X-30")
async def test_a_stranger_cannot_replace_itself_into_power(server: World) -> None:
    card = await server.register()

    grants = await server.put(card, body_of(card, grant_types=["authorization_code", "client_credentials"]))
    alone = await server.put(grants.json, body_of(grants.json, grant_types=["client_credentials"], redirect_uris=[]))

    assert grants.json["grant_types"] == ["authorization_code"]
    assert alone.no == (400, "invalid_client_metadata")


@meets("M-30")
async def test_a_rule_that_became_stricter_since_is_the_one_that_counts(server: World) -> None:
    card = await server.register(scope="openid profile", colour="x")

    with changed(server, anonymous_scopes=("openid",)):
        reply = await server.put(card, body_of(card))

    assert reply.json["scope"] == "openid"


@meets("M-34", "X-30")
async def test_what_operators_set_can_be_neither_read_nor_written(server: World) -> None:
    card = await server.register(await server.invitation(hosts=("app.example",)))
    inside = ("trusted", "disabled", "owner", "skip_consent", "policy", "state", "tier", "door", "invitation", "epoch", "decision", "notes")
    before = await server.row(card)

    reply = await server.put(card, body_of(card, **dict.fromkeys(inside, "admin")))

    after = await server.row(card)
    assert reply.status == 200
    assert not set(inside) & set(reply.json)
    assert replace(after, rat=before.rat) == before


@meets("M-31", "R-08")
async def test_a_value_that_is_replaced_is_told_in_the_answer_and_in_the_audit(server: World) -> None:
    card = await server.register()

    reply = await server.put(card, body_of(card, scope="openid nonsense", tos_uri="https://elsewhere.example"))

    [event] = await server.told("client_replaced")
    assert reply.json["scope"] == "openid"
    assert event["body"]["decision"][0][:3] == ["scope", "openid nonsense", "openid"]
    assert any("tos_uri" in text for text in event["body"]["warnings"])
    assert event["body"]["changed"] == ["tos_uri"]


@meets("M-33", "M-60")
async def test_a_hundred_different_replacements_at_once_are_never_mixed(either: World) -> None:
    card = await either.register()

    replies = await asyncio.gather(
        *(either.put(card, body_of(card, client_name=f"n{n}", software_id=f"n{n}", contacts=[f"n{n}@a.example"])) for n in range(100))
    )

    last = (await either.read(newest(replies))).json
    assert {reply.status for reply in replies} == {200}
    assert last["client_name"] == last["software_id"] == last["contacts"][0].partition("@")[0]


def newest(replies: list[Reply]) -> dict[str, Any]:
    """The answer with the token of the highest generation."""
    return max((reply.json for reply in replies), key=lambda card: generation(rat(card)))


def generation(token: str) -> int:
    """The number that a registration access token carries."""
    return int.from_bytes(base64.urlsafe_b64decode(token.removeprefix("cc_rat_") + "==")[28:32])


# ── Rotation ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-02", "M-44", "S1-28", "S1-42", "C-10")
async def test_by_default_a_replacement_brings_a_new_token_and_its_first_use_ends_the_old_one(either: World) -> None:
    first = await either.register()
    second = await replaced(either, first, client_name="B")

    assert rat(second) != rat(first)
    assert (await either.read(second)).status == 200
    assert (await either.read(first)).no == (401, "invalid_token")
    assert (await either.told("rat_two_holders"))[0]["body"] == {"count": 1}


@meets("M-44", "S1-39", "C-10")
async def test_with_every_use_a_read_brings_a_new_token_too(tmp_path: Path) -> None:
    server = await world(tmp_path, rat_rotation="every_use")
    card = await server.register()

    one = (await server.read(card)).json
    two = (await server.read(one)).json

    assert len({rat(card), rat(one), rat(two)}) == 3
    assert (await server.read(card)).status == 401
    assert {**two, "registration_access_token": ""} == {**card, "registration_access_token": ""}
    assert (await server.kinds()).count("rat_issued") == 2


@meets("M-44", "C-10")
async def test_with_never_the_first_token_is_the_only_one(tmp_path: Path) -> None:
    server = await world(tmp_path, rat_rotation="never")
    card = await server.register()

    new = await replaced(server, card, client_name="B")

    assert rat(new) == rat(card)
    assert (await server.read(card)).json["client_name"] == "B"


@meets("H-02", "M-33")
async def test_fifty_equal_replacements_at_once_get_fifty_equal_answers(either: World) -> None:
    card = await either.register()
    body = body_of(card, client_name="B")

    replies = await asyncio.gather(*(either.put(card, body) for _ in range(50)))

    assert {reply.status for reply in replies} == {200}
    assert {reply.body for reply in replies} == {replies[0].body}
    assert (await either.kinds()).count("client_replaced") == 1
    assert (await either.read(replies[0].json)).status == 200


@meets("H-02", "M-33", "M-17")
async def test_fifty_different_replacements_at_once_are_applied_in_turn_and_only_the_last_token_lives(either: World) -> None:
    card = await either.register()

    replies = await asyncio.gather(*(either.put(card, body_of(card, client_name=f"n{n}")) for n in range(50)))

    last = newest(replies)
    assert {reply.status for reply in replies} == {200}
    assert len({rat(reply.json) for reply in replies}) == 50
    assert (await either.kinds()).count("client_replaced") == 50
    assert (await either.read(last)).json == last
    others = [await either.read(card, rat(reply.json)) for reply in replies if rat(reply.json) != rat(last)]
    assert {reply.status for reply in [*others, await either.read(card)]} == {401}


@meets("H-02", "M-33")
async def test_replacements_in_two_processes_are_applied_in_turn_too(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)
    other = await beside(server, tmp_path)
    card = await server.register()

    equal = await asyncio.gather(*(side.put(card, body_of(card, client_name="B")) for side in (server, other)))
    both = await asyncio.gather(*(side.put(card, body_of(card, client_name=name)) for side, name in ((server, "C"), (other, "D"))))

    assert {reply.status for reply in (*equal, *both)} == {200}
    assert {reply.body for reply in equal} == {equal[0].body}
    assert (await other.read(newest(list(both)))).status == 200
    for side in (server, other):
        await side.ports.store.close()


@meets("M-46", "H-02")
async def test_a_repeated_replacement_gets_the_lost_answer_again_and_so_does_a_read(either: World) -> None:
    card = await either.register()
    body = body_of(card, client_name="B")
    lost = await either.put(card, body)
    either.clock.forward(60)

    again = await either.put(card, body)
    read = await either.read(card)

    assert again.body == lost.body == read.body
    assert (await either.kinds()).count("client_replaced") == 1


@meets("M-46", "H-02")
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_later_than_a_minute_a_repetition_gets_a_newer_token_and_the_one_between_is_dead(either: World, method: str) -> None:
    card = await either.register()
    body = body_of(card, client_name="B")
    lost = (await either.put(card, body)).json
    either.clock.forward(61)

    newer = await (either.put(card, body) if method == "PUT" else either.read(card))

    assert newer.status == 200
    assert {**newer.json, "registration_access_token": ""} == {**lost, "registration_access_token": ""}
    assert rat(newer.json) != rat(lost)
    assert (await either.kinds()).count("client_replaced") == 1
    assert (await either.kinds()).count("rat_issued") == 1
    assert (await either.read(lost)).status == 401
    assert (await either.read(newer.json)).status == 200


@meets("H-02", "M-46")
async def test_another_replacement_with_the_old_token_is_applied_and_gets_a_newer_token(either: World) -> None:
    card = await either.register()
    lost = await either.put(card, body_of(card, client_name="B"))

    newer = await either.put(card, body_of(card, client_name="C"))

    assert (newer.status, newer.json["client_name"]) == (200, "C")
    assert (await either.read(lost.json)).status == 401
    assert (await either.read(newer.json)).json["client_name"] == "C"


@meets("H-02", "M-17", "S1-40")
async def test_the_old_token_dies_a_day_after_it_was_replaced(either: World) -> None:
    card = await either.register()
    new = await replaced(either, card, client_name="B")
    either.clock.forward(DAY)
    assert (await either.read(card)).status == 200
    newest_one = (await either.read(card)).json
    either.clock.forward(1)

    late = await either.read(card)

    assert late.no == (401, "invalid_token")
    assert "rat_expired_previous" in await either.kinds()
    assert (await either.read(newest_one)).status == 200
    assert (await either.read(new)).status == 401


@meets("H-02")
async def test_a_token_used_long_after_it_was_replaced_is_told_apart_from_two_holders(server: World) -> None:
    first = await server.register()
    second = await replaced(server, first)
    await server.read(second)
    server.clock.forward(31 * DAY)

    reply = await server.read(first)

    assert reply.no == (401, "invalid_token")
    assert "rat_spent" in await server.kinds()
    assert "rat_two_holders" not in await server.kinds()


@meets("H-02")
async def test_a_generation_that_was_never_issued_is_an_alarm(server: World) -> None:
    card = await server.register()
    client = await server.row(card)
    future = write(server.ports.keyring, ISSUER, Handle(REGISTRATION_ACCESS_TOKEN, 1, client.key + client.incarnation, 2))

    reply = await server.read(card, future)

    assert reply.no == (401, "invalid_token")
    assert "credential_from_future" in await server.kinds()


@meets("H-02")
async def test_two_holders_are_reported_or_by_setting_the_client_is_frozen(tmp_path: Path) -> None:
    server = await world(tmp_path, rat_two_holders="freeze")
    card = await server.machine()
    access = (await server.token(card)).json["access_token"]
    thief = (await server.put(card, body_of(card, client_name="B"))).json
    await server.read(thief)

    honest = await server.read(card)

    assert honest.no == (401, "invalid_token")
    assert (await server.row(card)).state is State.SUSPENDED
    assert (await server.told("client_suspended"))[0]["body"] == {"by": "server", "reason": "rat_two_holders"}
    assert (await server.put(thief, body_of(thief))).no == (403, "access_denied")
    assert (await server.token(card)).no == (401, "invalid_client")
    caller = (await server.resource()).information
    assert (await server.introspect(caller, access)).json == {"active": False}
    assert (await server.read(card)).status == 401
    assert len(await server.told("client_suspended")) == 1


@meets("M-32")
async def test_a_bad_body_with_the_newest_token_confirms_it_and_issues_none(either: World) -> None:
    first = await either.register()
    second = await replaced(either, first)

    bad = await either.put(second, {"client_id": second["client_id"]})

    assert bad.no == (400, "invalid_redirect_uri")
    assert (await either.read(first)).status == 401
    assert rat((await either.read(second)).json) == rat(second)
    assert "rat_confirmed" in await either.kinds()


async def test_a_bad_body_with_the_old_token_confirms_nothing(server: World) -> None:
    first = await server.register()
    second = await replaced(server, first)

    bad = await server.put(first, {"client_id": first["client_id"]})

    assert bad.no == (400, "invalid_redirect_uri")
    assert (await server.read(first)).status == 200
    assert rat((await server.read(second)).json) == rat(second)


async def test_new_tokens_are_made_with_the_new_key_and_old_ones_go_on(server: World) -> None:
    card = await server.register()
    server.ports.keyring.rotate(server.ports.entropy, server.clock())

    read = await server.read(card)
    new = await replaced(server, card)
    await server.read(new)

    client = await server.row(card)
    forged = write(server.ports.keyring, ISSUER, Handle(REGISTRATION_ACCESS_TOKEN, 1, client.key + client.incarnation, 2))
    assert read.status == 200
    assert (client.rat.issued, client.rat.issued_key) == (2, 2)
    assert (await server.read(card, forged)).no == (401, "invalid_token")


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
    assert [event["body"] for event in await either.told("client_deleted")] == [{"by": "client"}]


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
    new = await replaced(server, card, client_name="B")
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
    second = await replaced(server, first)
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
