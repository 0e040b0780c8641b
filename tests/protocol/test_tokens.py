"""Access tokens: both forms say the same, and nothing else is taken for one (RFC 9068 §2, CREDENTIALS §3)."""

import base64
import secrets
import string
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.keys.keyring import FileKeyring
from calling_card.protocol.credentials import ACCESS_TOKEN_PREFIX
from calling_card.protocol.tokens import (
    SEAL,
    AccessToken,
    from_bytes,
    from_claims,
    jti_text,
    to_bytes,
    to_claims,
    unwrap,
    wrap,
)
from tests.ledger import meets
from tests.protocol.macs import ISSUER, NOW

NONCE = bytes(range(12))
TOKEN = AccessToken(
    jti=b"j" * 16,
    client_id="c1",
    route="registered",
    incarnation=b"i" * 8,
    epoch=3,
    subject="c1",
    scope="orders:read orders:write",
    audience=("https://api.example",),
    issued_at=NOW,
    expires_at=NOW + 300,
)


@pytest.fixture
def keyring(tmp_path: Path) -> FileKeyring:
    return FileKeyring.create(tmp_path / "keyring.json", ISSUER, secrets.token_bytes, NOW)


def sealed(keyring: FileKeyring) -> str:
    return wrap(keyring.minting, NONCE, keyring.seal(SEAL, to_bytes(TOKEN), NONCE))


def opened(keyring: FileKeyring, text: str) -> AccessToken | None:
    """What a reader does with a text that may be a token."""
    parts = unwrap(text)
    plain = keyring.open(parts.key, SEAL, parts.nonce, parts.sealed) if parts else None
    return from_bytes(plain) if plain is not None else None


def raw_of(text: str) -> bytes:
    body = text.removeprefix(ACCESS_TOKEN_PREFIX)
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


def text_of(raw: bytes) -> str:
    return ACCESS_TOKEN_PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@st.composite
def tokens(draw: st.DrawFn, *, signed: bool = False) -> AccessToken:
    whole = st.integers(0, 2**63 - 1)
    own = AccessToken(
        jti=draw(st.binary(min_size=16, max_size=16)),
        client_id=draw(st.text(max_size=40)),
        route="registered",
        incarnation=draw(st.binary(min_size=8, max_size=8)),
        epoch=draw(whole),
        subject=draw(st.text(max_size=40)),
        scope=draw(st.text(max_size=40)),
        audience=tuple(draw(st.lists(st.text(max_size=20), max_size=3))),
        issued_at=draw(whole),
        expires_at=draw(whole),
    )
    if signed:
        return own
    return msgspec.structs.replace(
        own,
        grant=draw(st.none() | st.binary(min_size=16, max_size=16)),
        grant_epoch=draw(whole),
        person=draw(st.text(max_size=20)),
        person_epoch=draw(whole),
        cnf=draw(st.text(max_size=20)),
    )


# ── Sealed ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(tokens())
def test_the_claims_of_a_sealed_token_read_as_they_were_written(token: AccessToken) -> None:
    assert from_bytes(to_bytes(token)) == token


@given(st.integers(0, 0xFFFF), st.binary(min_size=12, max_size=12), st.binary(max_size=400))
def test_the_parts_of_a_sealed_token_read_as_they_were_written(key: int, nonce: bytes, body: bytes) -> None:
    parts = unwrap(wrap(key, nonce, body))

    assert parts is not None
    assert (parts.key, parts.nonce, parts.sealed) == (key, nonce, body)


@meets("A-51")
def test_a_sealed_token_opens_under_its_keyring_and_shows_nothing_before(keyring: FileKeyring) -> None:
    text = sealed(keyring)

    assert opened(keyring, text) == TOKEN
    assert text.startswith("cc_at_")
    assert not any(word in raw_of(text) for word in (b"c1", b"orders", b"api.example", TOKEN.jti))


@meets("X-38")
def test_a_sealed_token_with_any_one_character_changed_is_refused(keyring: FileKeyring) -> None:
    text = sealed(keyring)

    for place, there in enumerate(text):
        for other in string.ascii_letters + string.digits + "-_.+/= é":
            if other != there:
                assert opened(keyring, text[:place] + other + text[place + 1 :]) is None


@pytest.mark.parametrize("place", [0, 1, 2, 3, 14, 15, 30, -1], ids=str)
def test_an_altered_version_key_number_nonce_or_ciphertext_is_refused(keyring: FileKeyring, place: int) -> None:
    keyring.rotate(secrets.token_bytes, NOW)
    raw = bytearray(raw_of(sealed(keyring)))

    raw[place] ^= 3

    assert opened(keyring, text_of(bytes(raw))) is None


def test_a_token_of_another_keyring_or_another_purpose_is_refused(keyring: FileKeyring, tmp_path: Path) -> None:
    other = FileKeyring.create(tmp_path / "other.json", ISSUER, secrets.token_bytes, NOW)
    elsewhere = wrap(1, NONCE, keyring.seal("signing_key", to_bytes(TOKEN), NONCE))

    assert opened(other, sealed(keyring)) is None
    assert opened(keyring, elsewhere) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cc_at_",
        "cc_at_AQ",
        text_of(b"\x01\x00\x01" + NONCE[:-1]),
        text_of(b"\x02\x00\x01" + NONCE + b"sealed"),
        text_of(b"\x01\x00\x01" + NONCE + b"x") + "=",
        wrap(1, NONCE, b"x").replace("cc_at_", "cc_rat_"),
        wrap(1, NONCE, b"x" * 8192),
        "cc_at_A",
        "cc_at_é" + "A" * 30,
        "cc_at_\ud800" + "A" * 30,
        " " + wrap(1, NONCE, b"x"),
    ],
    ids=lambda text: text[:20].encode("ascii", "replace").decode(),
)
def test_what_is_no_sealed_token_is_not_unwrapped(text: str) -> None:
    assert unwrap(text) is None


def test_a_second_spelling_of_a_sealed_token_is_refused() -> None:
    text = wrap(1, NONCE, b"12345")
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    spellings = [text[:-1] + letter for letter in letters if raw_of(text[:-1] + letter) == raw_of(text)]

    assert len(spellings) > 1
    assert [spelling for spelling in spellings if unwrap(spelling)] == [text]


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_opening_fail(plain: bytes) -> None:
    found = from_bytes(plain)

    assert found is None or isinstance(found, AccessToken)


@pytest.mark.parametrize("plain", [b"", b"\xc1", b"\x80", msgspec.msgpack.encode([1, 2, 3]), msgspec.msgpack.encode({"jti": b"j"})])
def test_what_is_not_a_token_of_this_version_is_refused_though_the_seal_was_right(plain: bytes) -> None:
    assert from_bytes(plain) is None


# ── Signed ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(tokens(signed=True))
def test_the_claims_of_a_signed_token_read_as_they_were_written(token: AccessToken) -> None:
    assert from_claims(to_claims(token, ISSUER), ISSUER) == token


@meets("A-51")
def test_a_signed_token_says_what_rfc_9068_asks_for() -> None:
    claims = to_claims(TOKEN, ISSUER)

    assert {name: claims[name] for name in claims if name != "cc"} == {
        "iss": ISSUER,
        "sub": "c1",
        "aud": "https://api.example",
        "client_id": "c1",
        "exp": NOW + 300,
        "iat": NOW,
        "jti": jti_text(b"j" * 16),
        "scope": "orders:read orders:write",
    }


def test_several_audiences_are_a_list_and_one_is_not() -> None:
    several = msgspec.structs.replace(TOKEN, audience=("https://a.example", "https://b.example"))

    assert to_claims(several, ISSUER)["aud"] == ["https://a.example", "https://b.example"]
    assert from_claims(to_claims(several, ISSUER), ISSUER) == several


@meets("X-59", "H-23")
def test_the_claims_of_another_issuer_are_not_ours() -> None:
    claims = to_claims(TOKEN, ISSUER)

    assert from_claims(claims, ISSUER + "/") is None
    assert from_claims({**claims, "iss": [ISSUER]}, ISSUER) is None
    assert from_claims({name: value for name, value in claims.items() if name != "iss"}, ISSUER) is None


@pytest.mark.parametrize("name", ["jti", "cc", "aud", "client_id", "sub", "scope", "iat", "exp"])
@pytest.mark.parametrize("value", [None, 1.5, True, {}, [1], "short", "é" * 22, "\ud800" * 22, "A" * 21 + "!", "A" * 23], ids=ascii)
def test_a_claim_of_another_type_or_length_makes_no_token(name: str, value: object) -> None:
    claims = {**to_claims(TOKEN, ISSUER), name: value}

    found = from_claims(claims, ISSUER)

    is_text = isinstance(value, str) and name in ("aud", "client_id", "sub", "scope")
    assert (found is not None) == is_text


@pytest.mark.parametrize("name", ["jti", "cc", "aud", "client_id", "sub", "scope", "iat", "exp"])
def test_a_missing_claim_makes_no_token(name: str) -> None:
    claims = {key: value for key, value in to_claims(TOKEN, ISSUER).items() if key != name}

    assert from_claims(claims, ISSUER) is None
