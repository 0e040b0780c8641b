"""The keys that sign our JWTs, sealed where they are stored (RFC 7515, RFC 7517, A-65)."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, RSAKey, import_key

from calling_card.ports import Keyring, SigningKey
from calling_card.protocol import base64url

SEAL = "signing_key"
"""Kind under which the keyring seals."""
Makers = Mapping[str, Callable[[], Key]]
MAKERS: Makers = {
    "ES256": lambda: ECKey.generate_key("P-256", auto_kid=False),
    "RS256": lambda: RSAKey.generate_key(2048, auto_kid=False),
}
"""The algorithms we sign with, and how a key for each is made (RFC 7518 §3.1)."""
PUBLISHED = ("known", "minting", "verifying")
_NONCE = 12
_ECDSA = ECDSA(SHA256())
_encode = msgspec.json.Encoder().encode
_Pen = tuple[bytes, Callable[[bytes], bytes]]
"""The header of a JWS with the dot behind it, and what signs."""


class JoseSigner:
    """Signs with the minting key of an algorithm, verifies with every published key by that key's own algorithm."""

    def __init__(self, keyring: Keyring, makers: Makers = MAKERS) -> None:
        """Without keys until `know` is called."""
        self._keyring = keyring
        self._makers = makers
        self._stored: Sequence[SigningKey] = ()
        self._until = 0.0
        self._known: tuple[tuple[str, str], ...] = ()
        self._keys: dict[str, tuple[str, Key]] = {}
        self._minting: dict[str, str] = {}
        self._pens: dict[tuple[str, str], _Pen] = {}
        self._registry = jws.JWSRegistry(algorithms=list(makers))
        self._jwks: Mapping[str, object] = {"keys": []}

    @property
    def algs(self) -> Sequence[str]:
        """JWS algorithms there must be a key for."""
        return tuple(self._makers)

    def make(self, alg: str, entropy: Callable[[int], bytes], now: int) -> SigningKey:
        """A new key that signs with this algorithm, sealed under the keyring's minting key."""
        key = self._makers[alg]()
        nonce = entropy(_NONCE)
        plain = json.dumps(key.as_dict(private=True)).encode()
        sealed = self._keyring.minting.to_bytes(2, "big") + nonce + self._keyring.seal(SEAL, plain, nonce)
        return SigningKey(hashlib.sha256(key.thumbprint().encode()).hexdigest()[:16], alg, "minting", now, 0, sealed)

    def know(self, stored: Sequence[SigningKey], now: int = 0) -> None:
        """Take over the stored keys that are not over now, if they changed. Raises `LookupError` when one cannot be opened."""
        if stored is self._stored and now <= self._until:
            return
        keys = [key for key in stored if not key.over(now)]
        self._take([key for key in keys if key.state in PUBLISHED], tuple((key.kid, key.state) for key in keys))
        self._stored, self._until = stored, min([key.until for key in keys if key.until], default=math.inf)

    def _take(self, published: Sequence[SigningKey], seen: tuple[tuple[str, str], ...]) -> None:
        """Open those that are new; ``seen`` tells whether anything changed."""
        if seen == self._known:
            return
        opened = {key.kid: self._keys.get(key.kid) or (key.alg, self._open(key)) for key in published}
        self._keys = opened
        self._minting = {key.alg: key.kid for key in published if key.state == "minting"}
        self._pens = {}
        self._jwks = {"keys": [{**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": alg} for kid, (alg, key) in opened.items()]}
        self._known = seen

    def sign(self, claims: Mapping[str, object], typ: str, alg: str = "ES256") -> str:
        """A compact JWS under the key that signs with this algorithm now. Raises `LookupError` when there is none."""
        header, signed = self._pens.get((alg, typ)) or self._pen(alg, typ)
        message = header + base64url.encode(_encode(claims)).encode()
        return f"{message.decode()}.{base64url.encode(signed(message))}"

    def _pen(self, alg: str, typ: str) -> _Pen:
        """What every JWS of this algorithm and type begins with, made once (RFC 7515 §7.1)."""
        kid = self._minting[alg]
        header = base64url.encode(_encode({"alg": alg, "typ": typ, "kid": kid})).encode() + b"."
        model, key = self._registry.get_alg(alg), self._keys[kid][1]
        pen = self._pens[alg, typ] = header, _held(key) if alg == "ES256" else lambda message: model.sign(message, key)
        return pen

    def verify(self, token: str, typ: str) -> Mapping[str, object] | None:
        """The claims of a JWS that one of our own keys made with this ``typ``; None: not ours or altered."""
        try:
            parsed = jws.extract_compact(token.encode())
            header = parsed.headers()
            alg, key = self._keys.get(str(header.get("kid")), ("", None))
            if key is None or header.get("typ") != typ or header.get("alg") != alg or "crit" in header:
                return None
            if not jws.validate_compact(parsed, key, registry=self._registry):
                return None
            claims: object = json.loads(parsed.payload)
        except (JoseError, ValueError, RecursionError):
            return None
        return cast(Mapping[str, object], claims) if isinstance(claims, dict) else None

    def jwks(self) -> Mapping[str, object]:
        """The public key set (RFC 7517 §5)."""
        return self._jwks

    def _open(self, key: SigningKey) -> Key:
        number, nonce, sealed = int.from_bytes(key.sealed[:2], "big"), key.sealed[2 : 2 + _NONCE], key.sealed[2 + _NONCE :]
        plain = self._keyring.open(number, SEAL, nonce, sealed)
        if plain is None:
            raise LookupError(f"signing key {key.kid} cannot be opened with this keyring")
        return import_key(json.loads(plain))


def _held(key: Key) -> Callable[[bytes], bytes]:
    """What signs by ES256 with a key that is held ready: the library looks it up for each signature, for a third of its price."""
    private = cast("EllipticCurvePrivateKey", key.private_key)

    def signed(message: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(message, _ECDSA))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")  # RFC 7518 §3.4

    return signed
