"""A client proves who it is (RFC 6749 §2.3). Other use cases call this one."""

import hmac
from dataclasses import dataclass, replace

from calling_card.ports import Ports
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import JSON, Client, Route, State, client_key
from calling_card.protocol.credentials import CLIENT_SECRET, Handle, has_secret, owner, read, speaks_for
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.rotation import present_secret
from calling_card.usecases.clients import ATTEMPTS, Known


@dataclass(frozen=True, slots=True)
class Presented:
    """How a client says who it is."""

    method: str
    """``client_secret_basic``, ``client_secret_post``, ``assertion`` or ``none``."""
    client_id: str
    """Empty only beside an assertion, whose ``sub`` then says it (RFC 7521 §4.2)."""
    secret: str = ""
    request_id: str = ""
    assertion: str = ""
    """A JWT, unread (RFC 7523 §2.2)."""
    discovery: bool = False
    """Whether ``client_discovery=true`` was sent."""
    speaks: str = ""
    """The code or refresh token of the request: it was made for one client."""


async def authenticate(ports: Ports, presented: Presented) -> Known:
    """The active client behind the credentials, by the one method it registered (A-39).

    Raises `Refusal` with one text for every cause: unknown, wrong, expired, suspended, deleted (H-14).
    """
    key = client_key(Route.REGISTERED, presented.client_id)
    handle = None
    if presented.method != "none":
        handle = read(ports.keyring, ports.settings.issuer, CLIENT_SECRET, presented.secret)
        if handle is None or not hmac.compare_digest(handle.owner[:16], key):
            raise refused(ports, presented)
    for _ in range(ATTEMPTS):
        client = await ports.store.client(key)
        if client is None or client.client_id != presented.client_id or client.state is not State.ACTIVE:
            raise refused(ports, presented)
        card = card_of(client)
        if card.get("token_endpoint_auth_method") != presented.method:
            raise refused(ports, presented)
        if handle is None or await _secret(ports, presented, client, handle):
            return Known(client, card)
    raise Refusal(No.UNAVAILABLE, "the client is being changed by others; try again", retry_after=1)


async def _secret(ports: Ports, presented: Presented, client: Client, handle: Handle) -> bool:
    """Whether the secret is good now; its first use ends its predecessor. False: somebody changed the row, look again."""
    row = client.secret
    now = ports.now()
    if row is None or not has_secret(client) or 0 < client.secret_expires_at <= now:
        raise refused(ports, presented)
    if not hmac.compare_digest(handle.owner, owner(client)) or not speaks_for(handle, row):
        raise refused(ports, presented)
    step = present_secret(handle.generation, row, now, ports.settings.secret_overlap)
    if step.accepted and step.after == row:
        return True
    event = Event("secret_confirmed", now, client.key, "client", presented.request_id) if step.accepted else None
    if step.after != row and not await ports.store.replace(client, replace(client, secret=step.after), event):
        return False
    if step.accepted:
        return True
    told: dict[str, JSON] = {"kind": CLIENT_SECRET.name} if step.event == "credential_from_future" else {}
    await ports.store.report(Event(step.event, now, client.key, "client", presented.request_id, told))
    raise refused(ports, presented)


def refused(ports: Ports, presented: Presented) -> Refusal:
    """One answer for every cause; it says what a client can do that was removed, where it can."""
    way = "" if ports.settings.registration == "closed" else f"; a client that was removed may register again at {ports.desk.endpoint}"
    return Refusal(
        No.INVALID_CLIENT,
        f"client authentication failed{way} (RFC 6749 section 5.2)",
        basic=presented.method == "client_secret_basic",
    )
