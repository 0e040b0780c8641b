"""The code blocks of a page: which run, which show what the block before them printed, and which are only read."""

import re
from dataclasses import dataclass
from pathlib import Path

RUN = "sh"
SHOWN = ("output", "json")
"""Right behind a block that runs, these show what it prints; ``…`` stands for anything."""
READ = ("text", "toml", "python", "json", "output")

_FENCE = re.compile(r"^```(?P<tag>[^\n]*)\n(?P<body>.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    tag: str
    body: str
    line: int
    follows: bool
    """Whether nothing but white space stands between this block and the one before."""


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = -1
    for match in _FENCE.finditer(text):
        follows = end >= 0 and not text[end : match.start()].strip()
        found.append(Block(match["tag"].strip(), match["body"], text.count("\n", 0, match.start()) + 1, follows))
        end = match.end()
    return found


def fits(shown: str, printed: str) -> bool:
    """Whether a program printed what the page shows, ``…`` standing for any text."""
    pattern = ".*?".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None
