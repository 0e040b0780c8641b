"""Registration and management over HTTP, with the doors of 2011 and of Mastodon (RFC 7591 §3, RFC 7592 §2, seed 002)."""

from urllib.parse import parse_qsl

from calling_card.ports import Ports
from calling_card.protocol.card.forms import SECTION
from calling_card.protocol.clients import JSON
from calling_card.protocol.errors import No, Refusal
from calling_card.usecases import apps, associate, manage, register
from calling_card.usecases import recover as recovery
from calling_card.web.http import FORM, JOSE, JWT, NO_STORE, Answer, Request, bearer, form, json_answer, media, presented, source_network

SIGNED = (JWT, JOSE)
"""Types of a body that is a JWS around the members (R-76)."""
RECOVER = "/recover"
"""End of the path of a recovery, behind the client_id."""


def in_query(request: Request, name: str) -> str | None:
    """The first value of a parameter of the query, however name and value are encoded; None: it is not there."""
    if not request.query:
        return None
    pairs = parse_qsl(request.query.decode("latin-1"), keep_blank_values=True)
    return next((value for key, value in pairs if key == name), None)


def rehearses(request: Request) -> bool:
    """Whether the request is only to be judged. Raises `Refusal` for a word that does not say so plainly."""
    said = in_query(request, "dry_run")
    if said not in (None, "true", "false"):
        raise Refusal(No.INVALID_REQUEST, "dry_run: must be true or false")
    return said == "true"


async def create(ports: Ports, request: Request) -> Answer:
    """POST: a client introduces itself, in JSON or by the form protocol of 2011 (C-01)."""
    if in_query(request, "access_token") is not None:
        raise Refusal(No.INVALID_REQUEST, "access_token: a token belongs into the Authorization header only (RFC 6750 section 2.3)")
    kind = media(request)
    if kind == FORM:
        return await create_by_form(ports, request)
    key = request.header(b"idempotency-key").decode("latin-1")
    source = source_network(request.source)
    asked = register.Asked(request.body, bearer(request), request.id, kind in SIGNED, request.certificate, key, source)
    if rehearses(request):
        return json_answer(200, await register.rehearse(ports, asked))
    card = await register.register(ports, asked)
    where = card.get("registration_client_uri")
    more = ((b"location", where.encode()),) if isinstance(where, str) else ()
    return json_answer(201, card, *more)


async def create_by_form(ports: Ports, request: Request) -> Answer:
    """POST of a form: a client of 2011 introduces itself, or renews its secret."""
    _no_query(request)
    asked = associate.Asked(form(request).values, bearer(request), request.id, source_network(request.source))
    return json_answer(200, await associate.answer(ports, asked))


async def create_app(ports: Ports, request: Request) -> Answer:
    """POST: an application introduces itself as it would to Mastodon."""
    _no_query(request)
    asked = apps.Asked(_app(request), request.body, bearer(request), request.id, source_network(request.source))
    return json_answer(200, await apps.create(ports, asked))


def _app(request: Request) -> dict[str, JSON] | None:
    """What a form says about an application; None: it is JSON."""
    if media(request) != FORM:
        return None
    sent = form(request)
    if sent.redirects and "redirect_uris" in sent.values:
        raise Refusal(No.INVALID_REQUEST, "redirect_uris: was sent in two ways; send one (Mastodon API, apps)")
    more: dict[str, JSON] = {"redirect_uris": [*sent.redirects]} if sent.redirects else {}
    return {**sent.values, **more}


def _no_query(request: Request) -> None:
    """Secrets in a query end up in logs, so nothing is taken from there (C-17). Raises `Refusal` (400)."""
    if request.query:
        raise Refusal(No.INVALID_REQUEST, f"parameters belong into the body, not into the query ({SECTION})")


async def show(ports: Ports, request: Request) -> Answer:
    """GET: the registration as it stands."""
    return json_answer(200, await manage.show(ports, await _asked(ports, request)))


async def change(ports: Ports, request: Request) -> Answer:
    """PUT: another registration in its place."""
    use_case = manage.rehearse if rehearses(request) else manage.change
    return json_answer(200, await use_case(ports, await _asked(ports, request)))


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
    signed = request.method == "PUT" and media(request) in SIGNED
    return manage.Asked(client_id, bearer(request), request.body, source, request.id, signed, request.certificate)


async def recover(ports: Ports, request: Request) -> Answer:
    """POST: another registration access token in the place of a lost one."""
    if request.query:
        raise Refusal(No.INVALID_REQUEST, "parameters belong into the body, and a token into the Authorization header (RFC 6750 section 2)")
    client_id = request.path[len(ports.settings.registration_path) + 1 : -len(RECOVER)]
    asked = recovery.Asked(client_id, _proof(request), source_network(request.source), request.id)
    return json_answer(200, await recovery.recover(ports, asked))


def _proof(request: Request) -> recovery.Proof:
    """An access token, a body with a statement, or else client authentication as at the token endpoint."""
    if request.headers.get(b"authorization", [b""])[0][:7].lower() == b"bearer ":
        return recovery.Owned(bearer(request) or "")
    if media(request) == FORM:
        return presented(request, form(request))
    return recovery.Stated(request.body, media(request) in SIGNED, request.certificate)
