"""What an operator does with clients: list, show, suspend, resume, delete, rotate (A-83, A-84, M-14)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from calling_card.ports import Ports
from calling_card.protocol.answers import card_of, information
from calling_card.protocol.clients import Card, Client, Route, State, client_key, created_by
from calling_card.protocol.credentials import has_secret
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.rotation import Clock, issue, renew
from calling_card.protocol.syntax import echo
from calling_card.usecases.clients import ATTEMPTS


async def clients(ports: Ports, after: str, limit: int) -> Sequence[Card]:
    """One line per client in the order of client_id, beginning behind ``after``."""
    return [_line(client) for client in await ports.store.clients(after, limit)]


async def show(ports: Ports, client_id: str) -> Card:
    """Everything known of a client but its credentials. Raises `Refusal` when there is none."""
    client = await _find(ports, client_id)
    row = _line(client)
    row["owner"] = client.owner
    row["invitation"] = client.invitation.hex() if client.invitation else ""
    row["client_secret_expires_at"] = client.secret_expires_at
    row["decision"] = client.decision.decode()
    row["metadata"] = dict(card_of(client))
    return {name: value for name, value in row.items() if value not in ("", None)}


async def suspend(ports: Ports, client_id: str, by: str) -> Card:
    """The client may no longer act and its access tokens are dead when this returns."""
    return await _set_state(ports, client_id, by, State.SUSPENDED)


async def resume(ports: Ports, client_id: str, by: str) -> Card:
    """A suspended client may act again; tokens that died stay dead. Raises `Refusal` for one that waits for approval (H-31)."""
    return await _set_state(ports, client_id, by, State.ACTIVE)


async def _set_state(ports: Ports, client_id: str, by: str, state: State) -> Card:
    for _ in range(ATTEMPTS):
        client = await _find(ports, client_id)
        if client.state is state:
            return _line(client)
        if state is State.ACTIVE and client.state is not State.SUSPENDED:
            raise Refusal(No.INVALID_REQUEST, f"{client_id} is {client.state.value}, not suspended; resuming would approve it")
        raised = 1 if state is State.SUSPENDED else 0
        after = replace(client, state=state, epoch=client.epoch + raised)
        kind = "client_suspended" if raised else "client_resumed"
        if await ports.store.replace(client, after, Event(kind, ports.now(), client.key, "operator", body={"by": by})):
            return _line(after)
    raise Refusal(No.UNAVAILABLE, "the client is being changed by others; try again")


async def delete(ports: Ports, client_id: str, by: str) -> None:
    """The client and everything it had is gone when this returns."""
    client = await _find(ports, client_id)
    now = ports.now()
    event = Event("client_deleted", now, client.key, "operator", body={"by": by})
    await ports.store.remove(client, event, now + ports.settings.tombstone_days * 86400)


@dataclass(frozen=True, slots=True)
class Rotated:
    """New credentials of a client, to be shown once."""

    information: Card


async def rotate(ports: Ports, client_id: str, by: str, *, at_once: bool) -> Rotated:
    """New registration access token and, where there is one, new secret (M-41).

    Without ``at_once`` the old secret is good until the new one is first used or the overlap ends; the old
    registration access token is dead in both cases, and with ``at_once`` every access token too.
    """
    for _ in range(ATTEMPTS):
        client = await _find(ports, client_id)
        now = ports.now()
        clock = Clock(now, ports.keyring.minting)
        secret, ends = client.secret, client.secret_expires_at
        if secret is not None and has_secret(client):
            secret = renew(secret, clock) if at_once else issue(secret, clock)
            ends = now + ports.settings.secret_lifetime if ports.settings.secret_lifetime else 0
        raised = 1 if at_once else 0
        after = replace(client, rat=renew(client.rat, clock), secret=secret, secret_expires_at=ends, epoch=client.epoch + raised)
        event = Event("client_rotated", now, client.key, "operator", body={"by": by, "credentials": "all", "now": at_once})
        if await ports.store.replace(client, after, event):
            return Rotated(information(ports.desk, ports.keyring, after, {}))
    raise Refusal(No.UNAVAILABLE, "the client is being changed by others; try again")


async def _find(ports: Ports, client_id: str) -> Client:
    client = await ports.store.client(client_key(Route.REGISTERED, client_id))
    if client is None or client.client_id != client_id:
        raise Refusal(No.NOT_FOUND, f"there is no client {echo(client_id)}")
    return client


def _line(client: Client) -> Card:
    card = card_of(client)
    method = card.get("token_endpoint_auth_method", "none")
    return {
        "client_id": client.client_id,
        "client_name": card.get("client_name", ""),
        "state": client.state.value,
        "client_type": "public" if method == "none" else "confidential",
        "created_by": created_by(client),
        "door": client.door.value,
        "tier": client.tier.name.lower(),
        "client_id_issued_at": client.issued_at,
        "last_used_day": client.last_used_day,
    }
