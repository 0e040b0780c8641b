"""The keys that sign our JWTs, sealed where they are stored (RFC 7515, RFC 7517, A-65)."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from calling_card.ports import Keyring, SigningKey

SEAL = "signing_key"
"""Kind under which the keyring seals."""
ALG = "ES256"
PUBLISHED = ("known", "minting", "verifying")
_NONCE = 12


class JoseSigner:
    """Signs with the minting key, verifies with every published one."""

    def __init__(self, keyring: Keyring) -> None:
        """Without keys until `know` is called."""
        self._keyring = keyring
        self._known: tuple[tuple[str, str], ...] = ()
        self._keys: dict[str, ECKey] = {}
        self._minting = ""
        self._registry = jws.JWSRegistry(algorithms=[ALG])
        self._jwks: Mapping[str, object] = {"keys": []}

    def make(self, entropy: Callable[[int], bytes], now: int) -> SigningKey:
        """A new ES256 key that signs, sealed under the keyring's minting key."""
        key = ECKey.generate_key("P-256", auto_kid=False)
        nonce = entropy(_NONCE)
        plain = json.dumps(key.as_dict(private=True)).encode()
        sealed = self._keyring.minting.to_bytes(2, "big") + nonce + self._keyring.seal(SEAL, plain, nonce)
        return SigningKey(hashlib.sha256(key.thumbprint().encode()).hexdigest()[:16], ALG, "minting", now, 0, sealed)

    def know(self, keys: Sequence[SigningKey]) -> None:
        """Take over the stored keys if they changed. Raises `LookupError` when one cannot be opened."""
        seen = tuple((key.kid, key.state) for key in keys)
        if seen == self._known:
            return
        published = [key for key in keys if key.state in PUBLISHED]
        self._keys = {key.kid: self._open(key) for key in published}
        self._minting = next(key.kid for key in reversed(published) if key.state == "minting")
        self._jwks = {
            "keys": [{**self._keys[key.kid].as_dict(private=False), "kid": key.kid, "use": "sig", "alg": key.alg} for key in published]
        }
        self._known = seen

    def sign(self, claims: Mapping[str, object], typ: str) -> str:
        """A compact JWS under the key that signs now."""
        header = {"alg": ALG, "typ": typ, "kid": self._minting}
        payload = json.dumps(claims, separators=(",", ":")).encode()
        return jws.serialize_compact(header, payload, self._keys[self._minting], registry=self._registry)

    def verify(self, token: str, typ: str) -> Mapping[str, object] | None:
        """The claims of a JWS that one of our own keys made with this ``typ``; None: not ours or altered."""
        try:
            parsed = jws.extract_compact(token.encode())
            header = parsed.headers()
            key = self._keys.get(str(header.get("kid")))
            if key is None or header.get("typ") != typ or header.get("alg") != ALG or "crit" in header:
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

    def _open(self, key: SigningKey) -> ECKey:
        number, nonce, sealed = int.from_bytes(key.sealed[:2], "big"), key.sealed[2 : 2 + _NONCE], key.sealed[2 + _NONCE :]
        plain = self._keyring.open(number, SEAL, nonce, sealed)
        if plain is None:
            raise LookupError(f"signing key {key.kid} cannot be opened with this keyring")
        return ECKey.import_key(json.loads(plain))
