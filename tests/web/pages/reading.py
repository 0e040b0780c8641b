"""A page as its reader's software sees it: parsed strictly, so that a stray quotation mark is a failure."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})


@dataclass(frozen=True, slots=True, eq=False)
class Element:
    """One start tag."""

    tag: str
    attributes: dict[str, str]
    above: tuple["Element", ...]
    """Innermost last."""

    def inside(self, tag: str, cls: str = "") -> bool:
        """Whether it, or one above it, is such an element."""
        return any(one.tag == tag and (not cls or cls in one.attributes.get("class", "").split()) for one in (*self.above, self))


@dataclass(slots=True)
class Page:
    """The elements in their order, and the texts with the element they are in."""

    elements: list[Element] = field(default_factory=list[Element])
    flow: list[tuple[str, Element]] = field(default_factory=list[tuple[str, Element]])

    @property
    def texts(self) -> list[tuple[str, Element]]:
        """What is to be read, without the space between."""
        return [(text, place) for text, place in self.flow if text.strip()]

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """The elements of this tag that have these attributes."""
        wanted = attributes.items()
        return [one for one in self.elements if (not tag or one.tag == tag) and all(one.attributes.get(k) == v for k, v in wanted)]

    def by_id(self, id: str) -> Element | None:
        """The element with this id."""
        return next(iter(self.all(id=id)), None)

    def the(self, id: str) -> Element:
        """The element with this id, which has to be there."""
        found = self.by_id(id)
        assert found is not None, f"nothing has the id {id}"
        return found

    def text(self, id: str) -> str:
        """What is to be read in the element with this id."""
        here = self.the(id)
        return " ".join("".join(text for text, place in self.flow if here is place or here in place.above).split())

    def hidden(self, form: str) -> dict[str, str]:
        """The hidden fields of a form."""
        here = self.the(form)
        return {one.attributes["name"]: one.attributes["value"] for one in self.all("input", type="hidden") if here in one.above}

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Tags with the names of their attributes: what data must never change."""
        return [(one.tag, tuple(one.attributes)) for one in self.elements]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs}, tuple(self.open))
        self.page.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        raise AssertionError(f"<{tag}/> is no HTML")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        assert self.open or not data.strip(), "text outside of the page"
        if self.open:
            self.page.flow.append((data, self.open[-1]))

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment got into the page")


def read(html: bytes | str) -> Page:
    """Parse a page; every element is closed where it should be."""
    reader = _Reader()
    text = html.decode() if isinstance(html, bytes) else html
    assert text.startswith("<!doctype html>\n")
    reader.feed(text)
    reader.close()
    assert not reader.open, f"left open: {[one.tag for one in reader.open]}"
    return reader.page
