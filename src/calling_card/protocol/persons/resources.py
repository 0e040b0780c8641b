"""Resource indicators: which URI may be the audience of a token (RFC 8707 §2, H-05)."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from calling_card.protocol.abroad.addresses import Address, AddressError, is_loopback_host, split_url
from calling_card.protocol.abroad.addresses import is_own as leads_here
from calling_card.protocol.errors import No, Refusal

_PORTS = {"https": "443", "http": "80"}
MOST, LONGEST = 10, 4096
"""How many resources one request may name, and how many characters they may have together: they stand in every token."""


class Resource(msgspec.Struct, frozen=True):
    """A resource server: what its tokens look like and which client asks about them (RFC 8707 §2, RFC 7662 §2.1)."""

    uri: str
    """Canonical: scheme and host in lower case, no slash for an empty path."""
    client_key: bytes
    client_id: str
    tokens: str
    """``opaque`` or ``jwt``."""
    scope: str
    created_at: int


class Target(msgspec.Struct, frozen=True):
    """For whom a token is, and in which form."""

    audience: tuple[str, ...]
    form: str
    """``opaque`` or ``jwt``."""
    scope: str


class Place(msgspec.Struct, frozen=True):
    """This server, as far as tokens for it are concerned."""

    issuer: str
    userinfo: str


def canonical(uri: str) -> str:
    """Scheme and host in lower case, no slash for an empty path: what two spellings of one resource share."""
    return _canonical(uri)  # a function of its own, so that a walk shows who asks, be the answer remembered or not (tests/walks)


@lru_cache(maxsize=64)
def _canonical(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    host = rest.partition("/")[0].partition("?")[0]
    path = rest[len(host) :]
    return f"{scheme.lower()}://{host.lower()}{'' if path == '/' else path}"


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


def scopes_of(configured: Iterable[Resource]) -> list[str]:
    """Every scope that these resource servers know."""
    return list(dict.fromkeys([word for resource in configured for word in resource.scope.split()]))


def acceptable(asked: Sequence[str], configured: Sequence[Resource], place: Place, *, person: bool) -> dict[str, str]:
    """What was asked for, canonical form to spelling. Raises `Refusal` (``invalid_target``).

    ``person``: whether a person stands behind it; only then may our own userinfo be the resource (CREDENTIALS §3).
    """
    if not asked:
        return {}
    if len(asked) > MOST or sum(map(len, asked)) > LONGEST:
        raise Refusal(No.INVALID_TARGET, f"resource: at most {MOST} with {LONGEST} characters together (RFC 8707 section 2)")
    wanted = {check(uri, place.issuer): uri for uri in asked}
    known = {resource.uri for resource in configured}
    own = canonical(place.userinfo)
    for uri, said in wanted.items():
        if person and uri == own:
            continue
        if is_own(uri, place.issuer):
            raise Refusal(No.INVALID_TARGET, "resource: this server itself is not a resource (RFC 8707 section 2)")
        if configured and uri not in known:
            raise Refusal(No.INVALID_TARGET, f"resource: {said[:80]} is not known here (RFC 8707 section 2)")
    return wanted


def target(wanted: dict[str, str], scope: str, configured: Sequence[Resource], place: Place, *, person: bool) -> Target:
    """The audience, the form its resource server chose, and the scope it can use (H-05, H-26, A-100).

    Raises `Refusal` (``invalid_scope``) when the resource knows none of the scopes.
    """
    if not wanted:
        return _by_scope(scope, configured, place, person=person)
    own = canonical(place.userinfo)
    if not configured:
        return Target(tuple(wanted.values()), "opaque" if list(wanted) == [own] else "jwt", scope)
    chosen = [resource for resource in configured if resource.uri in wanted]
    usable = [*scopes_of(chosen), *(OWN if own in wanted else ())]
    kept = [word for word in scope.split() if word in usable or not usable]
    if usable and not kept:
        raise Refusal(No.INVALID_SCOPE, "scope: the resource knows none of the scopes of this client (RFC 8707 section 2.2)")
    return Target(tuple(place.userinfo if uri == own else uri for uri in wanted), _form(chosen), " ".join(kept))


class Extent(msgspec.Struct, frozen=True):
    """What was allowed, or what of it is asked for."""

    scope: str
    resources: Sequence[str]


def part(allowed: Extent, asked: Extent, configured: Sequence[Resource], place: Place) -> Target:
    """What of a person's grant an exchange asks for, and never more (RFC 6749 §6, RFC 8707 §2.2, A-54, A-100).

    Raises `Refusal`: ``invalid_scope``, ``invalid_target``.
    """
    granted, said = allowed.scope.split(), asked.scope.split()
    kept = [word for word in granted if word in said] if said else granted
    if not kept:
        raise Refusal(No.INVALID_SCOPE, f"scope: the person allowed {allowed.scope} (RFC 6749 section 6)")
    left = " ".join(kept)
    given = acceptable(allowed.resources, configured, place, person=True)
    wanted = acceptable(asked.resources, configured, place, person=True)
    if not wanted:
        return target(given, left, configured, place, person=True)
    reach = given or {canonical(uri): uri for uri in target({}, left, configured, place, person=True).audience}
    for uri, spelled in wanted.items():
        if uri not in reach:
            raise Refusal(No.INVALID_TARGET, f"resource: {spelled[:80]} is not what the person allowed (RFC 8707 section 2.2)")
    return target(wanted, left, configured, place, person=True)


def _by_scope(scope: str, configured: Sequence[Resource], place: Place, *, person: bool) -> Target:
    """Nothing was asked: the resource servers that know a granted scope, and ourselves for a person's claims (RFC 9068 §3)."""
    words = set(scope.split())
    fitting = [resource for resource in configured if not words.isdisjoint(resource.scope.split())]
    if not fitting:
        return Target((place.userinfo,), "opaque", scope)
    audience = tuple(resource.uri for resource in fitting)
    return Target((*audience, place.userinfo) if person and "openid" in words else audience, _form(fitting), scope)


OWN = ("openid", "profile", "email", "phone", "address", "offline_access")
"""Scopes that mean something at our own userinfo."""


def _form(chosen: Sequence[Resource]) -> str:
    return "jwt" if chosen and all(resource.tokens == "jwt" for resource in chosen) else "opaque"
