"""JWK Sets by value: public keys of the allowed kinds and sizes pass, everything else is named."""

import base64
import datetime
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519
from cryptography.x509.oid import NameOID

from calling_card.protocol.card.keysets import keys_of, keyset_problem
from calling_card.protocol.clients import JSON
from tests.ledger import meets

Key = dict[str, JSON]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int = 0) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def rsa_key(bits: int = 2048) -> Key:
    """A modulus of that length; nobody needs its factors."""
    return {"kty": "RSA", "n": number((1 << (bits - 1)) + 12345), "e": "AQAB"}


def ec_key(curve: ec.EllipticCurve | None = None, crv: str = "P-256") -> Key:
    point = ec.generate_private_key(curve or ec.SECP256R1()).public_key().public_numbers()
    size = (point.curve.key_size + 7) // 8
    return {"kty": "EC", "crv": crv, "x": number(point.x, size), "y": number(point.y, size)}


def okp_key(crv: str, size: int) -> Key:
    return {"kty": "OKP", "crv": crv, "x": b64(b"\x07" * size)}


def added(key: Key, **members: JSON) -> Key:
    """The key with more to it."""
    return {**key, **members}


def problem(*keys: JSON, limit: int = 20) -> str:
    return keyset_problem({"keys": list(keys)}, limit)


def certificate(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    """A self-signed certificate, as x5c wants it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    day = datetime.datetime(2026, 1, 1)  # noqa: DTZ001 - the library wants naive UTC
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key()).serial_number(7)
    signed = (
        builder.not_valid_before(day)
        .not_valid_after(day + datetime.timedelta(days=9))
        .sign(private, None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    return base64.b64encode(signed.public_bytes(serialization.Encoding.DER)).decode()


@meets("R-46", "R-47")
@pytest.mark.parametrize(
    "key",
    [
        rsa_key(),
        rsa_key(8192),
        ec_key(),
        ec_key(ec.SECP384R1(), "P-384"),
        ec_key(ec.SECP521R1(), "P-521"),
        okp_key("Ed25519", len(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw())),
        okp_key("Ed448", len(ed448.Ed448PrivateKey.generate().public_key().public_bytes_raw())),
        okp_key("X25519", len(x25519.X25519PrivateKey.generate().public_key().public_bytes_raw())),
        okp_key("X448", len(x448.X448PrivateKey.generate().public_key().public_bytes_raw())),
    ],
    ids=lambda key: f"{key['kty']}-{key.get('crv', len(key.get('n', '')))}",
)
def test_a_public_key_of_a_good_kind_and_size_passes(key: Key) -> None:
    named = added(key, kid="k1", use="sig", alg="X", key_ops=["verify"], x5u="https://never.example/fetched", other=[1])

    assert problem(key) == ""
    assert problem(named) == ""


def test_an_empty_set_is_a_set() -> None:
    assert keyset_problem({"keys": []}, 20) == ""


@meets("R-59")
@pytest.mark.parametrize("jwks", [{}, {"keys": None}, {"keys": {}}, {"keys": "x"}, {"Keys": []}])
def test_a_set_needs_an_array_of_keys(jwks: dict[str, JSON]) -> None:
    assert "must have an array 'keys'" in keyset_problem(jwks, 20)


@meets("R-15")
def test_too_many_keys_are_refused_with_the_limit() -> None:
    assert problem(*[okp_key("Ed25519", 32)] * 21) == "has more than 20 keys"


@pytest.mark.parametrize("key", ["x", None, 7, [], True])
def test_a_key_is_an_object(key: JSON) -> None:
    assert problem(ec_key(), key) == "key 1 must be an object"


@meets("R-46")
@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_a_private_member_is_refused_by_name(name: str) -> None:
    assert f"has the private member '{name}'" in problem(ec_key() | {name: "AA"})


@meets("R-46")
def test_a_symmetric_key_is_refused() -> None:
    assert "is symmetric" in problem({"kty": "oct", "k": "AAAA"})


@pytest.mark.parametrize("kty", [None, "rsa", "XYZ", 5, "AKP"])
def test_an_unknown_kind_of_key_is_refused(kty: JSON) -> None:
    assert "'kty' other than RSA, EC and OKP" in problem({"kty": kty})


@meets("R-47")
@pytest.mark.parametrize(
    "change, finding",
    [
        ({"n": number((1 << 2046) + 1)}, "modulus of 2047 bits"),
        ({"n": number((1 << 1023) + 1)}, "modulus of 1024 bits"),
        ({"n": number((1 << 8192) + 1)}, "modulus of 8193 bits"),
        ({"n": b64(b"\0" * 200 + b"\x80" + b"\0" * 100)}, "modulus of 808 bits"),
        ({"n": None}, "no base64url"),
        ({"n": "not base64url!"}, "no base64url"),
        ({"n": "AAAAA"}, "no base64url"),
        ({"e": 65537}, "no base64url"),
        ({"e": ""}, "no base64url"),
        ({"e": "AQ"}, "exponent"),
        ({"e": "BA"}, "exponent"),
    ],
)
def test_a_weak_or_broken_rsa_key_is_refused(change: Key, finding: str) -> None:
    assert finding in problem(rsa_key() | change)


@meets("R-47")
@pytest.mark.parametrize(
    "change, finding",
    [
        ({"crv": "secp256k1"}, "not one of P-256, P-384, P-521"),
        ({"crv": None}, "not one of P-256"),
        ({"crv": "Ed25519"}, "not one of P-256"),
        ({"kty": "OKP"}, "not one of Ed25519, Ed448, X25519, X448"),
        ({"crv": "P-384"}, "base64url of 48 bytes"),
        ({"x": "AA"}, "base64url of 32 bytes"),
        ({"y": None}, "base64url of 32 bytes"),
        ({"y": b64(b"\1" * 33)}, "base64url of 32 bytes"),
    ],
)
def test_a_curve_off_the_list_or_a_broken_point_is_refused(change: Key, finding: str) -> None:
    assert finding in problem(ec_key() | change)


@pytest.mark.parametrize(
    "change, finding",
    [
        ({"kid": 7}, "'kid' that is not a short text"),
        ({"kid": ""}, "'kid' that is not a short text"),
        ({"kid": "a\nb"}, "'kid' that is not a short text"),
        ({"kid": "x" * 256}, "'kid' that is not a short text"),
        ({"alg": []}, "'alg' that is not a short text"),
        ({"x5u": "https://a.example/" + "x" * 2048}, "'x5u' that is not a short text"),
        ({"use": "both"}, "'use' other than sig and enc"),
        ({"key_ops": "verify"}, "'key_ops' that are not an array"),
        ({"key_ops": [1]}, "'key_ops' that are not an array"),
    ],
)
def test_an_attribute_of_the_wrong_shape_is_refused(change: Key, finding: str) -> None:
    assert finding in problem(ec_key() | change)


@meets("R-47")
def test_two_keys_of_one_name_are_refused() -> None:
    assert "two keys with the same 'kid'" in problem(ec_key() | {"kid": "a"}, ec_key(), ec_key() | {"kid": "a"})
    assert problem(ec_key() | {"kid": "a"}, ec_key() | {"kid": "A"}, ec_key(), ec_key()) == ""


@meets("R-47")
def test_keys_for_both_purposes_all_say_which() -> None:
    signing, encrypting, silent = ec_key() | {"use": "sig"}, ec_key() | {"use": "enc"}, ec_key()

    assert problem(signing, encrypting) == ""
    assert problem(signing, silent) == ""
    assert "every key needs 'use'" in problem(signing, encrypting, silent)
    assert "every key needs 'use'" in problem(okp_key("Ed25519", 32), okp_key("X25519", 32))


@meets("R-47")
@pytest.mark.parametrize("kind", ["RSA", "EC", "OKP"])
def test_a_certificate_must_hold_the_bare_key(kind: str) -> None:
    own: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if kind == "RSA":
        own = rsa.generate_private_key(65537, 2048)
        key: Key = {"kty": "RSA", "n": number(own.public_key().public_numbers().n), "e": "AQAB"}
    elif kind == "EC":
        own = ec.generate_private_key(ec.SECP256R1())
        point = own.public_key().public_numbers()
        key = {"kty": "EC", "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32)}
    else:
        own = ed25519.Ed25519PrivateKey.generate()
        key = {"kty": "OKP", "crv": "Ed25519", "x": b64(own.public_key().public_bytes_raw())}
    other = certificate(ec.generate_private_key(ec.SECP256R1()))

    assert problem(added(key, x5c=[certificate(own), other])) == ""
    assert "certificate is of another key" in problem(added(key, x5c=[other, certificate(own)]))


@meets("R-47")
@pytest.mark.parametrize("chain", ["x", [], {}, ["not base64!"], [7], [""], [base64.b64encode(b"text").decode()], ["é"]])
def test_a_chain_that_is_none_is_refused(chain: JSON) -> None:
    assert "has an 'x5c'" in problem(ec_key() | {"x5c": chain})


def test_the_keys_of_a_set_are_the_objects_in_it() -> None:
    assert keys_of({"keys": [{"kty": "EC"}, cast(JSON, "x")]}) == [{"kty": "EC"}]
    assert keys_of(None) == keys_of({}) == keys_of({"keys": 1}) == []
