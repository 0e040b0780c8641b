"""Our own JWTs: signed by one key, verified by the published ones, and by nothing that a token says of itself (RFC 7515)."""

import base64
import hmac
import json
import secrets
from pathlib import Path
from typing import cast

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey, import_key
from msgspec import structs

from calling_card.keys.keyring import FileKeyring
from calling_card.keys.signing import MAKERS, SEAL, JoseSigner
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
    """The only key that the signer knows, and signs with."""
    made = signer.make("ES256", secrets.token_bytes, NOW)
    signer.know([made])
    return made


@pytest.fixture
def both(signer: JoseSigner) -> dict[str, SigningKey]:
    """The keys that the signer knows, one per algorithm."""
    made = {alg: signer.make(alg, secrets.token_bytes, NOW) for alg in signer.algs}
    signer.know(list(made.values()))
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


def opened(keyring: FileKeyring, key: SigningKey) -> dict[str, str | list[str]]:
    """A stored key as only a holder of the keyring can open it: key number, nonce, seal."""
    plain = keyring.open(int.from_bytes(key.sealed[:2], "big"), SEAL, key.sealed[2:14], key.sealed[14:])
    assert plain is not None
    return cast(dict[str, str | list[str]], json.loads(plain))


def private(keyring: FileKeyring, key: SigningKey) -> ec.EllipticCurvePrivateKey:
    ours = import_key(opened(keyring, key), "EC").private_key
    assert ours is not None
    return ours


def private_rsa(keyring: FileKeyring, key: SigningKey) -> rsa.RSAPrivateKey:
    ours = import_key(opened(keyring, key), "RSA").private_key
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


def rsa_signed(key: rsa.RSAPrivateKey, header: dict[str, object], how: padding.AsymmetricPadding, digest: hashes.HashAlgorithm) -> str:
    """A token that an RSA key signed, one way or another."""
    message = f"{part(header)}.{part(CLAIMS)}"
    return f"{message}.{encoded(key.sign(message.encode(), how, digest))}"


def header_of(token: str) -> dict[str, object]:
    return cast(dict[str, object], json.loads(decoded(token.partition(".")[0])))


# ── What we sign we verify ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_signed_is_verified_by_the_same_type(signer: JoseSigner, key: SigningKey) -> None:
    token = signer.sign(CLAIMS, TYP)

    assert signer.verify(token, TYP) == CLAIMS
    assert header_of(token) == {"alg": "ES256", "typ": TYP, "kid": key.kid}


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


@meets("A-65")
def test_every_algorithm_has_a_published_key_without_anything_private(signer: JoseSigner, both: dict[str, SigningKey]) -> None:
    said = {str(key["alg"]): key for key in published(signer)}

    assert set(said) == set(signer.algs) == {"ES256", "RS256"}
    assert set(said["RS256"]) == {"kty", "n", "e", "kid", "use", "alg"}
    assert (said["RS256"]["kty"], said["RS256"]["e"], said["RS256"]["use"]) == ("RSA", "AQAB", "sig")
    assert len(decoded(str(said["RS256"]["n"]))) == 256
    assert {alg: key["kid"] for alg, key in said.items()} == {alg: key.kid for alg, key in both.items()}


@meets("A-66")
@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_stranger_verifies_every_algorithm_with_what_we_publish(signer: JoseSigner, both: dict[str, SigningKey], alg: str) -> None:
    token = signer.sign(CLAIMS, "JWT", alg)

    found = jwt.PyJWKSet.from_dict(dict(signer.jwks()))[both[alg].kid]

    assert jwt.decode(token, found, algorithms=[alg], options={"verify_aud": False}) == CLAIMS
    assert header_of(token) == {"alg": alg, "typ": "JWT", "kid": both[alg].kid}
    assert signer.verify(token, "JWT") == CLAIMS


def test_without_a_wish_es256_signs(signer: JoseSigner, both: dict[str, SigningKey]) -> None:
    assert header_of(signer.sign(CLAIMS, TYP))["alg"] == "ES256"


@pytest.mark.parametrize("alg", ["RS256", "none", "HS256", ""])
def test_nothing_is_signed_by_an_algorithm_without_a_key(signer: JoseSigner, key: SigningKey, alg: str) -> None:
    with pytest.raises(LookupError, match=f"'{alg}'"):
        signer.sign(CLAIMS, TYP, alg)


def test_a_further_algorithm_is_one_row(keyring: FileKeyring) -> None:
    signer = JoseSigner(keyring, {**MAKERS, "ES384": lambda: ECKey.generate_key("P-384", auto_kid=False)})
    signer.know([signer.make(alg, secrets.token_bytes, NOW) for alg in signer.algs])

    token = signer.sign(CLAIMS, TYP, "ES384")

    assert signer.algs == ("ES256", "RS256", "ES384")
    assert header_of(token)["alg"] == "ES384"
    assert signer.verify(token, TYP) == CLAIMS


@meets("X-39", "A-65")
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


@meets("X-40", "A-66")
@pytest.mark.parametrize(
    "alg,how,digest",
    [
        ("RS384", padding.PKCS1v15(), hashes.SHA384()),
        ("RS512", padding.PKCS1v15(), hashes.SHA512()),
        ("PS256", padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
        ("ES256", padding.PKCS1v15(), hashes.SHA256()),
    ],
)
def test_our_own_rsa_key_verifies_by_its_own_algorithm_only(
    keyring: FileKeyring,
    signer: JoseSigner,
    both: dict[str, SigningKey],
    alg: str,
    how: padding.AsymmetricPadding,
    digest: hashes.HashAlgorithm,
) -> None:
    ours, kid = private_rsa(keyring, both["RS256"]), both["RS256"].kid

    right = rsa_signed(ours, {"alg": "RS256", "typ": TYP, "kid": kid}, padding.PKCS1v15(), hashes.SHA256())

    assert signer.verify(right, TYP) == CLAIMS
    assert signer.verify(rsa_signed(ours, {"alg": alg, "typ": TYP, "kid": kid}, how, digest), TYP) is None
    assert signer.verify(rsa_signed(ours, {"alg": "RS256", "typ": TYP, "kid": kid, "crit": ["x"]}, how, digest), TYP) is None


@meets("X-40")
def test_a_key_of_ours_does_not_speak_for_another_one(keyring: FileKeyring, signer: JoseSigner, both: dict[str, SigningKey]) -> None:
    curve, numbers = private(keyring, both["ES256"]), private_rsa(keyring, both["RS256"])

    crossed = [
        es256(curve, {"alg": "ES256", "typ": TYP, "kid": both["RS256"].kid}),
        es256(curve, {"alg": "RS256", "typ": TYP, "kid": both["RS256"].kid}),
        rsa_signed(numbers, {"alg": "RS256", "typ": TYP, "kid": both["ES256"].kid}, padding.PKCS1v15(), hashes.SHA256()),
        rsa_signed(numbers, {"alg": "ES256", "typ": TYP, "kid": both["ES256"].kid}, padding.PKCS1v15(), hashes.SHA256()),
    ]

    assert [signer.verify(token, TYP) for token in crossed] == [None] * 4


@meets("X-40", "X-100")
def test_every_altered_part_of_an_rsa_signature_is_found(signer: JoseSigner, both: dict[str, SigningKey]) -> None:
    token = signer.sign(CLAIMS, TYP, "RS256")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    assert [letter for letter in letters if signer.verify(token[:-1] + letter, TYP)] == [token[-1]]
    for place in range(0, len(token), 7):
        assert signer.verify(token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :], TYP) is None


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


@meets("A-65")
def test_after_a_rotation_the_new_key_signs_and_the_old_one_still_verifies(signer: JoseSigner, key: SigningKey) -> None:
    before = signer.sign(CLAIMS, TYP)
    new = signer.make("ES256", secrets.token_bytes, NOW + 1)

    signer.know([structs.replace(key, state="verifying"), new])

    after = signer.sign(CLAIMS, TYP)
    assert header_of(after)["kid"] == new.kid != key.kid
    assert signer.verify(before, TYP) == signer.verify(after, TYP) == CLAIMS
    assert [said["kid"] for said in published(signer)] == [key.kid, new.kid]


@meets("A-65")
def test_each_algorithm_rotates_by_itself(signer: JoseSigner, both: dict[str, SigningKey]) -> None:
    before = {alg: signer.sign(CLAIMS, TYP, alg) for alg in both}
    new = signer.make("RS256", secrets.token_bytes, NOW + 1)

    signer.know([both["ES256"], structs.replace(both["RS256"], state="verifying"), new])

    after = {alg: header_of(signer.sign(CLAIMS, TYP, alg))["kid"] for alg in both}
    assert after == {"ES256": both["ES256"].kid, "RS256": new.kid}
    assert [signer.verify(token, TYP) for token in before.values()] == [CLAIMS] * 2
    assert [said["kid"] for said in published(signer)] == [both["ES256"].kid, both["RS256"].kid, new.kid]


def test_a_key_that_will_mint_later_is_published_and_signs_nothing_yet(signer: JoseSigner, key: SigningKey) -> None:
    next_one = structs.replace(signer.make("ES256", secrets.token_bytes, NOW + 1), state="known")

    signer.know([key, next_one])

    assert [said["kid"] for said in published(signer)] == [key.kid, next_one.kid]
    assert header_of(signer.sign(CLAIMS, TYP))["kid"] == key.kid


def test_a_key_that_is_gone_verifies_nothing_and_is_not_published(signer: JoseSigner, key: SigningKey) -> None:
    before = signer.sign(CLAIMS, TYP)
    new = signer.make("ES256", secrets.token_bytes, NOW + 1)

    signer.know([structs.replace(key, state="gone"), new])

    assert signer.verify(before, TYP) is None
    assert public(signer)["kid"] == new.kid


def test_of_two_keys_that_mint_the_newest_signs(signer: JoseSigner, key: SigningKey) -> None:
    new = signer.make("ES256", secrets.token_bytes, NOW + 1)

    signer.know([key, new])

    assert header_of(signer.sign(CLAIMS, TYP))["kid"] == new.kid


def test_keys_that_did_not_change_are_not_opened_again(keyring: FileKeyring, signer: JoseSigner, key: SigningKey) -> None:
    signer.know([structs.replace(key, sealed=b"\x00\x01" + b"damaged but never looked at")])

    assert signer.verify(signer.sign(CLAIMS, TYP), TYP) == CLAIMS


def test_a_change_opens_the_new_keys_only(keyring: FileKeyring, signer: JoseSigner, key: SigningKey) -> None:
    before = signer.sign(CLAIMS, TYP)
    new = signer.make("ES256", secrets.token_bytes, NOW + 1)

    signer.know([structs.replace(key, state="verifying", sealed=b"\x00\x01" + b"damaged but never looked at"), new])

    assert signer.verify(before, TYP) == signer.verify(signer.sign(CLAIMS, TYP), TYP) == CLAIMS


def test_a_key_of_another_keyring_cannot_be_opened(signer: JoseSigner, key: SigningKey, tmp_path: Path) -> None:
    other = FileKeyring.create(tmp_path / "other.json", "https://as.example", secrets.token_bytes, NOW)

    with pytest.raises(LookupError, match=f"signing key {key.kid} cannot be opened with this keyring"):
        JoseSigner(other).know([key])


def test_a_key_sealed_before_the_keyring_was_rotated_opens_afterwards(keyring: FileKeyring, signer: JoseSigner, key: SigningKey) -> None:
    keyring.rotate(secrets.token_bytes, NOW)
    other = JoseSigner(keyring)

    other.know([key])

    assert other.verify(signer.sign(CLAIMS, TYP), TYP) == CLAIMS
