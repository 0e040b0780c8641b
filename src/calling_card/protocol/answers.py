"""The client information response (RFC 7591 §3.2.1, RFC 7592 §3)."""

from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

import msgspec

from calling_card.protocol.clients import Card, Client
from calling_card.protocol.handles.credentials import (
    CLIENT_SECRET,
    REGISTRATION_ACCESS_TOKEN,
    Macs,
    has_rat,
    has_secret,
    of_client,
    write,
)
from calling_card.protocol.life.approval import standing

_decode = msgspec.json.Decoder(dict[str, object]).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Desk:
    """Where clients are registered."""

    issuer: str
    endpoint: str
    """URL of the registration endpoint."""
    management: bool
    """Whether RFC 7592 is served."""


def card_of(client: Client) -> Card:
    """The metadata in force."""
    return cast(Card, _decode(client.metadata))


def to_bytes(card: Card) -> bytes:
    """Metadata as it is kept."""
    return _encode(card)


def information(desk: Desk, macs: Macs, client: Client, card: Card, *, secret: bool = True) -> Card:
    """Everything registered, defaults and replacements included, and the credentials that belong to it.

    ``secret``: whether the client secret is shown. Raises `LookupError` when a credential's key is not honoured any more.
    """
    answer: Card = {"client_id": client.client_id}
    if has_secret(client) and client.secret is not None:
        if secret:
            answer["client_secret"] = write(macs, desk.issuer, of_client(CLIENT_SECRET, client, client.secret))
        answer["client_secret_expires_at"] = client.secret_expires_at
    answer["client_id_issued_at"] = client.issued_at
    if desk.management and has_rat(client):
        answer["registration_access_token"] = write(macs, desk.issuer, of_client(REGISTRATION_ACCESS_TOKEN, client, client.rat))
        answer["registration_client_uri"] = f"{desk.endpoint}/{quote(client.client_id, safe='')}"
    answer.update(standing(client))
    answer.update(card)
    return answer
