"""Access tokens: both forms say the same, and nothing else is taken for one (RFC 9068 §2, CREDENTIALS §3)."""

import base64
import secrets
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.keys.keyring import FileKeyring
from calling_card.protocol import base64url
from calling_card.protocol.clients import Route
from calling_card.protocol.handles.seals import ACCESS_TOKEN, read, write
from calling_card.protocol.handles.tokens import AccessToken, from_bytes, from_claims, to_bytes, to_claims
from tests.ledger import meets
from tests.protocol.macs import ISSUER, NOW

NONCE = bytes(range(12))
OWN = AccessToken(
    jti=b"j" * 16,
    client_id="c1",
    route=Route.REGISTERED,
    incarnation=b"i" * 8,
    epoch=3,
    subject="c1",
    scope="orders:read orders:write",
    audience=("https://api.example",),
    issued_at=NOW,
    expires_at=NOW + 300,
)
"""A client's own token, by client_credentials."""
ALLOWED = msgspec.structs.replace(OWN, subject=base64url.encode(b"p" * 16), grant=b"g" * 16, grant_epoch=5, person_epoch=7)
"""A token that a person allowed."""
either = pytest.mark.parametrize("token", [OWN, ALLOWED], ids=["own", "allowed"])


@pytest.fixture
def keyring(tmp_path: Path) -> FileKeyring:
    return FileKeyring.create(tmp_path / "keyring.json", ISSUER, secrets.token_bytes, NOW)


WHOLE = st.integers(0, 2**63 - 1)


@st.composite
def own_tokens(draw: st.DrawFn) -> AccessToken:
    return AccessToken(
        jti=draw(st.binary(min_size=16, max_size=16)),
        client_id=draw(st.text(max_size=40)),
        route=Route.REGISTERED,
        incarnation=draw(st.binary(min_size=8, max_size=8)),
        epoch=draw(WHOLE),
        subject=draw(st.text(max_size=40)),
        scope=draw(st.text(max_size=40)),
        audience=tuple(draw(st.lists(st.text(max_size=20), max_size=3))),
        issued_at=draw(WHOLE),
        expires_at=draw(WHOLE),
    )


@st.composite
def allowed_tokens(draw: st.DrawFn) -> AccessToken:
    return msgspec.structs.replace(
        draw(own_tokens()), grant=draw(st.binary(min_size=16, max_size=16)), grant_epoch=draw(WHOLE), person_epoch=draw(WHOLE)
    )


@st.composite
def bound_tokens(draw: st.DrawFn) -> AccessToken:
    return msgspec.structs.replace(
        draw(own_tokens() | allowed_tokens()), route=draw(st.sampled_from(Route)), cnf=draw(st.text(max_size=20))
    )


# ── Sealed ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(own_tokens() | allowed_tokens() | bound_tokens())
def test_the_claims_of_a_sealed_token_read_as_they_were_written(token: AccessToken) -> None:
    assert from_bytes(to_bytes(token)) == token


@meets("A-51")
@either
def test_a_sealed_token_opens_under_its_keyring_and_shows_nothing_before(keyring: FileKeyring, token: AccessToken) -> None:
    text = write(keyring, ACCESS_TOKEN, to_bytes(token), NONCE)

    raw = base64.urlsafe_b64decode(text.removeprefix("cc_at_") + "===")

    plain = read(keyring, ACCESS_TOKEN, text)
    assert plain is not None
    assert from_bytes(plain) == token
    assert text.startswith("cc_at_")
    assert not any(word in raw for word in (b"c1", b"orders", b"api.example", token.jti, token.subject.encode()))


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_opening_fail(plain: bytes) -> None:
    found = from_bytes(plain)

    assert found is None or isinstance(found, AccessToken)


@pytest.mark.parametrize("plain", [b"", b"\xc1", b"\x80", msgspec.msgpack.encode([1, 2, 3]), msgspec.msgpack.encode({"jti": b"j"})])
def test_what_is_not_a_token_of_this_version_is_refused_though_the_seal_was_right(plain: bytes) -> None:
    assert from_bytes(plain) is None


# ── Signed ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(own_tokens() | allowed_tokens())
def test_the_claims_of_a_signed_token_read_as_they_were_written(token: AccessToken) -> None:
    assert from_claims(to_claims(token, ISSUER), ISSUER) == token


@meets("A-51")
@either
def test_a_signed_token_says_what_rfc_9068_asks_for(token: AccessToken) -> None:
    claims = to_claims(token, ISSUER)

    assert {name: claims[name] for name in claims if name != "cc"} == {
        "iss": ISSUER,
        "sub": token.subject,
        "aud": "https://api.example",
        "client_id": "c1",
        "exp": NOW + 300,
        "iat": NOW,
        "jti": base64url.encode(b"j" * 16),
        "scope": "orders:read orders:write",
    }


def test_what_a_token_must_still_agree_with_is_one_claim_of_two_lengths() -> None:
    own, allowed = (base64.urlsafe_b64decode(str(to_claims(token, ISSUER)["cc"]) + "===") for token in (OWN, ALLOWED))

    assert own == b"i" * 8 + (3).to_bytes(8, "big")
    assert allowed == own + b"g" * 16 + (5).to_bytes(8, "big") + (7).to_bytes(8, "big")


def test_several_audiences_are_a_list_and_one_is_not() -> None:
    several = msgspec.structs.replace(ALLOWED, audience=("https://a.example", "https://b.example"))

    assert to_claims(several, ISSUER)["aud"] == ["https://a.example", "https://b.example"]
    assert from_claims(to_claims(several, ISSUER), ISSUER) == several


@meets("X-59", "H-23")
@either
def test_the_claims_of_another_issuer_are_not_ours(token: AccessToken) -> None:
    claims = to_claims(token, ISSUER)

    assert from_claims(claims, ISSUER + "/") is None
    assert from_claims({**claims, "iss": [ISSUER]}, ISSUER) is None
    assert from_claims({name: value for name, value in claims.items() if name != "iss"}, ISSUER) is None


NAMES = ["jti", "cc", "aud", "client_id", "sub", "scope", "iat", "exp"]
ODD: list[object] = [None, 1.5, True, {}, [1], "short", "é" * 22, "\ud800" * 22, "A" * 21 + "!", "A" * 23, "A" * 63, "A" * 65]


@either
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ODD, ids=ascii)
def test_a_claim_of_another_type_or_length_makes_no_token(token: AccessToken, name: str, value: object) -> None:
    claims = {**to_claims(token, ISSUER), name: value}

    found = from_claims(claims, ISSUER)

    is_text = isinstance(value, str) and name in ("aud", "client_id", "sub", "scope")
    assert (found is not None) == is_text


@either
@pytest.mark.parametrize("name", NAMES)
def test_a_missing_claim_makes_no_token(token: AccessToken, name: str) -> None:
    claims = {key: value for key, value in to_claims(token, ISSUER).items() if key != name}

    assert from_claims(claims, ISSUER) is None


@pytest.mark.parametrize("size", [0, 8, 15, 17, 24, 32, 40, 47, 49, 64])
def test_a_claim_of_neither_length_makes_no_token(size: int) -> None:
    assert from_claims({**to_claims(ALLOWED, ISSUER), "cc": base64url.encode(b"x" * size)}, ISSUER) is None


def test_a_token_that_a_person_allowed_does_not_read_as_a_clients_own() -> None:
    own = from_claims(to_claims(OWN, ISSUER), ISSUER)
    allowed = from_claims(to_claims(ALLOWED, ISSUER), ISSUER)

    assert own is not None
    assert allowed is not None
    assert (own.grant, own.grant_epoch, own.person_epoch) == (None, 0, 0)
    assert (allowed.grant, allowed.grant_epoch, allowed.person_epoch) == (b"g" * 16, 5, 7)
