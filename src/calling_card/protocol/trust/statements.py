"""Software statements, and signed requests around them: read strictly, judged in one order, merged in (RFC 7591 §2.3).

Nothing is proven here. Who has the keys checks the signature before anything below `read` and `read_request` is believed.
"""

import hashlib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import msgspec

from calling_card.protocol.answers import card_of
from calling_card.protocol.card.vocabulary import MEMBERS, By
from calling_card.protocol.clients import JSON, Card, Client, Tier, words
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles.assertions import Assertion, Unfit
from calling_card.protocol.handles.assertions import read as read_jws
from calling_card.protocol.policy import Rules, invited
from calling_card.protocol.syntax import echo
from calling_card.protocol.trust.issuers import Issuer
from calling_card.protocol.trust.subjects import belongs

MEMBER = "software_statement"
SKEW = 60
"""Seconds that two clocks may differ (R-65)."""
LONGEST = 32768
"""Characters of a statement."""
TYPS = ("jwt", "software-statement+jwt")
REQUEST_TYPS = ("jwt", "jose", "oauth-registration+jwt")
_JWT = ("iss", "sub", "aud", "exp", "nbf", "iat", "jti")
"""Claims about the token itself (R-68)."""
_READ_OTHERWISE = ("crit", "b64", "zip", "enc")
_LONGEST_NAME = 255
_CENTURY = 3_155_760_000
_SECTION = "(RFC 7591 section 2.3)"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that may come once."""

    place: bytes
    mark: bytes
    """16 bytes, as ``place``."""
    until: int
    """From when on it need not be remembered."""
    refusal: Refusal
    """What is said when it comes again."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """A statement that counts, with its issuer."""

    issuer: Issuer
    statement: Assertion
    request: Assertion | None = None
    """The signed request around it (R-76)."""
    before: bool = False
    """Whether it is the one of before, which comes again with every replacement."""

    @property
    def software_id(self) -> str:
        """The software that it is about, or empty."""
        return _text(self.statement.claims.get("software_id"))

    @property
    def about(self) -> tuple[str, str]:
        """Whose word about which software it is."""
        return self.issuer.issuer, self.software_id

    @property
    def place(self) -> bytes:
        """Where the once-only facts about the issuer's statements are: 16 bytes."""
        return _sixteen("statement", self.issuer.issuer)

    @property
    def facts(self) -> "list[Fact]":
        """What comes once: the statement where its issuer says so, and a signed request always (R-66, R-77)."""
        found: list[Fact] = []
        problem = "jti: was used before"
        if self.issuer.once and not self.before:
            mark = _sixteen("statement jti", _text(self.statement.claims.get("jti")))
            found.append(Fact(self.place, mark, self._until, invalid(problem)))
        if self.request is not None:
            place = _sixteen("request", f"{self.issuer.issuer}\0{self.software_id}")
            mark = _sixteen("request jti", _text(self.request.claims.get("jti")))
            found.append(Fact(place, mark, self.request.until, bad_request(problem)))
        return found

    @property
    def _until(self) -> int:
        """From when on the statement is too old anyway."""
        begun, end = _number(self.statement.claims.get("iat")), _number(self.statement.claims.get("exp"))
        ends = [end] if end is not None else []
        if begun is not None and self.issuer.max_age:
            ends.append(begun + self.issuer.max_age)
        return math.ceil(min([*ends, _CENTURY])) + SKEW

    def told(self, overridden: Collection[str]) -> dict[str, JSON]:
        """What the event of a registration or replacement says of it (R-75)."""
        told: dict[str, JSON] = {"issuer": self.issuer.issuer, "claims": list[JSON](metadata(self)), "overridden": list[JSON](overridden)}
        for name in ("software_id", "jti"):
            if _text(self.statement.claims.get(name)):
                told[name] = echo(_text(self.statement.claims.get(name)))
        return {"statement": told}


@dataclass(frozen=True, slots=True)
class Here:
    """Where and when a statement is shown."""

    issuer: str
    endpoint: str
    now: int


class Brought(msgspec.Struct, frozen=True):
    """What came beside the members of a request."""

    request: Assertion | None = None
    """The signed request that they were in; None: plain JSON or a form."""
    certificate: str = ""
    """Subject of the client certificate, as a trusted proxy says it (R-79)."""
    source: str = ""
    """Network it came from, whose budget a fetch is on."""


def read(text: JSON) -> Assertion:
    """The parts of a statement, none of them believed. Raises `Refusal` (R-60)."""
    if not isinstance(text, str):
        raise invalid("must be a text")
    try:
        return read_jws(text, LONGEST)
    except Unfit as unfit:
        raise invalid(str(unfit).replace("the assertion", "it")) from None


def read_request(body: bytes) -> Assertion:
    """The parts of a signed request, none of them believed. Raises `Refusal` (R-76, R-77)."""
    try:
        return read_jws(body.decode("ascii").strip(), 2 * LONGEST)
    except UnicodeDecodeError:
        raise bad_request("it is not ASCII") from None
    except Unfit as unfit:
        raise bad_request(str(unfit).replace("the assertion", "it")) from None


def said_in(request: Assertion) -> Card:
    """The members of a signed request; the claims about the token itself are none (R-76)."""
    return {name: value for name, value in request.claims.items() if name not in _JWT}


def issuer_of(issuers: Mapping[str, Issuer], statement: Assertion) -> Issuer:
    """Who is said to have made it, if that is somebody we trust. Raises `Refusal` (R-62)."""
    name = statement.claims.get("iss")
    if not isinstance(name, str) or not name:
        raise invalid("iss: is missing")
    if name not in issuers:
        raise unapproved("its issuer is none that this server trusts")
    return issuers[name]


def check_header(statement: Assertion, issuer: Issuer) -> None:
    """What must be right before a key is looked for; keys and addresses in the header are not looked at (R-61, R-63, R-64)."""
    problem = _header_problem(statement, issuer.algs, TYPS)
    if problem:
        raise invalid(problem)


def check_claims(vouched: Vouched, here: Here) -> None:
    """Whether a statement whose signature is right counts here and now. Raises `Refusal` (R-65, R-66, R-71)."""
    for check in _CHECKS:
        problem = check(vouched, here)
        if problem:
            raise invalid(problem)
    check_approved(vouched)


def check_approved(vouched: Vouched) -> None:
    """Whether issuer and software are still approved. Raises `Refusal` (R-71)."""
    if vouched.issuer.suspended:
        raise unapproved("statements of its issuer are not approved at present")
    if vouched.software_id in vouched.issuer.revoked:
        raise unapproved("the software is not approved any more")


def check_certificate(vouched: Vouched, subject: str) -> None:
    """Whether the client certificate is of those the statement is about. Raises `Refusal` (R-79)."""
    wanted = vouched.issuer.certificate
    if wanted and not subject:
        raise unapproved("its issuer wants a client certificate, and there was none")
    for attribute, claim in wanted.items():
        if not belongs(subject, attribute, _text(vouched.statement.claims.get(claim))):
            raise unapproved(f"the client certificate is not of those it is about: its {attribute} is not the claim {claim}")


def check_request_header(vouched: Vouched, request: Assertion) -> None:
    """What must be right of a signed request before a key is looked for. Raises `Refusal` (R-77)."""
    if not vouched.issuer.signed_requests:
        raise bad_request("requests with statements of this issuer are plain JSON")
    problem = _header_problem(request, vouched.issuer.algs, REQUEST_TYPS)
    if problem or request.kid is None:
        raise bad_request(problem or "header kid: is missing")


def check_request(vouched: Vouched, request: Assertion, here: Here) -> None:
    """Whether a signed request whose signature is right counts here and now. Raises `Refusal` (R-77)."""
    for check in _REQUEST_CHECKS:
        problem = check(vouched, request, here)
        if problem:
            raise bad_request(problem)


def check_successor(before: Vouched, after: Vouched) -> None:
    """Whether a statement may take the place of another one. Raises `Refusal` (R-80)."""
    if after.about != before.about:
        raise invalid("is by another issuer, or about other software, than the one of this registration")
    if after.issuer.fresh_on_update and after.statement.text == before.statement.text:
        raise invalid("a replacement needs a new one, not the one of before")


def check_recovers(vouched: Vouched) -> None:
    """Whether a statement is proof enough for another registration access token (M-42). Raises `Refusal`."""
    if not vouched.issuer.recovery:
        raise unapproved("nothing is recovered by statements of its issuer")
    if not vouched.software_id:
        raise unapproved("it names no software_id, so nothing is recovered by it")
    _check_proves(vouched)


def check_replaces(vouched: Vouched) -> None:
    """Whether a statement is proof enough to end earlier registrations, where its issuer's do (C-16). Raises `Refusal`."""
    if vouched.issuer.replace_existing and vouched.software_id:
        _check_proves(vouched)


def _check_proves(vouched: Vouched) -> None:
    if vouched.request is None and not vouched.issuer.proves_bearer:
        raise unapproved("it may have been read by others; send it in a request that the software signs")


def invalid(problem: str) -> Refusal:
    """The statement itself is wrong (RFC 7591 §3.2.2)."""
    return Refusal(No.INVALID_SOFTWARE_STATEMENT, f"{MEMBER}: {problem} {_SECTION}")


def unapproved(problem: str) -> Refusal:
    """The statement may be right and is not taken (RFC 7591 §3.2.2)."""
    return Refusal(No.UNAPPROVED_SOFTWARE_STATEMENT, f"{MEMBER}: {problem} (RFC 7591 section 3.2.2)")


def bad_request(problem: str) -> Refusal:
    """The signed request is wrong (R-77)."""
    return Refusal(No.INVALID_CLIENT_METADATA, f"the signed request: {problem} (UK Open Banking DCR 3.3)")


# ── What it says about the software ──────────────────────────────────────────────────────────────────────────────────


def metadata(vouched: Vouched) -> Card:
    """The claims that are client metadata, under the names of the members (R-67, R-68)."""
    issuer = vouched.issuer
    named = {issuer.names.get(name, name): value for name, value in vouched.statement.claims.items() if name not in _JWT}
    own = {name: value for name, value in vouched.statement.claims.items() if name in named and name not in _JWT}
    return {name: value for name, value in {**named, **own}.items() if value is not None and _usable(issuer, name)}


def states_name(vouched: Vouched) -> bool:
    """Whether the name that people read is the issuer's word, in whatever language; then none of it is the client's own."""
    return any(name.partition("#")[0] == "client_name" for name in metadata(vouched))


def _usable(issuer: Issuer, name: str) -> bool:
    base, mark, _ = name.partition("#")
    row = MEMBERS.get(base)
    if row is None or row.by is By.SERVER or row.unread or (mark and not row.i18n):
        return False
    return not issuer.allowed or base in issuer.allowed


class Merged(msgspec.Struct, frozen=True):
    """A request with what the statement says in it."""

    said: Card
    overridden: list[str] = msgspec.field(default_factory=list[str])
    """Members of the request that do not count, because the statement says otherwise."""


def merge(said: Card, vouched: Vouched) -> Merged:
    """What the statement says wins over what the request says, in every language; a locked member may only be narrowed (R-67, R-74, R-78).

    Raises `Refusal` for a locked member that says something else, and for a value that is none of those the issuer's software may have.
    """
    claims = metadata(vouched)
    stated = {name.partition("#")[0] for name in claims}
    merged, overridden = dict(said), list[str]()
    for name in [name for name in said if name.partition("#")[0] in stated and said[name] is not None]:
        base = name.partition("#")[0]
        fits = name in claims and _within(base, said[name], claims[name])
        if base in vouched.issuer.locked and not fits:
            raise Refusal(MEMBERS[base].no, f"{echo(name)}: says more than the software statement {_SECTION}")
        if base not in vouched.issuer.locked and said[name] != claims.get(name):
            overridden.append(name)
            del merged[name]
    for name, value in claims.items():
        if merged.get(name) is None:
            merged[name] = value
    _settle_values(merged, vouched.issuer)
    return Merged(merged, overridden)


def _settle_values(merged: Card, issuer: Issuer) -> None:
    for name, taken in issuer.values.items():
        if merged.get(name) is None:
            merged[name] = taken[0]
        if merged[name] not in taken:
            raise Refusal(No.INVALID_CLIENT_METADATA, f"{name}: software of this issuer has {' or '.join(taken)} {_SECTION}")


def _within(name: str, plain: JSON, stated: JSON) -> bool:
    """Whether a value narrows another one: the same, some of a list, or some words of a scope; none of either would be the default."""
    if name == "scope" and isinstance(plain, str) and isinstance(stated, str):
        return bool(plain.split()) and set(plain.split()) <= set(stated.split())
    if isinstance(plain, list) and isinstance(stated, list):
        return bool(plain) and all(item in stated for item in plain)
    return plain == stated


# ── What it lets a client become ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What an invitation says; None: it is silent, or there is none."""

    scope: str | None = None
    grants: Collection[str] | None = None
    hosts: Collection[str] | None = None


def vouched_rules(base: Rules, vouched: Vouched, invitation: Ceiling, known: Collection[str]) -> Rules:
    """The ceilings of the issuer, narrowed by those of an invitation that came too; the rules of strangers where both are silent (R-75)."""
    issuer = vouched.issuer
    scope = _scope(vouched, known)
    words_of = None if invitation.scope is None else invitation.scope.split()
    both = _narrower(None if scope is None else scope.split(), words_of)
    rules = invited(
        base,
        None if both is None else " ".join(both),
        _narrower(issuer.grants or None, invitation.grants),
        _narrower(issuer.hosts or None, invitation.hosts),
    )
    return Rules("vouched", rules.grants, rules.scopes, rules.default_scope, rules.hosts)


def _scope(vouched: Vouched, known: Collection[str]) -> str | None:
    """The scopes that the roles of the software open, or those of the issuer; only such as are known here."""
    issuer = vouched.issuer
    if issuer.roles:
        roles = words(vouched.statement.claims.get(issuer.roles_claim))
        opened = [word for role in roles for word in issuer.roles.get(role, "").split()]
    elif issuer.scopes:
        opened = issuer.scopes.split()
    else:
        return None
    return " ".join(word for word in dict.fromkeys(opened) if word in known)


def _narrower(one: Collection[str] | None, other: Collection[str] | None) -> list[str] | None:
    if one is None or other is None:
        return None if one is other else list(one or other or ())
    return [word for word in one if word in other]


def kept(issuers: Mapping[str, Issuer], client: Client) -> Vouched | None:
    """The statement that a client came with; None: it came without, or its issuer is not trusted any more."""
    if client.tier is not Tier.VOUCHED:
        return None
    try:
        statement = read(card_of(client).get(MEMBER))
    except Refusal:
        return None
    issuer = issuers.get(_text(statement.claims.get("iss")))
    return Vouched(issuer, statement, before=True) if issuer is not None else None


def stands(vouched: Vouched) -> bool:
    """Whether issuer and software are still approved."""
    return not vouched.issuer.suspended and vouched.software_id not in vouched.issuer.revoked


# ── What must be true, in the order in which it is told ──────────────────────────────────────────────────────────────


def _header_problem(jws: Assertion, algs: Collection[str], typs: Collection[str]) -> str:
    found = next((name for name in _READ_OTHERWISE if name in jws.header), "")
    if found:
        return f"header {found}: is not taken"
    typ = jws.header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in typs:
        return f"header typ: is none of {', '.join(typs)}"
    if jws.alg not in algs:
        return f"header alg: is none of {', '.join(algs)}"
    kid = jws.header.get("kid", "-")
    return "" if isinstance(kid, str) and 0 < len(kid) <= _LONGEST_NAME else "header kid: is no short text"


def _required(vouched: Vouched, here: Here) -> str:
    del here
    names = (*vouched.issuer.required, *(("jti",) if vouched.issuer.once else ()), *(("iat",) if vouched.issuer.max_age else ()))
    missing = next((name for name in names if vouched.statement.claims.get(name) in (None, "", [])), "")
    return f"{missing}: is missing" if missing else ""


def _times(vouched: Vouched, here: Here) -> str:
    claims, now = vouched.statement.claims, here.now
    problem = _time_problem(claims)
    if problem:
        return problem
    begun, end = _number(claims.get("iat")), _number(claims.get("exp"))
    if end is not None and end + SKEW <= now:
        return "exp: is over"
    if any((_number(claims.get(name)) or 0) > now + SKEW for name in ("iat", "nbf")):
        return "iat, nbf: is in the future"
    too_old = begun is not None and vouched.issuer.max_age and begun + vouched.issuer.max_age + SKEW <= now
    return f"iat: is more than {vouched.issuer.max_age} seconds ago" if too_old else ""


def _time_problem(claims: Mapping[str, JSON]) -> str:
    wrong = next((name for name in ("exp", "nbf", "iat") if name in claims and _number(claims[name]) is None), "")
    return f"{wrong}: is no number" if wrong else ""


def _audience(vouched: Vouched, here: Here) -> str:
    if "aud" not in vouched.statement.claims:
        return ""
    return _audience_problem(vouched.statement.claims["aud"], (here.issuer, here.endpoint, *vouched.issuer.audience))


def _audience_problem(said: JSON, taken: Collection[str]) -> str:
    audiences = [said] if isinstance(said, str) else words(said)
    return "" if any(one in taken for one in audiences) else f"aud: names none of {', '.join(taken)}"


def _jti(vouched: Vouched, here: Here) -> str:
    del here
    return _jti_problem(vouched.statement.claims.get("jti", "-"))


def _jti_problem(jti: JSON) -> str:
    return "" if isinstance(jti, str) and 0 < len(jti) <= _LONGEST_NAME else "jti: is missing, or no short text"


def _software(vouched: Vouched, here: Here) -> str:
    del here
    named = vouched.statement.claims.get("software_id", "-")
    return "" if isinstance(named, str) and 0 < len(named) <= _LONGEST_NAME else "software_id: is no short text"


def _locked(vouched: Vouched, here: Here) -> str:
    """What only the statement may say must be said: else the request could say anything (R-74)."""
    del here
    stated = {name.partition("#")[0] for name in metadata(vouched)}
    missing = next((name for name in vouched.issuer.locked if name not in stated), "")
    return f"{missing}: is missing, and only the statement may say it" if missing else ""


_CHECKS: tuple[Callable[[Vouched, Here], str], ...] = (_required, _times, _audience, _jti, _software, _locked)


def _request_who(vouched: Vouched, request: Assertion, here: Here) -> str:
    del here
    return (
        "" if vouched.software_id and request.claims.get("iss") == vouched.software_id else "iss: is not the software_id of its statement"
    )


def _request_audience(vouched: Vouched, request: Assertion, here: Here) -> str:
    return _audience_problem(request.claims.get("aud"), (here.issuer, *vouched.issuer.audience))


def _request_times(vouched: Vouched, request: Assertion, here: Here) -> str:
    del vouched
    begun, end = _number(request.claims.get("iat")), _number(request.claims.get("exp"))
    if begun is None or end is None:
        return "iat, exp: must be there and be numbers"
    if end + SKEW <= here.now:
        return "exp: is over"
    return "iat: is in the future" if begun > here.now + SKEW else _far(end, here.now)


def _far(end: float, now: int) -> str:
    """A request is remembered until its end, so that lies not far away (X-44)."""
    return "exp: is more than a day ahead" if end > now + 86400 else ""


def _request_jti(vouched: Vouched, request: Assertion, here: Here) -> str:
    del vouched, here
    return _jti_problem(request.claims.get("jti"))


_REQUEST_CHECKS: tuple[Callable[[Vouched, Assertion, Here], str], ...] = (_request_who, _request_audience, _request_times, _request_jti)


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""


def _number(value: JSON) -> int | float | None:
    """A time in seconds since 1970 (RFC 7519 §2), or None."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _sixteen(kind: str, name: str) -> bytes:
    return hashlib.sha256(f"{kind}\0{name}".encode()).digest()[:16]
