"""A refusal as HTTP: the only place where one becomes a status, headers and a body (RFC 7591 §3.2.2, RFC 6749 §5.2)."""

from calling_card.ports import Ports
from calling_card.protocol.errors import No, Refusal, plain
from calling_card.web.browsers import visit, wants_page
from calling_card.web.http import CLOSE, Answer, Request, json_answer
from calling_card.web.pages.views import Problem
from calling_card.web.show import page


def refused(refusal: Refusal) -> Answer:
    """The JSON answer of a refusal; ``errors`` lists every problem when there is more than one (R-19)."""
    body: dict[str, object] = {"error": refusal.no.code, "error_description": plain(refusal.description)}
    if len(refusal.errors) > 1:
        body["errors"] = [{"error": one.no.code, "error_description": plain(one.description)} for one in refusal.errors]
    more: list[tuple[bytes, bytes]] = []
    challenge = refusal.no.value.challenge
    if refusal.no is No.INVALID_CLIENT and refusal.basic:
        challenge = 'Basic realm="calling-card", charset="UTF-8"'
    if challenge:
        more.append((b"www-authenticate", challenge.encode()))
    if refusal.no is No.TOO_SLOW:
        more.append(CLOSE)
    if refusal.retry_after:
        more.append((b"retry-after", str(refusal.retry_after).encode()))
    return json_answer(refusal.no.status, body, *more)


def shown(ports: Ports, refusal: Refusal, request: Request, answer: Answer) -> Answer:
    """The same for a person: a page with a constant text for each code (H-28); scripts keep the JSON."""
    if not wants_page(request):
        return answer
    view = Problem(refusal.no.code, refusal.description, request.id)
    return with_wait(page(ports, visit(ports, request), view, status=answer.status), refusal)


def with_wait(answer: Answer, refusal: Refusal) -> Answer:
    """The answer with the seconds after which to try again, where there are any (RFC 9110 §10.2.3)."""
    wait = (b"retry-after", str(refusal.retry_after).encode())
    return Answer(answer.status, answer.body, (*answer.headers, wait)) if refusal.retry_after and answer.status >= 400 else answer


def not_found(ports: Ports, request: Request) -> Answer:
    """Nothing here: a page for browsers, JSON for everybody else (A-81, H-28)."""
    refusal = Refusal(No.NOT_FOUND, "there is nothing at this path")
    return shown(ports, refusal, request, refused(refusal))


def failure(reference: str) -> Refusal:
    """Something went wrong inside: no details, only what finds them in the log (A-80)."""
    return Refusal(No.SERVER_ERROR, f"something failed inside; reference {reference}")


ERROR_SCHEMA: dict[str, object] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}, "errors": {"type": "array"}},
}
"""JSON Schema of every error body."""
