"""What a client publishes about itself: whether it may, and what card it makes (CIMD §4, seed 004; D-20 to D-29, D-34, D-51)."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import msgspec

from calling_card.protocol.abroad.addresses import host_of, same_origin, split_url
from calling_card.protocol.abroad.clientids import Customs, Named
from calling_card.protocol.card.ground import Ground
from calling_card.protocol.card.keysets import keys_of, shows_secrets
from calling_card.protocol.clients import JSON, Card, Route, words
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.policy.rules import ASKING_GRANTS, Rules

METHOD = "token_endpoint_auth_method"
METHODS = "token_endpoint_auth_methods_supported"
SERVED = ("private_key_jwt", "none")
"""How a URL client may authenticate; of several that it can do, the first (H-12)."""
ISSUED = ("client_secret", "client_secret_expires_at", "registration_access_token", "registration_client_uri")
"""Members that only a server could have given, so that nobody publishes them (D-25)."""
SIGNIFICANT = (
    *("redirect_uris", "jwks", "jwks_uri", METHOD, "client_name", "logo_uri", "scope", "grant_types"),
    *("subject_type", "sector_identifier_uri"),
)
"""Members whose change makes a client another in people's eyes (D-34)."""
KEYS = ("jwks", "jwks_uri", METHOD)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a client's document, and how reading it went since; the newest is in force for new requests (C-30)."""

    client_key: bytes
    number: int
    """From 1."""
    url: str
    """Where it was read; empty: nowhere, it follows from the client_id alone."""
    body: bytes
    digest: bytes
    """SHA-256 of ``body``."""
    metadata: bytes
    """The card that it made, as compact JSON."""
    decision: bytes
    etag: str
    last_modified: str
    seen_at: int
    """When it was first read, seconds since 1970."""
    checked_at: int
    """When it was last found to be in force."""
    fresh_until: int
    stale_until: int
    """Until when it may stand in while its host does not answer (D-46)."""
    failed_at: int = 0
    """When reading it last failed since ``checked_at``; 0: it did not."""
    failure: str = ""
    """Why: the name of a `Why`, or the code of a refusal."""
    gone_at: int = 0
    """Since when its host says that it is gone; 0: it does not."""


@dataclass(frozen=True, slots=True)
class Published:
    """A document beside the client_id it was read for."""

    named: Named
    said: Mapping[str, JSON]
    customs: Customs
    now: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must be true of a document, before its members are judged like those of any registration."""

    name: str
    section: str
    meaning: str
    check: Callable[[Published], str]
    """What is wrong, the member first; empty: nothing."""
    no: No = No.INVALID_CLIENT_METADATA


def check(published: Published) -> None:
    """Raises `Refusal` for the first rule that is broken."""
    for rule in RULES:
        problem = rule.check(published)
        if problem:
            raise Refusal(rule.no, f"{problem} ({rule.section.replace('§', 'section ')})")


def said_by(published: Published) -> Card:
    """What goes on to the vocabulary: the document without its client_id, with one method of authentication (H-12, C-23)."""
    card: Card = {name: value for name, value in published.said.items() if name not in ("client_id", METHODS, METHOD)}
    return {**card, METHOD: _method(published)}


def ground_for(ground: Ground) -> Ground:
    """A document is written for many servers: what this one does not serve is left out of it, never refused (D-27, D-29)."""
    grants = tuple(grant for grant in ground.grant_types if grant in ASKING_GRANTS)
    default = tuple(grant for grant in ground.default_grant_types if grant in grants) or ("authorization_code",)
    return replace(
        ground,
        strict=False,
        auth_methods=SERVED,
        grant_types=grants,
        default_grant_types=default,
        unknown_refused=False,
        unknown_scopes_refused=False,
    )


def rules_for(rules: Rules) -> Rules:
    """The ceilings of clients that proved to have a URL and nothing else."""
    return replace(rules, name="URL")


def digest(body: bytes) -> bytes:
    """What tells one version from another."""
    return hashlib.sha256(body).digest()


def changed(before: Card, after: Card) -> list[str]:
    """The significant members, in any language, that are not what they were (D-34)."""
    names = dict.fromkeys((*before, *after))
    return [name for name in names if name.partition("#")[0] in SIGNIFICANT and before.get(name) != after.get(name)]


def expires_at(said: Mapping[str, object]) -> int:
    """Until when the client wants to be known, in seconds since 1970; 0: it does not say (CIMD, open points; D-66)."""
    value = said.get("client_id_expires_at")
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 2**40 else 0


def leaks(said: Mapping[str, JSON]) -> bool:
    """Whether private or symmetric keys are published: whatever they were for, they are everybody's now (D-26)."""
    jwks = said.get("jwks")
    return isinstance(jwks, dict) and shows_secrets(jwks)


def over(version: Version, now: int) -> bool:
    """Whether the client wanted to be known no longer than until now (D-66)."""
    return 0 < expires_at(msgspec.json.decode(version.body, type=dict[str, object])) <= now


def warnings(published: Published) -> list[str]:
    """What an operator should know of a document that was taken: a secret method that was read as none, foreign redirects."""
    found: list[str] = []
    if published.named.route is Route.LOOKER and any(map(_is_shared, _methods(published))):
        found.append(f"{METHOD}: auth_method_downgraded, a discovered client has no secret")
    if published.customs.redirects == "warn" and (foreign := foreign_redirects(published)):
        found.append(f"redirect_uris: {foreign[0]} is not the origin of the client_id")
    return found


def _methods(published: Published) -> list[str]:
    """The methods a document names, in its order; the list of several wins over the single one (OIDC RP Metadata Choices §2)."""
    several = [method for method in words(published.said.get(METHODS)) if method]
    one = published.said.get(METHOD)
    return several or ([one] if isinstance(one, str) and one else [])


def _method(published: Published) -> str:
    """``private_key_jwt`` where there are keys for it, else ``none`` where that is served, else what the document says."""
    methods = _methods(published)
    if published.named.route is Route.LOOKER and published.customs.public:
        return "none"
    if "private_key_jwt" in methods and (_has_keys(published.said) or methods == ["private_key_jwt"]):
        return "private_key_jwt"
    others = [method for method in methods if method != "private_key_jwt" and not _is_shared(method)]
    return others[0] if others and "none" not in others else "none"


def _has_keys(said: Mapping[str, JSON]) -> bool:
    return "jwks_uri" in said or bool(keys_of(said.get("jwks")))


def _is_shared(method: str) -> bool:
    return method.startswith("client_secret_")


# ── The rules, in the order in which they are told ───────────────────────────────────────────────────────────────────


def _same_id(published: Published) -> str:
    said, named = published.said.get("client_id"), published.named
    if said is None and named.route is Route.LOOKER:
        return ""
    if not isinstance(said, str):
        return "client_id: must be in the document"
    if said == named.client_id:
        return ""
    return "client_id: must be the URL of the client, character by character"


def _nothing_issued(published: Published) -> str:
    """Even an empty one shows that somebody publishes what is nobody's business."""
    found = next((name for name in ISSUED if name in published.said), "")
    return f"{found}: must not be published; whatever secret it was is none any more" if found else ""


def _no_secret_method(published: Published) -> str:
    methods = _methods(published)
    if published.named.route is Route.LOOKER or not methods or not all(map(_is_shared, methods)):
        return ""
    return f"{METHOD}: methods with a shared secret cannot work here; say none or private_key_jwt"


def _redirects(published: Published) -> str:
    return "" if words(published.said.get("redirect_uris")) else "redirect_uris: must be an array with at least one URI"


def _living(published: Published) -> str:
    ends = expires_at(published.said)
    return "client_id_expires_at: is over" if 0 < ends <= published.now else ""


def _name(published: Published) -> str:
    name = published.said.get("client_name")
    missing = published.customs.named and not (isinstance(name, str) and name)
    return "client_name: is missing, and this server shows it to people" if missing else ""


def _origin(published: Published) -> str:
    """Redirects to this device have no origin to compare (D-51)."""
    if published.customs.redirects != "enforce" or published.named.hosted:
        return ""
    foreign = foreign_redirects(published)
    return f"redirect_uris: this server wants the origin of the client_id, not {foreign[0]}" if foreign else ""


def foreign_redirects(published: Published) -> list[str]:
    """The hosts of redirect URIs on the web that are on another origin than the client_id."""
    own = published.named.client_id
    return [host_of(uri) for uri in words(published.said.get("redirect_uris")) if uri.startswith("https:") and not same_origin(uri, own)]


def _native_redirects(published: Published) -> str:
    """Where atproto clients may come back to (atproto OAuth, clients)."""
    scope = published.said.get("scope")
    if not published.customs.atproto or not isinstance(scope, str) or "atproto" not in scope.split():
        return ""
    own = ".".join(reversed(published.named.host.split(".")))
    for uri in words(published.said.get("redirect_uris")):
        problem = _native_problem(uri, own, virtual=not published.named.places)
        if problem:
            return f"redirect_uris: {problem}"
    return ""


def _native_problem(uri: str, own: str, *, virtual: bool) -> str:
    try:
        url = split_url(uri)
    except ValueError:
        return ""  # the vocabulary says it better
    if url.scheme == "http":
        return "" if url.host in ("127.0.0.1", "[::1]") else "http is for 127.0.0.1 and [::1] with atproto, not for localhost"
    if virtual:
        return "a client at localhost comes back to 127.0.0.1 or [::1]"
    return "" if url.scheme in ("https", own) else f"a private-use scheme must be {own} with atproto"


RULES: tuple[Rule, ...] = (
    Rule("client_id", "CIMD §4.1", "Its client_id is the URL it was read for.", _same_id),
    Rule("issued", "CIMD §4.1", "It holds nothing that only a server can give.", _nothing_issued),
    Rule("method", "CIMD §4.1", "It authenticates without a shared secret.", _no_secret_method),
    Rule("redirects", "RFC 7591 §2", "It has redirect URIs.", _redirects, No.INVALID_REDIRECT_URI),
    Rule("expiry", "CIMD", "It has not expired.", _living),
    Rule("name", "RFC 7591 §2", "It has a name where the operator wants one.", _name),
    Rule("origin", "CIMD §8.1", "Its redirect URIs are on its own origin where the operator wants that.", _origin, No.INVALID_REDIRECT_URI),
    Rule("native", "atproto OAuth", "Redirects of atproto clients are on its list of kinds.", _native_redirects, No.INVALID_REDIRECT_URI),
)
