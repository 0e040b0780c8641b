"""A client asks for tokens: who it is, which grant, then the exchange (RFC 6749 §3.2)."""

from collections.abc import Awaitable, Callable, Mapping

from calling_card.ports import Ports
from calling_card.protocol.clients import holds
from calling_card.protocol.errors import No, Refusal
from calling_card.usecases.authenticate import authenticate
from calling_card.usecases.clients import Known
from calling_card.usecases.exchange.asked import Asked
from calling_card.usecases.exchange.code import by_code
from calling_card.usecases.exchange.own import by_itself
from calling_card.usecases.exchange.refresh import by_refresh
from calling_card.usecases.tokens import Issued

EXCHANGES: Mapping[str, Callable[[Ports, Known, Asked], Awaitable[Issued]]] = {
    "authorization_code": by_code,
    "refresh_token": by_refresh,
    "client_credentials": by_itself,
}
"""By what each grant type is exchanged; the ground says which of them are served now."""


async def issue(ports: Ports, asked: Asked) -> Issued:
    """Tokens for what the client brings. Raises `Refusal`: ``invalid_client`` first, then grant type, then what the exchange says."""
    known = await authenticate(ports, asked.presented)
    if not asked.grant_type:
        raise Refusal(No.INVALID_REQUEST, "grant_type: is missing (RFC 6749 section 3.2)")
    served = ports.ground.grant_types
    if asked.grant_type not in served:
        raise Refusal(No.UNSUPPORTED_GRANT_TYPE, f"grant_type: this server serves {', '.join(served)} (RFC 6749 section 5.2)")
    if not holds(known.card, "grant_types", asked.grant_type):
        raise Refusal(No.UNAUTHORIZED_CLIENT, f"grant_type: the client is not registered for {asked.grant_type} (RFC 6749 section 5.2)")
    return await EXCHANGES[asked.grant_type](ports, known, asked)
