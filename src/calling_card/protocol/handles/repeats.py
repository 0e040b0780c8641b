"""A registration that is sent again because its answer was lost finds the client it made (R-96).

Where that client is born follows, under the keyring, from the initial access token, the caller's ``Idempotency-Key`` and the body. So
nothing is kept for it, and who has not all three finds nothing.
"""

import hashlib
import hmac
from dataclasses import dataclass

import msgspec

from calling_card.protocol import base64url
from calling_card.protocol.clients import Client, State
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles.credentials import Handle, Macs

WINDOW = 600
"""Seconds in which a registration may be sent again."""
_LONGEST = 255
_KIND = "repeated_registration"


class Birth(msgspec.Struct, frozen=True):
    """What a client has by birth: nobody else has it, before or after."""

    client_id: str
    incarnation: bytes


@dataclass(frozen=True, slots=True)
class Repeat:
    """A registration that may come again."""

    invitation: bytes
    """Id of its initial access token."""
    turn: bytes
    """16 bytes: those that share it go one after another."""
    births: tuple[Birth, Birth]
    """In this window, and in the one before it."""


def repeat(macs: Macs, token: Handle, key: str, body: bytes, now: int) -> Repeat | None:
    """Where this request is born, or was; None: the token's key is not honoured. Raises `Refusal` for a key that is too long."""
    if len(key) > _LONGEST:
        raise Refusal(No.INVALID_REQUEST, f"Idempotency-Key: must have at most {_LONGEST} characters")
    same = macs.mac(token.key, _KIND, token.owner + _digest(key.encode()) + _digest(body))
    if same is None:
        return None
    return Repeat(token.owner, same[:16], (_birth(same, now // WINDOW), _birth(same, now // WINDOW - 1)))


def _digest(part: bytes) -> bytes:
    return hashlib.sha256(part).digest()


def _birth(same: bytes, window: int) -> Birth:
    drawn = hmac.digest(same, window.to_bytes(8, "big"), "sha256")
    return Birth("c" + base64url.encode(drawn[:16]), drawn[16:24])


def answered(client: Client, now: int) -> bool:
    """Whether the client was born just now, so that its answer may have been lost."""
    return now - client.issued_at < WINDOW


def untouched(client: Client) -> bool:
    """Whether the client has still the credentials it was born with, and they are good: what was answered first is true."""
    generations = [client.rat] if client.secret is None else [client.rat, client.secret]
    return client.state is not State.SUSPENDED and all(row.issued == 1 for row in generations)
