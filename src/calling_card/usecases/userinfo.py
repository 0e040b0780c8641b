"""Who is the person behind this token (OIDC Core §5.3)."""

from calling_card.ports import Ports
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import Card
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles.idtokens import TYP
from calling_card.protocol.persons.people import claims_for
from calling_card.protocol.persons.resources import canonical
from calling_card.usecases.tokens import living, read, signer


async def userinfo(ports: Ports, token: str | None) -> Card | str:
    """The claims that the token's scopes release, or a JWT of them for a client that registered for that (A-63).

    Raises `Refusal`: ``invalid_token``, ``insufficient_scope`` (A-64).
    """
    if token is None:
        raise Refusal(No.NO_ACCESS_TOKEN, "userinfo needs an access token (OIDC Core section 5.3.1)")
    claims = await read(ports, token)
    found = await living(ports, claims) if claims else None
    if found is None or found.grant is None:
        raise Refusal(No.INVALID_TOKEN, "the access token is not valid (any more) (RFC 6750 section 3.1)")
    here = canonical(ports.place.userinfo)
    if not ports.settings.userinfo_any_audience and here not in map(canonical, found.token.audience):
        raise Refusal(No.INVALID_TOKEN, "the access token is for another resource (RFC 6750 section 3.1)")
    scope = " ".join(word for word in found.token.scope.split() if word in found.grant.scope.split())
    if "openid" not in scope.split():
        raise Refusal(No.INSUFFICIENT_SCOPE, "userinfo needs the scope openid (OIDC Core section 5.3)")
    person = await ports.store.person(found.grant.person)
    if person is None:
        raise Refusal(No.INVALID_TOKEN, "the access token is not valid (any more) (RFC 6750 section 3.1)")
    released = claims_for(person, scope)
    alg = card_of(found.client).get("userinfo_signed_response_alg")
    if not isinstance(alg, str):
        return released
    return (await signer(ports)).sign({**released, "iss": ports.settings.issuer, "aud": found.client.client_id}, TYP, alg)
