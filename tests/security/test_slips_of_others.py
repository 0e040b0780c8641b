"""Slips of other servers of this kind, as their issue trackers tell them; each test bears the name of one that must not be ours."""

import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from calling_card.protocol.handles import credentials
from calling_card.usecases.operate import clients
from calling_card.usecases.prune import dry_run
from tests.addresses import document, publish, visitor
from tests.statements import Directory, trusting, written
from tests.visitor import Browser, Page, authorize_url, person_client, refresh, somebody, tokens
from tests.world import CALLBACK, World, body_of, rat, world

METADATA = "/.well-known/oauth-authorization-server"
INSIDE = "https://10.0.0.1/"
DAY = 86400


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


async def test_unknown_members_refuse_nobody_and_what_was_kept_is_told(server: World) -> None:
    card = await server.register(client_name="A", favourite_colour="green")

    assert card["client_name"] == "A"
    assert "favourite_colour" not in card


@pytest.mark.parametrize(
    "claims", [{"aud": "https://other.example"}, {"exp": 1}, {"iss": "https://stranger.example"}], ids=["audience", "time", "issuer"]
)
async def test_a_statement_is_not_taken_for_its_signature_alone(tmp_path: Path, claims: dict[str, object]) -> None:
    server = await trusting(tmp_path, written())

    code, _ = await server.refusal(software_statement=Directory().states(**claims))

    assert code in {"invalid_software_statement", "unapproved_software_statement"}


async def test_a_statement_with_a_jti_is_taken_once(tmp_path: Path) -> None:
    server = await trusting(tmp_path, written(once=True))
    statement = Directory().states()
    await server.register(software_statement=statement)

    code, _ = await server.refusal(software_statement=statement)

    assert code == "invalid_software_statement"


async def test_a_statement_counts_in_a_replacement_too(tmp_path: Path) -> None:
    server, directory = await trusting(tmp_path, written()), Directory()
    card = await server.register(software_statement=directory.states())

    replaced = await server.put(card, body_of(card, client_name="Fake", software_statement=directory.states(client_name="Official Cocoa")))

    assert (replaced.status, replaced.json["client_name"]) == (200, "Official Cocoa")


async def test_a_registration_access_token_is_compared_in_constant_time(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    card, compared = await server.register(), list[bytes]()

    def watched(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(credentials, "hmac", type("Watched", (), {"compare_digest": staticmethod(watched)}))
    forged = rat(card)[:-9] + ("A" if rat(card)[-9] != "A" else "B") + rat(card)[-8:]

    assert (await server.read(card, forged)).status == 401
    assert len(compared) == 1


async def test_a_registration_access_token_outlives_access_tokens_and_not_its_client(server: World) -> None:
    card = await server.register()
    server.clock.forward(365 * DAY)
    assert (await server.read(card)).status == 200

    await server.remove(card)

    assert (await server.read(card)).no == (401, "invalid_token")


@pytest.mark.parametrize(
    "setting, value, member",
    [
        ("client_id_metadata_documents", False, "client_id_metadata_document_supported"),
        ("client_discovery", False, "client_discovery_supported"),
        ("registration", "closed", "registration_endpoint"),
    ],
)
async def test_the_metadata_announce_nothing_that_is_off(tmp_path: Path, setting: str, value: object, member: str) -> None:
    switched: dict[str, Any] = {setting: value}
    on, off = await world(tmp_path / "on"), await world(tmp_path / "off", **switched)

    announced = (await on.call("GET", METADATA)).json

    assert announced[member]
    assert not (await off.call("GET", METADATA)).json.get(member)


async def test_the_registration_endpoint_that_is_announced_is_the_one_that_registers(server: World) -> None:
    endpoint = (await server.call("GET", METADATA)).json["registration_endpoint"]

    assert (await server.post_json(endpoint, {"redirect_uris": [CALLBACK]})).status == 201


async def test_the_pruner_counts_hours_as_hours(server: World) -> None:
    await server.register()
    server.clock.forward(24 * 3600 - 60)
    assert await dead(server) == 0

    server.clock.forward(61)

    assert await dead(server) == 1


async def test_the_pruner_works_where_registration_needs_a_token(tmp_path: Path) -> None:
    server = await world(tmp_path, registration="token")
    await server.register(await server.invitation())
    server.clock.forward(400 * DAY)

    assert await dead(server) == 1


async def dead(server: World) -> int:
    """How many clients a prune would take now."""
    report = [report async for report in dry_run(server.ports)][-1]
    return sum(found.count for found in report.dead.values())


@pytest.mark.parametrize("member", ["jwks_uri", "sector_identifier_uri", "logo_uri"])
async def test_an_address_inside_a_document_is_held_to_the_rules_of_addresses(server: World, member: str) -> None:
    alice = await visitor(server)
    card = publish(server, **{member: INSIDE, **({"token_endpoint_auth_method": "private_key_jwt"} if member == "jwks_uri" else {})})

    reply = await alice.authorize(card)

    assert reply.status == 400
    assert server.strangers.asked == [card["client_id"]]


async def test_an_address_is_resolved_again_when_it_is_used(server: World) -> None:
    alice = await visitor(server)
    card = publish(server)
    await alice.allow(card)
    server.clock.forward(2 * DAY)

    await alice.authorize(card)

    assert server.strangers.asked.count(card["client_id"]) == 2


async def test_the_endpoint_for_json_asks_for_no_token_of_a_form(server: World) -> None:
    body = json.dumps(document() | {"client_id": None, "redirect_uris": [CALLBACK]}).encode()
    foreign = {"content-type": "application/json", "origin": "https://web.example", "sec-fetch-site": "cross-site"}

    assert (await server.call("POST", "/register", body, foreign)).status == 201


@pytest.mark.parametrize(
    "method, target, status",
    [("POST", "/register", 400), ("GET", "/register/nobody", 401), ("POST", "/token", 401), ("PATCH", "/register", 405)],
)
async def test_refusals_can_be_read_by_browsers_like_successes(server: World, method: str, target: str, status: int) -> None:
    headers = {"origin": "https://web.example", "content-type": "application/json" if "register" in target else FORM}

    reply = await server.call(method, target, b"{}" if "register" in target else b"grant_type=nonsense", headers)

    assert (reply.status, reply.headers["access-control-allow-origin"]) == (status, "*")


FORM = "application/x-www-form-urlencoded"


async def test_a_deletion_is_in_the_log_once(server: World) -> None:
    card = await server.register()

    await server.remove(card)

    assert [kind for kind in await server.kinds() if kind.startswith("client_")] == ["client_registered", "client_deleted"]


async def test_contacts_are_in_no_log(server: World) -> None:
    card = await server.register(contacts=["somebody@app.example"])
    await server.replace(card, contacts=["other@app.example"])

    told = json.dumps([json.loads(event.content) for event in await server.recorded()]) + json.dumps(server.lines, default=str)

    assert "somebody@app.example" not in told
    assert "other@app.example" not in told


async def test_a_self_introduced_client_is_never_without_consent(server: World) -> None:
    await somebody(server)
    card, alice = await person_client(server, skip_consent=True, require_consent=False), Browser(server)

    page = await alice.sign_in(await alice.authorize(card))

    assert "allow" in Page(page.body).ids


async def test_a_self_introduced_public_client_does_not_go_without_pkce(tmp_path: Path) -> None:
    server = await world(tmp_path, error_redirects="always")
    alice = await visitor(server)
    card = await person_client(server)

    refused = await alice.get(authorize_url(card, code_challenge="", code_challenge_method=""))

    assert "error=invalid_request" in refused.headers["location"]


@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
async def test_the_authentication_method_that_was_asked_for_is_in_force_and_told(server: World, method: str) -> None:
    card = await server.register(token_endpoint_auth_method=method)

    assert card["token_endpoint_auth_method"] == method
    assert ("client_secret" in card) == (method != "none")


async def test_a_client_that_named_no_scope_can_ask_for_more_later(server: World) -> None:
    await somebody(server)
    card = await server.register(token_endpoint_auth_method="none")

    had = await tokens(server, card, scope="openid profile")

    assert had["scope"] == "openid profile"


@pytest.mark.parametrize("listed, taken", [([CALLBACK, "https://more.example/cb"], True), (["https://more.example/cb"], False)])
async def test_every_redirect_uri_must_be_in_the_list_of_the_sector_and_not_the_other_way_round(
    server: World, listed: list[str], taken: bool
) -> None:
    server.strangers.serve("https://s.example/list", json.dumps(listed).encode())

    status, _ = await server.tried(sector_identifier_uri="https://s.example/list")

    assert (status == 201) is taken


async def test_a_list_goes_on_where_it_ended_and_leaves_nobody_out(server: World) -> None:
    made = sorted([(await server.register())["client_id"] for _ in range(7)])

    pages = [[line["client_id"] for line in await clients(server.ports, after, 3)] for after in ("", made[2], made[5])]

    assert pages == [made[:3], made[3:6], made[6:]]


def test_no_list_counts_or_skips_rows() -> None:
    folder = Path(__file__).parents[2] / "src" / "calling_card" / "store"
    written_down = "\n".join(file.read_text(encoding="utf-8") for file in folder.rglob("*.py"))

    assert "LIMIT" in written_down
    assert " OFFSET " not in written_down


async def test_a_client_has_all_grants_it_registered(server: World) -> None:
    await somebody(server)
    card = await server.register(token_endpoint_auth_method="none", grant_types=["authorization_code", "refresh_token"])
    had = await tokens(server, card)

    again = await refresh(server, card, had["refresh_token"])

    assert card["grant_types"] == ["authorization_code", "refresh_token"]
    assert again.status == 200
