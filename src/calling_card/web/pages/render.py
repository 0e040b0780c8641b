"""A view as the bytes and headers of an answer; whoever never shows a page never loads the template library."""

import re
from collections.abc import Sequence

from calling_card.protocol.abroad.addresses import FORBIDDEN_SCHEMES, AddressError, split_url
from calling_card.web.pages.messages import LANGUAGES, spoken, texts
from calling_card.web.pages.views import Account, Consent, Posted, SignIn, View

__all__ = ["LANGUAGES", "headers", "render"]

_CSP = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "
_ALWAYS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"publickey-credentials-create=(self), publickey-credentials-get=(self)"),
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9.+-]*")
_PLACE = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")
"""Hosts and ports that a policy can name; it has no spelling for IPv6 addresses (CSP Level 3 §2.3.1)."""


def render(view: View, languages: Sequence[str], issuer: str = "") -> bytes:
    """The page in the language that suits a reader of these best; ``issuer``, with its path, says whose page it is."""
    from calling_card.web.pages.press import press

    language = spoken(languages)
    return press(view, language, texts(language), issuer).encode("utf-8", "replace")


def headers(view: View, goes_to: str = "") -> tuple[tuple[bytes, bytes], ...]:
    """The headers of a page; ``goes_to`` is the redirect URI, for browsers judge the redirects after a form like the form (X-54)."""
    return (*_ALWAYS, (b"content-security-policy", _policy(view, goes_to).encode()))


def _policy(view: View, goes_to: str) -> str:
    policy = _CSP + _form_targets(view, goes_to)
    return policy + "; script-src 'self'" if _has_script(view) else policy


def _form_targets(view: View, goes_to: str) -> str:
    match view:
        case SignIn() | Consent():
            return f"'self' {_onward(goes_to)}".rstrip()
        case Account():
            return "'self'"
        case Posted(action=action):
            return _onward(goes_to or action) or "'none'"
        case _:
            return "'none'"


def _has_script(view: View) -> bool:
    return isinstance(view, Posted) or (isinstance(view, SignIn | Account) and view.passkey_options != "")


def _onward(url: str) -> str:
    """Where an answer and what comes behind it may go: the callbacks of many clients redirect again, to another https host."""
    source = _source(url)
    return source if not source else "https:" if source.startswith("https:") else f"{source} https:"


def _source(url: str) -> str:
    """What a policy calls the place of an address: its origin, or its scheme alone; empty: a place that no form may go to."""
    try:
        found = split_url(url, 65536)
    except AddressError:
        return ""
    if found.scheme in FORBIDDEN_SCHEMES or not _SCHEME.fullmatch(found.scheme):
        return ""
    if found.scheme in ("http", "https") and found.authority and _PLACE.fullmatch(found.authority):
        return f"{found.scheme}://{found.authority}"
    return f"{found.scheme}:"
