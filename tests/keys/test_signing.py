"""Our own JWTs: signed by one key, verified by the published ones, and by nothing that a token says of itself (RFC 7515)."""

import base64
import hmac
import json
import secrets
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey

from calling_card.keys.keyring import FileKeyring
from calling_card.keys.signing import SEAL, JoseSigner
from calling_card.ports import SigningKey
from tests.ledger import meets

NOW = 1_800_000_000
TYP = "at+jwt"
CLAIMS = {"iss": "https://as.example", "sub": "c1", "scope": "orders:read"}


@pytest.fixture
def keyring(tmp_path: Path) -> FileKeyring:
    return FileKeyring.create(tmp_path / "keyring.json", "https://as.example", secrets.token_bytes, NOW)


@pytest.fixture
def signer(keyring: FileKeyring) -> JoseSigner:
    return JoseSigner(keyring)


@pytest.fixture
def key(signer: JoseSigner) -> SigningKey:
    """The key that the signer knows and signs with."""
    made = signer.make(secrets.token_bytes, NOW)
    signer.know([made])
    return made


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def part(value: object) -> str:
    return encoded(json.dumps(value).encode())


def public(signer: JoseSigner) -> dict[str, object]:
    return published(signer)[0]


def published(signer: JoseSigner) -> list[dict[str, object]]:
    return cast(list[dict[str, object]], signer.jwks()["keys"])


def private(keyring: FileKeyring, key: SigningKey) -> ec.EllipticCurvePrivateKey:
    """A stored key as only a holder of the keyring can open it: key number, nonce, seal."""
    plain = keyring.open(int.from_bytes(key.sealed[:2], "big"), SEAL, key.sealed[2:14], key.sealed[14:])
    assert plain is not None
    ours = ECKey.import_key(json.loads(plain)).private_key
    assert ours is not None
    return ours


def pem(signer: JoseSigner) -> bytes:
    """The public key as everybody can write it."""
    ours = ECKey.import_key({name: str(public(signer)[name]) for name in ("kty", "crv", "x", "y")})
    return ours.public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def es256(key: ec.EllipticCurvePrivateKey, header: dict[str, object], payload: bytes | None = None) -> str:
    """A token that is signed as it says, by whatever key."""
    message = f"{part(header)}.{part(CLAIMS) if payload is None else encoded(payload)}"
    r, s = decode_dss_signature(key.sign(message.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{message}.{encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


# ── What we sign we verify ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_signed_is_verified_by_the_same_type(signer: JoseSigner, key: SigningKey) -> None:
    token = signer.sign(CLAIMS, TYP)

    assert signer.verify(token, TYP) == CLAIMS
    assert json.loads(decoded(token.split(".")[0])) == {"alg": "ES256", "typ": TYP, "kid": key.kid}


def test_another_process_with_the_same_keyring_verifies_it(keyring: FileKeyring, signer: JoseSigner, key: SigningKey) -> None:
    other = JoseSigner(keyring)
    other.know([key])

    assert other.verify(signer.sign(CLAIMS, TYP), TYP) == CLAIMS


def test_a_signer_that_knows_no_keys_verifies_nothing_and_publishes_nothing(
    keyring: FileKeyring, signer: JoseSigner, key: SigningKey
) -> None:
    fresh = JoseSigner(keyring)

    assert fresh.verify(signer.sign(CLAIMS, TYP), TYP) is None
    assert fresh.jwks() == {"keys": []}


def test_the_published_keys_say_what_they_are_for_and_nothing_private(signer: JoseSigner, key: SigningKey) -> None:
    said = public(signer)

    assert set(said) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert {name: said[name] for name in ("kty", "crv", "kid", "use", "alg")} == {
        "kty": "EC",
        "crv": "P-256",
        "kid": key.kid,
        "use": "sig",
        "alg": "ES256",
    }


@meets("X-39")
def test_a_stored_key_is_sealed(key: SigningKey, signer: JoseSigner) -> None:
    x, y = decoded(str(public(signer)["x"])), decoded(str(public(signer)["y"]))

    assert not any(word in key.sealed for word in (x, y, b"kty", b"P-256", b'"d"', encoded(x).encode()))


# ── What we did not sign we refuse ───────────────────────────────────────────────────────────────────────────────────


@meets("X-100", "X-40")
def test_every_altered_character_of_a_token_is_found(signer: JoseSigner, key: SigningKey) -> None:
    token = signer.sign(CLAIMS, TYP)

    for place, there in enumerate(token):
        for other in ("A", "B", "_", ".", "=", "é"):
            if other != there:
                assert signer.verify(token[:place] + other + token[place + 1 :], TYP) is None


@meets("X-40")
def test_a_second_spelling_of_a_signature_is_refused(signer: JoseSigner, key: SigningKey) -> None:
    token = signer.sign(CLAIMS, TYP)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    assert [letter for letter in letters if signer.verify(token[:-1] + letter, TYP)] == [token[-1]]


@meets("X-43")
@pytest.mark.parametrize("made_as", ["JWT", "logout+jwt", "at+JWT", "application/at+jwt", "", "software-statement+jwt"])
def test_a_token_made_for_another_purpose_is_refused(signer: JoseSigner, key: SigningKey, made_as: str) -> None:
    assert signer.verify(signer.sign(CLAIMS, made_as), TYP) is None
    assert signer.verify(signer.sign(CLAIMS, TYP), made_as) is None


@meets("X-40", "X-94")
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, ["ES256"]])
def test_an_unsigned_token_is_refused(signer: JoseSigner, key: SigningKey, alg: object) -> None:
    header = part({"alg": alg, "typ": TYP, "kid": key.kid})
    signature = signer.sign(CLAIMS, TYP).split(".")[2]

    assert signer.verify(f"{header}.{part(CLAIMS)}.", TYP) is None
    assert signer.verify(f"{header}.{part(CLAIMS)}.{signature}", TYP) is None


@meets("X-40", "X-94")
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_token_keyed_with_our_public_key_is_refused(signer: JoseSigner, key: SigningKey, alg: str) -> None:
    message = f"{part({'alg': alg, 'typ': TYP, 'kid': key.kid})}.{part(CLAIMS)}"
    jwk = json.dumps(public(signer)).encode()

    for secret in (pem(signer), pem(signer).strip(), jwk, decoded(str(public(signer)["x"])), b""):
        mac = hmac.digest(secret, message.encode(), alg.replace("HS", "sha"))
        assert signer.verify(f"{message}.{encoded(mac)}", TYP) is None


@meets("X-40")
@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES384", "ES512", "ES256K", "EdDSA", "RSA-OAEP"])
def test_a_token_of_another_algorithm_is_refused(signer: JoseSigner, key: SigningKey, alg: str) -> None:
    message = f"{part({'alg': alg, 'typ': TYP, 'kid': key.kid})}.{part(CLAIMS)}"
    theirs = rsa.generate_private_key(65537, 2048).sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
    ours = signer.sign(CLAIMS, TYP).split(".")[2]

    assert signer.verify(f"{message}.{encoded(theirs)}", TYP) is None
    assert signer.verify(f"{message}.{ours}", TYP) is None


@meets("X-40")
@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], "b64", None])
def test_a_critical_header_is_refused_though_the_signature_is_right(
    keyring: FileKeyring, signer: JoseSigner, key: SigningKey, crit: object
) -> None:
    ours = private(keyring, key)
    without = es256(ours, {"alg": "ES256", "typ": TYP, "kid": key.kid})
    critical = es256(ours, {"alg": "ES256", "typ": TYP, "kid": key.kid, "crit": crit, "exp": 1, "b64": True})

    assert signer.verify(without, TYP) == CLAIMS
    assert signer.verify(critical, TYP) is None


@meets("X-94")
@pytest.mark.parametrize("kid", ["ours", "none", "their"])
def test_a_key_that_a_token_brings_along_counts_for_nothing(signer: JoseSigner, key: SigningKey, kid: str) -> None:
    theirs = ec.generate_private_key(ec.SECP256R1())
    jwk: dict[str, object] = {**ECKey.import_key(theirs).as_dict(private=False)}
    names: dict[str, dict[str, object]] = {"ours": {"kid": key.kid}, "none": {}, "their": {"kid": "their"}}
    brought: list[dict[str, object]] = [
        {"jwk": jwk},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/chain"},
        {"x5c": ["MIIB"]},
    ]

    for header in brought:
        token = es256(theirs, {"alg": "ES256", "typ": TYP, **names[kid], **header})
        assert signer.verify(token, TYP) is None


KIDS: list[object] = [
    "../../../../dev/null",
    "/etc/passwd",
    "file:///dev/null",
    "https://evil.example/key",
    "' OR '1'='1",
    "'; DROP TABLE signing_keys; --",
    "$(id)",
    "\0",
    "a" * 10_000,
    "",
    None,
    0,
    True,
    [],
    {},
    ["x"],
]


@meets("X-94")
@pytest.mark.parametrize("kid", KIDS, ids=lambda kid: repr(kid)[:20])
def test_a_kid_is_looked_up_and_nothing_else(signer: JoseSigner, key: SigningKey, kid: object) -> None:
    theirs = ec.generate_private_key(ec.SECP256R1())

    assert signer.verify(es256(theirs, {"alg": "ES256", "typ": TYP, "kid": kid}), TYP) is None


HEADERS = [b"", b"[]", b"1", b"null", b'"x"', b"{", b"\xff", b"[" * 50_000, b'{"a":' * 50_000, b"{" * 20]


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header[:12]))
def test_a_header_that_is_no_object_is_refused(signer: JoseSigner, key: SigningKey, header: bytes) -> None:
    _, payload, signature = signer.sign(CLAIMS, TYP).split(".")

    assert signer.verify(f"{encoded(header)}.{payload}.{signature}", TYP) is None


@pytest.mark.parametrize("text", ["", ".", "..", "...", "a.b", "a.b.c.d", "é.é.é", "\ud800.a.b", "a b.c.d", " ", "\n.\n.\n"], ids=ascii)
def test_what_is_no_token_is_refused(signer: JoseSigner, key: SigningKey, text: str) -> None:
    assert signer.verify(text, TYP) is None


def test_white_space_and_padding_around_a_token_are_refused(signer: JoseSigner, key: SigningKey) -> None:
    token = signer.sign(CLAIMS, TYP)

    assert [signer.verify(spelled, TYP) for spelled in (" " + token, token + " ", token + "\n", token + "=", token + ".")] == [None] * 5


@pytest.mark.parametrize("payload", [b"[1]", b"1", b"null", b"", b"{", b"\xff", b"[" * 50_000], ids=lambda payload: repr(payload[:12]))
def test_a_payload_that_is_no_object_is_refused_though_the_signature_is_right(
    keyring: FileKeyring, signer: JoseSigner, key: SigningKey, payload: bytes
) -> None:
    token = es256(private(keyring, key), {"alg": "ES256", "typ": TYP, "kid": key.kid}, payload)

    assert signer.verify(token, TYP) is None


# ── Rotation ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_after_a_rotation_the_new_key_signs_and_the_old_one_still_verifies(signer: JoseSigner, key: SigningKey) -> None:
    before = signer.sign(CLAIMS, TYP)
    new = signer.make(secrets.token_bytes, NOW + 1)

    signer.know([replace(key, state="verifying"), new])

    after = signer.sign(CLAIMS, TYP)
    assert json.loads(decoded(after.split(".")[0]))["kid"] == new.kid != key.kid
    assert signer.verify(before, TYP) == signer.verify(after, TYP) == CLAIMS
    assert [said["kid"] for said in published(signer)] == [key.kid, new.kid]


def test_a_key_that_is_gone_verifies_nothing_and_is_not_published(signer: JoseSigner, key: SigningKey) -> None:
    before = signer.sign(CLAIMS, TYP)
    new = signer.make(secrets.token_bytes, NOW + 1)

    signer.know([replace(key, state="gone"), new])

    assert signer.verify(before, TYP) is None
    assert public(signer)["kid"] == new.kid


def test_of_two_keys_that_mint_the_newest_signs(signer: JoseSigner, key: SigningKey) -> None:
    new = signer.make(secrets.token_bytes, NOW + 1)

    signer.know([key, new])

    assert json.loads(decoded(signer.sign(CLAIMS, TYP).split(".")[0]))["kid"] == new.kid


def test_keys_that_did_not_change_are_not_opened_again(keyring: FileKeyring, signer: JoseSigner, key: SigningKey) -> None:
    signer.know([replace(key, sealed=b"\x00\x01" + b"damaged but never looked at")])

    assert signer.verify(signer.sign(CLAIMS, TYP), TYP) == CLAIMS


def test_a_key_of_another_keyring_cannot_be_opened(signer: JoseSigner, key: SigningKey, tmp_path: Path) -> None:
    other = FileKeyring.create(tmp_path / "other.json", "https://as.example", secrets.token_bytes, NOW)

    with pytest.raises(LookupError, match=f"signing key {key.kid} cannot be opened with this keyring"):
        JoseSigner(other).know([key])


def test_a_key_sealed_before_the_keyring_was_rotated_opens_afterwards(keyring: FileKeyring, signer: JoseSigner, key: SigningKey) -> None:
    keyring.rotate(secrets.token_bytes, NOW)
    other = JoseSigner(keyring)

    other.know([key])

    assert other.verify(signer.sign(CLAIMS, TYP), TYP) == CLAIMS
