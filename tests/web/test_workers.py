"""What a process among others says of itself, and what it takes of the rates they share (H-11)."""

from pathlib import Path

import pytest

from calling_card.settings import BadSettings, load
from tests.world import world


async def test_a_process_that_ends_is_alive_and_takes_no_work(tmp_path: Path) -> None:
    server = await world(tmp_path)
    before = await server.call("GET", "/readyz")

    server.ports.ending.set()

    refused = await server.call("GET", "/readyz")
    assert before.status == 200
    assert (refused.no, refused.why) == ((503, "temporarily_unavailable"), "this process is ending")
    assert refused.headers["retry-after"] == "1"
    assert (await server.call("GET", "/healthz")).status == 200


@pytest.mark.parametrize("workers, seconds", [(1, (1, 2)), (4, (4, 5))])
async def test_workers_share_a_rate_and_each_takes_as_many_at_once(tmp_path: Path, workers: int, seconds: tuple[int, int]) -> None:
    server = await world(tmp_path, workers=workers, failure_rate=30)

    granted = [server.ports.failures.take("somebody") for _ in range(30)]

    assert granted == [0] * 30
    assert server.ports.failures.take("somebody") in range(2 * seconds[0] - 1, 2 * seconds[1] + 1)


@pytest.mark.parametrize("count, problem", [(0, "workers: must be at least 1"), (257, "workers: must be at most 256")])
def test_there_is_a_number_of_workers(count: int, problem: str) -> None:
    with pytest.raises(BadSettings, match=f"^{problem}$"):
        load({"workers": count}, environment={})
