"""Documents of clients that lie here for developers, as any server on the web reads them (D-52)."""

import json
from pathlib import Path

import pytest

from calling_card.usecases.publish import Hosted, host
from tests.addresses import document
from tests.ledger import meets
from tests.world import ISSUER, World, changed, world

BODY = json.dumps(document("", client_id=None)).encode()


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


async def put(server: World, seconds: int = 3600) -> Hosted:
    return await host(server.ports, BODY, seconds, "olga")


@meets("D-52")
async def test_a_hosted_document_is_served_as_json_that_may_be_kept_briefly(server: World) -> None:
    made = await put(server)

    reply = await server.call("GET", made.client_id)

    assert (reply.status, reply.headers["content-type"], reply.headers["cache-control"]) == (200, "application/json", "public, max-age=60")
    assert reply.json == document("", client_id=made.client_id)


async def test_any_script_may_read_a_hosted_document(server: World) -> None:
    made = await put(server)

    reply = await server.call("GET", made.client_id, b"", {"origin": "https://app.example"})

    assert reply.headers["access-control-allow-origin"] == "*"


async def test_head_tells_the_same_without_the_document(server: World) -> None:
    made = await put(server)

    reply = await server.call("HEAD", made.client_id)

    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"", "application/json")


@meets("D-52")
async def test_an_expired_document_is_not_found(server: World) -> None:
    made = await put(server, 60)
    server.clock.forward(59)
    assert (await server.call("GET", made.client_id)).status == 200
    server.clock.forward(1)

    reply = await server.call("GET", made.client_id)

    assert reply.no == (404, "not_found")
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["", "x", "a/b", "%00", "%2e%2e", "../client-documents/", "x" * 3000, "%ff"])
async def test_what_was_never_hosted_is_not_found(server: World, path: str) -> None:
    await put(server)

    assert (await server.call("GET", ISSUER + "/client-documents/" + path)).no == (404, "not_found")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_nobody_puts_or_takes_documents_over_the_web(server: World, method: str) -> None:
    made = await put(server)

    reply = await server.call(method, made.client_id, BODY, {"content-type": "application/json"})

    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (await server.call("GET", made.client_id)).status == 200


async def test_a_server_that_hosts_nothing_has_no_such_path(server: World) -> None:
    made = await put(server)

    with changed(server, client_documents=False):
        assert (await server.call("GET", made.client_id)).no == (404, "not_found")


async def test_a_document_lies_below_the_path_of_the_issuer(tmp_path: Path) -> None:
    server = await world(tmp_path, issuer=ISSUER + "/tenant")
    made = await put(server)

    assert made.client_id.startswith(ISSUER + "/tenant/client-documents/")
    assert (await server.call("GET", made.client_id)).json["client_id"] == made.client_id
