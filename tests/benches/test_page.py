import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benches.page import Report, as_json, table, written
from benches.plots import bars, lines
from benches.soak import Sample, Soak
from benches.targets import NODE, OURS, SOAK, TARGETS, Measured, Work, judge
from tests.benches.test_soak import outcome


def parsed(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)  # noqa: S314 - drawn by us


def report() -> Report:
    works = {name: {"read": Work([rate], [1.0], [2.0], [100.0], wrong)} for name, rate, wrong in ((OURS, 9000.0, 0), (NODE, 1500.0, 3))}
    measured = Measured(works, {f"{OURS}: idle MiB": 40.0, "memory idle": 40.0})
    soak = Soak(1000, 8, 1000, 600, outcome(), [Sample(1.0, 40.0, 30, 4.0)], outcome().every)
    made = Report("2026-11-22 02:00", "script/bench --write", 3, 3.0, measured, judge(TARGETS, measured), ["hydra: is not here"])
    made.growth = {1000: {"read": 9000.0, "register": 4000.0}, 1_000_000: {"read": 8500.0, "register": 3900.0}}
    made.soaks, made.soak_verdicts = {"SQLite, one process": soak}, {"SQLite, one process": judge(SOAK, measured)}
    return made


def test_a_page_has_a_row_for_every_target_and_shows_plots_that_are_there(tmp_path: Path) -> None:
    page = written(report(), tmp_path)

    text = page.read_text(encoding="utf-8")
    assert page.name == "2026-11-22.md"
    assert all(f"| {row.name} " in text for row in TARGETS)
    assert re.search(r"\| read, against node-oidc-provider +\| ≥ 4.5 × +\| ≥ 6 × +\| 6 × +\| 1 × +\| held, aim reached +\|", text)
    assert "1,500 (1.0/2.0)!" in text
    assert "- hydra: is not here" in text
    shown = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
    assert sorted(shown) == sorted(path.name for path in tmp_path.glob("*.svg"))
    assert len(shown) == 4


def test_a_report_is_json() -> None:
    said = json.loads(json.dumps(as_json(report())))

    assert said["measured"]["works"][OURS]["read"]["rate"] == [9000.0]
    assert said["soaks"]["SQLite, one process"]["outcome"]["all"]["p99"] == 40.0


def test_a_table_is_as_wide_as_its_widest_cell() -> None:
    assert table(("a", "long"), [["wider", "b"]]) == "| a     | long |\n| ----- | ---- |\n| wider | b    |"


def test_bars_are_drawn_in_order_and_ours_stands_out() -> None:
    drawn = parsed(bars("read & write", {"floor": 100.0, OURS: 50.0, "slow": 0.0}, "/s", OURS))

    boxes = [box for box in drawn.iter() if box.tag.endswith("rect")]
    assert [box.get("class") for box in boxes] == ["rest", "one", "rest"]
    widths = [float(box.get("width", "")) for box in boxes]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("series", [{}, {"one": []}, {"one": [(0.0, 0.0)]}, {"one": [(1.0, 2.0), (2.0, 4.0)], "two": [(1.0, 1.0)]}])
def test_lines_are_drawn_of_whatever_there_is(series: dict[str, list[tuple[float, float]]]) -> None:
    drawn = parsed(lines("p99", series, "s", "ms"))

    assert len([line for line in drawn.iter() if line.tag.endswith("polyline")]) == len(series)


def test_plots_can_be_read_in_the_dark() -> None:
    assert "prefers-color-scheme:dark" in bars("read", {"a": 1.0}, "")
