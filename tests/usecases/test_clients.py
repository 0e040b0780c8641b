"""Who is this client: RFC 6749 §2.3, one method, one secret, one answer to everybody else."""

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.clients import Client, State
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles.credentials import CLIENT_SECRET, Handle, owner, write
from calling_card.store.memory import MemoryStore
from calling_card.usecases.authenticate import Presented, authenticate
from calling_card.usecases.clients import ATTEMPTS, Known, known_scopes
from calling_card.usecases.operate import delete, resume, rotate, suspend
from calling_card.usecases.renew import credential_key
from tests.ledger import meets
from tests.store.examples import a_version
from tests.world import World, world

METHODS = ("client_secret_basic", "client_secret_post", "none")
Card = dict[str, Any]
Port = TypeVar("Port")


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


def own_way(card: Card) -> Presented:
    """The client as it registered to say who it is."""
    return Presented(card["token_endpoint_auth_method"], card["client_id"], card.get("client_secret", ""))


async def answer(ports: Ports, presented: Presented) -> Known | Refusal:
    """The client, or why not."""
    try:
        return await authenticate(ports, presented)
    except Refusal as refusal:
        return refusal


async def known(server: World, card: Card, secret: str | None = None) -> bool:
    """Whether the client is let in with its own or another secret."""
    presented = own_way(card)
    found = await answer(server.ports, presented if secret is None else structs.replace(presented, secret=secret))
    if isinstance(found, Refusal):
        assert found.no is No.INVALID_CLIENT
        return False
    assert found.client.client_id == card["client_id"]
    return True


async def turned_away(ports: Ports, presented: Presented) -> Refusal:
    """The refusal of a client that is not let in."""
    refusal = await answer(ports, presented)
    assert isinstance(refusal, Refusal)
    return refusal


def secret_of(server: World, client: Client, generation: int, key: int) -> str:
    """A client secret as whoever holds the keyring could write it."""
    return write(server.ports.keyring, server.ports.settings.issuer, Handle(CLIENT_SECRET, key, owner(client), generation))


def garbled(secret: str) -> str:
    """The same text with another MAC."""
    middle = len(secret) - 20
    return secret[:middle] + ("A" if secret[middle] != "A" else "B") + secret[middle + 1 :]


# ── The method ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-39")
@pytest.mark.parametrize("registered", METHODS)
async def test_only_the_registered_method_is_accepted(server: World, registered: str) -> None:
    card = await server.register(token_endpoint_auth_method=registered)
    secret = card.get("client_secret", "")

    answers = {method: await answer(server.ports, Presented(method, card["client_id"], secret)) for method in METHODS}

    client = answers.pop(registered)
    assert isinstance(client, Known)
    assert client.card["token_endpoint_auth_method"] == registered
    assert [refusal.no for refusal in answers.values() if isinstance(refusal, Refusal)] == [No.INVALID_CLIENT] * 2


@meets("A-43", "H-14")
async def test_every_cause_of_failure_has_the_same_words(server: World) -> None:
    clients = {name: await server.register() for name in ("wrong", "suspended", "deleted", "used", "other")}
    with_end = await server.register()
    row = await server.row(with_end)
    assert await server.ports.store.replace(row, structs.replace(row, secret_expires_at=server.clock.now), None)
    await suspend(server.ports, clients["suspended"]["client_id"], "tester")
    await delete(server.ports, clients["deleted"]["client_id"], "tester")
    newer = (await rotate(server.ports, clients["used"]["client_id"], "tester", at_once=False)).information
    assert await known(server, {**clients["used"], **newer})

    causes = {
        "unknown": Presented("client_secret_basic", "nobody", clients["wrong"]["client_secret"]),
        "no credential of ours": Presented("client_secret_basic", clients["wrong"]["client_id"], "password"),
        "nothing": Presented("client_secret_basic", clients["wrong"]["client_id"], ""),
        "another MAC": structs.replace(own_way(clients["wrong"]), secret=garbled(clients["wrong"]["client_secret"])),
        "another client's": structs.replace(own_way(clients["wrong"]), secret=clients["other"]["client_secret"]),
        "another kind": structs.replace(own_way(clients["wrong"]), secret=clients["wrong"]["registration_access_token"]),
        "expired": own_way(with_end),
        "suspended": own_way(clients["suspended"]),
        "deleted": own_way(clients["deleted"]),
        "superseded": own_way(clients["used"]),
    }
    told = {cause: await turned_away(server.ports, presented) for cause, presented in causes.items()}

    assert len({(each.no, each.description, each.basic, each.errors, each.retry_after) for each in told.values()}) == 1
    assert "may register again at https://as.example/register" in told["deleted"].description


@meets("A-88")
async def test_a_client_that_waits_for_approval_proves_who_it_is(server: World) -> None:
    card = await server.register()
    row = await server.row(card)
    assert await server.ports.store.replace(row, structs.replace(row, state=State.HELD), None)

    assert await known(server, card)
    assert not await known(server, card, garbled(card["client_secret"]))


@meets("A-44")
async def test_a_secret_is_refused_from_the_second_in_which_it_ends(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_lifetime=3600)
    card = await server.register()

    server.clock.forward(3599)
    before = await known(server, card)
    server.clock.forward(1)

    assert card["client_secret_expires_at"] == server.clock.now
    assert (before, await known(server, card)) == (True, False)


async def test_a_public_client_needs_no_more_than_its_name(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="none")

    assert await known(server, card)
    assert not await known(server, {**card, "client_id": "nobody"})


# ── The secret ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_after_a_rotation_both_secrets_are_good_until_the_new_one_is_used(server: World) -> None:
    card = await server.register()
    new = (await rotate(server.ports, card["client_id"], "tester", at_once=False)).information["client_secret"]
    assert isinstance(new, str)
    assert new != card["client_secret"]

    meanwhile = [await known(server, card) for _ in range(3)]
    first_use = await known(server, card, new)

    assert meanwhile == [True] * 3
    assert first_use
    assert not await known(server, card)
    assert await known(server, card, new)
    assert (await server.kinds()).count("secret_confirmed") == 1


async def test_an_unused_rotation_ends_the_old_secret_after_the_overlap(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_overlap=600)
    card = await server.register()
    await rotate(server.ports, card["client_id"], "tester", at_once=False)

    server.clock.forward(600)
    within = await known(server, card)
    server.clock.forward(1)

    assert (within, await known(server, card)) == (True, False)


async def test_a_rotation_after_an_incident_leaves_no_overlap(server: World) -> None:
    card = await server.register()

    new = (await rotate(server.ports, card["client_id"], "tester", at_once=True)).information["client_secret"]

    assert not await known(server, card)
    assert await known(server, card, str(new))


@meets("X-91")
async def test_what_an_operator_does_to_the_state_of_a_client_leaves_its_credentials_alone(server: World) -> None:
    card = await server.register()

    await suspend(server.ports, card["client_id"], "tester")
    await resume(server.ports, card["client_id"], "tester")

    assert await known(server, card)
    assert (await server.read(card)).json == card


async def test_a_secret_made_before_a_new_keyring_key_stays_good_and_the_next_one_carries_the_new_number(server: World) -> None:
    card = await server.register()
    number = await credential_key(server.ports, "tester")

    old = await known(server, card)
    new = (await rotate(server.ports, card["client_id"], "tester", at_once=False)).information["client_secret"]

    secret = (await server.row(card)).secret
    assert secret is not None
    assert (old, number, secret.issued_key, secret.confirmed_key) == (True, 2, 2, 1)
    assert await known(server, card, str(new))


async def test_an_old_key_cannot_speak_for_a_generation_that_a_newer_key_made(server: World) -> None:
    card = await server.register()
    await credential_key(server.ports, "tester")
    await rotate(server.ports, card["client_id"], "tester", at_once=True)
    client = await server.row(card)

    forged, right = secret_of(server, client, 2, key=1), secret_of(server, client, 2, key=2)

    assert not await known(server, card, forged)
    assert await known(server, card, right)


async def test_a_generation_that_was_never_issued_is_refused_and_reported(server: World) -> None:
    card = await server.register()

    future = secret_of(server, await server.row(card), 2, key=1)

    assert not await known(server, card, future)
    [told] = await server.told("credential_from_future")
    assert told["body"] == {"kind": "client_secret", "count": 1}


async def test_a_namesake_born_later_does_not_honour_the_old_secret(server: World) -> None:
    card = await server.register()
    first = await server.row(card)
    await delete(server.ports, card["client_id"], "tester")
    born_again = structs.replace(first, incarnation=b"another!")
    await server.ports.store.meet(born_again, a_version(born_again), Event("client_registered", server.clock.now, first.key, "anonymous"))

    assert not await known(server, card)
    assert await known(server, card, secret_of(server, born_again, 1, key=1))


# ── When the row changes meanwhile ───────────────────────────────────────────────────────────────────────────────────


class Contended(MemoryStore):
    """A store in which somebody else is faster so many times."""

    losses = 0
    impostor: Client | None = None

    async def replace(self, before: Client, after: Client, event: Event | None) -> bool:
        """Lost, while losses are left."""
        if self.losses:
            self.losses -= 1
            return False
        return await super().replace(before, after, event)

    async def client(self, key: bytes) -> Client | None:
        """The client, or one that fell on the same place."""
        return self.impostor or await super().client(key)


async def contended(folder: Path) -> tuple[World, Contended]:
    """A server on such a store."""
    plain = await world(folder)
    store = Contended(chain_key=b"k" * 32, writer=b"\0\1tester", now=plain.clock)
    await store.put_signing_keys(await plain.ports.store.signing_keys(), Event("key_rotated", plain.clock.now, b"", "server"))
    return World(replace(plain.ports, store=store), plain.clock), store


@pytest.mark.parametrize("losses", [1, ATTEMPTS - 1])
async def test_the_first_use_of_a_new_secret_is_decided_again_when_the_row_changed(tmp_path: Path, losses: int) -> None:
    server, store = await contended(tmp_path)
    card = await server.register()
    new = (await rotate(server.ports, card["client_id"], "tester", at_once=False)).information["client_secret"]

    store.losses = losses

    assert await known(server, card, str(new))
    assert not await known(server, card)


@meets("H-02")
@pytest.mark.parametrize("losses", [0, 1, ATTEMPTS - 1])
async def test_a_secret_that_its_successor_outlived_is_reported_and_ends_the_time_of_both(tmp_path: Path, losses: int) -> None:
    server, store = await contended(tmp_path)
    card = await server.register()
    await rotate(server.ports, card["client_id"], "tester", at_once=False)
    server.clock.forward(server.ports.settings.secret_overlap + 1)
    store.losses = losses

    assert not await known(server, card)

    row = (await server.row(card)).secret
    assert row is not None
    assert (row.confirmed, row.issued, row.overlap_since) == (2, 2, None)
    assert [event["body"] for event in await server.told("secret_expired_previous")] == [{"count": 1}]


@meets("H-02")
@pytest.mark.parametrize("days, kind", [(0, "secret_two_holders"), (31, "secret_spent")])
async def test_a_secret_that_was_replaced_is_reported_when_it_is_used_again(server: World, days: int, kind: str) -> None:
    card = await server.register()
    new = (await rotate(server.ports, card["client_id"], "tester", at_once=False)).information["client_secret"]
    assert await known(server, card, str(new))
    server.clock.forward(days * 86_400)

    assert not await known(server, card)

    assert [event["body"] for event in await server.told(kind)] == [{"count": 1}]


@meets("H-14")
@pytest.mark.parametrize("registration, told", [("open", True), ("token", True), ("closed", False)])
async def test_a_removed_client_is_told_where_to_register_again_only_if_it_can(tmp_path: Path, registration: str, told: bool) -> None:
    server = await world(tmp_path, registration=registration)

    refusal = await turned_away(server.ports, Presented("none", "nobody"))

    assert ("may register again at https://as.example/register" in refusal.description) == told
    assert refusal.description.startswith("client authentication failed")


async def test_a_row_that_never_stands_still_is_told_to_try_again(tmp_path: Path) -> None:
    server, store = await contended(tmp_path)
    card = await server.register()
    new = (await rotate(server.ports, card["client_id"], "tester", at_once=False)).information["client_secret"]

    store.losses = ATTEMPTS
    refusal = await turned_away(server.ports, structs.replace(own_way(card), secret=str(new)))

    assert (refusal.no, refusal.retry_after) == (No.UNAVAILABLE, 1)
    assert await known(server, card)


async def test_a_client_that_fell_on_the_same_place_is_not_taken_for_the_one_that_asks(tmp_path: Path) -> None:
    server, store = await contended(tmp_path)
    card = await server.register(token_endpoint_auth_method="none")

    store.impostor = structs.replace(await server.row(card), client_id="somebody else")

    assert not await known(server, card)


# ── What guessing costs ──────────────────────────────────────────────────────────────────────────────────────────────


class _Watched:
    """Passes everything on, and remembers what was asked for."""

    def __init__(self, inner: object, calls: list[str]) -> None:
        self._inner = inner
        self._calls = calls

    def __getattr__(self, name: str) -> object:
        self._calls.append(name)
        return getattr(self._inner, name)


def watched(inner: Port, calls: list[str]) -> Port:
    """A store or keyring that remembers what was asked of it."""
    return cast(Port, _Watched(inner, calls))


async def cost(server: World, presented: Presented) -> list[str]:
    """What a refused try asks of store and keyring, in order."""
    calls: list[str] = []
    store, keyring = watched(server.ports.store, calls), watched(server.ports.keyring, calls)
    await turned_away(replace(server.ports, store=store, keyring=keyring), presented)
    return calls


@meets("X-38", "A-43")
@pytest.mark.parametrize("guess", ["", "password", "another MAC", "another client's", "no method"])
async def test_a_guess_costs_the_same_whether_the_client_exists_or_not(server: World, guess: str) -> None:
    card, other = await server.register(), await server.register()
    secret = {"another MAC": garbled(card["client_secret"]), "another client's": other["client_secret"]}.get(guess, guess)
    method = "none" if guess == "no method" else "client_secret_basic"

    there = await cost(server, Presented(method, card["client_id"], secret))
    nowhere = await cost(server, Presented(method, "c" + "A" * 22, secret))

    assert there == nowhere
    assert there.count("mac") == (1 if guess in ("another MAC", "another client's") else 0)
    assert there.count("client") == (1 if guess in ("no method", "password") else 0)


async def test_the_known_scopes_are_those_of_the_settings_and_of_every_resource_server(server: World) -> None:
    await server.resource(scope="orders:read openid")
    await server.resource("https://b.example", scope="")

    assert set(await known_scopes(server.ports)) == {"openid", "profile", "email", "offline_access", "orders:read"}
