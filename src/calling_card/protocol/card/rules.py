"""The rules that rows refer to: what a value may be, what members mean beside each other, and how lists agree (RFC 7591 §2.1)."""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from ipaddress import ip_address

import msgspec

from calling_card.protocol.abroad.addresses import host_of, same_origin
from calling_card.protocol.card.ground import Ground
from calling_card.protocol.card.keysets import keys_of
from calling_card.protocol.clients import JSON, Card, holds, texts_of
from calling_card.protocol.members.row import Agreement
from calling_card.protocol.syntax import echo

METHOD = "token_endpoint_auth_method"
SECTOR = "sector_identifier_uri"
CIBA = "urn:openid:params:grant-type:ciba"
REDIRECT_GRANTS = ("authorization_code", "implicit")
"""Grants that send the browser back to the client."""

_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_SYMMETRIC = re.compile(r"HS\d+|dir|A\d+(?:GCM)?KW|PBES2-.+")
_DNS_NAME = re.compile(r"(?:\*\.)?(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_DISTINGUISHED = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)\s*=.*", re.DOTALL)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_METHODS_WITH_JWT = ("client_secret_jwt", "private_key_jwt")
_METHODS_WITH_KEY = ("private_key_jwt", "self_signed_tls_client_auth")
_METHODS_WITH_CERTIFICATE = ("tls_client_auth", "self_signed_tls_client_auth")


# ── One value ────────────────────────────────────────────────────────────────────────────────────────────────────────


def email(value: str, ground: Ground) -> str:
    """An e-mail address by form; whether it works shows when it is used (RFC 5321 §4.1.2)."""
    return "" if ground.any_contact or _ADDRESS.fullmatch(value) else "is not an e-mail address"


def https_in_production(value: str, ground: Ground) -> str:
    """A server that is itself on https shows nothing that comes over http (RFC 7591 §5)."""
    return "must begin with https://" if value[:5].lower() == "http:" and ground.issuer.startswith("https:") else ""


def signs(value: str, ground: Ground) -> str:
    """An algorithm that really signs (RFC 8725 §3.2)."""
    del ground
    return "must not be none" if value == "none" else ""


def asymmetric(value: str, ground: Ground) -> str:
    """An algorithm with a key pair (CIBA §4)."""
    return signs(value, ground) or ("must be an algorithm with a key pair" if is_symmetric(value) else "")


def dns_name(value: str, ground: Ground) -> str:
    """A name in a certificate (RFC 8705 §2.1.2)."""
    del ground
    return "" if _DNS_NAME.fullmatch(value) else "is not a DNS name"


def distinguished_name(value: str, ground: Ground) -> str:
    """A subject in a certificate, as a text (RFC 4514 §2)."""
    del ground
    return "" if _DISTINGUISHED.fullmatch(value) else "is not a distinguished name like CN=client,O=Example (RFC 4514 section 2)"


def ip(value: str, ground: Ground) -> str:
    """An address in a certificate (RFC 8705 §2.1.2)."""
    del ground
    try:
        ip_address(value)
    except ValueError:
        return "is not an IP address"
    return ""


def certificate_uri(value: str, ground: Ground) -> str:
    """A URI in a certificate: an absolute one of any scheme (RFC 8705 §2.1.2)."""
    del ground
    return "" if _ABSOLUTE.fullmatch(value) else "is not an absolute URI"


def is_symmetric(alg: JSON) -> bool:
    """Whether an algorithm works with the client's secret (OIDC Core §10.1, §10.2)."""
    return isinstance(alg, str) and _SYMMETRIC.fullmatch(alg) is not None


def in_any_order(value: str) -> str:
    """A response type with its words sorted: their order means nothing (OAuth Multiple Response Types §2)."""
    return " ".join(sorted(value.split(" "))) if " " in value else value


# ── Lists that must agree ────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=64)
def grants_of(response_type: str) -> tuple[str, ...]:
    """The grants that a response type needs; ``none`` goes the way of the code (OIDC Registration §2)."""
    parts = response_type.split(" ")
    code = ("authorization_code",) if "code" in parts or "none" in parts else ()
    return (*code, "implicit") if "token" in parts or "id_token" in parts else code


def agree(grants: Sequence[str], types: Sequence[str]) -> tuple[list[str], list[str]]:
    """The parts of both lists that fit together: no response type without its grants, no redirect grant without a response type."""
    had = frozenset(grants)
    kept = [kind for kind in types if had.issuperset(grants_of(kind))]
    needed = frozenset[str]().union(*map(grants_of, kept))
    return [grant for grant in grants if grant in needed or grant not in REDIRECT_GRANTS], kept


def types_for(grants: Collection[str], served: Sequence[str]) -> list[str]:
    """The response types of a client that named its grants only."""
    types = ["code"] if "authorization_code" in grants else []
    if "implicit" in grants:
        types += [kind for kind in served if grants_of(kind) == ("implicit",)][:1]
    return types


def grants_for(types: Sequence[str], default: Sequence[str]) -> list[str]:
    """The grants of a client that named its response types only: what they need, and of the default what fits."""
    needed = [grant for kind in types for grant in grants_of(kind)]
    return list(dict.fromkeys([*needed, *(grant for grant in default if grant not in REDIRECT_GRANTS)]))


# ── One member beside the others ─────────────────────────────────────────────────────────────────────────────────────


def excludes(other: str) -> Agreement:
    """Not together with another member."""

    def agreement(card: Card, ground: Ground) -> str:
        del ground
        return f"excludes {other}; send one of them" if other in card else ""

    return agreement


def not_both_true(other: str) -> Agreement:
    """Two switches of which one may be on."""

    def agreement(card: Card, ground: Ground) -> str:
        del ground
        return f"and {other} must not both be true; choose one" if card.get(other) is True else ""

    return agreement


def needs(other: str) -> Agreement:
    """Only together with another member."""

    def agreement(card: Card, ground: Ground) -> str:
        del ground
        return "" if other in card else f"needs {other}"

    return agreement


def default_enc(card: Card, ground: Ground) -> str:
    """The content encryption of a client that named a key encryption only (OIDC Registration §2)."""
    del card
    served = ground.encryption_encs
    return "A128CBC-HS256" if "A128CBC-HS256" in served else next(iter(served), "")


def has_keys_for(alg: str) -> Agreement:
    """Encryption to a key pair needs the client's public keys (OIDC Core §10.2)."""

    def agreement(card: Card, ground: Ground) -> str:
        del ground
        return "" if is_symmetric(card[alg]) or _has_keys(card) else "needs jwks or jwks_uri with a key to encrypt to"

    return agreement


def method_of(endpoint: str) -> str:
    """The member that says how the client authenticates at an endpoint."""
    return f"{endpoint}_endpoint_auth_method"


def only_with_jwt(endpoint: str) -> Agreement:
    """A signing algorithm for authentication means something only where a JWT authenticates (OIDC Registration §2)."""

    def idle(card: Card, ground: Ground) -> str:
        del ground
        method = _method(card, endpoint)
        return "" if method in _METHODS_WITH_JWT else f"means nothing with {method_of(endpoint)} {method}"

    return idle


def fits_method(endpoint: str) -> Agreement:
    """HS* goes with the secret, all others with the key pair (OIDC Core §9)."""
    name = f"{endpoint}_endpoint_auth_signing_alg"

    def agreement(card: Card, ground: Ground) -> str:
        method = _method(card, endpoint)
        if card[name] not in ground.assertion_algs:
            return f"is not served; served are {', '.join(ground.assertion_algs)}"
        return "" if is_symmetric(card[name]) == (method == "client_secret_jwt") else f"does not go with {method_of(endpoint)} {method}"

    return agreement


def same_method(card: Card, ground: Ground) -> str:
    """Introspection and revocation take the method of the token endpoint when nothing else is said."""
    del ground
    method = card[METHOD]
    return method if isinstance(method, str) else ""


def as_at_token(endpoint: str) -> Agreement:
    """One method for all endpoints: another one would be a promise that is not kept (RFC 7591 §2, H-30)."""
    name = method_of(endpoint)

    def idle(card: Card, ground: Ground) -> str:
        del ground
        return "" if card[name] == card[METHOD] else f"must be that of {METHOD}, {card[METHOD]}, or left out: it is honoured everywhere"

    return idle


def not_alone(card: Card, ground: Ground) -> str:
    """A public client proves nothing, so it has no power of its own (RFC 6749 §4.4)."""
    del ground
    if card[METHOD] != "none" or not holds(card, "grant_types", "client_credentials"):
        return ""
    return "none excludes the grant type client_credentials: register with a secret, or without that grant (RFC 6749 section 4.4)"


def keys_for(endpoint: str) -> Agreement:
    """Methods that prove a key need one (OIDC Registration §2, RFC 8705 §2.2.2)."""
    name = method_of(endpoint)

    def agreement(card: Card, ground: Ground) -> str:
        del ground
        method = card[name]
        if method not in _METHODS_WITH_KEY:
            return ""
        if not _has_keys(card):
            return f"{method} needs jwks or jwks_uri with a public key"
        if method == "self_signed_tls_client_auth" and "jwks" in card and not any("x5c" in key for key in keys_of(card["jwks"])):
            return f"{method} needs a key with x5c (RFC 8705 section 2.2.2)"
        return ""

    return agreement


def one_subject(card: Card, ground: Ground) -> str:
    """A certificate is known by exactly one of five names (RFC 8705 §2.1.2)."""
    del ground
    if card[METHOD] != "tls_client_auth":
        return ""
    said = [name for name in card if name.startswith("tls_client_auth_")]
    return "" if len(said) == 1 else f"tls_client_auth needs exactly one tls_client_auth_* member, not {len(said)} (RFC 8705 section 2.1.2)"


def only_with_tls(card: Card, ground: Ground) -> str:
    """The subject of a certificate means something only where a certificate authenticates (RFC 8705 §2.1.2)."""
    del ground
    return "" if card[METHOD] == "tls_client_auth" else f"means nothing without {METHOD} tls_client_auth"


def only_with_certificates(card: Card, ground: Ground) -> str:
    """The aliases are for connections with a certificate (RFC 8705 §5)."""
    del ground
    if card[METHOD] in _METHODS_WITH_CERTIFICATE or card.get("tls_client_certificate_bound_access_tokens") is True:
        return ""
    return "means nothing without client certificates"


def only_with(other: str) -> Agreement:
    """Means something only beside another member."""

    def idle(card: Card, ground: Ground) -> str:
        del ground
        return "" if other in card else f"means nothing without {other}"

    return idle


def only_with_ciba(card: Card, ground: Ground) -> str:
    """Members of a grant that was not registered mean nothing (CIBA §4)."""
    del ground
    return "" if holds(card, "grant_types", CIBA) else f"means nothing without the grant type {CIBA}"


def says_how_to_deliver(card: Card, ground: Ground) -> str:
    """A CIBA client says how it learns that its token is ready (CIBA §4)."""
    del ground
    if not holds(card, "grant_types", CIBA) or "backchannel_token_delivery_mode" in card:
        return ""
    return f"with {CIBA} need backchannel_token_delivery_mode"


def has_endpoint_to_notify(card: Card, ground: Ground) -> str:
    """Ping and push go to an address (CIBA §4)."""
    del ground
    mode = card["backchannel_token_delivery_mode"]
    if mode == "poll" or "backchannel_client_notification_endpoint" in card:
        return ""
    return "needs backchannel_client_notification_endpoint unless it is poll"


def unsigned_in_code_flow_only(card: Card, ground: Ground) -> str:
    """An ID token that comes through the browser must be signed (OIDC Registration §2)."""
    del ground
    alg = card["id_token_signed_response_alg"]
    if alg != "none" or not any("id_token" in kind for kind in texts_of(card, "response_types")):
        return ""
    return "none is for clients that get no ID token from the authorization endpoint"


def default_id_token_alg(card: Card, ground: Ground) -> str:
    """RS256, or the first with a key pair that is served instead (OIDC Registration §2)."""
    del card
    if "RS256" in ground.signing_algs:
        return "RS256"
    return next((alg for alg in ground.signing_algs if not asymmetric(alg, ground)), "")


def one_sector(card: Card, ground: Ground) -> str:
    """Pairwise subjects need one host, or a file that names the sector (OIDC Core §8.1)."""
    del ground
    if card["subject_type"] != "pairwise" or SECTOR in card:
        return ""
    hosts = {host_of(uri) for uri in texts_of(card, "redirect_uris")}
    return "pairwise with redirect URIs on several hosts needs sector_identifier_uri (OIDC Core section 8.1)" if len(hosts) > 1 else ""


def sector_to_check(card: Card, before: Card | None) -> str:
    """Where the sector is listed, if the list or what must be in it is not as it was checked before (OIDC Registration §5); or empty."""
    checked = before is not None and all(before.get(name) == card.get(name) for name in (SECTOR, "redirect_uris"))
    url = card.get(SECTOR)
    return url if isinstance(url, str) and not checked else ""


def sector_problem(listed: bytes, card: Card) -> str:
    """What is wrong with the list of a sector; empty: every redirect URI is in it."""
    try:
        uris = msgspec.json.decode(listed, type=list[str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "must lead to a JSON array of strings"
    missing = [uri for uri in texts_of(card, "redirect_uris") if uri not in uris]
    return f"its list lacks the redirect URI '{echo(missing[0])}'" if missing else ""


def default_subject_type(card: Card, ground: Ground) -> str:
    """The first that is served."""
    del card
    return ground.subject_types[0]


def logout_over_https(name: str) -> Agreement:
    """Logout goes over https, except to confidential clients where that is enabled (OIDC Back-Channel Logout §2.2)."""

    def agreement(card: Card, ground: Ground) -> str:
        value = card[name]
        if not isinstance(value, str) or value[:6].lower() == "https:":
            return ""
        confidential = card[METHOD] != "none"
        return "" if ground.http_logout and confidential else "must begin with https://"

    return agreement


def beside_a_redirect(card: Card, ground: Ground) -> str:
    """The front-channel logout page is on the origin of a redirect URI (OIDC Front-Channel Logout §2)."""
    del ground
    page = card["frontchannel_logout_uri"]
    if isinstance(page, str) and any(same_origin(page, uri) for uri in texts_of(card, "redirect_uris")):
        return ""
    return "must share scheme, host and port with a redirect URI"


def _has_keys(card: Card) -> bool:
    return "jwks_uri" in card or bool(keys_of(card.get("jwks")))


def _method(card: Card, endpoint: str) -> JSON:
    return card.get(method_of(endpoint), card[METHOD])
