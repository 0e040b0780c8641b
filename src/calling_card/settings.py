"""The settings: one table, from which checks, help, the reference page and the environment names are made."""

import dataclasses
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TypeVar, cast, get_origin
from urllib.parse import SplitResult, urlsplit


class BadSettings(Exception):
    """A setting that cannot be used; the text names it, says why and what would do."""


T = TypeVar("T")

_PRINTABLE = re.compile(r"[!-~]+")
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")
_PASSWORD = re.compile(r"(?<=[?&]password=)[^&]*|(?<=://).*(?=@)")
"""What of a database's address nobody needs to see."""
_CENTURY = 36525
_AT_LEAST: Mapping[int, Sequence[str]] = {
    0: (
        "port",
        "secret_lifetime",
        "secret_overlap",
        "refresh_lifetime",
        "refresh_idle",
        "registration_rate",
        "invitation_rate",
        "network_rate",
        "host_rate",
        "software_rate",
        "change_rate",
        "meeting_rate",
        "never_used_limit",
        "log_repeats",
        "failure_rate",
        "recovery_rate",
        "imported_secret_rate",
        "recovering_days",
        "sign_in_rate",
        "prompt_rate",
        "metadata_max_age",
        "stale_if_error",
        "fetch_rate",
        "prune_never_used_hours",
        "prune_ended_days",
        "prune_idle_days",
        "prune_undo_days",
        "prune_warn_days",
        "sealed_not_before",
    ),
    100: ("database_connect_timeout", "database_statement_timeout", "database_lock_timeout", "database_idle_timeout"),
    1: (
        "workers",
        "database_lanes",
        "database_readers",
        "client_id_length",
        "document_limit",
        "recheck_interval",
        "fetch_limit",
        "fetch_host_limit",
        "assertion_lifetime",
        "opaque_token_lifetime",
        "jwt_lifetime",
        "id_token_lifetime",
        "session_lifetime",
        "registration_burst",
        "body_limit",
        "head_timeout",
        "body_timeout",
        "connections",
        "pass_limit",
        "tombstone_days",
        "sealed_days",
    ),
}
_AT_MOST: Mapping[int, Sequence[str]] = {
    65535: ("port",),
    256: ("workers", "database_lanes", "database_readers"),
    600_000: ("database_connect_timeout", "database_statement_timeout", "database_lock_timeout", "database_idle_timeout"),
    300: ("jwt_lifetime",),
    366: ("sealed_days",),
    2**32: ("sealed_not_before",),
    2048: ("client_id_length",),
    3600: ("head_timeout", "body_timeout", "assertion_lifetime"),
    60_000: ("pass_limit",),
    65536: ("document_limit",),
    2**20: (
        "body_limit",
        "registration_rate",
        "registration_burst",
        "invitation_rate",
        "network_rate",
        "host_rate",
        "software_rate",
        "change_rate",
        "meeting_rate",
        "log_repeats",
        "failure_rate",
        "recovery_rate",
        "imported_secret_rate",
        "sign_in_rate",
        "prompt_rate",
        "connections",
        "fetch_limit",
        "fetch_host_limit",
        "fetch_rate",
    ),
    2**30: ("never_used_limit",),
    _CENTURY: ("tombstone_days", "recovering_days", "prune_ended_days", "prune_idle_days", "prune_undo_days", "prune_warn_days"),
    _CENTURY * 24: ("prune_never_used_hours",),
    _CENTURY * 86400: (
        "secret_lifetime",
        "secret_overlap",
        "opaque_token_lifetime",
        "id_token_lifetime",
        "refresh_lifetime",
        "refresh_idle",
        "session_lifetime",
        "metadata_max_age",
        "stale_if_error",
        "recheck_interval",
    ),
}
"""How much of each number there may be; a signed access token cannot be called back, so five minutes are the most (H-26)."""


def _row(default: T, meaning: str, *choices: str) -> T:
    """One setting: its default, what it means, and the words it may have when they are few."""
    return field(default=default, metadata={"meaning": meaning, "since": "0.1.0", "choices": choices})


@lru_cache(maxsize=16)
def path_of(issuer: str) -> str:
    """Path of an issuer, without a slash at its end."""
    return urlsplit(issuer).path.rstrip("/")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator can set. Environment: ``CALLING_CARD_`` and the name in capitals; TOML: the name."""

    issuer: str = _row("", "Issuer URL; empty: http://HOST:PORT, for loopback hosts only.")
    host: str = _row("127.0.0.1", "Address to listen on.")
    port: int = _row(8000, "Port to listen on.")
    workers: int = _row(1, "Processes that serve; above 1 a further one watches over them. They share the rates of a node among them.")
    data: str = _row("./calling-card-data", "Folder of the database and the keyring.")
    database: str = _row("", "Address of a PostgreSQL database, postgresql://…; empty: an SQLite file in the data folder.")
    database_lanes: int = _row(4, "Connections of a process that write to PostgreSQL.")
    database_readers: int = _row(8, "Connections of a process that read from PostgreSQL, at most.")
    database_pgbouncer: bool = _row(False, "Whether a pgbouncer that pools transactions stands before PostgreSQL.")
    database_connect_timeout: int = _row(1000, "Milliseconds to connect to PostgreSQL.")
    database_statement_timeout: int = _row(1200, "Milliseconds that PostgreSQL may take for a statement; then the answer is 503.")
    database_lock_timeout: int = _row(1100, "Milliseconds that a statement may wait for another node's lock in PostgreSQL.")
    database_idle_timeout: int = _row(2000, "Milliseconds after which PostgreSQL ends a transaction of a node that says nothing more.")
    dev: bool = _row(False, "Development: budgets off, every extension member kept; loopback issuers only.")
    trusted_proxies: tuple[str, ...] = _row((), "Networks of the proxies that end TLS for us and whose X-Forwarded-For is believed.")
    profile: str = _row("lenient", "Whether unsupported values are replaced and told, or refused.", "lenient", "strict")
    registration: str = _row("open", "Who may register: anybody, callers with an initial access token, nobody.", "open", "token", "closed")
    registration_scope: str = _row(
        "", "Scope of access tokens that open registration as an initial access token does; empty: none do. Name anonymous_scopes too."
    )
    policy_file: str = _row(
        "",
        "TOML file of the policy that judges every registration and change; empty: the built-in rules alone. Read again when it changes.",
    )
    hold: tuple[str, ...] = _row(
        (), "Tiers whose clients wait for approval by an operator; empty: none.", "anonymous", "url", "token", "vouched"
    )
    test_scopes: tuple[str, ...] = _row(
        ("openid",), "Scopes that a client may have while it waits for approval, from its registrant and test persons."
    )
    open_registration: str = _row(
        "stored",
        "What becomes of a stranger's registration: a row, or a client_id that is the sealed card itself until somebody approves it.",
        "stored",
        "sealed",
    )
    sealed_days: int = _row(30, "Days a sealed client_id is good while nobody approved it.")
    sealed_not_before: int = _row(0, "Sealed client_ids of before this time, seconds since 1970, end at once; 0: none do.")
    registration_path: str = _row("/register", "Path of the registration endpoint.")
    management: bool = _row(True, "Whether clients can read, replace and delete their registration (RFC 7592).")
    management_by_query: bool = _row(False, "Also take the client_id of a management request from ?client_id=.")
    self_read: bool = _row(True, "Whether a client may read its registration.")
    self_update: bool = _row(True, "Whether a client may replace its registration.")
    self_delete: bool = _row(True, "Whether a client may delete its registration.")
    scopes: tuple[str, ...] = _row(("openid", "profile", "email", "offline_access"), "Scopes known besides those of resource servers.")
    default_scope: str = _row("openid", "Scope of a client that registers without one.")
    anonymous_scopes: tuple[str, ...] = _row(
        (), "Scopes that clients without an invitation may register; empty: every known one, since a person decides what they get."
    )
    unknown_scopes: str = _row("drop", "Whether unknown scopes of a registration are dropped or refused.", "drop", "refuse")
    default_grant_types: tuple[str, ...] = _row(("authorization_code",), "Grant types of a client that registers without any.")
    extensions: tuple[str, ...] = _row((), "Names of extension members that are kept and returned; * for any.")
    callbacks: tuple[str, ...] = _row((), "Further private-use callbacks whose scheme has no dot: scheme, authority and path.")
    unknown_members: str = _row("ignore", "Whether unknown members of a registration are ignored or refused.", "ignore", "refuse")
    bad_language_tags: str = _row("refuse", "Whether a member with a malformed language tag is refused or ignored.", "refuse", "ignore")
    store_inert_metadata: bool = _row(True, "Keep and return registered members that have no effect here.")
    infer_native: bool = _row(True, "Report public clients with only loopback or private-use redirects as native.")
    related_hosts: str = _row("warn", "A shown link on another host than every redirect: nothing, warn, refuse.", "off", "warn", "enforce")
    scheme_claims: str = _row("warn", "A private-use scheme that other software has: nothing, warn, refuse.", "off", "warn", "refuse")
    read_only_in_put: str = _row("refuse", "Members only the server sets, in a replacement: refuse, or take when equal.", "refuse", "equal")
    rat_rotation: str = _row("on_update", "When a new registration access token is handed out.", "on_update", "every_use", "never")
    rat_two_holders: str = _row("report", "When two parties hold one client's tokens: report it, or suspend it too.", "report", "freeze")
    misplaced_rat: str = _row("report", "A registration access token in a query: report it, or end it as well.", "report", "revoke")
    read_counts_as_use: bool = _row(False, "Whether reading a registration keeps it from counting as idle.")
    return_secret: bool = _row(True, "Return the client secret when a registration is read or replaced.")
    secret_lifetime: int = _row(0, "Seconds a client secret is good for; 0: no end.")
    secret_overlap: int = _row(86400, "Seconds the previous client secret is still good after a rotation.")
    rotate_secret_on_update: bool = _row(False, "Hand out a new client secret with each replacement that names none.")
    key_change_ends_grants: bool = _row(False, "Whether a replacement that changes jwks or jwks_uri ends what people allowed the client.")
    recovery: tuple[str, ...] = _row(
        (),
        "What proves a client that lost its registration access token: its authentication, a statement, its owner's access token.",
        "client",
        "statement",
        "owner",
    )
    recovery_rate: int = _row(5, "Recoveries an hour per client, and failed tries of one source network with it; 0: no limit.")
    opaque_token_lifetime: int = _row(3600, "Seconds an opaque access token is good for.")
    jwt_lifetime: int = _row(300, "Seconds a signed access token is good for, at most 300; it cannot be called back offline.")
    revocation_foreign: str = _row("refuse", "Revoking another client's token: invalid_grant, or a silent 200.", "refuse", "silent")
    id_token_lifetime: int = _row(3600, "Seconds an ID token is good for.")
    refresh_tokens: bool = _row(True, "Whether clients that register the refresh_token grant get refresh tokens.")
    refresh_lifetime: int = _row(
        7776000, "Seconds after which a person must be asked again, however often the client refreshed; 0: no end."
    )
    refresh_idle: int = _row(2592000, "Seconds without a refresh after which the refresh token ends; 0: no end.")
    pkce: str = _row(
        "always", "Who must send a code challenge: every client, those without a secret, nobody.", "always", "public", "optional"
    )
    error_redirects: str = _row("known", "Errors before the person acted: to clients that somebody approved, or always.", "known", "always")
    userinfo_any_audience: bool = _row(False, "Whether userinfo also takes tokens that are for a resource server.")
    session_lifetime: int = _row(1209600, "Seconds a browser stays signed in.")
    sign_in_rate: int = _row(10, "Tries to sign in a minute, per person and source network; 0: no limit.")
    prompt_rate: int = _row(20, "Questions a minute, per person and client; 0: no limit.")
    client_id_metadata_documents: bool = _row(True, "Whether an https URL as client_id is read as a client metadata document.")
    client_discovery: bool = _row(True, "Whether client_discovery=true has the metadata read below the client_id.")
    client_dialects: tuple[str, ...] = _row((), "Further customs of URL clients: solid, atproto.")
    client_documents: bool = _row(True, "Whether operators may host client metadata documents for developers here.")
    clients_allowed: tuple[str, ...] = _row((), "URL clients that may come: URLs, hosts, *.hosts; empty: all that are not denied.")
    clients_denied: tuple[str, ...] = _row((), "URL clients that may not come: URLs, hosts, *.hosts.")
    clients_pinned: tuple[str, ...] = _row((), "URL clients whose document is not read again but by an operator: URLs, hosts, *.hosts.")
    client_id_query: bool = _row(False, "Whether the URL of a client may have a query.")
    client_id_bare_host: bool = _row(False, "Whether the URL of a client metadata document may have the path / alone.")
    client_id_length: int = _row(512, "Bytes the URL of a client may have.")
    wellknown_insertion: bool = _row(False, "Client discovery also tries /.well-known/client-metadata before the path, after a 404.")
    discovered_public: bool = _row(False, "Whether discovered clients are public even where they publish keys.")
    document_limit: int = _row(5120, "Bytes a client metadata document may have, at most 65536.")
    document_name: str = _row("optional", "Whether a client metadata document must have a client_name.", "optional", "required")
    document_redirects: str = _row("off", "Redirect URIs on another origin than the URL of the client.", "off", "warn", "enforce")
    document_changes: str = _row("consent", "What a changed document ends: consents, or refresh tokens too.", "consent", "tokens")
    stale_if_error: int = _row(3600, "Seconds a document may be used after its time while its host does not answer.")
    recheck_interval: int = _row(86400, "Seconds after which a refresh has the document of a URL client read again.")
    fetch_ports: str = _row("usual", "Ports that are fetched from: 443 and from 1024 up, or 443 alone.", "usual", "443")
    fetch_limit: int = _row(16, "Fetches from strangers at once.")
    fetch_host_limit: int = _row(2, "Fetches from one host at once.")
    fetch_rate: int = _row(10, "Documents a minute that one source network may have fetched; 0: no limit.")
    fetch_proxy: str = _row("", "URL of an egress proxy for everything that is fetched; it then judges the addresses.")
    fetch_loopback: bool = _row(False, "Development: fetch from this machine too, http included; loopback issuers only.")
    fetch_ca_file: str = _row("", "Development: a file with further certificate authorities for fetches; loopback issuers only.")
    legacy_registration: bool = _row(True, "Whether the form protocol of 2011 is taken at the registration endpoint.")
    legacy_at_token_endpoint: bool = _row(False, "Whether the form protocol of 2011 is taken at the token endpoint too.")
    mastodon_registration: bool = _row(True, "Whether POST /api/v1/apps registers clients, as Mastodon does.")
    assertion_audience: str = _row(
        "compat", "Audience of client assertions: issuer and endpoints, or the issuer alone.", "compat", "issuer"
    )
    assertion_lifetime: int = _row(300, "Seconds a client assertion may be good for, at most 3600.")
    software_statements: str = _row(
        "optional", "Software statements of trusted issuers: taken, needed to register, ignored.", "optional", "required", "ignore"
    )
    statement_issuers_file: str = _row("", "TOML file of the issuers whose software statements are trusted; empty: nobody is.")
    signed_registration: bool = _row(False, "Whether registrations may be signed: application/jwt, application/jose.")
    client_certificate_header: str = _row(
        "", "Header in which a trusted proxy hands on the subject of the client certificate it verified; empty: none."
    )
    tombstone_days: int = _row(400, "Days the mark of a deleted client is kept.")
    prune: str = _row(
        "never_approved",
        "What the server prunes by itself once a day: nothing, strangers nobody ever approved, every dead client.",
        "off",
        "never_approved",
        "all",
    )
    prune_never_used_hours: int = _row(24, "Hours after which a stranger whom nobody ever approved is pruned; 0: never.")
    prune_ended_days: int = _row(30, "Days after its secret ended or its document went that a client is pruned; 0: never.")
    prune_idle_days: int = _row(90, "Days without a use after which a client without a living grant is pruned; 0: never.")
    prune_warn_days: int = _row(7, "Days before an idle client is pruned that webhooks are told so; 0: they are not.")
    registration_expires_at: bool = _row(
        False, "Whether clients that read or replace their registration are told from when on it may be pruned."
    )
    prune_undo_days: int = _row(7, "Days in which a pruned client can be brought back; 0: it is gone at once.")
    registration_rate: int = _row(
        600,
        "Registrations a minute and node of all strangers together, of each statement issuer, and of each owner of access tokens; "
        "0: no limit, nor by network, redirect host or software.",
    )
    registration_burst: int = _row(200, "How many registrations of each of these at once.")
    invitation_rate: int = _row(600, "Registrations a minute and node with one initial access token; 0: no limit but its uses.")
    network_rate: int = _row(200, "Registrations of strangers a minute and node from one source network; 0: no limit.")
    host_rate: int = _row(300, "Registrations of strangers a minute and node for one redirect host; 0: no limit.")
    software_rate: int = _row(
        300, "Registrations of strangers, and of one issuer's statements, a minute and node with one software_id; 0: no limit."
    )
    change_rate: int = _row(120, "Replacements and deletions a minute and node by one client; 0: no limit.")
    meeting_rate: int = _row(60, "URL clients never seen before, a minute and node from one source network; 0: no limit.")
    never_used_limit: int = _row(
        100000, "Registrations of strangers kept at once that nobody ever approved; 0: no limit. Each further process may add a tenth."
    )
    failure_rate: int = _row(10, "Failed tries a minute with registration access tokens, per source and client; 0: no limit.")
    imported_secret_rate: int = _row(
        10, "Tries a minute with a client's secret from another server: wrong ones per source, slowly hashed ones in all; 0: no limit."
    )
    recovering_days: int = _row(7, "Days after a restore in which credentials that the restored store had lost are taken for the newest.")
    body_limit: int = _row(65536, "Bytes a registration body may have.")
    head_timeout: int = _row(10, "Seconds a caller has for the head of a request, and after connecting for its first byte.")
    body_timeout: int = _row(20, "Seconds a caller has for the body of a request, and for taking an answer it does not read.")
    connections: int = _row(900, "Connections at once; a request on a further one is answered 503.")
    pass_limit: int = _row(100, "Milliseconds that the requests which are begun together may take; those beyond are answered 503.")
    metadata_max_age: int = _row(300, "Seconds the metadata documents and keys may be cached.")
    log_repeats: int = _row(
        60, "Log lines a minute that say the same failure; further ones are summed into one line a minute; 0: every line is written."
    )
    log_level: str = _row("info", "Least weight of log lines.", "debug", "info", "warning", "error")

    @property
    def base_path(self) -> str:
        """Path of the issuer, without a slash at its end."""
        return path_of(self.issuer)

    @property
    def registration_endpoint(self) -> str:
        """URL of the registration endpoint."""
        return self.issuer.rstrip("/") + self.registration_path

    def endpoint(self, path: str) -> str:
        """URL of a path of ours; only ever made from the issuer (X-27)."""
        return self.issuer.rstrip("/") + path


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table, as the reference page and the help show it."""

    name: str
    type: str
    default: object
    env: str
    meaning: str
    since: str
    choices: tuple[str, ...]


SETTINGS: tuple[Setting, ...] = tuple(
    Setting(
        row.name,
        getattr(row.type, "__name__", str(row.type)) if get_origin(row.type) is None else "list of str",
        row.default,
        "CALLING_CARD_" + row.name.upper(),
        row.metadata["meaning"],
        row.metadata["since"],
        row.metadata["choices"],
    )
    for row in fields(Settings)
)


def load(flags: Mapping[str, object], *, file: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from flags, then environment, then a TOML file, then defaults. Raises `BadSettings`."""
    environment = os.environ if environment is None else environment
    known = {row.name: row for row in SETTINGS}
    values: dict[str, object] = {}
    if file is not None:
        values |= _from_file(file, known)
    values |= {row.name: environment[row.env] for row in SETTINGS if row.env in environment}
    values |= {name: value for name, value in flags.items() if value is not None}
    made = Settings(**{name: _convert(known[name], value) for name, value in values.items()})  # type: ignore[arg-type] # converted by the row's own type
    return check(complete(made))


def complete(settings: Settings) -> Settings:
    """Fill in what follows from other settings: the issuer of a server on loopback."""
    if settings.issuer:
        return settings
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return dataclasses.replace(settings, issuer=f"http://{host}:{settings.port}")


def check(settings: Settings) -> Settings:
    """Refuse combinations that are not safe (A-02, A-04, A-91, H-25). Raises `BadSettings`."""
    _check_issuer(settings)
    _check_proxy(settings.fetch_proxy)
    if settings.database and not settings.database.startswith(("postgresql://", "postgres://")):
        raise BadSettings("database: must be the address of a PostgreSQL database, for example postgresql://calling_card@db.internal/cards")
    if not _PATH.fullmatch(settings.registration_path):
        raise BadSettings(
            "registration_path: must begin with / and not end with one, for example /register; letters, digits and ._~- between"
        )
    for network in settings.trusted_proxies:
        _check_network(network)
    _check_numbers(settings)
    unknown = set(settings.default_scope.split()) - set(settings.scopes)
    if unknown:
        raise BadSettings(f"default_scope: {' '.join(sorted(unknown))} is not among scopes")
    _check_registration_scope(settings)
    return settings


def shown(settings: Settings) -> dict[str, object]:
    """Every setting by its name, as it may be printed: without the password of the database."""
    values: dict[str, object] = dataclasses.asdict(settings)
    return values | {"database": _PASSWORD.sub("***", settings.database)}


def _check_registration_scope(settings: Settings) -> None:
    """A stranger who may have this scope could let others in (H-03)."""
    scope, anybody = settings.registration_scope, (*settings.anonymous_scopes, *settings.default_scope.split())
    if scope and scope not in settings.scopes:
        raise BadSettings(f"registration_scope: {scope} is not among scopes")
    if scope and (not settings.anonymous_scopes or scope in anybody):
        raise BadSettings("registration_scope: name the scopes of strangers in anonymous_scopes, without this one")


def _check_issuer(settings: Settings) -> None:
    parts = _split(settings.issuer)
    if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
        raise BadSettings(f"issuer: {settings.issuer!r} is not an absolute https URL (RFC 8414 section 2)")
    if "?" in settings.issuer or "#" in settings.issuer or "@" in parts.netloc:
        raise BadSettings("issuer: must have no query, fragment or user (RFC 8414 section 2)")
    if settings.issuer.endswith("/"):
        raise BadSettings("issuer: must not end with a slash, clients compare it byte for byte")
    bound, loopback = is_loopback(settings.host), is_loopback(parts.hostname)
    if parts.scheme == "http" and not (loopback and bound):
        raise BadSettings("issuer: http is only for an issuer and an address on loopback; use an https issuer behind a proxy that ends TLS")
    if parts.scheme == "https" and not bound and not settings.trusted_proxies:
        raise BadSettings("trusted_proxies: name the proxy that ends TLS, or listen on loopback (host)")
    if settings.dev and not loopback:
        raise BadSettings("dev: only with an issuer on loopback")
    for name in ("fetch_loopback", "fetch_ca_file"):
        if getattr(settings, name) and not loopback:
            raise BadSettings(f"{name}: only with an issuer on loopback")


def _check_proxy(url: str) -> None:
    """The text itself may have a password in it."""
    parts = _split(url) if url else None
    if url and (parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/")):
        raise BadSettings("fetch_proxy: must be an http or https URL of a host and a port, for example http://proxy.internal:3128")


def _split(url: str) -> SplitResult | None:
    """The parts of a URL in printable ASCII with a port that can be; None: something else."""
    try:
        parts = urlsplit(url)
        return parts if _PRINTABLE.fullmatch(url) and parts.port != 0 else None
    except ValueError:
        return None


def _check_numbers(settings: Settings) -> None:
    for least, names in _AT_LEAST.items():
        for name in names:
            if getattr(settings, name) < least:
                raise BadSettings(f"{name}: {'must not be negative' if least == 0 else f'must be at least {least}'}")
    for most, names in _AT_MOST.items():
        for name in names:
            if getattr(settings, name) > most:
                raise BadSettings(f"{name}: must be at most {most}")


def _check_network(network: str) -> None:
    try:
        if ip_network(network).prefixlen == 0:
            raise BadSettings("trusted_proxies: a network of every address trusts everybody")
    except ValueError as error:
        raise BadSettings(f"trusted_proxies: {error}") from None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _from_file(file: Path, known: Mapping[str, Setting]) -> dict[str, object]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadSettings(f"{file}: is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{file}: {error}") from None
    unknown = [name for name in values if name not in known]
    if unknown:
        raise BadSettings(f"{file}: there is no setting {unknown[0]}; see calling-card config schema")
    return dict(values)


_KINDS = {"bool": "true or false", "int": "a whole number", "str": "a text", "list of str": "a list of texts"}
"""What a value of each type is called in a refusal."""


def _convert(row: Setting, value: object) -> object:
    """A value of the row's type from TOML, a flag or an environment variable."""
    made: object = value
    words: Sequence[str] | None = None
    if isinstance(row.default, bool):
        made = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(str(value).lower(), value)
        good = isinstance(made, bool)
    elif isinstance(row.default, int):
        made = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value
        good = isinstance(made, int) and not isinstance(made, bool)
    elif isinstance(row.default, tuple):
        made = words = _words(value)
        good = words is not None
    else:
        good = isinstance(made, str)
    if not good:
        raise BadSettings(f"{row.name}: {value!r} is not {_KINDS[row.type]}")
    said = (made,) if words is None else words
    wrong = [word for word in said if row.choices and word not in row.choices]
    if wrong:
        raise BadSettings(f"{row.name}: {wrong[0]!r} is not one of {', '.join(row.choices)}")
    return made


def _words(value: object) -> tuple[str, ...] | None:
    """A list of words from TOML, or from a text with commas or spaces between them."""
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    if not isinstance(value, (list, tuple)):
        return None
    words = cast(Sequence[object], value)
    found = tuple(word for word in words if isinstance(word, str))
    return found if len(found) == len(words) else None
