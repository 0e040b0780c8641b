"""What a grant gives at each exchange: the part that was asked for, and never more (RFC 6749 §6, RFC 8707 §2.2, OIDC Core §3.1.3.3)."""

from calling_card.ports import Ports
from calling_card.protocol import idtokens
from calling_card.protocol.credentials import REFRESH_TOKEN, Handle, write
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.grants import Grant
from calling_card.protocol.people import text
from calling_card.protocol.resources import Target, acceptable, canonical, target
from calling_card.usecases.clients import Known
from calling_card.usecases.exchange.asked import Asked
from calling_card.usecases.tokens import Issued, mint, place, signer, with_tokens


async def part(ports: Ports, grant: Grant, asked: Asked) -> Target:
    """What of the grant this exchange asks for. Raises `Refusal`: ``invalid_scope``, ``invalid_target`` (A-54, A-100)."""
    granted = grant.scope.split()
    kept = [word for word in granted if word in asked.scope.split()] if asked.scope.split() else granted
    if not kept:
        raise Refusal(No.INVALID_SCOPE, f"scope: the person allowed {grant.scope} (RFC 6749 section 6)")
    scope = " ".join(kept)
    configured = await ports.store.resources()
    here = place(ports)
    allowed = acceptable(grant.resource.split(), configured, here, person=True)
    wanted = acceptable(asked.resources, configured, here, person=True)
    reach = allowed or {canonical(uri): uri for uri in target({}, scope, configured, here, person=True).audience}
    for uri, said in wanted.items():
        if uri not in reach:
            raise Refusal(No.INVALID_TARGET, f"resource: {said[:80]} is not what the person allowed (RFC 8707 section 2.2)")
    return target(wanted or allowed, scope, configured, here, person=True)


async def tokens(ports: Ports, known: Known, grant: Grant, chosen: Target, nonce: str) -> Issued:
    """Access token, and refresh and ID token where they are due; ``nonce`` is empty but for the first exchange."""
    issued = await mint(ports, known.client, chosen, grant)
    return with_tokens(issued, _refresh(ports, known, grant), await _identity(ports, known, grant, issued, nonce))


def _refresh(ports: Ports, known: Known, grant: Grant) -> str:
    """The newest refresh token of the grant, if the client registered that grant type (H-04)."""
    granted = known.card.get("grant_types")
    if "refresh_token" not in ports.ground.grant_types or not isinstance(granted, list) or "refresh_token" not in granted:
        return ""
    row = grant.refresh
    return write(ports.keyring, ports.settings.issuer, Handle(REFRESH_TOKEN, row.issued_key, grant.client_key + grant.id, row.issued))


async def _identity(ports: Ports, known: Known, grant: Grant, issued: Issued, nonce: str) -> str:
    """An ID token when the person allowed ``openid``, signed as the client registered."""
    if "openid" not in grant.scope.split():
        return ""
    signed = idtokens.Signed(text(grant.person), known.client.client_id, grant.auth_time, grant.amr, nonce)
    claims = idtokens.claims(signed, ports.settings.issuer, ports.now(), ports.settings.id_token_lifetime, issued.access_token)
    alg = known.card.get("id_token_signed_response_alg")
    return (await signer(ports)).sign(claims, idtokens.TYP, alg if isinstance(alg, str) else idtokens.DEFAULT_ALG)
