"""A keyring of plain numbers, for handles that nobody keeps, and a client to own them."""

import hmac
from dataclasses import dataclass

from calling_card.protocol.clients import Client, Door, Generations, Route, State, Tier, client_key

ISSUER = "https://as.example"
NOW = 1_800_000_000


@dataclass
class Macs:
    """Keys by number; only the honoured ones answer."""

    minting: int = 1
    honoured: frozenset[int] = frozenset({1, 2, 0xFFFF})

    def mac(self, number: int, kind: str, message: bytes) -> bytes | None:
        """32 bytes, or None when that key is not honoured."""
        return hmac.digest(f"key {number} for {kind}".encode(), message, "sha256") if number in self.honoured else None


def a_client(client_id: str = "c1", *, incarnation: bytes = b"i" * 8, **changed: Generations | None) -> Client:
    return Client(
        key=client_key(Route.REGISTERED, client_id),
        route=Route.REGISTERED,
        client_id=client_id,
        incarnation=incarnation,
        epoch=1,
        door=Door.RFC7591,
        tier=Tier.ANONYMOUS,
        state=State.ACTIVE,
        owner="",
        invitation=None,
        issued_at=NOW,
        metadata=b'{"client_name":"Notes"}',
        decision=b"",
        rat=changed.get("rat") or Generations(rotated_at=NOW),
        secret=changed["secret"] if "secret" in changed else Generations(rotated_at=NOW),
        secret_expires_at=0,
        last_used_day=NOW // 86_400,
    )
