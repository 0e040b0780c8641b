"""A data folder as a backup, and a backup as a data folder (F12, CREDENTIALS §2 and §5)."""

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import msgspec

from calling_card.keys import heads
from calling_card.keys.keyring import FileKeyring, KeyringError
from calling_card.keys.wrapping import unwrap, wrap
from calling_card.protocol.events import Recorded
from calling_card.settings import BadSettings, Settings
from calling_card.store import sqlite_backup
from calling_card.store.sqlite_backup import BadBackup, Manifest
from calling_card.usecases.audit import verify
from calling_card.usecases.restoring import Restored, Wanted, restore
from calling_card.wiring import CHECKPOINT, DATABASE, HEADS, KEYRING, entropy, opened

__all__ = ["STAGING", "BadBackup", "Place", "Saved", "accept_loss", "back_up", "put_back", "read_stream"]

STAGING = ".restoring"
"""Folder in the data folder where a restore is made ready: until its last step nothing else is touched."""
_SIDES = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Saved:
    """A backup that was written and looked at."""

    size: int
    events: int
    schema: int
    keyring: bool


async def back_up(settings: Settings, target: Path, passphrase: str) -> Saved:
    """One moment of a running server's database, checked to the last page and the last event; with a passphrase also the keyring.

    Raises `BadBackup` or what `opened` raises.
    """
    _embedded(settings)
    data = Path(settings.data)
    keyring = FileKeyring(data / KEYRING)
    wrapped = wrap((data / KEYRING).read_bytes(), passphrase, entropy) if passphrase else b""
    manifest = sqlite_backup.back_up(data / DATABASE, target, keyring.issuer, int(time.time()), wrapped)
    try:
        events = await _verified(settings, target)
    except BaseException:
        _drop(target)
        raise
    return _saved(target, events, manifest)


def _embedded(settings: Settings) -> None:
    """PostgreSQL has tools of its own for this. Raises `BadSettings`."""
    if settings.database:
        way = "back PostgreSQL up with its own tools, and after putting that back say calling-card restore --accept-loss"
        raise BadSettings(f"database: this copies the embedded database only; {way}")


def _saved(target: Path, events: int, manifest: Manifest) -> Saved:
    return Saved(target.stat().st_size, events, manifest.schema, bool(manifest.wrapped))


def _drop(target: Path) -> None:
    target.unlink(missing_ok=True)


async def _verified(settings: Settings, target: Path) -> int:
    """How many events are in a copy, all of which hold. It is looked at where it was made, in a folder that goes away again."""
    stage = _fresh(target.parent / f".{target.name}.checked")  # as private as the copy
    try:
        sqlite_backup.put_back(target, stage / DATABASE)
        shutil.copy(Path(settings.data) / KEYRING, stage / KEYRING)
        async with opened(replace(settings, data=str(stage)), behind=True, log=_silent) as ports:
            verdict = await verify(ports, {})
    finally:
        shutil.rmtree(stage)
    if verdict.broken:
        raise BadBackup(f"the audit trail does not hold: {verdict.broken[0]}")
    return verdict.events


@dataclass(frozen=True, slots=True)
class Place:
    """Where a backup is put back, and from what."""

    settings: Settings
    by: str
    keyring: Path | None
    """A copy of the keyring; None: it lies in the folder already, or in the backup."""
    passphrase: str
    stream: Sequence[Recorded] | None
    keep_initial: bool
    force: bool


async def put_back(file: Path, place: Place) -> Restored:
    """A backup becomes the data folder, all of it or nothing. Raises `BadBackup`, `KeyringError`, `BadSettings` or `Refusal`."""
    _embedded(place.settings)
    data = Path(place.settings.data)
    _check_room(data, force=place.force)
    manifest = sqlite_backup.look(file)
    ring = _keyring(data, place, manifest)
    stage = _fresh(data / STAGING)
    try:
        _write(stage / KEYRING, ring)
        issuer = FileKeyring(stage / KEYRING).issuer
        if manifest.issuer not in ("", issuer):
            raise KeyringError(f"the backup is of {manifest.issuer}, the keyring of {issuer}: no credential would work")
        sqlite_backup.put_back(file, stage / DATABASE)
        staged = replace(place.settings, data=str(stage), issuer=issuer)
        done = await _taken(staged, _wanted(place, data, manifest.made_at))
        _move(stage, data)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return done


async def accept_loss(place: Place) -> Restored:
    """The store as it is becomes the one that counts, whatever was written down of it."""
    return await _taken(place.settings, _wanted(place, Path(place.settings.data), 0))


async def _taken(settings: Settings, wanted: Wanted) -> Restored:
    async with opened(settings, behind=True, log=_silent) as ports:
        done = await restore(ports, wanted)
        heads.begin_again(Path(settings.data) / HEADS, await ports.store.heads())
    return done


def _wanted(place: Place, data: Path, made_at: int) -> Wanted:
    return Wanted(place.by, made_at, heads.read(data / HEADS), place.stream, place.keep_initial)


def _check_room(data: Path, *, force: bool) -> None:
    """A folder with nothing but a keyring and what was written down of the audit is as good as empty."""
    there = sorted(one.name for one in data.iterdir() if one.name not in (KEYRING, HEADS, CHECKPOINT, STAGING)) if data.exists() else []
    if there and not force:
        raise BadSettings(f"data: {data} is not empty ({there[0]}); stop the server and say --force to put the backup in its place")


def _keyring(data: Path, place: Place, manifest: Manifest) -> bytes:
    """The keyring that was named, or the one that is there, or the one inside the backup."""
    named = place.keyring or (data / KEYRING if (data / KEYRING).exists() else None)
    if named is not None:
        try:
            return named.read_bytes()
        except OSError as error:
            raise KeyringError(f"{named}: {error.strerror}") from None
    if manifest.wrapped and place.passphrase:
        return unwrap(manifest.wrapped, place.passphrase)
    way = "name its passphrase with --passphrase-file" if manifest.wrapped else "name a copy of it with --keyring"
    raise KeyringError(f"there is no {KEYRING} in {data}, and without it no credential of the backup works; {way}")


def _move(stage: Path, data: Path) -> None:
    """The keyring first: it only refuses more than before. What was there is kept beside under another name."""
    _swap(stage / KEYRING, data / KEYRING)
    for name in (DATABASE, *(DATABASE + side for side in _SIDES)):
        if (data / name).exists():
            (data / name).replace(data / f"{name}.before-restore")
    _swap(stage / DATABASE, data / DATABASE)
    for name in (HEADS, CHECKPOINT):
        if (stage / name).exists():
            _swap(stage / name, data / name)
    sqlite_backup.sync(data)


def _swap(source: Path, target: Path) -> None:
    source.chmod(0o600)
    source.replace(target)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    return folder


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _silent(*_: object, **__: object) -> None:
    """The command says what is to be said."""


def read_stream(file: Path) -> list[Recorded]:
    """Events as ``calling-card audit export`` printed them. Raises `BadBackup`."""
    try:
        return [_event(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
    except OSError as error:
        raise BadBackup(f"{file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise BadBackup(f"{file} is no export of the audit: make one with calling-card audit export") from None


def _event(line: str) -> Recorded:
    said = cast("dict[str, object]", json.loads(line))
    number, at = said["number"], said["at"]
    if not isinstance(number, int) or not isinstance(at, int):
        raise TypeError("a number is none")
    writer, key, mac = (bytes.fromhex(str(said[name])) for name in ("writer", "client_key", "mac"))
    return Recorded(writer, number, at, str(said["kind"]), key, msgspec.json.encode(said["content"]), mac)
