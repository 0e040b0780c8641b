"""A credential from the time that was lost when a backup was put back (CREDENTIALS §5 and §9.1)."""

from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.clients import JSON, Client, Generations, State
from calling_card.protocol.events import Event
from calling_card.protocol.handles.credentials import CLIENT_SECRET, Handle
from calling_card.protocol.handles.rotation import Clock, adopt
from calling_card.protocol.life.approval import suspended
from calling_card.protocol.life.recovering import is_suspect


async def adopted(ports: Ports, client: Client, handle: Handle, request_id: str) -> bool:
    """True: the row is another one now, look again; False: nothing is adopted, so the credential is forged or the loss is long ago.

    The generation becomes the newest. Where nobody knows what else was lost, a client that changed itself meanwhile waits for an
    operator: what it says here is older than what it last said.
    """
    recovering, now = ports.keyring.recovering, ports.now()
    if recovering is None or not recovering.lasts(now) or client.card_until:
        return False
    after = _after(ports, client, handle)
    body: dict[str, JSON] = {"kind": handle.kind.name, "generation": handle.generation}
    event = Event("credential_adopted", now, client.key, "client", request_id, body)
    if is_suspect(recovering, client) and client.state is not State.SUSPENDED:
        after = suspended(after)
        event = Event("client_suspended", now, client.key, "server", request_id, {"by": "server", "reason": "changed_in_the_gap"})
    await ports.store.replace(client, after, event)
    return True


def _after(ports: Ports, client: Client, handle: Handle) -> Client:
    clock = Clock(ports.now(), ports.keyring.minting)
    if handle.kind is CLIENT_SECRET:
        return structs.replace(client, secret=adopt(handle.generation, handle.key, client.secret or Generations(), clock), imported=None)
    return structs.replace(client, rat=adopt(handle.generation, handle.key, client.rat, clock))
