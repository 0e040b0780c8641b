"""Cookies, languages and origins: what browsers send and keep (RFC 6265 §4.1, RFC 9110 §12.5.4)."""

import base64
from pathlib import Path

import pytest

from calling_card.protocol.errors import No, Refusal
from calling_card.web.browsers import check_origin, cookies, languages, name_of, number_cookie, session_cookie, visit, wants_page
from calling_card.web.http import Request
from tests.ledger import meets
from tests.world import World, world

NUMBER = base64.urlsafe_b64encode(bytes(range(16))).rstrip(b"=").decode()


def request(*headers: tuple[str, str], source: str = "203.0.113.5") -> Request:
    """A request with these headers."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        found.setdefault(name.encode(), []).append(value.encode("latin-1"))
    return Request("GET", "/", b"", found, source, "r1", {})


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


# ── Cookies ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-54", "A-32")
@pytest.mark.parametrize(
    "issuer, name, attributes",
    [
        ("https://as.example", "__Host-cc_session", "Path=/; HttpOnly; SameSite=Lax; Secure"),
        ("https://as.example:8443", "__Host-cc_session", "Path=/; HttpOnly; SameSite=Lax; Secure"),
        ("https://as.example/tenant", "__Secure-cc_session", "Path=/tenant; HttpOnly; SameSite=Lax; Secure"),
        ("https://as.example/a/b", "__Secure-cc_session", "Path=/a/b; HttpOnly; SameSite=Lax; Secure"),
        ("http://127.0.0.1:8000", "cc_session_8000", "Path=/; HttpOnly; SameSite=Lax"),
        ("http://localhost:8001/x", "cc_session_8001", "Path=/x; HttpOnly; SameSite=Lax"),
        ("http://[::1]:8002", "cc_session_8002", "Path=/; HttpOnly; SameSite=Lax"),
        ("http://[::1]", "cc_session_80", "Path=/; HttpOnly; SameSite=Lax"),
        ("http://localhost", "cc_session_80", "Path=/; HttpOnly; SameSite=Lax"),
    ],
)
async def test_a_cookie_is_for_this_server_alone_and_not_for_scripts(tmp_path: Path, issuer: str, name: str, attributes: str) -> None:
    ports = (await world(tmp_path, issuer=issuer)).ports

    assert name_of(ports, "session") == name
    assert session_cookie(ports, "v", 60) == (b"set-cookie", f"{name}=v; {attributes}; Max-Age=60".encode())
    assert session_cookie(ports, "", 0) == (b"set-cookie", f"{name}=; {attributes}; Max-Age=0".encode())
    header, value = number_cookie(ports, visit(ports, request()))[0]
    assert header == b"set-cookie"
    assert value.decode().startswith(f"{name.replace('session', 'browser')}=")
    assert value.decode().endswith(f"; {attributes}")


def test_of_two_cookies_with_one_name_the_first_counts() -> None:
    assert cookies(request(("cookie", "a=1; b=2;a=3"), ("cookie", "c=4; b=5"))) == {"a": "1", "b": "2", "c": "4"}
    assert cookies(request(("cookie", "a; =x; b=c=d"))) == {"a": "", "": "x", "b": "c=d"}
    assert cookies(request()) == {}


@meets("X-55")
async def test_a_browser_keeps_the_number_it_was_given_and_a_new_one_gets_its_own(server: World) -> None:
    known = request(("cookie", f"__Host-cc_browser={NUMBER}; __Host-cc_session=s"))
    first, second = visit(server.ports, request()), visit(server.ports, request())

    assert visit(server.ports, known).browser == bytes(range(16))
    assert visit(server.ports, known).cookie == "s"
    assert number_cookie(server.ports, visit(server.ports, known)) == ()
    assert len(first.browser) == 16
    assert first.browser != second.browser


@meets("X-55")
@pytest.mark.parametrize("value", ["", "AAAA", NUMBER + "AA", NUMBER[:-1], "!" * 22, "ä" * 22, NUMBER + "=="])
async def test_what_is_no_number_of_ours_is_replaced(server: World, value: str) -> None:
    sent = request(("cookie", f"__Host-cc_browser={value}"))
    found = visit(server.ports, sent)

    assert len(found.browser) == 16
    assert number_cookie(server.ports, found) != ()


async def test_the_cookie_of_another_name_is_not_looked_at(server: World) -> None:
    sent = request(("cookie", f"cc_browser_8000={NUMBER}; __Secure-cc_session=s; __host-cc_session=t"))

    assert visit(server.ports, sent).browser != bytes(range(16))
    assert visit(server.ports, sent).cookie == ""


async def test_who_comes_is_known_by_network_and_by_what_the_browser_calls_itself(server: World) -> None:
    found = visit(server.ports, request(("user-agent", "Exämple/1.0 \x1b[31m" + "x" * 500), source="2001:db8::1"))

    assert found.agent.startswith("Ex mple/1.0  [31mxxx")
    assert (len(found.agent), found.source, found.request_id) == (200, "2001:db8::", "r1")


# ── Languages ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-53")
@pytest.mark.parametrize(
    "said, tags",
    [
        ("", ()),
        ("ja", ("ja",)),
        ("en;q=0.5, ja-JP", ("ja-JP", "en")),
        ("en;q=0.5,ja;q=0.5,fr;q=0.9", ("fr", "en", "ja")),
        ("en; q=0.5 , ja ;q=0.8", ("ja", "en")),
        ("en;Q=0.5,ja", ("ja", "en")),
        ("en;q=0, ja", ("ja",)),
        ("en;q=0.000,ja;q=0.001", ("ja",)),
        ("*, ja;q=0.1", ("ja",)),
        ("en;q=1.0000,en-GB;q=x,en-US;q=-1,en-AU;q=.5,en-CA;q=2", ()),
        ("en;level=1,ja;q=1.000", ("ja",)),
        ("en_US,<b>,123456789,a,ja", ("ja",)),
        (",,;,;;q=1,ja", ("ja",)),
        ("zh-Hant-TW;q=0.9", ("zh-Hant-TW",)),
    ],
)
def test_languages_are_read_best_first_and_what_is_none_is_passed_over(said: str, tags: tuple[str, ...]) -> None:
    assert languages(request(("accept-language", said))) == tags


def test_languages_do_not_go_on_without_end() -> None:
    assert languages(request()) == ()
    assert len(languages(request(("accept-language", ",".join(["en"] * 500))))) == 20
    assert len(languages(request(("accept-language", "x" * 100_000)))) == 0
    assert languages(request(("accept-language", "fr"), ("accept-language", "ja"))) == ("fr", "ja")


# ── Pages and origins ────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-28")
def test_who_takes_html_and_not_json_wants_a_page() -> None:
    assert wants_page(request(("accept", "text/html")))
    assert wants_page(request(("accept", "image/png"), ("accept", "text/html")))
    for accept in ("*/*", "application/json", "text/html, application/json", ""):
        assert not wants_page(request(("accept", accept)))
    assert not wants_page(request())


@meets("X-54")
@pytest.mark.parametrize(
    "issuer, origin, ours",
    [
        ("https://as.example", "https://as.example", True),
        ("https://as.example:443", "https://as.example", True),
        ("https://AS.example", "https://as.example", True),
        ("https://as.example/tenant", "https://as.example", True),
        ("https://as.example:8443", "https://as.example:8443", True),
        ("https://as.example:8443", "https://as.example", False),
        ("https://as.example", "https://as.example:8443", False),
        ("https://as.example", "http://as.example", False),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("http://127.0.0.1:8000", "http://localhost:8000", False),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8001", False),
    ],
)
async def test_an_origin_is_ours_by_scheme_host_and_port(tmp_path: Path, issuer: str, origin: str, ours: bool) -> None:
    ports = (await world(tmp_path, issuer=issuer)).ports
    sent = request(("origin", origin))

    if ours:
        check_origin(ports, sent)
        return
    with pytest.raises(Refusal) as caught:
        check_origin(ports, sent)
    assert (caught.value.no, caught.value.description) == (No.CROSS_SITE, "this form was sent from another site")
