"""The question whether a client may, what a yes is about, and how long it is remembered (CREDENTIALS §8, D-42)."""

from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from calling_card.ports import Invitation
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import Client, Tier
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.persons.grants import Consent, Grant
from calling_card.protocol.persons.interactions import LIFETIME
from calling_card.protocol.persons.people import Role
from calling_card.usecases.authorize import Asked, begin, decide
from calling_card.usecases.operate import resume, suspend
from calling_card.usecases.people.operate import Wanted, add, reset, set_active
from tests.ledger import meets
from tests.store.examples import a_version
from tests.usecases.guests import Guest, answer, by_its_clock, needed, person_of, query, question, signed_in, stopped
from tests.visitor import PASSWORD, person_client, somebody
from tests.world import CALLBACK, World, body_of, rat, world

Card = Mapping[str, Any]
LOOPBACK = "http://127.0.0.1:4711/cb"
PRIVATE = "com.example.app:/cb"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return by_its_clock(await world(tmp_path, sign_in_rate=0))


@pytest.fixture
async def guest(server: World) -> Guest:
    return await signed_in(server)


@pytest.fixture
async def card(server: World) -> Card:
    return await person_client(server, client_name="Notes")


async def no_page(work: Awaitable[object], no: No = No.PAGE_EXPIRED) -> str:
    """Why a form is not taken."""
    with pytest.raises(Refusal) as caught:
        await work
    assert caught.value.no is no
    return caught.value.description


# ── The question ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-42", "R-85", "X-53")
async def test_the_question_says_who_asks_for_what_where_it_goes_and_who_is_asked(server: World) -> None:
    await add(server.ports, Wanted("bob", PASSWORD, {"name": "Bob Example"}, Role.NONE, "tester"))
    guest = Guest(server)
    await guest.sign_in("bob")
    card = await person_client(server, client_name="Notes", client_uri="https://app.example")

    asked = question(await guest.come(card, scope="openid email offline_access", resource="https://api.example/v1"))

    assert (asked.client.name, asked.client.vouched, asked.client.introduced_at) == ("Notes", "", server.clock())
    assert (asked.client.redirect_kind, asked.client.redirect_host) == ("web", "app.example")
    assert asked.client.links == (("client_uri", "https://app.example"),)
    assert asked.scopes == ("openid", "email", "offline_access")
    assert asked.resources == ("api.example",)
    assert (asked.person, asked.rememberable, asked.again) == ("Bob Example", True, False)


@meets("R-53")
async def test_the_name_is_in_the_language_that_the_request_or_else_the_browser_prefers(server: World, guest: Guest) -> None:
    card = await person_client(server, **{"client_name": "Notes", "client_name#ja": "メモ", "client_name#fr": "Carnet"})
    guest.visit = structs.replace(guest.visit, languages=("fr-CA", "en"))

    assert question(await guest.come(card)).client.name == "Carnet"
    assert question(await guest.come(card, ui_locales="ja-JP fr")).client.name == "メモ"
    assert question(await guest.come(card, ui_locales="xx")).client.name == "Carnet"


@meets("R-85", "D-42")
async def test_who_let_a_client_in_is_told(server: World, guest: Guest) -> None:
    invited = await server.register(
        await server.invitation(scope="openid", grants=("authorization_code",)), token_endpoint_auth_method="none", scope="openid"
    )

    assert question(await guest.come(invited)).client.vouched == "invitation"


@meets("A-33", "X-53")
async def test_without_a_remembered_yes_every_request_is_a_question(guest: Guest, card: Card) -> None:
    for _ in range(3):
        question(await guest.come(card))
        await guest.allow(card)


@meets("X-53")
async def test_twenty_questions_a_minute_are_enough(server: World, guest: Guest, card: Card) -> None:
    other = await person_client(server)
    bob = await signed_in(server, "bob")
    for _ in range(20):
        question(await guest.come(card))

    with pytest.raises(Refusal) as caught:
        await guest.come(card)
    assert caught.value.no is No.TOO_MANY_REQUESTS
    assert caught.value.retry_after == 4
    question(await guest.come(other))
    question(await bob.come(card))
    server.clock.forward(4)
    question(await guest.come(card))


@meets("A-33", "X-53")
async def test_a_client_cannot_say_of_itself_that_it_needs_no_yes(server: World, guest: Guest) -> None:
    sly = await person_client(
        server, first_party=True, skip_consent=True, trusted=True, require_consent=False, consent="implicit", software_id="ours"
    )

    question(await guest.come(sly))


@meets("D-42")
async def test_no_goes_back_to_the_client_whatever_it_did_before(server: World, guest: Guest, card: Card) -> None:
    kept = await server.kept()

    back = answer(await guest.decide(await guest.come(card), allow=False))

    assert back.members == {"error": "access_denied", "error_description": "the person said no", "state": "st", "iss": "https://as.example"}
    assert not back.click
    assert await server.kept() == kept
    question(await guest.come(card))


# ── Who may answer it ────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-32", "X-55", "X-85")
async def test_a_question_is_answered_in_the_browser_that_was_asked(server: World, guest: Guest, card: Card) -> None:
    asked = question(await guest.come(card))
    victim = await signed_in(server, "bob")
    same_person = Guest(server)
    await same_person.sign_in()
    kept = await server.kept()

    for other in (victim, same_person, Guest(server), Guest(server, structs.replace(victim.visit, cookie=guest.visit.cookie))):
        for allow in (True, False):
            assert await no_page(other.decide(asked, allow=allow)) == (
                "transaction: this form is too old, or was given to another browser; begin again in the application"
            )
    assert await server.kept() == kept
    assert "code" in answer(await guest.decide(asked)).members


@meets("A-32", "X-54", "X-55")
async def test_a_question_is_answered_by_the_sign_in_that_was_asked(server: World, guest: Guest, card: Card) -> None:
    await somebody(server, "bob")
    asked = question(await guest.come(card))
    alices = guest.visit

    await guest.sign_in("bob")
    as_bob = question(await guest.decide(asked))
    await guest.sign_in("alice")
    as_alice = question(await guest.decide(asked))
    guest.visit = structs.replace(alices, cookie="")
    needed(await guest.decide(asked))

    assert (as_bob.again, as_alice.again) == (True, True)
    assert as_bob.person != as_alice.person
    assert "grant_given" not in await server.kinds()
    assert answer(await guest.decide(asked, allow=False)).members["error"] == "access_denied"


@meets("A-32")
async def test_a_question_does_not_stay_open_for_ever(server: World, guest: Guest, card: Card) -> None:
    asked = question(await guest.come(card))

    server.clock.forward(LIFETIME - 1)
    assert "code" in answer(await guest.decide(asked)).members
    server.clock.forward(1)
    await no_page(guest.decide(asked))


@meets("A-32", "X-54")
@pytest.mark.parametrize("text", ["", "cc_tx_", "x" * 40000, "cc_tx_AQABAAAA"], ids=["none", "prefix", "long", "short"])
async def test_without_the_form_there_is_no_answer(server: World, guest: Guest, text: str) -> None:
    await no_page(decide(server.ports, guest.visit, text, allow=True, remember=True))


@meets("A-32")
async def test_a_sign_in_form_is_no_answer(server: World, card: Card) -> None:
    guest = await signed_in(server, "bob")
    form = needed(await guest.come(card, prompt="login")).offer.transaction

    await no_page(decide(server.ports, guest.visit, form, allow=True, remember=True))


async def test_a_disabled_person_or_a_reset_password_takes_the_question_back(server: World, guest: Guest, card: Card) -> None:
    bob = await signed_in(server, "bob")
    of_alice, of_bob = question(await guest.come(card)), question(await bob.come(card))

    await set_active(server.ports, "alice", "tester", active=False)
    await reset(server.ports, "bob", "another password", "tester")

    needed(await guest.decide(of_alice))
    needed(await bob.decide(of_bob))
    assert "grant_given" not in await server.kinds()


async def test_a_person_who_is_disabled_between_the_look_and_the_write_gives_nothing(
    server: World, guest: Guest, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = question(await guest.come(card))
    person = await person_of(server)
    store, give = server.ports.store, server.ports.store.give

    async def late(client: Client, grant: Grant, consent: Consent | None, event: Event) -> bool:
        gone = Event("person_changed", server.clock(), b"", "operator")
        await store.change_person(person, structs.replace(person, active=False, epoch=person.epoch + 1), gone)
        return await give(client, grant, consent, event)

    monkeypatch.setattr(store, "give", late)
    await no_page(guest.decide(asked))

    assert "grant_given" not in await server.kinds()


# ── What it was about ────────────────────────────────────────────────────────────────────────────────────────────────


CHANGES: list[dict[str, object]] = [
    {"client_name": "Bank"},
    {"client_name#ja": "銀行"},
    {"redirect_uris": [CALLBACK, "https://evil.example/cb"]},
    {"scope": "openid"},
    {"logo_uri": "https://app.example/logo.png"},
    {"token_endpoint_auth_method": "client_secret_basic"},
    {"jwks_uri": "https://app.example/jwks"},
]


@meets("D-42", "X-30")
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
async def test_a_client_that_changes_while_the_page_is_open_is_shown_again(
    server: World, guest: Guest, card: Card, change: dict[str, object]
) -> None:
    asked = question(await guest.come(card))

    await server.replaced(card, **change)
    again = question(await guest.decide(asked))

    assert again.again
    assert again.transaction != asked.transaction
    assert "grant_given" not in await server.kinds()
    assert "code" in answer(await guest.decide(again)).members


async def test_a_change_that_nobody_looks_at_does_not_ask_again(server: World, guest: Guest, card: Card) -> None:
    asked = question(await guest.come(card))

    await server.replaced(card, software_version="2", contacts=["a@app.example"])

    assert "code" in answer(await guest.decide(asked)).members


@meets("M-40", "H-14")
async def test_a_client_that_goes_while_the_page_is_open_gets_nothing(server: World, guest: Guest, card: Card) -> None:
    other = await person_client(server)
    of_card, of_other = question(await guest.come(card)), question(await guest.come(other))

    await server.remove(card)
    await suspend(server.ports, other["client_id"], "tester")

    for asked in (of_card, of_other):
        for allow in (True, False):
            await no_page(guest.decide(asked, allow=allow), No.UNKNOWN_CLIENT)
    await resume(server.ports, other["client_id"], "tester")
    assert "code" in answer(await guest.decide(of_other)).members


async def test_a_namesake_born_while_the_page_is_open_has_no_part_in_it(server: World, guest: Guest, card: Card) -> None:
    asked = question(await guest.come(card))
    row = await server.row(card)

    await server.remove(card)
    born = structs.replace(row, incarnation=b"another1")
    await server.ports.store.meet(born, a_version(born), Event("client_registered", server.clock(), row.key, "anonymous"))

    assert question(await guest.decide(asked)).again


@meets("A-12", "X-96")
async def test_a_redirect_uri_that_is_withdrawn_while_the_page_is_open_gets_nothing(server: World, guest: Guest, card: Card) -> None:
    asked = question(await guest.come(card))

    await server.replaced(card, redirect_uris=["https://app.example/other"])

    for allow in (True, False):
        await no_page(guest.decide(asked, allow=allow), No.INVALID_REDIRECT_URI)


async def test_a_request_that_became_wrong_while_the_page_is_open_is_shown_as_a_mistake(server: World, guest: Guest, card: Card) -> None:
    asked = question(await guest.come(card, resource="https://mcp.example"))

    await server.resource("https://api.example")
    shown = stopped(await guest.decide(asked))

    assert shown.refusal.no is No.INVALID_TARGET
    assert answer(await guest.decide(asked, allow=False)).members["error"] == "access_denied"


@meets("X-72", "X-107")
async def test_the_same_yes_twice_gives_two_codes_for_the_same_and_nothing_more(server: World, guest: Guest, card: Card) -> None:
    asked = question(await guest.come(card, scope="openid"))

    codes = {answer(await guest.decide(asked)).members["code"] for _ in range(2)}

    assert len(codes) == 2
    assert {event["body"]["scope"] for event in await server.told("grant_given")} == {"openid"}


# ── Remembering ──────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-33", "D-42")
async def test_a_remembered_yes_answers_the_same_request_and_says_that_nobody_was_asked(server: World, guest: Guest, card: Card) -> None:
    await guest.allow(card, remember=True, scope="openid email", resource="https://api.example")

    again = answer(await guest.come(card, scope="email openid", resource="https://api.example", state="other"))

    assert "code" in again.members
    assert [(event["body"]["remembered"], event["body"]["asked"]) for event in await server.told("grant_given")] == [
        (True, True),
        (False, False),
    ]


@meets("A-33")
@pytest.mark.parametrize(
    "params",
    [
        {"scope": "openid profile"},
        {"scope": "openid"},
        {"scope": ""},
        {"resource": "https://other.example"},
        {"resource": ""},
        {"redirect_uri": "https://app.example/other"},
        {"prompt": "consent"},
    ],
    ids=str,
)
async def test_a_remembered_yes_is_for_one_scope_set_resource_set_and_redirect(server: World, guest: Guest, params: dict[str, str]) -> None:
    card = await person_client(server, redirect_uris=[CALLBACK, "https://app.example/other"])
    usual = {"scope": "openid email", "resource": "https://api.example"}
    await guest.decide(await guest.come(card, **usual), remember=True)

    answer(await guest.come(card, **usual))
    question(await guest.come(card, **usual | params))


@meets("A-33")
async def test_a_remembered_yes_is_for_one_person_and_one_client(server: World, guest: Guest) -> None:
    card, twin = [await person_client(server, client_name="Notes", software_id="notes") for _ in range(2)]
    bob = await signed_in(server, "bob")
    await guest.allow(card, remember=True)

    question(await guest.come(twin))
    question(await bob.come(card))
    same_person = Guest(server)
    await same_person.sign_in()
    assert "code" in answer(await same_person.come(card)).members


@meets("M-36", "A-33")
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
async def test_a_change_of_what_people_looked_at_ends_a_remembered_yes(
    server: World, guest: Guest, card: Card, change: dict[str, object]
) -> None:
    await guest.allow(card, remember=True)

    assert not question(await guest.come(card, prompt="consent")).changed
    changed = await server.replaced(card, **change)
    assert question(await guest.come(changed)).changed

    gone = tuple(name for name in change if name not in card)
    reply = await server.put(changed, body_of(changed, gone, **{name: card[name] for name in change if name in card}), rat(changed))
    assert reply.status == 200
    assert "code" in answer(await guest.come(card)).members


@meets("D-42")
async def test_once_the_person_said_yes_to_the_changed_client_it_counts_as_seen(server: World, guest: Guest, card: Card) -> None:
    assert not question(await guest.come(card, scope="email")).changed
    await guest.allow(card, remember=True)
    server.clock.forward(60)
    await server.replaced(card, client_name="Bank")
    asked = question(await guest.come(card))
    assert asked.changed

    await guest.decide(asked, remember=True)

    assert not question(await guest.come(card, scope="email")).changed
    bob = await signed_in(server, "bob")
    assert not question(await bob.come(card)).changed


@meets("M-36")
async def test_other_changes_do_not(server: World, guest: Guest, card: Card) -> None:
    await guest.allow(card, remember=True)

    await server.replaced(card, tos_uri="https://app.example/terms", contacts=["a@app.example"])

    assert "code" in answer(await guest.come(card)).members


@meets("H-08", "A-33")
@pytest.mark.parametrize("uri", [LOOPBACK, "http://localhost:1/cb", "http://[::1]:1/cb", PRIVATE])
async def test_a_yes_to_a_secretless_client_on_the_device_is_never_remembered(server: World, guest: Guest, uri: str) -> None:
    card = await person_client(server, redirect_uris=[uri], application_type="native")

    asked = question(await guest.come(card, redirect_uri=uri))
    assert not asked.rememberable
    await guest.decide(asked, remember=True)

    question(await guest.come(card, redirect_uri=uri))
    assert [event["body"]["remembered"] for event in await server.told("grant_given")] == [False]


@meets("H-08")
async def test_a_yes_kept_before_the_client_gave_up_its_secret_does_not_count(server: World, guest: Guest) -> None:
    card = await person_client(server, redirect_uris=[LOOPBACK], token_endpoint_auth_method="client_secret_basic")
    await guest.decide(await guest.come(card, redirect_uri=LOOPBACK), remember=True)
    answer(await guest.come(card, redirect_uri=LOOPBACK))

    without = ("introspection_endpoint_auth_method", "revocation_endpoint_auth_method")
    reply = await server.put(card, body_of(card, without, token_endpoint_auth_method="none"))
    assert reply.status == 200

    question(await guest.come(card, redirect_uri=LOOPBACK))


@meets("H-08")
async def test_a_yes_to_a_client_with_a_secret_is_remembered_whatever_the_port_of_the_day(server: World, guest: Guest) -> None:
    card = await person_client(server, redirect_uris=["http://127.0.0.1/cb"], token_endpoint_auth_method="client_secret_basic")

    await guest.decide(await guest.come(card, redirect_uri=LOOPBACK), remember=True)

    assert "code" in answer(await guest.come(card, redirect_uri="http://127.0.0.1:4712/cb")).members


@meets("H-08")
async def test_a_page_opened_for_one_port_is_no_yes_for_another(server: World, guest: Guest) -> None:
    card = await person_client(server, redirect_uris=["http://127.0.0.1/cb"])

    asked = question(await guest.come(card, redirect_uri=LOOPBACK))

    assert answer(await guest.decide(asked)).back.uri == LOOPBACK


async def test_a_yes_that_was_not_to_be_remembered_is_not(server: World, guest: Guest, card: Card) -> None:
    await guest.allow(card)

    assert not await server.ports.store.consents((await person_of(server)).id, await server.row(card))


async def test_a_withdrawn_yes_is_forgotten(server: World, guest: Guest, card: Card) -> None:
    await guest.allow(card, remember=True)
    row, person = await server.row(card), await person_of(server)

    await server.ports.store.withdraw(person.id, row.key, Event("grants_withdrawn", server.clock(), row.key, "person"))

    question(await guest.come(card))


# ── Private-use schemes ──────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-09", "D-41")
async def test_a_click_of_ours_precedes_every_redirect_to_a_private_use_scheme(server: World, guest: Guest) -> None:
    card = await person_client(server, redirect_uris=[PRIVATE], application_type="native", token_endpoint_auth_method="client_secret_basic")

    asked = question(await guest.come(card, redirect_uri=PRIVATE))
    assert (asked.client.redirect_kind, asked.client.redirect_host) == ("private", "com.example.app")
    assert not answer(await guest.decide(asked, allow=False)).click
    assert not answer(await guest.decide(asked, remember=True)).click
    assert answer(await guest.come(card, redirect_uri=PRIVATE)).click
    assert stopped(await guest.come(card, redirect_uri=PRIVATE, prompt="none login")).answer.click


@meets("H-09")
async def test_a_known_callback_without_a_dot_is_taken_and_clicked(server: World, guest: Guest) -> None:
    cursor = "cursor://anysphere.cursor-mcp/oauth/callback"
    card = await person_client(server, redirect_uris=[cursor, CALLBACK])

    asked = question(await guest.come(card, redirect_uri=cursor))

    assert (asked.client.redirect_kind, asked.client.redirect_host, asked.rememberable) == ("private", "cursor", False)
    for near in (
        cursor + "?x=1",
        cursor + "/",
        "cursor://anysphere.cursor-mcp/oauth/other",
        "cursor:",
        "CURSOR://anysphere.cursor-mcp/oauth/callback",
    ):
        await no_page(guest.come(card, redirect_uri=near), No.INVALID_REDIRECT_URI)


# ── Old records ──────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-20")
async def test_a_dangerous_redirect_uri_that_was_put_into_the_store_leads_nowhere(server: World, guest: Guest, card: Card) -> None:
    row = await server.row(card)
    broken = structs.replace(row, metadata=msgspec.json.encode(card_of(row) | {"redirect_uris": ["javascript:alert(1)", CALLBACK]}))
    await server.ports.store.replace(row, broken, None)

    await no_page(guest.come(card, redirect_uri="javascript:alert(1)"), No.INVALID_REDIRECT_URI)
    question(await guest.come(card))


async def test_an_operators_client_is_asked_for_too_and_vouched_for(server: World, guest: Guest, card: Card) -> None:
    row = await server.row(card)
    await server.remove(card)
    made = structs.replace(row, tier=Tier.ADMIN)
    await server.ports.store.meet(made, a_version(made), Event("client_registered", server.clock(), row.key, "operator"))

    assert question(await guest.come(card)).client.vouched == "operator"


async def test_a_client_whose_invitation_is_gone_is_judged_like_everybody(
    server: World, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    invited = await server.register(
        await server.invitation(scope="openid", grants=("authorization_code",)), token_endpoint_auth_method="none", scope="openid"
    )

    async def gone(id: bytes) -> Invitation | None:
        return None

    monkeypatch.setattr(server.ports.store, "invitation", gone)

    assert question(await guest.come(invited, scope="openid email")).scopes == ("openid", "email")


# ── Tabs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-107")
async def test_a_no_in_one_tab_does_not_spoil_the_yes_in_another(server: World, guest: Guest, card: Card) -> None:
    one, other = question(await guest.come(card, state="1")), question(await guest.come(card, state="2"))

    no, yes = answer(await guest.decide(one, allow=False)), answer(await guest.decide(other))

    assert (no.members["error"], no.members["state"]) == ("access_denied", "1")
    assert ("code" in yes.members, yes.members["state"]) == (True, "2")


@meets("H-15")
async def test_asking_the_same_again_changes_nothing_of_the_page_that_is_open(server: World, guest: Guest, card: Card) -> None:
    first = question(await guest.come(card))

    for _ in range(3):
        question(await begin(server.ports, Asked(query(card), guest.visit)))

    assert "code" in answer(await guest.decide(first)).members
