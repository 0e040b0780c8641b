"""The pages about resource servers show the examples as they are."""

import re
from pathlib import Path

import pytest

from tests.docs.blocks import blocks
from tools.ledger import ROOT

EXAMPLES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "examples").rglob("*.py"))
PAGES = [ROOT / "docs" / "howto" / name for name in ("protect-an-mcp-server.md", "protect-a-starlette-api.md")]
NAMED = re.compile(r"^`(examples/[^`]+)`:$")


def shown(page: Path) -> dict[str, str]:
    """Each Python block by the name of the file in the line before it."""
    lines = page.read_text(encoding="utf-8").splitlines()
    found: dict[str, str] = {}
    for block in blocks(page):
        if block.tag == "python":
            name = NAMED.match(lines[block.line - 3])
            assert name is not None, f"{page.name}:{block.line} does not say which file it shows"
            found[name[1]] = block.body
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_shows_its_example_to_the_letter(page: Path) -> None:
    for name, body in shown(page).items():
        assert (ROOT / name).read_text(encoding="utf-8") == body, f"{page.name} shows another {name}"


def test_every_file_of_the_examples_is_shown() -> None:
    assert sorted(name for page in PAGES for name in shown(page)) == EXAMPLES
