"""Which keys make credentials and which sign tokens, and renewing them (CREDENTIALS §2, A-65)."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from calling_card.ports import KeyState, Ports, SigningKey
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
    credentials = [_credentials(ports, key, carried.get(key.number, 0)) for key in ports.keyring.keys]
    signing: list[Card] = [
        {"key": key.kid, "use": "signing", "state": key.state, "since": key.created_at, "alg": key.alg}
        for key in await ports.store.signing_keys()
    ]
    return Keys(credentials, signing)


def _credentials(ports: Ports, key: KeyState, carried: int) -> Card:
    """A key with what it still carries, and until when sealed cards under it may live, which have no row to be counted (CREDENTIALS §6)."""
    row: Card = {"key": key.number, "use": "credentials", "state": key.state, "since": key.since, "carries": carried}
    if ports.settings.open_registration == "sealed" and key.state in ("minting", "verifying"):
        last = ports.now() if key.state == "minting" else key.since
        row["cards_until"] = last + ports.settings.sealed_days * 86400
    return row


async def first_signing_keys(ports: Ports) -> None:
    """A server makes a key for every algorithm it signs with and has none for: at its first start, or because it learnt that one."""
    there = {key.alg for key in await ports.store.signing_keys() if key.state == "minting"}
    made = [_made(ports, alg) for alg in ports.signer.algs if alg not in there]
    if made:
        await ports.store.put_signing_keys(made, _rotated(ports, "server", _names(made), "server"))


async def next_signing_keys(ports: Ports, by: str) -> Sequence[str]:
    """The next key per algorithm is published and does not sign yet, so that caches know it in time (OIDC Core §10.1.1, A-65).

    Returns the kids of all that wait, in the order of the signer's algorithms.
    """
    waiting = {key.alg: key for key in await ports.store.signing_keys() if key.state == "known"}
    made = [structs.replace(_made(ports, alg), state="known") for alg in ports.signer.algs if alg not in waiting]
    if made:
        event = Event("key_published", ports.now(), b"", "operator", body={"key": _names(made), "by": by})
        await ports.store.put_signing_keys(made, event)
    there = waiting | {key.alg: key for key in made}
    return [there[alg].kid for alg in ports.signer.algs]


async def signing_key(ports: Ports, by: str) -> Sequence[str]:
    """The next key per algorithm signs from now on; the old ones are published until the last token they signed has ended.

    The next one is the one that was published before, or else a new one. Returns the kids (OIDC Core §10.1.1).
    """
    now = ports.now()
    until = now + max(ports.settings.jwt_lifetime, ports.settings.id_token_lifetime)
    there = await ports.store.signing_keys()
    waiting = {key.alg: key for key in there if key.state == "known"}
    coming = [structs.replace(waiting[alg], state="minting") if alg in waiting else _made(ports, alg) for alg in ports.signer.algs]
    names = [key.kid for key in coming]
    kept = [_aged(key, now, until) for key in there if key.kid not in names]
    await ports.store.put_signing_keys([*kept, *coming], _rotated(ports, "operator", _names(coming), by))
    return names


def _aged(key: SigningKey, now: int, until: int) -> SigningKey:
    if key.state == "minting":
        return structs.replace(key, state="verifying", until=until)
    return structs.replace(key, state="gone") if key.state == "verifying" and key.over(now) else key


def _made(ports: Ports, alg: str) -> SigningKey:
    return ports.signer.make(alg, ports.entropy, ports.now())


def _names(keys: Sequence[SigningKey]) -> str:
    return " ".join(key.kid for key in keys)


def _rotated(ports: Ports, actor: str, key: int | str, by: str) -> Event:
    return Event("key_rotated", ports.now(), b"", actor, body={"key": key, "by": by})


async def credential_key(ports: Ports, by: str) -> int:
    """A new key makes credentials from now on; the ones before it go on verifying. Returns its number."""
    number = ports.keyring.rotate(ports.entropy, ports.now())
    await ports.store.record(_rotated(ports, "operator", number, by))
    return number
