"""Resource indicators: which URI may be the audience of a token (RFC 8707 §2, H-05)."""

from calling_card.protocol.addresses import Address, AddressError, is_loopback_host, split_url
from calling_card.protocol.addresses import is_own as leads_here
from calling_card.protocol.errors import No, Refusal

_PORTS = {"https": "443", "http": "80"}


def canonical(uri: str) -> str:
    """Scheme and host in lower case, no slash for an empty path: what two spellings of one resource share."""
    scheme, _, rest = uri.partition("://")
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    path = rest[end:]
    return f"{scheme.lower()}://{rest[:end].lower()}{'' if path == '/' else path}"


def check(uri: str, issuer: str) -> str:
    """The canonical form of an acceptable resource. Raises `Refusal` (``invalid_target``) saying what is wrong."""
    problem = _problem(uri, issuer)
    if problem:
        raise Refusal(No.INVALID_TARGET, f"resource: {problem} (RFC 8707 section 2)")
    return canonical(uri)


def _problem(uri: str, issuer: str) -> str:
    try:
        url = split_url(uri)
    except AddressError as error:
        return str(error)
    if url.scheme not in _PORTS or not url.host or url.port == "*":
        return "must be an absolute https URI with a host"
    if url.fragment is not None:
        return "must not have a fragment"
    if url.scheme == "http" and not (is_loopback_host(url.host) and is_loopback_host(split_url(issuer).host)):
        return "must be https"
    return ""


def is_own(uri: str, issuer: str) -> bool:
    """Whether an acceptable URI lies on our own origin, however it is spelled; that is no resource for clients (CREDENTIALS §3)."""
    url = split_url(uri)
    return leads_here(url, issuer) and _port(url) == _port(split_url(issuer))


def _port(url: Address) -> str:
    return url.port or _PORTS[url.scheme]
