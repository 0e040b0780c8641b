"""The examples of the fifth founding document, client discovery: word for word, with the hosts that differ made one."""

import json
from pathlib import Path

import pytest

from calling_card.protocol.clients import Route, client_key
from tests.ledger import meets
from tests.visitor import Browser, Page, answer_of, somebody
from tests.world import World, world

CLIENT = "https://client.example.org"
METADATA = """{
      "redirect_uris": [
        "https://client.example.org/callback",
        "https://client.example.org/callback2"],
      "client_name": "My Example Client",
      "token_endpoint_auth_method": "client_secret_basic",
      "logo_uri": "https://client.example.org/logo.png",
      "jwks_uri": "https://client.example.org/my_public_keys.jwks",
      "example_extension_parameter": "example_value"
     }"""
WITH_ITS_CALLBACK = METADATA.replace("https://client.example.org/callback2", "https://client.example.org/cb")
"""The two samples of the text name different redirect URIs."""
AUTHORIZE = """/authorize?response_type=code
    &client_id=https%3A%2F%2Fclient.example.org
    &client_discovery=true
    &state=af0ifjsldkj
    &redirect_uri=https%3A%2F%2Fclient.example.org%2Fcb"""
TOKEN = """grant_type=authorization_code
&code=xxxxxxxx
&client_id=https://client.example.com/
&redirect_uri=https://client.example.com/redirect
&code_verifier=a6128783714cfda1d388e2e98b6ae8221ac31aca31959e59512c59f5
&client_discovery=true"""
CHALLENGE = "OfYAxt8zU2dAPDWQxTAUIteRzMsoj9QBdMIVEDOErUo"
"""Of the verifier in the sample."""


def joined(sample: str) -> str:
    """A sample without the line breaks that are there for its readers."""
    return "".join(line.strip() for line in sample.splitlines())


@pytest.fixture
async def server(tmp_path: Path) -> World:
    """The samples of the text have no code challenge: `pkce` is what the text has (C-25)."""
    made = await world(tmp_path, pkce="optional", extensions=("example_extension_parameter",))
    made.strangers.serve(f"{CLIENT}/.well-known/client-metadata", WITH_ITS_CALLBACK.encode())
    await somebody(made)
    return made


@meets("S4-14", "S4-15", "S4-16", "S4-25", "S4-26", "S4-55", "C-23", "C-25", "S4-02", "S4-09", "S4-13")
async def test_the_sample_request_has_the_sample_metadata_read_and_shown(server: World) -> None:
    browser = Browser(server)

    reply = await browser.sign_in(await browser.follow(await browser.get(joined(AUTHORIZE))))

    assert server.strangers.asked == [f"{CLIENT}/.well-known/client-metadata"]
    assert reply.status == 200
    assert "My Example Client" in reply.body.decode()
    assert "client.example.org" in reply.body.decode()
    assert "allow" in Page(reply.body).ids


@meets("S4-10", "S4-03", "S4-31", "S4-35")
async def test_the_sample_metadata_make_a_public_client(server: World) -> None:
    browser = Browser(server)

    answer = answer_of(await browser.decide(await browser.sign_in(await browser.follow(await browser.get(joined(AUTHORIZE))))))

    client = await server.ports.store.client(client_key(Route.LOOKER, CLIENT))
    assert client is not None
    card = json.loads(client.metadata)
    assert card["token_endpoint_auth_method"] == "none"
    assert card["example_extension_parameter"] == "example_value"
    assert card["grant_types"] == ["authorization_code"]
    assert client.secret is None
    assert answer["state"] == "af0ifjsldkj"
    assert answer["code"]


@meets("S4-17", "S4-18", "S4-19", "S4-21", "S4-24", "S4-39", "C-24", "C-29", "S4-38")
async def test_the_sample_error_answers_a_redirect_uri_that_was_not_published(server: World) -> None:
    server.strangers.serve(f"{CLIENT}/.well-known/client-metadata", METADATA.encode())

    reply = await Browser(server, headers={"accept": "application/json"}).get(joined(AUTHORIZE))

    assert reply.status == 400
    assert reply.headers["content-type"] == "application/json"
    assert (reply.headers["cache-control"], reply.headers["pragma"]) == ("no-store", "no-cache")
    assert reply.json["error"] == "invalid_redirect_uri"
    assert reply.json["error_description"]
    assert "location" not in reply.headers


@meets("S4-17", "S4-22", "S4-36")
async def test_a_secret_in_the_metadata_is_refused_as_the_sample_error_says(server: World) -> None:
    published = WITH_ITS_CALLBACK.replace('"logo_uri"', '"client_secret": "oops", "logo_uri"')
    server.strangers.serve(f"{CLIENT}/.well-known/client-metadata", published.encode())

    reply = await Browser(server, headers={"accept": "application/json"}).get(joined(AUTHORIZE))

    assert reply.no == (400, "invalid_client_metadata")


@meets("S4-40", "S4-41", "S4-42", "S4-43", "S4-44", "S4-46", "D-12", "C-28")
async def test_the_sample_token_request_gets_a_token(server: World) -> None:
    host = "https://client.example.com"
    published = METADATA.replace(CLIENT, host).replace("/callback2", "/redirect")
    server.strangers.serve(f"{host}/.well-known/client-metadata", published.encode())
    browser = Browser(server)
    asked = joined(AUTHORIZE).replace("client.example.org", "client.example.com").replace("%2Fcb", "%2Fredirect")
    asked += f"&code_challenge={CHALLENGE}&code_challenge_method=S256"
    answer = answer_of(await browser.decide(await browser.sign_in(await browser.follow(await browser.get(asked)))))

    body = joined(TOKEN).replace("xxxxxxxx", answer["code"])
    form = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    reply = await server.call("POST", "/token", body.encode(), form)

    assert reply.status == 200, reply.body
    assert {"access_token", "token_type", "expires_in"} <= set(reply.json)


@meets("S4-45")
async def test_a_code_always_has_a_scope(server: World) -> None:
    refused = Browser(server, headers={"accept": "application/json"})
    reply = await refused.get(joined(AUTHORIZE) + "&scope=unknown")
    with_default = await Browser(server).get(joined(AUTHORIZE))

    assert with_default.status == 200
    assert reply.status == 200  # the default scope takes the place of what nobody knows (H-16)


@meets("S4-45")
async def test_a_code_without_any_scope_is_refused_before_it_is_made(tmp_path: Path) -> None:
    server = await world(tmp_path, pkce="optional", default_scope="", scopes=("notes",), profile="strict", error_redirects="always")
    server.strangers.serve(f"{CLIENT}/.well-known/client-metadata", WITH_ITS_CALLBACK.encode())

    reply = await Browser(server, headers={"accept": "application/json"}).get(joined(AUTHORIZE))

    assert answer_of(reply)["error"] == "invalid_scope"


@meets("S4-27", "S4-52", "C-27")
async def test_plain_http_is_refused(server: World) -> None:
    reply = await Browser(server, headers={"accept": "application/json"}).get(
        joined(AUTHORIZE).replace("https%3A%2F%2Fclient", "http%3A%2F%2Fclient")
    )

    assert reply.no == (400, "invalid_client")


@meets("S4-49", "S4-28")
async def test_sub_domains_ports_and_paths_are_clients_of_their_own(server: World) -> None:
    for host in ("https://one.example.org", "https://two.example.org", "https://one.example.org:8443", "https://one.example.org/app"):
        server.strangers.serve(f"{host}/.well-known/client-metadata", json.dumps({"redirect_uris": [f"{CLIENT}/cb"]}).encode())
        encoded = host.replace(":", "%3A").replace("/", "%2F")
        assert (await Browser(server).get(joined(AUTHORIZE).replace("https%3A%2F%2Fclient.example.org&", encoded + "&"))).status == 200

    assert len({client.key for client in await server.ports.store.clients("", 10)}) == 4


@meets("S4-12")
async def test_the_parameter_says_true_or_false_and_is_said_once(server: World) -> None:
    script = Browser(server, headers={"accept": "application/json"})

    for said in ("1", "TRUE", "true&client_discovery=true"):
        reply = await script.get(joined(AUTHORIZE).replace("client_discovery=true", f"client_discovery={said}"))
        assert reply.no == (400, "invalid_request"), said
    assert server.strangers.asked == []


@meets("S4-56")
@pytest.mark.parametrize("on", [True, False])
async def test_the_draft_is_switched_by_one_setting(tmp_path: Path, on: bool) -> None:
    server = await world(tmp_path, pkce="optional", client_discovery=on)
    server.strangers.serve(f"{CLIENT}/.well-known/client-metadata", WITH_ITS_CALLBACK.encode())

    reply = await Browser(server).get(joined(AUTHORIZE))
    told = (await server.call("GET", "/.well-known/openid-configuration")).json

    assert (reply.status == 200) is on
    assert told.get("client_discovery_supported", False) is on
