"""Registration and management over HTTP (RFC 7591 §3, RFC 7592 §2)."""

import re
from urllib.parse import unquote_plus

from calling_card.ports import Ports
from calling_card.protocol.errors import No, Refusal
from calling_card.usecases import manage, register
from calling_card.web.http import NO_STORE, Answer, Request, bearer, json_answer, source_network

CLIENT_IN_QUERY = re.compile(rb"(?:^|&)client_id=([^&]*)")
"""A client named by the query instead of the path, where the setting ``management_by_query`` allows it (M-03)."""
_MISPLACED = re.compile(rb"(?:^|&)access_token=([^&]*)")


async def create(ports: Ports, request: Request) -> Answer:
    """POST: a client introduces itself."""
    if _MISPLACED.search(request.query):
        raise Refusal(No.INVALID_REQUEST, "access_token: a token belongs into the Authorization header only (RFC 6750 section 2.3)")
    card = await register.register(ports, register.Asked(request.body, bearer(request), request.id))
    where = card.get("registration_client_uri")
    more = ((b"location", where.encode()),) if isinstance(where, str) else ()
    return json_answer(201, card, *more)


async def show(ports: Ports, request: Request) -> Answer:
    """GET: the registration as it stands."""
    return json_answer(200, await manage.show(ports, await _asked(ports, request)))


async def change(ports: Ports, request: Request) -> Answer:
    """PUT: another registration in its place."""
    return json_answer(200, await manage.change(ports, await _asked(ports, request)))


async def remove(ports: Ports, request: Request) -> Answer:
    """DELETE: the client is gone."""
    await manage.delete(ports, await _asked(ports, request))
    return Answer(204, b"", NO_STORE)


async def _asked(ports: Ports, request: Request) -> manage.Asked:
    named = CLIENT_IN_QUERY.search(request.query) if request.path == ports.settings.registration_path else None
    client_id = unquote_plus(named[1].decode("latin-1")) if named else request.path[len(ports.settings.registration_path) + 1 :]
    source = source_network(request.source)
    misplaced = _MISPLACED.search(request.query)
    if misplaced:
        token = misplaced[1].decode("latin-1")
        await manage.misplaced(ports, manage.Asked(client_id, token, b"", source, request.id))
    return manage.Asked(client_id, bearer(request), request.body, source, request.id)
