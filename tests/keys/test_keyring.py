"""The keyring: a file that only its owner reads, and keys that are honoured or not from one use to the next (CREDENTIALS §2)."""

import base64
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TypedDict

import pytest

from calling_card.keys.keyring import HONOURED, FileKeyring, Key, KeyringError, KeyringExists
from calling_card.protocol.handles.credentials import REGISTRATION_ACCESS_TOKEN, Handle, read, write
from tests.ledger import meets

ISSUER = "https://as.example"
NOW = 1_800_000_000
NONCE = b"n" * 12


def numbered() -> Callable[[int], bytes]:
    """Entropy that never repeats and can be foretold."""
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyring.json"


@pytest.fixture
def keyring(path: Path) -> FileKeyring:
    return FileKeyring.create(path, ISSUER, secrets.token_bytes, NOW)


@pytest.fixture
def wide_open() -> Iterator[None]:
    """A process that would let everybody read what it writes."""
    before = os.umask(0)
    yield
    os.umask(before)


class Content(TypedDict):
    """What the file holds."""

    issuer: str
    keys: list[dict[str, object]]


def edit(path: Path, change: Callable[[Content], object]) -> None:
    """Rewrite the file as an operator or an accident would."""
    content: Content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    fresh = path.with_suffix(".edited")
    fresh.write_text(json.dumps(content), encoding="utf-8")
    fresh.chmod(0o600)
    fresh.replace(path)


def set_state(path: Path, number: int, state: str) -> None:
    def change(content: Content) -> None:
        next(key for key in content["keys"] if key["number"] == number)["state"] = state

    edit(path, change)


# ── The file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-01", "X-39")
@pytest.mark.usefixtures("wide_open")
def test_only_the_owner_can_read_the_file_whatever_the_umask_even_after_a_rotation(path: Path) -> None:
    keyring = FileKeyring.create(path, ISSUER, secrets.token_bytes, NOW)
    first = stat.S_IMODE(path.stat().st_mode)
    keyring.rotate(secrets.token_bytes, NOW)

    assert first == stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_keyring_has_one_key_that_mints_and_knows_its_issuer(path: Path) -> None:
    keyring = FileKeyring.create(path, ISSUER, lambda size: b"s" * size, NOW)

    assert keyring.keys == [Key(1, b"s" * 32, "minting", NOW)]
    assert (keyring.minting, keyring.issuer) == (1, ISSUER)


def test_a_keyring_is_never_overwritten_by_a_new_one(path: Path, keyring: FileKeyring) -> None:
    before = path.read_bytes()

    with pytest.raises(KeyringExists, match="exists already"):
        FileKeyring.create(path, ISSUER, secrets.token_bytes, NOW)

    assert path.read_bytes() == before


def test_what_was_written_is_read_by_the_next_process(path: Path, keyring: FileKeyring) -> None:
    again = FileKeyring(path)

    assert (again.keys, again.issuer) == (keyring.keys, ISSUER)
    assert again.mac(1, "a", b"m") == keyring.mac(1, "a", b"m")


@meets("A-91")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
@pytest.mark.usefixtures("keyring")
def test_a_file_that_others_can_touch_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)

    with pytest.raises(KeyringError, match=r"keyring\.json can be read by others; chmod 600 it"):
        FileKeyring(path)


def test_a_missing_file_is_refused_and_never_made_anew(path: Path) -> None:
    with pytest.raises(KeyringError, match="restore it, a new one would end every credential"):
        FileKeyring(path)

    assert not path.exists()


def test_a_file_that_goes_missing_stops_every_use(path: Path, keyring: FileKeyring) -> None:
    path.unlink()

    for use in (lambda: keyring.minting, lambda: keyring.mac(1, "a", b""), lambda: keyring.seal("a", b"", NONCE)):
        with pytest.raises(KeyringError, match="restore it"):
            use()


GOOD: dict[str, object] = {"number": 1, "secret": base64.b64encode(b"s" * 32).decode(), "state": "minting", "since": NOW}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "7",
        '"keys"',
        "{}",
        '{"issuer": "https://as.example"}',
        '{"issuer": "https://as.example", "keys": 7}',
        '{"issuer": "https://as.example", "keys": [7]}',
        '{"issuer": "https://as.example", "keys": []}',
        json.dumps({"keys": [GOOD]}),
        json.dumps({"issuer": 7, "keys": [GOOD]}),
        json.dumps({"issuer": ISSUER, "keys": [{**GOOD, "state": "verifying"}]}),
        json.dumps({"issuer": ISSUER, "keys": [GOOD, {**GOOD, "number": 2}]}),
        json.dumps({"issuer": ISSUER, "keys": [GOOD, {**GOOD, "state": "verifying"}]}),
        json.dumps({"issuer": ISSUER, "keys": [{**GOOD, "secret": "c2hvcnQ="}]}),
        json.dumps({"issuer": ISSUER, "keys": [{**GOOD, "secret": "x"}]}),
        json.dumps({"issuer": ISSUER, "keys": [{**GOOD, "secret": None}]}),
        json.dumps({"issuer": ISSUER, "keys": [{**GOOD, "number": "1"}]}),
        json.dumps({"issuer": ISSUER, "keys": [{**GOOD, "number": [1]}]}),
        json.dumps({"issuer": ISSUER, "keys": [{**GOOD, "number": True}]}),
        json.dumps({"issuer": ISSUER, "keys": [{name: value for name, value in GOOD.items() if name != "state"}]}),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_without_its_secrets(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)

    with pytest.raises(KeyringError, match=r"^keyring\.json is damaged: ") as refused:
        FileKeyring(path)

    assert str(GOOD["secret"]) not in str(refused.value)


def test_a_file_that_is_no_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    path.chmod(0o600)

    with pytest.raises(KeyringError, match="damaged"):
        FileKeyring(path)


def test_a_folder_in_the_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir(mode=0o700)

    with pytest.raises(KeyringError, match=r"^keyring\.json: "):
        FileKeyring(path)


def test_what_was_half_written_before_a_crash_is_no_keyring(path: Path, keyring: FileKeyring) -> None:
    half = path.with_suffix(".new")
    half.write_text('{"version": 1, "iss', encoding="utf-8")
    half.chmod(0o666)

    assert FileKeyring(path).keys == keyring.keys
    assert keyring.rotate(secrets.token_bytes, NOW) == 2
    assert FileKeyring(path).minting == 2
    assert not half.exists()


@meets("X-39")
def test_neither_a_key_nor_the_ring_shows_its_secret(keyring: FileKeyring) -> None:
    (key,) = keyring.keys

    assert repr(key) == "Key(1, minting)"
    for spelled in (key.secret.hex(), base64.b64encode(key.secret).decode(), repr(key.secret)):
        assert spelled not in repr(keyring) + repr(key) + str(key)


# ── Rotation ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rotation_adds_a_key_that_mints_and_leaves_the_old_one_to_verify(path: Path) -> None:
    keyring = FileKeyring.create(path, ISSUER, numbered(), NOW)

    number = keyring.rotate(lambda size: b"2" * size, NOW + 5)

    assert number == keyring.minting == 2
    assert [(key.number, key.state, key.since) for key in keyring.keys] == [(1, "verifying", NOW + 5), (2, "minting", NOW + 5)]


def test_a_rotation_is_seen_by_every_other_process_at_its_next_use(path: Path, keyring: FileKeyring) -> None:
    other = FileKeyring(path)
    old = other.mac(1, "a", b"m")

    keyring.rotate(secrets.token_bytes, NOW)

    assert other.minting == 2
    assert other.mac(2, "a", b"m") == keyring.mac(2, "a", b"m") != old
    assert other.mac(1, "a", b"m") == old


def test_two_processes_that_rotate_one_after_the_other_lose_no_key(path: Path, keyring: FileKeyring) -> None:
    other = FileKeyring(path)

    numbers = [keyring.rotate(secrets.token_bytes, NOW), other.rotate(secrets.token_bytes, NOW), keyring.rotate(secrets.token_bytes, NOW)]

    assert numbers == [2, 3, 4]
    assert [key.state for key in other.keys] == ["verifying", "verifying", "verifying", "minting"]
    assert len({key.secret for key in other.keys}) == 4


def test_when_the_key_numbers_of_handles_are_used_up_nothing_is_rotated(path: Path, keyring: FileKeyring) -> None:
    def last(content: Content) -> None:
        content["keys"] = [{**GOOD, "number": 0xFFFF}]

    edit(path, last)

    with pytest.raises(KeyringError, match="65,535"):
        keyring.rotate(secrets.token_bytes, NOW)
    assert keyring.minting == 0xFFFF


# ── Which keys are honoured ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", HONOURED)
def test_a_key_verifies_while_it_is_honoured(path: Path, keyring: FileKeyring, state: str) -> None:
    sealed, mac = keyring.seal("a", b"plain", NONCE), keyring.mac(1, "a", b"m")
    keyring.rotate(secrets.token_bytes, NOW)

    if state != "minting":
        set_state(path, 1, state)

    assert keyring.open(1, "a", NONCE, sealed) == b"plain"
    assert keyring.mac(1, "a", b"m") == mac


@pytest.mark.parametrize("state", ["gone", "burnt", "", "Minting", "unheard-of"])
def test_a_key_that_is_gone_or_burnt_is_refused_at_the_next_use(path: Path, keyring: FileKeyring, state: str) -> None:
    handle = Handle(REGISTRATION_ACCESS_TOKEN, 1, b"o" * 24, 1)
    sealed, token = keyring.seal("a", b"plain", NONCE), write(keyring, ISSUER, handle)
    keyring.rotate(secrets.token_bytes, NOW)
    still_good = keyring.open(1, "a", NONCE, sealed), read(keyring, ISSUER, REGISTRATION_ACCESS_TOKEN, token)

    set_state(path, 1, state)

    assert still_good == (b"plain", handle)
    assert keyring.open(1, "a", NONCE, sealed) is None
    assert keyring.mac(1, "a", b"m") is None
    assert read(keyring, ISSUER, REGISTRATION_ACCESS_TOKEN, token) is None


@pytest.mark.parametrize("number", [0, 2, -1, 0xFFFF])
def test_a_key_that_never_was_is_refused(keyring: FileKeyring, number: int) -> None:
    assert keyring.mac(number, "a", b"m") is None
    assert keyring.open(number, "a", NONCE, keyring.seal("a", b"plain", NONCE)) is None


# ── MACs and seals ───────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-01")
def test_every_key_and_every_kind_has_a_mac_of_its_own(keyring: FileKeyring) -> None:
    keyring.rotate(secrets.token_bytes, NOW)

    macs = {keyring.mac(number, kind, message) for number in (1, 2) for kind in ("a", "b") for message in (b"", b"m")}

    assert len(macs) == 8
    assert all(mac is not None and len(mac) == 32 for mac in macs)


def test_a_seal_opens_to_what_was_sealed_and_shows_nothing_of_it(keyring: FileKeyring) -> None:
    sealed = keyring.seal("a", b"a plain text of some length", NONCE)

    assert keyring.open(1, "a", NONCE, sealed) == b"a plain text of some length"
    assert b"plain" not in sealed
    assert len(sealed) == 27 + 16


def test_an_empty_seal_opens_too(keyring: FileKeyring) -> None:
    assert keyring.open(1, "a", NONCE, keyring.seal("a", b"", NONCE)) == b""


@meets("H-23", "X-59")
def test_a_seal_is_bound_to_its_kind_its_key_number_and_its_issuer(path: Path, keyring: FileKeyring) -> None:
    sealed = keyring.seal("a", b"plain", NONCE)

    def renumber(content: Content) -> None:
        content["keys"].append({**content["keys"][0], "number": 2, "state": "verifying"})

    edit(path, renumber)
    other_kind, other_number = keyring.open(1, "b", NONCE, sealed), keyring.open(2, "a", NONCE, sealed)
    edit(path, lambda content: content.update({"issuer": "https://other.example"}))
    other_issuer = keyring.open(1, "a", NONCE, sealed)

    assert (other_kind, other_number, other_issuer) == (None, None, None)


def test_every_altered_bit_of_a_seal_or_its_nonce_is_found(keyring: FileKeyring) -> None:
    sealed = keyring.seal("a", b"plain", NONCE)

    for bit in range(8 * len(sealed)):
        altered = bytearray(sealed)
        altered[bit // 8] ^= 1 << bit % 8
        assert keyring.open(1, "a", NONCE, bytes(altered)) is None
    assert keyring.open(1, "a", b"m" * 12, sealed) is None
    assert [keyring.open(1, "a", NONCE, sealed[:size]) for size in range(len(sealed))] == [None] * len(sealed)


def test_one_nonce_twice_gives_nothing_away_but_that_the_texts_were_equal(keyring: FileKeyring) -> None:
    """Misuse resistance: what plain GCM would lose (CREDENTIALS §2)."""
    one, same, other = (keyring.seal("a", text, NONCE) for text in (b"A" * 16, b"A" * 16, b"A" * 15 + b"B"))

    assert one == same
    assert one[:15] != other[:15]
