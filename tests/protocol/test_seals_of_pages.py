"""What pages carry sealed is read as what it is, and as nothing else (CREDENTIALS §2)."""

import secrets
from pathlib import Path

import pytest

from calling_card.keys.keyring import FileKeyring
from calling_card.protocol.handles.seals import ACCESS_TOKEN, LINK, TRANSACTION, read, write
from calling_card.protocol.persons.interactions import LIFETIME, Transaction
from calling_card.protocol.persons.interactions import read as read_form
from calling_card.protocol.persons.interactions import write as write_form
from tests.ledger import meets
from tests.protocol.macs import ISSUER, NOW

BROWSER = b"b" * 16
NONCE = bytes(range(12))
FORM = Transaction("account", BROWSER, "", NOW, NOW + LIFETIME, b"s" * 16)


@pytest.fixture
def keyring(tmp_path: Path) -> FileKeyring:
    return FileKeyring.create(tmp_path / "keyring.json", ISSUER, secrets.token_bytes, NOW)


@meets("X-23", "X-86")
def test_a_token_or_link_in_the_clothes_of_a_form_is_no_form(keyring: FileKeyring) -> None:
    inside = read(keyring, TRANSACTION, write_form(keyring, FORM, NONCE))
    assert inside is not None

    for seal in (ACCESS_TOKEN, LINK):
        dressed = TRANSACTION.prefix + write(keyring, seal, inside, NONCE).removeprefix(seal.prefix)
        assert read_form(keyring, dressed, BROWSER, "account", NOW) is None


@meets("X-86")
def test_one_changed_letter_anywhere_makes_a_form_worthless(keyring: FileKeyring) -> None:
    text = write_form(keyring, FORM, NONCE)

    for at in range(len(text)):
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        assert read_form(keyring, changed, BROWSER, "account", NOW) is None, at


@meets("X-86")
def test_a_form_shows_nothing_of_what_it_is_about(keyring: FileKeyring) -> None:
    text = write_form(keyring, FORM, NONCE)

    assert read_form(keyring, text, BROWSER, "account", NOW) == FORM
    assert "account" not in text
    assert len(text) < 200
