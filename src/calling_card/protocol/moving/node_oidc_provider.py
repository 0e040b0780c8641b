"""Clients as the adapters of node-oidc-provider keep them: payloads of the model ``Client``, with their secrets in clear text."""

import json
from collections.abc import Iterator
from typing import cast

from calling_card.protocol.clients import JSON
from calling_card.protocol.moving.arrivals import Arrival, Said, Unmovable, each, in_our_words, objects

_MODEL = ("Client", 7)
"""By name, and by its number in the tables of SQL adapters."""
_DEALT_WITH = ("client_id_issued_at", "iat", "exp", "jti", "kind")


def arrivals(file: JSON) -> Iterator[Arrival | Unmovable]:
    """Every client of a list of payloads, of rows with a payload each, or of an object from keys such as ``oidc:Client:ID`` to payloads."""
    return each(_payloads(file), _arrival, "id")


def _payloads(file: JSON) -> Iterator[Said]:
    """Each payload by itself, unread: one that cannot be read does not stand in the way of the next."""
    if isinstance(file, dict) and "client_id" not in file and "payload" not in file:
        yield from ({"payload": value} for key, value in file.items() if "Client" in key.split(":"))
        return
    for row in objects(file):
        if "payload" not in row:
            yield {"payload": dict(row)}
        elif row.get("type", row.get("model", "Client")) in _MODEL:
            yield row


def _payload(value: JSON) -> Said:
    """A payload is an object, or its JSON as text."""
    if isinstance(value, str):
        try:
            value = cast(JSON, json.loads(value))
        except ValueError:
            raise Unmovable("its payload is no JSON") from None
    if not isinstance(value, dict):
        raise Unmovable("its payload is no JSON object")
    return value


def _arrival(row: Said) -> Arrival:
    return in_our_words(_payload(row["payload"]), _DEALT_WITH)
