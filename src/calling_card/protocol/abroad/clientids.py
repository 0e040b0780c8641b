"""A URL as client_id: on which route it is, whether it may be one, and where its document is (CIMD §3, seed 004; D-01 to D-13).

Everything is judged on the text as it came: a parser that tidies up first would hide what is to be refused (D-05).
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import parse_qsl

import msgspec

from calling_card.protocol.abroad.addresses import Address, AddressError, has_dot_segments, host_problem, is_loopback_host, split_url
from calling_card.protocol.abroad.networks import SERVICES, is_local_name
from calling_card.protocol.clients import Route
from calling_card.protocol.errors import No, Refusal

WELL_KNOWN = "/.well-known/client-metadata"
HOSTED = "/client-documents/"
"""Where this server hosts documents for developers (D-52)."""
_HOSTED = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class Customs:
    """Which URLs are taken for clients; built once from the settings."""

    issuer: str
    cimd: bool = True
    looker: bool = True
    atproto: bool = False
    query: bool = False
    bare_host: bool = False
    longest: int = 512
    """Bytes."""
    only_443: bool = False
    hosting: bool = True
    """Whether documents that lie here for developers count."""
    loopback: bool = False
    """Whether this machine may be a client's host, http included: development."""
    insertion: bool = False
    """Whether client discovery also looks before the path."""
    public: bool = False
    """Whether discovered clients are public even where they publish keys (C-23)."""
    named: bool = False
    """Whether a document must have a ``client_name``."""
    redirects: str = "off"
    """Redirect URIs on another origin: ``off``, ``warn`` or ``enforce`` (D-51)."""
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    """Whose documents stay as they were first read (C-26)."""


class Named(msgspec.Struct, frozen=True):
    """A client_id in its name space."""

    route: Route
    client_id: str
    """As it is kept and compared: canonical for client discovery, else as it came (D-12)."""
    places: tuple[str, ...] = ()
    """URLs of its document, the next one for when the one before is not there; none: it needs no fetch."""
    host: str = ""
    hosted: str = ""
    """Id of a document that this server hosts itself."""

    def pinned(self, customs: Customs) -> bool:
        """Whether the operator wants the document as it was read, whatever it says by now (C-26)."""
        return listed(self.client_id, self.host, customs.pinned)


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must be true of a URL that is a client_id."""

    name: str
    section: str
    meaning: str
    check: Callable[[Address, Route, Customs], str]
    """What is wrong; empty: nothing."""


def wants_discovery(value: str) -> bool:
    """What ``client_discovery`` says; not sent means false. Raises `Refusal` (S4-12)."""
    if value not in ("", "true", "false"):
        raise Refusal(No.INVALID_REQUEST, "client_discovery: must be true or false (OAuth Client Discovery, authorization request)")
    return value == "true"


def route_of(client_id: str, customs: Customs, *, discovery: bool) -> Route:
    """In which name space a client_id is meant (D-01). Raises `Refusal` when client discovery is asked for what is no URL (D-02)."""
    if discovery:
        if not client_id.lower().startswith(("https://", "http://")):
            raise Refusal(No.INVALID_REQUEST, "client_discovery: needs a client_id that is a URL (OAuth Client Discovery, authorization)")
        return Route.LOOKER
    if "://" not in client_id:
        return Route.REGISTERED
    if client_id[:8].lower() == "https://" or (client_id[:7].lower() == "http://" and (customs.loopback or customs.atproto)):
        return Route.CIMD
    return Route.CIMD if client_id.startswith(customs.issuer + HOSTED) else Route.REGISTERED


def name(client_id: str, customs: Customs, *, discovery: bool = False) -> Named:
    """The client_id in its name space. Raises `Refusal` (``invalid_client``) for a URL that cannot be one; nothing is fetched then."""
    route = route_of(client_id, customs, discovery=discovery)
    if route is Route.REGISTERED:
        return Named(route, client_id)
    if not (customs.looker if route is Route.LOOKER else customs.cimd):
        raise refused("is a URL, and this server takes none on this way")
    if is_virtual(client_id, customs) and route is Route.CIMD:
        return Named(route, client_id, (), "localhost")
    hosted = client_id.removeprefix(customs.issuer + HOSTED)
    if hosted != client_id and route is Route.CIMD:
        return _hosted(client_id, hosted, customs)
    for rule, problem in judged(client_id, route, customs):
        if problem:
            raise refused(f"{problem} ({rule.section.replace('§', 'section ')})")
    url = split_url(client_id)
    if route is Route.CIMD:
        return Named(route, client_id, (client_id,), url.host)
    canonical = _canonical(url)
    return Named(route, canonical, _well_known(canonical, customs), url.host)


def _hosted(client_id: str, id: str, customs: Customs) -> Named:
    """A document that lies here; the operator's lists hold for it as for all others."""
    host = host_in(client_id)
    if not customs.hosting or not _HOSTED.fullmatch(id) or not _let_in(client_id, host, customs):
        raise refused("is no document that lies here")
    return Named(Route.CIMD, client_id, (), host, id)


def refused(problem: str) -> Refusal:
    """The refusal of a URL as client_id."""
    return Refusal(No.UNKNOWN_CLIENT, f"client_id: {problem}")


def judged(client_id: str, route: Route, customs: Customs) -> list[tuple[Rule, str]]:
    """Every rule with what is wrong; the rules behind the grammar are asked only of what the grammar can read."""
    try:
        url = split_url(client_id, customs.longest)
    except AddressError as error:
        return [(GRAMMAR, str(error))]
    return [(rule, rule.check(url, route, customs)) for rule in (GRAMMAR, *RULES)]


def is_virtual(client_id: str, customs: Customs) -> bool:
    """Whether the client_id says itself what a document would say: ``http://localhost`` with a query (atproto OAuth, localhost clients)."""
    rest = client_id.removeprefix("http://localhost")
    return customs.atproto and rest != client_id and rest[:1] in ("", "?", "/") and rest.partition("?")[0] in ("", "/")


def virtual_document(client_id: str) -> dict[str, object]:
    """What a virtual client says of itself (atproto OAuth, localhost clients). Raises `Refusal` for a query that is no form."""
    query = client_id.partition("?")[2]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), encoding="utf-8", errors="strict", max_num_fields=30)
    except ValueError:
        raise refused("has a query that is no form (atproto OAuth, localhost clients)") from None
    if any(name not in ("redirect_uri", "scope") for name, _ in pairs):
        raise refused("may only have redirect_uri and scope in its query (atproto OAuth, localhost clients)")
    scopes = [value for name, value in pairs if name == "scope"]
    if len(scopes) > 1:
        raise refused("has two scopes in its query (atproto OAuth, localhost clients)")
    redirects = [value for name, value in pairs if name == "redirect_uri"]
    return {
        "client_id": client_id,
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": scopes[0] if scopes else "atproto",
        "redirect_uris": redirects or ["http://127.0.0.1/", "http://[::1]/"],
    }


def host_in(client_id: str) -> str:
    """The host of a client_id that is a URL, in lower case; empty for any other."""
    try:
        return split_url(client_id).host if "://" in client_id[:8] else ""
    except AddressError:
        return ""


def listed(url: str, host: str, entries: Collection[str]) -> bool:
    """Whether an operator's list has this URL, its host, or by ``*.example.org`` a domain above its host (D-53, X-26)."""
    above = host.split(".")
    domains = {"*." + ".".join(above[index:]) for index in range(1, len(above) - 1)}
    return any(entry in (url, host) or entry in domains for entry in entries)


def _let_in(url: str, host: str, customs: Customs) -> bool:
    return not listed(url, host, customs.denied) and (not customs.allowed or listed(url, host, customs.allowed))


def _canonical(url: Address) -> str:
    """Lower-case scheme and host, no default port, and no path where it is ``/`` alone (C-28)."""
    port = "" if url.port in ("", "443" if url.scheme == "https" else "80") else f":{url.port}"
    return f"{url.scheme}://{url.host}{port}{'' if url.path == '/' else url.path}"


def _well_known(canonical: str, customs: Customs) -> tuple[str, ...]:
    """Below the client_id; by setting also between host and path (C-22)."""
    below = canonical.rstrip("/") + WELL_KNOWN
    scheme, _, rest = canonical.partition("://")
    host, slash, path = rest.partition("/")
    inserted = f"{scheme}://{host}{WELL_KNOWN}{slash}{path}".rstrip("/")
    return (below, inserted) if customs.insertion and inserted != below else (below,)


# ── The rules, in the order in which they are told ───────────────────────────────────────────────────────────────────


def _scheme(url: Address, route: Route, customs: Customs) -> str:
    del route
    if url.scheme == "https" or (url.scheme == "http" and customs.loopback and is_loopback_host(url.host)):
        return ""
    return "must begin with https://"


def _fragment(url: Address, route: Route, customs: Customs) -> str:
    del route, customs
    return "" if url.fragment is None else "must not have a fragment, not even an empty one"


def _host(url: Address, route: Route, customs: Customs) -> str:
    del route
    if is_loopback_host(url.host):
        return "" if customs.loopback else "has a host of this machine or an IP address; use a public DNS name"
    problem = host_problem(url.host)
    if problem:
        return problem
    return "has a host that is no public DNS name" if is_local_name(url.host) else ""


def _port(url: Address, route: Route, customs: Customs) -> str:
    del route
    if url.port == "*":
        return "must not have a wildcard"
    port = int(url.port or 443)
    if port == 443 or (customs.loopback and is_loopback_host(url.host)):
        return ""
    if customs.only_443:
        return "must have the port 443"
    return "" if port >= 1024 and port not in SERVICES else "has a port that usually serves something else than the web"


def _path(url: Address, route: Route, customs: Customs) -> str:
    if has_dot_segments(url.path):
        return "must not have dot segments, empty segments or encoded ones in its path"
    if route is Route.CIMD and url.path == "":
        return "needs a path"
    return "needs more of a path than /" if route is Route.CIMD and url.path == "/" and not customs.bare_host else ""


def _query(url: Address, route: Route, customs: Customs) -> str:
    if url.query is None or (route is Route.CIMD and customs.query):
        return ""
    return "must not have a query"


def _lists(url: Address, route: Route, customs: Customs) -> str:
    known = _canonical(url) if route is Route.LOOKER else url.text
    return "" if _let_in(known, url.host, customs) else "is not one of those that this server takes"


def _read(url: Address, route: Route, customs: Customs) -> str:
    """Whoever asks has read it."""
    del url, route, customs
    return ""


_SECTION = "CIMD §3"
GRAMMAR = Rule("grammar", _SECTION, "It is an absolute URL in plain ASCII that every reader understands alike.", _read)
RULES: tuple[Rule, ...] = (
    Rule("scheme", _SECTION, "It begins with https://.", _scheme),
    Rule("fragment", _SECTION, "It has no fragment.", _fragment),
    Rule("host", _SECTION, "Its host is a public DNS name.", _host),
    Rule("port", "CIMD §8.6", "Its port is 443, or one from 1024 up where the web is usual.", _port),
    Rule("path", _SECTION, "It has a path without dot segments.", _path),
    Rule("query", _SECTION, "It has no query.", _query),
    Rule("lists", "CIMD §8.3", "The operator lets it in.", _lists),
)
