"""Resource indicators: which URI may be the audience of a token (RFC 8707 §2, H-05)."""

import re
from urllib.parse import urlsplit

from calling_card.protocol.errors import No, Refusal

_GRAMMAR = re.compile(r"(?i:https?)://[A-Za-z0-9.\-\[\]:]+(?:/[A-Za-z0-9\-._~!$&'()*+,;=:@/%]*)?(?:\?[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*)?")
_LONGEST = 2048
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def canonical(uri: str) -> str:
    """Scheme and host in lower case, no slash for an empty path: what two spellings of one resource share."""
    scheme, _, rest = uri.partition("://")
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    path = rest[end:]
    return f"{scheme.lower()}://{rest[:end].lower()}{'' if path == '/' else path}"


def check(uri: str, issuer: str) -> str:
    """The canonical form of an acceptable resource. Raises `Refusal` (``invalid_target``) saying what is wrong."""
    if len(uri) > _LONGEST or not _GRAMMAR.fullmatch(uri):
        raise Refusal(No.INVALID_TARGET, "resource: must be an absolute https URI without user and fragment (RFC 8707 section 2)")
    parts = urlsplit(canonical(uri))
    ours = urlsplit(issuer)
    on_loopback = parts.hostname in _LOOPBACK and ours.hostname in _LOOPBACK
    if parts.scheme == "http" and not on_loopback:
        raise Refusal(No.INVALID_TARGET, "resource: must be https (RFC 8707 section 2)")
    return canonical(uri)


def is_own(uri: str, issuer: str) -> bool:
    """Whether a canonical URI lies on our own origin, which is no resource for clients (CREDENTIALS §3)."""
    parts, ours = urlsplit(uri), urlsplit(canonical(issuer))
    return (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc)
