"""Is this token alive, and what does it allow (RFC 7662), and giving one back (RFC 7009)."""

import hmac
from dataclasses import dataclass

from calling_card.ports import Ports
from calling_card.protocol import tokens
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import JSON, Card, Client, Route, State, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.resources import canonical
from calling_card.usecases.clients import Presented, authenticate, refused

_INACTIVE: Card = {"active": False}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a token, or its return."""

    presented: Presented
    token: str


async def introspect(ports: Ports, asked: Asked) -> Card:
    """What a living token says, to a resource server it is for or to its own client; else only that it is not active.

    Raises `Refusal` when the caller is not authenticated or no token was sent (RFC 7662 §2.3).
    """
    if asked.presented.method == "none":
        raise refused(ports, asked.presented)
    caller = (await authenticate(ports, asked.presented)).client
    if not asked.token:
        raise Refusal(No.INVALID_REQUEST, "token: is missing (RFC 7662 section 2.1)")
    token = await read(ports, asked.token)
    client = await _living(ports, token) if token else None
    if token is None or client is None or not await _entitled(ports, caller, token):
        return _INACTIVE
    scope = _scope_now(token, client)
    if scope is None:
        return _INACTIVE
    audience: JSON = token.audience[0] if len(token.audience) == 1 else list(token.audience)
    return {
        "active": True,
        "scope": scope,
        "client_id": token.client_id,
        "sub": token.subject,
        "aud": audience,
        "iss": ports.settings.issuer,
        "exp": token.expires_at,
        "iat": token.issued_at,
        "jti": tokens.jti_text(token.jti),
        "token_type": "Bearer",
    }


async def revoke(ports: Ports, asked: Asked) -> None:
    """The token is dead when this returns; one that is unknown or dead already is no error (RFC 7009 §2.2).

    Raises `Refusal`: ``invalid_client``, or ``invalid_grant`` for another client's token (C-36).
    """
    caller = (await authenticate(ports, asked.presented)).client
    if not asked.token:
        raise Refusal(No.INVALID_REQUEST, "token: is missing (RFC 7009 section 2.1)")
    token = await read(ports, asked.token)
    if token is None or token.expires_at <= ports.now():
        return
    if token.client_id != caller.client_id:
        if ports.settings.revocation_foreign == "refuse":
            raise Refusal(No.INVALID_GRANT, "token: was issued to another client (RFC 7009 section 2.1)")
        return
    if await _living(ports, token) is None:
        return
    event = Event("token_revoked", ports.now(), caller.key, "client", asked.presented.request_id, {"tokens": 1})
    await ports.store.revoke(caller, token.jti, token.expires_at, event)


async def read(ports: Ports, text: str) -> tokens.AccessToken | None:
    """The claims of an access token of ours, sealed or signed; None for anything else (A-72)."""
    sealed = tokens.unwrap(text)
    if sealed is not None:
        plain = ports.keyring.open(sealed.key, tokens.SEAL, sealed.nonce, sealed.sealed)
        return None if plain is None else tokens.from_bytes(plain)
    if text.count(".") != 2:
        return None
    ports.signer.know(await ports.store.signing_keys())
    claims = ports.signer.verify(text, tokens.TYP)
    return None if claims is None else tokens.from_claims(claims, ports.settings.issuer)


async def _living(ports: Ports, token: tokens.AccessToken) -> Client | None:
    """The client, if every row the token names exists, is active and has the token's epoch (CREDENTIALS §3)."""
    if token.expires_at <= ports.now():
        return None
    client, marked = await ports.store.living(client_key(Route(token.route), token.client_id), token.jti)
    if client is None or marked or client.state is not State.ACTIVE or client.epoch != token.epoch:
        return None
    if client.client_id != token.client_id or not hmac.compare_digest(client.incarnation, token.incarnation):
        return None
    return client


def _scope_now(token: tokens.AccessToken, client: Client) -> str | None:
    """The sealed scope as far as the client is still registered for it; None: for nothing of it, or not for this grant any more."""
    card = card_of(client)
    granted, registered = card.get("grant_types"), str(card.get("scope", "")).split()
    if not isinstance(granted, list) or "client_credentials" not in granted:
        return None
    return " ".join(word for word in token.scope.split() if word in registered) or None


async def _entitled(ports: Ports, caller: Client, token: tokens.AccessToken) -> bool:
    """Whether the caller may know: the token's own client, or a resource server the token is for (H-20)."""
    if caller.client_id == token.client_id:
        return True
    for uri in token.audience:
        resource = await ports.store.resource(canonical(uri))
        if resource is not None and resource.client_id == caller.client_id:
            return True
    return False
