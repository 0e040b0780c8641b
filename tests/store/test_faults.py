"""The store dies at a named point: what was acknowledged is there, what was not is there as a whole or not at all."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from calling_card import faults
from calling_card.protocol.clients import State
from calling_card.protocol.persons.grants import Stage
from calling_card.store.sqlite import SqliteStore
from tests.ledger import meets
from tests.store.examples import CHAIN_KEY, Clock, a_client, a_grant, kinds
from tests.store.life import ANN, LATER, an_address, first_session, second_session

ROOT = Path(__file__).parents[2]
PASSES = {"store.migration": (1, 2, 3), "store.closed": (1,)}
DEATHS = [f"{name}:{number}" for name in sorted(faults.NAMES) if name.startswith("store.") for number in PASSES.get(name, (1, 2, 25))]


def lived(path: Path, fault: str) -> subprocess.CompletedProcess[str]:
    """The life of a process with a fault armed."""
    return subprocess.run(
        [sys.executable, "-m", "tests.store.life", str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "CALLING_CARD_FAULT": fault},
        capture_output=True,
        timeout=60,
        check=False,
        encoding="utf-8",
    )


async def step_of(store: SqliteStore, name: str) -> int:
    """How far a client came, by its rows: 0 nothing, then registered, given, signed in, signed in anew, replaced, and 6 removed."""
    like = a_client(name)
    found, grant = await store.living(like.key, like.incarnation), await store.grant(like.key, a_grant(like, ANN).id)
    yes = await store.consents(ANN.id, like)
    assert (grant is None) == (yes == [])
    client = found.client
    if client is None:
        assert grant is None
        return 6 if found.marked else 0
    first, second = await store.session(ANN.id, first_session(name)), await store.session(ANN.id, second_session(name))
    return STEPS[grant is not None, first is not None, second is not None, client.metadata, client.rat.issued]


async def step_of_address(store: SqliteStore, name: str) -> int:
    """How far an address came, by its rows: 0 nothing, then met, given, read anew, given again, and 5 stopped."""
    like = an_address(name)
    client, versions = await store.client(like.key), await store.versions(like.key)
    first, second = await store.grant(like.key, b"g" * 16), await store.grant(like.key, b"h" * 16)
    stages = (first[0].stage if first else None, second[0].stage if second else None)
    yeses = len(await store.consents(ANN.id, like))
    if client is None:
        assert (versions, stages, yeses) == ([], (None, None), 0)
        return 0
    return ADDRESS_STEPS[len(versions), client.metadata == NEW, client.state, stages, yeses]


async def step_of_the_dead(store: SqliteStore, name: str) -> int:
    """How far one of the dead came, by its rows: 0 nothing, then registered, put aside, and 3 back."""
    like = a_client(name)
    found, pruned = await store.living(like.key, like.incarnation), await store.pruned_client(like.key)
    day = 0 if found.client is None else found.client.last_used_day
    return DEAD_STEPS[day, found.marked, pruned is not None]


DEAD_STEPS = {(0, False, False): 0, (LATER - 1, False, False): 1, (0, True, True): 2, (LATER, False, False): 3}
"""What may be found together: the day of use of a client that is there, its tombstone, what was put aside."""

OLD, NEW = a_client().metadata, b'{"client_name":"new"}'
STEPS = {
    (False, False, False, OLD, 1): 1,
    (True, False, False, OLD, 1): 2,
    (True, True, False, OLD, 1): 3,
    (True, False, True, OLD, 1): 4,
    (True, False, True, NEW, 2): 5,
}
"""What may be found together: a grant, two sessions of which the second ends the first, the card, its generation."""


PENDING, REVOKED = Stage.PENDING, Stage.REVOKED
ADDRESS_STEPS: dict[tuple[int, bool, State, tuple[Stage | None, Stage | None], int], int] = {
    (1, False, State.ACTIVE, (None, None), 0): 1,
    (1, False, State.ACTIVE, (PENDING, None), 1): 2,
    (2, True, State.ACTIVE, (REVOKED, None), 0): 3,
    (2, True, State.ACTIVE, (REVOKED, PENDING), 1): 4,
    (2, True, State.SUSPENDED, (REVOKED, REVOKED), 0): 5,
}
"""What may be found together: versions, the card of the newer one, the state, two grants, remembered yeses."""


@meets("R-94")
@pytest.mark.parametrize("fault", DEATHS)
async def test_a_death_loses_nothing_acknowledged_and_halves_nothing(tmp_path: Path, fault: str) -> None:
    dead = lived(tmp_path / "store.db", fault)

    assert dead.returncode == -9, dead.stderr
    acknowledged = Counter(line.split()[0] for line in dead.stdout.splitlines() if " " in line)
    store = SqliteStore.open(tmp_path / "store.db", chain_key=CHAIN_KEY, writer=b"writer-2", now=Clock())
    steps = {f"{turn}-{number}": await step_of(store, f"{turn}-{number}") for turn in range(20) for number in range(4)}
    addresses = {f"at-{turn}-{number}": await step_of_address(store, f"at-{turn}-{number}") for turn in range(20) for number in range(2)}
    dead_ones = {
        f"dead-{turn}-{number}": await step_of_the_dead(store, f"dead-{turn}-{number}") for turn in range(20) for number in range(2)
    }
    for client, step in [*steps.items(), *addresses.items(), *dead_ones.items()]:
        assert acknowledged[client] <= step <= acknowledged[client] + 1
    written = Counter(await kinds(store))
    reached = [sum(step > least for step in steps.values()) for least in range(6)]
    assert written["client_registered"] == reached[0]
    assert written["grant_given"] == reached[1]
    assert written["signed_in"] == reached[2] + reached[3]
    assert written["client_replaced"] == reached[4]
    assert written["client_deleted"] == reached[5]
    reached = [sum(step > least for step in addresses.values()) for least in range(5)]
    assert [written["client_met"], written["document_changed"], written["client_suspended"]] == [reached[0], reached[2], reached[4]]
    assert written["code_given"] == reached[1] + reached[3]
    kinds_of_the_dead = ("dead_registered", "client_pruned", "client_brought_back")
    assert [written[kind] for kind in kinds_of_the_dead] == [sum(step > least for step in dead_ones.values()) for least in range(3)]
    invitation = await store.invitation(b"t" * 16)
    assert (1000 - invitation.uses_left if invitation else 0) == written["client_registered"]
    assert store._db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    await store.close()


def test_without_a_fault_nothing_dies(tmp_path: Path) -> None:
    life = lived(tmp_path / "store.db", "")

    assert life.returncode == 0, life.stderr
    assert len(life.stdout.splitlines()) == 2 + 5 * 80 + 40 + 5 * 40 + 3 * 40


def test_a_fault_that_names_no_point_is_refused(tmp_path: Path) -> None:
    life = lived(tmp_path / "store.db", "store.begn:1")

    assert life.returncode == 1
    assert "CALLING_CARD_FAULT=store.begn:1 is not the name of a fault point, a colon and a number from 1" in life.stderr


@pytest.mark.parametrize("armed", ["store.begin", "store.begin:0", "store.begin:x", "store.begin:-1", ":1"])
def test_a_fault_needs_a_name_and_a_number(armed: str) -> None:
    with pytest.raises(ValueError, match="not the name of a fault point"):
        faults.Fuse(armed)


def test_a_point_without_a_row_is_refused_where_it_stands() -> None:
    with pytest.raises(ValueError, match="not a row"):
        faults.point("store.nowhere")


def test_points_are_named_once_and_each_is_passed_somewhere() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))

    assert len(faults.NAMES) == len(faults.POINTS)
    assert [
        name for name in sorted(faults.NAMES) if name.startswith("store.") and not re.search(rf'(point\(|passing=)"{name}"', source)
    ] == []


def test_a_fuse_kills_at_its_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    kills: list[tuple[int, int]] = []

    def kill(process: int, signal: int) -> None:
        kills.append((process, signal))

    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(faults, "FUSE", faults.Fuse("web.mid_answer:3"))

    for _ in range(5):
        faults.point("web.mid_answer")
        faults.point("web.before_answer")

    assert kills == [(os.getpid(), 9)]
