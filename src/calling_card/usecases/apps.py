"""An application introduces itself as it would to Mastodon (Mastodon API, apps §create)."""

from collections.abc import Mapping
from dataclasses import dataclass

from calling_card.ports import Ports
from calling_card.protocol.answers import information
from calling_card.protocol.card import forms
from calling_card.protocol.clients import JSON, Card, Client, Door, words
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.syntax import read_object
from calling_card.protocol.trust.statements import Brought
from calling_card.usecases.register import admit, invited_by


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for an application, before anything of it was believed."""

    said: Mapping[str, JSON] | None
    """The parameters of a form; None: the body is JSON."""
    body: bytes
    token: str | None
    """The bearer token, or None when no credentials were sent."""
    request_id: str = ""
    source: str = ""
    """Network it comes from, whose budget a fetch is on."""


async def create(ports: Ports, asked: Asked) -> Card:
    """A new client, answered as a ``CredentialApplication`` (Mastodon API, apps §create).

    Raises `Refusal`: 401 for a bad initial access token, 400 for bad values, 429 when the open budget is used up.
    """
    invitation = await invited_by(ports, asked.token)
    said = read_object(asked.body) if asked.said is None else asked.said
    if "access_token" in said:
        raise Refusal(No.INVALID_REQUEST, "access_token: a token belongs into the Authorization header only (RFC 6750 section 2)")
    client, card = await admit(ports, forms.app(said), Door.MASTODON, invitation, asked.request_id, Brought(source=asked.source))
    return _application(ports, client, card)


def _application(ports: Ports, client: Client, card: Card) -> Card:
    """The members that such applications read; without push there is no ``vapid_key``, and what is not known is left out."""
    kept = information(ports.desk, ports.keyring, client, card)
    redirects = words(card["redirect_uris"])
    told: Card = {
        "id": client.client_id,
        "name": card["client_name"],
        "website": card.get("client_uri"),
        "scopes": [*str(card.get("scope", "")).split()],
        "redirect_uri": "\n".join(redirects),
        "redirect_uris": [*redirects],
        **{name: kept[name] for name in ("client_id", "client_secret", "client_secret_expires_at")},
    }
    return {name: value for name, value in told.items() if value is not None}
