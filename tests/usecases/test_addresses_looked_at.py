"""Clients that are an address, rule by rule, and when several meet one at the same moment (D-55, D-64)"""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec import structs

from calling_card.ports import KeyCollision
from calling_card.protocol.abroad.fetching import Why
from calling_card.protocol.clients import Client
from calling_card.protocol.errors import No, Refusal
from calling_card.usecases.clients import read_now
from calling_card.usecases.reading import look
from tests.addresses import URL, no, publish, the_client, visitor
from tests.ledger import meets
from tests.visitor import Browser, refresh, tokens
from tests.world import CALLBACK, World, changed, world

DAY = 86400


@pytest.fixture(params=["memory", "sqlite"])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return await world(tmp_path, sqlite=request.param == "sqlite")


# ── For operators, and when others are faster ────────────────────────────────────────────────────────────────────────


@meets("D-64")
async def test_every_rule_can_be_looked_at_without_anything_being_kept(server: World) -> None:
    publish(server, grant_types=["authorization_code", "implicit"])
    before = await server.kept()

    findings = await look(server.ports, URL, discovery=False)

    assert [finding.passed for finding in findings] == [True] * len(findings)
    assert {"grammar", "scheme", "host", "fetched", "json", "client_id", "issued", "members"} <= {finding.rule for finding in findings}
    assert "grant_types" in findings[-1].detail
    assert await server.kept() == before


@meets("D-64")
@pytest.mark.parametrize(
    "url, body, why, broken",
    [
        ("https://app.example/a/../b", b"", None, "path"),
        ("not a url", b"", None, "grammar"),
        (URL, b"", Why.STATUS, "fetched"),
        (URL, b"{", None, "json"),
        (URL, b"{}", None, "client_id"),
        (URL, json.dumps({"client_id": URL, "redirect_uris": [CALLBACK], "client_name": 7}).encode(), None, "members"),
    ],
)
async def test_a_look_tells_which_rule_is_broken_and_which_were_not_reached(
    server: World, url: str, body: bytes, why: Why | None, broken: str
) -> None:
    server.strangers.serve(url, body)
    if why is not None:
        server.strangers.fail(url, why)

    findings = await look(server.ports, url, discovery=False)

    first = next(finding for finding in findings if finding.passed is False)
    assert first.rule == broken
    assert first.detail
    reached = [finding.passed is not None for finding in findings]
    assert reached == sorted(reached, reverse=True)


async def test_a_look_at_a_client_that_is_switched_off_still_tells(server: World) -> None:
    publish(server)
    with changed(server, client_id_metadata_documents=False):
        findings = await look(server.ports, URL, discovery=False)

    assert all(finding.passed for finding in findings)


async def test_a_look_says_what_the_log_would(server: World) -> None:
    findings = await look(server.ports, URL, discovery=True)

    detail = next(finding.detail for finding in findings if finding.passed is False)
    assert detail == f"{Why.UNREACHABLE.text} [as the test says]"


@meets("D-55", "D-32")
async def test_an_operator_has_a_document_read_again_at_once(server: World) -> None:
    publish(server)
    await Browser(server).authorize({"client_id": URL})
    publish(server, client_name="Notes Two")

    known = await read_now(server.ports, URL, discovery=False)

    assert known.card["client_name"] == "Notes Two"
    assert server.strangers.forgotten == [URL]
    with pytest.raises(Refusal):
        await read_now(server.ports, "cAbC", discovery=False)


def losing(server: World, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let somebody else do the same thing first, so many times."""
    left = [times]

    def slower(verb: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
        async def lost(*said: object, **more: object) -> bool:
            left[0] -= 1
            return False if left[0] >= 0 else await verb(*said, **more)

        return lost

    for name in ("meet", "read_again"):
        monkeypatch.setattr(server.ports.store, name, slower(getattr(server.ports.store, name)))


@pytest.mark.parametrize("times, status", [(2, 200), (3, 503)])
async def test_who_meets_a_client_at_the_same_moment_as_others_looks_again(
    server: World, monkeypatch: pytest.MonkeyPatch, times: int, status: int
) -> None:
    publish(server, headers={"cache_control": "no-store"})
    losing(server, monkeypatch, times)

    reply = await Browser(server).authorize({"client_id": URL})

    assert reply.status == status


@pytest.mark.parametrize("members", [{}, {"client_name": "Notes Two"}])
async def test_who_reads_a_document_at_the_same_moment_as_others_looks_again(
    server: World, monkeypatch: pytest.MonkeyPatch, members: dict[str, object]
) -> None:
    publish(server, headers={"cache_control": "no-store"})
    await Browser(server).authorize({"client_id": URL})
    publish(server, headers={"cache_control": "no-store"}, **members)
    losing(server, monkeypatch, 3)

    with pytest.raises(Refusal) as refused:
        await read_now(server.ports, URL, discovery=False)
    assert refused.value.no is No.UNAVAILABLE


async def test_a_refresh_lives_when_others_read_the_document_at_the_same_moment(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    card = publish(server)
    await visitor(server)
    token = (await tokens(server, card))["refresh_token"]
    server.clock.forward(DAY)
    losing(server, monkeypatch, 1)

    assert (await refresh(server, card, token)).status == 200


async def test_a_place_that_belongs_to_another_name_is_nobody(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(server)
    await Browser(server).authorize({"client_id": URL})
    other = structs.replace(await the_client(server), client_id="https://other.example/c.json")

    async def found(key: bytes) -> Client | None:
        return other

    monkeypatch.setattr(server.ports.store, "client", found)

    assert await no(server, URL) == (400, "invalid_client")


async def test_two_names_in_one_place_are_alarming(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(server)

    async def taken(*said: object) -> bool:
        raise KeyCollision("taken")

    monkeypatch.setattr(server.ports.store, "meet", taken)

    assert await no(server, URL) == (400, "invalid_client")
    assert [line["alarm"] for line in server.lines if line["event"] == "client_key_collision"] == [True]
