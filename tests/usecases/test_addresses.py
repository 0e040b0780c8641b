"""Clients that are an address: which URLs, which documents, client discovery, the customs of others (CIMD, seed 004; D-)"""

import json
from pathlib import Path
from typing import Any

import pytest

from calling_card.protocol.abroad.fetching import Why
from calling_card.protocol.clients import Route, Tier
from calling_card.store.budget import GcraBudget
from tests.addresses import HOST, URL, WELL_KNOWN, asked, discoverable, no, nobody, publish, the_client, told, visitor
from tests.ledger import meets
from tests.visitor import Browser, Page, answer_of, exchange, refresh, tokens
from tests.world import CALLBACK, World, changed, world

DAY = 86400


@pytest.fixture(params=["memory", "sqlite"])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return await world(tmp_path, sqlite=request.param == "sqlite")


# ── From the address to the token ────────────────────────────────────────────────────────────────────────────────────


@meets("D-01", "D-04", "D-21", "D-23", "D-58", "S4-01", "S4-07", "S4-08", "S4-11")
async def test_a_client_that_nobody_heard_of_is_read_at_its_address_and_gets_tokens(server: World) -> None:
    card = publish(server)
    browser = await visitor(server)

    consent = await asked(browser, card)
    answer = answer_of(await browser.decide(consent))
    reply = await exchange(server, card, answer["code"])

    assert "Notes" in consent.body.decode()
    assert server.strangers.asked == [URL]
    assert reply.status == 200
    assert {"access_token", "id_token", "refresh_token"} <= set(reply.json)
    client = await the_client(server)
    assert (client.tier, client.client_id, client.secret) == (Tier.URL, URL, None)
    assert "client_met" in await server.kinds()


@meets("D-62", "D-12")
async def test_tokens_name_the_client_by_its_url(server: World) -> None:
    card = publish(server)
    await visitor(server)

    given = await tokens(server, card)
    claims = server.ports.signer.verify(given["id_token"], "JWT") or {}

    assert claims["aud"] == URL
    who = await server.call("GET", "/userinfo", b"", {"authorization": f"Bearer {given['access_token']}"})
    assert who.status == 200


async def test_a_url_client_refreshes_and_gives_back(server: World) -> None:
    card = publish(server)
    await visitor(server)
    given = await tokens(server, card)

    again = await refresh(server, card, given["refresh_token"])
    back = await server.post_form("/revoke", {"client_id": URL, "token": again.json["refresh_token"]})
    dead = await refresh(server, card, again.json["refresh_token"])

    assert (again.status, back.status, dead.no) == (200, 200, (400, "invalid_grant"))


@meets("D-03")
@pytest.mark.parametrize("client_id", [URL, HOST])
async def test_with_both_ways_switched_off_nothing_is_fetched(tmp_path: Path, client_id: str) -> None:
    server = await world(tmp_path, client_id_metadata_documents=False, client_discovery=False)
    publish(server)
    discoverable(server)

    assert await no(server, client_id) == (400, "invalid_client")
    assert await no(server, client_id, client_discovery="true") == (400, "invalid_client")
    assert server.strangers.asked == []


@meets("D-38", "H-13", "S4-54")
async def test_the_metadata_says_which_ways_are_open(tmp_path: Path) -> None:
    server = await world(tmp_path)

    on = (await server.call("GET", "/.well-known/oauth-authorization-server")).json
    with changed(server, client_id_metadata_documents=False, client_discovery=False):
        off = (await server.call("GET", "/.well-known/oauth-authorization-server")).json

    assert on["client_id_metadata_document_supported"] is on["client_discovery_supported"] is True
    assert {"none", "private_key_jwt"} <= set(on["token_endpoint_auth_methods_supported"])
    assert not {"client_id_metadata_document_supported", "client_discovery_supported"} & set(off)


@meets("D-37", "C-31")
async def test_no_id_that_is_given_out_looks_like_a_url(server: World) -> None:
    ids = [(await server.register())["client_id"] for _ in range(20)]

    assert not [one for one in ids if one.startswith(("https://", "http://"))]


# ── Which URLs ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-04", "D-05", "D-06", "D-07", "D-08", "D-09", "D-11", "X-04")
@pytest.mark.parametrize(
    "client_id",
    [
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com/a/../b",
        "https://app.example.com/a/./b",
        "https://app.example.com/a/%2e%2e/b",
        "https://app.example.com/a/%2E/b",
        "https://app.example.com/a/%252e%252e/b",
        "https://app.example.com/x#f",
        "https://app.example.com/x#",
        "https://u:p@app.example.com/x",
        "https://@app.example.com/x",
        "https://127.0.0.1/x",
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://0177.0.0.1/x",
        "https://127.1/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[fe80::1%25eth0]/x",
        "https://localhost/x",
        "https://app.localhost/x",
        "https://printer.local/x",
        "https://vault.internal/x",
        "https://router.home.arpa/x",
        "https://intranet/x",
        "https://app.example.com./x",
        "https://app.example.com\\@evil.example/x",
        "https://app.example.com/x y",
        "https://app.example.com/x\ty",
        "https://app.example.com/\x00",
        "https://\u0435xample.com/x",
        "https://app\uff0eexample\uff0ecom/x",
        "https://app.example.com:22/x",
        "https://app.example.com:25/x",
        "https://app.example.com:6379/x",
        "https://app.example.com:5432/x",
        "https://app.example.com:99999/x",
        "https://app.example.com:*/x",
        "https://app.example.com/x?y=1",
        "https:///x",
        "https:app.example.com/x",
        "https://app.example.com/" + "x" * 500,
    ],
)
async def test_a_url_that_cannot_be_a_client_is_refused_before_anything_is_fetched(server: World, client_id: str) -> None:
    assert await no(server, client_id) == (400, "invalid_client")
    assert server.strangers.asked == []
    assert await nobody(server, client_id)


async def test_plain_http_is_no_address_of_a_client(server: World) -> None:
    assert await no(server, "http://app.example.com/x") == (400, "invalid_client")
    assert server.strangers.asked == []


@meets("D-10", "C-27")
@pytest.mark.parametrize("client_id", ["http://127.0.0.1:9000/c.json", "http://localhost:9000/c.json", "https://[::1]:9000/c.json"])
async def test_a_server_in_development_takes_clients_on_this_machine(tmp_path: Path, client_id: str) -> None:
    server = await world(tmp_path, issuer="http://127.0.0.1:8000", dev=True)
    publish(server, client_id)

    reply = await Browser(server).get(f"/authorize?client_id={client_id}&response_type=code&redirect_uri={CALLBACK}")

    assert reply.status == 400  # without a challenge it is not worth a fetch
    found = await Browser(server).authorize({"client_id": client_id})
    assert found.status == 200
    assert server.strangers.asked == [client_id]


@meets("D-07", "D-04", "D-08")
@pytest.mark.parametrize(
    "setting, client_id",
    [
        ({"client_id_query": True}, "https://app.example/c.json?v=1"),
        ({"client_id_bare_host": True}, "https://app.example/"),
        ({}, "https://app.example:8443/c.json"),
        ({"client_id_length": 2048}, "https://app.example/" + "x" * 1000),
    ],
)
async def test_settings_open_what_is_usually_shut(tmp_path: Path, setting: dict[str, Any], client_id: str) -> None:
    server = await world(tmp_path, **setting)
    publish(server, client_id)

    assert (await Browser(server).authorize({"client_id": client_id})).status == 200


async def test_one_port_alone_can_be_asked_for(tmp_path: Path) -> None:
    server = await world(tmp_path, fetch_ports="443")

    assert await no(server, "https://app.example:8443/c.json") == (400, "invalid_client")


@meets("D-53", "X-26", "C-26", "S4-37")
@pytest.mark.parametrize(
    "lists, taken",
    [
        ({"clients_denied": (URL,)}, False),
        ({"clients_denied": ("app.example",)}, False),
        ({"clients_denied": ("*.app.example",)}, True),
        ({"clients_denied": ("*.pp.example",)}, True),
        ({"clients_allowed": (URL,)}, True),
        ({"clients_allowed": ("other.example",)}, False),
        ({"clients_allowed": ("app.example",), "clients_denied": (URL,)}, False),
    ],
)
async def test_operators_list_whom_they_take(tmp_path: Path, lists: dict[str, Any], taken: bool) -> None:
    server = await world(tmp_path, **lists)
    publish(server)

    reply = await Browser(server).authorize({"client_id": URL})

    assert (reply.status == 200) is taken
    assert server.strangers.asked == ([URL] if taken else [])


@meets("X-26", "D-53")
async def test_a_domain_in_a_list_is_one_by_its_labels(tmp_path: Path) -> None:
    server = await world(tmp_path, clients_denied=("*.example.org",))

    assert await no(server, "https://a.b.example.org/c.json") == (400, "invalid_client")
    assert server.strangers.asked == []
    assert await no(server, "https://attackerexample.org/c.json") == (400, "invalid_client")
    assert server.strangers.asked == ["https://attackerexample.org/c.json"]


@meets("D-39")
@pytest.mark.parametrize(
    "params",
    [
        {"response_type": ""},
        {"response_type": "token"},
        {"redirect_uri": ""},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "https://app.example/a b"},
        {"code_challenge": ""},
        {"code_challenge": "short"},
        {"code_challenge_method": "plain"},
    ],
)
async def test_a_request_that_can_come_to_nothing_is_not_worth_a_fetch(server: World, params: dict[str, str]) -> None:
    publish(server)

    status, _ = await no(server, URL, **params)

    assert status == 400
    assert server.strangers.asked == []


@meets("D-36", "X-09")
async def test_one_network_has_only_so_many_documents_read(server: World) -> None:
    object.__setattr__(server.ports, "fetches", GcraBudget(10, 10, lambda: 0.0))
    browser = Browser(server, headers={"accept": "application/json"})

    seen = [await browser.authorize({"client_id": f"https://a{number}.example/c.json"}) for number in range(30)]

    assert [reply.status for reply in seen] == [400] * 10 + [429] * 20
    assert seen[-1].headers["retry-after"] == "7"
    assert len(server.strangers.asked) == 10


# ── Which documents ──────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-20", "D-21", "D-22", "D-24", "D-25", "D-26", "D-47", "S4-22", "S4-36")
@pytest.mark.parametrize(
    "members, code, says",
    [
        ({"client_id": None}, "invalid_client_metadata", "client_id: must be in the document"),
        ({"client_id": URL.replace("client.json", "Client.json")}, "invalid_client_metadata", "character by character"),
        ({"client_id": URL + "#"}, "invalid_client_metadata", "character by character"),
        ({"client_id": 7}, "invalid_client_metadata", "must be in the document"),
        ({"client_secret": "oops"}, "invalid_client_metadata", "client_secret: must not be published"),
        ({"client_secret": ""}, "invalid_client_metadata", "client_secret"),
        ({"client_secret_expires_at": 0}, "invalid_client_metadata", "client_secret_expires_at"),
        ({"registration_access_token": "x"}, "invalid_client_metadata", "registration_access_token"),
        ({"registration_client_uri": "https://as.example/register/x"}, "invalid_client_metadata", "registration_client_uri"),
        ({"token_endpoint_auth_method": "client_secret_post"}, "invalid_client_metadata", "shared secret"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "invalid_client_metadata", "shared secret"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata", "jwks"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata", "token_endpoint_auth_method"),
        ({"redirect_uris": None}, "invalid_redirect_uri", "redirect_uris"),
        ({"redirect_uris": []}, "invalid_redirect_uri", "redirect_uris"),
        ({"redirect_uris": "https://app.example/cb"}, "invalid_redirect_uri", "redirect_uris"),
        ({"redirect_uris": ["javascript:alert(1)", CALLBACK]}, "invalid_redirect_uri", "redirect_uris[0]"),
        ({"redirect_uris": ["http://app.example/cb"]}, "invalid_redirect_uri", "redirect_uris[0]"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}, "invalid_client_metadata", "symmetric"),
        ({"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}]}}, "invalid_client_metadata", "private"),
        ({"client_name": 7}, "invalid_client_metadata", "client_name"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata", "grant_types"),
        ({"client_id_expires_at": 1}, "invalid_client_metadata", "client_id_expires_at"),
    ],
)
async def test_a_bad_document_stops_the_request_and_is_named(server: World, members: dict[str, object], code: str, says: str) -> None:
    publish(server, **members)
    browser = Browser(server, headers={"accept": "application/json"})

    reply = await browser.authorize({"client_id": URL})

    assert reply.no == (400, code)
    assert says in reply.why
    assert "location" not in reply.headers
    assert await nobody(server)


@meets("D-20", "X-61", "X-62")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"client_id":1,"client_id":1}',
        b"\xef\xbb\xbf{}",
        b"\xff{}",
        b"[" * 100,
        b"{" * 3,
        b"<html>",
        b'{"a":NaN}',
    ],
)
async def test_what_is_not_one_json_object_is_no_document(server: World, body: bytes) -> None:
    server.strangers.serve(URL, body)

    assert await no(server, URL) == (400, "invalid_client_metadata")


@meets("D-27", "D-29", "D-63", "S4-10")
async def test_what_this_server_does_not_serve_is_left_out_of_a_document_written_for_many(server: World) -> None:
    publish(
        server,
        **{
            "@context": "https://www.w3.org/ns/solid/oidc-context.jsonld",
            "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "implicit", "client_credentials"],
            "scope": "openid webid offline_access",
            "client_name#ja": "\u30ce\u30fc\u30c8",
            "response_types": ["code", "token"],
        },
    )

    assert (await Browser(server).authorize({"client_id": URL})).status == 200

    card = json.loads((await the_client(server)).metadata)
    assert card["grant_types"] == ["authorization_code"]
    assert card["scope"] == "openid offline_access"
    assert card["client_name#ja"] == "\u30ce\u30fc\u30c8"
    assert "@context" not in card
    assert server.strangers.asked == [URL]


@meets("H-12", "D-24", "C-23")
@pytest.mark.parametrize(
    "members, method",
    [
        ({"token_endpoint_auth_method": None}, "none"),
        ({"token_endpoint_auth_methods_supported": ["none", "private_key_jwt"]}, "none"),
        ({"token_endpoint_auth_methods_supported": ["none", "private_key_jwt"], "jwks_uri": "https://app.example/k"}, "private_key_jwt"),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example/k"}, "private_key_jwt"),
        (
            {"token_endpoint_auth_method": "client_secret_basic", "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"]},
            "none",
        ),
        ({"token_endpoint_auth_methods_supported": ["tls_client_auth", "none"]}, "none"),
    ],
)
async def test_of_several_methods_the_best_that_works_is_taken(server: World, members: dict[str, object], method: str) -> None:
    publish(server, **members)

    await Browser(server).authorize({"client_id": URL})

    assert json.loads((await the_client(server)).metadata)["token_endpoint_auth_method"] == method


@meets("D-28")
async def test_a_name_may_be_demanded(tmp_path: Path) -> None:
    server = await world(tmp_path, document_name="required")
    publish(server, client_name=None)

    assert await no(server, URL) == (400, "invalid_client_metadata")
    with changed(server, document_name="optional"):
        assert (await Browser(server).authorize({"client_id": URL})).status == 200


@meets("D-51")
@pytest.mark.parametrize("rule, status, warned", [("off", 200, False), ("warn", 200, True), ("enforce", 400, False)])
async def test_redirects_to_another_origin_are_as_the_operator_wants(tmp_path: Path, rule: str, status: int, warned: bool) -> None:
    server = await world(tmp_path, document_redirects=rule)
    publish(server, redirect_uris=[CALLBACK, "https://elsewhere.example/cb"])

    reply = await Browser(server).authorize({"client_id": URL})

    assert reply.status == status
    met = await server.told("client_met")
    assert any("elsewhere.example" in warning for one in met for warning in one["body"].get("warnings", [])) is warned


@meets("D-51", "H-08")
async def test_redirects_to_this_device_have_no_origin(tmp_path: Path) -> None:
    server = await world(tmp_path, document_redirects="enforce")
    publish(server, redirect_uris=["http://127.0.0.1/cb", "http://localhost/cb"])

    reply = await Browser(server).authorize({"client_id": URL}, redirect_uri="http://localhost:53117/cb")

    assert reply.status == 200


@meets("D-66")
async def test_a_document_may_say_when_it_ends(server: World) -> None:
    publish(server, client_id_expires_at=server.clock.now + 100, headers={"cache_control": "max-age=3600"})

    first = await Browser(server).authorize({"client_id": URL})
    server.clock.forward(101)
    later = await no(server, URL)

    assert first.status == 200
    assert later == (400, "invalid_client_metadata")


# ── What cannot be fetched ───────────────────────────────────────────────────────────────────────────────────────────


@meets("D-15", "D-16", "D-17", "D-18", "D-45", "D-47", "D-48", "S4-23")
@pytest.mark.parametrize("why", list(Why))
async def test_what_cannot_be_fetched_stops_the_request_with_the_rule(server: World, why: Why) -> None:
    server.strangers.fail(URL, why)
    browser = Browser(server, headers={"accept": "application/json"})

    reply = await browser.authorize({"client_id": URL})

    assert reply.no == (why.no.status, why.no.code)
    assert why.text in reply.why
    assert "as the test says" not in reply.body.decode()
    assert "location" not in reply.headers
    assert await nobody(server)
    refused = [line for line in server.lines if line["event"] == "refused"]
    assert [line["logged"] for line in refused] == ["as the test says"]


@meets("D-48", "S4-17")
async def test_a_person_sees_a_page_with_a_reference_and_a_script_gets_json(server: World) -> None:
    server.strangers.fail(URL, Why.STATUS)

    page = await Browser(server).authorize({"client_id": URL})
    script = await Browser(server, headers={"accept": "application/json"}).authorize({"client_id": URL})

    assert (page.status, script.status) == (400, 400)
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["x-request-id"] in told(page)["reference"]
    assert script.headers["content-type"] == "application/json"
    assert (script.headers["cache-control"], script.headers["pragma"]) == ("no-store", "no-cache")


@meets("D-32")
async def test_errors_are_never_kept_as_documents(server: World) -> None:
    server.strangers.fail(URL, Why.BROKEN)
    assert await no(server, URL) == (400, "invalid_client")
    server.strangers.serve(URL, b"no json")
    assert await no(server, URL) == (400, "invalid_client_metadata")

    publish(server)

    assert (await Browser(server).authorize({"client_id": URL})).status == 200


# ── Client discovery (seed 004) ──────────────────────────────────────────────────────────────────────────────────────


@meets("S4-09", "S4-14", "S4-15", "S4-26", "D-12", "C-28", "D-59", "S4-32", "S4-33")
async def test_a_host_names_its_client_at_a_well_known_place(server: World) -> None:
    card = discoverable(server)
    browser = await visitor(server)

    consent = await asked(browser, {"client_id": "https://Client.Example.org"}, client_discovery="true", redirect_uri=HOST + "/cb")
    answer = answer_of(await browser.decide(consent))
    fields = {"client_id": HOST + "/", "redirect_uri": HOST + "/cb", "client_discovery": "true"}
    reply = await exchange(server, {**card, "client_id": HOST + "/"}, answer["code"], **fields)

    assert server.strangers.asked == [WELL_KNOWN]
    assert reply.status == 200
    assert (await the_client(server, HOST, Route.LOOKER)).client_id == HOST


@meets("D-59", "S4-41", "S4-48")
async def test_the_token_request_of_a_discovered_client_need_not_say_so_again(server: World) -> None:
    card = discoverable(server)
    browser = await visitor(server)
    answer = answer_of(await browser.decide(await asked(browser, card, client_discovery="true", redirect_uri=HOST + "/cb")))

    given = await exchange(server, card, answer["code"], redirect_uri=HOST + "/cb")
    again = await refresh(server, card, given.json["refresh_token"])

    spent = await exchange(server, card, answer["code"], redirect_uri=HOST + "/cb")

    assert (given.status, again.status) == (200, 200)
    assert spent.no == (400, "invalid_grant")
    assert server.strangers.asked == [WELL_KNOWN]


@meets("D-02", "S4-12")
@pytest.mark.parametrize(
    "client_id, said",
    [("abc", "true"), (HOST, "1"), (HOST, "TRUE"), (HOST, "yes"), ("urn:x", "true"), ("https:client.example.org", "true")],
)
async def test_discovery_of_what_is_no_url_is_a_malformed_request(server: World, client_id: str, said: str) -> None:
    assert await no(server, client_id, client_discovery=said) == (400, "invalid_request")
    assert server.strangers.asked == []


@meets("D-13")
async def test_one_url_on_two_ways_is_two_clients(server: World) -> None:
    host = "https://client.example.org/app"
    discoverable(server, host, redirect_uris=[CALLBACK])
    publish(server, host)
    browser = await visitor(server)
    await browser.decide(await asked(browser, {"client_id": host}, client_discovery="true"), remember="yes")

    other = await browser.authorize({"client_id": host})

    assert other.status == 200
    assert "allow" in Page(other.body).ids
    assert {client.route for client in await server.ports.store.clients("", 10)} == {Route.CIMD, Route.LOOKER}


@meets("C-23", "D-24", "S4-35")
async def test_a_secret_method_of_a_discovered_client_is_read_as_none(server: World) -> None:
    card = discoverable(server, token_endpoint_auth_method="client_secret_basic")
    browser = await visitor(server)

    answer = answer_of(await browser.decide(await asked(browser, card, client_discovery="true", redirect_uri=HOST + "/cb")))

    assert (await exchange(server, {**card, "token_endpoint_auth_method": "none"}, answer["code"], redirect_uri=HOST + "/cb")).status == 200
    warned = (await server.told("client_met"))[0]["body"]["warnings"]
    assert any("auth_method_downgraded" in one for one in warned)


@meets("C-23")
@pytest.mark.parametrize("public, method", [(False, "private_key_jwt"), (True, "none")])
async def test_published_keys_count_unless_discovered_clients_are_public(tmp_path: Path, public: bool, method: str) -> None:
    server = await world(tmp_path, discovered_public=public)
    discoverable(server, token_endpoint_auth_method="private_key_jwt", jwks_uri=HOST + "/keys")

    await Browser(server).authorize({"client_id": HOST}, client_discovery="true", redirect_uri=HOST + "/cb")

    assert json.loads((await the_client(server, HOST, Route.LOOKER)).metadata)["token_endpoint_auth_method"] == method


@meets("D-22")
@pytest.mark.parametrize("said, status", [(HOST, 200), (HOST + "/", 400), ("https://other.example", 400)])
async def test_a_discovered_client_need_not_name_itself_but_not_another(server: World, said: str, status: int) -> None:
    discoverable(server, client_id=said)

    reply = await Browser(server).authorize({"client_id": HOST}, client_discovery="true", redirect_uri=HOST + "/cb")

    assert reply.status == status


@meets("C-22")
@pytest.mark.parametrize("inserted, status", [(True, 200), (False, 400)])
async def test_the_well_known_place_may_be_before_the_path_by_setting(tmp_path: Path, inserted: bool, status: int) -> None:
    server = await world(tmp_path, wellknown_insertion=inserted)
    below, before = HOST + "/app/.well-known/client-metadata", WELL_KNOWN + "/app"
    server.strangers.fail(below, Why.GONE)
    server.strangers.serve(before, json.dumps({"redirect_uris": [CALLBACK]}).encode())

    reply = await Browser(server).authorize({"client_id": HOST + "/app"}, client_discovery="true")

    assert reply.status == status
    assert server.strangers.asked == [below, before][: 1 + inserted]


@meets("C-22")
async def test_only_a_404_sends_the_search_to_the_other_place(tmp_path: Path) -> None:
    server = await world(tmp_path, wellknown_insertion=True)

    assert await no(server, HOST + "/app", client_discovery="true") == (400, "invalid_client")
    assert server.strangers.asked == [HOST + "/app/.well-known/client-metadata"]


@meets("S4-29", "D-07", "S4-31", "S4-30")
@pytest.mark.parametrize(
    "client_id", [HOST + "/?a=b", HOST + "/x?y", HOST + "#f", "https://192.0.2.1", "https://[::1]", "https://localhost"]
)
async def test_a_discovered_client_has_neither_query_nor_fragment_nor_an_ip_address(server: World, client_id: str) -> None:
    assert await no(server, client_id, client_discovery="true") == (400, "invalid_client")
    assert server.strangers.asked == []


@meets("C-29", "S4-21", "S4-38", "S4-53")
async def test_a_redirect_uri_on_the_own_origin_must_be_published_too(server: World) -> None:
    discoverable(server)

    assert await no(server, HOST, client_discovery="true", redirect_uri=HOST + "/other") == (400, "invalid_redirect_uri")


# ── The customs of others ────────────────────────────────────────────────────────────────────────────────────────────

LOCAL = "http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb&scope=openid"


@pytest.fixture
async def pds(tmp_path: Path) -> World:
    return await world(tmp_path, client_dialects=("atproto",), scopes=("openid", "atproto"))


async def test_a_client_at_localhost_says_in_its_id_what_a_document_would_say(pds: World) -> None:
    await visitor(pds)

    given = await tokens(pds, {"client_id": LOCAL, "token_endpoint_auth_method": "none"}, redirect_uri="http://127.0.0.1:4444/cb")

    assert given["scope"] == "openid"
    assert pds.strangers.asked == []


async def test_a_client_at_localhost_has_usual_redirects(pds: World) -> None:
    reply = await Browser(pds).authorize({"client_id": "http://localhost"}, redirect_uri="http://[::1]:9999/", scope="atproto")

    assert reply.status == 200


@pytest.mark.parametrize(
    "client_id",
    [
        "http://localhost?redirect_uri=http%3A%2F%2Flocalhost%2Fcb",
        "http://localhost?redirect_uri=https%3A%2F%2Fevil.example%2Fcb",
        "http://localhost?redirect_uri=com.example%3A%2Fcb",
        "http://localhost?scope=openid&scope=atproto",
        "http://localhost?client_name=x",
        "http://localhost?%zz",
        "http://localhost/path",
        "http://localhost:8080",
    ],
)
async def test_a_client_at_localhost_stays_at_localhost(pds: World, client_id: str) -> None:
    status, code = await no(pds, client_id, redirect_uri="http://127.0.0.1/cb", scope="atproto")

    assert (status, code) in [(400, "invalid_client"), (400, "invalid_redirect_uri")]
    assert pds.strangers.asked == []


async def test_without_the_custom_a_client_at_localhost_is_nobody(server: World) -> None:
    assert await no(server, LOCAL, redirect_uri="http://127.0.0.1/cb") == (400, "invalid_client")


@pytest.mark.parametrize(
    "redirect, status",
    [("example.app:/cb", 200), ("example.evil:/cb", 400), ("http://127.0.0.1/cb", 200), ("http://localhost/cb", 400), (CALLBACK, 200)],
)
async def test_native_atproto_clients_come_back_by_the_reversed_name_of_their_host(pds: World, redirect: str, status: int) -> None:
    publish(pds, redirect_uris=[redirect], application_type="native", scope="atproto openid")

    reply = await Browser(pds).authorize({"client_id": URL}, redirect_uri=redirect)

    assert reply.status == status


@meets("D-63", "D-14")
async def test_the_custom_of_solid_asks_for_linked_json_first(tmp_path: Path) -> None:
    plain, solid = await world(tmp_path / "plain"), await world(tmp_path / "solid", client_dialects=("solid",))

    assert plain.ports.document.accept == "application/json"
    assert solid.ports.document.accept == "application/ld+json, application/json"
    assert solid.ports.document.takes("application/ld+json")


async def test_a_redirect_uri_that_cannot_be_read_is_told_by_the_vocabulary(pds: World) -> None:
    publish(pds, redirect_uris=["http://a b/"], scope="atproto")

    assert await no(pds, URL) == (400, "invalid_redirect_uri")


# ── Nothing else is fetched ──────────────────────────────────────────────────────────────────────────────────────────

REFERENCES = [
    *("https://app.example/request.jwt", "http://169.254.169.254/", "https://127.0.0.1/", "https://[::1]/", "file:///etc/passwd"),
    *("https://as.example/jwks", "urn:ietf:params:oauth:request_uri:x", "gopher://app.example/", "//app.example/x", "app.example"),
]


@meets("X-06", "X-70", "D-49")
@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("known", [True, False])
async def test_a_request_by_reference_is_refused_and_nothing_is_fetched(server: World, reference: str, known: bool) -> None:
    card = await server.register(request_uris=["https://app.example/request.jwt"]) if known else {"client_id": "nobody"}
    script = Browser(server, headers={"accept": "application/json"})

    reply = await script.authorize(card, request_uri=reference)
    by_document = await script.authorize(publish(server), request_uri=reference)

    assert reply.no == ((400, "request_uri_not_supported") if known else (400, "invalid_client"))
    assert by_document.no == (400, "request_uri_not_supported")
    assert server.strangers.asked == [URL]


@meets("D-49")
async def test_what_a_document_names_is_fetched_only_when_it_is_needed(server: World) -> None:
    card = publish(
        server,
        jwks_uri="https://app.example/keys",
        logo_uri="https://app.example/logo.png",
        policy_uri="https://app.example/policy",
        sector_identifier_uri="https://app.example/sector",
    )
    browser = await visitor(server)

    answer = answer_of(await browser.decide(await asked(browser, card)))
    await exchange(server, card, answer["code"])

    assert server.strangers.asked == [URL]
