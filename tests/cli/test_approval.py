"""``calling-card client approve``, ``refuse``, ``test-person`` and ``list --held``."""

from typing import Any

import pytest

from tests.cli.conftest import Operator
from tests.ledger import meets
from tests.visitor import somebody
from tests.world import World, changed


async def who_waits(server: World) -> dict[str, Any]:
    with changed(server, hold=("anonymous",)):
        return await server.register(client_name="Tea")


async def bob(server: World) -> str:
    return (await somebody(server, "bob")).subject


@pytest.fixture
def waits(operator: Operator) -> str:
    """The client_id of one that waits."""
    operator.inside(World.register)
    return str(operator.inside(who_waits)["client_id"])


@meets("A-88")
def test_who_waits_is_listed_and_approved(operator: Operator, waits: str) -> None:
    rows = operator.rows("client", "list", "--held")
    text = operator.people("client", "list", "--held")
    said = operator.people("client", "approve", waits, "--note", "met its makers")

    assert [(row["client_id"], row["state"]) for row in rows] == [(waits, "held")]
    assert text == f"{waits}  held  confidential  anonymous  Tea"
    assert said == f"{waits} is approved"
    assert operator.told("client", "approve", waits)["state"] == "active"
    assert operator.rows("client", "list", "--held") == []
    assert len(operator.rows("client", "list")) == 2
    (event,) = [one for one in events(operator) if one["kind"] == "client_approved"]
    assert event["content"]["body"] == {"by": "olga", "note": "met its makers"}


def events(operator: Operator) -> list[dict[str, Any]]:
    import json

    return [json.loads(line) for line in operator.people("audit", "export").splitlines()]


@meets("A-88")
def test_a_refused_client_is_listed_with_the_reason_and_can_be_resumed(operator: Operator, waits: str) -> None:
    said = operator.people("client", "refuse", waits, "--note", "not yours")
    row = operator.told("client", "refuse", waits)
    shown = operator.told("client", "show", waits)
    why = operator.refused(1, "client", "approve", waits)
    listed = operator.people("client", "list").splitlines()
    resumed = operator.people("client", "resume", waits)

    assert said == f"{waits} is refused"
    assert (row["state"], row["refusal"], shown["refusal"]) == ("suspended", "not yours", "not yours")
    assert why == f"{waits} is refused, not held: it does not wait for approval; resume it first, then it waits again"
    assert f"{waits}  refused  confidential  anonymous  Tea" in listed
    assert resumed == f"{waits} is waiting for approval again"
    assert operator.refused(1, "client", "resume", waits) == f"{waits} is held, not suspended; resuming would approve it"


@meets("A-88")
def test_test_persons_are_named_listed_and_taken_back(operator: Operator, waits: str) -> None:
    subject = operator.inside(bob)

    added = operator.people("client", "test-person", "add", waits, "bob")
    rows = operator.rows("client", "test-person", "list", waits)
    text = operator.people("client", "test-person", "list", waits)
    removed = operator.told("client", "test-person", "remove", waits, "bob")

    assert added == f"bob may use {waits} while it waits"
    assert rows == [{"name": "bob", "sub": subject}]
    assert text == f"bob  {subject}"
    assert removed == {"client_id": waits, "name": "bob", "sub": subject}
    nobody = operator.run("client", "test-person", "list", waits)
    assert (nobody.stdout, nobody.stderr) == ("", "there is none\n")
    assert operator.refused(1, "client", "test-person", "add", waits, "eve") == "name: there is no person eve"


@meets("A-88", "X-107")
def test_a_client_that_is_another_than_the_one_looked_at_is_not_approved(operator: Operator, waits: str) -> None:
    seen = operator.told("client", "show", waits)["card"]

    why = operator.refused(1, "client", "approve", waits, "--card", "0" * 32)

    assert why == f"{waits} has another card by now ({seen}): look at it again"
    assert operator.people("client", "approve", waits, "--card", seen) == f"{waits} is approved"


@meets("X-56")
@pytest.mark.parametrize("note", ["two\nlines", "x" * 201])
def test_a_note_is_one_printable_line(operator: Operator, waits: str, note: str) -> None:
    result = operator.run("client", "refuse", waits, "--note", note)

    assert result.exit_code == 2
    assert "say it in one line of at most 200 printable characters" in result.stderr
