"""Sealed texts: whatever the kind, only the keyring that wrote one reads it, and only as that kind (CREDENTIALS §2)."""

import base64
import secrets
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.keys.keyring import FileKeyring
from calling_card.protocol.handles.credentials import KINDS
from calling_card.protocol.handles.seals import SEALS, Seal, read, unwrap, wrap, write
from tests.ledger import meets
from tests.protocol.macs import ISSUER, NOW

NONCE = bytes(range(12))
PLAIN = b"who asked, for what, until when"
every_seal = pytest.mark.parametrize("seal", SEALS, ids=lambda seal: seal.name)


@pytest.fixture
def keyring(tmp_path: Path) -> FileKeyring:
    return FileKeyring.create(tmp_path / "keyring.json", ISSUER, secrets.token_bytes, NOW)


def raw_of(seal: Seal, text: str) -> bytes:
    body = text.removeprefix(seal.prefix)
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


def text_of(seal: Seal, raw: bytes) -> str:
    return seal.prefix + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# ── What one writes the other reads ──────────────────────────────────────────────────────────────────────────────────


@given(st.sampled_from(SEALS), st.integers(0, 0xFFFF), st.binary(min_size=12, max_size=12), st.binary(max_size=400))
def test_the_parts_of_a_sealed_text_read_as_they_were_written(seal: Seal, key: int, nonce: bytes, body: bytes) -> None:
    parts = unwrap(seal, wrap(seal, key, nonce, body))

    assert parts is not None
    assert (parts.key, parts.nonce, parts.sealed) == (key, nonce, body)


@every_seal
@pytest.mark.parametrize("plain", [b"", PLAIN, bytes(range(256)) * 20], ids=["nothing", "a little", "much"])
def test_what_was_sealed_is_read_and_shows_nothing_before(keyring: FileKeyring, seal: Seal, plain: bytes) -> None:
    text = write(keyring, seal, plain, NONCE)

    assert read(keyring, seal, text) == plain
    assert text.startswith(seal.prefix)
    assert not plain or plain not in raw_of(seal, text)
    assert set(text) <= set(string.ascii_letters + string.digits + "-_")


@every_seal
def test_the_same_sealed_twice_looks_different(keyring: FileKeyring, seal: Seal) -> None:
    first, second = (write(keyring, seal, PLAIN, secrets.token_bytes(12)) for _ in range(2))

    assert first != second
    assert read(keyring, seal, first) == read(keyring, seal, second) == PLAIN


@every_seal
def test_what_was_sealed_before_a_rotation_is_read_afterwards(keyring: FileKeyring, seal: Seal) -> None:
    before = write(keyring, seal, PLAIN, NONCE)
    keyring.rotate(secrets.token_bytes, NOW)
    after = write(keyring, seal, PLAIN, NONCE)

    assert [parts.key for parts in (unwrap(seal, before), unwrap(seal, after)) if parts] == [1, 2]
    assert read(keyring, seal, before) == read(keyring, seal, after) == PLAIN


# ── Nothing else is read ─────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-38")
@every_seal
def test_a_sealed_text_with_any_one_character_changed_is_refused(keyring: FileKeyring, seal: Seal) -> None:
    text = write(keyring, seal, PLAIN, NONCE)

    for place, there in enumerate(text):
        for other in string.ascii_letters + string.digits + "-_.+/= é":
            if other != there:
                assert read(keyring, seal, text[:place] + other + text[place + 1 :]) is None


@every_seal
@pytest.mark.parametrize("place", [0, 1, 2, 3, 14, 15, 30, -1], ids=str)
def test_an_altered_version_key_number_nonce_or_ciphertext_is_refused(keyring: FileKeyring, seal: Seal, place: int) -> None:
    keyring.rotate(secrets.token_bytes, NOW)
    raw = bytearray(raw_of(seal, write(keyring, seal, PLAIN, NONCE)))

    raw[place] ^= 3

    assert read(keyring, seal, text_of(seal, bytes(raw))) is None


@meets("X-38")
@pytest.mark.parametrize("other", SEALS, ids=lambda seal: seal.name)
@every_seal
def test_a_sealed_text_is_read_as_its_own_kind_only(keyring: FileKeyring, seal: Seal, other: Seal) -> None:
    text = write(keyring, seal, PLAIN, NONCE)
    renamed = other.prefix + text.removeprefix(seal.prefix)

    assert (read(keyring, other, text) == PLAIN) == (seal is other)
    assert (read(keyring, other, renamed) == PLAIN) == (seal is other)


@every_seal
def test_what_another_keyring_sealed_is_refused(keyring: FileKeyring, seal: Seal, tmp_path: Path) -> None:
    other = FileKeyring.create(tmp_path / "other.json", ISSUER, secrets.token_bytes, NOW)

    assert read(other, seal, write(keyring, seal, PLAIN, NONCE)) is None


@every_seal
def test_what_was_sealed_for_the_database_is_refused(keyring: FileKeyring, seal: Seal) -> None:
    elsewhere = wrap(seal, 1, NONCE, keyring.seal("signing_key", PLAIN, NONCE))

    assert read(keyring, seal, elsewhere) is None


@every_seal
@pytest.mark.parametrize("number", [0, 2, 0xFFFF])
def test_a_key_that_never_was_opens_nothing(keyring: FileKeyring, seal: Seal, number: int) -> None:
    assert read(keyring, seal, wrap(seal, number, NONCE, keyring.seal(seal.name, PLAIN, NONCE))) is None


# ── One spelling ─────────────────────────────────────────────────────────────────────────────────────────────────────


def not_texts(seal: Seal) -> list[str]:
    """What comes close to a sealed text."""
    good = wrap(seal, 1, NONCE, b"x")
    return [
        "",
        seal.prefix,
        seal.prefix + "AQ",
        seal.prefix + "A",
        seal.prefix + "é" + "A" * 30,
        seal.prefix + "\ud800" + "A" * 30,
        text_of(seal, b"\x01\x00\x01" + NONCE[:-1]),
        text_of(seal, b"\x02\x00\x01" + NONCE + b"sealed"),
        text_of(seal, b"\x00\x00\x01" + NONCE + b"sealed"),
        text_of(seal, b"\x01\x00\x01" + NONCE + b"x") + "=",
        good.replace(seal.prefix, "cc_rat_"),
        good.removeprefix(seal.prefix),
        good.upper(),
        " " + good,
        good + " ",
        good + "\n",
        good + "\0",
        wrap(seal, 1, NONCE, b"x" * seal.longest),
    ]


@every_seal
def test_what_is_no_sealed_text_is_not_unwrapped(seal: Seal) -> None:
    assert [text for text in not_texts(seal) if unwrap(seal, text) is not None] == []


@every_seal
def test_a_sealed_text_may_be_as_long_as_its_kind_says_and_no_longer(seal: Seal) -> None:
    room = (seal.longest - len(seal.prefix)) * 3 // 4 - 15
    longest, longer = (wrap(seal, 1, NONCE, b"x" * size) for size in (room, room + 1))

    assert len(longest) <= seal.longest < len(longer)
    assert unwrap(seal, longest) is not None
    assert unwrap(seal, longer) is None


@every_seal
def test_a_second_spelling_of_a_sealed_text_is_refused(seal: Seal) -> None:
    text = wrap(seal, 1, NONCE, b"12345")
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    spellings = [text[:-1] + letter for letter in letters if raw_of(seal, text[:-1] + letter) == raw_of(seal, text)]

    assert len(spellings) > 1
    assert [spelling for spelling in spellings if unwrap(seal, spelling)] == [text]


@given(st.sampled_from(SEALS), st.text(max_size=100))
def test_no_text_at_all_makes_unwrapping_fail(seal: Seal, text: str) -> None:
    found = unwrap(seal, seal.prefix + text)

    assert found is None or wrap(seal, found.key, found.nonce, found.sealed) == seal.prefix + text


# ── The table ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_prefix_or_name_begins_another() -> None:
    prefixes = [seal.prefix for seal in SEALS] + [kind.prefix for kind in KINDS]
    names = [seal.name for seal in SEALS] + [kind.name for kind in KINDS]

    assert [(one, other) for one in prefixes for other in prefixes if one is not other and other.startswith(one)] == []
    assert len(set(names)) == len(names)
    assert all(prefix.startswith("cc_") and prefix.endswith("_") for prefix in prefixes)


@every_seal
def test_a_row_says_what_its_kind_is_for(seal: Seal) -> None:
    assert seal.meaning.endswith(".")
    assert seal.longest >= 8192
