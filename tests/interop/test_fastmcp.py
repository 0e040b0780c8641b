"""The fastmcp client: it looks at the authorization page itself before it opens the browser, and listens on a port of its own."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from fastmcp import Client
from fastmcp.client.auth import OAuth
from fastmcp.client.transports import StreamableHttpTransport

from tests.interop.browser import Visitor, Window, desktop, members_of
from tests.interop.conftest import Running
from tests.interop.notes import READ, WRITE, Notes, noted
from tests.ledger import meets

pytestmark = pytest.mark.filterwarnings("ignore:Using in-memory token storage:UserWarning")
EXAMPLE = Path("fastmcp_server/server.py")


@pytest.fixture(scope="module")
def asking(running: Running) -> Iterator[Notes]:
    with noted(running, EXAMPLE, "opaque", "/mcp") as some:
        yield some


@pytest.fixture(scope="module")
def checking(running: Running) -> Iterator[Notes]:
    with noted(running, EXAMPLE, "jwt", "/mcp") as some:
        yield some


@pytest.fixture(scope="module")
def stepping(running: Running) -> Iterator[Notes]:
    with noted(running, Path("mcp_server/server.py"), "opaque", "/mcp") as some:
        yield some


@pytest.fixture
def window(visitor: Visitor) -> Iterator[Window]:
    with desktop(visitor) as opened:
        yield opened


def client_of(auth: OAuth) -> str:
    assert auth.context.client_info is not None
    return auth.context.client_info.client_id


def token_of(auth: OAuth) -> str:
    assert auth.context.current_tokens is not None
    return auth.context.current_tokens.access_token


def program(notes: Notes, auth: OAuth) -> Client[StreamableHttpTransport]:
    return Client(StreamableHttpTransport(notes.resource, auth=auth))


async def call(mcp: Client[StreamableHttpTransport], tool: str, **arguments: object) -> object:
    result = await mcp.call_tool(tool, arguments)
    return (result.structured_content or {})["result"]


async def a_whole_life(notes: Notes, window: Window, subject: str, address: str | None = None) -> OAuth:
    """Register, or be the address of a document; ask, read, write, refresh."""
    auth = OAuth(callback_timeout=30, client_metadata_url=address)
    async with program(notes, auth) as mcp:
        assert await call(mcp, "list_notes") == []
        first = token_of(auth)
        assert await call(mcp, "add_note", text="eggs") == "kept"
        with time_machine.travel(time.time() + 4000):
            assert await call(mcp, "list_notes") == ["eggs"]

    known = notes.introspect(token_of(auth))
    assert (known["active"], known["sub"], known["client_id"]) == (True, subject, client_of(auth))
    assert set(str(known["scope"]).split()) == {READ, WRITE}
    assert token_of(auth) != first
    assert "FastMCP Client" in window.visitor.texts["client-name"]
    return auth


@meets("R-01", "A-16", "A-30", "H-15")
async def test_fastmcp_lives_its_life_at_a_server_that_asks_about_tokens(asking: Notes, window: Window, subject: str) -> None:
    await a_whole_life(asking, window, subject)

    assert window.visitor.pages == ["sign-in", "consent"]


async def test_fastmcp_lives_its_life_at_a_server_that_checks_signatures(checking: Notes, window: Window, subject: str) -> None:
    await a_whole_life(checking, window, subject)

    assert window.visitor.pages == ["sign-in", "consent"]


async def test_fastmcp_asks_for_more_when_a_tool_needs_more(stepping: Notes, window: Window, subject: str) -> None:
    await a_whole_life(stepping, window, subject)

    asked, more = (members_of(url) for url in window.opened)
    assert (asked["scope"], more["scope"]) == (f"{READ} offline_access", f"{READ} offline_access {WRITE}")
    assert window.visitor.pages == ["sign-in", "consent", "consent"]


@meets("H-14")
async def test_fastmcp_registers_anew_by_itself_when_its_client_is_deleted(running: Running, asking: Notes, window: Window) -> None:
    auth = OAuth(callback_timeout=30)
    async with program(asking, auth) as mcp:
        await call(mcp, "list_notes")
    deleted = client_of(auth)
    running.command("client", "delete", deleted)

    async with program(asking, auth) as mcp:
        await call(mcp, "list_notes")

    first, second = (members_of(url)["client_id"] for url in window.opened)
    assert (first, second) == (deleted, client_of(auth))
    assert first != second
    assert asking.introspect(token_of(auth))["client_id"] == second
