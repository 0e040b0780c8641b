"""A client of 2011 introduces itself, renews its secret, changes, and ends (Simple Registration draft 02 §3)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import Door, State, Tier
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles.credentials import REGISTRATION_ACCESS_TOKEN, Handle, has_rat, owner, write
from calling_card.protocol.policy import Decision, Outcome
from calling_card.usecases.associate import Asked, answer
from calling_card.usecases.clients import ATTEMPTS
from calling_card.usecases.operate import clients, delete, rotate, show, suspend
from calling_card.usecases.renew import keys
from tests.ledger import meets
from tests.usecases.contended import ContendedStore
from tests.visitor import authorize_url
from tests.world import CALLBACK, ISSUER, START, Reply, World, beside, body_of, changed, world

SECTION = "(Simple Registration draft 02 section 3.1)"
FAILED = f"client authentication failed; a client that was removed may register again at {ISSUER}/register (RFC 6749 section 5.2)"


@pytest.fixture(params=["memory", "sqlite"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    some = await world(tmp_path, sqlite=request.param == "sqlite")
    yield some
    await some.ports.store.close()


async def sent(server: World, kind: str, token: str | None = None, /, **fields: str) -> Reply:
    """One form at the registration endpoint."""
    body = "&".join(f"{name}={value}" for name, value in {"type": kind, **fields}.items())
    headers = {"content-type": "application/x-www-form-urlencoded", **({"authorization": f"Bearer {token}"} if token else {})}
    return await server.call("POST", "/register", body.encode(), headers)


async def associated(server: World, token: str | None = None, /, **fields: str) -> dict[str, Any]:
    """What a client gets that must come in."""
    reply = await sent(server, "client_associate", token, **{"redirect_url": CALLBACK, **fields})
    assert reply.status == 200, reply.body
    return reply.json


async def update(server: World, got: Mapping[str, Any], **fields: str) -> Reply:
    """An update with what the client got."""
    return await sent(server, "client_update", client_id=got["client_id"], client_secret=got["client_secret"], **fields)


async def updated(server: World, got: Mapping[str, Any], **fields: str) -> dict[str, Any]:
    """What a client gets whose update must succeed."""
    reply = await update(server, got, **fields)
    assert reply.status == 200, reply.body
    return reply.json


# ── Coming in ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("S2-01", "S2-20", "S2-21", "S2-22", "S2-24", "S2-25", "S2-27")
async def test_a_new_client_gets_identifier_secret_and_their_time_and_nothing_else(server: World) -> None:
    one, other = await associated(server), await associated(server)

    assert set(one) == {"client_id", "client_secret", "expires_in"}
    assert one["expires_in"] == 0
    assert one["client_id"] != other["client_id"]
    assert one["client_secret"] != other["client_secret"]


@meets("S2-39", "S2-12", "S2-22")
@pytest.mark.parametrize("kind, redirect", [("web", CALLBACK), ("native", "com.example.app:/cb")])
async def test_the_card_says_what_the_draft_takes_for_granted(server: World, kind: str, redirect: str) -> None:
    got = await associated(server, application_type=kind, redirect_url=redirect)

    row = await server.row(got)
    card = card_of(row)
    assert {name: card[name] for name in ("token_endpoint_auth_method", "grant_types", "response_types", "application_type")} == {
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "application_type": kind,
    }
    assert (row.door, row.tier, row.rat.issued_key, has_rat(row)) == (Door.SCR2011, Tier.ANONYMOUS, 0, False)


@meets("S2-12")
async def test_a_client_that_does_not_say_what_it_is_runs_on_the_web(server: World) -> None:
    assert card_of(await server.row(await associated(server)))["application_type"] == "web"
    assert (await sent(server, "client_associate", redirect_url=CALLBACK, application_type="desktop")).no == (
        400,
        "invalid_client_metadata",
    )


@meets("S2-39")
async def test_another_default_of_the_operator_gives_such_a_client_no_other_grants(server: World) -> None:
    with changed(server, default_grant_types=("authorization_code", "refresh_token")):
        got = await associated(server)

    assert card_of(await server.row(got))["grant_types"] == ["authorization_code"]


@meets("C-04", "S2-24")
async def test_the_time_is_what_is_left_of_one_stored_instant(server: World) -> None:
    with changed(server, secret_lifetime=3600):
        got = await associated(server)

    assert got["expires_in"] == 3600
    assert (await server.row(got)).secret_expires_at == START + 3600


@meets("C-04")
async def test_less_than_a_second_is_told_as_one_since_none_means_for_ever(server: World) -> None:
    def later() -> int:
        server.clock.forward(1)
        return server.clock.now

    ports = replace(server.ports, settings=replace(server.ports.settings, secret_lifetime=1), now=later)

    told = await answer(ports, Asked({"type": "client_associate", "redirect_url": CALLBACK}, None))

    assert told["expires_in"] == 1


@meets("S2-07")
@pytest.mark.parametrize("kind", ["", "client_delete", "CLIENT_ASSOCIATE", "client_associate%20"])
async def test_the_type_is_one_of_two(server: World, kind: str) -> None:
    reply = await sent(server, kind, redirect_url=CALLBACK)

    assert reply.no == (400, "invalid_request")
    assert reply.why == f"type: must be client_associate or client_update {SECTION}"


@meets("S2-08")
@pytest.mark.parametrize(
    "name, why",
    [
        ("client_id", f"client_id: goes with client_update; the server chooses it for a new client {SECTION}"),
        ("client_secret", f"client_secret: goes with client_update; the server chooses it for a new client {SECTION}"),
        ("access_token", "access_token: a token belongs into the Authorization header only (RFC 6750 section 2)"),
    ],
)
async def test_a_new_client_brings_no_credentials_in_its_form(server: World, name: str, why: str) -> None:
    before = await server.kept()

    reply = await sent(server, "client_associate", redirect_url=CALLBACK, **{name: "x"})

    assert (reply.no, reply.why) == ((400, "invalid_request"), why)
    assert await server.kept() == before


@meets("S2-37", "C-15", "S2-10", "S2-17")
@pytest.mark.parametrize(
    "fields, code, why",
    [
        ({"redirect_url": f"{CALLBACK},http://a.example/"}, "invalid_redirect_uri", "redirect_uris[1]: must begin with https://"),
        ({}, "invalid_redirect_uri", "redirect_uris: at least one is needed"),
        ({"redirect_url": CALLBACK, "contact": "a@example.com,nobody"}, "invalid_client_metadata", "contacts: is not an e-mail address"),
        (
            {"redirect_url": CALLBACK, "js_origin_url": "https://a.example/page"},
            "invalid_client_metadata",
            "js_origins[0]: must be an origin",
        ),
        ({"redirect_url": CALLBACK, "logo_url": "javascript:x"}, "invalid_client_metadata", "logo_uri: "),
        ({"redirect_url": CALLBACK, "redirect_uri": "https://b.example/"}, "invalid_request", "redirect_uri: another spelling"),
    ],
)
async def test_bad_values_are_refused_as_at_the_other_doors_and_leave_nothing(
    server: World, fields: dict[str, str], code: str, why: str
) -> None:
    before = await server.kept()

    reply = await sent(server, "client_associate", **fields)

    assert reply.no == (400, code)
    assert reply.why.startswith(why)
    assert await server.kept() == before


# ── Who may come in ──────────────────────────────────────────────────────────────────────────────────────────────────


@meets("S2-38", "C-05")
async def test_a_closed_door_is_closed_here_too(server: World) -> None:
    with changed(server, registration="closed"):
        assert (await sent(server, "client_associate", redirect_url=CALLBACK)).no == (403, "access_denied")
    with changed(server, registration="token"):
        alone = await sent(server, "client_associate")
        wrong = await sent(server, "client_associate", "cc_iat_guess", redirect_url=CALLBACK)
        invited = await associated(server, await server.invitation())

    assert (alone.no, wrong.no) == ((401, "invalid_token"), (401, "invalid_token"))
    assert (await server.row(invited)).tier is Tier.TOKEN


@meets("S2-38")
async def test_an_invitation_says_here_too_what_its_client_may_become_and_is_used_up(server: World) -> None:
    await server.resource(scope="orders:read")
    token = await server.invitation(scope="orders:read", hosts=("app.example",))

    elsewhere = await sent(server, "client_associate", token, redirect_url="https://evil.example/cb")
    got = await associated(server, token)
    again = await sent(server, "client_associate", token, redirect_url=CALLBACK)

    assert elsewhere.no == (400, "invalid_redirect_uri")
    assert card_of(await server.row(got))["scope"] == "orders:read"
    assert again.no == (401, "invalid_token")


@meets("S2-38")
async def test_these_clients_draw_on_the_budget_of_all_strangers(tmp_path: Path) -> None:
    server = await world(tmp_path, registration_rate=1, registration_burst=2)
    await server.register()
    got = await associated(server)

    reply = await sent(server, "client_associate", redirect_url=CALLBACK)

    assert reply.no == (429, "temporarily_unavailable")
    assert int(reply.headers["retry-after"]) > 0
    assert (await update(server, got)).status == 200


# ── The secret that is renewed ───────────────────────────────────────────────────────────────────────────────────────


@meets("S2-02", "S2-23", "S2-40", "C-13", "S2-27")
async def test_an_update_gives_a_new_secret_changes_nothing_else_and_ends_the_old_one_at_once(server: World) -> None:
    got = await associated(server, application_name="Old RP")
    before = await server.row(got)

    new = await updated(server, got)
    again = await update(server, got)

    after = await server.row(got)
    assert (new["client_id"], new["expires_in"]) == (got["client_id"], 0)
    assert new["client_secret"] != got["client_secret"]
    assert again.no == (401, "invalid_client")
    assert after == structs.replace(before, secret=after.secret)
    assert (await server.told("client_replaced"))[0]["body"] == {"changed": [], "secret": "renewed"}


@meets("S2-23", "S2-09")
async def test_only_the_newest_secret_of_a_long_line_is_good(server: World) -> None:
    line = [await associated(server)]
    for _ in range(4):
        line.append(await updated(server, line[-1]))

    refused = [(await update(server, got)).no for got in line[:-1]]

    assert len({got["client_secret"] for got in line}) == 5
    assert refused == [(401, "invalid_client")] * 4
    assert (await update(server, line[-1])).status == 200


@meets("C-13", "S2-24")
async def test_an_update_before_the_end_starts_the_time_anew(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_lifetime=3600)
    got = await associated(server)
    server.clock.forward(3599)

    new = await updated(server, got)

    assert new["expires_in"] == 3600
    server.clock.forward(3599)
    assert (await updated(server, new))["expires_in"] == 3600


@meets("S2-26")
async def test_what_is_not_renewed_in_time_ends_identifier_and_secret_together(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_lifetime=3600)
    got = await associated(server)
    server.clock.forward(3599)
    in_time = await server.call("GET", authorize_url(got))

    server.clock.forward(1)

    assert in_time.status == 200
    assert (await update(server, got)).no == (401, "invalid_client")
    assert (await server.token(got)).no == (401, "invalid_client")
    assert (await server.call("GET", authorize_url(got))).no == (400, "invalid_client")


async def test_the_end_of_a_secret_is_not_the_end_of_a_client_of_today(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_lifetime=3600)
    card = await server.register()
    server.clock.forward(3600)

    assert (await server.call("GET", authorize_url(card))).status == 200


async def test_of_updates_at_once_one_gets_the_secret(tmp_path: Path) -> None:
    here = await world(tmp_path, sqlite=True)
    there = await beside(here, tmp_path)
    got = await associated(here)

    replies = await asyncio.gather(*(update(side, got) for side in [here, there] * 5))

    good = [reply for reply in replies if reply.status == 200]
    assert sorted(reply.status for reply in replies) == [200] + [401] * 9
    assert (await update(there, good[0].json)).status == 200
    for side in (here, there):
        await side.ports.store.close()


# ── Who may renew it ─────────────────────────────────────────────────────────────────────────────────────────────────


@meets("S2-08", "S2-09", "C-15", "H-14", "S2-37")
async def test_failed_authentication_has_one_answer_for_every_cause(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_lifetime=3600)
    got, other = await associated(server), await associated(server, application_name="Other")
    gone, barred = await associated(server), await associated(server)
    today = await server.register(token_endpoint_auth_method="client_secret_post")
    await delete(server.ports, gone["client_id"], "op")
    await suspend(server.ports, barred["client_id"], "op")

    replies = [
        await sent(server, "client_update", client_id=client_id, client_secret=secret)
        for client_id, secret in [
            ("", ""),
            (got["client_id"], ""),
            ("", got["client_secret"]),
            ("nobody", got["client_secret"]),
            (got["client_id"], "guess"),
            (got["client_id"], other["client_secret"]),
            (gone["client_id"], gone["client_secret"]),
            (barred["client_id"], barred["client_secret"]),
            (today["client_id"], today["client_secret"]),
        ]
    ]

    assert {(reply.no, reply.why) for reply in replies} == {((401, "invalid_client"), FAILED)}
    assert (await update(server, got)).status == 200


@meets("M-50")
async def test_a_client_of_today_cannot_be_changed_with_its_secret_alone(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="client_secret_post")
    before = await server.row(card)

    reply = await update(server, card, application_name="Other")

    assert reply.no == (401, "invalid_client")
    assert await server.row(card) == before


@meets("S2-09")
async def test_an_update_proves_itself_in_the_body_alone(server: World) -> None:
    got = await associated(server)
    both = {"client_id": got["client_id"], "client_secret": got["client_secret"]}

    bearer = await sent(server, "client_update", await server.invitation(), **both)
    basic = await server.post_form("/register", {"type": "client_update"}, basic=(got["client_id"], got["client_secret"]))
    token = await update(server, got, access_token="x")

    assert bearer.no == (400, "invalid_request")
    assert bearer.why == f"Authorization: leave it out; client_update proves itself by client_id and client_secret in the body {SECTION}"
    assert basic.no == (401, "invalid_token")
    assert token.no == (400, "invalid_request")
    assert (await update(server, got)).status == 200


async def test_wrong_credentials_are_told_before_wrong_values(server: World) -> None:
    got = await associated(server)

    reply = await update(server, {**got, "client_secret": "guess"}, redirect_url="x", redirect_uri="y", access_token="z")

    assert reply.no == (401, "invalid_client")


async def test_a_closed_registration_leaves_those_who_are_in_their_update(server: World) -> None:
    got = await associated(server)

    with changed(server, registration="closed"):
        reply = await update(server, got, application_name="New")

    assert reply.status == 200


# ── What an update changes ───────────────────────────────────────────────────────────────────────────────────────────


@meets("S2-40", "S2-02")
async def test_what_an_update_names_is_replaced_and_all_else_stays(server: World) -> None:
    got = await associated(server, application_name="Old", contact="a@example.com", logo_url="https://app.example/a.png")
    before = card_of(await server.row(got))

    new = await updated(server, got, application_name="New", redirect_uri="https://b.example/cb", **{"application_name%23ja": "New"})

    after = card_of(await server.row(new))
    renamed = {"client_name": "New", "client_name#ja": "New", "redirect_uris": ["https://b.example/cb"]}
    assert after == {**before, **renamed}
    body = (await server.told("client_replaced"))[0]["body"]
    assert set(body["changed"]) == set(renamed)
    assert body["secret"] == "renewed"
    assert [line.startswith("logo_uri") for line in body["warnings"]] == [True]


async def test_what_has_no_value_changes_nothing(server: World) -> None:
    got = await associated(server, application_name="Old")

    await updated(server, got, application_name="", nonsense="1")

    assert card_of(await server.row(got))["client_name"] == "Old"


@meets("S2-37", "S2-38")
async def test_a_bad_change_is_refused_and_the_secret_stays_good(server: World) -> None:
    got = await associated(server)
    before = await server.kept()

    reply = await update(server, got, redirect_url="javascript:alert(1)")

    assert reply.no == (400, "invalid_redirect_uri")
    assert await server.kept() == before
    assert (await update(server, got)).status == 200


@meets("S2-38", "M-30")
async def test_a_change_is_judged_by_the_invitation_and_by_the_rules_of_today(server: World) -> None:
    await server.resource(scope="orders:read")
    got = await associated(server, await server.invitation(scope="orders:read", hosts=("app.example",)))

    elsewhere = await update(server, got, redirect_url="https://evil.example/cb")
    named = await updated(server, got, application_name="New")

    assert elsewhere.no == (400, "invalid_redirect_uri")
    assert card_of(await server.row(named))["scope"] == "orders:read"


@meets("S2-38")
async def test_what_the_rules_took_away_since_is_told_in_the_event(server: World) -> None:
    got = await associated(server)

    with changed(server, anonymous_scopes=("email",), default_scope="email"):
        await updated(server, got, application_name="New")

    body = (await server.told("client_replaced"))[0]["body"]
    assert set(body["changed"]) == {"client_name", "scope"}
    assert body["decision"] == [["scope", "openid", "email", "anonymous clients may have email"]]


@meets("S2-40")
async def test_an_update_that_says_nothing_is_not_judged_anew(server: World) -> None:
    got = await associated(server)
    before = await server.row(got)

    with changed(server, anonymous_scopes=("email",), default_scope="email"):
        await updated(server, got)

    assert (await server.row(got)).metadata == before.metadata


async def test_where_clients_may_not_change_they_may_still_renew_their_secret(server: World) -> None:
    got = await associated(server)

    with changed(server, self_update=False):
        refused = await update(server, got, application_name="New")
        renewed = await update(server, got)

    assert refused.no == (403, "access_denied")
    assert refused.why == f"client_update: changing metadata is not allowed to clients here; ask the operator {SECTION}"
    assert renewed.status == 200


async def test_unknown_parameters_are_refused_where_unknown_members_are(server: World) -> None:
    got = await associated(server, nonsense="1")

    with changed(server, unknown_members="refuse"):
        new = await sent(server, "client_associate", redirect_url=CALLBACK, nonsense="1")
        change = await update(server, got, nonsense="1")

    assert (new.no, change.no) == ((400, "invalid_client_metadata"), (400, "invalid_client_metadata"))


async def test_a_change_that_waits_for_approval_makes_the_client_wait(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    got = await associated(server)

    def held(door: Door, tier: Tier, before: object, card: dict[str, Any], rules: object) -> Decision:
        assert (door, tier, before) == (Door.SCR2011, Tier.ANONYMOUS, kept)
        return Decision(Outcome.HOLD, card, ())

    kept = card_of(await server.row(got))
    monkeypatch.setattr("calling_card.protocol.corridor.decide", held)
    new = await updated(server, got, application_name="New")

    assert (await server.row(got)).state is State.HELD
    assert (await update(server, new)).status == 200
    assert (await server.row(got)).state is State.HELD


@pytest.mark.parametrize("losses", [1, ATTEMPTS - 1, ATTEMPTS])
async def test_a_lost_race_is_run_again_a_few_times(tmp_path: Path, losses: int) -> None:
    store = ContendedStore(chain_key=b"k" * 32, writer=b"busy-one", now=lambda: START)
    server = await world(tmp_path, store)
    got = await associated(server)
    store.losses = losses

    reply = await update(server, got)

    if losses < ATTEMPTS:
        assert reply.status == 200
    else:
        assert reply.no == (503, "temporarily_unavailable")
        assert reply.headers["retry-after"] == "1"


# ── What the operator sees and does ──────────────────────────────────────────────────────────────────────────────────


@meets("S2-38", "A-86")
async def test_an_operator_sees_these_clients_like_all_others_with_their_door(server: World) -> None:
    got = await associated(server, application_name="Old RP")

    line = (await clients(server.ports, "", 9))[0]
    shown = await show(server.ports, got["client_id"])

    assert (line["client_name"], line["door"], line["created_by"], line["client_type"]) == ("Old RP", "scr2011", "scr2011", "confidential")
    assert (shown["door"], got["client_secret"] in str(shown)) == ("scr2011", False)
    assert (await server.told("client_registered"))[0]["body"] == {"client_id": got["client_id"], "door": "scr2011", "tier": 0}


@meets("M-50", "M-10", "C-14")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_nothing_manages_such_a_client_by_a_token(server: World, method: str) -> None:
    got = await associated(server)
    own, stranger = await server.row(got), await server.register()
    forged = [Handle(REGISTRATION_ACCESS_TOKEN, 1, owner(own), generation) for generation in (0, 1, 2)]
    tokens = ["x", got["client_secret"], stranger["registration_access_token"]]
    tokens += [write(server.ports.keyring, ISSUER, handle) for handle in forged]

    replies = [
        await server.call(
            method, f"/register/{got['client_id']}", b"{}", {"content-type": "application/json", "authorization": f"Bearer {token}"}
        )
        for token in tokens
    ]

    assert len({(reply.no, reply.why) for reply in replies}) == 1
    assert replies[0].no == (401, "invalid_token")
    assert await server.row(got) == own


@meets("M-50")
async def test_key_number_0_makes_no_token_and_carries_nothing(server: World) -> None:
    got = await associated(server)

    with pytest.raises(LookupError):
        write(server.ports.keyring, ISSUER, Handle(REGISTRATION_ACCESS_TOKEN, 0, owner(await server.row(got)), 1))
    assert await server.ports.store.generations_by_key() == {1: 1}
    assert [key["carries"] for key in (await keys(server.ports)).credentials] == [1]


@meets("M-50", "R-49")
async def test_what_a_client_said_as_one_of_today_binds_its_updates_too(server: World) -> None:
    got = await associated(server)
    card = dict((await rotate(server.ports, got["client_id"], "op", at_once=True)).information)
    server.strangers.serve("https://sector.example/list.json", f'["{CALLBACK}"]'.encode())
    card = await server.replaced((await server.read(card)).json, sector_identifier_uri="https://sector.example/list.json")
    before = await server.row(card)

    reply = await update(server, card, redirect_url="https://elsewhere.example/cb")

    assert reply.no == (400, "invalid_client_metadata")
    assert reply.why.startswith("sector_identifier_uri: its list lacks the redirect URI")
    assert await server.row(card) == before


@meets("M-50")
@pytest.mark.parametrize("at_once", [False, True])
async def test_an_operator_may_give_such_a_client_a_token_and_it_keeps_its_own_way_too(server: World, at_once: bool) -> None:
    got = await associated(server, application_name="Old RP")

    card = dict((await rotate(server.ports, got["client_id"], "op", at_once=at_once)).information)
    read = await server.read(card)
    put = await server.put(read.json, body_of(read.json, client_name="New RP"))

    assert (read.json["client_name"], put.json["client_name"]) == ("Old RP", "New RP")
    assert put.json["registration_access_token"] != card["registration_access_token"]
    renewed = await updated(server, {**got, "client_secret": put.json["client_secret"]})
    assert renewed["client_secret"] != put.json["client_secret"]
    assert (await server.remove(put.json)).status == 204
    assert (await update(server, renewed)).no == (401, "invalid_client")


@meets("M-50")
async def test_without_rfc_7592_a_rotation_gives_a_secret_and_no_token(tmp_path: Path) -> None:
    server = await world(tmp_path, management=False)
    got = await associated(server)

    card = (await rotate(server.ports, got["client_id"], "op", at_once=False)).information

    assert set(card) == {"client_id", "client_secret", "client_secret_expires_at", "client_id_issued_at"}
    assert (await update(server, got)).status == 200


async def test_a_refusal_is_raised_for_whoever_calls(server: World) -> None:
    with pytest.raises(Refusal, match="type: must be") as refused:
        await answer(server.ports, Asked({}, None))

    assert refused.value.no is No.INVALID_REQUEST
