"""The files that pages load from us: style, scripts, mark."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

PATH = "/assets/"
"""Where they are, behind the path of the issuer."""
_TYPES = {
    "style.css": "text/css; charset=utf-8",
    "passkey.js": "text/javascript; charset=utf-8",
    "submit.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file and how it is answered."""

    content: bytes
    content_type: str
    etag: str
    """Strong, with its quotation marks (RFC 9110 §8.8.3)."""

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Anybody may keep it for an hour; opened by itself it can do nothing."""
        return (
            (b"content-type", self.content_type.encode()),
            (b"etag", self.etag.encode()),
            (b"cache-control", b"public, max-age=3600"),
            (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
            (b"cross-origin-resource-policy", b"same-origin"),
        )


def find(name: str) -> Asset | None:
    """The file of this name; only those in the table are ever looked for."""
    return _read(name) if name in _TYPES else None


@cache
def _read(name: str) -> Asset:
    content = resources.files("calling_card.web.pages").joinpath("assets", name).read_bytes()
    return Asset(content, _TYPES[name], f'"{hashlib.sha256(content).hexdigest()[:32]}"')
