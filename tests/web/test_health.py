"""The process answers, and says whether it would take work."""

from pathlib import Path

from calling_card.store.memory import MemoryStore
from tests.ledger import meets
from tests.world import START, World, world


@meets("H-24")
async def test_a_process_that_works_says_so_and_nothing_else(tmp_path: Path) -> None:
    server = await world(tmp_path, sqlite=True)

    alive, ready = await server.call("GET", "/healthz"), await server.call("GET", "/readyz")

    assert (alive.status, alive.json) == (200, {"status": "ok"})
    assert (ready.status, ready.json) == (200, {"status": "ready"})
    await server.ports.store.close()


class Shut(MemoryStore):
    """A store that takes nothing."""

    async def ready(self) -> bool:
        return False


@meets("H-24")
async def test_a_process_that_cannot_store_is_alive_and_not_ready(tmp_path: Path) -> None:
    server: World = await world(tmp_path, Shut(chain_key=b"k" * 32, writer=b"shut-one", now=lambda: START))

    alive, ready = await server.call("GET", "/healthz"), await server.call("GET", "/readyz")

    assert alive.status == 200
    assert ready.no == (503, "temporarily_unavailable")
    assert ready.headers["retry-after"] == "1"
