"""A client sends a person: who must sign in, and for whom (OIDC Core §3.1.2.1, §3.1.2.3, §3.1.2.6)."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.keys.keyring import FileKeyring
from calling_card.keys.signing import JoseSigner
from calling_card.protocol.clients import Client
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles.credentials import AUTHORIZATION_CODE, SESSION, Handle, read, write
from calling_card.protocol.persons.authorization import answer_url
from calling_card.protocol.persons.grants import CODE_LIFETIME, Grant, Stage
from calling_card.protocol.persons.people import Person
from calling_card.store.memory import MemoryStore
from calling_card.usecases.operate import suspend
from calling_card.usecases.people.operate import reset, set_active
from calling_card.usecases.people.sign_in import offer
from tests.ledger import meets
from tests.usecases.guests import Guest, answer, needed, person_of, query, question, signed_in, stopped
from tests.visitor import CHALLENGE, exchange, person_client, somebody
from tests.world import CALLBACK, ISSUER, START, World, world

Card = Mapping[str, Any]


@pytest.fixture
async def server(tmp_path: Path) -> World:
    """One that sends every mistake back, so that each can be seen as the client would."""
    made = await world(tmp_path, error_redirects="always", sign_in_rate=0)
    made.ports.signer.know(await made.ports.store.signing_keys())
    return made


@pytest.fixture
async def card(server: World) -> Card:
    return await person_client(server)


async def given(server: World, code: str) -> Grant:
    """The grant behind a code."""
    handle = read(server.ports.keyring, ISSUER, AUTHORIZATION_CODE, code)
    assert handle is not None
    found = await server.ports.store.grant(handle.owner[:16], handle.owner[16:])
    assert found is not None
    return found[0]


def id_token(server: World, person: Person | str, /, **claims: object) -> str:
    """An ID token as this server would sign it."""
    subject = person.subject if isinstance(person, Person) else person
    said = {
        "iss": ISSUER,
        "sub": subject,
        "aud": "c1",
        "exp": server.clock() + 60,
        "iat": server.clock(),
        "auth_time": server.clock(),
        **claims,
    }
    return server.ports.signer.sign(said, "JWT", "RS256")


async def error_of(guest: Guest, card: Card, /, **params: str) -> str:
    """The error that goes back to the client."""
    back = answer(await guest.come(card, **params))
    assert "code" not in back.members
    assert back.members["iss"] == ISSUER
    return back.members["error"]


# ── Nobody is signed in ──────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-32", "A-95")
async def test_who_is_not_signed_in_is_asked_to_and_sees_who_sends_them(server: World) -> None:
    card = await person_client(server, client_name="Notes", policy_uri="https://app.example/privacy", tos_uri="https://app.example/terms")

    found = needed(await Guest(server).come(card, login_hint="alice@example.com"))

    assert (found.hint, found.switch, found.back.uri) == ("alice@example.com", False, CALLBACK)
    assert found.client.name == "Notes"
    assert found.client.links == (("policy_uri", "https://app.example/privacy"), ("tos_uri", "https://app.example/terms"))
    assert found.client.vouched == ""


@meets("H-15")
async def test_coming_and_looking_writes_nothing_however_often(server: World, card: Card) -> None:
    guest = await signed_in(server)
    kept = await server.kept()

    for who in (Guest(server), guest):
        for params in ({}, {"prompt": "none"}, {"prompt": "login"}, {"max_age": "0"}, {"scope": "nope"}, {"resource": "nope"}):
            for _ in range(3):
                await who.come(card, **params)

    assert await server.kept() == kept


@meets("H-15")
async def test_a_script_that_looks_first_takes_nothing_from_the_browser_that_comes_after(server: World, card: Card) -> None:
    script, guest = Guest(server), await signed_in(server)

    needed(await script.come(card))
    code = answer(await guest.decide(await guest.come(card))).members["code"]

    assert (await given(server, code)).stage is Stage.PENDING


# ── The whole way ────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-15", "A-16", "A-21", "A-23", "X-28")
async def test_after_sign_in_and_a_yes_a_code_goes_back_and_the_grant_says_what_was_allowed(server: World, card: Card) -> None:
    alice = await somebody(server)
    guest = Guest(server)
    params = {"scope": "openid email", "nonce": "n1", "resource": "https://API.example/"}

    asked_at = needed(await guest.come(card, **params)).offer.transaction
    server.clock.forward(30)
    done = await guest.prove(asked_at)
    server.clock.forward(30)
    asked = question(await guest.ask(done.request, asked_at))
    given_back = answer(await guest.decide(asked))

    assert given_back.members["state"] == "st"
    assert given_back.members["iss"] == ISSUER
    assert given_back.back.uri == CALLBACK
    grant = await given(server, given_back.members["code"])
    present = await guest.present()
    assert present is not None
    assert (grant.person, grant.scope, grant.resource, grant.nonce) == (alice.id, "openid email", "https://API.example/", "n1")
    assert (grant.redirect_uri, grant.code_challenge, grant.sid) == (CALLBACK, CHALLENGE, present.session.id)
    assert (grant.auth_time, grant.amr, grant.person_epoch) == (START + 30, "pwd", 0)
    assert (grant.created_at, grant.code_deadline) == (START + 60, START + 60 + CODE_LIFETIME)
    told = await server.told("grant_given")
    assert [event["body"] for event in told] == [
        {"person": alice.subject, "scope": "openid email", "resource": "https://API.example/", "remembered": False, "asked": True}
    ]


async def test_a_redirect_uri_that_was_left_out_is_left_out_of_the_grant(server: World) -> None:
    card = await person_client(server, scope="profile")
    guest = await signed_in(server)

    given_back = await guest.allow(card, redirect_uri="", scope="profile")

    assert given_back.back.uri == CALLBACK
    assert (await given(server, given_back.members["code"])).redirect_uri == ""


@meets("A-15")
async def test_without_a_state_none_comes_back(server: World, card: Card) -> None:
    guest = await signed_in(server)

    assert set((await guest.allow(card, state="")).members) == {"code", "iss"}


@meets("X-28", "A-16")
@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
async def test_every_answer_names_its_issuer(server: World, card: Card, mode: str) -> None:
    guest = await signed_in(server)

    for members in (
        (await guest.allow(card, response_mode=mode)).members,
        answer(await guest.decide(await guest.come(card, response_mode=mode), allow=False)).members,
        answer(await guest.come(card, response_mode=mode, prompt="none")).members,
        answer(await guest.come(card, response_mode=mode, resource="nope")).members,
    ):
        assert (members["iss"], members["state"]) == (ISSUER, "st")


@meets("X-107", "X-29")
async def test_two_requests_in_two_tabs_each_get_their_own_code(server: World) -> None:
    card = await person_client(server, redirect_uris=[CALLBACK, "https://app.example/other"])
    guest = await signed_in(server)

    one = question(await guest.come(card, state="1", scope="openid"))
    other = question(await guest.come(card, state="2", scope="email", redirect_uri="https://app.example/other"))
    second, first = answer(await guest.decide(other)), answer(await guest.decide(one))

    assert (first.back.uri, first.members["state"]) == (CALLBACK, "1")
    assert (second.back.uri, second.members["state"]) == ("https://app.example/other", "2")
    grants = [await given(server, found.members["code"]) for found in (first, second)]
    assert [(grant.redirect_uri, grant.scope) for grant in grants] == [(CALLBACK, "openid"), ("https://app.example/other", "email")]


async def test_sign_in_in_two_tabs_lets_both_go_on(server: World, card: Card) -> None:
    await somebody(server)
    guest = Guest(server)
    one, other = needed(await guest.come(card, state="1")), needed(await guest.come(card, state="2"))

    for tab in (one, other):
        done = await guest.prove(tab.offer.transaction)
        question(await guest.ask(done.request, tab.offer.transaction))

    present = await guest.present()
    assert present is not None
    assert [session.id for session in await server.ports.store.sessions(present.person.id)] == [present.session.id]


# ── Freshness ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-22")
@pytest.mark.parametrize("prompt", ["login", "select_account", "login consent", "select_account login"])
async def test_a_wish_for_a_new_sign_in_is_met_once_by_a_sign_in_made_for_it(server: World, card: Card, prompt: str) -> None:
    guest = await signed_in(server)
    server.clock.forward(5)

    asked = needed(await guest.come(card, prompt=prompt))
    assert asked.switch
    server.clock.forward(5)
    done = await guest.prove(asked.offer.transaction)

    question(await guest.ask(done.request, asked.offer.transaction))
    server.clock.forward(5)
    needed(await guest.come(card, prompt=prompt))


@meets("A-22", "A-23", "X-86")
async def test_the_form_of_another_request_or_of_another_browser_makes_no_sign_in_fresh(server: World, card: Card) -> None:
    guest, other = await signed_in(server), Guest(server)
    server.clock.forward(5)
    for_another = needed(await guest.come(card, prompt="login", state="other")).offer.transaction
    of_another = needed(await other.come(card, prompt="login")).offer.transaction
    for_account = offer(server.ports, guest.visit).transaction
    await guest.sign_in()
    server.clock.forward(5)

    for transaction in (for_another, of_another, for_account, "", "cc_tx_x"):
        needed(await guest.come(card, transaction, prompt="login"))


@meets("A-23")
async def test_a_sign_in_from_before_the_request_came_is_not_made_for_it(server: World, card: Card) -> None:
    guest = await signed_in(server)
    server.clock.forward(5)

    asked = needed(await guest.come(card, prompt="login")).offer.transaction

    needed(await guest.come(card, asked, prompt="login"))


@meets("A-22", "A-23")
async def test_a_form_that_is_shown_again_still_counts_from_when_the_request_came(server: World, card: Card) -> None:
    guest = await signed_in(server)
    server.clock.forward(5)
    first = needed(await guest.come(card, prompt="login")).offer.transaction
    server.clock.forward(5)

    again = needed(await guest.come(card, first, prompt="login")).offer.transaction
    await guest.prove(first)

    question(await guest.come(card, again, prompt="login"))


@meets("A-23")
async def test_a_sign_in_older_than_max_age_does_not_do(server: World, card: Card) -> None:
    guest = await signed_in(server)
    server.clock.forward(60)

    question(await guest.come(card, max_age="60"))
    server.clock.forward(1)
    asked = needed(await guest.come(card, max_age="60"))
    assert asked.switch

    done = await guest.prove(asked.offer.transaction)
    grant = await given(server, answer(await guest.decide(await guest.ask(done.request, asked.offer.transaction))).members["code"])
    assert grant.auth_time == START + 61


@meets("A-23")
async def test_max_age_0_asks_for_a_sign_in_and_a_slow_person_is_not_asked_twice(server: World, card: Card) -> None:
    guest = await signed_in(server)
    server.clock.forward(1)

    asked = needed(await guest.come(card, max_age="0"))
    server.clock.forward(100)
    done = await guest.prove(asked.offer.transaction)
    server.clock.forward(100)

    question(await guest.ask(done.request, asked.offer.transaction))


@meets("A-23")
async def test_the_default_of_the_client_counts_where_the_request_does_not_say(server: World) -> None:
    card = await person_client(server, default_max_age=60)
    guest = await signed_in(server)
    server.clock.forward(61)

    needed(await guest.come(card))
    question(await guest.come(card, max_age="61"))


# ── Nothing may be asked ─────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-22", "X-95")
async def test_prompt_none_is_answered_without_a_question_in_every_state(server: World, card: Card) -> None:
    nobody, guest = Guest(server), await signed_in(server)

    assert await error_of(nobody, card, prompt="none") == "login_required"
    assert await error_of(guest, card, prompt="none") == "consent_required"
    await guest.allow(card, remember=True)
    silent = answer(await guest.come(card, prompt="none"))
    assert "code" in silent.members
    assert not silent.click
    server.clock.forward(10)
    assert await error_of(guest, card, prompt="none", max_age="9") == "login_required"
    assert await error_of(guest, card, prompt="none", scope="openid email") == "consent_required"
    server.clock.forward(server.ports.settings.session_lifetime)
    assert await error_of(guest, card, prompt="none") == "login_required"


@meets("A-22")
async def test_prompt_none_with_max_age_0_wants_a_sign_in_as_soon_as_a_second_has_passed(server: World, card: Card) -> None:
    guest = await signed_in(server)
    await guest.allow(card, remember=True)
    server.clock.forward(1)

    assert await error_of(guest, card, prompt="none", max_age="0") == "login_required"


@meets("A-22", "A-25")
async def test_prompt_none_about_somebody_else_is_login_required(server: World, card: Card) -> None:
    guest, bob = await signed_in(server), await somebody(server, "bob")
    await guest.allow(card, remember=True)

    assert await error_of(guest, card, prompt="none", id_token_hint=id_token(server, bob)) == "login_required"
    assert "code" in answer(await guest.come(card, prompt="none", id_token_hint=id_token(server, await person_of(server)))).members


@meets("A-22", "H-09")
async def test_prompt_none_does_not_lead_to_an_application_of_the_device_without_a_click(server: World) -> None:
    private = await person_client(
        server,
        token_endpoint_auth_method="client_secret_basic",
        redirect_uris=["com.example.app:/cb"],
        application_type="native",
    )
    guest = await signed_in(server)
    first = await guest.allow(private, redirect_uri="com.example.app:/cb", remember=True)
    assert not first.click

    refused = answer(await guest.come(private, redirect_uri="com.example.app:/cb", prompt="none"))
    asked = answer(await guest.come(private, redirect_uri="com.example.app:/cb"))

    assert (refused.members["error"], refused.click) == ("interaction_required", True)
    assert "code" in asked.members
    assert asked.click


# ── Somebody in particular ───────────────────────────────────────────────────────────────────────────────────────────


@meets("A-25")
async def test_a_hint_at_the_person_who_is_there_changes_nothing(server: World, card: Card) -> None:
    guest = await signed_in(server)
    alice = await person_of(server)

    for hint in (id_token(server, alice), id_token(server, alice, exp=START - 1), id_token(server, alice, aud="somebody else")):
        question(await guest.come(card, id_token_hint=hint))
    question(await guest.come(card, claims=json.dumps({"id_token": {"sub": {"value": alice.subject}}})))


@meets("A-25")
@pytest.mark.parametrize("way", ["id_token_hint", "claims"])
async def test_a_hint_at_somebody_else_asks_them_to_sign_in_and_nobody_else_will_do(server: World, card: Card, way: str) -> None:
    guest, bob = await signed_in(server), await somebody(server, "bob")
    value = id_token(server, bob) if way == "id_token_hint" else json.dumps({"id_token": {"sub": {"value": bob.subject}}})
    server.clock.forward(5)

    asked = needed(await guest.come(card, **{way: value}))
    assert asked.switch
    wrong = await guest.prove(asked.offer.transaction, "alice")
    back = answer(await guest.ask(wrong.request, asked.offer.transaction))
    assert back.members["error"] == "login_required"

    right = await guest.prove(asked.offer.transaction, "bob")
    assert question(await guest.ask(right.request, asked.offer.transaction)).person == "bob"


@meets("A-25")
async def test_a_hint_that_we_did_not_issue_is_refused(server: World, card: Card, tmp_path: Path) -> None:
    alice, guest = await somebody(server), Guest(server)
    forger = JoseSigner(FileKeyring.create(tmp_path / "other.json", ISSUER, secrets.token_bytes, START))
    forger.know([forger.make("RS256", secrets.token_bytes, START)])
    claims = {"iss": ISSUER, "sub": alice.subject}
    head, body, mac = id_token(server, alice).split(".")
    forged = (
        forger.sign(claims, "JWT", "RS256"),
        id_token(server, alice, iss="https://other.example"),
        id_token(server, alice, sub=7),
        server.ports.signer.sign(claims, "at+jwt", "RS256"),
        server.ports.signer.sign({**claims, "aud": card["client_id"]}, "JWT", "RS256"),
        f"{head}.{body}.",
        f"{head}.{body}.{mac[:-4]}AAAA",
        "eyJhbGciOiJub25lIn0." + body + ".",
        "nonsense",
        "..",
    )

    for hint in forged:
        for prompt in ("", "none"):
            back = answer(await guest.come(card, id_token_hint=hint, prompt=prompt))
            assert back.members["error"] == "invalid_request"
            assert back.members["error_description"] == "id_token_hint: is no ID token of this server (OIDC Core section 3.1.2.1)"


@meets("A-25")
async def test_a_hint_and_a_claim_must_mean_the_same_person(server: World, card: Card) -> None:
    alice, bob, guest = await somebody(server), await somebody(server, "bob"), Guest(server)
    claims = json.dumps({"id_token": {"sub": {"value": bob.subject}}})

    assert await error_of(guest, card, id_token_hint=id_token(server, alice), claims=claims) == "login_required"
    needed(await guest.come(card, id_token_hint=id_token(server, bob), claims=claims))


# ── Sessions that do not count ───────────────────────────────────────────────────────────────────────────────────────


@meets("H-29", "X-55")
async def test_only_a_living_session_of_this_server_counts(server: World, card: Card, tmp_path: Path) -> None:
    elsewhere = await world(tmp_path / "elsewhere", sign_in_rate=0)
    stranger = await signed_in(elsewhere)
    guest = await signed_in(server)
    present = await guest.present()
    assert present is not None
    owner = present.session.person + present.session.id
    another_key = server.ports.keyring.rotate(secrets.token_bytes, START)

    for cookie in (
        "",
        "nonsense",
        stranger.visit.cookie,
        guest.visit.cookie[:-1] + ("A" if guest.visit.cookie[-1] != "A" else "B"),
        write(server.ports.keyring, ISSUER, Handle(SESSION, 1, owner, 2)),
        write(server.ports.keyring, ISSUER, Handle(SESSION, another_key, owner, 1)),
        write(server.ports.keyring, ISSUER, Handle(SESSION, 1, owner[:16] + bytes(16), 1)),
    ):
        needed(await Guest(server, structs.replace(guest.visit, cookie=cookie)).come(card))
    question(await guest.come(card))


async def test_a_disabled_person_is_not_there_and_a_reset_password_ends_the_session(server: World, card: Card) -> None:
    alice, bob = await signed_in(server), await signed_in(server, "bob")

    await set_active(server.ports, "alice", "tester", active=False)
    await reset(server.ports, "bob", "another password", "tester")

    needed(await alice.come(card))
    needed(await bob.come(card))
    await set_active(server.ports, "alice", "tester", active=True)
    needed(await alice.come(card))


async def test_a_session_ends_with_its_time(server: World, card: Card) -> None:
    guest = await signed_in(server)

    server.clock.forward(server.ports.settings.session_lifetime - 1)
    question(await guest.come(card))
    server.clock.forward(1)
    needed(await guest.come(card))


# ── Mistakes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


MISTAKES: list[tuple[dict[str, str], str]] = [
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": ""}, "invalid_request"),
    ({"response_mode": "jwt"}, "invalid_request"),
    ({"code_challenge": "", "code_challenge_method": ""}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"prompt": "none"}, "login_required"),
    ({"max_age": "soon"}, "invalid_request"),
    ({"nonce": "n" * 600}, "invalid_request"),
    ({"id_token_hint": "x"}, "invalid_request"),
    ({"resource": "http://api.example"}, "invalid_target"),
    ({"resource": "https://api.example#x"}, "invalid_target"),
    ({"resource": ISSUER}, "invalid_target"),
    ({"request": "x"}, "request_not_supported"),
    ({"request_uri": "https://app.example/r"}, "request_uri_not_supported"),
    ({"registration": "{}"}, "registration_not_supported"),
]
every_mistake = pytest.mark.parametrize("params, code", MISTAKES, ids=lambda value: str(value)[:40])


@meets("A-12", "A-22", "A-26", "A-30", "H-21", "X-93", "X-95")
@every_mistake
async def test_a_mistake_goes_back_to_a_client_that_is_known_and_is_shown_of_a_stranger(
    server: World, card: Card, params: dict[str, str], code: str
) -> None:
    guest = Guest(server)
    always = answer(await guest.come(card, **params))

    server.ports = replace(server.ports, settings=replace(server.ports.settings, error_redirects="known"))
    shown = stopped(await guest.come(card, **params))

    assert always.members["error"] == shown.refusal.no.code == code
    assert shown.answer == always
    assert always.back.uri == CALLBACK
    assert (always.members["state"], always.members["iss"]) == ("st", ISSUER)
    assert always.members["error_description"].isascii()


@meets("A-12", "X-93", "X-95", "X-96")
@every_mistake
async def test_with_an_unknown_client_or_redirect_uri_nothing_goes_anywhere(
    server: World, card: Card, params: dict[str, str], code: str
) -> None:
    guest = Guest(server)

    for lost, no in (
        ({"client_id": "nobody"}, No.UNKNOWN_CLIENT),
        ({"client_id": ""}, No.UNKNOWN_CLIENT),
        ({"redirect_uri": "https://evil.example/cb"}, No.INVALID_REDIRECT_URI),
        ({"redirect_uri": ""}, No.INVALID_REDIRECT_URI),
        ({"redirect_uri": CALLBACK + "?x=1"}, No.INVALID_REDIRECT_URI),
    ):
        with pytest.raises(Refusal) as caught:
            await guest.come(card, **{**params, **lost})
        assert caught.value.no is no


@meets("H-21")
async def test_the_development_profile_sends_every_mistake_back(tmp_path: Path) -> None:
    local = await world(tmp_path, issuer="http://127.0.0.1:8000", dev=True)

    back = answer(await Guest(local).come(await person_client(local), prompt="none"))

    assert back.members["iss"] == "http://127.0.0.1:8000"


@meets("H-21")
async def test_a_client_is_known_once_somebody_redeemed_its_code_or_when_somebody_let_it_in(tmp_path: Path) -> None:
    server = await world(tmp_path)
    stranger = await person_client(server)
    invited = await server.register(
        await server.invitation(scope="openid", grants=("authorization_code",)), token_endpoint_auth_method="none", scope="openid"
    )
    guest = await signed_in(server)

    stopped(await guest.come(stranger, prompt="none"))
    assert answer(await guest.come(invited, prompt="none")).members["error"] == "consent_required"
    code = (await guest.allow(stranger)).members["code"]
    stopped(await guest.come(stranger, prompt="none"))
    reply = await exchange(server, stranger, code)
    assert reply.status == 200
    assert answer(await guest.come(stranger, prompt="none")).members["error"] == "consent_required"


@meets("H-14", "M-40")
async def test_a_client_that_is_not_there_or_may_not_act_is_unknown_and_told_where_to_register_again(server: World, card: Card) -> None:
    guest = await signed_in(server)
    suspended = await person_client(server)
    await suspend(server.ports, suspended["client_id"], "tester")
    await server.remove(card)

    for client_id in (
        card["client_id"],
        suspended["client_id"],
        "nobody",
        "http://a.example",
        "\N{SNOWMAN}",
        "a.example https://b.example",
    ):
        with pytest.raises(Refusal) as caught:
            await guest.come({"client_id": client_id})
        assert caught.value.no is No.UNKNOWN_CLIENT
        assert caught.value.description == (
            "client_id: no such client; one that was removed may register again at https://as.example/register (RFC 6749 section 4.1.2.1)"
        )


@meets("X-45")
async def test_a_client_is_found_by_its_whole_name(server: World, card: Card) -> None:
    guest, row = Guest(server), await server.row(card)
    namesake = structs.replace(row, client_id="another")

    class Confused(MemoryStore):
        """Answers with somebody who lives at the same place."""

        async def client(self, key: bytes) -> Client | None:
            return namesake

    store = Confused(chain_key=bytes(32), writer=bytes(8), now=server.clock)
    server.ports = replace(server.ports, store=store)
    with pytest.raises(Refusal) as caught:
        await guest.come(card)

    assert caught.value.no is No.UNKNOWN_CLIENT


@meets("X-24")
async def test_the_port_of_the_day_cannot_make_a_redirect_lead_to_this_server(tmp_path: Path) -> None:
    local = await world(tmp_path, issuer="http://127.0.0.1:8000")
    card = await person_client(local, redirect_uris=["http://127.0.0.1/cb", "http://localhost:*/cb"])

    for own in ("http://127.0.0.1:8000/cb", "http://localhost:8000/cb"):
        with pytest.raises(Refusal) as caught:
            await Guest(local).come(card, redirect_uri=own)
        assert (caught.value.no, caught.value.description) == (
            No.INVALID_REDIRECT_URI,
            "redirect_uri: leads to this server itself",
        )
    assert needed(await Guest(local).come(card, redirect_uri="http://localhost:8001/cb")).back.uri == "http://localhost:8001/cb"


# ── What may be asked for ────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-03", "A-17")
async def test_a_step_up_beyond_the_registered_scope_is_a_question(server: World) -> None:
    card = await person_client(server, scope="openid")
    guest = await signed_in(server)
    await guest.allow(card, scope="", remember=True)

    assert "code" in answer(await guest.come(card, scope="openid")).members
    assert question(await guest.come(card, scope="openid email nope")).scopes == ("openid", "email")


@meets("H-03")
async def test_an_invitation_that_names_scopes_is_the_ceiling(server: World) -> None:
    invited = await server.register(
        await server.invitation(scope="openid", grants=("authorization_code",)), token_endpoint_auth_method="none", scope="openid"
    )
    guest = await signed_in(server)

    assert question(await guest.come(invited, scope="openid email")).scopes == ("openid",)


@meets("A-17", "H-16")
async def test_a_scope_that_nobody_knows_falls_back_to_the_registered_one_or_is_refused_in_the_strict_profile(
    server: World, tmp_path: Path
) -> None:
    strict = await world(tmp_path / "strict", profile="strict", error_redirects="always")
    lenient_guest, strict_guest = await signed_in(server), await signed_in(strict)

    assert question(await lenient_guest.come(await person_client(server, scope="openid"), scope="nope")).scopes == ("openid",)
    assert await error_of(strict_guest, await person_client(strict), scope="nope") == "invalid_scope"


@meets("A-17")
async def test_the_scopes_of_resource_servers_are_known_too(server: World, card: Card) -> None:
    await server.resource("https://api.example", "orders:read")
    guest = await signed_in(server)

    assert question(await guest.come(card, scope="orders:read orders:burn")).scopes == ("orders:read",)


@meets("A-30", "H-05")
async def test_resources_are_shown_by_host_and_only_known_ones_are_taken_once_there_are_some(server: World, card: Card) -> None:
    guest = await signed_in(server)
    free = query(card) + "&resource=https%3A%2F%2FAPI.example%2Fa&resource=https%3A%2F%2Fapi.example%2Fb&resource=https%3A%2F%2Fmcp.example"

    assert question(await guest.ask(free)).resources == ("api.example", "mcp.example")
    await server.resource("https://api.example", "orders:read")
    assert question(await guest.come(card, resource="HTTPS://API.example/")).resources == ("api.example",)
    assert question(await guest.come(card, resource=f"{ISSUER}/userinfo")).resources == ("as.example",)
    assert await error_of(guest, card, resource="https://mcp.example") == "invalid_target"
    assert await error_of(guest, card, resource=f"{ISSUER}/register") == "invalid_target"


@meets("A-101", "H-04")
async def test_offline_access_is_a_scope_like_others_and_needs_no_prompt(server: World, card: Card) -> None:
    guest = await signed_in(server)

    assert question(await guest.come(card, scope="openid offline_access")).scopes == ("openid", "offline_access")
    assert question(await guest.come(card, scope="openid offline_access", prompt="consent")).scopes == ("openid", "offline_access")


@meets("A-19")
async def test_a_setting_lets_clients_with_a_secret_go_without_a_challenge(tmp_path: Path) -> None:
    server = await world(tmp_path, pkce="public", error_redirects="always")
    confidential = await person_client(server, token_endpoint_auth_method="client_secret_basic")
    guest = await signed_in(server)

    question(await guest.come(confidential, code_challenge="", code_challenge_method=""))
    assert await error_of(guest, await person_client(server), code_challenge="", code_challenge_method="") == "invalid_request"


# ── What the operator is told ────────────────────────────────────────────────────────────────────────────────────────


@meets("A-98")
@pytest.mark.parametrize("same", ["challenge", "nonce"])
async def test_a_challenge_or_nonce_that_comes_again_and_again_is_reported(server: World, card: Card, same: str) -> None:
    guest = await signed_in(server)

    for n in range(6):
        assert "challenge_repeated" not in await server.kinds()
        fresh = secrets.token_urlsafe(32)
        params = {"nonce": f"n{n}"} if same == "challenge" else {"nonce": "always", "code_challenge": fresh}
        await guest.decide(await guest.come(card, **params))

    assert (await server.kinds()).count("challenge_repeated") == 1
    told = [event for event in await server.recorded() if event.kind == "challenge_repeated"]
    assert told[0].client_key == (await server.row(card)).key


async def test_the_answer_is_a_url_that_the_client_registered(server: World, card: Card) -> None:
    guest = await signed_in(server)

    back = await guest.allow(card)

    assert answer_url(back.back, back.members).startswith(CALLBACK + "?code=")
