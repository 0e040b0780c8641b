"""Pictures of clients: who makes us fetch one, what comes back, and what never does (D-44, X-05, X-12, X-71, X-108)."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from calling_card.protocol.abroad.fetching import Why
from calling_card.protocol.handles.seals import LINK, LOGO, write
from calling_card.usecases.operate import suspend
from calling_card.usecases.people import leave, logos
from tests.addresses import publish
from tests.ledger import meets
from tests.usecases.guests import by_its_clock
from tests.visitor import Browser, Page, authorize_url, person_client, somebody
from tests.world import CALLBACK, Reply, World, world

AT = "https://app.example/logo.png"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HEADERS = {
    "content-type": "image/png",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def png(colour: str = "teal", side: int = 200) -> bytes:
    """A picture as a stranger serves it."""
    made = BytesIO()
    Image.new("RGB", (side, side), colour).save(made, "PNG")
    return made.getvalue()


KEY = "A" * 22


@pytest.fixture
async def server(tmp_path: Path) -> World:
    made = by_its_clock(await world(tmp_path, sign_in_rate=0))
    await somebody(made)
    made.strangers.serve(AT, png())
    return made


async def at_sign_in(server: World, card: dict[str, Any]) -> Page:
    """The first page that somebody sees who comes from a client."""
    return Page((await Browser(server).authorize(card)).body)


def source(page: Page) -> str:
    """Where a page has the picture from; empty: it shows none."""
    return page.ids.get("logo", {}).get("src") or ""


async def seen(server: World, path: str, browser: Browser | None = None) -> Reply:
    """What a browser gets for it; whatever it is, it is answered as a picture and leaves nothing in the browser."""
    reply = await (browser or Browser(server)).get(path)
    assert HEADERS.items() <= reply.headers.items()
    assert reply.cookies == ()
    assert "access-control-allow-origin" not in reply.headers
    return reply


async def no_picture(server: World, path: str) -> bool:
    """An empty answer, always the same."""
    reply = await seen(server, path)
    assert (reply.status, reply.body, reply.headers["cache-control"]) == (404, b"", "private, max-age=60")
    return True


# ── What a person sees ───────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-95", "D-44", "X-05")
async def test_the_picture_of_a_client_is_on_sign_in_and_consent_and_comes_from_us(server: World) -> None:
    for card in (await person_client(server, logo_uri=AT), publish(server, logo_uri=AT)):
        browser = Browser(server)
        first = await browser.authorize(card)
        second = await browser.sign_in(first)
        on_sign_in, on_consent = (source(Page(page.body)) for page in (first, second))

        assert on_sign_in == on_consent != ""
        assert on_sign_in.startswith("/logos/cc_logo_")
        assert AT.encode() not in first.body + second.body
        assert "img-src 'self';" in second.headers["content-security-policy"]

        reply = await seen(server, on_consent, browser)
        assert (reply.status, reply.headers["cache-control"]) == (200, "private, max-age=3600")
        picture = Image.open(BytesIO(reply.body))
        assert (picture.format, picture.size, picture.getpixel((9, 9))) == ("PNG", (128, 128), (0, 128, 128, 255))


@meets("D-44", "X-05")
async def test_a_picture_is_fetched_when_somebody_looks_and_then_once(server: World) -> None:
    card = await person_client(server, logo_uri=AT)
    place = source(await at_sign_in(server, card))
    assert server.strangers.asked == []

    for _ in range(3):
        assert (await seen(server, place)).status == 200
    assert source(await at_sign_in(server, card)) == place

    assert server.strangers.asked == [AT]


@meets("D-44", "D-34")
async def test_a_picture_is_kept_as_long_as_the_description(server: World) -> None:
    card = publish(server, logo_uri=AT)
    before = source(await at_sign_in(server, card))
    old = (await seen(server, before)).body
    server.strangers.serve(AT, png("red"))
    server.clock.forward(299)
    assert (await seen(server, before)).body == old

    publish(server, logo_uri=AT, client_name="Notes 2")
    server.clock.forward(100)
    after = source(await at_sign_in(server, card))

    assert after != before
    assert (await seen(server, after)).body != old


async def test_a_client_without_a_picture_is_shown_without_one(server: World) -> None:
    page = await at_sign_in(server, await person_client(server, client_name="Notes"))

    assert source(page) == ""
    assert page.texts["client-name"] == "Notes"


@meets("X-46")
async def test_whoever_poses_as_somebody_does_not_get_to_show_a_picture(server: World) -> None:
    page = await at_sign_in(server, await person_client(server, client_name="Claude", logo_uri=AT))

    assert source(page) == ""
    assert "claude.ai" in page.texts["doubts"]


async def test_the_path_of_the_issuer_comes_before_that_of_the_picture(tmp_path: Path) -> None:
    server = await world(tmp_path, issuer="https://as.example/one")
    server.strangers.serve(AT, png())
    card = (await server.post_json("/one/register", {"redirect_uris": [CALLBACK], "logo_uri": AT})).json

    page = Page((await server.call("GET", "/one" + authorize_url(card), headers={"accept": "text/html"})).body)

    assert source(page).startswith("/one/logos/cc_logo_")
    assert (await seen(server, source(page))).status == 200


# ── What nobody sees ─────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-05", "X-12", "D-44")
@pytest.mark.parametrize(
    "body",
    [SVG, b"<!doctype html><script>alert(1)</script>", b"GIF89a/*<svg/onload=alert(1)>*/=1;", b"", b"\x89PNG\r\n\x1a\n", png()[:60]],
    ids=["svg", "html", "polyglot", "empty", "begin", "cut off"],
)
async def test_what_is_no_picture_is_not_relayed(server: World, body: bytes) -> None:
    server.strangers.serve(AT, body)

    assert await no_picture(server, source(await at_sign_in(server, await person_client(server, logo_uri=AT))))


@meets("X-12")
async def test_a_picture_that_is_a_page_as_well_is_only_a_picture_then(server: World) -> None:
    server.strangers.serve(AT, png() + b"<script>alert(1)</script>")

    reply = await seen(server, await logos_of(server))

    assert reply.status == 200
    assert b"script" not in reply.body


async def logos_of(server: World, url: str = AT, since: int = 0) -> str:
    """The path that a page of ours would name."""
    return "/logos/" + await name_of(server, url, since)


async def name_of(server: World, url: str = AT, since: int = 0) -> str:
    card = await person_client(server, logo_uri=url)
    return logos.link(server.ports, (await server.row(card)).key, url, since)


@meets("D-44", "X-71", "X-108")
@pytest.mark.parametrize("why", list(Why))
async def test_a_picture_that_is_not_fetched_is_none_and_nobody_learns_why(server: World, why: Why) -> None:
    server.strangers.fail(AT, why)

    assert await no_picture(server, await logos_of(server))
    line = next(line for line in server.lines if line["event"] == "logo_not_fetched")
    assert (line["why"], line["cause"]) == (why.name, "as the test says")


@meets("X-71", "X-108")
async def test_registering_a_picture_fetches_nothing(server: World) -> None:
    for inside in ("https://169.254.169.254/latest/meta-data/iam/", "https://metadata.internal/"):
        status, _ = await server.tried(redirect_uris=["https://app.example/cb"], logo_uri=inside)
        assert status in (201, 400)

    assert server.strangers.asked == []


# ── Who may ask ──────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-05", "X-108")
async def test_only_a_link_of_ours_makes_us_fetch(server: World, tmp_path: Path) -> None:
    ours = await name_of(server)
    elsewhere = await name_of(await world(tmp_path / "other"))
    door = leave.link(server.ports, AT)
    dressed = LOGO.prefix + write(server.ports.keyring, LINK, f"{KEY} 0 {AT}".encode(), bytes(12)).removeprefix(LINK.prefix)
    altered = ours[:-5] + ("A" if ours[-5] != "A" else "B") + ours[-4:]

    for name in ("", AT, "0 " + AT, ours + "x", ours[:-1], ours + "/x", altered, elsewhere, door, dressed, "../account", "cc_logo_"):
        assert await no_picture(server, f"/logos/{name}")

    assert server.strangers.asked == []


@meets("X-05")
async def test_a_link_ends_with_its_client_and_with_its_picture(server: World) -> None:
    card = await person_client(server, logo_uri=AT, token_endpoint_auth_method="client_secret_basic")
    name = logos.link(server.ports, (await server.row(card)).key, AT, 0)
    assert (await seen(server, f"/logos/{name}")).status == 200

    suspended = await person_client(server, logo_uri=AT)
    held = logos.link(server.ports, (await server.row(suspended)).key, AT, 0)
    await suspend(server.ports, suspended["client_id"], "tester")
    assert await no_picture(server, f"/logos/{held}")
    card = await server.replaced(card, logo_uri=AT + "?new")
    assert await no_picture(server, f"/logos/{name}")
    await server.remove(card)
    assert await no_picture(server, f"/logos/{name}")
    assert server.strangers.asked == [AT]


async def test_a_link_to_a_picture_is_no_door_to_a_page(server: World) -> None:
    reply = await Browser(server).get("/leave?to=" + await name_of(server))

    assert reply.status == 400
    assert AT.encode() not in reply.body


@meets("X-05")
async def test_one_network_makes_us_fetch_only_so_many_pictures_a_minute(tmp_path: Path) -> None:
    server = await world(tmp_path, fetch_rate=2)
    server.strangers.serve(AT, png())
    other = Browser(server, source="198.51.100.99")

    paths = [await logos_of(server, f"{AT}?{number}") for number in range(3)]
    for number in range(3):
        server.strangers.serve(f"{AT}?{number}", png())

    statuses = [(await seen(server, path)).status for path in paths]
    again = (await seen(server, paths[0])).status

    assert statuses == [200, 200, 404]
    assert again == 200  # it is here already, and costs nothing
    assert (await seen(server, await logos_of(server), other)).status == 200
    assert server.ports.fetches.take("203.0.113.5") == 0  # documents have a budget of their own


async def test_pictures_are_only_looked_at(server: World) -> None:
    for method in ("POST", "PUT", "DELETE"):
        reply = await server.call(method, await logos_of(server))
        assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD, OPTIONS")

    head = await server.call("HEAD", await logos_of(server))
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > 0
