"""URLs and hosts: one strict grammar, and what may be a callback (RFC 3986, RFC 8252 §7, RFC 9700 §2.1)."""

import re
from functools import lru_cache
from typing import NamedTuple

KNOWN_CALLBACKS = ("cursor://anysphere.cursor-mcp/oauth/callback",)
"""Callbacks of well-known applications whose scheme has no dot: taken whole, never the scheme alone."""

FORBIDDEN_SCHEMES = frozenset(
    {
        "javascript",
        "data",
        "vbscript",
        "livescript",
        "mocha",
        "file",
        "filesystem",
        "blob",
        "about",
        "mailto",
        "tel",
        "sms",
        "ws",
        "wss",
        "ftp",
        "ftps",
        "jar",
        "resource",
        "content",
        "view-source",
        "chrome",
        "chrome-untrusted",
        "chrome-extension",
        "chrome-search",
        "devtools",
        "edge",
        "opera",
        "brave",
        "vivaldi",
        "moz-extension",
        "safari-extension",
        "safari-web-extension",
        "ms-browser-extension",
        "intent",
        "android-app",
        "x-apple-helpbasic",
        "ms-msdt",
        "search-ms",
    }
)
"""Schemes that run code, read files or stay inside the browser, whatever the type of the client."""


class AddressError(ValueError):
    """Why a text is not an address that every reader understands the same way; ASCII, without the text."""


class Address(NamedTuple):
    """A URL taken apart; nothing is decoded or folded."""

    text: str
    scheme: str
    """In lower case."""
    authority: str | None
    """Host and port as written; None: there is no ``//``."""
    host: str
    """In lower case, an IPv6 address with its brackets; empty without authority."""
    port: str
    """Digits, ``*`` or empty."""
    path: str
    query: str | None
    fragment: str | None


_LETTERS = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]++|%[0-9A-Fa-f]{2})++")
_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/?#]*))?([^?#\[\]]*)(?:\?([^#]*))?(?:#(.*))?")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=-]*)(?::([0-9]{1,5}|\*))?")
_NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_LOOPBACK = re.compile(rf"127(?:\.{_BYTE}){{3}}|\[::1\]|localhost")
_LOOPBACK_URL = re.compile(rf"(http://(?:127(?:\.{_BYTE}){{3}}|\[::1\]|localhost))(?::([1-9][0-9]{{0,4}}|\*))?((?:[/?].*)?)")
_DOTS = re.compile(r"\.{1,2}(?:;.*)?", re.DOTALL)
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")
_HIDDEN_ADDRESS = re.compile(r"://|%3a(?:/|%2f){2}|=//", re.IGNORECASE)
_PORTS = {"https": "443", "http": "80"}
_NOWHERE = ("", "", "")


def split_url(text: str, limit: int = 2048) -> Address:
    """Take an absolute URL apart by RFC 3986 §3. Raises `AddressError` for whatever two parsers could read differently."""
    if len(text) > limit:
        raise AddressError(f"is longer than {limit} bytes")
    return _split(text)


@lru_cache(maxsize=64)
def _split(text: str) -> Address:
    """The grammar; remembered, because one judgement asks several questions about one address."""
    if not _LETTERS.fullmatch(text):
        raise AddressError("has a character that no URL may have: space, control, backslash, quote, non-ASCII, or a stray %")
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise AddressError("is not an absolute URL, scheme first")
    scheme, authority, path, query, fragment = parts.groups()
    if authority is None:
        return Address(text, scheme.lower(), None, "", "", path, query, fragment)
    if "@" in authority:
        raise AddressError("must not name a user before the host")
    place = _AUTHORITY.fullmatch(authority)
    if place is None:
        raise AddressError("has a host or port that is not plain ASCII text")
    host, port = place.groups("")
    if port not in {"", "*"} and not 0 < int(port) < 65536:
        raise AddressError("has a port outside 1 to 65535")
    return Address(text, scheme.lower(), authority, host.lower(), port, path, query, fragment)


@lru_cache(maxsize=64)
def is_loopback_host(host: str) -> bool:
    """Whether a host in lower case is this machine: ``127.0.0.0/8``, ``[::1]`` or ``localhost``, in their one plain spelling."""
    return _LOOPBACK.fullmatch(host) is not None


@lru_cache(maxsize=64)
def host_problem(host: str) -> str:
    """What is wrong with the host of a web address, in lower case; empty: a name in A-labels or a loopback address.

    Remembered like the grammar: the links of one card are mostly on one host.
    """
    if is_loopback_host(host):
        return ""
    if host.startswith("["):
        return "has an IP address as host; use a name"
    name = _NAME.fullmatch(host)
    if name is None:
        return "has no host" if not host else "has a host that is not a DNS name in ASCII letters, digits and hyphens"
    if _NUMERIC.fullmatch(name[1]):
        return "has an IP address as host; use a name"
    if "xn--" in host and not all(_is_label(label) for label in host.split(".")):
        return "has a host with a broken xn-- label (RFC 5890 section 2.3)"
    return ""


def _is_label(label: str) -> bool:
    """Whether a label that claims to be encoded says something that only Punycode can say."""
    if not label.startswith("xn--"):
        return True
    try:
        plain = label[4:].encode().decode("punycode")
    except UnicodeError:
        return False
    return not plain.isascii() and plain.isprintable() and plain.encode("punycode").decode() == label[4:]


def web_problem(text: str, limit: int, schemes: tuple[str, ...] = ("https",), *, fragment: bool = False) -> str:
    """What is wrong with a link of the web; empty: nothing. ``http`` in ``schemes`` lets it through on every host."""
    try:
        url = split_url(text, limit)
    except AddressError as error:
        return str(error)
    if url.scheme not in schemes:
        return f"must begin with {' or '.join(scheme + '://' for scheme in schemes)}"
    if not url.authority:
        return "has no host"
    if url.port == "*":
        return "must not have a wildcard"
    if url.fragment is not None and not fragment:
        return "must not have a fragment"
    return host_problem(url.host)


def origin_problem(text: str, limit: int) -> str:
    """What is wrong with the origin of a page: scheme, host and port, and nothing behind (RFC 6454 §6.2)."""
    problem = web_problem(text, limit, ("https", "http"))
    if problem:
        return problem
    url = split_url(text, limit)
    if url.path or url.query is not None:
        return "must be an origin: scheme, host and port only (RFC 6454 section 6.2)"
    return "" if url.scheme == "https" or is_loopback_host(url.host) else "must begin with https:// except on a loopback host"


class Caller(NamedTuple):
    """What decides which callbacks a client may have."""

    native: bool
    implicit: bool
    """Some response type hands out tokens in the redirect."""
    issuer: str
    callbacks: tuple[str, ...]
    """Exact private-use callbacks whose scheme has no dot."""
    limit: int = 2048


def callback_problem(text: str, caller: Caller) -> str:
    """What is wrong with a redirect URI of this client; empty: nothing (RFC 7591 §5, OIDC Registration §2, RFC 8252 §7)."""
    try:
        url = split_url(text, caller.limit)
    except AddressError as error:
        return str(error)
    if url.scheme in FORBIDDEN_SCHEMES:
        return f"has the scheme {url.scheme}, which is never redirected to (RFC 9700 section 4.1)"
    if url.fragment is not None:
        return "must not have a fragment (RFC 6749 section 3.1.2)"
    any_port = url.port == "*" and url.scheme == "http" and is_loopback_host(url.host)
    if "*" in text and text.count("*") > any_port:
        return "must not have a wildcard: redirect URIs are compared as they stand (RFC 9700 section 2.1)"
    if ("%" in text and _CONTROL.search(text)) or has_dot_segments(url.path):
        return "must not have dot segments, empty segments, backslashes or encoded controls (RFC 3986 section 6.2.2.3)"
    if url.scheme in _PORTS:
        return _web_callback_problem(url, caller)
    return _private_callback_problem(url, caller)


def _web_callback_problem(url: Address, caller: Caller) -> str:
    problem = host_problem(url.host)
    if problem:
        return problem
    if is_own(url, caller.issuer):
        return "must not lead to this server itself"
    loopback = is_loopback_host(url.host)
    if url.scheme == "http" and not loopback:
        return "must begin with https://; http is for 127.0.0.1, [::1] and localhost only (RFC 8252 section 7.3)"
    if caller.native and loopback and url.scheme == "https":
        return "must be http on a loopback host: https is for hosts of the web (RFC 8252 section 7.2)"
    if caller.native:
        return ""
    if caller.implicit and loopback:
        return "must be https and not on this machine for response types that hand out tokens (OIDC Registration section 2)"
    return ""


def _private_callback_problem(url: Address, caller: Caller) -> str:
    if url.text in caller.callbacks or url.text in KNOWN_CALLBACKS:
        return ""
    if "." not in url.scheme:
        return f"has the scheme {url.scheme[:40]}; a private-use scheme needs a dot, as in com.example.app:/callback (RFC 8252 section 8.4)"
    if not url.path.startswith("/") and not url.authority:
        return "needs a slash behind the scheme, as in com.example.app:/callback (RFC 8252 section 7.1)"
    if not caller.native:
        return "has a private-use scheme, which is for application_type native (OIDC Registration section 2)"
    return ""


def has_dot_segments(path: str) -> bool:
    """Whether some reader would walk up, or see an empty segment, after decoding the path once or twice."""
    if "%" in path:
        path = _decoded(_decoded(path))
        if "\\" in path:
            return True
    if "/." not in path and "//" not in path and not path.startswith("."):
        return False
    return "//" in path or any(_DOTS.fullmatch(segment) for segment in path.split("/"))


def _decoded(path: str) -> str:
    return _PERCENT.sub(lambda match: chr(int(match[1], 16)), path)


def is_own(url: Address, issuer: str) -> bool:
    """Whether a URL leads to this server: the issuer's host on any port; on loopback the port tells servers apart."""
    host, port = _place(issuer)
    if not is_loopback_host(host):
        return url.host.rstrip(".") == host
    return is_loopback_host(url.host) and (url.port or _PORTS[url.scheme]) == port


def leads_to(text: str, issuer: str) -> bool:
    """Whether a web address leads to this server, however it is spelled."""
    try:
        url = _split(text)
    except AddressError:
        return False
    return url.scheme in _PORTS and is_own(url, issuer)


@lru_cache(maxsize=16)
def _place(issuer: str) -> tuple[str, str]:
    url = split_url(issuer)
    return url.host.rstrip("."), url.port or _PORTS[url.scheme]


def is_dangerous(text: str) -> bool:
    """Whether a redirect would run code, read files or be read in two ways; asked again each time, for records older than a rule."""
    try:
        return _split(text).scheme in FORBIDDEN_SCHEMES
    except AddressError:
        return True


def has_any_port(text: str) -> bool:
    """Whether only a request can say to which port of this machine a callback leads (H-08)."""
    found = _LOOPBACK_URL.fullmatch(text)
    return found is not None and found[2] == "*"


def stays_on_device(text: str) -> bool:
    """Whether a callback ends on the device: loopback or a private-use scheme (RFC 8252 §7)."""
    try:
        url = _split(text)
    except AddressError:
        return False
    return url.scheme not in _PORTS or (url.scheme == "http" and is_loopback_host(url.host))


def host_of(text: str) -> str:
    """The host of a web address in lower case; empty for anything else."""
    return _origin(text)[1]


@lru_cache(maxsize=16)
def own_host(issuer: str) -> str:
    """The host of this server."""
    return host_of(issuer)


def same_origin(one: str, other: str) -> bool:
    """Whether two web addresses share scheme, host and port (RFC 6454 §5)."""
    return _origin(one) == _origin(other) != _NOWHERE


def _origin(text: str) -> tuple[str, str, str]:
    try:
        url = _split(text)
    except AddressError:
        return _NOWHERE
    return (url.scheme, url.host, url.port or _PORTS[url.scheme]) if url.scheme in _PORTS else _NOWHERE


def callback_warnings(text: str, caller: Caller) -> list[str]:
    """Shapes of a good redirect URI that attackers like, or that will be trouble (RFC 9700 §4.1, RFC 8252 §8.3)."""
    url = _split(text)
    warnings: list[str] = []
    if url.scheme not in _PORTS:
        warnings.append("any program on the device can claim a private-use scheme (RFC 8252 section 8.6)")
    if url.host == "localhost":
        warnings.append("localhost may resolve to something else; 127.0.0.1 cannot (RFC 8252 section 8.3)")
    if url.scheme == "http" and not caller.native:
        warnings.append("http on this machine in a client of type web (OIDC Registration section 2)")
    if url.scheme == "https" and _poses(url.host, caller.issuer):
        warnings.append("the host looks like another one at its beginning")
    if "xn--" in url.host:
        warnings.append("the host may look like another one once it is shown in its own script")
    if "%" in url.path or ";" in url.path:
        warnings.append("servers disagree on percent signs and semicolons in a path")
    if url.query and _HIDDEN_ADDRESS.search(url.query):
        warnings.append("the query holds an address: an open redirector would pass the code on (RFC 9700 section 4.11)")
    return warnings


def _poses(host: str, issuer: str) -> bool:
    """Whether a host begins like a loopback host or like this server, and goes on."""
    own, _ = _place(issuer)
    return host.startswith(("localhost.", "127.", "127-0-0-1", own + ".", own + "-")) and not is_loopback_host(host)


def redirect_matches(registered: str, asked: str) -> bool:
    """Whether the asked redirect URI is the registered one: the same string, or on loopback http the same but for the port.

    The port of a loopback redirect is chosen at run time, so it is not compared, nor needed (RFC 8252 §7.3).
    """
    ours = _LOOPBACK_URL.fullmatch(registered)
    if ours is None:
        return registered == asked
    theirs = _LOOPBACK_URL.fullmatch(asked)
    if theirs is None or theirs[2] == "*" or int(theirs[2] or 0) > 65535:
        return False
    return ours[1] == theirs[1] and ours[3] == theirs[3]
