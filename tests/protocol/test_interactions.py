"""A form that one browser was given, sealed into it (RFC 9700 §4.7, H-29)."""

import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.keys.keyring import FileKeyring
from calling_card.protocol.handles import seals
from calling_card.protocol.persons.interactions import LIFETIME, Transaction, challenge, digest, read, write
from tests.ledger import meets
from tests.protocol.macs import ISSUER, NOW

BROWSER = b"b" * 16
NONCE = bytes(12)
FORM = Transaction("consent", BROWSER, "client_id=c1", NOW, NOW + LIFETIME, b"s" * 16, b"d" * 16)


@dataclass
class Open:
    """Seals nothing: what is inside can be anything."""

    minting: int = 1

    def seal(self, kind: str, plain: bytes, nonce: bytes) -> bytes:
        return plain

    def open(self, number: int, kind: str, nonce: bytes, sealed: bytes) -> bytes | None:
        return sealed


@pytest.fixture
def keyring(tmp_path: Path) -> FileKeyring:
    return FileKeyring.create(tmp_path / "keyring.json", ISSUER, secrets.token_bytes, NOW)


@meets("A-32", "H-29")
def test_the_browser_that_was_given_a_form_can_send_it_until_it_is_too_old(keyring: FileKeyring) -> None:
    text = write(keyring, FORM, NONCE)

    assert read(keyring, text, BROWSER, "consent", NOW) == FORM
    assert read(keyring, text, BROWSER, "consent", NOW + LIFETIME - 1) == FORM
    assert read(keyring, text, BROWSER, "consent", NOW + LIFETIME) is None


@meets("A-32", "X-55", "X-85")
@pytest.mark.parametrize("browser", [b"", b"c" * 16, BROWSER[:15], BROWSER + b"b", bytes(16)])
def test_another_browser_cannot_send_it(keyring: FileKeyring, browser: bytes) -> None:
    assert read(keyring, write(keyring, FORM, NONCE), browser, "consent", NOW) is None


@meets("X-55")
@pytest.mark.parametrize("browser", [b"", b"short"])
def test_a_browser_without_a_number_has_no_form_even_if_one_says_so(keyring: FileKeyring, browser: bytes) -> None:
    anybodys = msgspec.structs.replace(FORM, browser=browser)

    assert read(keyring, write(keyring, anybodys, NONCE), browser, "consent", NOW) is None


@meets("A-32")
@pytest.mark.parametrize("made", ["sign_in", "consent", "account"])
@pytest.mark.parametrize("taken", ["sign_in", "consent", "account"])
def test_a_form_of_one_kind_is_not_taken_for_another(keyring: FileKeyring, made: str, taken: str) -> None:
    text = write(keyring, msgspec.structs.replace(FORM, purpose=made), NONCE)

    assert (read(keyring, text, BROWSER, taken, NOW) is not None) is (made == taken)


@meets("X-86")
def test_a_form_that_somebody_else_wrote_is_none_of_ours(keyring: FileKeyring, tmp_path: Path) -> None:
    foreign = FileKeyring.create(tmp_path / "other.json", ISSUER, secrets.token_bytes, NOW)

    assert read(keyring, write(foreign, FORM, NONCE), BROWSER, "consent", NOW) is None


@pytest.mark.parametrize("plain", [b"", b"\xc1", b"\x90", b"\x92\x01\x02", b"\x80", msgspec.msgpack.encode(["consent", "b" * 16, 1, 2, 3])])
def test_what_is_no_transaction_inside_is_none(plain: bytes) -> None:
    assert read(Open(), seals.wrap(seals.TRANSACTION, 1, NONCE, plain), BROWSER, "consent", NOW) is None


@given(st.binary(max_size=80))
def test_any_bytes_inside_are_read_or_not(plain: bytes) -> None:
    found = read(Open(), seals.wrap(seals.TRANSACTION, 1, NONCE, plain), BROWSER, "consent", NOW)

    assert found is None or found.browser == BROWSER


def test_the_longest_request_that_is_read_fits_into_a_form(keyring: FileKeyring) -> None:
    long = msgspec.structs.replace(FORM, request="x" * 16384)

    assert read(keyring, write(keyring, long, NONCE), BROWSER, "consent", NOW) == long


def test_each_form_has_its_own_challenge_for_a_passkey(keyring: FileKeyring) -> None:
    one, other = (write(keyring, FORM, nonce) for nonce in (NONCE, bytes([1] * 12)))

    assert len(challenge(one)) == 32
    assert challenge(one) == challenge(one) != challenge(other)


def test_a_digest_differs_when_any_part_does_or_moves() -> None:
    made = [digest("a", "b"), digest("ab"), digest("ab", ""), digest("", "ab"), digest("b", "a"), digest("a", b"c"), digest()]

    assert {len(one) for one in made} == {16}
    assert len(set(made)) == len(made)
    assert digest("ü") == digest("ü".encode())
