"""What an operator does with clients: list, show, suspend, resume, delete, rotate."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs

from calling_card.protocol.clients import State
from calling_card.protocol.errors import No, Refusal
from calling_card.usecases.operate import clients, delete, resume, rotate, show, suspend
from tests.ledger import meets
from tests.usecases.contended import ContendedStore
from tests.world import START, World, world


@pytest.fixture(params=["memory", "sqlite"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    some = await world(tmp_path, sqlite=request.param == "sqlite")
    yield some
    await some.ports.store.close()


async def test_clients_are_listed_page_by_page_in_the_order_of_their_names(server: World) -> None:
    cards = [await server.register(client_name=f"n{n}") for n in range(5)]

    first = await clients(server.ports, "", 3)
    rest = await clients(server.ports, str(first[-1]["client_id"]), 3)

    assert [line["client_id"] for line in (*first, *rest)] == sorted(card["client_id"] for card in cards)
    assert len(first) == 3


@meets("R-101")
async def test_a_line_says_who_the_client_is_and_how_it_came(server: World) -> None:
    card = await server.register(client_name="Tea", token_endpoint_auth_method="none")
    invited = await server.register(await server.invitation())
    made = (await server.resource()).information

    by_name = {line["client_id"]: line for line in await clients(server.ports, "", 9)}

    assert by_name[card["client_id"]] == {
        "client_id": card["client_id"],
        "client_name": "Tea",
        "state": "active",
        "client_type": "public",
        "created_by": "anonymous",
        "route": "registered",
        "door": "rfc7591",
        "tier": "anonymous",
        "client_id_issued_at": START,
        "last_used_day": START // 86_400,
    }
    assert by_name[invited["client_id"]]["created_by"] == "iat"
    assert by_name[invited["client_id"]]["client_name"] == ""
    assert (by_name[made["client_id"]]["created_by"], by_name[made["client_id"]]["client_type"]) == ("admin", "confidential")


async def test_everything_is_shown_of_a_client_but_its_credentials(server: World) -> None:
    card = await server.register(await server.invitation(), scope="openid nonsense")

    shown = await show(server.ports, card["client_id"])

    metadata = shown["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["redirect_uris"] == card["redirect_uris"]
    assert (shown["owner"], len(str(shown["invitation"]))) == ("tester", 32)
    assert shown["decision"] == [["scope", "openid nonsense", "openid", "is limited to the scopes this server knows"]]
    assert not [secret for secret in (card["client_secret"], card["registration_access_token"]) if secret in str(shown)]


async def test_what_is_not_known_of_a_client_is_not_shown(server: World) -> None:
    card = await server.register()

    shown = await show(server.ports, card["client_id"])

    assert not {"owner", "invitation", "decision", "client_name"} & set(shown)


@meets("H-31", "M-14")
async def test_a_suspension_ends_the_tokens_and_the_resumption_does_not_bring_them_back(server: World) -> None:
    card = await server.machine()
    old = (await server.token(card)).json["access_token"]

    suspended = await suspend(server.ports, card["client_id"], "op")
    refused = await server.token(card)
    resumed = await resume(server.ports, card["client_id"], "op")
    new = (await server.token(card)).json["access_token"]

    assert (suspended["state"], resumed["state"]) == ("suspended", "active")
    assert refused.no == (401, "invalid_client")
    assert (await server.introspect(card, old)).json == {"active": False}
    assert (await server.introspect(card, new)).json["active"] is True
    assert [event["body"] for kind in ("client_suspended", "client_resumed") for event in await server.told(kind)] == [{"by": "op"}] * 2


async def test_what_is_so_already_is_no_event(server: World) -> None:
    card = await server.register()
    await suspend(server.ports, card["client_id"], "op")
    before = await server.kept()

    again = await suspend(server.ports, card["client_id"], "op")

    assert again["state"] == "suspended"
    assert await server.kept() == before


@meets("M-39")
async def test_a_client_that_the_operator_deletes_is_gone_with_everything(server: World) -> None:
    card = await server.machine()
    caller = (await server.resource()).information
    token = (await server.token(card)).json["access_token"]

    await delete(server.ports, card["client_id"], "op")
    await delete(server.ports, str(caller["client_id"]), "op")

    assert (await server.read(card)).status == 401
    assert (await server.token(card)).no == (401, "invalid_client")
    assert (await server.introspect(caller, token)).no == (401, "invalid_client")
    assert await server.ports.store.resources() == []
    gone = [card["client_id"], caller["client_id"]]
    assert [event["body"] for event in await server.told("client_deleted")] == [{"client_id": one, "by": "op"} for one in gone]


@meets("S1-47")
async def test_a_rotation_gives_new_credentials_and_the_old_secret_goes_with_the_first_use_of_the_new(server: World) -> None:
    card = await server.machine()
    token = (await server.token(card)).json["access_token"]

    new = {**card, **(await rotate(server.ports, card["client_id"], "op", at_once=False)).information}

    assert new["client_secret"] != card["client_secret"]
    assert (await server.read(card)).status == 401
    assert (await server.token(card)).status == 200
    assert (await server.token(new)).status == 200
    assert (await server.token(card)).no == (401, "invalid_client")
    assert (await server.introspect(new, token)).json["active"] is True


async def test_the_old_secret_goes_when_the_overlap_ends_used_or_not(server: World) -> None:
    card = await server.machine()
    await rotate(server.ports, card["client_id"], "op", at_once=False)
    server.clock.forward(server.ports.settings.secret_overlap)
    assert (await server.token(card)).status == 200

    server.clock.forward(1)

    assert (await server.token(card)).no == (401, "invalid_client")


async def test_a_rotation_after_an_incident_leaves_nothing_old_alive(server: World) -> None:
    card = await server.machine()
    token = (await server.token(card)).json["access_token"]

    new = {**card, **(await rotate(server.ports, card["client_id"], "op", at_once=True)).information}

    assert (await server.token(card)).no == (401, "invalid_client")
    assert (await server.introspect(new, token)).json == {"active": False}
    assert (await server.token(new)).status == 200


async def test_a_public_client_gets_a_new_registration_access_token_only(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="none")

    new = (await rotate(server.ports, card["client_id"], "op", at_once=False)).information

    assert "client_secret" not in new
    assert (await server.read(card, str(new["registration_access_token"]))).status == 200
    assert (await server.read(card)).status == 401


async def test_a_secret_that_was_withdrawn_is_not_brought_back_by_a_rotation(server: World) -> None:
    card = await server.register()
    endpoints = {f"{name}_endpoint_auth_method": "none" for name in ("token", "introspection", "revocation")}
    await server.replace(card, "client_secret", **endpoints)

    new = (await rotate(server.ports, card["client_id"], "op", at_once=False)).information

    assert "client_secret" not in new


async def test_a_rotated_secret_lives_as_long_as_a_new_one(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_lifetime=1000)
    card = await server.register()
    server.clock.forward(900)

    new = (await rotate(server.ports, card["client_id"], "op", at_once=False)).information

    assert new["client_secret_expires_at"] == START + 1900


@pytest.mark.parametrize("name", ["nobody", "", "x" * 1000])
async def test_a_client_that_is_not_there_is_named(server: World, name: str) -> None:
    with pytest.raises(Refusal, match="there is no client") as caught:
        await show(server.ports, name)

    assert caught.value.no is No.NOT_FOUND
    assert len(caught.value.description) < 120


@meets("H-31")
async def test_resuming_does_not_approve_a_client_that_waits_for_approval(server: World) -> None:
    card = await server.register()
    row = await server.row(card)
    assert await server.ports.store.replace(row, structs.replace(row, state=State.HELD), None)

    with pytest.raises(Refusal, match="is held, not suspended") as caught:
        await resume(server.ports, card["client_id"], "op")

    assert caught.value.no is No.INVALID_REQUEST
    assert (await server.row(card)).state is State.HELD
    assert (await suspend(server.ports, card["client_id"], "op"))["state"] == "suspended"


async def busy(tmp_path: Path, losses: int) -> tuple[World, str]:
    store = ContendedStore(chain_key=b"k" * 32, writer=b"busy-one", now=lambda: START)
    server = await world(tmp_path, store)
    name = (await server.register())["client_id"]
    store.losses = losses
    return server, name


async def test_a_lost_race_is_run_again(tmp_path: Path) -> None:
    server, name = await busy(tmp_path, losses=2)

    line = await suspend(server.ports, name, "op")

    assert line["state"] == State.SUSPENDED


async def test_resuming_is_run_again_and_done_once(tmp_path: Path) -> None:
    server, name = await busy(tmp_path, losses=0)
    await suspend(server.ports, name, "op")
    server.ports.store.losses = 2  # type: ignore[attr-defined] # it is a ContendedStore

    lines = [await resume(server.ports, name, "op") for _ in range(2)]

    assert [line["state"] for line in lines] == ["active"] * 2
    assert (await server.kinds()).count("client_resumed") == 1


async def test_resuming_that_always_loses_ends_with_a_refusal(tmp_path: Path) -> None:
    server, name = await busy(tmp_path, losses=0)
    await suspend(server.ports, name, "op")
    server.ports.store.losses = 3  # type: ignore[attr-defined] # it is a ContendedStore

    with pytest.raises(Refusal, match="being changed by others"):
        await resume(server.ports, name, "op")


@pytest.mark.parametrize("act", ["suspend", "rotate"])
async def test_a_race_that_is_always_lost_ends_with_a_refusal(tmp_path: Path, act: str) -> None:
    server, name = await busy(tmp_path, losses=3)

    with pytest.raises(Refusal, match="being changed by others") as caught:
        await (suspend(server.ports, name, "op") if act == "suspend" else rotate(server.ports, name, "op", at_once=True))

    assert caught.value.no is No.UNAVAILABLE
