"""What a person sees and changes of their own (DESIGN "People", CREDENTIALS §3)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.persons.interactions import LIFETIME, challenge
from calling_card.protocol.persons.people import LONGEST_PASSWORD, Passkey, Person
from calling_card.usecases.people.account import Account, Act, Done, act, show
from calling_card.usecases.people.operate import reset, set_active
from calling_card.usecases.people.sign_in import offer
from tests.keys.device import Device
from tests.ledger import meets
from tests.passwords import QuickPasswords
from tests.usecases.guests import Guest, by_its_clock, person_of, question, signed_in
from tests.visitor import PASSWORD, exchange, person_client, refresh
from tests.world import ISSUER, World, world

NEW = "another good password"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path, sign_in_rate=0, prompt_rate=0)


@pytest.fixture
async def guest(server: World) -> Guest:
    return await signed_in(server)


async def page(guest: Guest) -> Account:
    """The account page of whoever is signed in."""
    found = await show(guest.server.ports, guest.visit)
    assert found is not None
    return found


async def do(guest: Guest, what: str, **fields: Any) -> Done:  # noqa: ANN401 # the fields of Act, test by test
    """Send one form of the page; the browser keeps the cookie."""
    done = await act(guest.server.ports, guest.visit, Act((await page(guest)).transaction, what, **fields))
    if done.cookie:
        guest.visit = structs.replace(guest.visit, cookie=done.cookie)
    return done


async def refused(guest: Guest, what: str, **fields: Any) -> tuple[No, str]:  # noqa: ANN401 # as above
    """Why it is not done."""
    with pytest.raises(Refusal) as caught:
        await do(guest, what, **fields)
    return caught.value.no, caught.value.description


async def password(guest: Guest, current: str = PASSWORD, new: str = NEW, again: str = "") -> Done:
    return await do(guest, "password", current=current, new=new, again=again or new)


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_nobody_sees_an_account(server: World) -> None:
    assert await show(server.ports, Guest(server).visit) is None


async def test_the_page_shows_what_was_allowed_where_one_is_signed_in_and_how(server: World, guest: Guest) -> None:
    other = Guest(server)
    await other.sign_in()
    notes, music = await person_client(server, client_name="Notes"), await person_client(server, client_name="Music")
    for card, scope in ((notes, "openid"), (notes, "openid email"), (music, "openid")):
        assert (await exchange(server, card, (await guest.allow(card, scope=scope)).members["code"])).status == 200
    await guest.allow(await person_client(server, client_name="Never came"))

    found = await page(guest)

    assert found.person.name == "alice"
    assert {(client.client_id, len(grants)) for client, grants in found.allowed if len(grants) > 1} == {(notes["client_id"], 2)}
    assert music["client_id"] in {client.client_id for client, _ in found.allowed}
    assert len(found.sessions) == 2
    assert found.session.id in {session.id for session in found.sessions}
    assert found.passkeys == []
    assert "challenge" in found.passkey_options


async def test_where_passkeys_do_not_work_the_page_offers_none(tmp_path: Path) -> None:
    local = await signed_in(await world(tmp_path, issuer="http://127.0.0.1:8000"))

    found = await show(local.server.ports, local.visit)
    assert found is not None
    assert found.passkey_options == ""


# ── Who may send its forms ───────────────────────────────────────────────────────────────────────────────────────────


@meets("A-32", "X-54", "X-55")
async def test_a_form_of_the_page_is_sent_by_the_browser_and_sign_in_it_was_made_for(server: World, guest: Guest) -> None:
    transaction = (await page(guest)).transaction
    bob, nobody = await signed_in(server, "bob"), Guest(server)
    elsewhere = Guest(server)
    await elsewhere.sign_in()
    again = Guest(server, guest.visit)
    of_sign_in = offer(server.ports, guest.visit).transaction

    for who, form in (
        (bob, transaction),
        (nobody, transaction),
        (elsewhere, transaction),
        (guest, ""),
        (guest, of_sign_in),
        (guest, (await page(bob)).transaction),
        (Guest(server, structs.replace(guest.visit, cookie="")), transaction),
    ):
        with pytest.raises(Refusal) as caught:
            await act(server.ports, who.visit, Act(form, "sign_out"))
        assert caught.value.no is No.PAGE_EXPIRED
    await again.sign_in()
    with pytest.raises(Refusal):
        await act(server.ports, again.visit, Act(transaction, "sign_out"))


@meets("A-32")
async def test_a_form_of_the_page_does_not_stay_good_for_ever(server: World, guest: Guest) -> None:
    transaction = (await page(guest)).transaction
    server.clock.forward(LIFETIME)

    with pytest.raises(Refusal) as caught:
        await act(server.ports, guest.visit, Act(transaction, "sign_out"))
    assert caught.value.no is No.PAGE_EXPIRED


async def test_a_person_who_is_disabled_while_the_page_is_open_can_do_nothing(server: World, guest: Guest) -> None:
    transaction = (await page(guest)).transaction
    await set_active(server.ports, "alice", "tester", active=False)

    with pytest.raises(Refusal) as caught:
        await act(server.ports, guest.visit, Act(transaction, "password", current=PASSWORD, new=NEW, again=NEW))
    assert caught.value.no is No.PAGE_EXPIRED


@pytest.mark.parametrize("what", ["", "delete_account", "__init__", "Withdraw"])
async def test_what_the_page_does_not_know_is_refused(guest: Guest, what: str) -> None:
    no, why = await refused(guest, what)

    assert no is No.INVALID_REQUEST
    assert why.startswith("do: this page knows withdraw, end_session, sign_out")


# ── Taking back ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_withdrawn_is_over_at_once_and_asked_again(server: World, guest: Guest) -> None:
    card, other = await person_client(server), await person_client(server)
    first = (await exchange(server, card, (await guest.allow(card, remember=True)).members["code"])).json
    kept = (await exchange(server, other, (await guest.allow(other)).members["code"])).json
    pending = (await guest.allow(card)).members["code"]

    done = await do(guest, "withdraw", key=(await server.row(card)).key)

    assert (done.what, done.cookie) == ("withdrawn", "")
    assert (await exchange(server, card, pending)).no == (400, "invalid_grant")
    assert (await refresh(server, card, first["refresh_token"])).no == (400, "invalid_grant")
    assert (await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {first['access_token']}"})).status == 401
    assert (await refresh(server, other, kept["refresh_token"])).status == 200
    question(await guest.come(card))
    assert [client.client_id for client, _ in (await page(guest)).allowed] == [other["client_id"]]
    told = await server.told("grants_withdrawn")
    assert told[0]["body"] == {"person": (await person_of(server)).subject}


async def test_withdrawing_what_was_never_allowed_does_nothing(server: World, guest: Guest) -> None:
    card, bob = await person_client(server), await signed_in(server, "bob")
    await bob.allow(card, remember=True)

    for key in ((await server.row(card)).key, b"", b"x" * 16, b"x" * 500):
        assert (await do(guest, "withdraw", key=key)).what == "withdrawn"

    assert "grants_withdrawn" not in await server.kinds()
    assert "code" in (await bob.allow(card)).members


# ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_session_elsewhere_is_ended_by_its_owner_only(server: World, guest: Guest) -> None:
    other, bob = Guest(server), await signed_in(server, "bob")
    await other.sign_in()
    there, bobs = await other.present(), await bob.present()
    assert there is not None
    assert bobs is not None

    assert (await do(guest, "end_session", key=bobs.session.id)).what == "session_ended"
    assert await bob.present() is not None
    assert (await do(guest, "end_session", key=there.session.id)).what == "session_ended"
    assert await other.present() is None
    assert await guest.present() is not None


@pytest.mark.parametrize("what", ["sign_out", "end_session"])
async def test_signing_out_here_ends_this_session(server: World, guest: Guest, what: str) -> None:
    here = await guest.present()
    assert here is not None

    done = await do(guest, what, key=here.session.id if what == "end_session" else b"something else")

    assert done.what == "signed_out"
    assert await guest.present() is None


async def test_signing_out_everywhere_else_leaves_this_one(server: World, guest: Guest) -> None:
    others = [Guest(server) for _ in range(3)]
    for other in others:
        await other.sign_in()

    assert (await do(guest, "sign_out_elsewhere")).what == "sessions_ended"

    assert await guest.present() is not None
    assert [await other.present() for other in others] == [None] * 3


# ── The password ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_another_password_ends_every_other_session_and_every_token(server: World, guest: Guest) -> None:
    other = Guest(server)
    await other.sign_in()
    card = await person_client(server)
    got = (await exchange(server, card, (await guest.allow(card)).members["code"])).json
    before = guest.visit

    done = await password(guest)

    assert done.what == "password_changed"
    assert await guest.present() is not None
    assert await other.present() is None
    assert await Guest(server, before).present() is None
    assert (await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {got['access_token']}"})).status == 401
    assert (await refresh(server, card, got["refresh_token"])).no == (400, "invalid_grant")
    await Guest(server).sign_in("alice", NEW)
    with pytest.raises(Refusal):
        await Guest(server).sign_in("alice", PASSWORD)
    told = await server.told("password_changed")
    assert told[0]["body"] == {"person": (await person_of(server)).subject, "by": "person"}


async def test_the_new_session_keeps_when_the_person_signed_in(server: World, guest: Guest) -> None:
    before = await guest.present()
    server.clock.forward(600)
    await password(guest)

    after = await guest.present()
    assert before is not None
    assert after is not None
    assert after.session.id != before.session.id
    assert (after.session.auth_time, after.session.expires_at) == (before.session.auth_time, before.session.expires_at)


@pytest.mark.parametrize(
    "fields, problem",
    [
        ({"current": "wrong"}, "password_wrong"),
        ({"current": ""}, "password_wrong"),
        ({"again": "something else"}, "password_same"),
        ({"new": "seven77"}, "password_too_short"),
        ({"new": "x" * (LONGEST_PASSWORD + 1)}, "password_too_long"),
    ],
)
async def test_a_password_is_only_changed_by_who_knows_it_to_one_that_can_be_used(
    server: World, guest: Guest, fields: dict[str, str], problem: str
) -> None:
    before = await person_of(server)

    with pytest.raises(Refusal) as caught:
        await password(guest, **fields)

    assert (caught.value.no, caught.value.description) == (No.SIGN_IN_FAILED, problem)
    assert await person_of(server) == before
    assert await guest.present() is not None


async def test_who_has_no_password_may_choose_one(server: World, guest: Guest) -> None:
    alice = await person_of(server)
    assert await server.ports.store.change_person(alice, structs.replace(alice, password=""), Event("password_changed", 1, b"", "operator"))

    await password(guest, current="")

    await Guest(server).sign_in("alice", NEW)


async def test_tries_at_the_password_are_counted(tmp_path: Path) -> None:
    guest = await signed_in(by_its_clock(await world(tmp_path)))
    for _ in range(10):
        assert (await refused(guest, "password", current="wrong", new=NEW, again=NEW))[1] == "password_wrong"

    with pytest.raises(Refusal) as caught:
        await password(guest)
    assert caught.value.no is No.TOO_MANY_REQUESTS
    assert caught.value.retry_after > 0


async def test_when_too_many_sign_in_or_the_account_changes_elsewhere_the_person_is_asked_to_wait(
    server: World, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashing = server.ports.passwords
    assert isinstance(hashing, QuickPasswords)
    hashing.busy = True
    assert (await refused(guest, "password", current=PASSWORD, new=NEW, again=NEW))[0] is No.UNAVAILABLE
    hashing.busy = False

    async def changed(before: Person, after: Person, event: Event) -> bool:
        return False

    with monkeypatch.context() as patched:
        patched.setattr(server.ports.store, "change_person", changed)
        no, why = await refused(guest, "password", current=PASSWORD, new=NEW, again=NEW)
    assert (no, why) == (No.UNAVAILABLE, "the account is being changed elsewhere; try again")
    await Guest(server).sign_in()


# ── Passkeys ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def add_passkey(guest: Guest, device: Device, label: str = "") -> Done:
    found = await page(guest)
    sent = Act(found.transaction, "add_passkey", passkey=device.create(found.passkey_options), label=label)
    return await act(guest.server.ports, guest.visit, sent)


async def keys(server: World) -> Sequence[Passkey]:
    return await server.ports.store.passkeys((await person_of(server)).id)


@pytest.mark.parametrize("label, kept", [("  phone ", "phone"), ("", "Example/1.0"), ("x" * 100, "x" * 60)])
async def test_a_passkey_is_added_under_the_name_that_its_owner_gives(server: World, guest: Guest, label: str, kept: str) -> None:
    assert (await add_passkey(guest, Device(ISSUER), label)).what == "passkey_added"

    made = (await keys(server))[0]
    assert (made.label, made.created_at, made.last_used_at) == (kept, server.clock(), 0)
    assert "passkey_added" in await server.kinds()


async def test_only_an_answer_to_this_very_page_adds_a_passkey_and_each_one_once(server: World, guest: Guest) -> None:
    device, found = Device(ISSUER), await page(guest)
    first = device.create(found.passkey_options)

    for answer in (
        "",
        "{}",
        device.but(challenge=challenge("other")).create(found.passkey_options),
        device.but(origin="https://x").create(found.passkey_options),
    ):
        assert await refused(guest, "add_passkey", passkey=answer) == (No.SIGN_IN_FAILED, "passkey_failed")
    assert await refused(guest, "add_passkey", passkey=first) == (No.SIGN_IN_FAILED, "passkey_failed")
    await add_passkey(guest, device)
    with pytest.raises(Refusal):
        await add_passkey(guest, device)
    assert len(await keys(server)) == 1


async def test_twenty_passkeys_are_enough(server: World, guest: Guest) -> None:
    for _ in range(20):
        await add_passkey(guest, Device(ISSUER))

    with pytest.raises(Refusal) as caught:
        await add_passkey(guest, Device(ISSUER))
    assert caught.value.description == "passkey_failed"


async def test_a_passkey_is_removed_by_its_owner_unless_it_is_the_last_way_in(server: World, guest: Guest) -> None:
    bob = await signed_in(server, "bob")
    one, other = Device(ISSUER), Device(ISSUER)
    for device in (one, other):
        await add_passkey(guest, device)

    assert (await do(bob, "remove_passkey", key=one.id)).what == "passkey_removed"
    assert len(await keys(server)) == 2
    assert (await do(guest, "remove_passkey", key=one.id)).what == "passkey_removed"
    alice = await person_of(server)
    await server.ports.store.change_person(alice, structs.replace(alice, password=""), Event("password_changed", 1, b"", "operator"))
    assert await refused(guest, "remove_passkey", key=other.id) == (No.SIGN_IN_FAILED, "last_way")
    assert [passkey.id for passkey in await keys(server)] == [other.id]
    await add_passkey(guest, one)
    await do(guest, "remove_passkey", key=other.id)
    assert [passkey.id for passkey in await keys(server)] == [one.id]


async def test_a_reset_by_the_operator_ends_what_is_open(server: World, guest: Guest) -> None:
    transaction = (await page(guest)).transaction
    await reset(server.ports, "alice", NEW, "tester")

    with pytest.raises(Refusal) as caught:
        await act(server.ports, guest.visit, Act(transaction, "sign_out"))
    assert caught.value.no is No.PAGE_EXPIRED
