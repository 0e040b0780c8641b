"""The commands for many clients at once, and for the invitations they came by."""

import json
from typing import Any

import pytest

from calling_card.cli.cohorts import DONE
from calling_card.protocol.life.cohorts import CRITERIA, Act
from tests.cli.conftest import Operator
from tests.ledger import meets
from tests.world import World

TEA = ("--software-id", "tea")


async def a_few(server: World) -> list[dict[str, Any]]:
    """Three that are one software, and one that is another."""
    return [await server.register(software_id=software, client_name=f"{software} – 茶") for software in ("tea", "tea", "tea", "coffee")]


def states(operator: Operator) -> list[str]:
    return sorted(row["state"] for row in operator.rows("client", "list"))


# ── Cohorts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verb", ["show", "suspend", "revoke", "delete"])
def test_every_criterion_is_an_option_and_examples_are_shown(operator: Operator, verb: str) -> None:
    shown = operator.say("cohort", verb, "--help").stdout

    assert [row.name for row in CRITERIA if f"--{row.name.replace('_', '-')} {row.metavar}" not in shown] == []
    assert f"    calling-card cohort {verb} " in shown


def test_a_cohort_is_counted_and_shown(operator: Operator) -> None:
    cards = operator.inside(a_few)

    told = operator.told("cohort", "show", *TEA)
    lines = operator.people("cohort", "show", *TEA).splitlines()

    assert (told["clients"], told["states"], told["doors"], told["where"]) == (3, {"active": 3}, {"rfc7591": 3}, {"software_id": "tea"})
    assert lines[0] == "3 clients  3 active  3 rfc7591  0 grants"
    assert sorted(line.split("  ")[0] for line in lines[1:]) == sorted(card["client_id"] for card in cards[:3])
    assert lines[1].split("  ")[1:] == ["active", "anonymous", "tea – 茶"]


@pytest.mark.parametrize("act", [*Act])
def test_without_yes_an_act_is_a_rehearsal(operator: Operator, act: Act) -> None:
    operator.inside(a_few)
    events = operator.told("audit", "verify")["events"]

    told = operator.told("cohort", act.value, *TEA)

    assert (told["act"], told["carried_out"], told["clients"], len(told["samples"])) == (act.value, False, 3, 3)
    assert operator.people("cohort", act.value, *TEA).splitlines()[-1] == "nothing was changed; --yes does it"
    assert states(operator) == ["active"] * 4
    assert operator.told("audit", "verify")["events"] == events


@pytest.mark.parametrize(
    "act, left", [(Act.SUSPEND, ["active"] + ["suspended"] * 3), (Act.REVOKE, ["active"] * 4), (Act.DELETE, ["active"])]
)
def test_with_yes_an_act_is_carried_out_and_tells_how_far_it_is(operator: Operator, act: Act, left: list[str]) -> None:
    operator.inside(a_few)

    result = operator.run("cohort", act.value, *TEA, "--yes", "--json")

    told = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "3 of 3\n")
    assert {name: told[name] for name in ("act", "carried_out", "clients", "done", "already", "missed")} == {
        "act": act.value,
        "carried_out": True,
        "clients": 3,
        "done": 3,
        "already": 0,
        "missed": [],
    }
    assert states(operator) == left
    assert operator.people("cohort", act.value, "--software-id", "coffee", "--yes").startswith(f"1 of 1 clients {DONE[act]}, 0 were so")


def test_who_did_it_is_in_the_audit_trail_with_the_cohort(operator: Operator) -> None:
    operator.inside(a_few)

    cohort = operator.told("cohort", "delete", *TEA, "--yes")["cohort"]

    bodies = [json.loads(line)["content"]["body"] for line in operator.people("audit", "export").splitlines()]
    assert [body["by"] for body in bodies if body.get("cohort") == cohort] == ["olga"] * 4


def test_a_client_that_others_change_all_the_time_is_a_refusal_after_the_rest(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.inside(a_few)

    async def lost(*_: object) -> bool:
        return False

    monkeypatch.setattr("calling_card.store.sqlite.SqliteStore.end_all", lost)
    result = operator.run("cohort", "suspend", *TEA, "--yes")

    assert result.exit_code == 1
    assert result.stdout.startswith("0 of 3 clients suspended, 0 were so already; cohort ")
    assert result.stderr.splitlines()[-1] == "calling-card: 3 were being changed by others; do it again"


@pytest.mark.parametrize(
    "after, found",
    [
        ("2020-01-01", 4),
        ("2999-01-01T00:00:00Z", 0),
        ("2020-01-01T09:30+09:00", 4),
        ("1700000000", 4),
        ("99999999999", 0),
        ("0001-01-01", 4),
    ],
)
def test_a_time_is_a_date_a_time_or_seconds(operator: Operator, after: str, found: int) -> None:
    operator.inside(a_few)

    assert operator.told("cohort", "show", "--issued-after", after)["clients"] == found


def test_a_time_that_cannot_be_is_a_mistake_of_usage(operator: Operator) -> None:
    result = operator.run("cohort", "show", "--issued-before", "yesterday")

    assert result.exit_code == 2
    assert "for example 2026-11-20" in result.stderr


@pytest.mark.parametrize("verb", ["show", "suspend", "revoke", "delete"])
@pytest.mark.parametrize(
    "where, words", [((), "say which clients: "), (("--door", "x"), "door: "), (("--invitation", "x"), "invitation: ")]
)
def test_who_is_not_named_is_a_refusal(operator: Operator, verb: str, where: tuple[str, ...], words: str) -> None:
    assert operator.refused(1, "cohort", verb, *where).startswith(words)


# ── Invitations ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def invited(operator: Operator) -> dict[str, Any]:
    """An invitation that let two clients in and would let in more."""
    made = operator.told("invite", "--uses", "5", "--label", "a fair")

    async def come(server: World) -> None:
        for _ in range(2):
            await server.register(made["initial_access_token"])

    operator.inside(come)
    return made


def test_invitations_are_listed_and_shown_without_their_tokens(operator: Operator, invited: dict[str, Any]) -> None:
    [row] = operator.rows("invitation", "list")
    shown = operator.told("invitation", "show", invited["id"])

    assert (row, shown["uses_left"], shown["state"], shown["owner"], shown["label"]) == (shown, 3, "open", "olga", "a fair")
    assert operator.people("invitation", "list") == f"{invited['id']}  open  3  olga  a fair"
    assert json.loads(operator.people("invitation", "show", invited["id"])) == shown
    assert invited["initial_access_token"] not in operator.people("invitation", "list") + json.dumps(shown)
    assert operator.rows("invitation", "list", "--after", invited["id"]) == []


def test_an_invitation_that_is_taken_back_leaves_its_clients(operator: Operator, invited: dict[str, Any]) -> None:
    assert operator.people("invitation", "revoke", invited["id"]) == f"{invited['id']} is revoked"
    assert operator.told("invitation", "revoke", invited["id"])["state"] == "revoked"
    assert states(operator) == ["active", "active"]


def test_without_yes_an_invitation_and_its_clients_stay_as_they_are(operator: Operator, invited: dict[str, Any]) -> None:
    told = operator.told("invitation", "revoke", invited["id"], "--with-clients", "delete")

    assert (told["act"], told["carried_out"], told["clients"]) == ("delete", False, 2)
    assert operator.told("invitation", "show", invited["id"])["state"] == "open"
    assert states(operator) == ["active", "active"]


@meets("R-28")
@pytest.mark.parametrize("act, left", [("delete", []), ("suspend", ["suspended"] * 2), ("revoke", ["active"] * 2)])
def test_with_yes_an_invitation_goes_with_whom_it_let_in(operator: Operator, invited: dict[str, Any], act: str, left: list[str]) -> None:
    operator.inside(a_few)

    told = operator.told("invitation", "revoke", invited["id"], "--with-clients", act, "--yes")

    assert (told["carried_out"], told["done"]) == (True, 2)
    assert operator.told("invitation", "show", invited["id"])["state"] == "revoked"
    assert states(operator) == sorted(["active"] * 4 + left)


def test_yes_alone_says_nothing(operator: Operator, invited: dict[str, Any]) -> None:
    assert operator.run("invitation", "revoke", invited["id"], "--yes").exit_code == 2
    assert operator.told("invitation", "show", invited["id"])["state"] == "open"


@pytest.mark.parametrize(
    "words", [("show",), ("revoke",), ("revoke", "--with-clients", "delete"), ("revoke", "--with-clients", "delete", "--yes")]
)
def test_an_invitation_that_is_not_there_is_named(operator: Operator, words: tuple[str, ...]) -> None:
    verb, *options = words

    assert operator.refused(1, "invitation", verb, "0" * 32, *options).startswith("there is no initial access token 0000")


def test_no_listing_begins_behind_what_is_no_id(operator: Operator) -> None:
    assert operator.refused(1, "invitation", "list", "--after", "x").startswith("id: ")
