"""The MCP SDK's client: its own OAuth provider finds the server, registers, asks the person, and asks for more."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine

from tests.interop.browser import Stopped, Visitor
from tests.interop.conftest import Running
from tests.interop.mcp_app import App
from tests.interop.notes import READ, WRITE, Notes, noted
from tests.ledger import meets

EXAMPLE = Path("mcp_server/server.py")


@pytest.fixture(scope="module")
def asking(running: Running) -> Iterator[Notes]:
    with noted(running, EXAMPLE, "opaque", "/mcp") as some:
        yield some


@pytest.fixture(scope="module")
def checking(running: Running) -> Iterator[Notes]:
    with noted(running, EXAMPLE, "jwt", "/mcp") as some:
        yield some


async def a_whole_life(app: App, subject: str) -> None:
    """Register, ask, read, be refused, ask for more, write, refresh."""
    async with app.session() as mcp:
        assert await app.call(mcp, "list_notes") == []
        first = app.access_token
        assert await app.call(mcp, "add_note", text="eggs") == "kept"
        assert await app.call(mcp, "list_notes") == ["eggs"]
        with time_machine.travel(time.time() + 4000):
            assert await app.call(mcp, "list_notes") == ["eggs"]

    asked, more = app.asked
    assert (asked["scope"], asked["prompt"], asked["resource"]) == (f"{READ} offline_access", "consent", app.notes.resource)
    assert (more["scope"], more["client_id"]) == (f"{READ} offline_access {WRITE}", asked["client_id"])
    assert app.visitor.pages == ["sign-in", "consent", "consent"]
    assert "Scribe" in app.visitor.texts["client-name"]
    known = app.notes.introspect(app.access_token)
    assert (known["active"], known["sub"], known["scope"]) == (True, subject, f"{READ} {WRITE}")
    assert app.access_token != first


@meets("R-01", "A-16", "A-30", "H-03", "H-05")
async def test_the_sdk_lives_its_life_at_a_server_that_asks_about_tokens(asking: Notes, visitor: Visitor, subject: str) -> None:
    await a_whole_life(App(asking, visitor), subject)


async def test_the_sdk_lives_its_life_at_a_server_that_checks_signatures(checking: Notes, visitor: Visitor, subject: str) -> None:
    await a_whole_life(App(checking, visitor), subject)


async def test_a_refresh_token_that_is_taken_back_costs_the_sdk_one_more_question(asking: Notes, visitor: Visitor, subject: str) -> None:
    app = App(asking, visitor)
    async with app.session() as mcp:
        await app.call(mcp, "list_notes")
        asking.revoke(app.refresh_token, app.credential)

        with time_machine.travel(time.time() + 4000):
            await app.call(mcp, "list_notes")

    assert len(app.asked) == 2
    assert app.asked[0]["client_id"] == app.asked[1]["client_id"]


@meets("H-14")
async def test_the_sdk_leads_the_person_of_a_deleted_client_to_our_page_and_registers_anew_once_its_app_forgets(
    running: Running, asking: Notes, visitor: Visitor, subject: str
) -> None:
    app = App(asking, visitor)
    async with app.session() as mcp:
        await app.call(mcp, "list_notes")
    deleted = app.client_id
    running.command("client", "delete", deleted)

    with pytest.RaisesGroup(Stopped, flatten_subgroups=True) as failure:
        async with app.session() as mcp:
            await app.call(mcp, "list_notes")
    app.forget()
    async with app.session() as mcp:
        await app.call(mcp, "list_notes")

    shown = failure.value.exceptions[0]
    assert isinstance(shown, Stopped)
    assert (shown.status, shown.code) == (400, "invalid_client")
    assert "may register again" in shown.description
    assert app.client_id != deleted
    assert asking.introspect(app.access_token)["client_id"] == app.client_id
