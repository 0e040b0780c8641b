"""Several workers: reloads, replacements, deaths and pauses, and nobody who asks notices (RELIABILITY F4, F11)."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.conftest import Told
from tests.faults.managed import Managed, gone
from tests.faults.process import PATIENCE, command
from tests.faults.standing import Body
from tests.faults.traffic import RATE, Traffic
from tests.faults.wire import Ask, Line, lines, volley

pytestmark = pytest.mark.serial

TIMES = int(os.environ.get("FAULTS_RELOADS") or 5)
"""Reloads, and as many replacements; RELIABILITY F11 wants 20 of each."""


@pytest.fixture
def managed(tmp_path: Path) -> Iterator[Callable[..., Managed]]:
    """Services that are gone after the test."""
    made: list[Managed] = []

    def make(**more: object) -> Managed:
        made.append(Managed(tmp_path / f"data{len(made)}", **more))  # type: ignore[arg-type] # handed on as it was said
        return made[-1]

    yield make
    for one in made:
        one.stop()


@asynccontextmanager
async def asked_all_the_time(port: int, tell: Told, what: str) -> AsyncGenerator[Traffic]:
    """Traffic for as long as the block takes; it must be heavy enough, and go well."""
    traffic, stop = Traffic(port), asyncio.Event()
    running = asyncio.create_task(traffic.run(stop))
    try:
        yield traffic
    finally:
        stop.set()
        rate = await running
    told = f"{dict(traffic.answered)} at {rate:.0f}/s of {RATE:.0f}/s, {traffic.goodbyes} last answers"
    tell(f"{what}: {told}, {len(traffic.failed)} failed")
    assert traffic.failed == []
    assert traffic.goodbyes > 0


async def still_there(port: int, registered: dict[str, str]) -> None:
    """What was acknowledged is there."""
    async with lines(port) as (line,):
        replies = [await line.ask(Ask("GET", f"/register/{client}", token=token)) for client, token in registered.items()]
    assert {reply.status for reply in replies} == {200}


@pytest.mark.parametrize("workers", [1, 2])
async def test_replacements_lose_no_request(managed: Callable[..., Managed], tell: Told, workers: int) -> None:
    service = managed(workers=workers)
    service.start()

    async with asked_all_the_time(service.port, tell, f"{TIMES} replacements, {workers} workers") as traffic:
        for _ in range(TIMES):
            before = service.main
            await asyncio.to_thread(service.replace)
            await asyncio.to_thread(gone, before)

    await still_there(service.port, traffic.registered)


async def test_reloads_lose_no_request(managed: Callable[..., Managed], tell: Told) -> None:
    service = managed()
    service.start()
    main = service.main

    async with asked_all_the_time(service.port, tell, f"{TIMES} reloads, 2 workers") as traffic:
        for _ in range(TIMES):
            before = service.crew()
            await asyncio.to_thread(service.reload)
            for pid in before:
                await asyncio.to_thread(gone, pid)

    assert service.main == main
    await still_there(service.port, traffic.registered)


# ── Ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Look again and again until it holds."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)


async def registered(port: int, count: int) -> dict[str, str]:
    """Clients of nobody in particular, each on a connection of its own."""
    made: dict[str, str] = {}
    for number in range(count):
        async with lines(port) as (line,):
            reply = await line.ask(Ask("POST", "/register", Body(f"w{number}", "none", 1).written()))
        assert reply.status == 201, reply
        made[reply.text("client_id")] = reply.text("registration_access_token")
    return made


def sockets(pid: int) -> int:
    """How many a process has."""
    return sum(str(one.readlink()).startswith("socket:") for one in Path(f"/proc/{pid}/fd").iterdir())


async def test_connections_that_stay_open_are_shared_among_the_workers(managed: Callable[..., Managed], tell: Told) -> None:
    service = managed()
    service.start()
    before = {pid: sockets(pid) for pid in service.crew()}

    many = await asyncio.gather(*(Line.open(service.port) for _ in range(60)))
    replies = await volley(many, [Ask("GET", "/healthz")] * 60)
    shares = [sockets(pid) - there for pid, there in before.items()]
    for line in many:
        await line.close()

    tell(f"60 connections on 2 workers: {shares}")
    assert {reply.status for reply in replies} == {200}
    assert sum(shares) == 60
    assert min(shares) >= 20


async def test_a_worker_that_is_killed_is_started_again_and_the_others_go_on(managed: Callable[..., Managed], tell: Told) -> None:
    service, rounds = managed(), 5
    service.start()
    known: dict[str, str] = {}

    for _ in range(rounds):
        first, second = service.crew()
        known |= await registered(service.port, 8)
        os.kill(first, signal.SIGKILL)
        await asyncio.to_thread(gone, first)
        known |= await registered(service.port, 8)
        await until(lambda here=second: service.crew() != [here] and len(service.crew()) == 2)  # type: ignore[misc] # bound now
        assert second in service.crew()

    await still_there(service.port, known)
    assert [line["status"] for line in service.logged("worker_ended")] == [-signal.SIGKILL] * rounds
    tell(f"{rounds} workers killed: {len(known)} registrations acknowledged, all there")


async def test_a_worker_that_stands_still_holds_up_nobody_on_another_connection(managed: Callable[..., Managed], tell: Told) -> None:
    service = managed()
    service.start()
    first, _ = service.crew()
    known = await registered(service.port, 4)

    os.kill(first, signal.SIGSTOP)
    try:
        began = time.monotonic()
        known |= await registered(service.port, 20)
        took = time.monotonic() - began
    finally:
        os.kill(first, signal.SIGCONT)

    assert len(known) == 24
    await still_there(service.port, known)
    tell(f"one of two workers stopped: 20 registrations in {took:.2f} s")


async def test_workers_end_when_the_one_that_watches_over_them_is_killed(managed: Callable[..., Managed]) -> None:
    service = managed()
    service.start()
    crew = service.crew()

    gone(service.main, signal.SIGKILL)
    service.main = 0

    for pid in crew:
        await asyncio.to_thread(gone, pid)


async def test_what_is_under_way_is_finished_and_told_to_be_the_last(managed: Callable[..., Managed]) -> None:
    service = managed()
    service.start()
    body = Body("slow", "none", 1).written()
    ask = Ask("POST", "/register", body).written()
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    idle, idler = await asyncio.open_connection("127.0.0.1", service.port)
    idler.write(Ask("GET", "/readyz").written())
    before = await idle.readuntil(b"}")
    writer.write(ask[:-5])
    await writer.drain()
    idler.write(Ask("GET", "/healthz").written())
    await idle.readuntil(b"}")

    service.signal(signal.SIGTERM)
    await until(lambda: refuses(service.port))
    idler.write(Ask("GET", "/readyz").written())
    after = await idle.read()
    writer.write(ask[-5:])
    answer = await reader.read()
    writer.close()
    idler.close()

    assert before.startswith(b"HTTP/1.1 200 ")
    assert after.startswith(b"HTTP/1.1 503 ")
    assert b"connection: close" in after
    assert b"retry-after: 1" in after
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b"connection: close" in answer
    assert service.stop() == [0]
    verified = command(service.data, "audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def refuses(port: int) -> bool:
    """Whether nobody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


# ── Settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_reload_brings_new_settings_and_a_bad_one_changes_nothing(managed: Callable[..., Managed]) -> None:
    service = managed()
    service.start()
    crew = service.crew()

    service.config.write_text('registration = "sometimes"', encoding="ascii")
    service.reload()
    service.config.write_text('policy_file = "nowhere.toml"', encoding="ascii")
    service.reload()
    still = service.crew()
    service.config.write_text('registration = "closed"', encoding="ascii")
    service.reload()
    for pid in crew:
        await asyncio.to_thread(gone, pid)
    async with lines(service.port) as (line,):
        reply = await line.ask(Ask("POST", "/register", Body("late", "none", 1).written()))

    unknown, unusable = service.logged("reload_refused")
    assert str(unknown["problem"]).startswith("registration: 'sometimes' is not one of")
    assert unusable["status"] == 3
    assert any(line.startswith("calling-card: policy_file: ") for line in service.complaints())
    assert set(crew) <= set(still)
    assert len(service.logged("reloaded")) == 1
    assert (reply.status, reply.json["error"]) == (403, "access_denied")


async def test_a_successor_that_cannot_start_leaves_the_others_as_they_are(managed: Callable[..., Managed]) -> None:
    for workers in (1, 2):
        service = managed(workers=workers)
        service.start()
        main = service.main

        service.config.write_text('registration = "sometimes"', encoding="ascii")
        service.signal(signal.SIGUSR2)
        await until(lambda here=service: here.logged("not_replaced") != [])  # type: ignore[misc] # bound now
        known = await registered(service.port, 1)

        assert service.main == main
        await still_there(service.port, known)


async def test_a_policy_is_read_again_by_every_worker(managed: Callable[..., Managed], tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('version = 1\nname = "first"\n', encoding="ascii")
    service = managed(settings={"POLICY_FILE": str(policy)})
    service.start()
    policy.write_text('version = 1\nname = "second"\n', encoding="ascii")
    service.reload()

    def read() -> bool:
        return len([line for line in service.logged("policy_loaded") if line["name"] == "second"]) >= 2

    await until(read)


# ── Sockets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_socket_of_the_service_manager_is_served(managed: Callable[..., Managed], workers: int) -> None:
    service = managed(workers=workers)
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = int(ours.getsockname()[1])
        activated(service, ours)
        known = await registered(port, 2)

        await asyncio.to_thread(service.replace)

        await still_there(port, known)
        assert refuses(service.port)


def activated(service: Managed, ours: socket.socket) -> None:
    """Start as systemd does: the socket is descriptor 3, and the environment says for whom it is."""
    service.launcher = [
        sys.executable,
        "-c",
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])",
        str(ours.fileno()),
    ]
    service.start(inherited=[ours.fileno()], LISTEN_FDS="1")


@pytest.mark.parametrize("workers", [1, 2])
def test_an_address_that_is_taken_is_said(managed: Callable[..., Managed], workers: int) -> None:
    service = managed(workers=workers)
    with socket.create_server(("127.0.0.1", service.port)):
        service.start()

    assert service.stop() == [3]
    assert service.complaints()[-1].startswith(f"calling-card: cannot listen on 127.0.0.1:{service.port}")


def test_workers_that_cannot_start_end_all_with_their_exit_code(managed: Callable[..., Managed]) -> None:
    service = managed()
    service.data.mkdir(mode=0o777)
    service.data.chmod(0o777)

    service.start()

    assert service.stop() == [3]
    assert "can be written by others" in " ".join(service.complaints())


def test_two_workers_start_on_an_empty_folder(managed: Callable[..., Managed]) -> None:
    service = managed(workers=4)

    service.start()

    assert len(service.crew()) == 4
    listed = json.loads(command(service.data, "keys", "list").stdout)
    assert [key["key"] for key in listed if key["use"] == "credentials"] == [1]
