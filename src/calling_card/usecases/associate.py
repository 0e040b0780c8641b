"""A client introduces itself, and renews what it got, by the form protocol of 2011 (Simple Registration draft 02 §3)."""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.answers import information
from calling_card.protocol.card import forms
from calling_card.protocol.clients import JSON, Card, Client, Door
from calling_card.protocol.corridor import Passed
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles.rotation import Clock, renew
from calling_card.protocol.life.approval import begins_to_wait, judged_again
from calling_card.protocol.life.approval import told as waiting
from calling_card.protocol.life.budgets import CHANGES
from calling_card.protocol.trust.statements import Brought
from calling_card.usecases.authenticate import Presented, authenticate, refused
from calling_card.usecases.clients import ATTEMPTS, Known, judged
from calling_card.usecases.register import admit, invited_by

_UNASKED: Card = {"grant_types": ["authorization_code"], "response_types": ["code"]}
"""What the draft takes for granted, in words that are younger than it (S2-39)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of the form protocol, before anything of it was believed."""

    form: Mapping[str, str]
    token: str | None
    """The bearer token, or None when no credentials were sent in the header."""
    request_id: str = ""
    source: str = ""
    """Network it comes from, whose budget a fetch is on."""


async def answer(ports: Ports, asked: Asked) -> Card:
    """Identifier, secret, and the seconds for which both are good (Simple Registration draft 02 §3.2).

    Raises `Refusal`: 401 for bad credentials, 400 for another type or bad values, 403 or 429 as at every door.
    """
    if asked.form.get("type") == "client_associate":
        return _credentials(ports, await associate(ports, asked))
    if asked.form.get("type") == "client_update":
        return _credentials(ports, await update(ports, asked))
    raise Refusal(No.INVALID_REQUEST, f"type: must be client_associate or client_update ({forms.SECTION})")


def _credentials(ports: Ports, client: Client) -> Card:
    """One stored instant, told as seconds from now; 0 is for ever (C-04)."""
    secret = information(ports.desk, ports.keyring, client, {})["client_secret"]
    remaining = max(1, client.secret_expires_at - ports.now()) if client.secret_expires_at else 0
    return {"client_id": client.client_id, "client_secret": secret, "expires_in": remaining}


async def associate(ports: Ports, asked: Asked) -> Client:
    """A new client; an initial access token in the header counts as at the door of RFC 7591 (Simple Registration draft 02 §3.1)."""
    invitation = await invited_by(ports, asked.token)
    _without(asked, "client_id", "client_secret", "access_token")
    said: Card = {**_UNASKED, **_said(ports, asked)}
    client, _ = await admit(ports, said, Door.SCR2011, invitation, asked.request_id, Brought(source=asked.source))
    return client


async def update(ports: Ports, asked: Asked) -> Client:
    """A new secret, and the old one ends at once; what is named is replaced, all else stays (Simple Registration draft 02 §3.1)."""
    if asked.token is not None:
        way = "client_update proves itself by client_id and client_secret in the body"
        raise Refusal(No.INVALID_REQUEST, f"Authorization: leave it out; {way} ({forms.SECTION})")
    client_id, secret = asked.form.get("client_id", ""), asked.form.get("client_secret", "")
    presented = Presented("client_secret_post", client_id, secret, asked.request_id)
    paid = False
    for _ in range(ATTEMPTS):
        known = await _known(ports, presented)
        paid = paid or _paid(ports, known.client)
        after, event = await _renewed(ports, asked, known)
        put = ports.store.end_all if begins_to_wait(known.client, after) else ports.store.replace
        if await put(known.client, after, event):
            ports.store.used(after, ports.now() // 86400)
            return after
    raise Refusal(No.UNAVAILABLE, "the client is being changed by others; try again", retry_after=1)


def _paid(ports: Ports, client: Client) -> bool:
    """True: the update is within what this client may do in a minute. Raises `Refusal` (R-93)."""
    ports.draw([(CHANGES, client.client_id)])
    return True


async def _known(ports: Ports, presented: Presented) -> Known:
    """The client by its secret: only where the secret is all there is to manage it with (M-50)."""
    known = await authenticate(ports, presented)
    if known.client.door is not Door.SCR2011:
        raise refused(ports, presented)
    return known


async def _renewed(ports: Ports, asked: Asked, known: Known) -> tuple[Client, Event]:
    """The client with its next secret; judged only when it says something new (S2-40)."""
    _without(asked, "access_token")
    client, now, lifetime = known.client, ports.now(), ports.secret_lifetime(known.client.tier)
    named = _said(ports, asked)
    told: dict[str, JSON] = {"changed": list[JSON](), "secret": "renewed"}
    if named:
        passed = await _judged(ports, known, named, asked.source)
        client = judged_again(structs.replace(client, metadata=passed.metadata, decision=passed.reasons), held=passed.held)
        told |= {"changed": passed.changed(known.card), **passed.told(), **waiting(client)}
    after = structs.replace(
        client,
        secret=None if client.secret is None else renew(client.secret, Clock(now, ports.keyring.minting)),
        secret_expires_at=now + lifetime if lifetime else 0,
    )
    return after, Event("client_replaced", now, client.key, "client", asked.request_id, told)


async def _judged(ports: Ports, known: Known, named: Card, source: str) -> Passed:
    """The whole card as it would be, by today's vocabulary and by the rules the client came with (M-30)."""
    if not ports.settings.self_update:
        raise Refusal(
            No.ACCESS_DENIED, f"client_update: changing metadata is not allowed to clients here; ask the operator ({forms.SECTION})"
        )
    return await judged(ports, known.client, {**known.card, **named}, known.card, source)


def _said(ports: Ports, asked: Asked) -> Card:
    return forms.card(asked.form, unknown_refused=ports.ground.unknown_refused)


def _without(asked: Asked, *names: str) -> None:
    """Parameters that have no place in this request. Raises `Refusal` for the first of them that is there."""
    for name in names:
        if name in asked.form:
            raise Refusal(No.INVALID_REQUEST, f"{name}: {_MISPLACED[name]}")


_MISPLACED = {
    "client_id": f"goes with client_update; the server chooses it for a new client ({forms.SECTION})",
    "client_secret": f"goes with client_update; the server chooses it for a new client ({forms.SECTION})",
    "access_token": "a token belongs into the Authorization header only (RFC 6750 section 2)",
}
