"""What the tables of the code say is in the reference pages, by its exact name, and the pages are current."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import pytest

from calling_card.cli import commands
from calling_card.faults import POINTS
from calling_card.protocol import server
from calling_card.protocol.card.vocabulary import MEMBERS
from calling_card.protocol.errors import No
from calling_card.protocol.events import KINDS
from calling_card.settings import SETTINGS
from calling_card.web.endpoints import ENDPOINTS
from tools import ledger, links, reference


def names_of(command: click.Command, words: str) -> Iterator[str]:
    """A command with its options, and those below it."""
    yield words
    yield from (name for parameter in command.params for name in parameter.opts if name.startswith("--") and name not in words)
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from names_of(below, f"{words} {name}")


TABLES: dict[str, Iterable[str]] = {
    "members": MEMBERS,
    "refusals": [name for no in No for name in (no.name, no.code)],
    "events": [row.name for row in KINDS],
    "endpoints": [reference.where(row) for row in ENDPOINTS],
    "settings": [name for row in SETTINGS for name in (row.name, row.env)],
    "server-metadata": [row.name for row in server.MEMBERS],
    "command-line": list(names_of(commands, "calling-card")),
    "fault-points": [row.name for row in POINTS],
}


@pytest.mark.parametrize("page", TABLES)
def test_each_row_of_a_table_stands_in_its_page_by_its_exact_name(page: str) -> None:
    text = (reference.PAGES / f"{page}.md").read_text(encoding="utf-8")

    missing = [name for name in TABLES[page] if f"`{name}`" not in text]

    assert missing == []


def test_the_generated_pages_are_current() -> None:
    assert reference.stale() == []


def test_no_link_in_our_pages_is_broken() -> None:
    assert links.problems() == []


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    text = (ledger.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.search(r"^## (\[)?Unreleased", text, re.MULTILINE)


@pytest.mark.parametrize("text, target", [("[a](b.md)", "b.md"), ('[a](b.md "title")', "b.md"), ("[`a`](b.md#c-d)", "b.md#c-d")])
def test_a_link_is_found_in_each_way_of_writing_it(text: str, target: str) -> None:
    assert list(links.links(text)) == [target]


def test_a_link_inside_code_is_no_link() -> None:
    assert list(links.links("`[a](b.md)`\n\n```text\n[c](d.md)\n```\n")) == []


def test_a_link_to_a_missing_page_or_heading_is_named(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text("# Über `uns`\n\n[well](#über-uns) [gone](b.md) [nobody](#nobody) [far](https://example.org/)\n", encoding="utf-8")

    found = links.problems(tmp_path, [page])

    assert found == ["a.md: b.md leads nowhere", "a.md: #nobody names no heading of a.md"]
