"""A refusal as HTTP: the only place where one becomes a status, headers and a body (RFC 7591 §3.2.2, RFC 6749 §5.2)."""

from calling_card.protocol.errors import No, Refusal
from calling_card.web.http import Answer, Request, json_answer

_PAGE = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Not found</title><meta name="viewport" content="width=device-width">
<h1>Not found</h1><p>There is nothing at this address.</p></html>
"""
_PAGE_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"referrer-policy", b"no-referrer"),
)

_HTTPS_ONLY = ((b"strict-transport-security", b"max-age=31536000"),)


def refused(refusal: Refusal) -> Answer:
    """The JSON answer of a refusal; ``errors`` lists every problem when there is more than one (R-19)."""
    body: dict[str, object] = {"error": refusal.no.code, "error_description": _ascii(refusal.description)}
    if len(refusal.errors) > 1:
        body["errors"] = [{"error": one.no.code, "error_description": _ascii(one.description)} for one in refusal.errors]
    more: list[tuple[bytes, bytes]] = []
    challenge = refusal.no.value.challenge
    if refusal.no is No.INVALID_CLIENT and refusal.basic:
        challenge = 'Basic realm="calling-card", charset="UTF-8"'
    if challenge:
        more.append((b"www-authenticate", challenge.encode()))
    if refusal.no is No.TOO_SLOW:
        more.append((b"connection", b"close"))
    if refusal.retry_after:
        more.append((b"retry-after", str(refusal.retry_after).encode()))
    return json_answer(refusal.no.status, body, *more)


def not_found(request: Request, *, https: bool) -> Answer:
    """Nothing here: a page for browsers, JSON for everybody else (A-81, H-28). Pages of an https issuer bind browsers to it (A-10)."""
    accept = b",".join(request.headers.get(b"accept", []))
    if b"text/html" in accept and b"application/json" not in accept:
        return Answer(No.NOT_FOUND.status, _PAGE, (*_PAGE_HEADERS, *(_HTTPS_ONLY if https else ())))
    return refused(Refusal(No.NOT_FOUND, "there is nothing at this path"))


def failed(reference: str) -> Answer:
    """Something went wrong inside: no details, only what finds them in the log (A-80)."""
    return refused(Refusal(No.SERVER_ERROR, f"something failed inside; reference {reference}"))


def _ascii(text: str) -> str:
    """A description as RFC 6749 §5.2 allows it: printable ASCII without quotation mark and backslash."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text)


ERROR_SCHEMA: dict[str, object] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}, "errors": {"type": "array"}},
}
"""JSON Schema of every error body."""
