"""The shape of a client information response as JSON Schema, made from the rows (RFC 7591 §3.2.1, RFC 7592 §3)."""

from calling_card.protocol.card.ground import Limits
from calling_card.protocol.card.vocabulary import MEMBERS, Kind, Member
from calling_card.protocol.clients import JSON

_ALWAYS: list[JSON] = ["client_id", "redirect_uris", "token_endpoint_auth_method", "grant_types", "response_types"]


def client_information_schema() -> dict[str, JSON]:
    """One schema for every answer that describes a client, JSON Schema 2020-12; extension members may follow their own."""
    kept = [row for row in MEMBERS.values() if not row.unread]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Client information response",
        "type": "object",
        "properties": {row.name: member_schema(row) for row in kept},
        "patternProperties": {f"^{row.name}#": _shape(row) for row in kept if row.i18n},
        "additionalProperties": {"not": {"enum": [None, ""]}},
        "required": _ALWAYS,
        "dependentRequired": {
            "client_secret": ["client_secret_expires_at"],
            "registration_access_token": ["registration_client_uri"],
            "registration_client_uri": ["registration_access_token"],
        },
    }


def member_schema(row: Member) -> dict[str, JSON]:
    """What one member looks like when it is there; never null, never empty text."""
    return {"description": f"{row.meaning} ({row.section})", **_shape(row)}


def _shape(row: Member) -> dict[str, JSON]:
    limits = Limits()
    if row.kind in _LISTS:
        longest = limits.opaque if row.kind is Kind.TEXTS else limits.url
        items = _words(row, {"type": "string", "minLength": 1, "maxLength": longest})
        return {"type": "array", "items": items, "maxItems": row.limit(limits) if row.limit else limits.items, "uniqueItems": True}
    if row.kind in _PLAIN:
        return dict(_PLAIN[row.kind])
    if row.kind is Kind.URL:
        return {"type": "string", "format": "uri", "maxLength": limits.url}
    if row.kind is Kind.TEXT:
        return {"type": "string", "minLength": 1, "maxLength": row.limit(limits) if row.limit else limits.opaque}
    return _words(row, {"type": "string", "minLength": 1})


def _words(row: Member, otherwise: dict[str, JSON]) -> dict[str, JSON]:
    """The values that the specifications name, where that list is closed."""
    return {"enum": list(row.known)} if row.known else otherwise


_LISTS = frozenset({Kind.URLS, Kind.CALLBACKS, Kind.ORIGINS, Kind.CHOICES, Kind.TEXTS})
_PLAIN: dict[Kind, dict[str, JSON]] = {
    Kind.NUMBER: {"type": "integer", "minimum": 0},
    Kind.FLAG: {"type": "boolean"},
    Kind.KEYS: {"type": "object", "properties": {"keys": {"type": "array", "items": {"type": "object"}}}, "required": ["keys"]},
    Kind.OBJECT: {"type": "object", "additionalProperties": {"type": "object"}},
}
