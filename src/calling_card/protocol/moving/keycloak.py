"""Clients as Keycloak exports them: of a realm (``kc.sh export``, partial export) or one by one from the console."""

from collections.abc import Iterator
from typing import cast

from calling_card.protocol.clients import JSON, Card
from calling_card.protocol.moving.arrivals import Arrival, Said, Unmovable, checked_id, each, objects, text

OWN = frozenset({"account", "account-console", "admin-cli", "broker", "realm-management", "security-admin-console"})
"""Clients that every realm has for Keycloak itself."""

_FLOWS = (
    ("standardFlowEnabled", True, "authorization_code"),
    ("serviceAccountsEnabled", False, "client_credentials"),
    ("implicitFlowEnabled", False, "implicit"),
    ("directAccessGrantsEnabled", False, "password"),
)
"""Switch, what it is when it is not written, and the grant type it stands for."""

_METHODS = {
    "client-secret": "client_secret_basic",
    "client-jwt": "private_key_jwt",
    "client-secret-jwt": "client_secret_jwt",
    "client-x509": "tls_client_auth",
}

_ATTRIBUTES = {
    "jwks.url": "jwks_uri",
    "logoUri": "logo_uri",
    "policyUri": "policy_uri",
    "tosUri": "tos_uri",
    "backchannel.logout.url": "backchannel_logout_uri",
    "frontchannel.logout.url": "frontchannel_logout_uri",
    "id.token.signed.response.alg": "id_token_signed_response_alg",
    "user.info.response.signature.alg": "userinfo_signed_response_alg",
}
_MASKED = "**********"


def arrivals(file: JSON) -> Iterator[Arrival | Unmovable]:
    """Every OpenID Connect client of a realm, of several, of a list of clients, or the one client; Keycloak's own are left out."""
    return each(_clients(file), _arrival, "clientId")


def _clients(file: JSON) -> Iterator[Said]:
    for one in objects(file):
        if "clientId" in one:
            if text(one.get("clientId")) not in OWN and not text(one.get("clientId")).endswith("-realm"):
                yield one
        elif "clients" in one:
            yield from _clients(one["clients"])
        else:
            raise Unmovable("the file is neither a realm nor a client of Keycloak")


def _arrival(one: Said) -> Arrival:
    client_id = checked_id(one.get("clientId"))
    if one.get("protocol", "openid-connect") != "openid-connect":
        raise Unmovable(f"is a client of {text(one.get('protocol'))}, which is not spoken here")
    if one.get("bearerOnly"):
        raise Unmovable("is bearer-only, a resource server; make it known with: calling-card resource add")
    uris, notes = _redirects(one)
    card: Card = {"redirect_uris": uris, "token_endpoint_auth_method": _method(one), "grant_types": _grants(one)}
    card["response_types"] = ["code"] if "authorization_code" in _grants(one) else []
    names = {"client_name": one.get("name") or one.get("clientId"), "client_uri": one.get("baseUrl") or one.get("rootUrl")}
    card |= {name: value for name, value in names.items() if isinstance(value, str) and _is_plain(value)}
    more, unheard = _attributes(one)
    secret = text(one.get("secret")) if _method(one).startswith("client_secret") else ""
    if secret == _MASKED:
        raise Unmovable("its secret is masked; export the realm with kc.sh export, which writes secrets")
    scope = " ".join(_scopes(one))
    if scope:
        card["scope"] = scope
    return Arrival(client_id, card | more, secret=secret, suspended=one.get("enabled") is False, notes=(*notes, *_lost(one), *unheard))


def _is_plain(value: str) -> bool:
    """``${client_account}`` and the like are names of Keycloak's own translations; a path alone is no address."""
    return not value.startswith(("${", "/"))


def _method(one: Said) -> str:
    if one.get("publicClient"):
        return "none"
    kind = text(one.get("clientAuthenticatorType")) or "client-secret"
    if kind not in _METHODS:
        raise Unmovable(f"clientAuthenticatorType: {kind[:40]} has no counterpart here")
    return _METHODS[kind]


def _grants(one: Said) -> list[JSON]:
    """Keycloak gives a refresh token with every code, without a switch."""
    grants = [grant for switch, unsaid, grant in _FLOWS if one.get(switch, unsaid)]
    return [*grants, "refresh_token"] if "authorization_code" in grants else [*grants]


def _redirects(one: Said) -> tuple[list[JSON], list[str]]:
    """The redirect URIs as they stand, after the root; a wildcard stands for addresses that nobody registered."""
    root = text(one.get("rootUrl")).rstrip("/")
    uris: list[JSON] = []
    notes: list[str] = []
    written = one.get("redirectUris")
    for uri in written if isinstance(written, list) else []:
        full = f"{root}{uri}" if isinstance(uri, str) and uri.startswith("/") else uri
        if "*" in text(full):
            notes.append(f"redirectUris: {text(full)[:200]} has a wildcard; name each address that is used")
        else:
            uris.append(full)
    return uris, notes


def _attributes(one: Said) -> tuple[Card, list[str]]:
    """What Keycloak keeps among its attributes and this server as a member; the rest is left out in silence, for most is Keycloak's own."""
    written = one.get("attributes")
    said: Said = cast(Said, written) if isinstance(written, dict) else {}
    card: Card = {name: text(said[key]) for key, name in _ATTRIBUTES.items() if _says(said.get(key))}
    after = text(said.get("post.logout.redirect.uris"))
    listed = [uri for uri in after.split("##") if uri and uri not in ("+", "-")]
    wild = [uri for uri in listed if "*" in uri]
    plain: list[JSON] = [uri for uri in listed if "*" not in uri]
    if plain:
        card["post_logout_redirect_uris"] = plain
    return card, [f"post.logout.redirect.uris: {uri[:200]} has a wildcard" for uri in wild]


def _says(value: JSON) -> bool:
    """``any`` and ``unsigned`` are Keycloak's words for nothing in particular."""
    return isinstance(value, str) and value not in ("", "any", "unsigned")


def _scopes(one: Said) -> list[str]:
    """The scopes that the client has or may ask for; ``openid`` is understood at Keycloak and said here."""
    listed: list[str] = []
    for name in ("defaultClientScopes", "optionalClientScopes"):
        found = one.get(name)
        listed += [scope for scope in (found if isinstance(found, list) else []) if isinstance(scope, str)]
    return ["openid", *dict.fromkeys(listed)] if listed else []


def _lost(one: Said) -> list[str]:
    """What works at Keycloak and will not here."""
    origins = one.get("webOrigins")
    lost: list[str] = []
    if isinstance(origins, list) and origins:
        lost.append("webOrigins: every origin may call the endpoints that browsers need here; the list is not kept")
    if one.get("protocolMappers"):
        lost.append("protocolMappers: claims are not mapped here")
    if one.get("authorizationServicesEnabled"):
        lost.append("authorizationServicesEnabled: permissions stay with the resource server here")
    return lost
