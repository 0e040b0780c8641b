"""What the MCP clients do when the server comes back with an empty folder: other keys, no clients, the same address."""

from pathlib import Path

import pytest
from fastmcp import Client
from fastmcp.client.auth import OAuth

from tests.interop.browser import Stopped, Visitor, desktop, members_of
from tests.interop.conftest import NAME, PASSWORD, free_port
from tests.interop.household import Api, Household
from tests.interop.mcp_app import App
from tests.interop.notes import READ, WRITE, Notes, serving
from tests.ledger import meets

EXAMPLE = Path("mcp_server/server.py")


def resource_of(house: Household, uri: str) -> Notes:
    return Notes(house.issuer, uri, house.introspectors[uri])


def resident(house: Household) -> Visitor:
    return Visitor(house.issuer, NAME, PASSWORD)


async def list_notes(resource: str, auth: OAuth) -> None:
    async with Client(resource, auth=auth) as mcp:
        await mcp.call_tool("list_notes")


@meets("H-14")
@pytest.mark.filterwarnings("ignore:Using in-memory token storage:UserWarning")
async def test_a_server_that_lost_everything_is_one_more_registration_for_the_mcp_clients(tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{free_port()}/mcp"
    by_itself = OAuth(uri, callback_timeout=30)
    with Household(tmp_path / "data", (Api(uri, f"{READ} {WRITE}"),)) as house:
        with serving(resource_of(house, uri), EXAMPLE), resident(house) as before, desktop(before):
            by_its_app = App(resource_of(house, uri), before)
            async with by_its_app.session() as mcp:
                await by_its_app.call(mcp, "list_notes")
            await list_notes(uri, by_itself)
        lost = by_its_app.client_id

        house.lose_everything()
        with serving(resource_of(house, uri), EXAMPLE), resident(house) as after, desktop(after) as window:
            by_its_app.visitor = after
            with pytest.RaisesGroup(Stopped, flatten_subgroups=True) as failure:
                async with by_its_app.session():
                    pass
            by_its_app.forget()
            async with by_its_app.session() as mcp:
                await by_its_app.call(mcp, "list_notes")
            await list_notes(uri, by_itself)

    assert isinstance(failure.value.exceptions[0], Stopped)
    assert failure.value.exceptions[0].code == "invalid_client"
    assert by_its_app.client_id != lost
    assert by_itself.context.client_info is not None
    assert [members_of(url)["client_id"] for url in window.opened] == [by_itself.context.client_info.client_id]
