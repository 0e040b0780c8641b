"""Handles: what is written is read, and nothing else is (CREDENTIALS §1)."""

import base64
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from calling_card.protocol.clients import Generations
from calling_card.protocol.handles.credentials import (
    CLIENT_SECRET,
    INITIAL_ACCESS_TOKEN,
    KINDS,
    REGISTRATION_ACCESS_TOKEN,
    Handle,
    Kind,
    has_secret,
    of_client,
    owner,
    read,
    speaks_for,
    write,
)
from calling_card.protocol.handles.rotation import withdraw
from tests.ledger import meets
from tests.protocol.macs import ISSUER, Macs, a_client

MACS = Macs()
ALPHABET = re.compile(r"[A-Za-z0-9_.-]+")
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def a_handle(kind: Kind, key: int = 1, generation: int = 1) -> Handle:
    return Handle(kind, key, bytes(range(kind.owner)), generation)


@st.composite
def handles(draw: st.DrawFn) -> Handle:
    kind = draw(st.sampled_from(KINDS))
    key = draw(st.sampled_from(sorted(MACS.honoured)))
    return Handle(kind, key, draw(st.binary(min_size=kind.owner, max_size=kind.owner)), draw(st.integers(0, 2**32 - 1)))


def block(kind: Kind, text: str) -> bytes:
    """The bytes of a handle."""
    body = text.removeprefix(kind.prefix)
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


def text_of(kind: Kind, raw: bytes) -> str:
    return kind.prefix + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(kind: Kind, fields: bytes, key: int = 1, name: str = "") -> str:
    """A handle with a right MAC over any fields, as only a holder of the keyring could make it."""
    issuer = ISSUER.encode()
    mac = MACS.mac(key, name or kind.name, len(issuer).to_bytes(4, "big") + issuer + fields)
    assert mac is not None
    return text_of(kind, fields + mac[: kind.mac])


# ── What is written is read ──────────────────────────────────────────────────────────────────────────────────────────


@given(handles())
def test_a_handle_of_any_kind_reads_as_it_was_written(handle: Handle) -> None:
    text = write(MACS, ISSUER, handle)

    assert read(MACS, ISSUER, handle.kind, text) == handle


@meets("R-42", "S3-33", "S3-36", "M-15")
@given(handles())
def test_a_handle_is_as_long_as_its_kind_says_and_url_safe(handle: Handle) -> None:
    text = write(MACS, ISSUER, handle)

    assert len(text) == handle.kind.length
    assert text.startswith(handle.kind.prefix)
    assert ALPHABET.fullmatch(text)


@meets("R-42", "S3-33", "S3-36", "M-15")
def test_secrets_and_registration_access_tokens_carry_256_bits_that_only_the_keyring_can_make() -> None:
    assert (CLIENT_SECRET.mac, REGISTRATION_ACCESS_TOKEN.mac) == (32, 32)
    assert all(kind.mac >= 16 for kind in KINDS)


def test_a_registration_access_token_is_86_characters_behind_its_prefix() -> None:
    assert REGISTRATION_ACCESS_TOKEN.length == 86 + len("cc_rat_")


@meets("R-42")
def test_a_secret_is_long_enough_to_be_a_key_for_hs512() -> None:
    assert CLIENT_SECRET.length >= 64


def test_no_two_kinds_share_a_name_a_prefix_or_a_code() -> None:
    for values in zip(*((kind.name, kind.prefix, kind.code) for kind in KINDS), strict=True):
        assert len(set(values)) == len(KINDS)


@meets("R-42", "X-103")
def test_no_two_clients_incarnations_or_generations_share_a_secret() -> None:
    a, namesake, b = a_client("a"), a_client("a", incarnation=b"j" * 8), a_client("b")
    rows = [Generations(1, number, 1, 1) for number in range(1, 4)]

    texts = {write(MACS, ISSUER, of_client(CLIENT_SECRET, client, row)) for client in (a, namesake, b) for row in rows}

    assert len(texts) == 9


# ── Nothing else is read ─────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-38")
@each_kind
def test_a_handle_with_any_one_character_changed_is_refused(kind: Kind) -> None:
    text = write(MACS, ISSUER, a_handle(kind))
    others = string.ascii_letters + string.digits + "-_.~+/= é\x00"
    tried = 0

    for place, there in enumerate(text):
        for other in others:
            if other != there:
                tried += 1
                assert read(MACS, ISSUER, kind, text[:place] + other + text[place + 1 :]) is None

    assert tried >= kind.length * (len(others) - 1)


@each_kind
def test_a_second_spelling_of_the_same_bytes_is_refused(kind: Kind) -> None:
    text = write(MACS, ISSUER, a_handle(kind))
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    spellings = [text[:-1] + letter for letter in letters if block(kind, text[:-1] + letter) == block(kind, text)]

    assert [spelling for spelling in spellings if read(MACS, ISSUER, kind, spelling)] == [text]


def test_some_kinds_have_second_spellings() -> None:
    """Else the test before this one would show nothing."""
    assert any((8 * len(block(kind, write(MACS, ISSUER, a_handle(kind))))) % 6 for kind in KINDS)


@each_kind
@pytest.mark.parametrize("before, end, after", [("", -1, ""), ("", None, "A"), ("", None, "="), (" ", None, ""), ("", 0, "")])
def test_a_handle_of_another_length_is_refused(kind: Kind, before: str, end: int | None, after: str) -> None:
    assert read(MACS, ISSUER, kind, before + write(MACS, ISSUER, a_handle(kind))[:end] + after) is None


@each_kind
def test_the_standard_alphabet_and_padding_are_refused(kind: Kind) -> None:
    raw = bytes([0xFB, 0xFF]) * 40
    body = base64.b64encode(raw)[: kind.length - len(kind.prefix)].decode()

    assert read(MACS, ISSUER, kind, kind.prefix + body) is None
    assert read(MACS, ISSUER, kind, kind.prefix + body[:-2] + "==") is None


@pytest.mark.parametrize("other", KINDS, ids=lambda kind: kind.name)
@each_kind
def test_a_handle_is_never_read_as_another_kind(kind: Kind, other: Kind) -> None:
    text = write(MACS, ISSUER, a_handle(kind))
    disguised = other.prefix + text.removeprefix(kind.prefix)

    assert (read(MACS, ISSUER, other, text) is not None) == (kind is other)
    assert (read(MACS, ISSUER, other, disguised) is not None) == (kind is other)


@each_kind
def test_a_right_mac_over_another_version_or_code_does_not_help(kind: Kind) -> None:
    rest = (1).to_bytes(2, "big") + bytes(kind.owner) + (1).to_bytes(4, "big")

    assert read(MACS, ISSUER, kind, signed(kind, bytes([1, kind.code]) + rest)) is not None
    assert read(MACS, ISSUER, kind, signed(kind, bytes([0, kind.code]) + rest)) is None
    assert read(MACS, ISSUER, kind, signed(kind, bytes([2, kind.code]) + rest)) is None
    assert read(MACS, ISSUER, kind, signed(kind, bytes([1, kind.code + 1]) + rest)) is None


@meets("X-59", "H-23")
@given(handles(), st.sampled_from(["https://as.example/", "https://as.example/a", "http://as.example", "https://AS.example", ""]))
def test_a_handle_of_another_issuer_is_refused(handle: Handle, other: str) -> None:
    assert read(MACS, other, handle.kind, write(MACS, ISSUER, handle)) is None


def test_issuer_and_fields_cannot_be_shifted_into_each_other() -> None:
    kind = INITIAL_ACCESS_TOKEN
    longer = ISSUER + "\x01\x03"

    assert read(MACS, ISSUER, kind, write(MACS, longer, a_handle(kind))) is None


@given(handles())
def test_a_handle_that_names_another_key_is_refused(handle: Handle) -> None:
    raw = block(handle.kind, write(MACS, ISSUER, handle))
    other = next(number for number in sorted(MACS.honoured) if number != handle.key)

    assert read(MACS, ISSUER, handle.kind, text_of(handle.kind, raw[:2] + other.to_bytes(2, "big") + raw[4:])) is None


@each_kind
def test_a_key_that_is_not_honoured_any_more_neither_reads_nor_writes(kind: Kind) -> None:
    text = write(MACS, ISSUER, a_handle(kind, key=2))
    later = Macs(honoured=frozenset({1}))

    assert read(later, ISSUER, kind, text) is None
    with pytest.raises(LookupError, match="key 2"):
        write(later, ISSUER, a_handle(kind, key=2))


@given(st.sampled_from(KINDS), st.text(max_size=200))
def test_no_text_at_all_makes_reading_fail(kind: Kind, text: str) -> None:
    assert read(MACS, ISSUER, kind, text) is None
    assert read(MACS, ISSUER, kind, kind.prefix + text) is None
    assert read(MACS, ISSUER, kind, (kind.prefix + text * kind.length)[: kind.length]) is None


# ── Whose, and of which key ──────────────────────────────────────────────────────────────────────────────────────────


@meets("H-01", "M-15")
def test_the_newest_credential_of_a_client_names_its_place_its_incarnation_and_the_key_of_its_generation() -> None:
    client = a_client("c1", incarnation=b"12345678")
    row = Generations(3, 5, 1, 2)

    handle = of_client(REGISTRATION_ACCESS_TOKEN, client, row)

    assert handle == Handle(REGISTRATION_ACCESS_TOKEN, 2, client.key + b"12345678", 5)
    assert owner(client) == handle.owner
    assert len(handle.owner) == REGISTRATION_ACCESS_TOKEN.owner == CLIENT_SECRET.owner


@pytest.mark.parametrize(
    "generation, key, speaks",
    [
        (5, 2, True),
        (5, 1, False),
        (3, 1, True),
        (3, 2, False),
        (4, 1, True),
        (4, 2, True),
        (2, 2, True),
        (6, 1, True),
    ],
)
def test_an_old_key_cannot_speak_for_the_generation_of_a_newer_one(generation: int, key: int, speaks: bool) -> None:
    """Generations that do not live pass: the rotation table refuses them, with the event that fits."""
    handle = structs.replace(a_handle(REGISTRATION_ACCESS_TOKEN), key=key, generation=generation)

    assert speaks_for(handle, Generations(3, 5, 1, 2)) is speaks


def test_when_the_confirmed_generation_is_the_newest_its_key_counts_once() -> None:
    handle = structs.replace(a_handle(REGISTRATION_ACCESS_TOKEN), key=2, generation=5)

    assert speaks_for(handle, Generations(5, 5, 2, 2))
    assert not speaks_for(structs.replace(handle, key=1), Generations(5, 5, 2, 2))


def test_a_client_has_a_secret_only_between_its_birth_and_its_withdrawal() -> None:
    row = Generations()

    assert not has_secret(a_client(secret=None))
    assert has_secret(a_client(secret=row))
    assert not has_secret(a_client(secret=withdraw(row)))
