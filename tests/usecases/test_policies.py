"""What a policy would do: explained for one request or client, tried on all clients, and rehearsed by who registers (A-87)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calling_card.protocol.clients import JSON, Card, Door, Tier
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.policy import Outcome
from calling_card.usecases import policies
from calling_card.usecases.approve import Verdict, approve
from calling_card.usecases.clients import Asking, find
from calling_card.usecases.policies import Asked, Explained, Fate, Report, diff, explain, explain_client
from tests.addresses import HOST, URL, discoverable, document, publish
from tests.ledger import meets
from tests.policies import policy, under
from tests.statements import Directory, trusting, written
from tests.statements import Software as Made
from tests.usecases.guests import by_its_clock
from tests.world import CALLBACK, World, body_of, changed, world

EVIL = "https://login.evil.example/cb"
SAID: Card = {"redirect_uris": [CALLBACK], "scope": "openid email"}
NO_EVIL = '[[rule]]\nname = "no evil"\nwhen = { redirect_host = ["*.evil.example"] }\nthen = "refuse"\nwhy = "not from there"\n'
WAIT = '[[rule]]\nname = "wait"\nwhen = { redirect_host = ["*.evil.example"] }\nthen = "hold"\n'
LESS = '[[rule]]\nname = "less"\nthen = { narrow = { scope = ["openid"] } }\n'


@pytest.fixture(params=["memory", "sqlite"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    some = await world(tmp_path, sqlite=request.param == "sqlite", registration_rate=0)
    yield some
    await some.ports.store.close()


def anonymous(**members: JSON) -> Asked:
    return Asked({**SAID, **members}, Door.RFC7591, Tier.ANONYMOUS)


def told(found: Explained) -> list[tuple[str, str]]:
    """Which place did what."""
    return [(step.by, step.does) for step in found.steps]


# ── Explained ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-87")
async def test_every_place_that_met_a_request_is_told_in_order_with_what_it_did(server: World) -> None:
    text = (
        '[ceiling.anonymous]\nscopes = ["openid", "email"]\n'
        '[[software]]\nid = "tea-1"\nredirect_hosts = ["tea.example"]\nthen = "hold"\n'
        '[[rule]]\nname = "of others"\nwhen = { tier = ["token"] }\nthen = "refuse"\n'
        + LESS
        + '[[rule]]\nname = "ours"\nwhen = { redirect_host = ["app.example"] }\nthen = "allow"\n'
        + '[[rule]]\nname = "else"\nthen = "refuse"\n'
    )
    asked = anonymous(scope="openid email profile unheard", software_id="tea-1")

    with under(server, text):
        found = await explain(server.ports, asked)

    assert found.outcome is Outcome.HOLD
    assert told(found) == [
        ("metadata", "narrow"),
        ("ceiling", "narrow"),
        ("rule 2 (less)", "narrow"),
        ("software tea-1", "hold"),
        ("rule 2 (less)", "allow"),
        ("rule 3 (ours)", "allow"),
    ]
    assert [step.why for step in found.steps][4:] == [
        "is about it, and finds nothing to change",
        "lets it through; no further rule is asked",
    ]
    assert (found.card["scope"], found.refusals) == ("openid", ())


@meets("A-87")
async def test_what_is_explained_is_what_registration_does(server: World) -> None:
    with under(server, NO_EVIL + LESS):
        for redirect in (CALLBACK, EVIL):
            found = await explain(server.ports, anonymous(redirect_uris=[redirect]))
            status, body = await server.tried(redirect_uris=[redirect], scope="openid email")

            assert [one.description for one in found.refusals] == ([] if status == 201 else [body["error_description"]])
            assert {name: body.get(name) for name in found.card} == found.card


async def test_a_refused_request_leaves_no_card_and_says_every_reason(server: World) -> None:
    with under(server, NO_EVIL):
        found = await explain(server.ports, anonymous(redirect_uris=[EVIL]))

    shown = found.shown()
    assert (shown["outcome"], shown["card"]) == ("refuse", {})
    assert shown["refusals"] == [
        {"error": "invalid_redirect_uri", "error_description": "redirect_uris: not from there (RFC 7591 section 5)"},
    ]
    assert found.policy.startswith("test@")


async def test_what_the_vocabulary_refuses_met_no_policy(server: World) -> None:
    found = await explain(server.ports, anonymous(redirect_uris=["javascript:x"]))

    assert (found.outcome, {step.by for step in found.steps}, found.policy) == (Outcome.REFUSE, {"metadata"}, "")


async def test_what_the_vocabulary_changes_narrows_too(server: World) -> None:
    same = await explain(server.ports, anonymous())
    less = await explain(server.ports, anonymous(scope="openid unheard"))

    assert (same.outcome, less.outcome, less.card["scope"]) == (Outcome.ALLOW, Outcome.NARROW, "openid")


async def test_the_setting_that_holds_a_tier_is_named(tmp_path: Path) -> None:
    server = await world(tmp_path, hold=("anonymous",))

    found = await explain(server.ports, anonymous())

    assert (found.outcome, told(found)) == (Outcome.HOLD, [("setting hold", "hold")])


@meets("A-87")
async def test_an_invitation_counts_as_it_would_with_its_token(server: World) -> None:
    await server.invitation(scope="openid", grants=("client_credentials",))
    (row,) = await server.ports.store.invitations(b"", 10)
    said: Card = {"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "openid email"}

    found = await explain(server.ports, Asked(said, Door.RFC7591, Tier.TOKEN, row.id.hex()))

    assert (found.outcome, found.card["scope"], found.card["grant_types"]) == (Outcome.NARROW, "openid", ["client_credentials"])
    assert (await server.ports.store.invitations(b"", 10))[0].uses_left == 1


@pytest.mark.parametrize("invitation", ["00" * 16, "nonsense"])
async def test_an_invitation_that_nobody_made_is_told(server: World, invitation: str) -> None:
    with pytest.raises(Refusal) as refused:
        await explain(server.ports, Asked(SAID, Door.RFC7591, Tier.TOKEN, invitation))

    assert (refused.value.no, refused.value.description) == (No.NOT_FOUND, f"there is no initial access token {invitation}")


@meets("A-87")
async def test_a_statement_counts_without_its_signature(tmp_path: Path) -> None:
    server, directory = await trusting(tmp_path), Directory()
    said: Card = {**SAID, "client_name": "Fake", "software_statement": directory.states()}

    found = await explain(server.ports, Asked(said, Door.RFC7591, Tier.VOUCHED))
    with pytest.raises(Refusal) as without:
        await explain(server.ports, Asked(SAID, Door.RFC7591, Tier.VOUCHED))

    assert found.card["client_name"] == "Official Tea"
    assert without.value.no is No.INVALID_SOFTWARE_STATEMENT


@meets("A-87")
@pytest.mark.parametrize("door, url", [(Door.CIMD, URL), (Door.LOOKER, HOST)])
async def test_a_document_is_explained_before_anybody_publishes_it(server: World, door: Door, url: str) -> None:
    said: Any = document(url, redirect_uris=[EVIL])

    with under(server, WAIT):
        found = await explain(server.ports, Asked(said, door, Tier.URL))
    with pytest.raises(Refusal) as unnamed:
        await explain(server.ports, Asked({**said, "client_id": 5}, door, Tier.URL))

    assert (found.outcome, told(found)) == (Outcome.HOLD, [("rule 1 (wait)", "hold")])
    assert unnamed.value.description.startswith("client_")
    assert server.strangers.asked == []


@meets("A-87")
async def test_a_living_client_is_judged_as_it_stands(server: World) -> None:
    card = await server.register(scope="openid email")
    discoverable(server)
    await find(server.ports, Asking(HOST, discovery=True))

    with under(server, LESS + '[[rule]]\nname = "frozen"\nwhen = { change = ["update"], tier = ["url"] }\nthen = "refuse"\n'):
        registered = await explain_client(server.ports, card["client_id"])
        discovered = await explain_client(server.ports, HOST, discovery=True)
        row = await server.row(card)

    assert (registered.outcome, registered.card["scope"]) == (Outcome.NARROW, "openid")
    assert (discovered.outcome, discovered.door, discovered.tier) == (Outcome.REFUSE, Door.LOOKER, Tier.URL)
    assert b"email" in row.metadata


async def test_nobody_and_what_the_operator_made_are_told(server: World) -> None:
    await server.resource()
    (own_client,) = await server.ports.store.clients("", 10)

    with pytest.raises(Refusal) as nobody:
        await explain_client(server.ports, "nobody")
    with pytest.raises(Refusal) as own:
        await explain_client(server.ports, own_client.client_id)

    assert nobody.value.no is No.NOT_FOUND
    assert own.value.description == f"{own_client.client_id} was made by the operator, and no policy judges it"


# ── On everybody ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def reported(server: World, text: str | None) -> Report:
    """What is reported at the end."""
    return [report async for report in diff(server.ports, None if text is None else policy(text))][-1]


def counts(report: Report) -> dict[str, int]:
    return {fate.value: found.count for fate, found in report.found.items() if found.count}


@meets("A-87")
async def test_a_new_policy_is_tried_on_every_client_and_changes_none(server: World) -> None:
    plain = await server.register(scope="openid")
    wide = await server.register(scope="openid email")
    evil = await server.register(redirect_uris=[EVIL], scope="openid")
    odd = await server.register(software_id="odd", scope="openid")
    await server.resource()
    publish(server, scope="openid")
    await find(server.ports, Asking(URL))
    before = await server.kept()

    report = await reported(server, WAIT + LESS + '[[rule]]\nname = "odd"\nwhen = { software_id = ["odd"] }\nthen = "refuse"\n')

    assert report.seen == 6
    assert counts(report) == {"unchanged": 3, "narrowed": 1, "held": 1, "refused": 1}
    assert [report.found[fate].samples for fate in (Fate.NARROWED, Fate.HELD, Fate.REFUSED)] == [
        [(wide["client_id"], "less: the policy of this server takes it from such clients")],
        [(evil["client_id"], "wait: such clients wait until the operator of this server has approved them")],
        [(odd["client_id"], "software_id: the policy of this server refuses such clients (RFC 7591 section 5)")],
    ]
    assert report.shown()["clients"] == 6
    assert report.found[Fate.UNCHANGED].samples == []
    assert await server.kept() == before
    assert plain["client_id"]


@meets("A-87")
async def test_what_the_old_policy_forbade_already_is_no_news(server: World) -> None:
    await server.register(redirect_uris=[EVIL])
    with under(server, NO_EVIL):
        same = await reported(server, NO_EVIL + LESS)
        eased = await reported(server, None)
    with under(server, WAIT):
        waiting = await reported(server, WAIT)
        freed = await reported(server, LESS)

    assert (counts(same), counts(eased)) == ({"unchanged": 1}, {"eased": 1})
    assert (counts(waiting), counts(freed)) == ({"unchanged": 1}, {"eased": 1})


@meets("A-87")
async def test_who_was_approved_with_a_statement_does_not_wait_again(tmp_path: Path) -> None:
    server, directory = by_its_clock(await trusting(tmp_path, hold=("vouched",))), Directory()
    card = await server.register(software_statement=directory.states(), redirect_uris=[EVIL])
    await approve(server.ports, Verdict(card["client_id"], "olga"))

    approved = await reported(server, WAIT)
    with changed(server, hold=()):
        again = await reported(server, WAIT)

    assert (counts(approved), counts(again)) == ({"unchanged": 1}, {"unchanged": 1})


async def test_whose_statement_says_nothing_good_any_more_is_judged_by_no_policy(tmp_path: Path) -> None:
    server, directory = await trusting(tmp_path), Directory()
    await server.register(software_statement=directory.states(client_uri=EVIL))
    locked = await trusting(tmp_path / "other", written(values={"client_name": ["Coffee"]}))
    server.ports = replace(server.ports, issuers=locked.ports.issuers)

    assert counts(await reported(server, NO_EVIL)) == {"unchanged": 1}


async def test_of_many_only_some_are_named(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "PAGE", 2)
    for _ in range(policies.SAMPLES + 2):
        await server.register(redirect_uris=[EVIL])

    steps = [report.seen async for report in diff(server.ports, policy(NO_EVIL))]
    report = await reported(server, NO_EVIL)

    assert len(steps) == 5
    assert (report.found[Fate.REFUSED].count, len(report.found[Fate.REFUSED].samples)) == (7, 5)


async def test_a_policy_that_is_tried_is_never_another_one(server: World) -> None:
    tried = policies.proposing(server.ports, policy(NO_EVIL)).policies

    assert await tried.look(anyway=True) is None
    assert tried.current == policy(NO_EVIL)


def test_every_door_has_its_tiers() -> None:
    assert set(policies.TIERS) == set(Door) - {Door.ADMIN}
    assert {tier for tiers in policies.TIERS.values() for tier in tiers} == set(Tier) - {Tier.ADMIN}
    assert set(policies.MEANINGS) == set(Fate)


# ── Rehearsed ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-87")
async def test_a_rehearsal_answers_with_the_card_in_force_and_the_reasons_and_spends_nothing(server: World) -> None:
    token = await server.invitation()
    before = await server.kept()
    said = {**SAID, "scope": "openid email unheard"}

    with under(server, LESS):
        label = server.ports.policies.current.label if server.ports.policies.current else ""
        first, second = [await server.post_json("/register?dry_run=true", said, token) for _ in range(2)]
        real = await server.register(token, **said)

    assert (first.status, first.body) == (200, second.body)
    assert await server.kept() != before
    answer = first.json
    decision = answer.pop("decision")
    assert {name: real[name] for name in answer} == answer
    assert not {name for name in answer if name.startswith(("client_id", "client_secret", "registration_"))}
    assert [row["member"] for row in decision] == ["scope", "scope"]
    assert decision[1] == {
        "member": "scope",
        "was": "openid email",
        "now": "openid",
        "why": "the policy of this server takes it from such clients",
        "rule": f"{label}: less",
    }


@meets("A-87")
async def test_a_rehearsal_writes_nothing(server: World) -> None:
    token = await server.invitation()
    before = await server.kept()

    good = await server.post_json("/register?dry_run=true", SAID, token)
    bad = await server.post_json("/register?dry_run=true", {**SAID, "redirect_uris": ["javascript:x"]}, token)

    assert (good.status, good.json["decision"], bad.no) == (200, [], (400, "invalid_redirect_uri"))
    assert await server.kept() == before


async def test_who_would_wait_learns_it_from_a_rehearsal(server: World) -> None:
    with under(server, WAIT):
        reply = await server.post_json("/register?dry_run=true", {"redirect_uris": [EVIL]}, await server.invitation())

    assert (reply.status, reply.json["registration_state"]) == (200, "held")


@meets("A-87")
async def test_a_caller_without_a_credential_is_told_the_way_out(server: World) -> None:
    reply = await server.post_json("/register?dry_run=true", SAID)
    odd = await server.post_json("/register?dry_run=perhaps", SAID)
    real = await server.post_json("/register?dry_run=false", SAID)

    assert reply.no == (401, "invalid_token")
    assert reply.why == (
        "dry_run: is for callers with an initial access token or a software statement; without them, register and delete the client "
        "(RFC 7591 section 3)"
    )
    assert (odd.no, odd.why) == ((400, "invalid_request"), "dry_run: must be true or false")
    assert real.status == 201


async def test_a_bad_token_is_none_at_a_rehearsal_either(server: World) -> None:
    reply = await server.post_json("/register?dry_run=true", SAID, "nonsense")

    assert reply.no == (401, "invalid_token")


@meets("A-87")
async def test_a_statement_is_a_credential_and_is_not_spent(tmp_path: Path) -> None:
    server, directory = by_its_clock(await trusting(tmp_path, written(once=True))), Directory()
    body = {"redirect_uris": [CALLBACK], "software_statement": directory.states(exp=server.clock() + 600)}

    rehearsed = [await server.post_json("/register?dry_run=true", body) for _ in range(2)]
    real = await server.post_json("/register", body)

    assert [reply.status for reply in (*rehearsed, real)] == [200, 200, 201]
    assert rehearsed[0].json["client_name"] == "Official Tea"


@meets("A-87")
async def test_a_signed_request_can_be_rehearsed(tmp_path: Path) -> None:
    server = by_its_clock(await trusting(tmp_path, written(signed_requests=True), signed_registration=True))
    software = Made(server)
    request = software.signs(Directory().states(jwks=software.key.jwks))

    reply = await server.call("POST", "/register?dry_run=true", request.encode(), {"content-type": "application/jwt"})

    assert (reply.status, (await software.sends(request)).status) == (200, 201)


@meets("A-87")
async def test_a_replacement_can_be_rehearsed_with_the_token_of_the_registration(server: World) -> None:
    card = await server.register(scope="openid")
    before = await server.kept()
    rehearsed = {**card, "registration_client_uri": card["registration_client_uri"] + "?dry_run=true"}

    with under(server, LESS + WAIT):
        good = await server.put(rehearsed, body_of(card, scope="openid email", redirect_uris=[EVIL]))
        bad = await server.put(rehearsed, body_of(card, redirect_uris=["javascript:x"]))
        other = await server.put(rehearsed, body_of(card), "nonsense")

    assert (good.status, good.json["scope"], good.json["registration_state"]) == (200, "openid", "held")
    assert [row["member"] for row in good.json["decision"]] == ["scope", "redirect_uris"]
    assert "client_secret" not in good.json
    assert (bad.no, other.no) == ((400, "invalid_redirect_uri"), (401, "invalid_token"))
    assert await server.kept() == before


async def test_a_token_that_is_over_rehearses_nothing(server: World) -> None:
    card = await server.register()
    newer = await server.replaced(card, client_name="New")
    await server.replaced(newer, client_name="Newer")
    rehearsed = {**card, "registration_client_uri": card["registration_client_uri"] + "?dry_run=true"}

    reply = await server.put(rehearsed, body_of(card))

    assert reply.no == (401, "invalid_token")


async def test_a_replacement_of_a_vouched_client_is_rehearsed_with_its_statement(tmp_path: Path) -> None:
    server, directory = by_its_clock(await trusting(tmp_path)), Directory()
    card = await server.register(software_statement=directory.states())
    rehearsed = {**card, "registration_client_uri": card["registration_client_uri"] + "?dry_run=true"}

    reply = await server.put(rehearsed, body_of(card, client_name="Fake"))

    assert (reply.status, reply.json["client_name"]) == (200, "Official Tea")
