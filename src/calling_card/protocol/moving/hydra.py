"""Clients as Ory Hydra lists them: ``hydra list clients --format json`` and ``GET /admin/clients``.

Hydra never shows a secret again, so these lists have none; ``client_secret`` may be added from its table ``hydra_client``, where it
is kept as ``$pbkdf2-sha256$…`` or, by older versions, as bcrypt.
"""

from collections.abc import Iterator

from calling_card.protocol.clients import JSON
from calling_card.protocol.moving.arrivals import Arrival, Said, Unmovable, each, in_our_words, objects

_DEALT_WITH = ("created_at", "updated_at", "registration_access_token", "registration_client_uri", "owner", "pk", "nid")


def arrivals(file: JSON) -> Iterator[Arrival | Unmovable]:
    """Every client of a list, of the object around a list, or the one client."""
    inner = file.get("items", file) if isinstance(file, dict) else file
    return each(objects(inner), _arrival)


def _arrival(payload: Said) -> Arrival:
    """``none`` is Hydra's word for answers of userinfo in plain JSON."""
    plain = payload.get("userinfo_signed_response_alg") == "none"
    return in_our_words(payload, (*_DEALT_WITH, "userinfo_signed_response_alg") if plain else _DEALT_WITH)
