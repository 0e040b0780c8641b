"""A client replaces its registration as a whole (RFC 7592 §2.2)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from calling_card.protocol.clients import Client
from calling_card.protocol.events import Event
from calling_card.store.memory import MemoryStore
from tests.ledger import meets
from tests.world import CALLBACK, SERVER_MEMBERS, START, World, body_of, changed, rat, world


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


@pytest.fixture(params=["memory", "sqlite"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A server on each kind of store."""
    some = await world(tmp_path, sqlite=request.param == "sqlite")
    yield some
    await some.ports.store.close()


@meets("M-28", "S1-19", "S1-20", "C-11", "M-31")
async def test_what_a_replacement_leaves_out_or_says_null_is_gone_or_default_again(tmp_path: Path) -> None:
    server = await world(tmp_path, extensions=("colour",))
    card = await server.register(
        client_name="A",
        tos_uri="https://app.example/tos",
        scope="openid profile",
        colour="red",
        grant_types=["authorization_code", "refresh_token"],
        require_auth_time=True,
        **{"client_name#fr": "B"},
    )

    new = await server.put(card, {"client_id": card["client_id"], "redirect_uris": [CALLBACK], "client_name": None})

    bare = await server.register()
    assert new.status == 200
    assert body_of(new.json, ("client_id", "client_secret")) == body_of(bare, ("client_id", "client_secret"))


@meets("M-28")
async def test_a_member_left_out_of_a_replacement_is_gone(server: World) -> None:
    card = await server.register(client_name="A")

    new = await server.replace(card, without="client_name")

    assert "client_name" not in new.json
    assert "client_name" not in (await server.read(new.json)).json


@meets("M-29")
async def test_sending_back_what_was_read_changes_nothing_but_the_token(either: World) -> None:
    card = await either.register(client_name="A", token_endpoint_auth_method="none", redirect_uris=["http://127.0.0.1/cb"])
    before = await either.row(card)

    new = await either.put(card, body_of((await either.read(card)).json))

    after = await either.row(card)
    assert {**new.json, "registration_access_token": ""} == {**card, "registration_access_token": ""}
    assert rat(new.json) != rat(card)
    assert structs.replace(after, rat=before.rat) == before


MEMBERS = st.fixed_dictionaries(
    {"redirect_uris": st.lists(st.sampled_from([CALLBACK, "http://127.0.0.1:1/cb", "com.example.tea:/cb", "https://b.example/?x=%2F"]))},
    optional={
        "client_name": st.text(max_size=20),
        "client_name#ja": st.text(max_size=20),
        "client_uri": st.sampled_from(["https://app.example", "http://app.example/a?b#c", ""]),
        "scope": st.lists(st.sampled_from(["openid", "profile", "email", "nonsense", ""])).map(" ".join),
        "grant_types": st.lists(st.sampled_from(["authorization_code", "refresh_token", "client_credentials", "implicit", "password"])),
        "response_types": st.lists(st.sampled_from(["code", "token", "code id_token", "none"])),
        "token_endpoint_auth_method": st.sampled_from(["none", "client_secret_basic", "client_secret_post", "private_key_jwt", ""]),
        "revocation_endpoint_auth_method": st.sampled_from(["none", "client_secret_basic", "client_secret_post"]),
        "token_endpoint_auth_signing_alg": st.sampled_from(["RS256", "HS256"]),
        "application_type": st.sampled_from(["web", "native", "other"]),
        "contacts": st.lists(st.sampled_from(["a@a.example", "b@b.example", "no address"])),
        "default_max_age": st.one_of(st.integers(-1, 2**32), st.none(), st.just("1")),
        "require_auth_time": st.one_of(st.booleans(), st.none()),
        "require_signed_request_object": st.booleans(),
        "post_logout_redirect_uris": st.lists(st.sampled_from([CALLBACK, "com.example.tea:/out"])),
        "request_uris": st.lists(st.sampled_from(["https://app.example/r#x", "http://app.example/r"])),
        "frontchannel_logout_session_required": st.booleans(),
        "frontchannel_logout_uri": st.just("https://app.example/out"),
        "id_token_signed_response_alg": st.sampled_from(["RS256", "ES256", "HS256", "none"]),
        "jwks_uri": st.just("https://app.example/keys"),
        "software_id": st.text(max_size=5),
        "nfv_token_signed_response_alg": st.just("ES256"),
        "colour": st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3), lambda s: st.lists(s, max_size=2)),
    },
)


@meets("M-29", "M-54")
@settings(max_examples=150, deadline=None)
@given(said=MEMBERS, invited=st.booleans())
def test_any_card_that_was_accepted_survives_being_read_and_sent_back(
    tmp_path_factory: pytest.TempPathFactory, said: dict[str, object], invited: bool
) -> None:
    async def life() -> None:
        server = await world(tmp_path_factory.mktemp("life"), extensions=("colour",))
        grants = ("authorization_code", "refresh_token", "client_credentials")
        token = await server.invitation(scope="openid profile", grants=grants) if invited else None
        reply = await server.post_json("/register", said, token)
        if reply.status != 201:
            return
        first = await server.read(reply.json)
        put = await server.put(reply.json, body_of(first.json))
        assert put.status == 200, (said, put.body)
        second = await server.read(put.json)
        assert reply.json == first.json
        assert {**put.json, "registration_access_token": ""} == {**first.json, "registration_access_token": ""}
        assert second.json == put.json

    asyncio.run(life())


@meets("M-23", "S1-18")
@pytest.mark.parametrize("named", [{}, {"client_id": None}])
async def test_a_replacement_must_name_the_client(server: World, named: dict[str, object]) -> None:
    card = await server.register()

    reply = await server.put(card, {"redirect_uris": [CALLBACK], **named})

    assert reply.no == (400, "invalid_request")
    assert reply.why == "client_id: a replacement must name it (RFC 7592 section 2.2)"


@meets("M-24", "S1-44")
@pytest.mark.parametrize("name", ["other", 1, [], ""])
async def test_a_replacement_that_names_another_client_changes_nothing_and_is_reported(server: World, name: object) -> None:
    card, other = await server.register(), await server.register()
    before = (await server.row(card), await server.row(other))

    reply = await server.put(card, body_of(card, client_id=other["client_id"] if name == "other" else name))

    assert reply.no == (400, "invalid_request")
    assert reply.why.startswith("client_id: is not the one of this registration")
    assert (await server.row(card), await server.row(other)) == before
    assert [event["body"] for event in await server.told("client_id_mismatch")] == [{"count": 1}]


@meets("M-27", "C-12", "S1-22", "S1-23", "S1-21")
@pytest.mark.parametrize("name", SERVER_MEMBERS)
async def test_a_member_that_only_the_server_sets_is_refused_by_name(server: World, name: str) -> None:
    card = await server.register()

    same = await server.put(card, {**body_of(card), name: card[name]})
    other = await server.put(card, {**body_of(card), name: 1})

    assert same.no == other.no == (400, "invalid_request")
    assert same.why == f"{name}: only the server sets it; leave it out of a replacement (RFC 7592 section 2.2)"
    assert (await server.read(card)).json == card


@meets("C-12")
async def test_by_setting_what_the_server_sets_may_be_repeated_but_not_changed(tmp_path: Path) -> None:
    server = await world(tmp_path, read_only_in_put="equal")
    card = await server.register()

    changed_one = await server.put(card, {**card, "client_id_issued_at": 1})
    same = await server.put(card, card)

    assert changed_one.no == (400, "invalid_request")
    assert same.status == 200


@meets("M-25", "S1-24", "H-01")
async def test_a_secret_in_a_replacement_must_be_the_clients_own(either: World) -> None:
    card, other = await either.register(), await either.register()

    for wrong in ("chosen-by-client", other["client_secret"], card["client_secret"] + "A", " ", 1, [card["client_secret"]]):
        reply = await either.put(card, body_of(card, client_secret=wrong))
        assert reply.no == (400, "invalid_request")
        assert reply.why.startswith("client_secret: is not the current one")
    right = await either.put(card, body_of(card))

    assert right.json["client_secret"] == card["client_secret"]


@meets("H-06", "M-26")
async def test_an_empty_secret_in_a_replacement_was_not_sent_unless_all_is_taken_strictly(tmp_path: Path) -> None:
    lenient = await world(tmp_path / "lenient")
    strict = await world(tmp_path / "strict", profile="strict")
    card, other = await lenient.register(), await strict.register()

    kept = await lenient.put(card, body_of(card, client_secret=""))
    refused = await strict.put(other, body_of(other, client_secret=""))

    assert (kept.status, kept.json["client_secret"]) == (200, card["client_secret"])
    assert refused.no == (400, "invalid_request")


@meets("M-25")
async def test_a_client_without_a_secret_has_none_to_repeat(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="none")

    reply = await server.put(card, body_of(card, client_secret="chosen"))

    assert reply.no == (400, "invalid_request")


@meets("M-26", "C-13", "S1-25")
async def test_without_a_secret_in_it_a_replacement_keeps_the_secret(server: World) -> None:
    card = await server.register()

    reply = await server.put(card, body_of(card, ("client_secret",)))

    assert reply.json["client_secret"] == card["client_secret"]


@meets("M-26", "C-13", "S1-25")
async def test_by_setting_a_replacement_without_a_secret_brings_a_new_one_and_the_old_goes_with_its_first_use(tmp_path: Path) -> None:
    server = await world(tmp_path, rotate_secret_on_update=True)
    card = await server.machine()

    named = await server.put(card, body_of(card))
    renewed = await server.put(named.json, body_of(named.json, ("client_secret",)))

    assert named.json["client_secret"] == card["client_secret"] != renewed.json["client_secret"]
    assert [event["body"].get("secret") for event in await server.told("client_replaced")] == [None, "renewed"]
    assert (await server.token(card)).status == 200
    assert (await server.token(renewed.json)).status == 200
    assert (await server.token(card)).no == (401, "invalid_client")
    assert "secret_confirmed" in await server.kinds()


async def test_while_two_secrets_live_a_replacement_may_name_either(tmp_path: Path) -> None:
    server = await world(tmp_path, rotate_secret_on_update=True)
    card = await server.register()
    renewed = (await server.put(card, body_of(card, ("client_secret",)))).json

    old = await server.put(renewed, body_of(renewed, client_secret=card["client_secret"]))
    new = await server.put(old.json, body_of(old.json, client_secret=renewed["client_secret"]))

    assert (old.status, new.status) == (200, 200)
    assert new.json["client_secret"] == renewed["client_secret"]


@meets("M-25", "H-02")
async def test_the_secret_before_is_not_the_current_one_when_its_time_beside_the_next_is_over(tmp_path: Path) -> None:
    server = await world(tmp_path, rotate_secret_on_update=True, secret_overlap=100)
    card = await server.register()
    renewed = (await server.put(card, body_of(card, ("client_secret",)))).json
    server.clock.forward(101)

    old = await server.put(renewed, body_of(renewed, client_secret=card["client_secret"]))
    new = await server.put(renewed, body_of(renewed))

    assert old.no == (400, "invalid_request")
    assert old.why.startswith("client_secret: is not the current one")
    assert new.status == 200


@meets("M-35", "C-08")
async def test_a_new_secret_is_told_once_even_where_secrets_are_kept_back(tmp_path: Path) -> None:
    server = await world(tmp_path, return_secret=False, rotate_secret_on_update=True)
    public = await server.register(token_endpoint_auth_method="none")
    server.clock.forward(1)

    first = (await server.put(public, {"client_id": public["client_id"], "redirect_uris": [CALLBACK]})).json
    server.clock.forward(1)
    again = (await server.put(first, body_of(first, ("client_secret",)))).json
    server.clock.forward(1)
    named = (await server.put(again, body_of(again))).json

    assert first["client_secret"] != again["client_secret"]
    assert "client_secret" not in named
    assert "client_secret" not in (await server.read(named)).json
    assert named["client_secret_expires_at"] == 0
    assert (await server.token({**named, "client_secret": again["client_secret"]})).no == (400, "unauthorized_client")


@meets("M-46", "C-08")
async def test_a_new_secret_whose_answer_was_lost_is_told_again_to_the_same_request(tmp_path: Path) -> None:
    server = await world(tmp_path, return_secret=False, rotate_secret_on_update=True)
    card = await server.register()
    server.clock.forward(1)
    body = body_of(card, ("client_secret",), client_name="B")

    lost = await server.put(card, body)
    server.clock.forward(30)
    again = await server.put(card, body)
    server.clock.forward(90)
    late = await server.put(card, body)

    assert lost.json["client_secret"] == again.json["client_secret"] == late.json["client_secret"]
    assert again.body == lost.body


@meets("M-46", "C-08")
async def test_a_repeated_request_that_brought_no_secret_brings_none(tmp_path: Path) -> None:
    server = await world(tmp_path, return_secret=False)
    card, public = await server.register(), await server.register(token_endpoint_auth_method="none")
    server.clock.forward(1)

    for one in (card, public):
        body = body_of(one, client_name="B")
        told = [(await server.put(one, body)).json for _ in range(2)]
        assert not [answer for answer in told if "client_secret" in answer]


@meets("M-26", "C-13")
@pytest.mark.parametrize("passed, renewed", [(0, False), (2000, False), (2700, True), (3600, True), (9000, True)])
async def test_a_secret_near_its_end_is_renewed_by_a_replacement_that_names_none(tmp_path: Path, passed: int, renewed: bool) -> None:
    server = await world(tmp_path, secret_lifetime=3600)
    card = await server.register()
    server.clock.forward(passed)

    reply = await server.put(card, body_of(card, ("client_secret",)))

    assert (reply.json["client_secret"] != card["client_secret"]) == renewed
    assert reply.json["client_secret_expires_at"] == START + 3600 + (passed if renewed else 0)


async def test_an_expired_secret_is_renewed_even_when_it_is_named(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_lifetime=3600)
    card = await server.machine()
    server.clock.forward(3600)

    reply = await server.put(card, body_of(card))

    assert reply.json["client_secret"] != card["client_secret"]
    assert (await server.token(reply.json)).status == 200
    assert (await server.token(card)).no == (401, "invalid_client")


@meets("M-35")
async def test_a_method_without_a_secret_withdraws_it_and_a_method_with_one_brings_a_new_one(either: World) -> None:
    card = await either.register()
    endpoints = {f"{name}_endpoint_auth_method": "none" for name in ("token", "introspection", "revocation")}

    public = await either.put(card, body_of(card, ("client_secret",), **endpoints))
    again = await either.put(public.json, body_of(public.json, **dict.fromkeys(endpoints, "client_secret_post")))
    back = await either.put(again.json, body_of(again.json, client_secret=card["client_secret"]))

    assert not {"client_secret", "client_secret_expires_at"} & set(public.json)
    assert again.json["client_secret"] != card["client_secret"]
    assert again.json["client_secret_expires_at"] == 0
    assert back.no == (400, "invalid_request")
    old = await either.post_form("/token", token_request(again.json, card["client_secret"]))
    new = await either.post_form("/token", token_request(again.json, again.json["client_secret"]))
    assert old.no == (401, "invalid_client")
    assert new.no == (400, "unauthorized_client")
    assert [event["body"].get("secret") for event in await either.told("client_replaced")] == ["withdrawn", "renewed"]


def token_request(card: Mapping[str, Any], secret: str) -> dict[str, str]:
    return {"grant_type": "client_credentials", "client_id": card["client_id"], "client_secret": secret}


@meets("M-35", "R-41")
async def test_a_client_born_without_a_secret_gets_its_first_with_a_method_that_needs_one(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="none")

    reply = await server.put(card, {"client_id": card["client_id"], "redirect_uris": [CALLBACK]})

    assert reply.json["token_endpoint_auth_method"] == "client_secret_basic"
    assert reply.json["client_secret"]


async def test_a_public_client_stays_without_a_secret(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="none")

    reply = await server.put(card, body_of(card, client_name="B"))

    assert "client_secret" not in reply.json
    assert (await server.row(card)).secret is None


@meets("M-32", "S1-38", "C-15")
@pytest.mark.parametrize(
    "members, code",
    [
        ({"redirect_uris": ["https://app.example/#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"client_name": 1}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"jwks": {"keys": []}, "jwks_uri": "https://app.example/k"}, "invalid_client_metadata"),
        ({"client_id": "x"}, "invalid_request"),
        ({"client_secret": "x"}, "invalid_request"),
        ({"registration_client_uri": "x"}, "invalid_request"),
    ],
)
async def test_a_refused_replacement_leaves_record_secret_and_token_as_they_were(
    either: World, members: dict[str, object], code: str
) -> None:
    card = await either.register()
    before = await either.row(card)

    reply = await either.put(card, body_of(card, **members))

    assert reply.no == (400, code)
    assert await either.row(card) == before
    assert (await either.read(card)).json == card


@meets("M-22", "R-04", "X-61", "X-62", "S1-17")
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":"\\ud800"}', b"\xef\xbb\xbf{}", b"[" * 5000]
)
async def test_a_replacement_is_read_as_strictly_as_a_registration(server: World, body: bytes) -> None:
    card = await server.register()

    reply = await server.call(
        "PUT", card["registration_client_uri"], body, {"authorization": f"Bearer {rat(card)}", "content-type": "application/json"}
    )

    assert reply.no == (400, "invalid_request")
    assert (await server.read(card)).json == card


@meets("M-30", "X-30", "R-29")
@pytest.mark.parametrize(
    "members, kept",
    [
        ({"scope": "openid profile"}, {"scope": "openid"}),
        ({"grant_types": ["client_credentials", "authorization_code"]}, {"grant_types": ["client_credentials"]}),
        ({"scope": "profile"}, {"scope": "openid"}),
    ],
)
async def test_what_an_invitation_allowed_is_the_ceiling_of_every_later_replacement(
    server: World, members: dict[str, object], kept: dict[str, object]
) -> None:
    token = await server.invitation(scope="openid", grants=("client_credentials",), hosts=("app.example",))
    card = await server.register(token, redirect_uris=[CALLBACK], grant_types=["client_credentials"])

    reply = await server.put(card, body_of(card, **members))
    host = await server.put(reply.json, body_of(reply.json, redirect_uris=["https://evil.example/cb"]))

    assert {name: reply.json[name] for name in kept} == kept
    assert host.no == (400, "invalid_redirect_uri")


@meets("M-30", "X-30")
async def test_a_stranger_cannot_replace_itself_into_power(server: World) -> None:
    card = await server.register()

    grants = await server.put(card, body_of(card, grant_types=["authorization_code", "client_credentials"]))
    alone = await server.put(grants.json, body_of(grants.json, grant_types=["client_credentials"], redirect_uris=[]))

    assert grants.json["grant_types"] == ["authorization_code"]
    assert alone.no == (400, "invalid_client_metadata")


@meets("M-30")
async def test_a_rule_that_became_stricter_since_is_the_one_that_counts(server: World) -> None:
    card = await server.register(scope="openid profile", colour="x")

    with changed(server, anonymous_scopes=("openid",)):
        reply = await server.put(card, body_of(card))

    assert reply.json["scope"] == "openid"


@meets("M-34", "X-30")
async def test_what_operators_set_can_be_neither_read_nor_written(server: World) -> None:
    card = await server.register(await server.invitation(hosts=("app.example",)))
    inside = ("trusted", "disabled", "owner", "skip_consent", "policy", "state", "tier", "door", "invitation", "epoch", "decision", "notes")
    before = await server.row(card)

    reply = await server.put(card, body_of(card, **dict.fromkeys(inside, "admin")))

    after = await server.row(card)
    assert reply.status == 200
    assert not set(inside) & set(reply.json)
    assert structs.replace(after, rat=before.rat) == before


@meets("M-31", "R-08")
async def test_a_value_that_is_replaced_is_told_in_the_answer_and_in_the_audit(server: World) -> None:
    card = await server.register()

    reply = await server.put(card, body_of(card, scope="openid nonsense", tos_uri="https://elsewhere.example"))

    [event] = await server.told("client_replaced")
    assert reply.json["scope"] == "openid"
    assert event["body"]["decision"][0][:3] == ["scope", "openid nonsense", "openid"]
    assert any("tos_uri" in text for text in event["body"]["warnings"])
    assert event["body"]["changed"] == ["tos_uri"]


@meets("M-38")
async def test_no_replacement_changes_how_people_are_known_to_a_client(server: World) -> None:
    card = await server.register()

    server.strangers.serve("https://app.example/sector.json", b'["https://app.example/cb"]')

    pairwise = await server.put(card, body_of(card, subject_type="pairwise"))
    sector = await server.put(card, body_of(card, sector_identifier_uri="https://app.example/sector.json"))

    assert pairwise.no == (400, "invalid_client_metadata")
    assert pairwise.why.startswith("subject_type: this server does not serve it (yet); it serves public")
    assert (sector.status, sector.json["subject_type"]) == (200, "public")


class CountingStore(MemoryStore):
    """A store that counts its writes."""

    writes = 0

    async def replace(self, before: Client, after: Client, event: Event | None) -> bool:
        self.writes += 1
        return await super().replace(before, after, event)


@meets("M-60")
async def test_a_replacement_is_one_write_and_a_read_is_none(tmp_path: Path) -> None:
    store = CountingStore(chain_key=b"k" * 32, writer=b"counting", now=lambda: START)
    server = await world(tmp_path, store)
    card = await server.register(jwks_uri="https://nowhere.invalid/keys")

    await server.read(card)
    read = store.writes
    await server.replaced(card, jwks_uri="https://nowhere.invalid/others")

    assert (read, store.writes) == (0, 1)
