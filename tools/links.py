"""Relative links and anchors in our Markdown.

python -m tools.links
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from tools.ledger import ROOT

LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^()\s<>]+(?:\([^()\s]*\))?)>?(?:\s+\"[^\"]*\")?\)")
CODE = re.compile(r"(`+)(?:(?!\1).)+?\1", re.DOTALL)
FENCE = re.compile(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1[ \t]*$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def documents(root: Path = ROOT) -> list[Path]:
    """The pages whose links are ours to keep: those at the top, in docs and in the ledger."""
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md")), *sorted((root / "ledger").glob("*.md"))]


def links(text: str) -> Iterator[str]:
    """The targets of the links in a page, code left out."""
    without_code = CODE.sub(lambda code: "x" * len(code.group()), FENCE.sub("", text))
    for match in LINK.finditer(without_code):
        yield match.group(1)


def anchors(text: str) -> set[str]:
    """The names that headings of a page get on the usual code hosts."""
    names: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        same = sum(1 for known in names if known == name or re.fullmatch(re.escape(name) + r"-\d+", known))
        names.add(f"{name}-{same}" if same else name)
    return names


def broken(page: Path, root: Path = ROOT) -> Iterator[str]:
    """What is wrong with the links of one page."""
    text = page.read_text(encoding="utf-8")
    for link in links(text):
        if ELSEWHERE.match(link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / unquote(target)).resolve() if target else page
        if not path.is_relative_to(root) or not path.exists():
            yield f"{page.relative_to(root)}: {link} leads nowhere"
        elif anchor and path.suffix == ".md" and unquote(anchor) not in anchors(path.read_text(encoding="utf-8")):
            yield f"{page.relative_to(root)}: {link} names no heading of {path.relative_to(root)}"


def problems(root: Path = ROOT, pages: Sequence[Path] | None = None) -> list[str]:
    """Every broken link."""
    return [problem for page in (documents(root) if pages is None else pages) for problem in broken(page, root)]


def main() -> int:
    """Say every broken link; 1 if there is one."""
    found = problems()
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"links: {len(documents())} pages, {len(found)} broken")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
