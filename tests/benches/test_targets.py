import pytest

from benches.targets import NODE, OURS, SDK, SOAK, TARGETS, Measured, Target, Work, judge, missed
from benches.workloads import BY_NAME


def work(*rates: float, p99: float = 1.0, each: float = 100.0) -> Work:
    return Work(rates, [0.5] * len(rates), [p99] * len(rates), [each] * len(rates))


READ = Target("read", 4.5, 6, " ×", ours=(OURS, "read"), theirs=(NODE, "read"))
IDLE = Target("memory", 60, 45, " MiB", at_most=True, figure="memory idle")


@pytest.mark.parametrize(
    "rate, state, told",
    [(4500, "held", "4.5 ×"), (4499, "missed", "4.5 ×"), (6000, "aim", "6 ×"), (130_000, "aim", "130 ×")],
)
def test_a_ratio_is_held_missed_or_where_we_aim(rate: float, state: str, told: str) -> None:
    measured = Measured({OURS: {"read": work(rate)}, NODE: {"read": work(1000)}})

    (verdict,) = judge([READ], measured)

    assert (verdict.state, verdict.measured, verdict.must, verdict.aim) == (state, told, "≥ 4.5 ×", "≥ 6 ×")


@pytest.mark.parametrize("value, state", [(61.0, "missed"), (60.0, "held"), (45.0, "aim")])
def test_some_figures_must_not_be_more(value: float, state: str) -> None:
    (verdict,) = judge([IDLE], Measured(figures={"memory idle": value}))

    assert (verdict.state, verdict.must) == (state, "≤ 60 MiB")


def test_a_ratio_is_the_median_over_the_rounds_and_not_of_the_medians() -> None:
    """A round in which the machine was slow was slow for both."""
    measured = Measured({OURS: {"read": work(5000, 500, 4000)}, NODE: {"read": work(1000, 100, 200)}})

    assert measured.ratio((OURS, "read"), (NODE, "read")) == 5.0


def test_the_same_ratio_is_told_by_processor_time() -> None:
    measured = Measured({OURS: {"read": work(1000, each=50)}, NODE: {"read": work(1000, each=500)}})

    (verdict,) = judge([READ], measured)

    assert (verdict.measured, verdict.processor) == ("1 ×", "10 ×")


def test_what_was_not_measured_is_neither_held_nor_missed() -> None:
    verdicts = judge(TARGETS, Measured())

    assert {verdict.state for verdict in verdicts} == {"-"}
    assert missed(verdicts) == []


def test_a_missed_must_is_named() -> None:
    measured = Measured({OURS: {"read": work(1000)}, NODE: {"read": work(1000)}}, {"memory idle": 50.0})

    assert missed(judge([READ, IDLE], measured)) == ["read"]


def test_the_slowest_of_several_workloads_counts() -> None:
    target = Target("p99", 3, 2.5, " ms", at_most=True, slowest=[(OURS, "read"), (OURS, "introspect"), (OURS, "metadata")])
    measured = Measured({OURS: {"read": work(1, p99=2.0), "introspect": work(1, p99=3.5)}})

    assert judge([target], measured)[0].measured == "3.5 ms"


def test_a_server_that_did_nothing_is_no_ratio() -> None:
    measured = Measured({OURS: {"read": work(1000)}, NODE: {"read": work(0)}})

    assert judge([READ], measured)[0].state == "-"


def test_every_row_speaks_of_a_workload_that_there_is() -> None:
    spoken = {pair for row in TARGETS for pair in (row.ours, row.theirs, *row.slowest) if pair[1]}

    assert {workload for _, workload in spoken} <= set(BY_NAME)
    assert SDK in {server for server, _ in spoken}


def test_every_row_has_a_name_of_its_own() -> None:
    names = [row.name for row in (*TARGETS, *SOAK)]

    assert len(names) == len(set(names))
