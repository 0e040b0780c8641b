"""Hosts and callbacks as an operator writes them, and the callbacks of well-known clients (RFC 7591 §5, RFC 8252 §7.3; X-26, X-83)."""

import re
from collections.abc import Mapping

from calling_card.protocol.abroad.addresses import KNOWN_CALLBACKS, Address, AddressError, host_problem, is_loopback_host, split_url
from calling_card.protocol.abroad.clientids import listed

PRESETS: Mapping[str, tuple[str, ...]] = {
    "chatgpt": ("https://chatgpt.com/connector/oauth/*", "https://chatgpt.com/connector_platform_oauth_redirect"),
    "claude": ("https://claude.ai/api/mcp/auth_callback",),
    "claude-code": ("http://localhost/callback", "http://127.0.0.1/callback"),
    "codex": ("http://127.0.0.1/callback", "http://127.0.0.1/callback/*"),
    "copilot-cli": ("http://127.0.0.1/",),
    "copilot-studio": ("https://global.consent.azure-apim.net/redirect/*",),
    "cursor": (*KNOWN_CALLBACKS, "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost/callback"),
    "goose": ("http://127.0.0.1/oauth_callback", "http://[::1]/oauth_callback"),
    "mcp-inspector": ("http://127.0.0.1/oauth/callback",),
    "mcp-remote": ("http://localhost/oauth/callback",),
    "opencode": ("http://127.0.0.1/mcp/oauth/callback", "http://127.0.0.1/callback", "http://localhost/callback"),
    "vscode": ("https://vscode.dev/redirect", "https://insiders.vscode.dev/redirect", "http://127.0.0.1/"),
}
"""Where well-known clients have the browser sent back to, by name. One on this machine says who asks as little as any of them."""

_SEGMENT = re.compile(r"[A-Za-z0-9._~-]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*")


def on_sites(host: str, sites: tuple[str, ...]) -> bool:
    """Whether a host is written there itself, or lies below a ``*.`` domain: label by label, never by how its text ends (X-83)."""
    return listed(host, host, sites)


def site_problem(site: str) -> str:
    """What is wrong with a host that an operator wrote; empty: nothing."""
    host = site.removeprefix("*.")
    if site != site.lower():
        return "must be in lower case"
    if site.startswith("*.") and ("." not in host or is_loopback_host(host)):
        return "needs a domain of two labels or more behind *."
    return host_problem(host).replace("has ", "is ", 1)


def scheme_of(uri: str) -> str:
    """The scheme of an address in lower case, whatever else it is."""
    return uri.partition(":")[0].lower()


def callback_fits(pattern: str, uri: str) -> bool:
    """Whether a redirect URI is this callback: on loopback any port will do, and a ``*`` at the end is one plain segment."""
    wanted, said = _taken_apart(pattern), _taken_apart(uri)
    if wanted is None or said is None or (wanted.scheme, wanted.host) != (said.scheme, said.host):
        return False
    any_port = wanted.scheme == "http" and not wanted.port and is_loopback_host(wanted.host)
    if (not any_port and _port(wanted) != _port(said)) or said.query is not None or said.fragment is not None:
        return False
    return _path_fits(wanted.path or "/", said.path or "/")


def _port(url: Address) -> str:
    """The port that is meant, however it is written."""
    return url.port or {"https": "443", "http": "80"}.get(url.scheme, "")


def _path_fits(wanted: str, said: str) -> bool:
    if not wanted.endswith("/*"):
        return wanted == said
    folder = wanted[:-1]
    return said.startswith(folder) and _SEGMENT.fullmatch(said[len(folder) :]) is not None


def callback_problem(pattern: str) -> str:
    """What is wrong with a callback that an operator wrote; empty: nothing."""
    url = _taken_apart(pattern)
    if url is None:
        return "is no address"
    if url.query is not None or url.fragment is not None or "*" in pattern[:-1] or (pattern.endswith("*") and not pattern.endswith("/*")):
        return "may have no query and no fragment, and * only as the last segment of its path"
    return "" if url.scheme not in ("https", "http") else host_problem(url.host)


def _taken_apart(text: str) -> Address | None:
    try:
        return split_url(text)
    except AddressError:
        return None
