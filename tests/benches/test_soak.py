from types import SimpleNamespace
from typing import cast
from unittest.mock import Mock

import pytest

from benches.generator import Outcome, read
from benches.plan import Table
from benches.soak import Sample, Soak, judge, mixed, slope
from benches.targets import SOAK, Measured, Verdict
from benches.targets import judge as judge_all
from benches.visit import Ours

ALL = (
    '{"seconds":2.0,"processor":0.5,"wrong":1,"errors":2,"reopened":3,"refused":0,"late":0,"begun":9,'
    '"all":{"done":8,"p50":1.0,"p99":40.0,"p999":41.0,"most":42.0},"flows":[{"walks":{"done":8,"p50":1.0,"p99":2.0,"p999":2.0,"most":2.0},"dry":0,"steps":[{"times":{"done":8,"p50":1.0,'
    '"p99":2.0,"p999":2.0,"most":2.0},"statuses":{"200":8}}]}],"strange":"HTTP/1.1 503"}'
)


def outcome() -> Outcome:
    return read(['{"at":1.0,"done":4,"wrong":0,"errors":0,"p50":1.0,"p99":2.0,"p999":2.0,"most":2.0}\n', ALL + "\n"])


def test_what_the_load_says_is_read() -> None:
    said = outcome()

    assert (said.rate, said.busy, said.flows[0].steps[0].statuses, said.every[0].done) == (4.0, 0.25, {"200": 8}, 4)


@pytest.mark.parametrize(
    "points, rise", [([(0, 1), (1, 3), (2, 5)], 2.0), ([(0, 4), (1, 4)], 0.0), ([(1, 4)], 0.0), ([(1, 4), (1, 9)], 0.0), ([], 0.0)]
)
def test_a_slope_is_that_of_the_nearest_line(points: list[tuple[float, float]], rise: float) -> None:
    assert slope(points) == pytest.approx(rise)


def judged(samples: list[Sample]) -> dict[str, Verdict]:
    measured = Measured()
    judge(Soak(1000, 8, 1000, 600, outcome(), samples), measured)
    return {verdict.name: verdict for verdict in judge_all(SOAK, measured)}


def test_what_happens_before_minute_two_is_no_slope() -> None:
    growing = [Sample(second, 40.0 + min(second, 119.0), 30, 4.0) for second in range(480)]

    verdicts = judged(growing)

    assert verdicts["memory slope after minute 2"].state == "held"
    assert verdicts["open files at the end over those at minute 2"].measured == "0"


def test_growing_without_end_is_missed() -> None:
    growing = [Sample(second, 40.0 + second / 20, 30 + second // 100, 4.0 + second) for second in range(480)]

    verdicts = judged(growing)

    assert {name for name, verdict in verdicts.items() if verdict.state == "missed"} == {
        "errors",
        "memory slope after minute 2",
        "open files at the end over those at minute 2",
        "longest write-ahead log",
    }


def test_the_mix_is_that_of_the_promise() -> None:
    client = {"client_id": "c1", "client_secret": "s"}
    visit = cast("Ours", SimpleNamespace(**{name: name for name in dir(Ours) if not name.startswith("_")}))
    for name in ("machine", "asks", "flow_client"):
        setattr(visit, name, client)
    visit.cookie, visit.sends, visit.rotates = [], 303, True
    for name, value in {"machine_token": "t", "asking": "/authorize", "redemption": "code=«code»", "granted": "«refresh»"}.items():
        setattr(visit, name, Mock(return_value=value))

    plan = mixed(visit, Table(("client_id", "path", "rat")))

    assert plan.written()
    assert [flow.weight for flow in plan.flows] == [40, 12.5, 12.5, 10, 5, 5, 8, 4, 2, 1]
    assert sum(flow.weight for flow in plan.flows) == 100
