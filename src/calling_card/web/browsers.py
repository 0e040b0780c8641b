"""What browsers send and keep: cookies, languages, where a form came from (RFC 6265 §4.1, RFC 9110 §12.5.4)."""

import re
from functools import lru_cache
from urllib.parse import urlsplit

from calling_card.ports import Ports
from calling_card.protocol import base64url
from calling_card.protocol.abroad.addresses import same_origin
from calling_card.protocol.card.languages import is_tag
from calling_card.protocol.errors import No, Refusal
from calling_card.settings import path_of
from calling_card.usecases.people.browsers import Visit
from calling_card.web.http import Request, source_network

_SIZE = 16
_MOST_LANGUAGES = 20
_AGENT = re.compile(r"[^ -~]+")


def name_of(ports: Ports, what: str) -> str:
    """Name of a cookie: one that other hosts and http cannot set; on loopback the port keeps servers apart."""
    return _name(ports.settings.issuer, what)


@lru_cache(maxsize=16)
def _name(issuer: str, what: str) -> str:
    place = urlsplit(issuer)
    if place.scheme == "https":
        return f"__Secure-cc_{what}" if path_of(issuer) else f"__Host-cc_{what}"
    return f"cc_{what}_{place.port or 80}"


def cookies(request: Request) -> dict[str, str]:
    """The cookies by name; of two with one name the first counts, which has the longer path."""
    found: dict[str, str] = {}
    for line in request.headers.get(b"cookie", []):
        for pair in line.decode("latin-1").split(";"):
            name, _, value = pair.strip().partition("=")
            found.setdefault(name, value)
    return found


def visit(ports: Ports, request: Request) -> Visit:
    """Who asks, as far as a browser tells; one that comes for the first time is given a number."""
    sent = cookies(request)
    number = _number(sent.get(name_of(ports, "browser"), ""))
    return Visit(
        browser=number or ports.entropy(_SIZE),
        cookie=sent.get(name_of(ports, "session"), ""),
        languages=languages(request),
        source=source_network(request.source),
        agent=_agent(request.headers[b"user-agent"][0]) if b"user-agent" in request.headers else "",
        request_id=request.id,
        new=not number,
    )


def _agent(header: bytes) -> str:
    return _AGENT.sub(" ", header.decode("latin-1"))[:200]


def number_cookie(ports: Ports, visit: Visit) -> tuple[tuple[bytes, bytes], ...]:
    """The header that gives the browser its number, if it has not got it yet."""
    return (set_cookie(ports, "browser", base64url.encode(visit.browser), 0),) if visit.new else ()


def session_cookie(ports: Ports, value: str, lifetime: int) -> tuple[bytes, bytes]:
    """The header that signs the browser in for so many seconds; an empty value signs it out."""
    return set_cookie(ports, "session", value, lifetime)


def set_cookie(ports: Ports, what: str, value: str, lifetime: int) -> tuple[bytes, bytes]:
    """A cookie that scripts cannot read and other sites cannot send with a form (X-54); ``lifetime`` 0: while the browser runs."""
    settings = ports.settings
    parts = [f"{name_of(ports, what)}={value}", f"Path={settings.base_path or '/'}", "HttpOnly", "SameSite=Lax"]
    if settings.issuer.startswith("https:"):
        parts.append("Secure")
    if lifetime or not value:
        parts.append(f"Max-Age={lifetime if value else 0}")
    return b"set-cookie", "; ".join(parts).encode()


def _number(text: str) -> bytes:
    raw = base64url.canonical(text)
    return raw if raw is not None and len(raw) == _SIZE else b""


def languages(request: Request) -> tuple[str, ...]:
    """The reader's languages, best first; what is no language tag is passed over."""
    if b"accept-language" not in request.headers:
        return ()
    ranked: list[tuple[float, str]] = []
    for part in b",".join(request.headers[b"accept-language"]).decode("latin-1")[:1000].split(",")[:_MOST_LANGUAGES]:
        tag, _, quality = part.strip().partition(";")
        weight = _weight(quality)
        if weight > 0 and is_tag(tag.strip()):
            ranked.append((weight, tag.strip()))
    return tuple(tag for _, tag in sorted(ranked, key=lambda one: -one[0]))


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    return float(value) if name.strip().lower() == "q" and re.fullmatch(r"[01](?:\.[0-9]{0,3})?", value.strip()) else 0.0


def check_origin(ports: Ports, request: Request) -> None:
    """A form of ours comes from a page of ours (X-54). Raises `Refusal` when the browser says that it came from elsewhere.

    Our pages send no referrer, so their forms have the origin ``null``; then the transaction alone decides, which only a page of
    ours in this browser can know.
    """
    fetch_site, origin = request.header(b"sec-fetch-site"), request.header(b"origin")
    elsewhere = origin not in (b"", b"null") and not same_origin(origin.decode("latin-1"), ports.settings.issuer)
    if elsewhere or fetch_site not in (b"", b"same-origin", b"none"):
        raise Refusal(No.CROSS_SITE, "this form was sent from another site")


def wants_page(request: Request) -> bool:
    """Whether the caller would rather see a page than JSON (H-28)."""
    accept = b",".join(request.headers.get(b"accept", []))
    return b"text/html" in accept and b"application/json" not in accept
