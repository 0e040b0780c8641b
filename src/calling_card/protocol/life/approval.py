"""What becomes of a client that waits for approval, and what it may do meanwhile (A-88, H-31)."""

import hashlib

from msgspec import structs

from calling_card.protocol.clients import JSON, Card, Client, State

WAITS = "the client waits for approval by the operator"
"""Why a held client is refused, wherever it is."""


def digest(client: Client) -> bytes:
    """What an operator says yes to, 16 bytes: the card as it is kept, and no other."""
    return hashlib.sha256(client.metadata).digest()[:16]


def approved(client: Client) -> Client:
    """The client with its card approved; what its test persons allowed it goes on."""
    return structs.replace(client, state=State.ACTIVE, approved_card=digest(client))


def refused(client: Client, why: str) -> Client:
    """The client at its end, which keeps its place and says why."""
    return structs.replace(suspended(client), refusal=why)


def suspended(client: Client) -> Client:
    """The client with every access token dead; it remembers that it waited."""
    return structs.replace(client, state=State.SUSPENDED, epoch=client.epoch + 1, waits=client.waits or client.state is State.HELD)


def resumed(client: Client) -> Client:
    """A suspended client as it was before: one that waited for approval waits again."""
    return structs.replace(client, state=State.HELD if client.waits else State.ACTIVE, waits=False, refusal="")


def judged_again(client: Client, *, held: bool) -> Client:
    """The client after its card was judged anew: nothing but approval ends the waiting, and approval is of one card."""
    if not held or client.state is not State.ACTIVE or digest(client) == client.approved_card:
        return client
    return structs.replace(client, state=State.HELD, epoch=client.epoch + 1)


def begins_to_wait(before: Client, after: Client) -> bool:
    """Whether a change took a client's leave to act, so that what people allowed it ends."""
    return after.state is State.HELD and before.state is not State.HELD


def told(client: Client) -> dict[str, JSON]:
    """What an event says whose client an operator should look at."""
    return {"held": True} if client.state is State.HELD else {}


def registrant(client: Client) -> str:
    """``sub`` of the person whose access token registered the client; empty: an invitation has another sort of owner."""
    return "" if client.invitation else client.owner


def standing(client: Client) -> Card:
    """What an information response says of the state; nothing for a client that may act."""
    if client.state is State.ACTIVE:
        return {}
    if client.refusal:
        return {"registration_state": "refused", "registration_state_reason": client.refusal}
    return {"registration_state": client.state.value}
