"""The one module that knows every implementation."""

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from calling_card import __version__, issuer_file, policy_file
from calling_card.fetch.https import HttpsFetcher, Outward
from calling_card.fetch.pictures import PillowPictures
from calling_card.keys import heads, signing
from calling_card.keys.assertions import JoseVerifier
from calling_card.keys.keyring import FileKeyring, KeyringError, KeyringExists
from calling_card.keys.passkeys import WebPasskeys
from calling_card.keys.passwords import ArgonPasswords
from calling_card.keys.slow_secrets import SlowSecrets
from calling_card.logs import Log
from calling_card.ports import Passwords, Policies, Ports, Store, StoreUnavailable
from calling_card.protocol.abroad.addresses import KNOWN_CALLBACKS
from calling_card.protocol.abroad.clientids import Customs
from calling_card.protocol.abroad.fetching import DOCUMENT, Purpose
from calling_card.protocol.answers import Desk
from calling_card.protocol.card.ground import GRANT_TYPES, Ground
from calling_card.protocol.handles.idtokens import ALGS
from calling_card.protocol.life.budgets import CAUSES, Cause
from calling_card.protocol.life.recovering import behind
from calling_card.protocol.policy import Policy, uninvited
from calling_card.protocol.policy.written import BadPolicy
from calling_card.protocol.trust.issuers import BadIssuer, Issuer, issuers_of
from calling_card.settings import BadSettings, Settings
from calling_card.store.budget import GcraBudget, GcraBudgets
from calling_card.store.migrations import Climb, ForeignFile, SchemaTooNew
from calling_card.store.sqlite import SqliteStore
from calling_card.usecases.audit import CHAIN, checkpoint, new_writer
from calling_card.usecases.renew import first_signing_keys
from calling_card.web.app import App
from calling_card.web.endpoints import routes
from calling_card.web.wire import Config

if TYPE_CHECKING:
    from calling_card.store.postgres.pool import Address
    from calling_card.store.postgres.store import PostgresStore

DATABASE = "calling-card.sqlite3"
KEYRING = "keyring.json"
HEADS = "heads.json"
CHECKPOINT = "checkpoint.jwt"
CROWD = 10
"""Tries to sign in at one name, or from one network, for each that a network has at one name."""
REPEATS = 5
"""Uses of one code challenge or nonce by a client before somebody is told; a minute more gives one back (A-98)."""


class RolledBack(Exception):
    """The store is older than what was written down of it; the text says what to do."""


entropy = secrets.token_bytes
"""Where whatever must not be guessed comes from."""


def _now() -> int:
    """Seconds since 1970."""
    return int(time.time())


UNREACHABLE = (KeyringError, SchemaTooNew, ForeignFile, StoreUnavailable, RolledBack)
"""What is raised when a data folder cannot be used."""


def ground(settings: Settings) -> Ground:
    """What the vocabulary takes and serves under these settings."""
    grant_types = tuple(grant for grant in GRANT_TYPES if settings.refresh_tokens or grant != "refresh_token")
    return Ground(
        issuer=settings.issuer,
        strict=settings.profile == "strict",
        grant_types=grant_types,
        default_grant_types=tuple(grant for grant in settings.default_grant_types if grant in grant_types),
        extensions=("*",) if settings.dev else settings.extensions,
        callbacks=(*KNOWN_CALLBACKS, *settings.callbacks),
        store_inert=settings.store_inert_metadata,
        bad_tag_ignored=settings.bad_language_tags == "ignore",
        unknown_refused=settings.unknown_members == "refuse",
        unknown_scopes_refused=settings.unknown_scopes == "refuse",
        infer_native=settings.infer_native,
        related_hosts=settings.related_hosts,
        signing_algs=ALGS,
        hold=settings.hold,
        effects=frozenset({"sector_identifier_uri"}),
    )


def assemble(
    settings: Settings,
    store: Store,
    keyring: FileKeyring,
    *,
    now: Callable[[], int] = _now,
    entropy: Callable[[int], bytes] = entropy,
    log: Callable[..., None] | None = None,
    passwords: Passwords | None = None,
) -> Ports:
    """The ports around a store and a keyring."""

    def budget(rate: float, burst: int = 0) -> GcraBudget:
        """Each worker has its share of the rate; how many may come at once is not divided, they come on one connection."""
        return GcraBudget(0 if settings.dev else rate / settings.workers, burst or max(int(rate), 1), time.monotonic)

    return Ports(
        settings=settings,
        desk=Desk(settings.issuer, settings.registration_endpoint, settings.management),
        ground=ground(settings),
        issuers=trusted(settings),
        rules=uninvited(settings.anonymous_scopes or None, settings.default_scope),
        policies=policies(settings),
        customs=customs(settings),
        document=document(settings),
        store=store,
        keyring=keyring,
        signer=signing.JoseSigner(keyring),
        now=now,
        entropy=entropy,
        budgets=GcraBudgets({cause.name: budget(*limit(settings, cause)) for cause in CAUSES}),
        failures=budget(settings.failure_rate),
        recoveries=budget(settings.recovery_rate / 60, settings.recovery_rate),
        sign_ins=budget(settings.sign_in_rate),
        crowds=budget(settings.sign_in_rate * CROWD),
        prompts=budget(settings.prompt_rate),
        repeats=budget(1, REPEATS),
        secrets=budget(settings.imported_secret_rate),
        passwords=passwords or ArgonPasswords(entropy),
        slow_secrets=SlowSecrets(),
        passkeys=WebPasskeys(settings.issuer),
        fetcher=HttpsFetcher(outward(settings), now, time.monotonic),
        pictures=PillowPictures(),
        verifier=JoseVerifier(),
        fetches=budget(settings.fetch_rate),
        log=log or Log(settings.log_level, repeats=settings.log_repeats, grouped=True),
    )


def limit(settings: Settings, cause: Cause) -> tuple[int, int]:
    """How many a minute a cause may use up under these settings, and how many at once; 0 a minute: no limit."""
    rate: int = getattr(settings, cause.setting)
    burst: int = getattr(settings, cause.burst) if cause.burst else max(rate, 1)
    return (0 if cause.below and not getattr(settings, cause.below) else rate), burst


def customs(settings: Settings) -> Customs:
    """Which URLs are taken for clients under these settings."""
    return Customs(
        issuer=settings.issuer,
        cimd=settings.client_id_metadata_documents,
        looker=settings.client_discovery,
        atproto="atproto" in settings.client_dialects,
        query=settings.client_id_query,
        bare_host=settings.client_id_bare_host,
        hosting=settings.client_documents,
        longest=settings.client_id_length,
        only_443=settings.fetch_ports == "443",
        loopback=settings.fetch_loopback or settings.dev,
        insertion=settings.wellknown_insertion,
        public=settings.discovered_public,
        named=settings.document_name == "required",
        redirects=settings.document_redirects,
        allowed=settings.clients_allowed,
        denied=settings.clients_denied,
        pinned=settings.clients_pinned,
    )


def document(settings: Settings) -> Purpose:
    """How documents of clients are asked for; servers of Solid may have JSON only under its linked name (D-63)."""
    accept = "application/ld+json, application/json" if "solid" in settings.client_dialects else DOCUMENT.accept
    return replace(DOCUMENT, accept=accept, limit=settings.document_limit)


def outward(settings: Settings) -> Outward:
    """How far fetches may go under these settings."""
    return Outward(
        agent=f"calling-card/{__version__} (+{settings.issuer})",
        ports=(443,) if settings.fetch_ports == "443" else (),
        most=settings.fetch_limit,
        most_of_a_host=settings.fetch_host_limit,
        proxy=settings.fetch_proxy,
        loopback=settings.fetch_loopback or settings.dev,
        ca_file=settings.fetch_ca_file,
        own_host=settings.issuer,
        stale_if_error=settings.stale_if_error,
    )


def trusted(settings: Settings) -> Mapping[str, Issuer]:
    """Whose software statements count, from the file that the settings name. Raises `BadSettings`."""
    file = Path(settings.statement_issuers_file)
    written = issuer_file.read(file) if settings.statement_issuers_file else []
    try:
        found = issuers_of(written, settings.issuer)
    except BadIssuer as bad:
        raise BadSettings(f"statement_issuers_file: {file}: {bad}") from None
    if any(row.certificate for row in found.values()) and not settings.client_certificate_header:
        raise BadSettings("client_certificate_header: a statement issuer wants client certificates, so a proxy has to name them")
    if settings.software_statements == "required" and not found:
        raise BadSettings("software_statements: required, but statement_issuers_file names nobody who makes them")
    return found


def policies(settings: Settings) -> Policies:
    """Where the operator's policy is. Raises `BadSettings` when it cannot be used."""
    if not settings.policy_file:
        return policy_file.NoPolicies()
    try:
        return policy_file.FilePolicies(Path(settings.policy_file), _reserved(settings))
    except BadPolicy as bad:
        raise BadSettings(f"policy_file: {bad}") from None


def written_policy(settings: Settings, file: Path) -> Policy:
    """A policy file as these settings would read it. Raises `BadPolicy`."""
    return policy_file.read(file, _reserved(settings))


def _reserved(settings: Settings) -> list[str]:
    """Scopes that no stranger ever has (H-03)."""
    return [settings.registration_scope] if settings.registration_scope else []


def check(settings: Settings) -> None:
    """What only the tables of endpoints and grants can tell about settings. Raises `BadSettings`."""
    routes(settings)
    trusted(settings)
    policies(settings)
    unserved = [grant for grant in settings.default_grant_types if grant not in GRANT_TYPES]
    if unserved:
        raise BadSettings(f"default_grant_types: {unserved[0]} is not served; served are {', '.join(GRANT_TYPES)}")
    if not set(settings.default_grant_types) - {"refresh_token"}:
        raise BadSettings("default_grant_types: must name a grant besides refresh_token, which alone gives nothing to refresh")


def folder(settings: Settings) -> Path:
    """The data folder, made for its owner alone if it was missing. Raises `BadSettings` when others could get at it (A-91)."""
    path = Path(settings.data)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadSettings(f"data: {path} cannot be made: {error.strerror}") from None
    if path.stat().st_mode & 0o022:
        raise BadSettings(f"data: {path} can be written by others; chmod go-w it")
    database = path / DATABASE
    if database.exists() and database.stat().st_mode & 0o077:
        raise BadSettings(f"data: {database} can be read by others; chmod 600 it")
    return path


def unlock(settings: Settings, path: Path) -> FileKeyring:
    """The keyring of a data folder; made at the first start, never beside a database that needs another one."""
    file, needed = path / KEYRING, (path / DATABASE).exists()
    if not file.exists():
        if needed:
            raise KeyringError(f"{file} is missing and {DATABASE} needs it; put it back, a new one would end every credential")
        with contextlib.suppress(KeyringExists):  # another process starts for the first time too and was faster
            return FileKeyring.create(file, settings.issuer, entropy, _now())
    keyring = FileKeyring(file)
    if keyring.issuer != settings.issuer:
        raise KeyringError(
            f"this data folder belongs to the issuer {keyring.issuer}, not {settings.issuer}; every credential is bound to it. "
            f"Start with --issuer {keyring.issuer} or with another --data folder"
        )
    return keyring


@asynccontextmanager
async def opened(settings: Settings, *, log: Callable[..., None] | None = None, behind: bool = False) -> AsyncGenerator[Ports]:
    """The ports of a data folder, for one process; the audit heads are written down at the end.

    ``behind``: let a store in that is older than what was written down of it, to look at it or to accept the loss.
    Raises `BadSettings`, or one of `UNREACHABLE`.
    """
    check(settings)
    path = folder(settings)
    fresh = not (path / KEYRING).exists()
    keyring = unlock(settings, path)
    store = await _store(settings, path, keyring)
    passwords = ArgonPasswords(entropy)
    try:
        if fresh and settings.database:
            await _check_new(path, store, keyring)
        if not behind:
            await _check_mark(path, store)
        ports = assemble(settings, store, keyring, log=log, passwords=passwords)
        await first_signing_keys(ports)
        try:
            yield ports
        finally:
            ports.slow_secrets.close()
        sum_up(ports, rest=True)
        await note_heads(ports)
    finally:
        passwords.close()
        await store.close()


async def _store(settings: Settings, path: Path, keyring: FileKeyring) -> Store:
    """The database that the settings name. Raises `BadSettings`, or one of `UNREACHABLE`."""

    def chain() -> tuple[bytes, bytes]:
        """A new writer, and the key of its chain."""
        number = keyring.minting
        writer = new_writer(number, entropy(6))
        key = keyring.mac(number, CHAIN, writer)
        if key is None:
            raise KeyringError("the keyring has no key that mints")
        return writer, key

    if settings.database:
        store, address = _postgres(settings)
        return await store.open(address, chain, _now)
    writer, key = chain()
    return SqliteStore.open(path / DATABASE, chain_key=key, writer=writer, now=_now)


def _postgres(settings: Settings) -> "tuple[type[PostgresStore], Address]":
    """The store on PostgreSQL, imported only where it is named, and where it is. Raises `BadSettings`."""
    try:
        from calling_card.store.postgres.pool import Address
        from calling_card.store.postgres.store import PostgresStore
    except ModuleNotFoundError as missing:
        raise BadSettings(f"database: {missing.name} is missing; install it with: pip install 'calling-card[postgres]'") from None
    return PostgresStore, Address(
        settings.database,
        lanes=settings.database_lanes,
        readers=settings.database_readers,
        pgbouncer=settings.database_pgbouncer,
        connect_timeout=settings.database_connect_timeout,
        statement_timeout=settings.database_statement_timeout,
        lock_timeout=settings.database_lock_timeout,
        idle_timeout=settings.database_idle_timeout,
    )


async def migrated(settings: Settings, *, dry: bool = False) -> Climb:
    """Bring the database to the newest schema without serving, or only say what that would be.

    Raises `BadSettings`, or one of `UNREACHABLE`.
    """
    if settings.database:
        store, address = _postgres(settings)
        return await store.migrate(address, entropy(8), dry=dry)
    path = Path(settings.data) / DATABASE
    if not path.exists():
        raise StoreUnavailable(f"there is no database at {path}; name the data folder with --data")
    return SqliteStore.migrate(path, dry=dry)


async def _check_new(path: Path, store: Store, keyring: FileKeyring) -> None:
    """A keyring that was made just now fits no database that is older. Raises `KeyringError`.

    A process that starts beside us from the same folder may have made the keyring, or the first keys with it.
    """
    try:
        signing.JoseSigner(keyring).know(await store.signing_keys())
    except LookupError:
        (path / KEYRING).unlink(missing_ok=True)
        raise KeyringError(f"{path / KEYRING} is missing and the database needs it; copy it from another node or from a backup") from None


async def _check_mark(path: Path, store: Store) -> None:
    """A store that is older than its mark would honour again what was ended since (CREDENTIALS §5). Raises `RolledBack`."""
    try:
        noted = heads.read(path / HEADS)  # before the store is asked: other processes go on, and note what they did after that
        lost = behind(noted, await store.heads())
    except ValueError:
        return  # what is written down cannot be read: calling-card audit verify says so
    if lost:
        raise RolledBack(
            f"the database is older than {HEADS} says: {lost} events are missing. Put a newer one back, or take this one as it is with: "
            f"calling-card restore --accept-loss --data {path}"
        )


def issuer_of(settings: Settings) -> str:
    """The issuer that the data folder belongs to; empty when there is no folder yet. Raises `KeyringError`."""
    path = Path(settings.data)
    return FileKeyring(path / KEYRING).issuer if (path / KEYRING).exists() or (path / DATABASE).exists() else ""


def known_heads(settings: Settings) -> Mapping[bytes, tuple[int, bytes]]:
    """The heads of the audit chains as they were last written down. Raises `ValueError` when the file is damaged."""
    return heads.read(Path(settings.data) / HEADS)


def wire(ports: Ports) -> Config:
    """How the application is served over HTTP."""
    return Config.of(App(ports), ports.settings)


async def note_heads(ports: Ports) -> None:
    """Write the heads of the audit chains down beside the keyring, and signed; a failure is logged and undoes nothing."""
    data = Path(ports.settings.data)
    try:
        noted = heads.write(data / HEADS, await ports.store.heads())
        heads.write_text(data / CHECKPOINT, await checkpoint(ports, noted))
    except (OSError, ValueError, LookupError, StoreUnavailable) as error:
        ports.log("heads_not_written", level="error", cause=str(error))


def sum_up(ports: Ports, *, rest: bool = False) -> None:
    """Have the log say what it counted in minutes that are over, or by now."""
    if isinstance(ports.log, Log):
        ports.log.sum_up(rest=rest)


async def keep_noting(ports: Ports, every: float = 60.0) -> None:
    """Write the heads down every minute until cancelled, and what the log has counted."""
    while True:
        await asyncio.sleep(every)
        sum_up(ports)
        await note_heads(ports)


def operator_name() -> str:
    """Who is at the command line, for the audit trail."""
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or f"uid {os.getuid()}"
