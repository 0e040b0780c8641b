"""Is this process alive, and would it take work (A-82, H-24)."""

from calling_card.ports import Ports
from calling_card.protocol.errors import No, Refusal
from calling_card.usecases.tokens import signer
from calling_card.web.http import Answer, Request, json_answer


async def alive(ports: Ports, request: Request) -> Answer:
    """GET: the process answers."""
    del ports, request
    return json_answer(200, {"status": "ok"})


async def ready(ports: Ports, request: Request) -> Answer:
    """GET: the store and the keys can be used, and this process takes work."""
    del request
    if ports.ending.is_set():
        raise Refusal(No.UNAVAILABLE, "this process is ending", retry_after=1)
    if not await ports.store.ready():
        raise Refusal(No.UNAVAILABLE, "the store cannot be used now", retry_after=1)
    await signer(ports)
    return json_answer(200, {"status": "ready"})
