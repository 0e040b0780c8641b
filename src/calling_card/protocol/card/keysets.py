"""Public keys by value: what a JWK Set of a client may hold (RFC 7517 §4 and §5, RFC 7518 §6, RFC 8037 §2)."""

import re
from base64 import b64decode, urlsafe_b64decode
from binascii import Error

from calling_card.protocol.clients import JSON

_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv")
_CURVES = {
    "P-256": ("EC", 32),
    "P-384": ("EC", 48),
    "P-521": ("EC", 66),
    "Ed25519": ("OKP", 32),
    "Ed448": ("OKP", 57),
    "X25519": ("OKP", 32),
    "X448": ("OKP", 56),
}
_SIGNING = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    **dict.fromkeys(("EdDSA", "Ed25519"), ("OKP", "Ed25519")),
}
"""By algorithm, the type and the curve of the one kind of key that it works with (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2)."""
_SMALLEST_RSA, _LARGEST_RSA = 2048, 8192
_URL_SAFE = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_NAME = 255


def keys_of(jwks: JSON) -> list[dict[str, JSON]]:
    """The keys of a set that was found good; none when there is no set."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    return [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []


def signer_of(jwks: JSON, alg: str, kid: str | None) -> dict[str, JSON] | None:
    """The one key that may have signed: the one of this name, or without a name the only one that fits (RFC 7515 §4.1.4)."""
    named = [key for key in keys_of(jwks) if (kid is None or key.get("kid") == kid) and _may_sign(key, alg)]
    return named[0] if len(named) == 1 else None


def _may_sign(key: dict[str, JSON], alg: str) -> bool:
    """Whether type, curve and what the key says of its own use go with the algorithm (RFC 7517 §4.2 to §4.4)."""
    operations = key.get("key_ops", ["verify"])
    return (
        _SIGNING.get(alg) == (key.get("kty"), key.get("crv"))
        and key.get("use", "sig") == "sig"
        and key.get("alg", alg) == alg
        and isinstance(operations, list)
        and "verify" in operations
    )


def shows_secrets(jwks: JSON) -> bool:
    """Whether a set that should hold public keys holds something that only its owner may know."""
    return any(name in key for key in keys_of(jwks) for name in _PRIVATE)


def keyset_problem(jwks: dict[str, JSON], limit: int) -> str:
    """What is wrong with a JWK Set; empty: nothing. ``limit`` is the number of keys."""
    keys = jwks.get("keys")
    if not isinstance(keys, list):
        return "must have an array 'keys' (RFC 7517 section 5)"
    if len(keys) > limit:
        return f"has more than {limit} keys"
    for index, key in enumerate(keys):
        problem = _key_problem(key) if isinstance(key, dict) else "must be an object"
        if problem:
            return f"key {index} {problem}"
    return _set_problem(keys_of(jwks))


def _set_problem(keys: list[dict[str, JSON]]) -> str:
    kids = [key["kid"] for key in keys if "kid" in key]
    if any(kid in kids[:index] for index, kid in enumerate(kids)):
        return "has two keys with the same 'kid' (RFC 7517 section 4.5)"
    purposes = {_purpose(key) for key in keys}
    if {"sig", "enc"} <= purposes and any("use" not in key for key in keys):
        return "has keys to sign and to encrypt, so every key needs 'use' (OIDC Registration section 2)"
    return ""


def _purpose(key: dict[str, JSON]) -> str:
    """What a key is for, as far as it says so or its curve does."""
    by_curve = {"X25519": "enc", "X448": "enc", "Ed25519": "sig", "Ed448": "sig"}
    return str(key.get("use", by_curve.get(str(key.get("crv")), "")))


def _key_problem(key: dict[str, JSON]) -> str:
    kty = key.get("kty")
    if kty == "oct":
        return "is symmetric: a secret is never registered as a key (OIDC Registration section 2)"
    private = [name for name in _PRIVATE if name in key]
    if private:
        return f"has the private member '{private[0]}': send the public key only, and make a new pair (RFC 7517 section 9.2)"
    if kty not in {"RSA", "EC", "OKP"}:
        return "has a 'kty' other than RSA, EC and OKP (RFC 7518 section 6.1)"
    problem = _attribute_problem(key)
    if problem:
        return problem
    return _rsa_problem(key) if kty == "RSA" else _curve_problem(key)


def _attribute_problem(key: dict[str, JSON]) -> str:
    for name in ("kid", "use", "alg", "x5u", "x5t", "x5t#S256"):
        value = key.get(name, "-")
        if not isinstance(value, str) or not value or not value.isprintable() or len(value) > (2048 if name == "x5u" else _LONGEST_NAME):
            return f"has a '{name}' that is not a short text (RFC 7517 section 4)"
    if key.get("use", "sig") not in {"sig", "enc"}:
        return "has a 'use' other than sig and enc (RFC 7517 section 4.2)"
    operations = key.get("key_ops", [])
    if not isinstance(operations, list) or not all(isinstance(word, str) for word in operations):
        return "has 'key_ops' that are not an array of texts (RFC 7517 section 4.3)"
    return ""


def _rsa_problem(key: dict[str, JSON]) -> str:
    modulus, exponent = _bytes(key.get("n")), _bytes(key.get("e"))
    if modulus is None or exponent is None:
        return "has no base64url 'n' and 'e' (RFC 7518 section 6.3.1)"
    bits = int.from_bytes(modulus, "big").bit_length()
    if not _SMALLEST_RSA <= bits <= _LARGEST_RSA:
        return f"has an RSA modulus of {bits} bits; {_SMALLEST_RSA} to {_LARGEST_RSA} are taken (RFC 7518 section 3.3)"
    number = int.from_bytes(exponent, "big")
    if number < 3 or number % 2 == 0:
        return "has an RSA exponent that is even or less than 3 (RFC 8017 section 3.1)"
    return _certificate_problem(key, modulus.lstrip(b"\0"))


def _curve_problem(key: dict[str, JSON]) -> str:
    kty, size = _CURVES.get(str(key.get("crv")), ("", 0))
    if kty != key["kty"]:
        return f"has a 'crv' that is not one of {', '.join(name for name, (kind, _) in _CURVES.items() if kind == key['kty'])}"
    point = [_bytes(key.get(name)) for name in (("x", "y") if kty == "EC" else ("x",))]
    if any(part is None or len(part) != size for part in point):
        return f"has coordinates that are not base64url of {size} bytes (RFC 7518 section 6.2.1)"
    return _certificate_problem(key, b"".join(part for part in point if part))


def _certificate_problem(key: dict[str, JSON], public: bytes) -> str:
    """The first certificate must hold the bytes of the bare key; the rest of it is judged where it is used."""
    chain = key.get("x5c")
    if chain is None:
        return ""
    if not isinstance(chain, list) or not chain:
        return "has an 'x5c' that is not an array of certificates (RFC 7517 section 4.7)"
    certificates = [_certificate(text) for text in chain]
    if not all(certificates):
        return "has an 'x5c' that is not base64 of DER (RFC 7517 section 4.7)"
    return "" if public in certificates[0] else "has an 'x5c' whose first certificate is of another key (RFC 7517 section 4.7)"


def _certificate(text: JSON) -> bytes:
    """The bytes of a certificate that looks like DER, else none."""
    try:
        made = b64decode(text, validate=True) if isinstance(text, str) else b""
    except (Error, ValueError):
        return b""
    return made if made.startswith(b"\x30") else b""


def _bytes(text: JSON) -> bytes | None:
    """What base64url without padding says, or None."""
    if not isinstance(text, str) or not _URL_SAFE.fullmatch(text) or len(text) % 4 == 1:
        return None
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
