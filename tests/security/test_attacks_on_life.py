"""Attacks on what happens to clients later: webhooks, budgets, logs, statements, pruning, cohorts, invitations (X-rows, RFC 9700)."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.fetch.answer import posted
from calling_card.keys.keyring import FileKeyring
from calling_card.logs import Log
from calling_card.protocol.abroad.fetching import WEBHOOK, Posted, Purpose, Unfetched, Why
from calling_card.protocol.clients import Route, State, client_key
from calling_card.protocol.errors import Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.life.budgets import NETWORK, REDIRECT_HOST, STRANGERS
from calling_card.protocol.life.cohorts import Act
from calling_card.protocol.life.pruning import ALL
from calling_card.protocol.life.webhooks import LONGEST_DELAY, PATIENCE
from calling_card.protocol.trust.issuers import BadIssuer, issuers_of
from calling_card.store.budget import GcraBudget, GcraBudgets
from calling_card.usecases.cohorts import Tally, end, survey
from calling_card.usecases.operate import resume, suspend
from calling_card.usecases.provide import revoke
from calling_card.usecases.prune import aside, prune, undo, undo_all
from calling_card.usecases.webhooks import TURN, add, deliver_all, ping, webhooks
from tests.assertions import holder
from tests.ledger import meets
from tests.statements import DIRECTORY, Directory, Software, trusting, written
from tests.usecases.guests import by_its_clock
from tests.visitor import person_client, somebody, tokens
from tests.world import CALLBACK, ISSUER, World, beside, changed, world

HOUR, DAY = 3600, 86400
URL = "https://hooks.example/clients"
OK, NO = Posted(204, b""), Posted(500, b"down")


@pytest.fixture(params=["memory", "sqlite"])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    made = await world(tmp_path, sqlite=request.param == "sqlite", registration_rate=0)
    made.strangers.receivers[URL] = OK
    yield made
    await made.ports.store.close()


@pytest.fixture
async def small(tmp_path: Path) -> World:
    made = await world(tmp_path)
    made.strangers.receivers[URL] = OK
    return made


async def sent(server: World) -> None:
    """One pass over all webhooks."""
    await deliver_all(server.ports, lambda webhook: None)


async def pruned(server: World) -> None:
    """Prune as an operator."""
    async for _ in prune(server.ports, "op", ALL):
        pass


async def ended(server: World, act: Act, **where: str) -> Tally:
    """The result of an act on a cohort."""
    return [tally async for tally in end(server.ports, where, act, "op")][-1]


# ── Webhooks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-01", "X-03", "X-04")
@pytest.mark.parametrize(
    "url",
    [
        *("https://as.example./x", "https://AS.example:8443/x", "https://as.example:443/register", "https://as.example%2e/"),
        *("https://hooks.example@127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f.1/", "https://[::1]/"),
        *("https://[::ffff:10.0.0.1]/", "https://169.254.169.254/latest", "https://metadata.google.internal/", "https://localhost/"),
        *("https://db/", "https://kube.default.svc.cluster.local/", "https://hooks.example:6379/", "https://hooks.example:0/"),
        *("https://hooks.example\\@evil.example/", "https://hooks.example\r\nX: y/", "https://hooks.example/\x00", "https://*.example/"),
        *(
            "file:///etc/passwd",
            "gopher://hooks.example/",
            "https://",
            "https:hooks.example",
            "//hooks.example/",
            "https://hooks。example/",
        ),
    ],
)
async def test_no_spelling_of_an_address_brings_a_webhook_inside(small: World, url: str) -> None:
    with pytest.raises(Refusal) as refused:
        await add(small.ports, url, (), "", "op")

    assert refused.value.description.startswith("url: ")
    assert refused.value.description.isascii()
    assert refused.value.description.isprintable()


@meets("X-08")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304, 100])
async def test_a_redirect_of_a_receiver_takes_nothing_and_leads_nowhere(small: World, status: int) -> None:
    await add(small.ports, URL, (), "", "op")
    await small.register()
    small.strangers.receivers[URL] = Posted(status, b"")

    await sent(small)

    (row,) = await webhooks(small.ports)
    assert (row["delivered"], row["failures"], [one.url for one in small.strangers.brought]) == (0, 1, [URL])


async def test_a_receiver_that_never_stops_talking_is_cut_off() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 100

    answer = await posted(200, {}, endless(), WEBHOOK)

    assert (len(answer.body), read) == (WEBHOOK.limit, WEBHOOK.limit // 100 + 1)


@pytest.mark.parametrize(
    "said, seconds",
    [("-1", 0), ("1e9", 0), ("9" * 40, 0), ("Fri, 31 Dec 2099 23:59:59 GMT", 0), ("5, 5", 0), ("٣", 0), ("999999999", 999_999_999)],
)
async def test_a_receiver_cannot_ask_for_more_than_a_day(small: World, said: str, seconds: int) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    answer = await posted(503, {"retry-after": said}, nothing(), WEBHOOK)
    await add(small.ports, URL, (), "", "op")
    await small.register()
    small.strangers.receivers[URL] = answer

    await sent(small)

    (row,) = await webhooks(small.ports)
    assert answer.retry_after == seconds
    assert small.clock() < int(str(row["retry_at"])) <= small.clock() + LONGEST_DELAY


@meets("M-57")
async def test_a_process_that_slept_through_its_turn_does_not_set_the_bookmark_back(tmp_path: Path) -> None:
    here = await world(tmp_path, sqlite=True)
    there = await beside(here, tmp_path)
    here.strangers.receivers[URL] = there.strangers.receivers[URL] = OK
    await add(here.ports, URL, (), "", "op")
    for _ in range(5):
        await here.register()
    post = here.strangers.post

    async def asleep(url: str, body: bytes, headers: Mapping[str, str], purpose: Purpose) -> Posted:
        here.clock.forward(TURN)
        await sent(there)
        return await post(url, body, headers, purpose)

    here.strangers.post = asleep  # type: ignore[method-assign] # as slow as a process that was stopped

    await sent(here)
    here.strangers.post = post  # type: ignore[method-assign] # awake again
    await sent(here)
    await sent(there)

    (row,) = await webhooks(here.ports)
    assert (len(there.strangers.brought), len(here.strangers.brought), row["delivered"]) == (5, 1, 5)
    await here.ports.store.close()
    await there.ports.store.close()


@meets("M-57")
async def test_no_receiver_is_given_up_because_others_took_all_the_places(small: World) -> None:
    await add(small.ports, URL, (), "", "op")
    await small.register()
    small.strangers.receivers[URL] = Why.BUSY
    for _ in range(40):
        await sent(small)
        small.clock.forward(PATIENCE // 20)

    small.strangers.receivers[URL] = OK
    await sent(small)

    (row,) = await webhooks(small.ports)
    assert (row["state"], row["delivered"], row["dropped"]) == ("active", 1, 0)


@meets("X-56")
async def test_what_a_network_says_of_itself_reaches_no_terminal_and_no_log_as_it_came(small: World) -> None:
    await add(small.ports, URL, (), "", "op")
    await small.register()

    async def rude(url: str, body: bytes, headers: Mapping[str, str], purpose: Purpose) -> Posted:
        raise Unfetched(Why.UNREACHABLE, "\x1b]0;owned\x07\n{} \u202e" + "x" * 5000)

    small.strangers.post = rude  # type: ignore[method-assign] # an error text with somebody else's words in it
    await sent(small)

    (row,) = await webhooks(small.ports)
    assert str(row["answer"]).isprintable()
    assert str(row["answer"]).isascii()
    assert len(str(row["answer"])) <= 1000
    assert all(str(line.get("cause", "")).isprintable() for line in small.lines)


@meets("X-39")
async def test_nothing_of_a_clients_life_puts_a_credential_or_a_person_into_a_message_or_the_log(server: World) -> None:
    added = await add(server.ports, URL + "?key=k3y", (), "", "olga")
    server.strangers.receivers[URL + "?key=k3y"] = OK
    await somebody(server)
    token = await server.invitation()
    invited = await server.register(token, contacts=["ann@example.org"], client_name="Tea")
    card = await person_client(server, contacts=["ann@example.org"])
    given = await tokens(server, card)
    renewed = await server.replaced(invited, client_name="Tea 2")
    await suspend(server.ports, card["client_id"], "olga")
    await server.remove(renewed)

    await sent(server)

    everything = " ".join([*(one.body.decode() for one in server.strangers.brought), json.dumps(server.lines)])
    cards = (invited, card, renewed)
    secret = [one[name] for one in cards for name in ("registration_access_token", "client_secret") if name in one]
    assert server.strangers.brought
    for never in (*secret, *given.values(), token, added.secret, "ann@example.org", "olga", "alice", "k3y", "198.51.100.7"):
        assert not isinstance(never, str) or len(never) < 3 or never in ("Bearer", "openid") or never not in everything


async def test_a_message_for_one_receiver_is_none_for_another_and_none_of_another_time(small: World) -> None:
    other = "https://other.example/"
    small.strangers.receivers[other] = OK
    await add(small.ports, URL, (), "", "op")
    await add(small.ports, other, (), "", "op")
    await small.register()

    await sent(small)
    for row in await webhooks(small.ports):
        await ping(small.ports, str(row["id"]), "op")

    brought = small.strangers.brought
    assert len({one.headers["webhook-signature"] for one in brought}) == len(brought) == 4
    assert len({one.headers["webhook-id"] for one in brought}) == 3
    assert not any("." in one.headers["webhook-id"] for one in brought)


# ── Budgets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-11", "X-33")
async def test_what_strangers_use_up_is_nobodys_who_brings_something(tmp_path: Path) -> None:
    server = by_its_clock(await trusting(tmp_path, registration_rate=1, registration_burst=1, software_rate=1, host_rate=1))
    token, directory = await server.invitation(uses=3), Directory()
    await server.register(software_id="tea-1")

    refused = await server.post_json("/register", {"redirect_uris": [CALLBACK], "software_id": "tea-1"})
    forged = await server.post_json("/register", {"redirect_uris": [CALLBACK]}, token[:-2] + "xx")

    assert (refused.status, forged.status) == (429, 401)
    await server.register(token, software_id="tea-1")
    await server.register(software_statement=directory.states())


@meets("H-11", "X-33")
async def test_a_statement_that_was_spent_uses_up_nobodys_budget(tmp_path: Path) -> None:
    server = by_its_clock(await trusting(tmp_path, written(once=True), software_rate=3, registration_rate=100, registration_burst=100))
    directory = Directory()
    seen = directory.states()
    await server.register(software_statement=seen)

    replayed = [await server.tried(software_statement=seen) for _ in range(8)]

    assert {(status, body["error"]) for status, body in replayed} == {(400, "invalid_software_statement")}
    await server.register(software_statement=directory.states())


@meets("X-33")
def test_causes_that_a_stranger_makes_up_take_no_more_than_their_place() -> None:
    budget = GcraBudget(1, 1, lambda: 0.0)
    for number in range(150_000):
        budget.take(f"{number}" * 30)

    assert len(budget) == 100_000
    assert max(map(len, budget._due)) <= 64  # pyright: ignore[reportPrivateUsage] # what memory holds


@meets("H-11")
def test_who_is_refused_by_one_budget_has_used_up_none_and_the_wait_is_true() -> None:
    now = [1000.0]
    budgets = GcraBudgets({cause.name: GcraBudget(6, 2, lambda: now[0]) for cause in (STRANGERS, NETWORK, REDIRECT_HOST)})
    for _ in range(2):
        assert budgets.take([(REDIRECT_HOST, "evil.example")]) is None

    waits = [budgets.take([(STRANGERS, ""), (NETWORK, "192.0.2.1"), (REDIRECT_HOST, "evil.example")]) for _ in range(50)]

    assert waits == [(REDIRECT_HOST, 11)] * 50
    assert budgets.take([(STRANGERS, ""), (NETWORK, "192.0.2.1"), (REDIRECT_HOST, "good.example")]) is None
    now[0] += 11
    assert budgets.take([(REDIRECT_HOST, "evil.example")]) is None


# ── Room for strangers ───────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-33", "X-34")
async def test_a_flood_that_an_operator_suspended_does_not_keep_strangers_out_for_ever(server: World) -> None:
    with changed(server, never_used_limit=5):
        for _ in range(5):
            await server.register(software_id="flood")
        assert (await server.tried())[0] == 503

        await ended(server, Act.SUSPEND, software_id="flood")
        server.clock.forward(11)

        assert (await server.tried())[0] == 201


@meets("X-33", "X-34")
async def test_the_count_of_strangers_does_not_drift_by_what_ends_and_comes_back(server: World) -> None:
    with changed(server, never_used_limit=6):
        for _ in range(3):
            for _ in range(4):
                await server.register()
            server.clock.forward(3 * DAY)
            await pruned(server)
        await undo_all(server.ports, "op")
        there = [one for one in await server.ports.store.clients("", 100) if one.route is Route.REGISTERED]
        server.clock.forward(11)
        assert len(there) == 12
        assert (await server.tried())[0] == 503
        for one in there[:9]:
            await server.ports.store.remove(one, _gone(server, one.key), 0)
        server.clock.forward(11)

        statuses = [(await server.tried())[0] for _ in range(5)]

    assert statuses == [201, 201, 201, 503, 503]


def _gone(server: World, key: bytes) -> Event:
    return Event("client_deleted", server.clock(), key, "operator", body={"by": "op"})


# ── Logs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-57")
async def test_methods_that_a_stranger_makes_up_do_not_make_up_kinds_of_failures(small: World) -> None:
    stream = io.StringIO()
    small.ports = replace(small.ports, log=Log("info", stream, repeats=5, clock=lambda: 0.0))
    small.__post_init__()

    for number in range(300):
        await small.call(f"BREW{number}", "/register")
        await small.call(f"BREW{number}", f"/nowhere{number}")
    await small.register()

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) <= 20
    assert lines[-1]["status"] == 201


@meets("X-56")
@pytest.mark.parametrize("bad", ["\n{}", "\r", "\x1b[2J", "\x9b2J", "\x7f", "\u2028", "\u202e", "\u061c", "\u2066", "\udc1b", "\x00"])
def test_no_value_breaks_out_of_its_line_or_turns_it(bad: str) -> None:
    stream = io.StringIO()

    said: dict[str, Any] = {"description": f"a{bad}b", f"n{bad}": [bad, {bad: bad}]}
    Log("info", stream)("refused", error="x", **said)

    written = stream.getvalue()
    assert written.count("\n") == 1
    assert bad not in written.rstrip("\n")
    assert json.loads(written)["event"] == "refused"


# ── Statements ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("C-16")
async def test_who_has_only_read_a_statement_ends_nobodys_registration(tmp_path: Path) -> None:
    server = by_its_clock(await trusting(tmp_path, written(replace_existing=True, signed_requests=True), signed_registration=True))
    software = Software(server)
    statement = Directory().states(jwks=software.key.jwks)
    card = (await software.sends(software.signs(statement))).json

    replayed = await server.refusal(software_statement=statement)

    why = "software_statement: it may have been read by others; send it in a request that the software signs (RFC 7591 section 3.2.2)"
    assert replayed == ("unapproved_software_statement", why)
    assert (await server.read(card)).status == 200
    again = await software.sends(software.signs(statement))
    assert (again.status, (await server.read(card)).status) == (201, 401)


@meets("C-16")
@pytest.mark.parametrize("keys", [{}, {"once": True}, {"required": ["aud"]}, {"once": True, "required": ["jti"]}])
def test_nothing_is_replaced_by_statements_that_are_no_proof(keys: dict[str, object]) -> None:
    row = {"issuer": DIRECTORY, "jwks": holder("ES256", "d1", 7).jwks, "replace_existing": True, **keys}

    with pytest.raises(BadIssuer) as bad:
        issuers_of([row], ISSUER)

    assert "replace_existing: needs certificate, signed_requests, or once with aud among required" in str(bad.value)


PROVING: dict[str, object] = {"replace_existing": True, "once": True, "required": ["aud"]}


@meets("C-16", "X-31")
async def test_a_new_registration_does_not_wipe_out_that_an_operator_suspended_the_one_before(tmp_path: Path) -> None:
    server = by_its_clock(await trusting(tmp_path, written(**PROVING)))
    old = await server.register(software_statement=Directory().states(aud=ISSUER))
    await suspend(server.ports, old["client_id"], "op")

    refused = await server.refusal(software_statement=Directory().states(aud=ISSUER))

    why = "software_statement: a registration of the software is suspended; ask the operator (RFC 7591 section 3.2.2)"
    assert refused == ("unapproved_software_statement", why)
    assert (await server.row(old)).state is State.SUSPENDED
    await server.register(software_statement=Directory().states(aud=ISSUER, software_id="tea-2"))


@meets("C-16")
async def test_who_was_replaced_while_it_was_pruned_is_not_brought_back(tmp_path: Path) -> None:
    server = by_its_clock(await trusting(tmp_path, written(**PROVING), prune_idle_days=1))
    old, other = [await server.register(software_statement=Directory().states(aud=ISSUER, software_id=one)) for one in ("tea-1", "tea-2")]
    server.clock.forward(5 * DAY)
    await pruned(server)
    new = await server.register(software_statement=Directory(now=server.clock()).states(aud=ISSUER))

    back = await undo_all(server.ports, "op")

    assert back == 1
    assert [(await server.read(card)).status for card in (old, other, new)] == [401, 200, 200]
    assert (await server.told("client_deleted"))[-1]["body"]["successor"] == new["client_id"]


@meets("R-66")
async def test_a_jti_of_one_issuer_is_not_used_up_by_another(tmp_path: Path) -> None:
    server = by_its_clock(await trusting(tmp_path, written(once=True), written("https://evil.example", once=True)))
    await server.register(software_statement=Directory("https://evil.example").states(jti="j"))

    await server.register(software_statement=Directory().states(jti="j"))

    assert (await server.refusal(software_statement=Directory().states(jti="j")))[1].startswith("software_statement: jti: was used before")


@meets("R-74")
@pytest.mark.parametrize(
    "said",
    [
        *({"client_name#fr": "Faux"}, {"client_name#": "Faux"}, {"client_name#FR-be": "Faux"}, {"client_name": " Official Tea"}),
        *({"scope": "email"}, {"scope": "openid email"}, {"redirect_uris": [CALLBACK, "https://evil.example/"]}),
        *({"redirect_uris": []}, {"redirect_uris": CALLBACK}, {"redirect_uris": [CALLBACK.upper()]}),
    ],
)
async def test_no_spelling_widens_what_only_the_statement_says(tmp_path: Path, said: dict[str, object]) -> None:
    server = await trusting(tmp_path, written(locked=("client_name", "scope", "redirect_uris")), default_scope="openid email")
    statement = Directory().states(scope="openid", redirect_uris=[CALLBACK])

    status, body = await server.tried(software_statement=statement, **said)

    if status == 201:
        assert ({name: body[name] for name in body if name.startswith("client_name")}, body["redirect_uris"]) == (
            {"client_name": "Official Tea"},
            [CALLBACK],
        )
        assert set(body["scope"].split()) <= {"openid"}


@meets("R-74")
@pytest.mark.parametrize("scope", ["", " ", "  ", None, []])
async def test_a_scope_of_nothing_is_not_the_default_where_the_statement_says_less(tmp_path: Path, scope: object) -> None:
    server = await trusting(tmp_path, written(locked=("scope",)), default_scope="openid email")

    status, body = await server.tried(software_statement=Directory().states(scope="openid"), scope=scope)

    assert status == 400 or set(body["scope"].split()) <= {"openid"}


@pytest.mark.parametrize("roles", [None, "AISP", {"AISP": 1}, [["AISP"]], [{"role": "AISP"}], "AISP PISP", [" AISP"], ["aisp"]])
async def test_roles_that_are_not_a_list_of_their_names_open_nothing(tmp_path: Path, roles: object) -> None:
    row = written(roles_claim="software_roles", roles={"AISP": "openid email"})
    server = await trusting(tmp_path, row)

    status, body = await server.tried(software_statement=Directory().states(software_roles=roles), scope="openid email")

    assert status == 400 or not body.get("scope")


@pytest.mark.parametrize("end", [10**15, 10**18, 10**20, 1e300, 2**63])
async def test_an_end_far_away_is_no_crash(tmp_path: Path, end: float) -> None:
    server = by_its_clock(await trusting(tmp_path, written(once=True), sqlite=True))
    statement = Directory().states(exp=end)

    statuses = [(await server.tried(software_statement=statement))[0] for _ in range(2)]

    assert statuses in ([201, 400], [400, 400])
    await server.ports.store.close()


@meets("X-40", "R-76")
async def test_a_request_signed_for_one_software_is_good_for_no_other(tmp_path: Path) -> None:
    server = by_its_clock(await trusting(tmp_path, written(signed_requests=True), signed_registration=True))
    tea, coffee = Software(server), Software(server, holder("ES256", "s2", 9), "coffee")
    of_tea, of_coffee = Directory().states(jwks=tea.key.jwks), Directory().states(software_id="coffee", jwks=coffee.key.jwks)

    swapped = await coffee.sends(coffee.signs(of_tea))
    disguised = await coffee.sends(coffee.signs(of_tea, iss="tea-1"))
    own_keys = await coffee.sends(coffee.signs(of_tea, iss="tea-1", jwks=coffee.key.jwks))
    elsewhere = await coffee.sends(coffee.signs(of_coffee, aud="https://other.example"))
    good = coffee.signs(of_coffee)

    assert [reply.status for reply in (swapped, disguised, own_keys, elsewhere)] == [400] * 4
    assert [(await coffee.sends(good)).status for _ in range(2)] == [201, 400]


# ── Idempotency-Key and invitations ──────────────────────────────────────────────────────────────────────────────────


@meets("R-96")
async def test_the_key_of_somebody_elses_registration_finds_nothing(server: World) -> None:
    mine, theirs = await server.invitation(uses=5), await server.invitation(uses=5)
    body, key = json.dumps({"redirect_uris": [CALLBACK]}).encode(), {"content-type": "application/json", "idempotency-key": "1"}

    async def sends(token: str, body: bytes = body) -> tuple[int, str]:
        reply = await server.call("POST", "/register", body, {**key, "authorization": f"Bearer {token}"})
        return reply.status, reply.json.get("client_id", "")

    first = await sends(mine)
    foreign, other, again = await sends(theirs), await sends(mine, body + b" "), await sends(mine)
    bare = await server.call("POST", "/register", body, key)
    await revoke(server.ports, (await server.ports.store.invitations(b"", 10))[0].id.hex(), "op")
    await revoke(server.ports, (await server.ports.store.invitations(b"", 10))[1].id.hex(), "op")

    assert again == first
    assert len({first, foreign, other, (bare.status, bare.json["client_id"])}) == 4
    assert await sends(mine) == await sends(theirs) == (401, "")


@meets("X-36", "X-37")
async def test_a_revocation_beats_everybody_who_comes_after_it(server: World) -> None:
    token = await server.invitation(uses=100)
    (one,) = await server.ports.store.invitations(b"", 10)

    async def takes_it_back() -> int:
        await asyncio.sleep(0)
        await revoke(server.ports, one.id.hex(), "op")
        return len(await server.ports.store.clients("", 200))

    async def comes() -> int:
        return (await server.post_json("/register", {"redirect_uris": [CALLBACK]}, token)).status

    there, *answers = await asyncio.gather(takes_it_back(), *(comes() for _ in range(16)))

    assert answers.count(201) + answers.count(401) == 16
    assert len(await server.ports.store.clients("", 200)) == answers.count(201) == there
    assert (await server.tried(token))[0] == 401
    after = await server.ports.store.invitation(one.id)
    assert after is not None
    assert after.uses_left == 0


# ── Pruning and bringing back ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_token_that_was_given_back_stays_dead_when_its_client_comes_back(server: World) -> None:
    with changed(server, opaque_token_lifetime=365 * DAY, prune_idle_days=1):
        resource = (await server.resource("https://api.example", "orders:read")).information
        card = await server.machine("orders:read")
        token = (await server.token(card)).json["access_token"]
        await server.post_form("/revoke", {"token": token}, basic=(card["client_id"], card["client_secret"]))
        server.clock.forward(5 * DAY)
        await pruned(server)
        await undo(server.ports, card["client_id"], "op")

        assert (await server.introspect(resource, token)).json == {"active": False}
        assert (await server.token(card)).status == 200


async def test_who_waited_for_approval_waits_again_when_brought_back(server: World) -> None:
    card = await server.register()
    row = await server.row(card)
    held = structs.replace(row, state=State.HELD)
    await server.ports.store.replace(row, held, None)
    with changed(server, prune_idle_days=1):
        server.clock.forward(5 * DAY)
        await pruned(server)
        await undo(server.ports, card["client_id"], "op")

    assert (await server.row(card)).state is State.HELD


async def test_a_client_comes_back_once_however_many_bring_it_back(server: World) -> None:
    cards = [await server.register() for _ in range(3)]
    server.clock.forward(5 * DAY)
    await pruned(server)

    done = await asyncio.gather(undo_all(server.ports, "a"), undo_all(server.ports, "b"))

    assert sum(done) == 3
    assert (await server.kinds()).count("client_brought_back") == 3
    assert [(await server.read(card)).status for card in cards] == [200] * 3


async def test_a_client_comes_back_when_its_tombstone_went_before(server: World) -> None:
    with changed(server, tombstone_days=1, prune_undo_days=30):
        card = await server.register()
        server.clock.forward(5 * DAY)
        await pruned(server)
        server.clock.forward(5 * DAY)
        await pruned(server)

        await undo(server.ports, card["client_id"], "op")

    assert (await server.read(card)).status == 200


async def test_a_key_that_was_retired_meanwhile_stays_retired(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    card = await server.register()
    server.clock.forward(5 * DAY)
    await pruned(server)
    number = server.ports.keyring.minting
    mac = FileKeyring.mac

    def retired(keyring: FileKeyring, key: int, kind: str, said: bytes) -> bytes | None:
        return None if key == number else mac(keyring, key, kind, said)

    monkeypatch.setattr(FileKeyring, "mac", retired)

    await undo(server.ports, card["client_id"], "op")

    assert (await server.read(card)).status == 401


# ── Cohorts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-39", "X-31")
@pytest.mark.parametrize("act", [Act.DELETE, Act.SUSPEND])
async def test_who_was_pruned_before_does_not_outlive_the_end_of_its_cohort(server: World, act: Act) -> None:
    evil, good = await server.register(software_id="evil"), await server.register(software_id="good")
    server.clock.forward(5 * DAY)
    await pruned(server)
    found = await survey(server.ports, {"software_id": "evil"})

    tally = await ended(server, act, software_id="evil")
    again = await ended(server, act, software_id="evil")
    await undo_all(server.ports, "op")

    assert (found.clients, found.aside) == (0, 1)
    assert (tally.clients, tally.done, again.done) == (1, 1, 0)
    there = await server.ports.store.client(client_key(Route.REGISTERED, evil["client_id"]))
    assert (there.state if there else None) is (None if act is Act.DELETE else State.SUSPENDED)
    assert ((await server.read(good)).status, await aside(server.ports, "", 10)) == (200, [])


@meets("M-39")
async def test_of_the_pruned_there_is_nothing_to_revoke(server: World) -> None:
    card = await server.register(software_id="tea")
    server.clock.forward(5 * DAY)
    await pruned(server)

    tally = await ended(server, Act.REVOKE, software_id="tea")
    await undo_all(server.ports, "op")

    assert (tally.clients, tally.done, (await server.read(card)).status) == (0, 0, 200)


@meets("M-39")
async def test_nobody_is_taken_for_another_by_a_spelling(server: World) -> None:
    others = [await server.register(software_id=name) for name in ("Tea", "tea ", "tea\u200b", "te", "tea1") if name.isascii()]
    tea = await server.register(software_id="tea")
    await server.resource()

    await ended(server, Act.DELETE, software_id="tea")
    await ended(server, Act.DELETE, redirect_host="pp.example")

    assert (await server.read(tea)).status == 401
    assert [(await server.read(card)).status for card in others] == [200] * len(others)
    assert len(await server.ports.store.resources()) == 1


@meets("X-31")
async def test_what_a_cohort_suspended_is_not_resumed_by_its_own_token(server: World) -> None:
    card = await server.register(software_id="evil")
    await ended(server, Act.SUSPEND, software_id="evil")

    replies = [await server.read(card), await server.replace(card, client_name="x"), await server.remove(card)]

    assert [reply.status for reply in replies] == [200, 403, 403]
    assert replies[0].json["registration_state"] == "suspended"
    await resume(server.ports, card["client_id"], "op")
    assert (await server.read(card)).status == 200
