"""Style, scripts and mark: small, ours, and found by name only (RFC 9110 §8.8.3)."""

import re
from importlib import resources

import pytest

from calling_card.web.pages.assets import PATH, find
from calling_card.web.pages.render import render
from tests.web.pages.gallery import VIEWS
from tests.web.pages.reading import read

NAMES = ("style.css", "passkey.js", "submit.js", "mark.svg")


@pytest.mark.parametrize("name", NAMES)
def test_an_asset_has_its_type_a_strong_etag_and_may_be_kept_for_an_hour(name: str) -> None:
    found = find(name)

    assert found is not None
    sent = dict(found.headers)
    assert sent[b"content-type"].startswith((b"text/css", b"text/javascript", b"image/svg+xml"))
    assert re.fullmatch(rb'"[0-9a-f]{32}"', sent[b"etag"])
    assert sent[b"cache-control"] == b"public, max-age=3600"
    assert sent[b"content-security-policy"] == b"default-src 'none'; frame-ancestors 'none'; sandbox"


@pytest.mark.parametrize(
    "name", ["", "x", "../views.py", "../templates/base.html", "style.css/", "STYLE.CSS", "%2e%2e/views.py", "style.css?x"]
)
def test_nothing_else_is_ever_found(name: str) -> None:
    assert find(name) is None


def test_every_file_of_the_folder_is_served_and_every_asset_has_its_own_etag() -> None:
    folder = resources.files("calling_card.web.pages").joinpath("assets")
    found = [find(name) for name in NAMES]

    assert {one.name for one in folder.iterdir()} == set(NAMES)
    assert len({one.etag for one in found if one}) == len(NAMES)


def test_pages_load_nothing_but_these() -> None:
    loaded = set[str]()
    for view in VIEWS.values():
        page = read(render(view, ["en"], "https://auth.example/here"))
        loaded |= {
            one.attributes[name]
            for one in page.all()
            for name in ("src", "href")
            if one.tag in ("link", "script", "img") and name in one.attributes
        }

    assert loaded == {*(f"/here{PATH}{name}" for name in NAMES), "/here/logos/1"}


def test_the_style_is_small_and_loads_nothing() -> None:
    style = find("style.css")

    assert style is not None
    assert len(style.content) <= 12_000
    assert b"url(" not in style.content
    assert b"@import" not in style.content
    for kind in (b"prefers-color-scheme: dark", b"prefers-reduced-motion", b"forced-colors", b":focus-visible"):
        assert kind in style.content
