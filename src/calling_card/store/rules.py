"""What holds for every store, whatever it keeps its rows in."""

from calling_card.ports import KeyCollision
from calling_card.protocol.clients import Client

MARKS_LIVING = 32
"""With more living marks than this the client's epoch is raised instead (CREDENTIALS §3)."""

DAYS_WAITING = 1024
"""With more days of use waiting than this they become a write of their own."""


def check_same_client(before: Client, after: Client) -> None:
    """A replacement keeps what a client has for life; anything else is a mistake of the caller."""
    if for_life(before) != for_life(after):
        raise ValueError("a replacement cannot change key, name, incarnation, door, tier, invitation or time of issue")


def for_life(client: Client) -> tuple[object, ...]:
    """What stays as it was at birth."""
    return (
        client.key,
        client.route,
        client.client_id,
        client.incarnation,
        client.door,
        client.tier,
        client.invitation,
        client.issued_at,
    )


def taken(there: Client, coming: Client) -> KeyCollision:
    """The refusal of an insertion at a place that is not free (CREDENTIALS §4)."""
    if (there.route, there.client_id) == (coming.route, coming.client_id):
        return KeyCollision("this client is registered already")
    return KeyCollision("the client key belongs to a client with another name")
