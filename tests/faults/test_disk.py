"""No room is left: what must be kept is refused with 503, everything else goes on, and room is enough to heal (RELIABILITY F5)."""

import asyncio
import contextlib
import json
import resource
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251 - seeded, and the seed is printed: a run can be repeated
from typing import Protocol

import pytest

from tests.faults.books import Watch
from tests.faults.conftest import Told
from tests.faults.load import busy
from tests.faults.process import KILLED, PATIENCE, Server, command
from tests.faults.scene import Scene, prepared
from tests.faults.standing import Body, spoken
from tests.faults.wire import Ask, Line, Reply, filled, lines, volley
from tests.ledger import meets

pytestmark = pytest.mark.serial

ROUNDS = 8
RACERS = 16
MACHINE = b'{"client_name": "machine", "redirect_uris": [], "grant_types": ["client_credentials"], "scope": "openid"}'


class Room(Protocol):
    """A way to take the room from a server, and to give it back."""

    def fill(self) -> None:
        """From now on no file grows."""
        ...

    def free(self) -> None:
        """Files may grow again."""
        ...


@dataclass
class Limit:
    """The kernel lets the server's files grow no further; anybody may say so of a process of their own."""

    server: Server

    def fill(self) -> None:
        """Refuse writes behind the first pages of any file."""
        self._set(16_384)

    def free(self) -> None:
        """As before."""
        self._set(resource.RLIM_INFINITY)

    def _set(self, most: int) -> None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self.server.running.pid, resource.RLIMIT_FSIZE, (hard if most == resource.RLIM_INFINITY else most, hard))


@dataclass
class Small:
    """The data folder lies on a file system that another file fills."""

    place: Path

    def fill(self) -> None:
        """Write until nothing more goes in."""
        with (self.place / "ballast").open("ab", buffering=0) as ballast:
            for size in (65_536, 4_096, 512, 1):
                with contextlib.suppress(OSError):
                    while True:
                        ballast.write(b"\0" * size)

    def free(self) -> None:
        """Remove what fills it."""
        (self.place / "ballast").unlink()


@dataclass
class Frozen:
    """The database and its log are read-only, also for those who have them open; the memory that processes share about them is not."""

    data: Path

    def fill(self) -> None:
        """Nobody may change them, not even root."""
        self._say("+i")

    def free(self) -> None:
        """As before."""
        self._say("-i")

    def _say(self, flag: str) -> None:
        files = [str(self.data / name) for name in ("calling-card.sqlite3", "calling-card.sqlite3-wal") if (self.data / name).exists()]
        subprocess.run(["chattr", flag, *files], timeout=PATIENCE, check=True)


def enlarge(place: Path) -> None:
    """Give a file system in memory more of it."""
    subprocess.run(["mount", "-o", "remount,size=24m", str(place)], timeout=PATIENCE, check=True)


def may_freeze(place: Path) -> bool:
    """Whether files here can be made read-only for those who have them open: by root, where the file system knows how."""
    probe = place / "probe"
    with probe.open("wb", buffering=0) as written:
        try:
            if subprocess.run(["chattr", "+i", str(probe)], capture_output=True, timeout=PATIENCE, check=False).returncode:
                return False
            written.write(b"x")
        except FileNotFoundError:
            return False
        except PermissionError:
            return True
        finally:
            with contextlib.suppress(FileNotFoundError):
                subprocess.run(["chattr", "-i", str(probe)], capture_output=True, timeout=PATIENCE, check=False)
    return False


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB in memory."""
    yield from mount(tmp_path / "small", "24m")


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB in memory."""
    yield from mount(tmp_path / "tiny", "2m")


def mount(place: Path, size: str) -> Iterator[Path]:
    """A file system in memory at this place; the tests that need it are skipped where nobody may mount."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, timeout=PATIENCE, check=False)
    except FileNotFoundError:
        pytest.skip("a small file system needs the program mount")
    if done.returncode:
        pytest.skip(f"a small file system needs the right to mount: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], capture_output=True, timeout=PATIENCE, check=True)


@pytest.fixture(params=["file limit", "full file system", "read-only files"])
def crowded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, Room]]:
    """A server whose room can be taken, in three ways."""
    if request.param == "file limit":
        if not hasattr(resource, "prlimit"):
            pytest.skip("only Linux lets one process limit another")
        server = Server(tmp_path / "data")
        room: Room = Limit(server)
    elif request.param == "read-only files":
        if not may_freeze(tmp_path):
            pytest.skip("read-only files need chattr, the right to use it, and a file system that heeds it")
        server = Server(tmp_path / "data")
        room = Frozen(server.data)
    else:
        place: Path = request.getfixturevalue("mounted")
        server, room = Server(place / "data"), Small(place)
        server.log = tmp_path / "server.log"
    yield server, room
    if server.process is not None:
        server.kill()
        server.ended()
    if isinstance(room, Frozen):
        room.free()


async def test_without_room_changes_are_refused_reads_go_on_and_room_is_enough_to_heal(crowded: tuple[Server, Room]) -> None:
    server, room = crowded
    server.start()
    invitation = json.loads(command(server.data, "invite", "--grant", "client_credentials", "--scope", "openid").stdout)[
        "initial_access_token"
    ]
    async with lines(*[server.port] * RACERS) as opened:
        line = opened[0]
        machine = (await line.ask(Ask("POST", "/register", MACHINE, invitation))).json
        owner = await line.ask(Ask("POST", "/register", Body("owner", "none", 1).written()))
        basic, path = (str(machine["client_id"]), str(machine["client_secret"])), f"/register/{owner.text('client_id')}"
        held = owner.text("registration_access_token")
        token = (await line.ask(filled("/token", {"grant_type": "client_credentials"}, basic))).text("access_token")
        put = Ask("PUT", path, Body("owner", "none", 2).written(owner.text("client_id")), held)
        register, delete = Ask("POST", "/register", Body("other", "none", 1).written()), Ask("DELETE", path, token=held)
        revoke = filled("/revoke", {"token": token}, basic)
        ask_about, ask_for = filled("/introspect", {"token": token}, basic), filled("/token", {"grant_type": "client_credentials"}, basic)

        room.fill()

        for ask in (register, put, delete, revoke, Ask("GET", "/readyz")):
            assert_refused(await line.ask(ask))
        for reply in await volley(opened, [register, put, delete, revoke] * (RACERS // 4)):
            assert_refused(reply)
        assert (await line.ask(Ask("GET", path, token=held))).json == owner.json
        assert (await line.ask(ask_about)).json["active"] is True
        assert (await line.ask(ask_for)).status == 200
        for place in ("/jwks", "/.well-known/oauth-authorization-server", "/healthz"):
            assert (await line.ask(Ask("GET", place))).status == 200

        room.free()

        changed = await line.ask(put)
        assert (changed.status, spoken(changed.text("registration_access_token")).generation) == (200, 2)
        assert [(await line.ask(ask)).status for ask in (register, revoke, Ask("DELETE", path, token=held))] == [201, 200, 204]
        assert (await line.ask(ask_about)).json == {"active": False}
        await ready_again(line)
    picture = Watch(server.data).look()
    assert picture.flaws == []
    kinds = Counter(kind for told in picture.events.values() for kind, _ in told)
    assert kinds == Counter(
        key_rotated=1, initial_access_token_created=1, client_registered=3, client_replaced=1, client_deleted=1, token_revoked=1
    )
    assert server.stop() == 0
    assert command(server.data, "audit", "verify").returncode == 0


@meets("R-94")
async def test_what_is_answered_while_room_comes_and_goes_survives_a_kill(crowded: tuple[Server, Room], seed: int, tell: Told) -> None:
    server, room = crowded
    scene = await prepared(server, seed)
    scene.book.may_refuse = True
    chance, began = Random(seed), time.monotonic()

    for _ in range(ROUNDS):
        await full_and_free(scene, room, chance)

    await scene.finish()
    assert scene.book.figures.refused > 0
    tell(f"no room ({type(room).__name__.lower()}): {scene.book.figures}, {time.monotonic() - began:.0f} s")


async def full_and_free(scene: Scene, room: Room, chance: Random) -> None:
    """A life with too little room in the middle of it, and a kill with or without room."""
    scene.server.start()
    assert scene.compare() == []
    work = busy(scene.crew, scene.server.port)
    await asyncio.wait(work, timeout=chance.uniform(0.02, 0.1))
    room.fill()
    await asyncio.wait(work, timeout=chance.uniform(0.02, 0.1))
    healed = chance.random() < 0.5
    if healed:
        room.free()
        await asyncio.wait(work, timeout=chance.uniform(0.02, 0.1))
    scene.server.kill()
    assert scene.server.ended() == KILLED
    _, stuck = await asyncio.wait(work, timeout=PATIENCE)
    assert not stuck
    if not healed and not isinstance(room, Limit):
        room.free()
    scene.book.figures.kills += 1


async def test_a_file_system_of_two_megabytes_is_filled_to_the_brim_and_read_until_it_is_larger(
    tiny: Path, tmp_path: Path, tell: Told
) -> None:
    server, made = Server(tiny / "data"), list[Reply]()
    server.log = tmp_path / "server.log"
    server.start()
    async with lines(server.port) as (line,):
        while (reply := await line.ask(Ask("POST", "/register", Body(f"c{len(made)}", "none", 1).written()))).status == 201:
            made.append(reply)

        for _ in range(3):
            assert_refused(await line.ask(Ask("POST", "/register", Body("refused", "none", 1).written())))
            for one in (made[0], made[-1]):
                read = await line.ask(Ask("GET", f"/register/{one.text('client_id')}", token=one.text("registration_access_token")))
                assert (read.status, read.json) == (200, one.json)
            assert (await line.ask(Ask("GET", "/jwks"))).status == 200

        await asyncio.to_thread(enlarge, tiny)
        assert (await line.ask(Ask("POST", "/register", Body("again", "none", 1).written()))).status == 201
        await ready_again(line)
    picture = Watch(server.data).look()
    assert picture.flaws == []
    assert len(picture.rows) == len(made) + 1
    assert server.stop() == 0
    assert command(server.data, "audit", "verify").returncode == 0
    tell(f"2 MB: full after {len(made)} clients")


def assert_refused(reply: Reply) -> None:
    """The words in which a server says that it cannot store now."""
    assert reply.status == 503, reply
    assert reply.json["error"] == "temporarily_unavailable"
    assert reply.headers["retry-after"].isdecimal()
    assert reply.headers["cache-control"] == "no-store"


async def ready_again(line: Line) -> None:
    """The answer about readiness is a second old at most, so it changes within two."""
    end = time.monotonic() + PATIENCE
    while (await line.ask(Ask("GET", "/readyz"))).status != 200:
        assert time.monotonic() < end
