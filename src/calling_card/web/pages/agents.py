"""What a browser calls itself, in the words its owner knows it by (RFC 9110 §10.1.5)."""

from collections.abc import Mapping
from types import MappingProxyType

BROWSERS: Mapping[str, str] = MappingProxyType(
    {
        "Edg": "Edge",
        "OPR/": "Opera",
        "SamsungBrowser/": "Samsung Internet",
        "Firefox/": "Firefox",
        "FxiOS/": "Firefox",
        "CriOS/": "Chrome",
        "Chrome/": "Chrome",
        "Safari/": "Safari",
    }
)
"""What stands in the header and the name; nearly all pose as those further down, so the first one counts."""
SYSTEMS: Mapping[str, str] = MappingProxyType(
    {
        "iPhone": "iPhone",
        "iPad": "iPad",
        "Android": "Android",
        "Windows": "Windows",
        "CrOS": "ChromeOS",
        "Macintosh": "Mac",
        "Linux": "Linux",
    }
)
"""The same for what it runs on."""


def known_as(agent: str) -> str:
    """Browser and system, as far as they can be told; a text that is no browser's stays what it is."""
    if not agent.startswith("Mozilla/"):
        return agent
    found = [next((name for mark, name in table.items() if mark in agent), "") for table in (BROWSERS, SYSTEMS)]
    return " · ".join(filter(None, found)) or agent
