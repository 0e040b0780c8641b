"""Checks signatures of others: of clients that authenticate by a JWT (RFC 7515 §5.2)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm

from calling_card.protocol import base64url
from calling_card.protocol.card.ground import ASSERTION_ALGS

if TYPE_CHECKING:
    from joserfc.jwk import Key

_MATERIAL = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x"), "oct": ("k",)}
"""By type of key, the members that are the key; what else a JWK says of itself was judged by whoever chose it."""
_ONE_NAME = {"Ed25519": "EdDSA"}
"""Algorithms with two names (RFC 9864 §2.2)."""


class JoseVerifier:
    """Knows nobody: whoever asks brings the algorithm and the one key that fits."""

    def signed(self, text: str, alg: str, key: Mapping[str, object]) -> bool:
        """See `Verifier.signed`. The library is loaded when the first assertion comes."""
        from joserfc.errors import JoseError
        from joserfc.jws import JWSRegistry

        message, _, signature = text.rpartition(".")
        raw = base64url.canonical(signature)
        if alg not in ASSERTION_ALGS or raw is None or not message.isascii():
            return False
        model = JWSRegistry.algorithms[_ONE_NAME.get(alg, alg)]
        try:
            jwk = _imported(alg, key)
            model.check_key(jwk)
            return model.verify(message.encode(), raw, jwk)
        except (JoseError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, OverflowError):
            return False


def _imported(alg: str, key: Mapping[str, object]) -> "Key":
    """The key without what it says of itself. Raises whatever is wrong with it."""
    from joserfc.jwk import import_key

    kty = str(key["kty"])
    material = {name: str(key[name]) for name in _MATERIAL[kty]}
    if kty == "oct" and len(base64url.decode(material["k"]) or b"") * 8 < int(alg[2:]):
        raise ValueError("the secret is shorter than the digest (RFC 7518 section 3.2)")
    return import_key({"kty": kty, **material})
