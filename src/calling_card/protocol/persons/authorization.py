"""What an authorization request asks, judged in one visible order (RFC 6749 §4.1.1, OIDC Core §3.1.2.1, RFC 7636 §4.3).

Who the client is comes first, then where answers go. Until both are settled a mistake is shown; after that it can be sent.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import cast
from urllib.parse import quote_plus, urlencode

import msgspec

from calling_card.protocol import base64url
from calling_card.protocol.abroad.addresses import has_any_port, is_dangerous, redirect_matches
from calling_card.protocol.clients import Card, holds, words
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.syntax import listed, read_form, twice

PROMPTS = ("none", "login", "consent", "select_account")
MODES = ("query", "fragment", "form_post")
_LONGEST_REQUEST = 16384
"""Characters: it must fit, sealed, into a form."""
_LONGEST_STATE = 2048
"""Bytes (A-15)."""
_FIELDS = 100
_LONGEST = 512
_LONGEST_CLAIMS = 8192
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


class Said(msgspec.Struct, frozen=True, rename={"resources": "resource"}):
    """The parameters of an authorization request, none of them believed; empty: it was not sent."""

    client_id: str = ""
    client_discovery: str = ""
    redirect_uri: str = ""
    response_type: str = ""
    response_mode: str = ""
    scope: str = ""
    state: str = ""
    nonce: str = ""
    code_challenge: str = ""
    code_challenge_method: str = ""
    prompt: str = ""
    max_age: str = ""
    claims: str = ""
    id_token_hint: str = ""
    login_hint: str = ""
    ui_locales: str = ""
    resources: tuple[str, ...] = ()
    request: str = ""
    request_uri: str = ""
    registration: str = ""


class Return(msgspec.Struct, frozen=True):
    """Where answers go; there is one only for a redirect URI that the client registered."""

    uri: str
    registered: str
    """The registered redirect URI that this one is, without the port of the day."""
    mode: str
    """``query``, ``fragment`` or ``form_post``."""
    state: str
    sent: bool
    """Whether the request named the redirect URI."""


class Bounds(msgspec.Struct, frozen=True):
    """What the client may ask for."""

    card: Card
    known: Collection[str]
    """Every scope the server knows."""
    ceiling: Collection[str] | None
    """Scopes this client may have; None: every known one."""
    pkce: str
    """Who must send a code challenge: ``always`` every client, ``public`` those without a secret, ``optional`` nobody."""
    strict: bool


class Wish(msgspec.Struct, frozen=True):
    """A request that may be put before the person."""

    scope: str
    challenge: str
    nonce: str
    prompts: frozenset[str]
    max_age: int | None
    """Seconds since the last sign-in that are too long; None: any sign-in is good."""
    hint: str
    """ID token that names the person (OIDC Core §3.1.2.1), unverified."""
    subject: str
    """The one subject that the ``claims`` parameter allows, or empty."""
    login_hint: str


def read_request(query: str) -> Said:
    """The parameters; one without a value counts as not sent, unknown ones are passed over. Raises `Refusal` (A-11)."""
    if len(query) > _LONGEST_REQUEST:
        raise Refusal(No.INVALID_REQUEST, f"the query is longer than {_LONGEST_REQUEST} characters")
    try:
        pairs = read_form(query, _FIELDS)
    except ValueError:
        raise Refusal(No.INVALID_REQUEST, f"the query is no form in UTF-8 with at most {_FIELDS} fields (RFC 6749 appendix B)") from None
    values: dict[str, object] = dict(pairs)
    if len(values) < len(pairs) and (name := twice(pairs, ("resource",))) is not None:
        raise Refusal(No.INVALID_REQUEST, f"{ascii(name[:80])[1:-1]}: was sent more than once (RFC 6749 section 3.1)")
    if "resource" in values:
        values["resource"] = listed(pairs, "resource")
    return msgspec.convert(values, Said)


def worth_a_fetch(said: Said, *, pkce: bool) -> None:
    """Whether a request could come to something, by what can be told without its client (D-39). Raises `Refusal`."""
    for name, value, section in (("response_type", said.response_type, "3.1.1"), ("redirect_uri", said.redirect_uri, "3.1.2.3")):
        if not value:
            raise Refusal(No.INVALID_REQUEST, f"{name}: is missing (RFC 6749 section {section})")
    if said.response_type != "code":
        raise Refusal(No.UNSUPPORTED_RESPONSE_TYPE, "response_type: this server serves code (RFC 6749 section 3.1.1)")
    if is_dangerous(said.redirect_uri):
        raise Refusal(No.INVALID_REDIRECT_URI, "redirect_uri: is no URL, or one that is never redirected to (RFC 9700 section 4.1)")
    if pkce and (not _CHALLENGE.fullmatch(said.code_challenge) or said.code_challenge_method != "S256"):
        raise Refusal(No.INVALID_REQUEST, "code_challenge: is missing; send one with code_challenge_method=S256 (RFC 7636 section 4.4.1)")


def where(said: Said, card: Card) -> Return:
    """Where answers go. Raises `Refusal` that can only be shown (A-12, A-13)."""
    state, mode = said.state, said.response_mode
    if len(state.encode()) > _LONGEST_STATE:
        raise Refusal(No.INVALID_REQUEST, f"state: is longer than {_LONGEST_STATE} bytes")
    uri, registered = _chosen(said, words(card.get("redirect_uris")))
    if is_dangerous(uri):
        raise Refusal(No.INVALID_REDIRECT_URI, "redirect_uri: has a scheme that is never redirected to (RFC 9700 section 4.1)")
    return Return(uri, registered, mode if mode in MODES else "query", state, sent=said.redirect_uri != "")


def _chosen(said: Said, registered: Sequence[str]) -> tuple[str, str]:
    """The redirect URI, and the registered one that it is."""
    asked = said.redirect_uri
    if not asked:
        if len(registered) != 1 or has_any_port(registered[0]) or "openid" in said.scope.split():
            raise Refusal(No.INVALID_REDIRECT_URI, "redirect_uri: is missing (RFC 6749 section 3.1.2.3)")
        return registered[0], registered[0]
    for one in registered:
        if redirect_matches(one, asked):
            return asked, one
    raise Refusal(
        No.INVALID_REDIRECT_URI,
        "redirect_uri: is not one of those the client registered; they are compared character by character (RFC 9700 section 2.1)",
    )


def wish(said: Said, bounds: Bounds) -> Wish:
    """What is asked. Raises `Refusal` that may be sent to where answers go (A-14 to A-26)."""
    for check in _CHECKS:
        check(said, bounds)
    return Wish(
        scope=scope_of(said.scope, bounds),
        challenge=said.code_challenge,
        nonce=said.nonce,
        prompts=frozenset(said.prompt.split()),
        max_age=_max_age(said, bounds.card),
        hint=said.id_token_hint,
        subject=_subject(said.claims),
        login_hint=said.login_hint[:100],
    )


def _not_served(said: Said, bounds: Bounds) -> None:
    del bounds
    for name, no in _NOT_SERVED:
        if getattr(said, name):
            raise Refusal(no, f"{name}: this server does not take it (OIDC Core section 3.1.2.6)")


_NOT_SERVED = (
    ("request", No.REQUEST_NOT_SUPPORTED),
    ("request_uri", No.REQUEST_URI_NOT_SUPPORTED),
    ("registration", No.REGISTRATION_NOT_SUPPORTED),
)


def _response_type(said: Said, bounds: Bounds) -> None:
    kind = said.response_type.strip()
    if not kind:
        raise Refusal(No.INVALID_REQUEST, "response_type: is missing (RFC 6749 section 3.1.1)")
    if kind != "code":
        raise Refusal(No.UNSUPPORTED_RESPONSE_TYPE, "response_type: this server serves code (RFC 6749 section 3.1.1)")
    if not (holds(bounds.card, "response_types", "code") and holds(bounds.card, "grant_types", "authorization_code")):
        raise Refusal(No.UNAUTHORIZED_CLIENT, "response_type: the client is not registered for code (RFC 6749 section 4.1.2.1)")


def _response_mode(said: Said, bounds: Bounds) -> None:
    del bounds
    if said.response_mode and said.response_mode not in MODES:
        raise Refusal(
            No.INVALID_REQUEST, f"response_mode: this server serves {', '.join(MODES)} (OAuth 2.0 Multiple Response Types section 2.1)"
        )


def _challenge(said: Said, bounds: Bounds) -> None:
    challenge, method = said.code_challenge, said.code_challenge_method
    if not challenge:
        if method:
            raise Refusal(No.INVALID_REQUEST, "code_challenge: is missing beside its method (RFC 7636 section 4.3)")
        if bounds.pkce == "always" or (bounds.pkce == "public" and bounds.card.get("token_endpoint_auth_method") == "none"):
            raise Refusal(
                No.INVALID_REQUEST, "code_challenge: is missing; send one with code_challenge_method=S256 (RFC 7636 section 4.4.1)"
            )
        return
    if method != "S256":
        raise Refusal(No.INVALID_REQUEST, "code_challenge_method: must be S256 (RFC 9700 section 2.1.1)")
    if not _CHALLENGE.fullmatch(challenge):
        raise Refusal(No.INVALID_REQUEST, "code_challenge: is not the base64url of a SHA-256 digest (RFC 7636 section 4.2)")


def _prompt(said: Said, bounds: Bounds) -> None:
    del bounds
    prompts = said.prompt.split()
    for prompt in prompts:
        if prompt not in PROMPTS:
            raise Refusal(No.INVALID_REQUEST, f"prompt: this server knows {', '.join(PROMPTS)} (OIDC Core section 3.1.2.1)")
    if "none" in prompts and len(prompts) > 1:
        raise Refusal(No.INVALID_REQUEST, "prompt: none excludes every other value (OIDC Core section 3.1.2.1)")


def _numbers(said: Said, bounds: Bounds) -> None:
    del bounds
    age = said.max_age
    if age and not (age.isascii() and age.isdigit() and len(age) <= 10):
        raise Refusal(No.INVALID_REQUEST, "max_age: must be a number of seconds (OIDC Core section 3.1.2.1)")


def _lengths(said: Said, bounds: Bounds) -> None:
    del bounds
    if len(said.nonce) > _LONGEST:
        raise Refusal(No.INVALID_REQUEST, f"nonce: is longer than {_LONGEST} characters")


_CHECKS: tuple[Callable[[Said, Bounds], None], ...] = (
    _not_served,
    _response_type,
    _response_mode,
    _challenge,
    _prompt,
    _numbers,
    _lengths,
)
"""In the order in which mistakes are told."""


def scope_of(asked: str, bounds: Bounds) -> str:
    """The known scopes that were asked for, within the ceiling; else the registered ones (A-17, H-03, H-16).

    Raises `Refusal` (``invalid_scope``) when nothing remains, in the strict profile also when only unknown words were asked for.
    """
    words = list(dict.fromkeys(asked.split()))
    kept = _allowed(words, bounds)
    if not kept and not (words and bounds.strict):
        kept = _allowed(str(bounds.card.get("scope", "")).split(), bounds)
    if not kept:
        allowed = bounds.known if bounds.ceiling is None else [word for word in bounds.known if word in bounds.ceiling]
        raise Refusal(No.INVALID_SCOPE, f"scope: this client may ask for {' '.join(sorted(allowed)) or 'none'} (RFC 6749 section 3.3)")
    return " ".join(kept)


def _allowed(words: Sequence[str], bounds: Bounds) -> list[str]:
    return [word for word in words if word in bounds.known and (bounds.ceiling is None or word in bounds.ceiling)]


def _max_age(said: Said, card: Card) -> int | None:
    """The request's, or the client's default (OIDC Registration §2)."""
    asked, default = said.max_age, card.get("default_max_age")
    if asked:
        return int(asked)
    return default if isinstance(default, int) and not isinstance(default, bool) else None


def _subject(claims: str) -> str:
    """The fixed ``sub`` in the ``claims`` parameter; everything else in it is a wish we may leave alone (OIDC Core §5.5)."""
    if not 0 < len(claims) <= _LONGEST_CLAIMS:
        return ""
    try:
        read: object = msgspec.json.decode(claims)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return ""
    for name in ("id_token", "sub", "value"):
        read = cast(Mapping[str, object], read).get(name) if isinstance(read, dict) else None
    return read if isinstance(read, str) else ""


def asking_for_another(query: str) -> str:
    """The same request, but somebody else may sign in; a wish for consent stays (OIDC Core §3.1.2.1)."""
    pairs = read_form(query, _FIELDS)
    prompts = {word for name, value in pairs if name == "prompt" for word in value.split()} & {"consent"}
    others = [(name, value) for name, value in pairs if name != "prompt"]
    return urlencode([*others, ("prompt", " ".join(["select_account", *prompts]))])


def answer_url(back: Return, members: Mapping[str, str]) -> str:
    """The redirect URI with the answer in its query or fragment; what its query already holds stays (RFC 6749 §4.1.2)."""
    added = "&".join([f"{name}={value if _PLAIN.fullmatch(value) else _quoted(value)}" for name, value in members.items()])
    if back.mode == "fragment":
        return f"{back.uri}#{added}"
    joint = "" if back.uri.endswith(("?", "&")) else "&" if "?" in back.uri else "?"
    return f"{back.uri}{joint}{added}"


_quoted = lru_cache(maxsize=64)(quote_plus)
"""Remembered, for our issuer is in every answer."""


def proves(verifier: str, challenge: str) -> bool:
    """Whether a verifier is the one behind an S256 challenge; without a challenge there must be no verifier (RFC 7636 §4.6, A-49)."""
    if not challenge or not verifier:
        return challenge == verifier
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = base64url.encode(hashlib.sha256(verifier.encode()).digest())
    return hmac.compare_digest(digest.encode(), challenge.encode())
