"""A client asks in its own name (RFC 6749 §4.4)."""

from calling_card.ports import Ports
from calling_card.protocol.clients import State
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.life.approval import WAITS
from calling_card.protocol.persons.resources import acceptable, target
from calling_card.usecases.clients import Known
from calling_card.usecases.exchange.asked import Asked
from calling_card.usecases.tokens import Issued, mint


async def by_itself(ports: Ports, known: Known, asked: Asked) -> Issued:
    """A token for the client itself; no refresh token, ``sub`` is the client_id (A-55).

    Raises `Refusal`: ``unauthorized_client`` without a secret or before approval, ``invalid_target``, ``invalid_scope``.
    """
    if asked.presented.method == "none":
        raise Refusal(No.UNAUTHORIZED_CLIENT, "grant_type: client_credentials needs a client with a secret (RFC 6749 section 4.4)")
    if known.client.state is State.HELD:
        raise Refusal(No.UNAUTHORIZED_CLIENT, WAITS)
    scope = _scope(known, asked.scope, strict=ports.settings.profile == "strict")
    configured = await ports.store.resources()
    wanted = acceptable(asked.resources, configured, ports.place, person=False)
    return await mint(ports, known.client, target(wanted, scope, configured, ports.place, person=False))


def _scope(known: Known, asked: str, *, strict: bool) -> str:
    """What of the registered scope was asked for, else all of it; a client without any gets a token without (A-17, H-03, H-16).

    As in an authorization request, the strict profile refuses to put the registered scope in the place of what it cannot grant.
    """
    registered, words = str(known.card.get("scope", "")).split(), list(dict.fromkeys(asked.split()))
    kept = [word for word in words if word in registered]
    if not kept and not (words and strict):
        kept = registered
    if words and not kept:
        raise Refusal(No.INVALID_SCOPE, f"scope: the client is registered for: {' '.join(registered) or 'none'} (RFC 6749 section 3.3)")
    return " ".join(kept)
