"""What ended since a backup is ended again, by the exported events; and lines that come in or do not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from calling_card.ports import Busy, Ports
from calling_card.protocol import base64url
from calling_card.protocol.errors import Refusal
from calling_card.protocol.events import Event, Recorded
from calling_card.protocol.life.webhooks import HERE, Webhook
from calling_card.protocol.moving import lines
from calling_card.protocol.moving.arrivals import Arrival
from calling_card.protocol.persons.people import Passkey, Role
from calling_card.store.chain import Chain
from calling_card.usecases.audit import CHAIN, new_writer
from calling_card.usecases.moving import Outcome, Way, admit, export, take
from calling_card.usecases.people import operate
from calling_card.usecases.restoring import Restored, Wanted, restore
from tests.world import World, beside, world

WAY = Way("olga", "test")


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path, sqlite=True)


def stream_of(ports: Ports, *events: Event) -> list[Recorded]:
    """Events of a writer whose work was lost."""
    writer = new_writer(1, b"losing")
    key = ports.keyring.mac(1, CHAIN, writer)
    assert key is not None
    chain = Chain(key, writer)
    return [chain.append(event) for event in events]


async def restored(server: World, *events: Event, known: dict[bytes, tuple[int, bytes]] | None = None, keep: bool = False) -> Restored:
    stream: Sequence[Recorded] = stream_of(server.ports, *events)
    return await restore(server.ports, Wanted("olga", 0, known or {}, stream, keep_initial=keep))


async def a_webhook(server: World) -> Webhook:
    made = Webhook(b"w" * 16, "https://hooks.example/x", (), "", "olga", 1, 1, 1, 0, 0, HERE)
    await server.ports.store.add_webhook(made, Event("webhook_added", 1, b"", "operator", body={"id": made.id.hex()}))
    return made


async def test_people_webhooks_and_what_was_taken_back_end_again(server: World) -> None:
    made = (await operate.add(server.ports, operate.Wanted("maria", "correct horse battery", {}, Role.NONE, "olga"))).person
    hook, card = await a_webhook(server), await server.register()
    row = await server.row(card)
    events = [
        Event("person_changed", 5, b"", "operator", body={"person": made.subject, "active": False}),
        Event("password_changed", 5, b"", "operator", body={"person": made.subject}),
        Event("password_changed", 5, b"", "operator", body={"person": base64url.encode(b"nobody")}),
        Event("webhook_removed", 5, b"", "operator", body={"id": hook.id.hex()}),
        Event("webhook_removed", 5, b"", "operator", body={"id": "00" * 16}),
        Event("client_revoked", 5, row.key, "operator"),
        Event("client_revoked", 5, b"x" * 16, "operator"),
        Event("client_replaced", 5, row.key, "client"),
        Event("client_replaced", 5, b"x" * 16, "client"),
        Event("grants_withdrawn", 5, row.key, "client", body={"person": made.subject}),
        Event("client_deleted", 5, b"x" * 16, "operator", body={"client_id": "nobody"}),
        Event("client_suspended", 5, b"y" * 16, "operator"),
        Event("person_changed", 6, b"", "operator", body={"person": base64url.encode(b"nobody"), "active": False}),
    ]

    found = await restored(server, *events)

    assert found.done == {
        "deleted": 0,
        "suspended": 0,
        "revoked": 1,
        "withdrawn": 0,
        "people": 1,
        "webhooks": 1,
        "initial_access_tokens": 0,
    }
    assert [line.split()[0] for line in found.look_at] == ["maria", card["client_id"]]
    assert (await server.row(card)).epoch == row.epoch + 1
    person = await server.ports.store.person(made.id)
    assert person is not None
    assert not person.active
    assert await server.ports.store.webhooks() == []
    [event] = await server.told("store_restored")
    assert event["body"]["covered"] is True


async def test_an_invitation_that_was_taken_back_stays_so_where_the_others_are_kept(server: World) -> None:
    await server.invitation(uses=3)
    await server.invitation(uses=3)
    one, _ = await server.ports.store.invitations(b"", 10)
    taken = [Event("initial_access_token_revoked", 5, b"", "operator", body={"id": id}) for id in (one.id.hex(), "00" * 16)]

    await restored(server, *taken, keep=True)

    assert [bool(found.revoked_at) for found in await server.ports.store.invitations(b"", 10)].count(True) == 1


async def test_a_client_that_was_suspended_already_is_not_suspended_twice(server: World) -> None:
    card = await server.register()
    row = await server.row(card)
    event = Event("client_suspended", 5, row.key, "operator")

    first, again = await restored(server, event), await restored(server, event)

    assert (first.done["suspended"], again.done["suspended"]) == (1, 0)


async def test_a_stream_that_ends_before_the_mark_covers_nothing(server: World) -> None:
    writer = new_writer(1, b"losing")

    found = await restored(server, Event("signed_in", 5, b"", "server"), known={writer: (9, b"")})

    assert (found.covered, found.lost) == (False, 9)
    assert found.row()["covered"] is False


async def test_a_stream_may_go_on_where_the_store_ends_and_not_behind_a_gap(server: World) -> None:
    await server.register()
    mine = await server.recorded()
    [writer] = {event.writer for event in mine}
    key = server.ports.keyring.mac(1, CHAIN, writer)
    assert key is not None
    chain = Chain(key, writer, (mine[-1].number, mine[-1].mac))
    following = [chain.append(Event("signed_in", 5, b"", "server")) for _ in range(3)]

    with pytest.raises(Refusal, match="was altered, or one is missing"):
        await restore(server.ports, Wanted("olga", 0, {}, following[1:]))
    found = await restore(server.ports, Wanted("olga", 0, {}, [mine[-1], *following]))

    assert found.covered


async def test_a_broken_audit_is_not_restored(server: World) -> None:
    class Broken:
        def __getattr__(self, name: str) -> object:
            return getattr(server.ports.keyring, name)

        def mac(self, number: int, kind: str, message: bytes) -> bytes | None:
            return b"x" * 32 if kind == CHAIN else server.ports.keyring.mac(number, kind, message)

    with pytest.raises(Refusal, match="does not hold"):
        await restore(replace(server.ports, keyring=Broken()), Wanted("olga", 0, {}))  # type: ignore[arg-type] # as far as it is asked


# ── Lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def out(server: World, *sorts: str) -> list[bytes]:
    return [line async for line in export(server.ports, sorts, "1", passwords=True)][1:]


async def test_webhooks_and_passkeys_come_in_once(server: World, tmp_path: Path) -> None:
    made = (await operate.add(server.ports, operate.Wanted("maria", "correct horse battery", {}, Role.NONE, "olga"))).person
    passkey = Passkey(made.id, b"credential", b"key", 0, "phone", 1, 0)
    await server.ports.store.add_passkey(passkey, Event("passkey_added", 1, b"", "server"))
    await a_webhook(server)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "keyring.json").write_bytes((tmp_path / "keyring.json").read_bytes())
    (tmp_path / "there" / "keyring.json").chmod(0o600)
    there = await beside(server, tmp_path / "there")

    found = await out(server, "people", "webhooks")
    did = [[(await take(there.ports, line, WAY)).did for line in found] for _ in range(2)]

    assert did == [["new"] * 3, ["same"] * 3]


@pytest.mark.parametrize(
    "line, did",
    [(b'{"kind":"moon"}', "skipped"), (b"{}", "skipped"), (b'{"kind":"person","name":"x"}', "refused"), (b'{"kind":"client"}', "refused")],
)
async def test_a_line_of_another_sort_is_passed_over(server: World, line: bytes, did: str) -> None:
    assert (await take(server.ports, line, WAY)).did == did


async def test_what_is_here_otherwise_stays(server: World) -> None:
    made = (await operate.add(server.ports, operate.Wanted("maria", "correct horse battery", {}, Role.NONE, "olga"))).person
    other = lines.line("person", structs.replace(made, id=b"o" * 16))
    changed = lines.line("person", structs.replace(made, claims={"name": "Maria"}, password=""))

    outcomes = [await take(server.ports, line, WAY) for line in (other, changed)]

    assert [outcome.notes[0] for outcome in outcomes] == ["somebody else has this name here", "it is here and differs; change it here"]


async def test_somebody_with_another_password_differs_and_somebody_without_one_in_the_file_does_not(server: World) -> None:
    made = (await operate.add(server.ports, operate.Wanted("maria", "correct horse battery", {}, Role.NONE, "olga"))).person
    other = structs.replace(made, password=await server.ports.passwords.hash("another horse battery"))

    outcomes = [
        await take(server.ports, lines.line("person", structs.replace(made, password=one)), WAY)
        for one in (other.password, "", made.password)
    ]

    assert [outcome.did for outcome in outcomes] == ["refused", "same", "same"]
    assert outcomes[0].notes == ("it is here and differs; change it here",)
    assert await server.ports.store.person(made.id) == made


async def test_a_client_of_another_life_or_route_does_not_come_in(server: World) -> None:
    row = await server.row(await server.register())
    url = structs.replace(row, route=type(row.route).CIMD, client_id="https://app.example/client.json")

    outcomes = [await take(server.ports, lines.client_line(one), WAY) for one in (structs.replace(row, incarnation=b"z" * 8), url)]

    assert [one.did for one in outcomes] == ["refused", "skipped"]
    assert outcomes[0].row()["kind"] == "client"


async def test_a_name_that_was_deleted_is_never_given_twice(server: World) -> None:
    card = await server.register()
    row = await server.row(card)
    await server.remove(card)

    outcome = await take(server.ports, lines.client_line(row), WAY)

    assert outcome.did == "refused"


async def test_others_may_be_faster(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row = await server.row(await server.register())
    other = structs.replace(row, metadata=msgspec.json.encode({**msgspec.json.decode(row.metadata), "client_name": "Other"}))

    async def never(*_: object) -> bool:
        return False

    monkeypatch.setattr(server.ports.store, "replace", never)
    outcome = await take(server.ports, lines.client_line(other), Way("olga", "test", replace=True))

    assert outcome.notes == ("others changed it at the same moment; import it again",)


# ── Secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def arrival(secret: str, method: str = "client_secret_basic") -> Arrival:
    members = {"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "openid", "token_endpoint_auth_method": method}
    return Arrival("old", dict[str, object](members), secret)  # type: ignore[arg-type] # JSON all the same


@pytest.mark.parametrize("secret", ["$2b$broken", "x" * 1025])
async def test_a_hash_that_cannot_be_compared_is_refused(server: World, secret: str) -> None:
    assert (await admit(server.ports, arrival(secret), WAY)).notes[0].startswith("client_secret: is too long, or a hash")


async def test_a_bcrypt_hash_needs_its_package(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        del name

    monkeypatch.setattr("calling_card.keys.slow_secrets.find_spec", missing)

    outcome = await admit(server.ports, arrival("$2b$04$" + "a" * 53), WAY)

    assert "calling-card[bcrypt]" in outcome.notes[0]


async def test_a_secret_that_must_be_known_itself_is_made_anew(server: World) -> None:
    outcome = await admit(server.ports, arrival("long enough to be a secret", "client_secret_jwt"), WAY)
    again: Outcome = await admit(server.ports, arrival("long enough to be a secret", "client_secret_jwt"), WAY)

    assert (outcome.did, again.did) == ("new", "same")
    assert any("client_secret_jwt needs the secret itself" in note for note in outcome.notes)


async def test_a_short_secret_is_told(server: World) -> None:
    assert any("short enough" in note for note in (await admit(server.ports, arrival("short"), WAY)).notes)


async def test_a_slow_comparison_that_finds_no_thread_is_tried_later(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await admit(server.ports, arrival("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$" + "a" * 43), WAY)

    async def busy(*_: object) -> bool:
        raise Busy("full")

    monkeypatch.setattr(server.ports.slow_secrets, "fits", busy)
    reply = await server.post_form("/token", {"grant_type": "client_credentials"}, ("old", "guess"))
    long = await server.post_form("/token", {"grant_type": "client_credentials"}, ("old", "g" * 1025))

    assert (reply.status, long.status) == (503, 401)


async def test_a_client_with_a_secret_of_ours_keeps_it(server: World) -> None:
    await admit(server.ports, arrival(""), WAY)
    before = await server.kept()

    outcome = await admit(server.ports, arrival("a secret of the other server"), WAY)

    assert outcome.did == "same"
    assert await server.kept() == before


async def test_a_name_that_was_taken_this_moment_is_not_taken_twice(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = (await operate.add(server.ports, operate.Wanted("maria", "correct horse battery", {}, Role.NONE, "olga"))).person

    async def taken(*_: object) -> bool:
        return False

    monkeypatch.setattr(server.ports.store, "add_person", taken)
    outcome = await take(server.ports, lines.line("person", structs.replace(made, id=b"o" * 16, name="mario")), WAY)

    assert outcome.notes == ("something else has its name here",)
