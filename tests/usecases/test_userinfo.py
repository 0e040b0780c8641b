"""Who is the person behind a token: OIDC Core §5.3 and §5.4."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.protocol.clients import Card
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.persons.people import Person, Role
from calling_card.store.memory import MemoryStore
from calling_card.usecases.people.operate import Wanted, add
from calling_card.usecases.userinfo import userinfo
from tests.ledger import meets
from tests.usecases.exchange.scene import Scene, opened, scene
from tests.visitor import Browser
from tests.world import ISSUER, START, World, world

CLAIMS: dict[str, Any] = {
    "name": "Alice Adams",
    "given_name": "Alice",
    "nickname": "",
    "email": "alice@people.example",
    "email_verified": True,
    "phone_number": "+1 555 0100",
    "address": {"country": "NZ", "locality": "Nelson"},
    "shoe_size": 38,
}


@pytest.fixture
async def some(tmp_path: Path) -> Scene:
    return await told_about(await world(tmp_path))


async def told_about(server: World) -> Scene:
    """A scene with a person of whom much is known."""
    made = await scene(server)
    person = (await add(server.ports, Wanted("carol", "correct horse battery", CLAIMS, Role.NONE, "tester"))).person
    browser = Browser(server)
    await browser.sign_in(await browser.get("/account"), "carol")
    return replace(made, person=person, browser=browser)


async def asked(some: Scene, token: str) -> Card:
    """The claims."""
    told = await userinfo(some.server.ports, token)
    assert isinstance(told, dict)
    return told


async def refused(some: Scene, token: str | None) -> No:
    """Why there are none."""
    with pytest.raises(Refusal) as caught:
        await userinfo(some.server.ports, token)
    return caught.value.no


# ── What is told ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-63")
@pytest.mark.parametrize(
    "scope, names",
    [
        ("openid", set[str]()),
        ("openid profile", {"name", "given_name", "preferred_username"}),
        ("openid email", {"email", "email_verified"}),
        ("openid phone", {"phone_number"}),
        ("openid address", {"address"}),
        ("openid offline_access", set[str]()),
        ("openid profile email", {"name", "given_name", "preferred_username", "email", "email_verified"}),
    ],
)
async def test_the_scopes_release_claims_and_what_is_empty_or_not_known_is_left_out(some: Scene, scope: str, names: set[str]) -> None:
    card = await some.client(scope="openid profile email phone address offline_access")
    got = await some.tokens(card, scope=scope)

    told = await asked(some, got["access_token"])

    known = {**CLAIMS, "preferred_username": "carol"}
    assert told == {"sub": some.person.subject, **{name: known[name] for name in names}}


@meets("A-63", "A-61")
async def test_the_subject_is_that_of_the_id_token_and_of_introspection(some: Scene) -> None:
    got = await some.tokens(await some.client())

    subjects = {
        str((await asked(some, got["access_token"]))["sub"]),
        str(opened(got["id_token"])[1]["sub"]),
        str((await some.introspected(got["access_token"]))["sub"]),
    }

    assert subjects == {some.person.subject}


@meets("A-63")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
async def test_a_client_that_registered_for_it_gets_the_claims_signed_for_itself(some: Scene, alg: str) -> None:
    card = await some.client(scope="openid email", userinfo_signed_response_alg=alg)
    got = await some.tokens(card, scope="openid email")

    told = await userinfo(some.server.ports, got["access_token"])
    assert isinstance(told, str)

    header, claims = opened(told)
    assert header["alg"] == alg
    assert some.server.ports.signer.verify(told, "JWT") == claims
    assert claims == {
        "sub": some.person.subject,
        "email": CLAIMS["email"],
        "email_verified": True,
        "iss": ISSUER,
        "aud": card["client_id"],
    }


async def test_what_is_known_changes_the_answer_at_once(some: Scene) -> None:
    got = await some.tokens(await some.client(scope="openid email"), scope="openid email")
    before = await some.server.ports.store.person(some.person.id)
    assert before is not None

    event = Event("person_changed", START, b"", "operator")
    after = structs.replace(before, claims={"email": "new@people.example"})
    assert await some.server.ports.store.change_person(before, after, event)

    assert (await asked(some, got["access_token"]))["email"] == "new@people.example"


# ── Who is refused ───────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-64")
async def test_without_a_token_one_is_asked_for(some: Scene) -> None:
    assert await refused(some, None) is No.NO_ACCESS_TOKEN


@meets("A-64", "A-72")
async def test_whatever_is_no_living_access_token_is_not_valid(some: Scene) -> None:
    card = await some.client()
    got = await some.tokens(card)
    await some.server.post_form("/revoke", {"token": got["access_token"], "client_id": card["client_id"]})

    for text in ("garbage", "a.b.c", got["access_token"], got["refresh_token"], got["id_token"], card["registration_access_token"]):
        assert await refused(some, text) is No.INVALID_TOKEN


@meets("A-64")
async def test_a_token_is_over_when_its_time_is(some: Scene) -> None:
    got = await some.tokens(await some.client())
    some.server.clock.forward(3599)
    last = await asked(some, got["access_token"])
    some.server.clock.forward(1)

    assert last["sub"] == some.person.subject
    assert await refused(some, got["access_token"]) is No.INVALID_TOKEN


@meets("A-63")
async def test_a_clients_own_token_is_about_nobody(some: Scene) -> None:
    machine = await some.server.machine("openid")
    token = (await some.server.token(machine)).json["access_token"]

    assert await refused(some, token) is No.INVALID_TOKEN


@meets("A-63", "A-64")
async def test_a_token_without_openid_is_not_enough(some: Scene) -> None:
    card = await some.client(scope="openid profile")
    got = await some.tokens(card, scope="profile", resource=f"{ISSUER}/userinfo")

    assert (await some.inside(got["access_token"])).audience == (f"{ISSUER}/userinfo",)
    assert await refused(some, got["access_token"]) is No.INSUFFICIENT_SCOPE


async def test_a_token_for_a_resource_server_opens_userinfo_only_by_setting(tmp_path: Path) -> None:
    strict = await told_about(await world(tmp_path / "strict"))
    open_to_all = await told_about(await world(tmp_path / "open", userinfo_any_audience=True))

    for some, opens in ((strict, False), (open_to_all, True)):
        got = await some.tokens(await some.client(), resource="https://api.example")
        assert (await some.inside(got["access_token"])).audience == ("https://api.example",)
        if opens:
            assert (await asked(some, got["access_token"]))["sub"] == some.person.subject
        else:
            assert await refused(some, got["access_token"]) is No.INVALID_TOKEN


@meets("H-05")
@pytest.mark.parametrize("spelled", [f"{ISSUER}/userinfo", "HTTPS://AS.example/userinfo"])
async def test_a_token_that_names_userinfo_itself_opens_it_however_it_is_spelled(some: Scene, spelled: str) -> None:
    got = await some.tokens(await some.client(), resource=spelled)

    assert (await asked(some, got["access_token"]))["sub"] == some.person.subject


class Forgetful(MemoryStore):
    """The person is deleted between two reads."""

    gone = False

    async def person(self, id: bytes) -> Person | None:
        """Nobody, once told so."""
        return None if self.gone else await super().person(id)


async def test_a_person_who_is_gone_in_the_meantime_is_nobody(tmp_path: Path) -> None:
    store = Forgetful(chain_key=b"k" * 32, writer=b"w" * 8, now=lambda: START)
    some = await scene(await world(tmp_path, store))
    got = await some.tokens(await some.client())

    store.gone = True

    assert await refused(some, got["access_token"]) is No.INVALID_TOKEN
