"""A client that is an address, and one that registered, as the person sees them who is asked: each of its kinds in both languages."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Route

from tests.browser.addresses import Address, Published
from tests.browser.client import PUBLIC, Client
from tests.browser.house import House, Somebody
from tests.browser.looks import look, size_of
from tests.browser.site import HOST, SCHEME, Site
from tests.browser.window import Opens, Window
from tests.ledger import meets

Introduces = Callable[..., Client]
NOTES = Published()
LOOPBACK = "http://127.0.0.1:49152/callback"
IDN = "xn--r8jz45g.example"
MIXED = "xn--abc-s08fl0dtz6h.example"
VARIANTS: dict[str, tuple[Published, set[str]]] = {
    "one-host": (NOTES, set()),
    "two-hosts": (replace(NOTES, redirect_uri="https://callback.example/cb"), {"elsewhere"}),
    "on-this-device": (replace(NOTES, name="Terminal helper", redirect_uri=LOOPBACK), {"loopback"}),
    "by-a-scheme": (replace(NOTES, name="An editor", redirect_uri=SCHEME), {"private-scheme"}),
    "look-alike-host": (replace(NOTES, host="cla1de.ai", redirect_uri="https://cla1de.ai/cb"), {"doubts"}),
    "look-alike-name": (replace(NOTES, name="Claude"), {"doubts"}),
    "own-letters": (replace(NOTES, host=IDN, redirect_uri=f"https://{IDN}/cb"), set()),
    "deceiving-letters": (replace(NOTES, host="xn--pple-43d.com", redirect_uri="https://xn--pple-43d.com/cb"), {"doubts"}),
    "mixed-letters": (replace(NOTES, host=MIXED, redirect_uri=f"https://{MIXED}/cb"), {"doubts"}),
    "changed": (replace(NOTES, versions=2), set()),
    "in-development": (replace(NOTES, hosted=True), {"in-development"}),
}
WARNINGS = ("in-development", "elsewhere", "loopback", "private-scheme", "doubts")
SHOWN = {
    "own-letters": "例え.example (xn--r8jz45g.example)",
    "deceiving-letters": "xn--pple-43d.com",
    "mixed-letters": MIXED,
    "look-alike-host": "cla1de.ai",
}


def warned(window: Window) -> set[str]:
    """The warnings that the page has."""
    return {id for id in WARNINGS if window.has(id)}


def asked(window: Window, client: Client, somebody: Somebody) -> None:
    """Come from a client, sign in, and see the question."""
    window.page.goto(client.asks(resource="https://api.example/v1").url)
    window.sign_in(somebody)
    window.shows("consent")


@meets("D-40", "D-41", "D-42", "X-46", "X-51")
@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_an_address_is_shown_as_what_it_is(opens: Opens, ann: Somebody, house: House, variant: str, language: str) -> None:
    published, warnings = VARIANTS[variant]
    window = opens(language=language)

    asked(window, Address(house, published), ann)

    assert window.text("client-host").startswith(SHOWN.get(variant, published.host))
    assert window.text("client-name") == published.name
    assert warned(window) == warnings
    assert published.host in window.text("unverified") or published.hosted
    sizes = [size_of(window, f"#{id}") for id in ("client-host", "client-name", "redirect-host")]
    assert sizes[0] > max(sizes[1:])
    assert window.page.locator(".changed").count() == (published.versions > 1)
    look(window, f"consent-{variant}-{language}")


@meets("D-40")
def test_the_host_stands_at_the_same_place_whatever_else_there_is(opens: Opens, ann: Somebody, house: House, notes: Client) -> None:
    window = opens()
    places: set[tuple[float, float]] = set()
    window.account(ann)

    for published, _ in VARIANTS.values():
        window.page.goto(Address(house, published).asks().url)
        window.shows("consent")
        places.add(place(window, "client-host"))
    window.page.goto(notes.asks().url)
    places.add(place(window, "redirect-host"))

    assert len(places) == 1


def place(window: Window, id: str) -> tuple[float, float]:
    """Where on the page it begins."""
    box = window.page.locator(f"#{id}").bounding_box()
    assert box is not None
    return box["x"], box["y"]


@meets("D-41", "D-42")
def test_an_address_is_allowed_like_any_other_client(opens: Opens, ann: Somebody, house: House, secure: Site) -> None:
    window = opens()
    client = Address(house, NOTES)
    before = len(secure.arrivals)

    tokens = window.allow(client, ann)

    assert tokens.claims["sub"] == ann.subject
    assert len(secure.arrivals) == before + 1
    window.account()
    assert window.page.locator(".allowed .host").inner_text() == HOST
    look(window, "account-of-an-address")


def picture() -> bytes:
    """A client's logo, as we would have drawn it."""
    drawn = Image.new("RGBA", (128, 96), (0, 0, 0, 0))
    ImageDraw.Draw(drawn).ellipse((16, 0, 112, 96), fill=(11, 90, 160, 255))
    made = BytesIO()
    drawn.save(made, "PNG")
    return made.getvalue()


@meets("A-95", "D-44")
@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("registered", [True, False], ids=["registered", "address"])
def test_a_picture_is_beside_the_name_and_comes_from_us(
    opens: Opens, ann: Somebody, house: House, introduces: Introduces, language: str, *, registered: bool
) -> None:
    logo = f"https://{HOST}/logo.png"
    window, sent = opens(language=language), list[str]()
    callback = f"https://{HOST}/callback"
    client = introduces(callback, client_name="Paper Notes", logo_uri=logo) if registered else Address(house, replace(NOTES, logo=logo))

    def drawn(route: Route) -> None:
        sent.append(route.request.url)
        route.fulfill(body=picture(), content_type="image/png")

    window.page.route("**/logos/*", drawn)
    asked(window, client, ann)
    window.page.wait_for_function("document.getElementById('logo').naturalWidth === 128")

    assert {address.startswith(f"{house.issuer}/logos/cc_logo_") for address in sent} == {True}
    assert len(set(sent)) == 1
    box = window.page.locator("#logo").bounding_box()
    assert box is not None
    assert max(box["width"], box["height"]) <= 48
    look(window, f"consent-picture-{'registered' if registered else 'address'}-{language}")


@meets("D-44")
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_picture_that_is_not_there_leaves_no_hole(opens: Opens, ann: Somebody, house: House, language: str) -> None:
    window = opens(language=language)
    without, broken = Address(house, NOTES), Address(house, replace(NOTES, logo="https://127.0.0.1/logo.png"))
    asked(window, without, ann)
    height = window.page.locator(".card").bounding_box()

    with window.page.expect_response(lambda response: "/logos/" in response.url) as answered:
        window.page.goto(broken.asks(resource="https://api.example/v1").url)
    window.shows("consent")

    assert (answered.value.status, answered.value.body()) == (404, b"")
    assert answered.value.headers["content-type"] == "image/png"
    assert window.page.locator(".card").bounding_box() == height
    look(window, f"consent-picture-missing-{language}")


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("variant", ["one-host", "two-hosts", "look-alike-host", "own-letters", "in-development"])
def test_an_address_in_the_dark(opens: Opens, ann: Somebody, house: House, variant: str, language: str) -> None:
    window = opens(language=language, dark=True)
    window.page.goto(Address(house, VARIANTS[variant][0]).asks().url)
    window.shows("sign-in")
    assert window.has("doubts") is (variant == "look-alike-host")
    look(window, f"sign-in-{variant}-{language}-dark")

    window.sign_in(ann)
    window.shows("consent")

    look(window, f"consent-{variant}-{language}-dark")


@meets("X-46")
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_registered_client_that_poses_as_another(opens: Opens, ann: Somebody, introduces: Introduces, language: str) -> None:
    window = opens(language=language)

    asked(window, introduces(f"https://{HOST}/callback", client_name="Claude"), ann)
    assert (warned(window), window.text("redirect-host")) == ({"doubts"}, HOST)
    look(window, f"consent-registered-look-alike-{language}")

    window.page.goto(introduces(LOOPBACK, client_name="Claude Code", **PUBLIC).asks().url)
    window.shows("consent")
    assert warned(window) == {"loopback"}


@meets("D-45", "D-48")
@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize(
    "client_id, code",
    [
        ("https://intranet.local/client.json", "invalid_client"),
        ("https://user@notes.example/client.json", "invalid_client"),
        ("https://notes.example/../client.json", "invalid_client"),
    ],
)
def test_an_address_that_cannot_be_read_is_explained(opens: Opens, notes: Client, client_id: str, code: str, language: str) -> None:
    window = opens(language=language)

    window.page.goto(notes.asks(client_id=client_id).url)

    window.shows("problem")
    assert window.text("error-code") == code
    assert window.text("reference") == window.visited[-1].headers["x-request-id"]
    assert {"en": "could not read the description", "ja": "情報を読み取れませんでした"}[language] in window.text("error")
    assert not window.has("back")
    look(window, f"error-{code}-{language}")
