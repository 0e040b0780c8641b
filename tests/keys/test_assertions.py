"""The signature of an assertion: one algorithm, one key, and no third way to be right (RFC 7515 §5.2, RFC 7518 §3)."""

import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x25519
from joserfc.jwk import ECKey, OKPKey

from calling_card.keys.assertions import JoseVerifier
from calling_card.protocol.card.ground import ASSERTION_ALGS
from calling_card.protocol.card.keysets import keyset_problem, signer_of
from calling_card.protocol.clients import JSON
from tests.assertions import Holder, encoded, holder, jws, respelled, spoiled, with_secret
from tests.ledger import meets

CLAIMS = {"sub": "c1"}
SECRET = "cc_secret_" + "s" * 100
PAIRS = [alg for alg in ASSERTION_ALGS if not alg.startswith("HS")]
VERIFIER = JoseVerifier()


def public(key: ECKey | OKPKey) -> dict[str, Any]:
    return dict(key.as_dict())


def octets(secret: bytes) -> dict[str, Any]:
    return {"kty": "oct", "k": encoded(secret)}


def hashed_with(key: bytes, alg: str = "HS256") -> str:
    """An assertion that was made without any library."""
    return jws({"alg": alg}, CLAIMS, lambda message: hmac.digest(key, message, f"sha{alg[2:]}"))


def of(alg: str) -> tuple[Holder, dict[str, Any]]:
    """Who signs with an algorithm, and the key to check it with."""
    if alg.startswith("HS"):
        return with_secret(SECRET, alg), octets(SECRET.encode())
    return holder(alg), holder(alg).jwk


@meets("A-40", "X-40")
@pytest.mark.parametrize("alg", ASSERTION_ALGS)
def test_every_algorithm_that_is_served_is_checked(alg: str) -> None:
    client, key = of(alg)

    assert VERIFIER.signed(client.signs(CLAIMS), alg, key)


@meets("X-40")
@pytest.mark.parametrize("used", ASSERTION_ALGS)
@pytest.mark.parametrize("wanted", ASSERTION_ALGS)
def test_no_algorithm_passes_for_another(used: str, wanted: str) -> None:
    """The matrix: what was signed by one algorithm, checked by each with the key of the one and with its own."""
    client, key = of(used)
    text = client.signs(CLAIMS)
    same = used == wanted or {used, wanted} == {"EdDSA", "Ed25519"}

    assert VERIFIER.signed(text, wanted, key) is same
    assert VERIFIER.signed(text, wanted, of(wanted)[1]) is (used == wanted)


@meets("X-40", "X-94")
@pytest.mark.parametrize("alg", PAIRS)
@pytest.mark.parametrize("hashed", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_secret_however_it_is_spelled(alg: str, hashed: str) -> None:
    client = holder(alg)
    texts = [client.pem, client.pem.strip(), str(client.jwk).encode(), encoded(client.pem).encode()]

    forged = [hashed_with(text, hashed) for text in texts]

    assert not any(VERIFIER.signed(text, used, client.jwk) for text in forged for used in (hashed, alg))


@pytest.mark.parametrize("alg", ["none", "None", "", "ES256K", "Ed448", "RSA1_5", "dir", "HS1", "__class__"])
def test_an_algorithm_that_is_not_served_checks_nothing(alg: str) -> None:
    assert not VERIFIER.signed(jws({"alg": alg}, CLAIMS, lambda _: b""), alg, holder().jwk)
    assert not VERIFIER.signed(jws({"alg": alg}, CLAIMS, lambda _: b"x"), alg, octets(SECRET.encode()))


@meets("X-68")
@pytest.mark.parametrize("alg", ASSERTION_ALGS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_was_changed_after_it_was_signed_is_not_signed(alg: str, place: int) -> None:
    client, key = of(alg)
    text = client.signs(CLAIMS)

    for change in (another_letter, shorter, longer):
        assert not VERIFIER.signed(spoiled(text, place, change), alg, key)


def another_letter(part: str) -> str:
    return ("B" if part[0] != "B" else "C") + part[1:]


def shorter(part: str) -> str:
    return part[:-4]


def longer(part: str) -> str:
    return part + "AAAA"


@pytest.mark.parametrize("alg", ["ES256", "HS384"])
def test_a_second_spelling_of_a_signature_is_none(alg: str) -> None:
    client, key = of(alg)
    text = client.signs(CLAIMS)

    assert respelled(text.rpartition(".")[2]) != text.rpartition(".")[2]
    assert not VERIFIER.signed(spoiled(text, 2, respelled), alg, key)


@pytest.mark.parametrize("text", ["", ".", "..", "a", "\u00e9.\u00e9.AAAA", "\ud800.a.AAAA", "a.b."], ids=ascii)
@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA", "HS256"])
def test_what_is_no_assertion_is_not_signed(text: str, alg: str) -> None:
    assert not VERIFIER.signed(text, alg, of(alg)[1])


@meets("X-40")
@pytest.mark.parametrize(
    "alg, private",
    [
        ("ES256", ec.generate_private_key(ec.SECP384R1())),
        ("ES256", ec.generate_private_key(ec.SECP256K1())),
        ("ES384", ec.generate_private_key(ec.SECP256R1())),
        ("ES512", ec.generate_private_key(ec.SECP384R1())),
    ],
    ids=["P-384", "secp256k1", "P-256", "P-384"],
)
def test_a_curve_goes_with_its_own_algorithm(alg: str, private: ec.EllipticCurvePrivateKey) -> None:
    key = public(ECKey.import_key(private.public_key()))

    assert signer_of({"keys": [key]}, alg, None) is None
    assert not VERIFIER.signed(Holder("ES256", private).signs(CLAIMS), alg, key)


@pytest.mark.parametrize("private", [ed448.Ed448PrivateKey.generate(), x25519.X25519PrivateKey.generate()], ids=["Ed448", "X25519"])
def test_other_curves_of_the_same_type_are_not_chosen(private: ed448.Ed448PrivateKey | x25519.X25519PrivateKey) -> None:
    key = public(OKPKey.import_key(private.public_key()))

    assert signer_of({"keys": [key]}, "EdDSA", None) is None
    assert not VERIFIER.signed(holder("EdDSA").signs(CLAIMS), "EdDSA", key)


def test_another_key_of_the_same_kind_signed_nothing() -> None:
    mine, other = holder("ES256"), holder("ES256", number=2)
    assert mine.jwk != other.jwk

    assert not VERIFIER.signed(other.signs(CLAIMS), "ES256", mine.jwk)


@pytest.mark.parametrize(
    "key",
    [
        {},
        {"kty": None},
        {"kty": "oct"},
        {"kty": "oct", "k": ""},
        {"kty": "oct", "k": None},
        {"kty": "oct", "k": "!"},
        {"kty": "RSA"},
        {"kty": "RSA", "n": "", "e": ""},
        {"kty": "RSA", "n": "AQ", "e": "AQ"},
        {"kty": "RSA", "n": "!", "e": "AQAB"},
        {"kty": "RSA", "n": 1, "e": 2},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "EC", "crv": "P-256", "x": "", "y": ""},
        {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"},
        {"kty": "EC", "crv": "P-999", "x": "AQ", "y": "AQ"},
        {"kty": "EC", "crv": [], "x": [], "y": {}},
        {"kty": "OKP", "crv": "Ed25519", "x": "AQ"},
        {"kty": "OKP", "crv": "nothing", "x": "AQ"},
        {"kty": "unknown", "x": "AQ"},
    ],
    ids=str,
)
@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS512", "EdDSA", "HS256"])
def test_a_bad_key_has_signed_nothing(key: dict[str, object], alg: str) -> None:
    assert not VERIFIER.signed(of(alg)[0].signs(CLAIMS), alg, key)


def test_what_a_key_says_of_itself_was_judged_by_whoever_chose_it() -> None:
    client = holder("ES256")
    loud: dict[str, object] = {**client.jwk, "use": 1, "key_ops": "verify", "alg": [], "x5c": None, "kid": {}}

    assert VERIFIER.signed(client.signs(CLAIMS), "ES256", loud)


@meets("X-40")
@pytest.mark.parametrize("alg, least", [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_has_at_least_as_many_octets_as_the_digest(alg: str, least: int) -> None:
    short, enough = b"s" * (least - 1), b"s" * least

    assert not VERIFIER.signed(Holder(alg, short).signs(CLAIMS), alg, octets(short))
    assert VERIFIER.signed(Holder(alg, enough).signs(CLAIMS), alg, octets(enough))


def test_the_octets_of_the_whole_secret_are_the_key() -> None:
    assert VERIFIER.signed(hashed_with(SECRET.encode()), "HS256", octets(SECRET.encode()))


# ── Which key may have signed ────────────────────────────────────────────────────────────────────────────────────────


@meets("A-40")
@pytest.mark.parametrize("alg", PAIRS)
def test_the_key_of_the_name_is_chosen_and_without_a_name_the_only_one_that_fits(alg: str) -> None:
    key = holder(alg).jwk
    others = [
        holder("ES256", "other", 2).jwk,
        holder("RS256", "one more", 2).jwk,
        holder("EdDSA", "third", 2).jwk,
        holder("ES384", "fourth", 2).jwk,
    ]
    fitting = [one for one in others if signer_of({"keys": [one]}, alg, None)]

    assert signer_of({"keys": [*others, key]}, alg, "k1") == key
    assert signer_of({"keys": [key]}, alg, None) == key
    assert signer_of({"keys": [*others, key]}, alg, None) == (None if fitting else key)


@meets("X-42")
@pytest.mark.parametrize("kid", ["", "K1", "k1 ", "../k1", "0", "k2"])
def test_no_other_name_finds_a_key(kid: str) -> None:
    assert signer_of(holder().jwks, "ES256", kid) is None


@pytest.mark.parametrize(
    "member, value, may",
    [
        ("use", "sig", True),
        ("use", "enc", False),
        ("key_ops", ["verify"], True),
        ("key_ops", ["verify", "sign"], True),
        ("key_ops", ["sign"], False),
        ("key_ops", [], False),
        ("key_ops", "verify", False),
        ("alg", "ES256", True),
        ("alg", "ES384", False),
        ("alg", "ECDH-ES", False),
    ],
)
def test_a_key_that_says_what_it_is_for_is_for_nothing_else(member: str, value: JSON, may: bool) -> None:
    key: JSON = {**holder().jwk, member: value}

    assert (signer_of({"keys": [key]}, "ES256", "k1") is not None) is may
    assert (signer_of({"keys": [key]}, "ES256", None) is not None) is may


@pytest.mark.parametrize("jwks", [None, {}, [], {"keys": None}, {"keys": [1, "x"]}, "x"], ids=str)
def test_where_there_is_no_set_there_is_no_key(jwks: JSON) -> None:
    assert signer_of(jwks, "ES256", None) is None


def test_a_symmetric_algorithm_has_no_public_key() -> None:
    assert signer_of({"keys": [octets(SECRET.encode())]}, "HS256", None) is None


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_a_small_key_is_refused_by_the_judgement_of_the_set(alg: str) -> None:
    small: JSON = {"kty": "RSA", "n": encoded(b"\xff" * 128), "e": "AQAB", "alg": alg}

    assert "1024 bits" in keyset_problem({"keys": [small]}, 20)


def test_an_edwards_key_goes_with_both_names_of_the_algorithm() -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    client = Holder("EdDSA", private)

    assert [VERIFIER.signed(client.signs(CLAIMS), alg, client.jwk) for alg in ("EdDSA", "Ed25519")] == [True, True]
