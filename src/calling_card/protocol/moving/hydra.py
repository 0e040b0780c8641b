"""Clients as Ory Hydra lists them: ``hydra list clients --format json`` and ``GET /admin/clients``.

Hydra never shows a secret again, so these lists have none; ``client_secret`` may be added from its table ``hydra_client``, where it
is kept as ``$pbkdf2-sha256$…`` or, by older versions, as bcrypt.
"""

from collections.abc import Iterator

from calling_card.protocol.clients import JSON
from calling_card.protocol.moving.arrivals import Arrival, Said, Unmovable, checked_id, each, number, objects, spoken, text

_DEALT_WITH = ("created_at", "updated_at", "registration_access_token", "registration_client_uri", "owner", "pk", "nid")


def arrivals(file: JSON) -> Iterator[Arrival | Unmovable]:
    """Every client of a list, of the object around a list, or the one client."""
    inner = file.get("items", file) if isinstance(file, dict) else file
    return each(objects(inner), _arrival)


def _arrival(payload: Said) -> Arrival:
    client_id = checked_id(payload.get("client_id"))
    card, notes = spoken(payload, _DEALT_WITH)
    if card.get("userinfo_signed_response_alg") == "none":  # Hydra's word for plain JSON
        del card["userinfo_signed_response_alg"]
    return Arrival(
        client_id,
        card,
        secret=text(payload.get("client_secret")),
        secret_expires_at=number(payload.get("client_secret_expires_at")),
        notes=tuple(notes),
    )
