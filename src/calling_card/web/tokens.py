"""The token, introspection and revocation endpoints over HTTP (RFC 6749 §3.2, RFC 7662 §2, RFC 7009 §2)."""

from calling_card.ports import Ports
from calling_card.protocol.card.forms import SECTION
from calling_card.protocol.errors import No, Refusal
from calling_card.usecases import introspect, issue, userinfo
from calling_card.usecases.exchange.asked import Asked
from calling_card.web import registration
from calling_card.web.http import JWT_TYPE, NO_STORE, Answer, Form, Request, bearer, form, json_answer, presented


async def token(ports: Ports, request: Request) -> Answer:
    """POST: an access token for a grant."""
    sent = form(request)
    if ports.settings.legacy_at_token_endpoint and _registers(request, sent):
        return await registration.create_by_form(ports, request)
    said = sent.values.get
    asked = Asked(
        presented(request, sent),
        grant_type=said("grant_type", ""),
        scope=said("scope", ""),
        resources=sent.resources,
        code=said("code", ""),
        redirect_uri=said("redirect_uri", ""),
        code_verifier=said("code_verifier", ""),
        refresh_token=said("refresh_token", ""),
    )
    return json_answer(200, await issue.issue(ports, asked))


def _registers(request: Request, sent: Form) -> bool:
    """Whether this is the form protocol of 2011, sent where its sample sends it (C-01). Raises `Refusal` for both at once."""
    if "type" in sent.values and "grant_type" in sent.values:
        raise Refusal(No.INVALID_REQUEST, f"type and grant_type: send one of them, to register or to get a token ({SECTION})")
    return "type" in sent.values or registration.in_query(request, "type") is not None


async def who(ports: Ports, request: Request) -> Answer:
    """GET and POST: the person behind an access token."""
    told = await userinfo.userinfo(ports, bearer(request))
    return Answer(200, told.encode(), (JWT_TYPE, *NO_STORE)) if isinstance(told, str) else json_answer(200, told)


async def ask(ports: Ports, request: Request) -> Answer:
    """POST: is this token alive."""
    if request.headers.get(b"authorization", [b""])[0][:7].lower() == b"bearer ":
        raise Refusal(No.INVALID_TOKEN, "a bearer token gives no right to introspect; authenticate as a client (RFC 7662 section 2.1)")
    return json_answer(200, await introspect.introspect(ports, _asked(request, "introspection")))


async def give_back(ports: Ports, request: Request) -> Answer:
    """POST: end this token."""
    await introspect.revoke(ports, _asked(request, "revocation"))
    return Answer(200, b"", NO_STORE)


def _asked(request: Request, endpoint: str) -> introspect.Asked:
    sent = form(request)
    return introspect.Asked(presented(request, sent, endpoint), sent.values.get("token", ""))
