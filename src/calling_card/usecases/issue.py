"""A client asks for an access token in its own name (RFC 6749 §4.4, RFC 8707 §2.2, RFC 9068)."""

from collections.abc import Sequence
from dataclasses import dataclass

from calling_card.ports import Ports
from calling_card.protocol import resources, tokens
from calling_card.protocol.clients import Route
from calling_card.protocol.errors import No, Refusal
from calling_card.usecases.clients import Known, Presented, authenticate

SERVED = ("client_credentials",)
"""Grant types that give tokens now."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A token request."""

    presented: Presented
    grant_type: str
    scope: str
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Issued:
    """An access token as the answer tells of it (RFC 6749 §5.1)."""

    access_token: str
    expires_in: int
    scope: str


@dataclass(frozen=True, slots=True)
class Target:
    """For whom a token is, and in which form."""

    audience: tuple[str, ...]
    form: str
    """``opaque`` or ``jwt``."""
    scope: str


async def issue(ports: Ports, asked: Asked) -> Issued:
    """A token for the client itself; no refresh token, ``sub`` is the client_id (A-55).

    Raises `Refusal`: ``invalid_client`` first, then grant, target and scope.
    """
    if not asked.grant_type:
        raise Refusal(No.INVALID_REQUEST, "grant_type: is missing (RFC 6749 section 4.4.2)")
    known = await authenticate(ports, asked.presented)
    if asked.grant_type not in SERVED:
        raise Refusal(No.UNSUPPORTED_GRANT_TYPE, f"grant_type: this server serves {', '.join(SERVED)} (RFC 6749 section 5.2)")
    granted = known.card.get("grant_types")
    if not isinstance(granted, list) or asked.grant_type not in granted or asked.presented.method == "none":
        raise Refusal(No.UNAUTHORIZED_CLIENT, f"grant_type: the client is not registered for {asked.grant_type} (RFC 6749 section 5.2)")
    target = await _target(ports, asked, _scope(known, asked.scope))
    now = ports.now()
    lifetime = ports.settings.jwt_lifetime if target.form == "jwt" else ports.settings.opaque_token_lifetime
    token = tokens.AccessToken(
        jti=ports.entropy(16),
        client_id=known.client.client_id,
        route=Route.REGISTERED.value,
        incarnation=known.client.incarnation,
        epoch=known.client.epoch,
        subject=known.client.client_id,
        scope=target.scope,
        audience=target.audience,
        issued_at=now,
        expires_at=now + lifetime,
    )
    ports.store.used(known.client, now // 86400)
    return Issued(await _text(ports, token, target.form), lifetime, target.scope)


def _scope(known: Known, asked: str) -> str:
    """What of the registered scope was asked for; unknown words are dropped while one remains (A-17, H-03, H-16)."""
    registered = str(known.card.get("scope", "")).split()
    kept = [word for word in dict.fromkeys(asked.split()) if word in registered] if asked.split() else registered
    if not kept:
        raise Refusal(No.INVALID_SCOPE, f"scope: the client is registered for: {' '.join(registered) or 'none'} (RFC 6749 section 3.3)")
    return " ".join(kept)


async def _target(ports: Ports, asked: Asked, scope: str) -> Target:
    """The audience, the form its resource server chose, and the scope it can use (H-05, H-26, A-100)."""
    configured = await ports.store.resources()
    if not asked.resources:
        return _by_scope(ports, configured, scope)
    wanted = {_acceptable(ports, uri): uri for uri in asked.resources}
    if not configured:
        return Target(tuple(wanted.values()), "jwt", scope)
    found = {resource.uri: resource for resource in configured}
    for uri, said in wanted.items():
        if uri not in found:
            raise Refusal(No.INVALID_TARGET, f"resource: {said[:80]} is not known here (RFC 8707 section 2)")
    return _for(scope, [found[uri] for uri in wanted])


def _acceptable(ports: Ports, uri: str) -> str:
    checked = resources.check(uri, ports.settings.issuer)
    if resources.is_own(checked, ports.settings.issuer):
        raise Refusal(No.INVALID_TARGET, "resource: this server itself is not a resource (RFC 8707 section 2)")
    return checked


def _by_scope(ports: Ports, configured: Sequence[Resource], scope: str) -> Target:
    """Nothing was asked: the resource servers that know a granted scope, or only ourselves (RFC 9068 §3)."""
    words = set(scope.split())
    fitting = [resource for resource in configured if words & set(resource.scope.split())]
    if not fitting:
        return Target((ports.settings.endpoint("/userinfo"),), "opaque", scope)
    return Target(tuple(resource.uri for resource in fitting), _form(fitting), scope)


def _for(scope: str, chosen: Sequence[Resource]) -> Target:
    usable = {word for resource in chosen for word in resource.scope.split()}
    kept = [word for word in scope.split() if word in usable] if usable else scope.split()
    if not kept:
        raise Refusal(No.INVALID_SCOPE, "scope: the resource knows none of the scopes of this client (RFC 8707 section 2.2)")
    return Target(tuple(resource.uri for resource in chosen), _form(chosen), " ".join(kept))


def _form(chosen: Sequence[Resource]) -> str:
    return "jwt" if all(resource.tokens == "jwt" for resource in chosen) else "opaque"


async def _text(ports: Ports, token: tokens.AccessToken, form: str) -> str:
    if form == "jwt":
        ports.signer.know(await ports.store.signing_keys())
        return ports.signer.sign(tokens.to_claims(token, ports.settings.issuer), tokens.TYP)
    nonce = ports.entropy(12)
    minting = ports.keyring.minting
    return tokens.wrap(minting, nonce, ports.keyring.seal(tokens.SEAL, tokens.to_bytes(token), nonce))
