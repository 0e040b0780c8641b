"""The MCP client of TypeScript and mcp-remote: registered, signed in, refreshed and stepped up, and back again after a loss."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.interop.conftest import free_port
from tests.interop.driver import NODE_HOME, Driver, Told, find_node
from tests.interop.household import Api, Household
from tests.ledger import meets

LISTENER = "http://127.0.0.1:33418/callback"

LEAST: dict[str, object] = {"client_name": "Tide tables", "redirect_uris": [LISTENER]}
"""The library fills in the grant types; without a method RFC 7591 makes it a native program that is given a secret."""

PUBLIC: dict[str, object] = {**LEAST, "token_endpoint_auth_method": "none"}


@pytest.fixture
def household(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Household]:
    """A server that knows one MCP server of this machine, which takes the kind of token that a test names."""
    find_node()
    api = Api(f"http://127.0.0.1:{free_port()}/mcp", "tides:read tides:write", getattr(request, "param", "opaque"))
    with Household(tmp_path / "data", (api,)) as household:
        yield household


def plan(household: Household, **more: object) -> dict[str, object]:
    """What both programs are told."""
    (api,) = household.apis
    return {**household.told(api), "mcp": {"url": api.uri, "tokens": api.tokens}, **more}


def news(household: Household) -> dict[str, object]:
    """What the MCP server has to know after a loss."""
    (api,) = household.apis
    return {"introspector": msgspec.to_builtins(household.introspectors[api.uri])}


@meets("R-01", "A-30", "H-03", "H-04", "H-05", "H-14", "M-43", "M-56")
@pytest.mark.parametrize(
    "loss, card",
    [("everything", LEAST), ("deleted", PUBLIC), ("pruned", PUBLIC)],
    ids=["everything-secret", "deleted-public", "pruned-public"],
)
def test_the_mcp_client_of_typescript_finds_back_with_one_trip_through_the_browser(
    household: Household, loss: str, card: dict[str, object]
) -> None:
    with Driver([find_node(), str(NODE_HOME / "mcp-client.mjs")], plan(household, card=card)) as program:
        steps = program.steps("stepped_up")
        assert_stepped_up(household.subject, steps)
        assert steps["refreshed"].mark != steps["asked"].mark
        if loss == "everything":
            household.lose_everything()
        else:
            lose_client(household, loss, steps["stepped_up"].client_id)
        program.say(news(household))
        steps |= program.steps("recovered")

    assert steps["asked"].card["token_endpoint_auth_method"] == card.get("token_endpoint_auth_method", "client_secret_basic")
    assert steps["asked"].card["application_type"] == "native"
    assert_recovered(household.subject, steps["stepped_up"], steps["recovered"])


@meets("A-30", "H-05", "H-26")
@pytest.mark.parametrize("household", ["jwt"], indirect=True)
def test_the_mcp_client_of_typescript_brings_signed_tokens(household: Household) -> None:
    with Driver([find_node(), str(NODE_HOME / "mcp-client.mjs")], plan(household, card=PUBLIC)) as program:
        steps = program.steps("stepped_up")

    assert_stepped_up(household.subject, steps)


@meets("R-01", "A-30", "H-03", "H-04", "H-05", "H-08")
def test_mcp_remote_lives_on_and_finds_back_after_the_server_lost_everything(household: Household, tmp_path: Path) -> None:
    with Driver([find_node(), str(NODE_HOME / "mcp-remote.mjs")], plan(household, home=str(tmp_path / "home"))) as program:
        steps = program.steps("restarted")
        assert_stepped_up(household.subject, steps)
        assert steps["refreshed"].mark != steps["asked"].mark
        assert steps["restarted"].mark == steps["stepped_up"].mark
        household.lose_everything()
        program.say({**news(household), "after": "running"})
        steps |= program.steps("recovered")

    assert steps["asked"].card["token_endpoint_auth_method"] == "none"
    assert str(steps["asked"].card["redirect_uris"]).startswith("['http://localhost:")
    assert_recovered(household.subject, steps["restarted"], steps["recovered"])


@meets("H-14", "M-43", "M-56", "A-12")
@pytest.mark.parametrize("loss", ["deleted", "pruned"])
@pytest.mark.parametrize("after", ["restarted", "forgotten"])
def test_mcp_remote_finds_back_after_its_client_was_deleted_or_pruned(household: Household, tmp_path: Path, after: str, loss: str) -> None:
    """It comes with its tokens, or without them, and then looks at the authorization endpoint before the person's browser does."""
    told = plan(household, home=str(tmp_path / "home"), brief=True)

    with Driver([find_node(), str(NODE_HOME / "mcp-remote.mjs")], told) as program:
        asked = program.steps("asked")["asked"]
        lose_client(household, loss, asked.client_id)
        program.say({**news(household), "after": after})
        recovered = program.steps("recovered")["recovered"]

    assert_recovered(household.subject, asked, recovered)


def lose_client(household: Household, loss: str, client_id: str) -> None:
    """One client is gone, the server stays."""
    lose = {"deleted": household.delete_client, "pruned": household.prune_client}[loss]
    lose(client_id)


def assert_stepped_up(subject: str, steps: dict[str, Told]) -> None:
    """One trip to begin, none to refresh, one more for more scope; it is one client all the time (RFC 6750 §3.1)."""
    asked, refreshed, stepped_up = steps["asked"], steps["refreshed"], steps["stepped_up"]
    assert (asked.said, asked.trips, asked.forms) == (subject, 1, ["sign-in", "consent"])
    assert (refreshed.said, refreshed.trips) == (subject, 1)
    assert (stepped_up.said, stepped_up.trips, stepped_up.forms) == ("written", 2, ["consent"])
    assert asked.scope == refreshed.scope == "tides:read"
    assert set(stepped_up.scope.split()) == {"tides:read", "tides:write"}
    assert asked.token_type.lower() == "bearer"
    assert stepped_up.client_id == asked.client_id


def assert_recovered(subject: str, before: Told, recovered: Told) -> None:
    """It registered again and needed the person once."""
    assert (recovered.said, recovered.trips) == (subject, before.trips + 1)
    assert recovered.client_id != before.client_id
    assert {**recovered.card, **DIFFERENT} == {**before.card, **DIFFERENT}


DIFFERENT = {"client_secret": "", "client_id_issued_at": 0}
"""What differs between two registrations of one program."""
