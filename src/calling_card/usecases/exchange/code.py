"""A code becomes tokens, once (RFC 6749 §4.1.3, RFC 7636 §4.5, CREDENTIALS §9.2)."""

import hmac

from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.abroad.addresses import redirect_matches
from calling_card.protocol.clients import State, words
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles.credentials import AUTHORIZATION_CODE, Handle, read
from calling_card.protocol.handles.rotation import Clock, first
from calling_card.protocol.life.approval import WAITS
from calling_card.protocol.persons.authorization import proves
from calling_card.protocol.persons.grants import Grant, Stage, ended, of_client, stands, told
from calling_card.protocol.persons.people import Standing
from calling_card.protocol.persons.resources import Extent, part
from calling_card.usecases.clients import ATTEMPTS, Known, admits
from calling_card.usecases.exchange.asked import Asked
from calling_card.usecases.tokens import Issued, give


async def by_code(ports: Ports, known: Known, asked: Asked) -> Issued:
    """The first exchange of a code; the same client's second one ends what the first one gave (A-46 to A-49, H-15, H-19).

    Raises `Refusal`: ``invalid_request`` without a code, ``invalid_grant``, ``invalid_target``, ``invalid_scope``; none of them
    spends the code.
    """
    if not asked.code:
        raise Refusal(No.INVALID_REQUEST, "code: is missing (RFC 6749 section 4.1.3)")
    handle = read(ports.keyring, ports.settings.issuer, AUTHORIZATION_CODE, asked.code)
    if handle is None or not hmac.compare_digest(handle.owner[:16], known.client.key):
        raise _bad()
    for _ in range(ATTEMPTS):
        grant, person = await _proven(ports, known, asked, handle)
        if grant.stage is not Stage.PENDING:
            if grant.stage is Stage.REVOKED or await ports.store.change_grant(
                grant, ended(grant), told(grant, "code_replayed", ports.now(), asked.presented.request_id)
            ):
                raise _bad()
            continue
        now = ports.now()
        if now >= grant.code_deadline or not stands(grant, person):
            raise _bad()
        allowed = Extent(grant.scope, grant.resource.split())
        chosen = part(allowed, Extent(asked.scope, asked.resources), await ports.store.resources(), ports.place)
        after = structs.replace(grant, stage=Stage.LIVE, refresh=first(Clock(now, ports.keyring.minting)), last_used_at=now)
        made = await give(ports, known, after, chosen, grant.nonce)  # before the code is spent: making them can fail
        if await ports.store.change_grant(grant, after, told(grant, "grant_redeemed", ports.now(), asked.presented.request_id)):
            return made
    raise _bad()


async def _proven(ports: Ports, known: Known, asked: Asked, handle: Handle) -> tuple[Grant, Standing]:
    """The grant of a code, shown by the client that it was made for, with the verifier and redirect URI of its request."""
    found = await ports.store.grant(known.client.key, handle.owner[16:])
    if found is None:
        raise _bad()
    grant = found[0]
    if not of_client(grant, known.client) or handle.key != grant.code_key or handle.generation != 1:
        raise _bad()
    if asked.redirect_uri != grant.redirect_uri and (grant.redirect_uri or asked.redirect_uri not in _only(known)):
        raise Refusal(No.INVALID_GRANT, "redirect_uri: is not the one of the authorization request (RFC 6749 section 4.1.3)")
    if grant.redirect_uri and not any(redirect_matches(one, grant.redirect_uri) for one in words(known.card.get("redirect_uris"))):
        raise Refusal(No.INVALID_GRANT, "redirect_uri: is not registered any more; start the authorization again (RFC 6749 section 5.2)")
    if known.client.state is State.HELD and not await admits(ports, known.client, grant.person):
        raise Refusal(No.UNAUTHORIZED_CLIENT, WAITS)
    if not proves(asked.code_verifier, grant.code_challenge):
        raise Refusal(No.INVALID_GRANT, "code_verifier: does not prove the code_challenge (RFC 7636 section 4.6)")
    return found


def _only(known: Known) -> list[str]:
    """What a client may send that left the redirect URI out before: the only one it has."""
    uris = words(known.card.get("redirect_uris"))
    return uris if len(uris) == 1 else []


def _bad() -> Refusal:
    return Refusal(No.INVALID_GRANT, "code: is not valid (any more) for this client; start the authorization again (RFC 6749 section 5.2)")
