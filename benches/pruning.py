"""How long others wait for their writes while a server full of dead clients is pruned: ``script/bench --prune 1000000``."""

import asyncio
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from calling_card.ports import Ports
from calling_card.settings import Settings, complete
from calling_card.usecases.prune import prune
from calling_card.usecases.register import Asked, register
from calling_card.wiring import DATABASE, opened

BODY = b'{"client_name":"Notes","redirect_uris":["http://127.0.0.1:33418/callback"],"token_endpoint_auth_method":"none"}'
APART = 0.005
"""Seconds between two registrations that are measured."""
LONG_AGO = 400


async def pruned(folder: Path, clients: int, seconds: float) -> Mapping[str, float]:
    """Milliseconds a registration took, before and while so many dead clients go; ``seconds``: how long it is looked at at most."""
    settings = complete(replace(Settings(), data=str(folder), registration_rate=0, never_used_limit=0, log_level="error"))
    async with opened(settings) as ports:
        await register(ports, Asked(BODY, None))
    _multiply(folder / DATABASE, clients)
    async with opened(settings) as ports:
        calm = await _measured(ports, asyncio.create_task(asyncio.sleep(min(seconds, 5.0))))
        seen, began = 0, time.perf_counter()

        async def pruning() -> None:
            nonlocal seen
            async for report in prune(ports, "bench"):
                seen = report.total
                if time.perf_counter() - began > seconds:
                    return

        during = await _measured(ports, asyncio.create_task(pruning()))
    took = time.perf_counter() - began
    return {"clients": clients, "pruned": seen, "seconds": round(took, 1), **_told("calm", calm), **_told("pruning", during)}


def _multiply(place: Path, clients: int) -> None:
    """Make so many of the one client that is there, each used long ago; as fast as the disk takes it."""
    with closing(sqlite3.connect(place)) as database:
        columns = [name for (_, name, *_) in database.execute("PRAGMA table_info(clients)")]
        drawn = {
            "client_key": "randomblob(16)",
            "client_id": "'c' || lower(hex(randomblob(16)))",
            "issued_at": f"issued_at - {LONG_AGO} * 86400",
            "last_used_day": f"last_used_day - {LONG_AGO}",
        }
        chosen = ", ".join(drawn.get(name, name) for name in columns)
        numbers = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)"
        names = ", ".join(columns)
        database.execute(
            f"INSERT INTO clients ({names}) {numbers} SELECT {chosen} FROM (SELECT * FROM clients LIMIT 1), number",  # noqa: S608 - names of its own
            (clients,),
        )
        database.commit()


async def _measured(ports: Ports, until: asyncio.Task[None]) -> list[float]:
    """Milliseconds of registrations that leave evenly until then."""
    waits: list[asyncio.Task[float]] = []
    while not until.done():
        waits.append(asyncio.create_task(_one(ports)))
        await asyncio.sleep(APART)
    await until
    return sorted([await wait for wait in waits])


async def _one(ports: Ports) -> float:
    began = time.perf_counter()
    await register(ports, Asked(BODY, None))
    return (time.perf_counter() - began) * 1000


def _told(name: str, waits: list[float]) -> dict[str, float]:
    return {
        f"{name} {what}": round(waits[min(len(waits) - 1, int(share * len(waits)))], 1)
        for what, share in (("p50 ms", 0.5), ("p99 ms", 0.99), ("worst ms", 1.0))
    }
