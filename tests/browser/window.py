"""A person's browser window, and what must never happen in it, whatever a test does there."""

import re
from dataclasses import dataclass, field
from typing import Protocol

from playwright.sync_api import APIResponse, BrowserContext, ConsoleMessage, Page, Request, Response, ViewportSize, WebError, expect

from tests.browser.client import Client, Tokens
from tests.browser.house import Somebody

REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (400|403|404|429) ")
"""How the console speaks of a page that says no."""
UNREACHED = re.compile(r"Failed to load resource: net::")
"""And of a site that is not there, which is our business only if it is our own."""
WIDE: ViewportSize = {"width": 1280, "height": 900}
TELL = "addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"


@dataclass
class Window:
    """One browser that shares nothing with another one, with the page that is looked at."""

    context: BrowserContext
    issuer: str
    page: Page = field(init=False)
    complaints: list[str] = field(default_factory=list[str])
    """Of the browser: violated policies, failed scripts."""
    visited: list[Response] = field(default_factory=list[Response])
    """Answers of the server to navigations."""

    def __post_init__(self) -> None:
        self.context.add_init_script(TELL)
        self.context.on("console", self._heard)
        self.context.on("weberror", self._failed)
        self.context.on("response", self._answered)
        self.page = self.context.new_page()

    def turn_to(self, page: Page) -> None:
        """Look at another tab from now on."""
        self.page = page

    def shows(self, name: str) -> None:
        """Wait for one of our pages."""
        expect(self.page.locator("body")).to_have_attribute("id", f"page-{name}")

    def has(self, id: str) -> bool:
        """Whether the page has this element."""
        return self.page.locator(f"#{id}").count() == 1

    def text(self, id: str) -> str:
        """The text of an element, as it is read."""
        return " ".join(self.page.locator(f"#{id}").inner_text().split())

    def press(self, id: str) -> None:
        """Click on an element."""
        self.page.locator(f"#{id}").click()

    def sign_in(self, somebody: Somebody, password: str = "") -> None:
        """Fill in the form and send it."""
        self.shows("sign-in")
        self.page.fill("#name", somebody.name)
        self.page.fill("#password", password or somebody.password)
        self.press("submit")

    def account(self, somebody: Somebody | None = None) -> None:
        """Go to the account page, and sign in on the way if a person is named."""
        self.page.goto(f"{self.issuer}/account")
        if somebody is not None:
            self.sign_in(somebody)
        self.shows("account")

    def allow(self, client: Client, somebody: Somebody | None = None, *, remember: bool = False, **params: str) -> Tokens:
        """Come from a client, sign in if a person is named, say yes; what the client gets for it."""
        asking = client.asks(**params)
        self.page.goto(asking.url)
        if somebody is not None:
            self.sign_in(somebody)
        self.shows("consent")
        if remember:
            self.page.check("#remember")
        self.press("allow")
        return client.redeem(asking, client.answer(self.page, asking))

    def is_asked(self, client: Client, **params: str) -> bool:
        """Whether a new request of the client shows the consent page rather than being answered at once."""
        self.page.goto(client.asks(**params).url)
        return not self.page.url.startswith(client.redirect_uri)

    def cookies(self) -> dict[str, dict[str, object]]:
        """What the browser keeps of ours, by the middle of the name."""
        found = [dict(cookie) for cookie in self.context.cookies(self.issuer)]
        return {str(cookie["name"]).split("_")[1]: cookie for cookie in found}

    def send(self, path: str, fields: dict[str, str | float | bool]) -> APIResponse:
        """A form with the cookies of this browser, whose page stays where it is."""
        return self.context.request.post(self.issuer + path, form=fields, max_redirects=0)

    def close(self) -> None:
        """Nothing went wrong that nobody looked at."""
        self.page.wait_for_timeout(0)
        self.context.close()
        assert not self.complaints, self.complaints
        for response in self.visited:
            check(response.request, response.status, response.headers)

    def _heard(self, message: ConsoleMessage) -> None:
        text, place = message.text, message.location["url"]
        usual = REFUSED.match(text) or (UNREACHED.match(text) and not place.startswith(self.issuer))
        if (message.type == "error" and not usual) or "Content Security Policy" in text:
            self.complaints.append(f"{place}: {text}")

    def _failed(self, error: WebError) -> None:
        self.complaints.append(str(error.error))

    def _answered(self, response: Response) -> None:
        if response.request.is_navigation_request() and response.url.startswith(f"{self.issuer}/"):
            self.visited.append(response)


class Opens(Protocol):
    """Opens a window."""

    def __call__(self, *, language: str = "en-GB", scripts: bool = True, dark: bool = False, size: ViewportSize = WIDE) -> Window:
        """As this reader likes it."""
        ...


def check(request: Request, status: int, headers: dict[str, str]) -> None:
    """What every answer of ours to a browser has in common (A-10, A-34)."""
    told = f"{request.method} {request.url}: {status} {headers}"
    assert headers["referrer-policy"] == "no-referrer", told
    assert headers["cache-control"] == "no-store", told
    if "location" in headers:
        assert status == 303, told
        return
    assert headers["content-type"] == "text/html; charset=utf-8", told
    assert headers["x-frame-options"] == "DENY", told
    policy = dict(directive.split(" ", 1) for directive in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'", told
    assert policy["style-src"] == policy["img-src"] == policy.get("script-src", "'self'") == "'self'", told
    assert not {"*", "http:"} & set(policy["form-action"].split()), told
