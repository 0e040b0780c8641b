"""A client introduces itself: what comes back, to whom, and that it lasts (RFC 7591 §3)."""

import base64
import json
import re
from pathlib import Path

import pytest

from calling_card.ports import KeyCollision, Registration, StoreUnavailable
from calling_card.protocol.clients import Client, Door, State, Tier
from calling_card.protocol.corridor import Passed
from calling_card.protocol.events import Event
from calling_card.protocol.handles.credentials import CLIENT_SECRET, REGISTRATION_ACCESS_TOKEN, Handle, read, write
from calling_card.store.memory import MemoryStore
from calling_card.usecases.operate import show
from calling_card.usecases.register import born
from tests.ledger import meets
from tests.world import CALLBACK, ISSUER, START, World, beside, changed, world


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


# ── What comes back ──────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-01", "R-07", "H-01")
async def test_a_stranger_gets_an_identifier_credentials_and_every_member_in_force(server: World) -> None:
    card = await server.register(client_name="Tea", grant_types=["authorization_code", "refresh_token"])

    assert card == {
        "client_id": card["client_id"],
        "client_secret": card["client_secret"],
        "client_secret_expires_at": 0,
        "client_id_issued_at": START,
        "registration_access_token": card["registration_access_token"],
        "registration_client_uri": f"{ISSUER}/register/{card['client_id']}",
        "redirect_uris": [CALLBACK],
        "client_name": "Tea",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "application_type": "web",
        "scope": "openid",
        "subject_type": "public",
        "id_token_signed_response_alg": "RS256",
        "require_auth_time": False,
        "request_uris": [],
        "post_logout_redirect_uris": [],
        "require_signed_request_object": False,
        "introspection_endpoint_auth_method": "client_secret_basic",
        "revocation_endpoint_auth_method": "client_secret_basic",
    }
    assert await server.kinds() == ["key_rotated", "client_registered"]


@meets("R-08", "X-104", "R-07")
async def test_a_value_that_is_not_served_is_replaced_and_told_in_the_answer_and_in_the_audit(server: World) -> None:
    device = "urn:ietf:params:oauth:grant-type:device_code"

    card = await server.register(grant_types=["authorization_code", device], scope="openid nonsense")

    [event] = await server.told("client_registered")
    assert (card["grant_types"], card["scope"]) == (["authorization_code"], "openid")
    assert [row[:3] for row in event["body"]["decision"]] == [
        ["grant_types", ["authorization_code", device], ["authorization_code"]],
        ["scope", "openid nonsense", "openid"],
    ]
    assert all(row[3] for row in event["body"]["decision"])


@meets("R-08", "X-104")
async def test_redirect_uris_come_back_in_the_order_and_spelling_they_were_sent(server: World) -> None:
    said = ["https://B.example/%7Ecb?x=%2f", "https://a.example/cb", "http://127.0.0.1:8080/cb"]

    card = await server.register(redirect_uris=said)

    assert card["redirect_uris"] == said


@meets("R-106")
async def test_without_a_scope_the_default_is_registered_and_shown(tmp_path: Path) -> None:
    server = await world(tmp_path, default_scope="openid profile")

    card = await server.register()

    assert card["scope"] == "openid profile"
    assert "offline_access" not in (await world(tmp_path / "other")).ports.settings.default_scope.split()


@meets("C-07")
@pytest.mark.parametrize(
    "said, default, kept",
    [
        (["authorization_code"], ("authorization_code", "refresh_token"), ["authorization_code"]),
        (None, ("authorization_code", "refresh_token"), ["authorization_code", "refresh_token"]),
        (None, ("authorization_code",), ["authorization_code"]),
    ],
)
async def test_a_list_of_grants_is_never_extended_and_the_default_is_a_setting(
    tmp_path: Path, said: list[str] | None, default: tuple[str, ...], kept: list[str]
) -> None:
    server = await world(tmp_path, default_grant_types=default)

    card = await server.register(grant_types=said)

    assert card["grant_types"] == kept


@meets("M-01")
async def test_without_management_there_is_neither_a_token_nor_a_place_to_use_it(tmp_path: Path) -> None:
    server = await world(tmp_path, management=False)

    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK]})

    assert reply.status == 201
    assert not {"registration_access_token", "registration_client_uri"} & set(reply.json)
    assert "location" not in reply.headers
    assert (await server.call("GET", f"/register/{reply.json['client_id']}")).status == 404


# ── Identifiers and secrets ──────────────────────────────────────────────────────────────────────────────────────────


@meets("R-103", "X-103", "X-71")
async def test_the_same_body_twice_makes_two_clients_that_cannot_read_each_other(server: World) -> None:
    one, other = await server.register(), await server.register()

    assert one["client_id"] != other["client_id"]
    assert one["client_secret"] != other["client_secret"]
    assert (await server.read(one, other["registration_access_token"])).status == 401
    assert (await server.read(one)).json["client_id"] == one["client_id"]


@meets("X-45", "R-90", "S3-31")
async def test_ten_thousand_identifiers_are_url_safe_and_all_different(server: World) -> None:
    passed = Passed({"redirect_uris": []}, b"", (), held=False)

    made = [born(server.ports, passed, Door.RFC7591, Tier.ANONYMOUS, None) for _ in range(10_000)]

    names = {client.client_id for client in made}
    assert len(names) == len({client.incarnation for client in made}) == 10_000
    assert all(re.fullmatch(r"c[A-Za-z0-9_-]{22}", name) for name in names)


@meets("R-90")
async def test_a_client_identifier_is_not_given_out_again_after_a_deletion(server: World) -> None:
    gone = await server.register()
    await server.remove(gone)

    others = [(await server.register())["client_id"] for _ in range(50)]

    assert gone["client_id"] not in others
    assert (await server.read(gone)).status == 401


async def test_a_card_that_waits_for_approval_is_held(server: World) -> None:
    passed = Passed({"redirect_uris": []}, b"", (), held=True)

    client = born(server.ports, passed, Door.RFC7591, Tier.ANONYMOUS, None)

    assert client.state is State.HELD


@meets("X-45", "C-15")
@pytest.mark.parametrize("name", ["mine", "https://a.example/client.json", "../register", 7, {}])
async def test_a_client_cannot_choose_its_identifier(server: World, name: object) -> None:
    code, why = await server.refusal(client_id=name)

    assert (code, why) == (
        "invalid_request",
        "client_id: the server chooses it; leave it out of a registration (RFC 7591 section 3.2.1)",
    )


async def test_what_only_the_server_sets_is_not_heard_in_a_registration(server: World) -> None:
    said = {
        "client_secret": "chosen",
        "client_id_issued_at": 1,
        "client_secret_expires_at": 1,
        "registration_access_token": "chosen",
        "registration_client_uri": "https://evil.example/",
    }

    card = await server.register(**said)

    assert not [name for name, value in said.items() if card[name] == value]


@meets("R-40", "S0-28")
async def test_a_public_client_gets_no_secret(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="none")

    assert not {"client_secret", "client_secret_expires_at"} & set(card)
    assert (await server.row(card)).secret is None


@meets("R-41", "S0-28", "S3-03")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
async def test_a_secret_is_issued_exactly_when_the_method_needs_one(server: World, method: str) -> None:
    card = await server.register(token_endpoint_auth_method=method)

    assert ("client_secret" in card) == (method != "none")
    assert ("client_secret_expires_at" in card) == (method != "none")


@meets("R-108")
@pytest.mark.parametrize(
    "member, alg",
    [("id_token_signed_response_alg", "HS256"), ("userinfo_signed_response_alg", "HS384"), ("request_object_signing_alg", "HS512")],
)
async def test_a_public_client_cannot_have_an_algorithm_with_a_shared_secret(server: World, member: str, alg: str) -> None:
    code, why = await server.refusal(token_endpoint_auth_method="none", **{member: alg})

    assert code == "invalid_client_metadata"
    assert why.startswith(f"{member}: ")


@meets("R-98", "S0-30")
async def test_a_secret_has_its_own_end_and_the_registration_outlives_it(tmp_path: Path) -> None:
    server = await world(tmp_path, secret_lifetime=3600)
    token = await server.invitation(scope="openid", grants=("client_credentials",))
    card = await server.register(token, redirect_uris=[], grant_types=["client_credentials"])
    assert (await server.token(card)).status == 200

    server.clock.forward(3600)

    assert card["client_secret_expires_at"] == START + 3600
    assert (await server.token(card)).no == (401, "invalid_client")
    assert (await server.read(card)).status == 200


@meets("R-101")
@pytest.mark.parametrize("method, kind", [("none", "public"), ("client_secret_post", "confidential")])
async def test_an_operator_sees_whether_a_client_is_public(server: World, method: str, kind: str) -> None:
    card = await server.register(token_endpoint_auth_method=method)

    assert (await show(server.ports, card["client_id"]))["client_type"] == kind


@meets("R-100", "C-32")
@pytest.mark.parametrize(
    "method, redirects, kind",
    [
        ("none", ["http://127.0.0.1/cb"], "native"),
        ("none", ["com.example.tea:/cb", "http://localhost:9/cb"], "native"),
        ("none", ["http://[::1]/cb", "https://a.example/cb"], "web"),
        ("client_secret_basic", ["http://localhost:9000/callback"], "web"),
    ],
)
async def test_a_public_client_that_stays_on_the_device_is_reported_as_native(
    server: World, method: str, redirects: list[str], kind: str
) -> None:
    card = await server.register(token_endpoint_auth_method=method, redirect_uris=redirects)

    assert card["application_type"] == kind


@meets("R-100")
async def test_by_setting_every_client_that_does_not_say_otherwise_is_of_the_web(tmp_path: Path) -> None:
    server = await world(tmp_path, infer_native=False)

    card = await server.register(token_endpoint_auth_method="none", redirect_uris=["http://127.0.0.1/cb"])

    assert card["application_type"] == "web"


@meets("R-104")
async def test_a_software_statement_is_no_client_identifier(server: World) -> None:
    statement = "eyJhbGciOiJSUzI1NiJ9.eyJzb2Z0d2FyZV9pZCI6InQifQ.c2lnbmF0dXJl"

    asked = await server.post_form("/token", {"grant_type": "client_credentials", "client_id": statement})
    managed = await server.call("GET", f"/register/{statement}", headers={"authorization": "Bearer x"})

    assert asked.no == (401, "invalid_client")
    assert managed.no == (401, "invalid_token")


# ── What a refusal says ──────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-18", "S1-53")
@pytest.mark.parametrize("name", ['"quoted" \\ \u00e9\u202e', "x" * 1000, "<script>alert(1)</script>", "a\nb"])
async def test_a_refusal_names_the_member_and_repeats_little_and_only_ascii(server: World, name: str) -> None:
    reply = await server.post_json("/register", {"redirect_uris": [name]})

    assert reply.no == (400, "invalid_redirect_uri")
    assert set(reply.json) == {"error", "error_description"}
    assert re.fullmatch(r"[ !#-\[\]-~]+", reply.why)
    assert reply.why.startswith("redirect_uris[0]: ")
    assert len(reply.why.partition("got ")[2]) <= 82


@meets("R-19")
async def test_all_problems_are_listed_and_the_first_by_a_fixed_order_is_the_answer(server: World) -> None:
    reply = await server.post_json(
        "/register", {"jwks": {"keys": []}, "jwks_uri": "https://a.example/k", "redirect_uris": ["https://a.example/#x"], "client_name": 1}
    )

    assert reply.no == (400, "invalid_client_metadata")
    assert [(row["error"], row["error_description"].partition(":")[0]) for row in reply.json["errors"]] == [
        ("invalid_client_metadata", "client_name"),
        ("invalid_redirect_uri", "redirect_uris[0]"),
        ("invalid_client_metadata", "jwks_uri"),
    ]
    assert reply.why == reply.json["errors"][0]["error_description"]


@meets("R-19", "H-27")
async def test_who_is_asking_is_settled_before_what_they_say(tmp_path: Path) -> None:
    server = await world(tmp_path, registration="token")
    wrong = {"content-type": "text/plain", "authorization": "Bearer nonsense"}
    right = {**wrong, "content-type": "application/json"}

    assert (await server.call("POST", "/register", b"{", wrong)).no == (415, "invalid_request")
    assert (await server.call("POST", "/register", b"x" * 70_000, right)).no == (413, "invalid_request")
    assert (await server.call("POST", "/register", b"{", right)).no == (401, "invalid_token")
    token = await server.invitation()
    assert (await server.call("POST", "/register", b"{", {**right, "authorization": f"Bearer {token}"})).no == (400, "invalid_request")


# ── Durable, or not at all ───────────────────────────────────────────────────────────────────────────────────────────


class FailingStore(MemoryStore):
    """A store that cannot take a registration, for one reason or another."""

    failure: Exception = StoreUnavailable("disk full")

    async def register(
        self, client: Client, event: Event, invitation: bytes | None, *, room: int = 0, single: bool = False
    ) -> Registration:
        raise self.failure


def failing(failure: Exception) -> FailingStore:
    store = FailingStore(chain_key=b"k" * 32, writer=b"failing1", now=lambda: START)
    store.failure = failure
    return store


@meets("R-94")
async def test_a_registration_that_could_not_be_stored_is_not_acknowledged_and_leaves_nothing(tmp_path: Path) -> None:
    server = await world(tmp_path, failing(StoreUnavailable("disk full")))

    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK]})

    assert reply.no == (503, "temporarily_unavailable")
    assert reply.headers["retry-after"] == "1"
    assert "disk" not in reply.why
    assert await server.kinds() == ["key_rotated"]


@meets("R-94")
async def test_when_the_answer_comes_another_process_sees_exactly_one_record(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)

    card = await server.register()

    other = await beside(server, tmp_path)
    assert [client.client_id for client in await other.ports.store.clients("", 10)] == [card["client_id"]]
    assert (await other.kinds()).count("client_registered") == 1
    for side in (server, other):
        await side.ports.store.close()


async def test_a_place_that_is_taken_by_another_client_is_an_alarm_and_no_overwriting(tmp_path: Path) -> None:
    server = await world(tmp_path, failing(KeyCollision("taken")))

    reply = await server.post_json("/register", {"redirect_uris": [CALLBACK]})

    assert reply.no == (500, "server_error")
    assert [line["alarm"] for line in server.lines if line["event"] == "client_key_collision"] == [True]


@meets("X-39", "R-24", "H-01")
async def test_no_credential_is_stored_told_or_logged(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)
    token = await server.invitation()

    card = await server.register(token, client_name="Tea")
    await server.post_json("/register", {"redirect_uris": [CALLBACK]}, token)

    credentials = [token, card["client_secret"], card["registration_access_token"]]
    await server.ports.store.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))
    assert b"Tea" in kept
    for credential in credentials:
        assert credential not in json.dumps(server.lines)
        assert credential.encode() not in kept
        assert base64.urlsafe_b64decode(credential[-43:] + "=")[-31:] not in kept


@meets("H-23")
async def test_a_credential_made_for_another_issuer_is_not_read(server: World) -> None:
    card = await server.register()
    ring, client = server.ports.keyring, await server.row(card)

    foreign = write(ring, "https://other.example", Handle(REGISTRATION_ACCESS_TOKEN, 1, client.key + client.incarnation, 1))
    swapped = write(ring, ISSUER, Handle(CLIENT_SECRET, 1, client.key + client.incarnation, 1))

    assert swapped == card["client_secret"]
    assert read(ring, ISSUER, REGISTRATION_ACCESS_TOKEN, foreign) is None
    assert (await server.read(card, foreign)).status == (await server.read(card, swapped)).status == 401


async def test_settings_of_a_running_world_can_be_changed_for_a_while(server: World) -> None:
    with changed(server, registration="closed"):
        assert (await server.tried())[0] == 403

    assert (await server.tried())[0] == 201
