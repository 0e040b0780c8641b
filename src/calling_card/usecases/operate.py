"""What an operator does with clients: list, show, suspend, resume, delete, rotate, recover; those that are a URL also resolve and refetch.

A-83, A-84, M-14, D-55, D-56, D-64; CIMD §8.3. To block a URL is to suspend it, to forget it is to delete it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.abroad.clientids import host_in, name
from calling_card.protocol.abroad.documents import Version
from calling_card.protocol.answers import card_of, information
from calling_card.protocol.clients import JSON, Card, Client, Route, State, client_key, created_by
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles import imported
from calling_card.protocol.handles.credentials import has_secret
from calling_card.protocol.handles.rotation import Clock, issue_secret, overlap_until, renew
from calling_card.protocol.handles.sealed import mark_until
from calling_card.protocol.life.approval import digest, resumed, suspended, told
from calling_card.protocol.syntax import echo
from calling_card.usecases.clients import ATTEMPTS, by_card, read_now
from calling_card.usecases.reading import Finding, look

_MANAGING = ("registration_access_token", "registration_client_uri")


async def clients(ports: Ports, after: str, limit: int) -> Sequence[Card]:
    """One line per client in the order of client_id, beginning behind ``after``."""
    return [line(client) for client in await ports.store.clients(after, limit)]


async def show(ports: Ports, client_id: str, *, discovery: bool = False) -> Card:
    """Everything known of a client but its credentials. Raises `Refusal` when there is none."""
    client = await named(ports, client_id, discovery=discovery)
    row = line(client)
    if client.card_until:
        row |= {"state": "sealed", "sealed": "nobody approved it yet; it has no row", "sealed_until": client.card_until}
    row["card"] = digest(client).hex() if client.state is State.HELD else ""
    row["owner"] = client.owner
    row["invitation"] = client.invitation.hex() if client.invitation else ""
    row["client_secret_expires_at"] = client.secret_expires_at
    row["secret_overlap_until"] = _overlap(ports, client) or None
    row["decision"] = _reasons(client)
    row["grants_alive"] = await ports.store.grants_alive(client)
    row |= _reading(client, await ports.store.versions(client.key))
    row["metadata"] = dict(card_of(client))
    return {name: value for name, value in row.items() if value not in ("", None)}


def _reasons(client: Client) -> JSON:
    """Why the client is not what it asked to be: member, what it was, what it became, and why; None: it is all it asked to be."""
    told: JSON = msgspec.json.decode(client.decision) if client.decision else None
    return told


def _overlap(ports: Ports, client: Client) -> int:
    """Until when two secrets of the client are good, seconds since 1970; 0: there is one, or none."""
    if client.secret is None or not has_secret(client):
        return 0
    return overlap_until(client.secret, ports.now(), ports.settings.secret_overlap)


def _reading(client: Client, versions: Sequence[Version]) -> Card:
    """What reading the document of a client brought, newest version first; nothing for a client without one (D-55)."""
    if not versions:
        return {}
    newest = versions[0]
    failure: Card = {"at": newest.failed_at, "why": newest.failure} if newest.failed_at else {}
    return {
        "host": host_in(client.client_id),
        "document": newest.url,
        "fresh_until": newest.fresh_until,
        "last_failure": failure or None,
        "gone_since": newest.gone_at or None,
        "versions": [_version(version) for version in versions],
    }


def _version(version: Version) -> JSON:
    return {
        "number": version.number,
        "seen_at": version.seen_at,
        "checked_at": version.checked_at,
        "sha256": version.digest.hex(),
    }


async def suspend(ports: Ports, client_id: str, by: str, *, discovery: bool = False) -> Card:
    """The client may no longer act and its access tokens are dead when this returns; of a URL the grants and consents too (D-56)."""
    for _ in range(ATTEMPTS):
        client = await named(ports, client_id, discovery=discovery)
        if client.state is State.SUSPENDED:
            return line(client)
        after = suspended(client)
        put = ports.store.replace if client.route is Route.REGISTERED else ports.store.end_all
        if await put(client, after, Event("client_suspended", ports.now(), client.key, "operator", body={"by": by})):
            return line(after)
    raise busy()


async def resume(ports: Ports, client_id: str, by: str, *, discovery: bool = False) -> Card:
    """A suspended client is what it was before: it may act again, or waits for approval again; what died stays dead.

    Raises `Refusal` for one that waits for approval (H-31).
    """
    for _ in range(ATTEMPTS):
        client = await named(ports, client_id, discovery=discovery)
        if client.state is State.ACTIVE:
            return line(client)
        if client.state is State.HELD:
            raise Refusal(No.INVALID_REQUEST, f"{client_id} is held, not suspended; resuming would approve it")
        after = resumed(client)
        body: dict[str, JSON] = {"by": by, **told(after)}
        if await ports.store.replace(client, after, Event("client_resumed", ports.now(), client.key, "operator", body=body)):
            return line(after)
    raise busy()


async def delete(ports: Ports, client_id: str, by: str, *, discovery: bool = False) -> None:
    """The client and everything it had is gone when this returns; a URL may come again and is somebody new then."""
    client = await named(ports, client_id, discovery=discovery)
    now = ports.now()
    event = Event("client_deleted", now, client.key, "operator", body={"client_id": client.client_id, "by": by})
    await ports.store.remove(client, event, mark_until(ports.keyring, client.client_id, now + ports.settings.tombstone_days * 86400))


@dataclass(frozen=True, slots=True)
class Rotated:
    """New credentials of a client, to be shown once."""

    information: Card


async def rotate(ports: Ports, client_id: str, by: str, *, at_once: bool, secret_only: bool = False) -> Rotated:
    """New registration access token and, where there is one, new secret (M-41).

    Without ``at_once`` the old secret is good until the new one is first used or the overlap ends; the old
    registration access token is dead in both cases, and with ``at_once`` every access token too. With ``secret_only`` the
    registration access token stays. Raises `Refusal` for a client without what is to be renewed.
    """
    for _ in range(ATTEMPTS):
        client = await _registered(ports, client_id)
        if secret_only and not has_secret(client) and not imported.lives(client):
            raise Refusal(No.INVALID_REQUEST, f"{echo(client_id)} has no secret")
        now = ports.now()
        clock = Clock(now, ports.keyring.minting)
        after = structs.replace(_with_new_secret(ports, client, clock, at_once=at_once), epoch=client.epoch + (1 if at_once else 0))
        if not secret_only:
            after = structs.replace(after, rat=renew(client.rat, clock))
        body: dict[str, JSON] = {"by": by, "credentials": "client_secret" if secret_only else "all", "now": at_once}
        if await ports.store.replace(client, after, Event("client_rotated", now, client.key, "operator", body=body)):
            return Rotated(_without(information(ports.desk, ports.keyring, after, {}), *(_MANAGING if secret_only else ())))
    raise busy()


def _with_new_secret(ports: Ports, client: Client, clock: Clock, *, at_once: bool) -> Client:
    row, ends = client.secret, client.secret_expires_at
    if row is None or not (has_secret(client) or imported.lives(client)):
        return client
    secret = renew(row, clock) if at_once else issue_secret(row, clock, ports.settings.secret_overlap, ends)
    lifetime = ports.secret_lifetime(client.tier)
    kept = None if at_once else client.imported
    return structs.replace(client, secret=secret, secret_expires_at=clock.now + lifetime if lifetime else 0, imported=kept)


async def recover(ports: Ports, client_id: str, by: str) -> Rotated:
    """A registration access token in the place of a lost one, which is dead when this returns; the secret stays (M-41, S1-47).

    A client whose door gave it none has one now (M-50). Raises `Refusal` where clients are not managed.
    """
    for _ in range(ATTEMPTS):
        client = await _registered(ports, client_id)
        if not ports.desk.management:
            raise Refusal(No.INVALID_REQUEST, "clients are not managed here (setting management), so none has a registration access token")
        clock = Clock(ports.now(), ports.keyring.minting)
        after = structs.replace(client, rat=renew(client.rat, clock))
        event = Event("client_recovered", clock.now, client.key, "operator", body={"by": by, "proof": "operator"})
        if await ports.store.replace(client, after, event):
            return Rotated(_without(information(ports.desk, ports.keyring, after, {}, secret=False), "client_secret_expires_at"))
    raise busy()


async def _registered(ports: Ports, client_id: str) -> Client:
    """The client of this name, if it has credentials of ours."""
    client = await named(ports, client_id)
    if client.route is not Route.REGISTERED:
        raise Refusal(No.INVALID_REQUEST, f"{echo(client_id)} is a URL: it has no credentials of ours, its keys are in its document")
    return client


def _without(card: Card, *names: str) -> Card:
    """What was not renewed is not shown."""
    return {name: value for name, value in card.items() if name not in names}


@dataclass(frozen=True, slots=True)
class Resolved:
    """What would become of a URL as client_id, and what is known of it."""

    findings: Sequence[Finding]
    state: str
    """Of the client that came by this URL before; empty: none did."""

    @property
    def broken(self) -> int:
        """How many rules are broken."""
        return len([finding for finding in self.findings if finding.passed is False])


async def resolve(ports: Ports, url: str, *, discovery: bool) -> Resolved:
    """Every rule about a URL as client_id, tried now, without a person and without keeping anything (D-64)."""
    findings = await look(ports, url, discovery=discovery)
    client = await _known(ports, url, (Route.LOOKER,) if discovery else (Route.CIMD,))
    return Resolved(findings, client.state.value if client else "")


async def refetch(ports: Ports, client_id: str, *, discovery: bool = False) -> Card:
    """What is known of a URL after its document was read again at once (D-32, D-55).

    Raises `Refusal` when the document is not good now, also where an older version goes on standing in for it (D-46).
    """
    client = await named(ports, client_id, discovery=discovery)
    if client.route is Route.REGISTERED:
        raise Refusal(No.INVALID_REQUEST, f"{echo(client_id)} is registered: there is no document to be read")
    discovery = client.route is Route.LOOKER
    await read_now(ports, client.client_id, discovery=discovery)
    version = await ports.store.version(client.key)
    if version is not None and version.failed_at:
        raise Refusal(No.UNAVAILABLE, f"the document could not be read now ({version.failure}); the version before stands in for it")
    return await show(ports, client.client_id, discovery=discovery)


async def named(ports: Ports, client_id: str, *, discovery: bool = False) -> Client:
    """The client of this name: a registered one, else a URL, as a document before client discovery."""
    client = await _known(ports, client_id, (Route.LOOKER,) if discovery else tuple(Route))
    if client is None:
        raise Refusal(No.NOT_FOUND, f"there is no client {echo(client_id)}")
    return client


def busy() -> Refusal:
    """Others were faster each time."""
    return Refusal(No.UNAVAILABLE, "the client is being changed by others; try again")


async def _known(ports: Ports, client_id: str, routes: Sequence[Route]) -> Client | None:
    for route in routes:
        spelled = _canonical(ports, client_id) if route is Route.LOOKER else client_id
        client = await ports.store.client(client_key(route, spelled)) or await by_card(ports, spelled)
        if client is not None and (client.route, client.client_id) == (route, spelled):
            return client
    return None


def _canonical(ports: Ports, client_id: str) -> str:
    """As client discovery keeps it (C-28), also when the settings would not take it any more."""
    try:
        return name(client_id, replace(ports.customs, looker=True, allowed=(), denied=()), discovery=True).client_id
    except Refusal:
        return client_id


def line(client: Client) -> Card:
    """A client as operators see it in a list."""
    card = card_of(client)
    method = card.get("token_endpoint_auth_method", "none")
    return {
        "client_id": client.client_id,
        "client_name": card.get("client_name", ""),
        "state": client.state.value,
        **({"refusal": client.refusal} if client.refusal else {}),
        "client_type": "public" if method == "none" else "confidential",
        "created_by": created_by(client),
        "route": client.route.value,
        "door": client.door.value,
        "tier": client.tier.name.lower(),
        "client_id_issued_at": client.issued_at,
        "last_used_day": client.last_used_day,
    }
