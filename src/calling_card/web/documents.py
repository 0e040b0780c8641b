"""Client metadata documents that are hosted here for developers, over HTTP (CIMD, Development Purposes; D-52)."""

from calling_card.ports import Ports
from calling_card.protocol.abroad.clientids import HOSTED
from calling_card.usecases import publish
from calling_card.web.http import JSON_TYPE, Answer, Request

_BRIEFLY = (b"cache-control", b"public, max-age=60")


async def show(ports: Ports, request: Request) -> Answer:
    """GET: the document, as any server on the web may read it."""
    return Answer(200, await publish.hosted(ports, request.path.removeprefix(HOSTED)), (JSON_TYPE, _BRIEFLY))
