"""What was done and whose answer never arrived: the client says it again and goes on (RELIABILITY F10)."""

import asyncio
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Told
from tests.faults.standing import Body, spoken
from tests.faults.test_races import TRACKS, Track, Tracks
from tests.faults.test_races_people import events, parties
from tests.faults.wire import PATIENCE, Ask, Reply

pytestmark = pytest.mark.serial

ONCE = b"Idempotency-Key: lost-answer\r\n"


class Keyed(Ask):
    """A registration that says which one it is."""

    def written(self) -> bytes:
        """Its bytes."""
        first, end, rest = super().written().partition(b"\r\n")
        return first + end + ONCE + rest


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracks]:
    """Servers as processes."""
    with Tracks(tmp_path_factory.mktemp("lost"), 1, {"PROMPT_RATE": "0"}).open() as made:
        yield made


@pytest.fixture
def track(request: pytest.FixtureRequest, tracks: Tracks, tell: Told) -> Iterator[Track]:
    """One server on its file."""
    yield from tracks.run(TRACKS[0], request.node.name, tell)


async def lost(track: Track, ask: Ask) -> None:
    """Ask, know that the answer is there, and cut the connection without having read a byte of it."""
    loop = asyncio.get_running_loop()
    with socket.socket() as line:
        line.setblocking(False)
        async with asyncio.timeout(PATIENCE):
            await loop.sock_connect(line, ("127.0.0.1", track.servers[0].port))
            await loop.sock_sendall(line, ask.written())
            await arrived(line)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def arrived(line: socket.socket) -> None:
    """Wait until there is something to read."""
    here = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(line, here.set)
    try:
        await here.wait()
    finally:
        loop.remove_reader(line)


async def registered(track: Track, body: Body) -> Reply:
    """A client that has its card."""
    reply = await track.one(Ask("POST", "/register", body.written()))
    assert reply.status == 201
    return reply


async def test_a_replacement_whose_answer_was_lost_is_said_again_and_gives_the_same_token(track: Track) -> None:
    card = await registered(track, Body("lost", "client_secret_basic", 1))
    old, path = card.text("registration_access_token"), f"/register/{card.text('client_id')}"
    put = Ask("PUT", path, Body("lost", "none", 2).written(card.text("client_id")), old)

    await lost(track, put)
    again = await track.one(put)
    third = await track.one(put)

    assert (again.status, third.status) == (200, 200)
    new = again.text("registration_access_token")
    assert (third.text("registration_access_token"), spoken(new).generation) == (new, 2)
    assert (await track.one(Ask("GET", path, token=new))).status == 200
    seen = track.seen.look()
    assert seen.flaws == []
    kinds = [kind for kind, _ in seen.events[spoken(old).client_key]]
    assert kinds == ["client_registered", "client_replaced", "rat_confirmed"]


async def test_a_token_that_its_successor_outlived_is_refused_and_leaves_a_line_in_the_audit(track: Track) -> None:
    card = await registered(track, Body("late", "none", 1))
    old, path = card.text("registration_access_token"), f"/register/{card.text('client_id')}"
    put = Ask("PUT", path, Body("late", "none", 2).written(card.text("client_id")), old)
    await lost(track, put)
    new = (await track.one(put)).text("registration_access_token")
    read = await track.one(Ask("GET", path, token=new))

    late = [await track.one(ask) for ask in (put, Ask("GET", path, token=old), Ask("DELETE", path, token=old))]

    assert [(reply.status, reply.json["error"]) for reply in late] == [(401, "invalid_token")] * 3
    after = await track.one(Ask("GET", path, token=new))
    assert (after.status, after.json) == (200, read.json)
    kinds = [kind for kind, _ in track.seen.look().events[spoken(old).client_key]]
    assert kinds[:3] == ["client_registered", "client_replaced", "rat_confirmed"]
    assert set(kinds[3:]) <= {"rat_expired_previous", "rat_two_holders"}
    assert kinds[3:]


async def test_a_registration_whose_answer_was_lost_is_said_again_and_is_one_client(track: Track) -> None:
    [invitation] = await track.invitations(1, uses=1)
    before = sum(len(told) for told in track.seen.look().events.values())
    ask = Keyed("POST", "/register", Body("once", "client_secret_basic", 1).written(), invitation)

    await lost(track, ask)
    again = await track.one(ask)
    third = await track.one(ask)

    assert (again.status, again.json) == (201, third.json)
    assert sum(len(told) for told in track.seen.look().events.values()) == before + 1


async def test_without_a_key_a_lost_registration_is_a_client_that_nobody_knows(track: Track) -> None:
    ask = Ask("POST", "/register", Body("twice", "none", 1).written())

    await lost(track, ask)
    again = await track.one(ask)

    seen = track.seen.look()
    assert seen.flaws == []
    assert [kind for kind, _ in seen.events[spoken(again.text("registration_access_token")).client_key]] == ["client_registered"]


@pytest.mark.parametrize("method", ["none", "client_secret_basic"], ids=["public", "confidential"])
async def test_a_refresh_whose_answer_was_lost_is_said_again_and_the_grant_lives(track: Track, method: str) -> None:
    async with parties(track, method) as (ports, made):
        [party] = made
        first = (await party.tokens(ports)).text("refresh_token")
        ask = party.refresh(first)

        await lost(track, ask)
        again = await track.one(ask)

        assert again.status == 200
        assert await party.living([again]) == [True]
        assert (await track.one(party.refresh(again.text("refresh_token")))).status == 200
        assert events(track, party)["refresh_reuse"] == 0


@pytest.mark.parametrize("method", ["none", "client_secret_basic"], ids=["public", "confidential"])
async def test_a_code_whose_answer_was_lost_is_spent_and_the_person_is_asked_anew(track: Track, method: str) -> None:
    """Nobody can tell a client that lost an answer from a thief who comes second, so what the code gave ends."""
    async with parties(track, method) as (ports, made):
        [party] = made
        ask = party.redeem(await party.code(ports))

        await lost(track, ask)
        again = await track.one(ask)

        assert (again.status, again.text("error")) == (400, "invalid_grant")
        assert await party.grants(ports) == []
        assert events(track, party)["code_replayed"] == 1
        assert await party.living([await party.tokens(ports)]) == [True]
