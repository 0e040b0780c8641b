"""A client proves who it is by a secret that it brought from another server (CREDENTIALS §1)."""

from collections.abc import Iterable

from msgspec import structs

from calling_card.ports import Busy, Ports
from calling_card.protocol.clients import Client
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles import imported
from calling_card.protocol.handles.rotation import Step, present_secret


async def step(ports: Ports, client: Client, spellings: Iterable[str]) -> Step | None:
    """What the secret means, as `present_secret`; None: it is none of this client.

    ``spellings``: as it was sent, then form-decoded, for other servers let secrets have characters that forms must not.
    Raises `Refusal`: 429 when too many were tried, 503 when too many wait for a slow comparison.
    """
    row = client.secret
    if row is None or not imported.lives(client) or not await _fits(ports, client, spellings):
        return None
    return present_secret(imported.generation(row), row, ports.now(), ports.settings.secret_overlap)


async def _fits(ports: Ports, client: Client, spellings: Iterable[str]) -> bool:
    for secret in spellings:
        if await _one_fits(ports, client, secret):
            return True
    return False


async def _one_fits(ports: Ports, client: Client, secret: str) -> bool:
    if not imported.is_slow(client.imported or b""):
        return imported.fits(ports.keyring, ports.settings.issuer, client, secret)
    if len(secret) > imported.LONGEST:
        return False
    draw(ports, client.client_id)
    try:
        found = await ports.slow_secrets.fits((client.imported or b"").decode(), secret)
    except Busy:
        raise Refusal(No.UNAVAILABLE, "too many secrets are being compared; try again", retry_after=1) from None
    if found:
        await _hasten(ports, client, secret)
    return found


def draw(ports: Ports, cause: str) -> None:
    """Use up one try with a secret from another server. Raises `Refusal` (429) when there is none left."""
    if wait := ports.secrets.take(cause):
        raise Refusal(No.TOO_MANY_REQUESTS, "too many tries with this client's secret; try again later", retry_after=wait)


async def _hasten(ports: Ports, client: Client, secret: str) -> None:
    """The secret was right once: from now on it is compared fast. Another process may have done so at the same moment."""
    kept = imported.keep_clear(ports.keyring, ports.settings.issuer, client, secret)
    await ports.store.replace(client, structs.replace(client, imported=kept), Event("secret_rehashed", ports.now(), client.key, "client"))
