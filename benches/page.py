"""The page of a run, in Markdown with plots beside it; and the same as JSON."""

import os
import platform
import re
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benches.others import HERE, PEERS
from benches.plots import bars, lines
from benches.soak import Soak
from benches.targets import OURS, Measured, Verdict, Work
from benches.workloads import WORKLOADS

_HOW = (
    "The server alone on one core, the load on another, 16 keep-alive connections, {rounds} alternating rounds of {seconds:g} s for each "
    "workload, medians. Only the ratios within one run mean something: another machine has other figures."
)
_RATIO = (
    "A ratio is the median over the rounds of requests a second. *By processor time* is the same ratio by the processor time that one "
    "request costs the server: waiting for the disk does not count there, and neither does what else the machine does."
)


@dataclass
class Report:
    """Everything the page tells."""

    date: str
    """UTC."""
    command: str
    rounds: int
    seconds: float
    measured: Measured
    verdicts: Sequence[Verdict]
    left: Sequence[str] = ()
    """What was not measured, and why."""
    growth: Mapping[int, Mapping[str, float]] = field(default_factory=dict[int, dict[str, float]])
    soaks: Mapping[str, Soak] = field(default_factory=dict[str, Soak])
    soak_verdicts: Mapping[str, Sequence[Verdict]] = field(default_factory=dict[str, list[Verdict]])
    machine: str = ""
    versions: Sequence[str] = ()


def as_json(report: Report) -> dict[str, object]:
    """All of it, but for the seconds of a soak."""
    return {**asdict(report), "soaks": {name: {**asdict(soak), **_short(soak)} for name, soak in report.soaks.items()}}


def _short(soak: Soak) -> dict[str, object]:
    outcome = {name: value for name, value in asdict(soak.outcome).items() if name not in ("every", "flows")}
    return {"samples": len(soak.samples), "seconds": len(soak.seconds), "outcome": outcome}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that reads well as text, too."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    made = [
        [cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (head, ["-" * width for width in widths], *rows)
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in made)


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """Must, aim, measured, held or missed."""
    words = {"aim": "held, aim reached", "held": "held", "missed": "MISSED", "-": "not measured"}
    rows = [[one.name, one.must, one.aim, one.measured, one.processor or "-", words[one.state]] for one in verdicts]
    notes = [f"- {one.name}: {one.note}" for one in verdicts if one.note]
    return "\n".join([table(("target", "must", "aim", "measured", "by processor time", ""), rows), *([""] if notes else []), *notes])


def rate_table(measured: Measured) -> str:
    """Requests a second of every server on every workload, and p50 and p99 in milliseconds."""
    return _grid("a second (p50/p99 ms)", measured, _rated)


def processor_table(measured: Measured) -> str:
    """Microseconds of every server on every workload."""
    return _grid("µs", measured, lambda work: f"{statistics.median(work.each):,.0f}")


def _grid(corner: str, measured: Measured, cell: Callable[[Work], str]) -> str:
    """Workloads down, servers across."""
    servers = [peer.name for peer in PEERS if peer.name in measured.works]
    names = list(dict.fromkeys(name for server in servers for name in measured.works[server]))
    works = [[measured.works[server].get(name) for server in servers] for name in names]
    rows = [[name, *("-" if work is None else cell(work) for work in line)] for name, line in zip(names, works, strict=True)]
    return table((corner, *servers), rows)


def _rated(work: Work) -> str:
    middle = [statistics.median(values) for values in (work.rate, work.p50, work.p99)]
    return f"{middle[0]:,.0f} ({middle[1]:.1f}/{middle[2]:.1f}){'!' if work.wrong else ''}"


def memory_table(measured: Measured) -> str:
    """Memory and the first answer of every server."""
    names = ("idle MiB", "MiB after load", "first answer s")
    servers = [peer.name for peer in PEERS if f"{peer.name}: {names[0]}" in measured.figures]
    return table(("", *names), [[server, *(f"{measured.figures.get(f'{server}: {name}', 0):.3g}" for name in names)] for server in servers])


def written(report: Report, folder: Path) -> Path:
    """Write the page of the day and its plots; the page."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = _plots(report)
    day = report.date[:10] if report.measured.works else f"{report.date[:10]}-{_slug(' '.join(report.soaks))}"
    for name, drawn in plots.items():
        (folder / f"{day}-{name}.svg").write_text(drawn, encoding="utf-8")
    page = folder / f"{day}.md"
    page.write_text(_page(report, {name: f"{day}-{name}.svg" for name in plots}), encoding="utf-8")
    return page


def _page(report: Report, plots: Mapping[str, str]) -> str:
    parts = [
        f"# Measured on {report.date[:10]}",
        f"Made by `{report.command}`. {report.machine}",
        *_compared(report, plots),
        *_growth(report, plots),
        *_soaked(report, plots),
        "## Versions",
        "\n".join(f"- {one}" for one in report.versions),
    ]
    return "\n\n".join(parts) + "\n"


def _compared(report: Report, plots: Mapping[str, str]) -> list[str]:
    if not report.measured.works:
        return []
    return [
        _HOW.format(rounds=report.rounds, seconds=report.seconds),
        "## Targets",
        verdict_table(report.verdicts),
        _RATIO,
        "## Beside others",
        *(f"![{name}]({file})" for name, file in plots.items() if not name.startswith(("growth", "soak"))),
        rate_table(report.measured),
        "A `!` stands where some answers were not as expected.",
        "Microseconds of processor time that one of them costs the server:",
        processor_table(report.measured),
        "### How each was set up",
        "\n".join(f"- **{peer.name}**: {peer.text}" for peer in PEERS if peer.name in report.measured.works),
        *(["Not measured:\n\n" + "\n".join(f"- {one}" for one in report.left)] if report.left else []),
        "### Memory and the first answer",
        memory_table(report.measured),
    ]


def _growth(report: Report, plots: Mapping[str, str]) -> list[str]:
    if not report.growth:
        return []
    names = list(next(iter(report.growth.values())))
    rows = [[f"{count:,}", *(f"{row[name]:,.4g}" for name in names)] for count, row in report.growth.items()]
    figures = {name: value for name, value in report.measured.figures.items() if ":" not in name}
    singles = table(("figure", ""), [[name, f"{value:,.4g}"] for name, value in sorted(figures.items())])
    shown = [f"![{name}]({file})" for name, file in plots.items() if name.startswith("growth")]
    return ["## Growth", table(("clients", *names), rows), *shown, "### Single figures", singles]


def _soaked(report: Report, plots: Mapping[str, str]) -> list[str]:
    parts: list[str] = []
    for name, soak in report.soaks.items():
        times = soak.outcome.all
        told = (
            f"{soak.clients:,} clients, {soak.minutes:g} minutes, {soak.rate:,.0f} walks a second (60 % of a peak of {soak.peak:,.0f}), "
            f"{times.done:,} requests: p50 {times.p50:.2f}, p99 {times.p99:.2f}, p99.9 {times.p999:.2f}, worst {times.most:.1f} ms."
        )
        parts += [
            f"## Mixed load, {name}",
            told,
            verdict_table(report.soak_verdicts[name]),
            *(f"![{plot}]({file})" for plot, file in plots.items() if plot.startswith(f"soak-{_slug(name)}")),
        ]
    return parts


def _plots(report: Report) -> dict[str, str]:
    made: dict[str, str] = {}
    for workload in WORKLOADS:
        rates = {peer.name: _rate(report.measured, peer.name, workload.name) for peer in PEERS}
        there = {name: rate for name, rate in rates.items() if rate}
        if len(there) > 1:
            made[_slug(workload.name)] = bars(f"{workload.name}, a second", there, "", OURS)
    if len(report.growth) > 1:
        series = {name: [(float(count), row[name]) for count, row in report.growth.items()] for name in ("read", "register")}
        made["growth"] = lines("Rates by number of clients", series, "clients", "a second")
    for name, soak in report.soaks.items():
        slug = f"soak-{_slug(name)}"
        made[f"{slug}-latency"] = lines(
            "Latency", {"p50": [(one.at, one.p50) for one in soak.seconds], "p99": [(one.at, one.p99) for one in soak.seconds]}, "s", "ms"
        )
        made[f"{slug}-memory"] = lines("Memory", {"resident": [(one.at, one.resident) for one in soak.samples]}, "s", "MiB")
    return made


def _rate(measured: Measured, server: str, name: str) -> float:
    work = measured.works.get(server, {}).get(name)
    return statistics.median(work.rate) if work is not None else 0.0


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def machine() -> str:
    """In words: processors, memory, kernel."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name, kernel = model[1] if model else platform.machine(), platform.release().split("-")[0]
    return f"{os.cpu_count()} processors ({name}), {memory:.0f} GiB of memory, Linux {kernel}."


def versions() -> list[str]:
    """Of what ran."""
    import apsw

    from calling_card import __version__

    said = [f"calling-card {__version__} ({_head()})", f"Python {platform.python_version()}", f"SQLite {apsw.sqlite_lib_version()}"]
    said += sorted({one for folder in HERE.iterdir() for one in _locked(folder)})
    return [*said, *(_first_line(*line) for line in (("node", "--version"), ("cc", "--version")))]


_NAMED = "authlib|flask|sqlalchemy|gunicorn|mcp|fastmcp|django|django-oauth-toolkit|uvicorn|oidc-provider|better-sqlite3"


def _locked(folder: Path) -> list[str]:
    """What the lock files of a server say of the packages that the page names."""
    found: list[str] = []
    for file, pattern in (
        ("requirements.txt", rf"^({_NAMED})==([0-9.]+)(?![0-9.]| ; python_full_version >=)"),
        ("package-lock.json", rf'"node_modules/({_NAMED})": {{\s*"version": "([0-9.]+)"'),
    ):
        if (folder / file).exists():
            found += [
                f"{name} {version}" for name, version in re.findall(pattern, (folder / file).read_text(encoding="utf-8"), re.MULTILINE)
            ]
    return found


def _head() -> str:
    """The commit, and whether anything was changed since."""
    changed = "" if not _first_line("git", "status", "--porcelain", "--untracked-files=no") else ", and changes"
    return f"{_first_line('git', 'rev-parse', '--short', 'HEAD')}{changed}"


def _first_line(*words: str) -> str:
    try:
        said = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return f"no {words[0]}"
    return (f"Node.js {said}" if words[0] == "node" else said).splitlines()[0] if said else ""
