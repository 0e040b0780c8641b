"""Who is this client. Other use cases call this one (RFC 7591 §2)."""

from collections.abc import Collection
from dataclasses import dataclass

from calling_card.ports import Ports
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import Card, Client, Route, State, client_key
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.policy import Rules, invited
from calling_card.protocol.resources import scopes_of

ATTEMPTS = 3
"""How often a compare-and-set that lost is decided again (CREDENTIALS §9)."""


@dataclass(frozen=True, slots=True)
class Known:
    """A client that proved itself in the way it registered."""

    client: Client
    card: Card


async def find(ports: Ports, client_id: str) -> Known:
    """The active client of this name, with nothing proven. Raises `Refusal` that can only be shown (A-12, H-14)."""
    client = await ports.store.client(client_key(Route.REGISTERED, client_id))
    if client is None or client.client_id != client_id or client.state is not State.ACTIVE:
        raise Refusal(
            No.UNKNOWN_CLIENT,
            f"client_id: no such client; one that was removed may register again at {ports.desk.endpoint} (RFC 6749 section 4.1.2.1)",
        )
    return Known(client, card_of(client))


async def rules_of(ports: Ports, client: Client) -> Rules:
    """The rules of the client's tier, with what its invitation said (M-30)."""
    invitation = await ports.store.invitation(client.invitation) if client.invitation else None
    return ports.rules if invitation is None else invited(ports.rules, invitation.scope, invitation.grants, invitation.hosts)


async def known_scopes(ports: Ports) -> Collection[str]:
    """The scopes of the settings and of every resource server."""
    return {*ports.settings.scopes, *scopes_of(await ports.store.resources())}
