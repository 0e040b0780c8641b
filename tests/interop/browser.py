"""A person with a browser, as far as clients need one: real HTTP, cookies, forms found by their ids, no JavaScript."""

import webbrowser
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Self
from unittest.mock import patch
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from tests.visitor import Page

HEADERS = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Example/1.0",
}
MOST_STEPS = 12
LISTENER_TRIES = 6
"""Connections to a client's own listener, which may start after it opened the browser; the pauses between them double."""


class Stopped(Exception):
    """The server showed its error page, and the person is not sent back."""

    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(f"{status} {code}: {description}")
        self.status = status
        self.code = code
        self.description = description


@dataclass
class Visitor:
    """One person in one browser."""

    issuer: str
    name: str
    password: str
    decision: str = "allow"
    pages: list[str] = field(default_factory=list[str])
    """What was shown: ``sign-in``, ``consent`` …"""
    texts: dict[str, str] = field(default_factory=dict[str, str])
    """Texts of the consent page that was answered last, by id."""
    posted: dict[str, str] = field(default_factory=dict[str, str])
    """Fields of the last form that was to be posted to a client."""

    def __post_init__(self) -> None:
        self._http = httpx.Client(headers=HEADERS, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def visit(self, url: str) -> str:
        """Go where a client sends people; the address outside the server that the way ends at. Raises `Stopped`."""
        reply = self._http.get(url)
        for _ in range(MOST_STEPS):
            if reply.is_redirect:
                where = urljoin(str(reply.url), reply.headers["location"])
                if not where.startswith(f"{self.issuer}/"):
                    return where
                reply = self._http.get(where)
                continue
            page = Page(reply.content)
            if onward := self._onward(reply, page):
                return onward
            reply = self._answered(reply, page)
        raise AssertionError(f"no end after {self.pages}")

    def visit_and_deliver(self, url: str) -> None:
        """The same, and hand the answer to the client's own listener, as a browser does."""
        where = self.visit(url)
        with httpx.Client(headers=HEADERS, transport=httpx.HTTPTransport(retries=LISTENER_TRIES), timeout=10) as http:
            http.get(where).raise_for_status()

    def _onward(self, reply: httpx.Response, page: Page) -> str:
        """Where a page leads that asks nothing."""
        if "onward" in page.ids:
            return page.ids["onward"]["href"] or ""
        if "posted" in page.ids:
            self.posted = page.hidden
            return page.ids["posted"]["action"] or ""
        if "error-code" in page.texts:
            raise Stopped(reply.status_code, page.texts["error-code"].strip(), page.texts.get("description", "").strip())
        return ""

    def _answered(self, reply: httpx.Response, page: Page) -> httpx.Response:
        """The answer to a form that was filled in."""
        fields = {"transaction": page.hidden["transaction"]}
        shown = "sign-in" if "sign-in" in page.ids else "consent"
        self.pages.append(shown)
        if shown == "sign-in":
            assert reply.status_code == 200, page.texts
            fields |= {self._field(page, "name"): self.name, self._field(page, "password"): self.password}
        else:
            self.texts = {name: " ".join(text.split()) for name, text in page.texts.items()}
            button = page.ids[self.decision]
            fields[button["name"] or ""] = button["value"] or ""
        action = urljoin(str(reply.url), page.ids[shown]["action"])
        return self._http.post(action, data=fields, headers={"Origin": "null"})

    @staticmethod
    def _field(page: Page, name: str) -> str:
        return page.ids[name]["name"] or ""


def members_of(url: str) -> dict[str, str]:
    """What the query of an address says."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


class Window:
    """The desktop's browser for programs that open one: they go on at once, the person takes the time they need."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.opened: list[str] = []
        self._failed: list[Exception] = []
        self._threads: list[Thread] = []

    def open(self, url: str) -> bool:
        """Start the visit in a thread of its own."""
        self.opened.append(url)
        thread = Thread(target=self._visit, args=(url,), daemon=True)
        self._threads.append(thread)
        thread.start()
        return True

    def close(self) -> None:
        """Wait until every visit is over; nothing may have gone wrong."""
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()
        assert self._failed == []

    def _visit(self, url: str) -> None:
        try:
            self.visitor.visit_and_deliver(url)
        except Exception as failure:  # noqa: BLE001 - told by close, in the test's own thread
            self._failed.append(failure)


@contextmanager
def desktop(visitor: Visitor) -> Generator[Window]:
    """Programs that open the desktop's browser get this person's for a while."""
    window = Window(visitor)
    with patch.object(webbrowser, "open", window.open):
        yield window
        window.close()
