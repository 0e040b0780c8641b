"""A person proves who they are, and nobody learns more from a failure than that it was one (OIDC Core §3.1.2.3, H-29)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.persons.interactions import LIFETIME, challenge
from calling_card.protocol.persons.people import LONGEST_NAME, LONGEST_PASSWORD, Passkey, Person
from calling_card.usecases.people.operate import set_active
from calling_card.usecases.people.sign_in import Proof, offer, sign_in, waiting
from tests.keys.device import Device
from tests.ledger import meets
from tests.passwords import QuickPasswords
from tests.usecases.guests import Guest, by_its_clock, new_browser, person_of
from tests.visitor import PASSWORD, somebody
from tests.world import ISSUER, World, world


@pytest.fixture
async def server(tmp_path: Path) -> World:
    made = await world(tmp_path, sign_in_rate=0)
    await somebody(made)
    return made


def passwords(server: World) -> QuickPasswords:
    made = server.ports.passwords
    assert isinstance(made, QuickPasswords)
    return made


async def failed(guest: Guest, name: str = "alice", password: str = PASSWORD, *, passkey: str = "", form: str = "") -> Refusal:
    """Why a sign-in does not work; nothing was begun."""
    before = len(await guest.server.kinds())
    transaction = form or offer(guest.server.ports, guest.visit).transaction
    with pytest.raises(Refusal) as caught:
        await sign_in(guest.server.ports, guest.visit, Proof(transaction, name, password, passkey))
    assert "signed_in" not in (await guest.server.kinds())[before:]
    return caught.value


# ── Name and password ────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-32", "H-29")
async def test_a_session_begins_for_as_long_as_the_setting_says(server: World) -> None:
    guest = Guest(server)

    done = await guest.sign_in()

    present = await guest.present()
    assert present is not None
    session, now = present.session, server.clock()
    assert (present.person.name, session.amr, session.auth_time, session.created_at) == ("alice", "pwd", now, now)
    assert session.expires_at - now == done.lifetime == server.ports.settings.session_lifetime
    assert (session.browser, session.epoch, session.key) == ("Example/1.0", 0, 1)
    assert done.cookie.startswith("cc_sess")
    assert done.request == ""
    told = await server.told("signed_in")
    assert (told[0]["actor"], told[0]["request_id"]) == ("person", "r1")
    assert told[0]["body"] == {"person": present.person.subject, "amr": "pwd"}


@pytest.mark.parametrize("name", ["alice", "ALICE", "Alice", "  alice\t"])
async def test_a_name_may_be_typed_in_any_mix_of_upper_and_lower_case(server: World, name: str) -> None:
    guest = Guest(server)

    await guest.sign_in(name)

    present = await guest.present()
    assert present is not None
    assert present.person.name == "alice"


@pytest.mark.parametrize(
    "name, password",
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("alice", PASSWORD + " "),
        ("alice", PASSWORD.upper()),
        ("alice", PASSWORD + "x" * LONGEST_PASSWORD),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("alice\x00", PASSWORD),
        ("x" * (LONGEST_NAME + 1), PASSWORD),
        ("alice" + " " * 200 + "x", PASSWORD),
        ("аlice", PASSWORD),
    ],
    ids=ascii,
)
async def test_every_failure_looks_the_same_and_takes_one_comparison(server: World, name: str, password: str) -> None:
    passwords(server).compared.clear()

    refusal = await failed(Guest(server), name, password)

    assert (refusal.no, refusal.description) == (No.SIGN_IN_FAILED, "name and password: nobody can sign in with these")
    assert len(passwords(server).compared) == 1


async def test_a_disabled_person_looks_like_nobody(server: World) -> None:
    await set_active(server.ports, "alice", "tester", active=False)
    passwords(server).compared.clear()

    refusal = await failed(Guest(server))

    assert refusal.description == "name and password: nobody can sign in with these"
    assert passwords(server).compared == [""]


async def test_a_person_with_passkeys_only_has_no_empty_password(server: World) -> None:
    alice = await person_of(server)
    event = Event("password_changed", server.clock(), b"", "operator")
    assert await server.ports.store.change_person(alice, structs.replace(alice, password=""), event)

    for password in ("", PASSWORD):
        assert (await failed(Guest(server), password=password)).no is No.SIGN_IN_FAILED


async def test_failures_are_told_to_the_operator_without_the_name_of_nobody(server: World) -> None:
    await failed(Guest(server), "nobody")
    await failed(Guest(server), password="wrong")

    assert [event["body"].get("person") for event in await server.told("sign_in_failed")][:1] == [None]
    assert "nobody" not in str(await server.told("sign_in_failed"))


async def test_a_hash_by_weaker_parameters_is_made_anew_at_the_next_sign_in(server: World) -> None:
    before = await person_of(server)
    passwords(server).old.add(before.password)

    guest = Guest(server)
    await guest.sign_in()

    after = await person_of(server)
    assert after.password != before.password
    assert after.epoch == before.epoch
    assert [event["body"]["by"] for event in await server.told("password_changed")] == ["server"]
    assert await guest.present() is not None
    await Guest(server).sign_in()


async def test_when_somebody_else_changes_the_person_at_that_moment_the_sign_in_still_holds(
    server: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords(server).old.add((await person_of(server)).password)

    async def changed(before: Person, after: Person, event: Event) -> bool:
        return False

    monkeypatch.setattr(server.ports.store, "change_person", changed)
    guest = Guest(server)
    await guest.sign_in()

    assert await guest.present() is not None


async def test_when_too_many_sign_in_the_person_is_asked_to_wait(server: World) -> None:
    passwords(server).busy = True

    refusal = await failed(Guest(server))

    assert (refusal.no, refusal.retry_after) == (No.UNAVAILABLE, 2)


async def test_a_person_who_is_disabled_while_the_password_is_compared_is_not_signed_in(
    server: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = passwords(server).fits

    async def slow(kept: str, password: str) -> bool:
        fits = await compare(kept, password)
        await set_active(server.ports, "alice", "tester", active=False)
        return fits

    monkeypatch.setattr(passwords(server), "fits", slow)

    assert (await failed(Guest(server))).no is No.SIGN_IN_FAILED


# ── Too many tries ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_ten_tries_a_minute_at_one_name_from_one_network(tmp_path: Path) -> None:
    server = by_its_clock(await world(tmp_path))
    await somebody(server)
    guest, neighbour = Guest(server), Guest(server)
    far = Guest(server, structs.replace(new_browser(), source="198.51.100.1"))
    for n in range(10):
        assert (await failed(guest, ["alice", "ALICE", " alice"][n % 3], "wrong")).no is No.SIGN_IN_FAILED

    for one in (guest, neighbour):
        refusal = await failed(one)
        assert refusal.no is No.TOO_MANY_REQUESTS
        assert refusal.retry_after == 7
    assert (await failed(guest, "bob")).no is No.SIGN_IN_FAILED
    await far.sign_in()
    server.clock.forward(7)
    await guest.sign_in()


async def test_a_hundred_tries_a_minute_from_one_network_or_at_one_name(tmp_path: Path) -> None:
    server = by_its_clock(await world(tmp_path))
    await somebody(server)
    crowd = Guest(server)
    for n in range(100):
        assert (await failed(crowd, f"name{n}")).no is No.SIGN_IN_FAILED

    assert (await failed(crowd, "alice")).no is No.TOO_MANY_REQUESTS
    for n in range(99):  # one try of the budget of the name went with the crowd's last
        await failed(Guest(server, structs.replace(new_browser(), source=f"n{n}")), "alice", "wrong")
    assert (await failed(Guest(server, structs.replace(new_browser(), source="last")), "alice")).no is No.TOO_MANY_REQUESTS


async def test_a_name_without_end_does_not_fill_the_memory_of_the_budgets(server: World) -> None:
    causes: list[str] = []

    class Heard:
        def take(self, cause: str) -> int:
            causes.append(cause)
            return 0

    server.ports = replace(server.ports, sign_ins=Heard(), crowds=Heard())
    await failed(Guest(server), "x" * 60_000)
    await failed(Guest(server), passkey="{}")

    assert max(map(len, causes)) < 200
    assert sorted(cause.partition("|")[0] for cause in causes) == [
        "name",
        "name and network",
        "name and network",
        "network",
        "network",
    ]


# ── The form ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-32", "X-54", "X-55", "X-85")
async def test_a_form_is_sent_by_the_browser_that_was_given_it_and_in_time(server: World) -> None:
    attacker, victim = Guest(server), Guest(server)
    form = offer(server.ports, attacker.visit, "client_id=x").transaction

    for guest in (victim, Guest(server, structs.replace(victim.visit, browser=b""))):
        assert (await failed(guest, form=form)).no is No.PAGE_EXPIRED
    assert (await failed(attacker, form="cc_tx_x")).no is No.PAGE_EXPIRED
    assert waiting(server.ports, attacker.visit, form).request == "client_id=x"
    server.clock.forward(LIFETIME)
    assert (await failed(attacker, form=form)).no is No.PAGE_EXPIRED
    with pytest.raises(Refusal):
        waiting(server.ports, attacker.visit, form)


@meets("A-32", "X-55")
async def test_every_sign_in_has_a_new_session_and_the_one_before_it_is_over(server: World) -> None:
    guest = Guest(server)
    await guest.sign_in()
    before, first = guest.visit, await guest.present()
    await guest.sign_in()
    second = await guest.present()

    assert first is not None
    assert second is not None
    assert first.session.id != second.session.id
    assert guest.visit.cookie != before.cookie
    assert await Guest(server, before).present() is None
    assert len(await server.ports.store.sessions(first.person.id)) == 1


@meets("A-32", "X-55")
async def test_somebody_else_signs_in_and_the_one_before_is_signed_out(server: World) -> None:
    await somebody(server, "bob")
    guest = Guest(server)
    await guest.sign_in("alice")
    alices = guest.visit
    await guest.sign_in("bob")

    present = await guest.present()
    assert present is not None
    assert present.person.name == "bob"
    assert await Guest(server, alices).present() is None
    assert (await server.told("signed_out"))[0]["body"] == {"person": (await person_of(server)).subject, "sessions": 1}


async def test_a_second_browser_is_a_second_session(server: World) -> None:
    one, other = Guest(server), Guest(server)
    await one.sign_in()
    await other.sign_in()

    assert len(await server.ports.store.sessions((await person_of(server)).id)) == 2


async def test_what_a_browser_calls_itself_is_kept_short(server: World) -> None:
    guest = Guest(server, structs.replace(new_browser(), agent="x" * 500))
    await guest.sign_in()

    present = await guest.present()
    assert present is not None
    assert present.session.browser == "x" * 120


# ── Passkeys ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def with_passkey(server: World, device: Device) -> Device:
    """Alice's, as if she had added it."""
    alice = await person_of(server)
    options = server.ports.passkeys.wanted(alice, b"c" * 32, [])
    made = server.ports.passkeys.registered(device.create(options), b"c" * 32)
    assert made is not None
    passkey = Passkey(alice.id, made.id, made.public_key, made.count, "phone", server.clock(), 0)
    assert await server.ports.store.add_passkey(passkey, Event("passkey_added", server.clock(), b"", "person"))
    return device


async def keys(server: World) -> Sequence[Passkey]:
    return await server.ports.store.passkeys((await person_of(server)).id)


async def test_a_passkey_signs_its_person_in_without_a_name(server: World) -> None:
    device = await with_passkey(server, Device(ISSUER, count=1))
    guest, alice = Guest(server), await person_of(server)
    server.clock.forward(60)

    offered = offer(server.ports, guest.visit, "client_id=x")
    answer = device.but(count=2).get(offered.passkey_options, alice.id)
    done = await sign_in(server.ports, guest.visit, Proof(offered.transaction, passkey=answer))

    guest.visit = structs.replace(guest.visit, cookie=done.cookie)
    present = await guest.present()
    assert present is not None
    assert (present.person.name, present.session.amr) == ("alice", "hwk user")
    assert done.request == "client_id=x"
    assert [(key.count, key.last_used_at) for key in await keys(server)] == [(2, server.clock())]


async def test_an_answer_to_another_form_or_by_another_device_is_refused(server: World) -> None:
    device = await with_passkey(server, Device(ISSUER))
    guest, alice = Guest(server), await person_of(server)
    first, second = (offer(server.ports, guest.visit) for _ in range(2))

    of_first = device.get(first.passkey_options, alice.id)
    for form, answer in (
        (second.transaction, of_first),
        (first.transaction, device.but(challenge=challenge(second.transaction)).get(first.passkey_options, alice.id)),
        (first.transaction, device.but(origin="https://evil.example").get(first.passkey_options, alice.id)),
        (first.transaction, device.but(signs_with=Device(ISSUER).key).get(first.passkey_options, alice.id)),
        (first.transaction, Device(ISSUER).get(first.passkey_options, alice.id)),
        (first.transaction, "{}"),
        (first.transaction, "not json"),
    ):
        refusal = await failed(guest, passkey=answer, form=form)
        assert (refusal.no, refusal.description) == (No.SIGN_IN_FAILED, "passkey: nobody can sign in with these")
    assert [(key.count, key.last_used_at) for key in await keys(server)] == [(0, 0)]


async def test_the_passkey_of_a_disabled_person_or_one_that_is_used_elsewhere_at_that_moment_is_refused(
    server: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await with_passkey(server, Device(ISSUER, count=1))
    guest, alice = Guest(server), await person_of(server)
    form = offer(server.ports, guest.visit)
    answer = device.but(count=2).get(form.passkey_options, alice.id)

    async def used(before: Passkey, after: Passkey) -> bool:
        return False

    with monkeypatch.context() as patched:
        patched.setattr(server.ports.store, "use_passkey", used)
        assert (await failed(guest, passkey=answer, form=form.transaction)).no is No.SIGN_IN_FAILED
    await set_active(server.ports, "alice", "tester", active=False)
    assert (await failed(guest, passkey=answer, form=form.transaction)).no is No.SIGN_IN_FAILED
    assert {event["body"]["amr"] for event in await server.told("sign_in_failed")} == {"hwk"}


async def test_where_passkeys_do_not_work_none_are_offered(tmp_path: Path) -> None:
    local = await world(tmp_path, issuer="http://127.0.0.1:8000")

    assert offer(local.ports, new_browser()).passkey_options == ""
