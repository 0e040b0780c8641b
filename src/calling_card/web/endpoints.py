"""Every endpoint: a row each, from which routes, checks, metadata and the reference page follow."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from calling_card.ports import Ports
from calling_card.settings import BadSettings, Settings
from calling_card.web import account, authorize, documents, health, logos, metadata, registration, tokens
from calling_card.web.http import FORM, JSON, Answer, Request
from calling_card.web.registration import SIGNED, in_query

Handler: TypeAlias = Callable[[Ports, Request], Awaitable[Answer]]
_SCRIPTS = (
    (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key, MCP-Protocol-Version"),
    (b"access-control-max-age", b"600"),
)
"""What a script may send anywhere, and for how many seconds it need not ask again."""


@dataclass(frozen=True)
class Endpoint:
    """One endpoint."""

    name: str
    path: str
    """Behind the path of the issuer; ``{registration}`` is the setting ``registration_path``."""
    methods: Mapping[str, Handler]
    section: str
    meaning: str
    auth: str
    """Who may call."""
    media: tuple[bytes, ...] = ()
    """The types a body may have."""
    body_limit: int = 0
    """Bytes; 0: the setting ``body_limit``."""
    cors: bool = True
    """Whether scripts of any origin may call, without cookies (A-79, R-91)."""
    named: bool = False
    """Whether the server metadata names it."""
    well_known: bool = False
    """Also found with its name before the path of the issuer (RFC 8414 §3.1)."""
    below: bool = False
    """Everything under this path is meant, or what ends as it does."""
    page: bool = False
    """Whether people look at it: refusals become pages for those who want pages (H-28)."""
    setting: str = ""
    """Served while this setting is on; empty: always."""
    plain: bool = False
    """Whether it answers without TLS and past the proxy: a probe asks the process itself, and is told nothing else."""
    writes: bool | None = None
    """Whether its requests mostly have to wait for the disk; None: those whose method may change something."""

    @cached_property
    def allow(self) -> str:
        """Value of the ``Allow`` header."""
        names = list(self.methods)
        if "GET" in names:
            names.insert(1, "HEAD")
        return ", ".join([*names, "OPTIONS"])

    @cached_property
    def preflight(self) -> Answer:
        """OPTIONS: what a script may send here; the origin header is added with all others (R-91, M-53)."""
        allow = (b"allow", self.allow.encode())
        if not self.cors:
            return Answer(204, b"", (allow,))
        return Answer(204, b"", (allow, (b"access-control-allow-methods", ", ".join(self.methods).encode()), *_SCRIPTS))


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "registration",
        "{registration}",
        {"POST": registration.create},
        "RFC 7591 §3",
        "A client introduces itself.",
        "nobody, or an initial access token",
        media=(JSON, FORM),
    ),
    Endpoint(
        "recovery",
        "{registration}/{client_id}/recover",
        {"POST": registration.recover},
        "RFC 7592 §3",
        "A client that lost its registration access token gets another one; the lost one is dead.",
        "the client, by its registered method; its owner; or software with a statement",
        media=(FORM, JSON),
        below=True,
        setting="recovery",
    ),
    Endpoint(
        "management",
        "{registration}/{client_id}",
        {"GET": registration.show, "PUT": registration.change, "DELETE": registration.remove},
        "RFC 7592 §2",
        "A client reads, replaces and deletes its registration.",
        "the registration access token",
        media=(JSON,),
        below=True,
    ),
    Endpoint(
        "authorization",
        "/authorize",
        {"GET": authorize.start, "POST": authorize.start_by_form},
        "RFC 6749 §3.1",
        "A client sends a person here.",
        "anybody; then the person",
        media=(FORM,),
        body_limit=16384,
        named=True,
        cors=False,
        page=True,
        writes=True,
    ),
    Endpoint(
        "sign-in",
        "/sign-in",
        {"POST": authorize.sign_in_form, "GET": authorize.elsewhere},
        "OIDC Core §3.1.2.3",
        "The form with name and password, or a passkey.",
        "the browser that was given the form",
        media=(FORM,),
        body_limit=65536,
        cors=False,
        page=True,
    ),
    Endpoint(
        "consent",
        "/consent",
        {"POST": authorize.consent_form, "GET": authorize.elsewhere},
        "OIDC Core §3.1.2.4",
        "Yes or no.",
        "the signed-in person, in the browser that was given the form",
        media=(FORM,),
        body_limit=65536,
        cors=False,
        page=True,
    ),
    Endpoint(
        "account",
        "/account",
        {"GET": account.show, "POST": account.act},
        "DESIGN, People",
        "What I allowed, where I am signed in, how I sign in.",
        "the signed-in person",
        media=(FORM,),
        body_limit=65536,
        cors=False,
        page=True,
    ),
    Endpoint(
        "leave",
        "/leave",
        {"GET": account.leaving},
        "RFC 7591 §5",
        "Warns before a link of a client leads to a stranger's page.",
        "anybody with a link of ours",
        cors=False,
        page=True,
    ),
    Endpoint(
        "assets", "/assets/{name}", {"GET": account.asset}, "A-10", "Style and scripts of the pages.", "anybody", cors=False, below=True
    ),
    Endpoint(
        "logos",
        "/logos/{name}",
        {"GET": logos.show},
        "RFC 7591 §5",
        "The picture of a client, fetched and drawn anew by us.",
        "anybody with a link of ours",
        cors=False,
        below=True,
    ),
    Endpoint(
        "token",
        "/token",
        {"POST": tokens.token},
        "RFC 6749 §3.2",
        "An access token for a grant.",
        "the client, by its registered method",
        media=(FORM,),
        body_limit=16384,
        named=True,
    ),
    Endpoint(
        "introspection",
        "/introspect",
        {"POST": tokens.ask},
        "RFC 7662 §2",
        "Is this token alive, and what does it allow.",
        "a resource server, or the token's own client",
        media=(FORM,),
        body_limit=16384,
        named=True,
        cors=False,
        writes=False,
    ),
    Endpoint(
        "userinfo",
        "/userinfo",
        {"GET": tokens.who, "POST": tokens.who},
        "OIDC Core §5.3",
        "Claims about the person behind an access token.",
        "an access token with the scope openid",
        named=True,
    ),
    Endpoint(
        "revocation",
        "/revoke",
        {"POST": tokens.give_back},
        "RFC 7009 §2",
        "End a token.",
        "the client, by its registered method",
        media=(FORM,),
        body_limit=16384,
        named=True,
    ),
    Endpoint(
        "apps",
        "/api/v1/apps",
        {"POST": registration.create_app},
        "Mastodon API, apps §create",
        "An application introduces itself, as it would to Mastodon.",
        "nobody, or an initial access token",
        media=(FORM, JSON),
        setting="mastodon_registration",
    ),
    Endpoint("jwks", "/jwks", {"GET": metadata.keys}, "RFC 7517 §5", "Our public keys.", "anybody", named=True),
    Endpoint(
        "oauth-authorization-server",
        "/.well-known/oauth-authorization-server",
        {"GET": metadata.describe},
        "RFC 8414 §3",
        "The server metadata.",
        "anybody",
        well_known=True,
    ),
    Endpoint(
        "openid-configuration",
        "/.well-known/openid-configuration",
        {"GET": metadata.describe},
        "OIDC Discovery §4",
        "The server metadata at the place OpenID Connect clients look.",
        "anybody",
        well_known=True,
    ),
    Endpoint(
        "client-documents",
        "/client-documents/{id}",
        {"GET": documents.show},
        "CIMD, Development Purposes",
        "A client metadata document that an operator put here for a developer.",
        "anybody",
        below=True,
        setting="client_documents",
    ),
    Endpoint("healthz", "/healthz", {"GET": health.alive}, "H-24", "The process answers.", "anybody", cors=False, plain=True),
    Endpoint("readyz", "/readyz", {"GET": health.ready}, "H-24", "The store and the keys can be used.", "anybody", cors=False, plain=True),
)

NAMED: Mapping[str, str] = {endpoint.name: endpoint.path for endpoint in ENDPOINTS if endpoint.named}


@dataclass(frozen=True, slots=True)
class Routes:
    """The table as the server walks it: fixed paths by dictionary, and what lies below one."""

    fixed: Mapping[str, Endpoint]
    below: tuple[tuple[str, str, Endpoint], ...]
    """How a path begins and ends, the narrower one first."""
    by_query: Mapping[str, Endpoint]
    """What a path means when the query names a client (setting ``management_by_query``)."""

    def find(self, path: str, request: Request) -> Endpoint | None:
        """The endpoint of a decoded path; a POST is a registration whatever its query says."""
        if path in self.by_query and request.method != "POST" and in_query(request, "client_id") is not None:
            return self.by_query[path]
        found = self.fixed.get(path)
        if found is None:
            for prefix, end, endpoint in self.below:
                if path.startswith(prefix) and path.endswith(end):
                    return endpoint
        return found


def _served(settings: Settings) -> Iterator[Endpoint]:
    """The rows that these settings leave, with the types of body that they take."""
    for endpoint in ENDPOINTS:
        if endpoint.setting and not getattr(settings, endpoint.setting):
            continue
        yield replace(endpoint, media=_media(settings, endpoint))


def _media(settings: Settings, endpoint: Endpoint) -> tuple[bytes, ...]:
    """What a body may be: the form of 2011 and signed requests only where they are switched on (R-76, R-82)."""
    if endpoint.name == "registration" and not settings.legacy_registration:
        return (JSON, *(SIGNED if settings.signed_registration else ()))
    signed = endpoint.name in ("registration", *_MANAGING) and settings.signed_registration
    return (*endpoint.media, *SIGNED) if signed else endpoint.media


_MANAGING = ("recovery", "management")
"""Endpoints of clients that are there: none of them without the setting ``management``."""


def routes(settings: Settings) -> Routes:
    """Where each endpoint is found under this issuer; management only while it is switched on.

    Raises `BadSettings` when the registration endpoint would stand where another one does.
    """
    fixed: dict[str, Endpoint] = {}
    below: list[tuple[str, str, Endpoint]] = []
    by_query: dict[str, Endpoint] = {}
    for endpoint in _served(settings):
        path = endpoint.path.replace("{registration}", settings.registration_path)
        if endpoint.below:
            prefix, end = settings.base_path + path.partition("{")[0], path.partition("}")[2]
            if settings.management or endpoint.name not in _MANAGING:
                below.append((prefix, end, endpoint))
            if endpoint.name == "management" and settings.management and settings.management_by_query:
                by_query[prefix.removesuffix("/")] = endpoint
            continue
        places = {settings.base_path + path, *((path + settings.base_path,) if endpoint.well_known else ())}
        if not places.isdisjoint(fixed):
            raise BadSettings(f"registration_path: {settings.registration_path} is the path of another endpoint: {endpoint.name}")
        fixed.update(dict.fromkeys(places, endpoint))
    return Routes(fixed, tuple(below), by_query)
