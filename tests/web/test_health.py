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


@meets("H-24")
async def test_a_probe_reaches_the_process_past_the_proxy_that_ends_tls(tmp_path: Path) -> None:
    server = await world(tmp_path, host="0.0.0.0", trusted_proxies=("10.0.0.0/8",))  # noqa: S104 # never bound

    alive, ready = [await server.call("GET", path, source="127.0.0.1") for path in ("/healthz", "/readyz")]
    other = await server.call("GET", "/jwks", source="127.0.0.1")

    assert (alive.status, ready.status) == (200, 200)
    assert other.why == "this server answers by https only (RFC 6749 section 3.2)"
