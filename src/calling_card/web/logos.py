"""Pictures of clients over HTTP: a PNG that does nothing but be seen (X-12)."""

from calling_card.ports import Ports
from calling_card.usecases.people import logos
from calling_card.web.http import Answer, Request, source_network

_LOCKED = (
    (b"content-type", b"image/png"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)


async def show(ports: Ports, request: Request) -> Answer:
    """GET: the picture, or nothing at all, which a page shows as if there had never been one."""
    drawn = await logos.picture(ports, request.path.removeprefix("/logos/"), source_network(request.source))
    if drawn is None:
        return Answer(404, b"", (*_LOCKED, (b"cache-control", b"private, max-age=60")))
    return Answer(200, drawn, (*_LOCKED, (b"cache-control", b"private, max-age=3600")))
