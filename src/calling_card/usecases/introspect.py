"""Is this token alive, and what does it allow (RFC 7662), and giving one back (RFC 7009)."""

import msgspec

from calling_card.ports import Ports
from calling_card.protocol import base64url
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import JSON, Card, Client, holds
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles import tokens
from calling_card.protocol.handles.credentials import REFRESH_TOKEN, Handle, speaks_for
from calling_card.protocol.handles.credentials import read as read_handle
from calling_card.protocol.persons.grants import Grant, Stage, ended, of_client, told
from calling_card.protocol.persons.people import Standing
from calling_card.protocol.persons.resources import canonical
from calling_card.usecases.authenticate import Presented, authenticate, refused
from calling_card.usecases.clients import ATTEMPTS
from calling_card.usecases.tokens import Living, living, read


class Asked(msgspec.Struct, frozen=True):
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
    found = await living(ports, token) if token else None
    if token is None or found is None or not await _entitled(ports, caller, token):
        return {"active": False}
    scope = _scope_now(found)
    if scope is None:
        return {"active": False}
    audience: JSON = token.audience[0] if len(token.audience) == 1 else list(token.audience)
    return {
        "active": True,
        **({"scope": scope} if scope else {}),
        "client_id": token.client_id,
        "sub": token.subject,
        "aud": audience,
        "iss": ports.settings.issuer,
        "exp": token.expires_at,
        "iat": token.issued_at,
        "jti": base64url.encode(token.jti),
        "token_type": "Bearer",
    }


async def revoke(ports: Ports, asked: Asked) -> None:
    """The token is dead when this returns; one that is unknown or dead already is no error (RFC 7009 §2.2).

    A refresh token takes its grant with it, and so every access token of it (A-71).
    Raises `Refusal`: ``invalid_client``, or ``invalid_grant`` for another client's token (C-36).
    """
    caller = (await authenticate(ports, asked.presented)).client
    if not asked.token:
        raise Refusal(No.INVALID_REQUEST, "token: is missing (RFC 7009 section 2.1)")
    handle = read_handle(ports.keyring, ports.settings.issuer, REFRESH_TOKEN, asked.token)
    if handle is not None:
        await _end(ports, asked, caller, handle)
        return
    token = await read(ports, asked.token)
    found = await living(ports, token) if token else None
    if token is None or found is None:
        return
    if found.client.key != caller.key:
        _foreign(ports)
        return
    event = Event("token_revoked", ports.now(), caller.key, "client", asked.presented.request_id, {"tokens": 1})
    await ports.store.revoke(caller, token.jti, token.expires_at, event, token.grant)


async def _end(ports: Ports, asked: Asked, caller: Client, handle: Handle) -> None:
    """The end of the grant a refresh token speaks for; a token that was replaced ends nothing any more."""
    for _ in range(ATTEMPTS):
        found = await ports.store.grant(handle.owner[:16], handle.owner[16:])
        if found is None or not _speaks(handle, *found):
            return
        grant = found[0]
        if not of_client(grant, caller):
            _foreign(ports)
            return
        event = told(grant, "grant_ended", ports.now(), asked.presented.request_id, by="client")
        if await ports.store.change_grant(grant, ended(grant), event):
            return
    raise Refusal(No.UNAVAILABLE, "the grant is being changed by others; try again", retry_after=1)


def _speaks(handle: Handle, grant: Grant, person: Standing) -> bool:
    """Whether the refresh token is one of those that could still be used, and the grant has not ended."""
    row = grant.refresh
    current = handle.generation in (row.confirmed, row.issued) and speaks_for(handle, row)
    return current and grant.stage is Stage.LIVE and person.epoch == grant.person_epoch


def _foreign(ports: Ports) -> None:
    """Another client's token is refused, or by setting passed over in silence."""
    if ports.settings.revocation_foreign == "refuse":
        raise Refusal(No.INVALID_GRANT, "token: was issued to another client (RFC 7009 section 2.1)")


def _scope_now(found: Living) -> str | None:
    """The sealed scope as far as it is still allowed; None: nothing is left of it, or not for this grant any more."""
    if found.grant is not None:
        allowed = found.grant.scope.split()
    else:
        card = card_of(found.client)
        if not holds(card, "grant_types", "client_credentials"):
            return None
        allowed = str(card.get("scope", "")).split()
    left = [word for word in found.token.scope.split() if word in allowed]
    return None if found.token.scope and not left else " ".join(left)


async def _entitled(ports: Ports, caller: Client, token: tokens.AccessToken) -> bool:
    """Whether the caller may know: the token's own client, or a resource server the token is for (H-20)."""
    if (caller.route, caller.client_id) == (token.route, token.client_id):
        return True
    own = [resource.uri for resource in await ports.store.resources() if resource.client_id == caller.client_id]
    return not set(own).isdisjoint(map(canonical, token.audience))
