"""A request as the handlers see it, an answer as they give it: bytes in, bytes out (RFC 9110)."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address
from urllib.parse import unquote_plus

import msgspec
from msgspec import structs

from calling_card.protocol.abroad.clientids import wants_discovery
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles.assertions import TYPE
from calling_card.protocol.syntax import listed, read_form, twice
from calling_card.usecases.authenticate import Presented

JSON = b"application/json"
FORM = b"application/x-www-form-urlencoded"
JWT = b"application/jwt"
JOSE = b"application/jose"
JSON_TYPE = (b"content-type", JSON)
JWT_TYPE = (b"content-type", b"application/jwt")
CLOSE = (b"connection", b"close")
"""Of the last answer on a connection (RFC 9112 §9.6)."""
NO_STORE = ((b"cache-control", b"no-store"), (b"pragma", b"no-cache"))
"""On every answer with a credential, and on every error (C-03)."""
PRIVATE_JSON = (JSON_TYPE, *NO_STORE)
"""The headers of JSON that nobody may keep."""
EACH = 32
"""Bytes that a header counts for besides its name and value, as in HTTP/2 (RFC 9113 §6.5.2): thousands of small ones are many too."""
_ALWAYS = b"x-content-type-options: nosniff\r\n"
_SHARED = _ALWAYS + b"access-control-allow-origin: *\r\naccess-control-expose-headers: WWW-Authenticate, Location, Retry-After\r\n"
_CONTROLS = bytes([*range(32), 127]).replace(b"\t", b"")
_FIELDS = 100
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_encode = msgspec.json.Encoder().encode


class Request(msgspec.Struct):
    """One request; the wire says what came, the application the rest."""

    method: str
    path: str
    """Decoded once; for the handlers without the path of the issuer."""
    query: bytes
    headers: dict[bytes, list[bytes]]
    source: str
    """Address of the caller."""
    id: str
    named: Mapping[str, str]
    """Paths of the endpoints that the server metadata names."""
    body: bytes = b""
    certificate: str = ""
    """Subject of the client certificate, as a trusted proxy says it; empty: there was none (R-79)."""
    weight: int = 0
    """Bytes of all headers, `EACH` of them with as many more."""
    version: str = ""
    """Of HTTP, where it is known."""
    trusted: bool = False
    """Whether a listed proxy brought it (X-27)."""
    shared: bool = False
    """Whether scripts of any origin may read the answer."""

    def header(self, name: bytes) -> bytes:
        """The only value of a header, or empty. Raises `Refusal` (400) when it was sent twice."""
        values = self.headers.get(name)
        if values is None:
            return b""
        if len(values) > 1:
            raise Refusal(No.INVALID_REQUEST, f"{name.decode()}: this header was sent more than once")
        return values[0]


def media(request: Request) -> bytes:
    """The type of the body in lower case, without its parameters. Raises `Refusal` (400) when two are named."""
    return request.header(b"content-type").lower().partition(b";")[0].strip()


class Answer(msgspec.Struct, frozen=True):
    """One answer."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    told: bytes = b""
    """The headers as `own` has them, where many answers have the same; empty: they are put together when it is given."""


def lines(request: Request, answer: Answer) -> bytes:
    """Every header of an answer but those of its connection. Raises `ValueError` when a value would be more than a line (RFC 9110 §5.5)."""
    told = answer.told or own(answer.headers)
    shared = _SHARED if request.shared else _ALWAYS
    length = b"" if answer.status in (204, 304) else b"content-length: %d\r\n" % len(answer.body)
    return b"".join((told, shared, b"x-request-id: ", request.id.encode(), b"\r\n", length))


def own(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """What a handler said; that it is lines, and as many as headers, is looked at here. Raises `ValueError` as `lines`."""
    told = written(headers)
    if len(told) - len(told.translate(None, _CONTROLS)) != 2 * len(headers):
        raise ValueError("a header of the answer has a control character in it")
    return told


def written(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as lines, whatever is in them."""
    return b"\r\n".join([*map(b": ".join, headers), b""])


_PRIVATE_JSON = own(PRIVATE_JSON)
"""Put together once, for nearly every answer has them."""


def json_answer(status: int, value: object, *more: tuple[bytes, bytes]) -> Answer:
    """A JSON answer that nobody may keep."""
    body = _encode(value)
    return Answer(status, body, (*PRIVATE_JSON, *more)) if more else Answer(status, body, PRIVATE_JSON, _PRIVATE_JSON)


def bearer(request: Request) -> str | None:
    """The bearer token; None: no credentials were sent (M-07, RFC 6750 §2.1).

    Raises `Refusal`: 401 for other schemes, two headers or an empty token, 400 for one that is malformed.
    """
    values = request.headers.get(b"authorization")
    if values is None:
        return None
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    token = token.strip()
    if len(values) > 1 or scheme.lower() != "bearer" or not token:
        raise Refusal(No.INVALID_TOKEN, "Authorization: exactly one bearer token is needed (RFC 6750 section 2.1)")
    if not _TOKEN.fullmatch(token):
        raise Refusal(No.INVALID_REQUEST, "Authorization: the bearer token is malformed (RFC 6750 section 2.1)")
    return token


def source_network(source: str) -> str:
    """The network a budget is kept for: an IPv4 address, or the /64 of an IPv6 address however it is spelled."""
    if ":" not in source:
        return source
    try:
        address = IPv6Address(source)
    except ValueError:
        return source
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))


class Form(msgspec.Struct, frozen=True):
    """The parameters of a form body: each at most once, but for lists (RFC 6749 §3.2, RFC 8707 §2)."""

    values: dict[str, str]
    resources: tuple[str, ...]
    redirects: tuple[str, ...] = ()
    """Values of ``redirect_uris[]``, the list of a Mastodon application."""


def form(request: Request) -> Form:
    """The parameters; one that is sent without a value counts as not sent. Raises `Refusal` (400)."""
    try:
        pairs = read_form(request.body.decode("ascii"), _FIELDS)
    except ValueError:
        raise Refusal(No.INVALID_REQUEST, f"the body is not a form in UTF-8 with at most {_FIELDS} fields (RFC 6749 appendix B)") from None
    sent = dict(pairs)
    if len(sent) < len(pairs) and (name := twice(pairs, _LISTS)) is not None:
        raise Refusal(No.INVALID_REQUEST, f"{_plain(name)}: this parameter was sent more than once (RFC 6749 section 3.2)")
    bare = "" not in sent.values() and _LISTS.isdisjoint(sent)
    values = sent if bare else {name: value for name, value in sent.items() if value and name not in _LISTS}
    resources = listed(pairs, "resource") if "resource" in sent else ()
    return Form(values, resources, listed(pairs, "redirect_uris[]") if "redirect_uris[]" in sent else ())


_LISTS = frozenset({"resource", "redirect_uris[]"})


def presented(request: Request, sent: Form, endpoint: str = "token") -> Presented:
    """How the client says who it is, and what of the request helps to find it (RFC 6749 §2.3.1, RFC 7523 §2.2).

    Raises `Refusal`: 400 for two methods in one request, 401 when there is none or a header that cannot be read.
    """
    discovery = wants_discovery(sent.values.get("client_discovery", ""))
    speaking = _SPEAKING.get(sent.values.get("grant_type", ""), "") if endpoint == "token" else "token"
    speaks = sent.values.get(speaking, "")
    source = source_network(request.source)
    return structs.replace(_method(request, sent), discovery=discovery, speaks=speaks, endpoint=endpoint, source=source)


_SPEAKING = {"authorization_code": "code", "refresh_token": "refresh_token"}
"""What a token request of each grant type is about; nothing that rides along beside it says anything about the client."""


def _method(request: Request, sent: Form) -> Presented:
    client_id, secret = sent.values.get("client_id", ""), sent.values.get("client_secret")
    values = request.headers.get(b"authorization")
    assertion = "client_assertion" in sent.values or "client_assertion_type" in sent.values
    if (values is not None) + assertion + (secret is not None) > 1:
        raise Refusal(No.INVALID_REQUEST, "client authentication was sent in more than one way (RFC 6749 section 2.3)")
    if values is not None:
        return _from_basic(request, values, client_id)
    if assertion:
        return _from_assertion(request, sent, client_id)
    if not client_id:
        raise Refusal(No.INVALID_CLIENT, "client authentication is missing (RFC 6749 section 2.3)", basic=True)
    if secret is None:
        return Presented("none", client_id, request_id=request.id)
    return Presented("client_secret_post", client_id, secret, request.id)


def _from_assertion(request: Request, sent: Form, client_id: str) -> Presented:
    for name in ("client_assertion_type", "client_assertion"):
        if name not in sent.values:
            raise Refusal(No.INVALID_REQUEST, f"{name}: is missing (RFC 7523 section 2.2)")
    if sent.values["client_assertion_type"] != TYPE:
        raise Refusal(No.INVALID_CLIENT, f"client_assertion_type: must be {TYPE} (RFC 7523 section 2.2)")
    return Presented("assertion", client_id, request_id=request.id, assertion=sent.values["client_assertion"])


def _from_basic(request: Request, values: list[bytes], client_id: str) -> Presented:
    scheme, _, credentials = values[0].decode("latin-1").partition(" ")
    if len(values) > 1 or scheme.lower() != "basic":
        raise Refusal(No.INVALID_CLIENT, "Authorization: one header with the Basic scheme is needed (RFC 6749 section 2.3.1)", basic=True)
    try:
        name, colon, password = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
        name, raw, password = _unescaped(name, "strict"), password, _unescaped(password, "replace")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        name = colon = raw = password = ""
    if not colon or not name:
        raise Refusal(No.INVALID_CLIENT, "Authorization: the Basic credentials cannot be read (RFC 6749 section 2.3.1)", basic=True)
    if client_id and client_id != name:
        raise Refusal(No.INVALID_REQUEST, "client_id: is not the one of the Authorization header (RFC 6749 section 2.3)")
    return Presented("client_secret_basic", name, password, request.id, raw)


def _unescaped(text: str, errors: str) -> str:
    return unquote_plus(text, errors=errors) if "%" in text or "+" in text else text


def _plain(text: str) -> str:
    """Input in an error description: short and ASCII only."""
    return ascii(text[:80])[1:-1][:80]
