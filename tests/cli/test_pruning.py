"""``calling-card prune``: a rehearsal, the thing itself, and the way back."""

import sys
import time
from pathlib import Path

import pytest

from calling_card.cli import pruning
from tests.cli.conftest import Operator
from tests.ledger import meets
from tests.world import World

DAY = 86400


async def three(server: World) -> list[str]:
    return [str((await server.register(client_name="Assistant"))["client_id"]) for _ in range(3)]


@pytest.fixture
def dead(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three clients that registered three days ago."""
    clients = operator.inside(three)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3 * DAY)
    return sorted(clients)


@meets("S4-05")
def test_a_rehearsal_says_what_would_go_and_changes_nothing(operator: Operator, dead: list[str]) -> None:
    told = operator.told("prune", "--dry-run")
    text = operator.people("prune", "--dry-run")

    (row,) = told["classes"]
    assert (told["clients"], told["dead"], told["dry_run"], told["swept"]) == (3, 3, True, {})
    assert (row["class"], row["count"], row["alike"]) == ("never_approved", 3, 3)
    assert sorted(sample["client_id"] for sample in row["samples"]) == dead
    assert text.splitlines()[:3] == [
        "clients  3",
        "dead  3",
        "  never_approved  3  A stranger whom nobody ever allowed anything.  3 say the same.",
    ]
    assert text.splitlines()[-1] == "nothing was changed"
    assert [client["client_id"] for client in operator.rows("client", "list")] == dead


@meets("S4-05")
def test_what_was_pruned_is_listed_and_comes_back(operator: Operator, dead: list[str]) -> None:
    text = operator.people("prune")
    rows = operator.rows("prune", "list")
    listed = operator.people("prune", "list")
    one = operator.people("prune", "undo", dead[0])
    rest = operator.people("prune", "undo", "--all")

    assert text.splitlines()[-1] == "for 7 days: calling-card prune undo CLIENT_ID, or --all"
    assert [row["client_id"] for row in rows] == [line.split()[0] for line in listed.splitlines()] == dead
    assert {row["class"] for row in rows} == {"never_approved"}
    assert (one, rest) == (f"{dead[0]} is back", "2 clients are back")
    assert [client["client_id"] for client in operator.rows("client", "list")] == dead
    assert operator.people("prune", "list") == "no pruned client can be brought back"


def test_nothing_to_do_is_said_too(operator: Operator) -> None:
    assert operator.people("prune").splitlines() == ["clients  0", "dead  0", "kept  0"]
    assert operator.told("prune", "undo", "--all") == {"brought_back": 0}
    assert operator.refused(1, "prune", "undo", "cX") == "there is no pruned client cX that can be brought back"


@pytest.mark.usefixtures("dead")
def test_living_ones_are_counted_with_the_reason(operator: Operator) -> None:
    operator.run("resource", "add", "https://api.example")

    lines = operator.people("prune").splitlines()

    assert lines[-3:-1] == ["kept  1", "  used_lately  1  It was used on a day that is not over long enough."]


@pytest.mark.parametrize("arguments", [("undo",), ("undo", "cX", "--all"), ("--dry-run", "undo", "--all"), ("--json", "list")])
def test_half_an_order_is_a_mistake_of_usage(operator: Operator, arguments: tuple[str, ...]) -> None:
    assert operator.run("prune", *arguments).exit_code == 2


def test_a_folder_named_before_the_word_undo_is_not_taken_for_another(operator: Operator) -> None:
    result = operator.say("prune", "--data", str(operator.data), "undo", "--all")

    assert result.exit_code == 2
    assert "say the options behind undo" in result.stderr


def test_a_rehearsal_makes_no_data_folder(tmp_path: Path) -> None:
    nowhere = Operator(tmp_path / "nowhere")

    assert nowhere.run("prune", "--dry-run").exit_code == 3
    assert not nowhere.data.exists()


@pytest.mark.usefixtures("dead")
def test_whoever_watches_at_a_terminal_sees_how_far_it_is(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from calling_card.usecases.prune import prune

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    async def watched(server: World) -> int:
        return (await pruning._watched(prune(server.ports, "op"))).total

    assert operator.inside(watched) == 3
    assert "\r3 clients, 3 dead" in capsys.readouterr().err
