"""A lost registration access token is replaced for whoever proves whose registration it is (M-42, S1-48; CREDENTIALS §9.1)."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.protocol.clients import State
from calling_card.store.memory import MemoryStore
from calling_card.usecases.operate import delete, suspend
from tests.assertions import claims, form, holder, of, with_secret
from tests.ledger import meets
from tests.statements import SUBJECT, Directory, Software, trusting, written
from tests.usecases.contended import ContendedStore
from tests.visitor import somebody, tokens
from tests.world import CALLBACK, ISSUER, START, Reply, World, beside, changed, rat, world

ALL = ("client", "statement", "owner")
SCOPE = "client_registration"
DELEGATING: dict[str, Any] = {
    "registration_scope": SCOPE,
    "scopes": ("openid", "profile", "email", "offline_access", SCOPE),
    "anonymous_scopes": ("openid", "profile", "email", "offline_access"),
}
METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt")
UNPROVEN = (
    "client authentication failed; a client that was removed may register again at https://as.example/register (RFC 6749 section 5.2)"
)


@pytest.fixture(params=["memory", "sqlite"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A server on each kind of store, where everybody recovers as often as they like."""
    some = await world(tmp_path, sqlite=request.param == "sqlite", recovery=ALL, recovery_rate=0)
    yield some
    await some.ports.store.close()


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path, recovery=ALL)


def place(card: Mapping[str, Any]) -> str:
    """Where a registration is recovered."""
    return f"{card['registration_client_uri']}/recover"


async def registered(server: World, method: str) -> dict[str, Any]:
    """A client that authenticates like this."""
    keys = {"jwks": holder().jwks} if method == "private_key_jwt" else {}
    return await server.register(token_endpoint_auth_method=method, **keys)


def asserting(server: World, card: Mapping[str, Any], audience: object = ISSUER) -> str:
    """An assertion of the client, by its key or its secret."""
    key = with_secret(card["client_secret"]) if card["token_endpoint_auth_method"] == "client_secret_jwt" else holder()
    return key.signs(claims(of(card), audience, server.clock.now))


async def recover(server: World, card: Mapping[str, Any], source: str = "198.51.100.7") -> Reply:
    """As the client, by its registered method."""
    method = card["token_endpoint_auth_method"]
    if method == "client_secret_basic":
        return await server.post_form(place(card), {}, basic=(card["client_id"], card["client_secret"]))
    if method.endswith("_jwt"):
        return await server.post_form(place(card), form(asserting(server, card)))
    more = {"client_secret": str(card["client_secret"])} if method == "client_secret_post" else {}
    return await server.post_form(place(card), {"client_id": card["client_id"], **more})


async def owned(server: World, card: Mapping[str, Any], token: str) -> Reply:
    """With an access token."""
    headers = {"authorization": f"Bearer {token}", "content-type": "application/x-www-form-urlencoded"}
    return await server.call("POST", place(card), b"", headers)


# ── By authentication ────────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-42", "S1-48", "H-02")
@pytest.mark.parametrize("method", METHODS)
async def test_a_client_that_authenticates_gets_a_new_token_and_the_lost_one_is_dead_at_once(either: World, method: str) -> None:
    card = await registered(either, method)

    reply = await recover(either, card)

    assert reply.status == 200
    assert rat(reply.json) != rat(card)
    assert {**reply.json, "registration_access_token": ""} == {**card, "registration_access_token": ""}
    assert (await either.read(card)).no == (401, "invalid_token")
    assert (await either.read(reply.json)).json == reply.json
    assert [event["body"] for event in await either.told("client_recovered")] == [{"by": "client", "proof": method}]
    assert (reply.headers["cache-control"], reply.headers["pragma"]) == ("no-store", "no-cache")


@meets("M-42")
async def test_whoever_loses_the_answer_asks_again_and_gets_the_next(either: World) -> None:
    card = await either.register()

    lost = (await recover(either, card)).json
    again = (await recover(either, card)).json

    assert len({rat(card), rat(lost), rat(again)}) == 3
    assert (await either.read(again)).status == 200
    assert (await either.read(lost)).status == 401
    assert (await either.replace(again, client_name="Found")).status == 200


@meets("M-42")
async def test_a_client_in_the_middle_of_a_rotation_has_one_token_afterwards(either: World) -> None:
    card = await either.register()
    waiting = await either.replaced(card, client_name="B")

    new = (await recover(either, waiting)).json

    assert {(await either.read(one)).status for one in (card, waiting)} == {401}
    assert (await either.read(new)).json["client_name"] == "B"


@meets("M-42", "H-14", "H-31")
async def test_every_proof_that_does_not_fit_has_the_same_answer(tmp_path: Path) -> None:
    server = await world(tmp_path, recovery=ALL, recovery_rate=0)
    good, other = await server.register(), await server.register()
    gone, stopped, public = await server.register(), await server.register(), await server.register(token_endpoint_auth_method="none")
    with changed(server, secret_lifetime=60):
        expired = await server.register()
    server.clock.forward(60)
    await delete(server.ports, gone["client_id"], "op")
    await suspend(server.ports, stopped["client_id"], "op")
    before = await server.kept()

    tries = [(card, card) for card in (expired, gone, stopped)]
    tries += [(good, other), (other, good), ({**good, "registration_client_uri": "/register/never"}, good)]
    replies = [await server.post_form(place(at), {}, basic=(who["client_id"], who["client_secret"])) for at, who in tries]
    replies.append(await server.post_form(place(good), {}, basic=(good["client_id"], "guess")))

    assert {(reply.no, reply.why, reply.headers["www-authenticate"][:5]) for reply in replies} == {
        ((401, "invalid_client"), UNPROVEN, "Basic")
    }
    none = await recover(server, public)
    assert (none.no, none.why) == ((401, "invalid_client"), UNPROVEN)
    assert await server.kept() == before


@meets("M-42", "A-39")
async def test_only_the_registered_method_proves(server: World) -> None:
    card = await registered(server, "client_secret_post")

    assert (await recover(server, {**card, "token_endpoint_auth_method": "client_secret_basic"})).no == (401, "invalid_client")
    assert (await recover(server, card)).status == 200


@meets("C-34", "M-42")
@pytest.mark.parametrize("method", ["client_secret_jwt", "private_key_jwt"])
async def test_an_assertion_is_for_the_issuer_or_the_token_endpoint_as_ever_and_comes_once(either: World, method: str) -> None:
    card = await registered(either, method)
    audiences = [ISSUER, f"{ISSUER}/token", place(card), "https://other.example", [ISSUER, place(card)]]
    replies = [await either.post_form(place(card), form(asserting(either, card, audience))) for audience in audiences]

    used = form(asserting(either, card))
    twice = [(await either.post_form(place(card), used)).status for _ in range(2)]

    assert [reply.status for reply in replies] == [200, 200, 401, 401, 401]
    assert twice == [200, 401]


async def test_where_secrets_are_kept_back_a_recovery_does_not_tell_them(tmp_path: Path) -> None:
    server = await world(tmp_path, recovery=ALL, return_secret=False)
    card = await server.register()

    assert "client_secret" not in (await recover(server, card)).json


async def test_a_recovery_uses_the_new_secret_for_the_first_time_as_any_authentication_does(tmp_path: Path) -> None:
    server = await world(tmp_path, recovery=ALL, rotate_secret_on_update=True)
    card = await server.register()
    new = (await server.replace(card, "client_secret")).json

    found = await recover(server, new)

    assert found.status == 200
    assert (await recover(server, card)).no == (401, "invalid_client")


# ── Whom nothing is given ────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-42", "S1-48")
async def test_nobody_recovers_anything_unless_the_operator_says_so(tmp_path: Path) -> None:
    server = await world(tmp_path)
    card = await server.register()

    reply = await recover(server, card)

    assert reply.no == (405, "invalid_request")
    assert (await server.read(card)).status == 200


@pytest.mark.parametrize("way", ALL)
async def test_only_the_proofs_that_the_operator_names_count(tmp_path: Path, way: str) -> None:
    server = await world(tmp_path, recovery=[one for one in ALL if one != way])
    card = await server.register()
    tries = {
        "client": lambda: recover(server, card),
        "statement": lambda: server.post_json(place(card), {"software_statement": "x"}),
        "owner": lambda: owned(server, card, "x"),
    }

    reply = await tries[way]()

    assert reply.no == (403, "access_denied")
    assert reply.why == f"recovery by this proof ({way}) is not served here; ask the operator (RFC 7592 section 3)"


async def test_without_management_there_is_nothing_to_recover(tmp_path: Path) -> None:
    server = await world(tmp_path, management=False, recovery=ALL)
    card = await server.register()

    reply = await server.post_form(f"/register/{card['client_id']}/recover", {}, basic=(card["client_id"], card["client_secret"]))

    assert reply.status == 404


async def test_a_client_that_the_operator_made_asks_the_operator(server: World) -> None:
    card = (await server.resource()).information

    reply = await server.post_form(place(card), {}, basic=(str(card["client_id"]), str(card["client_secret"])))

    assert reply.no == (403, "access_denied")
    assert reply.why == "the operator made this client, and only the operator changes it (RFC 7592 section 2)"


@meets("M-50")
async def test_a_door_without_such_tokens_gives_none_later(server: World) -> None:
    fields = {"type": "client_associate", "application_name": "Old", "redirect_url": CALLBACK}
    card = (await server.post_form("/register", fields)).json

    reply = await server.post_form(f"/register/{card['client_id']}/recover", {}, basic=(str(card["client_id"]), str(card["client_secret"])))

    assert reply.no == (403, "access_denied")
    assert reply.why == "this client came by a door that gives no registration access token (RFC 7592 section 3)"


@meets("M-42", "H-10")
async def test_a_registration_of_which_nothing_is_kept_is_made_again(tmp_path: Path) -> None:
    server = await world(tmp_path, recovery=ALL, open_registration="sealed")
    card = await server.register()

    reply = await recover(server, card)

    assert reply.no == (403, "access_denied")
    assert reply.why == "nothing is kept of this registration yet; register again at https://as.example/register"
    assert list(await server.ports.store.clients("", 9)) == []
    replaced = await server.replaced(card, client_name="Kept")
    assert (await recover(server, replaced)).status == 200


# ── How often ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-42", "H-31")
async def test_a_client_that_waits_for_approval_recovers_its_token_to_ask_how_it_stands(tmp_path: Path) -> None:
    server = await world(tmp_path, recovery=ALL, hold=("anonymous",))
    card = await server.register()

    reply = await recover(server, card)

    assert reply.status == 200
    assert (await server.row(card)).state is State.HELD
    assert (await server.read(reply.json)).status == 200


@meets("M-42", "M-47")
async def test_a_registration_is_recovered_five_times_an_hour(server: World) -> None:
    card, other = await server.register(), await server.register()

    replies = [await recover(server, card) for _ in range(6)]

    assert [reply.status for reply in replies] == [200] * 5 + [429]
    assert replies[5].no == (429, "temporarily_unavailable")
    assert replies[5].why == "this registration was recovered too often; try again later"
    assert 0 < int(replies[5].headers["retry-after"]) <= 720
    assert (await server.read(replies[4].json)).status == 200
    assert (await recover(server, other)).status == 200


@meets("M-42", "M-47", "X-38")
async def test_failed_tries_of_others_take_nothing_from_the_owner(server: World) -> None:
    card = await server.register()
    guess = {**card, "client_secret": "guess"}

    replies = [await recover(server, guess) for _ in range(6)]

    assert [reply.status for reply in replies] == [401] * 5 + [429]
    assert replies[5].why == "too many failed tries to recover this registration; try again later"
    assert 0 < int(replies[5].headers["retry-after"]) <= 720
    assert (await recover(server, card)).status == 200


async def test_a_refusal_that_says_nothing_about_the_proof_is_no_failed_try(tmp_path: Path) -> None:
    server = await world(tmp_path, recovery=["owner"])
    card = await server.register()

    replies = [await recover(server, card) for _ in range(7)]

    assert {reply.status for reply in replies} == {403}


# ── At once ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("M-42", "H-02")
async def test_of_sixteen_recoveries_at_once_each_answers_and_one_token_lives(either: World) -> None:
    card = await either.register()

    replies = await asyncio.gather(*(recover(either, card) for _ in range(16)))

    assert {reply.status for reply in replies} == {200}
    assert len({rat(reply.json) for reply in replies}) == 16
    assert await living(either, [*(reply.json for reply in replies), card]) == 1
    assert (await either.kinds()).count("client_recovered") == 16


@meets("M-42")
async def test_recoveries_in_two_processes_leave_one_living_token(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True, recovery=ALL, recovery_rate=0)
    other = await beside(server, tmp_path)
    card = await server.register()

    replies = await asyncio.gather(*(recover(side, card) for side in (server, other) * 8))

    given = [reply.json for reply in replies if reply.status == 200]
    assert {reply.status for reply in replies} <= {200, 503}
    assert await living(server, given) == await living(other, given) == 1
    for side in (server, other):
        await side.ports.store.close()


async def test_recoveries_beside_replacements_leave_a_way_in(either: World) -> None:
    card = await either.register()

    replies = await asyncio.gather(*(recover(either, card) if n % 2 else either.replace(card, client_name=f"n{n}") for n in range(16)))

    found = [reply.json for number, reply in enumerate(replies) if number % 2 and reply.status == 200]
    assert {reply.status for reply in replies} <= {200, 401, 503}
    assert found
    assert await living(either, [reply.json for reply in replies if reply.status == 200]) <= 1
    assert (await either.read((await recover(either, card)).json)).status == 200


async def living(server: World, cards: list[dict[str, Any]]) -> int:
    """How many of these answers have a token that lives."""
    return [(await server.read(card)).status for card in cards].count(200)


class Meddled(MemoryStore):
    """Somebody comes between a proof and what it is for."""

    meddling: dict[str, Any] | None = None

    def turn(self, key: bytes) -> AbstractAsyncContextManager[None]:
        """See `Store.turn`."""
        if self.meddling is not None and key in self._clients:
            self._clients[key] = structs.replace(self._clients[key], **self.meddling)
        return super().turn(key)


@pytest.mark.parametrize("meddling", [{"state": State.SUSPENDED}, {"epoch": 9}, {"incarnation": b"another8"}, {"metadata": b"{}"}])
async def test_who_is_another_by_now_proves_it_again(tmp_path: Path, meddling: dict[str, Any]) -> None:
    store = Meddled(chain_key=b"k" * 32, writer=b"meddling", now=lambda: START)
    server = await world(tmp_path, store, recovery=ALL)
    card = await server.register()
    store.meddling = meddling

    reply = await recover(server, card)

    assert reply.no == (503, "temporarily_unavailable")
    assert reply.why == "the registration is being changed by others; try again"
    assert reply.headers["retry-after"] == "1"
    assert "client_recovered" not in await server.kinds()


@pytest.mark.parametrize("losses, status", [(2, 200), (3, 503)])
async def test_a_lost_race_is_run_again_three_times(tmp_path: Path, losses: int, status: int) -> None:
    store = ContendedStore(chain_key=b"k" * 32, writer=b"busy-one", now=lambda: START)
    server = await world(tmp_path, store, recovery=ALL)
    card = await server.register()
    store.losses = losses

    assert (await recover(server, card)).status == status


# ── By the owner ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def registrant(server: World) -> str:
    """The access token of a machine that registers clients."""
    card = await server.machine(scope=f"openid {SCOPE}")
    return str((await server.token(card)).json["access_token"])


@meets("M-42", "R-27")
async def test_a_machine_recovers_what_it_registered_and_nothing_else(tmp_path: Path) -> None:
    server = await world(tmp_path, recovery=ALL, recovery_rate=0, **DELEGATING)
    mine, other = await registrant(server), await registrant(server)
    card, theirs = await server.register(mine), await server.register(other)
    stranger, invited = await server.register(), await server.register(await server.invitation())
    stopped = await server.register(mine)
    await suspend(server.ports, stopped["client_id"], "op")

    reply = await owned(server, card, mine)
    refused = [await owned(server, one, mine) for one in (theirs, stranger, invited, stopped, {"registration_client_uri": "/register/x"})]
    refused += [await owned(server, card, one) for one in (other, rat(card), "nonsense")]

    assert reply.status == 200
    assert (await server.read(card)).status == 401
    assert (await server.read(reply.json)).json == reply.json
    assert {(one.no, one.why) for one in refused} == {
        ((401, "invalid_token"), "the access token is not valid for this registration (RFC 6750 section 3.1)")
    }
    assert refused[0].headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert [event["body"] for event in await server.told("client_recovered")] == [{"by": "owner", "proof": "access_token"}]


@meets("M-42", "R-27")
async def test_a_person_recovers_what_was_registered_for_them(tmp_path: Path) -> None:
    server = await world(tmp_path, recovery=ALL, **DELEGATING)
    await somebody(server)
    invitation = await server.invitation(scope=f"openid {SCOPE}", grants=("authorization_code",))
    app = await server.register(invitation, token_endpoint_auth_method="none", scope=f"openid {SCOPE}")
    token = str((await tokens(server, app, scope=SCOPE))["access_token"])
    card = await server.register(token, token_endpoint_auth_method="none")

    reply = await owned(server, card, token)

    assert reply.status == 200
    assert (await server.read(reply.json)).status == 200


async def test_a_token_without_the_scope_recovers_nothing(tmp_path: Path) -> None:
    server = await world(tmp_path, recovery=ALL, **DELEGATING)
    machine = await server.machine(scope=f"openid {SCOPE}")
    card = await server.register(str((await server.token(machine)).json["access_token"]))
    plain = str((await server.token(machine, scope="openid")).json["access_token"])

    assert (await owned(server, card, plain)).no == (401, "invalid_token")


# ── By a statement ───────────────────────────────────────────────────────────────────────────────────────────────────

ONCE: dict[str, object] = {"recovery": True, "once": True, "required": ["aud", "jti"], "instances": 1}
SIGNING: dict[str, object] = {"recovery": True, "signed_requests": True, "replace_existing": True}


def stated(**claims: object) -> str:
    """A statement for this server."""
    return Directory().states(**{"aud": ISSUER, **claims})


async def trusted(folder: Path, row: Mapping[str, object], signed: bool = False) -> World:
    return await trusting(folder, written(**row), recovery=ALL, recovery_rate=0, signed_registration=signed)


@meets("M-42")
async def test_a_fresh_statement_about_the_same_software_recovers_its_registration(tmp_path: Path) -> None:
    server = await trusted(tmp_path, ONCE)
    first, second = stated(), stated(client_name="Renamed")
    card = await server.register(software_statement=first)

    reply = await server.post_json(place(card), {"software_statement": second})
    replayed = [await server.post_json(place(card), {"software_statement": one}) for one in (first, second)]

    assert reply.status == 200
    assert {**reply.json, "registration_access_token": ""} == {**card, "registration_access_token": ""}
    assert (await server.read(card)).status == 401
    assert (await server.read(reply.json)).status == 200
    assert {one.no for one in replayed} == {(400, "invalid_software_statement")}
    assert [event["body"] for event in await server.told("client_recovered")] == [{"by": "statement", "proof": "software_statement"}]


@meets("M-42", "H-31")
async def test_a_statement_recovers_no_other_registration(tmp_path: Path) -> None:
    server = await trusted(tmp_path, ONCE)
    card, other = await server.register(software_statement=stated()), await server.register()
    suspended = await server.register(software_statement=stated(software_id="tea-3"))
    await suspend(server.ports, suspended["client_id"], "op")
    tries = [
        (card, stated(software_id="tea-2")),
        (other, stated()),
        (suspended, stated(software_id="tea-3")),
        ({"registration_client_uri": "/register/never"}, stated()),
    ]

    replies = [await server.post_json(place(at), {"software_statement": statement}) for at, statement in tries]

    assert {(reply.no, reply.why) for reply in replies} == {((401, "invalid_client"), UNPROVEN)}
    assert (await server.read(card)).status == 200


@meets("M-42", "R-71")
@pytest.mark.parametrize(
    "row, claims, why",
    [
        ({}, {}, "nothing is recovered by statements of its issuer"),
        (ONCE, {"software_id": None}, "it names no software_id, so nothing is recovered by it"),
        (SIGNING, {}, "it may have been read by others; send it in a request that the software signs"),
        ({**ONCE, "revoked": ["tea-1"]}, {}, "the software is not approved any more"),
    ],
)
async def test_the_issuers_row_says_whether_its_statements_prove_enough(
    tmp_path: Path, row: dict[str, object], claims: dict[str, object], why: str
) -> None:
    server = await trusted(tmp_path, row)
    card = await server.register()

    reply = await server.post_json(place(card), {"software_statement": stated(**claims)})

    assert reply.no == (400, "unapproved_software_statement")
    assert reply.why == f"software_statement: {why} (RFC 7591 section 3.2.2)"


@pytest.mark.parametrize(
    "body, code",
    [
        (b"{}", "invalid_software_statement"),
        (b"[]", "invalid_client_metadata"),
        (b'{"software_statement":5}', "invalid_software_statement"),
    ],
)
async def test_a_body_without_a_statement_proves_nothing(tmp_path: Path, body: bytes, code: str) -> None:
    server = await trusted(tmp_path, ONCE)
    card = await server.register(software_statement=stated())

    reply = await server.call("POST", place(card), body, {"content-type": "application/json"})

    assert reply.no[0] == 400
    assert reply.no[1] in (code, "invalid_request")


@meets("M-42", "R-76", "R-77")
async def test_a_request_that_the_software_signs_recovers_its_registration_once(tmp_path: Path) -> None:
    server = await trusted(tmp_path, SIGNING, signed=True)
    software = Software(server)
    statement = stated(jwks=software.key.jwks)
    card = (await software.sends(software.signs(statement))).json
    request, forged = software.signs(statement), Software(server, holder("ES256", "s1", 9)).signs(statement)
    headers = {"content-type": "application/jwt"}

    replies = [await server.call("POST", place(card), one.encode(), headers) for one in (forged, request, request)]

    assert [reply.status for reply in replies] == [400, 200, 400]
    assert (await server.read(replies[1].json)).status == 200


@meets("M-42", "R-79")
async def test_a_statement_with_the_certificate_of_its_software_recovers_its_registration(tmp_path: Path) -> None:
    row = {"recovery": True, "certificate": {"organizationIdentifier": "org_id"}, "instances": 1}
    settings: dict[str, Any] = {"client_certificate_header": "X-Subject", "trusted_proxies": ("198.51.100.0/24",)}
    server = await trusting(tmp_path, written(**row), recovery=ALL, **settings)
    statement = stated(org_id="org-1")
    headers = {"content-type": "application/json", "x-subject": SUBJECT.replace("PSDGB-FCA-org-1", "PSDGB-org-1")}
    body = {"redirect_uris": [CALLBACK], "software_statement": statement}
    card = (await server.call("POST", "/register", json.dumps(body).encode(), headers)).json
    said = json.dumps({"software_statement": statement}).encode()

    with_it = await server.call("POST", place(card), said, headers)
    without = await server.post_json(place(card), {"software_statement": statement})

    assert (with_it.status, without.no) == (200, (400, "unapproved_software_statement"))
