"""ID tokens: what they say of a sign-in, checked as a client would (OIDC Core §2, §3.1.3.6, §3.1.3.7, §12.2)."""

import base64
import hashlib
import secrets
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt as jose
from joserfc.jwk import KeySet, KeySetSerialization
from msgspec import structs

from calling_card.keys.keyring import FileKeyring
from calling_card.keys.signing import JoseSigner
from calling_card.protocol.handles import tokens
from calling_card.protocol.handles.idtokens import ALGS, DEFAULT_ALG, TYP, Signed, claims, half_hash
from tests.ledger import meets
from tests.protocol.macs import ISSUER, NOW

SIGNED = Signed(subject="p" * 22, client_id="c1", auth_time=NOW - 60, amr="pwd", nonce="n-0S6_WzA2Mj")
ACCESS_TOKEN = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> JoseSigner:
    """A signer with a key for every algorithm."""
    keyring = FileKeyring.create(Path(tmp_path_factory.mktemp("keys")) / "keyring.json", ISSUER, secrets.token_bytes, NOW)
    made = JoseSigner(keyring)
    made.know([made.make(alg, secrets.token_bytes, NOW) for alg in made.algs])
    return made


# ── The claims ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-61")
def test_an_id_token_says_who_signed_in_for_whom_when_and_how() -> None:
    assert claims(SIGNED, ISSUER, NOW, 3600, ACCESS_TOKEN) == {
        "iss": ISSUER,
        "sub": "p" * 22,
        "aud": "c1",
        "exp": NOW + 3600,
        "iat": NOW,
        "auth_time": NOW - 60,
        "at_hash": "77QmUPtjPfzWtF2AnpK9RQ",
        "amr": ["pwd"],
        "nonce": "n-0S6_WzA2Mj",
    }


@meets("A-61")
@pytest.mark.parametrize("amr, listed", [("pwd", ["pwd"]), ("hwk user", ["hwk", "user"]), ("pwd hwk mfa", ["pwd", "hwk", "mfa"])])
def test_the_ways_of_signing_in_are_a_list(amr: str, listed: list[str]) -> None:
    assert claims(structs.replace(SIGNED, amr=amr), ISSUER, NOW, 3600, ACCESS_TOKEN)["amr"] == listed


@meets("A-61")
def test_what_is_not_known_is_left_out() -> None:
    made = claims(structs.replace(SIGNED, amr="", nonce=""), ISSUER, NOW, 3600, ACCESS_TOKEN)

    assert set(made) == {"iss", "sub", "aud", "exp", "iat", "auth_time", "at_hash"}


@given(st.text(max_size=200))
def test_a_nonce_comes_back_as_it_was_sent(nonce: str) -> None:
    made = claims(structs.replace(SIGNED, nonce=nonce), ISSUER, NOW, 3600, ACCESS_TOKEN)

    assert made.get("nonce", "") == nonce
    assert ("nonce" in made) == bool(nonce)


@meets("A-102")
def test_an_id_token_from_a_refresh_is_the_first_one_with_a_new_time_and_without_nonce() -> None:
    first = claims(SIGNED, ISSUER, NOW, 3600, ACCESS_TOKEN)
    later = claims(structs.replace(SIGNED, nonce=""), ISSUER, NOW + 900, 3600, "another")

    assert {name for name in first if first[name] != later.get(name)} == {"iat", "exp", "at_hash", "nonce"}
    assert (later["iat"], later["exp"]) == (NOW + 900, NOW + 4500)
    assert "nonce" not in later


# ── at_hash ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-61")
def test_the_hash_of_an_access_token_is_the_one_of_the_specifications_own_example() -> None:
    assert half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y") == "77QmUPtjPfzWtF2AnpK9RQ"


@given(st.text(st.characters(codec="ascii"), max_size=300))
def test_the_hash_is_the_left_half_of_the_digest(token: str) -> None:
    whole = hashlib.new("sha256", token.encode("ascii")).hexdigest()

    assert base64.urlsafe_b64decode(half_hash(token) + "==").hex() == whole[:32]
    assert len(half_hash(token)) == 22


# ── Signed ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_client_gets_that_asks_for_nothing_can_be_signed(signer: JoseSigner) -> None:
    assert DEFAULT_ALG == "RS256"
    assert DEFAULT_ALG in ALGS
    assert set(ALGS) <= set(signer.algs)


@meets("A-61")
@pytest.mark.parametrize("alg", ALGS)
def test_a_client_verifies_an_id_token_with_the_published_keys(signer: JoseSigner, alg: str) -> None:
    said = claims(SIGNED, ISSUER, NOW, 10**9, ACCESS_TOKEN)
    text = signer.sign(said, TYP, alg)

    keys: KeySetSerialization = signer.jwks()  # type: ignore[assignment] # a key set, as any client reads it
    read = jose.decode(text, KeySet.import_key_set(keys), algorithms=[alg])
    rules = jose.JWTClaimsRegistry(
        now=NOW,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": "c1"},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": SIGNED.nonce},
    )
    rules.validate(read.claims)

    assert (read.header["alg"], read.header["typ"]) == (alg, "JWT")
    assert read.claims == said


@meets("A-61")
@pytest.mark.parametrize("alg", ALGS)
def test_another_library_agrees_on_the_signature_and_on_the_hash(signer: JoseSigner, alg: str) -> None:
    text = signer.sign(claims(SIGNED, ISSUER, NOW, 10**9, ACCESS_TOKEN), TYP, alg)

    kid = jwt.get_unverified_header(text)["kid"]
    key = jwt.PyJWKSet.from_dict(dict(signer.jwks()))[kid]
    read = jwt.decode(text, key, algorithms=[alg], audience="c1", issuer=ISSUER, options={"verify_iat": False})
    digest = jwt.get_algorithm_by_name(alg).compute_hash_digest(ACCESS_TOKEN.encode())

    assert read["at_hash"] == base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    assert read["sub"] == SIGNED.subject


@meets("X-43")
@pytest.mark.parametrize("alg", ALGS)
def test_an_id_token_is_no_access_token(signer: JoseSigner, alg: str) -> None:
    text = signer.sign(claims(SIGNED, ISSUER, NOW, 3600, ACCESS_TOKEN), TYP, alg)

    assert signer.verify(text, tokens.TYP) is None
    assert tokens.from_claims(claims(SIGNED, ISSUER, NOW, 3600, ACCESS_TOKEN), ISSUER) is None
