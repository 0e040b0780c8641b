"""Plots as SVG in the page's own colours, in a few lines: bars on a logarithmic scale, and lines over time."""

import math
from collections.abc import Mapping, Sequence
from html import escape

_STYLE = (
    "<style>text{font:13px system-ui,sans-serif;fill:#24292f}.quiet{fill:#57606a}.rule{stroke:#8b949e;stroke-width:.5}"
    ".one{fill:#0969da;stroke:#0969da}.two{fill:#9a6700;stroke:#9a6700}.three{fill:#1a7f37;stroke:#1a7f37}.rest{fill:#8b949e;stroke:#8b949e}"
    "polyline{fill:none!important;stroke-width:1.5}"
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9198a1}.one{fill:#4493f8;stroke:#4493f8}"
    ".two{fill:#d29922;stroke:#d29922}.three{fill:#3fb950;stroke:#3fb950}}</style>"
)
_CLASSES = ("one", "two", "three", "rest")
WIDTH = 760
_LEFT, _BAR = 230, 20


def bars(title: str, values: Mapping[str, float], unit: str, first: str = "") -> str:
    """One bar for each name, on a logarithmic scale; that of ``first`` stands out."""
    top = max(values.values(), default=1.0) or 1.0
    least = min((value for value in values.values() if value > 0), default=1.0)
    low = 10 ** math.floor(math.log10(least) - 0.1)
    span, room = math.log(top / low) or 1.0, WIDTH - _LEFT - 110
    lines: list[str] = []
    for number, (name, value) in enumerate(values.items()):
        y, length = 34 + number * (_BAR + 6), room * math.log(max(value, low) / low) / span
        lines.append(f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        lines.append(
            f'<rect class="{"one" if name == first else "rest"}" x="{_LEFT}" y="{y}" width="{max(length, 1):.0f}" height="{_BAR}"/>'
        )
        lines.append(f'<text class="quiet" x="{_LEFT + max(length, 1) + 6:.0f}" y="{y + 15}">{value:,.0f}{escape(unit)}</text>')
    return _svg(title, 40 + len(values) * (_BAR + 6), lines)


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str) -> str:
    """One line for each name, at most four, from zero up."""
    points = [point for line in series.values() for point in line] or [(0.0, 0.0)]
    left, right, top = min(x for x, _ in points), max(x for x, _ in points), max(y for _, y in points) or 1.0
    width, height = WIDTH - 90, 220
    drawn: list[str] = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = 40 + height * (1 - share)
        drawn.append(f'<line class="rule" x1="60" x2="{60 + width}" y1="{y:.0f}" y2="{y:.0f}"/>')
        drawn.append(f'<text class="quiet" x="54" y="{y + 4:.0f}" text-anchor="end">{_short(top * share)}</text>')
    for number, (name, line) in enumerate(series.items()):
        kind = _CLASSES[min(number, len(_CLASSES) - 1)]
        placed = " ".join(f"{60 + width * (x - left) / ((right - left) or 1):.1f},{40 + height * (1 - y / top):.1f}" for x, y in line)
        drawn.append(f'<polyline class="{kind}" points="{placed}"/>')
        drawn.append(f'<rect class="{kind}" x="{60 + 170 * number}" y="{height + 66}" width="10" height="10"/>')
        drawn.append(f'<text x="{75 + 170 * number}" y="{height + 76}">{escape(name)}</text>')
    drawn.append(
        f'<text class="quiet" x="{60 + width}" y="{height + 56}" text-anchor="end">{_short(left)} – {_short(right)} {escape(across)}</text>'
    )
    return _svg(f"{title} ({up})", height + 90, drawn)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _svg(title: str, height: int, drawn: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}">'
    return "\n".join([head, _STYLE, f'<text x="8" y="20" font-weight="600">{escape(title)}</text>', *drawn, "</svg>", ""])
