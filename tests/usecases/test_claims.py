"""A scheme that other software has, and software of which there is one (RFC 7591 §5; R-37, R-88)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from calling_card.protocol.policy.claims import Claim
from tests.addresses import publish, visitor
from tests.ledger import meets
from tests.policies import under
from tests.usecases.test_associate import associated, update
from tests.visitor import Page
from tests.world import World, beside, body_of, world

NATIVE = {"application_type": "native", "token_endpoint_auth_method": "none"}
TEA = {**NATIVE, "redirect_uris": ["com.example.tea:/cb"], "software_id": "tea", "software_version": "1"}
POLICY = 'version = 1\nname = "ours"\n[[software]]\nid = "tea"\nsingle_instance = true\n'


@pytest.fixture(params=["memory", "sqlite"])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return await world(tmp_path, sqlite=request.param == "sqlite")


async def governed(folder: Path, *, sqlite: bool = True, **settings: object) -> World:
    folder.mkdir(exist_ok=True)
    (folder / "policy.toml").write_text(POLICY, encoding="utf-8")
    return await world(folder, sqlite=sqlite, policy_file=str(folder / "policy.toml"), **settings)


async def warnings(server: World, kind: str = "client_registered") -> list[str]:
    """What the newest event of this kind warns of as other software's."""
    body: dict[str, Any] = (await server.told(kind))[-1]["body"]
    return [warning for warning in body.get("warnings", ()) if "other software" in warning]


@meets("R-37")
async def test_a_scheme_that_other_software_has_is_warned_of(server: World) -> None:
    await server.register(**TEA)

    await server.register(**{**TEA, "software_id": "cocoa", "redirect_uris": ["https://cocoa.example/cb", "com.example.tea:/other"]})

    assert await warnings(server) == ["redirect_uris: the scheme com.example.tea is that of other software too (RFC 7591 section 5)"]


@meets("R-37")
@pytest.mark.parametrize(
    "other", [TEA, {**TEA, "software_version": "2"}, {**TEA, "software_id": "cocoa", "redirect_uris": ["com.example.cocoa:/cb"]}]
)
async def test_the_same_software_and_another_scheme_are_nobodys_business(server: World, other: dict[str, Any]) -> None:
    await server.register(**TEA)

    await server.register(**other)

    assert await warnings(server) == []


@meets("R-37")
async def test_where_the_operator_wants_it_a_scheme_belongs_to_one_software(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True, scheme_claims="refuse")
    tea = await server.register(**TEA)
    other = await server.register(**NATIVE, software_id="cocoa")

    refused = await server.refusal(**{**TEA, "software_id": "cocoa"})
    changed = await server.replace(other, redirect_uris=["com.example.tea:/cb"])

    assert refused == ("invalid_redirect_uri", changed.why)
    assert changed.no == (400, "invalid_redirect_uri")
    assert (await server.replace(tea, client_name="Tea", software_id="darjeeling")).status == 200


@meets("R-37")
async def test_a_scheme_is_free_again_when_its_client_is_gone_and_where_nobody_asks(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True, scheme_claims="refuse")
    tea = await server.register(**TEA)
    await server.remove(tea)
    await server.register(**{**TEA, "software_id": "cocoa"})

    heedless = await world(tmp_path / "heedless", scheme_claims="off")
    await heedless.register(**TEA)
    await heedless.register(**{**TEA, "software_id": "cocoa"})

    assert await warnings(heedless) == []


@meets("R-88")
@pytest.mark.parametrize("sqlite", [False, True])
async def test_of_software_that_lives_once_a_second_one_is_refused_until_the_first_is_gone(tmp_path: Path, sqlite: bool) -> None:
    server = await governed(tmp_path, sqlite=sqlite)
    first = await server.register(**TEA)
    await server.register(**{**TEA, "software_version": "2"})

    code, why = await server.refusal(**TEA)

    assert (code, why) == (
        "invalid_client_metadata",
        "software_id: a client of this software and version lives, and the operator allows one (RFC 7591 section 5)",
    )
    assert (await server.replace(first, client_name="Tea")).status == 200
    await server.remove(first)
    await server.register(**TEA)


@meets("R-88", "X-35")
async def test_nobody_becomes_that_software_by_a_replacement_or_a_document(tmp_path: Path) -> None:
    server = await governed(tmp_path)
    await server.register(**TEA)
    other = await server.register(**{**TEA, "software_id": "cocoa"})
    alice = await visitor(server)

    changed = await server.put(other, body_of(other, software_id="tea"))
    read = await alice.authorize(publish(server, software_id="tea", software_version="1"))

    assert changed.no == (400, "invalid_client_metadata")
    assert read.status == 400


@meets("R-88")
@pytest.mark.parametrize("sealed", ["stored", "sealed"])
async def test_of_sixteen_at_once_at_two_servers_one_comes_in(tmp_path: Path, sealed: str) -> None:
    server = await governed(tmp_path, open_registration=sealed)
    second = await beside(server, tmp_path)

    replies = await asyncio.gather(*(one.post_json("/register", TEA) for one in [server, second] * 8))

    assert sorted(reply.status for reply in replies) == [201] + [400] * 15


async def test_claims_are_looked_up_by_software_and_by_each_of_three_schemes(server: World) -> None:
    card = await server.register(**NATIVE, software_id="tea", redirect_uris=["com.a:/1", "https://app.example/cb", "com.c:/2"])

    found = [
        [client.client_id for client in await server.ports.store.claiming(claim, value, 5)]
        for claim, value in ((Claim.SOFTWARE, "tea"), (Claim.SCHEME, "com.a"), (Claim.SCHEME, "com.c"), (Claim.SCHEME, "https"))
    ]

    assert found == [[card["client_id"]]] * 3 + [[]]


@meets("A-87", "X-33")
@pytest.mark.parametrize("sqlite", [False, True])
async def test_of_a_tier_there_are_as_many_clients_as_the_policy_lets_there_be(tmp_path: Path, sqlite: bool) -> None:
    server = await world(tmp_path, sqlite=sqlite)
    with under(server, "[ceiling.anonymous]\nclients = 3\n[ceiling.url]\nclients = 1\n"):
        cards = [await server.register() for _ in range(3)]

        full = await server.post_json("/register", {"redirect_uris": ["https://app.example/cb"]})
        invited = await server.register(await server.invitation())
        await server.remove(cards[0])
        server.clock.forward(11)
        await server.register()

    assert full.no == (503, "temporarily_unavailable")
    assert (full.why, full.headers["retry-after"]) == (
        "there are as many clients of this kind as the operator lets there be; ask the operator, or try again later",
        "600",
    )
    assert invited["client_id"]


@meets("A-87")
async def test_a_url_that_was_never_seen_needs_a_place_too(tmp_path: Path) -> None:
    server = await world(tmp_path)
    alice = await visitor(server)
    with under(server, "[ceiling.url]\nclients = 1\n"):
        first = await alice.authorize(publish(server))
        second = await alice.authorize(publish(server, "https://other.example/client.json"))

    assert (first.status, second.status) == (200, 503)


@meets("A-87")
async def test_a_sealed_client_needs_a_place_for_its_row(tmp_path: Path) -> None:
    server = await world(tmp_path, open_registration="sealed")
    cards = [await server.register(), await server.register()]
    with under(server, "[ceiling.anonymous]\nclients = 1\n"):
        replies = [await server.replace(card, client_name="Kept") for card in cards]

    assert [reply.status for reply in replies] == [200, 503]


@meets("A-87")
async def test_where_the_policy_says_always_no_yes_is_remembered(tmp_path: Path) -> None:
    server = await world(tmp_path)
    alice = await visitor(server)
    card = await server.register()
    await alice.decide(await alice.sign_in(await alice.authorize(card)), remember="yes")
    assert "allow" not in Page((await alice.authorize(card)).body).ids

    with under(server, '[ceiling.anonymous]\nconsent = "always"\n'):
        asked = Page((await alice.authorize(card)).body).ids

    assert "allow" in asked


@meets("R-37", "X-35")
async def test_a_client_of_2011_takes_no_scheme_either(tmp_path: Path) -> None:
    server = await world(tmp_path, scheme_claims="refuse")
    await server.register(**TEA)
    got = await associated(server, application_type="native", redirect_url="com.example.cocoa:/cb")

    refused = await update(server, got, redirect_url="com.example.tea:/cb")

    assert refused.no == (400, "invalid_redirect_uri")
    assert refused.why == "redirect_uris: the scheme com.example.tea is that of other software too (RFC 7591 section 5)"
