"""Whatever stands where something is looked up by is looked up, and nothing else (X-73)."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from calling_card.protocol.errors import No, Refusal
from calling_card.usecases.operate import clients, delete, rotate, show, suspend
from calling_card.usecases.provide import Wanted, add_resource, invite
from tests.cli.conftest import Operator
from tests.ledger import meets
from tests.security.payloads import PAYLOADS
from tests.world import CALLBACK, Reply, World, body_of, changed, rat, world

GRANT = {"grant_type": "client_credentials"}


@dataclass(frozen=True)
class Scene:
    """A server with one client of each kind."""

    server: World
    card: Mapping[str, Any]
    """May ask for tokens, by HTTP Basic."""
    poster: Mapping[str, Any]
    """May ask for tokens, by the form."""

    async def unharmed(self) -> None:
        """Everything that was there is there and works."""
        assert (await self.server.read(self.card)).status == 200
        assert (await self.server.token(self.card)).status == 200
        assert len(await self.server.ports.store.clients("", 10)) == 3


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    server = await world(tmp_path, sqlite=True, registration_rate=0)
    await server.resource()
    card = await server.machine("orders:read")
    yield Scene(server, card, await server.machine("orders:read", token_endpoint_auth_method="client_secret_post"))
    await server.ports.store.close()


@pytest.fixture
async def quiet(scene: Scene) -> AsyncIterator[Scene]:
    """The same, and nothing may change."""
    before = await scene.server.kept()
    yield scene
    assert await scene.server.kept() == before
    await scene.unharmed()


def is_ascii(reply: Reply) -> bool:
    """Whether a refusal says nothing that a terminal or a header would stumble over (RFC 6749 §5.2)."""
    return reply.body == b"" or all(" " <= char <= "~" for char in reply.why)


@meets("X-73")
async def test_a_client_id_in_a_path_is_only_a_client_id(quiet: Scene) -> None:
    headers = {"content-type": "application/json", "authorization": f"Bearer {rat(quiet.card)}"}

    for payload in PAYLOADS:
        for target in (
            quote(payload, safe=""),
            quote(quote(payload, safe=""), safe=""),
            quote(f"{quiet.card['client_id']}{payload}", safe=""),
        ):
            for method in ("GET", "PUT", "DELETE"):
                reply = await quiet.server.call(method, f"/register/{target}", b"{}", headers)
                assert reply.no == (401, "invalid_token"), (payload, method)
                assert reply.why == "the registration access token is not valid for this registration (RFC 7592 section 2.1)"


@meets("X-73")
async def test_a_client_id_in_a_query_is_only_a_client_id(quiet: Scene) -> None:
    headers = {"authorization": f"Bearer {rat(quiet.card)}"}

    with changed(quiet.server, management_by_query=True):
        for payload in PAYLOADS:
            reply = await quiet.server.call("GET", f"/register?client_id={quote(payload, safe='')}", b"", headers)
            assert reply.no == (401, "invalid_token"), payload


@meets("X-73")
@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
async def test_a_client_id_in_a_form_or_a_header_is_only_a_client_id(quiet: Scene, path: str) -> None:
    secret = str(quiet.card["client_secret"])
    whole = str(quiet.card["client_id"])

    for payload in PAYLOADS:
        fields = {**GRANT, "token": "x"}
        replies = [
            await quiet.server.post_form(path, {**fields, "client_id": payload}),
            await quiet.server.post_form(path, {**fields, "client_id": payload, "client_secret": secret}),
            await quiet.server.post_form(path, {**fields, "client_id": whole, "client_secret": payload}),
            await quiet.server.post_form(path, fields, basic=(quote(payload, safe=""), secret)),
            await quiet.server.post_form(path, fields, basic=(whole, quote(payload, safe=""))),
            await quiet.server.post_form(path, fields, basic=(payload.replace(":", ""), payload)),
        ]
        assert {reply.no for reply in replies} == {(401, "invalid_client")}, payload
        assert all(is_ascii(reply) for reply in replies)


@meets("X-73")
async def test_what_a_token_request_names_is_only_looked_up(quiet: Scene) -> None:
    for payload in PAYLOADS:
        scope = await quiet.server.token(quiet.card, scope=payload)
        resource = await quiet.server.token(quiet.card, resource=payload)
        below = await quiet.server.token(quiet.card, resource=f"https://api.example/{payload}")
        grant = await quiet.server.post_form(
            "/token", {"grant_type": payload}, basic=(quiet.card["client_id"], quiet.card["client_secret"])
        )

        # Unknown words are dropped, and what the client registered remains (H-16).
        assert (scope.status, scope.json["scope"]) == (200, quiet.card["scope"]), payload
        assert resource.no == below.no == (400, "invalid_target"), payload
        assert grant.no == (400, "unsupported_grant_type"), payload
        assert all(is_ascii(reply) for reply in (resource, below, grant))


@meets("X-73", "A-72")
async def test_what_is_sent_as_a_token_is_only_looked_up(quiet: Scene) -> None:
    basic = (str(quiet.card["client_id"]), str(quiet.card["client_secret"]))

    for payload in PAYLOADS:
        for spelled in (payload, f"cc_at_{payload}", f"{payload}.{payload}.{payload}"):
            for hint in ("access_token", payload):
                fields = {"token": spelled, "token_type_hint": hint}
                asked = await quiet.server.post_form("/introspect", fields, basic=basic)
                back = await quiet.server.post_form("/revoke", fields, basic=basic)
                assert (asked.status, asked.json, back.status, back.body) == (200, {"active": False}, 200, b""), payload


@meets("X-73")
async def test_what_a_bearer_presents_is_only_looked_up(quiet: Scene) -> None:
    for payload in (payload for payload in PAYLOADS if payload.isascii() and payload.isprintable()):
        for spelled in (payload, f"cc_rat_{payload}", f"cc_iat_{payload}"):
            headers = {"content-type": "application/json", "authorization": f"Bearer {spelled}"}
            replies = [
                await quiet.server.call("GET", str(quiet.card["registration_client_uri"]), b"", headers),
                await quiet.server.call("POST", "/register", b'{"redirect_uris":["https://a.example/cb"]}', headers),
            ]
            assert {reply.no for reply in replies} <= {(401, "invalid_token"), (400, "invalid_request")}, spelled


@meets("X-73", "X-64")
async def test_what_stands_in_a_card_is_kept_as_it_stands_or_refused(scene: Scene) -> None:
    for payload in PAYLOADS:
        for member in ("client_name", "software_id", "software_version", "scope", payload or "x"):
            reply = await scene.server.post_json("/register", {"redirect_uris": [CALLBACK], member: payload})
            assert reply.status in (201, 400), (member, payload)
            if reply.status == 400:
                assert is_ascii(reply)
                continue
            assert reply.json.get(member, payload) in (payload, "openid"), (member, payload)
            assert (await scene.server.read(reply.json)).json == reply.json
            assert (await scene.server.remove(reply.json)).status == 204

    await scene.unharmed()


@meets("X-73")
async def test_a_replacement_that_names_somebody_else_is_refused_however_it_is_spelled(scene: Scene) -> None:
    before = await scene.server.row(scene.card)

    for payload in PAYLOADS:
        reply = await scene.server.put(scene.card, body_of(scene.card, client_id=payload))

        assert reply.no == (400, "invalid_request"), payload
        assert is_ascii(reply)

    assert await scene.server.row(scene.card) == before
    assert len(await scene.server.told("client_id_mismatch")) == 1
    await scene.unharmed()


# ── The operator's side ──────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-73")
async def test_an_operator_who_names_nobody_finds_nobody(quiet: Scene) -> None:
    for payload in (*PAYLOADS, "", "\udcff", "\ud800"):
        for verb in (
            show(quiet.server.ports, payload),
            suspend(quiet.server.ports, payload, "op"),
            delete(quiet.server.ports, payload, "op"),
        ):
            with pytest.raises(Refusal) as caught:
                await verb
            assert caught.value.no is No.NOT_FOUND
        with pytest.raises(Refusal):
            await rotate(quiet.server.ports, payload, "op", at_once=True)
        assert len(await clients(quiet.server.ports, payload.encode("utf-8", "replace").decode(), 10)) <= 3


@meets("X-73")
async def test_what_an_operator_writes_is_kept_as_it_stands_or_refused(scene: Scene) -> None:
    ports = scene.server.ports

    for payload in PAYLOADS:
        made = await invite(ports, Wanted(1, 60, None, None, None, payload, payload))
        kept = await ports.store.invitation(made.invitation.id)
        assert kept is not None
        assert (kept.label, kept.owner) == (payload, payload)
        for wanted in (Wanted(1, 60, None, (payload,), None, "", ""), Wanted(1, 60, None, None, (f"{payload}/",), "", "")):
            with pytest.raises(Refusal):
                await invite(ports, wanted)
        with pytest.raises(Refusal):
            await add_resource(ports, payload, "", "opaque", payload)

    await scene.unharmed()


@meets("X-73")
@pytest.mark.parametrize("name", ["' OR '1'='1", "../../keyring.json", "%s%n", "{0.__class__}", "a\r\nb", "\x1b[2J", "\udcff", "é"])
def test_a_command_that_names_nobody_ends_with_one_line_and_no_trace(operator: Operator, name: str) -> None:
    said = operator.refused(1, "client", "show", name)

    assert said.startswith("there is no client")
    assert "Traceback" not in said
