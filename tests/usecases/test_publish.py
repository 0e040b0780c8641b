"""What developers do with documents: one lies here while they develop, is taken back, is checked anywhere (D-52, S4-57)."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from calling_card.protocol.abroad.fetching import Why
from calling_card.protocol.clients import Route, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.usecases.operate import resolve, show
from calling_card.usecases.publish import check, drop, host, hosted
from tests.addresses import HOST, URL, WELL_KNOWN, asked, discoverable, document, publish, visitor
from tests.ledger import meets
from tests.visitor import Browser, answer_of, exchange
from tests.world import ISSUER, START, World, changed, world

DAY = 86400
BODY = json.dumps(document("", client_id=None)).encode()


@pytest.fixture(params=["memory", "sqlite"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    some = await world(tmp_path, sqlite=request.param == "sqlite")
    yield some
    await some.ports.store.close()


# Hosting ------------------------------------------------------------------------------------------------------------------------------


@meets("D-52")
async def test_a_hosted_document_gets_its_url_as_client_id_and_its_client_comes_without_a_fetch(server: World) -> None:
    made = await host(server.ports, BODY, DAY, "olga")

    assert made.client_id.startswith(ISSUER + "/client-documents/")
    assert made.expires_at == START + DAY
    card = {"client_id": made.client_id}
    browser = await visitor(server)
    answer = answer_of(await browser.decide(await asked(browser, card)))
    assert (await exchange(server, card, answer["code"])).status == 200
    assert server.strangers.asked == []
    assert (await show(server.ports, made.client_id))["route"] == "cimd"


@meets("D-52", "D-21")
@pytest.mark.parametrize("said", [None, URL, 7])
async def test_whatever_client_id_a_file_names_it_is_served_with_its_own_url_in_front(server: World, said: object) -> None:
    made = await host(server.ports, json.dumps(document("", client_id=said)).encode(), DAY, "olga")

    served = await hosted(server.ports, made.client_id.rpartition("/")[2])
    assert served.startswith(b'{"client_id":"' + made.client_id.encode())
    assert json.loads(served) == document("", client_id=made.client_id)


async def test_two_documents_have_two_urls_that_nobody_guesses(server: World) -> None:
    first, second = [(await host(server.ports, BODY, DAY, "olga")).client_id for _ in range(2)]

    assert first != second
    assert len(first.rpartition("/")[2]) == 22


@meets("D-52")
async def test_a_hosted_document_expires_and_nobody_new_comes_by_it(server: World) -> None:
    made = await host(server.ports, BODY, 60, "olga")
    server.clock.forward(60)

    with pytest.raises(Refusal, match="none any more") as caught:
        await hosted(server.ports, made.client_id.rpartition("/")[2])

    assert caught.value.no is No.NOT_FOUND
    browser = Browser(server, headers={"accept": "application/json"})
    assert (await browser.authorize({"client_id": made.client_id})).no == (400, "invalid_client")
    assert await server.ports.store.client(client_key(Route.CIMD, made.client_id)) is None


BAD: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"client_name = Notes", "the document is not valid JSON"),
    "no object": (b"[]", "the document must be one JSON object"),
    "a member twice": (b'{"client_name":"a","client_name":"b"}', "the document"),
    "no redirect URIs": (b"{}", "redirect_uris: must be an array"),
    "a secret": (json.dumps(document("", client_secret="s")).encode(), "client_secret: must not be published"),
    "a shared secret": (json.dumps(document("", token_endpoint_auth_method="client_secret_basic")).encode(), "shared secret"),
    "a bad redirect URI": (json.dumps(document("", redirect_uris=["javascript:alert(1)"])).encode(), "redirect_uris"),
    "too large": (json.dumps(document("", client_name="a" * 5000)).encode(), "5120 are taken"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_document_that_no_client_could_come_by_is_not_hosted(server: World, case: str) -> None:
    body, problem = BAD[case]
    before = await server.kept()

    with pytest.raises(Refusal, match=problem) as caught:
        await host(server.ports, body, DAY, "olga")

    assert caught.value.no is No.INVALID_CLIENT_METADATA
    assert await server.kept() == before


async def test_every_problem_of_a_document_is_told_at_once(server: World) -> None:
    with pytest.raises(Refusal) as caught:
        await host(server.ports, b'{"client_secret":"s"}', DAY, "olga")

    assert [refusal.description.partition(":")[0] for refusal in caught.value.errors][:2] == ["client_secret", "redirect_uris"]
    assert all(refusal.description in caught.value.description for refusal in caught.value.errors)


@pytest.mark.parametrize("seconds", [0, -1, 90 * DAY + 1])
async def test_a_document_is_hosted_for_a_while_only(server: World, seconds: int) -> None:
    with pytest.raises(Refusal, match="expires: must be within 90 days") as caught:
        await host(server.ports, BODY, seconds, "olga")

    assert caught.value.no is No.INVALID_REQUEST
    assert (await host(server.ports, BODY, 90 * DAY, "olga")).expires_at == START + 90 * DAY


async def test_a_server_that_hosts_nothing_says_so(server: World) -> None:
    with (
        changed(server, client_documents=False),
        pytest.raises(Refusal, match="client_documents: this server hosts no documents") as caught,
    ):
        await host(server.ports, BODY, DAY, "olga")

    assert caught.value.no is No.INVALID_REQUEST


async def test_the_audit_trail_says_who_put_a_document_here_and_who_took_it_away(server: World) -> None:
    made = await host(server.ports, BODY, DAY, "olga")
    await drop(server.ports, made.client_id, "oskar")

    id = made.client_id.rpartition("/")[2]
    assert [event["body"] for event in await server.told("document_hosted")] == [{"id": id, "expires_at": START + DAY, "by": "olga"}]
    assert [event["body"] for event in await server.told("document_dropped")] == [{"id": id, "by": "oskar"}]


# Dropping -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_id", [False, True])
async def test_a_document_is_dropped_by_its_url_or_the_last_part_of_it_once(server: World, by_id: bool) -> None:
    made = await host(server.ports, BODY, DAY, "olga")
    name = made.client_id.rpartition("/")[2] if by_id else made.client_id

    await drop(server.ports, name, "olga")

    for again in (drop(server.ports, name, "olga"), hosted(server.ports, made.client_id.rpartition("/")[2])):
        with pytest.raises(Refusal, match="there is no document") as caught:
            await again
        assert caught.value.no is No.NOT_FOUND


# Checking -----------------------------------------------------------------------------------------------------------------------------


@meets("S4-57", "S4-55")
@pytest.mark.parametrize("url", [HOST, HOST + "/.well-known/client-metadata"])
async def test_a_published_well_known_document_is_checked(server: World, url: str) -> None:
    discoverable(server)

    findings = await check(server.ports, url, discovery=url == HOST)

    assert {finding.passed for finding in findings} == {True}
    assert server.strangers.asked == [WELL_KNOWN]


@meets("S4-57")
async def test_a_published_document_is_checked(server: World) -> None:
    publish(server, redirect_uris=["http://app.example/cb"])

    findings = await check(server.ports, URL, discovery=False)

    [broken] = [finding for finding in findings if finding.passed is False]
    assert (broken.rule, "redirect_uris" in broken.detail) == ("members", True)


async def test_a_document_that_cannot_be_read_is_a_broken_rule(server: World) -> None:
    server.strangers.fail(URL, Why.MEDIA)

    findings = await check(server.ports, URL, discovery=False)

    assert [finding.rule for finding in findings if finding.passed is False] == ["fetched"]
    assert next(finding.rule for finding in findings if finding.passed is None) == "json"


# On a developer's own machine ---------------------------------------------------------------------------------------------------------


@meets("D-52", "D-10")
async def test_a_document_hosted_on_a_server_on_this_machine_is_good_there(tmp_path: Path) -> None:
    server = await world(tmp_path, issuer="http://127.0.0.1:8000")
    made = await host(server.ports, BODY, DAY, "olga")

    resolved = await resolve(server.ports, made.client_id, discovery=False)

    assert resolved.broken == 0
