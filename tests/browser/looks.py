"""How a page looks and reads: to axe, on the narrowest screen, and to whoever wants to see pictures of it."""

import os
from importlib import resources
from pathlib import Path

from tests.browser.window import Window

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
RULES = """async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const { violations } = await axe.run({ resultTypes: ["violations"], runOnly: tags });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary}`));
}"""
NARROW = 320
WIDTHS = (NARROW, 768, 1600)
LOST = """() => {
    const lost = [];
    for (const thing of document.querySelectorAll("a, button, input:not([type=hidden])")) {
        if (!thing.checkVisibility()) continue;
        thing.scrollIntoView({ block: "center", behavior: "instant" });
        const box = thing.getBoundingClientRect();
        const there = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        const held = there !== null && (thing.contains(there) || there.contains(thing));
        if (box.left < 0 || box.right > innerWidth || box.height < 24 || !held) lost.push(thing.outerHTML);
    }
    scrollTo(0, 0);
    return lost;
}"""
"""What can be pressed or filled in but is outside the window, covered, or too low to hit."""


def look(window: Window, name: str) -> None:
    """Nothing is wrong with the page that is shown; ``SCREENSHOTS`` names a folder for pictures of it."""
    for width in WIDTHS:
        window.page.set_viewport_size({"width": width, "height": 800})
        assert window.page.evaluate("document.scrollingElement.scrollWidth") <= width, (name, width)
    window.page.set_viewport_size({"width": NARROW, "height": 640})
    assert window.page.evaluate(LOST) == [], name
    window.page.evaluate(AXE)
    assert window.page.evaluate(RULES) == [], name
    if folder := os.environ.get("SCREENSHOTS"):
        picture(window, Path(folder), name)


def picture(window: Window, folder: Path, name: str) -> None:
    """The whole page, narrow and wide."""
    for width in (NARROW, 1280):
        window.page.set_viewport_size({"width": width, "height": 800})
        window.page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)


def size_of(window: Window, place: str) -> float:
    """Of its letters, in pixels."""
    size: float = window.page.locator(place).evaluate("(element) => parseFloat(getComputedStyle(element).fontSize)")
    return size
