"""Registration and management over HTTP (RFC 7591 §3, RFC 7592 §2)."""

from urllib.parse import parse_qsl

from calling_card.ports import Ports
from calling_card.protocol.errors import No, Refusal
from calling_card.usecases import manage, register
from calling_card.web.http import NO_STORE, Answer, Request, bearer, json_answer, source_network


def in_query(request: Request, name: str) -> str | None:
    """The first value of a parameter of the query, however name and value are encoded; None: it is not there."""
    pairs = parse_qsl(request.query.decode("latin-1"), keep_blank_values=True) if request.query else []
    return next((value for key, value in pairs if key == name), None)


async def create(ports: Ports, request: Request) -> Answer:
    """POST: a client introduces itself."""
    if in_query(request, "access_token") is not None:
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
    path, source = ports.settings.registration_path, source_network(request.source)
    named = in_query(request, "client_id") if request.path == path else None
    client_id = request.path[len(path) + 1 :] if named is None else named
    misplaced = in_query(request, "access_token")
    if misplaced is not None:
        await manage.misplaced(ports, manage.Asked(client_id, misplaced, b"", source, request.id))
    return manage.Asked(client_id, bearer(request), request.body, source, request.id)
