"""The server is killed in the middle of its work; nothing that was answered is lost, nothing is there by half (R-94, RELIABILITY F1)."""

import asyncio
import json
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from random import Random  # noqa: TID251 - seeded, and the seed is printed: a run can be repeated

import apsw
import pytest

from calling_card.keys.keyring import FileKeyring
from tests.faults.books import KEYRING, Entry, Sent, Watch
from tests.faults.conftest import Told
from tests.faults.load import busy
from tests.faults.peeks import DATABASE, bytes_of
from tests.faults.process import KILLED, PATIENCE, Server, command
from tests.faults.scene import USES, Scene
from tests.faults.standing import Body, born, digest_of
from tests.faults.wire import Ask, Line, lines
from tests.ledger import meets

pytestmark = pytest.mark.serial

AT_ANY_MOMENT = 110
ON_THE_WAY = (
    "store.begin",
    "store.event",
    "store.use_taken",
    "store.row_gone",
    "store.unit.done",
    "store.before_commit",
    "store.after_commit",
    "web.before_answer",
    "web.mid_answer",
)
PASSES = (1, 2, 3, 5, 8, 13, 16, 21, 34, 55)


@meets("R-94", "M-46")
async def test_whatever_the_moment_no_answered_write_is_lost_and_none_is_there_by_half(scene: Scene, seed: int, tell: Told) -> None:
    chance, began = Random(seed), time.monotonic()

    for _ in range(AT_ANY_MOMENT):
        await scene.life(delay=chance.uniform(0.02, 0.35))

    await scene.finish()
    assert scene.book.figures.recovered > scene.book.figures.kills
    tell(f"kills at any moment: {scene.book.figures}, {time.monotonic() - began:.0f} s")


@meets("R-94")
async def test_at_every_point_on_the_way_no_answered_write_is_lost_and_none_is_there_by_half(scene: Scene, tell: Told) -> None:
    began = time.monotonic()

    for point in ON_THE_WAY:
        for number in PASSES:
            await scene.life(f"{point}:{number}")

    await scene.finish()
    assert scene.book.figures.recovered > scene.book.figures.kills
    tell(f"kills at fault points: {scene.book.figures}, {time.monotonic() - began:.0f} s")


# ── Deaths at the start, at the end, and of commands ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "point",
    ["keys.written", "store.migration", "store.begin", "store.event", "store.unit.done", "store.before_commit", "store.after_commit"],
)
async def test_a_first_start_that_died_is_made_good_by_the_next(tmp_path: Path, servers: Callable[[Path], Server], point: str) -> None:
    server = servers(tmp_path / "data")
    server.start_and_die(f"{point}:1")

    server.start()

    async with lines(server.port) as (line,):
        assert (await line.ask(Ask("GET", "/jwks"))).body.count(b'"kid"') == 2  # ES256 and RS256
        made = await line.ask(Ask("POST", "/register", Body("first", "none", 1).written()))
        assert made.status == 201
        shown = await line.ask(Ask("GET", f"/register/{made.text('client_id')}", token=made.text("registration_access_token")))
        assert shown.status == 200
    assert (server.data / KEYRING).stat().st_mode & 0o777 == 0o600
    picture = Watch(server.data).look()
    assert picture.flaws == []
    assert [kind for kind, _ in picture.events[b""]] == ["key_rotated"]


@pytest.mark.parametrize("point, done", [("store.event", 0), ("store.before_commit", 0), ("store.after_commit", 1)])
async def test_an_invitation_whose_command_died_is_there_with_its_event_or_not_at_all(scene: Scene, point: str, done: int) -> None:
    scene.server.start()

    died = command(scene.server.data, "invite", "--uses", "3", fault=f"{point}:1")

    assert died.returncode == KILLED
    picture = scene.watch.look()
    assert picture.flaws == []
    assert sorted(picture.uses_left.values()) == [3] * done + [USES]
    assert [kind for kind, _ in picture.events[b""]].count("initial_access_token_created") == 1 + done
    assert scene.compare() == []


@pytest.mark.parametrize("point, done", [("store.unit.done", 0), ("store.before_commit", 0), ("store.after_commit", 1)])
async def test_a_rotation_whose_command_died_ended_the_old_token_or_left_it(scene: Scene, point: str, done: int) -> None:
    entry = scene.book.entries[0]
    scene.server.start()

    died = command(scene.server.data, "client", "rotate", entry.client_id, fault=f"{point}:1")

    assert died.returncode == KILLED
    picture = scene.watch.look()
    assert picture.rows[entry.client_id]["rat_issued"] == 1 + done
    assert picture.rows[entry.client_id]["secret_issued"] == 1 + done
    assert [kind for kind, _ in picture.events[scene.key(entry)]] == ["client_registered"] + ["client_rotated"] * done
    again = json.loads(command(scene.server.data, "client", "rotate", entry.client_id).stdout)
    async with lines(scene.server.port) as (line,):
        assert (await line.ask(Ask("GET", entry.path, token=entry.tokens[1]))).status == 401
        assert (await line.ask(Ask("GET", entry.path, token=again["registration_access_token"]))).status == 200


async def test_a_client_whose_deletion_died_half_way_is_whole(scene: Scene) -> None:
    entry = scene.book.entries[0]
    scene.server.start()

    died = command(scene.server.data, "client", "delete", entry.client_id, fault="store.row_gone:1")

    assert died.returncode == KILLED
    assert scene.compare(everything=True) == []
    async with lines(scene.server.port) as (line,):
        assert (await line.ask(Ask("GET", entry.path, token=entry.tokens[1]))).status == 200


@pytest.mark.parametrize("point, keys", [("keys.written", 1), ("keys.rotated", 2)])
async def test_a_renewal_of_the_keyring_that_died_ends_no_credential(scene: Scene, point: str, keys: int) -> None:
    entry = scene.book.entries[0]
    scene.server.start()

    died = command(scene.server.data, "keys", "rotate", fault=f"{point}:1")

    assert died.returncode == KILLED
    assert len(FileKeyring(scene.server.data / KEYRING).keys) == keys
    async with lines(scene.server.port) as (line,):
        assert (await line.ask(Ask("GET", entry.path, token=entry.tokens[1]))).status == 200
        made = await line.ask(Ask("POST", "/register", Body("later", "none", 1).written()))
        assert made.status == 201
        assert json.loads(command(scene.server.data, "keys", "rotate").stdout)["key"] == keys + 1
        path, token = f"/register/{made.text('client_id')}", made.text("registration_access_token")
        assert (await line.ask(Ask("GET", path, token=token))).status == 200
    assert scene.watch.look().flaws == []


async def test_a_stop_that_died_before_the_log_was_folded_in_lost_nothing(scene: Scene) -> None:
    scene.server.start("store.closed:1")
    work = busy(scene.crew, scene.server.port)
    await asyncio.wait(work, timeout=0.3)

    ended = await asyncio.to_thread(scene.server.stop)

    assert ended == KILLED
    await asyncio.wait(work, timeout=PATIENCE)
    assert scene.book.figures.acknowledged > 2
    await scene.finish()


@meets("A-92")
async def test_a_stop_finishes_what_was_under_way_and_tells_everyone(scene: Scene) -> None:
    for _ in range(5):
        scene.server.start()
        assert scene.compare() == []
        work = busy(scene.crew, scene.server.port)
        await asyncio.wait(work, timeout=0.2)

        assert await asyncio.to_thread(scene.server.stop) == 0

        _, stuck = await asyncio.wait(work, timeout=PATIENCE)
        assert not stuck

    await scene.finish()
    assert scene.book.figures.acknowledged > 2
    assert scene.book.figures.carried_out == 0


async def test_a_torn_list_of_heads_hinders_nobody_and_the_verification_tells_of_it(scene: Scene) -> None:
    (scene.server.data / "heads.json").write_bytes(b"")

    listed_clients, verified = command(scene.server.data, "client", "list"), command(scene.server.data, "audit", "verify")

    assert listed_clients.returncode == 0, listed_clients.stderr
    assert verified.returncode == 1
    assert "heads.json is damaged" in verified.stderr


# ── The comparison itself ────────────────────────────────────────────────────────────────────────────────────────────

TAKEN_BACK = """
UPDATE clients SET metadata = :metadata, rat_issued = 1, rat_overlap_since = NULL, rat_put_digest = NULL WHERE client_id = :one
"""
DAMAGE = {
    "a row put back to what it was before": ("lost", TAKEN_BACK),
    "a row that is gone": ("lost", "DELETE FROM clients WHERE client_id = :one"),
    "a deleted row that is back": ("lost", "UPDATE clients SET client_id = :gone WHERE client_id = :two"),
    "a tombstone that is gone": ("lost", "DELETE FROM marks"),
    "the newest event gone": ("lost", "DELETE FROM events WHERE rowid = (SELECT max(rowid) FROM events)"),
    "an event in the middle gone": ("other", "DELETE FROM events WHERE rowid = (SELECT max(rowid) - 1 FROM events)"),
    "an event altered": ("other", "UPDATE events SET at = at + 1 WHERE kind = 'client_replaced'"),
    "a use given back": ("other", "UPDATE initial_access_tokens SET uses_left = uses_left + 1"),
    "a row without a request": ("other", "UPDATE clients SET client_id = 'nobody' WHERE client_id = :two"),
    "a new token without its card": ("half", "UPDATE clients SET rat_issued = rat_issued + 1 WHERE client_id = :one"),
    "a new card without its token": ("half", "UPDATE clients SET metadata = :metadata WHERE client_id = :one"),
    "a new secret without its card": ("half", "UPDATE clients SET secret_issued = secret_issued + 1 WHERE client_id = :one"),
}
"""What is done to the database file, and as what it must be reported."""


async def test_the_comparison_reports_every_kind_of_damage(scene: Scene, tmp_path: Path) -> None:
    one, two = scene.book.entries
    earlier = bytes_of(scene.watch.look().rows[one.client_id]["metadata"])
    gone = Entry("gone", invited=True)
    scene.book.entries.append(gone)
    scene.server.start()
    async with lines(scene.server.port) as (line,):
        await tell_all(scene, line, one, gone)
    scene.server.kill()
    scene.server.ended()
    assert scene.compare() == []
    named: dict[str, str | bytes] = {"one": one.client_id, "two": two.client_id, "gone": gone.client_id, "metadata": earlier}

    reported: dict[str, set[str]] = {}
    for number, (damage, (_, statement)) in enumerate(DAMAGE.items()):
        copy = shutil.copytree(scene.server.data, tmp_path / f"copy{number}")
        with closing(apsw.Connection(str(copy / DATABASE))) as db:
            db.execute(statement, named)
        found = deepcopy(scene.book).settle(Watch(copy).look(), everything=True)
        reported[damage] = {line.partition(":")[0] for line in found}

    assert {damage: expected for damage, (expected, _) in DAMAGE.items() if expected not in reported[damage]} == {}


async def test_the_comparison_takes_no_half_of_a_request_under_way(scene: Scene, tmp_path: Path) -> None:
    one = scene.book.entries[0]
    assert one.standing is not None
    body = Body(one.name, "none", 2)
    ask = Ask("PUT", one.path, body.written(one.client_id), one.tokens[1])
    one.sent = Sent(ask, one.standing.put(1, body, digest_of(ask.body)), 1)
    assert deepcopy(scene.book).settle(scene.watch.look()) == []

    with closing(apsw.Connection(str(scene.server.data / DATABASE))) as db:
        db.execute("UPDATE clients SET metadata = ? WHERE client_id = ?", (json.dumps(scene.book.card(body)).encode(), one.client_id))

    assert [line.partition(":")[0] for line in scene.compare()] == ["half"]


async def tell_all(scene: Scene, line: Line, one: Entry, gone: Entry) -> None:
    """A client comes and goes, another is replaced; the replacement's event is the newest but one."""
    first = Body(gone.name, "none", 1)
    sent = Sent(Ask("POST", "/register", first.written(), scene.crew[0].invitation), born(first))
    scene.book.heard(gone, sent, await line.ask(sent.ask))
    assert gone.standing is not None
    assert one.standing is not None
    body = Body(one.name, one.standing.body.shape, 2)
    put = Ask("PUT", one.path, body.written(one.client_id), one.tokens[1])
    scene.book.heard(one, Sent(put, one.standing.put(1, body, digest_of(put.body)), 1), await line.ask(put))
    delete = Ask("DELETE", gone.path, token=gone.tokens[1])
    scene.book.heard(gone, Sent(delete, gone.standing.deleted(), 1), await line.ask(delete))
