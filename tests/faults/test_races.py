"""Sixteen callers want the same thing at the same moment: it happens once, or they are told the same (M-33, H-02, RELIABILITY F9)."""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from threading import Barrier
from urllib.parse import urlencode

import pytest

from calling_card.ports import Ports
from calling_card.protocol.errors import No, Refusal
from calling_card.settings import Settings, load
from calling_card.usecases.operate import rotate
from calling_card.usecases.provide import Wanted, invite
from calling_card.wiring import opened
from tests.assertions import claims, form, holder
from tests.faults.books import Watch
from tests.faults.conftest import Told
from tests.faults.process import PATIENCE, Server, at_once
from tests.faults.standing import Body, spoken
from tests.faults.wire import Ask, Line, Reply, filled, lines, volley
from tests.ledger import meets
from tests.postgres import FAST, Cluster, programs

pytestmark = pytest.mark.serial

RACERS = 16
ROUNDS = int(os.environ.get("FAULTS_ROUNDS") or 50)
"""RELIABILITY F9 wants 500."""
ROUNDS_ON_POSTGRESQL = int(os.environ.get("FAULTS_ROUNDS") or 6)
TRACKS = ("one server", "two servers", "two servers on PostgreSQL")
STARTS, STARTERS = 20, 6
COMMANDS = 4
"""Command lines at once: each is a process of its own."""


@dataclass(frozen=True)
class Owner:
    """A client as its owner knows it."""

    client_id: str
    token: str
    secret: str

    @property
    def path(self) -> str:
        """Where it is managed."""
        return f"/register/{self.client_id}"

    @property
    def key(self) -> bytes:
        """Its place in the tables."""
        return spoken(self.token).client_key

    @property
    def basic(self) -> tuple[str, str]:
        """How it authenticates."""
        return self.client_id, self.secret

    def read(self, token: str = "") -> Ask:
        """GET the registration."""
        return Ask("GET", self.path, token=token or self.token)

    def put(self, version: int) -> Ask:
        """PUT another body."""
        return Ask("PUT", self.path, Body("racer", "none", version).written(self.client_id), self.token)

    def delete(self) -> Ask:
        """DELETE it."""
        return Ask("DELETE", self.path, token=self.token)


@dataclass
class Track:
    """One data folder and one or two servers on it."""

    servers: list[Server]
    seen: Watch
    laps: int
    """How often a race is run."""
    results: Counter[str] = field(default_factory=Counter[str])

    @property
    def data(self) -> Path:
        """The folder they share."""
        return self.servers[0].data

    def racers(self) -> Sequence[int]:
        """Sixteen ports, the servers in turns."""
        return [self.servers[number % len(self.servers)].port for number in range(RACERS)]

    @property
    def few(self) -> int:
        """How often a race of commands is run, each of which takes a second to start."""
        return max(1, min(3, self.laps // 10))

    @property
    def settings(self) -> Settings:
        """What an operator beside the servers has to say."""
        server = self.servers[0]
        return load({"data": str(self.data), "issuer": server.issuer, "database": server.settings.get("DATABASE", "")}, environment={})

    def at_once(self, words: Sequence[str]) -> list[tuple[int, str, str]]:
        """The same command of several operators."""
        return at_once(self.data, *[words] * COMMANDS, **self.servers[0].settings)

    @asynccontextmanager
    async def operator(self) -> AsyncGenerator[Ports]:
        """An operator's process beside the servers."""
        async with opened(self.settings, log=quiet) as ports:
            yield ports

    async def invitations(self, count: int, uses: int = 1, grants: tuple[str, ...] | None = None) -> list[str]:
        """Initial access tokens."""
        wanted = Wanted(uses, 3600, "openid" if grants else None, grants, None, "race", "operator")
        async with self.operator() as ports:
            return [(await invite(ports, wanted)).initial_access_token for _ in range(count)]

    async def run(self, asks: Sequence[Ask]) -> list[Reply]:
        """All at the same moment."""
        async with lines(*self.racers()) as opened_lines:
            return await volley(opened_lines, asks)

    async def one(self, ask: Ask, server: int = 0) -> Reply:
        """Alone."""
        async with lines(self.servers[server].port) as (line,):
            return await line.ask(ask)

    async def owner(self) -> Owner:
        """A client of nobody in particular."""
        return owner_of(await self.one(Ask("POST", "/register", Body("racer", "none", 0).written())))

    async def machines(self, count: int) -> list[Owner]:
        """Clients that get tokens for themselves."""
        (token,) = await self.invitations(1, count, ("client_credentials",))
        body = {"client_name": "machine", "redirect_uris": [], "grant_types": ["client_credentials"], "scope": "openid"}
        async with lines(self.servers[0].port) as (line,):
            return [owner_of(await line.ask(Ask("POST", "/register", json.dumps(body).encode(), token))) for _ in range(count)]

    def kinds(self, owner: Owner) -> Counter[str]:
        """The events about a client; chains and file are looked at on the way."""
        picture = self.seen.look()
        assert picture.flaws == []
        return Counter(kind for kind, _ in picture.events.get(owner.key, ()))

    def count(self, replies: Sequence[Reply]) -> Counter[int]:
        """Statuses of a volley, added to the results."""
        found = Counter(reply.status for reply in replies)
        self.results.update({str(status): times for status, times in found.items()})
        return found


@dataclass
class Tracks:
    """Two servers on one data folder and, from the first race there on, two on one PostgreSQL."""

    home: Path
    laps: int = ROUNDS
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    _pairs: dict[str, list[Server]] = field(default_factory=dict[str, list[Server]])
    _clusters: list[Cluster] = field(default_factory=list[Cluster])

    @contextmanager
    def open(self) -> Generator["Tracks"]:
        """Whoever was started ends well, and everything that was told is in the audit."""
        try:
            yield self
            for pair in self._pairs.values():
                ended = [server.stop() for server in pair]
                assert ended == [0, 0]
                assert [line for server in pair for line in server.complaints()] == []
                verified = pair[0].command("audit", "verify")
                assert verified.returncode == 0, verified.stdout + verified.stderr
        finally:
            for server in chain(*self._pairs.values()):
                server.stop()
            for cluster in self._clusters:
                cluster.remove()

    def run(self, kind: str, race: str, tell: Told) -> Iterator[Track]:
        """The track for one race; what came of it is told."""
        pair = self._pair("sqlite" if kind != TRACKS[-1] else "postgresql")
        running = pair[: 1 if kind == TRACKS[0] else 2]
        database = running[0].settings.get("DATABASE", "")
        laps = min(self.laps, ROUNDS_ON_POSTGRESQL) if database else self.laps
        made, began = Track(running, Watch(running[0].data, database), laps), time.monotonic()
        yield made
        results = ", ".join(f"{times} × {what}" for what, times in sorted(made.results.items()))
        tell(f"race {race}: {results}, {time.monotonic() - began:.1f} s")

    def _pair(self, store: str) -> list[Server]:
        """Two servers on this store."""
        if store not in self._pairs:
            more = dict(self.settings) if store == "sqlite" else {**self.settings, "DATABASE": self._cluster().url()}
            first = Server(self.home / store, settings=more)
            self._pairs[store] = [first, Server(first.data, issuer=first.issuer, settings=more)]
            for server in self._pairs[store]:
                server.start()
        return self._pairs[store]

    def _cluster(self) -> Cluster:
        if programs() is None:
            pytest.skip("PostgreSQL is not installed; script/setup brings it")
        self._clusters.append(Cluster.made(*FAST))
        return self._clusters[0]


def quiet(event: str, **line: object) -> None:
    """An operator who reads no log."""


def owner_of(reply: Reply) -> Owner:
    """The client of a registration."""
    assert reply.status == 201, reply.body
    secret = reply.json.get("client_secret", "")
    return Owner(reply.text("client_id"), reply.text("registration_access_token"), str(secret))


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracks]:
    """Servers for the races, under one issuer."""
    with Tracks(tmp_path_factory.mktemp("races")).open() as made:
        yield made


@pytest.fixture(params=TRACKS)
def track(request: pytest.FixtureRequest, tracks: Tracks, tell: Told) -> Iterator[Track]:
    """The races are run against one server, against two, and against two on one PostgreSQL; what came of them is told."""
    yield from tracks.run(str(request.param), request.node.name, tell)


async def rounds(lap: Callable[[int], Awaitable[None]], count: int) -> None:
    """Again and again."""
    for number in range(count):
        await lap(number)


# ── Requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-25", "X-36")
async def test_the_last_use_of_an_invitation_lets_one_client_in(track: Track) -> None:
    invitations = await track.invitations(track.laps)

    async def lap(number: int) -> None:
        asks = [Ask("POST", "/register", Body(f"r{number}x{racer}", "none", 1).written(), invitations[number]) for racer in range(RACERS)]
        assert track.count(await track.run(asks)) == {201: 1, 401: RACERS - 1}

    await rounds(lap, track.laps)
    assert sum(track.seen.look().uses_left.values()) == 0


@meets("M-33", "H-02", "X-37")
async def test_equal_replacements_at_once_are_one_replacement_with_equal_answers(track: Track) -> None:
    async def lap(number: int) -> None:
        owner = await track.owner()

        replies = await track.run([owner.put(number)] * RACERS)

        assert track.count(replies) == {200: RACERS}
        assert len({reply.body for reply in replies}) == 1
        assert track.kinds(owner) == {"client_registered": 1, "client_replaced": 1}
        assert (await track.one(owner.read(replies[0].text("registration_access_token")))).json == replies[0].json
        assert (await track.one(owner.read())).status == 401

    await rounds(lap, track.laps)


@meets("M-33", "H-02", "X-37")
async def test_different_replacements_at_once_follow_one_another_and_the_last_token_lives(track: Track) -> None:
    async def lap(number: int) -> None:
        owner = await track.owner()

        replies = await track.run([owner.put(1 + racer) for racer in range(RACERS)])

        applied = sorted((reply for reply in replies if reply.status == 200), key=generation)
        counted = track.count(replies)
        assert counted == {200: RACERS} or (len(track.servers) == 2 and counted.keys() == {200, 503}), counted
        assert [generation(reply) for reply in applied] == list(range(2, 2 + len(applied)))
        assert track.kinds(owner)["client_replaced"] == len(applied)
        last = applied[-1]
        assert (await track.one(owner.read(last.text("registration_access_token")))).json == last.json
        for token in [owner.token, *(reply.text("registration_access_token") for reply in applied[:-1])]:
            assert (await track.one(owner.read(token))).status == 401

    await rounds(lap, track.laps)


@meets("M-39")
async def test_a_client_is_deleted_once(track: Track) -> None:
    async def lap(number: int) -> None:
        owner = await track.owner()

        replies = await track.run([owner.delete()] * RACERS)

        assert track.count(replies) == {204: 1, 401: RACERS - 1}
        assert track.kinds(owner) == {"client_registered": 1, "client_deleted": 1}

    await rounds(lap, track.laps)


async def test_nothing_of_a_client_outlives_a_deletion_among_replacements(track: Track) -> None:
    async def lap(number: int) -> None:
        owner = await track.owner()

        replies = await track.run([owner.delete() if racer % 4 == 3 else owner.put(1 + racer) for racer in range(RACERS)])

        counted = track.count(replies)
        assert counted[204] == 1
        assert counted.keys() <= {200, 204, 401} | ({503} if len(track.servers) == 2 else set())
        assert track.kinds(owner) == +Counter(client_registered=1, client_replaced=counted[200], client_deleted=1)
        picture = track.seen.look()
        assert owner.client_id not in picture.rows
        assert owner.key in {stone[:16] for stone in picture.tombstones}
        for token in [owner.token, *(reply.text("registration_access_token") for reply in replies if reply.status == 200)]:
            assert (await track.one(owner.read(token))).status == 401

    await rounds(lap, track.laps)


async def test_the_first_use_of_a_new_secret_ends_the_old_one_once(track: Track) -> None:
    owners = await track.machines(track.laps)
    async with track.operator() as ports:
        made = [await rotate(ports, owner.client_id, "operator", at_once=False) for owner in owners]

    async def lap(number: int) -> None:
        owner, secret = owners[number], str(made[number].information["client_secret"])

        replies = await track.run([token_of((owner.client_id, secret))] * RACERS)

        assert track.count(replies) == {200: RACERS}
        assert (await track.one(token_of(owner.basic))).status == 401
        assert track.kinds(owner) == {"client_registered": 1, "client_rotated": 1, "secret_confirmed": 1, "secret_two_holders": 1}

    await rounds(lap, track.laps)


async def test_old_and_new_secret_at_once_leave_the_new_one(track: Track) -> None:
    owners = await track.machines(track.laps)
    async with track.operator() as ports:
        made = [await rotate(ports, owner.client_id, "operator", at_once=False) for owner in owners]

    async def lap(number: int) -> None:
        owner, new = owners[number], (owners[number].client_id, str(made[number].information["client_secret"]))

        replies = await track.run([token_of(owner.basic if racer % 2 else new) for racer in range(RACERS)])

        assert track.count(replies).keys() <= {200, 401}
        assert [reply.status for reply in replies[::2]] == [200] * (RACERS // 2)
        assert (await track.one(token_of(owner.basic))).status == 401
        assert track.kinds(owner)["secret_confirmed"] == 1

    await rounds(lap, track.laps)


@meets("A-71")
async def test_a_token_given_back_by_many_at_once_is_given_back_once(track: Track) -> None:
    owners = await track.machines(track.laps)

    async def lap(number: int) -> None:
        owner = owners[number]
        token = (await track.one(token_of(owner.basic))).text("access_token")

        replies = await track.run([filled("/revoke", {"token": token}, owner.basic)] * RACERS)

        assert track.count(replies) == {200: RACERS}
        for server in range(len(track.servers)):
            assert (await track.one(filled("/introspect", {"token": token}, owner.basic), server)).json == {"active": False}
        assert track.kinds(owner) == {"client_registered": 1, "token_revoked": 1}

    await rounds(lap, track.laps)


async def test_more_tokens_than_a_client_may_mark_are_all_dead_when_given_back_at_once(track: Track) -> None:
    (owner,) = await track.machines(1)
    async with lines(track.servers[0].port) as (line,):
        tokens = [(await line.ask(token_of(owner.basic))).text("access_token") for _ in range(3 * RACERS)]

        for first in range(0, len(tokens), RACERS):
            replies = await track.run([filled("/revoke", {"token": token}, owner.basic) for token in tokens[first : first + RACERS]])
            assert track.count(replies) == {200: RACERS}

        asked = [(await line.ask(filled("/introspect", {"token": token}, owner.basic))).json for token in tokens]
    assert asked == [{"active": False}] * len(tokens)


@meets("M-33")
async def test_readers_see_a_replacement_whole_or_not_yet(track: Track) -> None:
    async def lap(number: int) -> None:
        owner = await track.owner()

        replies = await track.run([owner.put(4711) if racer == 3 else owner.read() for racer in range(RACERS)])

        assert track.count(replies) == {200: RACERS}
        for reply in replies:
            assert (generation(reply), reply.text("software_version")) in {(1, "0"), (2, "4711")}

    await rounds(lap, track.laps)


# ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_credentials_that_several_operators_renew_at_once_leave_one_that_lives(track: Track) -> None:
    async def lap(number: int) -> None:
        (owner,) = await track.machines(1)

        ended = await asyncio.to_thread(track.at_once, ["client", "rotate", owner.client_id])

        made = [json.loads(out) for code, out, _ in ended if code == 0]
        assert all(code == 0 or "try again" in error for code, _, error in ended), ended
        track.results.update({"renewed": len(made), "told to try again": COMMANDS - len(made)})
        tokens = sorted((str(one["registration_access_token"]) for one in made), key=lambda token: spoken(token).generation)
        assert [spoken(token).generation for token in tokens] == list(range(2, 2 + len(made)))
        assert [(await track.one(owner.read(token))).status for token in tokens] == [401] * (len(made) - 1) + [200]
        assert track.kinds(owner)["client_rotated"] == len(made)

    await rounds(lap, track.few)


async def test_operators_at_the_very_same_moment_never_hold_the_same_generation(track: Track) -> None:
    async def lap(number: int) -> None:
        (owner,) = await track.machines(1)

        with ThreadPoolExecutor(STARTERS) as threads:
            work = threads.map(renewed, [track.settings] * STARTERS, [owner.client_id] * STARTERS, [Barrier(STARTERS)] * STARTERS)
            made = await asyncio.to_thread(list, work)

        tokens = sorted((token for token in made if token), key=lambda token: spoken(token).generation)
        track.results.update({"renewed": len(tokens), "told to try again": STARTERS - len(tokens)})
        assert [spoken(token).generation for token in tokens] == list(range(2, 2 + len(tokens)))
        assert tokens
        assert [(await track.one(owner.read(token))).status for token in tokens] == [401] * (len(tokens) - 1) + [200]
        assert track.kinds(owner)["client_rotated"] == len(tokens)

    await rounds(lap, min(STARTS, track.laps))


async def test_keys_that_several_operators_renew_at_once_all_verify(track: Track) -> None:
    earlier = await track.owner()

    async def lap(number: int) -> None:
        ended = await asyncio.to_thread(track.at_once, ["keys", "rotate"])

        assert [code for code, _, _ in ended] == [0] * COMMANDS, ended
        numbers = [int(json.loads(out)["key"]) for _, out, _ in ended]
        assert len(set(numbers)) == COMMANDS
        track.results.update({"keys": COMMANDS})
        later = await track.owner()
        assert [(await track.one(owner.read())).status for owner in (earlier, later)] == [200, 200]

    await rounds(lap, track.few)
    assert track.seen.look().flaws == []


# ── On every node ────────────────────────────────────────────────────────────────────────────────────────────────────

CROWD = 50
"""So many at once X-37 asks for."""


@meets("M-59", "R-95", "X-37")
async def test_what_one_server_answered_holds_at_the_other_from_then_on(track: Track) -> None:
    here, there = 0, len(track.servers) - 1

    async def lap(number: int) -> None:
        del number
        owner = await track.owner()
        found = await track.one(owner.read(), there)
        put = await track.one(owner.put(1), there)
        newest = put.text("registration_access_token")
        used = await track.one(owner.read(newest), here)
        spent = [(await track.one(owner.read(), server)).status for server in (here, there)]
        gone = await track.one(Ask("DELETE", owner.path, token=newest), here)
        after = [(await track.one(owner.read(newest), server)).status for server in (there, here)]

        assert (found.status, put.status, used.status, gone.status) == (200, 200, 200, 204)
        assert spent == [401, 401]
        assert after == [401, 401]

    await rounds(lap, track.laps)


@meets("M-59")
async def test_credentials_that_an_operator_renewed_are_dead_at_every_server(track: Track) -> None:
    async def lap(number: int) -> None:
        del number
        owner = await track.owner()
        async with track.operator() as ports:
            renewed = str((await rotate(ports, owner.client_id, "operator", at_once=True)).information["registration_access_token"])

        statuses = [
            [(await track.one(owner.read(token), server)).status for token in (owner.token, renewed)]
            for server in range(len(track.servers))
        ]

        assert statuses == [[401, 200]] * len(track.servers)

    await rounds(lap, min(5, track.laps))


@meets("X-37")
async def test_an_assertion_sent_by_fifty_at_once_lets_one_in(track: Track) -> None:
    (invitation,) = await track.invitations(1, track.laps, ("client_credentials",))
    signing = holder()
    members = {
        "redirect_uris": [],
        "grant_types": ["client_credentials"],
        "scope": "openid",
        "token_endpoint_auth_method": "private_key_jwt",
    }
    body = json.dumps({"client_name": "racer", "jwks": signing.jwks, **members}).encode()
    ports = [track.servers[number % len(track.servers)].port for number in range(CROWD)]

    async def lap(number: int) -> None:
        del number
        client_id = (await track.one(Ask("POST", "/register", body, invitation))).text("client_id")
        text = signing.signs(claims(client_id, track.servers[0].issuer, int(time.time())))
        said = urlencode({"grant_type": "client_credentials", "scope": "openid", **form(text)}).encode()
        ask = Ask("POST", "/token", said, media="application/x-www-form-urlencoded")
        async with lines(*ports) as opened_lines:
            assert track.count(await volley(opened_lines, [ask] * CROWD)) == {200: 1, 401: CROWD - 1}

    await rounds(lap, track.laps)


# ── Starts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_servers_that_start_together_on_an_empty_folder_agree(tmp_path: Path, tell: Told) -> None:
    first = Server(tmp_path / "data")
    pair = [first, Server(first.data, issuer=first.issuer)]
    try:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in pair))
        owners = [owner_of(await alone(server, Ask("POST", "/register", Body("racer", "none", 0).written()))) for server in pair]
        read = [[(await alone(server, owner.read())).status for owner in owners] for server in pair]
    finally:
        ended = [server.stop() for server in pair]
    assert ended == [0, 0]
    assert read == [[200, 200], [200, 200]]
    assert Watch(first.data).look().flaws == []


def test_an_empty_folder_gets_one_keyring_and_one_schema_however_many_start(tmp_path: Path, tell: Told) -> None:
    began = time.monotonic()
    for number in range(STARTS):
        settings = load({"data": str(tmp_path / str(number)), "issuer": "http://127.0.0.1:9"}, environment={})

        with ThreadPoolExecutor(STARTERS) as threads:
            made = list(threads.map(started, [settings] * STARTERS, [Barrier(STARTERS)] * STARTERS))

        assert len(set(made)) == 1
        assert Watch(Path(settings.data)).look().flaws == []
    tell(f"race of first starts: {STARTS} rounds of {STARTERS} agreed, {time.monotonic() - began:.1f} s")


def started(settings: Settings, together: Barrier) -> bytes:
    """One first start from beginning to end; what its keyring makes of a word."""

    async def start() -> bytes:
        together.wait(PATIENCE)
        async with opened(settings, log=quiet) as ports:
            return ports.keyring.mac(1, "any", b"word") or b""

    return asyncio.run(start())


def renewed(settings: Settings, client_id: str, together: Barrier) -> str:
    """One operator's renewal; the new registration access token, or empty when told to try again."""

    async def renew() -> str:
        async with opened(settings, log=quiet) as ports:
            together.wait(PATIENCE)
            try:
                return str((await rotate(ports, client_id, "operator", at_once=True)).information["registration_access_token"])
            except Refusal as refusal:
                if refusal.no is not No.UNAVAILABLE:
                    raise
                return ""

    return asyncio.run(renew())


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def generation(reply: Reply) -> int:
    """Of the registration access token in an answer."""
    return spoken(reply.text("registration_access_token")).generation


def token_of(basic: tuple[str, str]) -> Ask:
    """Ask for an access token."""
    return filled("/token", {"grant_type": "client_credentials"}, basic)


async def alone(server: Server, ask: Ask) -> Reply:
    """One request on a connection of its own."""
    line = await Line.open(server.port)
    try:
        return await line.ask(ask)
    finally:
        await line.close()
