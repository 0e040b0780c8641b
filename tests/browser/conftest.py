"""Chromium, one server, and for each test a person, windows and a place to send people back to."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

from tests.browser.client import PUBLIC, Client
from tests.browser.house import House, Somebody
from tests.browser.site import HOST, Site, certificate
from tests.browser.window import WIDE, Opens, Window

PATIENCE = 30_000
"""Milliseconds that anything may take on a machine that is busy with other things."""


@pytest.fixture(scope="package")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that speaks https."""
    site = Site(HOST, certificate(tmp_path_factory.mktemp("site"), HOST))
    yield site
    site.close()


@pytest.fixture(scope="package")
def chromium(secure: Site) -> Iterator[Browser]:
    """The browser. It ends with this folder's tests, since no other loop can run in this thread while it is driven."""
    program = shutil.which("chromium")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no chromium; script/setup browser installs it")
    expect.set_options(timeout=PATIENCE)
    hosts = f"MAP {HOST}:443 127.0.0.1:{secure.port}, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=[f"--host-resolver-rules={hosts}"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The server."""
    made = House(tmp_path_factory.mktemp("browser") / "data")
    made.open()
    yield made
    made.close()


@pytest.fixture
def opens(chromium: Browser, house: House) -> Iterator[Opens]:
    """Windows, each of a browser of its own; at the end nothing may have gone wrong in any of them."""
    opened: list[Window] = []

    def open_one(*, language: str = "en-GB", scripts: bool = True, dark: bool = False, size: ViewportSize = WIDE) -> Window:
        context = chromium.new_context(
            locale=language,
            java_script_enabled=scripts,
            color_scheme="dark" if dark else "light",
            viewport=size,
            ignore_https_errors=True,
        )
        context.set_default_timeout(PATIENCE)
        opened.append(Window(context, house.issuer))
        return opened[-1]

    yield open_one
    for window in opened:
        window.close()


@pytest.fixture
def window(opens: Opens) -> Window:
    """The window of a test that needs but one."""
    return opens()


@pytest.fixture
def ann(house: House) -> Somebody:
    """The person of a test."""
    return house.somebody()


@pytest.fixture
def site() -> Iterator[Site]:
    """Where the client of a test listens."""
    made = Site()
    yield made
    made.close()


@pytest.fixture
def introduces(house: House, site: Site) -> Callable[..., Client]:
    """Registers clients that listen there, or at the redirect URI named."""

    def introduce(redirect_uri: str = "", **members: object) -> Client:
        return Client(house.issuer, redirect_uri or f"{site.origin}/callback", **members)

    return introduce


@pytest.fixture
def notes(introduces: Callable[..., Client]) -> Client:
    """A client with a secret."""
    return introduces(client_name="Paper Notes")


@pytest.fixture
def helper(introduces: Callable[..., Client]) -> Client:
    """A client without one."""
    return introduces(client_name="Terminal helper", **PUBLIC)
