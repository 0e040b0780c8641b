"""Which keys make credentials and which sign tokens, and renewing them (CREDENTIALS §2, A-65)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from calling_card.ports import Ports
from calling_card.protocol.clients import Card
from calling_card.protocol.events import Event


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys as an operator sees them."""

    credentials: Sequence[Card]
    signing: Sequence[Card]


async def keys(ports: Ports) -> Keys:
    """Every key with its state, and how many stored credentials each still carries."""
    carried = await ports.store.generations_by_key()
    credentials: list[Card] = [
        {"key": key.number, "use": "credentials", "state": key.state, "since": key.since, "carries": carried.get(key.number, 0)}
        for key in ports.keyring.keys
    ]
    signing: list[Card] = [
        {"key": key.kid, "use": "signing", "state": key.state, "since": key.created_at, "alg": key.alg}
        for key in await ports.store.signing_keys()
    ]
    return Keys(credentials, signing)


async def first_signing_key(ports: Ports) -> None:
    """A server without a signing key makes one."""
    if not await ports.store.signing_keys():
        made = ports.signer.make(ports.entropy, ports.now())
        event = Event("key_rotated", ports.now(), b"", "server", body={"key": made.kid, "by": "server"})
        await ports.store.put_signing_keys([made], event)


async def signing_key(ports: Ports, by: str) -> str:
    """A new key signs from now on; the old ones are published until the last token they signed has ended. Returns its kid."""
    now = ports.now()
    made = ports.signer.make(ports.entropy, now)
    until = now + ports.settings.jwt_lifetime
    found = [replace(key, state="verifying", until=until) if key.state == "minting" else key for key in await ports.store.signing_keys()]
    kept = [replace(key, state="gone") if key.state == "verifying" and key.until < now else key for key in found]
    event = Event("key_rotated", now, b"", "operator", body={"key": made.kid, "by": by})
    await ports.store.put_signing_keys([*kept, made], event)
    return made.kid


async def credential_key(ports: Ports, by: str) -> int:
    """A new key makes credentials from now on; the ones before it go on verifying. Returns its number."""
    number = ports.keyring.rotate(ports.entropy, ports.now())
    await ports.store.record(Event("key_rotated", ports.now(), b"", "operator", body={"key": number, "by": by}))
    return number
