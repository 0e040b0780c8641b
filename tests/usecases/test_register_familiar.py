"""Many say the same: what became of their words is worked out once, and never outlives what it was worked out by (decision 0019)."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calling_card.protocol.corridor import Familiar, Passed
from calling_card.web.app import App
from tests.ledger import meets
from tests.policies import HEAD, FixedPolicies, policy
from tests.statements import Directory, trusting
from tests.world import CALLBACK, START, World, world

WORDS: Mapping[str, Any] = {"redirect_uris": [CALLBACK], "client_name": "Tea", "contacts": ["tea@shop.example"]}
OWN = ("client_id", "client_secret", "registration_access_token", "registration_client_uri")
"""What every client has for itself."""


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


def remembered(server: World, words: Mapping[str, Any], **more: object) -> Passed | None:
    return server.ports.familiar.find(json.dumps({**words, **more}).encode(), (server.ports, server.ports.policies.current))


def shared(card: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in card.items() if name not in OWN}


@meets("R-01", "R-07")
@pytest.mark.parametrize("way", ["stored", "sealed"])
async def test_who_says_what_somebody_said_before_gets_the_same_card_and_credentials_of_its_own(tmp_path: Path, way: str) -> None:
    server = await world(tmp_path, open_registration=way)

    first, second, third = [await server.register(**WORDS) for _ in range(3)]

    assert remembered(server, WORDS) is not None
    assert shared(first) == shared(second) == shared(third)
    assert all(len({card[name] for card in (first, second, third)}) == 3 for name in OWN)
    assert (await server.read(first)).json["contacts"] == (await server.read(third)).json["contacts"] == ["tea@shop.example"]


async def test_each_of_them_is_told_of_and_says_what_was_changed(server: World) -> None:
    for _ in range(2):
        await server.register(**WORDS, scope="openid nonsense")

    first, second = [event["body"] for event in await server.told("client_registered")]
    assert first["client_id"] != second["client_id"]
    assert first["decision"] == second["decision"] == [["scope", "openid nonsense", "openid", first["decision"][0][3]]]


@meets("H-11")
async def test_familiar_words_cost_as_much_of_the_budgets(tmp_path: Path) -> None:
    server = await world(tmp_path, registration_rate=1, registration_burst=2)

    answers = [await server.tried(**WORDS) for _ in range(3)]

    assert [status for status, _ in answers] == [201, 201, 429]


async def test_what_is_refused_is_refused_each_time(server: World) -> None:
    first, second = [await server.refusal(**WORDS, logo_uri="javascript:alert(1)") for _ in range(2)]

    assert first == second
    assert remembered(server, WORDS, logo_uri="javascript:alert(1)") is None


@meets("A-87")
async def test_another_policy_judges_the_same_words_anew_at_once(server: World) -> None:
    changing = FixedPolicies(None)
    server.ports = replace(server.ports, policies=changing)
    server.app = App(server.ports)
    await server.register(**WORDS)

    changing.current = policy(
        HEAD + '[[rule]]\nname = "no tea"\nwhen = { application_type = ["web"] }\nthen = "refuse"\nwhy = "coffee only"\n'
    )
    refused = [await server.refusal(**WORDS) for _ in range(2)]
    changing.current = None

    assert refused == [("invalid_client_metadata", "application_type: coffee only (RFC 7591 section 5)")] * 2
    assert await server.register(**WORDS)


@meets("A-87")
async def test_a_rule_about_resource_servers_is_asked_each_time(server: World) -> None:
    words = {**WORDS, "scope": "openid"}
    rule = '[[rule]]\nname = "no orders"\nwhen = { resource = ["https://api.example"] }\nthen = "refuse"\nwhy = "no"\n'
    server.ports = replace(server.ports, policies=FixedPolicies(policy(HEAD + rule)))
    server.app = App(server.ports)

    await server.register(**words)

    assert remembered(server, words) is None


async def test_a_scope_that_a_resource_server_brought_counts_from_then_on(server: World) -> None:
    words = {**WORDS, "scope": "openid orders:read"}
    before = [(await server.register(**words))["scope"] for _ in range(2)]

    await server.resource()

    assert before == ["openid", "openid"]
    assert (await server.register(**words))["scope"] == "openid orders:read"


async def test_a_scheme_is_looked_up_each_time(server: World) -> None:
    words = {**WORDS, "redirect_uris": ["com.example.tea:/cb"], "application_type": "native", "token_endpoint_auth_method": "none"}
    await server.register(**words, software_id="tea")

    await server.register(**words, software_id="coffee")
    await server.register(**words, software_id="coffee")

    assert remembered(server, words, software_id="coffee") is None
    told = [str(event["body"]["warnings"]).count("scheme") for event in await server.told("client_registered")]
    assert told[0] < told[1] == told[2]


@meets("R-72")
async def test_a_statement_is_weighed_each_time(tmp_path: Path) -> None:
    server = await trusting(tmp_path)
    said = {**WORDS, "software_statement": Directory().states(exp=START + 60)}
    await server.register(**said)

    server.clock.now += 3600

    assert (await server.refusal(**said))[0] == "invalid_software_statement"
    assert remembered(server, said) is None


async def test_who_is_invited_is_judged_by_the_invitation_not_by_what_strangers_get(server: World) -> None:
    words = {**WORDS, "scope": "openid profile"}
    await server.register(**words)
    assert remembered(server, words) is not None

    invited = await server.register(await server.invitation(scope="profile"), **words)

    assert invited["scope"] == "profile"


async def test_a_closed_door_is_closed_to_familiar_words(server: World) -> None:
    await server.register(**WORDS)
    shut = replace(server.ports, settings=replace(server.ports.settings, registration="closed"))
    server.ports, server.app = shut, App(shut)

    status, body = await server.tried(**WORDS)

    assert (status, body["error"]) == (403, "access_denied")


@pytest.fixture
def passed() -> Passed:
    return Passed({}, b"", (), held=False)


def test_what_is_remembered_has_an_end_and_the_oldest_goes_first(passed: Passed) -> None:
    familiar, judges = Familiar(), (object(),)

    for number in range(Familiar.MOST + 1):
        familiar.remember(b"%d" % number, judges, passed)

    assert familiar.find(b"0", judges) is None
    assert all(familiar.find(b"%d" % number, judges) is passed for number in range(1, Familiar.MOST + 1))


def test_saying_it_again_makes_it_the_newest(passed: Passed) -> None:
    familiar, judges = Familiar(), (object(),)
    for number in (*range(Familiar.MOST), 0, Familiar.MOST):
        familiar.remember(b"%d" % number, judges, passed)

    assert familiar.find(b"0", judges) is passed
    assert familiar.find(b"1", judges) is None


def test_long_words_are_not_remembered(passed: Passed) -> None:
    familiar, judges = Familiar(), (object(),)

    familiar.remember(b"x" * Familiar.LONGEST, judges, passed)
    familiar.remember(b"x" * (Familiar.LONGEST + 1), judges, passed)

    assert familiar.find(b"x" * Familiar.LONGEST, judges) is passed
    assert familiar.find(b"x" * (Familiar.LONGEST + 1), judges) is None


def test_words_that_others_judged_are_unknown_though_these_are_equal(passed: Passed) -> None:
    familiar, one, other = Familiar(), (["rules"],), (["rules"],)
    familiar.remember(b"x", one, passed)

    assert one == other
    assert familiar.find(b"x", other) is None
