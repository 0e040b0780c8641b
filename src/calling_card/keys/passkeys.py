"""Passkeys: WebAuthn ceremonies for one relying party, the host of the issuer (WebAuthn Level 3 §7).

Every passkey can be found by the device itself, because sign-in asks without saying who is expected; so each answer must name its
owner. We never are a frame in somebody's page, and want no attestation: it tells the make of a device, which is none of our business.
"""

import hmac
import json
from collections.abc import Sequence
from ipaddress import ip_address
from typing import cast
from urllib.parse import urlsplit

from calling_card.ports import Registered
from calling_card.protocol import base64url
from calling_card.protocol.persons.people import Passkey, Person

NAME = "calling-card"
KEY = "public-key"
"""The one type of credential there is."""
ALGS = (-8, -7, -257)
"""EdDSA, ES256, RS256, by their COSE numbers, best first (WebAuthn Level 3 §5.8.5)."""
LONGEST = 16384
"""Characters of an answer."""
LONGEST_ID = 1023
"""Bytes of a credential id (WebAuthn Level 3 §7.1)."""
TIMEOUT = 300_000
"""Milliseconds a device may take."""
FORMATS = ("none", "packed")
"""Attestation that may come though none is wanted: a device may vouch for itself (WebAuthn Level 3 §5.1.3)."""
_PORTS = {"http": 80, "https": 443}


class WebPasskeys:
    """The ceremonies at one issuer; the library is loaded when the first device answers."""

    def __init__(self, issuer: str) -> None:
        """Without a look at what is stored."""
        url = urlsplit(issuer)
        self._id = url.hostname or ""
        shown = f"[{self._id}]" if ":" in self._id else self._id
        usual = url.port is None or url.port == _PORTS.get(url.scheme)
        self._origin = f"{url.scheme}://{shown}" + ("" if usual else f":{url.port}")
        self.available = _is_domain(self._id) and (url.scheme == "https" or self._id == "localhost")

    def wanted(self, person: Person, challenge: bytes, there: Sequence[Passkey]) -> str:
        """The options for ``navigator.credentials.create``, as JSON (WebAuthn Level 3 §5.1.8)."""
        options = {
            "rp": {"id": self._id, "name": NAME},
            "user": {"id": base64url.encode(person.id), "name": person.name, "displayName": person.shown},
            "challenge": base64url.encode(challenge),
            "pubKeyCredParams": [{"type": KEY, "alg": alg} for alg in ALGS],
            "timeout": TIMEOUT,
            "excludeCredentials": [{"type": KEY, "id": base64url.encode(passkey.id)} for passkey in there],
            "authenticatorSelection": {"residentKey": "required", "requireResidentKey": True, "userVerification": "required"},
            "attestation": "none",
        }
        return json.dumps(options)

    def asked(self, challenge: bytes) -> str:
        """The options for ``navigator.credentials.get``, as JSON: any passkey of this server will do (WebAuthn Level 3 §5.1.9)."""
        options: dict[str, object] = {
            "challenge": base64url.encode(challenge),
            "timeout": TIMEOUT,
            "rpId": self._id,
            "allowCredentials": [],
            "userVerification": "required",
        }
        return json.dumps(options)

    def registered(self, answer: str, challenge: bytes) -> Registered | None:
        """What the device's JSON answer registers; None: it proves nothing."""
        try:
            return self._registered(answer, challenge)
        except Exception:  # noqa: BLE001 # a stranger's bytes, three parsers: whatever they raise, it proves nothing
            return None

    def named(self, answer: str) -> bytes:
        """The credential id that an answer claims to be from; empty: it cannot be read."""
        try:
            name = _read(answer).get("rawId")
            id = base64url.decode(name) if isinstance(name, str) else None
        except (ValueError, RecursionError):
            return b""
        return id if id is not None and len(id) <= LONGEST_ID else b""

    def proven(self, answer: str, challenge: bytes, passkey: Passkey) -> int | None:
        """The signature counter of a right answer of this passkey with the person verified; None: it proves nothing."""
        try:
            return self._proven(answer, challenge, passkey)
        except Exception:  # noqa: BLE001 # as above
            return None

    def _registered(self, answer: str, challenge: bytes) -> Registered | None:
        from webauthn import verify_registration_response
        from webauthn.helpers import parse_attestation_object, parse_registration_credential_json
        from webauthn.helpers.cose import COSEAlgorithmIdentifier

        credential = parse_registration_credential_json(_read(answer))
        if parse_attestation_object(credential.response.attestation_object).fmt not in FORMATS:
            return None
        made = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=self._id,
            expected_origin=self._origin,
            require_user_verification=True,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(alg) for alg in ALGS],
        )
        if _framed(credential.response.client_data_json) or not 0 < len(made.credential_id) <= LONGEST_ID:
            return None
        return Registered(made.credential_id, made.credential_public_key, made.sign_count)

    def _proven(self, answer: str, challenge: bytes, passkey: Passkey) -> int | None:
        from webauthn import verify_authentication_response
        from webauthn.helpers import parse_authentication_credential_json

        credential = parse_authentication_credential_json(_read(answer))
        owner = credential.response.user_handle or b""
        if credential.raw_id != passkey.id or not hmac.compare_digest(owner, passkey.person):
            return None
        proof = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=self._id,
            expected_origin=self._origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.count,
            require_user_verification=True,
        )
        return None if _framed(credential.response.client_data_json) else proof.new_sign_count


def _is_domain(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return bool(host)
    return False


def _read(answer: str) -> dict[str, object]:
    """The answer as an object, if it is not too long. Raises `ValueError`."""
    read: object = json.loads(answer) if len(answer) <= LONGEST else None
    if not isinstance(read, dict):
        raise ValueError("no answer of a device")  # noqa: TRY004 # of a value from outside
    return cast(dict[str, object], read)


def _framed(client_data: bytes) -> bool:
    """Whether the ceremony ran in a frame of somebody else's page (WebAuthn Level 3 §7.2)."""
    return bool(json.loads(client_data).get("crossOrigin"))
