"""Whose registration is it: every token that is not the client's living one gets the same answer (RFC 7592 §2, §5)."""

import json
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs

from calling_card.protocol.handles.credentials import REGISTRATION_ACCESS_TOKEN, Handle, write
from tests.ledger import meets
from tests.world import CALLBACK, ISSUER, Reply, World, body_of, rat, world


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


@pytest.fixture(params=["memory", "sqlite"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A server on each kind of store."""
    some = await world(tmp_path, sqlite=request.param == "sqlite")
    yield some
    await some.ports.store.close()


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
    second = await either.replaced(first)
    third = await either.replaced(second)
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
        "under a key that nobody has": (here, write_with(either, structs.replace(handle, generation=2))),
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
    second = await server.replaced(first)
    third = await server.replaced(second)

    reply = await server.call("GET", f"{third['registration_client_uri']}?access_token={rat(first)}")

    assert reply.no == (400, "invalid_request")
    assert (await server.read(third)).status == 200
    assert "rat_misplaced" in await server.kinds()
    assert "client_rotated" not in await server.kinds()


@meets("M-06")
@pytest.mark.parametrize(
    "query", ["access_token={escaped}", "access%5Ftoken={token}", "%61ccess_token={escaped}", "a=1&access_token={token}&access_token=x"]
)
async def test_no_encoding_hides_a_token_in_the_query(server: World, query: str) -> None:
    card = await server.register()
    escaped = rat(card).replace("_", "%5F").replace("c", "%63")

    reply = await server.call("GET", f"{card['registration_client_uri']}?{query.format(token=rat(card), escaped=escaped)}")

    assert reply.no == (400, "invalid_request")
    assert [event["body"] for event in await server.told("rat_misplaced")] == [{"count": 1}]


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
    assert [event["body"] for event in await server.told("rat_misplaced")] == [{"count": 1}]


@meets("M-06")
@pytest.mark.parametrize("other", [False, True])
async def test_by_setting_a_living_token_that_was_seen_in_a_body_is_ended_whosever_it_is(tmp_path: Path, other: bool) -> None:
    server = await world(tmp_path, misplaced_rat="revoke")
    card, neighbour = await server.register(), await server.register()
    seen = neighbour if other else card

    reply = await server.put(card, body_of(card, access_token=rat(seen)))

    assert reply.no == (400, "invalid_request")
    assert [(await server.read(one)).status for one in (card, neighbour)] == ([200, 401] if other else [401, 200])
    assert (await server.kinds()).count("client_rotated") == 1


@pytest.mark.parametrize("said", ["nonsense", "", 1, ["x"], {}])
async def test_something_else_in_the_body_under_that_name_is_refused_and_not_reported(server: World, said: object) -> None:
    card = await server.register()

    reply = await server.put(card, body_of(card, access_token=said))

    assert reply.no == (400, "invalid_request")
    assert "rat_misplaced" not in await server.kinds()


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
