"""The server metadata: a row each, listed only while the feature behind it works (RFC 8414 §2, OIDC Discovery §3)."""

from collections.abc import Callable
from dataclasses import dataclass

from calling_card.protocol.clients import JSON, Card
from calling_card.protocol.persons.authorization import MODES, PROMPTS
from calling_card.protocol.persons.people import CLAIMS


@dataclass(frozen=True, slots=True)
class Served:
    """What this server does now; everything the documents say follows from it."""

    issuer: str
    registration_endpoint: str
    """Empty: registration is closed."""
    endpoints: dict[str, str]
    """Endpoint name (``token``, ``jwks``, ``introspection``, ``revocation``) to URL."""
    grant_types: tuple[str, ...]
    auth_methods: tuple[str, ...]
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    algs: tuple[str, ...]
    """JWS algorithms of ID tokens."""
    languages: tuple[str, ...]
    """Of the pages."""
    assertion_algs: tuple[str, ...] = ()
    """JWS algorithms of client assertions."""
    cimd: bool = False
    """Whether a URL as client_id is read as a client metadata document."""
    looker: bool = False
    """Whether ``client_discovery=true`` is taken."""
    service_documentation: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One metadata member and where its value comes from; empty values are left out (RFC 8414 §3.2)."""

    name: str
    section: str
    meaning: str
    value: Callable[[Served], JSON]


def _always(value: JSON) -> Callable[[Served], JSON]:
    """What is so whatever the settings say."""
    return lambda _: value


def _confidential(served: Served) -> list[JSON]:
    return [method for method in served.auth_methods if method != "none"]


def _assertion_algs(served: Served) -> list[JSON]:
    """Needed exactly where a method with a JWT is served (RFC 8414 §2)."""
    return list(served.assertion_algs) if {"client_secret_jwt", "private_key_jwt"} & set(served.auth_methods) else []


MEMBERS: tuple[Member, ...] = (
    Member("issuer", "RFC 8414 §2", "The issuer, byte for byte as in tokens.", lambda s: s.issuer),
    Member("authorization_endpoint", "RFC 8414 §2", "Where clients send people.", lambda s: s.endpoints["authorization"]),
    Member("token_endpoint", "RFC 8414 §2", "Where tokens are asked for.", lambda s: s.endpoints["token"]),
    Member("jwks_uri", "RFC 8414 §2", "Where our public keys are.", lambda s: s.endpoints["jwks"]),
    Member("registration_endpoint", "RFC 8414 §2", "Where clients register.", lambda s: s.registration_endpoint),
    Member("scopes_supported", "RFC 8414 §2", "Scopes a client may ask for.", lambda s: list(s.scopes)),
    Member("response_types_supported", "RFC 8414 §2", "What the authorization endpoint answers with.", _always(["code"])),
    Member("response_modes_supported", "RFC 8414 §2", "How it answers.", _always(list(MODES))),
    Member("code_challenge_methods_supported", "RFC 8414 §2", "How a code is bound to who asked for it.", _always(["S256"])),
    Member("authorization_response_iss_parameter_supported", "RFC 9207 §3", "Every answer names the issuer.", _always(True)),
    Member("prompt_values_supported", "OIDC Prompt Create §4.2", "What a client may ask us to ask.", _always(list(PROMPTS))),
    Member("ui_locales_supported", "RFC 8414 §2", "Languages of the pages.", lambda s: list(s.languages)),
    Member("userinfo_endpoint", "OIDC Discovery §3", "Claims about the person.", lambda s: s.endpoints["userinfo"]),
    Member("subject_types_supported", "OIDC Discovery §3", "Every client sees the same subject.", _always(["public"])),
    Member("id_token_signing_alg_values_supported", "OIDC Discovery §3", "How ID tokens are signed.", lambda s: list(s.algs)),
    Member(
        "claims_supported",
        "OIDC Discovery §3",
        "Claims we may know.",
        _always(["sub", *(name for names in CLAIMS.values() for name in names)]),
    ),
    Member("userinfo_signing_alg_values_supported", "OIDC Discovery §3", "How userinfo may be signed.", lambda s: list(s.algs)),
    Member("claims_parameter_supported", "OIDC Discovery §3", "Whether single claims can be asked for.", _always(False)),
    Member("request_parameter_supported", "OIDC Discovery §3", "Whether request objects are taken.", _always(False)),
    Member(
        "request_uri_parameter_supported",
        "OIDC Discovery §3",
        "Whether requests by reference are taken; true if left out.",
        _always(False),
    ),
    Member("grant_types_supported", "RFC 8414 §2", "Grants that give tokens now.", lambda s: list(s.grant_types)),
    Member("token_endpoint_auth_methods_supported", "RFC 8414 §2", "How clients authenticate.", lambda s: list(s.auth_methods)),
    Member("token_endpoint_auth_signing_alg_values_supported", "RFC 8414 §2", "How client assertions may be signed.", _assertion_algs),
    Member("introspection_endpoint", "RFC 8414 §2", "Where tokens are asked about.", lambda s: s.endpoints["introspection"]),
    Member("introspection_endpoint_auth_methods_supported", "RFC 8414 §2", "How callers authenticate there.", _confidential),
    Member("introspection_endpoint_auth_signing_alg_values_supported", "RFC 8414 §2", "How assertions are signed there.", _assertion_algs),
    Member("revocation_endpoint", "RFC 8414 §2", "Where tokens are given back.", lambda s: s.endpoints["revocation"]),
    Member("revocation_endpoint_auth_methods_supported", "RFC 8414 §2", "How clients authenticate there.", lambda s: list(s.auth_methods)),
    Member("revocation_endpoint_auth_signing_alg_values_supported", "RFC 8414 §2", "How assertions are signed there.", _assertion_algs),
    Member(
        "client_id_metadata_document_supported", "CIMD §6", "Whether a client_id may be the URL of its document.", lambda s: s.cimd or ""
    ),
    Member(
        "client_discovery_supported",
        "OAuth Client Discovery",
        "Whether client_discovery=true has a client's metadata read below its client_id.",
        lambda s: s.looker or "",
    ),
    Member("service_documentation", "RFC 8414 §2", "Where developers read more.", lambda s: s.service_documentation),
    Member("protected_resources", "RFC 9728 §4", "Resource servers known here.", lambda s: list(s.resources)),
)

if len({member.name for member in MEMBERS}) != len(MEMBERS):  # pragma: no cover - a mistake in the table
    raise ValueError("a metadata member is described twice")


def document(served: Served) -> Card:
    """The metadata of this server, without members that have nothing to say."""
    made = {member.name: member.value(served) for member in MEMBERS}
    return {name: value for name, value in made.items() if value not in ("", [])}
