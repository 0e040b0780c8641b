"""A refresh token becomes an access token and its own successor (RFC 6749 §6, RFC 9700 §4.14.2, CREDENTIALS §9.2)."""

import hmac

from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.clients import State, Tier
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles.credentials import REFRESH_TOKEN, Handle, read, speaks_for
from calling_card.protocol.handles.rotation import Clock, present_refresh
from calling_card.protocol.life.approval import WAITS
from calling_card.protocol.persons.grants import Grant, Stage, ended, of_client, stands, told
from calling_card.protocol.persons.resources import Extent, part
from calling_card.usecases.clients import ATTEMPTS, Known, admits, recheck
from calling_card.usecases.exchange.asked import Asked
from calling_card.usecases.tokens import Issued, give


async def by_refresh(ports: Ports, known: Known, asked: Asked) -> Issued:
    """New tokens under a grant that lives; a refresh token that was replaced before ends the grant (A-52 to A-54, H-19).

    Raises `Refusal`: ``invalid_request`` without a token, ``invalid_grant``, ``invalid_target``, ``invalid_scope``.
    """
    if not asked.refresh_token:
        raise Refusal(No.INVALID_REQUEST, "refresh_token: is missing (RFC 6749 section 6)")
    handle = read(ports.keyring, ports.settings.issuer, REFRESH_TOKEN, asked.refresh_token)
    if handle is None or not hmac.compare_digest(handle.owner[:16], known.client.key):
        raise _bad()
    if known.client.tier is Tier.URL:
        known = await recheck(ports, known, asked.presented.source)
    for _ in range(ATTEMPTS):
        grant = await _living(ports, known, handle)
        allowed = Extent(grant.scope, grant.resource.split())
        chosen = part(allowed, Extent(asked.scope, asked.resources), await ports.store.resources(), ports.place)
        clock = Clock(ports.now(), ports.keyring.minting)
        step = present_refresh(handle.generation, grant.refresh, clock, bound=asked.presented.method != "none")
        if not step.accepted:
            if await _refused(ports, asked, grant, step.event):
                raise _bad()
            continue
        if step.after == grant.refresh:
            return await give(ports, known, grant, chosen, "")
        after = structs.replace(grant, refresh=step.after, last_used_at=clock.now)
        made = await give(ports, known, after, chosen, "")  # before the token is replaced: making them can fail
        if await ports.store.change_grant(
            grant, after, told(grant, step.event or "grant_refreshed", ports.now(), asked.presented.request_id)
        ):
            return made
    raise Refusal(No.UNAVAILABLE, "the grant is being changed by others; try again", retry_after=1)


async def _refused(ports: Ports, asked: Asked, grant: Grant, why: str) -> bool:
    """Note what was tried; reuse ends the grant. False: somebody changed the grant, look again."""
    await ports.store.report(told(grant, why, ports.now(), asked.presented.request_id))
    return why != "refresh_reuse" or await ports.store.change_grant(
        grant, ended(grant), told(grant, "grant_ended", ports.now(), asked.presented.request_id)
    )


async def _living(ports: Ports, known: Known, handle: Handle) -> Grant:
    """The grant of a refresh token, if it, its person and its time are still there."""
    found = await ports.store.grant(known.client.key, handle.owner[16:])
    if found is None:
        raise _bad()
    grant, person = found
    if grant.stage is not Stage.LIVE or not of_client(grant, known.client) or not speaks_for(handle, grant.refresh):
        raise _bad()
    if not stands(grant, person):
        raise _bad()
    if known.client.state is State.HELD and not await admits(ports, known.client, grant.person):
        raise Refusal(No.UNAUTHORIZED_CLIENT, WAITS)
    now, settings = ports.now(), ports.settings
    if 0 < ports.refresh_lifetime(known.client.tier) <= now - grant.created_at or 0 < settings.refresh_idle <= now - grant.last_used_at:
        raise _bad()
    return grant


def _bad() -> Refusal:
    return Refusal(No.INVALID_GRANT, "refresh_token: is not valid (any more) for this client; ask the person again (RFC 6749 section 5.2)")
