"""Sealed cards: the client_id that is the whole registration (CREDENTIALS §6, H-10)."""

import hashlib
import json
import secrets
import string
import zlib
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.keys.keyring import FileKeyring
from calling_card.protocol.answers import to_bytes
from calling_card.protocol.base64url import decode
from calling_card.protocol.handles import sealed
from calling_card.protocol.handles.sealed import CARD, DICTIONARIES, Lives, Sealed, mark_until, read, write
from calling_card.protocol.handles.seals import wrap
from tests.ledger import meets
from tests.protocol.macs import ISSUER, NOW
from tests.protocol.test_client_bodies import BODIES, judged

DAY = 86400
LIVES = Lives(30 * DAY, 0)
PLAIN = b'{"client_name":"Tea","redirect_uris":["https://tea.example/cb"]}'
NONCE = bytes(range(12))


@pytest.fixture
def keyring(tmp_path: Path) -> FileKeyring:
    return FileKeyring.create(tmp_path / "keyring.json", ISSUER, secrets.token_bytes, NOW)


def made(keyring: FileKeyring, metadata: bytes = PLAIN, nonce: bytes = NONCE, lives: Lives = LIVES) -> str:
    client_id = write(keyring, metadata, nonce, NOW, lives)
    assert client_id is not None
    return client_id


def sealing(keyring: FileKeyring, plain: bytes) -> str:
    """Whatever bytes, sealed as a card would be."""
    return wrap(CARD, keyring.minting, NONCE, keyring.seal(CARD.name, plain, NONCE))


def pressed(metadata: bytes, dictionary: bytes = DICTIONARIES[1]) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, dictionary)
    return packer.compress(metadata) + packer.flush()


# ── What it says ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-10")
def test_a_card_says_what_was_sealed_and_is_an_identifier_that_fits_everywhere(keyring: FileKeyring) -> None:
    client_id = made(keyring, lives=Lives(DAY, 3600))

    assert read(keyring, client_id) == Sealed(1, NONCE[:8], NOW, NOW + DAY, NOW + 3600, PLAIN)
    assert set(client_id) <= set(string.ascii_letters + string.digits + "-_")
    assert len(client_id) <= 512


def test_a_secret_without_an_end_has_none(keyring: FileKeyring) -> None:
    card = read(keyring, made(keyring))

    assert card is not None
    assert card.secret_expires_at == 0


@meets("R-103")
def test_two_equal_cards_are_two_names_of_two_clients(keyring: FileKeyring) -> None:
    one, other = made(keyring, nonce=secrets.token_bytes(12)), made(keyring, nonce=secrets.token_bytes(12))

    cards = read(keyring, one), read(keyring, other)

    assert one != other
    assert cards[0] is not None
    assert cards[1] is not None
    assert cards[0].incarnation != cards[1].incarnation
    assert cards[0].metadata == cards[1].metadata


@meets("H-10")
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.stem)
def test_the_card_of_a_real_client_is_no_longer_than_many_an_address(keyring: FileKeyring, body: Path) -> None:
    metadata = to_bytes(judged(body)[1].card)

    client_id = made(keyring, metadata, secrets.token_bytes(12))

    assert len(client_id) <= 192
    card = read(keyring, client_id)
    assert card is not None
    assert card.metadata == metadata


@meets("H-10")
def test_a_card_that_would_be_too_long_is_none(keyring: FileKeyring) -> None:
    noise = secrets.token_hex(400)

    assert write(keyring, json.dumps({"client_name": noise}).encode(), NONCE, NOW, LIVES) is None


@meets("H-10")
@pytest.mark.parametrize("size", [8191, 8192, 100_000])
def test_a_card_that_only_compresses_well_is_none_when_it_would_be_opened_in_vain(keyring: FileKeyring, size: int) -> None:
    client_id = write(keyring, b"a" * size, NONCE, NOW, LIVES)

    assert (client_id is None) == (size > 8191)
    assert client_id is None or read(keyring, client_id) is not None


@given(st.binary(max_size=300), st.binary(min_size=12, max_size=12), st.integers(1, 366), st.integers(0, 36525))
def test_every_card_that_is_written_is_read_again(metadata: bytes, nonce: bytes, days: int, life: int) -> None:
    client_id = write(OPEN, metadata, nonce, NOW, Lives(days * DAY, life * DAY))

    card = read(OPEN, client_id) if client_id else None

    assert card == Sealed(1, nonce[:8], NOW, NOW + days * DAY, NOW + life * DAY if life else 0, metadata)


class Open:
    """A keyring that hides nothing, for what happens behind the seal."""

    minting = 1

    def seal(self, kind: str, plain: bytes, nonce: bytes) -> bytes:
        """The plain bytes, with their number in front."""
        return kind.encode() + nonce + plain

    def open(self, number: int, kind: str, nonce: bytes, sealed: bytes) -> bytes | None:
        """What `seal` was given."""
        head = kind.encode() + nonce
        return sealed.removeprefix(head) if number == 1 and sealed.startswith(head) else None


OPEN = Open()


# ── What is none ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-10")
def test_a_card_with_any_one_character_changed_is_none(keyring: FileKeyring) -> None:
    client_id = made(keyring)
    alphabet = string.ascii_letters + string.digits + "-_."

    opened = [
        client_id[:index] + other + client_id[index + 1 :]
        for index, char in enumerate(client_id)
        for other in secrets.SystemRandom().sample(alphabet.replace(char, ""), 3)
        if read(keyring, client_id[:index] + other + client_id[index + 1 :]) is not None
    ]

    assert opened == []


@meets("H-10")
def test_a_second_spelling_of_a_card_is_none(keyring: FileKeyring) -> None:
    client_id = next(text for length in range(3) if len(text := made(keyring, PLAIN + b" " * length)) % 4 != 3)
    raw = decode(client_id.removeprefix(CARD.prefix))
    spellings = [client_id[:-1] + char for char in string.ascii_letters if client_id[-1] != char]

    alike = [text for text in spellings if decode(text.removeprefix(CARD.prefix)) == raw]

    assert len(alike) > 0
    assert [text for text in [*alike, client_id + "=", client_id + "\n", " " + client_id] if read(keyring, text)] == []


@given(st.text(max_size=600))
def test_any_text_gets_an_answer(text: str) -> None:
    assert read(OPEN, text) is None
    assert read(OPEN, CARD.prefix + text) is None


@given(st.binary(max_size=200))
def test_any_bytes_behind_the_seal_get_an_answer(plain: bytes) -> None:
    read(OPEN, wrap(CARD, 1, NONCE, OPEN.seal(CARD.name, plain, NONCE)))


def test_what_another_keyring_sealed_is_none(keyring: FileKeyring, tmp_path: Path) -> None:
    other = FileKeyring.create(tmp_path / "other.json", ISSUER, secrets.token_bytes, NOW)

    assert read(keyring, made(other)) is None


def test_what_was_sealed_for_another_issuer_is_none(keyring: FileKeyring, tmp_path: Path) -> None:
    content = json.loads((tmp_path / "keyring.json").read_text())
    moved = tmp_path / "moved.json"
    moved.write_text(json.dumps({**content, "issuer": "https://elsewhere.example"}))
    moved.chmod(0o600)

    assert read(FileKeyring(moved), made(keyring)) is None


@meets("H-10")
def test_a_bomb_is_not_inflated(keyring: FileKeyring) -> None:
    head = bytes.fromhex("01") + (NOW).to_bytes(4, "big") + (DAY).to_bytes(4, "big") + bytes(4)
    bomb = head + pressed(b"a" * 300_000)

    assert len(sealing(keyring, bomb)) <= 512 < len(pressed(b"a" * 300_000)) * 2
    assert read(keyring, sealing(keyring, bomb)) is None


@pytest.mark.parametrize(
    "plain", [b"", b"\x01", b"\x01" + bytes(12) + b"\xff\xff", b"\x01" + bytes(12), b"\x02" + bytes(12) + pressed(PLAIN)]
)
def test_a_seal_of_something_else_is_no_card(keyring: FileKeyring, plain: bytes) -> None:
    assert read(keyring, sealing(keyring, plain)) is None


# ── Keys and dictionaries ────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-10")
def test_a_card_opens_after_its_key_was_rotated_and_not_when_the_key_is_gone(keyring: FileKeyring, tmp_path: Path) -> None:
    before = made(keyring)
    keyring.rotate(secrets.token_bytes, NOW)
    after = made(keyring)

    assert [read(keyring, before), read(keyring, after)] == [Sealed(key, NONCE[:8], NOW, NOW + 30 * DAY, 0, PLAIN) for key in (1, 2)]

    content = json.loads((tmp_path / "keyring.json").read_text())
    content["keys"][0]["state"] = "gone"
    (tmp_path / "keyring.json").write_text(json.dumps(content))
    assert [read(keyring, before), read(keyring, after) is None] == [None, False]


@meets("H-10")
def test_a_card_of_the_first_dictionary_opens_when_there_is_a_second(keyring: FileKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made(keyring)
    monkeypatch.setattr(sealed, "DICTIONARIES", MappingProxyType({**DICTIONARIES, 2: b'{"client_name":"Tea","redirect_uris":["'}))
    after = made(keyring)

    assert before != after
    assert [card.metadata for card in (read(keyring, before), read(keyring, after)) if card] == [PLAIN, PLAIN]


@meets("H-10")
def test_the_dictionaries_are_as_they_ever_were() -> None:
    """Cards are out there that were made with them: add another one, never touch these."""
    assert {number: hashlib.sha256(words).hexdigest() for number, words in DICTIONARIES.items()} == {
        1: "ab923af501c17fe1398ee41a5083c94fad2bc83f8eb2fdef0fae9ac7daa1178e",
    }


def test_a_card_that_was_pressed_long_ago_is_still_read() -> None:
    long_ago = bytes.fromhex("438feb90d4447c857b496aa21eb4dd05cefab500")

    plain = b"\x01" + NOW.to_bytes(4, "big") + DAY.to_bytes(4, "big") + bytes(4) + long_ago
    card = read(OPEN, wrap(CARD, 1, NONCE, OPEN.seal(CARD.name, plain, NONCE)))

    assert card is not None
    assert card.metadata == PLAIN


# ── Tombstones ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-10")
def test_a_mark_stays_at_least_as_long_as_the_card_could_be_opened(keyring: FileKeyring) -> None:
    client_id = made(keyring)

    assert mark_until(keyring, client_id, NOW + DAY) == NOW + 30 * DAY
    assert mark_until(keyring, client_id, NOW + 400 * DAY) == NOW + 400 * DAY
    assert mark_until(keyring, "c1", NOW + DAY) == NOW + DAY
